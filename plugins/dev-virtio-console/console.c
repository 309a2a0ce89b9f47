/* SPDX-License-Identifier: MIT */
/* The device: configuration, the control queues (5.3.6.2), and slots for ports. */
#include "console.h"
#include <stdlib.h>
#include <string.h>

enum { CONTROL_IN = 2, CONTROL_OUT = 3 }; /* queues */
enum { CONFIG_SIZE = 12, EMERG_WR = 8 }; /* cols, rows, max_nr_ports, emerg_wr (5.3.4) */
enum { MESSAGE = 8 }; /* bytes: id, event, value */
enum event {
	DEVICE_READY,
	DEVICE_ADD,
	DEVICE_REMOVE,
	PORT_READY,
	CONSOLE_PORT,
	RESIZE,
	PORT_OPEN,
	PORT_NAME
};

static const struct {
	uint32_t what; /* enum tell */
	uint16_t event, value;
} messages[] = {
	{ TELL_REMOVE, DEVICE_REMOVE, 1 },
	{ TELL_ADD, DEVICE_ADD, 1 },
	{ TELL_CONSOLE, CONSOLE_PORT, 1 },
	{ TELL_NAME, PORT_NAME, 1 },
	{ TELL_OPEN, PORT_OPEN, 1 }, /* or 0 */
	{ TELL_RESIZE, RESIZE, 0 },
};

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

int console_is_multiport(const struct console *c)
{
	return c->ops && c->ops->features(c->transport) >> F_MULTIPORT & 1;
}

/* ---- to the driver ---- */

static uint32_t fill(const struct bp_virtio_request *r, const uint8_t *p, size_t len)
{
	uint32_t done = 0;
	for (uint32_t i = r->readable; i < r->count && len; i++) {
		uint32_t n = len < r->buffer[i].len ? (uint32_t)len : r->buffer[i].len;
		memcpy(r->buffer[i].data, p + done, n);
		done += n;
		len -= n;
	}
	return done;
}

/* One message; 0: there is no buffer for it. */
static int say(struct console *c, const struct port *p, unsigned m)
{
	uint8_t bytes[MESSAGE + 256] = { (uint8_t)p->number };
	size_t len = MESSAGE;
	if (c->ops->pop(c->transport, CONTROL_IN, c->control) != 1)
		return 0;
	put16(bytes + 4, messages[m].event);
	put16(bytes + 6, messages[m].what == TELL_OPEN ? p->host_open : messages[m].value);
	if (messages[m].what == TELL_RESIZE) {
		put16(bytes + MESSAGE, p->cols);
		put16(bytes + MESSAGE + 2, p->rows);
		len += 4;
	} else if (messages[m].what == TELL_NAME) {
		len += strlen(p->name);
		memcpy(bytes + MESSAGE, p->name, len - MESSAGE);
	}
	uint32_t done = fill(c->control, bytes, len);
	if (done < len)
		c->own.host->log(c, BP_LOG_GUEST,
			"the driver's control buffer takes %u bytes of a message of %zu", done,
			len);
	c->ops->push(c->transport, CONTROL_IN, c->control, done);
	return 1;
}

static void said(struct port *p, uint32_t what)
{
	p->tell &= ~what;
	if (what == TELL_ADD)
		p->added = 1;
	if (what == TELL_REMOVE)
		p->added = p->ready = p->guest_open = 0;
}

/* All that is to be told, as far as there are buffers. */
static void tell_all(struct console *c)
{
	unsigned count = 0;
	int more = console_is_multiport(c);
	for (unsigned n = 0; more && n < c->ports; n++) {
		struct port *p = c->port[n];
		for (unsigned m = 0; p && more && m < sizeof(messages) / sizeof(messages[0]); m++) {
			if (!(p->tell & messages[m].what))
				continue;
			more = say(c, p, m);
			if (more)
				said(p, messages[m].what);
			count += more != 0;
		}
	}
	if (count)
		c->ops->notify(c->transport, CONTROL_IN);
}

