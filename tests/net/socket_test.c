/* SPDX-License-Identifier: MIT */
/* Networks over sockets: two of them with each other, and with a peer who does what it wants. */
#include "net-socket/frame.h"
#include "net_support.h"
#include <arpa/inet.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

extern const struct bp_plugin bp_plugin_1_net_socket;

struct node {
	void *self;
	struct side *side;
	const struct bp_net *net;
	void *port;
};

static char *path;

static void open_node(struct node *n, const char *type, const char *p1, const char *v1,
	const char *p2, uint64_t v2)
{
	int64_t now = fake.now_ns;
	n->side = side_new();
	n->self = fake_new(&bp_plugin_1_net_socket, type);
	fake.now_ns = now;
	fake_set(n->self, p1, (uint64_t)(uintptr_t)v1);
	fake_set(n->self, p2, v2);
	g_assert_cmpint(fake_create(n->self), ==, 0);
	n->net = fake_type(n->self)->interface(n->self, "bp.net/1");
	n->port = n->net->attach(n->self, n->side, &side_front, NULL);
}

static void close_node(struct node *n)
{
	n->net->detach(n->port);
	fake_free(n->self);
	side_free(n->side);
}

static int up(const struct node *n)
{
	struct bp_net_info info = { .size = sizeof(info) };
	n->net->info(n->port, &info);
	return info.up;
}

static void serve(unsigned rounds)
{
	while (rounds--)
		fake_serve(1);
}

static int peer_connect(void)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	int fd = socket(AF_UNIX, SOCK_STREAM, 0);
	memcpy(a.sun_path, path, strlen(path));
	g_assert_cmpint(connect(fd, (struct sockaddr *)&a, sizeof(a)), ==, 0);
	return fd;
}

static void test_pair(void)
{
	struct node a, b;
	GByteArray *f = frame_new(1514, 5), *longest = frame_new(BP_NET_FRAME_MAX, 6);
	/* In this order the one who connects finds nobody, and tries again. */
	open_node(&b, "net-unix", "path", path, "connect", 1);
	g_assert_false(up(&b));
	g_assert_cmpint(net_send(b.net, b.port, f, 0), ==, BP_NET_TAKEN); /* no cable: lost */
	open_node(&a, "net-unix", "path", path, "connect", 0);
	fake_pass(1000000000);
	serve(3);
	g_assert_true(up(&a) && up(&b));
	g_assert_cmpint(a.side->link, ==, 1);
	g_assert_cmpint(net_send(a.net, a.port, f, 0), ==, BP_NET_TAKEN);
	g_assert_cmpint(net_send(b.net, b.port, longest, 0), ==, BP_NET_TAKEN);
	serve(8);
	g_assert_cmpuint(b.side->frames->len, ==, 1);
	g_assert_cmpmem(side_frame(b.side, 0)->data, 1514, f->data, 1514);
	g_assert_cmpuint(a.side->frames->len, ==, 1);
	g_assert_cmpmem(side_frame(a.side, 0)->data, longest->len, longest->data, longest->len);
	/* One goes and comes back. */
	close_node(&a);
	serve(2);
	g_assert_false(up(&b));
	g_assert_cmpint(b.side->link, ==, 0);
	open_node(&a, "net-unix", "path", path, "connect", 0);
	fake_pass(1000000000);
	serve(3);
	g_assert_true(up(&a) && up(&b));
	g_assert_cmpint(net_send(b.net, b.port, f, 0), ==, BP_NET_TAKEN);
	serve(2);
	g_assert_cmpuint(a.side->frames->len, ==, 1);
	close_node(&b);
	close_node(&a);
	g_byte_array_unref(f);
	g_byte_array_unref(longest);
}

static void test_flow_control(void)
{
	struct node a, b;
	GByteArray *f = frame_new(60000, 5);
	unsigned sent = 0;
	open_node(&a, "net-unix", "path", path, "connect", 0);
	open_node(&b, "net-unix", "path", path, "connect", 1);
	serve(2);
	b.side->room = 1; /* it takes one, and then nothing */
	for (unsigned i = 0; i < 1000; i++) {
		f->data[20] = (uint8_t)sent;
		if (net_send(a.net, a.port, f, 0) == BP_NET_FULL) {
			serve(1);
			if (a.side->ready == 0 && i > 500)
				break;
			a.side->ready = 0;
		} else {
			sent++;
		}
	}
	g_assert_cmpuint(sent, <, 100); /* the kernel's buffers are full, and nobody reads */
	g_assert_cmpuint(b.side->frames->len, ==, 1);
	b.side->room = UINT_MAX;
	b.net->ready(b.port);
	serve(500);
	g_assert_cmpuint(b.side->frames->len, ==, sent);
	for (unsigned i = 0; i < sent; i++)
		g_assert_cmpuint(side_frame(b.side, i)->data[20], ==, (uint8_t)i);
	close_node(&a);
	close_node(&b);
	g_byte_array_unref(f);
}

