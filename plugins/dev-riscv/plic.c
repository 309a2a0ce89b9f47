/* SPDX-License-Identifier: MIT */
/* Platform-level interrupt controller: RISC-V PLIC specification 1.0.0. Sources 1..n with
 * priorities; contexts (a hart at a privilege) with enables and a threshold. Level-triggered
 * gateways: a source is pending again after completion if its line is still high. */
#include "devices.h"
#include <backplane/fdt.h>
#include <pthread.h>
#include <string.h>

enum {
	PRIORITY = 0x000000,
	PENDING = 0x001000,
	ENABLE = 0x002000,
	ENABLE_STRIDE = 0x80,
	CONTEXT = 0x200000,
	CONTEXT_STRIDE = 0x1000,
	SIZE = 0x600000,
	SOURCES_MAX = 1023,
	CONTEXTS_MAX = 1024,
	WORDS = 32,
	PRIORITIES = 7
};

struct context { /* a hart at a privilege */
	uint32_t enable[WORDS];
	uint32_t threshold;
	uint32_t out; /* the level that its line has */
};

struct plic {
	const struct bp_host *host;
	bp_line **irq;
	uint32_t contexts; /* as many as the machine file connects */
	uint32_t sources; /* property: 1..sources */
	uint32_t priority[SOURCES_MAX + 1];
	uint32_t level[WORDS], pending[WORDS], claimed[WORDS]; /* bits by source */
	struct context context[CONTEXTS_MAX];
	pthread_mutex_t lock;
};

static int bit(const uint32_t *words, uint32_t n)
{
	return words[n / 32] >> n % 32 & 1;
}

static void set_bit(uint32_t *words, uint32_t n, int on)
{
	words[n / 32] = (words[n / 32] & ~(1u << n % 32)) | (on ? 1u << n % 32 : 0);
}

/* The most urgent source of a context above a priority: highest first, then lowest number; 0 none. */
static uint32_t best(const struct plic *p, uint64_t n, uint32_t priority)
{
	const struct context *c = &p->context[n];
	uint32_t found = 0;
	for (uint32_t w = 0; w <= p->sources / 32; w++) {
		uint32_t ready = p->pending[w] & ~p->claimed[w] & c->enable[w];
		for (; ready; ready &= ready - 1) {
			uint32_t source = w * 32 + (uint32_t)__builtin_ctz(ready);
			if (p->priority[source] > priority) {
				priority = p->priority[source];
				found = source;
			}
		}
	}
	return found;
}

/* With the lock held. Lines are atomic levels and their sinks parallel, so this may set them. */
static void update(struct plic *p)
{
	for (uint32_t c = 0; c < p->contexts; c++) {
		int level = best(p, c, p->context[c].threshold) != 0;
		if ((int)p->context[c].out == level)
			continue;
		p->context[c].out = (uint32_t)level;
		p->host->line_set(p->irq[c], level);
	}
}

static void set_source(void *self, unsigned n, int level)
{
	struct plic *p = self;
	if (!n || n > p->sources)
		return;
	pthread_mutex_lock(&p->lock);
	set_bit(p->level, n, level);
	/* A gateway forwards one request until it is completed (section 2). */
	if (level && !bit(p->claimed, n))
		set_bit(p->pending, n, 1);
	else if (!level && !bit(p->claimed, n))
		set_bit(p->pending, n, 0);
	update(p);
	pthread_mutex_unlock(&p->lock);
}

static uint32_t claim(struct plic *p, uint64_t context)
{
	/* The threshold masks the notification, not the claim (section 8). */
	uint32_t source = best(p, context, 0);
	if (source) {
		set_bit(p->pending, source, 0);
		set_bit(p->claimed, source, 1);
	}
	return source;
}

/* Completion of a source that the context does not enable is ignored (section 9). */
static void complete(struct plic *p, uint64_t context, uint32_t source)
{
	if (!source || source > p->sources || !bit(p->context[context].enable, source))
		return;
	set_bit(p->claimed, source, 0);
	set_bit(p->pending, source, bit(p->level, source));
}

static uint32_t read_word(struct plic *p, uint64_t offset, int debug)
{
	if (offset < PENDING)
		return offset / 4 <= p->sources ? p->priority[offset / 4] : 0;
	if (offset < ENABLE)
		return (offset - PENDING) / 4 < WORDS ? p->pending[(offset - PENDING) / 4] : 0;
	if (offset < CONTEXT) {
		uint64_t context = (offset - ENABLE) / ENABLE_STRIDE;
		uint64_t word = (offset - ENABLE) % ENABLE_STRIDE / 4;
		return context < p->contexts ? p->context[context].enable[word] : 0;
	}
	uint64_t context = (offset - CONTEXT) / CONTEXT_STRIDE;
	if (context >= p->contexts)
		return 0;
	switch ((offset - CONTEXT) % CONTEXT_STRIDE) {
	case 0: return p->context[context].threshold;
	case 4: return debug ? best(p, context, 0) : claim(p, context);
	default: return 0;
	}
}

static void write_word(struct plic *p, uint64_t offset, uint32_t value)
{
	if (offset < PENDING) {
		uint64_t source = offset / 4;
		if (source && source <= p->sources)
			p->priority[source] = value & PRIORITIES;
	} else if (offset >= CONTEXT) {
		uint64_t context = (offset - CONTEXT) / CONTEXT_STRIDE;
		uint64_t reg = (offset - CONTEXT) % CONTEXT_STRIDE;
		if (context < p->contexts && reg == 0)
			p->context[context].threshold = value & PRIORITIES;
		else if (context < p->contexts && reg == 4)
			complete(p, context, value);
	} else if (offset >= ENABLE) {
		uint64_t context = (offset - ENABLE) / ENABLE_STRIDE;
		uint64_t word = (offset - ENABLE) % ENABLE_STRIDE / 4;
		uint32_t first = (uint32_t)word * 32, usable = 0;
		for (uint32_t i = 0; i < 32; i++)
			if (first + i && first + i <= p->sources)
				usable |= 1u << i;
		if (context < p->contexts)
			p->context[context].enable[word] = value & usable;
	}
}

