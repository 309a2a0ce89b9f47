/* SPDX-License-Identifier: MIT */
/* Vectors of 128 bits in XMM registers: integer lanes, permutations, loads and stores. Floating-point
 * lanes are float.c's; other widths, and what is not here, are done by C.
 *
 * Instructions have their VEX form where the host knows it, which needs no copy of the first operand
 * and leaves the upper halves clean (SDM volume 1, 14.1.2); they are named by a number: the opcode
 * map in bits 8 and up (1 0F, 2 0F38, 3 0F3A), the opcode below. All have the prefix 66. */
#include "native.h"

enum { PP_66 = 1 };

/* ---- emitting ---- */

static unsigned legacy(unsigned code)
{
	static const uint32_t map[] = { 0, 0x0f00, 0x0f3800, 0x0f3a00 };
	return 0x66000000 | map[code >> 8] | (code & 0xff);
}

static void copy(struct native_compiler *c, unsigned d, unsigned a)
{
	if (d != a)
		emit_rr(&c->e, OP_MOVAPS, false, d, a);
}

void vector_op3(
	struct native_compiler *c, unsigned code, bool wide, unsigned d, unsigned a, unsigned b)
{
	if (have_avx) {
		emit_vex(&c->e, code >> 8, PP_66, wide, code & 0xff, d, a, b);
	} else if (d == b && d != a) {
		copy(c, XMM15, a);
		emit_rr(&c->e, legacy(code), false, XMM15, b);
		copy(c, d, XMM15);
	} else {
		copy(c, d, a);
		emit_rr(&c->e, legacy(code), false, d, b);
	}
}

static void op3(struct native_compiler *c, unsigned code, unsigned d, unsigned a, unsigned b)
{
	vector_op3(c, code, false, d, a, b);
}

/* One operand and perhaps a byte. */
static void op2(struct native_compiler *c, unsigned code, bool wide, unsigned d, unsigned a)
{
	emit_rr(&c->e, legacy(code), wide, d, a);
}

static void op2_byte(
	struct native_compiler *c, unsigned code, bool wide, unsigned d, unsigned a, unsigned byte)
{
	op2(c, code, wide, d, a);
	emit8(&c->e, byte);
}

enum {
	PUNPCKLBW = 0x160,
	PACKSSWB = 0x163,
	PACKUSWB = 0x167,
	PACKSSDW = 0x16b,
	PUNPCKLQDQ = 0x16c,
	PUNPCKHQDQ = 0x16d,
	PSHUFD = 0x170,
	PSHIFT = 0x170, /* plus the lane: /2 right, /4 arithmetic, /6 left */
	PCMPEQB = 0x174,
	PCMPEQD = 0x176,
	PMOVMSKB = 0x1d7,
	PAND = 0x1db,
	PADDUSB = 0x1dc,
	PANDN = 0x1df,
	PMULLW = 0x1d5,
	PADDQ = 0x1d4,
	PMULUDQ = 0x1f4,
	POR = 0x1eb,
	PXOR = 0x1ef,
	PSUB = 0x1f8, /* plus the lane */
	PSHUFB = 0x200,
	PCMPGTQ = 0x237,
	PACKUSDW = 0x22b,
	BLENDVPD = 0x34b
};
enum lane { LANE_8, LANE_16, LANE_32, LANE_64 };

static unsigned lane_of(unsigned type)
{
	return (unsigned)__builtin_ctz(ir_types[type].bytes);
}

static unsigned temp(struct native_compiler *c)
{
	return reg_new(c, true);
}

static void all_ones(struct native_compiler *c, unsigned reg)
{
	op3(c, PCMPEQD, reg, reg, reg);
}

static void all_zeros(struct native_compiler *c, unsigned reg)
{
	op3(c, PXOR, reg, reg, reg);
}

