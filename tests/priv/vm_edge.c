/* SPDX-License-Identifier: MIT */
/* Translation at its edges: canonical addresses, accesses and instructions over two pages, MPRV,
 * S-mode traps with stval, delegation, and writes that must not happen in part
 * (Privileged 3.1.6.3, 4.1.9, 4.4.1; Unprivileged 2.6). */
#include "vm.h"

SNIPPET(e_lb, "lbu a0, 0(a0)");
SNIPPET(e_lh, "lhu a0, 0(a0)");
SNIPPET(e_lw, "lw a0, 0(a0)");
SNIPPET(e_lx, STR(REG_L) " a0, 0(a0)");
SNIPPET(e_sb, "sb a1, 0(a0)");
SNIPPET(e_sh, "sh a1, 0(a0)");
SNIPPET(e_sw, "sw a1, 0(a0)");
SNIPPET(e_sx, STR(REG_S) " a1, 0(a0)");
SNIPPET(e_fld, ".option arch, +d\nfld fa0, 0(a0)");
SNIPPET(e_fsd, ".option arch, +d\nfsd fa0, 0(a0)");
SNIPPET(e_amo, "amoadd.w a0, a1, (a0)");
SNIPPET(e_sc, "lr.w a2, (a1)\nsc.w a0, a2, (a0)"); /* with a reservation elsewhere */
SNIPPET(e_jump, "jr a0");
SNIPPET(e_lw_mprv, "csrs mstatus, a1\nlw a0, 0(a0)");
SNIPPET(e_sw_mprv, "csrs mstatus, a1\nsw x0, 0(a0)");
SNIPPET(e_jump_mprv, "csrs mstatus, a1\njr a0");

#ifndef VM_MODE
#define VM_MODE VM_DEFAULT
#endif
#define P   0x80400000ul
#define T   0x20000000ul
#define RET 0x00008067u

static void canonical(void)
{
#if __riscv_xlen == 64
	section("canonical");
	/* Bits above the top one must equal it (4.4.1), else a page fault with the whole address. */
	int top = 12 + 9 * vm_levels() - 1;
	ulong high = -(1ul << top); /* the lowest of the upper half */
	vm_map(high, P, PTE_RWX, 0);
	vm_map(-4096ul, P + 0x1000, PTE_RWX, 0);
	vm_map(T, P, PTE_RWX, 0);
	vm_flush();
	set32(P + 8, 0x1234);
	check_value("lowest of the upper half", run_in(S, e_lw, high + 8, 0), 0x1234);
	set32(P + 0x1ffc, 0x4321);
	check_value("last word", run_in(S, e_lw, -4ul, 0), 0x4321);
	ulong bad = T | 1ul << top; /* same index bits, sign not extended */
	check_trap("load", run_in(S, e_lw, bad, 0), C_LOAD_PAGE, bad);
	check_trap("store", run_in(S, e_sw, bad, 0), C_STORE_PAGE, bad);
	check_trap("fetch", run_in(S, e_jump, bad, 0), C_FETCH_PAGE, bad);
	ulong good = 0;
	for (int bit = top; bit < 64; bit++) {
		bad = T ^ 1ul << bit;
		struct trap t = run_in(S, e_lw, bad, 0);
		good += t.cause == C_LOAD_PAGE && t.tval == bad;
		t = run_in(S, e_jump, bad, 0);
		good += t.cause == C_FETCH_PAGE && t.tval == bad && t.epc == bad;
		bad = high ^ 1ul << bit;
		if (bit == top)
			continue;
		t = run_in(S, e_lw, bad, 0);
		good += t.cause == C_LOAD_PAGE && t.tval == bad;
	}
	check("each upper bit", good, (ulong)(64 - top) * 3 - 1);
	/* Bare (M): no check of these bits by translation, but nothing is there */
	bad = T | 1ul << 63;
	check_trap("M", run_in(M, e_lw, bad, 0), C_LOAD_ACCESS, bad);
	check_trap("M fetch", run_in(M, e_jump, bad, 0), C_FETCH_ACCESS, bad);
	*vm_entry(high, 0) = 0;
	*vm_entry(-4096ul, 0) = 0;
	*vm_entry(T, 0) = 0;
	vm_flush();
#else
	section("canonical"); /* every 32-bit address is one */
	vm_map(-4096ul, P + 0x1000, PTE_RWX, 0);
	vm_flush();
	set32(P + 0x1ffc, 0x4321);
	check_value("last word", run_in(S, e_lw, -4ul, 0), 0x4321);
	*vm_entry(-4096ul, 0) = 0;
	vm_flush();
#endif
}

