/* SPDX-License-Identifier: MIT */
/* Accessed and dirty bits: page faults under Svade (ADUE = 0), hardware updates under Svadu
 * (ADUE = 1).  Privileged 4.3.1, 3.1.18 (menvcfg.ADUE), Svadu. */
#include "vm.h"

SNIPPET(a_lw, "lw a0, 0(a0)");
SNIPPET(a_sw, "sw a1, 0(a0)");
SNIPPET(a_amo, "amoadd.w a0, x0, (a0)");
SNIPPET(a_lr, "lr.w a0, (a0)");
SNIPPET(a_lr_sc, "lr.w a2, (a0)\nsc.w a0, a2, (a0)");
SNIPPET(a_jump, "jr a0");
SNIPPET(a_lw_mprv, "csrs mstatus, a1\nlw a0, 0(a0)");
SNIPPET(a_sw_mprv, "csrs mstatus, a1\nsw x0, 0(a0)");

#define P   0x80400000ul
#define T   0x20000000ul
#define RET 0x00008067u

static void adue(bool on)
{
#if __riscv_xlen == 64
	if (on)
		csr_set("menvcfg", BIT(61));
	else
		csr_clear("menvcfg", BIT(61));
#else
	if (on)
		csr_set("0x31a", BIT(29));
	else
		csr_clear("0x31a", BIT(29));
#endif
	vm_flush();
}

static const struct {
	const char *name;
	code *pc;
	ulong cause; /* the page fault it raises when a bit is missing */
	bool writes;
} all[] = {
	{ "load", a_lw, C_LOAD_PAGE, false },
	{ "lr", a_lr, C_LOAD_PAGE, false },
	{ "fetch", a_jump, C_FETCH_PAGE, false },
	{ "store", a_sw, C_STORE_PAGE, true },
	{ "amo", a_amo, C_STORE_PAGE, true },
};

static void each(bool hardware, int level, int mode)
{
	set32(P, RET);
	__asm__ volatile("fence.i" ::: "memory");
	ulong va = level ? T : T + 0x1000, user = mode == U ? PTE_U : 0;
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
		for (ulong ad = 0; ad < 4; ad++) {
			/* A and D as given; D without A is a legal entry, too */
			ulong flags = PTE_R | PTE_W | PTE_X | user | (ad & 1 ? PTE_A : 0) |
				(ad & 2 ? PTE_D : 0);
			vm_map(va, P, flags, level);
			vm_flush();
			struct trap t = run_in(mode, all[i].pc, va, RET);
			ulong need = PTE_A | (all[i].writes ? PTE_D : 0);
			ulong pte = *vm_entry(va, level) & (PTE_A | PTE_D);
			static char name[24];
			memset(name, 0, sizeof name);
			const char *p = all[i].name;
			int n = 0;
			while (*p)
				name[n++] = *p++;
			name[n++] = ' ';
			name[n++] = ad & 1 ? 'A' : '-';
			name[n++] = ad & 2 ? 'D' : '-';
			bool fault = !hardware && (flags & need) != need;
			/* the trap and the entry after it in one number: cause, then A and D */
			check(name, t.cause << 8 | pte,
				(fault ? all[i].cause : C_NONE) << 8 |
					(fault ? flags & (PTE_A | PTE_D)
					       : (flags & (PTE_A | PTE_D)) | need));
			if (fault && t.cause == all[i].cause)
				expect("tval", t.tval, va);
		}
	}
	*vm_entry(va, level) = 0;
	vm_flush();
}

/* A bit is set only by an access that is allowed. */
static void refused(void)
{
	section("refused");
	vm_map(T, P, PTE_R | PTE_X, 0); /* no W */
	vm_flush();
	check_trap("store", run_in(S, a_sw, T, 0), C_STORE_PAGE, T);
	check("D of it", *vm_entry(T, 0) & PTE_D, 0);
	vm_map(T, P, PTE_R | PTE_U, 0);
	vm_flush();
	check_trap("S on U page", run_in(S, a_lw, T, 0), C_LOAD_PAGE, T);
	check("A of it", *vm_entry(T, 0) & PTE_A, 0);
	vm_map(T, P, PTE_R | PTE_W, 0);
	vm_flush();
	check_trap("fetch without X", run_in(S, a_jump, T, 0), C_FETCH_PAGE, T);
	check("A of that", *vm_entry(T, 0) & PTE_A, 0);
	*vm_entry(T, 0) = 0;
	vm_flush();
}

