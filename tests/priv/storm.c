/* SPDX-License-Identifier: MIT */
/* Storms: traps whose handler traps, interrupts that never end, a fence at each step, all address-space
 * identifiers there are, and faults at random places between tables that change and timer interrupts.
 * Nothing may hang, grow or be lost (Privileged 3.1.6.1, 3.1.15, 4.1.3, 4.2.1). */
#include "vm.h"

#define P 0x80400000ul
#define T 0x20000000ul

static ulong seed = 1;
static ulong below(ulong n)
{
	seed = seed * 6364136223846793005ul + 1442695040888963407ul;
	return (seed >> 33) % n;
}

/* ---- handlers that trap ---- */

SNIPPET(s_jump, "jr a0");
SNIPPET(s_ecall, ".balign 4\necall");
SNIPPET(s_illegal, ".balign 4\n.word 0");
SNIPPET(s_load, ".balign 4\nlw a0, 0(x0)");
SNIPPET(s_ebreak, ".balign 4\nebreak");

/* S goes from one trap to the next for ever; the timer of M ends it. */
static void in_itself(const char *name, ulong handler)
{
	ulong good = 0;
	/* On a busy host the timer may come before the first instruction: then once more. */
	for (int i = 0, tries = 0; i < 5 && tries < 1000; tries++) {
		csr_write("medeleg", 0xb3fful);
		csr_write("stvec", handler);
		set_mtimecmp(0, mtime() + 2000);
		csr_write("mie", BIT(MTI));
		struct trap t = run_in(S, s_jump, handler, 0);
		set_mtimecmp(0, -1ull);
		if (t.cause == (C_IRQ | MTI) && t.epc == (ulong)s_jump)
			continue;
		good += t.cause == (C_IRQ | MTI) && t.epc == handler && t.mode == M;
		i++;
	}
	csr_write("mie", 0);
	csr_write("medeleg", 0);
	csr_write("stvec", strap);
	check(name, good, 5);
}

static void handlers(void)
{
	section("handler");
	in_itself("where nothing is", 0x60000);
	in_itself("ecall", (ulong)s_ecall);
	in_itself("illegal", (ulong)s_illegal);
	in_itself("load", (ulong)s_load);
	in_itself("ebreak", (ulong)s_ebreak);
	vm_start(VM_DEFAULT);
	vm_on();
	in_itself("no page", T);
	in_itself("half", 0xffffffff00000000ul);
	vm_map(T, P, PTE_R | PTE_A | PTE_D, 0);
	vm_flush();
	in_itself("no code", T);
	vm_off();
}

/* ---- interrupts ---- */

/* The interrupt is still pending when this returns, so not one instruction runs in between. */
struct counter {
	ulong save, left, taken;
};
extern code counting;
__asm__(".text\n.balign 4\n.globl counting\ncounting:\n"
	"csrrw sp, mscratch, sp\n"
	"sd t0, 0(sp)\n"
	"ld t0, 16(sp)\n"
	"addi t0, t0, 1\n"
	"sd t0, 16(sp)\n"
	"ld t0, 8(sp)\n"
	"addi t0, t0, -1\n"
	"sd t0, 8(sp)\n"
	"bnez t0, 1f\n"
	"csrw mie, x0\n"
	"1: ld t0, 0(sp)\n"
	"csrrw sp, mscratch, sp\n"
	"mret");

static void interrupts(void)
{
	enum { TIMES = 50000 };
	static struct counter c;
	ulong vector = csr_read("mtvec"), scratch = csr_read("mscratch"), steps = 0;
	section("interrupt");
	c.left = TIMES;
	csr_write("mtvec", (ulong)counting);
	csr_write("mscratch", (ulong)&c);
	set_mtimecmp(0, 0);
	set32(CLINT, 1);
	csr_write("mie", BIT(MTI) | BIT(MSI));
	csr_set("mstatus", MIE);
	while (*(volatile ulong *)&c.left)
		steps++;
	csr_clear("mstatus", MIE);
	set_mtimecmp(0, -1ull);
	set32(CLINT, 0);
	csr_write("mtvec", vector);
	csr_write("mscratch", scratch);
	check("again and again", c.taken, TIMES);
	check("nothing between", steps, 0);
}

/* ---- fences and spaces ---- */

/* a0: a page of pointers to itself; a1: times */
SNIPPET(s_fences,
	"mv a2, a0\nli a0, 0\n"
	"1: sfence.vma\nld a2, 0(a2)\nsfence.vma a2, x0\nsd a2, 0(a2)\nsfence.vma x0, a1\n"
	"ld a2, 0(a2)\nsfence.vma a2, a1\nfence.i\naddi a0, a0, 3\naddi a1, a1, -1\nbnez a1, 1b");

