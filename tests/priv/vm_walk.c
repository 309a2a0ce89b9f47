/* SPDX-License-Identifier: MIT */
/* What a leaf allows, at every level (Privileged 4.3.1, 4.3.2, 4.4 to 4.6; Sv32: 4.3). */
#include "vm.h"

SNIPPET(v_lw, "lw a0, 0(a0)");
SNIPPET(v_sw, "sw a1, 0(a0)");
SNIPPET(v_amo, "amoadd.w a0, a1, (a0)");
SNIPPET(v_lr, "lr.w a0, (a0)");
SNIPPET(v_jump, "jr a0");

#ifndef VM_MODE
#define VM_MODE VM_DEFAULT
#endif

#define P   0x80400000ul /* physical page(s) under test; 4 MiB boundary */
#define T   0x20000000ul /* where they are seen */
#define RET 0x00008067u

enum { LOAD, STORE, FETCH };
static code *const kinds[] = { v_lw, v_sw, v_jump };
static const ulong page_fault[] = { C_LOAD_PAGE, C_STORE_PAGE, C_FETCH_PAGE };
static const ulong access_fault[] = { C_LOAD_ACCESS, C_STORE_ACCESS, C_FETCH_ACCESS };

/* The rules of 4.3.1 and 3.1.6.3, said once more. */
static bool allowed(ulong flags, int mode, bool sum, bool mxr, int kind)
{
	if (mode == U && !(flags & PTE_U))
		return false;
	if (mode == S && (flags & PTE_U) && (kind == FETCH || !sum))
		return false;
	if (kind == FETCH)
		return flags & PTE_X;
	if (kind == STORE)
		return flags & PTE_W;
	return flags & PTE_R || (mxr && flags & PTE_X);
}

static struct trap try(int mode, int kind, ulong va)
{
	return run_in(mode, kinds[kind], va, RET);
}

static const char *flag_name(ulong flags, int level)
{
	static char name[] = "level 0 urwx";
	name[6] = (char)('0' + level);
	name[8] = flags & PTE_U ? 'u' : '-';
	name[9] = flags & PTE_R ? 'r' : '-';
	name[10] = flags & PTE_W ? 'w' : '-';
	name[11] = flags & PTE_X ? 'x' : '-';
	return name;
}

/* One bit for each of mode, SUM, MXR and kind of access. */
static void matrix(int level, ulong va, ulong pa)
{
	ulong at = va + (P - pa);
	for (ulong f = 2; f < 32; f += 2) {
		if (!(f & (PTE_R | PTE_W | PTE_X)))
			continue; /* a pointer, not a leaf */
		vm_map(va, pa, f | PTE_A | PTE_D, level);
		vm_flush();
		bool reserved = (f & (PTE_R | PTE_W)) == PTE_W;
		ulong got = 0, want = 0;
		for (int i = 0; i < 8; i++) {
			int mode = i & 1 ? U : S;
			bool sum = i & 2, mxr = i & 4;
			for (int kind = LOAD; kind <= FETCH; kind++) {
				csr_write("mstatus", FS(3) | (sum ? SUM : 0) | (mxr ? MXR : 0));
				struct trap t = try(mode, kind, at);
				bool may = !reserved && allowed(f, mode, sum, mxr, kind);
				got = got << 1 | (t.cause == C_NONE);
				want = want << 1 | may;
				if (t.cause != C_NONE) {
					expect("cause", t.cause, page_fault[kind]);
					expect("tval", t.tval, at);
				}
			}
		}
		check(flag_name(f, level), got, want);
		*vm_entry(va, level) = 0;
	}
	csr_write("mstatus", FS(3));
	vm_flush();
}

static ulong level_size(int level)
{
	return 1ul << (12 + VM_BITS * level);
}

