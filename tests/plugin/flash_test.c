/* SPDX-License-Identifier: MIT */
/* cfi-flash behind a host of the test's own: as drivers use it, and as nobody should. */
#include <backplane/fdt.h>
#include <backplane/plugin.h>
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdarg.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern const struct bp_plugin bp_plugin_1_dev_flash;

/* ---- the disk: stands before the C library's, to count and to fail ---- */

static unsigned syncs;
static int disk_error;

int fdatasync(int fd)
{
	syncs++;
	if (disk_error) {
		errno = disk_error;
		return -1;
	}
	return fsync(fd);
}

/* ---- the host; one flash at a time has its memory here ---- */

struct machine {
	void *flash;
	uint8_t *memory;
	uint64_t size;
	int direct;
	uint64_t dirty_from, dirty_to;
};

static struct machine *current;
static char message[512];
static unsigned logged;

G_GNUC_PRINTF(2, 3) static int fail(bp_error *err, const char *fmt, ...)
{
	va_list args;
	(void)err;
	va_start(args, fmt);
	g_vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	return -1;
}

G_GNUC_PRINTF(3, 4) static void log_line(const void *self, int level, const char *fmt, ...)
{
	(void)self;
	(void)level;
	(void)fmt;
	logged++;
}

static void *region_memory(void *self, unsigned region)
{
	(void)self;
	g_assert_cmpuint(region, ==, 0);
	return current->memory;
}

static void region_dirty(void *self, unsigned region, uint64_t offset, uint64_t len)
{
	(void)self;
	g_assert_cmpuint(region, ==, 0);
	g_assert_cmpuint(len, >, 0);
	g_assert_cmpuint(offset + len, <=, current->size);
	current->dirty_from = offset;
	current->dirty_to = offset + len;
}

static void region_direct(void *self, unsigned region, int on)
{
	(void)self;
	g_assert_cmpuint(region, ==, 0);
	current->direct = on;
}

static const struct bp_host host = {
	.size = sizeof(host),
	.fail = fail,
	.log = log_line,
	.region_memory = region_memory,
	.region_dirty = region_dirty,
	.region_direct = region_direct,
};

static const struct bp_object *type(void)
{
	return bp_plugin_1_dev_flash.types[0].object;
}

static void set_number(void *flash, const char *name, uint64_t value)
{
	for (const struct bp_field *p = type()->props; p->name; p++) {
		char *at = (char *)flash + p->offset;
		if (name && strcmp(name, p->name) != 0)
			continue;
		if (p->type == BP_BOOL)
			*(uint8_t *)at = (uint8_t)(name ? value : p->def);
		else if (p->type == BP_U32)
			*(uint32_t *)at = (uint32_t)(name ? value : p->def);
		else if (p->type == BP_SIZE)
			*(uint64_t *)at = name ? value : p->def;
	}
}

static void set_text(void *flash, const char *name, const char *text)
{
	for (const struct bp_field *p = type()->props; p->name; p++)
		if (strcmp(name, p->name) == 0)
			*(const char **)((char *)flash + p->offset) = text;
}

struct options {
	uint64_t size, sector;
	uint32_t bank, device;
	const char *file;
	int readonly;
};

static int start(struct machine *m, const struct options *o)
{
	memset(m, 0, sizeof(*m));
	current = m;
	m->size = o->size;
	m->memory = g_malloc(o->size ? o->size : 1);
	memset(m->memory, type()->regions[0].fill, o->size ? o->size : 1);
	m->flash = g_malloc0(type()->instance_size);
	set_number(m->flash, NULL, 0);
	set_number(m->flash, "size", o->size);
	set_number(m->flash, "sector-length", o->sector);
	set_number(m->flash, "bank-width", o->bank);
	set_number(m->flash, "device-width", o->device);
	set_number(m->flash, "readonly", (uint64_t)o->readonly);
	set_text(m->flash, "file", o->file);
	*message = 0;
	if (type()->create(m->flash, &host, NULL) != 0)
		return -1;
	for (int step = BP_RESET_ENTER; step <= BP_RESET_LEAVE; step++)
		type()->reset(m->flash, step);
	return 0;
}

