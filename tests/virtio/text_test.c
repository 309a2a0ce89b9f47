/* SPDX-License-Identifier: MIT */
/* input-text: lines in, reports out; a device that is full; hostile bytes. */
#include "fake_host.h"
#include <backplane/input.h>
#include <linux/input-event-codes.h>
#include <string.h>

extern const struct bp_plugin bp_plugin_1_input_text;

static struct device {
	struct bp_input_about about;
	GString *heard; /* "type code value," of each event, "." behind each report */
	unsigned room;
	void *port;
} keyboard, pointer;
static void *text;
static const struct bp_input *input;

static const struct bp_input_about *about(void *owner)
{
	return &((struct device *)owner)->about;
}

static int report(void *owner, const struct bp_input_event *e, uint32_t count)
{
	struct device *d = owner;
	if (!d->room)
		return BP_INPUT_FULL;
	d->room--;
	for (uint32_t i = 0; i < count; i++)
		g_string_append_printf(d->heard, "%u %u %d,", e[i].type, e[i].code, e[i].value);
	g_string_append_c(d->heard, '.');
	return BP_INPUT_TAKEN;
}

static const struct bp_input_sink sink = { .size = sizeof(sink), .about = about, .report = report };

static void add(struct device *d, unsigned type, unsigned first, unsigned last)
{
	for (unsigned n = first; n <= last; n++)
		d->about.bits[type][n / 8] |= (uint8_t)(1u << n % 8);
}

static void join(struct device *d)
{
	*d = (struct device){ .heard = g_string_new(NULL), .room = UINT_MAX };
	d->port = input->attach(text, d, &sink, NULL);
	g_assert_nonnull(d->port);
}

static void begin(void)
{
	text = fake_new(&bp_plugin_1_input_text, "input-text");
	fake_set(text, "chr", (uint64_t)(uintptr_t)fake_stream());
	g_assert_cmpint(fake_create(text), ==, 0);
	input = fake_type(text)->interface(text, "bp.input/1");
	join(&keyboard);
	join(&pointer);
	add(&keyboard, EV_KEY, KEY_ESC, KEY_MICMUTE);
	add(&pointer, EV_KEY, BTN_LEFT, BTN_TASK);
	add(&pointer, EV_ABS, ABS_X, ABS_Y);
	add(&pointer, EV_REL, REL_WHEEL, REL_WHEEL);
}

static void end(void)
{
	input->detach(keyboard.port);
	input->detach(pointer.port);
	g_string_free(keyboard.heard, TRUE);
	g_string_free(pointer.heard, TRUE);
	fake_free(text);
}

static void say(const char *s)
{
	g_assert_cmpuint(fake_receive(s, strlen(s)), ==, strlen(s));
}

static void test_lines(void)
{
	begin();
	say("key KEY_A down\nkey a up\n# nothing\n\n  key 1\r\n");
	g_assert_cmpstr(keyboard.heard->str, ==, "1 30 1,.1 30 0,.1 2 1,.1 2 0,.");
	g_string_truncate(keyboard.heard, 0);
	say("abs x 100; abs ABS_Y -7; key BTN_LEFT down; key leftshift; key 46");
	g_assert_cmpuint(pointer.heard->len, ==, 0);
	say("\nrel wheel 0x10 # up\n");
	g_assert_cmpstr(pointer.heard->str, ==, "3 0 100,3 1 -7,1 272 1,.2 8 16,.");
	g_assert_cmpstr(keyboard.heard->str, ==, "1 42 1,1 46 1,.1 42 0,1 46 0,.");
	g_assert_cmpstr(fake.message, ==, "");
	struct bp_input_event led = { EV_LED, LED_CAPSL, 1 };
	input->status(keyboard.port, &led);
	led.type = EV_SND;
	input->status(keyboard.port, &led);
	g_assert_cmpstr(fake.sent->str, ==, "led LED_CAPSL on\n");
	end();
}

static void test_full(void)
{
	begin();
	keyboard.room = 1;
	say("key a; key BTN_LEFT\nkey b down\n");
	g_assert_cmpstr(keyboard.heard->str, ==, "1 30 1,.");
	g_assert_cmpstr(pointer.heard->str, ==, "1 272 1,.");
	g_assert_cmpuint(fake_receive("key c\n", 6), ==, 0);
	keyboard.room = 1;
	input->ready(keyboard.port);
	g_assert_cmpstr(pointer.heard->str, ==, "1 272 1,.1 272 0,.");
	g_assert_cmpuint(fake.ready, ==, 0);
	/* A snapshot between the two. */
	g_assert_cmpint(fake_type(text)->loaded(text, 1, NULL), ==, 0);
	keyboard.room = 5;
	fake_serve(0);
	g_assert_cmpstr(keyboard.heard->str, ==, "1 30 1,.1 30 0,.1 48 1,.");
	g_assert_cmpuint(fake.ready, ==, 1);
	say("key b up\n");
	g_assert_cmpstr(keyboard.heard->str, ==, "1 30 1,.1 30 0,.1 48 1,.1 48 0,.");
	end();
}