/* The low bits of imm in every lane. */
static void splat_const(struct native_compiler *c, unsigned reg, enum lane lane, uint64_t imm)
{
	static const uint64_t times[] = { UINT64_C(0x0101010101010101),
		UINT64_C(0x0001000100010001), UINT64_C(0x0000000100000001), 1 };
	imm = interp_extend(imm, 8u << lane, false) * times[lane];
	if (!imm) {
		all_zeros(c, reg);
	} else if (imm == UINT64_MAX) {
		all_ones(c, reg);
	} else {
		unsigned from = reg_new(c, false);
		emit_const(&c->e, from, imm);
		emit_rr(&c->e, OP_MOVD_XR, true, reg, from);
		op2(c, PUNPCKLQDQ, false, reg, reg);
	}
}

/* Shift by a constant that is less than the lane's width; not 8-bit lanes. */
static void shift_const(struct native_compiler *c, enum lane lane, unsigned how, unsigned d,
	unsigned a, unsigned count)
{
	if (have_avx) {
		emit_vex(&c->e, 1, PP_66, false, (PSHIFT & 0xff) + (unsigned)lane, how, d, a);
	} else {
		copy(c, d, a);
		emit_rr(&c->e, legacy(PSHIFT + (unsigned)lane), false, how, d);
	}
	emit8(&c->e, count);
}

/* All ones in lanes of 64 bits that are negative. */
static void signs(struct native_compiler *c, unsigned d, unsigned a)
{
	op2_byte(c, PSHUFD, false, d, a, 0xf5);
	shift_const(c, LANE_32, 4, d, d, 31);
}

static unsigned result(struct native_compiler *c)
{
	return reg_result(c, true, NO_REG);
}

static bool done(struct native_compiler *c, unsigned reg)
{
	set_reg(c, c->at, BP_T_V128, reg);
	return true;
}

static unsigned second(struct native_compiler *c, const struct bp_ir *r)
{
	if (!(r->aux & BP_IR_IMM))
		return use_fp(c, r->arg[1]);
	unsigned reg = temp(c);
	splat_const(c, reg, (enum lane)lane_of(r->arg[3]), (uint64_t)(int64_t)r->imm);
	return reg;
}

/* ---- what one instruction does ---- */

static const uint16_t single[BP_IR_OPS][4] = {
	[BP_IR_ADD] = { 0x1fc, 0x1fd, 0x1fe, 0x1d4 },
	[BP_IR_SUB] = { 0x1f8, 0x1f9, 0x1fa, 0x1fb },
	[BP_IR_MUL] = { 0, 0x1d5, 0x240, 0 },
	[BP_IR_MULHS] = { 0, 0x1e5, 0, 0 },
	[BP_IR_MULHU] = { 0, 0x1e4, 0, 0 },
	[BP_IR_AND] = { PAND, PAND, PAND, PAND },
	[BP_IR_OR] = { POR, POR, POR, POR },
	[BP_IR_XOR] = { PXOR, PXOR, PXOR, PXOR },
	[BP_IR_MINS] = { 0x238, 0x1ea, 0x239, 0 },
	[BP_IR_MAXS] = { 0x23c, 0x1ee, 0x23d, 0 },
	[BP_IR_MINU] = { 0x1da, 0x23a, 0x23b, 0 },
	[BP_IR_MAXU] = { 0x1de, 0x23e, 0x23f, 0 },
	[BP_IR_EQ] = { 0x174, 0x175, 0x176, 0x229 },
	[BP_IR_LTS] = { 0x164, 0x165, 0x166, PCMPGTQ }, /* operands swapped: greater */
	[BP_IR_VADDS] = { 0x1ec, 0x1ed, 0, 0 },
	[BP_IR_VADDU] = { 0x1dc, 0x1dd, 0, 0 },
	[BP_IR_VSUBS] = { 0x1e8, 0x1e9, 0, 0 },
	[BP_IR_VSUBU] = { 0x1d8, 0x1d9, 0, 0 },
	[BP_IR_VZIPLO] = { 0x160, 0x161, 0x162, PUNPCKLQDQ },
	[BP_IR_VZIPHI] = { 0x168, 0x169, 0x16a, PUNPCKHQDQ },
	[BP_IR_VUNZIPLO] = { 0, 0, 0, PUNPCKLQDQ },
	[BP_IR_VUNZIPHI] = { 0, 0, 0, PUNPCKHQDQ },
};

