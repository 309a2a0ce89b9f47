/* SPDX-License-Identifier: MIT */
/* Ends by a signal, a few calls deep and with a second thread. */
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char told[16];

__attribute__((noinline)) static int fall(int depth)
{
	char room[64];
	register double kept __asm__("fs0") = 1.5;
	memset(room, depth, sizeof(room));
	__asm__ volatile("" : "+f"(kept));
	if (depth)
		return fall(depth - 1) + room[depth];
	if (!strcmp(told, "fault"))
		*(volatile int *)16 = room[1];
	else if (!strcmp(told, "abort"))
		abort();
	else
		kill(getpid(), SIGQUIT);
	__asm__ volatile("" ::"f"(kept));
	return room[2];
}

__attribute__((noinline)) static void *waits(void *arg)
{
	for (;;)
		pause();
	return arg;
}

int main(int argc, char **argv)
{
	pthread_t thread;
	pthread_create(&thread, NULL, waits, NULL);
	usleep(10000);
	strncpy(told, argc > 1 ? argv[1] : "", sizeof(told) - 1);
	return fall(3);
}
