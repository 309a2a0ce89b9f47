/* SPDX-License-Identifier: MIT */
/* Page tables for the tests (Privileged 4.3 to 4.6). */
#pragma once

#include "priv.h"

#define PTE_V       0x01ul
#define PTE_R       0x02ul
#define PTE_W       0x04ul
#define PTE_X       0x08ul
#define PTE_U       0x10ul
#define PTE_G       0x20ul
#define PTE_A       0x40ul
#define PTE_D       0x80ul
#define PTE_N       BIT(63)
#define PTE_PBMT(n) ((ulong)(n) << 61)
#define PTE_RW      (PTE_R | PTE_W | PTE_A | PTE_D)
#define PTE_RWX     (PTE_RW | PTE_X)

#if __riscv_xlen == 64
enum { VM_SV39 = 8, VM_SV48, VM_SV57, VM_DEFAULT = VM_SV39 };
#define VM_BITS 9
#else
enum { VM_SV32 = 1, VM_DEFAULT = VM_SV32 };
#define VM_BITS 10
#endif

/* A new tree for this satp mode: the image at its own addresses for S, and below U_IMAGE for U. */
void vm_start(int mode);
void vm_on(void); /* satp, ASID 0, and a fence */
void vm_on_asid(ulong asid);
void vm_off(void);
/* A leaf at a level (0: 4 KiB), V included; tables on the way are made. */
void vm_map(ulong va, ulong pa, ulong flags, int level);
/* The entry for va at a level, whatever it holds; tables on the way are made. */
volatile ulong *vm_entry(ulong va, int level);
ulong vm_root(void);
int vm_levels(void);
ulong vm_pte(ulong pa, ulong flags);
void vm_flush(void);

#define U_IMAGE 0x40000000ul
