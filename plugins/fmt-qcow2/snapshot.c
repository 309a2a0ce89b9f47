/* SPDX-License-Identifier: MIT */
/* Internal snapshots (spec, "Snapshots"). While counts and tables change together the dirty bit is
 * set (version 3), so that a crash leads to a repair; what a snapshot or the disk contains is never at
 * risk, since counts grow before they are needed and shrink after. */
#include "image.h"

enum { FIXED = 40, KNOWN_EXTRA = 24, EXTRA_MAX = 1024 };

static void snapshot_free(void *p)
{
	struct snapshot *s = p;
	g_free(s->id);
	g_free(s->name);
	g_free(s->extra);
	g_free(s);
}

void snapshots_forget(struct image *i)
{
	if (i->snapshots)
		g_ptr_array_free(i->snapshots, TRUE);
	i->snapshots = NULL;
}

static struct snapshot *at(const struct image *i, unsigned n)
{
	return g_ptr_array_index(i->snapshots, n);
}

static uint32_t entry_bytes(const struct snapshot *s)
{
	return (uint32_t)round_up(
		FIXED + KNOWN_EXTRA + s->extra_len + strlen(s->id) + strlen(s->name), 8);
}

uint64_t snapshot_table_bytes(const struct image *i)
{
	uint64_t bytes = 0;
	for (unsigned n = 0; n < i->snapshots->len; n++)
		bytes += entry_bytes(at(i, n));
	return bytes;
}

static int read_one(struct image *i, uint64_t *offset, uint64_t end, bp_error *err)
{
	uint8_t p[FIXED + EXTRA_MAX];
	int r = *offset > end || end - *offset < FIXED ? -EIO
						       : image_pread(i, i->file, *offset, p, FIXED);
	uint32_t id = r ? 0 : (uint32_t)p[12] << 8 | p[13],
		 name = r ? 0 : (uint32_t)p[14] << 8 | p[15];
	uint32_t extra = r ? 0 : get32(p + 36);
	uint64_t whole = FIXED + (uint64_t)extra + id + name;
	if (r || extra > EXTRA_MAX || whole > end - *offset)
		return i->host->fail(err, "snapshot %u of its table is damaged", i->snapshots->len);
	uint8_t *text = g_malloc0(id + name + 1);
	r = image_pread(i, i->file, *offset + FIXED, p + FIXED, extra);
	r = r ? r : image_pread(i, i->file, *offset + FIXED + extra, text, id + name);
	if (r) {
		g_free(text);
		return i->host->fail(err, "its snapshots: %s", g_strerror(-r));
	}
	struct snapshot *s = g_new0(struct snapshot, 1);
	*s = (struct snapshot){ .l1_offset = get64(p),
		.l1_size = get32(p + 8),
		.date_s = get32(p + 16),
		.date_ns = get32(p + 20),
		.clock_ns = get64(p + 24),
		.state_bytes = extra >= 8 ? get64(p + 40) : get32(p + 32),
		.disk_bytes = extra >= 16 ? get64(p + 48) : i->h.size,
		.icount = extra >= 24 ? get64(p + 56) : UINT64_MAX,
		.id = g_strndup((char *)text, id),
		.name = g_strndup((char *)text + id, name) };
	if (extra > KNOWN_EXTRA) {
		s->extra_len = extra - KNOWN_EXTRA;
		s->extra = g_memdup2(p + FIXED + KNOWN_EXTRA, s->extra_len);
	}
	g_free(text);
	g_ptr_array_add(i->snapshots, s);
	*offset += round_up(whole, 8);
	return 0;
}

int snapshots_read(struct image *i, bp_error *err)
{
	uint64_t offset = i->h.snapshots_offset, end;
	int r = i->layer->bytes(i->file, &end);
	snapshots_forget(i);
	i->snapshots = g_ptr_array_new_with_free_func(snapshot_free);
	if (i->h.snapshots &&
		(r || i->h.snapshots > SNAPSHOTS_MAX || !map_valid(i, offset) || !offset))
		return i->host->fail(err, "a table of %u snapshots at 0x%llx is not possible",
			i->h.snapshots, (unsigned long long)offset);
	end = MIN(end, offset + SNAPSHOT_TABLE_MAX);
	for (unsigned n = 0; n < i->h.snapshots; n++)
		if (read_one(i, &offset, end, err) != 0)
			return -1;
	return 0;
}

