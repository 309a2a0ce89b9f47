/* SPDX-License-Identifier: MIT */
/* The UART as PC16550D's data sheet has it. */
#include "fake_host.h"

extern const struct bp_plugin bp_plugin_1_dev_serial;
enum { RBR, IER, IIR, LCR, MCR, LSR, MSR, SCR };

static bp_line irq[1];

static void *start_with(unsigned shift)
{
	void *u = fake_new(&bp_plugin_1_dev_serial, "ns16550a");
	irq[0] = (bp_line){ 0 };
	fake_wire(u, "irq", 1, irq);
	fake_set(u, "chr", (uint64_t)(uintptr_t)fake_stream());
	fake_set(u, "reg-shift", shift);
	g_assert_cmpint(fake_create(u), ==, 0);
	fake_reset(u);
	return u;
}

static void *start(void)
{
	return start_with(0);
}

static uint8_t in(void *u, unsigned reg)
{
	return (uint8_t)fake_read(u, "regs", reg, 1);
}

static void out(void *u, unsigned reg, uint8_t value)
{
	fake_write(u, "regs", reg, 1, value);
}

static void after_reset(void)
{
	void *u = start();
	g_assert_cmphex(in(u, IER), ==, 0);
	g_assert_cmphex(in(u, IIR), ==, 1);
	g_assert_cmphex(in(u, LCR), ==, 0);
	g_assert_cmphex(in(u, LSR), ==, 0x60);
	g_assert_cmphex(in(u, MSR), ==, 0xb0);
	g_assert_cmpint(irq[0].level, ==, 0);
	out(u, SCR, 0xa5);
	g_assert_cmphex(in(u, SCR), ==, 0xa5);
	fake_free(u);
}

static void divisor_latch(void)
{
	void *u = start();
	out(u, LCR, 0x83);
	out(u, RBR, 0x34);
	out(u, IER, 0x12);
	g_assert_cmphex(in(u, RBR), ==, 0x34);
	g_assert_cmphex(in(u, IER), ==, 0x12);
	out(u, LCR, 0x03);
	g_assert_cmphex(in(u, IER), ==, 0);
	g_assert_cmpuint(fake.sent->len, ==, 0);
	fake_free(u);
}

static void sends(void)
{
	void *u = start();
	out(u, LCR, 3);
	out(u, RBR, 'h');
	out(u, RBR, 'i');
	g_assert_cmpstr(fake.sent->str, ==, "hi");
	g_assert_cmphex(in(u, LSR), ==, 0x60);
	/* The transmitter interrupts when it is enabled while empty, until IIR is read. */
	out(u, IER, 2);
	g_assert_cmpint(irq[0].level, ==, 1);
	g_assert_cmphex(in(u, IIR), ==, 2);
	g_assert_cmpint(irq[0].level, ==, 0);
	g_assert_cmphex(in(u, IIR), ==, 1);
	out(u, RBR, '!');
	g_assert_cmpint(irq[0].level, ==, 1);
	out(u, IER, 0);
	g_assert_cmpint(irq[0].level, ==, 0);
	fake_free(u);
}

static void back_pressure(void)
{
	void *u = start();
	out(u, LCR, 3);
	out(u, IIR, 1);
	out(u, IER, 2);
	in(u, IIR);
	fake.room = 1;
	for (unsigned i = 0; i < 17; i++)
		out(u, RBR, (uint8_t)('a' + i));
	g_assert_cmpstr(fake.sent->str, ==, "a");
	g_assert_cmphex(in(u, LSR), ==, 0);
	g_assert_cmpint(irq[0].level, ==, 0);
	out(u, RBR, 'z'); /* FIFO full: lost */
	fake.room = 100;
	fake_chr_event(BP_CHR_WRITABLE);
	g_assert_cmpstr(fake.sent->str, ==, "abcdefghijklmnopq");
	g_assert_cmphex(in(u, LSR), ==, 0x60);
	g_assert_cmphex(in(u, IIR), ==, 0xc2);
	/* A stream that can be written again without anything to send is no interrupt. */
	fake_chr_event(BP_CHR_WRITABLE);
	g_assert_cmphex(in(u, IIR), ==, 0xc1);
	fake_free(u);
}

static void receives(void)
{
	void *u = start();
	out(u, LCR, 3);
	out(u, IER, 1);
	g_assert_cmpuint(fake_receive("xy", 2), ==, 1); /* no FIFO: one character */
	g_assert_cmpint(irq[0].level, ==, 1);
	g_assert_cmphex(in(u, IIR), ==, 4);
	g_assert_cmphex(in(u, LSR), ==, 0x61);
	unsigned ready = fake.ready;
	g_assert_cmphex(fake_peek(u, "regs", RBR, 1), ==, 'x');
	g_assert_cmphex(in(u, RBR), ==, 'x');
	g_assert_cmpuint(fake.ready, >, ready);
	g_assert_cmpint(irq[0].level, ==, 0);
	fake_free(u);
}

static void trigger_and_timeout(void)
{
	void *u = start();
	out(u, LCR, 0x83);
	out(u, RBR, 2); /* 115200 of 3.6864 MHz */
	out(u, LCR, 3);
	out(u, IIR, 0x81); /* FIFOs, trigger at 8 */
	out(u, IER, 1);
	g_assert_cmpuint(fake_receive("1234567", 7), ==, 7);
	g_assert_cmpint(irq[0].level, ==, 0);
	/* Four characters of ten bits: 347.2 us. */
	g_assert_cmpint(fake_next(), ==, 347222);
	fake_pass(347221);
	g_assert_cmpint(irq[0].level, ==, 0);
	fake_pass(1);
	g_assert_cmpint(irq[0].level, ==, 1);
	g_assert_cmphex(in(u, IIR), ==, 0xcc);
	g_assert_cmphex(in(u, RBR), ==, '1');
	g_assert_cmphex(in(u, IIR), ==, 0xc1);
	g_assert_cmpuint(fake_receive("89", 2), ==, 2);
	g_assert_cmphex(in(u, IIR), ==, 0xc4);
	for (char c = '2'; c <= '9'; c++)
		g_assert_cmphex(in(u, RBR), ==, c);
	g_assert_cmphex(in(u, LSR), ==, 0x60);
	g_assert_cmpint(fake_next(), ==, INT64_MAX);
	g_assert_cmpuint(fake_receive("0123456789abcdefgh", 18), ==, 16);
	out(u, IIR, 0x83);
	g_assert_cmphex(in(u, LSR), ==, 0x60);
	fake_free(u);
}

