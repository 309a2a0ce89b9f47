/* SPDX-License-Identifier: MIT */
/* Vectors, lane by lane. */
#include "interp_vector.h"

enum { VECTOR_BYTES = 64 };

struct vector {
	uint8_t b[VECTOR_BYTES];
};

static unsigned lane_bytes(const struct gen *g)
{
	return ir_types[g->r.arg[3]].bytes;
}

static struct vector operand(const uint8_t *base, const struct gen *g, unsigned n, unsigned type)
{
	struct vector v = { { 0 } };
	memcpy(v.b, base + g->a[n], ir_types[type].bytes);
	return v;
}

static void store(uint8_t *base, const struct gen *g, const struct vector *v)
{
	memcpy(base + g->d, v->b, ir_types[g->r.type].bytes);
}

static uint64_t lane(const struct vector *v, unsigned n, unsigned bytes)
{
	uint64_t x = 0;
	memcpy(&x, v->b + n * bytes, bytes);
	return x;
}

static void set_lane(struct vector *v, unsigned n, unsigned bytes, uint64_t x)
{
	memcpy(v->b + n * bytes, &x, bytes);
}

static void vec_two(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	unsigned bytes = lane_bytes(g), lanes = ir_types[g->r.type].bytes / bytes;
	bool compare = g->r.op >= BP_IR_EQ && g->r.op <= BP_IR_LEU;
	struct vector a = operand(base, g, 0, g->r.type), b = { { 0 } }, r = { { 0 } };
	(void)cpu;
	if (!(g->r.aux & BP_IR_IMM))
		b = operand(base, g, 1, g->r.type);
	for (unsigned i = 0; i < lanes; i++) {
		u128 y = g->r.aux & BP_IR_IMM ? (u128)(s128)g->r.imm : lane(&b, i, bytes);
		uint64_t x = (uint64_t)int_two(g->r.op, lane(&a, i, bytes), y, 8 * bytes);
		set_lane(&r, i, bytes, compare ? 0 - x : x);
	}
	store(base, g, &r);
}

static void vec_one(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	unsigned bytes = lane_bytes(g), lanes = ir_types[g->r.type].bytes / bytes;
	struct vector a = operand(base, g, 0, g->r.type), r = { { 0 } };
	(void)cpu;
	for (unsigned i = 0; i < lanes; i++)
		set_lane(&r, i, bytes, (uint64_t)int_one(g->r.op, lane(&a, i, bytes), 8 * bytes));
	store(base, g, &r);
}

static uint64_t clamp(s128 x, unsigned bits, bool is_signed)
{
	s128 max = ((s128)1 << (bits - is_signed)) - 1, min = is_signed ? -max - 1 : 0;
	return (uint64_t)(x < min ? min : x > max ? max : x);
}

static s128 widen(uint64_t x, unsigned bytes, bool is_signed)
{
	return is_signed ? (s128)(int64_t)interp_extend(x, 8 * bytes, true) : (s128)x;
}

static void vec_saturate(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	unsigned bytes = lane_bytes(g), lanes = ir_types[g->r.type].bytes / bytes;
	bool is_signed = g->r.op == BP_IR_VADDS || g->r.op == BP_IR_VSUBS;
	bool add = g->r.op == BP_IR_VADDS || g->r.op == BP_IR_VADDU;
	struct vector a = operand(base, g, 0, g->r.type), b = operand(base, g, 1, g->r.type);
	(void)cpu;
	for (unsigned i = 0; i < lanes; i++) {
		s128 x = widen(lane(&a, i, bytes), bytes, is_signed);
		s128 y = widen(lane(&b, i, bytes), bytes, is_signed);
		set_lane(&a, i, bytes, clamp(add ? x + y : x - y, 8 * bytes, is_signed));
	}
	store(base, g, &a);
}

static void vec_splat(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	unsigned bytes = lane_bytes(g), lanes = ir_types[g->r.type].bytes / bytes;
	struct vector a = operand(base, g, 0, g->r.arg[3]), r = { { 0 } };
	(void)cpu;
	for (unsigned i = 0; i < lanes; i++)
		memcpy(r.b + i * bytes, a.b, bytes);
	store(base, g, &r);
}

/* VEXTRACT's operand is a vector of at least the lanes up to imm: the verifier saw to it. */
static void vec_extract(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	unsigned bytes = lane_bytes(g);
	(void)cpu;
	memmove(base + g->d, base + g->a[0] + (uint32_t)g->r.imm * bytes, bytes);
}

static void vec_insert(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	unsigned bytes = lane_bytes(g);
	struct vector a = operand(base, g, 0, g->r.type);
	(void)cpu;
	memcpy(a.b + (uint32_t)g->r.imm * bytes, base + g->a[1], bytes);
	store(base, g, &a);
}

