/* SPDX-License-Identifier: MIT */
/* From an address to whoever answers: borders, sizes, alignment, byte order, domains.
 *
 *   bus_access -> span (borders of the flat view) -> leaf (memory, or a device's domain)
 *              -> sized (what read and write take) or bank_access (declared registers) */
#include "internal.h"
#include <string.h>

const struct bp_access bus_plain_access = { .size = sizeof(bus_plain_access), .pasid = UINT32_MAX };

uint64_t image_load(const uint8_t *image, unsigned bytes, bool big_endian)
{
	uint64_t value = 0;
	if (big_endian) {
		for (unsigned i = 0; i < bytes; i++)
			value = value << 8 | image[i];
		return value;
	}
	switch (bytes) {
	case 1: return image[0];
	case 4: {
		uint32_t word;
		memcpy(&word, image, 4);
		return GUINT32_FROM_LE(word);
	}
	case 8: memcpy(&value, image, 8); return GUINT64_FROM_LE(value);
	default:
		for (unsigned i = bytes; i-- > 0;)
			value = value << 8 | image[i];
		return value;
	}
}

void image_store(uint8_t *image, unsigned bytes, bool big_endian, uint64_t value)
{
	if (!big_endian && bytes == 4) {
		uint32_t word = GUINT32_TO_LE((uint32_t)value);
		memcpy(image, &word, 4);
		return;
	}
	for (unsigned i = 0; i < bytes; i++, value >>= 8)
		image[big_endian ? bytes - 1 - i : i] = (uint8_t)value;
}

/* ---- memory ---- */

/* Aligned words are one access, so that neither side ever sees half of one: indexes of rings are
 * words of 2 bytes. */
static void load_word(uint8_t *to, const uint8_t *from, uint64_t len)
{
	if (len == 2) {
		uint16_t word =
			__atomic_load_n((const uint16_t *)(const void *)from, __ATOMIC_RELAXED);
		memcpy(to, &word, sizeof(word));
	} else if (len == 4) {
		uint32_t word =
			__atomic_load_n((const uint32_t *)(const void *)from, __ATOMIC_RELAXED);
		memcpy(to, &word, sizeof(word));
	} else {
		uint64_t word =
			__atomic_load_n((const uint64_t *)(const void *)from, __ATOMIC_RELAXED);
		memcpy(to, &word, sizeof(word));
	}
}

static void store_word(uint8_t *to, const uint8_t *from, uint64_t len)
{
	if (len == 2) {
		uint16_t word;
		memcpy(&word, from, sizeof(word));
		__atomic_store_n((uint16_t *)(void *)to, word, __ATOMIC_RELAXED);
	} else if (len == 4) {
		uint32_t word;
		memcpy(&word, from, sizeof(word));
		__atomic_store_n((uint32_t *)(void *)to, word, __ATOMIC_RELAXED);
	} else {
		uint64_t word;
		memcpy(&word, from, sizeof(word));
		__atomic_store_n((uint64_t *)(void *)to, word, __ATOMIC_RELAXED);
	}
}

/* `shared`: which of the two is the guest's memory. */
static void copy(uint8_t *to, const uint8_t *from, uint64_t len, const uint8_t *shared)
{
	bool word = (len == 2 || len == 4 || len == 8) && !((uintptr_t)shared & (len - 1));
	if (!word)
		memmove(to, from, len); /* a mapped buffer may be the same memory */
	else if (shared == from)
		load_word(to, from, len);
	else
		store_word(to, from, len);
}

static int write_memory(struct bus_ram *ram, uint64_t offset, const uint8_t *buf, uint64_t len,
	const struct bp_access *how)
{
	if (ram->read_only && !(how->flags & BP_ACCESS_LOADER))
		return ram->write_error ? BP_BUS_ERROR : BP_OK;
	copy(ram->host + offset, buf, len, ram->host + offset);
	bus_ram_written(ram, offset, len);
	return BP_OK;
}

/* ---- devices ---- */

