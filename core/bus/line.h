/* SPDX-License-Identifier: MIT */
/* Wires: an output drives any number of inputs, several outputs on one input are OR-ed.
 *
 * A level belongs to the host: it is saved and restored, not replayed. A sink that is parallel or
 * in the domain that the thread is in hears at once, others when the thread leaves its domain;
 * then a pulse that is over is still heard as a pulse. */
#ifndef BUS_LINE_H
#define BUS_LINE_H
#include "plugin/object.h"
#include <backplane/plugin.h>

enum { LINE_MAX_PINS = 4096 };

/* Lay out the output arrays of an object: properties are set, create was not called. 0, or -1 after
 * object_fail. */
int line_object_init(struct object *o, bp_error *err);
void line_object_finish(struct object *o);

struct line_pin { /* a row of a pin table */
	const char *name;
	unsigned count; /* pins of that name; outputs counted from links: LINE_MAX_PINS */
	unsigned first; /* number of the first one: 0 or 1 */
};
/* The n-th output or input pin of an object's type; false after the last. */
bool line_pin_at(const struct object *o, bool output, unsigned n, struct line_pin *pin);
bool line_pin_find(const struct object *o, bool output, const char *name, struct line_pin *pin);

/* 0, or -1 after object_fail: no such pin, or no such index. [main] */
int line_connect(struct object *out, const char *pin, unsigned index, struct object *in,
	const char *in_pin, unsigned in_index, bp_error *err);

struct line_wire {
	struct object *source, *target;
	const char *pin, *target_pin;
	unsigned index, target_index;
};
/* The n-th wire that leaves the object, by pin, index and order of connection; false after the
 * last. */
bool line_wire_at(const struct object *o, unsigned n, struct line_wire *wire);

/* The n-th connected output and its name, for saving levels; NULL after the last. */
bp_line *line_at(const struct object *o, unsigned n, const char **pin, unsigned *index);
/* Set a level without telling anyone: state is being restored. */
void line_restore(bp_line *line, int level);
/* What an input sees: the OR of its drivers. -1: nothing drives it. */
int line_input(const struct object *o, const char *pin, unsigned index);

/* Members of struct bp_host. [any] */
void line_set(bp_line *line, int level);
int line_get(const bp_line *line);

#endif
