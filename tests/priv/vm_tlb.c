/* SPDX-License-Identifier: MIT */
/* What a change of tables needs, and that it then is seen: sfence.vma in all forms, ASIDs, global
 * pages, Svinval (Privileged 4.2.1, 5.3).  Only what the manual promises is checked: stale
 * entries may be seen or not, new ones must be seen after the fence. */
#include "vm.h"

SNIPPET(b_lw, "lw a0, 0(a0)");
SNIPPET(b_sw, "sw a1, 0(a0)");
SNIPPET(b_jump, "jr a0");
SNIPPET(b_fence_all, "sfence.vma");
SNIPPET(b_fence_va, "sfence.vma a0, x0");
SNIPPET(b_fence_asid, "sfence.vma x0, a1");
SNIPPET(b_fence_va_asid, "sfence.vma a0, a1");
SNIPPET(b_inval_all, ".option arch, +svinval\nsfence.w.inval\nsinval.vma x0, x0\nsfence.inval.ir");
SNIPPET(b_inval_va, ".option arch, +svinval\nsfence.w.inval\nsinval.vma a0, x0\nsfence.inval.ir");
SNIPPET(b_inval_asid, ".option arch, +svinval\nsfence.w.inval\nsinval.vma x0, a1\nsfence.inval.ir");
SNIPPET(b_inval_va_asid,
	".option arch, +svinval\nsfence.w.inval\nsinval.vma a0, a1\nsfence.inval.ir");
/* satp is written in S, in the middle of translated code */
SNIPPET(b_switch, "csrw satp, a1\nlw a0, 0(a0)");
SNIPPET(b_switch_back, "csrrw a2, satp, a1\nlw a0, 0(a0)\ncsrw satp, a2");

/* A loop that reads, entered again and again, then loop number a1 of those that write. */
#define WRITES "sw t0, 0(a0)\naddi t0, t0, -1\nbnez t0, "
SNIPPET(b_loops,
	"li t3, 4\n1: li t0, 4\n2: lw t1, 0(a0)\naddi t0, t0, -1\nbnez t0, 2b\n"
	"addi t3, t3, -1\nbnez t3, 1b\nli t0, 4\naddi a1, a1, -1\nbeqz a1, 4f\n"
	"addi a1, a1, -1\nbeqz a1, 5f\naddi a1, a1, -1\nbeqz a1, 6f\n"
	"3: " WRITES "3b\nret\n4: " WRITES "4b\nret\n5: " WRITES "5b\nret\n6: " WRITES "6b");

#define P 0x80400000ul
#define T 0x20000000ul

static const struct {
	const char *name;
	code *pc;
} fences[] = {
	{ "sfence.vma all", b_fence_all },
	{ "sfence.vma va", b_fence_va },
	{ "sfence.vma asid", b_fence_asid },
	{ "sfence.vma va asid", b_fence_va_asid },
	{ "sinval.vma all", b_inval_all },
	{ "sinval.vma va", b_inval_va },
	{ "sinval.vma asid", b_inval_asid },
	{ "sinval.vma va asid", b_inval_va_asid },
};

#define ASID 5

static void each_fence(int mode)
{
	for (unsigned f = 0; f < sizeof fences / sizeof *fences; f++) {
		ulong good = 0;
		vm_map(T, P, PTE_RWX, 0);
		run_in(mode, fences[f].pc, T, ASID);
		for (ulong i = 0; i < 50; i++) {
			ulong page = P + (i & 3) * 0x1000;
			vm_map(T, page, PTE_RWX, 0);
			run_in(mode, fences[f].pc, T + (i & 0xffc),
				ASID); /* any address in the page */
			struct trap t = run_in(S, b_lw, T, 0);
			good += t.cause == C_NONE && t.value == 100 + (i & 3);
			/* less rights, then more */
			vm_map(T, page, PTE_R | PTE_A | PTE_D, 0);
			run_in(mode, fences[f].pc, T, ASID);
			good += run_in(S, b_sw, T, 100 + (i & 3)).cause == C_STORE_PAGE;
			*vm_entry(T, 0) = 0;
			run_in(mode, fences[f].pc, T, ASID);
			good += run_in(S, b_lw, T, 0).cause == C_LOAD_PAGE;
		}
		check(fences[f].name, good, 150);
	}
	*vm_entry(T, 0) = 0;
	vm_flush();
}

