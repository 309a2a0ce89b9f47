/* SPDX-License-Identifier: MIT */
/* virtio-blk behind virtio-mmio, driven from here as a guest's driver would: both kinds of rings, the
 * legacy transport, all commands, drivers that break the rules, a snapshot with a request under way.
 *
 *     virtio_test PLUGINS TEST_PLUGINS */
#include "bus/bus.h"
#include "find_types.h"
#include "host/block.h"
#include "machine/internal.h"
#include "machine/machine.h"
#include "sched/sched.h"
#include "virtio_driver.h"
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

enum { DISK = 1 << 20, SECTOR = 512, SIZE = 8, QUEUE_PAGE = 4096 };
#define DESC   (RAM + 0x1000)
#define AVAIL  (DESC + 16 * SIZE)
#define USED   (RAM + 0x2000) /* where the legacy layout has it */
#define TABLE  (RAM + 0x3000) /* an indirect table */
#define HEADER (RAM + 0x4000)
#define STATUS (RAM + 0x5000)
#define DATA   (RAM + 0x10000)

#define F_INDIRECT (UINT64_C(1) << 28)
#define F_EVENT    (UINT64_C(1) << 29)
#define F_PACKED   (UINT64_C(1) << 34)
#define F_RESET    (UINT64_C(1) << 40)
#define F_BLK      (UINT64_C(0x6e44) | 1 << 9) /* segments, sizes, flush, discard, zeroes, cache */

enum { IN = 0, OUT = 1, FLUSH = 4, GET_ID = 8, DISCARD = 11, ZEROES = 13 };

static struct fixture {
	struct toml_value *desc;
	struct machine *m;
	struct error_list errors;
	char *file;
	/* the driver */
	uint64_t features;
	bool legacy, indirect;
	uint16_t avail_idx, used_idx;
	unsigned place, used_place; /* packed */
	bool wrap, used_wrap;
} x;

/* ---- the machine ---- */

static void build(const char *transport, const char *drive, const char *blk)
{
	memset(&x, 0, sizeof(x));
	x.file = g_build_filename(g_get_tmp_dir(), "backplane-virtio-test.img", NULL);
	uint8_t *bytes = g_malloc(DISK);
	for (unsigned n = 0; n < DISK; n++)
		bytes[n] = (uint8_t)(n / SECTOR);
	g_file_set_contents(x.file, (char *)bytes, DISK, NULL);
	g_free(bytes);
	char *text = g_strdup_printf(
		"[sys]\ntype = \"space\"\n[ram]\ntype = \"ram\"\nsize = \"4M\"\nat = 0x8000_0000\n"
		"[disk]\ntype = \"drive\"\nfile = \"%s\"\nformat = \"raw\"\n%s\n"
		"[drv]\ntype = \"test-driver\"\ndma = \"sys\"\n"
		"[virtio]\ntype = \"virtio-mmio\"\nat = 0x1000_1000\nirq = \"drv:irq\"\n"
		"dma = \"sys\"\n%s\n"
		"[blk]\ntype = \"virtio-blk\"\nbus = \"virtio\"\nblk = \"disk\"\n"
		"queue-size = 8\n%s\n",
		x.file, drive, transport, blk);
	x.desc = toml_parse("test", text, strlen(text), &x.errors);
	g_free(text);
	x.m = x.desc ? machine_plan(x.desc, &x.errors) : NULL;
	if (!x.m || machine_build(x.m, &x.errors) != 0)
		error_list_print(&x.errors, stderr);
	g_assert_cmpuint(x.errors.total, ==, 0);
	machine_reset(x.m);
	driver = instance_find(x.m, "drv")->object->instance;
}

static void stop(void)
{
	machine_destroy(x.m);
	toml_destroy(x.desc);
	error_list_finish(&x.errors);
	g_unlink(x.file);
	g_free(x.file);
}