static void stop(struct machine *m)
{
	type()->destroy(m->flash);
	g_free(m->flash);
	g_free(m->memory);
}

static const struct bp_access plain = { .size = sizeof(plain), .pasid = UINT32_MAX };
static const struct bp_access debug = { .size = sizeof(debug), .flags = BP_ACCESS_DEBUG };

static uint32_t get(struct machine *m, uint64_t offset, unsigned bytes)
{
	uint64_t value = 0;
	current = m;
	if (m->direct) {
		for (unsigned i = bytes; i-- > 0;)
			value = value << 8 | m->memory[offset + i];
	} else {
		g_assert_cmpint(type()->regions[0].read(m->flash, offset, bytes, &value, &plain),
			==, BP_OK);
	}
	return (uint32_t)value;
}

static void put(struct machine *m, uint64_t offset, unsigned bytes, uint64_t value)
{
	current = m;
	g_assert_cmpint(
		type()->regions[0].write(m->flash, offset, bytes, value, &plain), ==, BP_OK);
}

enum { SIZE = 64 << 10, SECTOR = 4 << 10 };
static const struct options board = { .size = SIZE, .sector = SECTOR, .bank = 4, .device = 2 };

/* Both chips of the default board get the same command. */
static void both(struct machine *m, uint64_t offset, uint16_t command)
{
	put(m, offset, 4, command * UINT64_C(0x10001));
}

static uint32_t status(struct machine *m)
{
	both(m, 0, 0x70);
	return get(m, 0, 4);
}

/* ---- what drivers do ---- */

static void test_query(void)
{
	static const struct {
		uint32_t word, value;
	} rows[] = {
		{ 0x10, 'Q' },
		{ 0x11, 'R' },
		{ 0x12, 'Y' },
		{ 0x13, 1 },
		{ 0x14, 0 },
		{ 0x15, 0x31 },
		{ 0x16, 0 },
		{ 0x27, 15 }, /* each chip has 32 KiB */
		{ 0x28, 1 },
		{ 0x29, 0 },
		{ 0x2a, 9 },
		{ 0x2b, 0 },
		{ 0x2c, 1 },
		{ 0x2d, 15 },
		{ 0x2e, 0 },
		{ 0x2f, 8 },
		{ 0x30, 0 }, /* 16 blocks of 2 KiB */
		{ 0x31, 'P' },
		{ 0x32, 'R' },
		{ 0x33, 'I' },
		{ 0x34, '1' },
		{ 0x3f, 0 },
		{ 0x40, 0 },
		{ 0x200, 0 },
	};
	struct machine m;
	g_assert_cmpint(start(&m, &board), ==, 0);
	g_assert_true(m.direct);
	g_assert_cmphex(get(&m, 0, 4), ==, 0xffffffff);
	both(&m, 0x55 * 4, 0x98);
	g_assert_false(m.direct);
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++)
		g_assert_cmphex(get(&m, rows[i].word * 4, 4), ==, rows[i].value * 0x10001);
	g_assert_cmphex(get(&m, 0x10 * 4, 1), ==, 'Q');
	g_assert_cmphex(get(&m, 0x10 * 4 + 1, 1), ==, 0);
	g_assert_cmphex(get(&m, 0x10 * 4 + 2, 2), ==, 'Q');
	both(&m, 0, 0xff);
	g_assert_true(m.direct);
	g_assert_cmphex(get(&m, 0x40, 4), ==, 0xffffffff);
	stop(&m);
}

static void test_identifier(void)
{
	struct machine m;
	g_assert_cmpint(start(&m, &board), ==, 0);
	both(&m, 0, 0x90);
	g_assert_cmphex(get(&m, 0, 4), ==, 0x890089);
	g_assert_cmphex(get(&m, 4, 4), ==, 0x180018);
	g_assert_cmphex(get(&m, 8, 4), ==, 0);
	both(&m, 2 * SECTOR, 0x60);
	both(&m, 2 * SECTOR, 0x01);
	both(&m, 0, 0x90);
	g_assert_cmphex(get(&m, 2 * SECTOR + 8, 4), ==, 0x10001);
	g_assert_cmphex(get(&m, 3 * SECTOR + 8, 4), ==, 0);
	g_assert_cmphex(get(&m, 12, 4), ==, 0);
	stop(&m);
}

