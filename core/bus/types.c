/* SPDX-License-Identifier: MIT */
/* The core's own types: an address space, RAM, and ROM. */
#include "types.h"
#include "internal.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- space ---- */

struct space {
	struct bus_space bus; /* first: what "bp.space/1" links point to */
	uint32_t unmapped;
	bp_space *parent;
	struct bus_region *below;
};

static const char *const unmapped_names[] = { "error", "zeros", "ones", NULL };
static const char *const space_link[] = { "bp.space/1", NULL };
static const struct bp_field space_props[] = {
	{ BP_PROP(struct space, unmapped, BP_ENUM, "unmapped"), .names = unmapped_names,
		.help = "what an access to nothing gives: error, zeros or ones" },
	{ BP_PROP(struct space, parent, BP_LINK, "parent"), .names = space_link,
		.help = "the space that shows wherever this one has nothing of its own" },
	{ 0 },
};

static int space_create(void *self, const struct bp_host *host, bp_error *err)
{
	struct space *s = self;
	const struct bus_space *parent = (const struct bus_space *)s->parent;
	(void)host;
	if (!parent)
		return 0;
	if (parent == &s->bus)
		return object_fail(err, "parent: a space cannot be its own parent");
	s->below = bus_alias_new("parent", UINT64_MAX);
	bus_alias_point(s->below, parent->root, 0);
	bus_map(s->bus.root, s->below, 0, 0, UINT64_MAX, INT_MIN);
	return 0;
}

static void space_destroy(void *self)
{
	struct space *s = self;
	bus_region_free(s->below);
	s->below = NULL;
}

static const void *space_interface(void *self, const char *id)
{
	struct space *s = self;
	return strcmp(id, "bp.space/1") == 0 ? &s->bus : NULL;
}

static const struct bp_object space_type = {
	.size = sizeof(struct bp_object),
	.instance_size = sizeof(struct space),
	.threads = BP_PARALLEL,
	.props = space_props,
	.create = space_create,
	.destroy = space_destroy,
	.interface = space_interface,
};

/* ---- memory ---- */

struct memory {
	uint64_t size;
	const char *file;
	uint32_t writes;
};

static const struct bp_field ram_props[] = {
	{ BP_PROP(struct memory, size, BP_SIZE, "size"), .flags = BP_F_REQUIRED, .help = "bytes" },
	{ BP_PROP(struct memory, file, BP_STR, "file"),
		.help = "a host file that is the memory, shared and grown to size" },
	{ 0 },
};

enum { WRITES_IGNORED, WRITES_ERROR };
static const char *const writes_names[] = { "ignored", "error", NULL };
static const struct bp_field rom_props[] = {
	{ BP_PROP(struct memory, size, BP_SIZE, "size"),
		.help = "bytes; may be left out with a file" },
	{ BP_PROP(struct memory, file, BP_STR, "file"), .help = "a host file with the contents" },
	{ BP_PROP(struct memory, writes, BP_ENUM, "writes"), .names = writes_names,
		.help = "what a guest's write does: ignored or error" },
	{ 0 },
};

static const struct bp_region ram_regions[] = {
	{ .name = "ram", .size_offset = offsetof(struct memory, size), .flags = BP_REGION_MEMORY },
	{ 0 },
};
static const struct bp_region rom_regions[] = {
	{ .name = "rom", .size_offset = offsetof(struct memory, size), .flags = BP_REGION_MEMORY },
	{ 0 },
};

static const struct bp_object ram_type = {
	.size = sizeof(struct bp_object),
	.instance_size = sizeof(struct memory),
	.threads = BP_PARALLEL,
	.props = ram_props,
	.regions = ram_regions,
};

static const struct bp_object rom_type = {
	.size = sizeof(struct bp_object),
	.instance_size = sizeof(struct memory),
	.threads = BP_PARALLEL,
	.props = rom_props,
	.regions = rom_regions,
};

const struct bp_type bus_types[] = {
	{ .id = "space",
		.summary = "an address space that CPUs and bus masters see",
		.kind = BP_KIND_DEVICE,
		.object = &space_type },
	{ .id = "ram",
		.summary = "memory, optionally kept in a host file",
		.kind = BP_KIND_DEVICE,
		.object = &ram_type },
	{ .id = "rom",
		.summary = "memory that only loaders write",
		.kind = BP_KIND_DEVICE,
		.object = &rom_type },
	{ 0 },
};

/* ---- for the glue ---- */

/* The type table may hold a copy of bp_object, so an object is known by its type's id. */
static bool is(const struct object *o, const char *id)
{
	return !o->type->plugin && strcmp(o->type->id, id) == 0;
}

void type_space_init(struct object *o)
{
	struct space *s = o->instance;
	if (is(o, "space"))
		bus_space_init(&s->bus, o->name, (enum bus_unmapped)s->unmapped);
}

void type_space_finish(struct object *o)
{
	if (is(o, "space")) {
		space_destroy(o->instance);
		bus_space_finish(&((struct space *)o->instance)->bus);
	}
}

/* An open image and its size; -1 after object_fail. */
static int open_image(const char *file, uint64_t *size, bp_error *err)
{
	struct stat st;
	int fd = open(file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	if (fd < 0)
		return object_fail(err, "file: cannot open %s: %s", file, g_strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		close(fd);
		return object_fail(err, "file: %s is no regular file", file);
	}
	*size = (uint64_t)st.st_size;
	return fd;
}

int type_memory_prepare(struct object *o, const char **file, bp_error *err)
{
	struct memory *m = o->instance;
	uint64_t size;
	if (is(o, "ram"))
		*file = m->file;
	if (!is(o, "rom") || !m->file)
		return 0;
	int fd = open_image(m->file, &size, err);
	if (fd < 0)
		return -1;
	close(fd);
	if (!m->size)
		m->size = size;
	if (size > m->size)
		return object_fail(err,
			"file: %s has %" G_GUINT64_FORMAT " bytes, the ROM only %" G_GUINT64_FORMAT
			"; make it larger or choose another file",
			m->file, size, m->size);
	return 0;
}

int type_memory_load(struct object *o, struct bus_ram *ram, bp_error *err)
{
	const struct memory *m = o->instance;
	uint64_t size = 0, done = 0;
	if (!is(o, "rom"))
		return 0;
	ram->read_only = true;
	ram->write_error = m->writes == WRITES_ERROR;
	if (!m->file)
		return 0;
	int fd = open_image(m->file, &size, err);
	if (fd < 0)
		return -1;
	while (done < MIN(size, ram->size)) {
		ssize_t n = read(fd, ram->host + done, MIN(size, ram->size) - done);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0)
			break;
		done += (uint64_t)n;
	}
	close(fd);
	if (done < size)
		return object_fail(err,
			"file: %s could only be read up to byte %" G_GUINT64_FORMAT
			"; it changed or is damaged",
			m->file, done);
	return 0;
}
