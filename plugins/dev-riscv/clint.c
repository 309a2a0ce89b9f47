/* SPDX-License-Identifier: MIT */
/* SiFive's core-local interruptor: software interrupts and the machine timer (SiFive FU740-C000
 * manual, chapter 9). */
#include "mtimer.h"
#include "types.h"
#include <backplane/fdt.h>
#include <string.h>

enum { MSIP = 0, MTIMECMP = 0x4000, MTIME = 0xbff8, SIZE = 0x10000 };

struct clint {
	struct mtimer timer;
	uint32_t harts; /* as many as msip has wires */
	bp_line **msip_line;
	uint32_t msip[MTIMER_HARTS]; /* atomic */
};

static void update_msip(struct clint *c, unsigned n)
{
	bp_line *line = n < c->harts ? c->msip_line[n] : NULL;
	int level;
	while (line &&
		(level = __atomic_load_n(&c->msip[n], __ATOMIC_ACQUIRE) & 1) !=
			c->timer.host->line_get(line))
		c->timer.host->line_set(line, level);
}

static void write_msip(void *self, unsigned n, uint64_t was, uint64_t now, uint64_t raw)
{
	(void)was;
	(void)now;
	(void)raw;
	update_msip(self, n);
}

static void write_mtimecmp(void *self, unsigned n, uint64_t was, uint64_t now, uint64_t raw)
{
	(void)was;
	(void)now;
	(void)raw;
	mtimer_update(&((struct clint *)self)->timer, n);
}

static uint64_t read_mtime(void *self, unsigned n, uint64_t stored)
{
	(void)n;
	(void)stored;
	return mtimer_read(&((struct clint *)self)->timer);
}

static void write_mtime(void *self, unsigned n, uint64_t was, uint64_t now, uint64_t raw)
{
	(void)n;
	(void)was;
	(void)now;
	mtimer_write(&((struct clint *)self)->timer, raw);
}

static void fire(void *self, uint64_t n)
{
	mtimer_update(&((struct clint *)self)->timer, (unsigned)n);
}

/* ---- life ---- */

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct clint *c = self;
	if (c->harts > MTIMER_HARTS || c->timer.harts > MTIMER_HARTS)
		return host->fail(err, "%u harts are connected; there is room for %d",
			c->harts > c->timer.harts ? c->harts : c->timer.harts, MTIMER_HARTS);
	mtimer_init(&c->timer, c, host, fire);
	return 0;
}

static void reset(void *self, int step)
{
	struct clint *c = self;
	mtimer_reset(&c->timer, step);
	for (unsigned n = 0; step == BP_RESET_LEAVE && n < c->harts; n++)
		update_msip(c, n);
}

static void destroy(void *self)
{
	mtimer_finish(&((struct clint *)self)->timer);
}

/* ---- tables ---- */

#define FIELD(m) (uint32_t) offsetof(struct clint, m)
static const struct bp_field props[] = {
	{ "timebase-frequency", "ticks of mtime in a second", FIELD(timer.frequency), BP_U32,
		BP_F_RANGE, .def = 10000000, .min = 1, .max = UINT32_MAX },
	{ 0 },
};
static const struct bp_field state[] = {
	{ "offset", .offset = FIELD(timer.offset), .type = BP_U64 },
	{ "msip", .offset = FIELD(msip), .type = BP_U32, .count = MTIMER_HARTS,
		.count_offset = FIELD(harts) },
	{ "mtimecmp", .offset = FIELD(timer.mtimecmp), .type = BP_U64, .count = MTIMER_HARTS,
		.count_offset = FIELD(timer.harts) },
	{ "timer", .offset = FIELD(timer.timer), .type = BP_TIMER, .count = MTIMER_HARTS,
		.count_offset = FIELD(timer.harts) },
	{ 0 },
};
static const struct bp_reg regs[] = {
	{ .name = "msip",
		.help = "bit 0: software interrupt of a hart",
		.offset = MSIP,
		.bytes = 4,
		.field = FIELD(msip),
		.count = MTIMER_HARTS,
		.count_offset = FIELD(harts),
		.writable = 1,
		.write = write_msip },
	{ .name = "mtimecmp",
		.help = "the timer interrupt is on while mtime >= mtimecmp",
		.offset = MTIMECMP,
		.bytes = 8,
		.field = FIELD(timer.mtimecmp),
		.count = MTIMER_HARTS,
		.count_offset = FIELD(timer.harts),
		.reset = UINT64_MAX,
		.writable = UINT64_MAX,
		.write = write_mtimecmp },
	{ .name = "mtime",
		.help = "the timebase",
		.offset = MTIME,
		.bytes = 8,
		.field = BP_REG_NO_FIELD,
		.writable = UINT64_MAX,
		.read = read_mtime,
		.write = write_mtime },
	{ 0 },
};
static const struct bp_region regions[] = {
	{ .name = "regs", .size = SIZE, .regs = regs },
	{ 0 },
};
static const struct bp_pin out[] = {
	{ .name = "msip",
		.offset = FIELD(msip_line),
		.count_offset = FIELD(harts),
		.flags = BP_PIN_COUNT_FROM_LINKS },
	{ .name = "mtip",
		.offset = FIELD(timer.mtip),
		.count_offset = FIELD(timer.harts),
		.flags = BP_PIN_COUNT_FROM_LINKS },
	{ 0 },
};

static uint64_t counter_read(void *self)
{
	return mtimer_read(&((struct clint *)self)->timer);
}

static uint64_t counter_frequency(void *self)
{
	return ((struct clint *)self)->timer.frequency;
}

static int64_t counter_when(void *self, uint64_t value)
{
	return mtimer_when(&((struct clint *)self)->timer, value);
}

static const struct bp_counter counter = {
	.size = sizeof(counter),
	.read = counter_read,
	.frequency = counter_frequency,
	.when = counter_when,
};

static const char *const compatible[] = { "sifive,clint0", "riscv,clint0", NULL };
static const struct bp_fdt_node fdt_node = {
	.size = sizeof(fdt_node),
	.name = "clint",
	.compatible = compatible,
	.flags = BP_FDT_INTERRUPTS_EXTENDED,
};

static const void *interface(void *self, const char *id)
{
	(void)self;
	if (!strcmp(id, "bp.counter/1"))
		return &counter;
	return strcmp(id, "bp.fdt-node/1") ? NULL : &fdt_node;
}

const struct bp_object riscv_clint = {
	.size = sizeof(riscv_clint),
	.instance_size = sizeof(struct clint),
	.threads = BP_PARALLEL,
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.state = state,
	.regions = regions,
	.out = out,
	.create = create,
	.reset = reset,
	.destroy = destroy,
	.interface = interface,
};
