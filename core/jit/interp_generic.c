/* SPDX-License-Identifier: MIT */
/* Records by plain C functions: every integer width up to 128, lane by lane for vectors, flags, and
 * the memory accesses that are not inlined. All operands are read before a result is written: they
 * may share a place. */
#include "interp.h"
#include "interp_vector.h"

uint64_t interp_extend(uint64_t value, unsigned bits, bool is_signed)
{
	unsigned shift = 64 - bits;
	if (!bits || bits >= 64)
		return value;
	value <<= shift;
	return is_signed ? (uint64_t)((int64_t)value >> shift) : value >> shift;
}

static u128 mask_of(unsigned bits)
{
	return bits >= 128 ? ~(u128)0 : ((u128)1 << bits) - 1;
}

static s128 sign(u128 x, unsigned bits)
{
	return (s128)(x << (128 - bits)) >> (128 - bits);
}

static u128 read_int(const uint8_t *p, unsigned bytes)
{
	u128 x = 0;
	memcpy(&x, p, bytes);
	return x;
}

/* ---- two operands ---- */

/* High half of the product of two numbers of up to 128 bits. */
static u128 mul_high(u128 a, u128 b, unsigned bits)
{
	if (bits <= 64)
		return a * b >> bits;
	u128 al = (uint64_t)a, ah = a >> 64, bl = (uint64_t)b, bh = b >> 64;
	u128 low = al * bl, m1 = ah * bl, m2 = al * bh;
	u128 mid = (low >> 64) + (uint64_t)m1 + (uint64_t)m2;
	return ah * bh + (m1 >> 64) + (m2 >> 64) + (mid >> 64);
}

static u128 clmul(u128 a, u128 b, unsigned bits, bool high)
{
	u128 r = 0;
	for (unsigned i = 0; i < bits; i++)
		if (b >> i & 1)
			r ^= !high ? a << i : i ? a >> (bits - i) : 0;
	return r;
}

static u128 divide(unsigned op, u128 a, u128 b, unsigned bits)
{
	s128 sa = sign(a, bits), sb = sign(b, bits);
	bool least = a == (u128)1 << (bits - 1) && sb == -1;
	switch (op) {
	case BP_IR_DIVU: return b ? a / b : ~(u128)0;
	case BP_IR_REMU: return b ? a % b : a;
	case BP_IR_DIVS: return !b ? ~(u128)0 : least ? a : (u128)(sa / sb);
	default: return !b ? a : least ? 0 : (u128)(sa % sb);
	}
}

static u128 shift(unsigned op, u128 a, u128 n, unsigned bits)
{
	unsigned k = (unsigned)(n % bits);
	switch (op) {
	case BP_IR_SHL: return n >= bits ? 0 : a << k;
	case BP_IR_SHR: return n >= bits ? 0 : a >> k;
	case BP_IR_SAR: return (u128)(sign(a, bits) >> (n >= bits ? bits - 1 : k));
	case BP_IR_ROL: return k ? a << k | a >> (bits - k) : a;
	default: return k ? a >> k | a << (bits - k) : a;
	}
}

