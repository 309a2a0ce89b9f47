/* SPDX-License-Identifier: MIT */
/* The table that gen.py makes. */
#pragma once
#include "harts.h"

/* One hart's part: the addresses of x, y and z, and where what was loaded goes. */
typedef void body(char *x, char *y, char *z, uint64_t *seen);

struct litmus {
	const char *name;
	uint8_t harts;
	uint8_t wide; /* final values are doublewords */
	uint8_t places;
	body *bodies[HARTS];
	struct {
		uint8_t count;
		uint8_t wide[5];
	} loads[HARTS]; /* observed ones, in program order */
	uint8_t finals; /* places whose final values are part of the outcome */
	uint8_t final[3];
	uint16_t keys, relaxed_keys;
	const uint64_t *allowed; /* outcomes, sorted: two bits for each half */
	const uint8_t *relaxed; /* those that no interleaving of instructions gives */
};
extern const struct litmus litmus_tests[];
extern const unsigned litmus_count;
