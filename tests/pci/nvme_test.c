/* SPDX-License-Identifier: MIT */
/* dev-nvme behind a PCI bus: as a driver uses it, and as nobody should.
 *
 *     nvme_test PLUGINS */
#include "rig.h"
#include <glib/gstdio.h>

enum { /* places in memory */
	ASQ = 0x1000,
	ACQ = 0x2000,
	SQ = 0x3000,
	CQ = 0x5000,
	LIST = 0x8000,
	DATA = 0x10000,
	DISK = 1 << 20,
	BLOCK = 512,
	DEPTH = 16
};
enum {
	CAP = 0,
	CC = 0x14,
	CSTS = 0x1c,
	AQA = 0x24,
	REG_ASQ = 0x28,
	REG_ACQ = 0x30,
	BELLS = 0x1000
};
enum { CC_ON = 0x00460001 };

static const struct bp_type own_types[] = {
	{ "test-pins", "four wires that are looked at", BP_KIND_DEVICE, 0, &pins_object, NULL },
	{ 0 },
};
static char *file;
static unsigned sq_tail[3], cq_head[3], phase[3];
static uint32_t completion_dw0;

static uint64_t reg(unsigned offset)
{
	return MMIO + offset;
}

static void start(const char *more)
{
	char *text = g_strdup_printf("[disk]\ntype = \"drive\"\nfile = \"%s\"\nformat = \"raw\"\n"
				     "[nvme]\ntype = \"nvme\"\nbus = \"pci\"\nslot = \"1\"\n"
				     "blk = \"disk\"\nserial = \"S1\"\n%s",
		file, more);
	char *zeros = g_malloc0(DISK);
	g_file_set_contents(file, zeros, DISK, NULL);
	g_free(zeros);
	g_assert_nonnull(rig_start(text, NULL));
	g_free(text);
	poke(cfg(0, 1, 0, 0x10), 8, MMIO);
	poke(cfg(0, 1, 0, 4), 2, 6);
}

static void enable(void)
{
	memset(sq_tail, 0, sizeof(sq_tail));
	memset(cq_head, 0, sizeof(cq_head));
	for (unsigned i = 0; i < 3; i++)
		phase[i] = 1;
	for (unsigned i = 0; i < LIST - ASQ; i += 8) /* all four queues: stale phases */
		poke(RAM + ASQ + i, 8, 0);
	poke(reg(AQA), 4, (DEPTH - 1) << 16 | (DEPTH - 1));
	poke(reg(REG_ASQ), 8, RAM + ASQ);
	poke(reg(REG_ACQ), 8, RAM + ACQ);
	poke(reg(CC), 4, CC_ON);
	g_assert_cmphex(peek(reg(CSTS), 4), ==, 1);
}

struct entry {
	uint32_t dw[16];
};

static struct entry command(unsigned opcode, uint32_t nsid, uint64_t prp1, uint64_t prp2)
{
	struct entry e = { { opcode, nsid } };
	e.dw[6] = (uint32_t)prp1;
	e.dw[7] = (uint32_t)(prp1 >> 32);
	e.dw[8] = (uint32_t)prp2;
	e.dw[9] = (uint32_t)(prp2 >> 32);
	return e;
}

/* Queue 0 has its memory at ASQ and ACQ, queue 1 at SQ and CQ. */
static void put_entry(unsigned q, struct entry e, unsigned id)
{
	e.dw[0] |= id << 16;
	for (unsigned i = 0; i < 16; i++)
		poke(RAM + (q ? SQ : ASQ) + sq_tail[q] * 64 + i * 4, 4, e.dw[i]);
	sq_tail[q] = (sq_tail[q] + 1) % DEPTH;
}

static void ring(unsigned q)
{
	poke(reg(BELLS + 8 * q), 4, sq_tail[q]);
}

