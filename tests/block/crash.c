/* SPDX-License-Identifier: MIT */
/* Nothing that a flush has acknowledged is lost.
 *
 *     crash PLUGINS TEST_PLUGINS [points=N] [seed=N] [variant=NAME] [errors=0|1] [kills=N]
 *
 * crash: threads write, flush, discard over a format, over blk-log. At random points of its log the
 * image is made as a crash there could leave it: what was written before the last finished flush, and
 * of later writes a random subset of their 512-byte pieces. It must pass `qemu-img check` (leaks at
 * most), and each sector must hold what was flushed last or what was written since.
 *
 * kills: a process that does the same is killed by SIGKILL at a random moment, and the file that it
 * leaves is looked at in the same way.
 *
 * With BACKPLANE_FULL ten times as many points and kills.
 *
 * errors: each write, flush, ... of a workload fails in turn. What is answered with success holds,
 * the image stays consistent. */
#include "bus/bus.h"
#include "host/block.h"
#include "machine/machine.h"
#include "record.h"
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <inttypes.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	DISK = 6 << 20,
	SECTORS = DISK / BLK_SECTOR,
	THREADS = 3,
	OPS = 220, /* of each thread */
	ALLOWED = 24,
	IMAGE_MAX = 64 << 20,
	FILLED = 1u << 30 /* ids of what was there before */
};

static const struct variant {
	const char *name, *format, *options, *open;
	bool backing, snapshot, filled, lazy;
	const char *cluster; /* of the workload: sizes are drawn around it */
} variants[] = {
	{ "raw", "raw", "", NULL, false, false, true, false, NULL },
	{ "plain", "qcow2", "", "cache-size=64K", false, false, false, false, NULL },
	{ "small", "qcow2", "cluster_size=4K", "cache-size=64K", false, false, true, false, NULL },
	{ "tiny", "qcow2", "cluster_size=512,refcount_bits=64", "cache-size=8K", false, false,
		false, false, NULL },
	{ "backing", "qcow2", "cluster_size=16K,refcount_bits=1", NULL, true, false, false, false,
		NULL },
	{ "snapshot", "qcow2", "cluster_size=8K,refcount_bits=8", "cache-size=64K", false, true,
		true, false, NULL },
	{ "v2", "qcow2", "compat=0.10,cluster_size=4K", NULL, false, true, true, false, NULL },
	{ "extended", "qcow2", "cluster_size=32K,extended_l2=on", NULL, true, false, false, false,
		NULL },
	{ "extended-snapshot", "qcow2", "cluster_size=16K,extended_l2=on", "cache-size=64K", false,
		true, true, false, NULL },
	{ "lazy", "qcow2", "cluster_size=8K,lazy_refcounts=on", "cache-size=64K", true, false,
		false, true, NULL },
};

static char *folder, *image, *crashed, *logged, *backing;
static unsigned failures;
static bool said;

static void fault(const char *format, ...) BP_PRINTF(1, 2);
static void fault(const char *format, ...)
{
	va_list args;
	failures++;
	if (said)
		return;
	said = true;
	va_start(args, format);
	char *text = g_strdup_vprintf(format, args);
	va_end(args);
	printf("# %s\n", text);
	fflush(stdout);
	g_free(text);
}

/* ---- images ---- */

static void complain(struct error_list *errors)
{
	char *text = error_list_text(errors);
	fault("%s", text);
	g_free(text);
	error_list_finish(errors);
}

static bp_blk_node *open_image(
	const struct variant *v, const char *file, bool write, const char *filter)
{
	struct error_list errors = { 0 };
	struct blk_spec spec = { .file = file,
		.format = v->format,
		.options = v->open,
		.filter = filter,
		.open = write ? BP_BLK_OPEN_WRITE : 0 };
	bp_blk_node *n = blk_open(machine_host(), &spec, &errors);
	if (!n)
		complain(&errors);
	error_list_finish(&errors);
	return n;
}

static int close_image(bp_blk_node *n)
{
	struct error_list errors = { 0 };
	int r = blk_close(n, &errors);
	error_list_finish(&errors);
	return r;
}

/* A sector of an id says so in each of its words. */
static void fill_sector(uint8_t *p, uint64_t sector, uint32_t id)
{
	uint64_t word = id ? (uint64_t)id << 32 | sector : 0;
	for (unsigned n = 0; n < BLK_SECTOR; n += 8)
		memcpy(p + n, &word, 8);
}