static void test_program(void)
{
	struct machine m;
	g_assert_cmpint(start(&m, &board), ==, 0);
	both(&m, 0x100, 0x40);
	g_assert_cmphex(get(&m, 0, 4), ==, 0x800080);
	put(&m, 0x100, 4, 0x12345678);
	g_assert_cmphex(get(&m, 0, 4), ==, 0x800080);
	g_assert_cmpuint(m.dirty_from, ==, 0x100);
	g_assert_cmpuint(m.dirty_to, ==, 0x104);
	both(&m, 0x100, 0x10);
	put(&m, 0x100, 4, 0xffff0ff0); /* bits are only cleared */
	both(&m, 0, 0xff);
	g_assert_cmphex(get(&m, 0x100, 4), ==, 0x12340670);
	g_assert_cmphex(get(&m, 0x104, 4), ==, 0xffffffff);
	stop(&m);
}

/* Accesses narrower than the bank steer all chips, and bring data for their own lanes. */
static void test_narrow(void)
{
	struct machine m;
	g_assert_cmpint(start(&m, &board), ==, 0);
	put(&m, 0x102, 2, 0x40);
	put(&m, 0x102, 2, 0xabcd);
	g_assert_false(m.direct);
	g_assert_cmphex(get(&m, 0x100, 4), ==, 0x800080);
	put(&m, 0x100, 1, 0xff);
	g_assert_true(m.direct);
	g_assert_cmphex(get(&m, 0x100, 4), ==, 0xabcdffff);
	/* A buffer of half-words, as U-Boot fills it. */
	put(&m, 0x200, 2, 0xe8);
	put(&m, 0x200, 2, 3);
	for (unsigned i = 0; i < 4; i++)
		put(&m, 0x202 + 2 * i, 2, 0x1110 + i);
	put(&m, 0x200, 2, 0xd0);
	put(&m, 0x200, 2, 0xff);
	g_assert_cmphex(get(&m, 0x200, 4), ==, 0x1110ffff);
	g_assert_cmphex(get(&m, 0x204, 4), ==, 0x11121111);
	g_assert_cmphex(get(&m, 0x208, 4), ==, 0xffff1113);
	/* Full words do not fit where half-words were announced. */
	put(&m, 0x300, 2, 0xe8);
	put(&m, 0x300, 2, 0);
	put(&m, 0x300, 2, 0);
	put(&m, 0x300, 2, 0xff);
	g_assert_cmphex(status(&m), ==, 0xb000b0);
	both(&m, 0, 0x50);
	put(&m, 0x300, 2, 0xe8);
	put(&m, 0x300, 2, 1);
	put(&m, 0x300, 2, 0);
	put(&m, 0x300, 4, 0);
	g_assert_cmphex(status(&m), ==, 0xb000b0);
	g_assert_cmphex(m.memory[0x300], ==, 0xff);
	stop(&m);
}

static void buffered(struct machine *m, uint64_t offset, unsigned words, uint16_t confirm)
{
	both(m, offset, 0xe8);
	g_assert_cmphex(get(m, offset, 4), ==, 0x800080);
	both(m, offset, (uint16_t)(words - 1));
	for (unsigned i = 0; i < words; i++)
		put(m, offset + 4 * i, 4, i * 0x01000001u);
	both(m, offset, confirm);
}

