/* SPDX-License-Identifier: MIT */
/* An object's windows: made from its type's table, mapped by the machine file, changed by the object
 * through the functions of struct bp_host. */
#include "internal.h"
#include "types.h"
#include <string.h>

enum { MAX_REGIONS = 256 };

struct object_region {
	struct bus_region *region;
	struct bus_ram ram; /* host NULL: no memory */
};

struct placed {
	struct bus_window *window;
	struct bus_space *space;
	unsigned region;
};

struct object_regions {
	unsigned count;
	struct object_region *at;
	GArray *placed; /* struct placed */
};

static bool power_of_two(unsigned n)
{
	return n && !(n & (n - 1));
}

static int check_region(const struct bp_region *d, bp_error *err)
{
	if (!power_of_two(d->min_access) || !power_of_two(d->max_access) || d->max_access > 16 ||
		d->min_access > 8 || d->min_access > d->max_access)
		return object_fail(err,
			"region %s is declared with accesses of %u to %u bytes; powers of two from "
			"1 to "
			"16 are possible (a plugin's fault)",
			d->name, d->min_access, d->max_access);
	if (!d->regs && !d->read && !d->write && !(d->flags & BP_REGION_MEMORY))
		return object_fail(err,
			"region %s is declared with neither registers, functions nor memory (a "
			"plugin's fault)",
			d->name);
	return 0;
}

static int init_region(
	struct object *o, struct object_region *r, const struct bp_region *d, bp_error *err)
{
	uint64_t size = d->size;
	const char *file = NULL;
	if (check_region(d, err) != 0 || type_memory_prepare(o, &file, err) != 0)
		return -1;
	if (!size)
		memcpy(&size, (const char *)o->instance + d->size_offset, sizeof(size));
	if (!size)
		return object_fail(
			err, "region %s has no size; give it at least one byte", d->name);
	if (d->flags & BP_REGION_MEMORY && bus_ram_init(&r->ram, size, file, d->fill, err) != 0)
		return -1;
	r->ram.owner = o;
	r->ram.name = d->name;
	r->region = region_new(REGION_LEAF, d->name, size - 1);
	r->region->object = o;
	r->region->ram = r->ram.host ? &r->ram : NULL;
	r->region->min_access = d->min_access;
	r->region->max_access = MIN(d->max_access, 8); /* a value carries no more */
	r->region->flags = d->flags;
	r->region->read = d->read;
	r->region->write = d->write;
	atomic_store(&r->region->direct, true);
	if (d->regs) {
		r->region->bank = bank_new(
			o, d->name, size - 1, d->flags & BP_REGION_BIG_ENDIAN, d->regs, err);
		if (!r->region->bank)
			return -1;
	}
	return r->ram.host ? type_memory_load(o, &r->ram, err) : 0;
}

int bus_object_init(struct object *o, bp_error *err)
{
	const struct bp_region *table = o->type->object->regions;
	uint32_t stride = o->type->region_size;
	struct object_regions *set = g_new0(struct object_regions, 1);
	unsigned count = 0;
	o->regions = set;
	set->placed = g_array_new(FALSE, FALSE, sizeof(struct placed));
	type_space_init(o);
	while (table && count < MAX_REGIONS && TABLE_AT(table, stride, count)->name)
		count++;
	set->at = g_new0(struct object_region, count + 1);
	for (; set->count < count; set->count++) {
		struct bp_region d = { 0 };
		memcpy(&d, TABLE_AT(table, stride, set->count), MIN(stride, sizeof(d)));
		d.min_access = d.min_access ? d.min_access : 1;
		d.max_access = d.max_access ? d.max_access : 8;
		if (init_region(o, &set->at[set->count], &d, err) != 0) {
			set->count += set->at[set->count].region != NULL;
			return -1;
		}
	}
	return 0;
}

void bus_object_finish(struct object *o)
{
	struct object_regions *set = o->regions;
	if (!set)
		return;
	bus_transaction_begin();
	for (unsigned i = 0; i < set->count; i++)
		bus_region_free(set->at[i].region);
	bus_transaction_commit();
	for (unsigned i = 0; i < set->count; i++)
		bus_ram_finish(&set->at[i].ram);
	type_space_finish(o);
	g_array_free(set->placed, TRUE);
	g_free(set->at);
	g_free(set);
	o->regions = NULL;
}

