/* SPDX-License-Identifier: MIT */
/* A hub of two devices and one network. */
#include "net_support.h"
#include <string.h>

extern const struct bp_plugin bp_plugin_1_net_hub;

static struct fixture {
	struct side *a, *b, *back;
	struct bp_link link;
	const struct bp_link *list[1];
	void *hub, *port_a, *port_b;
	const struct bp_net *net;
} x;

static void begin(void)
{
	memset(&x, 0, sizeof(x));
	x.a = side_new();
	x.b = side_new();
	x.back = side_new();
	x.link = (struct bp_link){ sizeof(x.link), 0, x.back, &side_net, "back" };
	x.list[0] = &x.link;
	x.hub = fake_new(&bp_plugin_1_net_hub, "net-hub");
	const struct bp_field *f = fake_type(x.hub)->props;
	*(struct bp_links *)(void *)((char *)x.hub + f->offset) = (struct bp_links){ 1, 0, x.list };
	g_assert_cmpint(fake_create(x.hub), ==, 0);
	x.net = fake_type(x.hub)->interface(x.hub, "bp.net/1");
	x.port_a = x.net->attach(x.hub, x.a, &side_front, NULL);
	x.port_b = x.net->attach(x.hub, x.b, &side_front, NULL);
	g_assert_true(x.port_a != x.port_b);
}

static void end(void)
{
	x.net->detach(x.port_a);
	x.net->detach(x.port_b);
	fake_free(x.hub);
	side_free(x.a);
	side_free(x.b);
	side_free(x.back);
}

static void test_to_all_others(void)
{
	GByteArray *f = frame_new(60, 3);
	begin();
	g_assert_cmpint(net_send(x.net, x.port_a, f, 0), ==, BP_NET_TAKEN);
	g_assert_cmpuint(x.a->frames->len, ==, 0);
	g_assert_cmpuint(x.b->frames->len, ==, 1);
	g_assert_cmpuint(x.back->frames->len, ==, 1);
	g_assert_cmpint(front_give(x.back->front, x.back->owner, f, 0, NULL), ==, BP_NET_TAKEN);
	g_assert_cmpuint(x.a->frames->len, ==, 1);
	g_assert_cmpuint(x.b->frames->len, ==, 2);
	g_assert_cmpmem(side_frame(x.a, 0)->data, 60, f->data, 60);
	g_byte_array_set_size(f, 13); /* none */
	g_assert_cmpint(net_send(x.net, x.port_a, f, 0), ==, BP_NET_TAKEN);
	g_assert_cmpuint(x.b->frames->len, ==, 2);
	g_byte_array_unref(f);
	end();
}

static void test_full_port_waits_then_loses(void)
{
	GByteArray *f = frame_new(1024, 3);
	begin();
	x.b->room = 0;
	for (unsigned i = 0; i < 1000; i++) {
		f->data[20] = (uint8_t)i;
		g_assert_cmpint(net_send(x.net, x.port_a, f, 0), ==, BP_NET_TAKEN);
	}
	g_assert_cmpuint(x.back->frames->len, ==, 1000); /* it holds back nobody */
	g_assert_cmpuint(x.b->refused, ==, 1);
	g_assert_nonnull(strstr(fake.message, "some are lost"));
	x.b->room = 2;
	x.net->ready(x.port_b);
	g_assert_cmpuint(x.b->frames->len, ==, 2);
	x.b->room = UINT_MAX;
	x.net->ready(x.port_b);
	g_assert_cmpuint(x.b->frames->len, ==, 512);
	for (unsigned i = 0; i < 512; i++) /* in order */
		g_assert_cmpuint(side_frame(x.b, i)->data[20], ==, (uint8_t)i);
	g_byte_array_unref(f);
	end();
}

static void test_ports_run_out(void)
{
	struct side *s[70];
	void *port[70] = { NULL };
	unsigned n = 0;
	begin();
	do {
		s[n] = side_new();
		port[n] = x.net->attach(x.hub, s[n], &side_front, NULL);
	} while (port[n++] && n < 70);
	g_assert_cmpuint(n, ==, 62); /* 64, less three, and the one that failed */
	for (unsigned i = 0; i < n; i++) {
		if (port[i])
			x.net->detach(port[i]);
		side_free(s[i]);
	}
	end();
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/hub/to-all-others", test_to_all_others);
	g_test_add_func("/hub/full-port", test_full_port_waits_then_loses);
	g_test_add_func("/hub/ports-run-out", test_ports_run_out);
	return g_test_run();
}
