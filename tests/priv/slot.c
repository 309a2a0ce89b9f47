/* SPDX-License-Identifier: MIT */
/* A root port's slot as its driver sees it (PCI Express Base 4.0: 6.7, 7.5.3.9 to 7.5.3.11): the button, the
 * power switch, presence, the link, and the interrupts that tell of them, while a card leaves and comes.
 * The user who moves the card is this program too: its second serial port takes commands (slot.toml). */
#include "priv.h"

#define UART1    0x10009000ul
#define ECAM     0x30000000ul
#define PORT     (ECAM + (4ul << 15))
#define CARD     (ECAM + (1ul << 20))
#define WINDOW   0x40000000ul
#define MESSAGE  0x80600000ul
#define SECOND   10000000ull
#define INTX     32u /* INTA of device 4 at the PLIC */
#define ENABLE   (PLIC + 0x2000 + 4)
#define PRIORITY (PLIC + 4 * INTX)
#define CLAIM    (PLIC + 0x200004)

enum { LINK_STATUS = 0x12, SLOT_CAPS = 0x14, SLOT_CONTROL = 0x18, SLOT_STATUS = 0x1a };
enum { BUTTON = 1, PRESENCE = 8, DONE = 0x10, PRESENT = 0x40, LINK = 0x100, EVENTS = 0x11f };
enum { WANT_ALL = 0x103f, WANT_NO_DONE = 0x102f, OFF = 0x400, LINK_ACTIVE = 0x2000 };

static ulong express;

static uint16_t get16(ulong a)
{
	return *(volatile uint16_t *)a;
}

static void set16(ulong a, uint16_t v)
{
	*(volatile uint16_t *)a = v;
}

static ulong capability(ulong function, uint8_t id)
{
	ulong at = get8(function + 0x34);
	for (int i = 0; at && i < 48; i++, at = get8(function + at + 1))
		if (get8(function + at) == id)
			return function + at;
	fatal(id, function, at);
}

/* ---- the user ---- */

static int receive(void)
{
	for (uint64_t end = mtime() + 10 * SECOND; mtime() < end;)
		if (get8(UART1 + 5) & 1)
			return get8(UART1);
	return -1;
}

/* One line, answered: 1 for ok, 0 for an error, -1 for silence. */
static ulong user(const char *line)
{
	int first = 0, second = 0, c, n = 0;
	for (const char *p = line;; p++) {
		while (!(get8(UART1 + 5) & 0x20))
			;
		set8(UART1, *p ? (uint8_t)*p : '\n');
		if (!*p)
			break;
	}
	while ((c = receive()) >= 0) {
		if (c != '\n') {
			first = n == 0 ? c : first;
			second = n == 1 ? c : second;
			n++;
			continue;
		}
		if (first == 'o' && second == 'k' && n == 2)
			return 1;
		if (first == 'e' && second == 'r')
			return 0;
		n = 0;
	}
	return -1ul;
}

/* ---- the slot ---- */

static ulong status(void)
{
	return get16(express + SLOT_STATUS);
}

static void control(uint16_t value)
{
	set16(express + SLOT_CONTROL, value);
}

static void take(void)
{
	set16(express + SLOT_STATUS, EVENTS);
}

static ulong link(void)
{
	return get16(express + LINK_STATUS) & LINK_ACTIVE;
}

/* The interrupt that waits, if it does so within a while: its source, done with. */
static ulong interrupt(void)
{
	for (uint64_t end = mtime() + SECOND / 10; mtime() < end;)
		if (csr_read("mip") & BIT(MEI)) {
			uint32_t source = get32(CLAIM);
			take();
			set32(CLAIM, source);
			return source;
		}
	return 0;
}

static void number(void)
{
	set32(PORT + 0x18, 0x00010100);
	set32(PORT + 0x20, 0x40004000); /* 1 MiB from WINDOW on */
	set32(PORT + 0x24, 0x0000fff0); /* no prefetchable one */
	set16(PORT + 4, 6);
}

static void show(void)
{
	set32(CARD + 0x20, WINDOW);
	set32(CARD + 0x24, 0);
	set16(CARD + 4, 2);
}

