/* SPDX-License-Identifier: MIT */
/* The writer. A table of the top level becomes a [section]; deeper ones keep the form that they
 * had, unless keys behind them would then be read as theirs. */
#include "plugin/toml.h"
#include <inttypes.h>
#include <math.h>
#include <string.h>

static void write_quoted(GString *out, const char *bytes, size_t length)
{
	static const char letters[] = "btnfr\"\\", meanings[] = "\b\t\n\f\r\"\\";

	g_string_append_c(out, '"');
	for (size_t i = 0; i < length; i++) {
		unsigned char c = bytes[i];
		const char *found = c ? strchr(meanings, c) : NULL;

		if (found)
			g_string_append_printf(out, "\\%c", letters[found - meanings]);
		else if (c < 0x20 || c == 0x7f)
			g_string_append_printf(out, "\\u%04X", c);
		else
			g_string_append_c(out, (char)c);
	}
	g_string_append_c(out, '"');
}

static void write_key(GString *out, const struct toml_entry *entry)
{
	bool bare = entry->key_length > 0;

	for (size_t i = 0; i < entry->key_length; i++) {
		char c = entry->key[i];

		bare = bare && (g_ascii_isalnum(c) || c == '-' || c == '_');
	}
	if (bare)
		g_string_append(out, entry->key);
	else
		write_quoted(out, entry->key, entry->key_length);
}

static void write_integer(GString *out, const struct toml_value *value)
{
	uint64_t m = value->integer.magnitude;

	if (value->integer.negative)
		g_string_append_printf(out, "-%" PRIu64, m);
	else if (value->integer.base == 16)
		g_string_append_printf(out, "0x%" PRIx64, m);
	else if (value->integer.base == 8)
		g_string_append_printf(out, "0o%" PRIo64, m);
	else if (value->integer.base == 2) {
		int bit = m ? 63 - __builtin_clzll(m) : 0;

		g_string_append(out, "0b");
		for (; bit >= 0; bit--)
			g_string_append_c(out, m >> bit & 1 ? '1' : '0');
	} else {
		g_string_append_printf(out, "%" PRIu64, m);
	}
}

/* The shortest digits that read back as the same float. */
static void write_real(GString *out, double real)
{
	char text[G_ASCII_DTOSTR_BUF_SIZE];
	char format[8];

	if (!isfinite(real)) {
		g_string_append_printf(
			out, "%s%s", signbit(real) ? "-" : "", isnan(real) ? "nan" : "inf");
		return;
	}
	for (int digits = 1; digits <= 17; digits++) {
		g_snprintf(format, sizeof(format), "%%.%dg", digits);
		g_ascii_formatd(text, sizeof(text), format, real);
		if (g_ascii_strtod(text, NULL) == real)
			break;
	}
	g_string_append(out, text);
	if (!strpbrk(text, ".e"))
		g_string_append(out, ".0");
}

static void write_value(GString *out, const struct toml_value *value)
{
	switch (value->type) {
	case TOML_BOOLEAN: g_string_append(out, value->boolean ? "true" : "false"); break;
	case TOML_INTEGER: write_integer(out, value); break;
	case TOML_FLOAT: write_real(out, value->real); break;
	case TOML_STRING: write_quoted(out, value->string.bytes, value->string.length); break;
	case TOML_ARRAY:
		g_string_append_c(out, '[');
		for (unsigned i = 0; i < value->array.count; i++) {
			g_string_append(out, i ? ", " : "");
			write_value(out, value->array.items[i]);
		}
		g_string_append_c(out, ']');
		break;
	case TOML_TABLE:
		g_string_append(out, value->table.count ? "{ " : "{");
		for (unsigned i = 0; i < value->table.count; i++) {
			g_string_append(out, i ? ", " : "");
			write_key(out, value->table.entries[i]);
			g_string_append(out, " = ");
			write_value(out, value->table.entries[i]->value);
		}
		g_string_append(out, value->table.count ? " }" : "}");
		break;
	}
}

static bool is_section(const struct toml_value *value, bool top)
{
	if (value->type == TOML_TABLE)
		return top || value->form == TOML_HEADER || value->form == TOML_IMPLICIT;
	if (value->type != TOML_ARRAY || value->form != TOML_HEADER || !value->array.count)
		return false;
	for (unsigned i = 0; i < value->array.count; i++) {
		if (value->array.items[i]->type != TOML_TABLE)
			return false;
	}
	return true;
}

/* Sections come last in a table: what stands behind a header belongs to it. So only the entries at
 * the end of a table can be sections, and the order stays. Returns the index of the first. */
static unsigned first_section(const struct toml_value *table, bool top)
{
	unsigned first = table->table.count;

	while (first && is_section(table->table.entries[first - 1]->value, top))
		first--;
	return first;
}

static void write_table(GString *out, GString *path, const struct toml_value *table);

static void write_section(
	GString *out, GString *path, const struct toml_value *table, bool is_element)
{
	/* A table that holds only sections needs no header of its own. */
	if (is_element || !table->table.count || first_section(table, false) > 0)
		g_string_append_printf(out, is_element ? "%s[[%s]]\n" : "%s[%s]\n",
			out->len ? "\n" : "", path->str);
	write_table(out, path, table);
}

static void write_table(GString *out, GString *path, const struct toml_value *table)
{
	bool top = path->len == 0;
	unsigned first = first_section(table, top);
	size_t outer = path->len;

	for (unsigned i = 0; i < first; i++) {
		write_key(out, table->table.entries[i]);
		g_string_append(out, " = ");
		write_value(out, table->table.entries[i]->value);
		g_string_append_c(out, '\n');
	}
	for (unsigned i = first; i < table->table.count; i++) {
		const struct toml_value *value = table->table.entries[i]->value;

		g_string_append(path, top ? "" : ".");
		write_key(path, table->table.entries[i]);
		if (value->type == TOML_TABLE)
			write_section(out, path, value, false);
		for (unsigned n = 0; value->type == TOML_ARRAY && n < value->array.count; n++)
			write_section(out, path, value->array.items[n], true);
		g_string_truncate(path, outer);
	}
}

char *toml_write(const struct toml_value *table)
{
	GString *out = g_string_new(NULL), *path = g_string_new(NULL);

	write_table(out, path, table);
	g_string_free(path, TRUE);
	return g_string_free(out, FALSE);
}

char *toml_write_value(const struct toml_value *value)
{
	GString *out = g_string_new(NULL);

	write_value(out, value);
	return g_string_free(out, FALSE);
}
