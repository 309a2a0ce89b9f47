/* SPDX-License-Identifier: MIT */
/* Floating point as guests see it: IEEE 754-2019 with the choices that it leaves to an architecture.
 *
 * An environment (struct bp_fp_env) collects those choices; CPU types keep a table of them and
 * floating-point IR records name an entry by number. Values are raw bits, low bits first. */
#ifndef BACKPLANE_FP_H
#define BACKPLANE_FP_H
#include <backplane/base.h>
#ifdef __cplusplus
extern "C" {
#endif

enum bp_fp_format {
	BP_F16 = 0, /* binary16 */
	BP_F32, /* binary32 */
	BP_F64, /* binary64 */
	BP_F80, /* x87 extended: explicit integer bit, 15-bit exponent */
	BP_F128, /* binary128 */
	BP_BF16, /* bfloat16: 8-bit exponent, 7-bit fraction */
	BP_FP_FORMATS
};

enum bp_fp_rounding { /* IEEE 754-2019 section 4.3 */
	BP_ROUND_NEAREST_EVEN = 0,
	BP_ROUND_ZERO,
	BP_ROUND_DOWN,
	BP_ROUND_UP,
	BP_ROUND_NEAREST_AWAY,
	BP_ROUND_ODD, /* von Neumann: sticky into the last bit */
	BP_ROUND_DYNAMIC = 7 /* in an environment: the register at rounding_offset says */
};

enum bp_fp_flag { /* section 7; accumulate by OR */
	BP_FP_INEXACT = 1,
	BP_FP_UNDERFLOW = 2,
	BP_FP_OVERFLOW = 4,
	BP_FP_DIVZERO = 8,
	BP_FP_INVALID = 16,
	BP_FP_DENORMAL = 32 /* an operand was subnormal */
};

enum bp_fp_nan_rule { /* which NaN a result is, when an operand or nothing is one */
	BP_NAN_CANONICAL = 0, /* always the default NaN */
	BP_NAN_FIRST, /* first NaN operand, made quiet; none: the default NaN */
	BP_NAN_SIGNALING_FIRST /* first signalling operand, then first quiet one, made quiet */
};

enum bp_fp_env_flags {
	BP_FP_TINY_AFTER = 1, /* underflow is detected after rounding (section 7.5) */
	BP_FP_FLUSH_RESULT = 2, /* subnormal results become zero of the same sign */
	BP_FP_FLUSH_INPUT = 4, /* subnormal operands count as zero */
	BP_FP_DEFAULT_NAN_NEG = 8 /* the default NaN has its sign bit set */
};

struct bp_fp_env {
	uint32_t size; /* sizeof(struct bp_fp_env) */
	uint8_t rounding; /* enum bp_fp_rounding */
	uint8_t nan_rule; /* enum bp_fp_nan_rule */
	uint16_t flags; /* enum bp_fp_env_flags */
	uint32_t rounding_offset; /* BP_ROUND_DYNAMIC: offset of a uint32_t in the CPU state that
					 * holds an enum bp_fp_rounding, kept valid by the frontend */
	uint32_t flags_offset; /* offset of a uint32_t in the CPU state that collects flags;
					 * 0: flags are not wanted */
};

#ifdef __cplusplus
}
#endif
#endif
