/* SPDX-License-Identifier: MIT */
/* Delegation and the returns: medeleg, mideleg (Privileged 3.1.8), mret, sret (3.1.6.1, 3.3.2). */
#include "priv.h"

SNIPPET(d_ecall, "ecall");
SNIPPET(d_ebreak, "ebreak");
SNIPPET(d_ill, ".word 0xffffffff");
SNIPPET(d_lw, "lw a0, 0(a0)");
SNIPPET(d_sw, "sw a0, 0(a0)");
SNIPPET(d_lr, "lr.w a0, (a0)");
SNIPPET(d_sc, "lr.w a1, (a1)\nsc.w a0, a0, (a0)");
SNIPPET(d_jump, "jr a0");
SNIPPET(d_sret, "csrw sepc, a0\nmv a0, a1\nsret");
SNIPPET(d_mret_status,
	"la a2, 1f\ncsrw mepc, a2\ncsrw mstatus, a0\nmret\n.balign 4\n"
	"1: csrr a0, mstatus");
SNIPPET(d_mret_epc, "csrw mepc, a0\ncsrr a0, mepc");
SNIPPET(d_sret_epc, "csrw sepc, a0\ncsrr a0, sepc");
/* An S trap handler for the case that ecall from S is delegated: it leaves by an undelegated
 * illegal instruction, with scause in a0. */
SNIPPET(d_strap9, "csrr a0, scause\ncsrr a1, sepc\ncsrr a2, mscratch");

#define NOWHERE 0x10ul

static ulong area[2] __attribute__((aligned(16)));

static const struct {
	const char *name;
	code *pc;
	ulong a0, cause, tval;
} causes[] = {
	{ "fetch access", d_jump, NOWHERE, C_FETCH_ACCESS, NOWHERE },
	{ "illegal", d_ill, 0, C_ILLEGAL, 0xffffffff },
	{ "break", d_ebreak, 0, C_BREAK, 0 },
	{ "load misaligned", d_lr, (ulong)0x80000001, C_LOAD_MISALIGNED, 0x80000001 },
	{ "load access", d_lw, NOWHERE, C_LOAD_ACCESS, NOWHERE },
	{ "store access", d_sw, NOWHERE, C_STORE_ACCESS, NOWHERE },
	{ "ecall", d_ecall, 0, C_ECALL_U, 0 },
};

static void registers(void)
{
	section("registers");
	csr_write("medeleg", -1ul);
	ulong v = csr_read("medeleg");
	/* Every cause that can come from S or U (bit 0 only where it can happen). */
	check("medeleg", v & 0xb3fe, 0xb3fe);
	check("medeleg ecall M", v >> 11 & 1, 0); /* read-only zero */
	check("medeleg reserved 14", v >> 14 & 1, 0);
	check("medeleg no hypervisor", v & (BIT(10) | 0xf00000), 0);
	csr_write("medeleg", 0);
	check("medeleg zero", csr_read("medeleg"), 0);
	csr_write("mideleg", -1ul);
	check("mideleg", csr_read("mideleg") & 0xfff, BIT(SSI) | BIT(STI) | BIT(SEI));
	csr_write("mideleg", 0);
	check("mideleg zero", csr_read("mideleg") & 0xfff, 0);
}

static void delegated(int mode)
{
	for (unsigned i = 0; i < sizeof causes / sizeof *causes; i++) {
		if (causes[i].cause == C_ECALL_U && mode != U)
			continue;
		csr_write("medeleg", BIT(causes[i].cause));
		csr_write("mcause", 24);
		csr_write("scause", 24);
		csr_write("mstatus", FS(3) | SPIE); /* SIE = 0: SPIE becomes 0 */
		struct trap t = run_in(mode, causes[i].pc, causes[i].a0, (ulong)area);
		ulong tval = t.cause == C_BREAK && t.tval ? t.epc : causes[i].tval;
		check_trap_in(causes[i].name, t, mode == M ? M : S, causes[i].cause, tval);
		if (mode != M) {
			expect("spp spie sie", t.status & (SPP | SPIE | SIE), mode == S ? SPP : 0);
			expect("epc", t.epc,
				causes[i].pc == d_jump ? NOWHERE : (ulong)causes[i].pc);
		}
		/* all others still come to M */
		csr_write("medeleg", 0xb3ff & ~BIT(causes[i].cause) & ~BIT(9));
		t = run_in(mode, causes[i].pc, causes[i].a0, (ulong)area);
		expect("undelegated", t.cause, causes[i].cause);
		expect("undelegated to", t.mode, M);
	}
	csr_write("medeleg", 0);
}

