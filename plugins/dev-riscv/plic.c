/* SPDX-License-Identifier: MIT */
/* RISC-V Platform-Level Interrupt Controller 1.0.0. Gateways are level-triggered: a request stays
 * pending until it is claimed, and comes again after its completion while the wire is still high.
 *
 * One mutex guards everything; `want` is what each context's wire should be, and wires are driven
 * without the mutex, by whoever changed it. */
#include "types.h"
#include <backplane/fdt.h>
#include <pthread.h>
#include <string.h>

enum {
	PRIORITY = 4,
	PENDING = 0x1000,
	ENABLE = 0x2000,
	THRESHOLD = 0x200000,
	CLAIM = 0x200004,
	CONTEXT_STRIDE = 0x1000,
	SIZE = 0x600000
};
enum { SOURCES = 1024, WORDS = SOURCES / 32, CONTEXTS = (SIZE - THRESHOLD) / CONTEXT_STRIDE };

struct plic {
	const struct bp_host *host;
	uint32_t sources, priority_bits; /* properties */
	uint32_t contexts, enable_words; /* as many as irq has wires; 32 words for each */
	bp_line **irq;
	pthread_mutex_t lock;
	uint32_t priority[SOURCES - 1]; /* of source n + 1 */
	uint32_t pending[WORDS], claimed[WORDS], level[WORDS];
	uint32_t enable[CONTEXTS * WORDS];
	uint32_t threshold[CONTEXTS];
	uint8_t want[CONTEXTS]; /* atomic */
};

static uint32_t load(const uint32_t *p)
{
	return __atomic_load_n(p, __ATOMIC_RELAXED);
}

static int test(const uint32_t *words, unsigned source)
{
	return load(&words[source / 32]) >> source % 32 & 1;
}

static void put(uint32_t *words, unsigned source, int on)
{
	uint32_t bit = UINT32_C(1) << source % 32, w = load(&words[source / 32]);
	__atomic_store_n(&words[source / 32], on ? w | bit : w & ~bit, __ATOMIC_RELAXED);
}

/* ---- what a context sees ---- */

/* Its most urgent pending source, 0 for none; of equals the lowest (chapter 5). */
static unsigned best(const struct plic *p, unsigned context, uint32_t *priority)
{
	unsigned found = 0;
	*priority = 0;
	for (unsigned w = 0; w <= p->sources / 32; w++) {
		uint32_t bits = load(&p->pending[w]) & load(&p->enable[context * WORDS + w]);
		for (; bits; bits &= bits - 1) {
			unsigned source = w * 32 + (unsigned)__builtin_ctz(bits);
			uint32_t own = load(&p->priority[source - 1]);
			if (own > *priority) {
				found = source;
				*priority = own;
			}
		}
	}
	return found;
}

static void unlock_and_signal(struct plic *p)
{
	uint32_t priority;
	for (unsigned c = 0; c < p->contexts; c++) {
		best(p, c, &priority);
		__atomic_store_n(&p->want[c], priority > load(&p->threshold[c]), __ATOMIC_RELEASE);
	}
	pthread_mutex_unlock(&p->lock);
	for (unsigned c = 0; c < p->contexts; c++) {
		int level;
		while (p->irq[c] &&
			(level = __atomic_load_n(&p->want[c], __ATOMIC_ACQUIRE)) !=
				p->host->line_get(p->irq[c]))
			p->host->line_set(p->irq[c], level);
	}
}

/* ---- gateways (chapter 3) ---- */

static void request(struct plic *p, unsigned source)
{
	if (test(p->level, source) && !test(p->claimed, source))
		put(p->pending, source, 1);
}

static void set_irq(void *self, unsigned source, int level)
{
	struct plic *p = self;
	if (!source || source > p->sources)
		return;
	pthread_mutex_lock(&p->lock);
	put(p->level, source, level);
	request(p, source);
	unlock_and_signal(p);
}

/* ---- registers ---- */

static void write_priority(void *self, unsigned n, uint64_t was, uint64_t now, uint64_t raw)
{
	struct plic *p = self;
	uint32_t mask = (UINT32_C(2) << (p->priority_bits - 1)) - 1;
	(void)was;
	(void)raw;
	pthread_mutex_lock(&p->lock);
	__atomic_store_n(&p->priority[n], (uint32_t)now & mask, __ATOMIC_RELAXED);
	unlock_and_signal(p);
}

