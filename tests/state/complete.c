/* SPDX-License-Identifier: MIT */
/* complete MACHINE PLUGINS FOLDER MOMENTS [NAME=VALUE...]: is everything in the state tables?
 *
 * Runs the machine and stops it MOMENTS times. Each time all instances are copied, the machine is saved,
 * reset and restored; then every byte of every instance must be as it was, and a second save must be
 * the first one, byte for byte. What a table lacks has its value of the reset and shows. In the end the
 * machine goes on and must power itself off; the last snapshot stays in FOLDER as `last`. With 0 MOMENTS
 * that one is restored in this process, and compared in the same way, before it goes on. */
#include "core/bus/bus.h"
#include "core/machine/internal.h"
#include "core/machine/machine.h"
#include <backplane/cpu.h>
#include <signal.h>
#include <stdlib.h>
#include <sys/time.h>

enum { MOMENT_US = 350000 };

static struct machine *machine;
static char *first, *second, *copy;
static unsigned moments, faults;

static struct object *object_at(unsigned n)
{
	return ((struct instance *)g_ptr_array_index(machine->instances, n))->object;
}

/* "Look around": once too often does no harm. */
static bool may_differ(const struct object *o, uint32_t at)
{
	return o->type->kind == BP_KIND_CPU && at >= offsetof(struct bp_cpu_head, pending) &&
		at < offsetof(struct bp_cpu_head, index);
}

/* In another process pointers are others: words that can only be some are passed over. */
static bool is_pointer(const uint8_t *instance, uint32_t at)
{
	uint64_t word;
	memcpy(&word, instance + (at & ~7u), sizeof(word));
	return word >= UINT64_C(0x500000000000) && word < UINT64_C(0x800000000000);
}

static void compare(const struct object *o, const uint8_t *was, bool same_process)
{
	const uint8_t *now = o->instance;
	unsigned different = 0;
	for (uint32_t at = 0; at < o->type->object->instance_size; at++) {
		if (was[at] == now[at] || may_differ(o, at) ||
			(!same_process && is_pointer(was, at) && is_pointer(now, at)))
			continue;
		if (!different++)
			fprintf(stderr,
				"%s (%s): byte %u of the instance was 0x%02x and is 0x%02x after "
				"save and restore; is a field missing from its state?\n",
				o->name, o->type->id, at, was[at], now[at]);
	}
	faults += different != 0;
}

static bool is_host_side(const struct object *o)
{
	return o->type->kind == BP_KIND_CHR || o->type->kind == BP_KIND_TOOL ||
		o->type->kind == BP_KIND_SERVICE;
}

static bool same_files(void)
{
	char *a = NULL, *b = NULL;
	gsize x = 0, y = 0;
	bool same = g_file_get_contents(first, &a, &x, NULL) &&
		g_file_get_contents(second, &b, &y, NULL) && x == y && !memcmp(a, b, x);
	g_free(a);
	g_free(b);
	return same;
}

static void there_and_back(void *arg)
{
	struct error_list errors = { 0 };
	unsigned count = machine->instances->len;
	uint8_t **was = g_new0(uint8_t *, count);
	GByteArray *instances = g_byte_array_new();
	(void)arg;
	for (unsigned i = 0; i < count; i++)
		was[i] = g_memdup2(
			object_at(i)->instance, object_at(i)->type->object->instance_size);
	if (machine_save(machine, first, &errors) != 0)
		faults++;
	machine_reset(machine);
	if (machine_restore(machine, first, &errors) != 0 ||
		machine_save(machine, second, &errors) != 0)
		faults++;
	for (unsigned i = 0; i < count; i++) {
		if (!is_host_side(object_at(i)))
			compare(object_at(i), was[i], true);
		g_byte_array_append(instances, was[i], object_at(i)->type->object->instance_size);
		g_free(was[i]);
	}
	if (!g_file_set_contents(copy, (const char *)instances->data, instances->len, NULL))
		faults++;
	g_byte_array_free(instances, TRUE);
	g_free(was);
	if (!same_files()) {
		fprintf(stderr, "%s and %s differ\n", first, second);
		faults++;
	}
	error_list_print(&errors, stderr);
	error_list_finish(&errors);
}

static void at_moment(void *arg)
{
	if (moments) {
		moments--;
		there_and_back(arg);
	}
}

/* What an earlier process left in FOLDER. */
static void in_new_process(struct error_list *errors)
{
	char *was = NULL;
	gsize size = 0, at = 0;
	if (machine_restore(machine, first, errors) != 0 ||
		machine_save(machine, second, errors) != 0 || !same_files() ||
		!g_file_get_contents(copy, &was, &size, NULL)) {
		fprintf(stderr, "what was restored is not what was saved\n");
		faults++;
		return;
	}
	for (unsigned i = 0; i < machine->instances->len; i++) {
		uint32_t bytes = object_at(i)->type->object->instance_size;
		if (at + bytes <= size && !is_host_side(object_at(i)))
			compare(object_at(i), (const uint8_t *)was + at, false);
		at += bytes;
	}
	faults += at != size;
	g_free(was);
}

static void moment(int number)
{
	(void)number;
	sched_request_signal(BP_REQ_SAVE);
}

static struct toml_value *describe(char **argv, struct error_list *errors)
{
	struct toml_value *desc = desc_load(argv[1], errors);
	for (unsigned i = 5; desc && argv[i]; i++) {
		char **pair = g_strsplit(argv[i], "=", 2);
		if (strchr(pair[0], '.'))
			desc_set(desc, argv[i], i, errors);
		else
			option_apply(desc, pair[0], pair[1] ? pair[1] : "", i, errors);
		g_strfreev(pair);
	}
	return desc;
}

int main(int argc, char **argv)
{
	struct error_list errors = { 0 };
	struct itimerval often = { { 0, MOMENT_US }, { 0, MOMENT_US } };
	int code = 1;
	if (argc < 5)
		return 2;
	moments = (unsigned)atoi(argv[4]);
	unsigned wanted = moments;
	first = g_build_filename(argv[3], "last", NULL);
	second = g_build_filename(argv[3], "again", NULL);
	copy = g_build_filename(argv[3], "instances", NULL);
	types_add_path(argv[2]);
	types_add_builtin(bus_types);
	types_add_builtin(host_types);
	types_scan(&errors);
	struct toml_value *desc = describe(argv, &errors);
	machine = desc && !errors.total ? machine_plan(desc, &errors) : NULL;
	bool built = machine && machine_build(machine, &errors) == 0;
	if (built && !wanted) {
		in_new_process(&errors);
		code = errors.total != 0;
	}
	if (built) {
		sched_set_machine(
			&(struct sched_machine_ops){ .save = at_moment, .machine = machine });
		signal(SIGALRM, moment);
		setitimer(ITIMER_REAL, &often, NULL);
		code = machine_run(machine);
		often = (struct itimerval){ 0 };
		setitimer(ITIMER_REAL, &often, NULL);
	}
	error_list_print(&errors, stderr);
	error_list_finish(&errors);
	machine_destroy(machine);
	toml_destroy(desc);
	types_finish();
	if (wanted && moments == wanted)
		faults++; /* it was over before it could be stopped */
	fprintf(stderr, "%u moments, %u faults, exit status %d\n", wanted - moments, faults, code);
	return code || faults;
}
