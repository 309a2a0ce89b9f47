/* SPDX-License-Identifier: MIT */
/* Cards that leave their slots and come back: with requests under way, in snapshots, behind ports that
 * have a button, with any values in the slot's registers.
 *
 *     plug_test PLUGINS */
#include "rig.h"
#include <backplane/blk.h>
#include <errno.h>
#include <glib/gstdio.h>

/* ---- a drive whose requests stay under way until the test, a cancel or a drain ends them ---- */

enum { DISK = 1 << 20, BLOCK = 512, MOST = 64 };

struct slow {
	void *owner;
	struct bp_blk_request *under_way[MOST];
	unsigned count, ended; /* ended: by somebody else than the test */
	int cancelled[MOST];
};

static struct slow *slow; /* the last one made */

static int slow_attach(
	void *blk, void *owner, const struct bp_blk_front *front, int writable, bp_error *err)
{
	(void)front;
	(void)writable;
	(void)err;
	slow = blk;
	slow->owner = owner;
	return 0;
}

static void slow_info(void *blk, struct bp_blk_info *out)
{
	struct bp_blk_info info = { .size = out->size,
		.bytes = DISK,
		.block_size = BLOCK,
		.physical_size = BLOCK,
		.optimal_size = BLOCK,
		.discard_align = BLOCK,
		.max_transfer = DISK,
		.max_discard = DISK,
		.max_zeroes = DISK,
		.max_iov = 256 };
	(void)blk;
	memcpy(out, &info, MIN(out->size, sizeof(info)));
}

static void slow_submit(void *blk, struct bp_blk_request *const *reqs, uint32_t count)
{
	struct slow *s = blk;
	for (uint32_t i = 0; i < count; i++) {
		g_assert_cmpuint(s->count, <, MOST);
		s->cancelled[s->count] = 0;
		s->under_way[s->count++] = reqs[i];
	}
}

static void slow_cancel(void *blk, struct bp_blk_request *req)
{
	struct slow *s = blk;
	for (unsigned i = 0; i < s->count; i++)
		if (s->under_way[i] == req)
			s->cancelled[i] = 1;
}

/* A read that ends gives sevens. Inside the device's domain. */
static void slow_end(struct slow *s)
{
	while (s->count) {
		struct bp_blk_request *r = s->under_way[--s->count];
		int cancelled = s->cancelled[s->count];
		for (uint32_t i = 0; !cancelled && r->op == BP_BLK_READ && i < r->iov_count; i++)
			memset(r->iov[i].base, 7, r->iov[i].len);
		r->done(s->owner, r, cancelled ? -ECANCELED : 0);
	}
}

static void slow_drain(void *blk, uint32_t *held)
{
	struct slow *s = blk;
	s->ended += s->count;
	slow_end(s);
	if (held)
		*held = 0;
}

static void slow_detach(void *blk)
{
	slow_drain(blk, NULL);
}

static void slow_nothing(void *blk)
{
	(void)blk;
}

static void slow_cache(void *blk, int on)
{
	(void)blk;
	(void)on;
}

static const struct bp_blk slow_services = { .size = sizeof(slow_services),
	.attach = slow_attach,
	.detach = slow_detach,
	.info = slow_info,
	.submit = slow_submit,
	.cancel = slow_cancel,
	.drain = slow_drain,
	.forget_held = slow_nothing,
	.write_cache = slow_cache };

static const void *slow_interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.blk/1") ? NULL : &slow_services;
}

static const struct bp_object slow_object = { .size = sizeof(slow_object),
	.instance_size = sizeof(struct slow),
	.threads = BP_PARALLEL,
	.interface = slow_interface };
static const struct bp_type own_types[] = {
	{ "test-pins", "four wires that are looked at", BP_KIND_DEVICE, 0, &pins_object, NULL },
	{ "test-slow", "a drive that waits", BP_KIND_SERVICE, 0, &slow_object, NULL },
	{ 0 },
};

/* What went in before ends well now. */
static void finish_requests(const char *device)
{
	struct domain *d = instance_find(rig.m, device)->object->domain;
	g_assert_true(domain_enter(d));
	slow_end(slow);
	domain_leave(d);
}

/* ---- commands ---- */

static void good(const char *line)
{
	const char *answer = machine_command(rig.m, line);
	if (g_str_has_prefix(answer, "error: "))
		g_error("%s: %s", line, answer);
}

