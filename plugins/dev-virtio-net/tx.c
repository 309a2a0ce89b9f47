/* SPDX-License-Identifier: MIT */
/* Frames from the driver (5.1.6.2). What the back end does not take of the work, is done here. */
#include "net.h"
#include <string.h>

static uint16_t get16(const uint8_t *p)
{
	return (uint16_t)(p[0] | p[1] << 8);
}

struct frame { /* of one chain */
	struct bp_net_iov iov[BP_VIRTIO_MAX_BUFFERS];
	uint32_t count;
	uint64_t bytes;
	struct bp_net_offload offload;
};

/* The header, and the pieces behind it; -1: there is no frame that could be sent. */
static int read_chain(const struct bp_virtio_request *r, uint32_t head, struct frame *f)
{
	uint8_t h[HEADER_MAX] = { 0 };
	uint32_t have = 0;
	f->count = 0;
	f->bytes = 0;
	for (uint32_t i = 0; i < r->readable; i++) {
		const uint8_t *p = r->buffer[i].data;
		uint32_t len = r->buffer[i].len;
		uint32_t n = head - have < len ? head - have : len;
		memcpy(h + have, p, n);
		have += n;
		if (n == len)
			continue;
		f->iov[f->count++] = (struct bp_net_iov){ p + n, len - n };
		f->bytes += len - n;
	}
	if (have < head || f->bytes < BP_NET_FRAME_MIN || f->bytes > BP_NET_FRAME_MAX)
		return -1;
	f->offload = (struct bp_net_offload){ .flags = h[0] & BP_NET_NEEDS_CSUM,
		.gso_type = h[1],
		.hdr_len = get16(h + 2),
		.gso_size = get16(h + 4),
		.csum_start = get16(h + 6),
		.csum_offset = get16(h + 8) };
	return offload_good(&f->offload, f->bytes) ? 0 : -1;
}

static int send(struct net *n, const struct bp_net_iov *iov, uint32_t count, uint64_t bytes,
	const struct bp_net_offload *o, int more)
{
	struct bp_net_packet p = { .size = sizeof(p),
		.flags = more ? BP_NET_MORE : 0,
		.iov_count = count,
		.bytes = bytes,
		.iov = iov,
		.offload = o };
	return n->net->send(n->port, &p);
}

static unsigned needs(const struct bp_net_offload *o)
{
	unsigned gso = o->gso_type & ~(unsigned)BP_NET_GSO_ECN, want = 0;
	if (gso)
		want = gso == BP_NET_GSO_TCP4 ? BP_NET_TSO4 : BP_NET_TSO6;
	if (gso && o->gso_type & BP_NET_GSO_ECN)
		want |= BP_NET_TSO_ECN;
	return want;
}

/* All pieces into one; the guest may still write to its memory, so that only the copy is looked at. */
static uint32_t flatten(const struct frame *f, uint8_t *out)
{
	uint32_t at = 0;
	for (uint32_t i = 0; i < f->count; i++) {
		memcpy(out + at, f->iov[i].base, f->iov[i].len);
		at += (uint32_t)f->iov[i].len;
	}
	return at;
}

/* A long frame, one segment at a time; how far it came is in tx_at. */
static int send_segments(
	struct net *n, struct pair *p, const struct tcp_frame *t, uint32_t gso_size)
{
	uint32_t all = t->end - t->payload;
	while (p->tx_at < all) {
		uint32_t len = segment_make(n->work, t, gso_size, p->tx_at, n->segment);
		uint32_t next = p->tx_at + gso_size;
		const struct bp_net_iov iov = { n->segment, len };
		if (send(n, &iov, 1, len, NULL, next < all) == BP_NET_FULL)
			return BP_NET_FULL;
		p->tx_at = next;
	}
	return BP_NET_TAKEN;
}

static int send_long(struct net *n, struct pair *p, const struct frame *f, uint32_t len)
{
	struct tcp_frame t;
	struct bp_net_offload o = f->offload;
	const struct bp_net_iov iov = { n->work, len };
	int want4 = (o.gso_type & ~BP_NET_GSO_ECN) == BP_NET_GSO_TCP4;
	if (frame_parse_tcp(n->work, len, &t) != 0 || t.v6 == want4)
		return BP_NET_TAKEN; /* not what its header says: nobody could send it */
	if ((needs(&o) & n->takes) != needs(&o) && t.end > t.payload)
		return send_segments(n, p, &t, o.gso_size);
	o.flags = 0;
	checksum_tcp(n->work, &t);
	return send(n, &iov, 1, len, &o, 0);
}

static int send_frame(struct net *n, struct pair *p, const struct frame *f)
{
	const struct bp_net_offload *o = &f->offload;
	unsigned want = needs(o) | (o->flags & BP_NET_NEEDS_CSUM ? BP_NET_CSUM : 0);
	if (!want)
		return send(n, f->iov, f->count, f->bytes, NULL, 0);
	if ((want & n->takes) == want)
		return send(n, f->iov, f->count, f->bytes, o, 0);
	uint32_t len = flatten(f, n->work);
	if (needs(o))
		return send_long(n, p, f, len);
	checksum_complete(n->work, len, o->csum_start, o->csum_offset);
	const struct bp_net_iov iov = { n->work, len };
	return send(n, &iov, 1, len, NULL, 0);
}

void tx_run(struct net *n, unsigned pair)
{
	struct pair *p = &n->pair[pair];
	struct frame f;
	unsigned queue = 2 * pair + 1;
	uint32_t head = header_bytes(n);
	/* What a back end answers inside send may come here again: the chain in hand is not done. */
	if (p->tx_held > 1)
		return;
	for (;;) {
		if (!p->tx_held) {
			if (n->ops->pop(n->transport, queue, p->tx) != 1)
				return;
			p->tx_head = p->tx->head;
			p->tx_at = 0;
		}
		p->tx_held = 2;
		int taken = BP_NET_TAKEN;
		if (link_up(n) && read_chain(p->tx, head, &f) == 0)
			taken = send_frame(n, p, &f);
		p->tx_held = taken == BP_NET_FULL;
		if (p->tx_held)
			return; /* ready() brings us back */
		n->ops->push(n->transport, queue, p->tx, 0);
		n->ops->notify(n->transport, queue);
	}
}

void tx_forget(struct net *n)
{
	for (unsigned i = 0; i < n->pairs; i++) {
		if (n->pair[i].tx_held)
			n->ops->release(n->transport, n->pair[i].tx);
		n->pair[i].tx_held = 0;
	}
}