static void test_buffer(void)
{
	struct machine m;
	g_assert_cmpint(start(&m, &board), ==, 0);
	buffered(&m, SECTOR, 256, 0xd0);
	g_assert_cmphex(status(&m), ==, 0x800080);
	both(&m, 0, 0xff);
	for (unsigned i = 0; i < 256; i++)
		g_assert_cmphex(get(&m, SECTOR + 4 * i, 4), ==, i * 0x01000001u);
	g_assert_cmphex(get(&m, SECTOR + 1024, 4), ==, 0xffffffff);
	/* Another confirmation throws the buffer away. */
	buffered(&m, 2 * SECTOR, 4, 0xff);
	g_assert_cmphex(status(&m), ==, 0xb000b0);
	both(&m, 0, 0x50);
	g_assert_cmphex(status(&m), ==, 0x800080);
	g_assert_cmphex(m.memory[2 * SECTOR], ==, 0xff);
	/* A word outside of what was announced, and a buffer that leaves its block. */
	both(&m, 0, 0xe8);
	both(&m, 0, 1);
	put(&m, 0, 4, 0);
	put(&m, 8, 4, 0);
	g_assert_cmphex(status(&m), ==, 0xb000b0);
	both(&m, 0, 0x50);
	both(&m, SECTOR - 4, 0xe8);
	both(&m, SECTOR - 4, 1);
	put(&m, SECTOR - 4, 4, 0);
	g_assert_cmphex(status(&m), ==, 0xb000b0);
	both(&m, 0, 0x50);
	both(&m, 0, 0xe8);
	both(&m, 0, 1);
	put(&m, SECTOR, 4, 0);
	g_assert_cmphex(status(&m), ==, 0xb000b0);
	g_assert_cmphex(m.memory[SECTOR], ==, 0);
	g_assert_cmphex(m.memory[SECTOR - 4], ==, 0xff);
	g_assert_cmphex(m.memory[0], ==, 0xff);
	stop(&m);
}

static void test_erase(void)
{
	struct machine m;
	g_assert_cmpint(start(&m, &board), ==, 0);
	memset(m.memory, 0x5a, SIZE);
	both(&m, 3 * SECTOR + 16, 0x20);
	both(&m, 3 * SECTOR + 16, 0xd0);
	g_assert_cmphex(get(&m, 0, 4), ==, 0x800080);
	both(&m, 0, 0xff);
	g_assert_cmphex(get(&m, 3 * SECTOR - 4, 4), ==, 0x5a5a5a5a);
	for (unsigned i = 0; i < SECTOR; i += 4)
		g_assert_cmphex(get(&m, 3 * SECTOR + i, 4), ==, 0xffffffff);
	g_assert_cmphex(get(&m, 4 * SECTOR, 4), ==, 0x5a5a5a5a);
	both(&m, 0, 0x20);
	both(&m, 0, 0xff);
	g_assert_cmphex(status(&m), ==, 0xb000b0);
	g_assert_cmphex(m.memory[0], ==, 0x5a);
	stop(&m);
}

static void test_lock(void)
{
	struct machine m;
	g_assert_cmpint(start(&m, &board), ==, 0);
	memset(m.memory, 0x5a, SIZE);
	both(&m, SECTOR, 0x60);
	both(&m, SECTOR, 0x01);
	both(&m, SECTOR, 0x20);
	both(&m, SECTOR, 0xd0);
	g_assert_cmphex(status(&m), ==, 0xa200a2);
	both(&m, 0, 0x50);
	both(&m, SECTOR, 0x40);
	both(&m, SECTOR, 0);
	g_assert_cmphex(status(&m), ==, 0x920092);
	both(&m, 0, 0x50);
	buffered(&m, SECTOR, 2, 0xd0);
	g_assert_cmphex(status(&m), ==, 0x920092);
	g_assert_cmphex(m.memory[SECTOR], ==, 0x5a);
	both(&m, 0, 0x50);
	both(&m, SECTOR, 0x60);
	both(&m, SECTOR, 0xd0);
	both(&m, SECTOR, 0x20);
	both(&m, SECTOR, 0xd0);
	g_assert_cmphex(status(&m), ==, 0x800080);
	g_assert_cmphex(m.memory[SECTOR], ==, 0xff);
	/* Locked down until reset. */
	both(&m, SECTOR, 0x60);
	both(&m, SECTOR, 0x2f);
	both(&m, SECTOR, 0x60);
	both(&m, SECTOR, 0xd0);
	both(&m, 0, 0x90);
	g_assert_cmphex(get(&m, SECTOR + 8, 4), ==, 0x30003);
	both(&m, SECTOR, 0x60);
	both(&m, SECTOR, 0x33);
	g_assert_cmphex(status(&m), ==, 0xb000b0);
	type()->reset(m.flash, BP_RESET_ENTER);
	g_assert_true(m.direct);
	both(&m, 0, 0x90);
	g_assert_cmphex(get(&m, SECTOR + 8, 4), ==, 0);
	stop(&m);
}

