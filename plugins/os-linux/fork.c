/* SPDX-License-Identifier: MIT */
/* A fork with flags. The kernel's clone3 alone leaves the child with locks of the C library that other
 * threads held; fork() mends them in the child, but takes no flags. So fork() it is, and its system call
 * becomes clone3 on the way: syscall user dispatch (Documentation/admin-guide/syscall-user-dispatch.rst of
 * the kernel, since 5.11) sends a thread's system calls to a SIGSYS handler while a byte says so. Where
 * there is none, clone3 alone has to do. */
#include "linux.h"
#include <errno.h>
#include <linux/sched.h>
#include <sched.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <ucontext.h>
#include <unistd.h>

static long clone_alone(const struct clone_args *how)
{
	return syscall(SYS_clone3, how, sizeof(*how));
}

#if defined(__x86_64__) && defined(PR_SET_SYSCALL_USER_DISPATCH)
enum { MASK_BYTES = 8, DISPATCHED = 2 /* si_code */, ALLOW = 0, BLOCK = 1 };
#define RESTORER     UINT64_C(0x04000000)
#define SIGSYS_BIT   (UINT64_C(1) << (SIGSYS - 1))
#define SEGV_AND_BUS (UINT64_C(1) << (SIGSEGV - 1) | UINT64_C(1) << (SIGBUS - 1))
#define CHILD_TID_OF (CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID)

static __thread struct fork_by {
	struct clone_args how;
	volatile char selector;
	bool cloned;
	siginfo_t late; /* a SIGSYS that somebody sent meanwhile */
} * forking;

/* The one place whose system call is never dispatched: the way back from the handler. */
extern const char os_fork_return[], os_fork_end[];
__asm__(".text\n"
	".globl os_fork_return, os_fork_end\n"
	".hidden os_fork_return, os_fork_end\n"
	"os_fork_return:\n"
	"	mov $15, %eax\n" /* rt_sigreturn */
	"	syscall\n"
	"os_fork_end:\n"
	"	ud2\n");

/* Of the mask of a thread that forks, the handler's end has the last word; nothing that could come is open. */
static long mask_asked(const ucontext_t *u, uint64_t *old)
{
	if (old)
		memcpy(old, &u->uc_sigmask, MASK_BYTES);
	return 0;
}

static long in_place_of(struct fork_by *f, ucontext_t *u)
{
	const greg_t *r = u->uc_mcontext.gregs;
	long result;
	switch (r[REG_RAX]) {
	case SYS_clone: /* flags, stack, parent_tid, child_tid, tls */
		f->how.flags |= (uint64_t)r[REG_RDI] & CHILD_TID_OF;
		f->how.child_tid = (uint64_t)r[REG_R10];
		f->cloned = true;
		f->selector = ALLOW;
		result = clone_alone(&f->how);
		break;
	case SYS_clone3:
	case SYS_fork:
	case SYS_vfork: return -ENOSYS; /* a C library of other manners */
	case SYS_rt_sigprocmask:
		return mask_asked(u, (uint64_t *)(uintptr_t)r[REG_RDX]); /* NOLINT */
	default:
		f->selector = ALLOW;
		result = syscall(r[REG_RAX], r[REG_RDI], r[REG_RSI], r[REG_RDX], r[REG_R10],
			r[REG_R8], r[REG_R9]);
		f->selector = BLOCK;
	}
	return result < 0 ? -errno : result;
}

static void trapped(int signal, siginfo_t *info, void *context)
{
	struct fork_by *f = forking;
	ucontext_t *u = context;
	int saved = errno;
	if (!f)
		signal_arrived(signal, info, context); /* another thread's */
	else if (info->si_code != DISPATCHED)
		f->late = *info;
	else
		u->uc_mcontext.gregs[REG_RAX] = in_place_of(f, u);
	errno = saved;
}

static void sigsys_mask(int how)
{
	const uint64_t set = SIGSYS_BIT;
	syscall(SYS_rt_sigprocmask, how, &set, NULL, MASK_BYTES);
}

long fork_with(const struct clone_args *how)
{
	struct fork_by f = { .how = *how };
	struct host_action ours = { .handler = (uint64_t)(uintptr_t)trapped,
		.flags = SA_SIGINFO | SA_RESTART | RESTORER,
		.restorer = (uint64_t)(uintptr_t)os_fork_return,
		.mask = ~(SEGV_AND_BUS) };
	struct host_action before;
	if (prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_ON, os_fork_return,
		    os_fork_end - os_fork_return + 1, &f.selector) != 0)
		return clone_alone(how);
	syscall(SYS_rt_sigaction, SIGSYS, &ours, &before, MASK_BYTES);
	forking = &f;
	sigsys_mask(SIG_UNBLOCK);
	f.selector = BLOCK;
	long pid = fork();
	f.selector = ALLOW;
	int error = errno;
	sigsys_mask(SIG_BLOCK);
	forking = NULL;
	syscall(SYS_rt_sigaction, SIGSYS, &before, NULL, MASK_BYTES);
	if (pid != 0)
		prctl(PR_SET_SYSCALL_USER_DISPATCH, PR_SYS_DISPATCH_OFF, 0, 0, 0);
	if (pid != 0 && f.late.si_signo)
		syscall(SYS_rt_tgsigqueueinfo, getpid(), current->tid, SIGSYS, &f.late);
	errno = error;
	return pid < 0 && !f.cloned ? clone_alone(how) : pid;
}
#else
long fork_with(const struct clone_args *how)
{
	return clone_alone(how);
}
#endif
