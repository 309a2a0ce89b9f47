/* SPDX-License-Identifier: MIT */
/* What tests/toml cannot compare with another parser: places, the tree's functions, the writer's
 * text, limits. */
#include "plugin/toml.h"
#include <glib/gstdio.h>
#include <string.h>

static const struct toml_pos nowhere = { 0 };

static struct toml_value *parse(const char *text)
{
	struct error_list errors = { 0 };
	struct toml_value *value = toml_parse("f.toml", text, strlen(text), &errors);
	char *messages = error_list_text(&errors);

	g_assert_cmpstr(messages, ==, "");
	g_assert_nonnull(value);
	g_free(messages);
	error_list_finish(&errors);
	return value;
}

static void assert_faults(const char *text, const char *expected)
{
	struct error_list errors = { 0 };
	char *messages;

	g_assert_null(toml_parse("f.toml", text, strlen(text), &errors));
	messages = error_list_text(&errors);
	g_assert_cmpstr(messages, ==, expected);
	g_free(messages);
	error_list_finish(&errors);
}

static void assert_place(struct toml_pos pos, const char *expected)
{
	char *place = toml_place(pos);

	g_assert_cmpstr(place, ==, expected);
	g_free(place);
}

static void test_places(void)
{
	struct toml_value *root = parse("# é\n"
					"  \"é\" = \"漢\"\r\n"
					"[ one . two ]\n"
					"\tat = { regs = 0x5000_0000,\tx.y = [ 1,\n"
					"     true ] } # c\n"
					"text = '''\n"
					"a\n"
					"'''\n"
					"last = -1\n"
					"[[list]]\n"
					"k = 1.5\n");
	struct toml_entry *e = root->table.entries[0];
	struct toml_value *two, *at;

	assert_place(root->pos, "f.toml:1:1");
	assert_place(e->key_pos, "f.toml:2:3");
	assert_place(e->value->pos, "f.toml:2:9");
	e = root->table.entries[1];
	g_assert_cmpstr(e->key, ==, "one");
	assert_place(e->key_pos, "f.toml:3:3");
	two = toml_get(e->value, "two");
	assert_place(two->pos, "f.toml:3:9");
	e = toml_find(two, "at", 2);
	assert_place(e->key_pos, "f.toml:4:2");
	at = e->value;
	assert_place(at->pos, "f.toml:4:7");
	assert_place(toml_get(at, "regs")->pos, "f.toml:4:16");
	e = toml_find(toml_get(at, "x"), "y", 1);
	assert_place(toml_find(at, "x", 1)->key_pos, "f.toml:4:29");
	assert_place(e->key_pos, "f.toml:4:31");
	assert_place(e->value->pos, "f.toml:4:35");
	assert_place(e->value->array.items[0]->pos, "f.toml:4:37");
	assert_place(e->value->array.items[1]->pos, "f.toml:5:6");
	assert_place(toml_get(two, "text")->pos, "f.toml:6:8");
	e = toml_find(two, "last", 4);
	assert_place(e->key_pos, "f.toml:9:1");
	assert_place(e->value->pos, "f.toml:9:8");
	e = root->table.entries[2];
	assert_place(e->key_pos, "f.toml:10:3");
	g_assert_cmpuint(e->value->array.count, ==, 1);
	assert_place(toml_get(e->value->array.items[0], "k")->pos, "f.toml:11:5");
	g_assert_null(toml_place(nowhere));
	toml_destroy(root);
}

