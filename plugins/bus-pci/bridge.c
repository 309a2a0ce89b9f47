/* SPDX-License-Identifier: MIT */
/* A PCI-to-PCI bridge, and a PCI Express root port with a slot that cards leave and enter. */
#include "pci.h"
#include <string.h>

enum { REGION_MSIX };
enum { /* slot control and slot status (PCI Express Base 4.0, 7.5.3.10 and 11) */
	SLOT_BUTTON = 0x0001,
	SLOT_PRESENCE_CHANGED = 0x0008,
	SLOT_COMMAND_DONE = 0x0010,
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
	struct bus bus; /* first */
	const struct bp_host *host;
	struct bp_pci_device dev;
	struct bridge_part part;
	struct function *fn;
	uint32_t number; /* of the slot, root ports */
	/* Saved: */
	uint8_t asked; /* the guest is to let go of the card: it leaves when its power goes */
	uint8_t told; /* an event is there that the guest wants an interrupt for */
};
_Static_assert(offsetof(struct bridge, bus) == 0, "the bus is the owner");

/* ---- the slot ---- */

static uint32_t port_get(const struct bridge *b, unsigned reg)
{
	return config_get(b->fn, b->fn->express + reg, 2);
}

static void port_set(struct bridge *b, unsigned reg, uint32_t value)
{
	config_set(b->fn, b->fn->express + reg, 2, value);
}

static int switched_off(const struct bridge *b)
{
	return (port_get(b, EXP_SLOT_CONTROL) & CONTROL_POWER_OFF) != 0;
}

static int powered(const void *self)
{
	const struct bridge *b = self;
	return !b->dev.express || (bus_occupied(&b->bus) && !switched_off(b));
}

/* What follows from what is there; the event, if the link came or went. */
static uint32_t slot_levels(struct bridge *b)
{
	uint32_t status = port_get(b, EXP_SLOT_STATUS) & ~(uint32_t)SLOT_PRESENT;
	uint32_t link = port_get(b, EXP_LINK_STATUS), was = link & LINK_ACTIVE;
	link = powered(b) ? link | LINK_ACTIVE : link & ~(uint32_t)LINK_ACTIVE;
	port_set(b, EXP_LINK_STATUS, link);
	port_set(b, EXP_SLOT_STATUS, status | (bus_occupied(&b->bus) ? SLOT_PRESENT : 0));
	return (link & LINK_ACTIVE) != was ? SLOT_LINK_CHANGED : 0;
}

/* Events, and the interrupt (6.7.3.4): a message when the first that is wanted comes, a wire as long as
 * one is there. */
static void slot_tell(struct bridge *b, uint32_t events)
{
	uint32_t status = port_get(b, EXP_SLOT_STATUS) | events;
	uint32_t control = port_get(b, EXP_SLOT_CONTROL);
	port_set(b, EXP_SLOT_STATUS, status);
	int told = control & CONTROL_INTERRUPT &&
		(status & control & CONTROL_EVENTS ||
			(status & SLOT_LINK_CHANGED && control & CONTROL_LINK_CHANGED));
	if (told && !b->told)
		message_send(b->fn, 0);
	b->told = (uint8_t)told;
	if ((b->fn->intx != 0) != told)
		pci_bus_ops.intx(b->fn, told);
}

static void restored(void *self)
{
	struct bridge *b = self;
	if (!b->dev.express)
		return;
	unsigned at = b->fn->express + EXP_SLOT_CAPABILITIES;
	config_set(b->fn, at, 4, config_get(b->fn, at, 4) | b->number << SLOT_NUMBER);
	slot_levels(b);
	slot_tell(b, 0);
}

/* The guest let go of the card, which the user asked for. */
static uint32_t card_leaves(struct bridge *b)
{
	b->asked = 0;
	for (unsigned i = 0; i < b->bus.functions; i++)
		b->bus.fn[i].absent = 1;
	return SLOT_PRESENCE_CHANGED;
}

