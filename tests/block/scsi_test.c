/* SPDX-License-Identifier: MIT */
/* virtio-scsi and scsi-disk, driven as a guest's driver would: commands, errors, task management, drivers
 * that break the rules, a snapshot with a command under way.
 *
 *     scsi_test PLUGINS TEST_PLUGINS */
#include "virtio_rig.h"

enum { DISK = 1 << 20, BLOCK = 512, SENSE = 96, CDB = 32, HEAD = 19 + CDB, TAIL = 12 + SENSE };
enum { CONTROLQ = 0, EVENTQ = 1, REQUESTQ = 2, QUEUES = 4 };
#define REQUEST  (RAM + 0x10000)
#define RESPONSE (RAM + 0x11000)
#define DATA     (RAM + 0x20000)
#define F_CHANGE (UINT64_C(1) << 2)

static char *file;

static void start(const char *drive, const char *more)
{
	uint8_t *bytes = g_malloc(DISK);
	for (unsigned n = 0; n < DISK; n++)
		bytes[n] = (uint8_t)(n / BLOCK);
	file = g_build_filename(g_get_tmp_dir(), "backplane-scsi-test.img", NULL);
	g_file_set_contents(file, (char *)bytes, DISK, NULL);
	g_free(bytes);
	char *text = g_strdup_printf(
		"[disk]\ntype = \"drive\"\nfile = \"%s\"\nformat = \"raw\"\n%s\n"
		"[scsi]\ntype = \"virtio-scsi\"\nbus = \"virtio\"\nqueues = 2\nqueue-size = 8\n"
		"[sda]\ntype = \"scsi-disk\"\nbus = \"scsi\"\nslot = \"3.1\"\nblk = \"disk\"\n"
		"serial = \"S-1\"\n%s\n",
		file, drive, more);
	rig_start(text);
	g_free(text);
	set_up(F_VERSION | F_CHANGE, QUEUES);
}

static void stop(void)
{
	rig_stop();
	g_unlink(file);
	g_free(file);
}

static void put_request(uint64_t at, unsigned target, unsigned lun, uint64_t id, const char *cdb)
{
	for (unsigned n = 0; n < HEAD; n += 1)
		put(at + n, 0, 1);
	put(at, 1 | target << 8 | 0x40 << 16 | lun << 24, 4);
	put(at + 8, id, 8);
	/* "28 00": bytes in hexadecimal */
	for (unsigned n = 0; *cdb; n++) {
		put(at + 19 + n, g_ascii_strtoull(cdb, (char **)&cdb, 16), 1);
		while (*cdb == ' ')
			cdb++;
	}
}

static struct {
	unsigned response, status, key, asc, ascq, residual;
	int64_t used;
} r;

static void read_response(void)
{
	r.response = (unsigned)get(RESPONSE + 11, 1);
	r.status = (unsigned)get(RESPONSE + 10, 1);
	r.residual = (unsigned)get(RESPONSE + 4, 4);
	r.key = (unsigned)get(RESPONSE + 12 + 2, 1);
	r.asc = (unsigned)get(RESPONSE + 12 + 12, 1);
	r.ascq = (unsigned)get(RESPONSE + 12 + 13, 1);
}

static void offer_command(unsigned queue, uint32_t len, bool in)
{
	struct piece p[3] = { { REQUEST, HEAD, false }, { RESPONSE, TAIL, true } };
	for (unsigned n = 0; n < TAIL; n++)
		put(RESPONSE + n, 0, 1);
	put(RESPONSE + 11, 0xff, 1);
	if (len && in) {
		p[2] = (struct piece){ DATA, len, true };
	} else if (len) {
		p[2] = p[1];
		p[1] = (struct piece){ DATA, len, false };
	}
	offer(queue, 0, p, len ? 3 : 2);
}

