/* SPDX-License-Identifier: MIT */
/* An input device of the host's: /dev/input/eventN as Linux gives it (Documentation/input/input.rst). */
#include <backplane/input.h>
#include <backplane/plugin.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/input.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { READABLE = 1, KEY_BYTES = BP_INPUT_CODES / 8, READ_AT_ONCE = 64 };

struct evdev {
	const struct bp_host *host;
	const char *path;
	uint8_t grab;
	int fd; /* -1: the device is gone */
	bp_watch *watch;
	void *owner; /* NULL: nobody is attached */
	const struct bp_input_sink *sink;
	struct bp_input_about about;
	char name[BP_INPUT_NAME_MAX + 1], serial[BP_INPUT_NAME_MAX + 1];

	uint8_t keys[KEY_BYTES]; /* those that the guest believes to be down */
	uint8_t dropping; /* the kernel's or our memory was full: up to the next report nothing counts */
	uint8_t resync; /* then the guest is told what has changed meanwhile */
	uint8_t full; /* the device says when there is room; nothing is read until then */
	uint32_t count;
	struct bp_input_event report[BP_INPUT_REPORT_MAX];
};

static int bit(const uint8_t *bits, unsigned n)
{
	return bits[n / 8] >> n % 8 & 1;
}

/* ---- what it is ---- */

/* A stick or a touchpad tells its codes; a type's bits are those of EVIOCGBIT as they are. */
static void describe(struct evdev *d)
{
	struct bp_input_about *a = &d->about;
	uint8_t types[BP_INPUT_TYPES / 8] = { 0 };
	struct input_id id = { 0 };
	a->size = sizeof(*a);
	ioctl(d->fd, EVIOCGNAME(sizeof(d->name) - 1), d->name);
	ioctl(d->fd, EVIOCGUNIQ(sizeof(d->serial) - 1), d->serial);
	ioctl(d->fd, EVIOCGID, &id);
	ioctl(d->fd, EVIOCGPROP(sizeof(a->props)), a->props);
	ioctl(d->fd, EVIOCGBIT(0, sizeof(types)), types);
	a->name = d->name;
	a->serial = *d->serial ? d->serial : NULL;
	a->bus = id.bustype;
	a->vendor = id.vendor;
	a->product = id.product;
	a->version = id.version;
	for (unsigned t = 1; t < BP_INPUT_TYPES; t++)
		if (bit(types, t))
			ioctl(d->fd, EVIOCGBIT(t, sizeof(a->bits[t])), a->bits[t]);
	for (unsigned n = 0; n < BP_INPUT_AXES; n++) {
		struct input_absinfo i = { 0 };
		if (bit(a->bits[EV_ABS], n) && ioctl(d->fd, EVIOCGABS(n), &i) >= 0)
			a->axis[n] = (struct bp_input_axis){ i.minimum, i.maximum, i.fuzz, i.flat,
				i.resolution };
	}
}

/* ---- events ---- */

/* The report there is goes to the device; 0: it has no room. */
static int deliver(struct evdev *d)
{
	if (d->count && d->owner &&
		d->sink->report(d->owner, d->report, d->count) == BP_INPUT_FULL) {
		d->full = 1;
		return 0;
	}
	for (uint32_t i = 0; i < d->count; i++) {
		const struct bp_input_event *e = &d->report[i];
		if (e->type == EV_KEY && e->value)
			d->keys[e->code / 8] |= (uint8_t)(1u << e->code % 8);
		else if (e->type == EV_KEY)
			d->keys[e->code / 8] &= (uint8_t) ~(1u << e->code % 8);
	}
	memset(d->report, 0, sizeof(d->report));
	d->count = 0;
	return 1;
}

/* Keys that went down or up unseen. With the device gone, none is down. */
static int catch_up(struct evdev *d)
{
	uint8_t now[KEY_BYTES] = { 0 };
	if (!deliver(d))
		return 0;
	if (d->fd >= 0 && ioctl(d->fd, EVIOCGKEY(sizeof(now)), now) < 0)
		memset(now, 0, sizeof(now));
	for (unsigned n = 0; n < BP_INPUT_CODES; n++) {
		if (bit(now, n) == bit(d->keys, n) || !bit(d->about.bits[EV_KEY], n))
			continue;
		d->report[d->count++] = (struct bp_input_event){ EV_KEY, (uint16_t)n, bit(now, n) };
		if (d->count == BP_INPUT_REPORT_MAX && !deliver(d))
			return 0;
	}
	d->resync = 0;
	return deliver(d);
}

static int take(struct evdev *d, const struct input_event *e)
{
	if (e->type == EV_SYN && e->code == SYN_DROPPED) {
		d->dropping = d->resync = 1;
	} else if (e->type == EV_SYN && e->code == SYN_REPORT) {
		if (d->dropping)
			d->count = 0;
		d->dropping = 0;
		return d->resync ? catch_up(d) : deliver(d);
	} else if (e->type < BP_INPUT_TYPES && e->code < BP_INPUT_CODES && !d->dropping &&
		bit(d->about.bits[e->type], e->code)) {
		/* Longer than any device's own reports: cut in two. */
		int room = d->count < BP_INPUT_REPORT_MAX || deliver(d);
		if (!room)
			d->dropping = d->resync = 1;
		else
			d->report[d->count++] =
				(struct bp_input_event){ e->type, e->code, e->value };
	}
	return 1;
}

