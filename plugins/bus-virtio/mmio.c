/* SPDX-License-Identifier: MIT */
/* Virtio over MMIO (Virtio 1.2, section 4.2), the modern layout (version 2): a slot for one device. */
#include "queue.h"
#include <backplane/fdt.h>
#include <string.h>

enum { /* register offsets, table 4.1 */
	MAGIC = 0x000,
	VERSION = 0x004,
	DEVICE_ID = 0x008,
	VENDOR_ID = 0x00c,
	DEVICE_FEATURES = 0x010,
	DEVICE_FEATURES_SEL = 0x014,
	DRIVER_FEATURES = 0x020,
	DRIVER_FEATURES_SEL = 0x024,
	QUEUE_SEL = 0x030,
	QUEUE_NUM_MAX = 0x034,
	QUEUE_NUM = 0x038,
	QUEUE_READY = 0x044,
	QUEUE_NOTIFY = 0x050,
	INTERRUPT_STATUS = 0x060,
	INTERRUPT_ACK = 0x064,
	STATUS = 0x070,
	QUEUE_DESC = 0x080,
	QUEUE_DRIVER = 0x090,
	QUEUE_DEVICE = 0x0a0,
	SHM_LEN = 0x0b0,
	SHM_BASE = 0x0b8,
	CONFIG_GENERATION = 0x0fc,
	CONFIG = 0x100,
	WINDOW = 0x200
};
enum {
	MAGIC_VALUE = 0x74726976, /* "virt" */
	VENDOR = 0x4b4c5042, /* "BPLK" */
	STATUS_DRIVER_OK = 4,
	STATUS_FEATURES_OK = 8,
	STATUS_NEEDS_RESET = 64,
	IRQ_USED = 1,
	IRQ_CONFIG = 2,
	QUEUES = 64
};

struct mmio {
	const struct bp_host *host;
	bp_dma *dma;
	bp_line *irq[1];
	const struct bp_virtio_device *dev; /* NULL: an empty slot */
	void *dev_self;
	uint32_t status, interrupt, generation;
	uint32_t device_sel, driver_sel, queue_sel;
	uint64_t driver_features;
	struct queue queue[QUEUES];
};

static uint64_t offered(const struct mmio *s)
{
	return s->dev ? (s->dev->offered(s->dev_self) | VIRTIO_RING_INDIRECT | VIRTIO_RING_EVENT |
				VIRTIO_VERSION_1)
		      : 0;
}

static struct queue_memory memory(const struct mmio *s)
{
	return (struct queue_memory){ s->host, s->dma,
		s->status & STATUS_FEATURES_OK ? s->driver_features : 0 };
}

static uint32_t queue_max(const struct mmio *s)
{
	if (!s->dev || s->queue_sel >= s->dev->queues || s->queue_sel >= QUEUES)
		return 0;
	return s->dev->queue_size < QUEUE_SIZE_MAX ? s->dev->queue_size : QUEUE_SIZE_MAX;
}

static void raise(struct mmio *s, uint32_t why)
{
	s->interrupt |= why;
	s->host->line_set(s->irq[0], s->interrupt != 0);
}

/* The driver broke the rules: only a reset helps (2.1.2). */
static void broken(struct mmio *s)
{
	s->status |= STATUS_NEEDS_RESET;
	s->host->log(s, BP_LOG_GUEST, "the driver's virtqueue is malformed; waiting for a reset");
	if (s->status & STATUS_DRIVER_OK)
		raise(s, IRQ_CONFIG);
}

/* ---- what the device may ask ---- */

static int pop(void *transport, unsigned n, struct bp_virtio_request *req)
{
	struct mmio *s = transport;
	if (n >= QUEUES || s->status & STATUS_NEEDS_RESET || !(s->status & STATUS_DRIVER_OK))
		return 0;
	struct queue_memory m = memory(s);
	int r = queue_pop(&s->queue[n], &m, req);
	if (r < 0)
		broken(s);
	return r;
}

static void push(void *transport, unsigned n, struct bp_virtio_request *req, uint32_t written)
{
	struct mmio *s = transport;
	struct queue_memory m = memory(s);
	if (n < QUEUES && queue_push(&s->queue[n], &m, req, written) != 0)
		broken(s);
}

