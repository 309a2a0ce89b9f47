/* SPDX-License-Identifier: MIT */
/* The 9P server, spoken to as a client would, and as one that means harm: a folder of the host with a
 * secret beside it that no message may reach. */
#include "p9.h"
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

enum {
	STATFS = 8,
	LOPEN = 12,
	LCREATE = 14,
	SYMLINK = 16,
	MKNOD = 18,
	RENAME = 20,
	READLINK = 22,
	GETATTR = 24,
	SETATTR = 26,
	XATTRWALK = 30,
	XATTRCREATE = 32,
	READDIR = 40,
	FSYNC = 50,
	LOCK = 52,
	GETLOCK = 54,
	LINK = 70,
	MKDIR = 72,
	RENAMEAT = 74,
	UNLINKAT = 76,
	VERSION = 100,
	AUTH = 102,
	ATTACH = 104,
	FLUSH = 108,
	WALK = 110,
	READ = 116,
	WRITE = 118,
	CLUNK = 120,
	REMOVE = 122
};
enum { MSIZE = 8192, ROOT = 1, TAG = 7 };

static struct fixture {
	char *top, *share; /* top/share is shared; top/secret is not */
	struct p9 *p;
	enum p9_owners owners;
	uint8_t out[P9_MSIZE_MAX];
	uint32_t len, at; /* of the answer */
} x;

/* ---- a client ---- */

static void add(GByteArray *m, unsigned bytes, uint64_t v)
{
	for (unsigned i = 0; i < bytes; i++) {
		uint8_t b = (uint8_t)(v >> 8 * i);
		g_byte_array_append(m, &b, 1);
	}
}

static void add_string(GByteArray *m, const char *s)
{
	add(m, 2, strlen(s));
	g_byte_array_append(m, (const uint8_t *)s, (guint)strlen(s));
}

/* A number of the answer. */
static uint64_t take(unsigned bytes)
{
	uint64_t v = 0;
	g_assert_cmpuint(x.at + bytes, <=, x.len);
	for (unsigned i = bytes; i-- > 0;)
		v = v << 8 | x.out[x.at + i];
	x.at += bytes;
	return v;
}

/* 0 with x.at at the answer's body, or the errno that the answer is. */
static int send_bytes(
	const uint8_t *bytes, uint32_t len, uint32_t room, unsigned type, unsigned tag)
{
	memset(x.out, 0xa5, sizeof(x.out));
	uint8_t *copy = g_memdup2(bytes, len); /* so that the sanitizers see each byte too many */
	x.len = p9_serve(x.p, copy, len, x.out, room);
	g_free(copy);
	g_assert_cmpuint(x.len, <=, room);
	g_assert_cmpuint(x.out[room], ==, 0xa5);
	x.at = 0;
	g_assert_cmpuint(take(4), ==, x.len);
	unsigned answer = (unsigned)take(1);
	g_assert_cmpuint(take(2), ==, tag);
	if (answer == 7)
		return (int)take(4);
	g_assert_cmpuint(answer, ==, type + 1);
	return 0;
}

/* Letters: 1 2 4 8 numbers of so many bytes, s a string. */
static int say(unsigned type, const char *format, ...)
{
	GByteArray *m = g_byte_array_new();
	va_list args;
	add(m, 4, 0);
	add(m, 1, type);
	add(m, 2, TAG);
	va_start(args, format);
	for (const char *f = format; *f; f++) {
		if (*f == 's')
			add_string(m, va_arg(args, const char *));
		else if (*f == '8')
			add(m, 8, va_arg(args, uint64_t));
		else
			add(m, (unsigned)(*f - '0'), va_arg(args, unsigned));
	}
	va_end(args);
	for (unsigned i = 0; i < 4; i++)
		m->data[i] = (uint8_t)(m->len >> 8 * i);
	int err = send_bytes(m->data, m->len, MSIZE, type, TAG);
	g_byte_array_free(m, TRUE);
	return err;
}

/* Walk from the root, step by step as `path` has them. */
static int walk(unsigned fid, const char *path)
{
	char **steps = g_strsplit(path, "/", -1);
	unsigned n = g_strv_length(steps), given = 0;
	int err = say(WALK, "442", ROOT, fid, 0u);
	while (!err && given < n) {
		err = say(WALK, "442s", fid, fid, 1u, steps[given++]);
	}
	g_strfreev(steps);
	if (err && p9_fid_find(x.p, fid))
		say(CLUNK, "4", fid);
	return err;
}

static int put_data(unsigned fid, uint64_t offset, const char *text)
{
	GByteArray *m = g_byte_array_new();
	uint32_t len = (uint32_t)strlen(text);
	add(m, 4, P9_HEADER + 16 + len);
	add(m, 1, WRITE);
	add(m, 2, TAG);
	add(m, 4, fid);
	add(m, 8, offset);
	add(m, 4, len);
	g_byte_array_append(m, (const uint8_t *)text, len);
	int err = send_bytes(m->data, m->len, MSIZE, WRITE, TAG);
	g_byte_array_free(m, TRUE);
	if (!err)
		g_assert_cmpuint(take(4), ==, len);
	return err;
}

static void assert_data(unsigned fid, uint64_t offset, const char *text)
{
	g_assert_cmpint(say(READ, "484", fid, offset, 4000u), ==, 0);
	uint32_t len = (uint32_t)take(4);
	g_assert_cmpuint(len, ==, strlen(text));
	g_assert_cmpint(memcmp(x.out + x.at, text, len), ==, 0);
}

/* ---- the host's side ---- */

static char *inside(const char *name)
{
	static char path[8192];
	snprintf(path, sizeof(path), "%s/%s", x.share, name);
	return path;
}

static char *contents(const char *path)
{
	static char *text;
	g_free(text);
	text = NULL;
	if (!g_file_get_contents(path, &text, NULL, NULL))
		return NULL;
	return text;
}

static void start(int read_only)
{
	g_assert_cmpint(p9_init(x.p, x.share, read_only, x.owners), ==, 0);
	g_assert_cmpint(say(VERSION, "4s", (unsigned)MSIZE, "9P2000.L"), ==, 0);
	g_assert_cmpuint(take(4), ==, MSIZE);
	g_assert_cmpint(say(ATTACH, "44ss4", ROOT, P9_NO_FID, "root", "", 0u), ==, 0);
	g_assert_cmpuint(take(1), ==, 0x80);
}

