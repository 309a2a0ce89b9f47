/* SPDX-License-Identifier: MIT */
/* The third set's system kernels (see README.md): devices, files, mappings, signals, messages. */
#include "bench.h"
#include "system.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/sendfile.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/uio.h>
#include <unistd.h>

enum { PAGE = 4096, LONGEST = 64 };

/* Devices of memory; made where there are none. */
static int open_device(const char *name, unsigned minor)
{
	int file = open(name, O_RDWR);
	if (file < 0 && errno == ENOENT && !mknod(name, S_IFCHR | 0600, makedev(1, minor)))
		file = open(name, O_RDWR);
	return file;
}

/* ---- zeros read and thrown away, in pieces of many sizes ---- */
static uint32_t run_devices(unsigned scale)
{
	static uint8_t buffer[16 * PAGE];
	int zero = open_device("/dev/zero", 5), null = open_device("/dev/null", 3);
	uint32_t seed = 163, sum = 1;
	for (unsigned i = 0; i < 30000 * scale; i++) {
		uint32_t x = next_random(&seed);
		size_t bytes = (x & 15) ? x >> 21 : sizeof(buffer);
		struct iovec parts[2] = { { buffer, bytes / 3 },
			{ buffer + bytes / 2, bytes / 5 } };
		buffer[x % sizeof(buffer)] = 1;
		if (x >> 31)
			sum += (uint32_t)read(zero, buffer, bytes);
		else
			sum += (uint32_t)readv(zero, parts, 2);
		sum += buffer[x % sizeof(buffer)];
		sum = mix(sum, (uint32_t)write(null, buffer, bytes));
	}
	close(zero);
	close(null);
	return sum;
}

/* ---- a file written, copied by blocks and by sendfile, and cut ---- */
static uint32_t run_copies(unsigned scale)
{
	enum { BLOCKS = 256 };
	static uint8_t block[PAGE];
	int from = open_temporary(), to = open_temporary();
	uint32_t sum = 1;
	for (unsigned r = 0; r < 10 * scale; r++) {
		off_t at = 0;
		lseek(from, 0, SEEK_SET);
		lseek(to, 0, SEEK_SET);
		for (unsigned i = 0; i < BLOCKS; i++) {
			memset(block, (int)(i + r), sizeof(block));
			if (write(from, block, sizeof(block)) != PAGE)
				return 0;
		}
		lseek(from, 0, SEEK_SET);
		for (ssize_t n; (n = read(from, block, sizeof(block))) > 0;
			sum = mix(sum, block[9]))
			if (write(to, block, (size_t)n) != n)
				return 0;
		while (at < BLOCKS * PAGE)
			if (sendfile(to, from, &at, 16 * PAGE) <= 0)
				return 0;
		for (unsigned i = 0; i < BLOCKS; i += 3) {
			if (pread(to, block, 100, (off_t)(BLOCKS + i) * PAGE) != 100)
				return 0;
			sum = mix(sum, block[i % 100]);
		}
		sum = mix(sum, (uint32_t)lseek(to, 0, SEEK_END) / PAGE);
		if (ftruncate(from, 0) || ftruncate(to, PAGE))
			return 0;
	}
	close(from);
	close(to);
	return sum;
}

/* ---- a log by the C library's streams: lines written, read, parsed ---- */
static uint32_t run_log(unsigned scale)
{
	enum { LINES = 2000 };
	uint32_t seed = 167, sum = 1;
	for (unsigned r = 0; r < 15 * scale; r++) {
		int file = open_temporary();
		FILE *log = file < 0 ? NULL : fdopen(file, "w+");
		char line[100], word[20];
		unsigned number, value;
		if (!log)
			return 0;
		for (unsigned i = 0; i < LINES; i++) {
			fprintf(log, "%05u worker%u: %s %x\n", i, i % 8, i % 3 ? "done" : "failed",
				next_random(&seed));
			if (i % 50 == 0)
				fflush(log);
		}
		rewind(log);
		while (fgets(line, sizeof(line), log))
			if (sscanf(line, "%u %*[^:]: %19s %x", &number, word, &value) == 3)
				sum = mix(sum, number ^ value ^ (uint32_t)strlen(word));
		fseek(log, -20, SEEK_END);
		while (fgetc(log) != EOF)
			sum++;
		fclose(log);
	}
	return sum;
}

/* ---- mappings: a file's pages shared, and memory that grows, moves and is given back ---- */
static uint32_t map_file(int file, unsigned r)
{
	enum { PAGES = 64 };
	uint32_t sum = 1;
	uint8_t byte = 0,
		*p = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	uint8_t *q = mmap(NULL, PAGES * PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE, file, 0);
	if (p == MAP_FAILED || q == MAP_FAILED)
		return 0;
	for (unsigned i = 0; i < PAGES; i++)
		p[i * PAGE + r % PAGE] += (uint8_t)(i + 1);
	for (unsigned i = 0; i < PAGES; i += 2)
		q[i * PAGE] ^= 0xff; /* the file does not see it */
	for (unsigned i = 0; i < PAGES; i += 7) {
		if (pread(file, &byte, 1, (off_t)i * PAGE) != 1)
			return 0;
		sum = mix(sum, byte + 2u * q[i * PAGE]);
	}
	msync(p, PAGES * PAGE, MS_SYNC);
	munmap(p, PAGES * PAGE);
	munmap(q, PAGES * PAGE);
	return sum;
}

