/* SPDX-License-Identifier: MIT */
/* Virtio over PCI (Virtio 1.2, section 4.1): a function that is a slot for one device. The modern layout
 * in BAR 4, with `transitional` also that of section 4.1.4.10 in BAR 0; MSI-X in BAR 1. */
#include "transport.h"
#include <backplane/pci.h>
#include <string.h>

enum { REGION_MODERN, REGION_LEGACY };
enum { /* structures in BAR 4 */
	COMMON_AT = 0x0000,
	ISR_AT = 0x1000,
	DEVICE_AT = 0x2000,
	NOTIFY_AT = 0x3000,
	PART = 0x1000,
	MODERN_BYTES = 0x4000,
	NOTIFY_STEP = 4, /* notify_off_multiplier: queue n is notified at 4 * n */
	LEGACY_BYTES = 256
};
enum { /* common configuration, 4.1.4.3 */
	DEVICE_FEATURE_SELECT = 0x00,
	DEVICE_FEATURE = 0x04,
	DRIVER_FEATURE_SELECT = 0x08,
	DRIVER_FEATURE = 0x0c,
	CONFIG_VECTOR = 0x10,
	NUM_QUEUES = 0x12,
	STATUS = 0x14,
	GENERATION = 0x15,
	QUEUE_SELECT = 0x16,
	QUEUE_SIZE = 0x18,
	QUEUE_VECTOR = 0x1a,
	QUEUE_ENABLE = 0x1c,
	QUEUE_NOTIFY_OFF = 0x1e,
	QUEUE_DESC = 0x20,
	QUEUE_DRIVER = 0x28,
	QUEUE_DEVICE = 0x30,
	QUEUE_RESET = 0x3a
};
enum { /* legacy registers, 4.1.4.10 */
	OLD_DEVICE_FEATURES = 0x00,
	OLD_DRIVER_FEATURES = 0x04,
	OLD_QUEUE_ADDRESS = 0x08,
	OLD_QUEUE_SIZE = 0x0c,
	OLD_QUEUE_SELECT = 0x0e,
	OLD_QUEUE_NOTIFY = 0x10,
	OLD_STATUS = 0x12,
	OLD_ISR = 0x13,
	OLD_CONFIG_VECTOR = 0x14, /* these two with MSI-X enabled only */
	OLD_QUEUE_VECTOR = 0x16,
	OLD_CONFIG = 0x14,
	OLD_CONFIG_MSIX = 0x18,
	OLD_PAGE_BITS = 12
};
enum { ISR_USED = 1, ISR_CONFIG = 2, NO_VECTOR = 0xffff };
enum {
	CAP_VENDOR = 9,
	CAP_COMMON = 1,
	CAP_NOTIFY,
	CAP_ISR,
	CAP_DEVICE,
	CAP_ACCESS,
	BAR_MODERN = 4
};
enum { ACCESS_INDEX = 4, ACCESS_BAR = 4, ACCESS_OFFSET = 8, ACCESS_LENGTH = 12, ACCESS_DATA = 16 };

struct pci {
	const struct bp_host *host;
	uint8_t transitional, packed;
	struct bp_pci_device pci;
	struct bp_pci_bar bars[4];
	const struct bp_pci_bus *ops; /* NULL: in no slot */
	void *fn;
	uint32_t isr;
	uint32_t device_sel, driver_sel, queue_sel;
	uint32_t config_vector;
	uint32_t queue_vector[VIRTIO_QUEUES];
	struct virtio virtio;
};

/* ---- interrupts ---- */

static void tell(struct pci *s, uint32_t vector, uint32_t isr)
{
	if (s->ops->message_mode(s->fn)) {
		if (vector != NO_VECTOR)
			s->ops->message(s->fn, vector);
		return;
	}
	s->isr |= isr;
	s->ops->intx(s->fn, 1);
}

static void signal_used(void *owner, unsigned queue)
{
	struct pci *s = owner;
	tell(s, s->queue_vector[queue % VIRTIO_QUEUES], ISR_USED);
}

static void signal_config(void *owner)
{
	struct pci *s = owner;
	tell(s, s->config_vector, ISR_CONFIG);
}

static const struct virtio_signals signals = { signal_used, signal_config };

