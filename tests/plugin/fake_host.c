/* SPDX-License-Identifier: MIT */
#include "fake_host.h"
#include <poll.h>
#include <stdarg.h>
#include <string.h>

struct fake fake;

struct object {
	const struct bp_type *type;
	GPtrArray *owned; /* arrays of wires */
};

struct bp_timer {
	void *self;
	void (*fire)(void *self, uint64_t arg);
	uint64_t arg;
	int64_t at; /* INT64_MAX: not armed */
};

struct bp_watch {
	void *self;
	int fd;
	unsigned events;
	void (*ready)(void *self, int fd, unsigned events);
};

struct post {
	void *self;
	void (*fn)(void *self, uint64_t arg);
	uint64_t arg;
};

static GPtrArray *all_timers, *watches;
static GQueue posts = G_QUEUE_INIT;
static const struct bp_chr_front *front;
static void *front_self;

/* The pointer in front of an instance, as in the core. */
static struct object *object_of(const void *self)
{
	return ((struct object *const *)self)[-2];
}

/* ---- the host table ---- */

static int fail(bp_error *err, const char *fmt, ...) BP_PRINTF(2, 3);
static int fail(bp_error *err, const char *fmt, ...)
{
	va_list args;
	(void)err;
	va_start(args, fmt);
	g_vsnprintf(fake.message, sizeof(fake.message), fmt, args);
	va_end(args);
	return -1;
}

static void log_line(const void *self, int level, const char *fmt, ...) BP_PRINTF(3, 4);
static void log_line(const void *self, int level, const char *fmt, ...)
{
	va_list args;
	(void)self;
	(void)level;
	va_start(args, fmt);
	g_vsnprintf(fake.message, sizeof(fake.message), fmt, args);
	va_end(args);
}

static const char *name_of(const void *self)
{
	return object_of(self)->type->id;
}

static const void *interface(const char *id)
{
	(void)id;
	return NULL;
}

static void request(const void *self, int request, int code)
{
	(void)self;
	fake.request = request;
	fake.code = code;
}

static void post(void *self, void (*fn)(void *self, uint64_t arg), uint64_t arg)
{
	struct post *p = g_new(struct post, 1);
	*p = (struct post){ self, fn, arg };
	g_queue_push_tail(&posts, p);
}

static void line_set(bp_line *line, int level)
{
	if (!line)
		return;
	line->rises += level && !line->level;
	line->level = level;
}

static int line_get(const bp_line *line)
{
	return line ? line->level : 0;
}

static int64_t now(const void *self, int clock)
{
	(void)self;
	(void)clock;
	return fake.now_ns;
}

static bp_timer *timer_new(
	void *self, int clock, void (*fire)(void *self, uint64_t arg), uint64_t arg)
{
	bp_timer *t = g_new0(bp_timer, 1);
	(void)clock;
	*t = (bp_timer){ self, fire, arg, INT64_MAX };
	if (!all_timers)
		all_timers = g_ptr_array_new();
	g_ptr_array_add(all_timers, t);
	return t;
}

static void timer_at(bp_timer *timer, int64_t ns)
{
	timer->at = ns;
}

static void timer_cancel(bp_timer *timer)
{
	timer->at = INT64_MAX;
}

static bp_watch *watch_new(
	void *self, int fd, unsigned events, void (*ready)(void *self, int fd, unsigned events))
{
	bp_watch *w = g_new0(bp_watch, 1);
	*w = (bp_watch){ self, fd, events, ready };
	if (!watches)
		watches = g_ptr_array_new();
	g_ptr_array_add(watches, w);
	return w;
}

static void watch_set(bp_watch *watch, unsigned events)
{
	watch->events = events;
}

static void watch_free(bp_watch *watch)
{
	if (watch && g_ptr_array_remove(watches, watch))
		g_free(watch);
}

static void chr_attach(void *self, bp_chr *chr, const struct bp_chr_front *ops)
{
	if (!chr)
		return;
	front_self = self;
	front = ops;
}

static size_t chr_write(bp_chr *chr, const void *buf, size_t len)
{
	size_t n = MIN(len, fake.room);
	if (!chr)
		return len;
	g_string_append_len(fake.sent, buf, (gssize)n);
	fake.room -= n;
	return n;
}

