/* SPDX-License-Identifier: MIT */
/* Registers (NVM Express 1.4, section 3), queues and interrupts (section 4), and the object. */
#include "nvme.h"
#include <string.h>

enum { /* register offsets */
	CAP = 0x00,
	VS = 0x08,
	INTMS = 0x0c,
	INTMC = 0x10,
	CC = 0x14,
	CSTS = 0x1c,
	AQA = 0x24,
	ASQ = 0x28,
	ACQ = 0x30,
	DOORBELLS = 0x1000,
	MSIX_AT = 0x2000,
	REGS_BYTES = 0x4000
};
enum {
	CC_ENABLE = 1,
	CC_SIZES = 0x00ff3ff0, /* command set, page size, arbitration, entry sizes */
	CC_EXPECTED = 0x00460000, /* NVM, 4 KiB, round robin, 64 and 16 bytes */
	CC_SHUTDOWN = 0xc000,
	CSTS_READY = 1,
	CSTS_FATAL = 2,
	CSTS_SHUT_DOWN = 8
};
/* 1,024 entries, queues in one piece, 7.5 s to get ready, the NVM command set, 4 KiB pages. */
#define CAP_VALUE (UINT64_C(1) << 37 | UINT64_C(15) << 24 | UINT64_C(1) << 16 | (ENTRIES_MAX - 1))
enum { VERSION = 0x00010400 };

/* ---- interrupts ---- */

void nvme_interrupts(struct nvme *n)
{
	int level = 0;
	if (!n->ops || n->ops->message_mode(n->fn))
		return;
	for (unsigned i = 0; i < QUEUES; i++) {
		const struct completion_queue *q = &n->cq[i];
		level |= q->used && q->interrupts && q->head != q->tail &&
			!(q->vector < 32 && n->mask >> q->vector & 1);
	}
	n->ops->intx(n->fn, level);
}

static void tell(struct nvme *n, const struct completion_queue *q)
{
	if (!q->interrupts)
		return;
	if (n->ops->message_mode(n->fn))
		n->ops->message(n->fn, q->vector);
	else
		nvme_interrupts(n);
}

/* ---- completions ---- */

static void fatal(struct nvme *n, const char *what)
{
	n->csts |= CSTS_FATAL;
	n->host->log(n, BP_LOG_GUEST, "%s is not in memory; waiting for a reset", what);
}

/* The entry, if its queue has room; else the command stays done. */
static void post(struct nvme *n, struct command *c)
{
	struct completion_queue *q = &n->cq[c->cq];
	uint8_t entry[CQ_ENTRY] = { 0 };
	if (!q->used) {
		c->state = COMMAND_FREE;
		return;
	}
	uint32_t next = q->tail + 1 == q->size ? 0 : q->tail + 1;
	if (next == q->head)
		return;
	put(entry, 4, c->result);
	put(entry + 8, 2, n->sq[c->sq].head);
	put(entry + 10, 2, c->sq);
	memcpy(entry + 12, c->entry + 2, 2);
	put(entry + 14, 2, c->status << 1 | q->phase);
	c->state = COMMAND_FREE;
	uint64_t at = q->base + (uint64_t)q->tail * CQ_ENTRY;
	/* The phase, which makes the entry the guest's, comes last. */
	if (n->host->dma_write(n->dma, at, entry, 12) != BP_OK) {
		fatal(n, "a completion queue");
		return;
	}
	__atomic_thread_fence(__ATOMIC_RELEASE);
	n->host->dma_write(n->dma, at + 12, entry + 12, 4);
	q->tail = next;
	q->phase ^= next == 0;
	tell(n, q);
}

void command_end(struct command *c, uint32_t status, uint32_t result)
{
	c->status = status;
	c->result = result;
	c->state = COMMAND_DONE;
	post(c->owner, c);
}

/* ---- submissions ---- */

static struct command *free_command(struct nvme *n)
{
	for (unsigned i = 0; i < COMMANDS; i++)
		if (n->command[i].state == COMMAND_FREE)
			return &n->command[i];
	return NULL;
}