static void written(void *self, unsigned offset, unsigned bytes)
{
	struct bridge *b = self;
	unsigned control = b->fn->express + EXP_SLOT_CONTROL;
	uint32_t events = 0;
	if (!b->dev.express || offset + bytes <= b->fn->express)
		return;
	int was = (port_get(b, EXP_LINK_STATUS) & LINK_ACTIVE) != 0;
	/* Who loses power forgets everything. */
	if (was && !powered(b))
		bus_reset(&b->bus);
	if (b->asked && switched_off(b))
		events |= card_leaves(b);
	if (offset < control + 2 && offset + bytes > control)
		events |= SLOT_COMMAND_DONE;
	slot_tell(b, events | slot_levels(b));
}

static int slot_plug(struct bridge *b, const struct bp_link *child, int what, bp_error *err)
{
	int in = bus_plugged(&b->bus, child) == BP_PLUGGED_IN;
	if (b->fn->absent)
		return b->host->fail(
			err, "%s is out of its slot itself; plug it first", b->fn->name);
	if (what == BP_PLUG_ASK && in && !switched_off(b)) {
		if (b->asked)
			return b->host->fail(
				err, "the guest was asked already and has not let go of it");
		b->asked = 1;
		slot_tell(b, SLOT_BUTTON);
		return 0;
	}
	/* Pressed once more, the button takes back the first (6.7.1.5). */
	if (what == BP_PLUG_IN && b->asked) {
		b->asked = 0;
		slot_tell(b, SLOT_BUTTON);
		return 0;
	}
	if (bus_plug(&b->bus, child, what, err) != 0)
		return -1;
	b->asked = 0;
	slot_tell(b, SLOT_PRESENCE_CHANGED | slot_levels(b));
	root_remap(b->bus.root);
	root_route(b->bus.root);
	return 0;
}

static int plug(void *self, const struct bp_link *child, int what, bp_error *err)
{
	struct bridge *b = self;
	return b->dev.express && what != BP_PLUG_ABSENT ? slot_plug(b, child, what, err)
							: bus_plug(&b->bus, child, what, err);
}

static int plugged(void *self, const struct bp_link *child)
{
	struct bridge *b = self;
	return b->asked ? BP_PLUGGED_ASKED : bus_plugged(&b->bus, child);
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
	if (step != BP_RESET_ENTER)
		return;
	/* Nobody uses any more what the guest was asked for. */
	if (b->asked)
		card_leaves(b);
	bus_power_on(&b->bus);
	if (b->dev.express)
		slot_levels(b);
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

static const struct bp_bus bus = {
	.size = sizeof(bus),
	.slots = FUNCTIONS,
	.child_interface = "bp.pci-device/1",
	.attach = bus_attach,
	.plug = plug,
	.plugged = plugged,
};

static const void *interface(void *self, const char *id)
{
	struct bridge *b = self;
	if (!strcmp(id, "bp.bus/1"))
		return &bus;
	return strcmp(id, "bp.pci-device/1") ? NULL : &b->dev;
}

/* ---- tables ---- */

#define FIELD(m) (uint32_t) offsetof(struct bridge, m)
static const struct bp_field port_props[] = {
	{ "number", "what the guest sees as the slot's number", FIELD(number), BP_U32, BP_F_RANGE,
		.max = 8191 },
	{ 0 },
};
static const struct bp_field bridge_state[] = {
	{ BP_FIELD(struct bridge, bus, BP_STRUCT), .sub = bus_state,
		.sub_size = sizeof(struct bus) },
	{ 0 },
};
static const struct bp_field port_state[] = {
	{ BP_FIELD(struct bridge, asked, BP_BOOL) },
	{ BP_FIELD(struct bridge, told, BP_BOOL) },
	{ BP_FIELD(struct bridge, bus, BP_STRUCT), .sub = bus_state,
		.sub_size = sizeof(struct bus) },
	{ 0 },
};
static const struct bp_region regions[] = {
	{ .name = "msix",
		.size = FUNCTIONS * MSIX_BYTES,
		.min_access = 4,
		.max_access = 8,
		.read = bus_msix_read,
		.write = bus_msix_write },
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
};
