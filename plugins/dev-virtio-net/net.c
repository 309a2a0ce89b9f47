/* SPDX-License-Identifier: MIT */
/* Virtio network device (Virtio 1.2, section 5.1). */
#include "net.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { STATUS_LINK_UP = 1, STATUS_ANNOUNCE = 2 };
/* Configuration space (5.1.4). */
enum { C_MAC = 0, C_STATUS = 6, C_PAIRS = 8, C_MTU = 10, C_SIZE = 12 };
enum { MTU_MIN = 68, MTU_LARGEST = 65535, DEVICE_NET = 1 };

int link_up(const struct net *n)
{
	return n->port && n->back_up && n->cable;
}

/* ---- features ---- */

static uint64_t offered(void *self)
{
	const struct net *n = self;
	/* What the back end cannot do is done here, so all of it is always on offer. */
	uint64_t f = FEATURE(F_CSUM) | FEATURE(F_GUEST_CSUM) | FEATURE(F_CTRL_GUEST_OFFLOADS) |
		FEATURE(F_MAC) | FEATURE(F_GUEST_TSO4) | FEATURE(F_GUEST_TSO6) |
		FEATURE(F_GUEST_ECN) | FEATURE(F_HOST_TSO4) | FEATURE(F_HOST_TSO6) |
		FEATURE(F_HOST_ECN) | FEATURE(F_MRG_RXBUF) | FEATURE(F_STATUS) |
		FEATURE(F_CTRL_VQ) | FEATURE(F_CTRL_RX) | FEATURE(F_CTRL_VLAN) |
		FEATURE(F_CTRL_RX_EXTRA) | FEATURE(F_GUEST_ANNOUNCE) | FEATURE(F_CTRL_MAC_ADDR);
	return f | (n->mtu ? FEATURE(F_MTU) : 0) | (n->pairs > 1 ? FEATURE(F_MQ) : 0);
}

void offloads_changed(struct net *n)
{
	static const struct {
		uint32_t gives;
		uint64_t needs;
	} map[] = { { BP_NET_CSUM, FEATURE(F_GUEST_CSUM) },
		{ BP_NET_TSO4, FEATURE(F_GUEST_CSUM) | FEATURE(F_GUEST_TSO4) },
		{ BP_NET_TSO6, FEATURE(F_GUEST_CSUM) | FEATURE(F_GUEST_TSO6) },
		{ BP_NET_TSO_ECN, FEATURE(F_GUEST_CSUM) | FEATURE(F_GUEST_ECN) } };
	uint32_t gives = 0;
	for (unsigned i = 0; i < sizeof(map) / sizeof(map[0]); i++)
		if ((n->guest_offloads & map[i].needs) == map[i].needs)
			gives |= map[i].gives;
	if (n->port)
		n->net->offload(n->port, gives & n->can_give);
}

/* ---- configuration space ---- */

static unsigned status(const struct net *n)
{
	return (link_up(n) ? STATUS_LINK_UP : 0) | (n->announce ? STATUS_ANNOUNCE : 0);
}

