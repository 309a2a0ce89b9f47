/* SPDX-License-Identifier: MIT */
/* The compiler from records to native code, in one pass. What all hosts share is here, what one host has
 * is in the folder of its name:
 *
 *   codegen.c        instructions, blocks, and the parts of a block that are seldom run
 *   codegen_regs.c   which guest register and which value lies where
 *   codegen_leave.c  jumps, exits, links
 *   codegen_skip.c   jumps over a few instructions, inside the block
 *   codegen_int.c    integer records, as far as all hosts do them alike
 *   codegen_float.c  which floating point is for the host's unit
 *   codegen_raw.c    registers whose bits are still to be made the guest's
 *   codegen_access.c  loads, stores, atomics: what all hosts do alike
 *   codegen_c.c      what C does
 *   codegen_thunks.c  the code that all blocks share: leaving, calling C
 *   HOST/codegen_host.h   the host's registers, and the instructions that the above are made of
 *   HOST/native.h    its other files: which instructions a record becomes
 *
 * At the entry of a block all registers are free but BASE, CPU, PC and LEFT; then they hold guest
 * registers ("slots") and values. A loop's block (one that jumps to its own start) gives its most used
 * guest registers a host register for all of its length: these slots are pinned, and the way back needs
 * no memory. */
#ifndef JIT_CODEGEN_H
#define JIT_CODEGEN_H
#include "code_memory.h"
#include "codegen_host.h"
#include "memo.h"
#include "native.h"
#include "plugin/object.h"
#include "verify.h"
#include <glib.h>

enum place { /* where a value is */
	P_NONE = 0,
	P_REG, /* in host register reg; bits above the type are anything */
	P_CONST, /* imm, zero-extended from the type */
	P_PCREL, /* pc of the block + imm, when asked for */
	P_MEM, /* at offset `off` of the instance: the frame, or a guest register */
	P_COND /* a comparison whose users make it themselves */
};

struct known { /* of a value's bits */
	uint64_t ones; /* set */
	bool narrow; /* 31 to 63 are alike; of an I32: in its host register */
};

struct val { /* of the instruction being compiled */
	uint8_t type, place, reg, user_conds; /* user_conds: uses that can test a comparison */
	uint16_t uses, last; /* last record that uses it */
	uint32_t off;
	uint64_t imm;
	struct known known;
};

struct slot { /* the guest register that lies in a host register */
	struct known known;
	uint32_t off;
	uint32_t touched; /* for eviction */
	uint8_t bytes;
};

typedef uint64_t reg_set; /* host registers */

struct state { /* what lies where at one point of the code */
	reg_set used, dirty, pinned; /* registers that have a slot; the last two only such */
	reg_set raw[2]; /* results whose NaNs may not be the guest's, of binary32 and binary64 */
	reg_set unboxed; /* a binary32 whose upper half is to be ones and may be anything */
	uint16_t until[HOST_REGS]; /* last record that uses a value in it */
	struct slot slot[HOST_REGS];
};

struct deferred { /* a PUT that waits until nothing can fault any more */
	uint32_t off;
	uint16_t val;
	uint8_t type;
};

enum { DEFERRED = 8, COLD_PARTS = 384 };

enum cold_kind {
	COLD_LOAD,
	COLD_STORE,
	COLD_RMW,
	COLD_REST, /* after a call that wants to leave: the rest of the instruction, then leave */
	COLD_EXIT, /* a side exit */
	COLD_SKIP, /* a jump over some instructions of the block */
	COLD_ARM, /* an IF whose arm leaves */
	COLD_VECTOR, /* the slow way of a vector's load or store */
	COLD_FLOAT, /* an operation by C */
	COLD_INTERP /* this instruction is for the interpreter after all */
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
	uint8_t *tiny; /* COLD_FLOAT: `from` is for a result that may have underflown */
	uint16_t target; /* COLD_EXIT: id of the PCREL */
	unsigned join; /* COLD_SKIP: in joins, once the way over has its end */
	bool leaving;
};

struct nan_part { /* behind the cold parts: where a look at one or two results leads, if one is a NaN */
	uint8_t *from, *back; /* from: or NULL */
	uint8_t *unboxed; /* a jump for what is no boxed binary32, or NULL */
	uint8_t reg[2]; /* at a loop's entry one */
	bool twice; /* binary64 */
	bool entry;
};