static void registers(void)
{
	section("registers");
	check("a root port with a slot", get16(express + 2), 0x142);
	check("slot capabilities", get32(express + SLOT_CAPS), 7u << 19 | 0x7b);
	check("slot status", status(), PRESENT);
	check("link", link(), LINK_ACTIVE);
	check("card", get32(CARD), 0x10441af4);
	show();
	check("its window", get16(WINDOW + 0x12), 1);
	set16(express + SLOT_STATUS, 0xffff);
	check("presence is no event", status(), PRESENT);
	control(0x17ff);
	check("slot control", get16(express + SLOT_CONTROL), 0x17ff);
	control(0);
	check("a command is done", status() & DONE, DONE);
	take();
	check("taken", status() & DONE, 0);
}

static void orderly(void)
{
	section("button");
	set32(PRIORITY, 1);
	set32(ENABLE, 1u << (INTX - 32));
	interrupt(); /* what registers() had the PLIC latch */
	check("silent", interrupt(), 0);
	control(WANT_NO_DONE);
	take();
	check("user", user("unplug card"), 1);
	check("status", status() & EVENTS, BUTTON);
	check("interrupt", interrupt(), INTX);
	check("once", interrupt(), 0);
	check("the card stays", get32(CARD), 0x10441af4);
	section("power off");
	control(WANT_ALL | OFF);
	check("status", status(), PRESENCE | LINK | DONE);
	check("interrupt", interrupt(), INTX);
	check("link", link(), 0);
	check("card", get32(CARD), 0xffffffff);
	check("its window", get32(WINDOW), 0xffffffff);
	check("user", user("unplug card"), 0);
	section("plug");
	control(WANT_NO_DONE | OFF);
	take();
	check("user", user("plug card"), 1);
	check("status", status(), PRESENCE | PRESENT);
	check("interrupt", interrupt(), INTX);
	check("no power yet", get32(CARD), 0xffffffff);
	control(WANT_NO_DONE);
	check("power", status(), PRESENT | LINK | DONE);
	check("interrupt of the link", interrupt(), INTX);
	check("card", get32(CARD), 0x10441af4);
	check("command", get16(CARD + 4), 0);
	check("BAR", get32(CARD + 0x20), 0xc);
	check("its window", get32(WINDOW), 0xffffffff);
	show();
	check("its window again", get16(WINDOW + 0x12), 1);
}

static void surprise(void)
{
	section("surprise");
	check("user", user("unplug! card"), 1);
	check("status", status(), PRESENCE | LINK);
	check("interrupt", interrupt(), INTX);
	check("card", get32(CARD), 0xffffffff);
	check("its window", get32(WINDOW), 0xffffffff);
	set32(CARD + 4, 0xffffffff);
	check("user again", user("unplug! card"), 0);
}

static void messages(void)
{
	ulong msi = capability(PORT, 5);
	section("message");
	setx(MESSAGE, 0);
	set32(msi + 4, (uint32_t)MESSAGE);
	set32(msi + 8, 0);
	set16(msi + 12, 0x77);
	set16(msi + 2, 1);
	check("user", user("plug card"), 1);
	check("status", status(), PRESENCE | LINK | PRESENT);
	check("message", getx(MESSAGE), 0x77);
	setx(MESSAGE, 0);
	check("pulled", user("unplug! card"), 1);
	check("one until all events were taken", getx(MESSAGE), 0);
	take();
	check("put in", user("plug card"), 1);
	check("the next message", getx(MESSAGE), 0x77);
	check("no wire", csr_read("mip") & BIT(MEI), 0);
	section("silence");
	control(0);
	take();
	setx(MESSAGE, 0);
	set16(msi + 2, 0);
	check("user", user("unplug! card"), 1);
	check("message", getx(MESSAGE), 0);
	check("wire", interrupt(), 0);
}

static void nonsense(void)
{
	section("user");
	check("no such card", user("plug nobody"), 0);
	check("no such command", user("\x01\x7f plug card"), 0);
	check("a card of another kind", user("unplug card-rng"), 0);
	check("list", user("list"), 1);
	check("plug", user("plug card"), 1);
	check("card", get32(CARD), 0x10441af4);
}

void test_main(void)
{
	number();
	express = capability(PORT, 0x10);
	registers();
	orderly();
	surprise();
	messages();
	nonsense();
	finish();
}
