/* SPDX-License-Identifier: MIT */
/* Registers whose bits are not the guest's yet.
 *
 * A host without the guest's one NaN gives another one, so every result has to be looked at; but not at once.
 * Arithmetic makes a quiet NaN of every quiet NaN, and comparisons ask for no bits. So such a result (state.raw)
 * is looked at where its bits are: before it is stored, moved, or is the guest's register for others to see. Many
 * are overwritten before, and one comparison looks at two. In the same way the ones above a boxed binary32 are put
 * there when somebody may see them (state.unboxed).
 *
 * A loop's pinned register may be so at its head too, if a number of that format is what the loop begins with, and
 * all that it ever puts there. */
#include "codegen.h"

void set_raw(struct native_compiler *c, unsigned reg, unsigned type)
{
	c->s.raw[type == BP_T_F64] |= reg_bit(reg);
}

void set_unboxed(struct native_compiler *c, unsigned reg)
{
	c->s.unboxed |= reg_bit(reg);
}

void not_raw(struct native_compiler *c, unsigned reg)
{
	c->s.raw[0] &= ~reg_bit(reg);
	c->s.raw[1] &= ~reg_bit(reg);
	c->s.unboxed &= ~reg_bit(reg);
}

void settle_nan(struct native_compiler *c, unsigned reg)
{
	for (unsigned twice = 0; twice < 2; twice++) {
		if (!(c->s.raw[twice] >> reg & 1))
			continue;
		c->s.raw[twice] &= ~reg_bit(reg);
		/* And one that will have to be looked at as well. */
		reg_set others = c->s.raw[twice] & c->s.dirty;
		unsigned other = others ? first_of(others) : reg;
		struct nan_part n = { .reg = { (uint8_t)reg, (uint8_t)other }, .twice = twice };
		c->s.raw[twice] &= ~reg_bit(other);
		emit_compare_nans(&c->e, twice, reg, other);
		n.from = emit_jcc(&c->e, (enum cc)IF_UNORDERED);
		n.back = c->e.at;
		g_array_append_val(c->nans, n);
	}
}

void settle(struct native_compiler *c, unsigned reg)
{
	settle_nan(c, reg);
	if (c->s.unboxed >> reg & 1)
		emit_box(c, reg, reg);
	c->s.unboxed &= ~reg_bit(reg);
}

void move_raw(struct native_compiler *c, unsigned to, unsigned from)
{
	bool raw[] = { c->s.raw[0] >> from & 1, c->s.raw[1] >> from & 1 };
	bool unboxed = c->s.unboxed >> from & 1;
	emit_move(&c->e, to, from);
	not_raw(c, to);
	c->s.raw[0] |= (reg_set)raw[0] << to;
	c->s.raw[1] |= (reg_set)raw[1] << to;
	c->s.unboxed |= (reg_set)unboxed << to;
}

/* ---- loops ---- */

enum kind { /* what a guest register has in a loop */
	ANYTHING,
	DOUBLES, /* results */
	BOXED, /* binary32, among them such as were loaded */
	SINGLES /* binary32, results */
};

static enum kind made_by(const struct native_compiler *c, const struct bp_ir *rec, unsigned id)
{
	const struct bp_ir *r = &rec[id];
	bool boxed = false;
	for (; r->op == BP_IR_CAST || (r->op == BP_IR_BOX && r->aux == BP_T_F32);
		r = &rec[r->arg[0]])
		boxed |= r->op == BP_IR_BOX;
	bool result = ir_info(r->op)->aux == AUX_ENV &&
		verify_env(&c->type, r->aux)->nan_rule == BP_NAN_CANONICAL;
	if (boxed)
		return result && ir_result_type(r) == BP_T_F32 ? SINGLES : BOXED;
	return result && ir_result_type(r) == BP_T_F64 ? DOUBLES : ANYTHING;
}

/* What the value is used as by the first record that does. */
static enum kind used_as(const struct bp_ir *rec, unsigned count, unsigned id)
{
	for (unsigned n = id + 1; n < count; n++) {
		const struct bp_ir *r = &rec[n];
		if (!(ir_is_arg_value(r, 0) && r->arg[0] == id) &&
			!(ir_is_arg_value(r, 1) && r->arg[1] == id) &&
			!(ir_is_arg_value(r, 2) && r->arg[2] == id))
			continue;
		if (r->op == BP_IR_CAST)
			id = n;
		else if (r->op == BP_IR_UNBOX)
			return r->type == BP_T_F32 ? SINGLES : ANYTHING;
		else
			return r->op >= BP_IR_FADD && r->op <= BP_IR_FMA && r->type == BP_T_F64
				? DOUBLES
				: ANYTHING;
	}
	return ANYTHING;
}

static enum kind both(enum kind a, enum kind b)
{
	if (a == b)
		return a;
	return a >= BOXED && b >= BOXED ? BOXED : ANYTHING;
}

/* One kind of numbers is read from the register before anything is put there, and nothing else is. Arms of IFs
 * leave; helpers may do what they like. */
