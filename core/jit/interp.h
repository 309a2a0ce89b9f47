/* SPDX-License-Identifier: MIT */
/* The interpreter's own: operations, blocks, links. Shared by interp_*.c and cache.c alone.
 *
 * An operation is 32 bytes. d, a, b, c are offsets from the CPU's instance, which registers and the
 * temporaries in the frame behind it share, so that reading a register costs nothing and a result
 * can go straight to its register. The host is little-endian: the low part of a value lies at the
 * value's own offset, and truncation costs nothing. */
#ifndef JIT_INTERP_H
#define JIT_INTERP_H
#include "build.h"
#include "ir_table.h"
#include "jit.h"
#include <string.h>

_Static_assert(
	__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the interpreter needs a little-endian host");

/* Operations in four widths: NAME_8, _16, _32, _64 follow each other, so code = NAME_8 + log2(size). */
#define OPS_W(X, N) X(N##_8) X(N##_16) X(N##_32) X(N##_64)
/* Two operands, and the same with imm for the second. */
#define OPS_2(X, N) OPS_W(X, N) OPS_W(X, N##I)
/* Two widths: 32 and 64. */
#define OPS_D(X, N)  X(N##_32) X(N##_64)
#define OPS_2D(X, N) OPS_D(X, N) OPS_D(X, N##I)

/* clang-format off */
#define INTERP_OPS(X)                                                                              \
	OPS_W(X, MOV) X(MOVN) OPS_W(X, CONST) X(CONSTN) X(PCREL) X(PCRELM)                         \
	OPS_2(X, ADD) OPS_2(X, SUB) OPS_2(X, MUL) OPS_2(X, AND) OPS_2(X, OR) OPS_2(X, XOR)         \
	OPS_2(X, SHL) OPS_2(X, SHR) OPS_2(X, SAR) OPS_2(X, ROL) OPS_2(X, ROR)                      \
	OPS_2(X, MULHS) OPS_2(X, MULHU) OPS_2(X, MULHSU)                                           \
	OPS_2(X, DIVS) OPS_2(X, DIVU) OPS_2(X, REMS) OPS_2(X, REMU)                                \
	OPS_2(X, MINS) OPS_2(X, MAXS) OPS_2(X, MINU) OPS_2(X, MAXU)                                \
	OPS_2(X, EQ) OPS_2(X, NE) OPS_2(X, LTS) OPS_2(X, LES) OPS_2(X, LTU) OPS_2(X, LEU)          \
	OPS_W(X, NEG) OPS_W(X, NOT) OPS_W(X, CLZ) OPS_W(X, CTZ) OPS_W(X, POPCNT) OPS_W(X, BSWAP)   \
	X(NOT1) X(SEXT_8_16) X(SEXT_8_32) X(SEXT_8_64) X(SEXT_16_32) X(SEXT_16_64) X(SEXT_32_64)   \
	X(ZEXT_8_16) X(ZEXT_8_32) X(ZEXT_8_64) X(ZEXT_16_32) X(ZEXT_16_64) X(ZEXT_32_64)           \
	OPS_D(X, UBITS) OPS_D(X, SBITS) OPS_W(X, SELECT)                                           \
	X(LD_U8_64) X(LD_S8_64) X(LD_U16_64) X(LD_S16_64) X(LD_U32_64) X(LD_S32_64) X(LD_U64_64)   \
	X(LD_U8_32) X(LD_S8_32) X(LD_U16_32) X(LD_S16_32) X(LD_U32_32)                             \
	OPS_W(X, ST) OPS_D(X, RMW) X(MEM) X(FENCE) X(GEN) X(CALL)                                  \
	X(JF) X(GOTO)                                                                              \
	OPS_2D(X, JN_EQ) OPS_2D(X, JN_NE) OPS_2D(X, JN_LTS) OPS_2D(X, JN_LES)                      \
	OPS_2D(X, JN_LTU) OPS_2D(X, JN_LEU)                                                        \
	X(EXIT) X(EXIT2)                                                                           \
	OPS_2D(X, X2_EQ) OPS_2D(X, X2_NE) OPS_2D(X, X2_LTS) OPS_2D(X, X2_LES)                      \
	OPS_2D(X, X2_LTU) OPS_2D(X, X2_LEU)                                                        \
	X(JUMP) X(JUMPK) X(RESYNC) X(RESYNC_TO) X(HALT) X(RAISE) X(STOP)                           \
	X(TRACE_EXEC) X(TRACE_MEM)

enum interp_op {
#define X(n) OP_##n,
	INTERP_OPS(X)
#undef X
	OP_COUNT
};
/* clang-format on */

struct op {
	union {
		const void *go; /* the handler's address */
		uintptr_t code; /* enum interp_op, while compiling */
	};
	uint32_t d, a, b, c;
	union {
		int64_t imm;
		const void *ptr; /* to one of the structs below, in the same block */
	};
};
_Static_assert(sizeof(struct op) == 32, "operations are 32 bytes");

/* A direct exit: the target is ((pc of block + mark) & and) + imm) & keep. */
struct link {
	_Atomic(struct block *) to; /* once linked */
	struct block *from;
	struct link *next, **prev; /* in to->incoming */
	uint64_t delta; /* target - pc of the block, when local */
	uint64_t and, keep;
	int64_t imm;
	uint64_t key;
	uint32_t mark;
	bool local; /* in the same page for certain: may be linked, delta holds */
	bool near; /* may be linked; whether the target is in the page is checked */
	bool set_key;
	uint8_t *patch; /* native: the jump's last 4 bytes in the code, writable; else NULL */
};

struct gen { /* a record that a C function evaluates */
	void (*fn)(struct jit_cpu *cpu, uint8_t *base, const struct gen *g);
	struct bp_ir r;
	uint32_t d, out; /* offsets; out: of OUT 1, or 0 */
	uint32_t a[3];
	bool has[3];
	const struct bp_fp_env *env;
};

struct mem { /* an access that is not among the inlined ones */
	struct bp_ir r;
	uint32_t memop, d, addr, value, second;
	uint64_t addr_mask;
	bool discard; /* nobody wants the result */
};

enum { CALL_ARGS = 8, CALL_RESULTS = 4 };
struct call {
	const struct bp_helper *helper;
	struct call_slot {
		uint32_t offset;
		uint8_t bytes; /* 1..16 */
	} arg[CALL_ARGS], result[CALL_RESULTS]; /* a result with bytes 0 is not wanted */
	uint8_t args, results;
	uint8_t result_words[CALL_RESULTS];
};

struct trace_mem {
	uint32_t addr, value, failed; /* failed: SC's result, or 0 */
	int32_t disp;
	uint32_t bytes;
	uint8_t write, value_bytes;
	uint64_t addr_mask;
};

struct mark { /* an instruction of a block */
	uint32_t op; /* its first operation */
	uint32_t offset; /* of its pc from the block's */
	uint32_t undo, undos; /* in block.undo */
	uint16_t bytes;
};

struct undo { /* restore len bytes of the instance at `offset` from `save` */
	uint32_t offset, save, len;
};

/* Of the cache's page lists: 64 instructions of 16 bytes reach over two of 1 KiB, and a crossing one
 * has a second page. */
enum { BLOCK_PAGES = 4 };

struct page_entry { /* a block in the list of a page that holds code of it */
	struct block *block;
	struct page_entry *next, **prev;
};

struct block {
	const void *config;
	uint64_t key;
	void *ram;
	uint64_t offset;
	uint32_t limit; /* instructions a block; 1: cut at each */
	uint32_t insns, bytes, ops;
	_Atomic(bool) dead;
	bool crosses; /* its instruction begins in one page and ends in the next: */
	uint32_t first_bytes; /* in the first */
	struct block *hash_next; /* cache.c's; here, where a search looks anyway */
	/* native: where it is entered, which chunk it lives in; else NULL */
	_Atomic(const void *) entry;
	struct code_chunk *chunk;
	void *ram2;
	uint64_t offset2; /* of the second page's part */
	struct op *op;
	struct mark *mark; /* insns + 1 */
	struct undo *undo;
	struct link *link;
	uint32_t links;
	const uint8_t *code; /* the instructions' bytes, for tracers */
	_Atomic(uint32_t)
		heat; /* slices that began here: for who wants to do better by what is hot */
	/* cache.c */
	struct link *incoming;
	struct page_entry page[BLOCK_PAGES];
	uint32_t pages;
	uint64_t retired; /* epoch */
	size_t memory;
};

/* In block.limit: native code, not operations. */
#define BLOCK_NATIVE (UINT32_C(1) << 31)

/* What the interpreter keeps for one CPU. */
struct interp {
	struct jit_cpu *cpu;
	uint32_t frame;
	const void *config; /* identity of type and static properties */
	uint64_t pc_mask;
	struct op *tail; /* a copy of a block's operations up to some instruction's end */
	uint32_t tail_ops;
	struct ir_block *ir;
	struct compiler *compiler;
	struct native *native; /* native.c's, when it runs the CPU */
	struct jit_given given;
	/* cache.c: */
	_Atomic(uint64_t) seen; /* epoch seen at the last safepoint; 0: outside run() */
	uint64_t jumps_epoch; /* epoch at which the jump cache was last emptied */
	struct interp *next;
};

/* interp_compile.c: a block from records; NULL with a sentence in error. */
struct compiler *compiler_create(struct interp *in);
void compiler_destroy(struct compiler *c);
struct block *compile(struct compiler *c, const struct ir_block *ir, char *error, size_t size);

static inline void jumps_clear(struct jit_cpu *cpu)
{
	memset(cpu->jumps, 0, sizeof(*cpu->jumps) << JIT_JUMP_CACHE_BITS);
	if (cpu->native.jumps)
		/* native code tests no block for NULL: an epoch that never comes */
		memset(cpu->native.jumps, 0xff, sizeof(*cpu->jumps) << JIT_JUMP_CACHE_BITS);
}

/* interp_run.c: the address of each operation's handler. */
const void *const *interp_labels(void);

/* interp.c: members of struct bp_engine that native code has in common. */
void interp_kick(void *engine_cpu);
void interp_nothing(void *engine_cpu);

/* interp_run.c: the helper, with its operands from and its results to where `call` says. */
int interp_call(struct bp_cpu_head *head, const struct call *call);

/* interp_generic.c */
typedef void gen_fn(struct jit_cpu *cpu, uint8_t *base, const struct gen *g);
gen_fn *generic_for(const struct bp_ir *r); /* NULL: none */
int generic_memory(struct jit_cpu *cpu, uint8_t *base, const struct mem *m);
uint64_t interp_extend(uint64_t value, unsigned bits, bool is_signed);

#endif
