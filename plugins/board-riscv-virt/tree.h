/* SPDX-License-Identifier: MIT */
/* The flattened device tree, made from the machine's objects (Devicetree Specification v0.4). */
#ifndef BOARD_TREE_H
#define BOARD_TREE_H
#include <backplane/machine.h>
#include <backplane/plugin.h>

struct tree_options {
	const char *bootargs; /* or NULL */
	uint64_t initrd, initrd_end; /* 0: none */
	uint64_t ram_base;
	const void *ram; /* the memory object */
	const bp_space *space; /* only windows in this space are told */
	uint64_t timebase; /* Hz */
};

/* The tree in memory to be freed with free(), its size in *size; NULL: it has no room. */
void *tree_make(const struct bp_machine *machine, const void *self, const struct tree_options *o,
	size_t *size);
/* A tree of the user's with bootargs and initrd of these options put into /chosen, in the same way;
 * NULL: it is no device tree. */
void *tree_adopt(const void *bytes, size_t len, const struct tree_options *o, size_t *size);
/* Put a fresh seed for the guest's random numbers into a tree that was made here. */
void tree_seed(void *tree, const struct bp_host *host, void *self);

#endif
