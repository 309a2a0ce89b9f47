/* SPDX-License-Identifier: MIT */
/* The tree of TOML values. Recursion is bounded by the depth that the parser allows. */
#include "plugin/toml.h"
#include <math.h>
#include <string.h>

/* Tables up to this size are searched entry by entry. */
enum { INDEX_FROM = 9 };

struct toml_value *toml_new(enum toml_type type, struct toml_pos pos)
{
	struct toml_value *value = g_new0(struct toml_value, 1);

	value->type = type;
	value->pos = pos;
	return value;
}

struct toml_value *toml_new_string(struct toml_pos pos, const char *bytes, size_t length)
{
	struct toml_value *value = toml_new(TOML_STRING, pos);

	value->string.bytes = g_malloc(length + 1);
	memcpy(value->string.bytes, bytes, length);
	value->string.bytes[length] = '\0';
	value->string.length = length;
	return value;
}

struct toml_value *toml_new_integer(struct toml_pos pos, uint64_t magnitude, bool negative)
{
	struct toml_value *value = toml_new(TOML_INTEGER, pos);

	value->integer.magnitude = magnitude;
	value->integer.negative = negative && magnitude;
	value->integer.base = 10;
	return value;
}

static void entry_destroy(struct toml_entry *entry)
{
	toml_destroy(entry->value);
	g_free(entry->key);
	g_free(entry);
}

void toml_destroy(struct toml_value *value)
{
	if (!value)
		return;
	switch (value->type) {
	case TOML_STRING: g_free(value->string.bytes); break;
	case TOML_ARRAY:
		for (unsigned i = 0; i < value->array.count; i++)
			toml_destroy(value->array.items[i]);
		g_free(value->array.items);
		break;
	case TOML_TABLE:
		for (unsigned i = 0; i < value->table.count; i++)
			entry_destroy(value->table.entries[i]);
		g_free(value->table.entries);
		if (value->table.index)
			g_tree_unref(value->table.index);
		break;
	default: break;
	}
	g_free(value);
}

struct toml_value *toml_copy(const struct toml_value *value)
{
	struct toml_value *copy = g_memdup2(value, sizeof(*value));

	switch (value->type) {
	case TOML_STRING:
		copy->string.bytes = g_memdup2(value->string.bytes, value->string.length + 1);
		break;
	case TOML_ARRAY:
		memset(&copy->array, 0, sizeof(copy->array));
		for (unsigned i = 0; i < value->array.count; i++)
			toml_append(copy, toml_copy(value->array.items[i]));
		break;
	case TOML_TABLE:
		memset(&copy->table, 0, sizeof(copy->table));
		for (unsigned i = 0; i < value->table.count; i++) {
			const struct toml_entry *e = value->table.entries[i];

			toml_set(copy, e->key, e->key_length, e->key_pos, toml_copy(e->value));
		}
		break;
	default: break;
	}
	return copy;
}

static bool real_equal(double a, double b)
{
	if (isnan(a) || isnan(b))
		return isnan(a) && isnan(b) && !signbit(a) == !signbit(b);
	return memcmp(&a, &b, sizeof(a)) == 0;
}

bool toml_equal(const struct toml_value *a, const struct toml_value *b)
{
	if (a->type != b->type)
		return false;
	switch (a->type) {
	case TOML_BOOLEAN: return a->boolean == b->boolean;
	case TOML_INTEGER:
		return a->integer.magnitude == b->integer.magnitude &&
			a->integer.negative == b->integer.negative;
	case TOML_FLOAT: return real_equal(a->real, b->real);
	case TOML_STRING:
		return a->string.length == b->string.length &&
			memcmp(a->string.bytes, b->string.bytes, a->string.length) == 0;
	case TOML_ARRAY:
		if (a->array.count != b->array.count)
			return false;
		for (unsigned i = 0; i < a->array.count; i++) {
			if (!toml_equal(a->array.items[i], b->array.items[i]))
				return false;
		}
		return true;
	case TOML_TABLE:
		if (a->table.count != b->table.count)
			return false;
		for (unsigned i = 0; i < a->table.count; i++) {
			const struct toml_entry *x = a->table.entries[i], *y = b->table.entries[i];

			if (x->key_length != y->key_length ||
				memcmp(x->key, y->key, x->key_length) != 0 ||
				!toml_equal(x->value, y->value))
				return false;
		}
		return true;
	}
	return false;
}

/* Grow an array of pointers by one. */
static void *room_for_one(void *pointers, unsigned count, unsigned *capacity)
{
	if (count < *capacity)
		return pointers;
	*capacity = *capacity ? 2 * *capacity : 4;
	return g_realloc_n(pointers, *capacity, sizeof(void *));
}

