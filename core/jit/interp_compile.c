/* SPDX-License-Identifier: MIT */
/* Records of a block -> operations.
 *
 * GET costs nothing: the value lies in the register. A result goes straight to the register that a
 * later PUT names, when nothing between can tell the difference. The state that a fault must show
 * is the one at the instruction's mark: registers that are written before the last record that may
 * fault are saved when the instruction begins, and struct undo tells a fault what to restore. */
#include "compile.h"
#include "plugin/object.h"
#include "trace/hub.h"

struct op *op_emit(
	struct compiler *c, unsigned code, uint32_t d, uint32_t a, uint32_t b, int64_t imm)
{
	struct op op = { .code = code, .d = d, .a = a, .b = b, .imm = imm };
	g_array_append_val(c->ops, op);
	return &g_array_index(c->ops, struct op, c->ops->len - 1);
}

void *info_new(struct compiler *c, size_t size, int64_t *offset)
{
	*offset = c->info->len;
	g_byte_array_set_size(c->info,
		c->info->len + (guint)((size + INFO_ALIGN - 1) & ~(size_t)(INFO_ALIGN - 1)));
	memset(c->info->data + *offset, 0, size);
	return c->info->data + *offset;
}

/* ---- places ---- */

static uint32_t temp_bytes(struct compiler *c, uint32_t bytes)
{
	uint32_t align = bytes < 8 ? 8 : bytes > 64 ? 64 : bytes;
	uint32_t at = (c->temp + align - 1) & ~(align - 1);
	if (at + bytes > c->pin) {
		c->failed = "one instruction needs more temporaries than there is room for";
		return c->in->frame;
	}
	c->temp = at + (bytes < 8 ? 8 : bytes);
	return at;
}

uint32_t temp_new(struct compiler *c, unsigned type)
{
	return temp_bytes(c, ir_types[type].bytes);
}

uint32_t pin_new(struct compiler *c)
{
	if (c->pin - 8 < c->temp + 64) {
		c->failed = "one block needs more temporaries than there is room for";
		return c->in->frame;
	}
	return c->pin -= 8;
}

static bool overlap(uint32_t a, uint32_t alen, uint32_t b, uint32_t blen)
{
	return a < (uint64_t)b + blen && b < (uint64_t)a + alen;
}

/* Whether a record in (after, until] writes there. */
static bool written(
	const struct compiler *c, uint32_t offset, uint32_t len, unsigned after, unsigned until)
{
	for (unsigned i = 0; i < c->writes->len; i++) {
		const struct range *w = &g_array_index(c->writes, struct range, i);
		if (w->record > after && w->record <= until &&
			overlap(w->offset, w->len, offset, len))
			return true;
	}
	return false;
}

static void lies_in(struct compiler *c, unsigned id, uint32_t offset, uint32_t len)
{
	struct range r = { offset, len, c->v[id].last };
	g_array_append_val(c->places, r);
}

void move(struct compiler *c, unsigned type, uint32_t to, uint32_t from)
{
	unsigned bytes = ir_types[type].bytes;
	if (to == from)
		return;
	if (bytes <= 8)
		op_emit(c, OP_MOV_8 + width_of(type), to, from, 0, 0);
	else
		op_emit(c, OP_MOVN, to, from, 0, bytes);
}

static void make_constant(struct compiler *c, unsigned type, uint32_t to, uint64_t value)
{
	unsigned bytes = ir_types[type].bytes;
	if (bytes <= 8)
		op_emit(c, OP_CONST_8 + width_of(type), to, 0, 0, (int64_t)value);
	else
		op_emit(c, OP_CONSTN, to, 0, bytes, (int64_t)value);
}

static void make_pcrel(struct compiler *c, unsigned id, uint32_t to)
{
	const struct bp_ir *r = &c->rec[id];
	uint32_t mark = c->insn->offset;
	if (!r->arg[0] && !r->arg[1] && c->addr_mask == UINT64_MAX)
		op_emit(c, OP_PCREL, to, 0, 0, (int64_t)mark + r->imm);
	else
		op_emit(c, OP_PCRELM, to, r->arg[0], r->arg[1], r->imm)->c = mark;
}