static void bad(const char *line, const char *words)
{
	const char *answer = machine_command(rig.m, line);
	if (!g_str_has_prefix(answer, "error: ") || strchr(answer, '\n') || !strstr(answer, words))
		g_error("%s: \"%s\" is not an error with \"%s\"", line, answer, words);
}

static void says(const char *line, const char *words)
{
	const char *answer = machine_command(rig.m, line);
	if (!strstr(answer, words))
		g_error("%s: \"%s\" does not say \"%s\"", line, answer, words);
}

/* Nobody answers, nothing is driven. */
static void is_gone(uint64_t config, uint64_t window)
{
	g_assert_cmphex(peek(config, 4), ==, UINT32_MAX);
	g_assert_cmphex(peek(config + 4, 2), ==, 0xffff);
	poke(config + 4, 2, 7);
	if (window)
		g_assert_cmphex(peek(window, 4), ==, UINT32_MAX);
	g_assert_cmphex(rig_wires, ==, 0);
}

/* ---- nvme ---- */

enum { ASQ = 0x1000, ACQ = 0x2000, SQ = 0x3000, CQ = 0x4000, DATA = 0x10000, LAST = 15 };
#define NVME      cfg(0, 1, 0, 0)
#define REG(n)    (MMIO + (n))
#define SQ_BELL   REG(0x1008)
#define ADMIN     REG(0x1000)
#define BACK      "[slow]\ntype = \"test-slow\"\n"
#define NVME_TOML BACK "[nvme]\ntype = \"nvme\"\nbus = \"pci\"\nslot = \"1\"\nblk = \"slow\"\n"

static void entry(uint64_t at, unsigned opcode, uint64_t prp1, uint32_t dw10, uint32_t dw11)
{
	for (unsigned i = 0; i < 64; i += 8)
		poke(at + i, 8, 0);
	poke(at, 4, opcode);
	poke(at + 4, 4, 1);
	poke(at + 24, 8, prp1);
	poke(at + 40, 4, dw10);
	poke(at + 44, 4, dw11);
}

/* As a driver finds it after power on; one pair of queues with the wire as interrupt. */
static void nvme_start(void)
{
	poke(NVME + 0x10, 8, MMIO);
	poke(NVME + 4, 2, 6);
	for (unsigned i = 0; i < 0x4000; i += 8)
		poke(RAM + ASQ + i, 8, 0);
	g_assert_cmphex(peek(REG(0x1c), 4), ==, 0);
	poke(REG(0x24), 4, LAST << 16 | LAST);
	poke(REG(0x28), 8, RAM + ASQ);
	poke(REG(0x30), 8, RAM + ACQ);
	poke(REG(0x14), 4, 0x00460001);
	g_assert_cmphex(peek(REG(0x1c), 4), ==, 1);
	entry(RAM + ASQ, 5, RAM + CQ, LAST << 16 | 1, 3);
	entry(RAM + ASQ + 64, 1, RAM + SQ, LAST << 16 | 1, 1 << 16 | 1);
	poke(ADMIN, 4, 2);
	g_assert_cmphex(peek(RAM + ACQ + 14, 2), ==, 1);
	g_assert_cmphex(peek(RAM + ACQ + 16 + 14, 2), ==, 1);
	poke(REG(0x1004), 4, 2);
}

static void nvme_read(unsigned count)
{
	for (unsigned i = 0; i < count; i++)
		entry(RAM + SQ + 64 * i, 2, RAM + DATA + i * BLOCK, i, 0);
	poke(SQ_BELL, 4, count);
}

