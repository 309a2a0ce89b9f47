/* SPDX-License-Identifier: MIT */
/* bus-pci as guests see it: configuration space, BARs, bridges, interrupts, resets, slots, state.
 *
 *     pci_test PLUGINS */
#include "rig.h"
#include <backplane/pci.h>
#include <glib/gstdio.h>

/* ---- a function with everything ---- */

enum { REGION_MEM, REGION_IO, REGION_ROM, BAR_BYTES = 0x8000, IO_BYTES = 16, ROM_BYTES = 0x1000 };
enum { VENDOR_CAP = 9, EXTENDED_ID = 0x0b };

struct card {
	const struct bp_host *host;
	const struct bp_pci_bus *ops;
	void *fn;
	uint64_t rom_bytes;
	uint32_t last; /* written to the memory window */
	unsigned resets, hooks;
	uint32_t hooked;
};

static struct card *cards[8];
static unsigned card_count;

static int mem_read(
	void *self, uint64_t offset, unsigned bytes, uint64_t *value, const struct bp_access *how)
{
	(void)bytes;
	(void)how;
	*value = 0xc0de0000u + ((const struct card *)self)->last + offset;
	return BP_OK;
}

static int mem_write(
	void *self, uint64_t offset, unsigned bytes, uint64_t value, const struct bp_access *how)
{
	(void)offset;
	(void)bytes;
	(void)how;
	((struct card *)self)->last = (uint32_t)value;
	return BP_OK;
}

static const struct bp_region card_regions[] = {
	{ .name = "mem",
		.size = BAR_BYTES,
		.min_access = 4,
		.max_access = 4,
		.read = mem_read,
		.write = mem_write },
	{ .name = "io",
		.size = IO_BYTES,
		.min_access = 4,
		.max_access = 4,
		.read = mem_read,
		.write = mem_write },
	{ .name = "rom", .size = ROM_BYTES, .flags = BP_REGION_MEMORY, .fill = 0x55 },
	{ 0 },
};
static const struct bp_pci_bar card_bars[] = {
	{ .size = BAR_BYTES,
		.index = 0,
		.flags = BP_PCI_BAR_64 | BP_PCI_BAR_PREFETCHABLE,
		.region = REGION_MEM },
	{ .size = IO_BYTES, .index = 2, .flags = BP_PCI_BAR_IO, .region = REGION_IO },
	{ .size = BAR_BYTES, .index = 3, .region = REGION_MEM },
	{ .size = ROM_BYTES, .index = BP_PCI_ROM, .region = REGION_ROM },
	{ 0 },
};
static const struct bp_pci_reg vendor_regs[] = {
	{ .name = "fixed", .offset = 2, .bytes = 1, .reset = 12 },
	{ .name = "word",
		.offset = 4,
		.bytes = 4,
		.reset = 0x11223344,
		.writable = 0x00ff00ff,
		.w1c = 0xff000000 },
	{ .name = "hooked", .offset = 8, .bytes = 4, .writable = UINT32_MAX },
	{ 0 },
};

static uint32_t cap_read(void *self, unsigned offset, unsigned bytes, uint32_t stored)
{
	(void)self;
	(void)bytes;
	return offset == 8 ? stored ^ UINT32_MAX : stored;
}

static void cap_written(void *self, unsigned offset, unsigned bytes, uint32_t now)
{
	struct card *c = self;
	c->hooks++;
	c->hooked = offset << 16 | bytes << 8 | (now & 0xff);
}

static const struct bp_pci_capability card_caps[] = {
	{ .name = "vendor",
		.id = VENDOR_CAP,
		.bytes = 12,
		.regs = vendor_regs,
		.read = cap_read,
		.written = cap_written },
	{ .name = "extended",
		.id = EXTENDED_ID,
		.bytes = 16,
		.flags = BP_PCI_EXTENDED,
		.version = 1 },
	{ 0 },
};

