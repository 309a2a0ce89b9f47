/* SPDX-License-Identifier: MIT */
/* Signals: see linux.h for the plan. Frames are as the kernel's asm-generic ones: siginfo, then
 * ucontext (flags, link, stack, mask), then the CPU's machine context. */
#include "linux.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

enum {
	MASK_BYTES = 8, /* of the kernel */
	FRAME_MAX = 4096,
	FIRST_OF_LIBC = 32, /* two signals that this process's C library does not let be had */
	LAST_OF_LIBC = 33
};

#define BIT(signal) (UINT64_C(1) << ((signal)-1))
static const uint64_t always_open = BIT(SIGSEGV) | BIT(SIGBUS); /* on the host */
static const uint64_t never_blocked = BIT(SIGKILL) | BIT(SIGSTOP);

extern const char os_call_begin[], os_call_end[], os_call_never[];

static uint64_t restorer; /* the C library's */

static long host_mask(int how, const uint64_t *set, uint64_t *before)
{
	return syscall(SYS_rt_sigprocmask, how, set, before, MASK_BYTES);
}

void signals_block(uint64_t *before)
{
	uint64_t all = ~always_open;
	host_mask(SIG_SETMASK, &all, before);
}

void signals_restore(uint64_t mask)
{
	host_mask(SIG_SETMASK, &mask, NULL);
}

/* With everything blocked first: a signal between the look at `pending` and the new mask would be
 * followed by a second one. */
void thread_mask(struct thread *t, uint64_t mask)
{
	uint64_t before;
	t->mask = mask & ~never_blocked;
	signals_block(&before);
	if (!atomic_load(&t->pending))
		signals_restore(t->mask & ~always_open);
}

/* ---- the host's handler ---- */

static uintptr_t *program_counter(ucontext_t *u)
{
#if defined(__x86_64__)
	return (uintptr_t *)&u->uc_mcontext.gregs[REG_RIP];
#else
	return (uintptr_t *)&u->uc_mcontext.pc;
#endif
}

/* An error of this program's own: end as any program would. */
static void own_fault(int signal)
{
	struct sigaction plain = { .sa_handler = SIG_DFL };
	sigaction(signal, &plain, NULL); /* the instruction is tried again */
}

void signal_arrived(int signal, siginfo_t *info, void *context)
{
	struct thread *t = current;
	ucontext_t *u = context;
	int saved = errno;
	bool fault = info->si_code > 0 &&
		(signal == SIGSEGV || signal == SIGBUS || signal == SIGILL || signal == SIGFPE);
	if (fault) {
		if (!t || (signal != SIGSEGV && signal != SIGBUS) ||
			!t->os->user->host_fault(signal, info, context))
			own_fault(signal);
		errno = saved;
		return;
	}
	if (!t)
		return;
	t->info = *info;
	atomic_store(&t->pending, (uint32_t)signal);
	uint64_t all = ~always_open;
	memcpy(&u->uc_sigmask, &all, MASK_BYTES);
	t->os->user->kick(t->cpu);
	uintptr_t *pc = program_counter(u);
	if (*pc >= (uintptr_t)os_call_begin && *pc < (uintptr_t)os_call_end)
		*pc = (uintptr_t)os_call_never;
	errno = saved;
}

/* What the host does for a signal, given what the guest wants. */
static int install(int signal, const struct action *a)
{
	struct host_action h = { .flags = (a->flags & (SA_NOCLDSTOP | SA_NOCLDWAIT | SA_RESTART)) |
			SA_SIGINFO | 0x04000000 /* SA_RESTORER */ | SA_ONSTACK,
		.restorer = restorer,
		.mask = ~always_open };
	h.flags &= ~(uint64_t)SA_ONSTACK;
	if (signal == SIGSEGV || signal == SIGBUS) {
		h.handler = (uint64_t)(uintptr_t)signal_arrived;
		h.flags |= SA_NODEFER;
		h.mask = 0;
	} else if ((a->handler == (uint64_t)(uintptr_t)SIG_DFL && !dump_signal(signal)) ||
		a->handler == (uint64_t)(uintptr_t)SIG_IGN) {
		h.handler = a->handler;
	} else {
		h.handler = (uint64_t)(uintptr_t)signal_arrived;
	}
	return syscall(SYS_rt_sigaction, signal, &h, NULL, MASK_BYTES) == 0 ? 0 : -errno;
}

