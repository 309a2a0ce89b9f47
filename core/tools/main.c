/* SPDX-License-Identifier: MIT */
#include "bus/bus.h"
#include "host/block.h"
#include "tools.h"
#include <backplane/embed.h>
#include <stdio.h>
#include <string.h>

#ifndef BACKPLANE_VERSION
#define BACKPLANE_VERSION "unknown"
#endif

const char *bp_version(void)
{
	return BACKPLANE_VERSION;
}

int bp_add_plugin(const struct bp_plugin *plugin)
{
	return bp_add_plugin_manifest(plugin, NULL);
}

int bp_add_plugin_manifest(const struct bp_plugin *plugin, const char *manifest)
{
	struct error_list errors = { 0 };
	int r = types_add_static(plugin, manifest, &errors);
	error_list_print(&errors, stderr);
	error_list_finish(&errors);
	return r;
}

static const struct {
	const char *name, *arguments, *help;
	int (*run)(struct options *o);
} commands[] = {
	{ "run", "MACHINE [OPTION...]", "run a machine; --help lists what its board understands",
		tool_run },
	{ "check", "MACHINE", "every fault of a machine file, with its place", tool_check },
	{ "dump", "MACHINE", "the flattened machine file", tool_dump },
	{ "list", "[cpus|boards|devices|chrs|buses|tracers|services|machines|plugins|types]",
		"what can be plugged in (--conflicts: also what is hidden)", tool_list },
	{ "user", "[OPTION...] PROGRAM [ARG...]",
		"run a program of another ISA; `backplane user --help` lists the options", NULL },
	{ "describe", "TYPE", "properties, windows, registers, pins, plugin, package",
		tool_describe },
};

/* Options of a machine: their values follow as the next word or behind '='. */
static const struct {
	const char *name, *value, *help;
} machine_options[] = {
	{ "set", "OBJECT.PROPERTY=VALUE", "override the machine file; may be repeated" },
	{ "kernel", "FILE", "the system to boot" },
	{ "initrd", "FILE", "its initial file system" },
	{ "append", "TEXT", "its command line" },
	{ "firmware", "FILE", "what runs first" },
	{ "dtb", "FILE", "a device tree instead of the generated one" },
	{ "memory", "SIZE", "such as 512M" },
	{ "cpus", "N", "how many CPUs" },
	{ "serial", "stdio|pty|file:F|unix:F|tcp:HOST:PORT|null", "where the n-th line goes" },
	{ "drive", "FILE,format=F[,cache=C][,readonly][,snapshot]", "the n-th disk" },
	{ "net", "user[,hostfwd=...]|unix:F|tcp:A:P|...", "the n-th network, with its device" },
	{ "share", "FOLDER[,key=value...]", "the n-th folder of the host's for the guest" },
	{ "trace", "TRACER[,key=value...]", "attach a tracer, such as log,exec=true" },
	{ "control", "unix:F|tcp:HOST:PORT|pty",
		"take commands there, a line each: plug, unplug, list... (help lists them)" },
	{ "engine", "jit|interp", "what executes the CPUs" },
	{ "deterministic", NULL, "the same run every time: CPUs in turn, time by counting" },
	{ "report", "FILE", "at the end: registers, instruction counts, checksums of memory" },
	{ "display", "none", "user interfaces: none so far" },
	{ "restore", "FILE", "go on from a snapshot" },
	{ "save-to", "FILE", "where the signal SIGUSR1 and `save` save to" },
	{ "save-at", "COUNT[,COUNT...]",
		"with --deterministic: save to FILE.COUNT after so many instructions" },
	{ "plugin-path", "FOLDER", "look for plugins there first; may be repeated" },
};