static bool one_instruction(struct native_compiler *c, const struct bp_ir *r)
{
	unsigned code = single[r->op][lane_of(r->arg[3])];
	if (!code || r->op == BP_IR_LTS)
		return false;
	unsigned a = use_fp(c, r->arg[0]), b = second(c, r), d = result(c);
	op3(c, code, d, a, b);
	return done(c, d);
}

/* ---- multiplication, minimum, comparison ---- */

static bool multiply(struct native_compiler *c, const struct bp_ir *r)
{
	enum lane lane = (enum lane)lane_of(r->arg[3]);
	unsigned a = use_fp(c, r->arg[0]), b = second(c, r), t = temp(c), d = result(c);
	if (lane == LANE_64) {
		/* low * low + (high * low + low * high) << 32 */
		shift_const(c, LANE_64, 2, t, a, 32);
		op3(c, PMULUDQ, t, t, b);
		shift_const(c, LANE_64, 2, XMM15, b, 32);
		op3(c, PMULUDQ, XMM15, XMM15, a);
		op3(c, PADDQ, t, t, XMM15);
		shift_const(c, LANE_64, 6, t, t, 32);
		op3(c, PMULUDQ, XMM15, a, b);
		op3(c, PADDQ, d, XMM15, t);
		return done(c, d);
	}
	/* bytes: the odd ones and the even ones as the low halves of products of 16 bits */
	unsigned u = temp(c);
	shift_const(c, LANE_16, 2, t, a, 8);
	shift_const(c, LANE_16, 2, u, b, 8);
	op3(c, PMULLW, t, t, u);
	shift_const(c, LANE_16, 6, t, t, 8);
	op3(c, PMULLW, XMM15, a, b);
	shift_const(c, LANE_16, 6, XMM15, XMM15, 8);
	shift_const(c, LANE_16, 2, XMM15, XMM15, 8);
	op3(c, POR, d, XMM15, t);
	return done(c, d);
}

/* In XMM15: all ones where a > b, lanes of 64 bits. */
static void greater64(struct native_compiler *c, bool is_signed, unsigned a, unsigned b, unsigned t)
{
	if (is_signed) {
		op3(c, PCMPGTQ, XMM15, a, b);
		return;
	}
	/* Unsigned numbers with the top bit flipped are in order as signed ones. */
	all_ones(c, XMM15);
	shift_const(c, LANE_64, 6, XMM15, XMM15, 63);
	op3(c, PXOR, t, a, XMM15);
	op3(c, PXOR, XMM15, XMM15, b);
	op3(c, PCMPGTQ, t, t, XMM15);
	copy(c, XMM15, t);
}

static bool min_max64(struct native_compiler *c, const struct bp_ir *r)
{
	bool is_signed = r->op == BP_IR_MINS || r->op == BP_IR_MAXS;
	bool max = r->op == BP_IR_MAXS || r->op == BP_IR_MAXU;
	if (!have_avx)
		return false;
	unsigned a = use_fp(c, r->arg[0]), b = second(c, r), t = temp(c), d = result(c);
	greater64(c, is_signed, a, b, t);
	/* where a > b the third operand, else the second */
	op3(c, BLENDVPD, d, max ? b : a, max ? a : b);
	emit8(&c->e, (XMM15 & 15) << 4);
	return done(c, d);
}

