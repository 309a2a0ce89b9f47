/* SPDX-License-Identifier: MIT */
/* What tests of disks begin with. */
#ifndef BLOCK_FIND_TYPES_H
#define BLOCK_FIND_TYPES_H
#include "bus/bus.h"
#include "host/block.h"
#include <stdio.h>

/* The types of the folders in argv, and the test's own. */
static inline void find_types(int argc, char **argv, const struct bp_type *own)
{
	for (int n = 1; n < argc; n++)
		types_add_path(argv[n]);
	struct error_list errors = { 0 };
	types_add_builtin(bus_types);
	types_add_builtin(host_types);
	types_add_builtin(own);
	types_scan(&errors);
	/* The first machine that is built seals: nothing is loaded after it. */
	const struct type *type;
	if (!blk_format("raw", &type, &errors) || !blk_format("blk-log", &type, &errors))
		error_list_print(&errors, stderr);
	error_list_finish(&errors);
}

#endif
