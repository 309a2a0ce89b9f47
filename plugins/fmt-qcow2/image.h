/* SPDX-License-Identifier: MIT */
/* An open qcow2 image (docs/interop/qcow2 of QEMU is the specification; "spec" below).
 *
 *   header.c     header and extensions: reading, writing, checking each field
 *   cache.c      slices of L2 tables and refcount blocks in memory; commit: the order of writing
 *   refcount.c   reference counts, finding and giving back clusters
 *   map.c        guest offset -> what is there
 *   io.c         read, write, discard, write zeroes
 *   compress.c   compressed clusters
 *   bitmap.c     bitmaps of dirty clusters
 *   luks.c       the header of encrypted images, and the way to their key
 *   crypt.c      sectors encrypted with that key
 *   snapshot.c   internal snapshots
 *   check.c      consistency, and repairing it
 *   create.c     new images, preallocation, resize, amend
 *   qcow2.c      the plugin
 *
 * The order of writing. What a flush has acknowledged survives a crash in which any later write, or
 * any 512 bytes of it, is kept or lost. So, in this order, with a sync of the file between two lines:
 *
 *   1. data; L2 tables that no L1 entry on disk leads to yet; refcounts that grew
 *   2. entries of the refcount table for new refcount blocks (rarely any)
 *   3. L2 entries, then L1 entries: what they lead to is on disk, and counted
 *   4. only now clusters that 3. let go of lose their count, and can be used again
 *
 * A crash in between leaves clusters counted that nobody uses (leaks), never the other way round. A
 * commit takes copies of what is dirty at its beginning, so that entries which come later do not
 * overtake their data. Structures that are replaced as a whole (L1, refcount table, snapshot table)
 * are written elsewhere, then one sector of the header leads to them.
 *
 * Locks. `lock` guards everything in memory; it is not held while data is read or written. Requests
 * hold a span of guest clusters: shared for reads and writes in place, alone for what changes L2
 * entries. So a cluster is never given away under a request that still goes to it. */
#ifndef FMT_QCOW2_IMAGE_H
#define FMT_QCOW2_IMAGE_H
#include "crypt.h"
#include <backplane/blk.h>
#include <backplane/plugin.h>
#include <errno.h>
#include <glib.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>

enum {
	SECTOR = 512,
	CLUSTER_BITS_MIN = 9,
	CLUSTER_BITS_MAX = 21,
	SLICE_MAX = 4096, /* bytes of a table that are cached together */
	L1_MAX = 32 << 20, /* bytes */
	REFTABLE_MAX = 8 << 20,
	SNAPSHOTS_MAX = 65536,
	SNAPSHOT_TABLE_MAX = 64 << 20,
	NAME_MAX_BYTES = 1023,
	SUBCLUSTERS = 32,
	CRYPT_LUKS = 2, /* header.crypt */
	CRYPT_ITERATIONS_MAX = 64 << 20, /* a minute, or so */
	FREES_MAX = 8192 /* clusters let go of, before a commit is made for them */
};

/* Feature bits of the header. */
#define INCOMPATIBLE_DIRTY       UINT64_C(1)
#define INCOMPATIBLE_CORRUPT     UINT64_C(2)
#define INCOMPATIBLE_DATA_FILE   UINT64_C(4)
#define INCOMPATIBLE_COMPRESSION UINT64_C(8)
#define INCOMPATIBLE_EXTENDED_L2 UINT64_C(16)
#define INCOMPATIBLE_KNOWN       UINT64_C(31)
#define COMPATIBLE_LAZY          UINT64_C(1)
#define AUTOCLEAR_BITMAPS        UINT64_C(1)
#define AUTOCLEAR_DATA_RAW       UINT64_C(2)

#define ENTRY_COPIED     (UINT64_C(1) << 63) /* its refcount is exactly one */
#define ENTRY_COMPRESSED (UINT64_C(1) << 62)
#define ENTRY_ZERO       UINT64_C(1)
#define ENTRY_OFFSET     UINT64_C(0x00fffffffffffe00)
#define REFTABLE_OFFSET  UINT64_C(0xfffffffffffffe00)
#define OFFSET_MAX       (UINT64_C(1) << 56)
#define BITMAP_ALL       UINT64_C(0xffffffff) /* all subclusters */

