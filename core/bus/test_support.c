/* SPDX-License-Identifier: MIT */
#include "test_support.h"

static struct error_list errors;
struct bp_error test_error = { .errors = &errors };

unsigned test_errors(void)
{
	unsigned n = errors.total;
	error_list_finish(&errors);
	error_list_init(&errors);
	return n;
}

void test_type_init(struct test_type *t, const char *id, uint32_t instance_size)
{
	memset(t, 0, sizeof(*t));
	t->object.size = sizeof(t->object);
	t->object.instance_size = instance_size;
	t->type = (struct type){ .id = id,
		.kind = BP_KIND_DEVICE,
		.object = &t->object,
		.field_size = sizeof(struct bp_field),
		.region_size = sizeof(struct bp_region),
		.reg_size = sizeof(struct bp_reg),
		.pin_size = sizeof(struct bp_pin) };
}

void test_type_core(struct test_type *t, const char *id)
{
	const struct bp_type *b = bus_types;
	while (b->id && strcmp(b->id, id) != 0)
		b++;
	g_assert_nonnull(b->id);
	test_type_init(t, id, b->object->instance_size);
	t->object = *b->object;
}

struct object *test_object(struct test_type *t, const char *name, struct domain *d)
{
	struct object *o = g_new0(struct object, 1);
	void **memory = g_malloc0(64 + t->object.instance_size);
	o->type = &t->type;
	o->name = g_strdup(name);
	o->domain = d;
	o->instance = (char *)memory + 64;
	((struct object **)o->instance)[-1] = o;
	return o;
}

void test_object_free(struct object *o)
{
	if (o->type->object->destroy)
		o->type->object->destroy(o->instance);
	line_object_finish(o);
	bus_object_finish(o);
	g_free((char *)o->instance - 64);
	g_free(o->name);
	g_free(o);
}
