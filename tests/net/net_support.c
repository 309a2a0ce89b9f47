/* SPDX-License-Identifier: MIT */
#include "net_support.h"
#include <string.h>

struct side *side_new(void)
{
	struct side *s = g_new0(struct side, 1);
	s->frames = g_ptr_array_new_with_free_func((GDestroyNotify)g_byte_array_unref);
	s->offloads = g_array_new(FALSE, TRUE, sizeof(struct bp_net_offload));
	s->room = UINT_MAX;
	s->link = -1;
	s->info = (struct bp_net_info){ .up = 1 };
	return s;
}

void side_free(struct side *s)
{
	g_ptr_array_free(s->frames, TRUE);
	g_array_free(s->offloads, TRUE);
	g_free(s);
}

const GByteArray *side_frame(const struct side *s, unsigned n)
{
	g_assert_cmpuint(n, <, s->frames->len);
	return g_ptr_array_index(s->frames, n);
}

static int take(void *self, const struct bp_net_packet *p)
{
	struct side *s = self;
	struct bp_net_offload o = { 0 };
	if (!s->room) {
		s->refused++;
		return BP_NET_FULL;
	}
	if (s->room != UINT_MAX)
		s->room--;
	s->more += p->flags & BP_NET_MORE;
	GByteArray *frame = g_byte_array_new();
	for (uint32_t i = 0; i < p->iov_count; i++)
		g_byte_array_append(frame, p->iov[i].base, (guint)p->iov[i].len);
	g_assert_cmpuint(frame->len, ==, p->bytes);
	g_ptr_array_add(s->frames, frame);
	if (p->offload)
		o = *p->offload;
	g_array_append_val(s->offloads, o);
	return BP_NET_TAKEN;
}

static void ready(void *self)
{
	((struct side *)self)->ready++;
}

static void link_said(void *self, int up)
{
	((struct side *)self)->link = up;
}

const struct bp_net_front side_front = {
	.size = sizeof(side_front),
	.receive = take,
	.ready = ready,
	.link = link_said,
};

static void *attach(void *back, void *owner, const struct bp_net_front *front, bp_error *err)
{
	struct side *s = back;
	(void)err;
	s->owner = owner;
	s->front = front;
	return s;
}

static void detach(void *port)
{
	((struct side *)port)->front = NULL;
}

static void info(void *port, struct bp_net_info *out)
{
	struct side *s = port;
	s->info.size = out->size;
	*out = s->info;
}

static void offload(void *port, uint32_t gives)
{
	((struct side *)port)->gives = gives;
}

static void address(void *port, const uint8_t mac[6])
{
	memcpy(((struct side *)port)->mac, mac, 6);
}

const struct bp_net side_net = {
	.size = sizeof(side_net),
	.attach = attach,
	.detach = detach,
	.info = info,
	.send = take,
	.ready = ready,
	.offload = offload,
	.address = address,
};

/* ---- frames ---- */

static const uint8_t ethernet[12] = { 2, 0, 0, 0, 0, 2, 2, 0, 0, 0, 0, 1 };

GByteArray *frame_new(unsigned len, uint8_t fill)
{
	GByteArray *f = g_byte_array_new();
	g_byte_array_set_size(f, len);
	for (unsigned i = 0; i < len; i++)
		f->data[i] = (uint8_t)(fill + i * 7);
	if (len)
		memcpy(f->data, ethernet, MIN(len, sizeof(ethernet)));
	if (len >= 14)
		memcpy(f->data + 12, "\x88\xb5", 2); /* for experiments */
	return f;
}

static void put(uint8_t *p, unsigned bytes, uint32_t v)
{
	while (bytes--)
		*p++ = (uint8_t)(v >> 8 * bytes);
}

/* Plainly, two bytes at a time: the code under test does it otherwise. */
static uint32_t plain_sum(const uint8_t *p, unsigned len, uint32_t start)
{
	uint32_t s = start;
	for (unsigned i = 0; i < len; i++)
		s += i & 1 ? p[i] : (uint32_t)p[i] << 8;
	while (s >> 16)
		s = (s & 0xffff) + (s >> 16);
	return s;
}

GByteArray *frame_tcp(int v6, uint32_t seq, unsigned flags, unsigned payload, uint8_t fill)
{
	unsigned ip = 14, tcp = ip + (v6 ? 40 : 20), data = tcp + 20, len = data + payload;
	GByteArray *f = frame_new(len, fill);
	uint8_t *p = f->data;
	memset(p + ip, 0, data - ip);
	put(p + 12, 2, v6 ? 0x86dd : 0x0800);
	if (v6) {
		put(p + ip, 4, 0x60000000);
		put(p + ip + 4, 2, 20 + payload);
		p[ip + 6] = 6;
		p[ip + 7] = 64;
		p[ip + 8 + 15] = 1;
		p[ip + 24 + 15] = 2;
	} else {
		p[ip] = 0x45;
		put(p + ip + 2, 2, len - ip);
		p[ip + 8] = 64;
		p[ip + 9] = 6;
		put(p + ip + 12, 4, 0x0a000202);
		put(p + ip + 16, 4, 0x0a00020f);
		put(p + ip + 10, 2, ~plain_sum(p + ip, 20, 0));
	}
	put(p + tcp, 2, 80);
	put(p + tcp + 2, 2, 40000);
	put(p + tcp + 4, 4, seq);
	put(p + tcp + 8, 4, 77);
	p[tcp + 12] = 5 << 4;
	p[tcp + 13] = (uint8_t)flags;
	put(p + tcp + 14, 2, 8192);
	uint32_t pseudo = plain_sum(v6 ? p + ip + 8 : p + ip + 12, v6 ? 32 : 8, 6 + 20 + payload);
	put(p + tcp + 16, 2, ~plain_sum(p + tcp, 20 + payload, pseudo));
	return f;
}

int net_send(const struct bp_net *net, void *port, const GByteArray *frame, unsigned flags)
{
	unsigned half = MIN(frame->len, 20);
	const struct bp_net_iov iov[] = { { frame->data, half },
		{ half ? frame->data + half : NULL, frame->len - half } };
	const struct bp_net_packet p = {
		.size = sizeof(p), .flags = flags, .iov_count = 2, .bytes = frame->len, .iov = iov
	};
	return net->send(port, &p);
}

int front_give(const struct bp_net_front *front, void *owner, const GByteArray *frame,
	unsigned flags, const struct bp_net_offload *o)
{
	const struct bp_net_iov iov = { frame->data, frame->len };
	const struct bp_net_packet p = { .size = sizeof(p),
		.flags = flags,
		.iov_count = 1,
		.bytes = frame->len,
		.iov = &iov,
		.offload = o };
	return front->receive(owner, &p);
}
