/* SPDX-License-Identifier: MIT */
/* The fourth set's system kernels (see README.md): pipes, events, folders, memory that grows. */
#include "bench.h"
#include "system.h"
#include <dirent.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { PAGE = 4096 };

/* ---- a pipeline: blocks through pipes and two threads that change them ---- */
enum { STAGES = 2, BYTES = 2048, AHEAD = 8 };
struct stage {
	pthread_t thread;
	int in, out;
	uint8_t key;
};

static int read_all(int file, uint8_t *block)
{
	for (size_t got = 0; got < BYTES;) {
		ssize_t n = read(file, block + got, BYTES - got);
		if (n <= 0)
			return 0;
		got += (size_t)n;
	}
	return 1;
}

static void *change(void *stage)
{
	struct stage *s = stage;
	uint8_t block[BYTES];
	while (read_all(s->in, block)) {
		for (int i = 0; i < BYTES; i += 16)
			block[i] = (uint8_t)(block[i] * 5 + s->key++);
		if (write(s->out, block, BYTES) != BYTES)
			break;
	}
	close(s->out);
	return NULL;
}

static uint32_t run_pipeline(unsigned scale)
{
	struct stage stages[STAGES];
	uint8_t block[BYTES] = { 1 };
	int ends[STAGES + 1][2];
	cpu_set_t cpus;
	uint32_t sum = 1;
	for (int i = 0; i <= STAGES; i++)
		if (pipe(ends[i]))
			return 0;
	share_cpu(&cpus);
	for (int i = 0; i < STAGES; i++) {
		stages[i] = (struct stage){ 0, ends[i][0], ends[i + 1][1], (uint8_t)i };
		if (pthread_create(&stages[i].thread, NULL, change, &stages[i]))
			return 0;
	}
	for (unsigned r = 0; r < 400 * scale; r++) {
		for (int i = 0; i < AHEAD; i++) {
			block[r % BYTES] ^= (uint8_t)i;
			if (write(ends[0][1], block, BYTES) != BYTES)
				return 0;
		}
		for (int i = 0; i < AHEAD; i++) {
			if (!read_all(ends[STAGES][0], block))
				return 0;
			sum = mix(sum, block[(r + (unsigned)i * 16) % BYTES]);
		}
	}
	close(ends[0][1]);
	while (read_all(ends[STAGES][0], block))
		sum = mix(sum, 0xbad);
	for (int i = 0; i < STAGES; i++) {
		pthread_join(stages[i].thread, NULL);
		close(stages[i].in);
	}
	close(ends[STAGES][0]);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	return sum;
}

/* ---- jobs for a thread, and their results as counts of eventfds in an epoll ---- */
enum { CHANNELS = 8 };
struct jobs {
	int wanted, channel[CHANNELS];
	uint32_t seed;
};

static void *work(void *jobs)
{
	struct jobs *j = jobs;
	uint64_t job;
	while (read(j->wanted, &job, sizeof(job)) == sizeof(job) && job < 1000)
		for (uint64_t i = 0; i < job; i++) {
			uint32_t x = next_random(&j->seed);
			uint64_t result = 1 + (x >> 3) % 100;
			if (write(j->channel[x % CHANNELS], &result, 8) != 8)
				return NULL;
		}
	return NULL;
}

static uint32_t run_eventfd(unsigned scale)
{
	struct jobs j = { eventfd(0, 0), { 0 }, 1 };
	struct epoll_event events[CHANNELS];
	uint64_t stop = 1000, got = 0, count[CHANNELS] = { 0 };
	uint32_t expected = j.seed, sum = 1;
	int set = epoll_create1(0);
	pthread_t thread;
	cpu_set_t cpus;
	for (uint32_t i = 0; i < CHANNELS; i++) {
		struct epoll_event e = { .events = EPOLLIN | (i % 2 ? EPOLLET : 0), .data.u32 = i };
		j.channel[i] = eventfd(0, EFD_NONBLOCK);
		if (epoll_ctl(set, EPOLL_CTL_ADD, j.channel[i], &e))
			return 0;
	}
	share_cpu(&cpus);
	if (pthread_create(&thread, NULL, work, &j))
		return 0;
	for (unsigned r = 0; r < 3500 * scale; r++) {
		uint64_t job = 1 + r % 3, due = 0, value;
		for (uint64_t i = 0; i < job; i++)
			due += 1 + (next_random(&expected) >> 3) % 100;
		if (write(j.wanted, &job, sizeof(job)) != sizeof(job))
			return 0;
		for (got = 0; got < due;) { /* in any order, added up or not */
			int n = epoll_wait(set, events, CHANNELS, -1);
			for (int i = 0; i < n; i++) {
				uint32_t c = events[i].data.u32;
				if (read(j.channel[c], &value, sizeof(value)) != sizeof(value))
					continue;
				count[c] += value;
				got += value;
			}
		}
		sum = mix(sum, (uint32_t)count[r % CHANNELS]);
	}
	if (write(j.wanted, &stop, sizeof(stop)) != sizeof(stop))
		return 0;
	pthread_join(thread, NULL);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	for (int i = 0; i < CHANNELS; i++)
		close(j.channel[i]);
	close(j.wanted);
	close(set);
	return sum;
}

/* ---- a tree of folders: made once, walked by getdents64 and fstatat, and by name ---- */
enum { DEPTH = 3, FOLDERS = 4, FILES = 6, LONGEST = 64 };

