/* SPDX-License-Identifier: MIT */
/* Integer records, as far as all hosts do them alike: which are for the host, what needs no instruction,
 * operands, comparisons and choices. */
#include "codegen.h"

/* ---- operands ---- */

bool second_const(const struct native_compiler *c, const struct bp_ir *r, int64_t *imm)
{
	if (r->aux & BP_IR_IMM)
		*imm = r->type == BP_T_I1 ? r->imm & 1 : r->imm;
	else
		return is_const(c, r->arg[1], imm);
	return true;
}

bool second_imm(const struct native_compiler *c, const struct bp_ir *r, int64_t *imm)
{
	return second_const(c, r, imm) && can_hold(*imm);
}

void set_result(struct native_compiler *c, const struct bp_ir *r, unsigned reg)
{
	set_reg(c, c->at, ir_result_type(r), reg);
}

unsigned use_second(struct native_compiler *c, const struct bp_ir *r)
{
	if (!(r->aux & BP_IR_IMM))
		return use(c, r->arg[1]);
	unsigned reg = reg_new(c, false);
	emit_const(&c->e, reg, (uint64_t)(int64_t)r->imm);
	return reg;
}

unsigned masked_count(const struct native_compiler *c, const struct bp_ir *r)
{
	if (r->op < BP_IR_SHL || r->op > BP_IR_SAR || r->aux & BP_IR_IMM || !is_word(r->type))
		return 0;
	const struct bp_ir *n = &c->rec[r->arg[1]];
	return n->op == BP_IR_AND && n->aux & BP_IR_IMM && n->type == r->type &&
			n->imm == (int32_t)bits_of(r->type) - 1
		? n->arg[0]
		: 0;
}

static struct operands operands_of(
	const struct native_compiler *c, const struct bp_ir *r, bool swap)
{
	struct operands o = { .a = r->arg[0], .b = r->arg[1] };
	int64_t first;
	o.has_imm = second_imm(c, r, &o.imm);
	if (!o.has_imm && swap && is_const(c, o.a, &first) && can_hold(first))
		o = (struct operands){ .a = o.b, .imm = first, .has_imm = true, .swapped = true };
	return o;
}

/* ---- what is known of bits ---- */

static bool both_narrow(const struct native_compiler *c, const struct bp_ir *r)
{
	return c->v[r->arg[0]].known.narrow && (r->aux & BP_IR_IMM || c->v[r->arg[1]].known.narrow);
}

static bool narrow_load(uint32_t memop)
{
	return (memop & BP_MEM_SIZE) < BP_MEM_32 ||
		((memop & BP_MEM_SIZE) == BP_MEM_32 && memop & BP_MEM_SIGNED);
}

bool makes_narrow(const struct native_compiler *c, const struct bp_ir *r)
{
	int64_t b;
	/* 32-bit instructions of the hosts clear the upper half. */
	if (r->op == BP_IR_SHR && r->type == BP_T_I32)
		return second_const(c, r, &b) && b > 0 && b < 32;
	if (r->type != BP_T_I64)
		return false;
	switch (r->op) {
	case BP_IR_SEXT: return r->aux <= BP_T_I32;
	case BP_IR_ZEXT: return r->aux < BP_T_I32;
	case BP_IR_LD: return narrow_load(bp_ir_memop(r));
	case BP_IR_AND:
		if (second_const(c, r, &b) && b >= 0 && b <= INT32_MAX)
			return true;
		return both_narrow(c, r);
	case BP_IR_OR:
	case BP_IR_XOR: return both_narrow(c, r);
	case BP_IR_SAR: return c->v[r->arg[0]].known.narrow;
	case BP_IR_SELECT: return c->v[r->arg[1]].known.narrow && c->v[r->arg[2]].known.narrow;
	default: return false;
	}
}

/* Results that are constant although their operands are not, or equal to one of them. */
static bool fold(struct native_compiler *c, const struct bp_ir *r)
{
	int64_t a, b;
	bool imm = second_const(c, r, &b);
	if (r->type == BP_T_I64 && r->op == BP_IR_SAR && imm && b > 0 && b < 64) {
		if ((int64_t)c->v[r->arg[0]].known.ones >> b == -1) {
			set_const(c, c->at, r->type, UINT64_MAX);
			return true;
		}
	}
	if ((r->op == BP_IR_EQ || r->op == BP_IR_NE) && imm && is_const(c, r->arg[0], &a)) {
		set_const(c, c->at, BP_T_I1, (a == b) == (r->op == BP_IR_EQ));
		return true;
	}
	return false;
}

