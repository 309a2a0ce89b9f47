/* SPDX-License-Identifier: MIT */
/* The plugin ABI: one exported data symbol, tables of types, values and the host's services.
 *
 * A plugin exports ONE data symbol, bp_plugin_1, and imports nothing from the core: every service
 * is a member of struct bp_host or an interface asked for by name. What can be a table is a table,
 * so that the host can list, check, wire, save and trace an object without calling into it. */
#ifndef BACKPLANE_PLUGIN_H
#define BACKPLANE_PLUGIN_H
#include <backplane/base.h>
#ifdef __cplusplus
extern "C" {
#endif

/* ---- values: one vocabulary for properties, saved state and registers ---- */

enum bp_vtype {
	BP_END = 0,
	BP_BOOL, /* uint8_t, 0 or 1 */
	BP_U8,
	BP_U16,
	BP_U32,
	BP_U64,
	BP_S32,
	BP_S64,
	BP_STR, /* const char *, owned by the host, NULL when not given */
	BP_SIZE, /* uint64_t; written as an integer or "128M", "1.5G", "60K" */
	BP_ENUM, /* uint32_t, an index into .names */
	BP_LINK, /* a pointer, NULL when not given; .names[0] is the interface asked for:
			 *   "bp.space/1"  bp_space *     "bp.dma/1"  bp_dma *
			 *   "bp.chr/1"    bp_chr *       any other   const struct bp_link *  */
	BP_LINKS, /* struct bp_links; written as a list or with "*" and ranges */
	BP_BYTES, /* uint8_t[count] */
	BP_STRUCT, /* state only: a nested struct (array of .count), its table in .sub */
	BP_TIMER, /* state only: bp_timer *, its due time is saved */
	BP_LINE, /* state only: bp_line *, its level is saved */
	BP_U128 /* two uint64_t, low half first */
};

struct bp_link { /* another object's interface; owned by the host */
	uint32_t size, reserved;
	void *self; /* the first argument of the functions in ops */
	const void *ops; /* what the object's interface() returned */
	const char *name; /* the object's name, for messages */
};

struct bp_links {
	uint32_t count, reserved;
	const struct bp_link *const *link;
};

enum bp_field_flags {
	BP_F_REQUIRED = 1, /* the machine file must give it */
	BP_F_RUNTIME = 2, /* may be set while the machine runs; changed() is called */
	BP_F_RANGE = 4, /* numbers must lie in min..max */
	BP_F_WHOLE = 8 /* state: all of an array is in use, always */
};

struct bp_field { /* an element of a table that ends with a NULL name */
	const char *name; /* lower case, words joined by '-' (properties) or '_' (state) */
	const char *help; /* properties: one line, with the unit */
	uint32_t offset; /* of the value in the instance */
	uint16_t type, flags; /* enum bp_vtype, enum bp_field_flags */
	uint32_t count; /* array length; 0 means 1 */
	/* State that is an array: where a uint32_t says how many are in use. 0: the field has
	 * BP_F_WHOLE, or is no array; a table with an array of neither is refused. */
	uint32_t count_offset;
	uint64_t def; /* default of numbers; BP_STR: see def_str */
	uint64_t min, max; /* with BP_F_RANGE; both inclusive */
	const char *def_str;
	const char *const *names; /* BP_ENUM: the words, NULL ended; BP_LINK(S): the interface */
	const struct bp_field *sub; /* BP_STRUCT: the table of one element */
	uint32_t sub_size, since; /* BP_STRUCT: its size; state version that added the field */
};
#define BP_FIELD(S, m, t)   .name = #m, .offset = (uint32_t)offsetof(S, m), .type = (t)
#define BP_PROP(S, m, t, n) .name = (n), .offset = (uint32_t)offsetof(S, m), .type = (t)

/* ---- clocks ---- */

enum bp_clock {
	BP_CLOCK_VIRTUAL = 0, /* guest time: stands still while the machine is paused */
	BP_CLOCK_HOST, /* monotonic host time */
	BP_CLOCK_REALTIME /* wall clock, ns since 1970-01-01 UTC */
};

enum bp_log_level { BP_LOG_ERROR, BP_LOG_WARN, BP_LOG_GUEST, BP_LOG_INFO, BP_LOG_DEBUG };

enum bp_request { /* what an object may ask of the machine; done soon, not at once */
	BP_REQ_POWEROFF = 1, /* exit status: code */
	BP_REQ_RESET, /* all objects; code is ignored */
	BP_REQ_PAUSE,
	BP_REQ_RESUME,
	BP_REQ_QUIT, /* the user leaves: exit status code */
	BP_REQ_SAVE /* to the file the user gave for that; code is ignored */
};

struct bp_access; /* bus.h */
struct bp_iommu;
struct bp_chr_front; /* chr.h */
struct bp_chr_info;

/* ---- what the core offers to every object; `self` is always the caller's instance ---- */
struct bp_host {
	uint32_t size, abi_minor;
	const char *name, *version; /* "backplane" and its version, for people */

	/* Report one sentence and return -1: `return host->fail(err, "...")`. The host adds the
	 * object's name and its place in the machine file. [any] */
	int (*fail)(bp_error *err, const char *fmt, ...) BP_PRINTF(2, 3);
	/* One log line on stderr, rate limited for BP_LOG_GUEST. [any] */
	void (*log)(const void *self, int level, const char *fmt, ...) BP_PRINTF(3, 4);
	/* The name of this object in the machine file. [any] */
	const char *(*name_of)(const void *self);
	/* A service of the core by name ("bp.machine/1", "bp.cpu-core/1", "bp.float/1"), or NULL. [any] */
	const void *(*interface)(const char *id);
	/* The machine lock and other domains know who is inside: enter and leave the caller's own
	 * domain from a thread of the caller's own. [any, blocks] */
	void (*enter)(void *self);
	void (*leave)(void *self);
	/* Run fn(self, arg) soon inside self's domain, on the main loop's thread. [any] */
	void (*post)(void *self, void (*fn)(void *self, uint64_t arg), uint64_t arg);
	/* Power off, reset, pause... [any] */
	void (*request)(const void *self, int request, int code);

	/* Set a wire's level; NULL line: nothing is connected, nothing happens. [any] */
	void (*line_set)(bp_line *line, int level);
	int (*line_get)(const bp_line *line);

	/* Nanoseconds of a clock. [any] */
	int64_t (*now)(const void *self, int clock);
	/* A timer that calls fire(self, arg) inside self's domain; not armed. Freed with the object.
	 * [main] in create */
	bp_timer *(*timer_new)(
		void *self, int clock, void (*fire)(void *self, uint64_t arg), uint64_t arg);
	/* Arm for the given time of the timer's clock (in the past: fires soon), or disarm. [owner] */
	void (*timer_at)(bp_timer *timer, int64_t ns);
	void (*timer_cancel)(bp_timer *timer);

	/* Call ready(self, fd, events) inside self's domain when fd is readable (1), writable (2) or
	 * hung up (4). watch_set changes the events wanted; watch_free ends it. [main] */
	bp_watch *(*watch_new)(void *self, int fd, unsigned events,
		void (*ready)(void *self, int fd, unsigned events));
	void (*watch_set)(bp_watch *watch, unsigned events);
	void (*watch_free)(bp_watch *watch);

	/* Guest memory for bus masters. Return an enum bp_status; a part that failed leaves the rest
	 * undefined for reads, unwritten for writes. NULL dma: BP_BUS_ERROR. [any] */
	int (*dma_read)(bp_dma *dma, uint64_t addr, void *buf, uint64_t len);
	int (*dma_write)(bp_dma *dma, uint64_t addr, const void *buf, uint64_t len);
	/* A pointer to RAM at addr for as many bytes as are contiguous, at most *len; NULL if it is not
	 * RAM. write: 0 read, 1 write. Unmap with the bytes really written, which marks them dirty. */
	void *(*dma_map)(bp_dma *dma, uint64_t addr, uint64_t *len, int write);
	void (*dma_unmap)(bp_dma *dma, void *ptr, uint64_t len, uint64_t written);
	/* Access a space with explicit attributes (loaders, debuggers). Returns enum bp_status. [any] */
	int (*space_access)(bp_space *space, uint64_t addr, void *buf, uint64_t len, int write,
		const struct bp_access *how);

	/* Change the windows of one's own regions (index into the region table). Changes between
	 * transaction_begin and _commit become visible together. [owner] */
	void (*transaction_begin)(void *self);
	void (*transaction_commit)(void *self);
	void (*region_enable)(void *self, unsigned region, int on);
	int (*region_move)(void *self, unsigned region, uint64_t base);
	/* Memory of a BP_REGION_MEMORY region, and its dirty range. [owner] */
	void *(*region_memory)(void *self, unsigned region);
	void (*region_dirty)(void *self, unsigned region, uint64_t offset, uint64_t len);
	/* BP_REGION_MEMORY: reads go straight to the memory (1, the default) or to read() (0). [owner] */
	void (*region_direct)(void *self, unsigned region, int on);

	/* Byte streams: see chr.h. */
	void (*chr_attach)(void *self, bp_chr *chr, const struct bp_chr_front *front);
	size_t (*chr_write)(bp_chr *chr, const void *buf, size_t len);
	void (*chr_ready)(bp_chr *chr);
	size_t (*chr_receive)(void *self, const void *buf, size_t len);
	void (*chr_event)(void *self, int event);
	/* Back ends: whether a device uses this one; known from realise on. [any] */
	int (*chr_attached)(const void *self);
	/* Random bytes for the guest: the host's, or in deterministic mode a sequence of self's own that
	 * the machine's seed decides. [owner] */
	void (*random)(void *self, void *buf, size_t len);

	/* Buses whose guests decide where cards are: a window onto a region of `object`, the bus itself
	 * or one of its cards, by index in its type's table; shown nowhere at first. NULL: there is no
	 * such region. Freed in destroy. [main] */
	bp_window *(*window_new)(void *object, unsigned region);
	void (*window_free)(bp_window *window);
	/* Show bytes [offset, offset + len) of it at base of a space from now on, in front of windows of
	 * lower priority (the machine file's have 0); nothing, if it is there already. space NULL, or len
	 * 0: nowhere. 0, or -1: it does not fit and is nowhere. [owner] */
	int (*window_show)(bp_window *window, bp_space *space, uint64_t base, uint64_t offset,
		uint64_t len, int priority);
	uint64_t (*window_bytes)(const bp_window *window); /* of the region. [any] */
	/* Guest memory for a card, behind its bus: `iommu` decides, asked with iommu_self and the
	 * requester id. Freed in destroy. [main]; dma_requester: [owner] */
	bp_dma *(*dma_new)(void *object, const struct bp_iommu *iommu, void *iommu_self);
	void (*dma_requester)(bp_dma *dma, uint32_t requester);
	void (*dma_free)(bp_dma *dma);
	/* Who is at the other end of a byte stream; NULL chr: nobody. Deterministic: no window. [any] */
	void (*chr_info)(bp_chr *chr, struct bp_chr_info *info);

	/* Nobody needs what is in mapped memory any more: whole pages of it read as zeros, or as before, and
	 * the host may have the memory back. NULL dma: any that is mapped. [any] */
	void (*dma_discard)(bp_dma *dma, void *ptr, uint64_t len);

	/* Run job(self, arg) on a thread of the host's, in no domain: it may block. Then done(self, arg)
	 * inside self's domain, soon. Jobs run in any order; a snapshot waits for them. In deterministic
	 * mode the job is run by this call. [owner] */
	void (*work)(void *self, void (*job)(void *self, uint64_t arg),
		void (*done)(void *self, uint64_t arg), uint64_t arg);
	/* Returns when no job of self's is under way: done was called for all. Before destroy the host
	 * waits too, but calls no done. [owner] */
	void (*work_drain)(void *self);
};

/* ---- objects ---- */

enum bp_threads { /* who may be inside an instance at once */
	BP_SERIAL_MACHINE = 0, /* the machine lock */
	BP_SERIAL_DEVICE, /* one lock for each instance */
	BP_PARALLEL /* anyone: the type synchronises for itself */
};

enum bp_reset_step {
	BP_RESET_ENTER = 0, /* own state only: no wire, no access */
	BP_RESET_HOLD, /* still in reset: may look at others */
	BP_RESET_LEAVE /* drive outputs, load images */
};

struct bp_region; /* device.h */
struct bp_pin;

struct bp_object { /* what every kind of type has; the host allocates instances zeroed */
	uint32_t size, instance_size;
	uint32_t threads; /* enum bp_threads */
	uint32_t state_version, state_oldest, reserved;
	const struct bp_field *props, *state; /* NULL: none */
	const struct bp_region *regions; /* windows that can be mapped (device.h) */
	const struct bp_pin *out, *in; /* wires (device.h) */
	/* Properties, links and output pins are set. create: 0, or -1 after host->fail. [main] */
	int (*create)(void *self, const struct bp_host *host, bp_error *err);
	/* After every object is created and wired: last checks that need others. [main] */
	int (*realise)(void *self, bp_error *err);
	void (*reset)(void *self, int step); /* enum bp_reset_step; may not fail. [main] */
	void (*destroy)(void *self); /* create's inverse, also after a failed create. [main] */
	/* State that no table can describe; from_version as saved. [main] */
	int (*loaded)(void *self, uint32_t from_version, bp_error *err);
	/* An interface by name, e.g. "bp.chr-back/1": constant for the object's life, or NULL. [any] */
	const void *(*interface)(void *self, const char *id);
	void (*changed)(void *self, const char *prop); /* a BP_F_RUNTIME property. [main] */
};

enum bp_kind {
	BP_KIND_DEVICE = 1,
	BP_KIND_CPU, /* ext: const struct bp_cpu * (cpu.h) */
	BP_KIND_BOARD,
	BP_KIND_CHR, /* byte stream back end */
	BP_KIND_TOOL, /* ext: const struct bp_tracer * (trace.h) */
	BP_KIND_SERVICE, /* an interface for others: disassembler, compression */
	BP_KIND_ISA_EXTENSION,
	BP_KIND_BUS,
	BP_KIND_FORMAT,
	BP_KIND_NET,
	BP_KIND_UI,
	BP_KIND_OS /* ext: const struct bp_os * (os.h) */
};

struct bp_type { /* an element of a table that ends with a NULL id */
	const char *id; /* "ns16550a", "com.acme.npu": as in the manifest */
	const char *summary; /* one line */
	uint32_t kind, reserved;
	const struct bp_object *object;
	const void *ext; /* what the kind needs beside, or NULL */
};

struct bp_plugin {
	uint32_t size, abi_minor; /* of the headers it was built with */
	/* Tables are arrays, so the size of their elements is part of the contract: the host walks
	 * each with the plugin's stride. BP_PLUGIN_HEAD fills these in. */
	uint32_t type_size, field_size, region_size, reg_size, pin_size, cpu_reg_size, helper_size,
		reserved;
	const char *name, *version, *license, *url;
	const struct bp_type *types;
};
#define BP_PLUGIN_HEAD                                                                             \
	.size = sizeof(struct bp_plugin), .abi_minor = BP_ABI_MINOR,                               \
	.type_size = sizeof(struct bp_type), .field_size = sizeof(struct bp_field),                \
	.region_size = sizeof(struct bp_region), .reg_size = sizeof(struct bp_reg),                \
	.pin_size = sizeof(struct bp_pin), .cpu_reg_size = sizeof(struct bp_cpu_reg),              \
	.helper_size = sizeof(struct bp_helper)

#ifdef BP_STATIC /* the same source, linked into a static build */
#define BP_PLUGIN_SYM(name) bp_plugin_1_##name
#else
#define BP_PLUGIN_SYM(name) bp_plugin_1
#endif
#define BP_PLUGIN(name)                                                                            \
	extern __attribute__((visibility("default"))) const struct bp_plugin BP_PLUGIN_SYM(name);  \
	const struct bp_plugin BP_PLUGIN_SYM(name)

#ifdef __cplusplus
}
#endif
#include <backplane/cpu.h>
#include <backplane/device.h>
#endif
