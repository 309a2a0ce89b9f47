/* SPDX-License-Identifier: MIT */
/* Flat views, and how readers and writers of them meet.
 *
 * A reader notes the epoch that it began in; a writer replaces a pointer, starts a new epoch and keeps
 * what it replaced until every reader is outside or began later. Nobody waits: what cannot be freed
 * yet is looked at again with the next replacement. */
#include "internal.h"
#include <pthread.h>

/* ---- readers ---- */

struct reader {
	_Atomic(uint64_t) epoch; /* 0: outside */
	unsigned depth;
	bool used; /* by a living thread; under lock */
	struct reader *next;
};

struct retired {
	void *p;
	void (*release)(void *p);
	uint64_t epoch;
};

static _Atomic(uint64_t) now = 1;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct reader *readers; /* only ever grows, records are used again */
static GArray *waiting; /* struct retired */
static pthread_key_t exit_key;
static pthread_once_t once = PTHREAD_ONCE_INIT;
static _Thread_local struct reader *self;

static void thread_exits(void *arg)
{
	struct reader *r = arg;
	pthread_mutex_lock(&lock);
	atomic_store(&r->epoch, 0);
	r->depth = 0;
	r->used = false;
	pthread_mutex_unlock(&lock);
}

static void make_key(void)
{
	pthread_key_create(&exit_key, thread_exits);
}

static struct reader *new_reader(void)
{
	pthread_once(&once, make_key);
	pthread_mutex_lock(&lock);
	struct reader *r = readers;
	while (r && r->used)
		r = r->next;
	if (!r) {
		r = g_new0(struct reader, 1);
		r->next = readers;
		readers = r;
	}
	r->used = true;
	pthread_mutex_unlock(&lock);
	pthread_setspecific(exit_key, r);
	self = r;
	return r;
}

void bus_reader_begin(void)
{
	struct reader *r = self ? self : new_reader();
	/* Sequentially consistent: the note stands before any view pointer is loaded. */
	if (r->depth++ == 0)
		atomic_store(&r->epoch, atomic_load_explicit(&now, memory_order_acquire));
}

void bus_reader_end(void)
{
	if (--self->depth == 0)
		atomic_store_explicit(&self->epoch, 0, memory_order_release);
}

void view_retire(void *p, void (*release)(void *p))
{
	if (!p)
		return;
	pthread_mutex_lock(&lock);
	struct retired fresh = { p, release, atomic_fetch_add(&now, 1) + 1 };
	if (!waiting)
		waiting = g_array_new(FALSE, FALSE, sizeof(struct retired));
	g_array_append_val(waiting, fresh);
	uint64_t oldest = UINT64_MAX;
	for (struct reader *r = readers; r; r = r->next) {
		uint64_t epoch = atomic_load(&r->epoch);
		if (epoch && epoch < oldest)
			oldest = epoch;
	}
	unsigned kept = 0;
	for (unsigned i = 0; i < waiting->len; i++) {
		struct retired *w = &g_array_index(waiting, struct retired, i);
		if (w->epoch <= oldest)
			w->release(w->p);
		else
			g_array_index(waiting, struct retired, kept++) = *w;
	}
	g_array_set_size(waiting, kept);
	pthread_mutex_unlock(&lock);
}

/* ---- building ---- */

struct builder {
	GArray *ranges; /* struct range */
	unsigned steps; /* containers that show one another twice multiply: bounded */
};

/* Put a range into what is not covered yet. */
static void insert(struct builder *b, struct range r)
{
	unsigned lo = 0, hi = b->ranges->len;
	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;
		if (g_array_index(b->ranges, struct range, mid).last < r.base)
			lo = mid + 1;
		else
			hi = mid;
	}
	for (unsigned at = lo; b->ranges->len < BUS_MAX_RANGES; at++) {
		const struct range *next =
			at < b->ranges->len ? &g_array_index(b->ranges, struct range, at) : NULL;
		struct range piece = r;
		uint64_t covered = next ? next->last : 0;
		bool beyond = !next || next->base > r.last;
		if (beyond || next->base > r.base) {
			if (!beyond)
				piece.last = next->base - 1;
			g_array_insert_val(b->ranges, at, piece);
			at++;
		}
		if (beyond || covered >= r.last)
			return;
		r.offset += covered + 1 - r.base;
		r.base = covered + 1;
	}
}

/* Bytes [lo, hi] of a container; adding shift to one gives its address in the view. */
static void render(struct builder *b, const struct bus_region *c, uint64_t lo, uint64_t hi,
	uint64_t shift, unsigned depth)
{
	for (unsigned i = 0; i < c->windows->len && b->steps; i++) {
		const struct bus_window *w = g_ptr_array_index(c->windows, i);
		uint64_t first = MAX(w->base, lo), last = MIN(w->base + w->last, hi);
		b->steps--;
		if (!w->enabled || first > last)
			continue;
		uint64_t offset = first - w->base + w->offset;
		if (w->region->kind != REGION_CONTAINER)
			insert(b,
				(struct range){ first + shift, last + shift, w->region, offset,
					w->priority });
		else if (depth < BUS_NESTING)
			render(b, w->region, offset, offset + (last - first),
				first + shift - offset, depth + 1);
	}
}

struct view *view_build(const struct bus_region *container)
{
	struct builder b = { g_array_new(FALSE, FALSE, sizeof(struct range)), 4 * BUS_MAX_RANGES };
	render(&b, container, 0, container->last, 0, 0);
	struct view *v = g_malloc(sizeof(*v) + b.ranges->len * sizeof(struct range));
	v->count = b.ranges->len;
	if (v->count)
		memcpy(v->range, b.ranges->data, v->count * sizeof(struct range));
	g_array_free(b.ranges, TRUE);
	return v;
}

const struct range *view_find(const struct view *v, uint64_t addr, uint64_t *gap)
{
	/* The first range that does not end before addr. */
	const struct range *r = v->range;
	unsigned n = v->count;
	while (n) {
		unsigned half = n / 2;
		bool right = r[half].last < addr;
		r = right ? r + half + 1 : r;
		n = right ? n - half - 1 : half;
	}
	if (r == v->range + v->count) {
		*gap = UINT64_MAX;
		return NULL;
	}
	if (r->base > addr) {
		*gap = r->base - 1;
		return NULL;
	}
	return r;
}
