/* SPDX-License-Identifier: MIT */
/* What the keys of one object mean: properties, links, output pins, places. */
#include "internal.h"

const char *const reserved_keys[] = { "type", "bus", "at", "view", "slot", "plugged", "count",
	"stride", NULL };

/* Properties that the core adds to every CPU. */
static const char *const memory_link[] = { "bp.space/1", NULL };
enum { CPU_MEMORY, CPU_BLOCK_LIMIT, CPU_CHECK_IR, CPU_ENGINE };
const char *const cpu_keys[] = { "memory", "block-limit", "check-ir", "engine", NULL };

static void *keep(struct instance *in, void *memory)
{
	g_ptr_array_add(in->pointers, memory);
	return memory;
}

/* ---- values ---- */

static int wrong_type(struct error_list *errors, const struct instance *in, const char *key,
	const struct bp_field *f, const struct toml_value *v)
{
	char *got = toml_write_value(v);
	instance_error(errors, v->pos, in, key, "%s is expected, not %s", field_type_text(f), got);
	g_free(got);
	return -1;
}

static int set_word(struct error_list *errors, const struct instance *in, const char *key,
	const struct bp_field *f, const struct toml_value *v)
{
	if (v->type != TOML_STRING)
		return wrong_type(errors, in, key, f, v);
	if (field_set_word(f, in->object->instance, v->string.bytes) == 0)
		return 0;
	char *words = g_strjoinv(", ", (char **)f->names);
	instance_error(errors, v->pos, in, key, "\"%s\" is none of: %s", v->string.bytes, words);
	g_free(words);
	return -1;
}

static int set_number(struct error_list *errors, const struct instance *in, const char *key,
	const struct bp_field *f, const struct toml_value *v)
{
	uint64_t number = 0;
	bool negative = false;
	if (f->type == BP_BOOL && v->type == TOML_BOOLEAN)
		number = v->boolean;
	else if (f->type != BP_BOOL && v->type == TOML_INTEGER)
		number = v->integer.magnitude, negative = v->integer.negative;
	else if (f->type != BP_SIZE || v->type != TOML_STRING ||
		!size_parse(v->string.bytes, &number))
		return wrong_type(errors, in, key, f, v);
	if (field_set_number(f, in->object->instance, number, negative) == 0)
		return 0;
	if (!(f->flags & BP_F_RANGE))
		return wrong_type(errors, in, key, f, v);
	return instance_error(errors, v->pos, in, key,
		"%s%" G_GUINT64_FORMAT " is out of range; %" G_GUINT64_FORMAT
		" to %" G_GUINT64_FORMAT " is possible",
		negative ? "-" : "", number, f->min, f->max);
}

/* ---- links ---- */

/* The pointer that a link of this interface stands for, or NULL after an error. */
static void *link_pointer(struct instance *in, const char *key, const char *interface,
	struct instance *to, struct toml_pos pos, struct error_list *errors)
{
	struct object *o = to->object;
	void *p = NULL;
	const void *ops = NULL;
	instance_use(in, to);
	if (!strcmp(interface, "bp.chr/1")) {
		p = chr_of(o);
	} else if (!strcmp(interface, "bp.dma/1")) {
		p = dma_new(in->object, o, in->object->index);
		if (p)
			g_ptr_array_add(in->masters, p);
	} else if (!strcmp(interface, "bp.space/1")) {
		p = space_of(o);
	} else if ((ops = object_interface(o, interface))) {
		struct bp_link *link = g_new0(struct bp_link, 1);
		*link = (struct bp_link){ sizeof(*link), 0, o->instance, ops, o->name };
		p = keep(in, link);
	}
	if (!p)
		instance_error(errors, pos, in, key, "%s (%s) does not offer %s", to->name,
			o->type->id, interface);
	return p;
}

static int set_link(struct machine *m, struct instance *in, const char *key,
	const struct bp_field *f, const struct toml_value *v, struct error_list *errors, void **out)
{
	if (v->type != TOML_STRING)
		return wrong_type(errors, in, key, f, v);
	GArray *targets = targets_expand(m, in, key, v->string.bytes, v->pos, errors);
	if (!targets)
		return -1;
	unsigned n = targets->len == in->count ? in->index : 0;
	if (targets->len != 1 && targets->len != in->count)
		instance_error(errors, v->pos, in, key,
			"\"%s\" is %u objects; one, or one for each of %u, is expected",
			v->string.bytes, targets->len, in->count);
	else
		*out = link_pointer(in, key, f->names[0],
			g_array_index(targets, struct target, n).instance, v->pos, errors);
	targets_free(targets);
	return *out ? 0 : -1;
}

