/* SPDX-License-Identifier: MIT */
#include "test_support.h"
#include "trace/hub.h"
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

/* ---- a device that writes down how it was accessed ---- */

struct probe {
	GString *log;
	uint8_t bytes[64];
	int status;
	bp_dma *dma; /* read before the access is answered, when set */
	uint64_t dma_addr;
	int dma_status;
	uint64_t calls;
};

static int probe_read(
	void *self, uint64_t offset, unsigned bytes, uint64_t *value, const struct bp_access *how)
{
	struct probe *p = self;
	uint32_t word;
	(void)how;
	if (p->log)
		g_string_append_printf(p->log, " r%x:%u", (unsigned)offset, bytes);
	if (p->dma)
		p->dma_status = dma_read(p->dma, p->dma_addr, &word, sizeof(word));
	*value = image_load(p->bytes + offset % 64, bytes, false);
	p->calls++;
	return p->status;
}

static int probe_write(
	void *self, uint64_t offset, unsigned bytes, uint64_t value, const struct bp_access *how)
{
	struct probe *p = self;
	(void)how;
	if (p->log)
		g_string_append_printf(p->log, " w%x:%u", (unsigned)offset, bytes);
	image_store(p->bytes + offset % 64, bytes, false, value);
	p->calls++;
	return p->status;
}

static struct domain *machine;

static struct object *new_probe(struct test_type *t, struct bp_region *regions, const char *name)
{
	test_type_init(t, "probe", sizeof(struct probe));
	t->object.regions = regions;
	struct object *o = test_object(t, name, machine);
	g_assert_cmpint(bus_object_init(o, &test_error), ==, 0);
	return o;
}

static uint32_t read32(struct bus_space *s, uint64_t addr)
{
	uint32_t word = 0xdeadbeef;
	return bus_access(s, addr, &word, 4, false, NULL) == BP_OK ? word : 0xdeadbeef;
}

static struct bus_ram *new_ram(uint64_t size, uint32_t fill)
{
	struct bus_ram *ram = g_new0(struct bus_ram, 1);
	g_assert_cmpint(bus_ram_init(ram, size, NULL, 0, &test_error), ==, 0);
	for (uint64_t i = 0; i + 4 <= MIN(size, 0x8000); i += 4)
		image_store(ram->host + i, 4, false, fill + i);
	return ram;
}

static void free_ram(struct bus_ram *ram)
{
	bus_ram_finish(ram);
	g_free(ram);
}

/* ---- views ---- */

static void test_priorities(void)
{
	struct bus_space s = { 0 };
	struct bus_ram *low = new_ram(0x3000, 0x10000000), *high = new_ram(0x1000, 0x20000000);
	bus_space_init(&s, "s", BUS_UNMAPPED_ERROR);
	struct bus_region *a = bus_ram_region_new("low", low),
			  *b = bus_ram_region_new("high", high);
	g_assert_nonnull(bus_map(s.root, a, 0x1000, 0, 0x2fff, 0));
	struct bus_window *w = bus_map(s.root, b, 0x2000, 0, 0xfff, 1);
	g_assert_cmphex(read32(&s, 0x1000), ==, 0x10000000);
	g_assert_cmphex(read32(&s, 0x2000), ==, 0x20000000);
	g_assert_cmphex(read32(&s, 0x2ffc), ==, 0x20000ffc);
	bus_window_enable(w, false);
	g_assert_cmphex(read32(&s, 0x2000), ==, 0x10001000);
	bus_window_enable(w, true);
	/* A word across the border comes from both. */
	uint8_t bytes[8];
	g_assert_cmpint(bus_access(&s, 0x1ffc, bytes, 8, false, NULL), ==, BP_OK);
	g_assert_cmphex(image_load(bytes, 8, false), ==, 0x2000000010000ffc);
	/* Containers let through what they do not cover; order decides at equal priority. */
	struct bus_region *c = bus_container_new("c", 0xffff);
	g_assert_nonnull(bus_map(c, b, 0x800, 0x800, 0x7ff, 0));
	g_assert_nonnull(bus_map(s.root, c, 0x3000, 0, 0xffff, 2));
	g_assert_cmphex(read32(&s, 0x3000), ==, 0x10002000);
	g_assert_cmphex(read32(&s, 0x3800), ==, 0x20000800);
	g_assert_cmphex(read32(&s, 0x5000), ==, 0xdeadbeef);
	g_assert_cmpint(bus_window_move(w, 0x8000), ==, 0);
	g_assert_cmphex(read32(&s, 0x8004), ==, 0x20000004);
	g_assert_cmphex(read32(&s, 0x2000), ==, 0x10001000);
	struct bus_target t;
	g_assert_cmpint(bus_resolve(&s, 0x3804, &t), ==, BP_OK);
	g_assert_true(t.ram == high && t.offset == 0x804 && t.host == high->host + 0x804);
	g_assert_cmphex(t.length, ==, 0x7fc);
	g_assert_cmpint(bus_resolve(&s, 0x6000, &t), ==, BP_BUS_ERROR);
	g_assert_cmphex(t.length, ==, 0x2000);
	bus_region_free(c);
	g_assert_cmphex(read32(&s, 0x3800), ==, 0x10002800);
	bus_region_free(a);
	bus_region_free(b);
	bus_space_finish(&s);
	free_ram(low);
	free_ram(high);
}

static void test_edges(void)
{
	struct bus_space s = { 0 };
	struct bus_ram *ram = new_ram(0x1000, 0x30000000);
	uint8_t bytes[64];
	struct bus_target t;
	/* A space that was never made is empty. */
	g_assert_cmpint(bus_access(&s, 0, bytes, 4, false, NULL), ==, BP_BUS_ERROR);
	g_assert_cmpint(bus_resolve(&s, 0, &t), ==, BP_BUS_ERROR);
	bus_space_init(&s, "s", BUS_UNMAPPED_ONES);
	struct bus_region *r = bus_ram_region_new("ram", ram);
	g_assert_null(bus_map(s.root, r, UINT64_MAX - 0xffe, 0, 0xfff, 0));
	g_assert_null(bus_map(s.root, r, 0, 1, 0xfff, 0));
	g_assert_null(bus_map(s.root, r, 0, UINT64_MAX, 0xfff, 0));
	g_assert_null(bus_map(s.root, r, 0, 0, UINT64_MAX, 0));
	struct bus_window *w = bus_map(s.root, r, UINT64_MAX - 0xfff, 0, 0xfff, 0);
	g_assert_nonnull(w);
	g_assert_cmphex(read32(&s, UINT64_MAX - 3), ==, 0x30000ffc);
	/* Nothing wraps around the top. */
	g_assert_cmpint(bus_access(&s, UINT64_MAX - 3, bytes, 8, false, NULL), ==, BP_BUS_ERROR);
	g_assert_cmpint(bus_access_long(&s, 2, bytes, UINT64_MAX, true, NULL), ==, BP_BUS_ERROR);
	g_assert_cmpint(bus_access(&s, 5, bytes, 0, false, NULL), ==, BP_OK);
	g_assert_cmpint(bus_resolve(&s, UINT64_MAX, &t), ==, BP_OK);
	g_assert_cmphex(t.length, ==, 1);
	/* Unmapped: as the board says. */
	g_assert_cmphex(read32(&s, 0x100), ==, 0xffffffff);
	g_assert_cmpint(bus_access(&s, 0x100, bytes, 4, true, NULL), ==, BP_OK);
	s.unmapped = BUS_UNMAPPED_ZEROS;
	g_assert_cmphex(read32(&s, 0x100), ==, 0);
	s.unmapped = BUS_UNMAPPED_ERROR;
	g_assert_cmpint(bus_access(&s, 0x100, bytes, 4, true, NULL), ==, BP_BUS_ERROR);
	g_assert_cmpint(bus_window_move(w, UINT64_MAX - 0xffe), ==, -1);
	bus_region_free(r);
	bus_space_finish(&s);
	free_ram(ram);
}

