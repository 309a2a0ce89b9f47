/* SPDX-License-Identifier: MIT */
#include "internal.h"
#include "jit/cache.h"
#include "trace/hub.h"
#include <glib.h>
#include <string.h>

enum { RUN_BUDGET = 1 << 30, EXIT_ENGINE_FAILED = 70 };

static _Atomic(uint32_t) cpu_total;

/* ---- struct jit_host ---- */

static void record(struct jit_cpu *j, uint32_t cause, uint64_t value)
{
	struct vcpu *v = (struct vcpu *)j;
	v->is_fault = false;
	v->cause = cause;
	v->value = value;
}

static void deliver(struct jit_cpu *j)
{
	struct vcpu *v = (struct vcpu *)j;
	struct bp_trace_exception e = { .size = sizeof(e),
		.cpu = j->head->index,
		.pc = j->head->pc,
		.cause = v->is_fault ? v->fault.cause : v->cause,
		.value = v->is_fault ? v->fault.addr : v->value,
		.icount = j->head->icount };
	v->resuming = false;
	if (v->user)
		user_raised(v);
	else if (v->is_fault)
		v->type->memory_fault(v->cpu, &v->fault);
	else
		v->type->exception(v->cpu, v->cause, v->value);
	if (hub_on(BP_TRACE_EXCEPTION)) {
		e.target = j->head->pc;
		hub_exception(&e);
	}
}

static int64_t guest_time(struct jit_cpu *j)
{
	(void)j;
	return sched_now(BP_CLOCK_VIRTUAL);
}

static const struct jit_host jit_host = {
	.load = access_load,
	.store = access_store,
	.store_pair = access_store_pair,
	.rmw = access_rmw,
	.cas = access_cas,
	.ll = access_ll,
	.sc = access_sc,
	.probe = access_probe,
	.fetch = code_fetch,
	.deliver = deliver,
	.raise = record,
	.time = guest_time,
	.breakpoint = code_breakpoint,
};

/* ---- the run loop ---- */

/* Whether the CPU should look around: pending is cleared first, and the frontend sets it again
 * when something may have become deliverable, so nothing is lost between. */
static void take_interrupt(struct vcpu *v)
{
	struct bp_cpu_head *head = v->jit.head;
	uint64_t pc = head->pc;
	if (!__atomic_exchange_n(&head->pending, 0, __ATOMIC_SEQ_CST))
		return;
	if (!v->type->interrupt(v->cpu))
		return;
	v->polls = 0;
	if (hub_on(BP_TRACE_EXCEPTION)) {
		struct bp_trace_exception e = { .size = sizeof(e),
			.cpu = head->index,
			.pc = pc,
			.target = head->pc,
			.cause = UINT32_MAX,
			.interrupt = 1,
			.icount = head->icount };
		hub_exception(&e);
	}
}

/* After POLL_INSNS without another halt in vain: the guest has found what it waited for. That may be the first of several
 * things, so who brings them has time as if it had not. */
static bool found(struct vcpu *v)
{
	bool polled = v->polls > POLLS;
	v->polls = 0;
	return polled;
}

/* Once into the engine. *again: its thread may go straight on. */
static enum sched_run_result enter(struct vcpu *v, uint64_t budget, bool *again)
{
	*again = false;
	if (atomic_exchange(&v->flush_wanted, false))
		tlb_flush_all(v);
	take_interrupt(v);
	/* A breakpoint that was stopped at is stepped over alone. */
	int why = v->engine->run(v->engine_cpu, v->resuming ? 1 : budget);
	v->resuming = false;
	if (v->stopped_by_watch) {
		v->stopped_by_watch = false;
		why = BP_EXIT_WATCHPOINT;
	}
	switch (why) {
	case BP_EXIT_HALT:
		if (!v->type->has_work(v->cpu)) {
			v->polls = 0;
			return SCHED_HALTED;
		}
		/* In vain: an interrupt pends and is not taken. Now and then an idle system halts so, and
		 * takes it next; firmware that does in a tight loop waits for memory to change. */
		if (++v->polls > POLLS)
			return SCHED_POLLS;
		break;
	case BP_EXIT_BUDGET:
		if (found(v))
			return SCHED_POLLS;
		break;
	case BP_EXIT_BREAKPOINT:
	case BP_EXIT_WATCHPOINT: code_stopped(v, (enum bp_exit)why); return SCHED_AGAIN;
	case BP_EXIT_ERROR:
		sched_request(v->cpu, BP_REQ_QUIT, EXIT_ENGINE_FAILED);
		return SCHED_HALTED;
	default: break;
	}
	*again = true;
	return SCHED_AGAIN;
}