void console_tell(struct port *p, uint32_t what)
{
	if (!p->console || !console_is_multiport(p->console))
		return;
	p->tell |= what;
	tell_all(p->console);
}

void console_resized(struct port *p)
{
	struct console *c = p->console;
	if (p->ready && p->is_console)
		console_tell(p, TELL_RESIZE);
	if (c && c->ops && p == c->port[0])
		c->ops->config_changed(c->transport);
}

void console_plugged(struct port *p)
{
	if (p->plugged) {
		if (p->console && p->console->ready)
			console_tell(p, TELL_ADD);
		return;
	}
	/* What it was not told of, it need not forget. */
	p->tell = 0;
	if (p->added)
		console_tell(p, TELL_REMOVE);
	p->guest_open = 0;
	port_send(p); /* and bytes that waited are gone */
}

/* ---- from the driver ---- */

static void device_ready(struct console *c, int fine)
{
	if (!fine)
		c->own.host->log(c, BP_LOG_GUEST, "the driver could not set the device up");
	c->ready = fine != 0;
	for (unsigned n = 0; fine && n < c->ports; n++)
		if (c->port[n] && c->port[n]->plugged && !c->port[n]->added)
			c->port[n]->tell |= TELL_ADD;
}

static void port_ready(struct port *p, int fine)
{
	if (!fine) {
		p->host->log(p, BP_LOG_GUEST, "the driver could not set port %u up", p->number);
		return;
	}
	p->ready = 1;
	p->tell |= (p->is_console ? TELL_CONSOLE | TELL_RESIZE : 0u) | (p->name ? TELL_NAME : 0u) |
		(p->host_open ? TELL_OPEN : 0u);
}

static void obey(struct console *c, const uint8_t *m)
{
	uint32_t id = m[0] | (uint32_t)m[1] << 8 | (uint32_t)m[2] << 16 | (uint32_t)m[3] << 24;
	unsigned event = m[4] | (unsigned)m[5] << 8, value = m[6] | (unsigned)m[7] << 8;
	struct port *p = id < c->ports && c->port[id] && c->port[id]->added ? c->port[id] : NULL;
	if (event == DEVICE_READY) {
		device_ready(c, value == 1);
	} else if (event == PORT_READY && p) {
		port_ready(p, value == 1);
	} else if (event == PORT_OPEN && p) {
		p->guest_open = value != 0;
		if (p->guest_open)
			port_room(p);
	} else {
		c->own.host->log(c, BP_LOG_GUEST,
			"control message with event %u for port %u: expected is DEVICE_READY, or "
			"PORT_READY or PORT_OPEN for a port that was added",
			event, id);
	}
}

static void control_later(void *self, uint64_t arg);

static void control(struct console *c)
{
	unsigned n;
	for (n = 0; n < BURST && c->ops->pop(c->transport, CONTROL_OUT, c->control) == 1; n++) {
		uint8_t m[MESSAGE];
		uint32_t len = 0;
		for (uint32_t i = 0; i < c->control->readable && len < MESSAGE; i++) {
			const struct bp_virtio_buffer *b = &c->control->buffer[i];
			uint32_t part = b->len < MESSAGE - len ? b->len : MESSAGE - len;
			memcpy(m + len, b->data, part);
			len += part;
		}
		c->ops->push(c->transport, CONTROL_OUT, c->control, 0);
		if (len == MESSAGE)
			obey(c, m);
		else
			c->own.host->log(c, BP_LOG_GUEST,
				"a control message has %u bytes; at least %d are expected", len,
				MESSAGE);
	}
	if (n)
		c->ops->notify(c->transport, CONTROL_OUT);
	if (n == BURST)
		c->own.host->post(c, control_later, 0);
	tell_all(c);
}

static void control_later(void *self, uint64_t arg)
{
	(void)arg;
	control(self);
}

/* ---- the virtio device ---- */

static uint64_t offered(void *self)
{
	const struct console *c = self;
	return 1u << F_SIZE | 1u << F_EMERG_WRITE | (c->attached ? 1u << F_MULTIPORT : 0);
}