void move_value(struct compiler *c, unsigned type, uint32_t to, unsigned id)
{
	const struct value *v = &c->v[id];
	if (v->kind == V_CONST && !v->off)
		make_constant(c, type, to, v->imm);
	else if (v->kind == V_PCREL)
		make_pcrel(c, id, to);
	else
		move(c, type, to, operand(c, id));
}

uint32_t operand(struct compiler *c, unsigned id)
{
	struct value *v = &c->v[id];
	if (v->kind == V_MEM || (v->kind == V_CONST && v->off))
		return v->off;
	uint32_t at = temp_new(c, v->type ? v->type : (unsigned)BP_T_I64);
	if (v->kind == V_CONST) {
		make_constant(c, v->type, at, v->imm);
		/* Inside an IF the constant may not have been made when END is passed. */
		if (!c->depth)
			v->off = at;
	} else if (v->kind == V_PCREL) {
		make_pcrel(c, id, at);
	} else {
		c->failed = "a value is used where it was not made";
	}
	return at;
}

bool constant(const struct compiler *c, unsigned id, int64_t *imm)
{
	const struct value *v = &c->v[id];
	if (v->kind != V_CONST || !is_small_int(v->type))
		return false;
	unsigned bits = ir_types[v->type].bits;
	*imm = (int64_t)interp_extend(v->imm, bits, bits > 1);
	return true;
}

/* ---- where results go ---- */

/* The PUT that takes record i's result, if the register may as well be written at i. */
static unsigned put_of(struct compiler *c, unsigned i)
{
	unsigned type = ir_result_type(&c->rec[i]), p;
	if (c->plain)
		return 0;
	for (p = i + 1; p < c->count && p < i + 16; p++) {
		const struct bp_ir *r = &c->rec[p];
		const struct ir_info *info = ir_info(r->op);
		if (r->op == BP_IR_PUT && r->arg[0] == i && r->type == type)
			break;
		if (info->props & (IR_FAULTS | IR_LEAVES | IR_CONTROL) || r->op == BP_IR_CALL ||
			r->op == BP_IR_COMMIT || r->op == BP_IR_GETX || r->op == BP_IR_PUTX ||
			r->op == BP_IR_MERGE || info->aux == AUX_ENV)
			return 0;
	}
	if (p >= c->count || p >= i + 16)
		return 0;
	uint32_t offset = (uint32_t)c->rec[p].imm, len = ir_types[type].bytes;
	for (unsigned k = i + 1; k < p; k++)
		if ((c->rec[k].op == BP_IR_GET || c->rec[k].op == BP_IR_PUT) &&
			overlap((uint32_t)c->rec[k].imm, ir_types[c->rec[k].type].bytes, offset,
				len))
			return 0;
	for (unsigned k = 0; k < c->places->len; k++) {
		const struct range *w = &g_array_index(c->places, struct range, k);
		if (w->record > i && overlap(w->offset, w->len, offset, len))
			return 0;
	}
	return written(c, offset, len, p, c->v[i].last) ? 0 : p;
}

uint32_t result_temp(struct compiler *c, unsigned i)
{
	struct value *v = &c->v[i];
	v->kind = V_MEM;
	v->type = (uint8_t)ir_result_type(&c->rec[i]);
	return v->off = temp_new(c, v->type);
}

uint32_t result(struct compiler *c, unsigned i)
{
	struct value *v = &c->v[i];
	unsigned put = put_of(c, i);
	if (!put)
		return result_temp(c, i);
	v->kind = V_MEM;
	v->type = (uint8_t)ir_result_type(&c->rec[i]);
	v->off = (uint32_t)c->rec[put].imm;
	c->v[put].put_done = true;
	lies_in(c, i, v->off, ir_types[v->type].bytes);
	return v->off;
}