static void set_up(int read_only)
{
	x.top = g_dir_make_tmp("backplane-9p-XXXXXX", NULL);
	x.share = g_build_filename(x.top, "share", NULL);
	x.p = g_new0(struct p9, 1);
	g_assert_cmpint(g_mkdir(x.share, 0755), ==, 0);
	char *secret = g_build_filename(x.top, "secret", NULL);
	g_assert_true(g_file_set_contents(secret, "hidden", -1, NULL));
	g_assert_cmpint(symlink(secret, inside("absolute")), ==, 0);
	g_free(secret);
	g_assert_cmpint(symlink("../secret", inside("relative")), ==, 0);
	g_assert_cmpint(symlink("..", inside("up")), ==, 0);
	g_assert_cmpint(symlink("/proc/self/root", inside("magic")), ==, 0);
	g_assert_cmpint(mkfifo(inside("pipe"), 0666), ==, 0);
	g_assert_cmpint(g_mkdir(inside("sub"), 0755), ==, 0);
	g_assert_true(g_file_set_contents(inside("file"), "hello", -1, NULL));
	g_assert_true(g_file_set_contents(inside("sub/leaf"), "leaf", -1, NULL));
	start(read_only);
}

static void tear_down(void)
{
	char *secret = g_build_filename(x.top, "secret", NULL);
	g_assert_cmpstr(contents(secret), ==, "hidden");
	g_free(secret);
	p9_finish(x.p);
	g_free(x.p);
	const char *argv[] = { "rm", "-rf", x.top, NULL };
	g_assert_true(g_spawn_sync(NULL, (char **)argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL,
		NULL, NULL, NULL));
	g_free(x.share);
	g_free(x.top);
}

/* ---- each message ---- */

static void test_session(void)
{
	set_up(0);
	g_assert_cmpint(say(AUTH, "4ss4", 9u, "root", "", 0u), ==, EOPNOTSUPP);
	g_assert_cmpint(say(FLUSH, "2", 3u), ==, 0);
	g_assert_cmpint(say(STATFS, "4", ROOT), ==, 0);
	g_assert_cmpuint(x.len, ==, P9_HEADER + 60);
	g_assert_cmpint(say(ATTACH, "44ss4", ROOT, P9_NO_FID, "root", "", 0u), ==, EBADF);
	g_assert_cmpint(say(ATTACH, "44ss4", 2u, P9_NO_FID, "root", "/etc", 0u), ==, ENOENT);
	/* A new session knows no fids. */
	g_assert_cmpint(say(VERSION, "4s", 1u << 30, "9P2000.L"), ==, 0);
	g_assert_cmpuint(take(4), ==, P9_MSIZE_MAX);
	g_assert_cmpint(say(CLUNK, "4", ROOT), ==, EBADF);
	g_assert_cmpint(say(VERSION, "4s", 100u, "9P2000.L"), ==, EMSGSIZE);
	g_assert_cmpint(say(VERSION, "4s", (unsigned)MSIZE, "9P2000"), ==, 0);
	g_assert_cmpuint(take(4), ==, MSIZE);
	g_assert_cmpuint(take(2), ==, 7);
	g_assert_cmpint(memcmp(x.out + x.at, "unknown", 7), ==, 0);
	g_assert_cmpint(say(ATTACH, "44ss4", ROOT, P9_NO_FID, "root", "", 0u), ==, EPROTO);
	tear_down();
}

static void test_files(void)
{
	set_up(0);
	g_assert_cmpint(walk(2, "file"), ==, 0);
	g_assert_cmpint(say(READ, "484", 2u, UINT64_C(0), 10u), ==, EBADF); /* not open */
	g_assert_cmpint(say(LOPEN, "44", 2u, 2u), ==, 0);
	g_assert_cmpint(say(LOPEN, "44", 2u, 0u), ==, EBADF); /* twice */
	g_assert_cmpint(say(WALK, "442", 2u, 3u, 0u), ==, EBADF); /* of an open one */
	assert_data(2, 0, "hello");
	assert_data(2, 4, "o");
	assert_data(2, 100, "");
	g_assert_cmpint(put_data(2, 5, " there"), ==, 0);
	g_assert_cmpstr(contents(inside("file")), ==, "hello there");
	g_assert_cmpint(say(FSYNC, "44", 2u, 0u), ==, 0);
	g_assert_cmpint(say(FSYNC, "44", 2u, 1u), ==, 0);
	g_assert_cmpint(say(FSYNC, "44", ROOT, 0u), ==, EBADF);
	g_assert_cmpint(say(READ, "484", 2u, UINT64_MAX, 10u), ==, EINVAL);
	g_assert_cmpint(say(CLUNK, "4", 2u), ==, 0);
	g_assert_cmpint(say(CLUNK, "4", 2u), ==, EBADF);

	/* Made by the guest; O_RDWR, then what is there already. */
	g_assert_cmpint(walk(3, "sub"), ==, 0);
	g_assert_cmpint(say(LCREATE, "4s444", 3u, "new", 2u, 04755u, 0u), ==, 0);
	g_assert_cmpint(put_data(3, 0, "made"), ==, 0);
	g_assert_cmpstr(contents(inside("sub/new")), ==, "made");
	struct stat st;
	g_assert_cmpint(stat(inside("sub/new"), &st), ==, 0);
	g_assert_cmpuint(st.st_mode & S_ISUID, ==, 0);
	g_assert_cmpint(walk(4, "sub"), ==, 0);
	g_assert_cmpint(say(LCREATE, "4s444", 4u, "new", 0202u, 0644u, 0u), ==, EEXIST);
	g_assert_cmpint(say(LCREATE, "4s444", 4u, "new", 01002u, 0644u, 0u), ==, 0);
	g_assert_cmpstr(contents(inside("sub/new")), ==, "");

	/* What has no name any more is still there for who has it open. */
	g_assert_cmpint(walk(5, "sub"), ==, 0);
	g_assert_cmpint(say(UNLINKAT, "4s4", 5u, "new", 0u), ==, 0);
	g_assert_cmpint(put_data(4, 0, "on"), ==, 0);
	assert_data(4, 0, "on");
	g_assert_cmpint(say(GETATTR, "48", 4u, UINT64_MAX), ==, 0);
	g_assert_cmpuint(x.len, ==, P9_HEADER + 153);
	tear_down();
}

/* All names of a folder, read in small pieces. */
static GString *list(unsigned fid, unsigned count)
{
	GString *all = g_string_new(" ");
	for (uint64_t offset = 0;;) {
		g_assert_cmpint(say(READDIR, "484", fid, offset, count), ==, 0);
		if (!take(4))
			return all;
		while (x.at < x.len) {
			take(1);
			take(4);
			take(8);
			offset = take(8);
			take(1);
			uint32_t len = (uint32_t)take(2);
			g_string_append_len(all, (char *)x.out + x.at, len);
			g_string_append_c(all, ' ');
			x.at += len;
		}
	}
}

