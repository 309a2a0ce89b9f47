/* SPDX-License-Identifier: MIT */
#include "ir_table.h"
#include "ir_text.h"
#include <string.h>

const struct ir_memop_name ir_memop_names[] = {
	{ BP_MEM_SIGNED, "s" },
	{ BP_MEM_BIG_ENDIAN, "be" },
	{ BP_MEM_ALIGNED, "aligned" },
	{ BP_MEM_ALIGNED_ATOMIC, "aligned_atomic" },
	{ BP_MEM_ATOMIC, "atomic" },
	{ BP_MEM_ACQUIRE, "acquire" },
	{ BP_MEM_RELEASE, "release" },
	{ BP_MEM_SEQ_CST, "seq_cst" },
	{ BP_MEM_EXEC_PERMISSION, "exec" },
	{ BP_MEM_WRITE_INTENT, "write_intent" },
	{ 0, NULL },
};

static void print_memop(GString *out, uint32_t memop)
{
	unsigned regime = (memop & BP_MEM_REGIME) >> BP_MEM_REGIME_SHIFT;
	g_string_append_printf(out, " mem=%u", 8u << (memop & BP_MEM_SIZE));
	for (const struct ir_memop_name *m = ir_memop_names; m->name; m++)
		if (memop & m->bit)
			g_string_append_printf(out, ".%s", m->name);
	if (regime)
		g_string_append_printf(out, ".regime%u", regime);
}

static const char *type_name(unsigned type)
{
	return type < BP_T_COUNT ? ir_types[type].name : "?";
}

static void print_arg(GString *out, const struct bp_ir *r, const struct ir_info *info, unsigned n)
{
	switch (info->arg[n]) {
	case ARG_NONE: break;
	case ARG_SAME_OR_IMM:
		if (r->aux & BP_IR_IMM) {
			g_string_append_printf(out, " #%d", r->imm);
			break;
		}
		g_string_append_printf(out, " %%%u", r->arg[n]);
		break;
	case ARG_TYPE: g_string_append_printf(out, " type=%s", type_name(r->arg[n])); break;
	case ARG_LANE:
		if (ir_types[r->type].class == IR_VECTOR || !(info->props & IR_LANES))
			g_string_append_printf(out, " lane=%s", type_name(r->arg[n]));
		else if (r->arg[n])
			g_string_append_printf(out, " round=%d", r->arg[n] - 1);
		break;
	case ARG_NUMBER: g_string_append_printf(out, " %u", r->arg[n]); break;
	case ARG_MEMOP:
		if (n == 2)
			print_memop(out, bp_ir_memop(r));
		break;
	case ARG_WIDE:
		if (n == 0)
			g_string_append_printf(out, " 0x%" G_GINT64_MODIFIER "x", bp_ir_wide(r));
		break;
	default:
		if (r->arg[n])
			g_string_append_printf(out, " %%%u", r->arg[n]);
		else
			g_string_append(out, " -");
		break;
	}
}

bool ir_print_words(GString *out, const struct bp_ir *r)
{
	const struct ir_info *info = ir_info(r->op);
	struct bp_ir again;
	gsize start = out->len;
	bool same = false;
	if (!info || r->type >= BP_T_COUNT)
		return false;
	g_string_append(out, info->name);
	if (r->type)
		g_string_append_printf(out, ".%s", ir_types[r->type].name);
	for (unsigned n = 0; n < 4; n++)
		print_arg(out, r, info, n);
	if (info->imm == IMM_OFFSET)
		g_string_append_printf(out, " @%d", r->imm);
	else if (info->imm != IMM_OPERAND && info->imm != IMM_NONE)
		g_string_append_printf(out, " imm=%d", r->imm);
	if (info->aux == AUX_TYPE)
		g_string_append_printf(out, " from=%s", type_name(r->aux));
	else if (info->aux != AUX_NONE && info->aux != AUX_IMM)
		g_string_append_printf(out, " aux=%u", r->aux);
	/* The words are right if they read back as the record. */
	char *line = g_strdup(out->str + start);
	same = !ir_read_words(line, &again) && memcmp(&again, r, sizeof(again)) == 0;
	g_free(line);
	if (!same)
		g_string_truncate(out, start);
	return same;
}

void ir_print(GString *out, const struct bp_ir *record, uint32_t count)
{
	uint32_t mark = 0;
	for (uint32_t i = 0; i < count; i++) {
		const struct bp_ir *r = &record[i];
		if (r->op == BP_IR_INSN)
			mark = i;
		if (ir_result_type(r) != BP_T_NONE)
			g_string_append_printf(out, "%%%u = ", i - mark);
		if (!ir_print_words(out, r))
			g_string_append_printf(out, "raw %u %u %u %d %u %u %u %u", r->op, r->type,
				r->aux, r->imm, r->arg[0], r->arg[1], r->arg[2], r->arg[3]);
		g_string_append_c(out, '\n');
	}
}
