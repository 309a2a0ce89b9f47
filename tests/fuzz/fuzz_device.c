/* SPDX-License-Identifier: MIT */
/* Any guest and any world outside: every register bank, wire and back end of a machine, whatever it
 * is made of, and memory that rings may point into. Nothing names a device: banks are found from the
 * objects' regions, wires and links from the tables, and types that the machine file lacks are
 * added to it.
 *
 * An input is a series of steps of 16 bytes: what (the table `steps`), on which of them, how many
 * bytes, a parameter, an offset of 32 bits, a value of 64. */
#include "core/machine/internal.h"
#include "core/sched/clock.h"
#include "fuzz.h"
#include <backplane/blk.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	STEP = 16,
	STEPS_MAX = 1024,
	BYTES_MAX = 256, /* of one access */
	RESETS_MAX = 8,
	RINGS = 0x10000, /* bytes of memory that steps write: its first ones */
	NEAR = 4096
};
#define TIME_MAX (INT64_C(1) << 61) /* 73 years */

static void broken(const char *what, const char *where)
{
	fprintf(stderr, "%s (%s)\n", what, where);
	abort();
}

/* ---- the world outside: a byte stream, a disk, and a wire to every input ---- */

struct stream {
	const struct bp_host *host;
	size_t room; /* that it takes before it is full */
};

static int stream_create(void *self, const struct bp_host *host, bp_error *err)
{
	struct stream *s = self;
	(void)err;
	*s = (struct stream){ host, SIZE_MAX };
	return 0;
}

static size_t stream_write(void *self, const void *buf, size_t len)
{
	struct stream *s = self;
	volatile uint8_t sink = 0;
	size_t n = MIN(len, s->room);
	for (size_t i = 0; i < n; i++) /* the sanitizer looks whether they are there */
		sink ^= ((const uint8_t *)buf)[i];
	(void)sink;
	s->room -= s->room == SIZE_MAX ? 0 : n;
	return n;
}

static const void *stream_interface(void *self, const char *id)
{
	static const struct bp_chr_back back = { .size = sizeof(back), .write = stream_write };
	(void)self;
	return strcmp(id, "bp.chr-back/1") ? NULL : &back;
}

static const struct bp_object stream_type = {
	.size = sizeof(stream_type),
	.instance_size = sizeof(struct stream),
	.threads = BP_PARALLEL,
	.create = stream_create,
	.interface = stream_interface,
};

enum { DISK_BYTES = 0x10000 };

struct disk { /* of zeros, which takes all */
	void *owner;
	const struct bp_host *host;
	struct bp_blk_request *first, **end;
};

static void disk_do(const struct bp_blk_request *r)
{
	volatile uint8_t sink = 0;
	for (uint32_t n = 0; n < r->iov_count; n++) {
		const uint8_t *p = r->iov[n].base;
		if (r->op == BP_BLK_READ)
			memset(r->iov[n].base, 0, r->iov[n].len);
		for (size_t i = 0; r->op == BP_BLK_WRITE && i < r->iov[n].len; i++)
			sink ^= p[i];
	}
	(void)sink;
}

static void disk_drain(void *self, uint32_t *held)
{
	struct disk *d = self;
	struct bp_blk_request *r;
	while ((r = d->first)) {
		d->first = r->layer[0];
		if (!d->first)
			d->end = &d->first;
		disk_do(r);
		r->done(d->owner, r, r->layer[1] ? -ECANCELED : 0);
	}
	if (held)
		*held = 0;
}

static void disk_deliver(void *owner, uint64_t self)
{
	(void)owner;
	disk_drain((void *)(uintptr_t)self, NULL);
}

static void disk_submit(void *self, struct bp_blk_request *const *reqs, uint32_t count)
{
	struct disk *d = self;
	for (uint32_t n = 0; n < count; n++) {
		struct bp_blk_request *r = reqs[n];
		if ((r->offset | r->len) % 512 || r->offset > DISK_BYTES ||
			r->len > DISK_BYTES - r->offset)
			broken("A request is not within the disk.", "virtual disk");
		r->layer[0] = r->layer[1] = NULL;
		*d->end = r;
		d->end = (struct bp_blk_request **)&r->layer[0];
		d->host->post(d->owner, disk_deliver, (uintptr_t)d);
	}
}

