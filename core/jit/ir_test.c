/* SPDX-License-Identifier: MIT */
/* The table, the verifier, text, and random streams of records: printed, read, compiled with and
 * without shortcuts, run. */
#include "compile.h"
#include "ir_text.h"
#include "stream.h"
#include <inttypes.h>

static struct verify_type type_of_toy(void)
{
	const uint32_t strides[3] = { 0, 0, 0 };
	return verify_type_of(&toy_type, strides);
}

static void test_table(void)
{
	static const uint16_t ranges[][2] = { { BP_IR_NOP, BP_IR_OUT }, { BP_IR_CONST, BP_IR_TIME },
		{ BP_IR_ADD, BP_IR_SUBB }, { BP_IR_NEG, BP_IR_UNBOX }, { BP_IR_EQ, BP_IR_SELECT },
		{ BP_IR_ADDF, BP_IR_FLAGS_UNPACK }, { BP_IR_FADD, BP_IR_FCLASS },
		{ BP_IR_LD, BP_IR_FENCE }, { BP_IR_CALL, BP_IR_CALL }, { BP_IR_IF, BP_IR_COMMIT },
		{ BP_IR_JUMP, BP_IR_RESYNC }, { BP_IR_VSPLAT, BP_IR_VBLEND } };
	GHashTable *names = g_hash_table_new(g_str_hash, g_str_equal);
	for (unsigned op = 0; op < BP_IR_OPS + 5; op++) {
		bool defined = false;
		for (unsigned i = 0; i < G_N_ELEMENTS(ranges); i++)
			defined = defined || (op >= ranges[i][0] && op <= ranges[i][1]);
		g_assert_true(defined == (ir_info(op) != NULL));
		if (defined)
			g_assert_true(
				g_hash_table_add(names, (char *)(uintptr_t)ir_info(op)->name));
	}
	g_hash_table_unref(names);
	for (unsigned t = 1; t < BP_T_COUNT; t++) {
		g_assert_cmpuint(ir_types[t].bits, <=, 8u * ir_types[t].bytes);
		g_assert_cmpuint(ir_types[t].bytes & (ir_types[t].bytes - 1u), ==, 0);
	}
}

/* ---- the verifier says no ---- */