static int set_links(struct machine *m, struct instance *in, const char *key,
	const struct bp_field *f, const struct toml_value *v, struct error_list *errors)
{
	GPtrArray *list = g_ptr_array_new();
	struct toml_value *const one[] = { (struct toml_value *)(uintptr_t)v };
	struct toml_value *const *items = v->type == TOML_ARRAY ? v->array.items : one;
	unsigned count = v->type == TOML_ARRAY ? v->array.count : 1;
	for (unsigned i = 0; i < count; i++) {
		if (items[i]->type != TOML_STRING) {
			wrong_type(errors, in, key, f, items[i]);
			continue;
		}
		GArray *targets =
			targets_expand(m, in, key, items[i]->string.bytes, items[i]->pos, errors);
		for (unsigned k = 0; targets && k < targets->len; k++) {
			void *p = link_pointer(in, key, f->names[0],
				g_array_index(targets, struct target, k).instance, items[i]->pos,
				errors);
			if (p)
				g_ptr_array_add(list, p);
		}
		targets_free(targets);
	}
	struct bp_links *links = (void *)((char *)in->object->instance + f->offset);
	links->count = list->len;
	links->link = keep(in, g_ptr_array_free(list, FALSE));
	return 0;
}

static int set_property(struct machine *m, struct instance *in, const char *key,
	const struct bp_field *f, const struct toml_value *v, struct error_list *errors)
{
	switch (f->type) {
	case BP_STR:
		if (v->type != TOML_STRING || strlen(v->string.bytes) != v->string.length)
			return wrong_type(errors, in, key, f, v);
		field_set_string(f, in->object->instance, v->string.bytes);
		return 0;
	case BP_ENUM: return set_word(errors, in, key, f, v);
	case BP_LINK:
		return set_link(m, in, key, f, v, errors,
			(void **)(void *)((char *)in->object->instance + f->offset));
	case BP_LINKS: return set_links(m, in, key, f, v, errors);
	default: return set_number(errors, in, key, f, v);
	}
}

/* ---- CPUs ---- */

static int set_cpu(struct machine *m, struct instance *in, const char *key,
	const struct toml_value *v, struct error_list *errors)
{
	static const struct bp_field link = {
		.name = "memory", .type = BP_LINK, .names = memory_link
	};
	uint64_t n;
	void *space = NULL;
	if (!strcmp(key, cpu_keys[CPU_MEMORY])) {
		int r = set_link(m, in, key, &link, v, errors, &space);
		in->cpu.memory = space;
		return r;
	}
	if (!strcmp(key, cpu_keys[CPU_CHECK_IR])) {
		if (v->type != TOML_BOOLEAN)
			return instance_error(errors, v->pos, in, key, "true or false is expected");
		in->cpu.check_ir = v->boolean;
		return 0;
	}
	if (!strcmp(key, cpu_keys[CPU_ENGINE])) {
		in->cpu.engine = v->type == TOML_STRING ? vcpu_engine(v->string.bytes) : NULL;
		return in->cpu.engine
			? 0
			: instance_error(errors, v->pos, in, key,
				  "\"jit\" or \"interp\" is expected (jit: only on hosts "
				  "that it knows)");
	}
	if (!toml_as_u64(v, &n) || n > 1024)
		return instance_error(errors, v->pos, in, key,
			"a number of instructions from 0 (no limit) to 1024 is expected");
	in->cpu.block_insns = (uint32_t)n;
	return 0;
}

/* ---- keys ---- */

static void unknown_key(
	const struct instance *in, const struct toml_entry *e, struct error_list *errors)
{
	const struct type *t = in->object->type;
	const struct bp_field *f;
	struct line_pin pin;
	struct nearest near;
	nearest_init(&near, e->key);
	for (unsigned n = 0; (f = field_at(t->object->props, t->field_size, n)); n++)
		nearest_try(&near, f->name);
	for (unsigned n = 0; line_pin_at(in->object, true, n, &pin); n++)
		nearest_try(&near, pin.name);
	for (unsigned n = 0; reserved_keys[n]; n++)
		nearest_try(&near, reserved_keys[n]);
	for (unsigned n = 0; t->kind == BP_KIND_CPU && cpu_keys[n]; n++)
		nearest_try(&near, cpu_keys[n]);
	instance_error(errors, e->key_pos, in, NULL,
		"%s has no property, link or output \"%s\"%s%s%s", t->id, e->key,
		near.best ? "; did you mean \"" : "", near.best ? near.best : "",
		near.best ? "\"?" : "");
}

