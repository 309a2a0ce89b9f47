/* SPDX-License-Identifier: MIT */
/* The vector helpers against plain loops. Memory, exceptions and floating point are stand-ins: a flat
 * array with a hole, a note of what was raised, and the host's arithmetic. */
#include "vec.h"
#include <glib.h>
#include <math.h>

enum { MEMORY = 8192, HOLE = 4096, VLEN = 128, VLENB = VLEN / 8 };

static struct rv_cpu cpu;
static uint8_t memory[MEMORY], before[sizeof(cpu.v)];
static uint64_t raised_cause, raised_value, seed = 88172645463325252u;

static uint64_t next_random(void)
{
	seed ^= seed << 13;
	seed ^= seed >> 7;
	return seed ^= seed << 17;
}

/* ---- stand-ins ---- */

static int reach(uint64_t addr, uint32_t len)
{
	for (uint64_t a = addr; a < addr + len; a++)
		if (a >= HOLE) {
			raised_cause = RV_LOAD_PAGE;
			raised_value = a;
			return BP_H_RAISED;
		}
	return BP_H_OK;
}

static int load_bytes(void *self, uint64_t addr, void *buf, uint32_t len, uint32_t memop)
{
	(void)self, (void)memop;
	if (reach(addr, len) != BP_H_OK)
		return BP_H_RAISED;
	memcpy(buf, memory + addr, len);
	return BP_H_OK;
}

static int store_bytes(void *self, uint64_t addr, const void *buf, uint32_t len, uint32_t memop)
{
	(void)self, (void)memop;
	if (reach(addr, len) != BP_H_OK)
		return BP_H_RAISED;
	memcpy(memory + addr, buf, len);
	return BP_H_OK;
}

static int load(void *self, uint64_t addr, uint32_t memop, uint64_t *value)
{
	return load_bytes(self, addr, value, 1u << (memop & BP_MEM_SIZE), memop);
}

static int store(void *self, uint64_t addr, uint32_t memop, const uint64_t *value)
{
	return store_bytes(self, addr, value, 1u << (memop & BP_MEM_SIZE), memop);
}

static int probe(
	void *self, uint64_t addr, uint32_t len, unsigned access, uint32_t memop, int quiet)
{
	uint64_t cause = raised_cause, value = raised_value;
	(void)self, (void)access, (void)memop;
	int r = reach(addr, len);
	if (quiet) {
		raised_cause = cause;
		raised_value = value;
	}
	return r;
}

static int raise_exception(void *self, uint32_t cause, uint64_t value)
{
	(void)self;
	raised_cause = cause;
	raised_value = value;
	return BP_H_RAISED;
}

static const struct bp_cpu_core core = { .size = sizeof(core),
	.load = load,
	.store = store,
	.load_bytes = load_bytes,
	.store_bytes = store_bytes,
	.probe = probe,
	.raise = raise_exception };

static double to_double(unsigned format, uint64_t a)
{
	uint32_t low = (uint32_t)a;
	float f;
	double d;
	memcpy(&f, &low, 4);
	memcpy(&d, &a, 8);
	return format == BP_F32 ? (double)f : d;
}

static uint64_t from_double(unsigned format, double d)
{
	float f = (float)d;
	uint32_t low;
	uint64_t a;
	memcpy(&low, &f, 4);
	memcpy(&a, &d, 8);
	return format == BP_F32 ? low : a;
}

static uint64_t class_of(double d)
{
	if (isnan(d))
		return BP_FCLASS_QUIET;
	if (isinf(d))
		return signbit(d) ? BP_FCLASS_NEG_INF : BP_FCLASS_POS_INF;
	if (d == 0)
		return signbit(d) ? BP_FCLASS_NEG_ZERO : BP_FCLASS_POS_ZERO;
	return d < 0 ? BP_FCLASS_NEG_NORMAL : BP_FCLASS_POS_NORMAL;
}

/* Good for operands whose results are exact. */
static uint64_t float_op(unsigned op, unsigned format, const struct bp_fp_env *env,
	unsigned rounding, unsigned detail, uint64_t a, uint64_t b, uint64_t c, uint32_t *flags)
{
	double x = to_double(format, a), y = to_double(format, b), z = to_double(format, c);
	(void)env, (void)rounding;
	switch (op) {
	case BP_FLOAT_ADD: return from_double(format, x + y);
	case BP_FLOAT_SUB: return from_double(format, x - y);
	case BP_FLOAT_MUL: return from_double(format, x * y);
	case BP_FLOAT_DIV: *flags |= y == 0 ? BP_FP_DIVZERO : 0; return from_double(format, x / y);
	case BP_FLOAT_FMA:
		return from_double(format,
			fma(detail & BP_FMA_NEG_PRODUCT ? -x : x, y,
				detail & BP_FMA_NEG_ADDEND ? -z : z));
	case BP_FLOAT_MIN: return from_double(format, fmin(x, y));
	case BP_FLOAT_MAX: return from_double(format, fmax(x, y));
	case BP_FLOAT_COMPARE:
		return (detail & 7) == BP_FCMP_EQ    ? x == y
			: (detail & 7) == BP_FCMP_LT ? x < y
						     : x <= y;
	case BP_FLOAT_CLASS: return class_of(x);
	default: g_assert_not_reached();
	}
}