static enum sched_run_result run(void *arg)
{
	struct vcpu *v = arg;
	enum sched_run_result result;
	bool again;
	do {
		atomic_store(&v->jit.kick, 0);
		if (atomic_exchange(&v->stop, false))
			return SCHED_AGAIN;
		result = enter(v, v->polls ? POLL_INSNS : RUN_BUDGET, &again);
	} while (again);
	return result;
}

static enum sched_run_result step(void *arg, uint64_t budget)
{
	struct vcpu *v = arg;
	bool again;
	atomic_store(&v->jit.kick, 0);
	atomic_store(&v->stop, false);
	return enter(v, budget, &again);
}

static uint64_t count(void *arg)
{
	return ((struct vcpu *)arg)->jit.head->icount;
}

static void leave(void *arg)
{
	((struct vcpu *)arg)->jit.leave_after = true;
}

static void kick(void *arg)
{
	struct vcpu *v = arg;
	atomic_store(&v->stop, true);
	v->engine->kick(v->engine_cpu);
}

static bool has_work(void *arg)
{
	struct vcpu *v = arg;
	/* A wish to stop is none: a halt is not left for it. */
	return v->type->has_work(v->cpu);
}

static const struct sched_cpu_ops cpu_ops = { run, kick, has_work, step, count, leave };

static void map_changed(void *arg)
{
	/* Often on a vCPU's own thread, inside a device: only ask. */
	struct vcpu *v = arg;
	atomic_store(&v->flush_wanted, true);
	v->engine->kick(v->engine_cpu);
}

/* ---- engines ---- */

static const struct bp_engine *preferred;

const struct bp_engine *vcpu_engine(const char *name)
{
	if (!strcmp(name, "jit"))
		return native_available() ? &native_engine : NULL;
	return strcmp(name, "interp") ? NULL : &interp_engine;
}

void vcpu_prefer_engine(const struct bp_engine *engine)
{
	preferred = engine;
}

static const struct bp_engine *preferred_engine(void)
{
	const struct bp_engine *jit = preferred ? NULL : vcpu_engine("jit");
	return preferred ? preferred : jit ? jit : &interp_engine;
}

/* ---- life ---- */

int vcpu_create(struct object *o, const struct vcpu_options *options, bp_error *err)
{
	const struct bp_cpu *type = o->type->ext;
	if (!type || type->size < sizeof(*type) || type->ir_level != BP_IR_LEVEL)
		return object_fail(err,
			"this CPU type was built for another level of the intermediate "
			"representation "
			"than %d; rebuild its plugin",
			BP_IR_LEVEL);
	if (!options->memory && !options->user)
		return object_fail(err, "memory: a CPU needs an address space; name one");
	struct vcpu *v = g_new0(struct vcpu, 1);
	v->object = o;
	v->type = type;
	v->cpu = o->instance;
	v->memory = options->memory;
	v->jit.head = o->instance;
	v->jit.type = type;
	v->jit.field_strides[0] = o->type->cpu_reg_size;
	v->jit.field_strides[1] = o->type->helper_size;
	v->jit.config = (const char *)o->instance + type->config_offset;
	v->jit.host = &jit_host;
	v->jit.helpers = type->helpers;
	v->jit.page_bits = type->page_bits;
	v->jit.page_mask = ~((UINT64_C(1) << type->page_bits) - 1);
	v->jit.block_insns = options->block_insns;
	v->jit.check_ir = options->check_ir;
	v->jit.head->core = v;
	v->jit.head->index = atomic_fetch_add(&cpu_total, 1);
	o->vcpu = v;
	tlb_init(v);
	v->user = options->user;
	if (v->user)
		user_init(v);
	v->engine = options->engine ? options->engine : preferred_engine();
	v->engine_cpu = v->engine->attach(v->cpu, type, err);
	if (!v->engine_cpu)
		return -1;
	if (v->user)
		return 0;
	bus_on_change(v->memory, map_changed, v);
	v->thread = sched_cpu_add(&cpu_ops, v, o->name);
	return 0;
}

