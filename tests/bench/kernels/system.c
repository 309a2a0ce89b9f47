/* SPDX-License-Identifier: MIT */
#include "system.h"
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PLACES = 3 };
static const char *const places[PLACES] = { "/dev/shm/bench-XXXXXX", "/tmp/bench-XXXXXX",
	"/bench-XXXXXX" };

int open_temporary(void)
{
	char name[TEMPORARY_SIZE];
	int file = -1;
	for (int i = 0; i < PLACES && file < 0; i++) {
		strcpy(name, places[i]);
		file = mkstemp(name);
	}
	if (file >= 0)
		unlink(name);
	return file;
}

char *make_temporary_folder(char name[TEMPORARY_SIZE])
{
	char *folder = NULL;
	for (int i = 0; i < PLACES && !folder; i++)
		folder = mkdtemp(strcpy(name, places[i]));
	return folder;
}

void share_cpu(cpu_set_t *before)
{
	cpu_set_t here;
	CPU_ZERO(&here);
	CPU_SET(sched_getcpu(), &here);
	sched_getaffinity(0, sizeof(*before), before);
	sched_setaffinity(0, sizeof(here), &here);
}
