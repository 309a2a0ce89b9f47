/* SPDX-License-Identifier: MIT */
/* Any driver and any guest memory: rings are walked without leaving RAM, chains keep the rules that
 * devices rely on, everything mapped is unmapped, and only what is the device's is written.
 *
 * Split rings, or packed ones with bit 5 of the second byte.
 *
 * An input is the queue's set-up (a 20-byte head), the number of steps, the steps (4 bytes each:
 * what, a parameter of 8 bits and one of 16), and the rest is what RAM holds at first. */
#include "fuzz.h"
#include "plugins/bus-virtio/chain.h"
#include <glib.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
	RAM_BASE = 0x1000,
	RAM_SIZE = 0x8000,
	PIECE = 0x1800, /* RAM is contiguous for the host in pieces: mappings end there */
	HEAD = 20,
	STEP = 4,
	HELD = 4 /* chains that the device has at a time */
};

struct guest {
	uint8_t *ram;
	long mapped; /* pieces */
	uint64_t used, used_end; /* of the used ring: where the queue may write */
	uint64_t ring, ring_end; /* packed: the ring itself, too */
};

static void broken(const char *what)
{
	fprintf(stderr, "%s\n", what);
	abort();
}

static int inside(uint64_t addr, uint64_t len)
{
	return addr >= RAM_BASE && len <= RAM_SIZE && addr - RAM_BASE <= RAM_SIZE - len;
}

static int dma_read(bp_dma *dma, uint64_t addr, void *buf, uint64_t len)
{
	const struct guest *g = (struct guest *)dma;
	if (!inside(addr, len))
		return BP_BUS_ERROR;
	memcpy(buf, g->ram + (addr - RAM_BASE), len);
	return BP_OK;
}

static int dma_write(bp_dma *dma, uint64_t addr, const void *buf, uint64_t len)
{
	const struct guest *g = (struct guest *)dma;
	if ((addr - g->used > g->used_end - g->used || len > g->used_end - addr) &&
		(addr - g->ring > g->ring_end - g->ring || len > g->ring_end - addr))
		broken("Something outside of the used ring was written.");
	if (!inside(addr, len))
		return BP_BUS_ERROR;
	memcpy(g->ram + (addr - RAM_BASE), buf, len);
	return BP_OK;
}

static void *dma_map(bp_dma *dma, uint64_t addr, uint64_t *len, int write)
{
	struct guest *g = (struct guest *)dma;
	(void)write;
	if (!inside(addr, 1))
		return NULL;
	uint64_t offset = addr - RAM_BASE, left = RAM_SIZE - offset;
	left = MIN(left, PIECE - offset % PIECE);
	*len = MIN(*len, left);
	g->mapped++;
	return g->ram + offset;
}

static void dma_unmap(bp_dma *dma, void *ptr, uint64_t len, uint64_t written)
{
	struct guest *g = (struct guest *)dma;
	const uint8_t *p = ptr;
	if (p < g->ram || len > (uint64_t)(g->ram + RAM_SIZE - p))
		broken("What is unmapped was never mapped.");
	if (written > len)
		broken("More was written than was mapped.");
	g->mapped--;
}

static const struct bp_host host = {
	.size = sizeof(host),
	.dma_read = dma_read,
	.dma_write = dma_write,
	.dma_map = dma_map,
	.dma_unmap = dma_unmap,
};