static void test_pieces(void)
{
	struct node a;
	GByteArray *f = frame_new(60, 1);
	uint8_t bytes[2 * 64];
	open_node(&a, "net-unix", "path", path, "connect", 0);
	int peer = peer_connect();
	serve(1);
	for (int i = 0; i < 2; i++) {
		frame_head(bytes + 64 * i, 60);
		g_assert_cmpuint(bytes[64 * i + 3], ==, 60); /* the highest byte first */
		memcpy(bytes + 64 * i + 4, f->data, 60);
	}
	for (unsigned i = 0; i < sizeof(bytes); i++) { /* a byte at a time */
		g_assert_cmpint(send(peer, bytes + i, 1, 0), ==, 1);
		serve(1);
	}
	g_assert_cmpuint(a.side->frames->len, ==, 2);
	g_assert_cmpuint(a.side->more, ==, 0);
	g_assert_cmpint(send(peer, bytes, sizeof(bytes), 0), ==, sizeof(bytes)); /* at once */
	serve(1);
	g_assert_cmpuint(a.side->frames->len, ==, 4);
	g_assert_cmpuint(a.side->more, ==, 1);
	/* A second peer waits until the first one is gone. */
	int other = peer_connect();
	g_assert_cmpint(send(other, bytes, 64, 0), ==, 64);
	serve(2);
	g_assert_cmpuint(a.side->frames->len, ==, 4);
	close(peer);
	serve(4);
	g_assert_cmpuint(a.side->frames->len, ==, 5);
	close(other);
	close_node(&a);
	g_byte_array_unref(f);
}

static void test_hostile(void)
{
	static const uint32_t lengths[] = { 0, 13, BP_NET_FRAME_MAX + 1, 0x7fffffff, 0xffffffff };
	struct node a;
	open_node(&a, "net-unix", "path", path, "connect", 0);
	for (unsigned i = 0; i < G_N_ELEMENTS(lengths); i++) {
		uint8_t bytes[64] = { 0 }, rest;
		int peer = peer_connect();
		frame_head(bytes, lengths[i]);
		g_assert_cmpint(send(peer, bytes, sizeof(bytes), 0), ==, sizeof(bytes));
		serve(3);
		g_assert_cmpint(recv(peer, &rest, 1, 0), <=, 0); /* it hung up */
		g_assert_nonnull(strstr(fake.message, "disconnected"));
		g_assert_cmpuint(a.side->frames->len, ==, 0);
		g_assert_false(up(&a));
		close(peer);
	}
	close_node(&a);
}

static unsigned free_port(void)
{
	struct sockaddr_in a = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_DGRAM, 0);
	g_assert_cmpint(bind(fd, (struct sockaddr *)&a, len), ==, 0);
	getsockname(fd, (struct sockaddr *)&a, &len);
	close(fd);
	return ntohs(a.sin_port);
}

static void test_udp(void)
{
	struct node a, b;
	GByteArray *f = frame_new(1514, 5);
	char *here = g_strdup_printf(":%u", free_port()),
	     *there = g_strdup_printf(":%u", free_port());
	open_node(&a, "net-udp", "local", here, "remote", (uint64_t)(uintptr_t)there);
	g_assert_cmpint(net_send(a.net, a.port, f, 0), ==, BP_NET_TAKEN); /* nobody there yet */
	open_node(&b, "net-udp", "local", there, "remote", (uint64_t)(uintptr_t)here);
	serve(2);
	b.side->room = 0;
	g_assert_cmpint(net_send(a.net, a.port, f, 0), ==, BP_NET_TAKEN);
	serve(2);
	g_assert_cmpuint(b.side->refused, ==, 1);
	b.side->room = 1;
	b.net->ready(b.port);
	serve(2);
	g_assert_cmpuint(b.side->frames->len, ==, 1);
	g_assert_cmpmem(side_frame(b.side, 0)->data, 1514, f->data, 1514);
	close_node(&a);
	close_node(&b);
	g_free(here);
	g_free(there);
	g_byte_array_unref(f);
}

static void test_multicast(void)
{
	struct node n[3];
	GByteArray *f = frame_new(200, 5);
	char *group = g_strdup_printf("239.192.7.7:%u", free_port());
	for (unsigned i = 0; i < 3; i++)
		open_node(&n[i], "net-multicast", "group", group, "interface",
			(uint64_t)(uintptr_t) "127.0.0.1");
	g_assert_cmpint(net_send(n[0].net, n[0].port, f, 0), ==, BP_NET_TAKEN);
	serve(4);
	g_assert_cmpuint(n[0].side->frames->len, ==, 0); /* not what it sent itself */
	g_assert_cmpuint(n[1].side->frames->len, ==, 1);
	g_assert_cmpuint(n[2].side->frames->len, ==, 1);
	for (unsigned i = 0; i < 3; i++)
		close_node(&n[i]);
	g_free(group);
	g_byte_array_unref(f);
}

static void test_wrong(void)
{
	static const struct {
		const char *type, *prop, *value, *says;
	} wrong[] = { { "net-tcp", "address", "nothing", "is not HOST:PORT" },
		{ "net-multicast", "group", "10.0.0.1:5000", "no multicast address" },
		{ "net-unix", "path", "/nowhere/at/all", "No such file" } };
	for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
		void *self = fake_new(&bp_plugin_1_net_socket, wrong[i].type);
		fake_set(self, wrong[i].prop, (uint64_t)(uintptr_t)wrong[i].value);
		g_assert_cmpint(fake_create(self), ==, -1);
		g_assert_nonnull(strstr(fake.message, wrong[i].says));
		fake_free(self);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	path = g_strdup_printf("%s/backplane-net-test-%d", g_get_tmp_dir(), (int)getpid());
	g_test_add_func("/socket/pair", test_pair);
	g_test_add_func("/socket/flow-control", test_flow_control);
	g_test_add_func("/socket/pieces", test_pieces);
	g_test_add_func("/socket/hostile", test_hostile);
	g_test_add_func("/socket/udp", test_udp);
	g_test_add_func("/socket/multicast", test_multicast);
	g_test_add_func("/socket/wrong", test_wrong);
	int r = g_test_run();
	g_free(path);
	return r;
}
