/* SPDX-License-Identifier: MIT */
/* Control inside an instruction, and leaving it: sides, merges, exits and their links. */
#include "compile.h"

/* ---- what is known of a jump's target ---- */

static struct target target_of(const struct compiler *c, unsigned id)
{
	const struct bp_ir *r = &c->rec[id];
	return (struct target){ c->insn->offset, r->imm, (uint8_t)MIN(r->arg[0], 64),
		(uint8_t)MIN(r->arg[1], 64) };
}

/* Whether id is a PCREL, or one of two: *k says so, but for the condition of a SELECT in this
 * instruction, whose id goes to *cond. */
static bool known_value(const struct compiler *c, unsigned id, struct known *k, unsigned *cond)
{
	const struct bp_ir *r = &c->rec[id];
	*k = (struct known){ 0 };
	*cond = 0;
	if (r->type != BP_T_I64)
		return false;
	if (r->op == BP_IR_PCREL) {
		k->to[0] = target_of(c, id);
		return true;
	}
	if (r->op == BP_IR_SELECT && c->rec[r->arg[1]].op == BP_IR_PCREL &&
		c->rec[r->arg[2]].op == BP_IR_PCREL) {
		k->two = true;
		k->to[0] = target_of(c, r->arg[1]);
		k->to[1] = target_of(c, r->arg[2]);
		*cond = r->arg[0];
		return true;
	}
	if (r->op == BP_IR_GET && c->v[id].known >= 0) {
		*k = c->got[c->v[id].known];
		return true;
	}
	return false;
}

void know(struct compiler *c, unsigned put)
{
	const struct bp_ir *r = &c->rec[put];
	struct known k;
	unsigned cond;
	forget(c, (uint32_t)r->imm, ir_types[r->type].bytes);
	if (c->depth || r->type != BP_T_I64 || c->knowns == KNOWN_MAX ||
		!known_value(c, r->arg[0], &k, &cond))
		return;
	if (cond) {
		const struct value *v = &c->v[cond];
		/* The condition outlives the instruction in a place of its own. What it was computed
		 * from may be gone by now, so only what is in a temporary will do. */
		if (v->kind != V_MEM || v->off < c->in->frame)
			return;
		k.cond = pin_new(c);
		op_emit(c, OP_MOV_8, k.cond, v->off, 0, 0);
	}
	k.offset = (uint32_t)r->imm;
	c->known[c->knowns++] = k;
}

/* ---- links ---- */

static uint64_t low_mask(unsigned bits)
{
	return bits >= 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
}

static uint32_t link_new(struct compiler *c, const struct target *t, bool set_key, uint64_t key)
{
	const struct jit_cpu *cpu = c->in->cpu;
	uint64_t in_page = c->ir->pc & ~cpu->page_mask;
	struct link l = { .mark = t->mark,
		.imm = t->imm,
		.and = ~low_mask(t->low),
		.keep = (t->keep ? low_mask(t->keep) : UINT64_MAX) & c->addr_mask,
		.set_key = set_key,
		.key = key };
	uint64_t to = ((in_page + t->mark) & l.and) + (uint64_t)(int64_t)t->imm;
	l.near = t->low <= cpu->page_bits && !(to & cpu->page_mask) && !cpu->have_breakpoints;
	l.local = l.near && l.keep == c->addr_mask;
	l.delta = to - in_page;
	g_array_append_val(c->links, l);
	return c->links->len - 1;
}

static uint32_t done(const struct compiler *c)
{
	return (uint32_t)(c->insn - c->ir->insn) + 1;
}

static uint64_t next_offset(const struct compiler *c)
{
	return c->insn->offset + c->insn->length;
}

/* ---- leaving ---- */

/* Emit what depends on the I1 `cond`: `base` (JN_EQ or X2_EQ) with the comparison inside if it can be,
 * else `plain`. d as given. */
static struct op *conditional(
	struct compiler *c, unsigned cond, unsigned base, unsigned plain, uint32_t d, int64_t imm)
{
	const struct bp_ir *r = &c->rec[cond];
	int64_t value;
	if (c->v[cond].kind != V_LAZY)
		return op_emit(c, plain, d, operand(c, cond), 0, imm);
	/* In the enum: EQ_32 EQ_64 EQI_32 EQI_64 NE_32 ... */
	unsigned code = base + 4u * (r->op - BP_IR_EQ) + (r->type == BP_T_I64);
	if (r->aux & BP_IR_IMM)
		value = r->imm;
	else if (!constant(c, r->arg[1], &value) || value != (int32_t)value)
		return op_emit(c, code, d, operand(c, r->arg[0]), operand(c, r->arg[1]), imm);
	struct op *op = op_emit(c, code + 2, d, operand(c, r->arg[0]), 0, imm);
	op->c = (uint32_t)(int32_t)value;
	return op;
}