static void test_folders(void)
{
	set_up(0);
	g_assert_cmpint(say(WALK, "442", ROOT, 2u, 0u), ==, 0);
	g_assert_cmpint(say(LOPEN, "44", 2u, 0200000u), ==, 0);
	static const unsigned counts[] = { 40, 100, 8000 };
	for (unsigned i = 0; i < G_N_ELEMENTS(counts); i++) {
		GString *all = list(2, counts[i]);
		static const char *const names[] = { " file ", " sub ", " absolute ", " pipe ",
			" . " };
		for (unsigned n = 0; n < G_N_ELEMENTS(names); n++)
			g_assert_nonnull(strstr(all->str, names[n]));
		g_string_free(all, TRUE);
	}
	g_assert_cmpint(say(READDIR, "484", 2u, UINT64_C(0), 10u), ==, EINVAL); /* none fits */
	g_assert_cmpint(say(READDIR, "484", 2u, UINT64_MAX, 1000u), ==, EINVAL);
	g_assert_cmpint(say(READ, "484", 2u, UINT64_C(0), 10u), ==, EISDIR);
	g_assert_cmpint(put_data(2, 0, "x"), ==, EBADF);

	g_assert_cmpint(say(MKDIR, "4s44", ROOT, "made", 0755u, 0u), ==, 0);
	g_assert_cmpuint(take(1), ==, 0x80);
	g_assert_cmpint(say(MKDIR, "4s44", ROOT, "made", 0755u, 0u), ==, EEXIST);
	g_assert_cmpint(say(UNLINKAT, "4s4", ROOT, "made", 0u), ==, EISDIR);
	g_assert_cmpint(say(UNLINKAT, "4s4", ROOT, "made", 0x200u), ==, 0);
	g_assert_cmpint(say(MKNOD, "4s4444", ROOT, "node", S_IFREG | 0644u, 0u, 0u, 0u), ==, 0);
	g_assert_true(g_file_test(inside("node"), G_FILE_TEST_IS_REGULAR));
	g_assert_cmpint(walk(3, "node"), ==, 0);
	g_assert_cmpint(say(REMOVE, "4", 3u), ==, 0);
	g_assert_false(g_file_test(inside("node"), G_FILE_TEST_EXISTS));
	g_assert_cmpint(say(REMOVE, "4", ROOT), ==, EBUSY);
	g_assert_cmpint(say(CLUNK, "4", ROOT), ==, EBADF); /* gone, as Tremove says */
	tear_down();
}

static void test_names(void)
{
	set_up(0);
	g_assert_cmpint(say(SYMLINK, "4ss4", ROOT, "link", "any/where", 0u), ==, 0);
	g_assert_cmpuint(take(1), ==, 2);
	g_assert_cmpint(walk(2, "link"), ==, 0);
	g_assert_cmpint(say(READLINK, "4", 2u), ==, 0);
	g_assert_cmpuint(take(2), ==, 9);
	g_assert_cmpint(memcmp(x.out + x.at, "any/where", 9), ==, 0);
	g_assert_cmpint(walk(3, "file"), ==, 0);
	g_assert_cmpint(say(READLINK, "4", 3u), ==, EINVAL);
	g_assert_cmpint(say(LINK, "44s", ROOT, 3u, "other"), ==, 0);
	g_assert_cmpstr(contents(inside("other")), ==, "hello");
	g_assert_cmpint(say(LINK, "44s", ROOT, 2u, "second"), ==, EPERM);

	/* Fids follow what the guest renames, and what is below. */
	g_assert_cmpint(walk(4, "sub/leaf"), ==, 0);
	g_assert_cmpint(walk(5, "sub"), ==, 0);
	g_assert_cmpint(say(RENAMEAT, "4s4s", ROOT, "sub", ROOT, "a-longer-name"), ==, 0);
	g_assert_cmpint(say(LOPEN, "44", 4u, 0u), ==, 0);
	assert_data(4, 0, "leaf");
	g_assert_cmpint(say(RENAME, "44s", 5u, ROOT, "s"), ==, 0);
	g_assert_cmpint(walk(6, "s/leaf"), ==, 0);
	g_assert_cmpint(say(RENAME, "44s", 6u, ROOT, "leaf"), ==, 0);
	g_assert_cmpstr(contents(inside("leaf")), ==, "leaf");
	g_assert_cmpint(say(GETATTR, "48", 6u, UINT64_MAX), ==, 0);
	g_assert_cmpint(say(RENAME, "44s", ROOT, ROOT, "self"), ==, EBUSY);
	tear_down();
}

static void test_attributes(void)
{
	struct stat st;
	set_up(0);
	g_assert_cmpint(walk(2, "file"), ==, 0);
	/* mode, size, both times */
	g_assert_cmpint(say(SETATTR, "4444488888", 2u, 0x1b9u, 06640u, 0u, 0u, UINT64_C(2),
				UINT64_C(5), UINT64_C(6), UINT64_C(7), UINT64_C(8)),
		==, 0);
	g_assert_cmpint(stat(inside("file"), &st), ==, 0);
	g_assert_cmpuint(st.st_mode & 07777, ==, 0640);
	g_assert_cmpint(st.st_size, ==, 2);
	g_assert_cmpint(st.st_atim.tv_sec, ==, 5);
	g_assert_cmpint(st.st_mtim.tv_nsec, ==, 8);
	g_assert_cmpint(say(GETATTR, "48", 2u, UINT64_MAX), ==, 0);
	g_assert_cmpuint(take(8), ==, 0x7ff);
	take(1);
	take(4);
	g_assert_cmpuint(take(8), ==, st.st_ino);
	g_assert_cmpuint(take(4), ==, st.st_mode);
	g_assert_cmpint(say(SETATTR, "4444488888", 2u, 8u, 0u, 0u, 0u, UINT64_MAX, UINT64_C(0),
				UINT64_C(0), UINT64_C(0), UINT64_C(0)),
		==, EFBIG);
	g_assert_cmpint(say(SETATTR, "4444488888", 2u, 0x90u, 0u, 0u, 0u, UINT64_C(0), UINT64_C(0),
				UINT64_C(1) << 40, UINT64_C(0), UINT64_C(0)),
		==, EINVAL);
	/* A symlink's own, never its target's. */
	g_assert_cmpint(walk(3, "absolute"), ==, 0);
	g_assert_cmpint(say(SETATTR, "4444488888", 3u, 9u, 0777u, 0u, 0u, UINT64_C(0), UINT64_C(0),
				UINT64_C(0), UINT64_C(0), UINT64_C(0)),
		!=, 0);
	g_assert_cmpint(walk(4, "pipe"), ==, 0);
	g_assert_cmpint(say(SETATTR, "4444488888", 4u, 8u, 0u, 0u, 0u, UINT64_C(0), UINT64_C(0),
				UINT64_C(0), UINT64_C(0), UINT64_C(0)),
		==, EINVAL);
	tear_down();
}