static void disk_cancel(void *self, struct bp_blk_request *r)
{
	r->layer[1] = self;
}

static int disk_attach(
	void *self, void *owner, const struct bp_blk_front *front, int writable, bp_error *err)
{
	struct disk *d = self;
	(void)front;
	(void)writable;
	(void)err;
	d->owner = owner;
	return 0;
}

static void disk_detach(void *self)
{
	disk_drain(self, NULL);
}

static void disk_info(void *self, struct bp_blk_info *out)
{
	struct bp_blk_info info = { .size = out->size,
		.flags = BP_BLK_WRITE_CACHE | BP_BLK_CAN_DISCARD,
		.bytes = DISK_BYTES,
		.block_size = 512,
		.physical_size = 4096,
		.optimal_size = 4096,
		.discard_align = 512,
		.max_transfer = 8192,
		.max_discard = DISK_BYTES,
		.max_zeroes = DISK_BYTES / 2,
		.max_iov = 1024 };
	(void)self;
	memcpy(out, &info, MIN(out->size, sizeof(info)));
}

static void disk_forget_held(void *self)
{
	(void)self;
}

static void disk_write_cache(void *self, int on)
{
	(void)self;
	(void)on;
}

static const void *disk_interface(void *self, const char *id)
{
	static const struct bp_blk services = { .size = sizeof(services),
		.attach = disk_attach,
		.detach = disk_detach,
		.info = disk_info,
		.submit = disk_submit,
		.cancel = disk_cancel,
		.drain = disk_drain,
		.forget_held = disk_forget_held,
		.write_cache = disk_write_cache };
	(void)self;
	return strcmp(id, "bp.blk/1") ? NULL : &services;
}

static int disk_create(void *self, const struct bp_host *host, bp_error *err)
{
	struct disk *d = self;
	(void)err;
	d->host = host;
	d->end = &d->first;
	return 0;
}

static const struct bp_object disk_type = {
	.size = sizeof(disk_type),
	.instance_size = sizeof(struct disk),
	.threads = BP_PARALLEL,
	.create = disk_create,
	.interface = disk_interface,
};

struct wires {
	bp_line **out;
	uint32_t count;
};

static const struct bp_pin wires_out[] = {
	{ .name = "out",
		.offset = offsetof(struct wires, out),
		.count_offset = offsetof(struct wires, count),
		.flags = BP_PIN_COUNT_FROM_LINKS },
	{ 0 },
};
static const struct bp_object wires_type = {
	.size = sizeof(wires_type),
	.instance_size = sizeof(struct wires),
	.threads = BP_PARALLEL,
	.out = wires_out,
};

static const struct bp_type own_types[] = {
	{ .id = "fuzz-chr", .summary = "any bytes", .kind = BP_KIND_CHR, .object = &stream_type },
	{ .id = "fuzz-disk", .summary = "a disk", .kind = BP_KIND_SERVICE, .object = &disk_type },
	{ .id = "fuzz-wires",
		.summary = "drives every input",
		.kind = BP_KIND_DEVICE,
		.object = &wires_type },
	{ 0 },
};
static const struct bp_plugin own = { BP_PLUGIN_HEAD, .name = "fuzz", .version = "1",
	.license = "MIT", .types = own_types };

/* ---- the machine file ---- */

static struct toml_value *description;

static void no_message(const char *text)
{
	(void)text;
}

static struct toml_value *parse(const GString *text, struct error_list *errors)
{
	return toml_parse("fuzz", text->str, text->len, errors);
}

static bool has_type(const struct toml_value *desc, const char *id)
{
	for (unsigned i = 0; i < desc->table.count; i++) {
		const struct toml_value *type = toml_get(desc->table.entries[i]->value, "type");
		if (type && type->type == TOML_STRING && !strcmp(type->string.bytes, id))
			return true;
	}
	return false;
}

/* What a link may lead to, by the interface that it asks for. */
static const char *target_of(const char *interface)
{
	static const char *const targets[][2] = {
		{ "bp.space/1", "sys" },
		{ "bp.dma/1", "sys" },
		{ "bp.chr/1", "fuzz-stream" },
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(targets); i++)
		if (!strcmp(targets[i][0], interface))
			return targets[i][1];
	return NULL;
}

