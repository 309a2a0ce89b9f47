/* SPDX-License-Identifier: MIT */
/* Consistency: counts every reference that there is, compares with the refcounts, and repairs these.
 * Counting takes memory only for parts of the file that something refers to. */
#include "image.h"
#include <stdarg.h>
#include <stdlib.h>

enum { PAGE = 4096, PAGES_MAX = 1 << 17, LINES_MAX = 200, PASSES = 3 };

struct check {
	struct image *i;
	struct bp_blk_check *out;
	bp_error *err;
	GHashTable *pages; /* number -> uint32_t[PAGE]: references by cluster */
	uint64_t file_clusters, end, last_host;
	unsigned lines;
	bool repair, too_many;
};

static void say(struct check *c, const char *format, ...) BP_PRINTF(2, 3);
static void say(struct check *c, const char *format, ...)
{
	va_list args;
	if (!c->out->say || c->lines++ > LINES_MAX)
		return;
	va_start(args, format);
	char *text = g_strdup_vprintf(format, args);
	va_end(args);
	c->out->say(c->out->context,
		c->lines > LINES_MAX ? "there are more faults than can be shown" : text);
	g_free(text);
}

static uint32_t *page_of(struct check *c, uint64_t cluster, bool make)
{
	uint64_t number = cluster / PAGE;
	uint32_t *p = g_hash_table_lookup(c->pages, &number);
	if (!p && make && g_hash_table_size(c->pages) >= PAGES_MAX)
		c->too_many = true;
	else if (!p && make) {
		p = g_new0(uint32_t, PAGE);
		g_hash_table_insert(c->pages, g_memdup2(&number, sizeof(number)), p);
	}
	return p;
}

static uint32_t counted(struct check *c, uint64_t cluster)
{
	const uint32_t *p = page_of(c, cluster, false);
	return p ? p[cluster % PAGE] : 0;
}

/* References to bytes of the file. */
static void refer(struct check *c, uint64_t offset, uint64_t len, const char *what)
{
	uint64_t last = (offset + len - 1) >> c->i->h.cluster_bits;
	if (!len)
		return;
	for (uint64_t n = offset >> c->i->h.cluster_bits; n <= last; n++) {
		if (n >= c->file_clusters) {
			say(c, "%s at 0x%llx lies behind the end of the file", what,
				(unsigned long long)(n << c->i->h.cluster_bits));
			c->out->errors++;
			return;
		}
		uint32_t *p = page_of(c, n, true);
		if (p)
			p[n % PAGE] += p[n % PAGE] < UINT32_MAX;
		c->end = MAX(c->end, n + 1);
	}
}

/* ---- L1, L2 ---- */

/* False: the entry cannot be. */
static bool refer_entry(struct check *c, uint64_t entry, uint64_t bitmap, uint64_t l2, bool active)
{
	struct image *i = c->i;
	uint64_t host, len, offset = entry & ENTRY_OFFSET;
	if (entry & ENTRY_COMPRESSED) {
		map_packed(i, entry, &host, &len);
		if (entry & ENTRY_COPIED || i->external || host >= OFFSET_MAX) {
			say(c, "L2 table 0x%llx: 0x%llx is no compressed cluster",
				(unsigned long long)l2, (unsigned long long)entry);
			return false;
		}
		refer(c, host,
			MIN(len,
				(c->file_clusters << i->h.cluster_bits) -
					MIN(host, c->file_clusters << i->h.cluster_bits)),
			"compressed data");
		if (active) {
			c->out->allocated++;
			c->out->compressed++;
			c->out->fragmented++;
		}
		return true;
	}
	uint64_t reserved = entry & ~(ENTRY_COPIED | ENTRY_OFFSET | ENTRY_ZERO);
	if (!map_valid(i, offset) || reserved ||
		(i->extended &&
			(bitmap & bitmap >> 32 & BITMAP_ALL ||
				(bitmap & BITMAP_ALL && !offset && !i->external)))) {
		say(c, "L2 table 0x%llx: 0x%llx is no entry", (unsigned long long)l2,
			(unsigned long long)entry);
		return false;
	}
	if (!offset && !(i->external && entry & ENTRY_COPIED))
		return true;
	if (!i->external)
		refer(c, offset, i->cluster_size, "data");
	if (active) {
		c->out->allocated++;
		c->out->fragmented += c->last_host && offset != c->last_host + i->cluster_size;
		c->last_host = offset;
	}
	return true;
}

