/* SPDX-License-Identifier: MIT */
/* Programs of the toy CPU: control flow, budget, faults, links, changing code. */
#include "toy.h"

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
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/jit/interp/loop", test_loop);
	g_test_add_func("/jit/interp/budget", test_budget);
	g_test_add_func("/jit/interp/speed", test_speed);
	return g_test_run();
}
