/* SPDX-License-Identifier: MIT */
/* Programs in place of machines: what an os plugin is given, and starting it. */
#include "cpu/user.h"
#include "internal.h"

static struct domain *parallel(void)
{
	static struct domain *domain;
	if (!domain)
		domain = domain_new("program", true);
	return domain;
}

static const char *cpu_type(const char *program)
{
	const struct type_entry *e = type_for_program(program);
	return e ? e->id : NULL;
}

static void free_cpu(void *cpu)
{
	struct object *o = object_of(cpu);
	vcpu_destroy(o);
	if (o->type->object->destroy)
		o->type->object->destroy(cpu);
	sched_forget(o);
	object_free(o);
}

static void cpu_free(void *cpu)
{
	user_making(true);
	free_cpu(cpu);
	user_making(false);
}

static void *new_cpu(const char *id, bp_error *err)
{
	struct type_entry *e = type_find(id);
	if (!e || e->kind != BP_KIND_CPU) {
		object_fail(err,
			"%s is no type of a CPU; `backplane list cpus` names those there are", id);
		return NULL;
	}
	struct error_list ignored = { 0 };
	const struct type *t = type_load(e, NULL, err ? err->errors : &ignored);
	error_list_finish(&ignored);
	if (!t)
		return NULL;
	struct object *o = object_new(t, "cpu", "the program", parallel());
	struct vcpu_options options = { .user = true };
	if (!o) {
		object_fail(err, "the host has no memory for another CPU");
		return NULL;
	}
	if ((t->object->create && t->object->create(o->instance, &host_table, err) != 0) ||
		vcpu_create(o, &options, err) != 0) {
		free_cpu(o->instance);
		return NULL;
	}
	for (int step = BP_RESET_ENTER; t->object->reset && step <= BP_RESET_LEAVE; step++)
		t->object->reset(o->instance, step);
	return o->instance;
}

static void *cpu_new(const char *id, bp_error *err)
{
	user_making(true);
	void *cpu = new_cpu(id, err);
	user_making(false);
	return cpu;
}

static const void *cpu_interface(void *cpu, const char *id)
{
	return object_interface(object_of(cpu), id);
}

const struct bp_user user_services = {
	.size = sizeof(user_services),
	.cpu_type = cpu_type,
	.space = user_space,
	.pages = user_pages,
	.page = user_page,
	.find_free = user_find_free,
	.cpu_new = cpu_new,
	.cpu_free = cpu_free,
	.cpu_interface = cpu_interface,
	.enter = user_enter,
	.run = user_run,
	.kick = user_kick,
	.code_changed = user_code_changed,
	.copy_in = user_copy_in,
	.copy_out = user_copy_out,
	.cas32 = user_cas32,
	.host_fault = user_host_fault,
	.fork = user_fork,
};

static struct type_entry *os_entry(void)
{
	struct type_entry *e;
	for (unsigned n = 0; (e = type_at(n)); n++)
		if (e->kind == BP_KIND_OS)
			return e;
	return NULL;
}

int machine_program(const struct bp_os_start *how, struct error_list *errors)
{
	struct type_entry *e = os_entry();
	if (!e)
		return error_list_add(errors, NULL,
			"no plugin of kind os is installed, and only such a one runs programs");
	const struct type *t = type_load(e, NULL, errors);
	struct object *o = t ? object_new(t, e->id, "the command line", parallel()) : NULL;
	const struct bp_os *os = t ? t->ext : NULL;
	if (!o || !os)
		return -1;
	bp_error err = { errors, NULL };
	if (t->object->create && t->object->create(o->instance, &host_table, &err) != 0)
		return -1;
	int code = os->start(o->instance, how, &err);
	if (t->object->destroy)
		t->object->destroy(o->instance);
	object_free(o);
	return code;
}