static void notify(void *transport, unsigned n)
{
	struct mmio *s = transport;
	struct queue_memory m = memory(s);
	if (n < QUEUES && queue_wants_signal(&s->queue[n], &m))
		raise(s, IRQ_USED);
}

static void config_changed(void *transport)
{
	struct mmio *s = transport;
	s->generation++;
	if (s->status & STATUS_DRIVER_OK)
		raise(s, IRQ_CONFIG);
}

static uint64_t features(void *transport)
{
	const struct mmio *s = transport;
	return s->status & STATUS_FEATURES_OK ? s->driver_features : 0;
}

static int queue_ready(void *transport, unsigned n)
{
	const struct mmio *s = transport;
	return n < QUEUES && s->queue[n].ready && s->status & STATUS_DRIVER_OK;
}

static void release(void *transport, struct bp_virtio_request *req)
{
	struct mmio *s = transport;
	struct queue_memory m = memory(s);
	queue_forget(&m, req);
}

static int retake(void *transport, unsigned n, uint32_t head, struct bp_virtio_request *req)
{
	struct mmio *s = transport;
	struct queue_memory m = memory(s);
	return n < QUEUES ? queue_retake(&s->queue[n], &m, head, req) : -1;
}

static const struct bp_virtio_transport transport_ops = {
	.size = sizeof(transport_ops),
	.pop = pop,
	.push = push,
	.notify = notify,
	.config_changed = config_changed,
	.features = features,
	.queue_ready = queue_ready,
	.release = release,
	.retake = retake,
};

/* ---- registers ---- */

static void device_reset(struct mmio *s)
{
	if (s->dev && s->status & STATUS_DRIVER_OK)
		s->dev->run(s->dev_self, 0);
	s->status = s->interrupt = 0;
	s->device_sel = s->driver_sel = s->queue_sel = 0;
	s->driver_features = 0;
	memset(s->queue, 0, sizeof(s->queue));
}

static void write_status(struct mmio *s, uint32_t value)
{
	uint32_t was = s->status;
	if (!value) {
		device_reset(s);
		s->host->line_set(s->irq[0], 0);
		return;
	}
	/* FEATURES_OK stays off unless what the driver wants is on offer, VERSION_1 included. */
	if (value & STATUS_FEATURES_OK && !(was & STATUS_FEATURES_OK) &&
		(s->driver_features & ~offered(s) || !(s->driver_features & VIRTIO_VERSION_1)))
		value &= ~(uint32_t)STATUS_FEATURES_OK;
	s->status = (value & 0xff) | (was & STATUS_NEEDS_RESET);
	if (s->dev && value & STATUS_DRIVER_OK && !(was & STATUS_DRIVER_OK))
		s->dev->run(s->dev_self, 1);
}

static uint64_t *queue_address(struct queue *q, uint64_t offset)
{
	switch (offset & ~UINT64_C(7)) {
	case QUEUE_DESC: return &q->desc;
	case QUEUE_DRIVER: return &q->avail;
	default: return &q->used;
	}
}

static void write_queue(struct mmio *s, uint64_t offset, uint32_t value)
{
	uint32_t max = queue_max(s);
	struct queue *q = &s->queue[s->queue_sel % QUEUES];
	if (!max)
		return;
	if (offset == QUEUE_READY) {
		/* A size that is none was never a queue. */
		int good = q->size && q->size <= max && !(q->size & (q->size - 1));
		q->ready = value & 1 && good;
		if (!q->ready)
			q->last_avail = q->used_idx = q->signalled = 0;
		return;
	}
	if (q->ready)
		return; /* the layout is fixed while the queue is in use (4.2.3.2) */
	if (offset == QUEUE_NUM) {
		q->size = value <= max ? value : 0;
		return;
	}
	uint64_t *addr = queue_address(q, offset);
	*addr = offset & 4 ? (*addr & UINT32_MAX) | (uint64_t)value << 32
			   : (*addr & ~(uint64_t)UINT32_MAX) | value;
}

