/* SPDX-License-Identifier: MIT */
/* "bp.blk/1" as a device sees it: a machine of one drive and one device, driven from here.
 *
 *     drive_test PLUGINS TEST_PLUGINS */
#include "bus/bus.h"
#include "find_types.h"
#include "host/block.h"
#include "machine/internal.h"
#include "machine/machine.h"
#include "test_disk.h"
#include <errno.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

enum { DISK = 1 << 20, MANY = 64 };

static struct fixture {
	struct toml_value *desc;
	struct machine *m;
	struct error_list errors;
	char *file;
	struct object *object;
	const struct bp_blk *blk;
	void *self; /* of the drive */
	struct bp_blk_request req[MANY];
	struct bp_blk_iov iov[MANY];
	uint8_t *memory;
	int result[MANY];
	unsigned calls[MANY];
	bool outside, submitting;
} x;
static const char *aio; /* "io_uring" where the host has none is done by threads */

static void done(void *owner, struct bp_blk_request *r, int result)
{
	x.outside = x.outside || !domain_inside(object_of(owner)->domain) || x.submitting;
	x.calls[r->tag]++;
	x.result[r->tag] = result;
}

/* ---- the machine ---- */

static bool start(const char *drive, const char *more)
{
	memset(&x, 0, sizeof(x));
	x.file = g_strdup_printf("%s/backplane-drive-%d.img", g_get_tmp_dir(), (int)getpid());
	x.memory = blk_memory(2 * DISK);
	memset(x.memory, 0xa5, 2 * DISK);
	g_file_set_contents(x.file, (char *)x.memory, DISK, NULL);
	char *text = g_strdup_printf(
		"[disk]\ntype = \"drive\"\nfile = \"%s\"\nformat = \"raw\"\naio = \"%s\"\n"
		"%s\n"
		"[dev]\ntype = \"test-disk\"\nblk = \"disk\"\n%s\n",
		x.file, aio, drive, more);
	x.desc = toml_parse("test", text, strlen(text), &x.errors);
	g_free(text);
	x.m = x.desc ? machine_plan(x.desc, &x.errors) : NULL;
	if (!x.m || machine_build(x.m, &x.errors) != 0)
		return false;
	x.object = instance_find(x.m, "dev")->object;
	const struct device *d = x.object->instance;
	x.blk = d->blk->ops;
	x.self = d->blk->self;
	return true;
}

static void stop(void)
{
	machine_destroy(x.m);
	toml_destroy(x.desc);
	error_list_finish(&x.errors);
	g_unlink(x.file);
	g_free(x.file);
	blk_memory_free(x.memory, 0);
}

/* Request n: 4 KiB of its own, in memory at an odd place. */
static struct bp_blk_request *request(unsigned n, uint32_t op)
{
	x.iov[n] = (struct bp_blk_iov){ x.memory + n * 4096 + 24, 4096 };
	x.req[n] = (struct bp_blk_request){ .size = sizeof(x.req[n]),
		.op = op,
		.iov_count = 1,
		.iov = &x.iov[n],
		.offset = n * 4096,
		.len = 4096,
		.done = done,
		.tag = n };
	x.calls[n] = 0;
	x.result[n] = 1;
	return &x.req[n];
}

static void submit(struct bp_blk_request *const *reqs, unsigned count)
{
	x.submitting = true;
	x.blk->submit(x.self, reqs, count);
	x.submitting = false;
}

/* All of them, and wait. */
static void run(uint32_t op, unsigned count)
{
	struct bp_blk_request *reqs[MANY];
	uint32_t held;
	g_assert_true(domain_enter(x.object->domain));
	for (unsigned n = 0; n < count; n++)
		reqs[n] = request(n, op);
	submit(reqs, count);
	x.blk->drain(x.self, &held);
	domain_leave(x.object->domain);
	for (unsigned n = 0; n < count; n++)
		g_assert_cmpuint(x.calls[n], ==, 1);
	g_assert_cmpuint(held, ==, 0);
	g_assert_false(x.outside);
}

