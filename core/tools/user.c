/* SPDX-License-Identifier: MIT */
/* user: a program in place of a machine. */
#include "bus/bus.h"
#include "cpu/vcpu.h"
#include "tools.h"
#include <backplane/os.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct user_options {
	struct bp_os_start start;
	GPtrArray *kept; /* strings that start points to */
	GPtrArray *again; /* words for an exec: the options as they were */
	bool help;
};

static const struct {
	const char *name, *value, *help;
	size_t offset; /* of a string in struct bp_os_start; or 0 */
} options[] = {
	{ "sysroot", "FOLDER", "where files are looked for first",
		offsetof(struct bp_os_start, sysroot) },
	{ "argv0", "NAME", "what the program is told of its own name",
		offsetof(struct bp_os_start, argv0) },
	{ "cpu", "TYPE", "the CPU, if not the one that the program asks for",
		offsetof(struct bp_os_start, cpu) },
	{ "trace", "sys", "a line on stderr for each system call", 0 },
	{ "confine", NULL, "loads and stores of the program reach nothing but its own memory", 0 },
	{ "engine", "jit|interp", "what executes the CPUs", 0 },
	{ "plugin-path", "FOLDER", "look for plugins there first; may be repeated", 0 },
};

static void print_help(void)
{
	printf("backplane user [OPTION...] PROGRAM [ARG...]\n"
	       "Runs a program of another ISA; what it asks the system for is done by this "
	       "one.\n\n");
	for (unsigned i = 0; i < G_N_ELEMENTS(options); i++)
		printf("  --%s%s%s\n      %s\n", options[i].name, options[i].value ? " " : "",
			options[i].value ? options[i].value : "", options[i].help);
}

static int usage(const char *format, const char *word)
{
	fprintf(stderr, "backplane user: ");
	fprintf(stderr, format, word);
	fprintf(stderr, "; `backplane user --help` explains\n");
	return -1;
}

static int take(struct user_options *o, unsigned which, const char *value)
{
	const char *name = options[which].name;
	char *absolute = NULL;
	/* An exec repeats these words, and the program may have gone elsewhere. */
	if (!strcmp(name, "sysroot") || !strcmp(name, "plugin-path"))
		value = absolute = g_canonicalize_filename(value, NULL);
	if (absolute)
		g_ptr_array_add(o->kept, absolute);
	if (options[which].offset)
		*(const char **)(void *)((char *)&o->start + options[which].offset) = value;
	else if (!strcmp(name, "plugin-path"))
		types_add_path(value);
	else if (!strcmp(name, "trace") && strcmp(value, "sys"))
		return usage("--trace %s: sys is what there is for programs", value);
	else if (!strcmp(name, "trace"))
		o->start.trace = 1;
	else if (!strcmp(name, "confine"))
		o->start.confine = 1;
	else if (!vcpu_engine(value))
		return usage("--engine %s: this host has no such engine", value);
	else
		vcpu_prefer_engine(vcpu_engine(value));
	if (strcmp(name, "argv0")) {
		g_ptr_array_add(o->again, g_strdup_printf("--%s", name));
		if (value)
			g_ptr_array_add(o->again, g_strdup(value));
	}
	return 0;
}

/* Options end at the first other word, or behind "--". Returns its index, or -1. */
static int parse(struct user_options *o, int count, char **word)
{
	int at = 0;
	for (; at < count && g_str_has_prefix(word[at], "--"); at++) {
		const char *equals = strchr(word[at], '=');
		size_t n = equals ? (size_t)(equals - word[at]) : strlen(word[at]);
		unsigned i = 0;
		if (!strcmp(word[at], "--"))
			return at + 1;
		if (!strcmp(word[at], "--help")) {
			o->help = true;
			return at;
		}
		while (i < G_N_ELEMENTS(options) &&
			(strlen(options[i].name) != n - 2 ||
				strncmp(options[i].name, word[at] + 2, n - 2)))
			i++;
		if (i == G_N_ELEMENTS(options))
			return usage("%s is no option", word[at]);
		if (options[i].value ? !equals && at + 1 >= count : equals != NULL)
			return usage(options[i].value ? "%s needs a value" : "%s has no value",
				word[at]);
		const char *value = equals ? equals + 1 : options[i].value ? word[++at] : NULL;
		if (take(o, i, value) != 0)
			return -1;
	}
	return at;
}

int tool_user(int count, char **word)
{
	struct user_options o = { .start = { .size = sizeof(o.start) } };
	struct error_list errors = { 0 };
	native_private(); /* before anything asks for an engine */
	o.kept = g_ptr_array_new_with_free_func(g_free);
	o.again = g_ptr_array_new_with_free_func(g_free);
	g_ptr_array_add(o.again, g_strdup("backplane"));
	g_ptr_array_add(o.again, g_strdup("user"));
	int at = parse(&o, count, word), code = EXIT_USAGE;
	g_ptr_array_add(o.again, NULL);
	if (at >= 0 && o.help) {
		print_help();
		code = EXIT_GOOD;
	} else if (at >= 0 && at >= count) {
		usage("no program is given%s", "");
	} else if (at >= 0) {
		o.start.argc = (uint32_t)(count - at);
		o.start.argv = word + at;
		o.start.envp = environ;
		o.start.again = (char **)o.again->pdata;
		types_add_builtin(bus_types);
		types_scan(&errors);
		code = machine_program(&o.start, &errors);
		error_list_print(&errors, stderr);
		code = code < 0 ? EXIT_USAGE : code;
	}
	error_list_finish(&errors);
	g_ptr_array_free(o.again, TRUE);
	g_ptr_array_free(o.kept, TRUE);
	types_finish();
	return code;
}
