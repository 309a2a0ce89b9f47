/* SPDX-License-Identifier: MIT */
/* Software interrupts and timers of harts: SiFive's core-local interruptor (SiFive FU740-C000 manual,
 * chapter 9), and its parts as devices of their own, RISC-V ACLINT 1.0-rc4: MTIMER (chapter 2), MSWI
 * (chapter 3) and SSWI (chapter 4).
 *
 * All are one struct: a type whose tables have no pins of a part has that part for no harts. */
#include "mtimer.h"
#include "types.h"
#include <backplane/fdt.h>
#include <string.h>

enum { CLINT_MSIP = 0, CLINT_MTIMECMP = 0x4000, CLINT_MTIME = 0xbff8, CLINT_SIZE = 0x10000 };
enum { SWI_SIZE = 0x4000 };

struct clint {
	struct mtimer timer;
	uint32_t harts; /* as many as msip or ssip has wires */
	bp_line **line;
	uint32_t msip[MTIMER_HARTS]; /* atomic; not of SSWI */
};

/* ---- registers ---- */

static void update_msip(struct clint *c, unsigned n)
{
	bp_line *line = n < c->harts ? c->line[n] : NULL;
	int level;
	while (line &&
		(level = __atomic_load_n(&c->msip[n], __ATOMIC_ACQUIRE) & 1) !=
			c->timer.host->line_get(line))
		c->timer.host->line_set(line, level);
}

static void write_msip(void *self, unsigned n, uint64_t was, uint64_t now, uint64_t raw)
{
	const struct clint *c = self;
	(void)raw;
	/* Sent again: the wire falls and rises, or a hart that sleeps though it pends would not hear. */
	if (was & now & 1 && n < c->harts)
		c->timer.host->line_set(c->line[n], 0);
	update_msip(self, n);
}