static void test_debugger(void)
{
	struct machine m;
	g_assert_cmpint(start(&m, &board), ==, 0);
	g_assert_cmpint(type()->regions[0].write(m.flash, 6, 2, 0x9002, &debug), ==, BP_OK);
	g_assert_true(m.direct);
	g_assert_cmphex(get(&m, 4, 4), ==, 0x9002ffff);
	stop(&m);
}

/* One 8-bit chip: a wide access is several commands. */
static void test_byte_wide(void)
{
	struct options o = { .size = SIZE, .sector = SECTOR, .bank = 1, .device = 1 };
	struct machine m;
	g_assert_cmpint(start(&m, &o), ==, 0);
	put(&m, 0x55, 1, 0x98);
	g_assert_cmphex(get(&m, 0x10, 4), ==, 0x01595251);
	g_assert_cmphex(get(&m, 0x27, 1), ==, 16);
	g_assert_cmphex(get(&m, 0x2a, 1), ==, 8);
	put(&m, 0x20, 4,
		0xff00ff40); /* program a byte at 0x21, read array, and a last zero command */
	g_assert_cmphex(m.memory[0x21], ==, 0xff);
	put(&m, 0x20, 2, 0x1240);
	put(&m, 0x20, 1, 0xff);
	g_assert_cmphex(m.memory[0x21], ==, 0x12);
	stop(&m);
}

static void test_device_tree(void)
{
	const struct bp_fdt_node *node = type()->interface(NULL, "bp.fdt-node/1");
	g_assert_nonnull(node);
	g_assert_cmpstr(node->name, ==, "flash");
	g_assert_cmpstr(node->compatible[0], ==, "cfi-flash");
	g_assert_null(type()->interface(NULL, "bp.chr-back/1"));
}

/* ---- files ---- */

static char *folder;

static char *path_of(const char *name)
{
	return g_build_filename(folder, name, NULL);
}

static char *make_file(const char *name, const char *contents, gssize len)
{
	char *path = path_of(name);
	g_assert_true(g_file_set_contents(path, contents, len, NULL));
	return path;
}

static void same_as_file(const struct machine *m, const char *path, gsize want)
{
	char *bytes;
	gsize len;
	g_assert_true(g_file_get_contents(path, &bytes, &len, NULL));
	g_assert_cmpuint(len, ==, want);
	g_assert_cmpmem(bytes, len, m->memory, want);
	g_free(bytes);
}

static void test_file(void)
{
	struct machine m, again;
	struct options o = board;
	char *path = make_file("short", "firmware", 8);
	o.file = path;
	g_assert_cmpint(start(&m, &o), ==, 0);
	g_assert_cmpmem(m.memory, 8, "firmware", 8);
	g_assert_cmphex(get(&m, 8, 4), ==, 0xffffffff);
	/* The file grows, and the gap is erased flash. */
	both(&m, 0x100, 0x40);
	syncs = 0;
	put(&m, 0x100, 4, 0x12345678);
	g_assert_cmpuint(syncs, ==, 1);
	same_as_file(&m, path, 0x104);
	buffered(&m, SECTOR, 16, 0xd0);
	g_assert_cmpuint(syncs, ==, 2);
	same_as_file(&m, path, SECTOR + 64);
	both(&m, 0, 0x20);
	both(&m, 0, 0xd0);
	same_as_file(&m, path, SECTOR + 64);
	g_assert_cmphex(m.memory[0], ==, 0xff);
	/* Nobody else may write it meanwhile. */
	g_assert_cmpint(start(&again, &o), ==, -1);
	g_assert_nonnull(strstr(message, "in use"));
	stop(&again);
	current = &m;
	stop(&m);
	o.readonly = 1;
	g_assert_cmpint(start(&m, &o), ==, 0);
	g_assert_cmpint(start(&again, &o), ==, 0);
	stop(&again);
	both(&m, 0, 0x40);
	both(&m, 0, 0);
	g_assert_cmphex(status(&m), ==, 0x920092);
	both(&m, 0, 0x20);
	both(&m, 0, 0xd0);
	g_assert_cmphex(status(&m), ==, 0xb200b2);
	same_as_file(&m, path, SECTOR + 64);
	stop(&m);
	g_unlink(path);
	g_free(path);
}

