/* SPDX-License-Identifier: MIT */
/* Declared register banks: from an offset to a named register, its masks, hooks, trace and reset.
 *
 * Rows are sorted by offset at creation. Banks may interleave and two rows may share an offset (one
 * read-only, one write-only), so a lookup goes back from the last row that begins at or before the
 * offset for as long as an earlier row still reaches it. */
#include "internal.h"
#include "trace/hub.h"
#include <string.h>

struct row {
	struct bp_reg reg; /* a copy: zero-filled when the plugin is older */
	uint64_t reach; /* highest offset of this row and all before it */
	uint32_t count, stride;
	int shift; /* of the stride, or -1 */
};

struct bank {
	struct object *object;
	char *region;
	uint8_t *instance;
	bool big_endian, parallel;
	unsigned rows;
	struct row row[];
};

enum { MAX_ROWS = 65536 };

/* ---- making the index ---- */

static int by_offset(const void *a, const void *b)
{
	const struct row *x = a, *y = b;
	if (x->reg.offset != y->reg.offset)
		return x->reg.offset < y->reg.offset ? -1 : 1;
	return x->reg.name < y->reg.name ? -1 : x->reg.name > y->reg.name;
}

/* A broken table is the plugin's fault, not the guest's: it is refused once, here. */
static int check_row(const struct object *o, const char *region, uint64_t region_last,
	const struct row *w, bp_error *err)
{
	const struct bp_reg *r = &w->reg;
	uint64_t end = r->offset + (uint64_t)w->stride * (w->count - 1) + r->bytes;
	uint64_t size = o->type->object->instance_size;
	if (!r->bytes || r->bytes > 8 || r->bytes & (r->bytes - 1))
		return object_fail(err,
			"register %s of region %s is declared with %u bytes; it must have 1, 2, 4 "
			"or 8",
			r->name, region, r->bytes);
	if (w->stride < r->bytes)
		return object_fail(err,
			"register bank %s of region %s has a stride of %u bytes for registers of "
			"%u",
			r->name, region, w->stride, r->bytes);
	if (end - 1 > region_last)
		return object_fail(err,
			"register %s ends at offset 0x%" G_GINT64_MODIFIER
			"x, beyond its region %s of 0x%" G_GINT64_MODIFIER "x bytes",
			r->name, end, region, region_last + 1);
	if (r->field == BP_REG_NO_FIELD)
		return 0;
	if (r->field % r->bytes || r->field + (uint64_t)r->bytes * w->count > size)
		return object_fail(err,
			"register %s of region %s has its storage at offset %u of the instance, "
			"which "
			"is misaligned or beyond the instance's %u bytes",
			r->name, region, r->field, (unsigned)size);
	return 0;
}

static void read_row(struct row *w, const struct bp_reg *from, uint32_t stride)
{
	memcpy(&w->reg, from, MIN(stride, sizeof(w->reg)));
	w->count = w->reg.count ? w->reg.count : 1;
	w->stride = w->reg.stride ? w->reg.stride : w->reg.bytes;
	w->shift = w->stride && !(w->stride & (w->stride - 1)) ? __builtin_ctz(w->stride) : -1;
}

struct bank *bank_new(struct object *o, const char *region, uint64_t region_last, bool big_endian,
	const struct bp_reg *table, bp_error *err)
{
	uint32_t stride = o->type->reg_size;
	unsigned rows = 0;
	while (rows < MAX_ROWS && TABLE_AT(table, stride, rows)->name)
		rows++;
	struct bank *b = g_malloc0(sizeof(*b) + rows * sizeof(struct row));
	b->object = o;
	b->region = g_strdup(region);
	b->instance = o->instance;
	b->big_endian = big_endian;
	b->parallel = o->domain && o->domain->parallel;
	b->rows = rows;
	for (unsigned i = 0; i < rows; i++) {
		read_row(&b->row[i], TABLE_AT(table, stride, i), stride);
		if (check_row(o, region, region_last, &b->row[i], err) != 0) {
			bank_free(b);
			return NULL;
		}
	}
	qsort(b->row, rows, sizeof(struct row), by_offset);
	for (unsigned i = 0; i < rows; i++) {
		struct row *w = &b->row[i];
		w->reach = w->reg.offset + (uint64_t)w->stride * (w->count - 1) + w->reg.bytes - 1;
		if (i && b->row[i - 1].reach > w->reach)
			w->reach = b->row[i - 1].reach;
	}
	return b;
}

