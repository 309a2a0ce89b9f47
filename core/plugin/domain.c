/* SPDX-License-Identifier: MIT */
#include "domain.h"
#include <glib.h>
#include <stdatomic.h>

struct posted {
	struct domain *domain;
	void (*fn)(void *a, uint32_t n, uint64_t v);
	void *a;
	uint32_t n;
	uint64_t v;
};

static _Atomic(uint64_t) last_id;
static __thread uint64_t thread_id;
static __thread struct domain *inside; /* the one locking domain this thread is in */
static __thread GArray *posts; /* work for other domains, in order */

uint64_t domain_thread_id(void)
{
	if (!thread_id)
		thread_id = atomic_fetch_add(&last_id, 1) + 1;
	return thread_id;
}

struct domain *domain_new(const char *name, bool parallel)
{
	struct domain *d = g_new0(struct domain, 1);
	pthread_mutex_init(&d->lock, NULL);
	d->parallel = parallel;
	d->name = g_strdup(name);
	return d;
}

void domain_free(struct domain *d)
{
	if (!d)
		return;
	pthread_mutex_destroy(&d->lock);
	g_free((char *)d->name);
	g_free(d);
}

static void take(struct domain *d)
{
	pthread_mutex_lock(&d->lock);
	inside = d;
	atomic_store_explicit(&d->owner, domain_thread_id(), memory_order_relaxed);
}

static void give(struct domain *d)
{
	atomic_store_explicit(&d->owner, 0, memory_order_relaxed);
	inside = NULL;
	pthread_mutex_unlock(&d->lock);
}

bool domain_enter(struct domain *d)
{
	if (d->parallel)
		return true;
	if (inside)
		return false;
	take(d);
	return true;
}

bool domain_inside(const struct domain *d)
{
	return d->parallel || inside == d;
}

static void drain(void)
{
	/* Work may post more work: the list grows while it is walked. */
	for (guint i = 0; posts && i < posts->len; i++) {
		struct posted p = g_array_index(posts, struct posted, i);
		take(p.domain);
		p.fn(p.a, p.n, p.v);
		give(p.domain);
	}
	if (posts)
		g_array_set_size(posts, 0);
}

void domain_leave(struct domain *d)
{
	if (d->parallel || inside != d)
		return;
	give(d);
	if (posts && posts->len)
		drain();
}

void domain_run(struct domain *d, void (*fn)(void *a, uint32_t n, uint64_t v), void *a, uint32_t n,
	uint64_t v)
{
	if (domain_inside(d)) {
		fn(a, n, v);
		return;
	}
	if (!inside) {
		domain_enter(d);
		fn(a, n, v);
		domain_leave(d);
		return;
	}
	struct posted p = { d, fn, a, n, v };
	if (!posts)
		posts = g_array_new(FALSE, FALSE, sizeof(struct posted));
	g_array_append_val(posts, p);
}
