/* SPDX-License-Identifier: MIT */
/* CLINT, ACLINT, PLIC and the test finisher. */
#include "fake_host.h"
#include <backplane/counter.h>

extern const struct bp_plugin bp_plugin_1_dev_riscv, bp_plugin_1_dev_sifive;

__extension__ typedef unsigned __int128 u128;

static bp_line msip[4], mtip[4], ssip[2], eip[8];

/* ---- CLINT ---- */

static void *clint_start(unsigned hz)
{
	void *c = fake_new(&bp_plugin_1_dev_riscv, "riscv,clint");
	memset(msip, 0, sizeof(msip));
	memset(mtip, 0, sizeof(mtip));
	fake_wire(c, "msip", 4, msip);
	fake_wire(c, "mtip", 4, mtip);
	fake_set(c, "timebase-frequency", hz);
	g_assert_cmpint(fake_create(c), ==, 0);
	fake_reset(c);
	return c;
}

static void software_interrupts(void)
{
	void *c = clint_start(10000000);
	fake_write(c, "regs", 8, 4, 0xffffffff);
	g_assert_cmphex(fake_read(c, "regs", 8, 4), ==, 1);
	g_assert_cmpint(msip[2].level, ==, 1);
	g_assert_cmpint(msip[1].level, ==, 0);
	fake_write(c, "regs", 8, 4, 0xfffffffe);
	g_assert_cmpint(msip[2].level, ==, 0);
	fake_write(c, "regs", 16, 4, 1); /* a hart that is not there */
	g_assert_cmphex(fake_read(c, "regs", 16, 4), ==, 0);
	fake_write(c, "regs", 0, 4, 1);
	fake_reset(c);
	g_assert_cmpint(msip[0].level, ==, 0);
	fake_free(c);
}

static void machine_timer(void)
{
	void *c = clint_start(10000000);
	g_assert_cmpuint(fake_read(c, "regs", 0xbff8, 8), ==, 0);
	fake_pass(12345);
	g_assert_cmpuint(fake_read(c, "regs", 0xbff8, 8), ==, 123);
	g_assert_cmpint(mtip[1].level, ==, 0);
	/* In halves, as 32-bit harts write it. */
	fake_write(c, "regs", 0x4008, 4, 200);
	fake_write(c, "regs", 0x400c, 4, 0);
	g_assert_cmpuint(fake_read(c, "regs", 0x4008, 8), ==, 200);
	g_assert_cmpint(fake_next(), ==, 20000);
	fake_pass(20000 - 12345 - 1);
	g_assert_cmpint(mtip[1].level, ==, 0);
	fake_pass(1);
	g_assert_cmpint(mtip[1].level, ==, 1);
	g_assert_cmpint(mtip[0].level, ==, 0);
	fake_write(c, "regs", 0x4008, 8, UINT64_MAX);
	g_assert_cmpint(mtip[1].level, ==, 0);
	fake_write(c, "regs", 0x4008, 8, 0);
	g_assert_cmpint(mtip[1].level, ==, 1);
	/* Going back in time takes the interrupt back. */
	fake_write(c, "regs", 0x4008, 8, 150);
	fake_write(c, "regs", 0xbff8, 8, 100);
	g_assert_cmpint(mtip[1].level, ==, 0);
	fake_write(c, "regs", 0xbffc, 4, 1);
	g_assert_cmphex(fake_read(c, "regs", 0xbff8, 8), ==, 0x100000064);
	g_assert_cmpint(mtip[1].level, ==, 1);
	fake_reset(c);
	g_assert_cmpuint(fake_read(c, "regs", 0xbff8, 8), ==, 0);
	g_assert_cmpint(mtip[1].level, ==, 0);
	g_assert_cmpint(fake_next(), ==, INT64_MAX);
	fake_free(c);
}

/* For any frequency: when() is the first nanosecond at which the counter is there, and years do not
 * change that. */
