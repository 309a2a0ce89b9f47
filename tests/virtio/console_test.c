/* SPDX-License-Identifier: MIT */
/* virtio-console and its ports, behind a transport whose driver is this test. */
#include "dev-virtio-console/console.h"
#include "fake_virtio.h"
#include <string.h>

extern const struct bp_plugin bp_plugin_1_dev_virtio_console;

enum { RX, TX, CONTROL_IN, CONTROL_OUT, RX1, TX1 };
enum { READY, ADD, REMOVE, PORT_READY, CONSOLE_PORT, RESIZE, OPEN, NAME };
#define FEATURE(n) (UINT64_C(1) << (n))

static struct console *console;
static struct port *ports[4];
static unsigned port_count;

/* With a stream of its own, and no other port. */
static void begin(uint64_t features)
{
	console = fake_new(&bp_plugin_1_dev_virtio_console, "virtio-console");
	fake_set(console, "chr", (uint64_t)(uintptr_t)fake_stream());
	fake.info.cols = 80;
	fake.info.rows = 25;
	g_assert_cmpint(fake_create(console), ==, 0);
	fake_virtio_begin(console, features);
	port_count = 0;
}

static int plug(void *self, const void *ops, const char *slot)
{
	const struct bp_bus *bus = fake_type(console)->interface(console, "bp.bus/1");
	const struct bp_link child = { sizeof(child), 0, self, ops, "port" };
	return bus->attach(console, &child, slot, NULL);
}

static int add_port(const char *name, int is_console, int with_stream, const char *slot)
{
	struct port *p = fake_new(&bp_plugin_1_dev_virtio_console, "virtio-console-port");
	fake_set(p, "name", (uint64_t)(uintptr_t)name);
	fake_set(p, "console", (uint64_t)is_console);
	if (with_stream)
		fake_set(p, "chr", (uint64_t)(uintptr_t)fake_stream());
	int r = plug(p, fake_type(p)->interface(p, PORT_INTERFACE), slot);
	if (r != 0) {
		fake_free(p);
		return r;
	}
	g_assert_cmpint(fake_create(p), ==, 0);
	ports[port_count++] = p;
	return 0;
}

static void new_console(void)
{
	console = fake_new(&bp_plugin_1_dev_virtio_console, "virtio-console");
	g_assert_cmpint(fake_create(console), ==, 0);
	port_count = 0;
}

/* No stream of its own: port 1, where fake.sent and fake_receive are, is the only one. */
static void begin_port(void)
{
	new_console();
	g_assert_cmpint(add_port("org.example.one", 0, 1, NULL), ==, 0);
	fake_virtio_begin(console, FEATURE(F_MULTIPORT) | FEATURE(F_SIZE));
}

static void end(void)
{
	fake_virtio_end();
	while (port_count)
		fake_free(ports[--port_count]);
	fake_free(console);
}

/* ---- control messages ---- */

static void tell(uint32_t id, unsigned event, unsigned value)
{
	const uint8_t m[] = { (uint8_t)id, (uint8_t)(id >> 8), (uint8_t)(id >> 16),
		(uint8_t)(id >> 24), (uint8_t)event, 0, (uint8_t)value, 0 };
	fake_offer(CONTROL_OUT, m, sizeof(m), 0, 3);
	fake_kick(CONTROL_OUT);
}

static void buffers(unsigned n)
{
	while (n--)
		fake_offer(CONTROL_IN, NULL, 0, 64, 5);
	fake_kick(CONTROL_IN);
}

/* The next message that the driver has received. */
static unsigned heard;
static void expect(uint32_t id, unsigned event, unsigned value, const void *more, unsigned len)
{
	const struct chain *c = fake_used(CONTROL_IN, heard++);
	g_assert_cmpuint(c->written, ==, 8 + len);
	g_assert_cmpuint(c->in[0], ==, id);
	g_assert_cmpuint(c->in[4], ==, event);
	g_assert_cmpuint(c->in[6], ==, value);
	if (len)
		g_assert_cmpmem(c->in + 8, len, more, len);
}

static void expect_no_more(void)
{
	g_assert_cmpuint(virtio.used[CONTROL_IN]->len, ==, heard);
}

/* As Linux does it: the port is there, and a program has opened it. */
static void set_up(void)
{
	heard = 0;
	buffers(16);
	tell(0, READY, 1);
	expect(1, ADD, 1, NULL, 0);
	tell(1, PORT_READY, 1);
	expect(1, NAME, 1, "org.example.one", 15);
	expect(1, OPEN, 1, NULL, 0);
	expect_no_more();
	tell(1, OPEN, 1);
}

