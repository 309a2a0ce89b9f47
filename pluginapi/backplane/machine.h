/* SPDX-License-Identifier: MIT */
/* "bp.machine/1": what boards, user interfaces and monitors ask about the machine as a whole.
 * Boards compute from it what firmware wants to know (device trees, tables). */
#ifndef BACKPLANE_MACHINE_H
#define BACKPLANE_MACHINE_H
#include <backplane/plugin.h>
#ifdef __cplusplus
extern "C" {
#endif

struct bp_placement { /* one window as the machine file placed it */
	uint32_t size, reserved;
	const char *region; /* "regs" */
	uint64_t base, length;
	const bp_space *space;
	const char *space_name;
};

struct bp_wire { /* one connection of an output pin */
	uint32_t size;
	uint32_t index, target_index, reserved;
	const char *pin, *target_pin;
	void *target; /* the instance whose input it drives */
};

struct bp_machine {
	uint32_t size, reserved;
	/* Instances in the order of the machine file; NULL after the last. [main] */
	void *(*object)(const void *self, unsigned n);
	/* An instance by name, or NULL. "cpu" with count > 1 stands for the first. [main] */
	void *(*find)(const void *self, const char *name);
	const char *(*name)(const void *object); /* "cpu.0" */
	const char *(*type)(const void *object); /* "ns16550a" */
	int (*kind)(const void *object); /* enum bp_kind */
	const void *(*interface_of)(void *object, const char *id);
	/* The n-th window or wire of an object; 0, or -1 after the last. [main] */
	int (*placement)(const void *object, unsigned n, struct bp_placement *out);
	int (*wire)(const void *object, unsigned n, struct bp_wire *out);
	/* A property's value as number (links: 0) or text; -1: no such property. [main] */
	int (*get_number)(const void *object, const char *prop, uint64_t *out);
	const char *(*get_string)(const void *object, const char *prop);
	/* The instance that a BP_LINK property points at, or NULL. [main] */
	void *(*get_link)(const void *object, const char *prop);
	/* One monitor line ("reset", "pause", "info"); the answer is host's until the next call by this
	 * caller. What cannot be done is answered by one line that begins with "error: ". The caller is
	 * in no device's domain. [main] */
	const char *(*command)(const void *self, const char *line);
};

#ifdef __cplusplus
}
#endif
#endif
