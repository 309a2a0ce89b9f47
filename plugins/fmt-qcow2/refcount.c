/* SPDX-License-Identifier: MIT */
/* Reference counts of clusters (spec, "Host cluster management"), and finding free ones. */
#include "image.h"

uint64_t refcount_read(const struct image *i, const uint8_t *block, uint64_t index)
{
	unsigned bits = i->refcount_bits;
	switch (bits) {
	case 8: return block[index];
	case 16: return (uint64_t)block[2 * index] << 8 | block[2 * index + 1];
	case 32: return get32(block + 4 * index);
	case 64: return get64(block + 8 * index);
	default: return block[index * bits / 8] >> index * bits % 8 & ((1u << bits) - 1);
	}
}

void refcount_write(const struct image *i, uint8_t *block, uint64_t index, uint64_t count)
{
	unsigned bits = i->refcount_bits, shift = (unsigned)(index * bits % 8);
	uint8_t *p = block + index * bits / 8;
	switch (bits) {
	case 8: *p = (uint8_t)count; break;
	case 16:
		p[0] = (uint8_t)(count >> 8);
		p[1] = (uint8_t)count;
		break;
	case 32: put32(p, (uint32_t)count); break;
	case 64: put64(p, count); break;
	default: *p = (uint8_t)((*p & ~(((1u << bits) - 1) << shift)) | (unsigned)count << shift);
	}
}

/* The slice that has the count, and the index in it. 1: there is no refcount block. */
static int find(struct image *i, uint64_t cluster, struct slice **s, uint64_t *index)
{
	uint64_t t = cluster / i->block_entries;
	uint64_t per_slice = (uint64_t)i->slice_size * 8 / i->refcount_bits;
	uint64_t in_block = cluster % i->block_entries;
	if (t >= i->reftable_entries || !(i->reftable[t] & REFTABLE_OFFSET))
		return 1;
	uint64_t block = i->reftable[t] & REFTABLE_OFFSET;
	if (block & (i->cluster_size - 1) || block >= OFFSET_MAX ||
		i->reftable[t] & ~REFTABLE_OFFSET)
		return image_bad(i, "refcount table entry %llu is 0x%llx, which is no cluster",
			(unsigned long long)t, (unsigned long long)i->reftable[t]);
	*index = in_block % per_slice;
	return cache_get(i, block + in_block / per_slice * i->slice_size, true, s);
}

int refcount_get(struct image *i, uint64_t cluster, uint64_t *count)
{
	struct slice *s;
	uint64_t index = 0;
	int r = find(i, cluster, &s, &index);
	*count = r ? 0 : refcount_read(i, s->data, index);
	return r > 0 ? 0 : r;
}

/* ---- more room for counts ---- */

/* A larger table, in clusters behind all that are in use, with blocks for these clusters. */
static int grow_table(struct image *i, uint64_t cluster)
{
	int r = commit(i, true);
	uint64_t old = (uint64_t)i->reftable_entries, e = i->block_entries;
	if (r || cluster / e < old)
		return r; /* while the lock was let go of, another one made it */
	uint64_t first = MAX(round_up(MAX(cluster, i->rebuild_at), e), old * e);
	uint64_t per_cluster = i->cluster_size / 8;
	uint64_t blocks = 1, entries, clusters;
	uint64_t most = MAX(REFTABLE_MAX, i->cluster_size) / 8;
	if (first / e >= most)
		return -EFBIG;
	do { /* the new clusters must be counted, too */
		entries = round_up((first / e + blocks) * 3 / 2 + 1, per_cluster);
		clusters = entries / per_cluster;
		if (blocks * e >= clusters + blocks)
			break;
		blocks++;
	} while (true);
	if (entries > most)
		return -EFBIG;
	uint64_t *table = r ? NULL : g_try_malloc0(entries * 8);
	uint8_t *block = r ? NULL : g_try_malloc0((size_t)i->cluster_size);
	uint64_t *be = r ? NULL : g_try_malloc0(entries * 8);
	if (!r && (!table || !block || !be))
		r = -ENOMEM;
	if (!r)
		memcpy(table, i->reftable, old * 8);
	for (uint64_t b = 0; b < blocks && !r; b++) {
		uint64_t used = blocks + clusters;
		memset(block, 0, i->cluster_size);
		for (uint64_t n = 0; n < e && b * e + n < used; n++)
			refcount_write(i, block, n, 1);
		table[first / e + b] = (first + b) << i->h.cluster_bits;
		r = image_pwrite(i, (first + b) << i->h.cluster_bits, block, i->cluster_size);
	}
	for (uint64_t n = 0; n < entries && !r; n++)
		be[n] = GUINT64_TO_BE(table[n]);
	uint64_t offset = (first + blocks) << i->h.cluster_bits;
	if (!r)
		r = image_pwrite(i, offset, be, entries * 8);
	g_free(be);
	g_free(block);
	if (r) {
		g_free(table);
		return r;
	}
	if (i->rebuild_at)
		i->rebuild_at = first + blocks + clusters;
	struct header before = i->h;
	i->h.reftable_offset = offset;
	i->h.reftable_clusters = (uint32_t)clusters;
	r = header_switch(i);
	if (r) {
		i->h = before;
		g_free(table);
		return r;
	}
	for (uint64_t n = 0; n < before.reftable_clusters; n++)
		cluster_release(i, (before.reftable_offset >> i->h.cluster_bits) + n);
	g_free(i->reftable);
	g_free(i->reftable_dirty);
	i->reftable = table;
	i->reftable_entries = (uint32_t)entries;
	i->reftable_dirty = g_malloc0(entries / (SECTOR / 8) + 1);
	if (i->fresh_from != UINT64_MAX)
		i->fresh_from = MAX(i->fresh_from, first + blocks + clusters);
	return 0;
}

