/* SPDX-License-Identifier: MIT */
/* "bp.engine/1": what executes a CPU. The core has the interpreter; hardware-assisted engines come
 * as plugins. */
#ifndef BACKPLANE_ENGINE_H
#define BACKPLANE_ENGINE_H
#include <backplane/cpu.h>
#ifdef __cplusplus
extern "C" {
#endif

enum bp_exit { /* why run() came back */
	BP_EXIT_BUDGET = 1, /* the instruction budget is used up */
	BP_EXIT_PENDING, /* head.pending is set or kick() was called */
	BP_EXIT_HALT, /* the CPU waits */
	BP_EXIT_BREAKPOINT, /* at head.pc, before its instruction */
	BP_EXIT_WATCHPOINT, /* after the instruction that touched it */
	BP_EXIT_ERROR /* the frontend or the engine failed; the text is in the log */
};

struct bp_engine {
	uint32_t size, reserved;
	const char *name; /* "interp", "jit", "kvm" */
	/* Attach to a CPU: returns the engine's own state for it, or NULL after host->fail. [main] */
	void *(*attach)(void *cpu, const struct bp_cpu *type, bp_error *err);
	void (*detach)(void *engine_cpu);
	/* Run at most `budget` instructions (exact), until there is a reason to come back. [cpu] */
	int (*run)(void *engine_cpu, uint64_t budget);
	/* Make run() come back soon. [any] */
	void (*kick)(void *engine_cpu);
	/* Copy registers out of and into the engine: between runs only. The CPU's instance is the
	 * place they come from and go to; engines that work in the instance do nothing. [cpu] */
	void (*get_registers)(void *engine_cpu);
	void (*set_registers)(void *engine_cpu);
	/* RAM slots came, went or changed (read-only ones too). [main] */
	void (*memory_changed)(void *engine_cpu);
};

#ifdef __cplusplus
}
#endif
#endif
