/* SPDX-License-Identifier: MIT */
/* A virtio-mmio entropy device driven by hand, first well, then as badly as a guest can: rings with
 * loops, wild descriptors, buffers nowhere, in devices and in the device's own registers, absurd
 * sizes, ring addresses in devices (Virtio 1.2: 2.7 split rings, 4.2 MMIO, 5.4 entropy).
 * What a broken ring does is not defined beyond that; so only this is checked: the machine goes on,
 * memory that no ring named stays as it is, and a reset of the device makes it work again. */
#include "priv.h"

#define RING 0x80600000ul /* descriptors, driver ring, device ring: a page each */
#define BUF  0x80700000ul
#define SIZE 8
#ifndef HUGE
#define HUGE 0x1000000
#endif

enum {
	MAGIC = 0x00,
	VERSION = 0x04,
	DEVICE = 0x08,
	FEATURES = 0x10,
	FEATURES_SEL = 0x14,
	DRIVER = 0x20,
	DRIVER_SEL = 0x24,
	PAGE_SIZE = 0x28,
	SEL = 0x30,
	NUM_MAX = 0x34,
	NUM = 0x38,
	ALIGN = 0x3c,
	PFN = 0x40,
	READY = 0x44,
	NOTIFY = 0x50,
	IRQ_STATUS = 0x60,
	IRQ_ACK = 0x64,
	STATUS = 0x70,
	DESC = 0x80,
	AVAIL = 0x90,
	USED = 0xa0,
	GENERATION = 0xfc
};
enum { NEXT = 1, WRITE = 2, INDIRECT = 4 };

static ulong base;
static bool modern;

static uint32_t rd(ulong reg)
{
	return get32(base + reg);
}
static void wr(ulong reg, uint32_t v)
{
	set32(base + reg, v);
}

static void desc(int i, uint64_t addr, uint32_t len, uint32_t flags, uint32_t next)
{
	ulong d = RING + 16ul * (ulong)i;
	set32(d, (uint32_t)addr);
	set32(d + 4, (uint32_t)(addr >> 32));
	set32(d + 8, len);
	set32(d + 12, flags | next << 16);
}

/* In a version 1 device the three parts lie behind one another; the same layout serves both. */
#define AVAIL_AT (RING + 16 * SIZE)
#define USED_AT  (RING + 0x1000)

static void avail(uint32_t i, uint32_t head)
{
	*(volatile uint16_t *)(AVAIL_AT + 4 + 2 * (i % SIZE)) = (uint16_t)head;
	__asm__ volatile("fence w, w" ::: "memory");
	*(volatile uint16_t *)(AVAIL_AT + 2) = (uint16_t)(i + 1);
	__asm__ volatile("fence" ::: "memory");
}

static uint16_t used_index(void)
{
	return *(volatile uint16_t *)(USED_AT + 2);
}

static void wr64(ulong reg, uint64_t v)
{
	wr(reg, (uint32_t)v);
	wr(reg + 4, (uint32_t)(v >> 32));
}

static void setup_at(uint32_t num, uint64_t d, uint64_t a, uint64_t u)
{
	wr(STATUS, 0);
	wr(STATUS, 1);
	wr(STATUS, 3);
	wr(DRIVER_SEL, 0);
	wr(DRIVER, 0);
	if (modern) {
		wr(DRIVER_SEL, 1);
		wr(DRIVER, 1); /* VERSION_1 */
		wr(STATUS, 11);
	} else {
		wr(PAGE_SIZE, 4096);
	}
	wr(SEL, 0);
	wr(NUM, num);
	if (modern) {
		wr64(DESC, d);
		wr64(AVAIL, a);
		wr64(USED, u);
		wr(READY, 1);
		wr(STATUS, 15);
	} else {
		wr(ALIGN, 4096);
		wr(PFN, (uint32_t)(d >> 12));
		wr(STATUS, 7);
	}
}

static void setup(void)
{
	memset((void *)RING, 0, 0x3000);
	setup_at(SIZE, RING, AVAIL_AT, USED_AT);
}

/* Give the device time; whether it answered. */
static bool answered(uint16_t from)
{
	uint64_t end = mtime() + 50000000; /* five seconds; it comes much sooner */
	while (mtime() < end)
		if (used_index() != from)
			return true;
	return false;
}

