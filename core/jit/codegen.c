/* SPDX-License-Identifier: MIT */
/* Instructions, blocks, and the parts of a block that are seldom run: slow accesses, side exits. */
#include "codegen.h"

unsigned insns_left(const struct native_compiler *c)
{
	return c->insns - c->index;
}

uint32_t site_here(const struct native_compiler *c)
{
	return c->insn->offset | insns_left(c) << 16;
}

static void record(struct native_compiler *c);

/* ---- cold parts ---- */

struct cold *cold_new(struct native_compiler *c, enum cold_kind kind, uint8_t *from)
{
	if (c->colds == COLD_PARTS) {
		c->failed = true;
		return NULL;
	}
	struct cold *k = &c->cold[c->colds++];
	k->kind = kind;
	k->leaving = c->leaving;
	k->from = from;
	k->fault = NULL;
	k->disp = 0;
	k->back = NULL;
	k->memo = NO_MEMO;
	k->insn = c->index;
	k->record = c->at;
	k->state = c->s;
	k->vals = c->cold_vals->len;
	k->temp = c->temp;
	k->deferreds = c->deferreds;
	memcpy(k->deferred, c->deferred, c->deferreds * sizeof(c->deferred[0]));
	g_array_append_vals(c->cold_vals, c->v, c->count);
	return k;
}

static bool may_raise(const struct native_compiler *c, const struct bp_ir *r)
{
	if (r->op == BP_IR_CALL)
		return verify_helper(&c->type, r->imm)->flags & BP_HELPER_RAISES;
	return ir_info(r->op)->props & IR_FAULTS;
}

static void enter_instruction(struct native_compiler *c, unsigned i)
{
	c->index = i;
	c->insn = &c->ir->insn[i];
	c->rec = c->ir->record + c->insn->record;
	c->count = c->insn->records;
	c->last_fault = c->count - 1;
	while (c->last_fault && !may_raise(c, &c->rec[c->last_fault]))
		c->last_fault--;
}

/* The END of the IF at c->at, if its arm leaves and that is all: no ELSE, no MERGE. Else 0. */
static unsigned arm_end(const struct native_compiler *c)
{
	unsigned end = c->at + 1;
	while (end < c->count && c->rec[end].op != BP_IR_IF && c->rec[end].op != BP_IR_ELSE &&
		c->rec[end].op != BP_IR_END)
		end++;
	bool leaves = end < c->count && ir_info(c->rec[end - 1].op)->props & IR_LEAVES;
	return leaves && c->rec[end].op == BP_IR_END &&
			(end + 1 == c->count || c->rec[end + 1].op != BP_IR_MERGE)
		? end
		: 0;
}

/* An IF whose arm leaves is emitted behind the block; the way past it goes on here. */
static void arm(struct native_compiler *c, const struct bp_ir *r)
{
	unsigned end = arm_end(c);
	if (!end) {
		c->failed = true;
		return;
	}
	cold_new(c, COLD_ARM, jump_on(c, r->arg[0], true));
	c->at = end;
}

static void arm_cold(struct native_compiler *c)
{
	unsigned end = arm_end(c);
	c->last_fault = end;
	while (c->last_fault > c->at && !may_raise(c, &c->rec[c->last_fault]))
		c->last_fault--;
	for (c->at++; c->at < end && !c->failed && !c->ended; c->at++)
		record(c);
}

static void cold_part(struct native_compiler *c, unsigned n)
{
	struct cold *k = &c->cold[n];
	enter_instruction(c, k->insn);
	c->at = k->record;
	c->s = k->state;
	c->temp = k->temp;
	c->locked = 0;
	c->deferreds = k->deferreds;
	memcpy(c->deferred, k->deferred, k->deferreds * sizeof(c->deferred[0]));
	memcpy(c->v, &g_array_index(c->cold_vals, struct val, k->vals),
		c->count * sizeof(struct val));
	c->ended = false;
	c->direct = NO_REG;
	c->leaving = k->leaving;
	if (k->from)
		emit_here(&c->e, k->from);
	if (k->fault) {
		struct code_fault f = { (uint32_t)(k->fault - c->start),
			(uint32_t)(c->e.at - c->start) };
		g_array_append_val(c->faults, f);
	}
	switch (k->kind) {
	case COLD_LOAD:
	case COLD_STORE:
	case COLD_RMW:
	case COLD_VECTOR: access_cold(c, k); break;
	case COLD_REST:
		reload_pinned(c);
		c->at++;
		rest_cold(c);
		break;
	case COLD_EXIT: leave_cold(c, k); break;
	case COLD_SKIP: skip_cold(c, k); break;
	case COLD_ARM: arm_cold(c); break;
	case COLD_FLOAT: float_cold(c, k); break;
	case COLD_INTERP: leave_to_interp(c, c->insn->offset, insns_left(c), 1); break;
	}
}

