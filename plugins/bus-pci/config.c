/* SPDX-License-Identifier: MIT */
/* Configuration space. It is three images beside the bytes themselves, laid out once from tables: the
 * values after power on, the bits that a write changes, those that a 1 clears. */
#include "pci.h"
#include <stdlib.h>
#include <string.h>

static const struct bp_pci_reg header[] = {
	/* PCI 3.0, 6.1 */
	{ .name = "command", .offset = COMMAND, .bytes = 2, .writable = 0x0547 },
	{ .name = "status", .offset = STATUS, .bytes = 2, .w1c = 0xf900 },
	{ .name = "cache_line_size", .offset = 0x0c, .bytes = 1, .writable = 0xff },
	{ .name = "interrupt_line", .offset = INTERRUPT_LINE, .bytes = 1, .writable = 0xff },
	{ 0 },
};
static const struct bp_pci_reg bridge_header[] = {
	/* PCI-to-PCI Bridge 1.2, 3.2 */
	{ .name = "primary", .offset = 0x18, .bytes = 1, .writable = 0xff },
	{ .name = "secondary", .offset = SECONDARY, .bytes = 1, .writable = 0xff },
	{ .name = "subordinate", .offset = SUBORDINATE, .bytes = 1, .writable = 0xff },
	{ .name = "io_base", .offset = IO_BASE, .bytes = 1, .reset = 1, .writable = 0xf0 },
	{ .name = "io_limit", .offset = IO_LIMIT, .bytes = 1, .reset = 1, .writable = 0xf0 },
	{ .name = "secondary_status", .offset = 0x1e, .bytes = 2, .w1c = 0xf900 },
	{ .name = "memory_base", .offset = MEMORY_BASE, .bytes = 2, .writable = 0xfff0 },
	{ .name = "memory_limit", .offset = MEMORY_LIMIT, .bytes = 2, .writable = 0xfff0 },
	{ .name = "prefetch_base",
		.offset = PREFETCH_BASE,
		.bytes = 2,
		.reset = 1,
		.writable = 0xfff0 },
	{ .name = "prefetch_limit",
		.offset = PREFETCH_LIMIT,
		.bytes = 2,
		.reset = 1,
		.writable = 0xfff0 },
	{ .name = "prefetch_base_upper",
		.offset = PREFETCH_BASE_UPPER,
		.bytes = 4,
		.writable = UINT32_MAX },
	{ .name = "prefetch_limit_upper",
		.offset = PREFETCH_LIMIT_UPPER,
		.bytes = 4,
		.writable = UINT32_MAX },
	{ .name = "io_base_upper", .offset = IO_BASE_UPPER, .bytes = 2, .writable = 0xffff },
	{ .name = "io_limit_upper", .offset = IO_LIMIT_UPPER, .bytes = 2, .writable = 0xffff },
	{ .name = "bridge_control", .offset = BRIDGE_CONTROL, .bytes = 2, .writable = 0x0063 },
	{ 0 },
};

