/* SPDX-License-Identifier: MIT */
/* The vector extension (unpriv 30). The frequent instructions become records, 128 bits at a time, when
 * the key says that all of a group is meant: vl is VLMAX, vstart 0, no mask. All others, and those whose
 * operands could be reserved, are a helper's, which also says what is illegal. */
#include "tr_vec.h"
#include "vtype.h"

enum { PAGE_BYTES = 4096 };

/* ---- vset* (unpriv 30.6) ---- */

static void by_helper(struct tr *t, int p, unsigned mode)
{
	unsigned avl = p == 2 ? tr_const(t, t->a.avl) : tr_x(t, t->a.rs1);
	unsigned vtype = p ? tr_const(t, (uint32_t)t->a.imm) : tr_x(t, t->a.rs2);
	if (t->xlen == 32 && p != 2)
		avl = bp_ir_convert(t->c, BP_IR_ZEXT, BP_T_I64, BP_T_I32, avl);
	if (t->xlen == 32 && !p)
		vtype = bp_ir_convert(t->c, BP_IR_ZEXT, BP_T_I64, BP_T_I32, vtype);
	unsigned vl = tr_call(t, RV_H_VSETVL, avl, vtype, tr_const(t, mode), 0);
	if (t->xlen == 32)
		vl = bp_ir_convert(t->c, BP_IR_TRUNC, BP_T_I32, BP_T_I64, vl);
	tr_set_x(t, t->a.rd, vl);
	tr_resync(t);
}

static uint64_t key_with(uint64_t key, uint64_t vtype, int is_vlmax)
{
	key &= ~(UINT64_C(1) << RV_KEY_VILL | UINT64_C(0xff) << RV_KEY_VTYPE |
		UINT64_C(1) << RV_KEY_VLMAX | UINT64_C(1) << RV_KEY_VSTART);
	return key | vtype << RV_KEY_VTYPE | (uint64_t)is_vlmax << RV_KEY_VLMAX;
}

/* vl (0: it stays) and vtype, as far as the key does not say that they are so. */
static void set_vl(struct tr *t, unsigned vl, uint64_t vtype)
{
	int known = !RV_KEY(t->key, RV_KEY_VILL, 1);
	if (vl)
		bp_ir_put(t->c, BP_T_I64, (uint32_t)offsetof(struct rv_cpu, vl), vl);
	if (!known || RV_KEY(t->key, RV_KEY_VTYPE, 8) != vtype)
		bp_ir_put(t->c, BP_T_I64, (uint32_t)offsetof(struct rv_cpu, vtype),
			tr_const(t, vtype));
	if (!known)
		bp_ir_put(t->c, BP_T_I32, (uint32_t)offsetof(struct rv_cpu, vill),
			bp_ir_const(t->c, BP_T_I32, 0));
	if (RV_KEY(t->key, RV_KEY_VSTART, 1))
		bp_ir_put(
			t->c, BP_T_I64, (uint32_t)offsetof(struct rv_cpu, vstart), tr_const(t, 0));
}

static void set_vl_const(struct tr *t, uint64_t vl, uint64_t vtype, uint64_t vlmax)
{
	set_vl(t, tr_const(t, vl), vtype);
	tr_set_x(t, t->a.rd, bp_ir_const(t->c, t->xt, vl));
	t->in->next_key = key_with(t->key, vtype, vl == vlmax);
}

/* A length from a register: what is shorter than the longest leaves for code of another key. */
static void set_vl_from(struct tr *t, uint64_t vtype, uint64_t vlmax)
{
	unsigned x = tr_x(t, t->a.rs1), avl = x, max = bp_ir_const(t->c, t->xt, vlmax);
	unsigned less = bp_ir_op2(t->c, BP_IR_LTU, t->xt, x, max);
	bp_ir_emit(t->c, BP_IR_IF, BP_T_NONE, 0, 0, less, 0, 0, 0);
	if (t->xlen == 32)
		avl = bp_ir_convert(t->c, BP_IR_ZEXT, BP_T_I64, BP_T_I32, x);
	set_vl(t, avl, vtype);
	tr_set_x(t, t->a.rd, x);
	bp_ir_jump(t->c, tr_pcrel(t, (int32_t)t->in->length), BP_HINT_PLAIN,
		tr_const(t, key_with(t->key, vtype, 0)), 0);
	bp_ir_emit(t->c, BP_IR_END, BP_T_NONE, 0, 0, 0, 0, 0, 0);
	set_vl_const(t, vlmax, vtype, vlmax);
}

