/* SPDX-License-Identifier: MIT */
/* Shared by the files of machine/ alone. */
#ifndef MACHINE_INTERNAL_H
#define MACHINE_INTERNAL_H
#include "bus/bus.h"
#include "bus/dma.h"
#include "bus/line.h"
#include "cpu/vcpu.h"
#include "host/block.h"
#include "host/chr.h"
#include "machine.h"
#include "plugin/field.h"
#include <backplane/os.h>
#include <glib.h>
#include <string.h>

enum { INSTANCES_MAX = 4096 };

struct instance { /* one object of the machine */
	char *name; /* "cpu.0" */
	const char *base; /* "cpu" */
	unsigned index, count; /* 0 of 1 for an object without count */
	struct instance *first; /* of the same table */
	GHashTable *said; /* of the first: places of errors, said once for all of them */
	const struct toml_entry *entry;
	struct object *object;
	struct vcpu_options cpu; /* of a CPU: the properties that the core adds */
	GPtrArray *pointers; /* struct bp_link *, arrays of them: freed with it */
	GPtrArray *masters; /* bp_dma * */
	GPtrArray *uses; /* struct instance *: what its links and its bus lead to */
	struct instance *controller; /* by `bus` */
	struct bp_link *card; /* what that is given */
	char *slot;
	unsigned cards; /* of a controller: how many it has */
	bool has_windows; /* they were made */
	bool absent; /* the machine file leaves it out of its slot at first */
	bool visited, failed; /* while creating */
};

struct machine {
	const struct toml_value *desc;
	GPtrArray *instances; /* struct instance *, in the order of the file */
	struct domain *lock; /* the machine's */
	GPtrArray *domains;
	GPtrArray *order; /* struct instance *: as they were created */
	GHashTable *broken; /* names of tables that became no object; said already */
	uint64_t work; /* of expanding references: bounded */
	bool tired; /* it was too much */
	char *answer; /* of the last command */
	char *save_to, *save_next; /* where to: by default; the next time, or NULL */
	GArray *save_at; /* uint64_t, ascending: counts of instructions that are still to come */
	bool running;
	bool deterministic;
	struct sched_turns turns;
	const char *report; /* the file, or NULL */
};

/* A reference taken apart: "intc:10", "cpu.*:{a,b}", "slot.0". */
struct target {
	struct instance *instance;
	char *pin; /* NULL: an object was named, no pin; "" its first input */
	unsigned index; /* of the pin */
};

/* What `bus` names takes the card, if it has room: it then is in->controller. */
void instance_attach(struct machine *m, struct instance *in, struct error_list *errors);

/* hotplug.c: the key `plugged`; and out of their slots go those that it says so of. */
void instance_plugged(struct machine *m, struct instance *in, struct error_list *errors);
void machine_leave_out(struct machine *m, struct error_list *errors);
/* Commands: what is in its slot, and an enum bp_plug for one of them. */
void machine_cards(struct machine *m, GString *out);
void machine_plug(struct machine *m, const char *name, int what, GString *out);

/* All that a reference stands for, in order (the last index runs fastest inside one object), or NULL
 * after an error at pos. Freed with targets_free. */
GArray *targets_expand(struct machine *m, const struct instance *from, const char *key,
	const char *text, struct toml_pos pos, struct error_list *errors);
void targets_free(GArray *targets);
struct instance *instance_find(struct machine *m, const char *name);
void instance_free(struct instance *in);
/* The address space that an object is, or NULL. */
struct bus_space *space_of(struct object *o);
/* Remember that `in` needs `other`: it is created later and destroyed sooner. */
void instance_use(struct instance *in, struct instance *other);
/* An error at a value, with the object's and the key's name in front. */
int instance_error(struct error_list *errors, struct toml_pos pos, const struct instance *in,
	const char *key, const char *format, ...) BP_PRINTF(5, 6);

/* set.c: properties, links and wires of one instance. Errors are collected. */
void instance_set(struct machine *m, struct instance *in, struct error_list *errors);
void instance_connect(struct machine *m, struct instance *in, struct error_list *errors);
void instance_map(struct machine *m, struct instance *in, struct error_list *errors);

/* The keys that every object may have, and those that the core adds to CPUs; NULL ended. */
extern const char *const reserved_keys[], *const cpu_keys[];
/* Faults that only all objects together show: windows that overlap. 0, or -1. */
int machine_check(struct machine *m, struct error_list *errors);
/* Does [options] map to what is there? */
void options_check(struct machine *m, struct error_list *errors);

/* mode.c: what [machine] says of how to run. */
void machine_mode(struct machine *m, struct error_list *errors);
/* report.c: after a run, what came of it. 0, or -1 after an error was added. */
int machine_report(struct machine *m, const char *path, struct error_list *errors);

/* host_table.c */
extern const struct bp_host host_table;
void host_set_machine(struct machine *m);
/* While objects load their state they must not act on others; how many did, and whose call was the
 * first, is told at the end. */
void host_loading_begin(void);
unsigned host_loading_end(const char **what);

/* user.c: "bp.user/1" */
extern const struct bp_user user_services;

/* snapshot.c */
void save_requested(void *machine);
/* At the end of a run: what machine_save_at asked for and did not come. */
void tell_unsaved(const struct machine *m);

#endif
