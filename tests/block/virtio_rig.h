/* SPDX-License-Identifier: MIT */
/* A machine with one virtio-mmio transport, and a small driver for split rings of several queues. */
#ifndef TESTS_BLOCK_VIRTIO_RIG_H
#define TESTS_BLOCK_VIRTIO_RIG_H
#include "find_types.h"
#include "machine/internal.h"
#include "machine/machine.h"
#include "sched/sched.h"
#include "virtio_driver.h"
#include <glib/gstdio.h>
#include <stdio.h>
#include <string.h>

enum { RING = 8, RIG_QUEUES = 5 };
#define CONFIG (MMIO + 0x100)

static struct rig {
	struct toml_value *desc;
	struct machine *m;
	struct error_list errors;
	uint64_t features;
	uint16_t avail[RIG_QUEUES], used[RIG_QUEUES];
} x;

static void rig_start(const char *objects)
{
	memset(&x, 0, sizeof(x));
	char *text = g_strdup_printf(
		"[sys]\ntype = \"space\"\n[ram]\ntype = \"ram\"\nsize = \"4M\"\nat = 0x8000_0000\n"
		"[drv]\ntype = \"test-driver\"\ndma = \"sys\"\n"
		"[virtio]\ntype = \"virtio-mmio\"\nat = 0x1000_1000\nirq = \"drv:irq\"\n"
		"dma = \"sys\"\n%s\n",
		objects);
	x.desc = toml_parse("test", text, strlen(text), &x.errors);
	g_free(text);
	x.m = x.desc ? machine_plan(x.desc, &x.errors) : NULL;
	if (!x.m || machine_build(x.m, &x.errors) != 0)
		error_list_print(&x.errors, stderr);
	g_assert_cmpuint(x.errors.total, ==, 0);
	machine_reset(x.m);
	driver = instance_find(x.m, "drv")->object->instance;
}

static void rig_stop(void)
{
	machine_destroy(x.m);
	toml_destroy(x.desc);
	error_list_finish(&x.errors);
}

/* Each queue has a page: descriptors, what is available, what is used. */
static uint64_t ring(unsigned queue)
{
	return RAM + 0x1000 * (queue + 1);
}

static void set_up(uint64_t features, unsigned queues)
{
	reg(0x70, 0);
	memset(x.avail, 0, sizeof(x.avail));
	memset(x.used, 0, sizeof(x.used));
	for (uint64_t a = RAM; a < RAM + 0x8000; a += 8)
		put(a, 0, 8);
	reg(0x70, 3);
	x.features = 0;
	for (unsigned n = 0; n < 2; n++) {
		reg(0x14, n);
		x.features |= (uint64_t)reg_of(0x10) << 32 * n;
	}
	x.features &= features;
	for (unsigned n = 0; n < 2; n++) {
		reg(0x24, n);
		reg(0x20, (uint32_t)(x.features >> 32 * n));
	}
	reg(0x70, 11);
	g_assert_cmpuint(reg_of(0x70), ==, 11);
	for (unsigned q = 0; q < queues; q++) {
		reg(0x30, q);
		reg(0x38, RING);
		for (unsigned n = 0; n < 3; n++)
			reg(0x80 + 16 * n, (uint32_t)(ring(q) + 0x400 * n));
		reg(0x44, 1);
	}
	reg(0x70, 15);
}

/* Pieces into descriptors from `at` on; rings of several chains at once need different ones. */
static void offer(unsigned queue, unsigned at, const struct piece *p, unsigned count)
{
	uint64_t avail = ring(queue) + 0x400;
	for (unsigned n = 0; n < count; n++) {
		uint64_t d = ring(queue) + 16 * (at + n);
		put(d, p[n].addr, 8);
		put(d + 8, p[n].len, 4);
		put(d + 12, (n + 1 < count) | (p[n].writable ? 2 : 0), 2);
		put(d + 14, at + n + 1, 2);
	}
	put(avail + 4 + 2 * (x.avail[queue] % RING), at, 2);
	put(avail + 2, ++x.avail[queue], 2);
	reg(0x50, queue);
}

static bool is_used(unsigned queue)
{
	return (uint16_t)get(ring(queue) + 0x802, 2) != x.used[queue];
}

/* The length that the device gave, or -1: it wants a reset. */
static int64_t wait_used(unsigned queue)
{
	for (unsigned tries = 0; tries < 5000; tries++) {
		if (is_used(queue))
			return (int64_t)get(
				ring(queue) + 0x804 + 8 * (x.used[queue]++ % RING) + 4, 4);
		if (reg_of(0x70) & NEEDS_RESET)
			return -1;
		g_usleep(1000);
	}
	g_assert_not_reached();
}

#endif
