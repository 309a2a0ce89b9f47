/* SPDX-License-Identifier: MIT */
/* Integer records: which instructions they become. What is not here is done by C (generic_for). */
#include "native.h"

static const struct {
	uint8_t a; /* of ALU: opcode; of shifts: the group's number; else of group 3 */
	uint8_t b; /* of ALU: the number in group 1; of shifts: VEX prefix of the three-operand form */
	bool other; /* the remainder; the first operand is signed */
} how[BP_IR_OPS] = {
	[BP_IR_AND] = { OP_AND_RM, G1_AND, false },
	[BP_IR_OR] = { OP_OR_RM, G1_OR, false },
	[BP_IR_XOR] = { OP_XOR_RM, G1_XOR, false },
	[BP_IR_SHL] = { SH_SHL, 1, false },
	[BP_IR_SHR] = { SH_SHR, 3, false },
	[BP_IR_SAR] = { SH_SAR, 2, false },
	[BP_IR_ROL] = { SH_ROL, 0, false },
	[BP_IR_ROR] = { SH_ROR, 0, false },
	[BP_IR_MULHS] = { G3_IMUL, 0, false },
	[BP_IR_MULHU] = { G3_MUL, 0, false },
	[BP_IR_MULHSU] = { G3_MUL, 0, true },
	[BP_IR_DIVS] = { G3_IDIV, 0, false },
	[BP_IR_DIVU] = { G3_DIV, 0, false },
	[BP_IR_REMS] = { G3_IDIV, 0, true },
	[BP_IR_REMU] = { G3_DIV, 0, true },
	[BP_IR_NEG] = { G3_NEG, 0, false },
	[BP_IR_NOT] = { G3_NOT, 0, false },
	[BP_IR_UBITS] = { SH_SHR, 0, false },
	[BP_IR_SBITS] = { SH_SAR, 0, false },
};

/* ---- two operands ---- */

