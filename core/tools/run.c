/* SPDX-License-Identifier: MIT */
/* run, check and dump: what is done with a machine file. */
#include "cpu/vcpu.h"
#include "tools.h"
#include <signal.h>
#include <stdio.h>
#include <string.h>

static int apply(struct toml_value *desc, const struct option_use *use, struct error_list *errors)
{
	struct toml_pos pos = { "command line", use->word, 1 };
	if (!strcmp(use->name, "set"))
		return desc_set(desc, use->value, use->word, errors);
	if (!strcmp(use->name, "trace"))
		return option_trace(desc, use->value, use->word, errors);
	if (!strcmp(use->name, "control"))
		return option_control(desc, use->value, use->word, errors);
	if (!strcmp(use->name, "deterministic") || !strcmp(use->name, "report")) {
		desc_mode(desc, use->name, use->value, use->word);
		return 0;
	}
	if (!strcmp(use->name, "engine")) {
		const struct bp_engine *engine = vcpu_engine(use->value);
		if (!engine)
			return toml_error(errors, pos,
				"--engine %s: this host has no such engine; jit and interp are "
				"those that there can be",
				use->value);
		vcpu_prefer_engine(engine);
		return 0;
	}
	if (!strcmp(use->name, "display"))
		return strcmp(use->value, "none") ? toml_error(errors, pos,
							    "--display %s: only none is there so "
							    "far",
							    use->value)
						  : 0;
	return option_apply(desc, use->name, use->value, use->word, errors);
}

struct toml_value *tool_description(struct options *o, struct error_list *errors)
{
	struct toml_value *desc = NULL;
	if (!o->first)
		error_list_add(errors, NULL,
			"no machine is given; `backplane list machines` names those there are");
	else
		desc = desc_load(o->first, errors);
	for (unsigned i = 0; desc && i < o->set->len; i++)
		apply(desc, g_ptr_array_index(o->set, i), errors);
	return desc;
}

static int fail(struct error_list *errors)
{
	error_list_print(errors, stderr);
	error_list_finish(errors);
	return EXIT_USAGE;
}

static int board_help(struct options *o)
{
	struct error_list errors = { 0 };
	struct toml_value *desc = desc_load(o->first, &errors);
	if (!desc)
		return fail(&errors);
	char **list = option_list(desc);
	printf("Options that %s understands:\n", o->first);
	for (unsigned i = 0; list[i]; i++)
		printf("  %s\n", list[i]);
	printf("Any property: --set OBJECT.PROPERTY=VALUE; `backplane dump %s` shows the "
	       "objects.\n",
		o->first);
	g_strfreev(list);
	toml_destroy(desc);
	error_list_finish(&errors);
	return EXIT_GOOD;
}

static void save_signal(int number)
{
	(void)number;
	sched_request_signal(BP_REQ_SAVE);
}

static void catch_signals(struct machine *m, const char *save_to)
{
	struct sigaction save = { .sa_handler = save_signal, .sa_flags = SA_RESTART };
	struct sigaction ignore = { .sa_handler = SIG_IGN };
	/* A limit on file sizes is an error of the write, not the end of the machine. */
	sigaction(SIGXFSZ, &ignore, NULL);
	machine_save_to(m, save_to);
	if (save_to)
		sigaction(SIGUSR1, &save, NULL);
}

int tool_run(struct options *o)
{
	struct error_list errors = { 0 };
	if (o->help)
		return board_help(o);
	struct toml_value *desc = tool_description(o, &errors);
	struct machine *m = desc && !errors.total ? machine_plan(desc, &errors) : NULL;
	int code = EXIT_USAGE;
	if (m && machine_build(m, &errors) == 0)
		code = o->restore ? machine_restore(m, o->restore, &errors) : EXIT_GOOD;
	if (m && code == EXIT_GOOD) {
		catch_signals(m, o->save_to);
		bool good = !o->save_at || machine_save_at(m, o->save_at, &errors) == 0;
		code = good ? machine_run(m) : EXIT_USAGE;
	}
	error_list_print(&errors, stderr);
	error_list_finish(&errors);
	machine_destroy(m);
	toml_destroy(desc);
	return code;
}

int tool_check(struct options *o)
{
	struct error_list errors = { 0 };
	struct toml_value *desc = tool_description(o, &errors);
	struct machine *m = desc ? machine_plan(desc, &errors) : NULL;
	machine_destroy(m);
	toml_destroy(desc);
	if (errors.total)
		return fail(&errors);
	return EXIT_GOOD;
}

int tool_dump(struct options *o)
{
	struct error_list errors = { 0 };
	struct toml_value *desc = tool_description(o, &errors);
	if (!desc || errors.total) {
		toml_destroy(desc);
		return fail(&errors);
	}
	option_forget(desc);
	char *text = toml_write(desc);
	fputs(text, stdout);
	g_free(text);
	toml_destroy(desc);
	return EXIT_GOOD;
}
