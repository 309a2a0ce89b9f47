/* SPDX-License-Identifier: MIT */
/* Counters (Privileged 3.1.10 to 3.1.12, 4.1.5; Zicntr).  Exact counts of instructions: the
 * read counts what retired before it. */
#include "priv.h"

SNIPPET(k_delta, "csrr a0, minstret\nnop\nnop\nnop\nnop\ncsrr a1, minstret\nsub a0, a1, a0");
SNIPPET(k_delta1, "csrr a0, minstret\ncsrr a1, minstret\nsub a0, a1, a0");
/* 100 times 3 and one less (the last branch is the 300th), plus li and csrr */
SNIPPET(k_loop,
	"csrr a0, minstret\nli a2, 100\n1: addi a2, a2, -1\nnop\nbnez a2, 1b\n"
	"csrr a1, minstret\nsub a0, a1, a0");
SNIPPET(k_c,
	".option rvc\ncsrr a0, minstret\nc.nop\nc.nop\nc.nop\n.option norvc\n"
	"csrr a1, minstret\nsub a0, a1, a0");
/* What is written is the value after the write: its own increment does not count (3.1.10). */
SNIPPET(k_write, "li a0, 1000\ncsrw minstret, a0\ncsrr a0, minstret");
SNIPPET(k_write2, "li a0, 1000\ncsrw minstret, a0\nnop\nnop\ncsrr a0, minstret");
SNIPPET(k_stop,
	"li a2, 4\ncsrs mcountinhibit, a2\ncsrr a0, minstret\nnop\nnop\nnop\n"
	"csrr a1, minstret\ncsrc mcountinhibit, a2\nsub a0, a1, a0");
SNIPPET(k_stop_cycle,
	"li a2, 1\ncsrs mcountinhibit, a2\ncsrr a0, mcycle\nnop\nnop\nnop\n"
	"csrr a1, mcycle\ncsrc mcountinhibit, a2\nsub a0, a1, a0");
SNIPPET(k_stop_write,
	"li a2, 4\ncsrs mcountinhibit, a2\nli a0, 55\ncsrw minstret, a0\nnop\n"
	"csrr a0, minstret\ncsrc mcountinhibit, a2");
SNIPPET(k_cycle, "csrr a0, mcycle\nnop\nnop\ncsrr a1, mcycle\nsltu a0, a0, a1");
SNIPPET(k_trap,
	"csrr a0, minstret\nla a2, 1f\ncsrrw a3, mtvec, a2\necall\nnop\n.balign 4\n"
	"1: csrr a1, minstret\ncsrw mtvec, a3\nsub a0, a1, a0");
SNIPPET(u_cycle, "rdcycle a0");
SNIPPET(u_time, "rdtime a0");
SNIPPET(u_instret, "rdinstret a0");
SNIPPET(u_hpm3, "csrr a0, hpmcounter3");
SNIPPET(u_hpm31, "csrr a0, hpmcounter31");
SNIPPET(u_delta, "rdinstret a0\nnop\nnop\nrdinstret a1\nsub a0, a1, a0");
SNIPPET(k_hpm_write, "li a0, -1\ncsrw mhpmevent31, x0\ncsrr a0, mhpmevent31");
SNIPPET(k_time_write, "csrw time, a0");
#if __riscv_xlen == 32
SNIPPET(k_high,
	"li a0, 7\ncsrw minstreth, a0\nli a0, -2\ncsrw minstret, a0\nnop\nnop\nnop\n"
	"csrr a0, minstreth");
SNIPPET(u_timeh, "rdtimeh a0");
#else
SNIPPET(k_high,
	"li a0, -1\nsrli a0, a0, 1\ncsrw minstret, a0\nnop\nnop\ncsrr a0, minstret\n"
	"srli a0, a0, 63");
#endif

