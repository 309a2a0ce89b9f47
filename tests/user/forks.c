/* SPDX-License-Identifier: MIT */
/* Forks from several threads at once; each child makes code of its own, as its parent does. */
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
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

int main(void)
{
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