static void execute(struct nvme *n, struct command *c)
{
	uint32_t result = 0;
	int status = c->sq ? io_execute(n, c) : admin_execute(n, c, &result);
	if (status != LATER)
		command_end(c, (uint32_t)status, result);
}

static void fetch(struct nvme *n, uint32_t id)
{
	struct submission_queue *q = &n->sq[id];
	while (q->used && q->head != q->tail && !(n->csts & CSTS_FATAL)) {
		struct command *c = free_command(n);
		if (!c) {
			n->starved = 1;
			return;
		}
		if (n->host->dma_read(n->dma, q->base + (uint64_t)q->head * SQ_ENTRY, c->entry,
			    SQ_ENTRY) != BP_OK) {
			fatal(n, "a submission queue");
			return;
		}
		q->head = q->head + 1 == q->size ? 0 : q->head + 1;
		c->state = COMMAND_RUNS;
		c->owner = n;
		c->sq = id;
		c->cq = q->cq;
		c->submitted = 0;
		c->pieces = 0;
		execute(n, c);
	}
}

void nvme_fetch_all(struct nvme *n)
{
	if (n->busy)
		return;
	n->busy = 1;
	n->starved = 0;
	for (unsigned i = 0; i < QUEUES; i++)
		fetch(n, i);
	n->busy = 0;
}

void nvme_quiesce(struct nvme *n)
{
	int was = n->busy;
	if (!n->blk)
		return;
	n->busy = 1;
	n->blk->drain(n->blk_link->self, NULL);
	n->blk->forget_held(n->blk_link->self);
	n->blk->drain(n->blk_link->self, NULL);
	n->busy = was;
}

/* ---- the controller as a whole ---- */

static void controller_reset(struct nvme *n)
{
	for (unsigned i = 0; i < QUEUES; i++)
		n->sq[i].used = n->cq[i].used = 0;
	nvme_quiesce(n);
	memset(n->sq, 0, sizeof(n->sq));
	memset(n->cq, 0, sizeof(n->cq));
	for (unsigned i = 0; i < COMMANDS; i++)
		n->command[i].state = COMMAND_FREE;
	n->csts = n->starved = 0;
	n->mask = 0;
	admin_reset(n);
}

static void everything_reset(struct nvme *n)
{
	controller_reset(n);
	n->cc = n->aqa = 0;
	n->asq = n->acq = 0;
}

static void enable(struct nvme *n)
{
	uint32_t sq = (n->aqa & 0xfff) + 1, cq = (n->aqa >> 16 & 0xfff) + 1;
	if ((n->cc & CC_SIZES) != CC_EXPECTED || sq < 2 || cq < 2 || sq > ENTRIES_MAX ||
		cq > ENTRIES_MAX || n->asq % PAGE_BYTES || n->acq % PAGE_BYTES) {
		n->csts |= CSTS_FATAL;
		return;
	}
	n->cq[0] = (struct completion_queue){
		.base = n->acq, .used = 1, .size = cq, .phase = 1, .interrupts = 1
	};
	n->sq[0] = (struct submission_queue){ .base = n->asq, .used = 1, .size = sq };
	n->csts |= CSTS_READY;
}

static void write_cc(struct nvme *n, uint32_t value)
{
	uint32_t was = n->cc;
	n->cc = value & 0x00fffff1;
	if (was & CC_ENABLE && !(value & CC_ENABLE)) {
		controller_reset(n);
		n->ops->intx(n->fn, 0);
	} else if (!(was & CC_ENABLE) && value & CC_ENABLE) {
		enable(n);
	}
	if (value & CC_SHUTDOWN)
		n->csts |= CSTS_SHUT_DOWN;
}

