/* SPDX-License-Identifier: MIT */
/* The words of `backplane img`. Letters and names are those that users of other tools for the same
 * formats know. */
#include "img.h"
#include "bus/bus.h"
#include "tools.h"
#include <getopt.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *name, *letters, *words;
	int least, most;
	int (*run)(struct img *m);
} commands[] = {
	{ "create", "f:o:b:F:uq", "-f FORMAT [-o OPTIONS] [-b BACKING -F FORMAT] FILE [SIZE]", 1, 2,
		img_create },
	{ "info", "f:U", "-f FORMAT [--backing-chain] [--output=json] FILE", 1, 1, img_info },
	{ "check", "f:r:T:Uq", "-f FORMAT [-r leaks|all] [--output=json] FILE", 1, 1, img_check },
	{ "convert", "f:O:o:b:B:F:l:t:T:S:m:cpqnWU",
		"-f FORMAT -O FORMAT [-c] [-p] [-n] [-o OPTIONS] [-B BACKING -F FORMAT] [-l "
		"SNAPSHOT] "
		"[-S SIZE] [-m THREADS] SOURCE... TARGET",
		2, 64, img_convert },
	{ "map", "f:U", "-f FORMAT [--output=json] [--start-offset=N] [--max-length=N] FILE", 1, 1,
		img_map },
	{ "commit", "f:t:dpq", "-f FORMAT [-d] [-p] FILE", 1, 1, img_commit },
	{ "rebase", "f:t:T:b:F:upqU", "-f FORMAT [-u] [-p] -b BACKING -F FORMAT FILE", 1, 1,
		img_rebase },
	{ "resize", "f:q", "-f FORMAT [--shrink] [--preallocation=MODE] FILE [+|-]SIZE", 2, 2,
		img_resize },
	{ "snapshot", "f:lc:a:d:qU", "-f FORMAT -l | -c NAME | -a NAME | -d NAME FILE", 1, 1,
		img_snapshot },
	{ "compare", "f:F:T:pqsU", "-f FORMAT -F FORMAT [-s] [-p] FILE FILE", 2, 2, img_compare },
	{ "dd", "f:O:U", "-f FORMAT -O FORMAT if=FILE of=FILE [bs=N] [count=N] [skip=N]", 2, 5,
		img_dd },
	{ "bench", "c:d:f:i:no:qs:S:t:wU",
		"-f FORMAT [-c COUNT] [-d DEPTH] [-s BYTES] [-S STEP] [-o OFFSET] [-t CACHE] [-w] "
		"[-i threads|io_uring] "
		"[--flush-interval=N] [--pattern=N] FILE",
		1, 1, img_bench },
	{ "amend", "f:o:t:pq", "-f FORMAT -o OPTIONS FILE", 1, 1, img_amend },
	{ "measure", "f:O:o:l:U",
		"-O FORMAT [-o OPTIONS] [--output=json] --size=N | -f FORMAT FILE", 0, 1,
		img_measure },
};

static const struct option long_options[] = {
	{ "output", required_argument, NULL, IMG_OUTPUT },
	{ "backing-chain", no_argument, NULL, IMG_CHAIN },
	{ "shrink", no_argument, NULL, IMG_SHRINK },
	{ "preallocation", required_argument, NULL, IMG_PREALLOCATION },
	{ "size", required_argument, NULL, IMG_SIZE },
	{ "pattern", required_argument, NULL, IMG_PATTERN },
	{ "flush-interval", required_argument, NULL, IMG_FLUSH_INTERVAL },
	{ "no-drain", no_argument, NULL, IMG_NO_DRAIN },
	{ "start-offset", required_argument, NULL, IMG_START },
	{ "max-length", required_argument, NULL, IMG_LENGTH },
	{ "filter", required_argument, NULL, IMG_FILTER },
	{ "backing-format", required_argument, NULL, IMG_BACKING_FORMAT },
	{ "object", required_argument, NULL, IMG_OBJECT },
	{ "image-opts", no_argument, NULL, IMG_IMAGE_OPTS },
	{ "plugin-path", required_argument, NULL, 'P' },
	{ "force-share", no_argument, NULL, 'U' },
	{ "help", no_argument, NULL, 'h' },
	{ 0 },
};

