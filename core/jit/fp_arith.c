/* SPDX-License-Identifier: MIT */
/* Add, subtract, multiply, divide, square root and fused multiply-add. */
#include "fp_fast.h"
#include "fp_internal.h"

struct u256 {
	u128 hi, lo;
};

static struct u256 shift_left(struct u256 x, unsigned n)
{
	if (n >= 128)
		return (struct u256){ x.lo << (n - 128), 0 };
	if (n == 0)
		return x;
	return (struct u256){ x.hi << n | x.lo >> (128 - n), x.lo << n };
}

static struct u256 shift_jam(struct u256 x, unsigned n) /* see fp_shift_jam */
{
	if (n >= 128)
		return (struct u256){ 0, fp_shift_jam(x.hi, n - 128) | (x.lo != 0) };
	if (n == 0)
		return x;
	bool lost = x.lo << (128 - n) != 0;
	return (struct u256){ x.hi >> n, x.hi << (128 - n) | x.lo >> n | lost };
}

static struct u256 multiply(u128 a, u128 b)
{
	uint64_t a1 = (uint64_t)(a >> 64), a0 = (uint64_t)a;
	uint64_t b1 = (uint64_t)(b >> 64), b0 = (uint64_t)b;

	if (!(a0 | b0)) /* all formats but one */
		return (struct u256){ (u128)a1 * b1, 0 };
	u128 high = (u128)a1 * b1, low = (u128)a0 * b0;
	u128 middle1 = (u128)a1 * b0, middle2 = (u128)a0 * b1;
	u128 carry = (low >> 64) + (uint64_t)middle1 + (uint64_t)middle2;
	return (struct u256){ high + (middle1 >> 64) + (middle2 >> 64) + (carry >> 64),
		carry << 64 | (uint64_t)low };
}

/* A zero that comes from two numbers (section 6.3). */
static bool zero_sum_sign(const struct fp_op *op, bool a, bool b)
{
	return a == b ? a : op->ctx->rounding == BP_ROUND_DOWN;
}

static fp_bits pack_finite(struct fp_op *op, bool sign, int exp, u128 sig)
{
	struct fp_num n = { .kind = KIND_FINITE, .sign = sign, .exp = exp, .sig = sig };

	return fp_round_pack(op, &n);
}

/* a + b, both finite and not 0. All formats leave the last 15 bits of sig clear, so one place is free
 * for a carry, and where bits are jammed the difference loses at most one leading bit. */
static fp_bits add_finite(struct fp_op *op, const struct fp_num *a, const struct fp_num *b)
{
	bool swap = a->exp < b->exp || (a->exp == b->exp && a->sig < b->sig);
	const struct fp_num *larger = swap ? b : a, *smaller = swap ? a : b;
	unsigned distance = (unsigned)(larger->exp - smaller->exp);
	u128 sum = larger->sig >> 1, other = fp_shift_jam(smaller->sig, distance + 1);

	sum = a->sign == b->sign ? sum + other : sum - other;
	if (!sum)
		return fp_pack_zero(op, zero_sum_sign(op, a->sign, b->sign));
	int shift = (int)fp_clz(sum);
	return pack_finite(op, larger->sign, larger->exp + 1 - shift, sum << shift);
}

static fp_bits add(struct fp_op *op, fp_bits x, fp_bits y, bool negate_y)
{
	struct fp_num n[2] = { fp_unpack(op, op->f, x), fp_unpack(op, op->f, y) };

	if (fp_is_nan(&n[0]) || fp_is_nan(&n[1]))
		return fp_pick_nan(op, n, 2);
	n[1].sign ^= negate_y;
	if (n[0].kind == KIND_FINITE && n[1].kind == KIND_FINITE)
		return add_finite(op, &n[0], &n[1]);
	if (n[0].kind == KIND_INF && n[1].kind == KIND_INF && n[0].sign != n[1].sign)
		return fp_invalid(op);
	if (n[0].kind == KIND_ZERO && n[1].kind == KIND_ZERO)
		return fp_pack_zero(op, zero_sum_sign(op, n[0].sign, n[1].sign));
	/* an infinity, or the number that is not zero */
	return fp_round_pack(op, n[0].kind > n[1].kind ? &n[0] : &n[1]);
}

/* Significand of a product, shifted so that bit 255 is set. */
static struct u256 normal_product(const struct fp_num *a, const struct fp_num *b, int *exp)
{
	struct u256 product = multiply(a->sig, b->sig); /* at least 2^254 */
	unsigned shift = fp_clz(product.hi);

	*exp = a->exp + b->exp + 1 - (int)shift;
	return shift_left(product, shift);
}

static fp_bits mul(struct fp_op *op, fp_bits x, fp_bits y)
{
	struct fp_num n[2] = { fp_unpack(op, op->f, x), fp_unpack(op, op->f, y) };
	bool sign = n[0].sign ^ n[1].sign;

	if (fp_is_nan(&n[0]) || fp_is_nan(&n[1]))
		return fp_pick_nan(op, n, 2);
	if (n[0].kind != KIND_FINITE || n[1].kind != KIND_FINITE) {
		if (n[0].kind != KIND_INF && n[1].kind != KIND_INF)
			return fp_pack_zero(op, sign);
		if (n[0].kind == KIND_ZERO || n[1].kind == KIND_ZERO)
			return fp_invalid(op);
		return fp_pack_inf(op, sign);
	}
	int exp;
	struct u256 product = normal_product(&n[0], &n[1], &exp);
	return pack_finite(op, sign, exp, product.hi | (product.lo != 0));
}