static int card_attach(void *self, const struct bp_pci_bus *ops, void *fn)
{
	struct card *c = self;
	c->ops = ops;
	c->fn = fn;
	cards[card_count++ % 8] = c;
	return 0;
}

static void card_reset(void *self)
{
	((struct card *)self)->resets++;
}

static const struct bp_pci_device card_device = {
	.size = sizeof(card_device),
	.vendor = 0x1234,
	.device = 0x5678,
	.subsystem_vendor = 0x9abc,
	.subsystem = 0xdef0,
	.revision = 7,
	.interface = 3,
	.subclass = 2,
	.base_class = 1,
	.pin = 1,
	.express = 1,
	.msi_vectors = 4,
	.msix = { .vectors = 5, .bar = 3, .offset = 0x4000 },
	.bars = card_bars,
	.capabilities = card_caps,
	.attach = card_attach,
	.reset = card_reset,
};

static int card_create(void *self, const struct bp_host *host, bp_error *err)
{
	(void)err;
	((struct card *)self)->host = host;
	return 0;
}

static const void *card_interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.pci-device/1") ? NULL : &card_device;
}

static const struct bp_object card_object = {
	.size = sizeof(card_object),
	.instance_size = sizeof(struct card),
	.regions = card_regions,
	.create = card_create,
	.interface = card_interface,
};
static const struct bp_type own_types[] = {
	{ "test-pins", "four wires that are looked at", BP_KIND_DEVICE, 0, &pins_object, NULL },
	{ "test-card", "a PCI function with everything", BP_KIND_DEVICE, 0, &card_object, NULL },
	{ 0 },
};

static void start(const char *more)
{
	card_count = 0;
	g_assert_nonnull(rig_start(more, NULL));
}

static const char one_card[] = "[card]\ntype = \"test-card\"\nbus = \"pci\"\nslot = \"3\"\n";

/* ---- configuration space ---- */

static void test_identity(void)
{
	uint64_t c = cfg(0, 3, 0, 0);
	start(one_card);
	g_assert_cmphex(peek(c, 4), ==, 0x56781234);
	g_assert_cmphex(peek(c + 8, 4), ==, 0x01020307);
	g_assert_cmphex(peek(c + 0x2c, 4), ==, 0xdef09abc);
	g_assert_cmphex(peek(c + 0x3d, 1), ==, 1);
	g_assert_cmphex(peek(c + 6, 2), ==, 0x10);
	poke(c, 4, 0);
	g_assert_cmphex(peek(c, 4), ==, 0x56781234);
	poke(c + 0x3c, 2, 0xffff);
	g_assert_cmphex(peek(c + 0x3c, 2), ==, 0x1ff);
	/* Nobody there. */
	g_assert_cmphex(peek(cfg(0, 4, 0, 0), 4), ==, UINT32_MAX);
	g_assert_cmphex(peek(cfg(0, 3, 1, 0), 2), ==, 0xffff);
	g_assert_cmphex(peek(cfg(255, 31, 7, 0xffc), 4), ==, UINT32_MAX);
	poke(cfg(7, 0, 0, 4), 4, UINT32_MAX);
	/* The host bridge itself. */
	g_assert_cmphex(peek(cfg(0, 0, 0, 10), 2), ==, 0x0600);
	rig_stop();
}