static void check_required(const struct instance *in, struct error_list *errors)
{
	const struct type *t = in->object->type;
	const struct bp_field *f;
	for (unsigned n = 0; (f = field_at(t->object->props, t->field_size, n)); n++)
		if (f->flags & BP_F_REQUIRED && !toml_get(in->entry->value, f->name))
			instance_error(errors, in->entry->key_pos, in, NULL, "%s needs %s: %s",
				t->id, f->name, f->help ? f->help : "");
}

/* A CPU works in one space: named by its own property, or by the one that the core adds. */
static void check_memory(struct instance *in, struct error_list *errors)
{
	const struct type *t = in->object->type;
	const struct bp_field *f =
		field_find(t->object->props, t->field_size, cpu_keys[CPU_MEMORY]);
	if (f && f->type == BP_LINK && !strcmp(f->names[0], memory_link[0]))
		memcpy(&in->cpu.memory, (char *)in->object->instance + f->offset, sizeof(void *));
	if (!in->cpu.memory && !toml_get(in->entry->value, cpu_keys[CPU_MEMORY]))
		instance_error(errors, in->entry->key_pos, in, NULL,
			"a CPU needs memory = \"SPACE\", the address space that it works in");
}

void instance_set(struct machine *m, struct instance *in, struct error_list *errors)
{
	const struct type *t = in->object->type;
	bp_error err = { errors, in->object };
	unsigned before = errors->total;
	for (unsigned i = 0; i < in->entry->value->table.count; i++) {
		const struct toml_entry *e = in->entry->value->table.entries[i];
		const struct bp_field *f = field_find(t->object->props, t->field_size, e->key);
		if (g_strv_contains(reserved_keys, e->key))
			continue;
		if (f)
			set_property(m, in, e->key, f, e->value, errors);
		else if (t->kind == BP_KIND_CPU && g_strv_contains(cpu_keys, e->key))
			set_cpu(m, in, e->key, e->value, errors);
	}
	check_required(in, errors);
	if (t->kind == BP_KIND_CPU)
		check_memory(in, errors);
	/* Faults of a table are reported for its first instance alone. */
	if (errors->total == before && (in == in->first || in->first->has_windows))
		in->has_windows = bus_object_init(in->object, &err) == 0;
	line_object_init(in->object, &err);
}

/* ---- wires ---- */

static const struct bp_pin *input_row(const struct type *t, const char *pin)
{
	for (unsigned n = 0; t->object->in; n++) {
		const struct bp_pin *row = TABLE_AT(t->object->in, t->pin_size, n);
		if (!row->name || !strcmp(row->name, pin))
			return row->name ? row : NULL;
	}
	return NULL;
}

/* The property that says how many inputs there are, and where it was given; else the object. */
static void no_such_input(const struct instance *in, const struct toml_value *v, const char *pin,
	const struct target *t, const struct line_pin *input, unsigned first,
	struct error_list *errors)
{
	const struct type *type = t->instance->object->type;
	const struct bp_pin *row = input_row(type, input->name);
	const struct toml_value *given = NULL;
	const struct bp_field *f;
	for (unsigned n = 0; row && row->count_offset &&
		(f = field_at(type->object->props, type->field_size, n));
		n++)
		if (f->offset == row->count_offset)
			given = toml_get(t->instance->entry->value, f->name);
	char *place = toml_place(given ? given->pos : t->instance->entry->key_pos);
	instance_error(errors, v->pos, in, pin,
		"\"%s\": %s has %u inputs %s, numbered from %u (%s); there is no %u",
		v->string.bytes, t->instance->name, input->count, input->name, first, place,
		t->index);
	g_free(place);
}

