/* SPDX-License-Identifier: MIT */
/* Forks from several threads at once; each child makes code of its own, as its parent does. */
#define _GNU_SOURCE
#include <fcntl.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { THREADS = 4, FORKS = 50, LI_A0 = 0x513, RET = 0x8067 };

/* A function that returns n. */
static int make_and_call(uint32_t *code, unsigned n)
{
	int (*fn)(void) = (int (*)(void))(uintptr_t)code;
	code[0] = n << 20 | LI_A0;
	code[1] = RET;
	__builtin___clear_cache((char *)code, (char *)(code + 2));
	return fn();
}

static void *forker(void *arg)
{
	uintptr_t bad = 0;
	uint32_t *code = mmap(
		NULL, 4096, PROT_READ | PROT_WRITE | PROT_EXEC, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	(void)arg;
	for (unsigned i = 0; i < FORKS; i++) {
		int status;
		pid_t pid = fork();
		if (pid == 0) {
			for (unsigned n = 0; n < 50; n++)
				if (make_and_call(code, n + 100) != (int)(n + 100))
					_exit(1);
			_exit(42);
		}
		for (unsigned n = 0; n < 20; n++)
			bad += make_and_call(code, n) != (int)n;
		if (pid < 0 || waitpid(pid, &status, 0) != pid || !WIFEXITED(status) ||
			WEXITSTATUS(status) != 42)
			bad++;
	}
	return (void *)bad;
}

/* A lock of a robust list whose owner becomes another program. */
static void exec_with_lock(char *self)
{
	enum { OWNER_DIED = 0x40000000 };
	struct {
		void *next;
		long offset;
		void *pending;
		void *entry;
		_Atomic(uint32_t) lock;
	} *shared = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pid_t pid = fork();
	if (pid == 0) {
		shared->next = &shared->entry;
		shared->entry = shared;
		shared->offset = (char *)&shared->lock - (char *)&shared->entry;
		shared->lock = (uint32_t)syscall(SYS_gettid);
		syscall(SYS_set_robust_list, shared, 3 * sizeof(long));
		execl(self, self, "end", NULL);
		_exit(1);
	}
	int status;
	waitpid(pid, &status, 0);
	printf("%s exec gives up locks\n",
		status == 42 << 8 && shared->lock == OWNER_DIED ? "ok" : "not ok");
}

/* ---- forks that libc's fork() cannot express, beside threads whose calls make the emulator allocate ---- */

enum { BUSY = 4, ROUNDS = 150, VECTORS = 600, CHILD_SECONDS = 20 };

static _Atomic(int) enough;

static void vectors_out(int fd)
{
	static const struct iovec v[VECTORS];
	syscall(SYS_writev, fd, v, VECTORS);
}

static void *allocates(void *fd)
{
	while (!enough)
		vectors_out(*(int *)fd);
	return NULL;
}

/* The child's own libc may have lost a lock as well: system calls alone. */
static _Noreturn void flagged_child(int fd)
{
	for (unsigned i = 0; i < 10; i++)
		vectors_out(fd);
	syscall(SYS_exit_group, 42);
	__builtin_unreachable();
}

static void flagged(void)
{
	pthread_t thread[BUSY];
	int fd = open("/dev/null", O_WRONLY), bad = 0, pidfd;
	for (unsigned i = 0; i < BUSY; i++)
		pthread_create(&thread[i], NULL, allocates, &fd);
	for (unsigned i = 0; i < ROUNDS && !bad; i++) {
		struct clone_args how = { .flags = CLONE_PIDFD,
			.pidfd = (uintptr_t)&pidfd,
			.exit_signal = i & 1 ? SIGCHLD : 0 };
		siginfo_t info = { 0 };
		long pid = syscall(SYS_clone3, &how, sizeof(how));
		if (pid == 0)
			flagged_child(fd);
		struct pollfd p = { pidfd, POLLIN, 0 };
		bad = pid < 0 || poll(&p, 1, CHILD_SECONDS * 1000) != 1;
		if (bad && pid > 0)
			kill((pid_t)pid, SIGKILL);
		bad |= waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | __WALL) != 0 ||
			info.si_code != CLD_EXITED || info.si_status != 42;
		close(pidfd);
	}
	enough = 1;
	for (unsigned i = 0; i < BUSY; i++)
		pthread_join(thread[i], NULL);
	printf("%s forks with flags beside threads that allocate\n", bad ? "not ok" : "ok");
}

int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "flags")) {
		flagged();
		return 0;
	}
	if (argc > 1)
		return 42;
	exec_with_lock(argv[0]);
	pthread_t thread[THREADS];
	uintptr_t bad = 0;
	for (unsigned i = 0; i < THREADS; i++)
		pthread_create(&thread[i], NULL, forker, NULL);
	for (unsigned i = 0; i < THREADS; i++) {
		void *more;
		pthread_join(thread[i], &more);
		bad += (uintptr_t)more;
	}
	printf("%s forks from threads\n", bad ? "not ok" : "ok");
	return bad != 0;
}
