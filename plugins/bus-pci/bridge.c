/* SPDX-License-Identifier: MIT */
/* A PCI-to-PCI bridge, and a PCI Express root port with a slot that cards leave and enter. */
#include "pci.h"
#include <string.h>

enum { REGION_MSIX };
enum { /* slot control and slot status (PCI Express Base 4.0, 7.5.3.10 and 11) */
	SLOT_BUTTON = 0x0001,
	SLOT_PRESENCE_CHANGED = 0x0008,
	SLOT_PRESENT = 0x0040,
	SLOT_LINK_CHANGED = 0x0100,
	SLOT_NUMBER = 19, /* slot capabilities: shift */
	CONTROL_EVENTS = 0x001f, /* enables, by the status bits of the same place */
	CONTROL_INTERRUPT = 0x0020,
	CONTROL_POWER_OFF = 0x0400,
	CONTROL_LINK_CHANGED = 0x1000,
	LINK_ACTIVE = 0x2000
};

struct bridge {
	const struct bp_host *host;
	struct bp_pci_device dev;
	struct bridge_part part;
	struct function *fn;
	uint32_t number; /* of the slot, root ports */
	uint8_t present; /* somebody put the card in */
	uint8_t button; /* each change to 1 presses it */
	struct bus bus;
};

static uint32_t port_get(const struct bridge *b, unsigned reg)
{
	return config_get(b->fn, b->fn->express + reg, 2);
}

static void port_set(struct bridge *b, unsigned reg, uint32_t value)
{
	config_set(b->fn, b->fn->express + reg, 2, value);
}

static int powered(void *self)
{
	const struct bridge *b = self;
	return !b->dev.express ||
		(b->present && !(port_get(b, EXP_SLOT_CONTROL) & CONTROL_POWER_OFF));
}

/* Levels that follow from what there is; bits of `events` are changes to tell. */
static void slot_update(struct bridge *b, uint32_t events)
{
	uint32_t status = port_get(b, EXP_SLOT_STATUS) | events;
	uint32_t link = port_get(b, EXP_LINK_STATUS), control = port_get(b, EXP_SLOT_CONTROL);
	int card = b->bus.functions && b->present, up = b->bus.functions && powered(b);
	status = card ? status | SLOT_PRESENT : status & ~(uint32_t)SLOT_PRESENT;
	if (!up != !(link & LINK_ACTIVE) && b->fn->power_on)
		status |= events ? SLOT_LINK_CHANGED : 0;
	port_set(b, EXP_LINK_STATUS, up ? link | LINK_ACTIVE : link & ~(uint32_t)LINK_ACTIVE);
	port_set(b, EXP_SLOT_STATUS, status);
	uint32_t told = (status & control & CONTROL_EVENTS) |
		(status & SLOT_LINK_CHANGED && control & CONTROL_LINK_CHANGED);
	int wanted = told && control & CONTROL_INTERRUPT;
	if (message_mode(b->fn)) {
		if (wanted && events)
			message_send(b->fn, 0);
		wanted = 0;
	}
	if ((b->fn->intx != 0) != wanted)
		pci_bus_ops.intx(b->fn, wanted);
}

static void restored(void *self)
{
	struct bridge *b = self;
	if (!b->dev.express)
		return;
	unsigned at = b->fn->express + EXP_SLOT_CAPABILITIES;
	config_set(b->fn, at, 4, config_get(b->fn, at, 4) | b->number << SLOT_NUMBER);
	slot_update(b, 0);
}

static void written(void *self, unsigned offset, unsigned bytes)
{
	struct bridge *b = self;
	unsigned link = b->fn->express + EXP_LINK_STATUS;
	if (!b->dev.express || offset + bytes <= b->fn->express)
		return;
	int was = (config_get(b->fn, link, 2) & LINK_ACTIVE) != 0;
	int now = b->bus.functions && powered(b);
	/* Who loses power forgets everything. */
	if (was && !now)
		bus_reset(&b->bus);
	slot_update(b, was != now ? SLOT_LINK_CHANGED : 0);
}

static void changed(void *self, const char *prop)
{
	struct bridge *b = self;
	if (!b->fn || !b->fn->power_on)
		return;
	if (!strcmp(prop, "button")) {
		if (b->button)
			slot_update(b, SLOT_BUTTON);
		return;
	}
	if (!b->present)
		bus_reset(&b->bus);
	slot_update(b, SLOT_PRESENCE_CHANGED);
	root_remap(b->fn->bus->root);
	root_route(b->fn->bus->root);
}

/* ---- life ---- */

static int pci_attach(void *self, const struct bp_pci_bus *ops, void *fn)
{
	struct bridge *b = self;
	(void)ops;
	b->fn = fn;
	return 0;
}

static const struct bp_pci_device plain_device = {
	.size = sizeof(plain_device),
	.vendor = 0x1b36,
	.device = 0x0001,
	.subclass = 0x04,
	.base_class = 0x06,
	.attach = pci_attach,
};
static const struct bp_pci_device port_device = {
	.size = sizeof(port_device),
	.vendor = 0x1b36,
	.device = 0x000c,
	.subclass = 0x04,
	.base_class = 0x06,
	.pin = 1,
	.express = 1,
	.msi_vectors = 1,
	.attach = pci_attach,
};