void vcpu_reset(struct object *o)
{
	struct vcpu *v = o->vcpu;
	if (!v)
		return;
	v->watch_host = NULL;
	v->resuming = false;
	v->polls = 0;
	tlb_flush_all(v);
}

void vcpu_rest_get(const struct object *o, struct vcpu_rest *out)
{
	const struct vcpu *v = o->vcpu;
	*out = (struct vcpu_rest){ .halted = sched_cpu_halted(v->thread) };
	struct bus_ram *ram = v->watch_host ? bus_ram_find(v->watch_host) : NULL;
	if (!ram)
		return;
	uint64_t offset = (uint64_t)(v->watch_host - ram->host);
	if (atomic_load(bus_ram_conditionals(ram, offset)) != v->watch_turn)
		return; /* lost to another CPU's store-conditional */
	out->watch_ram = ram;
	out->watch_offset = offset;
	out->watch_size = v->watch_size;
	memcpy(out->watch_value, v->watch_value, sizeof(out->watch_value));
}

void vcpu_rest_set(struct object *o, const struct vcpu_rest *in)
{
	struct vcpu *v = o->vcpu;
	sched_cpu_set_halted(v->thread, in->halted);
	v->watch_host = in->watch_ram ? in->watch_ram->host + in->watch_offset : NULL;
	if (in->watch_ram)
		v->watch_turn = atomic_load(bus_ram_conditionals(in->watch_ram, in->watch_offset));
	v->watch_size = in->watch_size;
	memcpy(v->watch_value, in->watch_value, sizeof(v->watch_value));
}

void vcpu_destroy(struct object *o)
{
	struct vcpu *v = o->vcpu;
	if (!v)
		return;
	if (!v->user)
		bus_off_change(v->memory, map_changed, v);
	if (v->engine_cpu)
		v->engine->detach(v->engine_cpu);
	user_finish(v);
	tlb_finish(v);
	g_free(v);
	o->vcpu = NULL;
	atomic_fetch_sub(&cpu_total, 1);
}

/* ---- "bp.cpu-core/1" ---- */

static void trace_memory(
	struct vcpu *v, uint64_t addr, unsigned bytes, unsigned write, const uint64_t *value)
{
	struct bp_trace_memory e = { .size = sizeof(e),
		.cpu = v->jit.head->index,
		.pc = v->jit.head->pc,
		.addr = addr,
		.bytes = bytes,
		.write = write };
	if (value)
		memcpy(e.value, value, bytes < sizeof(e.value) ? bytes : sizeof(e.value));
	hub_memory(&e);
}

static int service_load(void *cpu, uint64_t addr, uint32_t memop, uint64_t *value)
{
	struct vcpu *v = vcpu_of(cpu);
	uint64_t raw[8];
	unsigned size = 1u << (memop & BP_MEM_SIZE);
	int r = access_load(&v->jit, addr, memop, raw);
	if (r != BP_H_OK)
		return r;
	if (hub_on(BP_TRACE_MEMORY))
		trace_memory(v, addr, size, 0, raw);
	if (memop & BP_MEM_SIGNED && size < 8)
		raw[0] = (uint64_t)((int64_t)(raw[0] << (64 - 8 * size)) >> (64 - 8 * size));
	memcpy(value, raw, size < 8 ? 8 : size);
	return BP_H_OK;
}