static void test_capabilities(void)
{
	uint64_t c = cfg(0, 3, 0, 0);
	start(one_card);
	unsigned at = capability(c, VENDOR_CAP, 0);
	g_assert_cmpuint(at, >=, 0x40);
	g_assert_cmphex(peek(c + at + 2, 1), ==, 12);
	g_assert_cmphex(peek(c + at + 4, 4), ==, 0x11223344);
	poke(c + at + 4, 4, 0x015a5a5a);
	g_assert_cmphex(peek(c + at + 4, 4), ==, 0x105a335a);
	poke(c + at + 8, 4, 0x0f);
	g_assert_cmphex(peek(c + at + 8, 4), ==, 0xfffffff0);
	g_assert_cmpuint(cards[0]->hooks, ==, 2);
	g_assert_cmphex(cards[0]->hooked, ==, 8 << 16 | 4 << 8 | 0x0f);
	g_assert_cmpuint(cards[0]->ops->capability(cards[0]->fn, 0), ==, at);
	for (unsigned id = 1; id < 0x12; id += id == 1 ? 4 : id == 5 ? 11 : 1)
		g_assert_cmpuint(capability(c, id, 0), !=, 0); /* PM, MSI, PCIe, MSI-X */
	/* On the root bus: an integrated endpoint, with function level reset, without link. */
	unsigned exp = capability(c, 0x10, 0);
	g_assert_cmphex(peek(c + exp + 2, 2), ==, 0x92);
	g_assert_cmphex(peek(c + exp + 4, 4) >> 28, ==, 1);
	g_assert_cmphex(peek(c + exp + 0xc, 4), ==, 0);
	g_assert_cmphex(peek(c + 0x100, 4), ==, 0x1000b);
	/* D1 is no state; D3hot hides the windows. */
	unsigned pm = capability(c, 1, 0);
	poke(c + pm + 4, 2, 1);
	g_assert_cmphex(peek(c + pm + 4, 2) & 3, ==, 0);
	poke(c + 0x1c, 4, MMIO);
	poke(c + 4, 2, 2);
	g_assert_cmphex(peek(MMIO, 4), ==, 0xc0de0000);
	poke(c + pm + 4, 2, 3);
	g_assert_cmphex(peek(MMIO, 4), ==, UINT32_MAX);
	poke(c + pm + 4, 2, 0);
	g_assert_cmphex(peek(MMIO, 4), ==, 0xc0de0000);
	rig_stop();
}

/* ---- windows ---- */

static void test_bars(void)
{
	uint64_t c = cfg(0, 3, 0, 0);
	start(one_card);
	for (unsigned i = 0; i < 6; i++)
		poke(c + 0x10 + 4 * i, 4, UINT32_MAX);
	g_assert_cmphex(peek(c + 0x10, 4), ==, (uint32_t)-BAR_BYTES | 0xc);
	g_assert_cmphex(peek(c + 0x14, 4), ==, UINT32_MAX);
	g_assert_cmphex(peek(c + 0x18, 4), ==, (uint32_t)-IO_BYTES | 1);
	g_assert_cmphex(peek(c + 0x1c, 4), ==, (uint32_t)-BAR_BYTES);
	g_assert_cmphex(peek(c + 0x20, 4), ==, 0);
	poke(c + 0x30, 4, UINT32_MAX);
	g_assert_cmphex(peek(c + 0x30, 4), ==, ((uint32_t)-ROM_BYTES | 1));
	/* 64 bits, above 4 GiB. */
	poke(c + 0x10, 4, 0x10000);
	poke(c + 0x14, 4, MMIO64 >> 32);
	poke(c + 0x18, 4, 0x100);
	poke(c + 0x30, 4, MMIO + 0x100000);
	g_assert_cmphex(peek(MMIO64 + 0x10000, 4), ==, UINT32_MAX);
	poke(c + 4, 2, 3);
	poke(MMIO64 + 0x10004, 4, 0x77);
	g_assert_cmphex(peek(MMIO64 + 0x10004, 4), ==, 0xc0de007b);
	g_assert_cmphex(peek(PIO + 0x104, 4), ==, 0xc0de007b);
	g_assert_cmphex(peek(PIO + 0x110, 4), ==, UINT32_MAX);
	/* The ROM has an enable of its own. */
	g_assert_cmphex(peek(MMIO + 0x100000, 4), ==, UINT32_MAX);
	poke(c + 0x30, 4, (MMIO + 0x100000) | 1);
	g_assert_cmphex(peek(MMIO + 0x100000, 4), ==, 0x55555555);
	/* Ports and memory have a bit each. */
	poke(c + 4, 2, 1);
	g_assert_cmphex(peek(MMIO64 + 0x10004, 4), ==, UINT32_MAX);
	g_assert_cmphex(peek(PIO + 0x104, 4), ==, 0xc0de007b);
	/* Moved; and out of every window: nowhere. */
	poke(c + 4, 2, 2);
	poke(c + 0x10, 4, 0x20000);
	g_assert_cmphex(peek(MMIO64 + 0x20000, 4), ==, 0xc0de0077);
	g_assert_cmphex(peek(MMIO64 + 0x10000, 4), ==, UINT32_MAX);
	poke(c + 0x10, 4, RAM);
	poke(c + 0x14, 4, 0);
	g_assert_cmphex(peek(RAM, 4), ==, 0);
	rig_stop();
}