static bool id_of(const uint8_t *p, uint64_t sector, uint32_t *id)
{
	uint64_t word;
	memcpy(&word, p, 8);
	*id = (uint32_t)(word >> 32);
	return memcmp(p, p + 8, BLK_SECTOR - 8) == 0 && (!*id ? !word : (uint32_t)word == sector);
}

static uint32_t initial[SECTORS]; /* ids before the log begins */

static int write_id(bp_blk_node *n, uint64_t first, uint64_t count, uint32_t id)
{
	uint8_t *p = blk_memory(count * BLK_SECTOR);
	for (uint64_t s = 0; s < count; s++)
		fill_sector(p + s * BLK_SECTOR, first + s, id);
	/* Pieces at odd places, as guests have them. */
	struct bp_blk_iov iov[2] = { { p, MIN(count * BLK_SECTOR, 1536) }, { NULL, 0 } };
	iov[1] = (struct bp_blk_iov){ p + iov[0].len, count * BLK_SECTOR - iov[0].len };
	int r = blk_write(n, first * BLK_SECTOR, count * BLK_SECTOR, iov, iov[1].len ? 2 : 1, 0);
	blk_memory_free(p, 0);
	return r;
}

static void make_backing(void)
{
	FILE *f = fopen(backing, "wb");
	uint8_t sector[BLK_SECTOR];
	/* Shorter than the disk, and not a whole number of clusters. */
	for (uint64_t s = 0; f && s < SECTORS - 1001; s++) {
		initial[s] = FILLED + 1;
		fill_sector(sector, s, initial[s]);
		fwrite(sector, BLK_SECTOR, 1, f);
	}
	if (!f || fclose(f) != 0)
		fault("%s: %s", backing, g_strerror(errno));
}

static bool make_image(const struct variant *v)
{
	struct error_list errors = { 0 };
	const struct type *type;
	struct blk_options o;
	void *self;
	memset(initial, 0, sizeof(initial));
	const struct bp_blk_format *f = blk_format(v->format, &type, &errors);
	if (!f) {
		complain(&errors);
		return false;
	}
	blk_options_init(&o, f, type);
	int r = blk_options_parse(&o, v->options, &errors);
	if (v->backing) {
		make_backing();
		r |= blk_options_set(&o, "backing_file", backing, &errors);
		r |= blk_options_set(&o, "backing_fmt", "raw", &errors);
	}
	r = r ? r : blk_create(machine_host(), image, v->format, DISK, &o, &errors);
	blk_options_finish(&o);
	if (r) {
		complain(&errors);
		return false;
	}
	bp_blk_node *n = v->filled || v->snapshot ? open_image(v, image, true, NULL) : NULL;
	for (uint64_t s = 300; n && v->filled && s + 900 < SECTORS && !r; s += 2100) {
		r = write_id(n, s, 900, FILLED + 2);
		for (unsigned k = 0; k < 900; k++)
			initial[s + k] = FILLED + 2;
	}
	if (n && v->snapshot && !r) {
		f = blk_format_of(n, &self);
		bp_error err = blk_error(n, &errors);
		r = f->snapshot_create(self, "before", 0, &err);
	}
	if (n && (close_image(n) != 0 || r))
		fault("the image could not be prepared");
	error_list_finish(&errors);
	return !r;
}

/* ---- the guest ---- */

static struct guest {
	bp_blk_node *node;
	int log;
	uint64_t seed;
	_Atomic(uint32_t) next_id;
} guest;