static void ecall_from_s(void)
{
	section("ecall S");
	csr_write("medeleg", BIT(C_ECALL_S));
	csr_write("stvec", d_strap9);
	struct trap t = run_in(S, d_ecall, 0, 0);
	check("exit", t.cause, C_ILLEGAL);
	check("scause", t.value, C_ECALL_S);
	check("sepc", contexts[0].regs[11] - (ulong)d_ecall, 0);
	csr_write("medeleg", BIT(C_ECALL_U));
	t = run_in(S, d_ecall, 0, 0);
	check_trap("not with U's bit", t, C_ECALL_S, 0);
	reset_state();
}

static void returns(void)
{
	section("sret");
	for (ulong i = 0; i < 16; i++) {
		ulong spp = i & 1 ? SPP : 0, spie = i & 2 ? SPIE : 0, sie = i & 4 ? SIE : 0;
		int from = i & 8 ? M : S;
		csr_write("mstatus", FS(3) | spp | spie | sie | (from == M ? MPRV : 0));
		struct trap t = run_in(from, d_sret, (ulong)d_ecall, 0);
		ulong got = t.status & (SPP | SPIE | SIE | MPRV | MPP);
		/* SIE <- SPIE, SPIE <- 1, SPP <- U, MPRV <- 0; MPP then shows where we were */
		ulong want = (spie ? SIE : 0) | SPIE | (spp ? BIT(11) : 0);
		static char name[] = "00 from S";
		name[0] = "0123456789abcdef"[i];
		name[1] = spp ? 'S' : 'U';
		name[8] = from == M ? 'M' : 'S';
		check(name, got, want);
		expect("came out in", t.cause, spp ? C_ECALL_S : C_ECALL_U);
	}
	section("mret");
	for (ulong i = 0; i < 8; i++) {
		static const ulong modes[] = { U, S, M, M };
		ulong mpp = modes[i >> 1] << 11, mpie = i & 1 ? MPIE : 0;
		csr_write("mie", 0);
		static char name[] = "to 0 0";
		name[3] = "USMM"[i >> 1];
		name[5] = (char)('0' + (i & 1));
		if (i >= 6)
			name[4] = '/';
		if (modes[i >> 1] == M) {
			/* MIE <- MPIE, MPIE <- 1, MPP <- U, MPRV stays when MPP was M */
			ulong mprv = i >= 6 ? MPRV : 0;
			struct trap t = run_in(M, d_mret_status, FS(3) | mpp | mpie | mprv, 0);
			ulong mask = MIE | MPIE | MPP | MPRV;
			if (t.cause == C_NONE)
				t.value &= mask;
			check_value(name, t, (mpie ? MIE : 0) | MPIE | mprv);
		} else {
			csr_write("mstatus", FS(3) | MPRV | mpie);
			/* MIE in M was 0; what mret put there is in MPIE after the trap */
			struct trap t = run_in((int)modes[i >> 1], d_ecall, 0, 0);
			check(name, t.status & (MPIE | MIE | MPP | MPRV), mpie | mpp);
		}
	}
}

/* IALIGN: bit 0 of epc is always zero, bit 1 as well without C (3.1.14). */
static void epc(void)
{
	section("epc");
#ifdef __riscv_c
	ulong mask = ~1ul;
#else
	ulong mask = ~3ul;
#endif
	check_value("mepc", run_in(M, d_mret_epc, -1ul, 0), mask);
	check_value("sepc", run_in(M, d_sret_epc, -1ul, 0), mask);
}

void test_main(void)
{
	registers();
	section("U");
	delegated(U);
	section("S");
	delegated(S);
	section("M"); /* traps in M never go to a less privileged mode */
	delegated(M);
	ecall_from_s();
	returns();
	epc();
}
