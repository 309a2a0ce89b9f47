/* SPDX-License-Identifier: MIT */
/* Scalar floating point on the host's unit, wherever it gives the guest's bits and flags.
 *
 * binary32 and binary64, round to nearest even, no flushing; FPCR.DN makes every NaN that a result is the
 * one default NaN. Integers are made in any static rounding. What is left goes to C at run time: another
 * rounding mode in the guest's register, and whatever may underflow: the host detects tininess before
 * rounding (Arm ARM, A1.5.4), the guest after. So the host's underflow flag is never read. Results
 * below twice the smallest normal number are made again by C, which raises the guest's own flags.
 *
 * The other exception flags gather in FPSR while native code runs. They go to the guest's register when
 * it is left, and before C that may look at them or raise its own (native_host_gather). */
#include "native.h"

enum { FPSR_FLAGS = 0x1f, FPSR_UNDERFLOW = 8 };

/* ---- flags ---- */

/* FPSR (C5.2.10): invalid, divide, overflow, underflow, inexact. */
static const uint8_t flag_bits[5] = { BP_FP_INVALID, BP_FP_DIVZERO, BP_FP_OVERFLOW, 0,
	BP_FP_INEXACT };

static uint64_t get_fpsr(void)
{
	uint64_t fpsr;
	__asm__ volatile("mrs %0, fpsr" : "=r"(fpsr));
	return fpsr;
}

static void set_fpsr(uint64_t fpsr)
{
	__asm__ volatile("msr fpsr, %0" : : "r"(fpsr));
}

static uint32_t guest_flags(uint64_t fpsr)
{
	uint32_t flags = 0;
	for (unsigned i = 0; i < sizeof(flag_bits); i++)
		flags |= fpsr >> i & 1 ? flag_bits[i] : 0u;
	return flags;
}

void native_host_gather(struct jit_cpu *cpu)
{
	const struct bp_fp_env *env = cpu->type->fp_envs;
	uint64_t fpsr = get_fpsr();
	uint32_t flags;
	if (!(fpsr & FPSR_FLAGS))
		return;
	if (env && env->size && env->flags_offset) {
		uint8_t *at = (uint8_t *)cpu->head + env->flags_offset;
		memcpy(&flags, at, sizeof(flags));
		flags |= guest_flags(fpsr);
		memcpy(at, &flags, sizeof(flags));
	}
	set_fpsr(fpsr & ~(uint64_t)FPSR_FLAGS);
}

unsigned native_host_flags(void)
{
	return (unsigned)get_fpsr();
}

void native_host_clear(void)
{
	uint64_t fpsr = get_fpsr();
	if (fpsr & FPSR_FLAGS)
		set_fpsr(fpsr & ~(uint64_t)FPSR_FLAGS);
}

void native_host_restore(unsigned flags)
{
	if (get_fpsr() != flags)
		set_fpsr(flags);
}

/* The host's flags as guest flags, in `reg`: their bits are moved one by one. */
static void host_flags(struct native_compiler *c, unsigned reg)
{
	emit(&c->e, (uint32_t)A64_MRS_FPSR | X16);
	emit_const(&c->e, reg, 0);
	for (unsigned i = 0; i < sizeof(flag_bits); i++)
		if (flag_bits[i]) {
			unsigned to = (unsigned)__builtin_ctz(flag_bits[i]);
			emit_field(&c->e, A64_UBFM, false, X17, X16, i, i);
			emit_3s(&c->e, A64_ORR, false, reg, reg, X17, SH_LSL, to);
		}
}

void float_flags(struct native_compiler *c, const struct bp_ir *r)
{
	int32_t at = AT(c->type.cpu->fp_envs->flags_offset);
	if (r->type != BP_T_I32 || r->imm != (int32_t)c->type.cpu->fp_envs->flags_offset ||
		c->last_fault > c->at) {
		c->failed = true;
		return;
	}
	if (r->op == BP_IR_GET) {
		unsigned d = reg_new(c, false);
		host_flags(c, d);
		emit_mem(&c->e, A_LOAD, 2, X16, BASE, at);
		emit_3(&c->e, A64_ORR, false, d, d, X16);
		set_reg(c, c->at, BP_T_I32, d);
		return;
	}
	/* The new value is all there is from now on. */
	unsigned value = use(c, r->arg[0]);
	emit_mem(&c->e, A_STORE, 2, value, BASE, at);
	emit(&c->e, (uint32_t)A64_MRS_FPSR | X16);
	emit_logic_i(&c->e, A64_AND_I, true, X16, X16, ~(uint64_t)FPSR_FLAGS);
	emit(&c->e, (uint32_t)A64_MSR_FPSR | X16);
}

/* ---- emitting ---- */

static bool is_double(unsigned type)
{
	return type == BP_T_F64;
}