static uint32_t read_register(struct mmio *s, uint64_t offset)
{
	const struct queue *q = &s->queue[s->queue_sel % QUEUES];
	switch (offset) {
	case MAGIC: return MAGIC_VALUE;
	case VERSION: return 2;
	case DEVICE_ID: return s->dev ? s->dev->device_id : 0;
	case VENDOR_ID: return VENDOR;
	case DEVICE_FEATURES:
		return s->device_sel < 2 ? (uint32_t)(offered(s) >> 32 * s->device_sel) : 0;
	case QUEUE_NUM_MAX: return queue_max(s);
	case QUEUE_READY: return queue_max(s) ? q->ready : 0;
	case INTERRUPT_STATUS: return s->interrupt;
	case STATUS: return s->status;
	case SHM_LEN:
	case SHM_LEN + 4:
	case SHM_BASE:
	case SHM_BASE + 4: return UINT32_MAX; /* no such region (4.2.2.1) */
	case CONFIG_GENERATION: return s->generation;
	default: return 0;
	}
}

static void write_register(struct mmio *s, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case DEVICE_FEATURES_SEL: s->device_sel = value; break;
	case DRIVER_FEATURES_SEL: s->driver_sel = value; break;
	case DRIVER_FEATURES:
		if (s->driver_sel < 2 && !(s->status & STATUS_FEATURES_OK)) {
			unsigned shift = 32 * s->driver_sel;
			s->driver_features &= ~((uint64_t)UINT32_MAX << shift);
			s->driver_features |= (uint64_t)value << shift;
		}
		break;
	case QUEUE_SEL: s->queue_sel = value; break;
	case QUEUE_NOTIFY:
		if (s->dev && value < s->dev->queues && queue_ready(s, value))
			s->dev->kick(s->dev_self, value);
		break;
	case INTERRUPT_ACK:
		s->interrupt &= ~value;
		s->host->line_set(s->irq[0], s->interrupt != 0);
		break;
	case STATUS: write_status(s, value); break;
	case QUEUE_NUM:
	case QUEUE_READY:
	case QUEUE_DESC:
	case QUEUE_DESC + 4:
	case QUEUE_DRIVER:
	case QUEUE_DRIVER + 4:
	case QUEUE_DEVICE:
	case QUEUE_DEVICE + 4: write_queue(s, offset, value); break;
	default: break;
	}
}

static int config_reach(const struct mmio *s, uint64_t offset, unsigned bytes)
{
	return s->dev && offset - CONFIG + bytes <= s->dev->config_size;
}

static int mmio_read(
	void *self, uint64_t offset, unsigned bytes, uint64_t *value, const struct bp_access *how)
{
	struct mmio *s = self;
	(void)how;
	*value = 0;
	if (offset >= CONFIG) {
		uint8_t b[8] = { 0 };
		if (config_reach(s, offset, bytes))
			s->dev->config_read(s->dev_self, (uint32_t)(offset - CONFIG), b, bytes);
		for (unsigned i = 0; i < bytes; i++)
			*value |= (uint64_t)b[i] << 8 * i;
	} else if (bytes == 4) {
		*value = read_register(s, offset);
	}
	return BP_OK;
}

static int mmio_write(
	void *self, uint64_t offset, unsigned bytes, uint64_t value, const struct bp_access *how)
{
	struct mmio *s = self;
	if (how && how->flags & BP_ACCESS_DEBUG)
		return BP_OK;
	if (offset >= CONFIG) {
		uint8_t b[8];
		for (unsigned i = 0; i < bytes; i++)
			b[i] = (uint8_t)(value >> 8 * i);
		if (config_reach(s, offset, bytes) && s->dev->config_write)
			s->dev->config_write(s->dev_self, (uint32_t)(offset - CONFIG), b, bytes);
	} else if (bytes == 4) {
		write_register(s, offset, (uint32_t)value);
	}
	return BP_OK;
}

/* ---- life ---- */

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct mmio *s = self;
	(void)err;
	s->host = host;
	return 0;
}

static void reset(void *self, int step)
{
	struct mmio *s = self;
	if (step == BP_RESET_ENTER)
		device_reset(s);
	else if (step == BP_RESET_LEAVE)
		s->host->line_set(s->irq[0], 0);
}

