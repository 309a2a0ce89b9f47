/* SPDX-License-Identifier: MIT */
/* Which floating point is for the host's unit, as far as all hosts agree; the way by C; flags. */
#include "codegen.h"

unsigned mode_of(const struct bp_fp_env *env, const struct bp_ir *r)
{
	bool own = r->arg[3] && ir_types[r->type].class != IR_VECTOR;
	return own ? r->arg[3] - 1u : env->rounding;
}

enum rounding rounding_of(const struct bp_fp_env *env, const struct bp_ir *r)
{
	unsigned mode = mode_of(env, r);
	if (mode == BP_ROUND_DYNAMIC)
		return ROUND_ASK;
	return mode == BP_ROUND_NEAREST_EVEN ? ROUND_NEAREST : ROUND_OTHER;
}

static bool environment_fits(const struct native_compiler *c, const struct bp_fp_env *env)
{
	return env->nan_rule == BP_NAN_CANONICAL && env->flags == BP_FP_TINY_AFTER &&
		env->flags_offset && env->flags_offset == c->type.cpu->fp_envs->flags_offset;
}

/* Nothing in a block can change the rounding mode but what it calls, so one look at its entry will do:
 * with another mode the interpreter runs it. */
void float_entry(struct native_compiler *c)
{
	const struct bp_fp_env *asked = NULL;
	unsigned depth = 0; /* of IFs, whose arms leave */
	c->rounds = false;
	for (unsigned i = 0; i < c->insns; i++) {
		const struct ir_insn *insn = &c->ir->insn[i];
		for (unsigned n = 1; n < insn->records; n++) {
			const struct bp_ir *r = &c->ir->record[insn->record + n];
			depth += r->op == BP_IR_IF;
			depth -= r->op == BP_IR_END;
			if ((r->op == BP_IR_CALL || r->op == BP_IR_PUTX) && !depth)
				return;
			if (ir_info(r->op)->aux != AUX_ENV)
				continue;
			const struct bp_fp_env *env = verify_env(&c->type, r->aux);
			if (asked && asked != env)
				return;
			if (rounding_of(env, r) == ROUND_ASK)
				asked = env;
		}
	}
	if (!asked)
		return;
	emit_cmp_memory(&c->e, BASE, AT(asked->rounding_offset), BP_ROUND_NEAREST_EVEN);
	uint8_t *nearest = emit_jcc(&c->e, (enum cc)(CC_NE ^ 1));
	emit_store_const(&c->e, false, CPU, CPU_AT(native.site), c->insns);
	emit_exit(&c->e, NATIVE_INTERP);
	emit_here(&c->e, nearest);
	c->rounds = true;
}

void unless_nearest(struct native_compiler *c, const struct bp_fp_env *env, enum rounding rounding,
	struct operation *o)
{
	if (rounding != ROUND_ASK || c->rounds)
		return;
	emit_cmp_memory(&c->e, BASE, AT(env->rounding_offset), BP_ROUND_NEAREST_EVEN);
	o->to_c[o->to_cs++] = emit_jcc(&c->e, CC_NE);
}

/* ---- the way by C ---- */

unsigned unsettled(struct operation *o)
{
	o->raw = o->result;
	for (unsigned i = 0; i < o->operands; i++)
		if (o->operand[i] == o->result)
			o->raw = FP_SCRATCH;
	return o->raw;
}

