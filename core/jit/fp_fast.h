/* SPDX-License-Identifier: MIT */
/* binary32 and binary64 on the host's unit, where bits and flags are surely those of the portable way:
 * to nearest even; operands normal or zero; a result that is zero by the operands alone or normal and
 * larger than the smallest normal number, so that only inexact can be raised and no flush, NaN or
 * tininess rule has a say. The host is in its default rounding mode, as C programs begin. */
#ifndef JIT_FP_FAST_H
#define JIT_FP_FAST_H
#include "fp.h"
#include <float.h>
#include <math.h>
#include <string.h>

enum fp_fast_op { FAST_ADD, FAST_MUL, FAST_DIV, FAST_SQRT };

enum {
	FAST_HOST = FLT_EVAL_METHOD == 0 && FLT_RADIX == 2 && FLT_MANT_DIG == 24 &&
		DBL_MANT_DIG == 53 && DBL_MAX_EXP == 1024
};

static inline double fp_fast_double(uint64_t bits)
{
	double x;

	memcpy(&x, &bits, sizeof(x));
	return x;
}

static inline double fp_fast_host(enum fp_fast_op op, double x, double y)
{
	switch (op) {
	case FAST_ADD: return x + y;
	case FAST_MUL: return x * y;
	case FAST_DIV: return x / y;
	default: return sqrt(x);
	}
}

/* magnitude: bits without their sign; one: the smallest normal number. */
static inline bool fp_fast_operand(uint64_t magnitude, uint64_t one, uint64_t infinity)
{
	return magnitude == 0 || magnitude - one < infinity - one;
}

/* Whether r is x op y without rounding. A sum: subtracting the larger operand from r is exact, so r is
 * exact if that gives the other. The others: r and the operands as integers r, x, y of 53 bits; exact if
 * x * y = r << k, r * y = x << k or r * r = x << k. Where r is the rounded result, the sides
 * differ by less than 2^53, so their low 64 bits tell. */
static inline bool fp_fast_exact64(enum fp_fast_op op, uint64_t x, uint64_t y, uint64_t r)
{
	const uint64_t one = (uint64_t)1 << 52, fraction = one - 1;
	uint64_t mx = (x & fraction) | one, my = (y & fraction) | one, mr = (r & fraction) | one;
	int ex = (int)(x >> 52 & 0x7ff), ey = (int)(y >> 52 & 0x7ff), er = (int)(r >> 52 & 0x7ff);

	switch (op) {
	case FAST_ADD: {
		double dx = fp_fast_double(x), dy = fp_fast_double(y), dr = fp_fast_double(r);
		return dr - dx == dy && dr - dy == dx;
	}
	case FAST_MUL: return mx * my == mr << (52 + er - ex - ey + 1023);
	case FAST_DIV: return mr * my == mx << (52 + ex - ey - er + 1023);
	default: return mr * mr == mx << (52 + ex - 2 * er + 1023);
	}
}

static inline bool fp_fast64(
	enum fp_fast_op op, uint64_t x, uint64_t y, fp_bits *result, uint32_t *flags)
{
	const uint64_t one = (uint64_t)1 << 52, infinity = (uint64_t)0x7ff << 52;
	const uint64_t magnitude = ~(uint64_t)0 >> 1;
	uint64_t r;

	if (!fp_fast_operand(x & magnitude, one, infinity) ||
		!fp_fast_operand(y & magnitude, one, infinity))
		return false;
	double value = fp_fast_host(op, fp_fast_double(x), fp_fast_double(y));
	memcpy(&r, &value, sizeof(r));
	*result = r;
	if (!(r & magnitude)) /* else it is an underflow */
		return op == FAST_ADD || !(x & magnitude) || !(y & magnitude);
	if ((r & magnitude) - one - 1 >= infinity - one - 1)
		return false;
	if (!(*flags & BP_FP_INEXACT) && !fp_fast_exact64(op, x, y, r))
		*flags |= BP_FP_INEXACT;
	return true;
}

/* Here binary64 has more than twice the bits, so rounding its result once more is right (as 53 >=
 * 2 * 24 + 2), and it holds what fp_fast_exact64 does in integers. */
static inline bool fp_fast_exact32(enum fp_fast_op op, double x, double y, double r)
{
	switch (op) {
	case FAST_ADD: return r - x == y && r - y == x;
	case FAST_MUL: return x * y == r;
	case FAST_DIV: return r * y == x;
	default: return r * r == x;
	}
}

static inline bool fp_fast32(
	enum fp_fast_op op, uint32_t x, uint32_t y, fp_bits *result, uint32_t *flags)
{
	const uint32_t one = (uint32_t)1 << 23, infinity = (uint32_t)0xff << 23;
	const uint32_t magnitude = ~(uint32_t)0 >> 1;
	float fx, fy, value;
	uint32_t r;

	if (!fp_fast_operand(x & magnitude, one, infinity) ||
		!fp_fast_operand(y & magnitude, one, infinity))
		return false;
	memcpy(&fx, &x, sizeof(fx));
	memcpy(&fy, &y, sizeof(fy));
	value = (float)fp_fast_host(op, fx, fy);
	memcpy(&r, &value, sizeof(r));
	*result = r;
	if (!(r & magnitude))
		return op == FAST_ADD || !(x & magnitude) || !(y & magnitude);
	if ((r & magnitude) - one - 1 >= infinity - one - 1)
		return false;
	if (!(*flags & BP_FP_INEXACT) && !fp_fast_exact32(op, fx, fy, value))
		*flags |= BP_FP_INEXACT;
	return true;
}

/* False: nothing is done. y is 0 for a square root. */
static inline bool fp_fast(enum fp_fast_op op, unsigned fmt, fp_bits x, fp_bits y,
	const struct fp_ctx *ctx, fp_bits *result, uint32_t *flags)
{
	if (!FAST_HOST || ctx->rounding != BP_ROUND_NEAREST_EVEN || ctx->flags & FP_PORTABLE)
		return false;
	if (fmt == BP_F64)
		return fp_fast64(op, (uint64_t)x, (uint64_t)y, result, flags);
	if (fmt == BP_F32)
		return fp_fast32(op, (uint32_t)x, (uint32_t)y, result, flags);
	return false;
}

#endif
