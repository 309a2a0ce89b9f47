/* SPDX-License-Identifier: MIT */
/* Requests of the guest. */
#include "image.h"

enum { GROUP_MAX = 4096 }; /* clusters that are allocated together */

/* ---- spans: the lock is held ---- */

static bool in_the_way(const struct image *i, const struct span *s)
{
	for (const struct span *o = i->spans; o; o = o->next)
		if (o->first <= s->last && s->first <= o->last && (o->alone || s->alone))
			return true;
	return false;
}

static void span_take(struct image *i, struct span *s, uint64_t offset, uint64_t len, bool alone)
{
	*s = (struct span){ .first = offset >> i->h.cluster_bits,
		.last = (offset + len - 1) >> i->h.cluster_bits,
		.alone = alone };
	while (in_the_way(i, s))
		pthread_cond_wait(&i->changed, &i->lock);
	s->next = i->spans;
	i->spans = s;
}

static void span_give(struct image *i, struct span *s)
{
	struct span **p = &i->spans;
	while (*p != s)
		p = &(*p)->next;
	*p = s->next;
	pthread_cond_broadcast(&i->changed);
}

/* ---- pieces of memory ---- */

static uint32_t iov_part(struct bp_blk_iov *out, const struct bp_blk_iov *iov, uint32_t count,
	uint64_t from, uint64_t len)
{
	uint32_t n = 0;
	for (uint32_t k = 0; k < count && len; k++) {
		if (from >= iov[k].len) {
			from -= iov[k].len;
			continue;
		}
		size_t take = MIN(iov[k].len - from, len);
		out[n++] = (struct bp_blk_iov){ (char *)iov[k].base + from, take };
		len -= take;
		from = 0;
	}
	return n;
}

static void iov_copy(const struct bp_blk_iov *iov, uint32_t count, const char *from)
{
	for (uint32_t k = 0; k < count; k++) {
		memcpy(iov[k].base, from, iov[k].len);
		from += iov[k].len;
	}
}

static void iov_zero(const struct bp_blk_iov *iov, uint32_t count)
{
	for (uint32_t k = 0; k < count; k++)
		memset(iov[k].base, 0, iov[k].len);
}

static bool all_zero(const char *p, size_t len)
{
	return !len || (!p[0] && memcmp(p, p + 1, len - 1) == 0);
}

static void iov_gather(const struct bp_blk_iov *iov, uint32_t count, char *to)
{
	for (uint32_t k = 0; k < count; k++) {
		memcpy(to, iov[k].base, iov[k].len);
		to += iov[k].len;
	}
}

/* ---- data in the file, which may be encrypted ---- */

/* A sector's vector is made from its place in the file (LUKS in qcow2). */
static int crypt_piece(struct image *i, bool write, uint64_t host, uint64_t len,
	const struct bp_blk_iov *iov, uint32_t count, char *memory)
{
	uint64_t from = host & ~(uint64_t)(SECTOR - 1), to = round_up(host + len, SECTOR);
	struct bp_blk_iov all = { memory, to - from };
	int r = write ? 0 : i->layer->read(i->data, from, to - from, &all, 1);
	if (write)
		iov_gather(iov, count, memory);
	r = r ? r : crypt_sectors(i->crypt, write, from / SECTOR, memory, to - from);
	if (!r && !write)
		iov_copy(iov, count, memory + (host - from));
	return r || !write ? r : i->layer->write(i->data, from, to - from, &all, 1, 0);
}

/* Writes are whole sectors: io_write sees to it. */
static int data_crypt(struct image *i, bool write, uint64_t host, uint64_t len,
	const struct bp_blk_iov *iov, uint32_t count)
{
	enum { STEP = 256 << 10 };
	if (!i->crypt)
		return -EACCES;
	struct bp_blk_iov *part = g_new(struct bp_blk_iov, count);
	size_t size = (size_t)MIN(STEP, len) + 2 * SECTOR;
	char *memory = i->layer->memory(size);
	int r = memory ? 0 : -ENOMEM;
	for (uint64_t at = 0, n; at < len && !r; at += n) {
		n = MIN(len - at, STEP - ((host + at) & (SECTOR - 1)));
		uint32_t pieces = iov_part(part, iov, count, at, n);
		r = crypt_piece(i, write, host + at, n, part, pieces, memory);
	}
	i->layer->memory_free(memory, size);
	g_free(part);
	return r;
}

