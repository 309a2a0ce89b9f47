/* SPDX-License-Identifier: MIT */
/* RISC-V ACLINT 1.0-rc4: the parts of a CLINT as devices of their own. MTIMER (chapter 2), MSWI
 * (chapter 3) and SSWI (chapter 4). */
#include "mtimer.h"
#include "types.h"
#include <backplane/fdt.h>
#include <string.h>

/* ---- MTIMER ---- */

struct mtimer_device {
	struct mtimer timer;
};
#define TIMER(self) (&((struct mtimer_device *)(self))->timer)

static void write_mtimecmp(void *self, unsigned n, uint64_t was, uint64_t now, uint64_t raw)
{
	(void)was;
	(void)now;
	(void)raw;
	mtimer_update(TIMER(self), n);
}

static uint64_t read_mtime(void *self, unsigned n, uint64_t stored)
{
	(void)n;
	(void)stored;
	return mtimer_read(TIMER(self));
}

static void write_mtime(void *self, unsigned n, uint64_t was, uint64_t now, uint64_t raw)
{
	(void)n;
	(void)was;
	(void)now;
	mtimer_write(TIMER(self), raw);
}

static void fire(void *self, uint64_t n)
{
	mtimer_update(TIMER(self), (unsigned)n);
}

static int mtimer_create(void *self, const struct bp_host *host, bp_error *err)
{
	if (TIMER(self)->harts > MTIMER_HARTS)
		return host->fail(err, "%u harts are connected; there is room for %d",
			TIMER(self)->harts, MTIMER_HARTS);
	mtimer_init(TIMER(self), self, host, fire);
	return 0;
}

static void mtimer_device_reset(void *self, int step)
{
	mtimer_reset(TIMER(self), step);
}

static void mtimer_destroy(void *self)
{
	mtimer_finish(TIMER(self));
}

#define FIELD(m) (uint32_t) offsetof(struct mtimer_device, m)
static const struct bp_field mtimer_props[] = {
	{ "timebase-frequency", "ticks of mtime in a second", FIELD(timer.frequency), BP_U32,
		BP_F_RANGE, .def = 10000000, .min = 1, .max = UINT32_MAX },
	{ 0 },
};
static const struct bp_field mtimer_state[] = {
	{ "offset", .offset = FIELD(timer.offset), .type = BP_U64 },
	{ "mtimecmp", .offset = FIELD(timer.mtimecmp), .type = BP_U64, .count = MTIMER_HARTS,
		.count_offset = FIELD(timer.harts) },
	{ "timer", .offset = FIELD(timer.timer), .type = BP_TIMER, .count = MTIMER_HARTS,
		.count_offset = FIELD(timer.harts) },
	{ 0 },
};
static const struct bp_reg mtime_regs[] = {
	{ .name = "mtime",
		.help = "the timebase",
		.offset = 0,
		.bytes = 8,
		.field = BP_REG_NO_FIELD,
		.writable = UINT64_MAX,
		.read = read_mtime,
		.write = write_mtime },
	{ 0 },
};
static const struct bp_reg mtimecmp_regs[] = {
	{ .name = "mtimecmp",
		.help = "the timer interrupt is on while mtime >= mtimecmp",
		.offset = 0,
		.bytes = 8,
		.field = FIELD(timer.mtimecmp),
		.count = MTIMER_HARTS,
		.count_offset = FIELD(timer.harts),
		.reset = UINT64_MAX,
		.writable = UINT64_MAX,
		.write = write_mtimecmp },
	{ 0 },
};
static const struct bp_region mtimer_regions[] = {
	{ .name = "mtime", .size = 8, .regs = mtime_regs },
	{ .name = "mtimecmp", .size = 8 * MTIMER_HARTS, .regs = mtimecmp_regs },
	{ 0 },
};
static const struct bp_pin mtimer_out[] = {
	{ .name = "mtip",
		.offset = FIELD(timer.mtip),
		.count_offset = FIELD(timer.harts),
		.flags = BP_PIN_COUNT_FROM_LINKS },
	{ 0 },
};

static uint64_t counter_read(void *self)
{
	return mtimer_read(TIMER(self));
}

static uint64_t counter_frequency(void *self)
{
	return TIMER(self)->frequency;
}

static int64_t counter_when(void *self, uint64_t value)
{
	return mtimer_when(TIMER(self), value);
}