static void ring(struct nvme *n, uint32_t doorbell, uint32_t value)
{
	uint32_t id = doorbell / 2;
	if (id >= QUEUES || !(n->csts & CSTS_READY))
		return;
	if (!(doorbell & 1)) {
		if (!n->sq[id].used || value >= n->sq[id].size)
			return;
		n->sq[id].tail = value;
		if (n->busy)
			return;
		n->busy = 1;
		fetch(n, id);
		n->busy = 0;
		return;
	}
	if (!n->cq[id].used || value >= n->cq[id].size)
		return;
	n->cq[id].head = value;
	for (unsigned i = 0; i < COMMANDS; i++)
		if (n->command[i].state == COMMAND_DONE && n->command[i].cq == id)
			post(n, &n->command[i]);
	nvme_interrupts(n);
	if (n->starved)
		nvme_fetch_all(n);
}

/* ---- registers ---- */

static uint64_t read_register(const struct nvme *n, uint64_t offset)
{
	switch (offset & ~UINT64_C(3)) {
	case CAP: return (uint32_t)CAP_VALUE;
	case CAP + 4: return CAP_VALUE >> 32;
	case VS: return VERSION;
	case INTMS:
	case INTMC: return n->mask;
	case CC: return n->cc;
	case CSTS: return n->csts;
	case AQA: return n->aqa;
	case ASQ: return (uint32_t)n->asq;
	case ASQ + 4: return n->asq >> 32;
	case ACQ: return (uint32_t)n->acq;
	case ACQ + 4: return n->acq >> 32;
	default: return 0;
	}
}

static uint64_t half(uint64_t now, int high, uint32_t value)
{
	return high ? (now & UINT32_MAX) | (uint64_t)value << 32
		    : (now & ~(uint64_t)UINT32_MAX) | value;
}

static void write_register(struct nvme *n, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case INTMS:
		n->mask |= value;
		nvme_interrupts(n);
		break;
	case INTMC:
		n->mask &= ~value;
		nvme_interrupts(n);
		break;
	case CC: write_cc(n, value); break;
	case AQA: n->aqa = value & 0x0fff0fff; break;
	case ASQ:
	case ASQ + 4: n->asq = half(n->asq, offset != ASQ, value); break;
	case ACQ:
	case ACQ + 4: n->acq = half(n->acq, offset != ACQ, value); break;
	default:
		if (offset >= DOORBELLS)
			ring(n, (uint32_t)(offset - DOORBELLS) / 4, value & 0xffff);
		break;
	}
}

static int regs_read(
	void *self, uint64_t offset, unsigned bytes, uint64_t *value, const struct bp_access *how)
{
	(void)how;
	*value = read_register(self, offset);
	if (bytes == 8)
		*value |= read_register(self, offset + 4) << 32;
	return BP_OK;
}

static int regs_write(
	void *self, uint64_t offset, unsigned bytes, uint64_t value, const struct bp_access *how)
{
	if (how && how->flags & BP_ACCESS_DEBUG)
		return BP_OK;
	write_register(self, offset, (uint32_t)value);
	if (bytes == 8)
		write_register(self, offset + 4, (uint32_t)(value >> 32));
	return BP_OK;
}

/* ---- life ---- */

static int pci_attach(void *self, const struct bp_pci_bus *ops, void *fn)
{
	struct nvme *n = self;
	n->ops = ops;
	n->fn = fn;
	n->dma = ops->dma(fn);
	return 0;
}

static void pci_reset(void *self)
{
	everything_reset(self);
}

static const struct bp_pci_bar bars[] = {
	{ .size = REGS_BYTES, .index = 0, .flags = BP_PCI_BAR_64, .region = 0 },
	{ 0 },
};

static void event(void *self, int what)
{
	struct nvme *n = self;
	if (what != BP_BLK_RESIZED)
		return;
	n->blk->info(n->blk_link->self, &n->info);
	admin_changed(n);
}

