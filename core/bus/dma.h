/* SPDX-License-Identifier: MIT */
/* Guest memory as bus masters see it. */
#ifndef BUS_DMA_H
#define BUS_DMA_H
#include "bus.h"

/* A space or an object with "bp.iommu/1" as seen by `master`. NULL if target is neither. [main] */
bp_dma *dma_new(struct object *master, struct object *target, uint32_t requester);
bp_dma *dma_new_space(struct object *master, struct bus_space *space, uint32_t requester);
bp_dma *dma_new_iommu(
	struct object *master, const struct bp_iommu *ops, void *iommu, uint32_t requester);
void dma_free(bp_dma *dma); /* NULL does nothing */

/* Members of struct bp_host. A device behind the address is entered only by a thread that is inside
 * no locking domain; else BP_BUS_ERROR and one log line. */
int dma_read(bp_dma *dma, uint64_t addr, void *buf, uint64_t len);
int dma_write(bp_dma *dma, uint64_t addr, const void *buf, uint64_t len);
void *dma_map(bp_dma *dma, uint64_t addr, uint64_t *len, int write);
void dma_unmap(bp_dma *dma, void *ptr, uint64_t len, uint64_t written);
void dma_discard(bp_dma *dma, void *ptr, uint64_t len);

bp_dma *dma_behind(void *object, const struct bp_iommu *iommu, void *iommu_self);
void dma_requester(bp_dma *dma, uint32_t requester);

#endif