/* What a driver does at first (3.1). */
static void set_up(uint64_t features)
{
	reg(0x70, 0);
	x.avail_idx = x.used_idx = 0;
	x.place = x.used_place = 0;
	x.wrap = x.used_wrap = true;
	for (uint64_t a = RAM; a < RAM + 0x6000; a += 8)
		put(a, 0, 8);
	if (x.legacy)
		reg(0x28, QUEUE_PAGE);
	reg(0x70, 3);
	x.features = features & (x.legacy ? UINT32_MAX : UINT64_MAX);
	for (unsigned n = 0; n < 2; n++) {
		reg(0x14, n);
		x.features &=
			(uint64_t)reg_of(0x10) << 32 * n | (n ? UINT32_MAX : ~(uint64_t)UINT32_MAX);
	}
	for (unsigned n = 0; n < 2; n++) {
		reg(0x24, n);
		reg(0x20, (uint32_t)(x.features >> 32 * n));
	}
	if (!x.legacy) {
		reg(0x70, 11);
		g_assert_cmpuint(reg_of(0x70), ==, 11);
	}
	reg(0x30, 0);
	g_assert_cmpuint(reg_of(0x34), ==, SIZE);
	reg(0x38, SIZE);
	if (x.legacy) {
		reg(0x3c, QUEUE_PAGE);
		reg(0x40, DESC / QUEUE_PAGE);
		g_assert_cmpuint(reg_of(0x40), ==, DESC / QUEUE_PAGE);
	} else {
		static const struct {
			unsigned offset;
			uint64_t addr;
		} areas[] = { { 0x80, DESC }, { 0x90, AVAIL }, { 0xa0, USED } };
		for (unsigned n = 0; n < 3; n++) {
			reg(areas[n].offset, (uint32_t)areas[n].addr);
			reg(areas[n].offset + 4, (uint32_t)(areas[n].addr >> 32));
		}
		reg(0x44, 1);
	}
	reg(0x70, x.legacy ? 7 : 15);
}

/* ---- rings ---- */

static void put_desc(uint64_t addr, const struct piece *p, uint16_t third, uint16_t fourth)
{
	put(addr, p->addr, 8);
	put(addr + 8, p->len, 4);
	put(addr + 12, third, 2);
	put(addr + 14, fourth, 2);
}

static void offer_split(const struct piece *p, unsigned count)
{
	uint64_t table = x.indirect ? TABLE : DESC;
	for (unsigned n = 0; n < count; n++)
		put_desc(table + 16 * n, &p[n], (n + 1 < count) | (p[n].writable ? 2 : 0),
			(uint16_t)(n + 1));
	if (x.indirect)
		put_desc(DESC, &(struct piece){ TABLE, 16 * count, false }, 4, 0);
	put(AVAIL + 4 + 2 * (x.avail_idx % SIZE), 0, 2);
	put(AVAIL + 2, ++x.avail_idx, 2);
}

/* The next place of the ring; the flags last. */
static void offer_place(const struct piece *p, uint16_t flags)
{
	flags |= x.wrap ? 1 << 7 : 1 << 15;
	put_desc(DESC + 16 * x.place, p, 77, flags);
	if (++x.place == SIZE) {
		x.place = 0;
		x.wrap = !x.wrap;
	}
}

static void offer_packed(const struct piece *p, unsigned count)
{
	for (unsigned n = 0; n < count; n++)
		if (x.indirect)
			put_desc(TABLE + 16 * n, &p[n], 0, p[n].writable ? 2 : 0);
		else
			offer_place(&p[n], (n + 1 < count) | (p[n].writable ? 2 : 0));
	if (x.indirect)
		offer_place(&(struct piece){ TABLE, 16 * count, false }, 4);
}

static void offer(const struct piece *p, unsigned count)
{
	if (x.features & F_PACKED)
		offer_packed(p, count);
	else
		offer_split(p, count);
}

/* Whether the chain is used; its length. */
static bool used(unsigned count, uint32_t *len)
{
	if (!(x.features & F_PACKED)) {
		if ((uint16_t)get(USED + 2, 2) == x.used_idx)
			return false;
		*len = (uint32_t)get(USED + 4 + 8 * (x.used_idx++ % SIZE) + 4, 4);
		return true;
	}
	uint64_t flags = get(DESC + 16 * x.used_place + 14, 2);
	if (!(flags & 1 << 7) != !(flags & 1 << 15) || !(flags & 1 << 7) != !x.used_wrap)
		return false;
	*len = (uint32_t)get(DESC + 16 * x.used_place + 8, 4);
	g_assert_cmpuint(get(DESC + 16 * x.used_place + 12, 2), ==, 77);
	x.used_place += x.indirect ? 1 : count;
	if (x.used_place >= SIZE) {
		x.used_place -= SIZE;
		x.used_wrap = !x.used_wrap;
	}
	return true;
}