/* p: 0 vsetvl, 1 vsetvli, 2 vsetivli */
void tr_vsetvl(struct tr *t, int p, int q)
{
	enum { NUMBER, KEEP, MAXIMUM };
	(void)q;
	unsigned mode = p == 2 || t->a.rs1 ? NUMBER : t->a.rd ? MAXIMUM : KEEP;
	uint64_t vtype = (uint32_t)t->a.imm, old = RV_KEY(t->key, RV_KEY_VTYPE, 8);
	if (!p || rv_vtype_reserved(vtype)) {
		by_helper(t, p, mode);
		return;
	}
	uint64_t vlmax = rv_vlmax_of(t->cfg, vtype);
	int known = !RV_KEY(t->key, RV_KEY_VILL, 1);
	uint64_t old_max = known ? rv_vlmax_of(t->cfg, old) : 0;
	if (p == 2)
		set_vl_const(t, t->a.avl < vlmax ? t->a.avl : vlmax, vtype, vlmax);
	else if (mode == MAXIMUM)
		set_vl_const(t, vlmax, vtype, vlmax);
	else if (mode == NUMBER)
		set_vl_from(t, vtype, vlmax);
	else if (known && RV_KEY(t->key, RV_KEY_VLMAX, 1))
		set_vl_const(t, old_max < vlmax ? old_max : vlmax, vtype, vlmax);
	else if (known && old_max == vlmax) {
		set_vl(t, 0, vtype);
		t->in->next_key = key_with(t->key, vtype, 0);
	} else
		by_helper(t, p, mode);
}

/* ---- registers ---- */

unsigned tv_get(struct tr_vec *v, unsigned reg, unsigned chunk)
{
	return bp_ir_get(v->t->c, BP_T_V128, tv_offset(v, reg, chunk));
}

void tv_put(struct tr_vec *v, unsigned reg, unsigned chunk, unsigned value)
{
	bp_ir_put(v->t->c, BP_T_V128, tv_offset(v, reg, chunk), value);
}

unsigned tv_op(struct tr_vec *v, unsigned op, unsigned lane, unsigned a, unsigned b)
{
	return bp_ir_emit(v->t->c, op, BP_T_V128, 0, 0, a, b, 0, lane);
}

unsigned tv_opi(struct tr_vec *v, unsigned op, unsigned lane, unsigned a, int32_t imm)
{
	return bp_ir_emit(v->t->c, op, BP_T_V128, BP_IR_IMM, imm, a, 0, 0, lane);
}

unsigned tv_splat(struct tr_vec *v, unsigned lane, unsigned value)
{
	return bp_ir_emit(v->t->c, BP_IR_VSPLAT, BP_T_V128, 0, 0, value, 0, 0, lane);
}

unsigned tv_splat_const(struct tr_vec *v, unsigned lane, uint64_t value)
{
	return tv_splat(v, lane, bp_ir_const(v->t->c, lane, value));
}

/* x register n as a number of a lane's width; only the low `bits` of it, if that is not 0. */
static unsigned x_lane(struct tr_vec *v, unsigned n, unsigned lane, unsigned bits)
{
	struct tr *t = v->t;
	unsigned x = tr_x(t, n);
	if (bits)
		x = bp_ir_op2i(t->c, BP_IR_AND, t->xt, x, (int32_t)bits - 1);
	if (lane == t->xt)
		return x;
	return bp_ir_convert(t->c, lane > t->xt ? BP_IR_SEXT : BP_IR_TRUNC, lane, t->xt, x);
}

