/* SPDX-License-Identifier: MIT */
/* Buses: who is where, who answers, whose windows are shown, whose interrupts and writes get through. */
#include "pci.h"
#include <stdlib.h>
#include <string.h>

/* ---- slots ---- */

void bus_init(struct bus *b, const struct bp_host *host, void *owner, unsigned msix_region,
	unsigned devices)
{
	b->host = host;
	b->owner = owner;
	b->msix_region = msix_region;
	b->devices = devices;
}

void bus_finish(struct bus *b)
{
	for (unsigned i = 0; i < b->functions; i++)
		function_finish(&b->fn[i]);
	b->functions = 0;
}

static struct function *at_slot(struct bus *b, unsigned slot)
{
	return slot < 256 && b->number_of_slot[slot] ? &b->fn[b->number_of_slot[slot] - 1] : NULL;
}

/* "3", "3.1", or NULL for the first free device; -1 after host->fail. */
static int find_slot(struct bus *b, const char *text, const char *name, bp_error *err)
{
	unsigned long device = 0, function = 0;
	char *end;
	if (!text) {
		for (unsigned d = 0; d < b->devices; d++)
			if (!at_slot(b, d << 3))
				return (int)(d << 3);
		return b->host->fail(err, "%s: each of the %u devices of this bus is there already",
			name, b->devices);
	}
	device = strtoul(text, &end, 10);
	int good = end != text && *text >= '0' && *text <= '9';
	if (good && *end == '.') {
		text = end + 1;
		function = strtoul(text, &end, 10);
		good = end != text && *text >= '0' && *text <= '9';
	}
	if (!good || *end || device >= b->devices || function > 7)
		return b->host->fail(err,
			"%s: the slot is no DEVICE or DEVICE.FUNCTION with a device up to %u and a "
			"function up to 7",
			name, b->devices - 1);
	if (at_slot(b, (unsigned)(device << 3 | function)))
		return b->host->fail(err, "%s: slot %lu.%lu is taken by %s", name, device, function,
			at_slot(b, (unsigned)(device << 3 | function))->name);
	return (int)(device << 3 | function);
}

static int master_translate(void *self, const struct bp_access *how, uint64_t addr, int write,
	struct bp_iommu_result *result);

static bp_space *master_target(void *self)
{
	const struct function *f = self;
	return f->bus->root ? f->bus->root->space : NULL;
}

static const struct bp_iommu master = {
	.size = sizeof(master),
	.target = master_target,
	.translate = master_translate,
};

int bus_add(struct bus *b, const struct bp_pci_device *dev, void *self, const char *name,
	const struct bridge_part *bridge, const char *slot, bp_error *err)
{
	int at = find_slot(b, slot, name, err);
	if (at < 0)
		return -1;
	if (b->functions == FUNCTIONS)
		return b->host->fail(err, "%s: this bus has %d functions, more are not possible",
			name, FUNCTIONS);
	struct function *f = &b->fn[b->functions];
	*f = (struct function){ .host = b->host,
		.bus = b,
		.dev = dev,
		.self = self,
		.name = name,
		.bridge = bridge,
		.slot = (uint32_t)at,
		.devfn = (uint32_t)at };
	b->number_of_slot[at] = (uint8_t)++b->functions;
	f->dma = b->host->dma_new(self, &master, f);
	return dev->attach ? dev->attach(self, &pci_bus_ops, f) : 0;
}

int bus_attach(void *bus, const struct bp_link *child, const char *slot, bp_error *err)
{
	struct bus *b = bus;
	const struct bp_pci_device *dev = child->ops;
	if (!dev || dev->size < offsetof(struct bp_pci_device, config_written) || !dev->attach)
		return b->host->fail(err, "%s: its PCI description is too short (a plugin's fault)",
			child->name);
	return bus_add(b, dev, child->self, child->name, bridge_of(dev, child->self), slot, err);
}

