/* SPDX-License-Identifier: MIT */
/* A virtio transport whose driver is the test: chains are buffers of the test's. Beside fake_host. */
#ifndef FAKE_VIRTIO_H
#define FAKE_VIRTIO_H
#include "fake_host.h"
#include <backplane/virtio.h>

enum { FAKE_QUEUES = 64 };

struct chain {
	GByteArray *out; /* what the driver sends, or NULL */
	uint8_t *in; /* what the device may write, `room` bytes in pieces of `piece` */
	unsigned room, piece, written;
	unsigned head;
	int held; /* by the device */
};

extern struct fake_virtio {
	void *self;
	const struct bp_virtio_device *dev;
	uint64_t features;
	int stopped; /* no queue is ready */
	GPtrArray *all;
	GQueue avail[FAKE_QUEUES];
	GPtrArray *used[FAKE_QUEUES];
	unsigned notified[FAKE_QUEUES], config_changes;
} virtio;

/* Attach the transport to a device that was created, and let it run; end looks whether it let go of
 * every chain. */
void fake_virtio_begin(void *self, uint64_t features);
void fake_virtio_end(void);
/* A chain for the device: bytes to read, and room to write; it is not kicked. */
struct chain *fake_offer(
	unsigned queue, const void *bytes, unsigned len, unsigned room, unsigned piece);
void fake_kick(unsigned queue);
/* The n-th used chain of a queue. */
struct chain *fake_used(unsigned queue, unsigned n);

#endif