/* A refcount block for the cluster. It lies in the first cluster that it counts which nothing uses:
 * it was not counted before, so none of them is in use. */
static int new_block(struct image *i, uint64_t cluster)
{
	uint64_t t = cluster / i->block_entries;
	if (t >= i->reftable_entries)
		return grow_table(i, cluster);
	uint64_t at = cluster;
	if (i->rebuild_at)
		at = i->rebuild_at++;
	else if (is_metadata(i, at << i->h.cluster_bits, i->cluster_size))
		return image_bad(i, "clusters of its tables are not counted");
	uint8_t *zeros = g_malloc0(i->cluster_size);
	int r = image_pwrite(i, at << i->h.cluster_bits, zeros, i->cluster_size);
	g_free(zeros);
	if (r)
		return r;
	cache_forget(i, at << i->h.cluster_bits);
	i->reftable[t] = at << i->h.cluster_bits;
	i->reftable_dirty[t / (SECTOR / 8)] = 1;
	if (i->fresh_from != UINT64_MAX)
		i->fresh_from = MAX(i->fresh_from, at + 1);
	return refcount_set(i, at, 1);
}

int refcount_set(struct image *i, uint64_t cluster, uint64_t count)
{
	struct slice *s;
	uint64_t index;
	int r = find(i, cluster, &s, &index);
	if (r == 1 && !count)
		return 0;
	/* First the table may have to grow, then a block is made. */
	for (int n = 0; r == 1 && n < 3; n++) {
		r = new_block(i, cluster);
		r = r ? r : find(i, cluster, &s, &index);
	}
	if (r)
		return r < 0 ? r : -EFBIG;
	refcount_write(i, s->data, index, count);
	cache_dirty(i, s);
	if (!count) {
		i->free_hint = MIN(i->free_hint, cluster);
		cache_forget(i, cluster << i->h.cluster_bits);
		if (i->pack_at && (i->pack_at - 1) >> i->h.cluster_bits == cluster)
			i->pack_at = 0;
	}
	return 0;
}

int refcount_add(struct image *i, uint64_t cluster, int64_t by)
{
	uint64_t count;
	int r = refcount_get(i, cluster, &count);
	if (r)
		return r;
	if (by < 0 && count < (uint64_t)-by)
		return image_bad(i, "cluster %llu loses a reference, but its count is 0 already",
			(unsigned long long)cluster);
	if (by > 0 && count > i->refcount_max - (uint64_t)by)
		return -EMLINK;
	return refcount_set(i, cluster, count + (uint64_t)by);
}

/* ---- free clusters ---- */

static bool overlap(uint64_t a, uint64_t a_len, uint64_t b, uint64_t b_len)
{
	return a < b + b_len && b < a + a_len;
}

bool is_metadata(const struct image *i, uint64_t offset, uint64_t len)
{
	return overlap(offset, len, 0, i->cluster_size) ||
		overlap(offset, len, i->h.l1_offset,
			round_up((uint64_t)i->h.l1_size * 8, SECTOR)) ||
		overlap(offset, len, i->h.reftable_offset,
			(uint64_t)i->h.reftable_clusters << i->h.cluster_bits) ||
		(i->crypt_offset && overlap(offset, len, i->crypt_offset, i->crypt_len)) ||
		(i->h.snapshots && overlap(offset, len, i->h.snapshots_offset, SECTOR));
}

