/* SPDX-License-Identifier: MIT */
/* What codegen.c and its like ask of x86-64: registers, and instructions by what they do. */
#ifndef JIT_X86_64_CODEGEN_HOST_H
#define JIT_X86_64_CODEGEN_HOST_H
#include "emit.h"
#include <xmmintrin.h>

enum {
	BASE = RBP,
	CPU = R15,
	PC = R12,
	LEFT = R13,
	BIAS = 256, /* so that more guest registers are within a byte's reach */
	CPU_BIAS = 128, /* and more of struct jit_cpu */
	XMM0 = 16, /* host registers are numbered through: 0..15 general, 16..31 XMM */
	XMM15 = 31,
	FP_FIRST = XMM0,
	FP_SCRATCH = XMM15, /* the last */
	FP_WIDTH = 16, /* bytes of the widest value in one */
	HOST_REGS = 32,
	GENERAL = 11, /* that values may be in */
	PINNED_GENERAL = 7,
	PINNED_FP = 10,
	RESULT = RAX, /* of C, and why native code is left */
	SECOND = RSI, /* argument of C */
	STATUS_FLAGS = 0x3f, /* of MXCSR (SDM volume 1, 10.2.3) */
	INFO = RAX, /* what C functions are given points */
	CC_LEAVE = CC_B, /* behind a call of C that wants to leave */
	HOST_RAW_RESULTS = 1, /* its own NaN has another sign than RISC-V's */
	CODE_ALIGN = 16,
	LINK_ADDRESS = 6 /* behind the jump's distance: the constant of a MOV */
};

enum { /* conditions behind a comparison */
	IF_EQ = CC_E,
	IF_NE = CC_NE,
	IF_LTS = CC_L,
	IF_LES = CC_LE,
	IF_GTS = CC_G,
	IF_GES = CC_GE,
	IF_LTU = CC_B,
	IF_LEU = CC_BE,
	IF_GTU = CC_A,
	IF_GEU = CC_AE,
	IF_UNORDERED = CC_P /* emit_compare_nans */
};

#define CPU_AT(member) ((int32_t)offsetof(struct jit_cpu, member) - CPU_BIAS)
#define AT(off)        ((int32_t)(off)-BIAS)

/* 1 to 8 bytes between memory and any register, zero-extended; 16 from and to one of fp. */
static inline void emit_load(
	struct emit *e, unsigned reg, unsigned bytes, unsigned base, int32_t disp)
{
	if (reg >= FP_FIRST) {
		emit_rm(e,
			bytes == 4            ? OP_MOVSS_XM
				: bytes == 16 ? OP_MOVUPS_XM
					      : OP_MOVQ_XM,
			false, reg, base, disp);
		return;
	}
	switch (bytes) {
	case 1: emit_rm(e, OP_MOVZX8, false, reg, base, disp); break;
	case 2: emit_rm(e, OP_MOVZX16, false, reg, base, disp); break;
	default: emit_rm(e, OP_MOV_RM, bytes == 8, reg, base, disp); break;
	}
}

static inline void emit_store(
	struct emit *e, unsigned reg, unsigned bytes, unsigned base, int32_t disp)
{
	if (reg >= FP_FIRST) {
		emit_rm(e,
			bytes == 4            ? OP_MOVSS_MX
				: bytes == 16 ? OP_MOVUPS_MX
					      : OP_MOVQ_MX,
			false, reg, base, disp);
		return;
	}
	switch (bytes) {
	case 1: emit_rm8(e, OP_MOV_MR8, reg, base, disp); break;
	case 2: emit_rm(e, 0x66000000 | OP_MOV_MR, false, reg, base, disp); break;
	default: emit_rm(e, OP_MOV_MR, bytes == 8, reg, base, disp); break;
	}
}

/* A constant of 8 or 4 bytes to memory without a register for values; false: not this one. Those of 4
 * bytes, and 0, always. */
static inline bool emit_store_const(
	struct emit *e, bool wide, unsigned base, int32_t disp, uint64_t value)
{
	if (wide && value != (uint64_t)(int64_t)(int32_t)value)
		return false;
	emit_rm(e, OP_MOV_MI, wide, 0, base, disp);
	emit32(e, (uint32_t)value);
	return true;
}

/* From any register to any other. */
static inline void emit_move(struct emit *e, unsigned to, unsigned from)
{
	if (to == from)
		return;
	if (to >= FP_FIRST && from >= FP_FIRST)
		emit_rr(e, OP_MOVAPS, false, to, from);
	else if (to >= FP_FIRST)
		emit_rr(e, OP_MOVD_XR, true, to, from);
	else if (from >= FP_FIRST)
		emit_rr(e, OP_MOVD_RX, true, from, to);
	else
		emit_rr(e, OP_MOV_RM, true, to, from);
}

