/* SPDX-License-Identifier: MIT */
/* System instructions, cache-block operations, and calls of the vector helpers. */
#include "tr.h"

static void raise(struct tr *t, int cause, unsigned value)
{
	bp_ir_emit(t->c, BP_IR_RAISE, BP_T_NONE, 0, cause, value, 0, 0, 0);
}

static unsigned priv(const struct tr *t)
{
	return RV_KEY(t->key, RV_KEY_PRIV, 2);
}

void tr_nop(struct tr *t, int p, int q)
{
	(void)p;
	(void)q;
	bp_ir_emit(t->c, BP_IR_NOP, BP_T_NONE, 0, 0, 0, 0, 0, 0);
}

void tr_ecall(struct tr *t, int p, int q)
{
	(void)p;
	(void)q;
	raise(t, RV_ECALL_U + (int)priv(t), tr_const(t, 0));
}

void tr_ebreak(struct tr *t, int p, int q)
{
	(void)p;
	(void)q;
	raise(t, RV_BREAKPOINT, tr_pcrel(t, 0));
}

enum { NO_READ = 1, NO_WRITE = 2, SET = 4, CLEAR = 8 };

/* What a set, a clear or a write makes of the old value. */
static unsigned csr_update(
	struct tr *t, unsigned type, unsigned flags, unsigned old, unsigned value)
{
	if (flags & SET)
		return bp_ir_op2(t->c, BP_IR_OR, type, old, value);
	if (flags & CLEAR)
		return bp_ir_op2(
			t->c, BP_IR_AND, type, old, bp_ir_op1(t->c, BP_IR_NOT, type, value));
	return value;
}

/* Registers that are storage alone, such as sscratch: no helper, and the block goes on. */
static int plain_csr(struct tr *t, unsigned flags, unsigned value)
{
	uint32_t offset;
	int writable;
	if (t->xlen == 32 || priv(t) < (t->a.csr >> 8 & 3u) ||
		!rv_csr_plain(t->a.csr, &offset, &writable) || (!(flags & NO_WRITE) && !writable))
		return 0;
	unsigned old = bp_ir_get(t->c, BP_T_I64, offset);
	if (!(flags & NO_WRITE))
		bp_ir_put(t->c, BP_T_I64, offset, csr_update(t, BP_T_I64, flags, old, value));
	tr_set_x(t, t->a.rd, old);
	return 1;
}

/* fflags, which compilers save and restore around comparisons (unpriv 20.2). */
static int fflags_csr(struct tr *t, unsigned flags, unsigned value)
{
	enum { FFLAGS = 0x001 };
	uint32_t offset = (uint32_t)offsetof(struct rv_cpu, fflags);
	if (t->a.csr != FFLAGS || !rv_has(t->cfg, RV_EXT_F) || !RV_KEY(t->key, RV_KEY_FS, 2))
		return 0;
	/* the flags of bp_fp_flag, of which RISC-V has five */
	unsigned old = bp_ir_op2i(t->c, BP_IR_AND, BP_T_I32, bp_ir_get(t->c, BP_T_I32, offset), 31);
	if (!(flags & NO_WRITE)) {
		unsigned narrow = bp_ir_convert(t->c, BP_IR_TRUNC, BP_T_I32, BP_T_I64, value);
		unsigned fresh = csr_update(t, BP_T_I32, flags, old, narrow);
		tr_use_fp(t);
		bp_ir_put(t->c, BP_T_I32, offset, bp_ir_op2i(t->c, BP_IR_AND, BP_T_I32, fresh, 31));
	}
	tr_set_x(t, t->a.rd,
		t->xlen == 32 ? old : bp_ir_convert(t->c, BP_IR_ZEXT, BP_T_I64, BP_T_I32, old));
	return 1;
}

/* p: flags of RV_H_CSRRW (4 set, 8 clear), q: the source is the immediate. A write may change what
 * code means or unmask an interrupt, so it ends the block; a mere read does not. */
