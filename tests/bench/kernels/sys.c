/* SPDX-License-Identifier: MIT */
/* What a kernel does for a program: system calls, faults, switches, processes. */
#include "bench.h"
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static uint32_t run_getppid(unsigned scale)
{
	uint32_t h = 0;
	for (unsigned i = 0; i < 400000 * scale; i++)
		h += syscall(SYS_getppid) != 0;
	return h;
}

static uint32_t run_pgfault(unsigned scale)
{
	uint32_t h = 0;
	size_t n = 8 << 20;
	for (unsigned r = 0; r < 15 * scale; r++) {
		uint8_t *p = mmap(0, n, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		for (size_t i = 0; i < n; i += 4096)
			p[i] = 1;
		h += p[n - 4096];
		munmap(p, n);
	}
	return h;
}

static uint32_t run_pipe(unsigned scale)
{
	int a[2], b[2];
	char c = 'x';
	uint32_t h = 0;
	if (pipe(a) || pipe(b))
		return 0;
	unsigned n = 10000 * scale;
	pid_t k = fork();
	if (k < 0)
		return 0;
	if (!k) {
		for (unsigned i = 0; i < n; i++) {
			if (read(a[0], &c, 1) != 1)
				_exit(1);
			c++;
			if (write(b[1], &c, 1) != 1)
				_exit(1);
		}
		_exit(0);
	}
	for (unsigned i = 0; i < n; i++) {
		if (write(a[1], &c, 1) != 1 || read(b[0], &c, 1) != 1)
			break;
		h++;
	}
	waitpid(k, 0, 0);
	close(a[0]);
	close(a[1]);
	close(b[0]);
	close(b[1]);
	return h;
}

static uint32_t run_fork(unsigned scale)
{
	uint32_t h = 0;
	for (unsigned i = 0; i < 200 * scale; i++) {
		pid_t k = fork();
		if (!k)
			_exit(3);
		int st = 0;
		waitpid(k, &st, 0);
		h += WEXITSTATUS(st);
	}
	return h;
}

const struct kernel kernels_sys[] = {
	{ "getppid", "sys", run_getppid },
	{ "pgfault", "sys", run_pgfault },
	{ "pipe", "sys", run_pipe },
	{ "fork", "sys", run_fork },
	{ 0 },
};