/* The bits of a word that stand for sources. */
static uint32_t valid_sources(const struct plic *p, unsigned word)
{
	unsigned first = word * 32;
	uint32_t valid = first ? UINT32_MAX : UINT32_MAX - 1;
	if (first > p->sources)
		return 0;
	if (p->sources - first < 31)
		valid &= (UINT32_C(2) << (p->sources - first)) - 1;
	return valid;
}

/* Bits of sources that are not there stay 0. */
static void write_enable(void *self, unsigned n, uint64_t was, uint64_t now, uint64_t raw)
{
	struct plic *p = self;
	(void)was;
	(void)raw;
	pthread_mutex_lock(&p->lock);
	__atomic_store_n(
		&p->enable[n], (uint32_t)now & valid_sources(p, n % WORDS), __ATOMIC_RELAXED);
	unlock_and_signal(p);
}

static void write_threshold(void *self, unsigned n, uint64_t was, uint64_t now, uint64_t raw)
{
	struct plic *p = self;
	uint32_t mask = (UINT32_C(2) << (p->priority_bits - 1)) - 1;
	(void)was;
	(void)raw;
	pthread_mutex_lock(&p->lock);
	__atomic_store_n(&p->threshold[n], (uint32_t)now & mask, __ATOMIC_RELAXED);
	unlock_and_signal(p);
}

/* The threshold plays no part in a claim (chapter 8). */
static uint64_t read_claim(void *self, unsigned n, uint64_t stored)
{
	struct plic *p = self;
	uint32_t priority;
	(void)stored;
	pthread_mutex_lock(&p->lock);
	unsigned source = best(p, n, &priority);
	if (source) {
		put(p->pending, source, 0);
		put(p->claimed, source, 1);
	}
	unlock_and_signal(p);
	return source;
}

/* For a source that is not enabled here a completion means nothing (chapter 9). */
static void write_complete(void *self, unsigned n, uint64_t was, uint64_t now, uint64_t raw)
{
	struct plic *p = self;
	(void)was;
	(void)now;
	if (!raw || raw > p->sources)
		return;
	pthread_mutex_lock(&p->lock);
	if (test(&p->enable[n * WORDS], (unsigned)raw)) {
		put(p->claimed, (unsigned)raw, 0);
		request(p, (unsigned)raw);
	}
	unlock_and_signal(p);
}

/* ---- life ---- */

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct plic *p = self;
	if (p->contexts > CONTEXTS)
		return host->fail(
			err, "irq drives %u contexts; there is room for %d", p->contexts, CONTEXTS);
	p->host = host;
	p->enable_words = p->contexts * WORDS;
	pthread_mutex_init(&p->lock, NULL);
	return 0;
}

/* Declared registers are reset by the host; wires keep their levels and ask again. */
static void reset(void *self, int step)
{
	struct plic *p = self;
	pthread_mutex_lock(&p->lock);
	if (step == BP_RESET_ENTER) {
		memset(p->claimed, 0, sizeof(p->claimed));
		memset(p->pending, 0, sizeof(p->pending));
	}
	if (step != BP_RESET_LEAVE) {
		pthread_mutex_unlock(&p->lock);
		return;
	}
	for (unsigned source = 1; source <= p->sources; source++)
		request(p, source);
	unlock_and_signal(p);
}

static void destroy(void *self)
{
	struct plic *p = self;
	if (p->host)
		pthread_mutex_destroy(&p->lock);
}

/* Bits name sources that index arrays, so a foreign snapshot is not believed. */
static int only_sources(const struct plic *p, const uint32_t *words)
{
	for (unsigned n = 0; n < WORDS; n++)
		if (words[n] & ~valid_sources(p, n))
			return 0;
	return 1;
}

