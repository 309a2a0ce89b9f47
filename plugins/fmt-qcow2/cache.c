/* SPDX-License-Identifier: MIT */
/* Slices of tables in memory, and the order in which they go to the file (image.h). */
#include "image.h"

static void unlink_slice(struct image *i, struct slice *s)
{
	*(s->newer ? &s->newer->older : &i->newest) = s->older;
	*(s->older ? &s->older->newer : &i->oldest) = s->newer;
	s->newer = s->older = NULL;
}

static void put_newest(struct image *i, struct slice *s)
{
	s->older = i->newest;
	*(i->newest ? &i->newest->newer : &i->oldest) = s;
	i->newest = s;
}

static void clean(struct image *i, struct slice *s)
{
	if (!s->dirty)
		return;
	s->dirty = false;
	i->dirty_slices--;
	i->dirty_refcounts -= s->refcount;
}

static void drop(struct image *i, struct slice *s)
{
	clean(i, s);
	unlink_slice(i, s);
	g_hash_table_remove(i->slices, &s->offset);
	i->layer->memory_free(s->data, i->slice_size);
	g_free(s);
}

/* The oldest clean one makes room; if all are dirty the bound is passed until the next commit. */
static void make_room(struct image *i)
{
	struct slice *s = i->oldest;
	while (s && g_hash_table_size(i->slices) >= i->slices_max) {
		struct slice *newer = s->newer;
		if (!s->dirty && !s->busy)
			drop(i, s);
		s = newer;
	}
}

int cache_get(struct image *i, uint64_t offset, bool refcount, struct slice **out)
{
	struct slice *s = g_hash_table_lookup(i->slices, &offset);
	if (s && s->refcount != refcount)
		return image_bad(i,
			"the cluster at 0x%llx is an L2 table and a refcount block at once",
			(unsigned long long)offset);
	if (s) {
		if (s != i->newest) {
			unlink_slice(i, s);
			put_newest(i, s);
		}
		*out = s;
		return 0;
	}
	if (g_hash_table_size(i->slices) >= i->slices_max)
		make_room(i);
	uint8_t *data = i->layer->memory(i->slice_size);
	int r = data ? image_pread(i, i->file, offset, data, i->slice_size) : -ENOMEM;
	if (r) {
		i->layer->memory_free(data, i->slice_size);
		return r;
	}
	s = g_new0(struct slice, 1);
	s->offset = offset;
	s->data = data;
	s->refcount = refcount;
	g_hash_table_insert(i->slices, &s->offset, s);
	put_newest(i, s);
	*out = s;
	return 0;
}

void cache_dirty(struct image *i, struct slice *s)
{
	if (s->dirty)
		return;
	s->dirty = true;
	i->dirty_slices++;
	i->dirty_refcounts += s->refcount;
}

void cache_forget(struct image *i, uint64_t cluster_offset)
{
	for (uint64_t at = 0; at < i->cluster_size; at += i->slice_size) {
		uint64_t offset = cluster_offset + at;
		struct slice *s = g_hash_table_lookup(i->slices, &offset);
		if (s && !s->busy)
			drop(i, s);
	}
}

void cache_forget_all(struct image *i)
{
	while (i->oldest)
		drop(i, i->oldest);
}

/* ---- commit ---- */

struct write { /* a piece of metadata as it was at the commit's beginning */
	uint64_t offset;
	uint32_t len;
	struct slice *slice; /* or NULL */
	uint8_t *dirty; /* or the flag of a table's sector */
	void *data;
};

struct batch {
	GArray *counts, *reftable, *tables, *l1; /* struct write, stages 1, 2, 3, 3 */
	GArray *new_tables; /* stage 1, too */
	GHashTable *was_new;
	GArray *frees;
	bool full;
};

static void add_write(GArray *to, uint64_t offset, const void *data, uint32_t len,
	struct slice *slice, uint8_t *dirty)
{
	struct write w = { offset, len, slice, dirty, g_memdup2(data, len) };
	g_array_append_val(to, w);
}

/* Sectors of the L1 or the refcount table. */
static void freeze_table(
	GArray *to, const uint64_t *table, uint64_t entries, uint64_t offset, uint8_t *dirty)
{
	enum { PER_SECTOR = SECTOR / 8 };
	uint64_t sector[PER_SECTOR];
	for (uint64_t n = 0; n * PER_SECTOR < entries; n++) {
		uint64_t count = MIN(PER_SECTOR, entries - n * PER_SECTOR);
		if (!dirty[n])
			continue;
		for (uint64_t k = 0; k < count; k++)
			sector[k] = GUINT64_TO_BE(table[n * PER_SECTOR + k]);
		dirty[n] = 0;
		add_write(to, offset + n * SECTOR, sector, (uint32_t)count * 8, NULL, &dirty[n]);
	}
}

static void freeze(struct image *i, struct batch *b, bool with_counts)
{
	GArray **all[] = { &b->counts, &b->reftable, &b->tables, &b->l1, &b->new_tables };
	for (unsigned n = 0; n < G_N_ELEMENTS(all); n++)
		*all[n] = g_array_new(FALSE, FALSE, sizeof(struct write));
	for (struct slice *s = i->oldest; s; s = s->newer) {
		uint64_t table = s->offset & ~(uint64_t)(i->cluster_size - 1);
		if (!s->dirty || (s->refcount && !with_counts))
			continue;
		clean(i, s);
		s->busy = true;
		GArray *to = s->refcount                               ? b->counts
			: g_hash_table_contains(i->new_tables, &table) ? b->new_tables
								       : b->tables;
		add_write(to, s->offset, s->data, i->slice_size, s, NULL);
	}
	freeze_table(b->reftable, i->reftable, i->reftable_entries, i->h.reftable_offset,
		i->reftable_dirty);
	freeze_table(b->l1, i->l1, i->h.l1_size, i->h.l1_offset, i->l1_dirty);
	b->was_new = i->new_tables;
	i->new_tables = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, NULL);
	b->frees = i->frees;
	i->frees = g_array_new(FALSE, FALSE, sizeof(uint64_t));
}