static uint32_t read_isr(struct pci *s, const struct bp_access *how)
{
	uint32_t isr = s->isr;
	if (how && how->flags & BP_ACCESS_DEBUG)
		return isr;
	s->isr = 0;
	s->ops->intx(s->fn, 0);
	return isr;
}

static void device_reset(struct pci *s)
{
	virtio_reset(&s->virtio);
	s->isr = 0;
	s->device_sel = s->driver_sel = s->queue_sel = 0;
	s->config_vector = NO_VECTOR;
	for (unsigned n = 0; n < VIRTIO_QUEUES; n++)
		s->queue_vector[n] = NO_VECTOR;
}

static void write_status(struct pci *s, uint32_t value)
{
	if (value) {
		virtio_write_status(&s->virtio, value);
		return;
	}
	device_reset(s);
	s->ops->intx(s->fn, 0);
}

/* A vector that is none is refused, which the driver sees (4.1.5.1.2). */
static uint32_t vector(const struct pci *s, uint32_t value)
{
	return value < s->pci.msix.vectors ? value : NO_VECTOR;
}

/* Which interface the driver speaks is open until it says its first word. */
static void speak(struct pci *s, uint32_t legacy)
{
	if (!s->virtio.status)
		s->virtio.legacy = legacy;
}

/* ---- the modern layout ---- */

static uint32_t *vector_of_queue(struct pci *s)
{
	return virtio_queue_max(&s->virtio, s->queue_sel) ? &s->queue_vector[s->queue_sel] : NULL;
}

static uint32_t queue_size(const struct pci *s)
{
	const struct queue *q = virtio_queue(&s->virtio, s->queue_sel);
	return q->size ? q->size : virtio_queue_max(&s->virtio, s->queue_sel);
}

static uint32_t read_queue_area(const struct pci *s, uint64_t offset)
{
	const struct queue *q = virtio_queue(&s->virtio, s->queue_sel);
	uint64_t addr = offset < QUEUE_DRIVER ? q->desc
		: offset < QUEUE_DEVICE       ? q->avail
					      : q->used;
	return (uint32_t)(offset & 4 ? addr >> 32 : addr);
}

static uint32_t read_common(struct pci *s, uint64_t offset)
{
	const struct virtio *v = &s->virtio;
	const uint32_t *queue_vector = vector_of_queue(s);
	switch (offset) {
	case DEVICE_FEATURE_SELECT: return s->device_sel;
	case DEVICE_FEATURE: return virtio_offered(v, s->device_sel);
	case DRIVER_FEATURE_SELECT: return s->driver_sel;
	case DRIVER_FEATURE: return virtio_accepted(v, s->driver_sel);
	case CONFIG_VECTOR: return s->config_vector;
	case NUM_QUEUES: return v->dev ? v->dev->queues : 0;
	case STATUS: return v->status;
	case GENERATION: return v->generation;
	case QUEUE_SELECT: return s->queue_sel;
	case QUEUE_SIZE: return queue_size(s);
	case QUEUE_VECTOR: return queue_vector ? *queue_vector : NO_VECTOR;
	case QUEUE_ENABLE: return virtio_queue(v, s->queue_sel)->ready;
	case QUEUE_NOTIFY_OFF: return queue_vector ? s->queue_sel : 0;
	default:
		return offset >= QUEUE_DESC && offset < QUEUE_DEVICE + 8 && !(offset & 3)
			? read_queue_area(s, offset)
			: 0;
	}
}

static void write_queue(struct pci *s, uint64_t offset, uint32_t value)
{
	struct virtio *v = &s->virtio;
	uint32_t n = s->queue_sel, *queue_vector = vector_of_queue(s);
	int high = offset & 4 ? 1 : 0;
	switch (offset) {
	case QUEUE_SIZE: virtio_queue_size(v, n, value); break;
	case QUEUE_VECTOR:
		if (queue_vector)
			*queue_vector = vector(s, value);
		break;
	case QUEUE_ENABLE:
		if (value != 1)
			break; /* only a reset takes a queue away (4.1.4.3.2) */
		if (!virtio_queue(v, n)->size)
			virtio_queue_size(v, n, virtio_queue_max(v, n));
		virtio_queue_enable(v, n, 1);
		break;
	case QUEUE_DESC:
	case QUEUE_DESC + 4: virtio_queue_address(v, n, VIRTIO_DESC, high, value); break;
	case QUEUE_DRIVER:
	case QUEUE_DRIVER + 4: virtio_queue_address(v, n, VIRTIO_DRIVER, high, value); break;
	case QUEUE_DEVICE:
	case QUEUE_DEVICE + 4: virtio_queue_address(v, n, VIRTIO_DEVICE, high, value); break;
	case QUEUE_RESET:
		if (value == 1)
			virtio_queue_reset(v, n);
		break;
	default: break;
	}
}