void bank_free(struct bank *b)
{
	if (!b)
		return;
	g_free(b->region);
	g_free(b);
}

/* ---- storage ---- */

static uint64_t mask_of(unsigned bytes)
{
	return bytes == 8 ? UINT64_MAX : (UINT64_C(1) << 8 * bytes) - 1;
}

static uint64_t get(const void *p, unsigned bytes)
{
	switch (bytes) {
	case 1: return __atomic_load_n((const uint8_t *)p, __ATOMIC_RELAXED);
	case 2: return __atomic_load_n((const uint16_t *)p, __ATOMIC_RELAXED);
	case 4: return __atomic_load_n((const uint32_t *)p, __ATOMIC_RELAXED);
	default: return __atomic_load_n((const uint64_t *)p, __ATOMIC_RELAXED);
	}
}

static void put(void *p, unsigned bytes, uint64_t value)
{
	switch (bytes) {
	case 1: __atomic_store_n((uint8_t *)p, (uint8_t)value, __ATOMIC_RELAXED); break;
	case 2: __atomic_store_n((uint16_t *)p, (uint16_t)value, __ATOMIC_RELAXED); break;
	case 4: __atomic_store_n((uint32_t *)p, (uint32_t)value, __ATOMIC_RELAXED); break;
	default: __atomic_store_n((uint64_t *)p, value, __ATOMIC_RELAXED); break;
	}
}