static int service_store(void *cpu, uint64_t addr, uint32_t memop, const uint64_t *value)
{
	struct vcpu *v = vcpu_of(cpu);
	unsigned size = 1u << (memop & BP_MEM_SIZE);
	uint64_t raw[8] = { 0 };
	memcpy(raw, value, size < 8 ? 8 : size);
	int r = access_store(&v->jit, addr, memop, raw);
	if (r == BP_H_OK && hub_on(BP_TRACE_MEMORY))
		trace_memory(v, addr, size, 1, raw);
	return r;
}

static int service_load_bytes(void *cpu, uint64_t addr, void *buf, uint32_t len, uint32_t memop)
{
	struct vcpu *v = vcpu_of(cpu);
	int r = access_bytes(v, addr, buf, len, memop, false);
	if (r == BP_H_OK && hub_on(BP_TRACE_MEMORY))
		trace_memory(v, addr, len, 0, NULL);
	return r;
}

static int service_store_bytes(
	void *cpu, uint64_t addr, const void *buf, uint32_t len, uint32_t memop)
{
	struct vcpu *v = vcpu_of(cpu);
	uint8_t bytes[256];
	for (uint32_t done = 0, n; done < len; done += n) {
		n = MIN(len - done, (uint32_t)sizeof(bytes));
		memcpy(bytes, (const uint8_t *)buf + done, n);
		if (done == 0 && len > n &&
			access_probe(&v->jit, addr, len, BP_ACC_WRITE, memop) != BP_H_OK)
			return BP_H_RAISED;
		int r = access_bytes(v, addr + done, bytes, n, memop, true);
		if (r != BP_H_OK)
			return r;
	}
	if (hub_on(BP_TRACE_MEMORY))
		trace_memory(v, addr, len, 1, NULL);
	return BP_H_OK;
}

static int service_probe(
	void *cpu, uint64_t addr, uint32_t len, unsigned access, uint32_t memop, int quiet)
{
	struct vcpu *v = vcpu_of(cpu);
	struct place p;
	if (!quiet)
		return access_probe(&v->jit, addr, len, access, memop);
	unsigned regime = (memop & BP_MEM_REGIME) >> BP_MEM_REGIME_SHIFT;
	for (uint64_t at = addr; at - addr < len; at += page_left(v, at))
		if (tlb_peek(v, regime, at, access, &p) != 0)
			return 1;
	return 0;
}

static int service_phys_load(void *cpu, uint64_t phys, unsigned bytes, uint64_t *value)
{
	struct vcpu *v = vcpu_of(cpu);
	struct bus_target t;
	*value = 0;
	if (bus_resolve(v->memory, phys, &t),
		t.host && t.length >= bytes && !(phys & (bytes - 1))) {
		*value = bytes == 8 ? __atomic_load_n((uint64_t *)(void *)t.host, __ATOMIC_ACQUIRE)
				    : __atomic_load_n((uint32_t *)(void *)t.host, __ATOMIC_ACQUIRE);
		return BP_OK;
	}
	struct bp_access how = { .size = sizeof(how),
		.requester = v->jit.head->index,
		.pasid = UINT32_MAX,
		.is_cpu = 1 };
	return bus_access(v->memory, phys, value, bytes, false, &how);
}