void operation_done(struct native_compiler *c, const struct bp_ir *r, const struct operation *o)
{
	uint8_t *from = o->tiny ? o->tiny : o->to_cs ? o->to_c[0] : NULL;
	struct cold *k = from ? cold_new(c, COLD_FLOAT, from) : NULL;
	if (k) {
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
	set_reg(c, c->at, ir_result_type(r), o->result);
}

void float_by_c(struct native_compiler *c, const struct cold *k)
{
	const struct bp_ir *r = &c->rec[k->record];
	struct gen g = { .r = *r, .fn = generic_for(r), .env = verify_env(&c->type, r->aux) };
	unsigned size = is_vector(r->type) ? FP_WIDTH : 8;
	for (unsigned i = 0; i < 2; i++)
		if (k->also[i])
			emit_here(&c->e, k->also[i]);
	for (unsigned i = 0; i < 3; i++)
		if (k->operand[i] != NO_REG) {
			g.a[i] = frame_new(c, size);
			g.has[i] = true;
			emit_store(&c->e, k->operand[i], size, BASE, AT(g.a[i]));
		}
	g.d = frame_new(c, size);
	call_keep(c, &g, sizeof(g), thunks.generic_keep);
	emit_load(&c->e, k->result, ir_types[ir_result_type(r)].bytes, BASE, AT(g.d));
	emit_to(emit_jmp(&c->e), k->back);
}

/* ---- records ---- */

/* Sums to roots, minimum and maximum. */
static bool arithmetic(
	struct native_compiler *c, const struct bp_ir *r, const struct bp_fp_env *env)
{
	struct operation o = { 0 };
	bool minmax = r->op == BP_IR_FMIN || r->op == BP_IR_FMAX;
	enum rounding rounding = minmax ? ROUND_NEAREST : rounding_of(env, r);
	if (!is_format(r->type) || !has_arithmetic(r) || rounding == ROUND_OTHER ||
		(minmax && r->imm != BP_MINMAX_NUMBER))
		return false;
	for (unsigned n = 0; n < 3; n++)
		if (ir_is_arg_value(r, n))
			o.operand[o.operands++] = use_number(c, r->arg[n], r->type);
	o.result = reg_result(c, true, NO_REG);
	unless_nearest(c, env, rounding, &o);
	if (minmax)
		emit_min_max(c, r, &o);
	else
		emit_arithmetic(c, r, &o);
	operation_done(c, r, &o);
	return true;
}

static bool comparison(struct native_compiler *c, const struct bp_ir *r)
{
	if (!is_format(r->type))
		return false;
	unsigned a = use_number(c, r->arg[0], r->type), b = use_number(c, r->arg[1], r->type);
	unsigned d = reg_new(c, false);
	emit_float_compare(c, r, d, a, b);
	set_reg(c, c->at, BP_T_I1, d);
	return true;
}

static bool format(struct native_compiler *c, const struct bp_ir *r, const struct bp_fp_env *env)
{
	unsigned from = (unsigned)r->imm;
	struct operation o = { .operands = 1 };
	enum rounding rounding = r->type == BP_T_F32 ? rounding_of(env, r) : ROUND_NEAREST;
	if (!is_format(r->type) || !is_format(from) || from == r->type || rounding == ROUND_OTHER)
		return false;
	o.operand[0] = use_number(c, r->arg[0], from);
	o.result = reg_result(c, true, NO_REG);
	unless_nearest(c, env, rounding, &o);
	emit_format(c, r, &o);
	operation_done(c, r, &o);
	return true;
}

/* ---- binary32 in registers of 64 bits ---- */

static bool box(struct native_compiler *c, const struct bp_ir *r)
{
	const struct val *v = &c->v[r->arg[0]];
	if (r->aux != BP_T_F32)
		return false;
	if (v->place == P_CONST) {
		set_const(c, c->at, BP_T_I64, v->imm | BOXED_ONES);
		return true;
	}
	unsigned a = use_number(c, r->arg[0], BP_T_F32), d = a;
	if (HOST_RAW_RESULTS && (a == c->direct || is_alone(c, r->arg[0], a))) {
		set_unboxed(c, a);
	} else {
		settle_nan(c, a);
		d = reg_result(c, true, a);
		emit_box(c, d, a);
	}
	set_reg(c, c->at, BP_T_I64, d);
	c->v[c->at].known.ones = BOXED_ONES;
	return true;
}

/* Whether the instruction has changed nothing yet, so that another may do all of it. */
static bool untouched(const struct native_compiler *c)
{
	for (unsigned n = 1; n < c->at; n++)
		if (ir_info(c->rec[n].op)->props & IR_EFFECT)
			return false;
	return !c->leaving;
}

/* What is not boxed is a NaN then, which C gives; but that is seldom so. Where it can be left to the interpreter, the
 * register is known to be boxed from here on. */
static bool unbox(struct native_compiler *c, const struct bp_ir *r)
{
	struct val *v = &c->v[c->at], *from = &c->v[r->arg[0]];
	struct operation o = { .operands = 1 };
	if (r->type != BP_T_F32)
		return false;
	if ((from->known.ones & BOXED_ONES) != BOXED_ONES) {
		unsigned a = o.operand[0] = use_fp(c, r->arg[0]);
		if (!untouched(c) || from->place != P_REG || from->reg != a) {
			o.result = reg_new(c, true); /* not the operand: C may need that again */
			o.to_c[o.to_cs++] = emit_unless_boxed(c, a);
			emit_move(&c->e, o.result, a);
			operation_done(c, r, &o);
			return true;
		}
		cold_new(c, COLD_INTERP, emit_unless_boxed(c, a));
		note_ones(c, r->arg[0], BOXED_ONES);
	}
	alias(c, r->type, r->arg[0]);
	v->known = (struct known){ 0 };
	return true;
}

bool select_float(struct native_compiler *c, const struct bp_ir *r)
{
	if (r->op == BP_IR_BOX)
		return box(c, r);
	if (r->op == BP_IR_UNBOX)
		return unbox(c, r);
	if (ir_info(r->op)->aux != AUX_ENV)
		return false;
	const struct bp_fp_env *env = verify_env(&c->type, r->aux);
	if (!environment_fits(c, env))
		return false;
	if (ir_types[r->type].class == IR_VECTOR)
		return select_lanes(c, r, env);
	switch (r->op) {
	case BP_IR_FADD:
	case BP_IR_FSUB:
	case BP_IR_FMUL:
	case BP_IR_FDIV:
	case BP_IR_FSQRT:
	case BP_IR_FMA:
	case BP_IR_FMIN:
	case BP_IR_FMAX: return arithmetic(c, r, env);
	case BP_IR_FCMP: return comparison(c, r);
	case BP_IR_FCVT: return format(c, r, env);
	case BP_IR_FROUND: return is_format(r->type) && round_record(c, r, env);
	case BP_IR_FCLASS: return is_format(r->type) && class_record(c, r);
	case BP_IR_ITOF: return from_integer(c, r, env);
	case BP_IR_FTOI: return to_integer(c, r, env);
	default: return false;
	}
}

/* ---- flags ---- */

void native_host_gather(struct jit_cpu *cpu)
{
	const struct bp_fp_env *env = cpu->type->fp_envs;
	unsigned status = host_status();
	uint32_t flags;
	if (!(status & STATUS_FLAGS))
		return;
	if (env && env->size && env->flags_offset) {
		uint8_t *at = (uint8_t *)cpu->head + env->flags_offset;
		memcpy(&flags, at, sizeof(flags));
		flags |= guest_flags(status);
		memcpy(at, &flags, sizeof(flags));
	}
	host_set_status(status & ~(unsigned)STATUS_FLAGS);
}

unsigned native_host_flags(void)
{
	return host_status();
}

void native_host_clear(void)
{
	unsigned status = host_status();
	if (status & STATUS_FLAGS)
		host_set_status(status & ~(unsigned)STATUS_FLAGS);
}

void native_host_restore(unsigned flags)
{
	if (host_status() != flags)
		host_set_status(flags);
}