/* Waits for the chain; the length that the device gave, or -1: the device wants a reset. */
static int64_t wait_used(unsigned count)
{
	uint32_t len;
	for (unsigned tries = 0; tries < 5000; tries++) {
		if (used(count, &len))
			return len;
		if (reg_of(0x70) & NEEDS_RESET)
			return -1;
		g_usleep(1000);
	}
	g_assert_not_reached();
}

/* One request: its status, or -1. */
static int command(uint32_t type, uint64_t sector, uint32_t len, bool device_writes)
{
	struct piece p[3] = { { HEADER, 16, false }, { DATA, len, device_writes },
		{ STATUS, 1, true } };
	unsigned count = len ? 3 : 2;
	if (!len)
		p[1] = p[2];
	put(HEADER, type, 8);
	put(HEADER + 8, sector, 8);
	put(STATUS, 0xff, 1);
	offer(p, count);
	reg(0x50, 0);
	int64_t got = wait_used(count);
	if (got < 0)
		return -1;
	g_assert_cmpint(got, ==, 1 + (device_writes ? len : 0));
	reg(0x64, reg_of(0x60));
	return (int)get(STATUS, 1);
}

static void put_segment(unsigned n, uint64_t sector, uint32_t sectors, uint32_t flags)
{
	put(DATA + 16 * n, sector, 8);
	put(DATA + 16 * n + 8, sectors, 4);
	put(DATA + 16 * n + 12, flags, 4);
}

/* ---- tests ---- */

static void all_commands(void)
{
	uint32_t before = driver->interrupts;
	g_assert_cmpint(command(IN, 3, 2 * SECTOR, true), ==, 0);
	g_assert_cmpuint(get(DATA, 1), ==, 3);
	g_assert_cmpuint(get(DATA + SECTOR, 1), ==, 4);
	if (!(x.features & F_EVENT))
		g_assert_cmpuint(driver->interrupts, ==, before + 1);
	put(DATA, 0x5a, 1);
	g_assert_cmpint(command(OUT, 9, SECTOR, false), ==, 0);
	put(DATA, 0, 1);
	g_assert_cmpint(command(FLUSH, 0, 0, false), ==, 0);
	g_assert_cmpint(command(IN, 9, SECTOR, true), ==, 0);
	g_assert_cmpuint(get(DATA, 1), ==, 0x5a);
	g_assert_cmpint(command(GET_ID, 0, 20, true), ==, 0);
	g_assert_cmpuint(get(DATA, 8), ==, 0x0000003730302d42); /* "B-007" */
	if (x.features >> 14 & 1) {
		put_segment(0, 9, 1, 0);
		put_segment(1, 20, 2, 1);
		g_assert_cmpint(command(ZEROES, 0, 32, false), ==, 0);
		g_assert_cmpint(command(IN, 9, SECTOR, true), ==, 0);
		g_assert_cmpuint(get(DATA, 8), ==, 0);
		g_assert_cmpint(command(IN, 20, 3 * SECTOR, true), ==, 0);
		g_assert_cmpuint(get(DATA + SECTOR, 8), ==, 0);
		g_assert_cmpuint(get(DATA + 2 * SECTOR, 1), ==, 22);
		put_segment(0, 40, 8, 0);
		g_assert_cmpint(command(DISCARD, 0, 16, false), ==, 0);
	}
}

