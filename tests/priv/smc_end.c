/* SPDX-License-Identifier: MIT */
/* Half an instruction at the end of RAM.  Apart from smc.c because QEMU 7.2 ends with an assertion
 * here (translator.c: phys_page != -1); see no_qemu in programs.toml. */
#include "priv.h"

static void half(int mode)
{
	ulong end = RAM + 0x8000000;
	*(volatile uint16_t *)(end - 2) = 0x0513;
	__asm__ volatile("fence.i" ::: "memory");
	struct trap t = run_at(mode, end - 2, 0, 0);
	check_trap("fault", t, C_FETCH_ACCESS, end);
	check("epc", t.epc, end - 2);
	/* a whole one before it, in one block */
	*(volatile uint16_t *)(end - 4) = 1;
	__asm__ volatile("fence.i" ::: "memory");
	t = run_at(mode, end - 4, 0, 0);
	check_trap("after another", t, C_FETCH_ACCESS, end);
	check("epc after another", t.epc, end - 2);
}

void test_main(void)
{
	section("M");
	half(M);
	section("S");
	half(S);
	section("U");
	half(U);
}
