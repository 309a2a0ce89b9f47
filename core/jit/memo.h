/* SPDX-License-Identifier: MIT */
/* Which accesses of a block are likely to stay in one page, by one base register: sp in a function's
 * frame; in a loop a pointer that walks through an array, or an address in a small table. The first of
 * them, or the entry of a loop, leaves what it found in the TLB in a memo of struct jit_cpu, and the
 * others look there only.
 *
 * A plan that is wrong costs time and nothing else: whoever takes a memo compares its tag. A memo holds for as long
 * as native code runs and calls no C function that may change the TLB. But it is only for accesses of the kind that it
 * was filled by: so a loop that finds its memos filled by another block fills them, and one that is entered again and
 * again, as inner loops are, does not. */
#ifndef JIT_MEMO_H
#define JIT_MEMO_H
#include "build.h"

enum { NO_MEMO = 0xff, MEMO_FIRST = 0x80 /* this access fills it */ };

struct memo_plan {
	uint8_t of
		[BLOCK_RECORDS]; /* by record of the block: a memo, perhaps with MEMO_FIRST; or NO_MEMO */
	unsigned count, set; /* set: whose memos they are */
	struct memo {
		uint32_t base; /* register: offset in the instance */
		int32_t disp; /* of the first access */
		uint8_t regime, access;
		bool at_entry; /* filled before a loop's first round */
	} memo[JIT_MEMOS];
};

/* The accesses of the first `insns` instructions; `loop`: the block jumps to its own start; `maybe`, a bit an
 * instruction: it may be jumped over, so it fills none. */
void memo_plan(
	struct memo_plan *p, const struct ir_block *ir, unsigned insns, bool loop, uint64_t maybe);

/* A set without an owner is filled before it is looked at: who runs and has memos owns their set, but for the
 * first. */
static inline void memos_forget(struct jit_cpu *cpu)
{
	for (unsigned set = 0; set < JIT_MEMO_SETS; set++) {
		if (set && !cpu->memo_owner[set])
			continue;
		for (unsigned i = 0; i < JIT_MEMOS; i++)
			cpu->memo[set * JIT_MEMOS + i].tag = TLB_NONE;
	}
}

/* Of the plan's memo n, in struct jit_cpu. */
static inline unsigned memo_index(const struct memo_plan *p, unsigned n)
{
	return p->set * JIT_MEMOS + n;
}

#endif
