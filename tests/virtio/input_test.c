/* SPDX-License-Identifier: MIT */
/* virtio-input behind a transport whose driver is this test, with a source that is this test, too. */
#include "fake_virtio.h"
#include <backplane/input.h>
#include <linux/input-event-codes.h>
#include <string.h>

extern const struct bp_plugin bp_plugin_1_dev_virtio_input;

enum { EVENTS, STATUS };
enum { KEYBOARD, MOUSE, TABLET, SOURCE };

static struct source {
	void *owner;
	const struct bp_input_sink *sink;
	unsigned ready;
	struct bp_input_event status;
	unsigned statuses;
} source;
static struct bp_input_about itself;
static const struct bp_input_about *about_itself;

static const struct bp_input_about *about(void *s)
{
	(void)s;
	return about_itself;
}

static void *attach(void *s, void *owner, const struct bp_input_sink *sink, bp_error *err)
{
	(void)err;
	source = (struct source){ .owner = owner, .sink = sink };
	return s;
}

static void detach(void *port)
{
	((struct source *)port)->owner = NULL;
}

static void ready(void *port)
{
	((struct source *)port)->ready++;
}

static void status(void *port, const struct bp_input_event *event)
{
	((struct source *)port)->status = *event;
	((struct source *)port)->statuses++;
}

static const struct bp_input input = { .size = sizeof(input),
	.about = about,
	.attach = attach,
	.detach = detach,
	.ready = ready,
	.status = status };
static struct bp_link link_to = { sizeof(link_to), 0, &source, &input, "source" };

static void *create(unsigned kind, int expected)
{
	void *self = fake_new(&bp_plugin_1_dev_virtio_input, "virtio-input");
	fake_set(self, "kind", kind);
	fake_set(self, "input", (uint64_t)(uintptr_t)&link_to);
	fake_set(self, "serial", (uint64_t)(uintptr_t) "S-1");
	g_assert_cmpint(fake_create(self), ==, expected);
	return self;
}

static void begin(unsigned kind)
{
	fake_virtio_begin(create(kind, 0), 0);
}

static void end(void)
{
	void *self = virtio.self;
	fake_virtio_end();
	fake_free(self);
	g_assert_null(source.owner);
}

/* Size of what select and subsel name, and the data. */
static uint8_t data[128];
static unsigned config(uint8_t select, uint8_t subsel)
{
	uint8_t size;
	virtio.dev->config_write(virtio.self, 0, &select, 1);
	virtio.dev->config_write(virtio.self, 1, &subsel, 1);
	virtio.dev->config_read(virtio.self, 2, &size, 1);
	virtio.dev->config_read(virtio.self, 8, data, sizeof(data));
	return size;
}

static void offer(unsigned n, unsigned piece)
{
	while (n--)
		fake_offer(EVENTS, NULL, 0, 8, piece);
	fake_kick(EVENTS);
}

static int report(const struct bp_input_event *e, unsigned count)
{
	return source.sink->report(source.owner, e, count);
}

static void expect(unsigned n, unsigned type, unsigned code, int32_t value)
{
	const struct chain *c = fake_used(EVENTS, n);
	int32_t v;
	memcpy(&v, c->in + 4, 4);
	g_assert_cmpuint(c->written, ==, 8);
	g_assert_cmpuint(c->in[0], ==, type);
	g_assert_cmpuint(c->in[2] | c->in[3] << 8, ==, code);
	g_assert_cmpint(v, ==, value);
}

static const struct bp_input_event key[] = { { EV_KEY, KEY_A, 1 } };

