/* SPDX-License-Identifier: MIT */
/* LR/SC and AMO rules (Unprivileged 13), Zacas, Zawrs. */
#include "vm.h"

SNIPPET(x_sc_alone, "sc.w a0, a1, (a0)");
SNIPPET(x_pair, "lr.w a2, (a0)\nsc.w a0, a1, (a0)");
SNIPPET(x_pair_aqrl, "lr.w.aq a2, (a0)\nsc.w.rl a0, a1, (a0)");
SNIPPET(x_pair_both, "lr.w.aqrl a2, (a0)\nsc.w.aqrl a0, a1, (a0)");
SNIPPET(x_twice, "lr.w a2, (a0)\nsc.w a3, a1, (a0)\nsc.w a0, a1, (a0)");
SNIPPET(x_other, "lr.w a2, (a0)\nsc.w a0, a1, (a1)"); /* another address, far away */
SNIPPET(x_other_then, "lr.w a2, (a0)\nsc.w a3, a1, (a1)\nsc.w a0, a1, (a0)");
SNIPPET(x_value, "lr.w a0, (a0)"); /* sign-extended */
SNIPPET(x_sc_x0, "lr.w a2, (a0)\nsc.w x0, a1, (a0)\nlw a0, 0(a0)");
SNIPPET(x_count,
	"li a2, 1000\n1: lr.w a3, (a0)\nadd a3, a3, a1\nsc.w a4, a3, (a0)\nbnez a4, 1b\n"
	"addi a2, a2, -1\nbnez a2, 1b\nlw a0, 0(a0)");
SNIPPET(x_amo_x0, "amoadd.w x0, a1, (a0)\nlw a0, 0(a0)");
SNIPPET(x_amo_same, "mv a2, a0\namoadd.w a2, a1, (a2)\nmv a0, a2"); /* rd = rs1 */
SNIPPET(x_amo_same2, "amoswap.w a1, a1, (a0)\nmv a0, a1"); /* rd = rs2 */
SNIPPET(x_min, "amomin.w a0, a1, (a0)");
SNIPPET(x_maxu, "amomaxu.w a0, a1, (a0)");
#if __riscv_xlen == 64
SNIPPET(x_pair_d, "lr.d a2, (a0)\nsc.d a0, a1, (a0)");
SNIPPET(x_amo_d4, "amoadd.d a0, a1, (a0)");
SNIPPET(x_lr_d4, "lr.d a0, (a0)");
#endif
SNIPPET(x_lr_rs2, ".word 0x1015252f"); /* lr.w with rs2 = 1: reserved */
SNIPPET(x_amo_h, ".word 0x00b5152f"); /* funct3 1: amoadd.h needs Zabha */

/* Zacas: op, funct5 00101; a0 = expected and result, a1 = new, address in a4 */
#define CAS_W ".word 0x28b7252f\n" /* amocas.w a0, a1, (a4) */
#define CAS_D ".word 0x28b7352f\n"
#define CAS_Q ".word 0x28c7452f\n" /* amocas.q a0, a2, (a4) */
SNIPPET(x_cas_w, "mv a4, a1\nli a1, 99\n" CAS_W);
SNIPPET(x_cas_w_back, "mv a4, a1\nli a1, 99\n" CAS_W "lw a0, 0(a4)");
SNIPPET(x_cas_w_x0,
	"mv a4, a1\nli a1, 99\n.word 0x28b7202f\nlw a0, 0(a4)"); /* rd = x0: compares 0 */
#if __riscv_xlen == 64
SNIPPET(x_cas_d, "mv a4, a1\nli a1, 99\n" CAS_D);
SNIPPET(x_cas_d_back, "mv a4, a1\nli a1, 99\n" CAS_D "ld a0, 0(a4)");
SNIPPET(x_cas_q, "mv a4, a1\nmv a1, a0\nli a2, 5\nli a3, 6\n" CAS_Q "add a0, a0, a1");
SNIPPET(x_cas_q_back,
	"mv a4, a1\nmv a1, a0\nli a2, 5\nli a3, 6\n" CAS_Q
	"ld a0, 0(a4)\nld a1, 8(a4)\nslli a1, a1, 8\nor a0, a0, a1");
SNIPPET(x_cas_q_odd, "mv a4, a1\n.word 0x28c745af"); /* rd = a1 (x11): odd */
SNIPPET(x_cas_q_odd2, "mv a4, a1\n.word 0x28b7452f"); /* rs2 = x11: odd */
#else
SNIPPET(x_cas_d, "mv a4, a1\nmv a1, a0\nli a2, 5\nli a3, 6\n.word 0x28c7352f\nadd a0, a0, a1");
SNIPPET(x_cas_d_back,
	"mv a4, a1\nmv a1, a0\nli a2, 5\nli a3, 6\n.word 0x28c7352f\n"
	"lw a0, 0(a4)\nlw a1, 4(a4)\nslli a1, a1, 8\nor a0, a0, a1");