static void all_are(int result, unsigned count)
{
	for (unsigned n = 0; n < count; n++)
		g_assert_cmpint(x.result[n], ==, result);
}

static void test_modes(void)
{
	for (unsigned k = 0; blk_cache_modes[k]; k++) {
		char *mode = g_strdup_printf("cache = \"%s\"", blk_cache_modes[k]);
		g_assert_true(start(mode, "writes = true"));
		g_free(mode);
		for (unsigned n = 0; n < MANY; n++)
			memset(x.memory + n * 4096 + 24, (int)n + 1, 4096);
		run(BP_BLK_WRITE, MANY);
		all_are(0, MANY);
		run(BP_BLK_FLUSH, 2);
		all_are(0, 2);
		memset(x.memory, 0, 2 * DISK);
		run(BP_BLK_READ, MANY);
		all_are(0, MANY);
		for (unsigned n = 0; n < MANY; n++)
			g_assert_cmpuint(x.memory[n * 4096 + 24 + 4095], ==, n + 1);
		run(BP_BLK_WRITE_ZEROES, 3);
		run(BP_BLK_DISCARD, 2);
		run(BP_BLK_READ, 4);
		g_assert_cmpuint(x.memory[2 * 4096 + 24], ==, 0);
		g_assert_cmpuint(x.memory[3 * 4096 + 24], ==, 4);
		struct bp_blk_info info = { .size = sizeof(info) };
		x.blk->info(x.self, &info);
		g_assert_cmpuint(info.bytes, ==, DISK);
		g_assert_cmpint(!(info.flags & BP_BLK_WRITE_CACHE), ==,
			!blk_cache_mode(blk_cache_modes[k])->write_back);
		stop();
	}
}

/* Workers deliver by themselves, too. */
static void test_without_drain(void)
{
	struct bp_blk_request *reqs[MANY];
	bool all = false;
	g_assert_true(start("", "writes = true"));
	g_assert_true(domain_enter(x.object->domain));
	for (unsigned n = 0; n < MANY; n++)
		reqs[n] = request(n, n % 2 ? BP_BLK_WRITE : BP_BLK_READ);
	submit(reqs, MANY);
	domain_leave(x.object->domain);
	for (unsigned tries = 0; tries < 5000 && !all; tries++) {
		g_usleep(1000);
		g_assert_true(domain_enter(x.object->domain));
		all = true;
		for (unsigned n = 0; n < MANY; n++)
			all = all && x.calls[n] == 1;
		domain_leave(x.object->domain);
	}
	g_assert_true(all);
	g_assert_false(x.outside);
	stop();
}

static void test_wrong(void)
{
	struct bp_blk_request *reqs[8];
	uint32_t held;
	g_assert_true(start("", "writes = true"));
	for (unsigned n = 0; n < 8; n++)
		reqs[n] = request(n, BP_BLK_WRITE);
	reqs[0]->offset = 1;
	reqs[1]->len = 100;
	reqs[2]->offset = DISK;
	reqs[3]->offset = UINT64_MAX - 511;
	reqs[4]->iov_count = 0;
	reqs[5]->op = 77;
	reqs[6]->op = BP_BLK_WRITE_ZEROES;
	reqs[6]->len = 2 * DISK;
	reqs[7]->len = reqs[7]->iov_count = 0;
	g_assert_true(domain_enter(x.object->domain));
	submit(reqs, 8);
	x.blk->drain(x.self, &held);
	domain_leave(x.object->domain);
	all_are(-EINVAL, 7);
	g_assert_cmpint(x.result[7], ==, 0);
	stop();
}

static void test_read_only(void)
{
	g_assert_true(start("readonly = true", ""));
	run(BP_BLK_WRITE, 2);
	all_are(-EROFS, 2);
	run(BP_BLK_READ, 2);
	all_are(0, 2);
	stop();
	g_assert_false(start("readonly = true", "writes = true"));
	stop();
}

