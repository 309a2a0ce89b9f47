/* SPDX-License-Identifier: MIT */
/* All blocks, under one lock: found by a hash of where their code lies, and by page for writes.
 *
 * Time is counted in epochs. A dead block is retired with the epoch after the current one; when
 * enough have gathered the epoch moves on. A CPU notes the epoch at its safepoints, after it has
 * emptied its jump cache if the epoch moved, so a block whose epoch every CPU has noted is in nobody's
 * hands. */
#include "cache.h"
#include "code_memory.h"
#include "native.h"
#include "trace/hub.h"
#include <glib.h>
#include <pthread.h>

enum {
	BUCKETS = 1 << 16,
	PAGE_SHIFT = 10, /* pages of the page lists: no larger than any CPU's */
	PAGE_BUCKETS = 1 << 14,
	LOG_SIZE = 64,
	RETIRE_BLOCKS = 256,
	RETIRE_BYTES = 1 << 20,
	URGE_BYTES = 8 << 20 /* so much dead memory: CPUs that pass no safepoint are asked to */
};

struct write { /* a change of code, for blocks that are being translated meanwhile */
	void *ram; /* NULL: everything */
	uint64_t offset, len;
};

struct config {
	const void *type;
	void *bytes;
	uint32_t size, frame;
	struct config *next;
};

static struct {
	pthread_mutex_t lock;
	struct block *bucket[BUCKETS];
	struct page_entry *page[PAGE_BUCKETS];
	struct block *retired; /* dead, newest first */
	size_t retired_blocks, retired_bytes; /* since the epoch last moved */
	size_t blocks, bytes, dead_bytes, limit;
	_Atomic(uint64_t) epoch;
	_Atomic(uint64_t) writes; /* how many were logged */
	struct write log[LOG_SIZE];
	struct interp *cpus;
	struct config *configs;
	bool listening;
} cache = { .lock = PTHREAD_MUTEX_INITIALIZER, .limit = 64u << 20, .epoch = 1 };

static uint64_t mix(uint64_t x)
{
	x *= UINT64_C(0x9e3779b97f4a7c15);
	return x ^ x >> 29;
}

static struct block **bucket_of(const struct cache_key *k)
{
	uint64_t h = mix((uintptr_t)k->ram ^ mix(k->offset) ^ mix(k->key + (uintptr_t)k->config));
	return &cache.bucket[h >> 13 & (BUCKETS - 1)];
}

static struct page_entry **page_of(const void *ram, uint64_t offset)
{
	uint64_t h = mix((uintptr_t)ram ^ mix(offset >> PAGE_SHIFT));
	return &cache.page[h >> 13 & (PAGE_BUCKETS - 1)];
}

static struct cache_key key_of(const struct block *b)
{
	return (struct cache_key){ b->config, b->key, b->ram, b->offset, b->limit };
}

/* ---- freeing ---- */

/* The oldest epoch that some CPU may still be in. */
static uint64_t oldest(void)
{
	uint64_t least = UINT64_MAX;
	for (const struct interp *in = cache.cpus; in; in = in->next) {
		uint64_t seen = atomic_load(&in->seen);
		if (seen && seen < least)
			least = seen;
	}
	return least;
}

static void reclaim(void)
{
	uint64_t least = oldest();
	for (struct block **at = &cache.retired; *at;) {
		struct block *b = *at;
		/* CPUs outside run() empty their jump caches before they look at them. */
		if (b->retired <= least && b->retired <= atomic_load(&cache.epoch)) {
			*at = b->hash_next;
			cache.blocks--;
			cache.bytes -= b->memory;
			cache.dead_bytes -= b->memory;
			code_chunk_drop(b->chunk);
			g_free(b);
		} else {
			at = &b->hash_next;
		}
	}
}

static void move_epoch(void)
{
	cache.retired_blocks = cache.retired_bytes = 0;
	atomic_fetch_add(&cache.epoch, 1);
	reclaim();
	if (cache.dead_bytes > URGE_BYTES)
		for (struct interp *in = cache.cpus; in; in = in->next)
			if (atomic_load(&in->seen))
				atomic_store(&in->cpu->kick, 1);
}