static int data_read(
	struct image *i, uint64_t host, uint64_t len, const struct bp_blk_iov *iov, uint32_t count)
{
	return i->h.crypt ? data_crypt(i, false, host, len, iov, count)
			  : i->layer->read(i->data, host, len, iov, count);
}

static int data_write(
	struct image *i, uint64_t host, uint64_t len, const struct bp_blk_iov *iov, uint32_t count)
{
	return i->h.crypt ? data_crypt(i, true, host, len, iov, count)
			  : i->layer->write(i->data, host, len, iov, count, 0);
}

/* ---- reading ---- */

static int read_packed(struct image *i, const struct run *run, uint64_t in_cluster,
	const struct bp_blk_iov *iov, uint32_t count)
{
	char *packed = g_try_malloc(run->packed), *cluster = i->layer->memory(i->cluster_size);
	int r = packed && cluster ? image_pread(i, i->file, run->host, packed, run->packed)
				  : -ENOMEM;
	r = r ? r : unpack(i, packed, run->packed, cluster);
	if (!r)
		iov_copy(iov, count, cluster + in_cluster);
	g_free(packed);
	i->layer->memory_free(cluster, i->cluster_size);
	return r;
}

static int read_run(struct image *i, const struct run *run, uint64_t offset,
	const struct bp_blk_iov *iov, uint32_t count)
{
	switch (run->kind) {
	case NORMAL: return data_read(i, run->host, run->len, iov, count);
	case COMPRESSED: return read_packed(i, run, offset & (i->cluster_size - 1), iov, count);
	case UNALLOCATED:
		if (i->backing)
			return i->layer->read(i->backing, offset, run->len, iov, count);
		break;
	case ZERO: break;
	}
	iov_zero(iov, count);
	return 0;
}

/* Whoever calls holds a span. */
static int read_held(struct image *i, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
	uint32_t count)
{
	struct bp_blk_iov few[16], *part = count > 16 ? g_new(struct bp_blk_iov, count) : few;
	int r = 0;
	for (uint64_t done = 0; done < len && !r;) {
		struct run run;
		pthread_mutex_lock(&i->lock);
		r = map_lookup(i, offset + done, len - done, &run);
		pthread_mutex_unlock(&i->lock);
		if (r)
			break;
		uint32_t n = iov_part(part, iov, count, done, run.len);
		r = read_run(i, &run, offset + done, part, n);
		done += run.len;
	}
	if (part != few)
		g_free(part);
	return r;
}

int io_read(struct image *i, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
	uint32_t count)
{
	struct span span;
	if (!len)
		return 0;
	pthread_mutex_lock(&i->lock);
	span_take(i, &span, offset, len, false);
	pthread_mutex_unlock(&i->lock);
	int r = read_held(i, offset, len, iov, count);
	pthread_mutex_lock(&i->lock);
	span_give(i, &span);
	pthread_mutex_unlock(&i->lock);
	return r;
}

/* ---- writing ---- */

/* Clusters first..first+count-1 of the guest that get, or have, `host` and are written together. */
struct group {
	uint64_t first, count;
	uint64_t host; /* in the data file */
	bool made, fresh; /* it was allocated for this; and what it has reads as zeros */
	bool zero; /* it reads as zeros, whatever it has */
	bool whole; /* extended: all subclusters are filled */
	uint64_t entry, bitmap; /* of the first cluster, as it was */
};

static uint64_t host_of(const struct image *i, const struct group *g)
{
	return i->external ? g->first << i->h.cluster_bits : g->host;
}