static void jump(struct compiler *c, const struct bp_ir *r)
{
	struct known k;
	unsigned cond = 0;
	bool set_key = false;
	uint64_t key = 0;
	bool known = known_value(c, r->arg[0], &k, &cond);
	if (cond && c->v[r->arg[0]].kind != V_LAZY &&
		(c->v[cond].kind != V_MEM || c->v[cond].off < c->in->frame))
		known = false; /* the condition may have changed since */
	if (r->arg[1]) {
		const struct value *v = &c->v[r->arg[1]];
		set_key = true;
		key = v->imm;
		known = known && v->kind == V_CONST;
	}
	if (!known) {
		uint32_t to = operand(c, r->arg[0]);
		uint32_t at = set_key ? operand(c, r->arg[1]) : 0;
		op_emit(c, set_key ? OP_JUMPK : OP_JUMP, done(c), to, at, 0);
		return;
	}
	if (!k.two) {
		op_emit(c, OP_EXIT, done(c), 0, 0, link_new(c, &k.to[0], set_key, key));
		return;
	}
	uint32_t link = link_new(c, &k.to[0], set_key, key);
	link_new(c, &k.to[1], set_key, key);
	if (cond)
		conditional(c, cond, OP_X2_EQ_32, OP_EXIT2, done(c), link);
	else
		op_emit(c, OP_EXIT2, done(c), k.cond, 0, link);
}

/* To the next instruction: its key, if control just falls through, is the instruction's next_key. */
static void set_next_key(struct compiler *c)
{
	if (c->insn->next_key != c->insn->key)
		op_emit(c, OP_CONST_64, offsetof(struct bp_cpu_head, key), 0, 0,
			(int64_t)c->insn->next_key);
}

void leave_end(struct compiler *c)
{
	struct target next = { (uint32_t)next_offset(c), 0, 0, 0 };
	if (c->ir->resync)
		op_emit(c, OP_RESYNC, done(c), 0, 0, (int64_t)next_offset(c));
	else
		op_emit(c, OP_EXIT, done(c), 0, 0, link_new(c, &next, false, 0));
}

/* ---- sides ---- */

static void if_record(struct compiler *c, unsigned i)
{
	struct side *a = &c->side[c->depth];
	unsigned depth = 0, end = i + 1;
	*a = (struct side){ .record = i };
	for (; end < c->count; end++) {
		if (c->rec[end].op == BP_IR_IF)
			depth++;
		else if (c->rec[end].op == BP_IR_END && depth-- == 0)
			break;
	}
	a->merge = end + 1;
	while (a->merge + a->merges < c->count && c->rec[a->merge + a->merges].op == BP_IR_MERGE) {
		if (c->v[a->merge + a->merges].uses)
			result_temp(c, a->merge + a->merges);
		a->merges++;
	}
	conditional(c, c->rec[i].arg[0], OP_JN_EQ_32, OP_JF, 0, 0);
	a->branch = c->ops->len - 1;
	c->depth++;
}

static void merge(struct compiler *c, const struct side *a, unsigned arg)
{
	for (unsigned m = a->merge; m < a->merge + a->merges; m++)
		if (c->v[m].uses && c->rec[m].arg[arg])
			move_value(c, c->v[m].type, c->v[m].off, c->rec[m].arg[arg]);
}

static void skip_to_here(struct compiler *c, uint32_t branch)
{
	g_array_index(c->ops, struct op, branch).imm = (int64_t)c->ops->len - branch;
}

static void other_side(struct compiler *c, struct side *a)
{
	merge(c, a, 0);
	op_emit(c, OP_GOTO, 0, 0, 0, 0);
	a->jump = c->ops->len - 1;
	skip_to_here(c, a->branch);
	a->has_else = true;
}

static void end_record(struct compiler *c)
{
	struct side *a = &c->side[c->depth - 1];
	if (!a->has_else && a->merges)
		other_side(c, a);
	if (a->has_else) {
		merge(c, a, 1);
		skip_to_here(c, a->jump);
	} else {
		skip_to_here(c, a->branch);
	}
	c->depth--;
}

bool leave_record(struct compiler *c, unsigned i)
{
	const struct bp_ir *r = &c->rec[i];
	switch (r->op) {
	case BP_IR_IF: if_record(c, i); return true;
	case BP_IR_ELSE: other_side(c, &c->side[c->depth - 1]); return true;
	case BP_IR_END: end_record(c); return true;
	case BP_IR_JUMP: jump(c, r); return true;
	case BP_IR_RAISE: {
		uint32_t value = r->arg[0] ? operand(c, r->arg[0]) : 0;
		op_emit(c, OP_RAISE, 0, value, r->arg[0] != 0, r->imm);
		return true;
	}
	case BP_IR_HALT:
		set_next_key(c);
		op_emit(c, OP_HALT, done(c), 0, 0, (int64_t)next_offset(c));
		return true;
	case BP_IR_RESYNC:
		if (r->arg[0]) {
			uint32_t to = operand(c, r->arg[0]);
			op_emit(c, OP_RESYNC_TO, done(c), to, 0, 0);
		} else {
			set_next_key(c);
			op_emit(c, OP_RESYNC, done(c), 0, 0, (int64_t)next_offset(c));
		}
		return true;
	default: return false;
	}
}
