/* SPDX-License-Identifier: MIT */
/* Network bytes that are parsed here: frames in a stream of any pieces; a device's headers, frames and
 * commands, from a driver that does as it likes with chains, from a network that does as it likes.
 *
 * An input is 8 bytes of features and back end, then steps: what (1 byte), length (2), the bytes. */
#include "fuzz.h"
#include "plugins/dev-virtio-net/net.h"
#include "plugins/net-socket/frame.h"
#include <glib.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { QUEUES = 5, HEAD = 8, STEP = 3, CHAINS = 512 };

extern const struct bp_plugin bp_plugin_1_dev_virtio_net;

static void broken(const char *what)
{
	fprintf(stderr, "%s\n", what);
	abort();
}

/* ---- the machine around the device ---- */

struct chain {
	uint8_t *out, *in; /* of their length, so that the sanitizers see each byte too many */
	uint32_t out_len, in_len, piece;
	int held;
};

static struct world {
	uint64_t features;
	unsigned full; /* the back end takes nothing for so many frames */
	unsigned takes;
	struct chain chain[CHAINS];
	unsigned count, next[QUEUES], queue_of[CHAINS];
	const struct bp_net_front *front;
	void *owner;
} w;

static int fail(bp_error *err, const char *fmt, ...) BP_PRINTF(2, 3);
static int fail(bp_error *err, const char *fmt, ...)
{
	(void)err;
	(void)fmt;
	return -1;
}

static void log_line(const void *self, int level, const char *fmt, ...) BP_PRINTF(3, 4);
static void log_line(const void *self, int level, const char *fmt, ...)
{
	(void)self;
	(void)level;
	(void)fmt;
}

static const char *name_of(const void *self)
{
	(void)self;
	return "nic0";
}

static void post(void *self, void (*fn)(void *self, uint64_t arg), uint64_t arg)
{
	fn(self, arg);
}

static const struct bp_host host = {
	.size = sizeof(host), .fail = fail, .log = log_line, .name_of = name_of, .post = post
};

static void map(struct bp_virtio_request *req, unsigned n)
{
	struct chain *c = &w.chain[n];
	req->head = n;
	req->count = 0;
	for (uint32_t at = 0; at < c->out_len && req->count < 64; at += c->piece)
		req->buffer[req->count++] =
			(struct bp_virtio_buffer){ c->out + at, MIN(c->piece, c->out_len - at), 0 };
	req->readable = req->count;
	for (uint32_t at = 0; at < c->in_len && req->count < BP_VIRTIO_MAX_BUFFERS; at += c->piece)
		req->buffer[req->count++] =
			(struct bp_virtio_buffer){ c->in + at, MIN(c->piece, c->in_len - at), 1 };
	c->held = 1;
}

static int pop(void *t, unsigned queue, struct bp_virtio_request *req)
{
	(void)t;
	if (queue >= QUEUES)
		broken("A queue that is none.");
	while (w.next[queue] < w.count && w.queue_of[w.next[queue]] != queue)
		w.next[queue]++;
	if (w.next[queue] == w.count)
		return 0;
	map(req, w.next[queue]++);
	return 1;
}

static void push(void *t, unsigned queue, struct bp_virtio_request *req, uint32_t written)
{
	uint64_t room = 0;
	(void)t;
	if (req->head >= w.count || !w.chain[req->head].held || w.queue_of[req->head] != queue)
		broken("A chain is given back that was not taken, or to another queue.");
	for (uint32_t i = req->readable; i < req->count; i++)
		room += req->buffer[i].len;
	if (written > room)
		broken("More was written than there was room.");
	w.chain[req->head].held = 0;
}

static void release(void *t, struct bp_virtio_request *req)
{
	(void)t;
	if (req->head >= w.count || !w.chain[req->head].held)
		broken("A chain is released that was not taken.");
	w.chain[req->head].held = 0;
}

static void notify(void *t, unsigned queue)
{
	(void)t;
	(void)queue;
}

static void config_changed(void *t)
{
	(void)t;
}

static uint64_t features(void *t)
{
	(void)t;
	return w.features;
}

static int queue_ready(void *t, unsigned queue)
{
	(void)t;
	return queue < QUEUES;
}

static const struct bp_virtio_transport transport = {
	.size = sizeof(transport),
	.pop = pop,
	.push = push,
	.notify = notify,
	.config_changed = config_changed,
	.features = features,
	.queue_ready = queue_ready,
	.release = release,
};

static void *attach(void *back, void *owner, const struct bp_net_front *front, bp_error *err)
{
	(void)err;
	w.owner = owner;
	w.front = front;
	return back;
}

static void detach(void *port)
{
	(void)port;
}

static void info(void *port, struct bp_net_info *out)
{
	(void)port;
	*out = (struct bp_net_info){ out->size, w.takes, w.takes, 0, 1, { 0 } };
}

/* What a back end may rely on. */
static int send(void *port, const struct bp_net_packet *p)
{
	uint64_t sum = 0;
	volatile uint8_t sink = 0;
	(void)port;
	if (w.full && w.full--)
		return BP_NET_FULL;
	for (uint32_t i = 0; i < p->iov_count; i++) {
		const uint8_t *b = p->iov[i].base;
		for (size_t k = 0; k < p->iov[i].len; k++)
			sink ^= b[k];
		sum += p->iov[i].len;
	}
	(void)sink;
	if (sum != p->bytes || sum < BP_NET_FRAME_MIN || sum > BP_NET_FRAME_MAX)
		broken("A frame's length is wrong.");
	const struct bp_net_offload *o = p->offload;
	if (o &&
		(!offload_good(o, sum) || (o->flags && !(w.takes & BP_NET_CSUM)) ||
			(o->gso_type && !(w.takes & (BP_NET_TSO4 | BP_NET_TSO6)))))
		broken("A frame asks for what the back end does not do.");
	return BP_NET_TAKEN;
}