static void chr_ready(bp_chr *chr)
{
	fake.ready += chr != NULL;
}

static void chr_info(bp_chr *chr, struct bp_chr_info *info)
{
	uint32_t size = info->size;
	*info = fake.info;
	info->size = size;
	info->opened = info->opened && chr;
}

static size_t chr_receive(void *self, const void *buf, size_t len)
{
	size_t n = MIN(len, fake.front_room);
	(void)self;
	g_byte_array_append(fake.received, buf, (guint)n);
	fake.front_room -= n;
	return n;
}

static void chr_event(void *self, int event)
{
	(void)self;
	fake.events |= 1u << event;
}

static int chr_attached(const void *self)
{
	(void)self;
	return fake.attached;
}

static const struct bp_host host = {
	.size = sizeof(host),
	.name = "fake",
	.version = "0",
	.fail = fail,
	.log = log_line,
	.name_of = name_of,
	.interface = interface,
	.post = post,
	.request = request,
	.line_set = line_set,
	.line_get = line_get,
	.now = now,
	.timer_new = timer_new,
	.timer_at = timer_at,
	.timer_cancel = timer_cancel,
	.watch_new = watch_new,
	.watch_set = watch_set,
	.watch_free = watch_free,
	.chr_attach = chr_attach,
	.chr_write = chr_write,
	.chr_ready = chr_ready,
	.chr_receive = chr_receive,
	.chr_event = chr_event,
	.chr_attached = chr_attached,
	.chr_info = chr_info,
};

/* ---- objects ---- */

const struct bp_object *fake_type(const void *self)
{
	return object_of(self)->type->object;
}

static void store(void *self, const struct bp_field *p, uint64_t value)
{
	char *at = (char *)self + p->offset;
	switch (p->type) {
	case BP_BOOL:
	case BP_U8: *(uint8_t *)at = (uint8_t)value; break;
	case BP_U32:
	case BP_ENUM: *(uint32_t *)(void *)at = (uint32_t)value; break;
	case BP_U64:
	case BP_SIZE: *(uint64_t *)(void *)at = value; break;
	case BP_STR:
	case BP_LINK: *(void **)(void *)at = (void *)(uintptr_t)value; break;
	case BP_LINKS: break; /* a test writes them itself */
	default: g_assert_not_reached();
	}
}

void *fake_new(const struct bp_plugin *plugin, const char *id)
{
	const struct bp_type *t = plugin->types;
	while (t->id && strcmp(t->id, id) != 0)
		t++;
	g_assert_nonnull(t->id);
	struct object *o = g_new0(struct object, 1);
	o->type = t;
	o->owned = g_ptr_array_new_with_free_func(g_free);
	if (fake.sent)
		g_string_free(fake.sent, TRUE);
	if (fake.received)
		g_byte_array_free(fake.received, TRUE);
	memset(&fake, 0, sizeof(fake));
	fake.sent = g_string_new(NULL);
	fake.received = g_byte_array_new();
	fake.room = fake.front_room = SIZE_MAX;
	fake.attached = 1;
	fake.info.opened = 1;
	char *memory = g_malloc0(16 + t->object->instance_size);
	*(struct object **)(void *)memory = o;
	void *self = memory + 16;
	for (const struct bp_field *p = t->object->props; p && p->name; p++)
		store(self, p, p->type == BP_STR ? (uint64_t)(uintptr_t)p->def_str : p->def);
	return self;
}

void fake_set(void *self, const char *prop, uint64_t value)
{
	const struct bp_field *p = fake_type(self)->props;
	while (p && p->name && strcmp(p->name, prop) != 0)
		p++;
	g_assert_true(p && p->name);
	store(self, p, value);
}

void fake_wire(void *self, const char *name, unsigned n, bp_line *lines)
{
	const struct bp_pin *pin = fake_type(self)->out;
	while (pin->name && strcmp(pin->name, name) != 0)
		pin++;
	g_assert_nonnull(pin->name);
	char *at = (char *)self + pin->offset;
	bp_line **array = (bp_line **)(void *)at;
	if (pin->flags & BP_PIN_COUNT_FROM_LINKS) {
		array = g_new0(bp_line *, n);
		g_ptr_array_add(object_of(self)->owned, array);
		*(bp_line ***)(void *)at = array;
		*(uint32_t *)(void *)((char *)self + pin->count_offset) = n;
	}
	for (unsigned i = 0; i < n; i++)
		array[i] = &lines[i];
}

