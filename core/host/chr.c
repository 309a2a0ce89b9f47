/* SPDX-License-Identifier: MIT */
#include "chr.h"
#include <glib.h>

struct bp_chr {
	struct object *back, *front;
	const struct bp_chr_back *back_ops;
	const struct bp_chr_front *front_ops;
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
	g_free(back->chr);
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
	return chr ? chr->back_ops->write(chr->back->instance, buf, len) : len;
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