/* Status of the next completion, which has to be of command `id`. */
static unsigned take(unsigned q, unsigned id)
{
	uint64_t at = RAM + (q ? CQ : ACQ) + cq_head[q] * 16;
	struct object *o = instance_find(rig.m, "nvme")->object;
	const struct bp_link *blk = NULL;
	for (const struct bp_field *f = o->type->object->props; f->name; f++)
		if (!strcmp(f->name, "blk"))
			memcpy(&blk, (char *)o->instance + f->offset, sizeof(blk));
	for (unsigned tries = 0; (peek(at + 14, 2) & 1) != phase[q]; tries++) {
		g_assert_cmpuint(tries, <, 1000);
		g_assert_true(domain_enter(o->domain));
		((const struct bp_blk *)blk->ops)->drain(blk->self, NULL);
		domain_leave(o->domain);
		g_usleep(tries > 10 ? 1000 : 0);
	}
	completion_dw0 = (uint32_t)peek(at, 4);
	unsigned status = (unsigned)peek(at + 14, 2) >> 1;
	g_assert_cmpuint(peek(at + 12, 2), ==, id);
	g_assert_cmpuint(peek(at + 10, 2), ==, q);
	cq_head[q]++;
	if (cq_head[q] == DEPTH) {
		cq_head[q] = 0;
		phase[q] ^= 1;
	}
	poke(reg(BELLS + 8 * q + 4), 4, cq_head[q]);
	return status & 0x7ff;
}

static unsigned run(unsigned q, struct entry e)
{
	static unsigned id;
	id = (id + 1) & 0xfff;
	put_entry(q, e, id);
	ring(q);
	return take(q, id);
}

static unsigned admin(unsigned opcode, uint32_t nsid, uint64_t prp1, uint32_t dw10, uint32_t dw11)
{
	struct entry e = command(opcode, nsid, prp1, 0);
	e.dw[10] = dw10;
	e.dw[11] = dw11;
	return run(0, e);
}

static void make_queues(void)
{
	g_assert_cmphex(admin(5, 0, RAM + CQ, (DEPTH - 1) << 16 | 1, 3), ==, 0);
	g_assert_cmphex(admin(1, 0, RAM + SQ, (DEPTH - 1) << 16 | 1, 1 << 16 | 1), ==, 0);
}

static struct entry transfer(
	unsigned opcode, uint64_t prp1, uint64_t prp2, uint64_t block, unsigned blocks)
{
	struct entry e = command(opcode, 1, prp1, prp2);
	e.dw[10] = (uint32_t)block;
	e.dw[11] = (uint32_t)(block >> 32);
	e.dw[12] = blocks - 1;
	return e;
}

static void fill(uint64_t addr, unsigned len, unsigned seed)
{
	for (unsigned i = 0; i < len; i += 8)
		poke(addr + i, 8, (i + 1) * UINT64_C(0x9e3779b97f4a7c15) * seed);
}

static void same(uint64_t addr, unsigned len, unsigned seed)
{
	for (unsigned i = 0; i < len; i += 8)
		g_assert_cmphex(
			peek(addr + i, 8), ==, (i + 1) * UINT64_C(0x9e3779b97f4a7c15) * seed);
}

/* ---- as drivers do ---- */

static void test_identify(void)
{
	char *text = g_malloc0(64);
	start("");
	g_assert_cmphex(peek(cfg(0, 1, 0, 8), 4) >> 8, ==, 0x010802);
	g_assert_cmphex(peek(reg(8), 4), ==, 0x00010400);
	enable();
	g_assert_cmphex(admin(6, 0, RAM + DATA, 1, 0), ==, 0);
	for (unsigned i = 0; i < 20; i++)
		text[i] = (char)peek(RAM + DATA + 4 + i, 1);
	g_assert_cmpstr(g_strchomp(text), ==, "S1");
	g_assert_cmphex(peek(RAM + DATA + 512, 2), ==, 0x4466);
	g_assert_cmphex(peek(RAM + DATA + 516, 4), ==, 1);
	g_assert_cmphex(admin(6, 1, RAM + DATA, 0, 0), ==, 0);
	g_assert_cmphex(peek(RAM + DATA, 8), ==, DISK / BLOCK);
	g_assert_cmphex(peek(RAM + DATA + 130, 1), ==, 9);
	g_assert_cmphex(admin(6, 0, RAM + DATA, 2, 0), ==, 0);
	g_assert_cmphex(peek(RAM + DATA, 8), ==, 1);
	g_assert_cmphex(admin(6, 2, RAM + DATA, 0, 0), ==, 0x00b);
	g_assert_cmphex(admin(6, 0, RAM + DATA, 0x77, 0), ==, 0x002);
	g_assert_cmphex(admin(2, 0, RAM + DATA, 127 << 16 | 2, 0), ==, 0);
	g_assert_cmphex(admin(2, 0, RAM + DATA, 127 << 16 | 0x99, 0), ==, 0x109);
	g_assert_cmphex(admin(9, 0, 0, 7, 0x3f003f), ==, 0);
	g_assert_cmphex(completion_dw0, ==, 15 << 16 | 15);
	g_assert_cmphex(admin(10, 0, 0, 6, 0), ==, 0);
	g_assert_cmphex(completion_dw0, ==, 1);
	g_assert_cmphex(admin(0x7f, 0, 0, 0, 0), ==, 0x001);
	g_free(text);
	rig_stop();
}