/* ---- bus mastering ---- */

static int card_dma(const struct card *c, uint64_t addr, uint32_t value)
{
	return c->host->dma_write(c->ops->dma(c->fn), addr, &value, sizeof(value));
}

static void test_master(void)
{
	start(one_card);
	g_assert_cmpint(card_dma(cards[0], RAM, 1), !=, BP_OK);
	g_assert_cmphex(peek(RAM, 4), ==, 0);
	poke(cfg(0, 3, 0, 4), 2, 4);
	g_assert_cmpint(card_dma(cards[0], RAM, 0x1234), ==, BP_OK);
	g_assert_cmphex(peek(RAM, 4), ==, 0x1234);
	uint64_t len = 4096;
	void *p = cards[0]->host->dma_map(cards[0]->ops->dma(cards[0]->fn), RAM, &len, 1);
	g_assert_nonnull(p);
	cards[0]->host->dma_unmap(cards[0]->ops->dma(cards[0]->fn), p, len, 0);
	poke(cfg(0, 3, 0, 4), 2, 0);
	g_assert_null(cards[0]->host->dma_map(cards[0]->ops->dma(cards[0]->fn), RAM, &len, 1));
	rig_stop();
}

/* ---- interrupts ---- */

static void intx(const struct card *c, int level)
{
	c->ops->intx(c->fn, level);
}

static void test_intx(void)
{
	start("[a]\ntype = \"test-card\"\nbus = \"pci\"\nslot = \"3\"\n"
	      "[b]\ntype = \"test-card\"\nbus = \"pci\"\nslot = \"7\"\n"
	      "[c]\ntype = \"test-card\"\nbus = \"pci\"\nslot = \"8\"\n");
	uint64_t a = cfg(0, 3, 0, 0);
	intx(cards[0], 1);
	g_assert_cmphex(rig_wires, ==, 1 << 3);
	g_assert_cmphex(peek(a + 6, 2) & 8, ==, 8);
	intx(cards[1], 1);
	intx(cards[2], 1);
	g_assert_cmphex(rig_wires, ==, 1 << 3 | 1);
	intx(cards[0], 0);
	g_assert_cmphex(rig_wires, ==, 1 << 3 | 1); /* shared with b */
	poke(cfg(0, 7, 0, 4), 2, 0x400);
	g_assert_cmphex(rig_wires, ==, 1);
	g_assert_cmphex(peek(cfg(0, 7, 0, 6), 2) & 8, ==, 8);
	poke(cfg(0, 7, 0, 4), 2, 0);
	g_assert_cmphex(rig_wires, ==, 1 << 3 | 1);
	machine_reset(rig.m);
	g_assert_cmphex(rig_wires, ==, 0);
	g_assert_cmphex(peek(cfg(0, 7, 0, 6), 2) & 8, ==, 0);
	rig_stop();
}

