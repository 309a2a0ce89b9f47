/* SPDX-License-Identifier: MIT */
/* Physical memory protection (Privileged 3.7): modes, priority, partial matches, execution, page
 * tables, and locked entries, which come last because only a reset opens them. */
#include "priv.h"
#include "vm.h"

SNIPPET(p_lw, "lw a0, 0(a0)");
SNIPPET(p_lh, "lhu a0, 0(a0)");
SNIPPET(p_lb, "lbu a0, 0(a0)");
SNIPPET(p_lx, STR(REG_L) " a0, 0(a0)");
SNIPPET(p_fld, ".option arch, +d\nfld fa0, 0(a0)");
SNIPPET(p_fsd, ".option arch, +d\nfsd fa0, 0(a0)");
SNIPPET(p_sw, "sw a1, 0(a0)");
SNIPPET(p_sb, "sb a1, 0(a0)");
SNIPPET(p_sx, STR(REG_S) " a1, 0(a0)");
SNIPPET(p_amo, "amoadd.w a0, a1, (a0)");
SNIPPET(p_lr, "lr.w a0, (a0)");
SNIPPET(p_lr_sc, "lr.w a2, (a1)\nsc.w a0, a2, (a0)");
SNIPPET(p_jump, "jr a0");

#define P 0x80400000ul
enum { R = 1, W = 2, X = 4, TOR = 1 << 3, NA4 = 2 << 3, NAPOT = 3 << 3, L = 0x80 };

#if __riscv_xlen == 64
#define PER_CFG  8
#define ADDR_TOP ((1ul << 54) - 1)
#else
#define PER_CFG  4
#define ADDR_TOP (-1ul)
#endif

