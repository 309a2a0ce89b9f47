/* SPDX-License-Identifier: MIT */
/* Floating-point kernels, reductions and conversions (unpriv 30.13, 30.14.3), with Zvfh. The
 * arithmetic itself is the "bp.float/1" service's. */
#include "vec.h"

static const struct bp_fp_env env = { .size = sizeof(env),
	.rounding = BP_ROUND_NEAREST_EVEN,
	.nan_rule = BP_NAN_CANONICAL,
	.flags = BP_FP_TINY_AFTER };

static uint64_t fp_op(
	struct vec *v, unsigned op, unsigned format, uint64_t a, uint64_t b, uint64_t c)
{
	return v->cpu->fp->op(
		op, format, &env, v->cpu->rounding, v->rule->detail, a, b, c, &v->fflags);
}

static uint64_t widen(struct vec *v, uint64_t a)
{
	return v->cpu->fp->convert(
		v->wide_format, v->format, &env, v->cpu->rounding, a, &v->fflags);
}

/* ---- arithmetic; p: enum bp_float_op ---- */

uint64_t vk_fp(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)c, (void)bits;
	return fp_op(v, v->rule->p, v->format, a, b, 0);
}

uint64_t vk_fp_reverse(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)c, (void)bits;
	return fp_op(v, v->rule->p, v->format, b, a, 0);
}

/* Both operands are widened, exactly. */
uint64_t vk_fp_wide(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)c, (void)bits;
	return fp_op(v, v->rule->p, v->wide_format, widen(v, a), widen(v, b), 0);
}

/* vs2 is wide already. */
uint64_t vk_fp_wide_a(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)c, (void)bits;
	return fp_op(v, v->rule->p, v->wide_format, a, widen(v, b), 0);
}

/* Multiply-add; detail: enum bp_ir_fma */
uint64_t vk_fmacc(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)bits;
	return fp_op(v, BP_FLOAT_FMA, v->format, b, a, c);
}

uint64_t vk_fmadd(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)bits;
	return fp_op(v, BP_FLOAT_FMA, v->format, b, c, a);
}

uint64_t vk_fwmacc(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)bits;
	return fp_op(v, BP_FLOAT_FMA, v->wide_format, widen(v, b), widen(v, a), c);
}

/* p: 0 vfsgnj, 1 vfsgnjn, 2 vfsgnjx */
uint64_t vk_fsgnj(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	uint64_t sign = UINT64_C(1) << (bits - 1);
	(void)c;
	uint64_t from = v->rule->p == 2 ? a ^ b : v->rule->p ? ~b : b;
	return (a & ~sign) | (from & sign);
}

/* ---- comparisons; detail: enum bp_ir_fcmp ---- */

uint64_t vk_fcmp(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)c, (void)bits;
	return fp_op(v, BP_FLOAT_COMPARE, v->format, a, b, 0);
}

uint64_t vk_fcmp_not(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)c, (void)bits;
	return !fp_op(v, BP_FLOAT_COMPARE, v->format, a, b, 0);
}

uint64_t vk_fcmp_swap(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)c, (void)bits;
	return fp_op(v, BP_FLOAT_COMPARE, v->format, b, a, 0);
}

uint64_t vk_fclass(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)b, (void)c, (void)bits;
	return fp_op(v, BP_FLOAT_CLASS, v->format, a, 0, 0);
}

/* ---- reductions: unordered ones add in order too; p: enum bp_float_op ---- */

int vec_freduce(struct vec *v)
{
	int wide = v->rule->d == VW_ONE_WIDE, size = v->sew + wide;
	unsigned format = wide ? v->wide_format : v->format;
	if (!v->vl)
		return BP_H_OK;
	uint64_t sum = vec_get(v->s1, 0, size);
	for (uint64_t i = 0; i < v->vl; i++) {
		if (!vec_active(v, i))
			continue;
		uint64_t x = vec_get(v->s2, i, v->sew);
		sum = fp_op(v, v->rule->p, format, sum, wide ? widen(v, x) : x, 0);
	}
	vec_put(v->d, 0, size, sum);
	return BP_H_OK;
}

