/* SPDX-License-Identifier: MIT */
/* Disks: what a device sees ("bp.blk/1"), and what a disk format is ("bp.blk-format/1").
 *
 *     device --bp.blk/1--> drive --> format node --> [filter node] --> file node
 *                                        |-- backing: another such chain, read-only
 *                                        `-- data: a file node
 *
 * Stable: bp.blk/1 and all that it uses (to "formats"). Formats and bp.blk-layer/1 still grow, by
 * the rules of base.h: members at the end.
 *
 * Units. Offsets and lengths are bytes. A device's requests are multiples of info.block_size and end
 * within info.bytes; a format's may begin and end anywhere within its size, but for a write with
 * BP_BLK_COMPRESSED. Results are 0 or a negated errno of the host: -EIO, -ENOSPC, -EINVAL (does not
 * fit the image), -EROFS, -ECANCELED, -ENOTSUP.
 *
 * Order. Requests that are under way together have no order, and those that overlap leave, for each
 * 512 bytes, what one of them said. A flush makes durable every write whose done() was called before
 * the flush was submitted. What was not flushed may be lost or kept in any 512-byte pieces.
 *
 * Threads, beside the tags of base.h:
 *   [worker]  a thread of the block layer, in no domain; may block; several at once in one node */
#ifndef BACKPLANE_BLK_H
#define BACKPLANE_BLK_H
#include <backplane/base.h>
#ifdef __cplusplus
extern "C" {
#endif

struct bp_field; /* plugin.h */
struct bp_host;

/* ---- requests ---- */

enum bp_blk_op {
	BP_BLK_READ = 1,
	BP_BLK_WRITE,
	BP_BLK_FLUSH, /* offset, len and iov are ignored */
	BP_BLK_DISCARD, /* the contents do not matter any more; reads may give anything that was there,
			 * or zeros */
	BP_BLK_WRITE_ZEROES
};

enum bp_blk_flags {
	BP_BLK_FUA = 1, /* writes: durable when done */
	BP_BLK_UNMAP = 2, /* write zeroes: the space may be given back */
	BP_BLK_COMPRESSED = 4 /* writes by tools: a whole cluster, or the last of the image */
};

struct bp_blk_iov { /* a piece of memory; any alignment */
	void *base;
	size_t len;
};

/* One request. The caller's memory: it, iov and the pieces stay as they are until done is called. Guest
 * memory may change under a write; what is written then is anything that was there. */
struct bp_blk_request {
	uint32_t size; /* of this struct */
	uint32_t op, flags; /* enum bp_blk_op, enum bp_blk_flags */
	uint32_t iov_count; /* read and write: the pieces' sum is len */
	uint64_t offset, len;
	const struct bp_blk_iov *iov;
	/* Called exactly once for each submit, never inside submit or cancel. [owner] of the device that
	 * attached. From its beginning the request is the caller's again. */
	void (*done)(void *owner, struct bp_blk_request *req, int result);
	uint64_t tag; /* the caller's */
	void *layer[8]; /* the layer's, from submit to done */
};

/* ---- "bp.blk/1": what a device sees ----
 *
 * A BP_LINK property of interface "bp.blk/1" gives a struct bp_link: its `self` is `blk` here, its
 * `ops` this table. The device attaches in create and detaches in destroy. */

enum bp_blk_info_flags {
	BP_BLK_READ_ONLY = 1, /* writes, discards and zeroes give -EROFS */
	BP_BLK_WRITE_CACHE = 2, /* writes are durable only after a flush */
	BP_BLK_CAN_DISCARD = 4, /* else a discard does nothing, with success */
	BP_BLK_ROTATES = 8
};

struct bp_blk_info {
	uint32_t size;
	uint32_t flags; /* enum bp_blk_info_flags */
	uint64_t bytes; /* of the disk: a multiple of block_size */
	uint32_t block_size; /* 512 or 4096: what offset and len are multiples of */
	uint32_t physical_size, optimal_size; /* smallest and best unit of writing */
	uint32_t discard_align;
	uint64_t max_transfer, max_discard, max_zeroes; /* bytes of one request; never 0 */
	uint32_t max_iov, reserved; /* pieces of one request */
};

enum bp_blk_event { BP_BLK_RESIZED = 1 };

struct bp_blk_front {
	uint32_t size, reserved;
	void (*event)(void *owner, int event); /* optional. [owner] */
};

struct bp_blk {
	uint32_t size, reserved;
	/* One device at a time. writable: it will write. 0, or -1 after an error: another one is there,
	 * or the drive is read-only and `writable` insists. [main] */
	int (*attach)(void *blk, void *owner, const struct bp_blk_front *front, int writable,
		bp_error *err);
	/* Cancels and waits for what is under way: done is called for it. [main] or [owner] */
	void (*detach)(void *blk);
	/* Fills at most out->size bytes, which the caller set. [any] */
	void (*info)(void *blk, struct bp_blk_info *out);
	/* Begin requests; a wrong one ends with -EINVAL. Does not block. [owner] */
	void (*submit)(void *blk, struct bp_blk_request *const *reqs, uint32_t count);
	/* If it has not begun it ends with -ECANCELED, soon; else as it would. [owner] */
	void (*cancel)(void *blk, struct bp_blk_request *req);
	/* Returns when nothing is under way: done was called for all, by this thread where need be. Those
	 * that wait for the machine to go on after an error (`on-error = "pause"`) stay: *held says how
	 * many. [owner] or [main] */
	void (*drain)(void *blk, uint32_t *held);
	/* Give up the held ones: they end with -ECANCELED. At reset. [owner] or [main] */
	void (*forget_held)(void *blk);
	/* 0: every write is as with BP_BLK_FUA, and info says no BP_BLK_WRITE_CACHE. The drive's cache
	 * mode is what holds at attach. [owner] */
	void (*write_cache)(void *blk, int on);
};

/* ---- nodes: what lies below a format ---- */

typedef struct bp_blk_node bp_blk_node; /* a file, a filter, a format; the layer's */

enum bp_blk_extent_flags {
	BP_BLK_DATA = 1, /* this node has bytes for it */
	BP_BLK_ZERO = 2, /* it reads as zeros */
	BP_BLK_ALLOCATED = 4, /* this node says what it reads, not its backing */
	BP_BLK_OFFSET = 8, /* host_offset is where it lies, as it is, in the file below */
	BP_BLK_IN_PIECES = 16 /* compressed */
};
struct bp_blk_extent {
	uint32_t size, flags; /* enum bp_blk_extent_flags */
	uint64_t len; /* at least 1: the answer holds so far */
	uint64_t host_offset;
};

enum bp_blk_prealloc {
	BP_BLK_PREALLOC_OFF,
	BP_BLK_PREALLOC_METADATA,
	BP_BLK_PREALLOC_FALLOC, /* space is reserved, not written */
	BP_BLK_PREALLOC_FULL /* zeros are written */
};

enum bp_blk_file_flags {
	BP_BLK_FILE_GROWS =
		1, /* a write beyond the end makes it longer, what lies between is zeros */
	BP_BLK_FILE_READ_ONLY = 2
};

/* The layer's service for formats, host->interface("bp.blk-layer/1"): what can be done with the nodes
 * below. Every function blocks; results are 0 or a negated errno. [worker], [main] in open, create */
struct bp_blk_layer {
	uint32_t size, reserved;
	/* Beyond the end reads give zeros. */
	int (*read)(bp_blk_node *node, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
		uint32_t iov_count);
	int (*write)(bp_blk_node *node, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
		uint32_t iov_count, unsigned flags);
	int (*flush)(bp_blk_node *node);
	int (*discard)(bp_blk_node *node, uint64_t offset, uint64_t len);
	int (*write_zeroes)(bp_blk_node *node, uint64_t offset, uint64_t len, unsigned flags);
	int (*bytes)(bp_blk_node *node, uint64_t *bytes);
	int (*resize)(bp_blk_node *node, uint64_t bytes, int prealloc);
	int (*map)(bp_blk_node *node, uint64_t offset, uint64_t len, struct bp_blk_extent *out);
	unsigned (*flags)(bp_blk_node *node); /* enum bp_blk_file_flags */
	/* Memory that suits the fastest reads and writes; NULL if there is none. [any] */
	void *(*memory)(size_t len);
	void (*memory_free)(void *memory, size_t len);
};

/* ---- "bp.blk-format/1": disk formats and filters ----
 *
 * A type of kind BP_KIND_FORMAT, its id "fmt-NAME" for `format = "NAME"`, with `ext` pointing to this
 * table. The layer makes an instance for each open image, sets the type's properties (the options of
 * opening), calls the type's `create`, which only keeps `host`, then open; close, then `destroy`.
 * `threads` is BP_PARALLEL: a format locks for itself. Nobody guesses formats: an image is of the
 * format that the user, or an image above it, names. Everything read from the image is hostile. */

enum bp_blk_format_flags {
	BP_BLK_FORMAT_FILTER = 1, /* stands between a format and a file */
	BP_BLK_FORMAT_BACKING = 2, /* images can have a backing image */
	BP_BLK_FORMAT_COMPRESSES = 4 /* BP_BLK_COMPRESSED is known */
};

enum bp_blk_open_flags {
	BP_BLK_OPEN_WRITE = 1,
	BP_BLK_OPEN_NO_BACKING = 2, /* do not open what is below: info, rebase of a broken chain */
	BP_BLK_OPEN_CHECK = 4, /* repairs are to come: open what else would be refused */
	BP_BLK_OPEN_NO_FLUSH = 8, /* cache = "unsafe": flushes are not passed on */
	BP_BLK_OPEN_INFO = 16 /* only looked at: nothing is read or written but metadata */
};

struct bp_blk_open { /* lives as long as the node is open */
	uint32_t size, flags; /* enum bp_blk_open_flags */
	bp_blk_node *file;
	const char *name; /* of the file, for messages */
	const struct bp_blk_layer *layer;
	/* In open: open what the image names. The layer closes it, finds loops and bounds the depth.
	 * format NULL: the image does not say; an error, but for data, which is a plain file. NULL after
	 * an error. [main] */
	bp_blk_node *(*backing)(
		const struct bp_blk_open *how, const char *name, const char *format, bp_error *err);
	bp_blk_node *(*data)(const struct bp_blk_open *how, const char *name, bp_error *err);
};

struct bp_blk_facts { /* the answer of info; strings live as long as the node */
	uint32_t size, reserved;
	uint32_t cluster_size; /* 0: none */
	uint8_t encrypted, compressed, dirty, corrupt;
	const char *backing, *backing_format; /* as the image says; NULL: none */
	const char *data_file;
};

/* One fact of this format alone: number, text (text not NULL) or truth (kind 1). */
typedef void bp_blk_fact(
	void *context, const char *key, int is_truth, uint64_t number, const char *text);

enum bp_blk_repair { BP_BLK_REPAIR_LEAKS = 1, BP_BLK_REPAIR_ALL = 3 };
struct bp_blk_check {
	uint32_t size;
	uint32_t repair; /* enum bp_blk_repair, 0: only look */
	void (*say)(void *context, const char *line); /* each fault, one line */
	void *context;
	/* Written by check: */
	uint64_t errors, leaks, errors_fixed, leaks_fixed,
		failures; /* failures: could not be read */
	uint64_t end; /* bytes of the file that are in use */
	uint64_t clusters, allocated, compressed, fragmented;
};

struct bp_blk_snapshot { /* strings live until the next change of snapshots */
	uint32_t size, reserved;
	const char *id, *name;
	uint64_t state_bytes, date_s, clock_ns, disk_bytes, icount; /* icount ~0: unknown */
	uint32_t date_ns, reserved2;
};

struct bp_blk_measure {
	uint32_t size, reserved;
	uint64_t disk_bytes; /* given */
	uint64_t data_bytes; /* given: of it, what will be written, in whole clusters */
	uint64_t required, full; /* the file's bytes; with every byte of the disk written */
};

struct bp_blk_format {
	uint32_t size, flags; /* enum bp_blk_format_flags */
	/* Options of create, amend and measure: a table as for properties, values in a struct of
	 * create_size bytes that the layer fills. NULL: none. */
	const struct bp_field *create_options;
	uint32_t create_size, reserved;
	/* Writes an empty image of `bytes` into an empty file; `data` is the file that an option
	 * "data_file" names, or NULL. 0, or -1 after host->fail. [main] */
	int (*create)(const struct bp_host *host, const struct bp_blk_layer *layer,
		bp_blk_node *file, bp_blk_node *data, uint64_t bytes, const void *options,
		bp_error *err);
	int (*measure)(const struct bp_host *host, const void *options,
		struct bp_blk_measure *measure, bp_error *err);

	/* The life of an image; -1 after host->fail. close makes all durable. [main] */
	int (*open)(void *self, const struct bp_blk_open *how, bp_error *err);
	int (*close)(void *self, bp_error *err);
	uint64_t (*bytes)(void *self); /* of the disk. [any] */
	void (*facts)(void *self, struct bp_blk_facts *out, bp_blk_fact *fact, void *context);

	/* Requests, within the disk. 0 or a negated errno. [worker] */
	int (*read)(void *self, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
		uint32_t iov_count);
	int (*write)(void *self, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
		uint32_t iov_count, unsigned flags);
	int (*flush)(void *self);
	int (*discard)(void *self, uint64_t offset, uint64_t len);
	int (*write_zeroes)(void *self, uint64_t offset, uint64_t len, unsigned flags);
	/* What the disk holds at offset, this node alone; out->len at most len. */
	int (*map)(void *self, uint64_t offset, uint64_t len, struct bp_blk_extent *out);

	/* Nothing else is under way in these. Optional; -1 after host->fail. [main] */
	int (*resize)(void *self, uint64_t bytes, int prealloc, bp_error *err);
	int (*check)(void *self, struct bp_blk_check *check, bp_error *err);
	int (*snapshot)(void *self, unsigned n, struct bp_blk_snapshot *out); /* -1: no n-th */
	int (*snapshot_create)(void *self, const char *name, uint64_t date_ns, bp_error *err);
	int (*snapshot_apply)(void *self, const char *name, bp_error *err); /* an id or a name */
	int (*snapshot_delete)(void *self, const char *name, bp_error *err);
	/* Another backing image, NULL: none; contents are the caller's care. */
	int (*set_backing)(void *self, const char *name, const char *format, bp_error *err);
	/* options: as for create; given[n] tells which of the table were given. */
	int (*amend)(void *self, const void *options, const uint8_t *given, bp_error *err);
	/* Forget all contents of this node, so that the backing shows again: after a commit. */
	int (*make_empty)(void *self, bp_error *err);
	/* 1: the disk is a part of the file, byte for byte, from *offset on, for as long as it is open:
	 * reads, writes and flushes may pass the format by. [any] */
	int (*plain)(void *self, uint64_t *offset);
};

#ifdef __cplusplus
}
#endif
#endif