static void set_addr(int i, ulong v)
{
#define CASE(n)                                                                                    \
	case n: csr_write("pmpaddr" #n, v); break;
	switch (i) {
		CASE(0);
		CASE(1);
		CASE(2);
		CASE(3);
		CASE(4);
		CASE(5);
		CASE(6);
		CASE(7);
		CASE(8);
		CASE(9);
		CASE(10);
		CASE(11);
		CASE(12);
		CASE(13);
		CASE(14);
		CASE(15);
	}
#undef CASE
}

static ulong get_addr(int i)
{
#define CASE(n)                                                                                    \
	case n: return csr_read("pmpaddr" #n)
	switch (i) {
		CASE(0);
		CASE(1);
		CASE(2);
		CASE(3);
		CASE(4);
		CASE(5);
		CASE(6);
		CASE(7);
		CASE(8);
		CASE(9);
		CASE(10);
		CASE(11);
		CASE(12);
		CASE(13);
		CASE(14);
		CASE(15);
	}
#undef CASE
	return 0;
}

static ulong cfg_word(int i)
{
#if __riscv_xlen == 64
	return i < 8 ? csr_read("pmpcfg0") : csr_read("pmpcfg2");
#else
	return i < 4     ? csr_read("pmpcfg0")
		: i < 8  ? csr_read("pmpcfg1")
		: i < 12 ? csr_read("pmpcfg2")
			 : csr_read("pmpcfg3");
#endif
}

static uint8_t get_cfg(int i)
{
	return (uint8_t)(cfg_word(i) >> i % PER_CFG * 8);
}

static void set_cfg(int i, ulong cfg)
{
	int shift = i % PER_CFG * 8;
	ulong v = (cfg_word(i) & ~(255ul << shift)) | cfg << shift;
#if __riscv_xlen == 64
	if (i < 8)
		csr_write("pmpcfg0", v);
	else
		csr_write("pmpcfg2", v);
#else
	if (i < 4)
		csr_write("pmpcfg0", v);
	else if (i < 8)
		csr_write("pmpcfg1", v);
	else if (i < 12)
		csr_write("pmpcfg2", v);
	else
		csr_write("pmpcfg3", v);
#endif
	__asm__ volatile("sfence.vma" ::: "memory"); /* 3.7.2 */
}

static void entry(int i, ulong addr, ulong cfg)
{
	set_addr(i, addr);
	set_cfg(i, cfg);
}

static ulong napot(ulong base, ulong size)
{
	return base >> 2 | ((size >> 3) - 1);
}

/* Entry 15 lets S and U reach everything that no other entry speaks of. */
static void clear(void)
{
	for (int i = 0; i < 15; i++)
		entry(i, 0, 0);
	entry(15, -1ul, NAPOT | R | W | X);
}

static const int modes[] = { S, U };
static const char *const mode_names[] = { "S", "U" };

static void fields(void)
{
	section("fields");
	clear();
	set_addr(3, -1ul);
	check("address bits", get_addr(3), ADDR_TOP); /* G = 0: four bytes */
	set_addr(3, 0);
	set_cfg(3, 0x60);
	check("bits 5 and 6", get_cfg(3), 0);
	for (ulong a = 0; a < 4; a++) {
		set_cfg(3, a << 3 | R);
		static char name[] = "mode 0";
		name[5] = (char)('0' + a);
		check(name, get_cfg(3), a << 3 | R);
	}
	set_cfg(3, 0);
	/* R=0 W=1 is reserved and WARL (3.7.1) */
	set_cfg(3, W);
	check("W without R is not kept", (get_cfg(3) & 3) == W, 0);
	set_cfg(3, 0);
	for (int i = 0; i < 16; i++) {
		set_addr(i, 0x1000 + (ulong)i);
		expect("pmpaddr", get_addr(i), 0x1000 + (ulong)i);
	}
	check("sixteen entries", get_addr(15), 0x100f);
	clear();
}

/* All six legal permissions against each kind of access. */
static void permissions(int mode)
{
	static const struct {
		const char *name;
		code *pc;
		ulong need, cause;
	} all[] = {
		{ "lw", p_lw, R, C_LOAD_ACCESS },
		{ "lb", p_lb, R, C_LOAD_ACCESS },
		{ "lr", p_lr, R, C_LOAD_ACCESS },
		{ "sw", p_sw, W, C_STORE_ACCESS },
		{ "sb", p_sb, W, C_STORE_ACCESS },
		{ "amo", p_amo, R | W, C_STORE_ACCESS },
		{ "jump", p_jump, X, C_FETCH_ACCESS },
	};
	static const ulong perms[] = { 0, R, R | W, X, R | X, R | W | X };
	for (unsigned k = 0; k < sizeof perms / sizeof *perms; k++) {
		entry(0, napot(P, 4096), NAPOT | perms[k]);
		for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
			set32(P, 0x00008067); /* ret */
			__asm__ volatile("fence.i" ::: "memory");
			struct trap t = run_in(mode, all[i].pc, P, 0);
			static char name[16];
			memset(name, 0, sizeof name);
			name[0] = perms[k] & R ? 'r' : '-';
			name[1] = perms[k] & W ? 'w' : '-';
			name[2] = perms[k] & X ? 'x' : '-';
			name[3] = ' ';
			for (int c = 0; all[i].name[c]; c++)
				name[4 + c] = all[i].name[c];
			bool allowed = (perms[k] & all[i].need) == all[i].need;
			check_trap(name, t, allowed ? C_NONE : all[i].cause, P);
			/* M is not bound by an unlocked entry */
			t = run_in(M, all[i].pc, P, 0);
			expect("M", t.cause, C_NONE);
		}
	}
	clear();
}

static bool readable(int mode, ulong a)
{
	struct trap t = run_in(mode, p_lb, a, 0);
	if (t.cause != C_NONE)
		expect("tval", t.tval, a);
	return t.cause == C_NONE;
}

/* A deny rule by each address mode: the bytes at both edges, inside and outside. */
static void edges(const char *name, int mode, ulong from, ulong to)
{
	ulong got = 0;
	got = got << 1 | readable(mode, from - 1);
	got = got << 1 | readable(mode, from);
	got = got << 1 | readable(mode, from + (to - from) / 2);
	got = got << 1 | readable(mode, to - 1);
	got = got << 1 | readable(mode, to);
	check(name, got, 0x11);
}

static void address_modes(int mode)
{
	entry(0, P >> 2, NA4);
	edges("na4", mode, P, P + 4);
	entry(0, (P + 0xffc) >> 2, NA4);
	edges("na4 page end", mode, P + 0xffc, P + 0x1000);
	static const struct {
		const char *name;
		ulong size;
	} sizes[] = { { "napot 8", 8 }, { "napot 16", 16 }, { "napot 64", 64 },
		{ "napot 2K", 2048 }, { "napot 4K", 4096 }, { "napot 8K", 8192 },
		{ "napot 64K", 65536 }, { "napot 2M", 0x200000 }, { "napot 4M", 0x400000 } };
	for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
		entry(0, napot(P, sizes[i].size), NAPOT);
		edges(sizes[i].name, mode, P, P + sizes[i].size);
	}
	clear();
	entry(0, P >> 2, 0);
	entry(1, (P + 0x123 * 4) >> 2, TOR);
	edges("tor", mode, P, P + 0x123 * 4);
	entry(0, (P + 0x1800) >> 2, 0);
	entry(1, (P + 0x5004) >> 2, TOR);
	edges("tor over pages", mode, P + 0x1800, P + 0x5004);
	/* pmpaddr below or equal: matches nothing */
	entry(0, (P + 64) >> 2, 0);
	entry(1, (P + 64) >> 2, TOR);
	check("tor empty", readable(mode, P + 60) + readable(mode, P + 64), 2);
	entry(1, P >> 2, TOR);
	check("tor backwards", readable(mode, P) + readable(mode, P + 60), 2);
	clear();
	/* the lower bound of TOR is the address below whatever that entry's own mode is */
	entry(0, napot(P, 16), NAPOT | R);
	entry(1, (P + 64) >> 2, TOR);
	check("tor above napot",
		readable(mode, P) * 100 + readable(mode, P + 16) * 10 + readable(mode, P + 64),
		101);
	clear();
	/* entry 0 as TOR starts at address 0 */
	entry(15, 0, 0);
	entry(0, P >> 2, TOR | R | X | W);
	check("tor from 0", readable(mode, P - 1) * 10 + readable(mode, P), 10);
	clear();
	entry(0, RTC >> 2, 0);
	entry(1, (RTC + 0x1000) >> 2, TOR);
	/* a 32-bit access: what the clock does with bytes is its own matter */
	check_trap("device", run_in(mode, p_lw, RTC + 8, 0), C_LOAD_ACCESS, RTC + 8);
	clear();
}

