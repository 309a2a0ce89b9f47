/* SPDX-License-Identifier: MIT */
/* A machine of two objects into a file and back; and files that nobody should believe. */
#include "bus/line.h"
#include "bus/test_support.h"
#include "internal.h"
#include "plugin/domain.h"
#include "sched/sched.h"
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

/* ---- a device with a field of every type ---- */

enum { ROOM = 4 };
struct part {
	uint16_t a;
	uint8_t b[3];
};
struct device {
	uint8_t on, small, bytes[5];
	uint16_t half;
	uint32_t word, count, mode, ranged;
	uint64_t wide[2], items[ROOM], size_of;
	int32_t minus;
	int64_t far;
	uint64_t both[2];
	struct part part[2];
	bp_timer *timer, *absent;
	bp_line *out[2];
	unsigned loads, from;
	int result;
};

static const char *const modes[] = { "idle", "busy", NULL };
#define PART(m, t) BP_FIELD(struct part, m, t)
#define DEV(m, t)  BP_FIELD(struct device, m, t)
static const struct bp_field part_state[] = {
	{ PART(a, BP_U16) },
	{ PART(b, BP_BYTES), .count = 3, .flags = BP_F_WHOLE },
	{ 0 },
};
static const struct bp_field state[] = {
	{ DEV(on, BP_BOOL) },
	{ DEV(small, BP_U8) },
	{ DEV(bytes, BP_BYTES), .count = 5, .flags = BP_F_WHOLE },
	{ DEV(half, BP_U16) },
	{ DEV(word, BP_U32) },
	{ DEV(count, BP_U32) },
	{ DEV(mode, BP_ENUM), .names = modes },
	{ DEV(ranged, BP_U32), .flags = BP_F_RANGE, .min = 3, .max = 5 },
	{ DEV(wide, BP_U64), .count = 2, .flags = BP_F_WHOLE },
	{ DEV(items, BP_U64), .count = ROOM, .count_offset = offsetof(struct device, count) },
	{ DEV(size_of, BP_SIZE) },
	{ DEV(minus, BP_S32) },
	{ DEV(far, BP_S64) },
	{ DEV(both, BP_U128) },
	{ DEV(part, BP_STRUCT), .count = 2, .flags = BP_F_WHOLE, .sub = part_state,
		.sub_size = sizeof(struct part) },
	{ DEV(timer, BP_TIMER) },
	{ DEV(absent, BP_TIMER) },
	{ .name = "level", .offset = offsetof(struct device, out), .type = BP_LINE },
	{ 0 },
};

static void heard(void *self, unsigned n, int level)
{
	(void)self;
	(void)n;
	(void)level;
}

static const struct bp_pin outputs[] = {
	{ .name = "out", .offset = offsetof(struct device, out), .count = 2 }, { 0 }
};
static const struct bp_pin inputs[] = { { .name = "in", .count = 2, .set = heard }, { 0 } };
static const struct bp_field props[] = { { BP_PROP(struct device, size_of, BP_U64, "size") },
	{ 0 } };
static const struct bp_field run_time[] = {
	{ BP_PROP(struct device, size_of, BP_U64, "size"), .flags = BP_F_RUNTIME }, { 0 }
};

static int loaded(void *self, uint32_t from, bp_error *err)
{
	struct device *d = self;
	d->loads++;
	d->from = from;
	return d->result ? object_fail(err, "this state is not wanted") : 0;
}

static void fired(void *self, uint64_t arg)
{
	(void)self;
	(void)arg;
}

struct machine {
	struct test_type device, memory;
	struct object *objects[2];
	struct device *d;
	struct bus_ram *ram;
	struct state_machine m;
	struct domain *domain;
};

