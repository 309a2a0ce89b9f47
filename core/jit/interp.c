/* SPDX-License-Identifier: MIT */
/* The interpreter as an engine. */
#include "interp.h"
#include "cache.h"
#include "plugin/object.h"
#include <glib.h>

void interp_init(struct jit_cpu *cpu, uint32_t frame_offset)
{
	struct interp *in = g_new0(struct interp, 1);
	in->cpu = cpu;
	in->frame = frame_offset;
	in->pc_mask = cpu->type->address_bits == 32 ? UINT32_MAX : UINT64_MAX;
	in->config = cache_config(cpu->type, cpu->config, cpu->type->config_size, frame_offset);
	in->ir = g_new0(struct ir_block, 1);
	in->compiler = compiler_create(in);
	cpu->jumps = g_new0(struct jit_jump, 1u << JIT_JUMP_CACHE_BITS);
	cpu->engine = in;
	cache_join(in);
}

void interp_finish(struct jit_cpu *cpu)
{
	struct interp *in = cpu->engine;
	if (!in)
		return;
	cache_part(in);
	compiler_destroy(in->compiler);
	g_free(in->ir);
	g_free(in->tail);
	g_free(cpu->jumps);
	g_free(in);
	cpu->jumps = NULL;
	cpu->engine = NULL;
}

void jit_recover(struct jit_cpu *cpu)
{
	struct interp *in = cpu->engine;
	in->given.count = 0;
	cpu->leave_after = false;
	cache_leave(in);
}

static void *attach(void *instance, const struct bp_cpu *type, bp_error *err)
{
	struct jit_cpu *cpu = ((struct bp_cpu_head *)instance)->core;
	uint32_t size = object_of(instance)->type->object->instance_size;
	(void)type;
	(void)err;
	interp_init(cpu, OBJECT_FRAME(size));
	return cpu;
}

static void detach(void *engine_cpu)
{
	interp_finish(engine_cpu);
}

static int run(void *engine_cpu, uint64_t budget)
{
	return interp_run(engine_cpu, budget);
}

void interp_kick(void *engine_cpu)
{
	atomic_store(&((struct jit_cpu *)engine_cpu)->kick, 1);
}

void interp_nothing(void *engine_cpu)
{
	/* Between runs registers live in the instance, and memory is looked up through the TLB. */
	(void)engine_cpu;
}

const struct bp_engine interp_engine = {
	.size = sizeof(struct bp_engine),
	.name = "interp",
	.attach = attach,
	.detach = detach,
	.run = run,
	.kick = interp_kick,
	.get_registers = interp_nothing,
	.set_registers = interp_nothing,
	.memory_changed = interp_nothing,
};