static int service_phys_cas(
	void *cpu, uint64_t phys, unsigned bytes, uint64_t *expected, uint64_t desired)
{
	struct vcpu *v = vcpu_of(cpu);
	struct bus_target t;
	bool ok;
	bus_resolve(v->memory, phys, &t);
	if (!t.host || !t.writable || t.length < bytes || phys & (bytes - 1))
		return BP_BUS_ERROR;
	if (bytes == 8) {
		ok = __atomic_compare_exchange_n((uint64_t *)(void *)t.host, expected, desired,
			false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	} else {
		uint32_t e = (uint32_t)*expected;
		ok = __atomic_compare_exchange_n((uint32_t *)(void *)t.host, &e, (uint32_t)desired,
			false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
		*expected = e;
	}
	if (ok) {
		bus_ram_dirty(t.ram, t.offset, bytes);
		code_written(v, t.ram, t.offset, bytes);
	}
	return BP_OK;
}

static int service_raise(void *cpu, uint32_t cause, uint64_t value)
{
	record(&vcpu_of(cpu)->jit, cause, value);
	return BP_H_RAISED;
}

static void service_pending_set(void *cpu, uint32_t bits)
{
	struct vcpu *v = vcpu_of(cpu);
	if (!v)
		return;
	__atomic_or_fetch(&v->jit.head->pending, bits, __ATOMIC_SEQ_CST);
	v->engine->kick(v->engine_cpu);
	if (v->thread)
		sched_cpu_wake(v->thread);
}

static void service_pending_clear(void *cpu, uint32_t bits)
{
	__atomic_and_fetch(&((struct bp_cpu_head *)cpu)->pending, ~bits, __ATOMIC_SEQ_CST);
}

static void service_space_select(void *cpu, uint64_t id)
{
	struct vcpu *v = vcpu_of(cpu);
	if (v)
		tlb_select(v, id);
}

struct flush {
	uint64_t addr, len, id;
	bool any_id, global;
};

static void flush_one(void *arg, void *ctx)
{
	const struct flush *f = ctx;
	tlb_flush(arg, f->addr, f->len, f->id, f->any_id, f->global);
}

static void service_tlb_flush(
	void *cpu, uint64_t addr, uint64_t len, uint64_t id, int any_id, int global, int everywhere)
{
	struct flush f = { addr, len, id, any_id, global };
	if (!vcpu_of(cpu))
		return;
	if (everywhere)
		sched_on_all_cpus(flush_one, &f);
	else
		flush_one(vcpu_of(cpu), &f);
}

static void service_code_sync(void *cpu)
{
	/* Stores to pages with code are seen as they happen, on every CPU: nothing is left to do. A
	 * program's are not. */
	if (vcpu_of(cpu)->user)
		user_code_sync();
}

static void service_exclusive_begin(void *cpu)
{
	(void)cpu;
	sched_exclusive_begin();
}

static void service_exclusive_end(void *cpu)
{
	(void)cpu;
	sched_exclusive_end();
}

static uint64_t service_icount(void *cpu)
{
	return ((struct bp_cpu_head *)cpu)->icount;
}

static void service_unwatch(void *cpu)
{
	struct vcpu *v = vcpu_of(cpu);
	if (v)
		v->watch_host = NULL;
}

static uint32_t service_cpu_count(void *cpu)
{
	(void)cpu;
	return atomic_load(&cpu_total);
}

const struct bp_cpu_core vcpu_services = {
	.size = sizeof(struct bp_cpu_core),
	.load = service_load,
	.store = service_store,
	.load_bytes = service_load_bytes,
	.store_bytes = service_store_bytes,
	.probe = service_probe,
	.phys_load = service_phys_load,
	.phys_cas = service_phys_cas,
	.raise = service_raise,
	.pending_set = service_pending_set,
	.pending_clear = service_pending_clear,
	.space_select = service_space_select,
	.tlb_flush = service_tlb_flush,
	.code_sync = service_code_sync,
	.exclusive_begin = service_exclusive_begin,
	.exclusive_end = service_exclusive_end,
	.icount = service_icount,
	.unwatch = service_unwatch,
	.cpu_count = service_cpu_count,
};
