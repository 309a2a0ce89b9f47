/* SPDX-License-Identifier: MIT */
/* Running native code: finding blocks, entering them, and what to do when they come back.
 *
 * Native code runs in slices of NATIVE_SLICE instructions. The count that ends a slice is the only
 * thing it tests between blocks: kick and pending are looked at here, between slices. What native code
 * does not do (a single instruction, the last few of a budget, traced code, code with breakpoints), the
 * interpreter does, which keeps the same state in the same places. */
#include "native.h"
#include "find.h"
#include "memo.h"
#include "plugin/object.h"
#include "trace/hub.h"
#include <glib.h>
#include <inttypes.h>
#include <stdio.h>

/* ---- modes for tests: BACKPLANE_JIT=evict=N,nolink ---- */

enum { EVICT_SLICE = 64 }; /* NATIVE_SLICE where blocks are dropped, or more */

struct modes {
	/* Not 0: the block that was entered is dropped when native code comes back, if so many
	 * instructions ran since the last was dropped; it comes back at least as often. */
	uint32_t evict;
	bool nolink; /* exits never lead to other blocks directly */
};

static struct modes modes_of(const char *words)
{
	char **word = g_strsplit(words ? words : "", ",", -1);
	struct modes m = { 0 };
	for (unsigned i = 0; word[i]; i++) {
		guint64 n;
		if (!strcmp(word[i], "evict"))
			m.evict = 1;
		else if (g_str_has_prefix(word[i], "evict=") &&
			g_ascii_string_to_unsigned(
				word[i] + strlen("evict="), 10, 1, NATIVE_SLICE, &n, NULL))
			m.evict = (uint32_t)n;
		else if (!strcmp(word[i], "nolink"))
			m.nolink = true;
		else
			g_printerr(
				"backplane: BACKPLANE_JIT has the word \"%s\"; nolink, evict and "
				"evict=N with N from 1 to %d are known, with commas between\n",
				word[i], NATIVE_SLICE);
	}
	g_strfreev(word);
	return m;
}

static const struct modes *modes(void)
{
	static struct modes m;
	static gsize once;
	if (g_once_init_enter(&once)) {
		m = modes_of(g_getenv("BACKPLANE_JIT"));
		g_once_init_leave(&once, 1);
	}
	return &m;
}

struct native { /* what the engine keeps for one CPU */
	struct jit_cpu *cpu;
	struct interp *in;
	struct native_compiler *compiler;
	struct finder finder; /* its block: the one to run */
	uint64_t budget;
	const struct modes *modes;
	uint64_t dropped; /* head.icount when a block was, in mode evict */
};

/* ---- what native code calls ---- */

/* Make head.pc and head.icount those of the instruction that calls. */
static void settle(struct jit_cpu *cpu)
{
	const struct interp *in = cpu->engine;
	const struct jit_native *n = &cpu->native;
	cpu->head->pc = (n->pc + (n->site & 0xffff)) & in->pc_mask;
	cpu->head->icount = n->icount_end - n->left - (n->site >> 16);
}

/* Of a C function that may have changed the TLB. */
static int status_of(struct jit_cpu *cpu, int status)
{
	memos_forget(cpu);
	if (status == BP_H_OK && cpu->leave_after)
		status = BP_H_LEAVE;
	cpu->leave_after = false;
	return status;
}

int native_slow_load(struct jit_cpu *cpu)
{
	struct jit_native *n = &cpu->native;
	uint64_t v[8] = { 0 };
	const uint8_t *p = unaligned(cpu, n->addr, n->memop, BP_ACC_READ);
	if (p) {
		memos_forget(cpu);
		memcpy(&n->value, p, 1u << (n->memop & BP_MEM_SIZE));
		return BP_H_OK;
	}
	unsigned flags = native_host_flags();
	settle(cpu);
	int status = cpu->host->load(cpu, n->addr, n->memop, v);
	n->value = v[0];
	native_host_restore(flags);
	return status_of(cpu, status);
}

int native_slow_store(struct jit_cpu *cpu)
{
	struct jit_native *n = &cpu->native;
	uint64_t v[8] = { n->value };
	uint8_t *p = unaligned(cpu, n->addr, n->memop, BP_ACC_WRITE);
	if (p) {
		memos_forget(cpu);
		memcpy(p, v, 1u << (n->memop & BP_MEM_SIZE));
		return BP_H_OK;
	}
	unsigned flags = native_host_flags();
	settle(cpu);
	int status = status_of(cpu, cpu->host->store(cpu, n->addr, n->memop, v));
	native_host_restore(flags);
	return status;
}

int native_slow_rmw(struct jit_cpu *cpu)
{
	struct jit_native *n = &cpu->native;
	uint64_t operand[2] = { n->value, 0 }, found[2] = { 0, 0 };
	unsigned flags = native_host_flags();
	settle(cpu);
	int status = cpu->host->rmw(cpu, n->addr, n->memop, n->rmw, operand, found);
	n->value = found[0];
	native_host_restore(flags);
	return status_of(cpu, status);
}