static void test_aliases(void)
{
	struct bus_space s = { 0 };
	struct bus_ram *ram = new_ram(0x2000, 0x40000000);
	bus_space_init(&s, "s", BUS_UNMAPPED_ZEROS);
	struct bus_region *r = bus_ram_region_new("ram", ram);
	struct bus_region *bank = bus_alias_new("bank", 0xfff);
	bus_map(s.root, r, 0x10000, 0, 0x1fff, 0);
	bus_map(s.root, bank, 0, 0, 0xfff, 0);
	g_assert_cmphex(read32(&s, 0), ==, 0);
	bus_alias_point(bank, r, 0x1000);
	g_assert_cmphex(read32(&s, 4), ==, 0x40001004);
	bus_alias_point(bank, r, 0x1800);
	g_assert_cmphex(read32(&s, 4), ==, 0x40001804);
	g_assert_cmphex(read32(&s, 0x800), ==, 0); /* beyond the target */
	struct bus_target t;
	g_assert_cmpint(bus_resolve(&s, 8, &t), ==, BP_OK);
	g_assert_true(t.ram == ram && t.offset == 0x1808 && t.length == 0x7f8);
	/* A window of the space itself. */
	bus_alias_point(bank, s.root, 0x10000);
	g_assert_cmphex(read32(&s, 4), ==, 0x40000004);
	/* One that shows itself ends. */
	bus_alias_point(bank, s.root, 0);
	g_assert_cmpint(bus_resolve(&s, 8, &t), ==, BP_BUS_ERROR);
	uint32_t word;
	g_assert_cmpint(bus_access(&s, 8, &word, 4, false, NULL), ==, BP_BUS_ERROR);
	struct bus_region *other = bus_alias_new("other", 0xfff);
	bus_alias_point(bank, other, 0);
	bus_alias_point(other, bank, 0);
	g_assert_cmpint(bus_access(&s, 8, &word, 4, false, NULL), ==, BP_BUS_ERROR);
	bus_alias_point(other, r, UINT64_MAX - 0x10);
	g_assert_cmphex(read32(&s, 0x20), ==, 0);
	/* Containers cannot hold themselves. */
	struct bus_region *c = bus_container_new("c", 0xfff), *d = bus_container_new("d", 0xfff);
	g_assert_nonnull(bus_map(c, d, 0, 0, 0xfff, 0));
	g_assert_null(bus_map(d, c, 0, 0, 0xfff, 0));
	g_assert_null(bus_map(c, c, 0, 0, 0xfff, 0));
	/* A target that goes leaves nothing behind. */
	bus_alias_point(other, r, 0);
	g_assert_cmphex(read32(&s, 0x20), ==, 0x40000020);
	bus_region_free(r);
	g_assert_cmphex(read32(&s, 0x20), ==, 0);
	bus_region_free(bank);
	bus_region_free(other);
	bus_region_free(c);
	bus_region_free(d);
	bus_space_finish(&s);
	free_ram(ram);
}

static void note(void *arg)
{
	(*(unsigned *)arg)++;
}

static void test_transactions(void)
{
	struct bus_space s = { 0 }, child = { 0 };
	struct bus_ram *ram = new_ram(0x2000, 0x50000000);
	unsigned calls = 0, child_calls = 0;
	bus_space_init(&s, "s", BUS_UNMAPPED_ZEROS);
	bus_space_init(&child, "child", BUS_UNMAPPED_ZEROS);
	struct bus_region *r = bus_ram_region_new("ram", ram),
			  *below = bus_alias_new("below", ~0ull);
	bus_alias_point(below, s.root, 0);
	bus_map(child.root, below, 0, 0, UINT64_MAX, -1);
	struct bus_region *bank = bus_alias_new("bank", 0xfff);
	bus_map(s.root, bank, 0x8000, 0, 0xfff, 0);
	struct bus_window *w = bus_map(s.root, r, 0, 0, 0x1fff, 0);
	bus_on_change(&s, note, &calls);
	bus_on_change(&child, note, &child_calls);
	bus_transaction_begin();
	bus_window_move(w, 0x4000);
	bus_transaction_begin();
	bus_alias_point(bank, r, 0x1000);
	bus_transaction_commit();
	g_assert_cmphex(read32(&s, 4), ==, 0x50000004);
	g_assert_cmphex(read32(&s, 0x8000), ==, 0);
	g_assert_cmpuint(calls, ==, 0);
	bus_transaction_commit();
	g_assert_cmpuint(calls, ==, 1);
	g_assert_cmpuint(child_calls, ==, 1);
	g_assert_cmphex(read32(&s, 4), ==, 0);
	g_assert_cmphex(read32(&s, 0x4004), ==, 0x50000004);
	g_assert_cmphex(read32(&child, 0x8000), ==, 0x50001000);
	bus_alias_point(bank, NULL, 0);
	g_assert_cmpuint(calls, ==, 2);
	g_assert_cmpuint(child_calls, ==, 2);
	bus_off_change(&s, note, &calls);
	bus_window_enable(w, false);
	g_assert_cmpuint(calls, ==, 2);
	g_assert_cmpuint(child_calls, ==, 3);
	/* Made, shown and freed again before anybody saw it. */
	bus_transaction_begin();
	struct bus_region *brief = bus_alias_new("brief", 0xff);
	bus_map(s.root, brief, 0, 0, 0xff, 5);
	bus_alias_point(brief, r, 0);
	bus_region_free(brief);
	bus_transaction_commit();
	bus_region_free(bank);
	bus_region_free(below);
	bus_region_free(r);
	bus_space_finish(&child);
	bus_space_finish(&s);
	free_ram(ram);
}

static void add_pair(void *arg, const struct bus_place *a, const struct bus_place *b)
{
	g_string_append_printf(
		arg, " %s@%x/%s@%x", a->name, (unsigned)a->base, b->name, (unsigned)b->base);
}

static void test_overlaps(void)
{
	struct bus_space s = { 0 };
	struct bus_ram *ram = new_ram(0x1000, 0);
	GString *text = g_string_new("");
	bus_space_init(&s, "s", BUS_UNMAPPED_ERROR);
	struct bus_region *a = bus_ram_region_new("a", ram), *b = bus_ram_region_new("b", ram);
	bus_map(s.root, a, 0x1000, 0, 0xfff, 0);
	bus_map(s.root, b, 0x2000, 0, 0xfff, 0);
	bus_map(s.root, b, 0x1800, 0, 0xfff, 1);
	g_assert_cmpuint(bus_overlaps(&s, add_pair, text), ==, 0);
	bus_map(s.root, b, 0x1fff, 0, 0xf, 0);
	g_assert_cmpuint(bus_overlaps(&s, add_pair, text), ==, 2);
	g_assert_cmpstr(text->str, ==, " a@1000/b@1fff b@1fff/b@2000");
	struct bus_place p;
	g_assert_true(bus_view_at(&s, 1, &p));
	g_assert_cmphex(p.base, ==, 0x1800);
	g_assert_false(bus_view_at(&s, 3, &p));
	g_string_free(text, TRUE);
	bus_region_free(a);
	bus_region_free(b);
	bus_space_finish(&s);
	free_ram(ram);
}

/* ---- accesses to devices ---- */

enum { BE = BP_REGION_BIG_ENDIAN, UN = BP_REGION_UNALIGNED, ST = BP_REGION_STRICT };