static void breaks_and_priorities(void)
{
	void *u = start();
	out(u, LCR, 3);
	out(u, IIR, 1);
	out(u, IER, 0x0f);
	g_assert_cmphex(in(u, IIR), ==, 0xc2);
	fake_receive("a", 1);
	fake_chr_event(BP_CHR_BREAK);
	/* 'a' stands in front of the break: an error is in the FIFO, not yet at its top. */
	g_assert_cmphex(in(u, IIR), ==, 0xc4);
	g_assert_cmphex(in(u, LSR), ==, 0xe1);
	g_assert_cmphex(in(u, RBR), ==, 'a');
	g_assert_cmphex(in(u, IIR), ==, 0xc6);
	g_assert_cmphex(in(u, LSR), ==, 0xf9);
	g_assert_cmphex(in(u, LSR), ==, 0x61);
	g_assert_cmphex(in(u, IIR), ==, 0xc4);
	g_assert_cmphex(in(u, RBR), ==, 0);
	g_assert_cmphex(in(u, IIR), ==, 0xc1);
	fake_free(u);
}

static void loop_back(void)
{
	void *u = start();
	out(u, LCR, 3);
	in(u, MSR);
	out(u, MCR, 0x10);
	g_assert_cmphex(in(u, MSR), ==, 0x0b);
	out(u, MCR, 0x1f);
	g_assert_cmphex(in(u, MSR), ==, 0xfb);
	out(u, MCR, 0x1b); /* OUT1 falls: trailing edge of RI */
	g_assert_cmphex(in(u, MSR), ==, 0xb4);
	g_assert_cmpuint(fake_receive("x", 1), ==, 0);
	out(u, RBR, 0x5a);
	g_assert_cmpuint(fake.sent->len, ==, 0);
	g_assert_cmphex(in(u, RBR), ==, 0x5a);
	out(u, RBR, 1);
	out(u, RBR, 2); /* overrun: the new one replaces it */
	g_assert_cmphex(in(u, LSR), ==, 0x63);
	g_assert_cmphex(in(u, RBR), ==, 2);
	/* Nothing is owed to the transmitter when the loop is closed or opened. */
	in(u, IIR);
	out(u, IER, 2);
	in(u, IIR);
	out(u, MCR, 0);
	g_assert_cmphex(in(u, IIR), ==, 1);
	g_assert_cmpuint(fake_receive("x", 1), ==, 1);
	fake_free(u);
}

static void spaced_registers(void)
{
	void *u = start_with(2);
	out(u, SCR << 2, 0x77);
	g_assert_cmphex(in(u, SCR << 2), ==, 0x77);
	out(u, (SCR << 2) + 1, 0x11);
	g_assert_cmphex(in(u, (SCR << 2) + 1), ==, 0);
	g_assert_cmphex(in(u, SCR << 2), ==, 0x77);
	g_assert_cmphex(in(u, 8 << 2), ==, 0);
	fake_free(u);
	u = fake_new(&bp_plugin_1_dev_serial, "ns16550a");
	fake_set(u, "reg-io-width", 3);
	g_assert_cmpint(fake_create(u), ==, -1);
	g_assert_cmpstr(fake.message, ==, "reg-io-width is 3; it can be 1, 2 or 4");
	fake_free(u);
}

/* Nothing that a guest writes, in any order, may do more than use the UART. */
static void any_bytes(void)
{
	void *u = start();
	uint32_t seed = 1;
	for (unsigned i = 0; i < 200000; i++) {
		seed = seed * 1664525 + 1013904223;
		unsigned reg = seed >> 29, what = seed >> 25 & 7;
		fake.room = seed >> 20 & 3;
		if (what < 3)
			out(u, reg, (uint8_t)(seed >> 8));
		else if (what < 6)
			in(u, reg);
		else if (what == 6)
			fake_receive("0123456789abcdef", seed >> 8 & 15);
		else
			fake_chr_event(seed & 0x100 ? BP_CHR_WRITABLE : BP_CHR_BREAK);
		fake_pass(1000);
		g_assert_cmpint(irq[0].level, ==, !(fake_peek(u, "regs", IIR, 1) & 1));
		if (fake.sent->len > 4096)
			g_string_truncate(fake.sent, 0);
	}
	fake_free(u);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/ns16550a/after-reset", after_reset);
	g_test_add_func("/ns16550a/divisor-latch", divisor_latch);
	g_test_add_func("/ns16550a/sends", sends);
	g_test_add_func("/ns16550a/back-pressure", back_pressure);
	g_test_add_func("/ns16550a/receives", receives);
	g_test_add_func("/ns16550a/trigger-and-timeout", trigger_and_timeout);
	g_test_add_func("/ns16550a/breaks-and-priorities", breaks_and_priorities);
	g_test_add_func("/ns16550a/loop-back", loop_back);
	g_test_add_func("/ns16550a/spaced-registers", spaced_registers);
	g_test_add_func("/ns16550a/any-bytes", any_bytes);
	return g_test_run();
}