/* Text of the records behind the mark, and a part of the sentence. */
static const struct {
	const char *text, *says;
} bad[] = {
	{ "raw 999 0 0 0 0 0 0 0", "no opcode 999" },
	{ "raw 32 200 0 0 0 0 0 0", "type out of range" },
	{ "raw 192 5 0 0 0 0 0 0", "type i64 is none" },
	{ "put.i64 %1 @264", "does not come before it" },
	{ "put.i64 - @264", "does not come before it" },
	{ "nop\nput.i64 %1 @264", "has no result" },
	{ "%1 = const.i32 0x5\nput.i64 %1 @264", "has type i32, expected i64" },
	{ "%1 = get.i64 @5", "not aligned" },
	{ "%1 = get.i64 @8", "in no register" }, /* the pc */
	{ "%1 = get.i64 @-8", "negative" },
	{ "%1 = get.i64 @100000", "in no register" },
	{ "%1 = const.i64 0x5\nputx.i64 %1 %1 @160 8 17", "in no register" },
	{ "%1 = const.i64 0x5\n%2 = getx.i64 %1 @160 4 3", "elements 4 bytes apart" },
	{ "insn imm=0 aux=4", "only the core" },
	{ "more - - - -", "no record that it belongs to" },
	{ "else", "no IF" },
	{ "end", "no IF" },
	{ "%1 = const.i1 0x1\nif %1", "no END" },
	{ "%1 = const.i1 0x1\nif %1\nelse\nelse\nend", "no IF" },
	{ "%1 = const.i1 0x1\nif %1\n%3 = const.i64 0x1\nend\nput.i64 %3 @160",
		"side that is closed" },
	{ "%1 = const.i1 0x1\nif %1\n%3 = const.i64 0x1\nelse\nput.i64 %3 @160\nend",
		"side that is closed" },
	{ "%1 = const.i1 0x1\n%2 = merge.i1 %1 %1", "behind an END" },
	{ "%1 = const.i1 0x1\nif %1\n%3 = const.i64 0x1\nend\n%5 = merge.i64 %3 -",
		"does not come before" },
	{ "%1 = const.i1 0x1\nif %1\n%3 = const.i64 0x1\nend\n%5 = merge.i64 %3 %3",
		"side that is closed" },
	{ "%1 = const.i64 0x1\nif %1\nend", "has type i64, expected i1" },
	{ "%1 = const.i64 0x1\n%2 = ld.i32 %1 mem=64 imm=0", "8 bytes of memory for i32" },
	{ "%1 = const.i64 0x1\n%2 = ld.f64 %1 mem=32 imm=0", "4 bytes of memory for f64" },
	{ "%1 = const.i64 0x1\n%2 = ld.i64 %1 mem=64.regime3 imm=0", "regime 3" },
	{ "%1 = const.i64 0x1\n%2 = raw 160 5 0 0 1 0 15 0", "memop" },
	{ "%1 = const.i64 0x1\n%2 = raw 160 5 0 0 1 0 3 65535", "memop" },
	{ "%1 = const.i64 0x1\nstp.i64 %1 %1 mem=64 imm=0", "MORE record must follow" },
	{ "%1 = const.i64 0x1\nstp.i64 %1 %1 mem=64 imm=0\nmore - - - -", "does not come before" },
	{ "%1 = const.i64 0x1\n%2 = call.i64 %1 - - - imm=0", "does not come before" },
	{ "%1 = const.i64 0x1\n%2 = call.i64 %1 %1 %1 - imm=0", "here are more" },
	{ "%1 = const.i64 0x1\n%2 = call.i64 %1 %1 - - imm=77", "no entry of the type's helpers" },
	{ "%1 = const.i64 0x1\n%2 = call.i64 %1 %1 - - imm=-1", "no entry of the type's helpers" },
	{ "%1 = const.i64 0x1\n%2 = out.i64 %1 imm=1", "no second result" },
	{ "%1 = const.i64 0x1\n%2 = addc.i64 %1 %1 -\n%3 = out.i1 %2 imm=1\n%4 = out.i1 %2 imm=1",
		"twice" },
	{ "%1 = const.i64 0x1\n%2 = addc.i64 %1 %1 -\n%3 = out.i64 %2 imm=1", "no second result" },
	{ "%1 = const.f64 0x1\n%2 = raw 128 13 9 0 1 1 0 0", "floating-point environments" },
	{ "%1 = const.f64 0x1\n%2 = fadd.f64 %1 %1 round=9 aux=0", "rounding mode" },
	{ "%1 = const.i64 0x1\n%2 = ubits.i64 %1 imm=0", "field of 0 bits" },
	{ "%1 = const.i64 0x1\n%2 = ubits.i64 %1 imm=16447", "not inside" },
	{ "%1 = const.i64 0x1\n%2 = sext.i32 %1 from=i64", "cannot be extended" },
	{ "%1 = const.i32 0x1\n%2 = trunc.i64 %1 from=i32", "cannot be truncated" },
	{ "%1 = const.i32 0x1\n%2 = cast.f64 %1 from=i32", "same size" },
	{ "%1 = const.v128 0x1\n%2 = add.v128 %1 %1 lane=f32", "lane type" },
	{ "%1 = const.v128 0x1\n%2 = add.v128 %1 %1 lane=i128", "lane type" },
	{ "%1 = const.v128 0x1\n%2 = vextract.i32 %1 lane=i32 imm=4", "lane 4" },
	{ "%1 = const.v128 0x1\n%2 = vextract.i32 %1 lane=i64 imm=0", "not that of the lanes" },
	{ "%1 = const.v128 0x1\n%2 = vwidens.v128 %1 lane=i64", "wider" },
	{ "%1 = const.v128 0x1\n%2 = vnarrow.v128 %1 lane=i8 imm=0", "narrower" },
	{ "%1 = const.f80 0x1\n%2 = const.i64 0x0\n%3 = ld.f80 %2 mem=128 imm=0", "two parts" },
	{ "%1 = raw 17 4 0 0 0 0 0 0", "PCREL" },
	{ "%1 = const.i64 0x1\nraw 192 0 7 0 1 0 0 0", "aux is 7" },
	{ "raw 188 0 0 5 0 0 0 0", "imm is 5" },
	{ "raw 188 0 0 0 0 0 0 3", "expected nothing" },
	{ "%1 = const.i64 0x1\n%2 = rmw.i128 %1 %1 mem=128 aux=1", "expected i128" },
};

