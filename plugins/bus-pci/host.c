/* SPDX-License-Identifier: MIT */
/* A host bridge whose configuration space lies in memory (ECAM: PCI Express Base 4.0, 7.2.2), as the
 * device tree binding "pci-host-ecam-generic" describes it. */
#include "pci.h"
#include <backplane/fdt.h>
#include <backplane/machine.h>
#include <string.h>

enum { REGION_ECAM, REGION_PIO, REGION_MMIO, REGION_MMIO64, REGION_MSIX };
enum { ECAM_BUS = 20, ECAM_SLOT = 12, PIN_COUNT = 4 };

/* ---- windows ---- */

static struct function *ecam_function(struct root *r, uint64_t offset)
{
	return bus_find(&r->bus, (unsigned)(offset >> ECAM_BUS) & 0xff,
		(unsigned)(offset >> ECAM_SLOT) & 0xff);
}

static int ecam_read(
	void *self, uint64_t offset, unsigned bytes, uint64_t *value, const struct bp_access *how)
{
	struct function *f = ecam_function(self, offset);
	(void)how;
	*value = f ? function_read(f, (unsigned)(offset % CONFIG_BYTES), bytes) : UINT64_MAX;
	return BP_OK;
}

static int ecam_write(
	void *self, uint64_t offset, unsigned bytes, uint64_t value, const struct bp_access *how)
{
	struct function *f = ecam_function(self, offset);
	if (f && !(how->flags & BP_ACCESS_DEBUG))
		function_write(f, (unsigned)(offset % CONFIG_BYTES), bytes, (uint32_t)value);
	return BP_OK;
}

/* What no BAR takes: nobody answers, which reads as ones. */
static int nobody_read(
	void *self, uint64_t offset, unsigned bytes, uint64_t *value, const struct bp_access *how)
{
	(void)self;
	(void)offset;
	(void)bytes;
	(void)how;
	*value = UINT64_MAX;
	return BP_OK;
}

static int nobody_write(
	void *self, uint64_t offset, unsigned bytes, uint64_t value, const struct bp_access *how)
{
	(void)self;
	(void)offset;
	(void)bytes;
	(void)value;
	(void)how;
	return BP_OK;
}

/* ---- life ---- */

/* The host bridge as guests see it, in slot 0. */
static const struct bp_pci_device itself = {
	.size = sizeof(itself),
	.vendor = 0x1b36,
	.device = 0x0008,
	.base_class = 0x06,
};

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct root *r = self;
	r->host = host;
	bus_init(&r->bus, host, r, REGION_MSIX, 32);
	if (r->ecam_size & ((UINT64_C(1) << ECAM_BUS) - 1) || !r->ecam_size ||
		r->ecam_size > UINT64_C(256) << ECAM_BUS)
		return host->fail(err,
			"ecam-size: 1 MiB for each of 1 to 256 buses is expected, not 0x%llx bytes",
			(unsigned long long)r->ecam_size);
	return bus_add(&r->bus, &itself, r, host->name_of(r), NULL, "0", err);
}

static int read_places(struct root *r, const struct bp_machine *m, bp_error *err)
{
	struct bp_placement p;
	for (unsigned n = 0; m->placement(r, n, &p) == 0; n++) {
		int io = !strcmp(p.region, "pio");
		unsigned i = io ? 0 : !strcmp(p.region, "mmio") ? 1 : 2;
		if (p.space != r->space)
			return r->host->fail(err,
				"at: %s lies in %s; windows and memory are to be in one space",
				p.region, p.space_name);
		if (!n != !strcmp(p.region, "ecam"))
			return r->host->fail(err, "at: ecam is expected as the first window");
		if (!n)
			continue;
		if (r->aperture[i].size)
			return r->host->fail(
				err, "at: %s is placed twice; once is possible", p.region);
		/* Memory has the addresses that the machine has, ports begin at 0. */
		r->aperture[i] = (struct aperture){ io ? 0 : p.base, p.base, p.length, io };
	}
	return 0;
}

