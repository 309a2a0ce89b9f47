/* SPDX-License-Identifier: MIT */
/* Bit manipulation: Zba, Zbb, Zbc, Zbs, Zbkb (unpriv 28), and Zicond (unpriv 12). */
#include "tr.h"

static unsigned op2(struct tr *t, unsigned op, unsigned a, unsigned b)
{
	return bp_ir_op2(t->c, op, t->xt, a, b);
}

static unsigned op2i(struct tr *t, unsigned op, unsigned a, int32_t imm)
{
	return bp_ir_op2i(t->c, op, t->xt, a, imm);
}

static unsigned zext_w(struct tr *t, unsigned n)
{
	return bp_ir_convert(t->c, BP_IR_ZEXT, BP_T_I64, BP_T_I32, tr_xw(t, n));
}

void tr_shadd(struct tr *t, int shift, int q)
{
	(void)q;
	unsigned scaled = op2i(t, BP_IR_SHL, tr_x(t, t->a.rs1), shift);
	tr_set_x(t, t->a.rd, op2(t, BP_IR_ADD, scaled, tr_x(t, t->a.rs2)));
}

void tr_shadd_uw(struct tr *t, int shift, int q)
{
	(void)q;
	unsigned scaled = op2i(t, BP_IR_SHL, zext_w(t, t->a.rs1), shift);
	tr_set_x(t, t->a.rd, op2(t, BP_IR_ADD, scaled, tr_x(t, t->a.rs2)));
}

void tr_add_uw(struct tr *t, int p, int q)
{
	(void)p;
	(void)q;
	tr_set_x(t, t->a.rd, op2(t, BP_IR_ADD, zext_w(t, t->a.rs1), tr_x(t, t->a.rs2)));
}

void tr_slli_uw(struct tr *t, int p, int q)
{
	(void)p;
	(void)q;
	tr_set_x(t, t->a.rd, op2i(t, BP_IR_SHL, zext_w(t, t->a.rs1), t->a.imm));
}

/* andn, orn: the second operand inverted; xnor: the result. */
void tr_notop(struct tr *t, int op, int q)
{
	unsigned a = tr_x(t, t->a.rs1), b = tr_x(t, t->a.rs2);
	if (q) {
		tr_set_x(t, t->a.rd, bp_ir_op1(t->c, BP_IR_NOT, t->xt, op2(t, (unsigned)op, a, b)));
		return;
	}
	tr_set_x(t, t->a.rd, op2(t, (unsigned)op, a, bp_ir_op1(t->c, BP_IR_NOT, t->xt, b)));
}

void tr_unary(struct tr *t, int op, int q)
{
	(void)q;
	tr_set_x(t, t->a.rd, bp_ir_op1(t->c, (unsigned)op, t->xt, tr_x(t, t->a.rs1)));
}

void tr_unaryw(struct tr *t, int op, int q)
{
	(void)q;
	tr_set_xw(t, t->a.rd, bp_ir_op1(t->c, (unsigned)op, BP_T_I32, tr_xw(t, t->a.rs1)));
}

/* p: SEXT or ZEXT, q: the narrow type. */
void tr_extend(struct tr *t, int op, int type)
{
	unsigned low = bp_ir_convert(t->c, BP_IR_TRUNC, (unsigned)type, t->xt, tr_x(t, t->a.rs1));
	tr_set_x(t, t->a.rd, bp_ir_convert(t->c, (unsigned)op, t->xt, (unsigned)type, low));
}

static unsigned pattern(struct tr *t, uint64_t bits)
{
	return bp_ir_const(t->c, t->xt, t->xlen == 32 ? (uint32_t)bits : bits);
}

/* Each byte becomes ff if any of its bits is set: fold the bits into bit 0, then multiply. */
void tr_orcb(struct tr *t, int p, int q)
{
	(void)p;
	(void)q;
	unsigned v = tr_x(t, t->a.rs1);
	static const struct {
		int shift;
		uint64_t keep;
	} fold[] = { { 4, UINT64_C(0x0f0f0f0f0f0f0f0f) }, { 2, UINT64_C(0x0303030303030303) },
		{ 1, UINT64_C(0x0101010101010101) } };
	for (unsigned i = 0; i < sizeof(fold) / sizeof(fold[0]); i++) {
		unsigned or = op2(t, BP_IR_OR, v, op2i(t, BP_IR_SHR, v, fold[i].shift));
		v = op2(t, BP_IR_AND, or, pattern(t, fold[i].keep));
	}
	tr_set_x(t, t->a.rd, op2i(t, BP_IR_MUL, v, 255));
}

/* bset OR, bclr AND NOT, binv XOR with one bit. q: AND NOT. */
static void bit_op(struct tr *t, unsigned op, int invert, unsigned n)
{
	unsigned bit = op2(t, BP_IR_SHL, bp_ir_const(t->c, t->xt, 1), n);
	if (invert)
		bit = bp_ir_op1(t->c, BP_IR_NOT, t->xt, bit);
	tr_set_x(t, t->a.rd, op2(t, op, tr_x(t, t->a.rs1), bit));
}

