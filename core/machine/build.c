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
