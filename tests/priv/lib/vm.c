/* SPDX-License-Identifier: MIT */
#include "vm.h"

#define TABLES 48
static ulong tables[TABLES][4096 / sizeof(ulong)] __attribute__((aligned(4096)));
static int used, levels, satp_mode;

void vm_flush(void)
{
	__asm__ volatile("sfence.vma" ::: "memory");
}

ulong vm_pte(ulong pa, ulong flags)
{
	return pa >> 12 << 10 | flags;
}

ulong vm_root(void)
{
	return (ulong)tables[0];
}

int vm_levels(void)
{
	return levels;
}

volatile ulong *vm_entry(ulong va, int level)
{
	volatile ulong *table = tables[0];
	for (int i = levels - 1;; i--) {
		volatile ulong *e = &table[va >> (12 + VM_BITS * i) & ((1ul << VM_BITS) - 1)];
		if (i == level)
			return e;
		if (!(*e & PTE_V)) {
			if (used == TABLES)
				fatal(0, 0, va);
			*e = vm_pte((ulong)tables[used++], PTE_V);
		}
		table = (volatile ulong *)(*e >> 10 << 12);
	}
}

void vm_map(ulong va, ulong pa, ulong flags, int level)
{
	*vm_entry(va, level) = vm_pte(pa, flags | PTE_V);
}

void vm_start(int mode)
{
	vm_off();
	memset(tables, 0, sizeof tables);
	used = 1;
	satp_mode = mode;
	levels = __riscv_xlen == 64 ? mode - 5 : 2;
	ulong big = 1ul << (12 + VM_BITS);
	for (ulong at = 0; at < 0x400000; at += big) {
		vm_map(RAM + at, RAM + at, PTE_RWX, 1);
		vm_map(U_IMAGE + at, RAM + at, PTE_RWX | PTE_U, 1);
	}
	u_alias = U_IMAGE - RAM;
}

void vm_on_asid(ulong asid)
{
#if __riscv_xlen == 64
	csr_write("satp", (ulong)satp_mode << 60 | asid << 44 | vm_root() >> 12);
#else
	csr_write("satp", (ulong)satp_mode << 31 | asid << 22 | vm_root() >> 12);
#endif
}

void vm_on(void)
{
	vm_on_asid(0);
	vm_flush();
}

void vm_off(void)
{
	csr_write("satp", 0);
	vm_flush();
	u_alias = 0;
}
