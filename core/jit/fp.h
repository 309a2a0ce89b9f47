/* SPDX-License-Identifier: MIT */
/* Floating point in software: the reference that the interpreter runs and a back end is tested with.
 *
 * All formats of <backplane/fp.h> on raw bits, results and flags to the bit as IEEE 754-2019 says,
 * with an architecture's choices in struct fp_ctx.
 *
 *   operands -> unpack (fp_pack.c): kind, sign, exponent, significand in 128 bits
 *            -> fp_arith.c, fp_conv.c, fp_compare.c: the exact result, or more bits of it than any
 *               format keeps and one that says whether there were others
 *            -> round and pack once (fp_pack.c)
 *
 * fp_fast.c goes before: binary32 and binary64 on the host's unit where it surely gives the same.
 *
 * Numbers in enums (fma, minmax, fcmp, ftoi, fclass) are those of the records in <backplane/ir.h>.
 * Formats must be valid. Bits above a format's width are ignored, and zero in results. Flags (enum
 * bp_fp_flag) are OR-ed into *flags; with BP_FP_INEXACT already set there the fast way is faster. */
#ifndef JIT_FP_H
#define JIT_FP_H
#include <backplane/fp.h>
#include <backplane/ir.h>
#include <stdbool.h>

__extension__ typedef unsigned __int128 fp_bits;

/* An environment with its rounding resolved. Never BP_ROUND_DYNAMIC; an unknown mode rounds to
 * nearest even. */
struct fp_ctx {
	uint8_t rounding; /* enum bp_fp_rounding */
	uint8_t nan_rule; /* enum bp_fp_nan_rule */
	uint16_t flags; /* enum bp_fp_env_flags and enum fp_ctx_flags */
};

enum fp_ctx_flags {
	/* What fma makes of infinity times zero plus a quiet NaN. Without either: invalid, and the
	 * NaN rule chooses the result. */
	FP_INFZERO_QUIET = 1 << 8, /* not invalid; the NaN rule chooses */
	FP_INFZERO_DEFAULT = 1 << 9, /* invalid, and the default NaN */
	FP_PORTABLE = 1 << 10 /* never the host's unit; for tests */
};

static inline struct fp_ctx fp_ctx_of(const struct bp_fp_env *env, unsigned rounding)
{
	return (struct fp_ctx){ (uint8_t)rounding, env->nan_rule, env->flags };
}

/* Where flags, too, depend on an architecture: BP_FP_DENORMAL is raised by every function with a ctx
 * that sees a subnormal operand, flushed or not, unless there is a NaN or the operation is invalid or
 * divides by zero. A result flushed by BP_FP_FLUSH_RESULT raises underflow and inexact. */

fp_bits fp_add(unsigned fmt, fp_bits a, fp_bits b, const struct fp_ctx *ctx, uint32_t *flags);
fp_bits fp_sub(unsigned fmt, fp_bits a, fp_bits b, const struct fp_ctx *ctx, uint32_t *flags);
fp_bits fp_mul(unsigned fmt, fp_bits a, fp_bits b, const struct fp_ctx *ctx, uint32_t *flags);
fp_bits fp_div(unsigned fmt, fp_bits a, fp_bits b, const struct fp_ctx *ctx, uint32_t *flags);
fp_bits fp_sqrt(unsigned fmt, fp_bits a, const struct fp_ctx *ctx, uint32_t *flags);
/* a * b + c, rounded once; negate: enum bp_ir_fma. The signs of NaN operands are not negated, and
 * they are chosen from in the order a, b, c. */
fp_bits fp_fma(unsigned fmt, fp_bits a, fp_bits b, fp_bits c, unsigned negate,
	const struct fp_ctx *ctx, uint32_t *flags);

/* rule: enum bp_ir_minmax. NUMBER and NAN: a signalling NaN is invalid; SECOND: any NaN is invalid and
 * the second operand is given as it is. */
fp_bits fp_min(unsigned fmt, fp_bits a, fp_bits b, unsigned rule, const struct fp_ctx *ctx,
	uint32_t *flags);
fp_bits fp_max(unsigned fmt, fp_bits a, fp_bits b, unsigned rule, const struct fp_ctx *ctx,
	uint32_t *flags);
bool fp_compare(unsigned fmt, fp_bits a, fp_bits b, unsigned fcmp, const struct fp_ctx *ctx,
	uint32_t *flags);
/* One bit of enum bp_ir_fclass. An encoding that is no number at all counts as signalling. */
uint32_t fp_class(unsigned fmt, fp_bits a);

/* To an integer of `bits` (8..128), in the low bits of the result; ftoi: enum bp_ir_ftoi. Out of range
 * or NaN: invalid and not inexact. */
fp_bits fp_to_int(unsigned bits, unsigned fmt, fp_bits a, unsigned ftoi, const struct fp_ctx *ctx,
	uint32_t *flags);
fp_bits fp_from_int(unsigned fmt, unsigned bits, fp_bits a, bool is_unsigned,
	const struct fp_ctx *ctx, uint32_t *flags);
/* NaNs keep the high bits of their payload, if the NaN rule lets them. */
fp_bits fp_convert(
	unsigned to, unsigned from, fp_bits a, const struct fp_ctx *ctx, uint32_t *flags);
fp_bits fp_round_to_int(
	unsigned fmt, fp_bits a, bool no_inexact, const struct fp_ctx *ctx, uint32_t *flags);

#endif