struct extension { /* of the header, kept as it is */
	uint32_t type, len;
	uint8_t *data;
};

struct header { /* spec, "Header" */
	uint32_t version, cluster_bits, crypt, l1_size, reftable_clusters, snapshots;
	uint64_t backing_offset, size, l1_offset, reftable_offset, snapshots_offset;
	uint32_t backing_len, refcount_order, length;
	uint64_t incompatible, compatible, autoclear;
	uint8_t compression;
};

struct slice { /* a piece of a table */
	uint64_t offset; /* in the file */
	uint8_t *data;
	bool refcount, dirty, busy; /* busy: a commit writes it */
	struct slice *newer, *older; /* by last use */
};

struct span { /* guest clusters first..last that a request holds */
	uint64_t first, last;
	bool alone;
	struct span *next;
};

struct image {
	const struct bp_host *host;
	const struct bp_blk_open *how;
	const struct bp_blk_layer *layer;
	bp_blk_node *file, *data, *backing; /* data: the file, or the external data file */
	/* properties of opening */
	uint64_t cache_size;
	const char *data_file, *snapshot, *key_secret;
	uint32_t crypt_iterations;
	uint8_t lazy_refcounts;

	struct header h;
	char *backing_name, *backing_format, *data_name;
	GArray *extensions; /* struct extension: those that are not understood */
	uint32_t bitmaps;
	uint64_t bitmap_dir_size, bitmap_dir_offset;
	bool bitmaps_marked; /* as in use, before the first change */
	bool external, extended, writable;

	/* With h.crypt: where the LUKS header is, what it says, and, if the key is known, how. */
	uint64_t crypt_offset, crypt_len;
	struct crypt_kind crypt_kind;
	int crypt_hash;
	char *crypt_words; /* for people */
	struct crypt *crypt;
	pthread_mutex_t odd; /* of writes that begin or end within an encrypted sector */

	uint32_t cluster_size, slice_size, entry_size, unit; /* unit: of allocation in a cluster */
	uint32_t table_entries; /* of an L2 table */
	uint32_t refcount_bits;
	uint64_t block_entries, refcount_max; /* of a refcount block */

	pthread_mutex_t lock;
	pthread_cond_t changed; /* a span or a commit ended */
	uint64_t *l1, *reftable;
	uint32_t reftable_entries;
	uint8_t *l1_dirty, *reftable_dirty; /* by sector of the table */
	GHashTable *slices; /* &offset -> struct slice */
	struct slice *newest, *oldest;
	uint64_t slices_max, dirty_slices, dirty_refcounts;
	GHashTable *new_tables; /* offsets of L2 tables that no L1 entry on disk leads to */
	GArray *frees; /* uint64_t: clusters that lose a reference when all else is on disk */
	struct span *spans;
	uint64_t free_hint, fresh_from; /* clusters: none is free below; never used from there on */
	uint64_t rebuild_at; /* while counts are repaired: clusters from here on are free; else 0 */
	uint64_t pack_at; /* where compressed data goes on, 0: in a new cluster */
	bool committing;
	uint64_t commits_begun,
		commit_good; /* number of the latest, and of the latest good full one */
	bool bad; /* an inconsistency was met: nothing is written any more */
	GPtrArray *snapshots; /* struct snapshot * */
};

static inline uint64_t get64(const void *p)
{
	uint64_t v;
	memcpy(&v, p, sizeof(v));
	return GUINT64_FROM_BE(v);
}

static inline uint32_t get32(const void *p)
{
	uint32_t v;
	memcpy(&v, p, sizeof(v));
	return GUINT32_FROM_BE(v);
}

static inline void put64(void *p, uint64_t v)
{
	v = GUINT64_TO_BE(v);
	memcpy(p, &v, sizeof(v));
}

static inline void put32(void *p, uint32_t v)
{
	v = GUINT32_TO_BE(v);
	memcpy(p, &v, sizeof(v));
}

static inline uint64_t round_up(uint64_t v, uint64_t to)
{
	return (v + to - 1) / to * to;
}

