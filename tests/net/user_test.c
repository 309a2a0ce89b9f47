/* SPDX-License-Identifier: MIT */
/* The user's network: a guest of one ARP and one DHCP request, forwards, and what is refused. */
#include "net-user/forward.h"
#include "net_support.h"
#include <arpa/inet.h>
#include <string.h>
#include <unistd.h>

extern const struct bp_plugin bp_plugin_1_net_user;

static struct fixture {
	struct side *side;
	void *self, *port;
	const struct bp_net *net;
} x;

static int begin(const char *prop, const char *value)
{
	x.side = side_new();
	x.self = fake_new(&bp_plugin_1_net_user, "net-user");
	if (prop)
		fake_set(x.self, prop, (uint64_t)(uintptr_t)value);
	if (fake_create(x.self) != 0)
		return -1;
	x.net = fake_type(x.self)->interface(x.self, "bp.net/1");
	x.port = x.net->attach(x.self, x.side, &side_front, NULL);
	return 0;
}

static void end(void)
{
	if (x.net)
		x.net->detach(x.port);
	x.net = NULL;
	fake_free(x.self);
	side_free(x.side);
}

/* Who has 10.0.2.2? */
static GByteArray *arp(void)
{
	static const uint8_t ask[] = { 255, 255, 255, 255, 255, 255, 2, 0, 0, 0, 0, 1, 8, 6, 0, 1,
		8, 0, 6, 4, 0, 1, 2, 0, 0, 0, 0, 1, 10, 0, 2, 15, 0, 0, 0, 0, 0, 0, 10, 0, 2, 2 };
	GByteArray *f = g_byte_array_new();
	g_byte_array_append(f, ask, sizeof(ask));
	return f;
}

static unsigned arp_answers(void)
{
	unsigned n = 0;
	for (unsigned i = 0; i < x.side->frames->len; i++) {
		const GByteArray *f = side_frame(x.side, i);
		n += f->len >= 42 && f->data[12] == 8 && f->data[13] == 6 && f->data[21] == 2;
	}
	return n;
}

static void test_arp(void)
{
	GByteArray *f = arp();
	g_assert_cmpint(begin(NULL, NULL), ==, 0);
	g_assert_cmpint(net_send(x.net, x.port, f, 0), ==, BP_NET_TAKEN);
	g_assert_cmpuint(arp_answers(), ==, 1);
	end();
	g_byte_array_unref(f);
}

/* A guest that asks and does not listen: what waits for it is bounded, and said. */
static void test_guest_that_does_not_take(void)
{
	GByteArray *f = arp();
	g_assert_cmpint(begin(NULL, NULL), ==, 0);
	x.side->room = 0;
	for (unsigned i = 0; i < 200000; i++)
		g_assert_cmpint(net_send(x.net, x.port, f, 0), ==, BP_NET_TAKEN);
	g_assert_cmpuint(x.side->refused, ==, 1);
	g_assert_nonnull(strstr(fake.message, "some are lost"));
	x.side->room = 3;
	x.net->ready(x.port);
	g_assert_cmpuint(x.side->frames->len, ==, 3);
	x.side->room = UINT_MAX;
	x.net->ready(x.port);
	g_assert_cmpuint(arp_answers(), <=, (4 << 20) / 42 + 1);
	end();
	g_byte_array_unref(f);
}

static void test_odd_frames(void)
{
	g_assert_cmpint(begin(NULL, NULL), ==, 0);
	for (unsigned len = 0; len < 200; len++) {
		GByteArray *f = frame_new(len, 1), *ip = frame_tcp(len & 1, 1, 2, 200, 3);
		g_assert_cmpint(net_send(x.net, x.port, f, 0), ==, BP_NET_TAKEN);
		g_byte_array_set_size(ip, len + 14);
		g_assert_cmpint(net_send(x.net, x.port, ip, 0), ==, BP_NET_TAKEN);
		g_byte_array_unref(f);
		g_byte_array_unref(ip);
	}
	GByteArray *huge = frame_new(BP_NET_FRAME_MAX + 1, 1);
	g_assert_cmpint(net_send(x.net, x.port, huge, 0), ==, BP_NET_TAKEN);
	g_byte_array_unref(huge);
	fake_pass(10000000000);
	fake_serve(0);
	end();
}