static void test_xattrs(void)
{
	set_up(0);
	g_assert_cmpint(walk(2, "file"), ==, 0);
	g_assert_cmpint(say(XATTRWALK, "44s", 2u, 3u, "security.capability"), ==, EOPNOTSUPP);
	g_assert_cmpint(say(XATTRCREATE, "4s84", 2u, "trusted.x", UINT64_C(1), 0u), ==, EOPNOTSUPP);
	g_assert_cmpint(say(XATTRCREATE, "4s84", 2u, "user.x", UINT64_C(1) << 40, 0u), ==, E2BIG);
	if (setxattr(inside("file"), "user.host", "v", 1, 0) != 0) {
		g_test_skip("the file system has no extended attributes");
		tear_down();
		return;
	}
	g_assert_cmpint(say(XATTRCREATE, "4s84", 2u, "user.guest", UINT64_C(5), 0u), ==, 0);
	g_assert_cmpint(put_data(2, 0, "val"), ==, 0);
	g_assert_cmpint(put_data(2, 3, "ueue"), ==, EINVAL);
	g_assert_cmpint(put_data(2, 3, "ue"), ==, 0);
	g_assert_cmpint(say(CLUNK, "4", 2u), ==, 0);
	char value[16] = "";
	g_assert_cmpint(getxattr(inside("file"), "user.guest", value, sizeof(value)), ==, 5);
	g_assert_cmpstr(value, ==, "value");
	g_assert_cmpint(walk(2, "file"), ==, 0);
	g_assert_cmpint(say(XATTRWALK, "44s", 2u, 3u, "user.guest"), ==, 0);
	g_assert_cmpuint(take(8), ==, 5);
	assert_data(3, 0, "value");
	assert_data(3, 9, "");
	g_assert_cmpint(say(XATTRWALK, "44s", 2u, 4u, ""), ==, 0);
	g_assert_cmpuint(take(8), ==, sizeof("user.host") + sizeof("user.guest"));
	/* Bounded. */
	int err = 0;
	for (unsigned id = 100; !err && id < 200; id++)
		err = say(XATTRWALK, "44s", 2u, id, "");
	g_assert_cmpint(err, ==, ENFILE);
	tear_down();
}

static void test_locks(void)
{
	set_up(0);
	for (unsigned id = 2; id <= 3; id++) {
		g_assert_cmpint(walk(id, "file"), ==, 0);
		g_assert_cmpint(say(LOPEN, "44", id, 2u), ==, 0);
	}
	g_assert_cmpint(
		say(LOCK, "414884s", 2u, 1u, 0u, UINT64_C(0), UINT64_C(10), 5u, "c"), ==, 0);
	g_assert_cmpuint(take(1), ==, 0);
	g_assert_cmpint(say(LOCK, "414884s", 3u, 1u, 1u, UINT64_C(5), UINT64_C(1), 5u, "c"), ==, 0);
	g_assert_cmpuint(take(1), ==, 1);
	g_assert_cmpint(say(GETLOCK, "41884s", 3u, 0u, UINT64_C(5), UINT64_C(1), 5u, "c"), ==, 0);
	g_assert_cmpuint(take(1), ==, 1);
	g_assert_cmpuint(take(8), ==, 0);
	g_assert_cmpuint(take(8), ==, 10);
	g_assert_cmpint(
		say(LOCK, "414884s", 2u, 2u, 0u, UINT64_C(0), UINT64_C(10), 5u, "c"), ==, 0);
	g_assert_cmpint(say(GETLOCK, "41884s", 3u, 1u, UINT64_C(5), UINT64_C(1), 5u, "c"), ==, 0);
	g_assert_cmpuint(take(1), ==, 2);
	g_assert_cmpint(
		say(LOCK, "414884s", 2u, 9u, 0u, UINT64_C(0), UINT64_C(1), 5u, "c"), ==, EINVAL);
	g_assert_cmpint(
		say(LOCK, "414884s", 2u, 0u, 0u, UINT64_C(9), UINT64_MAX, 5u, "c"), ==, EINVAL);
	g_assert_cmpint(
		say(LOCK, "414884s", ROOT, 0u, 0u, UINT64_C(0), UINT64_C(1), 5u, "c"), ==, EBADF);
	tear_down();
}

static void test_read_only(void)
{
	set_up(1);
	g_assert_cmpint(walk(2, "file"), ==, 0);
	g_assert_cmpint(say(LOPEN, "44", 2u, 1u), ==, EROFS);
	g_assert_cmpint(say(LOPEN, "44", 2u, 01000u), ==, EROFS);
	g_assert_cmpint(say(LCREATE, "4s444", 2u, "new", 0u, 0644u, 0u), ==, EROFS);
	g_assert_cmpint(say(SYMLINK, "4ss4", ROOT, "l", "t", 0u), ==, EROFS);
	g_assert_cmpint(say(MKNOD, "4s4444", ROOT, "n", 0644u, 0u, 0u, 0u), ==, EROFS);
	g_assert_cmpint(say(MKDIR, "4s44", ROOT, "d", 0755u, 0u), ==, EROFS);
	g_assert_cmpint(say(LINK, "44s", ROOT, 2u, "l"), ==, EROFS);
	g_assert_cmpint(say(RENAME, "44s", 2u, ROOT, "n"), ==, EROFS);
	g_assert_cmpint(say(RENAMEAT, "4s4s", ROOT, "file", ROOT, "n"), ==, EROFS);
	g_assert_cmpint(say(UNLINKAT, "4s4", ROOT, "file", 0u), ==, EROFS);
	g_assert_cmpint(say(XATTRCREATE, "4s84", 2u, "user.x", UINT64_C(1), 0u), ==, EROFS);
	g_assert_cmpint(say(SETATTR, "4444488888", 2u, 1u, 0600u, 0u, 0u, UINT64_C(0), UINT64_C(0),
				UINT64_C(0), UINT64_C(0), UINT64_C(0)),
		==, EROFS);
	g_assert_cmpint(say(LOPEN, "44", 2u, 0u), ==, 0);
	g_assert_cmpint(put_data(2, 0, "x"), ==, EROFS);
	assert_data(2, 0, "hello");
	g_assert_cmpint(say(REMOVE, "4", 2u), ==, EROFS);
	g_assert_cmpstr(contents(inside("file")), ==, "hello");
	tear_down();
}

