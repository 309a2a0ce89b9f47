/* SPDX-License-Identifier: MIT */
/* Writing A64 instructions (Arm ARM, DDI 0487, chapter C4: encodings).
 *
 * An opcode is the instruction's word with its registers and immediates 0, in its 32-bit form where
 * there are two. X17 is scratch here: for constants that no instruction can hold. */
#ifndef JIT_AARCH64_EMIT_H
#define JIT_AARCH64_EMIT_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

enum reg {
	X0,
	X1,
	X15 = 15,
	X16, /* scratch: IP0 and IP1 of AAPCS64, section 6.1.1 */
	X17,
	X19 = 19,
	X20,
	X21,
	X22,
	X23,
	X29 = 29,
	LR, /* scratch too, between calls */
	XZR, /* SP where an address's base is meant, and for immediate add and sub */
	SP = XZR,
	V0, /* floating point: numbered on */
	V31 = V0 + 31,
	NO_REG = 0xff
};

/* Condition codes (C1.2.4). */
enum cc {
	CC_EQ,
	CC_NE,
	CC_CS,
	CC_CC,
	CC_MI,
	CC_PL,
	CC_VS,
	CC_VC,
	CC_HI,
	CC_LS,
	CC_GE,
	CC_LT,
	CC_GT,
	CC_LE
};

