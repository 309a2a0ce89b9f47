/* SPDX-License-Identifier: MIT */
/* RAM in a snapshot: runs of pages that hold something else than the memory began with. Pages that
 * nobody touched are not even looked at, so that looking does not make them resident. */
#include "internal.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

struct bus_ram *ram_at(const struct state_machine *m, unsigned n, const char **region)
{
	for (unsigned i = 0; i < m->count; i++) {
		unsigned regions = bus_object_region_count(m->objects[i]);
		for (unsigned r = 0; r < regions; r++) {
			struct bus_ram *ram = bus_object_ram(m->objects[i], r);
			if (!ram || n--)
				continue;
			*region = bus_region_name(bus_object_region(m->objects[i], r));
			return ram;
		}
	}
	return NULL;
}

static bool is_filled(const uint8_t *page, uint8_t fill)
{
	return page[0] == fill && memcmp(page, page + 1, BUS_PAGE - 1) == 0;
}

/* The next stretch at or behind `from` that may hold something. False: nothing more. */
static bool next_data(const struct bus_ram *ram, uint64_t from, uint64_t *begin, uint64_t *end)
{
	*begin = from;
	*end = ram->mapped;
	if (from >= ram->mapped)
		return false;
	if (ram->fd < 0)
		return true;
	off_t data = lseek(ram->fd, (off_t)from, SEEK_DATA);
	if (data < 0)
		return errno != ENXIO; /* where nobody knows of holes all of it is looked at */
	off_t hole = lseek(ram->fd, data, SEEK_HOLE);
	*begin = (uint64_t)data & ~(uint64_t)(BUS_PAGE - 1);
	if (hole > data && (uint64_t)hole < ram->mapped)
		*end = ((uint64_t)hole + BUS_PAGE - 1) & ~(uint64_t)(BUS_PAGE - 1);
	return *begin < ram->mapped;
}

static void put_run(struct out *o, const struct bus_ram *ram, uint64_t from, uint64_t to)
{
	section_begin(o, SECTION_PAGES);
	put_number(o, from, 8);
	put_number(o, to - from, 4);
	put_bytes(o, ram->host + from, to - from);
	section_end(o);
}

static void put_stretch(struct out *o, const struct bus_ram *ram, uint64_t at, uint64_t end)
{
	while (at < end && !o->error) {
		uint64_t from = at;
		while (at < end && at - from < PAGES_MAX && !is_filled(ram->host + at, ram->fill))
			at += BUS_PAGE;
		if (at > from)
			put_run(o, ram, from, at);
		else
			at += BUS_PAGE;
	}
}

void put_ram(struct out *o, struct bus_ram *ram, const char *region, struct progress *p)
{
	enum { PIECE = 16 << 20 };
	uint64_t begin, end, at = 0;
	section_begin(o, SECTION_MEMORY);
	put_text(o, ram->owner->name);
	put_text(o, region);
	put_number(o, ram->mapped, 8);
	put_number(o, ram->fill, 1);
	section_end(o);
	while (!o->error && next_data(ram, at, &begin, &end)) {
		end = MIN(end, begin + PIECE);
		put_stretch(o, ram, begin, end);
		progress_step(p, end - at);
		at = end;
	}
	progress_step(p, ram->mapped - at);
}

static void clear(struct bus_ram *ram, uint64_t from, uint64_t to)
{
	if (from >= to)
		return;
	if (ram->fd >= 0 &&
		fallocate(ram->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
			(off_t)(to - from)) == 0)
		return;
	for (uint64_t at = from; at < to; at += BUS_PAGE)
		if (!is_filled(ram->host + at, ram->fill))
			memset(ram->host + at, ram->fill, BUS_PAGE);
}

int take_pages(struct in *i, struct bus_ram *ram, uint64_t *next)
{
	uint64_t at = take_number(i, 8), len = take_number(i, 4);
	const uint8_t *bytes = take_bytes(i, len);
	if (!in_consumed(i))
		return -1;
	if (!ram || !len || at % BUS_PAGE || len % BUS_PAGE || at < *next || at > ram->mapped ||
		len > ram->mapped - at)
		return error_list_add(i->errors, i->path,
			"the snapshot is damaged: 0x%" G_GINT64_MODIFIER
			"x bytes of memory at 0x%" G_GINT64_MODIFIER "x lie in no memory",
			len, at);
	clear(ram, *next, at);
	memcpy(ram->host + at, bytes, len);
	*next = at + len;
	return 0;
}

void ram_loaded(struct bus_ram *ram, uint64_t next)
{
	clear(ram, next, ram->mapped);
	bus_ram_written(ram, 0, ram->mapped);
}
