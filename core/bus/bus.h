/* SPDX-License-Identifier: MIT */
/* Address spaces: who answers at an address, and how to get there.
 *
 *   view.c    flat views that readers use without locks, and when old ones are freed
 *   space.c   regions, windows, priorities, aliases, transactions, listeners
 *   access.c  dispatch: borders, sizes, alignment, byte order, domains
 *   regs.c    declared register banks
 *   ram.c     memory shared by file descriptor, dirty pages, pages with translated code
 *   dma.c     bus masters and IOMMUs
 *   line.c    wires (line.h)
 *   glue.c    an object's windows, made from its type's table; the functions of struct bp_host
 *   types.c   the core's own types: space, ram, rom
 *
 * A region is something that answers; a window maps (a part of) a region into a container, and a
 * space is the container that somebody accesses. Containers may be mapped into containers: their
 * holes let through what lies below. Aliases and translated regions are opaque: what their target
 * does not cover is unmapped.
 *
 * Order of building a machine: object_new and properties; bus_object_init of every object; lines;
 * create; then bus_object_map of every window inside one bus_transaction, and bus_overlaps. */
#ifndef BUS_BUS_H
#define BUS_BUS_H
#include "plugin/object.h"
#include <backplane/plugin.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bus_region;
struct bus_window;

/* ---- memory ---- */

enum {
	BUS_PAGE_BITS = 12,
	BUS_PAGE = 1 << BUS_PAGE_BITS,
	BUS_DIRTY_ALL =
		0x0f, /* four clients: who wants to know what was written since it last asked */
	BUS_DIRTY_DISPLAY = 1,
	BUS_DIRTY_STATE = 2,
	BUS_PAGE_CODE = 0x80, /* translated code was made from this page */
	BUS_CONDITIONAL_BYTES = 64, /* places that share a count of store-conditionals */
	BUS_CONDITIONAL_GROUPS = 1024
};

struct bus_ram { /* one block of memory; its address is its identity */
	uint8_t *host;
	uint64_t size; /* as the guest sees it */
	uint64_t mapped; /* whole pages */
	int fd; /* of the memfd or host file; shared mappings of it are coherent. -1: filled memory,
		 * which this process has for itself */
	uint8_t fill; /* what every byte was at first */
	bool read_only; /* ROM: only loaders write */
	bool write_error; /* ROM: writes are bus errors, not ignored */
	_Atomic(uint8_t) *pages; /* for each page: dirty bits of clients, BUS_PAGE_CODE */
	/* Store-conditionals: how many succeeded, twice, in each group of places; odd: one is under way.
	 * Groups follow from the offset alone, so that a run repeats. */
	_Atomic(uint32_t) *conditionals;
	struct object *owner;
	const char *name; /* of the region, for people */
};

static inline _Atomic(uint32_t) *bus_ram_conditionals(const struct bus_ram *ram, uint64_t offset)
{
	return &ram->conditionals[offset / BUS_CONDITIONAL_BYTES % BUS_CONDITIONAL_GROUPS];
}

/* `file`: NULL, or a host file that is the memory, grown to size; else every byte is `fill`. 0, or -1
 * after object_fail. */
int bus_ram_init(struct bus_ram *ram, uint64_t size, const char *file, uint8_t fill, bp_error *err);
void bus_ram_finish(struct bus_ram *ram);
/* The block that holds this host address, or NULL. [any] */
struct bus_ram *bus_ram_find(const void *host);
/* Calls fn for every block, in the order they were made. [main] */
void bus_ram_each(void (*fn)(void *arg, struct bus_ram *ram), void *arg);

/* Bytes were written by someone who looks after translated code himself. [any] */
static inline void bus_ram_dirty(struct bus_ram *ram, uint64_t offset, uint64_t len)
{
	if (!len || offset >= ram->mapped)
		return;
	uint64_t last = len > ram->mapped - offset ? ram->mapped - 1 : offset + len - 1;
	for (uint64_t p = offset >> BUS_PAGE_BITS; p <= last >> BUS_PAGE_BITS; p++) {
		uint8_t now = atomic_load_explicit(&ram->pages[p], memory_order_relaxed);
		if ((now & BUS_DIRTY_ALL) != BUS_DIRTY_ALL)
			atomic_fetch_or(&ram->pages[p], BUS_DIRTY_ALL);
	}
}
static inline bool bus_ram_code(const struct bus_ram *ram, uint64_t offset)
{
	return offset < ram->mapped &&
		(atomic_load(&ram->pages[offset >> BUS_PAGE_BITS]) & BUS_PAGE_CODE) != 0;
}
/* Marking orders: bytes read after it are newer than any write that did not see the mark. [any] */
void bus_ram_code_mark(struct bus_ram *ram, uint64_t offset, bool has_code);
/* Bytes were written by anyone else (DMA, a mapping): dirty, and the code hook is called for pages
 * with code. [any] */
