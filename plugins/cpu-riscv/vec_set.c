/* SPDX-License-Identifier: MIT */
/* vsetvl, and what comes before any other vector instruction: its operands and whether its encoding
 * is reserved. Reserved encodings are illegal here throughout. */
#include "vec.h"
#include "vtype.h"

int rv_vector_possible(const struct rv_cpu *cpu)
{
	if (cpu->vstart >= cpu->config.vlen || cpu->vill > 1)
		return 0;
	if (cpu->vill)
		return !cpu->vtype && !cpu->vl;
	return !rv_vtype_reserved(cpu->vtype) && cpu->vl <= rv_vlmax_of(&cpu->config, cpu->vtype);
}

int rv_h_vsetvl(void *self, uint64_t *args)
{
	enum { NUMBER, KEEP, MAXIMUM };
	struct rv_cpu *cpu = self;
	uint64_t avl = args[2] == KEEP ? cpu->vl : args[2] == MAXIMUM ? UINT64_MAX : args[0];
	uint64_t vtype = args[1];
	cpu->vill = (uint32_t)rv_vtype_reserved(vtype);
	if (cpu->vill) {
		cpu->vtype = cpu->vl = 0;
	} else {
		uint64_t most = rv_vlmax_of(&cpu->config, vtype);
		cpu->vtype = vtype;
		cpu->vl = avl < most ? avl : most;
	}
	cpu->vstart = 0;
	rv_update_key(cpu);
	args[0] = cpu->vl;
	return BP_H_OK;
}

int vec_illegal(struct vec *v)
{
	return v->cpu->core->raise(v->cpu, RV_ILLEGAL, v->insn);
}

int vec_group(struct vec_group *g, unsigned reg, int eew, int emul, unsigned fields)
{
	unsigned one = emul > 0 ? 1u << emul : 1;
	*g = (struct vec_group){ (int)reg, eew, emul, (int)(one * fields) };
	return emul >= -3 && emul <= 3 && reg % one == 0 && reg + (unsigned)g->count <= 32 &&
		g->count <= 8;
}

static int overlap(const struct vec_group *a, const struct vec_group *b)
{
	return a->reg < b->reg + b->count && b->reg < a->reg + a->count;
}

int vec_overlap_ok(const struct vec_group *d, const struct vec_group *s, int never)
{
	if (!overlap(d, s))
		return 1;
	if (never)
		return 0;
	if (d->eew == s->eew)
		return 1;
	if (d->eew < s->eew) /* in the lowest-numbered part of the source */
		return d->reg == s->reg;
	/* in the highest-numbered part of the destination, by a source of whole registers */
	return s->eew > 1 && s->emul >= 0 && d->reg + d->count == s->reg + s->count;
}

int vec_mask_ok(const struct vec *v, const struct vec_group *s)
{
	return v->a.vm || s->reg || s->eew == 1;
}

/* How often an element of each width is twice the size of SEW. */
static const int8_t doubled[VW_16 + 1] = {
	[VW_WIDE] = 1, [VW_ONE_WIDE] = 1, [VW_HALF] = -1, [VW_QUARTER] = -2, [VW_EIGHTH] = -3
};

/* The group that an operand of width w has; 0 if there can be none. */
static int operand(const struct vec *v, struct vec_group *g, unsigned reg, unsigned w)
{
	switch (w) {
	case VW_MASK: return vec_group(g, reg, 1, 0, 1);
	case VW_ONE: return vec_group(g, reg, 8 << v->sew, 0, 1);
	case VW_ONE_WIDE: return v->sew < RV_ELEN_LOG2 && vec_group(g, reg, 16 << v->sew, 0, 1);
	case VW_16: return vec_group(g, reg, 16, v->lmul + 1 - v->sew, 1);
	default: {
		int sew = v->sew + doubled[w];
		return sew >= 0 && sew <= RV_ELEN_LOG2 &&
			vec_group(g, reg, 8 << sew, v->lmul + doubled[w], 1);
	}
	}
}

static int operands_ok(const struct vec *v)
{
	const struct vec_rule *r = v->rule;
	struct vec_group d = { 0 }, s1 = { 0 }, s2 = { 0 };
	unsigned w1 = v->s1 ? r->s1 : VW_NONE;
	if ((r->d && !operand(v, &d, v->a.rd, r->d)) ||
		(r->s2 && !operand(v, &s2, v->a.rs2, r->s2)) ||
		(w1 && !operand(v, &s1, v->a.rs1, w1)))
		return 0;
	int scalar = r->d == VW_ONE || r->d == VW_ONE_WIDE;
	if (r->d && r->d != VW_MASK && !scalar && !v->a.vm && !d.reg)
		return 0;
	if (!(r->flags & VF_LOOSE) &&
		((r->s2 && !vec_mask_ok(v, &s2)) || (w1 && !vec_mask_ok(v, &s1)) ||
			(r->s2 && w1 && s1.eew != s2.eew && overlap(&s1, &s2))))
		return 0;
	/* Scalars in a vector register have no such rule (unpriv 30.14, 30.16.1). */
	if (!r->d || scalar)
		return 1;
	int never = r->flags & VF_NO_OVERLAP;
	return (!r->s2 || vec_overlap_ok(&d, &s2, never)) &&
		(!w1 || vec_overlap_ok(&d, &s1, never));
}

