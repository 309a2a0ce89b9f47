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

/* a + b, both finite and not 0. All formats leave the last 15 bits of sig clear, so one place is free
 * for a carry, and where bits are jammed the difference loses at most one leading bit. */
static struct fp_num add_finite(const struct fp_op *op, struct fp_num a, struct fp_num b)
{
	if (a.exp < b.exp || (a.exp == b.exp && a.sig < b.sig)) {
		struct fp_num swap = a;
		a = b;
		b = swap;
	}
	u128 larger = a.sig >> 1, smaller = fp_shift_jam(b.sig, (unsigned)(a.exp - b.exp) + 1);

	u128 sum = a.sign == b.sign ? larger + smaller : larger - smaller;
	if (!sum)
		return (struct fp_num){ .sign = zero_sum_sign(op, a.sign, b.sign) };
	unsigned shift = fp_clz(sum);
	a.sig = sum << shift;
	a.exp += 1 - (int)shift;
	return a;
}

static fp_bits add(struct fp_op *op, fp_bits x, fp_bits y, bool negate_y)
{
	struct fp_num n[2] = { fp_unpack(op, op->f, x), fp_unpack(op, op->f, y) };

	if (fp_is_nan(&n[0]) || fp_is_nan(&n[1]))
		return fp_pick_nan(op, n, 2);
	n[1].sign ^= negate_y;
	if (n[0].kind == KIND_FINITE && n[1].kind == KIND_FINITE)
		return fp_round_pack(op, add_finite(op, n[0], n[1]));
	if (n[0].kind == KIND_INF && n[1].kind == KIND_INF && n[0].sign != n[1].sign)
		return fp_invalid(op);
	if (n[0].kind == KIND_ZERO && n[1].kind == KIND_ZERO)
		return fp_pack_zero(op, zero_sum_sign(op, n[0].sign, n[1].sign));
	/* an infinity, or the number that is not zero */
	return fp_round_pack(op, n[0].kind > n[1].kind ? n[0] : n[1]);
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
	return fp_round_pack(op,
		(struct fp_num){ .kind = KIND_FINITE,
			.sign = sign,
			.sig = product.hi | (product.lo != 0),
			.exp = exp });
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
	quotient = a >= b;
	rest = a >= b ? a - b : a;
	while (!(quotient & SIG_TOP)) {
		bool carry = rest & SIG_TOP;
		rest <<= 1;
		bool one = carry | (rest >= b); /* no branch: it would be mispredicted */
		rest -= b & -(u128)one;
		quotient = quotient << 1 | one;
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
	return fp_round_pack(op,
		(struct fp_num){ .kind = KIND_FINITE,
			.sign = sign,
			.sig = divide(op, n[0].sig, n[1].sig),
			.exp = n[0].exp - n[1].exp - (n[0].sig < n[1].sig) });
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
	unsigned bits = op->f->precision + 2u;
	u128 operand = n.exp & 1 ? n.sig : n.sig >> 1, root = 0, rest = 0;
	for (unsigned i = 0; i < bits; i++) {
		u128 subtrahend = root << 2 | 1;
		rest = rest << 2 | operand >> 126;
		operand <<= 2;
		bool one = rest >= subtrahend; /* no branch, as above */
		rest -= subtrahend & -(u128)one;
		root = root << 1 | one;
	}
	n.sig = root << (128 - bits) | (rest != 0);
	n.exp = (n.exp - (n.exp & 1)) / 2;
	return fp_round_pack(op, n);
}

/* x * 2^x_exp + y * 2^y_exp as add_finite does; the last 30 bits of the wider operand are clear. */
static struct fp_num add_wide(const struct fp_op *op, struct u256 x, int x_exp, bool x_sign,
	struct u256 y, int y_exp, bool y_sign)
{
	if (x_exp < y_exp || (x_exp == y_exp && (x.hi < y.hi || (x.hi == y.hi && x.lo < y.lo))))
		return add_wide(op, y, y_exp, y_sign, x, x_exp, x_sign);
	x = shift_jam(x, 1);
	y = shift_jam(y, (unsigned)(x_exp - y_exp) + 1);
	if (x_sign == y_sign) {
		x.lo += y.lo;
		x.hi += y.hi + (x.lo < y.lo);
	} else {
		x.hi -= y.hi + (x.lo < y.lo);
		x.lo -= y.lo;
	}
	if (!(x.hi | x.lo))
		return (struct fp_num){ .sign = zero_sum_sign(op, x_sign, y_sign) };
	unsigned shift = x.hi ? fp_clz(x.hi) : 128 + fp_clz(x.lo);
	x = shift_left(x, shift);
	return (struct fp_num){ .kind = KIND_FINITE,
		.sign = x_sign,
		.sig = x.hi | (x.lo != 0),
		.exp = x_exp + 1 - (int)shift };
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
		return fp_round_pack(op, n[2]);
	struct u256 wide = normal_product(&n[0], &n[1], &exp);
	struct fp_num product = {
		.kind = KIND_FINITE, .sign = sign, .sig = wide.hi | (wide.lo != 0), .exp = exp
	};
	if (n[2].kind == KIND_ZERO)
		return fp_round_pack(op, product);
	if (op->f->precision <= 56) /* the product leaves 16 bits of its upper half clear */
		return fp_round_pack(op, add_finite(op, product, n[2]));
	return fp_round_pack(op,
		add_wide(op, wide, exp, sign, (struct u256){ n[2].sig, 0 }, n[2].exp, n[2].sign));
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
