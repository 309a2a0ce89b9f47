/* SPDX-License-Identifier: MIT */
#include "chr.h"
#include "sched/sched.h"
#include <glib.h>

enum { LATE_MAX = 64 << 20 };

struct bp_chr {
	struct object *back, *front;
	const struct bp_chr_back *back_ops;
	const struct bp_chr_front *front_ops;
	/* Deterministic mode: the front must not see how fast the host is, so all is taken at once. What
	 * the back did not take yet is here, and the machine stands until it is gone. */
	GByteArray *late;
	bool refused; /* even that was too much, and the front waits */
};

bp_chr *chr_of(struct object *back)
{
	if (!back->chr) {
		const struct bp_chr_back *ops = object_interface(back, "bp.chr-back/1");
		if (!ops || !BP_HAS(ops, write))
			return NULL;
		struct bp_chr *c = g_new0(struct bp_chr, 1);
		c->back = back;
		c->back_ops = ops;
		back->chr = c;
	}
	return back->chr;
}

void chr_forget(struct object *back)
{
	struct bp_chr *c = back->chr;
	if (c && c->late)
		g_byte_array_free(c->late, TRUE);
	g_free(c);
	back->chr = NULL;
}

void chr_attach(void *self, bp_chr *chr, const struct bp_chr_front *front)
{
	struct object *o = object_of(self);
	if (!chr)
		return;
	if (chr->front && chr->front != o) {
		g_printerr("backplane: %s: %s: %s already serves %s; one device at a time, this "
			   "one stays unconnected\n",
			o->place, o->name, chr->back->name, chr->front->name);
		return;
	}
	chr->front = o;
	chr->front_ops = front;
}

size_t chr_write(bp_chr *chr, const void *buf, size_t len)
{
	/* With nobody connected bytes are gone, as on a wire. */
	if (!chr)
		return len;
	bool behind = chr->late && chr->late->len;
	size_t n = behind ? 0 : chr->back_ops->write(chr->back->instance, buf, len);
	if (n == len || !sched_is_deterministic())
		return n;
	if (!behind)
		sched_hold(1);
	if (!chr->late)
		chr->late = g_byte_array_new();
	size_t kept = MIN(len - n, LATE_MAX - chr->late->len);
	g_byte_array_append(chr->late, (const uint8_t *)buf + n, (guint)kept);
	chr->refused = chr->refused || n + kept < len;
	return n + kept;
}

/* Something happened at the back: perhaps it takes what is late now. */
static void catch_up(struct bp_chr *c)
{
	size_t n = c->back_ops->write(c->back->instance, c->late->data, c->late->len);
	g_byte_array_remove_range(c->late, 0, (guint)n);
	if (c->late->len)
		return;
	sched_hold(-1);
}

void chr_ready(bp_chr *chr)
{
	if (chr && BP_HAS(chr->back_ops, ready))
		chr->back_ops->ready(chr->back->instance);
}

/* Be inside the front's domain; *entered says whether to leave it again. */
static bool enter_front(const struct bp_chr *c, bool *entered)
{
	*entered = false;
	if (domain_inside(c->front->domain))
		return true;
	*entered = domain_enter(c->front->domain);
	return *entered;
}

size_t chr_receive(void *self, const void *buf, size_t len)
{
	struct bp_chr *c = object_of(self)->chr;
	bool entered;
	if (!c || !c->front || !enter_front(c, &entered))
		return 0;
	void *front = c->front->instance;
	size_t room = c->front_ops->can_receive(front);
	size_t n = len < room ? len : room;
	if (n)
		c->front_ops->receive(front, buf, n);
	if (entered)
		domain_leave(c->front->domain);
	return n;
}

void chr_event(void *self, int event)
{
	struct bp_chr *c = object_of(self)->chr;
	bool entered;
	if (c && c->late && c->late->len)
		catch_up(c);
	if (c && event == BP_CHR_WRITABLE && sched_is_deterministic()) {
		if (!c->refused || c->late->len)
			return; /* its front does not wait */
		c->refused = false;
	}
	if (!c || !c->front || !BP_HAS(c->front_ops, event) || !enter_front(c, &entered))
		return;
	c->front_ops->event(c->front->instance, event);
	if (entered)
		domain_leave(c->front->domain);
}

int chr_attached(const void *self)
{
	const struct bp_chr *c = object_of(self)->chr;
	return c && c->front;
}

void chr_info(bp_chr *chr, struct bp_chr_info *info)
{
	info->opened = chr != NULL;
	info->cols = info->rows = 0;
	if (!chr)
		return;
	if (BP_HAS(chr->back_ops, info))
		chr->back_ops->info(chr->back->instance, info);
	/* How large somebody's terminal is says nothing about the machine. */
	if (sched_is_deterministic())
		info->cols = info->rows = 0;
}
