/* SPDX-License-Identifier: MIT */
/* NAME.plugin.toml: what a plugin says of itself, read without opening it. */
#include "toml.h"
#include "types.h"
#include <glib.h>
#include <string.h>

enum { TYPES_MAX = 4096 }; /* of one manifest */

static char *take_string(
	const struct toml_value *table, const char *key, bool required, struct error_list *errors)
{
	const struct toml_value *v = toml_get(table, key);
	if (!v) {
		if (required)
			toml_error(errors, table->pos, "%s is missing from this manifest", key);
		return NULL;
	}
	if (v->type != TOML_STRING || strlen(v->string.bytes) != v->string.length) {
		toml_error(errors, v->pos, "%s: a string is expected, not %s", key,
			toml_type_name(v->type));
		return NULL;
	}
	return g_strdup(v->string.bytes);
}

static char **take_strings(const struct toml_value *v, const char *key, struct error_list *errors)
{
	GPtrArray *list = g_ptr_array_new();
	for (unsigned i = 0; v && v->type == TOML_ARRAY && i < v->array.count; i++) {
		const struct toml_value *item = v->array.items[i];
		if (item->type == TOML_STRING)
			g_ptr_array_add(list, g_strdup(item->string.bytes));
		else
			toml_error(errors, item->pos, "%s: a string is expected, not %s", key,
				toml_type_name(item->type));
	}
	if (v && v->type != TOML_ARRAY)
		toml_error(errors, v->pos, "%s: a list of strings is expected, not %s", key,
			toml_type_name(v->type));
	g_ptr_array_add(list, NULL);
	return (char **)g_ptr_array_free(list, FALSE);
}

/* What stands in commands and messages holds no blanks and no odd bytes. */
static bool good_id(const struct toml_entry *e)
{
	for (size_t i = 0; i < e->key_length; i++)
		if (!g_ascii_isgraph(e->key[i]) || e->key[i] == '"')
			return false;
	return e->key_length > 0 && e->key_length <= 200;
}

static void read_type(struct manifest *m, const struct toml_entry *entry, struct error_list *errors)
{
	if (!good_id(entry)) {
		toml_error(errors, entry->key_pos,
			"types: an id such as \"com.acme.npu\" is expected, without blanks");
		return;
	}
	if (entry->value->type != TOML_TABLE) {
		toml_error(errors, entry->key_pos, "types.%s: a table is expected, not %s",
			entry->key, toml_type_name(entry->value->type));
		return;
	}
	char *kind = take_string(entry->value, "kind", true, errors);
	uint32_t number = kind ? kind_of_name(kind) : 0;
	if (kind && !number)
		toml_error(errors, toml_get(entry->value, "kind")->pos,
			"types.%s: kind \"%s\" is not known here", entry->key, kind);
	g_free(kind);
	struct type_entry *e = g_new0(struct type_entry, 1);
	e->id = g_strdup(entry->key);
	e->summary = take_string(entry->value, "summary", false, errors);
	e->kind = number;
	e->compatible = take_strings(toml_get(entry->value, "compatible"), "compatible", errors);
	e->runs = take_strings(toml_get(entry->value, "runs"), "runs", errors);
	e->manifest = m;
	g_ptr_array_add(m->types, e);
}

/* A module lies beside its manifest: its name leads nowhere else. libltdl would follow the paths in
 * files of other kinds (.la). */
static bool good_module(const char *name)
{
	return !strchr(name, '/') && g_str_has_suffix(name, ".so") && strlen(name) > 3;
}

static void check_abi(
	const struct toml_value *root, const struct manifest *m, struct error_list *errors)
{
	char major[16];
	g_snprintf(major, sizeof(major), "%d.", BP_ABI_MAJOR);
	if (m->abi && !g_str_has_prefix(m->abi, major))
		toml_error(errors, toml_get(root, "abi")->pos,
			"abi \"%s\": this core loads plugins of ABI %d.x", m->abi, BP_ABI_MAJOR);
}

struct manifest *manifest_parse(
	const char *path, const char *bytes, size_t length, struct error_list *errors)
{
	unsigned before = errors->total;
	struct toml_value *root = toml_parse(path, bytes, length, errors);
	if (!root)
		return NULL;
	struct manifest *m = g_new0(struct manifest, 1);
	char *module = take_string(root, "module", true, errors);
	m->path = g_strdup(path);
	m->types = g_ptr_array_new();
	m->abi = take_string(root, "abi", true, errors);
	m->package = take_string(root, "package", false, errors);
	m->license = take_string(root, "license", false, errors);
	check_abi(root, m, errors);
	if (module && !good_module(module)) {
		toml_error(errors, toml_get(root, "module")->pos,
			"module \"%s\": the name of a .so file beside the manifest is expected",
			module);
	} else if (module) {
		char *folder = g_path_get_dirname(path);
		m->module = g_build_filename(folder, module, NULL);
		g_free(folder);
	}
	const struct toml_value *types = toml_get(root, "types");
	if (!types || types->type != TOML_TABLE || types->table.count > TYPES_MAX)
		toml_error(errors, types ? types->pos : root->pos,
			"a manifest has from 1 to %d tables [types.\"ID\"]", TYPES_MAX);
	for (unsigned i = 0; errors->total == before && i < types->table.count; i++)
		read_type(m, types->table.entries[i], errors);
	g_free(module);
	toml_destroy(root);
	if (errors->total == before)
		return m;
	manifest_free(m);
	return NULL;
}

static void free_type_entry(struct type_entry *e)
{
	g_strfreev(e->compatible);
	g_strfreev(e->runs);
	g_free(e->id);
	g_free(e->summary);
	type_free(e->type);
	g_free(e);
}

void manifest_free(struct manifest *m)
{
	if (!m)
		return;
	for (unsigned i = 0; i < m->types->len; i++)
		free_type_entry(g_ptr_array_index(m->types, i));
	g_ptr_array_free(m->types, TRUE);
	g_free(m->path);
	g_free(m->module);
	g_free(m->abi);
	g_free(m->package);
	g_free(m->license);
	g_free(m);
}
