/* SPDX-License-Identifier: MIT */
/* Says what it was started with; exits with 7. */
#include <stdio.h>
#include <stdlib.h>
#include <sys/auxv.h>

int main(int argc, char **argv)
{
	for (int i = 0; i < argc; i++)
		printf("%s\n", argv[i]);
	printf("%s\n", getenv("TOLD") ? getenv("TOLD") : "nothing");
	printf("%s\n", (const char *)getauxval(AT_EXECFN));
	return 7;
}
