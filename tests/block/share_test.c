/* SPDX-License-Identifier: MIT */
/* virtio-9p behind a driver: a reset and a snapshot while a message is being served, and what a snapshot
 * holds of a session. The messages themselves are tested beside the plugin.
 *
 *     share_test PLUGINS TEST_PLUGINS */
#include "sched/clock.h"
#include "virtio_rig.h"
#include <stdarg.h>
#include <stdatomic.h>

enum { LOPEN = 12, GETATTR = 24, MKDIR = 72, VERSION = 100, ATTACH = 104, WALK = 110, READ = 116 };
enum { ROOT = 1, FILE_FID = 2, FOLDER_FID = 3, TAG = 7, MSIZE = 8192, ERROR = 7 };
#define REQUEST (RAM + 0x10000)
#define ANSWER  (RAM + 0x11000)

static char *folder, *state;

static char *inside(const char *name)
{
	return g_build_filename(folder, name, NULL);
}

static bool exists(const char *name)
{
	char *path = inside(name);
	bool yes = g_file_test(path, G_FILE_TEST_EXISTS);
	g_free(path);
	return yes;
}

/* Letters: 1 2 4 8 numbers of so many bytes, s a string. Its length is returned. */
static uint32_t write_message(unsigned type, const char *format, va_list args)
{
	uint64_t at = REQUEST + 7;
	put(REQUEST + 4, type, 1);
	put(REQUEST + 5, TAG, 2);
	for (const char *f = format; *f; f++) {
		if (*f == 's') {
			const char *s = va_arg(args, const char *);
			put(at, strlen(s), 2);
			at += 2;
			while (*s)
				put(at++, (uint8_t)*s++, 1);
		} else {
			put(at, *f == '8' ? va_arg(args, uint64_t) : va_arg(args, unsigned),
				(unsigned)(*f - '0'));
			at += (unsigned)(*f - '0');
		}
	}
	put(REQUEST, at - REQUEST, 4);
	return (uint32_t)(at - REQUEST);
}

static void begin(unsigned type, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	uint32_t len = write_message(type, format, args);
	va_end(args);
	put(ANSWER + 4, 0, 1);
	offer(0, 0, (struct piece[]){ { REQUEST, len, false }, { ANSWER, MSIZE, true } }, 2);
}

/* The errno of the answer to what was begun, or 0. */
static unsigned end(void)
{
	for (unsigned tries = 0; !is_used(0) && tries < 5000; tries++) {
		loop_settle(); /* there is no main loop here */
		g_usleep(1000);
	}
	g_assert_cmpint(wait_used(0), ==, (int64_t)get(ANSWER, 4));
	g_assert_cmpuint(get(ANSWER + 5, 2), ==, TAG);
	return get(ANSWER + 4, 1) == ERROR ? (unsigned)get(ANSWER + 7, 4) : 0;
}

static void session(void)
{
	begin(VERSION, "4s", MSIZE, "9P2000.L");
	g_assert_cmpuint(end(), ==, 0);
	begin(ATTACH, "44ss4", ROOT, UINT32_MAX, "", "", 0);
	g_assert_cmpuint(end(), ==, 0);
}

static void start(void)
{
	folder = g_dir_make_tmp("backplane-share-XXXXXX", NULL);
	state = g_strconcat(folder, ".state", NULL);
	char *sub = inside("sub"), *file = inside("sub/file");
	g_assert_cmpint(g_mkdir(sub, 0755), ==, 0);
	g_assert_true(g_file_set_contents(file, "0123456789", -1, NULL));
	g_free(sub);
	g_free(file);
	char *text = g_strdup_printf(
		"[s]\ntype = \"virtio-9p\"\nbus = \"virtio\"\npath = \"%s\"\n", folder);
	rig_start(text);
	g_free(text);
	set_up(F_VERSION, 1);
	session();
}

static void stop(void)
{
	static const char *const names[] = { "sub/file", "sub/made", "sub", "made", "" };
	rig_stop();
	for (unsigned i = 0; i < G_N_ELEMENTS(names); i++) {
		char *path = inside(names[i]);
		g_remove(path);
		g_free(path);
	}
	g_remove(state);
	g_free(state);
	g_free(folder);
}

/* ---- a message that is under way: all threads of the pool are taken until a clock strikes ---- */

enum { TAKEN = 64 };
static atomic_bool gate;
static atomic_uint taken;

static void take_thread(struct blk_task *task)
{
	(void)task;
	atomic_fetch_add(&taken, 1);
	while (!atomic_load(&gate))
		g_usleep(500);
	atomic_fetch_sub(&taken, 1);
}

static void *open_gate(void *unused)
{
	g_usleep(50000);
	atomic_store(&gate, true);
	return unused;
}