static void connect_one(struct instance *in, const struct toml_value *v, const char *pin,
	unsigned index, const struct target *t, struct error_list *errors)
{
	struct object *to = t->instance->object;
	struct line_pin input;
	bp_error err = { errors, in->object };
	bool found = t->pin && *t->pin ? line_pin_find(to, false, t->pin, &input)
				       : line_pin_at(to, false, 0, &input);
	const struct bp_pin *row = found ? input_row(to->type, input.name) : NULL;
	unsigned first = row && row->flags & BP_PIN_FROM_ONE;
	if (!found) {
		struct nearest near;
		struct line_pin p;
		nearest_init(&near, t->pin ? t->pin : "");
		for (unsigned n = 0; line_pin_at(to, false, n, &p); n++)
			nearest_try(&near, p.name);
		instance_error(errors, v->pos, in, pin, "\"%s\": %s (%s) has no input \"%s\"%s%s%s",
			v->string.bytes, t->instance->name, to->type->id, t->pin ? t->pin : "",
			near.best ? "; did you mean \"" : "", near.best ? near.best : "",
			near.best ? "\"?" : "");
	} else if (t->index < first || t->index - first >= input.count) {
		no_such_input(in, v, pin, t, &input, first, errors);
	} else {
		line_connect(in->object, pin, index, to, input.name, t->index, &err);
	}
}

/* One string: successive outputs take what it expands to; of counted objects each its share. */
static void connect_string(struct machine *m, struct instance *in, const struct line_pin *out,
	const struct toml_value *v, struct error_list *errors)
{
	if (v->type != TOML_STRING) {
		instance_error(errors, v->pos, in, out->name,
			"an input such as \"OBJECT:PIN\" is expected, not %s",
			toml_type_name(v->type));
		return;
	}
	GArray *targets = targets_expand(m, in, out->name, v->string.bytes, v->pos, errors);
	if (!targets)
		return;
	unsigned share = targets->len / in->count, first = share * in->index;
	if (targets->len == 1)
		share = 1, first = 0;
	if (targets->len != 1 && (share * in->count != targets->len || share > out->count)) {
		instance_error(errors, v->pos, in, out->name,
			"\"%s\" is %u inputs; %s has %u output%s", v->string.bytes, targets->len,
			in->base, out->count * in->count, out->count * in->count == 1 ? "" : "s");
	} else {
		for (unsigned i = 0; i < share; i++)
			connect_one(in, v, out->name, i,
				&g_array_index(targets, struct target, first + i), errors);
	}
	targets_free(targets);
}

void instance_connect(struct machine *m, struct instance *in, struct error_list *errors)
{
	const struct type *t = in->object->type;
	for (unsigned i = 0; i < in->entry->value->table.count; i++) {
		const struct toml_entry *e = in->entry->value->table.entries[i];
		struct line_pin out;
		if (g_strv_contains(reserved_keys, e->key) ||
			field_find(t->object->props, t->field_size, e->key) ||
			(t->kind == BP_KIND_CPU && g_strv_contains(cpu_keys, e->key)))
			continue;
		if (!line_pin_find(in->object, true, e->key, &out)) {
			/* A fault of the table, not of each of its instances. */
			if (in->index == 0)
				unknown_key(in, e, errors);
			continue;
		}
		if (e->value->type != TOML_ARRAY) {
			connect_string(m, in, &out, e->value, errors);
			continue;
		}
		for (unsigned k = 0; k < e->value->array.count; k++)
			connect_string(m, in, &out, e->value->array.items[k], errors);
	}
}

/* ---- places ---- */

/* The space that `space` names, else the first one. NULL after an error. */
static struct bus_space *space_by_name(struct machine *m, const struct instance *in,
	const struct toml_value *v, struct error_list *errors)
{
	struct instance *found = NULL;
	if (v && v->type == TOML_STRING)
		found = instance_find(m, v->string.bytes);
	if (v && (!found || !space_of(found->object))) {
		instance_error(errors, v->pos, in, "at", "space: the name of a space is expected");
		return NULL;
	}
	for (unsigned i = 0; !found && i < m->instances->len; i++) {
		struct instance *other = g_ptr_array_index(m->instances, i);
		if (space_of(other->object))
			found = other;
	}
	if (!found) {
		instance_error(errors, in->entry->key_pos, in, "at",
			"the machine has no address space; add [sys] with type = \"space\"");
		return NULL;
	}
	/* One that has faults of its own is none; that was said. */
	return found->has_windows ? space_of(found->object) : NULL;
}

struct place_spec {
	uint64_t base, size, offset;
	int64_t priority;
	const struct toml_value *space;
};

static const char *const place_keys[] = { "base", "size", "offset", "priority", "space", NULL };