static void test_nvme(void)
{
	g_assert_nonnull(rig_start(NVME_TOML, NULL));
	for (unsigned round = 0; round < 3; round++) {
		nvme_start();
		nvme_read(4);
		g_assert_cmpuint(slow->count, ==, 4);
		finish_requests("nvme");
		for (unsigned i = 0; i < 4; i++) {
			g_assert_cmphex(peek(RAM + CQ + 16 * i + 14, 2), ==, 1);
			g_assert_cmphex(peek(RAM + DATA + i * BLOCK, 8), ==, 0x0707070707070707);
			poke(RAM + DATA + i * BLOCK, 8, 0);
		}
		g_assert_cmphex(rig_wires, ==, 2);
		for (unsigned i = 0; i < 4; i++)
			entry(RAM + SQ + 64 * (4 + i), 2, RAM + DATA, i, 0);
		poke(SQ_BELL, 4, 8);
		g_assert_cmpuint(slow->count, ==, 4);
		slow->ended = 0;
		good("unplug! nvme");
		/* All has ended; the guest's queues heard nothing of it. */
		g_assert_cmpuint(slow->count, ==, 0);
		g_assert_cmpuint(slow->ended, ==, 4);
		for (unsigned i = 4; i < 8; i++)
			g_assert_cmphex(peek(RAM + CQ + 16 * i + 14, 2), ==, 0);
		is_gone(NVME, MMIO);
		poke(SQ_BELL, 4, 1);
		g_assert_cmpuint(slow->count, ==, 0);
		bad("unplug! nvme", "out of its slot already");
		bad("unplug nvme", "out of its slot already");
		machine_reset(rig.m); /* no way back in */
		is_gone(NVME, MMIO);
		good("plug nvme");
		bad("plug nvme", "in its slot already");
		g_assert_cmphex(peek(NVME, 4), !=, UINT32_MAX);
		g_assert_cmphex(peek(NVME + 4, 2), ==, 0);
		g_assert_cmphex(peek(NVME + 0x10, 4), ==, 4);
		g_assert_cmphex(peek(MMIO, 4), ==, UINT32_MAX);
	}
	rig_stop();
}

/* ---- virtio-blk and virtio-net ---- */

enum {
	BAR4 = 0x20,
	V_NOTIFY = 0x3000,
	DESC = 0x20000,
	AVAIL = 0x21000,
	USED = 0x22000,
	BUF = 0x30000
};
enum { NEXT = 1, WRITE = 2, QUEUE = 0x4000 /* of memory for each */ };

static uint64_t ring(unsigned q, unsigned part)
{
	return RAM + QUEUE * q + part;
}

static void descriptor(unsigned q, unsigned i, uint64_t addr, uint32_t len, unsigned flags)
{
	uint64_t d = ring(q, DESC) + 16 * i;
	poke(d, 8, addr);
	poke(d + 8, 4, len);
	poke(d + 12, 2, flags);
	poke(d + 14, 2, i + 1);
}

static void offer(uint64_t bar, unsigned q, unsigned queue, unsigned index, unsigned head)
{
	poke(ring(q, AVAIL) + 4 + 2 * (index % 8), 2, head);
	poke(ring(q, AVAIL) + 2, 2, index + 1);
	poke(bar + V_NOTIFY + 4 * queue, 2, queue);
}

/* A driver that knows VERSION_1; queue `queue` gets the memory of ring q. */
static void virtio_start(uint64_t config, uint64_t bar, unsigned queue, unsigned q)
{
	poke(config + BAR4, 8, bar);
	poke(config + 4, 2, 6);
	for (unsigned i = 0; i < 0x3000; i += 8)
		poke(ring(q, DESC) + i, 8, 0);
	g_assert_cmphex(peek(bar + 0x14, 1), ==, 0);
	poke(bar + 0x14, 1, 3);
	poke(bar + 0x08, 4, 1);
	poke(bar + 0x0c, 4, 1);
	poke(bar + 0x14, 1, 11);
	poke(bar + 0x16, 2, queue);
	poke(bar + 0x18, 2, 8);
	poke(bar + 0x20, 8, ring(q, DESC));
	poke(bar + 0x28, 8, ring(q, AVAIL));
	poke(bar + 0x30, 8, ring(q, USED));
	poke(bar + 0x1c, 2, 1);
	poke(bar + 0x14, 1, 15);
}

