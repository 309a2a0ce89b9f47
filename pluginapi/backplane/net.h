/* SPDX-License-Identifier: MIT */
/* "bp.net/1": Ethernet frames between a device (the front) and a network (the back end).
 *
 *     device --bp.net/1--> [net-dump --bp.net/1-->] net-user, net-socket, net-tap, net-hub
 *
 * A BP_LINK property of interface "bp.net/1" gives a struct bp_link: its `self` is `back` here, its
 * `ops` this table. The front attaches in create and detaches in destroy; what attach returns is its
 * port. A filter is a back end that is the front of another one. A hub has many ports.
 *
 * Frames begin with the destination address and have no frame check sequence. They are at least 14
 * bytes and at most BP_NET_FRAME_MAX; what is sent otherwise is refused by the one who sees it first.
 *
 * Offload. A frame may come with a bp_net_offload that says what is still to be done with it:
 * complete a checksum, cut one long TCP frame into many. Only what the receiving side said that it
 * takes may be left to it: bp_net_info.takes for send, `gives` of bp_net.offload for receive.
 *
 * Flow control. Both ways a frame is taken (BP_NET_TAKEN) or there is no room for it (BP_NET_FULL):
 * then it stays with the giver, who keeps it and stops taking more from its own side; the other says
 * ready() once it is worth trying again. A frame that is taken may still be lost: it is a network.
 * A back end whose own source cannot be stopped loses frames beyond a bound, counts them, and says so
 * in the log.
 *
 * Threads. Front and back end are of BP_SERIAL_MACHINE, so that they call each other freely: every
 * function here is [owner] of the machine's domain. A back end with a thread of its own enters the
 * domain first (host->enter). receive may be called inside send, send inside receive or ready; ready
 * is never called inside the send or receive that gave BP_NET_FULL. */
#ifndef BACKPLANE_NET_H
#define BACKPLANE_NET_H
#include <backplane/base.h>
#ifdef __cplusplus
extern "C" {
#endif

enum {
	BP_NET_FRAME_MIN = 14,
	BP_NET_FRAME_MAX = 65549 /* an IP packet of 65535 bytes behind an Ethernet header */
};

enum bp_net_result { BP_NET_FULL = 0, BP_NET_TAKEN = 1 };

struct bp_net_iov {
	const void *base;
	size_t len;
};

/* The header of Virtio 1.2, section 5.1.6, as numbers of the host. */
enum { BP_NET_NEEDS_CSUM = 1, BP_NET_DATA_VALID = 2 }; /* flags */
enum { BP_NET_GSO_NONE = 0, BP_NET_GSO_TCP4 = 1, BP_NET_GSO_TCP6 = 4, BP_NET_GSO_ECN = 0x80 };
struct bp_net_offload {
	uint8_t flags, gso_type;
	uint16_t hdr_len; /* a hint: bytes of all headers */
	uint16_t gso_size; /* bytes of payload in each segment but the last */
	uint16_t csum_start, csum_offset; /* sum from csum_start on, store at start + offset */
	uint16_t reserved;
};

enum bp_net_features { /* what one side may leave to the other */
	BP_NET_CSUM = 1, /* the checksum: the field holds the pseudo-header's sum */
	BP_NET_TSO4 = 2, /* TCP over IPv4 as one long frame. Without BP_NET_CSUM: with its checksum,
			  * right for the frame as it is */
	BP_NET_TSO6 = 4,
	BP_NET_TSO_ECN = 8 /* also when the first segment has CWR set */
};

enum bp_net_packet_flags { BP_NET_MORE = 1 }; /* another frame follows at once: no need to hurry */

struct bp_net_packet { /* the giver's memory: it may be gone when the call returns */
	uint32_t size, flags; /* enum bp_net_packet_flags */
	uint32_t iov_count, reserved;
	uint64_t bytes; /* the sum of the pieces */
	const struct bp_net_iov *iov;
	const struct bp_net_offload *offload; /* NULL: a whole frame */
};

struct bp_net_info {
	uint32_t size; /* set by the caller: at most this much is written */
	uint32_t takes; /* enum bp_net_features that send takes */
	uint32_t can_give; /* ... that receive can be asked to be given */
	uint32_t mtu; /* of the network, bytes of an IP packet; 0: not known */
	uint8_t up; /* the link */
	uint8_t reserved[7];
};

struct bp_net_front {
	uint32_t size, reserved;
	int (*receive)(void *owner, const struct bp_net_packet *packet); /* enum bp_net_result */
	void (*ready)(void *owner); /* after a send that gave BP_NET_FULL */
	void (*link)(void *owner, int up); /* the link has changed. Optional */
};

struct bp_net {
	uint32_t size, reserved;
	/* The port, or NULL after an error: most back ends serve one front. [main] */
	void *(*attach)(void *back, void *owner, const struct bp_net_front *front, bp_error *err);
	void (*detach)(void *port); /* [main] */
	void (*info)(void *port, struct bp_net_info *out);
	int (*send)(void *port, const struct bp_net_packet *packet); /* enum bp_net_result */
	void (*ready)(void *port); /* after a receive that gave BP_NET_FULL */
	/* From now on receive may be given these: a subset of can_give. Nothing at attach. */
	void (*offload)(void *port, uint32_t gives);
	/* The front's address, at attach and when it changes. Optional */
	void (*address)(void *port, const uint8_t mac[6]);
};

#ifdef __cplusplus
}
#endif
#endif
