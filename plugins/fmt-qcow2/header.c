/* SPDX-License-Identifier: MIT */
/* Header and extensions. Nothing in them is believed before it was checked. */
#include "image.h"
#include <stdarg.h>

enum {
	V2_LENGTH = 72,
	V3_LENGTH = 104,
	LENGTH = 112, /* what is written: with the compression type */
	EXT_END = 0,
	EXT_BITMAPS = 0x23852875,
	EXT_CRYPT = 0x0537be77,
	EXT_DATA_FILE = 0x44415441,
	EXT_FEATURES = 0x6803f857
};
#define MAGIC              UINT32_C(0x514649fb)
#define EXT_BACKING_FORMAT UINT32_C(0xe2792aca)

int image_pread(struct image *i, bp_blk_node *n, uint64_t offset, void *buf, uint64_t len)
{
	struct bp_blk_iov iov = { buf, len };
	return i->layer->read(n, offset, len, &iov, 1);
}

int image_pwrite(struct image *i, uint64_t offset, const void *buf, uint64_t len)
{
	struct bp_blk_iov iov = { (void *)(uintptr_t)buf, len };
	return i->layer->write(i->file, offset, len, &iov, 1, 0);
}

int image_sync(struct image *i)
{
	int r = i->data != i->file ? i->layer->flush(i->data) : 0;
	return r ? r : i->layer->flush(i->file);
}

int image_bad(struct image *i, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *text = g_strdup_vprintf(format, args);
	va_end(args);
	if (!i->bad && !(i->how && i->how->flags & BP_BLK_OPEN_CHECK))
		i->host->log(NULL, BP_LOG_ERROR,
			"%s: %s; nothing more is written to it: `backplane img check -r all` "
			"repairs",
			i->how ? i->how->name : "image", text);
	i->bad = true;
	g_free(text);
	return -EIO;
}

void image_geometry(struct image *i)
{
	i->external = i->h.incompatible & INCOMPATIBLE_DATA_FILE;
	i->extended = i->h.incompatible & INCOMPATIBLE_EXTENDED_L2;
	i->cluster_size = 1u << i->h.cluster_bits;
	i->slice_size = MIN(i->cluster_size, SLICE_MAX);
	i->entry_size = i->extended ? 16 : 8;
	i->unit = i->extended ? i->cluster_size / SUBCLUSTERS : i->cluster_size;
	i->table_entries = i->cluster_size / i->entry_size;
	i->refcount_bits = 1u << i->h.refcount_order;
	i->block_entries = (uint64_t)i->cluster_size * 8 / i->refcount_bits;
	i->refcount_max =
		i->refcount_bits == 64 ? UINT64_MAX >> 1 : (UINT64_C(1) << i->refcount_bits) - 1;
	i->slices_max = MAX(i->cache_size / i->slice_size, 16);
}

void image_init(struct image *i)
{
	pthread_mutex_init(&i->lock, NULL);
	pthread_cond_init(&i->changed, NULL);
	pthread_mutex_init(&i->odd, NULL);
	i->slices = g_hash_table_new(g_int64_hash, g_int64_equal);
	i->new_tables = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
	i->frees = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	i->extensions = g_array_new(FALSE, TRUE, sizeof(struct extension));
}

void image_finish(struct image *i)
{
	if (!i->slices)
		return;
	cache_forget_all(i);
	snapshots_forget(i);
	g_hash_table_destroy(i->slices);
	g_hash_table_destroy(i->new_tables);
	g_array_free(i->frees, TRUE);
	for (unsigned n = 0; n < i->extensions->len; n++)
		g_free(g_array_index(i->extensions, struct extension, n).data);
	g_array_free(i->extensions, TRUE);
	g_free(i->backing_name);
	g_free(i->backing_format);
	g_free(i->data_name);
	g_free(i->crypt_words);
	crypt_free(i->crypt);
	pthread_mutex_destroy(&i->odd);
	g_free(i->l1);
	g_free(i->l1_dirty);
	g_free(i->reftable);
	g_free(i->reftable_dirty);
	pthread_cond_destroy(&i->changed);
	pthread_mutex_destroy(&i->lock);
	i->slices = NULL;
}

/* ---- reading ---- */