SNIPPET(x_cas_d_odd, "mv a4, a1\n.word 0x28c735af");
#endif

SNIPPET(x_wrs_nto, ".word 0x00d00073");
SNIPPET(x_wrs_sto, ".word 0x01d00073");
SNIPPET(x_lr_wrs_sto, "lr.w a1, (a0)\n.word 0x01d00073\nli a0, 3");
SNIPPET(x_lr_wrs_nto, "lr.w a1, (a0)\n.word 0x00d00073\nli a0, 4");

static ulong area[64] __attribute__((aligned(256)));
#define A ((ulong)area)

static void pairs(int mode)
{
	set32(A, 5);
	struct trap t = run_in(mode, x_sc_alone, A, 9);
	/* a reservation may be left from the tests before, but not here: the last sc took it */
	run_in(mode, x_pair, A + 128, 1);
	set32(A, 5);
	t = run_in(mode, x_sc_alone, A, 9);
	check("sc alone fails", t.cause == C_NONE && t.value != 0, 1);
	check("and stores nothing", get32(A), 5);
	check_value("pair", run_in(mode, x_pair, A, 9), 0);
	check("stored", get32(A), 9);
	check_value("pair aq rl", run_in(mode, x_pair_aqrl, A, 10), 0);
	check_value("pair aqrl", run_in(mode, x_pair_both, A, 11), 0);
	check("stored again", get32(A), 11);
	t = run_in(mode, x_twice, A, 12);
	check("second sc fails", t.value != 0, 1);
	t = run_in(mode, x_other, A, A + 192);
	check("sc elsewhere fails", t.value != 0, 1);
	t = run_in(mode, x_other_then, A, A + 192);
	check("a failed sc ends the reservation", t.value != 0, 1);
	set32(A, 0x80000001);
	check_value("lr.w sign", run_in(mode, x_value, A, 0), (ulong)(long)(int32_t)0x80000001);
	check_value("sc to x0", run_in(mode, x_sc_x0, A, 77), 77);
	set32(A, 0);
	check_value("counting", run_in(mode, x_count, A, 3), 3000);
	set32(A, 40);
	check_value("amo to x0", run_in(mode, x_amo_x0, A, 2), 42);
	check_value("rd is rs1", run_in(mode, x_amo_same, A, 1), 42);
	check_value("rd is rs2", run_in(mode, x_amo_same2, A, 7), 43);
	check("swapped", get32(A), 7);
	set32(A, 0x80000000);
	check_value("amo sign", run_in(mode, x_min, A, 1), (ulong)(long)(int32_t)0x80000000);
	check("signed min", get32(A), 0x80000000);
	run_in(mode, x_maxu, A, 1);
	check("unsigned max", get32(A), 0x80000000);
#if __riscv_xlen == 64
	setx(A, 1);
	check_value("pair d", run_in(mode, x_pair_d, A, -5ul), 0);
	check("stored d", getx(A), -5ul);
	check_trap("amo d at 4", run_in(mode, x_amo_d4, A + 4, 1), C_STORE_MISALIGNED, A + 4);
	check_trap("lr d at 4", run_in(mode, x_lr_d4, A + 4, 1), C_LOAD_MISALIGNED, A + 4);
#endif
	check("lr with rs2", run_in(mode, x_lr_rs2, A, 1).cause, C_ILLEGAL);
	check("amo of 16 bits", run_in(mode, x_amo_h, A, 1).cause, C_ILLEGAL);
}