/* A part of a word that the device only takes whole: read it, and for writes patch and write. */
static int widened(struct bus_region *r, uint64_t word, unsigned skip, uint8_t *buf, unsigned n,
	bool write, const struct bp_access *how)
{
	bool big_endian = r->flags & BP_REGION_BIG_ENDIAN;
	unsigned bytes = r->min_access;
	uint64_t value = 0;
	uint8_t image[8];
	void *self = r->object->instance;
	if (word > r->last || bytes - 1 > r->last - word)
		return BP_BAD_SIZE;
	int status = r->read ? r->read(self, word, bytes, &value, how) : BP_OK;
	if (status != BP_OK)
		return status;
	image_store(image, bytes, big_endian, value);
	if (!write) {
		memcpy(buf, image + skip, n);
		return BP_OK;
	}
	memcpy(image + skip, buf, n);
	return r->write(self, word, bytes, image_load(image, bytes, big_endian), how);
}

static unsigned largest_piece(const struct bus_region *r, uint64_t offset, unsigned bytes)
{
	unsigned piece = r->max_access;
	while (piece > bytes || (!(r->flags & BP_REGION_UNALIGNED) && offset & (piece - 1)))
		piece /= 2;
	return piece;
}

static int sized(struct bus_region *r, uint64_t offset, uint8_t *buf, unsigned bytes, bool write,
	const struct bp_access *how)
{
	bool big_endian = r->flags & BP_REGION_BIG_ENDIAN;
	while (bytes) {
		unsigned piece = largest_piece(r, offset, bytes);
		uint64_t value = 0;
		int status;
		if (piece < r->min_access) {
			unsigned skip = (unsigned)(offset & (r->min_access - 1u));
			piece = MIN(bytes, r->min_access - skip);
			status = widened(r, offset - skip, skip, buf, piece, write, how);
		} else if (write) {
			value = image_load(buf, piece, big_endian);
			status = r->write(r->object->instance, offset, piece, value, how);
		} else {
			status = r->read(r->object->instance, offset, piece, &value, how);
			image_store(buf, piece, big_endian, value);
		}
		if (status != BP_OK)
			return status;
		offset += piece;
		buf += piece;
		bytes -= piece;
	}
	return BP_OK;
}

static bool strictly_good(const struct bus_region *r, uint64_t offset, unsigned bytes)
{
	return !(bytes & (bytes - 1)) && bytes >= r->min_access && bytes <= r->max_access &&
		(r->flags & BP_REGION_UNALIGNED || !(offset & (bytes - 1)));
}

/* Inside the device's domain. */
static int device(struct bus_region *r, uint64_t offset, uint8_t *buf, unsigned bytes, bool write,
	const struct bp_access *how)
{
	if (r->flags & BP_REGION_STRICT && !strictly_good(r, offset, bytes))
		return BP_BAD_SIZE;
	if (r->bank) {
		bank_access(r->bank, offset, buf, bytes, write, how->flags & BP_ACCESS_DEBUG);
		return BP_OK;
	}
	if (write ? !r->write : !r->read)
		return BP_BUS_ERROR;
	return sized(r, offset, buf, bytes, write, how);
}

static int enter_device(struct bus_region *r, uint64_t offset, uint8_t *buf, unsigned bytes,
	bool write, const struct bp_access *how)
{
	struct domain *d = r->object ? r->object->domain : NULL;
	if (!d || d->parallel)
		return device(r, offset, buf, bytes, write, how);
	if (domain_enter(d)) {
		int status = device(r, offset, buf, bytes, write, how);
		domain_leave(d);
		return status;
	}
	/* Boards and debuggers may look at what shares their lock; guests have no way to ask so. */
	if (how->flags & (BP_ACCESS_DEBUG | BP_ACCESS_LOADER) && domain_inside(d))
		return device(r, offset, buf, bytes, write, how);
	if (!atomic_exchange(&r->complained, true))
		bus_log(r->object,
			"%s: an access at offset 0x%" G_GINT64_MODIFIER
			"x came from inside a device (DMA to device registers?) and was refused; "
			"further ones are not reported",
			r->name, offset);
	return BP_BUSY;
}

/* Whether an aligned word needs one call of the region's function and nothing else. */
static bool takes_word(const struct bus_region *r, uint64_t offset, unsigned bytes)
{
	return r->kind == REGION_LEAF && !r->bank && !(r->flags & BP_REGION_BIG_ENDIAN) &&
		bytes >= r->min_access && bytes <= r->max_access && !(offset & (bytes - 1)) &&
		offset <= r->last && bytes - 1 <= r->last - offset;
}