static bool compare(struct native_compiler *c, const struct bp_ir *r)
{
	enum lane lane = (enum lane)lane_of(r->arg[3]);
	bool less = r->op == BP_IR_LTS || r->op == BP_IR_LTU;
	bool is_signed = r->op == BP_IR_LTS || r->op == BP_IR_LES, invert = r->op != BP_IR_LTS;
	unsigned a = use_fp(c, r->arg[0]), b = second(c, r), t = temp(c), d = result(c);
	if (r->op == BP_IR_NE) {
		op3(c, single[BP_IR_EQ][lane], XMM15, a, b);
	} else if (is_signed) {
		op3(c, single[BP_IR_LTS][lane], XMM15, less ? b : a, less ? a : b);
	} else if (lane == LANE_64) {
		greater64(c, false, less ? b : a, less ? a : b, t);
		invert = !less;
	} else {
		/* not a < b: a is the greater one; a <= b: b is */
		op3(c, single[BP_IR_MAXU][lane], XMM15, a, b);
		op3(c, single[BP_IR_EQ][lane], XMM15, XMM15, less ? a : b);
		invert = less;
	}
	if (invert) {
		all_ones(c, t);
		op3(c, PXOR, d, XMM15, t);
	} else {
		copy(c, d, XMM15);
	}
	return done(c, d);
}

/* ---- shifts ---- */

enum shift_how { SHIFT_RIGHT = 2, SHIFT_SIGNED = 4, SHIFT_LEFT = 6 };

static enum shift_how how_of(unsigned op)
{
	return op == BP_IR_SHL ? SHIFT_LEFT : op == BP_IR_SHR ? SHIFT_RIGHT : SHIFT_SIGNED;
}

/* Bytes move with their neighbours, whose bits are cut off. */
static void shift_bytes(
	struct native_compiler *c, enum shift_how how, unsigned d, unsigned a, unsigned count)
{
	unsigned t = temp(c);
	shift_const(c, LANE_16, how == SHIFT_LEFT ? SHIFT_LEFT : SHIFT_RIGHT, XMM15, a, count);
	splat_const(c, t, LANE_8, how == SHIFT_LEFT ? 0xffu << count : 0xffu >> count);
	if (how != SHIFT_SIGNED) {
		op3(c, PAND, d, XMM15, t);
		return;
	}
	op3(c, PAND, XMM15, XMM15, t);
	splat_const(c, t, LANE_8, 0x80u >> count);
	op3(c, PXOR, XMM15, XMM15, t);
	op3(c, PSUB + LANE_8, d, XMM15, t);
}

static bool shift_by(struct native_compiler *c, const struct bp_ir *r, uint64_t count)
{
	enum lane lane = (enum lane)lane_of(r->arg[3]);
	enum shift_how how = how_of(r->op);
	unsigned bits = 8u << lane, a = use_fp(c, r->arg[0]), d = result(c);
	if (count >= bits && how != SHIFT_SIGNED) {
		all_zeros(c, d);
		return done(c, d);
	}
	count = MIN(count, bits - 1);
	if (lane == LANE_8) {
		shift_bytes(c, how, d, a, (unsigned)count);
	} else if (lane == LANE_64 && how == SHIFT_SIGNED) {
		unsigned t = temp(c);
		signs(c, t, a);
		shift_const(c, LANE_64, SHIFT_LEFT, t, t, 64 - (unsigned)count);
		shift_const(c, LANE_64, SHIFT_RIGHT, XMM15, a, (unsigned)count);
		op3(c, POR, d, XMM15, t);
	} else {
		shift_const(c, lane, how, d, a, (unsigned)count);
	}
	return done(c, d);
}

/* By the instruction `code`, whose count is in register `by`. The arithmetic shift of 64 bits, which
 * there is not, moves negative numbers with all bits flipped. */
