/* SPDX-License-Identifier: MIT */
/* Programs of the toy CPU: control flow, budget, faults, links, changing code. */
#include "toy.h"
#include "trace/hub.h"

#define PROGRAM(t, ...)                                                                            \
	do {                                                                                       \
		static const uint32_t words[] = { __VA_ARGS__ };                                   \
		toy_code(t, TOY_BASE, words, G_N_ELEMENTS(words));                                 \
	} while (0)

static void test_loop(void)
{
	struct toy *t = toy_create();
	PROGRAM(t, TOY(TOY_ADDI, 1, 0, 0), TOY(TOY_ADDI, 2, 0, 1000), TOY(TOY_ADDI, 1, 1, 3),
		TOY(TOY_ADDI, 2, 2, -1), TOY(TOY_BNE, 2, 0, -2), TOY(TOY_HALT, 0, 0, 0));
	g_assert_cmpint(toy_run(t, TOY_BASE, 1000000), ==, BP_EXIT_HALT);
	g_assert_cmpuint(t->s->r[1], ==, 3000);
	g_assert_cmpuint(t->s->head.icount, ==, 2 + 3 * 1000 + 1);
	g_assert_cmphex(t->s->head.pc, ==, TOY_BASE + 24);
	toy_destroy(t);
}

static void test_budget(void)
{
	for (unsigned step = 1; step < 40; step += 3) {
		struct toy *t = toy_create();
		PROGRAM(t, TOY(TOY_ADDI, 2, 0, 50), TOY(TOY_ADDI, 1, 1, 3), TOY(TOY_ADDI, 3, 3, 1),
			TOY(TOY_ADDI, 2, 2, -1), TOY(TOY_BNE, 2, 0, -3), TOY(TOY_HALT, 0, 0, 0));
		uint64_t n = 0;
		int why = toy_run(t, TOY_BASE, step);
		while (why == BP_EXIT_BUDGET) {
			n += step;
			g_assert_cmpuint(t->s->head.icount, ==, n);
			why = toy_run(t, t->s->head.pc, step);
		}
		g_assert_cmpint(why, ==, BP_EXIT_HALT);
		g_assert_cmpuint(t->s->head.icount, ==, 1 + 4 * 50 + 1);
		g_assert_cmpuint(t->s->r[1], ==, 150);
		g_assert_cmpuint(t->s->r[3], ==, 50);
		toy_destroy(t);
	}
}

/* ---- faults ---- */

static void test_put_then_fault(void)
{
	struct toy *t = toy_create();
	PROGRAM(t, TOY(TOY_ADDI, 3, 3, 1), TOY(TOY_PUTLD, 1, 5, 0), TOY(TOY_HALT, 0, 0, 0));
	t->s->r[1] = 11;
	t->s->r[5] = 0x900000;
	g_assert_cmpint(toy_run(t, TOY_BASE, 2), ==, BP_EXIT_BUDGET);
	g_assert_cmpuint(t->s->count, ==, 1);
	g_assert_cmpuint(t->s->cause, ==, 5);
	g_assert_cmphex(t->s->value, ==, 0x900000);
	g_assert_cmphex(t->s->fault_pc, ==, TOY_BASE + 4);
	g_assert_cmpuint(t->s->fault_icount, ==, 1);
	g_assert_cmpuint(t->s->head.icount, ==, 2);
	g_assert_cmpuint(t->s->r[1], ==, 11);
	g_assert_cmpuint(t->s->r[2], ==, 0);
	/* and when it does not fault */
	t->s->r[5] = TOY_BASE + 0x4000;
	t->ram[0x4000] = 99;
	g_assert_cmpint(toy_run(t, TOY_BASE, 100), ==, BP_EXIT_HALT);
	g_assert_cmpuint(t->s->r[1], ==, 77);
	g_assert_cmpuint(t->s->r[2], ==, 99);
	toy_destroy(t);
}

