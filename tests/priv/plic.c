/* SPDX-License-Identifier: MIT */
/* PLIC (RISC-V PLIC specification 1.0) and CLINT registers, driven by the UART (source 10) and the
 * goldfish clock (source 11). */
#include "priv.h"

#define PRIORITY(source) (PLIC + 4ul * (source))
#define PENDING          (PLIC + 0x1000)
#define ENABLE(context)  (PLIC + 0x2000 + 0x80ul * (context))
#define THRESHOLD(c)     (PLIC + 0x200000 + 0x1000ul * (c))
#define CLAIM(c)         (THRESHOLD(c) + 4)

enum { UART_IRQ = 10, RTC_IRQ = 11 };

/* Printing goes through the UART whose interrupt is under test, so results are noted first. */
static struct {
	const char *name;
	ulong got, want;
} notes[40];
static int noted;

static void note(const char *name, ulong got, ulong want)
{
	notes[noted].name = name;
	notes[noted].got = got;
	notes[noted++].want = want;
}

static void print_notes(void)
{
	for (int i = 0; i < noted; i++)
		check(notes[i].name, notes[i].got, notes[i].want);
	noted = 0;
}

static ulong line(bool seip)
{
	return csr_read("mip") >> (seip ? SEI : MEI) & 1;
}

/* Transmitter empty: raised by the enable bit, ended by reading IIR or by the enable bit. */
static void uart(bool on)
{
	set8(UART + 1, on ? 2 : 0);
}

/* An alarm in the past rings at once. */
static void rtc(bool on)
{
	if (on) {
		set32(RTC + 0x10, 1);
		set32(RTC + 0x0c, 0);
		set32(RTC + 0x08, 1);
		for (uint64_t end = mtime() + 10000000; mtime() < end && get32(RTC + 0x18);)
			; /* the alarm may come from a timer of the emulator's */
		for (uint64_t end = mtime() + 10000; mtime() < end;)
			;
	} else {
		set32(RTC + 0x10, 0);
		set32(RTC + 0x14, 1);
		set32(RTC + 0x1c, 1);
	}
}

static void quiet(void)
{
	uart(false);
	rtc(false);
	for (ulong c = 0; c < 2; c++) {
		set32(THRESHOLD(c), 0);
		set32(ENABLE(c), 1u << UART_IRQ | 1u << RTC_IRQ);
		for (int i = 0; i < 4; i++) { /* what is left over */
			uint32_t id = get32(CLAIM(c));
			if (id)
				set32(CLAIM(c), id);
		}
		set32(ENABLE(c), 0);
	}
	set32(PRIORITY(UART_IRQ), 0);
	set32(PRIORITY(RTC_IRQ), 0);
}

static void registers(void)
{
	section("registers");
	quiet();
	for (uint32_t p = 0; p < 8; p++) {
		set32(PRIORITY(UART_IRQ), p);
		expect("priority", get32(PRIORITY(UART_IRQ)), p);
		set32(THRESHOLD(0), p);
		expect("threshold", get32(THRESHOLD(0)), p);
	}
	set32(THRESHOLD(0), 0);
	set32(PRIORITY(0), 5); /* source 0 does not exist */
	check("priority 0", get32(PRIORITY(0)), 0);
	set32(ENABLE(0), 0xffffffff);
	check("enable without 0", get32(ENABLE(0)), 0xfffffffe);
	set32(ENABLE(0), 0);
	set32(PENDING, 0xffffffff); /* read-only */
	check("pending", get32(PENDING), 0);
	check("claim of nothing", get32(CLAIM(0)), 0);
	set32(CLAIM(0), 3); /* a completion nobody waits for */
	set32(CLAIM(0), 0xffffffff);
	check("still nothing", get32(CLAIM(0)), 0);
}

static void context(ulong c)
{
	section(c ? "context S" : "context M");
	quiet();
	set32(PRIORITY(UART_IRQ), 3);
	uart(true);
	note("pending", get32(PENDING), 1u << UART_IRQ);
	note("not enabled", line(c), 0);
	set32(ENABLE(c), 1u << UART_IRQ);
	note("line", line(c), 1);
	note("other line", line(!c), 0);
	/* The threshold masks priorities up to its value. */
	ulong got = 0;
	for (uint32_t t = 0; t < 8; t++) {
		set32(THRESHOLD(c), t);
		got |= line(c) << t;
	}
	note("thresholds", got, 7);
	set32(THRESHOLD(c), 0);
	set32(PRIORITY(UART_IRQ), 0); /* never interrupts */
	note("priority 0", line(c), 0);
	set32(PRIORITY(UART_IRQ), 1);
	note("priority 1", line(c), 1);
	note("claim", get32(CLAIM(c)), UART_IRQ);
	note("line after claim", line(c), 0);
	note("pending after claim", get32(PENDING), 0);
	note("claim again", get32(CLAIM(c)), 0);
	/* The gateway forwards the next one only after completion; the wire is still high. */
	set32(CLAIM(c), UART_IRQ);
	note("again after completion", line(c), 1);
	note("second claim", get32(CLAIM(c)), UART_IRQ);
	uart(false);
	set32(CLAIM(c), UART_IRQ);
	note("low after completion", line(c), 0);
	note("nothing left", get32(CLAIM(c)), 0);
	/* claiming is possible below the threshold as well (PLIC 8) */
	uart(true);
	set32(THRESHOLD(c), 7);
	note("masked line", line(c), 0);
	note("claim below threshold", get32(CLAIM(c)), UART_IRQ);
	uart(false);
	set32(CLAIM(c), UART_IRQ);
	set32(THRESHOLD(c), 0);
	quiet();
	print_notes();
}

