/* SPDX-License-Identifier: MIT */
/* A plugin with one fault, which the build chooses: see the table in meson.build. */
#ifndef SYMBOL
#define SYMBOL bp_plugin_1
#endif
#ifndef SIZE
#define SIZE sizeof(struct bp_plugin)
#endif
#ifndef FIELD_SIZE
#define FIELD_SIZE sizeof(struct bp_field)
#endif
#ifndef INSTANCE
#define INSTANCE sizeof(struct faulty)
#endif
#ifndef PROP
#define PROP                                                                                       \
	{                                                                                          \
		BP_PROP(struct faulty, number, BP_U32, "number")                                   \
	}
#endif
#ifndef STATE
#define STATE                                                                                      \
	{                                                                                          \
		BP_FIELD(struct faulty, number, BP_U32)                                            \
	}
#endif
#ifndef REGION
#define REGION                                                                                     \
	{                                                                                          \
		.name = "regs", .size = 16, .regs = regs                                           \
	}
#endif
#ifndef REG
#define REG                                                                                        \
	{                                                                                          \
		.name = "R", .field = offsetof(struct faulty, number), .bytes = 4                  \
	}
#endif
#ifndef PIN
#define PIN                                                                                        \
	{                                                                                          \
		.name = "in", .set = set                                                           \
	}
#endif
#ifndef KIND
#define KIND BP_KIND_DEVICE
#endif
#ifndef OBJECT
#define OBJECT &object
#endif
#include <backplane/plugin.h>
#include <backplane/trace.h>

struct faulty {
	uint32_t number;
	bp_line *line;
};

void set(void *self, unsigned n, int level);
__attribute__((visibility("hidden"))) void set(void *self, unsigned n, int level)
{
	(void)self;
	(void)n;
	(void)level;
}

__attribute__((unused)) static const char *const nothing[] = { NULL };
__attribute__((unused)) static const struct bp_tracer tracer = { .size = sizeof(tracer),
	.events = BP_TRACE_EXEC };
__attribute__((unused)) static const struct bp_reg regs[] = { REG, { 0 } };
static const struct bp_field props[] = { PROP, { 0 } };
static const struct bp_field state[] = { STATE, { 0 } };
static const struct bp_region regions[] = { REGION, { 0 } };
static const struct bp_pin in[] = { PIN, { 0 } };
__attribute__((unused)) static const struct bp_object object = {
	.size = sizeof(struct bp_object),
	.instance_size = INSTANCE,
	.props = props,
	.state = state,
	.regions = regions,
	.in = in,
};
static const struct bp_type types[] = {
	{ .id = "faulty",
		.summary = "has a fault",
		.kind = KIND,
		.object = OBJECT,
		.ext = &tracer },
	{ 0 },
};

extern __attribute__((visibility("default"))) const struct bp_plugin SYMBOL;
const struct bp_plugin SYMBOL = { .size = SIZE,
	.abi_minor = BP_ABI_MINOR,
	.type_size = sizeof(struct bp_type),
	.field_size = FIELD_SIZE,
	.region_size = sizeof(struct bp_region),
	.reg_size = sizeof(struct bp_reg),
	.pin_size = sizeof(struct bp_pin),
	.cpu_reg_size = sizeof(struct bp_cpu_reg),
	.helper_size = sizeof(struct bp_helper),
	.name = "faulty",
	.license = "MIT",
	.types = types };
