/* SPDX-License-Identifier: MIT */
/* What the files of the floating-point unit share. */
#ifndef JIT_FP_INTERNAL_H
#define JIT_FP_INTERNAL_H
#include "fp.h"

typedef fp_bits u128;

struct fp_format {
	uint8_t precision; /* bits of the significand, the integer bit included */
	uint8_t exp_bits;
	uint8_t exp_pos; /* where the exponent field begins: bits stored of the significand */
	int16_t emin; /* exponent of the smallest normal number */
	int16_t exp_max; /* exponent field of infinities and NaNs */
};

extern const struct fp_format fp_formats[BP_FP_FORMATS];

/* The order matters: see fp_is_nan, fp_is_signaling. */
enum fp_kind {
	KIND_ZERO,
	KIND_FINITE,
	KIND_INF,
	KIND_QNAN,
	KIND_SNAN,
	KIND_NOT_A_VALUE /* an encoding that stands for nothing: invalid, the default NaN */
};

/* A finite number is 1.fraction * 2^exp, its significand in sig from bit 127 (always set) downwards.
 * A NaN's payload lies as the fraction does: the quiet bit is bit 126. */
struct fp_num {
	u128 sig;
	int32_t exp;
	uint8_t kind;
	bool sign;
};

static const u128 SIG_TOP = (u128)1 << 127;
static const u128 SIG_QUIET = (u128)1 << 126;

static inline bool fp_is_nan(const struct fp_num *n)
{
	return n->kind >= KIND_QNAN;
}

static inline bool fp_is_signaling(const struct fp_num *n)
{
	return n->kind >= KIND_SNAN;
}

static inline unsigned fp_clz(u128 x) /* x is not 0 */
{
	uint64_t high = (uint64_t)(x >> 64);

	return high ? (unsigned)__builtin_clzll(high) : 64 + (unsigned)__builtin_clzll((uint64_t)x);
}

/* Shift right; the last bit also stands for all bits lost ("jam"), so that rounding later sees them. */
static inline u128 fp_shift_jam(u128 x, unsigned n)
{
	if (n == 0)
		return x;
	if (n > 127)
		return x != 0;
	return x >> n | (x << (128 - n) != 0);
}

/* Whether to add one to the magnitude: lost holds the bits cut off, from bit 127 downwards. */
static inline bool fp_round_up(unsigned rounding, bool sign, bool last, u128 lost)
{
	switch (rounding) {
	case BP_ROUND_ZERO: return false;
	case BP_ROUND_DOWN: return sign && lost != 0;
	case BP_ROUND_UP: return !sign && lost != 0;
	case BP_ROUND_NEAREST_AWAY: return lost >= SIG_TOP;
	case BP_ROUND_ODD: return lost != 0 && !last;
	default: return lost > SIG_TOP || (lost == SIG_TOP && last);
	}
}

struct fp_op { /* one operation */
	const struct fp_format *f; /* of the result; of the operand where that is an integer */
	const struct fp_ctx *ctx;
	uint32_t raised; /* enum bp_fp_flag */
};

/* An operand of the format f. Raises BP_FP_DENORMAL and flushes, as the context says. */
struct fp_num fp_unpack(struct fp_op *op, const struct fp_format *f, fp_bits bits);
/* Any number, NaNs excepted. */
fp_bits fp_round_pack(struct fp_op *op, const struct fp_num *n);
fp_bits fp_pack_zero(const struct fp_op *op, bool sign);
fp_bits fp_pack_inf(const struct fp_op *op, bool sign);
/* Raises invalid and nothing else; gives the default NaN. */
fp_bits fp_invalid(struct fp_op *op);
/* The result when at least one of the operands is a NaN: raises invalid or nothing, nothing else. */
fp_bits fp_pick_nan(struct fp_op *op, const struct fp_num *operands, unsigned count);

#endif