static uint64_t float_convert(unsigned to, unsigned from, const struct bp_fp_env *env,
	unsigned rounding, uint64_t a, uint32_t *flags)
{
	(void)env, (void)rounding, (void)flags;
	return from_double(to, to_double(from, a));
}

static uint64_t float_to_int(unsigned bits, unsigned format, unsigned rounding, unsigned detail,
	uint64_t a, uint32_t *flags)
{
	(void)bits, (void)rounding, (void)detail, (void)flags;
	return (uint64_t)(int64_t)to_double(format, a);
}

static uint64_t float_from_int(unsigned format, unsigned bits, const struct bp_fp_env *env,
	unsigned rounding, unsigned detail, uint64_t a, uint32_t *flags)
{
	(void)bits, (void)env, (void)rounding, (void)flags;
	return from_double(format, detail ? (double)a : (double)(int64_t)a);
}

static const struct bp_float service = { sizeof(service), 0, float_op, float_convert, float_to_int,
	float_from_int };

void rv_update_key(struct rv_cpu *c)
{
	c->head.key = (uint64_t)(c->vstart != 0) << RV_KEY_VSTART;
}

/* ---- what tests say ---- */

static unsigned vtype_of(unsigned sew, int lmul)
{
	return (unsigned)(g_bit_nth_lsf(sew, -1) - 3) << 3 | ((unsigned)lmul & 7);
}

/* A hart with SEW, log2 of LMUL and vl; registers and memory at random. */
static void start(unsigned sew, int lmul, uint64_t vl)
{
	memset(&cpu, 0, sizeof(cpu));
	cpu.config = (struct rv_config){ .exts = UINT64_MAX & ~(UINT64_C(1) << RV_EXT_ZVFH),
		.xlen = 64,
		.vlen = VLEN,
		.elen = 64 };
	cpu.core = &core;
	cpu.fp = &service;
	cpu.vtype = vtype_of(sew, lmul);
	cpu.vl = vl;
	for (size_t i = 0; i < 32 * VLENB; i++)
		cpu.v[i] = (uint8_t)next_random();
	for (size_t i = 0; i < MEMORY; i++)
		memory[i] = (uint8_t)next_random();
	memcpy(before, cpu.v, sizeof(before));
	raised_cause = raised_value = 0;
}

enum { MASKED = 0, PLAIN = 1 << 25 };

static uint32_t word(enum rv_op op, unsigned vm, unsigned d, unsigned s2, unsigned s1)
{
	return rv_rows[op].match | vm | d << 7 | s2 << 20 | s1 << 15;
}

/* Encodings with one source only have vs1 among their fixed bits. */
static uint32_t word1(enum rv_op op, unsigned d, unsigned s2)
{
	return rv_rows[op].match | PLAIN | d << 7 | s2 << 20;
}

static int run(enum rv_op op, uint32_t insn)
{
	uint64_t args[4] = { op, insn };
	g_assert_cmpuint(rv_decode32(insn, cpu.config.xlen), ==, op);
	return rv_h_vector(&cpu, args);
}

static void run_ok(enum rv_op op, uint32_t insn)
{
	g_assert_cmpint(run(op, insn), ==, BP_H_OK);
	g_assert_cmpuint(cpu.vstart, ==, 0);
}

static void run_illegal(enum rv_op op, uint32_t insn)
{
	uint64_t args[4] = { op, insn };
	raised_cause = 0;
	g_assert_cmpint(rv_h_vector(&cpu, args), ==, BP_H_RAISED);
	g_assert_cmpuint(raised_cause, ==, RV_ILLEGAL);
	g_assert_cmpuint(raised_value, ==, insn);
}

/* Elements of what was there before, and of what is now. */
static uint64_t old(unsigned reg, uint64_t i, unsigned bits)
{
	return vec_get(before + reg * VLENB, i, g_bit_nth_lsf(bits, -1) - 3);
}

static uint64_t now(unsigned reg, uint64_t i, unsigned bits)
{
	return vec_get(cpu.v + reg * VLENB, i, g_bit_nth_lsf(bits, -1) - 3);
}

static void set(unsigned reg, uint64_t i, unsigned bits, uint64_t value)
{
	vec_put(cpu.v + reg * VLENB, i, g_bit_nth_lsf(bits, -1) - 3, value);
	memcpy(before, cpu.v, sizeof(before));
}

/* ---- tests ---- */

/* Every vector row of the table of encodings has one here. */
static void test_complete(void)
{
	for (unsigned op = 1; op < RV_OP_COUNT; op++) {
		int is_set = op == RV_OP_VSETVL || op == RV_OP_VSETVLI || op == RV_OP_VSETIVLI;
		if (rv_rows[op].flags & RV_ROW_VECTOR && !is_set && !vec_rules[op].run)
			g_error("%s has no row", rv_rows[op].name);
	}
}