/* What was ignored before exec still is; the rest is as usual. */
void signals_init(struct os *os)
{
	struct host_action h;
	struct sigaction probe = { .sa_handler = SIG_IGN }, before;
	sigaction(SIGURG, &probe, &before); /* what the C library says of returning */
	syscall(SYS_rt_sigaction, SIGURG, NULL, &h, MASK_BYTES);
	restorer = h.restorer;
	sigaction(SIGURG, &before, NULL);
	for (int s = 1; s <= SIGNALS; s++)
		if (syscall(SYS_rt_sigaction, s, NULL, &h, MASK_BYTES) == 0 &&
			h.handler == (uint64_t)(uintptr_t)SIG_IGN)
			os->action[s].handler = h.handler;
	for (int s = 1; s <= SIGNALS; s++)
		if (dump_signal(s)) /* they end the process by way of its core file */
			install(s, &os->action[s]);
	uint64_t mask = 0;
	host_mask(SIG_SETMASK, NULL, &mask);
	thread_mask(current, mask);
}

/* CLONE_CLEAR_SIGHAND: what has a handler is as usual again. */
void signals_clear(struct os *os)
{
	for (int s = 1; s <= SIGNALS; s++) {
		struct action *a = &os->action[s];
		if (a->handler == (uint64_t)(uintptr_t)SIG_IGN ||
			a->handler == (uint64_t)(uintptr_t)SIG_DFL)
			continue;
		*a = (struct action){ 0 };
		install(s, a);
	}
}

/* ---- entering the guest's handler ---- */

static bool on_alt_stack(const struct thread *t, uint64_t sp)
{
	return !(t->alt_flags & SS_DISABLE) && sp - t->alt_stack < t->alt_size;
}

static uint64_t round_up(uint64_t x, uint64_t to)
{
	return (x + to - 1) & ~(to - 1);
}

struct frame { /* offsets */
	uint64_t info, uc, context, size;
};

static struct frame frame_of(const struct os *os)
{
	const struct bp_linux_abi *abi = os->abi;
	struct frame f = { .info = abi->frame_head };
	f.uc = f.info + INFO_BYTES;
	f.context = f.uc + round_up(struct_size(os, S_UCONTEXT), abi->context_align);
	f.size = round_up(f.context + abi->context_size, abi->stack_align);
	return f;
}

/* 0, or -1: there is no room on the stack. */
static int push_frame(struct thread *t, int signal, const siginfo_t *info, const struct action *a,
	uint64_t saved_mask)
{
	const struct bp_linux_abi *abi = t->os->abi;
	struct frame f = frame_of(t->os);
	uint8_t bytes[FRAME_MAX] = { 0 };
	uint64_t sp = abi->stack_pointer(t->cpu);
	struct guest_context uc = { .stack = t->alt_stack,
		.size = t->alt_size,
		.stack_flags = t->alt_flags,
		.mask = saved_mask };
	if (f.size > FRAME_MAX)
		return -1;
	if (on_alt_stack(t, sp))
		uc.stack_flags |= SS_ONSTACK;
	else if (a->flags & SA_ONSTACK && !(t->alt_flags & SS_DISABLE))
		sp = t->alt_stack + t->alt_size;
	sp = (sp - f.size) & ~(uint64_t)(abi->stack_align - 1);
	info_store(t->os, bytes + f.info, info);
	struct_store(t->os, S_UCONTEXT, bytes + f.uc, &uc);
	abi->context_save(t->cpu, bytes + f.context);
	if (copy_out(t, sp, bytes, f.size) != 0)
		return -1;
	abi->handler(t->cpu, a->handler, sp, signal, sp + f.info, sp + f.uc, t->os->sigreturn);
	if (t->alt_flags & (1u << 31)) /* SS_AUTODISARM */
		t->alt_flags = SS_DISABLE;
	return 0;
}