static int realise(void *self, bp_error *err)
{
	struct root *r = self;
	const struct bp_machine *m = r->host->interface("bp.machine/1");
	if (m && read_places(r, m, err) != 0)
		return -1;
	return bus_realise(&r->bus, r, NULL, err);
}

static void reset(void *self, int step)
{
	struct root *r = self;
	if (step == BP_RESET_ENTER)
		bus_power_on(&r->bus);
	else if (step == BP_RESET_HOLD)
		root_remap(r);
	else
		root_route(r);
}

static void destroy(void *self)
{
	struct root *r = self;
	bus_finish(&r->bus);
}

/* Bridges have their state too by now: all of the tree is there. */
static int loaded(void *self, uint32_t from_version, bp_error *err)
{
	struct root *r = self;
	(void)from_version;
	if (bus_loaded(&r->bus, err) != 0)
		return -1;
	root_remap(r);
	root_route(r);
	return 0;
}

static const struct bp_bus bus = {
	.size = sizeof(bus),
	.slots = FUNCTIONS - 1,
	.child_interface = "bp.pci-device/1",
	.attach = bus_attach,
	.plug = bus_plug,
	.plugged = bus_plugged,
};

/* ---- device tree (IEEE 1275 PCI binding, host-generic-pci) ---- */

static void describe_ranges(const struct root *r, const struct bp_fdt_writer *w, void *node)
{
	static const uint32_t kind[APERTURES] = { 0x01000000, 0x02000000, 0x03000000 };
	uint32_t cells[7 * APERTURES];
	unsigned n = 0;
	for (unsigned i = 0; i < APERTURES; i++) {
		const struct aperture *a = &r->aperture[i];
		if (!a->size)
			continue;
		cells[n++] = kind[i];
		cells[n++] = (uint32_t)(a->pci >> 32);
		cells[n++] = (uint32_t)a->pci;
		cells[n++] = (uint32_t)(a->cpu >> 32);
		cells[n++] = (uint32_t)a->cpu;
		cells[n++] = (uint32_t)(a->size >> 32);
		cells[n++] = (uint32_t)a->size;
	}
	w->u32s(node, "ranges", cells, n);
}

/* Four devices show how the wires turn; the mask makes it hold for all. */
static void describe_interrupts(struct root *r, const struct bp_fdt_writer *w, void *node)
{
	const struct bp_machine *m = r->host->interface("bp.machine/1");
	uint32_t cells[4 * PIN_COUNT * 9], wire_cells[PIN_COUNT][6] = { { 0 } };
	unsigned count = 0, lengths[PIN_COUNT] = { 0 };
	struct bp_wire wire;
	for (unsigned n = 0; m && m->wire(r, n, &wire) == 0; n++) {
		const struct bp_fdt_node *to = m->interface_of(wire.target, "bp.fdt-node/1");
		if (wire.index >= PIN_COUNT || !to || !to->interrupt)
			continue;
		wire_cells[wire.index][0] = w->phandle(node, wire.target);
		lengths[wire.index] = 1 +
			to->interrupt(wire.target, wire.target_pin, wire.target_index,
				&wire_cells[wire.index][1]);
	}
	for (uint32_t device = 0; device < PIN_COUNT; device++)
		for (uint32_t pin = 0; pin < PIN_COUNT; pin++) {
			unsigned to = (device + pin) % PIN_COUNT;
			if (!lengths[to])
				continue;
			cells[count++] = device << 11;
			cells[count++] = 0;
			cells[count++] = 0;
			cells[count++] = pin + 1;
			for (unsigned i = 0; i < lengths[to]; i++)
				cells[count++] = wire_cells[to][i];
		}
	const uint32_t one = 1, mask[4] = { (PIN_COUNT - 1) << 11, 0, 0, 7 };
	w->u32s(node, "#interrupt-cells", &one, 1);
	if (!count)
		return;
	w->u32s(node, "interrupt-map-mask", mask, 4);
	w->u32s(node, "interrupt-map", cells, count);
}