static void test_load_onto_its_address(void)
{
	struct toy *t = toy_create();
	PROGRAM(t, TOY(TOY_LD, 5, 5, 8), TOY(TOY_LD, 5, 5, 0), TOY(TOY_HALT, 0, 0, 0));
	uint64_t next = 0x900000;
	memcpy(t->ram + 0x4008, &next, 8);
	t->s->r[5] = TOY_BASE + 0x4000;
	g_assert_cmpint(toy_run(t, TOY_BASE, 2), ==, BP_EXIT_BUDGET);
	g_assert_cmphex(t->s->r[5], ==, 0x900000);
	g_assert_cmphex(t->s->fault_pc, ==, TOY_BASE + 4);
	toy_destroy(t);
}

static void test_commit(void)
{
	struct toy *t = toy_create();
	PROGRAM(t, TOY(TOY_COMMIT, 1, 5, 0), TOY(TOY_HALT, 0, 0, 0));
	t->s->r[5] = 0x900000;
	g_assert_cmpint(toy_run(t, TOY_BASE, 1), ==, BP_EXIT_BUDGET);
	g_assert_cmpuint(t->s->r[1], ==, 1);
	t->s->r[5] = TOY_BASE + 0x4000;
	g_assert_cmpint(toy_run(t, TOY_BASE, 100), ==, BP_EXIT_HALT);
	g_assert_cmpuint(t->s->r[1], ==, 3);
	g_assert_cmpuint(t->ram[0x4000], ==, 2);
	toy_destroy(t);
}

static void test_raise(void)
{
	struct toy *t = toy_create();
	PROGRAM(t, TOY(TOY_ADDI, 1, 1, 1), TOY(TOY_ILLEGAL, 0, 0, 0));
	g_assert_cmpint(toy_run(t, TOY_BASE, 20), ==, BP_EXIT_BUDGET);
	g_assert_cmpuint(t->s->count, ==, 10);
	g_assert_cmpuint(t->s->cause, ==, 2);
	g_assert_cmpuint(t->s->r[1], ==, 10);
	g_assert_cmpuint(t->s->head.icount, ==, 20);
	toy_destroy(t);
}

static void test_fetch_fault(void)
{
	struct toy *t = toy_create();
	g_assert_cmpint(toy_run(t, 0x900000, 1), ==, BP_EXIT_BUDGET);
	g_assert_cmpuint(t->s->cause, ==, 1);
	g_assert_cmphex(t->s->value, ==, 0x900000);
	/* An instruction that goes on in a page that is not there: the second page's address. */
	const uint32_t code[] = { TOY(TOY_ADDI, 1, 1, 1), TOY(TOY_LONG, 2, 0, 0) };
	toy_code(t, TOY_BASE + TOY_PAGE - 8, code, 2);
	t->unmapped = TOY_BASE + TOY_PAGE;
	g_assert_cmpint(toy_run(t, TOY_BASE + TOY_PAGE - 8, 2), ==, BP_EXIT_BUDGET);
	g_assert_cmphex(t->s->value, ==, TOY_BASE + TOY_PAGE);
	g_assert_cmphex(t->s->fault_pc, ==, TOY_BASE + TOY_PAGE - 4);
	g_assert_cmpuint(t->s->r[1], ==, 1);
	/* Now it is there; then it is written. */
	t->unmapped = 0;
	const uint32_t rest[] = { 0x1234, TOY(TOY_HALT, 0, 0, 0) };
	toy_code(t, TOY_BASE + TOY_PAGE, rest, 2);
	g_assert_cmpint(toy_run(t, TOY_BASE + TOY_PAGE - 8, 100), ==, BP_EXIT_HALT);
	g_assert_cmphex(t->s->r[2], ==, 0x1234);
	const uint32_t other = 0x4321;
	toy_code(t, TOY_BASE + TOY_PAGE, &other, 1);
	g_assert_cmpint(toy_run(t, TOY_BASE + TOY_PAGE - 8, 100), ==, BP_EXIT_HALT);
	g_assert_cmphex(t->s->r[2], ==, 0x4321);
	/* And gone again: another mapping, another epoch. */
	t->unmapped = TOY_BASE + TOY_PAGE;
	t->jit.space_epoch++;
	t->s->count = 0;
	toy_run(t, TOY_BASE + TOY_PAGE - 8, 2);
	g_assert_cmpuint(t->s->count, ==, 1);
	toy_destroy(t);
}