static int by_offset(const void *a, const void *b)
{
	const struct write *x = a, *y = b;
	return x->offset < y->offset ? -1 : x->offset > y->offset;
}

/* In order of their offsets, neighbours together. */
static int write_all(struct image *i, GArray *list)
{
	enum { TOGETHER = 64 };
	struct bp_blk_iov iov[TOGETHER];
	const struct write *w = (const struct write *)(const void *)list->data;
	int r = 0;
	g_array_sort(list, by_offset);
	for (unsigned n = 0, count; n < list->len && !r; n += count) {
		uint64_t len = 0;
		for (count = 0; count < TOGETHER && n + count < list->len &&
			w[n + count].offset == w[n].offset + len;
			count++) {
			iov[count] = (struct bp_blk_iov){ w[n + count].data, w[n + count].len };
			len += w[n + count].len;
		}
		r = i->layer->write(i->file, w[n].offset, len, iov, count, 0);
	}
	return r;
}

static int write_batch(struct image *i, struct batch *b)
{
	bool later = b->reftable->len || b->tables->len || b->l1->len;
	int r = write_all(i, b->counts);
	r = r ? r : write_all(i, b->new_tables);
	if (!r && (later || b->full))
		r = image_sync(i);
	if (!r && b->reftable->len) {
		r = write_all(i, b->reftable);
		r = r ? r : i->layer->flush(i->file);
	}
	r = r ? r : write_all(i, b->tables);
	r = r ? r : write_all(i, b->l1);
	if (!r && b->full && (b->tables->len || b->l1->len))
		r = i->layer->flush(i->file);
	return r;
}

static void again(gpointer key, gpointer value, gpointer to)
{
	(void)value;
	g_hash_table_add(to, g_memdup2(key, sizeof(uint64_t)));
}

static void end_list(struct image *i, GArray *list, bool failed)
{
	for (unsigned n = 0; n < list->len; n++) {
		struct write *w = &g_array_index(list, struct write, n);
		if (w->slice)
			w->slice->busy = false;
		if (w->slice && failed)
			cache_dirty(i, w->slice);
		else if (w->dirty && failed)
			*w->dirty = 1;
		g_free(w->data);
	}
	g_array_free(list, TRUE);
}

static void end_batch(struct image *i, struct batch *b, bool failed)
{
	GArray *lists[] = { b->counts, b->reftable, b->tables, b->l1, b->new_tables };
	for (unsigned n = 0; n < G_N_ELEMENTS(lists); n++)
		end_list(i, lists[n], failed);
	if (failed)
		g_hash_table_foreach(b->was_new, again, i->new_tables);
	g_hash_table_destroy(b->was_new);
	if (failed || !b->full) {
		g_array_append_vals(i->frees, b->frees->data, b->frees->len);
	} else {
		for (unsigned n = 0; n < b->frees->len; n++) {
			uint64_t cluster = g_array_index(b->frees, uint64_t, n);
			refcount_add(i, cluster, -1);
		}
	}
	g_array_free(b->frees, TRUE);
}

static int commit_now(struct image *i, bool full, bool with_counts)
{
	struct batch b = { .full = full };
	uint64_t number = ++i->commits_begun;
	i->committing = true;
	freeze(i, &b, with_counts);
	pthread_mutex_unlock(&i->lock);
	int r = write_batch(i, &b);
	pthread_mutex_lock(&i->lock);
	end_batch(i, &b, r != 0);
	i->committing = false;
	if (!r && full)
		i->commit_good = number;
	pthread_cond_broadcast(&i->changed);
	return r;
}

static bool lazy(const struct image *i)
{
	return i->h.incompatible & INCOMPATIBLE_DIRTY && i->h.compatible & COMPATIBLE_LAZY;
}

int commit(struct image *i, bool full)
{
	uint64_t arrived = i->commits_begun;
	while (i->committing) {
		pthread_cond_wait(&i->changed, &i->lock);
		if (i->commit_good > arrived)
			return 0; /* it began after this call, and did all */
	}
	return commit_now(i, full, !lazy(i) || i->dirty_refcounts > i->slices_max / 2);
}

int commit_if_full(struct image *i)
{
	if (i->frees->len > FREES_MAX)
		return commit(i, true);
	return i->dirty_slices > i->slices_max / 2 ? commit(i, false) : 0;
}

int commit_clean(struct image *i)
{
	int r;
	/* Letting clusters go makes counts dirty again. */
	do {
		while (i->committing)
			pthread_cond_wait(&i->changed, &i->lock);
		r = commit_now(i, true, true);
	} while (!r && (i->dirty_slices || i->frees->len));
	if (!r && i->h.incompatible & INCOMPATIBLE_DIRTY && !i->bad) {
		i->h.incompatible &= ~INCOMPATIBLE_DIRTY;
		r = header_switch(i);
		if (r)
			i->h.incompatible |= INCOMPATIBLE_DIRTY;
	}
	return r;
}
