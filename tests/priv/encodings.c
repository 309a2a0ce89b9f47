/* SPDX-License-Identifier: MIT */
/* Each privileged encoding (and those whose meaning the privileged manual decides) at least 1,000
 * times, with its effect checked each time, and the number of executions printed. */
#include "vm.h"

#define ROUNDS 1000
#define T      0x20000000ul
#define P      0x80400000ul

/* Loops of ROUNDS in the snippet; a0 counts the executions that had the right effect. */
#define LOOP(before, body, after)                                                                  \
	before "\nli a0, 0\nli a6, " STR(ROUNDS) "\n1:\n" body                                     \
						 "\naddi a6, a6, -1\nbnez a6, 1b\n" after

/* returns to the next instruction; MPP and SPP have to be set again, for xRET clears them */
SNIPPET(l_mret,
	LOOP("la a1, 2f\ncsrw mepc, a1\nli a2, 0x1800",
		"csrs mstatus, a2\nmret\nj 3f\n.balign 4\n2: addi a0, a0, 1\n3:", ""));
SNIPPET(l_sret,
	LOOP("la a1, 2f\ncsrw sepc, a1\nli a2, 0x100",
		"csrs sstatus, a2\nsret\nj 3f\n.balign 4\n2: addi a0, a0, 1\n3:", ""));
SNIPPET(l_wfi, LOOP("", "wfi\naddi a0, a0, 1", ""));
SNIPPET(l_ecall, "ecall");
SNIPPET(l_ebreak, "ebreak");
SNIPPET(l_cebreak, ".option rvc\nc.ebreak\nc.nop");
SNIPPET(l_fence, LOOP("", "fence\nfence r, w\nfence.tso\naddi a0, a0, 1", ""));
SNIPPET(l_fencei, LOOP("", "fence.i\naddi a0, a0, 1", ""));
/* each: write i, read it back */
#define COUNT_EQ(x, y) "sub a3, " x ", " y "\nseqz a3, a3\nadd a0, a0, a3"
SNIPPET(l_csrrw, LOOP("", "csrrw a2, mtval, a6\ncsrrw a2, mtval, a2\n" COUNT_EQ("a2", "a6"), ""));
SNIPPET(l_csrrs, LOOP("", "csrw mtval, a6\ncsrrs a2, mtval, a0\n" COUNT_EQ("a2", "a6"), ""));
SNIPPET(l_csrrc,
	LOOP("", "csrw mtval, a6\nli a4, -1\ncsrrc a2, mtval, a4\n" COUNT_EQ("a2", "a6"), ""));
SNIPPET(l_csrrwi,
	LOOP("li a4, 21", "csrrwi x0, mtval, 21\ncsrr a2, mtval\n" COUNT_EQ("a2", "a4"), ""));
SNIPPET(l_csrrsi,
	LOOP("li a4, 31",
		"csrwi mtval, 21\ncsrrsi a2, mtval, 10\ncsrr a2, mtval\n" COUNT_EQ("a2", "a4"),
		""));
SNIPPET(l_csrrci,
	LOOP("li a4, 16",
		"csrwi mtval, 21\ncsrrci a2, mtval, 7\ncsrr a2, mtval\n" COUNT_EQ("a2", "a4"), ""));

/* Remap loops in S: a1 the entry's address, a2 and a3 two entries, a4 the page.  Each round puts
 * the other entry, fences and loads: 1 or 2 must be there. */
#define REMAP(fence)                                                                               \
	LOOP("",                                                                                   \
		STR(REG_S) " a2, 0(a1)\n" fence "\nlw a5, 0(a4)\n"                                 \
			   "addi a5, a5, -1\nseqz a5, a5\nadd a0, a0, a5\n" STR(                   \
				   REG_S) " a3, 0(a1)\n" fence "\nlw a5, 0(a4)\naddi a5, a5, "     \
					  "-2\nseqz a5, a5\nadd a0, a0, a5",                       \
		"")
#define ARGS                                                                                       \
	"mv a1, a0\n" STR(REG_L) " a2, 0(a1)\n" STR(REG_L) " a3, " STR(SZ) "(a1)\n" STR(           \
		REG_L) " a4, 2*" STR(SZ) "(a1)\n" STR(REG_L) " a1, 3*" STR(SZ) "(a1)\n"
SNIPPET(l_sfence, ARGS REMAP("sfence.vma"));
SNIPPET(l_sfence_va, ARGS REMAP("sfence.vma a4, x0"));
SNIPPET(l_sinval,
	".option arch, +svinval\n" ARGS REMAP(
		"sfence.w.inval\nsinval.vma a4, x0\nsfence.inval.ir"));

SNIPPET(l_zero,
	LOOP("mv a1, a0",
		"sw a6, 32(a1)\n.word 0x0045a00f\nlw a2, 32(a1)\nseqz a2, a2\nadd a0, a0, a2", ""));
SNIPPET(l_clean,
	LOOP("mv a1, a0", "sw a6, 32(a1)\n.word 0x0015a00f\nlw a2, 32(a1)\n" COUNT_EQ("a2", "a6"),
		""));
SNIPPET(l_flush,
	LOOP("mv a1, a0", "sw a6, 32(a1)\n.word 0x0025a00f\nlw a2, 32(a1)\n" COUNT_EQ("a2", "a6"),
		""));
SNIPPET(l_inval,
	LOOP("mv a1, a0", "sw a6, 32(a1)\n.word 0x0005a00f\nlw a2, 32(a1)\n" COUNT_EQ("a2", "a6"),
		""));