unsigned tv_fp_lane(const struct tr_vec *v)
{
	const struct rv_config *c = v->t->cfg;
	if (RV_KEY(v->t->key, RV_KEY_FRM_BAD, 1))
		return 0;
	return v->sew == 2 && rv_has(c, RV_EXT_F)    ? BP_T_F32
		: v->sew == 3 && rv_has(c, RV_EXT_D) ? BP_T_F64
						     : 0;
}

static unsigned format_of(const struct tr_vec *v)
{
	return rv_rows[v->t->op].format;
}

/* The first source: 1 for a vector, 0 for a scalar, which is then in v->scalar, splatted. */
int tv_first(struct tr_vec *v, unsigned lane, unsigned bits)
{
	struct tr *t = v->t;
	switch (format_of(v)) {
	case RV_FORMAT_VVX:
	case RV_FORMAT_VMVX:
		v->scalar = tv_splat(v, lane, x_lane(v, t->a.rs1, lane, bits));
		return 0;
	case RV_FORMAT_VVF:
	case RV_FORMAT_VMVF: v->scalar = tv_splat(v, lane, tr_f(t, lane, t->a.rs1)); return 0;
	case RV_FORMAT_VVI:
	case RV_FORMAT_VVU:
	case RV_FORMAT_VMVI: {
		uint64_t imm = (uint64_t)(int64_t)t->a.imm;
		v->scalar = tv_splat_const(v, lane, bits ? imm & (bits - 1) : imm);
		return 0;
	}
	default: return 1;
	}
}

static int aligned(const struct tr_vec *v, unsigned reg)
{
	return v->lmul <= 0 || reg % (1u << v->lmul) == 0;
}

/* vd, vs2 and, if it is a vector, vs1 are groups as vtype has them: then they may overlap, since they
 * are the same or have nothing in common. */
int tv_groups_ok(const struct tr_vec *v)
{
	const struct rv_args *a = &v->t->a;
	unsigned format = format_of(v);
	int vector1 = format == RV_FORMAT_VVV || format == RV_FORMAT_VMVV;
	return aligned(v, a->rd) && aligned(v, a->rs2) && (!vector1 || aligned(v, a->rs1));
}

/* ---- integers, lane by lane (unpriv 30.11) ---- */

/* p: the opcode; q: enum tv_how */
int tv_two(struct tr_vec *v, int p, int q)
{
	struct rv_args *a = &v->t->a;
	unsigned op = (unsigned)p, bits = 8u << v->sew;
	if (!tv_groups_ok(v))
		return 0;
	int vector = tv_first(v, v->lane, q & TV_SHIFT ? bits : 0);
	for (unsigned i = 0; i < v->chunks; i++) {
		unsigned x = tv_get(v, a->rs2, i), y = vector ? tv_get(v, a->rs1, i) : v->scalar;
		if (vector && q & TV_SHIFT)
			y = tv_opi(v, BP_IR_AND, v->lane, y, (int32_t)bits - 1);
		tv_put(v, a->rd, i,
			tv_op(v, op, v->lane, q & TV_SWAP ? y : x, q & TV_SWAP ? x : y));
	}
	return 1;
}

/* p: BP_IR_ADD or BP_IR_SUB of the product; q: TV_MADD, the product is vd's and vs2 is added */
int tv_multiply_add(struct tr_vec *v, int p, int q)
{
	struct rv_args *a = &v->t->a;
	if (!tv_groups_ok(v))
		return 0;
	int vector = tv_first(v, v->lane, 0);
	for (unsigned i = 0; i < v->chunks; i++) {
		unsigned x = tv_get(v, a->rs2, i), y = vector ? tv_get(v, a->rs1, i) : v->scalar;
		unsigned d = tv_get(v, a->rd, i);
		unsigned product = tv_op(v, BP_IR_MUL, v->lane, y, q & TV_MADD ? d : x);
		tv_put(v, a->rd, i, tv_op(v, (unsigned)p, v->lane, q & TV_MADD ? x : d, product));
	}
	return 1;
}