uint32_t result_out(struct compiler *c, unsigned i, unsigned which)
{
	for (unsigned j = i + 1; j < c->count; j++) {
		const struct bp_ir *r = &c->rec[j];
		if (r->op == BP_IR_OUT && r->arg[0] == i && (unsigned)r->imm == which &&
			c->v[j].uses)
			return c->v[j].kind == V_MEM ? c->v[j].off : result_temp(c, j);
	}
	return 0;
}

/* ---- one instruction: what is used where ---- */

static void use(struct compiler *c, unsigned id, unsigned at)
{
	struct value *v = &c->v[id];
	v->uses++;
	if (v->last < at)
		v->last = (uint16_t)at;
}

static bool is_compare(const struct bp_ir *r)
{
	return r->op >= BP_IR_EQ && r->op <= BP_IR_LEU &&
		(r->type == BP_T_I32 || r->type == BP_T_I64);
}

static bool is_two_targets(const struct compiler *c, const struct bp_ir *r)
{
	return r->op == BP_IR_SELECT && c->rec[r->arg[1]].op == BP_IR_PCREL &&
		c->rec[r->arg[2]].op == BP_IR_PCREL;
}

/* Uses, from the last record to the first, so that all users of a value have been seen. */
static void scan_uses(struct compiler *c)
{
	memset(c->v, 0, sizeof(c->v[0]) * c->count);
	for (unsigned i = c->count; i-- > 1;) {
		const struct bp_ir *r = &c->rec[i];
		struct value *v = &c->v[i];
		unsigned at = i;
		v->known = -1;
		if (!v->uses && !(ir_info(r->op)->props & IR_EFFECT) && r->op != BP_IR_MORE &&
			r->op != BP_IR_OUT)
			continue;
		if (r->op == BP_IR_OUT && !v->uses)
			continue;
		if (c->plain)
			v->branch_uses = v->jump_uses = 0;
		if (v->uses && v->uses == v->jump_uses && is_two_targets(c, r)) {
			v->kind = V_LAZY;
			at = v->last;
			c->v[r->arg[0]].branch_uses++;
		} else if (v->uses && v->uses == v->branch_uses && is_compare(r)) {
			v->kind = V_LAZY;
			at = v->last;
		} else if (r->op == BP_IR_TRUNC || r->op == BP_IR_CAST || r->op == BP_IR_LO ||
			r->op == BP_IR_HI) {
			at = v->last; /* shares its operand's place */
		}
		/* To a key that is not known here: an indirect jump, the target in a register. */
		if (r->op == BP_IR_JUMP && (!r->arg[1] || c->rec[r->arg[1]].op == BP_IR_CONST))
			c->v[r->arg[0]].jump_uses++;
		if (r->op == BP_IR_IF)
			c->v[r->arg[0]].branch_uses++;
		for (unsigned n = 0; n < 4; n++)
			if (ir_is_arg_value(r, n))
				use(c, r->arg[n], at);
	}
}

static void add_range(GArray *to, uint32_t offset, uint32_t len, unsigned record)
{
	struct range r = { offset, len, record };
	g_array_append_val(to, r);
}

static void add_save(struct compiler *c, uint32_t offset, uint32_t len)
{
	struct undo u = { .offset = offset, .len = len };
	for (unsigned i = 0; i < c->saves->len; i++) {
		const struct undo *s = &g_array_index(c->saves, struct undo, i);
		if (s->offset == offset && s->len >= len)
			return;
	}
	g_array_append_val(c->saves, u);
}

static void helper_writes(struct compiler *c, unsigned i, bool later_fault)
{
	const struct bp_helper *h = verify_helper(&c->type, c->rec[i].imm);
	if (h->flags & BP_HELPER_ANY_REG)
		add_range(c->writes, 0, ANY_RANGE, i);
	for (const struct bp_reg_range *w = h->writes; w && w->length; w++) {
		add_range(c->writes, w->offset, w->length, i);
		if (later_fault)
			add_save(c, w->offset, w->length);
	}
}

