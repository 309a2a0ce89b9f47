/* SPDX-License-Identifier: MIT */
#include "verify.h"
#include "ir_table.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum { SIDES = 2 * BP_IR_INSN_LIMIT, MEM_BITS = 19, FLOAT_MODES = BP_ROUND_ODD + 1 };

struct side { /* an open IF */
	uint16_t id, if_id; /* of the side that is open; of the IF side */
	bool has_else, reached, if_reached; /* whether control can come to this point */
	bool outer_reached;
};

struct verify {
	const struct verify_type *type;
	const struct bp_ir *rec;
	uint32_t count, at;
	uint64_t pc;
	unsigned regimes;
	char *error;
	size_t size;
	bool failed;
	unsigned depth;
	uint16_t sides;
	uint16_t end_if, end_else; /* sides of the IF that just ended, for MERGE */
	bool end_if_reached, end_else_reached, after_end;
	/* From here on nothing is cleared: what is read was written for a record or side before. */
	struct side side[IR_NEST + 1];
	uint8_t made[BP_IR_INSN_LIMIT]; /* type of each record's result */
	uint8_t outs[BP_IR_INSN_LIMIT]; /* OUTs seen of each record, by bit */
	uint16_t scope[BP_IR_INSN_LIMIT]; /* the side it was made in */
	bool open[SIDES]; /* whether a side is open; side 0 is the instruction itself */
};

/* Report once; returns false. */
static bool BP_PRINTF(2, 3) fail(struct verify *v, const char *fmt, ...)
{
	const struct ir_info *info = ir_info(v->rec[v->at].op);
	va_list ap;
	if (v->failed)
		return false;
	v->failed = true;
	int n = snprintf(v->error, v->size,
		"the CPU frontend's record %u (%s) for the instruction at guest address 0x%" PRIx64
		": ",
		v->at, info ? info->name : "unknown", v->pc);
	va_start(ap, fmt);
	if (n > 0 && (size_t)n < v->size)
		vsnprintf(v->error + n, v->size - (size_t)n, fmt, ap);
	va_end(ap);
	return false;
}

/* ---- the CPU type's tables ---- */

struct verify_type verify_type_of(const struct bp_cpu *type, const uint32_t strides[3])
{
	return (struct verify_type){ .cpu = type,
		.reg_stride = strides[0] ? strides[0] : (uint32_t)sizeof(struct bp_cpu_reg),
		.helper_stride = strides[1] ? strides[1] : (uint32_t)sizeof(struct bp_helper),
		.env_stride = strides[2] ? strides[2] : (uint32_t)sizeof(struct bp_fp_env) };
}

static const void *entry(const void *table, uint32_t stride, unsigned n)
{
	return (const char *)table + (size_t)stride * n;
}

const struct bp_helper *verify_helper(const struct verify_type *type, int32_t n)
{
	const struct bp_helper *h = type->cpu->helpers;
	for (int32_t i = 0; h && h->name && n >= 0; i++, h = entry(h, type->helper_stride, 1))
		if (i == n)
			return h;
	return NULL;
}

const struct bp_fp_env *verify_env(const struct verify_type *type, unsigned n)
{
	const struct bp_fp_env *e = type->cpu->fp_envs;
	for (unsigned i = 0; e && e->size; i++, e = entry(e, type->env_stride, 1))
		if (i == n)
			return e;
	return NULL;
}

/* Whether [offset, +len) lies in one register, or in a bank whose registers leave no gaps. */
static bool inside(const struct bp_cpu_reg *r, uint64_t offset, uint64_t len, bool indexed)
{
	uint64_t bytes = r->type < BP_T_COUNT ? ir_types[r->type].bytes : 0;
	uint64_t count = r->count ? r->count : 1, stride = r->count > 1 ? r->stride : bytes;
	uint64_t total = stride * (count - 1) + bytes;
	if (r->flags & (BP_REG_DEBUG_ONLY | BP_REG_PC) || !bytes || offset < r->offset ||
		offset - r->offset > total || len > total - (offset - r->offset))
		return false;
	/* Registers that are wider than any type are banks of bytes or words without gaps. */
	return indexed || stride <= bytes || (offset - r->offset) % stride + len <= bytes;
}