static const struct split {
	unsigned min, max, flags, offset, bytes, write;
	int status;
	const char *log;
} splits[] = {
	{ 1, 8, 0, 0, 8, 0, BP_OK, " r0:8" },
	{ 1, 4, 0, 0, 8, 0, BP_OK, " r0:4 r4:4" },
	{ 1, 4, 0, 6, 8, 1, BP_OK, " w6:2 w8:4 wc:2" },
	{ 1, 4, 0, 1, 4, 0, BP_OK, " r1:1 r2:2 r4:1" },
	{ 1, 4, UN, 1, 4, 0, BP_OK, " r1:4" },
	{ 1, 4, 0, 0, 3, 1, BP_OK, " w0:2 w2:1" },
	{ 4, 4, 0, 0, 1, 0, BP_OK, " r0:4" },
	{ 4, 4, 0, 5, 1, 1, BP_OK, " r4:4 w4:4" },
	{ 4, 4, 0, 2, 4, 1, BP_OK, " r0:4 w0:4 r4:4 w4:4" },
	{ 4, 8, 0, 4, 8, 0, BP_OK, " r4:4 r8:4" },
	{ 1, 1, 0, 3, 4, 0, BP_OK, " r3:1 r4:1 r5:1 r6:1" },
	{ 2, 4, ST, 0, 4, 0, BP_OK, " r0:4" },
	{ 2, 4, ST, 0, 8, 0, BP_BAD_SIZE, "" },
	{ 2, 4, ST, 0, 1, 1, BP_BAD_SIZE, "" },
	{ 2, 4, ST, 2, 4, 0, BP_BAD_SIZE, "" },
	{ 2, 4, ST, 0, 3, 0, BP_BAD_SIZE, "" },
	{ 2, 4, ST | UN, 2, 4, 0, BP_OK, " r2:4" },
	{ 8, 16, 0, 0, 16, 0, BP_OK, " r0:8 r8:8" },
	/* the region has only 62 bytes: */
	{ 4, 4, 0, 60, 1, 0, BP_BAD_SIZE, "" },
	{ 1, 8, 0, 60, 4, 0, BP_BUS_ERROR, " r3c:2" },
};

static void test_splitting(void)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(splits); i++) {
		const struct split *e = &splits[i];
		struct bp_region regions[] = { { .name = "regs",
						       .size = 62,
						       .flags = e->flags,
						       .min_access = (uint8_t)e->min,
						       .max_access = (uint8_t)e->max,
						       .read = probe_read,
						       .write = probe_write },
			{ 0 } };
		struct bus_space s = { 0 };
		struct test_type t;
		uint8_t buf[64] = { 0 };
		bus_space_init(&s, "s", BUS_UNMAPPED_ERROR);
		struct object *o = new_probe(&t, regions, "probe");
		struct probe *p = o->instance;
		p->log = g_string_new("");
		g_assert_cmpint(bus_object_map(o, 0, &s, 0x1000, 0, 0, 0, &test_error), ==, 0);
		int status = bus_access(&s, 0x1000 + e->offset, buf, e->bytes, e->write, NULL);
		if (status != e->status || strcmp(p->log->str, e->log) != 0)
			g_error("row %u: status %d,%s", i, status, p->log->str);
		g_string_free(p->log, TRUE);
		test_object_free(o);
		bus_space_finish(&s);
	}
}

static void test_values(void)
{
	struct bp_region regions[] = {
		{ .name = "le",
			.size = 64,
			.min_access = 4,
			.max_access = 4,
			.read = probe_read,
			.write = probe_write },
		{ .name = "be",
			.size = 64,
			.flags = BE,
			.min_access = 4,
			.max_access = 4,
			.read = probe_read,
			.write = probe_write },
		{ .name = "only-read", .size = 64, .read = probe_read },
		{ 0 },
	};
	struct test_type t;
	struct object *o = new_probe(&t, regions, "probe");
	struct probe *p = o->instance;
	struct bus_region *le = bus_object_region(o, 0), *be = bus_object_region(o, 1);
	uint8_t buf[8] = { 1, 2, 3, 4, 5, 6, 7, 8 };
	g_assert_cmpint(bus_device_access(le, 0, buf, 8, true, NULL), ==, BP_OK);
	g_assert_cmphex(image_load(p->bytes, 8, false), ==, 0x0807060504030201);
	g_assert_cmpint(bus_device_access(be, 0, buf, 8, true, NULL), ==, BP_OK);
	g_assert_cmphex(image_load(p->bytes, 4, false), ==, 0x01020304);
	g_assert_cmphex(image_load(p->bytes + 4, 4, false), ==, 0x05060708);
	memset(buf, 0, 8);
	g_assert_cmpint(bus_device_access(be, 3, buf, 3, false, NULL), ==, BP_OK);
	g_assert_cmphex(image_load(buf, 3, true), ==, 0x040506);
	buf[0] = 0xaa;
	g_assert_cmpint(bus_device_access(be, 1, buf, 1, true, NULL), ==, BP_OK);
	g_assert_cmphex(image_load(p->bytes, 4, false), ==, 0x01aa0304);
	struct bus_region *ro = bus_object_region(o, 2);
	g_assert_cmpint(bus_device_access(ro, 0, buf, 1, true, NULL), ==, BP_BUS_ERROR);
	p->status = BP_BUS_ERROR;
	g_assert_cmpint(bus_device_access(le, 0, buf, 4, false, NULL), ==, BP_BUS_ERROR);
	g_assert_cmpint(bus_device_access(le, 64, buf, 4, false, NULL), ==, BP_BUS_ERROR);
	test_object_free(o);
}

static int device_memory_write(
	void *self, uint64_t offset, unsigned bytes, uint64_t value, const struct bp_access *how)
{
	(void)how;
	((struct probe *)self)->calls++;
	image_store((uint8_t *)region_memory(self, 0) + offset, bytes, false, ~value);
	region_dirty(self, 0, offset, bytes);
	return BP_OK;
}

static void test_device_memory(void)
{
	struct bp_region regions[] = { { .name = "bank",
					       .size = 0x3000,
					       .flags = BP_REGION_MEMORY,
					       .read = probe_read,
					       .write = device_memory_write },
		{ 0 } };
	struct bus_space s = { 0 };
	struct test_type t;
	struct bus_target target;
	unsigned calls = 0;
	bus_space_init(&s, "s", BUS_UNMAPPED_ERROR);
	struct object *o = new_probe(&t, regions, "store");
	struct probe *p = o->instance;
	g_assert_cmpint(bus_object_map(o, 0, &s, 0, 0, 0, 0, &test_error), ==, 0);
	bus_on_change(&s, note, &calls);
	uint32_t word = 0x11223344;
	g_assert_cmpint(bus_access(&s, 8, &word, 4, true, NULL), ==, BP_OK);
	g_assert_cmphex(read32(&s, 8), ==, ~0x11223344u);
	g_assert_cmpuint(p->calls, ==, 1);
	g_assert_cmpint(bus_resolve(&s, 8, &target), ==, BP_OK);
	g_assert_true(target.host == (uint8_t *)region_memory(p, 0) + 8 && !target.writable);
	/* Loaders reach the memory itself. */
	struct bp_access loader = { .size = sizeof(loader), .flags = BP_ACCESS_LOADER };
	g_assert_cmpint(space_access(bus_space_handle(&s), 8, &word, 4, 1, &loader), ==, BP_OK);
	g_assert_cmphex(read32(&s, 8), ==, 0x11223344);
	region_direct(p, 0, 0);
	g_assert_cmpuint(calls, ==, 1);
	g_assert_cmpint(bus_resolve(&s, 8, &target), ==, BP_OK);
	g_assert_true(!target.host && target.region == bus_object_region(o, 0));
	g_assert_cmphex(read32(&s, 8), ==, 0);
	g_assert_cmpuint(p->calls, ==, 2);
	struct bus_ram *ram = bus_object_ram(o, 0);
	g_assert_true(bus_ram_take_dirty(ram, 8, BUS_DIRTY_STATE));
	g_assert_false(bus_ram_take_dirty(ram, 8, BUS_DIRTY_STATE));
	g_assert_true(bus_ram_take_dirty(ram, 8, BUS_DIRTY_DISPLAY));
	g_assert_false(bus_ram_take_dirty(ram, 0x1000, BUS_DIRTY_STATE));
	/* Its own windows, by the host's functions. */
	region_enable(p, 0, 0);
	g_assert_cmpint(bus_resolve(&s, 8, &target), ==, BP_BUS_ERROR);
	transaction_begin(p);
	region_enable(p, 0, 1);
	g_assert_cmpint(region_move(p, 0, 0x10000), ==, 0);
	transaction_commit(p);
	g_assert_cmpint(bus_resolve(&s, 0x10008, &target), ==, BP_OK);
	g_assert_cmpint(region_move(p, 7, 0x10000), ==, -1);
	region_enable(p, 7, 1);
	g_assert_null(region_memory(p, 7));
	test_object_free(o);
	bus_space_finish(&s);
}