static void test_msi(void)
{
	start(one_card);
	uint64_t c = cfg(0, 3, 0, 0);
	unsigned at = capability(c, 5, 0);
	struct card *card = cards[0];
	g_assert_cmphex(peek(c + at + 2, 2), ==, 0x184);
	g_assert_cmpint(card->ops->message(card->fn, 0), ==, 0);
	poke(c + 4, 2, 4);
	poke(c + at + 4, 4, RAM + 0x100);
	poke(c + at + 12, 2, 0x4a40);
	poke(c + at + 2, 2, 1 | 2 << 4);
	g_assert_cmpint(card->ops->message_mode(card->fn), ==, 1);
	g_assert_cmpint(card->ops->message(card->fn, 3), ==, 1);
	g_assert_cmphex(peek(RAM + 0x100, 4), ==, 0x4a43);
	/* Masked: it waits. */
	poke(c + at + 16, 4, 2);
	card->ops->message(card->fn, 1);
	g_assert_cmphex(peek(RAM + 0x100, 4), ==, 0x4a43);
	g_assert_cmphex(peek(c + at + 20, 4), ==, 2);
	poke(c + at + 16, 4, 0);
	g_assert_cmphex(peek(RAM + 0x100, 4), ==, 0x4a41);
	g_assert_cmphex(peek(c + at + 20, 4), ==, 0);
	/* One vector allowed: all use it. */
	poke(c + at + 2, 2, 1);
	card->ops->message(card->fn, 3);
	g_assert_cmphex(peek(RAM + 0x100, 4), ==, 0x4a40);
	/* No bus master, no message. */
	poke(RAM + 0x100, 4, 0);
	poke(c + 4, 2, 0);
	card->ops->message(card->fn, 0);
	g_assert_cmphex(peek(RAM + 0x100, 4), ==, 0);
	rig_stop();
}

static void test_msix(void)
{
	start(one_card);
	uint64_t c = cfg(0, 3, 0, 0), table = MMIO + 0x4000, pending = table + 0x800;
	unsigned at = capability(c, 0x11, 0);
	struct card *card = cards[0];
	g_assert_cmphex(peek(c + at + 2, 2), ==, 4);
	g_assert_cmphex(peek(c + at + 4, 4), ==, 0x4003);
	g_assert_cmphex(peek(c + at + 8, 4), ==, 0x4803);
	poke(c + 0x1c, 4, MMIO);
	poke(c + 4, 2, 6);
	g_assert_cmphex(peek(table + 12, 4), ==, 1);
	g_assert_cmphex(peek(MMIO + 0x3ffc, 4), ==, 0xc0de3ffc);
	for (unsigned n = 0; n < 5; n++) {
		poke(table + 16 * n, 8, RAM + 0x200 + 4 * n);
		poke(table + 16 * n + 8, 4, 0x1000 + n);
	}
	poke(table + 12, 4, UINT32_MAX);
	g_assert_cmphex(peek(table + 12, 4), ==, 1);
	poke(table + 16 * 5, 4, 0x55); /* behind the end */
	g_assert_cmphex(peek(table + 16 * 5, 4), ==, 0);
	poke(c + at + 2, 2, 0x8000);
	/* A masked vector waits, and comes when it is not masked any more. */
	g_assert_cmpint(card->ops->message(card->fn, 2), ==, 1);
	g_assert_cmphex(peek(RAM + 0x208, 4), ==, 0);
	g_assert_cmphex(peek(pending, 4), ==, 4);
	poke(table + 16 * 2 + 12, 4, 0);
	g_assert_cmphex(peek(RAM + 0x208, 4), ==, 0x1002);
	g_assert_cmphex(peek(pending, 4), ==, 0);
	/* All of them. */
	poke(c + at + 2, 2, 0xc000);
	poke(RAM + 0x208, 4, 0);
	card->ops->message(card->fn, 2);
	g_assert_cmphex(peek(RAM + 0x208, 4), ==, 0);
	poke(c + at + 2, 2, 0x8000);
	g_assert_cmphex(peek(RAM + 0x208, 4), ==, 0x1002);
	card->ops->message(card->fn, 77);
	/* With messages on, the wire is silent. */
	intx(card, 1);
	g_assert_cmphex(rig_wires, ==, 0);
	poke(c + at + 2, 2, 0);
	g_assert_cmphex(rig_wires, ==, 1 << 3);
	rig_stop();
}

/* ---- bridges ---- */