static int attach(void *self, const struct bp_virtio_transport *ops, void *transport)
{
	struct console *c = self;
	c->ops = ops;
	c->transport = transport;
	return 0;
}

static void config_read(void *self, uint32_t offset, void *buf, uint32_t len)
{
	const struct console *c = self;
	uint8_t config[CONFIG_SIZE] = { 0 };
	memset(buf, 0, len);
	if (offset >= CONFIG_SIZE)
		return;
	if (c->port[0]) {
		put16(config, c->port[0]->cols);
		put16(config + 2, c->port[0]->rows);
	}
	put16(config + 4, c->ports);
	memcpy(buf, config + offset, len < CONFIG_SIZE - offset ? len : CONFIG_SIZE - offset);
}

/* Before anything is set up, too (5.3.4). */
static void config_write(void *self, uint32_t offset, const void *buf, uint32_t len)
{
	const struct console *c = self;
	const struct port *p = c->port[0];
	if (p && offset <= EMERG_WR && len > EMERG_WR - offset)
		p->host->chr_write(p->chr, (const uint8_t *)buf + (EMERG_WR - offset), 1);
}

/* Whose data queue this is, or NULL. */
static struct port *port_of(const struct console *c, unsigned queue)
{
	unsigned n = queue < CONTROL_IN ? 0 : queue / 2 - 1;
	return queue == CONTROL_IN || queue == CONTROL_OUT || n >= c->ports ? NULL : c->port[n];
}

static void kick(void *self, unsigned queue)
{
	struct console *c = self;
	struct port *p = port_of(c, queue);
	if (queue == CONTROL_OUT)
		control(c);
	else if (queue == CONTROL_IN)
		tell_all(c);
	else if (p && queue & 1)
		port_send(p);
	else if (p)
		port_room(p);
}

static void queue_stop(void *self, unsigned queue)
{
	struct port *p = port_of(self, queue);
	if (p)
		port_release(p, queue & 1 ? 2 : 1);
}

static void run(void *self, int running)
{
	struct console *c = self;
	c->ready = 0;
	for (unsigned n = 0; n < c->ports; n++) {
		struct port *p = c->port[n];
		if (p && running) {
			port_room(p);
		} else if (p) {
			port_release(p, 3);
			p->added = p->ready = p->guest_open = 0;
			p->tell = 0;
		}
	}
}

/* ---- slots ---- */

static int choose(const struct console *c, const struct port *p, const char *slot)
{
	char *end = NULL;
	unsigned long n = slot ? strtoul(slot, &end, 10) : 0;
	if (slot)
		return !*slot || *end || n >= PORTS ? -1 : (int)n;
	/* A driver that knows one port takes port 0 for a console. */
	for (n = p->is_console ? 0 : 1; n < PORTS; n++)
		if (!c->port[n] || (c->port[n] == &c->own && !c->own.chr))
			return (int)n;
	return -1;
}

static int bus_attach(void *self, const struct bp_link *child, const char *slot, bp_error *err)
{
	struct console *c = self;
	struct port *p = child->self;
	const struct bp_host *host = c->own.host;
	if (child->ops != port_link)
		return host->fail(err, "%s: only a virtio-console-port fits here", child->name);
	int n = choose(c, p, slot);
	if (n < 0)
		return host->fail(err, "%s: slot = \"%s\": a free number from 0 to %d is expected",
			child->name, slot ? slot : "", PORTS - 1);
	if (c->port[n] && (c->port[n] != &c->own || c->own.chr))
		return host->fail(err, "%s: port %d is taken%s", child->name, n,
			n ? "" : ", by the console's own chr");
	if (!n && !p->is_console)
		return host->fail(err,
			"%s: port 0 must be a console, for drivers that know no other",
			child->name);
	p->console = c;
	p->number = (uint32_t)n;
	c->port[n] = p;
	c->attached++;
	c->ports = c->ports > (uint32_t)n + 1 ? c->ports : (uint32_t)n + 1;
	/* Without a stream of its own it is no port among others. */
	if (!c->own.chr && c->port[0] == &c->own)
		c->port[0] = NULL;
	c->device.queues = 2 * c->ports + 2;
	return 0;
}