/* ---- register banks ---- */

struct chip {
	uint32_t control, status, events, id;
	uint8_t byte, threshold[8];
	uint32_t many[8];
	uint32_t exist;
	uint64_t wide;
	unsigned last_n;
	uint64_t was, now, raw;
	unsigned writes, reads;
};

static void chip_write(void *self, unsigned n, uint64_t was, uint64_t now, uint64_t raw)
{
	struct chip *c = self;
	c->last_n = n;
	c->was = was;
	c->now = now;
	c->raw = raw;
	c->writes++;
}

static uint64_t chip_read(void *self, unsigned n, uint64_t stored)
{
	struct chip *c = self;
	c->reads++;
	return stored + 0x100 + n;
}

#define F(m) (uint32_t) offsetof(struct chip, m)
static const struct bp_reg chip_regs[] = {
	{ .name = "CTRL",
		.offset = 0,
		.field = F(control),
		.bytes = 4,
		.writable = 0xff00ff00,
		.reset = 0x12345678,
		.write = chip_write },
	{ .name = "STAT",
		.offset = 4,
		.field = F(status),
		.bytes = 4,
		.w1c = 0xf0f0,
		.rc = 0xf,
		.reset = 0xffff },
	{ .name = "EVT",
		.offset = 8,
		.field = F(events),
		.bytes = 4,
		.w1c = ~0ull,
		.rc = 0xff,
		.flags = BP_REG_NARROW_OK,
		.reset = 0xffffffff,
		.write = chip_write },
	{ .name = "ID",
		.offset = 12,
		.field = F(id),
		.bytes = 4,
		.flags = BP_REG_READ_ONLY,
		.writable = ~0ull,
		.reset = 0xcafe },
	{ .name = "TX",
		.offset = 16,
		.field = BP_REG_NO_FIELD,
		.bytes = 1,
		.writable = 0xff,
		.flags = BP_REG_WRITE_ONLY,
		.write = chip_write },
	{ .name = "RX",
		.offset = 16,
		.field = F(byte),
		.bytes = 1,
		.flags = BP_REG_READ_ONLY,
		.reset = 0x5a,
		.read = chip_read },
	{ .name = "WIDE", .offset = 24, .field = F(wide), .bytes = 8, .writable = ~0ull },
	/* two banks, interleaved: 0x100 many0, 0x104 threshold0, 0x110 many1, ... */
	{ .name = "MANY",
		.offset = 0x100,
		.field = F(many),
		.bytes = 4,
		.count = 8,
		.stride = 16,
		.count_offset = F(exist),
		.writable = ~0ull,
		.write = chip_write,
		.read = chip_read },
	{ .name = "THR",
		.offset = 0x104,
		.field = F(threshold),
		.bytes = 1,
		.count = 8,
		.stride = 16,
		.writable = 0x7f,
		.write = chip_write },
	{ 0 },
};
#undef F

static struct object *new_chip(struct test_type *t, uint32_t flags, struct domain *d)
{
	static struct bp_region regions[2];
	regions[0] = (struct bp_region){
		.name = "regs", .size = 0x200, .flags = flags, .regs = chip_regs
	};
	test_type_init(t, "chip", sizeof(struct chip));
	t->object.regions = regions;
	struct object *o = test_object(t, "chip0", d);
	((struct chip *)o->instance)->exist = 6;
	g_assert_cmpint(bus_object_init(o, &test_error), ==, 0);
	bus_object_reset(o);
	return o;
}

static uint64_t chip_get(struct object *o, uint64_t offset, unsigned bytes)
{
	uint8_t image[8] = { 0 };
	struct bus_region *r = bus_object_region(o, 0);
	g_assert_cmpint(bus_device_access(r, offset, image, bytes, false, NULL), ==, BP_OK);
	return image_load(image, bytes, false);
}

static void chip_put(struct object *o, uint64_t offset, unsigned bytes, uint64_t value)
{
	uint8_t image[8];
	image_store(image, bytes, false, value);
	g_assert_cmpint(
		bus_device_access(bus_object_region(o, 0), offset, image, bytes, true, NULL), ==,
		BP_OK);
}

static void check_registers(struct domain *d)
{
	struct test_type t;
	struct object *o = new_chip(&t, 0, d);
	struct chip *c = o->instance;
	g_assert_cmphex(chip_get(o, 0, 4), ==, 0x12345678);
	chip_put(o, 0, 4, 0xaaaaaaaa);
	g_assert_cmphex(c->control, ==, 0xaa34aa78);
	g_assert_true(c->was == 0x12345678 && c->now == 0xaa34aa78 && c->raw == 0xaaaaaaaa);
	/* narrow and not NARROW_OK: the rest is read first */
	chip_put(o, 1, 1, 0x55);
	g_assert_cmphex(c->control, ==, 0xaa345578);
	g_assert_cmphex(c->raw, ==, 0xaa345578);
	/* w1c and rc; a widened narrow write clears only what was named */
	g_assert_cmphex(chip_get(o, 4, 4), ==, 0xffff);
	g_assert_cmphex(c->status, ==, 0xfff0);
	chip_put(o, 4, 1, 0x10);
	g_assert_cmphex(c->status, ==, 0xffe0);
	chip_put(o, 4, 4, 0xffffffff);
	g_assert_cmphex(c->status, ==, 0x0f00);
	/* NARROW_OK */
	chip_put(o, 10, 1, 0x0f);
	g_assert_cmphex(c->events, ==, 0xfff0ffff);
	g_assert_cmphex(c->raw, ==, 0x0f0000);
	g_assert_cmphex(chip_get(o, 9, 1), ==, 0xff);
	g_assert_cmphex(c->events, ==, 0xfff0ffff);
	g_assert_cmphex(chip_get(o, 8, 1), ==, 0xff);
	g_assert_cmphex(c->events, ==, 0xfff0ff00);
	/* read-only, and two registers at one offset */
	chip_put(o, 12, 4, 1);
	g_assert_cmphex(chip_get(o, 12, 4), ==, 0xcafe);
	unsigned writes = c->writes;
	chip_put(o, 16, 1, 0x77);
	g_assert_cmpuint(c->writes, ==, writes + 1);
	g_assert_cmphex(c->raw, ==, 0x77);
	g_assert_cmphex(chip_get(o, 16, 1), ==, 0x5a);
	/* wider than the registers, low address first, gaps read 0 */
	g_assert_cmphex(chip_get(o, 12, 8), ==, 0x5a0000cafeull);
	chip_put(o, 24, 8, 0x1122334455667788);
	g_assert_cmphex(chip_get(o, 28, 4), ==, 0x11223344);
	g_assert_cmphex(chip_get(o, 26, 4), ==, 0x33445566);
	/* banks */
	chip_put(o, 0x120, 4, 0x1000);
	g_assert_cmphex(c->many[2], ==, 0x1000);
	g_assert_cmpuint(c->last_n, ==, 2);
	g_assert_cmphex(chip_get(o, 0x120, 4), ==, 0x1102);
	chip_put(o, 0x134, 1, 0xff);
	g_assert_cmphex(c->threshold[3], ==, 0x7f);
	chip_put(o, 0x160, 4, 7); /* does not exist */
	g_assert_cmphex(c->many[6], ==, 0);
	g_assert_cmphex(chip_get(o, 0x170, 4), ==, 0);
	g_assert_cmphex(chip_get(o, 0x108, 4), ==, 0);
	/* debug accesses have no side effects */
	struct bp_access debug = { .size = sizeof(debug), .flags = BP_ACCESS_DEBUG };
	unsigned reads = c->reads;
	uint32_t word = 0;
	c->status = 0xf;
	bus_device_access(bus_object_region(o, 0), 4, &word, 4, false, &debug);
	bus_device_access(bus_object_region(o, 0), 0x120, &word, 4, false, &debug);
	g_assert_cmphex(word, ==, 0x1000);
	g_assert_true(c->status == 0xf && c->reads == reads);
	bus_object_reset(o);
	g_assert_cmphex(c->control, ==, 0x12345678);
	g_assert_cmphex(c->many[2], ==, 0);
	test_object_free(o);
}

