/* SPDX-License-Identifier: MIT */
/* Domains: who may be inside an object at once.
 *
 * Every object lives in a domain; most share the machine's. A thread is inside at most one locking
 * domain at a time. Work for another domain (a wire whose sink lives there) is posted to the
 * thread's own list and done when the thread leaves the domain it is in, before it goes on. */
#ifndef PLUGIN_DOMAIN_H
#define PLUGIN_DOMAIN_H
#include <pthread.h>
#include <stdbool.h>
#include <stdint.h>

struct domain {
	pthread_mutex_t lock;
	_Atomic(uint64_t) owner; /* domain_thread_id() of the thread inside, 0: nobody */
	bool parallel; /* no lock at all */
	const char *name; /* for messages */
};

struct domain *domain_new(const char *name, bool parallel);
void domain_free(struct domain *d);
uint64_t domain_thread_id(void);

/* Enter d. False, and nothing entered, if this thread is already inside d or another locking domain:
 * the caller reports a busy access or posts. Parallel domains are always entered. */
bool domain_enter(struct domain *d);
/* Leave d; outside every domain then, posted work is done. Nothing if this thread is not inside. */
void domain_leave(struct domain *d);
/* Whether this thread is inside d (always for a parallel one). */
bool domain_inside(const struct domain *d);
/* Run fn(a, n, v) inside d: at once if this thread is inside d or d is parallel, or inside nothing;
 * else when this thread leaves the domain that it is in. */
void domain_run(struct domain *d, void (*fn)(void *a, uint32_t n, uint64_t v), void *a, uint32_t n,
	uint64_t v);

#endif