static bool shift_code(
	struct native_compiler *c, const struct bp_ir *r, unsigned code, bool wide, unsigned by)
{
	unsigned a = use_fp(c, r->arg[0]), d = result(c);
	if (r->op == BP_IR_SAR && r->arg[3] == BP_T_I64) {
		unsigned t = temp(c), u = temp(c);
		signs(c, t, a);
		op3(c, PXOR, u, a, t);
		vector_op3(c, code, wide, u, u, by);
		op3(c, PXOR, d, u, t);
	} else {
		vector_op3(c, code, wide, d, a, by);
	}
	return done(c, d);
}

static bool shift(struct native_compiler *c, const struct bp_ir *r)
{
	/* The count in a register's low half, the same for all; or in each lane. Of 64 bits there
	 * is no arithmetic one. */
	static const uint16_t uniform[][4] = { { 0, 0x1f1, 0x1f2, 0x1f3 },
		{ 0, 0x1d1, 0x1d2, 0x1d3 }, { 0, 0x1e1, 0x1e2, 0x1d3 } };
	static const uint16_t lanes[][4] = { { 0, 0, 0x247, 0x247 }, { 0, 0, 0x245, 0x245 },
		{ 0, 0, 0x246, 0x245 } };
	unsigned kind = r->op - BP_IR_SHL, lane = lane_of(r->arg[3]);
	if (r->aux & BP_IR_IMM)
		return shift_by(c, r, interp_extend((uint64_t)(int64_t)r->imm, 8u << lane, false));
	const struct bp_ir *by = &c->rec[r->arg[1]];
	bool same = by->op == BP_IR_VSPLAT && by->arg[3] == r->arg[3];
	int64_t imm;
	if (same && is_const(c, by->arg[0], &imm))
		return shift_by(c, r, interp_extend((uint64_t)imm, 8u << lane, false));
	if (same && uniform[kind][lane]) {
		unsigned b = use_fp(c, r->arg[1]);
		if (lane == LANE_64)
			return shift_code(c, r, uniform[kind][lane], false, b);
		shift_const(c, LANE_64, SHIFT_RIGHT, XMM15, b, 64 - (8u << lane));
		return shift_code(c, r, uniform[kind][lane], false, XMM15);
	}
	if (!have_avx2 || !lanes[kind][lane])
		return false;
	return shift_code(c, r, lanes[kind][lane], lane == LANE_64, use_fp(c, r->arg[1]));
}

/* ---- one operand ---- */

static bool negate(struct native_compiler *c, const struct bp_ir *r)
{
	unsigned a = use_fp(c, r->arg[0]), d = result(c);
	if (r->op == BP_IR_NOT) {
		all_ones(c, XMM15);
		op3(c, PXOR, d, XMM15, a);
	} else {
		all_zeros(c, XMM15);
		op3(c, PSUB + lane_of(r->arg[3]), d, XMM15, a);
	}
	return done(c, d);
}

static bool splat(struct native_compiler *c, const struct bp_ir *r)
{
	static const uint16_t broadcast[] = { 0x278, 0x279, 0x258, 0x259 };
	enum lane lane = (enum lane)lane_of(r->arg[3]);
	const struct val *v = &c->v[r->arg[0]];
	unsigned from = XMM15, d;
	if (v->place == P_CONST) {
		d = result(c);
		splat_const(c, d, lane, v->imm);
		return done(c, d);
	}
	/* not into an XMM register for good: an integer lives elsewhere */
	if ((v->place == P_REG && is_fp(v->reg)) || ir_types[r->arg[3]].class == IR_FLOAT)
		from = use_fp(c, r->arg[0]);
	else
		emit_rr(&c->e, OP_MOVD_XR, true, XMM15, use(c, r->arg[0]));
	d = result(c);
	if (have_avx2) {
		emit_vex(&c->e, 2, PP_66, false, broadcast[lane] & 0xff, d, 0, from);
		return done(c, d);
	}
	copy(c, d, from);
	if (lane == LANE_8)
		op2(c, PUNPCKLBW, false, d, d);
	if (lane <= LANE_16) {
		emit_rr(&c->e, 0xf2000f70, false, d, d); /* pshuflw */
		emit8(&c->e, 0);
	}
	if (lane == LANE_64)
		op2(c, PUNPCKLQDQ, false, d, d);
	else
		op2_byte(c, PSHUFD, false, d, d, 0);
	return done(c, d);
}

