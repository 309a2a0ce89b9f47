/* SPDX-License-Identifier: MIT */
/* Code that one hart writes and all run (unprivileged manual, 5: FENCE.I acts on its own hart, so the writer
 * asks the others by IPI). Who has acknowledged may not run what stood there before. Data lies beside the code,
 * functions call each other, cross page borders, and are written through another address than they run at. */
#include "harts.h"

#define CODE  0x80a00000ul /* four pages, seen again at ALIAS in S */
#define ALIAS 0x30000000ul
#define RET   0x00008067u

enum { FUNCTIONS = 24, SPACING = 680, DATA = 640, LIVE = FUNCTIONS / 2, LOOPS = 60, OWN = 16 };

/* A function returns the number that stands here, or for the first half, which is written while others run it, a
 * number between what they had acknowledged and this. */
static volatile ulong numbers[FUNCTIONS];
static volatile ulong turn, acknowledged[HARTS], hold, errors[HARTS], calls[HARTS],
	last_error[HARTS];
static volatile bool stop;
static struct barrier ready;
static ulong floors[HARTS][FUNCTIONS], changes;

static ulong function_at(ulong n)
{
	return CODE + n * SPACING; /* some cross a page */
}

static void error(ulong hart, ulong function, ulong got)
{
	errors[hart] = errors[hart] + 1;
	last_error[hart] = got << 8 | function;
}

static uint32_t lui(ulong number)
{
	return (uint32_t)(number & 0xfffff) << 12 | 10 << 7 | 0x37;
}

/* jal x0 */
static uint32_t jump(long distance)
{
	uint32_t d = (uint32_t)distance;
	return (d >> 20 & 1) << 31 | (d >> 1 & 0x3ff) << 21 | (d >> 11 & 1) << 20 |
		(d >> 12 & 0xff) << 12 | 0x6f;
}

static void write_half(ulong at, uint32_t word)
{
	*(volatile uint16_t *)at = (uint16_t)word;
	*(volatile uint16_t *)(at + 2) = (uint16_t)(word >> 16);
}

/* While nobody runs it: lui and ret, perhaps behind a jump, at any even address. */
static void write_function(ulong n, ulong number)
{
	ulong at = function_at(n), away = random_below(0, (DATA - 16) / 2) * 2;
	if (away > 4) {
		write_half(at, jump((long)away));
		at += away;
	}
	write_half(at, lui(number));
	write_half(at + 4, RET);
}

static void acknowledge(ulong hart)
{
	__asm__ volatile("fence.i" ::: "memory");
	for (int n = 0; n < FUNCTIONS; n++)
		floors[hart][n] = numbers[n];
}

void on_ipi(ulong hart)
{
	ulong now = turn;
	if (acknowledged[hart] == now || hart == 0)
		return;
	if (hold) { /* stand until the code is written */
		publish(&acknowledged[hart], now);
		while (hold && turn == now)
			PAUSE;
		now = turn;
		fence();
	}
	acknowledge(hart);
	publish(&acknowledged[hart], now);
}

static void look(ulong hart)
{
	if (csr_read("mip") & BIT(MSI)) {
		set32(CLINT + 4 * hart, 0);
		fence();
		on_ipi(hart);
	}
}

/* In S: calls functions; a0: which one first, a1: the hart. */
static ulong call_all(ulong first, ulong hart)
{
	for (ulong i = 0; i < LOOPS; i++) {
		ulong n = (first + i * 7) % FUNCTIONS;
		ulong at = (i & 1 ? ALIAS - CODE : 0) + function_at(n);
		ulong got = ((ulong(*)(void))at)() >> 12 & 0xfffff;
		/* data beside the code: its page is given up as code and taken again */
		if ((i & 7) == 0)
			*(volatile ulong *)((function_at(n) + DATA + 8 * hart) & ~7ul) = i;
		ulong most = numbers[n];
		if (got < floors[hart][n] || got > most)
			return (got << 24 | n << 8) + 1;
	}
	return 0;
}

