/* SPDX-License-Identifier: MIT */
/* The life of a machine: create, realise, reset, run, destroy. */
#include "internal.h"
#include "jit/cache.h"
#include "trace/hub.h"
#include <inttypes.h>

static struct instance *at(const struct machine *m, unsigned i)
{
	return g_ptr_array_index(m->instances, i);
}

/* ---- creating ---- */

static int create_one(struct machine *m, struct instance *in, struct error_list *errors)
{
	const struct type *t = in->object->type;
	bp_error err = { errors, in->object };
	unsigned before = errors->total;
	(void)m;
	in->object->created = true; /* destroy also follows a failed create */
	if (t->object->create && t->object->create(in->object->instance, &host_table, &err) != 0) {
		if (errors->total == before)
			object_fail(&err, "it could not be created and does not say why");
		return -1;
	}
	return t->kind == BP_KIND_CPU ? vcpu_create(in->object, &in->cpu, &err) : 0;
}

static void report_overlap(void *arg, const struct bus_place *a, const struct bus_place *b)
{
	struct error_list *errors = arg;
	const struct object *x = a->object, *y = b->object;
	error_list_add(errors, x ? x->place : NULL,
		"%s: %s at 0x%" PRIx64 "..0x%" PRIx64 " overlaps %s of %s at 0x%" PRIx64
		"..0x%" PRIx64 "%s%s%s; move one of them or give them different priorities",
		x ? x->name : "?", a->name, a->base, a->last, b->name, y ? y->name : "?", b->base,
		b->last, y ? " (" : "", y ? y->place : "", y ? ")" : "");
}

/* The first controller named by `bus` that still has room takes the child. */
static int attach_one(struct machine *m, struct instance *in, struct error_list *errors)
{
	const struct toml_value *v = toml_get(in->entry->value, "bus");
	const struct toml_value *slot = toml_get(in->entry->value, "slot");
	bp_error err = { errors, in->object };
	if (!v)
		return 0;
	if (v->type != TOML_STRING)
		return instance_error(
			errors, v->pos, in, "bus", "the name of an object is expected");
	GArray *targets = targets_expand(m, in, "bus", v->string.bytes, v->pos, errors);
	for (unsigned i = 0; targets && i < targets->len; i++) {
		struct object *o = g_array_index(targets, struct target, i).instance->object;
		const struct bp_bus *bus = object_interface(o, "bp.bus/1");
		const void *ops = bus ? object_interface(in->object, bus->child_interface) : NULL;
		if (!bus || !ops) {
			instance_error(errors, v->pos, in, "bus", "%s (%s) has no slot for a %s",
				o->name, o->type->id, in->object->type->id);
			break;
		}
		unsigned used = 0;
		for (unsigned k = 0; k < m->instances->len; k++)
			used += at(m, k)->object->bus == o;
		if (used >= bus->slots)
			continue;
		struct bp_link *link = g_new0(struct bp_link, 1);
		*link = (struct bp_link){ sizeof(*link), 0, in->object->instance, ops,
			in->object->name };
		g_ptr_array_add(in->pointers, link);
		in->object->bus = o;
		targets_free(targets);
		return bus->attach(o->instance, link,
			slot && slot->type == TOML_STRING ? slot->string.bytes : NULL, &err);
	}
	if (targets && errors->total == 0)
		instance_error(
			errors, v->pos, in, "bus", "\"%s\": every slot is taken", v->string.bytes);
	targets_free(targets);
	return -1;
}

static void start_tracers(struct machine *m)
{
	for (unsigned i = 0; i < m->instances->len; i++) {
		const struct object *o = at(m, i)->object;
		const struct bp_tracer *t = o->type->ext;
		if (o->type->kind != BP_KIND_TOOL || !t)
			continue;
		uint32_t wanted = BP_HAS(t, wanted) ? t->wanted(o->instance) : t->events;
		hub_add(t, o->instance, wanted & t->events);
	}
}

/* ---- reset ---- */

static void reset_all(void *machine)
{
	struct machine *m = machine;
	for (int step = BP_RESET_ENTER; step <= BP_RESET_LEAVE; step++) {
		for (unsigned i = 0; i < m->instances->len; i++) {
			struct object *o = at(m, i)->object;
			if (step == BP_RESET_ENTER) {
				bus_object_reset(o);
				vcpu_reset(o);
			}
			if (!o->type->object->reset || !domain_enter(o->domain))
				continue;
			o->type->object->reset(o->instance, step);
			domain_leave(o->domain);
		}
	}
}