static void priority(int mode)
{
	/* The lowest entry that matches any byte decides (3.7.1). */
	entry(0, napot(P + 64, 64), NAPOT | R | W);
	entry(1, napot(P, 4096), NAPOT);
	check("hole allowed",
		readable(mode, P + 63) * 1000 + readable(mode, P + 64) * 100 +
			readable(mode, P + 127) * 10 + readable(mode, P + 128),
		110);
	entry(0, napot(P + 64, 64), NAPOT);
	entry(1, napot(P, 4096), NAPOT | R | W);
	check("hole denied",
		readable(mode, P + 63) * 1000 + readable(mode, P + 64) * 100 +
			readable(mode, P + 127) * 10 + readable(mode, P + 128),
		1001);
	entry(0, napot(P + 64, 64), 0); /* OFF matches nothing */
	check("off", readable(mode, P + 64), 1);
	clear();
	/* No match at all: S and U fail, M succeeds, as entries are implemented. */
	entry(15, 0, 0);
	entry(14, (ulong)__bss_end >> 2, TOR | R | W | X);
	entry(13, 0, 0);
	check_trap("no match", run_in(mode, p_lw, P, 0), C_LOAD_ACCESS, P);
	check_trap("no match M", run_in(M, p_lw, P, 0), C_NONE, 0);
	clear();
}

