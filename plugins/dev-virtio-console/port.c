/* SPDX-License-Identifier: MIT */
/* One port: bytes both ways between two queues and a byte stream. */
#include "console.h"
#include <stdlib.h>
#include <string.h>

const char port_link[] = "virtio-console-port";

/* Queues 0 and 1 are port 0's, 2 and 3 for control, the others follow (5.3.2). */
static unsigned queue_of(const struct port *p, int out)
{
	return (p->number ? 2 * p->number + 2 : 0) + (out != 0);
}

static const struct bp_virtio_transport *ops_of(const struct port *p)
{
	/* Where another port has slot 0, the console's own is none. */
	return p->console && p->console->port[p->number] == p ? p->console->ops : NULL;
}

/* With several ports, bytes wait until a program has opened this one: the driver would drop them. */
static int listens(const struct port *p)
{
	const struct bp_virtio_transport *ops = ops_of(p);
	return ops && ops->queue_ready(p->console->transport, queue_of(p, 0)) && p->plugged &&
		(!console_is_multiport(p->console) || p->guest_open);
}

static void room_later(void *self, uint64_t arg)
{
	(void)arg;
	port_room(self);
}

static int take_in(struct port *p, unsigned queue)
{
	p->in_held = ops_of(p)->pop(p->console->transport, queue, p->in) == 1;
	p->in_head = p->in_held ? p->in->head : 0;
	return p->in_held != 0;
}

static size_t can_receive(void *self)
{
	struct port *p = self;
	const struct bp_virtio_transport *ops = ops_of(p);
	unsigned queue = queue_of(p, 0);
	if (!listens(p))
		return 0;
	for (unsigned n = 0; n < BURST; n++) {
		size_t room = 0;
		if (!p->in_held && !take_in(p, queue))
			return 0;
		for (uint32_t i = p->in->readable; i < p->in->count; i++)
			room += p->in->buffer[i].len;
		if (room)
			return room;
		/* Nothing fits into this one: it goes back as it came. */
		p->in_held = p->in_head = 0;
		ops->push(p->console->transport, queue, p->in, 0);
	}
	p->host->post(p, room_later, 0);
	return 0;
}

static void receive(void *self, const uint8_t *buf, size_t len)
{
	struct port *p = self;
	const struct bp_virtio_transport *ops = ops_of(p);
	size_t done = 0;
	for (uint32_t i = p->in->readable; i < p->in->count && done < len; i++) {
		size_t n = len - done < p->in->buffer[i].len ? len - done : p->in->buffer[i].len;
		memcpy(p->in->buffer[i].data, buf + done, n);
		done += n;
	}
	p->in_held = p->in_head = 0;
	ops->push(p->console->transport, queue_of(p, 0), p->in, (uint32_t)done);
	ops->notify(p->console->transport, queue_of(p, 0));
}

/* Send what is left of the held chain; 1 when it is done. */
static int send_held(struct port *p)
{
	uint64_t skip = p->out_done;
	for (uint32_t i = 0; p->plugged && i < p->out->readable; i++) {
		const struct bp_virtio_buffer *b = &p->out->buffer[i];
		if (skip >= b->len) {
			skip -= b->len;
			continue;
		}
		size_t want = b->len - (size_t)skip;
		size_t n = p->host->chr_write(p->chr, (const uint8_t *)b->data + skip, want);
		p->out_done += n;
		if (n < want)
			return 0;
		skip = 0;
	}
	return 1;
}

static void send_later(void *self, uint64_t arg)
{
	(void)arg;
	port_send(self);
}

void port_send(struct port *p)
{
	const struct bp_virtio_transport *ops = ops_of(p);
	unsigned queue = queue_of(p, 1), n;
	for (n = 0; ops && n < BURST; n++) {
		if (!p->out_held) {
			if (ops->pop(p->console->transport, queue, p->out) != 1)
				return;
			p->out_held = 1;
			p->out_head = p->out->head;
		}
		if (!send_held(p))
			return; /* BP_CHR_WRITABLE brings us back */
		p->out_held = p->out_head = 0;
		p->out_done = 0;
		ops->push(p->console->transport, queue, p->out, 0);
		ops->notify(p->console->transport, queue);
	}
	/* A driver that fills the ring all the time leaves others a turn, too. */
	if (n == BURST)
		p->host->post(p, send_later, 0);
}

void port_room(struct port *p)
{
	p->host->chr_ready(p->chr);
}

void port_release(struct port *p, unsigned queues)
{
	const struct bp_virtio_transport *ops = ops_of(p);
	if (p->in_held && queues & 1) {
		ops->release(p->console->transport, p->in);
		p->in_held = p->in_head = 0;
	}
	if (p->out_held && queues & 2) {
		ops->release(p->console->transport, p->out);
		p->out_held = p->out_head = 0;
		p->out_done = 0;
	}
}

/* ---- the other end ---- */

static void set_open(struct port *p, int open)
{
	if (p->host_open == open)
		return;
	p->host_open = (uint8_t)open;
	if (p->ready)
		console_tell(p, TELL_OPEN);
}

static void look_at_window(struct port *p, const struct bp_chr_info *info)
{
	if (p->cols == info->cols && p->rows == info->rows)
		return;
	p->cols = info->cols;
	p->rows = info->rows;
	console_resized(p);
}

