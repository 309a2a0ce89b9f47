/* SPDX-License-Identifier: MIT */
/* Deterministic mode: one thread, vCPUs in turn, time by counting.
 *
 * What happens is a function of the machine and its inputs, so whatever the guest can see happens at an
 * instruction count that does not depend on the host:
 *   - A step is never longer than the way to the next timer, and a vCPU that arms a timer, changes an
 *     interrupt or asks for something leaves right after that instruction (sched_leave).
 *   - Posted work is done right after the instruction that posted it. Descriptors are served between
 *     two turns, and when all vCPUs wait.
 * A step may also end early for an engine's own reasons. Then nothing is due, and it goes on. */
#include "clock.h"
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/random.h>

__extension__ typedef unsigned __int128 u128;
enum {
	NS = 1000000000,
	POLL_TURNS = 64, /* the host is asked for input once in so many turns */
	DRAIN_ROUNDS = 20 /* of a tenth of a second, for output that is left at the end */
};
/* Time does not jump beyond: the guest that waits so long waits for input. */
#define JUMP_MAX (INT64_MAX / 2)

static bool on;
static struct sched_turns how;
static __thread bool here; /* the thread that runs the vCPUs */
/* now = base + what `passed` instructions take; passed does not count those of the present step. */
static int64_t base;
static uint64_t passed;
static struct sched_cpu *running; /* inside step() */
static uint64_t running_from; /* its count at the step's begin */
static unsigned turn; /* whose */
static uint64_t left; /* of the turn */
static uint64_t total; /* instructions of all vCPUs, since the machine's first start */
static uint64_t save_at; /* the total at which a save is asked for */
static unsigned polled; /* turns since the host was asked */
static int held;

void sched_deterministic(const struct sched_turns *turns)
{
	how = *turns;
	base = 0;
	passed = left = 0;
	turn = UINT32_MAX;
	save_at = UINT64_MAX;
	on = true;
}

bool sched_is_deterministic(void)
{
	return on;
}

void turns_state_get(struct sched_state *out)
{
	if (!on)
		return;
	out->turn_base = base;
	out->turn_passed = passed;
	out->turn_left = left;
	out->turn = turn;
	out->turn_ips = how.ips;
	out->turn_quantum = how.quantum;
	out->turn_date = how.date;
	out->turn_seed = how.seed;
}

/* A snapshot of a machine that ran by the host's clock begins its count where that clock stood. What a
 * deterministic run began with holds until its end; older snapshots do not say. */
void turns_state_set(const struct sched_state *in)
{
	bool counted = in->turn_base || in->turn_passed;
	if (!on)
		return;
	if (in->turn_ips && in->turn_quantum)
		how = (struct sched_turns){ in->turn_ips, in->turn_quantum, in->turn_date,
			in->turn_seed };
	base = counted ? MAX(in->turn_base, 0) : MAX(in->virtual_ns, 0);
	passed = in->turn_passed;
	left = MIN(in->turn_left, how.quantum);
	turn = in->turn;
	if (!cpus_at(turn)) {
		turn = UINT32_MAX;
		left = 0;
	}
}

/* ---- time ---- */

static uint64_t executed(void)
{
	return passed + (running ? running->ops.count(running->arg) - running_from : 0);
}

static int64_t add(int64_t a, u128 b)
{
	return b > (u128)(INT64_MAX - a) ? INT64_MAX : a + (int64_t)b;
}

int64_t turns_now(int clock)
{
	int64_t now = add(base, (u128)executed() * NS / how.ips);
	return clock == BP_CLOCK_REALTIME ? add(how.date, (u128)now) : now;
}

/* When the next thing happens that depends on virtual time. */
static int64_t next_event(void)
{
	int64_t next = timers_next(BP_CLOCK_VIRTUAL), date = timers_next(BP_CLOCK_REALTIME);
	if (date == INT64_MAX)
		return next;
	return MIN(next, date < how.date ? 0 : date - how.date);
}

/* Instructions until then: the first count at which turns_now() is not less. */
static uint64_t distance(int64_t at)
{
	uint64_t done = executed();
	if (at <= base)
		return 0;
	u128 n = ((u128)(uint64_t)(at - base) * how.ips + NS - 1) / NS;
	return n <= done ? 0 : n - done > UINT64_MAX ? UINT64_MAX : (uint64_t)(n - done);
}

/* ---- turns ---- */

void sched_leave(void)
{
	if (here && running)
		running->ops.leave(running->arg);
}

void sched_hold(int by)
{
	held += by;
}

void sched_save_at(uint64_t count)
{
	save_at = count;
}

