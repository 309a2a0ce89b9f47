/* SPDX-License-Identifier: MIT */
/* Writing x86-64 instructions (Intel SDM volume 2, chapter 2: formats; appendix A: opcodes).
 *
 * An opcode is a number: its bytes, first byte highest, with a mandatory prefix in bits 24 to 31. So
 * 0xf30fb8 would be popcnt's bytes; here it is 0xf3000fb8. */
#ifndef JIT_X86_64_EMIT_H
#define JIT_X86_64_EMIT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum reg {
	RAX,
	RCX,
	RDX,
	RBX,
	RSP,
	RBP,
	RSI,
	RDI,
	R8,
	R9,
	R10,
	R11,
	R12,
	R13,
	R14,
	R15,
	NO_REG = 0xff
};

/* Condition codes: the low four bits of Jcc, SETcc and CMOVcc. */
enum cc {
	CC_O,
	CC_NO,
	CC_B,
	CC_AE,
	CC_E,
	CC_NE,
	CC_BE,
	CC_A,
	CC_S,
	CC_NS,
	CC_P,
	CC_NP,
	CC_L,
	CC_GE,
	CC_LE,
	CC_G
};

enum opcode {
	OP_ADD_RM = 0x03, /* reg, r/m */
	OP_OR_RM = 0x0b,
	OP_AND_RM = 0x23,
	OP_SUB_RM = 0x2b,
	OP_XOR_RM = 0x33,
	OP_CMP_RM = 0x3b,
	OP_MOVSXD = 0x63,
	OP_IMUL_RMI = 0x69,
	OP_GROUP1 = 0x81, /* r/m, imm32; /0 add /1 or /4 and /5 sub /6 xor /7 cmp */
	OP_GROUP1_I8 = 0x83, /* r/m, imm8 */
	OP_GROUP1_8 = 0x80, /* r/m8, imm8 */
	OP_TEST = 0x85,
	OP_MOV_MR8 = 0x88,
	OP_MOV_MR = 0x89,
	OP_MOV_RM = 0x8b,
	OP_LEA = 0x8d,
	OP_SHIFT_I = 0xc1, /* /0 rol /1 ror /4 shl /5 shr /7 sar */
	OP_MOV_MI8 = 0xc6,
	OP_MOV_MI = 0xc7,
	OP_SHIFT_CL = 0xd3,
	OP_GROUP3 = 0xf7, /* /2 not /3 neg /4 mul /5 imul /6 div /7 idiv */
	OP_GROUP5 = 0xff, /* /2 call /4 jmp */
	OP_CMOV = 0x0f40,
	OP_SET = 0x0f90,
	OP_LDMXCSR = 0x0fae, /* /2; /3 stmxcsr */
	OP_IMUL_RM = 0x0faf,
	OP_MOVZX8 = 0x0fb6,
	OP_MOVZX16 = 0x0fb7,
	OP_MOVSX8 = 0x0fbe,
	OP_MOVSX16 = 0x0fbf,
	OP_BSWAP = 0x0fc8,
	OP_POPCNT = (int)0xf3000fb8,
	OP_TZCNT = (int)0xf3000fbc,
	OP_LZCNT = (int)0xf3000fbd,
	OP_MOVD_XR = 0x66000f6e, /* xmm, r/m */
	OP_MOVD_RX = 0x66000f7e, /* r/m, xmm */
	OP_MOVQ_XM = (int)0xf3000f7e, /* xmm, xmm/m64, upper half cleared */
	OP_MOVQ_MX = 0x66000fd6,
	OP_MOVSS_XM = (int)0xf3000f10,
	OP_MOVSS_MX = (int)0xf3000f11,
	OP_MOVAPS = 0x0f28,
	OP_XORPS = 0x0f57,
	OP_MOVUPS_XM = 0x0f10,
	OP_MOVUPS_MX = 0x0f11
};

enum group1 { G1_ADD = 0, G1_OR = 1, G1_AND = 4, G1_SUB = 5, G1_XOR = 6, G1_CMP = 7 };
enum group3 { G3_NOT = 2, G3_NEG, G3_MUL, G3_IMUL, G3_DIV, G3_IDIV };
enum shift { SH_ROL = 0, SH_ROR = 1, SH_SHL = 4, SH_SHR = 5, SH_SAR = 7 };

struct emit {
	uint8_t *at, *end; /* in the writable mapping; at > end - EMIT_MARGIN: full */
	ptrdiff_t to_execute;
	bool full;
};