static void add_links(GString *text, const struct type *t)
{
	const struct bp_field *props = t->object->props, *f;
	for (unsigned i = 0; props && (f = TABLE_AT(props, t->field_size, i))->name; i++) {
		const char *target = f->type == BP_LINK ? target_of(f->names[0]) : NULL;
		if (target)
			g_string_append_printf(text, "%s = \"%s\"\n", f->name, target);
	}
}

static bool is_good(const struct toml_value *desc)
{
	struct error_list errors = { 0 };
	struct machine *m = desc ? machine_plan(desc, &errors) : NULL;
	bool good = m && !errors.total;
	machine_destroy(m);
	error_list_finish(&errors);
	return good;
}

/* A type that the file does not name: at a place of its own, or in a slot of one of the buses. */
static void add_type(GString *text, const struct type_entry *e, const struct type *t, unsigned n)
{
	size_t before = text->len;
	for (int bus = -1; bus < (int)description->table.count; bus++) {
		struct error_list errors = { 0 };
		g_string_truncate(text, before);
		g_string_append_printf(text, "\n[fuzz-%u]\ntype = \"%s\"\n", n, e->id);
		add_links(text, t);
		if (bus < 0 && t->object->regions)
			g_string_append_printf(text, "at = 0x%x\n", 0x40000000 + n * 0x1000000);
		else if (bus >= 0)
			g_string_append_printf(
				text, "bus = \"%s.*\"\n", description->table.entries[bus]->key);
		struct toml_value *desc = parse(text, &errors);
		bool good = (bus >= 0 || t->object->regions) && is_good(desc);
		toml_destroy(desc);
		error_list_finish(&errors);
		if (good)
			return;
	}
	broken("A device type is driven by nothing: give it a place in tests/fuzz/device.toml.",
		e->id);
}

static void add_types(void)
{
	struct error_list errors = { 0 };
	char *flat = toml_write(description);
	GString *text = g_string_new(flat);
	const struct type_entry *e;
	g_string_append(text,
		"\n[fuzz-stream]\ntype = \"fuzz-chr\"\n"
		"[fuzz-wires]\ntype = \"fuzz-wires\"\n");
	for (unsigned n = 0; (e = type_at(n)) != NULL; n++) {
		const struct type *t = e->kind == BP_KIND_DEVICE
			? type_load(type_find(e->id), NULL, &errors)
			: NULL;
		if (t && t->plugin && *e->manifest->module && !has_type(description, e->id))
			add_type(text, e, t, n);
	}
	toml_destroy(description);
	description = parse(text, &errors);
	g_string_free(text, TRUE);
	g_free(flat);
	error_list_print(&errors, stderr);
	if (errors.total)
		broken("The machine cannot be described.", "see above");
}

static void start(void)
{
	struct error_list errors = { 0 };
	if (description)
		return;
	/* Guests cause messages; here they would be most of the work. */
	g_set_printerr_handler(no_message);
	types_add_builtin(bus_types);
	types_add_builtin(host_types);
	types_add_path(FUZZ_PLUGINS);
	g_setenv("BACKPLANE_MACHINE_PATH", FUZZ_MACHINES, TRUE);
	if (types_add_static(&own, NULL, &errors) == 0 && types_scan(&errors) == 0)
		description = desc_load(FUZZ_MACHINE, &errors);
	if (description) {
		struct toml_pos pos = { "fuzz", 1, 1 };
		desc_put(description, "share", "path",
			toml_new_string(pos, FUZZ_MACHINES, strlen(FUZZ_MACHINES)), &errors);
	}
	error_list_print(&errors, stderr);
	if (!description)
		broken("The machine file is not good.", FUZZ_MACHINE);
	add_types();
}

/* ---- the machine, new for each input ---- */

struct bank {
	struct bus_region *region;
	struct bus_space *space; /* NULL: not mapped */
	uint64_t base;
};

struct rig {
	struct machine *m;
	GArray *banks; /* struct bank */
	GPtrArray *streams; /* struct object * */
	GPtrArray *cards; /* struct instance *: what may leave its slot */
	struct wires *wires;
	struct bank ram;
	int64_t time;
	unsigned resets;
};

