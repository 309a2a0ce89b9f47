/* SPDX-License-Identifier: MIT */
/* Interrupts (Privileged 3.1.6.1, 3.1.7 to 3.1.9, 3.3.3, 4.1.3): who may set what, priorities,
 * delegation, enables, vectors, and WFI. */
#include "priv.h"

/* Waits long enough for any interrupt that is due; returns 1 if none came. */
SNIPPET(i_spin, "li a0, 1000\n1: addi a0, a0, -1\nbnez a0, 1b\nli a0, 1");
SNIPPET(i_wfi, "wfi\nli a0, 7");
SNIPPET(i_set_mie, "csrs mie, a0\nnop\nli a0, 1");
SNIPPET(i_set_mstatus, "csrs mstatus, a0\nnop\nli a0, 1");
SNIPPET(i_set_mip, "csrs mip, a0\nnop\nli a0, 1");
SNIPPET(i_set_sie, "csrs sie, a0\nnop\nli a0, 1");
SNIPPET(i_set_sstatus, "csrs sstatus, a0\nnop\nli a0, 1");
SNIPPET(i_set_sip, "csrs sip, a0\nnop\nli a0, 1");
SNIPPET(i_sip_rw, "csrw sip, a0\ncsrr a0, sip");
SNIPPET(i_sie_rw, "csrw sie, a0\ncsrr a0, sie");
SNIPPET(i_msip,
	"li a1, 1\nli a2, 0x2000000\nsw a1, 0(a2)\nlw a1, 0(a2)\nfence\nnop\nnop\nnop\nli a0, 1");
SNIPPET(i_ecall, "ecall");

#define ALL  (BIT(SSI) | BIT(MSI) | BIT(STI) | BIT(MTI) | BIT(SEI) | BIT(MEI))
#define SOFT (BIT(SSI) | BIT(STI) | BIT(SEI))

static const int order[] = { MEI, MSI, MTI, SEI, SSI, STI }; /* 3.1.9 */

/* The UART's "transmitter empty" is source 10 of the PLIC; hart 0's contexts are 0 (M), 1 (S). */
static void external(int context, bool on)
{
	set32(PLIC + 4 * 10, 1);
	set32(PLIC + 0x2000 + 0x80ul * (ulong)context, on ? 1u << 10 : 0);
	set32(PLIC + 0x200000 + 0x1000ul * (ulong)context, 0);
	set8(UART + 1, on ? 2 : 0);
}

static void raise(ulong set)
{
	set32(CLINT, set & BIT(MSI) ? 1 : 0);
	set_mtimecmp(0, set & BIT(MTI) ? 0 : -1ull);
	external(0, set & BIT(MEI));
	csr_write("mip", set & SOFT);
}

static void calm(void)
{
	raise(0);
	external(1, false);
	csr_write("mie", 0);
	csr_write("mideleg", 0);
	csr_write("mstatus", FS(3));
}

static void registers(void)
{
	section("registers");
	calm();
	csr_write("mie", -1ul);
	check("mie", csr_read("mie") & 0xfff & ~(BIT(2) | BIT(6) | BIT(10)), ALL);
	check("mie without H", csr_read("mie") & (BIT(2) | BIT(6) | BIT(10)), 0);
	csr_write("mie", 0);
	csr_write("mip", -1ul);
	check("mip", csr_read("mip") & 0xfff & ~(BIT(2) | BIT(6) | BIT(10)),
		SOFT); /* M's are read-only */
	csr_write("mip", 0);
	check("mip cleared", csr_read("mip"), 0);
	set32(CLINT, -1u);
	check("msip register", get32(CLINT), 1);
	check("msip", csr_read("mip"), BIT(MSI));
	csr_write("mip", 0);
	check("msip not by csrw", csr_read("mip"), BIT(MSI));
	set32(CLINT, 0);
	check("msip off", csr_read("mip"), 0);
	set_mtimecmp(0, 0);
	check("mtip", csr_read("mip"), BIT(MTI));
	set_mtimecmp(0, -1ull);
	check("mtip off", csr_read("mip"), 0);
	external(0, true);
	check("meip", csr_read("mip"), BIT(MEI));
	external(0, false);
	check("meip off", csr_read("mip"), 0);
	external(1, true);
	ulong seip = csr_read("mip");
	/* mip.SEIP reads as the OR of the wire and the bit that software wrote, but a
	 * read-modify-write takes only the latter (3.1.9). */
	csr_set("mip", BIT(SSI));
	external(1, false);
	ulong after = csr_read("mip");
	csr_write("mip", 0);
	check("seip wire", seip, BIT(SEI));
	check("seip after the wire fell", after, BIT(SSI));
	external(1, true);
	csr_set("mip", BIT(SEI));
	external(1, false);
	after = csr_read("mip");
	csr_clear("mip", BIT(SEI));
	check("seip by software", after, BIT(SEI));
	check("seip cleared", csr_read("mip"), 0);

	section("sie and sip");
	/* S sees and writes only what is delegated (4.1.3) */
	check_value("sie undelegated", run_in(S, i_sie_rw, -1ul, 0), 0);
	check_value("sip undelegated", run_in(S, i_sip_rw, -1ul, 0), 0);
	csr_write("mideleg", SOFT);
	check_value("sie delegated", run_in(S, i_sie_rw, -1ul, 0), SOFT);
	check("mie through sie", csr_read("mie"), SOFT);
	csr_write("mie", 0);
	check_value("sip delegated", run_in(S, i_sip_rw, -1ul, 0), BIT(SSI)); /* only SSIP */
	csr_write("mip", SOFT);
	check_value("sip seen", run_in(S, i_sip_rw, 0, 0), BIT(STI) | BIT(SEI));
	csr_write("mideleg", BIT(SSI));
	csr_write("mip", SOFT);
	check_value("sip partly", run_in(S, i_sip_rw, -1ul, 0), BIT(SSI));
	calm();
}

