/* SPDX-License-Identifier: MIT */
/* CSR fields and who may touch them: mstatus WARL fields, misa, TVM, TW, TSR, MPRV, SUM, MXR
 * without translation, xtvec, satp, menvcfg, and every CSR number from every mode. */
#include "priv.h"

SNIPPET(t_read_satp, "csrr a0, satp");
SNIPPET(t_write_satp, "csrw satp, x0");
SNIPPET(t_sfence, "sfence.vma");
SNIPPET(t_sinval, ".option arch, +svinval\nsinval.vma x0, x0");
SNIPPET(t_winval, ".option arch, +svinval\nsfence.w.inval");
SNIPPET(t_invalir, ".option arch, +svinval\nsfence.inval.ir");
SNIPPET(t_sret, "la a0, 1f\ncsrw sepc, a0\nsret\n1: nop");
SNIPPET(t_wfi, "wfi");
SNIPPET(t_sstatus, "csrr a0, sstatus");
SNIPPET(t_sstatus_rw, "csrw sstatus, a0\ncsrr a0, sstatus");
SNIPPET(t_sscratch, "csrrw a0, sscratch, a0\ncsrrw a0, sscratch, a0");
SNIPPET(t_load_mprv, "csrs mstatus, a1\nlw a0, 0(a0)");

#if __riscv_xlen == 64
#define UXL(n) ((ulong)(n) << 32)
#else
#define UXL(n) 0
#endif

static uint32_t word(code *c)
{
	return *(volatile uint32_t *)c;
}

static ulong write_status(ulong v)
{
	csr_write("mstatus", v);
	ulong r = csr_read("mstatus");
	csr_write("mstatus", FS(3));
	return r;
}

static void mstatus(void)
{
	section("mstatus");
	/* MPP holds U, S and M; 2 is reserved, so something legal is read back (3.1.6.1) */
	check("mpp U", write_status(0) & MPP, 0);
	check("mpp S", write_status(BIT(11)) & MPP, BIT(11));
	check("mpp M", write_status(MPP) & MPP, MPP);
	csr_write("mstatus", MPP);
	csr_clear("mstatus", BIT(11));
	check("mpp 2 is not kept", (csr_read("mstatus") & MPP) == BIT(12), 0);
	for (ulong i = 0; i < 4; i++) {
		static char fs[] = "fs 0", vs[] = "vs 0";
		fs[3] = vs[3] = (char)('0' + i);
		ulong sd = i == 3 ? BIT(__riscv_xlen - 1) : 0;
		ulong v = write_status(FS(i));
		check(fs, v & (FS(3) | BIT(__riscv_xlen - 1)), FS(i) | sd);
		v = write_status(VS(i));
		check(vs, v & (VS(3) | BIT(__riscv_xlen - 1)), VS(i) | sd);
	}
	check("xs", write_status(BIT(15) | BIT(16)) & (BIT(15) | BIT(16)), 0);
	/* each plain bit can be written alone */
	static const struct {
		const char *name;
		ulong bit;
	} bits[] = { { "sie", SIE }, { "mie", MIE }, { "spie", SPIE }, { "mpie", MPIE },
		{ "spp", SPP }, { "mprv", MPRV }, { "sum", SUM }, { "mxr", MXR }, { "tvm", TVM },
		{ "tw", TW }, { "tsr", TSR } };
	for (unsigned i = 0; i < sizeof bits / sizeof *bits; i++)
		if (bits[i].bit != MPRV || true)
			check(bits[i].name, write_status(bits[i].bit),
				bits[i].bit | write_status(0));
	/* reserved (WPRI) bits: 0, 2, 4, 23..30 */
	ulong ones = ~(MIE | UXL(3)) | UXL(2);
	check("reserved", write_status(ones) & (BIT(0) | BIT(2) | BIT(4) | 0x7f800000), 0);
#if __riscv_xlen == 64
	check("sxl uxl", write_status(0) >> 32 & 15, 0xa); /* both 64 bits (3.1.6.2) */
	check("reserved high", write_status(ones) >> 38 & 0x1ffffff, 0);
	csr_write("mstatus", FS(3) | UXL(3)); /* 128 bits: not here, so WARL */
	check("uxl 3 is not kept", (csr_read("mstatus") & UXL(3)) == UXL(3), 0);
	csr_write("mstatus", FS(3) | UXL(2));
#else
	check("mstatush", csr_read("mstatush"), 0); /* little-endian only */
#endif
	/* sstatus shows part of it (4.1.1) */
	ulong s = SIE | SPIE | SPP | VS(3) | FS(3) | SUM | MXR;
	csr_write("mstatus", ones & ~(MPRV | UBE));
	ulong got = csr_read("sstatus");
	csr_write("mstatus", FS(3));
#if __riscv_xlen == 64
	check("sstatus view", got, s | BIT(63) | BIT(33));
#else
	check("sstatus view", got, s | BIT(31));
#endif
	csr_write("sstatus", ones & ~UBE);
	got = csr_read("mstatus") & ~MIE;
	csr_write("mstatus", FS(3));
	check("through sstatus", got & 0x7fffff, s);
	check_value("sstatus in S", run_in(S, t_sstatus_rw, SUM | MPRV | TVM | MXR, 0),
		(SUM | MXR) | (__riscv_xlen == 64 ? BIT(__riscv_xlen / 2 + 1) : 0));
	csr_write("mstatus", FS(3));
}

