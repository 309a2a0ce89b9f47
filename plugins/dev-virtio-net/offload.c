/* SPDX-License-Identifier: MIT */
#include "offload.h"
#include <string.h>

enum { ETHERNET = 14, VLAN_TAG = 4, TAGS_MAX = 2, IP4 = 20, IP6 = 40, TCP = 20 };
enum {
	TYPE_IP4 = 0x0800,
	TYPE_IP6 = 0x86dd,
	TYPE_VLAN = 0x8100,
	TYPE_QINQ = 0x88a8,
	PROTO_TCP = 6
};
/* Offsets in headers: RFC 791, RFC 8200, RFC 9293. */
enum {
	IP4_LENGTH = 2,
	IP4_ID = 4,
	IP4_FRAGMENT = 6,
	IP4_PROTO = 9,
	IP4_SUM = 10,
	IP4_ADDRESSES = 12
};
enum { IP6_LENGTH = 4, IP6_NEXT = 6, IP6_ADDRESSES = 8 };
enum { TCP_SEQ = 4, TCP_ACK = 8, TCP_OFFSET = 12, TCP_FLAGS = 13, TCP_WINDOW = 14, TCP_SUM = 16 };
enum { FIN = 1, PSH = 8, ACK = 0x10, CWR = 0x80 };

static uint32_t get16(const uint8_t *p)
{
	return (uint32_t)p[0] << 8 | p[1];
}

static uint32_t get32(const uint8_t *p)
{
	return get16(p) << 16 | get16(p + 2);
}

static void put16(uint8_t *p, uint32_t v)
{
	p[0] = (uint8_t)(v >> 8);
	p[1] = (uint8_t)v;
}

static void put32(uint8_t *p, uint32_t v)
{
	put16(p, v >> 16);
	put16(p + 2, v);
}

/* ---- sums (RFC 1071) ---- */

/* The sum is the same in any byte order, so it is taken in the host's, eight bytes at a time. */
static uint32_t sum(const uint8_t *p, size_t len)
{
	uint64_t s = 0;
	for (; len >= 8; p += 8, len -= 8) {
		uint64_t v;
		memcpy(&v, p, 8);
		s += (v & UINT32_MAX) + (v >> 32);
	}
	if (len) {
		uint64_t v = 0;
		memcpy(&v, p, len);
		s += (v & UINT32_MAX) + (v >> 32);
	}
	s = (s & UINT32_MAX) + (s >> 32);
	s = (s & UINT32_MAX) + (s >> 32);
	s = (s & 0xffff) + (s >> 16);
	s = (s & 0xffff) + (s >> 16);
	uint16_t host = (uint16_t)s;
	return get16((const uint8_t *)&host);
}

static uint32_t fold(uint32_t s)
{
	s = (s & 0xffff) + (s >> 16);
	return (s & 0xffff) + (s >> 16);
}

void checksum_complete(uint8_t *frame, uint32_t len, uint32_t start, uint32_t offset)
{
	put16(frame + start + offset, ~fold(sum(frame + start, len - start)));
}

static uint32_t pseudo_sum(const uint8_t *frame, const struct tcp_frame *f, uint32_t tcp_len)
{
	const uint8_t *ip = frame + f->ip;
	return fold((f->v6 ? sum(ip + IP6_ADDRESSES, 32) : sum(ip + IP4_ADDRESSES, 8)) + PROTO_TCP +
		(tcp_len & 0xffff) + (tcp_len >> 16));
}

void checksum_tcp(uint8_t *frame, const struct tcp_frame *f)
{
	put16(frame + f->tcp + TCP_SUM, pseudo_sum(frame, f, f->end - f->tcp));
	checksum_complete(frame, f->end, f->tcp, TCP_SUM);
}

int checksum_tcp_good(const uint8_t *frame, const struct tcp_frame *f)
{
	uint32_t tcp_len = f->end - f->tcp;
	return fold(pseudo_sum(frame, f, tcp_len) + sum(frame + f->tcp, tcp_len)) == 0xffff;
}