/* ---- owners ---- */

/* mode, uid, gid and rdev of a fid, as Tgetattr says. */
static void assert_owner(unsigned fid, unsigned mode, unsigned uid, unsigned gid, unsigned rdev)
{
	g_assert_cmpint(say(GETATTR, "48", fid, UINT64_MAX), ==, 0);
	x.at += 8 + 13;
	g_assert_cmpuint(take(4), ==, mode);
	g_assert_cmpuint(take(4), ==, uid);
	g_assert_cmpuint(take(4), ==, gid);
	x.at += 8;
	g_assert_cmpuint(take(8), ==, rdev);
}

static void assert_host(const char *name, unsigned mode)
{
	struct stat st;
	g_assert_cmpint(lstat(inside(name), &st), ==, 0);
	g_assert_cmpuint(st.st_mode, ==, mode);
	g_assert_cmpuint(st.st_uid, ==, geteuid());
}

static void walk_to(unsigned fid, const char *name, unsigned qid_type)
{
	g_assert_cmpint(say(WALK, "442s", ROOT, fid, 1u, name), ==, 0);
	g_assert_cmpuint(take(2), ==, 1);
	g_assert_cmpuint(take(1), ==, qid_type);
}

/* Owners, modes, devices and symlinks of the guest's, in files that are the user's own. */
static void test_mapped(void)
{
	x.owners = P9_MAPPED;
	set_up(0);
	g_assert_cmpint(say(ATTACH, "44ss4", 9u, P9_NO_FID, "guest", "", 1000u), ==, 0);
	g_assert_cmpint(say(MKDIR, "4s44", 9u, "dir", 01777u, 50u), ==, 0);
	assert_host("dir", S_IFDIR | 0700);
	walk_to(2, "dir", 0x80);
	assert_owner(2, S_IFDIR | 01777, 1000, 50, 0);
	g_assert_cmpint(say(WALK, "442", 9u, 3u, 0u), ==, 0);
	g_assert_cmpint(say(LCREATE, "4s444", 3u, "tool", 2u, 04755u, 60u), ==, 0);
	assert_host("tool", S_IFREG | 0600);
	assert_owner(3, S_IFREG | 04755, 1000, 60, 0);
	g_assert_cmpint(say(SETATTR, "4444488888", 3u, 7u, 0640u, 5u, 6u, UINT64_C(0), UINT64_C(0),
				UINT64_C(0), UINT64_C(0), UINT64_C(0)),
		==, 0);
	assert_owner(3, S_IFREG | 0640, 5, 6, 0);
	assert_host("tool", S_IFREG | 0600);
	/* What they are kept in is not the guest's to see. */
	walk_to(4, "tool", 0);
	g_assert_cmpint(say(XATTRWALK, "44s", 4u, 5u, ""), ==, 0);
	g_assert_cmpuint(take(8), ==, 0);
	g_assert_cmpint(say(XATTRWALK, "44s", 4u, 6u, "user.virtfs.uid"), ==, EOPNOTSUPP);
	g_assert_cmpint(
		say(XATTRCREATE, "4s84", 4u, "user.virtfs.mode", UINT64_C(4), 0u), ==, EOPNOTSUPP);
	g_assert_cmpint(say(MKNOD, "4s4444", 9u, "null", S_IFCHR | 0666, 1u, 3u, 0u), ==, 0);
	assert_host("null", S_IFREG | 0600);
	walk_to(7, "null", 0);
	assert_owner(7, S_IFCHR | 0666, 1000, 0, 0x103);
	g_assert_cmpint(say(SYMLINK, "4ss4", 9u, "ln", "../secret", 70u), ==, 0);
	assert_host("ln", S_IFREG | 0600);
	walk_to(8, "ln", 2);
	assert_owner(8, S_IFLNK | 0777, 1000, 70, 0);
	g_assert_cmpint(say(READLINK, "4", 8u), ==, 0);
	g_assert_cmpuint(take(2), ==, strlen("../secret"));
	g_assert_cmpmem(x.out + x.at, 9, "../secret", 9);
	g_assert_cmpint(say(WALK, "442s", 8u, 10u, 1u, "x"), !=, 0);
	tear_down();
	x.owners = P9_PASSTHROUGH;
}

/* That the host does not let an owner be changed is no error where that is asked for. */
static void test_ignored(void)
{
	for (x.owners = P9_PASSTHROUGH; x.owners <= P9_IGNORED; x.owners++) {
		int may = geteuid() == 0 || x.owners == P9_IGNORED;
		set_up(0);
		g_assert_cmpint(walk(2, "file"), ==, 0);
		g_assert_cmpint(say(SETATTR, "4444488888", 2u, 2u, 0u, 12345u, 0u, UINT64_C(0),
					UINT64_C(0), UINT64_C(0), UINT64_C(0), UINT64_C(0)),
			==, may ? 0 : EPERM);
		tear_down();
	}
	x.owners = P9_PASSTHROUGH;
}

/* ---- harm ---- */

