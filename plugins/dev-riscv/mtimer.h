/* SPDX-License-Identifier: MIT */
/* The timer of CLINT and ACLINT MTIMER: one counter, and a comparator for each hart. */
#ifndef DEV_RISCV_MTIMER_H
#define DEV_RISCV_MTIMER_H
#include <backplane/counter.h>
#include <backplane/plugin.h>
#include <pthread.h>

enum { MTIMER_HARTS = 4095 }; /* as many as the windows have room for */

struct mtimer {
	const struct bp_host *host;
	void *self; /* the object that it is part of */
	uint32_t frequency; /* property */
	uint32_t harts; /* as many as mtip has wires */
	bp_line **mtip;
	pthread_mutex_t lock; /* arming a timer for what its comparator holds */
	uint64_t offset; /* mtime at virtual time 0; atomic */
	bp_timer *timer[MTIMER_HARTS];
	uint64_t mtimecmp[MTIMER_HARTS]; /* atomic */
};

/* fire(self, n) must call mtimer_update(t, n). */
void mtimer_init(struct mtimer *t, void *self, const struct bp_host *host,
	void (*fire)(void *self, uint64_t n));
void mtimer_finish(struct mtimer *t);
void mtimer_reset(struct mtimer *t, int step);

uint64_t mtimer_read(const struct mtimer *t);
void mtimer_write(struct mtimer *t, uint64_t value);
/* Bring hart n's wire and timer up to date with its comparator. */
void mtimer_update(struct mtimer *t, unsigned n);
/* Virtual time at which mtime reaches value. */
int64_t mtimer_when(const struct mtimer *t, uint64_t value);

#endif
