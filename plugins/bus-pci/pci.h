/* SPDX-License-Identifier: MIT */
/* A tree of buses: functions with their configuration space, the buses that hold them, the bridges
 * between those, and the root that turns PCI addresses into places of the machine.
 *
 *   config.c  one function's configuration space: built from tables, read, written, reset
 *   message.c MSI and MSI-X
 *   bus.c     a bus: slots, who answers, INTx, bus mastering, where windows are shown
 *   host.c    the host bridge with an ECAM window
 *   bridge.c  PCI-to-PCI bridge and PCI Express root port */
#ifndef BUS_PCI_PCI_H
#define BUS_PCI_PCI_H
#include <backplane/pci.h>
#include <backplane/plugin.h>

enum {
	CONFIG_BYTES = 4096,
	CONVENTIONAL_BYTES = 256,
	FUNCTIONS = 64, /* on one bus */
	VECTORS = 128, /* of one function's MSI-X */
	VECTOR_BYTES = 16,
	MSIX_BYTES = 4096, /* table and pending bits in a BAR */
	MSIX_PENDING = 2048,
	CAPABILITIES = 16, /* that a function declares */
	BARS = 7, /* with the ROM */
	DEPTH = 16 /* buses behind one another */
};
enum { /* configuration space, header types 0 and 1 */
	COMMAND = 0x04,
	STATUS = 0x06,
	HEADER_TYPE = 0x0e,
	BAR0 = 0x10,
	SECONDARY = 0x19,
	SUBORDINATE = 0x1a,
	IO_BASE = 0x1c,
	IO_LIMIT = 0x1d,
	MEMORY_BASE = 0x20,
	MEMORY_LIMIT = 0x22,
	PREFETCH_BASE = 0x24,
	PREFETCH_LIMIT = 0x26,
	PREFETCH_BASE_UPPER = 0x28,
	PREFETCH_LIMIT_UPPER = 0x2c,
	ROM = 0x30,
	IO_BASE_UPPER = 0x30,
	IO_LIMIT_UPPER = 0x32,
	CAPABILITY_LIST = 0x34,
	BRIDGE_ROM = 0x38,
	INTERRUPT_LINE = 0x3c,
	INTERRUPT_PIN = 0x3d,
	BRIDGE_CONTROL = 0x3e,
	FIRST_CAPABILITY = 0x40,
	FIRST_EXTENDED = 0x100
};
enum {
	COMMAND_IO = 1,
	COMMAND_MEMORY = 2,
	COMMAND_MASTER = 4,
	COMMAND_NO_INTX = 0x400,
	STATUS_INTX = 8,
	STATUS_LIST = 0x10,
	BRIDGE_CONTROL_RESET = 0x40,
	MULTI_FUNCTION = 0x80
};
enum { CAP_PM = 0x01, CAP_MSI = 0x05, CAP_EXPRESS = 0x10, CAP_MSIX = 0x11 };
enum { /* offsets in the PCI Express capability (7.5.3) */
	EXP_FLAGS = 2,
	EXP_DEVICE_CONTROL = 8,
	EXP_LINK_STATUS = 0x12,
	EXP_SLOT_CAPABILITIES = 0x14,
	EXP_SLOT_CONTROL = 0x18,
	EXP_SLOT_STATUS = 0x1a,
	EXP_DEVICE_CONTROL_FLR = 0x8000
};

struct bus;
struct root;

struct bridge_part { /* what a bridge's instance has for its function */
	struct bus *secondary;
	/* After a write into its configuration space, and after its power on values are there. */
	void (*written)(void *self, unsigned offset, unsigned bytes);
	void (*restored)(void *self);
	/* 0: nothing behind it answers. */
	int (*powered)(const void *self);
};

struct function {
	const struct bp_host *host;
	struct bus *bus;
	const struct bp_pci_device *dev;
	void *self;
	const char *name;
	const struct bridge_part *bridge; /* NULL: it is none */
	uint8_t *power_on, *writable,
		*w1c; /* CONFIG_BYTES of each, one allocation; NULL: not built */
	uint32_t slot; /* device << 3 | function */
	uint16_t pm, msi, msix, express; /* where these capabilities are, 0: not there */
	uint16_t capability[CAPABILITIES];
	bp_window *window[BARS], *table;
	bp_dma *dma;
	int signals; /* its INTx wire reaches the bus */
	/* Saved: */
	uint32_t devfn; /* slot, so that a foreign snapshot is seen */
	uint32_t intx; /* level of its wire */
	uint8_t absent; /* its card is not in the slot */
	uint8_t config[CONFIG_BYTES];
	uint8_t vectors[VECTORS * VECTOR_BYTES];
	uint8_t pending[VECTORS / 8];
};

