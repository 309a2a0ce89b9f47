/* SPDX-License-Identifier: MIT */
/* 200 threads with signals between them, futexes and locks, for so many seconds. */
#define _GNU_SOURCE
#include <linux/futex.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>
#define N 200
static pthread_t t[N];
static atomic_long sigs, work;
static atomic_int stop;
static pthread_mutex_t m[8];
static pthread_cond_t c = PTHREAD_COND_INITIALIZER;
static int fut;
static void h(int s)
{
	sigs++;
}
static void *run(void *a)
{
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	while (!t[199])
		usleep(1000);
	pthread_sigmask(SIG_UNBLOCK, &s, 0);
	long me = (long)a;
	unsigned seed = me;
	while (!stop) {
		int k = rand_r(&seed) % 8;
		pthread_mutex_lock(&m[k]);
		work++;
		pthread_mutex_unlock(&m[k]);
		int w = rand_r(&seed) % 10;
		if (w == 0)
			pthread_kill(t[rand_r(&seed) % N], SIGUSR1);
		if (w == 1) {
			struct timespec z = { 0, 100000 };
			syscall(SYS_futex, &fut, FUTEX_WAIT_PRIVATE, 0, &z, 0, 0);
		}
		if (w == 2)
			syscall(SYS_futex, &fut, FUTEX_WAKE_PRIVATE, 5, 0, 0, 0);
		if (w == 3) {
			void *p = malloc(1000 + seed % 100000);
			memset(p, 1, 100);
			free(p);
		}
	}
	return a;
}
int main(int argc, char **argv)
{
	int secs = argc > 1 ? atoi(argv[1]) : 5;
	struct sigaction sa = { .sa_handler = h, .sa_flags = SA_RESTART };
	sigaction(SIGUSR1, &sa, 0);
	for (int i = 0; i < 8; i++)
		pthread_mutex_init(&m[i], 0);
	sigset_t s;
	sigemptyset(&s);
	sigaddset(&s, SIGUSR1);
	pthread_sigmask(SIG_BLOCK, &s, 0);
	for (long i = 0; i < N; i++)
		if (pthread_create(&t[i], 0, run, (void *)i)) {
			puts("create failed");
			return 1;
		}
	/* threads inherit the block: unblock is done by them */
	sleep(secs);
	stop = 1;
	for (long i = 0; i < N; i++) {
		void *v;
		pthread_join(t[i], &v);
		if (v != (void *)i)
			return 2;
	}
	printf("%s\n", work > 1000 ? "good" : "little");
	fprintf(stderr, "sigs %ld work %ld\n", (long)sigs, (long)work);
	return 0;
}