/* Its cluster is this image's alone, so it can be written without another one being made. */
static bool own(const struct image *i, uint64_t entry)
{
	return entry & ENTRY_COPIED && !(entry & ENTRY_COMPRESSED) &&
		(i->external || entry & ENTRY_OFFSET);
}

/* How many clusters from here on need a new one. */
static int count_to_make(struct image *i, uint64_t cluster, uint64_t most, uint64_t *count)
{
	uint64_t entry, bitmap, n = 1;
	int r = 0;
	most = MIN(most, i->table_entries - cluster % i->table_entries);
	for (; n < most && !r; n++) {
		r = map_entry(i, cluster + n, &entry, &bitmap);
		if (own(i, entry))
			break;
	}
	*count = n;
	return r;
}

/* The lock is held. */
static int prepare_group(struct image *i, uint64_t offset, uint64_t len, struct group *g)
{
	uint64_t end = round_up(offset + len, i->cluster_size) >> i->h.cluster_bits;
	uint64_t at;
	struct run run;
	*g = (struct group){ .first = offset >> i->h.cluster_bits, .count = 1 };
	int r = image_prepare(i);
	r = r ? r : map_prepare(i, g->first);
	/* This looks at the entry, too. */
	r = r ? r : map_lookup(i, offset, 1, &run);
	r = r ? r : map_entry(i, g->first, &g->entry, &g->bitmap);
	if (r)
		return r;
	if (own(i, g->entry)) {
		g->host = g->entry & ENTRY_OFFSET;
		return !i->external && is_metadata(i, g->host, i->cluster_size)
			? image_bad(i, "guest data lies in the image's own tables, at 0x%llx",
				  (unsigned long long)g->host)
			: 0;
	}
	r = count_to_make(i, g->first, MIN(end - g->first, GROUP_MAX), &g->count);
	if (r || i->external) {
		g->made = i->external;
		return r;
	}
	r = clusters_alloc(i, &g->count, &at, &g->fresh);
	g->host = at << i->h.cluster_bits;
	g->made = !r;
	g->fresh = g->fresh && !i->h.crypt;
	return r;
}

/* Which bytes of the group must be filled so that [offset, end) can be part of it. */
static int fill_bounds(struct image *i, struct group *g, uint64_t offset, uint64_t end,
	uint64_t *from, uint64_t *to)
{
	uint64_t base = g->first << i->h.cluster_bits, entry, bitmap;
	uint64_t last = (end - 1) >> i->h.cluster_bits;
	int r = 0;
	/* What was in another place must move as a whole, subclusters that are not written too. */
	bool head = !i->extended || g->entry & (ENTRY_OFFSET | ENTRY_COMPRESSED);
	bool tail = head;
	if (g->made && i->extended && last != g->first) {
		r = map_entry(i, last, &entry, &bitmap);
		tail = entry & (ENTRY_OFFSET | ENTRY_COMPRESSED);
	}
	if (!g->made && i->extended)
		head = tail = false;
	*from = head ? base : offset / i->unit * i->unit;
	*to = tail ? (last + 1) << i->h.cluster_bits : round_up(end, i->unit);
	return r;
}

/* Bytes of the guest around a write: read what was there. */
static int read_around(struct image *i, uint64_t offset, uint64_t len, char **out)
{
	*out = NULL;
	if (!len)
		return 0;
	*out = i->layer->memory(len);
	struct bp_blk_iov iov = { *out, len };
	return *out ? read_held(i, offset, len, &iov, 1) : -ENOMEM;
}