static void parse(struct header *h, const uint8_t *p)
{
	*h = (struct header){ .version = get32(p + 4),
		.backing_offset = get64(p + 8),
		.backing_len = get32(p + 16),
		.cluster_bits = get32(p + 20),
		.size = get64(p + 24),
		.crypt = get32(p + 32),
		.l1_size = get32(p + 36),
		.l1_offset = get64(p + 40),
		.reftable_offset = get64(p + 48),
		.reftable_clusters = get32(p + 56),
		.snapshots = get32(p + 60),
		.snapshots_offset = get64(p + 64),
		.refcount_order = 4,
		.length = V2_LENGTH };
	if (h->version < 3)
		return;
	h->incompatible = get64(p + 72);
	h->compatible = get64(p + 80);
	h->autoclear = get64(p + 88);
	h->refcount_order = get32(p + 96);
	h->length = get32(p + 100);
	h->compression = h->length > V3_LENGTH ? p[V3_LENGTH] : 0;
}

static int check_header(const struct image *i, const uint8_t *p, uint64_t end, bp_error *err)
{
	const struct header *h = &i->h;
	const struct bp_host *host = i->host;
	if (get32(p) != MAGIC)
		return host->fail(
			err, "it is no qcow2 image: it does not begin with the magic number");
	if (h->version != 2 && h->version != 3)
		return host->fail(err, "qcow2 version %u; 2 and 3 are known", h->version);
	if (h->cluster_bits < CLUSTER_BITS_MIN || h->cluster_bits > CLUSTER_BITS_MAX)
		return host->fail(
			err, "clusters of 2^%u bytes; 2^9 to 2^21 are possible", h->cluster_bits);
	if (h->length < (h->version == 2 ? V2_LENGTH : V3_LENGTH) || h->length % 8 ||
		h->length > 1u << h->cluster_bits)
		return host->fail(err, "a header of %u bytes is not possible", h->length);
	if (h->incompatible & ~INCOMPATIBLE_KNOWN)
		return host->fail(err, "it uses features that are not known here (bits 0x%llx)",
			(unsigned long long)(h->incompatible & ~INCOMPATIBLE_KNOWN));
	if (h->incompatible & INCOMPATIBLE_EXTENDED_L2 && h->cluster_bits < 14)
		return host->fail(err, "subclusters in clusters of 2^%u bytes; 2^14 is the least",
			h->cluster_bits);
	if (h->compression > 1 ||
		(h->compression != 0) != !!(h->incompatible & INCOMPATIBLE_COMPRESSION))
		return host->fail(err,
			"compression type %u is not known, or its feature bit is wrong",
			h->compression);
	if (h->refcount_order > 6)
		return host->fail(
			err, "refcounts of 2^%u bits; 2^6 is the most", h->refcount_order);
	if (h->crypt && h->crypt != CRYPT_LUKS)
		return host->fail(err,
			"it is encrypted by method %u; only LUKS (%d) is known, the old AES is not "
			"secure",
			h->crypt, CRYPT_LUKS);
	if (h->size > (uint64_t)INT64_MAX)
		return host->fail(err, "a disk of more than 2^63 bytes");
	(void)end;
	return 0;
}

/* A table of `bytes` at `offset` that must lie inside the file. */
static int check_table(const struct image *i, const char *what, uint64_t offset, uint64_t bytes,
	uint64_t max, uint64_t end, bp_error *err)
{
	if (bytes > max)
		return i->host->fail(err, "%s has %llu bytes; %llu are possible", what,
			(unsigned long long)bytes, (unsigned long long)max);
	if (offset % i->cluster_size || (bytes && !offset))
		return i->host->fail(err, "%s at 0x%llx, which is no cluster of its own", what,
			(unsigned long long)offset);
	if (offset > end || bytes > end - offset)
		return i->host->fail(err,
			"%s at 0x%llx, %llu bytes, does not lie in the file of %llu", what,
			(unsigned long long)offset, (unsigned long long)bytes,
			(unsigned long long)end);
	return 0;
}

static char *text_of(const uint8_t *p, uint32_t len)
{
	return g_strndup((const char *)p, len); /* up to a NUL, if there is one */
}