void bus_ram_written(struct bus_ram *ram, uint64_t offset, uint64_t len);
/* Whole pages of it become zeros, and the host has the memory back; or nothing happens. [any] */
void bus_ram_discard(struct bus_ram *ram, uint64_t offset, uint64_t len);
/* Was the page dirty for this client? It is clean afterwards; when a call returns true and CPUs write
 * without asking, bus_ram_cleaned() must follow before the bytes are read. [any] */
bool bus_ram_take_dirty(struct bus_ram *ram, uint64_t offset, uint8_t client);
void bus_ram_cleaned(void);
/* Called for pages with code that bus_ram_written touches. Set once, before anything runs. */
void bus_set_code_hook(void (*fn)(struct bus_ram *ram, uint64_t offset, uint64_t len));
/* Called by bus_ram_cleaned: whoever caches "this page is dirty already" forgets it. */
void bus_set_clean_hook(void (*fn)(void));

/* ---- spaces and regions ---- */

enum bus_unmapped { BUS_UNMAPPED_ERROR, BUS_UNMAPPED_ZEROS, BUS_UNMAPPED_ONES };

/* bp_space is the plugins' name of it. All zero is an empty space whose accesses fail. */
struct bus_space {
	struct bus_region *root; /* a container of 2^64 bytes */
	const char *name;
	uint32_t unmapped; /* enum bus_unmapped */
};
void bus_space_init(struct bus_space *s, const char *name, enum bus_unmapped unmapped);
void bus_space_finish(struct bus_space *s);
static inline bp_space *bus_space_handle(struct bus_space *s)
{
	return (bp_space *)s;
}

/* Regions. last is the last byte, size - 1, so that 2^64 can be said. Names are copied. [main] */
struct bus_region *bus_container_new(const char *name, uint64_t last);
struct bus_region *bus_ram_region_new(const char *name, struct bus_ram *ram);
struct bus_region *bus_alias_new(const char *name, uint64_t last);
typedef int bus_translate_fn(void *self, const struct bp_access *how, uint64_t offset, bool write,
	struct bp_iommu_result *result);
struct bus_region *bus_translated_new(const char *name, uint64_t last, struct bus_space *target,
	bus_translate_fn *translate, void *self);
/* Unmaps it everywhere; aliases to it show nothing. NULL does nothing. */
void bus_region_free(struct bus_region *r);
const char *bus_region_name(const struct bus_region *r);
uint64_t bus_region_last(const struct bus_region *r);
struct object *bus_region_object(const struct bus_region *r);

/* Show [offset, ...) of target (NULL: nothing) in the alias from now on; no view is rebuilt. [owner] */
void bus_alias_point(struct bus_region *alias, struct bus_region *target, uint64_t offset);

/* Map bytes [offset, offset + last] of a region at base of a container. Where windows overlap the
 * higher priority wins, then the one mapped first. NULL: it does not fit, or too many windows. */
struct bus_window *bus_map(struct bus_region *container, struct bus_region *r, uint64_t base,
	uint64_t offset, uint64_t last, int priority);
void bus_unmap(struct bus_window *w);
void bus_window_enable(struct bus_window *w, bool on);
int bus_window_move(struct bus_window *w, uint64_t base);

/* Changes between begin and commit become visible together, each space at once. Nests; other
 * threads' changes wait. [any] */
void bus_transaction_begin(void);
void bus_transaction_commit(void);

/* fn is called after a change of what the space shows, on the thread that made it, inside whatever
 * domain that is in: it may only take note. [main] */
void bus_on_change(struct bus_space *s, void (*fn)(void *arg), void *arg);
void bus_off_change(struct bus_space *s, void (*fn)(void *arg), void *arg);

/* A window as mapped, for overlap reports and listings. */
struct bus_place {
	const struct bus_region *region;
	struct object *object; /* NULL: nobody's */
	const char *name; /* of the region */
	uint64_t base, last; /* in the space; both inclusive */
	int priority;
};
/* Windows of equal priority that overlap: fn for each window and one it collides with; how many. */
unsigned bus_overlaps(struct bus_space *s,
	void (*fn)(void *arg, const struct bus_place *a, const struct bus_place *b), void *arg);
