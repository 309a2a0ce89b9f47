/* SPDX-License-Identifier: MIT */
/* Code that changes what it runs: its own instructions, at every place around a page's end, also by
 * another address; the page it stands in, by its table's entry and by satp, with and without ASIDs; the
 * data beside it (Unprivileged 5; Privileged 4.2.1). Each change is followed by the fence it needs, and
 * the very next instruction must be the new one. smc.c changes code from outside and in one page,
 * vm_tlb.c pages from outside. */
#include "vm.h"

#define P 0x80400000ul /* pages of code */
#define T 0x20000000ul /* where they are seen */
#define W 0x20010000ul /* ... for writing */

#define FENCE_I() __asm__ volatile("fence.i" ::: "memory")

/* a0: where the instruction at 2 is to be written; a1: times. Its immediate counts up. */
SNIPPET(s_count,
	"mv a2, a0\n"
	"lhu a3, 2(a2)\n"
	"li a0, 0\n"
	"li a4, 0\n"
	"1: addi a4, a4, 1\n"
	"andi a5, a4, 0x3ff\n"
	"slli a5, a5, 4\n"
	"add a5, a5, a3\n"
	"sh a5, 2(a2)\n"
	"fence.i\n"
	"2: addi a0, a0, 0\n"
	"bne a4, a1, 1b\n"
	"sh a3, 2(a2)\n"
	"fence.i");
enum { COUNT_WORDS = 15, COUNT_AT = 40 }; /* its length, and label 2 */

/* By halves: code is aligned to 2. */
static void place(ulong to, code *from, ulong words)
{
	for (ulong i = 0; i < 2 * words; i++)
		((volatile uint16_t *)to)[i] = ((volatile uint16_t *)from)[i];
}

static ulong sum_of(ulong times)
{
	ulong sum = 0;
	for (ulong i = 1; i <= times; i++)
		sum += i & 0x3ff;
	return sum;
}

enum { TIMES = 300 };

/* The changed instruction at each even place from 14 bytes before a page's end to 6 behind. */
static void around_the_end(int mode)
{
	ulong good = 0;
	for (ulong at = P + 0x1000 - 14; at <= P + 0x1006; at += 2) {
		place(at - COUNT_AT, s_count, COUNT_WORDS);
		FENCE_I();
		good += run_at(mode, at - COUNT_AT, at, TIMES).value == sum_of(TIMES);
	}
	check("around a page's end", good, 11);
}

/* The same where the two pages lie apart, in the wrong order, and are written by other addresses. */
static void apart(void)
{
	ulong good = 0;
	vm_map(T, P + 0x3000, PTE_RWX, 0);
	vm_map(T + 0x1000, P, PTE_RWX, 0);
	vm_map(W, P + 0x3000, PTE_RW, 0);
	vm_map(W + 0x1000, P, PTE_RW, 0);
	vm_on();
	for (ulong at = 0x1000 - 14; at <= 0x1006; at += 2) {
		for (ulong i = 0; i < 2 * COUNT_WORDS; i++) {
			ulong to = at - COUNT_AT + 2 * i;
			*(volatile uint16_t *)((to < 0x1000 ? P + 0x3000 : P - 0x1000) + to) =
				((volatile uint16_t *)s_count)[i];
		}
		FENCE_I();
		good += run_at(S, T + at - COUNT_AT, T + at, TIMES).value == sum_of(TIMES);
		good += run_at(S, T + at - COUNT_AT, W + at, TIMES).value == sum_of(TIMES);
	}
	check("pages apart", good, 22);
	vm_off();
}

/* Stores into the page, beside the code: 0x800 behind its start. */
SNIPPET(s_beside,
	"li a2, 0\n"
	"li a4, 0x7ff\n"
	"add a4, a4, a0\n"
	"1: sw a2, 1(a4)\n"
	"lw a3, 1(a4)\n"
	"add a2, a3, a1\n"
	"addi a1, a1, -1\n"
	"bnez a1, 1b\n"
	"mv a0, a2");

static void beside(int mode)
{
	place(P, s_beside, 10);
	FENCE_I();
	check_value("data beside code", run_at(mode, P, P, 20000), 20000ul * 20001 / 2);
}

/* ---- pages ---- */

enum { PAGES = 4, STEPS = 64 };
static const uint32_t weights[PAGES] = { 1, 17, 300, 1000 };

static struct orders { /* for what follows: a0 */
	volatile ulong *where;
	ulong va;
	ulong *next, *end;
	ulong asid;
} orders;
static ulong list[STEPS];

/* FENCE stands between the change and the instruction that each page has its own of. */
#define REMAP(name, fence)                                                                         \
	SNIPPET(name,                                                                              \
		"ld a1, 0(a0)\nld a2, 8(a0)\nld a3, 16(a0)\nld a4, 24(a0)\nld a6, 32(a0)\n"        \
		"li a0, 0\n1: ld a5, 0(a3)\nsd a5, 0(a1)\n" fence                                  \
		"\naddi a0, a0, 0\naddi a3, a3, 8\nbne a3, a4, 1b")