/* ---- one port ---- */

static void test_single(void)
{
	uint8_t c[12];
	begin(FEATURE(F_SIZE));
	g_assert_cmpuint(virtio.dev->queues, ==, 2);
	g_assert_cmphex(virtio.dev->offered(console), ==, FEATURE(F_SIZE) | FEATURE(F_EMERG_WRITE));
	virtio.dev->config_read(console, 0, c, sizeof(c));
	g_assert_cmpmem(c, 4, "\120\0\31\0", 4);
	fake_offer(TX, "hello", 5, 0, 2);
	fake_kick(TX);
	g_assert_cmpstr(fake.sent->str, ==, "hello");
	g_assert_cmpuint(fake_receive("abc", 3), ==, 0); /* no buffers */
	fake_offer(RX, NULL, 0, 0, 1);
	struct chain *in = fake_offer(RX, NULL, 0, 5, 2);
	fake_kick(RX);
	g_assert_cmpuint(fake_receive("abcdefgh", 8), ==, 5);
	g_assert_cmpmem(in->in, in->written, "abcde", 5);
	/* The window changes: the configuration says so. */
	fake.info.cols = 132;
	fake_chr_event(BP_CHR_RESIZED);
	fake_chr_event(BP_CHR_RESIZED);
	g_assert_cmpuint(virtio.config_changes, ==, 1);
	virtio.dev->config_read(console, 0, c, 2);
	g_assert_cmpuint(c[0], ==, 132);
	virtio.dev->config_read(console, 11, c, 8);
	virtio.dev->config_write(console, 8, "x\0\0\0", 4);
	virtio.dev->config_write(console, 0, "\0\0\0\0\0\0\0\0y", 9);
	virtio.dev->config_write(console, 9, "zzz", 3);
	g_assert_cmpstr(fake.sent->str, ==, "helloxy");
	end();
}

static void test_back_pressure(void)
{
	begin(0);
	fake.room = 3;
	fake_offer(TX, "hello", 5, 0, 2);
	fake_offer(TX, " world", 6, 0, 100);
	fake_kick(TX);
	g_assert_cmpstr(fake.sent->str, ==, "hel");
	g_assert_cmpuint(virtio.used[TX]->len, ==, 0);
	fake_kick(TX);
	fake.room = 4;
	fake_chr_event(BP_CHR_WRITABLE);
	g_assert_cmpstr(fake.sent->str, ==, "hello w");
	g_assert_cmpuint(virtio.used[TX]->len, ==, 1);
	/* One queue starts anew: it is let go of, and what comes then is sent from its beginning. */
	virtio.dev->queue_stop(console, TX);
	fake.room = SIZE_MAX;
	fake_offer(TX, "!", 1, 0, 1);
	fake_kick(TX);
	g_assert_cmpstr(fake.sent->str, ==, "hello w!");
	fake_offer(RX, NULL, 0, 5, 5);
	g_assert_cmpuint(fake_receive("", 0), ==, 0); /* it was asked, so it holds the chain */
	virtio.dev->queue_stop(console, RX);
	end();
}

static void test_busy_driver(void)
{
	begin(0);
	for (unsigned i = 0; i < 1000; i++)
		fake_offer(TX, "x", 1, 0, 1);
	fake_kick(TX);
	g_assert_cmpuint(fake.sent->len, ==, BURST);
	for (unsigned i = 0; i < 4; i++)
		fake_serve(0);
	g_assert_cmpuint(fake.sent->len, ==, 1000);
	for (unsigned i = 0; i < 600; i++)
		fake_offer(RX, NULL, 0, 0, 1);
	fake_offer(RX, NULL, 0, 1, 1);
	for (unsigned i = 0; i < 3; i++) {
		g_assert_cmpuint(fake_receive("a", 1), ==, i == 2);
		fake_serve(0);
	}
	end();
}

/* ---- several ports ---- */

static void test_ports(void)
{
	begin_port();
	g_assert_cmpuint(virtio.dev->queues, ==, 6);
	fake_offer(RX1, NULL, 0, 100, 100);
	g_assert_cmpuint(fake_receive("early", 5), ==, 0); /* nobody has opened it */
	set_up();
	g_assert_cmpuint(fake.ready, >, 0);
	g_assert_cmpuint(fake_receive("hello", 5), ==, 5);
	g_assert_cmpmem(fake_used(RX1, 0)->in, 5, "hello", 5);
	fake_offer(TX1, "echo", 4, 0, 4);
	fake_kick(TX1);
	g_assert_cmpstr(fake.sent->str, ==, "echo");
	/* The other end goes and comes. */
	fake_chr_event(BP_CHR_CLOSED);
	expect(1, OPEN, 0, NULL, 0);
	fake_chr_event(BP_CHR_OPENED);
	expect(1, OPEN, 1, NULL, 0);
	/* The program closes it: bytes wait again. */
	tell(1, OPEN, 0);
	fake_offer(RX1, NULL, 0, 100, 100);
	g_assert_cmpuint(fake_receive("late", 4), ==, 0);
	expect_no_more();
	end();
}

