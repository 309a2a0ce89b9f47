/* SPDX-License-Identifier: MIT */
/* Native code against the interpreter: random programs of the toy CPU on both, in steps of random
 * length, and after each step all that a program can see must be equal: registers, memory, pc, key,
 * instruction count, exceptions, stores that reached the device.
 *
 * The programs loop, branch inside their page and across its end, fault in the middle of blocks, write
 * code that they run, leave behind device accesses, and mix instructions of the CPU with random
 * records of every kind. BACKPLANE_FULL=1 runs thirty times as many with a seed of the day, printed. */
#include "code_memory.h"
#include "ir_text.h"
#include "native.h"
#include "stream.h"
#include "toy.h"
#include <inttypes.h>
#include <stdlib.h>

enum {
	WORDS = 1200, /* reaches into the second page */
	PROGRAMS = 400,
	STEPS = 24,
	CODE = 12, /* register with two instructions */
	CODE_AT = 13, /* with an address in the program */
	DATA = 14, /* with one in data */
	DEVICE = 11
};

static uint32_t any_register(GRand *r)
{
	/* few registers often: they meet */
	return (uint32_t)g_rand_int_range(r, 0, g_rand_boolean(r) ? 4 : 11);
}

static uint32_t plain_word(GRand *r)
{
	uint32_t d = any_register(r), a = any_register(r);
	int16_t imm = (int16_t)g_rand_int_range(r, -2000, 2000);
	switch (g_rand_int_range(r, 0, 24)) {
	case 0:
	case 1:
	case 2:
	case 3: return TOY(TOY_ADDI, d, a, imm);
	case 4:
	case 5:
	case 6: return TOY(TOY_ADD, d, a, any_register(r));
	case 7:
	case 8: return TOY(TOY_LD, d, DATA, imm);
	case 9:
	case 10: return TOY(TOY_ST, d, DATA, imm);
	case 11: return TOY(TOY_LD, d, a, imm); /* mostly a fault */
	case 12: return TOY(TOY_PUTLD, d, g_rand_boolean(r) ? DATA : a, imm);
	case 13: return TOY(TOY_CALL, d, a, 0);
	case 14: return TOY(TOY_COMMIT, d, g_rand_boolean(r) ? DATA : a, imm);
	case 15: return TOY(TOY_ST, g_rand_boolean(r) ? CODE : d, CODE_AT, imm & ~7);
	case 16: return TOY(g_rand_boolean(r) ? TOY_LD : TOY_ST, d, DEVICE, imm & 0x7ff);
	case 17: return TOY(TOY_RESYNC, 0, 0, 0);
	case 18: return TOY(TOY_KEY, 0, 0, g_rand_int_range(r, 0, 3));
	default: return TOY(TOY_RAW, 0, 0, g_rand_int_range(r, 0, 4));
	}
}

/* A branch to somewhere near, more often forward: not every program ends in its first loop. */
static uint32_t branch(GRand *r, unsigned at)
{
	int to = g_rand_int_range(r, -12, 24);
	if ((int)at + to < 0)
		to = 1;
	return TOY(g_rand_int_range(r, 0, 5) ? TOY_BNE : TOY_DBNE, any_register(r), any_register(r),
		to);
}

static void make_program(GRand *r, uint32_t *word)
{
	for (unsigned i = 0; i < 4; i++) {
		struct stream s;
		stream_random(&s, r, (unsigned)g_rand_int_range(r, 3, 30));
		memcpy(toy_raw[i].rec, s.rec,
			MIN(s.count, G_N_ELEMENTS(toy_raw[i].rec)) * sizeof(s.rec[0]));
		toy_raw[i].count = s.count <= G_N_ELEMENTS(toy_raw[i].rec) ? s.count : 1;
	}
	for (unsigned i = 0; i < WORDS; i++)
		word[i] = g_rand_int_range(r, 0, 6) ? plain_word(r) : branch(r, i);
	word[WORDS - 1] = TOY(TOY_HALT, 0, 0, 0);
}

