/* SPDX-License-Identifier: MIT */
/* A guest for determinism_test.py in which everything that a snapshot could lose matters: random numbers
 * of the virtio device, date and alarm of the goldfish clock, timer interrupts in the middle of code,
 * waiting, interrupts between harts, LR/SC on both. Each round's words go into the next one and are
 * printed. The words are the run's own; that the parts work at all is checked. */
#include "priv.h"

enum { ROUNDS = 12, HELP = 40 };

/* ---- the virtio entropy device (Virtio 1.2: 2.7, 4.2, 5.4) ---- */

enum {
	DEVICE = 0x08,
	DRIVER = 0x20,
	DRIVER_SEL = 0x24,
	NUM = 0x38,
	READY = 0x44,
	NOTIFY = 0x50,
	STATUS = 0x70,
	DESC = 0x80,
	AVAIL = 0x90,
	USED = 0xa0
};
#define RING  0x80600000ul
#define DATA  (RING + 0x3000)
#define RINGS 8

static ulong device;
static uint16_t asked;

static bool entropy_start(void)
{
	for (int i = 0; i < 8 && !device; i++)
		device = get32(VIRTIO(i) + DEVICE) == 4 ? VIRTIO(i) : 0;
	if (!device)
		return false;
	set32(device + STATUS, 3);
	set32(device + DRIVER_SEL, 1);
	set32(device + DRIVER, 1);
	set32(device + STATUS, 11);
	set32(device + NUM, RINGS);
	set32(device + DESC, RING);
	set32(device + AVAIL, RING + 0x1000);
	set32(device + USED, RING + 0x2000);
	set32(device + READY, 1);
	set32(device + STATUS, 15);
	return true;
}

static ulong entropy(void)
{
	set32(RING, (uint32_t)DATA);
	set32(RING + 4, 0);
	set32(RING + 8, sizeof(ulong));
	set32(RING + 12, 2); /* the device writes */
	*(volatile uint16_t *)(RING + 0x1004 + 2 * (asked % RINGS)) = 0;
	*(volatile uint16_t *)(RING + 0x1002) = ++asked;
	set32(device + NOTIFY, 0);
	while (*(volatile uint16_t *)(RING + 0x2002) != asked)
		;
	return getx(DATA);
}

/* ---- the goldfish clock ---- */

enum { TIME_LOW = 0, TIME_HIGH = 4, ALARM_LOW = 8, ALARM_HIGH = 0xc, IRQ_ON = 0x10, CLEAR = 0x1c };
#define RTC_IRQ 11
#define ENABLE  (PLIC + 0x2000)
#define CLAIM   (PLIC + 0x200004)

static uint64_t date(void)
{
	uint64_t low = get32(RTC + TIME_LOW);
	return low | (uint64_t)get32(RTC + TIME_HIGH) << 32;
}

/* Waits for an alarm; what was claimed. */
static ulong alarm_in(ulong ns)
{
	uint64_t at = date() + ns;
	set32(RTC + IRQ_ON, 1);
	set32(RTC + ALARM_HIGH, (uint32_t)(at >> 32));
	set32(RTC + ALARM_LOW, (uint32_t)at);
	csr_write("mie", BIT(MEI));
	__asm__ volatile("wfi");
	ulong source = get32(CLAIM);
	set32(RTC + CLEAR, 1);
	set32(CLAIM, (uint32_t)source);
	csr_write("mie", 0);
	return source;
}

/* ---- two harts ---- */

static volatile ulong shared, answers;

static void add(volatile ulong *to, ulong n)
{
	ulong v;
	__asm__ volatile("1: lr.d %0, (%1)\n"
			 "add %0, %0, %2\n"
			 "sc.d t0, %0, (%1)\n"
			 "bnez t0, 1b"
			 : "=&r"(v)
			 : "r"(to), "r"(n)
			 : "t0", "memory");
}

void hart_main(ulong hart)
{
	csr_write("mie", BIT(MSI));
	for (;;) {
		__asm__ volatile("wfi");
		if (!(get32(CLINT + 4 * hart) & 1))
			continue;
		set32(CLINT + 4 * hart, 0);
		for (ulong i = 0; i < HELP; i++)
			add(&shared, i);
		add(&answers, 1);
	}
}

/* ---- the rounds ---- */

SNIPPET(s_spin, "1: addi a0, a0, 1\nxor a1, a1, a0\nslli a2, a1, 3\nadd a1, a1, a2\nj 1b");

static ulong words, alarms, interrupts;

static void take(ulong v)
{
	words = (words ^ v) * 0x9e3779b97f4a7c15ul;
	words ^= words >> 31;
}

static void round(ulong n)
{
	ulong r = entropy();
	take(r);
	take(date());
	set32(CLINT + 4, 1); /* the other hart */
	set_mtimecmp(0, mtime() + 5 + (r & 15));
	csr_write("mie", BIT(MTI));
	struct trap t = run_in(n & 1 ? S : U, s_spin, r, 0);
	set_mtimecmp(0, -1ull);
	csr_write("mie", 0);
	interrupts += t.cause == (C_IRQ | MTI);
	take(t.value);
	take(t.epc);
	for (ulong i = 0; i < HELP; i++)
		add(&shared, i);
	if (n % 3 == 0)
		alarms += alarm_in(2000 + (r & 0xfff)) == RTC_IRQ;
	while (answers != n + 1)
		;
	take(csr_read("cycle"));
	take(csr_read("instret"));
	take(csr_read("time"));
	put_string("words ");
	put_dec(n);
	put_string(": ");
	put_hex(words);
	put_string("\n");
}

void test_main(void)
{
	csr_write("mcounteren", 7ul);
	set32(PLIC + 4 * RTC_IRQ, 1);
	set32(ENABLE, 1u << RTC_IRQ);
	if (!check("entropy device", entropy_start(), 1))
		return;
	for (ulong n = 0; n < ROUNDS; n++)
		round(n);
	check("sum", shared, 2 * ROUNDS * (HELP * (HELP - 1) / 2));
	check("alarms", alarms, (ROUNDS + 2) / 3);
	check("interrupts", interrupts, ROUNDS);
}