static bool may_fault(const struct compiler *c, const struct bp_ir *r)
{
	if (r->op == BP_IR_CALL)
		return verify_helper(&c->type, r->imm)->flags & BP_HELPER_RAISES;
	return ir_info(r->op)->props & IR_FAULTS;
}

/* What is written, and what of it a later fault must be able to undo. */
static void scan_writes(struct compiler *c)
{
	bool later_fault = false;
	unsigned depth = 0;
	g_array_set_size(c->writes, 0);
	g_array_set_size(c->saves, 0);
	for (unsigned i = c->count; i-- > 1;) {
		const struct bp_ir *r = &c->rec[i];
		uint32_t len = 0;
		switch (r->op) {
		case BP_IR_END: depth++; break;
		case BP_IR_IF: depth--; break;
		case BP_IR_COMMIT:
			if (!depth)
				later_fault = false;
			break;
		case BP_IR_PUT: len = ir_types[r->type].bytes; break;
		case BP_IR_PUTX: len = (uint32_t)r->arg[2] * r->arg[3]; break;
		case BP_IR_CALL: helper_writes(c, i, later_fault); break;
		default: break;
		}
		uint32_t offset = (uint32_t)r->imm;
		if (ir_info(r->op)->aux == AUX_ENV) { /* collects exception flags */
			offset = verify_env(&c->type, r->aux)->flags_offset;
			len = offset ? sizeof(uint32_t) : 0;
		}
		if (len) {
			add_range(c->writes, offset, len, i);
			if (later_fault)
				add_save(c, offset, len);
		}
		if (may_fault(c, r))
			later_fault = true;
	}
}

void save_again(struct compiler *c)
{
	for (unsigned i = 0; i < c->saves->len; i++) {
		const struct undo *u = &g_array_index(c->saves, struct undo, i);
		op_emit(c, OP_MOVN, u->save, u->offset, 0, u->len);
	}
}

static void begin_saves(struct compiler *c, struct mark *mark)
{
	mark->undo = c->undo->len;
	mark->undos = c->saves->len;
	for (unsigned i = 0; i < c->saves->len; i++) {
		struct undo *u = &g_array_index(c->saves, struct undo, i);
		u->save = temp_bytes(c, u->len);
		g_array_append_val(c->undo, *u);
	}
	save_again(c);
}

/* ---- one instruction: its records ---- */

void forget(struct compiler *c, uint32_t offset, uint32_t len)
{
	for (unsigned i = 0; i < c->knowns;) {
		if (overlap(c->known[i].offset, 8, offset, len))
			c->known[i] = c->known[--c->knowns];
		else
			i++;
	}
}

static void get(struct compiler *c, unsigned i)
{
	const struct bp_ir *r = &c->rec[i];
	struct value *v = &c->v[i];
	uint32_t offset = (uint32_t)r->imm, len = ir_types[r->type].bytes;
	for (unsigned k = 0; r->type == BP_T_I64 && k < c->knowns; k++)
		if (c->known[k].offset == offset && c->gots < KNOWN_MAX) {
			v->known = (int16_t)c->gots;
			c->got[c->gots++] = c->known[k];
		}
	if (r->type == BP_T_I1 || r->type == BP_T_FLAGS) { /* no other bits */
		op_emit(c, OP_AND_8 + 4, result_temp(c, i), offset, 0, ir_get_mask(r->type));
		return;
	}
	if (c->plain || written(c, offset, len, i, v->last - (v->last != 0))) {
		move(c, r->type, result_temp(c, i), offset);
		return;
	}
	v->kind = V_MEM;
	v->type = r->type;
	v->off = offset;
	lies_in(c, i, offset, len);
}

static void put(struct compiler *c, unsigned i)
{
	const struct bp_ir *r = &c->rec[i];
	if (!c->v[i].put_done)
		move_value(c, r->type, (uint32_t)r->imm, r->arg[0]);
	know(c, i);
}