u128 int_two(unsigned op, u128 a, u128 b, unsigned bits)
{
	u128 mask = mask_of(bits), r;
	a &= mask;
	b &= mask;
	s128 sa = sign(a, bits), sb = sign(b, bits);
	switch (op) {
	case BP_IR_ADD: r = a + b; break;
	case BP_IR_SUB: r = a - b; break;
	case BP_IR_MUL: r = a * b; break;
	case BP_IR_AND: r = a & b; break;
	case BP_IR_OR: r = a | b; break;
	case BP_IR_XOR: r = a ^ b; break;
	case BP_IR_SHL:
	case BP_IR_SHR:
	case BP_IR_SAR:
	case BP_IR_ROL:
	case BP_IR_ROR: r = shift(op, a, b, bits); break;
	case BP_IR_MULHU: r = mul_high(a, b, bits); break;
	/* signed: take off what the sign bits' weight added (two's complement) */
	case BP_IR_MULHS: r = mul_high(a, b, bits) - (sa < 0 ? b : 0) - (sb < 0 ? a : 0); break;
	case BP_IR_MULHSU: r = mul_high(a, b, bits) - (sa < 0 ? b : 0); break;
	case BP_IR_DIVS:
	case BP_IR_DIVU:
	case BP_IR_REMS:
	case BP_IR_REMU: r = divide(op, a, b, bits); break;
	case BP_IR_MINS: r = sa < sb ? a : b; break;
	case BP_IR_MAXS: r = sa > sb ? a : b; break;
	case BP_IR_MINU: r = a < b ? a : b; break;
	case BP_IR_MAXU: r = a > b ? a : b; break;
	case BP_IR_CLMUL: r = clmul(a, b, bits, false); break;
	case BP_IR_CLMULH: r = clmul(a, b, bits, true); break;
	case BP_IR_EQ: return a == b;
	case BP_IR_NE: return a != b;
	case BP_IR_LTS: return sa < sb;
	case BP_IR_LES: return sa <= sb;
	case BP_IR_LTU: return a < b;
	default: return a <= b; /* LEU */
	}
	return r & mask;
}

u128 int_one(unsigned op, u128 a, unsigned bits)
{
	u128 mask = mask_of(bits), r = 0;
	a &= mask;
	switch (op) {
	case BP_IR_NEG: r = -a; break;
	case BP_IR_NOT: r = ~a; break;
	case BP_IR_CLZ:
		while (r < bits && !(a >> (bits - 1 - (unsigned)r) & 1))
			r++;
		break;
	case BP_IR_CTZ:
		while (r < bits && !(a >> (unsigned)r & 1))
			r++;
		break;
	case BP_IR_POPCNT:
		r = (u128)(unsigned)(__builtin_popcountll((uint64_t)a) +
			__builtin_popcountll((uint64_t)(a >> 64)));
		break;
	case BP_IR_BSWAP:
		if (bits < 16)
			return a;
		for (unsigned i = 0; i < bits; i += 8)
			r |= (a >> i & 0xff) << (bits - 8 - i);
		break;
	default: /* BREV8 */
		if (bits < 8)
			return a;
		for (unsigned i = 0; i < bits; i++)
			r |= (a >> i & 1) << ((i & ~7u) + 7 - (i & 7));
		break;
	}
	return r & mask;
}

/* ---- records on integers ---- */

static void put_int(uint8_t *base, uint32_t offset, unsigned type, u128 value)
{
	memcpy(base + offset, &value, ir_types[type].bytes);
}

static u128 get_int(const uint8_t *base, const struct gen *g, unsigned n, unsigned type)
{
	return read_int(base + g->a[n], ir_types[type].bytes);
}

static u128 second(const uint8_t *base, const struct gen *g)
{
	return g->r.aux & BP_IR_IMM ? (u128)(s128)g->r.imm : get_int(base, g, 1, g->r.type);
}

static void gen_two(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	unsigned type = g->r.type;
	u128 r = int_two(g->r.op, get_int(base, g, 0, type), second(base, g), ir_types[type].bits);
	(void)cpu;
	put_int(base, g->d, ir_result_type(&g->r), r);
}

static void gen_one(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	unsigned type = g->r.type;
	(void)cpu;
	put_int(base, g->d, type, int_one(g->r.op, get_int(base, g, 0, type), ir_types[type].bits));
}