static int write_group(struct image *i, struct group *g, uint64_t offset, uint64_t len,
	const struct bp_blk_iov *iov, uint32_t count, uint64_t *from, uint64_t *to)
{
	struct bp_blk_iov *all = g_new(struct bp_blk_iov, count + 2);
	char *head = NULL, *tail = NULL;
	uint64_t base = g->first << i->h.cluster_bits, end = offset + len, start = offset;
	uint32_t n = 0;
	pthread_mutex_lock(&i->lock);
	int r = fill_bounds(i, g, offset, end, from, to);
	pthread_mutex_unlock(&i->lock);
	uint64_t head_len = offset - *from, tail_len = *to - end;
	r = r ? r : read_around(i, *from, head_len, &head);
	r = r ? r : read_around(i, end, tail_len, &tail);
	/* Where nothing ever was, zeros are there already. */
	if (!r && head_len && !(g->fresh && all_zero(head, head_len))) {
		all[n++] = (struct bp_blk_iov){ head, head_len };
		start = *from;
	}
	n += iov_part(all + n, iov, count, 0, len);
	uint64_t stop = end;
	if (!r && tail_len && !(g->fresh && all_zero(tail, tail_len))) {
		all[n++] = (struct bp_blk_iov){ tail, tail_len };
		stop = *to;
	}
	if (!r)
		r = data_write(i, host_of(i, g) + (start - base), stop - start, all, n);
	i->layer->memory_free(head, head_len);
	i->layer->memory_free(tail, tail_len);
	g_free(all);
	return r;
}

/* Subclusters that [from, to) covers in the n-th cluster of the group. */
static uint64_t subclusters(
	const struct image *i, const struct group *g, uint64_t n, uint64_t from, uint64_t to)
{
	uint64_t start = (g->first + n) << i->h.cluster_bits, end = start + i->cluster_size;
	uint64_t a = MAX(from, start) - start, b = MIN(to, end) - start;
	uint64_t first = a / i->unit, last = (b - 1) / i->unit;
	return (BITMAP_ALL >> (SUBCLUSTERS - 1 - (last - first))) << first;
}

/* The data is written: now the entries lead to it. The lock is held. */
static int enter_group(struct image *i, struct group *g, uint64_t from, uint64_t to)
{
	int r = 0;
	for (uint64_t n = 0; n < g->count && !r; n++) {
		uint64_t old, bitmap = 0, bits = 0;
		uint64_t host = host_of(i, g) + (n << i->h.cluster_bits);
		r = map_entry(i, g->first + n, &old, &bitmap);
		if (r)
			break;
		if (i->extended) {
			bits = subclusters(i, g, n, from, to);
			if (old & ENTRY_COMPRESSED)
				bitmap = 0;
			bitmap = g->zero ? (bitmap | bits << SUBCLUSTERS) & ~bits
					 : (bitmap | bits) & ~(bits << SUBCLUSTERS);
		}
		r = map_set(i, g->first + n,
			host | ENTRY_COPIED | (g->zero && !i->extended ? ENTRY_ZERO : 0), bitmap);
		if (!r && g->made)
			map_release(i, old);
	}
	return r;
}

/* [offset, offset + len) from here on, or the first part of it: *done. The span is held. */
static int write_slow(struct image *i, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
	uint32_t count, uint64_t *done)
{
	struct group g;
	uint64_t from, to;
	pthread_mutex_lock(&i->lock);
	int r = prepare_group(i, offset, len, &g);
	pthread_mutex_unlock(&i->lock);
	if (r)
		return r;
	*done = MIN(len, ((g.first + g.count) << i->h.cluster_bits) - offset);
	struct bp_blk_iov *part = g_new(struct bp_blk_iov, count);
	uint32_t n = iov_part(part, iov, count, 0, *done);
	r = write_group(i, &g, offset, *done, part, n, &from, &to);
	g_free(part);
	pthread_mutex_lock(&i->lock);
	if (!r)
		r = enter_group(i, &g, from, to);
	else if (g.made && !i->external)
		clusters_unalloc(i, g.host >> i->h.cluster_bits, g.count);
	pthread_mutex_unlock(&i->lock);
	return r;
}