static void add(struct native_compiler *c, const struct bp_ir *r, const struct operands *o)
{
	bool minus = r->op == BP_IR_SUB, wide = is_wide(r->type);
	if (o->has_imm && !(minus && o->imm == INT32_MIN)) {
		unsigned a = use(c, o->a), d = reg_result(c, false, a);
		int32_t by = (int32_t)(minus ? -o->imm : o->imm);
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

void alu_record(struct native_compiler *c, const struct bp_ir *r, const struct operands *o)
{
	bool wide = is_wide(r->type);
	if (r->op == BP_IR_ADD || r->op == BP_IR_SUB) {
		add(c, r, o);
		return;
	}
	unsigned a = use(c, o->a), b = o->has_imm ? NO_REG : use(c, o->b);
	unsigned d = reg_result(c, false, a);
	if (d == b) {
		b = a;
		a = d;
	}
	emit_mov(&c->e, true, d, a);
	if (o->has_imm)
		emit_group1(&c->e, wide, (enum group1)how[r->op].b, d, (int32_t)o->imm);
	else
		emit_rr(&c->e, how[r->op].a, wide, d, b);
	set_result(c, r, d);
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

bool shift_record(struct native_compiler *c, const struct bp_ir *r)
{
	bool wide = is_wide(r->type), rotate = r->op == BP_IR_ROL || r->op == BP_IR_ROR;
	unsigned width = bits_of(r->type), masked = masked_count(c, r);
	int64_t n;
	if (masked) {
		shift_by(c, r, masked);
		return true;
	}
	if (!second_imm(c, r, &n)) {
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

void multiply_record(struct native_compiler *c, const struct bp_ir *r)
{
	bool wide = is_wide(r->type);
	int64_t imm;
	if (second_imm(c, r, &imm)) {
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

void high_half_record(struct native_compiler *c, const struct bp_ir *r)
{
	reg_claim(c, RAX);
	reg_claim(c, RDX);
	unsigned a = use(c, r->arg[0]), b = use_second(c, r);
	emit_mov(&c->e, true, RAX, a);
	emit_rr(&c->e, OP_GROUP3, true, how[r->op].a, b);
	if (how[r->op].other) { /* the first is signed: less the second if it is negative */
		emit_mov(&c->e, true, RAX, a);
		emit_shift(&c->e, true, SH_SAR, RAX, 63);
		emit_rr(&c->e, OP_AND_RM, true, RAX, b);
		emit_rr(&c->e, OP_SUB_RM, true, RDX, RAX);
	}
	set_result(c, r, RDX);
}

/* x/0 and x/-1 have results of their own (see ir.h); the host would trap. */
void divide_record(struct native_compiler *c, const struct bp_ir *r)
{
	bool wide = is_wide(r->type), is_signed = how[r->op].a == G3_IDIV, rest = how[r->op].other;
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

void min_max_record(struct native_compiler *c, const struct bp_ir *r)
{
	bool wide = is_wide(r->type);
	unsigned a = use(c, r->arg[0]), b = use_second(c, r), d = reg_result(c, false, NO_REG);
	if (d == a || d == b)
		d = reg_new(c, false);
	emit_mov(&c->e, true, d, b);
	emit_cmp(&c->e, wide, a, b);
	emit_rr(&c->e, OP_CMOV | (unsigned)choosing_condition(r), wide, d, a);
	set_result(c, r, d);
}

uint8_t *jump_on(struct native_compiler *c, unsigned id, bool set)
{
	enum cc cc = test_condition(c, id);
	return emit_jcc(&c->e, set ? cc : cc ^ 1);
}

/* ---- one operand ---- */

bool has_one(const struct bp_ir *r)
{
	switch (r->op) {
	case BP_IR_CLZ: return have_lzcnt;
	case BP_IR_CTZ: return have_bmi2;
	case BP_IR_POPCNT: return have_popcnt;
	default: return r->op != BP_IR_BREV8;
	}
}

static void convert(struct emit *e, const struct bp_ir *r, unsigned d, unsigned a)
{
	static const struct {
		uint16_t zero, sign;
	} extend[] = { { OP_MOVZX8, OP_MOVSX8 }, { OP_MOVZX16, OP_MOVSX16 },
		{ OP_MOV_RM, OP_MOVSXD } };
	unsigned from = r->aux, size = (unsigned)__builtin_ctz(ir_types[from].bytes);
	bool sign = r->op == BP_IR_SEXT;
	if (r->op == BP_IR_TRUNC) {
		emit_mov(e, true, d, a);
		emit_group1(e, false, G1_AND, d, 1);
	} else if (from == r->type) {
		emit_mov(e, true, d, a);
	} else if (size == 2 && !sign) {
		emit_mov(e, false, d, a);
	} else {
		emit_rr8(e, sign ? extend[size].sign : extend[size].zero, sign && is_wide(r->type),
			d, a);
	}
}

/* The field's bits to the upper end, then down. */
static void field(struct emit *e, const struct bp_ir *r, unsigned d, unsigned a)
{
	bool wide = is_wide(r->type);
	unsigned pos = r->imm & 0xff, len = (unsigned)r->imm >> 8, bits = bits_of(r->type);
	emit_mov(e, true, d, a);
	if (bits - pos - len)
		emit_shift(e, wide, SH_SHL, d, bits - pos - len);
	if (bits - len)
		emit_shift(e, wide, (enum shift)how[r->op].a, d, bits - len);
}

void emit_one(struct native_compiler *c, const struct bp_ir *r, unsigned d, unsigned a)
{
	struct emit *e = &c->e;
	bool wide = is_wide(r->type);
	switch (r->op) {
	case BP_IR_NEG:
	case BP_IR_NOT:
		emit_mov(e, true, d, a);
		if (r->type == BP_T_I1)
			emit_group1(e, false, G1_XOR, d, 1);
		else
			emit_rr(e, OP_GROUP3, wide, how[r->op].a, d);
		break;
	case BP_IR_CLZ: emit_rr(e, OP_LZCNT, wide, d, a); break;
	case BP_IR_CTZ: emit_rr(e, OP_TZCNT, wide, d, a); break;
	case BP_IR_POPCNT: emit_rr(e, OP_POPCNT, wide, d, a); break;
	case BP_IR_BSWAP:
		emit_mov(e, true, d, a);
		emit_head(e, OP_BSWAP | (d & 7), wide, false, 0, 0, d);
		break;
	case BP_IR_UBITS:
	case BP_IR_SBITS: field(e, r, d, a); break;
	default: convert(e, r, d, a); break;
	}
}

bool select_host(struct native_compiler *c, const struct bp_ir *r)
{
	return select_access(c, r) || select_integer(c, r) || select_float(c, r) ||
		select_vector(c, r);
}
