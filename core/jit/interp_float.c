/* SPDX-License-Identifier: MIT */
/* Floating-point records on the software arithmetic of fp.h, and the same for helpers. */
#include "fp.h"
#include "interp_vector.h"

static unsigned format_of(unsigned type)
{
	return type - BP_T_F16; /* both enums go F16, F32, F64, F80, F128 */
}
_Static_assert((int)BP_T_F128 - (int)BP_T_F16 == (int)BP_F128, "formats and types in one order");

/* The environment of one record with its rounding resolved. */
static struct fp_ctx context(const uint8_t *base, const struct gen *g)
{
	const struct bp_fp_env *env = g->env;
	uint32_t rounding = env->rounding;
	bool scalar = ir_types[g->r.type].class != IR_VECTOR;
	if (scalar && g->r.arg[3])
		rounding = g->r.arg[3] - 1u;
	else if (rounding == BP_ROUND_DYNAMIC)
		memcpy(&rounding, base + env->rounding_offset, sizeof(rounding));
	return fp_ctx_of(env, rounding <= BP_ROUND_ODD ? rounding : BP_ROUND_NEAREST_EVEN);
}

static uint32_t flags_of(const uint8_t *base, const struct gen *g)
{
	uint32_t flags = 0;
	if (g->env->flags_offset)
		memcpy(&flags, base + g->env->flags_offset, sizeof(flags));
	return flags;
}

static void set_flags(uint8_t *base, const struct gen *g, uint32_t flags)
{
	if (g->env->flags_offset)
		memcpy(base + g->env->flags_offset, &flags, sizeof(flags));
}

/* One record on numbers: a result of `type`, operands of `from`. */
static fp_bits evaluate(const struct bp_ir *r, unsigned type, unsigned from, const fp_bits x[3],
	const struct fp_ctx *ctx, uint32_t *flags)
{
	unsigned fmt = format_of(from);
	switch (r->op) {
	case BP_IR_FADD: return fp_add(fmt, x[0], x[1], ctx, flags);
	case BP_IR_FSUB: return fp_sub(fmt, x[0], x[1], ctx, flags);
	case BP_IR_FMUL: return fp_mul(fmt, x[0], x[1], ctx, flags);
	case BP_IR_FDIV: return fp_div(fmt, x[0], x[1], ctx, flags);
	case BP_IR_FSQRT: return fp_sqrt(fmt, x[0], ctx, flags);
	case BP_IR_FMA: return fp_fma(fmt, x[0], x[1], x[2], (unsigned)r->imm, ctx, flags);
	case BP_IR_FMIN: return fp_min(fmt, x[0], x[1], (unsigned)r->imm, ctx, flags);
	case BP_IR_FMAX: return fp_max(fmt, x[0], x[1], (unsigned)r->imm, ctx, flags);
	case BP_IR_FCMP: return fp_compare(fmt, x[0], x[1], (unsigned)r->imm, ctx, flags);
	case BP_IR_FCVT: return fp_convert(format_of(type), fmt, x[0], ctx, flags);
	case BP_IR_FTOI:
		return fp_to_int(ir_types[type].bits, fmt, x[0], (unsigned)r->imm, ctx, flags);
	case BP_IR_ITOF:
		return fp_from_int(
			format_of(type), ir_types[from].bits, x[0], r->imm & 1, ctx, flags);
	case BP_IR_FROUND: return fp_round_to_int(fmt, x[0], r->imm & 1, ctx, flags);
	default: return fp_class(fmt, x[0]); /* FCLASS */
	}
}

/* The operands' type, of a scalar or of a vector's lanes; lane: the lanes' type of the result. */
static unsigned operand_type(const struct bp_ir *r, unsigned lane)
{
	switch (r->op) {
	case BP_IR_FCVT: return (unsigned)r->imm;
	case BP_IR_FTOI:
	case BP_IR_ITOF: return r->arg[1];
	default: return lane;
	}
}

static void gen_float(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	struct fp_ctx ctx = context(base, g);
	uint32_t flags = flags_of(base, g);
	unsigned from = operand_type(&g->r, g->r.type);
	fp_bits x[3] = { 0, 0, 0 }, result;
	(void)cpu;
	for (unsigned n = 0; n < 3; n++)
		if (g->has[n])
			memcpy(&x[n], base + g->a[n], ir_types[from].bytes);
	result = evaluate(&g->r, g->r.type, from, x, &ctx, &flags);
	memcpy(base + g->d, &result, ir_types[ir_result_type(&g->r)].bytes);
	set_flags(base, g, flags);
}

