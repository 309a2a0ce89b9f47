/* SPDX-License-Identifier: MIT */
/* Cards that leave their slots and come back while the machine runs. Objects exist as long as the machine
 * does, so that nothing is loaded or made once it is sealed; whether a card is in its slot is state of
 * the bus that it is attached to. */
#include "internal.h"

static const struct bp_bus *bus_of(const struct instance *in)
{
	const struct bp_bus *bus =
		in->controller ? object_interface(in->controller->object, "bp.bus/1") : NULL;
	return bus && BP_HAS(bus, plugged) && bus->plug && bus->plugged ? bus : NULL;
}

void instance_plugged(struct machine *m, struct instance *in, struct error_list *errors)
{
	const struct toml_value *v = toml_get(in->entry->value, "plugged");
	(void)m;
	if (!v)
		return;
	if (v->type != TOML_BOOLEAN)
		instance_error(errors, v->pos, in, "plugged", "true or false is expected, not %s",
			toml_type_name(v->type));
	else if (!in->controller)
		instance_error(errors, v->pos, in, "plugged", "into what? bus is not given");
	else if (!bus_of(in))
		instance_error(errors, v->pos, in, "plugged",
			"%s (%s) has no slots that cards leave while the machine runs",
			in->controller->name, in->controller->object->type->id);
	in->absent = v->type == TOML_BOOLEAN && !v->boolean;
}

/* Inside the bus's domain; the sentence of a failure, to be freed, or NULL. */
static char *plug(struct instance *in, int what)
{
	struct error_list errors = { 0 };
	struct object *controller = in->controller->object;
	bp_error err = { &errors, in->object };
	char *why = NULL;
	if (!domain_enter(controller->domain))
		return g_strdup_printf(
			"%s: its bus %s is busy; try again", in->name, controller->name);
	if (bus_of(in)->plug(controller->instance, in->card, what, &err) != 0)
		why = g_strdup(errors.kept ? errors.entries[0].text
					   : "the bus refuses and does not say why");
	domain_leave(controller->domain);
	error_list_finish(&errors);
	return why;
}

void machine_leave_out(struct machine *m, struct error_list *errors)
{
	for (unsigned i = 0; i < m->instances->len; i++) {
		struct instance *in = g_ptr_array_index(m->instances, i);
		char *why = in->absent ? plug(in, BP_PLUG_ABSENT) : NULL;
		if (why)
			error_list_add(errors, in->object->place, "%s", why);
		g_free(why);
	}
}

static int plugged(const struct instance *in)
{
	struct object *controller = in->controller->object;
	if (!domain_enter(controller->domain))
		return -1;
	int now = bus_of(in)->plugged(controller->instance, in->card);
	domain_leave(controller->domain);
	return now;
}

void machine_cards(struct machine *m, GString *out)
{
	static const char *const words[] = { [BP_PLUGGED_OUT] = "out",
		[BP_PLUGGED_IN] = "in",
		[BP_PLUGGED_ASKED] = "in, the guest was asked to let go of it" };
	for (unsigned i = 0; i < m->instances->len; i++) {
		const struct instance *in = g_ptr_array_index(m->instances, i);
		int now = bus_of(in) ? plugged(in) : -1;
		if (now >= 0 && now < (int)G_N_ELEMENTS(words))
			g_string_append_printf(out, "%s%s (%s) on %s: %s", out->len ? "\n" : "",
				in->name, in->object->type->id, in->controller->name, words[now]);
	}
	if (!out->len)
		g_string_append(out, "no bus of this machine has slots that cards leave");
}

void machine_plug(struct machine *m, const char *name, int what, GString *out)
{
	struct instance *in = instance_find(m, name);
	if (!*name || !in) {
		g_string_append_printf(out,
			*name ? "error: there is no object \"%s\"; list names the cards"
			      : "error: the name of a card is missing%s; list names them",
			name);
		return;
	}
	if (!bus_of(in)) {
		/* Perhaps the bus itself is a card, which stands for all that is on it. */
		const struct instance *up = in->controller;
		g_string_append_printf(out, "error: %s ", name);
		if (!up)
			g_string_append(out, "is on no bus");
		else
			g_string_append_printf(out, "cannot leave %s (%s)%s%s", up->name,
				up->object->type->id, bus_of(up) ? "; that is the card: " : "",
				bus_of(up) ? up->name : "");
		return;
	}
	char *why = plug(in, what);
	if (why)
		g_string_append_printf(out, "error: %s", why);
	else if (what == BP_PLUG_ASK && plugged(in) == BP_PLUGGED_ASKED)
		g_string_append(out,
			"the guest was asked to let go of it; list tells when it is out, and "
			"unplug! does not wait");
	g_free(why);
}