/* Power management 1.2: D0 and D3hot, nothing lost on the way, no events. */
enum { PM_BYTES = 8, PM_CONTROL = 4, PM_STATE = 3, PM_D3 = 3 };
static const struct bp_pci_reg pm_regs[] = {
	{ .name = "pm_capabilities", .offset = 2, .bytes = 2, .reset = 3 },
	{ .name = "pm_control",
		.offset = PM_CONTROL,
		.bytes = 2,
		.reset = 8,
		.writable = PM_STATE },
	{ 0 },
};
static const struct bp_pci_reg msi_regs[] = {
	/* 6.8.1, 64-bit with masks */
	{ .name = "msi_control", .offset = 2, .bytes = 2, .reset = 0x180, .writable = 0x71 },
	{ .name = "msi_address", .offset = 4, .bytes = 4, .writable = ~UINT32_C(3) },
	{ .name = "msi_address_upper", .offset = 8, .bytes = 4, .writable = UINT32_MAX },
	{ .name = "msi_data", .offset = 12, .bytes = 2, .writable = 0xffff },
	{ .name = "msi_mask", .offset = 16, .bytes = 4, .writable = UINT32_MAX },
	{ 0 },
};
static const struct bp_pci_reg msix_regs[] = {
	/* 6.8.2 */
	{ .name = "msix_control", .offset = 2, .bytes = 2, .writable = 0xc000 },
	{ 0 },
};
/* PCI Express Base 4.0, 7.5.3: a link of one lane at 2.5 GT/s. */
enum { EXP_BYTES = 0x3c, EXP_ENDPOINT = 0, EXP_ROOT_PORT = 4, EXP_INTEGRATED = 9 };
static const struct bp_pci_reg express_regs[] = {
	{ .name = "device_capabilities", .offset = 4, .bytes = 4, .reset = 0x8000 },
	{ .name = "device_control",
		.offset = EXP_DEVICE_CONTROL,
		.bytes = 2,
		.reset = 0x2810,
		.writable = 0x78ff },
	{ .name = "device_status", .offset = 0x0a, .bytes = 2, .w1c = 0x000f },
	{ .name = "device_capabilities2", .offset = 0x24, .bytes = 4 },
	{ 0 },
};
static const struct bp_pci_reg link_regs[] = {
	{ .name = "link_capabilities", .offset = 0x0c, .bytes = 4, .reset = 0x11 },
	{ .name = "link_control", .offset = 0x10, .bytes = 2, .writable = 0x00c3 },
	{ .name = "link_status", .offset = EXP_LINK_STATUS, .bytes = 2, .reset = 0x11 },
	{ .name = "link_capabilities2", .offset = 0x2c, .bytes = 4, .reset = 2 },
	{ .name = "link_control2", .offset = 0x30, .bytes = 2, .reset = 1, .writable = 0x0f },
	{ 0 },
};
static const struct bp_pci_reg port_regs[] = {
	/* The port sees whether its link is up, and has a slot with a button, a power switch, both
	 * indicators, cards that come and go without being asked, and says when a command is done. */
	{ .name = "link_capabilities", .offset = 0x0c, .bytes = 4, .reset = 0x00100011 },
	{ .name = "link_control", .offset = 0x10, .bytes = 2, .writable = 0x00f3 },
	{ .name = "slot_capabilities", .offset = 0x14, .bytes = 4, .reset = 0x0000007b },
	{ .name = "slot_control",
		.offset = EXP_SLOT_CONTROL,
		.bytes = 2,
		.reset = 0x01c0,
		.writable = 0x17ff },
	{ .name = "slot_status", .offset = EXP_SLOT_STATUS, .bytes = 2, .w1c = 0x011f },
	{ .name = "root_control", .offset = 0x1c, .bytes = 2, .writable = 0x000f },
	{ 0 },
};

static void put(uint8_t *image, unsigned offset, unsigned bytes, uint32_t value)
{
	for (unsigned i = 0; i < bytes; i++)
		image[offset + i] = (uint8_t)(value >> 8 * i);
}

static uint32_t get(const uint8_t *image, unsigned offset, unsigned bytes)
{
	uint32_t value = 0;
	for (unsigned i = bytes; i-- > 0;)
		value = value << 8 | image[offset + i];
	return value;
}

uint32_t config_get(const struct function *f, unsigned offset, unsigned bytes)
{
	if (!bytes || bytes > 4 || offset > CONFIG_BYTES - bytes)
		return UINT32_MAX;
	return get(f->config, offset, bytes);
}

void config_set(struct function *f, unsigned offset, unsigned bytes, uint32_t value)
{
	if (bytes && bytes <= 4 && offset <= CONFIG_BYTES - bytes)
		put(f->config, offset, bytes, value);
}

/* ---- laying out ---- */

struct layout {
	struct function *f;
	bp_error *err;
	unsigned space; /* bytes that there are */
	unsigned next, next_extended; /* free */
	unsigned last, last_extended; /* capability to link from, 0: none */
};

/* Registers with `limit` bytes of room from base on. */
static int lay_regs(struct layout *l, const struct bp_pci_reg *regs, unsigned base, unsigned limit)
{
	for (const struct bp_pci_reg *r = regs; r && r->name; r++) {
		if ((r->bytes != 1 && r->bytes != 2 && r->bytes != 4) || r->offset % r->bytes ||
			r->offset + r->bytes > limit)
			return l->f->host->fail(l->err,
				"PCI register %s of %u bytes at 0x%x does not lie in 0x%x bytes "
				"(a plugin's fault)",
				r->name, r->bytes, r->offset, limit);
		put(l->f->power_on, base + r->offset, r->bytes, r->reset);
		put(l->f->writable, base + r->offset, r->bytes, r->writable);
		put(l->f->w1c, base + r->offset, r->bytes, r->w1c);
	}
	return 0;
}

