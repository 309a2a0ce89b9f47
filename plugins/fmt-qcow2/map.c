/* SPDX-License-Identifier: MIT */
/* Guest offsets to what is there (spec, "Cluster mapping", "Extended L2 Entries"). */
#include "image.h"

struct place { /* of an L2 entry */
	struct slice *slice;
	uint32_t at; /* bytes in the slice */
};

bool map_valid(const struct image *i, uint64_t offset)
{
	return !(offset & (i->cluster_size - 1)) && offset < OFFSET_MAX;
}

static int l1_entry(struct image *i, uint64_t cluster, uint64_t *entry)
{
	uint64_t n = cluster / i->table_entries;
	if (n >= i->h.l1_size)
		return -EINVAL;
	*entry = i->l1[n];
	uint64_t offset = *entry & ENTRY_OFFSET;
	if (offset && (!map_valid(i, offset) || is_metadata(i, offset, i->cluster_size)))
		return image_bad(i, "L1 entry %llu is 0x%llx, where no L2 table can be",
			(unsigned long long)n, (unsigned long long)*entry);
	return 0;
}

/* 1: there is no table. */
static int find(struct image *i, uint64_t cluster, struct place *p)
{
	uint64_t entry, in_table = cluster % i->table_entries * i->entry_size;
	int r = l1_entry(i, cluster, &entry);
	if (r)
		return r;
	if (!(entry & ENTRY_OFFSET))
		return 1;
	p->at = (uint32_t)(in_table % i->slice_size);
	return cache_get(i, (entry & ENTRY_OFFSET) + (in_table - p->at), false, &p->slice);
}

static void read_entry(const struct image *i, const struct place *p, uint32_t at, uint64_t *entry,
	uint64_t *bitmap)
{
	*entry = get64(p->slice->data + at);
	*bitmap = i->extended ? get64(p->slice->data + at + 8) : 0;
}

int map_entry(struct image *i, uint64_t cluster, uint64_t *entry, uint64_t *bitmap)
{
	struct place p;
	int r = find(i, cluster, &p);
	*entry = *bitmap = 0;
	if (!r)
		read_entry(i, &p, p.at, entry, bitmap);
	return r < 0 ? r : 0;
}

void map_packed(const struct image *i, uint64_t entry, uint64_t *host, uint64_t *len)
{
	unsigned x = 62 - (i->h.cluster_bits - 8);
	*host = entry & ((UINT64_C(1) << x) - 1);
	uint64_t sectors = (entry & ~(ENTRY_COPIED | ENTRY_COMPRESSED)) >> x;
	*len = (sectors + 1) * SECTOR - *host % SECTOR;
}

/* What one unit (cluster, or subcluster of an extended entry) is; NULL: possible, or why it is not. */
static const char *classify(
	const struct image *i, uint64_t entry, uint64_t bitmap, unsigned sub, struct run *out)
{
	uint64_t offset = entry & ENTRY_OFFSET;
	*out = (struct run){ .kind = UNALLOCATED, .copied = entry & ENTRY_COPIED };
	if (entry & ENTRY_COMPRESSED) {
		if (i->external || entry & ENTRY_COPIED)
			return "a compressed cluster where there can be none";
		out->kind = COMPRESSED;
		map_packed(i, entry, &out->host, &out->packed);
		return out->host < OFFSET_MAX ? NULL : "compressed data beyond 2^56";
	}
	out->allocated = offset || (i->external && out->copied);
	out->host = offset;
	if (out->allocated && (!map_valid(i, offset) || (!i->external && !offset)))
		return "no cluster can be there";
	if (i->extended) {
		bool data = bitmap >> sub & 1, zero = bitmap >> (SUBCLUSTERS + sub) & 1;
		if ((data && zero) || (data && !out->allocated))
			return zero ? "a subcluster is data and zero at once"
				    : "a subcluster is data and has no place";
		out->kind = zero ? ZERO : data ? NORMAL : UNALLOCATED;
	} else if (entry & ENTRY_ZERO && i->h.version >= 3) {
		out->kind = ZERO;
	} else if (out->allocated) {
		out->kind = NORMAL;
	}
	return NULL;
}

