/* SPDX-License-Identifier: MIT */
/* The subcommands of `backplane`. */
#ifndef TOOLS_TOOLS_H
#define TOOLS_TOOLS_H
#include "machine/machine.h"

enum { EXIT_GOOD = 0, EXIT_USAGE = 1, EXIT_OUTSIDE = 2 };

struct words { /* what is left of the command line */
	int count, at;
	char **word;
};

struct options { /* given anywhere behind the subcommand */
	GPtrArray *set; /* struct option_use *: --set, board options, --trace, in their order */
	const char *first; /* the word that is no option: a machine, a type, a list */
	bool help, conflicts;
	const char *restore, *save_to, *save_at; /* files and counts, or NULL */
};
struct option_use {
	const char *name, *value;
	unsigned word;
};

int tool_run(struct options *o);
int tool_check(struct options *o);
int tool_dump(struct options *o);
int tool_list(struct options *o);
int tool_describe(struct options *o);
/* Words behind "backplane", the first being "img". */
int tool_img(int argc, char **argv);
/* The words behind "user". */
int tool_user(int count, char **word);

/* Read the machine named by o->first, with the options applied. NULL after errors were printed. */
struct toml_value *tool_description(struct options *o, struct error_list *errors);

#endif
