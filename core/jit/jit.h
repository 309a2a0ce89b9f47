/* SPDX-License-Identifier: MIT */
/* From guest instructions to something that runs.
 *
 *   frontend.translate -> records     (build.c: one block, a straight run of instructions)
 *   records -> verify                 (verify.c: types, ids, control, ranges, two addresses)
 *   records -> interpreter operations (interp_compile.c)
 *   operations -> run                 (interp_run.c)
 *   blocks by where their code lies   (cache.c: RAM object, offset, key, configuration)
 *
 * The cpu room owns address translation, faults and code bytes, and offers them as struct jit_host.
 * What executed code needs of a CPU is struct jit_cpu; head->core points to it. */
#ifndef JIT_JIT_H
#define JIT_JIT_H
#include "tlb.h"
#include <backplane/cpu.h>
#include <backplane/engine.h>
#include <stdatomic.h>
#include <stdbool.h>

struct jit_cpu;
struct block;

enum { JIT_JUMP_CACHE_BITS = 12, JIT_BLOCK_INSNS = 64 };

struct jit_jump { /* one entry of the cache from (pc, key) to a block */
	uint64_t pc, key;
	uint64_t epoch; /* jit_cpu.epoch when it was filled: else stale */
	struct block *block;
};

struct jit_code { /* where code lies, as the cpu room found it */
	void *ram; /* identity of the RAM or ROM object; NULL: not cacheable (a device, or a
				 * mapping smaller than the page: one instruction is run and forgotten) */
	uint64_t offset; /* in it */
	const uint8_t *bytes; /* the code at pc */
	uint32_t avail; /* bytes up to the end of the page */
};

/* What the cpu room does for executed code. Memory functions return BP_H_OK, or BP_H_RAISED with the
 * fault recorded, or BP_H_LEAVE: done, but leave after this instruction. */
struct jit_host {
	/* The slow way of every access: TLB miss, device, unaligned, watched, page with code. */
	int (*load)(struct jit_cpu *cpu, uint64_t addr, uint32_t memop, uint64_t value[8]);
	int (*store)(struct jit_cpu *cpu, uint64_t addr, uint32_t memop, const uint64_t value[8]);
	/* Two stores of memop's size one behind the other, all or nothing. */
	int (*store_pair)(struct jit_cpu *cpu, uint64_t addr, uint32_t memop, const uint64_t a[8],
		const uint64_t b[8]);
	int (*rmw)(struct jit_cpu *cpu, uint64_t addr, uint32_t memop, unsigned op,
		const uint64_t operand[2], uint64_t old[2]);
	int (*cas)(struct jit_cpu *cpu, uint64_t addr, uint32_t memop, const uint64_t expected[2],
		const uint64_t desired[2], uint64_t old[2]);
	int (*ll)(struct jit_cpu *cpu, uint64_t addr, uint32_t memop, uint64_t value[2]);
	int (*sc)(struct jit_cpu *cpu, uint64_t addr, uint32_t memop, const uint64_t value[2],
		uint64_t *failed);
	int (*probe)(
		struct jit_cpu *cpu, uint64_t addr, uint64_t len, unsigned access, uint32_t memop);
	/* Code at pc (the fetch's own translation). BP_H_RAISED: fault recorded. */
	int (*fetch)(struct jit_cpu *cpu, uint64_t pc, uint64_t key, struct jit_code *out);
	/* Enter the recorded exception: head.pc is the faulting instruction's. May change pc and key. */
	void (*deliver)(struct jit_cpu *cpu);
	void (*raise)(struct jit_cpu *cpu, uint32_t cause, uint64_t value); /* record one */
	int64_t (*time)(struct jit_cpu *cpu);
	/* Does a breakpoint stand at pc? */
	bool (*breakpoint)(struct jit_cpu *cpu, uint64_t pc);
};

enum { SPECIALS = 3 }; /* numbers that a loop may begin with, see codegen_raw.c */

/* What native code shares with C. */
struct jit_native {
	uint64_t pc; /* of the block; outside: where to go on */
	uint64_t left; /* instructions left of the slice */
	uint64_t icount_end; /* head.icount when none is left */
	uint64_t addr, value; /* of a slow access */
	uint32_t memop;
	uint32_t site; /* offset of the instruction's pc from the block's | instructions left of the
			* block, it included << 16 */
	uint32_t rmw; /* enum bp_ir_rmw */
	uint32_t mxcsr; /* scratch for the floating-point control word */
	uint8_t unordered; /* whether a comparison between reading flags and putting them back was */
	struct link *link; /* the exit taken */
	void *stack; /* of the host, at entry */
	struct jit_jump *jumps; /* like jit_cpu.jumps, of native blocks alone */
};

