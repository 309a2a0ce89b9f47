/* SPDX-License-Identifier: MIT */
/* Packed virtqueues (Virtio 1.2, section 2.8): one ring that both sides write. An entry that the
 * device marks as used may lie where a chain began that it still holds, so what was taken is kept in
 * `held`: from there a chain is found again after a snapshot. */
#include "chain.h"

enum { DESC_AVAIL = 1 << 7, DESC_USED = 1 << 15 };
enum { FLAGS_AT = 14 }; /* in a descriptor */
/* The event suppression structures, 2.8.10. */
enum { EVENT_OFF_WRAP = 0, EVENT_FLAGS = 2 };
enum { EVENT_ENABLE = 0, EVENT_DISABLE = 1, EVENT_DESC = 2, EVENT_WRAP = 1 << 15 };

/* ---- what is held ---- */

static struct queue_held_desc *held_at(const struct queue_memory *m, uint32_t link)
{
	return link && link <= m->held->high ? &m->held->desc[link - 1] : NULL;
}

/* 0: there is no more room. */
static uint32_t keep(const struct queue_memory *m, const struct desc *d)
{
	struct queue_held *h = m->held;
	uint32_t link = h->free;
	struct queue_held_desc *at = held_at(m, link);
	if (at) {
		h->free = at->next;
	} else {
		if (h->high == QUEUE_HELD_MAX)
			return 0;
		link = ++h->high;
		at = &h->desc[link - 1];
	}
	*at = (struct queue_held_desc){
		.addr = d->addr, .len = d->len, .flags = d->flags, .id = d->link
	};
	return link;
}

static void drop(const struct queue_memory *m, uint32_t link)
{
	struct queue_held_desc *at;
	/* The bound is for snapshots that are nobody's. */
	for (uint32_t n = 0; n < QUEUE_SIZE_MAX && (at = held_at(m, link)); n++) {
		uint32_t next = at->next;
		*at = (struct queue_held_desc){ .next = m->held->free };
		m->held->free = link;
		link = next;
	}
}

/* ---- taking ---- */

static int map_table(
	const struct queue_memory *m, const struct desc *table, struct bp_virtio_request *req)
{
	/* Only WRITE counts in a table; it is used to its end (2.8.7). */
	for (uint32_t n = 0; n < table->len / DESC_BYTES; n++) {
		struct desc d;
		if (n == QUEUE_SIZE_MAX || chain_read_desc(m, table->addr, n, 1, &d) != 0 ||
			d.flags & DESC_INDIRECT || chain_add(m, &d, req) != 0)
			return -1;
	}
	return 0;
}

static int map_one(
	const struct queue_memory *m, const struct desc *d, struct bp_virtio_request *req)
{
	if (!(d->flags & DESC_INDIRECT))
		return chain_add(m, d, req);
	if (!(m->features & VIRTIO_RING_INDIRECT) || d->flags & DESC_NEXT || !d->len ||
		d->len % DESC_BYTES)
		return -1;
	return map_table(m, d, req);
}

/* The chain that begins at last_avail: kept and mapped. How many places of the ring it has, and the
 * first that is held; 0: broken. */
static uint32_t take(const struct queue *q, const struct queue_memory *m,
	struct bp_virtio_request *req, uint32_t *first)
{
	uint32_t slots = 0, room = q->size - q->in_flight, last = 0;
	struct desc d;
	do {
		uint32_t at = (q->last_avail + slots) & (q->size - 1);
		if (slots++ == room || chain_read_desc(m, q->desc, at, 1, &d) != 0)
			return 0;
		uint32_t link = keep(m, &d);
		if (!link)
			return 0;
		if (last)
			held_at(m, last)->next = link;
		else
			*first = link;
		last = link;
		if (map_one(m, &d, req) != 0)
			return 0;
	} while (d.flags & DESC_NEXT);
	/* The id stands in the last descriptor (2.8.6). */
	held_at(m, *first)->id = d.link;
	held_at(m, *first)->slots = (uint16_t)slots;
	return slots;
}

static int is_available(const struct queue *q, const struct queue_memory *m, int *yes)
{
	uint16_t flags;
	if (chain_read16(m, q->desc + (uint64_t)q->last_avail * DESC_BYTES + FLAGS_AT, &flags) != 0)
		return -1;
	*yes = !(flags & DESC_AVAIL) == !q->avail_wrap && !(flags & DESC_USED) == !!q->avail_wrap;
	return 0;
}

