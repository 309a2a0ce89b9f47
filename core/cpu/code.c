/* SPDX-License-Identifier: MIT */
/* Where code comes from, and what happens when it is written, stopped at or watched.
 *
 * A page is marked before its bytes are read for translation: from then on stores to it come the
 * slow way on every CPU and drop exactly the blocks that they touch. */
#include "internal.h"
#include "jit/cache.h"
#include <string.h>

static struct {
	uint64_t pc[MAX_STOPS];
	unsigned count;
} breakpoints;
static struct {
	struct watch {
		uint64_t addr, len;
		unsigned kinds;
	} at[MAX_STOPS];
	unsigned count;
} watchpoints;
static void (*stop_listener)(struct object *cpu, enum bp_exit why, uint64_t addr);

struct protect {
	const struct bus_ram *ram;
	uint64_t page;
};

static void protect_one(void *arg, void *ctx)
{
	struct vcpu *v = arg;
	const struct protect *p = ctx;
	tlb_protect(v, p->ram, p->page);
}

static void mark_page(struct vcpu *v, struct bus_ram *ram, uint64_t offset)
{
	struct protect p = { ram, offset & v->jit.page_mask };
	if (bus_ram_code(ram, offset))
		return;
	/* Mark while all stand: no store can be under way between the mark and the TLBs' change. */
	sched_exclusive_begin();
	bus_ram_code_mark(ram, offset, true);
	sched_on_all_cpus(protect_one, &p);
	sched_exclusive_end();
}

/* Code outside RAM: as many bytes as the device gives, up to the longest instruction. */
static int fetch_device(
	struct vcpu *v, uint64_t pc, unsigned regime, const struct place *p, struct jit_code *out)
{
	unsigned step = v->type->insn_align ? v->type->insn_align : 1, n = 0;
	uint64_t left = page_left(v, pc);
	int status = BP_OK;
	struct bp_access how = { .size = sizeof(how),
		.flags = BP_ACCESS_FETCH,
		.requester = v->jit.head->index,
		.pasid = UINT32_MAX,
		.is_cpu = 1 };
	while (n + step <= v->type->insn_max && n + step <= left &&
		n + step <= sizeof(v->fetch_buffer)) {
		status = bus_access(p->space, p->phys + n, v->fetch_buffer + n, step, false, &how);
		if (status != BP_OK)
			break;
		n += step;
	}
	if (!n)
		return access_fault(v, BP_FAULT_BUS, BP_ACC_EXEC, regime, pc, (unsigned)status);
	*out = (struct jit_code){ .bytes = v->fetch_buffer, .avail = n };
	return BP_H_OK;
}

int code_fetch(struct jit_cpu *j, uint64_t pc, uint64_t key, struct jit_code *out)
{
	struct vcpu *v = (struct vcpu *)j;
	unsigned regime = v->type->fetch_regime(j->config, key);
	struct place p;
	if (v->user)
		return user_fetch(v, pc, out);
	if (tlb_lookup(v, regime, pc, BP_ACC_EXEC, BP_ACC_EXEC, &p) != BP_H_OK)
		return BP_H_RAISED;
	tlb_executed(v, pc);
	if (!p.host)
		return fetch_device(v, pc, regime, &p, out);
	uint64_t left = page_left(v, pc);
	if (p.length < left) {
		/* One verdict covers less than the page: run what it covers, keep nothing. */
		*out = (struct jit_code){ .bytes = p.host, .avail = (uint32_t)p.length };
		return BP_H_OK;
	}
	mark_page(v, p.ram, p.offset);
	*out = (struct jit_code){
		.ram = p.ram, .offset = p.offset, .bytes = p.host, .avail = (uint32_t)left
	};
	return BP_H_OK;
}

static void unmark(void *ram, uint64_t offset)
{
	bus_ram_code_mark(ram, offset, false);
}