struct operation { /* one record being made */
	unsigned operand[3], operands;
	uint8_t *to_c[3]; /* jumps to the way by C */
	unsigned to_cs;
	uint8_t *tiny; /* jump for a result that may have underflown */
	unsigned result, raw; /* host registers */
};

static void unless_nearest(struct native_compiler *c, const struct bp_fp_env *env,
	enum rounding rounding, struct operation *o)
{
	if (asks_rounding(c, rounding))
		o->to_c[o->to_cs++] = rounds_otherwise(c, env);
}

/* Where a result goes that may be made again from its operands. */
static unsigned unsettled(struct operation *o)
{
	o->raw = o->result;
	for (unsigned i = 0; i < o->operands; i++)
		if (o->operand[i] == o->result)
			o->raw = V31;
	return o->raw;
}

/* The result, in o->raw, is o->result unless its exponent is 0 or 1: then it may have underflown. */
static void unless_tiny(struct native_compiler *c, unsigned type, struct operation *o)
{
	bool twice = is_double(type);
	emit_2(&c->e, (uint32_t)A64_FMOV_XD, true, X16, o->raw);
	if (twice)
		emit_logic_i(&c->e, A64_ANDS_I, true, XZR, X16, UINT64_C(0x7fe) << 52);
	else
		emit_logic_i(&c->e, A64_ANDS_I, false, XZR, X16, UINT32_C(0xfe) << 23);
	o->tiny = emit_jcc(&c->e, CC_EQ);
	if (o->raw != o->result)
		emit_f2(&c->e, A64_FMOV, true, o->result, o->raw);
}

static void add_cold(struct native_compiler *c, const struct operation *o)
{
	uint8_t *from = o->tiny ? o->tiny : o->to_cs ? o->to_c[0] : NULL;
	struct cold *k = from ? cold_new(c, COLD_FLOAT, from) : NULL;
	if (!k)
		return;
	unsigned n = 0;
	k->tiny = o->tiny;
	for (unsigned i = o->tiny ? 0 : 1; i < 3; i++)
		if (i < o->to_cs)
			k->also[n++] = o->to_c[i];
	while (n < 2)
		k->also[n++] = NULL;
	for (unsigned i = 0; i < 3; i++)
		k->operand[i] = (uint8_t)(i < o->operands ? o->operand[i] : NO_REG);
	k->result = (uint8_t)o->result;
	k->value = (uint8_t)o->raw;
	k->back = c->e.at;
}

/* A result that is zero, in k->value, because an operand says so, is exact. */
static void exact_zero(struct native_compiler *c, const struct bp_ir *r, const struct cold *k)
{
	bool twice = is_double(r->op == BP_IR_FCVT ? (unsigned)r->imm : r->type);
	bool sum = r->op == BP_IR_FMA;
	unsigned operands = sum || r->op == BP_IR_FMUL ? 2 : 1;
	emit_f2(&c->e, A64_FCMP_ZERO, is_double(r->type), 0, k->value);
	uint8_t *other = emit_jcc(&c->e, CC_NE), *more = NULL;
	if (sum) {
		emit_f2(&c->e, A64_FCMP_ZERO, twice, 0, k->operand[2]);
		more = emit_jcc(&c->e, CC_NE);
	}
	emit_f2(&c->e, A64_FCMP_ZERO, twice, 0, k->operand[0]);
	uint8_t *zero = operands > 1 ? emit_jcc(&c->e, CC_EQ) : NULL;
	if (zero)
		emit_f2(&c->e, A64_FCMP_ZERO, twice, 0, k->operand[1]);
	uint8_t *none = emit_jcc(&c->e, CC_NE);
	if (zero)
		emit_here(&c->e, zero);
	if (k->value != k->result)
		emit_f2(&c->e, A64_FMOV, true, k->result, k->value);
	emit_to(emit_jmp(&c->e), k->back);
	emit_here(&c->e, other);
	emit_here(&c->e, none);
	if (more)
		emit_here(&c->e, more);
}

/* The record by C, operands from their registers; all registers are kept. */
void float_cold(struct native_compiler *c, struct cold *k)
{
	const struct bp_ir *r = &c->rec[k->record];
	struct gen g = { .r = *r, .fn = generic_for(r), .env = verify_env(&c->type, r->aux) };
	if (k->tiny)
		exact_zero(c, r, k);
	for (unsigned i = 0; i < 2; i++)
		if (k->also[i])
			emit_here(&c->e, k->also[i]);
	for (unsigned i = 0; i < 3; i++)
		if (k->operand[i] != NO_REG) {
			g.a[i] = frame_new(c, 8);
			g.has[i] = true;
			emit_mem(&c->e, A_STORE, 3, k->operand[i], BASE, AT(g.a[i]));
		}
	g.d = frame_new(c, 8);
	call_generic_keep(c, &g);
	unsigned bytes = ir_types[ir_result_type(r)].bytes;
	emit_mem(&c->e, A_LOAD, (unsigned)__builtin_ctz(bytes), k->result, BASE, AT(g.d));
	emit_to(emit_jmp(&c->e), k->back);
}

