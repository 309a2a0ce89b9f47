/* SPDX-License-Identifier: MIT */
/* Between interp_compile.c (instructions, registers, precise state), interp_select.c (which
 * operation a record becomes) and interp_leave.c (control, exits, links). */
#ifndef JIT_COMPILE_H
#define JIT_COMPILE_H
#include "interp.h"
#include "verify.h"
#include <glib.h>

enum value_kind {
	V_NONE = 0,
	V_MEM, /* lies at off */
	V_CONST, /* imm; at off too when off is not 0 */
	V_PCREL, /* computed where it is wanted */
	V_LAZY /* a comparison or SELECT that only branches use: part of the branch */
};

struct value {
	uint8_t kind, type;
	bool put_done; /* a PUT whose value was made in the register itself */
	uint16_t last; /* last record that uses it */
	uint16_t uses, branch_uses, jump_uses;
	int16_t known; /* GET of a register of which more is known: in `got`, else -1 */
	uint32_t off;
	uint64_t imm;
};

struct target { /* a PCREL */
	uint32_t mark;
	int32_t imm;
	uint8_t low, keep;
};

/* A register that holds a PCREL, or one of two by a condition, since an earlier instruction. */
struct known {
	uint32_t offset;
	bool two;
	struct target to[2];
	uint32_t cond; /* two: offset of the I1 */
};

struct side { /* an open IF */
	unsigned record;
	uint32_t branch; /* operation that skips the side */
	uint32_t jump; /* that skips the ELSE side */
	bool has_else;
	unsigned merge, merges; /* MERGE records behind END */
};

struct range {
	uint32_t offset, len, record;
};

enum { KNOWN_MAX = 8, ANY_RANGE = INT32_MAX, INFO_ALIGN = 16 };

struct compiler {
	struct interp *in;
	struct verify_type type;
	uint64_t addr_mask;
	GArray *ops, *marks, *undo, *links;
	GByteArray *info; /* struct gen, mem, call, trace_mem */

	const struct ir_block *ir;
	const struct ir_insn *insn; /* the one being compiled */
	const struct bp_ir *rec;
	unsigned count;
	struct value v[BP_IR_INSN_LIMIT];
	GArray *writes; /* struct range: what this instruction writes */
	GArray *saves; /* struct undo: what must be saved for faults in it */
	GArray *places; /* struct range: registers that values of it lie in, record = last use */
	struct side side[IR_NEST];
	unsigned depth;
	struct known known[KNOWN_MAX];
	unsigned knowns;
	struct known got[KNOWN_MAX]; /* what was known when this instruction read it */
	unsigned gots;
	uint32_t temp, pin; /* next temporary; below which the block's own ones begin */
	uint32_t trace; /* events wanted */
	const char *failed;
	bool plain; /* for tests: each record by itself, no shortcuts */
};

/* interp_compile.c */
struct op *op_emit(
	struct compiler *c, unsigned code, uint32_t d, uint32_t a, uint32_t b, int64_t imm);
uint32_t temp_new(struct compiler *c, unsigned type);
uint32_t pin_new(struct compiler *c);
/* Offset of value id, made now if it is a constant. */
uint32_t operand(struct compiler *c, unsigned id);
/* Where record i's result goes: its register when that is safe, else a temporary. */
uint32_t result(struct compiler *c, unsigned i);
/* The same, but only a temporary. */
uint32_t result_temp(struct compiler *c, unsigned i);
/* Where OUT `which` of record i goes, or 0 when nobody wants it. */
uint32_t result_out(struct compiler *c, unsigned i, unsigned which);
/* What an operation's ptr will be: room for size bytes, as an offset. */
void *info_new(struct compiler *c, size_t size, int64_t *offset);
void move(struct compiler *c, unsigned type, uint32_t to, uint32_t from);
/* Put the value of id at offset `to`. */
void move_value(struct compiler *c, unsigned type, uint32_t to, unsigned id);
void forget(struct compiler *c, uint32_t offset, uint32_t len);
void save_again(struct compiler *c);

static inline unsigned width_of(unsigned type) /* log2 of the bytes */
{
	return (unsigned)__builtin_ctz(ir_types[type].bytes);
}

static inline bool is_small_int(unsigned type) /* I1..I64 */
{
	return type >= BP_T_I1 && type <= BP_T_I64;
}

/* Whether id is a constant of at most 64 bits; *imm: it, sign-extended from its type. */
bool constant(const struct compiler *c, unsigned id, int64_t *imm);

/* interp_select.c */
void select_record(struct compiler *c, unsigned i);

/* interp_leave.c */
bool leave_record(struct compiler *c, unsigned i); /* false: not a control record */
void leave_end(struct compiler *c);
/* What the compiler knows of register imm's new content. */
void know(struct compiler *c, unsigned put);

#endif