int bus_device_read(struct bus_region *r, uint64_t offset, unsigned bytes, uint64_t *value,
	const struct bp_access *how)
{
	struct domain *d = r->object ? r->object->domain : NULL;
	bool lock = d && !d->parallel;
	uint64_t raw = 0;
	if (!takes_word(r, offset, bytes) || !r->read || region_reads_memory(r) ||
		(lock && !domain_enter(d)))
		return BUS_GENERAL;
	int status = r->read(r->object->instance, offset, bytes, &raw, how);
	if (lock)
		domain_leave(d);
	*value = bytes == 8 ? raw : raw & ((UINT64_C(1) << 8 * bytes) - 1);
	return status;
}

int bus_device_write(struct bus_region *r, uint64_t offset, unsigned bytes, uint64_t value,
	const struct bp_access *how)
{
	struct domain *d = r->object ? r->object->domain : NULL;
	bool lock = d && !d->parallel;
	if (!takes_word(r, offset, bytes) || !r->write || (lock && !domain_enter(d)))
		return BUS_GENERAL;
	if (bytes < 8)
		value &= (UINT64_C(1) << 8 * bytes) - 1;
	int status = r->write(r->object->instance, offset, bytes, value, how);
	if (lock)
		domain_leave(d);
	return status;
}

/* Bytes inside the region. */
static int leaf(struct bus_region *r, uint64_t offset, uint8_t *buf, uint64_t len, bool write,
	const struct bp_access *how)
{
	bool loader = how->flags & BP_ACCESS_LOADER;
	if (write ? r->ram && (loader || region_writes_memory(r)) : region_reads_memory(r)) {
		if (write)
			return write_memory(r->ram, offset, buf, len, how);
		copy(buf, r->ram->host + offset, len, r->ram->host + offset);
		return BP_OK;
	}
	for (uint64_t done = 0; done < len;) {
		unsigned n = (unsigned)MIN(len - done, (uint64_t)64);
		int status = enter_device(r, offset + done, buf + done, n, write, how);
		if (status != BP_OK)
			return status;
		done += n;
	}
	return BP_OK;
}

/* ---- the way to the leaf ---- */

struct walk {
	bool write;
	uint32_t unmapped; /* enum bus_unmapped of the space that was asked */
	const struct bp_access *how;
};

static int span(const struct walk *k, const struct bus_region *container, uint64_t addr,
	uint8_t *buf, uint64_t len, unsigned depth);

static int nobody(const struct walk *k, uint8_t *buf, uint64_t len)
{
	if (k->unmapped == BUS_UNMAPPED_ERROR)
		return BP_BUS_ERROR;
	if (!k->write)
		memset(buf, k->unmapped == BUS_UNMAPPED_ONES ? 0xff : 0, len);
	return BP_OK;
}

static int through(const struct walk *k, struct bus_region *r, uint64_t offset, uint8_t *buf,
	uint64_t len, unsigned depth);

static int translated(const struct walk *k, struct bus_region *r, uint64_t offset, uint8_t *buf,
	uint64_t len, unsigned depth)
{
	while (len) {
		struct bp_iommu_result t = { .size = sizeof(t) };
		int status = r->translate(r->translator, k->how, offset, k->write, &t);
		if (status != BP_OK)
			return status;
		if (!r->target->root || !t.length)
			return BP_BUS_ERROR;
		uint64_t n = MIN(len, t.length);
		if (n - 1 > UINT64_MAX - t.addr)
			n = UINT64_MAX - t.addr + 1;
		status = span(k, r->target->root, t.addr, buf, n, depth);
		if (status != BP_OK)
			return status;
		offset += n;
		buf += n;
		len -= n;
	}
	return BP_OK;
}

/* len bytes from offset on, which may reach beyond the region. */
static int through(const struct walk *k, struct bus_region *r, uint64_t offset, uint8_t *buf,
	uint64_t len, unsigned depth)
{
	uint64_t inside = offset > r->last ? 0 : MIN(len - 1, r->last - offset) + 1;
	int status = BP_OK;
	if (depth > BUS_DEPTH)
		return BP_BUS_ERROR;
	if (inside && r->kind == REGION_LEAF) {
		status = leaf(r, offset, buf, inside, k->write, k->how);
	} else if (inside && r->kind == REGION_CONTAINER) {
		status = span(k, r, offset, buf, inside, depth);
	} else if (inside && r->kind == REGION_TRANSLATED) {
		status = translated(k, r, offset, buf, inside, depth + 1);
	} else if (inside) {
		const struct binding *b = atomic_load(&r->binding);
		/* Beyond the top of the target's addresses is nothing. */
		if (b && b->target && inside - 1 <= UINT64_MAX - offset &&
			offset + (inside - 1) <= UINT64_MAX - b->offset)
			status = through(k, b->target, b->offset + offset, buf, inside, depth + 1);
		else
			inside = 0;
	}
	return status == BP_OK && inside < len ? nobody(k, buf + inside, len - inside) : status;
}

