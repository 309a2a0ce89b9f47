/* SPDX-License-Identifier: MIT */
/* Bus masters: copies and mappings through a space, or through an IOMMU in front of one. */
#include "dma.h"
#include "internal.h"

struct bp_dma {
	struct object *master;
	struct bus_space *space; /* without an IOMMU */
	const struct bp_iommu *iommu;
	void *iommu_self;
	struct bp_access how;
};

static bp_dma *dma_make(struct object *master, uint32_t requester)
{
	bp_dma *d = g_new0(struct bp_dma, 1);
	d->master = master;
	d->how = bus_plain_access;
	d->how.requester = requester;
	return d;
}

bp_dma *dma_new_space(struct object *master, struct bus_space *space, uint32_t requester)
{
	bp_dma *d = dma_make(master, requester);
	d->space = space;
	return d;
}

bp_dma *dma_new_iommu(
	struct object *master, const struct bp_iommu *ops, void *iommu, uint32_t requester)
{
	bp_dma *d = dma_make(master, requester);
	d->iommu = ops;
	d->iommu_self = iommu;
	return d;
}

bp_dma *dma_new(struct object *master, struct object *target, uint32_t requester)
{
	const struct bp_iommu *iommu = object_interface(target, "bp.iommu/1");
	if (iommu && BP_HAS(iommu, target) && BP_HAS(iommu, translate))
		return dma_new_iommu(master, iommu, target->instance, requester);
	/* The core's own type only: a stranger's interface is no struct bus_space. */
	const void *space = target->type->plugin ? NULL : object_interface(target, "bp.space/1");
	return space ? dma_new_space(master, (struct bus_space *)space, requester) : NULL;
}

bp_dma *dma_behind(void *object, const struct bp_iommu *iommu, void *iommu_self)
{
	return dma_new_iommu(object_of(object), iommu, iommu_self, 0);
}

void dma_requester(bp_dma *d, uint32_t requester)
{
	d->how.requester = requester;
}

void dma_free(bp_dma *d)
{
	g_free(d);
}

struct step { /* a run of bytes that go to one place */
	struct bus_space *space;
	uint64_t addr, length;
};

static int translate(bp_dma *d, uint64_t addr, uint64_t len, bool write, struct step *s)
{
	*s = (struct step){ d->space, addr, len };
	if (!d->iommu)
		return BP_OK;
	struct bp_iommu_result r = { .size = sizeof(r) };
	int status = d->iommu->translate(d->iommu_self, &d->how, addr, write, &r);
	if (status != BP_OK)
		return status;
	s->space = (struct bus_space *)d->iommu->target(d->iommu_self);
	s->addr = r.addr;
	s->length = MIN(len, r.length);
	return s->space && s->length ? BP_OK : BP_BUS_ERROR;
}

static int transfer(bp_dma *d, uint64_t addr, uint8_t *buf, uint64_t len, bool write)
{
	if (!d || (len && len - 1 > UINT64_MAX - addr))
		return BP_BUS_ERROR;
	while (len) {
		struct step s;
		int status = translate(d, addr, len, write, &s);
		if (status == BP_OK)
			status = bus_access_long(s.space, s.addr, buf, s.length, write, &d->how);
		/* The bus has told about it. */
		if (status != BP_OK)
			return status == BP_BUSY ? BP_BUS_ERROR : status;
		addr += s.length;
		buf += s.length;
		len -= s.length;
	}
	return BP_OK;
}

int dma_read(bp_dma *d, uint64_t addr, void *buf, uint64_t len)
{
	return transfer(d, addr, buf, len, false);
}

int dma_write(bp_dma *d, uint64_t addr, const void *buf, uint64_t len)
{
	/* Written data is only read; the access functions share one pointer for both directions. */
	return transfer(d, addr, (uint8_t *)(uintptr_t)buf, len, true);
}

void *dma_map(bp_dma *d, uint64_t addr, uint64_t *len, int write)
{
	uint8_t *start = NULL;
	uint64_t got = 0;
	while (d && got < *len && addr + got >= addr) {
		struct step s;
		struct bus_target t;
		if (translate(d, addr + got, *len - got, write, &s) != BP_OK ||
			bus_resolve(s.space, s.addr, &t) != BP_OK || !t.host ||
			(write && !t.writable) || (start && t.host != start + got))
			break;
		start = start ? start : t.host;
		got += MIN(s.length, t.length);
	}
	*len = got;
	return start;
}

void dma_unmap(bp_dma *d, void *ptr, uint64_t len, uint64_t written)
{
	struct bus_ram *ram = ptr ? bus_ram_find(ptr) : NULL;
	(void)d;
	if (ram)
		bus_ram_written(ram, (uint64_t)((uint8_t *)ptr - ram->host), MIN(written, len));
}

void dma_discard(bp_dma *d, void *ptr, uint64_t len)
{
	struct bus_ram *ram = ptr ? bus_ram_find(ptr) : NULL;
	(void)d;
	if (ram)
		bus_ram_discard(ram, (uint64_t)((uint8_t *)ptr - ram->host), len);
}