/* vmv.v.*, vfmv.v.f */
int tv_move(struct tr_vec *v, int p, int q)
{
	struct rv_args *a = &v->t->a;
	unsigned lane = q ? tv_fp_lane(v) : v->lane;
	(void)p;
	if (!lane || !aligned(v, a->rd) || (format_of(v) == RV_FORMAT_VMVV && !aligned(v, a->rs1)))
		return 0;
	int vector = tv_first(v, lane, 0);
	for (unsigned i = 0; i < v->chunks; i++)
		tv_put(v, a->rd, i, vector ? tv_get(v, a->rs1, i) : v->scalar);
	return 1;
}

/* vmv<p>r.v: registers whatever vtype is */
int tv_move_whole(struct tr_vec *v, int p, int q)
{
	struct rv_args *a = &v->t->a;
	unsigned chunks = (unsigned)p * v->t->cfg->vlen / 128;
	(void)q;
	if (chunks > TV_CHUNKS || a->rd % (unsigned)p || a->rs2 % (unsigned)p)
		return 0;
	for (unsigned i = 0; i < chunks; i++)
		tv_put(v, a->rd, i, tv_get(v, a->rs2, i));
	return 1;
}

/* p: 0 vmv.x.s, 1 vmv.s.x, 2 vfmv.f.s, 3 vfmv.s.f (unpriv 30.16.1, 30.16.2) */
int tv_element(struct tr_vec *v, int p, int q)
{
	struct tr *t = v->t;
	unsigned lane = v->lane, format = p >= 2 ? tv_fp_lane(v) : 0, value;
	(void)q;
	if (p >= 2 && !format)
		return 0;
	switch (p) {
	case 0:
		value = bp_ir_get(t->c, lane, tv_offset(v, t->a.rs2, 0));
		if (lane != t->xt)
			value = bp_ir_convert(
				t->c, lane > t->xt ? BP_IR_TRUNC : BP_IR_SEXT, t->xt, lane, value);
		tr_set_x(t, t->a.rd, value);
		return 1;
	case 1: value = x_lane(v, t->a.rs1, lane, 0); break;
	case 2:
		value = bp_ir_get(t->c, lane, tv_offset(v, t->a.rs2, 0));
		tr_set_f_bits(t, format, t->a.rd, value);
		return 1;
	default:
		value = bp_ir_convert(t->c, BP_IR_CAST, lane, format, tr_f(t, format, t->a.rs1));
		break;
	}
	bp_ir_put(t->c, lane, tv_offset(v, t->a.rd, 0), value);
	return 1;
}

/* ---- loads and stores (unpriv 30.7) ---- */

/* `bytes` from or to the registers at `reg`, in pieces as wide as there are. Inside a page, nothing or the
 * first access faults: then vstart is 0, as it should be. Else the helper finds the element. */
static int access(struct tr_vec *v, unsigned reg, unsigned bytes, int store)
{
	struct tr *t = v->t;
	unsigned loaded[TV_CHUNKS], type[TV_CHUNKS], at[TV_CHUNKS], n = 0;
	int32_t disp;
	if (!bytes || bytes % 16 || bytes > 16 * TV_CHUNKS)
		return 0;
	unsigned addr = tr_addr(t, t->a.rs1, 0, &disp);
	unsigned low = bp_ir_op2i(t->c, BP_IR_AND, BP_T_I64, addr, PAGE_BYTES - 1);
	unsigned over = bp_ir_op2(t->c, BP_IR_LTU, BP_T_I64, tr_const(t, PAGE_BYTES - bytes), low);
	bp_ir_emit(t->c, BP_IR_IF, BP_T_NONE, 0, 0, over, 0, 0, 0);
	tr_call(t, RV_H_VECTOR_KEEP, tr_const(t, t->op), tr_const(t, t->insn), 0, 0);
	tr_resync(t);
	bp_ir_emit(t->c, BP_IR_END, BP_T_NONE, 0, 0, 0, 0, 0, 0);
	for (unsigned done = 0, size; done < bytes; done += size) {
		unsigned log2 = bytes - done >= 64 ? 6 : bytes - done >= 32 ? 5 : 4;
		int32_t from = disp + (int32_t)done;
		uint32_t place = tv_offset(v, reg, done / 16);
		size = 1u << log2;
		type[n] = BP_T_V128 + log2 - 4;
		at[n] = place;
		if (store)
			bp_ir_store(t->c, type[n], addr, from, bp_ir_get(t->c, type[n], place),
				tr_memop(t, log2, 0));
		else
			loaded[n] = bp_ir_load(t->c, type[n], addr, from, tr_memop(t, log2, 0));
		n += !store;
	}
	for (unsigned i = 0; i < n; i++)
		bp_ir_put(t->c, type[i], at[i], loaded[i]);
	return 1;
}