void tr_csr(struct tr *t, int p, int q)
{
	unsigned flags = (unsigned)p, value;
	bool zero = q ? t->a.imm == 0 : t->a.rs1 == 0;
	if (flags & (SET | CLEAR) && zero)
		flags |= NO_WRITE;
	if (!(flags & (SET | CLEAR)) && !t->a.rd)
		flags |= NO_READ;
	if (q) {
		value = tr_const(t, (uint32_t)t->a.imm);
	} else {
		value = tr_x(t, t->a.rs1);
		if (t->xlen == 32)
			value = bp_ir_convert(t->c, BP_IR_ZEXT, BP_T_I64, BP_T_I32, value);
	}
	if (plain_csr(t, flags, value) || fflags_csr(t, flags, value))
		return;
	unsigned old = tr_call(t, RV_H_CSRRW, tr_const(t, t->a.csr), value, tr_const(t, flags),
		tr_const(t, t->insn));
	if (t->xlen == 32)
		old = bp_ir_convert(t->c, BP_IR_TRUNC, BP_T_I32, BP_T_I64, old);
	tr_set_x(t, t->a.rd, old);
	if (!(flags & NO_WRITE))
		tr_resync(t);
}

/* p: the helper, q: the privilege it belongs to (priv 3.3.2, 3.1.6.5) */
void tr_xret(struct tr *t, int p, int q)
{
	if (priv(t) < (unsigned)q || (q == RV_S && RV_KEY(t->key, RV_KEY_TSR, 1))) {
		tr_illegal(t);
		return;
	}
	tr_call(t, (unsigned)p, 0, 0, 0, 0);
	bp_ir_emit(t->c, BP_IR_RESYNC, BP_T_NONE, 0, 0,
		bp_ir_get(t->c, BP_T_I64, (uint32_t)offsetof(struct rv_cpu, next_pc)), 0, 0, 0);
}

/* U mode may not wait when S exists; TW takes it from S too (priv 3.1.6.5, 3.3.3). */
void tr_wfi(struct tr *t, int p, int q)
{
	(void)p;
	(void)q;
	if (priv(t) == RV_U || (priv(t) < RV_M && RV_KEY(t->key, RV_KEY_TW, 1)))
		tr_illegal(t);
	else
		bp_ir_emit(t->c, BP_IR_HALT, BP_T_NONE, 0, 0, 0, 0, 0, 0);
}

/* A stall may end at any time (unpriv 15.1): this one ends at once, after a look at interrupts. */
void tr_wrs(struct tr *t, int p, int q)
{
	(void)p;
	(void)q;
	tr_resync(t);
}

/* p: 1 takes operands (sfence.vma, sinval.vma), 0 orders only (priv 4.2.1, 10) */
void tr_sfence(struct tr *t, int p, int q)
{
	(void)q;
	/* TVM traps sfence.vma and sinval.vma, not the two fences around the latter. */
	if (priv(t) == RV_U || (p && RV_KEY(t->key, RV_KEY_TVM, 1))) {
		tr_illegal(t);
		return;
	}
	if (p) {
		unsigned flags = (t->a.rs1 ? 0u : 1u) | (t->a.rs2 ? 0u : 2u);
		unsigned addr = tr_x(t, t->a.rs1), asid = tr_x(t, t->a.rs2);
		if (t->xlen == 32) {
			addr = bp_ir_convert(t->c, BP_IR_ZEXT, BP_T_I64, BP_T_I32, addr);
			asid = bp_ir_convert(t->c, BP_IR_ZEXT, BP_T_I64, BP_T_I32, asid);
		}
		tr_call(t, RV_H_SFENCE, addr, asid, tr_const(t, flags), 0);
	}
	tr_resync(t);
}

void tr_fence_i(struct tr *t, int p, int q)
{
	(void)p;
	(void)q;
	tr_call(t, RV_H_FENCE_I, 0, 0, 0, 0);
	tr_resync(t);
}

/* p: 0 inval, 1 clean, 2 flush, 4 zero. Which are allowed is in the key (priv 3.1.18, unpriv
 * 19.4); CBIE may turn inval into flush, which is the same here: no cache holds anything back. */
void tr_cbo(struct tr *t, int p, int q)
{
	static const struct {
		unsigned field, bits;
	} need[] = { { RV_KEY_CBIE, 2 }, { RV_KEY_CBCFE, 1 }, { RV_KEY_CBCFE, 1 }, { 0, 0 },
		{ RV_KEY_CBZE, 1 } };
	int32_t disp;
	(void)q;
	if (!RV_KEY(t->key, need[p].field, need[p].bits)) {
		tr_illegal(t);
		return;
	}
	unsigned addr = tr_addr(t, t->a.rs1, 0, &disp);
	if (p == 4)
		tr_call(t, RV_H_CBO_ZERO, addr, 0, 0, 0);
	else
		tr_call(t, RV_H_CBO_CHECK, addr, tr_const(t, (uint64_t)p), 0, 0);
}