static void test_transfers(void)
{
	start("");
	enable();
	make_queues();
	/* Inside a page; over two; by a list, beginning inside a page. */
	static const struct {
		unsigned skip, blocks;
	} cases[] = { { 0, 1 }, { 0x600, 5 }, { 0, 8 }, { 0, 16 }, { 0x200, 16 }, { 0x400, 100 } };
	for (unsigned k = 0; k < G_N_ELEMENTS(cases); k++) {
		uint64_t first = RAM + DATA + cases[k].skip,
			 second = (first + 0x1000) & ~UINT64_C(0xfff);
		unsigned len = cases[k].blocks * BLOCK;
		int list = cases[k].skip + len > 0x2000;
		for (unsigned i = 0; list && i < 32; i++)
			poke(RAM + LIST + i * 8, 8, second + i * 0x1000);
		fill(first, len, k + 1);
		g_assert_cmphex(run(1,
					transfer(1, first, list ? RAM + LIST : second, 7 * k,
						cases[k].blocks)),
			==, 0);
		fill(first, len, 99);
		g_assert_cmphex(run(1,
					transfer(2, first, list ? RAM + LIST : second, 7 * k,
						cases[k].blocks)),
			==, 0);
		same(first, len, k + 1);
	}
	g_assert_cmphex(run(1, command(0, 1, 0, 0)), ==, 0);
	g_assert_cmphex(run(1, transfer(8, 0, 0, 0, 4)), ==, 0);
	g_assert_cmphex(run(1, transfer(2, RAM + DATA, 0, 0, 4)), ==, 0);
	for (unsigned i = 0; i < 4 * BLOCK; i += 8)
		g_assert_cmphex(peek(RAM + DATA + i, 8), ==, 0);
	/* Two ranges to trim. */
	poke(RAM + DATA, 8, UINT64_C(8) << 32);
	poke(RAM + DATA + 8, 8, 16);
	poke(RAM + DATA + 16, 8, UINT64_C(1) << 32);
	poke(RAM + DATA + 24, 8, DISK / BLOCK - 1);
	struct entry trim = command(9, 1, RAM + DATA, 0);
	trim.dw[10] = 1;
	trim.dw[11] = 4;
	g_assert_cmphex(run(1, trim), ==, 0);
	poke(RAM + DATA + 24, 8, DISK / BLOCK);
	g_assert_cmphex(run(1, trim), ==, 0x080);
	rig_stop();
}

static void test_interrupts(void)
{
	start("");
	enable();
	uint64_t c = cfg(0, 1, 0, 0), table = MMIO + 0x2000;
	unsigned at = capability(c, 0x11, 0);
	put_entry(0, command(6, 0, RAM + DATA, 0), 1);
	ring(0);
	g_assert_cmphex(rig_wires, ==, 2);
	poke(reg(0x0c), 4, 1); /* masked */
	g_assert_cmphex(rig_wires, ==, 0);
	poke(reg(0x10), 4, 1);
	g_assert_cmphex(rig_wires, ==, 2);
	take(0, 1);
	g_assert_cmphex(rig_wires, ==, 0);
	/* Each queue its own vector. */
	poke(table, 8, RAM + 0x100);
	poke(table + 8, 8, 0x700);
	poke(table + 48, 8, RAM + 0x104);
	poke(table + 56, 8, 0x703);
	poke(c + at + 2, 2, 0x8000);
	g_assert_cmphex(admin(5, 0, RAM + CQ, (DEPTH - 1) << 16 | 1, 3 << 16 | 3), ==, 0);
	g_assert_cmphex(admin(1, 0, RAM + SQ, (DEPTH - 1) << 16 | 1, 1 << 16 | 1), ==, 0);
	g_assert_cmphex(peek(RAM + 0x100, 4), ==, 0x700);
	g_assert_cmphex(peek(RAM + 0x104, 4), ==, 0);
	g_assert_cmphex(run(1, command(0, 1, 0, 0)), ==, 0);
	g_assert_cmphex(peek(RAM + 0x104, 4), ==, 0x703);
	g_assert_cmphex(rig_wires, ==, 0);
	rig_stop();
}