static const char tree[] = "[outer]\ntype = \"pci-bridge\"\nbus = \"pci\"\nslot = \"6\"\n"
			   "[inner]\ntype = \"pci-bridge\"\nbus = \"outer\"\nslot = \"5\"\n"
			   "[card]\ntype = \"test-card\"\nbus = \"inner\"\nslot = \"9\"\n";

static void number(uint64_t c, unsigned primary, unsigned secondary, unsigned subordinate)
{
	poke(c + 0x18, 4, primary | secondary << 8 | subordinate << 16);
}

static void open_bridge(uint64_t c)
{
	poke(c + 0x1c, 2, 0x2010); /* ports 1000..2fff */
	poke(c + 0x20, 4, 0x40104000); /* 40000000..401fffff */
	poke(c + 0x24, 4, 0x00100000);
	poke(c + 0x28, 4, MMIO64 >> 32);
	poke(c + 0x2c, 4, MMIO64 >> 32);
	poke(c + 4, 2, 7);
}

static void test_bridges(void)
{
	start(tree);
	uint64_t outer = cfg(0, 6, 0, 0), inner = cfg(1, 5, 0, 0), c = cfg(2, 9, 0, 0);
	g_assert_cmphex(peek(outer + 0x0e, 1), ==, 1);
	g_assert_cmphex(peek(inner, 4), ==, UINT32_MAX);
	number(outer, 0, 1, 2);
	g_assert_cmphex(peek(inner + 10, 2), ==, 0x0604);
	g_assert_cmphex(peek(c, 4), ==, UINT32_MAX);
	number(inner, 1, 2, 2);
	g_assert_cmphex(peek(c, 4), ==, 0x56781234);
	/* Behind a conventional bridge there is no PCI Express. */
	g_assert_cmpuint(capability(c, 0x10, 0), ==, 0);
	poke(c + 0x1c, 4, MMIO + 0x100000);
	poke(c + 0x18, 4, 0x1100);
	poke(c + 0x10, 4, 0x8000);
	poke(c + 0x14, 4, MMIO64 >> 32);
	poke(c + 4, 2, 7);
	g_assert_cmphex(peek(MMIO + 0x100000, 4), ==, UINT32_MAX);
	open_bridge(outer);
	g_assert_cmphex(peek(MMIO + 0x100000, 4), ==, UINT32_MAX);
	open_bridge(inner);
	g_assert_cmphex(peek(MMIO + 0x100000, 4), ==, 0xc0de0000);
	g_assert_cmphex(peek(PIO + 0x1104, 4), ==, 0xc0de0004);
	g_assert_cmphex(peek(MMIO64 + 0x8008, 4), ==, 0xc0de0008);
	/* Each bridge has to forward. */
	poke(outer + 0x20, 4, 0x40004000);
	g_assert_cmphex(peek(MMIO + 0x100000, 4), ==, UINT32_MAX);
	g_assert_cmphex(peek(MMIO64 + 0x8008, 4), ==, 0xc0de0008);
	poke(outer + 4, 2, 6);
	g_assert_cmphex(peek(PIO + 0x1104, 4), ==, UINT32_MAX);
	/* ... and to let the card be master. */
	g_assert_cmpint(card_dma(cards[0], RAM, 5), ==, BP_OK);
	poke(inner + 4, 2, 3);
	g_assert_cmpint(card_dma(cards[0], RAM, 6), !=, BP_OK);
	g_assert_cmphex(peek(RAM, 4), ==, 5);
	/* INTA of 9 is B of the inner, which is 5: C of the outer, which is 6: A. */
	intx(cards[0], 1);
	g_assert_cmphex(rig_wires, ==, 1 << (9 + 5 + 6) % 4);
	/* A reset of the bus behind. */
	poke(outer + 0x3e, 2, 0x40);
	g_assert_cmphex(rig_wires, ==, 0);
	g_assert_cmpuint(cards[0]->resets, ==, 1);
	poke(outer + 0x3e, 2, 0);
	g_assert_cmphex(peek(inner, 4), !=, UINT32_MAX);
	g_assert_cmphex(peek(inner + 0x18, 4), ==, 0);
	rig_stop();
}

