/* SPDX-License-Identifier: MIT */
/* Floating-point vectors (unpriv 30.13, 30.14.3): SEW 32 and 64; binary16 is the helpers'. */
#include "tr_vec.h"

enum { ENV = 0 };

static unsigned fp3(struct tr_vec *v, unsigned op, unsigned lane, int32_t imm, unsigned a,
	unsigned b, unsigned c)
{
	return bp_ir_emit(v->t->c, op, BP_T_V128, ENV, imm, a, b, c, lane);
}

/* p: the opcode; q: TV_SWAP */
int tv_fp(struct tr_vec *v, int p, int q)
{
	struct rv_args *a = &v->t->a;
	unsigned lane = tv_fp_lane(v);
	if (!lane || !tv_groups_ok(v))
		return 0;
	int vector = tv_first(v, lane, 0);
	for (unsigned i = 0; i < v->chunks; i++) {
		unsigned x = tv_get(v, a->rs2, i), y = vector ? tv_get(v, a->rs1, i) : v->scalar;
		tv_put(v, a->rd, i,
			fp3(v, (unsigned)p, lane, 0, q & TV_SWAP ? y : x, q & TV_SWAP ? x : y, 0));
	}
	return 1;
}

int tv_fp_sqrt(struct tr_vec *v, int p, int q)
{
	struct rv_args *a = &v->t->a;
	unsigned lane = tv_fp_lane(v);
	(void)p;
	(void)q;
	if (!lane || !tv_groups_ok(v))
		return 0;
	for (unsigned i = 0; i < v->chunks; i++)
		tv_put(v, a->rd, i, fp3(v, BP_IR_FSQRT, lane, 0, tv_get(v, a->rs2, i), 0, 0));
	return 1;
}

/* vfcvt.f.x.v, vfcvt.f.xu.v; p: 1 unsigned */
int tv_from_int(struct tr_vec *v, int p, int q)
{
	struct rv_args *a = &v->t->a;
	unsigned lane = tv_fp_lane(v);
	(void)q;
	if (!lane || !tv_groups_ok(v))
		return 0;
	for (unsigned i = 0; i < v->chunks; i++)
		tv_put(v, a->rd, i, fp3(v, BP_IR_ITOF, lane, p, tv_get(v, a->rs2, i), v->lane, 0));
	return 1;
}

/* p: 0 vfsgnj, 1 vfsgnjn, 2 vfsgnjx */
int tv_fp_sign(struct tr_vec *v, int p, int q)
{
	struct rv_args *a = &v->t->a;
	unsigned lane = tv_fp_lane(v);
	(void)q;
	if (!lane || !tv_groups_ok(v))
		return 0;
	int vector = tv_first(v, lane, 0);
	unsigned sign = tv_splat_const(v, v->lane, UINT64_C(1) << ((8 << v->sew) - 1));
	for (unsigned i = 0; i < v->chunks; i++) {
		unsigned x = tv_get(v, a->rs2, i), y = vector ? tv_get(v, a->rs1, i) : v->scalar;
		if (p == 2) {
			y = tv_op(v, BP_IR_AND, v->lane, y, sign);
			tv_put(v, a->rd, i, tv_op(v, BP_IR_XOR, v->lane, x, y));
			continue;
		}
		if (p == 1)
			y = bp_ir_emit(v->t->c, BP_IR_NOT, BP_T_V128, 0, 0, y, 0, 0, v->lane);
		tv_put(v, a->rd, i,
			bp_ir_emit(v->t->c, BP_IR_VBLEND, BP_T_V128, 0, 0, sign, y, x, 0));
	}
	return 1;
}

/* p: enum bp_ir_fma; q: TV_MADD, vd is a factor and vs2 the addend */
int tv_fma(struct tr_vec *v, int p, int q)
{
	struct rv_args *a = &v->t->a;
	unsigned lane = tv_fp_lane(v);
	if (!lane || !tv_groups_ok(v))
		return 0;
	int vector = tv_first(v, lane, 0);
	for (unsigned i = 0; i < v->chunks; i++) {
		unsigned x = tv_get(v, a->rs2, i), y = vector ? tv_get(v, a->rs1, i) : v->scalar;
		unsigned d = tv_get(v, a->rd, i);
		tv_put(v, a->rd, i,
			fp3(v, BP_IR_FMA, lane, p, y, q & TV_MADD ? d : x, q & TV_MADD ? x : d));
	}
	return 1;
}

struct fp_compare {
	int32_t how;
	int swap, invert;
	unsigned lane;
};

static unsigned compare_fp(struct tr_vec *v, unsigned x, unsigned y, const void *how)
{
	const struct fp_compare *h = how;
	unsigned m = fp3(v, BP_IR_FCMP, h->lane, h->how, h->swap ? y : x, h->swap ? x : y, 0);
	return h->invert ? bp_ir_emit(v->t->c, BP_IR_NOT, BP_T_V128, 0, 0, m, 0, 0, v->lane) : m;
}

/* p: enum bp_ir_fcmp; q: TV_SWAP, TV_NOT */
int tv_fp_compare(struct tr_vec *v, int p, int q)
{
	struct fp_compare how = { p, q & TV_SWAP, q & TV_NOT, tv_fp_lane(v) };
	return how.lane && tv_to_mask(v, how.lane, compare_fp, &how);
}

/* vfredosum, vfredusum: one after the other, as the helper does both. */
int tv_fp_sum(struct tr_vec *v, int p, int q)
{
	enum { MOST = 16 };
	struct tr *t = v->t;
	unsigned lane = tv_fp_lane(v), per = v->lanes / v->chunks;
	(void)p;
	(void)q;
	if (!lane || v->lanes > MOST || t->a.rs2 % (v->lmul > 0 ? 1u << v->lmul : 1))
		return 0;
	unsigned sum =
		bp_ir_emit(t->c, BP_IR_VEXTRACT, lane, 0, 0, tv_get(v, t->a.rs1, 0), 0, 0, lane);
	for (unsigned i = 0; i < v->lanes; i++) {
		unsigned x = bp_ir_emit(t->c, BP_IR_VEXTRACT, lane, 0, (int32_t)(i % per),
			tv_get(v, t->a.rs2, i / per), 0, 0, lane);
		sum = bp_ir_emit(t->c, BP_IR_FADD, lane, ENV, 0, sum, x, 0, 0);
	}
	sum = bp_ir_convert(t->c, BP_IR_CAST, v->lane, lane, sum);
	bp_ir_put(t->c, v->lane, tv_offset(v, t->a.rd, 0), sum);
	return 1;
}
