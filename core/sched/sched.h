/* SPDX-License-Identifier: MIT */
/* Time and threads: clocks, timers, the main loop, vCPU threads, and the life of a machine.
 *
 * One machine a process, so one scheduler. The thread that calls sched_run() is the main loop: it
 * fires timers, serves watched descriptors and posted work, and carries out requests. In
 * deterministic mode it runs the vCPUs as well. */
#ifndef SCHED_SCHED_H
#define SCHED_SCHED_H
#include "plugin/object.h"

/* ---- clocks and timers: the functions behind the host table; self is an instance ---- */
int64_t sched_now(int clock);
int64_t sched_host_now(const void *self, int clock);
bp_timer *sched_timer_new(
	void *self, int clock, void (*fire)(void *self, uint64_t arg), uint64_t arg);
void sched_timer_at(bp_timer *timer, int64_t ns);
void sched_timer_cancel(bp_timer *timer);
/* When it is due; INT64_MAX: not armed. */
int64_t sched_timer_due(const bp_timer *timer);
int sched_timer_clock(const bp_timer *timer);
/* The n-th timer of an object, or NULL after the last. */
bp_timer *sched_timer_of(const struct object *o, unsigned n);

/* ---- descriptors and posted work ---- */
bp_watch *sched_watch_new(
	void *self, int fd, unsigned events, void (*ready)(void *self, int fd, unsigned events));
void sched_watch_set(bp_watch *watch, unsigned events);
void sched_watch_free(bp_watch *watch);
void sched_post(void *self, void (*fn)(void *self, uint64_t arg), uint64_t arg);
/* Forget an object's timers, watches and posts. [main] */
void sched_forget(struct object *o);

/* ---- vCPU threads ---- */
struct sched_cpu;
enum sched_run_result {
	SCHED_AGAIN,
	SCHED_HALTED,
	SCHED_POLLS /* halts in vain again and again, or did so and has found what it looked for */
};
struct sched_cpu_ops {
	/* Execute until kicked, or halted, or polling. */
	enum sched_run_result (*run)(void *arg);
	void (*kick)(void *arg); /* make run() return soon. [any] */
	bool (*has_work)(void *arg); /* a reason to leave the halt. [any] */
	/* For deterministic mode. Execute at most `budget` instructions; fewer when leave() was called,
	 * or when it halts. Less than all for another reason is no harm: it is called again. */
	enum sched_run_result (*step)(void *arg, uint64_t budget);
	uint64_t (*count)(void *arg); /* instructions so far; exact inside step() too */
	void (*leave)(void *arg); /* inside step(): end it right after this instruction */
};
/* The thread starts with sched_run. */
struct sched_cpu *sched_cpu_add(const struct sched_cpu_ops *ops, void *arg, const char *name);
void sched_cpu_wake(struct sched_cpu *c); /* look at has_work again. [any] */
/* Whether it waits in a halt; while it is parked. */
bool sched_cpu_halted(const struct sched_cpu *c);
void sched_cpu_set_halted(struct sched_cpu *c, bool halted);
/* From a vCPU's thread: all other vCPUs are parked between begin and end. Nests. */
void sched_exclusive_begin(void);
void sched_exclusive_end(void);
/* From a vCPU's thread or another: run fn(arg, ctx) once for every vCPU while that one is parked or
 * on its own thread; returns when all have done so. */
void sched_on_all_cpus(void (*fn)(void *arg, void *ctx), void *ctx);

/* ---- deterministic mode (turns.c) ---- */

/* Without it there is a thread for each vCPU. With it one thread does everything: vCPUs take turns of
 * `quantum` instructions, and virtual time is the number of instructions all of them executed. */
#define SCHED_IPS_MAX     UINT64_C(1000000000000)
#define SCHED_QUANTUM_MAX UINT64_C(1000000000)
#define SCHED_DATE_MAX    UINT64_C(7290000000000000000) /* a little behind the year 2200 */
struct sched_turns {
	uint64_t ips; /* instructions in a second of virtual time */
	uint64_t quantum;
	int64_t date; /* the realtime clock at virtual time 0, ns since 1970 */
	uint64_t seed; /* of random numbers */
};
/* Before objects are created; sched_finish() ends it. [main] */
void sched_deterministic(const struct sched_turns *turns);
bool sched_is_deterministic(void);
/* The vCPU that executes now does no further instruction before what was just changed is looked at.
 * Only deterministic mode needs it: else others are told by wake and kick. [any] */
void sched_leave(void);
/* Ask for BP_REQ_SAVE once all vCPUs together have executed so many instructions, to the instruction;
 * UINT64_MAX: never. The run is the same with and without. [main] */
void sched_save_at(uint64_t count);
uint64_t sched_executed(void); /* so many it is */
/* No vCPU runs and no time passes while the sum is above 0: a back end cannot keep up. [main] */
void sched_hold(int by);
/* Random bytes: the host's, or in deterministic mode a sequence of self's own that follows from the
 * seed and self's name. [owner] */
void sched_random(void *self, void *buf, size_t len);

/* ---- the machine's life ---- */
struct sched_machine_ops {
	void (*reset)(void *machine); /* all CPUs are parked */
	void (*save)(void *machine); /* likewise, and nothing is under way; BP_REQ_SAVE */
	void *machine;
};
void sched_set_machine(const struct sched_machine_ops *ops);
void sched_request(const void *self, int request, int code);
/* The same from a signal handler, for requests without a code. */
void sched_request_signal(int request);
bool sched_paused(void);
/* Stop the vCPUs and virtual time, and wait until they stand; resume. Nests. [main] */
void sched_pause(void);
void sched_resume(void);

/* What a snapshot holds of the scheduler itself, while it stands or before it runs. */
struct sched_state {
	int64_t virtual_ns;
	/* deterministic mode: time, whose turn it is, and struct sched_turns */
	int64_t turn_base;
	uint64_t turn_passed, turn_left;
	uint32_t turn;
	uint64_t turn_ips, turn_quantum, turn_seed;
	int64_t turn_date;
};
extern const struct bp_field sched_state_fields[];
/* ... and of one object: how many seeded random numbers it took. */
extern const struct bp_field sched_random_fields[];
void sched_state_get(struct sched_state *out);
void sched_state_set(const struct sched_state *in);

/* Start the vCPU threads and run the main loop until power off or quit. Returns the exit code. */
int sched_run(void);
/* After sched_run: end the vCPU threads; objects can be destroyed then. */
void sched_stop(void);
/* Forget everything, once the objects are gone. */
void sched_finish(void);

#endif
