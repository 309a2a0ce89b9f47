/* SPDX-License-Identifier: MIT */
/* Disks: nodes that can be read and written, and the drive that a device uses.
 *
 *   block_file.c     a host file or block device: cache modes, locks, holes
 *   block_format.c   a plugin's format or filter over other nodes; opening chains, creating images
 *   block_overlay.c  a throw-away layer over another node
 *   block.c          what is the same for all nodes; "bp.blk-layer/1"
 *   block_pool.c     threads for requests that block
 *   block_ring.c     io_uring: requests that go to a file as they are
 *   drive.c          the type "drive", "bp.blk/1": requests of a device
 *
 * Everything about a node blocks. Asynchronous is the drive: it hands requests to the ring where the
 * disk is a file byte for byte, else to the pool. */
#ifndef HOST_BLOCK_H
#define HOST_BLOCK_H
#include "plugin/types.h"
#include <backplane/blk.h>
#include <stdio.h>

enum {
	BLK_SECTOR = 512, /* the unit of disks */
	BLK_CHAIN_MAX = 200 /* images that lie behind each other */
};

struct blk_ops { /* of a kind of node; lengths are within the node's size */
	int (*read)(bp_blk_node *n, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
		uint32_t iov_count);
	int (*write)(bp_blk_node *n, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
		uint32_t iov_count, unsigned flags);
	int (*flush)(bp_blk_node *n);
	int (*discard)(bp_blk_node *n, uint64_t offset, uint64_t len);
	int (*write_zeroes)(bp_blk_node *n, uint64_t offset, uint64_t len, unsigned flags);
	int (*bytes)(bp_blk_node *n, uint64_t *bytes);
	int (*resize)(bp_blk_node *n, uint64_t bytes, int prealloc);
	int (*map)(bp_blk_node *n, uint64_t offset, uint64_t len, struct bp_blk_extent *out);
	int (*close)(bp_blk_node *n, struct error_list *errors);
};

struct bp_blk_node { /* every kind of node begins with it */
	const struct blk_ops *ops;
	char *name; /* of the file */
	unsigned flags; /* enum bp_blk_file_flags */
};

struct blk_spec { /* how an image is opened */
	const char *file, *format; /* format NULL: the file itself */
	const char *options; /* "key=value,..." of the format, or NULL */
	const char *filter; /* "NAME,key=value,...": between format and file, or NULL */
	const char *backing_format; /* where an image does not say it, or NULL */
	unsigned open; /* enum bp_blk_open_flags */
	bool direct; /* past the host's cache */
	bool shared; /* no locks are taken */
};

/* NULL after errors. [main] */
bp_blk_node *blk_open(
	const struct bp_host *host, const struct blk_spec *spec, struct error_list *errors);
/* Makes all durable; NULL is accepted. 0, or -1 after errors. */
int blk_close(bp_blk_node *n, struct error_list *errors);

/* A file alone. create: make it, or cut it to nothing. */
bp_blk_node *blk_file_open(const char *name, unsigned open, bool direct, bool shared, bool create,
	struct error_list *errors);
/* A layer over base, which it takes; what is written is gone at close. */
bp_blk_node *blk_overlay(bp_blk_node *base, struct error_list *errors);

/* The same for all nodes; results 0 or a negated errno. Reads beyond the end give zeros. */
int blk_read(bp_blk_node *n, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
	uint32_t iov_count);
int blk_write(bp_blk_node *n, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
	uint32_t iov_count, unsigned flags);
int blk_flush(bp_blk_node *n);
int blk_discard(bp_blk_node *n, uint64_t offset, uint64_t len);
int blk_write_zeroes(bp_blk_node *n, uint64_t offset, uint64_t len, unsigned flags);
int blk_bytes(bp_blk_node *n, uint64_t *bytes);
int blk_resize(bp_blk_node *n, uint64_t bytes, int prealloc);
int blk_map(bp_blk_node *n, uint64_t offset, uint64_t len, struct bp_blk_extent *out);
/* With one piece of memory. */
int blk_pread(bp_blk_node *n, uint64_t offset, void *buf, uint64_t len);
int blk_pwrite(bp_blk_node *n, uint64_t offset, const void *buf, uint64_t len);
void *blk_memory(size_t len);
void blk_memory_free(void *memory, size_t len);
extern const struct bp_blk_layer blk_layer;

/* Pieces [from, from + len) of iov into out, which has room for count; returns how many. */
uint32_t blk_iov_part(struct bp_blk_iov *out, const struct bp_blk_iov *iov, uint32_t count,
	uint64_t from, uint64_t len);