/* d = n + imm; not wide: zero-extended from 32 bits. */
static inline void emit_plus(struct emit *e, bool wide, unsigned d, unsigned n, int32_t imm)
{
	emit_rm(e, OP_LEA, wide, d, n, imm);
}

/* reg &= mask, of 32 bits */
static inline void emit_mask(struct emit *e, unsigned reg, uint32_t mask)
{
	emit_group1(e, false, G1_AND, reg, (int32_t)mask);
}

/* Of 64 bits: without those below `low`, 1 to 63. */
static inline void emit_clear_low(struct emit *e, unsigned reg, unsigned low)
{
	emit_shift(e, true, SH_SHR, reg, low);
	emit_shift(e, true, SH_SHL, reg, low);
}

/* Of 64 bits: only the `keep` lowest, 1 to 63. */
static inline void emit_keep_low(struct emit *e, unsigned reg, unsigned keep)
{
	emit_shift(e, true, SH_SHL, reg, 64 - keep);
	emit_shift(e, true, SH_SHR, reg, 64 - keep);
}

/* Takes a block's instructions off LEFT; the jump for when there are not as many. */
static inline uint8_t *emit_spend(struct emit *e, unsigned insns)
{
	emit_group1(e, true, G1_SUB, LEFT, (int32_t)insns);
	return emit_jcc(e, CC_S);
}

static inline void emit_give_back(struct emit *e, unsigned insns)
{
	emit_group1(e, true, G1_ADD, LEFT, (int32_t)insns);
}

/* Whether an instruction can compute with it. */
static inline bool can_hold(int64_t imm)
{
	return imm == (int32_t)imm;
}

static inline void emit_cmp(struct emit *e, bool wide, unsigned a, unsigned b)
{
	emit_rr(e, OP_CMP_RM, wide, a, b);
}

/* Compare a with a constant that an instruction can hold. */
static inline void emit_cmp_i(struct emit *e, bool wide, unsigned a, int64_t imm)
{
	if (imm)
		emit_group1(e, wide, G1_CMP, a, (int32_t)imm);
	else
		emit_rr(e, OP_TEST, wide, a, a);
}

/* Whether reg is not 0, 32 bits: CC_NE. */
static inline void emit_test(struct emit *e, unsigned reg)
{
	emit_rr(e, OP_TEST, false, reg, reg);
}

/* Whether one of two registers has a NaN, quiet ones at least: IF_UNORDERED. */
static inline void emit_compare_nans(struct emit *e, bool twice, unsigned a, unsigned b)
{
	emit_rr(e, twice ? 0x66000f2e : 0x0f2e, false, a, b); /* ucomisd, ucomiss */
}

/* Compare a general register with memory. */
static inline void emit_cmp_with(
	struct emit *e, bool wide, unsigned reg, unsigned base, int32_t disp)
{
	emit_rm(e, OP_CMP_RM, wide, reg, base, disp);
}

/* Compare a small number in memory, of 4 bytes. */
static inline void emit_cmp_memory(struct emit *e, unsigned base, int32_t disp, int8_t with)
{
	emit_rm(e, OP_GROUP1_I8, false, G1_CMP, base, disp);
	emit8(e, (uint8_t)with);
}

/* d, neither of them, = cc ? yes : no */
static inline void emit_csel(
	struct emit *e, bool wide, unsigned d, unsigned yes, unsigned no, enum cc cc)
{
	emit_mov(e, true, d, no);
	emit_rr(e, OP_CMOV | (unsigned)cc, wide, d, yes);
}

static inline void emit_nop(struct emit *e)
{
	emit_head(e, 0x90, false, false, 0, 0, 0);
}

/* reg = the address of a place in the code */
static inline void emit_address(struct emit *e, unsigned reg, const uint8_t *place)
{
	emit_head(e, OP_LEA, true, false, reg, 0, 0);
	emit8(e, (reg & 7) << 3 | 5); /* [RIP + distance] */
	emit32(e, 0);
	emit_to(e->at - 4, place);
}

/* The register of floating-point flags. */
static inline unsigned host_status(void)
{
	return _mm_getcsr();
}

static inline void host_set_status(unsigned status)
{
	_mm_setcsr(status);
}

/* The first argument of C. */
static inline void emit_first_cpu(struct emit *e)
{
	emit_rm(e, OP_LEA, true, RDI, CPU, -CPU_BIAS);
}

/* RESULT, an enum bp_helper_status but no BP_H_RAISED, as CC_LEAVE: the carry flag. */
static inline void emit_leave_flag(struct emit *e)
{
	emit_rr(e, OP_GROUP3, false, G3_NEG, RESULT);
}

static inline void code_fetch_anew(void)
{
}

/* What is written is seen as code at once (SDM volume 3, 11.6: caches are coherent). */
static inline void code_publish(const uint8_t *write, size_t size)
{
	(void)write;
	(void)size;
}

#endif