/* A changed superpage, by a fence for one address in it (4.2.1: any leaf for that address). */
static void superpage(void)
{
	ulong good = 0;
	for (ulong i = 0; i < 20; i++) {
		vm_map(T, i & 1 ? P : P + 0x400000, PTE_RWX, 1);
		run_in(S, b_fence_va, T + 0x1000, 0);
		good += run_in(S, b_lw, T + 0x1000, 0).value == (i & 1 ? 101u : 201u);
	}
	check("superpage by one address", good, 20);
	/* a leaf becomes a pointer: pages that used the same pages must all be new */
	vm_map(T, P, PTE_RWX, 1);
	vm_flush();
	run_in(S, b_lw, T + 0x1000, 0);
	*vm_entry(T, 1) = 0;
	vm_map(T + 0x1000, P + 0x2000, PTE_RWX, 0);
	vm_flush();
	check_value("leaf to pointer", run_in(S, b_lw, T + 0x1000, 0), 102);
	check_trap("its neighbour", run_in(S, b_lw, T, 0), C_LOAD_PAGE, T);
	*vm_entry(T + 0x1000, 0) = 0;
	vm_flush();
}

static ulong second[4096 / sizeof(ulong)] __attribute__((aligned(4096)));
static ulong second_low[4096 / sizeof(ulong)] __attribute__((aligned(4096)));
static ulong second_mid[4096 / sizeof(ulong)] __attribute__((aligned(4096)));

/* A second tree: like the first but T leads elsewhere. */
static ulong second_tree(ulong page, ulong flags)
{
	volatile ulong *root = (ulong *)vm_root();
	for (unsigned i = 0; i < 4096 / sizeof(ulong); i++)
		second[i] = root[i];
#if __riscv_xlen == 64
	volatile ulong *mid = (ulong *)(root[0] >> 10 << 12);
	for (unsigned i = 0; i < 512; i++)
		second_mid[i] = mid[i];
	second[0] = vm_pte((ulong)second_mid, PTE_V);
	second_mid[T >> 21 & 511] = vm_pte((ulong)second_low, PTE_V);
#else
	(void)second_mid;
	second[T >> 22] = vm_pte((ulong)second_low, PTE_V);
#endif
	memset(second_low, 0, sizeof second_low);
	second_low[0] = vm_pte(page, flags | PTE_V);
	return (ulong)second;
}

static ulong satp_of(ulong root, ulong asid)
{
#if __riscv_xlen == 64
	return (ulong)VM_DEFAULT << 60 | asid << 44 | root >> 12;
#else
	return (ulong)VM_DEFAULT << 31 | asid << 22 | root >> 12;
#endif
}

static void asids(void)
{
	section("asid");
	vm_map(T, P + 0x1000, PTE_RWX, 0);
	ulong one = satp_of(vm_root(), 1);
	ulong two = satp_of(second_tree(P + 0x2000, PTE_RWX), 2);
	csr_write("satp", one);
	vm_flush();
	/* Each keeps its own view without any fence between. */
	ulong good = 0;
	for (ulong i = 0; i < 200; i++) {
		csr_write("satp", i & 1 ? one : two);
		good += run_in(S, b_lw, T, 0).value == (i & 1 ? 101u : 102u);
		/* and the switch inside S-mode code takes effect for the next access */
		good += run_in(S, b_switch, T, i & 1 ? two : one).value == (i & 1 ? 102u : 101u);
	}
	check("two spaces", good, 400);
	csr_write("satp", one);
	good = 0;
	for (ulong i = 0; i < 50; i++)
		good += run_in(S, b_switch_back, T, two).value == 102 &&
			run_in(S, b_lw, T, 0).value == 101;
	check("there and back", good, 50);
	/* A fence for one ASID must reach that ASID's pages, also while another is in use. */
	good = 0;
	for (ulong i = 0; i < 50; i++) {
		second_low[0] = vm_pte(P + (i & 3) * 0x1000, PTE_RWX | PTE_V);
		run_in(S, i & 1 ? b_fence_asid : b_fence_va_asid, T, 2);
		csr_write("satp", two);
		good += run_in(S, b_lw, T, 0).value == 100 + (i & 3);
		csr_write("satp", one);
		good += run_in(S, b_lw, T, 0).value == 101;
	}
	check("fence of another", good, 100);
	/* A global page, the same in both spaces; rs2 = x0 reaches it, too (4.2.1). */
	vm_map(T, P + 0x1000, PTE_RWX | PTE_G, 0);
	second_low[0] = vm_pte(P + 0x1000, PTE_RWX | PTE_G | PTE_V);
	vm_flush();
	good = 0;
	for (ulong i = 0; i < 50; i++) {
		ulong page = P + (i & 3) * 0x1000;
		vm_map(T, page, PTE_RWX | PTE_G, 0);
		second_low[0] = vm_pte(page, PTE_RWX | PTE_G | PTE_V);
		run_in(S, i & 1 ? b_fence_all : b_fence_va, T, 0);
		good += run_in(S, b_lw, T, 0).value == 100 + (i & 3);
		csr_write("satp", i & 2 ? one : two);
		good += run_in(S, b_lw, T, 0).value == 100 + (i & 3);
	}
	check("global", good, 100);
	/* a global entry seen by one space, then found by the other (allowed and right) */
	*vm_entry(T, 0) = 0;
	csr_write("satp", 0);
	vm_flush();
}