static void wrong_commands(void)
{
	uint64_t last = DISK / SECTOR;
	g_assert_cmpint(command(99, 0, 0, false), ==, 2);
	g_assert_cmpint(command(IN, last, SECTOR, true), ==, 1);
	g_assert_cmpint(command(IN, last - 1, 2 * SECTOR, true), ==, 1);
	g_assert_cmpint(command(IN, UINT64_MAX, SECTOR, true), ==, 1);
	g_assert_cmpint(command(OUT, UINT64_MAX / SECTOR, SECTOR, false), ==, 1);
	g_assert_cmpint(command(IN, 0, SECTOR - 1, true), ==, 1);
	put_segment(0, last - 1, 2, 0);
	g_assert_cmpint(command(DISCARD, 0, 16, false), ==, 1);
	put_segment(0, UINT64_MAX, 1, 0);
	g_assert_cmpint(command(ZEROES, 0, 16, false), ==, 1);
	put_segment(0, 0, 1, 2);
	g_assert_cmpint(command(ZEROES, 0, 16, false), ==, 2);
	put_segment(0, 0, 1, 1);
	g_assert_cmpint(command(DISCARD, 0, 16, false), ==, 2);
	g_assert_cmpint(command(DISCARD, 0, 17, false), ==, 1);
	g_assert_cmpint(command(DISCARD, 0, 0, false), ==, 1);
	g_assert_cmpint(command(IN, 0, SECTOR, true), ==, 0);
}

static const struct ring {
	const char *name, *transport;
	uint64_t features;
	bool legacy, indirect;
} rings[] = {
	{ "split", "", F_BLK | F_VERSION, false, false },
	{ "split-indirect", "", F_BLK | F_VERSION | F_INDIRECT, false, true },
	{ "split-event", "", F_BLK | F_VERSION | F_EVENT | F_RESET, false, false },
	{ "packed", "packed = true", F_BLK | F_VERSION | F_PACKED, false, false },
	{ "packed-indirect", "packed = true", F_BLK | F_VERSION | F_PACKED | F_INDIRECT, false,
		true },
	{ "packed-event", "packed = true", F_BLK | F_VERSION | F_PACKED | F_EVENT, false, false },
	{ "legacy", "legacy = true", F_BLK, true, false },
	{ "legacy-indirect", "legacy = true", F_BLK | F_INDIRECT | F_EVENT, true, true },
};

static void test_commands(gconstpointer data)
{
	const struct ring *r = data;
	build(r->transport, "", "serial = \"B-007\"");
	x.legacy = r->legacy;
	x.indirect = r->indirect;
	g_assert_cmpuint(reg_of(4), ==, r->legacy ? 1 : 2);
	g_assert_cmpuint(reg_of(8), ==, 2);
	set_up(r->features);
	all_commands();
	wrong_commands();
	/* Often enough to go round the ring. */
	for (unsigned n = 0; n < 40; n++) {
		g_assert_cmpint(command(IN, 100 + n, SECTOR, true), ==, 0);
		g_assert_cmpuint(get(DATA, 1), ==, 100 + n);
	}
	set_up(r->features);
	g_assert_cmpint(command(IN, 7, SECTOR, true), ==, 0);
	stop();
}

static void test_events(gconstpointer data)
{
	const struct ring *r = data;
	build(r->transport, "", "");
	set_up(r->features);
	bool packed = x.features & F_PACKED;
	for (unsigned n = 0; n < 30; n++) {
		/* At this one, or at the one behind it. */
		bool now = n % 2 == 0;
		unsigned next = x.used_place + (now ? 0 : 3);
		bool wrap = next >= SIZE ? !x.used_wrap : x.used_wrap;
		unsigned before = driver->interrupts;
		if (packed) {
			put(AVAIL, next % SIZE | (unsigned)wrap << 15, 2);
			put(AVAIL + 2, 2, 2);
		} else {
			put(AVAIL + 4 + 2 * SIZE, (uint16_t)(x.used_idx + !now), 2);
		}
		g_assert_cmpint(command(IN, n, SECTOR, true), ==, 0);
		g_assert_cmpuint(driver->interrupts, ==, before + now);
		/* And the device wants to hear of the next one. */
		if (packed) {
			g_assert_cmpuint(get(USED + 2, 2), ==, 2);
			g_assert_cmpuint(get(USED, 2), ==, x.place | (unsigned)x.wrap << 15);
		} else {
			g_assert_cmpuint(get(USED + 4 + 8 * SIZE, 2), ==, x.avail_idx);
		}
	}
	stop();
}

