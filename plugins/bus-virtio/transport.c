/* SPDX-License-Identifier: MIT */
#include "transport.h"
#include <stdlib.h>
#include <string.h>

/* A request's head says its queue too: release has nothing else to know it by. */
enum { HEAD_BITS = 16, HEAD_MASK = 0xffff };

/* What take gives out. Who ends leaves its place to the last one, so that nothing is searched, and is
 * the next to be taken: it is in the host's caches still. */
struct later {
	uint32_t room, made;
	struct bp_virtio_request *request[]; /* those that are out, then the others */
};

static uint64_t all_offered(const struct virtio *v)
{
	if (!v->dev)
		return 0;
	uint64_t f = v->dev->offered(v->dev_self) | VIRTIO_RING_INDIRECT | VIRTIO_RING_EVENT |
		VIRTIO_VERSION_1 | VIRTIO_RING_PACKED;
	if (BP_HAS(v->dev, queue_stop))
		f |= VIRTIO_RING_RESET;
	if (v->legacy)
		f = (f & UINT32_MAX) | VIRTIO_ANY_LAYOUT;
	return f & ~v->withheld;
}

static uint64_t negotiated(const struct virtio *v)
{
	return v->legacy || v->status & VIRTIO_STATUS_FEATURES_OK ? v->driver_features : 0;
}

static struct queue_memory memory(struct virtio *v)
{
	return (struct queue_memory){ v->host, v->dma, negotiated(v), &v->held };
}

/* The driver broke the rules: only a reset helps (2.1.2). */
static void needs_reset(struct virtio *v)
{
	v->status |= VIRTIO_STATUS_NEEDS_RESET;
	if (v->running)
		v->signals->config(v->owner);
}

static void broken(void *transport)
{
	struct virtio *v = transport;
	v->host->log(v->owner, BP_LOG_GUEST,
		"a request of the driver's has another form than the device's specification "
		"gives it; the device waits for a reset");
	needs_reset(v);
}

static void broken_queue(struct virtio *v, unsigned n)
{
	v->host->log(v->owner, BP_LOG_GUEST,
		"virtqueue %u, entry %u: the ring or a chain in it is malformed; the device waits "
		"for a reset",
		n, (unsigned)v->queue[n].last_avail);
	needs_reset(v);
}

/* ---- requests that end later ---- */

static int later_init(struct virtio *v)
{
	const struct bp_virtio_device *dev = v->dev;
	if (!BP_HAS(dev, request_size) || dev->request_size < sizeof(struct bp_virtio_request))
		return 0;
	uint32_t room = dev->queues * dev->queue_size;
	v->later = calloc(1, sizeof(*v->later) + room * sizeof(v->later->request[0]));
	if (!v->later)
		return -1;
	v->later->room = room;
	return 0;
}

void virtio_finish(struct virtio *v)
{
	for (uint32_t i = 0; v->later && i < v->later->made; i++)
		free(v->later->request[i]);
	free(v->later);
	v->later = NULL;
}

/* One that is not out; it stays so until later_hold. NULL: there is no memory. */
static struct bp_virtio_request *later_spare(const struct virtio *v)
{
	struct later *l = v->later;
	if (!l || v->out == l->room)
		return NULL;
	if (v->out == l->made) {
		struct bp_virtio_request *req = malloc(v->dev->request_size);
		if (!req)
			return NULL;
		l->request[l->made++] = req;
	}
	l->request[v->out]->size = sizeof(struct bp_virtio_request);
	return l->request[v->out];
}

static void later_hold(struct virtio *v, struct bp_virtio_request *req, uint32_t resumed)
{
	v->heads[v->out++] = req->head;
	req->place = v->out;
	req->resumed = resumed;
}

static void later_end(struct virtio *v, struct bp_virtio_request *req)
{
	uint32_t last = v->out - 1, at = req->place - 1;
	struct bp_virtio_request **request = v->later->request, *moved = request[last];
	request[at] = moved;
	moved->place = at + 1;
	v->heads[at] = v->heads[last];
	request[last] = req;
	req->place = 0;
	v->heads[last] = 0;
	v->out = last;
}

