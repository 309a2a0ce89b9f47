/* SPDX-License-Identifier: MIT */
/* Formats, and the way between raw bits and struct fp_num. */
#include "fp_internal.h"

/* clang-format off */
const struct fp_format fp_formats[BP_FP_FORMATS] = {	/* IEEE 754-2019 table 3.5 */
	[BP_F16]  = { .precision = 11,  .exp_bits = 5,  .exp_pos = 10,  .emin = -14,    .exp_max = 31 },
	[BP_F32]  = { .precision = 24,  .exp_bits = 8,  .exp_pos = 23,  .emin = -126,   .exp_max = 255 },
	[BP_F64]  = { .precision = 53,  .exp_bits = 11, .exp_pos = 52,  .emin = -1022,  .exp_max = 2047 },
	[BP_F80]  = { .precision = 64,  .exp_bits = 15, .exp_pos = 64,  .emin = -16382, .exp_max = 32767 },
	[BP_F128] = { .precision = 113, .exp_bits = 15, .exp_pos = 112, .emin = -16382, .exp_max = 32767 },
	[BP_BF16] = { .precision = 8,   .exp_bits = 8,  .exp_pos = 7,   .emin = -126,   .exp_max = 255 },
};
/* clang-format on */

/* Whether the integer bit is stored (and not implied by the exponent). */
static bool explicit_bit(const struct fp_format *f)
{
	return f->exp_pos == f->precision;
}

static u128 pack(const struct fp_format *f, bool sign, unsigned exp_field, u128 fraction)
{
	return (u128)(exp_field | (unsigned)sign << f->exp_bits) << f->exp_pos | fraction;
}

fp_bits fp_pack_zero(const struct fp_op *op, bool sign)
{
	return pack(op->f, sign, 0, 0);
}

fp_bits fp_pack_inf(const struct fp_op *op, bool sign)
{
	const struct fp_format *f = op->f;
	return pack(f, sign, (unsigned)f->exp_max,
		explicit_bit(f) ? SIG_TOP >> (128 - f->precision) : 0);
}

/* A quiet NaN with the payload in sig. */
static fp_bits pack_nan(const struct fp_format *f, bool sign, u128 sig)
{
	sig |= SIG_QUIET;
	sig = explicit_bit(f) ? sig | SIG_TOP : sig & ~SIG_TOP;
	return pack(f, sign, (unsigned)f->exp_max, sig >> (128 - f->precision));
}

static fp_bits default_nan(const struct fp_op *op)
{
	return pack_nan(op->f, op->ctx->flags & BP_FP_DEFAULT_NAN_NEG, 0);
}

fp_bits fp_invalid(struct fp_op *op)
{
	op->raised = BP_FP_INVALID;
	return default_nan(op);
}

fp_bits fp_pick_nan(struct fp_op *op, const struct fp_num *operands, unsigned count)
{
	const struct fp_num *first = NULL, *first_signaling = NULL;
	bool use_default = op->ctx->nan_rule == BP_NAN_CANONICAL;

	for (unsigned i = count; i-- > 0;) {
		if (fp_is_nan(&operands[i]))
			first = &operands[i];
		if (fp_is_signaling(&operands[i]))
			first_signaling = &operands[i];
		use_default |= operands[i].kind == KIND_NOT_A_VALUE;
	}
	op->raised = first_signaling ? BP_FP_INVALID : 0;
	if (use_default || !first)
		return default_nan(op);
	if (op->ctx->nan_rule == BP_NAN_SIGNALING_FIRST && first_signaling)
		first = first_signaling;
	return pack_nan(op->f, first->sign, first->sig);
}

struct fp_num fp_unpack(struct fp_op *op, const struct fp_format *f, fp_bits bits)
{
	unsigned top = (unsigned)(bits >> f->exp_pos);
	int exp = (int)(top & (unsigned)f->exp_max);
	struct fp_num n = { .sig = bits << (128 - f->precision), .sign = top >> f->exp_bits & 1 };

