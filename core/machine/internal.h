/* SPDX-License-Identifier: MIT */
/* Shared by the files of machine/ alone. */
#ifndef MACHINE_INTERNAL_H
#define MACHINE_INTERNAL_H
#include "bus/bus.h"
#include "bus/dma.h"
#include "bus/line.h"
#include "cpu/vcpu.h"
#include "host/chr.h"
#include "machine.h"
#include "plugin/field.h"
#include <glib.h>
#include <string.h>

enum { INSTANCES_MAX = 4096 };

struct instance { /* one object of the machine */
	char *name; /* "cpu.0" */
	const char *base; /* "cpu" */
	unsigned index, count; /* 0 of 1 for an object without count */
	const struct toml_entry *entry;
	struct object *object;
	struct vcpu_options cpu; /* of a CPU: the properties that the core adds */
	GPtrArray *pointers; /* bp_dma *, struct bp_link *, arrays: freed with it */
	bool mapped;
};

struct machine {
	const struct toml_value *desc;
	GPtrArray *instances; /* struct instance *, in the order of the file */
	struct domain *lock; /* the machine's */
	GPtrArray *domains;
	char *answer; /* of the last command */
	bool running;
};

/* A reference taken apart: "intc:10", "cpu.*:{a,b}", "slot.0". */
struct target {
	struct instance *instance;
	char *pin; /* NULL: an object was named, no pin; "" its first input */
	unsigned index; /* of the pin */
};

/* All that a reference stands for, in order (the last index runs fastest inside one object), or NULL
 * after an error at pos. Freed with targets_free. */
GArray *targets_expand(struct machine *m, const struct instance *from, const char *key,
	const char *text, struct toml_pos pos, struct error_list *errors);
void targets_free(GArray *targets);
struct instance *instance_find(struct machine *m, const char *name);
/* An error at a value, with the object's and the key's name in front. */
int instance_error(struct error_list *errors, struct toml_pos pos, const struct instance *in,
	const char *key, const char *format, ...) BP_PRINTF(5, 6);

/* set.c: properties, links and wires of one instance. Errors are collected. */
void instance_set(struct machine *m, struct instance *in, struct error_list *errors);
void instance_connect(struct machine *m, struct instance *in, struct error_list *errors);
void instance_map(struct machine *m, struct instance *in, struct error_list *errors);

/* host_table.c */
extern const struct bp_host host_table;
void host_set_machine(struct machine *m);

#endif
