/* SPDX-License-Identifier: MIT */
#include "memo.h"
#include "ir_table.h"
#include <glib.h>
#include <string.h>

enum {
	RUNS = 64,
	WORTH = 3, /* accesses that pay for filling a memo on the way */
	STRIDE = 512, /* a register that moves by more leaves its page too soon */
	NEAR = 2048, /* a register that is computed anew, likewise */
	FAR_BITS = 20,
	ANYWHERE = 1 << FAR_BITS, /* what need not be told from farther */
	REGISTERS = 64,
	DEPTH = 8 /* of what an address is computed from, in an instruction */
};

struct run { /* accesses by one version of a base register */
	struct memo memo;
	unsigned uses, first; /* record of the block */
	bool closed; /* the register has become another one */
	bool loops; /* in every round about where it was in the one before */
};

struct reach { /* how far a register may be from what it was in the round before */
	uint32_t reg, by;
};

struct planner {
	struct memo_plan *plan;
	const struct ir_block *ir;
	bool loop; /* the block is one */
	unsigned runs, written;
	struct run run[RUNS];
	struct reach reach[REGISTERS]; /* of those that a loop writes */
	uint8_t run_of[BLOCK_RECORDS];
};

static uint32_t *reach_of(struct planner *p, uint32_t reg)
{
	for (unsigned i = 0; i < p->written; i++)
		if (p->reach[i].reg == reg)
			return &p->reach[i].by;
	return NULL;
}

static uint32_t reach_of_bits(unsigned bits)
{
	return bits < FAR_BITS ? (1u << bits) - 1 : ANYWHERE;
}

/* How far a record may be from its value in the round before. What was loaded may be anything, but a byte is
 * a byte: a table that has an entry for each lies in a page or two. */
static uint32_t reach(struct planner *p, const struct bp_ir *record, unsigned value, unsigned depth)
{
	const struct bp_ir *v = &record[value];
	unsigned bits = ir_types[v->type].bits;
	bool imm = v->aux & BP_IR_IMM;
	uint64_t by = ANYWHERE;
	uint32_t *reg;
	if (!depth--)
		return ANYWHERE;
	switch (v->op) {
	case BP_IR_CONST:
	case BP_IR_PCREL: return 0;
	case BP_IR_GET: reg = reach_of(p, (uint32_t)v->imm); return reg ? *reg : 0;
	case BP_IR_LD: return reach_of_bits(8u << (bp_ir_memop(v) & BP_MEM_SIZE));
	case BP_IR_UBITS: return reach_of_bits((uint32_t)v->imm >> 8);
	case BP_IR_ADD:
	case BP_IR_SUB:
		by = reach(p, record, v->arg[0], depth) +
			(imm ? 0 : reach(p, record, v->arg[1], depth));
		break;
	case BP_IR_AND:
		if (imm && v->imm >= 0)
			by = (uint32_t)v->imm;
		break;
	case BP_IR_SHL:
		if (imm)
			by = (uint64_t)reach(p, record, v->arg[0], depth) << (v->imm & 31);
		break;
	case BP_IR_SHR:
		if (imm)
			by = reach_of_bits(bits - (uint32_t)v->imm);
		break;
	case BP_IR_SEXT:
	case BP_IR_ZEXT:
	case BP_IR_TRUNC: by = reach(p, record, v->arg[0], depth); break;
	}
	return (uint32_t)MIN(by, reach_of_bits(bits));
}

static void access_by(
	struct planner *p, const struct bp_ir *record, unsigned n, unsigned at, bool maybe)
{
	const struct bp_ir *r = &record[n];
	uint32_t memop = bp_ir_memop(r), base = (uint32_t)record[r->arg[0]].imm;
	uint8_t regime = (memop & BP_MEM_REGIME) >> BP_MEM_REGIME_SHIFT;
	uint8_t access = r->op == BP_IR_LD ? BP_ACC_READ : BP_ACC_WRITE;
	unsigned i = 0;
	while (i < p->runs &&
		(p->run[i].closed || p->run[i].memo.base != base ||
			p->run[i].memo.regime != regime || p->run[i].memo.access != access))
		i++;
	bool fresh = i == p->runs;
	bool loops = fresh && p->loop && reach(p, record, r->arg[0], DEPTH) <= NEAR;
	if (i == RUNS || (fresh && maybe && !loops))
		return;
	if (fresh)
		p->run[p->runs++] = (struct run){
			.memo = { .base = base,
				.disp = r->imm,
				.regime = regime,
				.access = access },
			.first = at,
			.loops = loops,
		};
	p->run[i].uses++;
	p->run_of[at] = (uint8_t)i;
}