static int take_extension(
	struct image *i, uint32_t type, const uint8_t *p, uint32_t len, bp_error *err)
{
	struct extension e = { type, len, NULL };
	if (type == EXT_BACKING_FORMAT && !i->backing_format) {
		i->backing_format = text_of(p, len);
	} else if (type == EXT_DATA_FILE && !i->data_name) {
		i->data_name = text_of(p, len);
	} else if (type == EXT_BITMAPS) {
		if (len != 24 || !get32(p) || get32(p) > 65535 || get32(p + 4))
			return i->host->fail(err, "its bitmaps extension is damaged");
		i->bitmaps = get32(p);
		i->bitmap_dir_size = get64(p + 8);
		i->bitmap_dir_offset = get64(p + 16);
	} else if (type == EXT_CRYPT && i->h.crypt) {
		if (len != 16 || get64(p) >= OFFSET_MAX || get64(p + 8) >= OFFSET_MAX)
			return i->host->fail(err, "its encryption extension is damaged");
		i->crypt_offset = get64(p);
		i->crypt_len = get64(p + 8);
	} else if (type != EXT_FEATURES && type != EXT_CRYPT) {
		e.data = g_memdup2(p, len);
		g_array_append_val(i->extensions, e);
	}
	return 0;
}

static int read_extensions(struct image *i, const uint8_t *cluster, uint64_t have, bp_error *err)
{
	uint64_t end = i->h.backing_offset ? i->h.backing_offset : i->cluster_size;
	uint64_t at = i->h.length;
	end = MIN(end, have);
	while (at + 8 <= end) {
		uint32_t type = get32(cluster + at), len = get32(cluster + at + 4);
		if (type == EXT_END)
			return 0;
		if (len > end - at - 8)
			return i->host->fail(err,
				"header extension 0x%x of %u bytes goes beyond the header", type,
				len);
		if (take_extension(i, type, cluster + at + 8, len, err) != 0)
			return -1;
		at += 8 + round_up(len, 8);
	}
	return 0;
}

static int read_names(struct image *i, const uint8_t *cluster, uint64_t have, bp_error *err)
{
	const struct header *h = &i->h;
	if (h->backing_offset) {
		if (h->backing_len > NAME_MAX_BYTES || h->backing_offset > have ||
			h->backing_len > have - h->backing_offset)
			return i->host->fail(err,
				"its backing file's name (%u bytes at 0x%llx) does not lie in the "
				"header",
				h->backing_len, (unsigned long long)h->backing_offset);
		if (h->backing_len)
			i->backing_name = text_of(cluster + h->backing_offset, h->backing_len);
	}
	return read_extensions(i, cluster, have, err);
}

static uint64_t *read_table(struct image *i, uint64_t offset, uint64_t entries, bp_error *err)
{
	uint64_t *t = g_try_malloc0_n(entries + 1, 8);
	int r = t ? image_pread(i, i->file, offset, t, entries * 8) : -ENOMEM;
	for (uint64_t n = 0; t && n < entries; n++)
		t[n] = GUINT64_FROM_BE(t[n]);
	if (!r)
		return t;
	i->host->fail(err, "a table at 0x%llx: %s", (unsigned long long)offset, g_strerror(-r));
	g_free(t);
	return NULL;
}

static int read_tables(struct image *i, uint64_t end, bp_error *err)
{
	struct header *h = &i->h;
	uint64_t covers = (uint64_t)i->table_entries << h->cluster_bits;
	uint64_t needed = h->size / covers + (h->size % covers != 0);
	if (check_table(
		    i, "the L1 table", h->l1_offset, (uint64_t)h->l1_size * 8, L1_MAX, end, err) ||
		check_table(i, "the refcount table", h->reftable_offset,
			(uint64_t)h->reftable_clusters << h->cluster_bits,
			MAX(REFTABLE_MAX, i->cluster_size), end, err))
		return -1;
	if (needed > h->l1_size)
		return i->host->fail(err,
			"the L1 table has %u entries, a disk of %llu bytes needs %llu", h->l1_size,
			(unsigned long long)h->size, (unsigned long long)needed);
	if (!h->reftable_clusters && !(i->how->flags & BP_BLK_OPEN_CHECK))
		return i->host->fail(err, "it has no refcount table");
	i->reftable_entries = (uint32_t)(((uint64_t)h->reftable_clusters << h->cluster_bits) / 8);
	i->l1 = read_table(i, h->l1_offset, h->l1_size, err);
	i->reftable = i->l1 ? read_table(i, h->reftable_offset, i->reftable_entries, err) : NULL;
	i->l1_dirty = g_malloc0(h->l1_size / (SECTOR / 8) + 1);
	i->reftable_dirty = g_malloc0(i->reftable_entries / (SECTOR / 8) + 1);
	return i->reftable ? 0 : -1;
}

