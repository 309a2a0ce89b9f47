/* SPDX-License-Identifier: MIT */
/* virtio-net behind a transport whose driver is this test: chains are buffers of the test's. */
#include "dev-virtio-net/net.h"
#include "fake_virtio.h"
#include "net_support.h"
#include <string.h>

extern const struct bp_plugin bp_plugin_1_dev_virtio_net;

enum { RX = 0, TX = 1, ACK = 0x10 };

static struct side *back;
static struct bp_link back_link;

/* ---- the driver ---- */

static struct chain *offer(unsigned queue, GByteArray *out, unsigned room, unsigned piece)
{
	struct chain *c =
		fake_offer(queue, out ? out->data : NULL, out ? out->len : 0, room, piece);
	if (out)
		g_byte_array_unref(out);
	return c;
}

static void begin(uint64_t driver, uint32_t takes, unsigned pairs)
{
	back = side_new();
	back->info.takes = takes;
	back->info.can_give = takes;
	back_link = (struct bp_link){ sizeof(back_link), 0, back, &side_net, "back" };
	void *self = fake_new(&bp_plugin_1_dev_virtio_net, "virtio-net");
	fake_set(self, "net", (uint64_t)(uintptr_t)&back_link);
	fake_set(self, "mac", (uint64_t)(uintptr_t) "02:00:00:00:00:02");
	fake_set(self, "queues", pairs);
	g_assert_cmpint(fake_create(self), ==, 0);
	fake_virtio_begin(self, driver);
	g_assert_cmpuint(virtio.dev->queues, ==, 2 * pairs + 1);
}

static void end(void)
{
	void *self = virtio.self;
	fake_virtio_end();
	fake_free(self);
	side_free(back);
}

static int give(const GByteArray *frame, unsigned flags)
{
	return front_give(back->front, back->owner, frame, flags, NULL);
}

static void send(GByteArray *frame, const struct bp_net_offload *o, unsigned piece)
{
	GByteArray *out = g_byte_array_new();
	struct bp_net_offload head = { 0 };
	if (o)
		head = *o;
	g_byte_array_append(out, (const guint8 *)&head, 12);
	g_byte_array_append(out, frame->data, frame->len);
	offer(TX, out, 0, piece);
	virtio.dev->kick(virtio.self, TX);
}

/* A command on the control queue; the answer. */
static int command_on(unsigned queue, const void *bytes, unsigned len)
{
	GByteArray *out = g_byte_array_new();
	g_byte_array_append(out, bytes, len);
	struct chain *c = offer(queue, out, 1, 16);
	c->in[0] = 0xee;
	virtio.dev->kick(virtio.self, queue);
	g_assert_cmpuint(c->written, ==, 1);
	return c->in[0];
}
#define COMMAND(...)                                                                               \
	command_on(2, (const uint8_t[]){ __VA_ARGS__ }, sizeof((const uint8_t[]){ __VA_ARGS__ }))

/* ---- frames ---- */

static void test_transmit(void)
{
	GByteArray *f = frame_new(1514, 4);
	begin(0, 0, 1);
	static const unsigned pieces[] = { 4096, 12, 13, 20, 1000 };
	for (unsigned i = 0; i < G_N_ELEMENTS(pieces); i++) { /* any layout (2.7.4.3) */
		send(f, NULL, MAX(pieces[i], 1526 / 120));
		g_assert_cmpuint(back->frames->len, ==, i + 1);
		g_assert_cmpmem(
			side_frame(back, i)->data, side_frame(back, i)->len, f->data, f->len);
		g_assert_cmpuint(virtio.notified[TX], ==, i + 1);
	}
	/* Too short, and with headers that make no sense: gone, and the chain comes back. */
	struct bp_net_offload wild = { .flags = 1, .csum_start = 65000, .csum_offset = 65000 };
	send(f, &wild, 4096);
	wild = (struct bp_net_offload){ .gso_type = 77, .gso_size = 1 };
	send(f, &wild, 4096);
	wild = (struct bp_net_offload){ .gso_type = BP_NET_GSO_TCP4, .gso_size = 100 };
	send(f, &wild, 4096); /* no TCP at all */
	g_byte_array_set_size(f, 13);
	send(f, NULL, 4096);
	GByteArray *stub = g_byte_array_new();
	g_byte_array_append(stub, f->data, 5);
	offer(TX, stub, 0, 4096);
	offer(TX, NULL, 0, 1);
	virtio.dev->kick(virtio.self, TX);
	g_assert_cmpuint(back->frames->len, ==, 5);
	g_assert_cmpuint(virtio.used[TX]->len, ==, 11);
	end();
	g_byte_array_unref(f);
}