static int attach(void *self, const struct bp_link *child, const char *slot, bp_error *err)
{
	struct mmio *s = self;
	const struct bp_virtio_device *dev = child->ops;
	if (slot)
		return s->host->fail(
			err, "slot = \"%s\": this transport has no slots; leave it out", slot);
	if (s->dev)
		return s->host->fail(err, "%s: the transport already holds a device", child->name);
	if (!dev || !BP_HAS(dev, run) || !dev->queues || dev->queues > QUEUES ||
		dev->queue_size > QUEUE_SIZE_MAX || dev->queue_size & (dev->queue_size - 1) ||
		dev->config_size > WINDOW - CONFIG)
		return s->host->fail(err,
			"%s: %u queues of %u entries and %u bytes of configuration do not fit",
			child->name, dev ? dev->queues : 0, dev ? dev->queue_size : 0,
			dev ? dev->config_size : 0);
	s->dev = dev;
	s->dev_self = child->self;
	return dev->attach(child->self, &transport_ops, s);
}

/* Sizes mask indexes, so a foreign snapshot is not believed. */
static int loaded(void *self, uint32_t from_version, bp_error *err)
{
	struct mmio *s = self;
	(void)from_version;
	for (unsigned n = 0; n < QUEUES; n++) {
		uint32_t size = s->queue[n].size;
		if (size > QUEUE_SIZE_MAX || (s->queue[n].ready && (!size || size & (size - 1))))
			return s->host->fail(err,
				"the saved queue %u has %u entries; a power of two up to %d is "
				"possible",
				n, size, QUEUE_SIZE_MAX);
	}
	return 0;
}

static const struct bp_bus bus = {
	.size = sizeof(bus),
	.slots = 1,
	.child_interface = "bp.virtio-device/1",
	.attach = attach,
};

static const char *const compatible[] = { "virtio,mmio", NULL };
static const struct bp_fdt_node fdt_node = {
	.size = sizeof(fdt_node),
	.name = "virtio_mmio",
	.compatible = compatible,
};

static const void *interface(void *self, const char *id)
{
	(void)self;
	if (!strcmp(id, "bp.bus/1"))
		return &bus;
	return strcmp(id, "bp.fdt-node/1") ? NULL : &fdt_node;
}

#define FIELD(m) (uint32_t) offsetof(struct mmio, m)
static const char *const dma_link[] = { "bp.dma/1", NULL };
static const struct bp_field props[] = {
	{ "dma", "the address space of the rings and buffers", FIELD(dma), BP_LINK, BP_F_REQUIRED,
		.names = dma_link },
	{ 0 },
};
static const struct bp_field queue_state[] = {
	{ BP_FIELD(struct queue, desc, BP_U64) },
	{ BP_FIELD(struct queue, avail, BP_U64) },
	{ BP_FIELD(struct queue, used, BP_U64) },
	{ BP_FIELD(struct queue, size, BP_U32) },
	{ BP_FIELD(struct queue, ready, BP_U32) },
	{ BP_FIELD(struct queue, last_avail, BP_U32) },
	{ BP_FIELD(struct queue, used_idx, BP_U32) },
	{ BP_FIELD(struct queue, signalled, BP_U32) },
	{ 0 },
};
static const struct bp_field state[] = {
	{ BP_FIELD(struct mmio, status, BP_U32) },
	{ BP_FIELD(struct mmio, interrupt, BP_U32) },
	{ BP_FIELD(struct mmio, generation, BP_U32) },
	{ BP_FIELD(struct mmio, device_sel, BP_U32) },
	{ BP_FIELD(struct mmio, driver_sel, BP_U32) },
	{ BP_FIELD(struct mmio, queue_sel, BP_U32) },
	{ BP_FIELD(struct mmio, driver_features, BP_U64) },
	{ .name = "queue",
		.offset = FIELD(queue),
		.type = BP_STRUCT,
		.count = QUEUES,
		.sub = queue_state,
		.sub_size = sizeof(struct queue) },
	{ 0 },
};
static const struct bp_region regions[] = {
	{ .name = "regs",
		.size = WINDOW,
		.min_access = 1,
		.max_access = 4,
		.read = mmio_read,
		.write = mmio_write },
	{ 0 },
};
static const struct bp_pin out[] = { { .name = "irq", .offset = FIELD(irq), .count = 1 }, { 0 } };

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct mmio),
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.state = state,
	.regions = regions,
	.out = out,
	.create = create,
	.reset = reset,
	.loaded = loaded,
	.interface = interface,
};

static const struct bp_type types[] = {
	{ "virtio-mmio", "virtio transport in a window of registers", BP_KIND_BUS, 0, &object,
		NULL },
	{ 0 },
};

BP_PLUGIN(bus_virtio) = {
	BP_PLUGIN_HEAD,
	.name = "bus-virtio",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