static void test_config(void)
{
	begin(TABLET);
	g_assert_cmpuint(virtio.dev->config_size, ==, 136);
	g_assert_cmpuint(config(1, 0), ==, 16);
	g_assert_cmpmem(data, 16, "Backplane tablet", 16);
	g_assert_cmpuint(config(2, 0), ==, 3);
	g_assert_cmpuint(config(3, 0), ==, 8);
	g_assert_cmpmem(data, 8, "\6\0\364\32\3\0\1\0", 8);
	g_assert_cmpuint(config(0x10, 0), ==, 0);
	g_assert_cmpuint(config(0x11, EV_ABS), ==, 1);
	g_assert_cmpuint(data[0], ==, 3);
	g_assert_cmpuint(config(0x11, EV_KEY), ==, BTN_TASK / 8 + 1);
	g_assert_cmpuint(data[BTN_LEFT / 8], ==, 0xff);
	g_assert_cmpuint(config(0x12, ABS_Y), ==, 20);
	g_assert_cmpmem(data, 8, "\0\0\0\0\377\177\0\0", 8);
	/* Whatever else is asked: there is none. */
	for (unsigned select = 0; select < 256; select++)
		for (unsigned sub = 0; sub < 256; sub++)
			if (!(select >= 1 && select <= 3 && !sub) &&
				!(select == 0x11 && sub >= EV_KEY && sub <= EV_ABS) &&
				!(select == 0x12 && sub <= ABS_Y))
				g_assert_cmpuint(config((uint8_t)select, (uint8_t)sub), ==, 0);
	uint8_t beyond[8];
	virtio.dev->config_read(virtio.self, 135, beyond, 8);
	virtio.dev->config_write(virtio.self, 130, "\1\2\3\4\5\6\7", 8);
	end();
	begin(KEYBOARD);
	g_assert_cmpuint(config(0x11, EV_REP), ==, 1);
	g_assert_cmpuint(config(0x11, EV_LED), ==, 1);
	end();
}

static void test_events(void)
{
	static const struct bp_input_event two[] = { { EV_KEY, KEY_B, 1 }, { EV_KEY, KEY_B, 0 } };
	begin(KEYBOARD);
	offer(1, 8);
	g_assert_cmpint(report(key, 1), ==, BP_INPUT_FULL); /* a key without its end is none */
	g_assert_cmpuint(virtio.used[EVENTS]->len, ==, 0);
	g_assert_cmpuint(source.ready, ==, 0);
	offer(1, 3);
	g_assert_cmpuint(source.ready, ==, 1);
	g_assert_cmpint(report(key, 1), ==, BP_INPUT_TAKEN);
	expect(0, EV_KEY, KEY_A, 1);
	expect(1, EV_SYN, SYN_REPORT, 0);
	g_assert_cmpuint(virtio.notified[EVENTS], ==, 1);
	/* Chains in which no event fits go back. */
	fake_offer(EVENTS, NULL, 0, 7, 7);
	fake_offer(EVENTS, NULL, 0, 0, 7);
	offer(4, 8);
	g_assert_cmpint(report(two, 2), ==, BP_INPUT_TAKEN);
	g_assert_cmpuint(fake_used(EVENTS, 2)->written, ==, 0);
	expect(4, EV_KEY, KEY_B, 1);
	expect(6, EV_SYN, SYN_REPORT, 0);
	/* More than any report, or nothing: not a report. */
	g_assert_cmpint(report(two, 0), ==, BP_INPUT_TAKEN);
	g_assert_cmpint(report(two, BP_INPUT_REPORT_MAX + 1), ==, BP_INPUT_TAKEN);
	g_assert_cmpuint(virtio.used[EVENTS]->len, ==, 7);
	virtio.stopped = 1; /* nobody listens */
	g_assert_cmpint(report(key, 1), ==, BP_INPUT_TAKEN);
	end();
}

static void test_reset(void)
{
	struct bp_input_event many[BP_INPUT_REPORT_MAX];
	begin(KEYBOARD);
	for (unsigned i = 0; i < BP_INPUT_REPORT_MAX; i++)
		many[i] = (struct bp_input_event){ EV_KEY, (uint16_t)(KEY_1 + i), 1 };
	offer(BP_INPUT_REPORT_MAX, 8);
	g_assert_cmpint(report(many, BP_INPUT_REPORT_MAX), ==, BP_INPUT_FULL);
	virtio.dev->queue_stop(virtio.self, EVENTS);
	offer(BP_INPUT_REPORT_MAX, 8);
	g_assert_cmpint(report(many, BP_INPUT_REPORT_MAX), ==, BP_INPUT_FULL);
	offer(3, 8);
	g_assert_cmpint(report(many, BP_INPUT_REPORT_MAX), ==, BP_INPUT_TAKEN);
	g_assert_cmpint(report(key, 1), ==, BP_INPUT_TAKEN);
	g_assert_cmpint(report(key, 1), ==, BP_INPUT_FULL);
	/* Who waits is told when the driver goes. */
	unsigned before = source.ready;
	virtio.dev->run(virtio.self, 0);
	fake_serve(0);
	g_assert_cmpuint(source.ready, ==, before + 1);
	end();
}