static void write_common(struct pci *s, uint64_t offset, uint32_t value)
{
	switch (offset) {
	case DEVICE_FEATURE_SELECT: s->device_sel = value; break;
	case DRIVER_FEATURE_SELECT: s->driver_sel = value; break;
	case DRIVER_FEATURE: virtio_accept(&s->virtio, s->driver_sel, value); break;
	case CONFIG_VECTOR: s->config_vector = vector(s, value); break;
	case STATUS: write_status(s, value & 0xff); break;
	case QUEUE_SELECT: s->queue_sel = value & 0xffff; break;
	default: write_queue(s, offset, value); break;
	}
}

static int modern_read(
	void *self, uint64_t offset, unsigned bytes, uint64_t *value, const struct bp_access *how)
{
	struct pci *s = self;
	uint64_t at = offset % PART;
	*value = 0;
	speak(s, 0);
	switch (offset - at) {
	case COMMON_AT: *value = read_common(s, at); break;
	case ISR_AT: *value = at ? 0 : read_isr(s, how); break;
	case DEVICE_AT: *value = virtio_config_read(&s->virtio, at, bytes); break;
	default: break;
	}
	return BP_OK;
}

static int modern_write(
	void *self, uint64_t offset, unsigned bytes, uint64_t value, const struct bp_access *how)
{
	struct pci *s = self;
	uint64_t at = offset % PART;
	if (how && how->flags & BP_ACCESS_DEBUG)
		return BP_OK;
	speak(s, 0);
	switch (offset - at) {
	case COMMON_AT: write_common(s, at, (uint32_t)value); break;
	case DEVICE_AT: virtio_config_write(&s->virtio, at, bytes, value); break;
	case NOTIFY_AT: virtio_kick(&s->virtio, (uint32_t)(at / NOTIFY_STEP)); break;
	default: break;
	}
	return BP_OK;
}

/* ---- the legacy layout ---- */

static uint64_t old_config(const struct pci *s)
{
	return s->ops->message_mode(s->fn) == 2 ? OLD_CONFIG_MSIX : OLD_CONFIG;
}

static uint32_t read_old(struct pci *s, uint64_t offset, const struct bp_access *how)
{
	const struct virtio *v = &s->virtio;
	const struct queue *q = virtio_queue(v, s->queue_sel);
	const uint32_t *queue_vector = vector_of_queue(s);
	switch (offset) {
	case OLD_DEVICE_FEATURES: return virtio_offered(v, 0);
	case OLD_DRIVER_FEATURES: return virtio_accepted(v, 0);
	case OLD_QUEUE_ADDRESS: return q->ready ? (uint32_t)(q->desc >> OLD_PAGE_BITS) : 0;
	case OLD_QUEUE_SIZE: return virtio_queue_max(v, s->queue_sel);
	case OLD_QUEUE_SELECT: return s->queue_sel;
	case OLD_STATUS: return v->status;
	case OLD_ISR: return read_isr(s, how);
	case OLD_CONFIG_VECTOR: return s->config_vector;
	case OLD_QUEUE_VECTOR: return queue_vector ? *queue_vector : NO_VECTOR;
	default: return 0;
	}
}

static void write_old(struct pci *s, uint64_t offset, uint32_t value)
{
	struct virtio *v = &s->virtio;
	switch (offset) {
	case OLD_DRIVER_FEATURES: virtio_accept(v, 0, value); break;
	case OLD_QUEUE_ADDRESS:
		virtio_queue_enable(v, s->queue_sel, 0);
		virtio_queue_size(v, s->queue_sel, virtio_queue_max(v, s->queue_sel));
		virtio_queue_legacy(v, s->queue_sel, (uint64_t)value << OLD_PAGE_BITS,
			UINT32_C(1) << OLD_PAGE_BITS);
		break;
	case OLD_QUEUE_SELECT: s->queue_sel = value & 0xffff; break;
	case OLD_QUEUE_NOTIFY: virtio_kick(v, value & 0xffff); break;
	case OLD_STATUS: write_status(s, value & 0xff); break;
	case OLD_CONFIG_VECTOR: s->config_vector = vector(s, value & 0xffff); break;
	case OLD_QUEUE_VECTOR: write_queue(s, QUEUE_VECTOR, value & 0xffff); break;
	default: break;
	}
}