static void gen_carry(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	unsigned type = g->r.type, bits = ir_types[type].bits;
	u128 mask = mask_of(bits), a = get_int(base, g, 0, type) & mask, b = second(base, g) & mask;
	unsigned in = g->has[2] ? base[g->a[2]] & 1 : 0, out;
	u128 r;
	(void)cpu;
	if (g->r.op == BP_IR_ADDC) {
		r = (a + b + in) & mask;
		out = in ? r <= a : r < a;
	} else {
		r = (a - b - in) & mask;
		out = in ? a <= b : a < b;
	}
	put_int(base, g->d, type, r);
	if (g->out)
		base[g->out] = (uint8_t)out;
}

static void gen_convert(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	unsigned from = ir_types[g->r.aux].bits;
	u128 x = get_int(base, g, 0, g->r.aux) & mask_of(from);
	(void)cpu;
	if (g->r.op == BP_IR_SEXT)
		x = (u128)sign(x, from);
	put_int(base, g->d, g->r.type, x & mask_of(ir_types[g->r.type].bits));
}

static void gen_box(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	uint64_t x = UINT64_MAX;
	(void)cpu;
	memcpy(&x, base + g->a[0], ir_types[g->r.aux].bytes);
	memcpy(base + g->d, &x, sizeof(x));
}

static void gen_unbox(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	unsigned bits = ir_types[g->r.type].bits;
	int64_t x;
	(void)cpu;
	memcpy(&x, base + g->a[0], sizeof(x));
	if (x >> bits != -1)
		x = g->r.imm;
	memcpy(base + g->d, &x, bits / 8);
}

static void gen_field(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	unsigned type = g->r.type, pos = g->r.imm & 0xff, len = (unsigned)g->r.imm >> 8 & 0xff;
	u128 x = get_int(base, g, 0, type), mask = mask_of(len);
	(void)cpu;
	if (g->r.op == BP_IR_DEPOSIT)
		x = (x & ~(mask << pos)) | (get_int(base, g, 1, type) & mask) << pos;
	else if (g->r.op == BP_IR_UBITS)
		x = x >> pos & mask;
	else
		x = (u128)sign(x >> pos & mask, len);
	put_int(base, g->d, type, x);
}

static void gen_pair(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	uint64_t v[2];
	(void)cpu;
	memcpy(&v[0], base + g->a[0], 8);
	memcpy(&v[1], base + g->a[1], 8);
	memcpy(base + g->d, v, sizeof(v));
}

static void gen_select(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	(void)cpu;
	memmove(base + g->d, base + (base[g->a[0]] & 1 ? g->a[1] : g->a[2]),
		ir_types[g->r.type].bytes);
}

static void gen_getx(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	uint64_t index;
	unsigned bytes = ir_types[g->r.type].bytes;
	(void)cpu;
	memcpy(&index, base + g->a[0], 8);
	if (index < g->r.arg[3])
		memmove(base + g->d, base + (uint32_t)g->r.imm + index * g->r.arg[2], bytes);
	else
		memset(base + g->d, 0, bytes);
	if (g->r.type == BP_T_I1 || g->r.type == BP_T_FLAGS)
		base[g->d] &= (uint8_t)ir_get_mask(g->r.type);
}

static void gen_putx(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	uint64_t index;
	(void)cpu;
	memcpy(&index, base + g->a[0], 8);
	if (index < g->r.arg[3])
		memmove(base + (uint32_t)g->r.imm + index * g->r.arg[2], base + g->a[1],
			ir_types[g->r.type].bytes);
}

static void gen_time(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	int64_t t = cpu->host->time(cpu);
	memcpy(base + g->d, &t, 8);
}

/* ---- flags ---- */

enum {
	F_C = 1 << BP_FLAG_C,
	F_Z = 1 << BP_FLAG_Z,
	F_N = 1 << BP_FLAG_N,
	F_V = 1 << BP_FLAG_V,
	F_P = 1 << BP_FLAG_P,
	F_A = 1 << BP_FLAG_A
};

static unsigned result_flags(u128 r, unsigned bits)
{
	return (r == 0 ? F_Z : 0u) | (r >> (bits - 1) & 1 ? F_N : 0u) |
		(__builtin_parity((unsigned)r & 0xff) ? 0u : F_P);
}

