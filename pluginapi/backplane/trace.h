/* SPDX-License-Identifier: MIT */
/* Tracers: plugins of kind BP_KIND_TOOL that watch a machine through the core's one hub.
 *
 * A tracer's bp_type.ext is a struct bp_tracer: the events it wants and one function for each. With
 * no tracer for an event, nothing of it is left in executed code. Events of one vCPU arrive on that
 * vCPU's thread in program order. */
#ifndef BACKPLANE_TRACE_H
#define BACKPLANE_TRACE_H
#include <backplane/base.h>
#ifdef __cplusplus
extern "C" {
#endif

enum bp_trace_event {
	BP_TRACE_BLOCK = 1, /* a block was translated */
	BP_TRACE_EXEC = 2, /* an instruction is about to run */
	BP_TRACE_MEMORY = 4, /* a guest load or store was done */
	BP_TRACE_REGISTER = 8, /* a device's declared register was read or written */
	BP_TRACE_EXCEPTION = 16, /* an exception or interrupt is entered */
	BP_TRACE_LINE = 32 /* a wire changed its level */
};

struct bp_trace_block {
	uint32_t size, cpu;
	uint64_t pc, key;
	uint32_t insns, bytes;
};
struct bp_trace_exec {
	uint32_t size, cpu;
	uint64_t pc;
	const uint8_t *bytes; /* of the instruction */
	uint32_t length, reserved;
	uint64_t icount; /* instructions this CPU executed before */
	const char *isa; /* for a disassembler */
};
struct bp_trace_memory {
	uint32_t size, cpu;
	uint64_t pc, addr;
	uint32_t bytes, write; /* write: 0 read, 1 write, 2 read and write */
	uint64_t value[2]; /* low bits first; what was loaded or stored */
};
struct bp_trace_register {
	uint32_t size, write;
	const char *object, *region, *reg; /* "uart0", "regs", "LCR" */
	uint32_t index, bytes;
	uint64_t value;
};
struct bp_trace_exception {
	uint32_t size, cpu;
	uint64_t pc; /* where it happened */
	uint64_t target; /* where the CPU goes on */
	uint32_t cause, interrupt; /* cause as the frontend numbers it; ~0 for interrupts */
	uint64_t value;
	uint64_t icount; /* instructions this CPU executed before; without the one that raised */
};
struct bp_trace_line {
	uint32_t size, level;
	const char *object, *pin;
	uint32_t index, reserved;
};

struct bp_tracer {
	uint32_t size;
	uint32_t events; /* enum bp_trace_event */
	/* [any: the thread the event happens on; must not block on the guest] */
	void (*block)(void *self, const struct bp_trace_block *e);
	void (*exec)(void *self, const struct bp_trace_exec *e);
	void (*memory)(void *self, const struct bp_trace_memory *e);
	void (*reg)(void *self, const struct bp_trace_register *e);
	void (*exception)(void *self, const struct bp_trace_exception *e);
	void (*line)(void *self, const struct bp_trace_line *e);
	/* Optional: which of `events` this instance wants, after create (its properties decide). */
	uint32_t (*wanted)(void *self);
};

#ifdef __cplusplus
}
#endif
#endif