/* ---- estimates (unpriv 30.13.9, 30.13.10) ---- */

struct layout { /* fields of a format */
	unsigned exponent_bits, fraction_bits;
};

static struct layout layout_of(unsigned format)
{
	static const struct layout layouts[] = {
		[BP_F16] = { 5, 10 }, [BP_F32] = { 8, 23 }, [BP_F64] = { 11, 52 }
	};
	return layouts[format];
}

static uint64_t canonical_nan(struct layout l)
{
	return ((UINT64_C(1) << (l.exponent_bits + 1)) - 1) << (l.fraction_bits - 1);
}

/* A finite number that is not zero: biased exponent, below 1 for subnormals, and the fraction
 * without its leading one. */
static void normalise(struct layout l, uint64_t a, int *exponent, uint64_t *fraction)
{
	uint64_t f = vec_zext(a, l.fraction_bits);
	int e = (int)vec_zext(a >> l.fraction_bits, l.exponent_bits);
	if (!e) {
		for (e = 1; !(f >> l.fraction_bits); e--)
			f <<= 1;
		f = vec_zext(f, l.fraction_bits);
	}
	*exponent = e;
	*fraction = f;
}

/* The nearest 7-bit fraction to 1 / x for the middle of the i-th of 128 parts of [1, 2): with
 * x = (257 + 2i) / 256 it is 128 * (2 / x - 1). */
static unsigned reciprocal_fraction(unsigned i)
{
	unsigned x = 257 + 2 * i;
	return (2 * 128 * 256 + x / 2) / x - 128;
}

/* The same for 1 / sqrt(x): i's top bit tells the exponent's parity, the others one of 64 parts,
 * so x is (129 + 2j) / 128 or twice that; the largest n with n - 1/2 <= 256 / sqrt(x), less 128. */
static unsigned root_fraction(unsigned i)
{
	unsigned x = (129 + 2 * (i & 63)) << (i < 64 ? 1 : 0), n = 255;
	while ((uint64_t)(2 * n - 1) * (2 * n - 1) * x > UINT64_C(4) * 65536 * 128)
		n--;
	return n - 128;
}

/* The result overflows: the largest number or infinity, by the rounding mode. */
static uint64_t overflow(struct vec *v, struct layout l, uint64_t sign)
{
	uint64_t infinity = ((UINT64_C(1) << l.exponent_bits) - 1) << l.fraction_bits;
	unsigned rounding = v->cpu->rounding;
	v->fflags |= BP_FP_INEXACT | BP_FP_OVERFLOW;
	int largest = rounding == BP_ROUND_ZERO || rounding == (sign ? BP_ROUND_UP : BP_ROUND_DOWN);
	return sign | (infinity - (unsigned)largest);
}

static uint64_t reciprocal(struct vec *v, struct layout l, uint64_t a, uint64_t sign)
{
	int exponent, bias = (1 << (l.exponent_bits - 1)) - 1;
	uint64_t fraction;
	normalise(l, a, &exponent, &fraction);
	int out = 2 * bias - 1 - exponent;
	if (out > 2 * bias)
		return overflow(v, l, sign);
	fraction = (uint64_t)reciprocal_fraction((unsigned)(fraction >> (l.fraction_bits - 7)))
		<< (l.fraction_bits - 7);
	if (out < 1) { /* subnormal: 0 or -1 */
		fraction = (fraction | UINT64_C(1) << l.fraction_bits) >> (1 - out);
		out = 0;
	}
	return sign | (uint64_t)out << l.fraction_bits | fraction;
}