/* Where the capability came to lie, or 0 after host->fail. */
static unsigned lay_capability(
	struct layout *l, unsigned id, unsigned bytes, const struct bp_pci_reg *regs)
{
	unsigned at = l->next;
	uint8_t *image = l->f->power_on;
	if (at + bytes > CONVENTIONAL_BYTES) {
		l->f->host->fail(l->err,
			"its PCI capabilities need more than the 192 bytes there are (a plugin's "
			"fault)");
		return 0;
	}
	put(image, at, 2, id);
	put(image, l->last ? l->last + 1 : CAPABILITY_LIST, 1, at);
	image[STATUS] |= STATUS_LIST;
	l->last = at;
	l->next = (at + bytes + 3) & ~3u;
	return lay_regs(l, regs, at, bytes) == 0 ? at : 0;
}

static unsigned lay_extended(struct layout *l, const struct bp_pci_capability *c)
{
	unsigned at = l->next_extended;
	uint8_t *image = l->f->power_on;
	if (at + c->bytes > l->space) {
		l->f->host->fail(l->err,
			"the extended capability %s does not fit (a plugin's fault)", c->name);
		return 0;
	}
	put(image, at, 4, c->id | (c->version & 15u) << 16);
	if (l->last_extended)
		put(image, l->last_extended + 2, 2, get(image, l->last_extended + 2, 2) | at << 4);
	l->last_extended = at;
	l->next_extended = (at + c->bytes + 3) & ~3u;
	return lay_regs(l, c->regs, at, c->bytes) == 0 ? at : 0;
}

static int lay_declared(struct layout *l)
{
	const struct bp_pci_capability *c = l->f->dev->capabilities;
	for (unsigned n = 0; c && c[n].name; n++) {
		if (n == CAPABILITIES || c[n].bytes < 4)
			return l->f->host->fail(l->err,
				"capability %s: at most %d of at least 4 bytes are possible (a "
				"plugin's fault)",
				c[n].name, CAPABILITIES);
		/* Without PCI Express there is no room for it, and nobody misses it. */
		if (c[n].flags & BP_PCI_EXTENDED && l->space == CONVENTIONAL_BYTES)
			continue;
		unsigned at = c[n].flags & BP_PCI_EXTENDED
			? lay_extended(l, &c[n])
			: lay_capability(l, c[n].id, c[n].bytes, c[n].regs);
		if (!at)
			return -1;
		l->f->capability[n] = (uint16_t)at;
	}
	return 0;
}

/* PCI Express ends at a conventional bridge. */
static int is_express(const struct function *f)
{
	return f->dev->express && (!f->bus->bridge || f->bus->bridge->dev->express);
}

static int lay_express(struct layout *l)
{
	struct function *f = l->f;
	unsigned type = f->bridge ? EXP_ROOT_PORT : f->bus->bridge ? EXP_ENDPOINT : EXP_INTEGRATED;
	unsigned at = lay_capability(l, CAP_EXPRESS, EXP_BYTES, express_regs);
	if (!at)
		return -1;
	f->express = (uint16_t)at;
	put(f->power_on, at + EXP_FLAGS, 2, 2 | type << 4 | (f->bridge ? 0x100u : 0));
	/* What sits in the root complex has no link. */
	if (type != EXP_INTEGRATED && lay_regs(l, link_regs, at, EXP_BYTES) != 0)
		return -1;
	if (f->bridge)
		return lay_regs(l, port_regs, at, EXP_BYTES);
	if (f->dev->reset) {
		put(f->power_on, at + 4, 4, get(f->power_on, at + 4, 4) | 1u << 28);
		f->writable[at + EXP_DEVICE_CONTROL + 1] |= EXP_DEVICE_CONTROL_FLR >> 8;
	}
	return 0;
}

