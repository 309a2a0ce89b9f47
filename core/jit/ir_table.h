/* SPDX-License-Identifier: MIT */
/* The one table of opcodes. The printer, the text reader, the verifier and the compilers follow it:
 * nothing else knows what operands a record has. */
#ifndef JIT_IR_TABLE_H
#define JIT_IR_TABLE_H
#include <backplane/cpu.h>
#include <stdbool.h>

enum ir_class { /* which types a record may have */
	IR_BIT = 1,
	IR_INT = 2, /* I8..I64 */
	IR_I128 = 4,
	IR_FLOAT = 8,
	IR_VECTOR = 16,
	IR_FLAGS = 32,
	IR_NOTYPE = 64,
	IR_SCALAR_INT = IR_BIT | IR_INT | IR_I128,
	IR_VALUE = IR_SCALAR_INT | IR_FLOAT | IR_VECTOR | IR_FLAGS
};

enum ir_arg { /* what stands in arg[n] */
	ARG_NONE = 0, /* 0 */
	/* ids of values: */
	ARG_SAME, /* value of the record's type */
	ARG_SAME_OR_IMM, /* the same; nothing when aux has BP_IR_IMM */
	ARG_FROM, /* value of type aux */
	ARG_IMM_TYPE, /* value of type imm */
	ARG_ARG1_TYPE, /* value of type arg[1] */
	ARG_LANE_VALUE, /* value of type arg[3] */
	ARG_I1,
	ARG_I64,
	ARG_I8,
	ARG_I128,
	ARG_FLAGS,
	ARG_VECTOR, /* value of that type */
	ARG_OPT_I1,
	ARG_OPT_I64, /* the same, or 0: none */
	ARG_ANY, /* value of any type; the last of them */
	ARG_TYPE, /* a constant: enum bp_ir_type */
	ARG_LANE, /* a constant: lane type; for scalar records of FLOAT operations: rounding */
	ARG_NUMBER, /* a constant */
	ARG_MEMOP, /* half of the memop */
	ARG_WIDE /* quarter of a 64-bit constant */
};

enum ir_result { RES_NONE = 0, RES_TYPE, RES_I1, RES_I64, RES_I32, RES_I1_OR_TYPE };

enum ir_imm { /* what imm is */
	IMM_NONE = 0, /* 0 */
	IMM_OPERAND, /* second operand when aux has BP_IR_IMM, else 0 */
	IMM_NUMBER, /* any number */
	IMM_OFFSET, /* in the CPU state */
	IMM_FIELD, /* position | length << 8 */
	IMM_LANE, /* number of a lane */
	IMM_TYPE, /* enum bp_ir_type */
	IMM_HELPER, /* entry of the helper table */
	IMM_LIMIT /* 0..limit */
};

enum ir_aux { AUX_NONE = 0, AUX_IMM, AUX_TYPE, AUX_NUMBER, AUX_ENV, AUX_LIMIT };

enum ir_props {
	IR_FAULTS = 1, /* may raise an exception */
	IR_LEAVES = 2,
	IR_READS = 4,
	IR_WRITES = 8, /* guest memory */
	IR_CONTROL = 16,
	IR_EFFECT = 32, /* may not be dropped when nobody uses the result */
	IR_LANES = 64 /* works lane by lane when its type is a vector: lane type in arg[3] */
};

struct ir_info {
	const char *name; /* NULL: no such opcode */
	uint8_t arg[4]; /* enum ir_arg */
	uint8_t more; /* MORE records behind it, each with one value of the record's type */
	uint8_t result; /* enum ir_result */
	uint8_t out; /* enum bp_ir_type of OUT 1, or NONE */
	uint8_t types; /* enum ir_class */
	uint8_t imm, imm_limit; /* enum ir_imm */
	uint8_t aux, aux_limit; /* enum ir_aux */
	uint8_t props; /* enum ir_props */
	uint8_t lanes; /* enum ir_class of the lanes of a vector */
};

struct ir_type {
	const char *name;
	uint16_t bits; /* of the value */
	uint8_t bytes; /* of its place in the CPU state: a power of two */
	uint8_t class;
};

enum { IR_TABLE_SIZE = BP_IR_OPS };
extern const struct ir_info ir_table[IR_TABLE_SIZE];
extern const struct ir_type ir_types[BP_T_COUNT];

/* Whether r is the pc plus a number and nothing else. */
static inline bool ir_is_plain_pcrel(const struct bp_ir *r, unsigned address_bits)
{
	return r->op == BP_IR_PCREL && !r->arg[0] && (!r->arg[1] || r->arg[1] >= address_bits);
}

/* What GET and GETX keep of an I1's or a FLAGS' byte. */
static inline unsigned ir_get_mask(unsigned type)
{
	return type == BP_T_I1 ? 1 : 0x3f;
}

/* NULL when there is no such opcode. */
static inline const struct ir_info *ir_info(unsigned op)
{
	return op < IR_TABLE_SIZE && ir_table[op].name ? &ir_table[op] : NULL;
}

/* Type of the record's result, or BP_T_NONE. */
unsigned ir_result_type(const struct bp_ir *r);
/* Whether arg[n] of r is the id of a value, and of which type: BP_T_NONE no, BP_T_COUNT any. Of CALL,
 * all four are values where not 0. */
unsigned ir_arg_type(const struct bp_ir *r, unsigned n);

/* Whether arg[n] of r, a record that was verified, is the id of a value. */
static inline bool ir_is_arg_value(const struct bp_ir *r, unsigned n)
{
	unsigned kind = ir_table[r->op].arg[n];
	return r->arg[n] != 0 && kind >= ARG_SAME && kind <= ARG_ANY &&
		!(kind == ARG_SAME_OR_IMM && r->aux & BP_IR_IMM);
}

#endif
