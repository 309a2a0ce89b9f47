/* SPDX-License-Identifier: MIT */
#include "priv.h"

struct context contexts[MAX_HARTS];
ulong u_alias;
static const char *prefix = "";
static ulong checks, failures;
static char snippet_stack[MAX_HARTS][256] __attribute__((aligned(16)));

void *memset(void *d, int c, unsigned long n)
{
	volatile char *p = d; /* volatile: or the compiler makes a call of memset from it */
	while (n--)
		*p++ = (char)c;
	return d;
}

void *memcpy(void *d, const void *s, unsigned long n)
{
	volatile char *p = d;
	const char *q = s;
	while (n--)
		*p++ = *q++;
	return d;
}

/* --- output --- */

void put_char(char c)
{
	while (!(get8(UART + 5) & 0x20))
		;
	set8(UART, (uint8_t)c);
}

void put_string(const char *s)
{
	while (*s)
		put_char(*s++);
}

void put_hex(ulong v)
{
	int shift = __riscv_xlen - 4;
	while (shift && !(v >> shift & 15))
		shift -= 4;
	put_string("0x");
	for (; shift >= 0; shift -= 4)
		put_char("0123456789abcdef"[v >> shift & 15]);
}

void put_dec(ulong v)
{
	char b[24];
	int n = 0;
	do
		b[n++] = (char)('0' + v % 10);
	while (v /= 10);
	while (n)
		put_char(b[--n]);
}

void section(const char *name)
{
	prefix = name;
}

static void begin(const char *name)
{
	if (*prefix) {
		put_string(prefix);
		put_char('/');
	}
	put_string(name);
	put_string(": ");
}

static bool end(bool good)
{
	checks++;
	if (!good)
		failures++;
	put_string(good ? " ok\n" : "\n");
	return good;
}

bool check2(const char *name, ulong got, ulong want, ulong or_want)
{
	begin(name);
	put_hex(got);
	if (got != want && got != or_want) {
		put_string(" WRONG, want ");
		put_hex(want);
		if (want != or_want) {
			put_string(" or ");
			put_hex(or_want);
		}
		return end(false);
	}
	return end(true);
}

bool check(const char *name, ulong got, ulong want)
{
	return check2(name, got, want, want);
}

static void put_trap(ulong mode, ulong cause, ulong tval)
{
	if (cause == C_NONE) {
		put_string("no trap");
		return;
	}
	put_string(mode == S ? "S " : "M ");
	if (cause & C_IRQ)
		put_string("irq ");
	put_dec(cause & ~C_IRQ);
	put_string(" tval ");
	put_hex(tval);
}

bool expect(const char *name, ulong got, ulong want)
{
	if (got == want) {
		checks++;
		return true;
	}
	begin(name);
	put_string("#");
	put_dec(checks);
	put_string(": ");
	put_hex(got);
	put_string(" WRONG, want ");
	put_hex(want);
	return end(false);
}

static bool check_trap_full(
	const char *name, struct trap t, ulong mode, ulong cause, ulong tval, ulong or_tval)
{
	bool good = t.cause == cause;
	if (good && cause != C_NONE)
		good = t.mode == mode && (t.tval == tval || t.tval == or_tval);
	begin(name);
	put_trap(t.mode, t.cause, t.tval);
	if (!good) {
		put_string(" WRONG, want ");
		put_trap(mode, cause, tval);
	}
	return end(good);
}

bool check_trap(const char *name, struct trap t, ulong cause, ulong tval)
{
	return check_trap_full(name, t, M, cause, tval, tval);
}

bool check_trap_tval0(const char *name, struct trap t, ulong cause, ulong tval)
{
	return check_trap_full(name, t, M, cause, tval, 0);
}

bool check_trap_in(const char *name, struct trap t, int mode, ulong cause, ulong tval)
{
	return check_trap_full(name, t, (ulong)mode, cause, tval, tval);
}

bool check_value(const char *name, struct trap t, ulong want)
{
	if (t.cause == C_NONE)
		return check(name, t.value, want);
	begin(name);
	put_trap(t.mode, t.cause, t.tval);
	put_string(" WRONG, want ");
	put_hex(want);
	return end(false);
}

void info(const char *name, ulong value)
{
	begin(name);
	put_hex(value);
	put_char('\n');
}

void count(const char *encoding, ulong times)
{
	put_string("count ");
	put_string(encoding);
	put_string(": ");
	put_dec(times);
	put_char('\n');
}