REMAP(r_all, "sfence.vma");
REMAP(r_va, "sfence.vma a2, x0");
REMAP(r_asid, "sfence.vma x0, a6");
REMAP(r_va_asid, "sfence.vma a2, a6");
#define SWITCH(name, fence)                                                                        \
	SNIPPET(name,                                                                              \
		"ld a1, 0(a0)\nld a2, 8(a0)\nld a3, 16(a0)\nld a4, 24(a0)\nld a6, 32(a0)\n"        \
		"li a0, 0\n1: ld a5, 0(a3)\ncsrw satp, a5\n" fence                                 \
		"\naddi a0, a0, 0\naddi a3, a3, 8\nbne a3, a4, 1b")
SWITCH(w_fence, "sfence.vma");
SWITCH(w_none, "nop");
enum { REMAP_WORDS = 13, REMAP_OWN = 9 };

/* The same code in each page, but for one immediate. */
static void fill_pages(code *from, ulong offset)
{
	for (ulong i = 0; i < PAGES; i++) {
		place(P + i * 0x1000 + offset, from, REMAP_WORDS);
		set32(P + i * 0x1000 + offset + 4 * REMAP_OWN, 0x00050513 | weights[i] << 20);
	}
	FENCE_I();
}

static ulong seed = 1;
static ulong below(ulong n)
{
	seed = seed * 6364136223846793005ul + 1442695040888963407ul;
	return (seed >> 33) % n;
}

/* A new list; what passing through it gives. */
static ulong draw(const ulong *choices)
{
	ulong sum = 0;
	for (ulong i = 0; i < STEPS; i++) {
		ulong page = below(PAGES);
		list[i] = choices[page];
		sum += weights[page];
	}
	orders.next = list;
	orders.end = list + STEPS;
	return sum;
}

static void remapped(void)
{
	static code *const ways[] = { r_all, r_va, r_asid, r_va_asid };
	static const char *const names[] = { "entry", "entry, address", "entry, ASID",
		"entry, address and ASID" };
	ulong entries[PAGES];
	for (ulong i = 0; i < PAGES; i++)
		entries[i] = vm_pte(P + i * 0x1000, PTE_RWX | PTE_V);
	orders.where = vm_entry(T, 0);
	orders.va = T;
	orders.asid = 5;
	vm_on_asid(5);
	for (int way = 0; way < 4; way++) {
		ulong good = 0;
		fill_pages(ways[way], 0x40);
		for (int i = 0; i < 40; i++) {
			ulong want = draw(entries);
			*vm_entry(T, 0) = entries[i % PAGES];
			vm_flush();
			good += run_at(S, T + 0x40, (ulong)&orders, 0).value == want;
		}
		check(names[way], good, 40);
	}
	/* the page goes away under the code: the fault is the next instruction's */
	list[0] = 0;
	orders.next = list;
	*vm_entry(T, 0) = entries[0];
	vm_flush();
	struct trap t = run_at(S, T + 0x40, (ulong)&orders, 0);
	check_trap("gone", t, C_FETCH_PAGE, T + 0x40 + 4 * REMAP_OWN);
	check("gone at", t.epc, T + 0x40 + 4 * REMAP_OWN);
	vm_off();
}

/* A tree of its own for each page: like the first, but T leads there. */
static ulong roots[PAGES][512] __attribute__((aligned(4096)));
static ulong mids[PAGES][512] __attribute__((aligned(4096)));
static ulong lows[PAGES][512] __attribute__((aligned(4096)));

static void switched(void)
{
	ulong own[PAGES], shared[PAGES];
	*vm_entry(T, 0) = vm_pte(P, PTE_RWX | PTE_V);
	volatile ulong *root = (ulong *)vm_root(), *mid = (ulong *)(root[0] >> 10 << 12);
	for (ulong i = 0; i < PAGES; i++) {
		for (ulong k = 0; k < 512; k++) {
			roots[i][k] = root[k];
			mids[i][k] = mid[k];
			lows[i][k] = 0;
		}
		roots[i][0] = vm_pte((ulong)mids[i], PTE_V);
		mids[i][T >> 21 & 511] = vm_pte((ulong)lows[i], PTE_V);
		lows[i][0] = vm_pte(P + i * 0x1000, PTE_RWX | PTE_V);
		shared[i] = (ulong)VM_DEFAULT << 60 | 9ul << 44 | (ulong)roots[i] >> 12;
		own[i] = (ulong)VM_DEFAULT << 60 | (10 + i) << 44 | (ulong)roots[i] >> 12;
	}
	ulong good = 0;
	fill_pages(w_fence, 0x80);
	for (ulong i = 0; i < 40; i++) {
		ulong want = draw(shared);
		csr_write("satp", shared[i % PAGES]);
		vm_flush();
		good += run_at(S, T + 0x80, (ulong)&orders, 0).value == want;
	}
	check("satp and fence", good, 40);
	good = 0;
	fill_pages(w_none, 0x80);
	vm_flush();
	for (ulong i = 0; i < 40; i++) {
		ulong want = draw(own);
		csr_write("satp", own[i % PAGES]);
		good += run_at(S, T + 0x80, (ulong)&orders, 0).value == want;
	}
	check("satp, other ASID", good, 40);
	vm_off();
}

void test_main(void)
{
	static const int modes[] = { M, S, U };
	static const char *const names[] = { "M", "S", "U" };
	for (int i = 0; i < 3; i++) {
		section(names[i]);
		around_the_end(modes[i]);
		beside(modes[i]);
	}
	section("pages");
	vm_start(VM_DEFAULT);
	apart();
	remapped();
	switched();
}
