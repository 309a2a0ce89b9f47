/* SPDX-License-Identifier: MIT */
/* The second set's system kernels (see README.md): files, signals, clocks, threads, sockets. */
#include "bench.h"
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { PAGE = 4096 };

/* ---- small blocks of a file in memory ---- */
static uint32_t run_file(unsigned scale)
{
	enum { BLOCK = 512, BLOCKS = 2048 };
	uint8_t block[BLOCK];
	uint32_t seed = 67, sum = 1;
	int file = memfd_create("bench", 0);
	if (file < 0 || ftruncate(file, BLOCK * BLOCKS))
		return 0;
	memset(block, 1, sizeof(block));
	for (unsigned i = 0; i < 50000 * scale; i++) {
		uint32_t x = next_random(&seed);
		block[x % BLOCK] += (uint8_t)i;
		if (pwrite(file, block, BLOCK, (off_t)(x >> 8) % BLOCKS * BLOCK) != BLOCK)
			break;
		if (lseek(file, (off_t)(x >> 16) % BLOCKS * BLOCK, SEEK_SET) < 0)
			break;
		if (read(file, block, BLOCK) != BLOCK)
			break;
		sum = mix(sum, block[(x >> 4) % BLOCK] + 1);
	}
	close(file);
	return sum;
}

/* ---- faults that a handler mends ---- */
enum { GUARDED = 64 };
static uint8_t *volatile guarded;
static volatile uint32_t faults;

static void mend(int signal, siginfo_t *info, void *context)
{
	uintptr_t at = (uintptr_t)info->si_addr & -(uintptr_t)PAGE;
	(void)signal;
	(void)context;
	if (at - (uintptr_t)guarded >= GUARDED * PAGE)
		_exit(1);
	if (mprotect((void *)at, PAGE, PROT_READ | PROT_WRITE))
		_exit(1);
	faults++;
}

static uint32_t run_segv(unsigned scale)
{
	struct sigaction action = { .sa_sigaction = mend, .sa_flags = SA_SIGINFO }, before;
	uint32_t sum = 1;
	sigaction(SIGSEGV, &action, &before);
	faults = 0;
	for (unsigned r = 0; r < 100 * scale; r++) {
		size_t offset = r % PAGE;
		guarded = mmap(NULL, GUARDED * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (guarded == MAP_FAILED)
			break;
		volatile uint8_t *at = guarded;
		for (unsigned i = 0; i < GUARDED; i++)
			at[(i * 5 + r) % GUARDED * PAGE + offset] += (uint8_t)i;
		mprotect(guarded, GUARDED * PAGE, PROT_READ);
		for (unsigned i = 0; i < GUARDED; i += 4)
			at[i * PAGE + offset] ^= 1;
		for (unsigned i = 0; i < GUARDED; i++)
			sum = mix(sum, at[i * PAGE + offset]);
		munmap(guarded, GUARDED * PAGE);
	}
	sigaction(SIGSEGV, &before, NULL);
	return mix(sum, faults);
}

/* ---- clocks ---- */
static uint32_t run_clock(unsigned scale)
{
	struct timespec last = { 0 }, now, cpu;
	struct timeval day;
	uint32_t good = 0;
	for (unsigned i = 0; i < 800000 * scale; i++) {
		clock_gettime(CLOCK_MONOTONIC, &now);
		good += now.tv_sec > last.tv_sec ||
			(now.tv_sec == last.tv_sec && now.tv_nsec >= last.tv_nsec);
		last = now;
		gettimeofday(&day, NULL);
		good += day.tv_usec < 1000000;
		if (i % 16 == 0)
			good += !clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &cpu);
	}
	return good;
}

/* ---- threads: created and joined, and two that take turns ---- */
struct turns {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	uint32_t turn, end, sum;
};

static void *add_one(void *sum)
{
	*(uint32_t *)sum += 1;
	return NULL;
}

/* Takes the odd turns if odd, else the even ones. */
static void take_turns(struct turns *t, uint32_t odd)
{
	pthread_mutex_lock(&t->lock);
	for (;;) {
		while (t->turn < t->end && t->turn % 2 != odd)
			pthread_cond_wait(&t->changed, &t->lock);
		if (t->turn >= t->end)
			break;
		t->sum = mix(t->sum, t->turn + odd);
		t->turn++;
		pthread_cond_signal(&t->changed);
	}
	pthread_mutex_unlock(&t->lock);
}

static void *take_odd_turns(void *turns)
{
	take_turns(turns, 1);
	return NULL;
}

static uint32_t run_threads(unsigned scale)
{
	enum { THREADS = 4 };
	struct turns t = { PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER, 0, 0, 1 };
	for (unsigned r = 0; r < 60 * scale; r++) {
		pthread_t threads[THREADS], other;
		uint32_t counts[THREADS] = { 0 };
		for (int i = 0; i < THREADS; i++)
			if (pthread_create(&threads[i], NULL, add_one, &counts[i]))
				return 0;
		for (int i = 0; i < THREADS; i++) {
			pthread_join(threads[i], NULL);
			t.sum = mix(t.sum, counts[i]);
		}
		t.turn = 0;
		t.end = 200;
		if (pthread_create(&other, NULL, take_odd_turns, &t))
			return 0;
		take_turns(&t, 0);
		pthread_join(other, NULL);
	}
	return t.sum;
}