static void gone(struct evdev *d, const char *why)
{
	d->host->log(d, BP_LOG_WARN, "%s: %s; the guest gets no more from it", d->path, why);
	d->host->watch_free(d->watch);
	d->watch = NULL;
	close(d->fd);
	d->fd = -1;
	d->count = 0;
	catch_up(d);
}

/* What the device did not take stays in the kernel, one event at a time being read then. */
static void readable(void *self, int fd, unsigned events)
{
	struct evdev *d = self;
	(void)events;
	for (unsigned i = 0; i < READ_AT_ONCE && !d->full; i++) {
		struct input_event e;
		ssize_t n = read(fd, &e, sizeof(e));
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n != (ssize_t)sizeof(e)) {
			gone(d, n < 0 ? strerror(errno) : "the device has ended");
			return;
		}
		take(d, &e);
	}
	if (d->full && d->watch)
		d->host->watch_set(d->watch, 0);
}

static void go_on(void *self, uint64_t arg)
{
	struct evdev *d = self;
	(void)arg;
	d->full = 0;
	if (!deliver(d) || (d->resync && !d->dropping && !catch_up(d)))
		return;
	if (d->watch)
		d->host->watch_set(d->watch, READABLE);
}

/* ---- bp.input/1 ---- */

static const struct bp_input_about *about(void *source)
{
	return &((struct evdev *)source)->about;
}

static void *attach(void *source, void *owner, const struct bp_input_sink *sink, bp_error *err)
{
	struct evdev *d = source;
	if (d->owner) {
		d->host->fail(err, "%s already serves a device; one at a time", d->path);
		return NULL;
	}
	d->owner = owner;
	d->sink = sink;
	return d;
}

static void detach(void *port)
{
	((struct evdev *)port)->owner = NULL;
}

static void ready(void *port)
{
	go_on(port, 0);
}

/* Lights of the real keyboard follow the guest's. Who may only read the device goes without. */
static void status(void *port, const struct bp_input_event *event)
{
	struct evdev *d = port;
	const struct input_event e[] = {
		{ .type = event->type, .code = event->code, .value = event->value },
		{ .type = EV_SYN, .code = SYN_REPORT }
	};
	if (d->fd >= 0 && write(d->fd, e, sizeof(e)) < 0 && errno == ENODEV)
		gone(d, strerror(errno));
}

static const struct bp_input input = {
	.size = sizeof(input),
	.about = about,
	.attach = attach,
	.detach = detach,
	.ready = ready,
	.status = status,
};

/* ---- life ---- */

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct evdev *d = self;
	int version;
	d->host = host;
	d->fd = open(d->path, O_RDWR | O_NONBLOCK | O_CLOEXEC);
	if (d->fd < 0 && (errno == EACCES || errno == EROFS))
		d->fd = open(d->path, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
	if (d->fd < 0) {
		int why = errno;
		d->fd = -1;
		return host->fail(err, "path \"%s\": %s", d->path, strerror(why));
	}
	if (ioctl(d->fd, EVIOCGVERSION, &version) < 0)
		return host->fail(err,
			"path \"%s\": this is no input device; one of "
			"/dev/input/event* is expected",
			d->path);
	describe(d);
	if (d->grab && ioctl(d->fd, EVIOCGRAB, (void *)1) < 0)
		return host->fail(err,
			"path \"%s\": it cannot be had alone: %s; another program "
			"has it, or leave grab out",
			d->path, strerror(errno));
	return 0;
}

static int realise(void *self, bp_error *err)
{
	struct evdev *d = self;
	(void)err;
	d->watch = d->host->watch_new(d, d->fd, READABLE, readable);
	return 0;
}

static void destroy(void *self)
{
	struct evdev *d = self;
	if (d->watch)
		d->host->watch_free(d->watch);
	if (d->host && d->fd >= 0)
		close(d->fd);
}

/* Which keys the guest believes to be down is saved; the host's are others by now. */
static int loaded(void *self, uint32_t from_version, bp_error *err)
{
	struct evdev *d = self;
	(void)from_version;
	(void)err;
	memset(d->report, 0, sizeof(d->report));
	d->count = 0;
	d->dropping = 0;
	d->resync = 1;
	d->host->post(d, go_on, 0);
	return 0;
}

static const void *interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.input/1") ? NULL : &input;
}

static const struct bp_field props[] = {
	{ BP_PROP(struct evdev, path, BP_STR, "path"), .flags = BP_F_REQUIRED,
		.help = "the host's device, /dev/input/eventN" },
	{ BP_PROP(struct evdev, grab, BP_BOOL, "grab"),
		.help = "nobody else on the host gets its events" },
	{ 0 },
};
static const struct bp_field state[] = {
	{ BP_FIELD(struct evdev, keys, BP_BYTES), .count = KEY_BYTES, .flags = BP_F_WHOLE },
	{ 0 },
};

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct evdev),
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.state = state,
	.create = create,
	.realise = realise,
	.destroy = destroy,
	.loaded = loaded,
	.interface = interface,
};

static const struct bp_type types[] = {
	{ "input-evdev", "an input device of the host's", BP_KIND_UI, 0, &object, NULL },
	{ 0 },
};

BP_PLUGIN(input_evdev) = {
	BP_PLUGIN_HEAD,
	.name = "input-evdev",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