static void put16(uint8_t *p, unsigned v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static void config_read(void *self, uint32_t offset, void *buf, uint32_t len)
{
	const struct net *n = self;
	uint8_t c[C_SIZE];
	memcpy(c + C_MAC, n->mac, sizeof(n->mac));
	put16(c + C_STATUS, status(n));
	put16(c + C_PAIRS, n->pairs);
	put16(c + C_MTU, n->mtu);
	for (uint32_t i = 0; i < len; i++)
		((uint8_t *)buf)[i] = offset + i < C_SIZE ? c[offset + i] : 0;
}

static void config_write(void *self, uint32_t offset, const void *buf, uint32_t len)
{
	struct net *n = self;
	/* Only old drivers set the address here (5.1.4.3). */
	if (negotiated(n) & FEATURE(F_VERSION_1) || offset + len > sizeof(n->mac))
		return;
	memcpy(n->mac + offset, buf, len);
	if (n->port && BP_HAS(n->net, address))
		n->net->address(n->port, n->mac);
}

/* ---- queues ---- */

static void ready(void *owner)
{
	struct net *n = owner;
	for (unsigned i = 0; n->running && i < n->pairs; i++)
		if (n->pair[i].tx_held)
			tx_run(n, i);
}

/* With more pairs on offer but not agreed on, the control queue comes after the first pair (5.1.2). */
static unsigned control_queue(struct net *n)
{
	return negotiated(n) & FEATURE(F_MQ) ? 2 * n->pairs : 2;
}

static void kick(void *self, unsigned queue)
{
	struct net *n = self;
	if (negotiated(n) & FEATURE(F_CTRL_VQ) && queue == control_queue(n))
		control_kick(n, queue);
	else if (queue >= 2 * n->pairs)
		return;
	else if (queue & 1)
		tx_run(n, queue / 2);
	else
		rx_kick(n, queue / 2);
}

static void run(void *self, int running)
{
	struct net *n = self;
	n->running = running != 0;
	if (running) {
		n->guest_offloads = negotiated(n) &
			(FEATURE(F_GUEST_CSUM) | FEATURE(F_GUEST_TSO4) | FEATURE(F_GUEST_TSO6) |
				FEATURE(F_GUEST_ECN));
	} else {
		rx_forget(n);
		tx_forget(n);
		control_reset(n);
		if (n->port && BP_HAS(n->net, address))
			n->net->address(n->port, n->mac);
	}
	offloads_changed(n);
}

/* ---- the link ---- */

static void announce(void *self, uint64_t arg)
{
	struct net *n = self;
	(void)arg;
	if (!n->ops)
		return;
	n->announce = link_up(n) &&
		(negotiated(n) & (FEATURE(F_GUEST_ANNOUNCE) | FEATURE(F_CTRL_VQ))) ==
			(FEATURE(F_GUEST_ANNOUNCE) | FEATURE(F_CTRL_VQ));
	n->ops->config_changed(n->transport);
}

/* Whoever is at the other end now does not know where this address is. */
static void link_changed(void *owner, int up)
{
	struct net *n = owner;
	if (n->back_up == (up != 0))
		return;
	n->back_up = up != 0;
	announce(n, 0);
	if (!up)
		ready(n); /* what waits has nowhere to go */
}

static void changed(void *self, const char *prop)
{
	(void)prop; /* the cable */
	announce(self, 0);
	ready(self);
}

/* ---- life ---- */

static int attach(void *self, const struct bp_virtio_transport *ops, void *transport)
{
	struct net *n = self;
	n->ops = ops;
	n->transport = transport;
	return 0;
}

static const struct bp_net_front front = {
	.size = sizeof(front),
	.receive = rx_receive,
	.ready = ready,
	.link = link_changed,
};

static int read_mac(struct net *n, bp_error *err)
{
	unsigned b[6];
	char end;
	if (!n->mac_text) {
		/* Locally administered, from the object's name: the same in each run. */
		uint32_t hash = 2166136261u;
		for (const char *p = n->host->name_of(n); *p; p++)
			hash = (hash ^ (uint8_t)*p) * 16777619u;
		const uint8_t mac[6] = { 0x02, 0x62, 0x70, (uint8_t)(hash >> 16),
			(uint8_t)(hash >> 8), (uint8_t)hash };
		memcpy(n->own_mac, mac, sizeof(mac));
		return 0;
	}
	if (strlen(n->mac_text) != 17 ||
		sscanf(n->mac_text, "%2x:%2x:%2x:%2x:%2x:%2x%c", &b[0], &b[1], &b[2], &b[3], &b[4],
			&b[5], &end) != 6)
		return n->host->fail(err,
			"mac \"%s\": six bytes such as 52:54:00:12:34:56 are expected",
			n->mac_text);
	for (int i = 0; i < 6; i++)
		n->own_mac[i] = (uint8_t)b[i];
	if (b[0] & 1)
		return n->host->fail(err,
			"mac \"%s\" is a group address; the first byte must be even", n->mac_text);
	return 0;
}

static int plug(struct net *n, bp_error *err)
{
	struct bp_net_info info = { .size = sizeof(info) };
	if (!n->back)
		return 0; /* no cable */
	n->net = n->back->ops;
	n->port = n->net->attach(n->back->self, n, &front, err);
	if (!n->port)
		return -1;
	n->net->info(n->port, &info);
	n->takes = info.takes;
	n->can_give = info.can_give;
	n->back_up = info.up;
	if (n->mtu && info.mtu && n->mtu > info.mtu)
		return n->host->fail(err,
			"mtu = %u: the network %s takes packets of at most %u bytes", n->mtu,
			n->back->name, info.mtu);
	if (BP_HAS(n->net, address))
		n->net->address(n->port, n->mac);
	return 0;
}

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct net *n = self;
	n->host = host;
	n->device.queues = 2 * n->pairs + 1;
	if (n->mtu && (n->mtu < MTU_MIN || n->mtu > MTU_LARGEST))
		return host->fail(err, "mtu = %u: %d to %d is possible, or 0 for none", n->mtu,
			MTU_MIN, MTU_LARGEST);
	if (read_mac(n, err) != 0)
		return -1;
	control_reset(n);
	n->work = calloc(1, BP_NET_FRAME_MAX);
	n->segment = calloc(1, BP_NET_FRAME_MAX);
	n->control = calloc(1, sizeof(*n->control));
	int have = n->work && n->segment && n->control;
	for (unsigned i = 0; i < n->pairs; i++) {
		n->pair[i].rx = calloc(RX_CHAINS, sizeof(*n->pair[i].rx));
		n->pair[i].tx = calloc(1, sizeof(*n->pair[i].tx));
		have = have && n->pair[i].rx && n->pair[i].tx;
		for (unsigned k = 0; have && k < RX_CHAINS; k++)
			n->pair[i].rx[k].size = sizeof(*n->pair[i].rx);
		if (have)
			n->pair[i].tx->size = sizeof(*n->pair[i].tx);
	}
	if (!have)
		return host->fail(err, "the host has no memory for %u pairs of queues", n->pairs);
	n->control->size = sizeof(*n->control);
	return plug(n, err);
}

