/* SPDX-License-Identifier: MIT */
#include "stream.h"

struct gen_value {
	uint16_t id;
	uint8_t type;
};

struct generator {
	struct stream *s;
	GRand *rand;
	struct bp_ir_cursor c;
	struct gen_value value[BP_IR_INSN_LIMIT];
	unsigned values;
	struct {
		unsigned values; /* visible outside */
		bool has_else, left;
		struct gen_value last[2]; /* of each side, for MERGE */
	} side[4];
	unsigned depth;
	bool left; /* the rest of this side is not reached */
};

static unsigned pick(struct generator *g, unsigned n)
{
	return (unsigned)g_rand_int_range(g->rand, 0, (int)n);
}

static uint16_t made(struct generator *g, unsigned id, unsigned type)
{
	if (type && id)
		g->value[g->values++] = (struct gen_value){ (uint16_t)id, (uint8_t)type };
	return (uint16_t)id;
}

/* Offset of a register that holds a value of that type. */
static uint32_t place(struct generator *g, unsigned type)
{
	unsigned bytes = ir_types[type].bytes;
	if (bytes <= 8 && pick(g, 4))
		return (uint32_t)(offsetof(struct toy_state, r) + 8 * pick(g, 6) +
			pick(g, 8 / bytes) * bytes);
	return (uint32_t)(offsetof(struct toy_state, v) + 64 * pick(g, 3) +
		pick(g, 64 / bytes) * bytes);
}

static uint64_t number(struct generator *g)
{
	uint64_t x = (uint64_t)g_rand_int(g->rand) << 32 | g_rand_int(g->rand);
	return pick(g, 2) ? x : x >> (32 + pick(g, 32));
}

static uint16_t want(struct generator *g, unsigned type)
{
	for (unsigned tries = 0; g->values && tries < 12; tries++) {
		const struct gen_value *v = &g->value[pick(g, g->values)];
		if (v->type == type)
			return v->id;
	}
	if (pick(g, 3))
		return made(g, bp_ir_get(&g->c, type, place(g, type)), type);
	uint64_t x = type == BP_T_I1 ? pick(g, 2) : type == BP_T_FLAGS ? pick(g, 64) : number(g);
	return made(g, bp_ir_const(&g->c, type, x), type);
}

static unsigned class_type(struct generator *g, unsigned class)
{
	unsigned type;
	do
		type = 1 + pick(g, BP_T_COUNT - 1);
	while (!(ir_types[type].class & class));
	return type;
}

/* ---- records by the table ---- */

static unsigned lane_type(struct generator *g, const struct ir_info *info, unsigned op)
{
	unsigned lane;
	do
		lane = class_type(g, info->lanes);
	while (ir_types[lane].bytes > 8 ||
		((op == BP_IR_VWIDENS || op == BP_IR_VWIDENU) && lane == BP_T_I64) ||
		(op == BP_IR_VNARROW && lane == BP_T_I8) || (op == BP_IR_FTOI && lane == BP_T_I8));
	return lane;
}

/* The type that is converted from, by constraint of the opcode. */
static unsigned from_type(struct generator *g, unsigned op, unsigned type, unsigned lane)
{
	unsigned from;
	bool vector = ir_types[type].class == IR_VECTOR;
	do {
		from = class_type(g,
			op == BP_IR_FTOI || op == BP_IR_FCVT || op == BP_IR_BOX ? IR_FLOAT
				: op == BP_IR_ITOF                              ? IR_INT
				: op == BP_IR_CAST ? IR_INT | IR_I128 | IR_FLOAT | IR_VECTOR
						   : IR_SCALAR_INT);
	} while ((vector && (op == BP_IR_FTOI || op == BP_IR_ITOF) &&
			 ir_types[from].bits != ir_types[lane].bits) ||
		((op == BP_IR_SEXT || op == BP_IR_ZEXT) &&
			ir_types[from].bits > ir_types[type].bits) ||
		(op == BP_IR_TRUNC && ir_types[from].bits < ir_types[type].bits) ||
		(op == BP_IR_CAST && ir_types[from].bytes != ir_types[type].bytes) ||
		(op == BP_IR_BOX && ir_types[from].bytes > 4));
	return from;
}

