/* SPDX-License-Identifier: MIT */
/* One line of the monitor and its answer. */
#include "internal.h"

static void help(GString *out);

static void info(GString *out)
{
	g_string_append_printf(
		out, "backplane %s, %s", host_table.version, sched_paused() ? "paused" : "running");
}

static void save(struct machine *m, const char *file, GString *out)
{
	if (!*file && !m->save_to) {
		g_string_append(out, "error: save FILE: it needs the name of a file");
		return;
	}
	machine_save_soon(m, *file ? file : NULL);
	g_string_append_printf(out, "saving to %s", *file ? file : m->save_to);
}

static void list(struct machine *m, const char *rest, GString *out)
{
	if (*rest)
		g_string_append_printf(
			out, "error: list takes nothing more; \"%s\" is too much", rest);
	else
		machine_cards(m, out);
}

static void resize(struct machine *m, const char *rest, GString *out)
{
	struct error_list errors = { 0 };
	uint64_t bytes;
	char **word = g_strsplit_set(rest, " \t", 2);
	const char *name = word[0] ? word[0] : "", *size = word[0] && word[1] ? word[1] : "";
	const struct instance *in = instance_find(m, name);
	if (!*name || !size_parse(size, &bytes))
		g_string_append(out,
			"error: resize DRIVE SIZE: the name of a drive and a size such as 512M are "
			"expected");
	else if (!in)
		g_string_append_printf(out, "error: there is no object \"%s\"", name);
	else if (drive_resize(in->object, bytes, &errors) != 0)
		g_string_append_printf(out, "error: %s", errors.entries[0].text);
	error_list_finish(&errors);
	g_strfreev(word);
}

/* Inside the object's domain. */
static void change(void *object, uint32_t row, uint64_t value)
{
	struct object *o = object;
	const struct type *t = o->type;
	const struct bp_field *f = field_at(t->object->props, t->field_size, row);
	field_set_number(f, o->instance, value, false);
	t->object->changed(o->instance, f->name);
}

/* OBJECT.PROPERTY VALUE: numbers alone, which a device looks at when it is told. */
static void set(struct machine *m, const char *argument, GString *out)
{
	char **words = g_strsplit_set(argument, ". \t=", 3);
	struct instance *in = g_strv_length(words) == 3 ? instance_find(m, words[0]) : NULL;
	const struct type *t = in ? in->object->type : NULL;
	const struct bp_field *f = t ? field_find(t->object->props, t->field_size, words[1]) : NULL;
	const char *number = f ? words[2] + strspn(words[2], " \t=") : "";
	uint64_t value = 0;
	uint32_t row = 0;
	while (f && field_at(t->object->props, t->field_size, row) != f)
		row++;
	if (!f)
		g_string_append(out, "error: set OBJECT.PROPERTY VALUE: there is no such property");
	else if (!(f->flags & BP_F_RUNTIME) || !t->object->changed || f->type == BP_STR)
		g_string_append_printf(
			out, "error: %s.%s does not change while it runs", words[0], words[1]);
	else if (!size_parse(number, &value))
		g_string_append_printf(
			out, "error: %s: a number is expected, or a size such as 128M", number);
	else if (!field_takes(f, value, false))
		g_string_append_printf(out, "error: %s is out of range: %s.%s is %s", number,
			words[0], words[1], field_type_text(f));
	else
		domain_run(in->object->domain, change, in->object, row, value);
	g_strfreev(words);
}

static const struct {
	const char *name, *help;
	int request;
	void (*answer)(GString *out);
	void (*run)(struct machine *m, const char *argument, GString *out);
	int plug; /* what becomes of the card that is named, enum bp_plug; 0: no such command */
} commands[] = {
	{ "help", "this list", 0, help, NULL },
	{ "info", "what runs", 0, info, NULL },
	{ "reset", "reset the machine", BP_REQ_RESET, NULL, NULL },
	{ "pause", "stop the CPUs and guest time", BP_REQ_PAUSE, NULL, NULL },
	{ "resume", "go on after pause", BP_REQ_RESUME, NULL, NULL },
	{ "set", "OBJECT.PROPERTY VALUE: change what may change at run time", 0, NULL, set },
	{ "save", "save the machine to the file that follows", 0, NULL, save },
	{ "list", "cards, and which of them are in their slots", 0, NULL, list },
	{ "plug", "put the card that follows into its slot", 0, NULL, NULL, BP_PLUG_IN },
	{ "unplug", "ask the guest for the card that follows; without asking where it has no way",
		0, NULL, NULL, BP_PLUG_ASK },
	{ "unplug!", "pull it out of its slot at once", 0, NULL, NULL, BP_PLUG_OUT },
	{ "resize", "let a drive grow: its name and the size it is to have", 0, NULL, resize },
	{ "quit", "end this program; the guest is not asked", BP_REQ_QUIT, NULL, NULL },
};

static void help(GString *out)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++)
		g_string_append_printf(
			out, "%s%-8s %s", i ? "\n" : "", commands[i].name, commands[i].help);
}

const char *machine_command(struct machine *m, const char *line)
{
	GString *out = g_string_new(NULL);
	char *word = g_strstrip(g_strdup(line)), *rest = word + strcspn(word, " \t");
	if (*rest)
		*rest++ = 0;
	rest = g_strchug(rest);
	unsigned i = 0;
	while (i < G_N_ELEMENTS(commands) && strcmp(commands[i].name, word))
		i++;
	if (i == G_N_ELEMENTS(commands) && *word)
		g_string_printf(out, "error: there is no command \"%s\"; help lists them", word);
	else if (*word && commands[i].run)
		commands[i].run(m, rest, out);
	else if (*word && commands[i].plug)
		machine_plug(m, rest, commands[i].plug, out);
	else if (*word && *rest)
		g_string_printf(
			out, "error: %s takes nothing more; \"%s\" is too much", word, rest);
	else if (*word && commands[i].answer)
		commands[i].answer(out);
	else if (*word)
		sched_request(NULL, commands[i].request, 0);
	g_free(word);
	g_free(m->answer);
	m->answer = g_string_free(out, FALSE);
	return m->answer;
}