/* *rest = x - y and 1, or x and 0 where x < y; |x - y| < 2^127. Without a branch: it would be
 * mispredicted half the time. */
static u128 reduce(u128 *rest, u128 x, u128 y)
{
	u128 difference = x - y, less = difference >> 127;

	*rest = difference + (y & -less);
	return less ^ 1;
}

/* a / b * 2^127 where 1 <= a / b < 2, or twice that where 1/2 <= a / b < 1; jammed. */
static u128 divide(const struct fp_op *op, u128 a, u128 b)
{
	u128 quotient, rest;

	if (op->f->precision <= 64) { /* 65 bits of quotient are enough */
		uint64_t divisor = (uint64_t)(b >> 64);
		u128 dividend = a >= b ? a >> 1 : a;

		quotient = (dividend / divisor) << 64;
		rest = dividend % divisor << 1;
		if (rest >= divisor) {
			quotient |= (u128)1 << 63;
			rest -= divisor;
		}
		return quotient | (rest != 0);
	}
	a >>= 1; /* the last bits are clear; twice the rest must not overflow */
	b >>= 1;
	quotient = a >= b;
	rest = a >= b ? a - b : a;
	while (!(quotient & SIG_TOP)) {
		u128 bit = reduce(&rest, rest << 1, b);
		quotient = quotient << 1 | bit;
	}
	return quotient | (rest != 0);
}

static fp_bits div(struct fp_op *op, fp_bits x, fp_bits y)
{
	struct fp_num n[2] = { fp_unpack(op, op->f, x), fp_unpack(op, op->f, y) };
	bool sign = n[0].sign ^ n[1].sign;

	if (fp_is_nan(&n[0]) || fp_is_nan(&n[1]))
		return fp_pick_nan(op, n, 2);
	if (n[0].kind != KIND_FINITE || n[1].kind != KIND_FINITE) {
		if (n[0].kind == n[1].kind)
			return fp_invalid(op);
		if (n[0].kind == KIND_INF)
			return fp_pack_inf(op, sign);
		if (n[0].kind == KIND_ZERO || n[1].kind == KIND_INF)
			return fp_pack_zero(op, sign);
		op->raised = BP_FP_DIVZERO;
		return fp_pack_inf(op, sign);
	}
	int exp = n[0].exp - n[1].exp - (n[0].sig < n[1].sig);
	return pack_finite(op, sign, exp, divide(op, n[0].sig, n[1].sig));
}

static fp_bits square_root(struct fp_op *op, fp_bits x)
{
	struct fp_num n = fp_unpack(op, op->f, x);

	if (fp_is_nan(&n))
		return fp_pick_nan(op, &n, 1);
	if (n.kind == KIND_ZERO)
		return fp_pack_zero(op, n.sign);
	if (n.sign)
		return fp_invalid(op);
	if (n.kind == KIND_INF)
		return fp_pack_inf(op, false);
	/* One bit of the root for two of the operand, as by hand; 2^exp with exp made even. */
	unsigned bits = op->f->precision + 1u;
	u128 operand = n.exp & 1 ? n.sig : n.sig >> 1, root = 0, rest = 0;
	for (unsigned i = 0; i < bits; i++) {
		u128 bit = reduce(&rest, rest << 2 | operand >> 126, root << 2 | 1);
		operand <<= 2;
		root = root << 1 | bit;
	}
	int half = (n.exp - (n.exp & 1)) / 2;
	return pack_finite(op, false, half, root << (128 - bits) | (rest != 0));
}

/* As add_finite, but the significands go on in 128 bits more, of which the last 30 are clear. */
static fp_bits add_wide(
	struct fp_op *op, const struct fp_num *a, u128 a_low, const struct fp_num *b, u128 b_low)
{
	if (a->exp < b->exp ||
		(a->exp == b->exp && (a->sig < b->sig || (a->sig == b->sig && a_low < b_low))))
		return add_wide(op, b, b_low, a, a_low);
	struct u256 sum = shift_jam((struct u256){ a->sig, a_low }, 1);
	struct u256 other =
		shift_jam((struct u256){ b->sig, b_low }, (unsigned)(a->exp - b->exp) + 1);
	if (a->sign == b->sign) {
		sum.lo += other.lo;
		sum.hi += other.hi + (sum.lo < other.lo);
	} else {
		sum.hi -= other.hi + (sum.lo < other.lo);
		sum.lo -= other.lo;
	}
	if (!(sum.hi | sum.lo))
		return fp_pack_zero(op, zero_sum_sign(op, a->sign, b->sign));
	unsigned shift = sum.hi ? fp_clz(sum.hi) : 128 + fp_clz(sum.lo);
	sum = shift_left(sum, shift);
	return pack_finite(op, a->sign, a->exp + 1 - (int)shift, sum.hi | (sum.lo != 0));
}

