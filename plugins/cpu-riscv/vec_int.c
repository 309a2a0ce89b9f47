/* SPDX-License-Identifier: MIT */
/* Element-wise loops, integer kernels, comparisons and reductions (unpriv 30.11, 30.14). */
#include "vec.h"

#define INLINE static inline __attribute__((always_inline))

/* ---- kernels; operands wider than the operation are harmless: only low bits are stored ---- */

uint64_t vk_add(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c, (void)bits;
	return a + b;
}

uint64_t vk_sub(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c, (void)bits;
	return a - b;
}

uint64_t vk_rsub(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c, (void)bits;
	return b - a;
}

uint64_t vk_and(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c, (void)bits;
	return a & b;
}

uint64_t vk_or(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c, (void)bits;
	return a | b;
}

uint64_t vk_xor(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c, (void)bits;
	return a ^ b;
}

uint64_t vk_minu(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c, (void)bits;
	return a < b ? a : b;
}

/* Rows with signed kernels say VF_SIGN1 and VF_SIGN2. */
uint64_t vk_min(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c, (void)bits;
	return (int64_t)a < (int64_t)b ? a : b;
}

uint64_t vk_maxu(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c, (void)bits;
	return a > b ? a : b;
}

uint64_t vk_max(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c, (void)bits;
	return (int64_t)a > (int64_t)b ? a : b;
}

uint64_t vk_sll(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c;
	return a << (b & (bits - 1));
}

uint64_t vk_srl(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c;
	return vec_zext(a, bits) >> (b & (bits - 1));
}

uint64_t vk_sra(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c;
	return (uint64_t)(vec_sext(a, bits) >> (b & (bits - 1)));
}

/* Narrowing shifts take one bit more of the count; a is 2 * SEW wide, extended by the row. */
uint64_t vk_nsrl(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c;
	return a >> (b & (2 * bits - 1));
}

uint64_t vk_nsra(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c;
	return (uint64_t)((int64_t)a >> (b & (2 * bits - 1)));
}

uint64_t vk_mul(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c, (void)bits;
	return a * b;
}

/* High halves: of signed, unsigned, and signed vs2 times unsigned. */
uint64_t vk_mulh(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c;
	return (uint64_t)((vec_s128)(int64_t)a * (int64_t)b >> bits);
}

uint64_t vk_mulhu(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c;
	return (uint64_t)((vec_u128)a * b >> bits);
}

uint64_t vk_mulhsu(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c;
	return (uint64_t)((vec_s128)(int64_t)a * (vec_s128)b >> bits);
}

/* Division by zero and overflow as in M (unpriv 30.11.11, 13.2). */
uint64_t vk_divu(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c, (void)bits;
	return b ? a / b : UINT64_MAX;
}

uint64_t vk_div(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c, (void)bits;
	if (!b)
		return UINT64_MAX;
	return b == UINT64_MAX ? -a : (uint64_t)((int64_t)a / (int64_t)b);
}

uint64_t vk_remu(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c, (void)bits;
	return b ? a % b : a;
}

uint64_t vk_rem(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c, (void)bits;
	if (!b)
		return a;
	return b == UINT64_MAX ? 0 : (uint64_t)((int64_t)a % (int64_t)b);
}

uint64_t vk_madd(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)bits;
	return b * c + a;
}

uint64_t vk_nmsub(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)bits;
	return a - b * c;
}

uint64_t vk_macc(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)bits;
	return c + a * b;
}

uint64_t vk_nmsac(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)bits;
	return c - a * b;
}

uint64_t vk_first(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)b, (void)c, (void)bits;
	return a;
}

uint64_t vk_second(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)a, (void)c, (void)bits;
	return b;
}

/* c is the carry (unpriv 30.11.4) or the mask bit (30.11.15). */
uint64_t vk_adc(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)bits;
	return a + b + c;
}

uint64_t vk_sbc(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)bits;
	return a - b - c;
}

uint64_t vk_madc(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v;
	return (uint64_t)(((vec_u128)a + b + c) >> bits) & 1;
}

uint64_t vk_msbc(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)bits;
	return a < b || (a == b && c);
}

uint64_t vk_merge(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)bits;
	return c ? b : a;
}

static uint64_t vk_seq(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c, (void)bits;
	return a == b;
}

static uint64_t vk_sne(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c, (void)bits;
	return a != b;
}

uint64_t vk_sltu(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c, (void)bits;
	return a < b;
}

uint64_t vk_slt(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c, (void)bits;
	return (int64_t)a < (int64_t)b;
}

uint64_t vk_sleu(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c, (void)bits;
	return a <= b;
}

uint64_t vk_sle(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c, (void)bits;
	return (int64_t)a <= (int64_t)b;
}

uint64_t vk_sgtu(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c, (void)bits;
	return a > b;
}

uint64_t vk_sgt(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)v, (void)c, (void)bits;
	return (int64_t)a > (int64_t)b;
}

/* ---- loops ---- */

INLINE uint64_t get_signed(const uint8_t *reg, uint64_t i, int size, int is_signed)
{
	uint64_t x = vec_get(reg, i, size);
	return is_signed ? (uint64_t)vec_sext(x, 8u << size) : x;
}

/* Operands of an element, extended as the row says. */
INLINE uint64_t first_operand(const struct vec *v, uint64_t i)
{
	if (!v->s1)
		return v->scalar;
	return get_signed(v->s1, i, v->size1, v->rule->flags & VF_SIGN1);
}

INLINE uint64_t second_operand(const struct vec *v, uint64_t i)
{
	if (!v->rule->s2)
		return 0;
	return get_signed(v->s2, i, v->size2, v->rule->flags & VF_SIGN2);
}