static void code_overwritten(struct bus_ram *ram, uint64_t offset, uint64_t len)
{
	code_cache_invalidate(ram, offset, len);
}

int machine_check(struct machine *m, struct error_list *errors)
{
	unsigned before = errors->total;
	for (unsigned i = 0; i < m->instances->len; i++) {
		const struct bus_space *s = object_interface(at(m, i)->object, "bp.space/1");
		if (s)
			bus_overlaps((struct bus_space *)(uintptr_t)s, report_overlap, errors);
	}
	return errors->total == before ? 0 : -1;
}

int machine_build(struct machine *m, struct error_list *errors)
{
	unsigned before = errors->total;
	host_set_machine(m);
	bus_set_code_hook(code_overwritten);
	machine_check(m, errors);
	for (unsigned i = 0; i < m->instances->len; i++)
		create_one(m, at(m, i), errors);
	for (unsigned i = 0; i < m->instances->len && errors->total == before; i++)
		attach_one(m, at(m, i), errors);
	for (unsigned i = 0; i < m->instances->len && errors->total == before; i++) {
		struct object *o = at(m, i)->object;
		bp_error err = { errors, o };
		if (o->type->object->realise)
			o->type->object->realise(o->instance, &err);
	}
	if (errors->total != before)
		return -1;
	types_seal();
	sched_set_machine(&(struct sched_machine_ops){ reset_all, m });
	start_tracers(m);
	reset_all(m);
	return 0;
}

int machine_run(struct machine *m)
{
	m->running = true;
	int code = sched_run();
	m->running = false;
	return code;
}

static void free_instance(struct instance *in)
{
	const struct type *t = in->object->type;
	if (in->object->created && t->object->destroy)
		t->object->destroy(in->object->instance);
	hub_remove(in->object->instance);
	sched_forget(in->object);
}

void machine_destroy(struct machine *m)
{
	if (!m)
		return;
	sched_stop();
	for (unsigned i = m->instances->len; i-- > 0;)
		vcpu_destroy(at(m, i)->object);
	for (unsigned i = m->instances->len; i-- > 0;)
		free_instance(at(m, i));
	for (unsigned i = m->instances->len; i-- > 0;) {
		struct instance *in = at(m, i);
		chr_forget(in->object);
		line_object_finish(in->object);
		bus_object_finish(in->object);
	}
	for (unsigned i = m->instances->len; i-- > 0;) {
		struct instance *in = at(m, i);
		object_free(in->object);
		g_ptr_array_free(in->pointers, TRUE);
		g_free(in->name);
		g_free(in);
	}
	sched_finish();
	for (unsigned i = 0; i < m->domains->len; i++)
		domain_free(g_ptr_array_index(m->domains, i));
	domain_free(m->lock);
	g_ptr_array_free(m->domains, TRUE);
	g_ptr_array_free(m->instances, TRUE);
	g_free(m->answer);
	host_set_machine(NULL);
	g_free(m);
}

/* ---- the monitor's one line ---- */

static void help(GString *out);

static void info(GString *out)
{
	g_string_append_printf(
		out, "backplane %s, %s", host_table.version, sched_paused() ? "paused" : "running");
}

static const struct {
	const char *name, *help;
	int request;
	void (*answer)(GString *out);
} commands[] = {
	{ "help", "this list", 0, help },
	{ "info", "what runs", 0, info },
	{ "reset", "reset the machine", BP_REQ_RESET, NULL },
	{ "pause", "stop the CPUs and guest time", BP_REQ_PAUSE, NULL },
	{ "resume", "go on after pause", BP_REQ_RESUME, NULL },
	{ "quit", "end this program; the guest is not asked", BP_REQ_QUIT, NULL },
};

static void help(GString *out)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++)
		g_string_append_printf(
			out, "%s%-8s %s", i ? "\n" : "", commands[i].name, commands[i].help);
}

const char *machine_command(struct machine *m, const char *line)
{
	GString *out = g_string_new(NULL);
	char *word = g_strstrip(g_strdup(line));
	unsigned i = 0;
	while (i < G_N_ELEMENTS(commands) && strcmp(commands[i].name, word))
		i++;
	if (i == G_N_ELEMENTS(commands) && *word)
		g_string_printf(out, "there is no command \"%s\"; help lists them", word);
	else if (*word && commands[i].answer)
		commands[i].answer(out);
	else if (*word)
		sched_request(NULL, commands[i].request, 0);
	g_free(word);
	g_free(m->answer);
	m->answer = g_string_free(out, FALSE);
	return m->answer;
}
