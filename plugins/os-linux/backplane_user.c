/* SPDX-License-Identifier: MIT */
/* backplane-user: `backplane user` as one static program, with the plugins that it needs in it, so that
 * it runs where nothing of the host's can be seen. As an interpreter of binfmt_misc it is called with
 * the program and its arguments. */
#include <backplane/embed.h>
#include <backplane/plugin.h>
#include <stdlib.h>
#include <string.h>

extern const struct bp_plugin bp_plugin_1_cpu_riscv, bp_plugin_1_os_linux;
extern const char manifest_cpu_riscv[], manifest_os_linux[];

int main(int argc, char **argv)
{
	/* Its own exec says "backplane user" (os.h, `again`). */
	int skip = argc > 1 && !strcmp(argv[0], "backplane") && !strcmp(argv[1], "user");
	char **words = calloc((size_t)argc + 2, sizeof(*words));
	if (!words || bp_add_plugin_manifest(&bp_plugin_1_cpu_riscv, manifest_cpu_riscv) != 0 ||
		bp_add_plugin_manifest(&bp_plugin_1_os_linux, manifest_os_linux) != 0)
		return 1;
	words[0] = argv[0];
	words[1] = (char *)(uintptr_t) "user";
	for (int i = skip ? 2 : 1; i < argc; i++)
		words[i - skip + 1] = argv[i];
	int code = bp_main(argc + 1 - skip, words);
	free(words);
	return code;
}