static uint64_t root(struct layout l, uint64_t a)
{
	int exponent, bias = (1 << (l.exponent_bits - 1)) - 1;
	uint64_t fraction;
	normalise(l, a, &exponent, &fraction);
	unsigned i = ((unsigned)exponent & 1) << 6 | (unsigned)(fraction >> (l.fraction_bits - 6));
	uint64_t out = (uint64_t)(3 * bias - 1 - exponent) / 2;
	return out << l.fraction_bits | (uint64_t)root_fraction(i) << (l.fraction_bits - 7);
}

/* p: 0 vfrec7, 1 vfrsqrt7. Infinities, zeros and NaNs; negative numbers have no root. */
static uint64_t estimate(struct vec *v, uint64_t a, int square_root)
{
	enum {
		NAN_SIGNALING = BP_FCLASS_SIGNALING,
		NAN_QUIET = BP_FCLASS_QUIET,
		ZERO = BP_FCLASS_NEG_ZERO | BP_FCLASS_POS_ZERO,
		INFINITE = BP_FCLASS_NEG_INF | BP_FCLASS_POS_INF,
		NEGATIVE = BP_FCLASS_NEG_INF | BP_FCLASS_NEG_NORMAL | BP_FCLASS_NEG_SUBNORMAL
	};
	struct layout l = layout_of(v->format);
	uint64_t sign = a & UINT64_C(1) << (l.exponent_bits + l.fraction_bits);
	uint64_t class = fp_op(v, BP_FLOAT_CLASS, v->format, a, 0, 0);
	if (class & NAN_SIGNALING || (square_root && class & NEGATIVE))
		v->fflags |= BP_FP_INVALID;
	if (class & (NAN_SIGNALING | NAN_QUIET) || (square_root && class & NEGATIVE))
		return canonical_nan(l);
	if (class & ZERO) {
		v->fflags |= BP_FP_DIVZERO;
		return sign | ((UINT64_C(1) << l.exponent_bits) - 1) << l.fraction_bits;
	}
	if (class & INFINITE)
		return sign;
	return square_root ? root(l, a) : reciprocal(v, l, a, sign);
}

uint64_t vk_frec7(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)b, (void)c, (void)bits;
	return estimate(v, a, 0);
}

uint64_t vk_frsqrt7(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	(void)b, (void)c, (void)bits;
	return estimate(v, a, 1);
}

/* ---- conversions ---- */

/* p: enum vec_fcvt. The row's widths tell which side is wide. */
uint64_t vk_fcvt(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits)
{
	const struct bp_float *fp = v->cpu->fp;
	unsigned from = v->rule->s2 == VW_WIDE ? v->wide_format : v->format;
	unsigned to = v->rule->d == VW_WIDE ? v->wide_format : v->format;
	unsigned from_bits = v->rule->s2 == VW_WIDE ? 2 * bits : bits;
	unsigned to_bits = v->rule->d == VW_WIDE ? 2 * bits : bits;
	unsigned rounding = v->cpu->rounding, kind = v->rule->p;
	(void)b, (void)c;
	switch (kind) {
	case VEC_F_TO_XU:
	case VEC_F_TO_X:
		return fp->to_int(to_bits, from, rounding,
			BP_FTOI_NAN_MAX | (kind == VEC_F_TO_XU ? BP_FTOI_UNSIGNED : 0), a,
			&v->fflags);
	case VEC_F_TO_XU_RTZ:
	case VEC_F_TO_X_RTZ:
		return fp->to_int(to_bits, from, BP_ROUND_ZERO,
			BP_FTOI_NAN_MAX | (kind == VEC_F_TO_XU_RTZ ? BP_FTOI_UNSIGNED : 0), a,
			&v->fflags);
	case VEC_XU_TO_F:
	case VEC_X_TO_F:
		return fp->from_int(
			to, from_bits, &env, rounding, kind == VEC_XU_TO_F, a, &v->fflags);
	case VEC_F_TO_F_ROD: rounding = BP_ROUND_ODD; break;
	}
	return fp->convert(to, from, &env, rounding, a, &v->fflags);
}