void tr_bitop(struct tr *t, int op, int q)
{
	bit_op(t, (unsigned)op, q, op2i(t, BP_IR_AND, tr_x(t, t->a.rs2), (int32_t)t->xlen - 1));
}

void tr_bitopi(struct tr *t, int op, int q)
{
	bit_op(t, (unsigned)op, q, bp_ir_const(t->c, t->xt, (uint64_t)t->a.imm));
}

void tr_bext(struct tr *t, int p, int q)
{
	(void)p;
	(void)q;
	unsigned n = op2i(t, BP_IR_AND, tr_x(t, t->a.rs2), (int32_t)t->xlen - 1);
	tr_set_x(t, t->a.rd, op2i(t, BP_IR_AND, op2(t, BP_IR_SHR, tr_x(t, t->a.rs1), n), 1));
}

void tr_bexti(struct tr *t, int p, int q)
{
	(void)p;
	(void)q;
	tr_set_x(
		t, t->a.rd, op2i(t, BP_IR_AND, op2i(t, BP_IR_SHR, tr_x(t, t->a.rs1), t->a.imm), 1));
}

/* The product's bits 2*xlen-2 .. xlen-1 (unpriv 28.4.3). */
void tr_clmulr(struct tr *t, int p, int q)
{
	(void)p;
	(void)q;
	unsigned a = tr_x(t, t->a.rs1), b = tr_x(t, t->a.rs2);
	unsigned high = op2i(t, BP_IR_SHL, op2(t, BP_IR_CLMULH, a, b), 1);
	unsigned low = op2i(t, BP_IR_SHR, op2(t, BP_IR_CLMUL, a, b), (int32_t)t->xlen - 1);
	tr_set_x(t, t->a.rd, op2(t, BP_IR_OR, high, low));
}

/* imm of UBITS and DEPOSIT: position and length. */
static int32_t field(unsigned position, unsigned length)
{
	return (int32_t)(position | length << 8);
}

static unsigned deposit(struct tr *t, unsigned type, unsigned into, unsigned from, int32_t where)
{
	return bp_ir_emit(t->c, BP_IR_DEPOSIT, type, 0, where, into, from, 0, 0);
}

void tr_pack(struct tr *t, int p, int q)
{
	(void)p;
	(void)q;
	tr_set_x(t, t->a.rd,
		deposit(t, t->xt, tr_x(t, t->a.rs1), tr_x(t, t->a.rs2),
			field(t->xlen / 2, t->xlen / 2)));
}

void tr_packh(struct tr *t, int p, int q)
{
	(void)p;
	(void)q;
	unsigned low = op2i(t, BP_IR_AND, tr_x(t, t->a.rs1), 0xff);
	tr_set_x(t, t->a.rd, deposit(t, t->xt, low, tr_x(t, t->a.rs2), field(8, 8)));
}

void tr_packw(struct tr *t, int p, int q)
{
	(void)p;
	(void)q;
	tr_set_xw(t, t->a.rd,
		deposit(t, BP_T_I32, tr_xw(t, t->a.rs1), tr_xw(t, t->a.rs2), field(16, 16)));
}

/* zip interleaves the halves of a 32-bit register, unzip (q) undoes it: the classic butterfly of
 * swaps of neighbouring fields, outside in or inside out. */
void tr_zip(struct tr *t, int p, int q)
{
	static const struct {
		int shift;
		uint32_t mask; /* the lower of the two fields that change places */
	} step[] = { { 8, 0x0000ff00 }, { 4, 0x00f000f0 }, { 2, 0x0c0c0c0c }, { 1, 0x22222222 } };
	(void)p;
	unsigned v = tr_x(t, t->a.rs1);
	for (int i = 0; i < 4; i++) {
		int k = q ? 3 - i : i;
		unsigned mask = pattern(t, step[k].mask);
		unsigned both = op2(t, BP_IR_XOR, v, op2i(t, BP_IR_SHR, v, step[k].shift));
		unsigned change = op2(t, BP_IR_AND, both, mask);
		v = op2(t, BP_IR_XOR, v, change);
		v = op2(t, BP_IR_XOR, v, op2i(t, BP_IR_SHL, change, step[k].shift));
	}
	tr_set_x(t, t->a.rd, v);
}

/* czero.eqz (op EQ), czero.nez (op NE): zero if rs2 compares so with zero, else rs1. */
void tr_czero(struct tr *t, int op, int q)
{
	(void)q;
	unsigned cond = bp_ir_op2i(t->c, (unsigned)op, t->xt, tr_x(t, t->a.rs2), 0);
	tr_set_x(t, t->a.rd,
		bp_ir_select(t->c, t->xt, cond, bp_ir_const(t->c, t->xt, 0), tr_x(t, t->a.rs1)));
}