/* clang-format off */
enum opcode {
	/* two registers: Rd, Rn, Rm */
	A64_AND = 0x0a000000, A64_BIC = 0x0a200000, A64_ORR = 0x2a000000, A64_ORN = 0x2a200000,
	A64_EOR = 0x4a000000, A64_ANDS = 0x6a000000,
	A64_ADD = 0x0b000000, A64_ADDS = 0x2b000000, A64_SUB = 0x4b000000, A64_SUBS = 0x6b000000,
	A64_UDIV = 0x1ac00800, A64_SDIV = 0x1ac00c00,
	A64_LSLV = 0x1ac02000, A64_LSRV = 0x1ac02400, A64_ASRV = 0x1ac02800, A64_RORV = 0x1ac02c00,
	A64_MADD = 0x1b000000, A64_MSUB = 0x1b008000, A64_MUL = 0x1b007c00,
	A64_SMULH = 0x1b407c00, A64_UMULH = 0x1bc07c00,
	A64_CSEL = 0x1a800000, A64_CSINC = 0x1a800400, A64_CSINV = 0x5a800000, A64_CCMP = 0x7a400000,
	A64_EXTR = 0x13800000,
	/* one register: Rd, Rn */
	A64_RBIT = 0x5ac00000, A64_REV = 0x5ac00800, A64_REV64 = 0x5ac00c00, A64_CLZ = 0x5ac01000,
	/* immediates */
	A64_ADD_I = 0x11000000, A64_ADDS_I = 0x31000000, A64_SUB_I = 0x51000000, A64_SUBS_I = 0x71000000,
	A64_AND_I = 0x12000000, A64_ORR_I = 0x32000000, A64_EOR_I = 0x52000000, A64_ANDS_I = 0x72000000,
	A64_MOVN = 0x12800000, A64_MOVZ = 0x52800000, A64_MOVK = 0x72800000,
	A64_SBFM = 0x13000000, A64_BFM = 0x33000000, A64_UBFM = 0x53000000,
	/* control */
	A64_B = 0x14000000, A64_BL = (int)0x94000000, A64_BCC = 0x54000000, A64_BR = (int)0xd61f0000,
	A64_BLR = (int)0xd63f0000, A64_RET = (int)0xd65f03c0, A64_ADR = 0x10000000,
	A64_NOP = (int)0xd503201f, A64_LDR_LITERAL = 0x58000000,
	A64_DMB = (int)0xd5033bbf, A64_DMB_LD = (int)0xd50339bf, A64_DMB_ST = (int)0xd5033abf, /* ISH */
	A64_MRS_FPSR = (int)0xd53b4420, A64_MSR_FPSR = (int)0xd51b4420,
	A64_MRS_FPCR = (int)0xd53b4400, A64_MSR_FPCR = (int)0xd51b4400,
	/* pairs of 64 bits: Rt, Rt2, [Rn, imm7 * 8] */
	A64_STP = (int)0xa9000000, A64_LDP = (int)0xa9400000, A64_STP_D = 0x6d000000, A64_LDP_D = 0x6d400000,
	/* Rt, [Rn], with log2 of the size in bits 30 and 31 */
	A64_LDAR = 0x08dffc00, A64_STLR = 0x089ffc00, A64_LDXR = 0x085f7c00, A64_LDAXR = 0x085ffc00,
	A64_STXR = 0x08007c00, A64_STLXR = 0x0800fc00, /* Rs: Rm's place */
	A64_LDADD = 0x38200000, A64_LDCLR = 0x38201000, A64_LDEOR = 0x38202000, A64_LDSET = 0x38203000,
	A64_LDSMAX = 0x38204000, A64_LDSMIN = 0x38205000, A64_LDUMAX = 0x38206000, A64_LDUMIN = 0x38207000,
	A64_SWP = 0x38208000, LSE_ACQUIRE = 1 << 23, LSE_RELEASE = 1 << 22,
	/* floating point; binary64 has bit 22 */
	A64_FADD = 0x1e202800, A64_FSUB = 0x1e203800, A64_FMUL = 0x1e200800, A64_FDIV = 0x1e201800,
	A64_FSQRT = 0x1e21c000, A64_FMOV = 0x1e204000, A64_FMAXNM = 0x1e206800, A64_FMINNM = 0x1e207800,
	A64_FMADD = 0x1f000000, A64_FMSUB = 0x1f008000, A64_FNMADD = 0x1f200000, A64_FNMSUB = 0x1f208000,
	A64_FCMP = 0x1e202000, A64_FCMPE = 0x1e202010, A64_FCMP_ZERO = 0x1e202008,
	A64_FCVT_TO_D = 0x1e22c000, A64_FCVT_TO_S = 0x1e624000,
	A64_SCVTF = 0x1e220000, A64_UCVTF = 0x1e230000, A64_FCVTNS = 0x1e200000, A64_FCVTPS = 0x1e280000,
	A64_FCVTMS = 0x1e300000, A64_FCVTZS = 0x1e380000, A64_FCVTAS = 0x1e240000,
	FCVT_UNSIGNED = 0x00010000,
	A64_INS_S1 = 0x4e0c1c00, /* lane 1 of 32 bits, from a general register */
	A64_FMOV_DX = (int)0x9e670000, A64_FMOV_XD = (int)0x9e660000,
	A64_CNT = 0x0e205800, A64_ADDV = 0x0e31b800 /* of 8 bytes */
};
/* clang-format on */

enum { FP_DOUBLE = 1 << 22 };

/* Kinds of load and store: opc, with V. */
enum access {
	A_STORE = 0,
	A_LOAD = 1,
	A_LOAD_S64 = 2, /* sign-extended to 64 bits */
	A_LOAD_S32 = 3
};

struct emit {
	uint8_t *at, *end; /* in the writable mapping; at > end - EMIT_MARGIN: full */
	ptrdiff_t to_execute;
	bool full;
};

enum { EMIT_MARGIN = 64 };

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

/* An instruction. */
static inline void emit(struct emit *e, uint32_t word)
{
	if (e->at > e->end - EMIT_MARGIN) {
		e->full = true; /* the block is given up; go on at a place where nothing breaks */
		e->at = e->end - 2 * EMIT_MARGIN;
	}
	emit32(e, word);
}

static inline uint32_t wide_bit(bool wide)
{
	return (uint32_t)wide << 31;
}

/* Rd, Rn, Rm */
static inline void emit_3(
	struct emit *e, unsigned op, bool wide, unsigned d, unsigned n, unsigned m)
{
	emit(e, op | wide_bit(wide) | (m & 31) << 16 | (n & 31) << 5 | (d & 31));
}