/* ---- file.c-like helpers in header.c ---- */

int image_pread(struct image *i, bp_blk_node *n, uint64_t offset, void *buf, uint64_t len);
int image_pwrite(struct image *i, uint64_t offset, const void *buf, uint64_t len);
int image_sync(struct image *i);
/* An inconsistency: said once, and from then on the image is not written. Returns -EIO. */
int image_bad(struct image *i, const char *format, ...) BP_PRINTF(2, 3);

/* ---- header.c ---- */

/* Read and check the header, its extensions, the L1 and the refcount table; init everything. */
int header_read(struct image *i, bp_error *err);
/* Writes the header's cluster as the image has it in memory. 0 or a negated errno. */
int header_write(struct image *i);
/* Its fields alone, in one sector, synced before and after. */
int header_switch(struct image *i);
void image_init(struct image *i);
void image_finish(struct image *i);
void image_geometry(struct image *i);
/* Before the first change of an image: dirty bit, autoclear bits. The lock is held. */
int image_prepare(struct image *i);

/* ---- cache.c: the lock is held ---- */

/* The slice with this offset; *out stays valid until the lock is released. */
int cache_get(struct image *i, uint64_t offset, bool refcount, struct slice **out);
void cache_dirty(struct image *i, struct slice *s);
/* Forget what is cached of a cluster. */
void cache_forget(struct image *i, uint64_t cluster_offset);
void cache_forget_all(struct image *i);
/* Write what is dirty, in order. full: and all is on disk at the end. The lock is released meanwhile. */
int commit(struct image *i, bool full);
/* Commit if much is dirty: before a request changes tables, with no slice in hand. */
int commit_if_full(struct image *i);
/* Everything, refcounts of lazy images too, and the dirty bit goes. */
int commit_clean(struct image *i);

/* ---- refcount.c: the lock is held ---- */

int refcount_get(struct image *i, uint64_t cluster, uint64_t *count);
/* Add to the count, -1 or more. */
int refcount_add(struct image *i, uint64_t cluster, int64_t by);
int refcount_set(struct image *i, uint64_t cluster, uint64_t count);
uint64_t refcount_read(const struct image *i, const uint8_t *block, uint64_t index);
void refcount_write(const struct image *i, uint8_t *block, uint64_t index, uint64_t count);
/* Up to *count free clusters in a row, counted 1 from now on; *fresh: they were never used, and read
 * as zeros. */
int clusters_alloc(struct image *i, uint64_t *count, uint64_t *first, bool *fresh);
/* Exactly so many. */
int clusters_alloc_all(struct image *i, uint64_t count, uint64_t *first);
/* They were counted and never came into use. */
void clusters_unalloc(struct image *i, uint64_t first, uint64_t count);
/* A reference goes once the tables on disk do not have it any more. */
void cluster_release(struct image *i, uint64_t cluster);
/* Does the file's range touch what must never be data? */
bool is_metadata(const struct image *i, uint64_t offset, uint64_t len);

/* ---- map.c: the lock is held ---- */

enum kind { UNALLOCATED, ZERO, NORMAL, COMPRESSED };
struct run { /* what is at a guest offset, and how far */
	enum kind kind;
	uint64_t len;
	uint64_t host; /* NORMAL, or ZERO with allocated: in the data file */
	uint64_t packed; /* COMPRESSED: bytes from host on, at most */
	bool allocated, copied; /* has a cluster; it is this image's alone */
};
int map_lookup(struct image *i, uint64_t offset, uint64_t len, struct run *out);
/* The raw L2 entry of a guest cluster, 0 where there is no table; bitmap: subclusters. */
int map_entry(struct image *i, uint64_t cluster, uint64_t *entry, uint64_t *bitmap);
/* Make sure that there is an L2 table for the cluster which may be changed. */
int map_prepare(struct image *i, uint64_t cluster);
/* Change an entry (after map_prepare). */
int map_set(struct image *i, uint64_t cluster, uint64_t entry, uint64_t bitmap);
/* Compressed: where its bytes are. */
void map_packed(const struct image *i, uint64_t entry, uint64_t *host, uint64_t *len);
/* What an entry refers to loses a reference. */
void map_release(struct image *i, uint64_t entry);
/* Is the offset of an entry possible? */
bool map_valid(const struct image *i, uint64_t offset);