/* All 64 sets of pending and enabled interrupts, in U, all to M and then S's delegated. */
static void priorities(void)
{
	section("priority");
	for (int delegate = 0; delegate < 2; delegate++) {
		ulong good = 0, single = 0;
		for (ulong set = 0; set < 64; set++) {
			ulong bits = 0;
			for (int i = 0; i < 6; i++)
				if (set >> i & 1)
					bits |= BIT(order[i]);
			csr_write("mstatus", FS(3) | MPIE);
			csr_write("mideleg", delegate ? SOFT : 0);
			csr_write("mie", bits);
			raise(ALL); /* all pending, some enabled */
			struct trap t = run_in(U, i_spin, 0, 0);
			ulong status = t.status;
			calm();
			ulong cause = C_NONE;
			for (int i = 5; i >= 0; i--)
				if (set >> i & 1)
					cause = C_IRQ | (ulong)order[i];
			bool to_s = delegate && cause != C_NONE && (BIT(cause & 15) & SOFT);
			if (t.cause == cause &&
				(cause == C_NONE ||
					(t.mode == (to_s ? S : M) && t.tval == 0 &&
						t.epc == (ulong)i_spin)))
				good++;
			if (cause != C_NONE && !to_s)
				single += (status & (MPP | MPIE | MIE)) == MPIE;
			else if (to_s)
				single += (status & (SPP | SIE)) == 0;
		}
		check(delegate ? "delegated" : "all to M", good, 64);
		check(delegate ? "delegated stack" : "stack", single, 63);
	}
	/* and each pair by name, pending one after the other */
	for (int i = 0; i < 5; i++) {
		static char name[] = "00 before 00";
		name[0] = (char)('0' + order[i] / 10);
		name[1] = (char)('0' + order[i] % 10);
		name[10] = (char)('0' + order[i + 1] / 10);
		name[11] = (char)('0' + order[i + 1] % 10);
		csr_write("mie", ALL);
		raise(BIT(order[i]) | BIT(order[i + 1]));
		struct trap t = run_in(U, i_spin, 0, 0);
		calm();
		check_trap(name, t, C_IRQ | (ulong)order[i], 0);
	}
}

/* Which modes are interrupted, by MIE, SIE and delegation (3.1.6.1, 3.1.9). */
static void enables(void)
{
	for (int delegate = 0; delegate < 2; delegate++)
		for (int mode = 0; mode < 4; mode++) {
			if (mode == 2)
				continue;
			static char sect[] = "enable U direct   ";
			memcpy(sect + 9, delegate ? "delegated" : "direct   ", 9);
			sect[7] = "US-M"[mode];
			section(sect);
			for (int on = 0; on < 4; on++) {
				bool mie = on & 1, sie = on & 2;
				for (int i = 0; i < 6; i++) {
					bool s_level = BIT(order[i]) & SOFT;
					if (delegate && !s_level)
						continue;
					csr_write("mideleg", delegate ? SOFT : 0);
					csr_write("mie", BIT(order[i]));
					raise(BIT(order[i]));
					/* MPIE becomes MIE by mret, which matters in M only */
					csr_write("mstatus",
						FS(3) | (mie ? MPIE : 0) | (sie ? SIE : 0));
					struct trap t = run_in(mode, i_spin, 0, 0);
					calm();
					bool taken = delegate ? mode == U || (mode == S && sie)
							      : mode != M || mie;
					static char name[] = "m0 s0 00";
					name[1] = (char)('0' + mie);
					name[4] = (char)('0' + sie);
					name[6] = (char)('0' + order[i] / 10);
					name[7] = (char)('0' + order[i] % 10);
					check_trap_in(name, t, delegate ? S : M,
						taken ? C_IRQ | (ulong)order[i] : C_NONE, 0);
				}
			}
		}
}