static void checksum_ip4(uint8_t *ip)
{
	put16(ip + IP4_SUM, 0);
	put16(ip + IP4_SUM, ~fold(sum(ip, IP4)));
}

/* ---- parsing ---- */

int frame_parse_tcp(const uint8_t *frame, uint32_t len, struct tcp_frame *out)
{
	uint32_t at = ETHERNET, left;
	if (len < ETHERNET)
		return -1;
	uint32_t type = get16(frame + at - 2);
	for (int tags = 0; type == TYPE_VLAN || type == TYPE_QINQ; tags++) {
		if (tags == TAGS_MAX || len < at + VLAN_TAG)
			return -1;
		at += VLAN_TAG;
		type = get16(frame + at - 2);
	}
	const uint8_t *ip = frame + at;
	left = len - at;
	out->ip = at;
	if (type == TYPE_IP4 && left >= IP4 && ip[0] == 0x45 && ip[IP4_PROTO] == PROTO_TCP &&
		!(get16(ip + IP4_FRAGMENT) & 0x3fff) && get16(ip + IP4_LENGTH) <= left) {
		out->v6 = 0;
		out->tcp = at + IP4;
		out->end = at + get16(ip + IP4_LENGTH);
	} else if (type == TYPE_IP6 && left >= IP6 && ip[0] >> 4 == 6 &&
		ip[IP6_NEXT] == PROTO_TCP && get16(ip + IP6_LENGTH) <= left - IP6) {
		out->v6 = 1;
		out->tcp = at + IP6;
		out->end = out->tcp + get16(ip + IP6_LENGTH);
	} else {
		return -1;
	}
	if (out->end < out->tcp + TCP)
		return -1;
	uint32_t header = (uint32_t)(frame[out->tcp + TCP_OFFSET] >> 4) * 4;
	out->payload = out->tcp + header;
	return header < TCP || out->payload > out->end ? -1 : 0;
}

int offload_good(const struct bp_net_offload *o, uint64_t len)
{
	unsigned gso = o->gso_type & ~(unsigned)BP_NET_GSO_ECN;
	if (o->flags & BP_NET_NEEDS_CSUM && (uint64_t)o->csum_start + o->csum_offset + 2 > len)
		return 0;
	if (gso == BP_NET_GSO_NONE)
		return 1;
	return (gso == BP_NET_GSO_TCP4 || gso == BP_NET_GSO_TCP6) && o->gso_size > 0;
}

/* ---- cutting ---- */

uint32_t segment_make(const uint8_t *frame, const struct tcp_frame *f, uint32_t gso_size,
	uint32_t at, uint8_t *out)
{
	uint32_t all = f->end - f->payload;
	uint32_t n = all - at < gso_size ? all - at : gso_size;
	struct tcp_frame s = *f;
	s.end = f->payload + n;
	memcpy(out, frame, f->payload);
	memcpy(out + f->payload, frame + f->payload + at, n);
	uint8_t *ip = out + f->ip, *tcp = out + f->tcp;
	if (f->v6) {
		put16(ip + IP6_LENGTH, s.end - f->tcp);
	} else {
		put16(ip + IP4_LENGTH, s.end - f->ip);
		put16(ip + IP4_ID, get16(ip + IP4_ID) + at / gso_size);
		checksum_ip4(ip);
	}
	put32(tcp + TCP_SEQ, get32(tcp + TCP_SEQ) + at);
	if (at + n < all)
		tcp[TCP_FLAGS] &= (uint8_t) ~(FIN | PSH);
	if (at)
		tcp[TCP_FLAGS] &= (uint8_t)~CWR; /* it is said once (RFC 3168, section 6.1.2) */
	checksum_tcp(out, &s);
	return s.end;
}

/* ---- joining ---- */