static void fill(void)
{
	for (ulong i = 0; i < 0x4000; i += 4)
		set32(P + i, (uint32_t)(i * 0x01010101u) ^ 0x03020100u);
}

static ulong bytes_at(ulong va, int n)
{
	/* T maps to P, T + 0x1000 to P + 0x3000 */
	ulong v = 0;
	for (int i = n - 1; i >= 0; i--) {
		ulong a = va + (ulong)i;
		ulong pa = a < T + 0x1000 ? P + (a - T) : P + 0x3000 + (a - T - 0x1000);
		v = v << 8 | get8(pa);
	}
	return v;
}

static const struct {
	code *load, *store;
	int size;
} widths[] = { { e_lh, e_sh, 2 }, { e_lw, e_sw, 4 }, { e_lx, e_sx, __riscv_xlen / 8 } };

static void crossing(int mode)
{
	ulong flags = PTE_RWX | (mode == U ? PTE_U : 0);
	ulong end = T + 0x1000;
	fill();
	vm_map(T, P, flags, 0);
	vm_map(end, P + 0x3000, flags, 0);
	vm_flush();
	ulong good = 0, all = 0;
	for (int w = 0; w < 3; w++)
		for (int k = 1; k < widths[w].size; k++) {
			ulong va = end - (ulong)k;
			ulong want = bytes_at(va, widths[w].size);
			if (widths[w].size == 4 && __riscv_xlen == 64)
				want = (ulong)(long)(int32_t)want;
			struct trap t = run_in(mode, widths[w].load, va, 0);
			all++;
			good += t.cause == C_NONE && t.value == want;
			ulong v = (ulong)0x8877665544332211ull;
			t = run_in(mode, widths[w].store, va, v);
			ulong mask = widths[w].size == 8
				? -1ul
				: ((ulong)1 << (8 * (widths[w].size - 1)) << 8) - 1;
			all++;
			good += t.cause == C_NONE && bytes_at(va, widths[w].size) == (v & mask);
		}
	check("loads and stores", good, all);
	/* Second page absent, then first: tval names the part that faulted (3.1.16), and a store
	 * leaves no byte behind. */
	for (int first = 0; first < 2; first++) {
		fill();
		*vm_entry(first ? T : end, 0) = 0;
		vm_flush();
		good = all = 0;
		for (int w = 0; w < 3; w++)
			for (int k = 1; k < widths[w].size; k++) {
				ulong va = end - (ulong)k, tval = first ? va : end;
				ulong before = bytes_at(va, widths[w].size);
				struct trap t = run_in(mode, widths[w].load, va, 0);
				all += 3;
				good += t.cause == C_LOAD_PAGE && t.tval == tval;
				t = run_in(mode, widths[w].store, va, -1ul);
				good += t.cause == C_STORE_PAGE && t.tval == tval;
				good += bytes_at(va, widths[w].size) == before;
			}
		check(first ? "first absent" : "second absent", good, all);
		/* one of each by name */
		struct trap t = run_in(mode, e_lw, end - 2, 0);
		check_trap(first ? "lw first" : "lw second", t, C_LOAD_PAGE, first ? end - 2 : end);
		t = run_in(mode, e_sx, end - 1, -1ul);
		check_trap(
			first ? "sx first" : "sx second", t, C_STORE_PAGE, first ? end - 1 : end);
		t = run_in(mode, e_fld, end - 4, 0);
		check_trap(
			first ? "fld first" : "fld second", t, C_LOAD_PAGE, first ? end - 4 : end);
		t = run_in(mode, e_fsd, end - 4, 0);
		check_trap(
			first ? "fsd first" : "fsd second", t, C_STORE_PAGE, first ? end - 4 : end);
		vm_map(first ? T : end, first ? P : P + 0x3000, flags, 0);
	}
	/* second page readable only: a store must not touch the first */
	fill();
	vm_map(end, P + 0x3000, flags & ~PTE_W, 0);
	vm_flush();
	ulong before = bytes_at(end - 3, 4);
	struct trap t = run_in(mode, e_sw, end - 3, -1ul);
	check_trap("store into read-only", t, C_STORE_PAGE, end);
	check("nothing stored", bytes_at(end - 3, 4), before);
	check("load there", run_in(mode, e_lw, end - 3, 0).value, (ulong)(long)(int32_t)before);
	/* second page where nothing is: an access fault there */
	vm_map(end, 0x10000, flags, 0);
	vm_flush();
	before = get32(P + 0xffc);
	t = run_in(mode, e_sw, end - 3, -1ul);
	check_trap("store into nowhere", t, C_STORE_ACCESS, end);
	check("nothing stored 2", get32(P + 0xffc), before);
	check_trap("load from nowhere", run_in(mode, e_lw, end - 1, 0), C_LOAD_ACCESS, end);
	*vm_entry(T, 0) = 0;
	*vm_entry(end, 0) = 0;
	vm_flush();
}

