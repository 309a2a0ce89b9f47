/* SPDX-License-Identifier: MIT */
/* Snapshots: the state of a machine that stands still, into a file and back.
 *
 *   stream_out.c  stream_in.c  the file: sections with checksums, written to one side and renamed
 *   fields.c      an object's state by its type's table
 *   memory.c      RAM, as runs of pages that are not empty
 *   identity.c    what makes two machines the same
 *   save.c        the order of a save
 *   load.c        the order of a load
 *
 * docs/snapshots.md describes the file. All vCPUs are parked and virtual time stands during both. */
#ifndef STATE_STATE_H
#define STATE_STATE_H
#include "bus/bus.h"
#include "plugin/error.h"
#include "plugin/object.h"

struct state_cpu { /* what the core itself knows of a CPU */
	uint64_t pc, key, icount;
	uint8_t halted; /* it waits for an interrupt */
	uint8_t watching; /* a load with LL watches memory: */
	uint32_t watch_size;
	uint64_t watch_offset, watch_value[2];
	struct bus_ram *watch_ram;
};

struct state_cpu_ops { /* the cpu room's side; cpu is of kind BP_KIND_CPU */
	void (*get)(const struct object *cpu, struct state_cpu *out);
	/* Forgets also all that was translated or cached. */
	void (*set)(struct object *cpu, const struct state_cpu *in);
};

struct state_machine {
	struct object *const *objects; /* in link order: what an object uses comes before it */
	unsigned count;
	const char *description; /* TOML, for people */
	const struct state_cpu_ops *cpu; /* NULL: there are no CPUs */
};

enum state_result {
	STATE_GOOD = 0,
	STATE_OTHER, /* a sound file, of another machine or version */
	STATE_BAD /* the file cannot be read or written, or is damaged */
};

/* Errors are sentences with the file as their place. A save that fails leaves what was there. */
enum state_result state_save(
	const struct state_machine *m, const char *path, struct error_list *errors);
/* All fields, then `loaded` of each object. After a failure the machine must not run. */
enum state_result state_load(
	const struct state_machine *m, const char *path, struct error_list *errors);

#endif