/* A container's addresses; addr + len - 1 does not wrap. */
static int span(const struct walk *k, const struct bus_region *container, uint64_t addr,
	uint8_t *buf, uint64_t len, unsigned depth)
{
	const struct view *v = atomic_load(&container->view);
	for (;;) {
		uint64_t gap;
		const struct range *r = view_find(v, addr, &gap);
		uint64_t last = r ? r->last : gap;
		uint64_t n = MIN(len - 1, last - addr) + 1;
		int status;
		if (!r)
			status = nobody(k, buf, n);
		else if (r->region->kind == REGION_LEAF)
			status = leaf(
				r->region, r->offset + (addr - r->base), buf, n, k->write, k->how);
		else
			status = through(k, r->region, r->offset + (addr - r->base), buf, n, depth);
		if (status != BP_OK || n == len)
			return status;
		addr += n;
		buf += n;
		len -= n;
	}
}

int bus_access_long(struct bus_space *s, uint64_t addr, void *buf, uint64_t len, bool write,
	const struct bp_access *how)
{
	struct walk k = { write, s->unmapped, how ? how : &bus_plain_access };
	if (!len)
		return BP_OK;
	if (!s->root || len - 1 > UINT64_MAX - addr)
		return BP_BUS_ERROR;
	bus_reader_begin();
	int status = span(&k, s->root, addr, buf, len, 0);
	bus_reader_end();
	return status;
}

int bus_access(struct bus_space *s, uint64_t addr, void *buf, unsigned bytes, bool write,
	const struct bp_access *how)
{
	return bus_access_long(s, addr, buf, bytes, write, how);
}

int bus_device_access(struct bus_region *r, uint64_t offset, void *buf, unsigned bytes, bool write,
	const struct bp_access *how)
{
	struct walk k = { write, BUS_UNMAPPED_ERROR, how ? how : &bus_plain_access };
	if (!bytes)
		return BP_OK;
	bus_reader_begin();
	int status = through(&k, r, offset, buf, bytes, 0);
	bus_reader_end();
	return status;
}

/* ---- resolving ---- */

static void limit(struct bus_target *out, uint64_t last_from_here)
{
	if (out->length - 1 > last_from_here)
		out->length = last_from_here + 1;
}

/* Follow a range or an alias to what answers; out->length shrinks to what is alike. */
static bool resolve_region(
	struct bus_region *r, uint64_t offset, unsigned depth, struct bus_target *out)
{
	for (; depth <= BUS_DEPTH; depth++) {
		if (r->kind == REGION_CONTAINER) {
			uint64_t gap;
			const struct range *in = view_find(atomic_load(&r->view), offset, &gap);
			limit(out, (in ? in->last : gap) - offset);
			if (!in)
				return false;
			offset = in->offset + (offset - in->base);
			r = in->region;
		}
		if (offset > r->last)
			return false;
		limit(out, r->last - offset);
		if (r->kind != REGION_ALIAS)
			break;
		const struct binding *b = atomic_load(&r->binding);
		if (!b || !b->target || b->offset > UINT64_MAX - offset)
			return false;
		limit(out, UINT64_MAX - b->offset - offset);
		offset += b->offset;
		r = b->target;
	}
	if (depth > BUS_DEPTH)
		return false;
	out->region = r;
	out->offset = offset;
	if (r->kind == REGION_LEAF && region_reads_memory(r)) {
		out->ram = r->ram;
		out->host = r->ram->host + offset;
		out->writable = region_writes_memory(r) && !r->ram->read_only;
	}
	return true;
}

int bus_resolve(struct bus_space *s, uint64_t addr, struct bus_target *out)
{
	*out = (struct bus_target){ .length = UINT64_MAX };
	if (!s->root)
		return BP_BUS_ERROR;
	bus_reader_begin();
	bool found = resolve_region(s->root, addr, 0, out);
	bus_reader_end();
	return found ? BP_OK : BP_BUS_ERROR;
}
