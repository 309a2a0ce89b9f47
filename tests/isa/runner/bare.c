/* SPDX-License-Identifier: MIT */
/*
 * The runner on the bare machine riscv-virt: cases stand in memory at CASES, results go to
 * RESULTS, and the test finisher ends the machine. Cases run in user mode under a page table that
 * maps what runner-user maps.
 */
#include "runner.h"

#define CASES         0xc0000000
#define RESULTS       0xe0000000
#define FINISHER      0x100000
#define FINISHER_PASS 0x5555
#define FINISHER_FAIL 0x3333

#define PTE_V        1
#define PTE_USER_ALL 0xdf /* V R W X U A D */

#define MSTATUS_VS (3 << 9)
#define MSTATUS_FS (3 << 13)

#if __riscv_xlen == 64
#define SATP_MODE (8ul << 60) /* Sv39 */
#define VPN1(va)  ((va) >> 21 & 511)
#define ENTRIES   512
#else
#define SATP_MODE (1ul << 31) /* Sv32 */
#define VPN1(va)  ((va) >> 22)
#define ENTRIES   1024
#endif

/* A CSR that is not there is passed over: setup_trap, which uses t6. */
#define write_csr(name, value) __asm__ volatile("csrw " #name ", %0" ::"r"((uptr)(value)) : "t6")
#define read_csr(name)                                                                             \
	({                                                                                         \
		uptr value_;                                                                       \
		__asm__ volatile("csrr %0, " #name : "=r"(value_));                                \
		value_;                                                                            \
	})

void run(const struct state *start, struct state *end);

static uptr root[ENTRIES] __attribute__((aligned(PAGE)));
static uptr code_table[ENTRIES] __attribute__((aligned(PAGE)));
static uptr data_table[ENTRIES] __attribute__((aligned(PAGE)));
#if __riscv_xlen == 64
static uptr middle[ENTRIES] __attribute__((aligned(PAGE)));
#endif
static u8 pages[1 + DATA_PAGES][PAGE] __attribute__((aligned(PAGE)));

static void finish(u32 code)
{
	*(volatile u32 *)FINISHER = code ? code << 16 | FINISHER_FAIL : FINISHER_PASS;
	for (;;)
		__asm__ volatile("wfi");
}

static uptr pte(const void *to, uptr flags)
{
	return ((uptr)to >> 12) << 10 | flags;
}

static void map_pages(void)
{
#if __riscv_xlen == 64
	root[0] = pte(middle, PTE_V);
	middle[VPN1(CODE_VA)] = pte(code_table, PTE_V);
	middle[VPN1(DATA_VA)] = pte(data_table, PTE_V);
#else
	root[VPN1(CODE_VA)] = pte(code_table, PTE_V);
	root[VPN1(DATA_VA)] = pte(data_table, PTE_V);
#endif
	code_page = pages[0];
	code_table[0] = pte(code_page, PTE_USER_ALL);
	for (u32 i = 0; i < DATA_PAGES; i++) {
		if (i == HOLE_PAGE)
			continue;
		data_pages[i] = pages[1 + i];
		data_table[i] = pte(pages[1 + i], PTE_USER_ALL & ~8); /* not executable */
	}
}

static void set_up_hart(void)
{
	write_csr(medeleg, 0);
	write_csr(mcounteren, 7);
	write_csr(scounteren, 7);
	write_csr(pmpaddr0, -1ul);
	write_csr(pmpcfg0, 0x1f); /* all of memory, read, write, execute */
	write_csr(0x30a, 0xf0); /* menvcfg, senvcfg: the cbo instructions as they are */
	write_csr(0x10a, 0xf0);
	write_csr(mstatus, MSTATUS_FS | MSTATUS_VS);
	write_csr(satp, SATP_MODE | (uptr)root >> 12);
	__asm__ volatile("sfence.vma");
}

static u64 cause_of(uptr cause)
{
	switch (cause) {
	case 3: return CAUSE_BREAK;
	case 2: return CAUSE_ILLEGAL;
	case 1: /* access faults */
	case 5:
	case 7:
	case 12: /* page faults */
	case 13:
	case 15: return CAUSE_FAULT;
	case 0:
	case 4:
	case 6: return CAUSE_MISALIGNED;
	default: return CAUSE_OTHER;
	}
}

static void run_case(const struct test_case *c, struct state *end)
{
	prepare(c);
	if (runner_flags & HAS_F)
		load_f(&c->state, runner_flags);
	if (runner_flags & HAS_V)
		load_v(&c->state);
	run(&c->state, end);
	if (runner_flags & HAS_V)
		save_v(end);
	if (runner_flags & HAS_F)
		save_f(end, runner_flags);
	end->x[0] = read_csr(mepc);
	end->cause = cause_of(read_csr(mcause));
	end->tval = end->cause == CAUSE_FAULT ? read_csr(mtval) : 0;
	end->memory = hash_memory(&c->state);
}

void bare_main(void)
{
	const struct header *header = (const struct header *)CASES;
	struct header *results = (struct header *)RESULTS;
	const u8 *c = (const u8 *)CASES + PAGE;
	u8 *r = (u8 *)RESULTS + PAGE;

	if (header->magic != MAGIC)
		finish(3);
	map_pages();
	set_up_hart();
	runner_flags = header->flags;
	if (runner_flags & HAS_V && read_vlenb() != header->vlenb)
		finish(7);
	for (u64 i = 0; i < header->count; i++) {
		run_case((const struct test_case *)c, (struct state *)r);
		c += header->case_size;
		r += header->result_size;
		results->status = i + 1;
	}
	finish(0);
}