int bus_realise(struct bus *b, struct root *root, struct function *bridge, bp_error *err)
{
	unsigned depth = 0;
	b->root = root;
	b->bridge = bridge;
	for (const struct bus *up = b; up->bridge; up = up->bridge->bus)
		if (++depth > DEPTH)
			return b->host->fail(
				err, "more than %d buses stand behind one another", DEPTH);
	for (unsigned i = 0; i < b->functions; i++) {
		struct function *f = &b->fn[i];
		if (function_build(f, err) != 0)
			return -1;
		if (f->slot & 7 && !at_slot(b, f->slot & ~7u))
			return b->host->fail(err,
				"%s: slot %u.%u: nobody finds it unless %u.0 is there too", f->name,
				f->slot >> 3, f->slot & 7, f->slot >> 3);
		if (f->bridge && bus_realise(f->bridge->secondary, root, f, err) != 0)
			return -1;
	}
	for (unsigned i = 0; i < b->functions; i++)
		if (b->fn[i].slot & 7)
			at_slot(b, b->fn[i].slot & ~7u)->power_on[HEADER_TYPE] |= MULTI_FUNCTION;
	bus_power_on(b);
	return 0;
}

void bus_power_on(struct bus *b)
{
	for (unsigned i = 0; i < b->functions; i++)
		function_power_on(&b->fn[i]);
}

void bus_reset(struct bus *b)
{
	for (unsigned i = 0; i < b->functions; i++) {
		struct function *f = &b->fn[i];
		function_power_on(f);
		if (f->dev->reset)
			f->dev->reset(f->self);
		if (f->bridge)
			bus_reset(f->bridge->secondary);
	}
}

/* ---- hot plug: a card is all functions of a device ---- */

int bus_occupied(const struct bus *b)
{
	for (unsigned i = 0; i < b->functions; i++)
		if (!b->fn[i].absent)
			return 1;
	return 0;
}

static struct function *function_of(struct bus *b, const struct bp_link *child)
{
	for (unsigned i = 0; i < b->functions; i++)
		if (b->fn[i].self == child->self)
			return &b->fn[i];
	return NULL;
}

static int same_card(const struct function *f, const struct function *other)
{
	return f->slot >> 3 == other->slot >> 3;
}

/* Who cannot be reset would come back as it went. */
static int can_leave(struct bus *b, const struct function *f, bp_error *err)
{
	for (unsigned i = 0; i < b->functions; i++) {
		const struct function *other = &b->fn[i];
		if (same_card(f, other) && !other->dev->reset && !other->bridge)
			return b->host->fail(err,
				"%s has no reset of its own, so it cannot leave its slot",
				other->name);
	}
	return 0;
}

static void reset_function(struct function *f);

/* It reaches nobody any more by the time that it ends what is under way. */
static void set_absent(struct bus *b, const struct function *f, int absent)
{
	for (unsigned i = 0; i < b->functions; i++)
		if (same_card(f, &b->fn[i]))
			b->fn[i].absent = (uint8_t)absent;
	for (unsigned i = 0; i < b->functions; i++)
		if (same_card(f, &b->fn[i]))
			reset_function(&b->fn[i]);
}

int bus_plug(void *bus, const struct bp_link *child, int what, bp_error *err)
{
	struct bus *b = bus;
	struct function *f = function_of(b, child);
	if (!f || (what != BP_PLUG_IN && can_leave(b, f, err) != 0))
		return -1;
	if (what == BP_PLUG_ABSENT) { /* the reset of the start is still to come */
		for (unsigned i = 0; i < b->functions; i++)
			if (same_card(f, &b->fn[i]))
				b->fn[i].absent = 1;
		return 0;
	}
	if (!f->absent == (what == BP_PLUG_IN))
		return b->host->fail(err, "it is %s its slot already", f->absent ? "out of" : "in");
	set_absent(b, f, what != BP_PLUG_IN);
	root_remap(b->root);
	root_route(b->root);
	return 0;
}

int bus_plugged(void *bus, const struct bp_link *child)
{
	const struct function *f = function_of(bus, child);
	return f && !f->absent ? BP_PLUGGED_IN : BP_PLUGGED_OUT;
}

/* ---- who answers ---- */

int bus_loaded(struct bus *b, bp_error *err)
{
	for (unsigned i = 0; i < b->functions; i++)
		if (b->fn[i].devfn != b->fn[i].slot)
			return b->host->fail(err,
				"the saved function %u is in slot %u.%u; %s is in %u.%u", i,
				b->fn[i].devfn >> 3, b->fn[i].devfn & 7, b->fn[i].name,
				b->fn[i].slot >> 3, b->fn[i].slot & 7);
	return 0;
}