static void command_at(unsigned target, unsigned lun, const char *cdb, uint32_t len, bool in)
{
	put_request(REQUEST, target, lun, 7, cdb);
	offer_command(REQUESTQ + 1, len, in);
	r.used = wait_used(REQUESTQ + 1);
	read_response();
}

static void good(const char *cdb, uint32_t len, bool in)
{
	command_at(3, 1, cdb, len, in);
	g_assert_cmpuint(r.response, ==, 0);
	g_assert_cmpuint(r.status, ==, 0);
}

static void bad(const char *cdb, uint32_t len, bool in, unsigned key, unsigned asc, unsigned ascq)
{
	command_at(3, 1, cdb, len, in);
	g_assert_cmpuint(r.response, ==, 0);
	g_assert_cmpuint(r.status, ==, 2);
	g_assert_cmpuint(r.key, ==, key);
	g_assert_cmpuint(r.asc, ==, asc);
	g_assert_cmpuint(r.ascq, ==, ascq);
	g_assert_cmpuint(get(RESPONSE, 4), ==, 18);
}

static uint64_t be(uint64_t addr, unsigned bytes)
{
	uint64_t v = 0;
	while (bytes--)
		v = v << 8 | get(addr++, 1);
	return v;
}

static void put_bytes(const char *hex)
{
	for (unsigned n = 0; *hex; n++) {
		put(DATA + n, g_ascii_strtoull(hex, (char **)&hex, 16), 1);
		while (*hex == ' ')
			hex++;
	}
}

static void test_inquiry(void)
{
	start("", "wwn = 0x3000_0000_0000_0001");
	good("12 00 00 00 60", 96, true); /* in spite of the unit attention */
	g_assert_cmpuint(be(DATA, 4), ==, 0x00000612);
	g_assert_cmpuint(be(DATA + 8, 8), ==, 0x42434b504c414e45); /* BCKPLANE */
	g_assert_cmpint(r.used, ==, TAIL + 96);
	bad("00", 0, false, 6, 0x29, 0);
	good("00", 0, false);
	good("12 00 00 00 24", 96, true);
	g_assert_cmpuint(r.residual, ==, 60);
	good("12 01 00 00 ff", 255, true);
	g_assert_cmpuint(be(DATA, 8), ==, 0x0000000600808300 + 0xb0);
	g_assert_cmpuint(be(DATA + 8, 2), ==, 0xb1b2);
	good("12 01 80 00 ff", 255, true);
	g_assert_cmpuint(be(DATA + 2, 5), ==, 0x0003532d31);
	good("12 01 83 00 ff", 255, true);
	g_assert_cmpuint(be(DATA + 4 + 4 + 27 + 4, 8), ==, 0x3000000000000001);
	good("12 01 b0 00 ff", 255, true);
	g_assert_cmpuint(be(DATA + 24, 4), ==, 64);
	good("12 01 b1 00 ff", 255, true);
	good("12 01 b2 00 ff", 255, true);
	bad("12 01 99 00 ff", 255, true, 5, 0x24, 0);
	good("25", 8, true);
	g_assert_cmpuint(be(DATA, 8), ==, (uint64_t)(DISK / BLOCK - 1) << 32 | BLOCK);
	good("9e 10 00 00 00 00 00 00 00 00 00 00 00 20", 32, true);
	g_assert_cmpuint(be(DATA, 8), ==, DISK / BLOCK - 1);
	g_assert_cmpuint(be(DATA + 12, 4), ==, 0x00038000);
	good("a0 00 00 00 00 00 00 00 00 40", 64, true);
	g_assert_cmpuint(be(DATA, 4), ==, 8);
	g_assert_cmpuint(be(DATA + 8, 2), ==, 1);
	bad("fe", 0, false, 5, 0x20, 0);
	stop();
}