static void seed(
	struct toy *t, const struct toy_state *from, const uint8_t *ram, const uint32_t *word)
{
	struct bp_cpu_head head = t->s->head;
	*t->s = *from;
	t->s->head = head;
	t->s->head.pc = TOY_BASE;
	t->s->head.key = t->s->head.icount = 0;
	memcpy(t->ram, ram, TOY_RAM);
	t->device_stores = 0;
	t->watching = false;
	t->leave_on_device = true;
	code_cache_flush();
	toy_code(t, TOY_BASE, word, WORDS);
}

static void random_state(GRand *r, struct toy_state *s, uint8_t *ram)
{
	uint8_t *p = (uint8_t *)s->r, *end = (uint8_t *)(s + 1);
	memset(s, 0, sizeof(*s));
	while (p < end)
		*p++ = (uint8_t)g_rand_int(r);
	for (unsigned i = 0; i < TOY_RAM; i++)
		ram[i] = (uint8_t)g_rand_int(r);
	for (unsigned i = 0; i < 4; i++)
		s->r[i] = (uint64_t)g_rand_int_range(r, -3, 4);
	s->r[CODE] = plain_word(r) | (uint64_t)plain_word(r) << 32;
	s->r[CODE_AT] = TOY_BASE + 2048;
	s->r[DATA] = STREAM_DATA + (uint64_t)g_rand_int_range(r, 0, 0x1000);
	s->r[DEVICE] = TOY_DEVICE;
	s->cause = s->count = 0;
	s->fflags = 0;
	s->rounding = g_rand_int_range(r, 0, 4) ? 0 : (uint32_t)g_rand_int_range(r, 0, 5);
}

static const char *difference(const struct toy *a, const struct toy *b)
{
	const size_t seen = offsetof(struct toy_state, r);
	if (a->s->head.icount != b->s->head.icount)
		return "instruction counts";
	if (a->s->head.pc != b->s->head.pc || a->s->head.key != b->s->head.key)
		return "pc or key";
	if (a->s->count != b->s->count || a->s->cause != b->s->cause)
		return "exceptions";
	if (memcmp(a->s->r, b->s->r, sizeof(a->s->r)) != 0)
		return "registers";
	/* The denormal flag is the host's where its unit works: it differs in rare cases, and no guest
	 * that runs on native code so far has it. */
	if ((a->s->fflags ^ b->s->fflags) & ~(uint32_t)BP_FP_DENORMAL)
		return "flags";
	b->s->fflags = a->s->fflags;
	if (memcmp((const char *)a->s + seen, (const char *)b->s + seen, sizeof(*a->s) - seen) != 0)
		return "vectors or what is known of the last exception";
	if (memcmp(a->ram, b->ram, TOY_RAM) != 0)
		return "memory";
	return a->device_stores != b->device_stores ? "device" : NULL;
}

static void complain(uint32_t number, unsigned step, const char *what, const struct toy *interp,
	const struct toy *native, uint64_t from)
{
	g_printerr("program of seed %u, step %u from pc 0x%" PRIx64
		   ": %s differ; interpreter: pc 0x%" PRIx64 " key %" PRIu64 " count %" PRIu64
		   " exceptions %u flags 0x%x; native: pc 0x%" PRIx64 " key %" PRIu64
		   " count %" PRIu64 " exceptions %u flags 0x%x\n",
		number, step, from, what, interp->s->head.pc, interp->s->head.key,
		interp->s->head.icount, interp->s->count, interp->s->fflags, native->s->head.pc,
		native->s->head.key, native->s->head.icount, native->s->count, native->s->fflags);
	g_printerr("last exception: interpreter %u 0x%" PRIx64 " at 0x%" PRIx64
		   ", native %u 0x%" PRIx64 " at 0x%" PRIx64 "\n",
		interp->s->cause, interp->s->value, interp->s->fault_pc, native->s->cause,
		native->s->value, native->s->fault_pc);
	for (unsigned i = 0; i < 16; i++)
		if (interp->s->r[i] != native->s->r[i])
			g_printerr("r%u: interpreter 0x%" PRIx64 " native 0x%" PRIx64 "\n", i,
				interp->s->r[i], native->s->r[i]);
	for (size_t at = offsetof(struct toy_state, r); at < sizeof(struct toy_state); at++)
		if (((const uint8_t *)interp->s)[at] != ((const uint8_t *)native->s)[at])
			g_printerr("at %zu: interpreter %02x native %02x\n", at,
				((const uint8_t *)interp->s)[at], ((const uint8_t *)native->s)[at]);
	for (uint64_t at = from; at < from + 64 && at < TOY_BASE + TOY_RAM; at += 4) {
		uint32_t word;
		memcpy(&word, interp->ram + (at - TOY_BASE), 4);
		g_printerr("%05" PRIx64 ": op %u d %u a %u imm %d\n", at, word & 0xff,
			word >> 8 & 15, word >> 12 & 15, (int16_t)(word >> 16));
	}
	for (unsigned i = 0; i < 4; i++) {
		GString *text = g_string_new(NULL);
		ir_print(text, toy_raw[i].rec, toy_raw[i].count);
		g_printerr("records %u:\n%s", i, text->str);
		g_string_free(text, TRUE);
	}
	exit(1);
}

