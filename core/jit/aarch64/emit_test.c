/* SPDX-License-Identifier: MIT */
/* What emit.h computes rather than looks up: immediates of logical operations, constants, additions and
 * shifts that take more than one instruction. The words are run by a small model of these instructions,
 * written from their pages in the Arm ARM (C6.2) and not from emit.h. */
#include "emit.h"
#include <glib.h>

static uint64_t ror(uint64_t v, unsigned by, unsigned width)
{
	uint64_t mask = width == 64 ? UINT64_MAX : (UINT64_C(1) << width) - 1;
	v &= mask;
	return by % width ? (v >> by % width | v << (width - by % width)) & mask : v;
}

/* DecodeBitMasks(N, imms, immr), its wmask */
static uint64_t bit_mask(unsigned n, unsigned imms, unsigned immr)
{
	unsigned len = 31 - (unsigned)__builtin_clz(n << 6 | (~imms & 0x3f)), size = 1u << len;
	unsigned s = imms & (size - 1), r = immr & (size - 1);
	uint64_t element = ror(s == 63 ? UINT64_MAX : (UINT64_C(2) << s) - 1, r, size), mask = 0;
	for (unsigned at = 0; at < 64; at += size)
		mask |= element << at;
	return mask;
}

static void set(uint64_t *x, uint32_t word, uint64_t value)
{
	if ((word & 31) != 31)
		x[word & 31] = word >> 31 ? value : (uint32_t)value;
}

/* One instruction of those that the tests make. */
static void step(uint64_t *x, uint32_t word)
{
	unsigned hw = word >> 21 & 3, n = word >> 5 & 31, imm16 = word >> 5 & 0xffff;
	unsigned immr = word >> 16 & 63, imms = word >> 10 & 63, width = word >> 31 ? 64 : 32;
	uint64_t a = n == 31 ? 0 : x[n], d = x[word & 31], half = (uint64_t)imm16 << 16 * hw;
	if (width == 32)
		a = (uint32_t)a;
	switch (word >> 23 & 0xff) {
	case 0x25: set(x, word, ~half); break; /* movn */
	case 0xa5: set(x, word, half); break; /* movz */
	case 0xe5: set(x, word, (d & ~((uint64_t)0xffff << 16 * hw)) | half); break;
	case 0x64: set(x, word, a | bit_mask(word >> 22 & 1, imms, immr)); break; /* orr */
	case 0x24: set(x, word, a & bit_mask(word >> 22 & 1, imms, immr)); break; /* and */
	case 0x22: set(x, word, a + ((word >> 10 & 0xfff) << (word >> 22 & 1) * 12)); break;
	case 0xa2: set(x, word, a - ((word >> 10 & 0xfff) << (word >> 22 & 1) * 12)); break;
	case 0x16: set(x, word, a + x[word >> 16 & 31]); break; /* add, registers */
	case 0x14: set(x, word, a & x[word >> 16 & 31]); break; /* and */
	case 0xa6: /* ubfm: a field to the bottom, or from it upwards */
		if (imms >= immr)
			set(x, word, a >> immr & (UINT64_MAX >> (63 - (imms - immr))));
		else
			set(x, word, (a & (UINT64_MAX >> (63 - imms))) << (width - immr));
		break;
	case 0x27: set(x, word, ror(a, imms, width)); break; /* extr of one register */
	default: g_error("the model has no instruction %08x", word);
	}
}

static unsigned run_all(uint64_t *x, struct emit *e, uint8_t *start)
{
	unsigned count = 0;
	for (uint8_t *p = start; p < e->at; p += 4, count++) {
		uint32_t word;
		memcpy(&word, p, 4);
		step(x, word);
	}
	return count;
}

