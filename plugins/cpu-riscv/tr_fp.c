/* SPDX-License-Identifier: MIT */
/* F, D, Zfh, Zfa (unpriv 20, 21, 23, 26). f registers hold narrower values NaN-boxed: all higher
 * bits set; a value that is not boxed so counts as the canonical NaN (unpriv 21.2). */
#include "tr.h"

enum { ENV = 0 }; /* the one entry of the environment table (cpu.c) */

static unsigned bits_of(unsigned type)
{
	return type == BP_T_F16 ? 16 : type == BP_T_F32 ? 32 : 64;
}

static unsigned int_of(unsigned type)
{
	return type == BP_T_F16 ? BP_T_I16 : type == BP_T_F32 ? BP_T_I32 : BP_T_I64;
}

static uint64_t canonical_nan(unsigned type)
{
	return type == BP_T_F16    ? 0x7e00
		: type == BP_T_F32 ? 0x7fc00000
				   : UINT64_C(0x7ff8000000000000);
}

static unsigned op2(struct tr *t, unsigned op, unsigned type, unsigned a, unsigned b)
{
	return bp_ir_op2(t->c, op, type, a, b);
}

unsigned tr_f(struct tr *t, unsigned type, unsigned n)
{
	unsigned whole = bp_ir_get(t->c, BP_T_I64, F_OFFSET(n));
	if (type == BP_T_F64)
		return bp_ir_convert(t->c, BP_IR_CAST, type, BP_T_I64, whole);
	return bp_ir_emit(t->c, BP_IR_UNBOX, type, 0, (int32_t)canonical_nan(type), whole, 0, 0, 0);
}

static void set_f(struct tr *t, unsigned type, unsigned n, unsigned value)
{
	unsigned op = type == BP_T_F64 ? BP_IR_CAST : BP_IR_BOX;
	bp_ir_put(t->c, BP_T_I64, F_OFFSET(n), bp_ir_convert(t->c, op, BP_T_I64, type, value));
}

/* The same as integers of the format's width. */
static unsigned f_bits(struct tr *t, unsigned type, unsigned n)
{
	return bp_ir_convert(t->c, BP_IR_CAST, int_of(type), type, tr_f(t, type, n));
}

void tr_set_f_bits(struct tr *t, unsigned type, unsigned n, unsigned value)
{
	if (type == BP_T_F64)
		bp_ir_put(t->c, BP_T_I64, F_OFFSET(n), value);
	else
		set_f(t, type, n, bp_ir_convert(t->c, BP_IR_CAST, type, int_of(type), value));
}

/* arg3 of floating-point records: a rounding mode of its own, or the environment's. */
static unsigned rounding(const struct tr *t)
{
	return t->a.rm == 7 ? 0 : 1u + t->a.rm;
}

static unsigned fp(
	struct tr *t, unsigned op, unsigned type, int32_t imm, unsigned a, unsigned b, unsigned c)
{
	return bp_ir_emit(t->c, op, type, ENV, imm, a, b, c, rounding(t));
}

void tr_fload(struct tr *t, int p, int q)
{
	int32_t disp;
	unsigned type = (unsigned)p, size = (unsigned)q;
	unsigned addr = tr_addr(t, t->a.rs1, t->a.imm, &disp);
	uint32_t memop = tr_memop(t, size, 0);
	if (type == BP_T_F64)
		tr_set_f_bits(t, type, t->a.rd, bp_ir_load(t->c, BP_T_I64, addr, disp, memop));
	else
		set_f(t, type, t->a.rd, bp_ir_load(t->c, type, addr, disp, memop));
}

/* Stores take the low bits as they are, boxed or not (unpriv 21.2). */
void tr_fstore(struct tr *t, int p, int q)
{
	int32_t disp;
	(void)p;
	unsigned addr = tr_addr(t, t->a.rs1, t->a.imm, &disp);
	unsigned v = bp_ir_get(t->c, BP_T_I64, F_OFFSET(t->a.rs2));
	bp_ir_store(t->c, BP_T_I64, addr, disp, v, tr_memop(t, (unsigned)q, 0));
}

void tr_farith(struct tr *t, int p, int op)
{
	unsigned type = (unsigned)p;
	set_f(t, type, t->a.rd,
		fp(t, (unsigned)op, type, 0, tr_f(t, type, t->a.rs1), tr_f(t, type, t->a.rs2), 0));
}

void tr_fsqrt(struct tr *t, int p, int q)
{
	unsigned type = (unsigned)p;
	(void)q;
	set_f(t, type, t->a.rd, fp(t, BP_IR_FSQRT, type, 0, tr_f(t, type, t->a.rs1), 0, 0));
}

