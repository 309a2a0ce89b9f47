/* SPDX-License-Identifier: MIT */
/* Four harts: start by IPI, LR/SC and AMO contention, locks, message passing, remote fences,
 * reservations lost to another hart, timers and WFI on each (Privileged 3.1.9, 3.2.1, 4.2.1;
 * Unprivileged 13, 17). */
#include "vm.h"

#define HARTS 4
#define P     0x80400000ul
#define T     0x20000000ul

typedef ulong job(ulong hart);

static struct {
	job *volatile what;
	volatile ulong result, done;
} jobs[HARTS] __attribute__((aligned(64)));
static volatile ulong alive;

static void fence(void)
{
	__asm__ volatile("fence rw, rw" ::: "memory");
}

static void ipi(ulong hart)
{
	fence();
	set32(CLINT + 4 * hart, 1);
}

/* The other harts: sleep until msip, do one job, tell. */
void hart_main(ulong hart)
{
	csr_write("mstatus", FS(3));
	csr_write("satp", 0);
	csr_write("medeleg", 0);
	csr_write("mideleg", 0);
	open_pmp();
	set_mtimecmp(hart, -1ull);
	__asm__ volatile("amoadd.w x0, %0, (%1)" ::"r"(1), "r"(&alive) : "memory");
	for (;;) {
		csr_write("mie", BIT(MSI));
		while (!(csr_read("mip") & BIT(MSI)))
			__asm__ volatile("wfi");
		set32(CLINT + 4 * hart, 0);
		csr_write("mie", 0);
		fence();
		if (!jobs[hart].what)
			continue;
		jobs[hart].result = jobs[hart].what(hart);
		jobs[hart].what = 0;
		fence();
		jobs[hart].done = 1;
	}
}

static void start(ulong hart, job *what)
{
	jobs[hart].done = 0;
	jobs[hart].what = what;
	ipi(hart);
}

static ulong finish_job(ulong hart)
{
	while (!jobs[hart].done)
		;
	fence();
	return jobs[hart].result;
}

/* All four at the same time; the sum of what they return. */
static ulong everywhere(job *what)
{
	for (ulong h = 1; h < HARTS; h++)
		start(h, what);
	ulong sum = what(0);
	for (ulong h = 1; h < HARTS; h++)
		sum += finish_job(h);
	return sum;
}

static ulong who(ulong hart)
{
	return csr_read("mhartid") == hart ? (ulong)1 << 8 * hart : 0;
}

static volatile ulong total __attribute__((aligned(64)));
static volatile ulong guarded;
static volatile uint32_t lock __attribute__((aligned(64)));
static volatile uint32_t ticket, serving;

#define TURNS 5000

static ulong add(ulong hart)
{
	(void)hart;
	for (int i = 0; i < TURNS; i++)
		__asm__ volatile("amoadd.w x0, %0, (%1)" ::"r"(1), "r"(&total) : "memory");
	return 0;
}

static ulong add_returns(ulong hart)
{
	/* each value is handed out once: the sum of all old values is known */
	(void)hart;
	ulong sum = 0;
	for (int i = 0; i < TURNS; i++) {
		ulong old;
		__asm__ volatile("amoadd.w %0, %1, (%2)"
				 : "=&r"(old)
				 : "r"(1), "r"(&total)
				 : "memory");
		sum += old;
	}
	return sum;
}

static ulong lr_sc(ulong hart)
{
	(void)hart;
	for (int i = 0; i < TURNS; i++)
		__asm__ volatile(
			"1: lr.w t0, (%0)\naddi t0, t0, 1\nsc.w t1, t0, (%0)\nbnez t1, 1b" ::"r"(
				&total)
			: "t0", "t1", "memory");
	return 0;
}

static ulong mixed(ulong hart)
{
	/* two harts by AMO, two by LR/SC, on one word */
	return hart & 1 ? add(hart) : lr_sc(hart);
}

static ulong swap_lock(ulong hart)
{
	(void)hart;
	for (int i = 0; i < TURNS; i++) {
		uint32_t held;
		do
			__asm__ volatile("amoswap.w.aq %0, %1, (%2)"
					 : "=&r"(held)
					 : "r"(1), "r"(&lock)
					 : "memory");
		while (held);
		guarded = guarded + 1;
		__asm__ volatile("amoswap.w.rl x0, x0, (%0)" ::"r"(&lock) : "memory");
	}
	return 0;
}

static ulong ticket_lock(ulong hart)
{
	(void)hart;
	for (int i = 0; i < TURNS / 10; i++) {
		uint32_t mine;
		__asm__ volatile("amoadd.w %0, %1, (%2)"
				 : "=&r"(mine)
				 : "r"(1), "r"(&ticket)
				 : "memory");
		while (serving != mine)
			;
		fence();
		guarded = guarded + 1;
		fence();
		serving = mine + 1;
	}
	return 0;
}