static enum kind kind_of(const struct native_compiler *c, uint32_t off)
{
	enum kind kind = ANYTHING;
	bool seen = false, put = false;
	for (unsigned i = 0; i < c->insns; i++) {
		const struct ir_insn *insn = &c->ir->insn[i];
		const struct bp_ir *rec = c->ir->record + insn->record;
		unsigned depth = 0;
		for (unsigned n = 1; n < insn->records; n++) {
			depth += rec[n].op == BP_IR_IF;
			depth -= rec[n].op == BP_IR_END;
			if (rec[n].op == BP_IR_CALL || rec[n].op == BP_IR_PUTX)
				return ANYTHING;
			if ((uint32_t)rec[n].imm != off)
				continue;
			if (rec[n].op == BP_IR_GET && !seen)
				kind = used_as(rec, insn->records, n);
			else if (rec[n].op == BP_IR_PUT)
				kind = depth || !seen ? ANYTHING
						      : both(kind, made_by(c, rec, rec[n].arg[0]));
			put |= rec[n].op == BP_IR_PUT;
			seen |= put || rec[n].op == BP_IR_GET;
			if (seen && kind == ANYTHING)
				return ANYTHING;
		}
	}
	return put ? kind : kind >= BOXED ? BOXED : ANYTHING;
}

/* An exponent of all ones, or no box: that is for known_at_entry. A comparison would raise a flag for a signalling
 * NaN. */
static void look_at_entry(struct native_compiler *c, unsigned reg, enum kind kind)
{
	struct nan_part n = { .reg = { (uint8_t)reg }, .twice = kind == DOUBLES, .entry = true };
	uint32_t off = c->s.slot[reg].off;
	uint32_t most = kind == DOUBLES ? UINT32_C(0x7ff) << 20 : UINT32_C(0xff) << 23;
	if (kind != DOUBLES) {
		emit_cmp_memory(&c->e, BASE, AT(off + 4), -1);
		n.unboxed = emit_jcc(&c->e, (enum cc)IF_NE);
	}
	if (kind != BOXED) {
		emit_load(&c->e, RESULT, 4, BASE, AT(off + (kind == DOUBLES ? 4 : 0)));
		emit_mask(&c->e, RESULT, most);
		emit_cmp_i(&c->e, false, RESULT, most);
		n.from = emit_jcc(&c->e, (enum cc)IF_EQ);
	}
	n.back = c->e.at;
	g_array_append_val(c->nans, n);
}

void raw_at_head(struct native_compiler *c)
{
	c->head_raw[0] = c->head_raw[1] = c->head_unboxed = 0;
	for (reg_set left = HOST_RAW_RESULTS ? c->s.pinned : 0; left; left &= left - 1) {
		unsigned reg = first_of(left);
		enum kind kind = is_fp(reg) ? kind_of(c, c->s.slot[reg].off) : ANYTHING;
		if (kind == ANYTHING)
			continue;
		look_at_entry(c, reg, kind);
		if (kind != BOXED)
			c->head_raw[kind == DOUBLES] |= reg_bit(reg);
		if (kind == DOUBLES)
			continue;
		c->head_unboxed |= reg_bit(reg);
		c->s.slot[reg].known.ones = BOXED_ONES;
	}
	c->s.raw[0] = c->head_raw[0];
	c->s.raw[1] = c->head_raw[1];
	c->s.unboxed = c->head_unboxed;
}

void settle_for_head(struct native_compiler *c)
{
	for (reg_set left = c->s.pinned; left; left &= left - 1) {
		unsigned reg = first_of(left);
		if (c->s.unboxed & ~c->head_unboxed & reg_bit(reg))
			settle(c, reg);
		else if ((c->s.raw[0] & ~c->head_raw[0] & reg_bit(reg)) ||
			(c->s.raw[1] & ~c->head_raw[1] & reg_bit(reg)))
			settle_nan(c, reg);
	}
}

/* ---- behind the block ---- */

static int32_t special_at(const struct nan_part *n, unsigned i)
{
	return CPU_AT(special) + 8 * (int32_t)(SPECIALS * n->twice + i);
}

static void make_guests(struct native_compiler *c, const struct nan_part *n)
{
	for (unsigned k = 0; k < 2 && (k == 0 || n->reg[1] != n->reg[0]); k++) {
		emit_compare_nans(&c->e, n->twice, n->reg[k], n->reg[k]);
		uint8_t *over = emit_jcc(&c->e, (enum cc)(IF_UNORDERED ^ 1));
		emit_load(&c->e, n->reg[k], 8, CPU, special_at(n, 0));
		emit_here(&c->e, over);
	}
}

/* Infinities, and the guest's NaN; with another one the interpreter runs the loop. */
static void known_at_entry(struct native_compiler *c, const struct nan_part *n)
{
	emit_move(&c->e, RESULT, n->reg[0]);
	for (unsigned i = 0; n->from && i < SPECIALS; i++) {
		emit_cmp_with(&c->e, n->twice, RESULT, CPU, special_at(n, i));
		emit_to(emit_jcc(&c->e, (enum cc)IF_EQ), n->back);
	}
	if (n->unboxed)
		emit_here(&c->e, n->unboxed);
	emit_store_const(&c->e, false, CPU, CPU_AT(native.site), c->insns);
	emit_exit(&c->e, NATIVE_INTERP);
}

void nan_parts(struct native_compiler *c)
{
	for (guint i = 0; i < c->nans->len; i++) {
		const struct nan_part *n = &g_array_index(c->nans, struct nan_part, i);
		if (n->from)
			emit_here(&c->e, n->from);
		if (n->entry) {
			known_at_entry(c, n);
		} else {
			make_guests(c, n);
			emit_to(emit_jmp(&c->e), n->back);
		}
	}
}