/* ---- as nobody should ---- */

static void test_bad_queues(void)
{
	start("");
	enable();
	g_assert_cmphex(admin(5, 0, RAM + CQ, 15 << 16 | 0, 1), ==, 0x101);
	g_assert_cmphex(admin(5, 0, RAM + CQ, 15 << 16 | 17, 1), ==, 0x101);
	g_assert_cmphex(admin(5, 0, RAM + CQ, 0 << 16 | 1, 1), ==, 0x102);
	g_assert_cmphex(admin(5, 0, RAM + CQ, 0xffffu << 16 | 1, 1), ==, 0x102);
	g_assert_cmphex(admin(5, 0, RAM + CQ + 4, 15 << 16 | 1, 1), ==, 0x013);
	g_assert_cmphex(admin(5, 0, RAM + CQ, 15 << 16 | 1, 0), ==, 0x002);
	g_assert_cmphex(admin(5, 0, RAM + CQ, 15 << 16 | 1, 17 << 16 | 1), ==, 0x108);
	g_assert_cmphex(admin(1, 0, RAM + SQ, 15 << 16 | 1, 1 << 16 | 1), ==, 0x100);
	make_queues();
	g_assert_cmphex(admin(5, 0, RAM + CQ, 15 << 16 | 1, 1), ==, 0x101);
	g_assert_cmphex(admin(4, 0, 0, 1, 0), ==, 0x10c);
	g_assert_cmphex(admin(0, 0, 0, 2, 0), ==, 0x101);
	g_assert_cmphex(admin(0, 0, 0, 1, 0), ==, 0);
	g_assert_cmphex(admin(4, 0, 0, 1, 0), ==, 0);
	/* Doorbells of queues that are not there, and out of range. */
	for (unsigned i = 2; i < 200; i++)
		poke(reg(BELLS + 4 * i), 4, i * 77);
	poke(reg(BELLS), 4, 5000);
	poke(reg(BELLS + 4), 4, 5000);
	/* Admin queues that cannot be. */
	poke(reg(CC), 4, 0);
	g_assert_cmphex(peek(reg(CSTS), 4), ==, 0);
	poke(reg(AQA), 4, 0);
	poke(reg(CC), 4, CC_ON);
	g_assert_cmphex(peek(reg(CSTS), 4), ==, 2);
	poke(reg(CC), 4, 0);
	/* Queues outside memory. */
	enable();
	poke(reg(CC), 4, 0);
	poke(reg(REG_ASQ), 8, UINT64_C(0x7000000000));
	poke(reg(CC), 4, CC_ON);
	poke(reg(BELLS), 4, 3);
	g_assert_cmphex(peek(reg(CSTS), 4), ==, 3);
	rig_stop();
}

static void test_bad_transfers(void)
{
	start("");
	enable();
	make_queues();
	uint64_t data = RAM + DATA;
	g_assert_cmphex(run(1, transfer(2, data, 0, DISK / BLOCK, 1)), ==, 0x080);
	g_assert_cmphex(run(1, transfer(2, data, 0, UINT64_MAX, 2)), ==, 0x080);
	g_assert_cmphex(run(1, transfer(2, data + 1, 0, 0, 1)), ==, 0x013);
	g_assert_cmphex(run(1, transfer(2, data, data + 8, 0, 16)), ==, 0x013);
	g_assert_cmphex(run(1, transfer(2, UINT64_C(0x7000000000), 0, 0, 1)), ==, 0x004);
	g_assert_cmphex(run(1, transfer(2, ECAM, 0, 0, 1)), ==, 0x004);
	g_assert_cmphex(run(1, transfer(2, data, UINT64_C(0x7000000000), 0, 100)), ==, 0x004);
	g_assert_cmphex(run(1, transfer(2, UINT64_MAX - 3, UINT64_MAX - 7, 0, 2000)), ==, 0x002);
	/* A list that leads to itself for ever. */
	poke(RAM + LIST + 0xff8, 8, RAM + LIST + 0xff8);
	g_assert_cmphex(run(1, transfer(2, data, RAM + LIST + 0xff8, 0, 100)), ==, 0x013);
	struct entry e = transfer(2, data, 0, 0, 1);
	e.dw[0] |= 1 << 14; /* a scatter-gather list */
	g_assert_cmphex(run(1, e), ==, 0x002);
	e = transfer(2, data, 0, 0, 1);
	e.dw[1] = 2;
	g_assert_cmphex(run(1, e), ==, 0x00b);
	g_assert_cmphex(run(1, command(0x55, 1, 0, 0)), ==, 0x001);
	/* More event requests than there may be, and one that is aborted. */
	for (unsigned i = 0; i < 5; i++)
		put_entry(0, command(0x0c, 0, 0, 0), 100 + i);
	ring(0);
	g_assert_cmphex(take(0, 104), ==, 0x105);
	struct entry abort = command(8, 0, 0, 0);
	abort.dw[10] = 102u << 16;
	put_entry(0, abort, 200);
	ring(0);
	g_assert_cmphex(take(0, 102), ==, 0x007);
	g_assert_cmphex(take(0, 200), ==, 0);
	g_assert_cmphex(completion_dw0, ==, 0);
	rig_stop();
}

