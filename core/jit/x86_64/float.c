/* SPDX-License-Identifier: MIT */
/* Scalar floating point on the host's SSE unit, wherever it gives the guest's bits and flags.
 *
 * binary32 and binary64, round to nearest even, one default NaN, no flushing, underflow detected
 * after rounding as SSE does (SDM volume 1, 4.9.1.5). What is left goes to C at run time: another
 * rounding mode in the guest's register. Results that may be NaNs are raw, see codegen_raw.c.
 *
 * Exception flags gather in MXCSR while native code runs. They go to the guest's register when it is
 * left, and before C that may look at them or raise its own (native_host_gather). */
#include "native.h"

enum { PP_NONE = 0, PP_66 = 1, PP_F3 = 2, PP_F2 = 3 };

/* ---- flags ---- */

/* Bits of MXCSR (SDM volume 1, 10.2.3): invalid, denormal, divide, overflow, underflow, precision. */
const uint8_t float_flag_bits[6] = { BP_FP_INVALID, BP_FP_DENORMAL, BP_FP_DIVZERO, BP_FP_OVERFLOW,
	BP_FP_UNDERFLOW, BP_FP_INEXACT };

uint32_t guest_flags(unsigned status)
{
	return own_thunks.flags[status & STATUS_FLAGS];
}

/* The host's flags as guest flags, in `reg`; `help` is overwritten. */
static void host_flags(struct native_compiler *c, unsigned reg, unsigned help)
{
	emit_rm(&c->e, OP_LDMXCSR, false, 3, CPU, CPU_AT(native.mxcsr)); /* stmxcsr */
	emit_rm(&c->e, OP_MOVZX8, false, reg, CPU, CPU_AT(native.mxcsr));
	emit_group1(&c->e, false, G1_AND, reg, STATUS_FLAGS);
	emit_const(&c->e, help, (uintptr_t)own_thunks.flags);
	emit_rx(&c->e, OP_MOVZX8, false, false, reg, help, reg, 0, 0);
}

/* Compilers read the flags, compare, and put the flags back, so that a NaN leaves none (C's isless(); the
 * look at a root's sign). Reading MXCSR waits for all arithmetic, and need not be done a second time where the
 * operands were ordered: such a comparison raises nothing that counts. */

/* Whether record n of the instruction has all flags of a GET of offset `off`, which may be masked, cut or
 * extended. Flags of subnormal operands do not count here. */
static bool comes_from(const struct bp_ir *rec, unsigned n, uint32_t off)
{
	enum {
		ALL = BP_FP_INVALID | BP_FP_DIVZERO | BP_FP_OVERFLOW | BP_FP_UNDERFLOW |
			BP_FP_INEXACT
	};
	while (rec[n].op == BP_IR_ZEXT || (rec[n].op == BP_IR_TRUNC && rec[n].type >= BP_T_I8) ||
		(rec[n].op == BP_IR_AND && rec[n].aux & BP_IR_IMM && (rec[n].imm & ALL) == ALL))
		n = rec[n].arg[0];
	return rec[n].op == BP_IR_GET && (uint32_t)rec[n].imm == off;
}

/* The one guest register that this instruction, which reads the flags at `flags`, writes; or UINT32_MAX. */
static uint32_t flags_to(const struct native_compiler *c, uint32_t flags)
{
	uint32_t to = UINT32_MAX;
	for (unsigned n = 1; n < c->count; n++) {
		if (c->rec[n].op != BP_IR_PUT)
			continue;
		if ((uint32_t)c->rec[n].imm == flags || to != UINT32_MAX ||
			!comes_from(c->rec, c->rec[n].arg[0], flags))
			return UINT32_MAX;
		to = (uint32_t)c->rec[n].imm;
	}
	return to;
}

enum between { NOTHING, COMPARES, PUTS_BACK, OTHER };

