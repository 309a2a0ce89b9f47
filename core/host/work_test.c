/* SPDX-License-Identifier: MIT */
/* Jobs that block: who is told, who waits for whom, and what becomes of an object that goes. */
#include "block.h"
#include "sched/sched.h"
#include "work.h"
#include <glib.h>
#include <stdatomic.h>

enum { JOBS = 200 };

struct part { /* an object that gives work away */
	unsigned answers;
	uint64_t sum;
	bool inside; /* every answer came inside its domain */
};

static const struct bp_object part_object = { .size = sizeof(part_object),
	.instance_size = sizeof(struct part) };
static const struct type part_type = { .id = "part", .object = &part_object };
static struct object *a, *b;
static struct domain *machine;
static GThread *tester;
static atomic_uint jobs, elsewhere; /* done; those of them on a thread of the pool */
static atomic_bool gate; /* jobs that wait go on */

static void start(bool deterministic)
{
	if (deterministic)
		sched_deterministic(&(struct sched_turns){ .ips = 1000000000, .quantum = 1000 });
	machine = domain_new("machine", false);
	a = object_new(&part_type, "a", NULL, machine);
	b = object_new(&part_type, "b", NULL, machine);
	((struct part *)a->instance)->inside = ((struct part *)b->instance)->inside = true;
	tester = g_thread_self();
	atomic_store(&jobs, 0);
	atomic_store(&elsewhere, 0);
	atomic_store(&gate, false);
}

static void stop(void)
{
	sched_forget(a);
	sched_forget(b);
	blk_pool_finish();
	sched_finish();
	object_free(a);
	object_free(b);
	domain_free(machine);
}

static void job(void *self, uint64_t arg)
{
	(void)self;
	(void)arg;
	atomic_fetch_add(&elsewhere, g_thread_self() != tester);
	atomic_fetch_add(&jobs, 1);
}

static void waiting_job(void *self, uint64_t arg)
{
	while (!atomic_load(&gate))
		g_usleep(200);
	job(self, arg);
}

static void done(void *self, uint64_t arg)
{
	struct part *p = self;
	p->answers++;
	p->sum += arg;
	p->inside &= domain_inside(object_of(self)->domain);
}

/* The last answer ends the main loop. */
static void done_and_quit(void *self, uint64_t arg)
{
	done(self, arg);
	if (((struct part *)self)->answers == JOBS)
		sched_request(self, BP_REQ_QUIT, 3);
}

static void begin(struct object *o, work_fn *what, work_fn *then, uint64_t arg)
{
	g_assert_true(domain_enter(o->domain));
	work_begin(o->instance, what, then, arg);
	domain_leave(o->domain);
}

static void is_told(const struct object *o, unsigned answers, uint64_t sum)
{
	const struct part *p = o->instance;
	g_assert_cmpuint(p->answers, ==, answers);
	g_assert_cmpuint(p->sum, ==, sum);
	g_assert_true(p->inside);
}

static void test_answers(void)
{
	start(false);
	for (unsigned i = 0; i < JOBS; i++)
		begin(a, job, done_and_quit, i);
	g_assert_cmpint(sched_run(), ==, 3);
	sched_stop();
	is_told(a, JOBS, JOBS * (JOBS - 1) / 2);
	g_assert_cmpuint(atomic_load(&elsewhere), ==, JOBS);
	stop();
}

/* In deterministic mode the job is done at once, and the answer comes in order all the same. */
static void test_deterministic(void)
{
	start(true);
	begin(a, job, done, 7);
	g_assert_cmpuint(atomic_load(&jobs), ==, 1);
	g_assert_cmpuint(atomic_load(&elsewhere), ==, 0);
	is_told(a, 0, 0);
	work_drain(a);
	is_told(a, 1, 7);
	stop();
}

static void *open_gate(void *unused)
{
	g_usleep(20000);
	atomic_store(&gate, true);
	return unused;
}

/* From inside, as a device does, and from outside, as before a snapshot. */
static void test_drain(void)
{
	for (unsigned inside = 0; inside < 2; inside++) {
		start(false);
		for (unsigned i = 0; i < 4; i++)
			begin(a, waiting_job, done, i + 1);
		GThread *t = g_thread_new("gate", open_gate, NULL);
		if (inside)
			g_assert_true(domain_enter(machine));
		work_drain(a);
		g_assert_true(domain_inside(machine) == (inside != 0));
		if (inside)
			domain_leave(machine);
		g_thread_join(t);
		is_told(a, 4, 10);
		work_drain(a); /* nothing is left */
		is_told(a, 4, 10);
		stop();
	}
}

/* One's own jobs are waited for, not those of others; NULL waits for all. */
static void test_drain_one(void)
{
	start(false);
	begin(b, waiting_job, done, 100);
	begin(a, job, done, 1);
	work_drain(a);
	is_told(a, 1, 1);
	is_told(b, 0, 0);
	atomic_store(&gate, true);
	work_drain(NULL);
	is_told(b, 1, 100);
	stop();
}

/* The next job begins in the answer to the last, as a queue does it: drain waits for it as well. */
static void done_and_begin(void *self, uint64_t arg)
{
	done(self, 1);
	if (arg)
		work_begin(self, job, done_and_begin, arg - 1);
}

static void test_chain(void)
{
	start(false);
	begin(a, job, done_and_begin, 9);
	work_drain(a);
	is_told(a, 10, 10);
	stop();
}

/* Nobody is told, but the job is over: what it uses may be freed. */
static void test_forget(void)
{
	start(false);
	begin(a, waiting_job, done, 1);
	begin(b, job, done, 1);
	GThread *t = g_thread_new("gate", open_gate, NULL);
	work_forget(a);
	g_assert_true(atomic_load(&gate));
	g_thread_join(t);
	work_drain(NULL);
	g_assert_cmpuint(atomic_load(&jobs), ==, 2);
	is_told(a, 0, 0);
	is_told(b, 1, 1);
	stop();
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/work/answers", test_answers);
	g_test_add_func("/work/deterministic", test_deterministic);
	g_test_add_func("/work/drain", test_drain);
	g_test_add_func("/work/drain-one", test_drain_one);
	g_test_add_func("/work/chain", test_chain);
	g_test_add_func("/work/forget", test_forget);
	return g_test_run();
}
