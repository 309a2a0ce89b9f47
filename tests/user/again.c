/* SPDX-License-Identifier: MIT */
/* Says what is in the root folder, then becomes its first argument. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int visible(const struct dirent *e)
{
	return e->d_name[0] != '.';
}

int main(int argc, char **argv)
{
	struct dirent **list;
	int n = argc > 1 ? scandir("/", &list, visible, alphasort) : 0;
	for (int i = 0; i < n; i++)
		printf("/%s ", list[i]->d_name);
	puts("");
	fflush(stdout);
	if (argc > 1)
		execv(argv[1], argv + 1);
	perror("exec");
	return 1;
}
