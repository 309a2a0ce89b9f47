/* SPDX-License-Identifier: MIT */
/* Page tables where they make no sense: in devices, in themselves, in the image, all over random
 * memory.  What a walk reads from a device is the device's matter; what counts is that each access
 * ends in a result that the architecture allows and that the machine is alive afterwards. */
#include "vm.h"

SNIPPET(g_lw, "lw a0, 0(a0)");
SNIPPET(g_sw, "sw a1, 0(a0)");
SNIPPET(g_amo, "amoadd.w a0, x0, (a0)");
SNIPPET(g_jump, "jr a0");

#define P 0x80400000ul
#define T 0x20000000ul

#if __riscv_xlen == 64
#define ROOT(ppn) ((ulong)VM_SV39 << 60 | (ppn))
#define PPN_MASK  ((1ul << 44) - 1)
#else
#define ROOT(ppn) ((ulong)VM_SV32 << 31 | (ppn))
#define PPN_MASK  ((1ul << 22) - 1)
#endif

/* Allowed: success, the page fault or the access fault of this kind, and for a fetch also what the
 * instruction found there does. */
static bool sane(struct trap t, int kind, ulong va)
{
	static const ulong page[] = { C_LOAD_PAGE, C_STORE_PAGE, C_STORE_PAGE, C_FETCH_PAGE };
	static const ulong access[] = { C_LOAD_ACCESS, C_STORE_ACCESS, C_STORE_ACCESS,
		C_FETCH_ACCESS };
	if (t.cause == page[kind] || t.cause == access[kind])
		return t.tval == va;
	if (kind == 2 && (t.cause == C_LOAD_PAGE || t.cause == C_LOAD_ACCESS))
		return t.tval == va; /* QEMU's AMO, see differences.toml for traps.c */
	return t.cause == C_NONE || kind == 3;
}

static code *const kinds[] = { g_lw, g_sw, g_amo, g_jump };

/* The image is not mapped: S runs into a fetch fault at once; the data side is tried by MPRV. */
SNIPPET(g_lw_mprv, "csrs mstatus, a1\nlw a0, 0(a0)");
SNIPPET(g_sw_mprv, "csrs mstatus, a1\nsw x0, 0(a0)");
SNIPPET(g_amo_mprv, "csrs mstatus, a1\namoadd.w a0, x0, (a0)");
static code *const mprv_kinds[] = { g_lw_mprv, g_sw_mprv, g_amo_mprv };

static const ulong devices[] = { UART, CLINT, CLINT + 0x4000, CLINT + 0xb000, PLIC, PLIC + 0x200000,
	RTC, VIRTIO(0), VIRTIO(7), FINISHER, FLASH, 0x1000, 0x0, 0x30000000, 0x60000 };

static bool try_all(ulong root)
{
	static const ulong vas[] = {
		0,
		T,
		0x7ffffffcul,
		RAM,
		0xfffffffcul,
#if __riscv_xlen == 64
		0x3ffffffffcul,
		-4ul,
		1ul << 40
#endif
	};
	bool good = true;
	csr_write("satp", root);
	vm_flush();
	for (unsigned i = 0; i < sizeof vas / sizeof *vas; i++) {
		for (int k = 0; k < 3; k++) {
			struct trap t = run_in(M, mprv_kinds[k], vas[i], MPRV | BIT(11));
			csr_write("mstatus", FS(3));
			good = good && sane(t, k, vas[i]);
		}
		struct trap t = run_at(S, vas[i], 0, 0);
		good = good && t.cause != C_NONE;
		t = run_at(U, vas[i], 0, 0);
		good = good && t.cause != C_NONE;
	}
	csr_write("satp", 0);
	vm_flush();
	return good;
}

static void root_in_devices(void)
{
	section("root");
	ulong good = 0;
	for (unsigned i = 0; i < sizeof devices / sizeof *devices; i++)
		good += try_all(ROOT(devices[i] >> 12));
	check("in devices", good, sizeof devices / sizeof *devices);
	check("at the top", try_all(ROOT(PPN_MASK)), 1);
	check("behind RAM", try_all(ROOT((RAM + 0x8000000) >> 12)), 1);
	check("last page of RAM", try_all(ROOT((RAM + 0x7fff000) >> 12)), 1);
}

/* A good root whose pointers lead into devices, at each level. */
static void pointers(void)
{
	section("pointer");
	vm_start(VM_DEFAULT);
	vm_map(T, P, PTE_RWX, 0);
	vm_on();
	for (int level = 1; level < vm_levels(); level++) {
		ulong va = level == 1 ? T : 0xc0000000ul;
		volatile ulong *e = vm_entry(va, level);
		ulong before = *e, good = 0;
		for (unsigned i = 0; i < sizeof devices / sizeof *devices; i++) {
			*e = vm_pte(devices[i], PTE_V);
			vm_flush();
			for (int k = 0; k < 4; k++)
				for (ulong off = 0; off < 0x200000; off += 0x55554)
					good += sane(run_in(S, kinds[k], va + off, 0), k, va + off);
		}
		*e = before;
		static char name[] = "level 0";
		name[6] = (char)('0' + level);
		check(name, good, sizeof devices / sizeof *devices * 4 * 7);
	}
	vm_off();
	set_mtimecmp(0, -1ull); /* A bits may have been tried there */
	set32(CLINT, 0);
}

