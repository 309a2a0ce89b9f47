/* SPDX-License-Identifier: MIT */
#include <backplane/embed.h>

int main(int argc, char **argv)
{
	return bp_main(argc, argv);
}