/* A device sees one fetch for each of an instruction's pages that it lies in, and run for run the
 * same. */
static void test_fetch_device(void)
{
	const uint32_t code[] = { TOY(TOY_ADDI, 1, 1, 1), TOY(TOY_LONG, 2, 0, 0), 0x1234,
		TOY(TOY_HALT, 0, 0, 0) };
	struct toy *t = toy_create();
	toy_code(t, TOY_BASE + TOY_PAGE - 8, code, 4);
	t->device = TOY_BASE + TOY_PAGE;
	for (unsigned i = 1; i <= 2; i++) {
		g_assert_cmpint(toy_run(t, TOY_BASE + TOY_PAGE - 8, 100), ==, BP_EXIT_HALT);
		g_assert_cmphex(t->s->r[2], ==, 0x1234);
		g_assert_cmpuint(t->s->r[1], ==, i);
		g_assert_cmpuint(t->device_fetches, ==, 2 * i);
	}
	/* What was memory when the block was made is a device now. */
	t->device = 0;
	toy_run(t, TOY_BASE + TOY_PAGE - 8, 100);
	t->device = TOY_BASE + TOY_PAGE;
	t->jit.space_epoch++;
	toy_run(t, TOY_BASE + TOY_PAGE - 8, 100);
	g_assert_cmpuint(t->device_fetches, ==, 6);
	toy_destroy(t);
}

/* ---- control ---- */

static void test_delay_slot(void)
{
	for (unsigned cut = 0; cut < 2; cut++) {
		struct toy *t = toy_create();
		t->jit.block_insns = cut; /* 1: each instruction alone */
		PROGRAM(t, TOY(TOY_ADDI, 2, 0, 100), TOY(TOY_ADDI, 2, 2, -1),
			TOY(TOY_DBNE, 2, 0, -1), TOY(TOY_ADDI, 1, 1, 5), TOY(TOY_HALT, 0, 0, 0));
		g_assert_cmpint(toy_run(t, TOY_BASE, 100000), ==, BP_EXIT_HALT);
		g_assert_cmpuint(t->s->r[1], ==, 500);
		g_assert_cmpuint(t->s->head.icount, ==, 1 + 300 + 1);
		g_assert_cmphex(t->s->head.key, ==, 0);
		toy_destroy(t);
	}
}

/* The interpreter: the slot's jump is an exit of two links, not an indirect one. */
static void test_delay_slot_links(void)
{
	if (toy_native())
		return;
	struct toy *t = toy_create();
	PROGRAM(t, TOY(TOY_ADDI, 2, 2, -1), TOY(TOY_DBNE, 2, 0, -1), TOY(TOY_ADDI, 2, 2, -1),
		TOY(TOY_HALT, 0, 0, 0));
	t->s->r[2] = 21;
	g_assert_cmpint(toy_run(t, TOY_BASE, 100000), ==, BP_EXIT_HALT);
	struct interp *in = t->jit.engine;
	struct cache_key k = { in->config, 0, t->ram, 0, JIT_BLOCK_INSNS };
	struct block *b = cache_find(&k);
	g_assert_nonnull(b);
	g_assert_cmpuint(b->insns, ==, 3);
	g_assert_cmpuint(b->links, ==, 2);
	g_assert_true(atomic_load(&b->link[0].to) == b);
	g_assert_nonnull(atomic_load(&b->link[1].to));
	/* What was linked to is written: the link is cut. */
	const uint32_t other[] = { TOY(TOY_ADDI, 9, 0, 9), TOY(TOY_HALT, 0, 0, 0) };
	toy_code(t, TOY_BASE + 12, other, 2);
	g_assert_null(atomic_load(&b->link[1].to));
	g_assert_true(atomic_load(&b->link[0].to) == b);
	t->s->r[2] = 21;
	g_assert_cmpint(toy_run(t, TOY_BASE, 100000), ==, BP_EXIT_HALT);
	g_assert_cmpuint(t->s->r[9], ==, 9);
	toy_destroy(t);
}