int vec_map(struct vec *v)
{
	vec_kernel *kernel = v->rule->kernel;
	int size = v->size_d;
	unsigned bits = vec_bits(v);
	for (uint64_t i = v->start; i < v->vl; i++) {
		if (!vec_active(v, i))
			continue;
		uint64_t c = vec_get(v->d, i, size);
		vec_put(v->d, i, size,
			kernel(v, second_operand(v, i), first_operand(v, i), c, bits));
	}
	return BP_H_OK;
}

int vec_compare(struct vec *v)
{
	vec_kernel *kernel = v->rule->kernel;
	unsigned bits = vec_bits(v);
	/* The mask may be the destination: its byte is read before it is written. */
	for (uint64_t i = v->start; i < v->vl; i++)
		if (vec_active(v, i))
			vec_put_bit(v->d, i,
				kernel(v, second_operand(v, i), first_operand(v, i), 0, bits) != 0);
	return BP_H_OK;
}

/* v0 is an operand, not a mask: with vm 1 there is no carry. */
int vec_carry(struct vec *v)
{
	for (uint64_t i = v->start; i < v->vl; i++)
		vec_put(v->d, i, v->sew,
			v->rule->kernel(v, second_operand(v, i), first_operand(v, i),
				vec_bit(v->v0, i), vec_bits(v)));
	return BP_H_OK;
}

int vec_carry_out(struct vec *v)
{
	for (uint64_t i = v->start; i < v->vl; i++) {
		uint64_t carry = v->a.vm ? 0 : vec_bit(v->v0, i);
		vec_put_bit(v->d, i,
			v->rule->kernel(v, second_operand(v, i), first_operand(v, i), carry,
				vec_bits(v)) != 0);
	}
	return BP_H_OK;
}

/* unpriv 30.14.1: element 0 of vs1, then the active elements of vs2, in order */
int vec_reduce(struct vec *v)
{
	if (!v->vl)
		return BP_H_OK;
	int size = v->size_d, is_signed = v->rule->flags & VF_SIGN1;
	uint64_t sum = get_signed(v->s1, 0, size, is_signed);
	for (uint64_t i = 0; i < v->vl; i++)
		if (vec_active(v, i))
			sum = v->rule->kernel(v, second_operand(v, i), sum, 0, vec_bits(v));
	vec_put(v->d, 0, size, sum);
	return BP_H_OK;
}

/* ---- common operations at SEW: one loop for each SEW, kernel and kind of source ---- */

INLINE void loop(struct vec *v, vec_kernel *kernel, int size, int scalar, int masked)
{
	uint8_t *d = v->d, *s1 = v->s1, *s2 = v->s2, *mask = v->v0;
	uint64_t b = v->scalar, end = v->vl;
	for (uint64_t i = v->start; i < end; i++) {
		if (masked && !vec_bit(mask, i))
			continue;
		vec_put(d, i, size,
			kernel(v, vec_get(s2, i, size), scalar ? b : vec_get(s1, i, size),
				vec_get(d, i, size), 8u << size));
	}
}

INLINE void loop_sources(struct vec *v, vec_kernel *kernel, int size)
{
	if (!v->a.vm) {
		if (v->s1)
			loop(v, kernel, size, 0, 1);
		else
			loop(v, kernel, size, 1, 1);
	} else if (v->s1) {
		loop(v, kernel, size, 0, 0);
	} else {
		loop(v, kernel, size, 1, 0);
	}
}

INLINE int loop_sew(struct vec *v, vec_kernel *kernel)
{
	switch (v->sew) {
	case 0: loop_sources(v, kernel, 0); break;
	case 1: loop_sources(v, kernel, 1); break;
	case 2: loop_sources(v, kernel, 2); break;
	default: loop_sources(v, kernel, 3);
	}
	return BP_H_OK;
}

int vec_add(struct vec *v)
{
	return loop_sew(v, vk_add);
}

int vec_sub(struct vec *v)
{
	return loop_sew(v, vk_sub);
}

int vec_rsub(struct vec *v)
{
	return loop_sew(v, vk_rsub);
}

int vec_and(struct vec *v)
{
	return loop_sew(v, vk_and);
}

int vec_or(struct vec *v)
{
	return loop_sew(v, vk_or);
}

int vec_xor(struct vec *v)
{
	return loop_sew(v, vk_xor);
}

int vec_sll(struct vec *v)
{
	return loop_sew(v, vk_sll);
}

int vec_srl(struct vec *v)
{
	return loop_sew(v, vk_srl);
}

int vec_sra(struct vec *v)
{
	return loop_sew(v, vk_sra);
}

int vec_mul(struct vec *v)
{
	return loop_sew(v, vk_mul);
}

int vec_macc(struct vec *v)
{
	return loop_sew(v, vk_macc);
}

int vec_move(struct vec *v)
{
	return loop_sew(v, vk_second);
}

INLINE void compare(struct vec *v, vec_kernel *kernel, int size)
{
	for (uint64_t i = v->start; i < v->vl; i++) {
		if (!vec_active(v, i))
			continue;
		uint64_t b = v->s1 ? vec_get(v->s1, i, size) : v->scalar;
		vec_put_bit(v->d, i, kernel(v, vec_get(v->s2, i, size), b, 0, 8u << size) != 0);
	}
}

INLINE int compare_sew(struct vec *v, vec_kernel *kernel)
{
	switch (v->sew) {
	case 0: compare(v, kernel, 0); break;
	case 1: compare(v, kernel, 1); break;
	case 2: compare(v, kernel, 2); break;
	default: compare(v, kernel, 3);
	}
	return BP_H_OK;
}

int vec_seq(struct vec *v)
{
	return compare_sew(v, vk_seq);
}

int vec_sne(struct vec *v)
{
	return compare_sew(v, vk_sne);
}
