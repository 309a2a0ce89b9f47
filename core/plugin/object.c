/* SPDX-License-Identifier: MIT */
#include "object.h"
#include "field.h"
#include <glib.h>
#include <stdlib.h>
#include <string.h>

/* The record's address stands in the last pointer of this room in front of the instance. */
enum { FRONT = 64 };

struct object *object_new(
	const struct type *type, const char *name, const char *place, struct domain *domain)
{
	size_t size = OBJECT_FRAME((size_t)type->object->instance_size);
	if (type->kind == BP_KIND_CPU)
		size += OBJECT_CPU_FRAME;
	char *memory = aligned_alloc(64, FRONT + size);
	if (!memory)
		return NULL;
	memset(memory, 0, FRONT + size);
	struct object *o = g_new0(struct object, 1);
	*o = (struct object){ .type = type,
		.name = g_strdup(name),
		.place = g_strdup(place),
		.domain = domain,
		.instance = memory + FRONT };
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
	free((char *)o->instance - FRONT);
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