static void test_config(void)
{
	build("", "", "queues = 3");
	g_assert_cmpuint(get(MMIO + 0x100, 4), ==, DISK / SECTOR);
	g_assert_cmpuint(get(MMIO + 0x100 + 12, 4), ==, SIZE - 2);
	g_assert_cmpuint(get(MMIO + 0x100 + 20, 4), ==, SECTOR);
	g_assert_cmpuint(get(MMIO + 0x100 + 24, 1), ==, 3);
	g_assert_cmpuint(get(MMIO + 0x100 + 34, 2), ==, 3);
	g_assert_cmpuint(get(MMIO + 0x100 + 32, 1), ==, 1);
	set_up(F_BLK | F_VERSION);
	put(MMIO + 0x100 + 32, 0, 1);
	g_assert_cmpuint(get(MMIO + 0x100 + 32, 1), ==, 0);
	g_assert_cmpint(command(OUT, 1, SECTOR, false), ==, 0);
	reg(0x30, 2);
	g_assert_cmpuint(reg_of(0x34), ==, SIZE);
	reg(0x30, 3);
	g_assert_cmpuint(reg_of(0x34), ==, 0);
	reg(0x70, 0);
	g_assert_cmpuint(get(MMIO + 0x100 + 32, 1), ==, 1);
	stop();
}

/* A drive that grows under it: the driver is told to look at its configuration again. */
static void test_resize(void)
{
	build("", "", "");
	set_up(F_VERSION | F_BLK);
	uint32_t generation = reg_of(0xfc);
	unsigned before = driver->interrupts;
	g_assert_cmphex(reg_of(0x100), ==, DISK / SECTOR);
	g_assert_cmpstr(machine_command(x.m, "resize disk 3M"), ==, "");
	g_assert_cmphex(reg_of(0x100), ==, 3 * DISK / SECTOR);
	g_assert_cmphex(reg_of(0x60), ==, 2);
	g_assert_cmpuint(driver->interrupts, ==, before + 1);
	g_assert_cmphex(reg_of(0xfc), !=, generation);
	g_assert_true(g_str_has_prefix(
		machine_command(x.m, "resize disk 1M"), "error: disk: it has 3145728 bytes"));
	g_assert_cmphex(reg_of(0x100), ==, 3 * DISK / SECTOR);
	stop();
	/* What is written away at the end cannot grow. */
	build("", "snapshot = true", "");
	g_assert_true(g_str_has_suffix(
		machine_command(x.m, "resize disk 3M"), "its image does not grow"));
	stop();
}

static void test_read_only(void)
{
	build("", "readonly = true", "");
	set_up(F_BLK | F_VERSION | 1 << 5);
	g_assert_true(x.features >> 5 & 1);
	g_assert_false(x.features >> 14 & 1);
	g_assert_cmpint(command(OUT, 1, SECTOR, false), ==, 1);
	g_assert_cmpint(command(IN, 1, SECTOR, true), ==, 0);
	g_assert_cmpint(command(ZEROES, 0, 16, false), ==, 2);
	stop();
}

static void test_errors(void)
{
	build("", "filter = \"blk-log,fail-at=1,fail-count=1\"", "");
	set_up(F_BLK | F_VERSION);
	g_assert_cmpint(command(OUT, 1, SECTOR, false), ==, 1);
	g_assert_cmpint(command(OUT, 1, SECTOR, false), ==, 0);
	stop();
}