static void test_virtio_blk(void)
{
	uint64_t c = cfg(0, 1, 0, 0), bar = MMIO64;
	g_assert_nonnull(
		rig_start(BACK "[vpci]\ntype = \"virtio-pci\"\nbus = \"pci\"\nslot = \"1\"\n"
			       "[blk]\ntype = \"virtio-blk\"\nbus = \"vpci\"\nblk = \"slow\"\n",
			NULL));
	bad("unplug blk", "that is the card: vpci");
	for (unsigned round = 0; round < 3; round++) {
		virtio_start(c, bar, 0, 0);
		for (unsigned i = 0; i < 2; i++) {
			poke(RAM + BUF, 8, 0); /* a read of sector 0 */
			poke(RAM + BUF + 8, 8, 0);
			poke(RAM + BUF + 0x800, 1, 0x55);
			descriptor(0, 0, RAM + BUF, 16, NEXT);
			descriptor(0, 1, RAM + BUF + 0x200, BLOCK, NEXT | WRITE);
			descriptor(0, 2, RAM + BUF + 0x800, 1, WRITE);
			offer(bar, 0, 0, i, 0);
			g_assert_cmpuint(slow->count, ==, 1);
			if (i == 0) {
				finish_requests("blk");
				g_assert_cmphex(peek(RAM + BUF + 0x800, 1), ==, 0);
				g_assert_cmphex(peek(RAM + BUF + 0x200, 1), ==, 7);
				g_assert_cmphex(peek(ring(0, USED) + 2, 2), ==, 1);
				g_assert_cmphex(rig_wires, ==, 2);
			}
		}
		slow->ended = 0;
		good("unplug! vpci");
		g_assert_cmpuint(slow->count, ==, 0);
		g_assert_cmpuint(slow->ended, ==, 1);
		g_assert_cmphex(peek(RAM + BUF + 0x800, 1), ==, 0x55);
		g_assert_cmphex(peek(ring(0, USED) + 2, 2), ==, 1);
		is_gone(c, bar);
		good("plug vpci");
	}
	rig_stop();
}

static void send_frame(uint64_t bar, unsigned index, unsigned byte)
{
	for (unsigned i = 0; i < 12 + 60; i++)
		poke(RAM + BUF + i, 1, i < 12 ? 0 : i < 18 ? 0xff : byte);
	descriptor(0, 0, RAM + BUF, 12 + 60, 0);
	offer(bar, 0, 1, index, 0);
	g_assert_cmphex(peek(ring(0, USED) + 2, 2), ==, index + 1);
}

static void listen_net(uint64_t config, uint64_t bar)
{
	virtio_start(config, bar, 0, 1);
	for (unsigned i = 0; i < 4; i++) {
		descriptor(1, i, RAM + BUF + 0x1000 + i * 0x800, 0x800, WRITE);
		offer(bar, 1, 0, i, i);
	}
}

static void test_virtio_net(void)
{
	uint64_t a = cfg(0, 1, 0, 0), b = cfg(0, 2, 0, 0), bar_a = MMIO64, bar_b = MMIO64 + 0x10000;
	unsigned sent = 0;
	g_assert_nonnull(rig_start("[wire]\ntype = \"net-hub\"\n"
				   "[vpa]\ntype = \"virtio-pci\"\nbus = \"pci\"\nslot = \"1\"\n"
				   "[vpb]\ntype = \"virtio-pci\"\nbus = \"pci\"\nslot = \"2\"\n"
				   "[a]\ntype = \"virtio-net\"\nbus = \"vpa\"\nnet = \"wire\"\n"
				   "[b]\ntype = \"virtio-net\"\nbus = \"vpb\"\nnet = \"wire\"\n",
		NULL));
	virtio_start(a, bar_a, 1, 0);
	for (unsigned round = 0; round < 3; round++) {
		listen_net(b, bar_b);
		send_frame(bar_a, sent++, 0x40 + round);
		g_assert_cmphex(peek(ring(1, USED) + 2, 2), ==, 1);
		g_assert_cmphex(peek(RAM + BUF + 0x1000 + 40, 1), ==, 0x40 + round);
		poke(RAM + BUF + 0x1800 + 40, 1, 0xee);
		good("unplug! vpb");
		send_frame(bar_a, sent++, 0x99);
		/* Nobody takes it, though there were buffers. */
		g_assert_cmphex(peek(ring(1, USED) + 2, 2), ==, 1);
		g_assert_cmphex(peek(RAM + BUF + 0x1800 + 40, 1), ==, 0xee);
		g_assert_cmphex(peek(b, 4), ==, UINT32_MAX);
		g_assert_cmphex(peek(bar_b, 4), ==, UINT32_MAX);
		good("plug vpb");
	}
	rig_stop();
}

/* ---- a slot with a button ---- */

#define PORT_TOML                                                                                  \
	BACK "[port]\ntype = \"pcie-root-port\"\nbus = \"pci\"\nslot = \"4\"\nnumber = 21\n"       \
	     "[nvme]\ntype = \"nvme\"\nbus = \"port\"\nblk = \"slow\"\n"
