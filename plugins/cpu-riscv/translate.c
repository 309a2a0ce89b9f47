/* SPDX-License-Identifier: MIT */
/* From the bytes at pc to records: fetch, decode, look whether the configuration and the key allow
 * the encoding, then the rule of its row. */
#include "tr.h"

unsigned tr_const(struct tr *t, uint64_t value)
{
	return bp_ir_const(t->c, BP_T_I64, value);
}

unsigned tr_x(struct tr *t, unsigned n)
{
	return n ? bp_ir_get(t->c, t->xt, X_OFFSET(n)) : bp_ir_const(t->c, t->xt, 0);
}

unsigned tr_xw(struct tr *t, unsigned n)
{
	return n ? bp_ir_get(t->c, BP_T_I32, X_OFFSET(n)) : bp_ir_const(t->c, BP_T_I32, 0);
}

void tr_set_x(struct tr *t, unsigned n, unsigned value)
{
	if (n)
		bp_ir_put(t->c, t->xt, X_OFFSET(n), value);
}

void tr_set_xw(struct tr *t, unsigned n, unsigned value)
{
	if (n && t->xlen == 64)
		value = bp_ir_convert(t->c, BP_IR_SEXT, BP_T_I64, BP_T_I32, value);
	tr_set_x(t, n, value);
}

void tr_set_bool(struct tr *t, unsigned n, unsigned i1)
{
	tr_set_x(t, n, bp_ir_convert(t->c, BP_IR_ZEXT, t->xt, BP_T_I1, i1));
}

unsigned tr_pcrel(struct tr *t, int32_t offset)
{
	return bp_ir_pcrel(t->c, offset, 0, t->xlen == 32 ? 32 : 0);
}

unsigned tr_addr(struct tr *t, unsigned base, int32_t imm, int32_t *disp)
{
	*disp = imm;
	if (t->xlen == 64)
		return tr_x(t, base);
	/* Addresses wrap at 32 bits, so the sum is formed there. */
	*disp = 0;
	unsigned sum = bp_ir_op2i(t->c, BP_IR_ADD, BP_T_I32, tr_x(t, base), imm);
	return bp_ir_convert(t->c, BP_IR_ZEXT, BP_T_I64, BP_T_I32, sum);
}

uint32_t tr_memop(const struct tr *t, unsigned size_log2, int is_signed)
{
	return size_log2 | (is_signed ? BP_MEM_SIGNED : 0) |
		(uint32_t)RV_KEY(t->key, RV_KEY_REGIME, 4) << BP_MEM_REGIME_SHIFT;
}

void tr_illegal(struct tr *t)
{
	bp_ir_emit(t->c, BP_IR_RAISE, BP_T_NONE, 0, RV_ILLEGAL, tr_const(t, t->insn), 0, 0, 0);
}

unsigned tr_call(struct tr *t, unsigned helper, unsigned a, unsigned b, unsigned c, unsigned d)
{
	unsigned type = helper == RV_H_CSRRW || helper == RV_H_VSETVL ? BP_T_I64 : BP_T_NONE;
	return bp_ir_emit(t->c, BP_IR_CALL, type, 0, (int32_t)helper, a, b, c, d);
}

void tr_resync(struct tr *t)
{
	bp_ir_emit(t->c, BP_IR_RESYNC, BP_T_NONE, 0, 0, 0, 0, 0, 0);
}

unsigned rv_fetch_regime(const void *config, uint64_t key)
{
	static const uint8_t regime[4] = { RV_REGIME_U, RV_REGIME_S, RV_REGIME_M, RV_REGIME_M };
	(void)config;
	return regime[RV_KEY(key, RV_KEY_PRIV, 2)];
}

/* The bytes of the instruction: 2 or 4 (unpriv 1.5). Longer formats are not defined: their first
 * four bytes are illegal. */
