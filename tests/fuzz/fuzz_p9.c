/* SPDX-License-Identifier: MIT */
/* Messages to the 9P server, from a client that says what it likes, over a folder made anew for each
 * input. Beside it lies what no message may read, change or join.
 *
 * An input is steps: type (1 byte), length (2), the message's body. Type 0: the bytes are the message,
 * its header too; 1: the fids are restored as from a snapshot, with the bytes as paths. */
#include "fuzz.h"
#include "plugins/dev-virtio-9p/p9.h"
#include <dirent.h>
#include <fcntl.h>
#include <ftw.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { STEP = 3, BODY_MOST = 16384, ROOM = 8192, DESCRIPTORS = 16 };

static struct p9 *p;
static char *top, *share;

static void broken(const char *what)
{
	fprintf(stderr, "%s\n", what);
	abort();
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *at)
{
	(void)st;
	(void)type;
	return at->level ? remove(path) : 0;
}

static void clear(const char *path)
{
	/* A folder may have been made that its owner cannot enter. */
	for (int n = 0; n < 2; n++) {
		nftw(path, remove_one, DESCRIPTORS, FTW_DEPTH | FTW_PHYS);
		chmod(path, 0755);
	}
}

static void put(const char *dir, const char *name, const char *text)
{
	char *path = g_build_filename(dir, name, NULL);
	FILE *f = fopen(path, "w");
	if (!f || fputs(text, f) < 0 || fclose(f) != 0)
		broken("The folder cannot be filled.");
	g_free(path);
}

static void finish(void)
{
	clear(top);
	rmdir(top);
}

static void set_up(void)
{
	if (!p) {
		/* In memory, where there is such a place: it is made thousands of times. */
		const char *tmp =
			g_file_test("/dev/shm", G_FILE_TEST_IS_DIR) ? "/dev/shm" : g_get_tmp_dir();
		top = g_build_filename(tmp, "backplane-fuzz-9p-XXXXXX", NULL);
		if (!g_mkdtemp(top))
			broken("There is no folder for the test.");
		share = g_build_filename(top, "share", NULL);
		p = g_new0(struct p9, 1);
		atexit(finish);
	}
	clear(top);
	if (g_mkdir(share, 0755) != 0)
		broken("There is no folder to share.");
	put(top, "secret", "hidden");
	put(share, "f", "hello");
	char *sub = g_build_filename(share, "d", NULL), *link = g_build_filename(share, "l", NULL);
	if (g_mkdir(sub, 0755) != 0 || symlink("..", link) != 0)
		broken("The folder cannot be filled.");
	put(sub, "g", "leaf");
	g_free(sub);
	g_free(link);
	if (p9_init(p, share, 0, P9_MAPPED) != 0 && p9_init(p, share, 0, P9_PASSTHROUGH) != 0)
		broken("The folder cannot be shared.");
}

static void check_outside(void)
{
	char *path = g_build_filename(top, "secret", NULL), *text = NULL;
	unsigned names = 0;
	if (!g_file_get_contents(path, &text, NULL, NULL) || strcmp(text, "hidden") != 0)
		broken("What lies outside was changed.");
	DIR *d = opendir(top);
	while (d && readdir(d))
		names++;
	if (d)
		closedir(d);
	if (names != 4)
		broken("Something was made outside.");
	g_free(path);
	g_free(text);
}

static void serve(const uint8_t *m, uint32_t len, uint32_t room)
{
	static const char hidden[] = "hidden";
	uint8_t *copy = g_memdup2(m, len), *out = g_malloc(room);
	uint32_t n = p9_serve(p, copy, len, out, room);
	if (n < P9_HEADER || n > room || n != (uint32_t)(out[0] | out[1] << 8 | out[2] << 16))
		broken("The answer's length is wrong.");
	/* Read, not echoed: Tversion and the like say back what they were told. */
	if (out[4] == 117 && !memmem(m, len, hidden, 6) && memmem(out, n, hidden, 6))
		broken("What lies outside was read.");
	if (p->fid_count > P9_FIDS || p->path_bytes > P9_PATHS || p->files > P9_FILES)
		broken("There are more fids than may be.");
	g_free(copy);
	g_free(out);
}

static void message(unsigned type, const uint8_t *body, uint32_t len, uint32_t room)
{
	uint8_t *m = g_malloc(P9_HEADER + len);
	uint32_t size = P9_HEADER + len;
	for (unsigned i = 0; i < 4; i++)
		m[i] = (uint8_t)(size >> 8 * i);
	m[4] = (uint8_t)type;
	m[5] = m[6] = 0;
	memcpy(m + P9_HEADER, body, len);
	serve(m, size, room);
	g_free(m);
}

static void restore(const uint8_t *bytes, uint32_t len)
{
	char text[512];
	memcpy(p->paths, bytes, len);
	p->path_bytes = len;
	p9_restore(p, text, sizeof(text));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const uint8_t version[] = "\x00\x20\x00\x00\x08\x00"
					 "9P2000.L";
	static const uint8_t attach[] =
		"\x01\x00\x00\x00\xff\xff\xff\xff\x00\x00\x00\x00\x00\x00\x00";
	set_up();
	message(100, version, sizeof(version) - 1, ROOM);
	message(104, attach, sizeof(attach), ROOM);
	for (size_t at = 0; at + STEP <= size;) {
		unsigned type = data[at];
		uint32_t len = (uint32_t)(data[at + 1] | data[at + 2] << 8);
		uint32_t room = len & 0x8000 ? P9_ERROR_BYTES + (len >> 8 & 0x7f) : ROOM;
		at += STEP;
		len = (uint32_t)MIN(MIN(len & 0x7fff, size - at), BODY_MOST);
		if (type == 1)
			restore(data + at, len);
		else if (type == 0)
			serve(data + at, len, room);
		else
			message(type, data + at, len, room);
		at += len;
	}
	p9_finish(p);
	check_outside();
	return 0;
}
