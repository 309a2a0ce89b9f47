/* SPDX-License-Identifier: MIT */
/* Reboot by the test finisher (0x7777): the machine starts again with the image as loaded and the
 * state that reset defines (Privileged 3.4).  How often it started is kept in RAM behind the
 * image, which a warm reset leaves alone. */
#include "priv.h"

#define KEPT  (RAM + 0x7000000)
#define MAGIC 0x600dcafeu
#define BOOTS 4

static volatile uint32_t in_data = 0x1234; /* changed before each reboot, restored by it */

SNIPPET(r_lw, "lw a0, 0(a0)");

static void reset_values(void)
{
	/* start.S has run: it wrote mtvec and mscratch, priv.c pmp0, medeleg, satp and mstatus;
	 * first_state was taken before all that. */
	extern ulong first_state[4];
	check("mstatus MIE MPRV", first_state[0] & (MIE | MPRV), 0);
	check("mcause", first_state[1], 0); /* no distinction between causes of a reset (3.4) */
	check("pmpcfg A and L", first_state[2] & (ulong)0x9898989898989898ull, 0);
	check("hart in a0", first_state[3], 0);
	check("data restored", in_data, 0x1234);
	/* devices are in their reset state */
	check("uart ier", get8(UART + 1), 0);
	check("msip", get32(CLINT), 0);
	check("plic enable", get32(PLIC + 0x2000), 0);
	check("plic priority", get32(PLIC + 4 * 10), 0);
}

void test_main(void)
{
	bool first = get32(KEPT) != MAGIC;
	uint32_t boot = first ? 1 : get32(KEPT + 4) + 1;
	set32(KEPT, MAGIC);
	set32(KEPT + 4, boot);
	static char name[] = "boot 0";
	name[5] = (char)('0' + boot);
	section(name);
	reset_values();
	if (boot == BOOTS) {
		section("");
		check("boots", boot, BOOTS);
		return;
	}
	/* leave as much behind as possible */
	in_data = 0x5678;
	set8(UART + 1, 2);
	set32(PLIC + 0x2000, 0xfffffffe);
	set32(PLIC + 4 * 10, 3);
	set32(CLINT, 1);
	csr_write("mie", -1ul);
	csr_write("menvcfg", 0xf0);
	csr_write("medeleg", -1ul);
	csr_write("pmpcfg0", 0);
	csr_write("pmpaddr0", (RAM + 0x6000000) >> 2);
	csr_write("pmpcfg0", 0x90); /* locked, no access */
	check("locked", run_in(M, r_lw, RAM + 0x6000000, 0).cause, C_LOAD_ACCESS);
	csr_write("mstatus", FS(3) | MPRV | MPP | SUM | TVM);
	finish_code(0x7777);
}
