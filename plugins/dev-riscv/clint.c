/* SPDX-License-Identifier: MIT */
/* Core-local interruptor: software interrupts and timers of all harts, and the timebase. Register
 * layout of the SiFive FU540-C000 manual, chapter 9. */
#include "devices.h"
#include <backplane/counter.h>
#include <backplane/fdt.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { MSIP = 0x0000, MTIMECMP = 0x4000, MTIME = 0xbff8, SIZE = 0x10000, HARTS_MAX = 4095 };
#define NS_PER_S UINT64_C(1000000000)

struct clint {
	const struct bp_host *host;
	bp_line **msip, **mtip; /* one a hart, as many as the machine file connects */
	uint32_t msip_count, mtip_count;
	uint64_t frequency;
	int64_t offset; /* mtime = ticks of the virtual clock + offset, modulo 2^64 */
	bp_timer **timer; /* one a hart */
	uint64_t mtimecmp[HARTS_MAX];
	uint8_t soft[HARTS_MAX]; /* msip bits */
	pthread_mutex_t lock;
};

__extension__ typedef unsigned __int128 u128;

static uint64_t clock_ticks(const struct clint *c)
{
	u128 ns = (u128)c->host->now(c, BP_CLOCK_VIRTUAL);
	return (uint64_t)(ns * c->frequency / NS_PER_S);
}

static uint64_t mtime(void *self)
{
	const struct clint *c = self;
	return clock_ticks(c) + (uint64_t)c->offset;
}

static uint64_t frequency(void *self)
{
	return ((struct clint *)self)->frequency;
}

/* The first nanosecond at which mtime is at least value. */
static int64_t when(void *self, uint64_t value)
{
	struct clint *c = self;
	uint64_t now = mtime(c), ticks = clock_ticks(c);
	if (now >= value)
		return 0;
	uint64_t left = value - now;
	if (left > UINT64_MAX - ticks)
		return INT64_MAX;
	u128 ns = ((u128)(ticks + left) * NS_PER_S + c->frequency - 1) / c->frequency;
	return ns > INT64_MAX ? INT64_MAX : (int64_t)ns;
}

/* Level of mtip, and when it changes next. */
static void update_timer(struct clint *c, uint32_t hart)
{
	if (hart >= c->mtip_count)
		return;
	pthread_mutex_lock(&c->lock);
	uint64_t compare = c->mtimecmp[hart];
	int due = mtime(c) >= compare;
	int64_t at = due ? INT64_MAX : when(c, compare);
	if (at == INT64_MAX)
		c->host->timer_cancel(c->timer[hart]);
	else
		c->host->timer_at(c->timer[hart], at);
	pthread_mutex_unlock(&c->lock);
	c->host->line_set(c->mtip[hart], due);
}

static void fired(void *self, uint64_t hart)
{
	update_timer(self, (uint32_t)hart);
}

static uint64_t part(uint64_t whole, uint64_t offset, unsigned bytes)
{
	whole >>= 8 * (offset & 7);
	return bytes == 8 ? whole : (uint32_t)whole;
}

static uint64_t merge(uint64_t was, uint64_t offset, unsigned bytes, uint64_t value)
{
	if (bytes == 8)
		return value;
	unsigned shift = 8 * (offset & 7);
	return (was & ~((uint64_t)UINT32_MAX << shift)) | (uint64_t)(uint32_t)value << shift;
}

static int clint_read(
	void *self, uint64_t offset, unsigned bytes, uint64_t *value, const struct bp_access *how)
{
	struct clint *c = self;
	uint64_t hart;
	(void)how;
	*value = 0;
	if (offset >= MTIME) {
		if (offset < MTIME + 8)
			*value = part(mtime(c), offset, bytes);
	} else if (offset >= MTIMECMP) {
		hart = (offset - MTIMECMP) / 8;
		if (hart < c->mtip_count)
			*value = part(c->mtimecmp[hart], offset, bytes);
	} else if (bytes == 4) {
		hart = offset / 4;
		if (hart < c->msip_count)
			*value = c->soft[hart];
	}
	return BP_OK;
}