void bus_object_reset(struct object *o)
{
	const struct object_regions *set = o->regions;
	for (unsigned i = 0; set && i < set->count; i++)
		if (set->at[i].region->bank)
			bank_reset(set->at[i].region->bank);
}

/* ---- what there is ---- */

static struct object_region *region_at(const struct object *o, unsigned n)
{
	const struct object_regions *set = o->regions;
	return set && n < set->count ? &set->at[n] : NULL;
}

unsigned bus_object_region_count(const struct object *o)
{
	const struct object_regions *set = o->regions;
	return set ? set->count : 0;
}

struct bus_region *bus_object_region(const struct object *o, unsigned n)
{
	const struct object_region *r = region_at(o, n);
	return r ? r->region : NULL;
}

struct bus_ram *bus_object_ram(const struct object *o, unsigned n)
{
	struct object_region *r = region_at(o, n);
	return r && r->ram.host ? &r->ram : NULL;
}

int bus_object_find_region(const struct object *o, const char *name)
{
	const struct object_region *r;
	for (unsigned i = 0; (r = region_at(o, i)) != NULL; i++)
		if (!name || strcmp(r->region->name, name) == 0)
			return (int)i;
	return -1;
}

bool bus_object_place(
	const struct object *o, unsigned n, struct bus_place *out, struct bus_space **space)
{
	const struct object_regions *set = o->regions;
	if (!set || n >= set->placed->len)
		return false;
	const struct placed *p = &g_array_index(set->placed, struct placed, n);
	const struct bus_window *w = p->window;
	*out = (struct bus_place){ .region = w->region,
		.object = w->region->object,
		.name = w->region->name,
		.base = w->base,
		.last = w->base + w->last,
		.priority = w->priority };
	if (space)
		*space = p->space;
	return true;
}

int bus_object_map(struct object *o, unsigned region, struct bus_space *s, uint64_t base,
	uint64_t size, uint64_t offset, int priority, bp_error *err)
{
	struct object_regions *set = o->regions;
	struct object_region *r = region_at(o, region);
	if (!r)
		return object_fail(err, "there is no region %u to map", region);
	if (!s || !s->root)
		return object_fail(err, "region %s: there is no address space to map it into",
			r->region->name);
	uint64_t whole = r->region->last;
	if (offset > whole || (size && size - 1 > whole - offset))
		return object_fail(err,
			"region %s has 0x%" G_GINT64_MODIFIER "x bytes; 0x%" G_GINT64_MODIFIER
			"x bytes at offset 0x%" G_GINT64_MODIFIER "x do not lie inside it",
			r->region->name, whole + 1, size, offset);
	uint64_t last = size ? size - 1 : whole - offset;
	if (last > UINT64_MAX - base)
		return object_fail(err,
			"region %s of 0x%" G_GINT64_MODIFIER "x bytes at 0x%" G_GINT64_MODIFIER
			"x reaches beyond the end of a 64-bit address space; choose a lower "
			"address",
			r->region->name, last + 1, base);
	struct placed p = { bus_map(s->root, r->region, base, offset, last, priority), s, region };
	if (!p.window)
		return object_fail(err, "the address space %s has too many windows; at most %d",
			s->name ? s->name : "", BUS_MAX_WINDOWS);
	g_array_append_val(set->placed, p);
	return 0;
}

/* ---- struct bp_host ---- */

int space_access(bp_space *space, uint64_t addr, void *buf, uint64_t len, int write,
	const struct bp_access *how)
{
	return space ? bus_access_long((struct bus_space *)space, addr, buf, len, write != 0, how)
		     : BP_BUS_ERROR;
}

void transaction_begin(void *self)
{
	(void)self;
	bus_transaction_begin();
}

void transaction_commit(void *self)
{
	(void)self;
	bus_transaction_commit();
}

