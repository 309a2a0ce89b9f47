/* SPDX-License-Identifier: MIT */
/* What two machines must have in common for the state of one to be the other's: objects, their types
 * and properties, where their windows lie and where their wires lead. Texts (names of files, command
 * lines) and what may change at run time may differ, and so may the host's side: byte streams, tracers,
 * services. */
#include "bus/line.h"
#include "internal.h"
#include "plugin/field.h"
#include <inttypes.h>
#include <string.h>

bool is_saved(const struct object *o)
{
	switch (o->type->kind) {
	case BP_KIND_DEVICE:
	case BP_KIND_CPU:
	case BP_KIND_BOARD:
	case BP_KIND_BUS:
	case BP_KIND_ISA_EXTENSION: return true;
	default: return false;
	}
}

static void put_properties(GString *text, const struct object *o)
{
	const struct bp_field *f;
	for (unsigned k = 0; (f = field_at(o->type->object->props, o->type->field_size, k)); k++)
		if (!(f->flags & BP_F_RUNTIME) &&
			(f->type <= BP_S64 || f->type == BP_SIZE || f->type == BP_ENUM))
			g_string_append_printf(text, "%s = %" PRIu64 "\n", f->name,
				field_get_number(f, o->instance));
}

static void put_object(GString *text, const struct object *o)
{
	struct bus_place p;
	struct bus_space *space;
	struct line_wire w;
	g_string_append_printf(text, "[%s]\ntype = %s\n", o->name, o->type->id);
	put_properties(text, o);
	if (o->bus)
		g_string_append_printf(text, "bus = %s\n", o->bus->name);
	for (unsigned k = 0; bus_object_place(o, k, &p, &space); k++)
		g_string_append_printf(text, "%s at 0x%" PRIx64 "..0x%" PRIx64 " of %s, %d\n",
			p.name, p.base, p.last, space->name ? space->name : "", p.priority);
	for (unsigned k = 0; line_wire_at(o, k, &w); k++)
		g_string_append_printf(text, "%s:%u drives %s:%s:%u\n", w.pin, w.index,
			w.target->name, w.target_pin, w.target_index);
}

char *identity(const struct state_machine *m)
{
	GString *text = g_string_new("[the list of objects]\n");
	for (unsigned i = 0; i < m->count; i++)
		if (is_saved(m->objects[i]))
			g_string_append_printf(text, "%s of type %s\n", m->objects[i]->name,
				m->objects[i]->type->id);
	for (unsigned i = 0; i < m->count; i++)
		if (is_saved(m->objects[i]))
			put_object(text, m->objects[i]);
	return g_string_free(text, FALSE);
}

enum state_result identity_compare(struct in *i, const char *saved, const char *own)
{
	enum { SHOWN = 200 };
	const char *line = saved, *object = "", *at = saved, *here = own;
	if (strcmp(saved, own) == 0)
		return STATE_GOOD;
	for (; *at && *at == *here; at++, here++)
		if (*at == '\n')
			line = at + 1;
	here -= at - line;
	for (at = saved; at <= line; at += strcspn(at, "\n") + 1) {
		if (*at == '[')
			object = at;
		if (!at[strcspn(at, "\n")])
			break;
	}
	error_list_add(i->errors, i->path,
		"the snapshot is of another machine: it has \"%.*s\" in %.*s where this one has "
		"\"%.*s\"; give the machine file and options that it was saved with",
		(int)MIN(strcspn(line, "\n"), SHOWN), line, (int)MIN(strcspn(object, "\n"), SHOWN),
		object, (int)MIN(strcspn(here, "\n"), SHOWN), here);
	return STATE_OTHER;
}
