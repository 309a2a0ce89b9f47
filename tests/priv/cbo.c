/* SPDX-License-Identifier: MIT */
/* Zicbom, Zicboz, Zicbop: effects, the controls in menvcfg and senvcfg, faults (CMO 1.0.1). */
#include "vm.h"

/* MISC-MEM, funct3 2, rd 0, rs1 a0, operation in imm */
#define CBO(op) ".word 0x0005200f | " #op " << 20"
SNIPPET(z_inval, CBO(0));
SNIPPET(z_clean, CBO(1));
SNIPPET(z_flush, CBO(2));
SNIPPET(z_zero, CBO(4));
SNIPPET(z_unknown, CBO(3));
SNIPPET(z_unknown9, CBO(9));
/* ORI x0, a0: type 0 i, 1 r, 3 w */
SNIPPET(z_prefetch_i, ".word 0x00056013");
SNIPPET(z_prefetch_r, ".word 0x00156013");
SNIPPET(z_prefetch_w, ".word 0x00356013");

#define P     0x80400000ul
#define T     0x20000000ul
#define BLOCK 64ul

#define CBIE(n) ((ulong)(n) << 4)
#define CBCFE   BIT(6)
#define CBZE    BIT(7)

static void fill(void)
{
	for (ulong i = 0; i < 8 * BLOCK; i += 4)
		set32(P + i, 0xa5a50000u | (uint32_t)i);
}

/* Whether [from, to) is zero and the rest of what fill() wrote is as it was. */
static bool zeroed(ulong from, ulong to)
{
	for (ulong i = 0; i < 8 * BLOCK; i += 4)
		if (get32(P + i) != (i >= from && i < to ? 0 : 0xa5a50000u | (uint32_t)i))
			return false;
	return true;
}

static void effects(int mode)
{
	csr_write("menvcfg", CBIE(3) | CBCFE | CBZE);
	csr_write("senvcfg", CBIE(3) | CBCFE | CBZE);
	fill();
	check_trap("zero", run_in(mode, z_zero, P + 2 * BLOCK, 0), C_NONE, 0);
	check("one block", zeroed(2 * BLOCK, 3 * BLOCK), 1);
	fill();
	check_trap("zero inside", run_in(mode, z_zero, P + 2 * BLOCK + 37, 0), C_NONE, 0);
	check("the block around it", zeroed(2 * BLOCK, 3 * BLOCK), 1);
	fill();
	check_trap("clean", run_in(mode, z_clean, P + 5, 0), C_NONE, 0);
	check_trap("flush", run_in(mode, z_flush, P + 5, 0), C_NONE, 0);
	check_trap("inval", run_in(mode, z_inval, P + BLOCK - 1, 0), C_NONE, 0);
	check("nothing changed", zeroed(0, 0), 1); /* coherent memory: no dirty block to lose */
	check("operation 3", run_in(mode, z_unknown, P, 0).cause, C_ILLEGAL);
	check("operation 9", run_in(mode, z_unknown9, P, 0).cause, C_ILLEGAL);
	/* where nothing is */
	check_trap("zero nowhere", run_in(mode, z_zero, 0x80, 0), C_STORE_ACCESS, 0x80);
	/* prefetches never trap */
	static const ulong where[] = { P, 0x10, 1, -1ul, 0x4000000000000000ull & -1ul, UART };
	ulong good = 0;
	for (unsigned i = 0; i < sizeof where / sizeof *where; i++) {
		good += run_in(mode, z_prefetch_i, where[i], 0).cause == C_NONE;
		good += run_in(mode, z_prefetch_r, where[i], 0).cause == C_NONE;
		good += run_in(mode, z_prefetch_w, where[i], 0).cause == C_NONE;
	}
	check("prefetches", good, 18);
	csr_write("menvcfg", 0);
	csr_write("senvcfg", 0);
}

/* CMO 2.4: who may, by both registers; M always may. */
static void controls(void)
{
	static const struct {
		const char *name;
		code *pc;
		ulong bits;
	} all[] = { { "zero", z_zero, CBZE }, { "clean", z_clean, CBCFE },
		{ "flush", z_flush, CBCFE }, { "inval 1", z_inval, CBIE(1) },
		{ "inval 3", z_inval, CBIE(3) } };
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
		for (int on = 0; on < 4; on++) {
			bool m = on & 1, s = on & 2;
			csr_write("menvcfg", m ? all[i].bits : 0);
			csr_write("senvcfg", s ? all[i].bits : 0);
			ulong got = 0;
			got = got << 8 | run_in(M, all[i].pc, P, 0).cause;
			got = got << 8 | run_in(S, all[i].pc, P, 0).cause;
			got = got << 8 | run_in(U, all[i].pc, P, 0).cause;
			ulong want = 0xff0000 | (m ? 0xff : C_ILLEGAL) << 8 |
				(m && s ? 0xff : C_ILLEGAL);
			static char name[16];
			memset(name, 0, sizeof name);
			int n = 0;
			for (const char *p = all[i].name; *p; p++)
				name[n++] = *p;
			name[n++] = ' ';
			name[n++] = m ? 'm' : '-';
			name[n++] = s ? 's' : '-';
			check(name, got, want);
		}
	csr_write("menvcfg", 0);
	csr_write("senvcfg", 0);
	/* illegal comes before any page fault */
	check("illegal before a fault", run_in(S, z_zero, 0x10, 0).cause, C_ILLEGAL);
}

/* CMO 2.5.2: cbo.zero needs what a store needs; the others what a load or a store needs; all
 * report store/AMO faults. */
static void paging(void)
{
	csr_write("menvcfg", CBIE(3) | CBCFE | CBZE);
	csr_write("senvcfg", CBIE(3) | CBCFE | CBZE);
	vm_start(VM_DEFAULT);
	vm_on();
	static const struct {
		const char *name;
		ulong flags;
		bool zero, manage;
	} all[] = { { "absent", 0, false, false },
		{ "read-only", PTE_V | PTE_R | PTE_A | PTE_D, false, true },
		{ "read-write", PTE_V | PTE_RW, true, true },
		{ "user", PTE_V | PTE_RW | PTE_U, false, false } };
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
		*vm_entry(T, 0) = vm_pte(P, all[i].flags);
		vm_flush();
		ulong at = T + 0x140;
		static const struct {
			const char *name;
			code *pc;
		} ops[] = { { "zero", z_zero }, { "clean", z_clean }, { "flush", z_flush },
			{ "inval", z_inval } };
		section(all[i].name);
		for (int k = 0; k < 4; k++) {
			bool good = k ? all[i].manage : all[i].zero;
			check_trap(ops[k].name, run_in(S, ops[k].pc, at, 0),
				good ? C_NONE : C_STORE_PAGE, at);
		}
		ulong good = run_in(S, z_prefetch_i, at, 0).cause == C_NONE;
		good += run_in(S, z_prefetch_r, at, 0).cause == C_NONE;
		good += run_in(S, z_prefetch_w, at, 0).cause == C_NONE;
		check("prefetches", good, 3);
	}
	/* cbo.zero of code is seen after fence.i */
	*vm_entry(T, 0) = 0;
	vm_off();
	csr_write("menvcfg", 0);
	csr_write("senvcfg", 0);
}

void test_main(void)
{
	section("M");
	effects(M);
	section("S");
	effects(S);
	section("U");
	effects(U);
	section("controls");
	controls();
	paging();
}
