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

/* Calls each(context, key, value) for a list of options, until one of them fails. */
static int each_key(struct img *m, const char *text,
	int (*each)(struct img *m, void *context, const char *key, const char *value),
	void *context)
{
	char *key, *value;
	int r = 0;
	while (!r && option_next(&text, &key, &value)) {
		r = each(m, context, key, value);
		g_free(key);
	}
	return r;
}

struct secret {
	char *id, *value;
	bool is_secret;
};

static int object_key(struct img *m, void *context, const char *key, const char *value)
{
	struct secret *s = context;
	if (!value) {
		s->is_secret = s->is_secret || !strcmp(key, "secret");
		return s->is_secret ? 0 : img_fail(m, "--object %s: only secret is known", key);
	}
	if (!strcmp(key, "id")) {
		g_free(s->id);
		s->id = g_strdup(value);
	} else if (!strcmp(key, "data") || !strcmp(key, "file")) {
		g_free(s->value);
		s->value = g_strdup_printf("%s:%s", key, value);
	} else if (strcmp(key, "format") != 0 || strcmp(value, "raw") != 0) {
		return img_fail(m,
			"--object secret: id, data, file and format=raw are known, not "
			"%s=%s",
			key, value);
	}
	return 0;
}

int img_object(struct img *m, const char *text)
{
	struct secret s = { 0 };
	int r = each_key(m, text, object_key, &s);
	if (!r && (!s.is_secret || !s.id || !s.value))
		r = img_fail(m, "--object secret,id=ID,file=NAME (or data=TEXT) is expected");
	if (!r)
		g_hash_table_insert(m->secrets, g_strdup(s.id), g_strdup(s.value));
	g_free(s.id);
	g_free(s.value);
	return r ? -1 : 0;
}

static void add_key(GString *to, const char *key, const char *value)
{
	g_string_append_printf(to, "%s%s%s", to->len ? "," : "", key, value ? "=" : "");
	for (const char *p = value ? value : ""; *p; p++) {
		if (*p == ',')
			g_string_append_c(to, ',');
		g_string_append_c(to, *p);
	}
}

static int resolve_key(struct img *m, void *context, const char *key, const char *value)
{
	if (value && g_str_has_suffix(key, "key-secret") && !g_str_has_prefix(value, "file:") &&
		!g_str_has_prefix(value, "data:")) {
		const char *id = value;
		value = g_hash_table_lookup(m->secrets, id);
		if (!value)
			return img_fail(m,
				"%s=%s: there is no --object secret,id=%s,file=NAME (or data=TEXT)",
				key, id, id);
	}
	add_key(context, key, value);
	return 0;
}

char *img_resolve(struct img *m, const char *options)
{
	GString *out = g_string_new(NULL);
	int r = each_key(m, options, resolve_key, out);
	return g_string_free(out, r != 0);
}

/* --image-opts: what stands in place of a file's name. */
struct image_opts {
	char *driver, *file;
	GString *options;
};

static int image_key(struct img *m, void *context, const char *key, const char *value)
{
	struct image_opts *o = context;
	char **to = !strcmp(key, "driver")      ? &o->driver
		: !strcmp(key, "file.filename") ? &o->file
						: NULL;
	if (to && value) {
		g_free(*to);
		*to = g_strdup(value);
		return 0;
	}
	if (!strcmp(key, "file.driver") && value && !strcmp(value, "file"))
		return 0;
	return resolve_key(m, o->options, key, value);
}

static int image_opts(struct img *m, const char *text, struct image_opts *o)
{
	*o = (struct image_opts){ .options = g_string_new(NULL) };
	int r = each_key(m, text, image_key, o);
	return r || (o->driver && o->file)
		? r
		: img_fail(m,
			  "%s: with --image-opts driver=FORMAT,file.filename=NAME,... is expected",
			  text);
}

const char *img_format(struct img *m, int letter, const char *file)
{
	if (m->option[IMG_IMAGE_OPTS] && letter != 'O')
		return "of --image-opts";
	if (!m->option[letter])
		img_fail(m,
			"%s: say its format with -%c; formats are never guessed, since a guest "
			"writes "
			"what a guess would look at (`backplane list formats`)",
			file, letter);
	return m->option[letter];
}

static int target_key(struct img *m, void *context, const char *key, const char *value)
{
	(void)m;
	if (value && g_str_has_suffix(key, "key-secret"))
		add_key(context, key, value);
	return 0;
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
	/* A target that was just made is opened with the secret it was made with. */
	struct image_opts o = { .options = g_string_new(options) };
	int r = 0;
	if (m->option[IMG_IMAGE_OPTS] && !(copy && cache == 't')) {
		g_string_free(o.options, TRUE);
		r = image_opts(m, file, &o);
		if (options)
			g_string_append_printf(
				o.options, "%s%s", o.options->len ? "," : "", options);
		spec.file = o.file;
		spec.format = o.driver;
	} else if (copy) {
		r = each_key(m, m->create->str, target_key, o.options);
	}
	spec.options = o.options->len ? o.options->str : NULL;
	bp_blk_node *n = r ? NULL : blk_open(machine_host(), &spec, &m->errors);
	g_free(o.driver);
	g_free(o.file);
	g_string_free(o.options, TRUE);
	return n;
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