/* ---- pages that are copied when written after fork ---- */
static uint32_t run_cow(unsigned scale)
{
	enum { PAGES = 512 };
	uint8_t *pages = mmap(
		NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	uint32_t sum = 1;
	if (pages == MAP_FAILED)
		return 0;
	madvise(pages, PAGES * PAGE, MADV_NOHUGEPAGE);
	for (unsigned i = 0; i < PAGES; i++)
		pages[i * PAGE] = (uint8_t)i;
	for (unsigned r = 0; r < 50 * scale; r++) {
		int go[2], status = 0;
		uint8_t old = 0;
		pid_t child = pipe(go) ? -1 : fork();
		if (child < 0)
			return 0;
		if (!child) { /* waits, so that its parent's pages are shared, and sees the old ones */
			if (read(go[0], &old, 1) != 1)
				_exit(0);
			for (unsigned i = 0; i < PAGES; i += 4)
				old ^= pages[i * PAGE]++;
			_exit(old);
		}
		for (unsigned i = 0; i < PAGES; i++)
			pages[i * PAGE] += (uint8_t)(i + r);
		if (write(go[1], &old, 1) != 1)
			return 0;
		waitpid(child, &status, 0);
		close(go[0]);
		close(go[1]);
		sum = mix(sum, (uint32_t)WEXITSTATUS(status) + pages[r % PAGES * PAGE]);
	}
	munmap(pages, PAGES * PAGE);
	return sum;
}

/* ---- sockets that wait in epoll and poll ---- */
enum { PAIRS = 16 };

static unsigned ready_pair(int set, struct pollfd *polls, int by_poll)
{
	struct epoll_event event;
	unsigned i = 0;
	if (!by_poll)
		return epoll_wait(set, &event, 1, -1) == 1 ? event.data.u32 : PAIRS;
	if (poll(polls, PAIRS, -1) != 1)
		return PAIRS;
	while (i < PAIRS && !(polls[i].revents & POLLIN))
		i++;
	return i;
}

static uint32_t run_epoll(unsigned scale)
{
	int pairs[PAIRS][2], set = epoll_create1(0);
	struct pollfd polls[PAIRS];
	uint32_t seed = 71, sum = 1, message[8] = { 0 };
	for (uint32_t i = 0; i < PAIRS; i++) {
		struct epoll_event event = { .events = EPOLLIN, .data.u32 = i };
		if (socketpair(AF_UNIX, SOCK_STREAM, 0, pairs[i]))
			return 0;
		if (epoll_ctl(set, EPOLL_CTL_ADD, pairs[i][1], &event))
			return 0;
		polls[i] = (struct pollfd){ .fd = pairs[i][1], .events = POLLIN };
	}
	for (unsigned r = 0; r < 20000 * scale; r++) {
		message[r % 8] = next_random(&seed);
		if (write(pairs[seed % PAIRS][0], message, sizeof(message)) != sizeof(message))
			break;
		unsigned ready = ready_pair(set, polls, r % 8 == 0);
		if (ready >= PAIRS)
			break;
		if (read(pairs[ready][1], message, sizeof(message)) != sizeof(message))
			break;
		sum = mix(sum, ready ^ message[(r + 1) % 8]);
	}
	for (int i = 0; i < PAIRS; i++) {
		close(pairs[i][0]);
		close(pairs[i][1]);
	}
	close(set);
	return sum;
}

/* ---- names of files: in /tmp, or in / where there is none ---- */
static uint32_t visit(const char *path)
{
	struct stat named, opened;
	int copy, file = open(path, O_RDWR);
	uint32_t sum = 0;
	if (file < 0)
		return 1;
	copy = dup(file);
	if (stat(path, &named) || fstat(copy, &opened))
		sum += 2;
	else
		sum += 4 * (uint32_t)named.st_size + (named.st_ino != opened.st_ino);
	close(file);
	close(copy);
	return sum + 8 * !!access(path, F_OK);
}

static uint32_t run_paths(unsigned scale)
{
	enum { FILES = 16 };
	char folder[] = "/tmp/bench-XXXXXX", in_root[] = "/bench-XXXXXX", path[64], moved[64];
	const char *base = mkdtemp(folder);
	uint32_t sum = 1;
	if (!base)
		base = mkdtemp(in_root);
	if (!base)
		return 0;
	for (unsigned r = 0; r < 100 * scale; r++) {
		for (unsigned i = 0; i < FILES; i++) {
			snprintf(path, sizeof(path), "%s/%u", base, i);
			int file = open(path, O_CREAT | O_WRONLY, 0600);
			if (file < 0 || write(file, path, i) != (ssize_t)i)
				sum = mix(sum, 0xbad);
			close(file);
			for (int k = 0; k < 3; k++)
				sum = mix(sum, visit(path));
		}
		for (unsigned i = 0; i < FILES; i++) {
			snprintf(path, sizeof(path), "%s/%u", base, i);
			snprintf(moved, sizeof(moved), "%s/moved", base);
			if (rename(path, moved) || visit(path) != 1 || unlink(moved))
				sum = mix(sum, 0xbad);
		}
	}
	rmdir(base);
	return sum;
}

const struct kernel kernels_sys2[] = {
	{ "file", "sys2", run_file },
	{ "segv", "sys2", run_segv },
	{ "clock", "sys2", run_clock },
	{ "threads", "sys2", run_threads },
	{ "cow", "sys2", run_cow },
	{ "epoll", "sys2", run_epoll },
	{ "paths", "sys2", run_paths },
	{ 0 },
};