static void test_no_control_buffers(void)
{
	begin_port();
	heard = 0;
	tell(0, READY, 1);
	tell(1, OPEN, 1); /* not added yet: not obeyed */
	g_assert_nonnull(strstr(fake.message, "event 6 for port 1"));
	buffers(1);
	expect(1, ADD, 1, NULL, 0);
	tell(1, PORT_READY, 1);
	for (unsigned i = 0; i < 1000; i++)
		fake_chr_event(i & 1 ? BP_CHR_OPENED : BP_CHR_CLOSED);
	buffers(10);
	expect(1, NAME, 1, "org.example.one", 15);
	expect(1, OPEN, 1, NULL, 0);
	expect_no_more();
	/* A buffer that is too small gets what fits. */
	virtio.dev->run(console, 0);
	virtio.dev->run(console, 1);
	g_queue_clear(&virtio.avail[CONTROL_IN]);
	fake_offer(CONTROL_IN, NULL, 0, 3, 3);
	tell(0, READY, 1);
	g_assert_nonnull(strstr(fake.message, "takes 3 bytes of a message of 8"));
	end();
}

static void test_plugging(void)
{
	begin_port();
	const struct bp_bus *bus = fake_type(console)->interface(console, "bp.bus/1");
	const struct bp_link child = { sizeof(child), 0, ports[0], port_link, "port" };
	set_up();
	fake.room = 0;
	fake_offer(TX1, "stuck", 5, 0, 5);
	fake_kick(TX1);
	g_assert_cmpuint(virtio.used[TX1]->len, ==, 0);
	g_assert_cmpint(bus->plugged(console, &child), ==, BP_PLUGGED_IN);
	g_assert_cmpint(bus->plug(console, &child, BP_PLUG_IN, NULL), ==, -1);
	g_assert_nonnull(strstr(fake.message, "in its slot already"));
	g_assert_cmpint(bus->plug(console, &child, BP_PLUG_ASK, NULL), ==, 0);
	g_assert_cmpint(bus->plugged(console, &child), ==, BP_PLUGGED_OUT);
	expect(1, REMOVE, 1, NULL, 0);
	g_assert_cmpuint(virtio.used[TX1]->len, ==, 1);
	fake_offer(RX1, NULL, 0, 100, 100);
	g_assert_cmpuint(fake_receive("x", 1), ==, 0);
	g_assert_cmpint(bus->plug(console, &child, BP_PLUG_OUT, NULL), ==, -1);
	g_assert_nonnull(strstr(fake.message, "out of its slot already"));
	g_assert_cmpint(bus->plug(console, &child, BP_PLUG_IN, NULL), ==, 0);
	expect(1, ADD, 1, NULL, 0);
	tell(1, PORT_READY, 1);
	expect(1, NAME, 1, "org.example.one", 15);
	expect(1, OPEN, 1, NULL, 0);
	expect_no_more();
	end();
}

static void test_consoles(void)
{
	static const uint8_t size[] = { 100, 0, 30, 0 };
	new_console();
	g_assert_cmpint(add_port(NULL, 0, 0, "0"), ==, -1);
	g_assert_nonnull(strstr(fake.message, "must be a console"));
	g_assert_cmpint(add_port(NULL, 1, 0, NULL), ==, 0);
	g_assert_cmpint(add_port(NULL, 1, 0, "0"), ==, -1);
	g_assert_cmpint(add_port(NULL, 1, 0, "31"), ==, -1);
	g_assert_cmpint(add_port(NULL, 1, 0, "x"), ==, -1);
	g_assert_cmpint(add_port("last", 0, 0, "30"), ==, 0);
	g_assert_cmpint(plug(ports[0], "another plugin's", NULL), ==, -1);
	g_assert_cmpint(add_port(NULL, 1, 1, NULL), ==, 0);
	g_assert_cmpuint(ports[2]->number, ==, 1);
	fake_virtio_begin(console, FEATURE(F_MULTIPORT) | FEATURE(F_SIZE));
	g_assert_cmpuint(virtio.dev->queues, ==, 64);
	uint8_t c[4];
	virtio.dev->config_read(console, 4, c, 4);
	g_assert_cmpuint(c[0], ==, 31);
	heard = 0;
	buffers(16);
	tell(0, READY, 1);
	expect(0, ADD, 1, NULL, 0);
	expect(1, ADD, 1, NULL, 0);
	expect(30, ADD, 1, NULL, 0);
	tell(1, PORT_READY, 1);
	expect(1, CONSOLE_PORT, 1, NULL, 0);
	expect(1, OPEN, 1, NULL, 0);
	expect(1, RESIZE, 0, "\0\0\0\0", 4);
	fake.info.cols = 100;
	fake.info.rows = 30;
	fake_chr_event(BP_CHR_RESIZED);
	expect(1, RESIZE, 0, size, 4);
	tell(0, PORT_READY, 1);
	expect(0, CONSOLE_PORT, 1, NULL, 0);
	expect(0, RESIZE, 0, "\0\0\0\0", 4);
	tell(30, PORT_READY, 0);
	g_assert_nonnull(strstr(fake.message, "could not set port 30 up"));
	expect_no_more();
	fake_offer(63, "out", 3, 0, 3);
	fake_kick(63);
	g_assert_cmpuint(virtio.used[63]->len, ==, 1);
	end();
}