static void test_addresses(void)
{
	start("", "");
	command_at(3, 0, "12 00 00 00 24", 36, true); /* a target without this unit */
	g_assert_cmpuint(r.response, ==, 0);
	g_assert_cmpuint(get(DATA, 1), ==, 0x7f);
	command_at(3, 0, "a0 00 00 00 00 00 00 00 00 40", 64, true);
	g_assert_cmpuint(be(DATA, 4), ==, 8);
	command_at(3, 0, "00", 0, false);
	g_assert_cmpuint(r.status, ==, 2);
	g_assert_cmpuint(r.asc, ==, 0x25);
	command_at(3, 0, "03 00 00 00 12", 18, true);
	g_assert_cmpuint(get(DATA + 12, 1), ==, 0x25);
	command_at(4, 0, "00", 0, false);
	g_assert_cmpuint(r.response, ==, 3);
	stop();
}

static void test_io(void)
{
	static const char *const reads[] = { "08 00 00 05 02", "28 00 00 00 00 05 00 00 02",
		"a8 00 00 00 00 05 00 00 00 02", "88 00 00 00 00 00 00 00 00 05 00 00 00 02" };
	static const char *const writes[] = { "0a 00 00 05 02", "2a 00 00 00 00 05 00 00 02",
		"aa 00 00 00 00 05 00 00 00 02", "8a 08 00 00 00 00 00 00 00 05 00 00 00 02" };
	start("", "");
	bad("00", 0, false, 6, 0x29, 0);
	for (unsigned n = 0; n < 4; n++) {
		put(DATA + BLOCK, 0x77, 1);
		good(reads[n], 2 * BLOCK, true);
		g_assert_cmpuint(get(DATA, 1), ==, 5 + n);
		g_assert_cmpuint(get(DATA + BLOCK, 1), ==, 6);
		g_assert_cmpint(r.used, ==, TAIL + 2 * BLOCK);
		put(DATA, 6 + n, 1);
		good(writes[n], 2 * BLOCK, false);
		g_assert_cmpint(r.used, ==, TAIL);
	}
	good("35", 0, false);
	good("91", 0, false);
	/* One block everywhere; what it is; zeros with and without a block; unmapped. */
	for (unsigned n = 0; n < BLOCK; n += 8)
		put(DATA + n, 0x1122334455667788, 8);
	good("41 00 00 00 00 10 00 01 00", BLOCK, false); /* 256 blocks: more than the buffer */
	good("28 00 00 00 01 0f 00 00 01", BLOCK, true);
	g_assert_cmpuint(get(DATA + BLOCK - 8, 8), ==, 0x1122334455667788);
	good("2f 02 00 00 01 0f 00 00 01", BLOCK, false);
	put(DATA + 9, 0, 1);
	bad("2f 02 00 00 01 0f 00 00 01", BLOCK, false, 14, 0x1d, 0);
	good("8f 00 00 00 00 00 00 00 00 00 00 00 07 ff", 0, false);
	good("93 01 00 00 00 00 00 00 01 00 00 00 00 02", 0, false);
	good("28 00 00 00 01 01 00 00 01", BLOCK, true);
	g_assert_cmpuint(get(DATA, 8), ==, 0);
	good("93 08 00 00 00 00 00 00 01 05 00 00 00 02", BLOCK, false);
	good("28 00 00 00 01 05 00 00 01", BLOCK, true);
	g_assert_cmpuint(get(DATA, 8), ==, 0);
	put_bytes("0 26 0 20 0 0 0 0  0 0 0 0 0 0 0 40 0 0 0 8 0 0 0 0 "
		  "0 0 0 0 0 0 0 60 0 0 0 0 0 0 0 0");
	good("42 00 00 00 00 00 00 00 28", 40, false);
	stop();
}

