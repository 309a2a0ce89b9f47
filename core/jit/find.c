/* SPDX-License-Identifier: MIT */
#include "find.h"

enum { FIND_TRIES = 16 };

/* A block whose instruction goes on in the next page holds only while that page is the same. */
static enum found check_second(const struct finder *f, struct jit_given *given, bool *same)
{
	struct jit_cpu *cpu = f->in->cpu;
	uint64_t pc = (cpu->head->pc + given->code[0].avail) & f->in->pc_mask;
	if (given->count < 2 &&
		cpu->host->fetch(cpu, pc, cpu->head->key, &given->code[1]) != BP_H_OK)
		return FOUND_FAULT;
	given->count = 2;
	*same = given->code[1].ram == f->block->ram2 && given->code[1].offset == f->block->offset2;
	return FOUND;
}

/* The block that the jump cache has for this address is most often still the one: a flush of the TLB
 * makes its entries stale, and few pages move. It touches less memory than a search. */
static struct block *look_up(
	const struct jit_jump *slot, const struct jit_cpu *cpu, const struct cache_key *key)
{
	if (jump_hint(slot, cpu, cpu->head->pc) && cache_fits(slot->block, key))
		return slot->block;
	return cache_find(key);
}

static enum found find_code(struct finder *f, const struct jit_jump *slot)
{
	struct jit_cpu *cpu = f->in->cpu;
	struct jit_given *given = &f->in->given;
	const struct jit_code *code = &given->code[0];
	/* From here on whatever is written to the code is seen by cache_insert. */
	uint64_t prepared = cache_prepare();
	if (!given->count) {
		if (cpu->host->fetch(cpu, cpu->head->pc, cpu->head->key, &given->code[0]) !=
			BP_H_OK)
			return FOUND_FAULT;
		given->count = 1;
	}
	uint32_t limit = cpu->block_insns ? cpu->block_insns : JIT_BLOCK_INSNS;
	struct cache_key key = { .config = f->in->config,
		.key = cpu->head->key,
		.ram = code->ram,
		.offset = code->offset,
		.limit = (cpu->have_breakpoints ? 1 : limit) | f->limit_flag };
	bool same = true;
	enum found found = FOUND;
	f->block = code->ram ? look_up(slot, cpu, &key) : NULL;
	if (f->block && f->block->crosses)
		found = check_second(f, given, &same);
	if (found == FOUND && (!f->block || !same))
		found = f->translate(f, &key, given, prepared);
	if (found != FOUND_NOT_NATIVE) /* then the interpreter goes on with it */
		given->count = 0;
	return found;
}

static bool in_memory(const struct block *b)
{
	return b->ram && (!b->crosses || b->ram2);
}

enum found find_block(struct finder *f)
{
	struct jit_cpu *cpu = f->in->cpu;
	uint64_t pc = cpu->head->pc, epoch;
	struct jit_jump *slot = jump_slot(f->jumps, pc);
	enum found found;
	if (jump_hit(slot, cpu, pc)) {
		f->block = slot->block;
		return FOUND;
	}
	/* A fetch may wait for other CPUs, and they may change this one's mappings meanwhile: then what
	 * was found may lie elsewhere. */
	unsigned tries = 0;
	do {
		epoch = cpu->space_epoch;
		found = find_code(f, slot);
	} while (found == FOUND && in_memory(f->block) && epoch != cpu->space_epoch &&
		++tries < FIND_TRIES);
	if (found == FOUND && !atomic_load(&f->block->dead))
		*slot = (struct jit_jump){ pc, cpu->head->key, epoch, f->block };
	return found;
}