/* The n-th range of the flat view, for listings; false after the last. */
bool bus_view_at(struct bus_space *s, unsigned n, struct bus_place *out);

/* Readers of views: regions and views found inside stay until the end. Nests. [any] */
void bus_reader_begin(void);
void bus_reader_end(void);

/* ---- accesses ---- */

/* buf is in the order of the guest's memory. Returns enum bp_status; a read of several parts that
 * fails leaves buf undefined, a write may have reached the parts before. how NULL: a plain bus
 * master. [any] */
int bus_access(struct bus_space *s, uint64_t addr, void *buf, unsigned bytes, bool write,
	const struct bp_access *how);
/* The same for any length that fits the address space. */
int bus_access_long(struct bus_space *s, uint64_t addr, void *buf, uint64_t len, bool write,
	const struct bp_access *how);

struct bus_target { /* where an address leads */
	uint8_t *host; /* reads may go straight there; NULL: a device, or nothing */
	struct bus_ram *ram; /* whose memory host is */
	struct bus_region *region; /* NULL: nobody there */
	uint64_t offset; /* in ram; without it in region */
	uint64_t length; /* bytes from there on that are alike, at least 1 */
	bool writable; /* host may be written (then bus_ram_dirty) */
};
/* BP_OK, or BP_BUS_ERROR: nobody there. Good until the space changes. [any] */
int bus_resolve(struct bus_space *s, uint64_t addr, struct bus_target *out);
/* An aligned word of at most 8 bytes for a device that takes it by one call: enum bp_status, or
 * BUS_GENERAL, nothing done: another kind of region, another size, or this thread is inside the device;
 * then bus_access() is the way. *value is zero-extended. [cpu] */
enum { BUS_GENERAL = -1 };
int bus_device_read(struct bus_region *r, uint64_t offset, unsigned bytes, uint64_t *value,
	const struct bp_access *how);
int bus_device_write(struct bus_region *r, uint64_t offset, unsigned bytes, uint64_t value,
	const struct bp_access *how);
/* An access to a region that bus_resolve found, inside [offset, offset + length). [any] */
int bus_device_access(struct bus_region *r, uint64_t offset, void *buf, unsigned bytes, bool write,
	const struct bp_access *how);

/* ---- an object's windows ---- */

/* Make the windows of the type's table (o->regions); properties are set. 0, or -1 after
 * object_fail. */
int bus_object_init(struct object *o, bp_error *err);
void bus_object_finish(struct object *o);
/* Registers take their reset values: at BP_RESET_ENTER, before the object's own reset(). */
void bus_object_reset(struct object *o);
/* Index of a region by name (NULL: the first), or -1. */
int bus_object_find_region(const struct object *o, const char *name);
unsigned bus_object_region_count(const struct object *o);
struct bus_region *bus_object_region(const struct object *o, unsigned n);
struct bus_ram *bus_object_ram(const struct object *o, unsigned n); /* NULL: no memory */
/* Map [offset, offset + size) of a region (size 0: all from offset on) at base. 0, or -1 after
 * object_fail. Each region may be mapped several times. */
int bus_object_map(struct object *o, unsigned region, struct bus_space *s, uint64_t base,
	uint64_t size, uint64_t offset, int priority, bp_error *err);
/* The n-th window of the object; false after the last. */
bool bus_object_place(
	const struct object *o, unsigned n, struct bus_place *out, struct bus_space **space);
/* Random accesses to all regions of an object, as many as the bytes give: the device fuzzer. */
void bus_object_fuzz(struct object *o, const uint8_t *data, size_t len);

/* Members of struct bp_host. */
int space_access(bp_space *space, uint64_t addr, void *buf, uint64_t len, int write,
	const struct bp_access *how);
void transaction_begin(void *self);
void transaction_commit(void *self);
void region_enable(void *self, unsigned region, int on);
int region_move(void *self, unsigned region, uint64_t base);
void *region_memory(void *self, unsigned region);
void region_dirty(void *self, unsigned region, uint64_t offset, uint64_t len);
void region_direct(void *self, unsigned region, int on);
bp_window *window_new(void *object, unsigned region);
void window_free(bp_window *window);
int window_show(bp_window *window, bp_space *space, uint64_t base, uint64_t offset, uint64_t len,
	int priority);
uint64_t window_bytes(const bp_window *window);

/* The core's own types, ended by a NULL id: space (offers "bp.space/1": its struct bus_space, also
 * before create), ram, rom. Tables have the strides of this build. */
extern const struct bp_type bus_types[];

#endif
