/* SPDX-License-Identifier: MIT */
/* New images, and changing the size or the features of one. */
#include "image.h"

#define MEMBER(m) (uint32_t) offsetof(struct create_options, m)
static const char *const preallocations[] = { "off", "metadata", "falloc", "full", NULL };
const struct bp_field create_options[] = {
	{ "compat", "version of the format: 0.10 or 1.1", MEMBER(compat), BP_STR,
		.def_str = "1.1" },
	{ "backing_file", "the image that shows where this one has nothing", MEMBER(backing_file),
		BP_STR },
	{ "backing_fmt", "its format", MEMBER(backing_fmt), BP_STR },
	{ "cluster_size", "bytes that are allocated together, 512 to 2M", MEMBER(cluster_size),
		BP_SIZE, .def = 65536 },
	{ "preallocation", "off; metadata; falloc: and space; full: and zeros",
		MEMBER(preallocation), BP_ENUM, .names = preallocations },
	{ "lazy_refcounts", "write refcounts at the end, repair after a crash",
		MEMBER(lazy_refcounts), BP_BOOL },
	{ "refcount_bits", "width of a refcount: 1 to 64", MEMBER(refcount_bits), BP_U32,
		.def = 16 },
	{ "compression_type", "of compressed clusters: zlib or zstd", MEMBER(compression_type),
		BP_STR, .def_str = "zlib" },
	{ "extended_l2", "allocate 1/32 of a cluster at a time", MEMBER(extended_l2), BP_BOOL },
	{ "data_file", "a raw file for the guest's data", MEMBER(data_file), BP_STR },
	{ "data_file_raw", "keep that file readable without this one", MEMBER(data_file_raw),
		BP_BOOL },
	{ "encrypt.format", "luks: only who has the secret can read it", MEMBER(encrypt), BP_STR },
	{ "encrypt.key-secret", "the id of an --object secret, file:NAME or data:TEXT",
		MEMBER(key_secret), BP_STR },
	{ "encrypt.cipher-alg", "aes-128 to -256, serpent-, twofish-, cast5-128",
		MEMBER(cipher_alg), BP_STR, .def_str = "aes-256" },
	{ "encrypt.cipher-mode", "xts, cbc or ecb", MEMBER(cipher_mode), BP_STR, .def_str = "xts" },
	{ "encrypt.ivgen-alg", "vectors: plain64, plain or essiv", MEMBER(ivgen_alg), BP_STR,
		.def_str = "plain64" },
	{ "encrypt.ivgen-hash-alg", "of essiv", MEMBER(ivgen_hash_alg), BP_STR },
	{ "encrypt.hash-alg", "of the way from secret to key", MEMBER(hash_alg), BP_STR,
		.def_str = "sha256" },
	{ "encrypt.iter-time", "ms that opening takes", MEMBER(iter_time), BP_U32, .def = 2000 },
	{ 0 },
};
enum option {
	COMPAT,
	BACKING_FILE,
	BACKING_FMT,
	CLUSTER_SIZE,
	PREALLOCATION,
	LAZY,
	REFCOUNT_BITS,
	COMPRESSION,
	EXTENDED_L2,
	DATA_FILE,
	DATA_FILE_RAW
};

static int version_of(const char *compat)
{
	static const struct {
		const char *name;
		int version;
	} names[] = { { "0.10", 2 }, { "v2", 2 }, { "1.1", 3 }, { "v3", 3 } };
	for (unsigned n = 0; n < G_N_ELEMENTS(names); n++)
		if (!strcmp(names[n].name, compat))
			return names[n].version;
	return 0;
}

static int log2_of(uint64_t v)
{
	return v && !(v & (v - 1)) ? __builtin_ctzll(v) : -1;
}