void alias(struct native_compiler *c, unsigned type, unsigned id)
{
	struct val *v = &c->v[c->at];
	const struct val *from = &c->v[id];
	unsigned reg;
	switch (from->place) {
	case P_CONST: set_const(c, c->at, type, from->imm); return;
	case P_MEM: set_mem(c, c->at, type, from->off); return;
	case P_REG: reg = from->reg; break;
	default: reg = use(c, id); break;
	}
	set_reg(c, c->at, type, reg);
	v->known = from->known;
	v->known.narrow = v->known.narrow && is_small(type) && is_small(from->type);
}

/* Conversions that are the value itself, or a constant. */
static bool same_value(struct native_compiler *c, const struct bp_ir *r)
{
	unsigned from = r->aux, to = r->type;
	int64_t value;
	if (r->op == BP_IR_CAST) {
		if (ir_types[to].bytes > 8 || from == BP_T_FLAGS)
			return false;
		alias(c, to, r->arg[0]);
		return true;
	}
	if (!is_small(from) || !is_small(to))
		return false;
	if (is_const(c, r->arg[0], &value)) {
		uint64_t x = interp_extend((uint64_t)value, bits_of(from), r->op == BP_IR_SEXT);
		set_const(c, c->at, to, x);
		return true;
	}
	if (r->op == BP_IR_TRUNC && to != BP_T_I1) {
		alias(c, to, r->arg[0]);
		return true;
	}
	const struct val *v = &c->v[r->arg[0]];
	if (r->op == BP_IR_SEXT && from == BP_T_I32 && to == BP_T_I64 && v->place == P_REG &&
		v->known.narrow && !is_fp(v->reg)) {
		alias(c, to, r->arg[0]);
		return true;
	}
	if (from != BP_T_I1 || r->op == BP_IR_SEXT)
		return false;
	set_reg(c, c->at, to, use(c, r->arg[0])); /* clean to 64 bits already */
	return true;
}

/* SEXT, ZEXT, TRUNC that select_known has left over and an instruction can do. */
static bool is_conversion(const struct bp_ir *r)
{
	return r->op != BP_IR_CAST && is_small(r->aux) && is_small(r->type) &&
		!(r->aux == BP_T_I1 && r->op == BP_IR_SEXT);
}

/* Record c->at, when no instruction is needed for it; false: else. */
static bool select_known(struct native_compiler *c, const struct bp_ir *r)
{
	int64_t known;
	switch (r->op) {
	case BP_IR_ADD:
	case BP_IR_SUB:
	case BP_IR_OR:
	case BP_IR_XOR:
	case BP_IR_SHL:
	case BP_IR_SHR:
	case BP_IR_SAR:
		if (!is_word(r->type) || !second_const(c, r, &known) || known)
			break;
		alias(c, r->type, r->arg[0]);
		return true;
	case BP_IR_SEXT:
	case BP_IR_ZEXT:
	case BP_IR_TRUNC:
	case BP_IR_CAST: return same_value(c, r);
	case BP_IR_LO:
	case BP_IR_HI:
		set_mem(c, c->at, BP_T_I64, in_memory(c, r->arg[0]) + (r->op == BP_IR_HI ? 8 : 0));
		return true;
	case BP_IR_SELECT:
		if (ir_types[r->type].bytes > 8 || !is_const(c, r->arg[0], &known))
			break;
		alias(c, r->type, known ? r->arg[1] : r->arg[2]);
		return true;
	default: break;
	}
	return r->op < BP_IR_IF && is_small(r->type) && fold(c, r);
}

/* ---- comparing and choosing ---- */

static const struct {
	uint8_t plain, swapped; /* of a op b; b op a */
} condition[] = {
	[BP_IR_EQ - BP_IR_EQ] = { IF_EQ, IF_EQ },
	[BP_IR_NE - BP_IR_EQ] = { IF_NE, IF_NE },
	[BP_IR_LTS - BP_IR_EQ] = { IF_LTS, IF_GTS },
	[BP_IR_LES - BP_IR_EQ] = { IF_LES, IF_GES },
	[BP_IR_LTU - BP_IR_EQ] = { IF_LTU, IF_GTU },
	[BP_IR_LEU - BP_IR_EQ] = { IF_LEU, IF_GEU },
};

enum cc compare_record(struct native_compiler *c, const struct bp_ir *r)
{
	bool wide = is_wide(r->type);
	struct operands o = operands_of(c, r, true);
	unsigned a = use(c, o.a), how = r->op - BP_IR_EQ;
	if (o.has_imm)
		emit_cmp_i(&c->e, wide, a, o.imm);
	else
		emit_cmp(&c->e, wide, a, use(c, o.b));
	return (enum cc)(o.swapped ? condition[how].swapped : condition[how].plain);
}

