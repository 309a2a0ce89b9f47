/* SPDX-License-Identifier: MIT */
/* Parses TOML texts for tests/toml/compare: on standard input, each as its length in bytes on a line
 * and the bytes; on standard output, one line of JSON each: {"value": V, "written": TEXT}, with
 * "broken" if copying or writing is wrong, or {"errors": [TEXT...], "total": N}. In V every value is
 * a one-letter type and its text, so that nothing depends on JSON's numbers: ["i", "18"],
 * ["f", "the float's 64 bits"], ["b", "true"], ["s", "text"], ["a", V...], ["t", [KEY, V]...]. */
#include "round_trip.h"
#include <inttypes.h>

static void put_text(const char *bytes, size_t length)
{
	putchar('"');
	for (size_t i = 0; i < length; i++) {
		unsigned char c = bytes[i];

		if (c < 0x20 || c == '"' || c == '\\')
			printf("\\u%04x", c);
		else
			putchar(c);
	}
	putchar('"');
}

static void put_value(const struct toml_value *v)
{
	uint64_t bits;

	switch (v->type) {
	case TOML_BOOLEAN: printf("[\"b\",\"%s\"]", v->boolean ? "true" : "false"); break;
	case TOML_INTEGER:
		printf("[\"i\",\"%s%" PRIu64 "\"]", v->integer.negative ? "-" : "",
			v->integer.magnitude);
		break;
	case TOML_FLOAT:
		memcpy(&bits, &v->real, sizeof(bits));
		printf("[\"f\",\"%016" PRIx64 "\"]", bits);
		break;
	case TOML_STRING:
		printf("[\"s\",");
		put_text(v->string.bytes, v->string.length);
		printf("]");
		break;
	case TOML_ARRAY:
		printf("[\"a\"");
		for (unsigned i = 0; i < v->array.count; i++) {
			printf(",");
			put_value(v->array.items[i]);
		}
		printf("]");
		break;
	case TOML_TABLE:
		printf("[\"t\"");
		for (unsigned i = 0; i < v->table.count; i++) {
			printf(",[");
			put_text(v->table.entries[i]->key, v->table.entries[i]->key_length);
			printf(",");
			put_value(v->table.entries[i]->value);
			printf("]");
		}
		printf("]");
		break;
	}
}

static void put_errors(const struct error_list *errors)
{
	printf("{\"errors\":[");
	for (unsigned i = 0; i < errors->kept; i++) {
		const struct error_entry *e = &errors->entries[i];
		char *text = g_strdup_printf("%s: %s", e->place, e->text);

		printf("%s", i ? "," : "");
		put_text(text, strlen(text));
		g_free(text);
	}
	printf("],\"total\":%u}\n", errors->total);
}

static void answer(const char *bytes, size_t length)
{
	struct error_list errors = { 0 };
	struct toml_value *value = toml_parse("t", bytes, length, &errors);
	const char *broken;
	char *text;

	if (!value) {
		put_errors(&errors);
	} else {
		broken = errors.total ? "A value came with errors." : toml_round_trip(value);
		text = toml_write(value);
		printf("{\"value\":");
		put_value(value);
		printf(",\"written\":");
		put_text(text, strlen(text));
		if (broken)
			printf(",\"broken\":\"%s\"", broken);
		printf("}\n");
		g_free(text);
	}
	fflush(stdout);
	toml_destroy(value);
	error_list_finish(&errors);
}

int main(void)
{
	size_t length;

	while (scanf("%zu", &length) == 1 && getchar() == '\n') {
		char *bytes = g_malloc(length + 1);
		bool whole = fread(bytes, 1, length, stdin) == length;

		/* No byte more than the text: a sanitizer then sees reads beyond it. */
		bytes = g_realloc(bytes, length ? length : 1);
		if (whole)
			answer(bytes, length);
		g_free(bytes);
		if (!whole)
			return 1;
	}
	return 0;
}