static int loaded(void *self, uint32_t from_version, bp_error *err)
{
	struct plic *p = self;
	uint32_t priority;
	(void)from_version;
	int good = only_sources(p, p->pending) && only_sources(p, p->claimed) &&
		only_sources(p, p->level);
	for (unsigned c = 0; c < p->contexts; c++)
		good = good && only_sources(p, &p->enable[c * WORDS]);
	if (!good)
		return p->host->fail(
			err, "the saved state names sources beyond the %u there are", p->sources);
	for (unsigned c = 0; c < p->contexts; c++) {
		best(p, c, &priority);
		p->want[c] = priority > p->threshold[c];
	}
	return 0;
}

/* ---- tables ---- */

#define FIELD(m) (uint32_t) offsetof(struct plic, m)
static const struct bp_field props[] = {
	{ "sources", "interrupt sources, numbered from 1", FIELD(sources), BP_U32, BP_F_RANGE,
		.def = 95, .min = 1, .max = SOURCES - 1 },
	{ "priority-bits", "bits of a priority: 3 gives levels 1 to 7, and 0 for off",
		FIELD(priority_bits), BP_U32, BP_F_RANGE, .def = 3, .min = 1, .max = 32 },
	{ 0 },
};
static const struct bp_field state[] = {
	{ BP_FIELD(struct plic, priority, BP_U32), .count = SOURCES - 1,
		.count_offset = FIELD(sources) },
	{ BP_FIELD(struct plic, pending, BP_U32), .count = WORDS, .flags = BP_F_WHOLE },
	{ BP_FIELD(struct plic, claimed, BP_U32), .count = WORDS, .flags = BP_F_WHOLE },
	{ BP_FIELD(struct plic, level, BP_U32), .count = WORDS, .flags = BP_F_WHOLE },
	{ BP_FIELD(struct plic, enable, BP_U32), .count = CONTEXTS * WORDS,
		.count_offset = FIELD(enable_words) },
	{ BP_FIELD(struct plic, threshold, BP_U32), .count = CONTEXTS,
		.count_offset = FIELD(contexts) },
	{ 0 },
};
static const struct bp_reg regs[] = {
	{ .name = "priority",
		.help = "of source n + 1; 0: never interrupts",
		.offset = PRIORITY,
		.bytes = 4,
		.field = FIELD(priority),
		.count = SOURCES - 1,
		.count_offset = FIELD(sources),
		.writable = UINT32_MAX,
		.write = write_priority },
	{ .name = "pending",
		.help = "sources that ask, 32 a word",
		.offset = PENDING,
		.bytes = 4,
		.flags = BP_REG_READ_ONLY,
		.field = FIELD(pending),
		.count = WORDS },
	{ .name = "enable",
		.help = "sources that a context takes, 32 words for each",
		.offset = ENABLE,
		.bytes = 4,
		.field = FIELD(enable),
		.count = CONTEXTS * WORDS,
		.count_offset = FIELD(enable_words),
		.writable = UINT32_MAX,
		.write = write_enable },
	{ .name = "threshold",
		.help = "a context takes what is more urgent than this",
		.offset = THRESHOLD,
		.bytes = 4,
		.field = FIELD(threshold),
		.count = CONTEXTS,
		.stride = CONTEXT_STRIDE,
		.count_offset = FIELD(contexts),
		.writable = UINT32_MAX,
		.write = write_threshold },
	{ .name = "claim",
		.help = "read: claim the most urgent source; write: complete it",
		.offset = CLAIM,
		.bytes = 4,
		.field = BP_REG_NO_FIELD,
		.count = CONTEXTS,
		.stride = CONTEXT_STRIDE,
		.count_offset = FIELD(contexts),
		.read = read_claim,
		.write = write_complete },
	{ 0 },
};
static const struct bp_region regions[] = {
	{ .name = "regs",
		.size = SIZE,
		.min_access = 4,
		.max_access = 4,
		.flags = BP_REGION_STRICT,
		.regs = regs },
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
	{ .name = "irq", .count_offset = FIELD(sources), .flags = BP_PIN_FROM_ONE, .set = set_irq },
	{ 0 },
};

static void describe(void *self, const struct bp_fdt_writer *w, void *node)
{
	const struct plic *p = self;
	const uint32_t none = 0;
	w->u32s(node, "#address-cells", &none, 1);
	w->u32s(node, "riscv,ndev", &p->sources, 1);
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
	.name = "interrupt-controller",
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
	.loaded = loaded,
	.interface = interface,
};