static void destroy(void *self)
{
	struct net *n = self;
	if (n->port)
		n->net->detach(n->port);
	for (unsigned i = 0; i < PAIRS_MAX; i++) {
		free(n->pair[i].rx);
		free(n->pair[i].tx);
	}
	free(n->work);
	free(n->segment);
	free(n->control);
}

/* Chains in hand are mapped again from the rings, which are in memory already. */
static int retake(struct net *n, struct pair *p, unsigned i)
{
	uint32_t count = p->rx_count;
	if (count > RX_CHAINS || ((count || p->tx_held) && !(n->ops && BP_HAS(n->ops, retake))))
		return -1;
	p->rx_count = 0;
	for (; p->rx_count < count; p->rx_count++)
		if (n->ops->retake(n->transport, 2 * i, p->rx_heads[p->rx_count],
			    &p->rx[p->rx_count]) != 0)
			return -1;
	int held = p->tx_held;
	p->tx_held = 0;
	if (held && n->ops->retake(n->transport, 2 * i + 1, p->tx_head, p->tx) != 0)
		return -1;
	p->tx_held = held != 0;
	return 0;
}

static void go_on(void *self, uint64_t arg)
{
	ready(self);
	announce(self, arg);
}

static int loaded(void *self, uint32_t from_version, bp_error *err)
{
	struct net *n = self;
	int bad = 0;
	(void)from_version;
	n->join.len = 0;
	for (unsigned i = 0; i < PAIRS_MAX && !bad; i++) {
		bad = i < n->pairs ? retake(n, &n->pair[i], i)
				   : n->pair[i].rx_count || n->pair[i].tx_held;
		for (unsigned k = i; bad && k < PAIRS_MAX; k++)
			n->pair[k].rx_count = n->pair[k].tx_held = 0;
	}
	if (bad)
		return n->host->fail(err, "the saved device holds a chain that is in no queue");
	if (!n->active || n->active > n->pairs || n->unicast.count > MACS_MAX ||
		n->multicast.count > MACS_MAX)
		return n->host->fail(err,
			"the saved device uses %u of %u pairs of queues, %u and "
			"%u of %d addresses",
			n->active, n->pairs, n->unicast.count, n->multicast.count, MACS_MAX);
	offloads_changed(n);
	n->host->post(n, go_on, 0);
	return 0;
}

static const void *interface(void *self, const char *id)
{
	struct net *n = self;
	if (strcmp(id, "bp.virtio-device/1") != 0)
		return NULL;
	/* Asked for before create, read after it. */
	n->device = (struct bp_virtio_device){ .size = sizeof(n->device),
		.device_id = DEVICE_NET,
		.queues = n->device.queues ? n->device.queues : 3,
		.queue_size = QUEUE_SIZE,
		.config_size = C_SIZE,
		.offered = offered,
		.attach = attach,
		.config_read = config_read,
		.config_write = config_write,
		.kick = kick,
		.run = run };
	return &n->device;
}