static void test_two_devices(void)
{
	g_assert_false(start("", "[dev2]\ntype = \"test-disk\"\nblk = \"disk\""));
	stop();
	g_assert_false(start("format = \"nothing\"", ""));
	stop();
}

static void test_cancel(void)
{
	struct bp_blk_request *reqs[MANY];
	uint32_t held;
	g_assert_true(start("cache = \"directsync\"", "writes = true"));
	g_assert_true(domain_enter(x.object->domain));
	for (unsigned n = 0; n < MANY; n++)
		reqs[n] = request(n, BP_BLK_WRITE);
	submit(reqs, MANY);
	for (unsigned n = 0; n < MANY; n++)
		x.blk->cancel(x.self, reqs[n]);
	x.blk->drain(x.self, &held);
	domain_leave(x.object->domain);
	for (unsigned n = 0; n < MANY; n++) {
		g_assert_cmpuint(x.calls[n], ==, 1);
		g_assert_true(x.result[n] == 0 || x.result[n] == -ECANCELED);
	}
	stop();
}

static void test_errors(void)
{
	struct bp_blk_request *reqs[1];
	uint32_t held;
	g_assert_true(start("filter = \"blk-log,fail-at=1,fail-count=0\"", "writes = true"));
	run(BP_BLK_WRITE, 3);
	all_are(-EIO, 3);
	stop();
	/* pause-if-full is what is done without a word. */
	g_assert_true(
		start("filter = \"blk-log,fail-at=1,fail-count=0,fail=enospc\"", "writes = true"));
	g_assert_true(domain_enter(x.object->domain));
	reqs[0] = request(0, BP_BLK_WRITE);
	submit(reqs, 1);
	x.blk->drain(x.self, &held);
	g_assert_cmpuint(held, ==, 1);
	g_assert_cmpuint(x.calls[0], ==, 0);
	x.blk->forget_held(x.self);
	domain_leave(x.object->domain);
	g_assert_cmpuint(x.calls[0], ==, 1);
	g_assert_cmpint(x.result[0], ==, -ECANCELED);
	stop();
}

static void test_snapshot(void)
{
	gchar *bytes;
	gsize len;
	g_assert_true(start("snapshot = true", "writes = true"));
	memset(x.memory, 1, DISK);
	for (unsigned round = 0; round < 2; round++) {
		run(BP_BLK_WRITE, 9);
		all_are(0, 9);
	}
	memset(x.memory, 0, DISK);
	run(BP_BLK_READ, 10);
	g_assert_cmpuint(x.memory[8 * 4096 + 24], ==, 1);
	g_assert_cmpuint(x.memory[9 * 4096 + 24], ==, 0xa5);
	run(BP_BLK_WRITE_ZEROES, 1);
	run(BP_BLK_READ, 2);
	g_assert_cmpuint(x.memory[24], ==, 0);
	g_assert_cmpuint(x.memory[4096 + 24], ==, 1);
	g_file_get_contents(x.file, &bytes, &len, NULL);
	g_assert_cmpuint(len, ==, DISK);
	for (gsize n = 0; n < len; n++)
		g_assert_cmpuint((uint8_t)bytes[n], ==, 0xa5);
	g_free(bytes);
	stop();
}

/* The file is cut under the drive, and may not become longer than it is then: what is behind its end
 * reads as zeros, and a write there, or half there, is an error. */
static void test_short(void)
{
	struct rlimit before, limit;
	g_assert_true(start("on-write-error = \"report\"", "writes = true"));
	g_assert_cmpint(truncate(x.file, 3 * 4096 + 512), ==, 0);
	run(BP_BLK_READ, 8);
	all_are(0, 8);
	for (unsigned n = 0; n < 8 * 4096; n++)
		g_assert_cmpuint(x.memory[24 + n], ==, n < 3 * 4096 + 512 ? 0xa5 : 0);
	signal(SIGXFSZ, SIG_IGN);
	g_assert_cmpint(getrlimit(RLIMIT_FSIZE, &before), ==, 0);
	limit = before;
	limit.rlim_cur = 3 * 4096 + 512;
	g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &limit), ==, 0);
	run(BP_BLK_WRITE, 6);
	g_assert_cmpint(setrlimit(RLIMIT_FSIZE, &before), ==, 0);
	all_are(0, 3);
	for (unsigned n = 3; n < 6; n++)
		g_assert_cmpint(x.result[n], ==, -EFBIG);
	stop();
}

