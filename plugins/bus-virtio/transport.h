/* SPDX-License-Identifier: MIT */
/* What all transports share: status, features, queues, and what a device may ask (struct
 * bp_virtio_transport). A transport is registers and interrupts around one struct virtio:
 *
 *   - it embeds one and fills host, dma, owner and signals in create (or before attach);
 *   - its bp.bus/1 attach is virtio_attach; its register handlers call the functions below;
 *   - reset: virtio_reset, at the machine's (BP_RESET_ENTER) and when the driver writes status 0;
 *   - destroy: virtio_finish;
 *   - its state table has { .type = BP_STRUCT, .sub = virtio_state, .sub_size = sizeof(struct
 *     virtio) }, and its loaded calls virtio_loaded. */
#ifndef BUS_VIRTIO_TRANSPORT_H
#define BUS_VIRTIO_TRANSPORT_H
#include "queue.h"

enum { VIRTIO_QUEUES = 64 };
enum { /* device status, section 2.1 */
	VIRTIO_STATUS_DRIVER = 2,
	VIRTIO_STATUS_DRIVER_OK = 4,
	VIRTIO_STATUS_FEATURES_OK = 8,
	VIRTIO_STATUS_NEEDS_RESET = 64
};
enum virtio_area { VIRTIO_DESC, VIRTIO_DRIVER, VIRTIO_DEVICE }; /* the three areas of a queue */

struct virtio_signals { /* how the transport tells the driver; inside the domain */
	void (*used)(void *owner, unsigned queue); /* buffers of this queue are used */
	void (*config)(void *owner); /* the configuration has changed */
};

struct virtio {
	/* The transport fills these in. */
	const struct bp_host *host;
	bp_dma *dma; /* where rings and buffers lie */
	void *owner; /* the transport's instance */
	const struct virtio_signals *signals;
	uint64_t withheld; /* feature bits that are not offered here */
	/* The driver talks by the legacy interface: features are without VERSION_1 and count at once,
	 * there is no FEATURES_OK (2.2.3, 3.1.2). A transitional transport changes it. */
	uint32_t legacy;

	const struct bp_virtio_device *dev; /* NULL: an empty slot */
	void *dev_self;
	uint32_t status, generation; /* generation of the configuration */
	uint32_t running; /* the device was told to run */
	uint64_t driver_features;
	struct queue queue[VIRTIO_QUEUES];
	struct queue_held held; /* large, and only packed rings touch it */
	/* Requests that the device ends later: those, and the heads of as many as are out. */
	struct later *later; /* NULL: it has none */
	uint32_t out;
	uint32_t heads[VIRTIO_QUEUES * QUEUE_SIZE_MAX];
};

extern const struct bp_field virtio_state[];

/* A device comes: 0, or -1 after host->fail. config_max: bytes of configuration that are reachable. */
int virtio_attach(
	struct virtio *v, const struct bp_link *child, uint32_t config_max, bp_error *err);
void virtio_finish(struct virtio *v);
void virtio_reset(struct virtio *v);
int virtio_loaded(struct virtio *v, bp_error *err);

/* 0 of status is virtio_reset, which the caller does: it has its own registers to clear. */
void virtio_write_status(struct virtio *v, uint32_t value);
/* Feature bits 32 * n to 32 * n + 31. */
uint32_t virtio_offered(const struct virtio *v, uint32_t n);
uint32_t virtio_accepted(const struct virtio *v, uint32_t n);
void virtio_accept(struct virtio *v, uint32_t n, uint32_t value);

/* Queues. n comes from the guest: any number does; those that do not exist have the maximum 0, take
 * no write and read as 0. */
uint32_t virtio_queue_max(const struct virtio *v, uint32_t n);
const struct queue *virtio_queue(const struct virtio *v, uint32_t n);
void virtio_queue_size(struct virtio *v, uint32_t n, uint32_t size);
/* The low (high 0) or high half of an area's address. */
void virtio_queue_address(
	struct virtio *v, uint32_t n, enum virtio_area area, int high, uint32_t value);
void virtio_queue_enable(struct virtio *v, uint32_t n, int on);
/* Legacy: all three areas in one piece at addr (2.7.2); 0: the queue is not used any more. */
void virtio_queue_legacy(struct virtio *v, uint32_t n, uint64_t addr, uint32_t align);
/* One queue starts anew (2.6.1); what it held is forgotten when this returns. */
void virtio_queue_reset(struct virtio *v, uint32_t n);
void virtio_kick(struct virtio *v, uint32_t n);

/* Device configuration, at most 8 bytes, little-endian; beyond the end it reads as 0. */
uint64_t virtio_config_read(struct virtio *v, uint64_t offset, unsigned bytes);
void virtio_config_write(struct virtio *v, uint64_t offset, unsigned bytes, uint64_t value);

/* ---- types beside mmio.c's ---- */
extern const struct bp_object virtio_pci;

#endif