/* With an external data file that can be read alone, only what is written is read from there. */
static int write_part(struct image *i, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
	uint32_t count, uint64_t *done)
{
	struct span span;
	struct run run = { 0 };
	pthread_mutex_lock(&i->lock);
	int r = commit_if_full(i);
	span_take(i, &span, offset, len, false);
	r = r ? r : map_lookup(i, offset, len, &run);
	bool in_place = run.kind == NORMAL && run.copied;
	if (!r && in_place && !i->external && is_metadata(i, run.host, run.len))
		r = image_bad(i, "guest data lies in the image's own tables, at 0x%llx",
			(unsigned long long)run.host);
	if (!r && in_place)
		r = image_prepare(i);
	if (!r && !in_place) {
		/* Only as far as this run: what follows may be written in place. */
		uint64_t to = MIN(len, round_up(offset + run.len, i->cluster_size) - offset);
		span_give(i, &span);
		span_take(i, &span, offset, to, true);
		len = to;
	}
	pthread_mutex_unlock(&i->lock);
	struct bp_blk_iov few[16], *part = count > 16 ? g_new(struct bp_blk_iov, count) : few;
	*done = in_place ? run.len : len;
	uint32_t n = iov_part(part, iov, count, 0, *done);
	if (!r && in_place)
		r = data_write(i, run.host, run.len, part, n);
	else if (!r)
		r = write_slow(i, offset, len, part, n, done);
	if (part != few)
		g_free(part);
	pthread_mutex_lock(&i->lock);
	span_give(i, &span);
	pthread_mutex_unlock(&i->lock);
	return r;
}

/* Encrypted sectors are written as a whole. */
static int write_odd(struct image *i, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
	uint32_t count)
{
	uint64_t from = offset & ~(uint64_t)(SECTOR - 1), to = round_up(offset + len, SECTOR);
	char *memory = i->layer->memory(to - from);
	struct bp_blk_iov all = { memory, to - from }, first = { memory, SECTOR };
	struct bp_blk_iov last = { memory + (to - from - SECTOR), SECTOR };
	if (!memory)
		return -ENOMEM;
	pthread_mutex_lock(&i->odd);
	int r = io_read(i, from, SECTOR, &first, 1);
	r = r ? r : io_read(i, to - SECTOR, SECTOR, &last, 1);
	iov_gather(iov, count, memory + (offset - from));
	r = r ? r : io_write(i, from, to - from, &all, 1);
	pthread_mutex_unlock(&i->odd);
	i->layer->memory_free(memory, to - from);
	return r;
}

int io_write(struct image *i, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
	uint32_t count)
{
	if (i->h.crypt && len && (offset | len) & (SECTOR - 1))
		return write_odd(i, offset, len, iov, count);
	struct bp_blk_iov few[16], *part = count > 16 ? g_new(struct bp_blk_iov, count) : few;
	int r = 0;
	for (uint64_t at = 0, done = 0; at < len && !r; at += done) {
		uint32_t n = at ? iov_part(part, iov, count, at, len - at) : count;
		r = write_part(i, offset + at, len - at, at ? part : iov, n, &done);
	}
	if (part != few)
		g_free(part);
	return r;
}

int io_flush(struct image *i)
{
	pthread_mutex_lock(&i->lock);
	int r = commit(i, true);
	pthread_mutex_unlock(&i->lock);
	return r;
}

/* ---- compressed ---- */

/* Room for len bytes, behind the last compressed ones if there is some. The lock is held. */
static int pack_room(struct image *i, uint64_t len, uint64_t *host)
{
	uint64_t first, next = 1, count = 0, mask = i->cluster_size - 1;
	uint64_t left = i->pack_at & mask ? i->cluster_size - (i->pack_at & mask) : 0;
	uint64_t last = i->pack_at >> i->h.cluster_bits;
	bool fresh;
	int r = 0;
	if (left && (refcount_get(i, last, &count) != 0 || !count || count >= i->refcount_max))
		left = 0;
	if (left >= len) {
		*host = i->pack_at;
		r = refcount_add(i, last, 1);
	} else {
		r = clusters_alloc(i, &next, &first, &fresh);
		/* Making room may have let the old cluster go. */
		bool joins = !r && left && i->pack_at && first == last + 1;
		*host = joins ? i->pack_at : first << i->h.cluster_bits;
		if (joins)
			r = refcount_add(i, last, 1);
	}
	if (!r)
		i->pack_at = *host + len;
	return r;
}