static void misa(void)
{
	section("misa");
	ulong v = csr_read("misa");
	check("mxl", v >> (__riscv_xlen - 2), __riscv_xlen == 64 ? 2 : 1);
	ulong want = 0;
	for (const char *p = "ACDFIMSUV"; *p; p++)
		want |= BIT(*p - 'A');
	check("extensions", v & 0x3ffffff, want);
	check("reserved", v >> 26 & (BIT(__riscv_xlen - 28) - 1), 0);
	csr_write("misa", v); /* WARL: the same value stays the same */
	check("written back", csr_read("misa"), v);
	section("ids");
	check("mhartid", csr_read("mhartid"), 0);
	(void)csr_read("mvendorid");
	(void)csr_read("marchid");
	(void)csr_read("mimpid");
	check("mconfigptr", csr_read("0xf15"), 0); /* no configuration structure (3.1.17) */
}

static void want(const char *name, int mode, code *pc, bool illegal)
{
	struct trap t = run_in(mode, pc, 0, 0);
	check_trap_tval0(name, t, illegal ? C_ILLEGAL : C_NONE, illegal ? word(pc) : 0);
}

/* 3.1.6.5 */
static void virtualization(void)
{
	for (int on = 0; on < 2; on++) {
		section(on ? "tvm=1" : "tvm=0");
		csr_write("mstatus", FS(3) | (on ? TVM : 0));
		want("satp read S", S, t_read_satp, on);
		want("satp write S", S, t_write_satp, on);
		want("sfence.vma S", S, t_sfence, on);
		want("sinval.vma S", S, t_sinval, on);
		want("sfence.w.inval S", S, t_winval, false);
		want("sfence.inval.ir S", S, t_invalir, false);
		want("satp read M", M, t_read_satp, false);
		want("sfence.vma M", M, t_sfence, false);
		want("sinval.vma M", M, t_sinval, false);
		want("satp read U", U, t_read_satp, true);
		want("sfence.vma U", U, t_sfence, true);
		want("sinval.vma U", U, t_sinval, true);
		want("sfence.w.inval U", U, t_winval, true);
		want("sfence.inval.ir U", U, t_invalir, true);
		section(on ? "tsr=1" : "tsr=0");
		csr_write("mstatus", FS(3) | SPP | (on ? TSR : 0));
		struct trap t = run_in(S, t_sret, 0, 0);
		/* lo of la precedes; compare only the cause and the address of sret itself */
		check("sret S", t.cause, on ? C_ILLEGAL : C_NONE);
		csr_write("mstatus", FS(3) | SPP | (on ? TSR : 0));
		check("sret M", run_in(M, t_sret, 0, 0).cause, C_NONE);
		section(on ? "tw=1" : "tw=0");
		csr_write("mstatus", FS(3) | (on ? TW : 0));
		csr_write("mideleg", BIT(SSI));
		csr_write("mie", BIT(SSI));
		csr_write("mip", BIT(SSI)); /* so that wfi is over at once */
		check("wfi M", run_in(M, t_wfi, 0, 0).cause, C_NONE);
		/* With TW=1, S may trap or not if wfi ends within a bounded time, here at once. */
		t = run_in(S, t_wfi, 0, 0);
		if (on)
			check2("wfi S", t.cause, C_ILLEGAL, C_NONE);
		else
			check("wfi S", t.cause, C_NONE);
		csr_write("mip", 0);
		csr_write("mie", 0);
		if (on) {
			/* nothing will come: the time limit is over, so it must trap */
			want("wfi S alone", S, t_wfi, true);
			want("wfi U alone", U, t_wfi, true);
		} else {
			/* U without TW: it must trap as well where S exists, after a limit */
			want("wfi U alone", U, t_wfi, true);
		}
		reset_state();
	}
}