/* What becomes the value by conversions, as in arithmetic on a part of a register. */
static const struct bp_ir *narrowed(const struct bp_ir *record, unsigned value)
{
	const struct bp_ir *v = &record[value];
	while (v->op == BP_IR_SEXT || v->op == BP_IR_ZEXT || v->op == BP_IR_TRUNC)
		v = &record[v->arg[0]];
	return v;
}

/* By how much the register that is written moves, if that is all, or more than STRIDE. */
static uint32_t moves_by(const struct bp_ir *record, const struct bp_ir *put)
{
	const struct bp_ir *v = narrowed(record, put->arg[0]), *from;
	if (v->op != BP_IR_ADD || !(v->aux & BP_IR_IMM) || v->imm > STRIDE || v->imm < -STRIDE)
		return ANYWHERE;
	from = narrowed(record, v->arg[0]);
	return from->op == BP_IR_GET && from->imm == put->imm ? (uint32_t)ABS(v->imm) : ANYWHERE;
}

/* A register that is written: a pointer that moves on a little stays what it is. */
static void put_of(struct planner *p, const struct bp_ir *record, const struct bp_ir *r)
{
	uint32_t len = ir_types[r->type].bytes;
	if (moves_by(record, r) != ANYWHERE)
		return;
	uint32_t *by = reach_of(p, (uint32_t)r->imm);
	if (by)
		*by = reach(p, record, r->arg[0], DEPTH);
	for (unsigned i = 0; i < p->runs; i++)
		if (p->run[i].memo.base - (uint32_t)r->imm < len ||
			(uint32_t)r->imm - p->run[i].memo.base < sizeof(uint64_t))
			p->run[i].closed = true;
}

/* What is carried from one round to the next. */
static void carried(struct planner *p, const struct ir_insn *insn)
{
	const struct bp_ir *record = p->ir->record + insn->record;
	for (unsigned n = 1; n < insn->records; n++) {
		const struct bp_ir *r = &record[n];
		if (r->op != BP_IR_PUT)
			continue;
		uint32_t *by = reach_of(p, (uint32_t)r->imm), more = moves_by(record, r);
		if (by)
			*by = MIN(*by + more, ANYWHERE);
		else if (p->written < REGISTERS)
			p->reach[p->written++] = (struct reach){ (uint32_t)r->imm, more };
	}
}

static void instruction(struct planner *p, const struct ir_insn *insn, bool maybe)
{
	const struct bp_ir *record = p->ir->record + insn->record;
	for (unsigned n = 1; n < insn->records; n++) {
		const struct bp_ir *r = &record[n], *base = &record[r->arg[0]];
		/* Vectors go by the TLB: a memo cannot tell that they end in its page. */
		if ((r->op == BP_IR_LD || r->op == BP_IR_ST) && base->op == BP_IR_GET &&
			base->type == BP_T_I64 && ir_types[r->type].class != IR_VECTOR)
			access_by(p, record, n, insn->record + n, maybe);
		else if (r->op == BP_IR_PUT)
			put_of(p, record, r);
	}
}

static void choose(struct planner *p)
{
	struct memo_plan *plan = p->plan;
	while (plan->count < JIT_MEMOS) {
		unsigned best = RUNS;
		for (unsigned i = 0; i < p->runs; i++)
			if ((p->run[i].loops || p->run[i].uses >= WORTH) &&
				(best == RUNS || p->run[i].uses > p->run[best].uses))
				best = i;
		if (best == RUNS)
			return;
		struct run *r = &p->run[best];
		uint8_t n = (uint8_t)plan->count++;
		plan->memo[n] = r->memo;
		plan->memo[n].at_entry = r->loops;
		for (unsigned i = r->first; i < p->ir->records; i++)
			if (p->run_of[i] == best)
				plan->of[i] = n | (i == r->first && !r->loops ? MEMO_FIRST : 0);
		r->loops = false;
		r->uses = 0;
	}
}

void memo_plan(struct memo_plan *plan, const struct ir_block *ir, unsigned insns, bool loop,
	uint64_t maybe)
{
	struct planner p = { .plan = plan, .ir = ir, .loop = loop };
	memset(p.run_of, NO_MEMO, ir->records);
	memset(plan->of, NO_MEMO, ir->records);
	plan->count = 0;
	for (unsigned i = 0; loop && i < insns; i++)
		carried(&p, &ir->insn[i]);
	for (unsigned i = 0; i < insns; i++)
		instruction(&p, &ir->insn[i], maybe >> i & 1);
	choose(&p);
}
