/* SPDX-License-Identifier: MIT */
/* Shared by the files of this plugin alone: the device, its receive and transmit sides, its control
 * queue. Section numbers are those of Virtio 1.2. */
#ifndef DEV_VIRTIO_NET_NET_H
#define DEV_VIRTIO_NET_NET_H
#include "offload.h"
#include <backplane/plugin.h>
#include <backplane/virtio.h>

enum feature_bit { /* 5.1.3 */
	F_CSUM = 0,
	F_GUEST_CSUM = 1,
	F_CTRL_GUEST_OFFLOADS = 2,
	F_MTU = 3,
	F_MAC = 5,
	F_GUEST_TSO4 = 7,
	F_GUEST_TSO6 = 8,
	F_GUEST_ECN = 9,
	F_HOST_TSO4 = 11,
	F_HOST_TSO6 = 12,
	F_HOST_ECN = 13,
	F_MRG_RXBUF = 15,
	F_STATUS = 16,
	F_CTRL_VQ = 17,
	F_CTRL_RX = 18,
	F_CTRL_VLAN = 19,
	F_CTRL_RX_EXTRA = 20,
	F_GUEST_ANNOUNCE = 21,
	F_MQ = 22,
	F_CTRL_MAC_ADDR = 23,
	F_VERSION_1 = 32
};
#define FEATURE(bit) (UINT64_C(1) << (bit))

enum {
	PAIRS_MAX = 16,
	QUEUE_SIZE = 256,
	RX_CHAINS = 80, /* that one frame may be spread over */
	MACS_MAX = 64,
	VLANS = 4096,
	HEADER_MAX = 12,
	CONTROL_MAX = 2 + 2 * 4 + 6 * 1024 /* bytes of a command */
};

struct pair { /* a receive and a transmit queue */
	struct bp_virtio_request *rx; /* chains taken and not yet filled */
	uint32_t rx_count;
	uint32_t rx_heads[RX_CHAINS]; /* for a snapshot */
	uint8_t rx_quiet; /* filled, the driver is not yet told */
	struct bp_virtio_request *tx; /* a chain that the back end has yet to take */
	uint32_t tx_held, tx_at; /* of a long frame: bytes of payload that are gone already */
	uint32_t tx_head;
};

struct mac_table {
	uint32_t count;
	uint8_t full; /* there were more: all of this kind are let through */
	uint8_t mac[MACS_MAX][6];
};

struct net {
	const struct bp_host *host;
	/* properties */
	const struct bp_link *back;
	const char *mac_text;
	uint32_t pairs, mtu;
	uint8_t want_join, cable;

	struct bp_virtio_device device; /* its number of queues depends on a property */
	const struct bp_virtio_transport *ops;
	void *transport;
	const struct bp_net *net;
	void *port;
	uint32_t takes; /* what the back end takes, enum bp_net_features */
	uint32_t can_give;
	uint8_t back_up; /* the back end's link */
	uint8_t running;
	uint8_t back_waits; /* it was told that there is no room */
	uint8_t own_mac[6]; /* of the property */

	/* what the driver has set */
	uint8_t mac[6];
	uint8_t promisc, allmulti, alluni, nomulti, nouni, nobcast;
	uint8_t announce;
	uint32_t active; /* pairs in use */
	uint64_t guest_offloads; /* feature bits in force */
	struct mac_table unicast, multicast;
	uint8_t vlans[VLANS / 8];

	struct pair pair[PAIRS_MAX];
	struct bp_virtio_request *control;
	struct join join;
	uint32_t join_pair;
	uint8_t *work, *segment; /* a frame each: long ones, and what they are cut into */
	uint64_t lost; /* frames that no rule let through for want of buffers big enough */
};

static inline uint64_t negotiated(struct net *n)
{
	return n->ops ? n->ops->features(n->transport) : 0;
}

/* Bytes of the header in front of each frame (5.1.6). */
static inline uint32_t header_bytes(struct net *n)
{
	return negotiated(n) & (FEATURE(F_VERSION_1) | FEATURE(F_MRG_RXBUF)) ? 12 : 10;
}

int link_up(const struct net *n);
/* What the driver lets the back end do: after negotiation and GUEST_OFFLOADS_SET. */
void offloads_changed(struct net *n);

/* rx.c */
int rx_receive(void *owner, const struct bp_net_packet *packet);
void rx_kick(struct net *n, unsigned pair);
void rx_forget(struct net *n);

/* tx.c */
void tx_run(struct net *n, unsigned pair);
void tx_forget(struct net *n);

/* control.c */
void control_kick(struct net *n, unsigned queue);
/* One command; the answer (5.1.6.5): 0 or 1. */
uint8_t control_command(struct net *n, const uint8_t *bytes, uint32_t len);
void control_reset(struct net *n);
int control_lets_in(const struct net *n, const uint8_t *frame, uint64_t len);

#endif
