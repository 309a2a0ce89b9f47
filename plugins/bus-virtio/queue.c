/* SPDX-License-Identifier: MIT */
#include "chain.h"
#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { AVAIL_NO_INTERRUPT = 1 };
/* Offsets in the available and used areas (2.7.6, 2.7.8). */
enum { RING_FLAGS = 0, RING_IDX = 2, RING_ENTRIES = 4, AVAIL_ENTRY = 2, USED_ENTRY = 8 };

void queue_start(struct queue *q)
{
	q->last_avail = q->used_idx = q->signalled = q->in_flight = 0;
	q->avail_wrap = q->used_wrap = 1;
}

static int is_packed(const struct queue_memory *m)
{
	return (m->features & VIRTIO_RING_PACKED) != 0;
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
		if (!limit-- || index >= entries || chain_read_desc(m, table, index, 0, &d) != 0)
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
		if (chain_add(m, &d, req) != 0)
			return -1;
		if (!(d.flags & DESC_NEXT))
			return 0;
		index = d.link;
	}
}

int queue_usable(const struct queue *q)
{
	return q->ready && q->size && q->size <= QUEUE_SIZE_MAX && !(q->size & (q->size - 1));
}

/* How many chains wait; -1: broken. */
static int waiting(const struct queue *q, const struct queue_memory *m)
{
	uint16_t idx;
	if (chain_read16(m, q->avail + RING_IDX, &idx) != 0)
		return -1;
	uint16_t n = (uint16_t)(idx - q->last_avail);
	/* More than there can be, or one that the device still holds. */
	return n > q->size || (n && q->in_flight >= q->size) ? -1 : n;
}

/* Ask to be told of the next entry (avail_event, 2.7.10), and see whether it came meanwhile. */
static int ask(const struct queue *q, const struct queue_memory *m)
{
	uint64_t event = q->used + RING_ENTRIES + (uint64_t)q->size * USED_ENTRY;
	if (!(m->features & VIRTIO_RING_EVENT))
		return 0;
	if (chain_write16(m, event, (uint16_t)q->last_avail) != 0)
		return -1;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return waiting(q, m);
}

static int split_pop(struct queue *q, const struct queue_memory *m, struct bp_virtio_request *req)
{
	uint16_t head;
	int n = waiting(q, m);
	n = n ? n : ask(q, m);
	if (n <= 0)
		return n;
	/* The index was read first: entries before it are complete (2.7.13). */
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	uint64_t at =
		q->avail + RING_ENTRIES + (uint64_t)(q->last_avail & (q->size - 1)) * AVAIL_ENTRY;
	if (chain_read16(m, at, &head) != 0)
		return -1;
	if (head >= q->size || walk(q, m, head, req) != 0) {
		chain_unmap(m, req, 0);
		return -1;
	}
	req->head = head;
	q->last_avail = (uint16_t)(q->last_avail + 1);
	q->in_flight++;
	return 1;
}

static int split_push(
	struct queue *q, const struct queue_memory *m, uint32_t head, uint32_t written)
{
	uint8_t entry[USED_ENTRY];
	q->in_flight -= q->in_flight != 0;
	if (!queue_usable(q))
		return 0; /* the driver has taken the queue away */
	chain_put(entry, 4, head);
	chain_put(entry + 4, 4, written);
	uint64_t at = q->used + RING_ENTRIES + (uint64_t)(q->used_idx & (q->size - 1)) * USED_ENTRY;
	if (m->host->dma_write(m->dma, at, entry, sizeof(entry)) != BP_OK)
		return -1;
	q->used_idx = (uint16_t)(q->used_idx + 1);
	/* The entry before the index (2.7.8). */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	return chain_write16(m, q->used + RING_IDX, (uint16_t)q->used_idx);
}

static int split_wants_signal(struct queue *q, const struct queue_memory *m)
{
	uint16_t word, was = (uint16_t)q->signalled, now = (uint16_t)q->used_idx;
	if (was == now)
		return 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	q->signalled = now;
	if (m->features & VIRTIO_RING_EVENT) {
		uint64_t at = q->avail + RING_ENTRIES + (uint64_t)q->size * AVAIL_ENTRY;
		if (chain_read16(m, at, &word) != 0)
			return 1;
		/* used_event lies in what was pushed since (2.7.7.2). */
		return (uint16_t)(now - word - 1) < (uint16_t)(now - was);
	}
	if (chain_read16(m, q->avail + RING_FLAGS, &word) != 0)
		return 1;
	return !(word & AVAIL_NO_INTERRUPT);
}

/* ---- whichever it is ---- */

int queue_pop(struct queue *q, const struct queue_memory *m, struct bp_virtio_request *req)
{
	req->count = req->readable = 0;
	if (!queue_usable(q))
		return 0;
	return is_packed(m) ? packed_pop(q, m, req) : split_pop(q, m, req);
}

int queue_retake(const struct queue *q, const struct queue_memory *m, uint32_t head,
	struct bp_virtio_request *req)
{
	req->count = req->readable = 0;
	req->head = head;
	if (queue_usable(q) &&
		(is_packed(m) ? packed_retake(q, m, head, req)
			      : head >= q->size || walk(q, m, head, req)) == 0)
		return 0;
	chain_unmap(m, req, 0);
	return -1;
}

int queue_push(struct queue *q, const struct queue_memory *m, struct bp_virtio_request *req,
	uint32_t written)
{
	chain_unmap(m, req, written);
	return is_packed(m) ? packed_push(q, m, req->head, written)
			    : split_push(q, m, req->head, written);
}

int queue_wants_signal(struct queue *q, const struct queue_memory *m)
{
	if (!queue_usable(q))
		return 0;
	return is_packed(m) ? packed_wants_signal(q, m) : split_wants_signal(q, m);
}

void queue_forget(struct queue *q, const struct queue_memory *m, struct bp_virtio_request *req)
{
	chain_unmap(m, req, 0);
	if (is_packed(m))
		packed_forget(q, m, req->head);
	else
		q->in_flight -= q->in_flight != 0;
}

int queue_held_check(const struct queue_held *h)
{
	static_assert(QUEUE_HELD_MAX <= 1 << 16, "heads have 16 bits");
	uint8_t *seen = calloc(QUEUE_HELD_MAX / 8, 1);
	int good = seen && h->high <= QUEUE_HELD_MAX;
	uint32_t link = good ? h->free : 0;
	/* Every place is in one list at most: that of the free ones, or of one chain. */
	for (uint32_t n = 0; good && n <= h->high; n++) {
		if (n)
			link = h->desc[n - 1].slots ? n : 0;
		while (link && good) {
			good = link <= h->high && !(seen[(link - 1) / 8] & 1 << (link - 1) % 8);
			if (good) {
				seen[(link - 1) / 8] |= (uint8_t)(1 << (link - 1) % 8);
				link = h->desc[link - 1].next;
			}
		}
	}
	free(seen);
	return good ? 0 : -1;
}

void queue_held_reset(struct queue_held *h)
{
	uint32_t high = h->high < QUEUE_HELD_MAX ? h->high : QUEUE_HELD_MAX;
	memset(h->desc, 0, high * sizeof(h->desc[0]));
	h->high = h->free = 0;
}