/* An instruction over two pages that are not neighbours in RAM. */
static void fetches(int mode)
{
#ifdef __riscv_c
	ulong flags = PTE_RWX | (mode == U ? PTE_U : 0), end = T + 0x1000;
	*(volatile uint16_t *)(P + 0xffe) = 0x0513; /* addi a0, a0, 1: 0x00150513 */
	*(volatile uint16_t *)(P + 0x3000) = 0x0015;
	*(volatile uint16_t *)(P + 0x3002) = 0x8082; /* c.ret */
	*(volatile uint16_t *)(P + 0x1000) = 0;
	__asm__ volatile("fence.i" ::: "memory");
	vm_map(T, P, flags, 0);
	vm_map(end, P + 0x3000, flags, 0);
	vm_flush();
	check_value("fetch", run_at(mode, end - 2, 41, 0), 42);
	*vm_entry(end, 0) = 0;
	vm_flush();
	struct trap t = run_at(mode, end - 2, 41, 0);
	check_trap("fetch second absent", t, C_FETCH_PAGE, end);
	check("fetch second epc", t.epc, end - 2);
	vm_map(end, P + 0x3000, flags & ~PTE_X, 0);
	vm_flush();
	check_trap("fetch second no X", run_at(mode, end - 2, 41, 0), C_FETCH_PAGE, end);
	vm_map(end, P + 0x3000, flags, 0);
	*vm_entry(T, 0) = 0;
	vm_flush();
	t = run_at(mode, end - 2, 41, 0);
	check_trap("fetch first absent", t, C_FETCH_PAGE, end - 2);
	/* a 2-byte instruction at the end needs only its own page */
	vm_map(T, P, flags, 0);
	*vm_entry(end, 0) = 0;
	*(volatile uint16_t *)(P + 0xffe) = 0x8082;
	__asm__ volatile("fence.i" ::: "memory");
	vm_flush();
	check_value("fetch of 2 bytes", run_at(mode, end - 2, 43, 0), 43);
	/* running off the page */
	*(volatile uint16_t *)(P + 0xffe) = 0x0001;
	__asm__ volatile("fence.i" ::: "memory");
	t = run_at(mode, end - 2, 43, 0);
	check_trap("run off", t, C_FETCH_PAGE, end);
	check("run off epc", t.epc, end);
	/* remapping the second page changes the instruction */
	*(volatile uint16_t *)(P + 0xffe) = 0x0513;
	*(volatile uint16_t *)(P + 0x2000) = 0x0075; /* addi a0, a0, 7 */
	*(volatile uint16_t *)(P + 0x2002) = 0x8082;
	__asm__ volatile("fence.i" ::: "memory");
	ulong good = 0;
	for (int i = 0; i < 20; i++) {
		vm_map(end, P + (i & 1 ? 0x2000 : 0x3000), flags, 0);
		vm_flush();
		good += run_at(mode, end - 2, 10, 0).value == (i & 1 ? 17u : 11u);
	}
	check("remapped half", good, 20);
	*vm_entry(T, 0) = 0;
	*vm_entry(end, 0) = 0;
	vm_flush();
#else
	(void)mode;
#endif
}