/* Chains that no driver makes: the device says so, and works after a reset. */
static void test_hostile(gconstpointer data)
{
	const struct ring *r = data;
	static const struct {
		struct piece p[3];
		unsigned count;
		int status; /* -1: a reset is needed */
	} chains[] = {
		{ { { HEADER, 16, false } }, 1, -1 }, /* no place for the status */
		{ { { HEADER, 16, false }, { STATUS, 1, false } }, 2, -1 },
		{ { { STATUS, 1, true }, { HEADER, 16, false } }, 2, -1 }, /* order */
		{ { { HEADER, 16, false }, { 0x1000, SECTOR, true }, { STATUS, 1, true } }, 3, -1 },
		{ { { HEADER, 16, false }, { UINT64_MAX - 15, 16, true }, { STATUS, 1, true } }, 3,
			-1 },
		{ { { HEADER, 16, false }, { MMIO, 16, true }, { STATUS, 1, true } }, 3, -1 },
		{ { { HEADER, 15, false }, { STATUS, 1, true } }, 2, 1 }, /* no whole header */
		{ { { STATUS, 1, true } }, 1, 1 },
		{ { { HEADER, 16, false }, { DATA, UINT32_MAX, true }, { STATUS, 1, true } }, 3,
			-1 },
	};
	build(r->transport, "", "");
	x.legacy = r->legacy;
	x.indirect = r->indirect;
	for (unsigned n = 0; n < G_N_ELEMENTS(chains); n++) {
		set_up(r->features);
		put(STATUS, 0xff, 1);
		offer(chains[n].p, chains[n].count);
		reg(0x50, 0);
		int64_t got = wait_used(chains[n].count);
		g_assert_cmpint(got, ==, chains[n].status);
		if (got >= 0)
			g_assert_cmpuint(get(STATUS, 1), ==, 1);
	}
	/* Loops, and indexes from nowhere. */
	set_up(r->features);
	x.indirect = false;
	if (x.features & F_PACKED) {
		for (unsigned k = 0; k < SIZE; k++)
			offer_place(&(struct piece){ HEADER, 16, false }, 1);
	} else {
		offer_split((struct piece[]){ { HEADER, 16, false } }, 1);
		put(DESC + 12, 1, 2);
	}
	reg(0x50, 0);
	g_assert_cmpint(wait_used(1), ==, -1);
	set_up(r->features);
	if (!(x.features & F_PACKED)) {
		put(AVAIL + 2, SIZE + 1, 2);
		reg(0x50, 0);
		g_assert_cmpint(wait_used(1), ==, -1);
		set_up(r->features);
		put(AVAIL + 4, SIZE, 2);
		put(AVAIL + 2, 1, 2);
		reg(0x50, 0);
		g_assert_cmpint(wait_used(1), ==, -1);
	}
	reg(0x50, 1);
	reg(0x50, UINT32_MAX);
	set_up(r->features);
	g_assert_cmpint(command(IN, 0, SECTOR, true), ==, 0);
	stop();
}

static void test_queue_reset(void)
{
	build("", "filter = \"blk-log,fail-at=1,fail-count=1,fail=enospc\"", "");
	set_up(F_BLK | F_VERSION | F_RESET);
	g_assert_true(x.features & F_RESET);
	/* The disk is full: the request waits, and a reset of the queue takes it away. */
	put(HEADER, OUT, 8);
	put(HEADER + 8, 1, 8);
	put(STATUS, 0xff, 1);
	offer((struct piece[]){ { HEADER, 16, false }, { DATA, SECTOR, false },
		      { STATUS, 1, true } },
		3);
	reg(0x50, 0);
	reg(0xc0, 1);
	g_assert_cmpuint(reg_of(0x44), ==, 0);
	g_assert_cmpuint(get(USED + 2, 2), ==, 0);
	g_assert_cmpuint(get(STATUS, 1), ==, 0xff);
	set_up(F_BLK | F_VERSION | F_RESET);
	g_assert_cmpint(command(IN, 1, SECTOR, true), ==, 0);
	stop();
}

/* ---- snapshots ---- */

static gpointer until_done(gpointer data)
{
	for (unsigned tries = 0; tries < 5000 && get(STATUS, 1) == 0xff; tries++)
		g_usleep(1000);
	sched_request(NULL, BP_REQ_QUIT, 0);
	return data;
}

/* A write that waits for space when the machine is saved is done by the restored machine. */
static void test_in_flight(gconstpointer data)
{
	const struct ring *r = data;
	char *file = g_build_filename(g_get_tmp_dir(), "backplane-virtio-test.state", NULL);
	struct piece p[] = { { HEADER, 16, false }, { DATA, SECTOR, false }, { STATUS, 1, true } };
	build(r->transport, "filter = \"blk-log,fail-at=1,fail-count=1,fail=enospc\"", "");
	x.legacy = r->legacy;
	x.indirect = r->indirect;
	set_up(r->features);
	put(HEADER, OUT, 8);
	put(HEADER + 8, 5, 8);
	put(STATUS, 0xff, 1);
	put(DATA, 0xabcd, 8);
	offer(p, 3);
	reg(0x50, 0);
	if (x.features & F_PACKED && !x.indirect) {
		/* A read overtakes it, and is used at the place where the write stands. */
		struct piece q[] = { { HEADER + 64, 16, false }, { DATA + SECTOR, SECTOR, true },
			{ STATUS + 8, 1, true } };
		g_usleep(100000);
		put(HEADER + 64, IN, 8);
		offer(q, 3);
		reg(0x50, 0);
		g_assert_cmpint(wait_used(3), ==, SECTOR + 1);
	}
	g_assert_cmpint(machine_save(x.m, file, &x.errors), ==, 0);
	g_assert_cmpuint(get(STATUS, 1), ==, 0xff);
	machine_reset(x.m);
	g_assert_cmpint(machine_restore(x.m, file, &x.errors), ==, 0);
	GThread *waits = g_thread_new("waits", until_done, NULL);
	sched_run();
	g_thread_join(waits);
	sched_stop();
	g_assert_cmpuint(get(STATUS, 1), ==, 0);
	g_assert_cmpint(wait_used(3), ==, 1);
	stop();
	g_unlink(file);
	g_free(file);
}