/* Memos in sets: the first for blocks that are no loops, the others each for one of many loops. */
enum { JIT_MEMOS = 8, JIT_MEMO_SETS = 4 };

struct jit_cpu {
	/* First what native code reaches for, within a byte's distance if it can be. */
	struct tlb_memo {
		uint64_t tag; /* of a page that accesses of one kind may go to */
		uintptr_t addend;
	} memo[JIT_MEMO_SETS * JIT_MEMOS]; /* native code's, see memo.h */
	uint32_t memo_owner[JIT_MEMO_SETS]; /* the block that last filled the set, or 0 */
	struct jit_native native;
	/* Of boxed binary32 and of binary64: the guest's NaN, infinities. */
	uint64_t special[2][SPECIALS];
	uint64_t box[2]; /* the ones above a binary32, and nothing in a second lane */
	uint32_t tlb_mask[TLB_REGIMES];
	struct tlb_entry *tlb[TLB_REGIMES]; /* never NULL once running */
	struct bp_cpu_head *head; /* the instance */
	const struct bp_cpu *type;
	uint32_t field_strides[3]; /* of the plugin's cpu_reg, helper tables; reserved */
	const void *config;
	const struct jit_host *host;
	const struct bp_helper *helpers;
	uint64_t page_mask; /* ~(page size - 1) */
	uint32_t page_bits;
	_Atomic(uint32_t) kick; /* leave at the next safepoint */
	uint64_t space_epoch; /* differs after each change of address space or mapping: part of what
					 * a jump cache entry must match */
	struct jit_jump *jumps; /* 1 << JIT_JUMP_CACHE_BITS */
	uint32_t block_insns; /* at most so many instructions a block (1: cut at each) */
	bool check_ir; /* verify, and translate at two addresses */
	bool leave_after; /* set by the slow path: leave after this instruction */
	bool have_breakpoints; /* one instruction a block, ask host->breakpoint */
	void *engine; /* the engine's own */
	/* Not NULL: data and code at guest address A lie at flat + A as long as the machine's own
	 * memory protection lets one there; no table is asked. It stays so for the CPU's life, and so
	 * does what a page shows, but for code_cache_invalidate(). */
	uint8_t *flat;
	uint32_t flat_ignored; /* so many upper bits of an address count for nothing */
};

/* The portable interpreter. attach() finds the instance's struct jit_cpu at head->core, filled in but
 * for jumps and engine, which are the engine's. The cpu room keeps to this:
 *   - kick is cleared by the cpu room before run(); set, run() returns BP_EXIT_PENDING at the next
 *     block's entry. So it does when head.pending is not 0 there.
 *   - leave_after, set by any function of struct jit_host or a helper, makes run() return
 *     BP_EXIT_PENDING right after that instruction; run() clears it.
 *   - While a function of struct jit_host or a helper runs, head.pc is the instruction's and
 *     head.icount the number of instructions before it.
 *   - An instruction that raises counts as one, after deliver(); so does a fetch that faults.
 *   - have_breakpoints and block_insns change between runs only, and code_cache_flush() follows. */
extern const struct bp_engine interp_engine;
/* Native code: the same contract. Where native_available() says false, there is none. [any] */
extern const struct bp_engine native_engine;
bool native_available(void);
/* The interpreter for a CPU that is not an object: temporaries lie frame_offset bytes behind the instance,
 * OBJECT_CPU_FRAME bytes. */
void interp_init(struct jit_cpu *cpu, uint32_t frame_offset);
void interp_finish(struct jit_cpu *cpu);
int interp_run(struct jit_cpu *cpu, uint64_t budget); /* enum bp_exit */
void native_init(struct jit_cpu *cpu, uint32_t frame_offset);
void native_finish(struct jit_cpu *cpu);
int native_run(struct jit_cpu *cpu, uint64_t budget);

/* A host fault in native code with `flat` memory, in its signal's handler: if the code has a slow way
 * for that access, `context` (ucontext_t) is changed to go on there. [cpu, in a handler] */
bool native_fault(void *context);
/* This thread is about to run CPUs with that `flat`. [cpu] */
void native_flat(const uint8_t *flat);
/* Before native_available: code of this process is its own after a fork, too. */
void native_private(void);
/* A function of struct jit_host, or a helper, was left by siglongjmp: run() can be called again. [cpu] */
void jit_recover(struct jit_cpu *cpu);

/* "bp.float/1" */
extern const struct bp_float jit_float;

/* A block: records of up to block_insns instructions from pc on, as built. */
enum { BLOCK_RECORDS = 4096 };

#endif
