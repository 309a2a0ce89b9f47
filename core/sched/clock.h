/* SPDX-License-Identifier: MIT */
/* Inside sched: the virtual clock's stop and go, the timer heap, and how the main loop is woken. */
#ifndef SCHED_CLOCK_H
#define SCHED_CLOCK_H
#include "sched.h"

void clock_stop(void);
void clock_start(void);
/* Let time pass while the clock stands: for who runs no CPUs. It is not set back. */
void clock_advance(int64_t ns);
/* Back to 0, with no machine left. */
void clock_forget(void);
/* Fire what is due on one clock; when the next timer of it is due, INT64_MAX for none. */
void timers_fire(int clock);
int64_t timers_next(int clock);
/* Fire what is due on all; returns ns until the next timer is, or -1 for none. Main loop only. */
int64_t timers_run(void);
void timers_forget(struct object *o);
/* Make the main loop look again. [any] */
void loop_wake(void);
/* Start, park and end vCPU threads (cpus.c). */
struct sched_cpu {
	struct sched_cpu_ops ops;
	void *arg;
	char *name;
	pthread_t thread;
	pthread_cond_t wake; /* for its thread alone: one CPU's interrupt wakes no other */
	bool started, running; /* running: inside run() */
	bool standing; /* there, in the middle of an instruction that waits for its turn */
	bool halted; /* run() said so, and nothing came since */
	bool woken; /* since run() began */
	int64_t polls_since; /* host time; 0: something came, or run() never polled */
	int64_t nap_end; /* host time until which it sleeps, unless woken */
};
struct sched_cpu *cpus_at(unsigned n); /* NULL: there are fewer */
void cpus_start(void);
void cpus_park(void);
void cpus_unpark(void);
void cpus_stop(void);
/* Serve descriptors, after at most `wait` ns (-1: as long as it takes), and posted work. */
void loop_serve(int64_t wait);
void loop_posts(void); /* posted work alone */
void loop_settle(void); /* until no more is posted, within reason */
/* Deterministic mode: in place of threads and of the host's clock (turns.c). */
void turns_begin(void); /* this thread is the one */
void turns_end(void);
void turns_round(void); /* one piece of the main loop */
void turns_state_get(struct sched_state *out);
void turns_state_set(const struct sched_state *in);
void turns_reset(void); /* vCPUs that wait start again */
void turns_finish(void);
int64_t turns_now(int clock);

#endif
