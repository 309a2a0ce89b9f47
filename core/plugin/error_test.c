/* SPDX-License-Identifier: MIT */
#include "plugin/error.h"
#include <glib.h>
#include <string.h>

static void test_list(void)
{
	struct error_list list;
	char *text;

	error_list_init(&list);
	g_assert_cmpint(error_list_add(&list, "a.toml:1:2", "%s has %d sides.", "It", 3), ==, -1);
	error_list_add(&list, NULL, "No place.");
	text = error_list_text(&list);
	g_assert_cmpstr(text, ==, "a.toml:1:2: It has 3 sides.\nNo place.\n");
	g_free(text);
	error_list_finish(&list);
	g_assert_cmpuint(list.total, ==, 0);
	error_list_finish(&list);
}

static void test_bounded(void)
{
	struct error_list list = { 0 };
	char *text;

	for (int i = 0; i < 1000; i++)
		error_list_add(&list, NULL, "%d", i);
	g_assert_cmpuint(list.kept, ==, ERROR_LIST_KEPT);
	g_assert_cmpuint(list.total, ==, 1000);
	g_assert_cmpstr(list.entries[99].text, ==, "99");
	text = error_list_text(&list);
	g_assert_true(g_str_has_suffix(text, "\n99\nMore errors, not shown: 900.\n"));
	g_free(text);
	error_list_finish(&list);
}

static void test_harmless(void)
{
	struct error_list list = { 0 };
	char *big = g_strnfill(5000, 'x');

	error_list_add(&list, "f\n",
		"a\x1b[31m\nb\xff c\xc2\x9b"
		"d\xe2\x80\xa8");
	g_assert_cmpstr(list.entries[0].place, ==, "f\\u000a");
	g_assert_cmpstr(
		list.entries[0].text, ==, "a\\u001b[31m\\u000ab\xef\xbf\xbd c\\u009bd\\u2028");
	error_list_add(&list, NULL, "%s", big);
	g_assert_cmpuint(strlen(list.entries[1].text), ==, ERROR_TEXT_MAX + 3);
	g_free(big);
	error_list_finish(&list);
}

static void test_move(void)
{
	struct error_list a = { 0 }, b = { 0 };

	for (int i = 0; i < 70; i++)
		error_list_add(&a, NULL, "a%d", i);
	for (int i = 0; i < 110; i++)
		error_list_add(&b, NULL, "b%d", i);
	error_list_move(&a, &b);
	g_assert_cmpuint(a.kept, ==, 100);
	g_assert_cmpuint(a.total, ==, 180);
	g_assert_cmpstr(a.entries[70].text, ==, "b0");
	g_assert_cmpuint(b.total, ==, 0);
	error_list_move(&b, &a);
	g_assert_cmpuint(b.total, ==, 180);
	g_assert_cmpstr(b.entries[0].text, ==, "a0");
	error_list_finish(&a);
	error_list_finish(&b);
}

static void test_nearest(void)
{
	static const char *const names[] = { "irq", "count", "stride", "compatible", "", NULL };
	static const struct {
		const char *name, *nearest;
	} cases[] = {
		{ "iqr", "irq" }, /* neighbours swapped */
		{ "cuont", "count" },
		{ "strid", "stride" },
		{ "compatable", "compatible" },
		{ "irq", "irq" },
		{ "x", NULL },
		{ "cpu", NULL },
		{ "counter-of-things", NULL },
	};
	struct nearest n;
	char *big = g_strnfill(100, 'x');

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++)
		g_assert_cmpstr(nearest_name(cases[i].name, names), ==, cases[i].nearest);
	nearest_init(&n, "count");
	nearest_try(&n, big);
	g_assert_null(n.best);
	nearest_try(&n, "mount");
	nearest_try(&n, "counts");
	g_assert_cmpstr(n.best, ==, "mount"); /* the first of equals */
	g_assert_null(nearest_name(big, names));
	g_free(big);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/error/list", test_list);
	g_test_add_func("/error/bounded", test_bounded);
	g_test_add_func("/error/harmless", test_harmless);
	g_test_add_func("/error/move", test_move);
	g_test_add_func("/error/nearest", test_nearest);
	return g_test_run();
}