static void machine_init(struct machine *m, uint64_t ram)
{
	memset(m, 0, sizeof(*m));
	m->domain = domain_new("test", false);
	test_type_init(&m->device, "device", sizeof(struct device));
	m->device.object.state = state;
	m->device.object.props = NULL;
	m->device.object.state_version = 3;
	m->device.object.state_oldest = 2;
	m->device.object.loaded = loaded;
	m->device.object.out = outputs;
	m->device.object.in = inputs;
	test_type_core(&m->memory, "ram");
	m->objects[0] = test_object(&m->device, "dev", m->domain);
	m->objects[1] = test_object(&m->memory, "ram", m->domain);
	memcpy(m->objects[1]->instance, &ram, sizeof(ram)); /* its first member: the size */
	for (unsigned i = 0; i < 2; i++) {
		g_assert_cmpint(bus_object_init(m->objects[i], &test_error), ==, 0);
		g_assert_cmpint(line_object_init(m->objects[i], &test_error), ==, 0);
	}
	g_assert_cmpint(
		line_connect(m->objects[0], "out", 0, m->objects[0], "in", 0, &test_error), ==, 0);
	g_assert_cmpint(
		line_connect(m->objects[0], "out", 1, m->objects[0], "in", 1, &test_error), ==, 0);
	m->d = m->objects[0]->instance;
	m->d->timer = sched_timer_new(m->d, BP_CLOCK_VIRTUAL, fired, 0);
	m->d->ranged = 4;
	m->ram = bus_object_ram(m->objects[1], 0);
	m->m = (struct state_machine){ m->objects, 2, "[dev]\n", NULL };
}

static void machine_finish(struct machine *m)
{
	for (unsigned i = 0; i < 2; i++) {
		sched_forget(m->objects[i]);
		test_object_free(m->objects[i]);
	}
	domain_free(m->domain);
}

enum { RAM = 4 << 20 };

static void fill(struct machine *m)
{
	struct device *d = m->d;
	for (uint8_t *p = &d->on; p < (uint8_t *)&d->timer; p++)
		*p = (uint8_t)g_test_rand_int();
	d->on = 1;
	d->mode = 1;
	d->ranged = 5;
	d->count = 3;
	d->items[3] = 0;
	d->part[0].b[0] = 7;
	m->objects[0]->random = 99;
	sched_timer_at(d->timer, 123456789);
	line_set(d->out[1], 1);
	memset(m->ram->host + 5 * BUS_PAGE, 0xa5, 3 * BUS_PAGE);
	memset(m->ram->host + 2 * PAGES_MAX - BUS_PAGE, 0x5a, PAGES_MAX + 2 * BUS_PAGE);
	m->ram->host[RAM - 1] = 1;
}

static char *folder;

static char *file(const char *name)
{
	return g_build_filename(folder, name, NULL);
}

static struct error_list errors;

static char *said(void)
{
	char *text = error_list_text(&errors);
	error_list_finish(&errors);
	return text;
}

static void save(struct machine *m, const char *path)
{
	g_assert_cmpint(state_save(&m->m, path, &errors), ==, STATE_GOOD);
	g_assert_cmpuint(errors.total, ==, 0);
}