/* Completions have no room: they wait until the guest makes some. */
static void test_full(void)
{
	start("");
	enable();
	g_assert_cmphex(admin(5, 0, RAM + CQ, 3 << 16 | 1, 1), ==, 0);
	g_assert_cmphex(admin(1, 0, RAM + SQ, (DEPTH - 1) << 16 | 1, 1 << 16 | 1), ==, 0);
	for (unsigned i = 0; i < 10; i++)
		put_entry(1, command(0x55, 1, 0, 0), i);
	ring(1);
	unsigned seen = 0;
	for (unsigned i = 0; i < 10; i++) {
		uint64_t at = RAM + CQ + i % 4 * 16;
		g_assert_cmpuint(peek(at + 14, 2) & 1, ==, i / 4 % 2 == 0);
		seen |= 1u << peek(at + 12, 2);
		poke(reg(BELLS + 12), 4, (i + 1) % 4);
	}
	g_assert_cmphex(seen, ==, 0x3ff);
	rig_stop();
}

static void test_state(void)
{
	struct error_list errors = { 0 };
	char *path = g_build_filename(g_get_tmp_dir(), "backplane-nvme-test.state", NULL);
	start("");
	enable();
	make_queues();
	put_entry(0, command(0x0c, 0, 0, 0), 9);
	ring(0);
	fill(RAM + DATA, BLOCK, 3);
	g_assert_cmphex(run(1, transfer(1, RAM + DATA, 0, 5, 1)), ==, 0);
	g_assert_cmpint(machine_save(rig.m, path, &errors), ==, 0);
	machine_reset(rig.m);
	g_assert_cmphex(peek(MMIO, 4), ==, UINT32_MAX);
	g_assert_cmpint(machine_restore(rig.m, path, &errors), ==, 0);
	g_assert_cmphex(peek(reg(CSTS), 4), ==, 1);
	fill(RAM + DATA, BLOCK, 4);
	g_assert_cmphex(run(1, transfer(2, RAM + DATA, 0, 5, 1)), ==, 0);
	same(RAM + DATA, BLOCK, 3);
	struct entry abort = command(8, 0, 0, 0);
	abort.dw[10] = 9u << 16;
	put_entry(0, abort, 10);
	ring(0);
	g_assert_cmphex(take(0, 9), ==, 0x007);
	g_assert_cmphex(take(0, 10), ==, 0);
	rig_stop();
	g_unlink(path);
	g_free(path);
}

/* Random entries in both queues, random pages, random doorbells; then it still works after a reset. */
static void test_anything(void)
{
	GRand *r = g_rand_new_with_seed(20261121);
	start("");
	for (unsigned round = 0; round < 40; round++) {
		enable();
		make_queues();
		for (unsigned n = 0; n < 40; n++) {
			unsigned q = g_rand_int(r) & 1;
			struct entry e = command(g_rand_int(r) & 0x0f,
				(uint32_t)g_rand_int_range(r, 0, 3),
				RAM + (g_rand_int(r) & 0x3ffff8), RAM + (g_rand_int(r) & 0x3ffff8));
			for (unsigned i = 10; i < 14; i++)
				e.dw[i] = g_rand_int(r) >> g_rand_int_range(r, 0, 32);
			put_entry(q, e, n);
			ring(q);
			poke(reg(BELLS + 4 * (g_rand_int(r) & 7)), 4, g_rand_int(r) & 31);
		}
		poke(reg(CC), 4, 0);
	}
	g_rand_free(r);
	enable();
	make_queues();
	g_assert_cmphex(run(1, transfer(2, RAM + DATA, 0, 0, 1)), ==, 0);
	rig_stop();
}