/* A write that unmasks is followed by the interrupt before the next instruction (3.1.9). */
static void unmasking(void)
{
	section("at once");
	raise(BIT(MSI));
	csr_write("mstatus", FS(3) | MPIE);
	struct trap t = run_in(M, i_set_mie, BIT(MSI), 0);
	calm();
	check_trap("csrs mie", t, C_IRQ | MSI, 0);
	check("csrs mie epc", t.epc - (ulong)i_set_mie, 4);
	raise(BIT(MTI));
	csr_write("mie", BIT(MTI));
	t = run_in(M, i_set_mstatus, MIE, 0);
	calm();
	check_trap("csrs mstatus", t, C_IRQ | MTI, 0);
	check("csrs mstatus epc", t.epc - (ulong)i_set_mstatus, 4);
	csr_write("mie", BIT(SSI));
	csr_write("mstatus", FS(3) | MPIE);
	t = run_in(M, i_set_mip, BIT(SSI), 0);
	calm();
	check_trap("csrs mip", t, C_IRQ | SSI, 0);
	check("csrs mip epc", t.epc - (ulong)i_set_mip, 4);
	csr_write("mideleg", SOFT);
	csr_write("mip", BIT(STI));
	csr_write("mstatus", FS(3) | SIE);
	t = run_in(S, i_set_sie, BIT(STI), 0);
	calm();
	check_trap_in("csrs sie", t, S, C_IRQ | STI, 0);
	check("csrs sie epc", t.epc - (ulong)i_set_sie, 4);
	check("csrs sie spie", t.status & (SPIE | SIE | SPP), SPIE | SPP);
	csr_write("mideleg", SOFT);
	csr_write("mip", BIT(SEI));
	csr_write("mie", BIT(SEI));
	t = run_in(S, i_set_sstatus, SIE, 0);
	calm();
	check_trap_in("csrs sstatus", t, S, C_IRQ | SEI, 0);
	check("csrs sstatus epc", t.epc - (ulong)i_set_sstatus, 4);
	csr_write("mideleg", SOFT);
	csr_write("mie", BIT(SSI));
	csr_write("mstatus", FS(3) | SIE);
	t = run_in(S, i_set_sip, BIT(SSI), 0);
	calm();
	check_trap_in("csrs sip", t, S, C_IRQ | SSI, 0);
	check("csrs sip epc", t.epc - (ulong)i_set_sip, 4);
	/* a device's wire: soon, not at once */
	csr_write("mie", BIT(MSI));
	csr_write("mstatus", FS(3) | MPIE);
	t = run_in(M, i_msip, 0, 0);
	calm();
	check_trap("msip by store", t, C_IRQ | MSI, 0);
}

static void vectored(void)
{
	section("vectored");
	csr_write("mtvec", (ulong)mvector | 1);
	for (int i = 0; i < 6; i++) {
		csr_write("mie", BIT(order[i]));
		raise(BIT(order[i]));
		struct trap t = run_in(U, i_spin, 0, 0);
		calm();
		static char name[] = "M 00";
		name[2] = (char)('0' + order[i] / 10);
		name[3] = (char)('0' + order[i] % 10);
		check_trap(name, t, C_IRQ | (ulong)order[i], 0);
		check(i == 0             ? "M MEI entry"
				: i == 1 ? "M MSI entry"
				: i == 2 ? "M MTI entry"
				: i == 3 ? "M SEI entry"
				: i == 4 ? "M SSI entry"
					 : "M STI entry",
			contexts[0].regs[1] - (ulong)mvector - 4, 4 * (ulong)order[i]);
	}
	/* exceptions go to the base (3.1.7) */
	struct trap t = run_in(U, i_ecall, 0, 0);
	check_trap("M ecall", t, C_ECALL_U, 0);
	check("M ecall entry", contexts[0].regs[1] - (ulong)mvector - 4, 0);
	csr_write("mtvec", mtrap);
	csr_write("stvec", (ulong)svector | 1);
	for (int i = 3; i < 6; i++) {
		csr_write("mideleg", SOFT);
		csr_write("mie", BIT(order[i]));
		raise(BIT(order[i]));
		t = run_in(U, i_spin, 0, 0);
		calm();
		static char name[] = "S 00";
		name[2] = (char)('0' + order[i] / 10);
		name[3] = (char)('0' + order[i] % 10);
		check_trap_in(name, t, S, C_IRQ | (ulong)order[i], 0);
		check(i == 3             ? "S SEI entry"
				: i == 4 ? "S SSI entry"
					 : "S STI entry",
			contexts[0].regs[1] - (ulong)svector - 4, 4 * (ulong)order[i]);
	}
	csr_write("medeleg", BIT(C_ECALL_U));
	t = run_in(U, i_ecall, 0, 0);
	check_trap_in("S ecall", t, S, C_ECALL_U, 0);
	check("S ecall entry", contexts[0].regs[1] - (ulong)svector - 4, 0);
	csr_write("medeleg", 0);
	csr_write("stvec", strap);
}