static unsigned shift_carry(unsigned op, u128 a, u128 n, unsigned bits)
{
	if (n == 0)
		return 0;
	if (op == BP_IR_SHLF)
		return n > bits ? 0 : (unsigned)(a >> (bits - (unsigned)n) & 1);
	if (op == BP_IR_SHRF)
		return n > bits ? 0 : (unsigned)(a >> ((unsigned)n - 1) & 1);
	return (unsigned)((u128)sign(a, bits) >> (n > bits ? bits - 1 : (unsigned)n - 1) & 1);
}

static void gen_flags(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	unsigned type = g->r.type, bits = ir_types[type].bits, f = 0;
	u128 mask = mask_of(bits), a = get_int(base, g, 0, type), r = a;
	u128 b = g->r.op == BP_IR_LOGICF ? 0 : second(base, g) & mask;
	unsigned in = g->has[2] ? base[g->a[2]] & 1 : 0;
	(void)cpu;
	switch (g->r.op) {
	case BP_IR_ADDF:
		r = (a + b + in) & mask;
		f = ~(a ^ b) & (a ^ r) & (u128)1 << (bits - 1) ? F_V : 0;
		f |= (in ? r <= a : r < a) ? F_C : 0u;
		break;
	case BP_IR_SUBF:
		r = (a - b - in) & mask;
		f = (a ^ b) & (a ^ r) & (u128)1 << (bits - 1) ? F_V : 0;
		f |= (in ? a <= b : a < b) ? F_C : 0u;
		break;
	case BP_IR_LOGICF: break;
	default:
		r = int_two(g->r.op == BP_IR_SHLF       ? BP_IR_SHL
				: g->r.op == BP_IR_SHRF ? BP_IR_SHR
							: BP_IR_SAR,
			a, b, bits);
		f = shift_carry(g->r.op, a, b, bits) ? F_C : 0;
		f |= (a ^ r) >> (bits - 1) & 1 ? F_V : 0u;
		break;
	}
	f |= result_flags(r, bits);
	if (g->r.op == BP_IR_ADDF || g->r.op == BP_IR_SUBF)
		f |= (unsigned)(a ^ b ^ r) & 0x10 ? F_A : 0u;
	put_int(base, g->d, type, r);
	if (g->out)
		base[g->out] = (uint8_t)f;
}

static void gen_flag(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	(void)cpu;
	base[g->d] = base[g->a[0]] >> g->r.aux & 1;
}

static void gen_flags_copy(struct jit_cpu *cpu, uint8_t *base, const struct gen *g)
{
	uint64_t f = base[g->a[0]] & 0x3f;
	(void)cpu;
	memcpy(base + g->d, &f, ir_types[g->r.type].bytes);
}

gen_fn *generic_for(const struct bp_ir *r)
{
	if (ir_info(r->op)->aux == AUX_ENV)
		return float_for(r);
	switch (r->op) { /* what any type can do */
	case BP_IR_GETX: return gen_getx;
	case BP_IR_PUTX: return gen_putx;
	case BP_IR_SELECT: return gen_select;
	default: break;
	}
	if (ir_types[r->type].class == IR_VECTOR || (r->op >= BP_IR_VSPLAT && r->op < BP_IR_OPS))
		return vector_for(r);
	switch (r->op) {
	case BP_IR_TIME: return gen_time;
	case BP_IR_ADDC:
	case BP_IR_SUBB: return gen_carry;
	case BP_IR_SEXT:
	case BP_IR_ZEXT:
	case BP_IR_TRUNC: return gen_convert;
	case BP_IR_UBITS:
	case BP_IR_SBITS:
	case BP_IR_DEPOSIT: return gen_field;
	case BP_IR_PAIR: return gen_pair;
	case BP_IR_BOX: return gen_box;
	case BP_IR_UNBOX: return gen_unbox;
	case BP_IR_ADDF:
	case BP_IR_SUBF:
	case BP_IR_LOGICF:
	case BP_IR_SHLF:
	case BP_IR_SHRF:
	case BP_IR_SARF: return gen_flags;
	case BP_IR_FLAG: return gen_flag;
	case BP_IR_FLAGS_PACK:
	case BP_IR_FLAGS_UNPACK: return gen_flags_copy;
	default: break;
	}
	if (r->op >= BP_IR_ADD && r->op <= BP_IR_CLMULH)
		return gen_two;
	if (r->op >= BP_IR_EQ && r->op <= BP_IR_LEU)
		return gen_two;
	if (r->op >= BP_IR_NEG && r->op <= BP_IR_BREV8)
		return gen_one;
	return NULL;
}

