/* SPDX-License-Identifier: MIT */
/* RV32I, RV64I and M: arithmetic, comparisons, jumps (unpriv 2, 4, 13). */
#include "tr.h"

void tr_alu(struct tr *t, int op, int q)
{
	(void)q;
	tr_set_x(t, t->a.rd,
		bp_ir_op2(t->c, (unsigned)op, t->xt, tr_x(t, t->a.rs1), tr_x(t, t->a.rs2)));
}

void tr_alui(struct tr *t, int op, int q)
{
	(void)q;
	if (!t->a.rs1 && op == BP_IR_ADD)
		tr_set_x(t, t->a.rd,
			bp_ir_const(t->c, t->xt,
				t->xlen == 32 ? (uint32_t)t->a.imm : (uint64_t)(int64_t)t->a.imm));
	else
		tr_set_x(t, t->a.rd,
			bp_ir_op2i(t->c, (unsigned)op, t->xt, tr_x(t, t->a.rs1), t->a.imm));
}

void tr_aluw(struct tr *t, int op, int q)
{
	(void)q;
	tr_set_xw(t, t->a.rd,
		bp_ir_op2(t->c, (unsigned)op, BP_T_I32, tr_xw(t, t->a.rs1), tr_xw(t, t->a.rs2)));
}

void tr_aluwi(struct tr *t, int op, int q)
{
	(void)q;
	tr_set_xw(
		t, t->a.rd, bp_ir_op2i(t->c, (unsigned)op, BP_T_I32, tr_xw(t, t->a.rs1), t->a.imm));
}

/* Register shift amounts count modulo the width (unpriv 2.4.2); records do not. */
void tr_shift(struct tr *t, int op, int q)
{
	(void)q;
	unsigned n = bp_ir_op2i(t->c, BP_IR_AND, t->xt, tr_x(t, t->a.rs2), (int32_t)t->xlen - 1);
	tr_set_x(t, t->a.rd, bp_ir_op2(t->c, (unsigned)op, t->xt, tr_x(t, t->a.rs1), n));
}

void tr_shifti(struct tr *t, int op, int q)
{
	(void)q;
	tr_set_x(t, t->a.rd, bp_ir_op2i(t->c, (unsigned)op, t->xt, tr_x(t, t->a.rs1), t->a.imm));
}

void tr_shiftw(struct tr *t, int op, int q)
{
	(void)q;
	unsigned n = bp_ir_op2i(t->c, BP_IR_AND, BP_T_I32, tr_xw(t, t->a.rs2), 31);
	tr_set_xw(t, t->a.rd, bp_ir_op2(t->c, (unsigned)op, BP_T_I32, tr_xw(t, t->a.rs1), n));
}

void tr_shiftwi(struct tr *t, int op, int q)
{
	(void)q;
	tr_set_xw(
		t, t->a.rd, bp_ir_op2i(t->c, (unsigned)op, BP_T_I32, tr_xw(t, t->a.rs1), t->a.imm));
}

void tr_slt(struct tr *t, int op, int q)
{
	(void)q;
	tr_set_bool(t, t->a.rd,
		bp_ir_op2(t->c, (unsigned)op, t->xt, tr_x(t, t->a.rs1), tr_x(t, t->a.rs2)));
}

void tr_slti(struct tr *t, int op, int q)
{
	(void)q;
	tr_set_bool(t, t->a.rd, bp_ir_op2i(t->c, (unsigned)op, t->xt, tr_x(t, t->a.rs1), t->a.imm));
}

void tr_lui(struct tr *t, int p, int q)
{
	(void)p;
	(void)q;
	tr_set_x(t, t->a.rd,
		bp_ir_const(t->c, t->xt,
			t->xlen == 32 ? (uint32_t)t->a.imm : (uint64_t)(int64_t)t->a.imm));
}

/* A pc-relative address as an x register's value. */
static void set_x_pcrel(struct tr *t, unsigned n, int32_t offset)
{
	unsigned value = tr_pcrel(t, offset);
	if (t->xlen == 32)
		value = bp_ir_convert(t->c, BP_IR_TRUNC, BP_T_I32, BP_T_I64, value);
	tr_set_x(t, n, value);
}

