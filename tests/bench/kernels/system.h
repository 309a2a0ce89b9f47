/* SPDX-License-Identifier: MIT */
/* What system kernels of several sets need: where their files lie, and a CPU for threads. */
#ifndef SYSTEM_H
#define SYSTEM_H
#include <sched.h>

/* Both in memory: in /dev/shm, /tmp or a RAM disk's root, as in the guest, where there is nothing else. */
enum { TEMPORARY_SIZE = 32 };
/* A file without a name, or -1. */
int open_temporary(void);
/* Leaves the folder's name in `name`, and returns it; NULL if none can be made. */
char *make_temporary_folder(char name[TEMPORARY_SIZE]);

/* Threads that wait for each other share a CPU, as in a guest that has only one: between two, the time of a
 * wake-up is mostly the idle one's. */
void share_cpu(cpu_set_t *before);
#endif
