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
	uint8_t a; /* of ALU: opcode; of shifts: the group's number; else the condition or kind */
	uint8_t b; /* of ALU: the number in group 1; of shifts: VEX prefix of the three-operand form */
	bool commutes;
} how[BP_IR_OPS] = {
	[BP_IR_ADD] = { SH_ALU, OP_ADD_RM, G1_ADD, true },
	[BP_IR_SUB] = { SH_ALU, OP_SUB_RM, G1_SUB, false },
	[BP_IR_AND] = { SH_ALU, OP_AND_RM, G1_AND, true },
	[BP_IR_OR] = { SH_ALU, OP_OR_RM, G1_OR, true },
	[BP_IR_XOR] = { SH_ALU, OP_XOR_RM, G1_XOR, true },
	[BP_IR_SHL] = { SH_SHIFT, SH_SHL, 1, false },
	[BP_IR_SHR] = { SH_SHIFT, SH_SHR, 3, false },
	[BP_IR_SAR] = { SH_SHIFT, SH_SAR, 2, false },
	[BP_IR_ROL] = { SH_ROTATE, SH_ROL, 0, false },
	[BP_IR_ROR] = { SH_ROTATE, SH_ROR, 0, false },
	[BP_IR_MUL] = { SH_MULTIPLY, 0, 0, true },
	[BP_IR_MULHS] = { SH_HIGH, G3_IMUL, 0, true },
	[BP_IR_MULHU] = { SH_HIGH, G3_MUL, 0, true },
	[BP_IR_MULHSU] = { SH_HIGH, G3_MUL, 1, false },
	[BP_IR_DIVS] = { SH_DIVIDE, G3_IDIV, 0, false },
	[BP_IR_DIVU] = { SH_DIVIDE, G3_DIV, 0, false },
	[BP_IR_REMS] = { SH_DIVIDE, G3_IDIV, 1, false },
	[BP_IR_REMU] = { SH_DIVIDE, G3_DIV, 1, false },
	[BP_IR_MINS] = { SH_MINMAX, CC_L, 0, true },
	[BP_IR_MAXS] = { SH_MINMAX, CC_G, 0, true },
	[BP_IR_MINU] = { SH_MINMAX, CC_B, 0, true },
	[BP_IR_MAXU] = { SH_MINMAX, CC_A, 0, true },
	[BP_IR_EQ] = { SH_COMPARE, CC_E, 0, true },
	[BP_IR_NE] = { SH_COMPARE, CC_NE, 0, true },
	[BP_IR_LTS] = { SH_COMPARE, CC_L, 0, false },
	[BP_IR_LES] = { SH_COMPARE, CC_LE, 0, false },
	[BP_IR_LTU] = { SH_COMPARE, CC_B, 0, false },
	[BP_IR_LEU] = { SH_COMPARE, CC_BE, 0, false },
	[BP_IR_NEG] = { SH_ONE, G3_NEG, 0, false },
	[BP_IR_NOT] = { SH_ONE, G3_NOT, 0, false },
	[BP_IR_CLZ] = { SH_COUNT, 0, 0, false },
	[BP_IR_CTZ] = { SH_COUNT, 1, 0, false },
	[BP_IR_POPCNT] = { SH_COUNT, 2, 0, false },
	[BP_IR_BSWAP] = { SH_COUNT, 3, 0, false },
	[BP_IR_SEXT] = { SH_CONVERT, 0, 0, false },
	[BP_IR_ZEXT] = { SH_CONVERT, 0, 0, false },
	[BP_IR_TRUNC] = { SH_CONVERT, 0, 0, false },
	[BP_IR_CAST] = { SH_CONVERT, 0, 0, false },
	[BP_IR_UBITS] = { SH_FIELD, SH_SHR, 0, false },
	[BP_IR_SBITS] = { SH_FIELD, SH_SAR, 0, false },
	[BP_IR_SELECT] = { SH_SELECT, 0, 0, false },
};

/* The second operand if it is a constant that an instruction can hold. */
static bool immediate(const struct native_compiler *c, const struct bp_ir *r, int64_t *imm)
{
	return second_const(c, r, imm) && *imm == (int32_t)*imm;
}

/* ---- two operands ---- */