static int32_t immediate(struct generator *g, const struct ir_info *info, const struct bp_ir *r)
{
	unsigned bits = ir_types[r->type].bits, pos;
	switch (info->imm) {
	case IMM_OPERAND: return r->aux & BP_IR_IMM ? (int32_t)number(g) : 0;
	case IMM_NUMBER: return (int32_t)pick(g, 64);
	case IMM_FIELD: pos = pick(g, bits); return (int32_t)(pos | (1 + pick(g, bits - pos)) << 8);
	case IMM_LANE: return 0;
	case IMM_LIMIT:
		if (r->op == BP_IR_FTOI)
			return (int32_t)(pick(g, 4) << 4 | pick(g, 2));
		if (r->op == BP_IR_FCMP)
			return (int32_t)(pick(g, 4) | pick(g, 2) << 3);
		return (int32_t)pick(g, info->imm_limit + 1u);
	default: return 0;
	}
}

static uint32_t memop_for(struct generator *g, unsigned op, unsigned type)
{
	unsigned log2 = type ? (unsigned)__builtin_ctz(ir_types[type].bytes) : 0;
	uint32_t memop = log2;
	if (ir_types[type].class & (IR_INT | IR_I128))
		memop = pick(g, log2 + 1);
	if (op == BP_IR_LD || op == BP_IR_LL)
		memop |= pick(g, 2) ? BP_MEM_SIGNED : 0u;
	if (op == BP_IR_LD || op == BP_IR_ST)
		memop |= (pick(g, 3) ? 0u : BP_MEM_BIG_ENDIAN) | (pick(g, 3) ? 0u : BP_MEM_SEQ_CST);
	return memop;
}

static void by_table(struct generator *g, unsigned op)
{
	const struct ir_info *info = ir_info(op);
	struct bp_ir r = { .op = (uint16_t)op };
	if (info->types != IR_NOTYPE)
		do
			r.type = (uint8_t)class_type(g, info->types);
		while ((r.type == BP_T_F80 && info->arg[2] == ARG_MEMOP) ||
			(op == BP_IR_VEXTRACT && ir_types[r.type].bytes > 8) ||
			(op == BP_IR_STP && r.type == BP_T_V512));
	bool vector = ir_types[r.type].class == IR_VECTOR;
	if (op == BP_IR_PCREL || op == BP_IR_TIME || op == BP_IR_BOX)
		r.type = BP_T_I64;
	if (op == BP_IR_UNBOX)
		r.type = (uint8_t)(BP_T_F16 + pick(g, 2));
	if (op == BP_IR_FLAGS_UNPACK)
		r.type = BP_T_I8;
	if (info->aux == AUX_IMM && pick(g, 2))
		r.aux = BP_IR_IMM;
	if (info->arg[3] == ARG_LANE && (vector || !(info->props & IR_LANES)) && info->lanes)
		r.arg[3] = (uint16_t)lane_type(g, info, op);
	else if (info->arg[3] == ARG_LANE && info->aux == AUX_ENV)
		r.arg[3] = (uint16_t)pick(g, BP_ROUND_ODD + 2);
	if (op == BP_IR_VEXTRACT)
		r.arg[3] = r.type;
	if (info->aux == AUX_TYPE)
		r.aux = (uint8_t)from_type(g, op, r.type, 0);
	if (info->aux == AUX_LIMIT)
		r.aux = (uint8_t)pick(g, info->aux_limit + 1u);
	r.imm = immediate(g, info, &r);
	if (info->imm == IMM_TYPE)
		r.imm = (int32_t)from_type(g, op, r.type, 0);
	if (info->arg[1] == ARG_TYPE)
		r.arg[1] = (uint16_t)from_type(g, op, r.type, r.arg[3]);
	if (info->arg[2] == ARG_MEMOP) {
		uint32_t memop = memop_for(g, op, r.type);
		r.arg[2] = (uint16_t)memop;
		if (op == BP_IR_RMW && (memop & BP_MEM_SIZE) > 3)
			r.aux = BP_RMW_SWAP;
	}
	for (unsigned n = 0; n < 4; n++) {
		unsigned type = ir_arg_type(&r, n);
		bool optional = info->arg[n] == ARG_OPT_I1 || info->arg[n] == ARG_OPT_I64;
		if (info->arg[n] == ARG_VECTOR)
			type = BP_T_V64 + pick(g, 4);
		if (type == BP_T_NONE || type == BP_T_COUNT || (optional && pick(g, 2)))
			continue;
		r.arg[n] = want(g, type);
	}
	if (op == BP_IR_PCREL) {
		r.arg[0] = (uint16_t)pick(g, 65);
		r.arg[1] = (uint16_t)pick(g, 65);
	}
	/* mostly an address where there is something */
	if (info->arg[2] == ARG_MEMOP && pick(g, 5)) {
		uint16_t base = bp_ir_const(&g->c, BP_T_I64, STREAM_DATA + 8 * pick(g, 8));
		r.arg[0] = pick(g, 4) ? base : bp_ir_op2i(&g->c, BP_IR_ADD, BP_T_I64, base, 1);
	}
	uint16_t second = info->more ? want(g, r.type) : 0;
	unsigned id = bp_ir_emit(
		&g->c, r.op, r.type, r.aux, r.imm, r.arg[0], r.arg[1], r.arg[2], r.arg[3]);
	if (info->more)
		bp_ir_emit(&g->c, BP_IR_MORE, 0, 0, 0, second, 0, 0, 0);
	if (info->out && pick(g, 2)) {
		unsigned out = bp_ir_emit(&g->c, BP_IR_OUT, info->out, 0, 1, id, 0, 0, 0);
		made(g, out, info->out);
	}
	made(g, id, ir_result_type(&r));
}

