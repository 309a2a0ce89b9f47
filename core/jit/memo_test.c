/* SPDX-License-Identifier: MIT */
/* Which accesses of a block get a memo. */
#include "ir_text.h"
#include "memo.h"

/* An instruction: its mark, then its records. Registers are named by their offsets: 8, 16, 24. */
#define I                  "insn imm=0 aux=4\n"
#define LOAD_BY(reg, to)   I "%1 = get.i64 @" reg "\n%2 = ld.i64 %1 mem=64\nput.i64 %2 @" to "\n"
#define STORE_BY(reg)      I "%1 = get.i64 @" reg "\n%2 = get.i64 @8\nst.i64 %1 %2 mem=64\n"
#define MOVE(reg, by)      I "%1 = get.i64 @" reg "\n%2 = add.i64 %1 #" by "\nput.i64 %2 @" reg "\n"
#define BYTE_BY(reg, to)   I "%1 = get.i64 @" reg "\n%2 = ld.i64 %1 mem=8\nput.i64 %2 @" to "\n"
#define WORD_BY(reg, to)   I "%1 = get.i64 @" reg "\n%2 = ld.i64 %1 mem=32.s\nput.i64 %2 @" to "\n"
#define SHIFT(reg, n)      I "%1 = get.i64 @" reg "\n%2 = shl.i64 %1 #" n "\nput.i64 %2 @" reg "\n"
#define SHIFT_BACK(reg, n) I "%1 = get.i64 @" reg "\n%2 = shr.i64 %1 #" n "\nput.i64 %2 @" reg "\n"
#define MASK(reg, n)       I "%1 = get.i64 @" reg "\n%2 = and.i64 %1 #" n "\nput.i64 %2 @" reg "\n"
#define ADD_TO(reg, to)                                                                            \
	I "%1 = get.i64 @" reg "\n%2 = get.i64 @" to "\n%3 = add.i64 %1 %2\nput.i64 %3 @" to "\n"
#define COUNT(reg)                                                                                 \
	I "%1 = get.i64 @" reg "\n%2 = trunc.i32 %1 from=i64\n%3 = add.i32 %2 #1\n"                \
	  "%4 = sext.i64 %3 from=i32\nput.i64 %4 @" reg "\n"
#define COPY(reg, to) I "%1 = get.i64 @" reg "\nput.i64 %1 @" to "\n"

static const struct {
	const char *name, *text;
	bool loop;
	const char *plan; /* by access: a memo's number, ! where the access fills it, - for none */
	uint64_t maybe; /* instructions that may be jumped over */
} rows[] = {
	{ "too few to pay", LOAD_BY("16", "8") LOAD_BY("16", "8"), false, "--" },
	{ "three pay", LOAD_BY("16", "8") LOAD_BY("16", "8") LOAD_BY("16", "8"), false, "!00" },
	{ "what may be jumped over fills none",
		LOAD_BY("16", "8") LOAD_BY("16", "8") LOAD_BY("16", "8") LOAD_BY("16", "8"), false,
		"-!00", 1 },
	{ "and looks at one that is filled",
		LOAD_BY("16", "8") LOAD_BY("16", "8") LOAD_BY("16", "8"), false, "!00", 2 },
	{ "a loop's entry fills them", LOAD_BY("16", "8") LOAD_BY("16", "8"), true, "00", 1 },
	{ "stores look elsewhere than loads", LOAD_BY("16", "8") STORE_BY("16"), true, "01" },
	{ "another value in between", LOAD_BY("16", "8") LOAD_BY("8", "16") LOAD_BY("16", "8"),
		false, "---" },
	{ "once a round", LOAD_BY("16", "8"), true, "0" },
	{ "a pointer walks", LOAD_BY("16", "8") MOVE("16", "8"), true, "0" },
	{ "a pointer jumps", LOAD_BY("16", "8") MOVE("16", "4096"), true, "-" },
	{ "a list", LOAD_BY("16", "16"), true, "-" },
	{ "an index walks",
		COPY("16", "32") SHIFT("32", "3") ADD_TO("24", "32") LOAD_BY("32", "8") COUNT("16"),
		true, "0" },
	{ "a byte is the index",
		BYTE_BY("16", "32") SHIFT("32", "2") ADD_TO("24", "32") LOAD_BY("32", "8")
			MOVE("16", "1"),
		true, "01" },
	{ "a byte of big entries",
		BYTE_BY("16", "32") SHIFT("32", "6") ADD_TO("24", "32") LOAD_BY("32", "8"), true,
		"0-" },
	{ "a word is the index",
		WORD_BY("16", "32") SHIFT("32", "2") ADD_TO("24", "32") LOAD_BY("32", "8"), true,
		"0-" },
	{ "masked",
		WORD_BY("16", "32") MASK("32", "63") SHIFT("32", "2") ADD_TO("24", "32")
			LOAD_BY("32", "8"),
		true, "01" },
	{ "some bits",
		WORD_BY("16", "32") SHIFT_BACK("32", "56") ADD_TO("24", "32") LOAD_BY("32", "8"),
		true, "01" },
};

static void plan_of(const char *text, bool loop, uint64_t maybe, char *found)
{
	static struct ir_block b;
	static struct memo_plan plan;
	char error[256];
	b = (struct ir_block){ 0 };
	if (!ir_read(text, strlen(text), b.record, BLOCK_RECORDS, &b.records, error, sizeof(error)))
		g_error("%s", error);
	for (uint32_t i = 0; i < b.records; i++) {
		if (b.record[i].op == BP_IR_INSN)
			b.insn[b.insns++].record = i;
		b.insn[b.insns - 1].records++;
	}
	memo_plan(&plan, &b, b.insns, loop, maybe);
	for (uint32_t i = 0; i < b.records; i++)
		if (b.record[i].op == BP_IR_LD || b.record[i].op == BP_IR_ST)
			*found++ = plan.of[i] == NO_MEMO  ? '-'
				: plan.of[i] & MEMO_FIRST ? '!'
							  : (char)('0' + plan.of[i]);
	*found = 0;
}

static void test_plans(void)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
		char found[16];
		plan_of(rows[i].text, rows[i].loop, rows[i].maybe, found);
		if (strcmp(found, rows[i].plan))
			g_error("%s: the plan is %s, not %s", rows[i].name, found, rows[i].plan);
	}
}

/* Values that are used twice again and again: looking through them ends. */
static void test_depth(void)
{
	GString *text = g_string_new(I "%1 = get.i64 @16\n");
	char found[16];
	for (unsigned n = 2; n < 60; n++)
		g_string_append_printf(text, "%%%u = add.i64 %%%u %%%u\n", n, n - 1, n - 1);
	g_string_append(text, "put.i64 %59 @16\n" LOAD_BY("16", "8"));
	plan_of(text->str, true, 0, found);
	g_assert_cmpstr(found, ==, "-");
	g_string_free(text, TRUE);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/memo/plans", test_plans);
	g_test_add_func("/memo/depth", test_depth);
	return g_test_run();
}