/* ---- one instruction: what is used where ---- */

static void add_use(struct native_compiler *c, unsigned id, unsigned at)
{
	struct val *v = &c->v[id];
	v->uses++;
	if (v->last < at)
		v->last = (uint16_t)at;
}

static bool is_compare(const struct bp_ir *r)
{
	return r->op >= BP_IR_EQ && r->op <= BP_IR_LEU &&
		(r->type == BP_T_I32 || r->type == BP_T_I64);
}

/* Whether record i chooses between two places, and all that is done with it is to jump there. */
static bool is_jump_target(const struct native_compiler *c, unsigned i)
{
	const struct bp_ir *r = &c->rec[i], *user = &c->rec[c->v[i].last];
	return r->op == BP_IR_SELECT && c->v[i].uses == 1 && r->type == BP_T_I64 &&
		c->rec[r->arg[1]].op == BP_IR_PCREL && c->rec[r->arg[2]].op == BP_IR_PCREL &&
		user->op == BP_IR_JUMP && user->arg[0] == i && !user->arg[1];
}

/* From the last record to the first, so that all users of a value have been seen. */
static void scan(struct native_compiler *c)
{
	memset(c->v, 0, sizeof(c->v[0]) * c->count);
	for (unsigned i = c->count; i-- > 1;) {
		const struct bp_ir *r = &c->rec[i];
		const struct ir_info *info = ir_info(r->op);
		struct val *v = &c->v[i];
		unsigned at = i;
		if (!v->uses && !(info->props & IR_EFFECT) && r->op != BP_IR_MORE)
			continue;
		if (v->uses && v->uses == v->user_conds && is_compare(r)) {
			v->place = P_COND;
			v->type = BP_T_I1;
			at = v->last;
		} else if (is_jump_target(c, i)) {
			v->place = P_COND; /* the jump tests the condition itself */
			at = v->last;
		} else if (r->op == BP_IR_PUT && c->last_fault > i) {
			at = c->count; /* deferred */
		} else if (r->op == BP_IR_TRUNC || r->op == BP_IR_CAST || r->op == BP_IR_LO ||
			r->op == BP_IR_HI || r->op == BP_IR_ZEXT || r->op == BP_IR_UNBOX) {
			at = MAX(at, v->last); /* may share its operand's place */
		}
		if (r->op == BP_IR_SELECT || r->op == BP_IR_IF)
			c->v[r->arg[0]].user_conds++;
		unsigned count = masked_count(c, r);
		for (unsigned n = 0; n < 4; n++)
			if (ir_is_arg_value(r, n))
				add_use(c, n == 1 && count ? count : r->arg[n], at);
	}
}

/* ---- one instruction: its records ---- */

/* The PUTs that waited, as if behind record c->at. */
static void commit(struct native_compiler *c)
{
	for (unsigned i = 0; i < c->deferreds; i++) {
		const struct deferred *d = &c->deferred[i];
		unsigned fault = c->last_fault;
		c->last_fault = 0;
		c->locked = 0;
		put(c, d->type, d->off, d->val);
		c->last_fault = fault;
	}
	c->deferreds = 0;
}

void commit_deferred(struct native_compiler *c)
{
	/* Before the record, whose operands live on. */
	c->at--;
	commit(c);
	c->at++;
	c->locked = 0;
}

bool is_flags(const struct native_compiler *c, const struct bp_ir *r)
{
	const struct bp_fp_env *env = c->type.cpu->fp_envs;
	uint32_t off = (uint32_t)r->imm, len = ir_types[r->type].bytes;
	return env && env->size && env->flags_offset &&
		(off - env->flags_offset < sizeof(uint32_t) || env->flags_offset - off < len);
}

/* Whether the record changes registers in a way that cannot wait for the instruction's last fault. */
static bool cannot_wait(const struct native_compiler *c, const struct bp_ir *r)
{
	if (r->op == BP_IR_CALL) {
		const struct bp_helper *h = verify_helper(&c->type, r->imm);
		return h->flags & BP_HELPER_ANY_REG || (h->writes && h->writes->length);
	}
	return r->op == BP_IR_PUTX || ir_info(r->op)->aux == AUX_ENV;
}