int native_memory(struct jit_cpu *cpu, const struct mem *m)
{
	unsigned flags = native_host_flags();
	settle(cpu);
	int status = status_of(cpu, generic_memory(cpu, (uint8_t *)cpu->head, m));
	native_host_restore(flags);
	return status;
}

int native_generic(struct jit_cpu *cpu, const struct gen *g)
{
	unsigned flags = native_host_flags();
	g->fn(cpu, (uint8_t *)cpu->head, g); /* adds to the guest's own flags */
	native_host_restore(flags);
	return BP_H_OK;
}

int native_call(struct jit_cpu *cpu, const struct call *call)
{
	native_host_gather(cpu); /* the helper may look at the guest's flags */
	settle(cpu);
	int status = status_of(cpu, interp_call(cpu->head, call));
	native_host_clear(); /* and has added its own to them */
	return status;
}

int native_raise(struct jit_cpu *cpu, uint32_t cause)
{
	settle(cpu);
	cpu->host->raise(cpu, cause, cpu->native.value);
	return BP_H_RAISED;
}

/* ---- finding blocks ---- */

static enum found translate(
	struct finder *f, const struct cache_key *key, struct jit_given *given, uint64_t prepared)
{
	struct jit_cpu *cpu = f->in->cpu;
	struct ir_block *ir = f->in->ir;
	if (!given->code[0].ram)
		return FOUND_NOT_NATIVE;
	switch (build_block(
		cpu, cpu->head->pc, key->key, given, key->limit & ~BLOCK_NATIVE, true, ir)) {
	case BUILD_FAULT: return FOUND_FAULT;
	case BUILD_ERROR: return FOUND_NOT_NATIVE; /* the interpreter says what is wrong */
	default: break;
	}
	if (ir->crosses && !ir->second.ram)
		return FOUND_NOT_NATIVE;
	f->block = native_compile(f->in->native->compiler, ir);
	if (!f->block) {
		code_cache_flush(); /* all chunks have code: begin anew when no CPU is in it any more */
		return FOUND_NOT_NATIVE;
	}
	f->block->limit = key->limit;
	cache_insert(f->block, prepared);
	return FOUND;
}

/* The exit that was taken leads to the block that was found: at once from now on; by the jump cache if what it leads
 * to depends on more than the page that both are in (an instruction across its end, another key). */
static void link_exit(struct native *n, struct link *link)
{
	const struct block *to = n->finder.block;
	if (!link)
		return;
	bool near = n->cpu->flat ||
		(!to->crosses && !((link->from->offset ^ to->offset) & n->cpu->page_mask));
	if (n->modes->nolink || atomic_load(&link->from->dead))
		return;
	if (near && link->from->key == to->key)
		cache_link(link, n->finder.block);
	else
		cache_link_lookup(link);
}

/* ---- running ---- */

/* Whether what is observed asks for the interpreter. */
static bool observed(const struct jit_cpu *cpu)
{
	return cpu->have_breakpoints ||
		atomic_load_explicit(&hub_wanted, memory_order_relaxed) &
		(BP_TRACE_EXEC | BP_TRACE_BLOCK | BP_TRACE_MEMORY);
}

/* `count` instructions by the interpreter; BP_EXIT_BUDGET when they are done. */
static int interpret(struct native *n, uint64_t count)
{
	struct jit_cpu *cpu = n->cpu;
	uint64_t before = cpu->head->icount;
	int why = interp_run(cpu, count);
	n->budget -= cpu->head->icount - before;
	if (cache_enter(n->in)) /* interp_run left it */
		jumps_clear(cpu);
	return why;
}

static void evict(struct native *n)
{
	const struct block *b = n->finder.block;
	code_cache_invalidate(b->ram, b->offset, b->bytes);
	n->dropped = n->cpu->head->icount;
}

static enum native_exit enter(struct native *n)
{
	struct jit_cpu *cpu = n->cpu;
	uint32_t some = MAX(MAX(n->modes->evict, EVICT_SLICE), n->finder.block->insns);
	uint64_t slice = MIN(n->budget, n->modes->evict ? some : NATIVE_SLICE);
	cpu->native.pc = cpu->head->pc;
	cpu->native.left = slice;
	cpu->native.icount_end = cpu->head->icount + slice;
	cpu->native.link = NULL;
	memset(cpu->memo_owner, 0, sizeof(cpu->memo_owner)); /* the TLB may have changed */
	/* A sample: it may miss what another CPU adds, and costs no locked instruction. */
	_Atomic(uint32_t) *heat = &n->finder.block->heat;
	atomic_store_explicit(
		heat, atomic_load_explicit(heat, memory_order_relaxed) + 1, memory_order_relaxed);
	unsigned flags = native_host_flags();
	native_host_clear();
	enum native_exit why = (enum native_exit)native_host_enter(cpu, n->finder.block->entry);
	native_host_gather(cpu);
	native_host_restore(flags);
	if (why == NATIVE_RAISED) {
		/* head.pc and icount are exact; what it does counts as one instruction */
		n->budget -= cpu->head->icount + 1 - (cpu->native.icount_end - slice);
		uint64_t count = cpu->head->icount + 1;
		cpu->host->deliver(cpu);
		cpu->head->icount = count;
		cpu->leave_after = false;
	} else {
		n->budget -= slice - cpu->native.left;
		cpu->head->pc = cpu->native.pc;
		cpu->head->icount = cpu->native.icount_end - cpu->native.left;
	}
	if (n->modes->evict && cpu->head->icount - n->dropped >= n->modes->evict)
		evict(n);
	return why;
}

