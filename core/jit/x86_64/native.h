/* SPDX-License-Identifier: MIT */
/* The compiler for x86-64: one pass from records to code.
 *
 *   regs.c     which guest register and which value lies where
 *   select.c   integers: which instructions a record becomes
 *   float.c    the same for floating point
 *   vector.c   the same for vectors of 128 bits
 *   access.c   loads, stores, atomics, and everything that a C function does
 *   leave.c    jumps, exits, links
 *   compile.c  instructions, blocks, and the parts of a block that are seldom run
 *   thunks.c   entering and leaving native code, calling C from it
 *
 * Registers: RBP the instance (plus BIAS), R15 the struct jit_cpu (plus CPU_BIAS), R12 the block's pc, R13 the
 * instructions left, RSP aligned to 16. The others, and XMM0 to XMM14, hold guest registers ("slots")
 * and values; XMM15 is scratch. At the entry of a block all are free.
 *
 * A loop's block (one that jumps to its own start) gives its most used guest registers a host register
 * for all of its length: these slots are pinned, and the way back needs no memory. */
#ifndef JIT_X86_64_NATIVE_H
#define JIT_X86_64_NATIVE_H
#include "emit.h"
#include "jit/code_memory.h"
#include "jit/memo.h"
#include "jit/native.h"
#include "jit/verify.h"
#include "plugin/object.h"
#include <glib.h>

enum {
	BASE = RBP,
	CPU = R15,
	PC = R12,
	LEFT = R13,
	BIAS = 256, /* so that more guest registers are within a byte's reach */
	CPU_BIAS = 128, /* and more of struct jit_cpu */
	XMM0 = 16, /* host registers are numbered through: 0..15 general, 16..31 XMM */
	XMM15 = 31,
	HOST_REGS = 32,
	COLD_PARTS = 384,
	PINNED_GENERAL = 7,
	PINNED_XMM = 10
};

enum place { /* where a value is */
	P_NONE = 0,
	P_REG, /* in host register reg; bits above the type are anything */
	P_CONST, /* imm, zero-extended from the type */
	P_PCREL, /* pc of the block + imm, when asked for */
	P_MEM, /* at offset `off` of the instance: the frame, or a guest register */
	P_COND /* a comparison whose users make it themselves */
};

struct val { /* of the instruction being compiled */
	uint8_t type, place, reg, user_conds; /* user_conds: uses that can test a comparison */
	uint16_t uses, last; /* last record that uses it */
	uint32_t off;
	uint64_t imm;
	uint64_t ones; /* bits known to be set */
};

struct slot { /* the guest register that lies in a host register */
	uint64_t ones;
	uint32_t off;
	uint32_t touched; /* for eviction */
	uint8_t bytes;
};

struct state { /* what lies where at one point of the code */
	uint32_t used, dirty, pinned; /* host registers that have a slot; the last two only such */
	uint16_t until[HOST_REGS]; /* last record that uses a value in it */
	struct slot slot[HOST_REGS];
};

struct deferred { /* a PUT that waits until nothing can fault any more */
	uint32_t off;
	uint16_t val;
	uint8_t type;
};

enum { DEFERRED = 8 };

enum cold_kind {
	COLD_LOAD,
	COLD_STORE,
	COLD_RMW,
	COLD_REST, /* after a call that wants to leave: the rest of the instruction, then leave */
	COLD_EXIT, /* a side exit */
	COLD_ARM, /* an IF whose arm leaves */
	COLD_VECTOR, /* the slow way of a vector's load or store */
	COLD_FLOAT /* an operation by C */
};

struct cold { /* a part of the block that is emitted behind it */
	enum cold_kind kind;
	uint8_t *from; /* the jump that leads here, or NULL: */
	uint8_t *fault; /* the access of flat memory, when it faults */
	uint8_t *back; /* where it goes on, NULL: nowhere */
	unsigned insn, record; /* where in the block */
	struct state state;
	unsigned vals; /* the values, in cold_vals */
	unsigned deferreds;
	struct deferred deferred[DEFERRED];
	uint8_t addr, value, result; /* host registers */
	int32_t disp; /* to be added to addr */
	uint8_t memo, masked; /* the memo that was looked at, or NO_MEMO; the masked address */
	uint8_t *retry; /* where its addend is taken */
	uint64_t imm; /* value when `value` is NO_REG */
	uint32_t memop, temp;
	uint8_t operand[3]; /* COLD_FLOAT: host registers */
	uint8_t *also[2]; /* more jumps that lead here */
	uint16_t target; /* COLD_EXIT: id of the PCREL */
	bool leaving;
};

