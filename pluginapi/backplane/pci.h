/* SPDX-License-Identifier: MIT */
/* "bp.pci-device/1" and "bp.pci-bus/1": PCI and PCI Express functions (PCI Local Bus 3.0, PCI Express
 * Base 4.0) behind any host bridge, bridge or root port.
 *
 * A function attaches with `bus = "pci"` and, if it matters, `slot = "DEVICE.FUNCTION"`. It declares what
 * it is, as tables: identity, BARs bound to windows of its own (`regions` of its type), capabilities,
 * interrupts. The bus keeps configuration space, moves the windows to where the guest wants them,
 * keeps the MSI-X table, saves and resets all that; the function sees little of it.
 *
 * The bus asks for the tables at its own realise, thus after every attach: they may depend on what is
 * plugged into the function. From then on they stay as they are. */
#ifndef BACKPLANE_PCI_H
#define BACKPLANE_PCI_H
#include <backplane/bus.h>
#ifdef __cplusplus
extern "C" {
#endif

/* A register of configuration space, or of a capability. What no register covers reads as 0 and ignores
 * writes. */
struct bp_pci_reg { /* table ends with a NULL name */
	const char *name;
	uint16_t offset; /* in configuration space, or from the capability's first byte */
	uint8_t bytes; /* 1, 2 or 4 */
	uint8_t reserved[5];
	uint32_t reset; /* after power on and reset */
	uint32_t writable; /* bits that a write changes */
	uint32_t w1c; /* bits that a write of 1 clears */
	uint32_t reserved2;
};

enum bp_pci_bar_flags {
	BP_PCI_BAR_IO = 1, /* I/O ports; else memory */
	BP_PCI_BAR_64 = 2, /* takes the next BAR's place too */
	BP_PCI_BAR_PREFETCHABLE = 4,
	BP_PCI_BAR_EMPTY = 8 /* no window of the function's: for the MSI-X table alone */
};
enum { BP_PCI_ROM = 6 }; /* index of the expansion ROM */

struct bp_pci_bar { /* table ends with size 0 */
	uint64_t size; /* a power of two, at least 16 (I/O: 4..256, ROM: 2 KiB) */
	uint8_t index; /* 0..5, or BP_PCI_ROM */
	uint8_t flags; /* enum bp_pci_bar_flags */
	uint16_t region; /* index of the window in the type's regions; it may be shorter than size:
			  * the rest reads as ones */
	uint32_t reserved;
};

enum bp_pci_capability_flags {
	BP_PCI_EXTENDED = 1 /* of PCI Express, from 0x100 on */
};

/* One capability with what it has beside MSI, MSI-X, power management and PCI Express, which are the
 * bus's. The bus places it and links it; registers' offsets begin at the capability's header. */
struct bp_pci_capability { /* table ends with a NULL name */
	const char *name;
	uint16_t id, bytes; /* bytes: header included */
	uint8_t flags, version, reserved[2]; /* enum bp_pci_capability_flags */
	const struct bp_pci_reg *regs; /* NULL: none */
	/* Optional. read gives what the guest sees instead of what is stored; written comes after the
	 * masks. offset is from the capability's header and never crosses a 4-byte border. [cpu] */
	uint32_t (*read)(void *self, unsigned offset, unsigned bytes, uint32_t stored);
	void (*written)(void *self, unsigned offset, unsigned bytes, uint32_t now);
};

/* "bp.pci-bus/1": what the bus offers to the function; `fn` is the bus's name for it. */
struct bp_pci_bus {
	uint32_t size, reserved;
	/* Guest memory as this function sees it: nothing, unless the guest let it be bus master. [any] */
	bp_dma *(*dma)(void *fn);
	/* The function's INTx wire. The guest may have it masked, or use messages instead. [owner] */
	void (*intx)(void *fn, int level);
	/* Signal MSI or MSI-X vector n (masked ones stay pending): 1. When the guest has enabled neither: 0,
	 * and intx is the way. [owner] */
	int (*message)(void *fn, unsigned vector);
	/* Whether messages are enabled: MSI-X 2, MSI 1, else 0. [owner] */
	int (*message_mode)(void *fn);
	/* Bytes of configuration space as they are stored, 1, 2 or 4, aligned; ~0 outside. set ignores what
	 * is writable. [owner] */
	uint32_t (*config_get)(void *fn, unsigned offset, unsigned bytes);
	void (*config_set)(void *fn, unsigned offset, unsigned bytes, uint32_t value);
	/* Where the n-th declared capability is. [any] */
	unsigned (*capability)(void *fn, unsigned n);
};

struct bp_pci_msix { /* the table, and 2 KiB behind it the pending bits, lie in 4 KiB of a BAR */
	uint16_t vectors; /* 0: no MSI-X; at most 128 */
	uint8_t bar, reserved;
	uint32_t offset; /* in the BAR: a multiple of 4 KiB; hides what the window has there */
};

struct bp_pci_device {
	uint32_t size;
	uint16_t vendor, device, subsystem_vendor, subsystem;
	uint8_t revision, interface, subclass, base_class; /* of the class code */
	uint8_t pin; /* 0: no INTx; 1..4: INTA..INTD */
	uint8_t express; /* 0: conventional PCI, 256 bytes of configuration space; 1: an endpoint */
	uint8_t msi_vectors; /* 0, 1, 2, 4, 8, 16 or 32 */
	uint8_t reserved;
	struct bp_pci_msix msix;
	uint32_t reserved2;
	const struct bp_pci_bar *bars; /* NULL: none */
	const struct bp_pci_capability *capabilities; /* NULL: none */
	const struct bp_pci_reg *regs; /* of its own, beyond the header. NULL: none */
	/* Its bus is there: keep both pointers. 0, or -1 after host->fail. [main] */
	int (*attach)(void *self, const struct bp_pci_bus *ops, void *fn);
	/* Function level reset, or a reset of the bus by a bridge: back to the state after power on. The
	 * machine's own reset comes through the type's reset(). Optional. [owner] */
	void (*reset)(void *self);
	/* The guest has written configuration space; after the masks. Optional. [cpu] */
	void (*config_written)(void *self, unsigned offset, unsigned bytes);
};

#ifdef __cplusplus
}
#endif
#endif