/* An address for a leaf at this level that no other mapping uses, and what it maps. */
static void place(int level, ulong *va, ulong *pa)
{
	*pa = level < 2 ? P : level == 2 ? RAM : 0;
	*va = level < 2 ? T : level == 2 ? 0xc0000000ul : level_size(level);
}

static void supers(void)
{
	for (int level = 0; level < vm_levels(); level++) {
		ulong va, pa;
		place(level, &va, &pa);
		section("");
		matrix(level, va, pa);
		static char name[] = "level 0";
		name[6] = (char)('0' + level);
		section(name);
		/* both ends of it are there, and what lies behind is not */
		vm_map(va, pa, PTE_RWX, level);
		vm_flush();
		set32(P + 0x123c, 0x600d600d + (uint32_t)level);
		if (level) {
			check("inside", run_in(S, v_lw, va + (P - pa) + 0x123c, 0).value,
				(ulong)0x600d600d + (ulong)level);
			if (level == 1) {
				ulong last = va + level_size(1) - 4;
				set32(P + level_size(1) - 4, 0x1a57);
				check_value("last word", run_in(S, v_lw, last, 0), 0x1a57);
			}
		} else {
			set32(P + 0xffc, 0x1a57);
			check_value("last word", run_in(S, v_lw, va + 0xffc, 0), 0x1a57);
		}
		if (va + level_size(level) < 1ul << (12 + VM_BITS * vm_levels() - 1) || level < 2)
			check_trap("behind", run_in(S, v_lw, va + level_size(level), 0),
				C_LOAD_PAGE, va + level_size(level));
		check_trap("before", run_in(S, v_lw, va - 4, 0), C_LOAD_PAGE, va - 4);
		/* each low bit of the page number must be zero (4.3.2 step 6) */
		for (int bit = 0; bit < level * VM_BITS; bit++) {
			*vm_entry(va, level) = vm_pte(pa | level_size(0) << bit, PTE_RWX | PTE_V);
			if (pa >> (12 + bit) & 1)
				continue;
			vm_flush();
			for (int kind = LOAD; kind <= FETCH; kind++) {
				struct trap t = try(S, kind, va);
				expect("misaligned superpage", t.cause, page_fault[kind]);
				expect("its tval", t.tval, va);
			}
		}
		if (level) {
			*vm_entry(va, level) = vm_pte(pa | 0x1000, PTE_RWX | PTE_V);
			vm_flush();
			check_trap("misaligned", run_in(S, v_lw, va, 0), C_LOAD_PAGE, va);
		}
		*vm_entry(va, level) = 0;
		vm_flush();
	}
}

