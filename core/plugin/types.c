/* SPDX-License-Identifier: MIT */
#include "types.h"
#include "toml.h"
#include <glib.h>
#include <stdlib.h>
#include <string.h>

enum { FOLDERS_MAX = 4096, TYPES_MAX = 65536 };
#define MANIFEST_SUFFIX ".plugin.toml"
#ifndef BACKPLANE_PLUGIN_DIR
#define BACKPLANE_PLUGIN_DIR "/usr/lib/backplane/1"
#endif

static GPtrArray *paths; /* char *: given on the command line */
static GPtrArray *entries; /* struct type_entry *, sorted by id once scanned */
static GPtrArray *manifests;
static bool scanned, sealed;

static const struct {
	const char *name;
	uint32_t kind;
} kinds[] = { { "device", BP_KIND_DEVICE }, { "cpu", BP_KIND_CPU }, { "board", BP_KIND_BOARD },
	{ "chr", BP_KIND_CHR }, { "tool", BP_KIND_TOOL }, { "service", BP_KIND_SERVICE },
	{ "isa-extension", BP_KIND_ISA_EXTENSION }, { "bus", BP_KIND_BUS },
	{ "format", BP_KIND_FORMAT }, { "net", BP_KIND_NET }, { "ui", BP_KIND_UI } };

const char *kind_name(uint32_t kind)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++)
		if (kinds[i].kind == kind)
			return kinds[i].name;
	return "unknown";
}

uint32_t kind_of_name(const char *name)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++)
		if (!strcmp(kinds[i].name, name))
			return kinds[i].kind;
	return 0;
}

static void start(void)
{
	if (entries)
		return;
	paths = g_ptr_array_new_with_free_func(g_free);
	entries = g_ptr_array_new();
	manifests = g_ptr_array_new();
}

void types_add_path(const char *folder)
{
	start();
	g_ptr_array_add(paths, g_strdup(folder));
}

static struct type_entry *find_linear(const char *id)
{
	for (unsigned i = 0; i < entries->len; i++) {
		struct type_entry *e = g_ptr_array_index(entries, i);
		if (!strcmp(e->id, id))
			return e;
	}
	return NULL;
}

static void add_entry(struct type_entry *e)
{
	struct type_entry *first = find_linear(e->id);
	if (!first) {
		g_ptr_array_add(entries, e);
		return;
	}
	while (first->hides)
		first = first->hides;
	first->hides = e;
}

/* ---- manifests ---- */

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

static char **take_strings(const struct toml_value *v, struct error_list *errors)
{
	GPtrArray *list = g_ptr_array_new();
	for (unsigned i = 0; v && v->type == TOML_ARRAY && i < v->array.count; i++) {
		const struct toml_value *item = v->array.items[i];
		if (item->type == TOML_STRING)
			g_ptr_array_add(list, g_strdup(item->string.bytes));
		else
			toml_error(errors, item->pos, "a string is expected, not %s",
				toml_type_name(item->type));
	}
	if (v && v->type != TOML_ARRAY)
		toml_error(errors, v->pos, "compatible: a list of strings is expected");
	g_ptr_array_add(list, NULL);
	return (char **)g_ptr_array_free(list, FALSE);
}

static void read_type(struct manifest *m, const struct toml_entry *entry, struct error_list *errors)
{
	if (entry->value->type != TOML_TABLE) {
		toml_error(errors, entry->key_pos, "types.%s: a table is expected", entry->key);
		return;
	}
	char *kind = take_string(entry->value, "kind", true, errors);
	uint32_t number = kind ? kind_of_name(kind) : 0;
	if (kind && !number)
		toml_error(errors, entry->key_pos, "types.%s: kind \"%s\" is not known here",
			entry->key, kind);
	g_free(kind);
	if (!number || entries->len >= TYPES_MAX)
		return;
	struct type_entry *e = g_new0(struct type_entry, 1);
	e->id = g_strdup(entry->key);
	e->summary = take_string(entry->value, "summary", false, errors);
	e->kind = number;
	e->compatible = take_strings(toml_get(entry->value, "compatible"), errors);
	e->manifest = m;
	add_entry(e);
}

/* A module's name stays inside the manifest's own folder. */
static bool good_module(const char *name)
{
	return name && *name && !strchr(name, '/') && strcmp(name, ".") && strcmp(name, "..");
}

