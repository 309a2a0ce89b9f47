/* SPDX-License-Identifier: MIT */
#include "hub.h"
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { HUB_MAX = 32, HUB_LISTENERS = 8 };

struct subscriber {
	const struct bp_tracer *tracer;
	void *self;
	uint32_t wanted;
};

/* Readers take a snapshot pointer without a lock; a replaced list is kept until the process ends,
 * since subscriptions are rare and an event may be walking the old one. */
struct list {
	unsigned count;
	struct subscriber sub[HUB_MAX];
	struct list *older;
};

_Atomic(uint32_t) hub_wanted;
static _Atomic(struct list *) current;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct {
	void (*fn)(void *arg);
	void *arg;
} listener[HUB_LISTENERS];
static unsigned listeners;

void hub_on_change(void (*fn)(void *arg), void *arg)
{
	pthread_mutex_lock(&lock);
	if (listeners < HUB_LISTENERS) {
		listener[listeners].fn = fn;
		listener[listeners++].arg = arg;
	}
	pthread_mutex_unlock(&lock);
}

static void publish(struct list *next)
{
	uint32_t wanted = 0;
	for (unsigned i = 0; i < next->count; i++)
		wanted |= next->sub[i].wanted;
	next->older = atomic_load(&current);
	atomic_store(&current, next);
	atomic_store(&hub_wanted, wanted);
	for (unsigned i = 0; i < listeners; i++)
		listener[i].fn(listener[i].arg);
}

int hub_add(const struct bp_tracer *tracer, void *self, uint32_t wanted)
{
	int result = -1;
	pthread_mutex_lock(&lock);
	const struct list *was = atomic_load(&current);
	struct list *next = calloc(1, sizeof(*next));
	if (next && was)
		*next = *was;
	if (next && next->count < HUB_MAX) {
		next->sub[next->count++] = (struct subscriber){ tracer, self, wanted };
		publish(next);
		result = 0;
	} else {
		free(next);
	}
	pthread_mutex_unlock(&lock);
	return result;
}

void hub_remove(void *self)
{
	pthread_mutex_lock(&lock);
	const struct list *was = atomic_load(&current);
	struct list *next = was ? calloc(1, sizeof(*next)) : NULL;
	if (next) {
		for (unsigned i = 0; i < was->count; i++)
			if (was->sub[i].self != self)
				next->sub[next->count++] = was->sub[i];
		publish(next);
	}
	pthread_mutex_unlock(&lock);
}

/* One function an event; the table row is the event's bit and the tracer's member. */
#define RAISE(event, member, e)                                                                    \
	const struct list *l = atomic_load(&current);                                              \
	for (unsigned i = 0; l && i < l->count; i++)                                               \
		if ((l->sub[i].wanted & (event)) && BP_HAS(l->sub[i].tracer, member))              \
	l->sub[i].tracer->member(l->sub[i].self, e)

void hub_block(const struct bp_trace_block *e)
{
	RAISE(BP_TRACE_BLOCK, block, e);
}

void hub_exec(const struct bp_trace_exec *e)
{
	RAISE(BP_TRACE_EXEC, exec, e);
}

void hub_memory(const struct bp_trace_memory *e)
{
	RAISE(BP_TRACE_MEMORY, memory, e);
}

void hub_register(const struct bp_trace_register *e)
{
	RAISE(BP_TRACE_REGISTER, reg, e);
}

void hub_exception(const struct bp_trace_exception *e)
{
	RAISE(BP_TRACE_EXCEPTION, exception, e);
}

void hub_line(const struct bp_trace_line *e)
{
	RAISE(BP_TRACE_LINE, line, e);
}