static void test_vsetvl(void)
{
	static const struct {
		uint64_t avl, vtype, mode, vl;
		int vill;
	} cases[] = {
		{ 3, 0x10, 0, 3, 0 }, /* e32 m1 */
		{ 100, 0x10, 0, 4, 0 },
		{ 0, 0x03, 2, 128, 0 }, /* e8 m8, VLMAX */
		{ 0, 0x13, 1, 32, 0 }, /* the old vl, 128, cut */
		{ 5, 0xd7, 0, 2, 0 }, /* e32 mf2 ta ma */
		{ 5, 0x16, 0, 0, 1 }, /* e32 mf4: SEW > LMUL * ELEN */
		{ 5, 0x04, 0, 0, 1 }, /* vlmul 4 */
		{ 5, 0x20, 0, 0, 1 }, /* e128 */
		{ 5, 0x110, 0, 0, 1 }, /* a reserved bit */
		{ 5, UINT64_C(1) << 63, 0, 0, 1 },
	};
	start(8, 0, 0);
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		uint64_t args[4] = { cases[i].avl, cases[i].vtype, cases[i].mode };
		cpu.vstart = 1;
		g_assert_cmpint(rv_h_vsetvl(&cpu, args), ==, BP_H_OK);
		g_assert_cmpuint(args[0], ==, cases[i].vl);
		g_assert_cmpuint(cpu.vl, ==, cases[i].vl);
		g_assert_cmpuint(cpu.vill, ==, cases[i].vill);
		g_assert_cmpuint(cpu.vtype, ==, cases[i].vill ? 0 : cases[i].vtype);
		g_assert_cmpuint(cpu.vstart, ==, 0);
	}
	run_illegal(RV_OP_VADD_VV, word(RV_OP_VADD_VV, PLAIN, 1, 2, 3));
	run_ok(RV_OP_VL1RE8_V, word(RV_OP_VL1RE8_V, PLAIN, 1, 0, 0));
}

static int64_t extend(uint64_t x, unsigned bits)
{
	return vec_sext(x, bits);
}

/* Each operation written down again, on values extended with their sign. */
static uint64_t expected(enum rv_op op, int64_t a, int64_t b, int64_t c, unsigned bits)
{
	uint64_t ua = vec_zext((uint64_t)a, bits), ub = vec_zext((uint64_t)b, bits);
	unsigned shift = (unsigned)ub % bits;
	switch (op) {
	case RV_OP_VADD_VV: return ua + ub;
	case RV_OP_VSUB_VV: return ua - ub;
	case RV_OP_VAND_VV: return ua & ub;
	case RV_OP_VOR_VV: return ua | ub;
	case RV_OP_VXOR_VV: return ua ^ ub;
	case RV_OP_VSLL_VV: return ua << shift;
	case RV_OP_VSRL_VV: return ua >> shift;
	case RV_OP_VSRA_VV: return (uint64_t)(a >> shift);
	case RV_OP_VMIN_VV: return (uint64_t)MIN(a, b);
	case RV_OP_VMAX_VV: return (uint64_t)MAX(a, b);
	case RV_OP_VMINU_VV: return MIN(ua, ub);
	case RV_OP_VMAXU_VV: return MAX(ua, ub);
	case RV_OP_VMUL_VV: return ua * ub;
	case RV_OP_VMULH_VV: return (uint64_t)((vec_s128)a * b >> bits);
	case RV_OP_VMULHU_VV: return (uint64_t)((vec_u128)ua * ub >> bits);
	case RV_OP_VDIVU_VV: return ub ? ua / ub : UINT64_MAX;
	case RV_OP_VREMU_VV: return ub ? ua % ub : ua;
	case RV_OP_VMACC_VV: return (uint64_t)c + ua * ub;
	case RV_OP_VMADD_VV: return ub * (uint64_t)c + ua;
	case RV_OP_VNMSAC_VV: return (uint64_t)c - ua * ub;
	case RV_OP_VSADDU_VV: {
		vec_u128 sum = (vec_u128)ua + ub;
		return sum >> bits ? UINT64_MAX : (uint64_t)sum;
	}
	case RV_OP_VSSUBU_VV: return ua < ub ? 0 : ua - ub;
	default: g_assert_not_reached();
	}
}

static void test_integer(void)
{
	static const enum rv_op ops[] = { RV_OP_VADD_VV, RV_OP_VSUB_VV, RV_OP_VAND_VV, RV_OP_VOR_VV,
		RV_OP_VXOR_VV, RV_OP_VSLL_VV, RV_OP_VSRL_VV, RV_OP_VSRA_VV, RV_OP_VMIN_VV,
		RV_OP_VMAX_VV, RV_OP_VMINU_VV, RV_OP_VMAXU_VV, RV_OP_VMUL_VV, RV_OP_VMULH_VV,
		RV_OP_VMULHU_VV, RV_OP_VDIVU_VV, RV_OP_VREMU_VV, RV_OP_VMACC_VV, RV_OP_VMADD_VV,
		RV_OP_VNMSAC_VV, RV_OP_VSADDU_VV, RV_OP_VSSUBU_VV };
	for (size_t k = 0; k < G_N_ELEMENTS(ops); k++)
		for (unsigned bits = 8; bits <= 64; bits *= 2)
			for (unsigned vm = 0; vm <= PLAIN; vm += PLAIN) {
				uint64_t max = 2 * VLEN / bits, vl = max - 1;
				start(bits, 1, vl);
				cpu.vstart = 1;
				run_ok(ops[k], word(ops[k], vm, 4, 6, 8));
				for (uint64_t i = 0; i < max; i++) {
					uint64_t c = old(4, i, bits), want = c;
					if (i && i < vl && (vm || vec_bit(before, i)))
						want = expected(ops[k],
							extend(old(6, i, bits), bits),
							extend(old(8, i, bits), bits),
							extend(c, bits), bits);
					g_assert_cmphex(now(4, i, bits), ==, vec_zext(want, bits));
				}
			}
}