static void test_bad(void)
{
	struct verify_type type = type_of_toy();
	struct bp_ir rec[64];
	uint32_t count;
	bool reaches;
	char error[256];
	for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
		char *text = g_strconcat("insn imm=0 aux=4\n", bad[i].text, NULL);
		if (!ir_read(text, strlen(text), rec, 64, &count, error, sizeof(error)) &&
			rec[0].op != BP_IR_INSN)
			g_error("%s: %s", bad[i].text, error);
		if (!ir_read(text, strlen(text), rec, 64, &count, error, sizeof(error)))
			g_error("%s: %s", bad[i].text, error);
		if (ir_verify(&type, rec, count, 0x1234, &reaches, error, sizeof(error)))
			g_error("verified: %s", bad[i].text);
		if (!strstr(error, bad[i].says))
			g_error("%s: \"%s\" does not say \"%s\"", bad[i].text, error, bad[i].says);
		g_free(text);
	}
}

static void test_nesting(void)
{
	struct verify_type type = type_of_toy();
	struct bp_ir rec[64] = { { .op = BP_IR_INSN } };
	struct bp_ir_cursor c = { .record = rec, .count = 1, .limit = 64 };
	bool reaches = false;
	char error[256];
	unsigned cond = bp_ir_const(&c, BP_T_I1, 1);
	for (unsigned i = 0; i < 17; i++)
		bp_ir_emit(&c, BP_IR_IF, 0, 0, 0, cond, 0, 0, 0);
	g_assert_false(ir_verify(&type, rec, c.count, 0, &reaches, error, sizeof(error)));
	g_assert_nonnull(strstr(error, "more than 16"));
	c.count = 2;
	for (unsigned i = 0; i < 16; i++)
		bp_ir_emit(&c, BP_IR_IF, 0, 0, 0, cond, 0, 0, 0);
	for (unsigned i = 0; i < 16; i++)
		bp_ir_emit(&c, BP_IR_END, 0, 0, 0, 0, 0, 0, 0);
	g_assert_true(ir_verify(&type, rec, c.count, 0, &reaches, error, sizeof(error)));
	g_assert_true(reaches);
	/* both sides leave */
	c.count = 2;
	bp_ir_emit(&c, BP_IR_IF, 0, 0, 0, cond, 0, 0, 0);
	bp_ir_emit(&c, BP_IR_HALT, 0, 0, 0, 0, 0, 0, 0);
	bp_ir_emit(&c, BP_IR_ELSE, 0, 0, 0, 0, 0, 0, 0);
	bp_ir_emit(&c, BP_IR_RESYNC, 0, 0, 0, 0, 0, 0, 0);
	bp_ir_emit(&c, BP_IR_END, 0, 0, 0, 0, 0, 0, 0);
	g_assert_true(ir_verify(&type, rec, c.count, 0, &reaches, error, sizeof(error)));
	g_assert_false(reaches);
	g_assert_false(ir_verify(&type, rec, 0, 0, &reaches, error, sizeof(error)));
	g_assert_false(ir_verify(&type, rec + 1, 3, 0, &reaches, error, sizeof(error)));
}

static void seed_state(struct toy *t, GRand *rand)
{
	uint8_t *p = (uint8_t *)t->s->r, *end = (uint8_t *)(t->s + 1);
	for (; p < end; p++)
		*p = (uint8_t)g_rand_int(rand);
	t->s->rounding = BP_ROUND_UP;
	memset(t->ram, 0, TOY_RAM);
	for (unsigned i = 0; i < 4096; i++)
		t->ram[0x8000 + i] = (uint8_t)g_rand_int(rand);
	/* I1 and FLAGS registers hold what such types can */
	for (unsigned i = 0; i < 16; i++)
		t->s->r[i] &= UINT64_C(0x0101010101010101);
	for (unsigned i = 0; i < sizeof(t->s->v); i++)
		((uint8_t *)t->s->v)[i] &= 1;
	t->s->count = t->s->cause = 0;
	t->s->value = t->s->fault_pc = t->s->fault_icount = 0;
	t->s->head.icount = t->s->head.key = 0;
	t->watching = false;
	memset(t->tlb, 0xff, sizeof(t->tlb));
}

