/* SPDX-License-Identifier: MIT */
/* What a program may expect of the kernel: signals with their information, threads, processes, memory,
 * descriptors. A line for each check. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>
extern char **environ;
static volatile int got;
static sigjmp_buf jb;
static volatile void *fa;
static volatile int code;
static void h(int s, siginfo_t *i, void *u)
{
	got++;
	(void)s;
	(void)i;
	(void)u;
}
static void seg(int s, siginfo_t *i, void *u)
{
	fa = i->si_addr;
	code = i->si_code;
	siglongjmp(jb, s);
}
static int counter;
static pthread_mutex_t m = PTHREAD_MUTEX_INITIALIZER;
static __thread int tls = 5;
static void *thr(void *a)
{
	for (int i = 0; i < 100000; i++) {
		pthread_mutex_lock(&m);
		counter++;
		pthread_mutex_unlock(&m);
	}
	tls += (long)a;
	return (void *)(long)tls;
}
#define T(name, cond) printf("%s %s\n", (cond) ? "ok" : "not ok", name)
int main(int argc, char **argv)
{
	if (argc > 1 && !strcmp(argv[1], "child")) {
		printf("child argv0=%s\n", argv[0]);
		return 7;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	struct sigaction sa = { .sa_sigaction = h, .sa_flags = SA_SIGINFO };
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
	T("raise", got == 1);
	kill(getpid(), SIGUSR1);
	T("kill", got == 2);
	sa.sa_sigaction = seg;
	sigaction(SIGSEGV, &sa, NULL);
	sigaction(SIGBUS, &sa, NULL);
	sigaction(SIGILL, &sa, NULL);
	int r = sigsetjmp(jb, 1);
	if (!r) {
		*(volatile int *)8 = 1;
	}
	T("segv store", r == SIGSEGV && fa == (void *)8 && code == SEGV_MAPERR);
	r = sigsetjmp(jb, 1);
	if (!r) {
		int x = *(volatile int *)0x7f0000001000;
		(void)x;
	}
	T("segv load high", r == SIGSEGV && fa == (void *)0x7f0000001000);
	r = sigsetjmp(jb, 1);
	if (!r) {
		int x = *(volatile int *)-8L;
		(void)x;
	}
	T("segv load -8", r == SIGSEGV && fa == (void *)-8L);
	char *p = mmap(0, 8192, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	r = sigsetjmp(jb, 1);
	if (!r) {
		p[5] = 1;
	}
	T("segv ro", r == SIGSEGV && fa == p + 5 && code == SEGV_ACCERR);
	r = sigsetjmp(jb, 1);
	if (!r) {
		__sync_fetch_and_add((int *)p, 1);
	}
	T("amo ro", r == SIGSEGV && fa == p);
	r = sigsetjmp(jb, 1);
	if (!r) {
		__sync_val_compare_and_swap((int *)p, 0, 1);
	}
	T("lrsc ro", r == SIGSEGV);
	r = sigsetjmp(jb, 1);
	if (!r) {
		((void (*)(void))p)();
	}
	T("exec nx", r == SIGSEGV && fa == p);
	r = sigsetjmp(jb, 1);
	if (!r) {
		__asm__ volatile(".word 0");
	}
	T("sigill", r == SIGILL);
	int fd = memfd_create("x", 0);
	char *q = mmap(0, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	r = sigsetjmp(jb, 1);
	if (!r) {
		q[4096] = 1;
	}
	T("sigbus", r == SIGBUS && fa == q + 4096);
	pthread_t t[8];
	for (long i = 0; i < 8; i++)
		pthread_create(&t[i], 0, thr, (void *)i);
	long sum = 0;
	for (int i = 0; i < 8; i++) {
		void *v;
		pthread_join(t[i], &v);
		sum += (long)v;
	}
	T("threads", counter == 800000 && sum == 8 * 5 + 28);
	fflush(stdout);
	int pid = fork();
	if (pid == 0) {
		_exit(counter == 800000 ? 9 : 1);
	}
	int st;
	waitpid(pid, &st, 0);
	T("fork", WIFEXITED(st) && WEXITSTATUS(st) == 9);
	pid = vfork();
	if (pid == 0) {
		counter = 1;
		_exit(4);
	}
	waitpid(pid, &st, 0);
	T("vfork shares", WEXITSTATUS(st) == 4 && counter == 1);
	char *av[] = { "xyz", "child", 0 };
	fflush(stdout);
	r = posix_spawn(&pid, argv[0], 0, 0, av, environ);
	waitpid(pid, &st, 0);
	T("spawn", r == 0 && WEXITSTATUS(st) == 7);
	r = posix_spawn(&pid, "/nonexistent", 0, 0, av, environ);
	T("spawn enoent", r == ENOENT);
	pid = fork();
	if (pid == 0) {
		abort();
	}
	waitpid(pid, &st, 0);
	T("abort", WIFSIGNALED(st) && WTERMSIG(st) == SIGABRT);
	pid = fork();
	if (pid == 0) {
		signal(SIGSEGV, SIG_DFL);
		*(volatile int *)0 = 0;
	}
	waitpid(pid, &st, 0);
	T("die segv", WIFSIGNALED(st) && WTERMSIG(st) == SIGSEGV);
	// altstack overflow
	static char alt[65536];
	stack_t ss = { .ss_sp = alt, .ss_size = sizeof alt };
	sigaltstack(&ss, 0);
	sa.sa_flags = SA_SIGINFO | SA_ONSTACK;
	sigaction(SIGSEGV, &sa, 0);
	r = sigsetjmp(jb, 1);
	if (!r) {
		volatile char big[16];
		(void)big;
		extern int rec(int);
		rec(0);
	}
	T("stack overflow", r == SIGSEGV);
	// SA_RESTART on pipe read with timer
	int pp[2];
	pipe(pp);
	sa.sa_sigaction = h;
	sa.sa_flags = SA_SIGINFO | SA_RESTART;
	sigaction(SIGALRM, &sa, 0);
	got = 0;
	struct itimerval it = { { 0, 0 }, { 0, 50000 } };
	setitimer(ITIMER_REAL, &it, 0);
	pid = fork();
	if (pid == 0) {
		usleep(150000);
		write(pp[1], "z", 1);
		_exit(0);
	}
	char c;
	r = read(pp[0], &c, 1);
	waitpid(pid, &st, 0);
	T("restart", r == 1 && got == 1);
	sa.sa_flags = SA_SIGINFO;
	sigaction(SIGALRM, &sa, 0);
	setitimer(ITIMER_REAL, &it, 0);
	r = read(pp[0], &c, 1);
	T("eintr", r == -1 && errno == EINTR && got == 2);
	sigset_t s, o;
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	got = 0;
	sa.sa_sigaction = h;
	sigaction(SIGUSR1, &sa, 0);
	sigprocmask(SIG_BLOCK, &s, &o);
	raise(SIGUSR1);
	T("blocked", got == 0);
	sigpending(&s);
	T("pending", sigismember(&s, SIGUSR1));
	r = sigsuspend(&o);
	T("suspend", got == 1 && r == -1 && errno == EINTR);
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	raise(SIGUSR1);
	struct timespec z = { 1, 0 };
	siginfo_t si;
	r = sigtimedwait(&s, &si, &z);
	T("timedwait", r == SIGUSR1 && got == 1);
	int ep = epoll_create1(0);
	struct epoll_event ev = { EPOLLIN, { .u64 = 0x123456789abcull } };
	epoll_ctl(ep, EPOLL_CTL_ADD, pp[0], &ev);
	write(pp[1], "q", 1);
	struct epoll_event out[4];
	r = epoll_wait(ep, out, 4, 100);
	T("epoll", r == 1 && out[0].data.u64 == 0x123456789abcull);
	struct stat sb;
	stat("/", &sb);
	T("stat", S_ISDIR(sb.st_mode));
	errno = 0;
	r = write(1, (void *)0x7fff00000000, 5);
	T("efault high", r == -1 && errno == EFAULT);
	r = write(1, (void *)0x10, 5);
	T("efault low", r == -1 && errno == EFAULT);
	r = read(pp[0], (void *)0x4000000000, 5);
	T("efault limit", r == -1 && errno == EFAULT);
	// jit
	unsigned *code = mmap(0, 4096, 7, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	int good = 1;
	for (int i = 0; i < 100; i++) {
		code[0] = (i << 20) | 0x513;
		code[1] = 0x8067;
		__builtin___clear_cache((char *)code, (char *)code + 8);
		if (((int (*)(void))code)() != i)
			good = 0;
	}
	T("jit", good);
	int mf = memfd_create("c", 0);
	ftruncate(mf, 4096);
	unsigned *w = mmap(0, 4096, 3, MAP_SHARED, mf, 0), *x = mmap(0, 4096, 5, MAP_SHARED, mf, 0);
	good = 1;
	for (int i = 0; i < 100; i++) {
		w[0] = (i << 20) | 0x513;
		w[1] = 0x8067;
		__builtin___clear_cache((char *)x, (char *)x + 8);
		if (((int (*)(void))x)() != i)
			good = 0;
	}
	T("jit two maps", good);
	char *big = mmap(0, 1ul << 20, 3, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	big[5] = 7;
	big = mremap(big, 1ul << 20, 1ul << 24, MREMAP_MAYMOVE);
	T("mremap", big != MAP_FAILED && big[5] == 7 && (big[(1 << 24) - 1] = 1));
	void *huge = mmap(0, 1ul << 37, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	T("huge", huge != MAP_FAILED);
	huge = mmap(0, 1ul << 39, 0, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	T("too huge", huge == MAP_FAILED && errno == ENOMEM);
	char *exe = realpath("/proc/self/exe", 0);
	T("exe", exe && strstr(exe, "basic"));
	FILE *f = fopen("/proc/self/maps", "r");
	char line[300];
	int n = 0, st2 = 0;
	while (fgets(line, 300, f)) {
		n++;
		if (strstr(line, "[stack]"))
			st2 = 1;
	}
	T("maps", n > 3 && st2);
	struct timespec ts;
	T("ptrace", ptrace(PTRACE_TRACEME, 0, 0, 0) == -1 && errno == EPERM);
	T("clock", clock_gettime(CLOCK_MONOTONIC, &ts) == 0);
	return 0;
}
__attribute__((noinline)) int rec(int n)
{
	volatile char b[4096];
	b[0] = n;
	return rec(n + 1) + b[0];
}