static void test_escapes(void)
{
	set_up(0);
	struct stat st;
	g_assert_cmpint(stat(x.share, &st), ==, 0);
	/* ".." at the top stays there; so does one more of them than there are folders. */
	static const char *const up[] = { "..", "../..", "sub/../..", "sub/../../.." };
	for (unsigned i = 0; i < G_N_ELEMENTS(up); i++) {
		g_assert_cmpint(walk(2, up[i]), ==, 0);
		g_assert_cmpint(say(GETATTR, "48", 2u, UINT64_MAX), ==, 0);
		x.at += 8 + 5;
		g_assert_cmpuint(take(8), ==, st.st_ino);
		g_assert_cmpint(say(CLUNK, "4", 2u), ==, 0);
	}
	/* Through symlinks, of each kind, as a step and as the end. */
	static const char *const through[] = { "up/secret", "up/share", "magic/etc", "absolute/x",
		"relative/x", "../secret", "sub/../../secret" };
	for (unsigned i = 0; i < G_N_ELEMENTS(through); i++)
		g_assert_cmpint(walk(2, through[i]), !=, 0);
	static const char *const ends[] = { "absolute", "relative", "up", "magic" };
	for (unsigned i = 0; i < G_N_ELEMENTS(ends); i++) {
		g_assert_cmpint(walk(2, ends[i]), ==, 0);
		g_assert_cmpint(say(LOPEN, "44", 2u, 0u), ==, ELOOP);
		g_assert_cmpint(say(LOPEN, "44", 2u, 02001u), ==, ELOOP);
		g_assert_cmpint(say(WALK, "442s", 2u, 3u, 1u, "secret"), !=, 0);
		g_assert_cmpint(say(UNLINKAT, "4s4", 2u, "secret", 0u), !=, 0);
		g_assert_cmpint(say(LCREATE, "4s444", 2u, "new", 2u, 0644u, 0u), !=, 0);
		g_assert_cmpint(say(MKDIR, "4s44", 2u, "new", 0755u, 0u), !=, 0);
		g_assert_cmpint(say(MKNOD, "4s4444", 2u, "new", 0644u, 0u, 0u, 0u), !=, 0);
		g_assert_cmpint(say(SYMLINK, "4ss4", 2u, "new", "t", 0u), !=, 0);
		g_assert_cmpint(say(RENAMEAT, "4s4s", 2u, "secret", ROOT, "mine"), !=, 0);
		g_assert_cmpint(say(RENAMEAT, "4s4s", ROOT, "file", 2u, "theirs"), !=, 0);
		g_assert_cmpint(say(XATTRWALK, "44s", 2u, 3u, ""), ==, EOPNOTSUPP);
		/* Created "over" a symlink: it is not followed. */
		g_assert_cmpint(say(LCREATE, "4s444", ROOT, ends[i], 01001u, 0644u, 0u), ==, ELOOP);
		g_assert_cmpint(say(CLUNK, "4", 2u), ==, 0);
	}
	tear_down();
}

static void test_hard_names(void)
{
	set_up(0);
	char longest[P9_NAME_BYTES + 50];
	memset(longest, 'n', sizeof(longest) - 1);
	longest[sizeof(longest) - 1] = 0;
	static const char *const bad[] = { "", ".", "..", "/", "../x", "a/b", "/etc/passwd",
		"sub/leaf" };
	for (unsigned i = 0; i <= G_N_ELEMENTS(bad); i++) {
		const char *n = i < G_N_ELEMENTS(bad) ? bad[i] : longest;
		int want = n == longest ? ENAMETOOLONG : EINVAL;
		g_assert_cmpint(say(MKDIR, "4s44", ROOT, n, 0755u, 0u), ==, want);
		g_assert_cmpint(say(LCREATE, "4s444", ROOT, n, 2u, 0644u, 0u), ==, want);
		g_assert_cmpint(say(MKNOD, "4s4444", ROOT, n, 0644u, 0u, 0u, 0u), ==, want);
		g_assert_cmpint(say(SYMLINK, "4ss4", ROOT, n, "t", 0u), ==, want);
		g_assert_cmpint(say(UNLINKAT, "4s4", ROOT, n, 0u), ==, want);
		g_assert_cmpint(say(RENAMEAT, "4s4s", ROOT, n, ROOT, "x"), ==, want);
		g_assert_cmpint(say(RENAMEAT, "4s4s", ROOT, "file", ROOT, n), ==, want);
		g_assert_cmpint(say(RENAME, "44s", ROOT, ROOT, n), ==, want);
		g_assert_cmpint(say(LINK, "44s", ROOT, ROOT, n), ==, want);
		if (strcmp(n, "..") != 0)
			g_assert_cmpint(say(WALK, "442s", ROOT, 2u, 1u, n), !=, 0);
	}
	/* A NUL within. */
	static const uint8_t nul[] = { 27, 0, 0, 0, MKDIR, TAG, 0, ROOT, 0, 0, 0, 6, 0, 'a', 0, 'b',
		'c', 'd', 'e', 0xff, 1, 0, 0, 0, 0, 0, 0 };
	g_assert_cmpint(send_bytes(nul, sizeof(nul), MSIZE, MKDIR, TAG), ==, EINVAL);
	/* Hard, but names. */
	static const char *const good[] = { "...", " ", "a\nb", "\xff\xfe", "-rf", "*", "\\" };
	for (unsigned i = 0; i < G_N_ELEMENTS(good); i++) {
		g_assert_cmpint(say(MKDIR, "4s44", ROOT, good[i], 0755u, 0u), ==, 0);
		g_assert_cmpint(say(UNLINKAT, "4s4", ROOT, good[i], 0x200u), ==, 0);
	}
	tear_down();
}

static void test_special(void)
{
	set_up(0);
	g_assert_cmpint(walk(2, "pipe"), ==, 0);
	for (unsigned flags = 0; flags < 3; flags++)
		g_assert_cmpint(say(LOPEN, "44", 2u, flags), ==, EPERM); /* and does not wait */
	g_assert_cmpint(say(LCREATE, "4s444", ROOT, "pipe", 1u, 0644u, 0u), ==, EPERM);
	g_assert_cmpint(say(LINK, "44s", ROOT, 2u, "pipe2"), ==, EPERM);
	static const unsigned kinds[] = { S_IFIFO, S_IFSOCK, S_IFCHR, S_IFBLK, S_IFLNK, S_IFDIR };
	for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++)
		g_assert_cmpint(
			say(MKNOD, "4s4444", ROOT, "node", kinds[i] | 0666, 1u, 3u, 0u), ==, EPERM);
	tear_down();
}

/* As deep as paths go, and not deeper. */
static void test_deep(void)
{
	set_up(0);
	char name[201];
	int err = 0;
	unsigned depth = 0;
	memset(name, 'd', 200);
	name[200] = 0;
	g_assert_cmpint(say(WALK, "442", ROOT, 2u, 0u), ==, 0);
	for (; !err && depth < 100; depth++) {
		err = say(MKDIR, "4s44", 2u, name, 0755u, 0u);
		g_assert_cmpint(err, ==, 0);
		err = say(WALK, "442s", 2u, 2u, 1u, name);
	}
	g_assert_cmpint(err, ==, ENAMETOOLONG);
	g_assert_cmpuint(depth, ==, 4096 / 201 + 1);
	/* Too many steps at once; a walk that ends on its way. */
	g_assert_cmpint(say(WALK, "442", ROOT, 3u, 17u), ==, EINVAL);
	g_assert_cmpint(say(WALK, "442sss", ROOT, 3u, 3u, "sub", "leaf", "none"), ==, 0);
	g_assert_cmpuint(take(2), ==, 2);
	g_assert_cmpint(say(CLUNK, "4", 3u), ==, EBADF);
	tear_down();
}

