/* SPDX-License-Identifier: MIT */
/* The tree of regions and windows. One lock guards it; readers see only what commits publish. */
#include "internal.h"
#include <stdarg.h>
#include <stdio.h>

static GRecMutex lock;
static unsigned depth; /* of transactions */
static uint64_t orders;
static GPtrArray *changed; /* containers touched in this transaction */
static GPtrArray *repointed; /* aliases */
static GPtrArray *dying; /* regions that no view shows any more after this transaction */

void bus_log(const struct object *o, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	char *text = g_strdup_vprintf(fmt, args);
	va_end(args);
	fprintf(stderr, "backplane: %s%s%s\n", o ? o->name : "", o ? ": " : "", text);
	g_free(text);
}

/* ---- what a change touches ---- */

static void touch_container(struct bus_region *c, bool stale);

static void touch_showing(struct bus_region *r, bool stale)
{
	if (r->visiting)
		return;
	r->visiting = true;
	for (unsigned i = 0; i < r->shown->len; i++)
		touch_container(
			((struct bus_window *)g_ptr_array_index(r->shown, i))->container, stale);
	/* An alias looks up its target at each access: nothing to rebuild there. */
	for (unsigned i = 0; i < r->aliases->len; i++)
		touch_showing(g_ptr_array_index(r->aliases, i), false);
	r->visiting = false;
}

static void touch_container(struct bus_region *c, bool stale)
{
	if (c->touched && (c->stale || !stale))
		return;
	if (!c->touched)
		g_ptr_array_add(changed, c);
	c->touched = true;
	c->stale |= stale;
	touch_showing(c, stale);
}

static void release_region(void *p)
{
	struct bus_region *r = p;
	bank_free(r->bank);
	g_free(atomic_load(&r->view));
	g_free(atomic_load(&r->binding));
	g_ptr_array_free(r->shown, TRUE);
	g_ptr_array_free(r->aliases, TRUE);
	g_ptr_array_free(r->windows, TRUE);
	g_array_free(r->listeners, TRUE);
	g_free(r->name);
	g_free(r);
}

void bus_transaction_begin(void)
{
	g_rec_mutex_lock(&lock);
	if (!changed) {
		changed = g_ptr_array_new();
		repointed = g_ptr_array_new();
		dying = g_ptr_array_new();
	}
	depth++;
}

static void publish_binding(struct bus_region *alias)
{
	struct binding *fresh = g_new(struct binding, 1);
	*fresh = alias->next;
	alias->repointed = false;
	view_retire(atomic_exchange(&alias->binding, fresh), g_free);
}

void bus_transaction_commit(void)
{
	if (depth == 1) {
		for (unsigned i = 0; i < changed->len; i++) {
			struct bus_region *c = g_ptr_array_index(changed, i);
			if (c->stale)
				view_retire(atomic_exchange(&c->view, view_build(c)), g_free);
		}
		for (unsigned i = 0; i < repointed->len; i++)
			publish_binding(g_ptr_array_index(repointed, i));
		g_ptr_array_set_size(repointed, 0);
		for (unsigned i = 0; i < changed->len; i++) {
			struct bus_region *c = g_ptr_array_index(changed, i);
			c->touched = c->stale = false;
			for (unsigned n = 0; n < c->listeners->len; n++) {
				struct listener l = g_array_index(c->listeners, struct listener, n);
				l.fn(l.arg);
			}
		}
		g_ptr_array_set_size(changed, 0);
		for (unsigned i = 0; i < dying->len; i++)
			view_retire(g_ptr_array_index(dying, i), release_region);
		g_ptr_array_set_size(dying, 0);
	}
	depth--;
	g_rec_mutex_unlock(&lock);
}

void region_touched(struct bus_region *r)
{
	bus_transaction_begin();
	touch_showing(r, false);
	bus_transaction_commit();
}

/* ---- regions ---- */

struct bus_region *region_new(enum region_kind kind, const char *name, uint64_t last)
{
	struct bus_region *r = g_new0(struct bus_region, 1);
	r->kind = kind;
	r->name = g_strdup(name);
	r->last = last;
	r->shown = g_ptr_array_new();
	r->aliases = g_ptr_array_new();
	r->windows = g_ptr_array_new();
	r->listeners = g_array_new(FALSE, FALSE, sizeof(struct listener));
	return r;
}

struct bus_region *bus_container_new(const char *name, uint64_t last)
{
	struct bus_region *r = region_new(REGION_CONTAINER, name, last);
	atomic_store(&r->view, view_build(r));
	return r;
}

struct bus_region *bus_ram_region_new(const char *name, struct bus_ram *ram)
{
	struct bus_region *r = region_new(REGION_LEAF, name, ram->size - 1);
	r->ram = ram;
	r->object = ram->owner;
	atomic_store(&r->direct, true);
	return r;
}