static bool swap(void *p, unsigned bytes, uint64_t was, uint64_t now)
{
	uint8_t was1 = (uint8_t)was;
	uint16_t was2 = (uint16_t)was;
	uint32_t was4 = (uint32_t)was;
	switch (bytes) {
	case 1:
		return __atomic_compare_exchange_n((uint8_t *)p, &was1, (uint8_t)now, false,
			__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	case 2:
		return __atomic_compare_exchange_n((uint16_t *)p, &was2, (uint16_t)now, false,
			__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	case 4:
		return __atomic_compare_exchange_n((uint32_t *)p, &was4, (uint32_t)now, false,
			__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	default:
		return __atomic_compare_exchange_n(
			(uint64_t *)p, &was, now, false, __ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST);
	}
}

static void *storage(const struct bank *b, const struct row *w, unsigned n)
{
	return w->reg.field == BP_REG_NO_FIELD
		? NULL
		: b->instance + w->reg.field + (size_t)n * w->reg.bytes;
}

/* Clear, then set bits by rule; the instance of a parallel type may be in use by others. */
static uint64_t change(const struct bank *b, const struct row *w, void *p, uint64_t raw,
	uint64_t writable, uint64_t clear, uint64_t *now)
{
	uint64_t was;
	do {
		was = p ? get(p, w->reg.bytes) : 0;
		*now = ((was & ~writable) | (raw & writable)) & ~clear;
		if (!p || was == *now)
			return was;
		if (!b->parallel) {
			put(p, w->reg.bytes, *now);
			return was;
		}
	} while (!swap(p, w->reg.bytes, was, *now));
	return was;
}

static uint32_t existing(const struct bank *b, const struct row *w)
{
	uint32_t exist = w->count;
	if (w->reg.count_offset)
		memcpy(&exist, b->instance + w->reg.count_offset, sizeof(exist));
	return MIN(exist, w->count);
}

void bank_reset(struct bank *b)
{
	for (unsigned i = 0; i < b->rows; i++) {
		const struct row *w = &b->row[i];
		uint32_t count = w->reg.field == BP_REG_NO_FIELD ? 0 : existing(b, w);
		for (unsigned n = 0; n < count; n++)
			put(storage(b, w, n), w->reg.bytes, w->reg.reset);
	}
}

/* ---- accesses ---- */

struct hit {
	const struct row *row;
	unsigned n; /* in its bank */
	unsigned skip; /* bytes of the register before the offset */
};

static bool hits(const struct bank *b, const struct row *w, uint64_t offset, struct hit *h)
{
	uint64_t from = offset - w->reg.offset;
	uint64_t n = w->shift >= 0 ? from >> w->shift : from / w->stride;
	uint64_t skip = from - n * w->stride;
	if (skip >= w->reg.bytes || n >= existing(b, w))
		return false;
	*h = (struct hit){ w, (unsigned)n, (unsigned)skip };
	return true;
}

static bool find(const struct bank *b, uint64_t offset, bool write, struct hit *h)
{
	unsigned lo = 0, hi = b->rows;
	while (lo < hi) {
		unsigned mid = lo + (hi - lo) / 2;
		if (b->row[mid].reg.offset <= offset)
			lo = mid + 1;
		else
			hi = mid;
	}
	bool found = false;
	while (lo-- > 0 && b->row[lo].reach >= offset) {
		struct hit candidate;
		if (!hits(b, &b->row[lo], offset, &candidate))
			continue;
		*h = candidate;
		/* The other direction's register only if there is no better one. */
		if (!(candidate.row->reg.flags & (write ? BP_REG_READ_ONLY : BP_REG_WRITE_ONLY)))
			return true;
		found = true;
	}
	return found;
}

static void trace(const struct bank *b, const struct hit *h, bool write, uint64_t value)
{
	struct bp_trace_register e = { .size = sizeof(e),
		.write = write,
		.object = b->object->name,
		.region = b->region,
		.reg = h->row->reg.name,
		.index = h->n,
		.bytes = h->row->reg.bytes,
		.value = value };
	hub_register(&e);
}

/* part: the bits of the register that the guest named. */
static uint64_t read_reg(const struct bank *b, const struct hit *h, uint64_t part, bool debug)
{
	const struct bp_reg *r = &h->row->reg;
	void *p = storage(b, h->row, h->n);
	if (r->flags & BP_REG_WRITE_ONLY)
		return 0;
	uint64_t value = p ? get(p, r->bytes) : 0, now;
	if (debug)
		return value;
	if (r->read)
		value = r->read(b->instance, h->n, value) & mask_of(r->bytes);
	if (r->rc && p)
		change(b, h->row, p, 0, 0, r->rc & part, &now);
	return value;
}

static void write_reg(
	const struct bank *b, const struct hit *h, uint64_t raw, uint64_t part, bool debug)
{
	const struct bp_reg *r = &h->row->reg;
	uint64_t now, was;
	if (r->flags & BP_REG_READ_ONLY)
		return;
	was = change(b, h->row, storage(b, h->row, h->n), raw, r->writable & part,
		raw & r->w1c & part, &now);
	if (r->write && !debug)
		r->write(b->instance, h->n, was, now, raw);
}

/* Where bytes [skip, skip + n) of a register's image lie in its value. */
static unsigned part_shift(const struct bank *b, const struct hit *h, unsigned n)
{
	return 8 * (b->big_endian ? h->row->reg.bytes - h->skip - n : h->skip);
}

static void read_part(
	const struct bank *b, const struct hit *h, uint8_t *image, unsigned n, bool debug)
{
	unsigned shift = part_shift(b, h, n);
	bool whole = n == h->row->reg.bytes || !(h->row->reg.flags & BP_REG_NARROW_OK);
	uint64_t value = read_reg(b, h, whole ? UINT64_MAX : mask_of(n) << shift, debug);
	if (hub_on(BP_TRACE_REGISTER) && !debug)
		trace(b, h, false, value);
	image_store(image, n, b->big_endian, value >> shift);
}

static void write_part(
	const struct bank *b, const struct hit *h, const uint8_t *image, unsigned n, bool debug)
{
	const struct bp_reg *r = &h->row->reg;
	unsigned shift = part_shift(b, h, n);
	uint64_t raw = image_load(image, n, b->big_endian) << shift;
	uint64_t part = mask_of(n) << shift;
	if (n < r->bytes && !(r->flags & BP_REG_NARROW_OK)) {
		/* Widened: the rest is what is there already; ones of it clear nothing. */
		void *p = storage(b, h->row, h->n);
		uint64_t rest = p ? get(p, r->bytes) & ~r->w1c : read_reg(b, h, 0, debug);
		raw |= rest & ~part;
		part = mask_of(r->bytes);
	}
	if (hub_on(BP_TRACE_REGISTER) && !debug)
		trace(b, h, true, raw);
	write_reg(b, h, raw, part, debug);
}

void bank_access(
	struct bank *b, uint64_t offset, uint8_t *image, unsigned bytes, bool write, bool debug)
{
	while (bytes) {
		struct hit h;
		unsigned n = 1;
		if (find(b, offset, write, &h)) {
			n = MIN(bytes, h.row->reg.bytes - h.skip);
			if (write)
				write_part(b, &h, image, n, debug);
			else
				read_part(b, &h, image, n, debug);
		} else if (!write) {
			*image = 0;
		}
		offset += n;
		image += n;
		bytes -= n;
	}
}