static void test_round(void)
{
	struct machine a, b;
	char *first = file("first"), *second = file("second"), *x, *y;
	gsize xs, ys;
	machine_init(&a, RAM);
	sched_state_set(&(struct sched_state){ .virtual_ns = 987654321 });
	fill(&a);
	save(&a, first);
	machine_init(&b, RAM);
	b.objects[1]->random = 5; /* is not in the file */
	memset(b.ram->host, 0xee, RAM); /* has to go, and be a hole again */
	sched_state_set(&(struct sched_state){ 0 });
	g_assert_cmpint(state_load(&b.m, first, &errors), ==, STATE_GOOD);
	g_assert_cmpmem(&a.d->on, 7, &b.d->on, 7);
	g_assert_cmpmem(a.d->wide, 48, b.d->wide, 48);
	g_assert_cmpmem(a.d->both, 16, b.d->both, 16);
	g_assert_cmpint(a.d->minus, ==, b.d->minus);
	g_assert_cmpint(a.d->part[1].a, ==, b.d->part[1].a);
	g_assert_cmpmem(a.ram->host, RAM, b.ram->host, RAM);
	g_assert_cmpuint(b.objects[0]->random, ==, 99);
	g_assert_cmpuint(b.objects[1]->random, ==, 0);
	g_assert_cmpint(sched_timer_due(b.d->timer), ==, 123456789);
	g_assert_cmpint(line_get(b.d->out[0]), ==, 0);
	g_assert_cmpint(line_get(b.d->out[1]), ==, 1);
	g_assert_cmpint(line_input(b.objects[0], "in", 1), ==, 1);
	g_assert_cmpint(sched_now(BP_CLOCK_VIRTUAL), ==, 987654321);
	g_assert_cmpuint(b.d->loads, ==, 1);
	g_assert_cmpuint(b.d->from, ==, 3);
	save(&b, second);
	g_file_get_contents(first, &x, &xs, NULL);
	g_file_get_contents(second, &y, &ys, NULL);
	g_assert_cmpmem(x, xs, y, ys);
	g_assert_cmpuint(xs, <, 2 << 20); /* what is empty costs nothing */
	g_free(x);
	g_free(y);
	g_free(first);
	g_free(second);
	machine_finish(&a);
	machine_finish(&b);
}

/* ---- files that are not believed ---- */

struct bytes {
	char *data;
	gsize len;
};

static struct bytes good(void)
{
	struct machine m;
	struct bytes b;
	char *path = file("good");
	machine_init(&m, RAM);
	fill(&m);
	save(&m, path);
	g_file_get_contents(path, &b.data, &b.len, NULL);
	machine_finish(&m);
	g_free(path);
	return b;
}

static enum state_result load_bytes(const void *data, size_t len, bool trusting, unsigned *loads)
{
	struct machine m;
	char *path = file("bad");
	g_file_set_contents(path, data, (gssize)len, NULL);
	machine_init(&m, RAM);
	int fd = open(path, O_RDONLY);
	enum state_result r = load_from(&m.m, fd, path, trusting, &errors);
	close(fd);
	if (loads)
		*loads = m.d->loads;
	machine_finish(&m);
	g_free(path);
	return r;
}

/* Every length, and one flipped bit anywhere, is a sentence and nothing is told to anybody. */
static void test_damage(void)
{
	struct bytes b = good();
	unsigned loads;
	for (gsize n = 0; n < b.len; n += n < 24 ? 1 : n < 3000 ? 37 : 50021) {
		g_assert_cmpint(load_bytes(b.data, n, false, &loads), ==, STATE_BAD);
		g_assert_cmpuint(errors.total, ==, 1);
		g_assert_cmpuint(loads, ==, 0);
		g_free(said());
		b.data[n] ^= (char)(1 << n % 8);
		g_assert_cmpint(load_bytes(b.data, b.len, false, &loads), ==, STATE_BAD);
		g_assert_cmpuint(errors.total, ==, 1);
		g_assert_cmpuint(loads, ==, 0);
		g_free(said());
		b.data[n] ^= (char)(1 << n % 8);
	}
	g_free(b.data);
}

/* What follows the first such text: its length is in front of it, and a 0 behind. */
static char *behind(const struct bytes *b, const char *text)
{
	uint32_t len = (uint32_t)strlen(text), found;
	for (char *p = b->data; p + 5 + len < b->data + b->len; p++) {
		memcpy(&found, p, sizeof(found));
		if (found == len && !strcmp(p + 4, text))
			return p + 4 + len + 1;
	}
	g_assert_not_reached();
}