uint64_t *snapshot_l1(struct image *i, unsigned n, bp_error *err)
{
	const struct snapshot *s = at(i, n);
	uint64_t bytes = (uint64_t)s->l1_size * 8, end;
	int r = i->layer->bytes(i->file, &end);
	if (r || bytes > L1_MAX || !map_valid(i, s->l1_offset) || s->l1_offset > end ||
		bytes > end - s->l1_offset) {
		i->host->fail(err,
			"the L1 table of snapshot \"%s\" (%u entries at 0x%llx) is not "
			"possible",
			s->name, s->l1_size, (unsigned long long)s->l1_offset);
		return NULL;
	}
	uint64_t *l1 = g_malloc0(bytes + 8);
	r = image_pread(i, i->file, s->l1_offset, l1, bytes);
	for (uint32_t k = 0; k < s->l1_size; k++)
		l1[k] = GUINT64_FROM_BE(l1[k]);
	if (!r)
		return l1;
	i->host->fail(err, "the L1 table of snapshot \"%s\": %s", s->name, g_strerror(-r));
	g_free(l1);
	return NULL;
}

/* ---- walking tables: the lock is held ---- */

static int walk_entry(struct image *i, uint64_t entry,
	int (*each)(struct image *i, uint64_t cluster, void *arg), void *arg)
{
	uint64_t host, len;
	int r = 0;
	if (entry & ENTRY_COMPRESSED) {
		map_packed(i, entry, &host, &len);
		for (uint64_t c = host >> i->h.cluster_bits;
			c <= (host + len - 1) >> i->h.cluster_bits && !r; c++)
			r = each(i, c, arg);
	} else if (entry & ENTRY_OFFSET && !i->external) {
		if (!map_valid(i, entry & ENTRY_OFFSET))
			return image_bad(i, "an L2 entry is 0x%llx, where no cluster can be",
				(unsigned long long)entry);
		r = each(i, (entry & ENTRY_OFFSET) >> i->h.cluster_bits, arg);
	}
	return r;
}

int walk(struct image *i, const uint64_t *l1, uint64_t entries,
	int (*each)(struct image *i, uint64_t cluster, void *arg), void *arg)
{
	uint8_t *table = i->layer->memory(i->slice_size);
	int r = table ? 0 : -ENOMEM;
	for (uint64_t n = 0; n < entries && !r; n++) {
		uint64_t offset = l1[n] & ENTRY_OFFSET;
		struct slice *s;
		if (!offset)
			continue;
		if (!map_valid(i, offset))
			r = image_bad(i, "an L1 entry is 0x%llx, where no table can be",
				(unsigned long long)l1[n]);
		for (uint64_t a = 0; a < i->cluster_size && !r; a += i->slice_size) {
			r = commit_if_full(i);
			r = r ? r : cache_get(i, offset + a, false, &s);
			if (r)
				break;
			/* each() may change what is cached. */
			memcpy(table, s->data, i->slice_size);
			for (uint32_t k = 0; k < i->slice_size && !r; k += i->entry_size)
				r = walk_entry(i, get64(table + k), each, arg);
		}
		r = r ? r : each(i, offset >> i->h.cluster_bits, arg);
	}
	i->layer->memory_free(table, i->slice_size);
	return r;
}

static int can_add(struct image *i, uint64_t cluster, void *arg)
{
	uint64_t count;
	(void)arg;
	int r = refcount_get(i, cluster, &count);
	/* Compressed clusters share one, so a little more than one is added. */
	if (!r && !count)
		return image_bad(
			i, "cluster %llu is used, but its count is 0", (unsigned long long)cluster);
	return r ? r : count > i->refcount_max - 1 ? -EMLINK : 0;
}

static int add(struct image *i, uint64_t cluster, void *arg)
{
	return refcount_add(i, cluster, *(const int *)arg);
}

static int is_one(struct image *i, uint64_t offset, bool *one)
{
	uint64_t count;
	int r = refcount_get(i, offset >> i->h.cluster_bits, &count);
	*one = count == 1;
	return r;
}