static void pack_unroom(struct image *i, uint64_t host, uint64_t len)
{
	uint64_t a = host >> i->h.cluster_bits, b = (host + len - 1) >> i->h.cluster_bits;
	clusters_unalloc(i, a, b - a + 1);
}

static int write_packed(struct image *i, uint64_t cluster, const void *packed, uint64_t len)
{
	unsigned x = 62 - (i->h.cluster_bits - 8);
	uint64_t host = 0, old, bitmap;
	pthread_mutex_lock(&i->lock);
	int r = image_prepare(i);
	r = r ? r : map_prepare(i, cluster);
	r = r ? r : pack_room(i, len, &host);
	if (!r && host + len >= UINT64_C(1) << MIN(x, 56)) {
		pack_unroom(i, host, len);
		r = -EFBIG;
	}
	pthread_mutex_unlock(&i->lock);
	if (r)
		return r;
	r = image_pwrite(i, host, packed, len);
	pthread_mutex_lock(&i->lock);
	if (r) {
		pack_unroom(i, host, len);
	} else {
		uint64_t sectors = (host + len - 1) / SECTOR - host / SECTOR;
		r = map_entry(i, cluster, &old, &bitmap);
		r = r ? r : map_set(i, cluster, ENTRY_COMPRESSED | sectors << x | host, 0);
		if (!r)
			map_release(i, old);
	}
	pthread_mutex_unlock(&i->lock);
	return r;
}

static int write_packed_cluster(
	struct image *i, uint64_t offset, uint64_t len, char *cluster, char *packed)
{
	struct span span;
	memset(cluster + len, 0, i->cluster_size - len);
	ssize_t n = pack(i, cluster, packed, i->cluster_size - 1);
	if (n < 0)
		return -EIO;
	if (!n) { /* it would not become smaller */
		struct bp_blk_iov iov = { cluster, len };
		return io_write(i, offset, len, &iov, 1);
	}
	pthread_mutex_lock(&i->lock);
	int r = commit_if_full(i);
	span_take(i, &span, offset, len, true);
	pthread_mutex_unlock(&i->lock);
	r = r ? r : write_packed(i, offset >> i->h.cluster_bits, packed, (uint64_t)n);
	pthread_mutex_lock(&i->lock);
	span_give(i, &span);
	pthread_mutex_unlock(&i->lock);
	return r;
}

int io_write_packed(struct image *i, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
	uint32_t count)
{
	char *cluster = i->layer->memory(i->cluster_size), *packed = g_try_malloc(i->cluster_size);
	struct bp_blk_iov *part = g_new(struct bp_blk_iov, count);
	int r = cluster && packed ? 0 : -ENOMEM;
	bool last = offset + len == i->h.size;
	if (i->external || i->h.crypt)
		r = -ENOTSUP;
	else if (offset & (i->cluster_size - 1) || (len & (i->cluster_size - 1) && !last))
		r = -EINVAL;
	for (uint64_t at = 0; at < len && !r; at += i->cluster_size) {
		uint64_t n = MIN(len - at, i->cluster_size);
		uint32_t pieces = iov_part(part, iov, count, at, n);
		char *p = cluster;
		for (uint32_t k = 0; k < pieces; p += part[k++].len)
			memcpy(p, part[k].base, part[k].len);
		r = write_packed_cluster(i, offset + at, n, cluster, packed);
	}
	g_free(part);
	g_free(packed);
	i->layer->memory_free(cluster, i->cluster_size);
	return r;
}

/* ---- zeros, discard ---- */

enum clear { CLEAR_ZERO, CLEAR_ZERO_KEEP, CLEAR_DISCARD, CLEAR_UNMAP };