/* Above a boxed binary32. */
#define BOXED_ONES (UINT64_MAX << 32)

struct operands { /* two values, or one and what an instruction can hold */
	unsigned a, b; /* ids; b only without imm */
	int64_t imm;
	bool has_imm, swapped; /* swapped: the record has them the other way round */
};

enum rounding { ROUND_NEAREST, ROUND_ASK, ROUND_OTHER };

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
	unsigned loops; /* compiled so far */
	GArray *links;
	GByteArray *prefers_fp; /* by offset / 4 in the instance */

	unsigned flags_back; /* the instruction that puts flags back which were read, or 0 */

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
	reg_set locked; /* host registers that the record works with */

	struct state s;
	uint32_t clock;
	struct cold *cold;
	unsigned colds;
	GArray *cold_vals; /* struct val */
	GArray *faults; /* struct code_fault, offsets from start */
	GArray *nans; /* struct nan_part */
	GArray *joins; /* struct state: where jumps over instructions end */
	struct cold *skip; /* the jump over what is being compiled, or NULL */
	uint8_t join_of[JIT_BLOCK_INSNS]; /* by instruction: where its jump ends, or 0 */
	uint64_t maybe; /* by instruction, a bit: it may be jumped over */
	uint64_t never; /* its jump is an exit, as was seen */
	bool again; /* failed for such a jump: compile the block once more */
	reg_set head_raw[2], head_unboxed; /* state.raw, state.unboxed at the head of a loop */
	unsigned direct; /* pinned register of a binary32 that is to be boxed next, or NO_REG */
	bool pinning; /* pinned slots exist: the block jumps to its start */
	bool rounds; /* the block's entry has seen that the guest rounds to nearest */
	uint8_t *loop_head;
	bool ended; /* the code's end is not reached */
	bool leaving; /* a cold rest: leave for good, wherever the instruction leads */
	bool uses_fp; /* C functions must keep fp registers */
	bool failed; /* this instruction is not for native code */
};

/* ---- codegen.c ---- */

/* Whether GET or PUT record r is of the register that collects floating-point flags, which is not up to date while
 * native code runs. */
bool is_flags(const struct native_compiler *c, const struct bp_ir *r);

/* A cold part that begins here in thought: the state is copied. NULL: none left, and failed is set. */
struct cold *cold_new(struct native_compiler *c, enum cold_kind kind, uint8_t *from);
/* Instructions of the block that are not executed yet, the current one included. */
unsigned insns_left(const struct native_compiler *c);
/* jit_native.site for a slow path in the current instruction. */
uint32_t site_here(const struct native_compiler *c);
/* Nothing can fault any more: the PUTs that waited. */
void commit_deferred(struct native_compiler *c);

/* ---- codegen_regs.c ---- */

/* A free host register, locked; NO_REG and failed when there is none. */
unsigned reg_new(struct native_compiler *c, bool fp);
/* The pinned register that its result is for, if it may be written; or NO_REG. What is known of what it has until
 * then is not forgotten: not_raw() is for the caller. */
unsigned reg_pinned(struct native_compiler *c, bool fp);
/* Whether value id is all that lives in `reg`, which has no slot. */
bool is_alone(const struct native_compiler *c, unsigned id, unsigned reg);
/* A register for record c->at's result; `reuse` may be given up for it (or NO_REG). */
unsigned reg_result(struct native_compiler *c, bool fp, unsigned reuse);
/* Free this very register (not a pinned one), locked. */
void reg_claim(struct native_compiler *c, unsigned reg);
/* Value id in a general or fp register, locked until the record is done. */
unsigned use(struct native_compiler *c, unsigned id);
unsigned use_fp(struct native_compiler *c, unsigned id);
/* For arithmetic, conversion or comparison of that format: a raw result will do, and need not be boxed. */
unsigned use_number(struct native_compiler *c, unsigned id, unsigned type);
/* These bits of value id, and of the guest register that it is, are known to be set from here on. */
void note_ones(struct native_compiler *c, unsigned id, uint64_t ones);
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
/* A register for what is computed from the guest register whose slot is in `reg`, locked: it is kept as long as
 * neither changes nor is in the way. *fresh: it is still to be computed. */