int header_read(struct image *i, bp_error *err)
{
	uint8_t first[LENGTH] = { 0 };
	uint64_t end;
	int r = i->layer->bytes(i->file, &end);
	if (!r && end < V2_LENGTH)
		return i->host->fail(err, "a file of %llu bytes is too short for a qcow2 image",
			(unsigned long long)end);
	r = r ? r : image_pread(i, i->file, 0, first, sizeof(first));
	if (r)
		return i->host->fail(err, "its header: %s", g_strerror(-r));
	parse(&i->h, first);
	if (check_header(i, first, end, err) != 0)
		return -1;
	image_geometry(i);
	uint64_t have = MIN(end, i->cluster_size);
	uint8_t *cluster = g_malloc0(i->cluster_size);
	r = image_pread(i, i->file, 0, cluster, have);
	r = r ? i->host->fail(err, "its header: %s", g_strerror(-r))
	      : read_names(i, cluster, have, err);
	g_free(cluster);
	if (r)
		return -1;
	i->fresh_from = round_up(end, i->cluster_size) >> i->h.cluster_bits;
	if (!(i->layer->flags(i->file) & BP_BLK_FILE_GROWS))
		i->fresh_from = UINT64_MAX;
	return read_tables(i, end, err);
}

/* ---- writing ---- */

static uint8_t *add_extension(
	uint8_t *p, const uint8_t *end, uint32_t type, const void *data, uint32_t len)
{
	uint64_t whole = 8 + round_up(len, 8);
	if (!p || (uint64_t)(end - p) < whole)
		return NULL;
	put32(p, type);
	put32(p + 4, len);
	memcpy(p + 8, data, len);
	return p + whole;
}

static uint8_t *add_text(uint8_t *p, const uint8_t *end, uint32_t type, const char *text)
{
	return text ? add_extension(p, end, type, text, (uint32_t)strlen(text)) : p;
}

static const struct {
	uint8_t set, bit;
	const char *name;
} features[] = { { 0, 0, "dirty bit" }, { 0, 1, "corrupt bit" }, { 0, 2, "external data file" },
	{ 0, 3, "compression type" }, { 0, 4, "extended L2 entries" }, { 1, 0, "lazy refcounts" },
	{ 2, 0, "bitmaps" }, { 2, 1, "raw external data" } };

static uint8_t *add_features(uint8_t *p, const uint8_t *end)
{
	uint8_t table[G_N_ELEMENTS(features)][48] = { 0 };
	for (unsigned n = 0; n < G_N_ELEMENTS(features); n++) {
		table[n][0] = features[n].set;
		table[n][1] = features[n].bit;
		memcpy(table[n] + 2, features[n].name, strlen(features[n].name));
	}
	return add_extension(p, end, EXT_FEATURES, table, sizeof(table));
}

static void put_fields(const struct header *h, uint8_t *p)
{
	put32(p, MAGIC);
	put32(p + 4, h->version);
	put64(p + 8, h->backing_offset);
	put32(p + 16, h->backing_len);
	put32(p + 20, h->cluster_bits);
	put64(p + 24, h->size);
	put32(p + 32, h->crypt);
	put32(p + 36, h->l1_size);
	put64(p + 40, h->l1_offset);
	put64(p + 48, h->reftable_offset);
	put32(p + 56, h->reftable_clusters);
	put32(p + 60, h->snapshots);
	put64(p + 64, h->snapshots_offset);
	if (h->version < 3)
		return;
	put64(p + 72, h->incompatible);
	put64(p + 80, h->compatible);
	put64(p + 88, h->autoclear);
	put32(p + 96, h->refcount_order);
	put32(p + 100, h->length);
	if (h->length > V3_LENGTH)
		p[V3_LENGTH] = h->compression;
}