static bool check_register(struct verify *v, uint64_t offset, uint64_t len, bool indexed)
{
	static __thread const struct bp_cpu_reg *hint; /* the table's entry found last */
	static __thread const struct bp_cpu *hint_of;
	const struct bp_cpu *cpu = v->type->cpu;
	if (hint_of == cpu && inside(hint, offset, len, indexed))
		return true;
	for (const struct bp_cpu_reg *r = cpu->regs; r && r->name;
		r = entry(r, v->type->reg_stride, 1))
		if (inside(r, offset, len, indexed)) {
			hint = r;
			hint_of = cpu;
			return true;
		}
	return fail(v,
		"bytes %" PRIu64 " to %" PRIu64
		" of the CPU state are in no register of the type's table "
		"that records may use; declare it, or correct the offset",
		offset, offset + len - 1);
}

/* ---- parts of a record ---- */

static bool visible(const struct verify *v, unsigned id)
{
	return id < v->at && v->open[v->scope[id]];
}

/* arg[n] must be the id of a value of `type` (BP_T_COUNT: any). */
static bool check_value(struct verify *v, const struct bp_ir *r, unsigned n, unsigned type)
{
	unsigned id = r->arg[n];
	if (id == 0 || id >= v->at)
		return fail(v, "operand %u is record %u, which does not come before it", n, id);
	if (v->made[id] == BP_T_NONE)
		return fail(v, "operand %u is record %u, which has no result", n, id);
	if (!visible(v, id))
		return fail(v,
			"operand %u is record %u, which was made in a side that is closed; use a "
			"MERGE",
			n, id);
	if (type != BP_T_COUNT && v->made[id] != type)
		return fail(v, "operand %u has type %s, expected %s", n, ir_types[v->made[id]].name,
			type < BP_T_COUNT ? ir_types[type].name : "another");
	return true;
}

static bool is_vector(unsigned type)
{
	return type < BP_T_COUNT && ir_types[type].class == IR_VECTOR;
}

static bool check_lane(struct verify *v, const struct bp_ir *r, const struct ir_info *info)
{
	unsigned lane = r->arg[3];
	if (info->props & IR_LANES && !is_vector(r->type)) {
		if (info->aux == AUX_ENV ? lane > FLOAT_MODES : lane != 0)
			return fail(v, "operand 3 is %u: not a rounding mode plus one, or 0", lane);
		return true;
	}
	if (info->aux == AUX_ENV && !is_vector(r->type))
		return lane <= FLOAT_MODES ||
			fail(v, "operand 3 is %u: not a rounding mode plus one", lane);
	if (lane >= BP_T_COUNT || !(ir_types[lane].class & info->lanes) || ir_types[lane].bytes > 8)
		return fail(v, "lane type %u is none of those it can have", lane);
	return true;
}

static bool check_nothing(struct verify *v, const struct bp_ir *r, unsigned n)
{
	return r->arg[n] == 0 || fail(v, "operand %u is %u, expected nothing", n, r->arg[n]);
}

static bool check_arg(
	struct verify *v, const struct bp_ir *r, const struct ir_info *info, unsigned n)
{
	if (info->arg[n] == ARG_NONE)
		return check_nothing(v, r, n);
	unsigned type = ir_arg_type(r, n);
	switch (info->arg[n]) {
	case ARG_OPT_I1:
	case ARG_OPT_I64: return !r->arg[n] || check_value(v, r, n, type);
	case ARG_SAME_OR_IMM:
		if (r->aux & BP_IR_IMM)
			return check_nothing(v, r, n);
		return check_value(v, r, n, type);
	case ARG_VECTOR:
		if (!check_value(v, r, n, BP_T_COUNT))
			return false;
		return is_vector(v->made[r->arg[n]]) || fail(v, "operand %u is no vector", n);
	case ARG_LANE: return check_lane(v, r, info);
	case ARG_TYPE: /* of what is converted: a number, or the lanes */
		if (r->arg[n] >= BP_T_COUNT ||
			!(ir_types[r->arg[n]].class & (r->op == BP_IR_FTOI ? IR_FLOAT : IR_INT)))
			return fail(v, "operand %u is no type that it converts from", n);
		if (is_vector(r->type) && r->arg[3] < BP_T_COUNT &&
			ir_types[r->arg[n]].bits != ir_types[r->arg[3]].bits)
			return fail(v, "lanes of one width are converted to lanes of another");
		return true;
	case ARG_NUMBER:
	case ARG_MEMOP:
	case ARG_WIDE: return true;
	case ARG_ANY: return true; /* CALL, OUT: see there */
	default:
		if (type == BP_T_NONE)
			return fail(v, "it says no type for operand %u", n);
		return check_value(v, r, n, type);
	}
}