/* Entries that are no leaf and no pointer, at each level. */
static void invalid(void)
{
	for (int level = vm_levels() - 1; level >= 0; level--) {
		ulong va, pa;
		place(level, &va, &pa);
		static char name[] = "invalid 0";
		name[8] = (char)('0' + level);
		section(name);
		volatile ulong *e = vm_entry(va, level);
		ulong before = *e;
		static const struct {
			const char *name;
			ulong flags;
		} all[] = { { "V=0", PTE_RWX }, { "all zero but RWX", PTE_R | PTE_W | PTE_X },
			{ "W only", PTE_V | PTE_W | PTE_A | PTE_D },
			{ "WX", PTE_V | PTE_W | PTE_X | PTE_A | PTE_D } };
		for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
			*e = vm_pte(pa, all[i].flags);
			vm_flush();
			for (int kind = LOAD; kind <= FETCH; kind++) {
				struct trap t = try(S, kind, va);
				expect("cause", t.cause, page_fault[kind]);
				expect("tval", t.tval, va);
			}
			check_trap(all[i].name, run_in(S, v_lw, va, 0), C_LOAD_PAGE, va);
		}
		*e = 0;
		vm_flush();
		check_trap("amo", run_in(S, v_amo, va, 0), C_STORE_PAGE, va);
		check_trap("lr", run_in(S, v_lr, va, 0), C_LOAD_PAGE, va);
		/* A pointer with D, A or U set is reserved (4.3.1); RSW may be anything. */
		if (level) {
			ulong other, below;
			place(level - 1, &other, &below);
			*e = 0;
			vm_map(va, below, PTE_RWX, level - 1);
			static const struct {
				const char *name;
				ulong bit;
				bool good;
			} bits[] = {
				{ "pointer A", PTE_A, false },
				{ "pointer D", PTE_D, false },
				{ "pointer U", PTE_U, false },
				{ "pointer G", PTE_G, true },
				{ "pointer RSW", 0x300, true },
#if __riscv_xlen == 64
				{ "pointer N", PTE_N, false },
				{ "pointer PBMT 1", PTE_PBMT(1), false },
				{ "pointer PBMT 3", PTE_PBMT(3), false },
				{ "pointer bit 54", BIT(54), false },
				{ "pointer bit 60", BIT(60), false }
#endif
			};
			ulong pointer = *vm_entry(va, level);
			for (unsigned i = 0; i < sizeof bits / sizeof *bits; i++) {
				*e = pointer | bits[i].bit;
				vm_flush();
				check_trap(bits[i].name, run_in(S, v_lw, va + (P - below), 0),
					bits[i].good ? C_NONE : C_LOAD_PAGE, va + (P - below));
			}
			*e = pointer;
			*vm_entry(va, level - 1) = 0;
		}
		*e = 0;
#if __riscv_xlen == 64
		/* bits 54 to 60 of a leaf are reserved; RSW is free */
		ulong faults = 0;
		for (int bit = 54; bit <= 60; bit++) {
			*e = vm_pte(pa, PTE_RWX | PTE_V) | BIT(bit);
			vm_flush();
			faults |= (ulong)(run_in(S, v_lw, va, 0).cause == C_LOAD_PAGE)
				<< (bit - 54);
		}
		check("leaf bits 54 to 60", faults, 0x7f);
#endif
		*e = vm_pte(pa, PTE_RWX | PTE_V | 0x300);
		vm_flush();
		check_trap("leaf RSW", run_in(S, v_lw, va + (P - pa), 0), C_NONE, 0);
		*e = before;
		vm_flush();
	}
	/* A pointer at the last level (4.3.2 step 4). */
	section("pointer at level 0");
	*vm_entry(T, 0) = vm_pte(P, PTE_V);
	vm_flush();
	for (int kind = LOAD; kind <= FETCH; kind++) {
		static const char *const names[] = { "load", "store", "fetch" };
		check_trap(names[kind], try(S, kind, T), page_fault[kind], T);
	}
	*vm_entry(T, 0) = 0;
	vm_flush();
}

/* Tables and pages where nothing is: access faults of the kind of the instruction (4.3.2). */
static void nowhere(void)
{
	section("nowhere");
	static const char *const names[] = { "load", "store", "fetch" };
	static const char *const tables[] = { "table load", "table store", "table fetch" };
	vm_map(T, 0x10000, PTE_RWX, 0); /* beside the boot ROM: unused on virt */
	vm_flush();
	for (int kind = LOAD; kind <= FETCH; kind++)
		check_trap(names[kind], try(S, kind, T), access_fault[kind], T);
	*vm_entry(T, 0) = 0;
	volatile ulong *e = vm_entry(T, 1);
	ulong before = *e;
#if __riscv_xlen == 64
	*e = vm_pte(0xfffffffff000, PTE_V);
#else
	*e = vm_pte(0x10000, PTE_V);
#endif
	vm_flush();
	for (int kind = LOAD; kind <= FETCH; kind++)
		check_trap(tables[kind], try(S, kind, T), access_fault[kind], T);
	*e = before;
	vm_flush();
}

void test_main(void)
{
	vm_start(VM_MODE);
	set32(P, RET);
	__asm__ volatile("fence.i" ::: "memory");
	vm_on();
	supers();
	invalid();
	nowhere();
	vm_off();
}
