/* SPDX-License-Identifier: MIT */
/* Virtio input device (Virtio 1.2, section 5.8): a keyboard, a mouse, a tablet, or what its source is. */
#include <backplane/input.h>
#include <backplane/plugin.h>
#include <backplane/virtio.h>
#include <linux/input-event-codes.h>
#include <stdlib.h>
#include <string.h>

enum { EVENTS = 0, STATUS = 1, QUEUES = 2, QUEUE_SIZE = 64, BURST = 256 };
enum { EVENT_BYTES = 8, CHAINS = BP_INPUT_REPORT_MAX + 1 };
enum { /* configuration (5.8.4): select, subsel, size, 5 bytes, 128 bytes of data */
	SELECT,
	SUBSEL,
	SIZE,
	DATA = 8,
	DATA_MAX = 128,
	CONFIG_SIZE = DATA + DATA_MAX
};
enum { /* values of select (5.8.2) */
	ID_NAME = 1,
	ID_SERIAL,
	ID_DEVIDS,
	PROP_BITS = 0x10,
	EV_BITS,
	ABS_INFO
};
enum kind { KEYBOARD, MOUSE, TABLET, SOURCE };

struct input {
	const struct bp_host *host;
	const struct bp_virtio_transport *ops;
	void *transport;
	const struct bp_link *source;
	const struct bp_input *input; /* of the source; NULL: none */
	void *port;
	uint32_t kind;
	const char *name, *serial;
	struct bp_input_about about;

	uint8_t select, subsel;
	uint8_t waiting; /* the source was told that there is no room */
	uint32_t held; /* chains that were taken for a report, not enough yet */
	uint32_t heads[CHAINS];
	struct bp_virtio_request *chain; /* CHAINS of them, and one more: */
	struct bp_virtio_request *status;
};

/* ---- what the devices are ---- */

static const struct range {
	enum kind kind;
	uint16_t type, first, last;
} ranges[] = {
	{ KEYBOARD, EV_KEY, KEY_ESC, KEY_MICMUTE },
	{ KEYBOARD, EV_REP, REP_DELAY, REP_PERIOD },
	{ KEYBOARD, EV_LED, LED_NUML, LED_SCROLLL },
	{ MOUSE, EV_KEY, BTN_LEFT, BTN_TASK },
	{ MOUSE, EV_REL, REL_X, REL_Y },
	{ MOUSE, EV_REL, REL_HWHEEL, REL_HWHEEL },
	{ MOUSE, EV_REL, REL_WHEEL, REL_WHEEL },
	{ TABLET, EV_KEY, BTN_LEFT, BTN_TASK },
	{ TABLET, EV_REL, REL_HWHEEL, REL_HWHEEL },
	{ TABLET, EV_REL, REL_WHEEL, REL_WHEEL },
	{ TABLET, EV_ABS, ABS_X, ABS_Y },
};
static const char *const kind_names[] = { "keyboard", "mouse", "tablet", "source", NULL };
static const char *const full_names[] = { "Backplane keyboard", "Backplane mouse",
	"Backplane tablet" };
enum { BUS_IS_VIRTUAL = 6, VENDOR = 0x1af4, AXIS_MAX = 0x7fff };

static void describe(struct input *d)
{
	struct bp_input_about *a = &d->about;
	a->size = sizeof(*a);
	a->name = full_names[d->kind];
	a->bus = BUS_IS_VIRTUAL;
	a->vendor = VENDOR;
	a->product = (uint16_t)(d->kind + 1);
	a->version = 1;
	for (size_t i = 0; i < sizeof(ranges) / sizeof(ranges[0]); i++) {
		const struct range *r = &ranges[i];
		for (unsigned n = r->first; r->kind == d->kind && n <= r->last; n++)
			a->bits[r->type][n / 8] |= (uint8_t)(1u << n % 8);
	}
	for (unsigned n = 0; n < BP_INPUT_AXES; n++)
		if (a->bits[EV_ABS][n / 8] >> n % 8 & 1)
			a->axis[n] = (struct bp_input_axis){ .max = AXIS_MAX };
}

static int has(const struct input *d, unsigned type, unsigned code)
{
	return type < BP_INPUT_TYPES && code < BP_INPUT_CODES &&
		d->about.bits[type][code / 8] >> code % 8 & 1;
}