struct native_compiler {
	struct interp *in;
	struct verify_type type;
	uint64_t addr_mask;
	struct code_chunk *chunk;
	struct emit e;
	uint8_t *start;
	const struct ir_block *ir;
	unsigned insns; /* how many of ir's become code */
	struct memo_plan memos;
	GArray *links;
	GByteArray *prefers_xmm; /* by offset / 4 in the instance */

	/* the instruction being compiled */
	const struct ir_insn *insn;
	unsigned index;
	const struct bp_ir *rec;
	unsigned count, at; /* records; the one being compiled */
	struct val v[BP_IR_INSN_LIMIT];
	uint32_t temp; /* next free place in the frame */
	unsigned last_fault; /* last record that may raise */
	unsigned deferreds;
	struct deferred deferred[DEFERRED];
	uint32_t locked; /* host registers that the record works with */

	struct state s;
	uint32_t clock;
	struct cold *cold;
	unsigned colds;
	GArray *cold_vals; /* struct val */
	GArray *faults; /* struct code_fault, offsets from start */
	bool pinning; /* pinned slots exist: the block jumps to its start */
	bool rounds; /* the block's entry has seen that the guest rounds to nearest */
	uint8_t *loop_head;
	bool ended; /* the code's end is not reached */
	bool leaving; /* a cold rest: leave for good, wherever the instruction leads */
	bool uses_xmm; /* C functions must keep XMM registers */
	bool failed; /* this instruction is not for native code */
};

/* ---- compile.c ---- */

/* A cold part that begins here in thought: the state is copied. NULL: none left, and failed is set. */
struct cold *cold_new(struct native_compiler *c, enum cold_kind kind, uint8_t *from);
/* Instructions of the block that are not executed yet, the current one included. */
unsigned insns_left(const struct native_compiler *c);
/* jit_native.site for a slow path in the current instruction. */
uint32_t site_here(const struct native_compiler *c);
/* Nothing can fault any more: the PUTs that waited. */
void commit_deferred(struct native_compiler *c);

/* ---- regs.c ---- */

/* A free host register, locked; NO_REG and failed when there is none. */
unsigned reg_new(struct native_compiler *c, bool xmm);
/* A register for record c->at's result; `reuse` may be given up for it (or NO_REG). */
unsigned reg_result(struct native_compiler *c, bool xmm, unsigned reuse);
/* Free this very register (not a pinned one), locked. */
void reg_claim(struct native_compiler *c, unsigned reg);
/* Value id in a general or XMM register, locked until the record is done. */
unsigned use(struct native_compiler *c, unsigned id);
unsigned use_xmm(struct native_compiler *c, unsigned id);
/* The same, but the register may be changed. */
unsigned use_copy(struct native_compiler *c, unsigned id);
/* Value id, a PCREL, computed into reg. */
void pcrel_to(struct native_compiler *c, unsigned id, unsigned reg);
/* Record c->at's result (or the value id's) is in reg. */
void set_reg(struct native_compiler *c, unsigned id, unsigned type, unsigned reg);
void set_const(struct native_compiler *c, unsigned id, unsigned type, uint64_t imm);
void set_mem(struct native_compiler *c, unsigned id, unsigned type, uint32_t off);
/* Offset in the instance where value id lies, moved there if need be. */
uint32_t in_memory(struct native_compiler *c, unsigned id);
uint32_t frame_new(struct native_compiler *c, unsigned bytes);
bool is_const(const struct native_compiler *c, unsigned id, int64_t *imm); /* sign-extended */
void get(struct native_compiler *c, unsigned id, unsigned type, uint32_t off);
void put(struct native_compiler *c, unsigned type, uint32_t off, unsigned id);
/* Write dirty slots back; they stay where they are. `clean`: and are clean from now on. */
void write_back(struct native_compiler *c, bool clean);
/* A slot for the guest register at `off` in host register reg, which has none; what is in it is the
 * caller's business. */
struct slot *slot_new(struct native_compiler *c, uint32_t off, unsigned bytes, unsigned reg);
/* Write back and forget all slots but pinned ones; values move to memory. */
void flush(struct native_compiler *c);
/* Pinned slots from memory again, after C may have changed them. */
void reload_pinned(struct native_compiler *c);
void load_slot(struct native_compiler *c, unsigned reg);
bool prefers_xmm(const struct native_compiler *c, uint32_t off);

/* ---- select.c, float.c, access.c, leave.c: record c->at ---- */

bool select_integer(struct native_compiler *c, const struct bp_ir *r); /* false: not one */
/* Test value id, an I1; the condition that then means "set". */
enum cc test_condition(struct native_compiler *c, unsigned id);
bool select_float(struct native_compiler *c, const struct bp_ir *r);
bool select_vector(struct native_compiler *c, const struct bp_ir *r);
/* d = a op b; code: the opcode's map << 8, the opcode; prefix 66. */
void vector_op3(
	struct native_compiler *c, unsigned code, bool wide, unsigned d, unsigned a, unsigned b);
