/* SPDX-License-Identifier: MIT */
/* Virtqueues (Virtio 1.2, sections 2.6 to 2.8), seen from the device. Everything in guest memory is
 * hostile: indexes, chain links, lengths and addresses are checked before they are used. */
#ifndef BUS_VIRTIO_QUEUE_H
#define BUS_VIRTIO_QUEUE_H
#include <backplane/plugin.h>
#include <backplane/virtio.h>

enum { QUEUE_SIZE_MAX = 1024 };

struct queue {
	uint64_t desc, avail, used; /* guest addresses of the three areas */
	uint32_t size; /* entries, a power of two */
	uint32_t ready; /* QueueReady */
	uint32_t last_avail; /* next entry of the available ring to look at, modulo 2^16 */
	uint32_t used_idx; /* next entry of the used ring, modulo 2^16 */
	uint32_t signalled; /* used_idx at the last interrupt */
	uint32_t in_flight; /* chains that the device holds; more than size is a broken driver */
};

struct queue_memory { /* how to reach the guest */
	const struct bp_host *host;
	bp_dma *dma;
	uint64_t features; /* negotiated */
};

#define VIRTIO_ANY_LAYOUT    (UINT64_C(1) << 27) /* legacy: the framing of requests is free */
#define VIRTIO_RING_INDIRECT (UINT64_C(1) << 28)
#define VIRTIO_RING_EVENT    (UINT64_C(1) << 29)
#define VIRTIO_VERSION_1     (UINT64_C(1) << 32)
#define VIRTIO_RING_RESET    (UINT64_C(1) << 40)

/* A queue as it is before the driver uses it: addresses and size stay. */
void queue_start(struct queue *q);
/* 1 and a mapped chain, 0 nothing there, -1 the driver broke the rules (nothing is mapped).
 * req->head is below 2^16. */
int queue_pop(struct queue *q, const struct queue_memory *m, struct bp_virtio_request *req);
/* Map a chain again that was popped before a snapshot. 0, or -1: there is none that begins so. */
int queue_retake(const struct queue *q, const struct queue_memory *m, uint32_t head,
	struct bp_virtio_request *req);
/* Give a chain back. 0, or -1: the used ring is not in memory. */
int queue_push(struct queue *q, const struct queue_memory *m, struct bp_virtio_request *req,
	uint32_t written);
/* Whether the driver wants to hear of what was pushed since it was last told. */
int queue_wants_signal(struct queue *q, const struct queue_memory *m);
/* Unmap without writing anything: a chain that a reset took back. */
void queue_forget(struct queue *q, const struct queue_memory *m, struct bp_virtio_request *req);

#endif