/* A drive that grows under it: an event for who asked for such, once until the log was read. */
static void test_grow(void)
{
	enum { CHANGES = 0xff0004, EVENT = 2 | 4 << 16 };
	start("");
	enable();
	make_queues();
	g_assert_cmphex(admin(6, 0, RAM + DATA, 1, 0), ==, 0);
	g_assert_cmphex(peek(RAM + DATA + 92, 4), ==, 0x100);
	put_entry(0, command(0x0c, 0, 0, 0), 0x777);
	ring(0);
	/* Nobody wants to hear of it yet. */
	g_assert_cmpstr(machine_command(rig.m, "resize disk 2M"), ==, "");
	g_assert_cmphex(admin(6, 1, RAM + DATA, 0, 0), ==, 0);
	g_assert_cmphex(peek(RAM + DATA, 8), ==, 2 * DISK / BLOCK);
	g_assert_cmphex(admin(2, 0, RAM + DATA, CHANGES, 0), ==, 0);
	g_assert_cmphex(peek(RAM + DATA, 4), ==, 1);
	g_assert_cmphex(admin(2, 0, RAM + DATA, CHANGES, 0), ==, 0);
	g_assert_cmphex(peek(RAM + DATA, 4), ==, 0);
	g_assert_cmphex(admin(9, 0, 0, 11, 0x100), ==, 0);
	g_assert_cmpstr(machine_command(rig.m, "resize disk 3M"), ==, "");
	g_assert_cmphex(take(0, 0x777), ==, 0);
	g_assert_cmphex(completion_dw0, ==, EVENT);
	g_assert_cmphex(run(1, transfer(2, RAM + DATA, 0, 3 * DISK / BLOCK - 1, 1)), ==, 0);
	g_assert_cmphex(run(1, transfer(2, RAM + DATA, 0, 3 * DISK / BLOCK, 1)), ==, 0x080);
	/* Told already; the next comes after the log was read. */
	put_entry(0, command(0x0c, 0, 0, 0), 0x778);
	ring(0);
	g_assert_cmpstr(machine_command(rig.m, "resize disk 4M"), ==, "");
	g_assert_cmphex(admin(2, 0, RAM + DATA, CHANGES, 0), ==, 0);
	g_assert_cmphex(peek(RAM + DATA, 4), ==, 1);
	g_assert_cmpstr(machine_command(rig.m, "resize disk 5M"), ==, "");
	g_assert_cmphex(take(0, 0x778), ==, 0);
	static const char *const wrong[] = { "resize disk 1M", "resize disk 5000001", "resize disk",
		"resize", "resize nvme 8M", "resize nobody 8M", "resize disk 8M 9M",
		"resize disk 8388607T" };
	for (unsigned i = 0; i < G_N_ELEMENTS(wrong); i++)
		g_assert_true(g_str_has_prefix(machine_command(rig.m, wrong[i]), "error: "));
	rig_stop();
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "pci-host-ecam-generic", "nvme", NULL };
	struct error_list errors = { 0 };
	const struct type *type;
	g_test_init(&argc, &argv, NULL);
	rig_types(own_types, names, argv[1]);
	g_assert_true(blk_format("raw", &type, &errors));
	file = g_build_filename(g_get_tmp_dir(), "backplane-nvme-test.img", NULL);
	g_test_add_func("/nvme/identify", test_identify);
	g_test_add_func("/nvme/transfers", test_transfers);
	g_test_add_func("/nvme/interrupts", test_interrupts);
	g_test_add_func("/nvme/bad-queues", test_bad_queues);
	g_test_add_func("/nvme/bad-transfers", test_bad_transfers);
	g_test_add_func("/nvme/full", test_full);
	g_test_add_func("/nvme/state", test_state);
	g_test_add_func("/nvme/grow", test_grow);
	g_test_add_func("/nvme/anything", test_anything);
	int result = g_test_run();
	g_unlink(file);
	g_free(file);
	return result;
}
