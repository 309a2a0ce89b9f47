/* SPDX-License-Identifier: MIT */
/* SiFive's test finisher: one register that ends or restarts the machine. Low half: what to do; high
 * half: the code of a failure. */
#include <backplane/fdt.h>
#include <backplane/plugin.h>
#include <string.h>

enum { FAIL = 0x3333, PASS = 0x5555, RESET = 0x7777, SIZE = 0x1000 };

struct finisher {
	const struct bp_host *host;
};

static void write_finish(void *self, unsigned n, uint64_t was, uint64_t now, uint64_t raw)
{
	struct finisher *f = self;
	int code = (int)(raw >> 16 & 0xffff);
	(void)n;
	(void)was;
	(void)now;
	switch (raw & 0xffff) {
	case PASS: f->host->request(f, BP_REQ_POWEROFF, 0); break;
	case FAIL: f->host->request(f, BP_REQ_POWEROFF, code ? code : 1); break;
	case RESET: f->host->request(f, BP_REQ_RESET, 0); break;
	default: break;
	}
}

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	(void)err;
	((struct finisher *)self)->host = host;
	return 0;
}

/* ---- tables ---- */

static const struct bp_reg regs[] = {
	{ .name = "FINISH",
		.help = "0x5555: power off, 0x3333: fail with the code in 31:16, 0x7777: reset",
		.offset = 0,
		.bytes = 4,
		.flags = BP_REG_WRITE_ONLY,
		.field = BP_REG_NO_FIELD,
		.write = write_finish },
	{ 0 },
};
static const struct bp_region regions[] = {
	{ .name = "regs", .size = SIZE, .regs = regs },
	{ 0 },
};

/* Drivers find it through the generic nodes for a register that powers off or restarts. */
static void describe(void *self, const struct bp_fdt_writer *w, void *node)
{
	static const struct {
		const char *name, *compatible;
		uint32_t value;
	} uses[] = { { "poweroff", "syscon-poweroff", PASS },
		{ "reboot", "syscon-reboot", RESET } };
	const uint32_t regmap = w->phandle(node, self), offset = 0;
	for (unsigned i = 0; i < sizeof(uses) / sizeof(uses[0]); i++) {
		void *use = w->root_child(node, uses[i].name);
		w->string(use, "compatible", uses[i].compatible);
		w->u32s(use, "regmap", &regmap, 1);
		w->u32s(use, "offset", &offset, 1);
		w->u32s(use, "value", &uses[i].value, 1);
		w->end_child(use);
	}
}

static const char *const compatible[] = { "sifive,test1", "sifive,test0", "syscon", NULL };
static const struct bp_fdt_node fdt_node = {
	.size = sizeof(fdt_node),
	.name = "test",
	.compatible = compatible,
	.describe = describe,
};

static const void *interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.fdt-node/1") ? NULL : &fdt_node;
}

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct finisher),
	.threads = BP_PARALLEL,
	.state_version = 1,
	.state_oldest = 1,
	.regions = regions,
	.create = create,
	.interface = interface,
};

static const struct bp_type types[] = {
	{ "sifive,test", "test finisher: power off, reset, exit code", BP_KIND_DEVICE, 0, &object,
		NULL },
	{ 0 },
};

BP_PLUGIN(dev_sifive) = {
	BP_PLUGIN_HEAD,
	.name = "dev-sifive",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
