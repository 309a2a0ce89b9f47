/* SPDX-License-Identifier: MIT */
#include "img.h"
#include "plugin/field.h"
#include <inttypes.h>
#include <pthread.h>
#include <stdarg.h>
#include <string.h>

int img_fail(struct img *m, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	error_list_addv(&m->errors, NULL, format, args);
	va_end(args);
	return IMG_FAILED;
}

const char *img_format(struct img *m, int letter, const char *file)
{
	if (!m->option[letter])
		img_fail(m,
			"%s: say its format with -%c; formats are never guessed, since a guest "
			"writes "
			"what a guess would look at (`backplane list formats`)",
			file, letter);
	return m->option[letter];
}

bp_blk_node *img_open(struct img *m, const char *file, const char *format, unsigned open,
	const char *options, int cache)
{
	/* A copy that a crash makes useless is made again: nobody waits for the disk, but who asks for
	 * it with -t. What changes an image in its place is synced. */
	bool copy = open & BP_BLK_OPEN_WRITE &&
		(!strcmp(m->command, "convert") || !strcmp(m->command, "dd"));
	const char *name = cache && m->option[cache] ? m->option[cache]
		: copy                               ? "unsafe"
						     : "writeback";
	const struct blk_cache_mode *mode = blk_cache_mode(name);
	if (!mode) {
		img_fail(m,
			"-%c %s: writeback, none, writethrough, directsync or unsafe is expected",
			cache, name);
		return NULL;
	}
	struct blk_spec spec = { .file = file,
		.format = format,
		.options = options,
		.filter = m->option[IMG_FILTER],
		.backing_format = m->option[IMG_BACKING_FORMAT],
		.open = open | (mode->no_flush ? BP_BLK_OPEN_NO_FLUSH : 0),
		.direct = mode->direct,
		.shared = m->option['U'] && !(open & BP_BLK_OPEN_WRITE) };
	return blk_open(machine_host(), &spec, &m->errors);
}

int img_close(struct img *m, bp_blk_node *n)
{
	return blk_close(n, &m->errors) ? IMG_FAILED : IMG_GOOD;
}

bool img_size(struct img *m, const char *text, uint64_t *bytes)
{
	char *upper = g_ascii_strup(text, -1);
	bool good = size_parse(upper, bytes) && *bytes <= INT64_MAX;
	g_free(upper);
	if (!good)
		img_fail(m, "\"%s\" is no size; bytes, or 64k, 1M, 1.5G are expected", text);
	return good;
}

char *img_size_text(uint64_t bytes)
{
	static const char *const units[] = { "B", "KiB", "MiB", "GiB", "TiB", "PiB", "EiB" };
	double v = (double)bytes;
	unsigned u = 0;
	for (; v >= 1000 && u + 1 < G_N_ELEMENTS(units); u++)
		v /= 1024;
	return g_strdup_printf("%.3g %s", v, units[u]);
}

void img_show_progress(struct img *m, uint64_t done, uint64_t all)
{
	if (!m->progress)
		return;
	printf("    (%.2f/100%%)%s", all ? 100.0 * (double)done / (double)all : 100.0,
		done >= all ? "\n" : "\r");
	fflush(stdout);
}

int img_chain_map(bp_blk_node *n, uint64_t offset, uint64_t len, struct bp_blk_extent *out,
	unsigned *depth, bp_blk_node **where)
{
	*depth = 0;
	*where = n;
	for (;;) {
		uint64_t end;
		int r = blk_bytes(n, &end);
		r = r ? r : blk_map(n, offset, len, out);
		if (r)
			return r;
		*where = n;
		len = out->len;
		n = blk_backing(n);
		if (offset >= end || out->flags & (BP_BLK_ALLOCATED | BP_BLK_ZERO | BP_BLK_DATA) ||
			!n)
			break;
		++*depth;
	}
	if (!(out->flags & (BP_BLK_ZERO | BP_BLK_DATA)))
		out->flags |= BP_BLK_ZERO; /* nothing anywhere */
	return 0;
}

struct worker {
	void (*work)(void *arg);
	void *arg;
};

static void *start(void *arg)
{
	struct worker *w = arg;
	w->work(w->arg);
	return NULL;
}

void img_threads(unsigned count, void (*work)(void *arg), void *arg)
{
	pthread_t *threads = g_new0(pthread_t, count);
	struct worker w = { work, arg };
	unsigned n = 0;
	while (n < count && pthread_create(&threads[n], NULL, start, &w) == 0)
		n++;
	if (!n)
		work(arg);
	while (n)
		pthread_join(threads[--n], NULL);
	g_free(threads);
}

/* ---- JSON ---- */

static void next(struct json *j, const char *key)
{
	fprintf(j->to, "%s%s%*s", j->any ? "," : "", j->depth ? "\n" : "", (int)j->depth * 4, "");
	if (key) {
		fprintf(j->to, "\"%s\": ", key);
	}
	j->any = true;
}

void json_open(struct json *j, const char *key, char bracket)
{
	next(j, key);
	fputc(bracket, j->to);
	j->depth++;
	j->any = false;
}

void json_close(struct json *j, char bracket)
{
	j->depth--;
	if (j->any)
		fprintf(j->to, "\n%*s", (int)j->depth * 4, "");
	fputc(bracket, j->to);
	if (!j->depth)
		fputc('\n', j->to);
	j->any = true;
}

void json_text(struct json *j, const char *key, const char *text)
{
	next(j, key);
	fputc('"', j->to);
	char *valid = g_utf8_make_valid(text, -1);
	for (const unsigned char *p = (const unsigned char *)valid; *p; p++) {
		if (*p == '"' || *p == '\\')
			fprintf(j->to, "\\%c", *p);
		else if (*p < 0x20 || *p == 0x7f)
			fprintf(j->to, "\\u%04x", *p);
		else
			fputc(*p, j->to);
	}
	g_free(valid);
	fputc('"', j->to);
}

void json_number(struct json *j, const char *key, uint64_t number)
{
	next(j, key);
	fprintf(j->to, "%" PRIu64, number);
}

void json_truth(struct json *j, const char *key, bool truth)
{
	next(j, key);
	fputs(truth ? "true" : "false", j->to);
}
