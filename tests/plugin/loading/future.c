/* SPDX-License-Identifier: MIT */
/* A plugin as a later minor version of the ABI would build it: every table element and the descriptor
 * have grown. This core sees what it knows. */
#include <backplane/plugin.h>

struct wide_field {
	struct bp_field field;
	uint64_t extra[2];
};
struct wide_pin {
	struct bp_pin pin;
	uint64_t extra;
};
struct wide_reg {
	struct bp_reg reg;
	uint64_t extra;
};
struct wide_region {
	struct bp_region region;
	uint64_t extra;
};
struct wide_type {
	struct bp_type type;
	uint64_t extra[3];
};
struct wide_object {
	struct bp_object object;
	void *extra[4];
};
struct wide_plugin {
	struct bp_plugin plugin;
	void *extra[4];
};

struct future {
	const struct bp_host *host;
	uint32_t one, two, ctrl;
	bp_line *irq;
};

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct future *f = self;
	f->host = host;
	return host->fail(err, "one is %u, two is %u", f->one, f->two);
}

static void set(void *self, unsigned n, int level)
{
	(void)self;
	(void)n;
	(void)level;
}

static const struct wide_field props[] = {
	{ .field = { BP_PROP(struct future, one, BP_U32, "one"), .def = 1 },
		.extra = { ~0u, ~0u } },
	{ .field = { BP_PROP(struct future, two, BP_U32, "two"), .def = 2 },
		.extra = { ~0u, ~0u } },
	{ .field = { 0 } },
};
static const struct wide_reg regs[] = {
	{ .reg = { .name = "A", .field = BP_REG_NO_FIELD, .bytes = 4 }, .extra = ~0u },
	{ .reg = { .name = "B", .offset = 4, .field = offsetof(struct future, ctrl), .bytes = 4 } },
	{ .reg = { 0 } },
};
static const struct wide_region regions[] = {
	{ .region = { .name = "first", .size = 16, .regs = &regs[0].reg }, .extra = ~0u },
	{ .region = { .name = "second", .size = 16, .regs = &regs[0].reg } },
	{ .region = { 0 } },
};
static const struct wide_pin in[] = {
	{ .pin = { .name = "first", .set = set }, .extra = ~0u },
	{ .pin = { .name = "second", .set = set } },
	{ .pin = { 0 } },
};
static const struct wide_pin out[] = {
	{ .pin = { .name = "irq", .offset = offsetof(struct future, irq) }, .extra = ~0u },
	{ .pin = { 0 } },
};
static const struct wide_object object = {
	.object = { .size = sizeof(struct wide_object),
		.instance_size = sizeof(struct future),
		.props = &props[0].field,
		.regions = &regions[0].region,
		.in = &in[0].pin,
		.out = &out[0].pin,
		.create = create },
};
static const struct wide_type types[] = {
	{ .type = { .id = "first", .kind = BP_KIND_DEVICE, .object = &object.object } },
	{ .type = { .id = "future", .kind = BP_KIND_DEVICE, .object = &object.object } },
	{ .type = { 0 } },
};

extern __attribute__((visibility("default"))) const struct wide_plugin bp_plugin_1;
const struct wide_plugin bp_plugin_1 = {
	.plugin = { .size = sizeof(struct wide_plugin),
		.abi_minor = 70,
		.type_size = sizeof(struct wide_type),
		.field_size = sizeof(struct wide_field),
		.region_size = sizeof(struct wide_region),
		.reg_size = sizeof(struct wide_reg),
		.pin_size = sizeof(struct wide_pin),
		.cpu_reg_size = sizeof(struct bp_cpu_reg),
		.helper_size = sizeof(struct bp_helper),
		.name = "future",
		.types = &types[0].type },
};
