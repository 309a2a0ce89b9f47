/* SPDX-License-Identifier: MIT */
/* Self-modifying code, fence.i and jumps where no code is (Unprivileged 5; 2.5; Privileged 3.1.15). */
#include "vm.h"

#define P   0x80400000ul
#define RET 0x00008067u

/* li a0, n */
static uint32_t li(uint32_t n)
{
	return n << 20 | 10 << 7 | 0x13;
}
#define FENCE_I() __asm__ volatile("fence.i" ::: "memory")

/* A loop that rewrites its own addi, a1 times: the immediate counts up.
 * a0: sum; the code is patched by a store and a fence.i in the loop itself. */
SNIPPET(s_patch,
	"li a0, 0\n"
	"la a2, 2f\n"
	"lw a3, 0(a2)\n" /* addi a0, a0, 0 */
	"li a4, 0\n"
	"1: addi a4, a4, 1\n"
	"slli a5, a4, 20\n"
	"add a5, a5, a3\n"
	"sw a5, 0(a2)\n"
	"fence.i\n"
	"2: addi a0, a0, 0\n"
	"bne a4, a1, 1b\n"
	"sw a3, 0(a2)\n"
	"fence.i");

/* Patches the instruction right behind the fence. */
SNIPPET(s_next, "la a2, 1f\nsw a1, 0(a2)\nfence.i\n1: addi a0, x0, 0");

/* A store into the running block, a little behind it, with the fence at once. */
SNIPPET(s_near, "la a2, 1f\nsw a1, 0(a2)\nfence.i\nnop\nnop\nnop\n1: addi a0, x0, 0");

static void patched(int mode)
{
	check_value("loop", run_in(mode, s_patch, 0, 500), 500 * 501 / 2);
	ulong good = 0;
	for (uint32_t i = 1; i < 200; i++) {
		good += run_in(mode, s_next, 0, li(i)).value == i;
		good += run_in(mode, s_near, 0, li(i)).value == i;
	}
	check("next and near", good, 398);
}

static void rewritten(void)
{
	section("rewritten");
	ulong good = 0;
	/* the same address many times, from outside */
	for (uint32_t i = 0; i < 1000; i++) {
		set32(P, li(i));
		set32(P + 4, RET);
		FENCE_I();
		good += run_at(i % 3 == 2 ? M : (int)(i % 3), P, 0, 0).value == i;
	}
	check("by word", good, 1000);
	/* by bytes: only the immediate changes */
	good = 0;
	for (uint32_t i = 0; i < 128; i++) {
		set8(P + 3, (uint8_t)i);
		FENCE_I();
		good += run_at(S, P, 0, 0).value == ((i << 4 | (999 & 15)) & 0xfff);
	}
	check("by byte", good, 128);
	/* code that runs over a page end, either half changed */
	good = 0;
	for (uint32_t i = 1; i < 100; i++) {
		set32(P + 0xff8, li(i));
		set32(P + 0xffc, 0x00150513); /* addi a0, a0, 1 */
		set32(P + 0x1000, 0x00050513 | (i & 7) << 20);
		set32(P + 0x1004, RET);
		FENCE_I();
		good += run_at(S, P + 0xff8, 0, 0).value == i + 1 + (i & 7);
	}
	check("over a page", good, 99);
	/* moved as a block: copy code to many places */
	good = 0;
	for (ulong i = 0; i < 64; i++) {
		ulong at = P + 0x2000 + i * 0x84;
		set32(at, li((uint32_t)i));
		set32(at + 4, RET);
		FENCE_I();
		good += run_at(U, at, 0, 0).value == i;
	}
	for (ulong i = 0; i < 64; i++)
		good += run_at(U, P + 0x2000 + i * 0x84, 0, 0).value == i;
	check("many places", good, 128);
	/* written with amo and with a wide store */
	set32(P, li(1));
	FENCE_I();
	run_at(S, P, 0, 0);
	__asm__ volatile("amoswap.w x0, %0, (%1)" ::"r"(li(2)), "r"(P) : "memory");
	FENCE_I();
	check_value("by amo", run_at(S, P, 0, 0), 2);
#if __riscv_xlen == 64
	setx(P, (ulong)RET << 32 | li(3));
	FENCE_I();
	check_value("by sd", run_at(S, P, 0, 0), 3);
#endif
	set32(P, li(4));
	set32(P + 2,
		li(4) >> 16 | RET << 16); /* misaligned: the same upper half, and lower of ret */
	FENCE_I();
	check_value("misaligned", run_at(S, P, 0, 0), 4);
}