static const struct bp_blk_front front = { .size = sizeof(front), .event = event };

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct nvme *n = self;
	const struct bp_blk *blk = n->blk_link->ops;
	n->host = host;
	for (const char *p = n->serial; p && *p; p++)
		if (*p < ' ' || *p > '~' || p - n->serial >= 20)
			return host->fail(err,
				"serial: at most 20 characters of ASCII are expected, not \"%s\"",
				n->serial);
	if (blk->attach(n->blk_link->self, n, &front, 0, err) != 0)
		return -1;
	n->blk = blk;
	n->info.size = sizeof(n->info);
	blk->info(n->blk_link->self, &n->info);
	/* A transfer that does not begin at a page has a piece more. */
	for (n->max_pages = PAGES_MAX; n->max_pages > 1; n->max_pages /= 2)
		if ((uint64_t)n->max_pages * PAGE_BYTES <= n->info.max_transfer &&
			n->max_pages < n->info.max_iov)
			break;
	n->pci = (struct bp_pci_device){ .size = sizeof(n->pci),
		.vendor = 0x1b36,
		.device = 0x0010,
		.subsystem_vendor = 0x1af4,
		.subsystem = 0x1100,
		.revision = 2,
		.base_class = 0x01,
		.subclass = 0x08,
		.interface = 0x02,
		.pin = 1,
		.express = 1,
		.msix = { .vectors = (uint16_t)(n->queues + 1), .bar = 0, .offset = MSIX_AT },
		.bars = bars,
		.attach = pci_attach,
		.reset = pci_reset };
	return 0;
}

static int realise(void *self, bp_error *err)
{
	const struct nvme *n = self;
	return n->ops
		? 0
		: n->host->fail(err,
			  "it is in no slot; name a host bridge or root port with bus = \"...\"");
}

static void reset(void *self, int step)
{
	if (step == BP_RESET_ENTER)
		everything_reset(self);
}

static void destroy(void *self)
{
	struct nvme *n = self;
	if (n->blk)
		n->blk->detach(n->blk_link->self);
}

/* After a load: the drive has what it was told again, and what an error held. */
static void resume(void *self, uint64_t unused)
{
	struct nvme *n = self;
	(void)unused;
	n->blk->write_cache(n->blk_link->self, (int)n->feature[6]);
	for (unsigned i = 0; i < COMMANDS; i++)
		if (n->command[i].state == COMMAND_RUNS && !n->command[i].submitted)
			execute(n, &n->command[i]);
	nvme_fetch_all(n);
}

static int loaded(void *self, uint32_t from_version, bp_error *err)
{
	struct nvme *n = self;
	int good = 1;
	(void)from_version;
	for (unsigned i = 0; i < QUEUES; i++) {
		const struct submission_queue *s = &n->sq[i];
		const struct completion_queue *c = &n->cq[i];
		good = good && (!(s->used || c->used) || i <= n->queues);
		good = good &&
			(!s->used ||
				(s->size >= 2 && s->size <= ENTRIES_MAX && s->head < s->size &&
					s->tail < s->size && s->cq < QUEUES));
		good = good &&
			(!c->used ||
				(c->size >= 2 && c->size <= ENTRIES_MAX && c->head < c->size &&
					c->tail < c->size && c->phase <= 1 &&
					c->vector < n->pci.msix.vectors));
	}
	for (unsigned i = 0; i < COMMANDS; i++) {
		struct command *c = &n->command[i];
		c->owner = n;
		c->submitted = 0;
		c->pieces = 0;
		good = good && c->state <= COMMAND_DONE && c->sq < QUEUES && c->cq < QUEUES &&
			(c->state != COMMAND_RUNS || c->sq);
	}
	if (!good)
		return n->host->fail(err,
			"the saved queues do not fit: at most %u for I/O of at most %d entries are "
			"possible, and indexes inside them",
			n->queues, ENTRIES_MAX);
	n->host->post(n, resume, 0);
	return 0;
}

static const void *interface(void *self, const char *id)
{
	struct nvme *n = self;
	return strcmp(id, "bp.pci-device/1") ? NULL : &n->pci;
}

/* ---- tables ---- */