static void test_transmit_waits(void)
{
	GByteArray *f = frame_new(60, 4), *tcp = frame_tcp(0, 1, ACK, 4000, 1);
	struct bp_net_offload o = { .flags = BP_NET_NEEDS_CSUM,
		.gso_type = BP_NET_GSO_TCP4,
		.gso_size = 1000,
		.csum_start = 34,
		.csum_offset = 16 };
	begin(FEATURE(F_CSUM) | FEATURE(F_HOST_TSO4), 0, 1);
	back->room = 2;
	send(tcp, &o, 4096); /* four segments, two fit */
	send(f, NULL, 4096);
	g_assert_cmpuint(back->frames->len, ==, 2);
	g_assert_cmpuint(virtio.used[TX]->len, ==, 0);
	back->room = 1;
	back->front->ready(back->owner);
	g_assert_cmpuint(back->frames->len, ==, 3);
	back->room = UINT_MAX;
	back->front->ready(back->owner);
	g_assert_cmpuint(back->frames->len, ==, 5);
	g_assert_cmpuint(virtio.used[TX]->len, ==, 2);
	for (unsigned i = 0; i < 4; i++) {
		struct tcp_frame t;
		const GByteArray *s = side_frame(back, i);
		g_assert_cmpint(frame_parse_tcp(s->data, s->len, &t), ==, 0);
		g_assert_true(checksum_tcp_good(s->data, &t));
		g_assert_cmpmem(
			s->data + t.payload, t.end - t.payload, tcp->data + 54 + 1000 * i, 1000);
	}
	/* A reset in the midst of it lets go of the chain. */
	back->room = 0;
	send(f, NULL, 4096);
	g_assert_cmpuint(virtio.used[TX]->len, ==, 2);
	end();
	g_byte_array_unref(f);
	g_byte_array_unref(tcp);
}

static void test_offload_passes(void)
{
	GByteArray *tcp = frame_tcp(1, 1, ACK, 4000, 1);
	struct bp_net_offload o = { .flags = BP_NET_NEEDS_CSUM,
		.gso_type = BP_NET_GSO_TCP6,
		.gso_size = 1000,
		.csum_start = 54,
		.csum_offset = 16 };
	struct tcp_frame t;
	begin(FEATURE(F_CSUM) | FEATURE(F_HOST_TSO6), BP_NET_CSUM | BP_NET_TSO6, 1);
	send(tcp, &o, 4096);
	g_assert_cmpuint(back->frames->len, ==, 1);
	g_assert_cmpuint(
		g_array_index(back->offloads, struct bp_net_offload, 0).gso_size, ==, 1000);
	end();
	/* One that cuts but does not sum gets the sum of the whole. */
	begin(FEATURE(F_CSUM) | FEATURE(F_HOST_TSO6), BP_NET_TSO6, 1);
	tcp->data[54 + 16] = 0;
	send(tcp, &o, 4096);
	const GByteArray *s = side_frame(back, 0);
	g_assert_cmpint(frame_parse_tcp(s->data, s->len, &t), ==, 0);
	g_assert_true(checksum_tcp_good(s->data, &t));
	g_assert_cmpuint(g_array_index(back->offloads, struct bp_net_offload, 0).flags, ==, 0);
	end();
	g_byte_array_unref(tcp);
}

