/* SPDX-License-Identifier: MIT */
/* Virtio over MMIO (Virtio 1.2, section 4.2): a slot for one device. The modern layout (version 2), or
 * with `legacy` that of section 4.2.4 (version 1). */
#include "transport.h"
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
	GUEST_PAGE_SIZE = 0x028, /* legacy */
	QUEUE_SEL = 0x030,
	QUEUE_NUM_MAX = 0x034,
	QUEUE_NUM = 0x038,
	QUEUE_ALIGN = 0x03c, /* legacy */
	QUEUE_PFN = 0x040, /* legacy */
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
	QUEUE_RESET = 0x0c0,
	CONFIG_GENERATION = 0x0fc,
	CONFIG = 0x100,
	WINDOW = 0x200
};
enum {
	MAGIC_VALUE = 0x74726976, /* "virt" */
	VENDOR = 0x4b4c5042, /* "BPLK" */
	IRQ_USED = 1,
	IRQ_CONFIG = 2
};

struct mmio {
	const struct bp_host *host;
	bp_dma *dma;
	bp_line *irq[1];
	uint8_t legacy, packed;
	uint32_t interrupt;
	uint32_t device_sel, driver_sel, queue_sel;
	uint32_t page_size, queue_align; /* legacy */
	struct virtio virtio;
};

/* ---- interrupts ---- */

static void raise(struct mmio *s, uint32_t why)
{
	s->interrupt |= why;
	s->host->line_set(s->irq[0], s->interrupt != 0);
}

static void signal_used(void *owner, unsigned queue)
{
	(void)queue;
	raise(owner, IRQ_USED);
}

static void signal_config(void *owner)
{
	raise(owner, IRQ_CONFIG);
}

static const struct virtio_signals signals = { signal_used, signal_config };

/* ---- registers ---- */

static void device_reset(struct mmio *s)
{
	virtio_reset(&s->virtio);
	s->interrupt = 0;
	s->device_sel = s->driver_sel = s->queue_sel = 0;
	s->queue_align = 0; /* the page size is told once, before the first reset */
}

static uint32_t read_modern(const struct mmio *s, uint64_t offset)
{
	switch (offset) {
	case QUEUE_READY: return virtio_queue(&s->virtio, s->queue_sel)->ready;
	case SHM_LEN:
	case SHM_LEN + 4:
	case SHM_BASE:
	case SHM_BASE + 4: return UINT32_MAX; /* no such region (4.2.2.1) */
	case CONFIG_GENERATION: return s->virtio.generation;
	default: return 0;
	}
}

static uint32_t read_legacy(const struct mmio *s, uint64_t offset)
{
	const struct queue *q = virtio_queue(&s->virtio, s->queue_sel);
	if (offset == QUEUE_PFN && q->ready && s->page_size)
		return (uint32_t)(q->desc / s->page_size);
	return 0;
}

static uint32_t read_register(const struct mmio *s, uint64_t offset)
{
	const struct virtio *v = &s->virtio;
	switch (offset) {
	case MAGIC: return MAGIC_VALUE;
	case VERSION: return s->legacy ? 1 : 2;
	case DEVICE_ID: return v->dev ? v->dev->device_id : 0;
	case VENDOR_ID: return VENDOR;
	case DEVICE_FEATURES: return virtio_offered(v, s->device_sel);
	case QUEUE_NUM_MAX: return virtio_queue_max(v, s->queue_sel);
	case INTERRUPT_STATUS: return s->interrupt;
	case STATUS: return v->status;
	default: return s->legacy ? read_legacy(s, offset) : read_modern(s, offset);
	}
}

static void write_modern(struct mmio *s, uint64_t offset, uint32_t value)
{
	struct virtio *v = &s->virtio;
	int high = offset & 4 ? 1 : 0;
	switch (offset) {
	case QUEUE_READY: virtio_queue_enable(v, s->queue_sel, value & 1); break;
	case QUEUE_RESET:
		if (value & 1)
			virtio_queue_reset(v, s->queue_sel);
		break;
	case QUEUE_DESC:
	case QUEUE_DESC + 4: virtio_queue_address(v, s->queue_sel, VIRTIO_DESC, high, value); break;
	case QUEUE_DRIVER:
	case QUEUE_DRIVER + 4:
		virtio_queue_address(v, s->queue_sel, VIRTIO_DRIVER, high, value);
		break;
	case QUEUE_DEVICE:
	case QUEUE_DEVICE + 4:
		virtio_queue_address(v, s->queue_sel, VIRTIO_DEVICE, high, value);
		break;
	default: break;
	}
}

/* Table 4.4. */
static void write_legacy(struct mmio *s, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case GUEST_PAGE_SIZE: s->page_size = value & (value - 1) ? 0 : value; break;
	case QUEUE_ALIGN: s->queue_align = value; break;
	case QUEUE_PFN:
		virtio_queue_legacy(
			&s->virtio, s->queue_sel, (uint64_t)value * s->page_size, s->queue_align);
		break;
	default: break;
	}
}