enum shift { SH_LSL, SH_LSR, SH_ASR, SH_ROR };

/* The same with Rm shifted: logical operations, add, sub. */
static inline void emit_3s(struct emit *e, unsigned op, bool wide, unsigned d, unsigned n,
	unsigned m, enum shift shift, unsigned by)
{
	emit_3(e, op | (unsigned)shift << 22 | by << 10, wide, d, n, m);
}

/* Rd, Rn, Rm, Ra; also csel with the condition in the place of Ra */
static inline void emit_4(
	struct emit *e, unsigned op, bool wide, unsigned d, unsigned n, unsigned m, unsigned a)
{
	emit_3(e, op | (a & 31) << 10, wide, d, n, m);
}

static inline void emit_csel(
	struct emit *e, bool wide, unsigned d, unsigned yes, unsigned no, enum cc cc)
{
	emit_3(e, A64_CSEL | (unsigned)cc << 12, wide, d, yes, no);
}

/* d = whether cc holds */
static inline void emit_cset(struct emit *e, unsigned d, enum cc cc)
{
	emit_3(e, A64_CSINC | ((unsigned)cc ^ 1) << 12, false, d, XZR, XZR);
}

/* Rd, Rn */
static inline void emit_2(struct emit *e, unsigned op, bool wide, unsigned d, unsigned n)
{
	emit_3(e, op, wide, d, n, 0);
}

static inline void emit_mov(struct emit *e, bool wide, unsigned to, unsigned from)
{
	if (to != from || !wide)
		emit_3(e, A64_ORR, wide, to, XZR, from);
}

/* ---- constants ---- */

/* N, immr and imms of a logical operation with this constant, in place; false: there are none
 * (DecodeBitMasks, J1: a run of ones, rotated, in elements of 2 to 64 bits that are all equal). */
static inline bool logical_bits(bool wide, uint64_t value, uint32_t *bits)
{
	unsigned size = 64;
	if (!wide)
		value = (uint32_t)value | value << 32;
	if (!value || !~value)
		return false;
	while (size > 2) {
		uint64_t half = ((uint64_t)1 << size / 2) - 1;
		if ((value & half) != (value >> size / 2 & half))
			break;
		size /= 2;
	}
	uint64_t mask = size == 64 ? ~(uint64_t)0 : ((uint64_t)1 << size) - 1;
	uint64_t v = value & mask;
	unsigned ones = (unsigned)__builtin_popcountll(v), start;
	/* Where the run begins: behind the zeros, or, if it goes round the end, above them. */
	if (v & 1)
		start = v == mask >> (size - ones) ? 0
						   : size - (ones - (unsigned)__builtin_ctzll(~v));
	else
		start = (unsigned)__builtin_ctzll(v);
	uint64_t run = mask >> (size - ones);
	uint64_t turned = start ? (run << start | run >> (size - start)) & mask : run;
	if (turned != v)
		return false;
	unsigned immr = (size - start) % size;
	unsigned imms = ((~(size * 2 - 1)) & 0x3f) | (ones - 1);
	*bits = (uint32_t)(size == 64) << 22 | immr << 16 | imms << 10;
	return true;
}

static inline void emit_const(struct emit *e, unsigned to, uint64_t value)
{
	uint32_t bits;
	bool invert = false;
	unsigned zeros = 0, ones = 0;
	for (unsigned i = 0; i < 4; i++) {
		zeros += (value >> 16 * i & 0xffff) == 0;
		ones += (value >> 16 * i & 0xffff) == 0xffff;
	}
	if (value == (uint32_t)value && (value >> 16) == 0xffff) {
		emit(e, A64_MOVN | (uint32_t)(~value & 0xffff) << 5 | to); /* 32 bits */
		return;
	}
	if (zeros < 3 && ones < 3 && logical_bits(true, value, &bits)) {
		emit(e, A64_ORR_I | wide_bit(true) | bits | XZR << 5 | to);
		return;
	}
	invert = ones > zeros;
	uint64_t skip = invert ? 0xffff : 0;
	bool first = true;
	for (unsigned i = 0; i < 4; i++) {
		uint64_t part = value >> 16 * i & 0xffff;
		if (part == skip && !(i == 3 && first))
			continue;
		uint32_t op = !first ? A64_MOVK : invert ? A64_MOVN : A64_MOVZ;
		emit(e,
			op | wide_bit(true) | i << 21 |
				(uint32_t)(first && invert ? ~part & 0xffff : part) << 5 | to);
		first = false;
	}
}