#define PORT cfg(0, 4, 0, 0)
#define CARD cfg(1, 0, 0, 0)
enum { /* slot status, slot control (7.5.3.10, 7.5.3.11) */
	BUTTON = 1,
	PRESENCE = 8,
	COMMAND_DONE = 0x10,
	PRESENT = 0x40,
	LINK = 0x100,
	EVENTS = 0x11f,
	ALL = 0x103f, /* interrupts for everything */
	OFF = 0x400
};

static unsigned slot_control, slot_status, link_status;

static void port_start(const char *more)
{
	char *text = g_strconcat(PORT_TOML, more, NULL);
	g_assert_nonnull(rig_start(text, NULL));
	g_free(text);
	unsigned exp = capability(PORT, 0x10, 0);
	g_assert_cmphex(peek(PORT + exp + 0x14, 4), ==, 21u << 19 | 0x7b);
	slot_control = exp + 0x18;
	slot_status = exp + 0x1a;
	link_status = exp + 0x12;
	poke(PORT + 0x18, 4, 0x00010100);
}

static unsigned take_events(void)
{
	unsigned events = (unsigned)peek(PORT + slot_status, 2);
	poke(PORT + slot_status, 2, EVENTS);
	return events;
}

static void control(unsigned value)
{
	poke(PORT + slot_control, 2, value);
	g_assert_cmphex(peek(PORT + slot_status, 2) & COMMAND_DONE, ==, COMMAND_DONE);
	poke(PORT + slot_status, 2, COMMAND_DONE);
}

static int link_up(void)
{
	return peek(PORT + link_status, 2) >> 13 & 1;
}

static void test_orderly(void)
{
	port_start("");
	control(ALL);
	g_assert_cmphex(take_events(), ==, PRESENT);
	says("list", "nvme (nvme) on port: in");
	good("unplug nvme");
	says("list", "on port: in, the guest was asked");
	bad("unplug nvme", "asked already");
	g_assert_cmphex(rig_wires, ==, 1);
	g_assert_cmphex(peek(CARD, 4), !=, UINT32_MAX); /* still there */
	g_assert_cmphex(take_events(), ==, BUTTON | PRESENT);
	g_assert_cmphex(rig_wires, ==, 0);
	/* The button again takes it back. */
	good("plug nvme");
	g_assert_cmphex(take_events(), ==, BUTTON | PRESENT);
	says("list", "nvme (nvme) on port: in");
	good("unplug nvme");
	take_events();
	/* Power off: the card leaves. */
	poke(PORT + slot_control, 2, ALL | OFF);
	g_assert_cmphex(take_events(), ==, PRESENCE | COMMAND_DONE | LINK);
	g_assert_cmpint(link_up(), ==, 0);
	is_gone(CARD, 0);
	says("list", "nvme (nvme) on port: out");
	/* It comes: nothing until the guest gives it power. */
	good("plug nvme");
	g_assert_cmphex(rig_wires, ==, 1);
	g_assert_cmphex(take_events(), ==, PRESENCE | PRESENT);
	g_assert_cmpint(link_up(), ==, 0);
	g_assert_cmphex(peek(CARD, 4), ==, UINT32_MAX);
	poke(PORT + slot_control, 2, ALL);
	g_assert_cmphex(take_events(), ==, PRESENT | LINK | COMMAND_DONE);
	g_assert_cmpint(link_up(), ==, 1);
	g_assert_cmphex(peek(CARD, 4), !=, UINT32_MAX);
	/* Who was asked and then reset has let go. */
	good("unplug nvme");
	machine_reset(rig.m);
	poke(PORT + 0x18, 4, 0x00010100);
	says("list", "nvme (nvme) on port: out");
	g_assert_cmphex(take_events(), ==, 0);
	is_gone(CARD, 0);
	/* Without power nobody has to be asked. */
	good("plug nvme");
	control(OFF);
	good("unplug nvme");
	says("list", "nvme (nvme) on port: out");
	rig_stop();
}