static void test_function_reset(void)
{
	start(one_card);
	uint64_t c = cfg(0, 3, 0, 0);
	unsigned exp = capability(c, 0x10, 0);
	poke(c + 0x1c, 4, MMIO);
	poke(c + 4, 2, 2);
	poke(c + exp + 8, 2, 0x8000);
	g_assert_cmpuint(cards[0]->resets, ==, 1);
	g_assert_cmphex(peek(c + 4, 2), ==, 0);
	g_assert_cmphex(peek(c + 0x1c, 4), ==, 0);
	g_assert_cmphex(peek(c + exp + 8, 2), ==, 0x2810);
	g_assert_cmphex(peek(MMIO, 4), ==, UINT32_MAX);
	rig_stop();
}

/* ---- a slot ---- */

static void test_slot(void)
{
	start("[port]\ntype = \"pcie-root-port\"\nbus = \"pci\"\nslot = \"4\"\nnumber = 21\n"
	      "[card]\ntype = \"test-card\"\nbus = \"port\"\n");
	uint64_t port = cfg(0, 4, 0, 0), c = cfg(1, 0, 0, 0);
	unsigned exp = capability(port, 0x10, 0);
	g_assert_cmphex(peek(port + exp + 2, 2), ==, 0x142);
	g_assert_cmpuint(peek(port + exp + 0x14, 4) >> 19, ==, 21);
	g_assert_cmphex(peek(port + exp + 0x1a, 2), ==, 0x40);
	number(port, 0, 1, 1);
	g_assert_cmphex(peek(c, 4), ==, 0x56781234);
	/* Power off: the card is silent and has forgotten everything. */
	poke(port + exp + 0x18, 2, 0x1429);
	g_assert_cmphex(peek(c, 4), ==, UINT32_MAX);
	g_assert_cmpuint(cards[0]->resets, ==, 1);
	g_assert_cmphex(peek(port + exp + 0x12, 2) & 0x2000, ==, 0);
	g_assert_cmphex(peek(port + exp + 0x1a, 2), ==, 0x150);
	g_assert_cmphex(rig_wires, ==, 1 << 0);
	poke(port + exp + 0x1a, 2, 0x1ff);
	g_assert_cmphex(rig_wires, ==, 0);
	poke(port + exp + 0x18, 2, 0x1029);
	g_assert_cmphex(peek(port + exp + 0x1a, 2), ==, 0x150);
	g_assert_cmphex(peek(c, 4), ==, 0x56781234);
	rig_stop();
}

/* ---- state ---- */

static void test_state(void)
{
	struct error_list errors = { 0 };
	char *file = g_build_filename(g_get_tmp_dir(), "backplane-pci-test.state", NULL);
	start(tree);
	uint64_t outer = cfg(0, 6, 0, 0), inner = cfg(1, 5, 0, 0), c = cfg(2, 9, 0, 0);
	number(outer, 0, 1, 2);
	number(inner, 1, 2, 2);
	open_bridge(outer);
	open_bridge(inner);
	poke(c + 0x1c, 4, MMIO + 0x100000);
	poke(c + 4, 2, 6);
	poke(MMIO + 0x104008, 4, 0xabc);
	cards[0]->ops->message(cards[0]->fn, 0);
	intx(cards[0], 1);
	unsigned wires = rig_wires;
	g_assert_cmphex(wires, !=, 0);
	g_assert_cmpint(machine_save(rig.m, file, &errors), ==, 0);
	machine_reset(rig.m);
	g_assert_cmphex(rig_wires, ==, 0);
	g_assert_cmphex(peek(MMIO + 0x104008, 4), ==, UINT32_MAX);
	g_assert_cmpint(machine_restore(rig.m, file, &errors), ==, 0);
	rig_wires = wires; /* whoever is at the other end restores what it saw */
	g_assert_cmphex(peek(MMIO + 0x104008, 4), ==, 0xabc);
	g_assert_cmphex(peek(MMIO + 0x100000, 4), ==, 0xc0de0000);
	intx(cards[0], 0);
	g_assert_cmphex(rig_wires, ==, 0);
	rig_stop();
	g_unlink(file);
	g_free(file);
}