static void partial(int mode)
{
	/* All bytes of an access must be in the matching entry, whatever it allows, else it
	 * fails (3.7.1) - in M as well. */
	setx(P, (ulong)0x1111111122222222ull);
	entry(0, (P + 4) >> 2, NA4 | R | W | X);
	check_trap("word inside", run_in(mode, p_lw, P + 4, 0), C_NONE, 0);
	check_trap("word before", run_in(mode, p_lw, P, 0), C_NONE, 0);
#if __riscv_xlen == 64
	check_trap("ld over upper", run_in(mode, p_lx, P, 0), C_LOAD_ACCESS, P);
	check_trap("sd over upper", run_in(mode, p_sx, P, -1ul), C_STORE_ACCESS, P);
	check_trap("ld over upper M", run_in(M, p_lx, P, 0), C_LOAD_ACCESS, P);
	entry(0, P >> 2, NA4 | R | W | X);
	check_trap("ld over lower", run_in(mode, p_lx, P, 0), C_LOAD_ACCESS, P);
	check_trap("sd over lower", run_in(mode, p_sx, P, -1ul), C_STORE_ACCESS, P);
	check_trap("fld over lower", run_in(mode, p_fld, P, 0), C_LOAD_ACCESS, P);
	check_trap("fsd over lower", run_in(mode, p_fsd, P, 0), C_STORE_ACCESS, P);
	/* two entries that cover it together do not help */
	entry(1, (P + 4) >> 2, NA4 | R | W | X);
	check_trap("two entries", run_in(mode, p_lx, P, 0), C_LOAD_ACCESS, P);
#endif
	clear();
	check("nothing stored", getx(P), (ulong)0x1111111122222222ull);
#ifdef __riscv_c
	/* A 4-byte instruction over the end of what may be executed: the fault names the part
	 * that is denied, epc the instruction (3.1.16). */
	set32(P, 0x00000001); /* c.nop, and the low half of addi a0, a0, 1: 0x00150513 */
	*(volatile uint16_t *)(P + 2) = 0x0513;
	*(volatile uint16_t *)(P + 4) = 0x0015;
	*(volatile uint16_t *)(P + 6) = 0x8082; /* c.ret */
	__asm__ volatile("fence.i" ::: "memory");
	entry(0, (P + 4) >> 2, NA4 | R | W);
	entry(1, (P + 0x1000) >> 2, 0);
	struct trap t = run_in(mode, p_jump, P, 0);
	check("split fetch cause", t.cause, C_FETCH_ACCESS);
	check("split fetch epc", t.epc, P + 2);
	check2("split fetch tval", t.tval, P + 4, P + 2);
	clear();
	/* the same over a page end */
	*(volatile uint16_t *)(P + 0xffc) = 1;
	*(volatile uint16_t *)(P + 0xffe) = 0x0513;
	*(volatile uint16_t *)(P + 0x1000) = 0x0015;
	*(volatile uint16_t *)(P + 0x1002) = 0x8082;
	__asm__ volatile("fence.i" ::: "memory");
	check("page-crossing fetch", run_in(mode, (code *)(P + 0xffc), 41, 0).cause, C_NONE);
	entry(0, napot(P + 0x1000, 4096), NAPOT | R | W);
	t = run_in(mode, p_jump, P + 0xffc, 0);
	check_trap("page-crossing denied", t, C_FETCH_ACCESS, P + 0x1000);
	check("page-crossing epc", t.epc, P + 0xffe);
	clear();
#endif
}

/* Changing the registers takes effect at once (after the fence), again and again. */
static void changes(int mode)
{
	ulong good = 0;
	for (ulong i = 0; i < 200; i++) {
		entry(0, napot(P, 4096), NAPOT | (i & 1 ? R : 0));
		good += readable(mode, P + 8 * i) == (i & 1);
	}
	check("toggled", good, 200);
	clear();
}

/* The walker's accesses are checked as S, and a denied one is an access fault of the kind that
 * the instruction wanted (3.7.2, 4.3.2). */