static void test_surprise(void)
{
	port_start("");
	control(ALL);
	take_events();
	good("unplug! nvme");
	g_assert_cmphex(rig_wires, ==, 1);
	g_assert_cmphex(take_events(), ==, PRESENCE | LINK);
	is_gone(CARD, 0);
	good("plug nvme");
	g_assert_cmphex(rig_wires, ==, 1);
	g_assert_cmphex(take_events(), ==, PRESENCE | LINK | PRESENT);
	g_assert_cmphex(peek(CARD, 4), !=, UINT32_MAX);
	/* The port itself, and with it all behind it. */
	good("unplug port");
	is_gone(PORT, 0);
	is_gone(CARD, 0);
	bad("unplug! nvme", "port is out of its slot itself");
	good("plug port");
	g_assert_cmphex(peek(CARD, 4), ==, UINT32_MAX); /* its numbers are gone */
	poke(PORT + 0x18, 4, 0x00010100);
	g_assert_cmphex(peek(CARD, 4), !=, UINT32_MAX);
	rig_stop();
}

static void test_slot_messages(void)
{
	port_start("");
	unsigned msi = capability(PORT, 5, 0);
	poke(PORT + 4, 2, 4);
	poke(PORT + msi + 4, 8, RAM + 0x100);
	poke(PORT + msi + 12, 2, 0x1234);
	poke(PORT + msi + 2, 2, 1);
	control(ALL & ~COMMAND_DONE);
	take_events();
	g_assert_cmphex(peek(RAM + 0x100, 4), ==, 0);
	good("unplug nvme");
	g_assert_cmphex(peek(RAM + 0x100, 4), ==, 0x1234);
	/* One message until all events were taken (6.7.3.4). */
	poke(RAM + 0x100, 4, 0);
	good("unplug! nvme");
	g_assert_cmphex(peek(RAM + 0x100, 4), ==, 0);
	g_assert_cmphex(take_events(), ==, BUTTON | PRESENCE | LINK);
	good("plug nvme");
	g_assert_cmphex(peek(RAM + 0x100, 4), ==, 0x1234);
	g_assert_cmphex(rig_wires, ==, 0);
	/* No enable, no message. */
	take_events();
	control(0);
	poke(RAM + 0x100, 4, 0);
	good("unplug! nvme");
	g_assert_cmphex(peek(RAM + 0x100, 4), ==, 0);
	rig_stop();
}

/* ---- the machine file, snapshots ---- */

static void test_absent(void)
{
	g_assert_nonnull(rig_start(NVME_TOML "plugged = false\n", NULL));
	is_gone(NVME, 0);
	says("list", "nvme (nvme) on pci: out");
	good("plug nvme");
	nvme_start();
	rig_stop();
	port_start("plugged = false\n");
	g_assert_cmphex(take_events(), ==, 0);
	g_assert_cmpint(link_up(), ==, 0);
	good("plug nvme");
	g_assert_cmphex(take_events(), ==, PRESENCE | PRESENT | LINK);
	rig_stop();
}

static void test_state(void)
{
	struct error_list errors = { 0 };
	char *file = g_build_filename(g_get_tmp_dir(), "backplane-plug-test.state", NULL);
	g_assert_nonnull(rig_start(NVME_TOML, NULL));
	nvme_start();
	good("unplug! nvme");
	g_assert_cmpint(machine_save(rig.m, file, &errors), ==, 0);
	good("plug nvme");
	nvme_start();
	g_assert_cmpint(machine_restore(rig.m, file, &errors), ==, 0);
	is_gone(NVME, MMIO);
	good("plug nvme");
	nvme_start();
	g_assert_cmpint(machine_save(rig.m, file, &errors), ==, 0);
	good("unplug! nvme");
	g_assert_cmpint(machine_restore(rig.m, file, &errors), ==, 0);
	g_assert_cmphex(peek(REG(0x1c), 4), ==, 1);
	rig_stop();
	/* The guest was asked, and lets go after the restore. */
	port_start("");
	control(ALL);
	good("unplug nvme");
	g_assert_cmpint(machine_save(rig.m, file, &errors), ==, 0);
	machine_reset(rig.m);
	g_assert_cmpint(machine_restore(rig.m, file, &errors), ==, 0);
	says("list", "on port: in, the guest was asked");
	g_assert_cmphex(peek(PORT + slot_status, 2), ==, BUTTON | PRESENT);
	control(ALL | OFF);
	says("list", "nvme (nvme) on port: out");
	rig_stop();
	g_assert_cmpuint(errors.total, ==, 0);
	g_unlink(file);
	g_free(file);
}