/* More than a ring takes; of many pieces, and across each other. */
static void test_full(void)
{
	enum { REQUESTS = 700, PIECES = 8 };
	struct bp_blk_request *reqs = g_new0(struct bp_blk_request, REQUESTS), *at[REQUESTS];
	struct bp_blk_iov *iov = g_new0(struct bp_blk_iov, REQUESTS * PIECES);
	uint32_t held;
	g_assert_true(start("", "writes = true"));
	for (unsigned n = 0; n < REQUESTS; n++) {
		at[n] = &reqs[n];
		for (unsigned k = 0; k < PIECES; k++) {
			unsigned place = (n * PIECES + k) * 512 % DISK;
			iov[n * PIECES + k] = (struct bp_blk_iov){ x.memory + place, 512 };
			memset(x.memory + place, (int)(place / 512 % 251), 512);
		}
		reqs[n] = (struct bp_blk_request){ .size = sizeof(reqs[n]),
			.op = n % 100 == 99 ? BP_BLK_FLUSH : BP_BLK_WRITE,
			.flags = n % 7 ? 0 : BP_BLK_FUA,
			.iov = &iov[n * PIECES],
			.iov_count = PIECES,
			.len = 4096,
			.offset = n * 4096 % DISK,
			.done = done,
			.tag = n % MANY };
	}
	g_assert_true(domain_enter(x.object->domain));
	submit(at, REQUESTS);
	x.blk->drain(x.self, &held);
	domain_leave(x.object->domain);
	unsigned calls = 0;
	for (unsigned n = 0; n < MANY; n++)
		calls += x.calls[n];
	g_assert_cmpuint(calls, ==, REQUESTS);
	all_are(0, MANY);
	memset(x.memory, 0, 2 * DISK);
	run(BP_BLK_READ, MANY);
	/* The flushes' places were written by later ones. */
	for (unsigned n = 0; n < MANY * 4096; n++)
		g_assert_cmpuint(x.memory[24 + n], ==, n / 512 % 251);
	g_free(iov);
	g_free(reqs);
	stop();
}

static void test_deterministic(void)
{
	g_assert_true(start("", "writes = true\n[machine]\ndeterministic = true"));
	run(BP_BLK_WRITE, MANY);
	run(BP_BLK_READ, MANY);
	all_are(0, MANY);
	stop();
}

static const char *const ways[] = { "threads", "io_uring" };
static struct test {
	const char *name;
	void (*run)(void);
	const char *aio;
} tests[][G_N_ELEMENTS(ways)] = {
	{ { "modes", test_modes } },
	{ { "without-drain", test_without_drain } },
	{ { "wrong", test_wrong } },
	{ { "read-only", test_read_only } },
	{ { "cancel", test_cancel } },
	{ { "errors", test_errors } },
	{ { "snapshot", test_snapshot } },
	{ { "short", test_short } },
	{ { "full", test_full } },
	{ { "deterministic", test_deterministic } },
	{ { "two-devices", test_two_devices } },
};

static void run_test(gconstpointer data)
{
	const struct test *t = data;
	aio = t->aio;
	t->run();
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	find_types(argc, argv, device_types);
	for (unsigned way = 0; way < G_N_ELEMENTS(ways); way++)
		for (unsigned n = 0; n < G_N_ELEMENTS(tests); n++) {
			struct test *t = &tests[n][way];
			char *path = g_strdup_printf("/drive/%s/%s", ways[way], tests[n][0].name);
			*t = (struct test){ tests[n][0].name, tests[n][0].run, ways[way] };
			g_test_add_data_func(path, t, run_test);
			g_free(path);
		}
	return g_test_run();
}
