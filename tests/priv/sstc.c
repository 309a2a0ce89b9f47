/* SPDX-License-Identifier: MIT */
/* Sstc: stimecmp, menvcfg.STCE, mcounteren.TM (Privileged 9, Sstc 1.0). */
#include "priv.h"

#if __riscv_xlen == 64
#define STCE_CSR "menvcfg"
#define STCE     BIT(63)
#define SET_CMP  "csrw stimecmp, a0"
#else
#define STCE_CSR "0x31a"
#define STCE     BIT(31)
#define SET_CMP  "csrw 0x15d, a1\ncsrw stimecmp, a0" /* 0x15d: stimecmph */
#endif

SNIPPET(c_read, "csrr a0, stimecmp");
SNIPPET(c_write, SET_CMP);
SNIPPET(c_write_read, SET_CMP "\ncsrr a0, stimecmp");
SNIPPET(c_sip, "csrr a0, sip");
SNIPPET(c_spin, "li a0, 1000\n1: addi a0, a0, -1\nbnez a0, 1b\nli a0, 1");
/* S waits by itself: stimecmp = time + a0, then wfi until it comes */
SNIPPET(c_wait,
	"csrr a2, time\nadd a0, a0, a2\nli a1, 0\n" SET_CMP "\n1: wfi\ncsrr a2, sip\n"
	"andi a2, a2, 0x20\nbeqz a2, 1b\ncsrr a2, time\nsltu a0, a2, a0");
SNIPPET(c_rearm, "csrr a2, sip\nli a0, -1\nli a1, -1\n" SET_CMP "\ncsrr a0, sip");

static void access(void)
{
	section("access");
	for (int i = 0; i < 4; i++) {
		bool stce = i & 1, tm = i & 2;
		if (stce)
			csr_set(STCE_CSR, STCE);
		else
			csr_clear(STCE_CSR, STCE);
		csr_write("mcounteren", tm ? 2 : 0);
		static char name[] = "U stce 0 tm 0";
		name[7] = (char)('0' + stce);
		name[12] = (char)('0' + tm);
		for (int mode = 0; mode < 4; mode++) {
			if (mode == 2)
				continue;
			name[0] = "US-M"[mode];
			bool good = mode == M || (mode == S && stce && tm);
			check(name, run_in(mode, c_read, 0, 0).cause, good ? C_NONE : C_ILLEGAL);
			expect("write", run_in(mode, c_write, -1ul, -1ul).cause,
				good ? C_NONE : C_ILLEGAL);
		}
	}
	csr_write("mcounteren", 2);
}

static void pending(void)
{
	section("stip");
	csr_clear(STCE_CSR, STCE);
	csr_write("mip", BIT(STI));
	check("software without STCE", csr_read("mip"), BIT(STI));
	csr_write("mip", 0);
	run_in(M, c_write, 0, 0);
	check("no effect without STCE", csr_read("mip"), 0);
	run_in(M, c_write, -1ul, -1ul);
	csr_set(STCE_CSR, STCE);
	check("far away", csr_read("mip"), 0);
	csr_write("mip", BIT(STI));
	check("read-only with STCE", csr_read("mip"), 0);
	csr_write("mip", 0);
	csr_write("mideleg", BIT(STI));
	check_value("holds its value", run_in(S, c_write_read, 3, 0), 3);
	check("in the past", csr_read("mip"), BIT(STI));
	check_value("sip", run_in(S, c_sip, 0, 0), BIT(STI));
	csr_write("mip", 0);
	check("not cleared by mip", csr_read("mip"), BIT(STI));
	check_value("cleared by a new value", run_in(S, c_rearm, 0, 0), 0);
	run_in(S, c_write, 0, 0);
	csr_clear(STCE_CSR, STCE);
	run_in(M, c_write, -1ul, -1ul);
	csr_write("mip", 0);
	csr_set(STCE_CSR, STCE);
	check("again far", csr_read("mip"), 0);
}

static void interrupts(void)
{
	section("interrupt");
	csr_write("mideleg", BIT(STI));
	csr_write("mie", BIT(STI));
	run_in(S, c_write, 0, 0);
	csr_write("mstatus", FS(3) | SIE);
	check_trap_in("S", run_in(S, c_spin, 0, 0), S, C_IRQ | STI, 0);
	csr_write("mstatus", FS(3));
	check_trap_in("U", run_in(U, c_spin, 0, 0), S, C_IRQ | STI, 0);
	csr_write("mstatus", FS(3));
	check_value("S masked", run_in(S, c_spin, 0, 0), 1);
	check_value("M", run_in(M, c_spin, 0, 0), 1);
	csr_write("mideleg", 0);
	check_trap("undelegated", run_in(S, c_spin, 0, 0), C_IRQ | STI, 0);
	run_in(M, c_write, -1ul, -1ul);
	csr_write("mideleg", BIT(STI));
	csr_write("mstatus", FS(3));
	ulong good = 0;
	for (int i = 0; i < 20; i++) {
		struct trap t = run_in(S, c_wait, 2000 + 100 * (ulong)i, 0);
		good += t.cause == C_NONE && t.value == 0; /* not before its time */
	}
	check("waits", good, 20);
	/* both timers side by side */
	run_in(M, c_write, 0, 0);
	set_mtimecmp(0, 0);
	check("with mtimecmp", csr_read("mip"), BIT(STI) | BIT(MTI));
	set_mtimecmp(0, -1ull);
	run_in(M, c_write, -1ul, -1ul);
	check("none", csr_read("mip"), 0);
	csr_write("mie", 0);
	csr_write("mideleg", 0);
	csr_clear(STCE_CSR, STCE);
}

void test_main(void)
{
	access();
	pending();
	interrupts();
}
