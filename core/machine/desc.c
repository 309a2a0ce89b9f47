/* SPDX-License-Identifier: MIT */
#include "machine.h"
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { INCLUDE_DEPTH = 32, FILES_MAX = 256, BYTES_MAX = 32 << 20 };
#ifndef BACKPLANE_MACHINE_DIR
#define BACKPLANE_MACHINE_DIR "/usr/share/backplane/machines"
#endif

struct loading { /* one desc_load */
	struct error_list *errors;
	const char *stack[INCLUDE_DEPTH]; /* real paths being read, outermost first */
	unsigned depth, files;
	uint64_t bytes; /* of all files */
	GPtrArray *removed; /* names of objects */
};

/* ---- where machine files are ---- */

static GPtrArray *search_path(void)
{
	GPtrArray *list = g_ptr_array_new_with_free_func(g_free);
	const char *env = secure_getenv("BACKPLANE_MACHINE_PATH"), *home = secure_getenv("HOME");
	char **parts = env ? g_strsplit(env, ":", 0) : NULL;
	for (unsigned i = 0; parts && parts[i]; i++)
		if (*parts[i])
			g_ptr_array_add(list, g_strdup(parts[i]));
	g_strfreev(parts);
	if (home)
		g_ptr_array_add(
			list, g_build_filename(home, ".local/share/backplane/machines", NULL));
	g_ptr_array_add(list, g_strdup("/usr/local/share/backplane/machines"));
	g_ptr_array_add(list, g_strdup(BACKPLANE_MACHINE_DIR));
	return list;
}