static bool widen(struct native_compiler *c, const struct bp_ir *r)
{
	static const uint8_t code[] = { 0x20, 0x23, 0x25 }; /* pmovsx */
	unsigned a = use_fp(c, r->arg[0]), d = result(c);
	unsigned zero = r->op == BP_IR_VWIDENU ? 0x10 : 0;
	op2(c, 0x200u | (code[lane_of(r->arg[3])] + zero), false, d, a);
	return done(c, d);
}

static bool narrow(struct native_compiler *c, const struct bp_ir *r)
{
	enum lane lane = (enum lane)lane_of(r->arg[3]);
	bool wrap = r->imm == BP_NARROW_WRAP, from_signed = r->imm != BP_NARROW_UNSIGNED;
	if ((lane == LANE_64 && !wrap) || !from_signed)
		return false;
	unsigned a = use_fp(c, r->arg[0]), t = temp(c), d = result(c);
	all_zeros(c, XMM15);
	if (lane == LANE_64) {
		op2_byte(c, PSHUFD, false, t, a, 0x08);
		op3(c, PUNPCKLQDQ, d, t, XMM15);
		return done(c, d);
	}
	bool to_unsigned = r->imm == BP_NARROW_S_TO_U || (wrap && lane == LANE_16);
	if (wrap) { /* what saturation leaves alone */
		shift_const(c, lane, SHIFT_LEFT, t, a, 4u << lane);
		shift_const(c, lane, to_unsigned ? SHIFT_RIGHT : SHIFT_SIGNED, t, t, 4u << lane);
		a = t;
	}
	unsigned code = lane == LANE_16 ? (to_unsigned ? PACKUSWB : PACKSSWB)
					: (to_unsigned ? PACKUSDW : PACKSSDW);
	op3(c, code, d, a, XMM15);
	return done(c, d);
}

static bool mask(struct native_compiler *c, const struct bp_ir *r)
{
	enum lane lane = (enum lane)lane_of(r->arg[3]);
	unsigned a = use_fp(c, r->arg[0]), d = reg_new(c, false);
	if (lane == LANE_16) {
		all_zeros(c, XMM15);
		op3(c, PACKSSWB, XMM15, a, XMM15);
		a = XMM15;
	}
	if (lane == LANE_32)
		emit_rr(&c->e, 0x0f50, false, d, a); /* movmskps */
	else if (lane == LANE_64)
		emit_rr(&c->e, 0x66000f50, false, d, a); /* movmskpd */
	else
		op2(c, PMOVMSKB, false, d, a);
	set_reg(c, c->at, BP_T_I64, d);
	return true;
}

/* ---- lanes ---- */

static bool extract(struct native_compiler *c, const struct bp_ir *r)
{
	static const uint16_t pextr[] = { 0x314, 0x315, 0x316, 0x316 };
	enum lane lane = (enum lane)lane_of(r->arg[3]);
	unsigned a = use_fp(c, r->arg[0]), n = (unsigned)r->imm, d;
	if (ir_types[r->type].class == IR_FLOAT && lane >= LANE_32) {
		d = temp(c);
		/* that lane lowest; the others do not matter */
		op2_byte(c, PSHUFD, false, d, a, lane == LANE_32 ? n : n ? 0x0e : 0xe4);
	} else {
		d = reg_new(c, false);
		op2_byte(c, pextr[lane], lane == LANE_64, a, d, n);
	}
	set_reg(c, c->at, r->type, d);
	return true;
}