static ulong bits(ulong hart)
{
	/* each hart flips its own byte by wide atomics */
	ulong mine = (ulong)0x11 << 8 * hart;
	for (int i = 0; i < TURNS; i++)
#if __riscv_xlen == 64
		__asm__ volatile("amoxor.d x0, %0, (%1)" ::"r"(mine), "r"(&total) : "memory");
#else
		__asm__ volatile("amoxor.w x0, %0, (%1)" ::"r"(mine), "r"(&total) : "memory");
#endif
	return (total >> 8 * hart & 0xff) == 0; /* an even number of times */
}

static volatile ulong data, flag, seen_bad;

/* Message passing: with fences the data is there when the flag is (17). */
static ulong message(ulong hart)
{
	if (hart > 1)
		return 0;
	/* flag: 2i = empty, 2i + 1 = full */
	for (ulong i = 0; i < 3000; i++) {
		while (flag != 2 * i + hart)
			;
		if (hart == 0) {
			data = i * 7;
			__asm__ volatile("fence w, w" ::: "memory");
		} else {
			__asm__ volatile("fence r, r" ::: "memory");
			if (data != i * 7)
				seen_bad = seen_bad + 1;
			fence();
		}
		flag = 2 * i + hart + 1;
	}
	return 0;
}

static void contention(void)
{
	section("contention");
	check("who", everywhere(who), 0x01010101);
	total = 0;
	everywhere(add);
	check("amoadd", total, HARTS * TURNS);
	total = 0;
	ulong n = HARTS * TURNS;
	check("amoadd results", everywhere(add_returns), n * (n - 1) / 2);
	total = 0;
	everywhere(lr_sc);
	check("lr sc", total, HARTS * TURNS);
	total = 0;
	everywhere(mixed);
	check("mixed", total, HARTS * TURNS);
	guarded = 0;
	everywhere(swap_lock);
	check("swap lock", guarded, HARTS * TURNS);
	guarded = 0;
	everywhere(ticket_lock);
	check("ticket lock", guarded, HARTS * (TURNS / 10));
	total = 0;
	check("bits", everywhere(bits), HARTS);
	flag = seen_bad = 0;
	everywhere(message);
	check("message passing", seen_bad, 0);
}

static volatile ulong step;
static uint32_t word __attribute__((aligned(64)));

static void set_step(ulong n)
{
	fence();
	step = n;
}

static void wait_step(ulong n)
{
	while (step != n)
		;
	fence();
}

static volatile uint32_t stored;

static ulong store_between(ulong hart)
{
	(void)hart;
	wait_step(1);
	*(volatile uint32_t *)&word = stored;
	set_step(2);
	return 0;
}

/* The reservation is lost to another hart's store, even of the same value (13.2). */
static void reservations(void)
{
	section("reservation");
	for (int same = 0; same < 2; same++) {
		ulong good = 0;
		for (int i = 0; i < 50; i++) {
			word = 5;
			stored = same ? 5 : 6;
			step = 0;
			start(1, store_between);
			ulong failed;
			__asm__ volatile(
				"lr.w t0, (%1)\n"
				"fence\n"
				"li t1, 1\n" STR(REG_S) " t1, 0(%2)\n"
							"1: " STR(REG_L) " t1, 0(%2)\n"
									 "addi t1, t1, -2\n"
									 "bnez t1, 1b\n"
									 "fence\n"
									 "sc.w %0, %3, (%1)"
				: "=&r"(failed)
				: "r"(&word), "r"(&step), "r"(9)
				: "t0", "t1", "memory");
			finish_job(1);
			good += failed && word == stored;
		}
		check(same ? "same value stored" : "other value stored", good, 50);
	}
}

/* Code changed by one hart and fenced on another by IPI. */
static ulong run_code(ulong hart)
{
	(void)hart;
	__asm__ volatile("fence.i" ::: "memory");
	return run_at(S, P, 0, 0).value;
}

static void remote_code(void)
{
	section("remote fence.i");
	ulong good = 0;
	for (uint32_t i = 0; i < 100; i++) {
		set32(P, i << 20 | 10 << 7 | 0x13); /* li a0, i */
		set32(P + 4, 0x00008067);
		for (ulong h = 1; h < HARTS; h++)
			start(h, run_code);
		for (ulong h = 1; h < HARTS; h++)
			good += finish_job(h) == i;
	}
	check("seen", good, 300);
}

SNIPPET(m_lw, "lw a0, 0(a0)");

static volatile ulong satp_value;

