/* SPDX-License-Identifier: MIT */
/* Opening a plugin: one data symbol, and tables that are believed only after they were checked. */
#include "field.h"
#include "types.h"
#include <glib.h>
#include <ltdl.h>
#include <string.h>

enum { ROWS_MAX = 4096 }; /* of any table: beyond it, its end is missing */

static bool started;

const struct bp_plugin *loader_open(
	const char *module, const char *place, struct error_list *errors)
{
	if (!started && lt_dlinit() != 0) {
		error_list_add(errors, place, "libltdl does not start: %s", lt_dlerror());
		return NULL;
	}
	started = true;
	/* Modules stay open for good: their tables and code may be in use anywhere. */
	lt_dlhandle handle = lt_dlopen(module);
	if (!handle) {
		error_list_add(errors, place, "%s cannot be loaded: %s", module, lt_dlerror());
		return NULL;
	}
	lt_dlmakeresident(handle);
	const struct bp_plugin *p = lt_dlsym(handle, "bp_plugin_1");
	if (!p) {
		error_list_add(errors, place,
			"%s has no symbol bp_plugin_1: it is not a plugin for this ABI", module);
		return NULL;
	}
	if (p->size < offsetof(struct bp_plugin, types) + sizeof(p->types) || p->size > 4096 ||
		!p->types || !p->name) {
		error_list_add(errors, place, "%s: its bp_plugin_1 is %u bytes, not a descriptor",
			module, p->size);
		return NULL;
	}
	if (p->abi_minor > BP_ABI_MINOR)
		error_list_add(errors, NULL,
			"%s was built for ABI %d.%u; this core has %d.%d: services it asks for may "
			"be missing",
			module, BP_ABI_MAJOR, p->abi_minor, BP_ABI_MAJOR, BP_ABI_MINOR);
	static const struct {
		const char *name;
		size_t offset;
		uint32_t least;
	} strides[] = {
		{ "type", offsetof(struct bp_plugin, type_size), sizeof(struct bp_type) },
		{ "field", offsetof(struct bp_plugin, field_size), sizeof(struct bp_field) },
		{ "region", offsetof(struct bp_plugin, region_size), sizeof(struct bp_region) },
		{ "register", offsetof(struct bp_plugin, reg_size), sizeof(struct bp_reg) },
		{ "pin", offsetof(struct bp_plugin, pin_size), sizeof(struct bp_pin) },
		{ "CPU register", offsetof(struct bp_plugin, cpu_reg_size),
			sizeof(struct bp_cpu_reg) },
		{ "helper", offsetof(struct bp_plugin, helper_size), sizeof(struct bp_helper) },
	};
	for (unsigned i = 0; i < G_N_ELEMENTS(strides); i++) {
		uint32_t got =
			*(const uint32_t *)(const void *)((const char *)p + strides[i].offset);
		if (got < strides[i].least || got > 1024 || got % 8) {
			error_list_add(errors, place,
				"%s: a %s element of %u bytes; at least %u expected", module,
				strides[i].name, got, strides[i].least);
			return NULL;
		}
	}
	return p;
}

struct check {
	const struct type *type;
	const char *place;
	struct error_list *errors;
	int result;
};

static void bad(struct check *c, const char *table, const char *name, const char *why)
{
	error_list_add(c->errors, c->place, "type %s: %s table: %s: %s; the plugin is faulty",
		c->type->id, table, name, why);
	c->result = -1;
}

static void check_fields(struct check *c, const char *table, const struct bp_field *fields,
	uint64_t limit, unsigned depth)
{
	const struct bp_field *f;
	for (unsigned n = 0; (f = field_at(fields, c->type->field_size, n)); n++) {
		uint64_t size = field_size_of(f);
		if (n >= ROWS_MAX) {
			bad(c, table, f->name, "the table has no end");
			return;
		}
		if (!size || (uint64_t)f->offset + size > limit)
			bad(c, table, f->name, "it lies outside the instance");
		if ((f->type == BP_ENUM && !f->names) ||
			((f->type == BP_LINK || f->type == BP_LINKS) &&
				(!f->names || !f->names[0])))
			bad(c, table, f->name, "its words or its interface are missing");
		if (f->type == BP_STRUCT && (!f->sub || depth > 4))
			bad(c, table, f->name, "its own table is missing");
		else if (f->type == BP_STRUCT)
			check_fields(c, table, f->sub, f->sub_size, depth + 1);
	}
}

static void check_regs(struct check *c, const struct bp_region *r)
{
	for (unsigned n = 0;; n++) {
		const struct bp_reg *reg = TABLE_AT(r->regs, c->type->reg_size, n);
		if (!reg->name)
			return;
		if (n >= ROWS_MAX) {
			bad(c, "register", r->name, "the table has no end");
			return;
		}
		uint64_t count = reg->count ? reg->count : 1, bytes = reg->bytes;
		if (bytes != 1 && bytes != 2 && bytes != 4 && bytes != 8)
			bad(c, "register", reg->name, "its width is not 1, 2, 4 or 8 bytes");
		else if (reg->field != BP_REG_NO_FIELD &&
			reg->field + count * bytes > c->type->object->instance_size)
			bad(c, "register", reg->name, "it lies outside the instance");
	}
}

static void check_regions(struct check *c)
{
	const struct bp_region *first = c->type->object->regions;
	for (unsigned n = 0; first; n++) {
		const struct bp_region *r = TABLE_AT(first, c->type->region_size, n);
		if (!r->name)
			return;
		if (n >= 256) {
			bad(c, "region", r->name, "the table has no end");
			return;
		}
		if (!r->size && (uint64_t)r->size_offset + 8 > c->type->object->instance_size)
			bad(c, "region", r->name, "its size lies outside the instance");
		if (!r->regs && !(r->read && r->write) && !(r->flags & BP_REGION_MEMORY))
			bad(c, "region", r->name, "it has neither registers, functions nor memory");
		if (r->regs)
			check_regs(c, r);
	}
}

static void check_pins(struct check *c, const struct bp_pin *first, bool output)
{
	for (unsigned n = 0; first; n++) {
		const struct bp_pin *p = TABLE_AT(first, c->type->pin_size, n);
		if (!p->name)
			return;
		if (n >= ROWS_MAX) {
			bad(c, "pin", p->name, "the table has no end");
			return;
		}
		if (!output && !p->set)
			bad(c, "pin", p->name, "an input without a function");
		if (output && (uint64_t)p->offset + sizeof(void *) > c->type->object->instance_size)
			bad(c, "pin", p->name, "it lies outside the instance");
	}
}

int loader_check_type(const struct type *t, const char *place, struct error_list *errors)
{
	struct check c = { t, place, errors, 0 };
	const struct bp_object *o = t->object;
	if (!o->instance_size || o->instance_size > 64u << 20) {
		bad(&c, "object", t->id, "its instance has no sensible size");
		return -1;
	}
	check_fields(&c, "property", o->props, o->instance_size, 0);
	check_fields(&c, "state", o->state, o->instance_size, 0);
	check_regions(&c);
	check_pins(&c, o->out, true);
	check_pins(&c, o->in, false);
	if (t->kind == BP_KIND_CPU && (!t->ext || o->instance_size < sizeof(struct bp_cpu_head)))
		bad(&c, "object", t->id, "a CPU without its description");
	return c.result;
}
