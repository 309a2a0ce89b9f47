/* SPDX-License-Identifier: MIT */
/* The control queue (5.1.6.5), and which frames its settings let in. */
#include "net.h"
#include <string.h>

enum {
	CLASS_RX = 0,
	CLASS_MAC = 1,
	CLASS_VLAN = 2,
	CLASS_ANNOUNCE = 3,
	CLASS_MQ = 4,
	CLASS_OFFLOADS = 5
};
enum { MAC_TABLE_SET = 0, MAC_ADDR_SET = 1, VLAN_ADD = 0, VLAN_DEL = 1 };
enum { GOOD = 0, BAD = 1 };

static uint64_t get(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;
	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

static uint8_t set_mode(struct net *n, uint8_t command, const uint8_t *data, uint32_t len)
{
	uint8_t *const modes[] = { &n->promisc, &n->allmulti, &n->alluni, &n->nomulti, &n->nouni,
		&n->nobcast };
	if (command >= sizeof(modes) / sizeof(modes[0]) || len != 1)
		return BAD;
	*modes[command] = data[0] != 0;
	return GOOD;
}

/* One of the two tables; bytes it took, 0: it is malformed. */
static uint32_t read_table(struct mac_table *t, const uint8_t *data, uint32_t len)
{
	if (len < 4)
		return 0;
	uint64_t count = get(data, 4);
	if (count > (len - 4) / 6)
		return 0;
	t->full = count > MACS_MAX;
	t->count = t->full ? 0 : (uint32_t)count;
	memcpy(t->mac, data + 4, (size_t)t->count * 6);
	return 4 + (uint32_t)count * 6;
}

static uint8_t set_mac(struct net *n, uint8_t command, const uint8_t *data, uint32_t len)
{
	if (command == MAC_ADDR_SET && len == sizeof(n->mac)) {
		memcpy(n->mac, data, sizeof(n->mac));
		if (BP_HAS(n->net, address))
			n->net->address(n->port, n->mac);
		return GOOD;
	}
	struct mac_table unicast, multicast;
	if (command != MAC_TABLE_SET)
		return BAD;
	uint32_t first = read_table(&unicast, data, len);
	uint32_t second = first ? read_table(&multicast, data + first, len - first) : 0;
	if (!second || first + second != len)
		return BAD;
	n->unicast = unicast;
	n->multicast = multicast;
	return GOOD;
}

static uint8_t set_vlan(struct net *n, uint8_t command, const uint8_t *data, uint32_t len)
{
	if (len != 2 || command > VLAN_DEL)
		return BAD;
	uint32_t id = (uint32_t)get(data, 2);
	if (id >= VLANS)
		return BAD;
	uint8_t bit = (uint8_t)(1u << id % 8);
	n->vlans[id / 8] =
		command == VLAN_ADD ? n->vlans[id / 8] | bit : (uint8_t)(n->vlans[id / 8] & ~bit);
	return GOOD;
}

static uint8_t set_offloads(struct net *n, uint8_t command, const uint8_t *data, uint32_t len)
{
	const uint64_t may = FEATURE(F_GUEST_CSUM) | FEATURE(F_GUEST_TSO4) | FEATURE(F_GUEST_TSO6) |
		FEATURE(F_GUEST_ECN);
	if (command || len != 8 || get(data, 8) & ~(may & negotiated(n)))
		return BAD;
	n->guest_offloads = get(data, 8);
	offloads_changed(n);
	return GOOD;
}

uint8_t control_command(struct net *n, const uint8_t *bytes, uint32_t len)
{
	static const uint8_t feature[] = { [CLASS_RX] = F_CTRL_RX,
		[CLASS_MAC] = F_CTRL_VQ,
		[CLASS_VLAN] = F_CTRL_VLAN,
		[CLASS_ANNOUNCE] = F_GUEST_ANNOUNCE,
		[CLASS_MQ] = F_MQ,
		[CLASS_OFFLOADS] = F_CTRL_GUEST_OFFLOADS };
	if (len < 2 || bytes[0] >= sizeof(feature) || !(negotiated(n) & FEATURE(feature[bytes[0]])))
		return BAD;
	uint8_t command = bytes[1];
	const uint8_t *data = bytes + 2;
	len -= 2;
	switch (bytes[0]) {
	case CLASS_RX: return set_mode(n, command, data, len);
	case CLASS_MAC: return set_mac(n, command, data, len);
	case CLASS_VLAN: return set_vlan(n, command, data, len);
	case CLASS_ANNOUNCE: n->announce = 0; return command || len ? BAD : GOOD;
	case CLASS_MQ:
		if (command || len != 2 || !get(data, 2) || get(data, 2) > n->pairs)
			return BAD;
		n->active = (uint32_t)get(data, 2);
		return GOOD;
	default: return set_offloads(n, command, data, len);
	}
}

void control_kick(struct net *n, unsigned queue)
{
	uint8_t bytes[CONTROL_MAX];
	while (n->ops->pop(n->transport, queue, n->control) == 1) {
		const struct bp_virtio_request *r = n->control;
		uint32_t len = 0, written = 0;
		int fits = 1;
		for (uint32_t i = 0; i < r->readable && fits; i++) {
			fits = r->buffer[i].len <= sizeof(bytes) - len;
			if (fits)
				memcpy(bytes + len, r->buffer[i].data, r->buffer[i].len);
			len += fits ? r->buffer[i].len : 0;
		}
		uint8_t answer = fits ? control_command(n, bytes, len) : BAD;
		if (r->count > r->readable) {
			*(uint8_t *)r->buffer[r->readable].data = answer;
			written = 1;
		}
		n->ops->push(n->transport, queue, n->control, written);
		n->ops->notify(n->transport, queue);
	}
}

void control_reset(struct net *n)
{
	memcpy(n->mac, n->own_mac, sizeof(n->mac));
	/* A driver that has no say in it wants to hear all. */
	n->promisc = 1;
	n->allmulti = n->alluni = n->nomulti = n->nouni = n->nobcast = 0;
	n->announce = 0;
	n->active = 1;
	n->guest_offloads = 0;
	n->unicast.count = n->multicast.count = 0;
	n->unicast.full = n->multicast.full = 0;
	memset(n->vlans, 0, sizeof(n->vlans));
}

static int in_table(const struct mac_table *t, const uint8_t *mac)
{
	for (uint32_t i = 0; i < t->count; i++)
		if (!memcmp(t->mac[i], mac, 6))
			return 1;
	return t->full;
}

int control_lets_in(const struct net *n, const uint8_t *frame, uint64_t len)
{
	static const uint8_t everyone[6] = { 255, 255, 255, 255, 255, 255 };
	struct net *self = (struct net *)(uintptr_t)n;
	if (frame[12] == 0x81 && frame[13] == 0 && len >= 16 &&
		negotiated(self) & FEATURE(F_CTRL_VLAN)) {
		unsigned id = (frame[14] & 15u) << 8 | frame[15];
		if (!(n->vlans[id / 8] >> id % 8 & 1))
			return 0;
	}
	if (n->promisc)
		return 1;
	if (!memcmp(frame, everyone, 6))
		return !n->nobcast;
	if (frame[0] & 1)
		return !n->nomulti && (n->allmulti || in_table(&n->multicast, frame));
	return !n->nouni &&
		(n->alluni || !memcmp(frame, n->mac, 6) || in_table(&n->unicast, frame));
}