static int refresh_table(struct image *i, uint64_t table, bool write, uint64_t *wrong)
{
	int r = 0;
	for (uint64_t a = 0; a < i->cluster_size && !r; a += i->slice_size) {
		struct slice *s;
		if (write)
			r = commit_if_full(i);
		for (uint32_t k = 0; k < i->slice_size && !r; k += i->entry_size) {
			bool one = false;
			r = cache_get(i, table + a, false, &s);
			uint64_t entry = r ? 0 : get64(s->data + k);
			if (entry & ENTRY_COMPRESSED || !(entry & ENTRY_OFFSET))
				continue;
			r = is_one(i, entry & ENTRY_OFFSET, &one);
			if (r || one == !!(entry & ENTRY_COPIED))
				continue;
			++*wrong;
			/* Counts have slices of their own: s may be gone. */
			if (write && !(r = cache_get(i, table + a, false, &s))) {
				put64(s->data + k, entry ^ ENTRY_COPIED);
				cache_dirty(i, s);
			}
		}
	}
	return r;
}

int refresh_copied(struct image *i, bool write, uint64_t *wrong)
{
	int r = 0;
	for (uint32_t n = 0; n < i->h.l1_size && !r; n++) {
		uint64_t offset = i->l1[n] & ENTRY_OFFSET;
		bool one = false;
		if (!offset || !map_valid(i, offset))
			continue;
		r = is_one(i, offset, &one);
		if (!r && one != !!(i->l1[n] & ENTRY_COPIED)) {
			++*wrong;
			if (write) {
				i->l1[n] ^= ENTRY_COPIED;
				i->l1_dirty[n / (SECTOR / 8)] = 1;
			}
		}
		r = r || i->external ? r : refresh_table(i, offset, write, wrong);
	}
	return r;
}

/* ---- the table ---- */

static int write_table(struct image *i, uint64_t *offset, uint64_t *clusters)
{
	uint64_t bytes = snapshot_table_bytes(i), first;
	*offset = *clusters = 0;
	if (!bytes)
		return 0;
	*clusters = round_up(bytes, i->cluster_size) >> i->h.cluster_bits;
	uint8_t *table = g_malloc0(bytes), *p = table;
	for (unsigned n = 0; n < i->snapshots->len; n++) {
		const struct snapshot *s = at(i, n);
		size_t id = strlen(s->id), name = strlen(s->name);
		put64(p, s->l1_offset);
		put32(p + 8, s->l1_size);
		put32(p + 12, (uint32_t)(id << 16 | name));
		put32(p + 16, s->date_s);
		put32(p + 20, s->date_ns);
		put64(p + 24, s->clock_ns);
		put32(p + 32, s->state_bytes > UINT32_MAX ? 0 : (uint32_t)s->state_bytes);
		put32(p + 36, KNOWN_EXTRA + s->extra_len);
		put64(p + 40, s->state_bytes);
		put64(p + 48, s->disk_bytes);
		put64(p + 56, s->icount);
		if (s->extra_len)
			memcpy(p + FIXED + KNOWN_EXTRA, s->extra, s->extra_len);
		uint8_t *text = p + FIXED + KNOWN_EXTRA + s->extra_len;
		memcpy(text, s->id, id);
		memcpy(text + id, s->name, name);
		p += entry_bytes(s);
	}
	int r = clusters_alloc_all(i, *clusters, &first);
	*offset = first << i->h.cluster_bits;
	r = r ? r : image_pwrite(i, *offset, table, bytes);
	g_free(table);
	return r;
}

/* The header leads to the table of what i->snapshots holds now. What was the table is let go. */
static int switch_table(struct image *i, uint64_t old_bytes)
{
	struct header before = i->h;
	uint64_t offset, clusters;
	int r = write_table(i, &offset, &clusters);
	r = r ? r : commit(i, true);
	if (r)
		return r;
	i->h.snapshots = i->snapshots->len;
	i->h.snapshots_offset = offset;
	r = header_switch(i);
	if (r) {
		i->h = before;
		return r;
	}
	uint64_t old = round_up(old_bytes, i->cluster_size) >> i->h.cluster_bits;
	for (uint64_t n = 0; n < old; n++)
		cluster_release(i, (before.snapshots_offset >> i->h.cluster_bits) + n);
	return 0;
}