static int fetch(struct tr *t)
{
	const uint8_t *p = t->in->fetch(t->in, 0, 2);
	if (!p)
		return BP_TR_FETCH;
	t->insn = (uint32_t)(p[0] | p[1] << 8);
	t->in->length = 2;
	if ((t->insn & 3) != 3)
		return BP_TR_OK;
	p = t->in->fetch(t->in, 2, 2);
	if (!p)
		return BP_TR_FETCH;
	t->insn |= (uint32_t)(p[0] | p[1] << 8) << 16;
	t->in->length = 4;
	return BP_TR_OK;
}

/* The unit must be on; what makes its state dirty says so in mstatus and in the key (priv 3.1.6.6).
 * Nothing is told apart finer than that: an instruction of the unit makes it dirty. */
static int use_unit(struct tr *t, unsigned key_field, unsigned mstatus_bit)
{
	unsigned state = RV_KEY(t->key, key_field, 2);
	if (!state)
		return -1;
	if (state == 3)
		return 0;
	uint32_t offset = (uint32_t)offsetof(struct rv_cpu, mstatus);
	unsigned old = bp_ir_get(t->c, BP_T_I64, offset);
	bp_ir_put(t->c, BP_T_I64, offset,
		bp_ir_op2(t->c, BP_IR_OR, BP_T_I64, old, tr_const(t, UINT64_C(3) << mstatus_bit)));
	t->key |= UINT64_C(3) << key_field;
	t->in->next_key = t->key;
	return 0;
}

static int stores_only(enum rv_op op)
{
	return op == RV_OP_FSW || op == RV_OP_FSD || op == RV_OP_FSH;
}

enum { MSTATUS_VS = 9, MSTATUS_FS = 13 };

int tr_use_fp(struct tr *t)
{
	return use_unit(t, RV_KEY_FS, MSTATUS_FS);
}

static int units_on(struct tr *t, unsigned flags)
{
	if (flags & RV_ROW_FP) {
		if (stores_only(t->op) ? !RV_KEY(t->key, RV_KEY_FS, 2)
				       : use_unit(t, RV_KEY_FS, MSTATUS_FS) != 0)
			return 0;
		/* Dynamic rounding with a reserved mode in frm (unpriv 20.2). */
		if (t->a.rm == 7 && RV_KEY(t->key, RV_KEY_FRM_BAD, 1))
			return 0;
	}
	return !(flags & RV_ROW_VECTOR) || use_unit(t, RV_KEY_VS, MSTATUS_VS) == 0;
}

int rv_translate(const void *config, struct bp_insn *in, struct bp_ir_cursor *c)
{
	struct tr t = { .cfg = config, .in = in, .c = c, .key = in->key };
	t.xlen = t.cfg->xlen;
	t.xt = t.xlen == 32 ? BP_T_I32 : BP_T_I64;
	int status = fetch(&t);
	if (status != BP_TR_OK)
		return status;
	enum rv_op row = in->length == 2 ? rv_decode16((uint16_t)t.insn, t.xlen)
					 : rv_decode32(t.insn, t.xlen);
	if (row == RV_OP_ILLEGAL ||
		!(rv_op_enabled(row, t.cfg->exts) || rv_rows[row].flags & RV_ROW_HINT)) {
		tr_illegal(&t);
		return BP_TR_OK;
	}
	rv_extract(row, t.insn, &t.a);
	t.op = (enum rv_op)rv_base_op[row];
	if (!units_on(&t, rv_rows[row].flags)) {
		c->count = 1; /* what use_unit may have begun */
		in->next_key = in->key;
		tr_illegal(&t);
		return BP_TR_OK;
	}
	const struct rule *rule = &rv_rules[t.op];
	if (rule->fn)
		rule->fn(&t, rule->p, rule->q);
	else if (rv_rows[row].flags & RV_ROW_VECTOR)
		tr_vector(&t);
	else
		return BP_TR_ERROR;
	return BP_TR_OK;
}