char *desc_path(const char *name)
{
	if (strchr(name, '/') || g_str_has_suffix(name, ".toml"))
		return g_strdup(name);
	GPtrArray *path = search_path();
	char *found = NULL;
	for (unsigned i = 0; i < path->len && !found; i++) {
		found = g_strdup_printf("%s/%s.toml", (char *)g_ptr_array_index(path, i), name);
		if (!g_file_test(found, G_FILE_TEST_EXISTS))
			g_clear_pointer(&found, g_free);
	}
	g_ptr_array_free(path, TRUE);
	return found;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

char **desc_list(void)
{
	GPtrArray *path = search_path(), *names = g_ptr_array_new();
	for (unsigned i = 0; i < path->len; i++) {
		GDir *dir = g_dir_open(g_ptr_array_index(path, i), 0, NULL);
		const char *name;
		while (dir && (name = g_dir_read_name(dir)))
			if (g_str_has_suffix(name, ".toml"))
				g_ptr_array_add(names, g_strndup(name, strlen(name) - 5));
		if (dir)
			g_dir_close(dir);
	}
	g_ptr_array_free(path, TRUE);
	g_ptr_array_sort(names, (GCompareFunc)by_name);
	/* A name that several folders have stands for the first of them. */
	for (unsigned i = names->len; i-- > 1;)
		if (!strcmp(g_ptr_array_index(names, i), g_ptr_array_index(names, i - 1)))
			g_free(g_ptr_array_remove_index(names, i));
	g_ptr_array_add(names, NULL);
	return (char **)g_ptr_array_free(names, FALSE);
}

char *desc_summary(const char *name)
{
	struct error_list ignored = { 0 };
	char *path = desc_path(name), *summary = NULL;
	struct toml_value *file = path ? toml_parse_file(path, &ignored) : NULL;
	const struct toml_value *v = file ? toml_get(file, "machine") : NULL;
	v = v && v->type == TOML_TABLE ? toml_get(v, "summary") : NULL;
	if (v && v->type == TOML_STRING)
		summary = g_strdup(v->string.bytes);
	toml_destroy(file);
	error_list_finish(&ignored);
	g_free(path);
	return summary;
}

/* ---- merging ---- */

static void put_copy(struct toml_value *into, const struct toml_entry *e)
{
	toml_set(into, e->key, e->key_length, e->key_pos, toml_copy(e->value));
}

/* Later files win, key by key; an object's own tables (such as `at`) are replaced whole. */
static void merge(struct toml_value *base, const struct toml_value *over)
{
	for (unsigned i = 0; i < over->table.count; i++) {
		const struct toml_entry *e = over->table.entries[i];
		struct toml_entry *was = toml_find(base, e->key, e->key_length);
		if (!was || was->value->type != TOML_TABLE || e->value->type != TOML_TABLE) {
			put_copy(base, e);
			continue;
		}
		for (unsigned k = 0; k < e->value->table.count; k++)
			put_copy(was->value, e->value->table.entries[k]);
	}
}

static bool string_list(const struct toml_value *v, const char *what, struct error_list *errors)
{
	if (v->type != TOML_ARRAY) {
		toml_error(errors, v->pos, "%s: a list of strings is expected, not %s", what,
			toml_type_name(v->type));
		return false;
	}
	for (unsigned i = 0; i < v->array.count; i++)
		if (v->array.items[i]->type != TOML_STRING)
			return toml_error(errors, v->array.items[i]->pos,
				       "%s: a string is expected, not %s", what,
				       toml_type_name(v->array.items[i]->type)),
			       false;
	return true;
}

static struct toml_value *load(struct loading *l, const char *path, struct toml_pos from);

/* An included file lies beside the file that names it, or on the search path. */
static char *included_path(const char *from, const char *name)
{
	if (g_path_is_absolute(name))
		return g_strdup(name);
	char *folder = g_path_get_dirname(from);
	char *path = g_build_filename(folder, name, NULL);
	g_free(folder);
	if (g_file_test(path, G_FILE_TEST_EXISTS) || strchr(name, '/'))
		return path;
	char *bare = g_str_has_suffix(name, ".toml") ? g_strndup(name, strlen(name) - 5)
						     : g_strdup(name);
	char *found = desc_path(bare);
	g_free(bare);
	if (!found)
		return path;
	g_free(path);
	return found;
}

static struct toml_value *load_includes(
	struct loading *l, const char *path, const struct toml_value *file)
{
	struct toml_value *base = toml_new(TOML_TABLE, file->pos);
	const struct toml_value *list = toml_get(file, "include");
	if (list && string_list(list, "include", l->errors)) {
		for (unsigned i = 0; i < list->array.count; i++) {
			const struct toml_value *item = list->array.items[i];
			char *next = included_path(path, item->string.bytes);
			struct toml_value *part = load(l, next, item->pos);
			g_free(next);
			if (part)
				merge(base, part);
			toml_destroy(part);
		}
	}
	list = toml_get(file, "remove");
	if (list && string_list(list, "remove", l->errors)) {
		for (unsigned i = 0; i < list->array.count; i++) {
			const struct toml_value *item = list->array.items[i];
			g_ptr_array_add(l->removed, g_strdup(item->string.bytes));
			if (!toml_remove(base, item->string.bytes, item->string.length))
				toml_error(l->errors, item->pos,
					"remove: no included file has an object \"%s\"",
					item->string.bytes);
		}
	}
	return base;
}

static struct toml_value *load(struct loading *l, const char *path, struct toml_pos from)
{
	char *real = realpath(path, NULL);
	struct toml_value *result = NULL, *file = NULL;
	for (unsigned i = 0; real && i < l->depth; i++) {
		if (!strcmp(l->stack[i], real)) {
			toml_error(l->errors, from, "include: %s includes itself", path);
			goto out;
		}
	}
	if (l->depth == INCLUDE_DEPTH || ++l->files > FILES_MAX) {
		toml_error(l->errors, from, "include: more than %d files, or %d deep", FILES_MAX,
			INCLUDE_DEPTH);
		goto out;
	}
	if (!real && from.file) {
		toml_error(l->errors, from, "include: there is no file %s", path);
		goto out;
	}
	struct stat st;
	bool there = stat(path, &st) == 0;
	if (there && from.file && !S_ISREG(st.st_mode)) {
		toml_error(l->errors, from, "include: %s is no regular file", path);
		goto out;
	}
	l->bytes += there ? (uint64_t)st.st_size : 0;
	if (l->bytes > BYTES_MAX) {
		toml_error(l->errors, from, "include: more than %d bytes in all", BYTES_MAX);
		goto out;
	}
	file = toml_parse_file(path, l->errors);
	if (!file)
		goto out;
	l->stack[l->depth++] = real ? real : path;
	result = load_includes(l, path, file);
	l->depth--;
	toml_remove(file, "include", strlen("include"));
	toml_remove(file, "remove", strlen("remove"));
	merge(result, file);
out:
	toml_destroy(file);
	free(real);
	return result;
}

struct toml_value *desc_load(const char *name, struct error_list *errors)
{
	struct loading l = { .errors = errors, .removed = g_ptr_array_new_with_free_func(g_free) };
	unsigned before = errors->total;
	char *path = desc_path(name);
	if (!path) {
		error_list_add(errors, NULL,
			"there is no machine \"%s\"; `backplane list machines` names those there "
			"are, and a file is given as a path or NAME.toml",
			name);
		g_ptr_array_free(l.removed, TRUE);
		return NULL;
	}
	struct toml_value *desc = load(&l, path, (struct toml_pos){ 0 });
	g_free(path);
	for (unsigned i = 0; desc && i < l.removed->len; i++)
		if (!toml_get(desc, g_ptr_array_index(l.removed, i)))
			option_removed(desc, g_ptr_array_index(l.removed, i));
	g_ptr_array_free(l.removed, TRUE);
	if (desc && errors->total != before)
		g_clear_pointer(&desc, toml_destroy);
	return desc;
}

/* ---- overrides ---- */

void desc_mode(struct toml_value *desc, const char *key, const char *value, unsigned word)
{
	struct toml_pos pos = { "command line", word, 1 };
	struct toml_value *table = toml_get(desc, "machine"), *v;
	if (!table)
		table = toml_set(desc, "machine", strlen("machine"), pos, toml_new(TOML_TABLE, pos))
				->value;
	if (table->type != TOML_TABLE)
		return; /* machine_plan complains */
	if (value) {
		v = toml_new_string(pos, value, strlen(value));
	} else {
		v = toml_new(TOML_BOOLEAN, pos);
		v->boolean = true;
	}
	toml_set(table, key, strlen(key), pos, v);
}

int desc_put(struct toml_value *desc, const char *object, const char *prop,
	struct toml_value *value, struct error_list *errors)
{
	struct toml_value *table = toml_get(desc, object);
	if (!table || table->type != TOML_TABLE) {
		struct nearest near;
		nearest_init(&near, object);
		for (unsigned i = 0; i < desc->table.count; i++)
			nearest_try(&near, desc->table.entries[i]->key);
		toml_error(errors, value->pos, "there is no object \"%s\"%s%s%s", object,
			near.best ? "; did you mean \"" : "", near.best ? near.best : "",
			near.best ? "\"?" : "");
		toml_destroy(value);
		return -1;
	}
	toml_set(table, prop, strlen(prop), value->pos, value);
	return 0;
}

int desc_set(struct toml_value *desc, const char *text, unsigned word, struct error_list *errors)
{
	struct toml_pos pos = { "command line", word, 1 };
	const char *equals = strchr(text, '='), *dot = strchr(text, '.');
	if (!equals || !dot || dot > equals || dot == text || dot + 1 == equals)
		return toml_error(errors, pos,
			"--set %s: OBJECT.PROPERTY=VALUE is expected, such as ram.size=1G", text);
	struct error_list ignored = { 0 };
	struct toml_value *value = toml_parse_value(pos, equals + 1, strlen(equals + 1), &ignored);
	error_list_finish(&ignored);
	if (!value)
		value = toml_new_string(pos, equals + 1, strlen(equals + 1));
	char *object = g_strndup(text, (gsize)(dot - text));
	char *prop = g_strndup(dot + 1, (gsize)(equals - dot - 1));
	int r = desc_put(desc, object, prop, value, errors);
	g_free(object);
	g_free(prop);
	return r;
}