int map_lookup(struct image *i, uint64_t offset, uint64_t len, struct run *out)
{
	uint64_t cluster = offset >> i->h.cluster_bits, in = offset & (i->cluster_size - 1);
	uint64_t to_table_end = i->table_entries - cluster % i->table_entries;
	uint64_t entry, bitmap;
	struct place p;
	int r = find(i, cluster, &p);
	if (r < 0)
		return r;
	if (r) {
		*out = (struct run){ .kind = UNALLOCATED,
			.len = MIN(len, (to_table_end << i->h.cluster_bits) - in) };
		return 0;
	}
	unsigned sub = (unsigned)(in / i->unit);
	read_entry(i, &p, p.at, &entry, &bitmap);
	const char *wrong = classify(i, entry, bitmap, sub, out);
	if (wrong)
		return image_bad(i, "L2 entry 0x%llx, bitmap 0x%llx of guest cluster %llu: %s",
			(unsigned long long)entry, (unsigned long long)bitmap,
			(unsigned long long)cluster, wrong);
	if (i->external && out->allocated && out->host != cluster << i->h.cluster_bits)
		return image_bad(i, "guest cluster %llu lies at 0x%llx of the data file",
			(unsigned long long)cluster, (unsigned long long)out->host);
	out->host += out->kind == COMPRESSED ? 0 : in;
	out->len = i->unit - in % i->unit;
	if (out->kind == COMPRESSED)
		out->len = i->cluster_size - in;
	while (out->kind != COMPRESSED && out->len < len) {
		struct run next;
		if (in + out->len >= i->cluster_size) { /* the next cluster, if in this slice */
			p.at += i->entry_size;
			if (p.at >= i->slice_size)
				break;
			read_entry(i, &p, p.at, &entry, &bitmap);
			in -= i->cluster_size;
		}
		sub = (unsigned)((in + out->len) / i->unit);
		/* A damaged entry is found when it is its turn. */
		if (classify(i, entry, bitmap, sub, &next) || next.kind != out->kind ||
			next.allocated != out->allocated || next.copied != out->copied ||
			(next.allocated && next.host + in + out->len != out->host + out->len))
			break;
		out->len += i->unit;
	}
	out->len = MIN(out->len, len);
	return 0;
}

/* ---- changing ---- */

/* Its contents go to a new cluster; what of it is in memory counts. */
static int copy_table(struct image *i, uint64_t from, uint64_t to)
{
	uint8_t *table = i->layer->memory(i->cluster_size);
	struct slice *s;
	int r = table ? 0 : -ENOMEM;
	for (uint64_t at = 0; at < i->cluster_size && !r; at += i->slice_size) {
		r = cache_get(i, from + at, false, &s);
		if (!r)
			memcpy(table + at, s->data, i->slice_size);
	}
	r = r ? r : image_pwrite(i, to, table, i->cluster_size);
	i->layer->memory_free(table, i->cluster_size);
	return r;
}

static int clear_table(struct image *i, uint64_t to)
{
	void *zeros = i->layer->memory(i->cluster_size);
	if (!zeros)
		return -ENOMEM;
	memset(zeros, 0, i->cluster_size);
	int r = image_pwrite(i, to, zeros, i->cluster_size);
	i->layer->memory_free(zeros, i->cluster_size);
	return r;
}

int map_prepare(struct image *i, uint64_t cluster)
{
	uint64_t entry, first, count = 1, n = cluster / i->table_entries;
	bool fresh;
	int r = l1_entry(i, cluster, &entry);
	if (r || entry & ENTRY_COPIED)
		return r;
	r = clusters_alloc(i, &count, &first, &fresh);
	if (r)
		return r;
	if (i->l1[n] != entry) { /* the lock was let go of, and another one was here */
		clusters_unalloc(i, first, 1);
		return map_prepare(i, cluster);
	}
	uint64_t to = first << i->h.cluster_bits, from = entry & ENTRY_OFFSET;
	/* Beyond the file's end too: a commit may write the L1 entry before the table has any of its own. */
	r = from ? copy_table(i, from, to) : clear_table(i, to);
	if (r) {
		clusters_unalloc(i, first, 1);
		return r;
	}
	cache_forget(i, to);
	g_hash_table_add(i->new_tables, g_memdup2(&to, sizeof(to)));
	i->l1[n] = to | ENTRY_COPIED;
	i->l1_dirty[n / (SECTOR / 8)] = 1;
	if (from)
		cluster_release(i, from >> i->h.cluster_bits);
	return 0;
}

int map_set(struct image *i, uint64_t cluster, uint64_t entry, uint64_t bitmap)
{
	struct place p;
	int r = find(i, cluster, &p);
	if (r)
		return r < 0 ? r : -EIO;
	put64(p.slice->data + p.at, entry);
	if (i->extended)
		put64(p.slice->data + p.at + 8, bitmap);
	cache_dirty(i, p.slice);
	return 0;
}

void map_release(struct image *i, uint64_t entry)
{
	uint64_t host, len;
	if (i->external)
		return;
	if (entry & ENTRY_COMPRESSED) {
		map_packed(i, entry, &host, &len);
		for (uint64_t c = host >> i->h.cluster_bits;
			c <= (host + len - 1) >> i->h.cluster_bits; c++)
			cluster_release(i, c);
	} else if (entry & ENTRY_OFFSET) {
		cluster_release(i, (entry & ENTRY_OFFSET) >> i->h.cluster_bits);
	}
}
