/* SPDX-License-Identifier: MIT */
/* Loads, stores, atomics, fences: which way each goes, and what the slow way has in common. */
#include "codegen.h"

unsigned access_address(struct native_compiler *c, const struct bp_ir *r, int32_t disp)
{
	unsigned base = use(c, r->arg[0]);
	bool narrow = c->addr_mask != UINT64_MAX;
	if (!disp && !narrow)
		return base;
	unsigned reg = reg_new(c, false);
	emit_plus(&c->e, !narrow, reg, base, disp);
	return reg;
}

/* ---- the slow way ---- */

void slow_begin(struct native_compiler *c, const struct cold *k)
{
	if (k->memo != NO_MEMO)
		memo_cold(c, k);
	write_back(c, true);
	emit_store(&c->e, k->addr, 8, CPU, CPU_AT(native.addr));
}

void slow_operands(struct native_compiler *c, const struct cold *k)
{
	if (k->kind != COLD_LOAD)
		emit_store(&c->e, k->value, 8, CPU, CPU_AT(native.value));
	if (k->kind == COLD_RMW)
		emit_store_const(&c->e, false, CPU, CPU_AT(native.rmw), c->rec[k->record].aux);
}

const void *slow_thunk(const struct native_compiler *c, const struct cold *k)
{
	return thunks.slow[c->uses_fp][k->kind];
}

void slow_end(struct native_compiler *c, const struct cold *k)
{
	const struct bp_ir *r = &c->rec[k->record];
	/* no flags change: they still say whether to leave */
	if (k->kind != COLD_STORE)
		slow_result(c, r, k);
	emit_to(emit_jcc(&c->e, (enum cc)(CC_LEAVE ^ 1)), k->back);
	if (k->kind != COLD_STORE) {
		not_raw(c, k->result);
		set_reg(c, k->record, r->type, k->result);
	}
	c->at++;
	rest_cold(c);
}

/* ---- all of them ---- */

static void fence(struct native_compiler *c, const struct bp_ir *r)
{
	/* Device input and output are reads and writes to the host. */
	unsigned before = r->aux >> 4, after = r->aux & 15;
	before = (before | before >> 2) & 3;
	after = (after | after >> 2) & 3;
	if (before && after)
		emit_fence(&c->e, before, after);
}

bool select_access(struct native_compiler *c, const struct bp_ir *r)
{
	switch (r->op) {
	case BP_IR_LD:
		if (!load_record(c, r))
			select_memory(c, r);
		return true;
	case BP_IR_ST:
		if (!store_record(c, r))
			select_memory(c, r);
		return true;
	case BP_IR_RMW:
		if (!rmw_record(c, r))
			select_memory(c, r);
		return true;
	case BP_IR_STP:
	case BP_IR_LL:
	case BP_IR_SC:
	case BP_IR_CAS:
	case BP_IR_PROBE: select_memory(c, r); return true;
	case BP_IR_FENCE: fence(c, r); return true;
	case BP_IR_CALL: select_call(c, r); return true;
	default: return false;
	}
}