static void enter_handler(struct thread *t, int signal, const siginfo_t *info)
{
	pthread_mutex_lock(&t->os->threads);
	struct action a = t->os->action[signal];
	if (a.flags & (uint64_t)SA_RESETHAND) {
		t->os->action[signal].handler = (uint64_t)(uintptr_t)SIG_DFL;
		install(signal, &t->os->action[signal]);
	}
	pthread_mutex_unlock(&t->os->threads);
	if (a.handler == (uint64_t)(uintptr_t)SIG_IGN)
		return;
	if (a.handler == (uint64_t)(uintptr_t)SIG_DFL) {
		if (signal == SIGCHLD || signal == SIGURG || signal == SIGWINCH ||
			signal == SIGCONT)
			return;
		die_by(t, info);
	}
	if (rseq_abort(t) != 0 || push_frame(t, signal, info, &a, t->mask) != 0) {
		siginfo_t no_stack = { .si_signo = SIGSEGV, .si_code = SI_KERNEL };
		die_by(t, &no_stack);
	}
	t->mask |= (a.mask | (a.flags & SA_NODEFER ? 0 : BIT(signal))) & ~never_blocked;
}

void signals_deliver(struct thread *t)
{
	int signal;
	/* All signals are blocked while one waits: nothing changes info meanwhile. */
	while ((signal = (int)atomic_load(&t->pending))) {
		siginfo_t info = t->info;
		atomic_store(&t->pending, 0);
		enter_handler(t, signal, &info);
		thread_mask(t, t->mask);
	}
}

void signal_force(struct thread *t, int signal, int code, uint64_t addr)
{
	siginfo_t info;
	memset(&info, 0, sizeof(info));
	info.si_signo = signal;
	info.si_code = code;
	info.si_addr = (void *)(uintptr_t)addr;
	uint64_t handler = t->os->action[signal].handler;
	if (t->mask & BIT(signal) || handler == (uint64_t)(uintptr_t)SIG_IGN ||
		handler == (uint64_t)(uintptr_t)SIG_DFL)
		die_by(t, &info);
	enter_handler(t, signal, &info);
	thread_mask(t, t->mask);
}

/* ---- system calls ---- */

int64_t sys_rt_sigaction(struct thread *t, const uint64_t a[6])
{
	struct os *os = t->os;
	struct host_action fresh, old;
	int signal = (int)a[0], r = 0;
	if (a[3] != MASK_BYTES || signal < 1 || signal > SIGNALS ||
		(a[1] && (signal == SIGKILL || signal == SIGSTOP)))
		return -EINVAL;
	if (a[1] && struct_in(t, S_SIGACTION, &fresh, a[1]) != 0)
		return -EFAULT;
	pthread_mutex_lock(&os->threads);
	struct action *at = &os->action[signal];
	old = (struct host_action){ .handler = at->handler, .flags = at->flags, .mask = at->mask };
	if (a[1]) {
		struct action next = { fresh.handler, fresh.flags, fresh.mask & ~never_blocked };
		r = install(signal, &next);
		if (r == 0)
			*at = next;
	}
	pthread_mutex_unlock(&os->threads);
	return r == 0 && a[2] ? struct_out(t, S_SIGACTION, a[2], &old) : r;
}