/* ---- what the device may ask ---- */

static int queue_ready(void *transport, unsigned n)
{
	const struct virtio *v = transport;
	return n < VIRTIO_QUEUES && v->queue[n].ready && v->running;
}

static int pop(void *transport, unsigned n, struct bp_virtio_request *req)
{
	struct virtio *v = transport;
	req->place = 0;
	if (v->status & VIRTIO_STATUS_NEEDS_RESET || !queue_ready(v, n))
		return 0;
	struct queue_memory m = memory(v);
	int r = queue_pop(&v->queue[n], &m, req);
	if (r < 0)
		broken_queue(v, n);
	else if (r)
		req->head |= n << HEAD_BITS;
	return r;
}

static void push(void *transport, unsigned n, struct bp_virtio_request *req, uint32_t written)
{
	struct virtio *v = transport;
	struct queue_memory m = memory(v);
	req->head &= HEAD_MASK;
	if (n < VIRTIO_QUEUES && queue_push(&v->queue[n], &m, req, written) != 0)
		broken_queue(v, n);
	if (req->place)
		later_end(v, req);
}

static void notify(void *transport, unsigned n)
{
	struct virtio *v = transport;
	struct queue_memory m = memory(v);
	if (n < VIRTIO_QUEUES && queue_wants_signal(&v->queue[n], &m))
		v->signals->used(v->owner, n);
}

static void config_changed(void *transport)
{
	struct virtio *v = transport;
	v->generation++;
	if (v->running)
		v->signals->config(v->owner);
}

static uint64_t features(void *transport)
{
	return negotiated(transport);
}

static void release(void *transport, struct bp_virtio_request *req)
{
	struct virtio *v = transport;
	struct queue_memory m = memory(v);
	struct queue *q = &v->queue[(req->head >> HEAD_BITS) % VIRTIO_QUEUES];
	req->head &= HEAD_MASK;
	queue_forget(q, &m, req);
	if (req->place)
		later_end(v, req);
}

static int retake(void *transport, unsigned n, uint32_t head, struct bp_virtio_request *req)
{
	struct virtio *v = transport;
	struct queue_memory m = memory(v);
	req->place = 0;
	if (n >= VIRTIO_QUEUES || head >> HEAD_BITS != n ||
		queue_retake(&v->queue[n], &m, head & HEAD_MASK, req) != 0)
		return -1;
	req->head = head;
	return 0;
}

static void discard_at(void *transport, uint64_t addr, uint64_t len)
{
	struct virtio *v = transport;
	while (len && BP_HAS(v->host, dma_discard)) {
		uint64_t n = len;
		void *p = v->host->dma_map(v->dma, addr, &n, 1);
		if (!p || !n)
			return;
		v->host->dma_discard(v->dma, p, n);
		v->host->dma_unmap(v->dma, p, n, 0);
		addr += n;
		len -= n;
	}
}

static void discard(void *transport, const struct bp_virtio_buffer *buffer)
{
	struct virtio *v = transport;
	if (BP_HAS(v->host, dma_discard) && buffer->writable)
		v->host->dma_discard(v->dma, buffer->data, buffer->len);
}

static struct bp_virtio_request *take(void *transport, unsigned n, int *more)
{
	struct virtio *v = transport;
	struct bp_virtio_request *req = later_spare(v);
	*more = 1;
	if (!req)
		return NULL;
	if (pop(v, n, req) != 1) {
		*more = 0;
		return NULL;
	}
	later_hold(v, req, 0);
	return req;
}

static uint32_t held(void *transport, struct bp_virtio_request *const **list)
{
	const struct virtio *v = transport;
	*list = v->later ? v->later->request : NULL;
	return v->out;
}

static const struct bp_virtio_transport transport_ops = {
	.size = sizeof(transport_ops),
	.pop = pop,
	.push = push,
	.notify = notify,
	.config_changed = config_changed,
	.features = features,
	.queue_ready = queue_ready,
	.release = release,
	.retake = retake,
	.broken = broken,
	.discard_at = discard_at,
	.discard = discard,
	.take = take,
	.held = held,
};