/* ---- control ---- */

static void open_if(struct generator *g)
{
	uint16_t cond = want(g, BP_T_I1);
	g->side[g->depth].values = g->values;
	g->side[g->depth].has_else = false;
	bp_ir_emit(&g->c, BP_IR_IF, 0, 0, 0, cond, 0, 0, 0);
	g->depth++;
}

static void other_side(struct generator *g)
{
	g->side[g->depth - 1].last[0] = g->value[g->values - 1];
	g->side[g->depth - 1].has_else = true;
	bp_ir_emit(&g->c, BP_IR_ELSE, 0, 0, 0, 0, 0, 0, 0);
	g->values = g->side[g->depth - 1].values;
}

static void close_if(struct generator *g)
{
	unsigned d = --g->depth;
	struct gen_value a, b;
	if (!g->values) {
		bp_ir_emit(&g->c, BP_IR_END, 0, 0, 0, 0, 0, 0, 0);
		return;
	}
	b = g->value[g->values - 1];
	a = g->side[d].has_else ? g->side[d].last[0] : b;
	bp_ir_emit(&g->c, BP_IR_END, 0, 0, 0, 0, 0, 0, 0);
	g->values = g->side[d].values;
	if (!g->side[d].has_else) { /* the other way comes from before */
		for (unsigned i = 0; i < g->values; i++)
			if (g->value[i].type == a.type)
				b = g->value[i];
		if (b.id == a.id && (!g->values || g->value[g->values - 1].id != b.id))
			return;
	}
	if (a.type == b.type)
		made(g, bp_ir_emit(&g->c, BP_IR_MERGE, a.type, 0, 0, a.id, b.id, 0, 0), a.type);
}

static void call(struct generator *g)
{
	unsigned helper = pick(g, 8) ? 0 : 1;
	uint16_t a = want(g, BP_T_I64), b = want(g, BP_T_I32);
	made(g, bp_ir_emit(&g->c, BP_IR_CALL, BP_T_I64, 0, (int32_t)helper, a, b, 0, 0), BP_T_I64);
}

