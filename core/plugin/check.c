/* SPDX-License-Identifier: MIT */
/* Whether a plugin's tables are well formed. What is refused here need not be feared anywhere else:
 * every offset lies inside the instance, every table ends, every name is there. */
#include "field.h"
#include "types.h"
#include <backplane/trace.h>
#include <string.h>

enum {
	INSTANCE_MAX = 64 << 20,
	PINS_MAX = 4096, /* of one name: bp_pin */
	REGIONS_MAX = 256
};

int loader_check_plugin(
	const struct bp_plugin *p, const char *module, const char *place, struct error_list *errors)
{
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
	if (p->size < offsetof(struct bp_plugin, types) + sizeof(p->types) || p->size > 4096 ||
		!p->types || !p->name)
		return error_list_add(errors, place,
			"%s: its bp_plugin_1 says it has %u bytes; a descriptor of ABI %d.%d has "
			"%u, a name and types",
			module, p->size, BP_ABI_MAJOR, BP_ABI_MINOR,
			(unsigned)sizeof(struct bp_plugin));
	for (unsigned i = 0; i < G_N_ELEMENTS(strides); i++) {
		uint32_t got =
			*(const uint32_t *)(const void *)((const char *)p + strides[i].offset);
		if (got < strides[i].least || got > 1024 || got % 8)
			return error_list_add(errors, place,
				"%s: a %s element of %u bytes; at least %u are expected, in steps "
				"of 8",
				module, strides[i].name, got, strides[i].least);
	}
	return 0;
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

static bool inside(const struct check *c, uint64_t offset, uint64_t bytes)
{
	return offset + bytes <= c->type->object->instance_size;
}

/* ---- fields ---- */

static unsigned words_of(const struct bp_field *f)
{
	unsigned n = 0;
	while (f->names && n < ROWS_MAX && f->names[n])
		n++;
	return n;
}

static void check_words(struct check *c, const char *table, const struct bp_field *f)
{
	unsigned words = words_of(f);
	bool link = f->type == BP_LINK || f->type == BP_LINKS;
	if ((f->type == BP_ENUM || link) && (!words || words == ROWS_MAX))
		bad(c, table, f->name, link ? "its interface is missing" : "its words are missing");
	else if (f->type == BP_ENUM && f->def >= words)
		bad(c, table, f->name, "its default is none of its words");
}

static void check_prop(struct check *c, const struct bp_field *f)
{
	static const char *const keys[] = { "type", "bus", "at", "view", "slot", "count", "stride",
		NULL };
	if (f->type > BP_LINKS)
		bad(c, "property", f->name, "a machine file cannot give values of its type");
	if (f->count > 1 || f->count_offset)
		bad(c, "property", f->name, "properties are no arrays");
	if (g_strv_contains(keys, f->name))
		bad(c, "property", f->name, "every object has a key of this name");
	if (f->flags & ~(unsigned)(BP_F_REQUIRED | BP_F_RUNTIME | BP_F_RANGE))
		bad(c, "property", f->name, "it has flags that this core does not know");
	if (f->flags & BP_F_RUNTIME && !c->type->object->changed)
		bad(c, "property", f->name, "it changes at run time, but there is no changed()");
	if (f->flags & BP_F_RANGE &&
		(f->min > f->max ||
			(!(f->flags & BP_F_REQUIRED) && (f->def < f->min || f->def > f->max))))
		bad(c, "property", f->name, "its default lies outside its range");
}

static void check_state(struct check *c, const char *table, const struct bp_field *f)
{
	bool whole = f->flags & BP_F_WHOLE;
	if (f->type == BP_STR || f->type == BP_LINK || f->type == BP_LINKS)
		bad(c, table, f->name, "pointers to what the host owns are no state");
	if (f->flags & ~(unsigned)BP_F_WHOLE)
		bad(c, table, f->name, "it has flags that this core does not know");
	if (f->count > 1 && whole == !!f->count_offset)
		bad(c, table, f->name,
			"how many of the array are in use? Either count_offset says where that "
			"stands, or BP_F_WHOLE that all are");
	if (f->count <= 1 && (whole || f->count_offset))
		bad(c, table, f->name, "it is no array, and says how many of it are in use");
}

static void check_fields(struct check *c, const char *table, const struct bp_field *fields,
	uint64_t limit, unsigned depth)
{
	const struct bp_field *f;
	uint32_t stride = c->type->field_size;
	for (unsigned n = 0; (f = field_at(fields, stride, n)); n++) {
		uint64_t size = field_size_of(f);
		if (n >= ROWS_MAX) {
			bad(c, table, f->name, "the table has no end");
			return;
		}
		if (field_find(fields, stride, f->name) != f)
			bad(c, table, f->name, "it is there twice");
		if (!size || (uint64_t)f->offset + size > limit ||
			(f->count_offset && (uint64_t)f->count_offset + 4 > limit))
			bad(c, table, f->name, "it lies outside the instance");
		check_words(c, table, f);
		if (fields != c->type->object->props)
			check_state(c, table, f);
		if (f->type == BP_STRUCT && (!f->sub || depth > 4))
			bad(c, table, f->name, "its own table is missing");
		else if (f->type == BP_STRUCT)
			check_fields(c, table, f->sub, f->sub_size, depth + 1);
	}
}

/* ---- regions ---- */

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
		else if (reg->field != BP_REG_NO_FIELD && !inside(c, reg->field, count * bytes))
			bad(c, "register", reg->name, "it lies outside the instance");
		if (reg->count_offset && !inside(c, reg->count_offset, 4))
			bad(c, "register", reg->name, "its count lies outside the instance");
		if (reg->flags &
			~(unsigned)(BP_REG_READ_ONLY | BP_REG_WRITE_ONLY | BP_REG_NARROW_OK))
			bad(c, "register", reg->name, "it has flags that this core does not know");
	}
}