/* Both engines go the same way in the same steps. Returns how many instructions ran. */
static uint64_t run_both(GRand *r, struct toy *interp, struct toy *native, uint32_t number)
{
	for (unsigned step = 0; step < STEPS; step++) {
		uint64_t from = interp->s->head.pc, left = (uint64_t)g_rand_int_range(r, 1, 900);
		uint64_t end = interp->s->head.icount + left;
		int a = BP_EXIT_PENDING, b = BP_EXIT_PENDING;
		/* A device access leaves early, in both after the same instruction. */
		while (a == BP_EXIT_PENDING && interp->s->head.icount < end)
			a = toy_run(interp, interp->s->head.pc, end - interp->s->head.icount);
		while (b == BP_EXIT_PENDING && native->s->head.icount < end)
			b = toy_run(native, native->s->head.pc, end - native->s->head.icount);
		const char *what = difference(interp, native);
		if (what || a != b)
			complain(number, step, what ? what : "reasons to leave", interp, native,
				from);
		if (a == BP_EXIT_ERROR)
			break;
	}
	return interp->s->head.icount;
}

static void test_programs(void)
{
	const char *full = g_getenv("BACKPLANE_FULL"), *again = g_getenv("BACKPLANE_SEED");
	bool many = full && *full && *full != '0';
	uint32_t base = again ? (uint32_t)strtoul(again, NULL, 10) : many ? g_random_int() : 1;
	struct toy_state *state = g_new0(struct toy_state, 1);
	uint8_t *ram = g_malloc(TOY_RAM);
	uint32_t *word = g_new(uint32_t, WORDS);
	uint64_t total = 0;
	if (!native_available()) {
		g_test_skip("this host has no back end");
		return;
	}
	struct toy *interp = toy_create_with(false), *native = toy_create_with(true);
	g_test_message("seed %u", base);
	for (unsigned n = 0; n < (again ? 1 : many ? 30 * PROGRAMS : PROGRAMS); n++) {
		GRand *r = g_rand_new_with_seed(base + n);
		make_program(r, word);
		random_state(r, state, ram);
		seed(interp, state, ram, word);
		seed(native, state, ram, word);
		total += run_both(r, interp, native, base + n);
		g_rand_free(r);
	}
	g_test_message("%" PRIu64 " instructions", total);
	toy_destroy(interp);
	toy_destroy(native);
	g_free(state);
	g_free(ram);
	g_free(word);
}

/* ---- vectors: every opcode with every type of lanes, on operands that matter ---- */

enum { VECTOR_PROGRAMS = 15000, VECTORS = 6, VECTOR_STEPS = 4 };

/* A lane that is a special number of some format more often than not. */
static uint64_t special_lane(GRand *r)
{
	static const uint64_t some[] = { 0, 1, 0x7f, 0x80, 0xff, 0x7fff, 0x8000, 0x7f800000,
		0x80000000, 0x7fc00000, 0x7f800001, 0xff812345, 0x3f800000, 0xbf800000, 0x00800000,
		0x007fffff, 0x7f7fffff, 0x4b800001, 0x7ff0000000000000, 0x8000000000000000,
		0x7ff8000000000000, 0x7ff0000000000001, 0x3ff0000000000000, 0x0010000000000000,
		0x000fffffffffffff, 0x7fefffffffffffff, 0x7fffffffffffffff, UINT64_MAX };
	unsigned n = (unsigned)g_rand_int_range(r, 0, 2 * G_N_ELEMENTS(some));
	uint64_t x = (uint64_t)g_rand_int(r) << 32 | g_rand_int(r);
	return n < G_N_ELEMENTS(some) ? some[n] | (g_rand_boolean(r) ? some[n] << 32 : 0) : x;
}