static bool check_aux(struct verify *v, const struct bp_ir *r, const struct ir_info *info)
{
	switch (info->aux) {
	case AUX_NONE: return r->aux == 0 || fail(v, "aux is %u, expected 0", r->aux);
	case AUX_IMM:
		return r->aux == 0 || r->aux == BP_IR_IMM ||
			fail(v, "aux is %u, expected 0 or BP_IR_IMM", r->aux);
	case AUX_TYPE:
		return (r->aux > BP_T_NONE && r->aux < BP_T_COUNT) ||
			fail(v, "aux is %u: no type", r->aux);
	case AUX_ENV:
		return verify_env(v->type, r->aux) ||
			fail(v, "aux is %u: no entry of the type's floating-point environments",
				r->aux);
	case AUX_LIMIT:
		return r->aux <= info->aux_limit ||
			fail(v, "aux is %u, expected at most %u", r->aux, info->aux_limit);
	default: return true;
	}
}

static bool check_field(struct verify *v, const struct bp_ir *r)
{
	unsigned pos = r->imm & 0xff, len = (uint32_t)r->imm >> 8;
	return (len && pos + len <= ir_types[r->type].bits && len <= ir_types[r->type].bits) ||
		fail(v, "a field of %u bits at bit %u is not inside %s", len, pos,
			ir_types[r->type].name);
}

static bool check_imm(struct verify *v, const struct bp_ir *r, const struct ir_info *info)
{
	switch (info->imm) {
	case IMM_OPERAND:
		if (r->aux & BP_IR_IMM)
			return true;
		break;
	case IMM_NUMBER: return true;
	case IMM_OFFSET: return r->imm >= 0 || fail(v, "a register's offset is negative");
	case IMM_FIELD: return check_field(v, r);
	case IMM_LANE: return true; /* with the vector's type */
	case IMM_TYPE:
		return (r->imm > BP_T_NONE && r->imm < BP_T_COUNT &&
			       ir_types[r->imm].class == IR_FLOAT) ||
			fail(v, "imm is %d: no floating-point type", r->imm);
	case IMM_HELPER:
		return verify_helper(v->type, r->imm) ||
			fail(v, "imm is %d: no entry of the type's helpers", r->imm);
	case IMM_LIMIT:
		return (r->imm >= 0 && r->imm <= info->imm_limit) ||
			fail(v, "imm is %d, expected 0 to %u", r->imm, info->imm_limit);
	default: break;
	}
	return r->imm == 0 || fail(v, "imm is %d, expected 0", r->imm);
}

/* ---- what the table cannot say ---- */

static bool check_conversion(struct verify *v, const struct bp_ir *r)
{
	const struct ir_type *to = &ir_types[r->type], *from = &ir_types[r->aux];
	switch (r->op) {
	case BP_IR_SEXT:
	case BP_IR_ZEXT:
		return (from->class & IR_SCALAR_INT && from->bits <= to->bits) ||
			fail(v, "%s cannot be extended to %s", from->name, to->name);
	case BP_IR_TRUNC:
		return (from->class & IR_SCALAR_INT && from->bits >= to->bits) ||
			fail(v, "%s cannot be truncated to %s", from->name, to->name);
	default: /* CAST */
		return (from->class & (IR_INT | IR_I128 | IR_FLOAT | IR_VECTOR) &&
			       from->bytes == to->bytes) ||
			fail(v, "%s and %s are not of the same size", from->name, to->name);
	}
}

static bool check_boxed(struct verify *v, unsigned type)
{
	return type == BP_T_F16 || type == BP_T_F32 ||
		fail(v, "%s is not boxed: f16 or f32 are", ir_types[type].name);
}

