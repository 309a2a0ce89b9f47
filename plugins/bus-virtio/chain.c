/* SPDX-License-Identifier: MIT */
#include "chain.h"

static uint64_t get(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;
	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

void chain_put(uint8_t *p, unsigned bytes, uint64_t v)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

int chain_read16(const struct queue_memory *m, uint64_t addr, uint16_t *out)
{
	uint8_t b[2];
	if (m->host->dma_read(m->dma, addr, b, sizeof(b)) != BP_OK)
		return -1;
	*out = (uint16_t)get(b, 2);
	return 0;
}

int chain_write16(const struct queue_memory *m, uint64_t addr, uint16_t value)
{
	uint8_t b[2];
	chain_put(b, 2, value);
	return m->host->dma_write(m->dma, addr, b, sizeof(b)) == BP_OK ? 0 : -1;
}

int chain_read_desc(
	const struct queue_memory *m, uint64_t table, uint32_t index, int packed, struct desc *out)
{
	uint8_t b[DESC_BYTES];
	if (m->host->dma_read(m->dma, table + (uint64_t)index * DESC_BYTES, b, sizeof(b)) != BP_OK)
		return -1;
	uint16_t first = (uint16_t)get(b + 12, 2), second = (uint16_t)get(b + 14, 2);
	*out = (struct desc){ .addr = get(b, 8),
		.len = (uint32_t)get(b + 8, 4),
		.flags = packed ? second : first,
		.link = packed ? first : second };
	return 0;
}

/* What is contiguous for the guest may be several pieces here. */
int chain_add(const struct queue_memory *m, const struct desc *d, struct bp_virtio_request *req)
{
	uint64_t addr = d->addr, left = d->len;
	int writable = (d->flags & DESC_WRITE) != 0;
	uint64_t total = left;
	/* What the device reads comes before what it writes (2.7.4.2), and all is less than 4 GiB. */
	if (!writable && req->readable != req->count)
		return -1;
	for (uint32_t i = 0; i < req->count; i++)
		total += req->buffer[i].len;
	if (total > UINT32_MAX)
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

void chain_unmap(const struct queue_memory *m, struct bp_virtio_request *req, uint32_t written)
{
	for (uint32_t i = 0; i < req->count; i++) {
		struct bp_virtio_buffer *b = &req->buffer[i];
		uint32_t n = b->writable ? (written < b->len ? written : b->len) : 0;
		m->host->dma_unmap(m->dma, b->data, b->len, n);
		written -= n;
	}
	req->count = req->readable = 0;
}
