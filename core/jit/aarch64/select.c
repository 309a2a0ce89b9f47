/* SPDX-License-Identifier: MIT */
/* Integer records: which instructions they become. What is not here is done by C (generic_for). */
#include "native.h"

static const struct {
	uint32_t op; /* with registers */
	uint32_t imm; /* with an immediate; of shifts: which */
	bool other; /* the remainder; the first operand is signed */
} how[BP_IR_OPS] = {
	[BP_IR_ADD] = { A64_ADD, A64_ADD_I, false },
	[BP_IR_SUB] = { A64_SUB, A64_SUB_I, false },
	[BP_IR_AND] = { A64_AND, A64_AND_I, false },
	[BP_IR_OR] = { A64_ORR, A64_ORR_I, false },
	[BP_IR_XOR] = { A64_EOR, A64_EOR_I, false },
	[BP_IR_SHL] = { A64_LSLV, SH_LSL, false },
	[BP_IR_SHR] = { A64_LSRV, SH_LSR, false },
	[BP_IR_SAR] = { A64_ASRV, SH_ASR, false },
	[BP_IR_ROL] = { A64_RORV, SH_ROR, false },
	[BP_IR_ROR] = { A64_RORV, SH_ROR, false },
	[BP_IR_MULHS] = { A64_SMULH, 0, false },
	[BP_IR_MULHU] = { A64_UMULH, 0, false },
	[BP_IR_MULHSU] = { A64_UMULH, 0, true },
	[BP_IR_DIVS] = { A64_SDIV, 0, false },
	[BP_IR_DIVU] = { A64_UDIV, 0, false },
	[BP_IR_REMS] = { A64_SDIV, 0, true },
	[BP_IR_REMU] = { A64_UDIV, 0, true },
	[BP_IR_NEG] = { A64_SUB, 0, false },
	[BP_IR_NOT] = { A64_ORN, 0, false },
	[BP_IR_UBITS] = { A64_UBFM, 0, false },
	[BP_IR_SBITS] = { A64_SBFM, 0, false },
};

/* ---- two operands ---- */

void alu_record(struct native_compiler *c, const struct bp_ir *r, const struct operands *o)
{
	bool wide = is_wide(r->type);
	unsigned a = use(c, o->a), b = o->has_imm ? NO_REG : use(c, o->b);
	unsigned d = reg_result(c, false, a);
	if (!o->has_imm)
		emit_3(&c->e, how[r->op].op, wide, d, a, b);
	else if (r->op == BP_IR_ADD || r->op == BP_IR_SUB)
		emit_add_i(&c->e, wide, false, d, a, r->op == BP_IR_SUB ? -o->imm : o->imm);
	else
		emit_logic_i(&c->e, how[r->op].imm, wide, d, a, (uint64_t)o->imm);
	set_result(c, r, d);
}

/* The host takes the count modulo the width. */
static void shift_by(struct native_compiler *c, const struct bp_ir *r, unsigned count_id)
{
	bool wide = is_wide(r->type);
	unsigned a = use(c, r->arg[0]), n = use(c, count_id), d = reg_result(c, false, a);
	if (r->op == BP_IR_ROL) {
		emit_3(&c->e, A64_SUB, wide, X16, XZR, n);
		n = X16;
	}
	emit_3(&c->e, how[r->op].op, wide, d, a, n);
	set_result(c, r, d);
}

/* A count that is not known to be small: from the width on, zeros or the sign. */
static void shift_far(struct native_compiler *c, const struct bp_ir *r)
{
	bool wide = is_wide(r->type);
	unsigned width = bits_of(r->type);
	unsigned a = use(c, r->arg[0]), n = use(c, r->arg[1]), d = reg_new(c, false);
	emit_cmp_i(&c->e, wide, n, width);
	if (r->op == BP_IR_SAR) {
		emit_const(&c->e, X16, width - 1);
		emit_csel(&c->e, wide, X16, n, X16, CC_CC);
		emit_3(&c->e, A64_ASRV, wide, d, a, X16);
	} else {
		emit_3(&c->e, how[r->op].op, wide, d, a, n);
		emit_csel(&c->e, wide, d, d, XZR, CC_CC);
	}
	set_result(c, r, d);
}

bool shift_record(struct native_compiler *c, const struct bp_ir *r)
{
	bool wide = is_wide(r->type), rotate = r->op == BP_IR_ROL || r->op == BP_IR_ROR;
	unsigned width = bits_of(r->type), masked = masked_count(c, r);
	int64_t n;
	if (masked || !second_const(c, r, &n)) {
		if (masked || rotate)
			shift_by(c, r, masked ? masked : r->arg[1]);
		else
			shift_far(c, r);
		return true;
	}
	bool far = n < 0 || n >= (int64_t)width;
	if (rotate)
		n = (r->op == BP_IR_ROL ? -n : n) & (width - 1);
	else if (far && r->op == BP_IR_SAR)
		n = width - 1;
	unsigned a = use(c, r->arg[0]), d = reg_result(c, false, a);
	if (far && !rotate && r->op != BP_IR_SAR)
		emit_const(&c->e, d, 0);
	else
		emit_shift(&c->e, wide, (enum shift)how[r->op].imm, d, a, (unsigned)n);
	set_result(c, r, d);
	return true;
}

void multiply_record(struct native_compiler *c, const struct bp_ir *r)
{
	unsigned a = use(c, r->arg[0]), b = use_second(c, r), d = reg_result(c, false, a);
	emit_3(&c->e, A64_MUL, is_wide(r->type), d, a, b);
	set_result(c, r, d);
}

