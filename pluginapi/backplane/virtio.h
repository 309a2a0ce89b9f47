/* SPDX-License-Identifier: MIT */
/* "bp.virtio-device/1": a virtio device behind any transport (Virtual I/O Device 1.2, OASIS).
 *
 * A device type attaches to a transport with `bus = "virtio.0"`: the transport looks for the object
 * that names it, asks for this interface and calls attach. The transport owns rings, status,
 * features and interrupts; the device owns its configuration space and what its queues mean. */
#ifndef BACKPLANE_VIRTIO_H
#define BACKPLANE_VIRTIO_H
#include <backplane/base.h>
#ifdef __cplusplus
extern "C" {
#endif

struct bp_virtio_buffer { /* one piece of guest memory of a request */
	void *data; /* mapped RAM */
	uint32_t len;
	uint32_t writable; /* the device writes it */
};

/* A chain of more pieces is a broken ring: a device says so, where its configuration can. */
#define BP_VIRTIO_MAX_BUFFERS 256

struct bp_virtio_request { /* one descriptor chain taken from a ring */
	uint32_t size;
	uint32_t
		head; /* the transport's: which chain it is; the queue's number in the high 16 bits */
	uint32_t count; /* buffers, device-readable ones first */
	uint32_t readable; /* how many of them the device reads */
	uint32_t resumed; /* out since before a snapshot; the device clears it when it begins it */
	uint32_t place; /* the transport's: 1 + where it is in held(); 0: it comes from pop */
	struct bp_virtio_buffer buffer[BP_VIRTIO_MAX_BUFFERS];
};

/* What the transport offers to the device; every call inside the device's domain. */
struct bp_virtio_transport {
	uint32_t size, reserved;
	/* Takes the next available chain: 1 taken, 0 ring empty, -1 the ring is broken (the transport
	 * has set DEVICE_NEEDS_RESET). At most queue_size chains are out at a time. A device that does not
	 * go on until 0 comes back by itself: the driver may not tell again. [owner] */
	int (*pop)(void *transport, unsigned queue, struct bp_virtio_request *req);
	/* Gives a chain back with the number of bytes written into it. [owner] */
	void (*push)(
		void *transport, unsigned queue, struct bp_virtio_request *req, uint32_t written);
	/* Tells the driver about used buffers (subject to its suppression), or a changed
	 * configuration. [owner] */
	void (*notify)(void *transport, unsigned queue);
	void (*config_changed)(void *transport);
	/* Negotiated feature bits; 0 before FEATURES_OK. [owner] */
	uint64_t (*features)(void *transport);
	/* Whether the driver has set the queue up and DRIVER_OK. [owner] */
	int (*queue_ready)(void *transport, unsigned queue);
	/* Let go of a chain that will not be pushed: in run(0) and queue_stop, before the rings are
	 * forgotten. [owner] */
	void (*release)(void *transport, struct bp_virtio_request *req);
	/* Take a chain again that was taken before a snapshot, by its head: in loaded(). 0, or -1: there
	 * is no such chain. [main] */
	int (*retake)(
		void *transport, unsigned queue, uint32_t head, struct bp_virtio_request *req);
	/* The driver broke the device's own rules so that no answer is possible: DEVICE_NEEDS_RESET.
	 * [owner] */
	void (*broken)(void *transport);
	/* The driver does not need what is in memory any more: at an address of its own, or in a piece of
	 * a chain. Whole pages of RAM are zeros or as they were, and the host may have them back; the rest
	 * is left alone. [owner] */
	void (*discard_at)(void *transport, uint64_t addr, uint64_t len);
	void (*discard)(void *transport, const struct bp_virtio_buffer *buffer);
	/* For devices with a request_size, whose requests end later than kick does: pop into memory of
	 * the transport, which saves what is out, and after a restore has it out again, `resumed`,
	 * before loaded() of the device. push and release end it, and it is not touched any more.
	 * NULL: nothing was taken; *more 0: pop says so, 1: no memory, come back. [owner] */
	struct bp_virtio_request *(*take)(void *transport, unsigned queue, int *more);
	/* How many are out, and which. Look from the end: who ends has place 0 and leaves its own to
	 * the last. [owner] */
	uint32_t (*held)(void *transport, struct bp_virtio_request *const **list);
};

struct bp_virtio_device {
	uint32_t size;
	uint32_t device_id; /* section 5: 1 net, 2 block, 3 console, 4 entropy */
	uint32_t queues; /* how many, 1..64 */
	uint32_t queue_size; /* largest size offered, a power of two up to 1024 */
	uint32_t config_size, reserved; /* bytes of device configuration space */
	/* The device's own feature bits (0..23 and 50..127 of section 2.2 in the low 64). [main] */
	uint64_t (*offered)(void *self);
	/* Its bus is there: keep both pointers. 0, or -1 after host->fail. [main] */
	int (*attach)(void *self, const struct bp_virtio_transport *ops, void *transport);
	/* Configuration space, little-endian bytes. [owner] */
	void (*config_read)(void *self, uint32_t offset, void *buf, uint32_t len);
	void (*config_write)(void *self, uint32_t offset, const void *buf, uint32_t len);
	/* The driver has put buffers into a queue. [owner] */
	void (*kick)(void *self, unsigned queue);
	/* Device reset or DRIVER_OK (running 1). Outstanding requests are forgotten at 0. [owner] */
	void (*run)(void *self, int running);
	/* Optional, and then the transport offers VIRTIO_F_RING_RESET: the driver takes one queue away.
	 * The chains of this queue are released when it returns. [owner] */
	void (*queue_stop)(void *self, unsigned queue);
	/* Bytes of the device's own struct, which begins with a struct bp_virtio_request; 0: take is
	 * not used. */
	uint32_t request_size, reserved2;
};

/* ---- chains ---- */

static inline unsigned bp_virtio_queue_of(const struct bp_virtio_request *c)
{
	return c->head >> 16;
}

/* Numbers of bytes, little-endian as virtio has them. */
static inline uint64_t bp_virtio_get(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;
	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

static inline void bp_virtio_put(uint8_t *p, unsigned bytes, uint64_t v)
{
	for (unsigned i = 0; i < bytes; i++)
		p[i] = (uint8_t)(v >> 8 * i);
}

static inline void bp_virtio_copy(
	uint8_t *__restrict to, const uint8_t *__restrict from, uint32_t len)
{
	for (uint32_t i = 0; i < len; i++)
		to[i] = from[i];
}

/* Bytes of the readable (writable 0) or the writable part of a chain. */
static inline uint64_t bp_virtio_bytes(const struct bp_virtio_request *c, int writable)
{
	uint64_t n = 0;
	for (uint32_t i = writable ? c->readable : 0; i < (writable ? c->count : c->readable); i++)
		n += c->buffer[i].len;
	return n;
}

/* Copies at most len bytes out of the readable part, into the writable part, from byte `at` on; returns
 * how many the chain has of them. */
static inline uint32_t bp_virtio_read(
	const struct bp_virtio_request *c, uint64_t at, void *out, uint32_t len)
{
	uint32_t done = 0;
	for (uint32_t i = 0; i < c->readable && done < len; i++) {
		const struct bp_virtio_buffer *b = &c->buffer[i];
		if (at >= b->len) {
			at -= b->len;
			continue;
		}
		uint32_t n = b->len - (uint32_t)at;
		n = n < len - done ? n : len - done;
		bp_virtio_copy((uint8_t *)out + done, (const uint8_t *)b->data + at, n);
		done += n;
		at = 0;
	}
	return done;
}

static inline uint32_t bp_virtio_write(
	const struct bp_virtio_request *c, uint64_t at, const void *in, uint32_t len)
{
	uint32_t done = 0;
	for (uint32_t i = c->readable; i < c->count && done < len; i++) {
		const struct bp_virtio_buffer *b = &c->buffer[i];
		if (at >= b->len) {
			at -= b->len;
			continue;
		}
		uint32_t n = b->len - (uint32_t)at;
		n = n < len - done ? n : len - done;
		bp_virtio_copy((uint8_t *)b->data + at, (const uint8_t *)in + done, n);
		done += n;
		at = 0;
	}
	return done;
}

#ifdef __cplusplus
}
#endif
#endif
