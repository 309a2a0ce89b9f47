/* SPDX-License-Identifier: MIT */
/* Comparisons into masks, masks as numbers, integer reductions (unpriv 30.11.8, 30.14, 30.15). */
#include "tr_vec.h"

static int is_int_width(unsigned bits)
{
	return bits == 8 || bits == 16 || bits == 32 || bits == 64;
}

static unsigned int_of(unsigned bits)
{
	return bits == 8 ? BP_T_I8 : bits == 16 ? BP_T_I16 : bits == 32 ? BP_T_I32 : BP_T_I64;
}

/* The mask in register `reg`, one bit a lane, as an I64; the lanes are as many as an integer has bits. */
static unsigned get_mask(struct tr_vec *v, unsigned reg)
{
	unsigned type = int_of(v->lanes), x = bp_ir_get(v->t->c, type, tv_offset(v, reg, 0));
	return type == BP_T_I64 ? x : bp_ir_convert(v->t->c, BP_IR_ZEXT, BP_T_I64, type, x);
}

/* Bits that are no whole byte leave the byte's others as they were. */
static void put_mask(struct tr_vec *v, unsigned reg, unsigned bits)
{
	struct bp_ir_cursor *c = v->t->c;
	unsigned at = tv_offset(v, reg, 0), type = int_of(v->lanes < 8 ? 8 : v->lanes);
	if (v->lanes < 8) {
		unsigned old =
			bp_ir_convert(c, BP_IR_ZEXT, BP_T_I64, BP_T_I8, bp_ir_get(c, BP_T_I8, at));
		old = bp_ir_op2i(c, BP_IR_AND, BP_T_I64, old, -(1 << v->lanes));
		bits = bp_ir_op2(c, BP_IR_OR, BP_T_I64, old, bits);
	}
	if (type != BP_T_I64)
		bits = bp_ir_convert(c, BP_IR_TRUNC, type, BP_T_I64, bits);
	bp_ir_put(c, type, at, bits);
}

/* Into a mask, from groups that it may share its register with if that is their first one (unpriv
 * 30.5.2). */
static int mask_ok(const struct tr_vec *v, int vector1)
{
	const struct rv_args *a = &v->t->a;
	unsigned count = v->lmul > 0 ? 1u << v->lmul : 1;
	if (a->rs2 % count || (vector1 && a->rs1 % count) || v->lanes > 64)
		return 0;
	if ((unsigned)(a->rd - a->rs2) < count && a->rd != a->rs2)
		return 0;
	return !vector1 || (unsigned)(a->rd - a->rs1) >= count || a->rd == a->rs1;
}

/* vd = one bit a lane of compare(vs2, first source), chunk by chunk */
int tv_to_mask(struct tr_vec *v, unsigned lane, tv_compare_fn *compare, const void *how)
{
	struct rv_args *a = &v->t->a;
	struct bp_ir_cursor *c = v->t->c;
	unsigned per = v->lanes / v->chunks, bits = 0;
	int vector = tv_first(v, lane, 0);
	if (!mask_ok(v, vector))
		return 0;
	for (unsigned i = 0; i < v->chunks; i++) {
		unsigned x = tv_get(v, a->rs2, i), y = vector ? tv_get(v, a->rs1, i) : v->scalar;
		unsigned m = bp_ir_emit(
			c, BP_IR_VMASK, BP_T_V128, 0, 0, compare(v, x, y, how), 0, 0, v->lane);
		if (i)
			m = bp_ir_op2i(c, BP_IR_SHL, BP_T_I64, m, (int32_t)(i * per));
		bits = bits ? bp_ir_op2(c, BP_IR_OR, BP_T_I64, bits, m) : m;
	}
	put_mask(v, a->rd, bits);
	return 1;
}

struct int_compare {
	unsigned op;
	int swap;
};

static unsigned compare_ints(struct tr_vec *v, unsigned x, unsigned y, const void *how)
{
	const struct int_compare *h = how;
	return tv_op(v, h->op, v->lane, h->swap ? y : x, h->swap ? x : y);
}

/* p: the opcode; q: TV_SWAP */
int tv_compare(struct tr_vec *v, int p, int q)
{
	struct int_compare how = { (unsigned)p, q & TV_SWAP };
	return tv_to_mask(v, v->lane, compare_ints, &how);
}

/* p: 0 vcpop.m, 1 vfirst.m */
int tv_mask_count(struct tr_vec *v, int p, int q)
{
	struct tr *t = v->t;
	(void)q;
	if (!is_int_width(v->lanes))
		return 0;
	unsigned x = get_mask(v, t->a.rs2);
	unsigned n = bp_ir_op1(t->c, p ? BP_IR_CTZ : BP_IR_POPCNT, BP_T_I64, x);
	if (p)
		n = bp_ir_select(t->c, BP_T_I64, bp_ir_op2i(t->c, BP_IR_EQ, BP_T_I64, x, 0),
			tr_const(t, UINT64_MAX), n);
	if (t->xlen == 32)
		n = bp_ir_convert(t->c, BP_IR_TRUNC, BP_T_I32, BP_T_I64, n);
	tr_set_x(t, t->a.rd, n);
	return 1;
}

/* p: the opcode; q: 1 not the result, 2 not the first source */
int tv_mask_logic(struct tr_vec *v, int p, int q)
{
	struct tr *t = v->t;
	if (!is_int_width(v->lanes))
		return 0;
	unsigned x = get_mask(v, t->a.rs2), y = get_mask(v, t->a.rs1);
	if (q & 2)
		y = bp_ir_op1(t->c, BP_IR_NOT, BP_T_I64, y);
	x = bp_ir_op2(t->c, (unsigned)p, BP_T_I64, x, y);
	if (q & 1)
		x = bp_ir_op1(t->c, BP_IR_NOT, BP_T_I64, x);
	put_mask(v, t->a.rd, x);
	return 1;
}

/* vd[0] = vs1[0] and all lanes of vs2 by p, whatever their order. The chunks first; then the upper half
 * on the lower one, and so on. */
int tv_reduce(struct tr_vec *v, int p, int q)
{
	struct tr *t = v->t;
	unsigned op = (unsigned)p, bits = 8u << v->sew, sum = 0;
	(void)q;
	if (t->a.rs2 % (v->lmul > 0 ? 1u << v->lmul : 1))
		return 0;
	for (unsigned i = 0; i < v->chunks; i++) {
		unsigned x = tv_get(v, t->a.rs2, i);
		sum = i ? tv_op(v, op, v->lane, sum, x) : x;
	}
	sum = tv_op(v, op, v->lane, sum, tv_op(v, BP_IR_VZIPHI, BP_T_I64, sum, sum));
	for (unsigned half = 32; half >= bits; half /= 2)
		sum = tv_op(
			v, op, v->lane, sum, tv_opi(v, BP_IR_SHR, BP_T_I64, sum, (int32_t)half));
	sum = tv_op(v, op, v->lane, sum, tv_get(v, t->a.rs1, 0));
	unsigned first = bp_ir_emit(t->c, BP_IR_VEXTRACT, v->lane, 0, 0, sum, 0, 0, v->lane);
	bp_ir_put(t->c, v->lane, tv_offset(v, t->a.rd, 0), first);
	return 1;
}
