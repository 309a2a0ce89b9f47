/* SPDX-License-Identifier: MIT */
/* One virtual CPU: run loop, software TLB, slow accesses, faults, breakpoints and watchpoints.
 *
 *   vcpu.c    life, run loop, the services of "bp.cpu-core/1"
 *   tlb.c     address spaces, fills, flushes
 *   access.c  the slow way of every guest access
 *   user.c    CPUs that run programs in the process's own address space
 *   code.c    fetch, pages with translated code, breakpoints, watchpoints */
#ifndef CPU_VCPU_H
#define CPU_VCPU_H
#include "bus/bus.h"
#include "jit/jit.h"
#include "plugin/object.h"
#include "sched/sched.h"
#include <backplane/engine.h>

struct vcpu_options {
	struct bus_space *memory; /* where translated addresses go */
	bool user; /* nowhere: it runs a program (user.h); no thread is made for it */
	uint32_t block_insns; /* 0: the engine's default */
	bool check_ir; /* verify every translation, at two addresses */
	const struct bp_engine *engine; /* NULL: the preferred one */
};

/* "jit" or "interp"; NULL: not on this host. [any] */
const struct bp_engine *vcpu_engine(const char *name);
/* What executes CPUs whose options name no engine; first of all "jit" where there is one. [main] */
void vcpu_prefer_engine(const struct bp_engine *engine);

/* Make the CPU behind a created object; its thread starts with sched_run. */
int vcpu_create(struct object *o, const struct vcpu_options *options, bp_error *err);
/* Forget translations and watches: after the object's own reset. All CPUs are parked. */
void vcpu_reset(struct object *o);
void vcpu_destroy(struct object *o);

/* What a snapshot needs beside head, while the CPU is parked: LL's watch, and the halt. */
struct vcpu_rest {
	bool halted;
	struct bus_ram *watch_ram; /* NULL: nothing is watched */
	uint64_t watch_offset, watch_value[2];
	unsigned watch_size;
};
void vcpu_rest_get(const struct object *o, struct vcpu_rest *out);
void vcpu_rest_set(struct object *o, const struct vcpu_rest *in);

/* Services for frontends, by host->interface("bp.cpu-core/1") and ("bp.float/1"). */
extern const struct bp_cpu_core vcpu_services;

/* Debugging: stop before pc; stop after an access of the given kinds (1 << enum bp_ir_access) that
 * touches [addr, addr + len). A hit pauses the machine and calls the listener on the vCPU's thread.
 * CPUs must be parked. 0, or -1: too many. */
int vcpu_breakpoint(uint64_t pc, bool on);
int vcpu_watchpoint(uint64_t addr, uint64_t len, unsigned kinds, bool on);
void vcpu_on_stop(void (*fn)(struct object *cpu, enum bp_exit why, uint64_t addr));

#endif