void toml_append(struct toml_value *array, struct toml_value *item)
{
	array->array.items =
		room_for_one(array->array.items, array->array.count, &array->array.capacity);
	array->array.items[array->array.count++] = item;
}

static int entry_compare(const void *a, const void *b, void *unused)
{
	const struct toml_entry *x = a, *y = b;

	(void)unused;
	if (x->key_length != y->key_length)
		return x->key_length < y->key_length ? -1 : 1;
	return memcmp(x->key, y->key, x->key_length);
}

struct toml_entry *toml_find(const struct toml_value *table, const char *key, size_t length)
{
	const struct toml_entry wanted = { .key = (char *)key, .key_length = length };

	if (table->table.index)
		return g_tree_lookup(table->table.index, &wanted);
	for (unsigned i = 0; i < table->table.count; i++) {
		if (entry_compare(table->table.entries[i], &wanted, NULL) == 0)
			return table->table.entries[i];
	}
	return NULL;
}

struct toml_value *toml_get(const struct toml_value *table, const char *key)
{
	struct toml_entry *entry = toml_find(table, key, strlen(key));

	return entry ? entry->value : NULL;
}

static void index_build(struct toml_value *table)
{
	table->table.index = g_tree_new_full(entry_compare, NULL, NULL, NULL);
	for (unsigned i = 0; i < table->table.count; i++)
		g_tree_insert(table->table.index, table->table.entries[i], table->table.entries[i]);
}

struct toml_entry *toml_set(struct toml_value *table, const char *key, size_t length,
	struct toml_pos key_pos, struct toml_value *value)
{
	struct toml_entry *entry = toml_find(table, key, length);

	if (entry) {
		toml_destroy(entry->value);
		entry->key_pos = key_pos;
		entry->value = value;
		return entry;
	}
	entry = g_new0(struct toml_entry, 1);
	entry->key = g_malloc(length + 1);
	memcpy(entry->key, key, length);
	entry->key[length] = '\0';
	entry->key_length = length;
	entry->key_pos = key_pos;
	entry->value = value;
	table->table.entries =
		room_for_one(table->table.entries, table->table.count, &table->table.capacity);
	table->table.entries[table->table.count++] = entry;
	if (table->table.index)
		g_tree_insert(table->table.index, entry, entry);
	else if (table->table.count == INDEX_FROM)
		index_build(table);
	return entry;
}

bool toml_remove(struct toml_value *table, const char *key, size_t length)
{
	struct toml_entry *entry = toml_find(table, key, length);
	unsigned i = 0;

	if (!entry)
		return false;
	if (table->table.index)
		g_tree_remove(table->table.index, entry);
	while (table->table.entries[i] != entry)
		i++;
	table->table.count--;
	memmove(&table->table.entries[i], &table->table.entries[i + 1],
		(table->table.count - i) * sizeof(table->table.entries[0]));
	entry_destroy(entry);
	return true;
}

bool toml_as_u64(const struct toml_value *value, uint64_t *out)
{
	if (value->type != TOML_INTEGER || value->integer.negative)
		return false;
	*out = value->integer.magnitude;
	return true;
}

bool toml_as_i64(const struct toml_value *value, int64_t *out)
{
	uint64_t m = value->integer.magnitude;

	if (value->type != TOML_INTEGER || m > (uint64_t)INT64_MAX + value->integer.negative)
		return false;
	*out = value->integer.negative ? (int64_t)(0 - m) : (int64_t)m;
	return true;
}

const char *toml_type_name(enum toml_type type)
{
	static const char *const names[] = {
		[TOML_BOOLEAN] = "a boolean",
		[TOML_INTEGER] = "an integer",
		[TOML_FLOAT] = "a float",
		[TOML_STRING] = "a string",
		[TOML_ARRAY] = "an array",
		[TOML_TABLE] = "a table",
	};

	return names[type];
}

char *toml_place(struct toml_pos pos)
{
	return pos.file ? g_strdup_printf("%s:%u:%u", pos.file, pos.line, pos.column) : NULL;
}

int toml_errorv(struct error_list *errors, struct toml_pos pos, const char *format, va_list args)
{
	/* Hostile input can have millions of faults; those beyond the list cost nothing. */
	char *place = errors->kept < ERROR_LIST_KEPT ? toml_place(pos) : NULL;

	error_list_addv(errors, place, format, args);
	g_free(place);
	return -1;
}

int toml_error(struct error_list *errors, struct toml_pos pos, const char *format, ...)
{
	va_list args;

	va_start(args, format);
	toml_errorv(errors, pos, format, args);
	va_end(args);
	return -1;
}