static struct object *object_at(const struct rig *r, unsigned n)
{
	return ((struct instance *)g_ptr_array_index(r->m->instances, n))->object;
}

static void connect_inputs(struct object *wires, struct object *o)
{
	const struct wires *w = wires->instance;
	bp_error err = { NULL, NULL };
	struct line_pin pin;
	for (unsigned n = 0; line_pin_at(o, false, n, &pin); n++)
		for (unsigned i = 0; i < pin.count && w->count < LINE_MAX_PINS; i++)
			line_connect(wires, "out", w->count, o, pin.name, pin.first + i, &err);
}

static void add_banks(struct rig *r, struct object *o)
{
	for (unsigned n = 0; n < bus_object_region_count(o); n++) {
		struct bank b = { .region = bus_object_region(o, n) };
		struct bus_place place;
		for (unsigned i = 0; bus_object_place(o, i, &place, &b.space); i++)
			if (place.region == b.region)
				break;
		b.base = b.space ? place.base : 0;
		if (!o->type->plugin && !strcmp(o->type->id, "ram"))
			r->ram = b;
		else
			g_array_append_val(r->banks, b);
	}
}

static void add_card(struct rig *r, struct instance *in)
{
	const struct bp_bus *bus =
		in->controller ? object_interface(in->controller->object, "bp.bus/1") : NULL;
	if (bus && BP_HAS(bus, plug) && bus->plug)
		g_ptr_array_add(r->cards, in);
}

static void rig_init(struct rig *r)
{
	struct error_list errors = { 0 };
	struct object *wires = NULL;
	*r = (struct rig){ .m = machine_plan(description, &errors) };
	if (!r->m || machine_build(r->m, &errors) != 0) {
		error_list_print(&errors, stderr);
		broken("The machine cannot be built.", "see above");
	}
	error_list_finish(&errors);
	r->banks = g_array_new(FALSE, FALSE, sizeof(struct bank));
	r->streams = g_ptr_array_new();
	r->cards = g_ptr_array_new();
	for (unsigned i = 0; i < r->m->instances->len; i++) {
		struct object *o = object_at(r, i);
		add_banks(r, o);
		add_card(r, g_ptr_array_index(r->m->instances, i));
		if (o->type->object == &stream_type || !strcmp(o->type->id, "fuzz-chr"))
			g_ptr_array_add(r->streams, o);
		if (!strcmp(o->type->id, "fuzz-wires"))
			wires = o;
	}
	for (unsigned i = 0; i < r->m->instances->len; i++)
		connect_inputs(wires, object_at(r, i));
	r->wires = wires->instance;
	if (!r->ram.space || !r->banks->len || !r->streams->len || !r->wires->count ||
		!r->cards->len)
		broken("Memory, a register bank, a byte stream, an input and a card are needed.",
			FUZZ_MACHINE);
}

static void rig_finish(struct rig *r)
{
	machine_destroy(r->m);
	g_array_free(r->banks, TRUE);
	g_ptr_array_free(r->streams, TRUE);
	g_ptr_array_free(r->cards, TRUE);
}

/* ---- steps ---- */

struct step {
	unsigned which, size, param;
	uint64_t offset, value;
};