static void record(struct native_compiler *c)
{
	const struct bp_ir *r = &c->rec[c->at];
	struct val *v = &c->v[c->at];
	if (c->last_fault > c->at && cannot_wait(c, r)) {
		c->failed = true;
		return;
	}
	if (c->deferreds && c->last_fault < c->at)
		commit_deferred(c);
	c->locked = 0;
	if (v->place == P_COND || (!v->uses && !(ir_info(r->op)->props & IR_EFFECT)))
		return;
	switch (r->op) {
	case BP_IR_NOP:
	case BP_IR_MORE:
	case BP_IR_OUT: return; /* part of the record before */
	case BP_IR_CONST: set_const(c, c->at, r->type, bp_ir_wide(r)); return;
	case BP_IR_PCREL:
		v->place = P_PCREL;
		v->type = r->type;
		v->imm = (uint32_t)r->imm | (uint64_t)MIN(r->arg[0], 64) << 32 |
			(uint64_t)MIN(r->arg[1], 64) << 40 | (uint64_t)c->insn->offset << 48;
		return;
	case BP_IR_GET:
	case BP_IR_PUT:
		if (is_flags(c, r))
			float_flags(c, r);
		else if (r->op == BP_IR_GET)
			get(c, c->at, r->type, (uint32_t)r->imm);
		else
			put(c, r->type, (uint32_t)r->imm, r->arg[0]);
		return;
	case BP_IR_COMMIT: commit_deferred(c); return;
	case BP_IR_IF: arm(c, r); return;
	default: break;
	}
	if (!select_leave(c, r) && !select_host(c, r))
		select_generic(c, r);
	if (makes_narrow(c, r))
		c->v[c->at].known.narrow = true;
}

static void end_instruction(struct native_compiler *c)
{
	if (c->ended)
		return;
	c->at = c->count;
	commit(c);
	c->locked = 0;
	set_next_key(c);
}

static void instruction(struct native_compiler *c, unsigned i)
{
	enter_instruction(c, i);
	c->temp = c->in->frame;
	c->deferreds = 0;
	c->direct = NO_REG;
	memset(c->s.until, 0, sizeof(c->s.until));
	scan(c);
	for (c->at = 1; c->at < c->count && !c->failed && !c->ended; c->at++)
		record(c);
	end_instruction(c);
}

void rest_cold(struct native_compiler *c)
{
	c->leaving = true;
	for (; c->at < c->count && !c->failed && !c->ended; c->at++)
		record(c);
	end_instruction(c);
	if (!c->ended)
		leave_here(c, c->insn->offset + c->insn->length, NATIVE_LEAVE, insns_left(c) - 1);
}

/* ---- loops ---- */

struct count {
	uint32_t off, uses;
	uint8_t bytes;
	bool put;
};

static int by_uses(const void *a, const void *b)
{
	const struct count *x = a, *y = b;
	return x->uses < y->uses ? 1 : x->uses > y->uses ? -1 : 0;
}

static GArray *count_registers(const struct native_compiler *c)
{
	GArray *counts = g_array_new(FALSE, FALSE, sizeof(struct count));
	for (unsigned i = 0; i < c->insns; i++) {
		const struct ir_insn *insn = &c->ir->insn[i];
		for (unsigned n = 1; n < insn->records; n++) {
			const struct bp_ir *r = &c->ir->record[insn->record + n];
			struct count fresh = { (uint32_t)r->imm, 0, ir_types[r->type].bytes,
				false };
			guint k = 0;
			if ((r->op != BP_IR_GET && r->op != BP_IR_PUT) || is_flags(c, r))
				continue;
			while (k < counts->len &&
				g_array_index(counts, struct count, k).off != fresh.off)
				k++;
			if (k == counts->len)
				g_array_append_val(counts, fresh);
			struct count *at = &g_array_index(counts, struct count, k);
			at->uses++;
			at->put |= r->op == BP_IR_PUT;
			at->bytes = MAX(at->bytes, fresh.bytes);
		}
	}
	g_array_sort(counts, by_uses);
	return counts;
}