/* A hart's own code, written and run without anybody's help. */
static void own_code(ulong hart)
{
	ulong at = CODE + 0x10000 + hart * 4096 + random_below(hart, 60) * 64;
	ulong number = random_below(hart, 0x7ffff) + 1;
	*(volatile uint32_t *)at = lui(number);
	*(volatile uint32_t *)(at + 4) = RET;
	__asm__ volatile("fence.i" ::: "memory");
	struct trap t = run_at(S, at, 0, 0);
	if (t.cause == C_NONE && t.value >> 12 != number)
		error(hart, 0xff, t.value);
}

static void use(ulong hart)
{
	struct trap t = run_in(S, (code *)call_all, random_below(hart, FUNCTIONS), hart);
	calls[hart] = calls[hart] + 1;
	if (t.cause == C_NONE ? t.value != 0 : t.cause != (C_IRQ | MSI))
		error(hart, t.cause, t.value);
	for (int i = 0; i < OWN && hart; i++)
		own_code(hart);
}

static void map_code(void)
{
	vm_on_asid(hart_id());
	vm_flush();
}

static void worker(ulong hart)
{
	map_code();
	acknowledge(hart);
	barrier(&ready, HARTS);
	while (!stop) {
		use(hart);
		look(hart);
	}
	csr_write("satp", 0);
	vm_flush();
}

static void ask_all(void)
{
	turn = turn + 1;
	for (ulong h = 1; h < HARTS; h++)
		ipi(h);
	for (ulong h = 1; h < HARTS; h++)
		wait_for(&acknowledged[h], turn);
}

/* One aligned instruction, while others run it. */
static void change_live(void)
{
	ulong n = random_below(0, LIVE);
	numbers[n] = numbers[n] + 1;
	fence();
	*(volatile uint32_t *)function_at(n) = lui(numbers[n]);
	ask_all();
}

/* Whole functions, while the others stand. */
static void change_held(void)
{
	hold = 1;
	fence();
	ask_all();
	for (ulong k = 1 + random_below(0, 5); k--;) {
		ulong n = LIVE + random_below(0, FUNCTIONS - LIVE);
		numbers[n] = numbers[n] + 1;
		write_function(n, numbers[n]);
	}
	fence();
	turn = turn + 1;
	publish(&hold, 0);
	for (ulong h = 1; h < HARTS; h++)
		wait_for(&acknowledged[h], turn);
}

static void leader(void)
{
	map_code();
	barrier(&ready, HARTS);
	while (time_left()) {
		if (random_below(0, 2))
			change_live();
		else
			change_held();
		acknowledge(0);
		changes++;
		if (random_below(0, 4) == 0)
			use(0);
	}
	stop = true;
	csr_write("satp", 0);
	vm_flush();
}

static void part(ulong hart)
{
	if (hart)
		worker(hart);
	else
		leader();
}

void run(void)
{
	ulong bad = 0;
	vm_start(VM_SV39);
	for (ulong at = 0; at < 0x20000; at += 4096) {
		vm_map(ALIAS + at, CODE + at, PTE_RWX, 0);
		vm_map(CODE + at, CODE + at, PTE_RWX, 0);
	}
	for (ulong n = 0; n < FUNCTIONS; n++) {
		numbers[n] = 1;
		write_function(n, 1);
		if (n < LIVE) {
			*(volatile uint32_t *)function_at(n) = lui(1);
			*(volatile uint32_t *)(function_at(n) + 4) = RET;
		}
	}
	everywhere(part);
	put_number("# ", changes);
	put_string(" changes");
	for (int h = 0; h < HARTS; h++) {
		put_number("; hart ", (ulong)h);
		put_number(": ", calls[h]);
		put_number(" runs, ", errors[h]);
		put_string(" errors ");
		put_hex(last_error[h]);
		bad += errors[h];
	}
	put_char('\n');
	result(!bad, "no hart runs old code after it has acknowledged");
	result(changes > 20 && calls[1] && calls[2] && calls[3], "code was changed and run");
}