/* Who may read: mcounteren for S and U, and scounteren as well for U (3.1.11, 4.1.5). */
static void enables(void)
{
	static const struct {
		const char *name;
		code *pc;
		ulong bit;
	} all[] = { { "cycle", u_cycle, 1 }, { "time", u_time, 2 }, { "instret", u_instret, 4 },
		{ "hpmcounter3", u_hpm3, 8 }, { "hpmcounter31", u_hpm31, 1u << 31 } };
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
		section(all[i].name);
		for (int m = 0; m < 2; m++)
			for (int s = 0; s < 2; s++)
				for (int mode = 0; mode < 4; mode++) {
					if (mode == 2)
						continue;
					csr_write("mcounteren", m ? all[i].bit : ~all[i].bit);
					csr_write("scounteren", s ? all[i].bit : ~all[i].bit);
					ulong me = csr_read("mcounteren"),
					      se = csr_read("scounteren");
					/* hpm enables may be read-only zero */
					bool good = mode == M ||
						((me & all[i].bit) &&
							(mode == S || (se & all[i].bit)));
					struct trap t = run_in(mode, all[i].pc, 0, 0);
					static char name[] = "M m0 s0";
					name[0] = "US-M"[mode];
					name[3] = (char)('0' + m);
					name[6] = (char)('0' + s);
					if (all[i].bit < 8) {
						check(name, t.cause, good ? C_NONE : C_ILLEGAL);
						expect("enabled", (me & all[i].bit) != 0, (ulong)m);
					} else if (!good || t.cause != C_ILLEGAL) {
						/* hpmcounters are Zihpm's, which may be absent */
						expect(name, t.cause, good ? C_NONE : C_ILLEGAL);
					}
				}
	}
	csr_write("mcounteren", 7);
	csr_write("scounteren", 7);
}

static void exact(void)
{
	section("instret");
	check_value("4 nops", run_in(M, k_delta, 0, 0), 5);
	check_value("0 nops", run_in(M, k_delta1, 0, 0), 1);
	check_value("loop", run_in(M, k_loop, 0, 0), 302);
	check_value("compressed", run_in(M, k_c, 0, 0), 4);
	check_value("written", run_in(M, k_write, 0, 0), 1000);
	check_value("written and 2", run_in(M, k_write2, 0, 0), 1002);
	check_value("from U", run_in(U, u_delta, 0, 0), 3);
	check_value("from S", run_in(S, u_delta, 0, 0), 3);
	check_value("carry", run_in(M, k_high, 0, 0), __riscv_xlen == 32 ? 8 : 1);
	/* ecall does not retire: csrr, la (2), csrw count */
	check_value("ecall does not count", run_in(M, k_trap, 0, 0), 4);
	reset_state();
	section("inhibit");
	csr_write("mcountinhibit", 0);
	csr_write("mcountinhibit", -1ul);
	check("bit 1 is zero", csr_read("mcountinhibit") & 2, 0);
	check("bits 0 and 2", csr_read("mcountinhibit") & 5, 5);
	csr_write("mcountinhibit", 0);
	check_value("instret stops", run_in(M, k_stop, 0, 0), 0);
	check_value("cycle stops", run_in(M, k_stop_cycle, 0, 0), 0);
	check_value("written while stopped", run_in(M, k_stop_write, 0, 0), 55);
	section("cycle");
	check_value("goes on", run_in(M, k_cycle, 0, 0), 1);
	csr_write("mhpmevent31", 0);
	check("mhpmevent31", csr_read("mhpmevent31"), 0);
}

static void times(void)
{
	section("time");
	check("write traps", run_in(M, k_time_write, 0, 0).cause, C_ILLEGAL);
	uint64_t before = mtime();
	ulong t = csr_read("time");
	uint64_t after = mtime();
	check("between two mtime reads", (ulong)before <= t && t <= (ulong)after, 1);
	/* mtime can be written (3.2.1) and time follows */
	set32(CLINT_MTIME + 4, 5);
	set32(CLINT_MTIME, 0);
	uint64_t now = mtime();
	check("mtime written", now >> 32 == 5 && (uint32_t)now < 10000000, 1);
#if __riscv_xlen == 32
	check("timeh follows", run_in(S, u_timeh, 0, 0).value, 5);
#else
	check("time follows", csr_read("time") >> 32, 5);
#endif
	set32(CLINT_MTIME + 4, 0);
	before = mtime();
	while (mtime() < before + 1000)
		;
	check("moves", mtime() > before, 1);
}

void test_main(void)
{
	enables();
	exact();
	times();
}