static void test_integers(void)
{
	static const struct {
		const char *text;
		bool is_u64, is_i64;
		uint64_t u64;
		int64_t i64;
		unsigned base;
	} cases[] = {
		{ "0", true, true, 0, 0, 10 },
		{ "-0", true, true, 0, 0, 10 },
		{ "0x1000_0000", true, true, 0x10000000, 0x10000000, 16 },
		{ "0o17", true, true, 15, 15, 8 },
		{ "0b101", true, true, 5, 5, 2 },
		{ "9223372036854775807", true, true, INT64_MAX, INT64_MAX, 10 },
		{ "9223372036854775808", true, false, (uint64_t)1 << 63, 0, 10 },
		{ "18446744073709551615", true, false, UINT64_MAX, 0, 10 },
		{ "-1", false, true, 0, -1, 10 },
		{ "-9223372036854775808", false, true, 0, INT64_MIN, 10 },
		{ "true", false, false, 0, 0, 0 },
		{ "1.0", false, false, 0, 0, 0 },
	};

	for (size_t i = 0; i < G_N_ELEMENTS(cases); i++) {
		struct error_list errors = { 0 };
		struct toml_value *value =
			toml_parse_value(nowhere, cases[i].text, strlen(cases[i].text), &errors);
		uint64_t u64 = 0;
		int64_t i64 = 0;

		g_assert_nonnull(value);
		g_assert_true(toml_as_u64(value, &u64) == cases[i].is_u64);
		g_assert_true(toml_as_i64(value, &i64) == cases[i].is_i64);
		g_assert_cmpuint(u64, ==, cases[i].u64);
		g_assert_cmpint(i64, ==, cases[i].i64);
		if (value->type == TOML_INTEGER)
			g_assert_cmpuint(value->integer.base, ==, cases[i].base);
		toml_destroy(value);
	}
}

static void test_faults(void)
{
	assert_faults(
		"a = 1\nb = yes\nc = 1979-05-27T07:32:00Z\na = 2\n[t]\n[t]\nx = \"\\q\"\n[u\n",
		"f.toml:2:5: \"yes\" is not a value: put text in quotes.\n"
		"f.toml:3:5: Dates and times are no values of a machine file: put it in quotes.\n"
		"f.toml:4:1: \"a\" is already a value, at line 1, column 1: a key can be defined "
		"only once.\n"
		"f.toml:6:2: \"t\" is already a table, at line 5, column 2: each header may stand "
		"only once; put all keys under the first.\n"
		"f.toml:7:6: A backslash in a \"string\" begins \\b \\t \\n \\f \\r \\\" \\\\ "
		"\\uXXXX "
		"or \\UXXXXXXXX; write \\\\ for the backslash itself, or 'single quotes'.\n"
		"f.toml:8:3: Expected ']' behind the header's name, found the end of the line.\n");
	/* What a file says cannot reach the terminal as control codes. */
	assert_faults("\"\\u001b[2J\" = 1\n\"\\u001b[2J\" = 2\n",
		"f.toml:2:1: \"\\u001b[2J\" is already a value, at line 1, column 1: a key can be "
		"defined only once.\n");
}

static void test_faults_bounded(void)
{
	struct error_list errors = { 0 };
	GString *text = g_string_new(NULL);

	for (int i = 0; i < 100000; i++)
		g_string_append(text, "=\n");
	g_assert_null(toml_parse("f", text->str, text->len, &errors));
	g_assert_cmpuint(errors.kept, ==, ERROR_LIST_KEPT);
	g_assert_cmpuint(errors.total, ==, 100000);
	error_list_finish(&errors);
	g_string_free(text, TRUE);
}

static void test_limits(void)
{
	struct error_list errors = { 0 };
	GString *text = g_string_new("a = [");
	char *big = g_strnfill(TOML_SIZE_MAX + 1, '\n');
	struct toml_value *value = toml_parse("f", big, TOML_SIZE_MAX, &errors);

	g_assert_nonnull(value);
	toml_destroy(value);
	g_assert_null(toml_parse("f", big, TOML_SIZE_MAX + 1, &errors));
	g_assert_cmpstr(errors.entries[0].text, ==, "The file has more than 16 MiB.");
	g_free(big);
	error_list_finish(&errors);

	for (int i = 1; i < TOML_VALUES_MAX; i++)
		g_string_append(text, "1,");
	g_string_append_c(text, ']');
	value = toml_parse("f", text->str, text->len, &errors);
	g_assert_nonnull(value);
	toml_destroy(value);
	g_string_append(text, "\nb = 1\nc = 1\n");
	g_assert_null(toml_parse("f", text->str, text->len, &errors));
	g_assert_cmpuint(errors.total, ==, 1);
	g_assert_cmpstr(errors.entries[0].place, ==, "f:2:5");
	g_assert_cmpstr(errors.entries[0].text, ==, "The file has more than 262144 values.");
	error_list_finish(&errors);
	g_string_free(text, TRUE);
}

