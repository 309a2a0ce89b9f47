/* SPDX-License-Identifier: MIT */
/* Mask instructions (unpriv 30.15) and permutations (30.16). */
#include "vec.h"

/* ---- masks ---- */

static unsigned logic(unsigned op, unsigned a, unsigned b)
{
	switch (op) {
	case VEC_AND: return a & b;
	case VEC_NAND: return ~(a & b);
	case VEC_ANDN: return a & ~b;
	case VEC_XOR: return a ^ b;
	case VEC_OR: return a | b;
	case VEC_NOR: return ~(a | b);
	case VEC_ORN: return a | ~b;
	default: return ~(a ^ b);
	}
}

/* p: enum vec_logic; whole bytes where there are any */
int vec_mask_logic(struct vec *v)
{
	unsigned op = v->rule->p;
	uint64_t i = v->start;
	for (; i < v->vl && i % 8; i++)
		vec_put_bit(v->d, i, logic(op, vec_bit(v->s2, i), vec_bit(v->s1, i)) & 1);
	for (; i + 8 <= v->vl; i += 8)
		v->d[i / 8] = (uint8_t)logic(op, v->s2[i / 8], v->s1[i / 8]);
	for (; i < v->vl; i++)
		vec_put_bit(v->d, i, logic(op, vec_bit(v->s2, i), vec_bit(v->s1, i)) & 1);
	return BP_H_OK;
}

int vec_cpop(struct vec *v)
{
	uint64_t count = 0;
	for (uint64_t i = 0; i < v->vl; i++)
		count += vec_active(v, i) && vec_bit(v->s2, i);
	vec_set_x(v, v->a.rd, count);
	return BP_H_OK;
}

int vec_first(struct vec *v)
{
	uint64_t i = 0;
	while (i < v->vl && !(vec_active(v, i) && vec_bit(v->s2, i)))
		i++;
	vec_set_x(v, v->a.rd, i < v->vl ? i : UINT64_MAX);
	return BP_H_OK;
}

/* vmsbf, vmsif, vmsof. p: bit 0: set before the first, bit 1: set at the first */
int vec_set_first(struct vec *v)
{
	int before = v->rule->p & 1, at = v->rule->p >> 1, found = 0;
	for (uint64_t i = 0; i < v->vl; i++) {
		if (!vec_active(v, i))
			continue;
		int first = !found && vec_bit(v->s2, i);
		vec_put_bit(v->d, i, (unsigned)(first ? at : before && !found));
		found |= first;
	}
	return BP_H_OK;
}

int vec_iota(struct vec *v)
{
	uint64_t count = 0;
	for (uint64_t i = 0; i < v->vl; i++) {
		if (!vec_active(v, i))
			continue;
		vec_put(v->d, i, v->sew, count);
		count += vec_bit(v->s2, i);
	}
	return BP_H_OK;
}

int vec_id(struct vec *v)
{
	for (uint64_t i = v->start; i < v->vl; i++)
		if (vec_active(v, i))
			vec_put(v->d, i, v->sew, i);
	return BP_H_OK;
}

/* ---- slides ---- */

int vec_slideup(struct vec *v)
{
	uint64_t i = v->start > v->x ? v->start : v->x;
	for (; i < v->vl; i++)
		if (vec_active(v, i))
			vec_put(v->d, i, v->sew, vec_get(v->s2, i - v->x, v->sew));
	return BP_H_OK;
}

int vec_slidedown(struct vec *v)
{
	for (uint64_t i = v->start; i < v->vl; i++) {
		if (!vec_active(v, i))
			continue;
		/* The sum may wrap, the comparison does not. */
		int inside = v->x < v->vlmax && i < v->vlmax - v->x;
		vec_put(v->d, i, v->sew, inside ? vec_get(v->s2, i + v->x, v->sew) : 0);
	}
	return BP_H_OK;
}

int vec_slide1up(struct vec *v)
{
	for (uint64_t i = v->start; i < v->vl; i++)
		if (vec_active(v, i))
			vec_put(v->d, i, v->sew, i ? vec_get(v->s2, i - 1, v->sew) : v->scalar);
	return BP_H_OK;
}

int vec_slide1down(struct vec *v)
{
	for (uint64_t i = v->start; i < v->vl; i++)
		if (vec_active(v, i))
			vec_put(v->d, i, v->sew,
				i + 1 < v->vl ? vec_get(v->s2, i + 1, v->sew) : v->scalar);
	return BP_H_OK;
}

/* ---- gather, compress ---- */

/* p: log2 of an index's bytes, or 4: SEW */
int vec_gather(struct vec *v)
{
	int size = v->rule->p == 4 ? v->sew : v->rule->p;
	for (uint64_t i = v->start; i < v->vl; i++) {
		if (!vec_active(v, i))
			continue;
		uint64_t from = v->s1 ? vec_get(v->s1, i, size) : v->x;
		vec_put(v->d, i, v->sew, from < v->vlmax ? vec_get(v->s2, from, v->sew) : 0);
	}
	return BP_H_OK;
}

int vec_compress(struct vec *v)
{
	uint64_t to = 0;
	for (uint64_t i = 0; i < v->vl; i++)
		if (vec_bit(v->s1, i))
			vec_put(v->d, to++, v->sew, vec_get(v->s2, i, v->sew));
	return BP_H_OK;
}

/* ---- moves ---- */

/* vmv.x.s takes place even if vstart >= vl (unpriv 30.16.1). */
int vec_move_to_x(struct vec *v)
{
	vec_set_x(v, v->a.rd, (uint64_t)vec_sext(vec_get(v->s2, 0, v->sew), vec_bits(v)));
	return BP_H_OK;
}

int vec_move_to_f(struct vec *v)
{
	uint64_t box = vec_bits(v) < 64 ? UINT64_MAX << vec_bits(v) : 0;
	v->cpu->f[v->a.rd] = box | vec_get(v->s2, 0, v->sew);
	return BP_H_OK;
}

/* vmv.s.x, vfmv.s.f */
int vec_move_from_scalar(struct vec *v)
{
	if (v->start < v->vl)
		vec_put(v->d, 0, v->sew, v->scalar);
	return BP_H_OK;
}

/* vmv<nr>r.v: p registers, vstart counts elements of SEW (unpriv 30.16.6) */
int vec_move_whole(struct vec *v)
{
	uint64_t bytes = (uint64_t)v->rule->p * v->vlenb, from = v->start << v->sew;
	if (from < bytes)
		memmove(v->d + from, v->s2 + from, bytes - from);
	return BP_H_OK;
}