	if (exp != 0 && exp != f->exp_max) {
		n.kind = explicit_bit(f) && !(n.sig & SIG_TOP) ? KIND_NOT_A_VALUE : KIND_FINITE;
		n.sig |= SIG_TOP;
		n.exp = exp - 1 + f->emin;
		return n;
	}
	if (!explicit_bit(f)) /* there the exponent's last bit is */
		n.sig &= ~SIG_TOP;
	if (exp != 0) {
		if (explicit_bit(f) && !(n.sig & SIG_TOP))
			n.kind = KIND_NOT_A_VALUE;
		else if (!(n.sig & ~SIG_TOP))
			n.kind = KIND_INF;
		else
			n.kind = n.sig & SIG_QUIET ? KIND_QNAN : KIND_SNAN;
		return n;
	}
	if (!n.sig)
		return n;
	op->raised |= BP_FP_DENORMAL;
	if (op->ctx->flags & BP_FP_FLUSH_INPUT) {
		n.sig = 0;
		return n;
	}
	/* An explicit integer bit may be set here: the number is then what exponent 1 would make it. */
	unsigned shift = fp_clz(n.sig);
	n.kind = KIND_FINITE;
	n.sig <<= shift;
	n.exp = f->emin - (int)shift;
	return n;
}

/* Whether the largest finite number stands for what is beyond it (section 7.4). */
static bool overflow_is_finite(unsigned rounding, bool sign)
{
	switch (rounding) {
	case BP_ROUND_ZERO:
	case BP_ROUND_ODD: return true;
	case BP_ROUND_DOWN: return !sign;
	case BP_ROUND_UP: return sign;
	default: return false;
	}
}

static fp_bits pack_overflow(struct fp_op *op, bool sign)
{
	op->raised |= BP_FP_OVERFLOW | BP_FP_INEXACT;
	if (!overflow_is_finite(op->ctx->rounding, sign))
		return fp_pack_inf(op, sign);
	u128 fraction = ((u128)1 << op->f->exp_pos) - 1;
	return pack(op->f, sign, (unsigned)op->f->exp_max - 1, fraction);
}

/* Section 7.5: below the smallest normal number before rounding, or after rounding to the format's
 * precision as if the exponent had no bounds. n.exp < f->emin. */
static bool is_tiny(const struct fp_op *op, const struct fp_num *n)
{
	const struct fp_format *f = op->f;

	if (!(op->ctx->flags & BP_FP_TINY_AFTER) || n->exp < f->emin - 1)
		return true;
	u128 all_ones = ((u128)1 << f->precision) - 1;
	return n->sig >> (128 - f->precision) != all_ones ||
		!fp_round_up(op->ctx->rounding, n->sign, true, n->sig << f->precision);
}

fp_bits fp_round_pack(struct fp_op *op, const struct fp_num *n)
{
	const struct fp_format *f = op->f;
	u128 sig = n->sig;
	int exp = n->exp;
	bool tiny = false;

	if (n->kind == KIND_ZERO)
		return fp_pack_zero(op, n->sign);
	if (n->kind == KIND_INF)
		return fp_pack_inf(op, n->sign);
	if (exp < f->emin) {
		tiny = is_tiny(op, n);
		if (tiny && op->ctx->flags & BP_FP_FLUSH_RESULT) {
			op->raised |= BP_FP_UNDERFLOW | BP_FP_INEXACT;
			return fp_pack_zero(op, n->sign);
		}
		sig = fp_shift_jam(sig, (unsigned)(f->emin - exp));
		exp = f->emin;
	}
	u128 kept = sig >> (128 - f->precision), lost = sig << f->precision;
	if (lost) {
		op->raised |= BP_FP_INEXACT | (tiny ? BP_FP_UNDERFLOW : 0);
		kept += fp_round_up(op->ctx->rounding, n->sign, kept & 1, lost);
	}
	/* Rounding may have carried into one bit more: the significand is then a power of two. */
	int carry = (int)(kept >> (f->precision - 1) >> 1);
	exp += carry;
	if (exp - f->emin + 1 >= f->exp_max)
		return pack_overflow(op, n->sign);
	kept >>= carry;
	/* The integer bit, present unless the result is subnormal, counts as 1 in the exponent field. */
	unsigned integer_bit = (unsigned)(kept >> (f->precision - 1));
	unsigned exp_field = (unsigned)(exp - f->emin) + integer_bit;
	if (!explicit_bit(f))
		kept &= ~((u128)1 << f->exp_pos);
	return pack(f, n->sign, exp_field, kept);
}