static void test_refused(void)
{
	static const struct {
		const char *prop, *value, *says;
	} wrong[] = { { "network", "10.0.2.0", "10.0.2.0/24" },
		{ "network", "10.0.2.1/24", "10.0.2.0/24" },
		{ "network", "10.0.0.0/31", "8 to 30" },
		{ "host", "10.0.3.1", "is not in the network" }, { "dns", "x", "IPv4 address" },
		{ "dns", "10.0.2.2", "must differ" }, { "prefix6", "fec0::", "fec0::/64" },
		{ "host6", "10.0.2.2", "IPv6 address" }, { "hostfwd", "tcp:2222", "is expected" },
		{ "hostfwd", "tcp:127.0.0.1:99999-:22", "is expected" },
		{ "hostfwd", "icmp::1-:1", "is expected" },
		{ "hostfwd", "tcp:[::1]:2222-10.0.2.15:22", "different families" },
		{ "hostfwd", "tcp:192.0.2.1:2222-:22", "annot assign" },
		{ "guestfwd", "tcp:10.0.2.9:80", "is expected" },
		{ "guestfwd", "tcp:192.0.2.1:80-unix:/x", "not in the network" } };
	for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
		g_assert_cmpint(begin(wrong[i].prop, wrong[i].value), ==, -1);
		if (!strstr(fake.message, wrong[i].says))
			g_error("%s = %s says: %s", wrong[i].prop, wrong[i].value, fake.message);
		end();
	}
}

static void test_forwards(void)
{
	struct in_addr guest = { htonl(0x0a00020f) };
	struct host_forward f;
	struct guest_forward g;
	const char *why;
	char a[] = "tcp:127.0.0.1:2222-:22", b[] = "udp::53-10.0.2.20:5353",
	     c[] = "tcp:[::1]:80-[fec0::15]:8080", d[] = "tcp:10.0.2.9:80-cmd:/bin/cat";
	g_assert_cmpint(host_forward_parse(a, guest, &f, &why), ==, 0);
	g_assert_cmpint(f.udp, ==, 0);
	g_assert_cmpuint(ntohs(f.host.v4.sin_port), ==, 2222);
	g_assert_cmphex(ntohl(f.guest.v4.sin_addr.s_addr), ==, 0x0a00020f);
	g_assert_cmpuint(ntohs(f.guest.v4.sin_port), ==, 22);
	g_assert_cmpint(host_forward_parse(b, guest, &f, &why), ==, 0);
	g_assert_cmpint(f.udp, ==, 1);
	g_assert_cmphex(ntohl(f.host.v4.sin_addr.s_addr), ==, 0x7f000001);
	g_assert_cmphex(ntohl(f.guest.v4.sin_addr.s_addr), ==, 0x0a000214);
	g_assert_cmpint(host_forward_parse(c, guest, &f, &why), ==, 0);
	g_assert_cmpint(f.guest.v6.sin6_family, ==, AF_INET6);
	g_assert_cmpuint(ntohs(f.guest.v6.sin6_port), ==, 8080);
	g_assert_cmpint(guest_forward_parse(d, &g, &why), ==, 0);
	g_assert_cmpint(g.kind, ==, TARGET_COMMAND);
	g_assert_cmpstr(g.target, ==, "/bin/cat");
	char words[] = " one  two ", *at = words;
	g_assert_cmpstr(next_word(&at), ==, "one");
	g_assert_cmpstr(next_word(&at), ==, "two");
	g_assert_null(next_word(&at));
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/user/arp", test_arp);
	g_test_add_func("/user/guest-does-not-take", test_guest_that_does_not_take);
	g_test_add_func("/user/odd-frames", test_odd_frames);
	g_test_add_func("/user/refused", test_refused);
	g_test_add_func("/user/forwards", test_forwards);
	return g_test_run();
}