static void no_drift(void)
{
	static const unsigned hz[] = { 1, 3, 32768, 10000000, 24000001, 999999999, 4294967295u };
	for (unsigned i = 0; i < G_N_ELEMENTS(hz); i++) {
		void *c = clint_start(hz[i]);
		const struct bp_counter *counter = fake_type(c)->interface(c, "bp.counter/1");
		g_assert_cmpuint(counter->frequency(c), ==, hz[i]);
		for (int64_t t = 1; t < INT64_MAX / 4; t *= 7) {
			fake.now_ns = t;
			uint64_t value = counter->read(c), wanted = value + 1 + (uint64_t)t % 5;
			g_assert_cmpuint(value, ==, (uint64_t)((u128)t * hz[i] / 1000000000));
			g_assert_cmpint(counter->when(c, value), ==, t);
			int64_t at = counter->when(c, wanted);
			fake.now_ns = at;
			g_assert_cmpuint(counter->read(c), >=, wanted);
			fake.now_ns = at - 1;
			g_assert_cmpuint(counter->read(c), <, wanted);
		}
		fake.now_ns = 0;
		if (hz[i] < 1000000000)
			g_assert_cmpint(counter->when(c, UINT64_MAX), ==, INT64_MAX);
		fake_free(c);
	}
}

/* ---- ACLINT ---- */

static void aclint(void)
{
	void *t = fake_new(&bp_plugin_1_dev_riscv, "riscv,aclint-mtimer");
	memset(mtip, 0, sizeof(mtip));
	fake_wire(t, "mtip", 2, mtip);
	g_assert_cmpint(fake_create(t), ==, 0);
	fake_reset(t);
	fake_write(t, "mtimecmp", 8, 8, 50);
	fake_pass(5000);
	g_assert_cmpuint(fake_read(t, "mtime", 0, 8), ==, 50);
	g_assert_cmpint(mtip[1].level, ==, 1);
	fake_free(t);

	void *m = fake_new(&bp_plugin_1_dev_riscv, "riscv,aclint-mswi");
	memset(msip, 0, sizeof(msip));
	fake_wire(m, "msip", 2, msip);
	g_assert_cmpint(fake_create(m), ==, 0);
	fake_reset(m);
	fake_write(m, "regs", 4, 4, 1);
	g_assert_cmpint(msip[1].level, ==, 1);
	fake_reset(m);
	g_assert_cmpint(msip[1].level, ==, 0);
	fake_free(m);

	void *s = fake_new(&bp_plugin_1_dev_riscv, "riscv,aclint-sswi");
	memset(ssip, 0, sizeof(ssip));
	fake_wire(s, "ssip", 2, ssip);
	g_assert_cmpint(fake_create(s), ==, 0);
	fake_reset(s);
	fake_write(s, "regs", 4, 4, 0);
	g_assert_cmpuint(ssip[1].rises, ==, 0);
	fake_write(s, "regs", 4, 4, 1);
	g_assert_cmpuint(ssip[1].rises, ==, 1);
	g_assert_cmpint(ssip[1].level, ==, 0);
	g_assert_cmphex(fake_read(s, "regs", 4, 4), ==, 0);
	fake_free(s);
}

/* ---- PLIC ---- */

enum { PENDING = 0x1000, ENABLE = 0x2000, THRESHOLD = 0x200000, CLAIM = 0x200004 };

static void *plic_start(void)
{
	void *p = fake_new(&bp_plugin_1_dev_riscv, "riscv,plic");
	memset(eip, 0, sizeof(eip));
	fake_wire(p, "irq", 4, eip);
	g_assert_cmpint(fake_create(p), ==, 0);
	fake_reset(p);
	return p;
}

static uint32_t rd(void *p, uint64_t offset)
{
	return (uint32_t)fake_read(p, "regs", offset, 4);
}

static void wr(void *p, uint64_t offset, uint32_t value)
{
	fake_write(p, "regs", offset, 4, value);
}