static void test_status(void)
{
	static const uint8_t led[] = { EV_LED, 0, LED_CAPSL, 0, 1, 0, 0, 0 };
	static const uint8_t wrong[] = { EV_LED, 0, 77, 0, 1, 0, 0, 0 };
	static const uint8_t far[] = { 255, 255, 255, 255, 255, 255, 255, 255 };
	begin(KEYBOARD);
	fake_offer(STATUS, led, 8, 0, 3);
	fake_offer(STATUS, wrong, 8, 0, 8);
	fake_offer(STATUS, far, 8, 0, 8);
	fake_offer(STATUS, led, 7, 0, 8);
	fake_offer(STATUS, NULL, 0, 8, 8);
	fake_kick(STATUS);
	g_assert_cmpuint(virtio.used[STATUS]->len, ==, 5);
	g_assert_cmpuint(source.statuses, ==, 1);
	g_assert_cmpuint(source.status.code, ==, LED_CAPSL);
	for (unsigned i = 0; i < 600; i++)
		fake_offer(STATUS, led, 8, 0, 8);
	fake_kick(STATUS);
	g_assert_cmpuint(source.statuses, ==, 257);
	fake_serve(0);
	fake_serve(0);
	g_assert_cmpuint(source.statuses, ==, 601);
	end();
}

static void test_source(void)
{
	fake_free(create(SOURCE, -1));
	g_assert_nonnull(strstr(fake.message, "the source is no device itself"));
	itself = (struct bp_input_about){ .size = sizeof(itself), .name = "A pad", .bus = 3 };
	itself.bits[EV_ABS][0] = 1;
	itself.props[0] = 2;
	itself.axis[0] = (struct bp_input_axis){ -1, 1, 2, 3, 4 };
	about_itself = &itself;
	begin(SOURCE);
	g_assert_cmpuint(config(1, 0), ==, 5);
	g_assert_cmpuint(config(0x10, 0), ==, 1);
	g_assert_cmpuint(config(0x12, 0), ==, 20);
	g_assert_cmpmem(data, 8, "\377\377\377\377\1\0\0\0", 8);
	end();
	about_itself = NULL;
}

static void test_state(void)
{
	begin(KEYBOARD);
	offer(1, 8);
	g_assert_cmpint(report(key, 1), ==, BP_INPUT_FULL);
	void *self = virtio.self;
	g_assert_cmpint(fake_type(self)->loaded(self, 1, NULL), ==, 0);
	fake_serve(0);
	g_assert_cmpuint(source.ready, ==, 1);
	offer(1, 8);
	g_assert_cmpint(report(key, 1), ==, BP_INPUT_TAKEN);
	expect(0, EV_KEY, KEY_A, 1);
	/* What no ring holds is refused, and so is more than there can be. */
	const struct bp_field *f = fake_type(self)->state;
	while (strcmp(f->name, "held") != 0)
		f++;
	uint32_t *held = (uint32_t *)(void *)((char *)self + f->offset);
	*held = 1000000;
	g_assert_cmpint(fake_type(self)->loaded(self, 1, NULL), ==, -1);
	*held = 1;
	held[1] = 0xffff;
	g_assert_cmpint(fake_type(self)->loaded(self, 1, NULL), ==, -1);
	held[1] = 0;
	end();
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/virtio-input/config", test_config);
	g_test_add_func("/virtio-input/events", test_events);
	g_test_add_func("/virtio-input/reset", test_reset);
	g_test_add_func("/virtio-input/status", test_status);
	g_test_add_func("/virtio-input/source", test_source);
	g_test_add_func("/virtio-input/state", test_state);
	return g_test_run();
}