static void test_registers(void)
{
	struct domain *parallel = domain_new("parallel", true);
	check_registers(machine);
	check_registers(parallel);
	domain_free(parallel);
}

static void test_registers_big_endian(void)
{
	struct test_type t;
	struct object *o = new_chip(&t, BE, machine);
	struct chip *c = o->instance;
	g_assert_cmphex(chip_get(o, 0, 4), ==, 0x78563412);
	g_assert_cmphex(chip_get(o, 0, 1), ==, 0x12);
	chip_put(o, 8, 1, 0xf0); /* the most significant byte */
	g_assert_cmphex(c->events, ==, 0x0fffffff);
	chip_put(o, 24, 8, 0x1122334455667788);
	g_assert_cmphex(c->wide, ==, 0x8877665544332211);
	g_assert_cmphex(chip_get(o, 28, 4), ==, 0x11223344);
	test_object_free(o);
}

static void test_bad_registers(void)
{
	static const struct bp_reg tables[][2] = {
		{ { .name = "A", .bytes = 3 } },
		{ { .name = "A", .bytes = 4, .offset = 0x1fe } },
		{ { .name = "A", .bytes = 4, .count = 0xffffffff, .stride = 0xffffffff } },
		{ { .name = "A", .bytes = 4, .count = 2, .stride = 2 } },
		{ { .name = "A", .bytes = 4, .field = 0x7fffffff } },
		{ { .name = "A", .bytes = 4, .field = 2 } },
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(tables); i++) {
		struct bp_region regions[] = { { .name = "regs", .size = 0x200, .regs = tables[i] },
			{ 0 } };
		struct test_type t;
		test_type_init(&t, "chip", sizeof(struct chip));
		t.object.regions = regions;
		struct object *o = test_object(&t, "bad", machine);
		g_assert_cmpint(bus_object_init(o, &test_error), ==, -1);
		g_assert_cmpuint(test_errors(), ==, 1);
		test_object_free(o);
	}
}

static void on_register(void *self, const struct bp_trace_register *e)
{
	g_string_append_printf(self, " %s.%s.%s[%u]%c%x", e->object, e->region, e->reg, e->index,
		e->write ? '=' : '?', (unsigned)e->value);
}

static void test_register_trace(void)
{
	struct bp_tracer tracer = {
		.size = sizeof(tracer), .events = BP_TRACE_REGISTER, .reg = on_register
	};
	struct test_type t;
	struct object *o = new_chip(&t, 0, machine);
	GString *log = g_string_new("");
	g_assert_cmpint(hub_add(&tracer, log, BP_TRACE_REGISTER), ==, 0);
	chip_put(o, 0x120, 4, 0x1000);
	chip_get(o, 12, 2);
	hub_remove(log);
	chip_get(o, 12, 2);
	g_assert_cmpstr(log->str, ==, " chip0.regs.MANY[2]=1000 chip0.regs.ID[0]?cafe");
	g_string_free(log, TRUE);
	test_object_free(o);
}

static void test_fuzz(void)
{
	struct test_type t;
	struct object *chip = new_chip(&t, 0, machine);
	GRand *rand = g_rand_new_with_seed(1);
	uint8_t data[16 * 4096 + 7];
	for (unsigned i = 0; i < sizeof(data); i++)
		data[i] = (uint8_t)g_rand_int(rand);
	bus_object_fuzz(chip, data, sizeof(data));
	g_assert_cmpuint(((struct chip *)chip->instance)->writes, >, 100);
	g_rand_free(rand);
	test_object_free(chip);
}

/* ---- memory and the core's own types ---- */

static struct object *new_core(
	struct test_type *t, const char *id, const char *name, uint64_t size, const char *file)
{
	test_type_core(t, id);
	struct object *o = test_object(t, name, NULL);
	for (const struct bp_field *f = t->object.props; f->name; f++) {
		char *field = (char *)o->instance + f->offset;
		if (strcmp(f->name, "size") == 0)
			memcpy(field, &size, sizeof(size));
		if (strcmp(f->name, "file") == 0)
			memcpy(field, &file, sizeof(file));
	}
	return o;
}

static void test_ram_sizes(void)
{
	static const uint64_t bad[] = { 0, UINT64_MAX, UINT64_C(1) << 63, (UINT64_C(1) << 46) + 1 };
	for (unsigned i = 0; i < G_N_ELEMENTS(bad); i++) {
		struct test_type t;
		struct object *o = new_core(&t, "ram", "ram", bad[i], NULL);
		g_assert_cmpint(bus_object_init(o, &test_error), ==, -1);
		g_assert_cmpuint(test_errors(), ==, 1);
		test_object_free(o);
	}
	/* Nothing is taken before it is used. */
	struct bus_ram *ram = new_ram(UINT64_C(64) << 30, 0);
	ram->host[ram->size - 1] = 1;
	bus_ram_written(ram, ram->size - 1, 1);
	bus_ram_written(ram, ram->size - 1, UINT64_MAX);
	bus_ram_written(ram, UINT64_MAX, 5);
	bus_ram_dirty(ram, ram->size - 1, UINT64_MAX);
	g_assert_true(bus_ram_find(ram->host + 5) == ram);
	g_assert_null(bus_ram_find(&ram));
	free_ram(ram);
	ram = new_ram(5, 0);
	g_assert_cmpuint(ram->mapped, ==, 4096);
	free_ram(ram);
}

/* Filled memory of any size: what is written to a page shows there alone. */
static void test_ram_fill(void)
{
	static const uint64_t sizes[] = { 1, 4096, 65 * 4096 + 1, 8 << 20 };
	for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
		struct bus_ram ram = { 0 };
		uint64_t last = sizes[i] - 1, others = 0;
		g_assert_cmpint(bus_ram_init(&ram, sizes[i], NULL, 0xff, &test_error), ==, 0);
		g_assert_cmpint(ram.fd, ==, -1);
		g_assert_cmphex(ram.host[last], ==, 0xff);
		ram.host[last / 2] = ram.host[last] = 0x5a;
		for (uint64_t at = 0; at < sizes[i]; at++)
			others += ram.host[at] != 0xff;
		g_assert_cmpuint(others, ==, last / 2 == last ? 1 : 2);
		g_assert_true(bus_ram_find(ram.host + last) == &ram);
		bus_ram_finish(&ram);
	}
}