static fp_bits fma_nan(struct fp_op *op, const struct fp_num n[3], bool infinity_times_zero)
{
	bool invalid = infinity_times_zero && !(op->ctx->flags & FP_INFZERO_QUIET);

	if (infinity_times_zero && n[2].kind == KIND_QNAN && op->ctx->flags & FP_INFZERO_DEFAULT)
		return fp_invalid(op);
	fp_bits result = fp_pick_nan(op, n, 3);
	op->raised |= invalid ? BP_FP_INVALID : 0;
	return result;
}

static fp_bits fused(struct fp_op *op, fp_bits x, fp_bits y, fp_bits z, unsigned negate)
{
	struct fp_num n[3] = { fp_unpack(op, op->f, x), fp_unpack(op, op->f, y),
		fp_unpack(op, op->f, z) };
	bool infinity = n[0].kind == KIND_INF || n[1].kind == KIND_INF;
	bool zero = n[0].kind == KIND_ZERO || n[1].kind == KIND_ZERO;
	int exp;

	if (fp_is_nan(&n[0]) || fp_is_nan(&n[1]) || fp_is_nan(&n[2]))
		return fma_nan(op, n, infinity && zero);
	bool sign = n[0].sign ^ n[1].sign ^ !!(negate & BP_FMA_NEG_PRODUCT);
	n[2].sign ^= !!(negate & BP_FMA_NEG_ADDEND);
	if (infinity) {
		if (zero || (n[2].kind == KIND_INF && n[2].sign != sign))
			return fp_invalid(op);
		return fp_pack_inf(op, sign);
	}
	if (zero && n[2].kind == KIND_ZERO)
		return fp_pack_zero(op, zero_sum_sign(op, sign, n[2].sign));
	if (zero || n[2].kind == KIND_INF)
		return fp_round_pack(op, &n[2]);
	struct u256 wide = normal_product(&n[0], &n[1], &exp);
	struct fp_num product = { .kind = KIND_FINITE, .sign = sign, .sig = wide.hi, .exp = exp };
	if (n[2].kind == KIND_ZERO)
		return pack_finite(op, sign, exp, wide.hi | (wide.lo != 0));
	if (op->f->precision <= 56) /* the product leaves 16 bits of its upper half clear */
		return add_finite(op, &product, &n[2]);
	return add_wide(op, &product, wide.lo, &n[2], 0);
}

fp_bits fp_add(unsigned fmt, fp_bits a, fp_bits b, const struct fp_ctx *ctx, uint32_t *flags)
{
	struct fp_op op = { &fp_formats[fmt], ctx, 0 };
	fp_bits result;

	if (fp_fast(FAST_ADD, fmt, a, b, ctx, &result, flags))
		return result;
	result = add(&op, a, b, false);
	*flags |= op.raised;
	return result;
}

fp_bits fp_sub(unsigned fmt, fp_bits a, fp_bits b, const struct fp_ctx *ctx, uint32_t *flags)
{
	struct fp_op op = { &fp_formats[fmt], ctx, 0 };
	fp_bits result, sign = (fp_bits)1 << (op.f->exp_pos + op.f->exp_bits);

	if (fp_fast(FAST_ADD, fmt, a, b ^ sign, ctx, &result, flags))
		return result;
	result = add(&op, a, b, true);
	*flags |= op.raised;
	return result;
}

fp_bits fp_mul(unsigned fmt, fp_bits a, fp_bits b, const struct fp_ctx *ctx, uint32_t *flags)
{
	struct fp_op op = { &fp_formats[fmt], ctx, 0 };
	fp_bits result;

	if (fp_fast(FAST_MUL, fmt, a, b, ctx, &result, flags))
		return result;
	result = mul(&op, a, b);
	*flags |= op.raised;
	return result;
}

fp_bits fp_div(unsigned fmt, fp_bits a, fp_bits b, const struct fp_ctx *ctx, uint32_t *flags)
{
	struct fp_op op = { &fp_formats[fmt], ctx, 0 };
	fp_bits result;

	if (fp_fast(FAST_DIV, fmt, a, b, ctx, &result, flags))
		return result;
	result = div(&op, a, b);
	*flags |= op.raised;
	return result;
}

fp_bits fp_sqrt(unsigned fmt, fp_bits a, const struct fp_ctx *ctx, uint32_t *flags)
{
	struct fp_op op = { &fp_formats[fmt], ctx, 0 };
	fp_bits result;

	if (fp_fast(FAST_SQRT, fmt, a, 0, ctx, &result, flags))
		return result;
	result = square_root(&op, a);
	*flags |= op.raised;
	return result;
}

fp_bits fp_fma(unsigned fmt, fp_bits a, fp_bits b, fp_bits c, unsigned negate,
	const struct fp_ctx *ctx, uint32_t *flags)
{
	struct fp_op op = { &fp_formats[fmt], ctx, 0 };
	fp_bits result = fused(&op, a, b, c, negate);

	*flags |= op.raised;
	return result;
}