static uint32_t run_maps(unsigned scale)
{
	int file = open_temporary();
	uint32_t sum = 1;
	if (file < 0 || ftruncate(file, 64 * PAGE))
		return 0;
	for (unsigned r = 0; r < 100 * scale; r++) {
		size_t bytes = 4 * PAGE;
		uint8_t *p = mmap(
			NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return 0;
		for (; bytes < 64 * PAGE; bytes *= 2) {
			for (size_t i = 0; i < bytes; i += PAGE)
				p[i + r % PAGE] += (uint8_t)bytes + 3;
			p = mremap(p, bytes, 2 * bytes, MREMAP_MAYMOVE);
			if (p == MAP_FAILED)
				return 0;
		}
		madvise(p, bytes / 4, MADV_DONTNEED);
		mprotect(p + bytes / 2, bytes / 2, PROT_READ);
		for (size_t i = 0; i < bytes; i += PAGE)
			sum = mix(sum, p[i + r % PAGE]);
		munmap(p, bytes);
		sum = mix(sum, map_file(file, r));
	}
	close(file);
	return sum;
}

/* ---- signals: handled, blocked and released, queued with values and waited for ---- */
static volatile sig_atomic_t handled;

static void count_signal(int signal)
{
	handled += signal == SIGUSR1 ? 1 : 100;
}

static uint32_t run_signals(unsigned scale)
{
	struct sigaction action = { .sa_handler = count_signal }, before[2];
	sigset_t blocked, queued, old, pending;
	uint32_t sum = 1;
	sigaction(SIGUSR1, &action, &before[0]);
	sigaction(SIGUSR2, &action, &before[1]);
	sigemptyset(&blocked);
	sigaddset(&blocked, SIGUSR1);
	sigaddset(&blocked, SIGUSR2);
	sigemptyset(&queued);
	sigaddset(&queued, SIGRTMIN + 1);
	sigprocmask(SIG_BLOCK, &queued, NULL);
	for (unsigned i = 0; i < 3000 * scale; i++) {
		siginfo_t info;
		handled = 0;
		kill(getpid(), SIGUSR1);
		raise(SIGUSR2);
		sigprocmask(SIG_BLOCK, &blocked, &old);
		raise(SIGUSR1);
		raise(SIGUSR1); /* one that is pending already */
		sum += (uint32_t)handled;
		sigpending(&pending);
		sum += (uint32_t)sigismember(&pending, SIGUSR1);
		sigprocmask(SIG_SETMASK, &old, NULL);
		sum = mix(sum, (uint32_t)handled);
		for (int k = 0; k < 2; k++)
			sigqueue(getpid(), SIGRTMIN + 1, (union sigval){ .sival_int = (int)i + k });
		for (int k = 0; k < 2; k++)
			if (sigwaitinfo(&queued, &info) == SIGRTMIN + 1)
				sum = mix(sum, (uint32_t)info.si_value.sival_int);
	}
	sigprocmask(SIG_UNBLOCK, &queued, NULL);
	sigaction(SIGUSR1, &before[0], NULL);
	sigaction(SIGUSR2, &before[1], NULL);
	return sum;
}

/* ---- messages to a thread, and its answers ---- */
static void *answer(void *socket)
{
	uint32_t message[64];
	ssize_t n;
	while ((n = recv(*(int *)socket, message, sizeof(message), 0)) > 0) {
		for (ssize_t i = 0; i < n / 4; i++)
			message[i] = message[i] * 3 + 1;
		if (send(*(int *)socket, message, (size_t)n, 0) != n)
			break;
	}
	return NULL;
}

static uint32_t run_messages(unsigned scale)
{
	uint32_t seed = 173, sum = 1, head[4], body[60];
	struct iovec parts[2] = { { head, sizeof(head) }, { body, 0 } };
	struct msghdr message = { .msg_iov = parts, .msg_iovlen = 2 };
	cpu_set_t cpus;
	pthread_t thread;
	int pair[2];
	memset(head, 1, sizeof(head));
	memset(body, 2, sizeof(body));
	if (socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair))
		return 0;
	share_cpu(&cpus);
	if (pthread_create(&thread, NULL, answer, &pair[1]))
		return 0;
	for (unsigned i = 0; i < 3000 * scale; i++) {
		parts[1].iov_len = next_random(&seed) % 60 * 4;
		head[i % 4] ^= seed;
		if (sendmsg(pair[0], &message, 0) < 0)
			break;
		if (recvmsg(pair[0], &message, 0) != (ssize_t)(sizeof(head) + parts[1].iov_len))
			break;
		sum = mix(sum, head[i % 4] + body[i % 60]);
	}
	shutdown(pair[0], SHUT_RDWR);
	pthread_join(thread, NULL);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	close(pair[0]);
	close(pair[1]);
	return sum;
}