static enum between between(const struct bp_ir *rec, unsigned n, uint32_t flags, uint32_t kept)
{
	const struct ir_info *info = ir_info(rec[n].op);
	if (rec[n].op == BP_IR_PUT && (uint32_t)rec[n].imm == flags)
		return comes_from(rec, rec[n].arg[0], kept) ? PUTS_BACK : OTHER;
	if (rec[n].op == BP_IR_PUT) {
		uint32_t off = (uint32_t)rec[n].imm;
		bool overlap = off - kept < 8 || kept - off < ir_types[rec[n].type].bytes;
		return overlap ? OTHER : NOTHING;
	}
	if (rec[n].op == BP_IR_FCMP)
		return is_format(rec[n].type) ? COMPARES : OTHER;
	return info->props & ~(unsigned)IR_LANES || info->aux == AUX_ENV ? OTHER : NOTHING;
}

/* The instruction after this one that puts the flags back, behind one comparison and nothing else; or 0. */
static unsigned flags_back(const struct native_compiler *c, uint32_t flags)
{
	enum { FAR = 4 };
	uint32_t kept = flags_to(c, flags);
	unsigned comparisons = 0;
	for (unsigned i = c->index + 1; kept != UINT32_MAX && i < MIN(c->insns, c->index + FAR);
		i++) {
		const struct ir_insn *insn = &c->ir->insn[i];
		for (unsigned n = 1; n < insn->records; n++)
			switch (between(&c->ir->record[insn->record], n, flags, kept)) {
			case NOTHING: break;
			case COMPARES: comparisons++; break;
			case PUTS_BACK: return comparisons == 1 ? i : 0;
			case OTHER: return 0;
			}
	}
	return 0;
}

void float_flags(struct native_compiler *c, const struct bp_ir *r)
{
	int32_t at = AT(c->type.cpu->fp_envs->flags_offset);
	if (r->type != BP_T_I32 || r->imm != (int32_t)c->type.cpu->fp_envs->flags_offset ||
		c->last_fault > c->at) {
		c->failed = true;
		return;
	}
	if (r->op == BP_IR_GET) {
		unsigned d = reg_new(c, false), help = reg_new(c, false);
		host_flags(c, d, help);
		emit_rm(&c->e, OP_OR_RM, false, d, BASE, at);
		set_reg(c, c->at, BP_T_I32, d);
		c->flags_back = flags_back(c, (uint32_t)r->imm);
		return;
	}
	bool back = c->flags_back && c->flags_back == c->index;
	uint8_t *ordered = NULL;
	/* Those of the host's flags that the new value lacks must go; changing MXCSR is slow. */
	unsigned value = use(c, r->arg[0]), host = reg_new(c, false), help = reg_new(c, false);
	emit_rm(&c->e, OP_MOV_MR, false, value, BASE, at);
	if (back) {
		emit_rm8(&c->e, OP_GROUP1_8, G1_CMP, CPU, CPU_AT(native.unordered));
		emit8(&c->e, 0);
		ordered = emit_jcc(&c->e, CC_E);
		c->flags_back = 0;
	}
	host_flags(c, host, help);
	emit_mov(&c->e, true, help, value);
	emit_rr(&c->e, OP_GROUP3, false, G3_NOT, help);
	emit_rr(&c->e, OP_TEST, false, host, help);
	uint8_t *fine = emit_jcc(&c->e, CC_E);
	emit_rm(&c->e, OP_GROUP1, false, G1_AND, CPU, CPU_AT(native.mxcsr));
	emit32(&c->e, ~(uint32_t)STATUS_FLAGS);
	emit_rm(&c->e, OP_LDMXCSR, false, 2, CPU, CPU_AT(native.mxcsr));
	emit_here(&c->e, fine);
	if (ordered)
		emit_here(&c->e, ordered);
}

/* ---- emitting ---- */

static unsigned prefix_of(unsigned type)
{
	return type == BP_T_F64 ? PP_F2 : PP_F3;
}

/* d = a op b; d may be b only with AVX. */
static void op3(
	struct native_compiler *c, unsigned pp, unsigned code, unsigned d, unsigned a, unsigned b)
{
	static const uint32_t legacy[] = { 0, 0x66000000, 0xf3000000, 0xf2000000 };
	if (have_avx) {
		emit_vex(&c->e, 1, pp, false, code, d, a, b);
		return;
	}
	if (d != a)
		emit_rr(&c->e, OP_MOVAPS, false, d, a);
	emit_rr(&c->e, legacy[pp] | 0x0f00 | code, false, d, b);
}

