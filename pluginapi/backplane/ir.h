/* SPDX-License-Identifier: MIT */
/* The intermediate representation: what a CPU frontend says a guest instruction does.
 *
 * A frontend appends fixed 16-byte records for ONE instruction; the core appends the INSN mark in
 * front (record 0), so a value's id is the index of the record that made it, counted from the mark,
 * and 0 means "no value". Values do not outlive their instruction: what lasts is PUT into a register.
 * docs/ir.md gives each opcode's edge cases; core/jit/ir_table.c is the table of operand kinds.
 *
 * Draft level 0: checked for equality until it is frozen as level 1. */
#ifndef BACKPLANE_IR_H
#define BACKPLANE_IR_H
#include <backplane/base.h>
#ifdef __cplusplus
extern "C" {
#endif

#define BP_IR_LEVEL      0
#define BP_IR_INSN_LIMIT 1024 /* records of one instruction, the mark included */

enum bp_ir_type {
	BP_T_NONE = 0,
	BP_T_I1,
	BP_T_I8,
	BP_T_I16,
	BP_T_I32,
	BP_T_I64,
	BP_T_I128,
	BP_T_F16,
	BP_T_F32,
	BP_T_F64,
	BP_T_F80,
	BP_T_F128,
	BP_T_V64,
	BP_T_V128,
	BP_T_V256,
	BP_T_V512,
	BP_T_FLAGS,
	BP_T_COUNT
};

struct bp_ir {
	uint16_t op; /* enum bp_ir_op */
	uint8_t type; /* of the result; of the operands where the result is I1 or nothing */
	uint8_t aux; /* per opcode; integer operations: BP_IR_IMM */
	int32_t imm; /* per opcode: immediate, displacement, register offset */
	uint16_t arg[4]; /* value ids, or a 64-bit constant (bp_ir_wide) */
};

/* aux of two-operand integer operations: the second operand is imm, sign-extended. */
#define BP_IR_IMM 0x80

enum bp_ir_op {
	BP_IR_NOP = 0,
	BP_IR_INSN, /* mark: aux = bytes, imm = offset from the block's first pc; by the core */
	BP_IR_MORE, /* four more operands for the record before it */
	BP_IR_OUT, /* arg0 = a record with several results; imm = which (1...); type */

	/* constants and registers */
	BP_IR_CONST = 16, /* wide = value; I128 and vectors: zero-extended */
	BP_IR_PCREL, /* I64: ((pc with its low arg0 bits cleared) + imm), low arg1 bits kept (0: all) */
	BP_IR_GET, /* imm = offset in the CPU state */
	BP_IR_PUT, /* arg0 = value, imm = offset; the rest of the register is unchanged */
	BP_IR_GETX, /* arg0 = I64 index; imm = offset of element 0; arg2 = stride, arg3 = count.
			 * An index >= count reads as zero */
	BP_IR_PUTX, /* arg0 = index, arg1 = value, arg2, arg3 as GETX; index >= count: nothing */
	BP_IR_TIME, /* I64: guest virtual time in ns */

	/* integers: type is that of both operands and the result; aux may hold BP_IR_IMM */
	BP_IR_ADD = 32,
	BP_IR_SUB,
	BP_IR_MUL,
	BP_IR_AND,
	BP_IR_OR,
	BP_IR_XOR,
	BP_IR_SHL,
	BP_IR_SHR,
	BP_IR_SAR, /* count >= width: 0, 0, the sign; count unsigned */
	BP_IR_ROL,
	BP_IR_ROR, /* count modulo width */
	BP_IR_MULHS,
	BP_IR_MULHU,
	BP_IR_MULHSU, /* high half; HSU: first operand signed */
	BP_IR_DIVS,
	BP_IR_DIVU, /* x/0 = all ones; MIN/-1 = MIN */
	BP_IR_REMS,
	BP_IR_REMU, /* x%0 = x; MIN%-1 = 0 */
	BP_IR_MINS,
	BP_IR_MAXS,
	BP_IR_MINU,
	BP_IR_MAXU,
	BP_IR_CLMUL,
	BP_IR_CLMULH, /* carry-less product, low and high half */
	BP_IR_ADDC,
	BP_IR_SUBB, /* arg2 = I1 carry or borrow in; OUT 1 = I1 carry or borrow out */
	/* one operand */
	BP_IR_NEG = 64,
	BP_IR_NOT,
	BP_IR_CLZ,
	BP_IR_CTZ, /* of 0: the width */
	BP_IR_POPCNT,
	BP_IR_BSWAP,
	BP_IR_BREV8, /* bits reversed inside each byte */
	BP_IR_SEXT,
	BP_IR_ZEXT, /* from type aux */
	BP_IR_TRUNC, /* from type aux */
	BP_IR_UBITS,
	BP_IR_SBITS, /* imm = position | length << 8: that field, extended */
	BP_IR_DEPOSIT, /* arg0 with the field imm replaced by arg1's low bits */
	BP_IR_CAST, /* same size, other type: bits unchanged; from type aux */
	BP_IR_PAIR, /* I128 from I64 low arg0 and high arg1 */
	BP_IR_LO,
	BP_IR_HI, /* I64 halves of an I128 */
	BP_IR_BOX, /* I64: an F16 or F32, from type aux, in its low bits, all higher bits set */
	BP_IR_UNBOX, /* F16 or F32 from an I64: its low bits, or imm if a higher bit is clear */
	/* comparisons: result I1, type is the operands'; aux may hold BP_IR_IMM */
	BP_IR_EQ = 96,
	BP_IR_NE,
	BP_IR_LTS,
	BP_IR_LES,
	BP_IR_LTU,
	BP_IR_LEU,
	BP_IR_SELECT, /* arg0 = I1, arg1 if set, else arg2 */

	/* flags: the result is the value, OUT 1 its FLAGS */
	BP_IR_ADDF = 112, /* arg2 = I1 carry in or 0 */
	BP_IR_SUBF, /* arg2 = I1 borrow in or 0; C is the borrow */
	BP_IR_LOGICF, /* arg0 = value: Z, N, P of it; C, V, A clear */
	BP_IR_SHLF,
	BP_IR_SHRF,
	BP_IR_SARF, /* C = last bit out; count 0: C clear; V: sign changed */
	BP_IR_FLAG, /* arg0 = FLAGS, aux = enum bp_ir_flag: I1 */
	BP_IR_FLAGS_PACK, /* FLAGS from an I8 of bits 1 << enum bp_ir_flag */
	BP_IR_FLAGS_UNPACK, /* I8 */

	/* floating point (type F16..F128): aux = entry of the CPU type's environment table */
	BP_IR_FADD = 128,
	BP_IR_FSUB,
	BP_IR_FMUL,
	BP_IR_FDIV,
	BP_IR_FSQRT,
	BP_IR_FMA, /* arg0 * arg1 + arg2; imm = enum bp_ir_fma */
	BP_IR_FMIN,
	BP_IR_FMAX, /* imm = enum bp_ir_minmax */
	BP_IR_FCMP, /* I1; imm = enum bp_ir_fcmp */
	BP_IR_FCVT, /* from the format whose type is imm */
	BP_IR_FTOI, /* integer `type` from the format whose type is arg1; imm = enum bp_ir_ftoi */
	BP_IR_ITOF, /* format `type` from the integer type arg1; imm: 1 = unsigned */
	BP_IR_FROUND, /* to an integral value; imm: 1 = no inexact flag */
	BP_IR_FCLASS, /* I32: one bit of enum bp_ir_fclass */
	/* Rounding mode of this one operation instead of the environment's: arg3 = 1 + enum
	 * bp_fp_rounding, a constant, not a value. 0: the environment's. */

	/* memory: see bp_memop; address I64 in arg0, imm = displacement, memop in arg2 and arg3 */
	BP_IR_LD = 160, /* type = result; narrower memory is extended as the memop says */
	BP_IR_ST, /* arg1 = value of `type`; wider than the memory: the low part */
	BP_IR_STP, /* like ST, MORE arg0 = second value stored right behind; all or nothing */
	BP_IR_LL, /* load and watch (load-linked); imm is no displacement but 0 */
	BP_IR_SC, /* store if still watched: I64 0 stored, 1 not; ends the watch in any case */
	BP_IR_RMW, /* arg1 = operand; aux = enum bp_ir_rmw; result: old value. imm = 0 */
	BP_IR_CAS, /* arg1 = expected; MORE arg0 = new; result: old value. imm = 0 */
	BP_IR_PROBE, /* fault now if imm bytes from arg0 on can't be accessed as aux (bp_ir_access) */
	BP_IR_FENCE, /* aux = before << 4 | after: 1 read, 2 write, 4 device in, 8 device out */

	/* calls: OUT 1.. are further results */
	BP_IR_CALL = 176, /* imm = entry of the CPU type's helper table; arg0..3, then MORE */

	/* control inside an instruction, forward only */
	BP_IR_IF = 184, /* arg0 = I1 */
	BP_IR_ELSE,
	BP_IR_END,
	BP_IR_MERGE, /* right after END: arg0 if the IF branch ran, else arg1 */
	BP_IR_COMMIT, /* what was PUT so far stays even if the rest faults */

	/* leaving; what follows in the same arm is not reached */
	BP_IR_JUMP =
		192, /* arg0 = I64 pc; aux = enum bp_ir_hint; arg1 = I64 new key or 0; CALL: arg2 =
				 * return address */
	BP_IR_RAISE, /* arg0 = I64 value; imm = cause: exception() with the state at the mark */
	BP_IR_HALT, /* to the next instruction, then wait until something is pending */
	BP_IR_RESYNC, /* to the next instruction (or arg0 = I64 pc); pending and key looked at again */

	/* vectors: type V64..V512, lanes of type arg3 (a constant, not a value); integer and floating-
	 * point opcodes above work lane by lane when their type is a vector. Beside them: */
	BP_IR_VSPLAT = 208, /* arg0 = scalar of the lane type */
	BP_IR_VEXTRACT, /* imm = lane: scalar */
	BP_IR_VINSERT, /* arg0 with lane imm replaced by arg1 */
	BP_IR_VSHUFFLE, /* lanes of arg0 picked by lanes of arg1; index out of range: 0 */
	BP_IR_VZIPLO,
	BP_IR_VZIPHI, /* interleave the low or high halves of arg0 and arg1 */
	BP_IR_VUNZIPLO,
	BP_IR_VUNZIPHI, /* even or odd lanes of arg0, then of arg1 */
	BP_IR_VWIDENS,
	BP_IR_VWIDENU, /* low half's lanes of type arg3, to twice the width */
	BP_IR_VNARROW, /* lanes of type arg3 to half the width, low half of the result; imm = enum
			 * bp_ir_saturation */
	BP_IR_VADDS,
	BP_IR_VADDU,
	BP_IR_VSUBS,
	BP_IR_VSUBU, /* saturating */
	BP_IR_VMASK, /* I64: the top bit of each lane */
	BP_IR_VBLEND, /* bit by bit: arg1 where arg0 is set, else arg2 */
	BP_IR_OPS /* compare with EQ..LEU and a vector type: lanes of all ones or zeros */
};

enum bp_ir_flag { BP_FLAG_C, BP_FLAG_Z, BP_FLAG_N, BP_FLAG_V, BP_FLAG_P, BP_FLAG_A };
enum bp_ir_hint { BP_HINT_PLAIN, BP_HINT_CALL, BP_HINT_RETURN };
enum bp_ir_rmw {
	BP_RMW_SWAP,
	BP_RMW_ADD,
	BP_RMW_AND,
	BP_RMW_OR,
	BP_RMW_XOR,
	BP_RMW_MINS,
	BP_RMW_MAXS,
	BP_RMW_MINU,
	BP_RMW_MAXU
};
enum bp_ir_fma { BP_FMA_NEG_PRODUCT = 1, BP_FMA_NEG_ADDEND = 2 };
enum bp_ir_minmax {
	BP_MINMAX_NUMBER, /* IEEE 754-2019 minimumNumber: a NaN loses; -0 < +0 */
	BP_MINMAX_NAN, /* minimum: a NaN wins */
	BP_MINMAX_SECOND /* the second operand if either is NaN or both are zero */
};
enum bp_ir_fcmp {
	BP_FCMP_EQ,
	BP_FCMP_LT,
	BP_FCMP_LE,
	BP_FCMP_UNORDERED,
	BP_FCMP_SIGNALING = 8 /* any NaN is invalid; else only a signalling one */
};
enum bp_ir_ftoi { /* what a NaN or a number out of range becomes; all raise invalid */
	BP_FTOI_UNSIGNED = 1,
	BP_FTOI_NAN_MAX = 0 << 4, /* saturate; NaN: the largest */
	BP_FTOI_NAN_ZERO = 1 << 4, /* saturate; NaN: 0 */
	BP_FTOI_INDEFINITE = 2 << 4, /* the smallest signed, or all ones unsigned */
	BP_FTOI_MODULAR = 3 << 4 /* low bits of the integral value; NaN, infinity: 0 */
};
enum bp_ir_fclass {
	BP_FCLASS_NEG_INF = 1,
	BP_FCLASS_NEG_NORMAL = 2,
	BP_FCLASS_NEG_SUBNORMAL = 4,
	BP_FCLASS_NEG_ZERO = 8,
	BP_FCLASS_POS_ZERO = 16,
	BP_FCLASS_POS_SUBNORMAL = 32,
	BP_FCLASS_POS_NORMAL = 64,
	BP_FCLASS_POS_INF = 128,
	BP_FCLASS_SIGNALING = 256,
	BP_FCLASS_QUIET = 512
};
enum bp_ir_access { BP_ACC_READ = 0, BP_ACC_WRITE = 1, BP_ACC_EXEC = 2 };
enum bp_ir_saturation { BP_NARROW_WRAP, BP_NARROW_SIGNED, BP_NARROW_UNSIGNED, BP_NARROW_S_TO_U };

/* A memop, 32 bits: build with OR. */
enum bp_memop {
	BP_MEM_8 = 0,
	BP_MEM_16,
	BP_MEM_32,
	BP_MEM_64,
	BP_MEM_128,
	BP_MEM_256,
	BP_MEM_512,
	BP_MEM_SIZE = 0xf, /* mask: log2 of the bytes */
	BP_MEM_SIGNED = 1 << 4, /* sign-extend, else zero-extend */
	BP_MEM_BIG_ENDIAN = 1 << 5,
	BP_MEM_ALIGNED = 1 << 6, /* not naturally aligned: alignment fault */
	BP_MEM_ALIGNED_ATOMIC = 1 << 7, /* the same, but the fault is an access fault */
	BP_MEM_ATOMIC = 1 << 8, /* one copy if naturally aligned; else bytes may tear */
	BP_MEM_ACQUIRE = 1 << 9,
	BP_MEM_RELEASE = 1 << 10,
	BP_MEM_SEQ_CST = 1 << 11,
	BP_MEM_REGIME_SHIFT = 12, /* 5 bits: the CPU type's translation regime */
	BP_MEM_REGIME = 0x1f << 12,
	BP_MEM_EXEC_PERMISSION = 1 << 17, /* a load that needs execute instead of read permission */
	BP_MEM_WRITE_INTENT = 1 << 18 /* a load whose faults are reported as a store's */
};

/* ---- building records ---- */

struct bp_ir_cursor { /* owned by the core; records of the current instruction */
	struct bp_ir *record; /* record[0] is the mark */
	uint32_t count, limit; /* used, available */
	uint32_t overflow; /* more than limit were asked for: the core reports it */
	uint32_t reserved;
};

/* Append a record; returns its value id. */
static inline uint16_t bp_ir_emit(struct bp_ir_cursor *c, unsigned op, unsigned type, unsigned aux,
	int32_t imm, unsigned a0, unsigned a1, unsigned a2, unsigned a3)
{
	struct bp_ir *r;
	if (c->count >= c->limit) {
		c->overflow = 1;
		return 0;
	}
	r = &c->record[c->count];
	r->op = (uint16_t)op;
	r->type = (uint8_t)type;
	r->aux = (uint8_t)aux;
	r->imm = imm;
	r->arg[0] = (uint16_t)a0;
	r->arg[1] = (uint16_t)a1;
	r->arg[2] = (uint16_t)a2;
	r->arg[3] = (uint16_t)a3;
	return (uint16_t)c->count++;
}

static inline uint64_t bp_ir_wide(const struct bp_ir *r)
{
	return (uint64_t)r->arg[0] | (uint64_t)r->arg[1] << 16 | (uint64_t)r->arg[2] << 32 |
		(uint64_t)r->arg[3] << 48;
}

static inline uint32_t bp_ir_memop(const struct bp_ir *r)
{
	return (uint32_t)r->arg[2] | (uint32_t)r->arg[3] << 16;
}

static inline uint16_t bp_ir_const(struct bp_ir_cursor *c, unsigned type, uint64_t value)
{
	return bp_ir_emit(c, BP_IR_CONST, type, 0, 0, value & 0xffff, value >> 16 & 0xffff,
		value >> 32 & 0xffff, value >> 48 & 0xffff);
}

static inline uint16_t bp_ir_get(struct bp_ir_cursor *c, unsigned type, uint32_t offset)
{
	return bp_ir_emit(c, BP_IR_GET, type, 0, (int32_t)offset, 0, 0, 0, 0);
}

static inline void bp_ir_put(struct bp_ir_cursor *c, unsigned type, uint32_t offset, unsigned value)
{
	bp_ir_emit(c, BP_IR_PUT, type, 0, (int32_t)offset, value, 0, 0, 0);
}

static inline uint16_t bp_ir_op2(
	struct bp_ir_cursor *c, unsigned op, unsigned type, unsigned a, unsigned b)
{
	return bp_ir_emit(c, op, type, 0, 0, a, b, 0, 0);
}

static inline uint16_t bp_ir_op2i(
	struct bp_ir_cursor *c, unsigned op, unsigned type, unsigned a, int32_t imm)
{
	return bp_ir_emit(c, op, type, BP_IR_IMM, imm, a, 0, 0, 0);
}

static inline uint16_t bp_ir_op1(struct bp_ir_cursor *c, unsigned op, unsigned type, unsigned a)
{
	return bp_ir_emit(c, op, type, 0, 0, a, 0, 0, 0);
}

/* SEXT, ZEXT, TRUNC, CAST, BOX: `from` is the operand's type. */
static inline uint16_t bp_ir_convert(
	struct bp_ir_cursor *c, unsigned op, unsigned type, unsigned from, unsigned a)
{
	return bp_ir_emit(c, op, type, from, 0, a, 0, 0, 0);
}

static inline uint16_t bp_ir_select(
	struct bp_ir_cursor *c, unsigned type, unsigned cond, unsigned yes, unsigned no)
{
	return bp_ir_emit(c, BP_IR_SELECT, type, 0, 0, cond, yes, no, 0);
}

static inline uint16_t bp_ir_load(
	struct bp_ir_cursor *c, unsigned type, unsigned addr, int32_t disp, uint32_t memop)
{
	return bp_ir_emit(c, BP_IR_LD, type, 0, disp, addr, 0, memop & 0xffff, memop >> 16);
}

static inline void bp_ir_store(struct bp_ir_cursor *c, unsigned type, unsigned addr, int32_t disp,
	unsigned value, uint32_t memop)
{
	bp_ir_emit(c, BP_IR_ST, type, 0, disp, addr, value, memop & 0xffff, memop >> 16);
}

static inline uint16_t bp_ir_pcrel(
	struct bp_ir_cursor *c, int32_t disp, unsigned low_bits, unsigned width)
{
	return bp_ir_emit(c, BP_IR_PCREL, BP_T_I64, 0, disp, low_bits, width, 0, 0);
}

static inline void bp_ir_jump(struct bp_ir_cursor *c, unsigned target, unsigned hint, unsigned key,
	unsigned return_address)
{
	bp_ir_emit(c, BP_IR_JUMP, BP_T_NONE, hint, 0, target, key, return_address, 0);
}

#ifdef __cplusplus
}
#endif
#endif