/* ---- events to the driver ---- */

static uint64_t capacity(const struct bp_virtio_request *r)
{
	uint64_t sum = 0;
	for (uint32_t i = r->readable; i < r->count; i++)
		sum += r->buffer[i].len;
	return sum;
}

/* Take chains until there are as many; 0: the driver has to give more. */
static int gather(struct input *d, uint32_t need)
{
	for (unsigned n = 0; d->held < need && n < BURST; n++) {
		struct bp_virtio_request *r = &d->chain[d->held];
		if (d->ops->pop(d->transport, EVENTS, r) != 1)
			return 0;
		if (capacity(r) < EVENT_BYTES)
			d->ops->push(d->transport, EVENTS, r, 0);
		else
			d->heads[d->held++] = r->head;
	}
	return d->held >= need;
}

static void put(uint8_t *p, unsigned bytes, uint32_t v)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static void give(struct input *d, struct bp_virtio_request *r, const struct bp_input_event *e)
{
	uint8_t bytes[EVENT_BYTES];
	uint32_t done = 0;
	put(bytes, 2, e->type);
	put(bytes + 2, 2, e->code);
	put(bytes + 4, 4, (uint32_t)e->value);
	for (uint32_t i = r->readable; i < r->count && done < EVENT_BYTES; i++) {
		uint32_t n = EVENT_BYTES - done;
		n = n < r->buffer[i].len ? n : r->buffer[i].len;
		memcpy(r->buffer[i].data, bytes + done, n);
		done += n;
	}
	d->ops->push(d->transport, EVENTS, r, EVENT_BYTES);
}

/* A driver must see all of an update or nothing of it (5.8.6.2). */
static int report(void *owner, const struct bp_input_event *event, uint32_t count)
{
	static const struct bp_input_event end = { EV_SYN, SYN_REPORT, 0 };
	struct input *d = owner;
	if (!d->ops || !d->ops->queue_ready(d->transport, EVENTS) || !count ||
		count > BP_INPUT_REPORT_MAX)
		return BP_INPUT_TAKEN;
	if (!gather(d, count + 1)) {
		d->waiting = 1;
		return BP_INPUT_FULL;
	}
	for (uint32_t i = 0; i <= count; i++)
		give(d, &d->chain[i], i < count ? &event[i] : &end);
	d->held -= count + 1;
	memmove(d->chain, d->chain + count + 1, d->held * sizeof(*d->chain));
	memmove(d->heads, d->heads + count + 1, d->held * sizeof(*d->heads));
	memset(d->heads + d->held, 0, (count + 1) * sizeof(*d->heads));
	d->ops->notify(d->transport, EVENTS);
	return BP_INPUT_TAKEN;
}

static const struct bp_input_about *about(void *owner)
{
	return &((struct input *)owner)->about;
}

static const struct bp_input_sink sink = {
	.size = sizeof(sink),
	.about = about,
	.report = report,
};

static void ready(struct input *d)
{
	if (d->waiting && d->port) {
		d->waiting = 0;
		d->input->ready(d->port);
	}
}

static void try_again(void *self, uint64_t arg)
{
	(void)arg;
	ready(self);
}

/* ---- what the driver sets ---- */

static void take_status(struct input *d)
{
	uint8_t b[EVENT_BYTES];
	uint32_t len = 0;
	for (uint32_t i = 0; i < d->status->readable && len < EVENT_BYTES; i++) {
		uint32_t n = EVENT_BYTES - len;
		n = n < d->status->buffer[i].len ? n : d->status->buffer[i].len;
		memcpy(b + len, d->status->buffer[i].data, n);
		len += n;
	}
	if (len < EVENT_BYTES || !d->port || !BP_HAS(d->input, status))
		return;
	struct bp_input_event e = { (uint16_t)(b[0] | b[1] << 8), (uint16_t)(b[2] | b[3] << 8),
		(int32_t)(b[4] | (uint32_t)b[5] << 8 | (uint32_t)b[6] << 16 |
			(uint32_t)b[7] << 24) };
	if ((e.type == EV_LED || e.type == EV_SND) && has(d, e.type, e.code))
		d->input->status(d->port, &e);
}

