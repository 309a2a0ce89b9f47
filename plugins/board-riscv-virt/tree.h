/* SPDX-License-Identifier: MIT */
/* The flattened device tree, made from the machine's objects (Devicetree Specification v0.4). */
#ifndef BOARD_TREE_H
#define BOARD_TREE_H
#include <backplane/machine.h>
#include <backplane/plugin.h>

struct tree_options {
	const char *bootargs; /* or NULL */
	uint64_t initrd, initrd_end; /* 0: none */
	uint64_t ram_base, ram_size;
	const void *ram; /* the memory object */
	uint64_t timebase; /* Hz */
	uint8_t seed[32]; /* for the guest's random number generator */
};

/* The tree in memory to be freed with free(), its size in *size; NULL: out of memory. */
void *tree_make(const struct bp_machine *machine, const void *self, const struct tree_options *o,
	size_t *size);

#endif