static void cas(int mode)
{
	set32(A, 7);
	check_value("w equal", run_in(mode, x_cas_w, 7, A), 7);
	check("w stored", get32(A), 99);
	check_value("w differs", run_in(mode, x_cas_w, 7, A), 99);
	set32(A, 0xfffffff0);
	/* the comparison looks at 32 bits, the result is sign-extended */
	check_value(
		"w sign", run_in(mode, x_cas_w, 0xfffffff0, A), (ulong)(long)(int32_t)0xfffffff0);
	check("w stored 2", get32(A), 99);
	set32(A, 0);
	check_value("w x0", run_in(mode, x_cas_w_x0, 5, A), 99);
	set32(A, 1);
	check_value("w x0 differs", run_in(mode, x_cas_w_x0, 5, A), 1);
	check_value("w back", run_in(mode, x_cas_w_back, 1, A), 99);
	check_trap("w misaligned", run_in(mode, x_cas_w, 7, A + 2), C_STORE_MISALIGNED, A + 2);
#if __riscv_xlen == 64
	setx(A, 0x700000007);
	check_value("d equal", run_in(mode, x_cas_d, 0x700000007, A), 0x700000007);
	check_value("d differs", run_in(mode, x_cas_d, 5, A), 99);
	check_value("d back", run_in(mode, x_cas_d_back, 99, A), 99);
	setx(A, 3);
	setx(A + 8, 3);
	check_value("q differs", run_in(mode, x_cas_q, 4, A), 6);
	check_value("q equal", run_in(mode, x_cas_q_back, 3, A), 0x605);
	setx(A, 5);
	setx(A + 8, 9);
	check_value("q half equal", run_in(mode, x_cas_q_back, 5, A), 0x905);
	check("q odd rd", run_in(mode, x_cas_q_odd, 0, A).cause, C_ILLEGAL);
	check("q odd rs2", run_in(mode, x_cas_q_odd2, 0, A).cause, C_ILLEGAL);
	check_trap("q at 8", run_in(mode, x_cas_q, 0, A + 8), C_STORE_MISALIGNED, A + 8);
#else
	set32(A, 3);
	set32(A + 4, 3);
	check_value("d differs", run_in(mode, x_cas_d, 4, A), 6);
	check_value("d equal", run_in(mode, x_cas_d_back, 3, A), 0x605);
	set32(A, 5);
	set32(A + 4, 9);
	check_value("d half equal", run_in(mode, x_cas_d_back, 5, A), 0x905);
	check("d odd rd", run_in(mode, x_cas_d_odd, 0, A).cause, C_ILLEGAL);
	check_trap("d at 4", run_in(mode, x_cas_d, 0, A + 4), C_STORE_MISALIGNED, A + 4);
#endif
}

/* A page without W: amocas faults as a store even if it would not store (Zacas 1). */
static void cas_paging(void)
{
	section("cas paging");
	ulong va = 0x20000000, pa = 0x80400000;
	vm_start(VM_DEFAULT);
	vm_map(va, pa, PTE_R | PTE_A | PTE_D, 0);
	vm_on();
	set32(pa, 5);
	check_trap("read-only", run_in(S, x_cas_w, 4, va), C_STORE_PAGE, va);
	vm_map(va, pa, PTE_RW, 0);
	vm_flush();
	check_value("allowed", run_in(S, x_cas_w, 5, va), 5);
	check("stored", get32(pa), 99);
	vm_off();
}

/* Stalls end: without a reservation at once, with a pending interrupt, or by a time limit. */
static void waits(int mode)
{
	run_in(mode, x_pair, A, 1); /* no reservation is left */
	check_trap("nto without reservation", run_in(mode, x_wrs_nto, 0, 0), C_NONE, 0);
	check_trap("sto without reservation", run_in(mode, x_wrs_sto, 0, 0), C_NONE, 0);
	check_value("sto with reservation", run_in(mode, x_lr_wrs_sto, A, 0), 3);
	/* an interrupt that is pending in mip and enabled in mie, though masked, ends it */
	csr_write("mideleg", BIT(SSI));
	csr_write("mie", BIT(SSI));
	csr_write("mip", BIT(SSI));
	if (mode != U)
		check_value("nto with an interrupt", run_in(mode, x_lr_wrs_nto, A, 0), 4);
	csr_write("mip", 0);
	csr_write("mie", 0);
	csr_write("mideleg", 0);
	csr_write("mstatus", FS(3) | TW);
	check_value("sto with TW", run_in(mode, x_lr_wrs_sto, A, 0), 3);
	struct trap t = run_in(mode, x_lr_wrs_nto, A, 0);
	csr_write("mstatus", FS(3));
	if (mode != M) /* may end by itself within the limit, else it is illegal (Zawrs 1) */
		check2("nto with TW", t.cause, C_ILLEGAL, C_NONE);
}

void test_main(void)
{
	static const int modes[] = { M, S, U };
	static const char *const names[] = { "M", "S", "U" };
	static const char *const cas_names[] = { "cas M", "cas S", "cas U" };
	static const char *const wrs_names[] = { "wrs M", "wrs S", "wrs U" };
	for (int i = 0; i < 3; i++) {
		section(names[i]);
		pairs(modes[i]);
		section(cas_names[i]);
		cas(modes[i]);
		section(wrs_names[i]);
		/* nto in M with TW and nothing pending could stall for ever: not tried */
		set_mtimecmp(0, 0);
		csr_write("mie", 0);
		if (modes[i] == M) {
			csr_write("mie", BIT(MTI)); /* pending, masked by MIE */
			waits(M);
			csr_write("mie", 0);
		} else {
			waits(modes[i]);
		}
		set_mtimecmp(0, -1ull);
	}
	cas_paging();
}