static void record(struct compiler *c, unsigned i)
{
	const struct bp_ir *r = &c->rec[i];
	struct value *v = &c->v[i];
	if (v->kind == V_LAZY)
		return;
	if (!v->uses && !(ir_info(r->op)->props & IR_EFFECT))
		return;
	switch (r->op) {
	case BP_IR_NOP:
	case BP_IR_MORE:
	case BP_IR_OUT:
	case BP_IR_MERGE: return; /* part of the record before, or of IF */
	case BP_IR_CONST:
		v->kind = V_CONST;
		v->type = r->type;
		v->imm = interp_extend(bp_ir_wide(r), MIN(ir_types[r->type].bits, 64), false);
		return;
	case BP_IR_PCREL:
		v->kind = V_PCREL;
		v->type = r->type;
		return;
	case BP_IR_GET: get(c, i); return;
	case BP_IR_PUT: put(c, i); return;
	case BP_IR_COMMIT: save_again(c); return;
	default: break;
	}
	if (!leave_record(c, i))
		select_record(c, i);
	if (r->op == BP_IR_PUTX)
		forget(c, (uint32_t)r->imm, (uint32_t)r->arg[2] * r->arg[3]);
	if (r->op == BP_IR_CALL)
		for (unsigned k = 0; k < c->writes->len; k++) {
			const struct range *w = &g_array_index(c->writes, struct range, k);
			if (w->record == i)
				forget(c, w->offset, w->len);
		}
}

static void instruction(struct compiler *c, const struct ir_insn *insn)
{
	struct mark mark = {
		.op = c->ops->len, .offset = insn->offset, .bytes = (uint16_t)insn->length
	};
	c->insn = insn;
	c->rec = c->ir->record + insn->record;
	c->count = insn->records;
	c->temp = c->in->frame;
	c->depth = c->gots = 0;
	g_array_set_size(c->places, 0);
	scan_uses(c);
	scan_writes(c);
	if (c->trace & BP_TRACE_EXEC)
		op_emit(c, OP_TRACE_EXEC, 0, 0, 0, 0);
	begin_saves(c, &mark);
	g_array_append_val(c->marks, mark);
	for (unsigned i = 1; i < c->count && !c->failed; i++)
		record(c, i);
	if (insn->next_key != insn->key)
		op_emit(c, OP_CONST_64, offsetof(struct bp_cpu_head, key), 0, 0,
			(int64_t)insn->next_key);
}

/* ---- the block ---- */

static bool has_link(unsigned code)
{
	return code == OP_EXIT || code == OP_EXIT2 ||
		(code >= OP_X2_EQ_32 && code <= OP_X2_LEUI_64);
}

static bool has_info(unsigned code)
{
	return code == OP_GEN || code == OP_MEM || code == OP_CALL || code == OP_TRACE_MEM;
}

static size_t place(size_t *total, size_t size)
{
	size_t at = *total;
	*total = (at + size + INFO_ALIGN - 1) & ~(size_t)(INFO_ALIGN - 1);
	return at;
}