/* One step; 0 to go on, else enum bp_exit. */
static int step(struct native *n, struct link **link)
{
	struct jit_cpu *cpu = n->cpu;
	struct link *taken = *link;
	*link = NULL;
	if (!n->budget)
		return BP_EXIT_BUDGET;
	if (must_leave(cpu))
		return BP_EXIT_PENDING;
	if (cache_safepoint(n->in)) {
		jumps_clear(cpu);
		taken = NULL;
	}
	int why = BP_EXIT_BUDGET;
	switch (find_block(&n->finder)) {
	case FOUND_FAULT:
		cpu->host->deliver(cpu);
		cpu->head->icount++;
		n->budget--;
		return 0;
	case FOUND_NOT_NATIVE:
		why = interpret(n, 1);
		n->in->given.count = 0;
		return why == BP_EXIT_BUDGET ? 0 : why;
	default: break;
	}
	link_exit(n, taken);
	if (n->finder.block->insns > n->budget)
		return interpret(n, n->budget);
	switch (enter(n)) {
	case NATIVE_LOOKUP: *link = cpu->native.link; return 0;
	case NATIVE_LEAVE: return n->budget ? BP_EXIT_PENDING : BP_EXIT_BUDGET;
	case NATIVE_HALT: return BP_EXIT_HALT;
	case NATIVE_INTERP:
		if (n->budget)
			why = interpret(n, MIN(n->budget, (uint64_t)cpu->native.site));
		return why == BP_EXIT_BUDGET ? 0 : why;
	default: return 0;
	}
}

int native_run(struct jit_cpu *cpu, uint64_t budget)
{
	struct interp *in = cpu->engine;
	struct native *n = in->native;
	struct link *link = NULL;
	int why = 0;
	if (observed(cpu))
		return interp_run(cpu, budget);
	n->budget = budget;
	if (cache_enter(in))
		jumps_clear(cpu);
	cpu->leave_after = false;
	while (!why)
		why = step(n, &link);
	cache_leave(in);
	return why;
}

/* ---- the engine ---- */

bool native_available(void)
{
	return native_host_init();
}

static const uint64_t special[2][SPECIALS] = {
	{ UINT64_C(0xffffffff7fc00000), UINT64_C(0xffffffff7f800000),
		UINT64_C(0xffffffffff800000) },
	{ UINT64_C(0x7ff8000000000000), UINT64_C(0x7ff0000000000000),
		UINT64_C(0xfff0000000000000) },
};

void native_init(struct jit_cpu *cpu, uint32_t frame_offset)
{
	interp_init(cpu, frame_offset);
	struct native *n = g_new0(struct native, 1);
	n->cpu = cpu;
	n->in = cpu->engine;
	n->in->native = n;
	n->modes = modes();
	n->compiler = native_compiler_create(n->in);
	cpu->native.jumps = g_new(struct jit_jump, 1u << JIT_JUMP_CACHE_BITS);
	memcpy(cpu->special, special, sizeof(special));
	cpu->box[0] = UINT64_MAX << 32;
	jumps_clear(cpu);
	n->finder = (struct finder){ .in = n->in,
		.jumps = cpu->native.jumps,
		.limit_flag = BLOCK_NATIVE,
		.translate = translate };
}

void native_finish(struct jit_cpu *cpu)
{
	struct interp *in = cpu->engine;
	if (!in)
		return;
	native_compiler_destroy(in->native->compiler);
	g_free(in->native);
	g_free(cpu->native.jumps);
	cpu->native.jumps = NULL;
	interp_finish(cpu);
}

static void *attach(void *instance, const struct bp_cpu *type, bp_error *err)
{
	struct jit_cpu *cpu = ((struct bp_cpu_head *)instance)->core;
	uint32_t size = object_of(instance)->type->object->instance_size;
	(void)type;
	(void)err;
	native_init(cpu, OBJECT_FRAME(size));
	return cpu;
}

static void detach(void *engine_cpu)
{
	native_finish(engine_cpu);
}

static int run(void *engine_cpu, uint64_t budget)
{
	return native_run(engine_cpu, budget);
}

const struct bp_engine native_engine = {
	.size = sizeof(struct bp_engine),
	.name = "jit",
	.attach = attach,
	.detach = detach,
	.run = run,
	.kick = interp_kick,
	.get_registers = interp_nothing,
	.set_registers = interp_nothing,
	.memory_changed = interp_nothing,
};