#define FIELD(m) (uint32_t) offsetof(struct net, m)
#define STATE(m, t)                                                                                \
	{                                                                                          \
		.name = #m, .offset = FIELD(m), .type = (t)                                        \
	}
static const char *const net_link[] = { "bp.net/1", NULL };
#define PROP(m, name, text, t) BP_PROP(struct net, m, t, name), .help = (text)
static const struct bp_field props[] = {
	{ PROP(back, "net", "the network; without one there is no cable", BP_LINK),
		.names = net_link },
	{ PROP(mac_text, "mac", "its address; by default one that follows from the object's name",
		BP_STR) },
	{ PROP(pairs, "queues", "pairs of queues", BP_U32), .flags = BP_F_RANGE, .def = 1, .min = 1,
		.max = PAIRS_MAX },
	{ PROP(mtu, "mtu", "what the driver is told, in bytes; 0: nothing", BP_U32) },
	{ PROP(want_join, "join",
		  "segments that arrive together become one, if the driver takes it", BP_BOOL),
		.def = 1 },
	{ PROP(cable, "cable", "false: as if it were pulled", BP_BOOL), .flags = BP_F_RUNTIME,
		.def = 1 },
	{ 0 },
};
static const struct bp_field pair_state[] = {
	{ BP_FIELD(struct pair, rx_count, BP_U32) },
	{ BP_FIELD(struct pair, rx_heads, BP_U32), .count = RX_CHAINS,
		.count_offset = (uint32_t)offsetof(struct pair, rx_count) },
	{ BP_FIELD(struct pair, tx_held, BP_U32) },
	{ BP_FIELD(struct pair, tx_at, BP_U32) },
	{ BP_FIELD(struct pair, tx_head, BP_U32) },
	{ 0 },
};
static const struct bp_field table_state[] = {
	{ BP_FIELD(struct mac_table, count, BP_U32) },
	{ BP_FIELD(struct mac_table, full, BP_U8) },
	{ BP_FIELD(struct mac_table, mac, BP_BYTES), .count = MACS_MAX * 6, .flags = BP_F_WHOLE },
	{ 0 },
};
static const struct bp_field state[] = {
	STATE(running, BP_U8),
	{ .name = "mac", .offset = FIELD(mac), .type = BP_BYTES, .count = 6, .flags = BP_F_WHOLE },
	STATE(promisc, BP_U8),
	STATE(allmulti, BP_U8),
	STATE(alluni, BP_U8),
	STATE(nomulti, BP_U8),
	STATE(nouni, BP_U8),
	STATE(nobcast, BP_U8),
	STATE(announce, BP_U8),
	STATE(active, BP_U32),
	STATE(guest_offloads, BP_U64),
	{ .name = "unicast",
		.offset = FIELD(unicast),
		.type = BP_STRUCT,
		.count = 1,
		.sub = table_state,
		.sub_size = sizeof(struct mac_table) },
	{ .name = "multicast",
		.offset = FIELD(multicast),
		.type = BP_STRUCT,
		.count = 1,
		.sub = table_state,
		.sub_size = sizeof(struct mac_table) },
	{ .name = "vlans",
		.offset = FIELD(vlans),
		.type = BP_BYTES,
		.count = VLANS / 8,
		.flags = BP_F_WHOLE },
	{ .name = "pair",
		.offset = FIELD(pair),
		.type = BP_STRUCT,
		.count = PAIRS_MAX,
		.flags = BP_F_WHOLE,
		.sub = pair_state,
		.sub_size = sizeof(struct pair) },
	{ 0 },
};

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct net),
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.state = state,
	.create = create,
	.destroy = destroy,
	.loaded = loaded,
	.interface = interface,
	.changed = changed,
};

static const struct bp_type types[] = {
	{ "virtio-net", "virtio network device", BP_KIND_DEVICE, 0, &object, NULL },
	{ 0 },
};

BP_PLUGIN(dev_virtio_net) = {
	BP_PLUGIN_HEAD,
	.name = "dev-virtio-net",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
