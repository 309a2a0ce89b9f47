/* SPDX-License-Identifier: MIT */
/* What the glue needs to know of the core's own types; objects of other types: nothing happens. */
#ifndef BUS_TYPES_H
#define BUS_TYPES_H
#include "bus.h"

void type_space_init(struct object *o);
void type_space_finish(struct object *o);
/* Before the memory is made: which host file it is; a ROM learns its size from its image. 0, or -1
 * after object_fail. */
int type_memory_prepare(struct object *o, const char **file, bp_error *err);
/* After: a ROM takes its contents. 0, or -1 after object_fail. */
int type_memory_load(struct object *o, struct bus_ram *ram, bp_error *err);

#endif