/* M-mode accesses as S or U through MPRV; fetches are never affected (3.1.6.3). */
static void mprv(void)
{
	section("mprv");
	fill();
	vm_map(T, P, PTE_RWX, 0);
	vm_map(T + 0x1000, P + 0x1000, PTE_RWX | PTE_U, 0);
	vm_map(T + 0x2000, P + 0x2000, PTE_X | PTE_A | PTE_D, 0);
	vm_flush();
	ulong as_s = MPRV | BIT(11), as_u = MPRV, clean = FS(3);
	static const struct {
		const char *name;
		ulong page, add;
		bool as_u, good;
	} all[] = {
		{ "S page as S", 0, 0, false, true },
		{ "S page as U", 0, 0, true, false },
		{ "U page as S", 0x1000, 0, false, false },
		{ "U page as S SUM", 0x1000, SUM, false, true },
		{ "U page as U", 0x1000, 0, true, true },
		{ "X page as S", 0x2000, 0, false, false },
		{ "X page as S MXR", 0x2000, MXR, false, true },
		{ "nothing", 0x3000, 0, false, false },
	};
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
		ulong va = T + all[i].page + 8;
		csr_write("mstatus", clean | all[i].add);
		struct trap t = run_in(M, e_lw_mprv, va, all[i].as_u ? as_u : as_s);
		csr_write("mstatus", clean);
		if (all[i].good)
			check_value(
				all[i].name, t, (ulong)(long)(int32_t)get32(P + all[i].page + 8));
		else
			check_trap(all[i].name, t, C_LOAD_PAGE, va);
	}
	struct trap t = run_in(M, e_sw_mprv, T + 0x2000, as_s);
	csr_write("mstatus", clean);
	check_trap("store into X page", t, C_STORE_PAGE, T + 0x2000);
	t = run_in(M, e_lw_mprv, RAM, MPRV | MPP); /* MPP = M: no translation */
	csr_write("mstatus", clean);
	check("as M", t.cause, C_NONE);
	set32(P + 0x3000, RET);
	__asm__ volatile("fence.i" ::: "memory");
	t = run_in(M, e_jump_mprv, P + 0x3000, as_u); /* physical, not mapped at all for U */
	csr_write("mstatus", clean);
	check("fetch not affected", t.cause, C_NONE);
	t = run_in(M, e_lw, T, 0);
	check("M plain", t.cause, C_NONE); /* flash at its physical place */
	for (ulong p = 0; p < 0x3000; p += 0x1000)
		*vm_entry(T + p, 0) = 0;
	vm_flush();
}

/* Page faults taken in S: stval, sepc, and no write of the target. */
static void delegated(void)
{
	section("delegated");
	csr_write("medeleg", BIT(C_FETCH_PAGE) | BIT(C_LOAD_PAGE) | BIT(C_STORE_PAGE));
	for (int i = 0; i < 2; i++) {
		int mode = i ? U : S;
		section(i ? "delegated U" : "delegated S");
		check_trap_in("load", run_in(mode, e_lw, T + 4, 0), S, C_LOAD_PAGE, T + 4);
		check_trap_in("store", run_in(mode, e_sw, T + 4, 0), S, C_STORE_PAGE, T + 4);
		struct trap t = run_in(mode, e_jump, T + 4, 0);
		check_trap_in("fetch", t, S, C_FETCH_PAGE, T + 4);
		check("epc", t.epc, T + 4);
		check("spp", t.status & SPP, mode == S ? SPP : 0);
	}
	csr_write("medeleg", 0);
}

/* Misaligned atomics on absent pages: either fault may win (3.1.15, table of priorities). */
static void priorities(void)
{
	section("priority");
	struct trap t = run_in(S, e_amo, T + 2, 0);
	check2("amo", t.cause, C_STORE_MISALIGNED, C_STORE_PAGE);
	/* a fetch fault comes before what the instruction would do */
	check_trap("fetch first", run_at(S, T, T, 0), C_FETCH_PAGE, T);
	/* sc without a matching reservation to an absent page may fail or fault */
	vm_map(T + 0x1000, P, PTE_RWX, 0);
	vm_flush();
	t = run_in(S, e_sc, T, T + 0x1000);
	check2("sc elsewhere", t.cause, C_STORE_PAGE, C_NONE);
	*vm_entry(T + 0x1000, 0) = 0;
	vm_flush();
}

void test_main(void)
{
	vm_start(VM_MODE);
	vm_on();
	canonical();
	for (int i = 0; i < 2; i++) {
		section(i ? "crossing U" : "crossing S");
		crossing(i ? U : S);
		fetches(i ? U : S);
	}
	mprv();
	delegated();
	priorities();
	vm_off();
}
