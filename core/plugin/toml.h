/* SPDX-License-Identifier: MIT */
/* TOML 1.0 for machine files: a strict parser that keeps the place of every key and value, the tree
 * of values, and a writer.
 *
 * Differences from TOML 1.0's data model: dates and times are refused; integers go from -2^63 to
 * 2^64-1; a number too large for a float is refused; the limits below hold. */
#ifndef PLUGIN_TOML_H
#define PLUGIN_TOML_H
#include "plugin/error.h"
#include <backplane/base.h>
#include <glib.h>
#include <stdbool.h>

enum {
	TOML_SIZE_MAX = 16 << 20, /* bytes of one file */
	TOML_DEPTH_MAX = 64, /* tables and arrays inside one another, the file itself not counted */
	TOML_VALUES_MAX = 1 << 18, /* values of one file, tables and arrays counted too */
	TOML_NUMBER_MAX = 1000 /* characters of one number */
};

struct toml_pos {
	const char *file; /* interned: stays valid; NULL for values that no file holds */
	unsigned line, column; /* from 1; the column counts characters */
};

enum toml_type { TOML_BOOLEAN, TOML_INTEGER, TOML_FLOAT, TOML_STRING, TOML_ARRAY, TOML_TABLE };

/* How a table or array came to be, which decides what may still be added to it while parsing and
 * how it is written. */
enum toml_form {
	TOML_INLINE, /* [1, 2] or { a = 1 }: complete where it stands */
	TOML_DOTTED, /* a table, by a dotted key inside another one */
	TOML_IMPLICIT, /* a table, by being on the way of a header: a in [a.b] */
	TOML_HEADER /* [table] or [[array]] */
};

struct toml_entry;

struct toml_value {
	enum toml_type type;
	enum toml_form form;
	struct toml_pos pos; /* of its first character; of the key, when the key makes the table */
	union {
		bool boolean;
		double real;
		struct {
			uint64_t magnitude;
			bool negative; /* never with magnitude 0 */
			unsigned char base; /* as written: 2, 8, 10 or 16 */
		} integer;
		struct {
			char *bytes; /* UTF-8 with a final NUL that is not counted */
			size_t length; /* beyond strlen(bytes) if the text holds U+0000 */
		} string;
		struct {
			struct toml_value **items;
			unsigned count, capacity;
		} array;
		struct {
			struct toml_entry **entries; /* in the order of the file */
			unsigned count, capacity;
			GTree *index; /* once there are many; colliding keys cannot slow a tree */
		} table;
	};
};

struct toml_entry {
	char *key; /* like a string's bytes */
	size_t key_length;
	struct toml_pos key_pos;
	struct toml_value *value;
};

/* Parse bytes, which need no NUL at their end. On any fault NULL, and all faults are in errors.
 * file_name is only for the places. */
struct toml_value *toml_parse(
	const char *file_name, const char *bytes, size_t length, struct error_list *errors);
/* Read and parse a file. */
struct toml_value *toml_parse_file(const char *path, struct error_list *errors);
/* Parse text that is one value and nothing else, for a command line; it starts at pos. */
struct toml_value *toml_parse_value(
	struct toml_pos pos, const char *bytes, size_t length, struct error_list *errors);

/* TOML text that parses back to an equal tree, order included; to be freed with g_free. Comments,
 * places and spelling are not kept, but sections and the base of integers are. */
char *toml_write(const struct toml_value *table);
/* One value as it stands behind a '='. */
char *toml_write_value(const struct toml_value *value);

struct toml_value *toml_new(enum toml_type type, struct toml_pos pos);
struct toml_value *toml_new_string(struct toml_pos pos, const char *bytes, size_t length);
struct toml_value *toml_new_integer(struct toml_pos pos, uint64_t magnitude, bool negative);
struct toml_value *toml_copy(const struct toml_value *value);
void toml_destroy(struct toml_value *value);
/* Same types and values, keys in the same order; places and forms do not count. */
bool toml_equal(const struct toml_value *a, const struct toml_value *b);

void toml_append(struct toml_value *array, struct toml_value *item);
/* The entry of a key, or NULL. */
struct toml_entry *toml_find(const struct toml_value *table, const char *key, size_t length);
/* The value of a key, or NULL. */
struct toml_value *toml_get(const struct toml_value *table, const char *key);
/* Put value under a key: at the end, or in the place of the old value, which is destroyed. */
struct toml_entry *toml_set(struct toml_value *table, const char *key, size_t length,
	struct toml_pos key_pos, struct toml_value *value);
/* False if there was no such key. */
bool toml_remove(struct toml_value *table, const char *key, size_t length);

/* An integer that fits. */
bool toml_as_u64(const struct toml_value *value, uint64_t *out);
bool toml_as_i64(const struct toml_value *value, int64_t *out);

/* "an integer", for messages. */
const char *toml_type_name(enum toml_type type);
/* "board.toml:23:8", to be freed with g_free. NULL if pos has no file. */
char *toml_place(struct toml_pos pos);
/* Add an error at pos. Returns -1. */
int toml_error(struct error_list *errors, struct toml_pos pos, const char *format, ...)
	BP_PRINTF(3, 4);
int toml_errorv(struct error_list *errors, struct toml_pos pos, const char *format, va_list args);

#endif
