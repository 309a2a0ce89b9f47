/* SPDX-License-Identifier: MIT */
/* Results whose NaNs are not the guest's yet. A host without the guest's one NaN gives another one, so every
 * result has to be looked at; but not at once. Arithmetic makes a quiet NaN of every quiet NaN and comparisons
 * ask for no bits, so such a result ("raw", state.raw) is looked at where its bits are: before it is stored, moved,
 * or is the guest's register for others to see. Many are overwritten before, and one comparison looks at two.
 *
 * A loop's pinned registers may be raw at its head too, where all ways back bring results: then what they
 * have at the loop's entry must not be a NaN with bits of its own, which would be lost. */
#include "codegen.h"

static bool is_raw(const struct native_compiler *c, unsigned reg, bool twice)
{
	return c->s.raw[twice] >> reg & 1;
}

void set_raw(struct native_compiler *c, unsigned reg, unsigned type)
{
	c->s.raw[type == BP_T_F64] |= reg_bit(reg);
}

void not_raw(struct native_compiler *c, unsigned reg)
{
	c->s.raw[0] &= ~reg_bit(reg);
	c->s.raw[1] &= ~reg_bit(reg);
}

static void look_at(struct native_compiler *c, unsigned a, unsigned b, bool twice)
{
	struct nan_part n = { .reg = { (uint8_t)a, (uint8_t)b }, .twice = twice };
	emit_compare_nans(&c->e, twice, a, b);
	n.from = emit_jcc(&c->e, (enum cc)IF_UNORDERED);
	n.back = c->e.at;
	g_array_append_val(c->nans, n);
}

void settle(struct native_compiler *c, unsigned reg)
{
	for (unsigned twice = 0; twice < 2; twice++) {
		if (!is_raw(c, reg, twice))
			continue;
		c->s.raw[twice] &= ~reg_bit(reg);
		/* And one that will have to be looked at as well. */
		reg_set others = c->s.raw[twice] & c->s.dirty;
		unsigned other = others ? first_of(others) : reg;
		look_at(c, reg, other, twice);
		c->s.raw[twice] &= ~reg_bit(other);
	}
}

void move_raw(struct native_compiler *c, unsigned to, unsigned from)
{
	bool single = is_raw(c, from, false), twice = is_raw(c, from, true);
	emit_move(&c->e, to, from);
	not_raw(c, to);
	c->s.raw[0] |= (reg_set)single << to;
	c->s.raw[1] |= (reg_set)twice << to;
}

/* ---- loops ---- */

enum {
	HEAD,
	SINGLE,
	DOUBLE,
	OTHER
}; /* what a guest register has: as at the loop's head, a result, other bits */

static unsigned made_by(const struct native_compiler *c, const struct bp_ir *rec, unsigned id)
{
	const struct bp_ir *r = &rec[id];
	bool boxed = false;
	for (; r->op == BP_IR_CAST || (r->op == BP_IR_BOX && r->aux == BP_T_F32);
		r = &rec[r->arg[0]])
		boxed |= r->op == BP_IR_BOX;
	unsigned type = ir_result_type(r);
	if (ir_info(r->op)->aux != AUX_ENV || !is_format(type) || boxed != (type == BP_T_F32) ||
		verify_env(&c->type, r->aux)->nan_rule != BP_NAN_CANONICAL)
		return OTHER;
	return boxed ? SINGLE : DOUBLE;
}

/* After instruction `insn` the register has... */
static unsigned has_then(
	const struct native_compiler *c, const struct ir_insn *insn, uint32_t off, unsigned has)
{
	const struct bp_ir *rec = c->ir->record + insn->record;
	unsigned depth = 0; /* of IFs, whose arms leave */
	for (unsigned n = 1; n < insn->records; n++) {
		depth += rec[n].op == BP_IR_IF;
		depth -= rec[n].op == BP_IR_END;
		if (rec[n].op == BP_IR_CALL || rec[n].op == BP_IR_PUTX)
			return OTHER;
		if (rec[n].op == BP_IR_PUT && (uint32_t)rec[n].imm == off)
			has = depth ? OTHER : made_by(c, rec, rec[n].arg[0]);
	}
	return has;
}

/* What the register has at the loop's head, however one comes there; HEAD: it never changes. */
static unsigned at_head(const struct native_compiler *c, uint32_t off)
{
	unsigned has = HEAD, head = HEAD;
	for (unsigned i = 0; i < c->insns && has != OTHER; i++) {
		has = has_then(c, &c->ir->insn[i], off, has);
		if (!is_loop(c, &c->ir->insn[i]) || has == HEAD)
			continue;
		if (head != HEAD && head != has)
			return OTHER;
		head = has;
	}
	return head;
}

/* By its exponent: a comparison would raise a flag for a signalling NaN. */
static void look_at_entry(struct native_compiler *c, unsigned reg, bool twice)
{
	struct nan_part n = { .reg = { (uint8_t)reg }, .twice = twice, .entry = true };
	uint32_t most = twice ? UINT32_C(0x7ff) << 20 : UINT32_C(0xff) << 23;
	emit_load(&c->e, RESULT, 4, BASE, AT(c->s.slot[reg].off + (twice ? 4 : 0)));
	emit_mask(&c->e, RESULT, most);
	emit_cmp_i(&c->e, false, RESULT, most);
	n.from = emit_jcc(&c->e, (enum cc)IF_EQ);
	n.back = c->e.at;
	g_array_append_val(c->nans, n);
}

void raw_at_head(struct native_compiler *c)
{
	c->head_raw[0] = c->head_raw[1] = 0;
	for (reg_set left = HOST_RAW_NANS ? c->s.pinned : 0; left; left &= left - 1) {
		unsigned reg = first_of(left);
		unsigned has = is_fp(reg) ? at_head(c, c->s.slot[reg].off) : OTHER;
		if (has != SINGLE && has != DOUBLE)
			continue;
		c->head_raw[has == DOUBLE] |= reg_bit(reg);
		look_at_entry(c, reg, has == DOUBLE);
	}
	c->s.raw[0] = c->head_raw[0];
	c->s.raw[1] = c->head_raw[1];
}

void settle_for_head(struct native_compiler *c)
{
	for (unsigned twice = 0; twice < 2; twice++) {
		reg_set left;
		while ((left = c->s.raw[twice] & c->s.pinned & ~c->head_raw[twice]))
			settle(c, first_of(left));
	}
}

/* ---- behind the block ---- */

static int32_t special_at(const struct nan_part *n, unsigned i)
{
	_Static_assert(sizeof(((struct jit_native *)0)->special[0][0]) == 8, "indexed");
	return CPU_AT(native.special) + 8 * (int32_t)(SPECIALS * n->twice + i);
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
	for (unsigned i = 0; i < SPECIALS; i++) {
		emit_cmp_with(&c->e, n->twice, RESULT, CPU, special_at(n, i));
		emit_to(emit_jcc(&c->e, (enum cc)IF_EQ), n->back);
	}
	emit_store_const(&c->e, false, CPU, CPU_AT(native.site), c->insns);
	emit_exit(&c->e, NATIVE_INTERP);
}

void nan_parts(struct native_compiler *c)
{
	for (guint i = 0; i < c->nans->len; i++) {
		const struct nan_part *n = &g_array_index(c->nans, struct nan_part, i);
		emit_here(&c->e, n->from);
		if (n->entry) {
			known_at_entry(c, n);
		} else {
			make_guests(c, n);
			emit_to(emit_jmp(&c->e), n->back);
		}
	}
}
