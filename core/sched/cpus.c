/* SPDX-License-Identifier: MIT */
/* vCPU threads. A thread is inside run(), or waits: parked (somebody wants it still), halted
 * (its guest waits for an interrupt), or napping (its guest polls). park_wanted counts who wants them
 * still; turn_taken is for those of them that are vCPUs themselves. */
#include "clock.h"
#include <glib.h>
#include <time.h>

enum { SECOND = 1000000000, NAP_LEAST = 1000000, NAP_MOST = 100000000 };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed = PTHREAD_COND_INITIALIZER; /* for who waits until others stand */
static GPtrArray *cpus;
static unsigned park_wanted;
static bool turn_taken; /* by a vCPU that wants the others still */
static bool ending;
static __thread struct sched_cpu *self_cpu;
static __thread unsigned exclusive_depth;

struct sched_cpu *sched_cpu_add(const struct sched_cpu_ops *ops, void *arg, const char *name)
{
	struct sched_cpu *c = g_new0(struct sched_cpu, 1);
	c->ops = *ops;
	c->arg = arg;
	c->name = g_strdup(name);
	pthread_cond_init(&c->wake, NULL);
	pthread_mutex_lock(&lock);
	if (!cpus)
		cpus = g_ptr_array_new();
	g_ptr_array_add(cpus, c);
	pthread_mutex_unlock(&lock);
	return c;
}

struct sched_cpu *cpus_at(unsigned n)
{
	return cpus && n < cpus->len ? g_ptr_array_index(cpus, n) : NULL;
}

/* With the lock held. A guest that polls finds what it waits for no sooner by taking the host from
 * who brings it: unless something comes, it sleeps an eighth of the time it has polled. */
static void begin_nap(struct sched_cpu *c)
{
	int64_t now = sched_now(BP_CLOCK_HOST);
	if (!c->polls_since)
		c->polls_since = now;
	c->nap_end = now + CLAMP((now - c->polls_since) / 8, NAP_LEAST, NAP_MOST);
}

static bool naps(const struct sched_cpu *c)
{
	return c->nap_end && !c->woken && sched_now(BP_CLOCK_HOST) < c->nap_end;
}

static void run(struct sched_cpu *c)
{
	c->running = true;
	c->woken = false;
	c->nap_end = 0;
	pthread_mutex_unlock(&lock);
	enum sched_run_result result = c->ops.run(c->arg);
	pthread_mutex_lock(&lock);
	c->halted = result == SCHED_HALTED;
	c->running = false;
	if (result == SCHED_POLLS)
		begin_nap(c);
	if (park_wanted)
		pthread_cond_broadcast(&changed);
}