static void help(FILE *to)
{
	fprintf(to,
		"Disk images. The format is never guessed: -f names it (`backplane list "
		"formats`).\n\n");
	for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++)
		fprintf(to, "  backplane img %s %s\n", commands[i].name, commands[i].words);
	fprintf(to,
		"\n-p shows progress, -q says less, -U takes no locks, -t and -T are the cache "
		"modes of\n"
		"target and source: writeback none writethrough directsync unsafe. -o takes "
		"key=value,...;\n"
		"-o help lists what a format has. --object secret,id=I,file=NAME names a secret, "
		"for "
		"-o\n"
		"encrypt.key-secret=I; with --image-opts sources are "
		"driver=FORMAT,file.filename=NAME,\n"
		"encrypt.key-secret=I,... instead of names. Sizes are bytes, or 64k, 1M, 1.5G.\n"
		"Exit status of check: 2 errors, 3 leaks alone; of compare: 1 they differ, 2 it "
		"failed.\n");
}

static int usage(const char *format, const char *a, const char *b)
{
	fprintf(stderr, "backplane img: ");
	fprintf(stderr, format, a, b);
	fprintf(stderr, "; `backplane img --help` explains\n");
	return EXIT_USAGE;
}

/* The words behind the command. 0, 1: help was asked for, -1 after an error. */
static int parse(struct img *m, unsigned which, int argc, char **argv)
{
	char *letters = g_strconcat(":h", commands[which].letters, NULL);
	int c, r = 0;
	optind = 0; /* all over again */
	while (!r && (c = getopt_long(argc, argv, letters, long_options, NULL)) != -1) {
		if (c == '?' || c == ':')
			r = -usage(c == ':' ? "%s: %s needs a value" : "%s has no option %s",
				commands[which].name, argv[optind - 1]);
		else if (c == 'h')
			r = 1;
		else if (c == 'P')
			types_add_path(optarg);
		else if (c == IMG_OBJECT)
			r = img_object(m, optarg);
		else if (c == 'o' && strcmp(m->command, "bench") != 0) /* there: an offset */
			g_string_append_printf(
				m->create, "%s%s", m->create->len ? "," : "", optarg);
		else
			m->option[c] = optarg ? optarg : "";
	}
	g_free(letters);
	m->word = argv + optind;
	m->count = argc - optind;
	if (!r && (m->count < commands[which].least || m->count > commands[which].most)) {
		usage("%s %s", commands[which].name, commands[which].words);
		r = -1;
	}
	const char *output = m->option[IMG_OUTPUT];
	if (!r && output && strcmp(output, "json") != 0 && strcmp(output, "human") != 0) {
		usage("--output=%s: json or human is expected%s", output, "");
		r = -1;
	}
	m->json = output && !strcmp(output, "json");
	m->quiet = m->option['q'];
	m->progress = m->option['p'] && !m->quiet;
	return r;
}

static int run(unsigned which, int argc, char **argv)
{
	struct img m = { .command = commands[which].name,
		.create = g_string_new(NULL),
		.secrets = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free) };
	int r = parse(&m, which, argc, argv);
	int code = r < 0 ? EXIT_USAGE : EXIT_GOOD;
	if (r > 0)
		printf("backplane img %s %s\n", commands[which].name, commands[which].words);
	char *resolved = r ? NULL : img_resolve(&m, m.create->str);
	if (!r && !resolved)
		code = EXIT_USAGE;
	if (resolved) {
		g_string_assign(m.create, resolved);
		types_add_builtin(bus_types);
		types_add_builtin(host_types);
		types_scan(&m.errors);
		error_list_print(&m.errors, stderr);
		error_list_finish(&m.errors);
		code = commands[which].run(&m);
		fflush(stdout);
	}
	error_list_print(&m.errors, stderr);
	error_list_finish(&m.errors);
	blk_pool_finish();
	types_finish();
	g_free(resolved);
	g_hash_table_destroy(m.secrets);
	g_string_free(m.create, TRUE);
	return code;
}

int tool_img(int argc, char **argv)
{
	if (argc < 2) {
		help(stderr);
		return EXIT_USAGE;
	}
	if (!strcmp(argv[1], "--help") || !strcmp(argv[1], "-h") || !strcmp(argv[1], "help")) {
		help(stdout);
		return EXIT_GOOD;
	}
	for (unsigned i = 0; i < G_N_ELEMENTS(commands); i++)
		if (!strcmp(commands[i].name, argv[1]))
			return run(i, argc - 1, argv + 1);
	return usage("there is no command \"%s\"%s", argv[1], "");
}