static int lay_messages(struct layout *l)
{
	struct function *f = l->f;
	const struct bp_pci_device *d = f->dev;
	if (d->msi_vectors > 32 || d->msi_vectors & (d->msi_vectors - 1) ||
		d->msix.vectors > VECTORS || d->msix.bar > 5 || d->msix.offset % MSIX_BYTES)
		return f->host->fail(l->err,
			"%u MSI and %u MSI-X vectors in BAR %u at 0x%x; a power of two up to 32 "
			"and "
			"at most %d are possible, at a multiple of 4 KiB (a plugin's fault)",
			d->msi_vectors, d->msix.vectors, d->msix.bar, d->msix.offset, VECTORS);
	if (d->msi_vectors) {
		unsigned at = lay_capability(l, CAP_MSI, 24, msi_regs), log2 = 0;
		while (1u << log2 < d->msi_vectors)
			log2++;
		if (!at)
			return -1;
		f->msi = (uint16_t)at;
		f->power_on[at + 2] |= (uint8_t)(log2 << 1);
		if (d->msi_vectors < 32)
			put(f->writable, at + 16, 4, (1u << d->msi_vectors) - 1);
	}
	if (d->msix.vectors) {
		unsigned at = lay_capability(l, CAP_MSIX, 12, msix_regs);
		if (!at)
			return -1;
		f->msix = (uint16_t)at;
		put(f->power_on, at + 2, 2, d->msix.vectors - 1u);
		put(f->power_on, at + 4, 4, d->msix.offset | d->msix.bar);
		put(f->power_on, at + 8, 4, (d->msix.offset + MSIX_PENDING) | d->msix.bar);
	}
	return 0;
}

static unsigned bar_offset(const struct function *f, const struct bp_pci_bar *b)
{
	if (b->index == BP_PCI_ROM)
		return f->bridge ? BRIDGE_ROM : ROM;
	return BAR0 + 4u * b->index;
}

static int lay_bar(struct layout *l, const struct bp_pci_bar *b)
{
	struct function *f = l->f;
	int rom = b->index == BP_PCI_ROM, io = b->flags & BP_PCI_BAR_IO,
	    wide = b->flags & BP_PCI_BAR_64;
	unsigned bars = f->bridge ? 2 : 6, at = bar_offset(f, b);
	uint64_t least = rom ? 2048
		: io         ? 4
			     : 16,
		 most = io ? 256
		: rom      ? 1u << 24
			   : UINT64_C(1) << 62;
	if ((!rom && b->index + (wide ? 1u : 0) >= bars) || b->size & (b->size - 1) ||
		b->size < least || b->size > most || (!wide && b->size > UINT64_C(1) << 31))
		return f->host->fail(l->err, "BAR %u of 0x%llx bytes cannot be (a plugin's fault)",
			b->index, (unsigned long long)b->size);
	if (!(b->flags & BP_PCI_BAR_EMPTY)) {
		f->window[b->index] = f->host->window_new(f->self, b->region);
		if (!f->window[b->index])
			return f->host->fail(l->err,
				"BAR %u: there is no window %u (a plugin's fault)", b->index,
				b->region);
	}
	uint64_t mask = ~(b->size - 1);
	put(f->writable, at, 4, (uint32_t)mask & ~(io ? 3u : rom ? 0u : 15u));
	if (rom)
		f->writable[at] |= 1;
	else
		put(f->power_on, at, 4,
			io ? 1u : (wide ? 4u : 0) | (b->flags & BP_PCI_BAR_PREFETCHABLE ? 8u : 0));
	if (wide)
		put(f->writable, at + 4, 4, (uint32_t)(mask >> 32));
	return 0;
}

static int lay_header(struct layout *l)
{
	struct function *f = l->f;
	const struct bp_pci_device *d = f->dev;
	uint8_t *image = f->power_on;
	put(image, 0x00, 2, d->vendor);
	put(image, 0x02, 2, d->device);
	put(image, 0x08, 4,
		d->revision | (uint32_t)d->interface << 8 | (uint32_t)d->subclass << 16 |
			(uint32_t)d->base_class << 24);
	if (lay_regs(l, header, 0, FIRST_CAPABILITY) != 0 ||
		(f->bridge && lay_regs(l, bridge_header, 0, FIRST_CAPABILITY) != 0))
		return -1;
	image[HEADER_TYPE] = f->bridge ? 1 : 0;
	if (!f->bridge) {
		put(image, 0x2c, 2, d->subsystem_vendor);
		put(image, 0x2e, 2, d->subsystem);
	}
	image[INTERRUPT_PIN] = d->pin <= 4 ? d->pin : 0;
	for (const struct bp_pci_bar *b = d->bars; b && b->size; b++)
		if (b->index >= BARS || lay_bar(l, b) != 0)
			return -1;
	return 0;
}