static uint8_t *put_extensions(const struct image *i, uint8_t *p, const uint8_t *end)
{
	uint8_t bitmaps[24] = { 0 }, crypt[16];
	p = add_text(p, end, EXT_BACKING_FORMAT, i->backing_name ? i->backing_format : NULL);
	p = add_text(p, end, EXT_DATA_FILE, i->external ? i->data_name : NULL);
	if (i->h.crypt) {
		put64(crypt, i->crypt_offset);
		put64(crypt + 8, i->crypt_len);
		p = add_extension(p, end, EXT_CRYPT, crypt, sizeof(crypt));
	}
	if (i->bitmaps) {
		put32(bitmaps, i->bitmaps);
		put64(bitmaps + 8, i->bitmap_dir_size);
		put64(bitmaps + 16, i->bitmap_dir_offset);
		p = add_extension(p, end, EXT_BITMAPS, bitmaps, sizeof(bitmaps));
	}
	for (unsigned n = 0; n < i->extensions->len; n++) {
		const struct extension *e = &g_array_index(i->extensions, struct extension, n);
		p = add_extension(p, end, e->type, e->data, e->len);
	}
	/* For people only: left out where there is no room. */
	size_t name = i->backing_name ? strlen(i->backing_name) : 0;
	if (p && i->h.version >= 3 && (size_t)(end - p) > name + 16 + 8 + sizeof(features) * 48)
		p = add_features(p, end);
	return add_extension(p, end, EXT_END, "", 0);
}

int header_write(struct image *i)
{
	struct header *h = &i->h;
	uint8_t *cluster = g_malloc0(i->cluster_size), *end = cluster + i->cluster_size;
	uint32_t least = h->version == 2 ? V2_LENGTH : LENGTH;
	/* Fields beyond those known here stay as they were (spec, "Additional fields"). */
	int r = h->length > LENGTH && h->version > 2
		? image_pread(i, i->file, 0, cluster, h->length)
		: 0;
	h->length = h->version == 2 ? V2_LENGTH : MAX(h->length, least);
	h->backing_offset = h->backing_len = 0;
	uint8_t *p = put_extensions(i, cluster + h->length, end);
	if (p && i->backing_name) {
		h->backing_len = (uint32_t)strlen(i->backing_name);
		h->backing_offset = (uint64_t)(p - cluster);
		p = (size_t)(end - p) < h->backing_len ? NULL : p;
		if (p)
			memcpy(p, i->backing_name, h->backing_len);
	}
	put_fields(h, cluster);
	if (!r)
		r = p ? image_pwrite(i, 0, cluster, i->cluster_size) : -ENAMETOOLONG;
	g_free(cluster);
	return r;
}

/* One sector, which a crash keeps or loses as a whole. */
int header_switch(struct image *i)
{
	uint8_t sector[SECTOR] = { 0 };
	int r = image_sync(i);
	r = r ? r : image_pread(i, i->file, 0, sector, sizeof(sector));
	if (r)
		return r;
	put_fields(&i->h, sector);
	r = image_pwrite(i, 0, sector, sizeof(sector));
	return r ? r : image_sync(i);
}

int image_prepare(struct image *i)
{
	uint64_t dirty = i->h.compatible & COMPATIBLE_LAZY ? INCOMPATIBLE_DIRTY : 0;
	if (i->bad)
		return -EIO;
	int r = 0;
	if (i->h.autoclear & AUTOCLEAR_BITMAPS && !i->bitmaps_marked) {
		r = bitmaps_prepare(i);
		i->bitmaps_marked = !r;
		if (r && r != -EINVAL)
			return r;
	}
	uint64_t keep =
		i->h.autoclear & (AUTOCLEAR_DATA_RAW | (i->bitmaps_marked ? AUTOCLEAR_BITMAPS : 0));
	if ((i->h.incompatible & dirty) == dirty && i->h.autoclear == keep)
		return 0;
	struct header before = i->h;
	i->h.incompatible |= dirty;
	i->h.autoclear = keep;
	r = header_switch(i);
	if (r)
		i->h = before;
	return r;
}
