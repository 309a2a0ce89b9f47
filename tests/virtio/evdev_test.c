/* SPDX-License-Identifier: MIT */
/* input-evdev on a FIFO that ioctl() here makes an input device: what the kernel would say. */
#include "fake_host.h"
#include <backplane/input.h>
#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <linux/input.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern const struct bp_plugin bp_plugin_1_input_evdev;

static struct kernel {
	int is_none, taken;
	uint8_t keys[BP_INPUT_CODES / 8]; /* held down */
	int grabbed;
} kernel;

static int copy(void *to, unsigned long request, const void *from, size_t len)
{
	len = MIN(len, _IOC_SIZE(request));
	memcpy(to, from, len);
	return (int)len;
}

/* In front of the C library's. */
int ioctl(int fd, unsigned long request, ...)
{
	static const uint8_t types[] = { 1 << EV_SYN | 1 << EV_KEY | 1 << EV_ABS, 0, 2 };
	static const uint8_t keys[] = { 0, 0, 0, 0xff, 0xff }, leds[] = { 7 }, axes[] = { 1 };
	static const struct input_id id = { BUS_USB, 1, 2, 3 };
	static const struct input_absinfo x = { .minimum = -5, .maximum = 5 };
	va_list args;
	va_start(args, request);
	void *p = va_arg(args, void *);
	va_end(args);
	(void)fd;
	if (kernel.is_none || _IOC_TYPE(request) != 'E') {
		errno = ENOTTY;
		return -1;
	}
	switch (_IOC_NR(request)) {
	case _IOC_NR(EVIOCGVERSION): return 0;
	case _IOC_NR(EVIOCGID): return copy(p, request, &id, sizeof(id));
	case _IOC_NR(EVIOCGNAME(0)): return copy(p, request, "Keys", 5);
	case _IOC_NR(EVIOCGKEY(0)): return copy(p, request, kernel.keys, sizeof(kernel.keys));
	case _IOC_NR(EVIOCGBIT(0, 0)): return copy(p, request, types, sizeof(types));
	case _IOC_NR(EVIOCGBIT(EV_KEY, 0)): return copy(p, request, keys, sizeof(keys));
	case _IOC_NR(EVIOCGBIT(EV_ABS, 0)): return copy(p, request, axes, sizeof(axes));
	case _IOC_NR(EVIOCGBIT(EV_LED, 0)): return copy(p, request, leds, sizeof(leds));
	case _IOC_NR(EVIOCGABS(0)): return copy(p, request, &x, sizeof(x));
	case _IOC_NR(EVIOCGRAB):
		errno = EBUSY;
		kernel.grabbed = p != NULL;
		return kernel.taken ? -1 : 0;
	default: errno = EINVAL; return -1;
	}
}

static char *folder, *path;
static void *evdev;
static const struct bp_input *input;
static void *port;
static int other; /* the FIFO's writing end */
static unsigned room;
static GString *heard;

static const struct bp_input_about *about(void *owner)
{
	(void)owner;
	return input->about(evdev);
}

static int report(void *owner, const struct bp_input_event *e, uint32_t count)
{
	(void)owner;
	if (!room)
		return BP_INPUT_FULL;
	room--;
	for (uint32_t i = 0; i < count; i++)
		g_string_append_printf(heard, "%u %u %d,", e[i].type, e[i].code, e[i].value);
	g_string_append_c(heard, '.');
	return BP_INPUT_TAKEN;
}

static const struct bp_input_sink sink = { .size = sizeof(sink), .about = about, .report = report };

static int create(int grab)
{
	evdev = fake_new(&bp_plugin_1_input_evdev, "input-evdev");
	fake_set(evdev, "path", (uint64_t)(uintptr_t)path);
	fake_set(evdev, "grab", (uint64_t)grab);
	return fake_create(evdev);
}

static void begin(void)
{
	memset(&kernel, 0, sizeof(kernel));
	g_assert_cmpint(mkfifo(path, 0600), ==, 0);
	g_assert_cmpint(create(1), ==, 0);
	g_assert_cmpint(kernel.grabbed, ==, 1);
	other = open(path, O_WRONLY | O_NONBLOCK);
	g_assert_cmpint(other, >=, 0);
	input = fake_type(evdev)->interface(evdev, "bp.input/1");
	port = input->attach(evdev, &room, &sink, NULL);
	g_assert_null(input->attach(evdev, &room, &sink, NULL));
	room = UINT_MAX;
	heard = g_string_new(NULL);
}

static void end(void)
{
	input->detach(port);
	fake_free(evdev);
	close(other);
	g_string_free(heard, TRUE);
	g_unlink(path);
}

static void event(unsigned type, unsigned code, int value)
{
	const struct input_event e = {
		.type = (uint16_t)type, .code = (uint16_t)code, .value = value
	};
	g_assert_cmpint(write(other, &e, sizeof(e)), ==, sizeof(e));
}