/* Unit stride; p: log2 of the element's bytes, q: a store */
int tv_unit(struct tr_vec *v, int p, int q)
{
	const struct rv_args *a = &v->t->a;
	unsigned reg = q ? a->rs3 : a->rd;
	int emul = v->lmul + p - v->sew;
	if (emul < -3 || emul > 3 || (emul > 0 && reg % (1u << emul)))
		return 0;
	unsigned bytes = v->t->cfg->vlen / 8;
	return access(v, reg, emul >= 0 ? bytes << emul : bytes >> -emul, q);
}

/* Whole registers; q: a store */
int tv_whole(struct tr_vec *v, int p, int q)
{
	const struct rv_args *a = &v->t->a;
	unsigned reg = q ? a->rs3 : a->rd;
	(void)p;
	if (reg % a->nf)
		return 0;
	return access(v, reg, v->t->cfg->vlen / 8 * a->nf, q);
}

/* ---- which ---- */

static int all_of_it(struct tr_vec *v, const struct tv_rule *r)
{
	uint64_t key = v->t->key, vtype = RV_KEY(key, RV_KEY_VTYPE, 8);
	if (!r->fn || RV_KEY(key, RV_KEY_VSTART, 1) || !v->t->a.vm)
		return 0;
	if (r->fn == tv_whole)
		return 1;
	if (RV_KEY(key, RV_KEY_VILL, 1))
		return 0;
	v->sew = rv_sew_of(vtype);
	v->lmul = rv_lmul_of(vtype);
	v->lane = BP_T_I8 + (unsigned)v->sew;
	unsigned vlen = v->t->cfg->vlen;
	unsigned bits = v->lmul >= 0 ? vlen << v->lmul : vlen >> -v->lmul;
	v->chunks = bits / 128;
	v->lanes = (unsigned)rv_vlmax_of(v->t->cfg, vtype);
	if (r->fn == tv_element || r->fn == tv_move_whole)
		return r->fn != tv_element || !(r->p & 1) || RV_KEY(key, RV_KEY_VLMAX, 1);
	/* Memory of another element size has a number of chunks of its own. */
	return RV_KEY(key, RV_KEY_VLMAX, 1) &&
		(r->fn == tv_unit || (bits % 128 == 0 && v->chunks && v->chunks <= TV_CHUNKS));
}

/* Fault-only-first loads may shorten vl, and any instruction clears vstart: both are in the key. */
static int changes_key(const struct tr *t)
{
	static const enum rv_op first_only[] = { RV_OP_VLE8FF_V, RV_OP_VLE16FF_V, RV_OP_VLE32FF_V,
		RV_OP_VLE64FF_V };
	if (RV_KEY(t->key, RV_KEY_VSTART, 1) || rv_rows[t->op].format == RV_FORMAT_VLSEG)
		return 1;
	for (unsigned i = 0; i < sizeof(first_only) / sizeof(first_only[0]); i++)
		if (t->op == first_only[i])
			return 1;
	return 0;
}

void tr_vector(struct tr *t)
{
	struct tr_vec v = { .t = t };
	const struct tv_rule *r = &tv_rules[t->op];
	uint32_t begun = t->c->count;
	if (all_of_it(&v, r) && r->fn(&v, r->p, r->q))
		return;
	t->c->count = begun;
	int key = changes_key(t);
	tr_call(t, key ? RV_H_VECTOR : RV_H_VECTOR_KEEP, tr_const(t, t->op), tr_const(t, t->insn),
		0, 0);
	if (key)
		tr_resync(t);
}