static void test_wrong(void)
{
	start("", "");
	bad("00", 0, false, 6, 0x29, 0);
	bad("28 00 00 00 08 00 00 00 01", BLOCK, true, 5, 0x21, 0);
	bad("28 00 00 00 07 ff 00 00 02", 2 * BLOCK, true, 5, 0x21, 0);
	bad("88 00 ff ff ff ff ff ff ff ff 00 00 00 02", BLOCK, true, 5, 0x21, 0);
	bad("8a 00 ff ff ff ff ff ff ff ff ff ff ff ff", BLOCK, false, 5, 0x21, 0);
	bad("28 20 00 00 00 00 00 00 01", BLOCK, true, 5, 0x24, 0);
	bad("41 00 00 00 00 00 00 00 00", BLOCK, false, 5, 0x24, 0);
	bad("9e 11", 32, true, 5, 0x24, 0);
	command_at(3, 1, "28 00 00 00 00 00 00 00 02", BLOCK, true);
	g_assert_cmpuint(r.response, ==, 1); /* overrun */
	command_at(3, 1, "2a 00 00 00 00 00 00 00 02", BLOCK, false);
	g_assert_cmpuint(r.response, ==, 1);
	command_at(3, 1, "42 00 00 00 00 00 00 ff ff", 40, false);
	g_assert_cmpuint(r.response, ==, 1);
	put_bytes("0 16 0 10 0 0 0 0  0 0 0 0 0 0 7 ff 0 0 0 2 0 0 0 0");
	bad("42 00 00 00 00 00 00 00 18", 24, false, 5, 0x21, 0);
	bad("42 00 00 00 00 00 00 00 07", 24, false, 5, 0x1a, 0);
	good("28 00 00 00 00 00 00 00 00", 0, false);
	/* Stopped, and started. */
	good("1b 00 00 00 00", 0, false);
	bad("28 00 00 00 00 00 00 00 01", BLOCK, true, 2, 4, 2);
	good("1b 00 00 00 01", 0, false);
	good("28 00 00 00 00 00 00 00 01", BLOCK, true);
	stop();
}

static void test_mode(void)
{
	start("", "");
	bad("00", 0, false, 6, 0x29, 0);
	good("1a 08 08 00 ff", 255, true);
	g_assert_cmpuint(be(DATA, 7), ==, 0x17001000081204);
	good("1a 00 3f 00 ff", 255, true);
	g_assert_cmpuint(get(DATA, 1), ==, 3 + 8 + 12 + 20 + 12);
	good("5a 08 48 00 00 00 00 00 ff", 255, true);
	g_assert_cmpuint(be(DATA + 8, 4), ==, 0x08120400);
	bad("1a 08 c8 00 ff", 255, true, 5, 0x39, 0);
	bad("1a 08 1e 00 ff", 255, true, 5, 0x24, 0);
	put_bytes("0 0 0 0 8 12 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0");
	good("15 10 00 00 18", 24, false);
	good("1a 08 08 00 ff", 255, true);
	g_assert_cmpuint(get(DATA + 6, 1), ==, 0);
	put_bytes("0 0 0 0 8 12 1 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0 0");
	bad("15 10 00 00 18", 24, false, 5, 0x26, 0);
	bad("15 10 00 00 17", 24, false, 5, 0x1a, 0);
	bad("15 10 00 00 05", 24, false, 5, 0x1a, 0);
	set_up(F_VERSION, QUEUES); /* a reset brings the default back */
	bad("00", 0, false, 6, 0x29, 0);
	good("1a 08 08 00 ff", 255, true);
	g_assert_cmpuint(get(DATA + 6, 1), ==, 4);
	stop();
}

static void test_read_only(void)
{
	start("readonly = true", "");
	bad("00", 0, false, 6, 0x29, 0);
	bad("2a 00 00 00 00 00 00 00 01", BLOCK, false, 7, 0x27, 0);
	good("1a 08 08 00 ff", 255, true);
	g_assert_cmpuint(get(DATA + 2, 1), ==, 0x90);
	good("28 00 00 00 00 00 00 00 01", BLOCK, true);
	stop();
}