/* Scalars: x registers and immediates, sign-extended; masks as carries. */
static void test_scalar(void)
{
	start(64, 0, 2);
	cpu.x[5] = UINT64_MAX - 4;
	run_ok(RV_OP_VADD_VX, word(RV_OP_VADD_VX, PLAIN, 1, 2, 5));
	g_assert_cmphex(now(1, 1, 64), ==, old(2, 1, 64) - 5);
	run_ok(RV_OP_VRSUB_VI, word(RV_OP_VRSUB_VI, PLAIN, 1, 2, 31));
	g_assert_cmphex(now(1, 0, 64), ==, -1 - old(2, 0, 64));
	cpu.config.xlen = 32;
	cpu.x[5] = 0xfffffffb;
	run_ok(RV_OP_VADD_VX, word(RV_OP_VADD_VX, PLAIN, 1, 2, 5));
	g_assert_cmphex(now(1, 1, 64), ==, old(2, 1, 64) - 5);
	start(8, 0, 16);
	run_ok(RV_OP_VADC_VVM, word(RV_OP_VADC_VVM, 0, 1, 2, 3));
	run_ok(RV_OP_VMADC_VVM, word(RV_OP_VMADC_VVM, 0, 4, 2, 3));
	run_ok(RV_OP_VMSLTU_VV, word(RV_OP_VMSLTU_VV, PLAIN, 5, 2, 3));
	for (uint64_t i = 0; i < 16; i++) {
		unsigned sum = (unsigned)(old(2, i, 8) + old(3, i, 8) + vec_bit(before, i));
		g_assert_cmphex(now(1, i, 8), ==, sum & 0xff);
		g_assert_cmpuint(vec_bit(cpu.v + 4 * VLENB, i), ==, sum >> 8);
		g_assert_cmpuint(vec_bit(cpu.v + 5 * VLENB, i), ==, old(2, i, 8) < old(3, i, 8));
	}
}

static void test_widths(void)
{
	start(16, 0, 8);
	run_ok(RV_OP_VWMUL_VV, word(RV_OP_VWMUL_VV, PLAIN, 4, 2, 3));
	run_ok(RV_OP_VWMULU_VV, word(RV_OP_VWMULU_VV, PLAIN, 6, 2, 3));
	run_ok(RV_OP_VWADD_WV, word(RV_OP_VWADD_WV, PLAIN, 8, 10, 3));
	run_ok(RV_OP_VNSRA_WI, word(RV_OP_VNSRA_WI, PLAIN, 12, 10, 5));
	run_ok(RV_OP_VSEXT_VF2, word1(RV_OP_VSEXT_VF2, 13, 2));
	for (uint64_t i = 0; i < 8; i++) {
		int64_t a = extend(old(2, i, 16), 16), b = extend(old(3, i, 16), 16);
		g_assert_cmphex(now(4, i, 32), ==, (uint32_t)(a * b));
		g_assert_cmphex(now(6, i, 32), ==, (uint32_t)(old(2, i, 16) * old(3, i, 16)));
		g_assert_cmphex(now(8, i, 32), ==, (uint32_t)(old(10, i, 32) + (uint64_t)b));
		g_assert_cmphex(now(12, i, 16), ==, (uint16_t)(extend(old(10, i, 32), 32) >> 5));
		g_assert_cmphex(now(13, i, 16), ==, (uint16_t)extend(old(2, i, 8), 8));
	}
}

/* unpriv 30.12: 5/2, 7/2, 6/4, -5/2 in each rounding mode */
static void test_rounding(void)
{
	static const uint8_t want[4][4] = { { 3, 4, 2, 0xfe }, { 2, 4, 2, 0xfe }, { 2, 3, 1, 0xfd },
		{ 3, 3, 1, 0xfd } };
	for (unsigned mode = 0; mode < 4; mode++) {
		start(8, 0, 4);
		cpu.vxrm = mode;
		for (uint64_t i = 0; i < 4; i++) {
			static const uint8_t a[4] = { 5, 7, 6, 0xfb }, n[4] = { 1, 1, 2, 1 };
			set(2, i, 8, a[i]);
			set(3, i, 8, n[i]);
		}
		run_ok(RV_OP_VSSRA_VV, word(RV_OP_VSSRA_VV, PLAIN, 1, 2, 3));
		for (uint64_t i = 0; i < 4; i++)
			g_assert_cmphex(now(1, i, 8), ==, want[mode][i]);
		g_assert_cmpuint(cpu.vxsat, ==, 0);
	}
	set(2, 0, 8, 0x80);
	set(3, 0, 8, 0x80);
	run_ok(RV_OP_VSMUL_VV, word(RV_OP_VSMUL_VV, PLAIN, 1, 2, 3));
	g_assert_cmphex(now(1, 0, 8), ==, 0x7f);
	g_assert_cmpuint(cpu.vxsat, ==, 1);
}