static void test_key(void)
{
	struct toy *t = toy_create();
	PROGRAM(t, TOY(TOY_KEY, 0, 0, 7), TOY(TOY_ADDI, 1, 1, 1), TOY(TOY_HALT, 0, 0, 0));
	g_assert_cmpint(toy_run(t, TOY_BASE, 1), ==, BP_EXIT_BUDGET);
	g_assert_cmphex(t->s->head.key, ==, 7);
	g_assert_cmpint(toy_run(t, TOY_BASE, 100), ==, BP_EXIT_HALT);
	g_assert_cmphex(t->s->head.key, ==, 7);
	/* A fault shows the key of its instruction: of the one before TOY_KEY it is the old one. */
	toy_destroy(t);
}

static void test_indirect(void)
{
	struct toy *t = toy_create();
	const uint32_t far[] = { TOY(TOY_ADDI, 2, 2, -1), TOY(TOY_BNE, 2, 0, 2),
		TOY(TOY_HALT, 0, 0, 0), TOY(TOY_JALR, 3, 4, 0) };
	PROGRAM(t, TOY(TOY_JALR, 4, 1, 0), TOY(TOY_JALR, 4, 1, 0));
	toy_code(t, TOY_BASE + 0x3000, far, 4);
	t->s->r[1] = TOY_BASE + 0x3000;
	t->s->r[2] = 1000;
	/* far jumps back to r4 = the second JALR again and again */
	g_assert_cmpint(toy_run(t, TOY_BASE, 100000), ==, BP_EXIT_HALT);
	g_assert_cmpuint(t->s->r[2], ==, 0);
	g_assert_cmphex(t->s->r[3], ==, TOY_BASE + 0x3010);
	toy_destroy(t);
}

static void test_call(void)
{
	struct toy *t = toy_create();
	PROGRAM(t, TOY(TOY_CALL, 1, 2, 0), TOY(TOY_CALL, 3, 2, 3), TOY(TOY_CALL, 5, 2, 2),
		TOY(TOY_ADDI, 6, 5, 1), TOY(TOY_CALL, 2, 7, 4), TOY(TOY_CALL, 8, 2, 1));
	t->s->r[1] = 30;
	t->s->r[2] = 12;
	t->s->r[7] = 5;
	g_assert_cmpint(toy_run(t, TOY_BASE, 100), ==, BP_EXIT_PENDING);
	g_assert_cmpuint(t->s->r[1], ==, 42);
	g_assert_cmpuint(t->s->r[15], ==, 1);
	g_assert_cmphex(t->s->r[3], ==, (uint64_t)(TOY_BASE + 4) << 32 | 1);
	g_assert_cmpuint(t->s->r[5], ==, 5); /* BP_H_LEAVE: right behind it */
	g_assert_cmpuint(t->s->r[6], ==, 0);
	g_assert_cmphex(t->s->head.pc, ==, TOY_BASE + 12);
	g_assert_cmpuint(t->s->head.icount, ==, 3);
	t->s->r[8] = 8;
	g_assert_cmpint(toy_run(t, t->s->head.pc, 3), ==, BP_EXIT_BUDGET);
	g_assert_cmphex(t->s->r[2], ==, 5); /* the new key, which the helper left in args[0] */
	g_assert_cmpuint(t->s->cause, ==, 9);
	g_assert_cmphex(t->s->value, ==, 5);
	g_assert_cmphex(t->s->fault_pc, ==, TOY_BASE + 20);
	g_assert_cmpuint(t->s->r[8], ==, 8);
	toy_destroy(t);
}