static void walks(void)
{
	section("walk");
	vm_start(VM_DEFAULT);
	vm_map(0x20000000, P, PTE_R | PTE_W | PTE_X | PTE_A | PTE_D, 0);
	vm_on();
	check_trap("allowed", run_in(S, p_lw, 0x20000000, 0), C_NONE, 0);
	ulong table = (ulong)vm_entry(0x20000000, 0) & ~0xffful;
	entry(0, napot(table, 4096), NAPOT);
	check_trap("load", run_in(S, p_lw, 0x20000000, 0), C_LOAD_ACCESS, 0x20000000);
	check_trap("store", run_in(S, p_sw, 0x20000000, 0), C_STORE_ACCESS, 0x20000000);
	check_trap("amo", run_in(S, p_amo, 0x20000000, 0), C_STORE_ACCESS, 0x20000000);
	check_trap("fetch", run_in(S, p_jump, 0x20000000, 0), C_FETCH_ACCESS, 0x20000000);
	entry(0, napot(table, 4096), NAPOT | R);
	check_trap("readable table", run_in(S, p_lw, 0x20000000, 0), C_NONE, 0);
	/* the page itself */
	entry(0, napot(P, 4096), NAPOT | R);
	check_trap("page read", run_in(S, p_lw, 0x20000000, 0), C_NONE, 0);
	check_trap("page write", run_in(S, p_sw, 0x20000004, 0), C_STORE_ACCESS, 0x20000004);
	/* a part of the page only */
	entry(0, napot(P + 64, 64), NAPOT);
	check_trap("part read", run_in(S, p_lw, 0x2000003c, 0), C_NONE, 0);
	check_trap("part denied", run_in(S, p_lw, 0x20000040, 0), C_LOAD_ACCESS, 0x20000040);
	check_trap("part read after", run_in(S, p_lw, 0x20000080, 0), C_NONE, 0);
	vm_off();
	clear();
}

static void locked(void)
{
	/* M is bound by locked entries, and they stay until reset (3.7.1). */
	section("locked");
	set32(P, 0x00008067);
	set32(P + 4, 0x00008067);
	__asm__ volatile("fence.i" ::: "memory");
	entry(4, napot(P, 64), NAPOT | R | L);
	check("cfg", get_cfg(4), NAPOT | R | L);
	check_trap("M read", run_in(M, p_lw, P, 0), C_NONE, 0);
	check_trap("M write", run_in(M, p_sw, P, 0), C_STORE_ACCESS, P);
	check_trap("M amo", run_in(M, p_amo, P, 0), C_STORE_ACCESS, P);
	check_trap("M fetch", run_in(M, p_jump, P, 0), C_FETCH_ACCESS, P);
	check_trap("S read", run_in(S, p_lw, P, 0), C_NONE, 0);
	check_trap("S write", run_in(S, p_sw, P, 0), C_STORE_ACCESS, P);
	entry(4, 0x1234, NAPOT | R | W | X);
	check("addr stays", get_addr(4), napot(P, 64));
	check("cfg stays", get_cfg(4), NAPOT | R | L);
	set_addr(3, 0x55);
	check("below NAPOT is free", get_addr(3), 0x55);
	/* a lower unlocked entry comes first, also for M */
	entry(3, napot(P, 32), NAPOT | R | W | X);
	check_trap("unlocked first", run_in(M, p_sw, P, 0), C_NONE, 0);
	check_trap("behind it", run_in(M, p_sw, P + 32, 0), C_STORE_ACCESS, P + 32);
	entry(3, 0, 0);
	/* a locked TOR entry locks the address below as well */
	set_addr(6, (P + 0x2000) >> 2);
	entry(7, (P + 0x3000) >> 2, TOR | R | L);
	set_addr(6, 0);
	check("below TOR stays", get_addr(6), (P + 0x2000) >> 2);
	set_cfg(6, NAPOT | R);
	check("its cfg is free", get_cfg(6), NAPOT | R);
	set_cfg(6, 0);
	check_trap("M in TOR", run_in(M, p_sw, P + 0x2ffc, 0), C_STORE_ACCESS, P + 0x2ffc);
	check_trap("M above TOR", run_in(M, p_sw, P + 0x3000, 0), C_NONE, 0);
	/* locked and OFF: nothing is matched, and it stays so */
	entry(8, 0x77, L);
	entry(8, 0x88, NAPOT | R);
	check("off and locked", get_cfg(8) | get_addr(8) << 8, 0x7780);
#if __riscv_xlen == 64
	/* all bytes of an aligned access, in M as well */
	entry(5, (P + 0x100) >> 2, NA4 | R | W | L);
	check_trap("partial M", run_in(M, p_lx, P + 0x100, 0), C_LOAD_ACCESS, P + 0x100);
#endif
}

void test_main(void)
{
	fields();
	for (int i = 0; i < 2; i++) {
		section(mode_names[i]);
		permissions(modes[i]);
		address_modes(modes[i]);
		priority(modes[i]);
		partial(modes[i]);
		changes(modes[i]);
	}
	walks();
	locked();
}
