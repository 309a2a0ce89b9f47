/* SPDX-License-Identifier: MIT */
/* Fixed-point kernels (unpriv 30.12). Operands come extended as their rows say, so one kernel serves
 * signed and unsigned forms wherever only the extension differs. */
#include "vec.h"

enum { RNU, RNE, RDN, ROD }; /* vxrm (unpriv 30.3.7) */

/* x / 2^d, rounded as vxrm says */
static vec_s128 roundoff(const struct vec *v, vec_s128 x, unsigned d)
{
	if (!d)
		return x;
	vec_u128 low = (vec_u128)x & (((vec_u128)1 << d) - 1), half = (vec_u128)1 << (d - 1);
	vec_s128 q = x >> d;
	int up = 0;
	switch (v->cpu->vxrm & 3) {
	case RNU: up = low >= half; break;
	case RNE: up = low > half || (low == half && q & 1); break;
	case RDN: break;
	case ROD: up = low && !(q & 1); break;
	}
	return q + up;
}

static uint64_t clamp(struct vec *v, vec_s128 x, vec_s128 low, vec_s128 high)
{
	if (x >= low && x <= high)
		return (uint64_t)x;
	v->cpu->vxsat = 1;
	return (uint64_t)(x < low ? low : high);
}

static uint64_t clamp_signed(struct vec *v, vec_s128 x, unsigned bits)
{
	vec_s128 limit = (vec_s128)1 << (bits - 1);
	return clamp(v, x, -limit, limit - 1);
}

static uint64_t clamp_unsigned(struct vec *v, vec_s128 x, unsigned bits)
{
	return clamp(v, x, 0, ((vec_s128)1 << bits) - 1);
}

uint64_t vk_saddu(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)c;
	return clamp_unsigned(v, (vec_s128)a + b, bits);
}

uint64_t vk_ssubu(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)c;
	return clamp_unsigned(v, (vec_s128)a - b, bits);
}

uint64_t vk_sadd(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)c;
	return clamp_signed(v, (vec_s128)(int64_t)a + (int64_t)b, bits);
}

uint64_t vk_ssub(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)c;
	return clamp_signed(v, (vec_s128)(int64_t)a - (int64_t)b, bits);
}

/* 64-bit operands of the signed rows are negative numbers, of the others large ones. */
static vec_s128 wide(const struct vec *v, uint64_t x)
{
	return v->rule->flags & VF_SIGN1 ? (vec_s128)(int64_t)x : (vec_s128)x;
}

uint64_t vk_aadd(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)c, (void)bits;
	return (uint64_t)roundoff(v, wide(v, a) + wide(v, b), 1);
}

uint64_t vk_asub(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)c, (void)bits;
	return (uint64_t)roundoff(v, wide(v, a) - wide(v, b), 1);
}

uint64_t vk_smul(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)c;
	return clamp_signed(v, roundoff(v, (vec_s128)(int64_t)a * (int64_t)b, bits - 1), bits);
}

uint64_t vk_ssrl(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)c;
	return (uint64_t)roundoff(v, (vec_s128)a, b & (bits - 1));
}

uint64_t vk_ssra(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)c;
	return (uint64_t)roundoff(v, (int64_t)a, b & (bits - 1));
}

uint64_t vk_nclipu(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)c;
	return clamp_unsigned(v, roundoff(v, (vec_s128)a, b & (2 * bits - 1)), bits);
}

uint64_t vk_nclip(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)c;
	return clamp_signed(v, roundoff(v, (int64_t)a, b & (2 * bits - 1)), bits);
}