static void expect(const char *text)
{
	fake_serve(0);
	g_assert_cmpstr(heard->str, ==, text);
	g_string_truncate(heard, 0);
}

static void hold(unsigned code, int down)
{
	kernel.keys[code / 8] =
		(uint8_t)((kernel.keys[code / 8] & ~(1u << code % 8)) | (unsigned)down << code % 8);
}

static void test_about(void)
{
	begin();
	const struct bp_input_about *a = input->about(evdev);
	g_assert_cmpstr(a->name, ==, "Keys");
	g_assert_null(a->serial);
	g_assert_cmpuint(a->bus, ==, BUS_USB);
	g_assert_cmpuint(a->version, ==, 3);
	g_assert_cmpuint(a->bits[EV_KEY][3], ==, 0xff);
	g_assert_cmpuint(a->bits[EV_LED][0], ==, 7);
	g_assert_cmpint(a->axis[0].min, ==, -5);
	end();
}

static void test_events(void)
{
	begin();
	event(EV_KEY, KEY_A, 1);
	event(EV_ABS, ABS_X, -3);
	event(EV_MSC, 4, 5); /* not one of its own */
	event(EV_KEY, 700, 1);
	event(77, 1, 1);
	expect("");
	event(EV_SYN, SYN_REPORT, 0);
	event(EV_KEY, KEY_A, 0);
	event(EV_SYN, SYN_REPORT, 0);
	expect("1 30 1,3 0 -3,.1 30 0,.");
	for (unsigned i = 0; i < 40; i++)
		event(EV_ABS, ABS_X, 1);
	event(EV_SYN, SYN_REPORT, 0);
	fake_serve(0);
	g_assert_cmpuint(strcspn(heard->str, "."), ==, 32 * strlen("3 0 1,"));
	g_string_truncate(heard, 0);
	/* The device has no room: the kernel keeps the rest. */
	room = 0;
	event(EV_KEY, KEY_A, 1);
	event(EV_SYN, SYN_REPORT, 0);
	event(EV_KEY, KEY_A, 0);
	event(EV_SYN, SYN_REPORT, 0);
	expect("");
	expect("");
	room = UINT_MAX;
	input->ready(port);
	expect("1 30 1,.1 30 0,.");
	end();
}

static void test_lost(void)
{
	begin();
	event(EV_KEY, KEY_A, 1);
	event(EV_SYN, SYN_REPORT, 0);
	expect("1 30 1,.");
	/* The kernel's memory was full: what came meanwhile is found out. */
	hold(KEY_S, 1);
	event(EV_KEY, KEY_D, 1);
	event(EV_SYN, SYN_DROPPED, 0);
	event(EV_KEY, KEY_F, 1);
	event(EV_SYN, SYN_REPORT, 0);
	expect("1 30 0,1 31 1,.");
	/* A restored machine believes what was; its keyboard is another one. */
	hold(KEY_S, 0);
	g_assert_cmpint(fake_type(evdev)->loaded(evdev, 1, NULL), ==, 0);
	expect("1 31 0,.");
	end();
}

static void test_unplugged(void)
{
	begin();
	event(EV_KEY, KEY_A, 1);
	event(EV_SYN, SYN_REPORT, 0);
	g_assert_cmpint(write(other, "half", 4), ==, 4);
	expect("1 30 1,.1 30 0,."); /* no key stays down */
	g_assert_nonnull(strstr(fake.message, "the guest gets no more from it"));
	const struct bp_input_event led = { EV_LED, 1, 1 };
	input->status(port, &led);
	expect("");
	end();
}

static void test_refusals(void)
{
	g_assert_cmpint(create(0), ==, -1);
	g_assert_nonnull(strstr(fake.message, "No such file"));
	fake_free(evdev);
	g_assert_cmpint(mkfifo(path, 0600), ==, 0);
	kernel = (struct kernel){ .is_none = 1 };
	g_assert_cmpint(create(0), ==, -1);
	g_assert_nonnull(strstr(fake.message, "this is no input device"));
	fake_free(evdev);
	kernel = (struct kernel){ .taken = 1 };
	g_assert_cmpint(create(1), ==, -1);
	g_assert_nonnull(strstr(fake.message, "cannot be had alone"));
	fake_free(evdev);
	g_unlink(path);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	folder = g_dir_make_tmp("evdev-XXXXXX", NULL);
	path = g_build_filename(folder, "event0", NULL);
	g_test_add_func("/input-evdev/about", test_about);
	g_test_add_func("/input-evdev/events", test_events);
	g_test_add_func("/input-evdev/lost", test_lost);
	g_test_add_func("/input-evdev/unplugged", test_unplugged);
	g_test_add_func("/input-evdev/refusals", test_refusals);
	int r = g_test_run();
	g_rmdir(folder);
	g_free(path);
	g_free(folder);
	return r;
}