static void add(struct native_compiler *c, const struct bp_ir *r, bool wide)
{
	int64_t imm;
	bool minus = r->op == BP_IR_SUB;
	bool has_imm = immediate(c, r, &imm) && !(minus && imm == INT32_MIN);
	unsigned a_id = r->arg[0];
	if (!has_imm && !minus && is_const(c, a_id, &imm) && imm == (int32_t)imm) {
		has_imm = true;
		a_id = r->arg[1];
	}
	if (has_imm) {
		unsigned a = use(c, a_id), d = reg_result(c, false, a);
		int32_t by = (int32_t)(minus ? -imm : imm);
		if (!by)
			emit_mov(&c->e, true, d, a);
		else if (d == a)
			emit_group1(&c->e, wide, G1_ADD, d, by);
		else
			emit_rm(&c->e, OP_LEA, wide, d, a, by);
		set_result(c, r, d);
		return;
	}
	unsigned a = use(c, r->arg[0]), b = use_second(c, r), d;
	if (!minus) {
		d = reg_result(c, false, a);
		if (d == a)
			emit_rr(&c->e, OP_ADD_RM, wide, d, b);
		else if (d == b)
			emit_rr(&c->e, OP_ADD_RM, wide, d, a);
		else
			emit_rx(&c->e, OP_LEA, wide, false, d, a, b, 0, 0);
	} else {
		d = reg_result(c, false, a);
		if (d == b && d != a)
			d = reg_new(c, false);
		emit_mov(&c->e, true, d, a);
		emit_rr(&c->e, OP_SUB_RM, wide, d, b);
	}
	set_result(c, r, d);
}

static void alu(struct native_compiler *c, const struct bp_ir *r)
{
	bool wide = is_wide(r->type);
	unsigned a_id = r->arg[0], b_id = r->arg[1];
	int64_t imm, value;
	uint64_t ones = 0;
	if (is_word(r->type) && (r->op == BP_IR_ADD || r->op == BP_IR_SUB)) {
		add(c, r, wide);
		return;
	}
	bool has_imm = immediate(c, r, &imm);
	if (!has_imm && how[r->op].commutes && is_const(c, a_id, &value) &&
		value == (int32_t)value) {
		has_imm = true;
		imm = value;
		a_id = b_id;
	}
	if (r->op == BP_IR_OR)
		ones = value_ones(c, a_id) | (has_imm ? (uint64_t)imm : value_ones(c, b_id));
	unsigned a = use(c, a_id), b = has_imm ? NO_REG : use(c, b_id);
	unsigned d = reg_result(c, false, a);
	if (d == b && d != a) {
		if (how[r->op].commutes) {
			b = a;
			a = d;
		} else {
			d = reg_new(c, false);
		}
	}
	emit_mov(&c->e, true, d, a);
	if (has_imm)
		emit_group1(&c->e, wide, (enum group1)how[r->op].b, d, (int32_t)imm);
	else
		emit_rr(&c->e, how[r->op].a, wide, d, b);
	set_result(c, r, d);
	c->v[c->at].ones = r->type == BP_T_I64 ? ones : 0;
}

static void shift_by(struct native_compiler *c, const struct bp_ir *r, unsigned count_id)
{
	bool wide = is_wide(r->type);
	enum shift what = (enum shift)how[r->op].a;
	if (have_bmi2 && r->op <= BP_IR_SAR) {
		unsigned a = use(c, r->arg[0]), n = use(c, count_id);
		unsigned d = reg_result(c, false, a);
		emit_vex(&c->e, 2, how[r->op].b, wide, 0xf7, d, n, a);
		set_result(c, r, d);
		return;
	}
	reg_claim(c, RCX);
	unsigned n = use(c, count_id);
	emit_mov(&c->e, true, RCX, n);
	unsigned a = use(c, r->arg[0]), d = reg_new(c, false);
	emit_mov(&c->e, true, d, a);
	emit_rr(&c->e, OP_SHIFT_CL, wide, (unsigned)what, d);
	set_result(c, r, d);
}

static bool shift(struct native_compiler *c, const struct bp_ir *r)
{
	bool wide = is_wide(r->type), rotate = how[r->op].shape == SH_ROTATE;
	unsigned width = bits_of(r->type), masked = masked_count(c, r);
	int64_t n;
	if (masked) {
		shift_by(c, r, masked);
		return true;
	}
	if (!immediate(c, r, &n)) {
		if (!rotate)
			return false;
		shift_by(c, r, r->arg[1]);
		return true;
	}
	if (n < 0 || n >= (int64_t)width) {
		if (!rotate)
			return false;
		n &= width - 1;
	}
	unsigned a = use(c, r->arg[0]), d = reg_result(c, false, a);
	emit_mov(&c->e, true, d, a);
	if (n)
		emit_shift(&c->e, wide, (enum shift)how[r->op].a, d, (unsigned)n);
	set_result(c, r, d);
	return true;
}