static int plic_read(
	void *self, uint64_t offset, unsigned bytes, uint64_t *value, const struct bp_access *how)
{
	struct plic *p = self;
	(void)bytes;
	pthread_mutex_lock(&p->lock);
	*value = read_word(p, offset, how && how->flags & BP_ACCESS_DEBUG);
	update(p);
	pthread_mutex_unlock(&p->lock);
	return BP_OK;
}

static int plic_write(
	void *self, uint64_t offset, unsigned bytes, uint64_t value, const struct bp_access *how)
{
	struct plic *p = self;
	(void)bytes;
	(void)how;
	pthread_mutex_lock(&p->lock);
	write_word(p, offset, (uint32_t)value);
	update(p);
	pthread_mutex_unlock(&p->lock);
	return BP_OK;
}

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct plic *p = self;
	p->host = host;
	if (p->contexts > CONTEXTS_MAX)
		return host->fail(err, "%u contexts are connected; %d are possible", p->contexts,
			CONTEXTS_MAX);
	pthread_mutex_init(&p->lock, NULL);
	return 0;
}

static void reset(void *self, int step)
{
	struct plic *p = self;
	if (step == BP_RESET_ENTER) {
		memset(p->priority, 0, sizeof(p->priority));
		memset(p->pending, 0, sizeof(p->pending));
		memset(p->claimed, 0, sizeof(p->claimed));
		for (uint32_t c = 0; c < p->contexts; c++) {
			memset(p->context[c].enable, 0, sizeof(p->context[c].enable));
			p->context[c].threshold = 0;
		}
	} else if (step == BP_RESET_LEAVE) {
		pthread_mutex_lock(&p->lock);
		memcpy(p->pending, p->level, sizeof(p->pending));
		update(p);
		pthread_mutex_unlock(&p->lock);
	}
}

static void destroy(void *self)
{
	struct plic *p = self;
	if (p->host)
		pthread_mutex_destroy(&p->lock);
}

static void describe(void *self, const struct bp_fdt_writer *w, void *node)
{
	const struct plic *p = self;
	const uint32_t zero = 0;
	w->u32s(node, "riscv,ndev", &p->sources, 1);
	w->u32s(node, "#address-cells", &zero, 1);
}

static unsigned interrupt(void *self, const char *pin, unsigned n, uint32_t cells[4])
{
	(void)self;
	(void)pin;
	cells[0] = n;
	return 1;
}

static const char *const compatible[] = { "sifive,plic-1.0.0", "riscv,plic0", NULL };
static const struct bp_fdt_node fdt_node = {
	.size = sizeof(fdt_node),
	.interrupt_cells = 1,
	.name = "plic",
	.compatible = compatible,
	.describe = describe,
	.interrupt = interrupt,
	.flags = BP_FDT_INTERRUPTS_EXTENDED,
};

static const void *interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.fdt-node/1") ? NULL : &fdt_node;
}

#define FIELD(m) (uint32_t) offsetof(struct plic, m)
static const struct bp_field props[] = {
	{ "sources", "interrupt sources, numbered from 1", FIELD(sources), BP_U32, BP_F_RANGE,
		.def = 95, .min = 1, .max = SOURCES_MAX },
	{ 0 },
};
static const struct bp_field context_state[] = {
	{ .name = "enable",
		.offset = offsetof(struct context, enable),
		.type = BP_U32,
		.count = WORDS },
	{ BP_FIELD(struct context, threshold, BP_U32) },
	{ 0 },
};
static const struct bp_field state[] = {
	{ .name = "priority", .offset = FIELD(priority), .type = BP_U32, .count = SOURCES_MAX + 1 },
	{ .name = "level", .offset = FIELD(level), .type = BP_U32, .count = WORDS },
	{ .name = "pending", .offset = FIELD(pending), .type = BP_U32, .count = WORDS },
	{ .name = "claimed", .offset = FIELD(claimed), .type = BP_U32, .count = WORDS },
	{ .name = "context",
		.offset = FIELD(context),
		.type = BP_STRUCT,
		.count = CONTEXTS_MAX,
		.count_offset = FIELD(contexts),
		.sub = context_state,
		.sub_size = sizeof(struct context) },
	{ 0 },
};
static const struct bp_region regions[] = {
	{ .name = "regs",
		.size = SIZE,
		.min_access = 4,
		.max_access = 4,
		.read = plic_read,
		.write = plic_write },
	{ 0 },
};
static const struct bp_pin out[] = {
	{ .name = "irq",
		.offset = FIELD(irq),
		.count_offset = FIELD(contexts),
		.flags = BP_PIN_COUNT_FROM_LINKS },
	{ 0 },
};
static const struct bp_pin in[] = {
	{ .name = "source", .count = SOURCES_MAX + 1, .set = set_source },
	{ 0 },
};

const struct bp_object riscv_plic = {
	.size = sizeof(riscv_plic),
	.instance_size = sizeof(struct plic),
	.threads = BP_PARALLEL,
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.state = state,
	.regions = regions,
	.out = out,
	.in = in,
	.create = create,
	.reset = reset,
	.destroy = destroy,
	.interface = interface,
};