static int legacy_read(
	void *self, uint64_t offset, unsigned bytes, uint64_t *value, const struct bp_access *how)
{
	struct pci *s = self;
	uint64_t config = old_config(s);
	speak(s, 1);
	*value = offset >= config ? virtio_config_read(&s->virtio, offset - config, bytes)
				  : read_old(s, offset, how);
	return BP_OK;
}

static int legacy_write(
	void *self, uint64_t offset, unsigned bytes, uint64_t value, const struct bp_access *how)
{
	struct pci *s = self;
	uint64_t config = old_config(s);
	if (how && how->flags & BP_ACCESS_DEBUG)
		return BP_OK;
	speak(s, 1);
	if (offset >= config)
		virtio_config_write(&s->virtio, offset - config, bytes, value);
	else
		write_old(s, offset, (uint32_t)value);
	return BP_OK;
}

/* ---- the structures as capabilities, 4.1.4 ---- */

/* Registers of one capability: its length, what it is, where it lies. */
#define PLACE(len, type, at, bytes_of)                                                             \
	{ .name = "cap_len", .offset = 2, .bytes = 1, .reset = (len) },                            \
		{ .name = "cfg_type", .offset = 3, .bytes = 1, .reset = (type) },                  \
		{ .name = "bar", .offset = 4, .bytes = 1, .reset = BAR_MODERN },                   \
		{ .name = "offset", .offset = 8, .bytes = 4, .reset = (at) },                      \
	{                                                                                          \
		.name = "length", .offset = 12, .bytes = 4, .reset = (bytes_of)                    \
	}

static const struct bp_pci_reg common_regs[] = { PLACE(16, CAP_COMMON, COMMON_AT, PART), { 0 } };
static const struct bp_pci_reg isr_regs[] = { PLACE(16, CAP_ISR, ISR_AT, PART), { 0 } };
static const struct bp_pci_reg device_regs[] = { PLACE(16, CAP_DEVICE, DEVICE_AT, PART), { 0 } };
static const struct bp_pci_reg notify_regs[] = {
	PLACE(20, CAP_NOTIFY, NOTIFY_AT, PART),
	{ .name = "multiplier", .offset = 16, .bytes = 4, .reset = NOTIFY_STEP },
	{ 0 },
};
static const struct bp_pci_reg access_regs[] = {
	{ .name = "cap_len", .offset = 2, .bytes = 1, .reset = 20 },
	{ .name = "cfg_type", .offset = 3, .bytes = 1, .reset = CAP_ACCESS },
	{ .name = "bar", .offset = ACCESS_BAR, .bytes = 1, .writable = 0xff },
	{ .name = "offset", .offset = ACCESS_OFFSET, .bytes = 4, .writable = UINT32_MAX },
	{ .name = "length", .offset = ACCESS_LENGTH, .bytes = 4, .writable = UINT32_MAX },
	{ .name = "data", .offset = ACCESS_DATA, .bytes = 4, .writable = UINT32_MAX },
	{ 0 },
};

/* Where the access capability leads now; bytes 0: nowhere. */
static uint32_t access_place(const struct pci *s, unsigned *bytes)
{
	unsigned cap = s->ops->capability(s->fn, ACCESS_INDEX);
	uint32_t offset = s->ops->config_get(s->fn, cap + ACCESS_OFFSET, 4);
	uint32_t length = s->ops->config_get(s->fn, cap + ACCESS_LENGTH, 4);
	*bytes = (length == 1 || length == 2 || length == 4) && !(offset & (length - 1)) &&
			s->ops->config_get(s->fn, cap + ACCESS_BAR, 1) == BAR_MODERN &&
			offset <= MODERN_BYTES - length
		? length
		: 0;
	return offset;
}