void tr_fma(struct tr *t, int p, int negate)
{
	unsigned type = (unsigned)p;
	set_f(t, type, t->a.rd,
		fp(t, BP_IR_FMA, type, negate, tr_f(t, type, t->a.rs1), tr_f(t, type, t->a.rs2),
			tr_f(t, type, t->a.rs3)));
}

/* q: enum bp_ir_minmax, + 16 for the maximum */
void tr_fminmax(struct tr *t, int p, int q)
{
	unsigned type = (unsigned)p;
	set_f(t, type, t->a.rd,
		fp(t, q & 16 ? BP_IR_FMAX : BP_IR_FMIN, type, q & 15, tr_f(t, type, t->a.rs1),
			tr_f(t, type, t->a.rs2), 0));
}

void tr_fcmp(struct tr *t, int p, int q)
{
	unsigned type = (unsigned)p;
	tr_set_bool(t, t->a.rd,
		fp(t, BP_IR_FCMP, type, q, tr_f(t, type, t->a.rs1), tr_f(t, type, t->a.rs2), 0));
}

/* q: 0 sign of rs2, 1 its inverse, 2 both signs' exclusive or. Of a register and itself it is a move, the
 * negation, and the absolute value. */
void tr_fsgnj(struct tr *t, int p, int q)
{
	unsigned type = (unsigned)p, i = int_of(type), value;
	unsigned sign = bp_ir_const(t->c, i, UINT64_C(1) << (bits_of(type) - 1));
	unsigned a = f_bits(t, type, t->a.rs1);
	if (t->a.rs1 == t->a.rs2) {
		value = q == 0   ? a
			: q == 1 ? op2(t, BP_IR_XOR, i, a, sign)
				 : op2(t, BP_IR_AND, i, a, bp_ir_op1(t->c, BP_IR_NOT, i, sign));
	} else {
		unsigned s = op2(t, BP_IR_AND, i, f_bits(t, type, t->a.rs2), sign);
		if (q == 1)
			s = op2(t, BP_IR_XOR, i, s, sign);
		if (q != 2)
			a = op2(t, BP_IR_AND, i, a, bp_ir_op1(t->c, BP_IR_NOT, i, sign));
		value = op2(t, q == 2 ? BP_IR_XOR : BP_IR_OR, i, a, s);
	}
	tr_set_f_bits(t, type, t->a.rd, value);
}

void tr_fclass(struct tr *t, int p, int q)
{
	unsigned type = (unsigned)p;
	(void)q;
	tr_set_xw(t, t->a.rd,
		bp_ir_emit(t->c, BP_IR_FCLASS, type, ENV, 0, tr_f(t, type, t->a.rs1), 0, 0, 0));
}

/* p: to, q: from */
void tr_fcvt(struct tr *t, int p, int q)
{
	set_f(t, (unsigned)p, t->a.rd,
		fp(t, BP_IR_FCVT, (unsigned)p, q, tr_f(t, (unsigned)q, t->a.rs1), 0, 0));
}

enum { UNSIGNED = 1, LONG = 2 }; /* q of the conversions from and to integers */

void tr_ftoi(struct tr *t, int p, int q)
{
	unsigned type = q & LONG ? BP_T_I64 : BP_T_I32;
	int32_t how = BP_FTOI_NAN_MAX | (q & UNSIGNED ? BP_FTOI_UNSIGNED : 0);
	unsigned v = fp(t, BP_IR_FTOI, type, how, tr_f(t, (unsigned)p, t->a.rs1), (unsigned)p, 0);
	if (q & LONG)
		tr_set_x(t, t->a.rd, v);
	else
		tr_set_xw(t, t->a.rd, v);
}

void tr_itof(struct tr *t, int p, int q)
{
	unsigned from = q & LONG ? BP_T_I64 : BP_T_I32;
	unsigned x = q & LONG ? tr_x(t, t->a.rs1) : tr_xw(t, t->a.rs1);
	set_f(t, (unsigned)p, t->a.rd, fp(t, BP_IR_ITOF, (unsigned)p, q & UNSIGNED, x, from, 0));
}

void tr_fcvtmod(struct tr *t, int p, int q)
{
	(void)p;
	(void)q;
	unsigned v = bp_ir_emit(t->c, BP_IR_FTOI, BP_T_I32, ENV, BP_FTOI_MODULAR,
		tr_f(t, BP_T_F64, t->a.rs1), BP_T_F64, 0, 1 + BP_ROUND_ZERO);
	tr_set_xw(t, t->a.rd, v);
}