/* Of operands: ucomis (quiet) or comis. */
static void compare(
	struct native_compiler *c, unsigned type, bool signaling, unsigned a, unsigned b)
{
	unsigned code = (type == BP_T_F64 ? 0x66000f2e : 0x0f2e) | (unsigned)signaling;
	emit_rr(&c->e, code, false, a, b);
}

void float_cold(struct native_compiler *c, struct cold *k)
{
	float_by_c(c, k);
}

/* ---- records ---- */

static const uint8_t arithmetic[] = {
	[BP_IR_FADD - BP_IR_FADD] = 0x58,
	[BP_IR_FSUB - BP_IR_FADD] = 0x5c,
	[BP_IR_FMUL - BP_IR_FADD] = 0x59,
	[BP_IR_FDIV - BP_IR_FADD] = 0x5e,
	[BP_IR_FSQRT - BP_IR_FADD] = 0x51,
};

static void add_to_sqrt(struct native_compiler *c, const struct bp_ir *r, struct operation *o)
{
	unsigned pp = prefix_of(r->type), code = arithmetic[r->op - BP_IR_FADD];
	unsigned first = o->operand[0], second = o->operand[o->operands - 1];
	bool over = !have_avx && o->result == second && first != second;
	op3(c, pp, code, over ? XMM15 : o->result, first, second);
	if (over)
		emit_rr(&c->e, OP_MOVAPS, false, o->result, XMM15);
}

/* vfmadd231, its negations: d = +-(a * b) +- d. Of infinity times zero plus a NaN the host says nothing, the
 * guest that it is invalid (IEEE 754, 7.2, leaves that open): NaNs are for C. */
static void fused(struct native_compiler *c, const struct bp_ir *r, struct operation *o)
{
	/* enum bp_ir_fma: of the product, of the addend */
	static const uint8_t code[] = { 0xb9, 0xbd, 0xbb, 0xbf };
	emit_rr(&c->e, OP_MOVAPS, false, unsettled(o), o->operand[2]);
	emit_vex(&c->e, 2, PP_66, r->type == BP_T_F64, code[r->imm & 3], o->raw, o->operand[0],
		o->operand[1]);
	compare(c, r->type, false, o->raw, o->raw);
	o->to_c[o->to_cs++] = emit_jcc(&c->e, CC_P);
	emit_move(&c->e, o->result, o->raw);
}

/* Numbers that differ: the host's instruction. Equal ones may be zeros of two signs: the minimum has
 * a sign bit if either has it, the maximum if both have. */
void emit_min_max(struct native_compiler *c, const struct bp_ir *r, struct operation *o)
{
	bool max = r->op == BP_IR_FMAX;
	compare(c, r->type, false, o->operand[0], o->operand[1]);
	o->to_c[o->to_cs++] = emit_jcc(&c->e, CC_P);
	uint8_t *differ = emit_jcc(&c->e, CC_NE);
	op3(c, PP_NONE, max ? 0x54 : 0x56, XMM15, o->operand[0], o->operand[1]);
	uint8_t *end = emit_jmp(&c->e);
	emit_here(&c->e, differ);
	op3(c, prefix_of(r->type), max ? 0x5f : 0x5d, XMM15, o->operand[0], o->operand[1]);
	emit_here(&c->e, end);
	emit_rr(&c->e, OP_MOVAPS, false, o->result, XMM15);
}

bool has_arithmetic(const struct bp_ir *r)
{
	return r->op != BP_IR_FMA || have_fma;
}

void emit_arithmetic(struct native_compiler *c, const struct bp_ir *r, struct operation *o)
{
	if (r->op == BP_IR_FMA) {
		fused(c, r, o);
		return;
	}
	add_to_sqrt(c, r, o);
	set_raw(c, o->result, r->type);
}

