/* SPDX-License-Identifier: MIT */
/* Runs a fuzz target over every file of the folders named: the seeds, and inputs that once crashed
 * it, in each ordinary build. */
#include "fuzz.h"
#include <glib.h>
#include <stdio.h>

static int replay(const char *path)
{
	char *bytes;
	gsize length;

	if (!g_file_get_contents(path, &bytes, &length, NULL)) {
		fprintf(stderr, "%s: The file cannot be read.\n", path);
		return 1;
	}
	/* Exactly the input, so that a sanitizer sees reads beyond it. */
	bytes = g_realloc(bytes, length ? length : 1);
	LLVMFuzzerTestOneInput((const uint8_t *)bytes, length);
	g_free(bytes);
	return 0;
}

int main(int argc, char **argv)
{
	int failed = 0, count = 0;

	for (int i = 1; i < argc; i++) {
		GDir *folder = g_dir_open(argv[i], 0, NULL);
		const char *name;

		while (folder && (name = g_dir_read_name(folder))) {
			char *path = g_build_filename(argv[i], name, NULL);

			failed += replay(path);
			count++;
			g_free(path);
		}
		if (folder)
			g_dir_close(folder);
	}
	printf("%d inputs\n", count);
	return failed || !count;
}
