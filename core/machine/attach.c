/* SPDX-License-Identifier: MIT */
/* `bus` and `slot`: which controller takes a card. Found before anything is created, so that `check`
 * sees it and the card lives in its controller's domain. */
#include "internal.h"

/* "1.1" or 3; NULL is left when none is given. */
static int read_slot(struct instance *in, struct error_list *errors)
{
	const struct toml_value *v = toml_get(in->entry->value, "slot");
	if (!v)
		return 0;
	if (v->type == TOML_STRING && strlen(v->string.bytes) == v->string.length)
		in->slot = g_strdup(v->string.bytes);
	else if (v->type == TOML_INTEGER)
		in->slot = toml_write_value(v);
	else
		return instance_error(errors, v->pos, in, "slot",
			"a number or a string such as \"1.1\" is expected, not %s",
			toml_type_name(v->type));
	return 0;
}

/* Who is inside the controller calls the card without asking: both are one domain, or the card takes
 * care of itself. */
static bool share_domain(struct instance *in, struct instance *to)
{
	if (in->object->domain->parallel)
		return true;
	if (to->object->domain->parallel)
		return false;
	in->object->domain = to->object->domain;
	return true;
}

static int plug(struct instance *in, struct instance *to, const struct bp_bus *bus,
	const struct toml_value *v, struct error_list *errors)
{
	const void *ops = object_interface(in->object, bus->child_interface);
	if (!ops)
		return instance_error(errors, v->pos, in, "bus",
			"%s (%s) takes cards with %s, which %s does not offer", to->name,
			to->object->type->id, bus->child_interface, in->object->type->id);
	if (!share_domain(in, to))
		return instance_error(errors, v->pos, in, "bus",
			"%s (%s) lets several threads inside at once, %s does not; they cannot be "
			"attached to each other",
			to->name, to->object->type->id, in->object->type->id);
	in->card = g_new0(struct bp_link, 1);
	*in->card = (struct bp_link){ sizeof(*in->card), 0, in->object->instance, ops,
		in->object->name };
	g_ptr_array_add(in->pointers, in->card);
	in->controller = to;
	in->object->bus = to->object;
	to->cards++;
	instance_use(in, to);
	return 0;
}

void instance_attach(struct machine *m, struct instance *in, struct error_list *errors)
{
	const struct toml_value *v = toml_get(in->entry->value, "bus");
	if (read_slot(in, errors) != 0)
		return;
	if (!v && in->slot)
		instance_error(errors, toml_get(in->entry->value, "slot")->pos, in, "slot",
			"a slot of what? bus is not given");
	if (!v)
		return;
	if (v->type != TOML_STRING) {
		instance_error(errors, v->pos, in, "bus",
			"the name of an object is expected, not %s", toml_type_name(v->type));
		return;
	}
	GArray *targets = targets_expand(m, in, "bus", v->string.bytes, v->pos, errors);
	bool done = !targets;
	for (unsigned i = 0; !done && i < targets->len; i++) {
		struct instance *to = g_array_index(targets, struct target, i).instance;
		const struct bp_bus *bus = object_interface(to->object, "bp.bus/1");
		if (to == in || !bus || !BP_HAS(bus, attach) || !bus->child_interface) {
			instance_error(errors, v->pos, in, "bus", "%s (%s) has no slots for cards",
				to->name, to->object->type->id);
			done = true;
		} else if (to->cards < bus->slots) {
			plug(in, to, bus, v, errors);
			done = true;
		}
	}
	if (!done)
		instance_error(errors, v->pos, in, "bus",
			"\"%s\": every slot is taken already; there are %u controllers",
			v->string.bytes, targets->len);
	targets_free(targets);
}