static int refer_table(struct check *c, uint64_t table, bool active)
{
	struct image *i = c->i;
	int r = 0;
	refer(c, table, i->cluster_size, "an L2 table");
	for (uint64_t a = 0; a < i->cluster_size && !r; a += i->slice_size) {
		struct slice *s;
		r = cache_get(i, table + a, false, &s);
		for (uint32_t k = 0; k < i->slice_size && !r; k += i->entry_size) {
			uint64_t entry = get64(s->data + k);
			uint64_t bitmap = i->extended ? get64(s->data + k + 8) : 0;
			if (refer_entry(c, entry, bitmap, table, active))
				continue;
			c->out->errors++;
			if (!c->repair)
				continue;
			/* What was there cannot be known. */
			memset(s->data + k, 0, i->entry_size);
			cache_dirty(i, s);
			c->out->errors_fixed++;
		}
	}
	return r;
}

static void refer_l1(struct check *c, uint64_t *l1, uint32_t entries, uint64_t offset, bool active)
{
	struct image *i = c->i;
	refer(c, offset, (uint64_t)entries * 8, "an L1 table");
	for (uint32_t n = 0; n < entries && !c->too_many; n++) {
		uint64_t table = l1[n] & ENTRY_OFFSET;
		bool good = map_valid(i, table) && !(l1[n] & ~(ENTRY_COPIED | ENTRY_OFFSET)) &&
			table >> i->h.cluster_bits < MAX(c->file_clusters, 1);
		if (!table && !(l1[n] & ~ENTRY_COPIED))
			continue;
		int r = good ? refer_table(c, table, active) : 0;
		if (r) {
			say(c, "L2 table 0x%llx: %s", (unsigned long long)table, g_strerror(-r));
			c->out->failures++;
		}
		if (good)
			continue;
		say(c, "L1 entry %u is 0x%llx", n, (unsigned long long)l1[n]);
		c->out->errors++;
		if (!c->repair || !active)
			continue;
		l1[n] = 0;
		i->l1_dirty[n / (SECTOR / 8)] = 1;
		c->out->errors_fixed++;
	}
}

/* ---- what else there is ---- */

static void refer_bitmaps(struct check *c)
{
	enum { ENTRY = 24, DIR_MAX = 64 << 20, TABLE_MAX = 1 << 20 };
	struct image *i = c->i;
	uint64_t bytes = i->bitmap_dir_size, limit = c->file_clusters << i->h.cluster_bits;
	if (!i->bitmaps)
		return;
	if (bytes > DIR_MAX || !map_valid(i, i->bitmap_dir_offset) ||
		i->bitmap_dir_offset + bytes > limit) {
		say(c, "the directory of bitmaps is damaged");
		c->out->errors++;
		return;
	}
	uint8_t *dir = g_malloc0(bytes + ENTRY);
	int r = image_pread(i, i->file, i->bitmap_dir_offset, dir, bytes);
	refer(c, i->bitmap_dir_offset, bytes, "the directory of bitmaps");
	for (uint64_t at = 0, n = 0; !r && n < i->bitmaps && at + ENTRY <= bytes; n++) {
		uint64_t table = get64(dir + at), entries = get32(dir + at + 8);
		uint32_t name = (uint32_t)dir[at + 18] << 8 | dir[at + 19];
		at += round_up(ENTRY + (uint64_t)name + get32(dir + at + 20), 8);
		if (!map_valid(i, table) || entries > TABLE_MAX || table + entries * 8 > limit) {
			say(c, "the table of a bitmap (0x%llx) is damaged",
				(unsigned long long)table);
			c->out->errors++;
			continue;
		}
		refer(c, table, entries * 8, "the table of a bitmap");
		uint64_t *t = g_malloc0(entries * 8 + 8);
		r = image_pread(i, i->file, table, t, entries * 8);
		for (uint64_t k = 0; k < entries && !r; k++) {
			uint64_t data = GUINT64_FROM_BE(t[k]) & ENTRY_OFFSET;
			if (data)
				refer(c, data, i->cluster_size, "a bitmap");
		}
		g_free(t);
	}
	c->out->failures += r != 0;
	g_free(dir);
}