static void test_memory(void)
{
	start(16, 1, 13);
	cpu.x[5] = 100;
	cpu.x[6] = (uint64_t)-6;
	run_ok(RV_OP_VLE32_V, word(RV_OP_VLE32_V, PLAIN, 4, 0, 5));
	run_ok(RV_OP_VLSE16_V, word(RV_OP_VLSE16_V, MASKED, 8, 6, 5));
	for (uint64_t i = 0; i < 16; i++) {
		uint64_t v = i < 13 ? vec_get(memory + 100, i, 2) : old(4, i, 32);
		g_assert_cmphex(now(4, i, 32), ==, v);
		v = i < 13 && vec_bit(before, i) ? vec_get(memory + 100 - 6 * i, 0, 1)
						 : old(8, i, 16);
		g_assert_cmphex(now(8, i, 16), ==, v);
	}
	/* Three fields, out and in again; indexes of bytes. */
	run_ok(RV_OP_VSSEGE16_V, word(RV_OP_VSSEGE16_V, PLAIN, 10, 0, 5) | 2u << 29);
	run_ok(RV_OP_VLUXSEGEI8_V, word(RV_OP_VLUXSEGEI8_V, PLAIN, 20, 28, 5) | 1u << 29);
	for (uint64_t i = 0; i < 13; i++)
		for (unsigned f = 0; f < 3; f++) {
			g_assert_cmphex(
				vec_get(memory + 100, 3 * i + f, 1), ==, old(10 + 2 * f, i, 16));
			if (f < 2)
				g_assert_cmphex(now(20 + 2 * f, i, 16), ==,
					vec_get(memory + 100 + old(28, i, 8), f, 1));
		}
	run_ok(RV_OP_VLSEGE16_V, word(RV_OP_VLSEGE16_V, PLAIN, 24, 0, 5) | 2u << 29);
	for (uint64_t i = 0; i < 13; i++)
		g_assert_cmphex(now(28, i, 16), ==, old(14, i, 16));
	run_ok(RV_OP_VSM_V, word(RV_OP_VSM_V, PLAIN, 3, 0, 5));
	g_assert_cmphex(memory[100], ==, before[3 * VLENB]);
	g_assert_cmphex(memory[101], ==, before[3 * VLENB + 1]);
}

/* An access that fails: the elements before it are there, vstart tells the element. */
static void test_faults(void)
{
	for (unsigned vm = 0; vm <= PLAIN; vm += PLAIN) {
		start(32, 2, 16);
		cpu.v[0] = cpu.v[1] = 0xff;
		cpu.x[5] = HOLE - 4 * 6;
		g_assert_cmpint(
			run(RV_OP_VLE32_V, word(RV_OP_VLE32_V, vm, 4, 0, 5)), ==, BP_H_RAISED);
		g_assert_cmpuint(cpu.vstart, ==, 6);
		g_assert_cmpuint(raised_value, ==, HOLE);
		g_assert_true(cpu.head.key >> RV_KEY_VSTART & 1);
		for (uint64_t i = 0; i < 16; i++)
			g_assert_cmphex(now(4, i, 32), ==,
				i < 6 ? vec_get(memory + cpu.x[5], i, 2) : old(4, i, 32));
		/* Go on as a handler would have it. */
		cpu.x[5] = 100;
		run_ok(RV_OP_VLE32_V, word(RV_OP_VLE32_V, vm, 4, 0, 5));
		g_assert_cmphex(now(4, 5, 32), ==, vec_get(memory + HOLE - 24, 5, 2));
		g_assert_cmphex(now(4, 6, 32), ==, vec_get(memory + 100, 6, 2));
		g_assert_false(cpu.head.key >> RV_KEY_VSTART & 1);
	}
	cpu.x[5] = HOLE - 4 * 6;
	run_ok(RV_OP_VLE32FF_V, word(RV_OP_VLE32FF_V, PLAIN, 4, 0, 5));
	g_assert_cmpuint(cpu.vl, ==, 6);
	cpu.x[5] = HOLE - 2;
	g_assert_cmpint(
		run(RV_OP_VLE32FF_V, word(RV_OP_VLE32FF_V, PLAIN, 4, 0, 5)), ==, BP_H_RAISED);
	g_assert_cmpuint(cpu.vl, ==, 6);
	cpu.vill = 0;
	start(8, 3, 128);
	cpu.x[5] = HOLE - 128 + 1;
	g_assert_cmpint(run(RV_OP_VS8R_V, word(RV_OP_VS8R_V, PLAIN, 8, 0, 5)), ==, BP_H_RAISED);
	g_assert_cmpuint(cpu.vstart, ==, 127);
}

