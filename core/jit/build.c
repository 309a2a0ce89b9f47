/* SPDX-License-Identifier: MIT */
#include "build.h"
#include "ir_table.h"
#include "verify.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

struct fetcher { /* one call of translate */
	struct bp_insn in; /* first: what translate sees */
	struct jit_cpu *cpu;
	uint8_t bytes[INSN_BYTES_MAX];
	uint32_t have; /* so many are read */
	const uint8_t *from;
	uint32_t left; /* in the page, from the instruction on */
	bool may_cross, faulted;
	struct jit_given *given;
};

/* The bytes behind the page's end, if they are wanted and the next page can be fetched. */
static bool fetch_second(struct fetcher *f, uint32_t want)
{
	uint64_t pc = f->in.pc + f->left;
	if (!f->may_cross)
		return false;
	const struct jit_code *second = &f->given->code[1];
	if (f->given->count < 2) {
		if (f->cpu->type->address_bits == 32)
			pc = (uint32_t)pc;
		/* The second fetch may reuse what the first one's bytes lie in: they are copied. */
		if (f->cpu->host->fetch(f->cpu, pc, f->in.key, &f->given->code[1]) != BP_H_OK) {
			f->faulted = true;
			return false;
		}
		f->given->count = 2;
	}
	if (want - f->left > second->avail)
		return false;
	memcpy(f->bytes + f->left, second->bytes, want - f->left);
	f->have = want;
	return true;
}

static const uint8_t *fetch(struct bp_insn *in, uint32_t offset, uint32_t len)
{
	struct fetcher *f = (struct fetcher *)in;
	if (offset > INSN_BYTES_MAX || len > INSN_BYTES_MAX - offset)
		return NULL;
	uint32_t want = offset + len;
	if (want > f->have && (f->faulted || f->have < f->left || !fetch_second(f, want)))
		return NULL;
	return f->bytes + offset;
}

/* For the second translation: the bytes that the first one saw. */
static const uint8_t *fetch_again(struct bp_insn *in, uint32_t offset, uint32_t len)
{
	struct fetcher *f = (struct fetcher *)in;
	return offset <= f->have && len <= f->have - offset ? f->bytes + offset : NULL;
}

static void fetcher_init(struct fetcher *f, struct jit_cpu *cpu, uint64_t pc, uint64_t key,
	const uint8_t *from, uint32_t left)
{
	memset(f, 0, sizeof(*f));
	f->in.size = sizeof(f->in);
	f->in.index = cpu->head->index;
	f->in.pc = pc;
	f->in.key = f->in.next_key = key;
	f->in.fetch = fetch;
	f->cpu = cpu;
	f->left = left;
	f->have = left < INSN_BYTES_MAX ? left : INSN_BYTES_MAX;
	memcpy(f->bytes, from, f->have);
}

static int translate(struct fetcher *f, struct bp_ir *record, uint32_t *count, bool *overflow)
{
	struct bp_ir_cursor c = { .record = record, .count = 1, .limit = BP_IR_INSN_LIMIT };
	memset(record, 0, sizeof(*record));
	int status = f->cpu->type->translate(f->cpu->config, &f->in, &c);
	*count = c.count;
	*overflow = c.overflow != 0;
	return status;
}

/* Translate the same bytes at an address that differs in every bit above the page's: the records
 * must not know where they are. */
static bool check_pure(struct fetcher *f, const struct bp_ir *record, uint32_t count)
{
	struct bp_ir again[BP_IR_INSN_LIMIT];
	struct fetcher g = *f;
	uint32_t n;
	bool overflow;
	uint64_t mask = f->cpu->type->address_bits == 32 ? UINT32_MAX : UINT64_MAX;
	g.in.pc = f->in.pc ^ (f->cpu->page_mask & mask);
	g.in.fetch = fetch_again;
	g.in.length = 0;
	g.in.next_key = g.in.key;
	return translate(&g, again, &n, &overflow) == BP_TR_OK && !overflow && n == count &&
		g.in.length == f->in.length && g.in.next_key == f->in.next_key &&
		memcmp(again + 1, record + 1, (n - 1) * sizeof(*again)) == 0;
}

static enum build_status frontend_error(
	struct ir_block *out, const struct fetcher *f, const char *what)
{
	char bytes[2 * INSN_BYTES_MAX + 1] = "";
	for (uint32_t i = 0; i < f->have && i < 8; i++)
		snprintf(bytes + 2 * i, 3, "%02x", f->bytes[i]);
	snprintf(out->error, sizeof(out->error),
		"the CPU frontend failed at guest address 0x%" PRIx64 " (key 0x%" PRIx64
		", bytes %s): %.*s",
		f->in.pc, f->in.key, bytes, 120, what);
	return BUILD_ERROR;
}

enum step { STEP_OK, STEP_END, STEP_FAULT, STEP_ERROR };

/* Whether the instruction calls a helper after which the key is anyone's guess. */
static bool changes_key(const struct verify_type *type, const struct bp_ir *record, uint32_t count)
{
	for (uint32_t i = 1; i < count; i++)
		if (record[i].op == BP_IR_CALL &&
			verify_helper(type, record[i].imm)->flags & BP_HELPER_KEY)
			return true;
	return false;
}