static void test_table(void)
{
	struct toml_value *table = toml_new(TOML_TABLE, nowhere);
	char key[16];

	for (unsigned i = 0; i < 100; i++) {
		g_snprintf(key, sizeof(key), "k%u", i);
		toml_set(table, key, strlen(key), nowhere, toml_new_integer(nowhere, i, false));
	}
	g_assert_null(toml_get(table, "k100"));
	g_assert_false(toml_remove(table, "k100", 4));
	toml_set(table, "k7", 2, nowhere, toml_new_string(nowhere, "seven", 5));
	for (unsigned i = 0; i < 100; i += 2) {
		g_snprintf(key, sizeof(key), "k%u", i);
		g_assert_true(toml_remove(table, key, strlen(key)));
		g_assert_null(toml_get(table, key));
	}
	g_assert_cmpuint(table->table.count, ==, 50);
	for (unsigned i = 0; i < 50; i++) {
		g_snprintf(key, sizeof(key), "k%u", 2 * i + 1);
		g_assert_cmpstr(table->table.entries[i]->key, ==, key);
		g_assert_true(toml_get(table, key) == table->table.entries[i]->value);
	}
	g_assert_cmpstr(toml_get(table, "k7")->string.bytes, ==, "seven");
	toml_destroy(table);
	toml_destroy(NULL);
}

static void test_copy_equal(void)
{
	static const char *const different[] = {
		"a = 1\nb = [1, \"x\", true, 1.5, nan, { c = 0.0 }]",
		"a = -1\nb = [1, \"x\", true, 1.5, nan, { c = 0.0 }]",
		"a = 1\nb = [1, \"y\", true, 1.5, nan, { c = 0.0 }]",
		"a = 1\nb = [1, \"x\", false, 1.5, nan, { c = 0.0 }]",
		"a = 1\nb = [1, \"x\", true, 2.5, nan, { c = 0.0 }]",
		"a = 1\nb = [1, \"x\", true, 1.5, -nan, { c = 0.0 }]",
		"a = 1\nb = [1, \"x\", true, 1.5, nan, { c = -0.0 }]",
		"a = 1\nb = [1, \"x\", true, 1.5, nan, { d = 0.0 }]",
		"a = 1\nb = [1, \"x\", true, 1.5, nan]",
		"a = 1.0\nb = [1, \"x\", true, 1.5, nan, { c = 0.0 }]",
		"b = [1, \"x\", true, 1.5, nan, { c = 0.0 }]\na = 1",
		"a = 1",
	};

	for (size_t i = 0; i < G_N_ELEMENTS(different); i++) {
		struct toml_value *a = parse(different[i]), *copy = toml_copy(a);

		assert_place(copy->table.entries[0]->value->pos, "f.toml:1:5");
		for (size_t n = 0; n < G_N_ELEMENTS(different); n++) {
			struct toml_value *b = parse(different[n]);

			g_assert_true(toml_equal(copy, b) == (i == n));
			toml_destroy(b);
		}
		toml_destroy(a);
		toml_destroy(copy);
	}
}

static void assert_written(const char *from, const char *expected)
{
	struct toml_value *value = parse(from);
	char *text = toml_write(value);

	g_assert_cmpstr(text, ==, expected);
	g_free(text);
	toml_destroy(value);
}

