/* SPDX-License-Identifier: MIT */
/* Which operation a record becomes: a table for what has one of its own, else OP_GEN or OP_MEM. */
#include "compile.h"
#include "trace/hub.h"

enum shape {
	SH_NONE = 0,
	SH_TWO, /* code + width, + 4 with an immediate */
	SH_TWO_I1, /* the same, I1 allowed: works on bytes */
	SH_COMPARE, /* like SH_TWO; the result is an I1 */
	SH_COMPARE_I1,
	SH_ONE /* code + width */
};

static const struct {
	uint16_t code;
	uint8_t shape;
	bool commutes;
} simple[BP_IR_OPS] = {
	[BP_IR_ADD] = { OP_ADD_8, SH_TWO, true },
	[BP_IR_SUB] = { OP_SUB_8, SH_TWO },
	[BP_IR_MUL] = { OP_MUL_8, SH_TWO, true },
	[BP_IR_AND] = { OP_AND_8, SH_TWO_I1, true },
	[BP_IR_OR] = { OP_OR_8, SH_TWO_I1, true },
	[BP_IR_XOR] = { OP_XOR_8, SH_TWO_I1, true },
	[BP_IR_SHL] = { OP_SHL_8, SH_TWO },
	[BP_IR_SHR] = { OP_SHR_8, SH_TWO },
	[BP_IR_SAR] = { OP_SAR_8, SH_TWO },
	[BP_IR_ROL] = { OP_ROL_8, SH_TWO },
	[BP_IR_ROR] = { OP_ROR_8, SH_TWO },
	[BP_IR_MULHS] = { OP_MULHS_8, SH_TWO, true },
	[BP_IR_MULHU] = { OP_MULHU_8, SH_TWO, true },
	[BP_IR_MULHSU] = { OP_MULHSU_8, SH_TWO },
	[BP_IR_DIVS] = { OP_DIVS_8, SH_TWO },
	[BP_IR_DIVU] = { OP_DIVU_8, SH_TWO },
	[BP_IR_REMS] = { OP_REMS_8, SH_TWO },
	[BP_IR_REMU] = { OP_REMU_8, SH_TWO },
	[BP_IR_MINS] = { OP_MINS_8, SH_TWO, true },
	[BP_IR_MAXS] = { OP_MAXS_8, SH_TWO, true },
	[BP_IR_MINU] = { OP_MINU_8, SH_TWO, true },
	[BP_IR_MAXU] = { OP_MAXU_8, SH_TWO, true },
	[BP_IR_EQ] = { OP_EQ_8, SH_COMPARE_I1, true },
	[BP_IR_NE] = { OP_NE_8, SH_COMPARE_I1, true },
	[BP_IR_LTS] = { OP_LTS_8, SH_COMPARE },
	[BP_IR_LES] = { OP_LES_8, SH_COMPARE },
	[BP_IR_LTU] = { OP_LTU_8, SH_COMPARE_I1 },
	[BP_IR_LEU] = { OP_LEU_8, SH_COMPARE_I1 },
	[BP_IR_NEG] = { OP_NEG_8, SH_ONE },
	[BP_IR_NOT] = { OP_NOT_8, SH_ONE },
	[BP_IR_CLZ] = { OP_CLZ_8, SH_ONE },
	[BP_IR_CTZ] = { OP_CTZ_8, SH_ONE },
	[BP_IR_POPCNT] = { OP_POPCNT_8, SH_ONE },
	[BP_IR_BSWAP] = { OP_BSWAP_8, SH_ONE },
};

/* ---- values ---- */

static void select_two(struct compiler *c, unsigned i)
{
	const struct bp_ir *r = &c->rec[i];
	unsigned code = simple[r->op].code + width_of(r->type), a = r->arg[0], b = r->arg[1];
	int64_t imm;
	bool immediate = r->aux & BP_IR_IMM;
	if (immediate) {
		imm = r->imm;
	} else if (constant(c, b, &imm)) {
		immediate = true;
	} else if (simple[r->op].commutes && constant(c, a, &imm)) {
		immediate = true;
		a = b;
	}
	uint32_t at = operand(c, a);
	if (immediate) {
		op_emit(c, code + 4, 0, at, 0, r->type == BP_T_I1 ? imm & 1 : imm);
	} else {
		uint32_t bt = operand(c, b);
		op_emit(c, code, 0, at, bt, 0);
	}
	g_array_index(c->ops, struct op, c->ops->len - 1).d = result(c, i);
}