/* satp to bare and back. */
static void bare(void)
{
	section("bare");
	vm_map(T, P + 0x1000, PTE_RWX, 0);
	ulong on = satp_of(vm_root(), 0), good = 0;
	for (int i = 0; i < 50; i++) {
		csr_write("satp", on);
		vm_flush();
		good += run_in(S, b_lw, T, 0).value == 101;
		csr_write("satp", 0);
		vm_flush();
		good += run_in(S, b_lw, P + 0x2000, 0).value == 102;
		good += run_in(M, b_lw, P + 0x3000, 0).value == 103;
	}
	check("on and off", good, 150);
	*vm_entry(T, 0) = 0;
}

/* Code: the page under the pc is exchanged. */
static void code_pages(void)
{
	section("code");
	for (ulong i = 0; i < 4; i++) {
		set32(P + i * 0x1000 + 16, 0x00000513 | (uint32_t)(50 + i) << 20); /* li a0, 50+i */
		set32(P + i * 0x1000 + 20, 0x00008067);
	}
	__asm__ volatile("fence.i" ::: "memory");
	vm_on();
	ulong good = 0;
	for (ulong i = 0; i < 200; i++) {
		vm_map(T, P + (i & 3) * 0x1000, PTE_RWX, 0);
		run_in(S, fences[i % 8].pc, T, 0);
		good += run_in(S, b_jump, T + 16, 0).value == 50 + (i & 3);
	}
	check("remapped", good, 200);
	/* one physical page at two addresses and in two modes */
	vm_map(T, P, PTE_RWX, 0);
	vm_map(T + 0x5000, P, PTE_RWX | PTE_U, 0);
	vm_flush();
	good = 0;
	for (ulong i = 0; i < 50; i++) {
		good += run_at(S, T + 16, 0, 0).value == 50;
		good += run_at(U, T + 0x5000 + 16, 0, 0).value == 50;
		good += run_at(M, P + 16, 0, 0).value == 50;
		good += run_at(U, T + 16, 0, 0).cause == C_FETCH_PAGE;
		good += run_at(S, T + 0x5000 + 16, 0, 0).cause == C_FETCH_PAGE;
	}
	check("aliases", good, 250);
	*vm_entry(T, 0) = 0;
	*vm_entry(T + 0x5000, 0) = 0;
	vm_flush();
}

/* What a loop may know of a page that it reads says nothing about writing there. */
static void loops(void)
{
	ulong good = 0;
	for (ulong i = 0; i < 12; i++) {
		vm_map(T, P, i < 8 ? PTE_RWX : PTE_R | PTE_A, 0);
		vm_flush();
		good += run_in(S, b_loops, T, 1 + i % 4).cause == (i < 8 ? C_NONE : C_STORE_PAGE);
	}
	check("loops that read, then write", good, 12);
	*vm_entry(T, 0) = 0;
	vm_flush();
	set32(P, 100);
}

void test_main(void)
{
	vm_start(VM_DEFAULT);
	for (ulong i = 0; i < 4; i++) {
		set32(P + i * 0x1000, (uint32_t)(100 + i));
		set32(P + 0x400000 + i * 0x1000, (uint32_t)(200 + i));
	}
	vm_on_asid(ASID);
	vm_flush();
	section("S");
	each_fence(S);
	section("M");
	each_fence(M);
	section("super");
	superpage();
	asids();
	bare();
	code_pages();
	loops();
	vm_off();
}