/* And whether they were unordered, which sets the parity flag. */
static void compare_noted(struct native_compiler *c, const struct bp_ir *r, unsigned a, unsigned b)
{
	compare(c, r->type, r->imm & BP_FCMP_SIGNALING, a, b);
	if (c->flags_back > c->index)
		emit_rm8(&c->e, OP_SET | CC_P, 0, CPU, CPU_AT(native.unordered));
}

void emit_float_compare(
	struct native_compiler *c, const struct bp_ir *r, unsigned d, unsigned a, unsigned b)
{
	unsigned how = r->imm & 7;
	/* Unordered sets carry, zero and parity: "above" is false then (SDM volume 2, UCOMISD). */
	if (how == BP_FCMP_LT || how == BP_FCMP_LE) {
		compare_noted(c, r, b, a);
		emit_rr8(&c->e, OP_SET | (how == BP_FCMP_LT ? CC_A : CC_AE), false, 0, d);
		emit_rr8(&c->e, OP_MOVZX8, false, d, d);
	} else if (how == BP_FCMP_UNORDERED) {
		compare_noted(c, r, a, b);
		emit_rr8(&c->e, OP_SET | CC_P, false, 0, d);
		emit_rr8(&c->e, OP_MOVZX8, false, d, d);
	} else {
		unsigned ordered = reg_new(c, false);
		compare_noted(c, r, a, b);
		emit_rr8(&c->e, OP_SET | CC_E, false, 0, d);
		emit_rr8(&c->e, OP_SET | CC_NP, false, 0, ordered);
		emit_rr8(&c->e, OP_MOVZX8, false, d, d);
		emit_rr8(&c->e, OP_MOVZX8, false, ordered, ordered);
		emit_rr(&c->e, OP_AND_RM, false, d, ordered);
	}
}

/* roundss, roundsd: SDM volume 2, table 4-18; -1: no such mode. */
static const int8_t round_to[] = { [BP_ROUND_NEAREST_EVEN] = 0,
	[BP_ROUND_DOWN] = 1,
	[BP_ROUND_UP] = 2,
	[BP_ROUND_ZERO] = 3,
	[BP_ROUND_NEAREST_AWAY] = -1 };
enum { ROUND_NO_INEXACT = 8 };

static bool can_round_to(unsigned mode)
{
	return have_sse42 && mode < G_N_ELEMENTS(round_to) && round_to[mode] >= 0;
}

/* d = a as an integral value */
static void to_integral(struct native_compiler *c, unsigned type, unsigned mode, unsigned d,
	unsigned a, bool no_inexact)
{
	emit_rr(&c->e, type == BP_T_F64 ? 0x660f3a0b : 0x660f3a0a, false, d, a);
	emit8(&c->e, (uint8_t)round_to[mode] | (no_inexact ? ROUND_NO_INEXACT : 0));
}

bool round_record(struct native_compiler *c, const struct bp_ir *r, const struct bp_fp_env *env)
{
	struct operation o = { .operands = 1 };
	enum rounding rounding = rounding_of(env, r);
	unsigned mode = rounding == ROUND_OTHER ? mode_of(env, r) : BP_ROUND_NEAREST_EVEN;
	if (!can_round_to(mode))
		return false;
	o.operand[0] = use_number(c, r->arg[0], r->type);
	o.result = reg_result(c, true, NO_REG);
	unless_nearest(c, env, rounding, &o);
	to_integral(c, r->type, mode, o.result, o.operand[0], r->imm & 1);
	set_raw(c, o.result, r->type);
	operation_done(c, r, &o);
	return true;
}

/* d, all ones or 0, = the class of negative numbers, or of positive ones. */
static void class_by_sign(
	struct native_compiler *c, unsigned d, unsigned negative, unsigned positive)
{
	emit_group1(&c->e, false, G1_AND, d, (int32_t)negative - (int32_t)positive);
	emit_group1(&c->e, false, G1_ADD, d, (int32_t)positive);
}