static void test_bad_files(void)
{
	struct machine m;
	struct options o = board;
	char *bytes = g_malloc0(SIZE + 1), *path = path_of("missing");
	o.file = path;
	g_assert_cmpint(start(&m, &o), ==, -1);
	g_assert_nonnull(strstr(message, "does not exist"));
	stop(&m);
	g_assert_cmpint(mkfifo(path, 0600), ==, 0);
	g_assert_cmpint(start(&m, &o), ==, -1);
	g_assert_nonnull(strstr(message, "regular"));
	stop(&m);
	g_unlink(path);
	g_free(path);
	o.file = folder;
	o.readonly = 1;
	g_assert_cmpint(start(&m, &o), ==, -1);
	g_assert_nonnull(strstr(message, "regular"));
	stop(&m);
	path = make_file("long", bytes, SIZE + 1);
	o.file = path;
	g_assert_cmpint(start(&m, &o), ==, -1);
	g_assert_nonnull(strstr(message, "65537"));
	stop(&m);
	g_unlink(path);
	g_free(path);
	g_free(bytes);
}

/* Without sync the file still has it all, and the disk in the end. */
static void test_no_sync(void)
{
	struct machine m;
	struct options o = board;
	char *path = make_file("cached", "", 0);
	o.file = path;
	g_assert_cmpint(start(&m, &o), ==, 0);
	set_number(m.flash, "sync", 0);
	syncs = 0;
	buffered(&m, 0, 16, 0xd0);
	same_as_file(&m, path, 64);
	g_assert_cmpuint(syncs, ==, 0);
	stop(&m);
	g_assert_cmpuint(syncs, ==, 1);
	g_unlink(path);
	g_free(path);
}

/* A full disk: the guest is told, the run goes on, and what is tried again is stored. */
static void test_disk_errors(void)
{
	struct machine m;
	struct options o = board;
	char *path = make_file("full", "", 0);
	o.file = path;
	g_assert_cmpint(start(&m, &o), ==, 0);
	disk_error = ENOSPC;
	logged = 0;
	both(&m, 0, 0x40);
	put(&m, 0, 4, 0x1234);
	g_assert_cmphex(status(&m), ==, 0x900090);
	both(&m, 0, 0x50);
	both(&m, 0, 0x20);
	both(&m, 0, 0xd0);
	g_assert_cmphex(status(&m), ==, 0xa000a0);
	g_assert_cmpuint(logged, ==, 1);
	disk_error = 0;
	both(&m, 0, 0x50);
	both(&m, 0, 0x40);
	put(&m, 0, 4, 0x1234);
	g_assert_cmphex(status(&m), ==, 0x800080);
	same_as_file(&m, path, SECTOR);
	stop(&m);
	g_unlink(path);
	g_free(path);
}