/* ---- wrong machines ---- */

static void test_wrong(void)
{
	static const struct {
		const char *more, *words;
	} cases[] = {
		{ "[card]\ntype = \"test-card\"\nbus = \"pci\"\nslot = \"32\"\n",
			"a device up to 31" },
		{ "[card]\ntype = \"test-card\"\nbus = \"pci\"\nslot = \"1.8\"\n", "up to 7" },
		{ "[card]\ntype = \"test-card\"\nbus = \"pci\"\nslot = \"-1\"\n",
			"DEVICE.FUNCTION" },
		{ "[card]\ntype = \"test-card\"\nbus = \"pci\"\nslot = \"0\"\n", "taken by pci" },
		{ "[card]\ntype = \"test-card\"\nbus = \"pci\"\nslot = \"4.1\"\n",
			"nobody finds it" },
		{ "[card]\ntype = \"test-card\"\nbus = \"port\"\nslot = \"1\"\n"
		  "[port]\ntype = \"pcie-root-port\"\nbus = \"pci\"\n",
			"a device up to 0" },
		{ "[a]\ntype = \"pci-bridge\"\nbus = \"b\"\n[b]\ntype = \"pci-bridge\"\nbus = "
		  "\"a\"\n",
			"behind no host bridge" },
		{ "[a]\ntype = \"pci-bridge\"\n", "behind no host bridge" },
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(cases); i++) {
		char *message = NULL;
		card_count = 0;
		g_assert_null(rig_start(cases[i].more, &message));
		if (!strstr(message, cases[i].words))
			g_error("\"%s\" is not in: %s", cases[i].words, message);
		g_free(message);
		rig_stop();
	}
}

/* Every register written and read with anything; whatever it does, it answers. */
static void test_anything(void)
{
	start(tree);
	GRand *r = g_rand_new_with_seed(20261121);
	for (unsigned i = 0; i < 30000; i++) {
		unsigned bytes = 1u << g_rand_int_range(r, 0, 3);
		uint64_t at = cfg((unsigned)g_rand_int_range(r, 0, 3),
				      (unsigned)g_rand_int_range(r, 0, 10), 0,
				      (unsigned)g_rand_int_range(r, 0, 256)) &
			~(uint64_t)(bytes - 1);
		poke(at, bytes, g_rand_int(r));
		peek(at, bytes);
		if (i % 64 == 0) {
			number(cfg(0, 6, 0, 0), 0, 1, 2);
			number(cfg(1, 5, 0, 0), 1, 2, 2);
		}
		cards[0]->ops->message(cards[0]->fn, i % 8);
		intx(cards[0], i & 1);
	}
	g_rand_free(r);
	rig_stop();
}

int main(int argc, char **argv)
{
	static const char *const names[] = { "pci-host-ecam-generic", "pci-bridge",
		"pcie-root-port", NULL };
	g_test_init(&argc, &argv, NULL);
	rig_types(own_types, names, argv[1]);
	g_test_add_func("/pci/identity", test_identity);
	g_test_add_func("/pci/capabilities", test_capabilities);
	g_test_add_func("/pci/bars", test_bars);
	g_test_add_func("/pci/master", test_master);
	g_test_add_func("/pci/intx", test_intx);
	g_test_add_func("/pci/msi", test_msi);
	g_test_add_func("/pci/msix", test_msix);
	g_test_add_func("/pci/bridges", test_bridges);
	g_test_add_func("/pci/function-reset", test_function_reset);
	g_test_add_func("/pci/slot", test_slot);
	g_test_add_func("/pci/state", test_state);
	g_test_add_func("/pci/wrong", test_wrong);
	g_test_add_func("/pci/anything", test_anything);
	return g_test_run();
}