static void alias(struct compiler *c, unsigned i, unsigned of, uint32_t offset)
{
	struct value *v = &c->v[i];
	v->type = (uint8_t)ir_result_type(&c->rec[i]);
	v->kind = V_MEM;
	v->off = operand(c, of) + offset;
}

static bool constant_convert(struct compiler *c, unsigned i)
{
	const struct bp_ir *r = &c->rec[i];
	struct value *v = &c->v[i];
	const struct value *from = &c->v[r->arg[0]];
	if (from->kind != V_CONST || !is_small_int(r->type) || !is_small_int(r->aux))
		return false;
	uint64_t x = interp_extend(from->imm, ir_types[r->aux].bits, r->op == BP_IR_SEXT);
	v->kind = V_CONST;
	v->type = r->type;
	v->imm = interp_extend(x, ir_types[r->type].bits, false);
	return true;
}

static bool select_convert(struct compiler *c, unsigned i)
{
	static const uint16_t extend[2][3][3] = {
		/* sign, log2 of the source, log2 of the result - 1 */
		{ { OP_ZEXT_8_16, OP_ZEXT_8_32, OP_ZEXT_8_64 }, { 0, OP_ZEXT_16_32, OP_ZEXT_16_64 },
			{ 0, 0, OP_ZEXT_32_64 } },
		{ { OP_SEXT_8_16, OP_SEXT_8_32, OP_SEXT_8_64 }, { 0, OP_SEXT_16_32, OP_SEXT_16_64 },
			{ 0, 0, OP_SEXT_32_64 } }
	};
	const struct bp_ir *r = &c->rec[i];
	bool sign = r->op == BP_IR_SEXT;
	if (constant_convert(c, i))
		return true;
	if (r->op == BP_IR_TRUNC) {
		if (r->type == BP_T_I1)
			return false;
		alias(c, i, r->arg[0], 0);
		return true;
	}
	if (!is_small_int(r->type) || !is_small_int(r->aux) || (sign && r->aux == BP_T_I1))
		return false;
	uint32_t from = operand(c, r->arg[0]);
	unsigned a = width_of(r->aux), d = width_of(r->type);
	if (a == d)
		op_emit(c, OP_MOV_8 + d, 0, from, 0, 0);
	else
		op_emit(c, extend[sign][a][d - 1], 0, from, 0, 0);
	g_array_index(c->ops, struct op, c->ops->len - 1).d = result(c, i);
	return true;
}

static bool select_bits(struct compiler *c, unsigned i)
{
	const struct bp_ir *r = &c->rec[i];
	if (r->type != BP_T_I32 && r->type != BP_T_I64)
		return false;
	unsigned pos = r->imm & 0xff, len = (unsigned)r->imm >> 8, bits = ir_types[r->type].bits;
	uint32_t from = operand(c, r->arg[0]);
	struct op *op = op_emit(c,
		(r->op == BP_IR_UBITS ? OP_UBITS_32 : OP_SBITS_32) + (r->type == BP_T_I64), 0, from,
		bits - pos - len, 0);
	op->c = bits - len;
	guint at = c->ops->len - 1;
	uint32_t d = result(c, i);
	g_array_index(c->ops, struct op, at).d = d;
	return true;
}

static bool select_select(struct compiler *c, unsigned i)
{
	const struct bp_ir *r = &c->rec[i];
	if (ir_types[r->type].bytes > 8)
		return false;
	uint32_t cond = operand(c, r->arg[0]), yes = operand(c, r->arg[1]),
		 no = operand(c, r->arg[2]);
	uint32_t d = result(c, i);
	op_emit(c, OP_SELECT_8 + width_of(r->type), d, cond, yes, 0)->c = no;
	return true;
}

/* Any record that computes from values: by a C function. */
static void select_generic(struct compiler *c, unsigned i)
{
	const struct bp_ir *r = &c->rec[i];
	struct gen g = { .r = *r, .fn = generic_for(r) };
	int64_t at;
	if (!g.fn) {
		c->failed = "an opcode has no meaning for its type";
		return;
	}
	if (ir_info(r->op)->aux == AUX_ENV)
		g.env = verify_env(&c->type, r->aux);
	for (unsigned n = 0; n < 3; n++)
		if (ir_is_arg_value(r, n)) {
			g.a[n] = operand(c, r->arg[n]);
			g.has[n] = true;
		}
	g.out = result_out(c, i, 1);
	if (ir_result_type(r) != BP_T_NONE)
		g.d = result(c, i);
	memcpy(info_new(c, sizeof(g), &at), &g, sizeof(g));
	op_emit(c, OP_GEN, 0, 0, 0, at);
}