static void test_leave_after(void)
{
	struct toy *t = toy_create();
	PROGRAM(t, TOY(TOY_ST, 1, 5, 0), TOY(TOY_ADDI, 1, 1, 1), TOY(TOY_ADDI, 1, 1, 1),
		TOY(TOY_BNE, 1, 5, -3));
	t->s->r[5] = TOY_DEVICE;
	t->leave_on_device = true;
	for (unsigned i = 0; i < 5; i++) {
		g_assert_cmpint(toy_run(t, i ? t->s->head.pc : TOY_BASE, 100), ==, BP_EXIT_PENDING);
		g_assert_cmphex(t->s->head.pc, ==, TOY_BASE + 4);
		g_assert_cmpuint(t->device_stores, ==, i + 1);
		g_assert_cmpuint(t->s->head.icount, ==, 1 + 4 * i);
	}
	t->leave_on_device = false;
	g_assert_cmpint(toy_run(t, TOY_BASE, 100), ==, BP_EXIT_BUDGET);
	g_assert_cmpuint(t->device_stores, ==, 5 + 25);
	toy_destroy(t);
}

static void test_kick(void)
{
	struct toy *t = toy_create();
	PROGRAM(t, TOY(TOY_ADDI, 1, 1, 1), TOY(TOY_RESYNC, 0, 0, 0), TOY(TOY_BNE, 1, 0, -2));
	t->s->head.pending = 1;
	g_assert_cmpint(toy_run(t, TOY_BASE, 10), ==, BP_EXIT_PENDING);
	g_assert_cmpuint(t->s->head.icount, ==, 0);
	t->s->head.pending = 0;
	g_assert_cmpint(toy_run(t, TOY_BASE, 10), ==, BP_EXIT_BUDGET);
	t->s->head.pc = TOY_BASE;
	interp_engine.kick(&t->jit);
	g_assert_cmpint(interp_run(&t->jit, 10), ==, BP_EXIT_PENDING);
	toy_destroy(t);
}

static void *kick_soon(void *arg)
{
	g_usleep(20000);
	interp_engine.kick(arg);
	return NULL;
}

static void test_kick_from_elsewhere(void)
{
	struct toy *t = toy_create();
	PROGRAM(t, TOY(TOY_ADDI, 1, 1, 1), TOY(TOY_BNE, 1, 0, -1));
	GThread *thread = g_thread_new("kick", kick_soon, &t->jit);
	g_assert_cmpint(toy_run(t, TOY_BASE, UINT64_MAX / 2), ==, BP_EXIT_PENDING);
	g_thread_join(thread);
	toy_destroy(t);
}

static void test_breakpoint(void)
{
	struct toy *t = toy_create();
	PROGRAM(t, TOY(TOY_ADDI, 1, 1, 1), TOY(TOY_ADDI, 1, 1, 1), TOY(TOY_ADDI, 1, 1, 1),
		TOY(TOY_BNE, 1, 0, -3));
	toy_run(t, TOY_BASE, 100);
	t->s->r[1] = 0;
	t->breakpoint = TOY_BASE + 8;
	t->jit.have_breakpoints = true;
	code_cache_flush();
	g_assert_cmpint(toy_run(t, TOY_BASE, 100), ==, BP_EXIT_BREAKPOINT);
	g_assert_cmphex(t->s->head.pc, ==, TOY_BASE + 8);
	g_assert_cmpuint(t->s->r[1], ==, 2);
	toy_destroy(t);
}