/* A port of a console: its bus is no PCI, and the guest is told, not asked. */
static void test_console_port(void)
{
	struct error_list errors = { 0 };
	char *file = g_build_filename(g_get_tmp_dir(), "backplane-plug-port.state", NULL);
	g_assert_nonnull(rig_start(
		"[vpci]\ntype = \"virtio-pci\"\nbus = \"pci\"\nslot = 1\n"
		"[hvc]\ntype = \"virtio-console\"\nbus = \"vpci\"\n"
		"[agent]\ntype = \"virtio-console-port\"\nbus = \"hvc\"\nplugged = false\n"
		"[other]\ntype = \"virtio-console-port\"\nbus = \"hvc\"\n",
		NULL));
	says("list", "agent (virtio-console-port) on hvc: out");
	says("list", "other (virtio-console-port) on hvc: in");
	bad("unplug agent", "out of its slot already");
	bad("set agent.plugged 1", "there is no such property");
	good("plug agent");
	says("list", "agent (virtio-console-port) on hvc: in");
	machine_reset(rig.m);
	good("unplug other");
	g_assert_cmpint(machine_save(rig.m, file, &errors), ==, 0);
	good("unplug! agent");
	good("plug other");
	g_assert_cmpint(machine_restore(rig.m, file, &errors), ==, 0);
	says("list", "agent (virtio-console-port) on hvc: in");
	says("list", "other (virtio-console-port) on hvc: out");
	rig_stop();
	g_assert_cmpuint(errors.total, ==, 0);
	g_unlink(file);
	g_free(file);
}

static void test_wrong(void)
{
	static const struct {
		const char *more, *words;
	} cases[] = {
		{ NVME_TOML "plugged = 1\n", "true or false is expected" },
		{ "[x]\ntype = \"test-slow\"\nplugged = false\n", "into what? bus is not given" },
		{ BACK "[vpci]\ntype = \"virtio-pci\"\nbus = \"pci\"\n"
		       "[blk]\ntype = \"virtio-blk\"\nbus = \"vpci\"\nblk = \"slow\"\n"
		       "plugged = false\n",
			"vpci (virtio-pci) has no slots that cards leave" },
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		char *message = NULL;
		g_assert_null(rig_start(cases[i].more, &message));
		if (!strstr(message, cases[i].words))
			g_error("\"%s\" is not in: %s", cases[i].words, message);
		g_free(message);
		rig_stop();
	}
	g_assert_nonnull(rig_start(NVME_TOML, NULL));
	bad("unplug", "the name of a card is missing");
	bad("plug", "the name of a card is missing");
	bad("unplug! ", "the name of a card is missing");
	bad("plug nvme", "in its slot already");
	bad("plug nvme nvme", "there is no object \"nvme nvme\"");
	bad("unplug pci", "pci is on no bus");
	bad("plug nobody", "there is no object \"nobody\"");
	bad("unplug! ram", "ram is on no bus");
	bad("list nvme", "list takes nothing more");
	bad("unpluck nvme", "there is no command");
	rig_stop();
}