/* ---- records ---- */

static const struct {
	uint32_t op;
	bool tiny; /* its results may underflow: sums and roots that are tiny are exact */
} arithmetic[] = {
	[BP_IR_FADD - BP_IR_FADD] = { A64_FADD, false },
	[BP_IR_FSUB - BP_IR_FADD] = { A64_FSUB, false },
	[BP_IR_FMUL - BP_IR_FADD] = { A64_FMUL, true },
	[BP_IR_FDIV - BP_IR_FADD] = { A64_FDIV, true },
	[BP_IR_FSQRT - BP_IR_FADD] = { A64_FSQRT, false },
};

/* enum bp_ir_fma: which of product and addend is negated */
static const uint32_t fused[] = { A64_FMADD, A64_FMSUB, A64_FNMSUB, A64_FNMADD };

static bool arithmetic_record(
	struct native_compiler *c, const struct bp_ir *r, const struct bp_fp_env *env)
{
	struct operation o = { 0 };
	enum rounding rounding = rounding_of(env, r);
	bool twice = is_double(r->type);
	if (!is_format(r->type) || rounding == ROUND_OTHER)
		return false;
	for (unsigned n = 0; n < 3; n++)
		if (ir_is_arg_value(r, n))
			o.operand[o.operands++] = use_fp(c, r->arg[n]);
	o.result = reg_result(c, true, NO_REG);
	unless_nearest(c, env, rounding, &o);
	if (r->op == BP_IR_FMA) {
		emit_4(&c->e, fused[r->imm & 3] | (twice ? FP_DOUBLE : 0), false, unsettled(&o),
			o.operand[0], o.operand[1], o.operand[2]);
		unless_tiny(c, r->type, &o);
	} else {
		bool tiny = arithmetic[r->op - BP_IR_FADD].tiny;
		unsigned second = o.operands > 1 ? o.operand[1] : 0;
		unsigned first = o.operand[0];
		/* one operand: its place is Rn, and Rm's is part of the opcode */
		emit_f3(&c->e, arithmetic[r->op - BP_IR_FADD].op, twice,
			tiny ? unsettled(&o) : o.result, first, second);
		if (tiny)
			unless_tiny(c, r->type, &o);
	}
	add_cold(c, &o);
	set_reg(c, c->at, r->type, o.result);
	return true;
}

/* With -0 below +0, as the guest has it; NaNs are for C: a signalling one makes another difference. */
static bool min_max(struct native_compiler *c, const struct bp_ir *r)
{
	struct operation o = { .operands = 2 };
	bool twice = is_double(r->type);
	if (!is_format(r->type) || r->imm != BP_MINMAX_NUMBER)
		return false;
	o.operand[0] = use_fp(c, r->arg[0]);
	o.operand[1] = use_fp(c, r->arg[1]);
	o.result = reg_result(c, true, NO_REG);
	emit_f3(&c->e, A64_FCMP, twice, 0, o.operand[0], o.operand[1]);
	o.to_c[o.to_cs++] = emit_jcc(&c->e, CC_VS);
	emit_f3(&c->e, r->op == BP_IR_FMAX ? A64_FMAXNM : A64_FMINNM, twice, o.result, o.operand[0],
		o.operand[1]);
	add_cold(c, &o);
	set_reg(c, c->at, r->type, o.result);
	return true;
}

/* Unordered sets C and V alone (C6.2, FCMP): less is N, less or equal C clear or Z. */
static bool comparison(struct native_compiler *c, const struct bp_ir *r)
{
	static const uint8_t condition[] = { [BP_FCMP_EQ] = CC_EQ,
		[BP_FCMP_LT] = CC_MI,
		[BP_FCMP_LE] = CC_LS,
		[BP_FCMP_UNORDERED] = CC_VS };
	if (!is_format(r->type))
		return false;
	unsigned a = use_fp(c, r->arg[0]), b = use_fp(c, r->arg[1]), d = reg_new(c, false);
	emit_f3(&c->e, r->imm & BP_FCMP_SIGNALING ? A64_FCMPE : A64_FCMP, is_double(r->type), 0, a,
		b);
	emit_cset(&c->e, d, (enum cc)condition[r->imm & 3]);
	set_reg(c, c->at, BP_T_I1, d);
	return true;
}