static const struct {
	const char *at; /* a field's name, or another text of the file */
	int offset; /* behind its final 0 */
	unsigned bytes;
	uint32_t value; /* stored there */
	const char *sentence;
} lies[] = {
	{ "half", 0, 2, 9, "*field half has type 9 of * this version of its type has 3 of 2*" },
	{ "half", 2, 4, 3, "*field half has type 3 of 3 bytes*" },
	{ "half", 6, 4, 2, "*field half has 2 elements; there is room for 1*" },
	{ "half", 10, 4, 0x7fffffff, "*damaged: a section is shorter*" },
	{ "half", 10, 4, 1, "*damaged: a section is shorter*" },
	{ "wide", 6, 4, 0xffffffff, "*field wide has 4294967295 elements; there is room for 2*" },
	{ "items", 6, 4, 2, "*damaged*" },
	{ "count", 14, 4, 2,
		"*field items has 3 elements and there is room for 4; 2 must be in use*" },
	{ "count", 14, 4, 77, "*room for 4; 77 must be in use*" },
	{ "on", 14, 1, 2, "*field on is 2, which it cannot be*" },
	{ "mode", 14, 4, 2, "*field mode is 2, which it cannot be*" },
	{ "ranged", 14, 4, 6, "*field ranged is 6, which it cannot be*" },
	{ "timer", 14, 1, 2, "*field timer is a timer of another clock*" },
	{ "absent", 14, 1, 0, "*field absent is a timer of another clock*" },
	{ "part", 14, 4, 0x00ffffff, "*damaged*" },
	{ "small", -6, 4, 0x6c6c616d, "*field mall* is unknown to this version of its type*" },
	{ "dev", 11, 4, 4,
		"*dev: the snapshot has version 4 of the state of device*reads 2 to 3*" },
	{ "dev", 11, 4, 1,
		"*dev: the snapshot has version 1 of the state of device*reads 2 to 3*" },
};

static void test_lies(void)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(lies); i++) {
		struct bytes b = good();
		memcpy(behind(&b, lies[i].at) + lies[i].offset, &lies[i].value, lies[i].bytes);
		enum state_result r = load_bytes(b.data, b.len, true, NULL);
		g_assert_cmpint(r, !=, STATE_GOOD);
		g_assert_cmpuint(errors.total, ==, 1);
		char *text = said();
		if (!g_pattern_match_simple(lies[i].sentence, g_strchomp(text)))
			g_error("lie %u: \"%s\" is not like \"%s\"", i, text, lies[i].sentence);
		g_free(text);
		g_free(b.data);
	}
}

static void expect(struct machine *m, const char *path, enum state_result result, const char *like)
{
	g_assert_cmpint(state_load(&m->m, path, &errors), ==, result);
	g_assert_cmpuint(errors.total, ==, 1);
	char *text = said();
	if (!g_pattern_match_simple(like, g_strchomp(text)))
		g_error("\"%s\" is not like \"%s\"", text, like);
	g_free(text);
}

static void test_other(void)
{
	struct machine a, b;
	char *path = file("other"), *none = file("none");
	machine_init(&a, RAM);
	fill(&a);
	save(&a, path);
	machine_init(&b, 2 * RAM);
	expect(&b, path, STATE_OTHER,
		"*another machine: it has \"size = 4194304\" in ?ram? where this one has \"size = "
		"8388608\"*");
	b.device.object.props = props;
	expect(&b, path, STATE_OTHER,
		"*another machine: it has \"out:0 drives dev:in:0\" in ?dev? "
		"where this one has \"size = 0\"*");
	machine_finish(&b);
	/* What may change at run time is no part of what it is. */
	machine_init(&b, RAM);
	b.device.object.props = run_time;
	b.d->size_of = 5;
	g_assert_cmpint(state_load(&b.m, path, &errors), ==, STATE_GOOD);
	machine_finish(&b);
	machine_init(&b, RAM);
	b.d->result = -1;
	expect(&b, path, STATE_OTHER, "*dev: this state is not wanted");
	expect(&b, none, STATE_BAD, "*cannot be opened*");
	expect(&b, folder, STATE_BAD, "*no regular file*");
	expect(&b, "/dev/zero", STATE_BAD, "*no regular file*");
	machine_finish(&b);
	machine_finish(&a);
	g_free(path);
	g_free(none);
}