static void test_wrong_lengths(void)
{
	set_up(0);
	static const uint8_t types[] = { STATFS, LOPEN, LCREATE, SYMLINK, MKNOD, RENAME, READLINK,
		GETATTR, SETATTR, XATTRWALK, XATTRCREATE, READDIR, LOCK, GETLOCK, LINK, MKDIR,
		RENAMEAT, UNLINKAT, AUTH, ATTACH, WALK, READ, WRITE, VERSION };
	/* Cut off at each length, and with strings longer than the message. */
	for (unsigned t = 0; t < G_N_ELEMENTS(types); t++)
		for (uint32_t len = P9_HEADER; len < 24; len++) {
			uint8_t m[24];
			memset(m, 0xff, sizeof(m));
			const uint8_t head[] = { (uint8_t)len, 0, 0, 0, types[t], TAG, 0, ROOT, 0,
				0, 0 };
			memcpy(m, head, MIN(len, sizeof(head)));
			int err = send_bytes(m, len, MSIZE, types[t], TAG);
			if (err == 0) /* what needs but a fid, or numbers that all are there */
				g_assert_cmpuint(len, >=, P9_HEADER + 4);
		}
	p9_reset(x.p);
	p9_finish(x.p);
	start(0);
	/* Sizes that are not the message's. */
	static const uint32_t sizes[] = { 0, 6, 12, MSIZE + 1, UINT32_MAX };
	for (unsigned i = 0; i < G_N_ELEMENTS(sizes); i++) {
		uint8_t m[11] = { 0, 0, 0, 0, STATFS, TAG, 0, ROOT, 0, 0, 0 };
		memcpy(m, &sizes[i], 4);
		g_assert_cmpint(send_bytes(m, sizeof(m), MSIZE, STATFS, TAG), ==, EMSGSIZE);
	}
	for (uint32_t len = 0; len < P9_HEADER; len++)
		g_assert_cmpint(send_bytes((const uint8_t[]){ 7, 0, 0, 0, 1, 0 }, MIN(len, 6),
					MSIZE, 0, 0xffff),
			==, EPROTO);
	/* No room for the answer; a read of more than there is room for. */
	static const uint8_t stat_root[] = { 11, 0, 0, 0, STATFS, TAG, 0, ROOT, 0, 0, 0 };
	g_assert_cmpint(send_bytes(stat_root, 11, 40, STATFS, TAG), ==, ERANGE);
	g_assert_cmpint(walk(2, "file"), ==, 0);
	g_assert_cmpint(say(LOPEN, "44", 2u, 0u), ==, 0);
	g_assert_cmpint(say(READ, "484", 2u, UINT64_C(0), UINT32_MAX), ==, 0);
	g_assert_cmpuint(take(4), ==, 5);
	/* A write of more than the message has; types that are none. */
	g_assert_cmpint(say(WRITE, "484", 2u, UINT64_C(0), 1000u), ==, EPROTO);
	for (unsigned type = 0; type < 256; type += 2)
		if (type < 8 || type > 122)
			g_assert_cmpint(say(type, ""), ==, EOPNOTSUPP);
	tear_down();
}

/* As many fids and open files as there may be; then it ends, and what was there works on. */
static void test_bounds(void)
{
	set_up(0);
	int err = 0;
	unsigned id = 10;
	for (; !err; id++)
		err = say(WALK, "442", ROOT, id, 0u);
	g_assert_cmpint(err, ==, ENFILE);
	g_assert_cmpuint(id - 11, ==, P9_FIDS - 1);
	unsigned open = 0;
	for (id = 10; !err || !open; id++, open++)
		if ((err = say(LOPEN, "44", id, 0u)) != 0)
			break;
	g_assert_true(err == EMFILE);
	g_assert_cmpuint(open, <=, P9_FILES);
	g_assert_cmpint(say(CLUNK, "4", 10u), ==, 0);
	g_assert_cmpint(say(LOPEN, "44", id, 0u), ==, 0);
	p9_reset(x.p);
	g_assert_cmpuint(x.p->files, ==, 0);
	p9_finish(x.p);
	start(0);
	/* Paths have a room of their own. */
	GString *deep = g_string_new("");
	for (unsigned i = 0; i < 15; i++) {
		char name[251];
		memset(name, 'p', 250);
		name[i ? 250 : 150] = 0;
		g_string_append_printf(deep, "%s%s", i ? "/" : "", name);
		g_assert_cmpint(g_mkdir(inside(deep->str), 0755), ==, 0);
	}
	g_assert_cmpint(walk(2, deep->str), ==, 0);
	err = 0;
	for (id = 10; !err; id++)
		err = say(WALK, "442", 2u, id, 0u);
	g_assert_cmpint(err, ==, ENOMEM);
	/* Nothing is renamed that could not be followed. */
	char *top = g_strndup(deep->str, 150);
	char longer[255];
	memset(longer, 'q', 254);
	longer[254] = 0;
	g_assert_cmpint(say(RENAMEAT, "4s4s", ROOT, top, ROOT, longer), ==, ENOMEM);
	g_assert_true(g_file_test(inside(top), G_FILE_TEST_IS_DIR));
	g_free(top);
	g_string_free(deep, TRUE);
	tear_down();
}

/* Another thread swaps a folder and a symlink to the outside, as fast as it can. */
static int swapping = 1;

static void *swap(void *arg)
{
	(void)arg;
	char *dir = g_strdup(inside("swap")), *a = g_strdup(inside("swap-dir"));
	char *b = g_strdup(inside("swap-link"));
	while (g_atomic_int_get(&swapping)) {
		rename(dir, a);
		rename(b, dir);
		rename(dir, b);
		rename(a, dir);
	}
	g_free(dir);
	g_free(a);
	g_free(b);
	return NULL;
}

static void test_race(void)
{
	set_up(0);
	g_assert_cmpint(g_mkdir(inside("swap"), 0755), ==, 0);
	g_assert_true(g_file_set_contents(inside("swap/secret"), "shared", -1, NULL));
	g_assert_cmpint(symlink("..", inside("swap-link")), ==, 0);
	GThread *t = g_thread_new("swap", swap, NULL);
	unsigned opened = 0;
	for (unsigned n = 0; n < 4000; n++) {
		if (say(WALK, "442ss", ROOT, 2u, 2u, "swap", "secret") != 0 || take(2) != 2)
			continue;
		if (say(LOPEN, "44", 2u, 2u) == 0) {
			opened++;
			assert_data(2, 0, "shared");
		}
		say(CLUNK, "4", 2u);
		if (say(WALK, "442s", ROOT, 3u, 1u, "swap") == 0) {
			/* Made inside, or not at all. */
			if (say(MKDIR, "4s44", 3u, "made", 0755u, 0u) == 0)
				say(UNLINKAT, "4s4", 3u, "made", 0x200u);
			say(LINK, "44s", 3u, 3u, "made");
			say(CLUNK, "4", 3u);
		}
	}
	g_atomic_int_set(&swapping, 0);
	g_thread_join(t);
	g_assert_cmpuint(opened, >, 0);
	char *made = g_build_filename(x.top, "made", NULL);
	g_assert_false(g_file_test(made, G_FILE_TEST_EXISTS));
	g_free(made);
	tear_down();
}