void region_enable(void *self, unsigned region, int on)
{
	const struct object_regions *set = object_of(self)->regions;
	bus_transaction_begin();
	for (unsigned i = 0; set && i < set->placed->len; i++) {
		const struct placed *p = &g_array_index(set->placed, struct placed, i);
		if (p->region == region)
			bus_window_enable(p->window, on != 0);
	}
	bus_transaction_commit();
}

int region_move(void *self, unsigned region, uint64_t base)
{
	const struct object_regions *set = object_of(self)->regions;
	for (unsigned i = 0; set && i < set->placed->len; i++) {
		const struct placed *p = &g_array_index(set->placed, struct placed, i);
		if (p->region == region)
			return bus_window_move(p->window, base);
	}
	return -1;
}

void *region_memory(void *self, unsigned region)
{
	const struct object_region *r = region_at(object_of(self), region);
	return r ? r->ram.host : NULL;
}

void region_dirty(void *self, unsigned region, uint64_t offset, uint64_t len)
{
	struct bus_ram *ram = bus_object_ram(object_of(self), region);
	if (ram)
		bus_ram_written(ram, offset, len);
}

void region_direct(void *self, unsigned region, int on)
{
	struct object_region *r = region_at(object_of(self), region);
	if (r && r->ram.host && atomic_exchange(&r->region->direct, on != 0) != (on != 0))
		region_touched(r->region);
}

/* ---- windows that buses move ---- */

struct bp_window {
	struct bus_region *region;
	struct bus_window *shown; /* NULL: nowhere */
};

bp_window *window_new(void *object, unsigned region)
{
	struct object_region *r = region_at(object_of(object), region);
	if (!r)
		return NULL;
	bp_window *w = g_new0(bp_window, 1);
	w->region = r->region;
	return w;
}

void window_free(bp_window *w)
{
	if (w)
		bus_unmap(w->shown);
	g_free(w);
}

int window_show(
	bp_window *w, bp_space *space, uint64_t base, uint64_t offset, uint64_t len, int priority)
{
	struct bus_region *root = space && len ? ((struct bus_space *)space)->root : NULL;
	const struct bus_window *was = w->shown;
	if (root && was && was->container == root && was->base == base && was->offset == offset &&
		was->last == len - 1 && was->priority == priority)
		return 0;
	bus_transaction_begin();
	bus_unmap(w->shown);
	w->shown = root ? bus_map(root, w->region, base, offset, len - 1, priority) : NULL;
	bus_transaction_commit();
	return root && !w->shown ? -1 : 0;
}

uint64_t window_bytes(const bp_window *w)
{
	return w->region->last + 1;
}

/* ---- the device fuzzer ---- */

enum { FUZZ_STEP = 16, FUZZ_NEAR = 4096 };

/* 16 bytes are one access: region, kind, size, what to write, where. */
static void fuzz_one(struct object *o, unsigned count, const uint8_t *d)
{
	struct bus_region *r = bus_object_region(o, d[0] % count);
	struct bp_access how = bus_plain_access;
	uint8_t buf[64];
	/* Mostly the sizes that guests use. */
	unsigned bytes = d[1] & 8 ? 1u + (d[2] & 63u) : 1u << (d[2] & 3);
	uint64_t where = image_load(d + 3, 5, false);
	/* Large regions have their registers mostly at the start; the very end matters too. */
	uint64_t span = d[1] & 16 ? MIN(r->last, (uint64_t)FUZZ_NEAR - 1) : r->last;
	uint64_t offset = span == UINT64_MAX ? where : where % (span + 1);
	if (d[1] & 32 && d[1] & 64)
		offset = r->last - MIN(r->last, where & 15);
	for (unsigned i = 0; i < sizeof(buf); i++)
		buf[i] = d[8 + i % 8];
	if (d[1] >= 0xf0)
		how.flags |= BP_ACCESS_DEBUG;
	bus_device_access(r, offset, buf, bytes, d[1] & 1, &how);
}

void bus_object_fuzz(struct object *o, const uint8_t *data, size_t len)
{
	unsigned count = bus_object_region_count(o);
	for (size_t at = 0; count && at + FUZZ_STEP <= len; at += FUZZ_STEP)
		fuzz_one(o, count, data + at);
}
