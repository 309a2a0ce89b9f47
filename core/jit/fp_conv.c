/* SPDX-License-Identifier: MIT */
/* Comparisons, classes, and conversions between formats and to and from integers. */
#include "fp_internal.h"

/* ---- order ---- */

/* -1, 0, 1 as a is less than, equal to or greater than b; no NaNs. */
static int order(const struct fp_num *a, const struct fp_num *b)
{
	if (a->kind == KIND_ZERO && b->kind == KIND_ZERO)
		return 0;
	if (a->sign != b->sign || a->kind == KIND_ZERO || b->kind == KIND_ZERO)
		return (a->kind == KIND_ZERO ? !b->sign : a->sign) ? -1 : 1;
	int larger = a->sign ? -1 : 1;
	if (a->kind != b->kind)
		return a->kind > b->kind ? larger : -larger;
	if (a->kind == KIND_INF)
		return 0;
	if (a->exp != b->exp)
		return a->exp > b->exp ? larger : -larger;
	if (a->sig != b->sig)
		return a->sig > b->sig ? larger : -larger;
	return 0;
}

bool fp_compare(unsigned fmt, fp_bits a, fp_bits b, unsigned fcmp, const struct fp_ctx *ctx,
	uint32_t *flags)
{
	struct fp_op op = { &fp_formats[fmt], ctx, 0 };
	struct fp_num x = fp_unpack(&op, op.f, a), y = fp_unpack(&op, op.f, b);
	unsigned predicate = fcmp & ~(unsigned)BP_FCMP_SIGNALING;

	if (fp_is_nan(&x) || fp_is_nan(&y)) {
		if (fcmp & BP_FCMP_SIGNALING || fp_is_signaling(&x) || fp_is_signaling(&y))
			*flags |= BP_FP_INVALID;
		return predicate == BP_FCMP_UNORDERED;
	}
	*flags |= op.raised;
	switch (predicate) {
	case BP_FCMP_EQ: return order(&x, &y) == 0;
	case BP_FCMP_LT: return order(&x, &y) < 0;
	case BP_FCMP_LE: return order(&x, &y) <= 0;
	default: return false;
	}
}

/* A number as it was, but for a flushed one. */
static fp_bits unchanged(const struct fp_op *op, const struct fp_num *n, fp_bits bits)
{
	const struct fp_format *f = op->f;

	if (n->kind == KIND_ZERO)
		return fp_pack_zero(op, n->sign);
	return bits & ~(~(u128)0 << (f->exp_pos + f->exp_bits) << 1);
}

static fp_bits min_max(struct fp_op *op, fp_bits a, fp_bits b, unsigned rule, bool want_max)
{
	struct fp_num n[2] = { fp_unpack(op, op->f, a), fp_unpack(op, op->f, b) };
	bool nan0 = fp_is_nan(&n[0]), nan1 = fp_is_nan(&n[1]);

	if (nan0 || nan1) {
		if (rule == BP_MINMAX_SECOND) {
			op->raised = BP_FP_INVALID;
			return unchanged(op, &n[1], b);
		}
		fp_bits nan = fp_pick_nan(op, n, 2);
		if (rule == BP_MINMAX_NAN || (nan0 && nan1))
			return nan;
		return nan0 ? unchanged(op, &n[1], b) : unchanged(op, &n[0], a);
	}
	int sign = order(&n[0], &n[1]);
	if (sign == 0 && rule != BP_MINMAX_SECOND) /* -0 is the lesser here */
		sign = n[1].sign - n[0].sign;
	bool first = want_max ? sign > 0 : sign < 0;
	return first ? unchanged(op, &n[0], a) : unchanged(op, &n[1], b);
}

fp_bits fp_min(unsigned fmt, fp_bits a, fp_bits b, unsigned rule, const struct fp_ctx *ctx,
	uint32_t *flags)
{
	struct fp_op op = { &fp_formats[fmt], ctx, 0 };
	fp_bits result = min_max(&op, a, b, rule, false);

	*flags |= op.raised;
	return result;
}

fp_bits fp_max(unsigned fmt, fp_bits a, fp_bits b, unsigned rule, const struct fp_ctx *ctx,
	uint32_t *flags)
{
	struct fp_op op = { &fp_formats[fmt], ctx, 0 };
	fp_bits result = min_max(&op, a, b, rule, true);

	*flags |= op.raised;
	return result;
}

uint32_t fp_class(unsigned fmt, fp_bits a)
{
	static const struct fp_ctx ctx = { 0 };
	struct fp_op op = { &fp_formats[fmt], &ctx, 0 };
	struct fp_num n = fp_unpack(&op, op.f, a);

	switch (n.kind) {
	case KIND_ZERO: return n.sign ? BP_FCLASS_NEG_ZERO : BP_FCLASS_POS_ZERO;
	case KIND_INF: return n.sign ? BP_FCLASS_NEG_INF : BP_FCLASS_POS_INF;
	case KIND_QNAN: return BP_FCLASS_QUIET;
	case KIND_FINITE: break;
	default: return BP_FCLASS_SIGNALING;
	}
	if (op.raised & BP_FP_DENORMAL)
		return n.sign ? BP_FCLASS_NEG_SUBNORMAL : BP_FCLASS_POS_SUBNORMAL;
	return n.sign ? BP_FCLASS_NEG_NORMAL : BP_FCLASS_POS_NORMAL;
}

/* ---- integers ---- */