static int powered(const struct function *f)
{
	return !f->absent && f->bridge->powered(f->self);
}

struct function *bus_find(struct bus *b, unsigned number, unsigned slot)
{
	unsigned here = b->bridge ? b->bridge->config[SECONDARY] : 0;
	if (number == here) {
		struct function *f = at_slot(b, slot);
		return f && !f->absent ? f : NULL;
	}
	for (unsigned i = 0; i < b->functions; i++) {
		const struct function *f = &b->fn[i];
		if (f->bridge && powered(f) && f->config[SECONDARY] > here &&
			number >= f->config[SECONDARY] && number <= f->config[SUBORDINATE])
			return bus_find(f->bridge->secondary, number, slot);
	}
	return NULL;
}

/* ---- windows ---- */

enum { PRIORITY_BAR = 1, PRIORITY_TABLE };

struct span {
	uint64_t base, last;
};

static int inside(uint64_t addr, uint64_t size, struct span s)
{
	return s.base <= s.last && addr >= s.base && addr <= s.last && size - 1 <= s.last - addr;
}

/* Whether the bridge passes this range down (Bridge 1.2, 3.2.5). */
static int forwards(const struct function *b, uint64_t addr, uint64_t size, int io)
{
	uint32_t command = b->config[COMMAND];
	if (!powered(b) || !(command & (io ? COMMAND_IO : COMMAND_MEMORY)))
		return 0;
	if (io) {
		struct span s = { (uint64_t)config_get(b, IO_BASE_UPPER, 2) << 16 |
				(config_get(b, IO_BASE, 1) & 0xf0) << 8,
			(uint64_t)config_get(b, IO_LIMIT_UPPER, 2) << 16 |
				(config_get(b, IO_LIMIT, 1) & 0xf0) << 8 | 0xfff };
		return inside(addr, size, s);
	}
	struct span memory = { (uint64_t)(config_get(b, MEMORY_BASE, 2) & 0xfff0) << 16,
		(uint64_t)(config_get(b, MEMORY_LIMIT, 2) & 0xfff0) << 16 | 0xfffff };
	struct span prefetch = { (uint64_t)config_get(b, PREFETCH_BASE_UPPER, 4) << 32 |
			(uint64_t)(config_get(b, PREFETCH_BASE, 2) & 0xfff0) << 16,
		(uint64_t)config_get(b, PREFETCH_LIMIT_UPPER, 4) << 32 |
			(uint64_t)(config_get(b, PREFETCH_LIMIT, 2) & 0xfff0) << 16 | 0xfffff };
	return inside(addr, size, memory) || inside(addr, size, prefetch);
}

/* Where the machine sees these PCI addresses; 0: nowhere. */
static int to_machine(const struct bus *b, uint64_t addr, uint64_t size, int io, uint64_t *cpu)
{
	for (const struct function *up = b->bridge; up; up = up->bus->bridge)
		if (!forwards(up, addr, size, io))
			return 0;
	for (unsigned i = 0; i < APERTURES; i++) {
		const struct aperture *a = &b->root->aperture[i];
		if (a->size && a->io == io &&
			inside(addr, size, (struct span){ a->pci, a->pci + (a->size - 1) })) {
			*cpu = a->cpu + (addr - a->pci);
			return 1;
		}
	}
	return 0;
}

static void show(const struct function *f, bp_window *w, int shown, uint64_t base, uint64_t offset,
	uint64_t len, int priority)
{
	bp_space *space = shown ? f->bus->root->space : NULL;
	if (w && f->host->window_show(w, space, base, offset, len, priority) != 0)
		f->host->log(f->self, BP_LOG_GUEST, "a BAR cannot be shown: too many windows");
}