/* A page read first and written later must be walked again for D. */
static void later(bool hardware)
{
	ulong good = 0;
	for (int i = 0; i < 50; i++) {
		vm_map(T, P, PTE_R | PTE_W | PTE_X | PTE_A, 0);
		vm_flush();
		good += run_in(S, a_lw, T, 0).cause == C_NONE;
		good += !(*vm_entry(T, 0) & PTE_D);
		struct trap t = run_in(S, a_sw, T, RET);
		good += t.cause == (hardware ? C_NONE : C_STORE_PAGE);
		good += !!(*vm_entry(T, 0) & PTE_D) == hardware;
	}
	check("write after read", good, 200);
	vm_map(T, P, PTE_R | PTE_W | PTE_X | PTE_A, 0);
	vm_flush();
	struct trap t = run_in(S, a_lr_sc, T, 0);
	check("lr sc", t.cause, hardware ? C_NONE : C_STORE_PAGE);
	check("lr sc D", *vm_entry(T, 0) & PTE_D, hardware ? PTE_D : 0);
	vm_map(T, P, PTE_R | PTE_W | PTE_X, 0);
	vm_flush();
	t = run_in(M, a_lw_mprv, T, MPRV | BIT(11));
	csr_write("mstatus", FS(3));
	check("mprv load", t.cause << 8 | (*vm_entry(T, 0) & (PTE_A | PTE_D)),
		hardware ? C_NONE << 8 | PTE_A : C_LOAD_PAGE << 8);
	t = run_in(M, a_sw_mprv, T, MPRV | BIT(11));
	csr_write("mstatus", FS(3));
	check("mprv store", t.cause << 8 | (*vm_entry(T, 0) & (PTE_A | PTE_D)),
		hardware ? C_NONE << 8 | PTE_A | PTE_D : C_STORE_PAGE << 8);
	*vm_entry(T, 0) = 0;
	vm_flush();
}

/* The update needs to write the table: PMP denies that, an access fault (4.3.2 step 7). */
static void table_is_read_only(void)
{
	section("table under PMP");
	set32(P, RET);
	__asm__ volatile("fence.i" ::: "memory");
	vm_map(T, P, PTE_R | PTE_W | PTE_X, 0);
	ulong table = (ulong)vm_entry(T, 0) & ~0xffful;
	csr_write("pmpaddr1", -1ul);
	csr_write("pmpaddr0", table >> 2 | 0x1ff);
	csr_write("pmpcfg0", 0x1f19);
	vm_flush();
	check_trap("load", run_in(S, a_lw, T, 0), C_LOAD_ACCESS, T);
	check_trap("store", run_in(S, a_sw, T, 0), C_STORE_ACCESS, T);
	check_trap("fetch", run_in(S, a_jump, T, 0), C_FETCH_ACCESS, T);
	check("untouched", *vm_entry(T, 0) & (PTE_A | PTE_D), 0);
	*vm_entry(T, 0) |= PTE_A | PTE_D;
	vm_flush();
	check_trap("nothing to update", run_in(S, a_sw, T, RET), C_NONE, 0);
	open_pmp();
	csr_write("pmpaddr1", 0);
	*vm_entry(T, 0) = 0;
	vm_flush();
}

void test_main(void)
{
	vm_start(VM_DEFAULT);
	set32(P, RET);
	__asm__ volatile("fence.i" ::: "memory");
	vm_on();
	for (int on = 0; on < 2; on++) {
		adue(on);
		for (int level = 0; level < 2; level++)
			for (int u = 0; u < 2; u++) {
				static char name[] = "svadu level 0 S";
				name[4] = on ? 'u' : 'e';
				name[12] = (char)('0' + level);
				name[14] = u ? 'U' : 'S';
				section(name);
				each(on, level, u ? U : S);
			}
		section(on ? "svadu" : "svade");
		later(on);
	}
	refused();
	table_is_read_only();
	adue(false);
	vm_off();
}