struct bus_region *bus_alias_new(const char *name, uint64_t last)
{
	return region_new(REGION_ALIAS, name, last);
}

struct bus_region *bus_translated_new(const char *name, uint64_t last, struct bus_space *target,
	bus_translate_fn *translate, void *self)
{
	struct bus_region *r = region_new(REGION_TRANSLATED, name, last);
	r->target = target;
	r->translate = translate;
	r->translator = self;
	g_rec_mutex_lock(&lock);
	r->next.target = target->root;
	if (target->root)
		g_ptr_array_add(target->root->aliases, r);
	g_rec_mutex_unlock(&lock);
	return r;
}

void bus_region_free(struct bus_region *r)
{
	if (!r)
		return;
	bus_transaction_begin();
	while (r->shown->len)
		bus_unmap(g_ptr_array_index(r->shown, r->shown->len - 1));
	while (r->aliases->len) {
		struct bus_region *a = g_ptr_array_index(r->aliases, r->aliases->len - 1);
		if (a->kind == REGION_ALIAS)
			bus_alias_point(a, NULL, 0);
		else
			g_ptr_array_remove_fast(r->aliases, a);
		if (a->kind == REGION_TRANSLATED)
			a->next.target = NULL;
	}
	while (r->windows->len)
		bus_unmap(g_ptr_array_index(r->windows, r->windows->len - 1));
	if (r->next.target)
		g_ptr_array_remove_fast(r->next.target->aliases, r);
	if (r->repointed)
		g_ptr_array_remove_fast(repointed, r);
	if (r->touched)
		g_ptr_array_remove_fast(changed, r);
	g_ptr_array_add(dying, r);
	bus_transaction_commit();
}

const char *bus_region_name(const struct bus_region *r)
{
	return r->name;
}

uint64_t bus_region_last(const struct bus_region *r)
{
	return r->last;
}

struct object *bus_region_object(const struct bus_region *r)
{
	return r->object;
}

void bus_alias_point(struct bus_region *alias, struct bus_region *target, uint64_t offset)
{
	if (alias->kind != REGION_ALIAS)
		return;
	bus_transaction_begin();
	if (alias->next.target != target) {
		if (alias->next.target)
			g_ptr_array_remove_fast(alias->next.target->aliases, alias);
		if (target)
			g_ptr_array_add(target->aliases, alias);
	}
	alias->next = (struct binding){ target, offset };
	if (!alias->repointed)
		g_ptr_array_add(repointed, alias);
	alias->repointed = true;
	touch_showing(alias, false);
	bus_transaction_commit();
}

/* ---- windows ---- */

static int by_priority(const void *a, const void *b)
{
	const struct bus_window *x = *(struct bus_window *const *)a;
	const struct bus_window *y = *(struct bus_window *const *)b;
	if (x->priority != y->priority)
		return x->priority < y->priority ? 1 : -1;
	return x->order > y->order ? 1 : -1;
}

/* How deep containers nest below r; more than BUS_NESTING when `sought` is among them. */
static unsigned nesting(const struct bus_region *r, const struct bus_region *sought, unsigned level)
{
	unsigned deepest = level;
	if (r == sought || level > BUS_NESTING)
		return BUS_NESTING + 1;
	for (unsigned i = 0; i < r->windows->len; i++) {
		const struct bus_window *w = g_ptr_array_index(r->windows, i);
		if (w->region->kind == REGION_CONTAINER)
			deepest = MAX(deepest, nesting(w->region, sought, level + 1));
		if (deepest > BUS_NESTING)
			break;
	}
	return deepest;
}

static bool fits(const struct bus_region *c, const struct bus_region *r, uint64_t base,
	uint64_t offset, uint64_t last)
{
	return base <= c->last && last <= c->last - base && offset <= r->last &&
		last <= r->last - offset;
}

struct bus_window *bus_map(struct bus_region *container, struct bus_region *r, uint64_t base,
	uint64_t offset, uint64_t last, int priority)
{
	struct bus_window *w = NULL;
	if (!container || container->kind != REGION_CONTAINER ||
		!fits(container, r, base, offset, last))
		return NULL;
	bus_transaction_begin();
	bool loop = r->kind == REGION_CONTAINER && nesting(r, container, 1) > BUS_NESTING;
	if (!loop && container->windows->len < BUS_MAX_WINDOWS) {
		w = g_new(struct bus_window, 1);
		*w = (struct bus_window){ container, r, base, last, offset, orders++, priority,
			true };
		g_ptr_array_add(r->shown, w);
		/* From the end: windows mostly come in order. */
		unsigned at = container->windows->len;
		while (at && by_priority(&w, &container->windows->pdata[at - 1]) < 0)
			at--;
		g_ptr_array_insert(container->windows, (int)at, w);
		touch_container(container, true);
	}
	bus_transaction_commit();
	return w;
}