/* What an older plugin did not save takes its default. */
static void test_default(void)
{
	static const struct bp_field old[] = { { DEV(word, BP_U32) }, { 0 } };
	static const struct bp_field new[] = { { DEV(word, BP_U32) },
		{ DEV(half, BP_U16), .def = 77 }, { 0 } };
	struct machine a, b;
	char *path = file("old");
	machine_init(&a, RAM);
	a.device.object.state = old;
	a.device.object.state_version = 2;
	a.d->word = 5;
	save(&a, path);
	machine_init(&b, RAM);
	b.device.object.state = new;
	b.d->half = 1;
	g_assert_cmpint(state_load(&b.m, path, &errors), ==, STATE_GOOD);
	g_assert_cmpuint(b.d->word, ==, 5);
	g_assert_cmpuint(b.d->half, ==, 77);
	g_assert_cmpuint(b.d->from, ==, 2);
	machine_finish(&a);
	machine_finish(&b);
	g_free(path);
}

/* ---- saves that fail leave what was there ---- */

static unsigned entries(void)
{
	GDir *d = g_dir_open(folder, 0, NULL);
	unsigned n = 0;
	while (g_dir_read_name(d))
		n++;
	g_dir_close(d);
	return n;
}

static void refused(struct machine *m, const char *path, const char *like)
{
	unsigned before = entries();
	g_assert_cmpint(state_save(&m->m, path, &errors), ==, STATE_BAD);
	char *text = said();
	if (!g_pattern_match_simple(like, g_strchomp(text)))
		g_error("\"%s\" is not like \"%s\"", text, like);
	g_free(text);
	g_assert_cmpuint(entries(), ==, before);
}

static void test_refused(void)
{
	struct machine m;
	char *path = file("kept"), *nowhere = file("no/where"), *text;
	struct rlimit was, little = { 65536, RLIM_INFINITY };
	machine_init(&m, RAM);
	fill(&m);
	g_file_set_contents(path, "kept", -1, NULL);
	getrlimit(RLIMIT_FSIZE, &was);
	signal(SIGXFSZ, SIG_IGN);
	little.rlim_max = was.rlim_max;
	setrlimit(RLIMIT_FSIZE, &little);
	refused(&m, path, "*the machine was not saved: File too large; it goes on as it was");
	setrlimit(RLIMIT_FSIZE, &was);
	refused(&m, nowhere, "*no file can be made there*");
	refused(&m, "/dev/full", "*no regular file*");
	m.d->count = ROOM + 1;
	refused(&m, path, "*dev: its state says that 5 of 4 items are in use*");
	m.d->count = 0;
	sched_timer_at(sched_timer_new(m.d, BP_CLOCK_VIRTUAL, fired, 1), 5);
	refused(&m, path, "*dev: a timer runs that its state does not name*");
	g_file_get_contents(path, &text, NULL, NULL);
	g_assert_cmpstr(text, ==, "kept");
	g_free(text);
	g_free(path);
	g_free(nowhere);
	machine_finish(&m);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	folder = g_dir_make_tmp("state-XXXXXX", NULL);
	g_test_add_func("/state/round", test_round);
	g_test_add_func("/state/default", test_default);
	g_test_add_func("/state/other", test_other);
	g_test_add_func("/state/refused", test_refused);
	g_test_add_func("/state/lies", test_lies);
	g_test_add_func("/state/damage", test_damage);
	int r = g_test_run();
	static const char *const names[] = { "first", "second", "good", "bad", "other", "old",
		"kept" };
	for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
		char *path = file(names[i]);
		unlink(path);
		g_free(path);
	}
	rmdir(folder);
	g_free(folder);
	return r;
}
