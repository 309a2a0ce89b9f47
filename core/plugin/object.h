/* SPDX-License-Identifier: MIT */
/* Objects: instances of plugin types, and the core's record of each.
 *
 * The instance is what the plugin sees; the record is what the core knows. object_of() gets from
 * the one to the other through a pointer that stands right in front of the instance. */
#ifndef PLUGIN_OBJECT_H
#define PLUGIN_OBJECT_H
#include "domain.h"
#include "error.h"
#include <backplane/plugin.h>

struct plugin;
struct machine;

struct type { /* one entry of the type table: a plugin's type, or one of the core's own */
	const char *id;
	const char *summary;
	uint32_t kind;
	const struct bp_object *object; /* copied and zero-filled when the plugin is older */
	const void *ext;
	const struct plugin *plugin; /* NULL: the core's own */
	void *copy; /* of object, or NULL */
	/* strides of this plugin's tables */
	uint32_t field_size, region_size, reg_size, pin_size, cpu_reg_size, helper_size;
};

/* A CPU's instance is followed by room for the engine's temporaries at OBJECT_FRAME(instance_size). */
enum { OBJECT_CPU_FRAME = 64 * 1024 };
#define OBJECT_FRAME(instance_size) (((instance_size) + 63u) & ~63u)

struct object {
	const struct type *type;
	char *name; /* "cpu.0" */
	char *place; /* "board.toml:17:1", where the machine file defines it */
	struct domain *domain;
	void *instance;
	void *memory; /* of the instance, with what stands in front of it */
	bool created;
	unsigned index; /* in the machine */
	struct object *bus; /* the controller it is attached to, or NULL */
	void *regions; /* the bus room's: its windows */
	void *lines; /* the bus room's: its wires */
	void *timers, *watches; /* the sched room's lists */
	void *chr; /* the host room's: of a byte stream back end */
	void *vcpu; /* the cpu room's */
	uint64_t random; /* the sched room's: seeded random numbers that were taken */
};

static inline struct object *object_of(const void *instance)
{
	return ((struct object *const *)instance)[-1];
}

/* Allocate a record and a zeroed instance (with a frame behind it when it is a CPU), 64-byte
 * aligned. Defaults of the property table are applied. */
struct object *object_new(
	const struct type *type, const char *name, const char *place, struct domain *domain);
void object_free(struct object *o);
/* An interface by id from the object's type, or NULL. */
const void *object_interface(struct object *o, const char *id);

/* The error sink handed to plugins: host->fail adds "place: name: ". */
struct bp_error {
	struct error_list *errors;
	struct object *object;
};
int object_fail(bp_error *err, const char *fmt, ...) BP_PRINTF(2, 3);

/* Walk a table of a plugin with that plugin's stride. */
#define TABLE_AT(table, stride, n)                                                                 \
	((__typeof__(table))(const void *)((const char *)(table) + (size_t)(stride) * (n)))

#endif
