/* SPDX-License-Identifier: MIT */
/* A host without a back end: there is the interpreter alone. */
#include "code_memory.h"
#include "native.h"

const struct bp_engine native_engine = { .size = sizeof(struct bp_engine), .name = "jit" };

bool native_available(void)
{
	return false;
}

void native_init(struct jit_cpu *cpu, uint32_t frame_offset)
{
	interp_init(cpu, frame_offset);
}

void native_finish(struct jit_cpu *cpu)
{
	interp_finish(cpu);
}

int native_run(struct jit_cpu *cpu, uint64_t budget)
{
	return interp_run(cpu, budget);
}

void native_patch(const struct link *link, const struct block *to)
{
	(void)link;
	(void)to;
}

void native_patch_lookup(const struct link *link)
{
	(void)link;
}

const void *native_dead_entry(void)
{
	return NULL;
}

void code_chunk_drop(struct code_chunk *chunk)
{
	(void)chunk;
}

bool native_fault(void *context)
{
	(void)context;
	return false;
}

void native_flat(const uint8_t *flat)
{
	(void)flat;
}

void native_private(void)
{
}

void code_memory_fork(bool begin)
{
	(void)begin;
}