static void remap_function(struct function *f)
{
	int table = 0;
	uint64_t at = 0;
	for (const struct bp_pci_bar *b = f->dev->bars; b && b->size && b->index < BARS; b++) {
		uint64_t addr, cpu = 0, len = b->size;
		int io = (b->flags & BP_PCI_BAR_IO) != 0;
		int shown = !f->absent && function_bar(f, b, &addr) &&
			to_machine(f->bus, addr, b->size, io, &cpu);
		bp_window *w = f->window[b->index];
		if (w && f->host->window_bytes(w) < len)
			len = f->host->window_bytes(w);
		show(f, w, shown, cpu, 0, len, PRIORITY_BAR);
		if (f->table && b->index == f->dev->msix.bar) {
			table = shown && f->dev->msix.offset + (uint64_t)MSIX_BYTES <= b->size;
			at = cpu + f->dev->msix.offset;
		}
	}
	show(f, f->table, table, at, (uint64_t)(f - f->bus->fn) * MSIX_BYTES, MSIX_BYTES,
		PRIORITY_TABLE);
}

static void remap_bus(struct bus *b)
{
	unsigned number = b->bridge ? b->bridge->config[SECONDARY] : 0;
	for (unsigned i = 0; i < b->functions; i++) {
		struct function *f = &b->fn[i];
		b->host->dma_requester(f->dma, number << 8 | f->slot);
		if (f->power_on)
			remap_function(f);
		if (f->bridge)
			remap_bus(f->bridge->secondary);
	}
}

void root_remap(struct root *r)
{
	r->host->transaction_begin(r->bus.owner);
	remap_bus(&r->bus);
	r->host->transaction_commit(r->bus.owner);
}

/* ---- interrupts ---- */

static int signals(const struct function *f)
{
	return f->intx && !f->absent && f->dev->pin &&
		!(config_get(f, COMMAND, 2) & COMMAND_NO_INTX) && !message_mode(f);
}

/* The wires that a bus drives where it is attached: bit n is INTA + n. Each bridge turns its devices'
 * wires by their number (Bridge 1.2, 9.1), and so does the root. */
static unsigned wires_of(const struct bus *b)
{
	unsigned wires = 0;
	for (unsigned i = 0; i < b->functions; i++) {
		const struct function *f = &b->fn[i];
		unsigned mine = f->signals ? 1u << (f->dev->pin - 1) : 0;
		if (f->bridge && !f->absent)
			mine |= wires_of(f->bridge->secondary);
		for (unsigned n = 0; n < 4; n++)
			if (mine >> n & 1)
				wires |= 1u << (n + (f->slot >> 3)) % 4;
	}
	return wires;
}

static void drive(struct root *r)
{
	unsigned wires = wires_of(&r->bus);
	for (unsigned n = 0; n < 4; n++)
		r->host->line_set(r->irq[n], wires >> n & 1);
}

static void refresh(struct bus *b)
{
	for (unsigned i = 0; i < b->functions; i++) {
		struct function *f = &b->fn[i];
		f->signals = f->power_on && signals(f);
		if (f->bridge)
			refresh(f->bridge->secondary);
	}
}

void root_route(struct root *r)
{
	refresh(&r->bus);
	drive(r);
}

static void route(struct function *f)
{
	int now = signals(f);
	if (now == f->signals)
		return;
	f->signals = now;
	drive(f->bus->root);
}

/* ---- what a write to configuration space does ---- */

static int touches(unsigned offset, unsigned bytes, unsigned from, unsigned len)
{
	return offset < from + len && from < offset + bytes;
}

static void reset_function(struct function *f)
{
	function_power_on(f);
	if (f->dev->reset)
		f->dev->reset(f->self);
	if (f->bridge)
		bus_reset(f->bridge->secondary);
}

void function_changed(struct function *f, unsigned offset, unsigned bytes)
{
	struct root *root = f->bus->root;
	unsigned control = f->express + EXP_DEVICE_CONTROL;
	int everything = 0;
	if (f->express && touches(offset, bytes, control, 2) &&
		config_get(f, control, 2) & EXP_DEVICE_CONTROL_FLR) {
		reset_function(f);
		everything = 1;
	}
	if (f->bridge && touches(offset, bytes, BRIDGE_CONTROL, 2) &&
		config_get(f, BRIDGE_CONTROL, 2) & BRIDGE_CONTROL_RESET) {
		bus_reset(f->bridge->secondary);
		everything = 1;
	}
	if (f->bridge)
		f->bridge->written(f->self, offset, bytes);
	if (everything || f->bridge || touches(offset, bytes, COMMAND, 2) ||
		touches(offset, bytes, BAR0, 0x24) || touches(offset, bytes, f->pm, 8))
		root_remap(root);
	if ((f->msi && touches(offset, bytes, f->msi, 24)) ||
		(f->msix && touches(offset, bytes, f->msix, 4)))
		message_unmasked(f);
	if (everything || f->bridge)
		root_route(root);
	else
		route(f);
}

