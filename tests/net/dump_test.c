/* SPDX-License-Identifier: MIT */
/* What passes a dump, and what it writes. */
#include "net_support.h"
#include <glib/gstdio.h>
#include <string.h>

extern const struct bp_plugin bp_plugin_1_net_dump;

static struct fixture {
	struct side *front, *back;
	struct bp_link link;
	void *dump, *port;
	const struct bp_net *net;
	char *path;
} x;

static int begin(uint64_t size, uint64_t snap)
{
	memset(&x, 0, sizeof(x));
	x.front = side_new();
	x.back = side_new();
	x.path = g_build_filename(g_get_tmp_dir(), "backplane-dump-test.pcap", NULL);
	x.link = (struct bp_link){ sizeof(x.link), 0, x.back, &side_net, "back" };
	x.dump = fake_new(&bp_plugin_1_net_dump, "net-dump");
	fake_set(x.dump, "file", (uint64_t)(uintptr_t)x.path);
	fake_set(x.dump, "net", (uint64_t)(uintptr_t)&x.link);
	fake_set(x.dump, "size", size);
	fake_set(x.dump, "snap", snap);
	if (fake_create(x.dump) != 0)
		return -1;
	x.net = fake_type(x.dump)->interface(x.dump, "bp.net/1");
	x.port = x.net->attach(x.dump, x.front, &side_front, NULL);
	return 0;
}

static GByteArray *end(void)
{
	char *data = NULL;
	gsize len = 0;
	fake_free(x.dump);
	g_file_get_contents(x.path, &data, &len, NULL);
	g_unlink(x.path);
	g_free(x.path);
	side_free(x.front);
	side_free(x.back);
	return g_byte_array_new_take((guint8 *)data, len);
}

static uint32_t word(const GByteArray *file, unsigned at)
{
	uint32_t v;
	g_assert_cmpuint(at + 4, <=, file->len);
	memcpy(&v, file->data + at, 4);
	return v;
}

static void test_both_ways(void)
{
	GByteArray *a = frame_new(60, 1), *b = frame_new(1514, 2);
	g_assert_cmpint(begin(0, 262144), ==, 0);
	fake.now_ns = 5000000007;
	g_assert_cmpint(net_send(x.net, x.port, a, 0), ==, BP_NET_TAKEN);
	g_assert_cmpint(front_give(x.back->front, x.back->owner, b, 0, NULL), ==, BP_NET_TAKEN);
	/* What is refused passes later, and is written then. */
	x.back->room = 0;
	g_assert_cmpint(net_send(x.net, x.port, a, 0), ==, BP_NET_FULL);
	x.back->front->ready(x.back->owner);
	g_assert_cmpuint(x.front->ready, ==, 1);
	x.back->front->link(x.back->owner, 0);
	g_assert_cmpint(x.front->link, ==, 0);
	g_assert_cmpuint(side_frame(x.back, 0)->len, ==, 60);
	g_assert_cmpuint(side_frame(x.front, 0)->len, ==, 1514);
	GByteArray *file = end();
	g_assert_cmpuint(file->len, ==, 24 + 16 + 60 + 16 + 1514);
	g_assert_cmphex(word(file, 0), ==, 0xa1b23c4d);
	g_assert_cmpuint(word(file, 20), ==, 1);
	g_assert_cmpuint(word(file, 24), ==, 5);
	g_assert_cmpuint(word(file, 28), ==, 7);
	g_assert_cmpuint(word(file, 32), ==, 60);
	g_assert_cmpuint(word(file, 36), ==, 60);
	g_assert_cmpmem(file->data + 40, 60, a->data, 60);
	g_assert_cmpmem(file->data + 116, 1514, b->data, 1514);
	g_byte_array_unref(file);
	g_byte_array_unref(a);
	g_byte_array_unref(b);
}

static void test_limits(void)
{
	GByteArray *a = frame_new(1000, 1);
	g_assert_cmpint(begin(300, 100), ==, 0);
	for (int i = 0; i < 4; i++)
		g_assert_cmpint(net_send(x.net, x.port, a, 0), ==, BP_NET_TAKEN);
	g_assert_nonnull(strstr(fake.message, "as long as size says"));
	GByteArray *file = end();
	g_assert_cmpuint(file->len, ==, 24 + 2 * 116);
	g_assert_cmpuint(word(file, 32), ==, 100);
	g_assert_cmpuint(word(file, 36), ==, 1000);
	g_byte_array_unref(file);
	g_byte_array_unref(a);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/dump/both-ways", test_both_ways);
	g_test_add_func("/dump/limits", test_limits);
	return g_test_run();
}