/* The floating-point format of 1 << size bytes, if the hart has it in vectors; else -1. */
static int format_of(const struct vec *v, int size)
{
	const struct rv_config *c = &v->cpu->config;
	switch (size) {
	case 1: return rv_has(c, RV_EXT_ZVFH) ? BP_F16 : -1;
	case 2: return rv_has(c, RV_EXT_F) ? BP_F32 : -1;
	case 3: return rv_has(c, RV_EXT_D) ? BP_F64 : -1;
	default: return -1;
	}
}

static int formats_ok(struct vec *v)
{
	int narrow = format_of(v, v->sew), wide = format_of(v, v->sew + 1);
	v->format = (unsigned)narrow;
	v->wide_format = (unsigned)wide;
	return !(v->rule->flags & VF_FP_SEW && narrow < 0) &&
		!(v->rule->flags & VF_FP_WIDE && wide < 0) &&
		!(v->rule->flags & VF_FRM && v->cpu->frm > 4);
}

/* An f register as a value of SEW bits: what is not NaN-boxed is the canonical NaN (unpriv 21.2). */
static uint64_t unbox(uint64_t f, unsigned bits)
{
	if (bits >= 64 || f >> bits == UINT64_MAX >> bits)
		return f;
	return bits == 32 ? 0x7fc00000 : 0x7e00;
}

/* The first source: vs1, or a scalar. Returns 0 for a row with neither. */
static void first_source(struct vec *v, unsigned format)
{
	struct rv_cpu *cpu = v->cpu;
	unsigned bits = vec_bits(v);
	switch (format) {
	case RV_FORMAT_VVV:
	case RV_FORMAT_VVVU:
	case RV_FORMAT_VMVV: v->s1 = vec_reg(cpu, v->a.rs1); return;
	case RV_FORMAT_VVX:
	case RV_FORMAT_VVXU:
	case RV_FORMAT_VMVX:
		v->x = cpu->x[v->a.rs1];
		v->scalar = cpu->config.xlen == 32 ? (uint64_t)vec_sext(v->x, 32) : v->x;
		break;
	case RV_FORMAT_VVF:
	case RV_FORMAT_VVFU:
	case RV_FORMAT_VMVF: v->scalar = unbox(cpu->f[v->a.rs1], bits); break;
	default: v->scalar = v->x = (uint64_t)(int64_t)v->a.imm;
	}
	v->scalar = v->rule->flags & VF_SIGN1 ? (uint64_t)vec_sext(v->scalar, bits)
					      : vec_zext(v->scalar, bits);
}

static int finish(struct vec *v, int status)
{
	struct rv_cpu *cpu = v->cpu;
	if (status == BP_H_RAISED)
		return status;
	cpu->fflags |= v->fflags & 31;
	if (cpu->vstart) {
		cpu->vstart = 0;
		rv_update_key(cpu);
	}
	return status;
}

int rv_h_vector(void *self, uint64_t *args)
{
	struct rv_cpu *cpu = self;
	enum rv_op op = (enum rv_op)args[0];
	struct vec v = { .cpu = cpu,
		.rule = &vec_rules[op],
		.insn = (uint32_t)args[1],
		.vlenb = cpu->config.vlen / 8,
		.start = cpu->vstart,
		.vl = cpu->vl };
	unsigned flags = v.rule->flags;
	if (!v.rule->run || (cpu->vill && !(flags & VF_WHOLE)))
		return vec_illegal(&v);
	rv_extract(op, v.insn, &v.a);
	v.sew = rv_sew_of(cpu->vtype);
	v.lmul = rv_lmul_of(cpu->vtype);
	v.vlmax = rv_vlmax_of(&cpu->config, cpu->vtype);
	v.v0 = cpu->v;
	v.d = vec_reg(cpu, flags & VF_STORE ? v.a.rs3 : v.a.rd);
	v.s2 = vec_reg(cpu, v.a.rs2);
	v.size_d = v.sew + doubled[v.rule->d];
	v.size1 = v.sew + doubled[v.rule->s1];
	v.size2 = v.sew + doubled[v.rule->s2];
	first_source(&v, rv_rows[op].format);
	if ((flags & VF_START0 && v.start) || !formats_ok(&v) || !operands_ok(&v))
		return vec_illegal(&v);
	return finish(&v, v.rule->run(&v));
}
