/* SPDX-License-Identifier: MIT */
/* Any bytes are the state of a small machine, or a sentence. Checksums are not looked at. An input
 * that begins with 0 is sections without their frame (kind, 2 bytes of length, contents), behind the
 * right machine; any other is a file. */
#include "core/bus/line.h"
#include "core/sched/sched.h"
#include "core/state/internal.h"
#include "fuzz.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

enum { ITEMS = 3, RAM = 1 << 16 };
struct part {
	uint16_t a;
	uint8_t b[3];
};
struct device {
	uint64_t wide[2];
	uint32_t count, mode, ranged, items[ITEMS];
	uint8_t on;
	struct part part[2];
	bp_timer *timer;
	bp_line *out[1];
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
	{ DEV(wide, BP_U64), .count = 2, .flags = BP_F_WHOLE },
	{ DEV(count, BP_U32) },
	{ DEV(mode, BP_ENUM), .names = modes },
	{ DEV(ranged, BP_U32), .flags = BP_F_RANGE, .def = 3, .min = 3, .max = 5 },
	{ DEV(items, BP_U32), .count = ITEMS, .count_offset = offsetof(struct device, count) },
	{ DEV(on, BP_BOOL) },
	{ DEV(part, BP_STRUCT), .count = 2, .flags = BP_F_WHOLE, .sub = part_state,
		.sub_size = sizeof(struct part) },
	{ DEV(timer, BP_TIMER) },
	{ .name = "out", .offset = offsetof(struct device, out), .type = BP_LINE },
	{ 0 },
};

static void heard(void *self, unsigned n, int level)
{
	(void)self;
	(void)n;
	(void)level;
}

static void fired(void *self, uint64_t arg)
{
	(void)self;
	(void)arg;
}

static const struct bp_pin outputs[] = {
	{ .name = "out", .offset = offsetof(struct device, out), .count = 1 }, { 0 }
};
static const struct bp_pin inputs[] = { { .name = "in", .count = 1, .set = heard }, { 0 } };
static const struct bp_region regions[] = {
	{ .name = "ram", .size = RAM, .flags = BP_REGION_MEMORY }, { 0 }
};
static const struct bp_object description = { .size = sizeof(description),
	.instance_size = sizeof(struct device),
	.state_version = 1,
	.state_oldest = 1,
	.state = state,
	.regions = regions,
	.out = outputs,
	.in = inputs };
static const struct type type = { .id = "device",
	.kind = BP_KIND_DEVICE,
	.object = &description,
	.field_size = sizeof(struct bp_field),
	.region_size = sizeof(struct bp_region),
	.reg_size = sizeof(struct bp_reg),
	.pin_size = sizeof(struct bp_pin) };

static struct object *object;
static const struct state_machine machine = { &object, 1, "", NULL };

static void start(void)
{
	struct error_list errors = { 0 };
	bp_error err = { &errors, NULL };
	object = object_new(&type, "dev", "f:1", domain_new("f", true));
	struct device *d = object->instance;
	if (bus_object_init(object, &err) != 0 || line_object_init(object, &err) != 0 ||
		line_connect(object, "out", 0, object, "in", 0, &err) != 0)
		abort();
	d->timer = sched_timer_new(d, BP_CLOCK_VIRTUAL, fired, 0);
	d->ranged = 3;
}

static void frame(GByteArray *file, uint32_t kind, const void *bytes, uint64_t len)
{
	const uint8_t zeros[8] = { 0 };
	g_byte_array_append(file, (const uint8_t *)&kind, 4);
	g_byte_array_append(file, zeros, 4);
	g_byte_array_append(file, (const uint8_t *)&len, 8);
	g_byte_array_append(file, bytes, (guint)len);
	g_byte_array_append(file, zeros, 8);
}

static void build(GByteArray *file, const uint8_t *data, size_t size)
{
	static const uint32_t kinds[] = { SECTION_OBJECT, SECTION_TIME, SECTION_MEMORY,
		SECTION_PAGES, SECTION_DESCRIPTION, SECTION_MACHINE };
	const uint8_t version[8] = { FORMAT_VERSION }, end[16] = { 0 };
	char *own = identity(&machine);
	uint32_t len = (uint32_t)strlen(own);
	GByteArray *text = g_byte_array_new();
	g_byte_array_append(text, (const uint8_t *)&len, 4);
	g_byte_array_append(text, (const uint8_t *)own, len + 1);
	g_byte_array_append(file, state_magic, sizeof(state_magic));
	g_byte_array_append(file, version, sizeof(version));
	frame(file, SECTION_MACHINE, text->data, text->len);
	while (size >= 3) {
		size_t part = MIN((size_t)data[1] | (size_t)data[2] << 8, size - 3);
		frame(file, kinds[data[0] % G_N_ELEMENTS(kinds)], data + 3, part);
		data += 3 + part;
		size -= 3 + part;
	}
	frame(file, SECTION_END, end, sizeof(end));
	g_byte_array_free(text, TRUE);
	g_free(own);
}

static void check(enum state_result result, const struct error_list *errors)
{
	const struct device *d = object->instance;
	const char *broken = NULL;
	if ((result == STATE_GOOD) != !errors->total)
		broken = "An error without a sentence, or a sentence without an error.";
	else if (result == STATE_GOOD &&
		(d->count > ITEMS || d->mode > 1 || d->ranged < 3 || d->ranged > 5 || d->on > 1))
		broken = "A value that cannot be was taken over.";
	if (broken) {
		fprintf(stderr, "%s\n", broken);
		abort();
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error_list errors = { 0 };
	GByteArray *file = g_byte_array_new();
	if (!object)
		start();
	if (size && !data[0])
		build(file, data + 1, size - 1);
	else
		g_byte_array_append(file, data, (guint)size);
	int fd = memfd_create("snapshot", MFD_CLOEXEC);
	if (fd < 0 || write(fd, file->data, file->len) != (ssize_t)file->len)
		abort();
	check(load_from(&machine, fd, "f", true, &errors), &errors);
	close(fd);
	g_byte_array_free(file, TRUE);
	error_list_finish(&errors);
	return 0;
}
