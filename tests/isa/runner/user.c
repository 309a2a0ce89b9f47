/* SPDX-License-Identifier: MIT */
/*
 * The runner as a Linux program: runner-user CASES RESULTS. The result file must be there in its
 * full size. Each case is entered by returning from a signal and ends with one, so that a case may
 * use every register.
 */
#include <linux/mman.h>
#include <linux/signal.h>

#include <asm/sigcontext.h>
#include <asm/ucontext.h>

#include "runner.h"

#define SYS_OPENAT      56
#define SYS_EXIT        94
#define SYS_SIGALTSTACK 132
#define SYS_SIGACTION   134
#define SYS_MMAP        222
#define AT_CWD          -100

static const struct header *header;
static struct header *results;
static u64 next;
static const u8 *case_at;
static u8 *result_at;
static u8 handler_stack[16384] __attribute__((aligned(16)));

static long syscall6(long n, uptr a, uptr b, uptr c, uptr d, uptr e, uptr f)
{
	register uptr a0 __asm__("a0") = a;
	register uptr a1 __asm__("a1") = b;
	register uptr a2 __asm__("a2") = c;
	register uptr a3 __asm__("a3") = d;
	register uptr a4 __asm__("a4") = e;
	register uptr a5 __asm__("a5") = f;
	register long a7 __asm__("a7") = n;

	__asm__ volatile("ecall"
			 : "+r"(a0)
			 : "r"(a1), "r"(a2), "r"(a3), "r"(a4), "r"(a5), "r"(a7)
			 : "memory");
	return (long)a0;
}

static void exit_with(int code)
{
	for (;;)
		syscall6(SYS_EXIT, (uptr)code, 0, 0, 0, 0, 0);
}

static void *map(uptr at, uptr size, int protection, int flags, int fd)
{
	long r = syscall6(SYS_MMAP, at, size, (uptr)protection, (uptr)flags, (uptr)fd, 0);

	if (r < 0 && r > -4096)
		exit_with(4);
	return (void *)r;
}

static void *map_file(const char *name, int write, uptr size)
{
	long fd = syscall6(SYS_OPENAT, (uptr)AT_CWD, (uptr)name, write ? 2 : 0, 0, 0, 0);

	if (fd < 0)
		exit_with(5);
	return map(0, size, write ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, (int)fd);
}

static u64 cause_of(int signal)
{
	switch (signal) {
	case SIGTRAP: return CAUSE_BREAK;
	case SIGILL: return CAUSE_ILLEGAL;
	case SIGSEGV: return CAUSE_FAULT;
	case SIGBUS: return CAUSE_MISALIGNED;
	default: return CAUSE_OTHER;
	}
}

static void save(int signal, const siginfo_t *info, const struct ucontext *context)
{
	const struct test_case *c = (const struct test_case *)case_at;
	struct state *s = (struct state *)result_at;
	const unsigned long *regs = (const unsigned long *)&context->uc_mcontext.sc_regs;

	if (runner_flags & HAS_V)
		save_v(s);
	if (runner_flags & HAS_F)
		save_f(s, runner_flags);
	for (int i = 0; i < 32; i++)
		s->x[i] = regs[i];
	s->cause = cause_of(signal);
	s->tval = s->cause == CAUSE_FAULT ? (uptr)info->si_addr : 0;
	s->memory = hash_memory(&c->state);
}

static void enter(struct ucontext *context)
{
	const struct test_case *c = (const struct test_case *)case_at;
	unsigned long *regs = (unsigned long *)&context->uc_mcontext.sc_regs;
	struct __riscv_d_ext_state *fp = &context->uc_mcontext.sc_fpregs.d;

	prepare(c);
	for (int i = 0; i < 32; i++)
		regs[i] = (unsigned long)c->state.x[i];
	for (int i = 0; i < 32; i++)
		fp->f[i] = c->state.f[i];
	fp->fcsr = (u32)c->state.fcsr;
	if (runner_flags & HAS_F)
		load_f(&c->state, runner_flags);
	if (runner_flags & HAS_V)
		load_v(&c->state);
}

static void handler(int signal, siginfo_t *info, void *context)
{
	if (result_at) {
		save(signal, info, context);
		next++;
		result_at += header->result_size;
		case_at += header->case_size;
	} else {
		result_at = (u8 *)results + PAGE;
		case_at = (const u8 *)header + PAGE;
	}
	results->status = next;
	if (next == header->count)
		exit_with(0);
	enter(context);
}

static void catch_signals(void)
{
	static const int signals[] = { SIGTRAP, SIGILL, SIGSEGV, SIGBUS, SIGFPE };
	stack_t stack = { .ss_sp = handler_stack, .ss_size = sizeof(handler_stack) };
	/* The kernel's own form: this architecture has no restorer. */
	struct {
		void (*handler)(int, siginfo_t *, void *);
		unsigned long flags;
		u64 mask;
	} action = { .handler = handler, .flags = SA_SIGINFO | SA_ONSTACK };

	syscall6(SYS_SIGALTSTACK, (uptr)&stack, 0, 0, 0, 0, 0);
	for (u32 i = 0; i < sizeof(signals) / sizeof(signals[0]); i++)
		if (syscall6(SYS_SIGACTION, (uptr)signals[i], (uptr)&action, 0, 8, 0, 0) < 0)
			exit_with(6);
}

__attribute__((used)) void user_main(const uptr *stack)
{
	const char *const *argv = (const char *const *)(stack + 1);
	int all = PROT_READ | PROT_WRITE | PROT_EXEC;
	int anonymous = MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED;

	if (stack[0] != 3)
		exit_with(2);
	header = map_file(argv[1], 0, PAGE);
	if (header->magic != MAGIC)
		exit_with(3);
	results = map_file(argv[2], 1, (uptr)(header->result_bytes));
	header = map_file(argv[1], 0, (uptr)(header->case_bytes));
	runner_flags = header->flags;
	if (runner_flags & HAS_V && read_vlenb() != header->vlenb)
		exit_with(7);
	code_page = map(CODE_VA, PAGE, all, anonymous, -1);
	for (uptr i = 0; i < DATA_PAGES; i++)
		if (i != HOLE_PAGE)
			data_pages[i] = map(
				DATA_VA + i * PAGE, PAGE, PROT_READ | PROT_WRITE, anonymous, -1);
	catch_signals();
	__asm__ volatile("ebreak");
	exit_with(8);
}

__asm__(".globl _start\n_start:\n\tmv a0, sp\n\tandi sp, sp, -16\n\tcall user_main\n");