static int read_place(struct instance *in, const struct toml_value *v, struct place_spec *p,
	struct error_list *errors)
{
	const struct toml_value *f;
	int bad = 0;
	if (v->type != TOML_TABLE) {
		if (!toml_as_u64(v, &p->base))
			bad |= instance_error(errors, v->pos, in, "at",
				"an address is expected, not %s", toml_type_name(v->type));
		return bad;
	}
	for (unsigned i = 0; i < v->table.count; i++)
		if (!g_strv_contains(place_keys, v->table.entries[i]->key))
			bad |= instance_error(errors, v->table.entries[i]->key_pos, in, "at",
				"\"%s\" is none of base, size, offset, priority, space",
				v->table.entries[i]->key);
	p->space = toml_get(v, "space");
	if (!(f = toml_get(v, "base")) || !toml_as_u64(f, &p->base))
		bad |= instance_error(
			errors, f ? f->pos : v->pos, in, "at", "base: an address is expected");
	if ((f = toml_get(v, "offset")) && !toml_as_u64(f, &p->offset))
		bad |= instance_error(errors, f->pos, in, "at", "offset: a number is expected");
	if ((f = toml_get(v, "priority")) &&
		(!toml_as_i64(f, &p->priority) || p->priority != (int)p->priority))
		bad |= instance_error(errors, f->pos, in, "at", "priority: a number is expected");
	if ((f = toml_get(v, "size")) && !toml_as_u64(f, &p->size) &&
		(f->type != TOML_STRING || !size_parse(f->string.bytes, &p->size)))
		bad |= instance_error(errors, f->pos, in, "at", "size: a size is expected");
	return bad;
}

static void map_region(struct machine *m, struct instance *in, int region,
	const struct toml_value *v, uint64_t stride, struct error_list *errors)
{
	struct place_spec p = { 0 };
	bp_error err = { errors, in->object };
	if (read_place(in, v, &p, errors) != 0)
		return;
	struct bus_space *s = space_by_name(m, in, p.space, errors);
	if (!s || !in->has_windows)
		return;
	if (in->index && stride > (UINT64_MAX - p.base) / in->index) {
		instance_error(errors, v->pos, in, "stride",
			"it leads beyond the end of a 64-bit address space");
		return;
	}
	bus_object_map(in->object, (unsigned)region, s, p.base + stride * in->index, p.size,
		p.offset, (int)p.priority, &err);
}

/* A place has one of five keys, which no window can have as its name. */
static bool is_place(const struct toml_value *v)
{
	for (unsigned n = 0; v->type == TOML_TABLE && place_keys[n]; n++)
		if (toml_get(v, place_keys[n]))
			return true;
	return false;
}

static void no_window(
	const struct instance *in, const struct toml_entry *e, struct error_list *errors)
{
	struct nearest near;
	nearest_init(&near, e->key);
	for (unsigned n = 0; n < bus_object_region_count(in->object); n++)
		nearest_try(&near, bus_region_name(bus_object_region(in->object, n)));
	instance_error(errors, e->key_pos, in, "at", "%s has no window \"%s\"%s%s%s",
		in->object->type->id, e->key, near.best ? "; did you mean \"" : "",
		near.best ? near.best : "", near.best ? "\"?" : "");
}

void instance_map(struct machine *m, struct instance *in, struct error_list *errors)
{
	const struct toml_value *table = in->entry->value, *at = toml_get(table, "at"), *v;
	uint64_t stride = 0;
	if ((v = toml_get(table, "view")))
		instance_error(errors, v->pos, in, "view",
			"views of single CPUs cannot be had yet; map it into a space");
	if ((v = toml_get(table, "stride")) && !toml_as_u64(v, &stride))
		instance_error(errors, v->pos, in, "stride", "a number is expected");
	if (!at)
		return;
	if (!bus_object_region_count(in->object) && in->has_windows) {
		instance_error(errors, at->pos, in, "at", "%s has no window to place",
			in->object->type->id);
		return;
	}
	if (at->type != TOML_TABLE || is_place(at)) {
		map_region(m, in, 0, at, stride, errors);
		return;
	}
	for (unsigned i = 0; i < at->table.count; i++) {
		if (!in->has_windows)
			return;
		const struct toml_entry *e = at->table.entries[i];
		int region = bus_object_find_region(in->object, e->key);
		if (region < 0)
			no_window(in, e, errors);
		else
			map_region(m, in, region, e->value, stride, errors);
	}
}
