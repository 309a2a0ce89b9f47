/* SPDX-License-Identifier: MIT */
/* Synchronous causes from M, S and U without translation: cause, tval, epc and the trap stack.
 * Privileged 3.1.15 (mcause), 3.1.16 (mtval), 4.1.8 and 4.1.9; delegation is in deleg.c. */
#include "priv.h"

SNIPPET(s_ret, "mv a0, a1");
SNIPPET(s_ecall, "ecall");
SNIPPET(s_ebreak, "ebreak");
#ifdef __riscv_c
SNIPPET(s_cebreak, ".option rvc\nc.ebreak");
SNIPPET(s_ill_c, ".half 0x8002\n.half 1"); /* c.jr x0 is reserved */
SNIPPET(s_c_lw, ".option rvc\nc.lw a0, 0(a0)\nc.nop");
#endif
SNIPPET(s_ill0, ".word 0");
SNIPPET(s_ill_c0, ".half 0\n.half 0x1111");
SNIPPET(s_ill1, ".word 0xffffffff");
SNIPPET(s_ill_op, ".word 0x0000007b"); /* custom-3, not used here */
SNIPPET(s_ill_r, ".word 0xfe000033"); /* OP with an unknown funct7 */
SNIPPET(s_mret, "mret");
SNIPPET(s_sret, "sret");
SNIPPET(s_wfi, "wfi");
SNIPPET(s_sfence, "sfence.vma");
SNIPPET(s_csr_m, "csrr a0, mscratch");
SNIPPET(s_csr_s, "csrr a0, sscratch");
SNIPPET(s_csr_none, "csrr a0, 0x5c1"); /* unassigned, S custom */
SNIPPET(s_csr_ro, "csrw mhartid, a0"); /* 3.. read-only space */
SNIPPET(s_csr_ro_set, "csrs mhartid, a0");
SNIPPET(s_csr_ro_clear1, "li a0, 1\ncsrc mhartid, a0");
SNIPPET(s_csr_ro_x0, "csrs mhartid, x0"); /* no write: legal in M (Zicsr 7.1) */
SNIPPET(s_csr_ro_imm0, "csrci mhartid, 0");
SNIPPET(s_csr_ro_swap0, "csrrw x0, mhartid, x0"); /* a write even of x0 */
SNIPPET(s_lw, "lw a0, 0(a0)");
SNIPPET(s_sw, "sw a1, 0(a0)");
SNIPPET(s_lb, "lb a0, 0(a0)");
SNIPPET(s_sb, "sb a1, 0(a0)");
SNIPPET(s_lh, "lh a0, 0(a0)");
SNIPPET(s_sh, "sh a1, 0(a0)");
SNIPPET(s_lx, STR(REG_L) " a0, 0(a0)");
SNIPPET(s_sx, STR(REG_S) " a1, 0(a0)");
SNIPPET(s_amo, "amoadd.w a0, a1, (a0)");
SNIPPET(s_lr, "lr.w a0, (a0)");
SNIPPET(s_sc, "sc.w a0, a1, (a0)");
SNIPPET(s_lr_sc, "1: lr.w a2, (a0)\nadd a2, a2, a1\nsc.w a3, a2, (a0)\nbnez a3, 1b\nmv a0, a3");
SNIPPET(s_jump, "mv a1, ra\njalr ra, 0(a0)\nmv ra, a1");
SNIPPET(s_lw_x0, "lw x0, 0(a0)"); /* the access happens although nothing is written */
SNIPPET(s_keep, "li a1, 77\nlw a1, 0(a0)"); /* a faulting load leaves its target */
SNIPPET(s_flw, ".option arch, +f\nflw fa0, 0(a0)");
SNIPPET(s_fsw, ".option arch, +f\nfsw fa0, 0(a0)");
#if __riscv_xlen == 64
SNIPPET(s_ld_ill, ".word 0x00007003"); /* LOAD with funct3 7 */
#else
SNIPPET(s_ld_ill, ".word 0x00003003"); /* ld does not exist in RV32 */
#endif

static uint32_t word(code *c)
{
	return *(volatile uint32_t *)c;
}

#define NOWHERE 0x00000010ul /* below the boot ROM: nothing is there (virt map) */

static void ecalls(int mode)
{
	static const ulong cause[] = { C_ECALL_U, C_ECALL_S, 0, C_ECALL_M };
	struct trap t = run_in(mode, s_ecall, 0, 0);
	check_trap("ecall", t, cause[mode], 0); /* tval 0: nothing to report (3.1.16) */
	check("ecall epc", t.epc - (ulong)s_ecall, 0);
	check("ecall mpp", (t.status & MPP) >> 11, (ulong)mode);
	/* ebreak may write its own address or 0 (3.1.16) */
	t = run_in(mode, s_ebreak, 0, 0);
	check("ebreak cause", t.cause, C_BREAK);
	check2("ebreak tval-pc", t.tval ? t.tval - (ulong)s_ebreak : 0, 0, 0);
	check("ebreak epc", t.epc - (ulong)s_ebreak, 0);
#ifdef __riscv_c
	t = run_in(mode, s_cebreak, 0, 0);
	check("c.ebreak cause", t.cause, C_BREAK);
	check("c.ebreak epc", t.epc - (ulong)s_cebreak, 0);
#endif
}

