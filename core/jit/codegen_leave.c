/* SPDX-License-Identifier: MIT */
/* Jumps, exits, links. */
#include "codegen.h"

/* ---- targets ---- */

struct target { /* what a PCREL record says */
	uint64_t to; /* offset from the start of the block's page, when `local` */
	int64_t delta; /* from the block's pc, when local */
	bool local; /* in the block's page, whatever that page's address */
};

static struct target target_of(
	const struct ir_block *ir, const struct ir_insn *insn, const struct bp_ir *r, uint64_t page)
{
	uint64_t in_page = ir->pc & (page - 1), at = in_page + insn->offset;
	struct target t = { 0 };
	if (r->arg[0] && (r->arg[0] >= 64 || UINT64_C(1) << r->arg[0] > page))
		return t;
	t.to = (at & ~((UINT64_C(1) << r->arg[0]) - 1)) + (uint64_t)(int64_t)r->imm;
	t.local = t.to < page;
	t.delta = (int64_t)(t.to - in_page);
	return t;
}

static uint64_t page_size(const struct native_compiler *c)
{
	return UINT64_C(1) << c->in->cpu->page_bits;
}

static bool leads_to_start(
	const struct native_compiler *c, const struct ir_insn *insn, const struct bp_ir *r)
{
	return ir_is_plain_pcrel(r, c->type.cpu->address_bits) &&
		insn->offset + (uint32_t)r->imm == 0;
}

bool is_loop(const struct native_compiler *c, const struct ir_insn *insn)
{
	const struct ir_block *ir = c->ir;
	const struct bp_ir *record = ir->record + insn->record, *r = record + insn->records - 1;
	if (r->op != BP_IR_JUMP || r->arg[1] || ir->crosses || insn->key != ir->key ||
		insn->next_key != ir->key)
		return false;
	const struct bp_ir *to = record + r->arg[0];
	if (to->op == BP_IR_SELECT)
		return leads_to_start(c, insn, record + to->arg[1]) ||
			leads_to_start(c, insn, record + to->arg[2]);
	return leads_to_start(c, insn, to);
}

/* ---- leaving ---- */

static void give_back(struct native_compiler *c, unsigned left)
{
	if (left)
		emit_give_back(&c->e, left);
}

static void advance(struct native_compiler *c, int64_t delta)
{
	if (delta)
		emit_plus(&c->e, c->addr_mask == UINT64_MAX, PC, PC, (int32_t)delta);
}

void leave_here(struct native_compiler *c, uint32_t offset, enum native_exit why, unsigned left)
{
	write_back(c, true);
	give_back(c, left);
	advance(c, offset);
	emit_exit(&c->e, why);
}

void leave_to_interp(struct native_compiler *c, uint32_t offset, unsigned left, unsigned count)
{
	emit_store_const(&c->e, false, CPU, CPU_AT(native.site), count);
	leave_here(c, offset, NATIVE_INTERP, left);
}

/* To a place in the same page: a jump that can be pointed at the block there. */
static void direct_exit(struct native_compiler *c, int64_t delta)
{
	struct link l = { .near = true, .local = true, .delta = (uint64_t)delta };
	advance(c, delta);
	emit_link(&c->e, &l);
	g_array_append_val(c->links, l);
}

/* Everything is written back: go to where value id, a PCREL, says. */
static void exit_to(struct native_compiler *c, unsigned id)
{
	const struct bp_ir *r = &c->rec[id];
	struct target t = target_of(c->ir, c->insn, r, page_size(c));
	bool whole = !r->arg[1] || (r->arg[1] == 32 && c->addr_mask == UINT32_MAX);
	/* Flat memory stays where it is: any page is as good as the block's own. */
	if (c->in->cpu->flat && whole && !r->arg[0] && !c->leaving) {
		direct_exit(c, (int64_t)c->insn->offset + r->imm);
		return;
	}
	if (t.local && whole && !c->ir->crosses && !c->leaving) {
		direct_exit(c, t.delta);
		return;
	}
	pcrel_to(c, id, PC);
	if (c->addr_mask != UINT64_MAX)
		emit_mov(&c->e, false, PC, PC);
	if (c->leaving)
		emit_exit(&c->e, NATIVE_LEAVE);
	else
		emit_lookup(&c->e);
}

/* The way back to the block's start keeps pinned registers where they are. */
static bool goes_back(const struct native_compiler *c, unsigned id)
{
	return c->pinning && !c->leaving && leads_to_start(c, c->insn, &c->rec[id]) &&
		c->insn->key == c->ir->key;
}

static void write_back_unpinned(struct native_compiler *c)
{
	settle_for_head(c);
	reg_set pinned = c->s.dirty & c->s.pinned;
	c->s.dirty &= ~pinned;
	write_back(c, true);
	c->s.dirty = pinned;
}

static bool falls_to(const struct native_compiler *c, unsigned id)
{
	return !c->leaving && c->insn->side_exit && c->index + 1 < c->ir->insns &&
		!c->rec[id].arg[0] && c->rec[id].imm == (int32_t)c->insn->length;
}

void leave_cold(struct native_compiler *c, const struct cold *k)
{
	write_back(c, true);
	give_back(c, insns_left(c) - 1);
	exit_to(c, k->target);
}

/* Jump away to PCREL `id` if value `cond` is set (or is not), go on otherwise. */
static void branch_away(struct native_compiler *c, unsigned cond, bool set, unsigned id)
{
	uint8_t *jump = jump_on(c, cond, set);
	if (goes_back(c, id) && insns_left(c) == 1) {
		emit_to(jump, c->loop_head);
		return;
	}
	struct cold *k = cold_new(c, COLD_EXIT, jump);
	if (k)
		k->target = (uint16_t)id;
}