static void multiply(struct native_compiler *c, const struct bp_ir *r)
{
	bool wide = is_wide(r->type);
	int64_t imm;
	if (immediate(c, r, &imm)) {
		unsigned a = use(c, r->arg[0]), d = reg_result(c, false, a);
		emit_rr(&c->e, OP_IMUL_RMI, wide, d, a);
		emit32(&c->e, (uint32_t)imm);
		set_result(c, r, d);
		return;
	}
	unsigned a = use(c, r->arg[0]), b = use(c, r->arg[1]), d = reg_result(c, false, a);
	if (d == b) {
		emit_rr(&c->e, OP_IMUL_RM, wide, d, a);
	} else {
		emit_mov(&c->e, true, d, a);
		emit_rr(&c->e, OP_IMUL_RM, wide, d, b);
	}
	set_result(c, r, d);
}

static bool high_half(struct native_compiler *c, const struct bp_ir *r)
{
	if (r->type != BP_T_I64)
		return false;
	reg_claim(c, RAX);
	reg_claim(c, RDX);
	unsigned a = use(c, r->arg[0]), b = use_second(c, r);
	emit_mov(&c->e, true, RAX, a);
	emit_rr(&c->e, OP_GROUP3, true, how[r->op].a, b);
	if (how[r->op].b) { /* the first is signed: less the second if it is negative */
		emit_mov(&c->e, true, RAX, a);
		emit_shift(&c->e, true, SH_SAR, RAX, 63);
		emit_rr(&c->e, OP_AND_RM, true, RAX, b);
		emit_rr(&c->e, OP_SUB_RM, true, RDX, RAX);
	}
	set_result(c, r, RDX);
	return true;
}

/* x/0 and x/-1 have results of their own (see ir.h); the host would trap. */
static void divide(struct native_compiler *c, const struct bp_ir *r)
{
	bool wide = is_wide(r->type), is_signed = how[r->op].a == G3_IDIV, rest = how[r->op].b;
	uint8_t *minus = NULL, *end[2];
	reg_claim(c, RAX);
	reg_claim(c, RDX);
	unsigned a = use(c, r->arg[0]), b = use_second(c, r);
	emit_mov(&c->e, true, RAX, a);
	emit_rr(&c->e, OP_TEST, wide, b, b);
	uint8_t *zero = emit_jcc(&c->e, CC_E);
	if (is_signed) {
		emit_group1(&c->e, wide, G1_CMP, b, -1);
		minus = emit_jcc(&c->e, CC_E);
		emit_head(&c->e, 0x99, wide, false, 0, 0, 0); /* cdq, cqo */
	} else {
		emit_const(&c->e, RDX, 0);
	}
	emit_rr(&c->e, OP_GROUP3, wide, how[r->op].a, b);
	end[0] = emit_jmp(&c->e);
	emit_here(&c->e, zero);
	if (rest)
		emit_mov(&c->e, true, RDX, RAX);
	else
		emit_const(&c->e, RAX, UINT64_MAX);
	end[1] = minus ? emit_jmp(&c->e) : NULL;
	if (minus) {
		emit_here(&c->e, minus);
		if (rest)
			emit_const(&c->e, RDX, 0);
		else
			emit_rr(&c->e, OP_GROUP3, wide, G3_NEG, RAX);
		emit_here(&c->e, end[1]);
	}
	emit_here(&c->e, end[0]);
	set_result(c, r, rest ? RDX : RAX);
}

static void min_max(struct native_compiler *c, const struct bp_ir *r)
{
	bool wide = is_wide(r->type);
	unsigned a = use(c, r->arg[0]), b = use_second(c, r), d = reg_result(c, false, NO_REG);
	if (d == a || d == b)
		d = reg_new(c, false);
	emit_mov(&c->e, true, d, b);
	emit_rr(&c->e, OP_CMP_RM, wide, a, b);
	emit_rr(&c->e, OP_CMOV | how[r->op].a, wide, d, a);
	set_result(c, r, d);
}

/* ---- comparing and choosing ---- */

