/* SPDX-License-Identifier: MIT */
/* bench SCALE WORD...: runs the kernels whose name or group is one of the words, and prints
 * "R name group cpu-seconds checksum" for each. With the word copies=N, each in one process and then in N at
 * once: "S name copies" when they start, "C name copies checksum" when the last has ended.
 *
 * The same program is a guest's init: the kernel gives it its word bench=SCALE,WORD... in the
 * environment. It says when it is up, runs the kernels in a process of their own, and powers off. */
#include "bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/reboot.h>
#include <sys/wait.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

enum { MAX_WORDS = 64, MAX_COPIES = 64 };

static const struct kernel *const groups[] = { kernels_int, kernels_codec, kernels_mem, kernels_flt,
	kernels_vecs, kernels_vecv, kernels_sys, kernels_int2, kernels_mem2, kernels_flt2,
	kernels_sys2, kernels_int3, kernels_text3, kernels_mem3, kernels_flt3, kernels_signal3,
	kernels_sys3, kernels_int4, kernels_text4, kernels_mem4, kernels_flt4, kernels_picture4,
	kernels_sys4, kernels_int5, kernels_text5, kernels_code5, kernels_mem5, kernels_table5,
	kernels_flt5, kernels_scene5, kernels_sys5 };

uint32_t float_sum(double d)
{
	char text[40];
	uint32_t sum = 7;
	snprintf(text, sizeof(text), "%.5e", d);
	for (const char *p = text; *p; p++)
		sum = mix(sum, (uint8_t)*p);
	return sum;
}

static double cpu_seconds(void)
{
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec + (double)t.tv_nsec * 1e-9;
}

static int wanted(const struct kernel *k, char *const *words)
{
	for (; *words; words++)
		if (!strcmp(*words, k->name) || !strcmp(*words, k->group))
			return 1;
	return 0;
}

/* n processes at once; their checksums must agree. */
static void run_copies(const struct kernel *k, unsigned scale, unsigned n)
{
	uint32_t *sums = mmap(NULL, MAX_COPIES * sizeof(*sums), PROT_READ | PROT_WRITE,
		MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int same = sums != MAP_FAILED;
	printf("S %s %u\n", k->name, n);
	fflush(stdout);
	for (unsigned i = 0; same && i < n; i++)
		if (fork() == 0) {
			sums[i] = k->run(scale);
			_exit(0);
		}
	while (wait(NULL) > 0)
		;
	for (unsigned i = 1; same && i < n; i++)
		same = sums[i] == sums[0];
	printf("C %s %u %08x%s\n", k->name, n, same ? sums[0] : 0, same ? "" : " DIFFERENT");
	fflush(stdout);
	munmap(sums, MAX_COPIES * sizeof(*sums));
}

static unsigned copies_wanted(char *const *words)
{
	unsigned n = 0;
	for (; *words; words++)
		if (!strncmp(*words, "copies=", 7))
			n = (unsigned)atoi(*words + 7);
	return n < MAX_COPIES ? n : MAX_COPIES;
}

static int run(char *const *words)
{
	unsigned scale = *words ? (unsigned)atoi(*words++) : 0, copies = copies_wanted(words);
	puts("BENCH-START");
	fflush(stdout);
	for (size_t g = 0; g < sizeof(groups) / sizeof(*groups); g++)
		for (const struct kernel *k = groups[g]; k->name; k++) {
			if (!wanted(k, words))
				continue;
			if (copies) {
				run_copies(k, scale, 1);
				run_copies(k, scale, copies);
				continue;
			}
			double start = cpu_seconds();
			uint32_t sum = k->run(scale);
			printf("R %s %s %.6f %08x\n", k->name, k->group, cpu_seconds() - start,
				sum);
			fflush(stdout);
		}
	return 0;
}

static void run_guest(char *text)
{
	char *words[MAX_WORDS + 1] = { 0 };
	unsigned n = 0;
	puts("\nUSERSPACE-UP");
	fflush(stdout);
	for (char *w = strtok(text, ","); w && n < MAX_WORDS; w = strtok(NULL, ","))
		words[n++] = w;
	if (n && fork() == 0)
		_exit(run(words));
	while (wait(NULL) > 0)
		;
	puts("BENCH-DONE");
	fflush(stdout);
	tcdrain(STDOUT_FILENO);
	reboot(RB_POWER_OFF);
}

int main(int argc, char **argv)
{
	char *text = getenv("bench");
	static char none[1];
	if (getpid() == 1)
		run_guest(text ? text : none);
	else if (argc > 2)
		return run(argv + 1);
	fputs("usage: bench SCALE KERNEL-OR-GROUP...\n", stderr);
	return 1;
}
