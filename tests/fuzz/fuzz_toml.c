/* SPDX-License-Identifier: MIT */
/* Any bytes are a tree that can be copied, written and read again, or faults with their places. */
#include "fuzz.h"
#include "tests/toml/round_trip.h"
#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct error_list errors = { 0 };
	struct toml_value *value = toml_parse("f", (const char *)data, size, &errors);
	const char *broken = NULL;

	if (value)
		broken = errors.total ? "A value came with errors." : toml_round_trip(value);
	else if (!errors.total)
		broken = "No value and no error.";
	for (unsigned i = 0; i < errors.kept; i++) {
		if (!errors.entries[i].place)
			broken = "An error has no place.";
	}
	if (broken) {
		fprintf(stderr, "%s\n", broken);
		abort();
	}
	toml_destroy(value);
	error_list_finish(&errors);
	return 0;
}
