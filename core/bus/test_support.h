/* SPDX-License-Identifier: MIT */
/* Objects without a machine, for the unit tests of bus/. */
#ifndef BUS_TEST_SUPPORT_H
#define BUS_TEST_SUPPORT_H
#include "dma.h"
#include "internal.h"
#include "line.h"
#include <string.h>

struct test_type { /* a type with its object description, made on the fly */
	struct type type;
	struct bp_object object;
};

/* Strides are this build's; the caller fills in tables of .object. */
void test_type_init(struct test_type *t, const char *id, uint32_t instance_size);
/* One of bus_types. */
void test_type_core(struct test_type *t, const char *id);
struct object *test_object(struct test_type *t, const char *name, struct domain *d);
void test_object_free(struct object *o);

/* The sink of the tests: all errors so far. */
extern struct bp_error test_error;
unsigned test_errors(void); /* how many since the last call */

#endif
