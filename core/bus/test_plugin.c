/* SPDX-License-Identifier: MIT */
/* The least that bus/ needs of plugin/, for unit tests alone: symbols are weak, so that the room's
 * own take their place where they are linked in. */
#include "plugin/object.h"
#include <glib.h>
#include <string.h>

#define WEAK __attribute__((weak))

WEAK int object_fail(bp_error *err, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	error_list_addv(err->errors, NULL, fmt, args);
	va_end(args);
	return -1;
}

WEAK const void *object_interface(struct object *o, const char *id)
{
	const struct bp_object *t = o->type->object;
	return t->interface ? t->interface(o->instance, id) : NULL;
}

static _Thread_local char identity;
static _Thread_local struct domain *inside;
static _Thread_local GArray *posted;

struct post {
	struct domain *d;
	void (*fn)(void *a, uint32_t n, uint64_t v);
	void *a;
	uint32_t n;
	uint64_t v;
};

WEAK struct domain *domain_new(const char *name, bool parallel)
{
	struct domain *d = g_new0(struct domain, 1);
	pthread_mutex_init(&d->lock, NULL);
	d->parallel = parallel;
	d->name = name;
	return d;
}

WEAK void domain_free(struct domain *d)
{
	if (d)
		pthread_mutex_destroy(&d->lock);
	g_free(d);
}

WEAK uint64_t domain_thread_id(void)
{
	return (uint64_t)(uintptr_t)&identity;
}

WEAK bool domain_inside(const struct domain *d)
{
	return d->parallel || inside == d;
}

WEAK bool domain_enter(struct domain *d)
{
	if (d->parallel)
		return true;
	if (inside)
		return false;
	pthread_mutex_lock(&d->lock);
	inside = d;
	return true;
}

WEAK void domain_leave(struct domain *d)
{
	if (d->parallel)
		return;
	inside = NULL;
	pthread_mutex_unlock(&d->lock);
	while (posted && posted->len) {
		struct post p = g_array_index(posted, struct post, 0);
		g_array_remove_index(posted, 0);
		domain_run(p.d, p.fn, p.a, p.n, p.v);
	}
}

WEAK void domain_run(struct domain *d, void (*fn)(void *a, uint32_t n, uint64_t v), void *a,
	uint32_t n, uint64_t v)
{
	struct post p = { d, fn, a, n, v };
	if (domain_inside(d)) {
		fn(a, n, v);
	} else if (!inside) {
		domain_enter(d);
		fn(a, n, v);
		domain_leave(d);
	} else {
		if (!posted)
			posted = g_array_new(FALSE, FALSE, sizeof(struct post));
		g_array_append_val(posted, p);
	}
}