/* a0: satp without an ASID; a1: how many ASIDs, from the last to 0. Sum of what T holds. */
SNIPPET(s_spaces,
	"mv a2, a0\nli a0, 0\nlui a5, 0x20000\n"
	"1: addi a1, a1, -1\nslli a4, a1, 44\nor a4, a4, a2\ncsrw satp, a4\nlw a3, 0(a5)\n"
	"add a0, a0, a3\nbnez a1, 1b");

static void fences(void)
{
	enum { TIMES = 20000 };
	ulong good = 0;
	section("fence");
	vm_start(VM_DEFAULT);
	vm_map(T, P, PTE_RWX, 0);
	setx(P, T);
	vm_on();
	check_value("at each step", run_in(S, s_fences, T, TIMES), 3 * TIMES);
	setx(P, 5);
	ulong satp = csr_read("satp");
	for (int i = 0; i < 3; i++)
		good += run_in(S, s_spaces, satp, 0x10000).value == 5 * 0x10000ul;
	check("all spaces", good, 3);
	vm_off();
}

/* ---- at random ---- */

enum { PAGES = 32, TIMES = 6000 };

/* Each can be begun again after an interrupt. */
SNIPPET(s_read, "lw a0, 0(a0)");
SNIPPET(s_write, "sw a1, 0(a0)\nli a0, 0");
SNIPPET(s_both, "lw a2, 0(a0)\nsw a2, 0(a0)\nmv a0, a2");
SNIPPET(s_flush_all, "sfence.vma");
SNIPPET(s_flush_va, "sfence.vma a0, x0");
SNIPPET(s_flush_asid, "sfence.vma x0, a1");
static code *const flushes[] = { s_flush_all, s_flush_va, s_flush_asid };

static struct page {
	ulong where, rights; /* 0: none */
} pages[PAGES];

/* Until no interrupt came first; it may come later each time. */
static struct trap until_done(code *what, ulong a0, ulong a1, ulong *came)
{
	struct trap t;
	for (ulong tries = 0;; tries++) {
		set_mtimecmp(0, mtime() + below(4) + tries * tries);
		csr_write("mie", BIT(MTI));
		t = run_in(S, what, a0, a1);
		csr_write("mie", 0);
		set_mtimecmp(0, -1ull);
		if (t.cause != (C_IRQ | MTI))
			return t;
		++*came;
	}
}

static void change(ulong n)
{
	static const ulong rights[] = { 0, PTE_R | PTE_A, PTE_RW, PTE_RWX };
	struct page *p = &pages[n];
	p->rights = rights[below(4)];
	p->where = below(PAGES);
	*vm_entry(T + n * 0x1000, 0) =
		p->rights ? vm_pte(P + p->where * 0x1000, p->rights | PTE_V) : 0;
	run_in(S, flushes[below(3)], T + n * 0x1000, 0);
}

static bool one(ulong n, ulong *came)
{
	const struct page *p = &pages[n];
	ulong va = T + n * 0x1000;
	struct trap t;
	switch (below(3)) {
	case 0:
		t = until_done(s_read, va, 0, came);
		return p->rights ? t.cause == C_NONE && t.value == 100 + p->where
				 : t.cause == C_LOAD_PAGE && t.tval == va;
	case 1:
		t = until_done(s_both, va, 7, came);
		if (p->rights & PTE_W)
			return t.cause == C_NONE && t.value == 100 + p->where;
		return t.cause == (p->rights ? C_STORE_PAGE : C_LOAD_PAGE) && t.tval == va;
	default:
		t = until_done(s_write, va, (uint32_t)(100 + p->where), came);
		return p->rights & PTE_W ? t.cause == C_NONE
					 : t.cause == C_STORE_PAGE && t.tval == va;
	}
}

static void at_random(void)
{
	ulong good = 0, came = 0;
	section("random");
	vm_start(VM_DEFAULT);
	vm_on();
	for (ulong i = 0; i < PAGES; i++) {
		set32(P + i * 0x1000, (uint32_t)(100 + i));
		change(i);
	}
	for (ulong i = 0; i < TIMES; i++) {
		change(below(PAGES));
		good += one(below(PAGES), &came);
	}
	vm_off();
	check("accesses", good, TIMES);
	check("interrupts came", came > 100, 1);
}

void test_main(void)
{
	handlers();
	interrupts();
	fences();
	at_random();
}