static void read_status(void *self, uint64_t arg)
{
	struct input *d = self;
	unsigned n;
	(void)arg;
	for (n = 0; n < BURST && d->ops->pop(d->transport, STATUS, d->status) == 1; n++) {
		take_status(d);
		d->ops->push(d->transport, STATUS, d->status, 0);
	}
	d->ops->notify(d->transport, STATUS);
	/* A driver that fills the ring all the time leaves others a turn, too. */
	if (n == BURST)
		d->host->post(d, read_status, 0);
}

/* ---- configuration ---- */

static uint32_t text(uint8_t *data, const char *s)
{
	size_t n = s ? strlen(s) : 0;
	n = n < DATA_MAX ? n : DATA_MAX;
	if (n)
		memcpy(data, s, n);
	return (uint32_t)n;
}

/* Zeros at the end of a bitmap are not shown; all zeros: size 0, there is none. */
static uint32_t bitmap(uint8_t *data, const uint8_t *bits, uint32_t bytes)
{
	while (bytes && !bits[bytes - 1])
		bytes--;
	memcpy(data, bits, bytes);
	return bytes;
}

static uint32_t ids(uint8_t *data, const struct bp_input_about *a)
{
	put(data, 2, a->bus);
	put(data + 2, 2, a->vendor);
	put(data + 4, 2, a->product);
	put(data + 6, 2, a->version);
	return 8;
}

static uint32_t axis(uint8_t *data, const struct bp_input_axis *a)
{
	const int32_t v[] = { a->min, a->max, a->fuzz, a->flat, a->resolution };
	for (unsigned i = 0; i < 5; i++)
		put(data + 4 * i, 4, (uint32_t)v[i]);
	return 20;
}

/* The data that select and subsel name, and its size. */
static uint32_t selected(const struct input *d, uint8_t *data)
{
	const struct bp_input_about *a = &d->about;
	if (d->select == EV_BITS && d->subsel && d->subsel < BP_INPUT_TYPES)
		return bitmap(data, a->bits[d->subsel], sizeof(a->bits[0]));
	if (d->select == ABS_INFO)
		return d->subsel < BP_INPUT_AXES && has(d, EV_ABS, d->subsel)
			? axis(data, &a->axis[d->subsel])
			: 0;
	if (d->subsel)
		return 0;
	switch (d->select) {
	case ID_NAME: return text(data, a->name);
	case ID_SERIAL: return text(data, a->serial);
	case ID_DEVIDS: return ids(data, a);
	case PROP_BITS: return bitmap(data, a->props, sizeof(a->props));
	default: return 0;
	}
}

static void config_read(void *self, uint32_t offset, void *buf, uint32_t len)
{
	const struct input *d = self;
	uint8_t c[CONFIG_SIZE] = { d->select, d->subsel };
	c[SIZE] = (uint8_t)selected(d, c + DATA);
	memset(buf, 0, len);
	if (offset < CONFIG_SIZE)
		memcpy(buf, c + offset, len < CONFIG_SIZE - offset ? len : CONFIG_SIZE - offset);
}

static void config_write(void *self, uint32_t offset, const void *buf, uint32_t len)
{
	struct input *d = self;
	const uint8_t *p = buf;
	for (uint32_t i = 0; i < len; i++) {
		if (offset + i == SELECT)
			d->select = p[i];
		else if (offset + i == SUBSEL)
			d->subsel = p[i];
	}
}

/* ---- the virtio device ---- */

static uint64_t offered(void *self)
{
	(void)self;
	return 0;
}

static int attach(void *self, const struct bp_virtio_transport *ops, void *transport)
{
	struct input *d = self;
	d->ops = ops;
	d->transport = transport;
	return 0;
}

static void kick(void *self, unsigned queue)
{
	if (queue == EVENTS)
		ready(self);
	else
		read_status(self, 0);
}

static void queue_stop(void *self, unsigned queue)
{
	struct input *d = self;
	while (queue == EVENTS && d->held) {
		d->ops->release(d->transport, &d->chain[--d->held]);
		d->heads[d->held] = 0;
	}
}

/* Where no driver is, reports are lost and nobody waits. */
static void run(void *self, int running)
{
	struct input *d = self;
	if (running)
		return;
	queue_stop(d, EVENTS);
	if (d->waiting)
		d->host->post(d, try_again, 0);
	d->select = d->subsel = 0;
}

