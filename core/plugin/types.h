/* SPDX-License-Identifier: MIT */
/* The type table: what every manifest on the search path offers, and the core's own types. Reading
 * manifests opens no plugin; a type's tables are there once type_load was called for it.
 *
 *   manifest.c  one NAME.plugin.toml
 *   types.c     search path, the table, the life of a plugin
 *   loader.c    opening a module
 *   check.c     whether tables are well formed
 *
 * Search order: folders given to types_add_path, $BACKPLANE_PLUGIN_PATH (not for privileged
 * processes), the user's folder, /usr/local, the distribution's. Each folder is looked at with its
 * sub-folders, one level deep. The first definition of a type wins. */
#ifndef PLUGIN_TYPES_H
#define PLUGIN_TYPES_H
#include "object.h"
#include <glib.h>

struct manifest { /* one NAME.plugin.toml */
	char *path; /* of the manifest; "" for the core's own and static plugins */
	char *module; /* path of the shared object, "" likewise */
	char *abi, *package, *license;
	GPtrArray *types; /* struct type_entry * */
	const struct bp_plugin *plugin; /* NULL: not opened */
	bool faulty; /* it was opened, and is none */
};

struct type_entry { /* one type that a manifest names */
	char *id, *summary;
	uint32_t kind;
	char **compatible; /* NULL ended */
	char **runs; /* CPUs: kinds of programs, as an os plugin names them; NULL ended */
	struct manifest *manifest;
	struct type *type; /* NULL: not loaded */
	struct type_entry *hides; /* a later definition of the same id */
};

void types_add_path(const char *folder);
/* Scan the search path, once. Bad manifests are reported and skipped: -1 if there were any. */
int types_scan(struct error_list *errors);
/* The core's own types: a table as in a plugin, with the strides of this build. */
void types_add_builtin(const struct bp_type *table);
/* A plugin that is linked into the program (BP_STATIC), and its manifest's text or NULL. It comes before all that are scanned. 0, or
 * -1 after an error. */
int types_add_static(const struct bp_plugin *p, const char *manifest, struct error_list *errors);
/* By id, or NULL. */
struct type_entry *type_find(const char *id);
/* The CPU type whose manifest says that it runs programs of that kind, or NULL. */
struct type_entry *type_for_program(const char *program);
/* The n-th type by id, or NULL after the last. */
struct type_entry *type_at(unsigned n);
/* The id most like a misspelt one, or NULL. */
const char *type_nearest(const char *id);
/* The package that has a type which is not there, as files packages.list ("ID PACKAGE" in each line) in
 * the folders of the search path say, or NULL; to be freed with g_free. */
char *type_package(const char *id);
/* Open the type's plugin, if need be. NULL after an error at `place`. */
const struct type *type_load(struct type_entry *e, const char *place, struct error_list *errors);
/* From now on nothing is loaded any more. */
void types_seal(void);
void types_finish(void);

/* "device", "cpu", ... of enum bp_kind, and back (0: no such kind). */
const char *kind_name(uint32_t kind);
uint32_t kind_of_name(const char *name);

/* ---- inside the room ---- */

/* NULL after errors, which have the places of path. */
struct manifest *manifest_parse(
	const char *path, const char *bytes, size_t length, struct error_list *errors);
void manifest_free(struct manifest *m);
void type_free(struct type *t);

enum { ROWS_MAX = 4096 }; /* of any table: beyond it, its end is missing */

/* Open a module. NULL after an error at `place`. */
const struct bp_plugin *loader_open(
	const char *module, const char *place, struct error_list *errors);
/* Is the descriptor one? 0, or -1 after an error. */
int loader_check_plugin(const struct bp_plugin *p, const char *module, const char *place,
	struct error_list *errors);
/* Is every table of the type well formed? 0, or -1 after errors. */
int loader_check_type(const struct type *t, const char *place, struct error_list *errors);

#endif
