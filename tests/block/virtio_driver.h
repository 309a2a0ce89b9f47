/* SPDX-License-Identifier: MIT */
/* The guest's end of a virtio-mmio transport: memory, registers, an interrupt that is counted. */
#ifndef TESTS_BLOCK_VIRTIO_DRIVER_H
#define TESTS_BLOCK_VIRTIO_DRIVER_H
#include <backplane/plugin.h>
#include <glib.h>
#include <stdbool.h>

enum { NEEDS_RESET = 64 };
#define RAM       UINT64_C(0x80000000)
#define MMIO      UINT64_C(0x10001000)
#define F_VERSION (UINT64_C(1) << 32)

struct test_driver {
	const struct bp_host *host;
	bp_dma *dma;
	unsigned interrupts;
};
static struct test_driver *driver; /* the machine's object "drv" */

struct piece {
	uint64_t addr;
	uint32_t len;
	bool writable;
};

static void driver_irq(void *self, unsigned n, int level)
{
	struct test_driver *d = self;
	(void)n;
	d->interrupts += level != 0;
}

static int driver_create(void *self, const struct bp_host *host, bp_error *err)
{
	(void)err;
	((struct test_driver *)self)->host = host;
	return 0;
}

static const char *const link_dma[] = { "bp.dma/1", NULL };
static const struct bp_field driver_props[] = {
	{ BP_PROP(struct test_driver, dma, BP_LINK, "dma"), .names = link_dma },
	{ 0 },
};
static const struct bp_pin driver_in[] = { { .name = "irq", .count = 1, .set = driver_irq },
	{ 0 } };
static const struct bp_object driver_object = { .size = sizeof(driver_object),
	.instance_size = sizeof(struct test_driver),
	.props = driver_props,
	.in = driver_in,
	.create = driver_create };
static const struct bp_type driver_types[] = {
	{ "test-driver", "a driver of this test", BP_KIND_DEVICE, 0, &driver_object, NULL }, { 0 }
};

static void put(uint64_t addr, uint64_t value, unsigned bytes)
{
	g_assert_cmpint(driver->host->dma_write(driver->dma, addr, &value, bytes), ==, BP_OK);
}

static uint64_t get(uint64_t addr, unsigned bytes)
{
	uint64_t value = 0;
	g_assert_cmpint(driver->host->dma_read(driver->dma, addr, &value, bytes), ==, BP_OK);
	return value;
}

static void reg(unsigned offset, uint32_t value)
{
	put(MMIO + offset, value, 4);
}

static uint32_t reg_of(unsigned offset)
{
	return (uint32_t)get(MMIO + offset, 4);
}

#endif