static void refer_refcounts(struct check *c)
{
	struct image *i = c->i;
	refer(c, i->h.reftable_offset, (uint64_t)i->h.reftable_clusters << i->h.cluster_bits,
		"the refcount table");
	for (uint32_t n = 0; n < i->reftable_entries; n++) {
		uint64_t e = i->reftable[n], block = e & REFTABLE_OFFSET;
		if (!e)
			continue;
		bool good = e == block && map_valid(i, block) &&
			block >> i->h.cluster_bits < c->file_clusters &&
			!counted(c, block >> i->h.cluster_bits);
		if (good) {
			refer(c, block, i->cluster_size, "a refcount block");
			continue;
		}
		say(c,
			"refcount table entry %u is 0x%llx, which is no refcount block, or "
			"something "
			"else, too",
			n, (unsigned long long)e);
		c->out->errors++;
		i->reftable[n] = 0; /* in memory in any case: it leads nowhere */
		if (!c->repair)
			continue;
		i->reftable_dirty[n / (SECTOR / 8)] = 1;
		c->out->errors_fixed++;
	}
}

static void refer_all(struct check *c)
{
	struct image *i = c->i;
	refer(c, 0, i->cluster_size, "the header");
	refer_l1(c, i->l1, i->h.l1_size, i->h.l1_offset, true);
	for (unsigned n = 0; n < i->snapshots->len && !c->too_many; n++) {
		const struct snapshot *s = g_ptr_array_index(i->snapshots, n);
		uint64_t *l1 = snapshot_l1(i, n, c->err);
		if (l1)
			refer_l1(c, l1, s->l1_size, s->l1_offset, false);
		else
			c->out->errors++;
		g_free(l1);
	}
	if (i->h.snapshots)
		refer(c, i->h.snapshots_offset, snapshot_table_bytes(i), "the snapshot table");
	if (i->h.crypt)
		refer(c, i->crypt_offset, i->crypt_len, "the encryption header");
	refer_bitmaps(c);
	refer_refcounts(c); /* at last: a block that is something else, too, is the one to go */
}

/* ---- comparing ---- */

static int compare_one(struct check *c, uint64_t cluster)
{
	struct image *i = c->i;
	uint64_t have, want = counted(c, cluster);
	int r = refcount_get(i, cluster, &have);
	if (r || have == want)
		return r;
	bool leak = have > want;
	if (leak)
		c->out->leaks++;
	else
		c->out->errors++;
	say(c, "%s cluster %llu: refcount %llu, %llu reference%s", leak ? "leaked" : "ERROR",
		(unsigned long long)cluster, (unsigned long long)have, (unsigned long long)want,
		want == 1 ? "" : "s");
	if (!(c->out->repair & (leak ? BP_BLK_REPAIR_LEAKS : 2)))
		return 0;
	if (want > i->refcount_max)
		return 0;
	r = commit_if_full(i);
	r = r ? r : refcount_set(i, cluster, want);
	if (!r)
		++*(leak ? &c->out->leaks_fixed : &c->out->errors_fixed);
	return r;
}

static int by_number(const void *a, const void *b)
{
	uint64_t x = **(const uint64_t *const *)a, y = **(const uint64_t *const *)b;
	return x < y ? -1 : x > y;
}