static const struct bp_counter counter = {
	.size = sizeof(counter),
	.read = counter_read,
	.frequency = counter_frequency,
	.when = counter_when,
};

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
	.instance_size = sizeof(struct mtimer_device),
	.threads = BP_PARALLEL,
	.state_version = 1,
	.state_oldest = 1,
	.props = mtimer_props,
	.state = mtimer_state,
	.regions = mtimer_regions,
	.out = mtimer_out,
	.create = mtimer_create,
	.reset = mtimer_device_reset,
	.destroy = mtimer_destroy,
	.interface = mtimer_interface,
};

/* ---- MSWI and SSWI ---- */

enum { SWI_SIZE = 0x4000, SWI_HARTS = 4095 };
struct swi {
	const struct bp_host *host;
	uint32_t harts;
	bp_line **line;
	uint32_t msip[SWI_HARTS]; /* MSWI only; atomic */
};

static void update_msip(struct swi *s, unsigned n)
{
	bp_line *line = s->line[n];
	int level;
	while (line &&
		(level = __atomic_load_n(&s->msip[n], __ATOMIC_ACQUIRE) & 1) !=
			s->host->line_get(line))
		s->host->line_set(line, level);
}

static void write_msip(void *self, unsigned n, uint64_t was, uint64_t now, uint64_t raw)
{
	(void)was;
	(void)now;
	(void)raw;
	update_msip(self, n);
}

/* An edge: the hart latches it into mip.SSIP, where software clears it (4.1). */
static void write_setssip(void *self, unsigned n, uint64_t was, uint64_t now, uint64_t raw)
{
	struct swi *s = self;
	(void)was;
	(void)now;
	if (!(raw & 1))
		return;
	s->host->line_set(s->line[n], 1);
	s->host->line_set(s->line[n], 0);
}

static int swi_create(void *self, const struct bp_host *host, bp_error *err)
{
	struct swi *s = self;
	s->host = host;
	if (s->harts > SWI_HARTS)
		return host->fail(
			err, "%u harts are connected; there is room for %d", s->harts, SWI_HARTS);
	return 0;
}

static void mswi_reset(void *self, int step)
{
	struct swi *s = self;
	for (unsigned n = 0; step == BP_RESET_LEAVE && n < s->harts; n++)
		update_msip(s, n);
}

#undef FIELD
#define FIELD(m) (uint32_t) offsetof(struct swi, m)
static const struct bp_field mswi_state[] = {
	{ "msip", .offset = FIELD(msip), .type = BP_U32, .count = SWI_HARTS,
		.count_offset = FIELD(harts) },
	{ 0 },
};
static const struct bp_reg mswi_regs[] = {
	{ .name = "msip",
		.help = "bit 0: software interrupt of a hart",
		.offset = 0,
		.bytes = 4,
		.field = FIELD(msip),
		.count = SWI_HARTS,
		.count_offset = FIELD(harts),
		.writable = 1,
		.write = write_msip },
	{ 0 },
};
static const struct bp_reg sswi_regs[] = {
	{ .name = "setssip",
		.help = "writing 1 sets the hart's mip.SSIP; reads 0",
		.offset = 0,
		.bytes = 4,
		.field = BP_REG_NO_FIELD,
		.flags = BP_REG_WRITE_ONLY,
		.count = SWI_HARTS,
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
static const struct bp_pin mswi_out[] = {
	{ .name = "msip",
		.offset = FIELD(line),
		.count_offset = FIELD(harts),
		.flags = BP_PIN_COUNT_FROM_LINKS },
	{ 0 },
};
static const struct bp_pin sswi_out[] = {
	{ .name = "ssip",
		.offset = FIELD(line),
		.count_offset = FIELD(harts),
		.flags = BP_PIN_COUNT_FROM_LINKS },
	{ 0 },
};

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
	.instance_size = sizeof(struct swi),
	.threads = BP_PARALLEL,
	.state_version = 1,
	.state_oldest = 1,
	.state = mswi_state,
	.regions = mswi_regions,
	.out = mswi_out,
	.create = swi_create,
	.reset = mswi_reset,
	.interface = mswi_interface,
};

const struct bp_object riscv_aclint_sswi = {
	.size = sizeof(riscv_aclint_sswi),
	.instance_size = sizeof(struct swi),
	.threads = BP_PARALLEL,
	.state_version = 1,
	.state_oldest = 1,
	.regions = sswi_regions,
	.out = sswi_out,
	.create = swi_create,
	.interface = sswi_interface,
};