/* A plain request for 64 bytes; true if it is answered and the bytes changed. */
static bool works(void)
{
	setup();
	for (ulong i = 0; i < 128; i += 4)
		set32(BUF + i, 0);
	desc(0, BUF, 64, WRITE, 0);
	avail(0, 0);
	wr(NOTIFY, 0);
	if (!answered(0))
		return false;
	uint32_t any = 0, behind = 0;
	for (ulong i = 0; i < 64; i += 4)
		any |= get32(BUF + i);
	for (ulong i = 64; i < 128; i += 4)
		behind |= get32(BUF + i);
	wr(IRQ_ACK, rd(IRQ_STATUS));
	return any && !behind && get32(USED_AT + 4) == 0 && get32(USED_AT + 8) <= 64;
}

static bool find(void)
{
	for (int i = 0; i < 8; i++) {
		base = VIRTIO(i);
		if (rd(MAGIC) == 0x74726976 && rd(DEVICE) == 4) {
			modern = rd(VERSION) == 2;
			return true;
		}
	}
	return false;
}

/* After something bad: a moment for the device, then all must be well again. */
static void then(const char *name)
{
	wr(NOTIFY, 0);
	for (int i = 0; i < 1000; i++)
		(void)rd(STATUS);
	wr(IRQ_ACK, rd(IRQ_STATUS));
	check(name, works(), 1);
}

static void descriptors(void)
{
	section("descriptor");
	static const struct {
		const char *name;
		uint64_t addr;
		uint32_t len;
	} all[] = { { "nowhere", 0x60000, 64 }, { "address 0", 0, 64 },
		{ "behind RAM", 0x88000000, 64 }, { "over the end of RAM", 0x87ffffe0, 64 },
		{ "far", 0x123456789abcdef0, 64 }, { "wraps", 0xfffffffffffffff0, 64 },
		{ "length 0", BUF, 0 }, { "huge", 0x60000, HUGE }, { "boot ROM", 0x1000, 64 },
		{ "uart", UART + 0x80, 8 }, { "clint msip", CLINT + 0x20, 4 },
		{ "plic", PLIC + 0x1f00, 64 }, { "rtc", RTC + 0x100, 4 },
		{ "other virtio slot", VIRTIO(3) + 0x100, 64 } };
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
		setup();
		desc(0, all[i].addr, all[i].len, WRITE, 0);
		avail(0, 0);
		then(all[i].name);
	}
	/* the device's own registers: the classic hole */
	setup();
	desc(0, base + NOTIFY, 4, WRITE, 0);
	avail(0, 0);
	then("own notify");
	setup();
	desc(0, base, 256, WRITE, 0);
	avail(0, 0);
	then("own registers");
	/* readable where the device writes */
	setup();
	desc(0, BUF, 64, 0, 0);
	avail(0, 0);
	then("not writable");
}

static void rings(void)
{
	section("ring");
	setup();
	desc(0, BUF, 64, WRITE | NEXT, 0);
	avail(0, 0);
	then("loop of one");
	setup();
	desc(0, BUF, 64, WRITE | NEXT, 1);
	desc(1, BUF, 64, WRITE | NEXT, 0);
	avail(0, 0);
	then("loop of two");
	setup();
	for (int i = 0; i < SIZE; i++)
		desc(i, BUF, 0, WRITE | NEXT, (uint32_t)(i + 1) % SIZE);
	avail(0, 0);
	then("loop of all, empty");
	setup();
	desc(0, BUF, 64, WRITE | NEXT, 0xffff);
	avail(0, 0);
	then("wild next");
	setup();
	desc(0, BUF, 64, WRITE | NEXT, SIZE);
	avail(0, 0);
	then("next is the size");
	setup();
	avail(0, 0xffff);
	then("wild head");
	setup();
	avail(0, SIZE);
	then("head is the size");
	setup();
	desc(0, BUF, 64, WRITE, 0);
	*(volatile uint16_t *)(AVAIL_AT + 2) = 0x8000; /* far more than the ring holds */
	then("wild index");
	setup();
	desc(0, BUF, 64, WRITE, 0);
	*(volatile uint16_t *)(AVAIL_AT + 2) = 0xffff;
	then("index backwards");
	setup();
	desc(0, RING, 64, WRITE, 0); /* the buffer is the table itself */
	avail(0, 0);
	then("buffer on the table");
	setup();
	desc(0, USED_AT, 4096, WRITE, 0);
	avail(0, 0);
	then("buffer on the used ring");
	/* indirect without the feature, empty, odd, in itself, in loops */
	static const struct {
		const char *name;
		uint32_t len;
	} all[] = { { "indirect", 16 }, { "indirect empty", 0 }, { "indirect odd", 17 },
		{ "indirect huge", 0xfffffff0 } };
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
		setup();
		desc(0, RING + 16, all[i].len, INDIRECT, 0);
		desc(1, RING + 16, 16, INDIRECT | NEXT, 0);
		avail(0, 0);
		then(all[i].name);
	}
	setup();
	desc(0, RING, 16 * SIZE, INDIRECT | NEXT | WRITE, 0);
	avail(0, 0);
	then("indirect in itself");
}

