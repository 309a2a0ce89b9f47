/* SPDX-License-Identifier: MIT */
/* A program that embeds an emulator and brings a plugin with it: bp_plugin_1_probe is linked in, and
 * wins over the shared object of the same types. */
#include <backplane/embed.h>
#include <backplane/plugin.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

extern const struct bp_plugin bp_plugin_1_probe;

int main(int argc, char **argv)
{
	static const struct bp_plugin broken = { .size = 8 };
	char describe[] = "describe", probe[] = "probe", path[] = "--plugin-path";
	char *words[] = { argv[0], describe, probe, path, argc > 1 ? argv[1] : path, NULL };
	if (bp_add_plugin(&broken) == 0 || bp_add_plugin(&bp_plugin_1_probe) != 0) {
		fprintf(stderr, "bp_add_plugin takes what it should not, or not what it should\n");
		return 1;
	}
	return bp_main(5, words);
}
