/* SPDX-License-Identifier: MIT */
/* Which floating point is for the host's unit: as far as all hosts agree. */
#include "codegen.h"

static enum rounding rounding_in(unsigned mode)
{
	if (mode == BP_ROUND_DYNAMIC)
		return ROUND_ASK;
	return mode == BP_ROUND_NEAREST_EVEN ? ROUND_NEAREST : ROUND_OTHER;
}

enum rounding rounding_of(const struct bp_fp_env *env, const struct bp_ir *r)
{
	bool own = r->arg[3] && ir_types[r->type].class != IR_VECTOR;
	return rounding_in(own ? r->arg[3] - 1u : env->rounding);
}

bool environment_fits(const struct native_compiler *c, const struct bp_fp_env *env)
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

bool asks_rounding(const struct native_compiler *c, enum rounding rounding)
{
	return rounding == ROUND_ASK && !c->rounds;
}

uint8_t *rounds_otherwise(struct native_compiler *c, const struct bp_fp_env *env)
{
	emit_cmp_memory(&c->e, BASE, AT(env->rounding_offset), BP_ROUND_NEAREST_EVEN);
	return emit_jcc(&c->e, CC_NE);
}
