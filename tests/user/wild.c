/* SPDX-License-Identifier: MIT */
/* Every system call with arguments that lead nowhere: nothing at all, unaligned, across the end of a
 * mapping, unmapped, beyond what a program can have, into what may be the emulator. Each call is made in
 * a process of its own, which must come through it: the kernel answers with an errno. */
#include <errno.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CALLS = 470, MIXES = 40, VALUES = 18 };

/* What would end, stop or change more than the process that makes the call. */
static const int left_out[] = { SYS_exit, SYS_exit_group, SYS_kill, SYS_tkill, SYS_tgkill,
	SYS_rt_sigqueueinfo, SYS_rt_tgsigqueueinfo, SYS_reboot, SYS_sethostname, SYS_setdomainname,
	SYS_settimeofday, SYS_clock_settime, SYS_adjtimex, SYS_clock_adjtime, SYS_clone,
	SYS_rt_sigreturn, SYS_setpriority, SYS_syslog, SYS_vhangup, SYS_sync, SYS_swapoff, SYS_acct,
	SYS_setitimer, SYS_timer_settime, SYS_rt_sigprocmask, SYS_prlimit64, SYS_setrlimit,
	SYS_unshare, SYS_close_range, SYS_shmctl, SYS_msgctl, SYS_semctl, SYS_shmget, SYS_msgget,
	SYS_semget, SYS_ioprio_set, SYS_sched_setscheduler, SYS_sched_setattr, SYS_sched_setparam,
	SYS_sched_setaffinity, SYS_setpgid, SYS_setsid };
/* These may take the ground from under the process. */
static const int may_die[] = { SYS_munmap, SYS_mprotect, SYS_mremap, SYS_mmap, SYS_madvise, SYS_brk,
	SYS_shmdt, SYS_rt_sigaction, SYS_set_robust_list, SYS_prctl };

static int among(int number, const int *list, unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		if (list[i] == number)
			return 1;
	return 0;
}
#define AMONG(number, list) among(number, list, sizeof(list) / sizeof((list)[0]))

static void wake(int signal)
{
	(void)signal;
}

static void values(uint64_t v[VALUES])
{
	char *page = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	char *fixed = mmap(NULL, 4096, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	munmap(page + 4096, 4096);
	memset(page, 0xff, 4096);
	const uint64_t all[VALUES] = { 0, 1, 7, 4095, 0x100000, (uintptr_t)page + 4096 - 3,
		(uintptr_t)page + 4096, (uintptr_t)fixed, (UINT64_C(1) << 38) - 1,
		UINT64_C(1) << 38, (UINT64_C(1) << 38) + 4096, UINT64_C(0x555555554000),
		UINT64_C(0x7ffff7dd0000), UINT64_C(0x7fffffffe000), UINT64_C(1) << 63, UINT64_MAX,
		UINT64_MAX - 4095, (uintptr_t)page };
	memcpy(v, all, sizeof(all));
}

static void child(int number)
{
	uint64_t v[VALUES];
	unsigned seed = (unsigned)number;
	struct itimerval soon = { { 0, 20000 }, { 0, 20000 } };
	struct sigaction sa = { .sa_handler = wake };
	struct rlimit cpu = { 10, 10 };
	values(v);
	setrlimit(RLIMIT_CPU, &cpu);
	for (int fd = 0; fd < 8; fd++)
		close(fd);
	sigaction(SIGALRM, &sa, NULL);
	sigaction(SIGPIPE, &sa, NULL);
	sigaction(SIGIO, &sa, NULL);
	setitimer(ITIMER_REAL, &soon, NULL);
	for (unsigned n = 0; n < VALUES + MIXES; n++) {
		uint64_t a[6];
		for (unsigned i = 0; i < 6; i++)
			a[i] = v[n < VALUES ? n : (unsigned)rand_r(&seed) % VALUES];
		syscall(number, a[0], a[1], a[2], a[3], a[4], a[5]);
	}
	_exit(0);
}

int main(void)
{
	unsigned bad = 0;
	for (int number = 0; number < CALLS; number++) {
		int status;
		if (AMONG(number, left_out))
			continue;
		pid_t pid = fork();
		if (pid == 0)
			child(number);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
		int fine = (WIFEXITED(status) && WEXITSTATUS(status) == 0) ||
			(AMONG(number, may_die) && WIFSIGNALED(status));
		if (!fine)
			printf("not ok call %d: status 0x%x\n", number, (unsigned)status);
		bad += !fine;
	}
	if (!bad)
		puts("ok every call comes back");
	return bad != 0;
}
