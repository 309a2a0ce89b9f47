/* SPDX-License-Identifier: MIT */
/* The order of a save: what the machine is, its time, its objects, its memory. */
#include "bus/line.h"
#include "internal.h"
#include "sched/sched.h"
#include <inttypes.h>
#include <string.h>

#define CPU(m, t) BP_FIELD(struct state_cpu, m, t)
const struct bp_field state_cpu_fields[] = {
	{ CPU(pc, BP_U64) },
	{ CPU(key, BP_U64) },
	{ CPU(icount, BP_U64) },
	{ CPU(halted, BP_BOOL) },
	{ CPU(watching, BP_BOOL) },
	{ CPU(watch_size, BP_U32) },
	{ CPU(watch_offset, BP_U64) },
	{ CPU(watch_value, BP_U64), .count = 2, .flags = BP_F_WHOLE },
	{ 0 },
};

static void put_machine(struct out *o, const struct state_machine *m)
{
	char *text = identity(m);
	section_begin(o, SECTION_MACHINE);
	put_text(o, text);
	section_end(o);
	g_free(text);
	section_begin(o, SECTION_DESCRIPTION);
	put_text(o, m->description ? m->description : "");
	section_end(o);
}

static int put_time(struct out *o, struct error_list *errors)
{
	struct sched_state s;
	const struct record r = { sched_state_fields, sizeof(struct bp_field), &s, "time" };
	sched_state_get(&s);
	section_begin(o, SECTION_TIME);
	if (put_fields(o, &r, errors) != 0)
		return -1;
	section_end(o);
	return 0;
}

static void put_lines(struct out *o, const struct object *object)
{
	unsigned count = 0, index;
	const char *pin;
	bp_line *line;
	while (line_at(object, count, NULL, NULL))
		count++;
	put_number(o, count, 4);
	for (unsigned n = 0; n < count && (line = line_at(object, n, &pin, &index)); n++) {
		put_text(o, pin);
		put_number(o, index, 4);
		put_number(o, (uint64_t)line_get(line), 1);
	}
}

static int put_cpu(struct out *o, const struct state_machine *m, const struct object *object,
	struct error_list *errors)
{
	struct state_cpu cpu = { 0 };
	const struct record r = { state_cpu_fields, sizeof(struct bp_field), &cpu, object->name };
	const struct bus_ram *ram;
	const char *region;
	unsigned n = 0;
	m->cpu->get(object, &cpu);
	while (cpu.watch_ram && (ram = ram_at(m, n, &region)) && ram != cpu.watch_ram)
		n++;
	put_number(o, n, 4);
	return put_fields(o, &r, errors);
}

static int put_object(struct out *o, const struct state_machine *m, const struct object *object,
	struct error_list *errors)
{
	const struct type *t = object->type;
	const struct record r = { t->object->state, t->field_size, object->instance, object->name };
	if (has_unnamed_timer(object))
		return error_list_add(errors, o->path,
			"%s: a timer runs that its state does not name, and would be lost (a "
			"plugin's fault)",
			object->name);
	section_begin(o, SECTION_OBJECT);
	put_text(o, object->name);
	put_text(o, t->id);
	put_number(o, t->object->state_version, 4);
	if (put_fields(o, &r, errors) != 0)
		return -1;
	put_lines(o, object);
	if (t->kind == BP_KIND_CPU && m->cpu && put_cpu(o, m, object, errors) != 0)
		return -1;
	section_end(o);
	return 0;
}

/* Of an object that took some. */
static int put_random(struct out *o, const struct object *object, struct error_list *errors)
{
	struct object copy = *object;
	const struct record r = { sched_random_fields, sizeof(struct bp_field), &copy,
		object->name };
	if (!object->random)
		return 0;
	section_begin(o, SECTION_RANDOM);
	put_text(o, object->name);
	if (put_fields(o, &r, errors) != 0)
		return -1;
	section_end(o);
	return 0;
}

static int put_all(struct out *o, const struct state_machine *m, struct error_list *errors)
{
	struct progress p = { .what = "saving" };
	const char *region;
	struct bus_ram *ram;
	put_machine(o, m);
	if (put_time(o, errors) != 0)
		return -1;
	for (unsigned i = 0; i < m->count; i++)
		if (is_saved(m->objects[i]) &&
			(put_object(o, m, m->objects[i], errors) != 0 ||
				put_random(o, m->objects[i], errors) != 0))
			return -1;
	for (unsigned n = 0; (ram = ram_at(m, n, &region)); n++)
		p.total += ram->mapped;
	for (unsigned n = 0; (ram = ram_at(m, n, &region)); n++)
		put_ram(o, ram, region, &p);
	return 0;
}

enum state_result state_save(
	const struct state_machine *m, const char *path, struct error_list *errors)
{
	struct out o;
	if (out_begin(&o, path, errors) != 0)
		return STATE_BAD;
	bool good = put_all(&o, m, errors) == 0;
	return out_end(&o, good, errors) == 0 ? STATE_GOOD : STATE_BAD;
}