static bool check_vector(struct verify *v, const struct bp_ir *r)
{
	unsigned lane = ir_types[r->arg[3]].bytes;
	switch (r->op) {
	case BP_IR_VWIDENS:
	case BP_IR_VWIDENU: return lane <= 4 || fail(v, "lanes of 64 bits cannot become wider");
	case BP_IR_VNARROW: return lane >= 2 || fail(v, "lanes of 8 bits cannot become narrower");
	case BP_IR_VEXTRACT:
		if (r->type != r->arg[3])
			return fail(v, "its type is not that of the lanes");
		lane = ir_types[v->made[r->arg[0]]].bytes / lane;
		break;
	case BP_IR_VINSERT: lane = ir_types[r->type].bytes / lane; break;
	default: return true;
	}
	return (r->imm >= 0 && (unsigned)r->imm < lane) ||
		fail(v, "lane %d of a vector of %u lanes", r->imm, lane);
}

static bool check_memory(struct verify *v, const struct bp_ir *r, const struct ir_info *info)
{
	uint32_t memop = bp_ir_memop(r), bytes = 1u << (memop & BP_MEM_SIZE);
	const struct ir_type *t = &ir_types[r->type];
	if (memop >> MEM_BITS || (memop & BP_MEM_SIZE) > BP_MEM_512)
		return fail(v, "memop 0x%x has bits that mean nothing", memop);
	if ((memop & BP_MEM_REGIME) >> BP_MEM_REGIME_SHIFT >= v->regimes)
		return fail(v, "translation regime %u of a CPU type that has %u",
			(memop & BP_MEM_REGIME) >> BP_MEM_REGIME_SHIFT, v->regimes);
	if (r->op == BP_IR_PROBE)
		return r->imm >= 0 || fail(v, "imm is %d: no number of bytes", r->imm);
	if (r->type == BP_T_F80)
		return fail(v, "an f80 is loaded and stored in two parts");
	if (t->class & (IR_FLOAT | IR_VECTOR) ? bytes != t->bytes : bytes > t->bytes)
		return fail(v, "%u bytes of memory for %s", bytes, t->name);
	if (r->op == BP_IR_STP && bytes > 32)
		return fail(v, "a pair of %u bytes each, expected at most 32", bytes);
	if (r->op == BP_IR_RMW && bytes > 8 && r->aux != BP_RMW_SWAP)
		return fail(v, "a read-modify-write of 128 bits can only swap");
	(void)info;
	return true;
}

static bool check_call(struct verify *v, const struct bp_ir *r)
{
	const struct bp_helper *h = verify_helper(v->type, r->imm);
	unsigned more = h->args > 4 ? (h->args - 1u) / 4 : 0;
	if (h->args > 8 || h->results > 4 || !h->fn)
		return fail(v,
			"helper %s has %u operands and %u results, expected at most 8 and 4, or no "
			"function",
			h->name, h->args, h->results);
	if (r->type != BP_T_NONE && (!h->results || ir_types[r->type].bytes > 16))
		return fail(
			v, "helper %s has no result of type %s", h->name, ir_types[r->type].name);
	if (v->at + more >= v->count)
		return fail(v, "helper %s takes %u operands", h->name, h->args);
	for (unsigned n = 0; n < 4 * (more + 1); n++) {
		const struct bp_ir *m = r + n / 4;
		if (n % 4 == 0 && n && m->op != BP_IR_MORE)
			return fail(v, "helper %s takes %u operands: MORE is missing", h->name,
				h->args);
		if (n >= h->args ? m->arg[n % 4] != 0 : !check_value(v, m, n % 4, BP_T_COUNT))
			return fail(
				v, "helper %s takes %u operands, here are more", h->name, h->args);
		if (n < h->args && ir_types[v->made[m->arg[n % 4]]].bytes > 16)
			return fail(v, "operand %u has more than 128 bits", n);
	}
	v->at += more;
	return true;
}

static bool check_out(struct verify *v, const struct bp_ir *r)
{
	unsigned of = r->arg[0], which = (unsigned)r->imm;
	const struct bp_ir *m;
	if (!of || of >= v->at || !visible(v, of))
		return fail(v, "it projects record %u, which does not come before it", of);
	m = &v->rec[of];
	if (!which || v->outs[of] & 1u << which)
		return fail(v, "result %u of record %u is projected twice, or is the record itself",
			which, of);
	v->outs[of] |= (uint8_t)(1u << which);
	if (m->op == BP_IR_CALL)
		return (which < verify_helper(v->type, m->imm)->results &&
			       ir_types[r->type].bytes <= 16) ||
			fail(v, "the helper has no such result");
	return (which == 1 && ir_info(m->op)->out != BP_T_NONE && ir_info(m->op)->out == r->type) ||
		fail(v, "record %u has no second result of type %s", of, ir_types[r->type].name);
}