unsigned derived(struct native_compiler *c, unsigned reg, bool *fresh);
/* Write back and forget all slots but pinned ones; values move to memory. */
void flush(struct native_compiler *c);
/* Pinned slots from memory again, after C may have changed them. */
void reload_pinned(struct native_compiler *c);
void load_slot(struct native_compiler *c, unsigned reg);
bool prefers_fp(const struct native_compiler *c, uint32_t off);

/* Where another way joins, with `other`: slots that it cannot have at all are forgotten, and what is known here is
 * known of both. False: registers of floating point differ. */
bool meet(struct native_compiler *c, const struct state *other);
/* The other way, before it joins: from the state here to `to`, as meet() left it. */
void bring_to(struct native_compiler *c, const struct state *to);

/* ---- codegen_raw.c ---- */

/* The register has a result of that format as the host made it; a binary32 that counts as boxed; something else
 * from now on. */
void set_raw(struct native_compiler *c, unsigned reg, unsigned type);
void set_unboxed(struct native_compiler *c, unsigned reg);
void not_raw(struct native_compiler *c, unsigned reg);
/* Make it the guest's, if it is raw or unboxed; the number alone, whatever lies above a binary32. They change
 * flags, and settle() FP_SCRATCH. */
void settle(struct native_compiler *c, unsigned reg);
void settle_nan(struct native_compiler *c, unsigned reg);
/* Copy what may be raw or unboxed. */
void move_raw(struct native_compiler *c, unsigned to, unsigned from);
/* At a loop's entry: which pinned registers may be so at its head. Before the way back: no others are. */
void raw_at_head(struct native_compiler *c);
void settle_for_head(struct native_compiler *c);
void nan_parts(struct native_compiler *c); /* the last of the block's cold parts */

/* ---- codegen_leave.c ---- */

bool select_leave(struct native_compiler *c, const struct bp_ir *r); /* false: not one of control */
/* Leave for `offset` bytes behind the block's start; `left` instructions of it were not executed. */
void leave_here(struct native_compiler *c, uint32_t offset, enum native_exit why, unsigned left);
/* Write back and let the interpreter do `count` instructions from `offset` on. */
void leave_to_interp(struct native_compiler *c, uint32_t offset, unsigned left, unsigned count);
/* Behind the instruction its key is another one: write it. */
void set_next_key(struct native_compiler *c);
void leave_falling(struct native_compiler *c); /* at the end of the last instruction */
void leave_cold(struct native_compiler *c, const struct cold *k);
/* Whether the instruction's JUMP leads to the block's own start. */
bool is_loop(const struct native_compiler *c, const struct ir_insn *insn);
/* The rest of the instruction from record c->at on, then leave; COLD_REST. */
void rest_cold(struct native_compiler *c);

/* ---- codegen_skip.c ---- */

/* Which side exits of the block are no exits: c->join_of, c->maybe. */
void plan_skips(struct native_compiler *c);
/* Jump over instructions, if value `cond` is set (or is not). False: it is an exit. */
bool skip(struct native_compiler *c, unsigned cond, bool set);
void skip_ends(struct native_compiler *c, unsigned i); /* before instruction i: if it is that one */
void skip_cold(struct native_compiler *c, const struct cold *k);

/* ---- codegen_int.c ---- */

/* Record c->at, if it is one of integers that is no work for C. */
bool select_integer(struct native_compiler *c, const struct bp_ir *r);
/* Compare as record r says; the condition that then means "true". */
enum cc compare_record(struct native_compiler *c, const struct bp_ir *r);
/* Of a minimum or a maximum: the condition under which the first operand is the result. */
enum cc choosing_condition(const struct bp_ir *r);
/* Test value id, an I1; the condition that then means "set". */
enum cc test_condition(struct native_compiler *c, unsigned id);
/* Id of the count itself, when record r shifts by (count & (width - 1)), as hosts do; else 0. */
unsigned masked_count(const struct native_compiler *c, const struct bp_ir *r);
/* The second operand, if it is a constant; in a register. */
bool second_const(const struct native_compiler *c, const struct bp_ir *r, int64_t *imm);
/* The same, if an instruction can hold it. */
bool second_imm(const struct native_compiler *c, const struct bp_ir *r, int64_t *imm);
unsigned use_second(struct native_compiler *c, const struct bp_ir *r);
void set_result(struct native_compiler *c, const struct bp_ir *r, unsigned reg);
/* The record's result is value id as it is. */
void alias(struct native_compiler *c, unsigned type, unsigned id);
/* Whether record r makes a value that is narrow. */
bool makes_narrow(const struct native_compiler *c, const struct bp_ir *r);