static ulong hold_and_flush(ulong hart)
{
	(void)hart;
	csr_write("satp", satp_value);
	vm_flush();
	ulong first = run_in(S, m_lw, T, 0).value; /* fills the TLB */
	return first;
}

static ulong after_flush(ulong hart)
{
	(void)hart;
	vm_flush();
	return run_in(S, m_lw, T, 0).value;
}

static void remote_tables(void)
{
	section("remote sfence.vma");
	vm_start(VM_DEFAULT);
	set32(P, 100);
	set32(P + 0x1000, 101);
	vm_map(T, P, PTE_RWX, 0);
	vm_on();
	satp_value = csr_read("satp");
	ulong good = 0;
	for (ulong h = 1; h < HARTS; h++)
		start(h, hold_and_flush);
	for (ulong h = 1; h < HARTS; h++)
		good += finish_job(h) == 100;
	check("filled", good, 3);
	good = 0;
	for (ulong i = 0; i < 100; i++) {
		vm_map(T, P + (i & 1) * 0x1000, PTE_RWX, 0);
		for (ulong h = 1; h < HARTS; h++)
			start(h, after_flush);
		for (ulong h = 1; h < HARTS; h++)
			good += finish_job(h) == 100 + (i & 1);
	}
	check("seen", good, 300);
	vm_off();
}

SNIPPET(m_spin, "1: j 1b");

/* Own timers, at the same time, out of an endless loop. */
static ulong timer(ulong hart)
{
	ulong good = 0;
	csr_write("satp", 0);
	vm_flush();
	for (ulong i = 0; i < 30; i++) {
		csr_write("mie", BIT(MTI));
		set_mtimecmp(hart, mtime() + 100 + 37 * hart + 11 * i);
		struct trap t = run_in(i & 1 ? U : S, m_spin, 0, 0);
		set_mtimecmp(hart, -1ull);
		csr_write("mie", 0);
		good += t.cause == (C_IRQ | MTI) && t.epc == (ulong)m_spin;
	}
	return good;
}

/* An IPI gets a hart out of an endless loop. */
static ulong spin_until_ipi(ulong hart)
{
	csr_write("mie", BIT(MSI));
	struct trap t = run_in(U, m_spin, 0, 0);
	set32(CLINT + 4 * hart, 0);
	csr_write("mie", 0);
	return t.cause == (C_IRQ | MSI);
}

static void interrupts(void)
{
	section("interrupts");
	check("timers", everywhere(timer), 30 * HARTS);
	ulong good = 0;
	for (int i = 0; i < 50; i++) {
		for (ulong h = 1; h < HARTS; h++)
			start(h, spin_until_ipi);
		for (ulong h = 1; h < HARTS; h++) {
			while (jobs[h].done == 0) {
				if (!get32(CLINT + 4 * h))
					ipi(h);
			}
			good += finish_job(h);
		}
	}
	/* an IPI too many may be left */
	for (ulong h = 1; h < HARTS; h++)
		set32(CLINT + 4 * h, 0);
	check("ipi out of a loop", good, 150);
}

/* Firmware waits for memory so, its own software interrupt pending all the while: WFI is left at
 * once and nothing is taken (priv 3.3.3). Another interrupt that is wanted still gets through. */
static ulong halt_in_vain(ulong hart)
{
	set32(CLINT + 4 * hart, 1);
	csr_write("mie", BIT(MSI));
	while (step != 1)
		__asm__ volatile("wfi");
	fence();
	set_step(2);
	for (int i = 0; i < 5; i++)
		__asm__ volatile("wfi");
	csr_write("mie", BIT(MSI) | BIT(MTI));
	uint64_t due = mtime() + 10000;
	set_mtimecmp(hart, due);
	while (!(csr_read("mip") & BIT(MTI)))
		__asm__ volatile("wfi");
	ulong good = mtime() >= due;
	set_mtimecmp(hart, -1ull);
	csr_write("mie", 0);
	set32(CLINT + 4 * hart, 0);
	return good;
}

static void vain_halts(void)
{
	section("halts in vain");
	ulong good = 0;
	for (int i = 0; i < 10; i++) {
		step = 0;
		start(1, halt_in_vain);
		for (uint64_t until = mtime() + 50000; mtime() < until;)
			;
		set_step(1);
		wait_step(2);
		good += finish_job(1);
	}
	check("left", good, 10);
}

void test_main(void)
{
	uint64_t until = mtime() + 50000000;
	while (alive < HARTS - 1 && mtime() < until)
		;
	check("harts", alive, HARTS - 1);
	if (alive != HARTS - 1)
		return;
	contention();
	reservations();
	remote_code();
	remote_tables();
	interrupts();
	vain_halts();
}