/* Mappings that change while code is looked for: it is looked for again. */
static void test_moving(void)
{
	struct toy *t = toy_create();
	bool kept = toy_keeps();
	PROGRAM(t, TOY(TOY_ADDI, 1, 1, 1), TOY(TOY_HALT, 0, 0, 0));
	t->moves = 3;
	g_assert_cmpint(toy_run(t, TOY_BASE, 100), ==, BP_EXIT_HALT);
	g_assert_cmpuint(t->fetches, ==, 4);
	g_assert_cmpint(toy_run(t, TOY_BASE, 100), ==, BP_EXIT_HALT);
	g_assert_cmpuint(t->fetches, ==, kept ? 4 : 5);
	t->jit.space_epoch++;
	g_assert_cmpint(toy_run(t, TOY_BASE, 100), ==, BP_EXIT_HALT);
	g_assert_cmpuint(t->fetches, ==, kept ? 5 : 6);
	g_assert_cmpuint(t->s->r[1], ==, 3);
	toy_destroy(t);
}

/* ---- changing code ---- */

static void test_own_code(void)
{
	/* A store replaces the instruction right behind it. */
	struct toy *t = toy_create();
	PROGRAM(t, TOY(TOY_ADDI, 1, 1, 1), TOY(TOY_ST, 2, 5, 0), TOY(TOY_ADDI, 1, 1, 1),
		TOY(TOY_HALT, 0, 0, 0));
	t->s->r[5] = TOY_BASE + 8;
	t->s->r[2] = TOY(TOY_ADDI, 1, 1, 100) | (uint64_t)TOY(TOY_HALT, 0, 0, 0) << 32;
	int why = toy_run(t, TOY_BASE, 100);
	while (why == BP_EXIT_PENDING)
		why = toy_run(t, t->s->head.pc, 100);
	g_assert_cmpint(why, ==, BP_EXIT_HALT);
	g_assert_cmpuint(t->s->r[1], ==, 101);
	toy_destroy(t);
}

static void test_invalidate(void)
{
	struct toy *t = toy_create();
	PROGRAM(t, TOY(TOY_ADDI, 1, 1, 1), TOY(TOY_HALT, 0, 0, 0), TOY(TOY_ADDI, 2, 2, 1),
		TOY(TOY_HALT, 0, 0, 0));
	toy_run(t, TOY_BASE, 100);
	toy_run(t, TOY_BASE + 8, 100);
	if (!toy_keeps()) {
		g_assert_false(code_cache_has_code(t->ram, 0, TOY_PAGE));
		g_assert_false(code_cache_invalidate(t->ram, 0, TOY_PAGE));
		toy_destroy(t);
		return;
	}
	g_assert_true(code_cache_has_code(t->ram, 0, 1));
	g_assert_false(code_cache_has_code(t->ram, 0x1000, 0x1000));
	g_assert_false(code_cache_invalidate(t->ram, 16, 8));
	g_assert_false(code_cache_invalidate(t, 0, 8));
	g_assert_true(code_cache_invalidate(t->ram, 7, 1));
	g_assert_false(code_cache_has_code(t->ram, 0, 8));
	g_assert_true(code_cache_has_code(t->ram, 8, 8));
	code_cache_flush();
	g_assert_false(code_cache_has_code(t->ram, 0, 0x10000));
	toy_destroy(t);
}

/* Memory is bounded, and dead blocks go away while CPUs run. */
static void test_bounded(void)
{
	size_t blocks, bytes, most = 0;
	struct toy *t = toy_create();
	code_cache_limit(100000);
	for (unsigned round = 0; round < 3000; round++) {
		uint32_t code[] = { TOY(TOY_ADDI, 1, 0, round), TOY(TOY_HALT, 0, 0, 0) };
		uint64_t at = TOY_BASE + (round % 1000) * 16;
		toy_code(t, at, code, 2);
		g_assert_cmpint(toy_run(t, at, 100), ==, BP_EXIT_HALT);
		g_assert_cmpuint(t->s->r[1], ==, round);
		code_cache_usage(&blocks, &bytes);
		most = MAX(most, bytes);
	}
	g_assert_cmpuint(most, <, 400000);
	code_cache_limit(64u << 20);
	toy_destroy(t);
	code_cache_usage(&blocks, &bytes);
	g_assert_cmpuint(blocks, ==, 0);
	g_assert_cmpuint(bytes, ==, 0);
}

