/* SPDX-License-Identifier: MIT */
/* A plugin with one of everything, for tests of what stands around plugins. */
#include <backplane/chr.h>
#include <backplane/plugin.h>
#include <string.h>

struct probe {
	const struct bp_host *host;
	uint8_t flag, small;
	uint16_t middle;
	uint32_t level, mode, inputs;
	uint64_t big, size;
	int64_t delta;
	const char *label, *fail;
	bp_space *space;
	bp_dma *dma;
	bp_chr *chr;
	const struct bp_link *peer;
	struct bp_links peers;
	bp_line *irq, *bits[4], **fan;
	uint32_t fans, ctrl;
};

static const char *const modes[] = { "fast", "slow", NULL };
static const char *const spaces[] = { "bp.space/1", NULL }, *const dmas[] = { "bp.dma/1", NULL },
			 *const chrs[] = { "bp.chr/1", NULL },
			 *const probes[] = { "probe/1", NULL };
static const struct bp_field props[] = {
	{ BP_PROP(struct probe, flag, BP_BOOL, "flag"), .help = "truth" },
	{ BP_PROP(struct probe, small, BP_U8, "small"), .help = "a byte" },
	{ BP_PROP(struct probe, middle, BP_U16, "middle"), .help = "two bytes" },
	{ BP_PROP(struct probe, level, BP_U32, "level"), .flags = BP_F_RANGE, .min = 1, .max = 10,
		.def = 5, .help = "1 to 10" },
	{ BP_PROP(struct probe, big, BP_U64, "big"), .help = "eight bytes" },
	{ BP_PROP(struct probe, delta, BP_S64, "delta"), .help = "with a sign" },
	{ BP_PROP(struct probe, size, BP_SIZE, "size"), .def = 4096, .help = "bytes" },
	{ BP_PROP(struct probe, mode, BP_ENUM, "mode"), .names = modes, .help = "a word" },
	{ BP_PROP(struct probe, label, BP_STR, "label"), .def_str = "none", .help = "text" },
	{ BP_PROP(struct probe, fail, BP_STR, "fail"), .help = "what create() fails with" },
	{ BP_PROP(struct probe, inputs, BP_U32, "inputs"), .def = 4, .help = "pins called in" },
	{ BP_PROP(struct probe, space, BP_LINK, "space-link"), .names = spaces },
	{ BP_PROP(struct probe, dma, BP_LINK, "dma"), .names = dmas },
	{ BP_PROP(struct probe, chr, BP_LINK, "chr"), .names = chrs },
	{ BP_PROP(struct probe, peer, BP_LINK, "peer"), .names = probes },
	{ BP_PROP(struct probe, peers, BP_LINKS, "peers"), .names = probes },
	{ 0 },
};

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct probe *p = self;
	p->host = host;
	return p->fail ? host->fail(err, "%s", p->fail) : 0;
}

static const void *interface(void *self, const char *id)
{
	static const int nothing;
	(void)self;
	return strcmp(id, "probe/1") == 0 ? &nothing : NULL;
}

static void set(void *self, unsigned n, int level)
{
	(void)self;
	(void)n;
	(void)level;
}

static const struct bp_reg regs[] = {
	{ .name = "CTRL", .field = offsetof(struct probe, ctrl), .bytes = 4, .writable = 0xff },
	{ 0 },
};
static const struct bp_region regions[] = {
	{ .name = "regs", .size = 0x100, .regs = regs },
	{ .name = "memory",
		.size_offset = offsetof(struct probe, size),
		.flags = BP_REGION_MEMORY },
	{ 0 },
};
static const struct bp_pin out[] = {
	{ .name = "irq", .offset = offsetof(struct probe, irq), .count = 1 },
	{ .name = "bits", .offset = offsetof(struct probe, bits), .count = 4 },
	{ .name = "fan",
		.offset = offsetof(struct probe, fan),
		.flags = BP_PIN_COUNT_FROM_LINKS,
		.count_offset = offsetof(struct probe, fans) },
	{ 0 },
};
static const struct bp_pin in[] = {
	{ .name = "in", .count_offset = offsetof(struct probe, inputs), .set = set },
	{ .name = "nmi", .count = 1, .set = set },
	{ 0 },
};
static const struct bp_object probe = {
	.size = sizeof(struct bp_object),
	.instance_size = sizeof(struct probe),
	.props = props,
	.regions = regions,
	.out = out,
	.in = in,
	.create = create,
	.interface = interface,
};

/* ---- a bus with two slots, and what fits ---- */

struct cage {
	const struct bp_host *host;
};

static int cage_create(void *self, const struct bp_host *host, bp_error *err)
{
	struct cage *c = self;
	(void)err;
	c->host = host;
	return 0;
}

static int attach(void *self, const struct bp_link *child, const char *slot, bp_error *err)
{
	const struct cage *c = self;
	(void)child;
	return slot && strcmp(slot, "9") == 0 ? c->host->fail(err, "there is no slot 9") : 0;
}

static const void *cage_interface(void *self, const char *id)
{
	static const struct bp_bus bus = {
		.size = sizeof(bus), .slots = 2, .child_interface = "probe-card/1", .attach = attach
	};
	(void)self;
	return strcmp(id, "bp.bus/1") == 0 ? &bus : NULL;
}

static const void *card_interface(void *self, const char *id)
{
	static const int nothing;
	(void)self;
	return strcmp(id, "probe-card/1") == 0 ? &nothing : NULL;
}

static const struct bp_object cage = {
	.size = sizeof(struct bp_object),
	.instance_size = sizeof(struct cage),
	.create = cage_create,
	.interface = cage_interface,
};
static const struct bp_object card = {
	.size = sizeof(struct bp_object),
	.instance_size = sizeof(struct cage),
	.interface = card_interface,
};
static const struct bp_object open_cage = {
	.size = sizeof(struct bp_object),
	.instance_size = sizeof(struct cage),
	.threads = BP_PARALLEL,
	.create = cage_create,
	.interface = cage_interface,
};

/* ---- an object that must be told something ---- */

struct needy {
	uint32_t number;
};
static const struct bp_field needy_props[] = {
	{ BP_PROP(struct needy, number, BP_U32, "number"), .flags = BP_F_REQUIRED,
		.help = "how many" },
	{ 0 },
};
static const struct bp_object needy = {
	.size = sizeof(struct bp_object),
	.instance_size = sizeof(struct needy),
	.props = needy_props,
};

static const struct bp_type types[] = {
	{ .id = "probe", .summary = "one of everything", .kind = BP_KIND_DEVICE, .object = &probe },
	{ .id = "probe-cage", .summary = "a bus", .kind = BP_KIND_BUS, .object = &cage },
	{ .id = "probe-open-cage",
		.summary = "a bus without a lock",
		.kind = BP_KIND_BUS,
		.object = &open_cage },
	{ .id = "probe-card", .summary = "a card", .kind = BP_KIND_DEVICE, .object = &card },
	{ .id = "probe-needy",
		.summary = "needs a number",
		.kind = BP_KIND_DEVICE,
		.object = &needy },
	{ 0 },
};

BP_PLUGIN(probe) = { BP_PLUGIN_HEAD, .name = "probe", .version = "1", .license = "MIT",
	.types = types };