static void write_status(struct mmio *s, uint32_t value)
{
	if (value) {
		virtio_write_status(&s->virtio, value);
		return;
	}
	device_reset(s);
	s->host->line_set(s->irq[0], 0);
}

static void write_register(struct mmio *s, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case DEVICE_FEATURES_SEL: s->device_sel = value; break;
	case DRIVER_FEATURES_SEL: s->driver_sel = value; break;
	case DRIVER_FEATURES: virtio_accept(&s->virtio, s->driver_sel, value); break;
	case QUEUE_SEL: s->queue_sel = value; break;
	case QUEUE_NUM: virtio_queue_size(&s->virtio, s->queue_sel, value); break;
	case QUEUE_NOTIFY: virtio_kick(&s->virtio, value); break;
	case INTERRUPT_ACK:
		s->interrupt &= ~value;
		s->host->line_set(s->irq[0], s->interrupt != 0);
		break;
	case STATUS: write_status(s, value); break;
	default:
		if (s->legacy)
			write_legacy(s, offset, value);
		else
			write_modern(s, offset, value);
		break;
	}
}

static int mmio_read(
	void *self, uint64_t offset, unsigned bytes, uint64_t *value, const struct bp_access *how)
{
	struct mmio *s = self;
	(void)how;
	*value = 0;
	if (offset >= CONFIG)
		*value = virtio_config_read(&s->virtio, offset - CONFIG, bytes);
	else if (bytes == 4)
		*value = read_register(s, offset);
	return BP_OK;
}

static int mmio_write(
	void *self, uint64_t offset, unsigned bytes, uint64_t value, const struct bp_access *how)
{
	struct mmio *s = self;
	if (how && how->flags & BP_ACCESS_DEBUG)
		return BP_OK;
	if (offset >= CONFIG)
		virtio_config_write(&s->virtio, offset - CONFIG, bytes, value);
	else if (bytes == 4)
		write_register(s, offset, (uint32_t)value);
	return BP_OK;
}

/* ---- life ---- */

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct mmio *s = self;
	(void)err;
	s->host = s->virtio.host = host;
	s->virtio.dma = s->dma;
	s->virtio.owner = s;
	s->virtio.signals = &signals;
	s->virtio.legacy = s->legacy;
	s->virtio.withheld = s->packed ? 0 : VIRTIO_RING_PACKED;
	return 0;
}

static void reset(void *self, int step)
{
	struct mmio *s = self;
	if (step == BP_RESET_ENTER) {
		device_reset(s);
		s->page_size = 0;
	} else if (step == BP_RESET_LEAVE) {
		s->host->line_set(s->irq[0], 0);
	}
}

static void destroy(void *self)
{
	virtio_finish(&((struct mmio *)self)->virtio);
}

static int attach(void *self, const struct bp_link *child, const char *slot, bp_error *err)
{
	struct mmio *s = self;
	if (slot)
		return s->host->fail(
			err, "slot = \"%s\": this transport has no slots; leave it out", slot);
	return virtio_attach(&s->virtio, child, WINDOW - CONFIG, err);
}

static int loaded(void *self, uint32_t from_version, bp_error *err)
{
	struct mmio *s = self;
	(void)from_version;
	if (!s->virtio.legacy != !s->legacy)
		return s->host->fail(err, "the saved transport is %s; legacy = %s is needed",
			s->virtio.legacy ? "a legacy one" : "a modern one",
			s->virtio.legacy ? "true" : "false");
	return virtio_loaded(&s->virtio, err);
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
	{ "legacy", "version 1 of the registers, for drivers from before Virtio 1.0", FIELD(legacy),
		BP_BOOL },
	{ "packed", "offer packed rings", FIELD(packed), BP_BOOL },
	{ 0 },
};
static const struct bp_field state[] = {
	{ BP_FIELD(struct mmio, interrupt, BP_U32) },
	{ BP_FIELD(struct mmio, device_sel, BP_U32) },
	{ BP_FIELD(struct mmio, driver_sel, BP_U32) },
	{ BP_FIELD(struct mmio, queue_sel, BP_U32) },
	{ BP_FIELD(struct mmio, page_size, BP_U32) },
	{ BP_FIELD(struct mmio, queue_align, BP_U32) },
	{ BP_FIELD(struct mmio, virtio, BP_STRUCT), .sub = virtio_state,
		.sub_size = sizeof(struct virtio) },
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
	.state_version = 2,
	.state_oldest = 2,
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

static const struct bp_type types[] = {
	{ "virtio-mmio", "virtio transport in a window of registers", BP_KIND_BUS, 0, &object,
		NULL },
	{ "virtio-pci", "virtio transport as a PCI function", BP_KIND_BUS, 0, &virtio_pci, NULL },
	{ 0 },
};

BP_PLUGIN(bus_virtio) = {
	BP_PLUGIN_HEAD,
	.name = "bus-virtio",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