static void describe(void *self, const struct bp_fdt_writer *w, void *node)
{
	struct root *r = self;
	const uint32_t three = 3, two = 2, domain = 0;
	const uint32_t buses[2] = { 0, (uint32_t)(r->ecam_size >> ECAM_BUS) - 1 };
	w->string(node, "device_type", "pci");
	w->u32s(node, "#address-cells", &three, 1);
	w->u32s(node, "#size-cells", &two, 1);
	w->u32s(node, "linux,pci-domain", &domain, 1);
	w->u32s(node, "bus-range", buses, 2);
	w->empty(node, "dma-coherent");
	describe_ranges(r, w, node);
	describe_interrupts(r, w, node);
}

static const char *const compatible[] = { "pci-host-ecam-generic", NULL };
static const struct bp_fdt_node fdt_node = {
	.size = sizeof(fdt_node),
	.name = "pci",
	.compatible = compatible,
	.describe = describe,
	.flags = BP_FDT_FIRST_WINDOW | BP_FDT_MAPS_INTERRUPTS,
};

static const void *interface(void *self, const char *id)
{
	(void)self;
	if (!strcmp(id, "bp.bus/1"))
		return &bus;
	return strcmp(id, "bp.fdt-node/1") ? NULL : &fdt_node;
}

/* ---- tables ---- */

#define FIELD(m) (uint32_t) offsetof(struct root, m)
static const char *const space_link[] = { "bp.space/1", NULL };
static const struct bp_field props[] = {
	{ "memory", "the address space of windows and of the functions' DMA", FIELD(space), BP_LINK,
		BP_F_REQUIRED, .names = space_link },
	{ "ecam-size", "bytes of configuration space: 1 MiB for each bus", FIELD(ecam_size),
		BP_SIZE, .def = UINT64_C(256) << ECAM_BUS },
	{ "pio-size", "bytes of the window for I/O ports", FIELD(pio_size), BP_SIZE,
		.def = 0x10000 },
	{ "mmio-size", "bytes of the window for memory below 4 GiB", FIELD(mmio_size), BP_SIZE,
		.def = 0x40000000 },
	{ "mmio64-size", "bytes of the window for memory of any address", FIELD(mmio64_size),
		BP_SIZE, .def = UINT64_C(0x400000000) },
	{ 0 },
};
static const struct bp_field state[] = {
	{ BP_FIELD(struct root, bus, BP_STRUCT), .sub = bus_state, .sub_size = sizeof(struct bus) },
	{ 0 },
};
static const struct bp_region regions[] = {
	{ .name = "ecam",
		.size_offset = FIELD(ecam_size),
		.max_access = 4,
		.read = ecam_read,
		.write = ecam_write },
	{ .name = "pio",
		.size_offset = FIELD(pio_size),
		.read = nobody_read,
		.write = nobody_write },
	{ .name = "mmio",
		.size_offset = FIELD(mmio_size),
		.read = nobody_read,
		.write = nobody_write },
	{ .name = "mmio64",
		.size_offset = FIELD(mmio64_size),
		.read = nobody_read,
		.write = nobody_write },
	{ .name = "msix",
		.size = FUNCTIONS * MSIX_BYTES,
		.min_access = 4,
		.max_access = 8,
		.read = bus_msix_read,
		.write = bus_msix_write },
	{ 0 },
};
static const struct bp_pin out[] = { { .name = "irq", .offset = FIELD(irq), .count = PIN_COUNT },
	{ 0 } };

const struct bp_object pci_host_ecam = {
	.size = sizeof(pci_host_ecam),
	.instance_size = sizeof(struct root),
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.state = state,
	.regions = regions,
	.out = out,
	.create = create,
	.realise = realise,
	.reset = reset,
	.destroy = destroy,
	.loaded = loaded,
	.interface = interface,
};