/* Jumps to where no instruction can be. */
static void wild(int mode)
{
	static const struct {
		const char *name;
		ulong at;
	} nowhere[] = {
		{ "address 0", 0 },
		{ "above RAM", RAM + 0x10000000 },
		{ "between devices", 0x60000 },
#if __riscv_xlen == 64
		{ "far", 0x123456789abc },
		{ "farthest", -4096ul },
		{ "half", 0x8000000000000000 },
		{ "all but RAM", 0xffffffff80000000 }
#else
		{ "farthest", -4096ul },
		{ "far", 0x1f000000 }
#endif
	};
	for (unsigned i = 0; i < sizeof nowhere / sizeof *nowhere; i++) {
		struct trap t = run_at(mode, nowhere[i].at, 0, 0);
		check_trap(nowhere[i].name, t, C_FETCH_ACCESS, nowhere[i].at);
		expect("epc", t.epc, nowhere[i].at);
	}
	/* the last word of RAM, then off its end */
	ulong end = RAM + 0x8000000;
	set32(end - 4, 0x00000013);
	FENCE_I();
	struct trap t = run_at(mode, end - 4, 0, 0);
	check_trap("off the end of RAM", t, C_FETCH_ACCESS, end);
	check("its epc", t.epc, end);
	/* Data as code: all zeroes and all ones are illegal by definition (1.5). */
	set32(P, 0);
	set32(P + 4, 0xffffffff);
	FENCE_I();
	check("zeroes", run_at(mode, P, 0, 0).cause, C_ILLEGAL);
	check("ones", run_at(mode, P + 4, 0, 0).cause, C_ILLEGAL);
}

/* Devices are no place to execute from: an access fault, or whatever their bytes mean; it must end.
 * Only what both sides do alike is printed: that a trap came back. */
static void devices(int mode)
{
	static const ulong at[] = { CLINT, CLINT + 0x4000, CLINT_MTIME, PLIC, PLIC + 0x200004, UART,
		RTC, VIRTIO(0), VIRTIO(7), FINISHER };
	ulong ended = 0;
	for (unsigned i = 0; i < sizeof at / sizeof *at; i++) {
		struct trap t = run_at(mode, at[i], 0, 0);
		ended += t.cause == C_FETCH_ACCESS || t.cause == C_ILLEGAL || t.cause < 16;
	}
	check("devices", ended, sizeof at / sizeof *at);
}

/* A jump loop over many fresh blocks, each written before it is run: no bound may be hit. */
static void churn(void)
{
	section("churn");
	ulong good = 0;
	for (uint32_t round = 0; round < 20; round++)
		for (uint32_t i = 0; i < 256; i++) {
			ulong at = P + 0x10000 + i * 4096;
			set32(at, li((i + round) & 0x7ff));
			set32(at + 4, RET);
			FENCE_I();
			good += run_at(S, at, 0, 0).value == ((i + round) & 0x7ff);
		}
	check("pages", good, 20 * 256);
}

/* Code that writes over itself until it cannot go on. */
SNIPPET(s_eat, "la a1, 1f\n1: sw x0, 0(a1)\nfence.i\naddi a1, a1, 4\nj 1b");

static void eaten(int mode)
{
	/* a copy, so that it can be repeated: the loop's first word becomes 0 and the second
	 * pass meets it */
	volatile uint32_t *from = (uint32_t *)s_eat;
	for (int k = 0; k < 8; k++)
		set32(P + 4 * (ulong)k, from[k]);
	FENCE_I();
	struct trap t = run_at(mode, P, 0, 0);
	check_trap_tval0("eaten", t, C_ILLEGAL, 0);
	check("eaten at", t.epc, P + 8);
}

void test_main(void)
{
	static const int modes[] = { M, S, U };
	static const char *const names[] = { "M", "S", "U" };
	for (int i = 0; i < 3; i++) {
		section(names[i]);
		patched(modes[i]);
		wild(modes[i]);
		devices(modes[i]);
		eaten(modes[i]);
	}
	rewritten();
	churn();
}