/* What becomes of an entry. False: nothing can be said in an entry, zeros must be written. */
static bool cleared(const struct image *i, enum clear how, uint64_t old, uint64_t old_bitmap,
	uint64_t *entry, uint64_t *bitmap)
{
	bool zero_flag = i->h.version >= 3;
	bool nothing = !old && !old_bitmap;
	bool keep = own(i, old) && (how == CLEAR_ZERO_KEEP || i->external);
	*entry = *bitmap = 0;
	if (how == CLEAR_UNMAP || (nothing && !i->backing)) {
		*entry = how == CLEAR_UNMAP ? 0 : old;
		return true;
	}
	if (!zero_flag && (i->backing || how == CLEAR_ZERO_KEEP)) {
		/* Discarded is anything that was there. */
		*entry = old;
		return how == CLEAR_DISCARD || (!i->backing && nothing);
	}
	if (!zero_flag)
		return true;
	*entry = keep ? (old & (ENTRY_OFFSET | ENTRY_COPIED)) : 0;
	if (i->extended)
		*bitmap = BITMAP_ALL << SUBCLUSTERS;
	else if (i->backing || keep || how != CLEAR_DISCARD)
		*entry |= ENTRY_ZERO;
	return true;
}

/* The lock is held, the span too. 1: zeros must be written. */
static int clear_cluster(struct image *i, uint64_t cluster, enum clear how)
{
	uint64_t old, old_bitmap, entry, bitmap;
	struct run run;
	int r = map_lookup(i, cluster << i->h.cluster_bits, 1, &run);
	r = r ? r : map_entry(i, cluster, &old, &old_bitmap);
	if (r)
		return r;
	if (!cleared(i, how, old, old_bitmap, &entry, &bitmap))
		return 1;
	if (entry == old && bitmap == old_bitmap)
		return 0;
	r = image_prepare(i);
	r = r ? r : map_prepare(i, cluster);
	r = r ? r : map_set(i, cluster, entry, bitmap);
	if (!r && (old & ENTRY_COMPRESSED || (entry & ENTRY_OFFSET) != (old & ENTRY_OFFSET)))
		map_release(i, old);
	return r;
}

static int write_zero_bytes(struct image *i, uint64_t offset, uint64_t len)
{
	size_t size = (size_t)MIN(len, i->cluster_size);
	char *zeros = i->layer->memory(size);
	int r = zeros ? 0 : -ENOMEM;
	if (zeros)
		memset(zeros, 0, size);
	for (uint64_t at = 0; at < len && !r; at += size) {
		struct bp_blk_iov iov = { zeros, (size_t)MIN(len - at, size) };
		r = io_write(i, offset + at, iov.len, &iov, 1);
	}
	i->layer->memory_free(zeros, size);
	return r;
}

/* How many clusters from here on have nothing that could be cleared: a large empty disk is quickly
 * gone through. */
static int count_empty(
	struct image *i, uint64_t cluster, uint64_t count, enum clear how, uint64_t *empty)
{
	struct run run;
	*empty = 0;
	if (how != CLEAR_UNMAP && i->backing)
		return 0;
	pthread_mutex_lock(&i->lock);
	int r = map_lookup(i, cluster << i->h.cluster_bits, count << i->h.cluster_bits, &run);
	pthread_mutex_unlock(&i->lock);
	if (!r && run.kind == UNALLOCATED && !run.allocated)
		*empty = run.len >> i->h.cluster_bits;
	return r;
}

/* Whole clusters, a bounded number at a time. */
static int clear_clusters(struct image *i, uint64_t first, uint64_t count, enum clear how)
{
	enum { STEP = 1024 };
	int r = 0;
	for (uint64_t at = 0; at < count && !r;) {
		struct span span;
		uint64_t n = 0, step = MIN(STEP, count - at), empty;
		r = count_empty(i, first + at, count - at, how, &empty);
		at += empty;
		if (r || empty)
			continue;
		pthread_mutex_lock(&i->lock);
		r = commit_if_full(i);
		span_take(i, &span, (first + at) << i->h.cluster_bits, step << i->h.cluster_bits,
			true);
		while (n < step && !r) {
			r = clear_cluster(i, first + at + n, how);
			n += !r;
		}
		span_give(i, &span);
		pthread_mutex_unlock(&i->lock);
		at += n;
		if (r == 1) {
			uint64_t offset = (first + at) << i->h.cluster_bits;
			r = write_zero_bytes(i, offset, MIN(i->cluster_size, i->h.size - offset));
			at++;
		}
	}
	return r;
}

