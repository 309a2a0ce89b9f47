/* SPDX-License-Identifier: MIT */
/* The generated decoder against the slow one of gen_decode.py, on words made from the table. */
#include <glib.h>

#include "rv_encodings.h"

struct vector {
	uint32_t word;
	unsigned xlen, length;
	enum rv_op op;
	struct rv_args args;
};

static const struct vector vectors[] = {
#include "rv_vectors.inc"
};

static enum rv_op decode(uint32_t word, unsigned xlen, unsigned length)
{
	return length == 16 ? rv_decode16((uint16_t)word, xlen) : rv_decode32(word, xlen);
}

static bool same(const struct rv_args *a, const struct rv_args *b)
{
	return a->imm == b->imm && a->csr == b->csr && a->rd == b->rd && a->rs1 == b->rs1 &&
		a->rs2 == b->rs2 && a->rs3 == b->rs3 && a->rm == b->rm && a->aq == b->aq &&
		a->rl == b->rl && a->vm == b->vm && a->nf == b->nf && a->avl == b->avl &&
		a->fm == b->fm && a->pred == b->pred && a->succ == b->succ;
}

static void test_vectors(void)
{
	for (size_t i = 0; i < G_N_ELEMENTS(vectors); i++) {
		const struct vector *v = &vectors[i];
		enum rv_op op = decode(v->word, v->xlen, v->length);
		struct rv_args args;

		if (op != v->op)
			g_error("%08x (RV%u) decodes to %s, expected %s", v->word, v->xlen,
				rv_rows[op].name, rv_rows[v->op].name);
		if (op == RV_OP_ILLEGAL)
			continue;
		rv_extract(op, v->word, &args);
		if (!same(&args, &v->args))
			g_error("%08x (RV%u), %s: wrong operands", v->word, v->xlen,
				rv_rows[op].name);
	}
}

/* Every row occurs in the vectors as itself, and its base is a row that is its own base. */
static void test_rows(void)
{
	static bool seen[RV_OP_COUNT];

	for (size_t i = 0; i < G_N_ELEMENTS(vectors); i++)
		seen[vectors[i].op] = true;
	for (int op = RV_OP_ILLEGAL + 1; op < RV_OP_COUNT; op++) {
		if (!seen[op])
			g_error("%s: no word decodes to it", rv_rows[op].name);
		g_assert_cmpint(rv_base_op[rv_base_op[op]], ==, rv_base_op[op]);
		g_assert_cmpint(rv_rows[op].need[0], !=, 0);
	}
}

/* A row needs all extensions of one alternative. */
static void test_enabled(void)
{
	uint64_t c = UINT64_C(1) << RV_EXT_C, d = UINT64_C(1) << RV_EXT_D;
	uint64_t zbb = UINT64_C(1) << RV_EXT_ZBB, zbkb = UINT64_C(1) << RV_EXT_ZBKB;

	g_assert_true(rv_op_enabled(RV_OP_C_FLD, c | d));
	g_assert_false(rv_op_enabled(RV_OP_C_FLD, c));
	g_assert_false(rv_op_enabled(RV_OP_C_FLD, d));
	g_assert_true(rv_op_enabled(RV_OP_ROL, zbb));
	g_assert_true(rv_op_enabled(RV_OP_ROL, zbkb));
	g_assert_false(rv_op_enabled(RV_OP_ROL, c | d));
	g_assert_false(rv_op_enabled(RV_OP_ILLEGAL, UINT64_MAX));
}

/* Words that are reserved for all time. */
static void test_never(void)
{
	for (unsigned xlen = 32; xlen <= 64; xlen += 32) {
		g_assert_cmpint(rv_decode16(0, xlen), ==, RV_OP_ILLEGAL);
		g_assert_cmpint(rv_decode32(0xffffffff, xlen), ==, RV_OP_ILLEGAL);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/riscv/decode/vectors", test_vectors);
	g_test_add_func("/riscv/decode/rows", test_rows);
	g_test_add_func("/riscv/decode/enabled", test_enabled);
	g_test_add_func("/riscv/decode/never", test_never);
	return g_test_run();
}