static void illegal(int mode)
{
	/* mtval is 0 or the bits of the instruction (3.1.16) */
	static const struct {
		const char *name;
		code *pc;
		uint32_t bits;
	} all[] = {
		{ "all zeroes", s_ill0, 0 },
		{ "c zeroes", s_ill_c0, 0 },
		{ "all ones", s_ill1, 0xffffffff },
		{ "opcode", s_ill_op, 0x0000007b },
		{ "funct7", s_ill_r, 0xfe000033 },
#ifdef __riscv_c
		{ "c.jr x0", s_ill_c, 0x8002 },
#endif
		{ "load funct3", s_ld_ill, 0 },
	};
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
		uint32_t bits = all[i].pc == s_ld_ill ? word(s_ld_ill) : all[i].bits;
		struct trap t = run_in(mode, all[i].pc, 0, 0);
		check_trap_tval0(all[i].name, t, C_ILLEGAL, bits);
		expect("epc of it", t.epc, (ulong)all[i].pc);
	}
}

static void want_illegal(const char *name, int mode, code *pc, bool is)
{
	struct trap t = run_in(mode, pc, 0, 0);
	if (is)
		check_trap_tval0(name, t, C_ILLEGAL, word(pc));
	else
		check_trap(name, t, C_NONE, 0);
}

static void permissions(int mode)
{
	want_illegal("csrr M csr", mode, s_csr_m, mode < M);
	want_illegal("csrr S csr", mode, s_csr_s, mode < S);
	want_illegal("csrr unassigned", mode, s_csr_none, true);
	want_illegal("csrw read-only", mode, s_csr_ro, true);
	want_illegal("csrs read-only", mode, s_csr_ro_set, true);
	check("csrc read-only 1", run_in(mode, s_csr_ro_clear1, 0, 0).cause, C_ILLEGAL);
	/* rs1 = a0 = 0 above: still a write, for the register's number decides (Zicsr 7.1) */
	want_illegal("csrs read-only x0", mode, s_csr_ro_x0, mode < M);
	want_illegal("csrci read-only 0", mode, s_csr_ro_imm0, mode < M);
	want_illegal("csrrw x0 read-only x0", mode, s_csr_ro_swap0, true);
	if (mode < M)
		want_illegal("mret", mode, s_mret, true);
	if (mode < S)
		want_illegal("sret", mode, s_sret, true);
	want_illegal("sfence.vma", mode, s_sfence, mode < S);
	/* wfi may return at once and does so here: SSI is pending and enabled, but SIE = 0 */
	csr_write("mideleg", BIT(SSI));
	csr_write("mie", BIT(SSI));
	csr_write("mip", BIT(SSI));
	if (mode != U)
		want_illegal("wfi", mode, s_wfi, false);
	csr_write("mie", 0);
	csr_write("mip", 0);
	csr_write("mideleg", 0);
}

static ulong area[4] __attribute__((aligned(64)));

static void accesses(int mode)
{
	static const struct {
		const char *name;
		code *pc;
		ulong cause;
	} all[] = {
		{ "lb", s_lb, C_LOAD_ACCESS }, { "lh", s_lh, C_LOAD_ACCESS },
		{ "lw", s_lw, C_LOAD_ACCESS }, { "lx", s_lx, C_LOAD_ACCESS },
		{ "lw x0", s_lw_x0, C_LOAD_ACCESS },
#ifdef __riscv_c
		{ "c.lw", s_c_lw, C_LOAD_ACCESS },
#endif
		{ "flw", s_flw, C_LOAD_ACCESS }, { "lr", s_lr, C_LOAD_ACCESS },
		{ "sb", s_sb, C_STORE_ACCESS }, { "sh", s_sh, C_STORE_ACCESS },
		{ "sw", s_sw, C_STORE_ACCESS }, { "sx", s_sx, C_STORE_ACCESS },
		{ "fsw", s_fsw, C_STORE_ACCESS },
		{ "amoadd", s_amo, C_STORE_ACCESS }, /* never a load fault (3.1.15) */
	};
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
		struct trap t = run_in(mode, all[i].pc, NOWHERE, 5);
		check_trap(all[i].name, t, all[i].cause, NOWHERE);
		expect("epc of it", t.epc, (ulong)all[i].pc);
	}
	struct trap t = run_in(mode, s_keep, NOWHERE, 5);
	check("target of the load", contexts[0].regs[11], 77);
	check("epc of the load", t.epc - (ulong)s_keep, 4);
	check_trap("jump nowhere", run_in(mode, s_jump, NOWHERE, 0), C_FETCH_ACCESS, NOWHERE);
	t = run_at(mode, NOWHERE, 0, 0);
	check("fetch epc", t.epc, NOWHERE);
	/* the link register of the jump is written: the fault is the target's, not the jump's */
	run_in(mode, s_jump, NOWHERE, 0);
	check("link", contexts[0].regs[1] - (ulong)s_jump, 8);
}