static void check_regions(struct check *c)
{
	static const char *const keys[] = { "base", "size", "offset", "priority", "space", NULL };
	const struct bp_region *first = c->type->object->regions;
	for (unsigned n = 0; first; n++) {
		const struct bp_region *r = TABLE_AT(first, c->type->region_size, n);
		if (!r->name)
			return;
		if (n >= REGIONS_MAX) {
			bad(c, "region", r->name, "the table has no end");
			return;
		}
		if (g_strv_contains(keys, r->name))
			bad(c, "region", r->name, "a place has a key of this name");
		if (!r->size && !inside(c, r->size_offset, 8))
			bad(c, "region", r->name, "its size lies outside the instance");
		if (!r->regs && !(r->read && r->write) && !(r->flags & BP_REGION_MEMORY))
			bad(c, "region", r->name, "it has neither registers, functions nor memory");
		if (r->flags &
			~(unsigned)(BP_REGION_MEMORY | BP_REGION_BIG_ENDIAN | BP_REGION_UNALIGNED |
				BP_REGION_STRICT))
			bad(c, "region", r->name, "it has flags that this core does not know");
		if (r->regs)
			check_regs(c, r);
	}
}

/* ---- pins ---- */

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
		bool fixed = !p->count_offset && !(p->flags & BP_PIN_COUNT_FROM_LINKS);
		uint64_t wires = fixed && p->count ? p->count : 1;
		if (!output && !p->set)
			bad(c, "pin", p->name, "an input without a function");
		if (p->count > PINS_MAX)
			bad(c, "pin", p->name, "there are more than 4096 of it");
		else if (output && !inside(c, p->offset, wires * sizeof(void *)))
			bad(c, "pin", p->name, "it lies outside the instance");
		if (p->count_offset && !inside(c, p->count_offset, 4))
			bad(c, "pin", p->name, "its count lies outside the instance");
		if (p->flags & ~(unsigned)(output ? BP_PIN_COUNT_FROM_LINKS : BP_PIN_FROM_ONE))
			bad(c, "pin", p->name, "it has flags that make no sense here");
	}
}

/* ---- what a kind needs beside ---- */