/* ---- "bp.pci-bus/1" ---- */

/* Every bridge on the way has to be allowed to speak for the function. */
static int master_translate(void *self, const struct bp_access *how, uint64_t addr, int write,
	struct bp_iommu_result *result)
{
	const struct function *f = self;
	(void)how;
	(void)write;
	for (const struct function *up = f; up; up = up->bus->bridge)
		if (up->absent || !(up->config[COMMAND] & COMMAND_MASTER) ||
			(up != f && !powered(up)))
			return BP_IOMMU_FAULT;
	result->addr = addr;
	result->length = addr ? UINT64_MAX - addr + 1 : UINT64_MAX;
	return BP_OK;
}

static bp_dma *dma(void *fn)
{
	return ((struct function *)fn)->dma;
}

static void intx(void *fn, int level)
{
	struct function *f = fn;
	f->intx = level != 0;
	f->config[STATUS] =
		(uint8_t)((f->config[STATUS] & ~STATUS_INTX) | (level ? STATUS_INTX : 0));
	if (f->power_on)
		route(f);
}

static int message(void *fn, unsigned vector)
{
	return message_send(fn, vector);
}

static int mode(void *fn)
{
	return message_mode(fn);
}

static uint32_t ops_get(void *fn, unsigned offset, unsigned bytes)
{
	return config_get(fn, offset, bytes);
}

static void ops_set(void *fn, unsigned offset, unsigned bytes, uint32_t value)
{
	config_set(fn, offset, bytes, value);
}

static unsigned capability(void *fn, unsigned n)
{
	return n < CAPABILITIES ? ((struct function *)fn)->capability[n] : 0;
}

const struct bp_pci_bus pci_bus_ops = {
	.size = sizeof(pci_bus_ops),
	.dma = dma,
	.intx = intx,
	.message = message,
	.message_mode = mode,
	.config_get = ops_get,
	.config_set = ops_set,
	.capability = capability,
};

/* ---- the windows over MSI-X tables ---- */

int bus_msix_read(
	void *bus, uint64_t offset, unsigned bytes, uint64_t *value, const struct bp_access *how)
{
	struct bus *b = bus;
	uint64_t n = offset / MSIX_BYTES;
	(void)how;
	*value = 0;
	if (n < b->functions && b->fn[n].msix)
		*value = msix_read(&b->fn[n], (unsigned)(offset % MSIX_BYTES), bytes);
	return BP_OK;
}

int bus_msix_write(
	void *bus, uint64_t offset, unsigned bytes, uint64_t value, const struct bp_access *how)
{
	struct bus *b = bus;
	uint64_t n = offset / MSIX_BYTES;
	if (n < b->functions && b->fn[n].msix && !(how->flags & BP_ACCESS_DEBUG))
		msix_write(&b->fn[n], (unsigned)(offset % MSIX_BYTES), bytes, value);
	return BP_OK;
}

/* ---- state ---- */

static const struct bp_field function_state[] = {
	{ BP_FIELD(struct function, devfn, BP_U32) },
	{ BP_FIELD(struct function, intx, BP_U32) },
	{ BP_FIELD(struct function, absent, BP_BOOL) },
	{ BP_FIELD(struct function, config, BP_BYTES), .count = CONFIG_BYTES, .flags = BP_F_WHOLE },
	{ BP_FIELD(struct function, vectors, BP_BYTES), .count = VECTORS * VECTOR_BYTES,
		.flags = BP_F_WHOLE },
	{ BP_FIELD(struct function, pending, BP_BYTES), .count = VECTORS / 8, .flags = BP_F_WHOLE },
	{ 0 },
};
const struct bp_field bus_state[] = {
	{ .name = "function",
		.offset = offsetof(struct bus, fn),
		.type = BP_STRUCT,
		.count = FUNCTIONS,
		.count_offset = offsetof(struct bus, functions),
		.sub = function_state,
		.sub_size = sizeof(struct function) },
	{ 0 },
};