static int make_tree(int folder, int depth, uint32_t *seed)
{
	char name[LONGEST];
	int good = folder >= 0;
	for (int i = 0; i < FILES; i++) {
		snprintf(name, sizeof(name), "file%d-%d.txt", depth, i);
		int file = openat(folder, name, O_CREAT | O_WRONLY, 0600);
		good &= !ftruncate(file, next_random(seed) % 10000);
		close(file);
	}
	for (int i = 0; i < FOLDERS && depth; i++) {
		snprintf(name, sizeof(name), "folder%d", i);
		good &= !mkdirat(folder, name, 0700);
		int inner = openat(folder, name, O_RDONLY | O_DIRECTORY);
		good &= make_tree(inner, depth - 1, seed);
		close(inner);
	}
	return good;
}

struct listed { /* struct linux_dirent64 */
	uint64_t inode;
	int64_t next;
	uint16_t bytes;
	uint8_t type;
	char name[];
};

/* Sums what is there in any order; removes it if so wanted. */
static uint32_t walk(int folder, int removing)
{
	uint64_t buffer[128];
	uint32_t sum = 0;
	for (long n; (n = syscall(SYS_getdents64, folder, buffer, sizeof(buffer))) > 0;)
		for (char *at = (char *)buffer, *end = at + n; at < end;) {
			struct listed *e = (struct listed *)at;
			struct stat status;
			uint32_t name = 1;
			at += e->bytes;
			if (!strcmp(e->name, ".") || !strcmp(e->name, ".."))
				continue;
			for (const char *c = e->name; *c; c++)
				name = mix(name, (uint8_t)*c);
			if (fstatat(folder, e->name, &status, AT_SYMLINK_NOFOLLOW))
				return 0;
			if (S_ISDIR(status.st_mode)) {
				int inner = openat(folder, e->name, O_RDONLY | O_DIRECTORY);
				name = mix(name, walk(inner, removing));
				close(inner);
			} else {
				name = mix(name, (uint32_t)status.st_size);
			}
			if (removing)
				unlinkat(folder, e->name,
					S_ISDIR(status.st_mode) ? AT_REMOVEDIR : 0);
			sum += name;
		}
	return sum;
}

/* Names that go down into the tree, of which every other one is there. */
static uint32_t look_up(const char *base, uint32_t *seed)
{
	uint32_t sum = 0;
	for (int i = 0; i < 200; i++) {
		uint32_t x = next_random(seed);
		char path[2 * LONGEST];
		struct stat status;
		snprintf(path, sizeof(path), "%s/folder%u/../folder%u/folder%u/file1-%u.txt", base,
			x % FOLDERS, (x >> 4) % FOLDERS, (x >> 8) % FOLDERS,
			(x >> 12) % (2 * FILES));
		sum = mix(sum, stat(path, &status) ? 404 : (uint32_t)status.st_size);
	}
	return sum;
}

static uint32_t run_walk(unsigned scale)
{
	char name[TEMPORARY_SIZE];
	const char *base = make_temporary_folder(name);
	uint32_t seed = 1971, sum = 1;
	int folder = base ? open(base, O_RDONLY | O_DIRECTORY) : -1;
	if (folder < 0 || !make_tree(folder, DEPTH, &seed))
		return 0;
	for (unsigned r = 0; r < 30 * scale; r++) {
		lseek(folder, 0, SEEK_SET);
		sum = mix(sum, walk(folder, 0));
		sum = mix(sum, look_up(base, &seed));
	}
	lseek(folder, 0, SEEK_SET);
	sum = mix(sum, walk(folder, 1));
	close(folder);
	return mix(sum, (uint32_t)rmdir(base));
}

/* ---- memory that grows: the break moved up and down, and blocks by realloc ---- */
static uint32_t move_break(uint32_t *seed)
{
	enum { LARGEST = 256 };
	uint8_t *start = sbrk(0);
	uint32_t sum = 1;
	start += -(uintptr_t)start % PAGE;
	for (size_t pages = 0, more; pages < LARGEST; pages += more) {
		more = 1 + next_random(seed) % 16;
		if (brk(start + (pages + more) * PAGE))
			return 0;
		for (size_t i = pages; i < pages + more; i++) {
			sum += start[i * PAGE + 5]; /* zero */
			start[i * PAGE + i % PAGE] = (uint8_t)(i + 1);
		}
		if (next_random(seed) % 8 == 0 && pages > 32) { /* some are given back */
			pages -= 24;
			if (brk(start + (pages + more) * PAGE))
				return 0;
		}
		sum = mix(sum, start[(pages + more - 1) * PAGE + 7] + (uint32_t)more);
	}
	return sum;
}

static uint32_t grow_block(uint32_t *seed)
{
	size_t size = PAGE, used = 0;
	uint8_t *block = malloc(size);
	uint32_t sum = 1;
	while (used < 384 * PAGE) {
		size_t more = next_random(seed) % (2 * PAGE);
		if (used + more > size) {
			size += size / 2 + more;
			block = realloc(block, size);
		}
		memset(block + used, (int)more, more);
		used += more;
		sum = mix(sum, block[used / 2]);
	}
	free(block);
	return sum;
}

static uint32_t run_grow(unsigned scale)
{
	uint32_t seed = 1979, sum = 1;
	for (unsigned r = 0; r < 40 * scale; r++) {
		void *old = sbrk(0);
		sum = mix(sum, move_break(&seed));
		if (brk(old))
			return 0;
		sum = mix(sum, grow_block(&seed));
	}
	return sum;
}

const struct kernel kernels_sys4[] = {
	{ "pipeline", "sys4", run_pipeline },
	{ "eventfd", "sys4", run_eventfd },
	{ "walk", "sys4", run_walk },
	{ "grow", "sys4", run_grow },
	{ 0 },
};