/* 3.3.3: WFI goes on when an enabled interrupt is pending, whatever MIE, SIE and mideleg say. */
static void wfi(void)
{
	for (int mode = S; mode <= M; mode += 2)
		for (int i = 0; i < 6; i++) {
			section(mode == S ? "wfi S" : "wfi M");
			static char name[] = "00 masked";
			name[0] = (char)('0' + order[i] / 10);
			name[1] = (char)('0' + order[i] % 10);
			bool s_level = BIT(order[i]) & SOFT;
			if (mode == S && !s_level)
				continue; /* M's own are never masked in S */
			csr_write("mideleg", mode == S ? SOFT : 0);
			csr_write("mie", BIT(order[i]));
			raise(BIT(order[i]));
			struct trap t = run_in(mode, i_wfi, 0, 0);
			calm();
			check_value(name, t, 7);
			/* unmasked: the trap comes with epc behind the wfi, or before it ran */
			csr_write("mideleg", mode == S ? SOFT : 0);
			csr_write("mie", BIT(order[i]));
			csr_write("mstatus", FS(3) | MPIE | SIE);
			raise(BIT(order[i]));
			t = run_in(mode, i_wfi, 0, 0);
			calm();
			name[3] = 'u';
			memcpy(name + 3, "open  ", 6);
			check_trap_in(name, t, mode, C_IRQ | (ulong)order[i], 0);
			memcpy(name + 3, "masked", 6);
		}
	section("wfi timer");
	/* It really waits: time passes until the timer, masked and then taken. */
	csr_write("mie", BIT(MTI));
	set_mtimecmp(0, mtime() + 20000);
	int loops = 0;
	while (!(csr_read("mip") & BIT(MTI)) && loops < 1000000) {
		run_in(M, i_wfi, 0, 0);
		loops++;
	}
	check("masked", csr_read("mip"), BIT(MTI));
	set_mtimecmp(0, mtime() + 20000);
	csr_write("mstatus", FS(3) | MPIE);
	struct trap t;
	do {
		csr_write("mstatus", FS(3) | MPIE);
		t = run_in(M, i_wfi, 0, 0);
	} while (t.cause == C_NONE);
	check_trap("taken", t, C_IRQ | MTI, 0);
	/* behind the wfi, or before it where an earlier one ended too soon, as it may */
	check("taken epc", t.epc - (ulong)i_wfi <= 8 || t.epc - (ulong)leave < 8, 1);
	set_mtimecmp(0, mtime() + 20000);
	t = run_in(S, i_spin, 0, 0); /* not due yet, or it is: both fine */
	while (t.cause == C_NONE)
		t = run_in(S, i_wfi, 0, 0);
	check_trap("from S", t, C_IRQ | MTI, 0);
	calm();
}

/* Many timer interrupts on a running loop. */
static void stream(void)
{
	section("stream");
	ulong good = 0;
	for (int i = 0; i < 300; i++) {
		csr_write("mie", BIT(MTI));
		set_mtimecmp(0, mtime() + 1 + (ulong)(i % 7) * 13);
		struct trap t;
		do
			t = run_in(U, i_spin, 0, 0);
		while (t.cause == C_NONE);
		bool inside = t.epc - (ulong)i_spin < 24 || t.epc - (ulong)leave < 8;
		good += t.cause == (C_IRQ | MTI) && t.tval == 0 && inside;
	}
	calm();
	check("timer", good, 300);
}

void test_main(void)
{
	registers();
	priorities();
	enables();
	unmasking();
	vectored();
	wfi();
	stream();
}