static bool select_simple(struct compiler *c, unsigned i)
{
	const struct bp_ir *r = &c->rec[i];
	if (!is_small_int(r->type))
		return false;
	switch (simple[r->op].shape) {
	case SH_TWO_I1:
	case SH_COMPARE_I1: select_two(c, i); return true;
	case SH_TWO:
	case SH_COMPARE:
		if (r->type == BP_T_I1)
			return false;
		select_two(c, i);
		return true;
	case SH_ONE: {
		if (r->type == BP_T_I1 && r->op != BP_IR_NOT)
			return false;
		uint32_t from = operand(c, r->arg[0]), d = result(c, i);
		op_emit(c, r->type == BP_T_I1 ? OP_NOT1 : simple[r->op].code + width_of(r->type), d,
			from, 0, 0);
		return true;
	}
	default: return false;
	}
}

/* ---- memory ---- */

enum { FENCE_ACQUIRE, FENCE_RELEASE, FENCE_BOTH, FENCE_FULL };

static void fence(struct compiler *c, int kind)
{
	op_emit(c, OP_FENCE, 0, 0, 0, kind);
}

/* Plain accesses get their order by fences around them. */
static void fence_before(struct compiler *c, uint32_t memop)
{
	if (memop & BP_MEM_SEQ_CST)
		fence(c, FENCE_FULL);
	else if (memop & BP_MEM_RELEASE)
		fence(c, FENCE_RELEASE);
}

static void fence_after(struct compiler *c, uint32_t memop)
{
	if (memop & BP_MEM_SEQ_CST)
		fence(c, FENCE_FULL);
	else if (memop & BP_MEM_ACQUIRE)
		fence(c, FENCE_ACQUIRE);
}

/* Addresses of CPUs with fewer than 64 bits wrap around. */
static uint32_t address(struct compiler *c, const struct bp_ir *r, int32_t *disp)
{
	uint32_t at = operand(c, r->arg[0]);
	if (*disp == 0 || c->addr_mask == UINT64_MAX)
		return at;
	uint32_t sum = temp_new(c, BP_T_I64);
	op_emit(c, OP_ADD_64 + 4, sum, at, 0, *disp);
	op_emit(c, OP_AND_64 + 4, sum, sum, 0, (int64_t)c->addr_mask);
	*disp = 0;
	return sum;
}

static void trace_access(struct compiler *c, const struct bp_ir *r, uint32_t addr, int32_t disp,
	uint32_t value, unsigned write, uint32_t failed)
{
	int64_t at;
	if (!(c->trace & BP_TRACE_MEMORY))
		return;
	struct trace_mem *t = info_new(c, sizeof(*t), &at);
	unsigned bytes = 1u << (bp_ir_memop(r) & BP_MEM_SIZE);
	unsigned have = ir_types[r->type].bytes;
	*t = (struct trace_mem){ .addr = addr,
		.value = value,
		.failed = failed,
		.disp = disp,
		.bytes = r->op == BP_IR_STP ? 2 * bytes : bytes,
		.write = (uint8_t)write,
		.value_bytes = (uint8_t)MIN(MIN(bytes, have), 16),
		.addr_mask = c->addr_mask };
	op_emit(c, OP_TRACE_MEM, 0, 0, 0, at);
}

static bool inline_type(unsigned type)
{
	return type >= BP_T_I8 && ir_types[type].bytes <= 8 && type != BP_T_FLAGS;
}

static unsigned regime_of(uint32_t memop)
{
	return (memop & BP_MEM_REGIME) >> BP_MEM_REGIME_SHIFT;
}

/* The operation that loads `size` (log2) bytes, extended to at least `to` (log2) bytes: 2 or 3. */
static unsigned load_code(unsigned size, bool sign, unsigned to)
{
	unsigned code = to == 3 ? OP_LD_U8_64 : OP_LD_U8_32;
	return size == to ? code + 2 * size : code + 2 * size + sign;
}