enum cc choosing_condition(const struct bp_ir *r)
{
	switch (r->op) {
	case BP_IR_MINS: return (enum cc)IF_LTS;
	case BP_IR_MAXS: return (enum cc)IF_GTS;
	case BP_IR_MINU: return (enum cc)IF_LTU;
	default: return (enum cc)IF_GTU;
	}
}

enum cc test_condition(struct native_compiler *c, unsigned id)
{
	if (c->v[id].place == P_COND)
		return compare_record(c, &c->rec[id]);
	unsigned reg = use(c, id);
	emit_test(&c->e, reg);
	return CC_NE;
}

static bool select_comparison(struct native_compiler *c, const struct bp_ir *r)
{
	if (!is_word(r->type) && r->type != BP_T_I1)
		return false;
	if (r->type == BP_T_I1 && r->op != BP_IR_EQ && r->op != BP_IR_NE)
		return false;
	enum cc cc = compare_record(c, r);
	unsigned d = reg_new(c, false);
	emit_cset(&c->e, d, cc);
	set_result(c, r, d);
	return true;
}

static bool select_choice(struct native_compiler *c, const struct bp_ir *r)
{
	if (ir_types[r->type].bytes > 8)
		return false;
	/* The values first: reading them may change flags. */
	unsigned yes = use(c, r->arg[1]), no = use(c, r->arg[2]);
	unsigned d = reg_new(c, false);
	enum cc cc = test_condition(c, r->arg[0]);
	emit_csel(&c->e, true, d, yes, no, cc);
	set_result(c, r, d);
	return true;
}

/* ---- all of them ---- */

static void alu(struct native_compiler *c, const struct bp_ir *r)
{
	struct operands o = operands_of(c, r, r->op != BP_IR_SUB);
	uint64_t ones = 0;
	if (r->op == BP_IR_OR)
		ones = c->v[o.a].known.ones | (o.has_imm ? (uint64_t)o.imm : c->v[o.b].known.ones);
	alu_record(c, r, &o);
	c->v[c->at].known.ones = r->type == BP_T_I64 ? ones : 0;
}

static void one(struct native_compiler *c, const struct bp_ir *r)
{
	unsigned a = use(c, r->arg[0]), d = reg_result(c, false, a);
	emit_one(c, r, d, a);
	set_result(c, r, d);
}

/* Of words: the others are left over. */
static bool select_word(struct native_compiler *c, const struct bp_ir *r)
{
	switch (r->op) {
	case BP_IR_ADD:
	case BP_IR_SUB: alu(c, r); return true;
	case BP_IR_SHL:
	case BP_IR_SHR:
	case BP_IR_SAR:
	case BP_IR_ROL:
	case BP_IR_ROR: return shift_record(c, r);
	case BP_IR_MUL: multiply_record(c, r); return true;
	case BP_IR_MULHS:
	case BP_IR_MULHU:
	case BP_IR_MULHSU:
		if (!is_wide(r->type))
			return false;
		high_half_record(c, r);
		return true;
	case BP_IR_DIVS:
	case BP_IR_DIVU:
	case BP_IR_REMS:
	case BP_IR_REMU: divide_record(c, r); return true;
	case BP_IR_MINS:
	case BP_IR_MAXS:
	case BP_IR_MINU:
	case BP_IR_MAXU: min_max_record(c, r); return true;
	case BP_IR_NEG:
	case BP_IR_CLZ:
	case BP_IR_CTZ:
	case BP_IR_POPCNT:
	case BP_IR_BSWAP:
	case BP_IR_BREV8:
	case BP_IR_UBITS:
	case BP_IR_SBITS:
		if (!has_one(r))
			return false;
		one(c, r);
		return true;
	default: return false;
	}
}

bool select_integer(struct native_compiler *c, const struct bp_ir *r)
{
	bool word = is_word(r->type);
	if (ir_types[r->type].class == IR_VECTOR)
		return false;
	if (select_known(c, r))
		return true;
	switch (r->op) {
	case BP_IR_AND:
	case BP_IR_OR:
	case BP_IR_XOR:
		if (!word && r->type != BP_T_I1)
			return false;
		alu(c, r);
		return true;
	case BP_IR_NOT:
		if (!word && r->type != BP_T_I1)
			return false;
		one(c, r);
		return true;
	case BP_IR_SEXT:
	case BP_IR_ZEXT:
	case BP_IR_TRUNC:
		if (!is_conversion(r))
			return false;
		one(c, r);
		return true;
	case BP_IR_EQ:
	case BP_IR_NE:
	case BP_IR_LTS:
	case BP_IR_LES:
	case BP_IR_LTU:
	case BP_IR_LEU: return select_comparison(c, r);
	case BP_IR_SELECT: return select_choice(c, r);
	default: return word && select_word(c, r);
	}
}