void blk_iov_zero(const struct bp_blk_iov *iov, uint32_t count, uint64_t from, uint64_t len);
bool blk_is_zero(const void *memory, size_t len);

/* ---- formats ---- */

/* The table of a format, its type and its id; NULL after an error. */
const struct bp_blk_format *blk_format(
	const char *name, const struct type **type, struct error_list *errors);
/* Of a node that is a format: the table, and the first argument of its functions; else NULL. */
const struct bp_blk_format *blk_format_of(bp_blk_node *n, void **self);
/* What lies behind or below a format's node, or NULL. */
bp_blk_node *blk_backing(bp_blk_node *n);
bp_blk_node *blk_file_of(bp_blk_node *n);
/* The bp_error for the functions of a format's node. */
bp_error blk_error(bp_blk_node *n, struct error_list *errors);

struct blk_options { /* values for a format's create_options */
	const struct bp_field *table;
	uint32_t stride, size;
	void *values;
	uint8_t *given; /* by the row */
};
void blk_options_init(
	struct blk_options *o, const struct bp_blk_format *f, const struct type *type);
/* A list as above. 0, or -1 after errors. */
int blk_options_parse(struct blk_options *o, const char *text, struct error_list *errors);
int blk_options_set(
	struct blk_options *o, const char *key, const char *value, struct error_list *errors);
const char *blk_options_text(const struct blk_options *o, const char *key);
uint64_t blk_options_number(const struct blk_options *o, const char *key);
void blk_options_finish(struct blk_options *o);

/* A new, empty image of `bytes`. 0, or -1 after errors. */
int blk_create(const struct bp_host *host, const char *file, const char *format, uint64_t bytes,
	struct blk_options *o, struct error_list *errors);
/* A name in an image is meant relative to the image's folder; freed with g_free. */
char *blk_relative(const char *image, const char *name);

/* ---- threads ---- */

struct blk_task {
	void (*run)(struct blk_task *t);
	struct blk_task *next;
};
void blk_pool_add(struct blk_task *t);
/* Takes back what no thread has begun. */
bool blk_pool_remove(struct blk_task *t);
/* Ends the threads once all is done. */
void blk_pool_finish(void);

/* ---- io_uring ---- */

struct blk_ring;
enum { BLK_RING_DEPTH = 256, BLK_RING_BLOCKING = 1 };
struct blk_ring_user {
	/* 0, a negated errno, or BLK_RING_BLOCKING: nothing can be said but by the calls that block
	 * (less was transferred, the kernel lacks memory). */
	void (*done)(void *context, struct bp_blk_request *r, int result);
	/* After some done(), on the ring's own thread, in no domain. */
	void (*idle)(void *context);
	void *context;
};
/* NULL: the node is not a file byte for byte, or the kernel has no such queue or lets one have none. */
struct blk_ring *blk_ring_new(bp_blk_node *n, const struct blk_ring_user *user);
void blk_ring_destroy(struct blk_ring *g); /* when nothing is under way */
/* False: it must be done by the calls that block. through: durable when done. Begun by the next: */
bool blk_ring_add(struct blk_ring *g, struct bp_blk_request *r, bool through);
void blk_ring_submit(struct blk_ring *g);
/* Calls done() for what has ended. Only who keeps the ring's own thread from it needs this. */
void blk_ring_reap(struct blk_ring *g);

bool blk_is_file(const bp_blk_node *n);
/* The file whose bytes the disk is, from *offset on, or NULL. */
bp_blk_node *blk_plain(bp_blk_node *n, uint64_t *offset);
/* Its descriptor, if the request can go there as it is, until leave; else -1. */
int blk_file_enter(bp_blk_node *n, const struct bp_blk_request *r, uint64_t offset);
void blk_file_leave(bp_blk_node *n, uint32_t op, int result);

/* ---- drives ---- */

extern const struct bp_type host_types[];
/* Wait until nothing is under way in any drive, but what is held after an error. [main] */
void drives_drain(void);

/* The drive that an object is grows, and its device is told; 0, or -1 after errors. In no domain.
 * [main] */
int drive_resize(struct object *o, uint64_t bytes, struct error_list *errors);

struct blk_cache_mode {
	const char *name;
	bool write_back, direct, no_flush;
};
/* NULL: no such mode. */
const struct blk_cache_mode *blk_cache_mode(const char *name);
extern const char *const blk_cache_modes[];

#endif