/* ---- control ---- */

static bool open_side(struct verify *v, struct side *a)
{
	a->id = ++v->sides;
	v->open[a->id] = true;
	return true;
}

static bool check_control(struct verify *v, const struct bp_ir *r)
{
	struct side *a = &v->side[v->depth];
	switch (r->op) {
	case BP_IR_IF:
		if (v->depth == IR_NEST)
			return fail(v, "more than %d IFs inside each other", IR_NEST);
		v->depth++;
		a[1] = (struct side){ .reached = a->reached, .outer_reached = a->reached };
		open_side(v, &a[1]);
		a[1].if_id = a[1].id;
		return true;
	case BP_IR_ELSE:
		if (!v->depth || a->has_else)
			return fail(v, "there is no IF that it belongs to");
		a->has_else = true;
		a->if_reached = a->reached;
		a->reached = a->outer_reached;
		v->open[a->id] = false;
		return open_side(v, a);
	default: /* END */
		if (!v->depth)
			return fail(v, "there is no IF that it belongs to");
		v->open[a->id] = false;
		v->depth--;
		v->end_if = a->if_id;
		v->end_else = a->has_else ? a->id : a->if_id;
		v->end_if_reached = a->has_else ? a->if_reached : a->reached;
		v->end_else_reached = a->has_else ? a->reached : a->outer_reached;
		a[-1].reached = v->end_if_reached || v->end_else_reached;
		if (!a->has_else)
			v->end_else = 0;
		return true;
	}
}

/* A MERGE's operand may have been made in the side that just closed. */
static bool check_merge_side(
	struct verify *v, const struct bp_ir *r, unsigned n, uint16_t side, bool reached)
{
	unsigned id = r->arg[n];
	bool ok;
	if (!id && !reached)
		return true;
	bool was = v->open[side];
	v->open[side] = true;
	ok = check_value(v, r, n, r->type);
	v->open[side] = was;
	return ok;
}

static bool check_merge(struct verify *v, const struct bp_ir *r)
{
	if (!v->after_end)
		return fail(v, "it does not stand right behind an END");
	return check_merge_side(v, r, 0, v->end_if, v->end_if_reached) &&
		check_merge_side(v, r, 1, v->end_else, v->end_else_reached);
}

static bool check_special(struct verify *v, const struct bp_ir *r, const struct ir_info *info)
{
	uint64_t offset = (uint32_t)r->imm, bytes = ir_types[r->type].bytes;
	switch (r->op) {
	case BP_IR_INSN: return fail(v, "only the core marks instructions");
	case BP_IR_MORE: return fail(v, "there is no record that it belongs to");
	case BP_IR_OUT: return check_out(v, r);
	case BP_IR_CALL: return check_call(v, r);
	case BP_IR_IF:
	case BP_IR_ELSE:
	case BP_IR_END: return check_control(v, r);
	case BP_IR_PCREL:
		return (r->type == BP_T_I64 && r->arg[0] <= 64 && r->arg[1] <= 64) ||
			fail(v, "a PCREL has type i64 and counts of bits up to 64");
	case BP_IR_TIME: return r->type == BP_T_I64 || fail(v, "its type is not i64");
	case BP_IR_FLAGS_UNPACK: return r->type == BP_T_I8 || fail(v, "its type is not i8");
	case BP_IR_FTOI:
		return !(r->imm & ~0x31) || fail(v, "imm 0x%x means nothing", (unsigned)r->imm);
	case BP_IR_FCMP: return (r->imm & 7) < 4 || fail(v, "imm %d is no comparison", r->imm);
	case BP_IR_GET:
	case BP_IR_PUT:
		if (offset % (bytes < 8 ? bytes : 8))
			return fail(v, "offset %d is not aligned for %s", r->imm,
				ir_types[r->type].name);
		return check_register(v, offset, bytes, false);
	case BP_IR_GETX:
	case BP_IR_PUTX:
		if (!r->arg[3] || (r->arg[3] > 1 && r->arg[2] < bytes))
			return fail(v, "%u elements %u bytes apart, of %u bytes each", r->arg[3],
				r->arg[2], (unsigned)bytes);
		return check_register(
			v, offset, (uint64_t)r->arg[2] * (r->arg[3] - 1u) + bytes, true);
	case BP_IR_SEXT:
	case BP_IR_ZEXT:
	case BP_IR_TRUNC:
	case BP_IR_CAST: return check_conversion(v, r);
	case BP_IR_BOX:
		return r->type == BP_T_I64 ? check_boxed(v, r->aux)
					   : fail(v, "its type is not i64");
	case BP_IR_UNBOX: return check_boxed(v, r->type);
	default: break;
	}
	if (info->arg[2] == ARG_MEMOP)
		return check_memory(v, r, info);
	if (r->op >= BP_IR_VSPLAT && r->op != BP_IR_VBLEND)
		return check_vector(v, r);
	return true;
}