static int begin(struct image *i)
{
	int r = image_prepare(i);
	r = r ? r : commit(i, true);
	if (r || i->h.version < 3 || i->h.incompatible & INCOMPATIBLE_DIRTY)
		return r;
	i->h.incompatible |= INCOMPATIBLE_DIRTY;
	return header_switch(i);
}

static int end(struct image *i)
{
	uint64_t wrong = 0;
	int r = commit(i, true); /* counts that are still to go, go */
	r = r ? r : refresh_copied(i, true, &wrong);
	return r ? r : commit_clean(i);
}

static int failed(struct image *i, int r, bp_error *err)
{
	if (!r)
		return 0;
	if (r == -EMLINK)
		return i->host->fail(err, "refcounts of %u bits cannot count one more snapshot",
			i->refcount_bits);
	return i->host->fail(err, "%s", g_strerror(-r));
}

static int find(const struct image *i, const char *name)
{
	for (unsigned n = 0; n < i->snapshots->len; n++)
		if (!strcmp(at(i, n)->id, name))
			return (int)n;
	for (unsigned n = 0; n < i->snapshots->len; n++)
		if (!strcmp(at(i, n)->name, name))
			return (int)n;
	return -1;
}

static char *fresh_id(const struct image *i)
{
	uint64_t highest = 0;
	for (unsigned n = 0; n < i->snapshots->len; n++)
		highest = MAX(highest, g_ascii_strtoull(at(i, n)->id, NULL, 10));
	return g_strdup_printf("%llu", (unsigned long long)highest + 1);
}

/* A copy of an L1 table, without the flags that only the active one has. */
static int copy_l1(
	struct image *i, const uint64_t *l1, uint64_t entries, uint64_t have, uint64_t *offset)
{
	uint64_t bytes = entries * 8, first = 0;
	uint64_t *copy = g_malloc0(bytes + 8);
	for (uint64_t n = 0; n < MIN(entries, have); n++)
		copy[n] = GUINT64_TO_BE(l1[n] & ~ENTRY_COPIED);
	int r = bytes ? clusters_alloc_all(
				i, round_up(bytes, i->cluster_size) >> i->h.cluster_bits, &first)
		      : 0;
	*offset = first << i->h.cluster_bits;
	r = r || !bytes ? r : image_pwrite(i, *offset, copy, bytes);
	g_free(copy);
	return r;
}

/* ---- what users do: nothing else is under way ---- */

int snapshot_create(struct image *i, const char *name, uint64_t date_ns, bp_error *err)
{
	const uint64_t second = 1000000000;
	uint64_t old_bytes = snapshot_table_bytes(i);
	int one = 1;
	if (i->external)
		return i->host->fail(err, "an image with an external data file has no snapshots");
	if (strlen(name) > NAME_MAX_BYTES)
		return i->host->fail(err, "a name of more than %d bytes", NAME_MAX_BYTES);
	if (i->snapshots->len >= SNAPSHOTS_MAX)
		return i->host->fail(err, "it has %u snapshots already", i->snapshots->len);
	struct snapshot *s = g_new0(struct snapshot, 1);
	*s = (struct snapshot){ .l1_size = i->h.l1_size,
		.date_s = (uint32_t)(date_ns / second),
		.date_ns = (uint32_t)(date_ns % second),
		.disk_bytes = i->h.size,
		.icount = UINT64_MAX,
		.id = fresh_id(i),
		.name = g_strdup(name) };
	pthread_mutex_lock(&i->lock);
	int r = walk(i, i->l1, i->h.l1_size, can_add, NULL);
	r = r ? r : begin(i);
	r = r ? r : copy_l1(i, i->l1, i->h.l1_size, i->h.l1_size, &s->l1_offset);
	r = r ? r : walk(i, i->l1, i->h.l1_size, add, &one);
	if (!r) {
		uint64_t wrong = 0;
		g_ptr_array_add(i->snapshots, s);
		s = NULL;
		/* Shared from now on: not before counts are on disk, and before the snapshot is. */
		r = commit(i, true);
		r = r ? r : refresh_copied(i, true, &wrong);
		r = r ? r : switch_table(i, old_bytes);
		if (r)
			g_ptr_array_remove_index(i->snapshots, i->snapshots->len - 1);
	}
	r = r ? r : end(i);
	pthread_mutex_unlock(&i->lock);
	if (s)
		snapshot_free(s);
	return failed(i, r, err);
}