static void retire(struct block *b)
{
	b->retired = atomic_load(&cache.epoch) + 1;
	b->hash_next = cache.retired;
	cache.retired = b;
	cache.dead_bytes += b->memory;
	cache.retired_blocks++;
	cache.retired_bytes += b->memory;
}

static void retire_done(void)
{
	if (cache.retired_blocks >= RETIRE_BLOCKS || cache.retired_bytes >= RETIRE_BYTES)
		move_epoch();
}

/* ---- links ---- */

static void unlink_one(struct link *l)
{
	atomic_store_explicit(&l->to, NULL, memory_order_release);
	if (l->patch)
		native_patch(l, NULL);
	*l->prev = l->next;
	if (l->next)
		l->next->prev = l->prev;
	l->next = NULL;
	l->prev = NULL;
}

void cache_link(struct link *link, struct block *to)
{
	pthread_mutex_lock(&cache.lock);
	if (!atomic_load(&link->to) && !atomic_load(&to->dead) && !atomic_load(&link->from->dead) &&
		to->ram == link->from->ram) {
		link->next = to->incoming;
		link->prev = &to->incoming;
		if (link->next)
			link->next->prev = &link->next;
		to->incoming = link;
		atomic_store_explicit(&link->to, to, memory_order_release);
		if (link->patch)
			native_patch(link, to);
	}
	pthread_mutex_unlock(&cache.lock);
}

void cache_link_lookup(struct link *link)
{
	pthread_mutex_lock(&cache.lock);
	if (!atomic_load(&link->to) && !atomic_load(&link->from->dead) && link->patch)
		native_patch_lookup(link);
	pthread_mutex_unlock(&cache.lock);
}

/* ---- blocks ---- */

static void page_add(struct page_entry *e, struct block *b, void *ram, uint64_t offset)
{
	struct page_entry **head = page_of(ram, offset);
	e->block = b;
	e->next = *head;
	e->prev = head;
	if (e->next)
		e->next->prev = &e->next;
	*head = e;
}

static void page_remove(struct page_entry *e)
{
	if (!e->prev)
		return;
	*e->prev = e->next;
	if (e->next)
		e->next->prev = e->prev;
	e->prev = NULL;
}

static void drop(struct block *b)
{
	struct cache_key k = key_of(b);
	struct block **at = bucket_of(&k);
	while (*at && *at != b)
		at = &(*at)->hash_next;
	if (*at)
		*at = b->hash_next;
	for (unsigned i = 0; i < b->pages; i++)
		page_remove(&b->page[i]);
	atomic_store(&b->dead, true);
	if (b->chunk)
		atomic_store(&b->entry, native_dead_entry());
	while (b->incoming)
		unlink_one(b->incoming);
	for (uint32_t i = 0; i < b->links; i++)
		if (b->link[i].prev)
			unlink_one(&b->link[i]);
	retire(b);
}

static void log_write(void *ram, uint64_t offset, uint64_t len)
{
	uint64_t n = atomic_load(&cache.writes);
	cache.log[n % LOG_SIZE] = (struct write){ ram, offset, len };
	atomic_store(&cache.writes, n + 1);
}

static void flush(void)
{
	log_write(NULL, 0, 0);
	for (unsigned i = 0; i < BUCKETS; i++)
		while (cache.bucket[i])
			drop(cache.bucket[i]);
	move_epoch();
}

bool cache_fits(const struct block *b, const struct cache_key *key)
{
	return b->offset == key->offset && b->ram == key->ram && b->key == key->key &&
		b->config == key->config && b->limit == key->limit;
}

struct block *cache_find(const struct cache_key *key)
{
	pthread_mutex_lock(&cache.lock);
	struct block *b = *bucket_of(key);
	while (b && !cache_fits(b, key))
		b = b->hash_next;
	pthread_mutex_unlock(&cache.lock);
	return b;
}

uint64_t cache_prepare(void)
{
	return atomic_load(&cache.writes);
}

/* How many bytes of b lie in its first page. */
static uint64_t first_part(const struct block *b)
{
	return b->crosses ? b->first_bytes : b->bytes;
}

