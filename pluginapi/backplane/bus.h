/* SPDX-License-Identifier: MIT */
/* Accesses: who asks, in what manner, and how it ended. */
#ifndef BACKPLANE_BUS_H
#define BACKPLANE_BUS_H
#include <backplane/base.h>
#ifdef __cplusplus
extern "C" {
#endif

enum bp_status { /* how an access ended */
	BP_OK = 0,
	BP_BUS_ERROR, /* nobody there, or the device refused */
	BP_BAD_SIZE, /* the region does not take this size or alignment */
	BP_IOMMU_FAULT, /* an IOMMU said no */
	BP_BUSY /* the instance is already inside an access of this very thread */
};

enum bp_access_flags {
	BP_ACCESS_DEBUG = 1, /* a debugger or tracer looks: no side effects */
	BP_ACCESS_PRIVILEGED = 2,
	BP_ACCESS_FETCH = 4,
	BP_ACCESS_LOADER = 8 /* a board loads images: writes reach ROM as well */
};

struct bp_access { /* attributes that travel with an access */
	uint32_t size;
	uint32_t flags; /* enum bp_access_flags */
	uint32_t requester; /* bus master: requester id; CPU: its index */
	uint32_t pasid; /* process address space id, ~0: none */
	uint16_t security; /* security space, 0: the board's only one */
	uint16_t is_cpu, reserved[2];
};

/* An object that offers "bp.iommu/1" can stand where a space is asked for (`dma = "iommu0"`). */
struct bp_iommu_result {
	uint32_t size, flags;
	uint64_t addr; /* in the space behind the IOMMU */
	uint64_t length; /* bytes from addr on that translate alike, at least 1 */
};
struct bp_iommu {
	uint32_t size, reserved;
	/* The space behind it. [any] */
	bp_space *(*target)(void *self);
	/* Returns BP_OK or BP_IOMMU_FAULT after recording the fault in its own registers. [any] */
	int (*translate)(void *self, const struct bp_access *how, uint64_t addr, int write,
		struct bp_iommu_result *result);
};

/* "bp.bus/1", offered by an object that others name with `bus = "..."`: a slot for a card. The host
 * asks the child for child_interface and calls attach after every create, in the order of the
 * machine file; a child shares its bus's domain. */
struct bp_link;
enum bp_plug { /* what becomes of a card in its slot */
	BP_PLUG_IN = 1, /* it comes, as after power on */
	BP_PLUG_ASK, /* the guest is asked to let go of it; a slot that cannot ask: as BP_PLUG_OUT */
	BP_PLUG_OUT, /* it goes now, whatever the guest does */
	BP_PLUG_ABSENT /* the machine starts without it: after realise, before the first reset. [main] */
};
enum bp_plugged { BP_PLUGGED_OUT, BP_PLUGGED_IN, BP_PLUGGED_ASKED };
struct bp_bus {
	uint32_t size;
	uint32_t slots; /* how many children it takes at most */
	const char *child_interface; /* e.g. "bp.virtio-device/1" */
	/* slot is what the machine file says, or NULL. 0, or -1 after host->fail. [main] */
	int (*attach)(void *self, const struct bp_link *child, const char *slot, bp_error *err);
	/* Hot plug, optional. An object exists as long as its machine; whether it is in its slot is state
	 * of the bus, which it saves and a reset keeps. Who is out answers nothing, drives no wire and
	 * reaches no memory, has ended what was under way, and comes back as after a reset. what is an enum
	 * bp_plug. 0, or -1 after host->fail. [owner] */
	int (*plug)(void *self, const struct bp_link *child, int what, bp_error *err);
	int (*plugged)(void *self, const struct bp_link *child); /* enum bp_plugged. [owner] */
};

#ifdef __cplusplus
}
#endif
#endif