/* By sign, exponent and mantissa in turn (IEEE 754, 3.4). */
bool class_record(struct native_compiler *c, const struct bp_ir *r)
{
	bool wide = is_wide(r->type);
	unsigned bits = wide ? 64 : 32, mantissa = wide ? 52 : 23, a = use_fp(c, r->arg[0]);
	int32_t greatest = wide ? 0x7ff : 0xff;
	unsigned t = reg_new(c, false), d = reg_new(c, false);
	uint8_t *end[4];
	emit_rr(&c->e, OP_MOVD_RX, wide, a, t);
	emit_mov(&c->e, wide, d, t);
	emit_shift(&c->e, wide, SH_SHR, d, bits - 1);
	emit_rr(&c->e, OP_GROUP3, false, G3_NEG, d);
	emit_shift(&c->e, wide, SH_SHL, t, 1);
	uint8_t *zero = emit_jcc(&c->e, CC_E);
	emit_shift(&c->e, wide, SH_SHR, t, mantissa + 1);
	uint8_t *subnormal = emit_jcc(&c->e, CC_E);
	emit_group1(&c->e, false, G1_CMP, t, greatest);
	uint8_t *special = emit_jcc(&c->e, CC_E);
	class_by_sign(c, d, BP_FCLASS_NEG_NORMAL, BP_FCLASS_POS_NORMAL);
	end[0] = emit_jmp(&c->e);
	emit_here(&c->e, subnormal);
	class_by_sign(c, d, BP_FCLASS_NEG_SUBNORMAL, BP_FCLASS_POS_SUBNORMAL);
	end[1] = emit_jmp(&c->e);
	emit_here(&c->e, zero);
	class_by_sign(c, d, BP_FCLASS_NEG_ZERO, BP_FCLASS_POS_ZERO);
	end[2] = emit_jmp(&c->e);
	emit_here(&c->e, special);
	emit_rr(&c->e, OP_MOVD_RX, wide, a, t);
	emit_shift(&c->e, wide, SH_SHL, t, bits - mantissa);
	uint8_t *nan = emit_jcc(&c->e, CC_NE);
	class_by_sign(c, d, BP_FCLASS_NEG_INF, BP_FCLASS_POS_INF);
	end[3] = emit_jmp(&c->e);
	emit_here(&c->e, nan);
	emit_mov(&c->e, wide, d, t);
	emit_shift(&c->e, wide, SH_SAR, d, bits - 1); /* quiet: the mantissa's first bit */
	class_by_sign(c, d, BP_FCLASS_QUIET, BP_FCLASS_SIGNALING);
	for (unsigned i = 0; i < G_N_ELEMENTS(end); i++)
		emit_here(&c->e, end[i]);
	set_reg(c, c->at, BP_T_I32, d);
	return true;
}

/* orps, whose operand in memory must lie at a multiple of 16 without AVX: then unpcklps puts ones behind the lowest
 * lane. */
void emit_box(struct native_compiler *c, unsigned d, unsigned a)
{
	if (have_avx) {
		emit_vex_m(&c->e, 1, PP_NONE, 0x56, d, a, CPU, CPU_AT(box));
		return;
	}
	op3(c, PP_66, 0x76, XMM15, XMM15, XMM15); /* pcmpeqd */
	op3(c, PP_NONE, 0x14, d, a, XMM15);
}

uint8_t *emit_unless_boxed(struct native_compiler *c, unsigned a)
{
	unsigned t = reg_new(c, false);
	emit_move(&c->e, t, a);
	emit_shift(&c->e, true, SH_SAR, t, 32);
	emit_cmp_i(&c->e, false, t, -1);
	return emit_jcc(&c->e, CC_NE);
}

void emit_format(struct native_compiler *c, const struct bp_ir *r, struct operation *o)
{
	op3(c, prefix_of((unsigned)r->imm), 0x5a, o->result, o->operand[0], o->operand[0]);
	set_raw(c, o->result, r->type);
}

/* XMM15 = a. The instruction keeps what it does not write. */
static void convert(struct native_compiler *c, unsigned type, bool wide, unsigned a)
{
	emit_rr(&c->e, OP_XORPS, false, XMM15, XMM15);
	emit_rr(&c->e, type == BP_T_F64 ? 0xf2000f2a : 0xf3000f2a, wide, XMM15, a);
}