static enum step check(struct fetcher *f, const struct bp_ir *record, uint32_t count, bool overflow,
	struct ir_block *out)
{
	struct jit_cpu *cpu = f->cpu;
	struct verify_type type = verify_type_of(cpu->type, cpu->field_strides);
	char error[sizeof(out->error)];
	if (overflow) {
		frontend_error(out, f, "more records for one instruction than the limit of 1024");
	} else if (!f->in.length || f->in.length > f->have || f->in.length > INSN_BYTES_MAX) {
		frontend_error(out, f, "its length is 0, or it was not fetched");
	} else if (!ir_verify(&type, record, count, f->in.pc, &out->falls_through, error,
			   sizeof(error))) {
		/* names the address itself */
		memcpy(out->error, error, sizeof(out->error));
	} else if (cpu->check_ir && !check_pure(f, record, count)) {
		frontend_error(out, f,
			"its records are others at another address; use PCREL for what depends on "
			"the pc");
	} else {
		out->resync = changes_key(&type, record, count);
		return STEP_OK;
	}
	return STEP_ERROR;
}

static enum step one(
	struct jit_cpu *cpu, struct jit_given *given, struct ir_block *out, uint64_t key)
{
	struct fetcher f;
	struct bp_ir *record = out->record + out->records;
	struct ir_insn *insn = &out->insn[out->insns];
	uint32_t count;
	bool overflow;
	uint32_t left = out->code.avail - out->bytes;
	fetcher_init(&f, cpu, out->pc + out->bytes, key, out->code.bytes + out->bytes, left);
	f.given = given;
	f.may_cross = out->insns == 0;
	int status = translate(&f, record, &count, &overflow);
	if (status == BP_TR_FETCH && f.faulted)
		return STEP_FAULT;
	if (status != BP_TR_OK && out->insns)
		return STEP_END; /* the next block begins with it and says what is wrong */
	if (status != BP_TR_OK) {
		frontend_error(out, &f,
			status == BP_TR_FETCH ? "it wants more bytes than an instruction can have"
					      : "it could not translate the instruction");
		return STEP_ERROR;
	}
	/* What was fetched behind the page's end counts only if the instruction has it. */
	out->crosses = f.given->count > 1 && f.in.length > left;
	out->second = f.given->code[1];
	record[0] = (struct bp_ir){
		.op = BP_IR_INSN, .aux = (uint8_t)f.in.length, .imm = (int32_t)out->bytes
	};
	enum step step = check(&f, record, count, overflow, out);
	if (step != STEP_OK)
		return out->insns ? STEP_END : step;
	*insn = (struct ir_insn){ .record = out->records,
		.records = count,
		.offset = out->bytes,
		.length = f.in.length,
		.key = key,
		.next_key = f.in.next_key };
	memcpy(insn->bytes, f.bytes, f.in.length);
	out->records += count;
	out->bytes += f.in.length;
	out->insns++;
	return STEP_OK;
}

/* Whether the instruction ends with a jump to one of two known places, and the next instruction is
 * one of them. */
static bool goes_on(const struct ir_block *b, const struct ir_insn *insn, unsigned address_bits)
{
	const struct bp_ir *record = b->record + insn->record, *jump = record + insn->records - 1;
	if (jump->op != BP_IR_JUMP || jump->arg[1] || insn->next_key != insn->key)
		return false;
	const struct bp_ir *select = record + jump->arg[0];
	if (select->op != BP_IR_SELECT)
		return false;
	const struct bp_ir *a = record + select->arg[1], *other = record + select->arg[2];
	if (!ir_is_plain_pcrel(a, address_bits) || !ir_is_plain_pcrel(other, address_bits))
		return false;
	/* A way back is the more likely one: behind it begins other code. */
	if (a->imm == (int32_t)insn->length)
		return other->imm > 0;
	return other->imm == (int32_t)insn->length && a->imm > 0;
}

enum build_status build_block(struct jit_cpu *cpu, uint64_t pc, uint64_t key,
	struct jit_given *given, uint32_t limit, bool superblock, struct ir_block *out)
{
	unsigned regime = cpu->type->fetch_regime(cpu->config, key);
	out->pc = pc;
	out->key = key;
	const struct jit_code *code = &given->code[0];
	out->code = *code;
	out->insns = out->records = out->bytes = 0;
	out->crosses = out->resync = false;
	out->falls_through = true;
	out->error[0] = 0;
	if (limit > JIT_BLOCK_INSNS)
		limit = JIT_BLOCK_INSNS;
	if (!code->ram || !limit)
		limit = 1;
	do {
		switch (one(cpu, given, out, key)) {
		case STEP_FAULT: return BUILD_FAULT;
		case STEP_ERROR: return BUILD_ERROR;
		case STEP_END: out->falls_through = true; return BUILD_OK;
		default: break;
		}
		/* A key is part of what code means: the next instruction is translated with the new
		 * one, unless it would have to be fetched otherwise. */
		key = out->insn[out->insns - 1].next_key;
		if (superblock && !out->falls_through)
			out->falls_through = out->insn[out->insns - 1].side_exit =
				goes_on(out, &out->insn[out->insns - 1], cpu->type->address_bits);
		if (cpu->type->fetch_regime(cpu->config, key) != regime)
			break;
	} while (out->falls_through && !out->resync && out->insns < limit &&
		out->bytes < code->avail && out->records <= BLOCK_RECORDS - BP_IR_INSN_LIMIT);
	return BUILD_OK;
}