/* The guest is told, not asked: nothing but bytes is lost. */
static int bus_plug(void *self, const struct bp_link *child, int what, bp_error *err)
{
	struct console *c = self;
	struct port *p = child->self;
	if (p->plugged == (what == BP_PLUG_IN))
		return c->own.host->fail(
			err, "it is %s its slot already", p->plugged ? "in" : "out of");
	p->plugged = !p->plugged;
	console_plugged(p);
	return 0;
}

static int bus_plugged(void *self, const struct bp_link *child)
{
	(void)self;
	return ((const struct port *)child->self)->plugged ? BP_PLUGGED_IN : BP_PLUGGED_OUT;
}

static const struct bp_bus bus = {
	.size = sizeof(bus),
	.slots = PORTS,
	.child_interface = PORT_INTERFACE,
	.attach = bus_attach,
	.plug = bus_plug,
	.plugged = bus_plugged,
};

/* ---- life ---- */

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct console *c = self;
	c->own.host = host;
	c->own.console = c;
	c->own.is_console = c->own.plugged = 1;
	c->port[0] = &c->own;
	c->ports = 1;
	c->device = (struct bp_virtio_device){ .size = sizeof(c->device),
		.device_id = 3,
		.queues = 2,
		.queue_size = QUEUE_SIZE,
		.config_size = CONFIG_SIZE,
		.offered = offered,
		.attach = attach,
		.config_read = config_read,
		.config_write = config_write,
		.kick = kick,
		.run = run,
		.queue_stop = queue_stop };
	c->control = calloc(1, sizeof(*c->control));
	if (!c->control)
		return host->fail(err, "there is no memory for the control queue");
	c->control->size = sizeof(*c->control);
	if (port_init(&c->own, err) != 0)
		return -1;
	host->chr_attach(c, c->own.chr, &port_front);
	return 0;
}

static void destroy(void *self)
{
	struct console *c = self;
	port_finish(&c->own);
	free(c->control);
}

static int realise(void *self, bp_error *err)
{
	struct console *c = self;
	(void)err;
	port_look(&c->own);
	return 0;
}

static int loaded(void *self, uint32_t from_version, bp_error *err)
{
	struct console *c = self;
	(void)from_version;
	return port_loaded(&c->own, err);
}

static const void *interface(void *self, const char *id)
{
	struct console *c = self;
	if (!strcmp(id, "bp.bus/1"))
		return &bus;
	return strcmp(id, "bp.virtio-device/1") ? NULL : &c->device;
}

static const char *const chr_link[] = { "bp.chr/1", NULL };
static const struct bp_field props[] = {
	{ "chr", "where the bytes of port 0 go to and come from",
		(uint32_t)offsetof(struct console, own.chr), BP_LINK, .names = chr_link },
	{ 0 },
};
static const struct bp_field state[] = {
	{ BP_FIELD(struct console, own, BP_STRUCT), .sub = port_state,
		.sub_size = sizeof(struct port) },
	{ BP_FIELD(struct console, ready, BP_U32) },
	{ 0 },
};

static const struct bp_object virtio_console = {
	.size = sizeof(virtio_console),
	.instance_size = sizeof(struct console),
	.state_version = 3,
	.state_oldest = 2,
	.props = props,
	.state = state,
	.create = create,
	.realise = realise,
	.destroy = destroy,
	.loaded = loaded,
	.interface = interface,
};

static const struct bp_type types[] = {
	{ "virtio-console", "virtio console, with up to 31 ports", BP_KIND_DEVICE, 0,
		&virtio_console, NULL },
	{ "virtio-console-port", "one port of a virtio-console", BP_KIND_DEVICE, 0,
		&virtio_console_port, NULL },
	{ 0 },
};

BP_PLUGIN(dev_virtio_console) = {
	BP_PLUGIN_HEAD,
	.name = "dev-virtio-console",
	.version = "0.2.0",
	.license = "MIT",
	.types = types,
};