/* What is too large for a signed number: half of it, its last bit kept for rounding, and twice that. */
static void convert_unsigned(
	struct native_compiler *c, unsigned type, unsigned a, unsigned half, unsigned last)
{
	emit_rr(&c->e, OP_TEST, true, a, a);
	uint8_t *large = emit_jcc(&c->e, CC_S);
	convert(c, type, true, a);
	uint8_t *end = emit_jmp(&c->e);
	emit_here(&c->e, large);
	emit_mov(&c->e, true, half, a);
	emit_mov(&c->e, true, last, a);
	emit_shift(&c->e, true, SH_SHR, half, 1);
	emit_group1(&c->e, false, G1_AND, last, 1);
	emit_rr(&c->e, OP_OR_RM, true, half, last);
	convert(c, type, true, half);
	op3(c, prefix_of(type), arithmetic[0], XMM15, XMM15, XMM15);
	emit_here(&c->e, end);
}

/* Rounding is not to nearest: C, unless the integer has no more bits than the format. t is overwritten. */
static void unless_exact(struct native_compiler *c, unsigned type, bool wide, bool no_sign,
	unsigned a, unsigned t, struct operation *o)
{
	emit_mov(&c->e, wide, t, a);
	emit_shift(&c->e, wide, no_sign ? SH_SHR : SH_SAR, t, type == BP_T_F64 ? 53 : 24);
	if (!no_sign) { /* 0 or -1 */
		emit_group1(&c->e, wide, G1_ADD, t, 1);
		emit_shift(&c->e, wide, SH_SHR, t, 1);
	}
	o->to_c[o->to_cs++] = emit_jcc(&c->e, CC_NE); /* of what was shifted */
}

/* Registers come first: what a new one costs is done before the ways part. */
bool from_integer(struct native_compiler *c, const struct bp_ir *r, const struct bp_fp_env *env)
{
	unsigned from = r->arg[1];
	bool no_sign = r->imm & 1, wide = from == BP_T_I64 || no_sign;
	bool whole = from == BP_T_I64 && no_sign;
	struct operation o = { .operands = 1 };
	bool exact = from == BP_T_I32 && r->type == BP_T_F64;
	enum rounding rounding = exact ? ROUND_NEAREST : rounding_of(env, r);
	if (!is_format(r->type) || (from != BP_T_I32 && from != BP_T_I64))
		return false;
	unsigned a = use(c, r->arg[0]);
	if (from == BP_T_I32 && no_sign) {
		unsigned clean = reg_new(c, false);
		emit_mov(&c->e, false, clean, a);
		a = clean;
	}
	unsigned t = whole || rounding == ROUND_OTHER ? reg_new(c, false) : NO_REG;
	unsigned last = whole ? reg_new(c, false) : NO_REG;
	o.operand[0] = a;
	o.result = reg_result(c, true, NO_REG);
	unless_nearest(c, env, rounding, &o);
	if (rounding == ROUND_OTHER)
		unless_exact(c, r->type, wide, whole, a, t, &o);
	if (whole)
		convert_unsigned(c, r->type, a, t, last);
	else
		convert(c, r->type, wide, a);
	emit_rr(&c->e, OP_MOVAPS, false, o.result, XMM15);
	operation_done(c, r, &o);
	return true;
}

/* Unsigned: C, unless 0 <= a < 2^32 or 2^63, by its bits; t and limit are overwritten. */
static void unless_below(struct native_compiler *c, unsigned type, bool wide, unsigned a,
	unsigned t, unsigned limit, struct operation *o)
{
	bool twice = type == BP_T_F64;
	uint64_t bound = twice ? (uint64_t)(1023 + (wide ? 63 : 32)) << 52
			       : (uint64_t)(127 + (wide ? 63 : 32)) << 23;
	emit_rr(&c->e, OP_MOVD_RX, twice, a, t);
	emit_const(&c->e, limit, bound);
	emit_cmp(&c->e, twice, t, limit);
	o->to_c[o->to_cs++] = emit_jcc(&c->e, CC_AE);
}