static void test_wild_messages(void)
{
	static const uint8_t bytes[] = { 1, 0, 0 };
	begin_port();
	set_up();
	tell(2, PORT_READY, 1);
	tell(0, PORT_READY, 1);
	tell(UINT32_MAX, OPEN, 1);
	tell(1, ADD, 1);
	tell(1, 200, 1);
	tell(0, READY, 0);
	tell(0, READY, 1);
	fake_offer(CONTROL_OUT, bytes, 3, 0, 1);
	fake_offer(CONTROL_OUT, NULL, 0, 10, 10);
	fake_kick(CONTROL_OUT);
	g_assert_nonnull(strstr(fake.message, "has 0 bytes"));
	for (unsigned q = 0; q < virtio.dev->queues; q++) {
		fake_kick(q);
		virtio.dev->queue_stop(console, q);
	}
	expect_no_more();
	/* A driver of one port only. */
	virtio.features = 0;
	virtio.dev->run(console, 0);
	virtio.dev->run(console, 1);
	fake_chr_event(BP_CHR_CLOSED);
	fake_kick(CONTROL_IN);
	expect_no_more();
	end();
}

static void test_state(void)
{
	begin_port();
	set_up();
	fake.room = 2;
	fake_offer(RX1, NULL, 0, 10, 10);
	fake_offer(TX1, "abcdef", 6, 0, 2);
	fake_kick(TX1);
	g_assert_cmpuint(fake_receive("", 0), ==, 0);
	struct port *p = ports[0];
	g_assert_cmpuint(p->in_held + p->out_held, ==, 2);
	/* As after a load: heads are there, mappings are not; and the window is another one. */
	memset(p->in->buffer, 0, sizeof(p->in->buffer));
	memset(p->out->buffer, 0, sizeof(p->out->buffer));
	fake.info.opened = 0;
	g_assert_cmpint(fake_type(console)->loaded(console, 2, NULL), ==, 0);
	g_assert_cmpint(fake_type(p)->loaded(p, 1, NULL), ==, 0);
	fake.room = SIZE_MAX;
	fake_serve(0);
	g_assert_cmpstr(fake.sent->str, ==, "abcdef");
	expect(1, OPEN, 0, NULL, 0);
	expect_no_more();
	g_assert_cmpuint(fake_receive("xyz", 3), ==, 3);
	g_assert_cmpmem(fake_used(RX1, 0)->in, 3, "xyz", 3);
	/* What no ring holds is refused. */
	p->out_held = 1;
	p->out_head = 0x5ffff;
	g_assert_cmpint(fake_type(p)->loaded(p, 1, NULL), ==, -1);
	p->in_held = 1;
	p->in_head = 0xffff;
	g_assert_cmpint(fake_type(p)->loaded(p, 1, NULL), ==, -1);
	end();
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/virtio-console/single", test_single);
	g_test_add_func("/virtio-console/back-pressure", test_back_pressure);
	g_test_add_func("/virtio-console/busy-driver", test_busy_driver);
	g_test_add_func("/virtio-console/ports", test_ports);
	g_test_add_func("/virtio-console/no-control-buffers", test_no_control_buffers);
	g_test_add_func("/virtio-console/plugging", test_plugging);
	g_test_add_func("/virtio-console/consoles", test_consoles);
	g_test_add_func("/virtio-console/wild-messages", test_wild_messages);
	g_test_add_func("/virtio-console/state", test_state);
	return g_test_run();
}