/* The header that the options ask for. */
static int choose(const struct bp_host *host, const struct create_options *o, uint64_t bytes,
	struct header *h, bp_error *err)
{
	int bits = log2_of(o->cluster_size), order = log2_of(o->refcount_bits);
	int version = version_of(o->compat);
	bool zstd = !strcmp(o->compression_type, "zstd");
	if (!version)
		return host->fail(err, "compat=%s: 0.10 or 1.1 is expected", o->compat);
	if (bits < CLUSTER_BITS_MIN || bits > CLUSTER_BITS_MAX)
		return host->fail(err,
			"cluster_size=%llu: a power of two from 512 to 2M is expected",
			(unsigned long long)o->cluster_size);
	if (order < 0 || order > 6)
		return host->fail(err, "refcount_bits=%u: 1, 2, 4, 8, 16, 32 or 64 is expected",
			o->refcount_bits);
	if (!zstd && strcmp(o->compression_type, "zlib") != 0)
		return host->fail(
			err, "compression_type=%s: zlib or zstd is expected", o->compression_type);
	if (version == 2 &&
		(order != 4 || zstd || o->extended_l2 || o->data_file || o->lazy_refcounts))
		return host->fail(err,
			"compat=0.10 has none of refcount_bits, compression_type=zstd, "
			"extended_l2, data_file, lazy_refcounts; use compat=1.1");
	if (o->extended_l2 && bits < 14)
		return host->fail(err, "extended_l2 needs cluster_size=16K at least");
	if (o->data_file_raw && (!o->data_file || o->backing_file))
		return host->fail(err, "data_file_raw needs a data_file and no backing_file");
	if (o->backing_file && strlen(o->backing_file) > NAME_MAX_BYTES)
		return host->fail(
			err, "the backing file's name has more than %d bytes", NAME_MAX_BYTES);
	if (o->encrypt && strcmp(o->encrypt, "luks") != 0)
		return host->fail(err, "encrypt.format=%s: luks is expected", o->encrypt);
	if (o->encrypt && (o->data_file_raw || (version == 2 && o->preallocation)))
		return host->fail(err,
			"encrypt.format has no data_file_raw, and preallocation only with "
			"compat=1.1");
	*h = (struct header){ .version = (uint32_t)version,
		.cluster_bits = (uint32_t)bits,
		.size = bytes,
		.refcount_order = (uint32_t)order,
		.crypt = o->encrypt ? CRYPT_LUKS : 0,
		.length = version == 2 ? 72 : 112,
		.compression = zstd,
		.incompatible = (zstd ? INCOMPATIBLE_COMPRESSION : 0) |
			(o->extended_l2 ? INCOMPATIBLE_EXTENDED_L2 : 0) |
			(o->data_file ? INCOMPATIBLE_DATA_FILE : 0),
		.compatible = o->lazy_refcounts ? COMPATIBLE_LAZY : 0,
		.autoclear = o->data_file_raw ? AUTOCLEAR_DATA_RAW : 0 };
	return 0;
}

static uint64_t l1_entries(const struct image *i, uint64_t bytes)
{
	uint64_t covers = (uint64_t)i->table_entries << i->h.cluster_bits;
	return bytes / covers + (bytes % covers != 0);
}

/* A larger L1 table in new clusters; the header is not changed yet. */
static int new_l1(struct image *i, uint64_t entries, uint64_t *offset, uint64_t **table)
{
	uint64_t bytes = entries * 8, first = 0;
	uint64_t clusters = MAX(round_up(bytes, i->cluster_size) >> i->h.cluster_bits, 1);
	uint64_t *be = g_try_malloc0(clusters << i->h.cluster_bits);
	*table = g_try_malloc0(bytes + 8);
	int r = be && *table ? clusters_alloc_all(i, clusters, &first) : -ENOMEM;
	for (uint64_t n = 0; !r && n < i->h.l1_size; n++) {
		(*table)[n] = i->l1[n];
		be[n] = GUINT64_TO_BE(i->l1[n]);
	}
	*offset = first << i->h.cluster_bits;
	r = r ? r : image_pwrite(i, *offset, be, clusters << i->h.cluster_bits);
	g_free(be);
	if (r)
		g_free(*table);
	return r;
}

static void take_l1(struct image *i, uint64_t *table, uint64_t entries, uint64_t offset)
{
	g_free(i->l1);
	g_free(i->l1_dirty);
	i->l1 = table;
	i->l1_dirty = g_malloc0(entries / (SECTOR / 8) + 1);
	i->h.l1_offset = offset;
	i->h.l1_size = (uint32_t)entries;
}

