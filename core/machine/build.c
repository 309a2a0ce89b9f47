/* SPDX-License-Identifier: MIT */
/* The life of a machine: create, realise, reset, run, destroy. */
#include "host/work.h"
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
	in->object->created = true; /* destroy also follows a failed create */
	g_ptr_array_add(m->order, in);
	if (t->object->create && t->object->create(in->object->instance, &host_table, &err) != 0) {
		if (errors->total == before)
			object_fail(&err, "it could not be created and does not say why");
		return -1;
	}
	return t->kind == BP_KIND_CPU ? vcpu_create(in->object, &in->cpu, &err) : 0;
}

/* What an object uses is created before it (around a circle of links: in the order of the file). What
 * uses something that failed is not tried, as it may call it. */
static void create_with_uses(struct machine *m, struct instance *in, struct error_list *errors)
{
	bool usable = true;
	if (in->visited)
		return;
	in->visited = true;
	for (unsigned i = 0; i < in->uses->len; i++) {
		struct instance *other = g_ptr_array_index(in->uses, i);
		create_with_uses(m, other, errors);
		usable = usable && !other->failed;
	}
	in->failed = !usable || create_one(m, in, errors) != 0;
}

static void attach_one(struct instance *in, struct error_list *errors)
{
	bp_error err = { errors, in->object };
	unsigned before = errors->total;
	if (!in->controller)
		return;
	const struct bp_bus *bus = object_interface(in->controller->object, "bp.bus/1");
	if (bus->attach(in->controller->object->instance, in->card, in->slot, &err) != 0 &&
		errors->total == before)
		object_fail(&err, "%s does not take it and does not say why", in->controller->name);
}

static void realise_one(struct instance *in, struct error_list *errors)
{
	const struct bp_object *t = in->object->type->object;
	bp_error err = { errors, in->object };
	unsigned before = errors->total;
	if (t->realise && t->realise(in->object->instance, &err) != 0 && errors->total == before)
		object_fail(&err, "its last checks failed and it does not say why");
}

/* ---- windows that overlap ---- */

struct overlap {
	struct machine *m;
	struct error_list *errors;
};

/* Where the file says so: the key `at`, or the object. */
static char *place_of_window(struct machine *m, const struct object *o)
{
	const struct toml_entry *e = at(m, o->index)->entry;
	const struct toml_value *v = toml_get(e->value, "at");
	return toml_place(v ? v->pos : e->key_pos);
}

static void report_overlap(void *arg, const struct bus_place *a, const struct bus_place *b)
{
	struct overlap *x = arg;
	if (!a->object || !b->object)
		return;
	char *here = place_of_window(x->m, a->object), *there = place_of_window(x->m, b->object);
	error_list_add(x->errors, here,
		"%s: at: %s at 0x%" PRIx64 "..0x%" PRIx64 " overlaps %s of %s at 0x%" PRIx64
		"..0x%" PRIx64 " (%s); move one of them or give them different priorities",
		a->object->name, a->name, a->base, a->last, b->name, b->object->name, b->base,
		b->last, there);
	g_free(here);
	g_free(there);
}

int machine_check(struct machine *m, struct error_list *errors)
{
	struct overlap x = { m, errors };
	unsigned before = errors->total;
	for (unsigned i = 0; i < m->instances->len; i++) {
		struct bus_space *s = at(m, i)->has_windows ? space_of(at(m, i)->object) : NULL;
		if (s)
			bus_overlaps(s, report_overlap, &x);
	}
	return errors->total == before ? 0 : -1;
}