/* --- ends --- */

void finish_code(ulong word)
{
	for (;;)
		set32(FINISHER, (uint32_t)word);
}

void finish(void)
{
	put_string("checks: ");
	put_dec(checks);
	put_string(failures ? "\nFAIL " : "\nPASS\n");
	if (failures) {
		put_dec(failures);
		put_char('\n');
	}
	/* The finisher keeps 16 bits of code; the host sees 8: any failure is 1. */
	finish_code(failures ? (1 << 16) | 0x3333 : 0x5555);
}

void fatal(ulong cause, ulong epc, ulong tval)
{
	set8(UART + 3, 3);
	put_string("\nFATAL trap outside a snippet: cause ");
	put_hex(cause);
	put_string(" epc ");
	put_hex(epc);
	put_string(" tval ");
	put_hex(tval);
	put_char('\n');
	finish_code((99 << 16) | 0x3333);
}

__attribute__((weak)) void hart_main(ulong hart)
{
	(void)hart;
	for (;;)
		__asm__ volatile("wfi");
}

void c_start(ulong hart)
{
	if (hart) {
		csr_write("mie", 0);
		hart_main(hart);
	}
	set8(UART + 3, 3); /* 8 bits a character; after reset they are 5 */
	set_mtimecmp(0, -1ull); /* its value after reset is not defined */
	reset_state();
	open_pmp();
	test_main();
	finish();
}

/* --- state --- */

void open_pmp(void)
{
	csr_write("pmpaddr0", -1ul);
	csr_write("pmpcfg0", 0x1f);
}

void reset_state(void)
{
	csr_write("mstatus", FS(3));
	csr_write("mie", 0);
	csr_write("medeleg", 0);
	csr_write("mideleg", 0);
	csr_write("satp", 0);
	csr_write("mtvec", mtrap);
	csr_write("stvec", strap);
	csr_write("mscratch", &contexts[csr_read("mhartid")]);
	__asm__ volatile("sfence.vma" ::: "memory");
	u_alias = 0;
	prefix = "";
}

uint64_t mtime(void)
{
	uint32_t high, low;
	do {
		high = get32(CLINT_MTIME + 4);
		low = get32(CLINT_MTIME);
	} while (high != get32(CLINT_MTIME + 4));
	return (uint64_t)high << 32 | low;
}

void set_mtimecmp(ulong hart, uint64_t when)
{
	ulong at = CLINT + 0x4000 + hart * 8;
	set32(at + 4, 0xffffffff); /* no false alarm in between (Privileged 3.2.1) */
	set32(at, (uint32_t)when);
	set32(at + 4, (uint32_t)(when >> 32));
}

/* --- snippets --- */

void enter(struct context *c, ulong pc, ulong a0, ulong a1, ulong ra, ulong sp);

static struct trap run(int mode, ulong pc, ulong alias, ulong a0, ulong a1)
{
	ulong hart = csr_read("mhartid");
	struct context *c = &contexts[hart];
	csr_write("mstatus", (csr_read("mstatus") & ~MPP) | (ulong)mode << 11);
	enter(c, pc, a0, a1, (ulong)leave + alias,
		(ulong)snippet_stack[hart] + sizeof snippet_stack[hart] + alias);
	struct trap t = { c->cause, c->tval, c->epc, c->status, M, c->regs[10] };
	bool call = t.cause == C_ECALL_U || t.cause == C_ECALL_S || t.cause == C_ECALL_M;
	if (call && c->regs[17] == MAGIC_LEAVE) {
		t.cause = C_NONE;
	} else if (call && c->regs[17] == MAGIC_STRAP) {
		t.mode = S;
		t.cause = c->regs[12];
		t.tval = c->regs[13];
		t.epc = c->regs[14];
		t.status = c->regs[15];
		if (t.cause == C_ECALL_U && c->regs[16] == MAGIC_LEAVE)
			t.cause = C_NONE;
	}
	if (t.epc - alias >= RAM && t.epc < RAM)
		t.epc -= alias;
	return t;
}

struct trap run_in(int mode, code *pc, ulong a0, ulong a1)
{
	ulong alias = mode == U ? u_alias : 0;
	return run(mode, (ulong)pc + alias, alias, a0, a1);
}

struct trap run_at(int mode, ulong pc, ulong a0, ulong a1)
{
	return run(mode, pc, mode == U ? u_alias : 0, a0, a1);
}