/* ---- status and features ---- */

static void run(struct virtio *v)
{
	if (v->running || !v->dev)
		return;
	v->running = 1;
	v->dev->run(v->dev_self, 1);
}

void virtio_reset(struct virtio *v)
{
	if (v->running)
		v->dev->run(v->dev_self, 0);
	v->running = v->status = 0;
	v->driver_features = 0;
	memset(v->queue, 0, sizeof(v->queue));
	queue_held_reset(&v->held);
}

void virtio_write_status(struct virtio *v, uint32_t value)
{
	uint32_t was = v->status;
	/* FEATURES_OK stays off unless what the driver wants is on offer, VERSION_1 included. */
	if (value & VIRTIO_STATUS_FEATURES_OK && !(was & VIRTIO_STATUS_FEATURES_OK) &&
		(v->legacy || v->driver_features & ~all_offered(v) ||
			!(v->driver_features & VIRTIO_VERSION_1)))
		value &= ~(uint32_t)VIRTIO_STATUS_FEATURES_OK;
	v->status = (value & 0xff) | (was & VIRTIO_STATUS_NEEDS_RESET);
	if (value & VIRTIO_STATUS_DRIVER_OK)
		run(v);
}

uint32_t virtio_offered(const struct virtio *v, uint32_t n)
{
	return n < 2 ? (uint32_t)(all_offered(v) >> 32 * n) : 0;
}

uint32_t virtio_accepted(const struct virtio *v, uint32_t n)
{
	return n < 2 ? (uint32_t)(v->driver_features >> 32 * n) : 0;
}

void virtio_accept(struct virtio *v, uint32_t n, uint32_t value)
{
	if (n >= 2 || v->status & VIRTIO_STATUS_FEATURES_OK)
		return;
	v->driver_features &= ~((uint64_t)UINT32_MAX << 32 * n);
	v->driver_features |= (uint64_t)value << 32 * n;
	if (v->legacy) /* nothing refuses them later */
		v->driver_features &= all_offered(v);
}

/* ---- queues ---- */

uint32_t virtio_queue_max(const struct virtio *v, uint32_t n)
{
	return v->dev && n < v->dev->queues ? v->dev->queue_size : 0;
}

const struct queue *virtio_queue(const struct virtio *v, uint32_t n)
{
	static const struct queue none;
	return virtio_queue_max(v, n) ? &v->queue[n] : &none;
}

/* A queue whose layout may change: it is not in use (4.2.3.2). */
static struct queue *idle_queue(struct virtio *v, uint32_t n)
{
	return virtio_queue_max(v, n) && !v->queue[n].ready ? &v->queue[n] : NULL;
}

void virtio_queue_size(struct virtio *v, uint32_t n, uint32_t size)
{
	struct queue *q = idle_queue(v, n);
	if (q)
		q->size = size <= virtio_queue_max(v, n) ? size : 0;
}

void virtio_queue_address(
	struct virtio *v, uint32_t n, enum virtio_area area, int high, uint32_t value)
{
	struct queue *q = idle_queue(v, n);
	if (!q)
		return;
	uint64_t *addr = area == VIRTIO_DESC ? &q->desc
		: area == VIRTIO_DRIVER      ? &q->avail
					     : &q->used;
	*addr = high ? (*addr & UINT32_MAX) | (uint64_t)value << 32
		     : (*addr & ~(uint64_t)UINT32_MAX) | value;
}

void virtio_queue_enable(struct virtio *v, uint32_t n, int on)
{
	if (!virtio_queue_max(v, n))
		return;
	struct queue *q = &v->queue[n];
	if (on && q->ready)
		return;
	/* A device that can let go of one queue does; else chains it holds stay its own. */
	if (!on && q->ready && v->running && BP_HAS(v->dev, queue_stop))
		v->dev->queue_stop(v->dev_self, n);
	/* A size that is none was never a queue. */
	q->ready = on && q->size && !(q->size & (q->size - 1));
	queue_start(q);
}