static const struct bp_virtio_device device = {
	.size = sizeof(device),
	.device_id = 18,
	.queues = QUEUES,
	.queue_size = QUEUE_SIZE,
	.config_size = CONFIG_SIZE,
	.offered = offered,
	.attach = attach,
	.config_read = config_read,
	.config_write = config_write,
	.kick = kick,
	.run = run,
	.queue_stop = queue_stop,
};

/* ---- life ---- */

static int choose(struct input *d, bp_error *err)
{
	const struct bp_input_about *a = d->input ? d->input->about(d->source->self) : NULL;
	if (d->kind != SOURCE)
		describe(d);
	else if (!a || a->size < sizeof(*a))
		return d->host->fail(err,
			"kind = \"source\": the source is no device itself; "
			"keyboard, mouse and tablet are possible");
	else
		d->about = *a;
	d->about.name = d->name ? d->name : d->about.name;
	d->about.serial = d->serial ? d->serial : d->about.serial;
	if (strlen(d->about.name) > BP_INPUT_NAME_MAX ||
		(d->about.serial && strlen(d->about.serial) > BP_INPUT_NAME_MAX))
		return d->host->fail(
			err, "name and serial have at most %d bytes each", (int)BP_INPUT_NAME_MAX);
	return 0;
}

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct input *d = self;
	d->host = host;
	d->input = d->source ? d->source->ops : NULL;
	d->chain = calloc(CHAINS + 1, sizeof(*d->chain));
	if (!d->chain)
		return host->fail(err, "there is no memory for %d chains", (int)CHAINS);
	for (unsigned i = 0; i <= CHAINS; i++)
		d->chain[i].size = sizeof(d->chain[i]);
	d->status = &d->chain[CHAINS];
	if (choose(d, err) != 0)
		return -1;
	if (!d->input)
		return 0;
	d->port = d->input->attach(d->source->self, d, &sink, err);
	return d->port ? 0 : -1;
}

static void destroy(void *self)
{
	struct input *d = self;
	if (d->port)
		d->input->detach(d->port);
	free(d->chain);
}

/* Held chains are mapped again from the rings, which are in memory already. */
static int loaded(void *self, uint32_t from_version, bp_error *err)
{
	struct input *d = self;
	uint32_t count = d->held;
	(void)from_version;
	d->held = 0;
	if (count > CHAINS || (count && (!d->ops || !BP_HAS(d->ops, retake))))
		return d->host->fail(err, "%u saved chains do not fit", count);
	for (; d->held < count; d->held++)
		if (d->ops->retake(d->transport, EVENTS, d->heads[d->held], &d->chain[d->held]))
			return d->host->fail(err, "a saved chain is in no queue");
	d->host->post(d, try_again, 0);
	return 0;
}

static const void *interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.virtio-device/1") ? NULL : &device;
}

static const char *const source_link[] = { "bp.input/1", NULL };
static const struct bp_field props[] = {
	{ BP_PROP(struct input, kind, BP_ENUM, "kind"), .flags = BP_F_REQUIRED, .names = kind_names,
		.help = "what the guest sees; source: the device that the source is" },
	{ BP_PROP(struct input, source, BP_LINK, "input"), .names = source_link,
		.help = "where events come from" },
	{ BP_PROP(struct input, name, BP_STR, "name"), .help = "instead of the usual one" },
	{ BP_PROP(struct input, serial, BP_STR, "serial"), .help = "a serial number" },
	{ 0 },
};
static const struct bp_field state[] = {
	{ BP_FIELD(struct input, select, BP_U8) },
	{ BP_FIELD(struct input, subsel, BP_U8) },
	{ BP_FIELD(struct input, waiting, BP_BOOL) },
	{ BP_FIELD(struct input, held, BP_U32) },
	{ BP_FIELD(struct input, heads, BP_U32), .count = CHAINS,
		.count_offset = offsetof(struct input, held) },
	{ 0 },
};

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct input),
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.state = state,
	.create = create,
	.destroy = destroy,
	.loaded = loaded,
	.interface = interface,
};

static const struct bp_type types[] = {
	{ "virtio-input", "virtio keyboard, mouse, tablet or other input device", BP_KIND_DEVICE, 0,
		&object, NULL },
	{ 0 },
};

BP_PLUGIN(dev_virtio_input) = {
	BP_PLUGIN_HEAD,
	.name = "dev-virtio-input",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