/* ---- io.c ---- */

int io_read(struct image *i, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
	uint32_t count);
int io_write(struct image *i, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
	uint32_t count);
int io_write_packed(struct image *i, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
	uint32_t count);
int io_flush(struct image *i);
int io_discard(struct image *i, uint64_t offset, uint64_t len);
int io_write_zeroes(struct image *i, uint64_t offset, uint64_t len, unsigned flags);
/* Whole clusters become unallocated: what is behind shows again. */
int io_unmap(struct image *i, uint64_t first, uint64_t count);
/* Whole clusters get space that reads as zeros; mode as BP_BLK_PREALLOC_. */
int io_preallocate(struct image *i, uint64_t offset, uint64_t len, int mode);

/* ---- bitmap.c ---- */

/* Before the first change: bitmaps that follow writes are marked. -EINVAL: none can be believed. */
int bitmaps_prepare(struct image *i);

/* ---- luks.c ---- */

/* Reads the header; key: it is an error if the secret is not given. */
int luks_open(struct image *i, bool key, bp_error *err);

/* ---- compress.c ---- */

/* Bytes, or 0 if it does not become smaller than `room`; -1: it failed. */
ssize_t pack(const struct image *i, const void *cluster, void *out, size_t room);
int unpack(const struct image *i, const void *packed, size_t len, void *cluster);

/* ---- snapshot.c ---- */

/* Calls each() for every cluster that an L1 table leads to: L2 tables and data. */
int walk(struct image *i, const uint64_t *l1, uint64_t entries,
	int (*each)(struct image *i, uint64_t cluster, void *arg), void *arg);
/* Makes the flags "refcount is one" of the active tables true; *wrong counts those that were not. */
int refresh_copied(struct image *i, bool write, uint64_t *wrong);
/* Reads the L1 table of a snapshot, big or small; freed with g_free. NULL after an error. */
uint64_t *snapshot_l1(struct image *i, unsigned n, bp_error *err);

struct snapshot {
	uint64_t l1_offset;
	uint32_t l1_size, date_s, date_ns;
	uint64_t clock_ns, state_bytes, disk_bytes, icount;
	char *id, *name;
	uint8_t *extra; /* beyond what is known */
	uint32_t extra_len;
};
int snapshots_read(struct image *i, bp_error *err);
void snapshots_forget(struct image *i);
uint64_t snapshot_table_bytes(const struct image *i);
int snapshot_create(struct image *i, const char *name, uint64_t date_ns, bp_error *err);
int snapshot_apply(struct image *i, const char *name, bp_error *err);
int snapshot_delete(struct image *i, const char *name, bp_error *err);

/* ---- check.c ---- */

int check_image(struct image *i, struct bp_blk_check *check, bp_error *err);

/* ---- create.c ---- */

struct create_options {
	const char *compat, *backing_file, *backing_fmt, *data_file, *compression_type;
	const char *encrypt, *key_secret, *cipher_alg, *cipher_mode, *ivgen_alg, *ivgen_hash_alg,
		*hash_alg;
	uint32_t iter_time;
	uint64_t cluster_size;
	uint32_t preallocation, refcount_bits;
	uint8_t lazy_refcounts, extended_l2, data_file_raw;
};
extern const struct bp_field create_options[];
/* A new header and key (luks.c): *header is of whole clusters, freed with g_free. */
int luks_create(struct image *i, const struct create_options *o, uint8_t **header, bp_error *err);
uint64_t luks_bytes(const struct create_options *o); /* 0: the options are wrong */
int create_image(const struct bp_host *host, const struct bp_blk_layer *layer, bp_blk_node *file,
	bp_blk_node *data, uint64_t bytes, const void *options, bp_error *err);
int measure_image(const struct bp_host *host, const void *options, struct bp_blk_measure *measure,
	bp_error *err);
int resize_image(struct image *i, uint64_t bytes, int prealloc, bp_error *err);
int amend_image(
	struct image *i, const struct create_options *o, const uint8_t *given, bp_error *err);

#endif