/* d = n + imm, with flags if `flags`. d and n may not be XZR: that is SP here, but d with flags. */
static inline void emit_add_i(
	struct emit *e, bool wide, bool flags, unsigned d, unsigned n, int64_t imm)
{
	bool minus = imm < 0;
	uint64_t size = minus ? -(uint64_t)imm : (uint64_t)imm;
	uint32_t op = (minus ? A64_SUB_I : A64_ADD_I) | (flags ? 1u << 29 : 0) | wide_bit(wide);
	if (size < 4096) {
		emit(e, op | (uint32_t)size << 10 | n << 5 | d);
	} else if (size < 1 << 24 && !(size & 0xfff)) {
		emit(e, op | 1 << 22 | (uint32_t)(size >> 12) << 10 | n << 5 | d);
	} else if (size < 1 << 24 && !flags) {
		emit(e, op | 1 << 22 | (uint32_t)(size >> 12) << 10 | n << 5 | d);
		emit(e, op | (uint32_t)(size & 0xfff) << 10 | d << 5 | d);
	} else {
		emit_const(e, X17, (uint64_t)imm);
		emit_3(e, flags ? A64_ADDS : A64_ADD, wide, d, n, X17);
	}
}

/* Compare n with imm: the flags of n - imm. */
static inline void emit_cmp_i(struct emit *e, bool wide, unsigned n, int64_t imm)
{
	if (imm > -4096 && imm < 4096) {
		/* -0 would be an addition, whose carry is another */
		uint32_t op = imm < 0 ? A64_ADDS_I : A64_SUBS_I;
		emit(e,
			op | wide_bit(wide) | (uint32_t)(imm < 0 ? -imm : imm) << 10 | n << 5 |
				XZR);
	} else {
		emit_const(e, X17, (uint64_t)imm);
		emit_3(e, A64_SUBS, wide, XZR, n, X17);
	}
}

/* op is A64_AND_I, A64_ORR_I, A64_EOR_I or A64_ANDS_I */
static inline void emit_logic_i(
	struct emit *e, unsigned op, bool wide, unsigned d, unsigned n, uint64_t imm)
{
	uint32_t bits;
	if (logical_bits(wide, imm, &bits)) {
		emit(e, op | wide_bit(wide) | bits | n << 5 | d);
		return;
	}
	emit_const(e, X17, imm);
	emit_3(e, (op & 0x60000000) | A64_AND, wide, d, n, X17);
}

/* ---- shifts and fields ---- */

static inline void emit_field(struct emit *e, unsigned op, bool wide, unsigned d, unsigned n,
	unsigned immr, unsigned imms)
{
	emit(e, op | wide_bit(wide) | (uint32_t)wide << 22 | immr << 16 | imms << 10 | n << 5 | d);
}

static inline void emit_shift(
	struct emit *e, bool wide, enum shift shift, unsigned d, unsigned n, unsigned by)
{
	unsigned width = wide ? 64 : 32;
	switch (shift) {
	case SH_LSL:
		emit_field(e, A64_UBFM, wide, d, n, (width - by) % width, width - 1 - by);
		break;
	case SH_LSR: emit_field(e, A64_UBFM, wide, d, n, by, width - 1); break;
	case SH_ASR: emit_field(e, A64_SBFM, wide, d, n, by, width - 1); break;
	case SH_ROR: emit_3(e, A64_EXTR | (uint32_t)wide << 22 | by << 10, wide, d, n, n); break;
	}
}