static enum cc swapped(enum cc cc) /* b op a for a op b */
{
	switch (cc) {
	case CC_L: return CC_G;
	case CC_LE: return CC_GE;
	case CC_B: return CC_A;
	case CC_BE: return CC_AE;
	default: return cc;
	}
}

enum cc compare_record(struct native_compiler *c, const struct bp_ir *r)
{
	bool wide = is_wide(r->type);
	enum cc cc = (enum cc)how[r->op].a;
	int64_t imm;
	unsigned a_id = r->arg[0];
	bool has_imm = immediate(c, r, &imm);
	if (!has_imm && is_const(c, a_id, &imm) && imm == (int32_t)imm) {
		has_imm = true;
		a_id = r->arg[1];
		cc = swapped(cc);
	}
	unsigned a = use(c, a_id);
	if (has_imm && imm == 0) {
		emit_rr(&c->e, OP_TEST, wide, a, a);
	} else if (has_imm) {
		emit_group1(&c->e, wide, G1_CMP, a, (int32_t)imm);
	} else {
		unsigned b = use(c, r->arg[1]);
		emit_rr(&c->e, OP_CMP_RM, wide, a, b);
	}
	return cc;
}

uint8_t *jump_on(struct native_compiler *c, unsigned id, bool set)
{
	enum cc cc = test_condition(c, id);
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
	emit_mov(&c->e, true, d, a);
	if (r->type == BP_T_I1)
		emit_group1(&c->e, false, G1_XOR, d, 1);
	else
		emit_rr(&c->e, OP_GROUP3, is_wide(r->type), how[r->op].a, d);
	set_result(c, r, d);
	return true;
}

static bool count_bits(struct native_compiler *c, const struct bp_ir *r)
{
	static const unsigned code[] = { OP_LZCNT, OP_TZCNT, OP_POPCNT };
	const bool have[] = { have_lzcnt, have_bmi2, have_popcnt, true };
	unsigned what = how[r->op].a;
	if (!is_word(r->type) || !have[what])
		return false;
	unsigned a = use(c, r->arg[0]), d = reg_result(c, false, a);
	if (what < 3) {
		emit_rr(&c->e, code[what], is_wide(r->type), d, a);
	} else {
		emit_mov(&c->e, true, d, a);
		emit_head(&c->e, OP_BSWAP | (d & 7), is_wide(r->type), false, 0, 0, d);
	}
	set_result(c, r, d);
	return true;
}

static bool convert(struct native_compiler *c, const struct bp_ir *r)
{
	static const struct {
		uint16_t zero, sign;
	} extend[] = { { OP_MOVZX8, OP_MOVSX8 }, { OP_MOVZX16, OP_MOVSX16 },
		{ OP_MOV_RM, OP_MOVSXD } };
	unsigned from = r->aux, to = r->type;
	if (!is_conversion(r))
		return false;
	unsigned a = use(c, r->arg[0]), d = reg_result(c, false, a);
	if (r->op == BP_IR_TRUNC) {
		emit_mov(&c->e, true, d, a);
		emit_group1(&c->e, false, G1_AND, d, 1);
	} else if (from == to) {
		emit_mov(&c->e, true, d, a);
	} else {
		unsigned size = (unsigned)__builtin_ctz(ir_types[from].bytes);
		bool sign = r->op == BP_IR_SEXT;
		unsigned code = sign ? extend[size].sign : extend[size].zero;
		bool wide = sign && is_wide(to);
		if (size == 2 && !sign)
			emit_mov(&c->e, false, d, a);
		else
			emit_rr8(&c->e, code, wide, d, a);
	}
	set_result(c, r, d);
	return true;
}

static bool field(struct native_compiler *c, const struct bp_ir *r)
{
	if (!is_word(r->type))
		return false;
	bool wide = is_wide(r->type);
	unsigned pos = r->imm & 0xff, len = (unsigned)r->imm >> 8, bits = bits_of(r->type);
	unsigned a = use(c, r->arg[0]), d = reg_result(c, false, a);
	emit_mov(&c->e, true, d, a);
	if (bits - pos - len)
		emit_shift(&c->e, wide, SH_SHL, d, bits - pos - len);
	if (bits - len)
		emit_shift(&c->e, wide, (enum shift)how[r->op].a, d, bits - len);
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
	case SH_ROTATE: return is_word(r->type) && shift(c, r);
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
	return select_access(c, r) || select_integer(c, r) || select_float(c, r) ||
		select_vector(c, r);
}