/* ---- codegen_float.c ---- */

/* Record c->at, if it is one of floating point that is no work for C. */
bool select_float(struct native_compiler *c, const struct bp_ir *r);

struct operation { /* one such record being made */
	unsigned operand[3], operands;
	uint8_t *to_c[3]; /* jumps to the way by C */
	unsigned to_cs;
	uint8_t *tiny; /* a jump for a result that may have underflown, or NULL */
	unsigned result, raw; /* host registers; raw: where that result then is */
};

void unless_nearest(struct native_compiler *c, const struct bp_fp_env *env, enum rounding rounding,
	struct operation *o);
/* Where a result goes that may be made again from its operands: o->raw. */
unsigned unsettled(struct operation *o);
/* The result is in o->result, unless one of the jumps was taken: COLD_FLOAT for them. */
void operation_done(struct native_compiler *c, const struct bp_ir *r, const struct operation *o);
/* The record of a COLD_FLOAT by C, operands from their registers; all registers are kept. */
void float_by_c(struct native_compiler *c, const struct cold *k);

/* Record r's rounding: enum bp_round. */
unsigned mode_of(const struct bp_fp_env *env, const struct bp_ir *r);
/* What is known of it: to nearest, to be looked up when it runs, or another. */
enum rounding rounding_of(const struct bp_fp_env *env, const struct bp_ir *r);
/* At the block's entry: leave if its floating point is not for the host. */
void float_entry(struct native_compiler *c);

/* ---- codegen_c.c ---- */

void select_generic(struct native_compiler *c, const struct bp_ir *r);
void select_memory(struct native_compiler *c, const struct bp_ir *r);
void select_call(struct native_compiler *c, const struct bp_ir *r);
/* A copy of what C is to see, of a multiple of 8 bytes, behind the code so far: INFO points to it. */
void info(struct native_compiler *c, const void *data, size_t size);

/* ---- codegen_thunks.c: the code that all blocks share ---- */

struct thunks {
	const void *exit; /* reason in RESULT */
	const void *leave; /* NATIVE_LEAVE, or NULL: a constant and a jump do */
	const void *exit_link; /* NATIVE_LOOKUP with the link in INFO */
	const void *lookup; /* the block at PC, or miss */
	const void *miss; /* NATIVE_LOOKUP without a link */
	const void *resync; /* the block at PC, unless something is pending */
	const void *raise; /* cause in SECOND, jit_native.value */
	/* Slow accesses, by enum cold_kind, which keep all general registers; [1]: those for floating point
	 * too. How they are told memop and jit_native.site is the host's affair. CC_LEAVE: leave. */
	const void *slow[2][COLD_RMW + 1];
	/* Call C, which is given INFO. */
	const void *memory, *call; /* keep nothing; CC_LEAVE: leave */
	const void *generic; /* the same, never leaves */
	const void *generic_keep; /* keeps all registers */
};
extern struct thunks thunks;

static inline const void *to_be_run(const struct emit *e) /* where what comes next is executed */
{
	return e->at + e->to_execute;
}

/* PC and LEFT to memory. */
void save_position(struct emit *e);
/* In RESULT what C returned: BP_H_RAISED leaves from here, else as CC_LEAVE says. */
void check_status(struct emit *e);
/* Leave for `why`; everything is written back. NATIVE_LOOKUP: only if something is pending. */
void emit_exit(struct emit *e, enum native_exit why);
/* Raise `cause` with jit_native.value; jit_native.site is set. */
void emit_raise(struct emit *e, uint32_t cause);

/* ---- codegen_access.c, and more for the hosts' access.c ---- */

/* Record c->at, if it is an access, a fence or a call. */
bool select_access(struct native_compiler *c, const struct bp_ir *r);
/* The address of a record in a register: a value's own when there is nothing to add. */
unsigned access_address(struct native_compiler *c, const struct bp_ir *r, int32_t disp);
/* The slow way's beginning, behind which jit_native.addr is written; value and operation; which of thunks.slow;
 * its end, after the call. */
void slow_begin(struct native_compiler *c, const struct cold *k);
void slow_operands(struct native_compiler *c, const struct cold *k);
const void *slow_thunk(const struct native_compiler *c, const struct cold *k);
void slow_end(struct native_compiler *c, const struct cold *k);

