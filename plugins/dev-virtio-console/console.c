/* SPDX-License-Identifier: MIT */
/* Virtio console (Virtio 1.2, section 5.3): one port, emergency write. */
#include <backplane/chr.h>
#include <backplane/plugin.h>
#include <backplane/virtio.h>
#include <string.h>

enum { RECEIVEQ = 0, TRANSMITQ = 1, QUEUES = 2, QUEUE_SIZE = 128 };
enum { CONFIG_SIZE = 12, EMERG_WR = 8 }; /* cols, rows, max_nr_ports, emerg_wr (5.3.4) */
#define F_EMERG_WRITE (UINT64_C(1) << 2)

struct console {
	const struct bp_host *host;
	bp_chr *chr;
	const struct bp_virtio_transport *ops;
	void *transport;
	/* A chain that the guest gave to be filled, and one whose bytes the back end has yet to take. */
	struct bp_virtio_request in, out;
	uint32_t in_held, out_held;
	uint64_t out_done;
};

static size_t can_receive(void *self)
{
	struct console *c = self;
	if (!c->ops || !c->ops->queue_ready(c->transport, RECEIVEQ))
		return 0;
	if (!c->in_held)
		c->in_held = c->ops->pop(c->transport, RECEIVEQ, &c->in) == 1;
	size_t room = 0;
	for (uint32_t i = c->in.readable; c->in_held && i < c->in.count; i++)
		room += c->in.buffer[i].len;
	return room;
}

static void receive(void *self, const uint8_t *buf, size_t len)
{
	struct console *c = self;
	size_t done = 0;
	for (uint32_t i = c->in.readable; i < c->in.count && done < len; i++) {
		size_t n = len - done < c->in.buffer[i].len ? len - done : c->in.buffer[i].len;
		memcpy(c->in.buffer[i].data, buf + done, n);
		done += n;
	}
	c->in_held = 0;
	c->ops->push(c->transport, RECEIVEQ, &c->in, (uint32_t)done);
	c->ops->notify(c->transport, RECEIVEQ);
}

/* Send what is left of the held chain; 1 when it is done. */
static int send_held(struct console *c)
{
	uint64_t skip = c->out_done;
	for (uint32_t i = 0; i < c->out.readable; i++) {
		const struct bp_virtio_buffer *b = &c->out.buffer[i];
		if (skip >= b->len) {
			skip -= b->len;
			continue;
		}
		size_t want = b->len - (size_t)skip;
		size_t n = c->host->chr_write(c->chr, (const uint8_t *)b->data + skip, want);
		c->out_done += n;
		if (n < want)
			return 0;
		skip = 0;
	}
	return 1;
}

static void transmit(struct console *c)
{
	for (;;) {
		if (!c->out_held) {
			if (c->ops->pop(c->transport, TRANSMITQ, &c->out) != 1)
				return;
			c->out_held = 1;
			c->out_done = 0;
		}
		if (!send_held(c))
			return; /* BP_CHR_WRITABLE brings us back */
		c->out_held = 0;
		c->ops->push(c->transport, TRANSMITQ, &c->out, 0);
		c->ops->notify(c->transport, TRANSMITQ);
	}
}

static void event(void *self, int what)
{
	struct console *c = self;
	if (what == BP_CHR_WRITABLE && c->ops)
		transmit(c);
}

static void send_again(void *self, uint64_t arg)
{
	struct console *c = self;
	(void)arg;
	transmit(c);
}

static uint64_t offered(void *self)
{
	(void)self;
	return F_EMERG_WRITE;
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
	(void)self;
	(void)offset;
	memset(buf, 0, len);
}

static void config_write(void *self, uint32_t offset, const void *buf, uint32_t len)
{
	struct console *c = self;
	if (offset == EMERG_WR && len)
		c->host->chr_write(c->chr, buf, 1);
}

static void kick(void *self, unsigned queue)
{
	struct console *c = self;
	if (queue == TRANSMITQ)
		transmit(c);
	else
		c->host->chr_ready(c->chr);
}

static void run(void *self, int running)
{
	struct console *c = self;
	if (running) {
		c->host->chr_ready(c->chr);
		return;
	}
	if (c->in_held)
		c->ops->release(c->transport, &c->in);
	if (c->out_held)
		c->ops->release(c->transport, &c->out);
	c->in_held = c->out_held = 0;
}

static const struct bp_virtio_device device = {
	.size = sizeof(device),
	.device_id = 3,
	.queues = QUEUES,
	.queue_size = QUEUE_SIZE,
	.config_size = CONFIG_SIZE,
	.offered = offered,
	.attach = attach,
	.config_read = config_read,
	.config_write = config_write,
	.kick = kick,
	.run = run,
};

static const struct bp_chr_front front = {
	.size = sizeof(front),
	.can_receive = can_receive,
	.receive = receive,
	.event = event,
};

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct console *c = self;
	(void)err;
	c->host = host;
	host->chr_attach(c, c->chr, &front);
	return 0;
}

/* Held chains are mapped again from the rings, which are in memory already. */
static int loaded(void *self, uint32_t from_version, bp_error *err)
{
	struct console *c = self;
	(void)from_version;
	int can = c->ops && BP_HAS(c->ops, retake);
	if ((c->in_held &&
		    (!can || c->ops->retake(c->transport, RECEIVEQ, c->in.head, &c->in) != 0)) ||
		(c->out_held &&
			(!can ||
				c->ops->retake(c->transport, TRANSMITQ, c->out.head, &c->out) !=
					0))) {
		c->in_held = c->out_held = 0;
		return c->host->fail(err, "the saved console holds a chain that is in no queue");
	}
	if (c->out_held)
		c->host->post(c, send_again, 0);
	return 0;
}

static const void *interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.virtio-device/1") ? NULL : &device;
}

static const char *const chr_link[] = { "bp.chr/1", NULL };
static const struct bp_field props[] = {
	{ "chr", "where bytes go to and come from", (uint32_t)offsetof(struct console, chr),
		BP_LINK, .names = chr_link },
	{ 0 },
};

#define FIELD(m) (uint32_t) offsetof(struct console, m)
static const struct bp_field state[] = {
	{ BP_FIELD(struct console, in_held, BP_U32) },
	{ BP_FIELD(struct console, out_held, BP_U32) },
	{ BP_FIELD(struct console, out_done, BP_U64) },
	{ "in_head", .offset = FIELD(in.head), .type = BP_U32 },
	{ "out_head", .offset = FIELD(out.head), .type = BP_U32 },
	{ 0 },
};

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct console),
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.state = state,
	.create = create,
	.loaded = loaded,
	.interface = interface,
};

static const struct bp_type types[] = {
	{ "virtio-console", "virtio console, one port", BP_KIND_DEVICE, 0, &object, NULL },
	{ 0 },
};

BP_PLUGIN(dev_virtio_console) = {
	BP_PLUGIN_HEAD,
	.name = "dev-virtio-console",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
