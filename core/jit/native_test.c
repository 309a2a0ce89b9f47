/* SPDX-License-Identifier: MIT */
/* Native code against the interpreter: random programs of the toy CPU on both, in steps of random
 * length, and after each step all that a program can see must be equal: registers, memory, pc, key,
 * instruction count, exceptions, stores that reached the device.
 *
 * The programs loop, branch inside their page and across its end, fault in the middle of blocks, write
 * code that they run, leave behind device accesses, and mix instructions of the CPU with random
 * records of every kind. BACKPLANE_FULL=1 runs thirty times as many with a seed of the day, printed. */
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

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/jit/native/programs", test_programs);
	return g_test_run();
}