/* Records of random bits, and valid ones with something changed: a sentence or a block, no crash. */
static void test_hostile(void)
{
	struct verify_type type = type_of_toy();
	struct toy *t = toy_create();
	struct interp *in = t->jit.engine;
	GRand *rand = g_rand_new_with_seed((guint32)g_test_rand_int());
	struct stream s;
	bool reaches;
	char error[256];
	for (unsigned n = 0; n < 20000; n++) {
		stream_random(&s, rand, 3 + n % 40);
		for (unsigned k = 0; k < 1 + n % 3; k++) {
			uint8_t *r = (uint8_t *)&s.rec[g_rand_int_range(rand, 0, (int)s.count)];
			r[g_rand_int_range(rand, 0, 16)] =
				(uint8_t)(g_rand_boolean(rand) ? g_rand_int_range(rand, 0, 8)
							       : g_rand_int_range(rand, 0, 256));
		}
		error[0] = 0;
		if (!ir_verify(&type, s.rec, s.count, 0x1000, &reaches, error, sizeof(error))) {
			g_assert_cmpuint(strlen(error), >, 20);
			continue;
		}
		struct ir_block *ir = in->ir;
		*ir = (struct ir_block){
			.insns = 1, .records = s.count, .bytes = 4, .falls_through = reaches
		};
		ir->insn[0] = (struct ir_insn){ .records = s.count, .length = 4 };
		memcpy(ir->record, s.rec, s.count * sizeof(*s.rec));
		ir->pc = TOY_BASE;
		ir->code = (struct jit_code){ .ram = t->ram, .avail = TOY_PAGE };
		struct block *b = compile(in->compiler, ir, error, sizeof(error));
		if (!b)
			g_error("%s", error);
		b->limit = JIT_BLOCK_INSNS;
		code_cache_flush();
		cache_insert(b, cache_prepare());
		seed_state(t, rand);
		toy_run(t, TOY_BASE, 1);
	}
	g_rand_free(rand);
	toy_destroy(t);
}

/* ---- text ---- */

static void round_trip(const struct bp_ir *rec, uint32_t count)
{
	GString *text = g_string_new(NULL);
	struct bp_ir *again = g_new0(struct bp_ir, count + 1);
	uint32_t n;
	char error[128];
	ir_print(text, rec, count);
	if (!ir_read(text->str, text->len, again, count + 1, &n, error, sizeof(error)))
		g_error("%s\n%s", error, text->str);
	g_assert_cmpuint(n, ==, count);
	g_assert_cmpint(memcmp(again, rec, count * sizeof(*rec)), ==, 0);
	g_string_free(text, TRUE);
	g_free(again);
}

static void test_text(void)
{
	GRand *rand = g_rand_new_with_seed((guint32)g_test_rand_int());
	struct stream s;
	for (unsigned n = 0; n < 500; n++) {
		stream_random(&s, rand, 60);
		round_trip(s.rec, s.count);
		for (unsigned i = 0; i < s.count * sizeof(*s.rec); i += 7)
			((uint8_t *)s.rec)[i] = (uint8_t)g_rand_int(rand);
		round_trip(s.rec, s.count);
	}
	g_rand_free(rand);
}

static void test_text_form(void)
{
	static const char text[] =
		"insn imm=0 aux=4\n%1 = get.i64 @160\n%2 = add.i64 %1 #-8\n"
		"%3 = ld.i32 %2 mem=16.s.be.acquire imm=4\n%4 = sext.i64 %3 from=i32\n"
		"put.i64 %4 @168\n%6 = pcrel.i64 0 32 imm=4\njump %6 - - aux=0\n";
	struct bp_ir rec[16];
	uint32_t n;
	char error[128];
	GString *out = g_string_new(NULL);
	if (!ir_read(text, strlen(text), rec, 16, &n, error, sizeof(error)))
		g_error("%s", error);
	ir_print(out, rec, n);
	g_assert_cmpstr(out->str, ==, text);
	g_assert_cmphex(bp_ir_memop(&rec[3]), ==,
		BP_MEM_16 | BP_MEM_SIGNED | BP_MEM_BIG_ENDIAN | BP_MEM_ACQUIRE);
	g_string_free(out, TRUE);
	static const char *const wrong[] = { "frob", "add.i63 %1 %2", "%5 = const.i64 0x1",
		"const.i64 0x1", "%0 = nop", "put.i64 %1 %2 @8", "%0 = add.i64 #1 %1",
		"%0 = ld.i64 %1 mem=24 imm=0", "%0 = ld.i64 %1 mem=64.frob imm=0", "raw 1 2 3",
		"raw 1 2 3 4 5 6 7 8 9", "raw 1 2 3 4 5 6 7 x", "nop imm=99999999999",
		"%0 = const.i64 0x1ffffffffffffffff" };
	for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
		if (ir_read(wrong[i], strlen(wrong[i]), rec, 16, &n, error, sizeof(error)))
			g_error("read: %s", wrong[i]);
		g_assert_nonnull(strstr(error, "line 1: "));
	}
	g_assert_true(ir_read("; nothing\n\n  \n", 13, rec, 16, &n, error, sizeof(error)));
	g_assert_cmpuint(n, ==, 0);
	g_assert_false(ir_read("nop\nnop\n", 8, rec, 1, &n, error, sizeof(error)));
	g_assert_false(ir_read("nop\0x", 5, rec, 1, &n, error, sizeof(error)));
}