static void *runner(void *arg)
{
	struct toy *t = arg;
	int why;
	do
		why = toy_run(t, TOY_BASE, 1000000);
	while (why == BP_EXIT_PENDING);
	g_assert_cmpint(why, ==, BP_EXIT_BUDGET);
	return NULL;
}

/* Two CPUs run the same RAM's code, which is dropped again and again. */
static void test_threads(void)
{
	struct toy *t[2] = { toy_create(), toy_create() };
	uint8_t *own = t[1]->ram;
	GThread *thread[2];
	PROGRAM(t[0], TOY(TOY_ADDI, 2, 0, 30), TOY(TOY_ADDI, 1, 1, 3), TOY(TOY_ADDI, 2, 2, -1),
		TOY(TOY_BNE, 2, 0, -2), TOY(TOY_JALR, 3, 4, 0));
	t[1]->ram = t[0]->ram;
	for (unsigned i = 0; i < 2; i++) {
		t[i]->s->r[4] = TOY_BASE;
		thread[i] = g_thread_new("cpu", runner, t[i]);
	}
	for (unsigned i = 0; i < 300; i++) {
		g_usleep(50);
		if (i % 10 == 0)
			code_cache_flush();
		else
			code_cache_invalidate(t[0]->ram, i % 20, 1);
	}
	for (unsigned i = 0; i < 2; i++)
		g_thread_join(thread[i]);
	t[1]->ram = own;
	toy_destroy(t[0]);
	toy_destroy(t[1]);
}

/* ---- broken frontends ---- */

static void test_bad_frontend(void)
{
	struct toy *t = toy_create();
	PROGRAM(t, TOY(TOY_ADDI, 1, 1, 1), TOY(TOY_BAD, 0, 0, 0));
	g_assert_cmpint(toy_run(t, TOY_BASE, 100), ==, BP_EXIT_ERROR);
	g_assert_cmphex(t->s->head.pc, ==, TOY_BASE + 4);
	g_assert_cmpuint(t->s->r[1], ==, 1);
	PROGRAM(t, TOY(TOY_ABSOLUTE, 1, 0, 0), TOY(TOY_HALT, 0, 0, 0));
	g_assert_cmpint(toy_run(t, TOY_BASE, 100), ==, BP_EXIT_HALT);
	t->jit.check_ir = true;
	code_cache_flush();
	g_assert_cmpint(toy_run(t, TOY_BASE, 100), ==, BP_EXIT_ERROR);
	toy_destroy(t);
}

/* ---- tracers ---- */

struct seen {
	unsigned blocks, execs, memories;
	struct bp_trace_exec exec;
	struct bp_trace_memory memory;
};

static void see_block(void *self, const struct bp_trace_block *e)
{
	((struct seen *)self)->blocks += e->insns;
}

static void see_exec(void *self, const struct bp_trace_exec *e)
{
	struct seen *s = self;
	s->execs++;
	s->exec = *e;
}

static void see_memory(void *self, const struct bp_trace_memory *e)
{
	struct seen *s = self;
	s->memories++;
	s->memory = *e;
}