static void start_tracers(struct machine *m, struct error_list *errors)
{
	for (unsigned i = 0; i < m->instances->len; i++) {
		const struct object *o = at(m, i)->object;
		const struct bp_tracer *t = o->type->ext;
		if (o->type->kind != BP_KIND_TOOL || !t)
			continue;
		uint32_t wanted = BP_HAS(t, wanted) ? t->wanted(o->instance) : t->events;
		bp_error err = { errors, at(m, i)->object };
		if (hub_add(t, o->instance, wanted & t->events) != 0)
			object_fail(&err, "too many tracers at once; leave some out");
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

int machine_build(struct machine *m, struct error_list *errors)
{
	unsigned before = errors->total;
	host_set_machine(m);
	if (m->deterministic)
		sched_deterministic(&m->turns);
	bus_set_code_hook(code_overwritten);
	for (unsigned i = 0; i < m->instances->len; i++)
		create_with_uses(m, at(m, i), errors);
	for (unsigned i = 0; i < m->instances->len && errors->total == before; i++)
		attach_one(at(m, i), errors);
	bool attached = errors->total == before;
	for (unsigned i = 0; i < m->instances->len && attached; i++)
		realise_one(at(m, i), errors);
	if (errors->total != before)
		return -1;
	machine_leave_out(m, errors);
	types_seal();
	sched_set_machine(&(struct sched_machine_ops){ reset_all, save_requested, m });
	start_tracers(m, errors);
	if (errors->total != before)
		return -1;
	reset_all(m);
	return 0;
}

enum { EXIT_NO_REPORT = 2 }; /* something outside failed */

int machine_run(struct machine *m)
{
	m->running = true;
	int code = sched_run();
	m->running = false;
	tell_unsaved(m);
	struct error_list errors = { 0 };
	if (m->report && machine_report(m, m->report, &errors) != 0) {
		error_list_print(&errors, stderr);
		code = code ? code : EXIT_NO_REPORT;
	}
	error_list_finish(&errors);
	return code;
}

static void forget_instance(struct instance *in)
{
	const struct type *t = in->object->type;
	work_forget(in->object);
	if (in->object->created && t->object->destroy)
		t->object->destroy(in->object->instance);
	hub_remove(in->object->instance);
	sched_forget(in->object);
}

void machine_reset(struct machine *m)
{
	reset_all(m);
}

void machine_destroy(struct machine *m)
{
	if (!m)
		return;
	sched_stop();
	for (unsigned i = m->instances->len; i-- > 0;)
		vcpu_destroy(at(m, i)->object);
	for (unsigned i = m->order->len; i-- > 0;)
		forget_instance(g_ptr_array_index(m->order, i));
	for (unsigned i = m->instances->len; i-- > 0;) {
		struct instance *in = at(m, i);
		chr_forget(in->object);
		line_object_finish(in->object);
		bus_object_finish(in->object);
	}
	for (unsigned i = m->instances->len; i-- > 0;)
		instance_free(at(m, i));
	sched_finish();
	for (unsigned i = 0; i < m->domains->len; i++)
		domain_free(g_ptr_array_index(m->domains, i));
	domain_free(m->lock);
	g_ptr_array_free(m->domains, TRUE);
	g_ptr_array_free(m->order, TRUE);
	g_hash_table_destroy(m->broken);
	g_ptr_array_free(m->instances, TRUE);
	g_free(m->answer);
	if (m->save_at)
		g_array_free(m->save_at, TRUE);
	g_free(m->save_to);
	g_free(m->save_next);
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

static void save(struct machine *m, const char *file, GString *out)
{
	if (!*file && !m->save_to) {
		g_string_append(out, "error: save FILE: it needs the name of a file");
		return;
	}
	machine_save_soon(m, *file ? file : NULL);
	g_string_append_printf(out, "saving to %s", *file ? file : m->save_to);
}

static void plug_in(struct machine *m, const char *name, GString *out)
{
	machine_plug(m, name, BP_PLUG_IN, out);
}

static void plug_ask(struct machine *m, const char *name, GString *out)
{
	machine_plug(m, name, BP_PLUG_ASK, out);
}

static void plug_out(struct machine *m, const char *name, GString *out)
{
	machine_plug(m, name, BP_PLUG_OUT, out);
}

static void list(struct machine *m, const char *rest, GString *out)
{
	if (*rest)
		g_string_append_printf(
			out, "error: list takes nothing more; \"%s\" is too much", rest);
	else
		machine_cards(m, out);
}

/* Inside the object's domain. */
static void change(void *object, uint32_t row, uint64_t value)
{
	struct object *o = object;
	const struct type *t = o->type;
	const struct bp_field *f = field_at(t->object->props, t->field_size, row);
	if (field_set_number(f, o->instance, value, false) == 0)
		t->object->changed(o->instance, f->name);
}

/* OBJECT.PROPERTY VALUE: numbers alone, which a device looks at when it is told. */
static void set(struct machine *m, const char *argument, GString *out)
{
	char **words = g_strsplit_set(argument, ". \t=", 3);
	struct instance *in = g_strv_length(words) == 3 ? instance_find(m, words[0]) : NULL;
	const struct type *t = in ? in->object->type : NULL;
	const struct bp_field *f = t ? field_find(t->object->props, t->field_size, words[1]) : NULL;
	uint64_t value = 0;
	uint32_t row = 0;
	while (f && field_at(t->object->props, t->field_size, row) != f)
		row++;
	if (!f)
		g_string_append(out, "error: set OBJECT.PROPERTY VALUE: there is no such property");
	else if (!(f->flags & BP_F_RUNTIME) || !t->object->changed || f->type == BP_STR)
		g_string_append_printf(
			out, "error: %s.%s does not change while it runs", words[0], words[1]);
	else if (!size_parse(g_strchug(words[2]), &value) ||
		(f->flags & BP_F_RANGE && (value < f->min || value > f->max)))
		g_string_append_printf(
			out, "error: %s: a number is expected, or a size such as 128M", words[2]);
	else
		domain_run(in->object->domain, change, in->object, row, value);
	g_strfreev(words);
}

static const struct {
	const char *name, *help;
	int request;
	void (*answer)(GString *out);
	void (*run)(struct machine *m, const char *argument, GString *out);
} commands[] = {
	{ "help", "this list", 0, help, NULL },
	{ "info", "what runs", 0, info, NULL },
	{ "reset", "reset the machine", BP_REQ_RESET, NULL, NULL },
	{ "pause", "stop the CPUs and guest time", BP_REQ_PAUSE, NULL, NULL },
	{ "resume", "go on after pause", BP_REQ_RESUME, NULL, NULL },
	{ "set", "OBJECT.PROPERTY VALUE: change what may change at run time", 0, NULL, set },
	{ "save", "save the machine to the file that follows", 0, NULL, save },
	{ "list", "cards, and which of them are in their slots", 0, NULL, list },
	{ "plug", "put the card that follows into its slot", 0, NULL, plug_in },
	{ "unplug", "ask the guest for the card that follows; without asking where it has no way",
		0, NULL, plug_ask },
	{ "unplug!", "pull it out of its slot at once", 0, NULL, plug_out },
	{ "quit", "end this program; the guest is not asked", BP_REQ_QUIT, NULL, NULL },
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
	char *word = g_strstrip(g_strdup(line)), *rest = word + strcspn(word, " \t");
	if (*rest)
		*rest++ = 0;
	rest = g_strchug(rest);
	unsigned i = 0;
	while (i < G_N_ELEMENTS(commands) && strcmp(commands[i].name, word))
		i++;
	if (i == G_N_ELEMENTS(commands) && *word)
		g_string_printf(out, "error: there is no command \"%s\"; help lists them", word);
	else if (*word && commands[i].run)
		commands[i].run(m, rest, out);
	else if (*word && *rest)
		g_string_printf(
			out, "error: %s takes nothing more; \"%s\" is too much", word, rest);
	else if (*word && commands[i].answer)
		commands[i].answer(out);
	else if (*word)
		sched_request(NULL, commands[i].request, 0);
	g_free(word);
	g_free(m->answer);
	m->answer = g_string_free(out, FALSE);
	return m->answer;
}