enum { EMIT_MARGIN = 64 };

static inline void emit8(struct emit *e, unsigned v)
{
	*e->at++ = (uint8_t)v;
}

static inline void emit32(struct emit *e, uint32_t v)
{
	memcpy(e->at, &v, 4);
	e->at += 4;
}

static inline void emit64(struct emit *e, uint64_t v)
{
	memcpy(e->at, &v, 8);
	e->at += 8;
}

/* Prefix, REX and opcode. `byte`: an 8-bit register operand, which needs a REX to be SIL and not DH. */
static inline void emit_head(struct emit *e, uint32_t op, bool wide, bool byte, unsigned reg,
	unsigned index, unsigned base)
{
	unsigned rex =
		(unsigned)wide << 3 | (reg >> 3 & 1) << 2 | (index >> 3 & 1) << 1 | (base >> 3 & 1);
	if (e->at > e->end - EMIT_MARGIN) {
		e->full = true; /* the block is given up; go on at a place where nothing breaks */
		e->at = e->end - 2 * EMIT_MARGIN;
	}
	if (op >> 24)
		emit8(e, op >> 24);
	if (rex || byte)
		emit8(e, 0x40 | rex);
	if (op >> 16 & 0xff)
		emit8(e, op >> 16 & 0xff);
	if (op >> 8 & 0xff)
		emit8(e, op >> 8 & 0xff);
	emit8(e, op & 0xff);
}