static void test_write(void)
{
	assert_written("", "");
	assert_written("include = ['a.toml']\nx.y = 1\n[ram] # c\nsize='512M'\nat=0x8000_0000\n"
		       "[empty]\n[port]\nregs.base = 1\nirq = [ 'a', \"b\\n\" ]\n"
		       "[types.'com.acme.unit']\nkind = 'device'\n[types.b]\nc = {}\n"
		       "[[list]]\nx = +1_0\n[list.sub]\ny = 0b101\n[[list]]\n",
		"include = [\"a.toml\"]\n\n[x]\ny = 1\n\n[ram]\nsize = \"512M\"\nat = 0x80000000\n"
		"\n[empty]\n\n[port]\nregs = { base = 1 }\nirq = [\"a\", \"b\\n\"]\n"
		"\n[types.\"com.acme.unit\"]\nkind = \"device\"\n\n[types.b]\nc = {}\n"
		"\n[[list]]\nx = 10\n\n[list.sub]\ny = 0b101\n\n[[list]]\n");
	/* A section in front of a plain key is written inline: the key would else become its own. */
	assert_written("[a.b]\nx = 1\n[a]\ny = 2\n", "[a]\nb = { x = 1 }\ny = 2\n");
	assert_written("a = [1.0, -0.0, 0.1, 1e22, 1e300, -inf, nan, 5e-324]",
		"a = [1.0, -0.0, 0.1, 1e+22, 1e+300, -inf, nan, 5e-324]\n");
	assert_written("'' = \"\\u0000\\u007f\\\\\\\"é\"", "\"\" = \"\\u0000\\u007F\\\\\\\"é\"\n");
	assert_written("a = [-5, 0o17, 0xffff_ffff_ffff_ffff, 0b0]",
		"a = [-5, 0o17, 0xffffffffffffffff, 0b0]\n");
}

static void test_write_value(void)
{
	struct toml_value *value = parse("a = { b = [1, {}], c = true }");
	char *text = toml_write_value(toml_get(value, "a"));

	g_assert_cmpstr(text, ==, "{ b = [1, {}], c = true }");
	g_free(text);
	toml_destroy(value);
}

static void test_parse_value(void)
{
	struct error_list errors = { 0 };
	struct toml_pos pos = { .file = "command line", .line = 3, .column = 10 };
	struct toml_value *value = toml_parse_value(pos, " [1, 'é'] ", 11, &errors);

	assert_place(value->pos, "command line:3:11");
	assert_place(value->array.items[1]->pos, "command line:3:15");
	toml_destroy(value);
	g_assert_null(toml_parse_value(pos, "1 2", 3, &errors));
	g_assert_null(toml_parse_value(pos, "", 0, &errors));
	g_assert_null(toml_parse_value(pos, "a = 1", 5, &errors));
	g_assert_cmpuint(errors.total, ==, 3);
	g_assert_cmpstr(errors.entries[0].place, ==, "command line:3:12");
	error_list_finish(&errors);
}

static void test_parse_file(void)
{
	struct error_list errors = { 0 };
	char *folder = g_dir_make_tmp("toml-test-XXXXXX", NULL);
	char *path = g_build_filename(folder, "m.toml", NULL), *place;
	struct toml_value *value;

	g_assert_null(toml_parse_file(path, &errors));
	g_assert_null(toml_parse_file(folder, &errors));
	g_assert_cmpuint(errors.total, ==, 2);
	g_assert_cmpstr(errors.entries[0].place, ==, path);
	error_list_finish(&errors);

	g_assert_true(g_file_set_contents(path, "a = 1\n", -1, NULL));
	value = toml_parse_file(path, &errors);
	place = g_strdup_printf("%s:1:5", path);
	assert_place(toml_get(value, "a")->pos, place);
	toml_destroy(value);

	g_assert_null(toml_parse_file("/dev/zero", &errors));
	g_assert_cmpuint(errors.total, ==, 1);
	error_list_finish(&errors);
	g_remove(path);
	g_rmdir(folder);
	g_free(place);
	g_free(path);
	g_free(folder);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/toml/places", test_places);
	g_test_add_func("/toml/integers", test_integers);
	g_test_add_func("/toml/faults", test_faults);
	g_test_add_func("/toml/faults-bounded", test_faults_bounded);
	g_test_add_func("/toml/limits", test_limits);
	g_test_add_func("/toml/table", test_table);
	g_test_add_func("/toml/copy-equal", test_copy_equal);
	g_test_add_func("/toml/write", test_write);
	g_test_add_func("/toml/write-value", test_write_value);
	g_test_add_func("/toml/parse-value", test_parse_value);
	g_test_add_func("/toml/parse-file", test_parse_file);
	return g_test_run();
}