static void test_errors(void)
{
	start("filter = \"blk-log,fail-at=1,fail-count=1\"", "");
	bad("00", 0, false, 6, 0x29, 0);
	bad("2a 00 00 00 00 00 00 00 01", BLOCK, false, 3, 0x0c, 0);
	good("2a 00 00 00 00 00 00 00 01", BLOCK, false);
	stop();
}

static unsigned manage(uint32_t function, unsigned lun, uint64_t id)
{
	uint64_t at = REQUEST + 0x800;
	put(at, (uint64_t)function << 32, 8);
	put(at + 8, 1 | 3 << 8 | 0x40 << 16 | lun << 24, 8);
	put(at + 16, id, 8);
	put(at + 24, 0xff, 1);
	offer(CONTROLQ, 0, (struct piece[]){ { at, 24, false }, { at + 24, 1, true } }, 2);
	g_assert_cmpint(wait_used(CONTROLQ), ==, 1);
	return (unsigned)get(at + 24, 1);
}

/* A write that waits for space is found, and taken away in each of the ways. */
static void test_tasks(gconstpointer data)
{
	unsigned function = GPOINTER_TO_UINT(data);
	start("filter = \"blk-log,fail-at=1,fail-count=1,fail=enospc\"", "");
	bad("00", 0, false, 6, 0x29, 0);
	g_assert_cmpuint(manage(6, 1, 7), ==, 0);
	put_request(REQUEST, 3, 1, 7, "2a 00 00 00 00 05 00 00 01");
	offer_command(REQUESTQ, BLOCK, false);
	g_assert_cmpuint(manage(6, 1, 7), ==, 10);
	g_assert_cmpuint(manage(6, 1, 8), ==, 0);
	g_assert_cmpuint(manage(7, 1, 0), ==, 10);
	g_assert_cmpuint(manage(0, 1, 8), ==, 0); /* nobody of this name */
	g_assert_false(is_used(REQUESTQ));
	g_assert_cmpuint(manage(function, 1, 7), ==, 0);
	g_assert_true(is_used(REQUESTQ));
	read_response();
	bool reset = function == 4 || function == 5;
	g_assert_cmpuint(r.response, ==, reset ? 4 : 2);
	if (reset)
		bad("00", 0, false, 6, 0x29, 0);
	good("28 00 00 00 00 05 00 00 01", BLOCK, true);
	g_assert_cmpuint(manage(2, 1, 0), ==, 11);
	g_assert_cmpuint(manage(0, 0, 7), ==, 12);
	stop();
}

static void test_hostile(void)
{
	static const struct {
		unsigned queue, count;
		struct piece p[3];
	} chains[] = {
		{ REQUESTQ, 1, { { REQUEST, HEAD, false } } },
		{ REQUESTQ, 2, { { REQUEST, HEAD - 1, false }, { RESPONSE, TAIL, true } } },
		{ REQUESTQ, 2, { { REQUEST, HEAD, false }, { RESPONSE, TAIL - 1, true } } },
		{ CONTROLQ, 2, { { REQUEST, 3, false }, { RESPONSE, 1, true } } },
		{ CONTROLQ, 1, { { REQUEST, 24, false } } },
	};
	start("", "");
	for (unsigned n = 0; n < G_N_ELEMENTS(chains); n++) {
		set_up(F_VERSION, QUEUES);
		put(REQUEST, 0, 8);
		offer(chains[n].queue, 0, chains[n].p, chains[n].count);
		g_assert_cmpint(wait_used(chains[n].queue), ==, -1);
	}
	set_up(F_VERSION, QUEUES);
	put(CONFIG + 20, UINT32_MAX, 4);
	g_assert_cmpuint(get(CONFIG + 20, 4), ==, SENSE);
	put(CONFIG + 24, 0, 4);
	g_assert_cmpuint(get(CONFIG + 24, 4), ==, 0);
	command_at(3, 1, "00", 0, false); /* a CDB of no bytes, data where it was */
	put(CONFIG + 24, CDB, 4);
	/* Data both ways, which is not on offer. */
	put_request(REQUEST, 3, 1, 1, "28 00 00 00 00 00 00 00 01");
	offer(REQUESTQ, 0,
		(struct piece[]){
			{ REQUEST, HEAD + BLOCK, false }, { RESPONSE, TAIL + BLOCK, true } },
		2);
	g_assert_cmpint(wait_used(REQUESTQ), >, 0);
	g_assert_cmpuint(get(RESPONSE + 11, 1), ==, 9);
	/* Every code, with wild fields. */
	for (unsigned code = 0; code < 256; code++) {
		char cdb[80];
		g_snprintf(
			cdb, sizeof(cdb), "%x ff ff ff ff ff ff ff ff ff ff ff ff ff ff 0", code);
		command_at(3, 1, cdb, BLOCK, code & 1);
		g_assert_cmpint(r.used, >, 0);
	}
	stop();
}

