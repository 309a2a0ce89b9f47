/* SPDX-License-Identifier: MIT */
/* Code in a flash: as memory, programmed anew, and while the flash shows its status in place of its
 * contents, so that code comes from the device itself, an access for each instruction. (Command set of
 * Intel's StrataFlash; two 16-bit chips side by side. What other devices give as code: smc.c.) */
#include "priv.h"

enum { ARRAY = 0x00ff00ff, STATUS = 0x00700070, PROGRAM = 0x00400040, ERASE = 0x00200020 };
enum { CONFIRM = 0x00d000d0, READY = 0x00800080 };
#define CODE (FLASH + 0x10000)
#define RET  0x00008067u

static void program(ulong at, uint32_t word)
{
	set32(at, PROGRAM);
	set32(at, word);
	for (int i = 0; i < 1000 && (get32(at) & READY) != READY; i++)
		;
	set32(at, ARRAY);
}

static void erase(void)
{
	set32(CODE, ERASE);
	set32(CODE, CONFIRM);
	for (int i = 0; i < 1000 && (get32(CODE) & READY) != READY; i++)
		;
	set32(CODE, ARRAY);
}

static uint32_t li(uint32_t n)
{
	return n << 20 | 10 << 7 | 0x13;
}

static void copy(ulong to, code *from, ulong words)
{
	for (ulong i = 0; i < words; i++)
		program(to + 4 * i, ((volatile uint32_t *)from)[i]);
	__asm__ volatile("fence.i" ::: "memory");
}

/* Bits can only be cleared: each word is the next instruction. */
static void programmed(int mode)
{
	static const uint32_t values[] = { 0x7ff, 0x7f7, 0x3f7, 0x3f1, 0x2b1, 0x0b0, 0x020, 0 };
	ulong good = 0;
	erase();
	program(CODE + 4, RET);
	for (unsigned i = 0; i < sizeof values / sizeof *values; i++) {
		program(CODE, li(values[i]));
		__asm__ volatile("fence.i" ::: "memory");
		good += run_at(mode, CODE, 0, 0).value == values[i];
	}
	check("programmed", good, sizeof values / sizeof *values);
	/* erased, it is all ones: no instruction (Unprivileged 1.5) */
	erase();
	__asm__ volatile("fence.i" ::: "memory");
	check("erased", run_at(mode, CODE, 0, 0).cause, C_ILLEGAL);
}

/* a0: sum; a1: turns of a loop that calls memory in between */
SNIPPET(s_loop, "li a0, 0\n1: add a0, a0, a1\naddi a1, a1, -1\nbnez a1, 1b");
SNIPPET(s_array,
	"lui a2, 0x20010\nli a0, 0\n1: sw a1, 0(a2)\naddi a0, a0, 1\nslti a3, a0, 500\n"
	"bnez a3, 1b");

/* From the start, until the timer comes: 0x0080 is c.addi4spn, and there is nothing else. */
static void from_the_device(int mode)
{
	ulong good = 0, inside = 0;
	for (int i = 0; i < 20; i++) {
		set32(FLASH, STATUS);
		set_mtimecmp(0, mtime() + 100 * (ulong)i);
		csr_write("mie", BIT(MTI));
		struct trap t = run_at(mode, CODE, 5, 0);
		csr_write("mie", 0);
		set_mtimecmp(0, -1ull);
		set32(FLASH, ARRAY);
		good += t.cause == (C_IRQ | MTI) && t.value == 5;
		inside += t.epc >= CODE && t.epc < FLASH + 0x4000000 && !(t.epc & 1);
	}
	check("its status as code", good, 20);
	check("at", inside, 20);
}

/* The code itself gives the command. */
static void under_itself(int mode)
{
	erase();
	copy(CODE, s_array, 7);
	check_value("array to array", run_at(mode, CODE, 0, ARRAY), 500);
	copy(CODE + 0x100, s_loop, 5);
	check_value("a loop", run_at(mode, CODE + 0x100, 0, 30000), 30000ul * 30001 / 2);
	if (mode == M)
		return; /* nothing interrupts it there */
	set_mtimecmp(0, mtime() + 2000);
	csr_write("mie", BIT(MTI));
	struct trap t = run_at(mode, CODE, 0, STATUS);
	csr_write("mie", 0);
	set_mtimecmp(0, -1ull);
	set32(FLASH, ARRAY);
	check("array to status", t.cause, C_IRQ | MTI);
	check("its count", t.value, 0);
}

void test_main(void)
{
	static const int modes[] = { M, S, U };
	static const char *const names[] = { "M", "S", "U" };
	for (int i = 0; i < 3; i++) {
		section(names[i]);
		programmed(modes[i]);
		under_itself(modes[i]);
		if (modes[i] != M)
			from_the_device(modes[i]);
	}
}