/* An edge: the hart latches it into mip.SSIP, where software clears it (ACLINT, 4.1). */
static void write_setssip(void *self, unsigned n, uint64_t was, uint64_t now, uint64_t raw)
{
	struct clint *c = self;
	(void)was;
	(void)now;
	if (!(raw & 1))
		return;
	c->timer.host->line_set(c->line[n], 1);
	c->timer.host->line_set(c->line[n], 0);
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

/* ---- life ---- */

static void fire(void *self, uint64_t n)
{
	mtimer_update(&((struct clint *)self)->timer, (unsigned)n);
}

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

/* ---- what types are made of: rows of their tables ---- */

#define FIELD(m) (uint32_t) offsetof(struct clint, m)
#define STATE(n, m, t, of)                                                                         \
	{                                                                                          \
		n, .offset = FIELD(m), .type = (t), .count = MTIMER_HARTS,                         \
		   .count_offset = FIELD(of)                                                       \
	}
#define OFFSET_STATE                                                                               \
	{                                                                                          \
		"offset", .offset = FIELD(timer.offset), .type = BP_U64                            \
	}
#define MSIP_STATE     STATE("msip", msip, BP_U32, harts)
#define MTIMECMP_STATE STATE("mtimecmp", timer.mtimecmp, BP_U64, timer.harts)
#define TIMER_STATE    STATE("timer", timer.timer, BP_TIMER, timer.harts)

#define MSIP(at)                                                                                   \
	{                                                                                          \
		.name = "msip", .help = "bit 0: software interrupt of a hart", .offset = (at),     \
		.bytes = 4, .field = FIELD(msip), .count = MTIMER_HARTS,                           \
		.count_offset = FIELD(harts), .writable = 1, .write = write_msip                   \
	}
#define MTIMECMP(at)                                                                               \
	{                                                                                          \
		.name = "mtimecmp", .help = "the timer interrupt is on while mtime >= mtimecmp",   \
		.offset = (at), .bytes = 8, .field = FIELD(timer.mtimecmp), .count = MTIMER_HARTS, \
		.count_offset = FIELD(timer.harts), .reset = UINT64_MAX, .writable = UINT64_MAX,   \
		.write = write_mtimecmp                                                            \
	}
#define MTIME(at)                                                                                  \
	{                                                                                          \
		.name = "mtime", .help = "the timebase", .offset = (at), .bytes = 8,               \
		.field = BP_REG_NO_FIELD, .writable = UINT64_MAX, .read = read_mtime,              \
		.write = write_mtime                                                               \
	}
#define WIRES(n, m, of)                                                                            \
	{                                                                                          \
		.name = (n), .offset = FIELD(m), .count_offset = FIELD(of),                        \
		.flags = BP_PIN_COUNT_FROM_LINKS                                                   \
	}

static const struct bp_field timer_props[] = {
	{ "timebase-frequency", "ticks of mtime in a second", FIELD(timer.frequency), BP_U32,
		BP_F_RANGE, .def = 10000000, .min = 1, .max = UINT32_MAX },
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

/* ---- CLINT ---- */

static const struct bp_field clint_state[] = { OFFSET_STATE, MSIP_STATE, MTIMECMP_STATE,
	TIMER_STATE, { 0 } };
static const struct bp_reg clint_regs[] = { MSIP(CLINT_MSIP), MTIMECMP(CLINT_MTIMECMP),
	MTIME(CLINT_MTIME), { 0 } };
static const struct bp_region clint_regions[] = {
	{ .name = "regs", .size = CLINT_SIZE, .regs = clint_regs },
	{ 0 },
};
static const struct bp_pin clint_out[] = { WIRES("msip", line, harts),
	WIRES("mtip", timer.mtip, timer.harts), { 0 } };
static const char *const clint_compatible[] = { "sifive,clint0", "riscv,clint0", NULL };
static const struct bp_fdt_node clint_fdt = {
	.size = sizeof(clint_fdt),
	.name = "clint",
	.compatible = clint_compatible,
	.flags = BP_FDT_INTERRUPTS_EXTENDED,
};

static const void *clint_interface(void *self, const char *id)
{
	(void)self;
	if (!strcmp(id, "bp.counter/1"))
		return &counter;
	return strcmp(id, "bp.fdt-node/1") ? NULL : &clint_fdt;
}

const struct bp_object riscv_clint = {
	.size = sizeof(riscv_clint),
	.instance_size = sizeof(struct clint),
	.threads = BP_PARALLEL,
	.state_version = 1,
	.state_oldest = 1,
	.props = timer_props,
	.state = clint_state,
	.regions = clint_regions,
	.out = clint_out,
	.create = create,
	.reset = reset,
	.destroy = destroy,
	.interface = clint_interface,
};

/* ---- MTIMER ---- */

static const struct bp_field mtimer_state[] = { OFFSET_STATE, MTIMECMP_STATE, TIMER_STATE, { 0 } };
static const struct bp_reg mtime_regs[] = { MTIME(0), { 0 } };
static const struct bp_reg mtimecmp_regs[] = { MTIMECMP(0), { 0 } };
static const struct bp_region mtimer_regions[] = {
	{ .name = "mtime", .size = 8, .regs = mtime_regs },
	{ .name = "mtimecmp", .size = 8 * MTIMER_HARTS, .regs = mtimecmp_regs },
	{ 0 },
};
static const struct bp_pin mtimer_out[] = { WIRES("mtip", timer.mtip, timer.harts), { 0 } };
static const char *const mtimer_compatible[] = { "riscv,aclint-mtimer", NULL };
static const struct bp_fdt_node mtimer_fdt = {
	.size = sizeof(mtimer_fdt),
	.name = "mtimer",
	.compatible = mtimer_compatible,
	.flags = BP_FDT_INTERRUPTS_EXTENDED,
};

static const void *mtimer_interface(void *self, const char *id)
{
	(void)self;
	if (!strcmp(id, "bp.counter/1"))
		return &counter;
	return strcmp(id, "bp.fdt-node/1") ? NULL : &mtimer_fdt;
}

const struct bp_object riscv_aclint_mtimer = {
	.size = sizeof(riscv_aclint_mtimer),
	.instance_size = sizeof(struct clint),
	.threads = BP_PARALLEL,
	.state_version = 1,
	.state_oldest = 1,
	.props = timer_props,
	.state = mtimer_state,
	.regions = mtimer_regions,
	.out = mtimer_out,
	.create = create,
	.reset = reset,
	.destroy = destroy,
	.interface = mtimer_interface,
};

/* ---- MSWI and SSWI ---- */

static const struct bp_field mswi_state[] = { MSIP_STATE, { 0 } };
static const struct bp_reg mswi_regs[] = { MSIP(0), { 0 } };
static const struct bp_reg sswi_regs[] = {
	{ .name = "setssip",
		.help = "writing 1 sets the hart's mip.SSIP; reads 0",
		.offset = 0,
		.bytes = 4,
		.field = BP_REG_NO_FIELD,
		.flags = BP_REG_WRITE_ONLY,
		.count = MTIMER_HARTS,
		.count_offset = FIELD(harts),
		.write = write_setssip },
	{ 0 },
};
static const struct bp_region mswi_regions[] = {
	{ .name = "regs", .size = SWI_SIZE, .regs = mswi_regs },
	{ 0 },
};
static const struct bp_region sswi_regions[] = {
	{ .name = "regs", .size = SWI_SIZE, .regs = sswi_regs },
	{ 0 },
};
static const struct bp_pin mswi_out[] = { WIRES("msip", line, harts), { 0 } };
static const struct bp_pin sswi_out[] = { WIRES("ssip", line, harts), { 0 } };

static void describe_swi(void *self, const struct bp_fdt_writer *w, void *node)
{
	const uint32_t none = 0;
	(void)self;
	w->empty(node, "interrupt-controller");
	w->u32s(node, "#interrupt-cells", &none, 1);
}

static const char *const mswi_compatible[] = { "riscv,aclint-mswi", NULL };
static const char *const sswi_compatible[] = { "riscv,aclint-sswi", NULL };
static const struct bp_fdt_node mswi_fdt = {
	.size = sizeof(mswi_fdt),
	.name = "mswi",
	.compatible = mswi_compatible,
	.describe = describe_swi,
	.flags = BP_FDT_INTERRUPTS_EXTENDED,
};
static const struct bp_fdt_node sswi_fdt = {
	.size = sizeof(sswi_fdt),
	.name = "sswi",
	.compatible = sswi_compatible,
	.describe = describe_swi,
	.flags = BP_FDT_INTERRUPTS_EXTENDED,
};

static const void *mswi_interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.fdt-node/1") ? NULL : &mswi_fdt;
}

static const void *sswi_interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.fdt-node/1") ? NULL : &sswi_fdt;
}

const struct bp_object riscv_aclint_mswi = {
	.size = sizeof(riscv_aclint_mswi),
	.instance_size = sizeof(struct clint),
	.threads = BP_PARALLEL,
	.state_version = 1,
	.state_oldest = 1,
	.state = mswi_state,
	.regions = mswi_regions,
	.out = mswi_out,
	.create = create,
	.reset = reset,
	.destroy = destroy,
	.interface = mswi_interface,
};

const struct bp_object riscv_aclint_sswi = {
	.size = sizeof(riscv_aclint_sswi),
	.instance_size = sizeof(struct clint),
	.threads = BP_PARALLEL,
	.state_version = 1,
	.state_oldest = 1,
	.regions = sswi_regions,
	.out = sswi_out,
	.create = create,
	.destroy = destroy,
	.interface = sswi_interface,
};