#define FIELD(m) (uint32_t) offsetof(struct nvme, m)
static const char *const blk_link[] = { "bp.blk/1", NULL };
static const struct bp_field props[] = {
	{ "blk", "the drive that is its namespace", FIELD(blk_link), BP_LINK, BP_F_REQUIRED,
		.names = blk_link },
	{ "serial", "serial number, at most 20 characters", FIELD(serial), BP_STR,
		.def_str = "backplane" },
	{ "queues", "I/O queues of each kind", FIELD(queues), BP_U32, BP_F_RANGE, .def = 16,
		.min = 1, .max = QUEUES - 1 },
	{ 0 },
};
static const struct bp_field sq_state[] = {
	{ BP_FIELD(struct submission_queue, base, BP_U64) },
	{ BP_FIELD(struct submission_queue, used, BP_U32) },
	{ BP_FIELD(struct submission_queue, size, BP_U32) },
	{ BP_FIELD(struct submission_queue, head, BP_U32) },
	{ BP_FIELD(struct submission_queue, tail, BP_U32) },
	{ BP_FIELD(struct submission_queue, cq, BP_U32) },
	{ 0 },
};
static const struct bp_field cq_state[] = {
	{ BP_FIELD(struct completion_queue, base, BP_U64) },
	{ BP_FIELD(struct completion_queue, used, BP_U32) },
	{ BP_FIELD(struct completion_queue, size, BP_U32) },
	{ BP_FIELD(struct completion_queue, head, BP_U32) },
	{ BP_FIELD(struct completion_queue, tail, BP_U32) },
	{ BP_FIELD(struct completion_queue, phase, BP_U32) },
	{ BP_FIELD(struct completion_queue, vector, BP_U32) },
	{ BP_FIELD(struct completion_queue, interrupts, BP_U32) },
	{ 0 },
};
static const struct bp_field command_state[] = {
	{ BP_FIELD(struct command, state, BP_U32) },
	{ BP_FIELD(struct command, sq, BP_U32) },
	{ BP_FIELD(struct command, cq, BP_U32) },
	{ BP_FIELD(struct command, status, BP_U32) },
	{ BP_FIELD(struct command, result, BP_U32) },
	{ BP_FIELD(struct command, entry, BP_BYTES), .count = SQ_ENTRY, .flags = BP_F_WHOLE },
	{ 0 },
};
static const struct bp_field state[] = {
	{ BP_FIELD(struct nvme, mask, BP_U32) },
	{ BP_FIELD(struct nvme, cc, BP_U32) },
	{ BP_FIELD(struct nvme, csts, BP_U32) },
	{ BP_FIELD(struct nvme, aqa, BP_U32) },
	{ BP_FIELD(struct nvme, asq, BP_U64) },
	{ BP_FIELD(struct nvme, acq, BP_U64) },
	{ BP_FIELD(struct nvme, starved, BP_U32) },
	{ BP_FIELD(struct nvme, changed, BP_U32) },
	{ BP_FIELD(struct nvme, feature, BP_U32), .count = FEATURES, .flags = BP_F_WHOLE },
	{ BP_FIELD(struct nvme, sq, BP_STRUCT), .count = QUEUES, .flags = BP_F_WHOLE,
		.sub = sq_state, .sub_size = sizeof(struct submission_queue) },
	{ BP_FIELD(struct nvme, cq, BP_STRUCT), .count = QUEUES, .flags = BP_F_WHOLE,
		.sub = cq_state, .sub_size = sizeof(struct completion_queue) },
	{ BP_FIELD(struct nvme, command, BP_STRUCT), .count = COMMANDS, .flags = BP_F_WHOLE,
		.sub = command_state, .sub_size = sizeof(struct command) },
	{ 0 },
};
static const struct bp_region regions[] = {
	{ .name = "regs",
		.size = REGS_BYTES,
		.min_access = 4,
		.max_access = 8,
		.read = regs_read,
		.write = regs_write },
	{ 0 },
};

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct nvme),
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.state = state,
	.regions = regions,
	.create = create,
	.realise = realise,
	.reset = reset,
	.destroy = destroy,
	.loaded = loaded,
	.interface = interface,
};

static const struct bp_type types[] = {
	{ "nvme", "NVM Express controller with one namespace", BP_KIND_DEVICE, 0, &object, NULL },
	{ 0 },
};

BP_PLUGIN(dev_nvme) = {
	BP_PLUGIN_HEAD,
	.name = "dev-nvme",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