static int clint_write(
	void *self, uint64_t offset, unsigned bytes, uint64_t value, const struct bp_access *how)
{
	struct clint *c = self;
	uint64_t hart;
	if (how && how->flags & BP_ACCESS_DEBUG)
		return BP_OK;
	if (offset >= MTIME) {
		if (offset >= MTIME + 8)
			return BP_OK;
		uint64_t now = mtime(c);
		c->offset += (int64_t)(merge(now, offset, bytes, value) - now);
		for (uint32_t i = 0; i < c->mtip_count; i++)
			update_timer(c, i);
	} else if (offset >= MTIMECMP) {
		hart = (offset - MTIMECMP) / 8;
		if (hart >= c->mtip_count)
			return BP_OK;
		c->mtimecmp[hart] = merge(c->mtimecmp[hart], offset, bytes, value);
		update_timer(c, (uint32_t)hart);
	} else if (bytes == 4) {
		hart = offset / 4;
		if (hart >= c->msip_count)
			return BP_OK;
		c->soft[hart] = value & 1;
		c->host->line_set(c->msip[hart], value & 1);
	}
	return BP_OK;
}

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct clint *c = self;
	c->host = host;
	if (!c->frequency)
		return host->fail(err, "timebase-frequency is 0; 10000000 is usual");
	if (c->msip_count > HARTS_MAX || c->mtip_count > HARTS_MAX)
		return host->fail(err, "%u harts are connected; %d are possible",
			c->msip_count > c->mtip_count ? c->msip_count : c->mtip_count, HARTS_MAX);
	pthread_mutex_init(&c->lock, NULL);
	c->timer = calloc(c->mtip_count ? c->mtip_count : 1, sizeof(*c->timer));
	for (uint32_t i = 0; c->timer && i < c->mtip_count; i++)
		c->timer[i] = host->timer_new(c, BP_CLOCK_VIRTUAL, fired, i);
	return c->timer ? 0 : host->fail(err, "out of memory");
}

static void reset(void *self, int step)
{
	struct clint *c = self;
	if (step == BP_RESET_ENTER) {
		memset(c->soft, 0, sizeof(c->soft));
		memset(c->mtimecmp, 0xff, sizeof(c->mtimecmp));
		c->offset = -(int64_t)clock_ticks(c);
	} else if (step == BP_RESET_LEAVE) {
		for (uint32_t i = 0; i < c->msip_count; i++)
			c->host->line_set(c->msip[i], 0);
		for (uint32_t i = 0; i < c->mtip_count; i++)
			update_timer(c, i);
	}
}

static void destroy(void *self)
{
	free(((struct clint *)self)->timer);
}

static int loaded(void *self, uint32_t from_version, bp_error *err)
{
	struct clint *c = self;
	(void)from_version;
	(void)err;
	for (uint32_t i = 0; i < c->mtip_count; i++)
		update_timer(c, i);
	return 0;
}

static const struct bp_counter counter = {
	.size = sizeof(counter),
	.read = mtime,
	.frequency = frequency,
	.when = when,
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

#define FIELD(m) (uint32_t) offsetof(struct clint, m)
static const struct bp_field props[] = {
	{ "timebase-frequency", "ticks of mtime per second", FIELD(frequency), BP_U64,
		.def = 10000000 },
	{ 0 },
};
static const struct bp_field state[] = {
	{ BP_FIELD(struct clint, offset, BP_S64) },
	{ .name = "mtimecmp",
		.offset = FIELD(mtimecmp),
		.type = BP_U64,
		.count = HARTS_MAX,
		.count_offset = FIELD(mtip_count) },
	{ .name = "msip",
		.offset = FIELD(soft),
		.type = BP_U8,
		.count = HARTS_MAX,
		.count_offset = FIELD(msip_count) },
	{ 0 },
};
static const struct bp_region regions[] = {
	{ .name = "regs",
		.size = SIZE,
		.min_access = 4,
		.max_access = 8,
		.read = clint_read,
		.write = clint_write },
	{ 0 },
};
/* In the device tree, interrupts go hart by hart: software, then timer. */
static const struct bp_pin out[] = {
	{ .name = "msip",
		.offset = FIELD(msip),
		.count_offset = FIELD(msip_count),
		.flags = BP_PIN_COUNT_FROM_LINKS },
	{ .name = "mtip",
		.offset = FIELD(mtip),
		.count_offset = FIELD(mtip_count),
		.flags = BP_PIN_COUNT_FROM_LINKS },
	{ 0 },
};

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
	.loaded = loaded,
	.interface = interface,
};