static gpointer until_done(gpointer data)
{
	for (unsigned tries = 0; tries < 5000 && get(RESPONSE + 11, 1) == 0xff; tries++)
		g_usleep(1000);
	sched_request(NULL, BP_REQ_QUIT, 0);
	return data;
}

/* A write that waits for space when the machine is saved is done by the restored machine. */
static void test_in_flight(void)
{
	char *state = g_build_filename(g_get_tmp_dir(), "backplane-scsi-test.state", NULL);
	start("filter = \"blk-log,fail-at=1,fail-count=1,fail=enospc\"", "");
	bad("00", 0, false, 6, 0x29, 0);
	put_request(REQUEST, 3, 1, 7, "2a 00 00 00 00 05 00 00 01");
	put(DATA, 0xab, 1);
	offer_command(REQUESTQ, BLOCK, false);
	g_assert_cmpint(machine_save(x.m, state, &x.errors), ==, 0);
	g_assert_cmpuint(get(RESPONSE + 11, 1), ==, 0xff);
	machine_reset(x.m);
	g_assert_cmpint(machine_restore(x.m, state, &x.errors), ==, 0);
	GThread *waits = g_thread_new("waits", until_done, NULL);
	sched_run();
	g_thread_join(waits);
	sched_stop();
	read_response();
	g_assert_cmpuint(r.response, ==, 0);
	g_assert_cmpuint(r.status, ==, 0);
	g_assert_cmpint(wait_used(REQUESTQ), ==, TAIL);
	good("28 00 00 00 00 05 00 00 01", BLOCK, true); /* and no unit attention */
	g_assert_cmpuint(get(DATA, 1), ==, 0xab);
	stop();
	g_unlink(state);
	g_free(state);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	find_types(argc, argv, driver_types);
	g_test_add_func("/scsi/inquiry", test_inquiry);
	g_test_add_func("/scsi/addresses", test_addresses);
	g_test_add_func("/scsi/io", test_io);
	g_test_add_func("/scsi/wrong", test_wrong);
	g_test_add_func("/scsi/mode", test_mode);
	g_test_add_func("/scsi/read-only", test_read_only);
	g_test_add_func("/scsi/errors", test_errors);
	static const struct {
		const char *name;
		unsigned function;
	} tasks[] = { { "/scsi/abort-task", 0 }, { "/scsi/abort-task-set", 1 },
		{ "/scsi/clear-task-set", 3 }, { "/scsi/nexus-reset", 4 },
		{ "/scsi/unit-reset", 5 } };
	for (unsigned n = 0; n < G_N_ELEMENTS(tasks); n++)
		g_test_add_data_func(
			tasks[n].name, GUINT_TO_POINTER(tasks[n].function), test_tasks);
	g_test_add_func("/scsi/hostile", test_hostile);
	g_test_add_func("/scsi/in-flight", test_in_flight);
	return g_test_run();
}
