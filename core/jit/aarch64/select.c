/* SPDX-License-Identifier: MIT */
/* Integer records: which instructions they become. What is not here is done by C (generic_for). */
#include "native.h"

enum shape {
	SH_NOT_HERE = 0,
	SH_ALU,
	SH_SHIFT,
	SH_ROTATE,
	SH_MULTIPLY,
	SH_HIGH,
	SH_DIVIDE,
	SH_MINMAX,
	SH_COMPARE,
	SH_ONE,
	SH_COUNT,
	SH_CONVERT,
	SH_FIELD,
	SH_SELECT
};

static const struct {
	uint8_t shape;
	uint8_t kind; /* of comparisons: the condition; else which of several */
	uint32_t op; /* with registers */
	uint32_t imm; /* with an immediate */
	bool commutes;
} how[BP_IR_OPS] = {
	[BP_IR_ADD] = { SH_ALU, 0, A64_ADD, A64_ADD_I, true },
	[BP_IR_SUB] = { SH_ALU, 0, A64_SUB, A64_SUB_I, false },
	[BP_IR_AND] = { SH_ALU, 0, A64_AND, A64_AND_I, true },
	[BP_IR_OR] = { SH_ALU, 0, A64_ORR, A64_ORR_I, true },
	[BP_IR_XOR] = { SH_ALU, 0, A64_EOR, A64_EOR_I, true },
	[BP_IR_SHL] = { SH_SHIFT, SH_LSL, A64_LSLV, 0, false },
	[BP_IR_SHR] = { SH_SHIFT, SH_LSR, A64_LSRV, 0, false },
	[BP_IR_SAR] = { SH_SHIFT, SH_ASR, A64_ASRV, 0, false },
	[BP_IR_ROL] = { SH_ROTATE, 0, A64_RORV, 0, false },
	[BP_IR_ROR] = { SH_ROTATE, SH_ROR, A64_RORV, 0, false },
	[BP_IR_MUL] = { SH_MULTIPLY, 0, A64_MUL, 0, true },
	[BP_IR_MULHS] = { SH_HIGH, 0, A64_SMULH, 0, true },
	[BP_IR_MULHU] = { SH_HIGH, 0, A64_UMULH, 0, true },
	[BP_IR_MULHSU] = { SH_HIGH, 1, A64_UMULH, 0, false },
	[BP_IR_DIVS] = { SH_DIVIDE, 0, A64_SDIV, 0, false },
	[BP_IR_DIVU] = { SH_DIVIDE, 0, A64_UDIV, 0, false },
	[BP_IR_REMS] = { SH_DIVIDE, 1, A64_SDIV, 0, false },
	[BP_IR_REMU] = { SH_DIVIDE, 1, A64_UDIV, 0, false },
	[BP_IR_MINS] = { SH_MINMAX, CC_LT, 0, 0, true },
	[BP_IR_MAXS] = { SH_MINMAX, CC_GT, 0, 0, true },
	[BP_IR_MINU] = { SH_MINMAX, CC_CC, 0, 0, true },
	[BP_IR_MAXU] = { SH_MINMAX, CC_HI, 0, 0, true },
	[BP_IR_EQ] = { SH_COMPARE, CC_EQ, 0, 0, true },
	[BP_IR_NE] = { SH_COMPARE, CC_NE, 0, 0, true },
	[BP_IR_LTS] = { SH_COMPARE, CC_LT, 0, 0, false },
	[BP_IR_LES] = { SH_COMPARE, CC_LE, 0, 0, false },
	[BP_IR_LTU] = { SH_COMPARE, CC_CC, 0, 0, false },
	[BP_IR_LEU] = { SH_COMPARE, CC_LS, 0, 0, false },
	[BP_IR_NEG] = { SH_ONE, 0, A64_SUB, 0, false },
	[BP_IR_NOT] = { SH_ONE, 0, A64_ORN, 0, false },
	[BP_IR_CLZ] = { SH_COUNT, 0, 0, 0, false },
	[BP_IR_CTZ] = { SH_COUNT, 1, 0, 0, false },
	[BP_IR_POPCNT] = { SH_COUNT, 2, 0, 0, false },
	[BP_IR_BSWAP] = { SH_COUNT, 3, 0, 0, false },
	[BP_IR_BREV8] = { SH_COUNT, 4, 0, 0, false },
	[BP_IR_SEXT] = { SH_CONVERT, 0, 0, 0, false },
	[BP_IR_ZEXT] = { SH_CONVERT, 0, 0, 0, false },
	[BP_IR_TRUNC] = { SH_CONVERT, 0, 0, 0, false },
	[BP_IR_CAST] = { SH_CONVERT, 0, 0, 0, false },
	[BP_IR_UBITS] = { SH_FIELD, 0, A64_UBFM, 0, false },
	[BP_IR_SBITS] = { SH_FIELD, 0, A64_SBFM, 0, false },
	[BP_IR_DEPOSIT] = { SH_FIELD, 1, A64_BFM, 0, false },
	[BP_IR_SELECT] = { SH_SELECT, 0, 0, 0, false },
};

