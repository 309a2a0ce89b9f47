/* SPDX-License-Identifier: MIT */
/* Svnapot (Privileged 5.2) and Svpbmt (5.4). */
#include "vm.h"

SNIPPET(n_lw, "lw a0, 0(a0)");
SNIPPET(n_sw, "sw a1, 0(a0)");
SNIPPET(n_jump, "jr a0");
SNIPPET(n_amo, "amoadd.w a0, x0, (a0)");
SNIPPET(n_cross, "ld a0, 0(a0)");
SNIPPET(n_fence_va, "sfence.vma a0, x0");

#define P     0x80400000ul
#define T     0x20000000ul
#define PBMTE BIT(62)

static void pbmt(void)
{
	section("svpbmt");
	set32(P, 0x8067);
	for (int on = 0; on < 2; on++) {
		if (on)
			csr_set("menvcfg", PBMTE);
		else
			csr_clear("menvcfg", PBMTE);
		vm_flush();
		for (ulong type = 0; type < 4; type++)
			for (int level = 0; level < 3; level++) {
				ulong va = level == 2 ? 0xc0000000ul : T;
				ulong pa = level == 2 ? RAM : P;
				ulong at = va + (P - pa);
				*vm_entry(va, level) = vm_pte(pa, PTE_RWX | PTE_V) | PTE_PBMT(type);
				vm_flush();
				bool good = type == 0 || (on && type != 3);
				static char name[] = "pbmte 0 type 0 level 0";
				name[6] = (char)('0' + on);
				name[13] = (char)('0' + type);
				name[21] = (char)('0' + level);
				ulong load = run_in(S, n_lw, at, 0).cause;
				ulong store = run_in(S, n_sw, at, 0x8067).cause;
				__asm__ volatile("fence.i" ::: "memory");
				ulong fetch = run_in(S, n_jump, at, 0).cause;
				check(name, load << 16 | store << 8 | fetch,
					good ? 0xffffff
					     : C_LOAD_PAGE << 16 | C_STORE_PAGE << 8 |
							C_FETCH_PAGE);
				*vm_entry(va, level) = 0;
			}
	}
	/* in a pointer it is reserved, enabled or not */
	vm_map(T, P, PTE_RWX, 0);
	ulong pointer = *vm_entry(T, 1);
	for (ulong type = 1; type < 4; type++) {
		*vm_entry(T, 1) = pointer | PTE_PBMT(type);
		vm_flush();
		static char name[] = "pointer type 0";
		name[13] = (char)('0' + type);
		check_trap(name, run_in(S, n_lw, T, 0), C_LOAD_PAGE, T);
	}
	*vm_entry(T, 1) = pointer;
	csr_clear("menvcfg", PBMTE);
	*vm_entry(T, 0) = 0;
	vm_flush();
}

static void napot(void)
{
	section("svnapot");
	for (ulong i = 0; i < 16; i++) {
		set32(P + i * 0x1000, (uint32_t)(300 + i));
		set32(P + i * 0x1000 + 0xffc, (uint32_t)(0x4000 + i));
	}
	/* 64 KiB: PPN[3:0] = 1000, the same entry in all sixteen places */
	ulong entry = vm_pte(P + 0x8000, PTE_RWX | PTE_V) | PTE_N;
	for (ulong i = 0; i < 16; i++)
		*vm_entry(T + i * 0x1000, 0) = entry;
	vm_flush();
	ulong good = 0;
	for (ulong i = 0; i < 16; i++)
		good += run_in(S, n_lw, T + i * 0x1000, 0).value == 300 + i;
	check("64 KiB", good, 16);
	good = 0;
	for (ulong i = 0; i < 15; i++) /* over the pages inside */
		good += run_in(S, n_cross, T + i * 0x1000 + 0xffc, 0).value ==
			(0x4000 + i) + ((301 + i) << 32);
	check("crossing inside", good, 15);
	for (ulong i = 0; i < 16; i++)
		good += run_in(S, n_sw, T + i * 0x1000 + 8, 77 + i).cause == C_NONE &&
			get32(P + i * 0x1000 + 8) == 77 + i;
	check("stores", good, 31);
	check_trap("behind", run_in(S, n_lw, T + 0x10000, 0), C_LOAD_PAGE, T + 0x10000);
	/* the fence for one address in it removes it for all, if all entries change */
	for (ulong i = 0; i < 16; i++)
		*vm_entry(T + i * 0x1000, 0) = 0;
	for (ulong i = 0; i < 16; i++)
		run_in(S, n_fence_va, T + i * 0x1000, 0);
	check_trap("removed", run_in(S, n_lw, T + 0x3000, 0), C_LOAD_PAGE, T + 0x3000);
	/* all other low bits of the page number are reserved with N */
	good = 0;
	for (ulong low = 0; low < 16; low++) {
		if (low == 8)
			continue;
		*vm_entry(T, 0) = vm_pte(P + low * 0x1000, PTE_RWX | PTE_V) | PTE_N;
		vm_flush();
		struct trap t = run_in(S, n_lw, T, 0);
		good += t.cause == C_LOAD_PAGE && t.tval == T;
	}
	check("reserved sizes", good, 15);
	*vm_entry(T, 0) = 0;
	/* N in a superpage leaf is reserved */
	*vm_entry(T, 1) = vm_pte(P, PTE_RWX | PTE_V) | PTE_N;
	vm_flush();
	check_trap("superpage with N", run_in(S, n_lw, T, 0), C_LOAD_PAGE, T);
	*vm_entry(T, 1) = 0;
	/* rights hold as for any page */
	*vm_entry(T, 0) = vm_pte(P + 0x8000, PTE_R | PTE_A | PTE_V) | PTE_N;
	vm_flush();
	check_trap("read-only", run_in(S, n_sw, T, 0), C_STORE_PAGE, T);
	check_trap("read-only amo", run_in(S, n_amo, T, 0), C_STORE_PAGE, T);
	*vm_entry(T, 0) = 0;
	vm_flush();
}

void test_main(void)
{
	vm_start(VM_SV39);
	vm_on();
	pbmt();
	napot();
	vm_off();
}