SNIPPET(l_prefetch_i, LOOP("mv a1, a0", ".word 0x0005e013\naddi a0, a0, 1\nadd a1, a1, a6", ""));
SNIPPET(l_prefetch_r, LOOP("mv a1, a0", ".word 0x0015e013\naddi a0, a0, 1\nadd a1, a1, a6", ""));
SNIPPET(l_prefetch_w, LOOP("mv a1, a0", ".word 0x0035e013\naddi a0, a0, 1\nadd a1, a1, a6", ""));
SNIPPET(l_wrs_nto, LOOP("", ".word 0x00d00073\naddi a0, a0, 1", "")); /* no reservation: goes on */
SNIPPET(l_wrs_sto, LOOP("", ".word 0x01d00073\naddi a0, a0, 1", ""));

/* What run_in() brought is a count only if the snippet came to its end. */
static void counted(const char *name, struct trap t, ulong want, ulong executed)
{
	check_value(name, t, want);
	count(name, t.cause == C_NONE && t.value == want ? executed : 0);
}

static void by_traps(const char *name, code *pc, const ulong cause[4])
{
	ulong good = 0, times = 0;
	for (int i = 0; i < ROUNDS; i++)
		for (int mode = 0; mode < 4; mode++) {
			if (mode == 2)
				continue;
			struct trap t = run_in(mode, pc, 0, 0);
			good += t.cause == cause[mode] && t.epc == (ulong)pc;
			times++;
		}
	check(name, good, times);
	count(name, good == times ? times : 0);
}

static ulong arguments[4];

static void remaps(void)
{
	vm_start(VM_DEFAULT);
	set32(P, 1);
	set32(P + 0x1000, 2);
	vm_map(T, P, PTE_RWX, 0);
	volatile ulong *e = vm_entry(T, 0);
	/* the entry itself is reached through the identity map of the image */
	arguments[0] = vm_pte(P, PTE_RWX | PTE_V);
	arguments[1] = vm_pte(P + 0x1000, PTE_RWX | PTE_V);
	arguments[2] = T;
	arguments[3] = (ulong)e;
	vm_on();
	counted("sfence.vma", run_in(S, l_sfence, (ulong)arguments, 0), 2 * ROUNDS, 2 * ROUNDS);
	check_value("sfence.vma va", run_in(S, l_sfence_va, (ulong)arguments, 0), 2 * ROUNDS);
	struct trap t = run_in(S, l_sinval, (ulong)arguments, 0);
	counted("sinval.vma", t, 2 * ROUNDS, 2 * ROUNDS);
	counted("sfence.w.inval", t, 2 * ROUNDS, 2 * ROUNDS);
	counted("sfence.inval.ir", t, 2 * ROUNDS, 2 * ROUNDS);
	vm_off();
}

void test_main(void)
{
	static const ulong ecalls[] = { C_ECALL_U, C_ECALL_S, 0, C_ECALL_M };
	static const ulong breaks[] = { C_BREAK, C_BREAK, 0, C_BREAK };
	by_traps("ecall", l_ecall, ecalls);
	by_traps("ebreak", l_ebreak, breaks);
	by_traps("c.ebreak", l_cebreak, breaks);
	counted("mret", run_in(M, l_mret, 0, 0), ROUNDS, ROUNDS);
	csr_write("mstatus", FS(3));
	counted("sret", run_in(S, l_sret, 0, 0), ROUNDS, ROUNDS);
	csr_write("mstatus", FS(3));
	csr_write("mideleg", BIT(SSI));
	csr_write("mie", BIT(SSI));
	csr_write("mip", BIT(SSI));
	counted("wfi", run_in(S, l_wfi, 0, 0), ROUNDS, ROUNDS);
	csr_write("mip", 0);
	csr_write("mie", 0);
	csr_write("mideleg", 0);
	counted("fence", run_in(U, l_fence, 0, 0), ROUNDS, 3 * ROUNDS);
	counted("fence.i", run_in(U, l_fencei, 0, 0), ROUNDS, ROUNDS);
	/* the loops' own csrw and csrr are counted only where they are under test */
	counted("csrrw", run_in(M, l_csrrw, 0, 0), ROUNDS, 2 * ROUNDS);
	counted("csrrs", run_in(M, l_csrrs, 0, 0), ROUNDS, ROUNDS);
	counted("csrrc", run_in(M, l_csrrc, 0, 0), ROUNDS, ROUNDS);
	counted("csrrwi", run_in(M, l_csrrwi, 0, 0), ROUNDS, ROUNDS);
	counted("csrrsi", run_in(M, l_csrrsi, 0, 0), ROUNDS, ROUNDS);
	counted("csrrci", run_in(M, l_csrrci, 0, 0), ROUNDS, ROUNDS);
	remaps();
	csr_write("menvcfg", 0xf0);
	csr_write("senvcfg", 0xf0);
	counted("cbo.zero", run_in(U, l_zero, P, 0), ROUNDS, ROUNDS);
	counted("cbo.clean", run_in(U, l_clean, P, 0), ROUNDS, ROUNDS);
	counted("cbo.flush", run_in(U, l_flush, P, 0), ROUNDS, ROUNDS);
	counted("cbo.inval", run_in(U, l_inval, P, 0), ROUNDS, ROUNDS);
	counted("prefetch.i", run_in(U, l_prefetch_i, P, 0), ROUNDS, ROUNDS);
	counted("prefetch.r", run_in(U, l_prefetch_r, P, 0), ROUNDS, ROUNDS);
	counted("prefetch.w", run_in(U, l_prefetch_w, P, 0), ROUNDS, ROUNDS);
	counted("wrs.nto", run_in(U, l_wrs_nto, 0, 0), ROUNDS, ROUNDS);
	counted("wrs.sto", run_in(U, l_wrs_sto, 0, 0), ROUNDS, ROUNDS);
}