static void load_swapped(struct compiler *c, unsigned i, uint32_t addr, int32_t disp)
{
	const struct bp_ir *r = &c->rec[i];
	uint32_t memop = bp_ir_memop(r), t = temp_new(c, BP_T_I64);
	unsigned size = memop & BP_MEM_SIZE;
	op_emit(c, load_code(size, false, 3), t, addr, memop & ~(uint32_t)BP_MEM_BIG_ENDIAN, disp)
		->c = regime_of(memop);
	op_emit(c, OP_BSWAP_8 + size, t, t, 0, 0);
	if (size < 3)
		op_emit(c, OP_SHL_64 + 4, t, t, 0, 64 - (8 << size));
	if (size < 3)
		op_emit(c, (memop & BP_MEM_SIGNED ? OP_SAR_64 : OP_SHR_64) + 4, t, t, 0,
			64 - (8 << size));
	c->v[i].kind = V_MEM;
	c->v[i].type = r->type;
	c->v[i].off = t;
}

static void select_mem(struct compiler *c, unsigned i)
{
	const struct bp_ir *r = &c->rec[i];
	const struct ir_info *info = ir_info(r->op);
	struct mem m = { .r = *r, .memop = bp_ir_memop(r), .addr_mask = c->addr_mask };
	int64_t at;
	m.addr = operand(c, r->arg[0]);
	if (ir_is_arg_value(r, 1))
		m.value = operand(c, r->arg[1]);
	if (info->more)
		m.second = operand(c, r[1].arg[0]);
	if (info->result != RES_NONE) {
		m.discard = !c->v[i].uses;
		m.d = c->trace & BP_TRACE_MEMORY ? result_temp(c, i) : result(c, i);
	}
	memcpy(info_new(c, sizeof(m), &at), &m, sizeof(m));
	if (r->op == BP_IR_LD || r->op == BP_IR_ST || r->op == BP_IR_STP)
		fence_before(c, m.memop);
	op_emit(c, OP_MEM, 0, 0, 0, at);
	if (r->op == BP_IR_LD || r->op == BP_IR_ST || r->op == BP_IR_STP)
		fence_after(c, m.memop);
	int32_t disp = info->imm == IMM_NUMBER ? r->imm : 0;
	if (r->op != BP_IR_PROBE)
		trace_access(c, r, m.addr, disp,
			info->props & IR_WRITES && r->op != BP_IR_RMW && r->op != BP_IR_CAS
				? m.value
				: m.d,
			!(info->props & IR_WRITES)       ? 0
				: info->props & IR_READS ? 2
							 : 1,
			r->op == BP_IR_SC ? m.d : 0);
}

static void select_load(struct compiler *c, unsigned i)
{
	const struct bp_ir *r = &c->rec[i];
	uint32_t memop = bp_ir_memop(r);
	unsigned size = memop & BP_MEM_SIZE, width = width_of(r->type);
	int32_t disp = r->imm;
	if (size > 3 || !inline_type(r->type) || memop & BP_MEM_EXEC_PERMISSION) {
		select_mem(c, i);
		return;
	}
	fence_before(c, memop);
	uint32_t addr = address(c, r, &disp);
	if (memop & BP_MEM_BIG_ENDIAN && size) {
		load_swapped(c, i, addr, disp);
	} else {
		unsigned code = load_code(size, memop & BP_MEM_SIGNED, width < 2 ? 2 : width);
		/* The result may take the address's register, which a tracer still wants to see. */
		uint32_t d =
			width < 2 || c->trace & BP_TRACE_MEMORY ? result_temp(c, i) : result(c, i);
		op_emit(c, code, d, addr, memop, disp)->c = regime_of(memop);
	}
	fence_after(c, memop);
	trace_access(c, r, addr, disp, c->v[i].off, 0, 0);
}

static void select_store(struct compiler *c, unsigned i)
{
	const struct bp_ir *r = &c->rec[i];
	uint32_t memop = bp_ir_memop(r);
	unsigned size = memop & BP_MEM_SIZE;
	int32_t disp = r->imm;
	if (size > 3 || !inline_type(r->type)) {
		select_mem(c, i);
		return;
	}
	uint32_t addr = address(c, r, &disp), value = operand(c, r->arg[1]), swapped = value;
	if (memop & BP_MEM_BIG_ENDIAN && size) {
		swapped = temp_new(c, BP_T_I64);
		op_emit(c, OP_BSWAP_8 + size, swapped, value, 0, 0);
	}
	fence_before(c, memop);
	op_emit(c, OP_ST_8 + size, memop & ~(uint32_t)BP_MEM_BIG_ENDIAN, addr, swapped, disp)->c =
		regime_of(memop);
	fence_after(c, memop);
	trace_access(c, r, addr, disp, value, 1, 0);
}