/* ---- memory ---- */

/* Rt, [Rn, disp]; size is log2 of the bytes, Rt a general or a floating-point register */
static inline void emit_mem(
	struct emit *e, enum access how, unsigned size, unsigned t, unsigned n, int32_t disp)
{
	uint32_t op = size << 30 | 0x38000000 | (uint32_t)(t >= V0) << 26 | (uint32_t)how << 22 |
		n << 5 | (t & 31);
	if (disp >= 0 && !(disp & ((1 << size) - 1)) && disp >> size < 4096) {
		emit(e, op | 1 << 24 | (uint32_t)(disp >> size) << 10);
	} else if (disp >= -256 && disp < 256) {
		emit(e, op | (uint32_t)(disp & 0x1ff) << 12);
	} else {
		emit_const(e, X17, (uint64_t)(int64_t)disp);
		emit(e, op | 0x00206800 | X17 << 16);
	}
}

/* Rt, [Rn, Rm] */
static inline void emit_mem_x(
	struct emit *e, enum access how, unsigned size, unsigned t, unsigned n, unsigned m)
{
	emit(e,
		size << 30 | 0x38206800 | (uint32_t)(t >= V0) << 26 | (uint32_t)how << 22 |
			m << 16 | n << 5 | (t & 31));
}

/* Rt, Rt2, [Rn, disp] */
static inline void emit_pair(
	struct emit *e, unsigned op, unsigned t, unsigned t2, unsigned n, int32_t disp)
{
	emit(e, op | (uint32_t)(disp / 8 & 0x7f) << 15 | (t2 & 31) << 10 | n << 5 | (t & 31));
}

/* Rt, [Rn]: acquire, release, exclusive */
static inline void emit_ordered(
	struct emit *e, unsigned op, unsigned size, unsigned s, unsigned t, unsigned n)
{
	emit(e, op | size << 30 | s << 16 | n << 5 | t);
}

/* ---- floating point ---- */

static inline void emit_f3(
	struct emit *e, unsigned op, bool twice, unsigned d, unsigned n, unsigned m)
{
	emit_3(e, op | (twice ? FP_DOUBLE : 0), false, d, n, m);
}

static inline void emit_f2(struct emit *e, unsigned op, bool twice, unsigned d, unsigned n)
{
	emit_f3(e, op, twice, d, n, 0);
}

/* ---- jumps ---- */

/* B, B.cond, CBZ and CBNZ: their place is returned, to be filled by emit_here or emit_to. */
static inline uint8_t *emit_jcc(struct emit *e, enum cc cc)
{
	emit(e, A64_BCC | (unsigned)cc);
	return e->at - 4;
}

static inline uint8_t *emit_jmp(struct emit *e)
{
	emit(e, A64_B);
	return e->at - 4;
}

/* Jump if reg is zero, or (`set`) if it is not. */
static inline uint8_t *emit_cbz(struct emit *e, bool wide, bool set, unsigned reg)
{
	emit(e, 0x34000000 | wide_bit(wide) | (uint32_t)set << 24 | reg);
	return e->at - 4;
}

static inline void emit_to(uint8_t *place, const uint8_t *target)
{
	uint32_t word, distance = (uint32_t)((target - place) / 4);
	memcpy(&word, place, 4);
	if ((word & 0x7c000000) == A64_B)
		word |= distance & 0x03ffffff;
	else
		word |= (distance & 0x7ffff) << 5;
	memcpy(place, &word, 4);
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
	emit(e, (uint32_t)A64_BL);
	emit_to(e->at - 4, (const uint8_t *)target - e->to_execute);
}

/* d = the address of a place in the code, within a megabyte */
static inline void emit_address(struct emit *e, unsigned d, const uint8_t *place)
{
	uint32_t distance = (uint32_t)(place - e->at);
	emit(e, A64_ADR | (distance & 3) << 29 | (distance >> 2 & 0x7ffff) << 5 | d);
}

#endif