/* Every immediate there is, and numbers that are none. */
static void test_logical(void)
{
	unsigned there = 0;
	uint32_t bits = 0;
	for (unsigned size = 2; size <= 64; size *= 2)
		for (unsigned ones = 1; ones < size; ones++)
			for (unsigned turn = 0; turn < size; turn++, there++) {
				uint64_t v = ror(UINT64_MAX >> (64 - ones), turn, size), all = 0;
				for (unsigned at = 0; at < 64; at += size)
					all |= v << at;
				g_assert_true(logical_bits(true, all, &bits));
				g_assert_cmphex(
					bit_mask(bits >> 22, bits >> 10 & 63, bits >> 16 & 63), ==,
					all);
				if (size < 64) {
					g_assert_true(logical_bits(false, all, &bits));
					g_assert_cmpuint(bits >> 22, ==, 0);
				}
			}
	g_assert_cmpuint(there, ==, 5334);
	GRand *r = g_rand_new_with_seed(1);
	for (unsigned i = 0; i < 100000; i++) {
		uint64_t v = (uint64_t)g_rand_int(r) << 32 | g_rand_int(r);
		if (logical_bits(true, v, &bits))
			g_assert_cmphex(
				bit_mask(bits >> 22, bits >> 10 & 63, bits >> 16 & 63), ==, v);
	}
	g_assert_false(logical_bits(true, 0, &bits));
	g_assert_false(logical_bits(true, UINT64_MAX, &bits));
	g_assert_false(logical_bits(false, UINT32_MAX, &bits));
	g_rand_free(r);
}

static uint64_t any_number(GRand *r)
{
	static const uint64_t edge[] = { 0, UINT64_MAX, 0xffff, 0x10000, UINT32_MAX, 0xfff, 0x1000,
		0xffffff, 0x1000000, UINT64_C(1) << 63, 0xffff0000 };
	uint64_t v = (uint64_t)g_rand_int(r) << 32 | g_rand_int(r);
	switch (g_rand_int_range(r, 0, 5)) {
	case 0: return edge[g_rand_int_range(r, 0, G_N_ELEMENTS(edge))];
	case 1: return v >> g_rand_int_range(r, 0, 64);
	case 2: return (uint64_t)((int64_t)v >> g_rand_int_range(r, 0, 64));
	case 3: return v & UINT64_C(0xffff0000ffff0000);
	default: return v;
	}
}

static void test_computed(void)
{
	uint8_t code[4096];
	GRand *r = g_rand_new_with_seed(2);
	for (unsigned i = 0; i < 200000; i++) {
		struct emit e = { .at = code, .end = code + sizeof(code) };
		uint64_t x[32] = { any_number(r), any_number(r) }, v = any_number(r);
		bool wide = g_rand_boolean(r);
		int64_t imm = (int64_t)any_number(r);
		unsigned by = (unsigned)g_rand_int_range(r, 0, wide ? 64 : 32);
		uint64_t keep = wide ? UINT64_MAX : UINT32_MAX, a = x[1];
		emit_const(&e, 0, v);
		g_assert_cmpuint(run_all(x, &e, code), <=, 4);
		g_assert_cmphex(x[0], ==, v);
		e.at = code;
		emit_add_i(&e, wide, false, 0, 1, imm);
		run_all(x, &e, code);
		g_assert_cmphex(x[0], ==, (a + (uint64_t)imm) & keep);
		e.at = code;
		emit_logic_i(&e, A64_AND_I, wide, 2, 1, v);
		run_all(x, &e, code);
		g_assert_cmphex(x[2], ==, a & v & keep);
		e.at = code;
		emit_shift(&e, wide, SH_LSL, 2, 1, by);
		emit_shift(&e, wide, SH_LSR, 3, 1, by);
		emit_shift(&e, wide, SH_ROR, 4, 1, by);
		run_all(x, &e, code);
		g_assert_cmphex(x[2], ==, a << by & keep);
		g_assert_cmphex(x[3], ==, (a & keep) >> by);
		g_assert_cmphex(x[4], ==, ror(a, by, wide ? 64 : 32));
	}
	g_rand_free(r);
}

/* A buffer that is too small is said to be, and nothing is written behind it. */
static void test_full(void)
{
	uint8_t code[512];
	memset(code, 0xaa, sizeof(code));
	struct emit e = { .at = code, .end = code + 384 };
	for (unsigned i = 0; i < 1000; i++)
		emit_const(&e, 0, UINT64_C(0x123456789abcdef0));
	g_assert_true(e.full);
	for (unsigned i = 384; i < sizeof(code); i++)
		g_assert_cmphex(code[i], ==, 0xaa);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/jit/aarch64/logical", test_logical);
	g_test_add_func("/jit/aarch64/computed", test_computed);
	g_test_add_func("/jit/aarch64/full", test_full);
	return g_test_run();
}