/* Header, one refcount table and one block in the first three clusters; all else is allocated. */
static int begin(struct image *i, uint64_t entries, const uint8_t *luks)
{
	uint64_t offset, at, *table, luks_len = round_up(i->crypt_len, i->cluster_size);
	uint8_t *clusters = g_malloc0((size_t)i->cluster_size * 3);
	put64(clusters + i->cluster_size, 2 * (uint64_t)i->cluster_size);
	for (unsigned n = 0; n < 3; n++)
		refcount_write(i, clusters + 2 * i->cluster_size, n, 1);
	int r = image_pwrite(i, 0, clusters, 3 * (uint64_t)i->cluster_size);
	g_free(clusters);
	i->h.reftable_offset = i->cluster_size;
	i->h.reftable_clusters = 1;
	i->reftable_entries = i->cluster_size / 8;
	i->reftable = g_malloc0(i->cluster_size);
	i->reftable[0] = 2 * (uint64_t)i->cluster_size;
	i->reftable_dirty = g_malloc0(i->reftable_entries / (SECTOR / 8) + 1);
	i->l1 = g_malloc0(8);
	i->l1_dirty = g_malloc0(1);
	i->fresh_from = i->layer->flags(i->file) & BP_BLK_FILE_GROWS ? 3 : UINT64_MAX;
	r = r ? r : new_l1(i, entries, &offset, &table);
	if (!r)
		take_l1(i, table, entries, offset);
	if (!r && luks) {
		r = clusters_alloc_all(i, luks_len >> i->h.cluster_bits, &at);
		i->crypt_offset = at << i->h.cluster_bits;
		r = r ? r : image_pwrite(i, i->crypt_offset, luks, luks_len);
	}
	r = r ? r : commit(i, true);
	r = r ? r : header_write(i);
	return r ? r : image_sync(i);
}

static int fill(struct image *i, const struct create_options *o)
{
	uint64_t len = round_up(i->h.size, i->cluster_size);
	int r = 0;
	if (i->external)
		r = i->layer->resize(i->data, i->h.size,
			o->preallocation == BP_BLK_PREALLOC_METADATA ? BP_BLK_PREALLOC_OFF
								     : (int)o->preallocation);
	if (!r && (o->preallocation || o->data_file_raw))
		r = io_preallocate(i, 0, len,
			o->preallocation ? (int)o->preallocation : BP_BLK_PREALLOC_METADATA);
	/* What was allocated beyond the disk's last byte is no part of that file. */
	if (!r && i->external)
		r = i->layer->resize(i->data, i->h.size, BP_BLK_PREALLOC_OFF);
	pthread_mutex_lock(&i->lock);
	r = r ? r : commit_clean(i);
	pthread_mutex_unlock(&i->lock);
	return r;
}

int create_image(const struct bp_host *host, const struct bp_blk_layer *layer, bp_blk_node *file,
	bp_blk_node *data, uint64_t bytes, const void *options, bp_error *err)
{
	const struct create_options *o = options;
	struct image i = { .host = host,
		.layer = layer,
		.file = file,
		.data = data ? data : file,
		.writable = true,
		.cache_size = 4 << 20 };
	if (choose(host, o, bytes, &i.h, err) != 0)
		return -1;
	image_geometry(&i);
	uint64_t entries = l1_entries(&i, bytes);
	if (entries * 8 > L1_MAX || bytes > INT64_MAX)
		return host->fail(err, "a disk of %llu bytes needs larger clusters",
			(unsigned long long)bytes);
	image_init(&i);
	i.backing_name = g_strdup(o->backing_file);
	i.backing_format = g_strdup(o->backing_fmt);
	i.data_name = g_strdup(o->data_file);
	uint8_t *luks = NULL;
	if (o->encrypt && luks_create(&i, o, &luks, err) != 0) {
		g_free(luks);
		image_finish(&i);
		return -1;
	}
	pthread_mutex_lock(&i.lock);
	int r = begin(&i, entries, luks);
	pthread_mutex_unlock(&i.lock);
	g_free(luks);
	r = r ? r : fill(&i, o);
	image_finish(&i);
	return r ? host->fail(err, "%s", g_strerror(-r)) : 0;
}

