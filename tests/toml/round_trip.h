/* SPDX-License-Identifier: MIT */
/* What must hold for every tree that the parser accepts. */
#ifndef TOML_ROUND_TRIP_H
#define TOML_ROUND_TRIP_H
#include "plugin/toml.h"
#include <string.h>

/* NULL, or what is broken. */
static inline const char *toml_round_trip(const struct toml_value *value)
{
	struct error_list errors = { 0 };
	struct toml_value *copy = toml_copy(value), *again;
	char *text = toml_write(copy), *second;
	const char *broken = NULL;

	again = toml_parse("written", text, strlen(text), &errors);
	if (!toml_equal(copy, value))
		broken = "A copy differs.";
	else if (!again)
		broken = "What was written does not parse.";
	else if (!toml_equal(again, value))
		broken = "What was written parses to another tree.";
	if (again) {
		second = toml_write(again);
		if (!broken && strcmp(second, text) != 0)
			broken = "Writing it again gives another text.";
		g_free(second);
	}
	g_free(text);
	toml_destroy(copy);
	toml_destroy(again);
	error_list_finish(&errors);
	return broken;
}

#endif
