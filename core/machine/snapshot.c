/* SPDX-License-Identifier: MIT */
/* Saving and restoring the whole machine: what the state room needs to know of it. */
#include "internal.h"
#include "state/state.h"
#include <backplane/cpu.h>

static void cpu_get(const struct object *o, struct state_cpu *out)
{
	const struct bp_cpu_head *head = o->instance;
	struct vcpu_rest rest;
	vcpu_rest_get(o, &rest);
	*out = (struct state_cpu){ .pc = head->pc,
		.key = head->key,
		.icount = head->icount,
		.halted = rest.halted,
		.watching = rest.watch_ram != NULL,
		.watch_size = rest.watch_size,
		.watch_offset = rest.watch_offset,
		.watch_value = { rest.watch_value[0], rest.watch_value[1] },
		.watch_ram = rest.watch_ram };
}

static void cpu_set(struct object *o, const struct state_cpu *in)
{
	struct bp_cpu_head *head = o->instance;
	const struct vcpu_rest rest = { .halted = in->halted,
		.watch_ram = in->watch_ram,
		.watch_offset = in->watch_offset,
		.watch_value = { in->watch_value[0], in->watch_value[1] },
		.watch_size = in->watch_size };
	vcpu_reset(o);
	vcpu_rest_set(o, &rest);
	head->pc = in->pc;
	head->key = in->key;
	head->icount = in->icount;
}

static const struct state_cpu_ops cpu_ops = { cpu_get, cpu_set };

/* Free .objects and .description. */
static struct state_machine describe(struct machine *m)
{
	struct object **objects = g_new0(struct object *, m->order->len + 1);
	struct toml_value *desc = toml_copy(m->desc);
	for (unsigned i = 0; i < m->order->len; i++)
		objects[i] = ((struct instance *)g_ptr_array_index(m->order, i))->object;
	option_forget(desc);
	char *text = toml_write(desc);
	toml_destroy(desc);
	return (struct state_machine){ objects, m->order->len, text, &cpu_ops };
}

static void forget(struct state_machine *s)
{
	g_free((void *)(uintptr_t)s->objects);
	g_free((char *)(uintptr_t)s->description);
}

int machine_save(struct machine *m, const char *path, struct error_list *errors)
{
	struct state_machine s = describe(m);
	enum state_result result = state_save(&s, path, errors);
	forget(&s);
	return result == STATE_GOOD ? 0 : -1;
}

int machine_restore(struct machine *m, const char *path, struct error_list *errors)
{
	struct state_machine s = describe(m);
	const char *what;
	host_loading_begin();
	enum state_result result = state_load(&s, path, errors);
	if (host_loading_end(&what) && result == STATE_GOOD) {
		error_list_add(errors, path,
			"while states were loaded an object %s; a plugin's fault", what);
		result = STATE_OTHER;
	}
	forget(&s);
	return (int)result;
}

/* ---- asked for while the machine runs ---- */

void machine_save_to(struct machine *m, const char *path)
{
	g_free(m->save_to);
	m->save_to = g_strdup(path);
}

void machine_save_soon(struct machine *m, const char *path)
{
	g_free(m->save_next);
	m->save_next = g_strdup(path);
	sched_request(NULL, BP_REQ_SAVE, 0);
}

void save_requested(void *machine)
{
	struct machine *m = machine;
	struct error_list errors = { 0 };
	const char *path = m->save_next ? m->save_next : m->save_to;
	if (!path)
		g_printerr("backplane: no file is given to save to; --save-to FILE names one\n");
	else if (machine_save(m, path, &errors) == 0)
		g_printerr("backplane: saved to %s\n", path);
	error_list_print(&errors, stderr);
	error_list_finish(&errors);
	g_free(m->save_next);
	m->save_next = NULL;
}