static void read_manifest(const char *path, struct error_list *errors)
{
	struct toml_value *root = toml_parse_file(path, errors);
	if (!root)
		return;
	char *abi = take_string(root, "abi", true, errors);
	char *module = take_string(root, "module", true, errors);
	const struct toml_value *types = toml_get(root, "types");
	char major[16];
	g_snprintf(major, sizeof(major), "%d.", BP_ABI_MAJOR);
	if (abi && !g_str_has_prefix(abi, major)) {
		toml_error(errors, toml_get(root, "abi")->pos,
			"abi \"%s\": this core loads plugins of ABI %d.x", abi, BP_ABI_MAJOR);
	} else if (module && !good_module(module)) {
		toml_error(errors, toml_get(root, "module")->pos,
			"module \"%s\": a file name beside the manifest is expected", module);
	} else if (!types || types->type != TOML_TABLE) {
		toml_error(errors, root->pos, "the manifest names no types");
	} else if (abi && module) {
		struct manifest *m = g_new0(struct manifest, 1);
		char *folder = g_path_get_dirname(path);
		m->path = g_strdup(path);
		m->module = g_build_filename(folder, module, NULL);
		m->package = take_string(root, "package", false, errors);
		m->license = take_string(root, "license", false, errors);
		g_ptr_array_add(manifests, m);
		g_free(folder);
		for (unsigned i = 0; i < types->table.count; i++)
			read_type(m, types->table.entries[i], errors);
	}
	g_free(abi);
	g_free(module);
	toml_destroy(root);
}