static bool overlap(uint64_t a, uint64_t alen, uint64_t b, uint64_t blen)
{
	return a - b < blen || b - a < alen;
}

static bool touches(const struct block *b, const void *ram, uint64_t offset, uint64_t len)
{
	uint64_t first = first_part(b);
	return (b->ram == ram && overlap(b->offset, first, offset, len)) ||
		(b->crosses && b->ram2 == ram &&
			overlap(b->offset2, b->bytes - first, offset, len));
}

/* Whether code of b was written since `prepared`. */
static bool stale(const struct block *b, uint64_t prepared)
{
	uint64_t now = atomic_load(&cache.writes);
	if (now - prepared > LOG_SIZE)
		return true;
	for (uint64_t n = prepared; n < now; n++) {
		const struct write *w = &cache.log[n % LOG_SIZE];
		if (!w->ram || touches(b, w->ram, w->offset, w->len))
			return true;
	}
	return false;
}

void cache_transient(struct block *b)
{
	pthread_mutex_lock(&cache.lock);
	atomic_store(&b->dead, true);
	cache.blocks++;
	cache.bytes += b->memory;
	retire(b);
	retire_done();
	pthread_mutex_unlock(&cache.lock);
}

void cache_insert(struct block *b, uint64_t prepared)
{
	struct cache_key k = key_of(b);
	pthread_mutex_lock(&cache.lock);
	if (cache.bytes - cache.dead_bytes + b->memory > cache.limit)
		flush();
	cache.blocks++;
	cache.bytes += b->memory;
	if (stale(b, prepared)) {
		atomic_store(&b->dead, true);
		retire(b);
		retire_done();
	} else {
		struct block **at = bucket_of(&k);
		b->hash_next = *at;
		*at = b;
		uint64_t end = b->offset + first_part(b) - 1;
		for (uint64_t p = b->offset >> PAGE_SHIFT;
			p <= end >> PAGE_SHIFT && b->pages < BLOCK_PAGES - 1; p++)
			page_add(&b->page[b->pages++], b, b->ram, p << PAGE_SHIFT);
		if (b->crosses)
			page_add(&b->page[b->pages++], b, b->ram2, b->offset2);
	}
	pthread_mutex_unlock(&cache.lock);
}

/* ---- writes ---- */

/* Drops what was made from these bytes; whether anything was. */
static bool drop_range(const void *ram, uint64_t offset, uint64_t len)
{
	bool any = false;
	for (uint64_t p = offset >> PAGE_SHIFT; p <= (offset + len - 1) >> PAGE_SHIFT; p++) {
		struct page_entry *e = *page_of(ram, p << PAGE_SHIFT), *next;
		for (; e; e = next) {
			next = e->next;
			if (touches(e->block, ram, offset, len)) {
				/* takes all its entries out of the lists, perhaps the next one too */
				struct block *b = e->block;
				while (next && next->block == b)
					next = next->next;
				drop(b);
				any = true;
			}
		}
	}
	if (any)
		retire_done();
	return any;
}

bool code_cache_invalidate(void *ram, uint64_t offset, uint64_t len)
{
	if (!len)
		return false;
	pthread_mutex_lock(&cache.lock);
	log_write(ram, offset, len);
	bool any = drop_range(ram, offset, len);
	pthread_mutex_unlock(&cache.lock);
	return any;
}

bool code_cache_release(
	void *ram, uint64_t offset, uint64_t len, void (*release)(void *ram, uint64_t offset))
{
	pthread_mutex_lock(&cache.lock);
	bool any = drop_range(ram, offset, len);
	release(ram, offset);
	/* Who looked for code before this was logged is told so; who looks later finds it released. */
	log_write(ram, offset, len);
	pthread_mutex_unlock(&cache.lock);
	return any;
}

void code_cache_flush(void)
{
	pthread_mutex_lock(&cache.lock);
	flush();
	pthread_mutex_unlock(&cache.lock);
}