/* How many clusters a disk takes in which so many hold data. */
static uint64_t clusters_for(const struct image *i, uint64_t data)
{
	uint64_t all = round_up(i->h.size, i->cluster_size) >> i->h.cluster_bits;
	uint64_t tables = (all + i->table_entries - 1) / i->table_entries;
	uint64_t l1 = (tables * 8 + i->cluster_size - 1) >> i->h.cluster_bits;
	uint64_t sum = 1 + MAX(l1, 1) + tables + (i->external ? 0 : data), blocks = 0, reftable = 0;
	for (int n = 0; n < 64; n++) { /* they count themselves */
		blocks = (sum + blocks + reftable + i->block_entries - 1) / i->block_entries;
		reftable = (blocks * 8 + i->cluster_size - 1) >> i->h.cluster_bits;
	}
	return sum + blocks + reftable;
}

int measure_image(const struct bp_host *host, const void *options, struct bp_blk_measure *measure,
	bp_error *err)
{
	struct image i = { .cache_size = 1 << 20 };
	if (choose(host, options, measure->disk_bytes, &i.h, err) != 0)
		return -1;
	image_geometry(&i);
	if (l1_entries(&i, measure->disk_bytes) * 8 > L1_MAX)
		return host->fail(err, "a disk of %llu bytes needs larger clusters",
			(unsigned long long)measure->disk_bytes);
	uint64_t all = round_up(i.h.size, i.cluster_size) >> i.h.cluster_bits;
	uint64_t data = round_up(measure->data_bytes, i.cluster_size) >> i.h.cluster_bits;
	const struct create_options *o = options;
	uint64_t luks = o->encrypt ? round_up(luks_bytes(o), i.cluster_size) : 0;
	measure->required = luks +
		(clusters_for(&i, o->preallocation ? all : MIN(data, all)) << i.h.cluster_bits);
	measure->full = luks + (clusters_for(&i, all) << i.h.cluster_bits);
	return 0;
}

/* ---- resize ---- */

static int grow(struct image *i, uint64_t bytes)
{
	uint64_t entries = l1_entries(i, bytes), offset = i->h.l1_offset, *table = NULL;
	struct header before = i->h;
	int r = image_prepare(i);
	if (!r && entries > i->h.l1_size)
		r = new_l1(i, entries, &offset, &table);
	r = r ? r : commit(i, true);
	if (r)
		return r;
	if (table)
		take_l1(i, table, entries, offset);
	i->h.size = bytes;
	i->h.autoclear &= ~AUTOCLEAR_BITMAPS; /* they are as long as the disk was */
	r = header_switch(i);
	if (r || !table)
		return r;
	uint64_t old = round_up((uint64_t)before.l1_size * 8, i->cluster_size);
	for (uint64_t n = 0; n < old >> i->h.cluster_bits; n++)
		cluster_release(i, (before.l1_offset >> i->h.cluster_bits) + n);
	return 0;
}

/* What the disk had behind its old end, and what a backing image has there, must read as zeros. */
static int clear_new(struct image *i, uint64_t old, uint64_t bytes)
{
	uint64_t behind = 0, to = MIN(round_up(old, i->cluster_size), bytes);
	int r = i->backing ? i->layer->bytes(i->backing, &behind) : 0;
	to = MAX(to, MIN(behind, bytes));
	return r || to <= old ? r : io_write_zeroes(i, old, to - old, BP_BLK_UNMAP);
}

static int shrink(struct image *i, uint64_t bytes)
{
	uint64_t first = round_up(bytes, i->cluster_size) >> i->h.cluster_bits;
	uint64_t end = round_up(i->h.size, i->cluster_size) >> i->h.cluster_bits;
	uint64_t old = i->h.size;
	pthread_mutex_lock(&i->lock);
	int r = image_prepare(i);
	i->h.size = bytes;
	i->h.autoclear &= ~AUTOCLEAR_BITMAPS; /* they are as long as the disk was */
	r = r ? r : commit(i, true);
	r = r ? r : header_switch(i);
	if (r)
		i->h.size = old;
	pthread_mutex_unlock(&i->lock);
	return r || end <= first ? r : io_unmap(i, first, end - first);
}