static void vec_permute(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	unsigned bytes = lane_bytes(g), lanes = ir_types[g->r.type].bytes / bytes, half = lanes / 2;
	struct vector a = operand(base, g, 0, g->r.type), b = operand(base, g, 1, g->r.type), r;
	(void)cpu;
	memset(&r, 0, sizeof(r));
	for (unsigned i = 0; i < lanes; i++) {
		uint64_t x = 0;
		unsigned from = 2 * (i % (half ? half : 1));
		switch (g->r.op) {
		case BP_IR_VSHUFFLE: {
			uint64_t k = lane(&b, i, bytes);
			x = k < lanes ? lane(&a, (unsigned)k, bytes) : 0;
			break;
		}
		case BP_IR_VZIPLO: x = lane(i & 1 ? &b : &a, i / 2, bytes); break;
		case BP_IR_VZIPHI: x = lane(i & 1 ? &b : &a, half + i / 2, bytes); break;
		case BP_IR_VUNZIPLO: x = lane(i < half ? &a : &b, from, bytes); break;
		default: x = lane(i < half ? &a : &b, from + 1, bytes); break;
		}
		set_lane(&r, i, bytes, x);
	}
	store(base, g, &r);
}

static void vec_widen(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	unsigned bytes = lane_bytes(g), lanes = ir_types[g->r.type].bytes / bytes / 2;
	struct vector a = operand(base, g, 0, g->r.type), r = { { 0 } };
	(void)cpu;
	for (unsigned i = 0; i < lanes; i++)
		set_lane(&r, i, 2 * bytes,
			interp_extend(lane(&a, i, bytes), 8 * bytes, g->r.op == BP_IR_VWIDENS));
	store(base, g, &r);
}

static void vec_narrow(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	unsigned bytes = lane_bytes(g), lanes = ir_types[g->r.type].bytes / bytes;
	bool from_signed = g->r.imm == BP_NARROW_SIGNED || g->r.imm == BP_NARROW_S_TO_U;
	struct vector a = operand(base, g, 0, g->r.type), r = { { 0 } };
	(void)cpu;
	for (unsigned i = 0; i < lanes; i++) {
		uint64_t x = lane(&a, i, bytes);
		if (g->r.imm != BP_NARROW_WRAP)
			x = clamp(widen(x, bytes, from_signed), 4 * bytes,
				g->r.imm == BP_NARROW_SIGNED);
		set_lane(&r, i, bytes / 2, x);
	}
	store(base, g, &r);
}

static void vec_mask(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	unsigned bytes = lane_bytes(g), lanes = ir_types[g->r.type].bytes / bytes;
	struct vector a = operand(base, g, 0, g->r.type);
	uint64_t mask = 0;
	(void)cpu;
	for (unsigned i = 0; i < lanes; i++)
		mask |= (lane(&a, i, bytes) >> (8 * bytes - 1) & 1) << i;
	memcpy(base + g->d, &mask, 8);
}

static void vec_blend(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	struct vector m = operand(base, g, 0, g->r.type), a = operand(base, g, 1, g->r.type);
	struct vector b = operand(base, g, 2, g->r.type);
	(void)cpu;
	for (unsigned i = 0; i < VECTOR_BYTES; i++)
		a.b[i] = (uint8_t)((a.b[i] & m.b[i]) | (b.b[i] & ~m.b[i]));
	store(base, g, &a);
}

gen_fn *vector_for(const struct bp_ir *r)
{
	switch (r->op) {
	case BP_IR_VSPLAT: return vec_splat;
	case BP_IR_VEXTRACT: return vec_extract;
	case BP_IR_VINSERT: return vec_insert;
	case BP_IR_VSHUFFLE:
	case BP_IR_VZIPLO:
	case BP_IR_VZIPHI:
	case BP_IR_VUNZIPLO:
	case BP_IR_VUNZIPHI: return vec_permute;
	case BP_IR_VWIDENS:
	case BP_IR_VWIDENU: return vec_widen;
	case BP_IR_VNARROW: return vec_narrow;
	case BP_IR_VADDS:
	case BP_IR_VADDU:
	case BP_IR_VSUBS:
	case BP_IR_VSUBU: return vec_saturate;
	case BP_IR_VMASK: return vec_mask;
	case BP_IR_VBLEND: return vec_blend;
	default: break;
	}
	if ((r->op >= BP_IR_ADD && r->op <= BP_IR_CLMULH) ||
		(r->op >= BP_IR_EQ && r->op <= BP_IR_LEU))
		return vec_two;
	if (r->op >= BP_IR_NEG && r->op <= BP_IR_BREV8)
		return vec_one;
	return NULL;
}
