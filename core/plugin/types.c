/* SPDX-License-Identifier: MIT */
#include "types.h"
#include <glib.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { NAMES_MAX = 4096 }; /* in one folder */
#define MANIFEST_SUFFIX ".plugin.toml"
#ifndef BACKPLANE_PLUGIN_DIR
#define BACKPLANE_PLUGIN_DIR "/usr/lib/backplane/1"
#endif

static GPtrArray *paths; /* char *: given on the command line */
static GPtrArray *folders; /* char *: all that were scanned, sub-folders not counted */
static GPtrArray *manifests; /* struct manifest * */
static GHashTable *by_id; /* id -> the first struct type_entry */
static GPtrArray *sorted; /* the same by id; empty: to be made anew */
static bool scanned, sealed;

static const struct {
	const char *name;
	uint32_t kind;
} kinds[] = { { "device", BP_KIND_DEVICE }, { "cpu", BP_KIND_CPU }, { "board", BP_KIND_BOARD },
	{ "chr", BP_KIND_CHR }, { "tool", BP_KIND_TOOL }, { "service", BP_KIND_SERVICE },
	{ "isa-extension", BP_KIND_ISA_EXTENSION }, { "bus", BP_KIND_BUS },
	{ "format", BP_KIND_FORMAT }, { "net", BP_KIND_NET }, { "ui", BP_KIND_UI },
	{ "os", BP_KIND_OS } };

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
	if (manifests)
		return;
	paths = g_ptr_array_new_with_free_func(g_free);
	folders = g_ptr_array_new_with_free_func(g_free);
	manifests = g_ptr_array_new();
	by_id = g_hash_table_new(g_str_hash, g_str_equal);
	sorted = g_ptr_array_new();
}

void types_add_path(const char *folder)
{
	start();
	g_ptr_array_add(paths, g_strdup(folder));
}

static void add_entry(struct type_entry *e)
{
	struct type_entry *first = g_hash_table_lookup(by_id, e->id);
	g_ptr_array_set_size(sorted, 0);
	if (!first) {
		g_hash_table_insert(by_id, e->id, e);
		return;
	}
	while (first->hides)
		first = first->hides;
	first->hides = e;
}

static void add_manifest(struct manifest *m)
{
	g_ptr_array_add(manifests, m);
	for (unsigned i = 0; i < m->types->len; i++)
		add_entry(g_ptr_array_index(m->types, i));
}

/* ---- the search path ---- */

