/* SPDX-License-Identifier: MIT */
/* Any records are refused with a sentence, or can be compiled, printed and read back. */
#include "core/jit/compile.h"
#include "core/jit/ir_text.h"
#include "fuzz.h"
#include <stdio.h>
#include <stdlib.h>

struct state {
	struct bp_cpu_head head;
	uint64_t r[32];
	uint32_t rounding, flags;
	uint8_t v[32][64];
};

static int helper(void *cpu, uint64_t *args)
{
	(void)cpu;
	(void)args;
	return BP_H_OK;
}

static const struct bp_reg_range writes[] = { { offsetof(struct state, r), 64 }, { 0, 0 } };
static const struct bp_helper helpers[] = {
	{ "none", helper, 0, 0, { 0 }, BP_HELPER_RAISES, NULL, NULL },
	{ "some", helper, 2, 1, { 0 }, 0, NULL, writes },
	{ "many", helper, 8, 4, { 0 }, BP_HELPER_ANY_REG | BP_HELPER_KEY, NULL, NULL },
	{ NULL, NULL, 0, 0, { 0 }, 0, NULL, NULL },
};
static const struct bp_fp_env envs[] = {
	{ sizeof(struct bp_fp_env), BP_ROUND_DYNAMIC, 0, 0, offsetof(struct state, rounding),
		offsetof(struct state, flags) },
	{ sizeof(struct bp_fp_env), 0, 0, 0, 0, 0 },
	{ 0, 0, 0, 0, 0, 0 },
};
static const struct bp_regime regimes[] = { { "a", 0, 0 }, { "b", 0, 0 }, { NULL, 0, 0 } };
static const struct bp_cpu_reg regs[] = {
	{ "r", "general", offsetof(struct state, r), BP_T_I64, 0, { 0 }, 32, 8 },
	{ "flags", "float", offsetof(struct state, flags), BP_T_I32, 0, { 0 }, 0, 0 },
	{ "v", "vector", offsetof(struct state, v), BP_T_V512, 0, { 0 }, 32, 64 },
	{ NULL, NULL, 0, 0, 0, { 0 }, 0, 0 },
};
static const struct bp_cpu type = { .size = sizeof(type),
	.address_bits = 32,
	.page_bits = 12,
	.insn_max = 16,
	.regs = regs,
	.helpers = helpers,
	.fp_envs = envs,
	.regimes = regimes };

static void check(bool ok, const char *what)
{
	if (!ok) {
		fprintf(stderr, "%s\n", what);
		abort();
	}
}

static void check_text(const struct bp_ir *record, uint32_t count)
{
	struct bp_ir *again = g_new0(struct bp_ir, count);
	GString *text = g_string_new(NULL);
	char error[128];
	uint32_t n;
	ir_print(text, record, count);
	check(ir_read(text->str, text->len, again, count, &n, error, sizeof(error)) && n == count &&
			memcmp(again, record, count * sizeof(*again)) == 0,
		"What was printed does not read back equal.");
	g_string_free(text, TRUE);
	g_free(again);
}

static void check_compile(const struct bp_ir *record, uint32_t count, bool reaches)
{
	struct state state = { .head.index = 0 };
	struct jit_cpu cpu = {
		.head = &state.head, .type = &type, .page_bits = 12, .page_mask = ~UINT64_C(0xfff)
	};
	char error[256] = "";
	interp_init(&cpu, (sizeof(state) + 63u) & ~63u);
	struct interp *in = cpu.engine;
	*in->ir = (struct ir_block){
		.pc = 0x1000, .insns = 1, .records = count, .bytes = 4, .falls_through = reaches
	};
	in->ir->insn[0] = (struct ir_insn){ .records = count, .length = 4 };
	memcpy(in->ir->record, record, count * sizeof(*record));
	struct block *b = compile(in->compiler, in->ir, error, sizeof(error));
	/* What one instruction needs at most can be more than there is. */
	check(b || strstr(error, "temporaries"), error);
	g_free(b);
	interp_finish(&cpu);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint32_t strides[3];
	struct verify_type tables = verify_type_of(&type, strides);
	uint32_t count = (uint32_t)MIN(size / sizeof(struct bp_ir), BP_IR_INSN_LIMIT) + 1;
	struct bp_ir *record = g_new0(struct bp_ir, count);
	char error[256] = "";
	bool reaches;
	record[0].op = BP_IR_INSN;
	if (count > 1)
		memcpy(record + 1, data, (count - 1) * sizeof(*record));
	check_text(record, count);
	if (ir_verify(&tables, record, count, 0x1000, &reaches, error, sizeof(error)))
		check_compile(record, count, reaches);
	else
		check(error[0] && strlen(error) < sizeof(error),
			"Records were refused without a word.");
	g_free(record);
	return 0;
}
