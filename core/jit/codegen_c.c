/* SPDX-License-Identifier: MIT */
/* Records that C does: it is given a copy of what it has to know, and values in memory. */
#include "codegen.h"

void info(struct native_compiler *c, const void *data, size_t size)
{
	uint8_t *over = emit_jmp(&c->e);
	while ((uintptr_t)c->e.at & 7)
		emit_nop(&c->e);
	uint8_t *at = c->e.at;
	if (c->e.end - c->e.at < (ptrdiff_t)size + 4 * EMIT_MARGIN) {
		c->e.full = true;
		return;
	}
	memcpy(at, data, size);
	c->e.at += size;
	emit_here(&c->e, over);
	emit_address(&c->e, INFO, at);
}

/* Behind a call: pinned registers again, and the way out if it asks for that. */
static void after_call(struct native_compiler *c)
{
	/* One that is leaving already needs no other way out. */
	if (!c->leaving)
		cold_new(c, COLD_REST, emit_jcc(&c->e, (enum cc)CC_LEAVE));
	reload_pinned(c);
}

static void set_out(struct native_compiler *c, unsigned which, unsigned type, uint32_t off)
{
	for (unsigned j = c->at + 1; j < c->count; j++) {
		const struct bp_ir *o = &c->rec[j];
		if (o->op == BP_IR_OUT && o->arg[0] == c->at && (unsigned)o->imm == which)
			set_mem(c, j, type, off);
	}
}

void select_generic(struct native_compiler *c, const struct bp_ir *r)
{
	struct gen g = { .r = *r, .fn = generic_for(r) };
	const struct ir_info *ir = ir_info(r->op);
	bool touches = r->op == BP_IR_GETX || r->op == BP_IR_PUTX || r->op == BP_IR_TIME;
	if (!g.fn) {
		c->failed = true;
		return;
	}
	if (ir->aux == AUX_ENV) {
		g.env = verify_env(&c->type, r->aux);
		/* The environment's registers are read and written where they lie. */
		touches = true;
	}
	for (unsigned n = 0; n < 3; n++)
		if (ir_is_arg_value(r, n)) {
			g.a[n] = in_memory(c, r->arg[n]);
			g.has[n] = true;
		}
	if (ir->out != BP_T_NONE) {
		g.out = frame_new(c, 8);
		set_out(c, 1, ir->out, g.out);
	}
	if (ir_result_type(r) != BP_T_NONE)
		g.d = frame_new(c, ir_types[ir_result_type(r)].bytes);
	if (touches)
		flush(c);
	else
		reg_claim(c, INFO);
	info(c, &g, sizeof(g));
	emit_call_to(&c->e, touches ? thunks.generic : thunks.generic_keep);
	if (touches)
		reload_pinned(c);
	if (g.d)
		set_mem(c, c->at, ir_result_type(r), g.d);
}

void select_memory(struct native_compiler *c, const struct bp_ir *r)
{
	const struct ir_info *ir = ir_info(r->op);
	struct mem m = { .r = *r, .memop = bp_ir_memop(r), .addr_mask = c->addr_mask };
	bool ordered = needs_barriers(r);
	m.addr = in_memory(c, r->arg[0]);
	if (ir_is_arg_value(r, 1))
		m.value = in_memory(c, r->arg[1]);
	if (ir->more)
		m.second = in_memory(c, r[1].arg[0]);
	if (ir->result != RES_NONE) {
		m.discard = !c->v[c->at].uses;
		m.d = frame_new(c, ir_types[ir_result_type(r)].bytes);
	}
	if (ordered)
		emit_barrier(&c->e);
	flush(c);
	emit_store_const(&c->e, false, CPU, CPU_AT(native.site), site_here(c));
	info(c, &m, sizeof(m));
	emit_call_to(&c->e, thunks.memory);
	if (m.d)
		set_mem(c, c->at, ir_result_type(r), m.d);
	if (ordered)
		emit_barrier(&c->e); /* changes no flags */
	after_call(c);
}

static void call_slot(struct call_slot *s, unsigned type, uint32_t offset)
{
	s->offset = offset;
	s->bytes = ir_types[type].bytes;
}

void select_call(struct native_compiler *c, const struct bp_ir *r)
{
	struct call call = { .helper = verify_helper(&c->type, r->imm) };
	call.args = call.helper->args;
	call.results = call.helper->results;
	for (unsigned n = 0; n < call.args; n++) {
		unsigned id = c->rec[c->at + n / 4].arg[n % 4];
		uint32_t at = in_memory(c, id);
		call_slot(&call.arg[n], ir_result_type(&c->rec[id]), at);
	}
	for (unsigned n = 0; n < call.results; n++) {
		call.result_words[n] = 1;
		if (n == 0 && r->type != BP_T_NONE) {
			call.result_words[0] = ir_types[r->type].bytes > 8 ? 2 : 1;
			call_slot(&call.result[0], r->type, frame_new(c, ir_types[r->type].bytes));
			set_mem(c, c->at, r->type, call.result[0].offset);
		}
		for (unsigned j = c->at + 1; n && j < c->count; j++) {
			const struct bp_ir *o = &c->rec[j];
			if (o->op != BP_IR_OUT || o->arg[0] != c->at || (unsigned)o->imm != n)
				continue;
			call.result_words[n] = ir_types[o->type].bytes > 8 ? 2 : 1;
			call_slot(&call.result[n], o->type, frame_new(c, ir_types[o->type].bytes));
			set_mem(c, j, o->type, call.result[n].offset);
		}
	}
	flush(c);
	emit_store_const(&c->e, false, CPU, CPU_AT(native.site), site_here(c));
	info(c, &call, sizeof(call));
	emit_call_to(&c->e, thunks.call);
	after_call(c);
}