static void test_receive(void)
{
	GByteArray *f = frame_new(1514, 4);
	begin(0, 0, 1);
	g_assert_cmpint(give(f, 0), ==, BP_NET_FULL); /* no buffers */
	virtio.dev->kick(virtio.self, RX);
	g_assert_cmpuint(back->ready, ==, 1);
	struct chain *c = offer(RX, NULL, 1526, 100);
	g_assert_cmpint(give(f, 0), ==, BP_NET_TAKEN);
	g_assert_cmpuint(c->written, ==, 1526);
	g_assert_cmpmem(c->in + 12, 1514, f->data, 1514);
	g_assert_cmpuint(c->in[10], ==, 1);
	g_assert_cmpuint(virtio.notified[RX], ==, 1);
	/* Not mergeable: what does not fit one chain is lost, and said; the chain is not. */
	c = offer(RX, NULL, 1000, 1000);
	g_assert_cmpint(give(f, 0), ==, BP_NET_TAKEN);
	g_assert_nonnull(strstr(fake.message, "too small"));
	g_byte_array_set_size(f, 500);
	g_assert_cmpint(give(f, 0), ==, BP_NET_TAKEN);
	g_assert_cmpuint(c->written, ==, 512);
	g_byte_array_set_size(f, 13);
	g_assert_cmpint(give(f, 0), ==, BP_NET_TAKEN);
	g_byte_array_set_size(f, BP_NET_FRAME_MAX + 1);
	g_assert_cmpint(give(f, 0), ==, BP_NET_TAKEN);
	g_assert_cmpuint(virtio.used[RX]->len, ==, 2);
	end();
	g_byte_array_unref(f);
}

static void test_mergeable(void)
{
	GByteArray *f = frame_new(3000, 4), *whole = g_byte_array_new();
	begin(FEATURE(F_MRG_RXBUF), 0, 1);
	offer(RX, NULL, 1000, 300);
	offer(RX, NULL, 1000, 1000);
	g_assert_cmpint(give(f, 0), ==, BP_NET_FULL); /* two of the four that it needs */
	g_assert_cmpuint(virtio.used[RX]->len, ==, 0);
	offer(RX, NULL, 1000, 1000);
	offer(RX, NULL, 1000, 1000);
	g_assert_cmpint(give(f, 0), ==, BP_NET_TAKEN);
	g_assert_cmpuint(virtio.used[RX]->len, ==, 4);
	for (unsigned i = 0; i < 4; i++) {
		const struct chain *c = g_ptr_array_index(virtio.used[RX], i);
		g_byte_array_append(whole, c->in, c->written);
	}
	g_assert_cmpuint(whole->data[10], ==, 4); /* num_buffers */
	g_assert_cmpmem(whole->data + 12, whole->len - 12, f->data, 3000);
	/* Buffers of a byte each: such a frame never fits, and nothing is waited for. */
	for (unsigned i = 0; i < 200; i++)
		offer(RX, NULL, 1, 1);
	g_assert_cmpint(give(f, 0), ==, BP_NET_TAKEN);
	g_assert_cmpuint(virtio.used[RX]->len, ==, 4);
	end();
	g_byte_array_unref(f);
	g_byte_array_unref(whole);
}