/* Whether the only use of record c->at's value is a PUT into a register for floating point. */
static inline bool wants_fp(const struct native_compiler *c)
{
	if (c->v[c->at].uses != 1)
		return false;
	for (unsigned i = c->at + 1; i < c->count; i++)
		if (c->rec[i].op == BP_IR_PUT && c->rec[i].arg[0] == c->at)
			return prefers_fp(c, (uint32_t)c->rec[i].imm);
	return false;
}

static inline bool inline_access(const struct bp_ir *r, uint32_t memop)
{
	return (memop & BP_MEM_SIZE) <= 3 && r->type >= BP_T_I8 && ir_types[r->type].bytes <= 8 &&
		r->type != BP_T_FLAGS && !(memop & (BP_MEM_BIG_ENDIAN | BP_MEM_EXEC_PERMISSION));
}

static inline bool inline_rmw(const struct bp_ir *r, uint32_t memop)
{
	unsigned size = memop & BP_MEM_SIZE;
	return (size == 2 || size == 3) && r->type <= BP_T_I64 && !(memop & BP_MEM_BIG_ENDIAN);
}

/* Of the record that is compiled, as in struct memo_plan. What is done on the way out goes by the TLB. */
static inline unsigned memo_here(const struct native_compiler *c)
{
	return c->leaving ? NO_MEMO : c->memos.of[c->insn->record + c->at];
}

static inline int32_t tag_at(unsigned access)
{
	return (int32_t)(offsetof(struct tlb_entry, tag) + 8 * access);
}

static inline unsigned regime_of(uint32_t memop)
{
	return (memop & BP_MEM_REGIME) >> BP_MEM_REGIME_SHIFT;
}

/* ---- the host's folder: its own files; what is made in one breath is in codegen_host.h ---- */

/* Registers for values, in the order in which they are taken; those that a loop keeps its slots in. */
extern const uint8_t host_general[GENERAL], host_pinned[PINNED_GENERAL];
/* Record c->at, if the host has instructions for it; C does the others. */
bool select_host(struct native_compiler *c, const struct bp_ir *r);
/* Integer records of words, and AND, OR, XOR of bits too; what select_integer asks for. */
void alu_record(struct native_compiler *c, const struct bp_ir *r, const struct operands *o);
bool shift_record(struct native_compiler *c, const struct bp_ir *r); /* false: C does it */
void multiply_record(struct native_compiler *c, const struct bp_ir *r);
void high_half_record(struct native_compiler *c, const struct bp_ir *r); /* of 64 bits */
void divide_record(struct native_compiler *c, const struct bp_ir *r);
void min_max_record(struct native_compiler *c, const struct bp_ir *r);
/* Records of one operand, d from a, or NOT of a bit; whether this CPU has an instruction for it. */
void emit_one(struct native_compiler *c, const struct bp_ir *r, unsigned d, unsigned a);
bool has_one(const struct bp_ir *r);
/* Jump if value id, an I1, is set, or (`set` false) if it is not: where, for emit_to and emit_here. */
uint8_t *jump_on(struct native_compiler *c, unsigned id, bool set);
/* At a loop's entry, where registers are free: the memos that its accesses look at. */
void memos_at_entry(struct native_compiler *c);
/* An access in line; false: C does it. */
bool load_record(struct native_compiler *c, const struct bp_ir *r);
bool store_record(struct native_compiler *c, const struct bp_ir *r);
bool rmw_record(struct native_compiler *c, const struct bp_ir *r);
/* Of `before`, bit 0 reads and bit 1 writes, everything comes before what `after` says; neither is 0. */
void emit_fence(struct emit *e, unsigned before, unsigned after);
void access_cold(struct native_compiler *c, struct cold *k);
/* The memo did not match: fill it, and if the TLB has the page, go on with the access. */
void memo_cold(struct native_compiler *c, const struct cold *k);
/* The result of a slow access, extended as the record says; flags stay. */
void slow_result(struct native_compiler *c, const struct bp_ir *r, const struct cold *k);
/* Floating point, of operands and formats that are fit for hosts, into o->result or o->to_c. */
bool has_arithmetic(const struct bp_ir *r); /* with this CPU */
void emit_arithmetic(struct native_compiler *c, const struct bp_ir *r, struct operation *o);
void emit_min_max(struct native_compiler *c, const struct bp_ir *r, struct operation *o);
void emit_format(struct native_compiler *c, const struct bp_ir *r, struct operation *o);
/* d = the comparison of a and b. */
void emit_float_compare(
	struct native_compiler *c, const struct bp_ir *r, unsigned d, unsigned a, unsigned b);
