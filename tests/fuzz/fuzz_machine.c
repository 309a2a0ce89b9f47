/* SPDX-License-Identifier: MIT */
/* Any bytes are a machine of the core's own types and the probe's, or faults. What follows a form feed
 * is given as --set and as options. */
#include "core/bus/bus.h"
#include "core/host/block.h"
#include "core/machine/machine.h"
#include "fuzz.h"
#include <stdlib.h>
#include <string.h>

extern const struct bp_plugin bp_plugin_1; /* tests/plugin/loading/probe.c */

static void start(void)
{
	static bool started;
	struct error_list errors = { 0 };
	if (started)
		return;
	started = true;
	types_add_builtin(bus_types);
	types_add_builtin(host_types);
	if (types_add_static(&bp_plugin_1, NULL, &errors) != 0)
		abort();
}

/* Memory may be a file of the host's: not one that chance names. */
static bool names_files(const struct toml_value *v)
{
	for (unsigned i = 0; v->type == TOML_ARRAY && i < v->array.count; i++)
		if (names_files(v->array.items[i]))
			return true;
	for (unsigned i = 0; v->type == TOML_TABLE && i < v->table.count; i++)
		if (!strcmp(v->table.entries[i]->key, "file") ||
			names_files(v->table.entries[i]->value))
			return true;
	return false;
}

static void give_words(struct toml_value *desc, const char *text, struct error_list *errors)
{
	desc_set(desc, text, 1, errors);
	option_apply(desc, "append", text, 2, errors);
	option_apply(desc, "cpus", text, 3, errors);
	option_apply(desc, "serial", text, 4, errors);
	option_apply(desc, "serial", text, 5, errors);
	option_forget(desc);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error_list errors = { 0 };
	const uint8_t *words = memchr(data, '\f', size);
	size_t length = words ? (size_t)(words - data) : size;
	start();
	struct toml_value *desc = toml_parse("f", (const char *)data, length, &errors);
	if (desc && words) {
		char *text = g_strndup((const char *)words + 1, size - length - 1);
		give_words(desc, text, &errors);
		g_free(text);
	}
	if (desc && !names_files(desc))
		machine_destroy(machine_plan(desc, &errors));
	toml_destroy(desc);
	error_list_finish(&errors);
	return 0;
}
