/* SPDX-License-Identifier: MIT */
/* What went wrong, where: a bounded list of sentences, and the nearest name for "did you mean". */
#ifndef PLUGIN_ERROR_H
#define PLUGIN_ERROR_H
#include <backplane/base.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>

enum {
	ERROR_LIST_KEPT = 100, /* entries kept; the rest are only counted */
	ERROR_TEXT_MAX = 1000 /* bytes of one sentence, and of one place */
};

struct error_entry {
	char *place; /* "board.toml:23:8", or NULL */
	char *text; /* one sentence, without a final newline */
};

/* All zero is an empty list. */
struct error_list {
	struct error_entry *entries;
	unsigned kept; /* entries[0..kept) */
	unsigned total; /* all that were added */
};

void error_list_init(struct error_list *list);
void error_list_finish(struct error_list *list);

/* Add a sentence. Bytes that are not text (control characters, broken UTF-8: names come from hostile
 * files) are made visible, so that an entry is always one harmless line. Always returns -1, so that a
 * function may `return error_list_add(...)`. */
int error_list_add(struct error_list *list, const char *place, const char *format, ...)
	BP_PRINTF(3, 4);
int error_list_addv(struct error_list *list, const char *place, const char *format, va_list args);

/* Move all entries of `from` to the end of `to`; `from` is empty afterwards. */
void error_list_move(struct error_list *to, struct error_list *from);

/* One line per entry, "place: text", then how many more there were. */
void error_list_print(const struct error_list *list, FILE *to);
/* The same as a string, to be freed with g_free. */
char *error_list_text(const struct error_list *list);

/* The candidate most like a misspelt name. Distances count characters inserted, left out, replaced,
 * or swapped with their neighbour; more than a third of the name's length (at least 1) is no
 * likeness, and names beyond 64 bytes are not compared. */
struct nearest {
	const char *name;
	const char *best; /* NULL: none is near */
	unsigned distance;
};

void nearest_init(struct nearest *n, const char *name);
void nearest_try(struct nearest *n, const char *candidate);
/* Over a table that ends with NULL. */
const char *nearest_name(const char *name, const char *const *candidates);

#endif