static uint32_t access_read(void *self, unsigned offset, unsigned bytes, uint32_t stored)
{
	struct pci *s = self;
	uint64_t value;
	unsigned length;
	if (offset < ACCESS_DATA)
		return stored;
	uint32_t at = access_place(s, &length);
	if (!length)
		return 0;
	modern_read(s, at, length, &value, NULL);
	value >>= 8 * (offset - ACCESS_DATA);
	return (uint32_t)(bytes < 4 ? value & ((UINT64_C(1) << 8 * bytes) - 1) : value);
}

static void access_written(void *self, unsigned offset, unsigned bytes, uint32_t now)
{
	struct pci *s = self;
	unsigned length;
	uint32_t at = access_place(s, &length);
	(void)bytes;
	if (offset != ACCESS_DATA || !length)
		return;
	modern_write(s, at, length, length < 4 ? now & ((1u << 8 * length) - 1) : now, NULL);
}

static const struct bp_pci_capability capabilities[] = {
	{ .name = "virtio-common", .id = CAP_VENDOR, .bytes = 16, .regs = common_regs },
	{ .name = "virtio-notify", .id = CAP_VENDOR, .bytes = 20, .regs = notify_regs },
	{ .name = "virtio-isr", .id = CAP_VENDOR, .bytes = 16, .regs = isr_regs },
	{ .name = "virtio-device", .id = CAP_VENDOR, .bytes = 16, .regs = device_regs },
	{ .name = "virtio-access",
		.id = CAP_VENDOR,
		.bytes = 20,
		.regs = access_regs,
		.read = access_read,
		.written = access_written },
	{ 0 },
};

/* ---- what the function is: the device decides ---- */

enum { VENDOR = 0x1af4, DEVICE_MODERN = 0x1040 };

static const struct {
	uint16_t virtio, transitional; /* ids (4.1.2.1); transitional 0: there is none */
	uint32_t class_code;
} kinds[] = {
	{ 1, 0x1000, 0x020000 }, /* net */
	{ 2, 0x1001, 0x010000 }, /* block */
	{ 3, 0x1003, 0x078000 }, /* console */
	{ 4, 0x1005, 0x00ff00 }, /* entropy */
	{ 5, 0x1002, 0x00ff00 }, /* balloon */
	{ 8, 0x1004, 0x010000 }, /* SCSI */
	{ 9, 0x1009, 0x00ff00 }, /* 9P */
	{ 18, 0, 0x098000 }, /* input */
};

static int describe(struct pci *s, const char *name, bp_error *err)
{
	const struct bp_virtio_device *dev = s->virtio.dev;
	struct bp_pci_device *p = &s->pci;
	uint32_t class_code = 0x00ff00, transitional = 0;
	unsigned bars = 0;
	for (unsigned i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++)
		if (kinds[i].virtio == dev->device_id) {
			class_code = kinds[i].class_code;
			transitional = kinds[i].transitional;
		}
	if (s->transitional && !transitional)
		return s->host->fail(err,
			"%s: devices of type %u have no transitional form; leave transitional out",
			name, dev->device_id);
	p->device = (uint16_t)(s->transitional ? transitional : DEVICE_MODERN + dev->device_id);
	p->revision = s->transitional ? 0 : 1;
	p->subsystem = (uint16_t)(s->transitional ? dev->device_id : p->device);
	p->base_class = (uint8_t)(class_code >> 16);
	p->subclass = (uint8_t)(class_code >> 8);
	p->interface = (uint8_t)class_code;
	p->msix = (struct bp_pci_msix){ .vectors = (uint16_t)(dev->queues + 1), .bar = 1 };
	if (s->transitional)
		s->bars[bars++] = (struct bp_pci_bar){ .size = LEGACY_BYTES,
			.index = 0,
			.flags = BP_PCI_BAR_IO,
			.region = REGION_LEGACY };
	s->bars[bars++] =
		(struct bp_pci_bar){ .size = 0x1000, .index = 1, .flags = BP_PCI_BAR_EMPTY };
	s->bars[bars] = (struct bp_pci_bar){ .size = MODERN_BYTES,
		.index = BAR_MODERN,
		.flags = BP_PCI_BAR_64 | BP_PCI_BAR_PREFETCHABLE,
		.region = REGION_MODERN };
	return 0;
}

/* ---- life ---- */

static int pci_attach(void *self, const struct bp_pci_bus *ops, void *fn)
{
	struct pci *s = self;
	s->ops = ops;
	s->fn = fn;
	s->virtio.dma = ops->dma(fn);
	return 0;
}