bool code_cache_has_code(void *ram, uint64_t offset, uint64_t len)
{
	bool any = false;
	pthread_mutex_lock(&cache.lock);
	for (uint64_t p = offset >> PAGE_SHIFT; len && p <= (offset + len - 1) >> PAGE_SHIFT; p++)
		for (struct page_entry *e = *page_of(ram, p << PAGE_SHIFT); e && !any; e = e->next)
			any = touches(e->block, ram, offset, len);
	pthread_mutex_unlock(&cache.lock);
	return any;
}

void code_cache_usage(size_t *blocks, size_t *bytes)
{
	pthread_mutex_lock(&cache.lock);
	*blocks = cache.blocks;
	*bytes = cache.bytes;
	pthread_mutex_unlock(&cache.lock);
}

void code_cache_limit(size_t bytes)
{
	pthread_mutex_lock(&cache.lock);
	cache.limit = bytes;
	pthread_mutex_unlock(&cache.lock);
}

/* ---- forks ---- */

void code_cache_fork(bool begin)
{
	if (begin) {
		pthread_mutex_lock(&cache.lock);
		code_memory_fork(true);
	} else {
		code_memory_fork(false);
		pthread_mutex_unlock(&cache.lock);
	}
}

void code_cache_alone(const struct jit_cpu *cpu)
{
	for (struct interp *in = cache.cpus; in; in = in->next)
		if (in->cpu != cpu)
			atomic_store(&in->seen, 0);
}

/* ---- CPUs ---- */

static void traced_events_changed(void *arg)
{
	(void)arg;
	code_cache_flush();
}

void cache_join(struct interp *in)
{
	pthread_mutex_lock(&cache.lock);
	bool listen = !cache.listening;
	cache.listening = true;
	in->next = cache.cpus;
	cache.cpus = in;
	pthread_mutex_unlock(&cache.lock);
	if (listen)
		hub_on_change(traced_events_changed, NULL);
}

/* With the last CPU goes all code: nothing is left behind. */
void cache_part(struct interp *in)
{
	pthread_mutex_lock(&cache.lock);
	struct interp **at = &cache.cpus;
	while (*at != in)
		at = &(*at)->next;
	*at = in->next;
	if (!cache.cpus) {
		flush();
		for (struct config *c = cache.configs, *next; c; c = next) {
			next = c->next;
			g_free(c->bytes);
			g_free(c);
		}
		cache.configs = NULL;
	} else {
		reclaim();
	}
	pthread_mutex_unlock(&cache.lock);
}

const void *cache_config(const void *type, const void *config, uint32_t size, uint32_t frame)
{
	pthread_mutex_lock(&cache.lock);
	struct config *c = cache.configs;
	while (c &&
		(c->type != type || c->size != size || c->frame != frame ||
			(size && memcmp(c->bytes, config, size) != 0)))
		c = c->next;
	if (!c) {
		c = g_new0(struct config, 1);
		*c = (struct config){ type, g_memdup2(config, size), size, frame, cache.configs };
		cache.configs = c;
	}
	pthread_mutex_unlock(&cache.lock);
	return c;
}

bool cache_safepoint(struct interp *in)
{
	uint64_t now = atomic_load(&cache.epoch);
	if (G_LIKELY(now == atomic_load_explicit(&in->seen, memory_order_relaxed)))
		return false;
	/* The caller empties its jump cache before it looks at it again; under the lock nothing is freed
	 * between reading the epoch and noting it. */
	pthread_mutex_lock(&cache.lock);
	atomic_store(&in->seen, atomic_load(&cache.epoch));
	in->jumps_epoch = atomic_load(&in->seen);
	if (cache.retired)
		reclaim();
	pthread_mutex_unlock(&cache.lock);
	return true;
}

/* Without the lock: who frees moves the epoch first and looks at `seen` after, so an epoch that still
 * stands once it is noted keeps what this CPU may find. */
bool cache_enter(struct interp *in)
{
	uint64_t now = atomic_load(&cache.epoch), noted;
	do {
		noted = now;
		atomic_store(&in->seen, noted);
		now = atomic_load(&cache.epoch);
	} while (now != noted);
	bool stale_jumps = in->jumps_epoch != now;
	in->jumps_epoch = now;
	return stale_jumps;
}

void cache_leave(struct interp *in)
{
	atomic_store(&in->seen, 0);
}
