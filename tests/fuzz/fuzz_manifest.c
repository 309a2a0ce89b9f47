/* SPDX-License-Identifier: MIT */
/* Any bytes are a manifest whose module lies beside it, or faults with their places. */
#include "core/plugin/types.h"
#include "fuzz.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *why_broken(const struct manifest *m)
{
	if (strncmp(m->module, "folder/", 7) != 0 || strchr(m->module + 7, '/'))
		return "The module lies elsewhere.";
	for (unsigned i = 0; i < m->types->len; i++) {
		const struct type_entry *e = g_ptr_array_index(m->types, i);
		if (!*e->id || !kind_of_name(kind_name(e->kind)) || !e->compatible)
			return "A type is not whole.";
	}
	return NULL;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error_list errors = { 0 };
	struct manifest *m =
		manifest_parse("folder/f.plugin.toml", (const char *)data, size, &errors);
	const char *broken = m ? why_broken(m) : NULL;

	if (!m == !errors.total)
		broken = "There must be a manifest or errors.";
	if (broken) {
		fprintf(stderr, "%s\n", broken);
		abort();
	}
	manifest_free(m);
	error_list_finish(&errors);
	return 0;
}