/* Leaves on devices: loads, stores, fetches from a page of registers through the table. */
static void leaves(void)
{
	section("leaf");
	vm_start(VM_DEFAULT);
	vm_map(T, CLINT, PTE_RWX, 0);
	vm_map(T + 0x1000, CLINT + 0xb000, PTE_RWX, 0);
	vm_map(T + 0x2000, UART, PTE_RWX, 0);
	vm_on();
	check_value("msip", run_in(S, g_lw, T, 0), 0);
	run_in(S, g_sw, T, 1);
	check("msip written", get32(CLINT), 1);
	check_value("msip read", run_in(S, g_lw, T, 0), 1);
	run_in(S, g_sw, T, 0);
	check("mtime", run_in(S, g_lw, T + 0x1ff8, 0).cause, C_NONE);
	struct trap t = run_in(S, g_jump, T + 0x2000, 0);
	check("fetch ends", t.cause != C_NONE, 1);
	/* two pages of different devices under one misaligned load */
	t = run_in(S, g_lw, T + 0xffe, 0);
	check("over two devices ends",
		t.cause == C_NONE || t.cause == C_LOAD_ACCESS || t.cause == C_LOAD_MISALIGNED, 1);
	t = run_in(S, g_lw, T + 1, 0);
	check("misaligned in a device ends",
		t.cause == C_NONE || t.cause == C_LOAD_ACCESS || t.cause == C_LOAD_MISALIGNED, 1);
	vm_off();
}

static ulong self[4096 / sizeof(ulong)] __attribute__((aligned(4096)));

/* A table that points to itself: each level is the same page, the last sees it as a leaf or not. */
static void loops(void)
{
	section("loop");
	ulong me = (ulong)self;
	memset(self, 0, sizeof self);
	self[0] = vm_pte(me, PTE_V); /* a pointer to itself: at level 0 it is invalid */
	self[1] = vm_pte(me, PTE_V | PTE_RW);
	csr_write("satp", ROOT(me >> 12));
	vm_flush();
	struct trap t = run_in(M, g_lw_mprv, 8, MPRV | BIT(11));
	csr_write("mstatus", FS(3));
	check_trap("pointer at every level", t, C_LOAD_PAGE, 8);
	/* entry 1 at level 0 is a leaf on the table itself: the table can write itself */
	t = run_in(M, g_lw_mprv, 0x1000, MPRV | BIT(11));
	csr_write("mstatus", FS(3));
	check("itself as a page", t.value, (ulong)(long)(int32_t)vm_pte(me, PTE_V));
	t = run_in(M, g_sw_mprv, 0x1000 + sizeof(ulong), MPRV | BIT(11)); /* removes entry 1 */
	csr_write("mstatus", FS(3));
	check_trap("store into itself", t, C_NONE, 0);
	vm_flush();
	t = run_in(M, g_lw_mprv, 0x1000, MPRV | BIT(11));
	csr_write("mstatus", FS(3));
	check_trap("gone", t, C_LOAD_PAGE, 0x1000);
	csr_write("satp", 0);
	vm_flush();
}

/* Tables of random words; loads only, for a store might hit anything. */
static void random_tables(void)
{
	section("random");
	uint32_t x = 12345;
	ulong good = 0;
	for (int round = 0; round < 40; round++) {
		for (unsigned i = 0; i < 4096 / sizeof(ulong); i++) {
			ulong v = 0;
			for (unsigned k = 0; k < sizeof(ulong) / 4; k++) {
				x = x * 1664525 + 1013904223;
				v = v << 16 << 16 | x;
			}
#if __riscv_xlen == 64
			v &= (1ul << 54) - 1;
			if (round & 1) /* half of them point into RAM near the tables */
				v = (v & 0x3ff) | ((ulong)self >> 12 << 10);
#endif
			/* no A: a hardware update may only come where D is set as well */
			self[i] = v | PTE_A | PTE_D;
		}
		csr_write("satp", ROOT((ulong)self >> 12));
		vm_flush();
		for (int i = 0; i < 50; i++) {
			x = x * 1664525 + 1013904223;
			ulong va = x & ~3u;
			struct trap t = run_in(M, g_lw_mprv, va, MPRV | BIT(11));
			csr_write("mstatus", FS(3));
			/* a hit on a device may be refused there, or has any value */
			good += sane(t, 0, va);
		}
		csr_write("satp", 0);
		vm_flush();
	}
	check("tables", good, 2000);
}

void test_main(void)
{
	root_in_devices();
	pointers();
	leaves();
	loops();
	random_tables();
	section("");
	check("alive", 1, 1);
}