static void pci_reset(void *self)
{
	device_reset(self);
}

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct pci *s = self;
	(void)err;
	s->host = s->virtio.host = host;
	s->virtio.owner = s;
	s->virtio.signals = &signals;
	s->virtio.withheld = s->packed ? 0 : VIRTIO_RING_PACKED;
	s->pci = (struct bp_pci_device){ .size = sizeof(s->pci),
		.vendor = VENDOR,
		.subsystem_vendor = VENDOR,
		.pin = 1,
		.express = 1,
		.bars = s->bars,
		.capabilities = capabilities,
		.attach = pci_attach,
		.reset = pci_reset };
	return 0;
}

static int realise(void *self, bp_error *err)
{
	const struct pci *s = self;
	if (!s->ops)
		return s->host->fail(err,
			"it is in no slot; name a host bridge or root port with bus = \"...\"");
	if (!s->virtio.dev)
		return s->host->fail(err,
			"it holds no device; give one bus = \"%s\", or remove this function",
			s->host->name_of(s));
	return 0;
}

static void reset(void *self, int step)
{
	if (step == BP_RESET_ENTER)
		device_reset(self);
}

static void destroy(void *self)
{
	virtio_finish(&((struct pci *)self)->virtio);
}

static int attach(void *self, const struct bp_link *child, const char *slot, bp_error *err)
{
	struct pci *s = self;
	uint32_t most = s->transitional ? LEGACY_BYTES - OLD_CONFIG_MSIX : PART;
	if (slot)
		return s->host->fail(
			err, "slot = \"%s\": this transport has no slots; leave it out", slot);
	return virtio_attach(&s->virtio, child, most, err) == 0 ? describe(s, child->name, err)
								: -1;
}

static int loaded(void *self, uint32_t from_version, bp_error *err)
{
	struct pci *s = self;
	(void)from_version;
	if (s->virtio.legacy && !s->transitional)
		return s->host->fail(err,
			"the saved driver speaks the legacy interface; transitional = true is "
			"needed");
	s->config_vector = vector(s, s->config_vector);
	for (unsigned n = 0; n < VIRTIO_QUEUES; n++)
		s->queue_vector[n] = vector(s, s->queue_vector[n]);
	return virtio_loaded(&s->virtio, err);
}

static const struct bp_bus bus = {
	.size = sizeof(bus),
	.slots = 1,
	.child_interface = "bp.virtio-device/1",
	.attach = attach,
};

static const void *interface(void *self, const char *id)
{
	struct pci *s = self;
	if (!strcmp(id, "bp.bus/1"))
		return &bus;
	return strcmp(id, "bp.pci-device/1") ? NULL : &s->pci;
}

#define FIELD(m) (uint32_t) offsetof(struct pci, m)
static const struct bp_field props[] = {
	{ "transitional", "also the legacy registers, for drivers from before Virtio 1.0",
		FIELD(transitional), BP_BOOL },
	{ "packed", "offer packed rings", FIELD(packed), BP_BOOL },
	{ 0 },
};
static const struct bp_field state[] = {
	{ BP_FIELD(struct pci, isr, BP_U32) },
	{ BP_FIELD(struct pci, device_sel, BP_U32) },
	{ BP_FIELD(struct pci, driver_sel, BP_U32) },
	{ BP_FIELD(struct pci, queue_sel, BP_U32) },
	{ BP_FIELD(struct pci, config_vector, BP_U32) },
	{ BP_FIELD(struct pci, queue_vector, BP_U32), .count = VIRTIO_QUEUES, .flags = BP_F_WHOLE },
	{ BP_FIELD(struct pci, virtio, BP_STRUCT), .sub = virtio_state,
		.sub_size = sizeof(struct virtio) },
	{ 0 },
};
static const struct bp_region regions[] = {
	{ .name = "modern",
		.size = MODERN_BYTES,
		.max_access = 4,
		.read = modern_read,
		.write = modern_write },
	{ .name = "legacy",
		.size = LEGACY_BYTES,
		.max_access = 4,
		.read = legacy_read,
		.write = legacy_write },
	{ 0 },
};

const struct bp_object virtio_pci = {
	.size = sizeof(virtio_pci),
	.instance_size = sizeof(struct pci),
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