/* cvt(t)ss2si, cvt(t)sd2si: signed, and what is out of range gives the smallest number (SDM volume 1,
 * table 4-6): then C looks at it again. Down and up in two steps: of 32 bits the first could say inexact
 * of what is out of range; and so could unsigned 32 bits unless they are cut. */
bool to_integer(struct native_compiler *c, const struct bp_ir *r, const struct bp_fp_env *env)
{
	unsigned from = r->arg[1], mode = mode_of(env, r);
	bool wide = r->type == BP_T_I64, no_sign = r->imm & BP_FTOI_UNSIGNED;
	struct operation o = { .operands = 1 };
	enum rounding rounding = rounding_of(env, r);
	bool truncate = mode == BP_ROUND_ZERO, nearest = rounding != ROUND_OTHER;
	if ((r->type != BP_T_I32 && !wide) || !is_format(from) ||
		(r->imm & 0x30) == BP_FTOI_MODULAR ||
		(!nearest && !truncate && !can_round_to(mode)) ||
		(!wide && !truncate && (no_sign || !nearest)))
		return false;
	unsigned a = o.operand[0] = use_number(c, r->arg[0], from);
	unsigned limit = no_sign ? reg_new(c, false) : NO_REG;
	o.result = reg_new(c, false);
	unless_nearest(c, env, rounding, &o);
	if (no_sign)
		unless_below(c, from, wide, a, o.result, limit, &o);
	if (!truncate && !nearest) {
		to_integral(c, from, mode, XMM15, a, false);
		a = XMM15;
	}
	unsigned code = (from == BP_T_F64 ? 0xf2000f2c : 0xf3000f2c) | (unsigned)nearest;
	emit_rr(&c->e, code, wide || no_sign, o.result, a);
	if (!no_sign) {
		/* the smallest number is the only one from which taking 1 overflows */
		emit_group1(&c->e, wide, G1_CMP, o.result, 1);
		o.to_c[o.to_cs++] = emit_jcc(&c->e, CC_O);
	}
	operation_done(c, r, &o);
	return true;
}

/* ---- vectors of 128 bits ---- */

static unsigned packed(bool wide)
{
	return wide ? PP_66 : PP_NONE;
}

/* Where a lane of `reg` is a NaN, to C. */
static void unless_nan(struct native_compiler *c, bool wide, unsigned a, unsigned b, unsigned t,
	struct operation *o)
{
	op3(c, packed(wide), 0xc2, t, a, b); /* cmpunordps, cmpunordpd */
	emit8(&c->e, 3);
	emit_rr(&c->e, 0x660f3817, false, t, t); /* ptest */
	o->to_c[o->to_cs++] = emit_jcc(&c->e, CC_NE);
}

/* Equal lanes may be zeros of two signs, of which the instruction gives the second operand: see
 * min_max. */
static void min_max_lanes(
	struct native_compiler *c, const struct bp_ir *r, bool wide, struct operation *o)
{
	bool max = r->op == BP_IR_FMAX;
	unsigned a = o->operand[0], b = o->operand[1], code = max ? 0x5f : 0x5d,
		 t = reg_new(c, true);
	unless_nan(c, wide, a, b, t, o);
	op3(c, packed(wide), code, XMM15, a, b);
	op3(c, packed(wide), code, t, b, a);
	op3(c, PP_NONE, max ? 0x54 : 0x56, XMM15, XMM15, t);
	emit_rr(&c->e, OP_MOVAPS, false, o->result, XMM15);
}

static void fused_lanes(
	struct native_compiler *c, const struct bp_ir *r, bool wide, const struct operation *o)
{
	static const uint8_t code[] = { 0xb8, 0xbc, 0xba, 0xbe };
	emit_rr(&c->e, OP_MOVAPS, false, XMM15, o->operand[2]);
	emit_vex(&c->e, 2, PP_66, wide, code[r->imm & 3], XMM15, o->operand[0], o->operand[1]);
}

