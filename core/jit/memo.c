/* SPDX-License-Identifier: MIT */
#include "memo.h"
#include "ir_table.h"
#include <string.h>

enum {
	RUNS = 64,
	WORTH = 3, /* accesses that pay for filling a memo on the way */
	STRIDE = 512 /* a register that moves by more leaves its page too soon */
};

struct run { /* accesses by one version of a base register */
	struct memo memo;
	unsigned uses, first; /* record of the block */
	bool closed; /* the register has become another one */
	bool loops; /* the same version in every round */
};

struct planner {
	struct memo_plan *plan;
	const struct ir_block *ir;
	unsigned runs;
	struct run run[RUNS];
	uint8_t run_of[BLOCK_RECORDS];
};

static void access_by(struct planner *p, uint32_t base, const struct bp_ir *r, unsigned at)
{
	uint32_t memop = bp_ir_memop(r);
	uint8_t regime = (memop & BP_MEM_REGIME) >> BP_MEM_REGIME_SHIFT;
	uint8_t access = r->op == BP_IR_LD ? BP_ACC_READ : BP_ACC_WRITE;
	unsigned i = 0;
	while (i < p->runs &&
		(p->run[i].closed || p->run[i].memo.base != base ||
			p->run[i].memo.regime != regime || p->run[i].memo.access != access))
		i++;
	if (i == RUNS)
		return;
	if (i == p->runs)
		p->run[p->runs++] = (struct run){
			.memo = { .base = base,
				.disp = r->imm,
				.regime = regime,
				.access = access },
			.first = at,
		};
	p->run[i].uses++;
	p->run_of[at] = (uint8_t)i;
}

/* A register that is written: a pointer that moves on a little stays what it is. */
static void put_of(struct planner *p, const struct bp_ir *record, const struct bp_ir *r)
{
	const struct bp_ir *v = &record[r->arg[0]];
	uint32_t len = ir_types[r->type].bytes;
	bool moves = v->op == BP_IR_ADD && v->aux & BP_IR_IMM &&
		record[v->arg[0]].op == BP_IR_GET && record[v->arg[0]].imm == r->imm &&
		v->imm <= STRIDE && v->imm >= -STRIDE;
	for (unsigned i = 0; i < p->runs && !moves; i++)
		if (p->run[i].memo.base - (uint32_t)r->imm < len ||
			(uint32_t)r->imm - p->run[i].memo.base < sizeof(uint64_t))
			p->run[i].closed = true;
}

static void instruction(struct planner *p, const struct ir_insn *insn)
{
	const struct bp_ir *record = p->ir->record + insn->record;
	for (unsigned n = 1; n < insn->records; n++) {
		const struct bp_ir *r = &record[n], *base = &record[r->arg[0]];
		if ((r->op == BP_IR_LD || r->op == BP_IR_ST) && base->op == BP_IR_GET &&
			base->type == BP_T_I64)
			access_by(p, (uint32_t)base->imm, r, insn->record + n);
		else if (r->op == BP_IR_PUT)
			put_of(p, record, r);
	}
}

/* Runs are in the order of their beginnings: one that lasts from round to round is the only one of its
 * register. */
static void find_loops(struct planner *p)
{
	for (unsigned i = 0; i < p->runs; i++) {
		p->run[i].loops = !p->run[i].closed;
		for (unsigned j = 0; j < i; j++)
			p->run[i].loops &=
				p->run[j].memo.base != p->run[i].memo.base || !p->run[j].closed;
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

void memo_plan(struct memo_plan *plan, const struct ir_block *ir, unsigned insns, bool loop)
{
	struct planner p = { .plan = plan, .ir = ir };
	memset(p.run_of, NO_MEMO, ir->records);
	memset(plan->of, NO_MEMO, ir->records);
	plan->count = 0;
	for (unsigned i = 0; i < insns; i++)
		instruction(&p, &ir->insn[i]);
	if (loop)
		find_loops(&p);
	choose(&p);
}