/* Clusters that have a reference, then those that only a refcount block speaks of. */
static int compare(struct check *c)
{
	struct image *i = c->i;
	guint count;
	gpointer *numbers = g_hash_table_get_keys_as_array(c->pages, &count);
	int r = 0;
	qsort(numbers, count, sizeof(numbers[0]), by_number);
	for (unsigned n = 0; n < count && !r; n++) {
		uint64_t number = *(uint64_t *)numbers[n];
		const uint32_t *p = g_hash_table_lookup(c->pages, &number);
		for (unsigned k = 0; k < PAGE && !r; k++)
			if (p[k])
				r = compare_one(c, number * PAGE + k);
	}
	g_free(numbers);
	uint64_t limit = i->reftable_entries; /* repairs may lengthen it */
	for (uint64_t n = 0; n < limit && !r; n++) {
		if (!(i->reftable[n] & REFTABLE_OFFSET))
			continue;
		for (uint64_t k = n * i->block_entries; k < (n + 1) * i->block_entries && !r; k++)
			if (!counted(c, k))
				r = compare_one(c, k);
	}
	return r;
}

static void copied_flags(struct check *c)
{
	uint64_t wrong = 0;
	bool write = c->out->repair == BP_BLK_REPAIR_ALL;
	int r = refresh_copied(c->i, write, &wrong);
	c->out->failures += r != 0;
	if (!wrong)
		return;
	say(c, "ERROR %llu entr%s wrong whether the refcount is one", (unsigned long long)wrong,
		wrong == 1 ? "y says" : "ies say");
	c->out->errors += wrong;
	if (write && !r)
		c->out->errors_fixed += wrong;
}

static int pass(struct image *i, struct bp_blk_check *out, bp_error *err)
{
	struct check c = {
		.i = i, .out = out, .err = err, .repair = out->repair == BP_BLK_REPAIR_ALL
	};
	uint64_t bytes;
	int r = i->layer->bytes(i->file, &bytes);
	if (r)
		return r;
	c.file_clusters = round_up(bytes, i->cluster_size) >> i->h.cluster_bits;
	c.pages = g_hash_table_new_full(g_int64_hash, g_int64_equal, g_free, g_free);
	out->clusters = round_up(i->h.size, i->cluster_size) >> i->h.cluster_bits;
	out->allocated = out->compressed = out->fragmented = 0;
	refer_all(&c);
	i->rebuild_at = out->repair ? MAX(c.file_clusters, c.end) : 0;
	if (c.too_many) {
		say(&c, "it is too large, or too damaged, to be checked");
		out->failures++;
	} else {
		r = compare(&c);
		copied_flags(&c);
	}
	out->end = c.end << i->h.cluster_bits;
	i->rebuild_at = 0;
	g_hash_table_destroy(c.pages);
	return r;
}

int check_image(struct image *i, struct bp_blk_check *out, bp_error *err)
{
	pthread_mutex_lock(&i->lock);
	/* Released clusters count until the next commit. */
	int r = i->writable ? commit(i, true) : 0;
	for (int n = 0; n < PASSES && !r; n++) {
		struct bp_blk_check again = *out;
		i->bad = false;
		if (n) { /* what was repaired is looked at anew */
			again.errors = again.leaks = again.errors_fixed = again.leaks_fixed = 0;
			again.failures = 0;
			again.say = NULL;
		}
		r = pass(i, &again, err);
		r = r || !out->repair ? r : commit(i, true);
		if (!n)
			*out = again;
		else if (again.errors > again.errors_fixed)
			out->errors_fixed =
				out->errors > again.errors ? out->errors - again.errors : 0;
		if (r || !out->repair || (!again.errors_fixed && !again.leaks_fixed))
			break;
	}
	bool good = !r && out->errors == out->errors_fixed && !out->failures;
	if (good && out->repair == BP_BLK_REPAIR_ALL) {
		i->bad = false;
		i->h.incompatible &= ~INCOMPATIBLE_CORRUPT;
		r = commit_clean(i);
		r = r ? r : header_switch(i);
	}
	pthread_mutex_unlock(&i->lock);
	return r ? i->host->fail(err, "%s", g_strerror(-r)) : 0;
}