/* ---- random streams run alike with and without shortcuts, and faults undo ---- */

static void run_stream(struct toy *t, const struct stream *s, bool reaches, bool plain)
{
	struct interp *in = t->jit.engine;
	struct ir_block *ir = in->ir;
	char error[256];
	in->compiler->plain = plain;
	*ir = (struct ir_block){ .pc = TOY_BASE,
		.code = { .ram = t->ram, .avail = TOY_PAGE },
		.insns = 1,
		.records = s->count,
		.bytes = 4,
		.falls_through = reaches };
	ir->insn[0] = (struct ir_insn){ .records = s->count, .length = 4 };
	memcpy(ir->record, s->rec, s->count * sizeof(*s->rec));
	struct block *b = compile(in->compiler, ir, error, sizeof(error));
	if (!b)
		g_error("%s", error);
	in->compiler->plain = false;
	b->limit = JIT_BLOCK_INSNS;
	code_cache_flush();
	cache_insert(b, cache_prepare());
	toy_run(t, TOY_BASE, 1);
}

static void test_streams(void)
{
	struct toy *t = toy_create();
	struct verify_type type = type_of_toy();
	struct toy_state *before = aligned_alloc(64, sizeof(*before)),
			 *plain = aligned_alloc(64, sizeof(*plain));
	uint8_t *ram = g_malloc(TOY_RAM);
	unsigned faults = 0;
	unsigned rounds = g_test_slow() ? 200000 : 5000;
	for (unsigned n = 0; n < rounds; n++) {
		guint32 seed = (guint32)g_test_rand_int();
		GRand *rand = g_rand_new_with_seed(seed);
		struct stream s;
		bool reaches;
		char error[256];
		GString *text = g_string_new(NULL);
		stream_random(&s, rand, 4 + n % 60);
		ir_print(text, s.rec, s.count);
		if (!ir_verify(&type, s.rec, s.count, TOY_BASE, &reaches, error, sizeof(error)))
			g_error("%s\n%s", error, text->str);
		GRand *same = g_rand_copy(rand);
		seed_state(t, rand);
		memcpy(before, t->s, sizeof(*before));
		run_stream(t, &s, reaches, true);
		memcpy(plain, t->s, sizeof(*plain));
		memcpy(ram, t->ram, TOY_RAM);
		seed_state(t, same);
		run_stream(t, &s, reaches, false);
		if (memcmp(plain->r, t->s->r, sizeof(*plain) - offsetof(struct toy_state, r)) !=
				0 ||
			plain->head.pc != t->s->head.pc || memcmp(ram, t->ram, TOY_RAM) != 0)
			g_error("with and without shortcuts differ: pc %" PRIx64 " %" PRIx64
				", key %" PRIx64 " %" PRIx64 ", causes %u %u:\n%s",
				plain->head.pc, t->s->head.pc, plain->head.key, t->s->head.key,
				plain->cause, t->s->cause, text->str);
		faults += t->s->count;
		if (t->s->count && !s.commits &&
			memcmp(before->r, t->s->r,
				offsetof(struct toy_state, cause) -
					offsetof(struct toy_state, r)) != 0)
			g_error("a fault did not undo:\n%s", text->str);
		g_string_free(text, TRUE);
		g_rand_free(rand);
		g_rand_free(same);
	}
	g_assert_cmpuint(faults, >, rounds / 100);
	g_test_message("%u of %u faulted", faults, rounds);
	free(before);
	free(plain);
	g_free(ram);
	toy_destroy(t);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/jit/ir/table", test_table);
	g_test_add_func("/jit/ir/bad", test_bad);
	g_test_add_func("/jit/ir/nesting", test_nesting);
	g_test_add_func("/jit/ir/text", test_text);
	g_test_add_func("/jit/ir/text-form", test_text_form);
	g_test_add_func("/jit/ir/hostile", test_hostile);
	g_test_add_func("/jit/ir/streams", test_streams);
	return g_test_run();
}