/* A jump to somewhere, by itself or chosen, with some key; or another way to leave. */
static void leave(struct generator *g)
{
	uint16_t to = 0, key = 0;
	switch (pick(g, 4)) {
	case 0: to = want(g, BP_T_I64); break;
	case 1:
		to = bp_ir_pcrel(
			&g->c, (int32_t)number(g), pick(g, 4), pick(g, 3) ? 0 : pick(g, 64));
		break;
	default: {
		uint16_t cond = want(g, BP_T_I1);
		if (pick(g, 2)) {
			uint16_t a = want(g, BP_T_I32), b = want(g, BP_T_I32);
			cond = bp_ir_op2(&g->c, BP_IR_EQ + pick(g, 6), BP_T_I32, a, b);
		}
		uint16_t yes = bp_ir_pcrel(&g->c, 4 * (int32_t)pick(g, 64), 0, 0);
		uint16_t no = bp_ir_pcrel(&g->c, -4096, 0, 0);
		to = bp_ir_select(&g->c, BP_T_I64, cond, yes, no);
		break;
	}
	}
	if (!pick(g, 3))
		key = want(g, BP_T_I64);
	else if (!pick(g, 2))
		key = bp_ir_const(&g->c, BP_T_I64, pick(g, 9));
	switch (pick(g, 8)) {
	case 0: bp_ir_emit(&g->c, BP_IR_RAISE, 0, 0, 3, to, 0, 0, 0); break;
	case 1: bp_ir_emit(&g->c, BP_IR_RESYNC, 0, 0, 0, to, 0, 0, 0); break;
	case 2: bp_ir_emit(&g->c, BP_IR_HALT, 0, 0, 0, 0, 0, 0, 0); break;
	default: bp_ir_jump(&g->c, to, BP_HINT_PLAIN, key, 0); break;
	}
}

static void step(struct generator *g)
{
	unsigned op, type;
	switch (pick(g, 16)) {
	case 0:
	case 1:
	case 2:
		type = class_type(g, IR_VALUE);
		made(g, bp_ir_get(&g->c, type, place(g, type)), type);
		return;
	case 3:
	case 4:
	case 5:
	case 6:
		if (g->values) {
			const struct gen_value *v =
				&g->value[g->values - 1 - pick(g, MIN(g->values, 4))];
			bp_ir_put(&g->c, v->type, place(g, v->type), v->id);
		}
		return;
	case 7:
		if (g->depth < 3 && !pick(g, 2)) {
			open_if(g);
			return;
		}
		if (g->depth && !g->side[g->depth - 1].has_else && g->values)
			other_side(g);
		return;
	case 8:
		if (g->depth)
			close_if(g);
		return;
	case 9:
		if (!pick(g, 3))
			call(g);
		else if (g->depth && !pick(g, 6))
			leave(g);
		else if (!pick(g, 6)) {
			bp_ir_emit(&g->c, BP_IR_COMMIT, 0, 0, 0, 0, 0, 0, 0);
			g->s->commits = true;
		}
		return;
	default:
		do
			op = BP_IR_PCREL + pick(g, BP_IR_OPS - BP_IR_PCREL);
		while (!ir_info(op) || op == BP_IR_GET || op == BP_IR_PUT || op == BP_IR_GETX ||
			op == BP_IR_PUTX || ir_info(op)->props & (IR_CONTROL | IR_LEAVES) ||
			op == BP_IR_CALL || op == BP_IR_MERGE || op == BP_IR_COMMIT);
		by_table(g, op);
		return;
	}
}

void stream_random(struct stream *s, GRand *rand, unsigned records)
{
	struct generator g = { .s = s, .rand = rand };
	memset(s, 0, sizeof(*s));
	g.c = (struct bp_ir_cursor){ .record = s->rec, .count = 1, .limit = BP_IR_INSN_LIMIT };
	s->rec[0].op = BP_IR_INSN;
	s->rec[0].aux = 4;
	while (g.c.count < records)
		step(&g);
	while (g.depth)
		close_if(&g);
	if (pick(&g, 2))
		leave(&g);
	s->count = g.c.count;
}