static void test_files(void)
{
	struct test_type t, u;
	struct bus_space s = { 0 };
	char *name = g_build_filename(g_get_tmp_dir(), "bus-test-XXXXXX", NULL);
	int fd = g_mkstemp(name);
	g_assert_cmpint(write(fd, "hello", 5), ==, 5);
	bus_space_init(&s, "s", BUS_UNMAPPED_ERROR);
	struct object *ram = new_core(&t, "ram", "ram", 0x2000, name);
	g_assert_cmpint(bus_object_init(ram, &test_error), ==, 0);
	g_assert_cmpint(bus_object_map(ram, 0, &s, 0, 0, 0, 0, &test_error), ==, 0);
	g_assert_cmphex(read32(&s, 0), ==, 0x6c6c6568);
	g_assert_cmpint(bus_access(&s, 0x1ffc, (char[]){ "wxyz" }, 4, true, NULL), ==, BP_OK);
	char text[4];
	g_assert_cmpint(pread(fd, text, 4, 0x1ffc), ==, 4);
	g_assert_cmpmem(text, 4, "wxyz", 4);
	test_object_free(ram);
	/* ROM: contents from the file, written by loaders only */
	g_assert_cmpint(ftruncate(fd, 0x30), ==, 0);
	struct object *rom = new_core(&u, "rom", "rom", 0, name);
	g_assert_cmpint(bus_object_init(rom, &test_error), ==, 0);
	g_assert_cmphex(bus_region_last(bus_object_region(rom, 0)), ==, 0x2f);
	g_assert_cmpint(bus_object_map(rom, 0, &s, 0x8000, 0, 0, 0, &test_error), ==, 0);
	uint32_t word = 1;
	struct bp_access loader = { .size = sizeof(loader), .flags = BP_ACCESS_LOADER };
	g_assert_cmpint(bus_access(&s, 0x8000, &word, 4, true, NULL), ==, BP_OK);
	g_assert_cmphex(read32(&s, 0x8000), ==, 0x6c6c6568);
	bus_object_ram(rom, 0)->write_error = true;
	g_assert_cmpint(bus_access(&s, 0x8000, &word, 4, true, NULL), ==, BP_BUS_ERROR);
	g_assert_cmpint(bus_access(&s, 0x8000, &word, 4, true, &loader), ==, BP_OK);
	g_assert_cmphex(read32(&s, 0x8000), ==, 1);
	struct bus_target target;
	bus_resolve(&s, 0x8000, &target);
	g_assert_true(target.host && !target.writable);
	test_object_free(rom);
	/* too small, missing, no file at all */
	rom = new_core(&u, "rom", "rom", 0x10, name);
	g_assert_cmpint(bus_object_init(rom, &test_error), ==, -1);
	test_object_free(rom);
	rom = new_core(&u, "rom", "rom", 0, "/nonexistent/image");
	g_assert_cmpint(bus_object_init(rom, &test_error), ==, -1);
	test_object_free(rom);
	ram = new_core(&t, "ram", "ram", 0x1000, "/dev/null");
	g_assert_cmpint(bus_object_init(ram, &test_error), ==, -1);
	test_object_free(ram);
	rom = new_core(&u, "rom", "rom", 0, NULL);
	g_assert_cmpint(bus_object_init(rom, &test_error), ==, -1);
	test_object_free(rom);
	g_assert_cmpuint(test_errors(), ==, 4);
	bus_space_finish(&s);
	close(fd);
	unlink(name);
	g_free(name);
}

static void test_space_type(void)
{
	struct test_type t, u;
	struct object *sys = new_core(&t, "space", "sys", 0, NULL);
	struct object *own = new_core(&t, "space", "own", 0, NULL);
	struct object *ram = new_core(&u, "ram", "ram", 0x1000, NULL);
	struct bus_space *parent = (struct bus_space *)object_interface(sys, "bp.space/1");
	struct bus_space *child = (struct bus_space *)object_interface(own, "bp.space/1");
	for (const struct bp_field *f = t.object.props; f->name; f++)
		if (strcmp(f->name, "parent") == 0)
			memcpy((char *)own->instance + f->offset, &parent, sizeof(parent));
	g_assert_cmpint(bus_object_init(own, &test_error), ==, 0);
	g_assert_cmpint(bus_object_init(sys, &test_error), ==, 0);
	g_assert_cmpint(bus_object_init(ram, &test_error), ==, 0);
	g_assert_cmpint(t.object.create(own->instance, NULL, &test_error), ==, 0);
	g_assert_cmpint(t.object.create(sys->instance, NULL, &test_error), ==, 0);
	g_assert_cmpint(bus_object_map(ram, 0, parent, 0x1000, 0, 0, 0, &test_error), ==, 0);
	g_assert_cmpint(bus_object_map(ram, 0, child, 0, 0x800, 0x800, 0, &test_error), ==, 0);
	image_store(bus_object_ram(ram, 0)->host + 0x800, 4, false, 0x77);
	g_assert_cmphex(read32(child, 0), ==, 0x77);
	g_assert_cmphex(read32(child, 0x1800), ==, 0x77);
	g_assert_cmphex(read32(parent, 0), ==, 0xdeadbeef);
	g_assert_cmpint(bus_object_map(ram, 0, child, 0, 0x900, 0x800, 0, &test_error), ==, -1);
	g_assert_cmpint(bus_object_map(ram, 0, child, UINT64_MAX, 0, 0, 0, &test_error), ==, -1);
	g_assert_cmpint(bus_object_map(ram, 1, child, 0, 0, 0, 0, &test_error), ==, -1);
	g_assert_cmpint(bus_object_map(ram, 0, NULL, 0, 0, 0, 0, &test_error), ==, -1);
	g_assert_cmpuint(test_errors(), ==, 4);
	struct bus_place p;
	struct bus_space *where;
	g_assert_true(bus_object_place(ram, 1, &p, &where) && where == child && p.last == 0x7ff);
	g_assert_false(bus_object_place(ram, 2, &p, &where));
	g_assert_cmpint(bus_object_find_region(ram, NULL), ==, 0);
	g_assert_cmpint(bus_object_find_region(ram, "regs"), ==, -1);
	test_object_free(ram);
	test_object_free(own);
	test_object_free(sys);
}

/* ---- DMA ---- */

static uint64_t hook_offset, hook_len;
static unsigned hook_calls;

static void code_hook(struct bus_ram *ram, uint64_t offset, uint64_t len)
{
	(void)ram;
	hook_offset = offset;
	hook_len = len;
	hook_calls++;
}

static void check_mapping(bp_dma *dma, struct bus_ram *ram)
{
	uint8_t buf[4] = { 0 };
	/* To the end of RAM; dirty, and code dropped, at the end. */
	uint64_t len = 0x4000;
	g_assert_null(dma_map(dma, 0x2000, &len, 0));
	g_assert_cmphex(len, ==, 0);
	len = 0x4000;
	uint8_t *m = dma_map(dma, 0x1100, &len, 1);
	g_assert_true(m == ram->host + 0x1100 && len == 0xf00);
	while (bus_ram_take_dirty(ram, 0x1000, BUS_DIRTY_ALL) || bus_ram_take_dirty(ram, 0, 0xf))
		;
	bus_set_code_hook(code_hook);
	bus_ram_code_mark(ram, 0x1abc, true);
	g_assert_true(bus_ram_code(ram, 0x1000) && !bus_ram_code(ram, 0));
	dma_unmap(dma, m, len, 0);
	g_assert_cmpuint(hook_calls, ==, 0);
	dma_unmap(dma, m, len, 0x10000);
	g_assert_true(hook_calls == 1 && hook_offset == 0x1100 && hook_len == 0xf00);
	g_assert_true(bus_ram_take_dirty(ram, 0x1000, BUS_DIRTY_STATE));
	g_assert_cmpint(dma_write(dma, 0xfff, buf, 3), ==, BP_OK);
	g_assert_true(hook_calls == 2 && hook_offset == 0x1000 && hook_len == 2);
	bus_ram_code_mark(ram, 0x1000, false);
	g_assert_cmpint(dma_write(dma, 0x1000, buf, 3), ==, BP_OK);
	g_assert_cmpuint(hook_calls, ==, 2);
	bus_set_code_hook(NULL);
	dma_unmap(dma, NULL, 0, 0);
	dma_unmap(dma, buf, 4, 4);
}

/* A word of which half is seen. */
struct torn {
	bp_dma *dma;
	unsigned bytes;
	atomic_bool stop;
};
static const uint64_t torn_low = UINT64_C(0x00ff00ff00ff00ff),
		      torn_high = UINT64_C(0x0100010001000100);

static gpointer write_words(gpointer arg)
{
	struct torn *t = arg;
	for (unsigned i = 0; !atomic_load(&t->stop); i++)
		dma_write(t->dma, 0x40, i & 1 ? &torn_low : &torn_high, t->bytes);
	return NULL;
}

