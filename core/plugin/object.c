/* SPDX-License-Identifier: MIT */
#include "object.h"
#include "field.h"
#include <glib.h>
#include <stdlib.h>
#include <string.h>

/* The record's address stands in the last pointer of this room in front of the instance. */
enum { FRONT = 64, ALIGN = 64 };

struct object *object_new(
	const struct type *type, const char *name, const char *place, struct domain *domain)
{
	size_t size = OBJECT_FRAME((size_t)type->object->instance_size);
	if (type->kind == BP_KIND_CPU)
		size += OBJECT_CPU_FRAME;
	/* Not aligned_alloc and memset: what nobody touches of a large instance takes no memory. */
	char *memory = calloc(1, FRONT + ALIGN + size);
	if (!memory)
		return NULL;
	uintptr_t instance = ((uintptr_t)memory + FRONT + ALIGN - 1) & ~(uintptr_t)(ALIGN - 1);
	struct object *o = g_new0(struct object, 1);
	*o = (struct object){ .type = type,
		.name = g_strdup(name),
		.place = g_strdup(place),
		.domain = domain,
		.memory = memory,
		.instance = (void *)instance };
	((struct object **)o->instance)[-1] = o;
	fields_set_defaults(type->object->props, type->field_size, o->instance);
	return o;
}

void object_free(struct object *o)
{
	if (!o)
		return;
	fields_free_strings(o->type->object->props, o->type->field_size, o->instance);
	g_free(o->name);
	g_free(o->place);
	free(o->memory);
	g_free(o);
}

const void *object_interface(struct object *o, const char *id)
{
	return o->type->object->interface ? o->type->object->interface(o->instance, id) : NULL;
}

int object_fail(bp_error *err, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	char *text = g_strdup_vprintf(fmt, args);
	va_end(args);
	if (err && err->object)
		error_list_add(err->errors, err->object->place, "%s: %s", err->object->name, text);
	else if (err)
		error_list_add(err->errors, NULL, "%s", text);
	g_free(text);
	return -1;
}