static void test_geometry(void)
{
	static const struct {
		struct options o;
		const char *text;
	} rows[] = {
		{ { SIZE, SECTOR, 3, 1, NULL, 0 }, "bank-width 3" },
		{ { SIZE, SECTOR, 8, 2, NULL, 0 }, "bank-width 8" },
		{ { SIZE, SECTOR, 0, 0, NULL, 0 }, "bank-width 0" },
		{ { SIZE, SECTOR, 2, 4, NULL, 0 }, "device-width 4" },
		{ { SIZE, 0, 4, 2, NULL, 0 }, "sector-length is 0" },
		{ { SIZE, 300, 4, 2, NULL, 0 }, "sector-length is 300" },
		{ { SIZE, UINT64_C(1) << 40, 4, 2, NULL, 0 }, "sector-length is 1099511627776" },
		{ { 0, SECTOR, 4, 2, NULL, 0 }, "size is 0" },
		{ { SIZE + 1024, SECTOR, 4, 2, NULL, 0 }, "size is 66560" },
		{ { 16 << 20, 512, 4, 2, NULL, 0 }, "at most 16384 times" },
	};
	for (size_t i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct machine m;
		g_assert_cmpint(start(&m, &rows[i].o), ==, -1);
		if (!strstr(message, rows[i].text))
			g_error("row %zu: \"%s\" is not in \"%s\"", i, rows[i].text, message);
		stop(&m);
	}
}

/* ---- state ---- */

static void copy_state(struct machine *to, const struct machine *from)
{
	for (const struct bp_field *f = type()->state; f->name; f++) {
		size_t len = f->type == BP_BYTES ? f->count : f->type == BP_U64 ? 8 : 4;
		memcpy((char *)to->flash + f->offset, (char *)from->flash + f->offset, len);
	}
	memcpy(to->memory, from->memory, from->size);
	current = to;
}

static void test_state(void)
{
	struct machine m, copy;
	struct options o = board;
	char *path = make_file("snapshot", "", 0);
	g_assert_cmpint(start(&m, &o), ==, 0);
	o.file = path;
	g_assert_cmpint(start(&copy, &o), ==, 0);
	/* In the middle of a buffered program, with a locked block and something to restore. */
	m.memory[SECTOR] = 0x5a;
	both(&m, 0, 0x60);
	both(&m, 0, 0x01);
	both(&m, 2 * SECTOR, 0xe8);
	both(&m, 2 * SECTOR, 1);
	put(&m, 2 * SECTOR, 4, 0x11111111);
	copy_state(&copy, &m);
	g_assert_cmpint(type()->loaded(copy.flash, 1, NULL), ==, 0);
	g_assert_false(copy.direct);
	same_as_file(&copy, path, 2 * SECTOR);
	put(&copy, 2 * SECTOR + 4, 4, 0x22222222);
	both(&copy, 2 * SECTOR, 0xd0);
	g_assert_cmphex(status(&copy), ==, 0x800080);
	both(&copy, 0, 0x90);
	g_assert_cmphex(get(&copy, 8, 4), ==, 0x10001);
	both(&copy, 0, 0xff);
	g_assert_cmphex(get(&copy, 2 * SECTOR, 4), ==, 0x11111111);
	g_assert_cmphex(get(&copy, 2 * SECTOR + 4, 4), ==, 0x22222222);
	same_as_file(&copy, path, 2 * SECTOR + 8);
	copy_state(&m, &copy);
	g_assert_cmpint(type()->loaded(m.flash, 1, NULL), ==, 0);
	g_assert_true(m.direct);
	stop(&copy);
	stop(&m);
	g_unlink(path);
	g_free(path);
}

/* Any bytes as state are refused, or harmless. */
static void test_hostile_state(void)
{
	GRand *random = g_rand_new_with_seed(7);
	unsigned taken = 0;
	for (unsigned round = 0; round < 3000; round++) {
		struct machine m;
		g_assert_cmpint(start(&m, &board), ==, 0);
		for (const struct bp_field *f = type()->state; f->name; f++) {
			uint64_t v = g_rand_int(random) >> g_rand_int_range(random, 0, 32);
			char *at = (char *)m.flash + f->offset;
			if (f->type == BP_U64 && g_rand_int(random) % 4 == 0)
				v |= (uint64_t)g_rand_int(random) << 32;
			if (f->type != BP_BYTES && g_rand_boolean(random))
				memcpy(at, &v, f->type == BP_U64 ? 8 : 4);
		}
		if (type()->loaded(m.flash, 1, NULL) == 0) {
			taken++;
			for (unsigned i = 0; i < 8; i++)
				both(&m, g_rand_int(random) % SIZE & ~3u,
					i & 1 ? 0xd0 : (uint16_t)g_rand_int(random));
			status(&m);
		}
		stop(&m);
	}
	g_assert_cmpuint(taken, >, 100);
	g_rand_free(random);
}