static bool insert(struct native_compiler *c, const struct bp_ir *r)
{
	static const uint16_t pinsr[] = { 0x320, 0x1c4, 0x322, 0x322 };
	enum lane lane = (enum lane)lane_of(r->arg[3]);
	unsigned a = use_fp(c, r->arg[0]), value = use(c, r->arg[1]), d = result(c);
	vector_op3(c, pinsr[lane], lane == LANE_64, d, a, value);
	emit8(&c->e, (uint8_t)r->imm);
	return done(c, d);
}

static bool blend(struct native_compiler *c, const struct bp_ir *r)
{
	unsigned m = use_fp(c, r->arg[0]), a = use_fp(c, r->arg[1]), b = use_fp(c, r->arg[2]);
	unsigned t = temp(c), d = result(c);
	op3(c, PAND, XMM15, m, a);
	op3(c, PANDN, t, m, b);
	op3(c, POR, d, XMM15, t);
	return done(c, d);
}

/* Indexes from 16 on get their top bit, which gives 0. */
static bool shuffle(struct native_compiler *c, const struct bp_ir *r)
{
	if (lane_of(r->arg[3]) != LANE_8)
		return false;
	unsigned a = use_fp(c, r->arg[0]), b = use_fp(c, r->arg[1]), d = result(c);
	splat_const(c, XMM15, LANE_8, 0x70);
	op3(c, PADDUSB, XMM15, XMM15, b);
	op3(c, PSHUFB, d, a, XMM15);
	return done(c, d);
}

/* Even or odd lanes of 32 bits. */
static bool unzip(struct native_compiler *c, const struct bp_ir *r)
{
	if (lane_of(r->arg[3]) != LANE_32)
		return one_instruction(c, r);
	unsigned a = use_fp(c, r->arg[0]), b = use_fp(c, r->arg[1]), d = result(c);
	copy(c, XMM15, a);
	emit_rr(&c->e, 0x0fc6, false, XMM15, b); /* shufps */
	emit8(&c->e, r->op == BP_IR_VUNZIPLO ? 0x88 : 0xdd);
	copy(c, d, XMM15);
	return done(c, d);
}

/* ---- records ---- */

static bool integer(struct native_compiler *c, const struct bp_ir *r)
{
	switch (r->op) {
	case BP_IR_SHL:
	case BP_IR_SHR:
	case BP_IR_SAR: return shift(c, r);
	case BP_IR_NEG:
	case BP_IR_NOT: return negate(c, r);
	case BP_IR_NE:
	case BP_IR_LTS:
	case BP_IR_LES:
	case BP_IR_LTU:
	case BP_IR_LEU: return compare(c, r);
	default: break;
	}
	if (one_instruction(c, r))
		return true;
	switch (r->op) {
	case BP_IR_MUL: return multiply(c, r);
	case BP_IR_MINS:
	case BP_IR_MAXS:
	case BP_IR_MINU:
	case BP_IR_MAXU: return min_max64(c, r);
	default: return false;
	}
}

bool select_vector(struct native_compiler *c, const struct bp_ir *r)
{
	unsigned operand = r->op == BP_IR_VEXTRACT ? ir_result_type(&c->rec[r->arg[0]]) : r->type;
	if (operand != BP_T_V128 || !have_sse42)
		return false;
	switch (r->op) {
	case BP_IR_VSPLAT: return splat(c, r);
	case BP_IR_VEXTRACT: return extract(c, r);
	case BP_IR_VINSERT: return insert(c, r);
	case BP_IR_VSHUFFLE: return shuffle(c, r);
	case BP_IR_VUNZIPLO:
	case BP_IR_VUNZIPHI: return unzip(c, r);
	case BP_IR_VWIDENS:
	case BP_IR_VWIDENU: return widen(c, r);
	case BP_IR_VNARROW: return narrow(c, r);
	case BP_IR_VMASK: return mask(c, r);
	case BP_IR_VBLEND: return blend(c, r);
	default: break;
	}
	const struct ir_info *info = ir_info(r->op);
	return info->lanes && info->aux != AUX_ENV && integer(c, r);
}
