/* SPDX-License-Identifier: MIT */
/* A branch over a few instructions that only compute stays in its block, as hosts do who have no conditional moves:
 * guests choose, clamp and count that way. The instructions are compiled as if the branch were not there; behind the
 * block stands the way over them, from what lies where at the branch to what lies where they end. They count as
 * executed until that way gives them back. */
#include "codegen.h"

enum { SKIP_MOST = 8 /* instructions */ };

/* Whether nothing of the instruction can leave, fault, wait or be seen by others. */
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

/* The instruction that PCREL `id` leads to, if it is one of the next and those before it are plain; else 0. */
static unsigned joins_at(const struct native_compiler *c, unsigned id)
{
	const struct bp_ir *to = &c->rec[id];
	unsigned i = c->index + 1;
	if (!ir_is_plain_pcrel(to, c->type.cpu->address_bits) || to->imm <= 0)
		return 0;
	uint32_t offset = c->insn->offset + (uint32_t)to->imm;
	while (i < c->insns && i <= c->index + SKIP_MOST && c->ir->insn[i].offset != offset &&
		is_plain(c, &c->ir->insn[i]))
		i++;
	return i < c->insns && c->ir->insn[i].offset == offset ? i : 0;
}

bool skip(struct native_compiler *c, unsigned cond, bool set, unsigned id)
{
	unsigned insn = joins_at(c, id);
	if (!insn)
		return false;
	c->skip = cold_new(c, COLD_SKIP, jump_on(c, cond, set));
	if (c->skip) {
		struct join join = { .insn = insn };
		c->skip->join = c->joins->len;
		g_array_append_val(c->joins, join);
	}
	return true;
}

void skip_ends(struct native_compiler *c, unsigned i)
{
	struct join *join = c->skip ? &g_array_index(c->joins, struct join, c->skip->join) : NULL;
	if (!join || join->insn != i)
		return;
	c->failed |= !meet(c, &c->skip->state);
	join->state = c->s;
	c->skip->back = c->e.at;
	c->skip = NULL;
}

void skip_cold(struct native_compiler *c, const struct cold *k)
{
	const struct join *join = &g_array_index(c->joins, struct join, k->join);
	bring_to(c, &join->state);
	emit_give_back(&c->e, join->insn - k->insn - 1);
	emit_to(emit_jmp(&c->e), k->back);
}
