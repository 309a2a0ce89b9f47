/* SPDX-License-Identifier: MIT */
/* A branch over a few instructions stays in its block: guests without conditional moves choose, clamp and count that
 * way. The instructions are compiled as if the branch were not there; behind the block stands the way over them, from
 * what lies where at the branch to what lies where they end. They count as executed until that way gives them back. */
#include "codegen.h"

enum { SKIP_MOST = 8 /* instructions */ };

/* Whether the instruction only computes with integers, or loads and stores them. */
static bool is_plain(const struct native_compiler *c, const struct ir_insn *insn)
{
	const struct bp_ir *record = c->ir->record + insn->record;
	bool plain = insn->next_key == insn->key && !insn->side_exit;
	for (unsigned n = 1; n < insn->records && plain; n++) {
		const struct bp_ir *r = &record[n];
		switch (r->op) {
		case BP_IR_GET:
		case BP_IR_PUT:
			plain = is_word(r->type) && !prefers_fp(c, (uint32_t)r->imm) &&
				!is_flags(c, r);
			break;
		case BP_IR_LD:
		case BP_IR_ST:
			plain = is_small(r->type) && inline_access(r, bp_ir_memop(r)) &&
				!(bp_ir_memop(r) & BP_MEM_SEQ_CST);
			break;
		case BP_IR_NOP:
		case BP_IR_CONST:
		case BP_IR_PCREL:
		case BP_IR_SEXT:
		case BP_IR_ZEXT:
		case BP_IR_TRUNC: plain = is_small(r->type); break;
		default:
			plain = is_small(r->type) &&
				((r->op >= BP_IR_ADD && r->op <= BP_IR_MAXU) ||
					(r->op >= BP_IR_EQ && r->op <= BP_IR_SELECT));
			break;
		}
	}
	return plain;
}

/* Where the side exit of instruction i leads. */
static const struct bp_ir *way_out(const struct native_compiler *c, unsigned i)
{
	const struct ir_insn *insn = &c->ir->insn[i];
	const struct bp_ir *record = c->ir->record + insn->record;
	const struct bp_ir *select = &record[record[insn->records - 1].arg[0]];
	const struct bp_ir *a = &record[select->arg[1]], *b = &record[select->arg[2]];
	return a->imm == (int32_t)insn->length ? b : a;
}

/* The instruction that the side exit of instruction i leads to, if all before it are plain; or 0. */
static unsigned joins_at(const struct native_compiler *c, unsigned i)
{
	const struct ir_insn *insn = c->ir->insn;
	uint32_t to = insn[i].offset + (uint32_t)way_out(c, i)->imm;
	unsigned at = i + 1;
	while (at < c->insns && at <= i + SKIP_MOST && insn[at].offset < to &&
		is_plain(c, &insn[at]))
		at++;
	return at < c->insns && insn[at].offset == to ? at : 0;
}

void plan_skips(struct native_compiler *c)
{
	_Static_assert(JIT_BLOCK_INSNS <= 64, "a bit each");
	c->maybe = 0;
	for (unsigned i = 0; i < c->insns; i++) {
		bool may = c->ir->insn[i].side_exit && !(c->never >> i & 1);
		c->join_of[i] = may ? (uint8_t)joins_at(c, i) : 0;
		for (unsigned over = i + 1; over < c->join_of[i]; over++)
			c->maybe |= UINT64_C(1) << over;
	}
}

bool skip(struct native_compiler *c, unsigned cond, bool set)
{
	if (!c->join_of[c->index])
		return false;
	c->skip = cold_new(c, COLD_SKIP, jump_on(c, cond, set));
	return true;
}

void skip_ends(struct native_compiler *c, unsigned i)
{
	if (!c->skip || c->join_of[c->skip->insn] != i)
		return;
	if (!meet(c, &c->skip->state)) { /* once more, with an exit in its place */
		c->never |= UINT64_C(1) << c->skip->insn;
		c->failed = c->again = true;
	}
	c->skip->join = c->joins->len;
	g_array_append_val(c->joins, c->s);
	c->skip->back = c->e.at;
	c->skip = NULL;
}

void skip_cold(struct native_compiler *c, const struct cold *k)
{
	bring_to(c, &g_array_index(c->joins, struct state, k->join));
	emit_give_back(&c->e, c->join_of[k->insn] - k->insn - 1);
	emit_to(emit_jmp(&c->e), k->back);
}