static void test_wrong_lines(void)
{
	static const struct {
		const char *line, *says;
	} wrong[] = {
		{ "kez a\n", "line 1: \"kez\": key, rel or abs is expected" },
		{ "key\n", "a name is expected" },
		{ "key a down now\n", "a name is expected, and what happens" },
		{ "key nothing\n", "no code has this name" },
		{ "key 768\n", "no code has this name" },
		{ "key 99999999999999999999\n", "no code has this name" },
		{ "key -5\n", "no code has this name" },
		{ "key 700\n", "no device takes it" },
		{ "key a sideways\n", "\"down\", \"up\" or \"tap\" is expected" },
		{ "abs x\n", "a number of 32 bits is expected" },
		{ "abs x 3000000000\n", "a number of 32 bits is expected" },
		{ "abs x 12z\n", "\"12z\": a number of 32 bits is expected" },
		{ "abs z 1\n", "no device takes it" },
		{ "key a down; key b down; oops\n", "\"oops\"" },
		{ "\x1b[2J\xff\xfe\n", "line 1: \"?[2J??\"" },
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
		begin();
		say(wrong[i].line);
		g_assert_nonnull(strstr(fake.message, wrong[i].says));
		g_assert_cmpuint(keyboard.heard->len + pointer.heard->len, ==, 0);
		say("key a down\n");
		g_assert_cmpstr(keyboard.heard->str, ==, "1 30 1,.");
		end();
	}
	begin();
	GString *many = g_string_new(NULL);
	for (unsigned i = 0; i < 33; i++)
		g_string_append(many, "key a up;");
	g_string_append_c(many, '\n');
	say(many->str);
	g_assert_nonnull(strstr(fake.message, "at most 32 events"));
	g_string_free(many, TRUE);
	g_assert_cmpuint(fake_receive("key a\0b\n", 8), ==, 8);
	g_assert_nonnull(strstr(fake.message, "a byte 0 is no text"));
	end();
}

static void test_any_bytes(void)
{
	begin();
	for (unsigned i = 0; i < 3; i++) { /* one line, whatever it is made of */
		char bytes[512];
		memset(bytes, 'x', sizeof(bytes));
		g_assert_cmpuint(fake_receive(bytes, sizeof(bytes)), ==, 512);
		if (!i)
			g_assert_nonnull(strstr(fake.message, "line 1: \"xxxx"));
		else
			g_assert_cmpstr(fake.message, ==, "");
		fake.message[0] = 0;
	}
	say("\nkey a down\nkey a");
	fake_chr_event(BP_CHR_CLOSED); /* half a line goes with who said it */
	say(" up\n");
	g_assert_nonnull(strstr(fake.message, "line 3: \"up\""));
	g_assert_cmpstr(keyboard.heard->str, ==, "1 30 1,.");
	uint32_t seed = 1;
	for (unsigned i = 0; i < 20000; i++) {
		static const char *const words[] = { "key ", "abs ", "rel ", "a ", "x ", "down",
			";", "\n", "1", " ", "#", "\r", "-", "0x" };
		seed = seed * 1664525 + 1013904223;
		const char *w = words[(seed >> 16) % G_N_ELEMENTS(words)];
		uint8_t any = (uint8_t)(seed >> 8);
		if (seed >> 31)
			fake_receive(&any, 1);
		else
			fake_receive(w, strlen(w));
	}
	end();
}

static void test_sinks(void)
{
	static struct device more[20];
	begin();
	for (unsigned i = 0; i < 14; i++) {
		more[i].heard = g_string_new(NULL);
		more[i].port = input->attach(text, &more[i], &sink, NULL);
		g_assert_nonnull(more[i].port);
	}
	g_assert_null(input->attach(text, &more[14], &sink, NULL));
	for (unsigned i = 0; i < 14; i++) {
		input->detach(more[i].port);
		g_string_free(more[i].heard, TRUE);
	}
	end();
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/input-text/lines", test_lines);
	g_test_add_func("/input-text/full", test_full);
	g_test_add_func("/input-text/wrong-lines", test_wrong_lines);
	g_test_add_func("/input-text/any-bytes", test_any_bytes);
	g_test_add_func("/input-text/sinks", test_sinks);
	return g_test_run();
}