void tr_auipc(struct tr *t, int p, int q)
{
	(void)p;
	(void)q;
	set_x_pcrel(t, t->a.rd, t->a.imm);
}

static void raise_misaligned(struct tr *t, unsigned target)
{
	bp_ir_emit(t->c, BP_IR_RAISE, BP_T_NONE, 0, RV_MISALIGNED_FETCH, target, 0, 0, 0);
}

/* Return-address stack hints (unpriv table 2.1): x1 and x5 are link registers. */
static int is_link(unsigned n)
{
	return n == 1 || n == 5;
}

void tr_jal(struct tr *t, int p, int q)
{
	(void)p;
	(void)q;
	/* Without C, instructions lie on four bytes; the jump itself faults (unpriv 2.5.1). */
	if (t->a.imm & 2 && !rv_has(t->cfg, RV_EXT_C)) {
		raise_misaligned(t, tr_pcrel(t, t->a.imm));
		return;
	}
	set_x_pcrel(t, t->a.rd, (int32_t)t->in->length);
	unsigned back = is_link(t->a.rd) ? tr_pcrel(t, (int32_t)t->in->length) : 0;
	bp_ir_jump(t->c, tr_pcrel(t, t->a.imm), back ? BP_HINT_CALL : BP_HINT_PLAIN, 0, back);
}

void tr_jalr(struct tr *t, int p, int q)
{
	(void)p;
	(void)q;
	unsigned sum = bp_ir_op2i(t->c, BP_IR_ADD, t->xt, tr_x(t, t->a.rs1), t->a.imm);
	unsigned target = bp_ir_op2i(t->c, BP_IR_AND, t->xt, sum, -2);
	if (t->xlen == 32)
		target = bp_ir_convert(t->c, BP_IR_ZEXT, BP_T_I64, BP_T_I32, target);
	if (!rv_has(t->cfg, RV_EXT_C)) {
		unsigned low = bp_ir_op2i(t->c, BP_IR_AND, BP_T_I64, target, 2);
		unsigned bad = bp_ir_op2i(t->c, BP_IR_NE, BP_T_I64, low, 0);
		bp_ir_emit(t->c, BP_IR_IF, BP_T_NONE, 0, 0, bad, 0, 0, 0);
		raise_misaligned(t, target);
		bp_ir_emit(t->c, BP_IR_END, BP_T_NONE, 0, 0, 0, 0, 0, 0);
	}
	set_x_pcrel(t, t->a.rd, (int32_t)t->in->length);
	unsigned hint = BP_HINT_PLAIN, back = 0;
	if (is_link(t->a.rd)) {
		hint = BP_HINT_CALL;
		back = tr_pcrel(t, (int32_t)t->in->length);
	} else if (is_link(t->a.rs1)) {
		hint = BP_HINT_RETURN;
	}
	bp_ir_jump(t->c, target, hint, 0, back);
}

/* q: the comparison is negated by taking its branches the other way round. */
void tr_branch(struct tr *t, int op, int q)
{
	unsigned cond = bp_ir_op2(t->c, (unsigned)op, t->xt, tr_x(t, t->a.rs1), tr_x(t, t->a.rs2));
	unsigned taken = tr_pcrel(t, t->a.imm), next = tr_pcrel(t, (int32_t)t->in->length);
	if (t->a.imm & 2 && !rv_has(t->cfg, RV_EXT_C)) {
		bp_ir_emit(t->c, BP_IR_IF, BP_T_NONE, 0, 0, cond, 0, 0, 0);
		if (q)
			bp_ir_emit(t->c, BP_IR_ELSE, BP_T_NONE, 0, 0, 0, 0, 0, 0);
		raise_misaligned(t, taken);
		bp_ir_emit(t->c, BP_IR_END, BP_T_NONE, 0, 0, 0, 0, 0, 0);
		return;
	}
	bp_ir_jump(t->c, bp_ir_select(t->c, BP_T_I64, cond, q ? next : taken, q ? taken : next),
		BP_HINT_PLAIN, 0, 0);
}
