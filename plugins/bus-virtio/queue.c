/* SPDX-License-Identifier: MIT */
#include "queue.h"
#include <string.h>

enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4, DESC_BYTES = 16 };
enum { AVAIL_NO_INTERRUPT = 1 };
/* Offsets in the available and used areas (2.7.6, 2.7.8). */
enum { RING_FLAGS = 0, RING_IDX = 2, RING_ENTRIES = 4, AVAIL_ENTRY = 2, USED_ENTRY = 8 };

struct desc { /* section 2.7.5, little-endian in memory */
	uint64_t addr;
	uint32_t len;
	uint16_t flags, next;
};

static uint64_t get(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;
	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

static void put(uint8_t *p, unsigned bytes, uint64_t v)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static int read16(const struct queue_memory *m, uint64_t addr, uint16_t *out)
{
	uint8_t b[2];
	if (m->host->dma_read(m->dma, addr, b, sizeof(b)) != BP_OK)
		return -1;
	*out = (uint16_t)get(b, 2);
	return 0;
}

static int read_desc(const struct queue_memory *m, uint64_t table, uint32_t index, struct desc *out)
{
	uint8_t b[DESC_BYTES];
	if (m->host->dma_read(m->dma, table + (uint64_t)index * DESC_BYTES, b, sizeof(b)) != BP_OK)
		return -1;
	*out = (struct desc){ .addr = get(b, 8),
		.len = (uint32_t)get(b + 8, 4),
		.flags = (uint16_t)get(b + 12, 2),
		.next = (uint16_t)get(b + 14, 2) };
	return 0;
}

static void unmap(const struct queue_memory *m, struct bp_virtio_request *req, uint32_t written)
{
	for (uint32_t i = 0; i < req->count; i++) {
		struct bp_virtio_buffer *b = &req->buffer[i];
		uint32_t n = b->writable ? (written < b->len ? written : b->len) : 0;
		m->host->dma_unmap(m->dma, b->data, b->len, n);
		written -= n;
	}
	req->count = req->readable = 0;
}

void queue_start(struct queue *q)
{
	q->last_avail = q->used_idx = q->signalled = q->in_flight = 0;
}

void queue_forget(struct queue *q, const struct queue_memory *m, struct bp_virtio_request *req)
{
	unmap(m, req, 0);
	q->in_flight -= q->in_flight != 0;
}

/* Map one descriptor's memory; what is contiguous for the guest may be several pieces here. */
static int add_buffer(
	const struct queue_memory *m, const struct desc *d, struct bp_virtio_request *req)
{
	uint64_t addr = d->addr, left = d->len;
	int writable = (d->flags & DESC_WRITE) != 0;
	/* What the device reads comes before what it writes (2.7.4.2). */
	if (!writable && req->readable != req->count)
		return -1;
	while (left) {
		uint64_t len = left;
		if (req->count == BP_VIRTIO_MAX_BUFFERS)
			return -1;
		void *p = m->host->dma_map(m->dma, addr, &len, writable);
		if (!p || !len || len > left)
			return -1;
		req->buffer[req->count++] =
			(struct bp_virtio_buffer){ p, (uint32_t)len, (uint32_t)writable };
		req->readable += !writable;
		addr += len;
		left -= len;
	}
	return 0;
}

/* Follow a chain. `limit` descriptors at most in all tables together: more means a loop. */
static int walk(const struct queue *q, const struct queue_memory *m, uint32_t head,
	struct bp_virtio_request *req)
{
	uint64_t table = q->desc;
	uint32_t entries = q->size, index = head, limit = q->size;
	int indirect = 0;
	for (;;) {
		struct desc d;
		if (!limit-- || index >= entries || read_desc(m, table, index, &d) != 0)
			return -1;
		if (d.flags & DESC_INDIRECT) {
			/* One table deep, not inside a chain that goes on (2.7.5.3.1). */
			if (indirect || !(m->features & VIRTIO_RING_INDIRECT) ||
				d.flags & DESC_NEXT || d.len % DESC_BYTES || !d.len)
				return -1;
			indirect = 1;
			table = d.addr;
			entries = d.len / DESC_BYTES;
			index = 0;
			limit = entries < QUEUE_SIZE_MAX ? entries : QUEUE_SIZE_MAX;
			continue;
		}
		if (add_buffer(m, &d, req) != 0)
			return -1;
		if (!(d.flags & DESC_NEXT))
			return 0;
		index = d.next;
	}
}

static int usable(const struct queue *q)
{
	return q->ready && q->size && q->size <= QUEUE_SIZE_MAX && !(q->size & (q->size - 1));
}

int queue_pop(struct queue *q, const struct queue_memory *m, struct bp_virtio_request *req)
{
	uint16_t idx, head;
	req->count = req->readable = 0;
	if (!usable(q))
		return 0;
	if (read16(m, q->avail + RING_IDX, &idx) != 0)
		return -1;
	uint16_t waiting = (uint16_t)(idx - q->last_avail);
	if (!waiting)
		return 0;
	/* More than there can be, or one that the device still holds (2.7.13.1). */
	if (waiting > q->size || q->in_flight >= q->size)
		return -1;
	/* The index was read first: entries before it are complete (2.7.13). */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	uint64_t at =
		q->avail + RING_ENTRIES + (uint64_t)(q->last_avail & (q->size - 1)) * AVAIL_ENTRY;
	if (read16(m, at, &head) != 0)
		return -1;
	if (head >= q->size || walk(q, m, head, req) != 0) {
		unmap(m, req, 0);
		return -1;
	}
	req->head = head;
	if (m->features & VIRTIO_RING_EVENT) {
		/* Ask to be told at the next entry (avail_event, 2.7.10). */
		uint8_t b[2];
		put(b, 2, (uint16_t)(q->last_avail + 1));
		if (m->host->dma_write(m->dma,
			    q->used + RING_ENTRIES + (uint64_t)q->size * USED_ENTRY, b,
			    2) != BP_OK) {
			unmap(m, req, 0);
			return -1;
		}
		/* The index is looked at again after that is seen (2.7.13.4.1). */
		__atomic_thread_fence(__ATOMIC_SEQ_CST);
	}
	q->last_avail = (uint16_t)(q->last_avail + 1);
	q->in_flight++;
	return 1;
}

int queue_retake(const struct queue *q, const struct queue_memory *m, uint32_t head,
	struct bp_virtio_request *req)
{
	req->count = req->readable = 0;
	req->head = head;
	if (usable(q) && head < q->size && walk(q, m, head, req) == 0)
		return 0;
	unmap(m, req, 0);
	return -1;
}

int queue_push(struct queue *q, const struct queue_memory *m, struct bp_virtio_request *req,
	uint32_t written)
{
	uint8_t entry[USED_ENTRY], idx[2];
	unmap(m, req, written);
	q->in_flight -= q->in_flight != 0;
	if (!usable(q))
		return 0; /* the driver has taken the queue away */
	put(entry, 4, req->head);
	put(entry + 4, 4, written);
	uint64_t at = q->used + RING_ENTRIES + (uint64_t)(q->used_idx & (q->size - 1)) * USED_ENTRY;
	if (m->host->dma_write(m->dma, at, entry, sizeof(entry)) != BP_OK)
		return -1;
	q->used_idx = (uint16_t)(q->used_idx + 1);
	put(idx, 2, q->used_idx);
	/* The entry before the index (2.7.8). */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	return m->host->dma_write(m->dma, q->used + RING_IDX, idx, sizeof(idx)) == BP_OK ? 0 : -1;
}

int queue_wants_signal(struct queue *q, const struct queue_memory *m)
{
	uint16_t word, was = (uint16_t)q->signalled, now = (uint16_t)q->used_idx;
	if (!usable(q) || was == now)
		return 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	q->signalled = now;
	if (m->features & VIRTIO_RING_EVENT) {
		uint64_t at = q->avail + RING_ENTRIES + (uint64_t)q->size * AVAIL_ENTRY;
		if (read16(m, at, &word) != 0)
			return 1;
		/* used_event lies in what was pushed since (2.7.7.2). */
		return (uint16_t)(now - word - 1) < (uint16_t)(now - was);
	}
	if (read16(m, q->avail + RING_FLAGS, &word) != 0)
		return 1;
	return !(word & AVAIL_NO_INTERRUPT);
}
