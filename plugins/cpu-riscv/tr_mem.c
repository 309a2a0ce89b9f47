/* SPDX-License-Identifier: MIT */
/* Loads, stores, A, Zacas and fences (unpriv 2.6, 2.7, 14, 16). */
#include "tr.h"

enum { W = 2, D = 3 }; /* log2 of the size */

/* p: log2 of the size, q: signed */
void tr_load(struct tr *t, int p, int q)
{
	int32_t disp;
	unsigned addr = tr_addr(t, t->a.rs1, t->a.imm, &disp);
	unsigned v = bp_ir_load(t->c, t->xt, addr, disp, tr_memop(t, (unsigned)p, q));
	tr_set_x(t, t->a.rd, v);
}

void tr_store(struct tr *t, int p, int q)
{
	int32_t disp;
	(void)q;
	unsigned addr = tr_addr(t, t->a.rs1, t->a.imm, &disp);
	bp_ir_store(t->c, t->xt, addr, disp, tr_x(t, t->a.rs2), tr_memop(t, (unsigned)p, 0));
}

static unsigned type_of(int size)
{
	return size == W ? BP_T_I32 : BP_T_I64;
}

/* Atomics must be aligned (the misaligned exception, unpriv 14.4) and are one copy. */
static uint32_t atomic_memop(struct tr *t, unsigned size, int write)
{
	return tr_memop(t, size, 0) | BP_MEM_ALIGNED | BP_MEM_ATOMIC |
		(t->a.aq ? BP_MEM_ACQUIRE : 0) | (t->a.rl ? BP_MEM_RELEASE : 0) |
		(t->a.aq && t->a.rl ? BP_MEM_SEQ_CST : 0) | (write ? BP_MEM_WRITE_INTENT : 0);
}

static unsigned atomic(
	struct tr *t, unsigned op, unsigned type, unsigned aux, unsigned value, uint32_t memop)
{
	int32_t disp;
	unsigned addr = tr_addr(t, t->a.rs1, 0, &disp);
	return bp_ir_emit(t->c, op, type, aux, 0, addr, value, memop & 0xffff, memop >> 16);
}

/* An x register's value as the operand of a W or D access. */
static unsigned operand(struct tr *t, unsigned n, int size)
{
	return size == W ? tr_xw(t, n) : tr_x(t, n);
}

static void result(struct tr *t, int size, unsigned value)
{
	if (size == W)
		tr_set_xw(t, t->a.rd, value);
	else
		tr_set_x(t, t->a.rd, value);
}

void tr_lr(struct tr *t, int size, int q)
{
	(void)q;
	uint32_t memop = atomic_memop(t, (unsigned)size, 0);
	result(t, size, atomic(t, BP_IR_LL, type_of(size), 0, 0, memop));
}

void tr_sc(struct tr *t, int size, int q)
{
	(void)q;
	uint32_t memop = atomic_memop(t, (unsigned)size, 1);
	unsigned v = atomic(t, BP_IR_SC, type_of(size), 0, operand(t, t->a.rs2, size), memop);
	if (t->xlen == 32)
		v = bp_ir_convert(t->c, BP_IR_TRUNC, BP_T_I32, BP_T_I64, v);
	tr_set_x(t, t->a.rd, v);
}

void tr_amo(struct tr *t, int size, int rmw)
{
	uint32_t memop = atomic_memop(t, (unsigned)size, 1);
	result(t, size,
		atomic(t, BP_IR_RMW, type_of(size), (unsigned)rmw, operand(t, t->a.rs2, size),
			memop));
}

static unsigned cas(struct tr *t, unsigned size, unsigned type, unsigned expected, unsigned fresh)
{
	unsigned v = atomic(t, BP_IR_CAS, type, 0, expected, atomic_memop(t, size, 1));
	bp_ir_emit(t->c, BP_IR_MORE, BP_T_NONE, 0, 0, fresh, 0, 0, 0);
	return v;
}

void tr_amocas(struct tr *t, int size, int q)
{
	(void)q;
	if (size == D && t->xlen == 32) {
		tr_amocas_pair(t, D, 0);
		return;
	}
	result(t, size,
		cas(t, (unsigned)size, type_of(size), operand(t, t->a.rd, size),
			operand(t, t->a.rs2, size)));
}

/* A register pair as one value of twice the width; x0 as a pair is zero (unpriv 16.1). */
static unsigned pair(struct tr *t, unsigned n)
{
	unsigned low = tr_x(t, n), high = tr_x(t, n ? n + 1 : 0);
	if (t->xlen == 64)
		return bp_ir_op2(t->c, BP_IR_PAIR, BP_T_I128, low, high);
	low = bp_ir_convert(t->c, BP_IR_ZEXT, BP_T_I64, BP_T_I32, low);
	high = bp_ir_convert(t->c, BP_IR_ZEXT, BP_T_I64, BP_T_I32, high);
	return bp_ir_op2(
		t->c, BP_IR_OR, BP_T_I64, low, bp_ir_op2i(t->c, BP_IR_SHL, BP_T_I64, high, 32));
}

void tr_amocas_pair(struct tr *t, int size, int q)
{
	(void)q;
	unsigned type = t->xlen == 64 ? BP_T_I128 : BP_T_I64;
	unsigned old = cas(t, (unsigned)size, type, pair(t, t->a.rd), pair(t, t->a.rs2));
	if (!t->a.rd)
		return;
	unsigned low, high;
	if (t->xlen == 64) {
		low = bp_ir_op1(t->c, BP_IR_LO, BP_T_I64, old);
		high = bp_ir_op1(t->c, BP_IR_HI, BP_T_I64, old);
	} else {
		low = bp_ir_convert(t->c, BP_IR_TRUNC, BP_T_I32, BP_T_I64, old);
		high = bp_ir_convert(t->c, BP_IR_TRUNC, BP_T_I32, BP_T_I64,
			bp_ir_op2i(t->c, BP_IR_SHR, BP_T_I64, old, 32));
	}
	tr_set_x(t, t->a.rd, low);
	tr_set_x(t, t->a.rd + 1u, high);
}

/* Predecessor and successor sets are I O R W from bit 3 down (unpriv 2.7). */
static unsigned sets(unsigned iorw)
{
	return (iorw & 2) >> 1 | (iorw & 1) << 1 | (iorw & 8) >> 1 | (iorw & 4) << 1;
}

void tr_fence(struct tr *t, int p, int q)
{
	(void)p;
	(void)q;
	bp_ir_emit(t->c, BP_IR_FENCE, BP_T_NONE, sets(t->a.pred) << 4 | sets(t->a.succ), 0, 0, 0, 0,
		0);
}