void bus_unmap(struct bus_window *w)
{
	if (!w)
		return;
	bus_transaction_begin();
	touch_container(w->container, true);
	g_ptr_array_remove_fast(w->region->shown, w);
	g_ptr_array_remove(w->container->windows, w);
	g_free(w);
	bus_transaction_commit();
}

void bus_window_enable(struct bus_window *w, bool on)
{
	bus_transaction_begin();
	if (w->enabled != on) {
		w->enabled = on;
		touch_container(w->container, true);
	}
	bus_transaction_commit();
}

int bus_window_move(struct bus_window *w, uint64_t base)
{
	if (!fits(w->container, w->region, base, w->offset, w->last))
		return -1;
	bus_transaction_begin();
	if (w->base != base) {
		w->base = base;
		touch_container(w->container, true);
	}
	bus_transaction_commit();
	return 0;
}

/* ---- spaces ---- */

void bus_space_init(struct bus_space *s, const char *name, enum bus_unmapped unmapped)
{
	s->name = name;
	s->unmapped = unmapped;
	if (!s->root)
		s->root = bus_container_new(name, UINT64_MAX);
}

void bus_space_finish(struct bus_space *s)
{
	struct bus_region *root = s->root;
	s->root = NULL;
	bus_region_free(root);
}

void bus_on_change(struct bus_space *s, void (*fn)(void *arg), void *arg)
{
	struct listener l = { fn, arg };
	g_rec_mutex_lock(&lock);
	if (s->root)
		g_array_append_val(s->root->listeners, l);
	g_rec_mutex_unlock(&lock);
}

void bus_off_change(struct bus_space *s, void (*fn)(void *arg), void *arg)
{
	g_rec_mutex_lock(&lock);
	for (unsigned i = 0; s->root && i < s->root->listeners->len; i++) {
		const struct listener *l = &g_array_index(s->root->listeners, struct listener, i);
		if (l->fn == fn && l->arg == arg) {
			g_array_remove_index(s->root->listeners, i);
			break;
		}
	}
	g_rec_mutex_unlock(&lock);
}

static struct bus_place place_of(const struct bus_window *w)
{
	return (struct bus_place){ .region = w->region,
		.object = w->region->object,
		.name = w->region->name,
		.base = w->base,
		.last = w->base + w->last,
		.priority = w->priority };
}

static int by_place(const void *a, const void *b)
{
	const struct bus_window *x = *(struct bus_window *const *)a;
	const struct bus_window *y = *(struct bus_window *const *)b;
	if (x->priority != y->priority)
		return x->priority < y->priority ? -1 : 1;
	if (x->base != y->base)
		return x->base < y->base ? -1 : 1;
	return x->order < y->order ? -1 : 1;
}

unsigned bus_overlaps(struct bus_space *s,
	void (*fn)(void *arg, const struct bus_place *a, const struct bus_place *b), void *arg)
{
	unsigned found = 0;
	g_rec_mutex_lock(&lock);
	unsigned count = s->root ? s->root->windows->len : 0;
	struct bus_window **sorted = g_new(struct bus_window *, count + 1);
	for (unsigned i = 0; i < count; i++)
		sorted[i] = g_ptr_array_index(s->root->windows, i);
	qsort(sorted, count, sizeof(*sorted), by_place);
	/* Each window against the one before it that reaches farthest. */
	const struct bus_window *reach = NULL;
	for (unsigned i = 0; i < count; i++) {
		const struct bus_window *w = sorted[i];
		if (!w->enabled)
			continue;
		bool same = reach && reach->priority == w->priority;
		if (same && reach->base + reach->last >= w->base) {
			struct bus_place a = place_of(reach), b = place_of(w);
			fn(arg, &a, &b);
			found++;
		}
		if (!same || w->base + w->last > reach->base + reach->last)
			reach = w;
	}
	g_free(sorted);
	g_rec_mutex_unlock(&lock);
	return found;
}

bool bus_view_at(struct bus_space *s, unsigned n, struct bus_place *out)
{
	bool ok = false;
	bus_reader_begin();
	const struct view *v = s->root ? atomic_load(&s->root->view) : NULL;
	if (v && n < v->count) {
		const struct range *r = &v->range[n];
		*out = (struct bus_place){ .region = r->region,
			.object = r->region->object,
			.name = r->region->name,
			.base = r->base,
			.last = r->last,
			.priority = r->priority };
		ok = true;
	}
	bus_reader_end();
	return ok;
}