int fake_create(void *self)
{
	const struct bp_object *t = fake_type(self);
	if (t->create && t->create(self, &host, NULL) != 0)
		return -1;
	return t->realise ? t->realise(self, NULL) : 0;
}

static void reset_registers(void *self)
{
	for (const struct bp_region *w = fake_type(self)->regions; w && w->name; w++)
		for (const struct bp_reg *r = w->regs; r && r->name; r++)
			for (uint32_t n = 0; n < MAX(r->count, 1) && r->field != BP_REG_NO_FIELD;
				n++)
				memcpy((char *)self + r->field + (size_t)n * r->bytes, &r->reset,
					r->bytes);
}

void fake_reset(void *self)
{
	reset_registers(self);
	for (int step = BP_RESET_ENTER; step <= BP_RESET_LEAVE; step++)
		if (fake_type(self)->reset)
			fake_type(self)->reset(self, step);
}

static void forget(void *self)
{
	for (guint i = 0; all_timers && i < all_timers->len;) {
		bp_timer *t = g_ptr_array_index(all_timers, i);
		if (t->self == self)
			g_free(g_ptr_array_remove_index(all_timers, i));
		else
			i++;
	}
	for (guint i = 0; watches && i < watches->len;) {
		bp_watch *w = g_ptr_array_index(watches, i);
		if (w->self == self)
			g_free(g_ptr_array_remove_index(watches, i));
		else
			i++;
	}
	g_queue_clear_full(&posts, g_free);
}

void fake_free(void *self)
{
	struct object *o = object_of(self);
	if (o->type->object->destroy)
		o->type->object->destroy(self);
	forget(self);
	g_ptr_array_free(o->owned, TRUE);
	g_free(o);
	g_free((char *)self - 16);
}

/* ---- accesses ---- */

static const struct bp_region *window(void *self, const char *name)
{
	const struct bp_region *r = fake_type(self)->regions;
	while (r->name && strcmp(r->name, name) != 0)
		r++;
	g_assert_nonnull(r->name);
	return r;
}

/* The register at an offset, which of its bank, and how far into it. */
static const struct bp_reg *find(void *self, const struct bp_region *w, uint64_t offset, int write,
	unsigned *n, unsigned *skip)
{
	for (const struct bp_reg *r = w->regs; r->name; r++) {
		uint32_t exist = MAX(r->count, 1), stride = r->stride ? r->stride : r->bytes;
		if (r->count_offset)
			memcpy(&exist, (char *)self + r->count_offset, sizeof(exist));
		if (offset < r->offset || (offset - r->offset) / stride >= exist ||
			(offset - r->offset) % stride >= r->bytes ||
			r->flags & (write ? BP_REG_READ_ONLY : BP_REG_WRITE_ONLY))
			continue;
		*n = (unsigned)((offset - r->offset) / stride);
		*skip = (unsigned)((offset - r->offset) % stride);
		return r;
	}
	return NULL;
}

static uint64_t mask(unsigned bytes)
{
	return bytes == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * bytes) - 1;
}

static uint64_t stored(void *self, const struct bp_reg *r, unsigned n)
{
	uint64_t value = 0;
	if (r->field != BP_REG_NO_FIELD)
		memcpy(&value, (char *)self + r->field + (size_t)n * r->bytes, r->bytes);
	return value;
}

static uint64_t read_bank(
	void *self, const struct bp_region *w, uint64_t offset, unsigned bytes, int look)
{
	unsigned n = 0, skip = 0;
	const struct bp_reg *r = find(self, w, offset, 0, &n, &skip);
	uint64_t value = r ? stored(self, r, n) : 0;
	if (r && r->read && !look)
		value = r->read(self, n, value);
	return value >> 8 * skip & mask(bytes);
}

