/* SPDX-License-Identifier: MIT */
/* `backplane img`: what can be done with disk images without a machine.
 *
 *   img.c        words of the command line; which command
 *   img_one.c    create, info, check, resize, snapshot, amend, measure, map
 *   img_copy.c   convert, dd, compare, commit, rebase: many bytes, on several threads
 *   img_bench.c  bench
 *   img_util.c   opening, sizes, progress, JSON */
#ifndef TOOLS_IMG_H
#define TOOLS_IMG_H
#include "host/block.h"
#include "machine/machine.h"
#include <glib.h>

enum { IMG_GOOD = 0, IMG_FAILED = 1, IMG_THREADS = 8, IMG_CHUNK = 2 << 20 };

enum { /* options that have no letter */
	IMG_OUTPUT = 1,
	IMG_CHAIN,
	IMG_SHRINK,
	IMG_PREALLOCATION,
	IMG_SIZE,
	IMG_PATTERN,
	IMG_FLUSH_INTERVAL,
	IMG_NO_DRAIN,
	IMG_START,
	IMG_LENGTH,
	IMG_SKIP_CREATE,
	IMG_FILTER,
	IMG_BACKING_FORMAT,
	IMG_OBJECT,
	IMG_IMAGE_OPTS
};

struct img { /* one command */
	const char *command;
	const char
		*option[256]; /* by letter or number: its value, "" for a flag, NULL: not given */
	char **word; /* the others */
	int count;
	struct error_list errors;
	GString *create; /* all -o together */
	GHashTable *secrets; /* of --object: id -> "file:NAME" or "data:TEXT" */
	bool json, quiet, progress;
};

int img_create(struct img *m);
int img_info(struct img *m);
int img_check(struct img *m);
int img_convert(struct img *m);
int img_map(struct img *m);
int img_commit(struct img *m);
int img_rebase(struct img *m);
int img_resize(struct img *m);
int img_snapshot(struct img *m);
int img_compare(struct img *m);
int img_dd(struct img *m);
int img_bench(struct img *m);
int img_amend(struct img *m);
int img_measure(struct img *m);

/* One sentence; returns IMG_FAILED. */
int img_fail(struct img *m, const char *format, ...) BP_PRINTF(2, 3);
/* The value of -f, -O...; NULL after an error that says how to give it. */
const char *img_format(struct img *m, int letter, const char *file);
/* Opens with -U, -t or -T (by `cache`), --filter; NULL after an error. */
bp_blk_node *img_open(struct img *m, const char *file, const char *format, unsigned open,
	const char *options, int cache);
/* 0, or IMG_FAILED. */
int img_close(struct img *m, bp_blk_node *n);
/* --object secret,id=I,file=NAME or data=TEXT. */
int img_object(struct img *m, const char *text);
/* Options with what the ids of secrets stand for; freed with g_free, NULL after an error. */
char *img_resolve(struct img *m, const char *options);
bool img_size(struct img *m, const char *text, uint64_t *bytes);
char *img_size_text(uint64_t bytes); /* "1.5 GiB"; freed with g_free */
void img_show_progress(struct img *m, uint64_t done, uint64_t all);
/* What is at offset, in which image of the chain; beyond their ends zeros. 0 or a negated errno. */
int img_chain_map(bp_blk_node *n, uint64_t offset, uint64_t len, struct bp_blk_extent *out,
	unsigned *depth, bp_blk_node **where);
/* Runs work(arg) on so many threads and waits. */
void img_threads(unsigned count, void (*work)(void *arg), void *arg);

struct json {
	FILE *to;
	unsigned depth;
	bool any; /* something stands in front, on this level */
};
void json_open(struct json *j, const char *key, char bracket);
void json_close(struct json *j, char bracket);
void json_text(struct json *j, const char *key, const char *text);
void json_number(struct json *j, const char *key, uint64_t number);
void json_truth(struct json *j, const char *key, bool truth);

#endif
