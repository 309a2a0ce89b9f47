/* SPDX-License-Identifier: MIT */
/* What both engines do between blocks and beside the inline path of an access. */
#ifndef JIT_FIND_H
#define JIT_FIND_H
#include "cache.h"
#include "interp.h"

enum found {
	FOUND,
	FOUND_FAULT, /* the code cannot be fetched: the fault is recorded */
	FOUND_ERROR, /* the frontend's or the compiler's: it was said */
	FOUND_BREAKPOINT,
	FOUND_NOT_NATIVE /* the next instruction is for the interpreter */
};

struct finder { /* of one engine, for one CPU */
	struct interp *in;
	struct jit_jump *jumps; /* its jump cache */
	uint32_t limit_flag; /* set in block.limit of its blocks */
	struct block *block; /* what find_block found */
	/* Make the block at head.pc from code fetched there, into f->block; `prepared` is for
	 * cache_insert. */
	enum found (*translate)(struct finder *f, const struct cache_key *key,
		struct jit_given *given, uint64_t prepared);
};

/* The block at head.pc: by the jump cache, else by where its code lies, translated now if there is
 * none. */
enum found find_block(struct finder *f);

static inline struct jit_jump *jump_slot(struct jit_jump *jumps, uint64_t pc)
{
	uint64_t h = pc >> 1 ^ pc >> (JIT_JUMP_CACHE_BITS + 1);
	return &jumps[h & ((1u << JIT_JUMP_CACHE_BITS) - 1)];
}

/* Whether it is a block for pc, if the code still lies where it did; hit: and it does. */
static inline bool jump_hint(const struct jit_jump *j, const struct jit_cpu *cpu, uint64_t pc)
{
	return j->pc == pc && j->key == cpu->head->key && j->block &&
		!atomic_load_explicit(&j->block->dead, memory_order_relaxed);
}

static inline bool jump_hit(const struct jit_jump *j, const struct jit_cpu *cpu, uint64_t pc)
{
	return j->epoch == cpu->space_epoch && jump_hint(j, cpu, pc);
}

static inline bool must_leave(const struct jit_cpu *cpu)
{
	return atomic_load_explicit(&cpu->kick, memory_order_relaxed) ||
		__atomic_load_n(&cpu->head->pending, __ATOMIC_RELAXED);
}

/* Where an unaligned access of RAM leads that does not leave its page, or NULL. */
static inline uint8_t *unaligned(
	const struct jit_cpu *cpu, uint64_t addr, uint32_t memop, unsigned access)
{
	unsigned regime = (memop & BP_MEM_REGIME) >> BP_MEM_REGIME_SHIFT;
	const struct tlb_entry *e =
		tlb_entry_of(cpu->tlb[regime], cpu->tlb_mask[regime], addr, cpu->page_bits);
	unsigned size = 1u << (memop & BP_MEM_SIZE);
	if ((addr & cpu->page_mask) != e->tag[access] ||
		memop & (BP_MEM_ALIGNED | BP_MEM_ALIGNED_ATOMIC) ||
		((addr + size - 1) ^ addr) & cpu->page_mask)
		return NULL;
	return (uint8_t *)(uintptr_t)(addr + e->addend);
}

#endif