/* Moves take and give bits, no NaN-boxing looked at (unpriv 20.7). */
void tr_fmv_to_x(struct tr *t, int p, int q)
{
	unsigned type = int_of((unsigned)p);
	(void)q;
	unsigned v = bp_ir_get(t->c, type, F_OFFSET(t->a.rs1));
	if (type != t->xt)
		v = bp_ir_convert(t->c, BP_IR_SEXT, t->xt, type, v);
	tr_set_x(t, t->a.rd, v);
}

void tr_fmv_from_x(struct tr *t, int p, int q)
{
	unsigned type = int_of((unsigned)p);
	(void)q;
	unsigned v = tr_x(t, t->a.rs1);
	if (type != t->xt)
		v = bp_ir_convert(t->c, BP_IR_TRUNC, type, t->xt, v);
	tr_set_f_bits(t, (unsigned)p, t->a.rd, v);
}

void tr_fmvh(struct tr *t, int p, int q)
{
	(void)p;
	(void)q;
	tr_set_x(t, t->a.rd, bp_ir_get(t->c, BP_T_I32, F_OFFSET(t->a.rs1) + 4));
}

void tr_fmvp(struct tr *t, int p, int q)
{
	(void)p;
	(void)q;
	unsigned low = bp_ir_convert(t->c, BP_IR_ZEXT, BP_T_I64, BP_T_I32, tr_x(t, t->a.rs1));
	unsigned high = bp_ir_convert(t->c, BP_IR_ZEXT, BP_T_I64, BP_T_I32, tr_x(t, t->a.rs2));
	high = bp_ir_op2i(t->c, BP_IR_SHL, BP_T_I64, high, 32);
	tr_set_f_bits(t, BP_T_F64, t->a.rd, op2(t, BP_IR_OR, BP_T_I64, low, high));
}

/* q: 1 without the inexact flag (fround), 0 with it (froundnx) */
void tr_fround(struct tr *t, int p, int q)
{
	set_f(t, (unsigned)p, t->a.rd,
		fp(t, BP_IR_FROUND, (unsigned)p, q, tr_f(t, (unsigned)p, t->a.rs1), 0, 0));
}

/* Zfa's table of constants (unpriv 26.1): each as a double; the smallest normal number, rows 1, and
 * infinity and NaN differ by format. Halves exactly representable in binary16 or rounded there. */
void tr_fli(struct tr *t, int p, int q)
{
	static const uint16_t half[32] = { 0xbc00, 0x0400, 0x0100, 0x0200, 0x1c00, 0x2000, 0x2c00,
		0x3000, 0x3400, 0x3500, 0x3600, 0x3700, 0x3800, 0x3900, 0x3a00, 0x3b00, 0x3c00,
		0x3d00, 0x3e00, 0x3f00, 0x4000, 0x4100, 0x4200, 0x4400, 0x4800, 0x4c00, 0x5800,
		0x5c00, 0x7800, 0x7c00, 0x7c00, 0x7e00 };
	static const uint32_t single[32] = { 0xbf800000, 0x00800000, 0x37800000, 0x38000000,
		0x3b800000, 0x3c000000, 0x3d800000, 0x3e000000, 0x3e800000, 0x3ea00000, 0x3ec00000,
		0x3ee00000, 0x3f000000, 0x3f200000, 0x3f400000, 0x3f600000, 0x3f800000, 0x3fa00000,
		0x3fc00000, 0x3fe00000, 0x40000000, 0x40200000, 0x40400000, 0x40800000, 0x41000000,
		0x41800000, 0x43000000, 0x43800000, 0x47000000, 0x47800000, 0x7f800000,
		0x7fc00000 };
	unsigned n = t->a.imm & 31, type = (unsigned)p;
	(void)q;
	uint64_t value = type == BP_T_F16 ? half[n] : single[n];
	if (type == BP_T_F64) {
		/* The same numbers: widen the exponent, except the smallest normal and the specials. */
		uint64_t s = single[n];
		value = (s & 0x80000000) << 32 | ((s >> 23 & 0xff) + 896) << 52 |
			(s & 0x7fffff) << 29;
		if (n == 1)
			value = UINT64_C(0x0010000000000000);
		if (n >= 30)
			value = n == 30 ? UINT64_C(0x7ff0000000000000) : canonical_nan(type);
	}
	tr_set_f_bits(t, type, t->a.rd, bp_ir_const(t->c, int_of(type), value));
}
