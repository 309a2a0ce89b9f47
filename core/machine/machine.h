/* SPDX-License-Identifier: MIT */
/* From a machine file to a running machine.
 *
 *   desc.c      files -> one flattened tree: include, remove, --set, search path
 *   option.c    --kernel, --serial, ...: what [options] makes of them
 *   attach.c    which controller takes a card
 *   plan.c      tree -> instances and references, checked against the types' tables
 *   mode.c      [machine]: deterministic or not, report
 *   build.c     instances -> objects: properties, links, wires, windows, life
 *   command.c   lines from the monitor
 *   hotplug.c   cards that leave their slots and come back
 *   report.c    what came of a run
 *   host_table.c  the services handed to plugins
 *   snapshot.c  saving and restoring the whole
 *   user.c      programs in place of machines
 *
 * Every fault is reported at its file:line:column, all of a stage at once. */
#ifndef MACHINE_MACHINE_H
#define MACHINE_MACHINE_H
#include "plugin/toml.h"
#include "plugin/types.h"
#include "sched/sched.h"

/* ---- the description ---- */

/* Read a machine file (a path, or a name on the search path) with all it includes. The result has
 * one entry an object, beside "machine", "options" and "load". NULL after errors. */
struct toml_value *desc_load(const char *name, struct error_list *errors);
/* "OBJECT.PROPERTY=VALUE" of the n-th command-line word; VALUE is TOML, or else a plain string. */
int desc_set(struct toml_value *desc, const char *text, unsigned word, struct error_list *errors);
/* Put one value into OBJECT.PROPERTY; takes the value. */
int desc_put(struct toml_value *desc, const char *object, const char *prop,
	struct toml_value *value, struct error_list *errors);
/* --deterministic, --report: keys of [machine]. */
void desc_mode(struct toml_value *desc, const char *key, const char *value, unsigned word);
/* Names of machine files on the search path, sorted, to be freed with g_strfreev. */
char **desc_list(void);
/* What a machine file says of itself in a line, or NULL; to be freed with g_free. */
char *desc_summary(const char *name);
/* The path of a machine file by its name, or NULL; to be freed with g_free. */
char *desc_path(const char *name);

/* An option of the board: --NAME VALUE, the n-th of that name. */
int option_apply(struct toml_value *desc, const char *name, const char *value, unsigned word,
	struct error_list *errors);
/* "--trace TRACER[,key=value]": adds an object of that type. */
int option_trace(
	struct toml_value *desc, const char *value, unsigned word, struct error_list *errors);
/* "--control unix:F": adds a monitor with that byte stream. */
int option_control(
	struct toml_value *desc, const char *value, unsigned word, struct error_list *errors);
/* Forget the bookkeeping of options, before the tree is written. */
void option_forget(struct toml_value *desc);
/* The object is gone, and with it the options that lead to it. */
void option_removed(struct toml_value *desc, const char *object);
/* Options the board understands, to print; freed with g_strfreev. */
char **option_list(const struct toml_value *desc);

/* ---- the machine ---- */

struct machine;

/* Check a description against its types. NULL after errors. The description stays the caller's and
 * must live as long. */
struct machine *machine_plan(const struct toml_value *desc, struct error_list *errors);
/* Create and reset everything. 0, or -1 after errors. */
int machine_build(struct machine *m, struct error_list *errors);
/* Run until power off or quit; the exit code. */
int machine_run(struct machine *m);
/* As the guest or the user asks for it. No CPU runs. [main] */
void machine_reset(struct machine *m);
void machine_destroy(struct machine *m);

/* Save what stands still. 0, or -1 after errors. */
int machine_save(struct machine *m, const char *path, struct error_list *errors);
/* Save soon, to path (NULL: to the one that machine_save_to gave); says on stderr how it went. */
void machine_save_soon(struct machine *m, const char *path);
void machine_save_to(struct machine *m, const char *path);
/* A deterministic machine saves itself when its CPUs together have executed so many instructions:
 * "1000,2000", to FILE.1000 and FILE.2000 for the FILE of machine_save_to. 0, or -1 after errors.
 * After a restore, if there is one. */
int machine_save_at(struct machine *m, const char *counts, struct error_list *errors);
/* Take over a saved machine's state, between build and run. 0, 1 if it is of another machine, 2 if it
 * cannot be used at all, after errors. */
int machine_restore(struct machine *m, const char *path, struct error_list *errors);

/* The services handed to plugins, for those that work without a machine. */
const struct bp_host *machine_host(void);
/* Run a program by the plugin of kind "os"; `how` as it is to be told. Its exit status, or -1 after
 * errors. */
struct bp_os_start;
int machine_program(const struct bp_os_start *how, struct error_list *errors);

/* One line of the monitor; the answer, of any number of lines, is the machine's until the next call. What
 * cannot be done is answered by one line that begins with "error: ". */
const char *machine_command(struct machine *m, const char *line);

#endif