static void fields(void)
{
	void *p = plic_start();
	wr(p, 0, 7); /* source 0 is none */
	wr(p, 4, 0xffffffff);
	wr(p, 95 * 4, 5);
	wr(p, 96 * 4, 5);
	g_assert_cmphex(rd(p, 0), ==, 0);
	g_assert_cmphex(rd(p, 4), ==, 7);
	g_assert_cmphex(rd(p, 95 * 4), ==, 5);
	g_assert_cmphex(rd(p, 96 * 4), ==, 0);
	for (unsigned w = 0; w < 32; w++)
		wr(p, ENABLE + 0x80 + 4 * w, 0xffffffff);
	g_assert_cmphex(rd(p, ENABLE + 0x80), ==, 0xfffffffe);
	g_assert_cmphex(rd(p, ENABLE + 0x88), ==, 0xffffffff);
	g_assert_cmphex(rd(p, ENABLE + 0x8c), ==, 0);
	g_assert_cmphex(rd(p, ENABLE), ==, 0);
	wr(p, ENABLE + 4 * 0x80, 2); /* a context that is not there */
	g_assert_cmphex(rd(p, ENABLE + 4 * 0x80), ==, 0);
	wr(p, THRESHOLD + 0x1000, 0xff);
	g_assert_cmphex(rd(p, THRESHOLD + 0x1000), ==, 7);
	fake_free(p);
}

static void claim_and_complete(void)
{
	void *p = plic_start();
	wr(p, 10 * 4, 1);
	wr(p, ENABLE + 0x80, 1 << 10);
	fake_input(p, "irq", 10, 1);
	g_assert_cmpint(eip[0].level, ==, 0);
	g_assert_cmpint(eip[1].level, ==, 1);
	g_assert_cmphex(rd(p, PENDING), ==, 1 << 10);
	g_assert_cmphex(fake_peek(p, "regs", CLAIM + 0x1000, 4), ==, 0);
	g_assert_cmpint(eip[1].level, ==, 1);
	g_assert_cmpuint(rd(p, CLAIM), ==, 0); /* not enabled there */
	g_assert_cmpuint(rd(p, CLAIM + 0x1000), ==, 10);
	g_assert_cmpint(eip[1].level, ==, 0);
	g_assert_cmphex(rd(p, PENDING), ==, 0);
	g_assert_cmpuint(rd(p, CLAIM + 0x1000), ==, 0);
	/* Completions elsewhere, of others and of nothing mean nothing. */
	wr(p, CLAIM, 10);
	wr(p, CLAIM + 0x1000, 11);
	wr(p, CLAIM + 0x1000, 0);
	wr(p, CLAIM + 0x1000, 0xffffffff);
	g_assert_cmpint(eip[1].level, ==, 0);
	/* Still high: again. */
	wr(p, CLAIM + 0x1000, 10);
	g_assert_cmpint(eip[1].level, ==, 1);
	g_assert_cmpuint(rd(p, CLAIM + 0x1000), ==, 10);
	fake_input(p, "irq", 10, 0);
	wr(p, CLAIM + 0x1000, 10);
	g_assert_cmpint(eip[1].level, ==, 0);
	/* A request stays, even if its wire falls before the claim. */
	fake_input(p, "irq", 10, 1);
	fake_input(p, "irq", 10, 0);
	g_assert_cmpint(eip[1].level, ==, 1);
	g_assert_cmpuint(rd(p, CLAIM + 0x1000), ==, 10);
	wr(p, CLAIM + 0x1000, 10);
	g_assert_cmpint(eip[1].level, ==, 0);
	fake_free(p);
}