void virtio_queue_legacy(struct virtio *v, uint32_t n, uint64_t addr, uint32_t align)
{
	virtio_queue_enable(v, n, 0);
	struct queue *q = idle_queue(v, n);
	if (!q || !addr || !align || align & (align - 1))
		return;
	q->desc = addr;
	q->avail = addr + UINT64_C(16) * q->size;
	/* flags, index, the entries, used_event */
	q->used = (q->avail + 4 + UINT64_C(2) * q->size + 2 + align - 1) & ~(uint64_t)(align - 1);
	virtio_queue_enable(v, n, 1);
}

void virtio_queue_reset(struct virtio *v, uint32_t n)
{
	if (!virtio_queue_max(v, n) || !(negotiated(v) & VIRTIO_RING_RESET))
		return;
	virtio_queue_enable(v, n, 0);
	memset(&v->queue[n], 0, sizeof(v->queue[n]));
}

void virtio_kick(struct virtio *v, uint32_t n)
{
	/* Legacy drivers use queues before they say DRIVER_OK (3.1.2). */
	if (v->legacy && v->status & VIRTIO_STATUS_DRIVER)
		run(v);
	if (virtio_queue_max(v, n) && queue_ready(v, n))
		v->dev->kick(v->dev_self, n);
}

/* ---- configuration ---- */

static int config_reach(const struct virtio *v, uint64_t offset, unsigned bytes)
{
	return v->dev && bytes <= 8 && offset < v->dev->config_size &&
		bytes <= v->dev->config_size - offset;
}

uint64_t virtio_config_read(struct virtio *v, uint64_t offset, unsigned bytes)
{
	uint8_t b[8] = { 0 };
	uint64_t value = 0;
	if (config_reach(v, offset, bytes))
		v->dev->config_read(v->dev_self, (uint32_t)offset, b, bytes);
	for (unsigned i = 0; i < sizeof(b); i++)
		value |= (uint64_t)b[i] << 8 * i;
	return value;
}

void virtio_config_write(struct virtio *v, uint64_t offset, unsigned bytes, uint64_t value)
{
	uint8_t b[8];
	for (unsigned i = 0; i < sizeof(b); i++)
		b[i] = (uint8_t)(value >> 8 * i);
	if (config_reach(v, offset, bytes) && v->dev->config_write)
		v->dev->config_write(v->dev_self, (uint32_t)offset, b, bytes);
}

/* ---- life ---- */

int virtio_attach(struct virtio *v, const struct bp_link *child, uint32_t config_max, bp_error *err)
{
	const struct bp_virtio_device *dev = child->ops;
	if (v->dev)
		return v->host->fail(err, "%s: the transport already holds a device", child->name);
	if (!dev || !BP_HAS(dev, run) || !dev->queues || dev->queues > VIRTIO_QUEUES ||
		!dev->queue_size || dev->queue_size > QUEUE_SIZE_MAX ||
		dev->queue_size & (dev->queue_size - 1) || dev->config_size > config_max)
		return v->host->fail(err,
			"%s: %u queues of %u entries and %u bytes of configuration do not fit",
			child->name, dev ? dev->queues : 0, dev ? dev->queue_size : 0,
			dev ? dev->config_size : 0);
	v->dev = dev;
	v->dev_self = child->self;
	if (later_init(v) != 0)
		return v->host->fail(
			err, "%s: there is no memory for its %u queues", child->name, dev->queues);
	return dev->attach(child->self, &transport_ops, v);
}

/* What the device had not ended is mapped again. */
static int take_again(struct virtio *v, bp_error *err)
{
	uint32_t count = v->out, room = v->later ? v->later->room : 0;
	v->out = 0;
	if (count > room)
		return v->host->fail(err,
			"%u saved requests are with the device; at most %u are possible", count,
			room);
	for (uint32_t i = 0; i < count; i++) {
		struct bp_virtio_request *req = later_spare(v);
		uint32_t n = v->heads[i] >> HEAD_BITS;
		if (!req || n >= v->dev->queues || retake(v, n, v->heads[i], req) != 0)
			return v->host->fail(err, "a saved request is in no queue");
		later_hold(v, req, 1);
	}
	return 0;
}