static void test_join(void)
{
	begin(FEATURE(F_MRG_RXBUF) | FEATURE(F_GUEST_CSUM) | FEATURE(F_GUEST_TSO4), 0, 1);
	for (unsigned i = 0; i < 4; i++) {
		GByteArray *f = frame_tcp(0, 1 + i * 1000, ACK, 1000, 1);
		if (i == 2) /* what was joined finds no buffers when the burst ends */
			g_assert_cmpint(give(f, 0), ==, BP_NET_TAKEN);
		else if (i == 3)
			g_assert_cmpint(give(f, 0), ==, BP_NET_FULL);
		else
			g_assert_cmpint(give(f, BP_NET_MORE), ==, BP_NET_TAKEN);
		g_byte_array_unref(f);
	}
	struct chain *c = offer(RX, NULL, 8192, 8192);
	virtio.dev->kick(virtio.self, RX);
	g_assert_cmpuint(back->ready, ==, 1);
	g_assert_cmpuint(c->written, ==, 12 + 54 + 3000);
	g_assert_cmpuint(c->in[1], ==, BP_NET_GSO_TCP4);
	g_assert_cmpuint(c->in[4] | c->in[5] << 8, ==, 1000);
	g_assert_cmpuint(virtio.notified[RX], ==, 1);
	end();
	/* A driver that did not ask for it gets them as they are. */
	begin(FEATURE(F_MRG_RXBUF), 0, 1);
	offer(RX, NULL, 8192, 8192);
	GByteArray *f = frame_tcp(0, 1, ACK, 1000, 1);
	g_assert_cmpint(give(f, BP_NET_MORE), ==, BP_NET_TAKEN);
	g_assert_cmpuint(virtio.used[RX]->len, ==, 1);
	g_byte_array_unref(f);
	end();
}

/* ---- control ---- */

static unsigned heard(const uint8_t *to, int vlan)
{
	GByteArray *f = frame_new(100, 1);
	unsigned before = virtio.used[RX]->len;
	memcpy(f->data, to, 6);
	if (vlan >= 0) {
		const uint8_t tag[] = { 0x81, 0, (uint8_t)(vlan >> 8), (uint8_t)vlan };
		memcpy(f->data + 12, tag, 4);
	}
	offer(RX, NULL, 200, 200);
	give(f, 0);
	g_byte_array_unref(f);
	return virtio.used[RX]->len - before;
}

static void test_filters(void)
{
	static const uint8_t own[] = { 2, 0, 0, 0, 0, 2 }, other[] = { 2, 0, 0, 0, 0, 3 },
			     all[] = { 255, 255, 255, 255, 255, 255 },
			     group[] = { 1, 0, 0x5e, 0, 0, 1 };
	begin(FEATURE(F_CTRL_VQ) | FEATURE(F_CTRL_RX) | FEATURE(F_CTRL_RX_EXTRA) |
			FEATURE(F_CTRL_VLAN) | FEATURE(F_CTRL_MAC_ADDR),
		0, 1);
	g_assert_cmpuint(heard(other, -1), ==, 1); /* promiscuous until told otherwise */
	g_assert_cmpint(COMMAND(0, 0, 0), ==, 0);
	g_assert_cmpuint(heard(own, -1) + heard(all, -1), ==, 2);
	g_assert_cmpuint(heard(other, -1) + heard(group, -1), ==, 0);
	g_assert_cmpint(COMMAND(0, 1, 1), ==, 0);
	g_assert_cmpuint(heard(group, -1), ==, 1);
	g_assert_cmpint(COMMAND(0, 1, 0), ==, 0);
	g_assert_cmpint(
		COMMAND(1, 0, 1, 0, 0, 0, 2, 0, 0, 0, 0, 3, 1, 0, 0, 0, 1, 0, 0x5e, 0, 0, 1), ==,
		0);
	g_assert_cmpuint(heard(other, -1) + heard(group, -1), ==, 2);
	g_assert_cmpint(COMMAND(1, 1, 2, 0, 0, 0, 0, 9), ==, 0);
	g_assert_cmpuint(back->mac[5], ==, 9);
	g_assert_cmpuint(heard(own, -1), ==, 0);
	g_assert_cmpuint(heard(other, 5), ==, 0); /* no such VLAN yet */
	g_assert_cmpint(COMMAND(2, 0, 5, 0), ==, 0);
	g_assert_cmpuint(heard(other, 5), ==, 1);
	g_assert_cmpint(COMMAND(2, 1, 5, 0), ==, 0);
	g_assert_cmpuint(heard(other, 5), ==, 0);
	g_assert_cmpint(COMMAND(0, 5, 1), ==, 0);
	g_assert_cmpuint(heard(all, -1), ==, 0);
	end();
}