uint64_t sched_executed(void)
{
	return total;
}

void turns_begin(void)
{
	struct sched_cpu *c;
	here = true;
	total = 0;
	for (unsigned i = 0; (c = cpus_at(i)); i++)
		total += c->ops.count(c->arg);
}

void turns_reset(void)
{
	struct sched_cpu *c;
	for (unsigned i = 0; (c = cpus_at(i)); i++) {
		c->halted = false;
		c->polls_since = c->nap_end = 0;
	}
	turn = UINT32_MAX;
	left = 0;
}

static void run_step(struct sched_cpu *c)
{
	int64_t next = next_event();
	/* At least one: a timer that is always due must not stop the guest. */
	uint64_t most = MIN(left, save_at - total); /* not 0: turns_round */
	uint64_t budget = next == INT64_MAX ? most : MIN(most, MAX(distance(next), 1));
	running_from = c->ops.count(c->arg);
	running = c;
	c->halted = c->ops.step(c->arg, budget) == SCHED_HALTED;
	uint64_t n = c->ops.count(c->arg) - running_from;
	running = NULL;
	passed += n;
	total += n;
	left = c->halted || n > left ? 0 : left - n;
}

/* The next one that has something to do, beginning behind the one whose turn it was. */
static bool next_turn(void)
{
	unsigned n = 0;
	while (cpus_at(n))
		n++;
	for (unsigned i = 0; i < n; i++) {
		turn = turn < n - 1 ? turn + 1 : 0;
		struct sched_cpu *c = cpus_at(turn);
		if (!c->halted || c->ops.has_work(c->arg)) {
			left = how.quantum;
			return true;
		}
	}
	return false;
}

/* Nobody runs: sleep until the host brings something. */
static void wait_for_host(void)
{
	int64_t at = timers_next(BP_CLOCK_HOST);
	loop_serve(at == INT64_MAX ? -1 : MAX(at - sched_now(BP_CLOCK_HOST), 0));
	timers_fire(BP_CLOCK_HOST);
	polled = 0;
}

static void between_turns(void)
{
	if (++polled >= POLL_TURNS) {
		polled = 0;
		timers_fire(BP_CLOCK_HOST);
		loop_serve(0);
		loop_settle();
	}
	if (next_turn())
		return;
	int64_t next = next_event();
	if (next > JUMP_MAX) {
		wait_for_host();
	} else if (next > turns_now(BP_CLOCK_VIRTUAL)) {
		base = next;
		passed = 0;
	}
}

void turns_round(void)
{
	if (held > 0 || sched_paused()) {
		wait_for_host();
		return;
	}
	loop_settle();
	/* Before timers: what they do is not done yet, and will be done after a restore. */
	if (total >= save_at) {
		save_at = UINT64_MAX;
		sched_request(NULL, BP_REQ_SAVE, 0);
		return;
	}
	timers_fire(BP_CLOCK_VIRTUAL);
	timers_fire(BP_CLOCK_REALTIME);
	if (left)
		run_step(cpus_at(turn));
	else
		between_turns();
}

void turns_end(void)
{
	for (int i = 0; i < DRAIN_ROUNDS && held > 0; i++)
		loop_serve(NS / 10);
	here = false;
}

void turns_finish(void)
{
	on = false;
	held = 0;
}

/* ---- random numbers ---- */

/* splitmix64 of the n-th state: no number of a sequence depends on those before it. */
static uint64_t mix(uint64_t seed, uint64_t n)
{
	uint64_t z = seed + n * UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static void seeded(struct object *o, uint8_t *p, size_t len)
{
	uint64_t seed = mix(how.seed, 1);
	for (const char *c = o->name; *c; c++)
		seed = mix(seed ^ (uint8_t)*c, 1);
	for (size_t n; len; p += n, len -= n) {
		uint64_t v = mix(seed, ++o->random);
		n = MIN(len, sizeof(v));
		memcpy(p, &v, n);
	}
}

void sched_random(void *self, void *buf, size_t len)
{
	uint8_t *p = buf;
	if (on) {
		seeded(object_of(self), p, len);
		return;
	}
	for (ssize_t n; len; p += n, len -= (size_t)n) {
		n = getrandom(p, MIN(len, 256), 0);
		if (n >= 0)
			continue;
		n = 0;
		if (errno == EINTR)
			continue;
		/* Never leave what was there in memory that the guest takes for random. */
		memset(p, 0, len);
		g_printerr(
			"backplane: %s: the host gives no random numbers\n", object_of(self)->name);
		return;
	}
}
