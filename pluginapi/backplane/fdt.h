/* SPDX-License-Identifier: MIT */
/* "bp.fdt-node/1": what a device contributes to a flattened device tree (Devicetree Specification
 * v0.4). A device knows neither its address nor its interrupt: the board adds `reg`,
 * `interrupts` and the unit address from the machine's placements and wires. */
#ifndef BACKPLANE_FDT_H
#define BACKPLANE_FDT_H
#include <backplane/base.h>
#ifdef __cplusplus
extern "C" {
#endif

struct bp_fdt_writer { /* handed to describe(); `node` is the writer's own handle */
	uint32_t size, reserved;
	void (*u32s)(void *node, const char *name, const uint32_t *cells, unsigned count);
	void (*u64)(void *node, const char *name, uint64_t value);
	void (*string)(void *node, const char *name, const char *text);
	void (*strings)(void *node, const char *name, const char *const *list, unsigned count);
	void (*empty)(void *node, const char *name);
	/* The phandle of an object's node, given one when it has none yet. */
	uint32_t (*phandle)(void *node, void *object);
	/* From now on `phandle` of object means this node (e.g. a CPU's interrupt controller). */
	void (*represent)(void *node, void *object);
	/* A child node; end it with end_child. */
	void *(*child)(void *node, const char *name);
	/* The same, but at the root of the tree. */
	void *(*root_child)(void *node, const char *name);
	void (*end_child)(void *child);
};

struct bp_fdt_node {
	uint32_t size;
	uint32_t interrupt_cells; /* > 0: an interrupt controller with that many cells */
	const char *name; /* generic name: "serial", "rtc"; NULL: no node of its own */
	const char *const *compatible; /* NULL ended */
	/* Optional further properties. [main] */
	void (*describe)(void *self, const struct bp_fdt_writer *w, void *node);
	/* Interrupt controllers: the cells that name input n of pin; returns how many. [main] */
	unsigned (*interrupt)(void *self, const char *pin, unsigned n, uint32_t cells[4]);
	uint32_t flags, reserved;
};
enum bp_fdt_flags {
	BP_FDT_INTERRUPTS_EXTENDED = 1, /* wires are written as interrupts-extended */
	BP_FDT_ROOT = 2, /* the node stands at the root, not under the bus node */
	BP_FDT_FIRST_WINDOW =
		8, /* `reg` is the first window alone; describe() tells of the others */
	BP_FDT_MAPS_INTERRUPTS = 16, /* the wires are children's: describe() writes interrupt-map */
	BP_FDT_BANKS = 4 /* instances of the type whose windows follow each other are banks of
			  * one node, described by the first: one entry of `reg` each */
};

#ifdef __cplusplus
}
#endif
#endif