static int use_l1(struct image *i, const uint64_t *l1, const struct snapshot *s)
{
	uint64_t covers = (uint64_t)i->table_entries << i->h.cluster_bits, offset;
	uint64_t entries = MAX(s->l1_size, (s->disk_bytes + covers - 1) / covers);
	struct header before = i->h;
	int one = 1, less = -1;
	int r = walk(i, l1, s->l1_size, can_add, NULL);
	r = r ? r : begin(i);
	before = i->h;
	r = r ? r : copy_l1(i, l1, entries, s->l1_size, &offset);
	r = r ? r : walk(i, l1, s->l1_size, add, &one);
	r = r ? r : commit(i, true);
	if (r)
		return r;
	uint64_t *old = i->l1;
	i->h.l1_offset = offset;
	i->h.l1_size = (uint32_t)entries;
	if (i->h.size != s->disk_bytes)
		i->h.autoclear &= ~AUTOCLEAR_BITMAPS; /* they are as long as the disk was */
	i->h.size = s->disk_bytes;
	r = header_switch(i);
	if (r) {
		i->h = before;
		return r;
	}
	i->l1 = g_malloc0((entries + 1) * 8);
	for (uint64_t n = 0; n < s->l1_size; n++)
		i->l1[n] = l1[n] & ~ENTRY_COPIED;
	g_free(i->l1_dirty);
	i->l1_dirty = g_malloc0(entries / (SECTOR / 8) + 1);
	r = walk(i, old, before.l1_size, add, &less);
	uint64_t clusters = round_up((uint64_t)before.l1_size * 8, i->cluster_size);
	for (uint64_t n = 0; n < clusters >> i->h.cluster_bits && !r; n++)
		r = refcount_add(i, (before.l1_offset >> i->h.cluster_bits) + n, -1);
	g_free(old);
	return r;
}

int snapshot_apply(struct image *i, const char *name, bp_error *err)
{
	int n = find(i, name);
	if (n < 0)
		return i->host->fail(err, "there is no snapshot \"%s\"", name);
	if (at(i, (unsigned)n)->disk_bytes > INT64_MAX)
		return i->host->fail(err, "the disk of snapshot \"%s\" is too large", name);
	uint64_t *l1 = snapshot_l1(i, (unsigned)n, err);
	if (!l1)
		return -1;
	uint64_t covers = (uint64_t)i->table_entries << i->h.cluster_bits;
	if (at(i, (unsigned)n)->disk_bytes / covers >= L1_MAX / 8) {
		g_free(l1);
		return i->host->fail(err, "the disk of snapshot \"%s\" is too large", name);
	}
	pthread_mutex_lock(&i->lock);
	int r = use_l1(i, l1, at(i, (unsigned)n));
	r = r ? r : end(i);
	pthread_mutex_unlock(&i->lock);
	g_free(l1);
	return failed(i, r, err);
}

int snapshot_delete(struct image *i, const char *name, bp_error *err)
{
	uint64_t old_bytes = snapshot_table_bytes(i);
	int n = find(i, name), less = -1;
	if (n < 0)
		return i->host->fail(err, "there is no snapshot \"%s\"", name);
	uint64_t *l1 = snapshot_l1(i, (unsigned)n, err);
	if (!l1)
		return -1;
	struct snapshot *s = g_ptr_array_steal_index(i->snapshots, (unsigned)n);
	pthread_mutex_lock(&i->lock);
	int r = begin(i);
	r = r ? r : switch_table(i, old_bytes);
	if (r)
		g_ptr_array_insert(i->snapshots, n, s);
	bool gone = !r;
	r = r ? r : walk(i, l1, s->l1_size, add, &less);
	uint64_t clusters =
		round_up((uint64_t)s->l1_size * 8, i->cluster_size) >> i->h.cluster_bits;
	for (uint64_t k = 0; k < clusters && !r; k++)
		r = refcount_add(i, (s->l1_offset >> i->h.cluster_bits) + k, -1);
	r = r ? r : end(i);
	pthread_mutex_unlock(&i->lock);
	g_free(l1);
	if (gone)
		snapshot_free(s);
	return failed(i, r, err);
}
