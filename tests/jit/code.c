/* SPDX-License-Identifier: MIT */
/* A block of code is what a JIT makes mistakes in: runs of instructions that need many registers, or
 * write few again and again; loops, also onto their own start; branches inside a page and over its
 * border; accesses that fault or reach a device in the middle; stores into the code around them. */
#include "code.h"
#include <string.h>

static const struct row {
	const char *name;
	uint32_t mask, match;
	uint8_t kind, length, xlens; /* enum kind; bytes; 1: RV32, 2: RV64 */
	struct field {
		uint8_t low, width;
	} dest, source, base;
} rows[] = {
#include "rows.inc"
};
enum { ROWS = sizeof(rows) / sizeof(rows[0]) };

uint64_t rng_next(struct rng *r)
{
	uint64_t z = r->state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

uint64_t rng_value(struct rng *r)
{
	static const uint64_t corners[] = { 0, 1, UINT64_MAX, INT64_MAX, (uint64_t)INT64_MIN,
		INT32_MAX, UINT32_MAX, 0x80000000u, 0xffffffff80000000u, 0x7f, 0x80, 0xffff,
		0x3ff0000000000000u, 0x7ff0000000000000u, 0x7ff8000000000000u, 0x7ff0000000000001u,
		0xffffffff3f800000u, 0xffffffff7fc00000u, 0xffffffff00000001u, 0xffffffffff800000u,
		0x0010000000000000u, 0x8000000000000001u, 0xffffffffffff3c00u };
	switch (rng_below(r, 4)) {
	case 0: return corners[rng_below(r, sizeof(corners) / sizeof(corners[0]))];
	case 1: return (uint64_t)(int64_t)(int32_t)rng_next(r) >> rng_below(r, 32);
	case 2: return rng_next(r) >> rng_below(r, 64);
	default: return rng_next(r);
	}
}

/* ---- the mixture ---- */

enum { LABELS = 32, MACROS = 14, STYLES = 7 };

static const struct style { /* how often, of 256 */
	uint8_t row[ROW_KINDS], macro[MACROS];
	uint8_t registers; /* how many are used */
	uint8_t short_ones; /* compressed instructions */
} styles[STYLES] = {
	/*  int mem  br flt amo vec csr sys    loop jump call smc dev llsc fp-csr patch asid walk vec words flags numbers */
	{ { 190, 20, 16, 0, 0, 0, 0, 0 }, { 8, 4, 4, 0, 1, 0, 0, 1, 0, 2, 1, 6, 0, 0 }, 32, 60 },
	{ { 150, 30, 24, 0, 4, 0, 0, 0 }, { 16, 6, 4, 2, 2, 2, 0, 2, 0, 8, 2, 8, 0, 0 }, 7, 90 },
	{ { 60, 120, 16, 12, 12, 0, 1, 1 }, { 6, 4, 4, 4, 6, 4, 0, 2, 2, 12, 4, 2, 1, 1 }, 24, 60 },
	{ { 40, 24, 10, 140, 0, 0, 1, 0 }, { 8, 3, 3, 0, 1, 0, 6, 1, 0, 4, 4, 1, 14, 10 }, 20, 30 },
	{ { 60, 30, 10, 20, 4, 70, 3, 1 }, { 6, 3, 3, 1, 1, 1, 2, 1, 0, 2, 24, 1, 2, 2 }, 32, 30 },
	{ { 90, 30, 12, 8, 4, 4, 24, 20 }, { 4, 4, 4, 4, 4, 2, 2, 3, 4, 6, 4, 2, 2, 2 }, 16, 60 },
	{ { 90, 40, 50, 10, 2, 2, 1, 1 }, { 10, 16, 12, 20, 2, 2, 1, 8, 1, 6, 2, 4, 1, 1 }, 12,
		128 },
};

struct gen {
	struct rng *r;
	uint8_t *code;
	unsigned xlen, at;
	const struct style *style;
	uint8_t set[32]; /* registers in use */
	unsigned last[LABELS], lasts; /* where instructions stand, newest at lasts - 1 */
	struct {
		unsigned at, due; /* a branch at `at` goes to instruction number `due` */
	} open[LABELS];
	unsigned opens, count;
	unsigned group; /* registers of a vector group, or 0: any vector instructions */
};

static bool reserved(unsigned reg)
{
	return reg == REG_SP || (reg >= REG_DATA && reg <= REG_DEVICE);
}

static unsigned pick(struct gen *g)
{
	return g->set[rng_below(g->r, g->style->registers)];
}

static unsigned pick_dest(struct gen *g)
{
	unsigned reg;
	do
		reg = pick(g);
	while (reserved(reg) && !rng_one_in(g->r, 64));
	return reg;
}

static unsigned pick_data(struct gen *g)
{
	static const uint8_t regs[] = { REG_SP, REG_DATA, REG_DATA2 };
	return rng_one_in(g->r, 24) ? pick(g) : regs[rng_below(g->r, 3)];
}

static uint32_t put(uint32_t word, struct field f, unsigned reg)
{
	if (!f.width)
		return word;
	if (f.width == 3)
		reg = reg >= 8 && reg < 16 ? reg - 8 : reg & 7;
	return (word & ~(((1u << f.width) - 1) << f.low)) | reg << f.low;
}

/* ---- branches ---- */

static uint32_t with_target(uint32_t word, int32_t d)
{
	uint32_t u = (uint32_t)d;
	if ((word & 0x7f) == 0x63) /* B */
		return (word & 0x01fff07f) | (u >> 12 & 1) << 31 | (u >> 5 & 0x3f) << 25 |
			(u >> 1 & 0xf) << 8 | (u >> 11 & 1) << 7;
	if ((word & 0x7f) == 0x6f) /* J */
		return (word & 0xfff) | (u >> 20 & 1) << 31 | (u >> 1 & 0x3ff) << 21 |
			(u >> 11 & 1) << 20 | (u >> 12 & 0xff) << 12;
	if ((word & 0xc003) == 0xc001 && d >= -256 && d < 256) /* CB */
		return (word & 0xe383) | (u >> 8 & 1) << 12 | (u >> 3 & 3) << 10 |
			(u >> 6 & 3) << 5 | (u >> 1 & 3) << 3 | (u >> 5 & 1) << 2;
	if ((word & 0x6003) == 0x2001 && d >= -2048 && d < 2048) /* CJ: c.j, c.jal */
		return (word & 0xe003) | (u >> 11 & 1) << 12 | (u >> 4 & 1) << 11 |
			(u >> 8 & 3) << 9 | (u >> 10 & 1) << 8 | (u >> 6 & 1) << 7 |
			(u >> 7 & 1) << 6 | (u >> 1 & 7) << 3 | (u >> 5 & 1) << 2;
	return word;
}

static uint32_t get32(const struct gen *g, unsigned at)
{
	uint32_t w = 0;
	memcpy(&w, g->code + at, at + 4 <= CODE_SIZE ? 4 : 2);
	return (w & 3) == 3 ? w : w & 0xffff;
}

static void put_at(struct gen *g, unsigned at, uint32_t word)
{
	unsigned length = (word & 3) == 3 ? 4 : 2;
	if (at + length <= CODE_SIZE)
		memcpy(g->code + at, &word, length);
}

/* Every instruction comes by here; branches that wait for it are given their target. */
static void emit(struct gen *g, uint32_t word)
{
	for (unsigned i = 0; i < g->opens;) {
		if (g->open[i].due > g->count) {
			i++;
			continue;
		}
		unsigned at = g->open[i].at;
		put_at(g, at, with_target(get32(g, at), (int32_t)(g->at - at)));
		g->open[i] = g->open[--g->opens];
	}
	g->last[g->lasts++ % LABELS] = g->at;
	put_at(g, g->at, word);
	g->at += (word & 3) == 3 ? 4 : 2;
	g->count++;
}

/* A branch or jump to somewhere near: forward over some instructions, back, seldom to itself. */
static void emit_branch(struct gen *g, uint32_t word)
{
	unsigned at = g->at, kind = rng_below(g->r, 8);
	if (kind < 5 && g->opens < LABELS) {
		g->open[g->opens].at = at;
		g->open[g->opens++].due = g->count + 1 + rng_below(g->r, 1 + rng_below(g->r, 24));
	} else if (kind < 7 && g->lasts >= LABELS) {
		unsigned back = 1 + rng_below(g->r, 1 + rng_below(g->r, LABELS - 1));
		unsigned to = g->last[(g->lasts - back) % LABELS];
		word = with_target(word, (int32_t)(to - at));
	} else if (rng_one_in(g->r, 8)) {
		word = with_target(word, 0);
	} else {
		word = with_target(word, (int32_t)(rng_below(g->r, 1024) & ~1u) - 512);
	}
	emit(g, word);
}

/* ---- one instruction of the table ---- */

/* time and what hangs on it is left out, and satp, which has a macro; tvec only seldom. */
static uint32_t pick_csr(struct gen *g)
{
	static const uint16_t csrs[] = { 0x001, 0x002, 0x003, 0x001, 0x002, 0x003, 0x008, 0x009,
		0x00a, 0x00f, 0xc00, 0xc02, 0xb00, 0xb02, 0xc20, 0xc21, 0xc22, 0x100, 0x104, 0x106,
		0x140, 0x141, 0x142, 0x143, 0x144, 0x300, 0x304, 0x306, 0x340, 0x341, 0x342, 0x343,
		0x344, 0x320, 0x302, 0x303, 0x30a, 0x10a, 0xf14, 0x301 };
	static const uint16_t rare[] = { 0x306, 0x105, 0x305, 0x3a0, 0x3b0, 0x3ef, 0x7a0, 0x5a8 };
	return rng_one_in(g->r, 24) ? rare[rng_below(g->r, 8)]
				    : csrs[rng_below(g->r, sizeof(csrs) / sizeof(csrs[0]))];
}

/* Segments, groups and masks make most vector words illegal: make fewer so. */
static uint32_t tame_vector(struct gen *g, uint32_t word, const struct row *row, bool memory)
{
	bool has_mask = !(row->mask & 1u << 25);
	uint32_t low = g->group ? g->group - 1 : 3, regs = low << 7;
	if (has_mask && rng_below(g->r, g->group ? 16 : 4))
		word |= 1u << 25;
	if (memory && g->group && rng_below(g->r, 8))
		word &= ~(UINT32_C(0xfc000000) & ~row->mask); /* no segments */
	if (!memory)
		regs |= low << 20 | (g->group || rng_one_in(g->r, 2) ? low << 15 : 0);
	return rng_below(g->r, g->group ? 16 : 4) ? word & ~(regs & ~row->mask) : word;
}

static void emit_row(struct gen *g, const struct row *row)
{
	uint32_t word = (uint32_t)rng_next(g->r);
	word = (word & ~row->mask) | row->match;
	if (row->length == 2)
		word &= 0xffff;
	word = put(word, row->dest, pick_dest(g));
	word = put(word, row->source, pick(g));
	bool memory = row->kind == MEMORY || row->kind == ATOMIC ||
		(row->kind == VECTOR && ((word & 0x7f) == 0x07 || (word & 0x7f) == 0x27));
	word = put(word, row->base, memory ? pick_data(g) : pick(g));
	if (row->kind == FLOAT && row->length == 4 && !(row->mask & 0x7000) && rng_one_in(g->r, 2))
		word |= 0x7000; /* rounding from frm */
	if (row->kind == CSR)
		word = (word & 0xfffff) | pick_csr(g) << 20;
	if (row->kind == VECTOR)
		word = tame_vector(g, word, row, memory);
	if (row->kind == BRANCH)
		emit_branch(g, word);
	else
		emit(g, word);
}

static unsigned by_kind[ROW_KINDS][ROWS], in_kind[ROW_KINDS], sorted_for;

static void sort_rows(unsigned xlen)
{
	if (sorted_for == xlen)
		return;
	memset(in_kind, 0, sizeof(in_kind));
	for (unsigned i = 0; i < ROWS; i++)
		if (rows[i].xlens & (xlen == 32 ? 1 : 2))
			by_kind[rows[i].kind][in_kind[rows[i].kind]++] = i;
	sorted_for = xlen;
}

static void emit_kind(struct gen *g, enum kind kind)
{
	const struct row *row;
	bool want_short = rng_below(g->r, 256) < g->style->short_ones;
	for (unsigned tries = 0; tries < 8; tries++) {
		row = &rows[by_kind[kind][rng_below(g->r, in_kind[kind])]];
		if ((row->length == 2) == want_short)
			break;
	}
	emit_row(g, row);
}

/* ---- several instructions ---- */

static uint32_t i_type(uint32_t op, unsigned rd, unsigned rs1, int32_t imm)
{
	return op | rd << 7 | rs1 << 15 | (uint32_t)imm << 20;
}

static uint32_t s_type(uint32_t op, unsigned rs2, unsigned rs1, int32_t imm)
{
	return op | rs2 << 20 | rs1 << 15 | ((uint32_t)imm & 0x1f) << 7 |
		((uint32_t)imm >> 5 & 0x7f) << 25;
}

enum { ADDI = 0x13, LW = 0x2003, SW = 0x2023, BNE = 0x1063, JAL = 0x6f, JALR = 0x67, AUIPC = 0x17 };

static void body(struct gen *g, unsigned n)
{
	static const uint8_t calm[] = { INTEGER, INTEGER, INTEGER, MEMORY, FLOAT, BRANCH };
	for (unsigned i = 0; i < n; i++) {
		enum kind k = calm[rng_below(g->r, 6)];
		if (g->style->row[k])
			emit_kind(g, k);
		else
			emit_kind(g, INTEGER);
	}
}

static void loop(struct gen *g)
{
	unsigned counter = pick_dest(g);
	if (!rng_one_in(g->r, 3))
		emit(g, i_type(ADDI, counter, 0, (int32_t)(1 + rng_below(g->r, 60))));
	unsigned start = g->at;
	body(g, rng_below(g->r, rng_one_in(g->r, 4) ? 60 : 12));
	emit(g, i_type(ADDI, counter, counter, -1));
	emit(g, with_target(BNE | counter << 15, (int32_t)(start - g->at)));
}

static void jump(struct gen *g)
{
	emit_branch(g, rng_one_in(g->r, 2) ? JAL : rng_one_in(g->r, 2) ? JAL | 1 << 7 : 0xa001);
}

/* Through a register: to code near, with or without a return address; or back. */
static void call(struct gen *g)
{
	unsigned link = rng_one_in(g->r, 2) ? 1 : rng_one_in(g->r, 2) ? 5 : 0;
	unsigned reg = rng_one_in(g->r, 2) ? 1 : pick_dest(g);
	switch (rng_below(g->r, 4)) {
	case 0:
		emit(g, i_type(AUIPC, reg, 0, 0) & 0xfff);
		emit(g, i_type(JALR, link, reg, (int32_t)(8 + rng_below(g->r, 40) * 2)));
		break;
	case 1: emit(g, i_type(JALR, 0, 1, 0)); break;
	case 2:
		emit(g, i_type(JALR, link, REG_CODE, (int32_t)rng_below(g->r, 1024) * 4 - 2048));
		break;
	default: emit(g, with_target(JAL | 1 << 7, (int32_t)(rng_below(g->r, 4096) & ~1u) - 2048));
	}
}

/* A store into the code around: an instruction from elsewhere, or what is in a register. */
static void modify(struct gen *g)
{
	unsigned at = pick_dest(g), from = pick_dest(g);
	int32_t to = (int32_t)(rng_below(g->r, 64) & ~1u) * 4 - 128;
	emit(g, AUIPC | at << 7);
	emit(g, i_type(LW, from, at, (int32_t)(rng_below(g->r, 512) & ~1u) * 4 - 1024));
	if (rng_one_in(g->r, 3))
		body(g, rng_below(g->r, 4));
	emit(g, s_type(rng_one_in(g->r, 4) ? 0x1023 : SW, from, at, to));
	if (rng_one_in(g->r, 3))
		emit(g, 0x100f); /* fence.i */
}

/* A word of the device: every register of it means something else. */
static void device(struct gen *g)
{
	static const uint32_t loads[] = { 0x0003, 0x2003, 0x4003, 0x6003, 0x3003 };
	static const uint32_t stores[] = { 0x0023, 0x1023, 0x2023, 0x3023 };
	int32_t at = (int32_t)rng_below(g->r, 16) * 8;
	if (rng_one_in(g->r, 8))
		at += (int32_t)rng_below(g->r, 8);
	if (rng_one_in(g->r, 2))
		emit(g, i_type(loads[rng_below(g->r, 5)], pick_dest(g), REG_DEVICE, at));
	else
		emit(g, s_type(stores[rng_below(g->r, 4)], pick(g), REG_DEVICE, at));
}

static void exclusive(struct gen *g)
{
	uint32_t width = g->xlen == 64 && rng_one_in(g->r, 2) ? 0x3000 : 0x2000;
	unsigned base = REG_DATA + rng_below(g->r, 2), reg = pick_dest(g);
	emit(g, 0x1000002f | width | reg << 7 | base << 15);
	body(g, rng_below(g->r, 3));
	emit(g, 0x1800002f | width | pick_dest(g) << 7 | base << 15 | reg << 20);
}

/* The flags read, a comparison, and the flags put back, as compilers have it; or nearly so. Then what
 * they are is kept: they stick. */
static void flags_kept(struct gen *g)
{
	unsigned reg = pick_dest(g), counter = 12 + rng_below(g->r, 4);
	bool loops = rng_one_in(g->r, 2);
	if (loops)
		emit(g, i_type(ADDI, counter, 0, (int32_t)(1 + rng_below(g->r, 20))));
	unsigned start = g->at;
	if (rng_one_in(g->r, 2))
		emit(g, i_type(0x1073, 0, 0, 1));
	emit(g, i_type(0x2073, reg, 0, 1));
	if (rng_below(g->r, 8))
		emit(g,
			0xa0000053 | rng_below(g->r, 2) << 25 | rng_below(g->r, 32) << 20 |
				rng_below(g->r, 32) << 15 | rng_below(g->r, 3) << 12 |
				pick_dest(g) << 7);
	if (rng_one_in(g->r, 4)) /* a sum, difference, product or quotient */
		emit(g,
			0x02000053 | rng_below(g->r, 4) << 27 | rng_below(g->r, 32) << 20 |
				rng_below(g->r, 32) << 15 | rng_below(g->r, 32) << 7);
	emit(g, i_type(0x1073, rng_one_in(g->r, 8) ? pick_dest(g) : 0, reg, 1));
	if (loops) {
		emit(g, i_type(ADDI, counter, counter, -1));
		emit(g, with_target(BNE | counter << 15, (int32_t)(start - g->at)));
	}
	emit(g, i_type(0x2073, reg, 0, 1));
	emit(g, s_type(SW, reg, REG_DATA, (int32_t)rng_below(g->r, 64) * 8));
}

/* ---- numbers in few registers, again and again ---- */

static void compute(struct gen *g, uint32_t format, uint32_t d, uint32_t a, uint32_t b)
{
	uint32_t word = format << 25 | b << 20 | a << 15 | d << 7;
	switch (rng_below(g->r, 8)) {
	case 0: emit(g, word | 0x20000053 | rng_below(g->r, 3) << 12); break; /* fsgnj, n, x */
	case 1: emit(g, word | 0x28000053 | rng_below(g->r, 2) << 12); break; /* fmin, fmax */
	case 2: /* fcvt.s.d, fcvt.d.s */
		emit(g, (word & ~(31u << 20)) | 0x40000053 | (format ^ 1) << 20);
		break;
	case 3: /* feq, flt, fle */
		emit(g,
			(word & ~(31u << 7)) | 0xa0000053 | rng_below(g->r, 3) << 12 |
				pick_dest(g) << 7);
		break;
	default: emit(g, word | 0x53 | rng_below(g->r, 4) << 27); break; /* + - * / */
	}
}

static void number(struct gen *g, uint32_t first)
{
	uint32_t format = rng_below(g->r, 2), d = first + rng_below(g->r, 3);
	uint32_t a = first + rng_below(g->r, 3), b = first + rng_below(g->r, 3);
	int32_t off = (int32_t)rng_below(g->r, 64) * 8;
	switch (rng_below(g->r, 10)) {
	case 0:
	case 1:
		emit(g, i_type(0x2007 + (format << 12), d, pick_data(g), off));
		break; /* flw, fld */
	case 2: emit(g, s_type(0x2027 + (format << 12), a, pick_data(g), off)); break;
	case 3: /* fmv.x.w, fmv.x.d: that is for RV64 */
		format &= g->xlen == 64;
		emit(g, 0xe0000053 | format << 25 | a << 15 | pick_dest(g) << 7);
		break;
	case 4: /* over the next one */
		emit(g, with_target(BNE | pick(g) << 15 | pick(g) << 20, 8));
		break;
	default: compute(g, format, d, a, b); break;
	}
}

/* A loop of them, and what they are then. */
static void numbers(struct gen *g)
{
	unsigned counter = 12 + rng_below(g->r, 4);
	uint32_t first = rng_below(g->r, 4) * 8, n = 2 + rng_below(g->r, 8);
	emit(g, i_type(ADDI, counter, 0, (int32_t)(1 + rng_below(g->r, 12))));
	unsigned start = g->at;
	while (n--)
		number(g, first);
	emit(g, i_type(ADDI, counter, counter, -1));
	emit(g, with_target(BNE | counter << 15, (int32_t)(start - g->at)));
	for (uint32_t i = 0; i < 3; i++)
		emit(g, s_type(0x3027, first + i, REG_DATA, (int32_t)rng_below(g->r, 64) * 8));
}

static void float_csr(struct gen *g)
{
	unsigned csr = 1 + rng_below(g->r, 3);
	switch (rng_below(g->r, 3)) {
	case 0: emit(g, i_type(0x2073, pick_dest(g), 0, (int32_t)csr)); break; /* read */
	case 1: emit(g, i_type(0x5073, pick_dest(g), rng_below(g->r, 32), (int32_t)csr)); break;
	default: emit(g, i_type(0x5073, 0, rng_below(g->r, 5), 2)); /* a good rounding mode */
	}
}

/* A subroutine that is called, changed by the last of some stores, and called again. */
static void patched_call(struct gen *g)
{
	enum { COUNT = 5, AT = 6, FROM = 7, LINK = 1 };
	const int32_t sub = 4 + 11 * 4; /* behind auipc, loads, the loop and the jump over it */
	emit(g, i_type(ADDI, COUNT, 0, (int32_t)(2 + rng_below(g->r, 3))));
	emit(g, AUIPC | AT << 7);
	for (int32_t i = 0; i < 3; i++)
		emit(g, i_type(LW, FROM, AT, 8 * i));
	unsigned start = g->at;
	emit(g, i_type(JALR, LINK, AT, sub));
	emit(g, i_type(LW, FROM, AT, (int32_t)(rng_below(g->r, 256) & ~1u) * 4 - 512));
	/* where the loads stand, which are not executed again */
	emit(g, s_type(SW, FROM, AT, 4));
	emit(g, s_type(SW, FROM, AT, 8));
	emit(g, s_type(SW, FROM, AT, sub));
	emit(g, i_type(ADDI, COUNT, COUNT, -1));
	emit(g, with_target(BNE | COUNT << 15, (int32_t)(start - g->at)));
	unsigned over = g->at;
	emit(g, JAL);
	for (unsigned n = 1 + rng_below(g->r, 4); n; n--)
		emit(g,
			i_type(ADDI, 12 + rng_below(g->r, 4), pick(g),
				(int32_t)rng_below(g->r, 99)));
	emit(g, i_type(JALR, 0, LINK, 0));
	put_at(g, over, with_target(JAL, (int32_t)(g->at - over)));
}

/* Another address space of the same tables, or none: satp's ASID or MODE changes. */
static void other_space(struct gen *g)
{
	unsigned a = pick_dest(g), b = pick_dest(g);
	unsigned asid = g->xlen == 64 ? 44 : 22, mode = g->xlen - 1;
	emit(g, i_type(0x2073, a, 0, 0x180));
	emit(g, i_type(ADDI, b, 0, 1));
	emit(g, i_type(0x1013, b, b, (int32_t)(rng_one_in(g->r, 4) ? mode : asid)));
	emit(g, 0x4033 | a << 7 | a << 15 | b << 20); /* xor */
	emit(g, i_type(0x1073, 0, a, 0x180));
}

/* Accesses by one pointer that moves on or stays: in data, in code that may be running, near the end of
 * a page; once or in a loop. */
static void walk(struct gen *g)
{
	static const uint8_t bases[] = { REG_SP, REG_DATA, REG_DATA2, REG_CODE, REG_CODE,
		REG_DEVICE };
	static const uint32_t loads[] = { 0x0003, 0x1003, 0x2003, 0x4003, 0x5003 };
	unsigned by = pick_dest(g), counter = pick_dest(g), n = 2 + rng_below(g->r, 6);
	int32_t step = rng_one_in(g->r, 2) ? 0 : (int32_t)(1 + rng_below(g->r, 24)) * 8;
	unsigned from = bases[rng_below(g->r, sizeof(bases))], writes = rng_below(g->r, 5);
	int32_t near = (int32_t)rng_below(g->r, 1024) * 4 - 2048;
	emit(g, i_type(ADDI, by, from, near));
	emit(g, i_type(ADDI, counter, 0, (int32_t)(1 + rng_below(g->r, 20))));
	unsigned start = g->at;
	for (unsigned i = 0; i < n; i++) {
		int32_t at = (int32_t)rng_below(g->r, 16) * 8;
		if (rng_one_in(g->r, 6)) /* perhaps over it */
			emit(g, with_target(BNE | pick(g) << 15 | pick(g) << 20, 8));
		if (rng_below(g->r, 4) < writes)
			emit(g, s_type(SW, pick(g), by, at));
		else
			emit(g, i_type(loads[rng_below(g->r, 5)], pick_dest(g), by, at));
		if (rng_one_in(g->r, 6))
			body(g, 1);
	}
	if (step)
		emit(g, i_type(ADDI, by, by, step));
	if (rng_one_in(g->r, 3))
		return;
	emit(g, i_type(ADDI, counter, counter, -1));
	emit(g, with_target(BNE | counter << 15, (int32_t)(start - g->at)));
}

/* Vector instructions under a type that they are likely to be legal with, mostly at full length, and in
 * a loop. */
static void vectors(struct gen *g)
{
	static const uint8_t lmuls[] = { 0, 0, 0, 1, 2, 3, 7 };
	unsigned lmul = lmuls[rng_below(g->r, sizeof(lmuls))], counter = 12 + rng_below(g->r, 4);
	unsigned avl = rng_below(g->r, 4) ? 0 : pick(g), dest = pick_dest(g);
	uint32_t type = lmul | rng_below(g->r, 4) << 3 | rng_below(g->r, 4) << 6;
	bool loops = rng_one_in(g->r, 2), inside = rng_one_in(g->r, 2);
	uint32_t set = 0x7057 | (dest ? dest : 1) << 7 | avl << 15 | type << 20;
	if (loops)
		emit(g, i_type(ADDI, counter, 0, (int32_t)(1 + rng_below(g->r, 20))));
	if (!inside)
		emit(g, set);
	unsigned start = g->at;
	if (inside)
		emit(g, set);
	g->group = lmul < 4 ? 1u << lmul : 1;
	for (unsigned n = 2 + rng_below(g->r, 12); n; n--)
		emit_kind(g, rng_one_in(g->r, 12) ? INTEGER : VECTOR);
	g->group = 0;
	if (!loops)
		return;
	emit(g, i_type(ADDI, counter, counter, -1));
	emit(g, with_target(BNE | counter << 15, (int32_t)(start - g->at)));
}

/* Words in a few registers, extended over and over as compilers do it: addiw with 0. */
static void words(struct gen *g)
{
	static const uint32_t two[] = { 0x33, 0x3033, 0x4033, 0x6033, 0x7033, 0x3b, 0x103b, 0x503b,
		0x4000503b }; /* add, sltu, xor, or, and, addw, sllw, srlw, sraw */
	static const uint32_t one[] = { 0x501b, 0x4000501b, 0x40005013, 0x4013, 0x6013,
		0x7013 }; /* srliw, sraiw, srai, xori, ori, andi */
	static const uint32_t loads[] = { 0x1003, 0x2003, 0x3003, 0x4003, 0x6003 };
	unsigned reg[3] = { pick_dest(g), pick_dest(g), pick_dest(g) }, n = 3 + rng_below(g->r, 9);
	for (unsigned i = 0; g->xlen == 64 && i < n; i++) {
		unsigned to = reg[rng_below(g->r, 3)], from = reg[rng_below(g->r, 3)];
		unsigned other = reg[rng_below(g->r, 3)];
		switch (rng_below(g->r, 9)) {
		case 0:
			emit(g,
				i_type(loads[rng_below(g->r, 5)], to, REG_DATA,
					(int32_t)rng_below(g->r, 64) * 8));
			break;
		case 1:
			emit(g,
				i_type(one[rng_below(g->r, 6)], to, from,
					(int32_t)rng_below(g->r, 32)));
			break;
		case 2:
		case 3:
		case 4:
			emit(g, two[rng_below(g->r, 9)] | to << 7 | from << 15 | other << 20);
			break;
		case 5: /* over one or a few */
			emit(g,
				with_target(BNE | from << 15 | other << 20,
					4 * (int32_t)(2 + rng_below(g->r, 3))));
			break;
		default: emit(g, i_type(0x1b, to, from, 0)); break;
		}
	}
}

static void (*const macros[MACROS])(struct gen *g) = { loop, jump, call, modify, device, exclusive,
	float_csr, patched_call, other_space, walk, vectors, words, flags_kept, numbers };

/* A new mixture and a new choice of registers. */
static void change_style(struct gen *g)
{
	g->style = &styles[rng_below(g->r, STYLES)];
	for (unsigned i = 0; i < 32; i++)
		g->set[i] = (uint8_t)(rng_one_in(g->r, 3) ? 8 + rng_below(g->r, 8)
							  : rng_below(g->r, 32));
	g->set[0] = 12; /* one that may be written */
	/* Vectors need a type. */
	if (g->style->row[VECTOR] > 8) {
		/* vsetivli with some length, or vsetvli with the longest: native code is for that one */
		uint32_t how =
			rng_one_in(g->r, 2) ? 0xc0007057 | rng_below(g->r, 32) << 15 : 0x7057;
		emit(g,
			how | pick_dest(g) << 7 |
				(rng_below(g->r, 32) | rng_below(g->r, 4) << 6) << 20);
	}
}

static void one(struct gen *g)
{
	unsigned total = 0, n;
	for (unsigned i = 0; i < ROW_KINDS; i++)
		total += g->style->row[i];
	for (unsigned i = 0; i < MACROS; i++)
		total += g->style->macro[i];
	n = rng_below(g->r, total);
	for (unsigned i = 0; i < ROW_KINDS; i++) {
		if (n < g->style->row[i]) {
			emit_kind(g, (enum kind)i);
			return;
		}
		n -= g->style->row[i];
	}
	for (unsigned i = 0; i < MACROS; i++) {
		if (n < g->style->macro[i]) {
			macros[i](g);
			return;
		}
		n -= g->style->macro[i];
	}
}

void code_fill(struct rng *r, uint8_t *code, unsigned xlen)
{
	struct gen g = { .r = r, .code = code, .xlen = xlen };
	sort_rows(xlen);
	change_style(&g);
	while (g.at < CODE_SIZE) {
		if (rng_one_in(r, 200))
			change_style(&g);
		one(&g);
	}
}

/* ---- handlers ---- */

/* Goes on behind what trapped; from nowhere, at a place in the code that the count of instructions
 * chooses; an interrupt is masked from then on. x5 is kept. */
static unsigned handler(struct rng *r, uint32_t *out, bool machine)
{
	const uint32_t scratch = machine ? 0x340 : 0x140, epc = scratch + 1, cause = scratch + 2;
	const uint32_t count = machine ? 0xb02 : 0xc02, ie = machine ? 0x304 : 0x104;
	const uint32_t ret = machine ? 0x30200073 : 0x10200073;
	const uint32_t swap = i_type(0x1073, 5, 5, (int32_t)scratch),
		       step = rng_one_in(r, 4) ? 2 : 4;
	unsigned n = 0, to_wild[2], to_irq;
	out[n++] = swap; /* csrrw x5, scratch, x5 */
	out[n++] = i_type(0x2073, 5, 0, (int32_t)cause);
	to_irq = n++;
	out[n++] = i_type(ADDI, 5, 5, -1);
	to_wild[0] = n++;
	out[n++] = i_type(ADDI, 5, 5, -11);
	to_wild[1] = n++;
	out[n++] = i_type(0x2073, 5, 0, (int32_t)epc);
	out[n++] = i_type(ADDI, 5, 5, (int32_t)step);
	out[n++] = i_type(0x1073, 0, 5, (int32_t)epc);
	out[n++] = swap;
	out[n++] = ret;
	out[to_wild[0]] = with_target(0x63 | 5 << 15, (int32_t)(n - to_wild[0]) * 4); /* beqz */
	out[to_wild[1]] = with_target(0x63 | 5 << 15, (int32_t)(n - to_wild[1]) * 4);
	out[n++] = i_type(0x2073, 5, 0, (int32_t)count);
	out[n++] = i_type(0x7013, 5, 5, 0x7fc);
	out[n++] = i_type(0x1013, 5, 5, 4);
	out[n++] = i_type(0x1073, 0, 5, (int32_t)epc);
	out[n++] = 0x37 | 5 << 7 | (RAM_AT + CODE);
	out[n++] = i_type(0x2073, 0, 5, (int32_t)epc); /* csrs */
	out[n++] = swap;
	out[n++] = ret;
	out[to_irq] = with_target(0x4063 | 5 << 15, (int32_t)(n - to_irq) * 4); /* bltz */
	out[n++] = i_type(0x1073, 0, 0, (int32_t)ie);
	out[n++] = swap;
	out[n++] = ret;
	return n;
}

void code_handlers(struct rng *r, uint8_t *ram)
{
	uint32_t words[64];
	memcpy(ram + HANDLERS, words, 4 * handler(r, words, true));
	memcpy(ram + HANDLER_S, words, 4 * handler(r, words, false));
}

const char *code_name(uint32_t word, unsigned xlen, unsigned *length)
{
	const struct row *best = NULL;
	*length = (word & 3) == 3 ? 4 : 2;
	for (const struct row *row = rows; row < rows + ROWS; row++)
		if (row->length == *length && row->xlens & (xlen == 32 ? 1 : 2) &&
			((word ^ row->match) & row->mask) == 0 &&
			(!best || __builtin_popcount(row->mask) > __builtin_popcount(best->mask)))
			best = row;
	/* Those that code.c makes by hand are not in the table. */
	return best                       ? best->name
		: (word & 0x7f) == JAL    ? "jal"
		: (word & 0x707f) == JALR ? "jalr"
					  : "?";
}