/* Words that set and resize do not take, and that nothing changes by them. */
static void test_words(void)
{
	static const struct {
		const char *line, *words;
	} cases[] = {
		{ "set", "OBJECT.PROPERTY VALUE" },
		{ "set nic", "OBJECT.PROPERTY VALUE" },
		{ "set nic.cable", "OBJECT.PROPERTY VALUE" },
		{ "set .cable 1", "there is no such property" },
		{ "set nobody.cable 1", "there is no such property" },
		{ "set nic.colour 1", "there is no such property" },
		{ "set nic.queues 2", "nic.queues does not change while it runs" },
		{ "set nic.net 1", "nic.net does not change while it runs" },
		{ "set nic.cable maybe", "maybe: a number is expected" },
		{ "set nic.cable  ", "OBJECT.PROPERTY VALUE" },
		{ "set nic.cable -1", "-1: a number is expected" },
		{ "set nic.cable 0 0", "0 0: a number is expected" },
		{ "set nic.cable 2", "2 is out of range: nic.cable is true or false" },
		{ "set nic.cable 99999999999999999999999", "a number is expected" },
		{ "resize", "resize DRIVE SIZE" },
		{ "resize nic", "resize DRIVE SIZE" },
		{ "resize nic much", "resize DRIVE SIZE" },
		{ "resize nic 1M 2M", "resize DRIVE SIZE" },
		{ "resize nic 99999999E", "resize DRIVE SIZE" },
		{ "resize nobody 1M", "there is no object \"nobody\"" },
		{ "resize nic 1M", "it is of type virtio-net, no drive" },
		{ "save", "it needs the name of a file" },
		{ "pause now", "pause takes nothing more; \"now\" is too much" },
		{ "help me", "help takes nothing more" },
		{ "sett nic.cable 0", "there is no command \"sett\"" },
	};
	g_assert_nonnull(rig_start(
		"[hub]\ntype = \"net-hub\"\n[vpci]\ntype = \"virtio-pci\"\nbus = \"pci\"\n"
		"slot = 1\n[nic]\ntype = \"virtio-net\"\nbus = \"vpci\"\nnet = \"hub\"\n",
		NULL));
	const struct object *nic = instance_find(rig.m, "nic")->object;
	const struct bp_field *cable =
		field_find(nic->type->object->props, nic->type->field_size, "cable");
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++)
		bad(cases[i].line, cases[i].words);
	g_assert_cmpuint(field_get_number(cable, nic->instance), ==, 1);
	good("set nic.cable 0");
	g_assert_cmpuint(field_get_number(cable, nic->instance), ==, 0);
	good(" set  nic.cable\t= 1 ");
	g_assert_cmpuint(field_get_number(cable, nic->instance), ==, 1);
	rig_stop();
}

/* Any values in the port's and the card's configuration, cards that come and go meanwhile; whatever
 * happens, it answers, and the state that it got into saves and loads. */
static void test_anything(void)
{
	static const char *const lines[] = { "plug nvme", "unplug nvme", "unplug! nvme",
		"plug port", "unplug! port", "list" };
	struct error_list errors = { 0 };
	char *file = g_build_filename(g_get_tmp_dir(), "backplane-plug-any.state", NULL);
	port_start("");
	GRand *r = g_rand_new_with_seed(20261121);
	for (unsigned i = 0; i < 20000; i++) {
		unsigned bytes = 1u << g_rand_int_range(r, 0, 3);
		int slot = g_rand_int_range(r, 0, 3) == 0;
		uint64_t base = g_rand_int_range(r, 0, 4) ? PORT : CARD;
		uint64_t at = base +
			(slot ? slot_control + (unsigned)g_rand_int_range(r, 0, 4)
			      : (unsigned)g_rand_int_range(r, 0, 256));
		at &= ~(uint64_t)(bytes - 1);
		poke(at, bytes, g_rand_int(r));
		peek(at, bytes);
		if (i % 16 == 0)
			machine_command(rig.m, lines[g_rand_int_range(r, 0, 6)]);
		if (i % 64 == 0)
			poke(PORT + 0x18, 4, 0x00010100);
		if (i % 4000 == 0) {
			g_assert_cmpint(machine_save(rig.m, file, &errors), ==, 0);
			g_assert_cmpint(machine_restore(rig.m, file, &errors), ==, 0);
		}
	}
	g_rand_free(r);
	rig_stop();
	g_unlink(file);
	g_free(file);
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "pci-host-ecam-generic", "pcie-root-port", "nvme",
		"virtio-pci", "virtio-blk", "virtio-net", "net-hub", "virtio-console",
		"virtio-console-port", NULL };
	g_test_init(&argc, &argv, NULL);
	rig_types(own_types, names, argv[1]);
	g_test_add_func("/plug/nvme", test_nvme);
	g_test_add_func("/plug/virtio-blk", test_virtio_blk);
	g_test_add_func("/plug/virtio-net", test_virtio_net);
	g_test_add_func("/plug/orderly", test_orderly);
	g_test_add_func("/plug/surprise", test_surprise);
	g_test_add_func("/plug/messages", test_slot_messages);
	g_test_add_func("/plug/absent", test_absent);
	g_test_add_func("/plug/state", test_state);
	g_test_add_func("/plug/console-port", test_console_port);
	g_test_add_func("/plug/wrong", test_wrong);
	g_test_add_func("/plug/words", test_words);
	g_test_add_func("/plug/anything", test_anything);
	return g_test_run();
}
