/* SPDX-License-Identifier: MIT */
/* Virtqueues (Virtio 1.2, sections 2.6 to 2.8), seen from the device: split (queue.c) or, when
 * VIRTIO_F_RING_PACKED is negotiated, packed (packed.c). Everything in guest memory is
 * hostile: indexes, chain links, lengths and addresses are checked before they are used. */
#ifndef BUS_VIRTIO_QUEUE_H
#define BUS_VIRTIO_QUEUE_H
#include <backplane/plugin.h>
#include <backplane/virtio.h>

enum { QUEUE_SIZE_MAX = 1024 };

struct queue {
	/* Guest addresses of the three areas. Packed: the ring, the driver's and the device's event
	 * suppression. */
	uint64_t desc, avail, used;
	uint32_t size; /* entries, a power of two */
	uint32_t ready; /* QueueReady */
	/* Split: next entry of the available and of the used ring, modulo 2^16. Packed: places in the
	 * ring, each with its wrap counter. */
	uint32_t last_avail, used_idx;
	uint32_t avail_wrap, used_wrap;
	uint32_t signalled; /* split: used_idx at the last interrupt; packed: places used since */
	uint32_t in_flight; /* what the device holds; split: chains, packed: descriptors */
};

/* Packed: the descriptors of chains that devices hold, of all queues of a transport. Links are indexes
 * plus 1; 0 is the end. */
enum { QUEUE_HELD_MAX = 64 * QUEUE_SIZE_MAX };
struct queue_held_desc {
	uint64_t addr;
	uint32_t len, next;
	uint16_t flags, id;
	uint16_t slots; /* first of a chain: descriptors; else 0 */
	uint16_t reserved;
};
struct queue_held {
	uint32_t free; /* the list of those that are free again */
	/* Places that were ever in use since the reset; the rest is zeros. It says how much is saved, so
	 * it does not stand at offset 0, which would mean all. */
	uint32_t high;
	struct queue_held_desc desc[QUEUE_HELD_MAX];
};

struct queue_memory { /* how to reach the guest */
	const struct bp_host *host;
	bp_dma *dma;
	uint64_t features; /* negotiated */
	struct queue_held *held;
};

#define VIRTIO_ANY_LAYOUT    (UINT64_C(1) << 27) /* legacy: the framing of requests is free */
#define VIRTIO_RING_INDIRECT (UINT64_C(1) << 28)
#define VIRTIO_RING_EVENT    (UINT64_C(1) << 29)
#define VIRTIO_VERSION_1     (UINT64_C(1) << 32)
#define VIRTIO_RING_PACKED   (UINT64_C(1) << 34)
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
/* 0: it can be one, -1: it comes from a snapshot that is none. */
int queue_held_check(const struct queue_held *h);
void queue_held_reset(struct queue_held *h);

#endif
