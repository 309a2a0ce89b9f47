/* SPDX-License-Identifier: MIT */
/* The one hub that every observable event passes. With no subscriber the cost is one relaxed load
 * of hub_wanted where the event is raised, and nothing at all in executed code. */
#ifndef TRACE_HUB_H
#define TRACE_HUB_H
#include <backplane/trace.h>
#include <stdatomic.h>
#include <stdbool.h>

extern _Atomic(uint32_t) hub_wanted; /* OR of what all subscribers want */

static inline bool hub_on(uint32_t event)
{
	return (atomic_load_explicit(&hub_wanted, memory_order_relaxed) & event) != 0;
}

/* Called after hub_wanted changed, so that engines drop code compiled for the old set. */
void hub_on_change(void (*fn)(void *arg), void *arg);

/* Subscribe self's tracer for the events of `wanted`; at most 32 at once: -1 when full. */
int hub_add(const struct bp_tracer *tracer, void *self, uint32_t wanted);
void hub_remove(void *self);

void hub_block(const struct bp_trace_block *e);
void hub_exec(const struct bp_trace_exec *e);
void hub_memory(const struct bp_trace_memory *e);
void hub_register(const struct bp_trace_register *e);
void hub_exception(const struct bp_trace_exception *e);
void hub_line(const struct bp_trace_line *e);

#endif