/* ---- memory ---- */

static void mem_result(uint8_t *base, const struct mem *m, const uint64_t value[8])
{
	unsigned bytes = ir_types[m->r.type].bytes, size = 1u << (m->memop & BP_MEM_SIZE);
	uint64_t v[8] = { 0 };
	memcpy(v, value, size);
	if (size < 16 && m->memop & BP_MEM_SIGNED) {
		if (size < 8)
			v[0] = interp_extend(v[0], 8 * size, true);
		v[1] = (uint64_t)((int64_t)v[0] >> 63);
	}
	memcpy(base + m->d, v, bytes);
}

static void mem_operand(
	const uint8_t *base, const struct mem *m, uint32_t offset, uint64_t value[8])
{
	unsigned bytes = ir_types[m->r.type].bytes, size = 1u << (m->memop & BP_MEM_SIZE);
	memset(value, 0, 64);
	memcpy(value, base + offset, bytes < size ? bytes : size);
}

int generic_memory(struct jit_cpu *cpu, uint8_t *base, const struct mem *m)
{
	const struct jit_host *h = cpu->host;
	uint64_t addr, a[8], b[8], failed = 1;
	bool plain = m->r.op == BP_IR_LD || m->r.op == BP_IR_ST || m->r.op == BP_IR_STP;
	int status;
	memcpy(&addr, base + m->addr, 8);
	if (plain)
		addr += (uint64_t)(int64_t)m->r.imm;
	addr &= m->addr_mask;
	memset(b, 0, sizeof(b));
	switch (m->r.op) {
	case BP_IR_LD: status = h->load(cpu, addr, m->memop, b); break;
	case BP_IR_ST:
		mem_operand(base, m, m->value, a);
		status = h->store(cpu, addr, m->memop, a);
		break;
	case BP_IR_STP:
		mem_operand(base, m, m->value, a);
		mem_operand(base, m, m->second, b);
		status = h->store_pair(cpu, addr, m->memop, a, b);
		break;
	case BP_IR_LL: status = h->ll(cpu, addr, m->memop, b); break;
	case BP_IR_SC:
		mem_operand(base, m, m->value, a);
		status = h->sc(cpu, addr, m->memop, a, &failed);
		break;
	case BP_IR_RMW:
		mem_operand(base, m, m->value, a);
		status = h->rmw(cpu, addr, m->memop, m->r.aux, a, b);
		break;
	case BP_IR_CAS: {
		uint64_t desired[8];
		mem_operand(base, m, m->value, a);
		mem_operand(base, m, m->second, desired);
		status = h->cas(cpu, addr, m->memop, a, desired, b);
		break;
	}
	default: /* PROBE */ return h->probe(cpu, addr, (uint32_t)m->r.imm, m->r.aux, m->memop);
	}
	if (status == BP_H_RAISED || m->discard)
		return status;
	if (m->r.op == BP_IR_SC)
		memcpy(base + m->d, &failed, 8);
	else if (m->r.op != BP_IR_ST && m->r.op != BP_IR_STP)
		mem_result(base, m, b);
	return status;
}