static void test_bad_commands(void)
{
	begin(FEATURE(F_CTRL_VQ) | FEATURE(F_CTRL_RX), 0, 1);
	g_assert_cmpint(COMMAND(0), ==, 1);
	g_assert_cmpint(COMMAND(0, 0), ==, 1);
	g_assert_cmpint(COMMAND(0, 6, 1), ==, 1);
	g_assert_cmpint(COMMAND(2, 0, 5, 0), ==, 1); /* not negotiated */
	g_assert_cmpint(COMMAND(9, 9, 9), ==, 1);
	g_assert_cmpint(COMMAND(1, 0, 255, 255, 255, 255), ==, 1);
	g_assert_cmpint(COMMAND(1, 0, 0, 0, 0, 0), ==, 1);
	g_assert_cmpint(COMMAND(1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1), ==, 1);
	g_assert_cmpint(COMMAND(1, 1, 2, 0, 0, 0, 0), ==, 1);
	g_assert_cmpint(COMMAND(4, 0, 1, 0), ==, 1);
	g_assert_cmpint(COMMAND(5, 0, 1, 0, 0, 0, 0, 0, 0, 0), ==, 1);
	uint8_t *long_one = g_malloc0(7000);
	GByteArray *out = g_byte_array_new();
	g_byte_array_append(out, long_one, 7000);
	struct chain *c = offer(2, out, 1, 4096);
	virtio.dev->kick(virtio.self, 2);
	g_assert_cmpuint(c->in[0], ==, 1);
	offer(2, NULL, 0, 1); /* nothing in it, no room for an answer */
	virtio.dev->kick(virtio.self, 2);
	g_assert_cmpuint(virtio.used[2]->len, ==, 13);
	g_free(long_one);
	end();
}

static void test_queues(void)
{
	unsigned total = 0;
	begin(FEATURE(F_CTRL_VQ) | FEATURE(F_MQ), 0, 4);
	const uint8_t four[] = { 4, 0, 4, 0 }, five[] = { 4, 0, 5, 0 }, none[] = { 4, 0, 0, 0 };
	g_assert_cmpint(command_on(8, five, 4), ==, 1);
	g_assert_cmpint(command_on(8, none, 4), ==, 1);
	g_assert_cmpint(command_on(8, four, 4), ==, 0);
	for (unsigned pair = 0; pair < 4; pair++)
		for (unsigned i = 0; i < 64; i++)
			offer(2 * pair, NULL, 2000, 2000);
	for (unsigned flow = 0; flow < 64; flow++) {
		GByteArray *f = frame_tcp(0, 1, ACK, 100, 1);
		f->data[34] = (uint8_t)(flow * 37);
		g_assert_cmpint(give(f, 0), ==, BP_NET_TAKEN);
		g_byte_array_unref(f);
	}
	for (unsigned pair = 0; pair < 4; pair++) {
		g_assert_cmpuint(virtio.used[2 * pair]->len, >, 4);
		total += virtio.used[2 * pair]->len;
	}
	g_assert_cmpuint(total, ==, 64);
	end();
}

static void test_link_and_announce(void)
{
	uint8_t c[12];
	GByteArray *f = frame_new(60, 1);
	begin(FEATURE(F_CTRL_VQ) | FEATURE(F_GUEST_ANNOUNCE) | FEATURE(F_STATUS), 0, 1);
	virtio.dev->config_read(virtio.self, 0, c, sizeof(c));
	g_assert_cmpmem(c, 6, "\2\0\0\0\0\2", 6);
	g_assert_cmpuint(c[6], ==, 1);
	back->front->link(back->owner, 0);
	g_assert_cmpuint(virtio.config_changes, ==, 1);
	virtio.dev->config_read(virtio.self, 6, c, 2);
	g_assert_cmpuint(c[0], ==, 0);
	send(f, NULL, 4096);
	g_assert_cmpuint(back->frames->len, ==, 0);
	g_assert_cmpuint(virtio.used[TX]->len, ==, 1);
	back->front->link(back->owner, 1);
	virtio.dev->config_read(virtio.self, 6, c, 2);
	g_assert_cmpuint(c[0], ==, 3); /* the link is up: say where you are */
	g_assert_cmpint(COMMAND(3, 0), ==, 0);
	virtio.dev->config_read(virtio.self, 6, c, 2);
	g_assert_cmpuint(c[0], ==, 1);
	fake_set(virtio.self, "cable", 0);
	fake_type(virtio.self)->changed(virtio.self, "cable");
	virtio.dev->config_read(virtio.self, 6, c, 2);
	g_assert_cmpuint(c[0], ==, 0);
	virtio.dev->config_read(virtio.self, 11, c, 8); /* beyond the end */
	g_assert_cmpuint(c[7], ==, 0);
	end();
	g_byte_array_unref(f);
}