int function_build(struct function *f, bp_error *err)
{
	struct layout l = { .f = f,
		.err = err,
		.space = is_express(f) ? CONFIG_BYTES : CONVENTIONAL_BYTES,
		.next = FIRST_CAPABILITY,
		.next_extended = FIRST_EXTENDED };
	uint8_t *images = calloc(3, CONFIG_BYTES);
	if (!images)
		return f->host->fail(err, "there is no memory for its configuration space");
	f->power_on = images;
	f->writable = images + CONFIG_BYTES;
	f->w1c = images + 2 * CONFIG_BYTES;
	if (lay_header(&l) != 0)
		return -1;
	f->pm = (uint16_t)lay_capability(&l, CAP_PM, PM_BYTES, pm_regs);
	if (!f->pm || lay_messages(&l) != 0 || (is_express(f) && lay_express(&l) != 0) ||
		lay_declared(&l) != 0 || lay_regs(&l, f->dev->regs, 0, l.space) != 0)
		return -1;
	if (f->dev->msix.vectors)
		f->table = f->host->window_new(f->bus->owner, f->bus->msix_region);
	return 0;
}

void function_finish(struct function *f)
{
	for (unsigned i = 0; i < BARS; i++)
		f->host->window_free(f->window[i]);
	f->host->window_free(f->table);
	f->host->dma_free(f->dma);
	free(f->power_on);
	f->power_on = f->writable = f->w1c = NULL;
}

void function_power_on(struct function *f)
{
	if (!f->power_on)
		return;
	memcpy(f->config, f->power_on, CONFIG_BYTES);
	memset(f->vectors, 0, sizeof(f->vectors));
	for (unsigned n = 0; n < VECTORS; n++)
		f->vectors[n * VECTOR_BYTES + 12] = 1; /* masked */
	memset(f->pending, 0, sizeof(f->pending));
	f->devfn = f->slot;
	f->intx = 0;
	if (f->bridge)
		f->bridge->restored(f->self);
}

/* ---- accesses ---- */

/* The declared capability that offset lies in, and its place; or NULL. */
static const struct bp_pci_capability *declared(
	const struct function *f, unsigned offset, unsigned *at)
{
	const struct bp_pci_capability *c = f->dev->capabilities;
	for (unsigned n = 0; c && c[n].name && n < CAPABILITIES; n++)
		if (f->capability[n] && offset >= f->capability[n] &&
			offset < f->capability[n] + c[n].bytes) {
			*at = f->capability[n];
			return &c[n];
		}
	return NULL;
}

uint32_t function_read(struct function *f, unsigned offset, unsigned bytes)
{
	unsigned at;
	uint32_t stored = config_get(f, offset, bytes);
	const struct bp_pci_capability *c = declared(f, offset, &at);
	return c && c->read ? c->read(f->self, offset - at, bytes, stored) : stored;
}

void function_write(struct function *f, unsigned offset, unsigned bytes, uint32_t value)
{
	unsigned at;
	uint8_t power = f->config[f->pm + PM_CONTROL] & PM_STATE;
	if (!f->power_on || !bytes || bytes > 4 || offset > CONFIG_BYTES - bytes)
		return;
	for (unsigned i = 0; i < bytes; i++) {
		uint8_t v = (uint8_t)(value >> 8 * i), *now = &f->config[offset + i];
		*now = (uint8_t)((*now & ~f->writable[offset + i]) | (v & f->writable[offset + i]));
		*now &= (uint8_t) ~(v & f->w1c[offset + i]);
	}
	/* D1 and D2 are not there: such a write changes nothing (PM 1.2, 3.2.4). */
	uint8_t *pm = &f->config[f->pm + PM_CONTROL];
	if ((*pm & PM_STATE) != 0 && (*pm & PM_STATE) != PM_D3)
		*pm = (uint8_t)((*pm & ~PM_STATE) | power);
	function_changed(f, offset, bytes);
	const struct bp_pci_capability *c = declared(f, offset, &at);
	if (c && c->written)
		c->written(f->self, offset - at, bytes, config_get(f, offset, bytes));
	if (f->dev->config_written)
		f->dev->config_written(f->self, offset, bytes);
}

int function_bar(const struct function *f, const struct bp_pci_bar *b, uint64_t *addr)
{
	unsigned at = bar_offset(f, b);
	uint32_t low = get(f->config, at, 4);
	unsigned need = b->flags & BP_PCI_BAR_IO ? COMMAND_IO : COMMAND_MEMORY;
	*addr = low;
	if (b->flags & BP_PCI_BAR_64)
		*addr |= (uint64_t)get(f->config, at + 4, 4) << 32;
	*addr &= ~(b->size - 1);
	return f->config[COMMAND] & need && (f->config[f->pm + PM_CONTROL] & PM_STATE) == 0 &&
		(b->index != BP_PCI_ROM || low & 1);
}