/* A word of what the transport saves of its virtio part. */
static uint32_t *saved_word(const char *name)
{
	const struct object *o = instance_find(x.m, "virtio")->object;
	const struct bp_field *f = o->type->object->state;
	while (strcmp(f->name, "virtio") != 0)
		f++;
	uint8_t *part = (uint8_t *)o->instance + f->offset;
	for (f = f->sub; strcmp(f->name, name) != 0;)
		f++;
	return (uint32_t *)(void *)(part + f->offset);
}

/* Snapshots that say what cannot be of the request under way. */
static void test_in_flight_lies(void)
{
	static const struct {
		const char *name, *error;
		uint32_t value;
	} lies[] = { { "heads", "in no queue", SIZE }, { "heads", "in no queue", 5u << 16 },
		{ "out", "at most", SIZE + 1 } };
	char *file = g_build_filename(g_get_tmp_dir(), "backplane-virtio-test.state", NULL);
	for (unsigned n = 0; n < G_N_ELEMENTS(lies); n++) {
		build("", "filter = \"blk-log,fail-at=1,fail-count=1,fail=enospc\"", "");
		set_up(F_BLK | F_VERSION);
		put(HEADER, OUT, 8);
		offer((struct piece[]){ { HEADER, 16, false }, { DATA, SECTOR, false },
			      { STATUS, 1, true } },
			3);
		reg(0x50, 0);
		g_assert_cmpuint(*saved_word("out"), ==, 1);
		uint32_t *word = saved_word(lies[n].name), truth = *word;
		*word = lies[n].value;
		g_assert_cmpint(machine_save(x.m, file, &x.errors), ==, 0);
		*word = truth;
		machine_reset(x.m);
		g_assert_cmpuint(*saved_word("out"), ==, 0);
		g_assert_cmpint(machine_restore(x.m, file, &x.errors), !=, 0);
		g_assert_cmpuint(x.errors.total, ==, 1);
		g_assert_nonnull(strstr(x.errors.entries[0].text, lies[n].error));
		stop();
		g_unlink(file);
	}
	g_free(file);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	find_types(argc, argv, driver_types);
	static const struct {
		const char *name;
		void (*run)(gconstpointer);
		unsigned from, to;
	} tests[] = { { "commands", test_commands, 0, G_N_ELEMENTS(rings) },
		{ "hostile", test_hostile, 0, G_N_ELEMENTS(rings) },
		{ "in-flight", test_in_flight, 0, G_N_ELEMENTS(rings) } };
	for (unsigned t = 0; t < G_N_ELEMENTS(tests); t++)
		for (unsigned n = tests[t].from; n < tests[t].to; n++) {
			char *path = g_strdup_printf("/virtio/%s/%s", tests[t].name, rings[n].name);
			g_test_add_data_func(path, &rings[n], tests[t].run);
			g_free(path);
		}
	g_test_add_data_func("/virtio/events/split", &rings[2], test_events);
	g_test_add_data_func("/virtio/events/packed", &rings[5], test_events);
	g_test_add_func("/virtio/in-flight-lies", test_in_flight_lies);
	g_test_add_func("/virtio/config", test_config);
	g_test_add_func("/virtio/read-only", test_read_only);
	g_test_add_func("/virtio/resize", test_resize);
	g_test_add_func("/virtio/errors", test_errors);
	g_test_add_func("/virtio/queue-reset", test_queue_reset);
	return g_test_run();
}
