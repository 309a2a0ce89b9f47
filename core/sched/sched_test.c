/* SPDX-License-Identifier: MIT */
/* Deterministic mode with CPUs that only count, and threads that want each other still. */
#include "plugin/object.h"
#include "sched.h"
#include <glib.h>
#include <stdatomic.h>
#include <string.h>

struct part { /* a device: what it saw is written down */
	int unused;
};

struct cpu { /* executes `busy` instructions, then waits */
	struct sched_cpu *thread;
	uint64_t count, busy;
	uint64_t leave_at; /* calls act() there, inside the step */
	void (*act)(struct cpu *c);
	bool left, work;
	unsigned id;
};

static GString *seen;
static struct object *device;
static struct cpu cpus[3];

static const struct bp_object part_object = { .size = sizeof(part_object),
	.instance_size = sizeof(struct part) };
static const struct type part_type = { .id = "part", .object = &part_object };

static enum sched_run_result step(void *arg, uint64_t budget)
{
	struct cpu *c = arg;
	uint64_t from = c->count, end = from + MIN(budget, c->busy);
	c->left = c->work = false;
	if (c->act && c->leave_at >= from && c->leave_at < end) {
		c->count = c->leave_at;
		c->act(c);
		c->act = NULL;
		end = c->left ? c->leave_at + 1 : end;
	}
	c->count = end;
	c->busy -= end - from;
	g_string_append_printf(seen, "%u+%u ", c->id, (unsigned)(end - from));
	return c->busy ? SCHED_AGAIN : SCHED_HALTED;
}

static uint64_t count(void *arg)
{
	return ((struct cpu *)arg)->count;
}

static void leave(void *arg)
{
	((struct cpu *)arg)->left = true;
}

static enum sched_run_result run(void *arg)
{
	(void)arg;
	g_assert_not_reached(); /* no thread may be started */
}

static void kick(void *arg)
{
	(void)arg;
}

static bool has_work(void *arg)
{
	return ((struct cpu *)arg)->work;
}

static const struct sched_cpu_ops ops = { run, kick, has_work, step, count, leave };

static void fire(void *self, uint64_t arg)
{
	(void)self;
	g_string_append_printf(
		seen, "t%u@%u ", (unsigned)arg, (unsigned)sched_now(BP_CLOCK_VIRTUAL));
	if (arg < G_N_ELEMENTS(cpus)) {
		cpus[arg].work = true;
		cpus[arg].busy += 30;
		sched_cpu_wake(cpus[arg].thread);
	}
}

static void power_off(void *self, uint64_t arg)
{
	sched_request(self, BP_REQ_POWEROFF, (int)arg);
}

static void begin(unsigned n, uint64_t ips, uint64_t quantum)
{
	seen = g_string_new(NULL);
	sched_deterministic(&(struct sched_turns){ ips, quantum, 1000, 7 });
	device = object_new(&part_type, "part", NULL, domain_new("machine", false));
	for (unsigned i = 0; i < n; i++) {
		cpus[i] = (struct cpu){ .id = i, .busy = 100 };
		cpus[i].thread = sched_cpu_add(&ops, &cpus[i], "cpu");
	}
}

/* Run until power off at `end`; all that happened must be `expected`. */
static void finish(int64_t end, const char *expected)
{
	sched_timer_at(sched_timer_new(device->instance, BP_CLOCK_VIRTUAL, power_off, 5), end);
	g_assert_cmpint(sched_run(), ==, 5);
	g_assert_cmpstr(seen->str, ==, expected);
	g_assert_cmpint(sched_now(BP_CLOCK_VIRTUAL), ==, end);
	sched_stop();
	sched_forget(device);
	sched_finish();
	domain_free(device->domain);
	object_free(device);
	g_string_free(seen, TRUE);
	g_assert_false(sched_is_deterministic());
}

static bp_timer *timer(int clock, uint64_t arg)
{
	return sched_timer_new(device->instance, clock, fire, arg);
}

/* In turns; a timer is met exactly; who waits gives the turn away; nobody runs: time jumps. */
static void test_turns(void)
{
	begin(2, 1000000000, 40);
	sched_timer_at(timer(BP_CLOCK_VIRTUAL, 9), 55);
	sched_timer_at(timer(BP_CLOCK_VIRTUAL, 1), 5000);
	finish(100000, "0+40 1+15 t9@55 1+25 0+40 1+40 0+20 1+20 t1@5000 1+30 ");
}

/* Two instructions a nanosecond; half of one. */
static void test_speed(void)
{
	begin(1, 2000000000, 1000);
	sched_timer_at(timer(BP_CLOCK_VIRTUAL, 9), 25);
	finish(60, "0+50 t9@25 0+50 ");
	begin(1, 500000000, 1000);
	sched_timer_at(timer(BP_CLOCK_VIRTUAL, 9), 25); /* at the first instruction not before */
	finish(1000, "0+13 t9@26 0+87 ");
}