static GThread *hold_pool(void)
{
	static struct blk_task tasks[TAKEN];
	atomic_store(&gate, false);
	for (unsigned i = 0; i < TAKEN; i++) {
		tasks[i].run = take_thread;
		blk_pool_add(&tasks[i]);
	}
	while (atomic_load(&taken) < TAKEN)
		g_usleep(500);
	return g_thread_new("gate", open_gate, NULL);
}

static void pool_is_free(GThread *t)
{
	g_assert_true(atomic_load(&gate)); /* so it was waited for */
	g_thread_join(t);
	while (atomic_load(&taken))
		g_usleep(500);
}

/* It has its effect, but no answer; the session is over, and the next one works. */
static void test_reset(void)
{
	start();
	GThread *t = hold_pool();
	begin(MKDIR, "4s44", ROOT, "made", 0755, 0);
	g_assert_false(exists("made"));
	reg(0x70, 0);
	g_assert_true(exists("made"));
	g_assert_cmpuint(get(ANSWER + 4, 1), ==, 0);
	g_assert_false(is_used(0));
	pool_is_free(t);
	set_up(F_VERSION, 1);
	begin(GETATTR, "48", ROOT, UINT64_C(0x7ff));
	g_assert_cmpuint(end(), !=, 0);
	session();
	begin(GETATTR, "48", ROOT, UINT64_C(0x7ff));
	g_assert_cmpuint(end(), ==, 0);
	/* The machine's own reset, and its end, while one is served. */
	t = hold_pool();
	begin(MKDIR, "4s44", ROOT, "made", 0755, 0);
	machine_reset(x.m);
	pool_is_free(t);
	set_up(F_VERSION, 1);
	session();
	t = hold_pool();
	begin(MKDIR, "4s44", ROOT, "y", 0755, 0);
	char *y = inside("y"), *shared = g_path_get_dirname(y);
	stop();
	pool_is_free(t);
	g_remove(y);
	g_remove(shared);
	g_free(y);
	g_free(shared);
}

static void read_some(const char *bytes)
{
	begin(READ, "484", FILE_FID, (uint64_t)3, 4);
	g_assert_cmpuint(end(), ==, 0);
	g_assert_cmpuint(get(ANSWER + 7, 4), ==, 4);
	uint32_t want;
	memcpy(&want, bytes, 4);
	g_assert_cmpuint(get(ANSWER + 11, 4), ==, want);
}

static void restore(const char *says)
{
	struct error_list errors = { 0 };
	int r = machine_restore(x.m, state, &errors);
	g_assert_cmpint(r, ==, says ? 1 : 0);
	char *text = error_list_text(&errors);
	g_assert_true(!says || strstr(text, says));
	g_free(text);
	error_list_finish(&errors);
}

/* An open file, a folder that was walked to, and a message under way, which is answered before. */
static void test_state(void)
{
	start();
	begin(WALK, "442ss", ROOT, FILE_FID, 2, "sub", "file");
	g_assert_cmpuint(end(), ==, 0);
	begin(LOPEN, "44", FILE_FID, 0);
	g_assert_cmpuint(end(), ==, 0);
	begin(WALK, "442s", ROOT, FOLDER_FID, 1, "sub");
	g_assert_cmpuint(end(), ==, 0);
	GThread *t = hold_pool();
	begin(MKDIR, "4s44", FOLDER_FID, "made", 0755, 0);
	g_assert_cmpint(machine_save(x.m, state, &x.errors), ==, 0);
	pool_is_free(t);
	uint16_t avail = x.avail[0], used = x.used[0];
	g_assert_cmpuint(end(), ==, 0);
	machine_reset(x.m);
	restore(NULL);
	x.avail[0] = avail;
	x.used[0] = used;
	g_assert_cmpuint(end(), ==, 0); /* memory is that of the snapshot: it stands there again */
	g_assert_true(exists("sub/made"));
	read_some("3456");
	begin(GETATTR, "48", FOLDER_FID, UINT64_C(0x7ff));
	g_assert_cmpuint(end(), ==, 0);
	begin(WALK, "442s", FOLDER_FID, FOLDER_FID + 1, 1, "made");
	g_assert_cmpuint(end(), ==, 0);
	begin(GETATTR, "48", FOLDER_FID + 2, UINT64_C(0x7ff));
	g_assert_cmpuint(end(), !=, 0);
	char *file = inside("sub/file");
	g_remove(file);
	g_free(file);
	restore("s: ");
	stop();
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	find_types(argc, argv, driver_types);
	g_test_add_func("/share/reset", test_reset);
	g_test_add_func("/share/state", test_state);
	return g_test_run();
}