static void read_manifest(const char *path, struct error_list *errors)
{
	enum { MANIFEST_MAX = 1 << 20 };
	struct stat st;
	gchar *bytes;
	gsize length;
	if (stat(path, &st) != 0 || !S_ISREG(st.st_mode) || st.st_size > MANIFEST_MAX ||
		!g_file_get_contents(path, &bytes, &length, NULL)) {
		error_list_add(errors, path,
			"this manifest cannot be read: a file of at most %d bytes is expected",
			MANIFEST_MAX);
		return;
	}
	struct manifest *m = manifest_parse(path, bytes, length, errors);
	g_free(bytes);
	if (m)
		add_manifest(m);
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
	while (dir && (name = g_dir_read_name(dir)) && names->len < NAMES_MAX)
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

static void scan(const char *folder, struct error_list *errors)
{
	g_ptr_array_add(folders, g_strdup(folder));
	scan_folder(folder, 1, errors);
}

int types_scan(struct error_list *errors)
{
	unsigned before = errors->total;
	start();
	if (scanned)
		return 0;
	scanned = true;
	for (unsigned i = 0; i < paths->len; i++)
		scan(g_ptr_array_index(paths, i), errors);
	const char *env = secure_getenv("BACKPLANE_PLUGIN_PATH");
	char **list = env ? g_strsplit(env, ":", 0) : NULL;
	for (unsigned i = 0; list && list[i]; i++)
		if (*list[i])
			scan(list[i], errors);
	g_strfreev(list);
	const char *home = secure_getenv("HOME");
	if (home) {
		char *own = g_build_filename(home, ".local/lib/backplane/1", NULL);
		scan(own, errors);
		g_free(own);
	}
	scan("/usr/local/lib/backplane/1", errors);
	scan(BACKPLANE_PLUGIN_DIR, errors);
	return errors->total == before ? 0 : -1;
}

/* ---- what is not installed ---- */

static char *find_package(const char *list, const char *id)
{
	char **lines = g_strsplit(list, "\n", 0), *found = NULL;
	size_t n = strlen(id);
	for (unsigned i = 0; lines[i] && !found; i++)
		if (!strncmp(lines[i], id, n) && lines[i][n] == ' ')
			found = g_strdup(g_strstrip(lines[i] + n + 1));
	g_strfreev(lines);
	return found;
}

char *type_package(const char *id)
{
	char *found = NULL, *list;
	for (unsigned i = 0; folders && i < folders->len && !found; i++) {
		char *path = g_build_filename(g_ptr_array_index(folders, i), "packages.list", NULL);
		if (g_file_test(path, G_FILE_TEST_IS_REGULAR) &&
			g_file_get_contents(path, &list, NULL, NULL)) {
			found = find_package(list, id);
			g_free(list);
		}
		g_free(path);
	}
	return found;
}

/* ---- types ---- */

static struct type *new_type(const struct bp_type *t, const struct bp_plugin *p)
{
	struct type *type = g_new0(struct type, 1);
	*type = (struct type){ .id = t->id,
		.summary = t->summary,
		.kind = t->kind,
		.object = t->object,
		.ext = t->ext,
		.plugin = (const struct plugin *)p,
		.field_size = p ? p->field_size : sizeof(struct bp_field),
		.region_size = p ? p->region_size : sizeof(struct bp_region),
		.reg_size = p ? p->reg_size : sizeof(struct bp_reg),
		.pin_size = p ? p->pin_size : sizeof(struct bp_pin),
		.cpu_reg_size = p ? p->cpu_reg_size : sizeof(struct bp_cpu_reg),
		.helper_size = p ? p->helper_size : sizeof(struct bp_helper) };
	if (t->object && t->object->size < sizeof(*t->object)) {
		/* An older plugin: members that it does not know are zero. */
		struct bp_object *copy = g_new0(struct bp_object, 1);
		memcpy(copy, t->object, t->object->size);
		type->object = type->copy = copy;
	}
	return type;
}

void type_free(struct type *t)
{
	if (t)
		g_free(t->copy);
	g_free(t);
}

static struct manifest *own_manifest(const char *package, const char *license)
{
	struct manifest *m = g_new0(struct manifest, 1);
	*m = (struct manifest){ .path = g_strdup(""),
		.module = g_strdup(""),
		.package = g_strdup(package),
		.license = g_strdup(license),
		.types = g_ptr_array_new() };
	return m;
}

static struct type_entry *own_entry(struct manifest *m, const struct bp_type *t)
{
	struct type_entry *e = g_new0(struct type_entry, 1);
	*e = (struct type_entry){ .id = g_strdup(t->id),
		.summary = g_strdup(t->summary),
		.kind = t->kind,
		.compatible = g_new0(char *, 1),
		.manifest = m };
	g_ptr_array_add(m->types, e);
	return e;
}

void types_add_builtin(const struct bp_type *table)
{
	start();
	struct manifest *m = own_manifest("backplane", "MIT");
	for (; table->id; table++)
		own_entry(m, table)->type = new_type(table, NULL);
	add_manifest(m);
}

static int check_promises(const struct manifest *m, const struct bp_plugin *p, const char *place,
	struct error_list *errors);

int types_add_static(const struct bp_plugin *p, const char *manifest, struct error_list *errors)
{
	start();
	if (loader_check_plugin(p, "a static plugin", NULL, errors) != 0)
		return -1;
	if (manifest) {
		struct manifest *said = manifest_parse(p->name, manifest, strlen(manifest), errors);
		if (!said)
			return -1;
		said->plugin = p;
		add_manifest(said);
		return check_promises(said, p, p->name, errors);
	}
	struct manifest *m = own_manifest(p->name, p->license);
	m->plugin = p;
	for (unsigned n = 0; n < ROWS_MAX; n++) {
		const struct bp_type *t = TABLE_AT(p->types, p->type_size, n);
		if (!t->id)
			break;
		own_entry(m, t);
	}
	add_manifest(m);
	return 0;
}

struct type_entry *type_find(const char *id)
{
	start();
	return g_hash_table_lookup(by_id, id);
}

static int compare_ids(const void *a, const void *b)
{
	return strcmp((*(struct type_entry *const *)a)->id, (*(struct type_entry *const *)b)->id);
}

struct type_entry *type_at(unsigned n)
{
	start();
	if (!sorted->len) {
		GHashTableIter each;
		gpointer entry;
		g_hash_table_iter_init(&each, by_id);
		while (g_hash_table_iter_next(&each, NULL, &entry))
			g_ptr_array_add(sorted, entry);
		g_ptr_array_sort(sorted, (GCompareFunc)compare_ids);
	}
	return n < sorted->len ? g_ptr_array_index(sorted, n) : NULL;
}

struct type_entry *type_for_program(const char *program)
{
	struct type_entry *e;
	for (unsigned n = 0; (e = type_at(n)); n++)
		if (e->kind == BP_KIND_CPU && e->runs &&
			g_strv_contains((const char *const *)e->runs, program))
			return e;
	return NULL;
}

const char *type_nearest(const char *id)
{
	const struct type_entry *e;
	struct nearest near;
	nearest_init(&near, id);
	for (unsigned n = 0; (e = type_at(n)); n++)
		nearest_try(&near, e->id);
	return near.best;
}

/* ---- loading ---- */

static const struct bp_type *find_in_plugin(const struct bp_plugin *p, const char *id)
{
	for (unsigned n = 0; n < ROWS_MAX; n++) {
		const struct bp_type *t = TABLE_AT(p->types, p->type_size, n);
		if (!t->id)
			return NULL;
		if (!strcmp(t->id, id))
			return t;
	}
	return NULL;
}

static bool promised(const struct manifest *m, const char *id)
{
	for (unsigned i = 0; i < m->types->len; i++)
		if (!strcmp(((struct type_entry *)g_ptr_array_index(m->types, i))->id, id))
			return true;
	return false;
}

/* A manifest and its module must say the same, or what `list` shows is not what runs. */
static int check_promises(const struct manifest *m, const struct bp_plugin *p, const char *place,
	struct error_list *errors)
{
	unsigned before = errors->total, n = 0;
	for (unsigned i = 0; i < m->types->len; i++) {
		const struct type_entry *e = g_ptr_array_index(m->types, i);
		const struct bp_type *t = find_in_plugin(p, e->id);
		if (!t)
			error_list_add(errors, place,
				"%s promises the type %s, but %s does not have it", m->path, e->id,
				m->module);
		else if (t->kind != e->kind)
			error_list_add(errors, place, "%s calls %s a %s, but %s calls it a %s",
				m->path, e->id, kind_name(e->kind), m->module, kind_name(t->kind));
	}
	for (; n < ROWS_MAX && TABLE_AT(p->types, p->type_size, n)->id; n++)
		if (!promised(m, TABLE_AT(p->types, p->type_size, n)->id))
			error_list_add(errors, place, "%s has the type %s, but %s does not name it",
				m->module, TABLE_AT(p->types, p->type_size, n)->id, m->path);
	if (n == ROWS_MAX)
		error_list_add(errors, place, "%s: its table of types has no end", m->module);
	if (m->license && p->license && strcmp(m->license, p->license) != 0)
		error_list_add(errors, place, "%s gives the license %s, but %s gives %s", m->path,
			m->license, m->module, p->license);
	return errors->total == before ? 0 : -1;
}

static int open_plugin(struct manifest *m, const char *place, struct error_list *errors)
{
	if (m->plugin)
		return 0;
	if (m->faulty)
		return error_list_add(
			errors, place, "%s cannot be used, as said before", m->module);
	const struct bp_plugin *p = loader_open(m->module, place, errors);
	m->faulty = !p || check_promises(m, p, place, errors) != 0;
	if (!m->faulty)
		m->plugin = p;
	return m->faulty ? -1 : 0;
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
	if (open_plugin(e->manifest, place, errors) != 0)
		return NULL;
	const struct bp_plugin *p = e->manifest->plugin;
	const struct bp_type *t = find_in_plugin(p, e->id);
	if (!t->object || t->object->size < offsetof(struct bp_object, changed)) {
		error_list_add(errors, place, "%s: the type %s has no object description",
			e->manifest->module, e->id);
		return NULL;
	}
	struct type *type = new_type(t, p);
	if (loader_check_type(type, place, errors) != 0) {
		type_free(type);
		return NULL;
	}
	e->type = type;
	return type;
}

void types_seal(void)
{
	sealed = true;
}

void types_finish(void)
{
	if (!manifests)
		return;
	g_hash_table_destroy(by_id);
	for (unsigned i = 0; i < manifests->len; i++)
		manifest_free(g_ptr_array_index(manifests, i));
	g_ptr_array_free(sorted, TRUE);
	g_ptr_array_free(manifests, TRUE);
	g_ptr_array_free(folders, TRUE);
	g_ptr_array_free(paths, TRUE);
	by_id = NULL;
	sorted = manifests = folders = paths = NULL;
	scanned = sealed = false;
}
