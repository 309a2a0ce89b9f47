/* SPDX-License-Identifier: MIT */
/* mtime is always computed from the virtual clock, in 128 bits, so it never drifts. */
#include "mtimer.h"

__extension__ typedef unsigned __int128 u128;
enum { NS = 1000000000 };

static uint64_t now_ns(const struct mtimer *t)
{
	int64_t ns = t->host->now(t->self, BP_CLOCK_VIRTUAL);
	return ns < 0 ? 0 : (uint64_t)ns;
}

static uint64_t ticks(const struct mtimer *t, uint64_t ns)
{
	return (uint64_t)((u128)ns * t->frequency / NS);
}

uint64_t mtimer_read(const struct mtimer *t)
{
	return ticks(t, now_ns(t)) + __atomic_load_n(&t->offset, __ATOMIC_RELAXED);
}

int64_t mtimer_when(const struct mtimer *t, uint64_t value)
{
	uint64_t ns = now_ns(t), base = ticks(t, ns);
	uint64_t mtime = base + __atomic_load_n(&t->offset, __ATOMIC_RELAXED);
	if (mtime >= value)
		return (int64_t)ns;
	/* The first nanosecond at which the quotient in ticks() is large enough. */
	u128 wanted = (u128)base + (value - mtime);
	u128 at = (wanted * NS + t->frequency - 1) / t->frequency;
	return at > INT64_MAX ? INT64_MAX : (int64_t)at;
}

static int due(const struct mtimer *t, unsigned n)
{
	return mtimer_read(t) >= __atomic_load_n(&t->mtimecmp[n], __ATOMIC_ACQUIRE);
}

void mtimer_update(struct mtimer *t, unsigned n)
{
	int level;
	pthread_mutex_lock(&t->lock);
	int64_t at = due(t, n) ? INT64_MAX : mtimer_when(t, t->mtimecmp[n]);
	if (at == INT64_MAX)
		t->host->timer_cancel(t->timer[n]);
	else
		t->host->timer_at(t->timer[n], at);
	pthread_mutex_unlock(&t->lock);
	/* No lock is held while others are called; whoever comes last leaves the right level. */
	while (t->mtip[n] && (level = due(t, n)) != t->host->line_get(t->mtip[n]))
		t->host->line_set(t->mtip[n], level);
}

static void update_all(struct mtimer *t)
{
	for (unsigned n = 0; n < t->harts; n++)
		mtimer_update(t, n);
}

void mtimer_write(struct mtimer *t, uint64_t value)
{
	__atomic_store_n(&t->offset, value - ticks(t, now_ns(t)), __ATOMIC_RELAXED);
	update_all(t);
}

void mtimer_init(struct mtimer *t, void *self, const struct bp_host *host,
	void (*fire)(void *self, uint64_t n))
{
	t->self = self;
	t->host = host;
	pthread_mutex_init(&t->lock, NULL);
	for (unsigned n = 0; n < t->harts; n++)
		t->timer[n] = host->timer_new(self, BP_CLOCK_VIRTUAL, fire, n);
}

void mtimer_finish(struct mtimer *t)
{
	if (t->host)
		pthread_mutex_destroy(&t->lock);
}

/* mtime begins at 0; the comparators are reset by their table to what never comes. */
void mtimer_reset(struct mtimer *t, int step)
{
	if (step == BP_RESET_ENTER)
		__atomic_store_n(&t->offset, -ticks(t, now_ns(t)), __ATOMIC_RELAXED);
	else if (step == BP_RESET_LEAVE)
		update_all(t);
}