/* MPRV without translation only brings PMP rules: entry 1 is for U and S, M sees all. */
static uint32_t secret = 0x5ec4e7;

static void mprv(void)
{
	section("mprv");
	csr_write("pmpaddr0", ((ulong)&secret >> 2)); /* NA4, no access */
	csr_write("pmpaddr1", -1ul);
	csr_write("pmpcfg0", 0x1f10);
	__asm__ volatile("sfence.vma" ::: "memory");
	csr_write("mstatus", FS(3));
	check_value("M", run_in(M, t_load_mprv, (ulong)&secret, 0), 0x5ec4e7);
	/* run_in sets MPP = M and mret makes it U: MPRV in M then means U */
	check_trap("as U", run_in(M, t_load_mprv, (ulong)&secret, MPRV), C_LOAD_ACCESS,
		(ulong)&secret);
	csr_write("mstatus", FS(3));
	check_trap("as S", run_in(M, t_load_mprv, (ulong)&secret, MPRV | BIT(11)), C_LOAD_ACCESS,
		(ulong)&secret);
	csr_write("mstatus", FS(3));
	check_value("as M", run_in(M, t_load_mprv, (ulong)&secret, MPRV | MPP), 0x5ec4e7);
	csr_write("mstatus", FS(3));
	open_pmp();
	csr_write("pmpaddr1", 0);
	__asm__ volatile("sfence.vma" ::: "memory");
}

static void vectors(void)
{
	section("tvec");
	csr_write("mtvec", (ulong)mvector | 1);
	check("mtvec vectored", csr_read("mtvec") & 3, 1);
	csr_write("mtvec", (ulong)mtrap | 2); /* MODE >= 2 is reserved */
	check("mtvec mode 2", (csr_read("mtvec") & 3) < 2, 1);
	csr_write("mtvec", (ulong)mtrap | 3);
	check("mtvec mode 3", (csr_read("mtvec") & 3) < 2, 1);
	csr_write("mtvec", mtrap);
	check("mtvec direct", csr_read("mtvec") - (ulong)mtrap, 0);
	csr_write("stvec", (ulong)svector | 1);
	check("stvec vectored", csr_read("stvec") & 3, 1);
	csr_write("stvec", (ulong)strap | 2);
	check("stvec mode 2", (csr_read("stvec") & 3) < 2, 1);
	csr_write("stvec", strap);
	check("stvec direct", csr_read("stvec") - (ulong)strap, 0);
	section("scratch");
	ulong m = csr_swap("mscratch", -1ul);
	check("mscratch", csr_read("mscratch"), -1ul);
	csr_write("mscratch", m);
	csr_write("sscratch", (ulong)0x123456789abcdefull);
	check("sscratch", csr_read("sscratch"), (ulong)0x123456789abcdefull);
	check_value("sscratch swap", run_in(S, t_sscratch, 0x77, 0), 0x77);
	csr_write("stval", -1ul); /* holds any address (4.1.9) */
	check("stval", csr_read("stval"), -1ul);
	csr_write("mtval", 0x123456);
	check("mtval", csr_read("mtval"), 0x123456);
	csr_write("scause", BIT(__riscv_xlen - 1) | 9);
	check("scause", csr_read("scause"), BIT(__riscv_xlen - 1) | 9);
	csr_write("mcause", 15);
	check("mcause", csr_read("mcause"), 15);
}

