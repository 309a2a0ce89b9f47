/* SPDX-License-Identifier: MIT */
/* Properties by table: sizes, ranges, words, texts, defaults. */
#include "field.h"
#include <glib.h>

struct thing {
	uint8_t flag, byte;
	uint16_t half;
	uint32_t level, mode;
	uint64_t big, size;
	int32_t small_delta;
	int64_t delta;
	const char *label;
};

static const char *const modes[] = { "fast", "slow", NULL };
static const struct bp_field table[] = {
	{ BP_PROP(struct thing, flag, BP_BOOL, "flag"), .def = 1 },
	{ BP_PROP(struct thing, byte, BP_U8, "byte") },
	{ BP_PROP(struct thing, half, BP_U16, "half") },
	{ BP_PROP(struct thing, level, BP_U32, "level"), .flags = BP_F_RANGE, .min = 2, .max = 9,
		.def = 5 },
	{ BP_PROP(struct thing, mode, BP_ENUM, "mode"), .names = modes, .def = 1 },
	{ BP_PROP(struct thing, big, BP_U64, "big") },
	{ BP_PROP(struct thing, size, BP_SIZE, "size") },
	{ BP_PROP(struct thing, small_delta, BP_S32, "small-delta") },
	{ BP_PROP(struct thing, delta, BP_S64, "delta") },
	{ BP_PROP(struct thing, label, BP_STR, "label"), .def_str = "none" },
	{ 0 },
};

static const struct bp_field *row(const char *name)
{
	return field_find(table, sizeof(table[0]), name);
}

static void test_numbers(void)
{
	static const struct {
		const char *name;
		uint64_t value;
		bool negative;
		int result;
	} cases[] = {
		{ "flag", 1, false, 0 },
		{ "flag", 2, false, -1 },
		{ "flag", 1, true, -1 },
		{ "byte", 255, false, 0 },
		{ "byte", 256, false, -1 },
		{ "half", 65535, false, 0 },
		{ "half", 65536, false, -1 },
		{ "level", 1, false, -1 },
		{ "level", 2, false, 0 },
		{ "level", 9, false, 0 },
		{ "level", 10, false, -1 },
		{ "level", 3, true, -1 },
		{ "big", UINT64_MAX, false, 0 },
		{ "big", 1, true, -1 },
		{ "small-delta", 1u << 31, true, 0 },
		{ "small-delta", 1u << 31, false, -1 },
		{ "delta", UINT64_C(1) << 63, true, 0 },
		{ "delta", UINT64_C(1) << 63, false, -1 },
		{ "label", 1, false, -1 },
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct thing t = { 0 };
		const struct bp_field *f = row(cases[i].name);
		g_assert_cmpint(field_set_number(f, &t, cases[i].value, cases[i].negative), ==,
			cases[i].result);
		unsigned bits = f->type == BP_STR ? 64 : 8 * field_size_of(f);
		uint64_t want = cases[i].negative ? -cases[i].value : cases[i].value;
		if (cases[i].result == 0)
			g_assert_cmphex(
				field_get_number(f, &t), ==, want << (64 - bits) >> (64 - bits));
	}
}

static void test_sizes(void)
{
	static const struct {
		const char *text;
		bool good;
		uint64_t bytes;
	} cases[] = {
		{ "4096", true, 4096 },
		{ "0", true, 0 },
		{ "60K", true, 60 << 10 },
		{ "128M", true, 128 << 20 },
		{ "1.5G", true, UINT64_C(3) << 29 },
		{ "2GiB", true, UINT64_C(2) << 30 },
		{ "15E", true, UINT64_C(15) << 60 },
		{ "16E", false, 0 },
		{ "18446744073709551615", true, UINT64_MAX },
		{ "18446744073709551616", false, 0 },
		{ "99999999999999999999K", false, 0 },
		{ "0.3K", false, 0 },
		{ "-1", false, 0 },
		{ "", false, 0 },
		{ "M", false, 0 },
		{ "1Q", false, 0 },
		{ "1 M", false, 0 },
		{ "1MM", false, 0 },
		{ "inf", false, 0 },
		{ "1e400", false, 0 },
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		uint64_t bytes = 0;
		bool good = size_parse(cases[i].text, &bytes);
		if (good != cases[i].good || (good && bytes != cases[i].bytes))
			g_error("%s: %d, %" G_GUINT64_FORMAT, cases[i].text, good, bytes);
	}
}

static void test_defaults(void)
{
	struct thing t = { 0 };
	fields_set_defaults(table, sizeof(table[0]), &t);
	g_assert_cmpuint(t.flag, ==, 1);
	g_assert_cmpuint(t.level, ==, 5);
	g_assert_cmpuint(t.mode, ==, 1);
	g_assert_cmpstr(t.label, ==, "none");
	g_assert_cmpint(field_set_word(row("mode"), &t, "fast"), ==, 0);
	g_assert_cmpuint(t.mode, ==, 0);
	g_assert_cmpint(field_set_word(row("mode"), &t, "medium"), ==, -1);
	field_set_string(row("label"), &t, "some");
	g_assert_cmpstr(field_get_string(row("label"), &t), ==, "some");
	g_assert_null(field_get_string(row("big"), &t));
	fields_free_strings(table, sizeof(table[0]), &t);
	g_assert_null(t.label);
	g_assert_null(row("nothing"));
}

static void test_options(void)
{
	static const struct {
		const char *text, *parts; /* each as key|value; */
	} cases[] = {
		{ "", "" },
		{ "a", "a;" },
		{ "a=b,c", "a|b;c;" },
		{ "file=x,,y.img,format=raw", "file|x,y.img;format|raw;" },
		{ "a,,b=c,,,d", "a,b|c,;d;" },
		{ "a=b=c", "a|b=c;" },
		{ "a=,b", "a|;b;" },
		{ ",a", ";a;" },
		{ "a,", "a;" },
		{ ",,", ",;" },
		{ ",,,", ",;" },
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		GString *seen = g_string_new(NULL);
		const char *text = cases[i].text;
		char *key, *value;
		while (option_next(&text, &key, &value)) {
			g_string_append_printf(
				seen, "%s%s%s;", key, value ? "|" : "", value ? value : "");
			g_free(key);
		}
		g_assert_cmpstr(seen->str, ==, cases[i].parts);
		g_string_free(seen, TRUE);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/field/numbers", test_numbers);
	g_test_add_func("/field/sizes", test_sizes);
	g_test_add_func("/field/defaults", test_defaults);
	g_test_add_func("/field/options", test_options);
	return g_test_run();
}