/* ---- threads that hand on a number, each asleep on a futex of its own ---- */
enum { RING = 3 };
struct place {
	struct place *next;
	pthread_t thread;
	uint32_t full, number, rounds, sum;
};

static void hand_on(struct place *to, uint32_t number)
{
	to->number = number;
	__atomic_store_n(&to->full, 1, __ATOMIC_RELEASE);
	syscall(SYS_futex, &to->full, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
}

static uint32_t take(struct place *p)
{
	while (!__atomic_load_n(&p->full, __ATOMIC_ACQUIRE))
		syscall(SYS_futex, &p->full, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	__atomic_store_n(&p->full, 0, __ATOMIC_RELAXED);
	return p->number;
}

static void *serve(void *place)
{
	struct place *p = place;
	for (uint32_t i = 0; i < p->rounds; i++) {
		uint32_t number = take(p);
		p->sum = mix(p->sum, number);
		hand_on(p->next, number + p->sum);
	}
	return NULL;
}

static uint32_t run_futex(unsigned scale)
{
	struct place ring[RING + 1] = { 0 }; /* the last is the caller's own */
	cpu_set_t cpus;
	uint32_t sum = 1;
	share_cpu(&cpus);
	for (int i = 0; i < RING; i++) {
		ring[i].next = &ring[i + 1];
		ring[i].rounds = 2000 * scale;
		if (pthread_create(&ring[i].thread, NULL, serve, &ring[i]))
			return 0;
	}
	for (uint32_t i = 0; i < 2000 * scale; i++) {
		hand_on(&ring[0], i);
		sum = mix(sum, take(&ring[RING]));
	}
	for (int i = 0; i < RING; i++)
		pthread_join(ring[i].thread, NULL);
	sched_setaffinity(0, sizeof(cpus), &cpus);
	return sum;
}

/* ---- folders: made, listed, linked, removed ---- */
static uint32_t list(const char *path)
{
	uint32_t sum = 0;
	DIR *folder = opendir(path);
	for (struct dirent *e; folder && (e = readdir(folder));) {
		uint32_t name = 1;
		for (const char *c = e->d_name; *c; c++)
			name = mix(name, (uint8_t)*c);
		sum += name; /* in any order */
	}
	if (folder)
		closedir(folder);
	return sum;
}

static uint32_t fill_folder(const char *base, unsigned r)
{
	enum { FILES = 24 };
	char path[LONGEST + 20], other[LONGEST + 20], target[LONGEST];
	struct stat status;
	uint32_t sum = 1;
	for (unsigned i = 0; i < FILES; i++) {
		snprintf(path, sizeof(path), "%s/%u-%u", base, i, r % 100);
		snprintf(other, sizeof(other), "%s/link%u", base, i);
		if (i % 4 == 0) {
			sum += (uint32_t)mkdir(path, 0700);
		} else if (i % 4 == 1) {
			sum += (uint32_t)symlink("nowhere", path);
		} else {
			int file = open(path, O_CREAT | O_RDWR, 0600);
			if (ftruncate(file, i * 100))
				sum += 1000;
			close(file);
			sum += (uint32_t)link(path, other);
		}
	}
	sum = mix(sum, list(base));
	for (unsigned i = 0; i < FILES; i++) {
		snprintf(path, sizeof(path), "%s/%u-%u", base, i, r % 100);
		snprintf(other, sizeof(other), "%s/link%u", base, i);
		if (lstat(path, &status))
			sum += 1000;
		sum = mix(sum, status.st_mode & (i % 4 == 1 ? S_IFMT : S_IFMT | 0777));
		if (i % 4 > 1)
			sum = mix(sum, (uint32_t)status.st_size ^ (uint32_t)status.st_nlink);
		else if (i % 4 == 1)
			sum = mix(sum, (uint32_t)readlink(path, target, sizeof(target)));
		sum += (uint32_t)(i % 4 ? unlink(path) : rmdir(path));
		sum += i % 4 > 1 ? (uint32_t)unlink(other) : (uint32_t)!access(other, F_OK);
	}
	return sum;
}

static uint32_t run_folders(unsigned scale)
{
	char name[TEMPORARY_SIZE];
	const char *base = make_temporary_folder(name);
	uint32_t sum = 1;
	if (!base)
		return 0;
	for (unsigned r = 0; r < 150 * scale; r++)
		sum = mix(sum, fill_folder(base, r));
	rmdir(base);
	return sum;
}

const struct kernel kernels_sys3[] = {
	{ "devices", "sys3", run_devices },
	{ "copies", "sys3", run_copies },
	{ "log", "sys3", run_log },
	{ "maps", "sys3", run_maps },
	{ "signals", "sys3", run_signals },
	{ "messages", "sys3", run_messages },
	{ "futex", "sys3", run_futex },
	{ "folders", "sys3", run_folders },
	{ 0 },
};
