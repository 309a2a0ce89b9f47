/* SPDX-License-Identifier: MIT */
/* Saving and restoring the whole machine: what the state room needs to know of it. */
#include "host/work.h"
#include "internal.h"
#include "state/state.h"
#include <backplane/cpu.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>

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
	work_drain(NULL);
	drives_drain();
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

static void save_now(struct machine *m, const char *path)
{
	struct error_list errors = { 0 };
	if (!path)
		g_printerr("backplane: no file is given to save to; --save-to FILE names one\n");
	else if (machine_save(m, path, &errors) == 0)
		g_printerr("backplane: saved to %s\n", path);
	error_list_print(&errors, stderr);
	error_list_finish(&errors);
}

/* ---- at counts of instructions ---- */

static uint64_t next_count(const struct machine *m)
{
	return m->save_at && m->save_at->len ? g_array_index(m->save_at, uint64_t, 0) : UINT64_MAX;
}

/* Whether the machine stands where it was to be saved: it is then, to a file named after the count. */
static bool save_counted(struct machine *m)
{
	uint64_t count = next_count(m);
	if (count > sched_executed() || !sched_is_deterministic())
		return false;
	char *path = g_strdup_printf("%s.%" PRIu64, m->save_to, count);
	save_now(m, path);
	g_free(path);
	g_array_remove_index(m->save_at, 0);
	sched_save_at(next_count(m));
	return true;
}

void save_requested(void *machine)
{
	struct machine *m = machine;
	/* Both can be asked for at once. */
	if (save_counted(m) && !m->save_next)
		return;
	save_now(m, m->save_next ? m->save_next : m->save_to);
	g_free(m->save_next);
	m->save_next = NULL;
}

static int compare_counts(const void *a, const void *b)
{
	uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
	return (x > y) - (x < y);
}

/* What a restored machine did before is past; what is there twice is once too many. */
static int check_counts(struct machine *m, struct error_list *errors)
{
	uint64_t past = 0;
	for (unsigned i = 0; i < m->order->len; i++) {
		const struct instance *in = g_ptr_array_index(m->order, i);
		if (in->object->type->kind == BP_KIND_CPU)
			past += ((const struct bp_cpu_head *)in->object->instance)->icount;
	}
	for (unsigned i = 0; i < m->save_at->len; i++) {
		uint64_t count = g_array_index(m->save_at, uint64_t, i);
		if (count < past)
			return error_list_add(errors, NULL,
				"--save-at %" PRIu64
				": the machine begins behind that, with %" PRIu64
				" instructions executed",
				count, past);
		if (i && count == g_array_index(m->save_at, uint64_t, i - 1))
			return error_list_add(errors, NULL,
				"--save-at %" PRIu64 ": this count is there twice", count);
	}
	return 0;
}

int machine_save_at(struct machine *m, const char *counts, struct error_list *errors)
{
	if (!m->deterministic)
		return error_list_add(errors, NULL,
			"--save-at needs --deterministic: only then is a count of instructions the "
			"same moment every time");
	if (!m->save_to)
		return error_list_add(
			errors, NULL, "--save-at needs --save-to FILE; it saves to FILE.COUNT");
	char **word = g_strsplit(counts, ",", -1);
	int result = 0;
	m->save_at = g_array_new(FALSE, FALSE, sizeof(uint64_t));
	for (unsigned i = 0; (i == 0 || word[i]) && result == 0; i++) {
		guint64 count;
		if (!word[i] ||
			!g_ascii_string_to_unsigned(
				word[i], 10, 0, (guint64)INT64_MAX, &count, NULL))
			result = error_list_add(errors, NULL,
				"--save-at %s: numbers of instructions are expected, with commas "
				"between them; \"%s\" is none",
				counts, word[i] ? word[i] : "");
		else
			g_array_append_val(m->save_at, count);
	}
	g_strfreev(word);
	g_array_sort(m->save_at, compare_counts);
	result = result ? result : check_counts(m, errors);
	sched_save_at(next_count(m));
	return result;
}

void tell_unsaved(const struct machine *m)
{
	for (unsigned i = 0; m->save_at && i < m->save_at->len; i++)
		g_printerr("backplane: the run ended after %" PRIu64
			   " instructions, so it was not saved at %" PRIu64 "\n",
			sched_executed(), g_array_index(m->save_at, uint64_t, i));
}
