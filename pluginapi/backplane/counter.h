/* SPDX-License-Identifier: MIT */
/* "bp.counter/1": a free-running counter that others read, such as a board's timebase. */
#ifndef BACKPLANE_COUNTER_H
#define BACKPLANE_COUNTER_H
#include <backplane/base.h>
#ifdef __cplusplus
extern "C" {
#endif

struct bp_counter {
	uint32_t size, reserved;
	uint64_t (*read)(void *self); /* its value now. [any] */
	uint64_t (*frequency)(void *self); /* ticks per second. [any] */
	/* The virtual-clock time (ns) at which the counter reaches value: now or earlier if it already
	 * has, INT64_MAX if never within the clock's range. [any] */
	int64_t (*when)(void *self, uint64_t value);
};

#ifdef __cplusplus
}
#endif
#endif