static void write_bank(
	void *self, const struct bp_region *w, uint64_t offset, unsigned bytes, uint64_t value)
{
	unsigned n = 0, skip = 0;
	const struct bp_reg *r = find(self, w, offset, 1, &n, &skip);
	if (!r)
		return;
	uint64_t was = stored(self, r, n), part = mask(bytes) << 8 * skip;
	uint64_t rest = r->field == BP_REG_NO_FIELD && r->read && bytes < r->bytes
		? r->read(self, n, 0)
		: was;
	uint64_t raw = (value << 8 * skip & part) | (rest & ~part);
	uint64_t set = (was & ~r->writable) | (raw & r->writable);
	if (r->field != BP_REG_NO_FIELD)
		memcpy((char *)self + r->field + (size_t)n * r->bytes, &set, r->bytes);
	if (r->write)
		r->write(self, n, was, set, raw);
}

static uint64_t access_window(
	void *self, const char *region, uint64_t offset, unsigned bytes, int look)
{
	const struct bp_region *w = window(self, region);
	const struct bp_access how = { .size = sizeof(how), .flags = look ? BP_ACCESS_DEBUG : 0 };
	uint64_t value = 0;
	if (w->regs)
		return read_bank(self, w, offset, bytes, look);
	g_assert_cmpint(w->read(self, offset, bytes, &value, &how), ==, BP_OK);
	return value;
}

uint64_t fake_read(void *self, const char *region, uint64_t offset, unsigned bytes)
{
	return access_window(self, region, offset, bytes, 0);
}

uint64_t fake_peek(void *self, const char *region, uint64_t offset, unsigned bytes)
{
	return access_window(self, region, offset, bytes, 1);
}

void fake_write(void *self, const char *region, uint64_t offset, unsigned bytes, uint64_t value)
{
	const struct bp_region *w = window(self, region);
	const struct bp_access how = { .size = sizeof(how) };
	if (w->regs)
		write_bank(self, w, offset, bytes, value);
	else
		g_assert_cmpint(w->write(self, offset, bytes, value, &how), ==, BP_OK);
}

void fake_input(void *self, const char *name, unsigned n, int level)
{
	const struct bp_pin *pin = fake_type(self)->in;
	while (pin->name && strcmp(pin->name, name) != 0)
		pin++;
	g_assert_nonnull(pin->name);
	pin->set(self, n, level);
}

/* ---- time and the main loop ---- */

static bp_timer *earliest(void)
{
	bp_timer *found = NULL;
	for (guint i = 0; all_timers && i < all_timers->len; i++) {
		bp_timer *t = g_ptr_array_index(all_timers, i);
		if (t->at != INT64_MAX && (!found || t->at < found->at))
			found = t;
	}
	return found;
}

int64_t fake_next(void)
{
	const bp_timer *t = earliest();
	return t ? t->at : INT64_MAX;
}

void fake_pass(int64_t ns)
{
	int64_t end = fake.now_ns + ns;
	bp_timer *t;
	while ((t = earliest()) && t->at <= end) {
		fake.now_ns = MAX(t->at, fake.now_ns);
		t->at = INT64_MAX;
		t->fire(t->self, t->arg);
	}
	fake.now_ns = end;
}

void fake_serve(int ms)
{
	struct post *p;
	for (guint i = 0; watches && i < watches->len; i++) {
		bp_watch *w = g_ptr_array_index(watches, i);
		struct pollfd fd = { .fd = w->fd };
		fd.events = (short)((w->events & 1 ? POLLIN : 0) | (w->events & 2 ? POLLOUT : 0));
		if (!w->events || poll(&fd, 1, ms) <= 0)
			continue;
		unsigned events = (fd.revents & (POLLIN | POLLHUP | POLLERR) ? 1u : 0) |
			(fd.revents & POLLOUT ? 2u : 0) |
			(fd.revents & (POLLHUP | POLLERR | POLLNVAL) ? 4u : 0);
		if (events & w->events)
			w->ready(w->self, w->fd, events & w->events);
	}
	while ((p = g_queue_pop_head(&posts))) {
		p->fn(p->self, p->arg);
		g_free(p);
	}
}

/* ---- streams ---- */

bp_chr *fake_stream(void)
{
	static char stream;
	return (bp_chr *)(void *)&stream;
}

size_t fake_receive(const void *buf, size_t len)
{
	size_t room = front->can_receive(front_self), n = MIN(len, room);
	if (n)
		front->receive(front_self, buf, n);
	return n;
}

void fake_chr_event(int event)
{
	front->event(front_self, event);
}
