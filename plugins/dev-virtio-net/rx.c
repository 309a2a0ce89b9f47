/* SPDX-License-Identifier: MIT */
/* Frames to the driver (5.1.6.3, 5.1.6.4). Chains are taken from the ring only when a frame is there
 * for them; those that are not enough stay here until the driver gives more. */
#include "net.h"
#include <string.h>

enum outcome { DONE, WAIT };

static uint64_t capacity(const struct bp_virtio_request *r)
{
	uint64_t sum = 0;
	for (uint32_t i = r->readable; i < r->count; i++)
		sum += r->buffer[i].len;
	return sum;
}

/* Copies to a chain, `skip` bytes into the pieces. Returns how much fitted. */
static uint32_t fill(const struct bp_virtio_request *r, const struct bp_net_iov *iov,
	uint32_t count, uint64_t skip)
{
	uint32_t done = 0, i = r->readable;
	uint64_t at = 0; /* in the buffer */
	for (uint32_t k = 0; k < count && i < r->count; k++) {
		const uint8_t *p = iov[k].base;
		size_t left = iov[k].len;
		if (skip >= left) {
			skip -= left;
			continue;
		}
		p += skip;
		left -= skip;
		skip = 0;
		while (left && i < r->count) {
			const struct bp_virtio_buffer *b = &r->buffer[i];
			size_t n = left < b->len - at ? left : (size_t)(b->len - at);
			memcpy((uint8_t *)b->data + at, p, n);
			p += n;
			left -= n;
			at += n;
			done += (uint32_t)n;
			if (at == b->len) {
				at = 0;
				i++;
			}
		}
	}
	return done;
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)v;
	p[1] = (uint8_t)(v >> 8);
}

static void make_header(uint8_t *h, const struct bp_net_offload *o, uint32_t buffers)
{
	h[0] = o ? o->flags : 0;
	h[1] = o ? o->gso_type : 0;
	put16(h + 2, o ? o->hdr_len : 0);
	put16(h + 4, o ? o->gso_size : 0);
	put16(h + 6, o ? o->csum_start : 0);
	put16(h + 8, o ? o->csum_offset : 0);
	put16(h + 10, buffers);
}

static void tell(struct net *n, unsigned pair)
{
	if (n->pair[pair].rx_quiet)
		n->ops->notify(n->transport, 2 * pair);
	n->pair[pair].rx_quiet = 0;
}

static void tell_all(struct net *n)
{
	for (unsigned i = 0; i < n->pairs; i++)
		tell(n, i);
}

/* Take chains until a frame of `need` bytes fits. How many of them it needs; 0: wait for more,
 * -1: it never fits. */
static int gather(struct net *n, unsigned pair, uint64_t need)
{
	struct pair *p = &n->pair[pair];
	int merge = (negotiated(n) & FEATURE(F_MRG_RXBUF)) != 0;
	uint64_t room = 0;
	for (uint32_t i = 0;; i++) {
		if (i == (merge ? RX_CHAINS : 1))
			return -1;
		if (i == p->rx_count) {
			/* The ring has more entries than this, so its own limit is no matter. */
			if (n->ops->pop(n->transport, 2 * pair, &p->rx[i]) != 1)
				return 0;
			p->rx_heads[i] = p->rx[i].head;
			p->rx_count++;
		}
		room += capacity(&p->rx[i]);
		if (room >= need)
			return (int)i + 1;
	}
}

static enum outcome deliver(struct net *n, unsigned pair, const struct bp_net_iov *iov,
	uint32_t count, uint64_t bytes, const struct bp_net_offload *o)
{
	struct pair *p = &n->pair[pair];
	struct bp_net_iov all[1 + 16];
	uint8_t header[HEADER_MAX];
	uint32_t head = header_bytes(n);
	if (!n->running || !n->ops->queue_ready(n->transport, 2 * pair))
		return DONE; /* nobody listens */
	if (count > 16) {
		n->lost++;
		return DONE;
	}
	int chains = gather(n, pair, head + bytes);
	if (!chains) {
		tell(n, pair);
		return WAIT;
	}
	if (chains < 0) {
		if (!n->lost++)
			n->host->log(n, BP_LOG_GUEST,
				"the driver's receive buffers are too small for a frame of %u "
				"bytes; "
				"such are lost",
				(unsigned)bytes);
		return DONE;
	}
	make_header(header, o, (uint32_t)chains);
	all[0] = (struct bp_net_iov){ header, head };
	memcpy(all + 1, iov, count * sizeof(*iov));
	uint64_t done = 0;
	for (int i = 0; i < chains; i++) {
		uint32_t some = fill(&p->rx[i], all, count + 1, done);
		n->ops->push(n->transport, 2 * pair, &p->rx[i], some);
		done += some;
	}
	p->rx_count -= (uint32_t)chains;
	if (p->rx_count) {
		memmove(p->rx, p->rx + chains, p->rx_count * sizeof(*p->rx));
		memmove(p->rx_heads, p->rx_heads + chains, p->rx_count * sizeof(*p->rx_heads));
	}
	p->rx_quiet = 1;
	return DONE;
}