/* ---- snapshots ---- */

/* As the device's state tables do it. */
static void move_to_new(void)
{
	struct p9 *p = g_new0(struct p9, 1);
	g_assert_cmpint(p9_init(p, x.share, 0, x.owners), ==, 0);
	p->msize = x.p->msize;
	p->fid_count = x.p->fid_count;
	p->path_bytes = x.p->path_bytes;
	memcpy(p->fids, x.p->fids, sizeof(p->fids));
	memcpy(p->paths, x.p->paths, sizeof(p->paths));
	p9_finish(x.p);
	g_free(x.p);
	x.p = p;
}

static void test_restore(void)
{
	char text[512];
	set_up(0);
	g_assert_cmpint(walk(2, "sub/leaf"), ==, 0);
	g_assert_cmpint(say(LOPEN, "44", 2u, 2u), ==, 0);
	g_assert_cmpint(walk(3, "sub"), ==, 0);
	g_assert_cmpint(say(WALK, "442", ROOT, 4u, 0u), ==, 0);
	g_assert_cmpint(say(LOPEN, "44", 4u, 0u), ==, 0);
	move_to_new();
	g_assert_null(p9_restore(x.p, text, sizeof(text)));
	assert_data(2, 0, "leaf");
	g_assert_cmpint(put_data(2, 0, "LEAF"), ==, 0);
	g_assert_cmpint(say(MKDIR, "4s44", 3u, "below", 0755u, 0u), ==, 0);
	g_string_free(list(4, 1000), TRUE);
	/* What is another file now, is gone, or cannot be saved. */
	char *from = g_strdup(inside("file"));
	g_assert_cmpint(rename(from, inside("sub/leaf")), ==, 0);
	g_free(from);
	move_to_new();
	g_assert_nonnull(strstr(p9_restore(x.p, text, sizeof(text)), "another file"));
	p9_finish(x.p);
	start(0);
	g_assert_cmpint(walk(2, "sub/leaf"), ==, 0);
	g_assert_cmpint(say(LOPEN, "44", 2u, 0u), ==, 0);
	g_assert_cmpint(unlink(inside("sub/leaf")), ==, 0);
	move_to_new();
	g_assert_nonnull(strstr(p9_restore(x.p, text, sizeof(text)), "cannot be opened"));
	p9_finish(x.p);
	start(0);
	g_assert_cmpint(say(XATTRCREATE, "4s84", ROOT, "user.x", UINT64_C(1), 0u), ==, 0);
	move_to_new();
	g_assert_nonnull(strstr(p9_restore(x.p, text, sizeof(text)), "not saved"));
	tear_down();
}

/* A snapshot that someone made up. */
static void test_restore_hostile(void)
{
	char text[512];
	static const struct p9_fid wrong[] = {
		{ .id = 5, .kind = 9 }, { .id = 5, .path_at = 1 << 30 },
		{ .id = 5, .path_at = 1, .path_len = UINT32_MAX }, { .id = ROOT },
		{ .id = 5, .kind = P9_FILE, .path_at = 0, .path_len = 9 }, /* ../secret */
	};
	set_up(0);
	for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++) {
		p9_finish(x.p);
		start(0);
		memcpy(x.p->paths, "../secret", 9);
		x.p->path_bytes = 9;
		x.p->fids[1] = wrong[i];
		x.p->fid_count = 2;
		g_assert_nonnull(p9_restore(x.p, text, sizeof(text)));
		g_assert_cmpuint(x.p->fid_count, ==, 0);
	}
	/* An empty path within another one's bytes, which goes first. */
	p9_finish(x.p);
	start(0);
	memcpy(x.p->paths, "sub/leaf", 8);
	x.p->path_bytes = 8;
	x.p->fids[0].path_at = 5;
	x.p->fids[1] = (struct p9_fid){ .id = 5, .path_len = 8 };
	x.p->fid_count = 2;
	g_assert_null(p9_restore(x.p, text, sizeof(text)));
	g_assert_cmpint(say(CLUNK, "4", 5u), ==, 0);
	g_assert_cmpint(say(WALK, "442s", ROOT, ROOT, 1u, "sub"), ==, 0);
	p9_finish(x.p);
	start(0);
	x.p->fid_count = UINT32_MAX;
	g_assert_nonnull(p9_restore(x.p, text, sizeof(text)));
	/* A closed fid of such a path reaches nothing either. */
	p9_finish(x.p);
	start(0);
	memcpy(x.p->paths, "../secret", 9);
	x.p->path_bytes = 9;
	x.p->fids[1] = (struct p9_fid){ .id = 5, .path_len = 9 };
	x.p->fid_count = 2;
	g_assert_null(p9_restore(x.p, text, sizeof(text)));
	g_assert_cmpint(say(LOPEN, "44", 5u, 0u), ==, EXDEV);
	g_assert_cmpint(say(RENAME, "44s", 5u, ROOT, "mine"), ==, EXDEV);
	g_assert_cmpint(say(REMOVE, "4", 5u), ==, EXDEV);
	tear_down();
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/9p/session", test_session);
	g_test_add_func("/9p/files", test_files);
	g_test_add_func("/9p/folders", test_folders);
	g_test_add_func("/9p/names", test_names);
	g_test_add_func("/9p/attributes", test_attributes);
	g_test_add_func("/9p/xattrs", test_xattrs);
	g_test_add_func("/9p/locks", test_locks);
	g_test_add_func("/9p/read-only", test_read_only);
	g_test_add_func("/9p/mapped", test_mapped);
	g_test_add_func("/9p/ignored", test_ignored);
	g_test_add_func("/9p/escapes", test_escapes);
	g_test_add_func("/9p/hard-names", test_hard_names);
	g_test_add_func("/9p/special", test_special);
	g_test_add_func("/9p/deep", test_deep);
	g_test_add_func("/9p/wrong-lengths", test_wrong_lengths);
	g_test_add_func("/9p/bounds", test_bounds);
	g_test_add_func("/9p/race", test_race);
	g_test_add_func("/9p/restore", test_restore);
	g_test_add_func("/9p/restore-hostile", test_restore_hostile);
	return g_test_run();
}