static void test_torn(void)
{
	struct bus_space s = { 0 };
	bus_space_init(&s, "s", BUS_UNMAPPED_ERROR);
	struct bus_ram *ram = new_ram(0x1000, 0);
	struct bus_region *r = bus_ram_region_new("ram", ram);
	bus_map(s.root, r, 0, 0, 0xfff, 0);
	struct bp_region regions[] = { { 0 } };
	struct test_type type;
	struct object *a = new_probe(&type, regions, "a");
	for (unsigned bytes = 2; bytes <= 8; bytes *= 2) {
		struct torn t = { .dma = dma_new_space(a, &s, 7), .bytes = bytes };
		dma_write(t.dma, 0x40, &torn_low, bytes);
		GThread *writer = g_thread_new("writer", write_words, &t);
		for (unsigned i = 0; i < 2000000; i++) {
			uint64_t word = 0;
			dma_read(t.dma, 0x40, &word, bytes);
			g_assert_true(!memcmp(&word, &torn_low, bytes) ||
				!memcmp(&word, &torn_high, bytes));
		}
		atomic_store(&t.stop, true);
		g_thread_join(writer);
		dma_free(t.dma);
	}
	test_object_free(a);
	bus_region_free(r);
	bus_space_finish(&s);
	free_ram(ram);
}

static void test_dma(void)
{
	struct bp_region regions[] = {
		{ .name = "regs", .size = 64, .read = probe_read, .write = probe_write }, { 0 }
	};
	struct bus_space s = { 0 };
	struct test_type t, u;
	struct domain *parallel = domain_new("parallel", true), *own = domain_new("own", false);
	bus_space_init(&s, "s", BUS_UNMAPPED_ERROR);
	struct bus_ram *ram = new_ram(0x2000, 0x60000000);
	struct bus_region *r = bus_ram_region_new("ram", ram);
	bus_map(s.root, r, 0, 0, 0x1fff, 0);
	struct object *a = new_probe(&t, regions, "a"), *b = new_probe(&u, regions, "b");
	bus_object_map(a, 0, &s, 0x2000, 0, 0, 0, &test_error);
	bus_object_map(b, 0, &s, 0x3000, 0, 0, 0, &test_error);
	struct probe *p = a->instance;
	bp_dma *dma = dma_new_space(a, &s, 7);
	uint8_t buf[256];
	/* RAM into a device, from outside every domain */
	g_assert_cmpint(dma_read(dma, 0x1fc0, buf, 128), ==, BP_OK);
	g_assert_cmphex(image_load(buf, 4, false), ==, 0x60001fc0);
	g_assert_cmpint(dma_write(dma, 0x1ff0, buf, 32), ==, BP_OK);
	g_assert_cmphex(image_load(p->bytes, 4, false), ==, 0x60001fd0);
	/* nowhere, around the top, nothing, nobody */
	g_assert_cmpint(dma_read(dma, 0x8000, buf, 4), ==, BP_BUS_ERROR);
	g_assert_cmpint(dma_read(dma, UINT64_MAX, buf, 4), ==, BP_BUS_ERROR);
	g_assert_cmpint(dma_read(dma, UINT64_MAX, buf, 0), ==, BP_OK);
	g_assert_cmpint(dma_read(NULL, 0, buf, 4), ==, BP_BUS_ERROR);
	/* a device that reads its own registers, or another's behind the same lock; RAM is fine */
	static const struct {
		uint64_t addr;
		int status;
	} inside[] = { { 0x2000, BP_BUS_ERROR }, { 0x3000, BP_BUS_ERROR }, { 0x100, BP_OK } };
	for (unsigned i = 0; i < G_N_ELEMENTS(inside); i++) {
		uint32_t word;
		p->dma = dma;
		p->dma_addr = inside[i].addr;
		p->dma_status = -1;
		g_assert_cmpint(bus_access(&s, 0x2000, &word, 4, false, NULL), ==, BP_OK);
		g_assert_cmpint(p->dma_status, ==, inside[i].status);
	}
	b->domain = parallel; /* and a parallel one too */
	p->dma_addr = 0x3000;
	g_assert_cmpint(bus_access(&s, 0x2000, buf, 4, false, NULL), ==, BP_OK);
	g_assert_cmpint(p->dma_status, ==, BP_OK);
	b->domain = own;
	g_assert_cmpint(bus_access(&s, 0x2000, buf, 4, false, NULL), ==, BP_OK);
	g_assert_cmpint(p->dma_status, ==, BP_BUS_ERROR);
	p->dma = NULL;
	check_mapping(dma, ram);
	dma_free(dma);
	dma_free(NULL);
	test_object_free(a);
	test_object_free(b);
	bus_region_free(r);
	bus_space_finish(&s);
	free_ram(ram);
	domain_free(parallel);
	domain_free(own);
}

static struct bus_space *behind;

static bp_space *iommu_target(void *self)
{
	(void)self;
	return bus_space_handle(behind);
}

/* Pages are shown in reverse order; page 5 is refused, page 6 breaks the rule of length. */
static int iommu_translate(void *self, const struct bp_access *how, uint64_t addr, int write,
	struct bp_iommu_result *result)
{
	(void)self;
	(void)write;
	uint64_t page = addr >> 12;
	if (page == 5 || how->requester != 3)
		return BP_IOMMU_FAULT;
	result->addr = (7 - page) << 12 | (addr & 0xfff);
	result->length = page == 6 ? 0 : 0x1000 - (addr & 0xfff);
	return BP_OK;
}

static const struct bp_iommu iommu_ops = {
	.size = sizeof(iommu_ops), .target = iommu_target, .translate = iommu_translate
};

static int translate_for_region(void *self, const struct bp_access *how, uint64_t offset,
	bool write, struct bp_iommu_result *result)
{
	(void)how;
	struct bp_access three = { .size = sizeof(three), .requester = 3 };
	return iommu_translate(self, &three, offset, write, result);
}

static void test_iommu(void)
{
	struct bus_space s = { 0 }, front = { 0 };
	uint8_t buf[0x1000];
	bus_space_init(&s, "s", BUS_UNMAPPED_ERROR);
	bus_space_init(&front, "front", BUS_UNMAPPED_ERROR);
	struct bus_ram *ram = new_ram(0x8000, 0x70000000);
	struct bus_region *r = bus_ram_region_new("ram", ram);
	bus_map(s.root, r, 0, 0, 0x7fff, 0);
	behind = &s;
	bp_dma *dma = dma_new_iommu(NULL, &iommu_ops, NULL, 3);
	memset(buf, 0xab, sizeof(buf));
	g_assert_cmpint(dma_write(dma, 0x1ff0, buf, 0x20), ==, BP_OK);
	g_assert_cmphex(ram->host[0x6ff0], ==, 0xab);
	g_assert_cmphex(ram->host[0x5000], ==, 0xab);
	g_assert_cmphex(ram->host[0x500f], ==, 0xab);
	g_assert_cmphex(ram->host[0x5010], ==, 0x10);
	g_assert_cmpint(dma_read(dma, 0x4ff0, buf, 0x20), ==, BP_IOMMU_FAULT);
	g_assert_cmpint(dma_read(dma, 0x6000, buf, 4), ==, BP_BUS_ERROR);
	g_assert_cmpint(dma_read(dma, 0x9000, buf, 4), ==, BP_BUS_ERROR);
	uint64_t len = 0x3000;
	g_assert_true(dma_map(dma, 0x1010, &len, 1) == ram->host + 0x6010 && len == 0xff0);
	dma_free(dma);
	dma = dma_new_iommu(NULL, &iommu_ops, NULL, 4);
	g_assert_cmpint(dma_read(dma, 0, buf, 4), ==, BP_IOMMU_FAULT);
	dma_free(dma);
	/* The same in front of a CPU: a translated region. */
	struct bus_region *t = bus_translated_new("io", 0x7fff, &s, translate_for_region, NULL);
	struct bus_target target;
	bus_map(front.root, t, 0x100000, 0, 0x7fff, 0);
	g_assert_cmpint(bus_access(&front, 0x101ff8, buf, 16, false, NULL), ==, BP_OK);
	g_assert_cmphex(image_load(buf + 8, 8, false), ==, 0xabababababababab);
	g_assert_cmpint(bus_access(&front, 0x105000, buf, 4, false, NULL), ==, BP_IOMMU_FAULT);
	g_assert_cmpint(bus_resolve(&front, 0x101ff8, &target), ==, BP_OK);
	g_assert_true(!target.host && target.region == t && target.offset == 0x1ff8);
	g_assert_cmpint(bus_device_access(t, 0x1ff8, buf, 8, false, NULL), ==, BP_OK);
	bus_space_finish(&s);
	g_assert_cmpint(bus_access(&front, 0x101ff8, buf, 16, false, NULL), ==, BP_BUS_ERROR);
	bus_region_free(t);
	bus_region_free(r);
	bus_space_finish(&front);
	free_ram(ram);
}

