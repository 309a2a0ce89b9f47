/* SPDX-License-Identifier: MIT */
/* Programs that do what no program should, each in a process of its own: it gets the signal or errno that
 * Linux gives. A line for each. */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { LI_A0 = 0x513, RET = 0x8067, FINE = 77 };
#define SPACE (UINT64_C(1) << 38)

static void *mapping(size_t len, int prot)
{
	return mmap(NULL, len, prot, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

/* ---- signals ---- */

static volatile unsigned long caught;

static void count(int signal)
{
	(void)signal;
	caught++;
}

static void storm(void)
{
	struct sigaction sa = { .sa_handler = count };
	struct itimerval often = { { 0, 50 }, { 0, 50 } };
	uint64_t x = 1, sum = 0;
	time_t end = time(NULL) + 3;
	sigaction(SIGALRM, &sa, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	setitimer(ITIMER_REAL, &often, NULL);
	pid_t parent = getpid(), child = fork();
	if (child == 0) {
		while (kill(parent, SIGUSR1) == 0 && time(NULL) <= end)
			;
		_exit(0);
	}
	for (unsigned i = 0; i < 20000000; i++) {
		x = x * 6364136223846793005 + 1442695040888963407;
		sum += x >> 33;
	}
	memset(&often, 0, sizeof(often));
	setitimer(ITIMER_REAL, &often, NULL);
	kill(child, SIGKILL);
	/* what it is without signals */
	uint64_t again = 0;
	x = 1;
	for (unsigned i = 0; i < 20000000; i++) {
		x = x * 6364136223846793005 + 1442695040888963407;
		again += x >> 33;
	}
	_exit(sum == again && caught > 100 ? FINE : 1);
}

static void deeper(int signal)
{
	raise(signal); /* never returns: the stack ends */
}

static void nested(void)
{
	struct sigaction sa = { .sa_handler = deeper, .sa_flags = SA_NODEFER };
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
}

static void small_alternate(void)
{
	stack_t s = { .ss_sp = mapping(4096, PROT_READ), .ss_size = 4096 };
	struct sigaction sa = { .sa_handler = count, .sa_flags = SA_ONSTACK };
	sigaltstack(&s, NULL);
	sigaction(SIGUSR1, &sa, NULL);
	raise(SIGUSR1);
}

static void blocked_fault(void)
{
	sigset_t all;
	struct sigaction sa = { .sa_handler = count };
	sigaction(SIGSEGV, &sa, NULL);
	sigfillset(&all);
	sigprocmask(SIG_SETMASK, &all, NULL);
	*(volatile int *)8 = 1;
}

static void false_return(void)
{
	syscall(SYS_rt_sigreturn);
	_exit(1);
}

/* ---- memory ---- */

static void stack_overflow(void)
{
	volatile char room[65536];
	room[0] = 1;
	stack_overflow();
	room[1] = room[0];
}

static void executes_data(void)
{
	static uint32_t code[] = { 42 << 20 | LI_A0, RET };
	((int (*)(void))(uintptr_t)code)();
}

static void executes_nothing(void)
{
	((int (*)(void))(uintptr_t)0x123456000)();
}

static void unmaps_itself(void)
{
	syscall(SYS_munmap, 0x10000, SPACE - 0x10000);
	_exit(1);
}

static void protects_itself(void)
{
	syscall(SYS_mprotect, (uintptr_t)protects_itself & ~(uintptr_t)4095, 4096, 0);
	_exit(1);
}

/* All that there is, in pieces that become smaller; then what is there can still be used. */
static void maps_all(void)
{
	unsigned got = 0;
	for (uint64_t size = SPACE; size >= 1 << 21; size /= 2)
		while (mmap(NULL, size, PROT_READ | PROT_WRITE,
			       MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0) != MAP_FAILED)
			got++;
	void *none = mmap(NULL, UINT64_C(1) << 47, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	_exit(got > 10 && none == MAP_FAILED && errno == ENOMEM ? FINE : 1);
}

static void odd_mappings(void)
{
	static const struct {
		uint64_t addr, len;
		int flags, error;
	} rows[] = { { 0, 0, 0, EINVAL }, { 1, 4096, MAP_FIXED, EINVAL },
		{ SPACE, 4096, MAP_FIXED, ENOMEM }, { SPACE - 4096, 8192, MAP_FIXED, ENOMEM },
		{ UINT64_C(1) << 63, 4096, MAP_FIXED, ENOMEM },
		{ 0x100000, UINT64_MAX - 4095, MAP_FIXED, ENOMEM },
		{ 0, UINT64_MAX - 4095, 0, ENOMEM }, { 0, UINT64_MAX, 0, ENOMEM } };
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		long r = syscall(SYS_mmap, rows[i].addr, rows[i].len, PROT_READ,
			MAP_PRIVATE | MAP_ANONYMOUS | rows[i].flags, -1, 0);
		if (r != -1 || errno != rows[i].error) {
			printf("# mapping %u: %ld, errno %d\n", i, r, errno);
			fflush(stdout);
			_exit(1);
		}
	}
	char *page = mapping(8192, PROT_READ | PROT_WRITE);
	struct iovec far[2] = { { page, 4096 }, { (void *)(uintptr_t)(SPACE + 0x1000), 4096 } };
	struct iovec hole[2] = { { page, 4096 }, { page + 4096, 4096 } };
	int null = open("/dev/zero", O_RDWR), p[2];
	munmap(page + 4096, 4096);
	_exit(pipe(p) == 0 && read(null, page + 4095, 2) <= 1 &&
				write(p[1], page + 4090, 4096) <= 6 &&
				readv(null, hole, 2) == 4096 && readv(null, far, 2) == -1 &&
				errno == EFAULT && writev(p[1], &far[1], 1) == -1 && errno == EFAULT
			? FINE
			: 1);
}

/* ---- code that is written elsewhere ---- */

static int both_views(int fd)
{
	ftruncate(fd, 8192);
	uint32_t *w = mmap(NULL, 8192, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
	uint32_t *x = mmap(NULL, 8192, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	int (*fn)(void) = (int (*)(void))(uintptr_t)x;
	if (w == MAP_FAILED || x == MAP_FAILED)
		return 0;
	for (uint32_t i = 0; i < 200; i++) {
		w[0] = i << 20 | LI_A0;
		w[1] = RET;
		__builtin___clear_cache((char *)x, (char *)(x + 2));
		if (fn() != (int)i)
			return 0;
		w[0] = (i + 1) << 20 | LI_A0;
		__asm__ volatile("fence.i" ::: "memory");
		if (fn() != (int)i + 1)
			return 0;
	}
	return 1;
}

static void two_views(void)
{
	char path[] = "/tmp/hostileXXXXXX";
	int file = mkstemp(path), good = both_views(memfd_create("code", 0)) && both_views(file);
	unlink(path);
	_exit(good ? FINE : 1);
}

/* The same by write(2), and by a process that has the file too. */
static void written_file(void)
{
	int fd = memfd_create("code", 0);
	uint32_t code[2] = { 1 << 20 | LI_A0, RET };
	write(fd, code, 8);
	uint32_t *x = mmap(NULL, 4096, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0);
	int (*fn)(void) = (int (*)(void))(uintptr_t)x;
	int good = fn() == 1;
	for (uint32_t i = 2; i < 20; i++) {
		int status;
		pid_t pid = fork();
		code[0] = i << 20 | LI_A0;
		if (pid == 0)
			_exit(pwrite(fd, code, 8, 0) == 8 ? 0 : 1);
		waitpid(pid, &status, 0);
		__builtin___clear_cache((char *)x, (char *)(x + 2));
		good &= fn() == (int)i;
	}
	_exit(good ? FINE : 1);
}

/* ---- calls ---- */

static void false_arguments(void)
{
	char *no_end = mapping(8192, PROT_READ | PROT_WRITE);
	memset(no_end, 'a', 4096);
	munmap(no_end + 4096, 4096);
	char *bad_words[] = { (char *)8, NULL };
	_exit(syscall(SYS_execve, 8, 0, 0) == -1 && errno == EFAULT &&
				syscall(SYS_execve, "/proc/self/exe", bad_words, 0) == -1 &&
				errno == EFAULT &&
				syscall(SYS_execve, "/proc/self/exe", 8, 8) == -1 &&
				errno == EFAULT && open(no_end, O_RDONLY) == -1 &&
				(errno == EFAULT || errno == ENAMETOOLONG) &&
				syscall(SYS_clone, CLONE_THREAD, 0, 0, 0, 0) == -1 &&
				errno == EINVAL && syscall(9999) == -1 && errno == ENOSYS &&
				syscall(-1) == -1 && errno == ENOSYS
			? FINE
			: 1);
}

/* The emulator's memory is behind /proc/self/mem too. */
static void memory_by_name(void)
{
	char own[64];
	snprintf(own, sizeof(own), "/proc/self/task/%ld/mem", syscall(SYS_gettid));
	const char *const names[] = { "/proc/self/mem", "/proc/thread-self/mem", own, "mem" };
	int good = chdir("/proc/self") == 0;
	for (unsigned i = 0; i < sizeof(names) / sizeof(names[0]); i++)
		good &= open(names[i], i & 1 ? O_RDWR : O_RDONLY) == -1 && errno == EACCES;
	_exit(good && open("status", O_RDONLY) >= 0 ? FINE : 1);
}

/* Structs with pointers: they are the guest's, or refused. */
static void inner_pointers(void)
{
	static char cookie[32];
	struct sigevent e = { .sigev_notify = SIGEV_THREAD, .sigev_signo = -1 };
	char bytes[256] = { 0 };
	socklen_t size = sizeof(bytes);
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	e.sigev_value.sival_ptr = cookie;
	int good = syscall(SYS_mq_notify, -1, &e) == -1 && errno == EBADF;
	e.sigev_value.sival_ptr = (void *)8;
	good &= syscall(SYS_mq_notify, -1, &e) == -1 && errno == EFAULT;
	good &= getsockopt(fd, SOL_IP, 129, bytes, &size) == -1 && errno == ENOPROTOOPT;
	good &= getsockopt(fd, IPPROTO_TCP, 35, bytes, &size) == -1 && errno == ENOPROTOOPT;
	good &= setsockopt(fd, SOL_IPV6, 64, bytes, size) == -1 && errno == ENOPROTOOPT;
	_exit(good ? FINE : 1);
}

/* What no kernel runs; the process goes on. */
static void failed_exec(void)
{
	Elf64_Ehdr head = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3, ELFCLASS64,
				    ELFDATA2LSB, EV_CURRENT },
		.e_type = ET_EXEC,
		.e_machine = 0xfff0 };
	char path[] = "/tmp/hostileXXXXXX", *words[] = { path, NULL };
	int fd = mkstemp(path);
	write(fd, &head, sizeof(head));
	fchmod(fd, 0700);
	close(fd);
	int r = execve(path, words, words + 1), error = errno;
	unlink(path);
	signal(SIGUSR1, count);
	raise(SIGUSR1);
	_exit(r == -1 && error == ENOEXEC && caught == 1 ? FINE : 1);
}

static const struct {
	const char *what;
	void (*fn)(void);
	int signal; /* 0: ends with FINE */
} rows[] = {
	{ "signal storm", storm, 0 },
	{ "handlers without end", nested, SIGSEGV },
	{ "an alternate stack that cannot be written", small_alternate, SIGSEGV },
	{ "a fault whose signal is blocked", blocked_fault, SIGSEGV },
	{ "sigreturn without a frame", false_return, SIGSEGV },
	{ "stack overflow", stack_overflow, SIGSEGV },
	{ "executing data", executes_data, SIGSEGV },
	{ "executing what is not there", executes_nothing, SIGSEGV },
	{ "unmapping all", unmaps_itself, SIGSEGV },
	{ "protecting the running code", protects_itself, SIGSEGV },
	{ "mapping all there is", maps_all, 0 },
	{ "odd mappings", odd_mappings, 0 },
	{ "code written through a second mapping", two_views, 0 },
	{ "code written through the file", written_file, 0 },
	{ "false arguments", false_arguments, 0 },
	{ "memory by its name", memory_by_name, 0 },
	{ "pointers in structs", inner_pointers, 0 },
	{ "an exec that fails", failed_exec, 0 },
};

int main(void)
{
	int bad = 0;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
		int status;
		fflush(stdout);
		pid_t pid = fork();
		if (pid == 0)
			rows[i].fn();
		waitpid(pid, &status, 0);
		int good = rows[i].signal
			? WIFSIGNALED(status) && WTERMSIG(status) == rows[i].signal
			: WIFEXITED(status) && WEXITSTATUS(status) == FINE;
		printf("%s %s\n", good ? "ok" : "not ok", rows[i].what);
		if (!good)
			printf("# status 0x%x\n", (unsigned)status);
		bad |= !good;
	}
	return bad;
}