static void priorities(void)
{
	void *p = plic_start();
	wr(p, ENABLE, 0xffffffff);
	wr(p, ENABLE + 4, 0xffffffff);
	wr(p, 4 * 3, 2);
	wr(p, 4 * 40, 5);
	wr(p, 4 * 41, 5);
	fake_input(p, "irq", 5, 1); /* priority 0 */
	g_assert_cmpint(eip[0].level, ==, 0);
	fake_input(p, "irq", 3, 1);
	fake_input(p, "irq", 41, 1);
	fake_input(p, "irq", 40, 1);
	wr(p, THRESHOLD, 5);
	g_assert_cmpint(eip[0].level, ==, 0);
	g_assert_cmpuint(rd(p, CLAIM), ==, 40); /* in spite of the threshold */
	wr(p, THRESHOLD, 4);
	g_assert_cmpint(eip[0].level, ==, 1);
	g_assert_cmpuint(rd(p, CLAIM), ==, 41);
	g_assert_cmpint(eip[0].level, ==, 0);
	wr(p, THRESHOLD, 0);
	g_assert_cmpuint(rd(p, CLAIM), ==, 3);
	g_assert_cmpuint(rd(p, CLAIM), ==, 0);
	/* A reset forgets what was claimed; wires that are high ask again. */
	fake_reset(p);
	g_assert_cmphex(rd(p, PENDING), ==, (1 << 3) | (1 << 5));
	g_assert_cmphex(rd(p, PENDING + 4), ==, (1 << 8) | (1 << 9));
	g_assert_cmpint(eip[0].level, ==, 0);
	fake_free(p);
}

static void plic_limits(void)
{
	bp_line *many = g_new0(bp_line, 1025);
	void *p = fake_new(&bp_plugin_1_dev_riscv, "riscv,plic");
	fake_wire(p, "irq", 1025, many);
	g_assert_cmpint(fake_create(p), ==, -1);
	g_assert_cmpstr(fake.message, ==, "irq drives 1025 contexts; there is room for 1024");
	fake_free(p);
	p = fake_new(&bp_plugin_1_dev_riscv, "riscv,plic");
	fake_wire(p, "irq", 1024, many);
	fake_set(p, "sources", 1023);
	fake_set(p, "priority-bits", 32);
	g_assert_cmpint(fake_create(p), ==, 0);
	fake_reset(p);
	wr(p, 4 * 1023, 0xffffffff);
	wr(p, ENABLE + 1023 * 0x80 + 31 * 4, 0x80000000);
	fake_input(p, "irq", 1023, 1);
	g_assert_cmpint(many[1023].level, ==, 1);
	g_assert_cmpuint(rd(p, CLAIM + 1023 * 0x1000), ==, 1023);
	fake_free(p);
	g_free(many);
}

/* ---- the test finisher ---- */

static void finisher(void)
{
	static const struct {
		uint32_t value;
		int request, code;
	} cases[] = { { 0x5555, BP_REQ_POWEROFF, 0 }, { 0x25555, BP_REQ_POWEROFF, 0 },
		{ 0x3333, BP_REQ_POWEROFF, 1 }, { 0x73333, BP_REQ_POWEROFF, 7 },
		{ 0x7777, BP_REQ_RESET, 0 }, { 0x1234, 0, 0 }, { 0, 0, 0 } };
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		void *f = fake_new(&bp_plugin_1_dev_sifive, "sifive,test");
		g_assert_cmpint(fake_create(f), ==, 0);
		fake_reset(f);
		fake_write(f, "regs", 0, 4, cases[i].value);
		g_assert_cmpint(fake.request, ==, cases[i].request);
		g_assert_cmpint(fake.code, ==, cases[i].code);
		g_assert_cmphex(fake_read(f, "regs", 0, 4), ==, 0);
		fake_free(f);
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/clint/software-interrupts", software_interrupts);
	g_test_add_func("/clint/machine-timer", machine_timer);
	g_test_add_func("/clint/no-drift", no_drift);
	g_test_add_func("/aclint", aclint);
	g_test_add_func("/plic/fields", fields);
	g_test_add_func("/plic/claim-and-complete", claim_and_complete);
	g_test_add_func("/plic/priorities", priorities);
	g_test_add_func("/plic/limits", plic_limits);
	g_test_add_func("/finisher", finisher);
	return g_test_run();
}