/* ---- guests without manners ---- */

static void hostile(GRand *random, const struct options *o)
{
	static const uint8_t likely[] = { 0xff, 0x90, 0x98, 0x70, 0x50, 0x10, 0x40, 0xe8, 0x20,
		0x60, 0xb0, 0xd0, 0x01, 0x2f, 0xd0, 0x03, 0x00 };
	uint8_t *was = g_malloc(o->size);
	struct machine m;
	g_assert_cmpint(start(&m, o), ==, 0);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned bytes = 1u << g_rand_int_range(random, 0, 3);
		uint64_t offset = g_rand_int(random) % o->size & ~(uint64_t)(bytes - 1);
		uint32_t value = g_rand_int(random), kind = g_rand_int(random) % 8;
		if (kind == 0)
			offset = o->size - bytes;
		else if (kind < 4)
			offset = offset % 64;
		if (kind != 7) {
			value = likely[value % G_N_ELEMENTS(likely)];
			value |= o->device == 2  ? value << 16
				: o->device == 1 ? value * 0x1010101u
						 : 0;
		}
		if (g_rand_int(random) % 3) {
			memcpy(was, m.memory, o->size);
			m.dirty_from = m.dirty_to = 0;
			put(&m, offset, bytes, value);
			/* Nothing changes but what the host was told. */
			g_assert_cmpmem(was, m.dirty_from, m.memory, m.dirty_from);
			g_assert_cmpmem(was + m.dirty_to, o->size - m.dirty_to,
				m.memory + m.dirty_to, o->size - m.dirty_to);
		} else {
			get(&m, offset, bytes);
		}
	}
	if (o->file) {
		char *bytes;
		gsize len;
		g_assert_true(g_file_get_contents(o->file, &bytes, &len, NULL));
		g_assert_cmpmem(bytes, len, m.memory, len);
		for (gsize i = len; i < o->size; i++)
			g_assert_cmphex(m.memory[i], ==, 0xff);
		g_free(bytes);
	}
	stop(&m);
	g_free(was);
}

static void test_hostile(void)
{
	GRand *random = g_rand_new_with_seed(20);
	char *path = make_file("hostile", "", 0);
	for (uint32_t bank = 1; bank <= 4; bank *= 2) {
		for (uint32_t device = 1; device <= bank; device *= 2) {
			struct options o = {
				.size = 8 << 10, .sector = 1 << 10, .bank = bank, .device = device
			};
			hostile(random, &o);
			if (bank == 4 && device == 2) {
				o.file = path;
				hostile(random, &o);
			}
		}
	}
	g_unlink(path);
	g_free(path);
	g_rand_free(random);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	folder = g_dir_make_tmp("flash-XXXXXX", NULL);
	g_assert_nonnull(folder);
	g_test_add_func("/flash/query", test_query);
	g_test_add_func("/flash/identifier", test_identifier);
	g_test_add_func("/flash/program", test_program);
	g_test_add_func("/flash/narrow", test_narrow);
	g_test_add_func("/flash/buffer", test_buffer);
	g_test_add_func("/flash/erase", test_erase);
	g_test_add_func("/flash/lock", test_lock);
	g_test_add_func("/flash/debugger", test_debugger);
	g_test_add_func("/flash/byte-wide", test_byte_wide);
	g_test_add_func("/flash/device-tree", test_device_tree);
	g_test_add_func("/flash/file", test_file);
	g_test_add_func("/flash/bad-files", test_bad_files);
	g_test_add_func("/flash/no-sync", test_no_sync);
	g_test_add_func("/flash/disk-errors", test_disk_errors);
	g_test_add_func("/flash/geometry", test_geometry);
	g_test_add_func("/flash/state", test_state);
	g_test_add_func("/flash/hostile-state", test_hostile_state);
	g_test_add_func("/flash/hostile", test_hostile);
	int failed = g_test_run();
	g_rmdir(folder);
	g_free(folder);
	return failed;
}