static uint64_t get(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;
	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

/* Once, or many times, as drivers fill and drain queues. In a bank; or at any address, from where an access may cross into the next bank. */
static void access_bank(struct rig *r, const struct step *s, bool anywhere, bool write)
{
	static const unsigned sizes[8] = { 4, 1, 2, 8, 4, 16, 0, BYTES_MAX };
	static uint8_t buf[BYTES_MAX];
	const struct bank *b = &g_array_index(r->banks, struct bank, s->which % r->banks->len);
	unsigned bytes = sizes[s->size & 7];
	uint64_t last = bus_region_last(b->region);
	uint64_t span = s->size & 8 ? MIN(last, (uint64_t)NEAR - 1) : last;
	uint64_t offset = s->size & 16 ? last - MIN(last, s->offset & 15) : s->offset % (span + 1);
	struct bp_access how = { .size = sizeof(how), .pasid = UINT32_MAX };
	how.requester = s->param & 3;
	how.is_cpu = 1;
	how.flags = s->size & 32 ? BP_ACCESS_DEBUG : 0;
	bytes = bytes ? bytes : s->param % 64 + 1;
	for (unsigned i = 0; write && i < bytes; i++)
		buf[i] = (uint8_t)(s->value >> i % 8 * 8);
	for (unsigned times = s->size & 128 ? s->param % 32 + 1 : 1; times; times--) {
		if (anywhere)
			bus_access(r->ram.space, s->offset, buf, bytes, write, &how);
		else if (s->size & 64 && b->space)
			bus_access(b->space, b->base + offset, buf, bytes, write, &how);
		else
			bus_device_access(b->region, offset, buf, bytes, write, &how);
	}
}

static void do_read(struct rig *r, const struct step *s)
{
	access_bank(r, s, false, false);
}

static void do_write(struct rig *r, const struct step *s)
{
	access_bank(r, s, false, true);
}

static void do_load(struct rig *r, const struct step *s)
{
	access_bank(r, s, true, false);
}

static void do_store(struct rig *r, const struct step *s)
{
	access_bank(r, s, true, true);
}

/* Eight bytes of memory, so many times one behind the other. */
static void do_poke(struct rig *r, const struct step *s)
{
	uint64_t value = GUINT64_TO_LE(s->value);
	for (unsigned i = 0; i <= s->which % 16; i++)
		bus_access(r->ram.space, r->ram.base + (s->offset + 8 * i) % (RINGS - 8), &value,
			s->param & 1 ? 2 : 8, true, NULL);
}

static void do_time(struct rig *r, const struct step *s)
{
	int64_t ns = (int64_t)(s->value >> 3 >> s->param % 60);
	ns = MIN(ns, TIME_MAX - r->time);
	r->time += ns;
	clock_advance(ns);
	timers_run();
}

static void do_receive(struct rig *r, const struct step *s)
{
	uint8_t buf[256];
	struct object *o = g_ptr_array_index(r->streams, s->which % r->streams->len);
	for (unsigned i = 0; i < sizeof(buf); i++)
		buf[i] = (uint8_t)(s->value >> i % 8 * 8);
	chr_receive(o->instance, buf, s->param);
}

static void do_stream(struct rig *r, const struct step *s)
{
	struct object *o = g_ptr_array_index(r->streams, s->which % r->streams->len);
	struct stream *stream = o->instance;
	stream->room = s->value & 1 ? SIZE_MAX : s->offset % 64;
	chr_event(stream, (int)(s->param % (BP_CHR_WRITABLE + 2)));
}

static void do_wire(struct rig *r, const struct step *s)
{
	bp_line *line = r->wires->out[s->offset % r->wires->count];
	line_set(line, (int)(s->param & 1));
	if (s->param & 2)
		line_set(line, !(s->param & 1));
}

static void do_reset(struct rig *r, const struct step *s)
{
	(void)s;
	if (r->resets++ < RESETS_MAX)
		machine_reset(r->m);
}

/* A card comes, is asked for, or goes. */
static void do_plug(struct rig *r, const struct step *s)
{
	const struct instance *in =
		g_ptr_array_index(r->cards, (s->offset + s->which) % r->cards->len);
	GString *answer = g_string_new(NULL);
	machine_plug(r->m, in->name, BP_PLUG_IN + (int)(s->param % 3), answer);
	machine_cards(r->m, answer);
	g_string_free(answer, TRUE);
}

static void (*const steps[])(struct rig *r, const struct step *s) = { do_read, do_write, do_poke,
	do_time, do_receive, do_stream, do_wire, do_store, do_load, do_reset, do_plug };

static void check_left(const struct rig *r)
{
	for (unsigned i = 0; i < r->m->instances->len; i++) {
		const struct object *o = object_at(r, i);
		if (!o->domain->parallel && domain_inside(o->domain))
			broken("Somebody is still inside an object.", o->name);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct rig r;
	start();
	rig_init(&r);
	for (size_t i = 0; i < STEPS_MAX && (i + 1) * STEP <= size; i++) {
		const uint8_t *d = data + i * STEP;
		struct step s = { d[1], d[2], d[3], get(d + 4, 4), get(d + 8, 8) };
		steps[d[0] % G_N_ELEMENTS(steps)](&r, &s);
		check_left(&r);
	}
	rig_finish(&r);
	return 0;
}