void port_look(struct port *p)
{
	struct bp_chr_info info = { .size = sizeof(info), .opened = p->chr != NULL };
	if (BP_HAS(p->host, chr_info))
		p->host->chr_info(p->chr, &info);
	set_open(p, info.opened);
	look_at_window(p, &info);
}

static void event(void *self, int what)
{
	struct port *p = self;
	if (what == BP_CHR_RESIZED)
		port_look(p);
	if (what == BP_CHR_OPENED || what == BP_CHR_CLOSED)
		set_open(p, what == BP_CHR_OPENED);
	/* Where nobody is any more, bytes do not wait. */
	if (what == BP_CHR_WRITABLE || what == BP_CHR_CLOSED)
		port_send(p);
}

const struct bp_chr_front port_front = {
	.size = sizeof(port_front),
	.can_receive = can_receive,
	.receive = receive,
	.event = event,
};

/* ---- life ---- */

int port_init(struct port *p, bp_error *err)
{
	p->in = calloc(2, sizeof(*p->in));
	if (!p->in)
		return p->host->fail(err, "there is no memory for a port");
	p->out = p->in + 1;
	p->in->size = p->out->size = sizeof(*p->in);
	return 0;
}

void port_finish(struct port *p)
{
	free(p->in);
}

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct port *p = self;
	p->host = host;
	p->plugged = 1;
	/* As long as names in the guest's file system. */
	if (p->name && strlen(p->name) > 255)
		return host->fail(err, "name: %zu bytes; 255 are possible", strlen(p->name));
	if (port_init(p, err) != 0)
		return -1;
	host->chr_attach(p, p->chr, &port_front);
	return 0;
}

static void destroy(void *self)
{
	port_finish(self);
}

static int realise(void *self, bp_error *err)
{
	struct port *p = self;
	if (!p->console)
		return p->host->fail(err, "a port needs bus = \"NAME\" of a virtio-console");
	port_look(p);
	return 0;
}

/* The world outside is not the one that was saved. */
static void look_again(void *self, uint64_t arg)
{
	struct port *p = self;
	(void)arg;
	port_look(p);
	port_send(p);
	port_room(p);
}

/* Held chains are mapped again from the rings, which are in memory already. */
int port_loaded(struct port *p, bp_error *err)
{
	const struct bp_virtio_transport *ops = ops_of(p);
	int can = ops && BP_HAS(ops, retake), in = p->in_held != 0, out = p->out_held != 0;
	p->in_held = p->out_held = 0;
	p->tell &= TELL_ALL;
	if (in && (!can || ops->retake(p->console->transport, queue_of(p, 0), p->in_head, p->in)))
		return p->host->fail(err, "the saved console holds a chain that is in no queue");
	p->in_held = (uint32_t)in;
	if (out &&
		(!can || ops->retake(p->console->transport, queue_of(p, 1), p->out_head, p->out)))
		return p->host->fail(err, "the saved console holds a chain that is in no queue");
	p->out_held = (uint32_t)out;
	p->host->post(p, look_again, 0);
	return 0;
}

static int loaded(void *self, uint32_t from_version, bp_error *err)
{
	(void)from_version;
	return port_loaded(self, err);
}

static const void *interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, PORT_INTERFACE) ? NULL : port_link;
}

static const char *const chr_link[] = { "bp.chr/1", NULL };
static const struct bp_field props[] = {
	{ BP_PROP(struct port, chr, BP_LINK, "chr"), .names = chr_link,
		.help = "where bytes go to and come from" },
	{ BP_PROP(struct port, name, BP_STR, "name"),
		.help = "what the guest finds in /sys/class/virtio-ports" },
	{ BP_PROP(struct port, is_console, BP_BOOL, "console"), .help = "a terminal: /dev/hvcN" },
	{ 0 },
};

const struct bp_field port_state[] = {
	{ BP_FIELD(struct port, host_open, BP_BOOL) },
	{ BP_FIELD(struct port, added, BP_BOOL) },
	{ BP_FIELD(struct port, ready, BP_BOOL) },
	{ BP_FIELD(struct port, guest_open, BP_BOOL) },
	{ BP_FIELD(struct port, tell, BP_U32) },
	{ BP_FIELD(struct port, cols, BP_U32) },
	{ BP_FIELD(struct port, rows, BP_U32) },
	{ BP_FIELD(struct port, in_held, BP_U32) },
	{ BP_FIELD(struct port, out_held, BP_U32) },
	{ BP_FIELD(struct port, out_done, BP_U64) },
	{ BP_FIELD(struct port, in_head, BP_U32) },
	{ BP_FIELD(struct port, out_head, BP_U32) },
	{ BP_FIELD(struct port, plugged, BP_BOOL), .def = 1 },
	{ 0 },
};

const struct bp_object virtio_console_port = {
	.size = sizeof(virtio_console_port),
	.instance_size = sizeof(struct port),
	.state_version = 2,
	.state_oldest = 1,
	.props = props,
	.state = port_state,
	.create = create,
	.realise = realise,
	.destroy = destroy,
	.loaded = loaded,
	.interface = interface,
};