static void test_trace(void)
{
	static const struct bp_tracer tracer = {
		.size = sizeof(tracer), .block = see_block, .exec = see_exec, .memory = see_memory
	};
	struct seen seen = { 0 };
	struct toy *t = toy_create();
	PROGRAM(t, TOY(TOY_ADDI, 1, 1, 1), TOY(TOY_LD, 5, 5, 8), TOY(TOY_HALT, 0, 0, 0));
	t->s->r[5] = TOY_BASE + 0x4000;
	t->ram[0x4008] = 5;
	toy_run(t, TOY_BASE, 100);
	g_assert_cmpint(
		hub_add(&tracer, &seen, BP_TRACE_BLOCK | BP_TRACE_EXEC | BP_TRACE_MEMORY), ==, 0);
	t->s->r[5] = TOY_BASE + 0x4000;
	t->s->head.icount = 0;
	g_assert_cmpint(toy_run(t, TOY_BASE, 100), ==, BP_EXIT_HALT);
	g_assert_cmpuint(seen.blocks, ==, 3);
	g_assert_cmpuint(seen.execs, ==, 3);
	g_assert_cmphex(seen.exec.pc, ==, TOY_BASE + 8);
	g_assert_cmpuint(seen.exec.icount, ==, 2);
	g_assert_cmpuint(seen.memories, ==, 1);
	g_assert_cmphex(seen.memory.addr, ==, TOY_BASE + 0x4008);
	g_assert_cmphex(seen.memory.pc, ==, TOY_BASE + 4);
	g_assert_cmpuint(seen.memory.value[0], ==, 5);
	g_assert_cmpuint(t->s->r[5], ==, 5);
	hub_remove(&seen);
	toy_run(t, TOY_BASE, 100);
	g_assert_cmpuint(seen.execs, ==, 3);
	toy_destroy(t);
}

static void test_speed(void)
{
	struct toy *t = toy_create();
	PROGRAM(t, TOY(TOY_ADDI, 2, 0, 0), TOY(TOY_ADDI, 1, 1, 3), TOY(TOY_ADD, 3, 1, 3),
		TOY(TOY_LD, 4, 5, 0), TOY(TOY_ADDI, 2, 2, -1), TOY(TOY_BNE, 2, 0, -4),
		TOY(TOY_HALT, 0, 0, 0));
	t->s->r[5] = TOY_BASE + 0x8000;
	uint64_t budget = g_test_perf() ? 1000000000 : 1000000;
	g_test_timer_start();
	g_assert_cmpint(toy_run(t, TOY_BASE, budget), ==, BP_EXIT_BUDGET);
	double s = g_test_timer_elapsed();
	g_test_message("%.0f million instructions a second", (double)budget / s / 1e6);
	toy_destroy(t);
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} tests[] = {
		{ "loop", test_loop },
		{ "budget", test_budget },
		{ "put-then-fault", test_put_then_fault },
		{ "load-onto-its-address", test_load_onto_its_address },
		{ "commit", test_commit },
		{ "raise", test_raise },
		{ "fetch-fault", test_fetch_fault },
		{ "fetch-device", test_fetch_device },
		{ "delay-slot", test_delay_slot },
		{ "delay-slot-links", test_delay_slot_links },
		{ "key", test_key },
		{ "indirect", test_indirect },
		{ "call", test_call },
		{ "leave-after", test_leave_after },
		{ "kick", test_kick },
		{ "kick-from-elsewhere", test_kick_from_elsewhere },
		{ "breakpoint", test_breakpoint },
		{ "moving", test_moving },
		{ "own-code", test_own_code },
		{ "invalidate", test_invalidate },
		{ "bounded", test_bounded },
		{ "threads", test_threads },
		{ "bad-frontend", test_bad_frontend },
		{ "trace", test_trace },
		{ "speed", test_speed },
	};
	g_test_init(&argc, &argv, NULL);
	for (unsigned i = 0; i < G_N_ELEMENTS(tests); i++) {
		char *path = g_strconcat("/jit/interp/", tests[i].name, NULL);
		g_test_add_func(path, tests[i].fn);
		g_free(path);
	}
	return g_test_run();
}