static void test_reductions(void)
{
	start(16, 1, 11);
	run_ok(RV_OP_VREDSUM_VS, word(RV_OP_VREDSUM_VS, MASKED, 4, 6, 8));
	run_ok(RV_OP_VWREDSUM_VS, word(RV_OP_VWREDSUM_VS, PLAIN, 5, 6, 8));
	run_ok(RV_OP_VREDMAX_VS, word(RV_OP_VREDMAX_VS, PLAIN, 10, 6, 8));
	uint64_t sum = old(8, 0, 16), wide = old(8, 0, 32);
	int64_t most = extend(old(8, 0, 16), 16);
	for (uint64_t i = 0; i < 11; i++) {
		int64_t x = extend(old(6, i, 16), 16);
		if (vec_bit(before, i))
			sum += (uint64_t)x;
		wide += (uint64_t)x;
		most = MAX(most, x);
	}
	g_assert_cmphex(now(4, 0, 16), ==, (uint16_t)sum);
	g_assert_cmphex(now(5, 0, 32), ==, (uint32_t)wide);
	g_assert_cmphex(now(10, 0, 16), ==, (uint16_t)most);
	g_assert_cmphex(now(4, 1, 16), ==, old(4, 1, 16));
}

/* An example of unpriv 30.15.4: 10010100 */
static void test_masks(void)
{
	start(8, 0, 8);
	set(3, 0, 8, 0x94);
	run_ok(RV_OP_VMSBF_M, word1(RV_OP_VMSBF_M, 2, 3));
	g_assert_cmphex(now(2, 0, 8), ==, 0x03);
	run_ok(RV_OP_VMSIF_M, word1(RV_OP_VMSIF_M, 2, 3));
	g_assert_cmphex(now(2, 0, 8), ==, 0x07);
	run_ok(RV_OP_VMSOF_M, word1(RV_OP_VMSOF_M, 2, 3));
	g_assert_cmphex(now(2, 0, 8), ==, 0x04);
	run_ok(RV_OP_VIOTA_M, word1(RV_OP_VIOTA_M, 4, 3));
	static const uint8_t iota[8] = { 0, 0, 0, 1, 1, 2, 2, 2 };
	for (uint64_t i = 0; i < 8; i++)
		g_assert_cmphex(now(4, i, 8), ==, iota[i]);
	run_ok(RV_OP_VCPOP_M, word1(RV_OP_VCPOP_M, 7, 3));
	g_assert_cmpuint(cpu.x[7], ==, 3);
	run_ok(RV_OP_VFIRST_M, word1(RV_OP_VFIRST_M, 7, 3));
	g_assert_cmpuint(cpu.x[7], ==, 2);
	set(3, 0, 8, 0);
	run_ok(RV_OP_VFIRST_M, word1(RV_OP_VFIRST_M, 7, 3));
	g_assert_cmphex(cpu.x[7], ==, UINT64_MAX);
	run_ok(RV_OP_VMANDN_MM, word(RV_OP_VMANDN_MM, PLAIN, 5, 6, 7));
	g_assert_cmphex(now(5, 0, 8), ==, (old(6, 0, 8) & ~old(7, 0, 8)) & 0xff);
}

static void test_permutations(void)
{
	start(8, 0, 12);
	cpu.x[5] = 3;
	for (uint64_t i = 0; i < 16; i++)
		set(3, i, 8, next_random() % 20);
	run_ok(RV_OP_VSLIDEUP_VX, word(RV_OP_VSLIDEUP_VX, PLAIN, 10, 2, 5));
	run_ok(RV_OP_VSLIDEDOWN_VX, word(RV_OP_VSLIDEDOWN_VX, PLAIN, 11, 2, 5));
	run_ok(RV_OP_VSLIDE1UP_VX, word(RV_OP_VSLIDE1UP_VX, PLAIN, 12, 2, 5));
	run_ok(RV_OP_VSLIDE1DOWN_VX, word(RV_OP_VSLIDE1DOWN_VX, PLAIN, 13, 2, 5));
	run_ok(RV_OP_VRGATHER_VV, word(RV_OP_VRGATHER_VV, PLAIN, 14, 2, 3));
	run_ok(RV_OP_VCOMPRESS_VM, word(RV_OP_VCOMPRESS_VM, PLAIN, 15, 2, 4));
	uint64_t packed = 0;
	for (uint64_t i = 0; i < 12; i++) {
		g_assert_cmphex(now(10, i, 8), ==, i < 3 ? old(10, i, 8) : old(2, i - 3, 8));
		g_assert_cmphex(now(11, i, 8), ==, i + 3 < 16 ? old(2, i + 3, 8) : 0);
		g_assert_cmphex(now(12, i, 8), ==, i ? old(2, i - 1, 8) : 3);
		g_assert_cmphex(now(13, i, 8), ==, i < 11 ? old(2, i + 1, 8) : 3);
		uint64_t from = old(3, i, 8);
		g_assert_cmphex(now(14, i, 8), ==, from < 16 ? old(2, from, 8) : 0);
		if (vec_bit(before + 4 * VLENB, i))
			g_assert_cmphex(now(15, packed++, 8), ==, old(2, i, 8));
	}
	g_assert_cmphex(now(10, 12, 8), ==, old(10, 12, 8));
	cpu.vstart = 5; /* elements of SEW */
	run_ok(RV_OP_VMV2R_V, word(RV_OP_VMV2R_V, PLAIN, 20, 2, 1));
	g_assert_cmphex(now(20, 4, 8), ==, old(20, 4, 8));
	g_assert_cmphex(now(20, 5, 8), ==, old(2, 5, 8));
	g_assert_cmphex(now(21, 15, 8), ==, old(3, 15, 8));
	run_ok(RV_OP_VMV_X_S, word(RV_OP_VMV_X_S, PLAIN, 9, 2, 0));
	g_assert_cmphex(cpu.x[9], ==, (uint64_t)extend(old(2, 0, 8), 8));
}