/* Ask to be told of the next chain, and see whether it came meanwhile. */
static int ask(const struct queue *q, const struct queue_memory *m, int *yes)
{
	if (!(m->features & VIRTIO_RING_EVENT))
		return 0;
	uint16_t where = (uint16_t)(q->last_avail | (q->avail_wrap ? EVENT_WRAP : 0));
	if (chain_write16(m, q->used + EVENT_OFF_WRAP, where) != 0)
		return -1;
	__atomic_thread_fence(__ATOMIC_RELEASE);
	if (chain_write16(m, q->used + EVENT_FLAGS, EVENT_DESC) != 0)
		return -1;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	return is_available(q, m, yes);
}

static void advance(uint32_t *at, uint32_t *wrap, uint32_t slots, uint32_t size)
{
	*at += slots;
	if (*at >= size) {
		*at -= size;
		*wrap = !*wrap;
	}
}

int packed_pop(struct queue *q, const struct queue_memory *m, struct bp_virtio_request *req)
{
	int yes;
	uint32_t first = 0;
	if (q->last_avail >= q->size || is_available(q, m, &yes) != 0)
		return -1;
	if (!yes && ask(q, m, &yes) != 0)
		return -1;
	if (!yes)
		return 0;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	uint32_t slots = take(q, m, req, &first);
	if (!slots) {
		chain_unmap(m, req, 0);
		drop(m, first);
		return -1;
	}
	req->head = first - 1;
	q->in_flight += slots;
	advance(&q->last_avail, &q->avail_wrap, slots, q->size);
	return 1;
}

int packed_retake(const struct queue *q, const struct queue_memory *m, uint32_t head,
	struct bp_virtio_request *req)
{
	const struct queue_held_desc *h = held_at(m, head + 1);
	uint32_t slots = h ? h->slots : 0;
	if (!slots || slots > q->size)
		return -1;
	for (uint32_t n = 0; n < slots; n++) {
		if (!h)
			return -1;
		struct desc d = { h->addr, h->len, h->flags, h->id };
		if (map_one(m, &d, req) != 0)
			return -1;
		h = held_at(m, h->next);
	}
	return 0;
}

/* ---- giving back ---- */

static uint32_t let_go(struct queue *q, const struct queue_memory *m, uint32_t head, uint16_t *id)
{
	const struct queue_held_desc *h = held_at(m, head + 1);
	uint32_t slots = h ? h->slots : 0;
	if (!slots)
		return 0;
	*id = h->id;
	drop(m, head + 1);
	q->in_flight -= slots < q->in_flight ? slots : q->in_flight;
	return slots;
}

int packed_push(struct queue *q, const struct queue_memory *m, uint32_t head, uint32_t written)
{
	uint8_t entry[6];
	uint16_t id, flags = written ? DESC_WRITE : 0;
	uint32_t slots = let_go(q, m, head, &id);
	if (!slots || !queue_usable(q))
		return 0; /* the driver has taken the queue away */
	if (q->used_idx >= q->size)
		return -1;
	uint64_t at = q->desc + (uint64_t)q->used_idx * DESC_BYTES;
	flags = (uint16_t)(flags | (q->used_wrap ? DESC_AVAIL | DESC_USED : 0));
	chain_put(entry, 4, written);
	chain_put(entry + 4, 2, id);
	if (m->host->dma_write(m->dma, at + 8, entry, sizeof(entry)) != BP_OK)
		return -1;
	/* All before the flags. */
	__atomic_thread_fence(__ATOMIC_RELEASE);
	if (chain_write16(m, at + FLAGS_AT, flags) != 0)
		return -1;
	advance(&q->used_idx, &q->used_wrap, slots, q->size);
	q->signalled = q->signalled + slots < q->size ? q->signalled + slots : q->size;
	return 0;
}

void packed_forget(struct queue *q, const struct queue_memory *m, uint32_t head)
{
	uint16_t id;
	let_go(q, m, head, &id);
}

int packed_wants_signal(struct queue *q, const struct queue_memory *m)
{
	uint16_t where, flags;
	uint32_t new = q->signalled;
	if (!new)
		return 0;
	__atomic_thread_fence(__ATOMIC_SEQ_CST);
	q->signalled = 0;
	if (chain_read16(m, q->avail + EVENT_FLAGS, &flags) != 0)
		return 1;
	if (flags != EVENT_DESC || !(m->features & VIRTIO_RING_EVENT))
		return flags != EVENT_DISABLE;
	__atomic_thread_fence(__ATOMIC_ACQUIRE);
	if (chain_read16(m, q->avail + EVENT_OFF_WRAP, &where) != 0)
		return 1;
	/* How many places back from the next one to be used the named place lies: at least 1. */
	uint32_t place = where & ~(uint32_t)EVENT_WRAP;
	int same_round = !(where & EVENT_WRAP) == !q->used_wrap;
	uint32_t back = same_round ? q->used_idx - place : q->used_idx + q->size - place;
	return back - 1 < new;
}