/* Few numbers in many lanes: they meet. */
static void special_vectors(GRand *r, struct toy_state *s)
{
	uint64_t pool[6];
	bool numbers = g_rand_boolean(r); /* nothing but zeros of both signs and numbers */
	for (unsigned i = 0; i < G_N_ELEMENTS(pool); i++)
		pool[i] = numbers ? UINT64_C(0x3f8000003f800000) << g_rand_int_range(r, 0, 2)
				  : special_lane(r);
	pool[4] = g_rand_boolean(r) ? UINT64_C(0x8000000080000000) : UINT64_C(1) << 63;
	pool[5] = 0;
	for (unsigned v = 0; v < VECTORS; v++)
		for (unsigned i = 0; i < 64; i += 8)
			memcpy(s->v[v] + i, &pool[g_rand_int_range(r, 0, G_N_ELEMENTS(pool))], 8);
}

static uint32_t vector_at(GRand *r)
{
	return (uint32_t)offsetof(struct toy_state, v) +
		64u * (uint32_t)g_rand_int_range(r, 0, VECTORS) +
		16u * (uint32_t)(g_rand_int_range(r, 0, 8) == 0);
}

/* Whether the value ends with an arm that is closed by now. */
static bool in_arm(const struct bp_ir_cursor *c, unsigned id)
{
	unsigned i = id;
	while (i > 1 && c->record[i].op != BP_IR_IF && c->record[i].op != BP_IR_END)
		i--;
	if (c->record[i].op != BP_IR_IF)
		return false;
	while (i < c->count && c->record[i].op != BP_IR_END)
		i++;
	return i < c->count;
}

/* A value of a type: register, constant, or part of a register. */
static unsigned operand_of(GRand *r, struct bp_ir_cursor *c, unsigned type)
{
	/* a value of before, so that many live on */
	for (unsigned n = g_rand_int_range(r, 0, 3) ? 12 : 0; n-- > 0 && c->count > 1;) {
		unsigned id = (unsigned)g_rand_int_range(r, 1, (gint32)c->count);
		if (ir_result_type(&c->record[id]) == type && !in_arm(c, id))
			return id;
	}
	if (type == BP_T_V128 && g_rand_int_range(r, 0, 12))
		return bp_ir_get(c, type, vector_at(r));
	if (g_rand_int_range(r, 0, 3) == 0)
		return bp_ir_const(
			c, type, g_rand_boolean(r) ? special_lane(r) : g_rand_int(r) & 71);
	return bp_ir_get(c, type, vector_at(r));
}