static uint64_t draw(uint64_t *state)
{
	uint64_t z = *state += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static void note(uint32_t kind, uint64_t id, uint64_t first, uint64_t count, int result)
{
	struct record r = { kind, result != 0, id, first, count };
	if (guest.log >= 0 && write(guest.log, &r, sizeof(r)) != sizeof(r))
		fault("the log: %s", g_strerror(errno));
}

/* Ranges overlap a lot, so that the same clusters are written again and again. */
static void draw_range(
	uint64_t *state, uint64_t from, uint64_t to, uint64_t *first, uint64_t *count)
{
	static const unsigned sizes[] = { 1, 2, 8, 8, 8, 16, 33, 64, 128, 256 };
	*count = sizes[draw(state) % G_N_ELEMENTS(sizes)];
	uint64_t room = to - from - *count;
	*first = from + (draw(state) & 1 ? draw(state) % (room / 8) : draw(state) % room);
	if (draw(state) & 1)
		*first = from + (*first - from) / 8 * 8;
}

static int one_op(uint64_t *state, uint64_t from, uint64_t to)
{
	uint64_t first, count, what = draw(state) % 100;
	uint32_t id = atomic_fetch_add(&guest.next_id, 1);
	int r;
	if (what < 10) {
		note(RECORD_G_FLUSH, id, 0, 0, 0);
		r = blk_flush(guest.node);
		note(RECORD_G_FLUSHED, id, 0, 0, r);
		return r;
	}
	draw_range(state, from, to, &first, &count);
	if (what < 80) {
		note(RECORD_G_WRITE, id, first, count, 0);
		r = write_id(guest.node, first, count, id);
	} else if (what < 90) {
		note(RECORD_G_ZERO, id, first, count, 0);
		r = blk_write_zeroes(guest.node, first * BLK_SECTOR, count * BLK_SECTOR,
			what & 1 ? BP_BLK_UNMAP : 0);
	} else {
		note(RECORD_G_DISCARD, id, first, count, 0);
		r = blk_discard(guest.node, first * BLK_SECTOR, count * BLK_SECTOR);
	}
	note(RECORD_G_DONE, id, 0, 0, r);
	return r;
}

static gpointer guest_thread(gpointer arg)
{
	unsigned t = GPOINTER_TO_UINT(arg);
	uint64_t state = guest.seed * 977 + t;
	/* Each its own part; clusters at the borders are shared. */
	uint64_t from = SECTORS / THREADS * t + t, to = SECTORS / THREADS * (t + 1) + t;
	for (unsigned n = 0; n < OPS; n++)
		if (one_op(&state, from, MIN(to, SECTORS)) != 0)
			fault("a request failed");
	return NULL;
}

/* ---- the log ---- */

struct event {
	struct record r;
	const uint8_t *data;
	size_t done; /* index of the event that ends it; SIZE_MAX: none */
};

static GArray *read_log(char **bytes)
{
	GArray *events = g_array_new(FALSE, FALSE, sizeof(struct event));
	GHashTable *open = g_hash_table_new(NULL, NULL); /* id, guest's shifted -> index + 1 */
	gsize len = 0;
	*bytes = NULL;
	if (!g_file_get_contents(logged, bytes, &len, NULL))
		fault("there is no log");
	for (gsize at = 0; at + sizeof(struct record) <= len;) {
		struct event e = { .done = SIZE_MAX };
		memcpy(&e.r, *bytes + at, sizeof(e.r));
		at += sizeof(e.r);
		e.data = (const uint8_t *)*bytes + at;
		if (e.r.kind == RECORD_WRITE)
			at += e.r.len;
		bool above = e.r.kind >= RECORD_G_WRITE;
		gpointer key = GSIZE_TO_POINTER(e.r.id * 2 + above);
		bool ends = e.r.kind == RECORD_WRITTEN || e.r.kind == RECORD_FLUSHED ||
			e.r.kind == RECORD_G_DONE || e.r.kind == RECORD_G_FLUSHED;
		if (ends) {
			size_t n = GPOINTER_TO_SIZE(g_hash_table_lookup(open, key));
			struct event *begun = &g_array_index(events, struct event, n - 1);
			begun->done = events->len;
			begun->r.failed = e.r.failed;
		} else {
			g_hash_table_insert(open, key, GSIZE_TO_POINTER((gsize)events->len + 1));
		}
		g_array_append_val(events, e);
	}
	g_hash_table_destroy(open);
	return events;
}

/* What was over before this index is durable at point p. */
static size_t durable_before(const GArray *events, size_t p, uint32_t flush)
{
	size_t best = 0;
	for (size_t n = 0; n < p; n++) {
		const struct event *e = &g_array_index(events, struct event, n);
		if (e->r.kind == flush && e->done < p && !e->r.failed)
			best = n;
	}
	return best;
}

/* ---- a crash ---- */

static uint8_t *disk; /* the file as it is in a crash */
static uint64_t disk_len;
static uint8_t *base;
static uint64_t base_len;

static void put(uint64_t offset, uint64_t len, const uint8_t *data)
{
	if (offset > IMAGE_MAX || len > IMAGE_MAX - offset) {
		fault("the file grows without bound");
		return;
	}
	if (data)
		memcpy(disk + offset, data, len);
	else
		memset(disk + offset, 0, len);
	disk_len = MAX(disk_len, offset + len);
}

/* Everything below the format, at point p. */
static void build(const GArray *events, size_t p, uint64_t *state)
{
	size_t sure = durable_before(events, p, RECORD_FLUSH);
	unsigned keep = (unsigned)(draw(state) % 5); /* few or many of the others */
	memset(disk, 0, MAX(disk_len, base_len));
	memcpy(disk, base, base_len);
	disk_len = base_len;
	for (size_t n = 0; n < p; n++) {
		const struct event *e = &g_array_index(events, struct event, n);
		const uint8_t *data = e->r.kind == RECORD_WRITE ? e->data : NULL;
		if (e->r.kind == RECORD_RESIZE)
			disk_len = MAX(disk_len, e->r.len);
		if (e->r.kind != RECORD_WRITE && e->r.kind != RECORD_ZERO)
			continue;
		if (e->done < sure) {
			put(e->r.offset, e->r.len, data);
			continue;
		}
		for (uint64_t at = 0, step; at < e->r.len; at += step) {
			step = MIN(BLK_SECTOR - (e->r.offset + at) % BLK_SECTOR, e->r.len - at);
			if (draw(state) % 4 < keep)
				put(e->r.offset + at, step, data ? data + at : NULL);
		}
	}
}

struct allowed {
	uint32_t id[ALLOWED];
	unsigned count;
};
static struct allowed allowed[SECTORS];

static void allow(struct allowed *a, uint32_t id)
{
	for (unsigned n = 0; n < a->count; n++)
		if (a->id[n] == id)
			return;
	if (a->count < ALLOWED)
		a->id[a->count] = id;
	a->count++;
}

/* What a sector may hold, once an operation is over; sure: it can't be undone. */
static void apply(const struct record *r, bool sure)
{
	for (uint64_t s = r->offset; s < r->offset + r->len; s++) {
		struct allowed *a = &allowed[s];
		if (sure && r->kind != RECORD_G_DISCARD)
			a->count = 0;
		allow(a, r->kind == RECORD_G_WRITE ? (uint32_t)r->id : 0);
	}
}

static void begin_allowed(void)
{
	for (unsigned s = 0; s < SECTORS; s++) {
		allowed[s].count = 1;
		allowed[s].id[0] = initial[s];
	}
}

static void what_is_allowed(const GArray *events, size_t p)
{
	size_t sure = durable_before(events, p, RECORD_G_FLUSH);
	begin_allowed();
	for (size_t n = 0; n < p; n++) {
		const struct event *e = &g_array_index(events, struct event, n);
		if (e->r.kind >= RECORD_G_WRITE && e->r.kind <= RECORD_G_DISCARD)
			apply(&e->r, e->done < sure);
	}
}

/* Each sector holds something that it may. */
static void compare(const uint8_t *contents, const char *where)
{
	for (uint64_t s = 0; s < SECTORS; s++) {
		const struct allowed *a = &allowed[s];
		uint32_t id = 0;
		bool whole = id_of(contents + s * BLK_SECTOR, s, &id), good = a->count > ALLOWED;
		for (unsigned n = 0; whole && n < MIN(a->count, ALLOWED); n++)
			good = good || a->id[n] == id;
		if (whole && good)
			continue;
		fault("%s: sector %" PRIu64 " has %s %u; %u is one of %u that it may have", where,
			s, whole ? "write" : "pieces, first of write", id, a->id[0], a->count);
		return;
	}
}

static int spawn(const char *const *argv)
{
	extern char **environ;
	posix_spawn_file_actions_t quiet;
	pid_t pid;
	int status = 0;
	posix_spawn_file_actions_init(&quiet);
	posix_spawn_file_actions_addopen(&quiet, 1, "/dev/null", O_WRONLY, 0);
	posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", O_WRONLY, 0);
	int r = posix_spawnp(&pid, argv[0], &quiet, NULL, (char *const *)(uintptr_t)argv, environ);
	posix_spawn_file_actions_destroy(&quiet);
	if (r || waitpid(pid, &status, 0) < 0 || !WIFEXITED(status))
		return -1;
	return WEXITSTATUS(status);
}

enum { ONLY_LEAKS = 3 };

static void check_by_others(const struct variant *v, const char *where)
{
	const char *const look[] = { "qemu-img", "check", "-q", "-f", "qcow2", crashed, NULL };
	const char *const mend[] = { "qemu-img", "check", "-q", "-r", "all", "-f", "qcow2", crashed,
		NULL };
	if (!strcmp(v->format, "raw"))
		return;
	if (v->lazy && spawn(mend) != 0)
		fault("%s: qemu-img check -r all does not repair it", where);
	int r = spawn(look);
	if (r != 0 && r != ONLY_LEAKS)
		fault("%s: qemu-img check: exit status %d", where, r);
}

static void look_at(const struct variant *v, const char *where)
{
	uint8_t *contents = g_malloc(DISK);
	for (int round = 0; round < 1 + v->lazy; round++) { /* before and after a repair */
		bp_blk_node *n = open_image(v, crashed, false, NULL);
		int r = n ? blk_pread(n, 0, contents, DISK) : -EIO;
		if (r)
			fault("%s: it cannot be read: %s", where, g_strerror(-r));
		else
			compare(contents, where);
		close_image(n);
		if (!round)
			check_by_others(v, where);
	}
	g_free(contents);
}

static int by_size(const void *a, const void *b)
{
	const size_t *x = a, *y = b;
	return *x < *y ? -1 : *x > *y;
}

static void crashes(const struct variant *v, GArray *events, unsigned points, uint64_t seed)
{
	size_t *at = g_new(size_t, points);
	uint64_t state = seed;
	for (unsigned n = 0; n < points; n++)
		at[n] = draw(&state) % (events->len + 1);
	qsort(at, points, sizeof(at[0]), by_size);
	for (unsigned n = 0; n < points; n++) {
		char *where = g_strdup_printf(
			"%s seed=%" PRIu64 " point %zu of %u", v->name, seed, at[n], events->len);
		build(events, at[n], &state);
		what_is_allowed(events, at[n]);
		g_unlink(crashed); /* a longer one would keep its end */
		if (!g_file_set_contents_full(crashed, (char *)disk, (gssize)disk_len,
			    G_FILE_SET_CONTENTS_NONE, 0600, NULL))
			fault("%s: %s", crashed, g_strerror(errno));
		look_at(v, where);
		g_free(where);
	}
	g_free(at);
}

static void load_base(void)
{
	gchar *bytes = NULL;
	gsize len = 0;
	g_file_get_contents(image, &bytes, &len, NULL);
	base = g_realloc(base, len + 1);
	memcpy(base, bytes, len);
	base_len = len;
	g_free(bytes);
}

static void start_guest(const struct variant *v, const char *filter, uint64_t seed)
{
	guest.node = open_image(v, image, true, filter);
	guest.log = open(logged, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
	guest.seed = seed;
	atomic_store(&guest.next_id, 1);
}

static void crash_variant(const struct variant *v, unsigned points, uint64_t seed)
{
	GThread *threads[THREADS];
	char *bytes = NULL, *filter = g_strdup_printf("blk-log,log=%s", logged);
	g_unlink(logged);
	if (!make_image(v))
		return;
	load_base();
	start_guest(v, filter, seed);
	for (unsigned t = 0; t < THREADS && guest.node; t++)
		threads[t] = g_thread_new("guest", guest_thread, GUINT_TO_POINTER(t));
	for (unsigned t = 0; t < THREADS && guest.node; t++)
		g_thread_join(threads[t]);
	close(guest.log);
	GArray *events = read_log(&bytes); /* without what closing writes */
	if (guest.node && close_image(guest.node) != 0)
		fault("%s: it could not be closed", v->name);
	crashes(v, events, points, seed);
	g_array_free(events, TRUE);
	g_free(bytes);
	g_free(filter);
}

/* ---- kills ---- */

/* The process that is killed: it stays when its work is done. */
static void victim(const struct variant *v, uint64_t seed)
{
	start_guest(v, NULL, seed);
	for (unsigned t = 0; t < THREADS && guest.node; t++)
		g_thread_unref(g_thread_new("guest", guest_thread, GUINT_TO_POINTER(t)));
	for (;;)
		pause();
}

/* Once its guest has done so much, or has had time enough for all. */
static void kill_at(pid_t pid, uint64_t records)
{
	enum { POLL_US = 200, POLLS = 100000 };
	struct stat st = { 0 };
	for (unsigned n = 0; n < POLLS; n++) {
		if (stat(logged, &st) == 0 &&
			(uint64_t)st.st_size >= records * sizeof(struct record))
			break;
		g_usleep(POLL_US);
	}
	if ((uint64_t)st.st_size < records * sizeof(struct record))
		fault("the process that is to be killed has stopped working");
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static void kill_variant(const struct variant *v, char **argv, unsigned kills, uint64_t seed)
{
	extern char **environ;
	uint64_t state = seed;
	char *variant = g_strdup_printf("variant=%s", v->name);
	char *where = g_strdup_printf("in=%s", folder);
	for (unsigned n = 0; n < kills; n++) {
		char *bytes = NULL, *own = g_strdup_printf("seed=%" PRIu64, seed + n);
		char *name = g_strdup_printf("%s %s kill %u", v->name, own, n);
		char *args[] = { argv[0], argv[1], argv[2], variant, own, where, NULL };
		pid_t pid;
		g_unlink(logged);
		g_unlink(image);
		if (!make_image(v) ||
			posix_spawn(&pid, "/proc/self/exe", NULL, NULL, args, environ))
			fault("%s cannot be started", name);
		else
			kill_at(pid, draw(&state) % (2 * OPS * THREADS));
		GArray *events = read_log(&bytes);
		what_is_allowed(events, events->len);
		g_unlink(crashed);
		if (rename(image, crashed) != 0)
			fault("%s: %s", name, g_strerror(errno));
		look_at(v, name);
		g_array_free(events, TRUE);
		g_free(bytes);
		g_free(name);
		g_free(own);
	}
	g_free(where);
	g_free(variant);
}

/* ---- errors ---- */

enum { SOME = 40 };

/* A workload of few requests in which step n fails. Not *reached: it never came so far. */
static void error_run(const struct variant *v, unsigned requests, unsigned step, const char *how,
	unsigned count, bool *reached)
{
	char *filter =
		g_strdup_printf("blk-log,fail-at=%u,fail-count=%u,fail=%s", step, count, how);
	char *where = g_strdup_printf(
		"%s: step %u of %u requests fails (%s, %u)", v->name, step, requests, how, count);
	uint64_t state = 4711;
	struct record since[SOME];
	unsigned pending = 0;
	*reached = false;
	g_file_set_contents_full(
		image, (char *)base, (gssize)base_len, G_FILE_SET_CONTENTS_NONE, 0600, NULL);
	begin_allowed();
	guest.node = open_image(v, image, true, filter);
	guest.log = -1;
	for (unsigned n = 0; n < requests && guest.node; n++) {
		uint64_t before = state;
		struct record r = { .id = atomic_load(&guest.next_id) };
		uint64_t what = draw(&before) % 100;
		if (what >= 10)
			draw_range(&before, 0, SECTORS, &r.offset, &r.len);
		r.kind = what < 10  ? RECORD_G_FLUSH
			: what < 80 ? RECORD_G_WRITE
			: what < 90 ? RECORD_G_ZERO
				    : RECORD_G_DISCARD;
		r.failed = one_op(&state, 0, SECTORS) != 0;
		*reached = *reached || r.failed;
		if (r.kind != RECORD_G_FLUSH) {
			since[pending++] = r;
			continue;
		}
		for (unsigned k = 0; k < pending && !r.failed; k++)
			apply(&since[k], !since[k].failed);
		pending = r.failed ? pending : 0;
	}
	int closed = guest.node ? close_image(guest.node) : -1;
	*reached = *reached || closed != 0;
	for (unsigned k = 0; k < pending; k++)
		apply(&since[k], closed == 0 && !since[k].failed);
	g_unlink(crashed);
	if (rename(image, crashed) != 0)
		fault("%s: %s", where, g_strerror(errno));
	look_at(v, where);
	g_free(where);
	g_free(filter);
}

static void error_variant(const struct variant *v, unsigned stride)
{
	static const char *const how[] = { "eio", "enospc", "short" };
	if (!make_image(v))
		return;
	load_base();
	atomic_store(&guest.next_id, 1);
	bool reached = true, reached_all = true;
	unsigned last = 0;
	for (unsigned step = 1; (reached || reached_all) && step < 2000; step += stride) {
		error_run(v, SOME, step, how[step % 3], 1, &reached);
		error_run(v, SOME, step, how[(step + 1) % 3], 0, &reached_all);
		last = step;
	}
	/* Nothing comes after it that could hide what it left. */
	for (unsigned requests = 1; requests <= 4; requests++)
		for (unsigned step = 1, more = 1; more && step < 100; step++) {
			error_run(v, requests, step, how[step % 3], 1, &reached);
			more = reached;
		}
	printf("# %s: %u steps\n", v->name, last);
}

/* ---- the program ---- */

struct plan {
	uint64_t points, kills, seed, errors, stride;
	const char *only, *folder; /* a variant's name; of the process that is killed */
};

static struct plan read_plan(int argc, char **argv)
{
	struct plan p = { .points = 100, .seed = 1, .stride = 1 };
	for (int k = 3; k < argc; k++) {
		sscanf(argv[k], "points=%" SCNu64, &p.points);
		sscanf(argv[k], "kills=%" SCNu64, &p.kills);
		sscanf(argv[k], "seed=%" SCNu64, &p.seed);
		sscanf(argv[k], "errors=%" SCNu64, &p.errors);
		sscanf(argv[k], "stride=%" SCNu64, &p.stride);
		if (g_str_has_prefix(argv[k], "variant="))
			p.only = argv[k] + strlen("variant=");
		if (g_str_has_prefix(argv[k], "in="))
			p.folder = argv[k] + strlen("in=");
	}
	if (getenv("BACKPLANE_FULL")) {
		p.points *= 10;
		p.kills *= 10;
	}
	return p;
}

static bool wanted(const struct plan *p, const struct variant *v)
{
	return !p->only || !strcmp(p->only, v->name);
}

/* Returns what was done. */
static const char *run_variant(const struct plan *p, const struct variant *v, char **argv)
{
	if (p->errors) {
		error_variant(v, (unsigned)p->stride);
		return "errors";
	}
	if (p->kills) {
		kill_variant(v, argv, (unsigned)p->kills, p->seed);
		return "kills";
	}
	crash_variant(v, (unsigned)p->points, p->seed);
	return "crash";
}

static void name_files(const char *in)
{
	folder = in ? g_strdup(in) : g_dir_make_tmp("backplane-crash-XXXXXX", NULL);
	image = g_build_filename(folder, "image", NULL);
	crashed = g_build_filename(folder, "crashed", NULL);
	logged = g_build_filename(folder, "log", NULL);
	backing = g_build_filename(folder, "backing", NULL);
}

int main(int argc, char **argv)
{
	struct error_list found = { 0 };
	unsigned failed = 0, n = 0, count = 0;
	if (argc < 3)
		return 2;
	struct plan plan = read_plan(argc, argv);
	types_add_path(argv[1]);
	types_add_path(argv[2]);
	char *other = g_find_program_in_path("qemu-img");
	if (!other) {
		printf("1..1\nok 1 - all # SKIP needs qemu-img\n");
		return 0;
	}
	g_free(other);
	types_scan(&found);
	error_list_finish(&found);
	name_files(plan.folder);
	for (unsigned k = 0; k < G_N_ELEMENTS(variants); k++) {
		if (plan.folder && wanted(&plan, &variants[k]))
			victim(&variants[k], plan.seed);
		count += wanted(&plan, &variants[k]);
	}
	disk = g_malloc0(IMAGE_MAX);
	printf("1..%u\n", count);
	for (unsigned k = 0; k < G_N_ELEMENTS(variants); k++) {
		if (!wanted(&plan, &variants[k]))
			continue;
		failures = 0;
		said = false;
		const char *what = run_variant(&plan, &variants[k], argv);
		printf("%s %u - %s %s (%u faults)\n", failures ? "not ok" : "ok", ++n, what,
			variants[k].name, failures);
		fflush(stdout);
		failed += failures != 0;
	}
	const char *const files[] = { image, crashed, logged, backing };
	for (unsigned k = 0; k < G_N_ELEMENTS(files); k++)
		g_unlink(files[k]);
	g_rmdir(folder);
	g_free(disk);
	g_free(base);
	types_finish();
	return failed != 0;
}