static void misaligned(int mode)
{
	/* Plain loads and stores: the machine supports them in RAM. */
	static const uint8_t bytes[16] __attribute__((aligned(16))) = { 0x10, 0x21, 0x32, 0x43,
		0x54, 0x65, 0x76, 0x07, 0x18, 0x29, 0x3a, 0x4b, 0x5c, 0x6d, 0x7e, 0x0f };
	for (unsigned i = 0; i < 16; i++)
		((volatile uint8_t *)area)[i] = bytes[i];
	check_value("lh 1", run_in(mode, s_lh, (ulong)area + 1, 0), 0x3221);
	check_value("lw 1", run_in(mode, s_lw, (ulong)area + 1, 0), 0x54433221);
	check_value("lw 2", run_in(mode, s_lw, (ulong)area + 2, 0), 0x65544332);
	check_value("lw 3", run_in(mode, s_lw, (ulong)area + 3, 0), 0x76655443);
#if __riscv_xlen == 64
	for (ulong i = 1; i < 8; i++) {
		ulong want = 0;
		for (int k = 7; k >= 0; k--)
			want = want << 8 | bytes[i + (ulong)k];
		static char name[] = "ld 0";
		name[3] = (char)('0' + i);
		check_value(name, run_in(mode, s_lx, (ulong)area + i, 0), want);
	}
#endif
	run_in(mode, s_sw, (ulong)area + 3, 0x11223344);
	check("sw 3", get32((ulong)area + 4), 0x07112233);
	check("sw 3 low", get8((ulong)area + 3), 0x44);
	/* Atomics must be aligned without Zam: misaligned or access fault (A extension, 8.4).
	 * A misaligned lr reports a load, sc and amo a store (3.1.15). */
	check_trap(
		"lr 2", run_in(mode, s_lr, (ulong)area + 2, 0), C_LOAD_MISALIGNED, (ulong)area + 2);
	check_trap("sc 2", run_in(mode, s_sc, (ulong)area + 2, 0), C_STORE_MISALIGNED,
		(ulong)area + 2);
	check_trap("amo 1", run_in(mode, s_amo, (ulong)area + 1, 0), C_STORE_MISALIGNED,
		(ulong)area + 1);
	check_trap("amo 3", run_in(mode, s_amo, (ulong)area + 3, 0), C_STORE_MISALIGNED,
		(ulong)area + 3);
	check_value("lr sc", run_in(mode, s_lr_sc, (ulong)area, 1), 0);
#ifdef __riscv_c
	/* With IALIGN = 16 no jump can be misaligned: jalr clears bit 0 (2.5.1). */
	check_trap("jalr odd", run_in(mode, s_jump, (ulong)s_ecall | 1, 0),
		mode == M           ? C_ECALL_M
			: mode == S ? C_ECALL_S
				    : C_ECALL_U,
		0);
#else
	/* IALIGN = 32: the jump itself traps, epc is its own, the link is not written (2.5). */
	struct trap t = run_in(mode, s_jump, (ulong)s_ret | 2, 0);
	check_trap("jalr 2", t, C_FETCH_MISALIGNED, (ulong)s_ret | 2);
	check("jalr 2 epc", t.epc - (ulong)s_jump, 4);
	check("jalr 2 link", contexts[0].regs[1] == (ulong)leave, 1);
	check_trap("jalr 3", run_in(mode, s_jump, (ulong)s_ret | 3, 0), C_FETCH_MISALIGNED,
		(ulong)s_ret | 2);
#endif
}

/* MIE goes to MPIE and is cleared; MPP names the mode (3.1.6.1). */
static void stack(int mode)
{
	for (ulong on = 0; on < 2; on++) {
		csr_write("mstatus", FS(3) | (on ? MPIE : 0));
		struct trap t = run_in(mode, s_ebreak, 0, 0);
		check(on ? "stack on" : "stack off", t.status & (MIE | MPIE | MPP),
			(on ? MPIE : 0) | (ulong)mode << 11);
	}
	reset_state();
}

void test_main(void)
{
	static const int modes[] = { M, S, U };
	static const char *const names[] = { "M", "S", "U" };
	for (int i = 0; i < 3; i++) {
		reset_state();
		section(names[i]);
		ecalls(modes[i]);
		illegal(modes[i]);
		permissions(modes[i]);
		accesses(modes[i]);
		misaligned(modes[i]);
		stack(modes[i]);
	}
}