static void check_cpu_regs(struct check *c, const struct bp_cpu *cpu)
{
	for (unsigned n = 0; cpu->regs; n++) {
		const struct bp_cpu_reg *r = TABLE_AT(cpu->regs, c->type->cpu_reg_size, n);
		if (!r->name)
			return;
		uint64_t span = r->count > 1 ? (uint64_t)(r->count - 1) * r->stride : 0;
		if (n >= ROWS_MAX) {
			bad(c, "CPU register", r->name, "the table has no end");
			return;
		}
		if (!inside(c, r->offset, span + 1))
			bad(c, "CPU register", r->name, "it lies outside the instance");
	}
	if (!cpu->regs)
		bad(c, "CPU register", c->type->id, "it is missing");
}

static void check_helpers(struct check *c, const struct bp_cpu *cpu)
{
	for (unsigned n = 0; cpu->helpers; n++) {
		const struct bp_helper *h = TABLE_AT(cpu->helpers, c->type->helper_size, n);
		if (!h->name)
			return;
		if (n >= ROWS_MAX) {
			bad(c, "helper", h->name, "the table has no end");
			return;
		}
		if (!h->fn || h->args > 8 || h->results > 4)
			bad(c, "helper", h->name,
				"a function, at most 8 arguments and 4 results are expected");
	}
}

static void check_cpu(struct check *c)
{
	const struct bp_cpu *cpu = c->type->ext;
	if (!cpu || cpu->size < sizeof(*cpu) || !inside(c, 0, sizeof(struct bp_cpu_head))) {
		bad(c, "object", c->type->id, "a CPU without its description");
		return;
	}
	if (!cpu->isa_name || !cpu->translate || !cpu->fetch_regime || !cpu->translate_address ||
		!cpu->exception || !cpu->memory_fault || !cpu->interrupt || !cpu->has_work ||
		!cpu->regimes || !cpu->regimes->name)
		bad(c, "CPU", c->type->id, "one of its functions or tables is missing");
	if ((cpu->address_bits != 32 && cpu->address_bits != 64) || cpu->page_bits < 10 ||
		cpu->page_bits > 16 || !cpu->insn_align || cpu->insn_max > 16)
		bad(c, "CPU", c->type->id,
			"addresses, pages or instructions of an impossible size");
	if (!inside(c, cpu->config_offset, cpu->config_size))
		bad(c, "CPU", c->type->id, "its static properties lie outside the instance");
	check_cpu_regs(c, cpu);
	check_helpers(c, cpu);
}

static void check_tracer(struct check *c)
{
	const struct bp_tracer *t = c->type->ext;
	if (t &&
		(t->size < sizeof(*t) || (t->events & BP_TRACE_BLOCK && !t->block) ||
			(t->events & BP_TRACE_EXEC && !t->exec) ||
			(t->events & BP_TRACE_MEMORY && !t->memory) ||
			(t->events & BP_TRACE_REGISTER && !t->reg) ||
			(t->events & BP_TRACE_EXCEPTION && !t->exception) ||
			(t->events & BP_TRACE_LINE && !t->line)))
		bad(c, "tracer", c->type->id, "it asks for events that it has no function for");
}

int loader_check_type(const struct type *t, const char *place, struct error_list *errors)
{
	struct check c = { t, place, errors, 0 };
	const struct bp_object *o = t->object;
	const struct bp_field *f;
	if (!o->instance_size || o->instance_size > INSTANCE_MAX) {
		bad(&c, "object", t->id, "its instance has no sensible size");
		return -1;
	}
	if (o->threads > BP_PARALLEL)
		bad(&c, "object", t->id, "its threads are none of enum bp_threads");
	check_fields(&c, "property", o->props, o->instance_size, 0);
	for (unsigned n = 0; n < ROWS_MAX && (f = field_at(o->props, t->field_size, n)); n++)
		check_prop(&c, f);
	check_fields(&c, "state", o->state, o->instance_size, 0);
	check_regions(&c);
	check_pins(&c, o->out, true);
	check_pins(&c, o->in, false);
	if (t->kind == BP_KIND_CPU)
		check_cpu(&c);
	if (t->kind == BP_KIND_TOOL)
		check_tracer(&c);
	return c.result;
}
