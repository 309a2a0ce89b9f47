/* SPDX-License-Identifier: MIT */
/* Who may be inside: one domain at a time, others' work when the thread leaves. */
#include "domain.h"
#include <glib.h>

static struct domain *a, *b, *open_house;
static GString *said;

static void say(void *what, uint32_t n, uint64_t v)
{
	(void)v;
	g_string_append_printf(said, "%s%u ", (const char *)what, n);
}

/* In b: work for a is posted behind what is there already. */
static void say_and_post(void *what, uint32_t n, uint64_t v)
{
	say(what, n, v);
	g_assert_true(domain_inside(b));
	domain_run(a, say, "late", n, 0);
}

static void start(void)
{
	a = domain_new("a", false);
	b = domain_new("b", false);
	open_house = domain_new("open", true);
	said = g_string_new(NULL);
}

static void finish(void)
{
	domain_free(a);
	domain_free(b);
	domain_free(open_house);
	domain_free(NULL);
	g_string_free(said, TRUE);
}

static void test_enter(void)
{
	start();
	g_assert_true(domain_enter(a));
	g_assert_true(domain_inside(a));
	g_assert_false(domain_enter(a));
	g_assert_false(domain_enter(b));
	g_assert_true(domain_enter(open_house));
	domain_leave(open_house);
	domain_leave(b); /* never entered: nothing happens */
	g_assert_true(domain_inside(a));
	domain_leave(a);
	g_assert_false(domain_inside(a));
	g_assert_true(domain_enter(b));
	domain_leave(b);
	finish();
}

static void test_posts(void)
{
	start();
	domain_run(a, say, "x", 1, 0); /* inside nothing: at once */
	g_assert_true(domain_enter(a));
	domain_run(a, say, "x", 2, 0); /* inside it: at once */
	domain_run(b, say_and_post, "y", 3, 0); /* later */
	domain_run(open_house, say, "z", 4, 0); /* parallel: at once */
	g_assert_cmpstr(said->str, ==, "x1 x2 z4 ");
	domain_leave(a);
	g_assert_cmpstr(said->str, ==, "x1 x2 z4 y3 late3 ");
	g_assert_false(domain_inside(b));
	finish();
}

static int shared_count;

static void add(void *p, uint32_t n, uint64_t v)
{
	(void)v;
	*(int *)p += (int)n;
}

static gpointer many(gpointer p)
{
	struct domain *first = p ? a : b;
	for (unsigned i = 0; i < 20000; i++) {
		g_assert_true(domain_enter(first));
		domain_run(a, add, &shared_count, 1, 0);
		domain_leave(first);
	}
	return NULL;
}

/* Threads in different domains that post to the same one lose nothing. */
static void test_threads(void)
{
	start();
	shared_count = 0;
	GThread *t[4];
	for (unsigned i = 0; i < 4; i++)
		t[i] = g_thread_new("many", many, GINT_TO_POINTER(i % 2));
	for (unsigned i = 0; i < 4; i++)
		g_thread_join(t[i]);
	g_assert_cmpint(shared_count, ==, 80000);
	finish();
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/domain/enter", test_enter);
	g_test_add_func("/domain/posts", test_posts);
	g_test_add_func("/domain/threads", test_threads);
	return g_test_run();
}