/* Equal but for what changes from segment to segment. Window: the last one's holds. */
static int same_stream(const struct join *j, const uint8_t *frame, const struct tcp_frame *f)
{
	const uint8_t *a = j->frame, *b = frame;
	if (f->ip != j->f.ip || f->payload != j->f.payload || f->v6 != j->f.v6 ||
		memcmp(a, b, f->ip) != 0)
		return 0;
	const uint8_t *x = a + f->ip, *y = b + f->ip;
	if (f->v6 ? memcmp(x, y, IP6_LENGTH) || memcmp(x + IP6_NEXT, y + IP6_NEXT, IP6 - IP6_NEXT)
		  : memcmp(x, y, IP4_LENGTH) ||
				get16(x + IP4_FRAGMENT) != get16(y + IP4_FRAGMENT) ||
				x[8] != y[8] || memcmp(x + IP4_ADDRESSES, y + IP4_ADDRESSES, 8))
		return 0;
	x = a + f->tcp;
	y = b + f->tcp;
	return !memcmp(x, y, TCP_SEQ) && !memcmp(x + TCP_ACK, y + TCP_ACK, 5) &&
		!memcmp(x + TCP, y + TCP, f->payload - f->tcp - TCP);
}

enum join_result join_add(struct join *j, const uint8_t *frame, uint32_t len, unsigned allowed)
{
	struct tcp_frame f;
	if (len > BP_NET_FRAME_MAX || frame_parse_tcp(frame, len, &f) != 0 || f.end == f.payload ||
		!(allowed & (f.v6 ? BP_NET_TSO6 : BP_NET_TSO4)))
		return JOIN_NEVER;
	uint8_t flags = frame[f.tcp + TCP_FLAGS];
	if ((flags & ~PSH) != ACK || !checksum_tcp_good(frame, &f) ||
		(!f.v6 && fold(sum(frame + f.ip, IP4)) != 0xffff))
		return JOIN_NEVER;
	uint32_t n = f.end - f.payload, seq = get32(frame + f.tcp + TCP_SEQ);
	if (j->len) {
		if (j->closed || seq != j->next_seq || n > j->gso_size ||
			j->len + n - j->f.ip > 65535 || !same_stream(j, frame, &f))
			return JOIN_NOT_NEXT;
		memcpy(j->frame + j->len, frame + f.payload, n);
		memcpy(j->frame + f.tcp + TCP_WINDOW, frame + f.tcp + TCP_WINDOW, 2);
		j->frame[f.tcp + TCP_FLAGS] |= flags;
		j->len += n;
		j->segments++;
	} else {
		memcpy(j->frame, frame, f.end);
		j->len = f.end;
		j->f = f;
		j->segments = 1;
		j->gso_size = n;
	}
	j->next_seq = seq + n;
	j->closed = n < j->gso_size || flags & PSH;
	return JOIN_TAKEN;
}

void join_finish(struct join *j, struct bp_net_offload *o)
{
	memset(o, 0, sizeof(*o));
	if (j->segments == 1) {
		o->flags = BP_NET_DATA_VALID;
		return;
	}
	j->f.end = j->len;
	if (j->f.v6) {
		put16(j->frame + j->f.ip + IP6_LENGTH, j->len - j->f.tcp);
	} else {
		put16(j->frame + j->f.ip + IP4_LENGTH, j->len - j->f.ip);
		checksum_ip4(j->frame + j->f.ip);
	}
	/* The checksum is left open, as a sender leaves it: nobody sums again what was summed here. */
	put16(j->frame + j->f.tcp + TCP_SUM, pseudo_sum(j->frame, &j->f, j->len - j->f.tcp));
	*o = (struct bp_net_offload){ .flags = BP_NET_NEEDS_CSUM,
		.gso_type = j->f.v6 ? BP_NET_GSO_TCP6 : BP_NET_GSO_TCP4,
		.hdr_len = (uint16_t)j->f.payload,
		.gso_size = (uint16_t)j->gso_size,
		.csum_start = (uint16_t)j->f.tcp,
		.csum_offset = TCP_SUM };
}