static uint64_t f32(float f)
{
	uint32_t bits;
	memcpy(&bits, &f, 4);
	return bits;
}

static void test_float(void)
{
	start(32, 0, 4);
	for (uint64_t i = 0; i < 4; i++) {
		set(2, i, 32, f32((float)i + 0.5f));
		set(3, i, 32, f32(2));
		set(4, i, 32, f32(100));
	}
	cpu.f[6] = 0xffffffff00000000 | f32(3);
	run_ok(RV_OP_VFADD_VV, word(RV_OP_VFADD_VV, PLAIN, 10, 2, 3));
	run_ok(RV_OP_VFRSUB_VF, word(RV_OP_VFRSUB_VF, PLAIN, 11, 2, 6));
	run_ok(RV_OP_VFNMSAC_VV, word(RV_OP_VFNMSAC_VV, PLAIN, 4, 2, 3));
	run_ok(RV_OP_VFWMUL_VV, word(RV_OP_VFWMUL_VV, PLAIN, 12, 2, 3));
	run_ok(RV_OP_VMFGT_VF, word(RV_OP_VMFGT_VF, PLAIN, 5, 2, 6));
	run_ok(RV_OP_VFREDOSUM_VS, word(RV_OP_VFREDOSUM_VS, PLAIN, 7, 2, 3));
	for (uint64_t i = 0; i < 4; i++) {
		float a = (float)i + 0.5f;
		double product;
		g_assert_cmphex(now(10, i, 32), ==, f32(a + 2));
		g_assert_cmphex(now(11, i, 32), ==, f32(3 - a));
		g_assert_cmphex(now(4, i, 32), ==, f32(100 - 2 * a));
		memcpy(&product, cpu.v + 12 * VLENB + 8 * i, 8);
		g_assert_cmpfloat(product, ==, 2.0 * (double)a);
		g_assert_cmpuint(vec_bit(cpu.v + 5 * VLENB, i), ==, a > 3);
	}
	g_assert_cmphex(now(7, 0, 32), ==, f32(10));
	cpu.f[6] = f32(3); /* not boxed */
	run_ok(RV_OP_VFMV_V_F, word(RV_OP_VFMV_V_F, PLAIN, 10, 0, 6));
	g_assert_cmphex(now(10, 2, 32), ==, 0x7fc00000);
	run_ok(RV_OP_VFMV_F_S, word(RV_OP_VFMV_F_S, PLAIN, 9, 2, 0));
	g_assert_cmphex(cpu.f[9], ==, 0xffffffff00000000 | f32(0.5f));
}

/* unpriv 30.13.9, 30.13.10: the first, a middle and the last entries of their tables; edges */
static void test_estimates(void)
{
	static const struct {
		uint32_t a, reciprocal, root;
		uint32_t flags_reciprocal, flags_root;
	} cases[] = {
		{ 0x3f800000, 0x3f7f0000, 0x3f7f0000, 0, 0 },
		{ 0x3fff0000, 0x3f000000, 0x3f350000, 0, 0 },
		{ 0x40000000, 0x3eff0000, 0x3f340000, 0, 0 },
		{ 0x00000000, 0x7f800000, 0x7f800000, BP_FP_DIVZERO, BP_FP_DIVZERO },
		{ 0x80000000, 0xff800000, 0xff800000, BP_FP_DIVZERO, BP_FP_DIVZERO },
		{ 0x7f800000, 0x00000000, 0x00000000, 0, 0 },
		{ 0xff800000, 0x80000000, 0x7fc00000, 0, BP_FP_INVALID },
		{ 0xbf800000, 0xbf7f0000, 0x7fc00000, 0, BP_FP_INVALID },
		{ 0x00000001, 0x7f800000, 0x64b40000, BP_FP_OVERFLOW | BP_FP_INEXACT, 0 },
		{ 0x7f000000, 0x003fc000, 0x1fb40000, 0, 0 },
	};
	start(32, 0, 1);
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		set(2, 0, 32, cases[i].a);
		cpu.fflags = 0;
		run_ok(RV_OP_VFREC7_V, word1(RV_OP_VFREC7_V, 3, 2));
		g_assert_cmphex(now(3, 0, 32), ==, cases[i].reciprocal);
		g_assert_cmphex(cpu.fflags, ==, cases[i].flags_reciprocal);
		cpu.fflags = 0;
		run_ok(RV_OP_VFRSQRT7_V, word1(RV_OP_VFRSQRT7_V, 3, 2));
		g_assert_cmphex(now(3, 0, 32), ==, cases[i].root);
		g_assert_cmphex(cpu.fflags, ==, cases[i].flags_root);
	}
}

