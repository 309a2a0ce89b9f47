/* SPDX-License-Identifier: MIT */
/* Cutting and joining of TCP frames, and sums. */
#include "dev-virtio-net/offload.h"
#include "net_support.h"
#include <string.h>

enum { ACK = 0x10, PSH = 8, FIN = 1, CWR = 0x80 };

static void test_parse(void)
{
	struct tcp_frame f;
	for (int v6 = 0; v6 < 2; v6++) {
		GByteArray *g = frame_tcp(v6, 1, ACK, 100, 1);
		g_assert_cmpint(frame_parse_tcp(g->data, g->len, &f), ==, 0);
		g_assert_cmpuint(f.tcp, ==, v6 ? 54 : 34);
		g_assert_cmpuint(f.end - f.payload, ==, 100);
		g_assert_true(checksum_tcp_good(g->data, &f));
		for (unsigned len = 0; len < g->len; len++) /* cut short anywhere: none */
			g_assert_cmpint(frame_parse_tcp(g->data, len, &f), ==, -1);
		g->data[g->len - 1] ^= 1;
		g_assert_cmpint(frame_parse_tcp(g->data, g->len, &f), ==, 0);
		g_assert_false(checksum_tcp_good(g->data, &f));
		g->data[f.tcp + 12] = 0xf0; /* 60 bytes of header: still inside */
		g_assert_cmpint(frame_parse_tcp(g->data, g->len, &f), ==, 0);
		g->data[f.tcp + 12] = 0x40;
		g_assert_cmpint(frame_parse_tcp(g->data, g->len, &f), ==, -1);
		g_byte_array_unref(g);
	}
}

static void test_cut(void)
{
	uint8_t out[BP_NET_FRAME_MAX];
	for (int v6 = 0; v6 < 2; v6++) {
		GByteArray *g = frame_tcp(v6, 0xfffffff0, ACK | PSH | FIN | CWR, 3500, 9);
		GByteArray *whole = g_byte_array_new();
		struct tcp_frame f, s;
		g_assert_cmpint(frame_parse_tcp(g->data, g->len, &f), ==, 0);
		for (uint32_t at = 0; at < 3500; at += 1460) {
			uint32_t len = segment_make(g->data, &f, 1460, at, out);
			g_assert_cmpint(frame_parse_tcp(out, len, &s), ==, 0);
			g_assert_cmpuint(s.end, ==, len);
			g_assert_true(checksum_tcp_good(out, &s));
			uint32_t seq = (uint32_t)out[s.tcp + 4] << 24 | out[s.tcp + 5] << 16 |
				out[s.tcp + 6] << 8 | out[s.tcp + 7];
			g_assert_cmphex(seq, ==, 0xfffffff0u + at);
			unsigned last = at + 1460 >= 3500;
			g_assert_cmphex(
				out[s.tcp + 13], ==, ACK | (last ? PSH | FIN : 0) | (at ? 0 : CWR));
			g_byte_array_append(whole, out + s.payload, s.end - s.payload);
		}
		g_assert_cmpmem(whole->data, whole->len, g->data + f.payload, 3500);
		g_byte_array_unref(whole);
		g_byte_array_unref(g);
	}
}

static enum join_result add(struct join *j, int v6, uint32_t seq, unsigned flags, unsigned len)
{
	GByteArray *g = frame_tcp(v6, seq, flags, len, (uint8_t)seq);
	enum join_result r = join_add(j, g->data, g->len, BP_NET_TSO4 | BP_NET_TSO6);
	g_byte_array_unref(g);
	return r;
}

