/* SPDX-License-Identifier: MIT */
/* Clocks and timers. All armed timers of a clock stand in one binary heap under one lock; the main
 * loop takes the earliest out and fires it inside its object's domain. */
#include "clock.h"
#include <glib.h>
#include <stdatomic.h>
#include <time.h>

enum { CLOCKS = BP_CLOCK_REALTIME + 1 };

struct bp_timer {
	struct object *object;
	void (*fire)(void *self, uint64_t arg);
	uint64_t arg;
	int clock;
	int64_t at;
	size_t slot; /* 1 + place in the heap, 0: not armed */
	uint64_t number; /* as they were made: the order of those that are due together */
	struct bp_timer *next; /* of the same object */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct heap {
	bp_timer **timer;
	size_t count, room;
} heaps[CLOCKS];

static pthread_mutex_t clock_lock = PTHREAD_MUTEX_INITIALIZER;
static _Atomic(int64_t) virtual_offset; /* virtual = host + offset, while running */
static _Atomic(int64_t) stopped_at; /* virtual time at which the clock stands */
static _Atomic(bool) stopped = true;

static int64_t read_clock(clockid_t id)
{
	struct timespec t;
	clock_gettime(id, &t);
	return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

int64_t sched_now(int clock)
{
	if (clock != BP_CLOCK_HOST && sched_is_deterministic())
		return turns_now(clock);
	if (clock == BP_CLOCK_REALTIME)
		return read_clock(CLOCK_REALTIME);
	if (clock == BP_CLOCK_HOST)
		return read_clock(CLOCK_MONOTONIC);
	if (atomic_load(&stopped))
		return atomic_load(&stopped_at);
	return read_clock(CLOCK_MONOTONIC) + atomic_load(&virtual_offset);
}

int64_t sched_host_now(const void *self, int clock)
{
	(void)self;
	return sched_now(clock);
}

void clock_stop(void)
{
	pthread_mutex_lock(&clock_lock);
	if (!atomic_load(&stopped)) {
		atomic_store(&stopped_at, sched_now(BP_CLOCK_VIRTUAL));
		atomic_store(&stopped, true);
	}
	pthread_mutex_unlock(&clock_lock);
}

void clock_start(void)
{
	pthread_mutex_lock(&clock_lock);
	if (atomic_load(&stopped)) {
		atomic_store(
			&virtual_offset, atomic_load(&stopped_at) - read_clock(CLOCK_MONOTONIC));
		atomic_store(&stopped, false);
	}
	pthread_mutex_unlock(&clock_lock);
}

void clock_advance(int64_t ns)
{
	pthread_mutex_lock(&clock_lock);
	if (ns > 0 && atomic_load(&stopped))
		atomic_fetch_add(&stopped_at, ns);
	pthread_mutex_unlock(&clock_lock);
}

void clock_forget(void)
{
	clock_stop();
	atomic_store(&stopped_at, 0);
}

static bool is_sooner(const bp_timer *a, const bp_timer *b)
{
	return a->at < b->at || (a->at == b->at && a->number < b->number);
}

static void heap_set(struct heap *h, size_t i, bp_timer *t)
{
	h->timer[i] = t;
	t->slot = i + 1;
}

static void heap_up(struct heap *h, size_t i)
{
	bp_timer *t = h->timer[i];
	while (i && is_sooner(t, h->timer[(i - 1) / 2])) {
		heap_set(h, i, h->timer[(i - 1) / 2]);
		i = (i - 1) / 2;
	}
	heap_set(h, i, t);
}

static void heap_down(struct heap *h, size_t i)
{
	bp_timer *t = h->timer[i];
	for (;;) {
		size_t child = 2 * i + 1;
		if (child >= h->count)
			break;
		if (child + 1 < h->count && is_sooner(h->timer[child + 1], h->timer[child]))
			child++;
		if (!is_sooner(h->timer[child], t))
			break;
		heap_set(h, i, h->timer[child]);
		i = child;
	}
	heap_set(h, i, t);
}

static void heap_remove(struct heap *h, bp_timer *t)
{
	size_t i = t->slot - 1;
	bp_timer *last = h->timer[--h->count];
	t->slot = 0;
	if (last == t)
		return;
	heap_set(h, i, last);
	heap_up(h, i);
	heap_down(h, last->slot - 1);
}

bp_timer *sched_timer_new(
	void *self, int clock, void (*fire)(void *self, uint64_t arg), uint64_t arg)
{
	static _Atomic(uint64_t) made;
	struct object *o = object_of(self);
	bp_timer *t = g_new0(bp_timer, 1);
	*t = (bp_timer){ .object = o,
		.fire = fire,
		.arg = arg,
		.clock = clock >= 0 && clock < CLOCKS ? clock : BP_CLOCK_VIRTUAL,
		.number = atomic_fetch_add(&made, 1),
		.next = o->timers };
	o->timers = t;
	return t;
}

void sched_timer_at(bp_timer *t, int64_t ns)
{
	if (!t)
		return;
	pthread_mutex_lock(&lock);
	struct heap *h = &heaps[t->clock];
	if (t->slot)
		heap_remove(h, t);
	t->at = ns;
	if (h->count == h->room) {
		h->room = h->room ? 2 * h->room : 16;
		h->timer = g_renew(bp_timer *, h->timer, h->room);
	}
	h->timer[h->count] = t;
	heap_up(h, h->count++);
	bool earliest = t->slot == 1;
	pthread_mutex_unlock(&lock);
	if (earliest) {
		loop_wake();
		sched_leave();
	}
}

void sched_timer_cancel(bp_timer *t)
{
	if (!t)
		return;
	pthread_mutex_lock(&lock);
	if (t->slot)
		heap_remove(&heaps[t->clock], t);
	pthread_mutex_unlock(&lock);
}

int64_t sched_timer_due(const bp_timer *t)
{
	pthread_mutex_lock(&lock);
	int64_t at = t && t->slot ? t->at : INT64_MAX;
	pthread_mutex_unlock(&lock);
	return at;
}

int sched_timer_clock(const bp_timer *t)
{
	return t->clock;
}

bp_timer *sched_timer_of(const struct object *o, unsigned n)
{
	bp_timer *t = o->timers;
	while (t && n--)
		t = t->next;
	return t;
}

const struct bp_field sched_state_fields[] = {
	{ BP_FIELD(struct sched_state, virtual_ns, BP_S64) },
	{ BP_FIELD(struct sched_state, turn_base, BP_S64) },
	{ BP_FIELD(struct sched_state, turn_passed, BP_U64) },
	{ BP_FIELD(struct sched_state, turn_left, BP_U64) },
	{ BP_FIELD(struct sched_state, turn, BP_U32) },
	/* 0: of a run by the host's clock, or older than these */
	{ BP_FIELD(struct sched_state, turn_ips, BP_U64), .flags = BP_F_RANGE,
		.max = SCHED_IPS_MAX },
	{ BP_FIELD(struct sched_state, turn_quantum, BP_U64), .flags = BP_F_RANGE,
		.max = SCHED_QUANTUM_MAX },
	{ BP_FIELD(struct sched_state, turn_seed, BP_U64) },
	{ BP_FIELD(struct sched_state, turn_date, BP_S64), .flags = BP_F_RANGE,
		.max = SCHED_DATE_MAX },
	{ 0 },
};

const struct bp_field sched_random_fields[] = {
	{ "taken", NULL, offsetof(struct object, random), BP_U64 },
	{ 0 },
};

void sched_state_get(struct sched_state *out)
{
	*out = (struct sched_state){ .virtual_ns = sched_now(BP_CLOCK_VIRTUAL) };
	turns_state_get(out);
}

void sched_state_set(const struct sched_state *in)
{
	atomic_store(&stopped_at, in->virtual_ns < 0 ? 0 : in->virtual_ns);
	turns_state_set(in);
}

static bp_timer *take_due(int clock)
{
	struct heap *h = &heaps[clock];
	bp_timer *t = NULL;
	pthread_mutex_lock(&lock);
	if (h->count && h->timer[0]->at <= sched_now(clock)) {
		t = h->timer[0];
		heap_remove(h, t);
	}
	pthread_mutex_unlock(&lock);
	return t;
}

void timers_fire(int clock)
{
	bp_timer *t;
	/* Bounded, so that timers that re-arm in the past cannot starve descriptors. */
	for (int n = 0; n < 64 && (t = take_due(clock)); n++) {
		if (!domain_enter(t->object->domain))
			continue;
		t->fire(t->object->instance, t->arg);
		domain_leave(t->object->domain);
	}
}

int64_t timers_next(int clock)
{
	pthread_mutex_lock(&lock);
	int64_t at = heaps[clock].count ? heaps[clock].timer[0]->at : INT64_MAX;
	pthread_mutex_unlock(&lock);
	return at;
}

int64_t timers_run(void)
{
	int64_t wait = -1;
	for (int clock = 0; clock < CLOCKS; clock++) {
		timers_fire(clock);
		if (clock == BP_CLOCK_VIRTUAL && atomic_load(&stopped))
			continue;
		int64_t at = timers_next(clock), ns = at - sched_now(clock);
		ns = ns < 0 ? 0 : ns;
		if (at != INT64_MAX)
			wait = wait < 0 || ns < wait ? ns : wait;
	}
	return wait;
}

void timers_forget(struct object *o)
{
	for (bp_timer *t = o->timers, *next; t; t = next) {
		next = t->next;
		sched_timer_cancel(t);
		g_free(t);
	}
	o->timers = NULL;
}
