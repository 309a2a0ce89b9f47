/* SPDX-License-Identifier: MIT */
/* virtio-balloon: inflate, deflate, statistics, reports of free pages, state.
 *
 *     balloon_test PLUGINS TEST_PLUGINS */
#include "virtio_rig.h"

enum { INFLATEQ, DEFLATEQ, STATSQ, REPORTQ, QUEUES, PAGE = 4096 };
#define LIST  (RAM + 0x10000)
#define PAGES (RAM + 0x20000)
#define F_ALL (F_VERSION | 1 << 1 | 1 << 5)

static void start(void)
{
	rig_start("[b]\ntype = \"virtio-balloon\"\nbus = \"virtio\"\ntarget = \"1M\"\n");
	set_up(F_ALL, QUEUES);
	for (unsigned n = 0; n < 8; n++)
		put(PAGES + n * PAGE, 0xa5, 8);
}

static uint64_t page(unsigned n)
{
	return get(PAGES + n * PAGE, 8);
}

static void test_inflate(void)
{
	/* Upwards, downwards, twice, and where no memory is. */
	static const uint64_t list[] = { PAGES / PAGE, PAGES / PAGE + 1, PAGES / PAGE + 4,
		PAGES / PAGE + 3, PAGES / PAGE + 3, 0xffffffff, MMIO / PAGE, PAGES / PAGE + 6 };
	start();
	g_assert_cmpuint(get(CONFIG, 8), ==, 256);
	for (unsigned n = 0; n < G_N_ELEMENTS(list); n++)
		put(LIST + 4 * n, list[n], 4);
	offer(INFLATEQ, 0, (struct piece[]){ { LIST, 32, false } }, 1);
	g_assert_cmpint(wait_used(INFLATEQ), ==, 0);
	for (unsigned n = 0; n < 8; n++)
		g_assert_cmpuint(page(n), ==, n == 2 || n == 5 || n == 7 ? 0xa5 : 0);
	put(CONFIG + 4, 6, 4);
	g_assert_cmpuint(get(CONFIG + 4, 4), ==, 6);
	offer(DEFLATEQ, 0, (struct piece[]){ { LIST, 32, false } }, 1);
	g_assert_cmpint(wait_used(DEFLATEQ), ==, 0);
	put(PAGES, 1, 8);
	g_assert_cmpuint(page(0), ==, 1);
	/* Not a whole number of entries; nothing at all to read; as long as can be. */
	offer(INFLATEQ, 0, (struct piece[]){ { LIST, 3, false } }, 1);
	g_assert_cmpint(wait_used(INFLATEQ), ==, 0);
	offer(INFLATEQ, 0, (struct piece[]){ { LIST, 32, true } }, 1);
	g_assert_cmpint(wait_used(INFLATEQ), ==, 0);
	offer(INFLATEQ, 0, (struct piece[]){ { RAM + 0x100000, 0x200000, false } }, 1);
	g_assert_cmpint(wait_used(INFLATEQ), ==, 0);
	rig_stop();
}

static void test_reports(void)
{
	start();
	/* What is no whole page stays, and so does what the driver only lets us read. */
	offer(REPORTQ, 0,
		(struct piece[]){ { PAGES + 4 * PAGE, PAGE, false }, { PAGES, 2 * PAGE, true },
			{ PAGES + 2 * PAGE, PAGE - 1, true },
			{ PAGES + 3 * PAGE + 8, PAGE, true } },
		4);
	g_assert_cmpint(wait_used(REPORTQ), ==, 0);
	for (unsigned n = 0; n < 8; n++)
		g_assert_cmpuint(page(n), ==, n < 2 ? 0 : 0xa5);
	rig_stop();
}

static void test_stats(void)
{
	char *state = g_build_filename(g_get_tmp_dir(), "backplane-balloon-test.state", NULL);
	start();
	put(LIST, 4, 2);
	put(LIST + 2, 0x123000, 8);
	put(LIST + 10, 0xffff, 2); /* a tag that nobody knows */
	offer(STATSQ, 0, (struct piece[]){ { LIST, 20, false } }, 1);
	g_assert_false(is_used(STATSQ)); /* it is kept, and through a snapshot too */
	put(CONFIG + 4, 9, 4);
	g_assert_cmpint(machine_save(x.m, state, &x.errors), ==, 0);
	machine_reset(x.m);
	g_assert_cmpuint(get(CONFIG + 4, 4), ==, 0);
	g_assert_cmpint(machine_restore(x.m, state, &x.errors), ==, 0);
	g_assert_cmpuint(get(CONFIG + 4, 4), ==, 9);
	/* A second one sends the first back. */
	offer(STATSQ, 1, (struct piece[]){ { LIST, 10, false } }, 1);
	g_assert_cmpint(wait_used(STATSQ), ==, 0);
	g_assert_false(is_used(STATSQ));
	set_up(F_ALL, QUEUES);
	rig_stop();
	g_unlink(state);
	g_free(state);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	find_types(argc, argv, driver_types);
	g_test_add_func("/balloon/inflate", test_inflate);
	g_test_add_func("/balloon/reports", test_reports);
	g_test_add_func("/balloon/stats", test_stats);
	return g_test_run();
}