static void test_join(void)
{
	struct join *j = g_new0(struct join, 1);
	struct bp_net_offload o;
	struct tcp_frame f;
	for (int v6 = 0; v6 < 2; v6++) {
		j->len = 0;
		g_assert_cmpint(add(j, v6, 1000, ACK, 500), ==, JOIN_TAKEN);
		g_assert_cmpint(add(j, v6, 1500, ACK, 500), ==, JOIN_TAKEN);
		g_assert_cmpint(add(j, v6, 2001, ACK, 500), ==, JOIN_NOT_NEXT); /* a gap */
		g_assert_cmpint(add(j, !v6, 2000, ACK, 500), ==, JOIN_NOT_NEXT); /* another */
		g_assert_cmpint(add(j, v6, 2000, ACK, 501), ==, JOIN_NOT_NEXT); /* longer */
		g_assert_cmpint(add(j, v6, 2000, ACK | FIN, 500), ==, JOIN_NEVER);
		g_assert_cmpint(add(j, v6, 2000, ACK, 0), ==, JOIN_NEVER); /* a bare ACK */
		g_assert_cmpint(add(j, v6, 2000, ACK | PSH, 200), ==, JOIN_TAKEN);
		g_assert_cmpint(add(j, v6, 2200, ACK, 200), ==, JOIN_NOT_NEXT); /* closed */
		join_finish(j, &o);
		g_assert_cmpuint(o.flags, ==, BP_NET_NEEDS_CSUM);
		g_assert_cmpuint(o.gso_type, ==, v6 ? BP_NET_GSO_TCP6 : BP_NET_GSO_TCP4);
		g_assert_cmpuint(o.gso_size, ==, 500);
		g_assert_true(offload_good(&o, j->len));
		/* With the checksum completed it is a frame like any other. */
		checksum_complete(j->frame, j->len, o.csum_start, o.csum_offset);
		g_assert_cmpint(frame_parse_tcp(j->frame, j->len, &f), ==, 0);
		g_assert_true(checksum_tcp_good(j->frame, &f));
		g_assert_cmpuint(f.end - f.payload, ==, 1200);
	}
	j->len = 0; /* one alone stays as it is */
	g_assert_cmpint(add(j, 0, 1, ACK, 10), ==, JOIN_TAKEN);
	join_finish(j, &o);
	g_assert_cmpuint(o.gso_type, ==, BP_NET_GSO_NONE);
	g_free(j);
}

static void test_join_refuses(void)
{
	struct join *j = g_new0(struct join, 1);
	GByteArray *g = frame_tcp(0, 1, ACK, 100, 1);
	g_assert_cmpint(join_add(j, g->data, g->len, BP_NET_TSO6), ==, JOIN_NEVER);
	g->data[60] ^= 1; /* a wrong sum must not become right */
	g_assert_cmpint(join_add(j, g->data, g->len, BP_NET_TSO4), ==, JOIN_NEVER);
	g->data[60] ^= 1;
	g_assert_cmpint(join_add(j, g->data, g->len, BP_NET_TSO4), ==, JOIN_TAKEN);
	g_byte_array_unref(g);
	j->len = 0;
	/* Up to the longest IP packet. */
	unsigned n;
	for (n = 0; add(j, 0, n * 1400, ACK, 1400) == JOIN_TAKEN;)
		n++;
	g_assert_cmpuint(n, ==, (65535 - 40) / 1400);
	g_free(j);
}

static void test_header_checks(void)
{
	struct bp_net_offload o = {
		.flags = BP_NET_NEEDS_CSUM, .csum_start = 34, .csum_offset = 16
	};
	g_assert_true(offload_good(&o, 52));
	g_assert_false(offload_good(&o, 51));
	o.csum_start = o.csum_offset = 65535;
	g_assert_false(offload_good(&o, BP_NET_FRAME_MAX));
	o = (struct bp_net_offload){ .gso_type = BP_NET_GSO_TCP4 };
	g_assert_false(offload_good(&o, 100));
	o.gso_size = 1;
	g_assert_true(offload_good(&o, 100));
	o.gso_type = 3; /* UDP fragments: not offered */
	g_assert_false(offload_good(&o, 100));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/offload/parse", test_parse);
	g_test_add_func("/offload/cut", test_cut);
	g_test_add_func("/offload/join", test_join);
	g_test_add_func("/offload/join-refuses", test_join_refuses);
	g_test_add_func("/offload/header-checks", test_header_checks);
	return g_test_run();
}