/* The date stands at its beginning when virtual time does. */
static void test_date(void)
{
	begin(1, 1000000000, 1000);
	g_assert_cmpint(sched_now(BP_CLOCK_REALTIME), ==, 1000);
	sched_timer_at(timer(BP_CLOCK_REALTIME, 9), 1030);
	sched_timer_at(timer(BP_CLOCK_REALTIME, 8), 3000);
	finish(9000, "0+30 t9@30 0+70 t8@2000 ");
}

static bp_timer *armed;

static void arm(struct cpu *c)
{
	(void)c;
	g_string_append_printf(seen, "a@%u ", (unsigned)sched_now(BP_CLOCK_VIRTUAL));
	sched_timer_at(armed, sched_now(BP_CLOCK_VIRTUAL) + 10);
}

/* A timer armed inside a step is met exactly too. */
static void test_armed_inside(void)
{
	begin(1, 1000000000, 1000);
	armed = timer(BP_CLOCK_VIRTUAL, 9);
	cpus[0].leave_at = 20;
	cpus[0].act = arm;
	finish(1000, "a@20 0+21 0+9 t9@30 0+70 ");
}

static void mark(void *arg, void *ctx)
{
	(void)ctx;
	g_string_append_printf(seen, "on%u ", ((struct cpu *)arg)->id);
}

static void everywhere(struct cpu *c)
{
	(void)c;
	sched_exclusive_begin();
	sched_on_all_cpus(mark, NULL);
	sched_exclusive_end();
}

static void posted(void *self, uint64_t arg)
{
	(void)self;
	g_string_append_printf(
		seen, "p%u@%u ", (unsigned)arg, (unsigned)sched_now(BP_CLOCK_VIRTUAL));
}

static void post(struct cpu *c)
{
	(void)c;
	sched_post(device->instance, posted, 1);
	sched_post(device->instance, posted, 2);
}

/* Nobody is waited for; posts come in order, right after the instruction that posted them. */
static void test_inside(void)
{
	begin(3, 1000000000, 60);
	cpus[0].leave_at = 20;
	cpus[0].act = everywhere;
	cpus[1].leave_at = 5;
	cpus[1].act = post;
	finish(1000, "on0 on1 on2 0+60 1+6 p1@66 p2@66 1+54 2+60 0+40 1+40 2+40 ");
}

static void stop(struct cpu *c)
{
	(void)c;
	sched_request(device->instance, BP_REQ_POWEROFF, 5);
}

/* What a guest asks for is done before its next instruction. */
static void test_request(void)
{
	begin(1, 1000000000, 60);
	cpus[0].leave_at = 70;
	cpus[0].act = stop;
	sched_timer_at(timer(BP_CLOCK_VIRTUAL, 9), 80);
	finish(71, "0+60 0+11 ");
}

/* Those that are due together fire as they were made, however they were armed. */
static void test_ties(void)
{
	static const char order[] = { 5, 9, 7, 4, 8, 6, 3 };
	bp_timer *made[10];
	begin(1, 1000000000, 60);
	for (unsigned i = 3; i < 10; i++)
		made[i] = timer(BP_CLOCK_VIRTUAL, i);
	for (unsigned i = 0; i < G_N_ELEMENTS(order); i++)
		sched_timer_at(made[(unsigned)order[i]], order[i] == 6 ? 49 : 50);
	finish(200, "0+49 t6@49 0+1 t3@50 t4@50 t5@50 t7@50 t8@50 t9@50 0+10 0+40 ");
}

static void saved(void *machine)
{
	(void)machine;
	g_string_append_printf(
		seen, "s%u@%u ", (unsigned)sched_executed(), (unsigned)sched_now(BP_CLOCK_VIRTUAL));
	if (sched_executed() == 50)
		sched_save_at(130);
}

/* A save cuts a step and changes nothing else; it comes before the timers of that moment. */
static void test_save_at(void)
{
	begin(2, 1000000000, 40);
	sched_set_machine(&(struct sched_machine_ops){ .save = saved });
	sched_timer_at(timer(BP_CLOCK_VIRTUAL, 9), 50);
	sched_save_at(50);
	finish(1000, "0+40 1+10 s50@50 t9@50 1+30 0+40 1+10 s130@130 1+30 0+20 1+20 ");
	sched_set_machine(&(struct sched_machine_ops){ 0 });
	begin(1, 1000000000, 60);
	cpus[0].count = 30; /* of a machine that was restored */
	sched_set_machine(&(struct sched_machine_ops){ .save = saved });
	sched_save_at(30);
	finish(1000, "s30@0 0+60 0+40 ");
	sched_set_machine(&(struct sched_machine_ops){ 0 });
}

