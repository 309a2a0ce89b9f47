/* SPDX-License-Identifier: MIT */
/* com.acme.countdown counts down to zero, then raises an interrupt: the example of docs/plugins.md.
 *
 *   0x0 LOAD    a write starts counting from so many ticks; 0 stops
 *   0x4 COUNT   ticks that are left
 *   0x8 STATUS  bit 0: zero was reached; writing 1 clears it
 *   0xc ENABLE  bit 0: STATUS drives irq */
#include <backplane/fdt.h>
#include <backplane/plugin.h>
#include <string.h>

enum { LOAD = 0x0, COUNT = 0x4, STATUS = 0x8, ENABLE = 0xc, SIZE = 0x10 };
enum { NS_PER_S = 1000000000 };

struct countdown {
	const struct bp_host *host;
	uint32_t frequency; /* property */
	bp_line *irq[1]; /* output */
	bp_timer *timer;
	int64_t due; /* when zero is reached, ns of the virtual clock; 0: not counting */
	uint32_t load, status, enable; /* registers that the host keeps here */
};

static void update_irq(struct countdown *c)
{
	c->host->line_set(c->irq[0], c->status & c->enable & 1);
}

static void reached_zero(void *self, uint64_t arg)
{
	struct countdown *c = self;
	(void)arg;
	c->due = 0;
	c->status |= 1;
	update_irq(c);
}

static uint64_t read_count(void *self, unsigned n, uint64_t stored)
{
	struct countdown *c = self;
	int64_t left = c->due ? c->due - c->host->now(c, BP_CLOCK_VIRTUAL) : 0;
	(void)n;
	(void)stored;
	/* A tick that has begun counts. At most 2^32 ticks of at most a second: in units of a
	 * nanosecond they fit, multiplied by the frequency they would not. */
	uint64_t ns = left > 0 ? (uint64_t)left : 0;
	uint64_t whole = ns / NS_PER_S * c->frequency;
	return whole + (ns % NS_PER_S * c->frequency + NS_PER_S - 1) / NS_PER_S;
}

static void write_load(void *self, unsigned n, uint64_t was, uint64_t now, uint64_t raw)
{
	struct countdown *c = self;
	uint64_t ns = now * NS_PER_S / c->frequency;
	(void)n;
	(void)was;
	(void)raw;
	c->due = 0;
	c->host->timer_cancel(c->timer);
	if (!now)
		return;
	c->due = c->host->now(c, BP_CLOCK_VIRTUAL) + (int64_t)ns;
	c->host->timer_at(c->timer, c->due);
}

/* STATUS and ENABLE: the masks have done the work, only the wire is left. */
static void changed_irq(void *self, unsigned n, uint64_t was, uint64_t now, uint64_t raw)
{
	(void)n;
	(void)was;
	(void)now;
	(void)raw;
	update_irq(self);
}

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct countdown *c = self;
	c->host = host;
	c->timer = host->timer_new(c, BP_CLOCK_VIRTUAL, reached_zero, 0);
	return c->timer ? 0 : host->fail(err, "there is no timer to be had");
}

static void reset(void *self, int step)
{
	struct countdown *c = self;
	if (step == BP_RESET_ENTER) {
		c->due = 0;
		c->host->timer_cancel(c->timer);
	} else if (step == BP_RESET_LEAVE) {
		update_irq(c);
	}
}

#define FIELD(m)    (uint32_t) offsetof(struct countdown, m)
#define REG(n, off) .name = (n), .offset = (off), .bytes = 4
static const struct bp_reg regs[] = {
	{ REG("LOAD", LOAD), .help = "a write starts counting from so many ticks",
		.field = FIELD(load), .writable = UINT32_MAX, .write = write_load },
	{ REG("COUNT", COUNT), .help = "ticks that are left", .field = BP_REG_NO_FIELD,
		.flags = BP_REG_READ_ONLY, .read = read_count },
	{ REG("STATUS", STATUS), .help = "bit 0: zero was reached; 1 clears it",
		.field = FIELD(status), .w1c = 1, .write = changed_irq },
	{ REG("ENABLE", ENABLE), .help = "bit 0: STATUS drives irq", .field = FIELD(enable),
		.writable = 1, .write = changed_irq },
	{ 0 },
};
static const struct bp_region regions[] = {
	{ .name = "regs", .size = SIZE, .min_access = 4, .max_access = 4, .regs = regs },
	{ 0 },
};
static const struct bp_pin out[] = { { .name = "irq", .offset = FIELD(irq), .count = 1 }, { 0 } };
static const struct bp_field props[] = {
	{ BP_PROP(struct countdown, frequency, BP_U32, "frequency"), .help = "ticks per second",
		.flags = BP_F_RANGE, .def = 1000000, .min = 1, .max = NS_PER_S },
	{ 0 },
};
static const struct bp_field state[] = {
	{ BP_FIELD(struct countdown, load, BP_U32) },
	{ BP_FIELD(struct countdown, status, BP_U32) },
	{ BP_FIELD(struct countdown, enable, BP_U32) },
	{ BP_FIELD(struct countdown, due, BP_S64) },
	{ BP_FIELD(struct countdown, timer, BP_TIMER) },
	{ 0 },
};

static const char *const compatible[] = { "acme,countdown", NULL };
static const struct bp_fdt_node fdt_node = {
	.size = sizeof(fdt_node),
	.name = "timer",
	.compatible = compatible,
};

static const void *interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.fdt-node/1") ? NULL : &fdt_node;
}

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct countdown),
	.threads = BP_SERIAL_MACHINE,
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.state = state,
	.regions = regions,
	.out = out,
	.create = create,
	.reset = reset,
	.interface = interface,
};

static const struct bp_type types[] = {
	{ "com.acme.countdown", "counts down to an interrupt", BP_KIND_DEVICE, 0, &object, NULL },
	{ 0 },
};

BP_PLUGIN(countdown) = {
	BP_PLUGIN_HEAD,
	.name = "countdown",
	.version = "1.0",
	.license = "MIT",
	.types = types,
};