/* The magnitude of a finite number rounded to an integer, modulo 2^128; *too_large: it is at least
 * 2^128. Raises inexact. */
static u128 integral(struct fp_op *op, const struct fp_num *n, bool *too_large)
{
	*too_large = n->exp > 127;
	if (n->exp > 127)
		return n->exp > 254 ? 0 : n->sig << (n->exp - 127);
	u128 whole = n->exp < 0 ? 0 : n->sig >> (127 - n->exp);
	u128 lost = n->exp < 0  ? fp_shift_jam(n->sig, (unsigned)(-1 - n->exp))
		: n->exp == 127 ? 0
				: n->sig << (n->exp + 1);
	if (lost) {
		op->raised |= BP_FP_INEXACT;
		whole += fp_round_up(op->ctx->rounding, n->sign, whole & 1, lost);
	}
	return whole; /* cannot carry out of 128 bits: no significand has that many */
}

/* What a NaN (sign false) or a number out of range becomes. */
static u128 out_of_range(unsigned bits, unsigned ftoi, bool nan, bool sign)
{
	bool is_unsigned = ftoi & BP_FTOI_UNSIGNED;
	u128 ones = ~(u128)0 >> (128 - bits), smallest = is_unsigned ? 0 : ones - (ones >> 1);

	switch (ftoi & ~(unsigned)BP_FTOI_UNSIGNED) {
	case BP_FTOI_MODULAR: return 0;
	case BP_FTOI_INDEFINITE: return is_unsigned ? ones : smallest;
	case BP_FTOI_NAN_ZERO:
		if (nan)
			return 0;
		break;
	}
	if (sign && !nan)
		return smallest;
	return is_unsigned ? ones : ones >> 1;
}

static u128 to_int(struct fp_op *op, unsigned bits, fp_bits a, unsigned ftoi)
{
	struct fp_num n = fp_unpack(op, op->f, a);
	u128 ones = ~(u128)0 >> (128 - bits), limit;
	bool too_large;

	if (n.kind == KIND_ZERO)
		return 0;
	if (n.kind != KIND_FINITE) {
		op->raised = BP_FP_INVALID;
		return out_of_range(bits, ftoi, fp_is_nan(&n), n.sign);
	}
	u128 magnitude = integral(op, &n, &too_large);
	if (ftoi & BP_FTOI_UNSIGNED)
		limit = n.sign ? 0 : ones;
	else
		limit = (ones >> 1) + n.sign;
	u128 result = (n.sign ? -magnitude : magnitude) & ones;
	if (!too_large && magnitude <= limit)
		return result;
	op->raised = BP_FP_INVALID;
	return (ftoi & ~1u) == BP_FTOI_MODULAR ? result : out_of_range(bits, ftoi, false, n.sign);
}

fp_bits fp_to_int(unsigned bits, unsigned fmt, fp_bits a, unsigned ftoi, const struct fp_ctx *ctx,
	uint32_t *flags)
{
	struct fp_op op = { &fp_formats[fmt], ctx, 0 };
	fp_bits result = to_int(&op, bits, a, ftoi);

	*flags |= op.raised;
	return result;
}

fp_bits fp_from_int(unsigned fmt, unsigned bits, fp_bits a, bool is_unsigned,
	const struct fp_ctx *ctx, uint32_t *flags)
{
	struct fp_op op = { &fp_formats[fmt], ctx, 0 };
	u128 ones = ~(u128)0 >> (128 - bits);
	struct fp_num n = { .sig = a & ones };

	if (n.sig) {
		n.kind = KIND_FINITE;
		n.sign = !is_unsigned && a >> (bits - 1) & 1;
		if (n.sign)
			n.sig = -n.sig & ones;
		unsigned shift = fp_clz(n.sig);
		n.sig <<= shift;
		n.exp = 127 - (int)shift;
	}
	fp_bits result = fp_round_pack(&op, &n);
	*flags |= op.raised;
	return result;
}

static fp_bits round_to_int(struct fp_op *op, fp_bits a)
{
	struct fp_num n = fp_unpack(op, op->f, a);
	bool too_large;

	if (fp_is_nan(&n))
		return fp_pick_nan(op, &n, 1);
	if (n.kind != KIND_FINITE || n.exp >= op->f->precision - 1)
		return unchanged(op, &n, a);
	n.sig = integral(op, &n, &too_large);
	if (!n.sig)
		return fp_pack_zero(op, n.sign);
	unsigned shift = fp_clz(n.sig);
	n.sig <<= shift;
	n.exp = 127 - (int)shift;
	return fp_round_pack(op, &n);
}

fp_bits fp_round_to_int(
	unsigned fmt, fp_bits a, bool no_inexact, const struct fp_ctx *ctx, uint32_t *flags)
{
	struct fp_op op = { &fp_formats[fmt], ctx, 0 };
	fp_bits result = round_to_int(&op, a);

	if (no_inexact)
		op.raised &= ~(uint32_t)BP_FP_INEXACT;
	*flags |= op.raised;
	return result;
}

/* ---- formats ---- */

fp_bits fp_convert(unsigned to, unsigned from, fp_bits a, const struct fp_ctx *ctx, uint32_t *flags)
{
	struct fp_op op = { &fp_formats[to], ctx, 0 };
	struct fp_num n = fp_unpack(&op, &fp_formats[from], a);
	fp_bits result = fp_is_nan(&n) ? fp_pick_nan(&op, &n, 1) : fp_round_pack(&op, &n);

	*flags |= op.raised;
	return result;
}