/* What a run began with comes with its state; a state that has none leaves it. */
static void test_settings(void)
{
	struct sched_state s;
	uint8_t a[8], b[8];
	begin(1, 1000000000, 60);
	sched_random(device->instance, a, sizeof(a));
	sched_state_get(&s);
	g_assert_cmpuint(s.turn_seed, ==, 7);
	sched_deterministic(&(struct sched_turns){ 500000000, 90, 2000, 8 });
	sched_state_set(&s);
	device->random = 0;
	sched_random(device->instance, b, sizeof(b));
	g_assert_cmpmem(a, sizeof(a), b, sizeof(b));
	g_assert_cmpint(sched_now(BP_CLOCK_REALTIME), ==, 1000);
	finish(200, "0+60 0+40 ");
	begin(1, 1000000000, 60);
	sched_state_set(&(struct sched_state){ .virtual_ns = 5 });
	g_assert_cmpint(sched_now(BP_CLOCK_REALTIME), ==, 1005);
	finish(200, "0+60 0+40 ");
}

/* A timer that is always due, and one that never is. */
static void always(void *self, uint64_t arg)
{
	(void)self;
	(void)arg;
	sched_timer_at(armed, 0);
}

static void test_bad_timers(void)
{
	begin(1, 1000000000, 60);
	cpus[0].busy = 3;
	armed = sched_timer_new(device->instance, BP_CLOCK_VIRTUAL, always, 0);
	sched_timer_at(armed, 0);
	sched_timer_at(timer(BP_CLOCK_VIRTUAL, 9), INT64_MAX);
	cpus[0].leave_at = 2;
	cpus[0].act = stop;
	finish(3, "0+1 0+1 0+1 ");
}

/* ---- CPUs on threads of their own ---- */

struct racer { /* each of its instructions is one that wants the others still */
	_Atomic(bool) kicked, inside; /* inside: an instruction has begun and has not ended */
	unsigned turns;
};

static struct racer racers[3];
static unsigned alone, pauses, torn;

static enum sched_run_result race(void *arg)
{
	struct racer *r = arg;
	while (!atomic_exchange(&r->kicked, false)) {
		r->inside = true;
		sched_exclusive_begin();
		alone++; /* no other thread does meanwhile */
		r->turns++;
		sched_exclusive_end();
		r->inside = false;
	}
	return SCHED_AGAIN;
}

static void kick_racer(void *arg)
{
	((struct racer *)arg)->kicked = true;
}

static bool busy_always(void *arg)
{
	(void)arg;
	return true;
}

static void look(void *self, uint64_t arg)
{
	(void)arg;
	sched_pause();
	for (unsigned i = 0; i < G_N_ELEMENTS(racers); i++)
		torn += racers[i].inside;
	unsigned before = alone;
	g_usleep(50);
	torn += alone != before;
	sched_resume();
	if (++pauses == 1000)
		sched_request(self, BP_REQ_POWEROFF, 5);
	else
		sched_post(self, look, 0);
}

/* Who pauses the machine sees no CPU in the middle of an instruction, not even one that waits there
 * for its turn. */
static void test_pause(void)
{
	static const struct sched_cpu_ops threads = { race, kick_racer, busy_always, NULL, NULL,
		NULL };
	unsigned turns = 0;
	device = object_new(&part_type, "part", NULL, domain_new("machine", false));
	for (unsigned i = 0; i < G_N_ELEMENTS(racers); i++)
		sched_cpu_add(&threads, &racers[i], "racer");
	sched_post(device->instance, look, 0);
	g_assert_cmpint(sched_run(), ==, 5);
	sched_stop();
	for (unsigned i = 0; i < G_N_ELEMENTS(racers); i++)
		turns += racers[i].turns;
	g_assert_cmpuint(alone, ==, turns);
	g_assert_cmpuint(torn, ==, 0);
	sched_forget(device);
	sched_finish();
	domain_free(device->domain);
	object_free(device);
}

static unsigned wakes;

/* A guest that halts in vain: five times, and then it powers off. */
static enum sched_run_result poll_a_while(void *arg)
{
	struct racer *r = arg;
	if (++r->turns == 5)
		sched_request(NULL, BP_REQ_POWEROFF, 5);
	return SCHED_POLLS;
}

static void count_wake(void *self, uint64_t arg)
{
	(void)self;
	wakes++;
	sched_cpu_wake((struct sched_cpu *)(uintptr_t)arg);
	if (wakes < 100)
		sched_post(device->instance, count_wake, arg);
}