/* ---- threads ---- */

static struct bus_space shared;
static _Atomic(bool) stop;

static void *reader(void *arg)
{
	unsigned *bad = arg;
	while (!atomic_load(&stop)) {
		/* Either bank is fine, both windows always show the same one. */
		uint32_t a = read32(&shared, 0x1000);
		if (a != 0x11110000 && a != 0x22220000)
			(*bad)++;
		uint32_t b = read32(&shared, 0x8000);
		if (b != 0x11110000 && b != 0x22220000 && b != 0)
			(*bad)++;
		struct bus_target t;
		bus_resolve(&shared, 0x1004, &t);
		if (!t.host)
			(*bad)++;
	}
	return NULL;
}

static void test_threads(void)
{
	pthread_t thread[3];
	unsigned bad[3] = { 0 };
	struct bus_ram *ram[2] = { new_ram(0x1000, 0x11110000), new_ram(0x1000, 0x22220000) };
	struct bus_region *r[2] = { bus_ram_region_new("a", ram[0]),
		bus_ram_region_new("b", ram[1]) };
	struct bus_region *bank = bus_alias_new("bank", 0xfff);
	bus_space_init(&shared, "shared", BUS_UNMAPPED_ZEROS);
	bus_alias_point(bank, r[0], 0);
	bus_map(shared.root, bank, 0x1000, 0, 0xfff, 0);
	struct bus_window *w = bus_map(shared.root, bank, 0x8000, 0, 0xfff, 0);
	atomic_store(&stop, false);
	for (unsigned i = 0; i < 3; i++)
		pthread_create(&thread[i], NULL, reader, &bad[i]);
	for (unsigned i = 0; i < 3000; i++) {
		bus_alias_point(bank, r[i & 1], 0);
		if (i % 3 == 0)
			bus_window_enable(w, i & 1);
		if (i % 64 == 0) { /* regions come and go */
			struct bus_region *brief = bus_ram_region_new("brief", ram[0]);
			bus_map(shared.root, brief, 0x8000, 0, 0xfff, 1);
			g_usleep(10);
			bus_region_free(brief);
		}
	}
	atomic_store(&stop, true);
	for (unsigned i = 0; i < 3; i++) {
		pthread_join(thread[i], NULL);
		g_assert_cmpuint(bad[i], ==, 0);
	}
	bus_region_free(bank);
	bus_region_free(r[0]);
	bus_region_free(r[1]);
	bus_space_finish(&shared);
	free_ram(ram[0]);
	free_ram(ram[1]);
}

/* ---- figures: printed, not asserted ---- */

static double measure(unsigned rounds, void (*fn)(void *arg, unsigned i), void *arg)
{
	gint64 start = g_get_monotonic_time();
	for (unsigned i = 0; i < rounds; i++)
		fn(arg, i);
	return (double)(g_get_monotonic_time() - start) * 1000 / rounds;
}

struct speed {
	struct bus_space s;
	struct bus_region *device, *bank, *ram;
};

static void one_access(void *arg, unsigned i)
{
	uint32_t word;
	(void)i;
	bus_access(&((struct speed *)arg)->s, 0x10008, &word, 4, false, NULL);
}

static void one_device_access(void *arg, unsigned i)
{
	uint32_t word;
	(void)i;
	bus_device_access(((struct speed *)arg)->device, 8, &word, 4, false, NULL);
}

static void one_point(void *arg, unsigned i)
{
	struct speed *s = arg;
	bus_alias_point(s->bank, s->ram, i & 0xfff);
}

static void test_speed(void)
{
	struct bp_region regions[] = {
		{ .name = "regs", .size = 64, .read = probe_read, .write = probe_write }, { 0 }
	};
	struct speed s = { 0 };
	struct test_type t, u;
	struct domain *parallel = domain_new("parallel", true);
	unsigned calls = 0, rounds = g_test_perf() ? 10000000 : 100000;
	bus_space_init(&s.s, "s", BUS_UNMAPPED_ERROR);
	struct bus_ram *ram = new_ram(0x100000, 0);
	s.ram = bus_ram_region_new("ram", ram);
	s.bank = bus_alias_new("bank", 0xfff);
	struct object *o = new_probe(&t, regions, "probe");
	struct object *chip = new_chip(&u, 0, machine);
	s.device = bus_object_region(o, 0);
	bus_transaction_begin();
	for (unsigned i = 0; i < 20; i++)
		bus_object_map(o, 0, &s.s, 0x10000 + 0x1000 * i, 0, 0, 0, &test_error);
	bus_map(s.s.root, s.bank, 0, 0, 0xfff, 0);
	bus_transaction_commit();
	bus_on_change(&s.s, note, &calls);
	g_test_message(
		"access to a locked device, by address: %.1f ns", measure(rounds, one_access, &s));
	g_test_message("access to a locked device, by region: %.1f ns",
		measure(rounds, one_device_access, &s));
	o->domain = parallel;
	g_test_message("access to a parallel device, by address: %.1f ns",
		measure(rounds, one_access, &s));
	s.device = bus_object_region(chip, 0);
	g_test_message("access to a declared register, locked: %.1f ns",
		measure(rounds, one_device_access, &s));
	g_test_message("pointing an alias elsewhere: %.1f ns", measure(rounds, one_point, &s));
	g_assert_cmpuint(calls, >=, rounds);
	test_object_free(o);
	test_object_free(chip);
	bus_region_free(s.bank);
	bus_region_free(s.ram);
	bus_space_finish(&s.s);
	free_ram(ram);
	domain_free(parallel);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	machine = domain_new("machine", false);
	g_test_add_func("/bus/priorities", test_priorities);
	g_test_add_func("/bus/edges", test_edges);
	g_test_add_func("/bus/aliases", test_aliases);
	g_test_add_func("/bus/transactions", test_transactions);
	g_test_add_func("/bus/overlaps", test_overlaps);
	g_test_add_func("/bus/splitting", test_splitting);
	g_test_add_func("/bus/values", test_values);
	g_test_add_func("/bus/device-memory", test_device_memory);
	g_test_add_func("/bus/registers", test_registers);
	g_test_add_func("/bus/registers-big-endian", test_registers_big_endian);
	g_test_add_func("/bus/registers-bad", test_bad_registers);
	g_test_add_func("/bus/registers-trace", test_register_trace);
	g_test_add_func("/bus/fuzz", test_fuzz);
	g_test_add_func("/bus/ram-sizes", test_ram_sizes);
	g_test_add_func("/bus/ram-fill", test_ram_fill);
	g_test_add_func("/bus/files", test_files);
	g_test_add_func("/bus/space-type", test_space_type);
	g_test_add_func("/bus/torn", test_torn);
	g_test_add_func("/bus/dma", test_dma);
	g_test_add_func("/bus/iommu", test_iommu);
	g_test_add_func("/bus/threads", test_threads);
	g_test_add_func("/bus/speed", test_speed);
	int failed = g_test_run();
	domain_free(machine);
	return failed;
}