static bool arithmetic_lanes(
	struct native_compiler *c, const struct bp_ir *r, const struct bp_fp_env *env)
{
	struct operation o = { 0 };
	bool minmax = r->op == BP_IR_FMIN || r->op == BP_IR_FMAX, wide = r->arg[3] == BP_T_F64;
	if ((r->op == BP_IR_FMA && !have_fma) || (minmax && r->imm != BP_MINMAX_NUMBER) ||
		rounding_of(env, r) == ROUND_OTHER)
		return false;
	for (unsigned n = 0; n < 3; n++)
		if (ir_is_arg_value(r, n))
			o.operand[o.operands++] = use_fp(c, r->arg[n]);
	o.result = reg_new(c, true); /* not an operand: C may need those again */
	if (minmax) {
		min_max_lanes(c, r, wide, &o);
	} else {
		unless_nearest(c, env, rounding_of(env, r), &o);
		if (r->op == BP_IR_FMA)
			fused_lanes(c, r, wide, &o);
		else if (r->op == BP_IR_FSQRT) /* has no second operand, not even the first again */
			emit_rr(&c->e, (wide ? 0x66000f00 : 0x0f00) | 0x51, false, XMM15,
				o.operand[0]);
		else
			op3(c, packed(wide), arithmetic[r->op - BP_IR_FADD], XMM15, o.operand[0],
				o.operand[o.operands - 1]);
		unless_nan(c, wide, XMM15, XMM15, o.result, &o);
		emit_rr(&c->e, OP_MOVAPS, false, o.result, XMM15);
	}
	operation_done(c, r, &o);
	return true;
}

/* cmpps, cmppd: EQ and UNORD are quiet, LT and LE not; AVX has the others from 16 on (SDM volume 2,
 * CMPPD). */
static bool compare_lanes(struct native_compiler *c, const struct bp_ir *r)
{
	static const uint8_t quiet[] = { 0x00, 0x11, 0x12, 0x03 };
	static const uint8_t signaling[] = { 0x10, 0x01, 0x02, 0x13 };
	unsigned how = (r->imm & BP_FCMP_SIGNALING ? signaling : quiet)[r->imm & 3];
	if (how >= 0x10 && !have_avx)
		return false;
	unsigned a = use_fp(c, r->arg[0]), b = use_fp(c, r->arg[1]), d = reg_new(c, true);
	op3(c, packed(r->arg[3] == BP_T_F64), 0xc2, d, a, b);
	emit8(&c->e, how);
	set_reg(c, c->at, r->type, d);
	return true;
}

/* cvtdq2ps: the only conversion from integers of the same width without AVX-512 */
static bool lanes_from_integer(
	struct native_compiler *c, const struct bp_ir *r, const struct bp_fp_env *env)
{
	struct operation o = { .operands = 1 };
	if (r->arg[3] != BP_T_F32 || r->imm & 1 || rounding_of(env, r) == ROUND_OTHER)
		return false;
	o.operand[0] = use_fp(c, r->arg[0]);
	o.result = reg_new(c, true);
	unless_nearest(c, env, rounding_of(env, r), &o);
	emit_rr(&c->e, 0x0f5b, false, o.result, o.operand[0]);
	operation_done(c, r, &o);
	return true;
}

bool select_lanes(struct native_compiler *c, const struct bp_ir *r, const struct bp_fp_env *env)
{
	if (r->type != BP_T_V128 || !have_sse42 || (r->op != BP_IR_FTOI && !is_format(r->arg[3])))
		return false;
	switch (r->op) {
	case BP_IR_FADD:
	case BP_IR_FSUB:
	case BP_IR_FMUL:
	case BP_IR_FDIV:
	case BP_IR_FSQRT:
	case BP_IR_FMA:
	case BP_IR_FMIN:
	case BP_IR_FMAX: return arithmetic_lanes(c, r, env);
	case BP_IR_FCMP: return compare_lanes(c, r);
	case BP_IR_ITOF: return lanes_from_integer(c, r, env);
	default: return false;
	}
}