int resize_image(struct image *i, uint64_t bytes, int prealloc, bp_error *err)
{
	uint64_t old = i->h.size;
	int r = 0;
	if (bytes % SECTOR)
		return i->host->fail(err, "the new size must be a multiple of 512 bytes");
	if (bytes > INT64_MAX || l1_entries(i, bytes) * 8 > L1_MAX)
		return i->host->fail(err, "a disk of %llu bytes needs larger clusters",
			(unsigned long long)bytes);
	if (i->snapshots->len && i->h.version < 3)
		return i->host->fail(err, "an image with snapshots needs compat=1.1 to be resized");
	if (bytes > old) {
		pthread_mutex_lock(&i->lock);
		r = grow(i, bytes);
		pthread_mutex_unlock(&i->lock);
		r = r ? r : clear_new(i, old, bytes);
	} else if (bytes < old) {
		r = shrink(i, bytes);
	}
	if (!r && i->external)
		r = i->layer->resize(i->data, bytes, BP_BLK_PREALLOC_OFF);
	uint64_t from = round_up(old, i->cluster_size), to = round_up(bytes, i->cluster_size);
	if (!r && to > from && (prealloc || i->h.autoclear & AUTOCLEAR_DATA_RAW))
		r = io_preallocate(i, from, to - from, prealloc ? prealloc : 1);
	pthread_mutex_lock(&i->lock);
	r = r ? r : commit_clean(i);
	pthread_mutex_unlock(&i->lock);
	return r ? i->host->fail(err, "it cannot be made %llu bytes: %s", (unsigned long long)bytes,
			   g_strerror(-r))
		 : 0;
}

/* ---- amend ---- */

static int has_zero(struct image *i, bool *has)
{
	int r = 0;
	for (uint64_t at = 0; at < i->h.size && !r && !*has;) {
		struct run run;
		r = map_lookup(i, at, i->h.size - at, &run);
		*has = !r && run.kind == ZERO;
		at += run.len;
	}
	return r;
}

static int amend_version(struct image *i, int version, bp_error *err)
{
	bool zeros = false;
	if (!version)
		return i->host->fail(err, "compat: 0.10 or 1.1 is expected");
	if (version >= (int)i->h.version) {
		i->h.version = (uint32_t)version;
		return 0;
	}
	int r = has_zero(i, &zeros);
	if (r)
		return i->host->fail(err, "%s", g_strerror(-r));
	if (zeros || i->h.incompatible & ~INCOMPATIBLE_DIRTY || i->h.refcount_order != 4 ||
		i->snapshots->len)
		return i->host->fail(err,
			"compat=0.10 cannot hold what is in it (zero clusters, snapshots, or "
			"features of "
			"1.1); convert it to a new image");
	i->h.version = 2;
	i->h.compatible = i->h.autoclear = 0;
	return 0;
}

int amend_image(
	struct image *i, const struct create_options *o, const uint8_t *given, bp_error *err)
{
	static const uint8_t possible[] = {
		[COMPAT] = 1, [LAZY] = 1, [BACKING_FILE] = 1, [BACKING_FMT] = 1, [DATA_FILE_RAW] = 0
	};
	for (unsigned n = 0; create_options[n].name; n++)
		if (given[n] && (n >= sizeof(possible) || !possible[n]))
			return i->host->fail(err, "%s cannot be changed; convert to a new image",
				create_options[n].name);
	pthread_mutex_lock(&i->lock);
	int r = commit_clean(i);
	struct header before = i->h;
	int failed = r ? i->host->fail(err, "%s", g_strerror(-r)) : 0;
	if (!failed && given[COMPAT])
		failed = amend_version(i, version_of(o->compat), err);
	if (!failed && given[LAZY] && o->lazy_refcounts && i->h.version < 3)
		failed = i->host->fail(err, "lazy_refcounts needs compat=1.1");
	if (!failed && given[LAZY])
		i->h.compatible = o->lazy_refcounts ? i->h.compatible | COMPATIBLE_LAZY
						    : i->h.compatible & ~COMPATIBLE_LAZY;
	if (!failed && given[BACKING_FILE]) {
		g_free(i->backing_name);
		i->backing_name =
			g_strdup(o->backing_file && *o->backing_file ? o->backing_file : NULL);
	}
	if (!failed && given[BACKING_FMT]) {
		g_free(i->backing_format);
		i->backing_format = g_strdup(o->backing_fmt);
	}
	r = failed ? 0 : header_write(i);
	r = r || failed ? r : image_sync(i);
	if (r || failed)
		i->h = before;
	pthread_mutex_unlock(&i->lock);
	return r ? i->host->fail(err, "%s", g_strerror(-r)) : failed;
}