static void satp(void)
{
	section("satp");
	/* M is not translated, so satp can be written freely here (4.1.11). */
#if __riscv_xlen == 64
	static const uint8_t modes[] = { 0, 8, 9, 10 };
	for (unsigned i = 0; i < sizeof modes; i++) {
		static char name[] = "mode 8";
		name[5] = "089A"[i];
		ulong v = (ulong)modes[i] << 60 | (modes[i] ? 0x80123 : 0);
		csr_write("satp", v);
		check(name, csr_read("satp"), v);
	}
	csr_write("satp", 8ul << 60 | 0x80123);
	for (ulong mode = 1; mode < 16; mode++) {
		if (mode >= 8 && mode <= 10)
			continue;
		csr_write("satp", mode << 60 | 0x5555); /* unsupported: no effect at all */
		expect("reserved mode", csr_read("satp"), 8ul << 60 | 0x80123);
	}
	check("reserved modes", csr_read("satp"), 8ul << 60 | 0x80123);
	csr_write("satp", 8ul << 60 | 0xffff00000000000);
	info("asid bits", csr_read("satp") >> 44 & 0xffff);
	csr_write("satp", 8ul << 60 | 0xfffffffffff);
	check("ppn", csr_read("satp") & 0xfffffffffff, 0xfffffffffff);
#else
	csr_write("satp", 0x80080123);
	check("mode 1", csr_read("satp"), 0x80080123);
	csr_write("satp", 0x80000000 | 0x1ff << 22);
	info("asid bits", csr_read("satp") >> 22 & 0x1ff);
#endif
	csr_write("satp", 0);
	check("bare", csr_read("satp"), 0);
}

static void envcfg(void)
{
	section("envcfg");
#define ENV_ALL (BIT(0) | BIT(4) | BIT(5) | BIT(6) | BIT(7)) /* FIOM CBIE CBCFE CBZE */
	csr_write("menvcfg", ENV_ALL);
	check("menvcfg", csr_read("menvcfg") & ENV_ALL, ENV_ALL);
	csr_write("senvcfg", ENV_ALL);
	check("senvcfg", csr_read("senvcfg") & ENV_ALL, ENV_ALL);
	csr_write("menvcfg", 0);
	csr_write("senvcfg", 0);
	check("menvcfg zero", csr_read("menvcfg") & ENV_ALL, 0);
	check("senvcfg zero", csr_read("senvcfg") & ENV_ALL, 0);
	/* CBIE = 2 is reserved (CMO 2.4) */
	csr_write("menvcfg", BIT(5));
	check("cbie 2 is not kept", (csr_read("menvcfg") >> 4 & 3) == 2, 0);
	csr_write("menvcfg", 0);
#if __riscv_xlen == 64
	csr_write("menvcfg", BIT(61) | BIT(62) | BIT(63));
	ulong v = csr_read("menvcfg");
	csr_write("menvcfg", 0);
	check("adue", v >> 61 & 1, 1);
	check("pbmte", v >> 62 & 1, 1);
	check("stce", v >> 63, 1);
#else
	csr_write("0x31a", BIT(29) | BIT(30) | BIT(31)); /* menvcfgh */
	ulong v = csr_read("0x31a");
	csr_write("0x31a", 0);
	check("adue", v >> 29 & 1, 1);
	check("pbmte", v >> 30 & 1, 0); /* no Svpbmt in RV32 */
	check("stce", v >> 31, 1);
#endif
}

/* One instruction on any CSR, made at run time. */
static uint32_t made[2] __attribute__((aligned(8)));

static struct trap on_csr(int mode, uint32_t csr, uint32_t funct3_rs1_rd)
{
	made[0] = csr << 20 | funct3_rs1_rd | 0x73;
	made[1] = 0x00008067; /* ret */
	__asm__ volatile("fence.i" ::: "memory");
	return run_in(mode, (code *)made, 0, 0);
}
#define CSRR_A0 (2 << 12 | 10 << 7)
#define CSRW_A0 (1 << 12 | 10 << 15)