/* An opcode that works on vectors. */
static void vector_record(GRand *r, struct bp_ir_cursor *c)
{
	const struct ir_info *info;
	struct bp_ir x = { 0 };
	do {
		x.op = (uint16_t)g_rand_int_range(r, 1, BP_IR_OPS);
		info = ir_info(x.op);
	} while (!info || !info->lanes);
	x.type = BP_T_V128;
	do
		x.arg[3] = (uint16_t)g_rand_int_range(r, BP_T_I8, BP_T_F64 + 1);
	while (!(ir_types[x.arg[3]].class & info->lanes) || x.arg[3] == BP_T_I128 ||
		((x.op == BP_IR_VWIDENS || x.op == BP_IR_VWIDENU) && x.arg[3] == BP_T_I64) ||
		((x.op == BP_IR_VNARROW || x.op == BP_IR_FTOI) && x.arg[3] == BP_T_I8));
	unsigned lanes = 16 / ir_types[x.arg[3]].bytes;
	if (x.op == BP_IR_VEXTRACT)
		x.type = (uint8_t)x.arg[3];
	if (info->aux == AUX_IMM && g_rand_boolean(r))
		x.aux = BP_IR_IMM;
	switch (info->imm) {
	case IMM_OPERAND:
		x.imm = !x.aux              ? 0
			: g_rand_boolean(r) ? g_rand_int_range(r, -1, 66)
					    : (int32_t)special_lane(r);
		break;
	case IMM_LANE: x.imm = g_rand_int_range(r, 0, (gint32)lanes); break;
	case IMM_LIMIT:
		x.imm = x.op == BP_IR_FTOI
			? g_rand_int_range(r, 0, 4) << 4 | g_rand_int_range(r, 0, 2)
			: x.op == BP_IR_FCMP
			? g_rand_int_range(r, 0, 4) | g_rand_int_range(r, 0, 2) << 3
			: g_rand_int_range(r, 0, info->imm_limit + 1);
		break;
	default: break;
	}
	if (x.op == BP_IR_FTOI)
		x.arg[1] = (uint16_t)(x.arg[3] - BP_T_I16 + BP_T_F16);
	if (x.op == BP_IR_ITOF)
		x.arg[1] = (uint16_t)(x.arg[3] - BP_T_F16 + BP_T_I16);
	unsigned splat = 0;
	bool shift = x.op >= BP_IR_SHL && x.op <= BP_IR_SAR && !x.aux;
	if (shift && g_rand_boolean(r))
		splat = bp_ir_emit(c, BP_IR_VSPLAT, BP_T_V128, 0, 0, operand_of(r, c, x.arg[3]), 0,
			0, x.arg[3]);
	for (unsigned n = 0; n < 3; n++) {
		unsigned type = info->arg[n] == ARG_VECTOR ? BP_T_V128 : ir_arg_type(&x, n);
		if (info->arg[n] != ARG_TYPE && type != BP_T_NONE && type != BP_T_COUNT)
			x.arg[n] = (uint16_t)operand_of(r, c, type);
	}
	if (splat)
		x.arg[1] = (uint16_t)splat;
	unsigned id =
		bp_ir_emit(c, x.op, x.type, x.aux, x.imm, x.arg[0], x.arg[1], x.arg[2], x.arg[3]);
	bp_ir_put(c, ir_result_type(&x), vector_at(r), id);
}

/* Sometimes across pages, and once in a while where there is nothing. */
static void vector_access(GRand *r, struct bp_ir_cursor *c)
{
	unsigned addr = bp_ir_get(c, BP_T_I64,
		(uint32_t)offsetof(struct toy_state, r) + 8 * (g_rand_boolean(r) ? DATA : 10));
	int32_t disp = g_rand_int_range(r, -40, 40);
	unsigned wider = (unsigned)g_rand_int_range(r, 0, 3), type = BP_T_V128 + wider;
	uint32_t at = wider ? vector_at(r) & ~UINT32_C(63) : vector_at(r);
	if (g_rand_boolean(r))
		bp_ir_store(c, type, addr, disp, bp_ir_get(c, type, at), BP_MEM_128 + wider);
	else
		bp_ir_put(c, type, at, bp_ir_load(c, type, addr, disp, BP_MEM_128 + wider));
}

/* An arm that leaves, or raises. */
static void vector_arm(GRand *r, struct bp_ir_cursor *c)
{
	unsigned x = bp_ir_get(c, BP_T_I64, (uint32_t)offsetof(struct toy_state, r));
	unsigned cond = bp_ir_op2i(c, BP_IR_EQ, BP_T_I64, x, g_rand_int_range(r, 0, 12));
	bp_ir_emit(c, BP_IR_IF, BP_T_NONE, 0, 0, cond, 0, 0, 0);
	vector_record(r, c);
	if (g_rand_boolean(r))
		vector_access(r, c);
	if (g_rand_boolean(r))
		bp_ir_emit(c, BP_IR_RESYNC, BP_T_NONE, 0, 0, 0, 0, 0, 0);
	else
		bp_ir_jump(c, bp_ir_pcrel(c, 4, 0, 0), BP_HINT_PLAIN, 0, 0);
	bp_ir_emit(c, BP_IR_END, BP_T_NONE, 0, 0, 0, 0, 0, 0);
}