int64_t sys_rt_sigprocmask(struct thread *t, const uint64_t a[6])
{
	uint64_t set = 0, old = t->mask;
	if (a[3] != MASK_BYTES)
		return -EINVAL;
	if (a[1] && copy_in(t, &set, a[1], MASK_BYTES) != 0)
		return -EFAULT;
	if (a[1] && (int)a[0] != SIG_BLOCK && (int)a[0] != SIG_UNBLOCK && (int)a[0] != SIG_SETMASK)
		return -EINVAL;
	if (a[2] && copy_out(t, a[2], &old, MASK_BYTES) != 0)
		return -EFAULT;
	if (a[1])
		thread_mask(t,
			(int)a[0] == SIG_BLOCK             ? old | set
				: (int)a[0] == SIG_UNBLOCK ? old & ~set
							   : set);
	return 0;
}

int64_t sys_rt_sigsuspend(struct thread *t, const uint64_t a[6])
{
	uint64_t set;
	if (a[1] != MASK_BYTES)
		return -EINVAL;
	if (copy_in(t, &set, a[0], MASK_BYTES) != 0)
		return -EFAULT;
	set &= ~always_open;
	return SAFE(t, SYS_rt_sigsuspend, HOST(&set), MASK_BYTES);
}

int64_t sys_rt_sigreturn(struct thread *t, const uint64_t a[6])
{
	const struct bp_linux_abi *abi = t->os->abi;
	struct frame f = frame_of(t->os);
	struct guest_context uc;
	uint8_t bytes[FRAME_MAX];
	(void)a;
	t->no_result = true;
	if (copy_in(t, bytes, abi->stack_pointer(t->cpu), f.size) != 0 ||
		abi->context_load(t->cpu, bytes + f.context) != 0) {
		signal_force(t, SIGSEGV, SI_KERNEL, 0);
		return 0;
	}
	struct_load(t->os, S_UCONTEXT, &uc, bytes + f.uc);
	t->alt_stack = uc.stack;
	t->alt_flags = uc.stack_flags & ~(uint32_t)SS_ONSTACK;
	t->alt_size = uc.size;
	thread_mask(t, uc.mask);
	return 0;
}

/* SIGEV_THREAD: the value points to what the kernel copies into a message. */
int64_t sys_mq_notify(struct thread *t, const uint64_t a[6])
{
	struct sigevent event;
	if (a[1] && struct_in(t, S_SIGEVENT, &event, a[1]) != 0)
		return -EFAULT;
	if (a[1] && event.sigev_notify == SIGEV_THREAD)
		event.sigev_value.sival_ptr =
			host_ptr(t, (uint64_t)(uintptr_t)event.sigev_value.sival_ptr);
	return SAFE(t, SYS_mq_notify, (int64_t)a[0], a[1] ? HOST(&event) : 0);
}

int64_t sys_sigaltstack(struct thread *t, const uint64_t a[6])
{
	uint64_t sp = t->os->abi->stack_pointer(t->cpu);
	bool inside = on_alt_stack(t, sp);
	stack_t fresh,
		old = { .ss_sp = (void *)(uintptr_t)t->alt_stack,
			.ss_size = t->alt_size,
			.ss_flags = (int)t->alt_flags | (inside ? SS_ONSTACK : 0) };
	if (a[0] && struct_in(t, S_STACK, &fresh, a[0]) != 0)
		return -EFAULT;
	if (a[0]) {
		uint32_t flags = (uint32_t)fresh.ss_flags, mode = flags & ~(1u << 31);
		if (inside)
			return -EPERM;
		if (mode != SS_DISABLE && mode != 0 && mode != SS_ONSTACK)
			return -EINVAL;
		if (mode == SS_DISABLE) {
			fresh.ss_sp = NULL;
			fresh.ss_size = 0;
		} else if (fresh.ss_size < t->os->abi->minimum_stack) {
			return -ENOMEM;
		}
		t->alt_stack = (uint64_t)(uintptr_t)fresh.ss_sp;
		t->alt_size = fresh.ss_size;
		t->alt_flags = mode == SS_ONSTACK ? flags & ~(uint32_t)SS_ONSTACK : flags;
	}
	return a[1] ? struct_out(t, S_STACK, a[1], &old) : 0;
}