/* Give the most used guest registers a host register each, for the whole block. */
static void pin(struct native_compiler *c)
{
	GArray *counts = count_registers(c);
	unsigned generals = 0, fps = 0;
	for (guint i = 0; i < counts->len; i++) {
		const struct count *k = &g_array_index(counts, struct count, i);
		bool fp = prefers_fp(c, k->off), alone = k->bytes == 8 || k->bytes == 4;
		for (guint j = 0; j < counts->len; j++) {
			const struct count *o = &g_array_index(counts, struct count, j);
			alone &= j == i || o->off - k->off >= k->bytes;
			alone &= j == i || k->off - o->off >= o->bytes;
		}
		unsigned n = fp ? fps : generals;
		if (!alone || n == (fp ? PINNED_FP : PINNED_GENERAL))
			continue;
		unsigned reg = fp ? FP_SCRATCH - 1 - fps : host_pinned[generals];
		slot_new(c, k->off, k->bytes, reg);
		c->s.pinned |= reg_bit(reg);
		c->s.dirty |= (reg_set)k->put << reg;
		load_slot(c, reg);
		fps += fp;
		generals += !fp;
		c->uses_fp |= fp;
	}
	g_array_unref(counts);
}

/* ---- the block ---- */

static bool reset(struct native_compiler *c)
{
	enum { ROOM = 48 << 10 };
	if (!c->chunk || c->chunk->used + ROOM > CODE_CHUNK_SIZE) {
		code_chunk_leave(c->chunk);
		c->chunk = code_chunk_take();
		if (!c->chunk)
			return false;
	}
	c->chunk->used = (c->chunk->used + CODE_ALIGN - 1) & ~(CODE_ALIGN - 1u);
	c->start = c->chunk->write + c->chunk->used;
	c->e = (struct emit){ .at = c->start,
		.end = c->chunk->write + CODE_CHUNK_SIZE,
		.to_execute = code_memory_to_execute() };
	c->s = (struct state){ 0 };
	c->colds = 0;
	g_array_set_size(c->cold_vals, 0);
	g_array_set_size(c->links, 0);
	g_array_set_size(c->faults, 0);
	g_array_set_size(c->nans, 0);
	g_array_set_size(c->joins, 0);
	c->skip = NULL;
	c->failed = c->again = c->ended = c->leaving = c->uses_fp = false;
	c->flags_back = 0;
	return true;
}

static void out_of_budget(struct native_compiler *c, uint8_t *from, const struct state *s)
{
	c->s = *s;
	emit_here(&c->e, from);
	leave_here(c, 0, NATIVE_BUDGET, c->insns);
}

/* Emits the first c->insns instructions. Returns how many could be. */
static unsigned emit_block(struct native_compiler *c)
{
	uint8_t *short_of = NULL;
	struct state entry;
	c->pinning = false;
	bool loop = false;
	for (unsigned i = 0; i < c->insns; i++)
		loop |= is_loop(c, &c->ir->insn[i]);
	if (loop && c->insns) {
		pin(c);
		c->pinning = true;
	}
	/* Flat memory has no table to remember anything of. */
	bool flat = c->in->cpu->flat != NULL;
	plan_skips(c);
	memo_plan(&c->memos, c->ir, flat ? 0 : c->insns, c->pinning && !flat, c->maybe);
	c->memos.set = c->pinning ? 1 + c->loops++ % (JIT_MEMO_SETS - 1) : 0;
	memos_at_entry(c);
	if (c->pinning)
		raw_at_head(c);
	float_entry(c);
	entry = c->s;
	c->loop_head = c->e.at;
	if (c->insns) {
		short_of = emit_spend(&c->e, c->insns);
	}
	for (unsigned i = 0; i < c->insns; i++) {
		skip_ends(c, i);
		instruction(c, i);
		if (c->failed)
			return i;
	}
	if (!c->ended && c->insns < c->ir->insns)
		leave_to_interp(c, c->ir->insn[c->insns].offset, 0, 1);
	else if (!c->ended)
		leave_falling(c);
	for (unsigned k = 0; k < c->colds; k++) {
		cold_part(c, k);
		if (c->failed)
			return c->index;
	}
	if (short_of)
		out_of_budget(c, short_of, &entry);
	nan_parts(c);
	return c->insns;
}

/* The code's accesses of flat memory, for native_fault(). */
static bool note_faults(const struct native_compiler *c)
{
	uint32_t start = (uint32_t)(c->start - c->chunk->write);
	for (guint i = 0; i < c->faults->len; i++) {
		const struct code_fault *f = &g_array_index(c->faults, struct code_fault, i);
		if (!code_chunk_fault(c->chunk, start + f->at, start + f->slow))
			return false;
	}
	return true;
}