static void go(struct native_compiler *c, unsigned id)
{
	if (goes_back(c, id)) {
		write_back_unpinned(c);
		give_back(c, insns_left(c) - 1);
		emit_to(emit_jmp(&c->e), c->loop_head);
	} else {
		write_back(c, true);
		give_back(c, insns_left(c) - 1);
		exit_to(c, id);
	}
	c->ended = true;
}

static void two_way(struct native_compiler *c, const struct bp_ir *select)
{
	unsigned yes = select->arg[1], no = select->arg[2];
	int64_t known;
	bool superblock = falls_to(c, yes) || falls_to(c, no);
	if (is_const(c, select->arg[0], &known)) {
		unsigned to = known ? yes : no;
		if (!falls_to(c, to))
			go(c, to);
		return;
	}
	/* Stores change no flags, but what the condition is made from may be needed for them: first
	 * what must be in memory on both ways, then the test. */
	bool back = goes_back(c, yes) || goes_back(c, no);
	if (back && insns_left(c) == 1)
		write_back_unpinned(c);
	else if (!superblock)
		write_back(c, true);
	unsigned cond = select->arg[0];
	if (falls_to(c, yes)) {
		if (!skip(c, cond, false))
			branch_away(c, cond, false, no);
	} else if (falls_to(c, no)) {
		if (!skip(c, cond, true))
			branch_away(c, cond, true, yes);
	} else if (goes_back(c, no)) {
		branch_away(c, cond, false, no);
		go(c, yes);
	} else {
		branch_away(c, cond, true, yes);
		go(c, no);
	}
}

static void jump(struct native_compiler *c, const struct bp_ir *r)
{
	const struct bp_ir *to = &c->rec[r->arg[0]];
	bool two = to->op == BP_IR_SELECT && to->type == BP_T_I64 && !r->arg[1] &&
		c->v[r->arg[0]].place == P_COND;
	commit_deferred(c);
	if (two) {
		two_way(c, to);
		return;
	}
	if (to->op == BP_IR_PCREL && !r->arg[1]) {
		go(c, r->arg[0]);
		return;
	}
	unsigned target = use(c, r->arg[0]);
	if (r->arg[1]) {
		unsigned key = use(c, r->arg[1]);
		emit_store(&c->e, key, 8, BASE, AT(offsetof(struct bp_cpu_head, key)));
	}
	write_back(c, true);
	give_back(c, insns_left(c) - 1);
	emit_mov(&c->e, c->addr_mask == UINT64_MAX, PC, target);
	if (c->leaving)
		emit_exit(&c->e, NATIVE_LEAVE);
	else
		emit_lookup(&c->e);
	c->ended = true;
}

void set_next_key(struct native_compiler *c)
{
	if (c->insn->next_key == c->insn->key)
		return;
	unsigned reg = reg_new(c, false);
	emit_const(&c->e, reg, c->insn->next_key);
	emit_store(&c->e, reg, 8, BASE, AT(offsetof(struct bp_cpu_head, key)));
}

static void resync(struct native_compiler *c, const struct bp_ir *r)
{
	commit_deferred(c);
	if (!r->arg[0]) {
		set_next_key(c);
		leave_here(c, c->insn->offset + c->insn->length, NATIVE_LOOKUP, insns_left(c) - 1);
		return;
	}
	unsigned target = use(c, r->arg[0]);
	write_back(c, true);
	give_back(c, insns_left(c) - 1);
	emit_mov(&c->e, c->addr_mask == UINT64_MAX, PC, target);
	emit_exit(&c->e, NATIVE_LOOKUP);
}

static void raise_exception(struct native_compiler *c, const struct bp_ir *r)
{
	int32_t at = CPU_AT(native.value);
	if (r->arg[0])
		emit_store(&c->e, use(c, r->arg[0]), 8, CPU, at);
	else
		emit_store_const(&c->e, true, CPU, at, 0);
	write_back(c, true);
	emit_store_const(&c->e, false, CPU, CPU_AT(native.site), site_here(c));
	emit_raise(&c->e, (uint32_t)r->imm);
}

bool select_leave(struct native_compiler *c, const struct bp_ir *r)
{
	switch (r->op) {
	case BP_IR_JUMP: jump(c, r); return true;
	case BP_IR_RAISE: raise_exception(c, r); break;
	case BP_IR_HALT:
		commit_deferred(c);
		set_next_key(c);
		leave_here(c, c->insn->offset + c->insn->length, NATIVE_HALT, insns_left(c) - 1);
		break;
	case BP_IR_RESYNC: resync(c, r); break;
	case BP_IR_ELSE:
	case BP_IR_END:
	case BP_IR_MERGE: c->failed = true; return true;
	default: return false;
	}
	c->ended = true;
	return true;
}

void leave_falling(struct native_compiler *c)
{
	const struct ir_insn *last = &c->ir->insn[c->insns - 1];
	uint32_t next = last->offset + last->length;
	uint64_t in_page = c->ir->pc & (page_size(c) - 1);
	bool resync = c->ir->resync && c->insns == c->ir->insns;
	write_back(c, true);
	if (resync) {
		advance(c, next);
		emit_exit(&c->e, NATIVE_LOOKUP);
	} else if (c->in->cpu->flat || (in_page + next < page_size(c) && !c->ir->crosses)) {
		direct_exit(c, next);
	} else {
		advance(c, next);
		emit_lookup(&c->e);
	}
}
