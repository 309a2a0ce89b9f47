/* SPDX-License-Identifier: MIT */
#include "plugin/error.h"
#include <glib.h>
#include <string.h>

void error_list_init(struct error_list *list)
{
	*list = (struct error_list){ 0 };
}

void error_list_finish(struct error_list *list)
{
	for (unsigned i = 0; i < list->kept; i++) {
		g_free(list->entries[i].place);
		g_free(list->entries[i].text);
	}
	g_free(list->entries);
	error_list_init(list);
}

/* Control characters could move a terminal's cursor or recolour it, line breaks could forge a second
 * entry. U+0080..U+009F are the terminal's 8-bit controls; U+2028 and U+2029 end lines too. */
static char *visible(const char *bytes)
{
	char *valid = g_utf8_make_valid(bytes, -1);
	GString *text = g_string_new(NULL);
	const char *c;

	for (c = valid; *c && text->len < ERROR_TEXT_MAX; c = g_utf8_next_char(c)) {
		gunichar u = g_utf8_get_char(c);

		if (u < 0x20 || (u >= 0x7f && u < 0xa0) || u == 0x2028 || u == 0x2029)
			g_string_append_printf(text, "\\u%04x", u);
		else
			g_string_append_unichar(text, u);
	}
	if (*c)
		g_string_append(text, "...");
	g_free(valid);
	return g_string_free(text, FALSE);
}

int error_list_addv(struct error_list *list, const char *place, const char *format, va_list args)
{
	char *text;

	list->total++;
	if (list->kept == ERROR_LIST_KEPT)
		return -1;
	if (!list->entries)
		list->entries = g_new0(struct error_entry, ERROR_LIST_KEPT);
	text = g_strdup_vprintf(format, args);
	list->entries[list->kept++] = (struct error_entry){
		.place = place ? visible(place) : NULL,
		.text = visible(text),
	};
	g_free(text);
	return -1;
}

int error_list_add(struct error_list *list, const char *place, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	error_list_addv(list, place, format, args);
	va_end(args);
	return -1;
}

void error_list_move(struct error_list *to, struct error_list *from)
{
	unsigned moved = MIN(from->kept, ERROR_LIST_KEPT - to->kept);

	if (moved && !to->entries)
		to->entries = g_new0(struct error_entry, ERROR_LIST_KEPT);
	for (unsigned i = 0; i < moved; i++) {
		to->entries[to->kept++] = from->entries[i];
		from->entries[i] = (struct error_entry){ 0 };
	}
	to->total += from->total;
	error_list_finish(from);
}

char *error_list_text(const struct error_list *list)
{
	GString *text = g_string_new(NULL);

	for (unsigned i = 0; i < list->kept; i++) {
		const struct error_entry *e = &list->entries[i];

		g_string_append_printf(
			text, "%s%s%s\n", e->place ? e->place : "", e->place ? ": " : "", e->text);
	}
	if (list->total > list->kept)
		g_string_append_printf(
			text, "More errors, not shown: %u.\n", list->total - list->kept);
	return g_string_free(text, FALSE);
}

void error_list_print(const struct error_list *list, FILE *to)
{
	char *text = error_list_text(list);

	fputs(text, to);
	g_free(text);
}

enum { NAME_MAX_COMPARED = 64 };

/* Levenshtein's distance with swaps of neighbours, on bytes: three rows of the usual table. */
static unsigned distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
	unsigned rows[3][NAME_MAX_COMPARED + 1];

	for (size_t j = 0; j <= b_length; j++)
		rows[0][j] = j;
	for (size_t i = 1; i <= a_length; i++) {
		unsigned *before = rows[(i + 1) % 3], *above = rows[(i - 1) % 3],
			 *row = rows[i % 3];

		row[0] = i;
		for (size_t j = 1; j <= b_length; j++) {
			unsigned best = above[j - 1] + (a[i - 1] != b[j - 1]);

			best = MIN(best, above[j] + 1);
			best = MIN(best, row[j - 1] + 1);
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				best = MIN(best, before[j - 2] + 1);
			row[j] = best;
		}
	}
	return rows[a_length % 3][b_length];
}

void nearest_init(struct nearest *n, const char *name)
{
	size_t length = strlen(name);

	/* One more than what is still a likeness: candidates must be below. */
	*n = (struct nearest){ .name = name, .distance = MAX(length / 3, 1) + 1 };
}

void nearest_try(struct nearest *n, const char *candidate)
{
	size_t length = strlen(n->name), candidate_length = strlen(candidate);
	unsigned d;

	if (length > NAME_MAX_COMPARED || candidate_length > NAME_MAX_COMPARED)
		return;
	d = distance(n->name, length, candidate, candidate_length);
	/* A distance as long as the name itself has nothing in common with it. */
	if (d >= n->distance || d >= MAX(length, candidate_length))
		return;
	n->best = candidate;
	n->distance = d;
}

const char *nearest_name(const char *name, const char *const *candidates)
{
	struct nearest n;

	nearest_init(&n, name);
	for (; *candidates; candidates++)
		nearest_try(&n, *candidates);
	return n.best;
}