static void two(void)
{
	section("two sources");
	quiet();
	set32(ENABLE(0), 1u << UART_IRQ | 1u << RTC_IRQ);
	set32(PRIORITY(UART_IRQ), 2);
	set32(PRIORITY(RTC_IRQ), 2);
	uart(true);
	rtc(true);
	note("pending", get32(PENDING), 3u << UART_IRQ);
	note("same priority: lower id", get32(CLAIM(0)), UART_IRQ);
	note("then the other", get32(CLAIM(0)), RTC_IRQ);
	note("then none", get32(CLAIM(0)), 0);
	note("line", line(false), 0);
	set32(CLAIM(0), RTC_IRQ); /* completed in any order */
	set32(CLAIM(0), UART_IRQ);
	set32(PRIORITY(RTC_IRQ), 5);
	note("higher first", get32(CLAIM(0)), RTC_IRQ);
	note("lower next", get32(CLAIM(0)), UART_IRQ);
	set32(CLAIM(0), UART_IRQ);
	set32(CLAIM(0), RTC_IRQ);
	set32(THRESHOLD(0), 2);
	note("only the higher", line(false), 1);
	note("its claim", get32(CLAIM(0)), RTC_IRQ);
	note("the rest is masked", line(false), 0);
	set32(CLAIM(0), RTC_IRQ);
	quiet();
	/* Two contexts race for one source: the first claim wins. */
	set32(PRIORITY(UART_IRQ), 1);
	set32(ENABLE(0), 1u << UART_IRQ);
	set32(ENABLE(1), 1u << UART_IRQ);
	uart(true);
	note("both lines", line(false) * 10 + line(true), 11);
	note("S claims", get32(CLAIM(1)), UART_IRQ);
	note("M finds nothing", get32(CLAIM(0)), 0);
	note("both lines low", line(false) * 10 + line(true), 0);
	set32(CLAIM(1), UART_IRQ);
	note("both lines again", line(false) * 10 + line(true), 11);
	quiet();
	print_notes();
}

SNIPPET(q_spin, "li a0, 1000\n1: addi a0, a0, -1\nbnez a0, 1b\nli a0, 1");

static void delivered(void)
{
	section("delivered");
	quiet();
	set32(PRIORITY(RTC_IRQ), 1);
	set32(ENABLE(0), 1u << RTC_IRQ);
	rtc(true);
	csr_write("mie", BIT(MEI));
	struct trap m = run_in(U, q_spin, 0, 0);
	ulong id = get32(CLAIM(0));
	rtc(false);
	set32(CLAIM(0), RTC_IRQ);
	struct trap none = run_in(U, q_spin, 0, 0);
	set32(ENABLE(0), 0);
	set32(ENABLE(1), 1u << RTC_IRQ);
	rtc(true);
	csr_write("mideleg", BIT(SEI));
	csr_write("mie", BIT(SEI));
	struct trap e = run_in(U, q_spin, 0, 0);
	quiet();
	csr_write("mie", 0);
	csr_write("mideleg", 0);
	check_trap("MEI", m, C_IRQ | MEI, 0);
	check("claim", id, RTC_IRQ);
	check_value("then quiet", none, 1);
	check_trap_in("SEI", e, S, C_IRQ | SEI, 0);
	ulong good = 0;
	set32(PRIORITY(UART_IRQ), 1);
	set32(ENABLE(0), 1u << UART_IRQ);
	csr_write("mie", BIT(MEI));
	for (int i = 0; i < 200; i++) {
		uart(true);
		good += run_in(i & 1 ? U : S, q_spin, 0, 0).cause == (C_IRQ | MEI);
		good += get32(CLAIM(0)) == UART_IRQ;
		uart(false);
		set32(CLAIM(0), UART_IRQ);
		good += run_in(i & 1 ? U : S, q_spin, 0, 0).cause == C_NONE;
	}
	csr_write("mie", 0);
	quiet();
	check("two hundred", good, 600);
}

static void clint(void)
{
	section("clint");
	ulong cmp = CLINT + 0x4000;
	set32(cmp, 0x11223344);
	set32(cmp + 4, 0x55667788);
	check("mtimecmp low", get32(cmp), 0x11223344);
	check("mtimecmp high", get32(cmp + 4), 0x55667788);
#if __riscv_xlen == 64
	check("mtimecmp whole", getx(cmp), 0x5566778811223344);
	setx(cmp, 0xffffffff12345678);
	check("mtimecmp 64-bit store", getx(cmp), 0xffffffff12345678);
	ulong t = getx(CLINT_MTIME);
	check("mtime 64-bit", (uint64_t)t <= mtime(), 1);
#endif
	/* the compare is unsigned and >= */
	uint64_t now = mtime();
	set_mtimecmp(0, now);
	check("equal or past", csr_read("mip"), BIT(MTI));
	set_mtimecmp(0, 1ull << 63);
	check("top bit is no sign", csr_read("mip"), 0);
	set_mtimecmp(0, -1ull);
	set32(CLINT, 0xfffffffe);
	check("msip bit 0 only", get32(CLINT), 0);
}

void test_main(void)
{
	registers();
	context(0);
	context(1);
	two();
	delivered();
	clint();
}
