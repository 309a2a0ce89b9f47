/* SPDX-License-Identifier: MIT */
/* The fifth set's system kernels (see README.md): a server, contexts, a queue, descriptors, private pages. */
#include "bench.h"
#include "system.h"
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <sys/un.h>
#include <ucontext.h>
#include <unistd.h>

enum { PAGE = 4096 };

/* ---- a server: connections accepted, a few requests each answered with a head and a body ---- */
enum { REQUESTS = 4, BODY = 3000 };

static void *serve(void *listening)
{
	static char body[BODY];
	for (int i = 0; i < BODY; i++)
		body[i] = (char)('a' + i % 26);
	for (int last = 0; !last;) {
		int peer = accept4(*(int *)listening, NULL, NULL, SOCK_CLOEXEC);
		char request[64], head[64];
		for (ssize_t n; (n = recv(peer, request, sizeof(request) - 1, 0)) > 0;) {
			unsigned bytes = 0;
			request[n] = 0;
			last |= !strcmp(request, "STOP");
			if (sscanf(request, "GET /%u", &bytes) != 1 || bytes > BODY)
				break;
			int length = snprintf(head, sizeof(head), "200 length=%u\n", bytes);
			struct iovec parts[2] = { { head, (size_t)length }, { body, bytes } };
			struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
			if (sendmsg(peer, &message, MSG_NOSIGNAL) < 0)
				break;
		}
		close(peer);
	}
	return NULL;
}

/* A socket's name that is in no folder. */
static socklen_t name_socket(struct sockaddr_un *name)
{
	*name = (struct sockaddr_un){ .sun_family = AF_UNIX };
	int n = snprintf(name->sun_path + 1, 64, "bench-serve-%d", (int)getpid());
	return (socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + (size_t)n);
}

static uint32_t run_serve(unsigned scale)
{
	struct sockaddr_un name;
	socklen_t length = name_socket(&name);
	int listening = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	uint32_t seed = 1991, sum = 1;
	pthread_t thread;
	cpu_set_t cpus;
	if (bind(listening, (struct sockaddr *)&name, length) || listen(listening, 8))
		return 0;
	share_cpu(&cpus);
	if (pthread_create(&thread, NULL, serve, &listening))
		return 0;
	for (unsigned r = 0; r <= 800 * scale; r++) {
		int client = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
		char text[64], answer[BODY + 64];
		if (connect(client, (struct sockaddr *)&name, length))
			return 0;
		if (r == 800 * scale && send(client, "STOP", 4, 0) != 4)
			return 0;
		for (int i = 0; i < REQUESTS && r < 800 * scale; i++) {
			unsigned bytes = next_random(&seed) % BODY;
			int n = snprintf(text, sizeof(text), "GET /%u", bytes);
			size_t want = (size_t)snprintf(NULL, 0, "200 length=%u\n", bytes) + bytes;
			if (send(client, text, (size_t)n, 0) != n)
				return 0;
			for (size_t got = 0; got < want;) {
				ssize_t more = recv(client, answer + got, sizeof(answer) - got, 0);
				if (more <= 0)
					return 0;
				got += (size_t)more;
			}
			sum = mix(mix(sum, (uint8_t)answer[want - 1]), (uint8_t)answer[11]);
		}
		shutdown(client, SHUT_RDWR);
		close(client);
	}
	pthread_join(thread, NULL);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	close(listening);
	return sum;
}

/* ---- contexts: each filter of a chain has a stack of its own and asks the one before it ---- */
enum { FILTERS = 12, STACK = 16 * PAGE };
struct filter {
	ucontext_t own, caller;
	struct filter *source;
	uint32_t value, prime;
	void *stack;
};
static struct filter *starting;

static uint32_t ask(struct filter *f)
{
	starting = f;
	swapcontext(&f->caller, &f->own);
	return f->value;
}

/* All numbers, or those of the source that its prime does not divide. */
static void run_filter(void)
{
	struct filter *f = starting;
	for (uint32_t n = 2;; n++) {
		f->value = f->source ? ask(f->source) : n;
		if (f->source && f->value % f->prime == 0)
			continue;
		swapcontext(&f->own, &f->caller);
	}
}

static NOINLINE int start_filter(struct filter *f)
{
	f->stack = mmap(NULL, STACK, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_STACK, -1, 0);
	if (f->stack == MAP_FAILED || getcontext(&f->own))
		return 0;
	f->own.uc_stack.ss_sp = f->stack;
	f->own.uc_stack.ss_size = STACK;
	f->own.uc_link = NULL;
	makecontext(&f->own, run_filter, 0);
	return 1;
}

