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

/* ---- flags ---- */

/* FPSR (C5.2.10): invalid, divide, overflow, underflow, inexact. */
static const uint8_t flag_bits[5] = { BP_FP_INVALID, BP_FP_DIVZERO, BP_FP_OVERFLOW, 0,
	BP_FP_INEXACT };

uint32_t guest_flags(unsigned status)
{
	uint32_t flags = 0;
	for (unsigned i = 0; i < sizeof(flag_bits); i++)
		flags |= status >> i & 1 ? flag_bits[i] : 0u;
	return flags;
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
	emit_logic_i(&c->e, A64_AND_I, true, X16, X16, ~(uint64_t)STATUS_FLAGS);
	emit(&c->e, (uint32_t)A64_MSR_FPSR | X16);
}

/* ---- emitting ---- */

static bool is_double(unsigned type)
{
	return type == BP_T_F64;
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

void float_cold(struct native_compiler *c, struct cold *k)
{
	if (k->tiny)
		exact_zero(c, &c->rec[k->record], k);
	float_by_c(c, k);
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

bool has_arithmetic(const struct bp_ir *r)
{
	(void)r;
	return true;
}

void emit_arithmetic(struct native_compiler *c, const struct bp_ir *r, struct operation *o)
{
	bool twice = is_double(r->type);
	if (r->op == BP_IR_FMA) {
		emit_4(&c->e, fused[r->imm & 3] | (twice ? FP_DOUBLE : 0), false, unsettled(o),
			o->operand[0], o->operand[1], o->operand[2]);
		unless_tiny(c, r->type, o);
		return;
	}
	bool tiny = arithmetic[r->op - BP_IR_FADD].tiny;
	unsigned second = o->operands > 1 ? o->operand[1] : 0;
	/* one operand: its place is Rn, and Rm's is part of the opcode */
	emit_f3(&c->e, arithmetic[r->op - BP_IR_FADD].op, twice, tiny ? unsettled(o) : o->result,
		o->operand[0], second);
	if (tiny)
		unless_tiny(c, r->type, o);
}

/* With -0 below +0, as the guest has it; NaNs are for C: a signalling one makes another difference. */
void emit_min_max(struct native_compiler *c, const struct bp_ir *r, struct operation *o)
{
	bool twice = is_double(r->type);
	emit_f3(&c->e, A64_FCMP, twice, 0, o->operand[0], o->operand[1]);
	o->to_c[o->to_cs++] = emit_jcc(&c->e, CC_VS);
	emit_f3(&c->e, r->op == BP_IR_FMAX ? A64_FMAXNM : A64_FMINNM, twice, o->result,
		o->operand[0], o->operand[1]);
}

/* Unordered sets C and V alone (C6.2, FCMP): less is N, less or equal C clear or Z. */
void emit_float_compare(
	struct native_compiler *c, const struct bp_ir *r, unsigned d, unsigned a, unsigned b)
{
	static const uint8_t condition[] = { [BP_FCMP_EQ] = CC_EQ,
		[BP_FCMP_LT] = CC_MI,
		[BP_FCMP_LE] = CC_LS,
		[BP_FCMP_UNORDERED] = CC_VS };
	emit_f3(&c->e, r->imm & BP_FCMP_SIGNALING ? A64_FCMPE : A64_FCMP, is_double(r->type), 0, a,
		b);
	emit_cset(&c->e, d, (enum cc)condition[r->imm & 3]);
}

/* C does these. */
bool round_record(struct native_compiler *c, const struct bp_ir *r, const struct bp_fp_env *env)
{
	(void)c;
	(void)r;
	(void)env;
	return false;
}

bool class_record(struct native_compiler *c, const struct bp_ir *r)
{
	(void)c;
	(void)r;
	return false;
}

void emit_box(struct native_compiler *c, unsigned d, unsigned a)
{
	emit_const(&c->e, X16, UINT32_MAX);
	emit_move(&c->e, d, a);
	emit(&c->e, (uint32_t)A64_INS_S1 | X16 << 5 | (d - V0));
}

uint8_t *emit_unless_boxed(struct native_compiler *c, unsigned a)
{
	emit_2(&c->e, (uint32_t)A64_FMOV_XD, true, X16, a);
	emit_shift(&c->e, true, SH_ASR, X16, X16, 32);
	emit_cmp_i(&c->e, false, X16, -1);
	return emit_jcc(&c->e, CC_NE);
}

void emit_format(struct native_compiler *c, const struct bp_ir *r, struct operation *o)
{
	if (r->type == BP_T_F32) {
		emit_2(&c->e, A64_FCVT_TO_S, false, unsettled(o), o->operand[0]);
		unless_tiny(c, r->type, o);
	} else {
		emit_2(&c->e, A64_FCVT_TO_D, false, o->result, o->operand[0]);
	}
}

bool from_integer(struct native_compiler *c, const struct bp_ir *r, const struct bp_fp_env *env)
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
	operation_done(c, r, &o);
	return true;
}

/* Out of range both saturate; a NaN, which here gives 0, goes to C if the guest has another idea. */
bool to_integer(struct native_compiler *c, const struct bp_ir *r, const struct bp_fp_env *env)
{
	static const uint32_t code[] = { [BP_ROUND_NEAREST_EVEN] = A64_FCVTNS,
		[BP_ROUND_ZERO] = A64_FCVTZS,
		[BP_ROUND_DOWN] = A64_FCVTMS,
		[BP_ROUND_UP] = A64_FCVTPS,
		[BP_ROUND_NEAREST_AWAY] = A64_FCVTAS };
	unsigned from = r->arg[1], what = r->imm & 0x30;
	struct operation o = { .operands = 1 };
	enum rounding rounding = rounding_of(env, r);
	unsigned mode = rounding == ROUND_OTHER ? mode_of(env, r) : BP_ROUND_NEAREST_EVEN;
	if ((r->type != BP_T_I32 && r->type != BP_T_I64) || !is_format(from) ||
		(what != BP_FTOI_NAN_MAX && what != BP_FTOI_NAN_ZERO) || mode >= G_N_ELEMENTS(code))
		return false;
	o.operand[0] = use_fp(c, r->arg[0]);
	o.result = reg_new(c, false);
	unless_nearest(c, env, rounding, &o);
	if (what == BP_FTOI_NAN_MAX) {
		emit_f3(&c->e, A64_FCMP, is_double(from), 0, o.operand[0], o.operand[0]);
		o.to_c[o.to_cs++] = emit_jcc(&c->e, CC_VS);
	}
	emit_2(&c->e,
		code[mode] | (is_double(from) ? FP_DOUBLE : 0) |
			(r->imm & BP_FTOI_UNSIGNED ? FCVT_UNSIGNED : 0),
		is_wide(r->type), o.result, o.operand[0]);
	operation_done(c, r, &o);
	return true;
}

/* Vectors are done by C. */
bool select_lanes(struct native_compiler *c, const struct bp_ir *r, const struct bp_fp_env *env)
{
	(void)c;
	(void)r;
	(void)env;
	return false;
}