static void select_rmw(struct compiler *c, unsigned i)
{
	const struct bp_ir *r = &c->rec[i];
	uint32_t memop = bp_ir_memop(r);
	unsigned size = memop & BP_MEM_SIZE, width = width_of(r->type);
	if (size < 2 || size > 3 || r->type > BP_T_I64 || memop & BP_MEM_BIG_ENDIAN) {
		select_mem(c, i);
		return;
	}
	uint32_t addr = operand(c, r->arg[0]), value = operand(c, r->arg[1]);
	int64_t imm = (int64_t)((uint64_t)r->aux << 32 | memop);
	uint32_t d = c->trace & BP_TRACE_MEMORY || size != width ? result_temp(c, i) : result(c, i);
	op_emit(c, OP_RMW_32 + size - 2, d, addr, value, imm)->c = regime_of(memop);
	if (size != width)
		op_emit(c, memop & BP_MEM_SIGNED ? OP_SEXT_32_64 : OP_ZEXT_32_64, d, d, 0, 0);
	trace_access(c, r, addr, 0, d, 2, 0);
}

static void select_fence(struct compiler *c, const struct bp_ir *r)
{
	/* Device input and output are reads and writes to the host. */
	unsigned before = r->aux >> 4, after = r->aux & 15;
	before = (before | before >> 2) & 3;
	after = (after | after >> 2) & 3;
	if (!before || !after)
		return;
	fence(c, before & 2 && after & 1 ? FENCE_FULL : FENCE_BOTH);
}

/* ---- calls ---- */

static void slot(struct call_slot *s, unsigned type, uint32_t offset)
{
	s->offset = offset;
	s->bytes = ir_types[type].bytes;
}

static void select_call(struct compiler *c, unsigned i)
{
	const struct bp_ir *r = &c->rec[i];
	struct call call = { .helper = verify_helper(&c->type, r->imm) };
	int64_t at;
	call.args = call.helper->args;
	call.results = call.helper->results;
	for (unsigned n = 0; n < call.args; n++) {
		unsigned id = c->rec[i + n / 4].arg[n % 4];
		slot(&call.arg[n], c->v[id].type ? c->v[id].type : ir_result_type(&c->rec[id]),
			operand(c, id));
	}
	for (unsigned n = 0; n < call.results; n++) {
		call.result_words[n] = 1;
		if (n == 0 && r->type != BP_T_NONE) {
			call.result_words[0] = ir_types[r->type].bytes > 8 ? 2 : 1;
			if (c->v[i].uses)
				slot(&call.result[0], r->type, result_temp(c, i));
		}
		for (unsigned j = i + 1; n && j < c->count; j++) {
			const struct bp_ir *o = &c->rec[j];
			if (o->op != BP_IR_OUT || o->arg[0] != i || (unsigned)o->imm != n)
				continue;
			call.result_words[n] = ir_types[o->type].bytes > 8 ? 2 : 1;
			if (c->v[j].uses)
				slot(&call.result[n], o->type, result_out(c, i, n));
		}
	}
	memcpy(info_new(c, sizeof(call), &at), &call, sizeof(call));
	op_emit(c, OP_CALL, 0, 0, 0, at);
}

void select_record(struct compiler *c, unsigned i)
{
	const struct bp_ir *r = &c->rec[i];
	bool selected = false;
	switch (r->op) {
	case BP_IR_LD: select_load(c, i); return;
	case BP_IR_ST: select_store(c, i); return;
	case BP_IR_RMW: select_rmw(c, i); return;
	case BP_IR_STP:
	case BP_IR_LL:
	case BP_IR_SC:
	case BP_IR_CAS:
	case BP_IR_PROBE: select_mem(c, i); return;
	case BP_IR_FENCE: select_fence(c, r); return;
	case BP_IR_CALL: select_call(c, i); return;
	case BP_IR_LO:
	case BP_IR_CAST: alias(c, i, r->arg[0], 0); return;
	case BP_IR_HI: alias(c, i, r->arg[0], 8); return;
	case BP_IR_SEXT:
	case BP_IR_ZEXT:
	case BP_IR_TRUNC: selected = select_convert(c, i); break;
	case BP_IR_UBITS:
	case BP_IR_SBITS: selected = select_bits(c, i); break;
	case BP_IR_SELECT: selected = select_select(c, i); break;
	default: selected = select_simple(c, i); break;
	}
	if (!selected)
		select_generic(c, i);
}