/* A part of a cluster: written only if it does not read as zeros already. */
static int zero_part(struct image *i, uint64_t offset, uint64_t len)
{
	struct run run = { .len = len };
	int r = 0;
	for (uint64_t at = 0; at < len && !r; at += run.len) {
		pthread_mutex_lock(&i->lock);
		r = map_lookup(i, offset + at, len - at, &run);
		pthread_mutex_unlock(&i->lock);
		bool zero = run.kind == ZERO || (run.kind == UNALLOCATED && !i->backing);
		if (!r && !zero)
			r = write_zero_bytes(i, offset + at, run.len);
	}
	return r;
}

int io_write_zeroes(struct image *i, uint64_t offset, uint64_t len, unsigned flags)
{
	uint64_t first = round_up(offset, i->cluster_size), end = offset + len;
	uint64_t last = end == i->h.size ? round_up(end, i->cluster_size)
					 : end & ~(uint64_t)(i->cluster_size - 1);
	if (i->external && i->h.autoclear & AUTOCLEAR_DATA_RAW)
		return write_zero_bytes(i, offset, len);
	if (first >= last)
		return zero_part(i, offset, len);
	int r = zero_part(i, offset, first - offset);
	r = r ? r
	      : clear_clusters(i, first >> i->h.cluster_bits, (last - first) >> i->h.cluster_bits,
			flags & BP_BLK_UNMAP ? CLEAR_ZERO : CLEAR_ZERO_KEEP);
	return r || last >= end ? r : zero_part(i, last, end - last);
}

int io_discard(struct image *i, uint64_t offset, uint64_t len)
{
	uint64_t first = round_up(offset, i->cluster_size), end = offset + len;
	uint64_t last = end == i->h.size ? round_up(end, i->cluster_size)
					 : end & ~(uint64_t)(i->cluster_size - 1);
	if (first >= last || (i->external && i->h.autoclear & AUTOCLEAR_DATA_RAW))
		return 0;
	return clear_clusters(
		i, first >> i->h.cluster_bits, (last - first) >> i->h.cluster_bits, CLEAR_DISCARD);
}

int io_unmap(struct image *i, uint64_t first, uint64_t count)
{
	return clear_clusters(i, first, count, CLEAR_UNMAP);
}

/* ---- preallocation ---- */

static int give_space(struct image *i, const struct group *g, int mode)
{
	uint64_t len = g->count << i->h.cluster_bits, end, host = host_of(i, g);
	int r = 0;
	if (mode == BP_BLK_PREALLOC_FULL || (mode != BP_BLK_PREALLOC_OFF && !g->fresh))
		r = i->layer->write_zeroes(i->data, host, len, 0);
	else if (!i->external && !(r = i->layer->bytes(i->data, &end)) && end < host + len)
		r = i->layer->resize(i->data, host + len,
			mode == BP_BLK_PREALLOC_FALLOC ? mode : BP_BLK_PREALLOC_OFF);
	return r;
}

int io_preallocate(struct image *i, uint64_t offset, uint64_t len, int mode)
{
	uint64_t end = offset + len;
	int r = 0;
	while (offset < end && !r) {
		struct group g;
		struct span span;
		struct run run;
		pthread_mutex_lock(&i->lock);
		r = commit_if_full(i);
		span_take(i, &span, offset, end - offset, true);
		r = r ? r : map_lookup(i, offset, end - offset, &run);
		bool has = !r && run.kind != UNALLOCATED;
		r = r || has ? r : prepare_group(i, offset, run.len, &g);
		g.zero = i->h.crypt;
		if (!r && !has) {
			r = give_space(i, &g, mode);
			run.len = (g.first + g.count) * i->cluster_size - offset;
			uint64_t to = offset + run.len;
			r = r ? r : enter_group(i, &g, g.first << i->h.cluster_bits, to);
		}
		span_give(i, &span);
		pthread_mutex_unlock(&i->lock);
		offset += run.len;
	}
	return r;
}