bool code_written(struct vcpu *v, struct bus_ram *ram, uint64_t offset, uint64_t len)
{
	if (!bus_ram_code(ram, offset))
		return false;
	if (code_cache_invalidate(ram, offset, len))
		return true;
	/* Data beside code: after some stores the page is worth more to them than to the blocks. */
	uint64_t page = offset & v->jit.page_mask;
	if (v->stale_ram != ram || v->stale_page != page) {
		v->stale_ram = ram;
		v->stale_page = page;
		v->stale_stores = 0;
	}
	if (++v->stale_stores < STALE_STORES)
		return false;
	v->stale_stores = 0;
	/* In one: else another CPU's store might find the page unmarked, and its blocks still there. */
	return code_cache_release(ram, page, ~v->jit.page_mask + 1, unmark);
}

/* ---- breakpoints and watchpoints ---- */

bool code_breakpoint(struct jit_cpu *j, uint64_t pc)
{
	struct vcpu *v = (struct vcpu *)j;
	if (v->resuming && v->resume_pc == pc)
		return false;
	for (unsigned i = 0; i < breakpoints.count; i++)
		if (breakpoints.pc[i] == pc)
			return true;
	return false;
}

bool code_page_watched(uint64_t page, uint64_t page_size)
{
	for (unsigned i = 0; i < watchpoints.count; i++) {
		const struct watch *w = &watchpoints.at[i];
		if (w->addr - page < page_size || page - w->addr < w->len)
			return true;
	}
	return false;
}

void code_check_watch(struct vcpu *v, uint64_t addr, uint64_t len, unsigned access)
{
	for (unsigned i = 0; i < watchpoints.count; i++) {
		const struct watch *w = &watchpoints.at[i];
		if (w->kinds >> access & 1 && (w->addr - addr < len || addr - w->addr < w->len)) {
			v->stopped_by_watch = true;
			v->stop_addr = addr;
			v->jit.leave_after = true;
		}
	}
}

void code_stopped(struct vcpu *v, enum bp_exit why)
{
	v->resume_pc = v->jit.head->pc;
	v->resuming = why == BP_EXIT_BREAKPOINT;
	if (stop_listener)
		stop_listener(
			v->object, why, why == BP_EXIT_BREAKPOINT ? v->resume_pc : v->stop_addr);
	sched_request(v->cpu, BP_REQ_PAUSE, 0);
}

static void refresh(void *arg, void *ctx)
{
	struct vcpu *v = arg;
	(void)ctx;
	v->jit.have_breakpoints = breakpoints.count != 0;
	tlb_flush_all(v);
}

int vcpu_breakpoint(uint64_t pc, bool on)
{
	unsigned i = 0;
	while (i < breakpoints.count && breakpoints.pc[i] != pc)
		i++;
	if (on && i == breakpoints.count) {
		if (i == MAX_STOPS)
			return -1;
		breakpoints.pc[breakpoints.count++] = pc;
	} else if (!on && i < breakpoints.count) {
		breakpoints.pc[i] = breakpoints.pc[--breakpoints.count];
	}
	code_cache_flush();
	sched_on_all_cpus(refresh, NULL);
	return 0;
}

int vcpu_watchpoint(uint64_t addr, uint64_t len, unsigned kinds, bool on)
{
	unsigned i = 0;
	while (i < watchpoints.count &&
		(watchpoints.at[i].addr != addr || watchpoints.at[i].len != len ||
			watchpoints.at[i].kinds != kinds))
		i++;
	if (on && i == watchpoints.count) {
		if (i == MAX_STOPS)
			return -1;
		watchpoints.at[watchpoints.count++] = (struct watch){ addr, len, kinds };
	} else if (!on && i < watchpoints.count) {
		watchpoints.at[i] = watchpoints.at[--watchpoints.count];
	}
	sched_on_all_cpus(refresh, NULL);
	return 0;
}

void vcpu_on_stop(void (*fn)(struct object *cpu, enum bp_exit why, uint64_t addr))
{
	stop_listener = fn;
}