static uint32_t run_contexts(unsigned scale)
{
	static struct filter filters[FILTERS];
	uint32_t sum = 1;
	for (unsigned r = 0; r < 40 * scale; r++) {
		for (int i = 0; i < FILTERS; i++) {
			struct filter *f = &filters[i];
			f->source = i ? f - 1 : NULL;
			f->prime = i ? ask(f->source) : 1;
			if (!start_filter(f))
				return 0;
		}
		for (int i = 0; i < 60; i++)
			sum = mix(sum, ask(&filters[FILTERS - 1]));
		for (int i = 0; i < FILTERS; i++)
			munmap(filters[i].stack, STACK);
	}
	return sum;
}

/* ---- a queue of few places: some threads fill it, others empty it ---- */
enum { ROOM = 6, WORKERS = 2 };
struct queue {
	pthread_mutex_t lock;
	pthread_cond_t filled, emptied;
	uint32_t item[ROOM], head, count, todo, sum, makers;
};

static void *make_items(void *queue)
{
	struct queue *q = queue;
	pthread_mutex_lock(&q->lock);
	while (q->todo) {
		uint32_t item = q->todo--;
		while (q->count == ROOM)
			pthread_cond_wait(&q->emptied, &q->lock);
		q->item[(q->head + q->count++) % ROOM] = item * 0x9e3779b1u;
		pthread_cond_signal(&q->filled);
		if (item % 4 == 0) { /* let others in */
			pthread_mutex_unlock(&q->lock);
			sched_yield();
			pthread_mutex_lock(&q->lock);
		}
	}
	q->makers--;
	pthread_cond_broadcast(&q->filled);
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

static void *use_items(void *queue)
{
	struct queue *q = queue;
	uint32_t sum = 0;
	pthread_mutex_lock(&q->lock);
	for (;;) {
		while (!q->count && q->makers)
			pthread_cond_wait(&q->filled, &q->lock);
		if (!q->count)
			break;
		uint32_t item = q->item[q->head];
		q->head = (q->head + 1) % ROOM;
		q->count--;
		pthread_cond_signal(&q->emptied);
		pthread_mutex_unlock(&q->lock);
		sum += mix(7, item); /* in any order */
		pthread_mutex_lock(&q->lock);
	}
	q->sum += sum;
	pthread_mutex_unlock(&q->lock);
	return NULL;
}

static uint32_t run_queue(unsigned scale)
{
	struct queue q = { .todo = 8000 * scale, .makers = WORKERS };
	pthread_t thread[2 * WORKERS];
	cpu_set_t cpus;
	pthread_mutex_init(&q.lock, NULL);
	pthread_cond_init(&q.filled, NULL);
	pthread_cond_init(&q.emptied, NULL);
	share_cpu(&cpus);
	for (int i = 0; i < 2 * WORKERS; i++)
		if (pthread_create(&thread[i], NULL, i % 2 ? use_items : make_items, &q))
			return 0;
	for (int i = 0; i < 2 * WORKERS; i++)
		pthread_join(thread[i], NULL);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	return q.sum;
}

/* ---- descriptors, as a shell redirects them: copied, moved, locked, asked, closed ---- */
static uint32_t run_redirect(unsigned scale)
{
	enum { OUTPUT = 60 };
	int file = open_temporary(), ends[2];
	uint32_t seed = 1971, sum = 1;
	char text[256];
	if (file < 0)
		return 0;
	for (unsigned r = 0; r < 2000 * scale; r++) {
		uint32_t x = next_random(&seed);
		struct flock lock = {
			.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = x % 1000, .l_len = 100
		};
		struct stat status;
		int waiting = 0, saved;
		size_t n = (size_t)snprintf(text, sizeof(text), "line %u of %08x\n", r, x);
		if (pipe2(ends, O_CLOEXEC) || dup3(ends[1], OUTPUT, 0) != OUTPUT)
			return 0;
		close(ends[1]);
		if (write(OUTPUT, text, n) != (ssize_t)n || ioctl(ends[0], FIONREAD, &waiting))
			return 0;
		saved = fcntl(OUTPUT, F_DUPFD_CLOEXEC, 70);
		if (dup2(file, OUTPUT) != OUTPUT || fcntl(file, F_SETLK, &lock))
			return 0;
		for (int i = 0; i < 4; i++)
			if (write(OUTPUT, text, n) != (ssize_t)n)
				return 0;
		lock.l_type = F_UNLCK;
		sum = mix(sum, (uint32_t)fcntl(file, F_SETLK, &lock) + (uint32_t)waiting);
		sum = mix(sum, fstat(OUTPUT, &status) ? 0 : (uint32_t)status.st_size);
		sum = mix(sum, (uint32_t)lseek(OUTPUT, 0, SEEK_CUR));
		dup2(saved, OUTPUT);
		close(saved);
		fcntl(ends[0], F_SETFL, fcntl(ends[0], F_GETFL) | O_NONBLOCK);
		sum = mix(sum, (uint32_t)read(ends[0], text, sizeof(text)));
		sum = mix(sum, (uint32_t)read(ends[0], text, sizeof(text))); /* would wait */
		close(OUTPUT);
		close(ends[0]);
		if (r % 50 == 49 && (ftruncate(file, 0) || lseek(file, 0, SEEK_SET)))
			return 0;
	}
	close(file);
	return sum;
}

/* ---- a program's file mapped privately, as a loader does: some words changed, then sealed ---- */
static uint32_t run_relocate(unsigned scale)
{
	enum { PAGES = 96, CHANGES = 300 };
	static uint64_t block[PAGE / 8];
	int file = open_temporary();
	uint32_t seed = 1988, sum = 1;
	for (uint64_t i = 0; i < PAGES; i++) {
		for (uint64_t k = 0; k < PAGE / 8; k++)
			block[k] = i * k;
		if (write(file, block, PAGE) != PAGE)
			return 0;
	}
	for (unsigned r = 0; r < 120 * scale; r++) {
		uint8_t *image = mmap(
			NULL, (PAGES + 8) * PAGE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		uint64_t *word = (uint64_t *)(image + PAGES / 2 * PAGE);
		if (mmap(image, PAGES * PAGE, PROT_READ, MAP_PRIVATE | MAP_FIXED, file, 0) !=
				image ||
			mprotect(word, PAGES / 2 * PAGE, PROT_READ | PROT_WRITE) ||
			mprotect(image + PAGES * PAGE, 8 * PAGE, PROT_READ | PROT_WRITE))
			return 0;
		for (int i = 0; i < CHANGES; i++) {
			uint32_t x = next_random(&seed) % (PAGES / 2 * PAGE / 8);
			word[x] += r;
			sum = mix(sum, (uint32_t)word[x]);
		}
		memset(image + PAGES * PAGE, 1, 5 * PAGE);
		mprotect(word, PAGES / 4 * PAGE, PROT_READ);
		for (int i = 0; i < PAGES + 8; i++)
			sum = mix(sum, image[i * PAGE + (int)(r % PAGE)]);
		munmap(image, (PAGES + 8) * PAGE);
	}
	close(file);
	return sum;
}

/* ---- recursion that runs out of its stack, noticed by a page without rights, and escaped ---- */
static sigjmp_buf escape;
static volatile uint32_t depth, seen_inside;
static uint8_t *guard;

static void overflown(int number, siginfo_t *info, void *context)
{
	(void)number;
	(void)context;
	seen_inside += (uint8_t *)info->si_addr >= guard && (uint8_t *)info->si_addr < guard + PAGE;
	siglongjmp(escape, 1);
}

static NOINLINE uint32_t descend(uint32_t level, uint32_t last)
{
	volatile uint32_t local[40];
	local[level % 40] = level;
	depth = level;
	return level == last ? 1 : descend(level + 1, last) + local[level % 40];
}

static uint32_t wanted_depth, reached;

static void start_descent(void)
{
	reached = descend(0, wanted_depth);
}

static uint32_t run_overflow(unsigned scale)
{
	enum { PAGES = 16 };
	uint8_t *stack = mmap(NULL, (PAGES + 1) * PAGE, PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	stack_t other = { .ss_sp = malloc(64 * 1024), .ss_size = 64 * 1024 }, old;
	struct sigaction action = { .sa_sigaction = overflown,
		.sa_flags = SA_SIGINFO | SA_ONSTACK };
	struct sigaction before;
	ucontext_t own, here;
	volatile uint32_t sum = 1, seed = 1957;
	if (stack == MAP_FAILED || mprotect(stack, PAGE, PROT_NONE) || getcontext(&own))
		return 0;
	guard = stack;
	seen_inside = 0;
	sigaltstack(&other, &old);
	sigaction(SIGSEGV, &action, &before);
	for (volatile unsigned r = 0; r < 2500 * scale; r++) {
		uint32_t x = seed;
		wanted_depth = next_random(&x) % 3 ? 1u << 20 : x % 100; /* too deep, or not */
		seed = x;
		if (r % 25 == 0) /* all of it is fresh again */
			madvise(stack + PAGE, PAGES * PAGE, MADV_DONTNEED);
		if (sigsetjmp(escape, 1) == 0) {
			own.uc_stack.ss_sp = stack;
			own.uc_stack.ss_size = (PAGES + 1) * PAGE;
			own.uc_link = &here;
			makecontext(&own, start_descent, 0);
			swapcontext(&here, &own);
			sum = mix(sum, reached);
		} else {
			sum = mix(sum, depth > 100 ? 5 : 0); /* frames differ in size */
		}
	}
	sigaction(SIGSEGV, &before, NULL);
	sigaltstack(&old, NULL);
	free(other.ss_sp);
	munmap(stack, (PAGES + 1) * PAGE);
	return mix(sum, seen_inside);
}

const struct kernel kernels_sys5[] = {
	{ "serve", "sys5", run_serve },
	{ "contexts", "sys5", run_contexts },
	{ "queue", "sys5", run_queue },
	{ "redirect", "sys5", run_redirect },
	{ "relocate", "sys5", run_relocate },
	{ "overflow", "sys5", run_overflow },
	{ 0 },
};