/* At the block's entry: leave if its floating point is not for the host. */
void float_entry(struct native_compiler *c);
/* GET or PUT of the register that collects exception flags. */
void float_flags(struct native_compiler *c, const struct bp_ir *r);
void float_cold(struct native_compiler *c, struct cold *k);
bool select_access(struct native_compiler *c, const struct bp_ir *r);
void access_cold(struct native_compiler *c, struct cold *k);
/* At a loop's entry, where registers are free: the memos that its accesses look at. */
void memos_at_entry(struct native_compiler *c);
void vector_cold(struct native_compiler *c, struct cold *k);
/* C by a thunk that keeps all registers and is given a copy of `data`; RAX too is kept. */
void call_keep(struct native_compiler *c, const void *data, size_t size, const void *thunk);
void select_generic(struct native_compiler *c, const struct bp_ir *r);
bool select_leave(struct native_compiler *c, const struct bp_ir *r);
/* Leave for `offset` bytes behind the block's start; `left` instructions of it were not executed. */
void leave_here(struct native_compiler *c, uint32_t offset, enum native_exit why, unsigned left);
/* Write back and let the interpreter do `count` instructions from `offset` on. */
void leave_to_interp(struct native_compiler *c, uint32_t offset, unsigned left, unsigned count);
/* Behind the instruction its key is another one: write it. */
void set_next_key(struct native_compiler *c);
void leave_falling(struct native_compiler *c); /* at the end of the last instruction */
void leave_cold(struct native_compiler *c, const struct cold *k);
/* Id of the count itself, when record r shifts by (count & (width - 1)), as the host does; else 0. */
unsigned masked_count(const struct native_compiler *c, const struct bp_ir *r);
/* Whether JUMP r leads to the block's own start. */
bool is_loop(const struct native_compiler *c, const struct ir_insn *insn);
/* The rest of the instruction from record c->at on, then leave; COLD_REST. */
void rest_cold(struct native_compiler *c);

/* ---- thunks.c ---- */

struct thunks {
	const void *exit; /* reason in EAX */
	const void *leave; /* NATIVE_LEAVE */
	const void *exit_link; /* NATIVE_LOOKUP with the link in RAX */
	const void *lookup; /* the block at R12, or miss */
	const void *miss; /* NATIVE_LOOKUP without a link */
	/* Slow accesses: on the stack jit_native.site, then memop, which are gone afterwards. They keep all
	 * general registers; carry: leave. */
	const void *slow_load, *slow_store, *slow_rmw;
	/* Fill a memo from the TLB: on the stack the address, the same masked, and MEMO_WORD, which are gone
	 * afterwards. Keeps all registers; carry: the TLB has it not. */
	const void *memo_fill;
	const void *slow_load_xmm, *slow_store_xmm, *slow_rmw_xmm; /* and XMM ones */
	const void *memory, *call; /* RAX = info; keep nothing; carry: leave */
	const void *generic; /* the same, never leaves */
	const void *generic_keep, *memory_keep; /* keep all registers */
	const void *resync; /* the block at R12, unless something is pending */
	const uint8_t *flags; /* 64 bytes: MXCSR's flags as enum bp_fp_flag */
	const void *raise; /* ESI = cause, jit_native.value */
};
extern struct thunks thunks;
/* The block at R12 by the jump cache, as jump_slot and jump_hit (native.c) have it; or to thunks.miss.
 * In line, each place has a jump of its own for the host to predict. */
void emit_lookup(struct emit *e);
extern const uint8_t float_flag_bits[6];
extern bool have_bmi2, have_fma, have_sse42, have_avx, have_avx2, have_lzcnt, have_popcnt;

/* Which TLB's entry goes to which memo. */
#define MEMO_WORD(regime, access, memo) ((regime) | (access) << 8 | 2 * (memo) << 16)
#define CPU_AT(member)                  ((int32_t)offsetof(struct jit_cpu, member) - CPU_BIAS)
#define AT(off)                         ((int32_t)(off)-BIAS)

static inline bool is_xmm(unsigned reg)
{
	return reg >= XMM0 && reg < HOST_REGS;
}

/* The first of a set of host registers; for (left = set; left; left &= left - 1). */
static inline unsigned first_of(uint32_t set)
{
	return (unsigned)__builtin_ctz(set);
}

static inline bool is_wide(unsigned type)
{
	return ir_types[type].bytes == 8;
}

static inline unsigned bits_of(unsigned type)
{
	return ir_types[type].bits;
}

#endif
