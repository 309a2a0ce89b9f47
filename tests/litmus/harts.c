/* SPDX-License-Identifier: MIT */
#include "harts.h"

enum { LOOKS = 2000 }; /* before a waiting hart sleeps */

volatile struct parameters parameters = { "litmus-parameter", 1, 1000 };

static struct {
	ulong random;
	volatile ulong asleep;
} __attribute__((aligned(64))) harts[HARTS];
static struct barrier all;
static volatile ulong alive, turn, failures;
static job *volatile current;
static uint64_t end;
static ulong checks;

ulong random(ulong hart)
{
	ulong x = harts[hart].random;
	x ^= x << 13;
	x ^= x >> 7;
	x ^= x << 17;
	harts[hart].random = x;
	return x * 0x2545f4914f6cdd1d;
}

void delay(ulong turns)
{
	while (turns--)
		__asm__ volatile("");
}

void ipi(ulong hart)
{
	fence();
	set32(CLINT + 4 * hart, 1);
}

__attribute__((weak)) void on_ipi(ulong hart)
{
	(void)hart;
}

static void look_for_ipi(ulong hart)
{
	if (!(csr_read("mip") & BIT(MSI)))
		return;
	set32(CLINT + 4 * hart, 0);
	fence();
	on_ipi(hart);
}

/* Until (*p == value) is `equal`. */
static void wait(volatile ulong *p, ulong value, bool equal)
{
	ulong hart = hart_id();
	for (int n = 0; n < LOOKS; n++) {
		if ((*p == value) == equal) {
			fence();
			return;
		}
		look_for_ipi(hart);
	}
	harts[hart].asleep = 1;
	fence(); /* the other side writes *p, fences and looks whether someone sleeps */
	while ((*p == value) != equal) {
		__asm__ volatile("wfi");
		look_for_ipi(hart);
	}
	harts[hart].asleep = 0;
	fence();
}

ulong wait_change(volatile ulong *p, ulong old)
{
	wait(p, old, false);
	return *p;
}

void wait_for(volatile ulong *p, ulong wanted)
{
	wait(p, wanted, true);
}

void publish(volatile ulong *p, ulong value)
{
	fence();
	*p = value;
	fence();
	for (ulong h = 0; h < HARTS; h++)
		if (harts[h].asleep)
			ipi(h);
}

void barrier(struct barrier *b, ulong n)
{
	ulong now = b->turn;
	if (amo_add(&b->count, 1) == n - 1) {
		b->count = 0;
		publish(&b->turn, now + 1);
	} else {
		wait_change(&b->turn, now);
	}
}

void everywhere(job *what)
{
	current = what;
	publish(&turn, turn + 1);
	what(0);
	barrier(&all, HARTS);
}

static void start(ulong hart)
{
	csr_write("mstatus", FS(3)); /* interrupts in M off: mip is looked at */
	csr_write("satp", 0);
	csr_write("medeleg", 0);
	csr_write("mideleg", 0);
	csr_write("mie", BIT(MSI));
	open_pmp();
	set_mtimecmp(hart, -1ull);
	harts[hart].random = (parameters.seed + hart + 1) * 0x9e3779b97f4a7c15;
	for (int n = 0; n < 20; n++)
		random(hart);
}

void hart_main(ulong hart)
{
	if (hart >= HARTS)
		for (;;)
			__asm__ volatile("wfi");
	start(hart);
	amo_add(&alive, 1);
	for (ulong seen = 0;;) {
		seen = wait_change(&turn, seen);
		current(hart);
		barrier(&all, HARTS);
	}
}

bool time_left(void)
{
	return mtime() < end;
}

void put_number(const char *before, ulong n)
{
	put_string(before);
	put_dec(n);
}

void result(bool good, const char *name)
{
	failures += !good;
	put_string(good ? "ok " : "not ok ");
	put_dec(++checks);
	put_string(" - ");
	put_string(name);
	put_char('\n');
}

void test_main(void)
{
	uint64_t until = mtime() + 100000000; /* at 10 MHz */
	start(0);
	while (alive < HARTS - 1 && mtime() < until)
		;
	if (alive != HARTS - 1) {
		result(false, "four harts start");
	} else {
		end = mtime() + parameters.milliseconds * 10000;
		run();
	}
	put_number("1..", checks);
	put_char('\n');
	finish_code(failures ? (1 << 16) | 0x3333 : 0x5555);
}