static enum outcome flush(struct net *n)
{
	struct bp_net_offload o;
	if (!n->join.len)
		return DONE;
	join_finish(&n->join, &o);
	const struct bp_net_iov iov = { n->join.frame, n->join.len };
	if (deliver(n, n->join_pair, &iov, 1, n->join.len, &o) == WAIT) {
		n->join.closed = 1;
		return WAIT;
	}
	n->join.len = 0;
	return DONE;
}

/* One stream always takes the same queue, so that it stays in order. */
static unsigned choose(const struct net *n, const uint8_t *frame, uint64_t len)
{
	struct tcp_frame f;
	uint32_t hash = 2166136261u;
	if (n->active < 2 || frame_parse_tcp(frame, (uint32_t)len, &f) != 0)
		return 0;
	uint32_t addresses = f.v6 ? 32 : 8;
	for (uint32_t i = f.tcp - addresses; i < f.tcp + 4; i++)
		hash = (hash ^ frame[i]) * 16777619u;
	return hash % n->active;
}

static unsigned joinable(const struct net *n)
{
	uint64_t g = n->guest_offloads;
	if (!n->want_join || !(g & FEATURE(F_GUEST_CSUM)))
		return 0;
	return (g & FEATURE(F_GUEST_TSO4) ? BP_NET_TSO4 : 0) |
		(g & FEATURE(F_GUEST_TSO6) ? BP_NET_TSO6 : 0);
}

static enum outcome take(struct net *n, const struct bp_net_packet *packet)
{
	const uint8_t *frame = packet->iov[0].base;
	uint64_t whole =
		packet->iov_count == 1 ? packet->bytes : 0; /* else it is not looked into */
	unsigned pair = choose(n, frame, whole), allowed = joinable(n);
	if (allowed && whole && !packet->offload) {
		enum join_result r = join_add(&n->join, frame, (uint32_t)whole, allowed);
		if (r == JOIN_NOT_NEXT) {
			if (flush(n) == WAIT)
				return WAIT;
			r = join_add(&n->join, frame, (uint32_t)whole, allowed);
		}
		if (r == JOIN_TAKEN) {
			if (n->join.segments == 1)
				n->join_pair = pair;
			return DONE;
		}
	}
	if (flush(n) == WAIT) /* what came before comes first */
		return WAIT;
	return deliver(n, pair, packet->iov, packet->iov_count, packet->bytes, packet->offload);
}

int rx_receive(void *owner, const struct bp_net_packet *packet)
{
	struct net *n = owner;
	if (packet->bytes < BP_NET_FRAME_MIN || packet->bytes > BP_NET_FRAME_MAX ||
		!packet->iov_count || packet->iov[0].len < BP_NET_FRAME_MIN) {
		n->lost++;
		return BP_NET_TAKEN;
	}
	/* Without a cable, or a driver, nobody hears it. */
	if (!n->running || !link_up(n) ||
		!control_lets_in(n, packet->iov[0].base, packet->iov[0].len))
		return BP_NET_TAKEN;
	enum outcome r = take(n, packet);
	if (r == DONE && !(packet->flags & BP_NET_MORE)) {
		flush(n); /* if it cannot be now: rx_kick */
		tell_all(n);
	}
	if (r == WAIT)
		n->back_waits = 1;
	return r == DONE ? BP_NET_TAKEN : BP_NET_FULL;
}

void rx_kick(struct net *n, unsigned pair)
{
	(void)pair;
	if (flush(n) == WAIT)
		return;
	tell_all(n);
	if (n->back_waits) {
		n->back_waits = 0;
		n->net->ready(n->port);
	}
}

void rx_forget(struct net *n)
{
	for (unsigned i = 0; i < n->pairs; i++) {
		struct pair *p = &n->pair[i];
		for (uint32_t k = 0; k < p->rx_count; k++)
			n->ops->release(n->transport, &p->rx[k]);
		p->rx_count = 0;
		p->rx_quiet = 0;
	}
	n->join.len = 0;
	/* Frames that wait at the back end are for nobody now: it shall try, and lose them. */
	if (n->back_waits) {
		n->back_waits = 0;
		n->net->ready(n->port);
	}
}