static void *cpu_thread(void *arg)
{
	struct sched_cpu *c = arg;
	self_cpu = c;
	pthread_mutex_lock(&lock);
	while (!ending) {
		if (park_wanted || (c->halted && !c->ops.has_work(c->arg))) {
			pthread_cond_wait(&c->wake, &lock);
		} else if (naps(c)) { /* signals that end a pause do not end it */
			struct timespec end = { .tv_sec = c->nap_end / SECOND,
				.tv_nsec = c->nap_end % SECOND };
			pthread_cond_clockwait(&c->wake, &lock, CLOCK_MONOTONIC, &end);
		} else {
			run(c);
		}
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

void cpus_start(void)
{
	for (unsigned i = 0; cpus && i < cpus->len; i++) {
		struct sched_cpu *c = g_ptr_array_index(cpus, i);
		c->started = pthread_create(&c->thread, NULL, cpu_thread, c) == 0;
		if (!c->started)
			g_printerr(
				"backplane: %s: the host gives no thread for this CPU\n", c->name);
	}
}

void sched_cpu_wake(struct sched_cpu *c)
{
	sched_leave();
	/* has_work is looked at under the lock, so a wake between look and wait is not lost. */
	pthread_mutex_lock(&lock);
	if (cpus) { /* an object may change its pins on its way out, when the CPUs are gone */
		c->woken = true;
		c->polls_since = 0;
		pthread_cond_signal(&c->wake);
	}
	pthread_mutex_unlock(&lock);
}

static void wake_all(void)
{
	for (unsigned i = 0; cpus && i < cpus->len; i++)
		pthread_cond_signal(&((struct sched_cpu *)g_ptr_array_index(cpus, i))->wake);
}

bool sched_cpu_halted(const struct sched_cpu *c)
{
	return c->halted;
}

void sched_cpu_set_halted(struct sched_cpu *c, bool halted)
{
	c->halted = halted;
}

static void kick_others(void)
{
	for (unsigned i = 0; cpus && i < cpus->len; i++) {
		struct sched_cpu *c = g_ptr_array_index(cpus, i);
		if (c != self_cpu)
			c->ops.kick(c->arg);
	}
}

/* For a vCPU it is enough that the others change nothing meanwhile. Whoever else asks looks at all
 * of their state, and that is whole only between instructions. */
static bool others_stand(bool for_cpu)
{
	for (unsigned i = 0; cpus && i < cpus->len; i++) {
		const struct sched_cpu *c = g_ptr_array_index(cpus, i);
		if (c != self_cpu && c->running && !(for_cpu && c->standing))
			return false;
	}
	return true;
}

/* With the lock held. vCPUs take turns: one that waits counts as standing for the one whose turn it
 * is, so that two of them cannot wait for each other. Another thread waits until all of them have
 * had their turns and left run(). */
static void park_others(void)
{
	bool is_cpu = self_cpu && self_cpu->running;
	if (is_cpu) {
		self_cpu->standing = true;
		pthread_cond_broadcast(&changed);
		while (turn_taken)
			pthread_cond_wait(&changed, &lock);
		turn_taken = true;
		self_cpu->standing = false;
	}
	park_wanted++;
	kick_others();
	while (!others_stand(is_cpu))
		pthread_cond_wait(&changed, &lock);
}

static void unpark_others(void)
{
	park_wanted--;
	if (self_cpu && self_cpu->running)
		turn_taken = false;
	wake_all();
	pthread_cond_broadcast(&changed);
}

void cpus_park(void)
{
	/* One thread: whoever calls, no other vCPU is inside an instruction. */
	if (sched_is_deterministic())
		return;
	pthread_mutex_lock(&lock);
	park_others();
	pthread_mutex_unlock(&lock);
}

void cpus_unpark(void)
{
	if (sched_is_deterministic())
		return;
	pthread_mutex_lock(&lock);
	unpark_others();
	pthread_mutex_unlock(&lock);
}

void sched_exclusive_begin(void)
{
	if (exclusive_depth++ == 0)
		cpus_park();
}

void sched_exclusive_end(void)
{
	if (--exclusive_depth == 0)
		cpus_unpark();
}

void sched_on_all_cpus(void (*fn)(void *arg, void *ctx), void *ctx)
{
	/* Parking everybody is the plainest acknowledgement there is: each stands at a safepoint. */
	sched_exclusive_begin();
	for (unsigned i = 0; cpus && i < cpus->len; i++)
		fn(((struct sched_cpu *)g_ptr_array_index(cpus, i))->arg, ctx);
	sched_exclusive_end();
}

void cpus_stop(void)
{
	pthread_mutex_lock(&lock);
	ending = true;
	for (unsigned i = 0; cpus && i < cpus->len; i++) {
		struct sched_cpu *c = g_ptr_array_index(cpus, i);
		c->ops.kick(c->arg);
	}
	wake_all();
	pthread_mutex_unlock(&lock);
	for (unsigned i = 0; cpus && i < cpus->len; i++) {
		struct sched_cpu *c = g_ptr_array_index(cpus, i);
		if (c->started)
			pthread_join(c->thread, NULL);
	}
	/* Only now: until its own end each thread may look at all the others. */
	for (unsigned i = 0; cpus && i < cpus->len; i++) {
		struct sched_cpu *c = g_ptr_array_index(cpus, i);
		pthread_cond_destroy(&c->wake);
		g_free(c->name);
		g_free(c);
	}
	if (cpus)
		g_ptr_array_free(cpus, TRUE);
	cpus = NULL;
	ending = false;
}
