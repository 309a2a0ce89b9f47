/* SPDX-License-Identifier: MIT */
/* What codegen.c and its like ask of aarch64: registers, and instructions by what they do. */
#ifndef JIT_AARCH64_CODEGEN_HOST_H
#define JIT_AARCH64_CODEGEN_HOST_H
#include "emit.h"

enum {
	BASE = X19,
	CPU = X20,
	PC = X21,
	LEFT = X22,
	FP_FIRST = V0, /* numbered through: 0..31 general, 32..63 floating point */
	FP_SCRATCH = V31, /* the last */
	FP_WIDTH = 8, /* bytes of the widest value in one */
	HOST_REGS = 64,
	GENERAL = 22, /* that values may be in */
	PINNED_GENERAL = 14,
	PINNED_FP = 20,
	RESULT = X0, /* of C, and why native code is left */
	SECOND = X1, /* argument of C */
	STATUS_FLAGS = 0x1f, /* of FPSR (Arm ARM, C5.2.10) */
	INFO = X16, /* what C functions are given points */
	CC_LEAVE = CC_NE, /* behind a call of C that wants to leave */
	HOST_RAW_RESULTS = 0, /* FPCR.DN */
	CODE_ALIGN = 64, /* a cache line of instructions */
	LINK_ADDRESS = 12 /* behind the jump, a load and another jump */
};

enum { /* conditions behind a comparison */
	IF_EQ = CC_EQ,
	IF_NE = CC_NE,
	IF_LTS = CC_LT,
	IF_LES = CC_LE,
	IF_GTS = CC_GT,
	IF_GES = CC_GE,
	IF_LTU = CC_CC,
	IF_LEU = CC_LS,
	IF_GTU = CC_HI,
	IF_GEU = CC_CS,
	IF_UNORDERED = CC_VS /* emit_compare_nans */
};

#define CPU_AT(member) ((int32_t)offsetof(struct jit_cpu, member))
#define AT(off)        ((int32_t)(off))

/* 1 to 8 bytes between memory and any register, zero-extended. */
static inline void emit_load(
	struct emit *e, unsigned reg, unsigned bytes, unsigned base, int32_t disp)
{
	emit_mem(e, A_LOAD, (unsigned)__builtin_ctz(bytes), reg, base, disp);
}

static inline void emit_store(
	struct emit *e, unsigned reg, unsigned bytes, unsigned base, int32_t disp)
{
	emit_mem(e, A_STORE, (unsigned)__builtin_ctz(bytes), reg, base, disp);
}

/* A constant of 8 or 4 bytes to memory without a register for values: here any. */
static inline bool emit_store_const(
	struct emit *e, bool wide, unsigned base, int32_t disp, uint64_t value)
{
	if (value)
		emit_const(e, X16, value);
	emit_mem(e, A_STORE, wide ? 3 : 2, value ? X16 : XZR, base, disp);
	return true;
}

/* From any register to any other. */
static inline void emit_move(struct emit *e, unsigned to, unsigned from)
{
	if (to == from)
		return;
	if (to >= V0 && from >= V0)
		emit_f2(e, A64_FMOV, true, to, from);
	else if (to >= V0)
		emit_2(e, (uint32_t)A64_FMOV_DX, true, to, from);
	else if (from >= V0)
		emit_2(e, (uint32_t)A64_FMOV_XD, true, to, from);
	else
		emit_mov(e, true, to, from);
}

/* d = n + imm; not wide: zero-extended from 32 bits. */
static inline void emit_plus(struct emit *e, bool wide, unsigned d, unsigned n, int32_t imm)
{
	emit_add_i(e, wide, false, d, n, imm);
}

/* reg &= mask, of 32 bits */
static inline void emit_mask(struct emit *e, unsigned reg, uint32_t mask)
{
	emit_logic_i(e, A64_AND_I, false, reg, reg, mask);
}

/* Of 64 bits: without those below `low`, 1 to 63. */
static inline void emit_clear_low(struct emit *e, unsigned reg, unsigned low)
{
	emit_logic_i(e, A64_AND_I, true, reg, reg, UINT64_MAX << low);
}

/* Of 64 bits: only the `keep` lowest, 1 to 63. */
static inline void emit_keep_low(struct emit *e, unsigned reg, unsigned keep)
{
	emit_logic_i(e, A64_AND_I, true, reg, reg, UINT64_MAX >> (64 - keep));
}

/* Takes a block's instructions off LEFT; the jump for when there are not as many. */
static inline uint8_t *emit_spend(struct emit *e, unsigned insns)
{
	emit_add_i(e, true, true, LEFT, LEFT, -(int64_t)insns);
	return emit_jcc(e, CC_MI);
}

static inline void emit_give_back(struct emit *e, unsigned insns)
{
	emit_add_i(e, true, false, LEFT, LEFT, insns);
}

/* Whether an instruction can compute with it, or X16 or X17 take it on the way. */
static inline bool can_hold(int64_t imm)
{
	(void)imm;
	return true;
}

static inline void emit_cmp(struct emit *e, bool wide, unsigned a, unsigned b)
{
	emit_3(e, A64_SUBS, wide, XZR, a, b);
}

/* Whether reg is not 0, 32 bits: CC_NE. */
static inline void emit_test(struct emit *e, unsigned reg)
{
	emit_cmp_i(e, false, reg, 0);
}

/* Whether one of two registers has a NaN: IF_UNORDERED. */
static inline void emit_compare_nans(struct emit *e, bool twice, unsigned a, unsigned b)
{
	emit_f3(e, A64_FCMP, twice, 0, a, b);
}

/* Compare a general register with memory. */
static inline void emit_cmp_with(
	struct emit *e, bool wide, unsigned reg, unsigned base, int32_t disp)
{
	emit_mem(e, A_LOAD, wide ? 3 : 2, X16, base, disp);
	emit_cmp(e, wide, reg, X16);
}

/* Compare a small number in memory, of 4 bytes. */
static inline void emit_cmp_memory(struct emit *e, unsigned base, int32_t disp, int8_t with)
{
	emit_mem(e, A_LOAD, 2, X16, base, disp);
	emit_cmp_i(e, false, X16, with);
}

static inline void emit_nop(struct emit *e)
{
	emit(e, (uint32_t)A64_NOP);
}

/* The register of floating-point flags. */
static inline unsigned host_status(void)
{
	uint64_t fpsr;
	__asm__ volatile("mrs %0, fpsr" : "=r"(fpsr));
	return (unsigned)fpsr;
}

static inline void host_set_status(unsigned status)
{
	__asm__ volatile("msr fpsr, %0" : : "r"((uint64_t)status));
}

/* The first argument of C. */
static inline void emit_first_cpu(struct emit *e)
{
	emit_mov(e, true, X0, CPU);
}

/* RESULT, an enum bp_helper_status but no BP_H_RAISED, as CC_LEAVE. */
static inline void emit_leave_flag(struct emit *e)
{
	emit_cmp_i(e, false, RESULT, 0);
}

/* Whatever others wrote before this is fetched anew. */
static inline void code_fetch_anew(void)
{
	__asm__ volatile("isb" : : : "memory");
}

/* What was written to [write, +size) is what will be run: caches. */
void code_publish(const uint8_t *write, size_t size);

#endif