/* d, maybe a, = a with the bits from 32 on set. */
void emit_box(struct native_compiler *c, unsigned d, unsigned a);
/* The jump for when one of these bits of `a` is clear. */
uint8_t *emit_unless_boxed(struct native_compiler *c, unsigned a);
/* The whole record; false: C does it. */
bool round_record(struct native_compiler *c, const struct bp_ir *r, const struct bp_fp_env *env);
bool class_record(struct native_compiler *c, const struct bp_ir *r);
bool from_integer(struct native_compiler *c, const struct bp_ir *r, const struct bp_fp_env *env);
bool to_integer(struct native_compiler *c, const struct bp_ir *r, const struct bp_fp_env *env);
bool select_lanes(struct native_compiler *c, const struct bp_ir *r, const struct bp_fp_env *env);
/* C by a thunk that keeps all registers and is given a copy of `data`. */
void call_keep(struct native_compiler *c, const void *data, size_t size, const void *thunk);
/* The host's flags, as it has them, as enum bp_fp_flag. */
uint32_t guest_flags(unsigned status);
/* GET or PUT of the register that collects exception flags. */
void float_flags(struct native_compiler *c, const struct bp_ir *r);
void float_cold(struct native_compiler *c, struct cold *k);
/* Whether what C does for this access is to stand between barriers of all kinds. */
bool needs_barriers(const struct bp_ir *r);
void emit_barrier(struct emit *e);
/* The block at PC by the jump cache, as jump_slot and jump_hit (find.h) have it; else leave.
 * In line, each place has a jump of its own for the host to predict. */
void emit_lookup(struct emit *e);
/* A jump that native_patch() can point at a block, and what it does until then: leave with the link's
 * address, which is written LINK_ADDRESS behind l->patch. Sets patch. */
void emit_link(struct emit *e, struct link *l);
/* Point that jump at `target`, in writable memory, while others run it. */
void patch_link(uint8_t *jump, const uint8_t *target);

/* What this CPU has. */
void host_features(void);
/* The thunks, in this order: for native_host_enter, which is returned, exit and exit_link; resync and what
 * only the host has; calls of fn(cpu, INFO) that give back every register that a block may use, or keep
 * nothing. `access`: with what thunks.slow are told. */
const void *make_entry(struct emit *e);
void make_more(struct emit *e);
const void *make_keeping(struct emit *e, const void *fn, bool fp, bool access);
const void *make_call(struct emit *e, const void *fn);
void call_absolute(struct emit *e, const void *fn);

static inline reg_set reg_bit(unsigned reg)
{
	return (reg_set)1 << reg;
}

/* The first of a set of host registers; for (left = set; left; left &= left - 1). */
static inline unsigned first_of(reg_set set)
{
	return (unsigned)__builtin_ctzll(set);
}

static inline bool is_fp(unsigned reg)
{
	return reg >= FP_FIRST && reg < HOST_REGS;
}

static inline bool is_wide(unsigned type)
{
	return ir_types[type].bytes == 8;
}

static inline unsigned bits_of(unsigned type)
{
	return ir_types[type].bits;
}

static inline bool is_format(unsigned type) /* scalar floating point of hosts */
{
	return type == BP_T_F32 || type == BP_T_F64;
}

static inline bool is_small(unsigned type)
{
	return type >= BP_T_I1 && type <= BP_T_I64;
}

static inline bool is_word(unsigned type) /* what hosts compute with */
{
	return type == BP_T_I32 || type == BP_T_I64;
}

/* Whether the type is that of vectors which have a register; other wide values lie in memory. */
static inline bool is_vector(unsigned type)
{
	return FP_WIDTH == 16 && type == BP_T_V128;
}

static inline bool has_register(unsigned type)
{
	return ir_types[type].bytes <= 8 || is_vector(type);
}

/* Whether what the record loads goes to a floating-point register. */
static inline bool loads_fp(const struct native_compiler *c, const struct bp_ir *r, uint32_t memop)
{
	return is_format(r->type) ||
		(is_wide(r->type) && (memop & BP_MEM_SIZE) == BP_MEM_64 && wants_fp(c));
}

#endif
