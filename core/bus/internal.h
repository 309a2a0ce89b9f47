/* SPDX-License-Identifier: MIT */
/* Shared by the files of bus/ alone. */
#ifndef BUS_INTERNAL_H
#define BUS_INTERNAL_H
#include "bus.h"
#include <glib.h>

enum {
	BUS_DEPTH = 8, /* aliases and translations behind one another */
	BUS_NESTING = 16, /* containers inside one another */
	BUS_MAX_WINDOWS = 16384, /* in one container */
	BUS_MAX_RANGES = 65536 /* in one view */
};

/* ---- flat views (view.c) ---- */

struct range {
	uint64_t base, last; /* inclusive */
	struct bus_region *region; /* anything but a container */
	uint64_t offset; /* of base, in the region */
	int priority;
};

struct view {
	unsigned count;
	struct range range[]; /* sorted, disjoint */
};

struct view *view_build(const struct bus_region *container);
/* The range that holds addr, or NULL; then *gap is the last byte before the next range. */
const struct range *view_find(const struct view *v, uint64_t addr, uint64_t *gap);
/* Free it with `release` when no reader can see it any more. */
void view_retire(void *p, void (*release)(void *p));

/* ---- regions (space.c) ---- */

enum region_kind { REGION_CONTAINER, REGION_LEAF, REGION_ALIAS, REGION_TRANSLATED };

struct bus_window {
	struct bus_region *container, *region;
	uint64_t base, last, offset; /* last: of the window, its size - 1 */
	uint64_t order;
	int priority;
	bool enabled;
};

struct binding { /* where an alias points: replaced as a whole */
	struct bus_region *target;
	uint64_t offset;
};

struct listener {
	void (*fn)(void *arg);
	void *arg;
};

struct bank;

struct bus_region {
	enum region_kind kind;
	char *name;
	uint64_t last;
	struct object *object;
	GPtrArray *shown; /* windows that map it */
	GPtrArray *aliases; /* aliases and translated regions that lead to it */
	bool visiting;

	/* containers */
	GPtrArray *windows; /* by priority, then order */
	_Atomic(struct view *) view;
	GArray *listeners; /* struct listener */
	bool touched, stale; /* in this transaction: tell listeners; rebuild the view */

	/* leaves: memory, functions, a register bank, or memory with functions */
	struct bus_ram *ram;
	_Atomic(bool) direct; /* reads go to memory although there are functions */
	uint8_t min_access, max_access;
	uint32_t flags; /* enum bp_region_flags */
	int (*read)(void *self, uint64_t offset, unsigned bytes, uint64_t *value,
		const struct bp_access *how);
	int (*write)(void *self, uint64_t offset, unsigned bytes, uint64_t value,
		const struct bp_access *how);
	struct bank *bank;
	_Atomic(bool) complained; /* one log line about recursion is enough */

	/* aliases */
	_Atomic(struct binding *) binding;
	struct binding next; /* as the tree has it, perhaps not yet visible */
	bool repointed; /* in this transaction */

	/* translated */
	struct bus_space *target;
	bus_translate_fn *translate;
	void *translator;
};

struct bus_region *region_new(enum region_kind kind, const char *name, uint64_t last);
/* What the region shows has changed in itself: tell the listeners of all that show it. */
void region_touched(struct bus_region *r);

static inline bool region_reads_memory(const struct bus_region *r)
{
	return r->ram &&
		(atomic_load_explicit(&r->direct, memory_order_relaxed) || !(r->read || r->bank));
}

static inline bool region_writes_memory(const struct bus_region *r)
{
	return r->ram && !(r->write || r->bank);
}

/* ---- register banks (regs.c) ---- */

struct bank *bank_new(struct object *o, const char *region, uint64_t region_last, bool big_endian,
	const struct bp_reg *table, bp_error *err);
void bank_free(struct bank *b);
void bank_reset(struct bank *b);
/* Any bytes inside the region, image in the order of guest memory. */
void bank_access(
	struct bank *b, uint64_t offset, uint8_t *image, unsigned bytes, bool write, bool debug);

/* ---- accesses (access.c) ---- */

uint64_t image_load(const uint8_t *image, unsigned bytes, bool big_endian);
void image_store(uint8_t *image, unsigned bytes, bool big_endian, uint64_t value);
extern const struct bp_access bus_plain_access;

/* One line on stderr about an object. */
void bus_log(const struct object *o, const char *fmt, ...) G_GNUC_PRINTF(2, 3);

#endif