const struct bridge_part *bridge_of(const struct bp_pci_device *dev, void *self)
{
	return dev->attach == pci_attach ? &((struct bridge *)self)->part : NULL;
}

static int create_as(struct bridge *b, const struct bp_host *host, const struct bp_pci_device *dev)
{
	b->host = host;
	b->dev = *dev;
	b->part = (struct bridge_part){ &b->bus, written, restored, powered };
	bus_init(&b->bus, host, b, REGION_MSIX, dev->express ? 1 : 32);
	b->bus.upstream = &b->fn;
	return 0;
}

static int create_bridge(void *self, const struct bp_host *host, bp_error *err)
{
	(void)err;
	return create_as(self, host, &plain_device);
}

static int create_port(void *self, const struct bp_host *host, bp_error *err)
{
	(void)err;
	return create_as(self, host, &port_device);
}

static int realise(void *self, bp_error *err)
{
	const struct bridge *b = self;
	struct function *const *up = &b->fn;
	/* The tree is built from the root: a circle of bridges would never be found. */
	for (unsigned depth = 0; up && *up && depth <= DEPTH; depth++)
		up = (*up)->bus->upstream;
	if (!up)
		return 0;
	return b->host->fail(err,
		"it is behind no host bridge, or more than %d bridges away; name one with bus = "
		"\"...\"",
		DEPTH);
}

static void reset(void *self, int step)
{
	struct bridge *b = self;
	if (step == BP_RESET_ENTER)
		bus_power_on(&b->bus);
}

static void destroy(void *self)
{
	struct bridge *b = self;
	if (b->bus.host)
		bus_finish(&b->bus);
}

static int loaded(void *self, uint32_t from_version, bp_error *err)
{
	struct bridge *b = self;
	(void)from_version;
	return bus_loaded(&b->bus, err);
}

static int attach(void *self, const struct bp_link *child, const char *slot, bp_error *err)
{
	return bus_attach(&((struct bridge *)self)->bus, child, slot, err);
}

static const struct bp_bus bus = {
	.size = sizeof(bus),
	.slots = FUNCTIONS,
	.child_interface = "bp.pci-device/1",
	.attach = attach,
};

static const void *interface(void *self, const char *id)
{
	struct bridge *b = self;
	if (!strcmp(id, "bp.bus/1"))
		return &bus;
	return strcmp(id, "bp.pci-device/1") ? NULL : &b->dev;
}

/* ---- tables ---- */

static int table_read(
	void *self, uint64_t offset, unsigned bytes, uint64_t *value, const struct bp_access *how)
{
	(void)how;
	return bus_msix_read(&((struct bridge *)self)->bus, offset, bytes, value);
}

static int table_write(
	void *self, uint64_t offset, unsigned bytes, uint64_t value, const struct bp_access *how)
{
	if (how->flags & BP_ACCESS_DEBUG)
		return BP_OK;
	return bus_msix_write(&((struct bridge *)self)->bus, offset, bytes, value);
}

#define FIELD(m) (uint32_t) offsetof(struct bridge, m)
static const struct bp_field port_props[] = {
	{ "number", "what the guest sees as the slot's number", FIELD(number), BP_U32, BP_F_RANGE,
		.max = 8191 },
	{ "present", "false: the card is not in the slot", FIELD(present), BP_BOOL, BP_F_RUNTIME,
		.def = 1 },
	{ "button", "true: the attention button is pressed", FIELD(button), BP_BOOL, BP_F_RUNTIME },
	{ 0 },
};
static const struct bp_field bridge_state[] = {
	{ BP_FIELD(struct bridge, bus, BP_STRUCT), .sub = bus_state,
		.sub_size = sizeof(struct bus) },
	{ 0 },
};
static const struct bp_field port_state[] = {
	{ BP_FIELD(struct bridge, present, BP_BOOL), .def = 1 },
	{ BP_FIELD(struct bridge, bus, BP_STRUCT), .sub = bus_state,
		.sub_size = sizeof(struct bus) },
	{ 0 },
};
static const struct bp_region regions[] = {
	{ .name = "msix",
		.size = FUNCTIONS * MSIX_BYTES,
		.min_access = 4,
		.max_access = 8,
		.read = table_read,
		.write = table_write },
	{ 0 },
};

const struct bp_object pci_bridge = {
	.size = sizeof(pci_bridge),
	.instance_size = sizeof(struct bridge),
	.state_version = 1,
	.state_oldest = 1,
	.state = bridge_state,
	.regions = regions,
	.create = create_bridge,
	.realise = realise,
	.reset = reset,
	.destroy = destroy,
	.loaded = loaded,
	.interface = interface,
};
const struct bp_object pcie_root_port = {
	.size = sizeof(pcie_root_port),
	.instance_size = sizeof(struct bridge),
	.state_version = 1,
	.state_oldest = 1,
	.props = port_props,
	.state = port_state,
	.regions = regions,
	.create = create_port,
	.realise = realise,
	.reset = reset,
	.destroy = destroy,
	.loaded = loaded,
	.interface = interface,
	.changed = changed,
};