static bool convert_format(
	struct native_compiler *c, const struct bp_ir *r, const struct bp_fp_env *env)
{
	unsigned from = (unsigned)r->imm;
	struct operation o = { .operands = 1 };
	bool narrow = r->type == BP_T_F32;
	enum rounding rounding = narrow ? rounding_of(env, r) : ROUND_NEAREST;
	if (!is_format(r->type) || !is_format(from) || from == r->type || rounding == ROUND_OTHER)
		return false;
	o.operand[0] = use_fp(c, r->arg[0]);
	o.result = reg_result(c, true, NO_REG);
	unless_nearest(c, env, rounding, &o);
	if (narrow) {
		emit_2(&c->e, A64_FCVT_TO_S, false, unsettled(&o), o.operand[0]);
		unless_tiny(c, r->type, &o);
	} else {
		emit_2(&c->e, A64_FCVT_TO_D, false, o.result, o.operand[0]);
	}
	add_cold(c, &o);
	set_reg(c, c->at, r->type, o.result);
	return true;
}

static bool from_integer(
	struct native_compiler *c, const struct bp_ir *r, const struct bp_fp_env *env)
{
	unsigned from = r->arg[1];
	struct operation o = { .operands = 1 };
	bool exact = from == BP_T_I32 && r->type == BP_T_F64;
	enum rounding rounding = exact ? ROUND_NEAREST : rounding_of(env, r);
	if (!is_format(r->type) || (from != BP_T_I32 && from != BP_T_I64) ||
		rounding == ROUND_OTHER)
		return false;
	o.operand[0] = use(c, r->arg[0]);
	o.result = reg_result(c, true, NO_REG);
	unless_nearest(c, env, rounding, &o);
	emit_2(&c->e, (r->imm & 1 ? A64_UCVTF : A64_SCVTF) | (is_double(r->type) ? FP_DOUBLE : 0),
		from == BP_T_I64, o.result, o.operand[0]);
	add_cold(c, &o);
	set_reg(c, c->at, r->type, o.result);
	return true;
}

/* Out of range both saturate; a NaN, which here gives 0, goes to C if the guest has another idea. */
static bool to_integer(
	struct native_compiler *c, const struct bp_ir *r, const struct bp_fp_env *env)
{
	static const uint32_t code[] = { [BP_ROUND_NEAREST_EVEN] = A64_FCVTNS,
		[BP_ROUND_ZERO] = A64_FCVTZS,
		[BP_ROUND_DOWN] = A64_FCVTMS,
		[BP_ROUND_UP] = A64_FCVTPS,
		[BP_ROUND_NEAREST_AWAY] = A64_FCVTAS };
	unsigned from = r->arg[1], what = r->imm & 0x30;
	struct operation o = { .operands = 1 };
	unsigned mode = r->arg[3] ? r->arg[3] - 1u : env->rounding;
	bool ask = mode == BP_ROUND_DYNAMIC;
	if (ask)
		mode = BP_ROUND_NEAREST_EVEN;
	if ((r->type != BP_T_I32 && r->type != BP_T_I64) || !is_format(from) ||
		(what != BP_FTOI_NAN_MAX && what != BP_FTOI_NAN_ZERO) || mode >= G_N_ELEMENTS(code))
		return false;
	o.operand[0] = use_fp(c, r->arg[0]);
	o.result = reg_new(c, false);
	unless_nearest(c, env, ask ? ROUND_ASK : ROUND_NEAREST, &o);
	if (what == BP_FTOI_NAN_MAX) {
		emit_f3(&c->e, A64_FCMP, is_double(from), 0, o.operand[0], o.operand[0]);
		o.to_c[o.to_cs++] = emit_jcc(&c->e, CC_VS);
	}
	emit_2(&c->e,
		code[mode] | (is_double(from) ? FP_DOUBLE : 0) |
			(r->imm & BP_FTOI_UNSIGNED ? FCVT_UNSIGNED : 0),
		is_wide(r->type), o.result, o.operand[0]);
	add_cold(c, &o);
	set_reg(c, c->at, r->type, o.result);
	return true;
}

bool select_float(struct native_compiler *c, const struct bp_ir *r)
{
	if (ir_info(r->op)->aux != AUX_ENV || ir_types[r->type].class == IR_VECTOR)
		return false;
	const struct bp_fp_env *env = verify_env(&c->type, r->aux);
	if (!environment_fits(c, env))
		return false;
	switch (r->op) {
	case BP_IR_FADD:
	case BP_IR_FSUB:
	case BP_IR_FMUL:
	case BP_IR_FDIV:
	case BP_IR_FSQRT:
	case BP_IR_FMA: return arithmetic_record(c, r, env);
	case BP_IR_FMIN:
	case BP_IR_FMAX: return min_max(c, r);
	case BP_IR_FCMP: return comparison(c, r);
	case BP_IR_FCVT: return convert_format(c, r, env);
	case BP_IR_ITOF: return from_integer(c, r, env);
	case BP_IR_FTOI: return to_integer(c, r, env);
	default: return false;
	}
}