/* It stands first in its owner: what the core calls of the owner's tables takes either. */
struct bus {
	const struct bp_host *host;
	void *owner; /* the instance that has it: a host bridge or a bridge */
	unsigned msix_region; /* of that instance's type: FUNCTIONS * MSIX_BYTES */
	unsigned devices; /* 32, or 1 behind a root port */
	struct root *root; /* NULL: not realised yet */
	struct function *bridge; /* that leads here; NULL: a root's */
	struct function *const *upstream; /* the same, known before realise */
	uint8_t number_of_slot[256]; /* 1 + index in fn; 0: empty */
	uint32_t functions;
	struct function fn[FUNCTIONS];
};

struct aperture { /* PCI addresses that the host bridge decodes */
	uint64_t pci, cpu, size;
	int io;
};
enum { APERTURES = 3 };

struct root {
	struct bus bus; /* first */
	const struct bp_host *host;
	bp_space *space; /* of the machine: windows and guest memory */
	bp_line *irq[4];
	struct aperture aperture[APERTURES];
	uint64_t ecam_size, pio_size, mmio_size, mmio64_size;
};
_Static_assert(offsetof(struct root, bus) == 0, "the bus is the owner");

/* ---- config.c ---- */

/* Lay the space out from the device's tables. 0, or -1 after host->fail. */
int function_build(struct function *f, bp_error *err);
void function_finish(struct function *f);
/* The state after power on. The device itself is not told. */
void function_power_on(struct function *f);
uint32_t function_read(struct function *f, unsigned offset, unsigned bytes);
void function_write(struct function *f, unsigned offset, unsigned bytes, uint32_t value);
uint32_t config_get(const struct function *f, unsigned offset, unsigned bytes);
void config_set(struct function *f, unsigned offset, unsigned bytes, uint32_t value);
/* A window's address, size and kind as they are now; 0: it is not decoded. */
int function_bar(const struct function *f, const struct bp_pci_bar *bar, uint64_t *addr);

/* ---- message.c ---- */

int message_mode(const struct function *f);
int message_send(struct function *f, unsigned vector);
/* A mask may have gone: what waits is sent. */
void message_unmasked(struct function *f);
uint64_t msix_read(struct function *f, unsigned offset, unsigned bytes);
void msix_write(struct function *f, unsigned offset, unsigned bytes, uint64_t value);

/* ---- bus.c ---- */

extern const struct bp_pci_bus pci_bus_ops;
extern const struct bp_field bus_state[]; /* of a struct bus */
void bus_init(struct bus *b, const struct bp_host *host, void *owner, unsigned msix_region,
	unsigned devices);
void bus_finish(struct bus *b);
/* A function in a slot; slot NULL: the first free device. 0, or -1 after host->fail. */
int bus_add(struct bus *b, const struct bp_pci_device *dev, void *self, const char *name,
	const struct bridge_part *bridge, const char *slot, bp_error *err);
int bus_attach(void *bus, const struct bp_link *child, const char *slot, bp_error *err);
/* Build all that is behind root. 0, or -1 after host->fail. */
int bus_realise(struct bus *b, struct root *root, struct function *bridge, bp_error *err);
void bus_power_on(struct bus *b);
/* A reset that reaches the devices: by a bridge, or because their power went. */
void bus_reset(struct bus *b);
/* Somebody is in a slot. */
int bus_occupied(const struct bus *b);
/* "bp.bus/1" of slots that cannot ask; the answer of all others too, where nobody is asked. */
int bus_plug(void *bus, const struct bp_link *child, int what, bp_error *err);
int bus_plugged(void *bus, const struct bp_link *child);
int bus_loaded(struct bus *b, bp_error *err);
struct function *bus_find(struct bus *b, unsigned bus, unsigned slot);
/* After any change of what is decoded, forwarded, numbered or there. */
void root_remap(struct root *root);
void root_route(struct root *root); /* INTx levels */
/* The window "msix" of a bus's owner. */
int bus_msix_read(
	void *bus, uint64_t offset, unsigned bytes, uint64_t *value, const struct bp_access *how);
int bus_msix_write(
	void *bus, uint64_t offset, unsigned bytes, uint64_t value, const struct bp_access *how);
void function_changed(struct function *f, unsigned offset, unsigned bytes);

/* ---- types ---- */
extern const struct bp_object pci_host_ecam, pci_bridge, pcie_root_port;
/* The bridge that such a device is, or NULL. */
const struct bridge_part *bridge_of(const struct bp_pci_device *dev, void *self);

#endif