static void gen_lanes(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	struct fp_ctx ctx = context(base, g);
	uint32_t flags = flags_of(base, g);
	unsigned type = g->r.arg[3], from = operand_type(&g->r, type);
	unsigned bytes = ir_types[type].bytes, total = ir_types[g->r.type].bytes;
	uint8_t operand[3][64], out[64];
	(void)cpu;
	for (unsigned n = 0; n < 3; n++)
		if (g->has[n])
			memcpy(operand[n], base + g->a[n], total);
	for (unsigned at = 0; at < total; at += bytes) {
		fp_bits x[3] = { 0, 0, 0 }, result;
		for (unsigned n = 0; n < 3; n++)
			if (g->has[n])
				memcpy(&x[n], operand[n] + at, bytes);
		result = evaluate(&g->r, type, from, x, &ctx, &flags);
		if (g->r.op == BP_IR_FCMP)
			result = 0 - result;
		memcpy(out + at, &result, bytes);
	}
	memcpy(base + g->d, out, total);
	set_flags(base, g, flags);
}

gen_fn *float_for(const struct bp_ir *r)
{
	return ir_types[r->type].class == IR_VECTOR ? gen_lanes : gen_float;
}

/* ---- "bp.float/1" ---- */

static struct fp_ctx given(const struct bp_fp_env *env, unsigned rounding)
{
	return fp_ctx_of(env, rounding <= BP_ROUND_ODD ? rounding : BP_ROUND_NEAREST_EVEN);
}

static bool small_format(unsigned format)
{
	return format <= BP_F64 || format == BP_BF16;
}

static uint64_t float_op(unsigned op, unsigned format, const struct bp_fp_env *env,
	unsigned rounding, unsigned detail, uint64_t a, uint64_t b, uint64_t c, uint32_t *flags)
{
	struct fp_ctx ctx = given(env, rounding);
	if (!small_format(format))
		return 0;
	switch (op) {
	case BP_FLOAT_ADD: return (uint64_t)fp_add(format, a, b, &ctx, flags);
	case BP_FLOAT_SUB: return (uint64_t)fp_sub(format, a, b, &ctx, flags);
	case BP_FLOAT_MUL: return (uint64_t)fp_mul(format, a, b, &ctx, flags);
	case BP_FLOAT_DIV: return (uint64_t)fp_div(format, a, b, &ctx, flags);
	case BP_FLOAT_SQRT: return (uint64_t)fp_sqrt(format, a, &ctx, flags);
	case BP_FLOAT_FMA: return (uint64_t)fp_fma(format, a, b, c, detail, &ctx, flags);
	case BP_FLOAT_MIN: return (uint64_t)fp_min(format, a, b, detail, &ctx, flags);
	case BP_FLOAT_MAX: return (uint64_t)fp_max(format, a, b, detail, &ctx, flags);
	case BP_FLOAT_COMPARE: return fp_compare(format, a, b, detail, &ctx, flags);
	case BP_FLOAT_ROUND: return (uint64_t)fp_round_to_int(format, a, detail & 1, &ctx, flags);
	case BP_FLOAT_CLASS: return fp_class(format, a);
	default: return 0;
	}
}

static uint64_t float_convert(unsigned to, unsigned from, const struct bp_fp_env *env,
	unsigned rounding, uint64_t a, uint32_t *flags)
{
	struct fp_ctx ctx = given(env, rounding);
	if (!small_format(to) || !small_format(from))
		return 0;
	return (uint64_t)fp_convert(to, from, a, &ctx, flags);
}

static uint64_t float_to_int(unsigned bits, unsigned format, unsigned rounding, unsigned detail,
	uint64_t a, uint32_t *flags)
{
	struct fp_ctx ctx = { .rounding = rounding <= BP_ROUND_ODD ? (uint8_t)rounding : 0 };
	if (!small_format(format) || bits < 8 || bits > 64)
		return 0;
	return (uint64_t)fp_to_int(bits, format, a, detail, &ctx, flags);
}

static uint64_t float_from_int(unsigned format, unsigned bits, const struct bp_fp_env *env,
	unsigned rounding, unsigned detail, uint64_t a, uint32_t *flags)
{
	struct fp_ctx ctx = given(env, rounding);
	if (!small_format(format) || bits < 8 || bits > 64)
		return 0;
	return (uint64_t)fp_from_int(format, bits, a, detail & 1, &ctx, flags);
}

const struct bp_float jit_float = {
	.size = sizeof(struct bp_float),
	.op = float_op,
	.convert = float_convert,
	.to_int = float_to_int,
	.from_int = float_from_int,
};