/* Sizes mask indexes, so a foreign snapshot is not believed. */
int virtio_loaded(struct virtio *v, bp_error *err)
{
	if (v->running && !v->dev)
		return v->host->fail(err, "the saved transport runs a device; there is none here");
	for (unsigned n = 0; n < VIRTIO_QUEUES; n++) {
		const struct queue *q = &v->queue[n];
		if (q->size > QUEUE_SIZE_MAX ||
			(q->ready && (!q->size || q->size & (q->size - 1))) ||
			q->in_flight > q->size)
			return v->host->fail(err,
				"the saved queue %u has %u entries, %u of them in use; a power of "
				"two up to %d is possible",
				n, q->size, q->in_flight, QUEUE_SIZE_MAX);
	}
	if (queue_held_check(&v->held) != 0)
		return v->host->fail(err, "the saved chains of packed rings are not disjoint");
	return take_again(v, err);
}

static const struct bp_field queue_state[] = {
	{ BP_FIELD(struct queue, desc, BP_U64) },
	{ BP_FIELD(struct queue, avail, BP_U64) },
	{ BP_FIELD(struct queue, used, BP_U64) },
	{ BP_FIELD(struct queue, size, BP_U32) },
	{ BP_FIELD(struct queue, ready, BP_U32) },
	{ BP_FIELD(struct queue, last_avail, BP_U32) },
	{ BP_FIELD(struct queue, used_idx, BP_U32) },
	{ BP_FIELD(struct queue, avail_wrap, BP_U32) },
	{ BP_FIELD(struct queue, used_wrap, BP_U32) },
	{ BP_FIELD(struct queue, signalled, BP_U32) },
	{ BP_FIELD(struct queue, in_flight, BP_U32) },
	{ 0 },
};
static const struct bp_field held_desc_state[] = {
	{ BP_FIELD(struct queue_held_desc, addr, BP_U64) },
	{ BP_FIELD(struct queue_held_desc, len, BP_U32) },
	{ BP_FIELD(struct queue_held_desc, next, BP_U32) },
	{ BP_FIELD(struct queue_held_desc, flags, BP_U16) },
	{ BP_FIELD(struct queue_held_desc, id, BP_U16) },
	{ BP_FIELD(struct queue_held_desc, slots, BP_U16) },
	{ 0 },
};
static const struct bp_field held_state[] = {
	{ BP_FIELD(struct queue_held, free, BP_U32) },
	{ BP_FIELD(struct queue_held, high, BP_U32) },
	{ BP_FIELD(struct queue_held, desc, BP_STRUCT), .count = QUEUE_HELD_MAX,
		.count_offset = offsetof(struct queue_held, high), .sub = held_desc_state,
		.sub_size = sizeof(struct queue_held_desc) },
	{ 0 },
};
const struct bp_field virtio_state[] = {
	{ BP_FIELD(struct virtio, legacy, BP_U32) },
	{ BP_FIELD(struct virtio, status, BP_U32) },
	{ BP_FIELD(struct virtio, generation, BP_U32) },
	{ BP_FIELD(struct virtio, running, BP_U32) },
	{ BP_FIELD(struct virtio, driver_features, BP_U64) },
	{ BP_FIELD(struct virtio, queue, BP_STRUCT), .count = VIRTIO_QUEUES, .flags = BP_F_WHOLE,
		.sub = queue_state, .sub_size = sizeof(struct queue) },
	{ BP_FIELD(struct virtio, held, BP_STRUCT), .sub = held_state,
		.sub_size = sizeof(struct queue_held) },
	{ BP_FIELD(struct virtio, out, BP_U32) },
	{ BP_FIELD(struct virtio, heads, BP_U32), .count = VIRTIO_QUEUES * QUEUE_SIZE_MAX,
		.count_offset = offsetof(struct virtio, out) },
	{ 0 },
};