static uint64_t get(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;
	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

struct device {
	struct queue q;
	struct queue_memory m;
	struct bp_virtio_request held[HELD];
	unsigned count;
	struct queue_held held_packed;
};

/* What a device may rely on. It then does its work: it reads, or fills, each buffer. */
static void use_chain(
	const struct guest *g, const struct device *d, const struct bp_virtio_request *req)
{
	const struct queue *q = &d->q;
	int packed = (d->m.features & VIRTIO_RING_PACKED) != 0;
	volatile uint8_t sink = 0;
	if (req->count > BP_VIRTIO_MAX_BUFFERS || req->readable > req->count)
		broken("A chain has more buffers than it can have.");
	if (req->head >= (packed ? d->held_packed.high : q->size))
		broken("A chain's head is beyond the table.");
	if (q->in_flight > q->size)
		broken("More is in flight than the ring has places.");
	for (uint32_t i = 0; i < req->count; i++) {
		const struct bp_virtio_buffer *b = &req->buffer[i];
		uint8_t *p = b->data;
		if (b->writable != (i >= req->readable))
			broken("A buffer to be written stands before one to be read.");
		if (!b->len || p < g->ram || b->len > (uint64_t)(g->ram + RAM_SIZE - p))
			broken("A buffer is not in RAM.");
		if (b->writable)
			memset(p, (int)(i + 1), b->len);
		else
			sink ^= p[0] ^ p[b->len - 1];
	}
	(void)sink;
}

static void pop(struct guest *g, struct device *d)
{
	struct bp_virtio_request *req = &d->held[d->count];
	long before = g->mapped;
	if (d->count == HELD)
		return;
	req->size = sizeof(*req);
	int got = queue_pop(&d->q, &d->m, req);
	if (got == 1) {
		if (g->mapped - before != (long)req->count)
			broken("A chain's buffers are not what was mapped.");
		use_chain(g, d, req);
		d->count++;
	} else if (g->mapped != before) {
		broken("A chain that was refused is still mapped.");
	}
}

/* What a snapshot's loading does: the same chain is there, or none. */
static void retake(struct guest *g, struct device *d)
{
	struct bp_virtio_request *req = &d->held[d->count - 1];
	uint32_t head = req->head;
	chain_unmap(&d->m, req, 0);
	if (queue_held_check(&d->held_packed) != 0)
		broken("What is held is in two lists.");
	if (queue_retake(&d->q, &d->m, head, req) == 0)
		use_chain(g, d, req);
	else if (req->count)
		broken("A chain that was refused is still there.");
}

/* The driver offers some chains more. */
static void offer(struct guest *g, struct device *d, unsigned n)
{
	if (!(d->m.features & VIRTIO_RING_PACKED)) {
		if (inside(d->q.avail + 2, 2))
			g->ram[d->q.avail + 2 - RAM_BASE] = (uint8_t)(d->q.last_avail + n);
		return;
	}
	for (unsigned k = 0; k < n && d->q.size; k++) {
		uint32_t at = d->q.last_avail + k;
		uint32_t wrap = at >= d->q.size ? !d->q.avail_wrap : d->q.avail_wrap;
		uint64_t flags = d->q.desc + UINT64_C(16) * (at % d->q.size) + 15;
		if (!inside(flags - 1, 2))
			continue;
		uint8_t *p = g->ram + (flags - RAM_BASE);
		p[0] = wrap ? 0 : 0x80;
		p[-1] = (uint8_t)((p[-1] & 0x7f) | (wrap ? 0x80 : 0));
	}
}

static void step(struct guest *g, struct device *d, const uint8_t *s)
{
	uint16_t value = (uint16_t)get(s + 2, 2);
	switch (s[0] % 7) {
	case 0: pop(g, d); break;
	case 1:
		if (d->count)
			queue_push(&d->q, &d->m, &d->held[--d->count],
				value * (s[1] & 1 ? 65537u : 1u));
		break;
	case 2:
		if (d->count)
			queue_forget(&d->q, &d->m, &d->held[--d->count]);
		break;
	case 3: queue_wants_signal(&d->q, &d->m); break;
	case 4: offer(g, d, s[1] % 4); break;
	case 6:
		if (d->count)
			retake(g, d);
		break;
	default: g->ram[value % RAM_SIZE] = s[1]; break;
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct guest g = { 0 };
	struct device *d;
	if (size < HEAD + 1)
		return 0;
	g.ram = g_malloc0(RAM_SIZE);
	d = g_new0(struct device, 1);
	d->m = (struct queue_memory){ &host, (bp_dma *)&g,
		(uint64_t)(data[1] & 3) << 28 | (data[1] & 32 ? VIRTIO_RING_PACKED : 0),
		&d->held_packed };
	d->q.size = data[1] & 4 ? (uint32_t)get(data + 14, 4) : 1u << (data[0] % 11);
	d->q.ready = data[1] & 8 ? 0 : 1;
	/* Mostly in RAM; with the high bytes anywhere. */
	uint64_t high = data[1] & 16 ? get(data + 14, 6) << 16 : 0;
	d->q.desc = high + get(data + 2, 4);
	d->q.avail = high + get(data + 6, 4);
	d->q.used = high + get(data + 10, 4);
	d->q.last_avail = (uint16_t)get(data + 18, 2);
	d->q.used_idx = d->q.signalled = d->q.last_avail;
	if (data[1] & 32) {
		queue_start(&d->q);
		g.ring = d->q.desc;
		g.ring_end = g.ring + UINT64_C(16) * d->q.size;
	}
	/* flags, index, entries, avail_event (2.7.8) */
	g.used = d->q.used;
	g.used_end = g.used + (data[1] & 32 ? 4 : 4 + UINT64_C(8) * d->q.size + 2);
	const uint8_t *at = data + HEAD;
	size_t left = size - HEAD - 1, steps = MIN((size_t)*at, left / STEP);
	at++;
	memcpy(g.ram, at + steps * STEP, MIN(left - steps * STEP, (size_t)RAM_SIZE));
	for (size_t i = 0; i < steps; i++)
		step(&g, d, at + i * STEP);
	while (d->count)
		queue_forget(&d->q, &d->m, &d->held[--d->count]);
	if (g.mapped)
		broken("Something is still mapped.");
	g_free(d);
	g_free(g.ram);
	return 0;
}