void high_half_record(struct native_compiler *c, const struct bp_ir *r)
{
	unsigned a = use(c, r->arg[0]), b = use_second(c, r), d = reg_new(c, false);
	emit_3(&c->e, how[r->op].op, true, d, a, b);
	if (how[r->op].other) { /* the first is signed: less the second if it is negative */
		emit_3s(&c->e, A64_AND, true, X16, b, a, SH_ASR, 63);
		emit_3(&c->e, A64_SUB, true, d, d, X16);
	}
	set_result(c, r, d);
}

/* The host gives 0 for x/0, and the smallest for smallest/-1 (C6.2, SDIV), as ir.h wants the latter;
 * so x % 0 is x without a test. */
void divide_record(struct native_compiler *c, const struct bp_ir *r)
{
	bool wide = is_wide(r->type), rest = how[r->op].other;
	unsigned a = use(c, r->arg[0]), b = use_second(c, r), d = reg_new(c, false);
	emit_3(&c->e, how[r->op].op, wide, d, a, b);
	if (rest) {
		emit_4(&c->e, A64_MSUB, wide, d, d, b, a);
	} else {
		emit_cmp_i(&c->e, wide, b, 0);
		emit_3(&c->e, A64_CSINV | (unsigned)CC_NE << 12, wide, d, d, XZR);
	}
	set_result(c, r, d);
}

void min_max_record(struct native_compiler *c, const struct bp_ir *r)
{
	bool wide = is_wide(r->type);
	unsigned a = use(c, r->arg[0]), b = use_second(c, r), d = reg_result(c, false, a);
	emit_cmp(&c->e, wide, a, b);
	emit_csel(&c->e, wide, d, a, b, choosing_condition(r));
	set_result(c, r, d);
}

uint8_t *jump_on(struct native_compiler *c, unsigned id, bool set)
{
	const struct bp_ir *r = &c->rec[id];
	bool cond = c->v[id].place == P_COND;
	int64_t imm;
	if (!cond)
		return emit_cbz(&c->e, false, set, use(c, id));
	if ((r->op == BP_IR_EQ || r->op == BP_IR_NE) && second_const(c, r, &imm) && !imm)
		return emit_cbz(
			&c->e, is_wide(r->type), set == (r->op == BP_IR_NE), use(c, r->arg[0]));
	enum cc cc = compare_record(c, r);
	return emit_jcc(&c->e, set ? cc : cc ^ 1);
}

/* ---- one operand ---- */

bool has_one(const struct bp_ir *r)
{
	(void)r;
	return true;
}

static void count_ones(struct emit *e, bool wide, unsigned d, unsigned a)
{
	emit_mov(e, wide, d, a);
	emit_2(e, (uint32_t)A64_FMOV_DX, true, V31, d);
	emit_2(e, A64_CNT, false, V31, V31);
	emit_2(e, A64_ADDV, false, V31, V31);
	emit_2(e, (uint32_t)A64_FMOV_XD, true, d, V31);
}

static void convert(struct emit *e, const struct bp_ir *r, unsigned d, unsigned a)
{
	unsigned from = r->aux, to = r->type;
	if (r->op == BP_IR_TRUNC)
		emit_logic_i(e, A64_AND_I, false, d, a, 1);
	else if (from == to)
		emit_mov(e, true, d, a);
	else if (r->op == BP_IR_SEXT)
		emit_field(e, A64_SBFM, is_wide(to), d, a, 0, bits_of(from) - 1);
	else
		emit_field(e, A64_UBFM, false, d, a, 0, bits_of(from) - 1);
}

void emit_one(struct native_compiler *c, const struct bp_ir *r, unsigned d, unsigned a)
{
	struct emit *e = &c->e;
	bool wide = is_wide(r->type);
	unsigned pos = r->imm & 0xff, len = (unsigned)r->imm >> 8;
	switch (r->op) {
	case BP_IR_NEG: emit_3(e, how[r->op].op, wide, d, XZR, a); break;
	case BP_IR_NOT:
		if (r->type == BP_T_I1)
			emit_logic_i(e, A64_EOR_I, false, d, a, 1);
		else
			emit_3(e, how[r->op].op, wide, d, XZR, a);
		break;
	case BP_IR_CLZ: emit_2(e, A64_CLZ, wide, d, a); break;
	case BP_IR_CTZ:
		emit_2(e, A64_RBIT, wide, d, a);
		emit_2(e, A64_CLZ, wide, d, d);
		break;
	case BP_IR_POPCNT: count_ones(e, wide, d, a); break;
	case BP_IR_BSWAP: emit_2(e, wide ? A64_REV64 : A64_REV, wide, d, a); break;
	case BP_IR_BREV8: /* all bits turned round, then the bytes back */
		emit_2(e, A64_RBIT, wide, d, a);
		emit_2(e, wide ? A64_REV64 : A64_REV, wide, d, d);
		break;
	case BP_IR_UBITS:
	case BP_IR_SBITS: emit_field(e, how[r->op].op, wide, d, a, pos, pos + len - 1); break;
	default: convert(e, r, d, a); break;
	}
}

static bool deposit(struct native_compiler *c, const struct bp_ir *r)
{
	if (r->op != BP_IR_DEPOSIT || !is_word(r->type))
		return false;
	unsigned pos = r->imm & 0xff, len = (unsigned)r->imm >> 8, width = bits_of(r->type);
	unsigned a = use(c, r->arg[0]), b = use(c, r->arg[1]), d = reg_new(c, false);
	emit_mov(&c->e, true, d, a);
	emit_field(&c->e, A64_BFM, is_wide(r->type), d, b, (width - pos) % width, len - 1);
	set_result(c, r, d);
	return true;
}

bool select_host(struct native_compiler *c, const struct bp_ir *r)
{
	return select_access(c, r) || select_integer(c, r) || deposit(c, r) || select_float(c, r);
}
