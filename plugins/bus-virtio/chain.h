/* SPDX-License-Identifier: MIT */
/* What both kinds of rings are made of: descriptors in guest memory, and mapped chains of them. */
#ifndef BUS_VIRTIO_CHAIN_H
#define BUS_VIRTIO_CHAIN_H
#include "queue.h"

enum { DESC_NEXT = 1, DESC_WRITE = 2, DESC_INDIRECT = 4, DESC_BYTES = 16 };

struct desc { /* sections 2.7.5 and 2.8, little-endian in memory */
	uint64_t addr;
	uint32_t len;
	uint16_t flags;
	uint16_t link; /* split: the next descriptor; packed: the buffer's id */
};

/* 0, or -1: not in memory. */
int chain_read16(const struct queue_memory *m, uint64_t addr, uint16_t *out);
int chain_write16(const struct queue_memory *m, uint64_t addr, uint16_t value);
/* One entry of a table of descriptors; packed: id and flags stand the other way round. */
int chain_read_desc(
	const struct queue_memory *m, uint64_t table, uint32_t index, int packed, struct desc *out);
/* Map what the descriptor says. 0, or -1: it breaks the rules. */
int chain_add(const struct queue_memory *m, const struct desc *d, struct bp_virtio_request *req);
void chain_unmap(const struct queue_memory *m, struct bp_virtio_request *req, uint32_t written);
void chain_put(uint8_t *p, unsigned bytes, uint64_t v);

/* A queue with a size that is one. */
int queue_usable(const struct queue *q);

/* packed.c: what queue.h has, for packed rings. */
int packed_pop(struct queue *q, const struct queue_memory *m, struct bp_virtio_request *req);
int packed_retake(const struct queue *q, const struct queue_memory *m, uint32_t head,
	struct bp_virtio_request *req);
int packed_push(struct queue *q, const struct queue_memory *m, uint32_t head, uint32_t written);
int packed_wants_signal(struct queue *q, const struct queue_memory *m);
void packed_forget(struct queue *q, const struct queue_memory *m, uint32_t head);

#endif
