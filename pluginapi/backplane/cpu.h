/* SPDX-License-Identifier: MIT */
/* CPUs: what a frontend declares and what it may ask of the core ("bp.cpu-core/1"). */
#ifndef BACKPLANE_CPU_H
#define BACKPLANE_CPU_H
#include <backplane/fp.h>
#include <backplane/ir.h>
#ifdef __cplusplus
extern "C" {
#endif

/* The first member of every CPU's instance: shared with the run loop and with translated code.
 * Between instructions pc and key are exact; inside a helper that declares BP_HELPER_PC too. */
struct bp_cpu_head {
	void *core; /* the core's own part of this CPU */
	uint64_t pc; /* architectural pc, zero-extended */
	uint64_t key; /* everything beside the bytes that changes what code means */
	uint32_t pending; /* not 0: leave at the next safepoint and call interrupt(); set through
				 * pending_set */
	uint32_t index; /* number of this CPU in its machine */
	uint64_t icount; /* instructions executed; exact between blocks and in helpers that declare
				 * BP_HELPER_COUNT */
	uint64_t reserved[11];
};

struct bp_cpu_reg { /* architectural registers; table ends with a NULL name */
	const char *name; /* "x1"; with count: x0, x1, ... */
	const char *group; /* "general", "float", "vector", "csr": the debugger's groups */
	uint32_t offset; /* in the instance */
	uint8_t type, flags, reserved[2]; /* enum bp_ir_type of what is stored; bp_cpu_reg_flags */
	uint32_t count, stride; /* a bank; 0 means 1 */
};
enum bp_cpu_reg_flags {
	BP_REG_PC = 1,
	BP_REG_HIDDEN = 2, /* for translated code only: not shown, not compared */
	BP_REG_DEBUG_ONLY = 4 /* not an operand of records */
};

struct bp_insn { /* one call of translate: in, then out */
	uint32_t size;
	uint32_t index; /* of the CPU, for messages only: not for translation */
	uint64_t pc, key;
	/* `len` bytes of code `offset` bytes behind pc (at most 16 in all), or NULL: they cannot be
	 * fetched now; then translate returns BP_TR_FETCH and the core raises the fault. */
	const uint8_t *(*fetch)(struct bp_insn *in, uint32_t offset, uint32_t len);
	uint32_t length; /* out: bytes of this instruction */
	uint32_t reserved;
	uint64_t next_key; /* out, preset to key: the key if control just falls through */
};

enum bp_tr_status {
	BP_TR_OK = 0,
	BP_TR_FETCH, /* fetch gave NULL */
	BP_TR_ERROR /* the frontend's own fault: reported with the guest address */
};

/* ---- helpers: C functions that records CALL ---- */

enum bp_helper_flags {
	BP_HELPER_PURE = 1, /* a function of its arguments alone */
	BP_HELPER_RAISES = 2, /* may return BP_H_RAISED */
	BP_HELPER_MEMORY = 4, /* touches guest memory */
	BP_HELPER_KEY = 8, /* may change the key: the instruction ends with a leave */
	BP_HELPER_TIME = 16, /* reads time */
	BP_HELPER_PC = 32, /* head.pc is this instruction's while it runs */
	BP_HELPER_COUNT = 64, /* head.icount is exact (instructions before this one) */
	BP_HELPER_ANY_REG = 128 /* may read and write any register; else see .reads and .writes */
};
enum bp_helper_status {
	BP_H_OK = 0,
	BP_H_RAISED, /* raise() or a failed access has recorded an exception: undo and enter it */
	BP_H_LEAVE /* done; look at key and pending again after this instruction */
};
struct bp_reg_range {
	uint32_t offset, length; /* bytes of the instance; table ends with length 0 */
};
struct bp_helper { /* table ends with a NULL name */
	const char *name;
	/* args[0..] are the operands, each in 64 bits (128-bit ones take two); results are written to
	 * args[0..]. Returns enum bp_helper_status. [cpu, no lock] */
	int (*fn)(void *cpu, uint64_t *args);
	uint8_t args, results, reserved[2]; /* how many, at most 8 and 4 */
	uint32_t flags; /* enum bp_helper_flags */
	const struct bp_reg_range *reads, *writes;
};

/* ---- address translation ---- */

struct bp_walk { /* result of translate_address */
	uint32_t size, flags; /* enum bp_walk_flags */
	uint64_t phys; /* address in `space` */
	uint64_t length_log2; /* the mapping is good for that naturally aligned range around the
					 * address, both virtual and physical; 0 = this byte: not cached */
	struct bp_space *space; /* NULL: the CPU's "memory" space */
	uint32_t cause; /* when refused: the exception's cause */
	uint32_t verdict; /* a mapping shorter than a page: one access may not touch two of
					 * different verdicts */
	uint64_t value; /* and value */
};
enum bp_walk_flags {
	BP_WALK_READ = 1,
	BP_WALK_WRITE = 2,
	BP_WALK_EXEC = 4, /* what else is allowed there, so that
								 * the TLB entry can serve it (dirty bit set for write) */
	BP_WALK_GLOBAL = 8, /* not tied to the address-space identifier */
	BP_WALK_DEVICE = 16 /* strongly ordered memory type */
};

enum bp_fault_kind {
	BP_FAULT_WALK, /* translate_address refused; cause and value as it said */
	BP_FAULT_BUS, /* the bus answered with an error */
	BP_FAULT_ALIGN, /* BP_MEM_ALIGNED */
	BP_FAULT_ALIGN_ACCESS /* BP_MEM_ALIGNED_ATOMIC */
};
struct bp_fault {
	uint32_t size, kind; /* enum bp_fault_kind */
	uint32_t access; /* enum bp_ir_access; a load with BP_MEM_WRITE_INTENT: write */
	uint32_t regime;
	uint64_t addr; /* the first byte that failed */
	uint32_t cause, status; /* of the walk; enum bp_status of the bus */
	uint64_t value;
};

struct bp_regime { /* table: one entry for each translation regime, NULL name ends */
	const char *name; /* "user", "machine" */
	uint32_t flags,
		reserved; /* 1: the same in all address-space identifiers (e.g. untranslated) */
};

/* ---- the CPU type ---- */

struct bp_cpu {
	uint32_t size, ir_level; /* BP_IR_LEVEL of the headers */
	const char *isa_name; /* for the disassembler service: "riscv64" */
	uint32_t config_offset,
		config_size; /* static properties in the instance: all that translate
						 * may see; constant after create */
	uint32_t address_bits; /* of pc and data addresses: 32 or 64 */
	uint32_t page_bits; /* smallest page, 10..16 */
	uint32_t insn_align, insn_max; /* bytes */
	uint32_t debug_pc_offset, reserved;
	const struct bp_cpu_reg *regs;
	const struct bp_helper *helpers;
	const struct bp_fp_env *fp_envs; /* ends with size 0 */
	const struct bp_regime *regimes;
	/* Append the records of the instruction at in->pc. Pure: see FRONTENDS in docs/. [any] */
	int (*translate)(const void *config, struct bp_insn *in, struct bp_ir_cursor *c);
	/* Which regime the fetch from code with this key uses. Pure. [any] */
	unsigned (*fetch_regime)(const void *config, uint64_t key);
	/* Virtual to physical. 0, or -1 with cause and value set. debug: no side effects (accessed
	 * bits). [cpu, no lock] */
	int (*translate_address)(void *cpu, unsigned regime, uint64_t addr, unsigned access,
		int debug, struct bp_walk *out);
	/* The instruction at head.pc ended with this exception: enter it. [cpu, no lock] */
	void (*exception)(void *cpu, uint32_t cause, uint64_t value);
	/* The same for a memory access; `fetch` faults have access BP_ACC_EXEC. */
	void (*memory_fault)(void *cpu, const struct bp_fault *fault);
	/* Something is pending, at a safepoint: enter an interrupt and return 1, or decline with 0. */
	int (*interrupt)(void *cpu);
	/* Whether a halted CPU has a reason to go on (also one that interrupt() would decline). */
	int (*has_work)(void *cpu);
};

/* ---- "bp.cpu-core/1": services for CPUs; `cpu` is the caller's instance ---- */

struct bp_cpu_core {
	uint32_t size, reserved;
	/* Guest memory from a helper, as the records' LD and ST would do it, seen by watchpoints and
	 * tracers. value: low bits of value[0], 128-bit: value[0] and [1]. Returns BP_H_OK, or BP_H_RAISED with the
	 * fault recorded: return it. [cpu] */
	int (*load)(void *cpu, uint64_t addr, uint32_t memop, uint64_t *value);
	int (*store)(void *cpu, uint64_t addr, uint32_t memop, const uint64_t *value);
	/* len bytes, page crossings included; no byte is stored if any part would fault. [cpu] */
	int (*load_bytes)(void *cpu, uint64_t addr, void *buf, uint32_t len, uint32_t memop);
	int (*store_bytes)(void *cpu, uint64_t addr, const void *buf, uint32_t len, uint32_t memop);
	/* Would an access of len bytes fault? With `quiet` nothing is recorded and 1 means yes. [cpu] */
	int (*probe)(
		void *cpu, uint64_t addr, uint32_t len, unsigned access, uint32_t memop, int quiet);
	/* Physical memory for page-table walkers, aligned 4 or 8 bytes. Return enum bp_status; cas:
	 * *expected is replaced by what was found, and success means found == expected. [cpu] */
	int (*phys_load)(void *cpu, uint64_t phys, unsigned bytes, uint64_t *value);
	int (*phys_cas)(
		void *cpu, uint64_t phys, unsigned bytes, uint64_t *expected, uint64_t desired);
	/* Record an exception and return BP_H_RAISED. [cpu] */
	int (*raise)(void *cpu, uint32_t cause, uint64_t value);
	/* Set or clear bits of head.pending and, when set, wake and kick that CPU. [any] */
	void (*pending_set)(void *cpu, uint32_t bits);
	void (*pending_clear)(void *cpu, uint32_t bits);
	/* From now on data and code of regimes that are not flagged as common belong to the address
	 * space `id`. No flush. [cpu] */
	void (*space_select)(void *cpu, uint64_t id);
	/* Forget cached translations: of one address (len > 0) or all (len 0), of one identifier (any_id 0)
	 * or all, global ones too (global 1); on this CPU, or on all with `everywhere`, then waits until
	 * each has done so. [cpu] */
	void (*tlb_flush)(void *cpu, uint64_t addr, uint64_t len, uint64_t id, int any_id,
		int global, int everywhere);
	/* Code may have been written: what this CPU executes next is fetched anew. (Stores to translated
	 * pages are seen without it.) [cpu] */
	void (*code_sync)(void *cpu);
	/* Run alone: every other CPU waits at a safepoint between begin and end. [cpu] */
	void (*exclusive_begin)(void *cpu);
	void (*exclusive_end)(void *cpu);
	/* Instructions this CPU has executed. [cpu] */
	uint64_t (*icount)(void *cpu);
	/* End LL's watch. [cpu] */
	void (*unwatch)(void *cpu);
	/* How many CPUs of this type the machine has. [any] */
	uint32_t (*cpu_count)(void *cpu);
};

/* ---- "bp.float/1": the reference arithmetic of the interpreter, for helpers ---- */

enum bp_float_op {
	BP_FLOAT_ADD,
	BP_FLOAT_SUB,
	BP_FLOAT_MUL,
	BP_FLOAT_DIV,
	BP_FLOAT_SQRT,
	BP_FLOAT_FMA,
	BP_FLOAT_MIN,
	BP_FLOAT_MAX,
	BP_FLOAT_COMPARE,
	BP_FLOAT_ROUND,
	BP_FLOAT_CLASS
};
struct bp_float {
	uint32_t size, reserved;
	/* a op b (op c) for formats of at most 64 bits; rounding: a resolved mode; detail as the record's
	 * imm of the same operation; flags are OR-ed into *flags. env: NaN rule and env flags. [any] */
	uint64_t (*op)(unsigned op, unsigned format, const struct bp_fp_env *env, unsigned rounding,
		unsigned detail, uint64_t a, uint64_t b, uint64_t c, uint32_t *flags);
	uint64_t (*convert)(unsigned to, unsigned from, const struct bp_fp_env *env,
		unsigned rounding, uint64_t a, uint32_t *flags);
	/* To and from integers of `bits` (8..64); detail as FTOI's imm; ITOF: 1 = unsigned. */
	uint64_t (*to_int)(unsigned bits, unsigned format, unsigned rounding, unsigned detail,
		uint64_t a, uint32_t *flags);
	uint64_t (*from_int)(unsigned format, unsigned bits, const struct bp_fp_env *env,
		unsigned rounding, unsigned detail, uint64_t a, uint32_t *flags);
};

#ifdef __cplusplus
}
#endif
#endif
