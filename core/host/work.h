/* SPDX-License-Identifier: MIT */
/* host->work: jobs of plugins that may block, on the block layer's threads (block_pool.c). */
#ifndef HOST_WORK_H
#define HOST_WORK_H
#include "plugin/object.h"

typedef void work_fn(void *self, uint64_t arg);

void work_begin(void *self, work_fn *job, work_fn *done, uint64_t arg); /* [owner] */
/* Every job of the object's, or of all (NULL), is over and answered. [owner] or [main] */
void work_drain(struct object *o);
/* The object goes: its jobs are over, and nobody is told. [main] */
void work_forget(struct object *o);

#endif