static bool check_more(struct verify *v, const struct bp_ir *r, const struct ir_info *info)
{
	for (unsigned n = 1; n <= info->more; n++) {
		if (v->at + 1 >= v->count || r[n].op != BP_IR_MORE)
			return fail(v, "a MORE record must follow");
		if (r[n].arg[1] || r[n].arg[2] || r[n].arg[3])
			return fail(v, "its MORE record has one operand only");
		if (!check_value(v, &r[n], 0, r->type))
			return false;
		v->at++;
	}
	return true;
}

static bool check_record(struct verify *v)
{
	const struct bp_ir *r = &v->rec[v->at];
	const struct ir_info *info = ir_info(r->op);
	uint32_t at = v->at;
	if (!info)
		return fail(v, "there is no opcode %u", r->op);
	if (r->type >= BP_T_COUNT || !(ir_types[r->type].class & info->types))
		return fail(v, "type %s is none that it can have",
			r->type < BP_T_COUNT ? ir_types[r->type].name : "out of range");
	if (r->op != BP_IR_MORE && (!check_aux(v, r, info) || !check_imm(v, r, info)))
		return false;
	if (r->op == BP_IR_MERGE) {
		if (!check_merge(v, r) || r->arg[2] || r->arg[3])
			return fail(v, "operands 2 and 3 must be 0");
	} else {
		/* from the last: lane types come before what depends on them */
		for (unsigned n = 4; n-- > 0;)
			if (!check_arg(v, r, info, n))
				return false;
	}
	if (!check_special(v, r, info) || !check_more(v, r, info))
		return false;
	v->made[at] = (uint8_t)ir_result_type(r);
	if (r->op == BP_IR_CALL && !verify_helper(v->type, r->imm)->results)
		v->made[at] = BP_T_NONE; /* whatever type it says */
	v->outs[at] = 0;
	v->scope[at] = v->side[v->depth].id;
	for (uint32_t i = at + 1; i <= v->at; i++) {
		v->made[i] = BP_T_NONE;
		v->outs[i] = 0;
		v->scope[i] = v->scope[at];
	}
	if (info->props & IR_LEAVES)
		v->side[v->depth].reached = false;
	v->after_end = r->op == BP_IR_END || r->op == BP_IR_MERGE;
	return true;
}

bool ir_verify(const struct verify_type *type, const struct bp_ir *record, uint32_t count,
	uint64_t pc, bool *reaches_end, char *error, size_t size)
{
	struct verify v;
	memset(&v, 0, offsetof(struct verify, side));
	v.type = type;
	v.rec = record;
	v.count = count;
	v.pc = pc;
	v.error = error;
	v.size = size;
	const struct bp_regime *r = type->cpu->regimes;
	while (r && r[v.regimes].name && v.regimes < 32)
		v.regimes++;
	if (!count || count > BP_IR_INSN_LIMIT || record[0].op != BP_IR_INSN) {
		snprintf(error, size, "an instruction has 1 to %d records, the mark first",
			BP_IR_INSN_LIMIT);
		return false;
	}
	v.open[0] = true;
	v.side[0] = (struct side){ .reached = true };
	for (v.at = 1; v.at < count; v.at++)
		if (!check_record(&v))
			return false;
	v.at = count - 1;
	if (v.depth)
		return fail(&v, "%u IFs have no END", v.depth);
	*reaches_end = v.side[0].reached;
	return true;
}