/* op reg, rm: both registers */
static inline void emit_rr(struct emit *e, unsigned op, bool wide, unsigned reg, unsigned rm)
{
	emit_head(e, op, wide, false, reg, 0, rm);
	emit8(e, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

/* The same with 8-bit registers. */
static inline void emit_rr8(struct emit *e, unsigned op, bool wide, unsigned reg, unsigned rm)
{
	emit_head(e, op, wide, true, reg, 0, rm);
	emit8(e, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

static inline void emit_modrm(struct emit *e, unsigned reg, unsigned base, int32_t disp)
{
	unsigned mod = disp == 0 && (base & 7) != RBP ? 0 : disp == (int8_t)disp ? 1 : 2;
	emit8(e, mod << 6 | (reg & 7) << 3 | (base & 7));
	if ((base & 7) == RSP)
		emit8(e, 0x24);
	if (mod == 1)
		emit8(e, (uint8_t)disp);
	else if (mod == 2)
		emit32(e, (uint32_t)disp);
}

/* op reg, [base + disp] (or the other way round: the opcode says) */
static inline void emit_rm(
	struct emit *e, unsigned op, bool wide, unsigned reg, unsigned base, int32_t disp)
{
	emit_head(e, op, wide, false, reg, 0, base);
	emit_modrm(e, reg, base, disp);
}

static inline void emit_rm8(struct emit *e, unsigned op, unsigned reg, unsigned base, int32_t disp)
{
	emit_head(e, op, false, true, reg, 0, base);
	emit_modrm(e, reg, base, disp);
}

/* op reg, [base + index << scale + disp]; index is not RSP */
static inline void emit_rx(struct emit *e, unsigned op, bool wide, bool byte, unsigned reg,
	unsigned base, unsigned index, unsigned scale, int32_t disp)
{
	unsigned mod = disp == 0 && (base & 7) != RBP ? 0 : disp == (int8_t)disp ? 1 : 2;
	emit_head(e, op, wide, byte, reg, index, base);
	emit8(e, mod << 6 | (reg & 7) << 3 | 4);
	emit8(e, scale << 6 | (index & 7) << 3 | (base & 7));
	if (mod == 1)
		emit8(e, (uint8_t)disp);
	else if (mod == 2)
		emit32(e, (uint32_t)disp);
}

static inline void emit_mov(struct emit *e, bool wide, unsigned to, unsigned from)
{
	if (to != from || !wide)
		emit_rr(e, OP_MOV_RM, wide, to, from);
}

static inline void emit_const(struct emit *e, unsigned to, uint64_t value)
{
	if (value == (uint32_t)value) {
		emit_head(e, 0xb8 | (to & 7), false, false, 0, 0, to);
		emit32(e, (uint32_t)value);
	} else if ((int64_t)value == (int32_t)value) {
		emit_rr(e, OP_MOV_MI, true, 0, to);
		emit32(e, (uint32_t)value);
	} else {
		emit_head(e, 0xb8 | (to & 7), true, false, 0, 0, to);
		emit64(e, value);
	}
}

/* reg = whether cc holds */
static inline void emit_cset(struct emit *e, unsigned reg, enum cc cc)
{
	emit_rr8(e, OP_SET | (unsigned)cc, false, 0, reg);
	emit_rr8(e, OP_MOVZX8, false, reg, reg);
}

/* add, or, and, sub, xor, cmp with an immediate */
static inline void emit_group1(
	struct emit *e, bool wide, enum group1 what, unsigned rm, int32_t imm)
{
	if (imm == (int8_t)imm) {
		emit_rr(e, OP_GROUP1_I8, wide, (unsigned)what, rm);
		emit8(e, (uint8_t)imm);
	} else {
		emit_rr(e, OP_GROUP1, wide, (unsigned)what, rm);
		emit32(e, (uint32_t)imm);
	}
}

static inline void emit_push(struct emit *e, unsigned reg)
{
	emit_head(e, 0x50 | (reg & 7), false, false, 0, 0, reg);
}

static inline void emit_pop(struct emit *e, unsigned reg)
{
	emit_head(e, 0x58 | (reg & 7), false, false, 0, 0, reg);
}

/* Sign-extended to 8 bytes. */
static inline void emit_push_const(struct emit *e, int32_t imm)
{
	bool small = imm == (int8_t)imm;
	emit_head(e, small ? 0x6a : 0x68, false, false, 0, 0, 0);
	if (small)
		emit8(e, (uint8_t)imm);
	else
		emit32(e, (uint32_t)imm);
}

static inline void emit_shift(
	struct emit *e, bool wide, enum shift what, unsigned rm, unsigned count)
{
	emit_rr(e, OP_SHIFT_I, wide, (unsigned)what, rm);
	emit8(e, count);
}

/* Three-operand instructions with a VEX prefix. map: 1 0F, 2 0F38, 3 0F3A; pp: 0 none, 1 66, 2 F3,
 * 3 F2. */
static inline void emit_vex(struct emit *e, unsigned map, unsigned pp, bool wide, unsigned op,
	unsigned reg, unsigned second, unsigned rm)
{
	emit_head(e, 0xc4, false, false, 0, 0, 0);
	emit8(e, (~reg >> 3 & 1) << 7 | 1u << 6 | (~rm >> 3 & 1) << 5 | map);
	emit8(e, (unsigned)wide << 7 | (~second & 15) << 3 | pp);
	emit8(e, op);
	emit8(e, 0xc0 | (reg & 7) << 3 | (rm & 7));
}

/* The same with the last operand in memory. */
static inline void emit_vex_m(struct emit *e, unsigned map, unsigned pp, unsigned op, unsigned reg,
	unsigned second, unsigned base, int32_t disp)
{
	emit_head(e, 0xc4, false, false, 0, 0, 0);
	emit8(e, (~reg >> 3 & 1) << 7 | 1u << 6 | (~base >> 3 & 1) << 5 | map);
	emit8(e, (~second & 15) << 3 | pp);
	emit8(e, op);
	emit_modrm(e, reg, base, disp);
}

/* Jumps. The place of the 32-bit distance is returned, to be filled by emit_here or emit_to. */
static inline uint8_t *emit_jcc(struct emit *e, enum cc cc)
{
	emit_head(e, 0x0f80 | (unsigned)cc, false, false, 0, 0, 0);
	emit32(e, 0);
	return e->at - 4;
}

static inline uint8_t *emit_jmp(struct emit *e)
{
	emit_head(e, 0xe9, false, false, 0, 0, 0);
	emit32(e, 0);
	return e->at - 4;
}

static inline void emit_to(uint8_t *place, const uint8_t *target)
{
	int32_t distance = (int32_t)(target - (place + 4));
	memcpy(place, &distance, 4);
}

static inline void emit_here(struct emit *e, uint8_t *place)
{
	emit_to(place, e->at);
}

/* To a place in executable memory. */
static inline void emit_jmp_to(struct emit *e, const void *target)
{
	uint8_t *place = emit_jmp(e);
	emit_to(place, (const uint8_t *)target - e->to_execute);
}

static inline void emit_call_to(struct emit *e, const void *target)
{
	emit_head(e, 0xe8, false, false, 0, 0, 0);
	emit32(e, 0);
	emit_to(e->at - 4, (const uint8_t *)target - e->to_execute);
}

#endif