static int by_name(const void *a, const void *b)
{
	return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Manifests of a folder and, one level down, of its sub-folders; in the order of their names. */
static void scan_folder(const char *folder, int depth, struct error_list *errors)
{
	GDir *dir = g_dir_open(folder, 0, NULL);
	GPtrArray *names = g_ptr_array_new_with_free_func(g_free);
	const char *name;
	while (dir && (name = g_dir_read_name(dir)) && names->len < FOLDERS_MAX)
		g_ptr_array_add(names, g_strdup(name));
	if (dir)
		g_dir_close(dir);
	g_ptr_array_sort(names, (GCompareFunc)by_name);
	for (unsigned i = 0; i < names->len; i++) {
		char *path = g_build_filename(folder, g_ptr_array_index(names, i), NULL);
		if (g_str_has_suffix(path, MANIFEST_SUFFIX))
			read_manifest(path, errors);
		else if (depth && !strchr(g_ptr_array_index(names, i), '.') &&
			g_file_test(path, G_FILE_TEST_IS_DIR))
			scan_folder(path, depth - 1, errors);
		g_free(path);
	}
	g_ptr_array_free(names, TRUE);
}

static int by_id(const void *a, const void *b)
{
	return strcmp((*(struct type_entry *const *)a)->id, (*(struct type_entry *const *)b)->id);
}

int types_scan(struct error_list *errors)
{
	unsigned before = errors->total;
	start();
	if (scanned)
		return 0;
	scanned = true;
	for (unsigned i = 0; i < paths->len; i++)
		scan_folder(g_ptr_array_index(paths, i), 1, errors);
	const char *env = secure_getenv("BACKPLANE_PLUGIN_PATH");
	char **list = env ? g_strsplit(env, ":", 0) : NULL;
	for (unsigned i = 0; list && list[i]; i++)
		if (*list[i])
			scan_folder(list[i], 1, errors);
	g_strfreev(list);
	const char *home = secure_getenv("HOME");
	if (home) {
		char *own = g_build_filename(home, ".local/lib/backplane/1", NULL);
		scan_folder(own, 1, errors);
		g_free(own);
	}
	scan_folder("/usr/local/lib/backplane/1", 1, errors);
	scan_folder(BACKPLANE_PLUGIN_DIR, 1, errors);
	g_ptr_array_sort(entries, (GCompareFunc)by_id);
	return errors->total == before ? 0 : -1;
}

/* ---- types ---- */

static const struct bp_object *whole_object(const struct bp_object *o)
{
	if (!o || o->size >= sizeof(*o))
		return o;
	/* An older plugin: members it does not know are zero. */
	struct bp_object *copy = g_new0(struct bp_object, 1);
	memcpy(copy, o, o->size);
	return copy;
}

static struct type *new_type(const struct bp_type *t, const struct bp_plugin *p)
{
	struct type *type = g_new0(struct type, 1);
	*type = (struct type){ .id = t->id,
		.summary = t->summary,
		.kind = t->kind,
		.object = whole_object(t->object),
		.ext = t->ext,
		.plugin = (const struct plugin *)p,
		.field_size = p ? p->field_size : sizeof(struct bp_field),
		.region_size = p ? p->region_size : sizeof(struct bp_region),
		.reg_size = p ? p->reg_size : sizeof(struct bp_reg),
		.pin_size = p ? p->pin_size : sizeof(struct bp_pin),
		.cpu_reg_size = p ? p->cpu_reg_size : sizeof(struct bp_cpu_reg),
		.helper_size = p ? p->helper_size : sizeof(struct bp_helper) };
	return type;
}

void types_add_builtin(const struct bp_type *table)
{
	static struct manifest core = { .path = (char *)"",
		.module = (char *)"",
		.package = (char *)"backplane",
		.license = (char *)"MIT" };
	static char *none[] = { NULL };
	start();
	for (; table->id; table++) {
		struct type_entry *e = g_new0(struct type_entry, 1);
		*e = (struct type_entry){ .id = g_strdup(table->id),
			.summary = g_strdup(table->summary),
			.kind = table->kind,
			.compatible = none,
			.manifest = &core,
			.type = new_type(table, NULL) };
		add_entry(e);
	}
}

struct type_entry *type_find(const char *id)
{
	start();
	return find_linear(id);
}

struct type_entry *type_at(unsigned n)
{
	return entries && n < entries->len ? g_ptr_array_index(entries, n) : NULL;
}

const char *type_nearest(const char *id)
{
	struct nearest near;
	nearest_init(&near, id);
	for (unsigned i = 0; entries && i < entries->len; i++)
		nearest_try(&near, ((struct type_entry *)g_ptr_array_index(entries, i))->id);
	return near.best;
}

static const struct bp_type *find_in_plugin(const struct bp_plugin *p, const char *id)
{
	for (unsigned n = 0; n < TYPES_MAX; n++) {
		const struct bp_type *t = TABLE_AT(p->types, p->type_size, n);
		if (!t->id)
			return NULL;
		if (!strcmp(t->id, id))
			return t;
	}
	return NULL;
}

const struct type *type_load(struct type_entry *e, const char *place, struct error_list *errors)
{
	if (e->type)
		return e->type;
	if (sealed) {
		error_list_add(errors, place,
			"type %s: plugins are loaded before the machine runs; name it in load = "
			"[...]",
			e->id);
		return NULL;
	}
	struct manifest *m = e->manifest;
	if (!m->plugin)
		m->plugin = (const struct plugin *)loader_open(m->module, place, errors);
	if (!m->plugin)
		return NULL;
	const struct bp_plugin *p = (const struct bp_plugin *)m->plugin;
	const struct bp_type *t = find_in_plugin(p, e->id);
	if (!t) {
		error_list_add(errors, place, "%s promises the type %s, but %s does not have it",
			m->path, e->id, m->module);
		return NULL;
	}
	if (t->kind != e->kind) {
		error_list_add(errors, place, "%s calls %s a %s, but %s calls it a %s", m->path,
			e->id, kind_name(e->kind), m->module, kind_name(t->kind));
		return NULL;
	}
	if (!t->object || t->object->size < offsetof(struct bp_object, state_version)) {
		error_list_add(errors, place, "%s: the type %s has no object description",
			m->module, e->id);
		return NULL;
	}
	struct type *type = new_type(t, p);
	if (loader_check_type(type, place, errors) != 0) {
		g_free(type);
		return NULL;
	}
	e->type = type;
	return type;
}

void types_seal(void)
{
	sealed = true;
}

static void free_entry(struct type_entry *e)
{
	if (!e)
		return;
	free_entry(e->hides);
	if (e->manifest->module[0])
		g_strfreev(e->compatible);
	g_free(e->id);
	g_free(e->summary);
	g_free(e->type);
	g_free(e);
}

void types_finish(void)
{
	for (unsigned i = 0; entries && i < entries->len; i++)
		free_entry(g_ptr_array_index(entries, i));
	for (unsigned i = 0; manifests && i < manifests->len; i++) {
		struct manifest *m = g_ptr_array_index(manifests, i);
		g_free(m->path);
		g_free(m->module);
		g_free(m->package);
		g_free(m->license);
		g_free(m);
	}
	if (entries) {
		g_ptr_array_free(entries, TRUE);
		g_ptr_array_free(manifests, TRUE);
		g_ptr_array_free(paths, TRUE);
	}
	entries = manifests = paths = NULL;
	scanned = sealed = false;
}