/* ---- two operands ---- */

static void alu(struct native_compiler *c, const struct bp_ir *r)
{
	bool wide = is_wide(r->type), sum = r->op == BP_IR_ADD || r->op == BP_IR_SUB;
	unsigned a_id = r->arg[0], b_id = r->arg[1];
	int64_t imm, value;
	uint64_t ones = 0;
	bool has_imm = second_const(c, r, &imm);
	if (!has_imm && how[r->op].commutes && is_const(c, a_id, &value)) {
		has_imm = true;
		imm = value;
		a_id = b_id;
	}
	if (r->op == BP_IR_OR)
		ones = value_ones(c, a_id) | (has_imm ? (uint64_t)imm : value_ones(c, b_id));
	unsigned a = use(c, a_id), b = has_imm ? NO_REG : use(c, b_id);
	unsigned d = reg_result(c, false, a);
	if (!has_imm)
		emit_3(&c->e, how[r->op].op, wide, d, a, b);
	else if (sum)
		emit_add_i(&c->e, wide, false, d, a, r->op == BP_IR_SUB ? -imm : imm);
	else
		emit_logic_i(&c->e, how[r->op].imm, wide, d, a, (uint64_t)imm);
	set_result(c, r, d);
	c->v[c->at].ones = r->type == BP_T_I64 ? ones : 0;
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

static void shift(struct native_compiler *c, const struct bp_ir *r)
{
	bool wide = is_wide(r->type), rotate = how[r->op].shape == SH_ROTATE;
	unsigned width = bits_of(r->type), masked = masked_count(c, r);
	int64_t n;
	if (masked || !second_const(c, r, &n)) {
		if (masked || rotate)
			shift_by(c, r, masked ? masked : r->arg[1]);
		else
			shift_far(c, r);
		return;
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
		emit_shift(&c->e, wide, rotate ? SH_ROR : (enum shift)how[r->op].kind, d, a,
			(unsigned)n);
	set_result(c, r, d);
}

static void multiply(struct native_compiler *c, const struct bp_ir *r)
{
	unsigned a = use(c, r->arg[0]), b = use_second(c, r), d = reg_result(c, false, a);
	emit_3(&c->e, A64_MUL, is_wide(r->type), d, a, b);
	set_result(c, r, d);
}

static bool high_half(struct native_compiler *c, const struct bp_ir *r)
{
	if (r->type != BP_T_I64)
		return false;
	unsigned a = use(c, r->arg[0]), b = use_second(c, r), d = reg_new(c, false);
	emit_3(&c->e, how[r->op].op, true, d, a, b);
	if (how[r->op].kind) { /* the first is signed: less the second if it is negative */
		emit_3s(&c->e, A64_AND, true, X16, b, a, SH_ASR, 63);
		emit_3(&c->e, A64_SUB, true, d, d, X16);
	}
	set_result(c, r, d);
	return true;
}

/* The host gives 0 for x/0, and the smallest for smallest/-1 (C6.2, SDIV), as ir.h wants the latter;
 * so x % 0 is x without a test. */
static void divide(struct native_compiler *c, const struct bp_ir *r)
{
	bool wide = is_wide(r->type), rest = how[r->op].kind;
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

static void min_max(struct native_compiler *c, const struct bp_ir *r)
{
	bool wide = is_wide(r->type);
	unsigned a = use(c, r->arg[0]), b = use_second(c, r), d = reg_result(c, false, a);
	emit_3(&c->e, A64_SUBS, wide, XZR, a, b);
	emit_csel(&c->e, wide, d, a, b, (enum cc)how[r->op].kind);
	set_result(c, r, d);
}

/* ---- comparing and choosing ---- */

static enum cc swapped(enum cc cc) /* b op a for a op b */
{
	switch (cc) {
	case CC_LT: return CC_GT;
	case CC_LE: return CC_GE;
	case CC_CC: return CC_HI;
	case CC_LS: return CC_CS;
	default: return cc;
	}
}

enum cc compare_record(struct native_compiler *c, const struct bp_ir *r)
{
	bool wide = is_wide(r->type);
	enum cc cc = (enum cc)how[r->op].kind;
	int64_t imm;
	unsigned a_id = r->arg[0];
	bool has_imm = second_const(c, r, &imm);
	if (!has_imm && is_const(c, a_id, &imm)) {
		has_imm = true;
		a_id = r->arg[1];
		cc = swapped(cc);
	}
	unsigned a = use(c, a_id);
	if (has_imm)
		emit_cmp_i(&c->e, wide, a, imm);
	else
		emit_3(&c->e, A64_SUBS, wide, XZR, a, use(c, r->arg[1]));
	return cc;
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

static bool one(struct native_compiler *c, const struct bp_ir *r)
{
	if (r->type != BP_T_I1 && !is_word(r->type))
		return false;
	if (r->type == BP_T_I1 && r->op != BP_IR_NOT)
		return false;
	unsigned a = use(c, r->arg[0]), d = reg_result(c, false, a);
	if (r->type == BP_T_I1)
		emit_logic_i(&c->e, A64_EOR_I, false, d, a, 1);
	else
		emit_3(&c->e, how[r->op].op, is_wide(r->type), d, XZR, a);
	set_result(c, r, d);
	return true;
}

static bool count_bits(struct native_compiler *c, const struct bp_ir *r)
{
	bool wide = is_wide(r->type);
	if (!is_word(r->type))
		return false;
	unsigned a = use(c, r->arg[0]), d = reg_result(c, false, a);
	switch (how[r->op].kind) {
	case 0: emit_2(&c->e, A64_CLZ, wide, d, a); break;
	case 1:
		emit_2(&c->e, A64_RBIT, wide, d, a);
		emit_2(&c->e, A64_CLZ, wide, d, d);
		break;
	case 2:
		emit_mov(&c->e, wide, d, a);
		emit_2(&c->e, (uint32_t)A64_FMOV_DX, true, V31, d);
		emit_2(&c->e, A64_CNT, false, V31, V31);
		emit_2(&c->e, A64_ADDV, false, V31, V31);
		emit_2(&c->e, (uint32_t)A64_FMOV_XD, true, d, V31);
		break;
	case 3: emit_2(&c->e, wide ? A64_REV64 : A64_REV, wide, d, a); break;
	default: /* all bits turned round, then the bytes back */
		emit_2(&c->e, A64_RBIT, wide, d, a);
		emit_2(&c->e, wide ? A64_REV64 : A64_REV, wide, d, d);
	}
	set_result(c, r, d);
	return true;
}

static bool convert(struct native_compiler *c, const struct bp_ir *r)
{
	unsigned from = r->aux, to = r->type;
	if (!is_conversion(r))
		return false;
	unsigned a = use(c, r->arg[0]), d = reg_result(c, false, a);
	if (r->op == BP_IR_TRUNC)
		emit_logic_i(&c->e, A64_AND_I, false, d, a, 1);
	else if (from == to)
		emit_mov(&c->e, true, d, a);
	else if (r->op == BP_IR_SEXT)
		emit_field(&c->e, A64_SBFM, is_wide(to), d, a, 0, bits_of(from) - 1);
	else
		emit_field(&c->e, A64_UBFM, false, d, a, 0, bits_of(from) - 1);
	set_result(c, r, d);
	return true;
}

static bool field(struct native_compiler *c, const struct bp_ir *r)
{
	if (!is_word(r->type))
		return false;
	bool wide = is_wide(r->type);
	unsigned pos = r->imm & 0xff, len = (unsigned)r->imm >> 8, width = bits_of(r->type), d;
	unsigned a = use(c, r->arg[0]);
	if (how[r->op].kind) {
		unsigned b = use(c, r->arg[1]);
		d = reg_new(c, false);
		emit_mov(&c->e, true, d, a);
		emit_field(&c->e, A64_BFM, wide, d, b, (width - pos) % width, len - 1);
	} else {
		d = reg_result(c, false, a);
		emit_field(&c->e, how[r->op].op, wide, d, a, pos, pos + len - 1);
	}
	set_result(c, r, d);
	return true;
}

bool select_integer(struct native_compiler *c, const struct bp_ir *r)
{
	unsigned shape = how[r->op].shape;
	if (ir_types[r->type].class == IR_VECTOR)
		return false;
	if (select_known(c, r))
		return true;
	switch (shape) {
	case SH_ALU:
		if (!is_word(r->type) &&
			(r->type != BP_T_I1 || r->op == BP_IR_ADD || r->op == BP_IR_SUB))
			return false;
		alu(c, r);
		return true;
	case SH_SHIFT:
	case SH_ROTATE:
		if (!is_word(r->type))
			return false;
		shift(c, r);
		return true;
	case SH_MULTIPLY:
		if (!is_word(r->type))
			return false;
		multiply(c, r);
		return true;
	case SH_HIGH: return high_half(c, r);
	case SH_DIVIDE:
		if (!is_word(r->type))
			return false;
		divide(c, r);
		return true;
	case SH_MINMAX:
		if (!is_word(r->type))
			return false;
		min_max(c, r);
		return true;
	case SH_COMPARE: return select_comparison(c, r);
	case SH_ONE: return one(c, r);
	case SH_COUNT: return count_bits(c, r);
	case SH_CONVERT: return convert(c, r);
	case SH_FIELD: return field(c, r);
	case SH_SELECT: return select_choice(c, r);
	default: return false;
	}
}

bool select_host(struct native_compiler *c, const struct bp_ir *r)
{
	return select_access(c, r) || select_integer(c, r) || select_float(c, r);
}