/* It has the host again after a while, or as soon as something comes. */
static void test_polls(void)
{
	static const struct sched_cpu_ops thread = { poll_a_while, kick_racer, busy_always, NULL,
		NULL, NULL };
	device = object_new(&part_type, "part", NULL, domain_new("machine", false));
	for (unsigned woken = 0; woken < 2; woken++) {
		struct racer cpu = { 0 };
		wakes = 0;
		struct sched_cpu *c = sched_cpu_add(&thread, &cpu, "polls");
		if (woken)
			sched_post(device->instance, count_wake, (uintptr_t)c);
		int64_t from = g_get_monotonic_time();
		g_assert_cmpint(sched_run(), ==, 5);
		if (!woken) /* four naps at the least */
			g_assert_cmpint(g_get_monotonic_time() - from, >=, 4 * 900);
		sched_stop();
		sched_forget(device);
		sched_finish();
		g_assert_cmpuint(cpu.turns, >=, 5);
	}
	domain_free(device->domain);
	object_free(device);
}

static unsigned resets;
static _Atomic(bool) asks;

/* A guest that asks for a reset until it is reset, and then goes on to its end. */
static enum sched_run_result ask(void *arg)
{
	struct racer *r = arg;
	while (!atomic_exchange(&r->kicked, false))
		sched_request(NULL, asks ? BP_REQ_RESET : BP_REQ_POWEROFF, 5);
	return SCHED_AGAIN;
}

static void count_reset(void *machine)
{
	(void)machine;
	resets++;
	asks = false;
}

static void test_reset(void)
{
	static const struct sched_cpu_ops thread = { ask, kick_racer, busy_always, NULL, NULL,
		NULL };
	static struct racer cpu;
	sched_set_machine(&(struct sched_machine_ops){ .reset = count_reset });
	for (unsigned n = 1; n <= 20; n++) {
		resets = 0;
		asks = true;
		sched_cpu_add(&thread, &cpu, "asks");
		g_assert_cmpint(sched_run(), ==, 5);
		sched_stop();
		sched_finish();
		g_assert_cmpuint(resets, ==, 1);
	}
	sched_set_machine(&(struct sched_machine_ops){ 0 });
}

static void test_random(void)
{
	uint8_t a[32], b[32];
	begin(0, 1000000000, 60);
	sched_random(device->instance, a, 13);
	sched_random(device->instance, b, 13);
	g_assert_cmpint(memcmp(a, b, 13), !=, 0);
	device->random = 0;
	sched_random(device->instance, b, 13);
	g_assert_cmpint(memcmp(a, b, 13), ==, 0);
	sched_deterministic(&(struct sched_turns){ 1, 1, 0, 8 });
	device->random = 0;
	sched_random(device->instance, b, 13);
	g_assert_cmpint(memcmp(a, b, 13), !=, 0);
	finish(0, "");
	device = object_new(&part_type, "part", NULL, domain_new("machine", false));
	sched_random(device->instance, a, sizeof(a)); /* the host's */
	sched_random(device->instance, b, sizeof(b));
	g_assert_cmpint(memcmp(a, b, sizeof(a)), !=, 0);
	domain_free(device->domain);
	object_free(device);
}

static void let_go(void *self, uint64_t arg)
{
	(void)self;
	(void)arg;
	g_string_append_printf(seen, "go@%u ", (unsigned)sched_now(BP_CLOCK_VIRTUAL));
	sched_hold(-1);
}

/* Held, only the host's clock goes on. */
static void test_hold(void)
{
	begin(1, 1000000000, 60);
	sched_hold(1);
	bp_timer *t = sched_timer_new(device->instance, BP_CLOCK_HOST, let_go, 0);
	sched_timer_at(t, sched_now(BP_CLOCK_HOST) + 20000000);
	finish(1000, "go@0 0+60 0+40 ");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/turns/turns", test_turns);
	g_test_add_func("/turns/speed", test_speed);
	g_test_add_func("/turns/date", test_date);
	g_test_add_func("/turns/armed-inside", test_armed_inside);
	g_test_add_func("/turns/inside", test_inside);
	g_test_add_func("/turns/request", test_request);
	g_test_add_func("/turns/bad-timers", test_bad_timers);
	g_test_add_func("/turns/ties", test_ties);
	g_test_add_func("/turns/save-at", test_save_at);
	g_test_add_func("/turns/settings", test_settings);
	g_test_add_func("/turns/random", test_random);
	g_test_add_func("/turns/hold", test_hold);
	g_test_add_func("/threads/pause", test_pause);
	g_test_add_func("/threads/polls", test_polls);
	g_test_add_func("/threads/reset", test_reset);
	return g_test_run();
}
