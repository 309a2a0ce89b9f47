/* SPDX-License-Identifier: MIT */
/* The first tier: blocks as native code. native.c runs them on any host; a host's folder makes them.
 *
 * While native code runs, the host keeps the block's pc and the instructions left of the slice in
 * registers, guest registers wherever the compiler put them, and nothing else. Whoever leaves the code
 * has written the guest's registers back first, so that C sees the state that it expects. */
#ifndef JIT_NATIVE_H
#define JIT_NATIVE_H
#include "interp.h"

enum native_exit { /* why native code came back */
	NATIVE_LOOKUP = 0, /* go on at native.pc; native.link, if not NULL, may be linked */
	NATIVE_BUDGET, /* the slice is too short for the block at native.pc */
	NATIVE_RAISED, /* an exception is recorded; head.pc and icount are its instruction's */
	NATIVE_LEAVE, /* leave: the instruction before native.pc asked for it */
	NATIVE_HALT, /* wait, then go on at native.pc */
	NATIVE_INTERP /* the native.site instructions from native.pc on are for the interpreter */
};

enum { NATIVE_SLICE = 16384 }; /* instructions between two looks at kick and pending */

/* ---- what a host's folder has ---- */

/* Prepares the host; false: its CPU or its kernel is not one this back end can use. [any] */
bool native_host_init(void);
/* Run from `entry`: a block whose instructions fit into native.left. */
int native_host_enter(struct jit_cpu *cpu, const void *entry);
/* A block from records; NULL: no room for code now. */
struct native_compiler *native_compiler_create(struct interp *in);
void native_compiler_destroy(struct native_compiler *c);
struct block *native_compile(struct native_compiler *c, const struct ir_block *ir);
/* Direct exit `link` now leads to `to`, or nowhere (NULL). Atomic: other CPUs may be running it. */
void native_patch(const struct link *link, const struct block *to);
/* It now looks up where it leads each time it is taken. */
void native_patch_lookup(const struct link *link);
/* Where a dead block's entry leads. */
const void *native_dead_entry(void);

/* Floating-point flags that native code raised are the host's until they are gathered: they go to the
 * guest's register, and the host's are clear. [cpu] */
void native_host_gather(struct jit_cpu *cpu);
/* The host's flags as they are, and as they were: around C that may raise others. [cpu] */
unsigned native_host_flags(void);
void native_host_restore(unsigned flags);
void native_host_clear(void);

/* ---- what native code calls: each returns enum bp_helper_status ---- */

int native_slow_load(struct jit_cpu *cpu);
int native_slow_store(struct jit_cpu *cpu);
int native_slow_rmw(struct jit_cpu *cpu);
int native_memory(struct jit_cpu *cpu, const struct mem *m);
int native_generic(struct jit_cpu *cpu, const struct gen *g);
int native_call(struct jit_cpu *cpu, const struct call *call);
int native_raise(struct jit_cpu *cpu, uint32_t cause);

#endif