/* A loop of four instructions of such records. */
static void vector_program(GRand *r, uint32_t *word)
{
	const uint32_t loop[] = { TOY(TOY_RAW, 0, 0, 0), TOY(TOY_RAW, 0, 0, 1),
		TOY(TOY_RAW, 0, 0, 2), TOY(TOY_RAW, 0, 0, 3), TOY(TOY_ADDI, 0, 0, -1),
		TOY(TOY_BNE, 0, 1, -5), TOY(TOY_HALT, 0, 0, 0) };
	for (unsigned i = 0; i < 4; i++) {
		struct bp_ir_cursor c = {
			.record = toy_raw[i].rec, .count = 1, .limit = G_N_ELEMENTS(toy_raw[i].rec)
		};
		memset(toy_raw[i].rec, 0, sizeof(toy_raw[i].rec[0]));
		if (g_rand_int_range(r, 0, 4) == 0)
			for (unsigned v = 0; v < 20; v++)
				bp_ir_get(&c, BP_T_V128, vector_at(r));
		if (g_rand_int_range(r, 0, 4) == 0)
			vector_arm(r, &c);
		for (int n = g_rand_int_range(r, 1, 14); n > 0; n--) {
			if (g_rand_int_range(r, 0, 5) == 0)
				vector_access(r, &c);
			else
				vector_record(r, &c);
		}
		toy_raw[i].count = c.count;
	}
	for (unsigned i = 0; i < WORDS; i++)
		word[i] = i < G_N_ELEMENTS(loop) ? loop[i] : TOY(TOY_HALT, 0, 0, 0);
}

static void test_vectors(void)
{
	const char *full = g_getenv("BACKPLANE_FULL");
	bool many = full && *full && *full != '0';
	uint32_t base = many ? g_random_int() : 1;
	if (!native_available()) {
		g_test_skip("this host has no back end");
		return;
	}
	struct toy_state *state = g_new0(struct toy_state, 1);
	uint8_t *ram = g_malloc0(TOY_RAM);
	uint32_t *word = g_new(uint32_t, WORDS);
	struct toy *interp = toy_create_with(false), *native = toy_create_with(true);
	g_test_message("seed %u", base);
	for (unsigned n = 0; n < (many ? 30 : 1) * VECTOR_PROGRAMS; n++) {
		GRand *r = g_rand_new_with_seed(base + n);
		vector_program(r, word);
		random_state(r, state, ram);
		special_vectors(r, state);
		state->r[0] = 12;
		state->r[1] = 0;
		/* near the end of a page, and of RAM */
		state->r[DATA] = TOY_BASE + (g_rand_boolean(r) ? TOY_RAM : 4 * TOY_PAGE) - 30;
		state->r[10] = TOY_BASE + 5 * TOY_PAGE + 100;
		seed(interp, state, ram, word);
		seed(native, state, ram, word);
		for (unsigned step = 0; step < VECTOR_STEPS; step++) {
			toy_run(interp, interp->s->head.pc, 23);
			toy_run(native, native->s->head.pc, 23);
			const char *what = difference(interp, native);
			if (what)
				complain(base + n, step, what, interp, native, TOY_BASE);
		}
		g_rand_free(r);
	}
	toy_destroy(interp);
	toy_destroy(native);
	g_free(state);
	g_free(ram);
	g_free(word);
}

/* Where code comes and goes, memory is used again that was used before. */
static void test_chunks(void)
{
	if (!native_available()) {
		g_test_skip("this host has no back end");
		return;
	}
	struct code_chunk *first = code_chunk_take(), *second = code_chunk_take(), *third;
	g_assert_true(first < second);
	code_chunk_leave(first);
	g_assert_true(code_chunk_take() == first);
	code_chunk_hold(first);
	code_chunk_leave(first);
	third = code_chunk_take(); /* the first has a block that lives */
	g_assert_true(third > second);
	code_chunk_leave(third);
	code_chunk_drop(first);
	g_assert_true(code_chunk_take() == first);
	code_chunk_leave(first);
	code_chunk_leave(second);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/jit/native/programs", test_programs);
	g_test_add_func("/jit/native/vectors", test_vectors);
	g_test_add_func("/jit/native/chunks", test_chunks);
	return g_test_run();
}