static void print_help(FILE *to)
{
	fprintf(to,
		"Backplane %s: a machine is a file that names parts; every part is a plugin.\n\n",
		bp_version());
	for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++)
		fprintf(to, "  backplane %s %s\n      %s\n", commands[i].name,
			commands[i].arguments, commands[i].help);
	fprintf(to,
		"  backplane img COMMAND\n      create, convert, check disk images...; img --help "
		"lists the commands\n");
	fprintf(to, "\nOptions of a machine:\n");
	for (unsigned i = 0; i < G_N_ELEMENTS(machine_options); i++)
		fprintf(to, "  --%s%s%s\n      %s\n", machine_options[i].name,
			machine_options[i].value ? " " : "",
			machine_options[i].value ? machine_options[i].value : "",
			machine_options[i].help);
	fprintf(to,
		"\nA first session:\n"
		"  backplane list machines\n"
		"  backplane run MACHINE --help\n"
		"  backplane run MACHINE --firmware F --kernel F --append 'console=ttyS0'\n"
		"In the terminal of a machine, Ctrl-A h lists the keys and Ctrl-A x quits.\n\n"
		"Exit status: 0 the guest powered off, or its own code; 1 wrong usage or a faulty\n"
		"machine file; 2 something outside failed; 70 an engine failed.\n");
}

static int usage(const char *format, const char *word)
{
	fprintf(stderr, "backplane: ");
	fprintf(stderr, format, word);
	fprintf(stderr, "; `backplane --help` explains\n");
	return EXIT_USAGE;
}

/* One word that begins with "--"; its value may be the next one. */
static int parse_option(struct options *o, int argc, char **argv, int *at)
{
	const char *word = argv[*at] + 2, *equals = strchr(word, '=');
	size_t n = equals ? (size_t)(equals - word) : strlen(word);
	if (!strcmp(word, "help")) {
		o->help = true;
		return 0;
	}
	if (!strcmp(word, "conflicts")) {
		o->conflicts = true;
		return 0;
	}
	for (unsigned i = 0; i < G_N_ELEMENTS(machine_options); i++) {
		const char *name = machine_options[i].name;
		if (strlen(name) != n || strncmp(name, word, n))
			continue;
		unsigned place = (unsigned)*at;
		if (machine_options[i].value ? !equals && *at + 1 >= argc : equals != NULL)
			return usage(machine_options[i].value ? "--%s needs a value"
							      : "--%s has no value",
				name);
		const char *value = equals         ? equals + 1
			: machine_options[i].value ? argv[++*at]
						   : NULL;
		if (!strcmp(name, "plugin-path")) {
			types_add_path(value);
			return 0;
		}
		const char **file = !strcmp(name, "restore") ? &o->restore
			: !strcmp(name, "save-to")           ? &o->save_to
			: !strcmp(name, "save-at")           ? &o->save_at
							     : NULL;
		if (file) {
			*file = value;
			return 0;
		}
		struct option_use *use = g_new(struct option_use, 1);
		*use = (struct option_use){ name, value, place };
		g_ptr_array_add(o->set, use);
		return 0;
	}
	return usage("--%s is no option", word);
}

static int run_command(unsigned which, int argc, char **argv)
{
	struct options o = { .set = g_ptr_array_new_with_free_func(g_free) };
	struct error_list errors = { 0 };
	int r = 0;
	for (int i = 2; i < argc && !r; i++) {
		if (g_str_has_prefix(argv[i], "--"))
			r = parse_option(&o, argc, argv, &i);
		else if (o.first)
			r = usage("\"%s\" is one word too many", argv[i]);
		else
			o.first = argv[i];
	}
	if (!r && (o.restore || o.save_to || o.save_at) && commands[which].run != tool_run)
		r = usage("--%s is for `backplane run` alone",
			o.restore           ? "restore"
				: o.save_to ? "save-to"
					    : "save-at");
	if (!r && o.help && !o.first) {
		print_help(stdout);
	} else if (!r) {
		types_add_builtin(bus_types);
		types_add_builtin(host_types);
		/* A bad manifest hides its own plugin, nothing else. */
		types_scan(&errors);
		error_list_print(&errors, stderr);
		r = commands[which].run(&o);
	}
	error_list_finish(&errors);
	g_ptr_array_free(o.set, TRUE);
	types_finish();
	return r;
}

int bp_main(int argc, char **argv)
{
	if (argc < 2) {
		print_help(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--version")) {
		printf("backplane %s\n", bp_version());
		return EXIT_GOOD;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "help")) {
		print_help(stdout);
		return EXIT_GOOD;
	}
	if (!strcmp(argv[1], "img"))
		return tool_img(argc - 1, argv + 1);
	if (!strcmp(argv[1], "user"))
		return tool_user(argc - 2, argv + 2);
	for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++)
		if (!strcmp(commands[i].name, argv[1]))
			return run_command(i, argc, argv);
	return usage("there is no command \"%s\"", argv[1]);
}
