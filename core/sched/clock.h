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
/* Fire what is due; returns ns until the next timer is, or -1 for none. Main loop only. */
int64_t timers_run(void);
void timers_forget(struct object *o);
/* Make the main loop look again. [any] */
void loop_wake(void);
/* Start, park and end vCPU threads (cpus.c). */
void cpus_start(void);
void cpus_park(void);
void cpus_unpark(void);
void cpus_stop(void);

#endif
