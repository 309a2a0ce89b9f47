/* SPDX-License-Identifier: MIT */
/* A device with nothing but a drive, which a test drives. */
#ifndef BLOCK_TEST_DISK_H
#define BLOCK_TEST_DISK_H
#include <backplane/blk.h>
#include <backplane/plugin.h>

struct device {
	const struct bp_link *blk;
	const struct bp_host *host;
	uint8_t writes;
};

static const struct bp_blk_front front = { .size = sizeof(front) };

static int device_create(void *self, const struct bp_host *host, bp_error *err)
{
	struct device *d = self;
	const struct bp_blk *blk = d->blk->ops;
	d->host = host;
	return blk->attach(d->blk->self, d, &front, d->writes, err);
}

static void device_destroy(void *self)
{
	struct device *d = self;
	if (d->host)
		((const struct bp_blk *)d->blk->ops)->detach(d->blk->self);
}

static const char *const link_blk[] = { "bp.blk/1", NULL };
static const struct bp_field props[] = {
	{ BP_PROP(struct device, blk, BP_LINK, "blk"), .names = link_blk, .flags = BP_F_REQUIRED },
	{ BP_PROP(struct device, writes, BP_BOOL, "writes") },
	{ 0 },
};
static const struct bp_object device_object = { .size = sizeof(device_object),
	.instance_size = sizeof(struct device),
	.props = props,
	.create = device_create,
	.destroy = device_destroy };
static const struct bp_type device_types[] = {
	{ "test-disk", "a device of this test", BP_KIND_DEVICE, 0, &device_object, NULL }, { 0 }
};

#endif