static void test_reserved(void)
{
	static const struct {
		enum rv_op op;
		unsigned sew;
		int lmul;
		unsigned vm, d, s2, s1;
	} cases[] = {
		{ RV_OP_VADD_VV, 8, 1, PLAIN, 1, 2, 4 }, /* alignment */
		{ RV_OP_VADD_VV, 8, 0, MASKED, 0, 2, 4 }, /* the mask is overwritten */
		{ RV_OP_VADD_VV, 8, 0, MASKED, 1, 0, 4 }, /* v0 as mask and as data */
		{ RV_OP_VWADD_VV, 64, 0, PLAIN, 4, 2, 3 }, /* 128 bits */
		{ RV_OP_VWADD_VV, 8, 3, PLAIN, 0, 8, 16 }, /* EMUL 16 */
		{ RV_OP_VWADD_VV, 8, 0, PLAIN, 4, 4, 2 }, /* overlap at the low end */
		{ RV_OP_VWMACC_VV, 8, 0, PLAIN, 4, 5, 2 }, /* vd is read, too */
		{ RV_OP_VNSRL_WV, 8, 0, PLAIN, 5, 4, 2 }, /* overlap at the high end */
		{ RV_OP_VRGATHER_VV, 8, 0, PLAIN, 4, 4, 2 },
		{ RV_OP_VSLIDEUP_VX, 8, 0, PLAIN, 4, 4, 2 },
		{ RV_OP_VZEXT_VF8, 32, 0, PLAIN, 4, 6, 2 }, /* EEW 4 */
		{ RV_OP_VLE64_V, 8, 1, PLAIN, 8, 0, 5 }, /* EMUL 16 */
		{ RV_OP_VLUXEI8_V, 8, 0, MASKED, 0, 2, 5 },
		{ RV_OP_VFADD_VV, 16, 0, PLAIN, 4, 2, 3 }, /* no Zvfh */
		{ RV_OP_VFADD_VV, 8, 0, PLAIN, 4, 2, 3 },
		{ RV_OP_VFWADD_VV, 64, 0, PLAIN, 4, 2, 3 },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		start(cases[i].sew, cases[i].lmul, 1);
		run_illegal(cases[i].op,
			word(cases[i].op, cases[i].vm, cases[i].d, cases[i].s2, cases[i].s1));
		g_assert_cmpmem(cpu.v, sizeof(cpu.v), before, sizeof(before));
	}
	start(8, 0, 4);
	cpu.vstart = 1;
	run_illegal(RV_OP_VREDSUM_VS, word(RV_OP_VREDSUM_VS, PLAIN, 4, 2, 3));
	start(32, 0, 4);
	cpu.frm = 5;
	run_illegal(RV_OP_VFADD_VV, word(RV_OP_VFADD_VV, PLAIN, 4, 2, 3));
	start(8, 2, 4);
	run_illegal(RV_OP_VLSEGE8_V,
		word(RV_OP_VLSEGE8_V, PLAIN, 4, 0, 5) | 2u << 29); /* 12 registers */
	run_ok(RV_OP_VLSEGE8_V, word(RV_OP_VLSEGE8_V, PLAIN, 24, 0, 5) | 1u << 29);
	/* What looks like it, and is allowed: overlap at the right ends. */
	start(8, 0, 4);
	run_ok(RV_OP_VWADD_VV, word(RV_OP_VWADD_VV, PLAIN, 4, 5, 2));
	run_ok(RV_OP_VNSRL_WV, word(RV_OP_VNSRL_WV, PLAIN, 4, 4, 2));
	run_ok(RV_OP_VMSEQ_VV, word(RV_OP_VMSEQ_VV, MASKED, 0, 4, 2));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/riscv/vector/complete", test_complete);
	g_test_add_func("/riscv/vector/vsetvl", test_vsetvl);
	g_test_add_func("/riscv/vector/integer", test_integer);
	g_test_add_func("/riscv/vector/scalar", test_scalar);
	g_test_add_func("/riscv/vector/widths", test_widths);
	g_test_add_func("/riscv/vector/rounding", test_rounding);
	g_test_add_func("/riscv/vector/memory", test_memory);
	g_test_add_func("/riscv/vector/faults", test_faults);
	g_test_add_func("/riscv/vector/reductions", test_reductions);
	g_test_add_func("/riscv/vector/masks", test_masks);
	g_test_add_func("/riscv/vector/permutations", test_permutations);
	g_test_add_func("/riscv/vector/float", test_float);
	g_test_add_func("/riscv/vector/estimates", test_estimates);
	g_test_add_func("/riscv/vector/reserved", test_reserved);
	return g_test_run();
}