static void ready(void *port)
{
	(void)port;
}

static void offload(void *port, uint32_t gives)
{
	(void)port;
	if (gives & ~w.takes)
		broken("The back end is asked for what it does not have.");
}

static const struct bp_net net = { .size = sizeof(net),
	.attach = attach,
	.detach = detach,
	.info = info,
	.send = send,
	.ready = ready,
	.offload = offload };

/* ---- steps ---- */

static void add_chain(unsigned queue, const uint8_t *bytes, uint32_t len, uint32_t room)
{
	static const uint32_t pieces[] = { 1, 12, 13, 100, 2000, 65536 };
	if (w.count == CHAINS)
		return;
	struct chain *c = &w.chain[w.count];
	*c = (struct chain){ .out = g_memdup2(bytes, len),
		.in = g_malloc(room),
		.out_len = len,
		.in_len = room,
		.piece = pieces[(len + room) % G_N_ELEMENTS(pieces)] };
	w.queue_of[w.count++] = queue;
}

static void device_step(const struct bp_virtio_device *dev, struct net *n, unsigned what,
	const uint8_t *bytes, uint32_t len)
{
	unsigned pair = what >> 4 & 1;
	uint8_t *copy = g_memdup2(bytes, len);
	const struct bp_net_iov iov = { copy, len };
	const struct bp_net_packet p = { .size = sizeof(p),
		.flags = what & 0x80 ? BP_NET_MORE : 0,
		.iov_count = 1,
		.bytes = len,
		.iov = &iov };
	switch (what % 8) {
	case 0: /* the driver sends */
		add_chain(2 * pair + 1, bytes, len, 0);
		dev->kick(n, 2 * pair + 1);
		break;
	case 1: /* the driver commands */
		add_chain(w.features & FEATURE(F_MQ) ? 4 : 2, bytes, len, 1);
		dev->kick(n, w.features & FEATURE(F_MQ) ? 4 : 2);
		break;
	case 2: /* room for frames */
		for (uint32_t i = 0; i + 1 < len; i += 2)
			add_chain(2 * pair, NULL, 0, (uint32_t)(bytes[i] | bytes[i + 1] << 8));
		dev->kick(n, 2 * pair);
		break;
	case 3:
	case 4: w.front->receive(w.owner, &p); break;
	case 5: w.full = len % 5; break;
	case 6: w.front->ready(w.owner); break;
	default:
		dev->run(n, 0);
		dev->run(n, 1);
		break;
	}
	g_free(copy);
}

static void fuzz_device(const uint8_t *data, size_t size)
{
	const struct bp_object *t = bp_plugin_1_dev_virtio_net.types[0].object;
	const struct bp_link link = { sizeof(link), 0, &w, &net, "net0" };
	struct net *n = g_malloc0(t->instance_size);
	memset(&w, 0, sizeof(w));
	n->back = &link;
	n->pairs = 2;
	n->want_join = n->cable = 1;
	const struct bp_virtio_device *dev = t->interface(n, "bp.virtio-device/1");
	w.takes = data[0] & 15;
	if (t->create(n, &host, NULL) != 0)
		broken("The device is not made.");
	memcpy(&w.features, data + 1, 4);
	w.features = (w.features & dev->offered(n)) | (data[5] & 1 ? FEATURE(F_VERSION_1) : 0);
	dev->attach(n, &transport, &w);
	dev->run(n, 1);
	for (size_t at = HEAD; at + STEP <= size;) {
		unsigned what = data[at];
		size_t len = (size_t)(data[at + 1] | data[at + 2] << 8);
		at += STEP;
		len = MIN(len, size - at);
		device_step(dev, n, what, data + at, (uint32_t)len);
		at += len;
	}
	dev->run(n, 0);
	for (unsigned i = 0; i < w.count; i++) {
		if (w.chain[i].held)
			broken("A chain was kept over a reset.");
		g_free(w.chain[i].out);
		g_free(w.chain[i].in);
	}
	t->destroy(n);
	g_free(n);
}

static void fuzz_framing(const uint8_t *data, size_t size)
{
	struct framer *f = g_new0(struct framer, 1);
	const uint8_t *frame;
	uint32_t len;
	volatile uint8_t sink = 0;
	size_t at = 0, room;
	for (int r = 0; r >= 0;) {
		while ((r = framer_look(f, &frame, &len)) == 1) {
			if (frame < f->bytes || frame + len > f->bytes + f->end)
				broken("A frame is not in what arrived.");
			sink ^= frame[0] ^ frame[len - 1];
			framer_next(f);
		}
		uint8_t *to = framer_room(f, &room);
		if (!room)
			broken("There is no room, though all frames were taken.");
		size_t n = MIN(MIN(room, size - at), (size_t)(at % 3000) + 1);
		if (!n)
			break;
		memcpy(to, data + at, n);
		f->end += (uint32_t)n;
		at += n;
	}
	(void)sink;
	g_free(f);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (size < HEAD)
		return 0;
	if (data[6] & 1)
		fuzz_framing(data + HEAD, size - HEAD);
	else
		fuzz_device(data, size);
	return 0;
}