static int is_free(struct image *i, uint64_t cluster, bool *is)
{
	uint64_t count;
	int r = refcount_get(i, cluster, &count);
	*is = !r && !count;
	if (*is && is_metadata(i, cluster << i->h.cluster_bits, i->cluster_size))
		r = image_bad(i, "a cluster of its tables (at 0x%llx) is not counted",
			(unsigned long long)(cluster << i->h.cluster_bits));
	return r;
}

/* A refcount block that comes to be while a cluster is counted may take that very cluster. */
static int take(struct image *i, uint64_t cluster, bool *taken)
{
	bool is = false;
	struct slice *s;
	uint64_t index;
	int r = find(i, cluster, &s, &index);
	if (r == 1) {
		r = new_block(i, cluster);
		if (!r)
			r = is_free(i, cluster, &is);
		*taken = is;
		return r || !is ? r : refcount_set(i, cluster, 1);
	}
	*taken = true;
	return r ? r : refcount_set(i, cluster, 1);
}

int clusters_alloc(struct image *i, uint64_t *count, uint64_t *first, bool *fresh)
{
	uint64_t at = i->free_hint, n = 0;
	bool is = false;
	int r = 0;
	do {
		while (!(r = is_free(i, at, &is)) && !is)
			at++;
		if (!r)
			r = take(i, at, &is);
	} while (!r && !is);
	if (r)
		return r;
	if (at >= OFFSET_MAX >> i->h.cluster_bits)
		r = -EFBIG;
	for (n = 1; !r && n < *count; n++) {
		r = is_free(i, at + n, &is);
		if (!r && is)
			r = take(i, at + n, &is);
		if (r || !is)
			break;
	}
	if (r) {
		clusters_unalloc(i, at, n);
		return r;
	}
	*first = at;
	*count = n;
	*fresh = at >= i->fresh_from;
	i->free_hint = at + n;
	for (uint64_t k = 0; k < n; k++)
		cache_forget(i, (at + k) << i->h.cluster_bits);
	if (i->fresh_from != UINT64_MAX)
		i->fresh_from = MAX(i->fresh_from, at + n);
	return 0;
}

/* Refcount blocks for these clusters, in other clusters: the one that is made when a cluster is counted
 * lies among those it counts, and with small clusters nothing long has room between them. */
static int make_blocks(struct image *i, uint64_t first, uint64_t count)
{
	uint64_t e = i->block_entries, last = (first + count - 1) / e, at, n;
	bool fresh;
	int r = last < i->reftable_entries ? 0 : grow_table(i, first + count);
	uint8_t *zeros = g_malloc0(i->cluster_size);
	for (uint64_t t = first / e; t <= last && !r; t++) {
		n = 1;
		if (i->reftable[t] & REFTABLE_OFFSET)
			continue;
		r = clusters_alloc(i, &n, &at, &fresh);
		r = r ? r : image_pwrite(i, at << i->h.cluster_bits, zeros, i->cluster_size);
		if (r || t >= i->reftable_entries || i->reftable[t] & REFTABLE_OFFSET)
			continue; /* a leak at most */
		i->reftable[t] = at << i->h.cluster_bits;
		i->reftable_dirty[t / (SECTOR / 8)] = 1;
	}
	g_free(zeros);
	return r;
}

int clusters_alloc_all(struct image *i, uint64_t count, uint64_t *first)
{
	uint64_t hint = i->free_hint, start = 0, tries = 0;
	bool fresh;
	for (;;) {
		uint64_t n = count;
		int r = clusters_alloc(i, &n, first, &fresh);
		if (r)
			return r;
		start = start ? start : *first;
		if (n == count)
			break;
		clusters_unalloc(i, *first, n);
		i->free_hint = *first + n; /* look further on */
		if (count < i->block_entries)
			continue;
		/* There may never be so many. */
		uint64_t far = MAX(*first + n, i->fresh_from == UINT64_MAX ? 0 : i->fresh_from);
		far = round_up(far + 2 * (count / i->block_entries + 8), i->block_entries);
		i->free_hint = start;
		r = ++tries > 8 ? -EFBIG : make_blocks(i, far, count);
		if (r)
			return r;
		i->free_hint = far;
	}
	i->free_hint = MIN(hint, start);
	return 0;
}

void clusters_unalloc(struct image *i, uint64_t first, uint64_t count)
{
	/* A failure leaves them counted, which is no harm. */
	for (uint64_t n = 0; n < count; n++)
		refcount_add(i, first + n, -1);
}

void cluster_release(struct image *i, uint64_t cluster)
{
	g_array_append_val(i->frees, cluster);
}