static void places(void)
{
	section("place");
	static const struct {
		const char *name;
		uint64_t at;
	} all[] = { { "nowhere", 0x60000 }, { "zero", 0 }, { "rom", 0x1000 }, { "uart", UART },
		{ "plic", PLIC }, { "last page of RAM", 0x87fff000 }, { "behind RAM", 0x88000000 },
		{ "far", 0x7ffffffff000 }, { "flash", FLASH } };
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
		setup_at(SIZE, all[i].at, all[i].at + 16 * SIZE, all[i].at + 0x1000);
		then(all[i].name);
	}
	setup_at(SIZE, base & ~0xffful, base, base);
	then("own registers");
	if (modern) {
		setup_at(SIZE, RING + 3, RING + 5, RING + 7);
		then("odd");
		setup_at(SIZE, 0xfffffffffffffff0, 0xfffffffffffffff0, 0xfffffffffffffffc);
		then("top of the address space");
	}
}

static void registers(void)
{
	section("register");
	static const uint32_t sizes[] = { 0, 3, 7, 0x8000, 0x10000, 0xffffffff };
	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		memset((void *)RING, 0, 0x3000);
		setup_at(sizes[i], RING, AVAIL_AT, USED_AT);
		then(i == 0              ? "size 0"
				: i == 1 ? "size 3"
				: i == 2 ? "size 7"
				: i == 3 ? "size 32768"
				: i == 4 ? "size 65536"
					 : "size 4G-1");
	}
	setup();
	wr(SEL, 1);
	check("queue max of no queue", rd(NUM_MAX), 0);
	wr(SEL, 0xffffffff);
	wr(NUM, 8);
	wr(modern ? READY : PFN, 1);
	wr(NOTIFY, 0xffffffff);
	then("no such queue");
	setup();
	wr(NOTIFY, 0); /* nothing available */
	then("empty notify");
	wr(STATUS, 0);
	wr(NOTIFY, 0); /* before any set-up */
	then("notify after reset");
	setup();
	for (ulong r = 0; r < 0x200; r += 4)
		(void)rd(r);
	then("all read");
	/* any value into any register but the ring's place, then a reset of the device */
	for (ulong r = 0; r < 0x110; r += 4) {
		if ((r >= DESC && r <= USED + 4) || r == PFN)
			continue;
		wr(r, 0xffffffff);
		wr(r, (uint32_t)r * 0x01010101u);
		wr(r, 0);
	}
	then("all written");
	ulong good = 0;
	for (int i = 0; i < 100; i++) { /* set up and torn down, with requests in flight */
		setup();
		desc(0, BUF, 4096, WRITE, 0);
		avail(0, 0);
		wr(NOTIFY, 0);
		wr(STATUS, 0);
		good += rd(STATUS) == 0;
	}
	check("resets in flight", good, 100);
	then("after them");
}

static void memory_untouched(void)
{
	section("");
	/* the image and what lies between were named by no ring */
	ulong bad = 0;
	for (ulong a = 0x80500000; a < 0x80600000; a += 64)
		bad += get32(a) != (uint32_t)a;
	check("memory in between", bad, 0);
}

void test_main(void)
{
	check("found", find(), 1);
	if (!find())
		return;
	for (ulong a = 0x80500000; a < 0x80600000; a += 64)
		set32(a, (uint32_t)a);
	check("works", works(), 1);
	descriptors();
	rings();
	places();
	registers();
	memory_untouched();
}