static void test_state(void)
{
	GByteArray *f = frame_new(3000, 4);
	struct net *n;
	begin(FEATURE(F_MRG_RXBUF) | FEATURE(F_CTRL_VQ) | FEATURE(F_GUEST_ANNOUNCE), 0, 1);
	n = virtio.self;
	struct chain *a = offer(RX, NULL, 1000, 1000);
	give(f, 0);
	back->room = 0;
	send(f, NULL, 4096);
	g_assert_cmpuint(n->pair[0].rx_count, ==, 1);
	g_assert_cmpuint(n->pair[0].rx_heads[0], ==, a->head);
	g_assert_cmpuint(n->pair[0].tx_held, ==, 1);
	/* As after a load: heads are there, mappings are not. */
	memset(n->pair[0].rx[0].buffer, 0, sizeof(n->pair[0].rx[0].buffer));
	memset(n->pair[0].tx->buffer, 0, sizeof(n->pair[0].tx->buffer));
	g_assert_cmpint(fake_type(virtio.self)->loaded(virtio.self, 1, NULL), ==, 0);
	back->room = UINT_MAX;
	fake_serve(0);
	g_assert_cmpuint(back->frames->len, ==, 1);
	g_assert_cmpmem(side_frame(back, 0)->data, 3000, f->data, 3000);
	g_assert_cmpuint(n->announce, ==, 1);
	/* What no ring holds is refused. */
	n->pair[0].rx_heads[0] = 1000;
	g_assert_cmpint(fake_type(virtio.self)->loaded(virtio.self, 1, NULL), ==, -1);
	a->held = 0;
	n->pair[0].rx_count = 1000000;
	g_assert_cmpint(fake_type(virtio.self)->loaded(virtio.self, 1, NULL), ==, -1);
	n->active = 9;
	g_assert_cmpint(fake_type(virtio.self)->loaded(virtio.self, 1, NULL), ==, -1);
	n->active = 1;
	end();
	g_byte_array_unref(f);
}

static void test_wrong_properties(void)
{
	static const char *const wrong[] = { "", "1:2:3:4:5:6", "52:54:00:12:34:5",
		"53:54:00:12:34:56", "52:54:00:12:34:567", "zz:54:00:12:34:56" };
	for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
		void *self = fake_new(&bp_plugin_1_dev_virtio_net, "virtio-net");
		fake_set(self, "mac", (uint64_t)(uintptr_t)wrong[i]);
		g_assert_cmpint(fake_create(self), ==, -1);
		fake_free(self);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/virtio-net/transmit", test_transmit);
	g_test_add_func("/virtio-net/transmit-waits", test_transmit_waits);
	g_test_add_func("/virtio-net/offload-passes", test_offload_passes);
	g_test_add_func("/virtio-net/receive", test_receive);
	g_test_add_func("/virtio-net/mergeable", test_mergeable);
	g_test_add_func("/virtio-net/join", test_join);
	g_test_add_func("/virtio-net/filters", test_filters);
	g_test_add_func("/virtio-net/bad-commands", test_bad_commands);
	g_test_add_func("/virtio-net/queues", test_queues);
	g_test_add_func("/virtio-net/link-and-announce", test_link_and_announce);
	g_test_add_func("/virtio-net/state", test_state);
	g_test_add_func("/virtio-net/wrong-properties", test_wrong_properties);
	return g_test_run();
}