static struct block *assemble(struct native_compiler *c)
{
	size_t links = (sizeof(struct block) + 15) & ~(size_t)15;
	size_t total = links + c->links->len * sizeof(struct link);
	struct block *b = g_malloc0(total);
	const struct ir_block *ir = c->ir;
	const struct ir_insn *last = &ir->insn[c->insns ? c->insns - 1 : 0];
	b->config = c->in->config;
	b->key = ir->key;
	b->ram = ir->code.ram;
	b->offset = ir->code.offset;
	b->insns = c->insns;
	b->bytes = last->offset + last->length;
	b->crosses = ir->crosses;
	b->first_bytes = MIN(ir->code.avail, b->bytes);
	b->ram2 = ir->second.ram;
	b->offset2 = ir->second.offset;
	b->links = c->links->len;
	b->link = (struct link *)(void *)((char *)b + links);
	b->chunk = c->chunk;
	b->entry = c->start + c->e.to_execute;
	b->memory = total + (size_t)(c->e.at - c->start);
	for (unsigned i = 0; i < b->links; i++) {
		b->link[i] = g_array_index(c->links, struct link, i);
		b->link[i].from = b;
		/* The stub behind the jump names the link: see emit_link. */
		uintptr_t address = (uintptr_t)&b->link[i];
		memcpy(b->link[i].patch + LINK_ADDRESS, &address, sizeof(address));
	}
	c->chunk->used = (uint32_t)(c->e.at - c->chunk->write);
	code_chunk_hold(c->chunk);
	code_publish(c->start, (size_t)(c->e.at - c->start));
	return b;
}

struct block *native_compile(struct native_compiler *c, const struct ir_block *ir)
{
	c->ir = ir;
	c->insns = ir->insns;
	c->never = 0;
	for (;;) {
		if (!reset(c))
			return NULL;
		unsigned good = emit_block(c);
		if (c->again)
			continue;
		if (c->e.full)
			good = c->insns / 2;
		else if (!c->failed && note_faults(c))
			return assemble(c);
		else if (!c->failed)
			return NULL;
		c->insns = good;
	}
}

static void note_fp(struct native_compiler *c, const struct bp_cpu_reg *r)
{
	unsigned count = r->count ? r->count : 1, stride = r->count ? r->stride : 0;
	for (unsigned i = 0; i < count; i++) {
		uint32_t at = (r->offset + i * stride) / 4;
		if (ir_types[r->type].bytes != 8)
			return;
		while (c->prefers_fp->len <= at)
			g_byte_array_append(c->prefers_fp, &(const guint8){ 0 }, 1);
		c->prefers_fp->data[at] = 1;
	}
}

struct native_compiler *native_compiler_create(struct interp *in)
{
	struct native_compiler *c = g_new0(struct native_compiler, 1);
	c->in = in;
	c->type = verify_type_of(in->cpu->type, in->cpu->field_strides);
	c->addr_mask = in->pc_mask;
	c->links = g_array_new(FALSE, FALSE, sizeof(struct link));
	c->cold_vals = g_array_new(FALSE, FALSE, sizeof(struct val));
	c->faults = g_array_new(FALSE, FALSE, sizeof(struct code_fault));
	c->nans = g_array_new(FALSE, FALSE, sizeof(struct nan_part));
	c->joins = g_array_new(FALSE, FALSE, sizeof(struct state));
	c->cold = g_new(struct cold, COLD_PARTS);
	c->prefers_fp = g_byte_array_new();
	const char *reg = (const char *)c->type.cpu->regs;
	for (; reg && ((const struct bp_cpu_reg *)(const void *)reg)->name;
		reg += c->type.reg_stride) {
		const struct bp_cpu_reg *r = (const struct bp_cpu_reg *)(const void *)reg;
		if (r->group && strcmp(r->group, "float") == 0)
			note_fp(c, r);
	}
	return c;
}

void native_compiler_destroy(struct native_compiler *c)
{
	if (!c)
		return;
	code_chunk_leave(c->chunk);
	g_array_unref(c->links);
	g_array_unref(c->cold_vals);
	g_array_unref(c->faults);
	g_array_unref(c->nans);
	g_array_unref(c->joins);
	g_byte_array_unref(c->prefers_fp);
	g_free(c->cold);
	g_free(c);
}