/* Everything of a block in one piece of memory. */
static struct block *assemble(struct compiler *c)
{
	const struct ir_block *ir = c->ir;
	size_t total = 0;
	place(&total, sizeof(struct block));
	size_t op = place(&total, c->ops->len * sizeof(struct op));
	size_t mark = place(&total, c->marks->len * sizeof(struct mark));
	size_t undo = place(&total, c->undo->len * sizeof(struct undo));
	size_t link = place(&total, c->links->len * sizeof(struct link));
	size_t info = place(&total, c->info->len);
	size_t code = place(&total, ir->bytes);
	char *memory = g_malloc0(total);
	struct block *b = (struct block *)(void *)memory;
	b->config = c->in->config;
	b->key = ir->key;
	b->ram = ir->code.ram;
	b->offset = ir->code.offset;
	b->insns = ir->insns;
	b->bytes = ir->bytes;
	b->ops = c->ops->len;
	b->crosses = ir->crosses;
	b->first_bytes = ir->code.avail < ir->bytes ? ir->code.avail : ir->bytes;
	b->ram2 = ir->second.ram;
	b->offset2 = ir->second.offset;
	b->op = (struct op *)(void *)(memory + op);
	b->mark = (struct mark *)(void *)(memory + mark);
	b->undo = (struct undo *)(void *)(memory + undo);
	b->link = (struct link *)(void *)(memory + link);
	b->links = c->links->len;
	b->code = (const uint8_t *)memory + code;
	b->memory = total;
	memcpy(b->op, c->ops->data, c->ops->len * sizeof(struct op));
	memcpy(b->mark, c->marks->data, c->marks->len * sizeof(struct mark));
	if (c->undo->len)
		memcpy(b->undo, c->undo->data, c->undo->len * sizeof(struct undo));
	if (c->links->len)
		memcpy(b->link, c->links->data, c->links->len * sizeof(struct link));
	if (c->info->len)
		memcpy(memory + info, c->info->data, c->info->len);
	for (unsigned i = 0; i < ir->insns; i++)
		memcpy(memory + code + ir->insn[i].offset, ir->insn[i].bytes, ir->insn[i].length);
	for (uint32_t i = 0; i < b->links; i++)
		b->link[i].from = b;
	const void *const *labels = interp_labels();
	for (uint32_t i = 0; i < b->ops; i++) {
		unsigned n = (unsigned)b->op[i].code;
		if (has_link(n))
			b->op[i].ptr = b->link + b->op[i].imm;
		else if (has_info(n))
			b->op[i].ptr = memory + info + b->op[i].imm;
		b->op[i].go = labels[n];
	}
	return b;
}

struct block *compile(struct compiler *c, const struct ir_block *ir, char *error, size_t size)
{
	c->ir = ir;
	c->failed = NULL;
	c->knowns = 0;
	c->pin = c->in->frame + OBJECT_CPU_FRAME;
	c->trace = atomic_load_explicit(&hub_wanted, memory_order_relaxed);
	g_array_set_size(c->ops, 0);
	g_array_set_size(c->marks, 0);
	g_array_set_size(c->undo, 0);
	g_array_set_size(c->links, 0);
	g_byte_array_set_size(c->info, 0);
	for (uint32_t i = 0; i < ir->insns && !c->failed; i++)
		instruction(c, &ir->insn[i]);
	struct mark end = { .op = c->ops->len, .offset = ir->bytes };
	g_array_append_val(c->marks, end);
	if (ir->falls_through)
		leave_end(c);
	if (c->failed) {
		g_snprintf(error, size,
			"the code at guest address 0x%" G_GINT64_MODIFIER
			"x cannot be compiled: %s",
			ir->pc, c->failed);
		return NULL;
	}
	return assemble(c);
}

struct compiler *compiler_create(struct interp *in)
{
	struct compiler *c = g_new0(struct compiler, 1);
	c->in = in;
	c->type = verify_type_of(in->cpu->type, in->cpu->field_strides);
	c->addr_mask = in->pc_mask;
	c->ops = g_array_new(FALSE, FALSE, sizeof(struct op));
	c->marks = g_array_new(FALSE, FALSE, sizeof(struct mark));
	c->undo = g_array_new(FALSE, FALSE, sizeof(struct undo));
	c->links = g_array_new(FALSE, FALSE, sizeof(struct link));
	c->writes = g_array_new(FALSE, FALSE, sizeof(struct range));
	c->saves = g_array_new(FALSE, FALSE, sizeof(struct undo));
	c->places = g_array_new(FALSE, FALSE, sizeof(struct range));
	c->info = g_byte_array_new();
	return c;
}

void compiler_destroy(struct compiler *c)
{
	if (!c)
		return;
	g_array_unref(c->ops);
	g_array_unref(c->marks);
	g_array_unref(c->undo);
	g_array_unref(c->links);
	g_array_unref(c->writes);
	g_array_unref(c->saves);
	g_array_unref(c->places);
	g_byte_array_unref(c->info);
	g_free(c);
}