static void matrix(void)
{
	/* 2.1: bits 9:8 of the number name the lowest mode; bits 11:10 = 3 are read-only. */
	section("csr numbers");
	ulong denied_u = 0, denied_s = 0, denied_h = 0, denied_ro = 0;
	for (uint32_t n = 0; n < 4096; n++) {
		uint32_t low = n >> 8 & 3;
		if (low > 0)
			denied_u += on_csr(U, n, CSRR_A0).cause == C_ILLEGAL;
		if (low == 3)
			denied_s += on_csr(S, n, CSRR_A0).cause == C_ILLEGAL;
		if (low == 2) {
			bool denied = on_csr(M, n, CSRR_A0).cause == C_ILLEGAL;
			denied_h += denied;
		}
		if (n >> 10 == 3)
			denied_ro += on_csr(M, n, CSRW_A0).cause == C_ILLEGAL;
	}
	check("denied to U", denied_u, 3072);
	check("denied to S", denied_s, 1024);
	check("hypervisor's denied to M", denied_h, 1024);
	check("read-only denied to M", denied_ro, 1024);
	/* Those that must exist, each read from the lowest mode that may. */
	static const uint16_t must[] = {
		0x001,
		0x002,
		0x003,
		0x008,
		0x009,
		0x00a,
		0x00f,
		0xc00,
		0xc01,
		0xc02,
		0xc20,
		0xc21,
		0xc22,
		0x100,
		0x104,
		0x105,
		0x106,
		0x10a,
		0x140,
		0x141,
		0x142,
		0x143,
		0x144,
		0x180,
		0x300,
		0x301,
		0x302,
		0x303,
		0x304,
		0x305,
		0x306,
		0x30a,
		0x320,
		0x340,
		0x341,
		0x342,
		0x343,
		0x344,
		0x3a0,
		0x3a2,
		0x3b0,
		0x3bf,
		0xb00,
		0xb02,
		0xb03,
		0xb1f,
		0x323,
		0x33f,
		0xf11,
		0xf12,
		0xf13,
		0xf14,
		0xf15,
#if __riscv_xlen == 32
		0xc80,
		0xc81,
		0xc82,
		0x310,
		0x31a,
		0x3a1,
		0x3a3,
		0xb80,
		0xb82,
		0xb83,
		0xb9f
#endif
	};
	csr_write("mcounteren", 7);
	csr_write("scounteren", 7);
	csr_write("mstatus", FS(3) | VS(3));
	for (unsigned i = 0; i < sizeof must / sizeof *must; i++) {
		int low = must[i] >> 8 & 3;
		static char name[] = "exists 000";
		for (int k = 0; k < 3; k++)
			name[7 + k] = "0123456789abcdef"[must[i] >> (8 - 4 * k) & 15];
		check(name, on_csr(low == 3 ? M : low, must[i], CSRR_A0).cause, C_NONE);
	}
	/* Those that must not. */
	static const uint16_t not [] = {
		0x101,
		0x107,
		0x145,
		0x17f,
		0x307,
		0x30f,
		0x341 ^ 0xf,
		0xb01,
		0xf10,
		0xf16,
		0x7ff,
#if __riscv_xlen == 64
		0x310,
		0x31a,
		0x3a1,
		0x3a3,
		0xc80,
		0xc81,
		0xc82,
		0xb80,
		0xb82
#endif
	};
	for (unsigned i = 0; i < sizeof not / sizeof *not ; i++) {
		static char name[] = "absent 000";
		for (int k = 0; k < 3; k++)
			name[7 + k] = "0123456789abcdef"[not [i] >> (8 - 4 * k) & 15];
		check(name, on_csr(M, not [i], CSRR_A0).cause, C_ILLEGAL);
	}
	csr_write("mcounteren", 0);
	csr_write("scounteren", 0);
}

void test_main(void)
{
	mstatus();
	misa();
	virtualization();
	mprv();
	vectors();
	satp();
	envcfg();
	matrix();
}
