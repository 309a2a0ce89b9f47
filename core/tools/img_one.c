/* SPDX-License-Identifier: MIT */
/* Commands about one image. */
#include "img.h"
#include "plugin/field.h"
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>

enum { CHECK_FAILED = 1, CHECK_ERRORS = 2, CHECK_LEAKS = 3, CHECK_NONE = 63 };

/* -o, with `help` for the list. 0, or IMG_FAILED; 1 with *listed: it was help. */
static int creation(struct img *m, const char *format, struct blk_options *o, bool *listed)
{
	const struct type *type;
	const struct bp_blk_format *f = blk_format(format, &type, &m->errors);
	*o = (struct blk_options){ 0 };
	*listed = false;
	if (!f)
		return IMG_FAILED;
	blk_options_init(o, f, type);
	if (!strcmp(m->create->str, "help") || !strcmp(m->create->str, "?")) {
		const struct bp_field *row;
		for (unsigned n = 0; (row = field_at(o->table, o->stride, n)); n++)
			printf("  %-18s %s\n", row->name, row->help);
		*listed = true;
		return IMG_GOOD;
	}
	return blk_options_parse(o, m->create->str, &m->errors) ? IMG_FAILED : IMG_GOOD;
}

/* The size of the backing image, which is also looked at whether it is there. */
static int backing_size(
	struct img *m, const char *file, const char *backing, const char *format, uint64_t *bytes)
{
	char *path = blk_relative(file, backing);
	struct blk_spec spec = { .file = path, .format = format, .shared = true };
	bp_blk_node *n = blk_open(machine_host(), &spec, &m->errors);
	g_free(path);
	if (!n)
		return IMG_FAILED;
	blk_bytes(n, bytes);
	return img_close(m, n);
}

static int create(struct img *m, const char *format, struct blk_options *o)
{
	const char *file = m->word[0];
	uint64_t bytes = UINT64_MAX;
	if (m->option['b'] && blk_options_set(o, "backing_file", m->option['b'], &m->errors) != 0)
		return IMG_FAILED;
	if (m->option['F'] && blk_options_set(o, "backing_fmt", m->option['F'], &m->errors) != 0)
		return IMG_FAILED;
	const char *backing = blk_options_text(o, "backing_file");
	const char *backing_format = blk_options_text(o, "backing_fmt");
	if (m->count > 1 && !img_size(m, m->word[1], &bytes))
		return IMG_FAILED;
	if (backing && !backing_format)
		return img_fail(
			m, "%s: the backing image's format is not given; -F FORMAT says it", file);
	if (backing && (!m->option['u'] || bytes == UINT64_MAX)) {
		uint64_t size;
		if (backing_size(m, file, backing, backing_format, &size))
			return IMG_FAILED;
		bytes = bytes == UINT64_MAX ? size : bytes;
	}
	if (bytes == UINT64_MAX)
		return img_fail(m, "%s: how large? The size is the last word", file);
	bytes = (bytes + BLK_SECTOR - 1) / BLK_SECTOR * BLK_SECTOR;
	if (blk_create(machine_host(), file, format, bytes, o, &m->errors) != 0)
		return IMG_FAILED;
	if (!m->quiet)
		printf("%s: a %s image of %" PRIu64 " bytes\n", file, format, bytes);
	return IMG_GOOD;
}

int img_create(struct img *m)
{
	const char *format = img_format(m, 'f', m->word[0]);
	struct blk_options o;
	bool listed;
	int r = format ? creation(m, format, &o, &listed) : IMG_FAILED;
	if (!format)
		return r;
	if (!r && !listed)
		r = create(m, format, &o);
	blk_options_finish(&o);
	return r;
}

/* ---- info ---- */

struct fact_print {
	struct json *json; /* NULL: for people */
};

static void print_fact(
	void *context, const char *key, int is_truth, uint64_t number, const char *text)
{
	struct fact_print *p = context;
	if (p->json && text)
		json_text(p->json, key, text);
	else if (p->json && is_truth)
		json_truth(p->json, key, number);
	else if (p->json)
		json_number(p->json, key, number);
	else if (text)
		printf("    %s: %s\n", key, text);
	else if (is_truth)
		printf("    %s: %s\n", key, number ? "true" : "false");
	else
		printf("    %s: %" PRIu64 "\n", key, number);
}

static void no_fact(void *context, const char *key, int is_truth, uint64_t number, const char *text)
{
	(void)context;
	(void)key;
	(void)is_truth;
	(void)number;
	(void)text;
}

static struct bp_blk_facts facts_of(bp_blk_node *n, bp_blk_fact *fact, void *context)
{
	struct bp_blk_facts facts = { .size = sizeof(facts) };
	void *self;
	const struct bp_blk_format *f = blk_format_of(n, &self);
	if (f && BP_HAS(f, facts))
		f->facts(self, &facts, fact, context);
	return facts;
}

static int snapshot_at(bp_blk_node *n, unsigned k, struct bp_blk_snapshot *s)
{
	void *self;
	const struct bp_blk_format *f = blk_format_of(n, &self);
	*s = (struct bp_blk_snapshot){ .size = sizeof(*s) };
	return f && BP_HAS(f, snapshot) ? f->snapshot(self, k, s) : -1;
}

static void list_snapshots(bp_blk_node *n)
{
	struct bp_blk_snapshot s;
	for (unsigned k = 0; snapshot_at(n, k, &s) == 0; k++) {
		char date[32] = "";
		time_t t = (time_t)s.date_s;
		struct tm tm;
		if (gmtime_r(&t, &tm))
			strftime(date, sizeof(date), "%Y-%m-%d %H:%M:%S", &tm);
		if (!k)
			printf("Snapshot list:\n%-10s %-20s %10s %20s %14s\n", "ID", "TAG",
				"VM SIZE", "DATE (UTC)", "VM CLOCK");
		char *size = img_size_text(s.state_bytes);
		printf("%-10s %-20s %10s %20s %7" PRIu64 ".%03us\n", s.id, s.name, size, date,
			s.clock_ns / 1000000000, (unsigned)(s.clock_ns / 1000000 % 1000));
		g_free(size);
	}
}

static uint64_t host_bytes(const char *file)
{
	struct stat st;
	return stat(file, &st) == 0 ? (uint64_t)st.st_blocks * 512 : 0;
}

static void info_json(struct json *j, bp_blk_node *n, const char *file, const char *format)
{
	struct fact_print p = { j };
	uint64_t bytes = 0;
	struct bp_blk_snapshot s;
	blk_bytes(n, &bytes);
	struct bp_blk_facts facts = facts_of(n, no_fact, NULL);
	json_open(j, NULL, '{');
	json_number(j, "virtual-size", bytes);
	json_text(j, "filename", file);
	if (facts.cluster_size)
		json_number(j, "cluster-size", facts.cluster_size);
	json_text(j, "format", format);
	json_number(j, "actual-size", host_bytes(file));
	if (facts.cluster_size) {
		json_open(j, "format-specific", '{');
		json_text(j, "type", format);
		json_open(j, "data", '{');
		facts_of(n, print_fact, &p);
		json_close(j, '}');
		json_close(j, '}');
	}
	for (unsigned k = 0; snapshot_at(n, k, &s) == 0; k++) {
		if (!k)
			json_open(j, "snapshots", '[');
		json_open(j, NULL, '{');
		json_text(j, "id", s.id);
		json_text(j, "name", s.name);
		json_number(j, "vm-state-size", s.state_bytes);
		json_number(j, "date-sec", s.date_s);
		json_number(j, "date-nsec", s.date_ns);
		json_number(j, "vm-clock-sec", s.clock_ns / 1000000000);
		json_number(j, "vm-clock-nsec", s.clock_ns % 1000000000);
		json_close(j, '}');
	}
	if (snapshot_at(n, 0, &s) == 0)
		json_close(j, ']');
	if (facts.backing) {
		char *full = blk_relative(file, facts.backing);
		json_text(j, "full-backing-filename", full);
		json_text(j, "backing-filename", facts.backing);
		g_free(full);
		if (facts.backing_format)
			json_text(j, "backing-filename-format", facts.backing_format);
	}
	json_truth(j, "dirty-flag", facts.dirty);
	json_close(j, '}');
}

static void info_text(bp_blk_node *n, const char *file, const char *format)
{
	struct fact_print p = { NULL };
	uint64_t bytes = 0;
	blk_bytes(n, &bytes);
	struct bp_blk_facts facts = facts_of(n, no_fact, NULL);
	char *size = img_size_text(bytes), *used = img_size_text(host_bytes(file));
	printf("image: %s\nfile format: %s\nvirtual size: %s (%" PRIu64 " bytes)\ndisk size: %s\n",
		file, format, size, bytes, used);
	g_free(size);
	g_free(used);
	if (facts.cluster_size)
		printf("cluster_size: %u\n", facts.cluster_size);
	if (facts.backing)
		printf("backing file: %s\n", facts.backing);
	if (facts.backing && facts.backing_format)
		printf("backing file format: %s\n", facts.backing_format);
	if (facts.dirty)
		printf("it was not closed: its tables may need repair\n");
	list_snapshots(n);
	if (facts.cluster_size)
		printf("Format specific information:\n");
	facts_of(n, print_fact, &p);
}

int img_info(struct img *m)
{
	const char *format = img_format(m, 'f', m->word[0]);
	char *file = g_strdup(m->word[0]), *owned = NULL;
	struct json j = { .to = stdout };
	int r = format ? IMG_GOOD : IMG_FAILED;
	if (m->json && m->option[IMG_CHAIN])
		json_open(&j, NULL, '[');
	for (unsigned depth = 0; !r && format && depth < BLK_CHAIN_MAX; depth++) {
		bp_blk_node *n = img_open(
			m, file, format, BP_BLK_OPEN_NO_BACKING | BP_BLK_OPEN_INFO, NULL, 0);
		if (!n) {
			r = IMG_FAILED;
			break;
		}
		if (depth && !m->json)
			printf("\n");
		m->json ? info_json(&j, n, file, format) : info_text(n, file, format);
		struct bp_blk_facts facts = facts_of(n, no_fact, NULL);
		char *next = facts.backing && m->option[IMG_CHAIN]
			? blk_relative(file, facts.backing)
			: NULL;
		char *next_format = g_strdup(facts.backing_format);
		r = img_close(m, n);
		g_free(file);
		g_free(owned);
		file = next;
		format = owned = next_format;
		if (!file)
			break;
		if (!format)
			r = img_fail(m, "%s: the image in front does not say its format", file);
	}
	if (m->json && m->option[IMG_CHAIN])
		json_close(&j, ']');
	g_free(file);
	g_free(owned);
	return r;
}

/* ---- check ---- */

static void check_line(void *context, const char *line)
{
	struct img *m = context;
	if (!m->quiet)
		fprintf(m->json ? stderr : stdout, "%s\n", line);
}

static void check_json(const char *file, const char *format, const struct bp_blk_check *c)
{
	struct json j = { .to = stdout };
	json_open(&j, NULL, '{');
	json_number(&j, "image-end-offset", c->end);
	json_number(&j, "total-clusters", c->clusters);
	json_number(&j, "check-errors", c->failures);
	if (c->errors - c->errors_fixed)
		json_number(&j, "corruptions", c->errors - c->errors_fixed);
	if (c->leaks - c->leaks_fixed)
		json_number(&j, "leaks", c->leaks - c->leaks_fixed);
	if (c->errors_fixed)
		json_number(&j, "corruptions-fixed", c->errors_fixed);
	if (c->leaks_fixed)
		json_number(&j, "leaks-fixed", c->leaks_fixed);
	json_number(&j, "allocated-clusters", c->allocated);
	json_number(&j, "fragmented-clusters", c->fragmented);
	json_number(&j, "compressed-clusters", c->compressed);
	json_text(&j, "filename", file);
	json_text(&j, "format", format);
	json_close(&j, '}');
}

static void check_text(const struct bp_blk_check *c)
{
	uint64_t errors = c->errors - c->errors_fixed, leaks = c->leaks - c->leaks_fixed;
	if (c->errors_fixed || c->leaks_fixed)
		printf("repaired: %" PRIu64 " errors, %" PRIu64 " leaked clusters\n",
			c->errors_fixed, c->leaks_fixed);
	if (!errors && !leaks && !c->failures)
		printf("No errors were found on the image.\n");
	if (errors)
		printf("%" PRIu64 " errors were found: data may be lost, use no longer as it is\n",
			errors);
	if (leaks)
		printf("%" PRIu64 " leaked clusters were found: space is lost, data is not\n",
			leaks);
	if (c->failures)
		printf("%" PRIu64 " parts could not be looked at\n", c->failures);
	if (c->clusters)
		printf("%" PRIu64 "/%" PRIu64 " = %.2f%% allocated, %.2f%% fragmented, %.2f%% "
		       "compressed clusters\n",
			c->allocated, c->clusters,
			100.0 * (double)c->allocated / (double)c->clusters,
			c->allocated ? 100.0 * (double)c->fragmented / (double)c->allocated : 0.0,
			c->allocated ? 100.0 * (double)c->compressed / (double)c->allocated : 0.0);
	printf("Image end offset: %" PRIu64 "\n", c->end);
}

int img_check(struct img *m)
{
	const char *file = m->word[0], *format = img_format(m, 'f', file), *how = m->option['r'];
	struct bp_blk_check c = { .size = sizeof(c), .say = check_line, .context = m };
	void *self;
	if (!format)
		return CHECK_FAILED;
	if (how && strcmp(how, "leaks") != 0 && strcmp(how, "all") != 0) {
		img_fail(m, "-r %s: leaks or all is expected", how);
		return CHECK_FAILED;
	}
	c.repair = !how ? 0 : *how == 'l' ? BP_BLK_REPAIR_LEAKS : BP_BLK_REPAIR_ALL;
	bp_blk_node *n = img_open(m, file, format,
		BP_BLK_OPEN_CHECK | BP_BLK_OPEN_NO_BACKING | (how ? BP_BLK_OPEN_WRITE : 0), NULL,
		'T');
	const struct bp_blk_format *f = n ? blk_format_of(n, &self) : NULL;
	if (!n)
		return CHECK_FAILED;
	if (!BP_HAS(f, check)) {
		img_fail(m, "%s: the format %s has nothing to check", file, format);
		img_close(m, n);
		return CHECK_NONE;
	}
	bp_error err = blk_error(n, &m->errors);
	int r = f->check(self, &c, &err);
	if (img_close(m, n) || r)
		return CHECK_FAILED;
	if (m->json)
		check_json(file, format, &c);
	else if (!m->quiet)
		check_text(&c);
	return c.errors > c.errors_fixed  ? CHECK_ERRORS
		: c.failures              ? CHECK_FAILED
		: c.leaks > c.leaks_fixed ? CHECK_LEAKS
					  : IMG_GOOD;
}

/* ---- resize, snapshot, amend ---- */

int img_resize(struct img *m)
{
	static const char *const modes[] = { "off", "metadata", "falloc", "full" };
	const char *file = m->word[0], *format = img_format(m, 'f', file), *text = m->word[1];
	const char *mode = m->option[IMG_PREALLOCATION] ? m->option[IMG_PREALLOCATION] : "off";
	uint64_t by, bytes = 0;
	unsigned prealloc = 0;
	void *self;
	if (!format || !img_size(m, text + (*text == '+' || *text == '-'), &by))
		return IMG_FAILED;
	while (prealloc < G_N_ELEMENTS(modes) && strcmp(modes[prealloc], mode) != 0)
		prealloc++;
	if (prealloc == G_N_ELEMENTS(modes))
		return img_fail(
			m, "--preallocation=%s: off, metadata, falloc or full is expected", mode);
	bp_blk_node *n = img_open(m, file, format, BP_BLK_OPEN_WRITE, NULL, 0);
	const struct bp_blk_format *f = n ? blk_format_of(n, &self) : NULL;
	if (!n)
		return IMG_FAILED;
	blk_bytes(n, &bytes);
	uint64_t to = *text == '+' ? bytes + by : *text == '-' ? bytes - MIN(by, bytes) : by;
	bp_error err = blk_error(n, &m->errors);
	int r = 0;
	if (!BP_HAS(f, resize))
		r = img_fail(m, "%s: images of the format %s cannot be resized", file, format);
	else if (to < bytes && !m->option[IMG_SHRINK])
		r = img_fail(m,
			"%s: %" PRIu64 " bytes are less than the %" PRIu64
			" there are, and what lies "
			"behind would be lost; --shrink says that this is meant",
			file, to, bytes);
	else
		r = f->resize(self, to, (int)prealloc, &err);
	r |= img_close(m, n);
	if (!r && !m->quiet)
		printf("%s: now %" PRIu64 " bytes\n", file, to);
	return r ? IMG_FAILED : IMG_GOOD;
}

int img_snapshot(struct img *m)
{
	const char *file = m->word[0], *format = img_format(m, 'f', file);
	bool change = m->option['c'] || m->option['a'] || m->option['d'];
	void *self;
	if (!format)
		return IMG_FAILED;
	if (!m->option['c'] + !m->option['a'] + !m->option['d'] < 2)
		return img_fail(m, "one of -c, -a and -d at a time");
	bp_blk_node *n = img_open(m, file, format,
		change ? BP_BLK_OPEN_WRITE : BP_BLK_OPEN_NO_BACKING | BP_BLK_OPEN_INFO, NULL, 0);
	const struct bp_blk_format *f = n ? blk_format_of(n, &self) : NULL;
	if (!n)
		return IMG_FAILED;
	bp_error err = blk_error(n, &m->errors);
	int r = 0;
	if (!BP_HAS(f, snapshot_create) || !BP_HAS(f, snapshot_apply) ||
		!BP_HAS(f, snapshot_delete))
		r = img_fail(m, "%s: images of the format %s have no snapshots", file, format);
	else if (m->option['c'])
		r = f->snapshot_create(
			self, m->option['c'], (uint64_t)g_get_real_time() * 1000, &err);
	else if (m->option['a'])
		r = f->snapshot_apply(self, m->option['a'], &err);
	else if (m->option['d'])
		r = f->snapshot_delete(self, m->option['d'], &err);
	else
		list_snapshots(n);
	return img_close(m, n) || r ? IMG_FAILED : IMG_GOOD;
}

int img_amend(struct img *m)
{
	const char *file = m->word[0], *format = img_format(m, 'f', file);
	struct blk_options o;
	bool listed;
	void *self;
	if (!format)
		return IMG_FAILED;
	if (!m->create->len)
		return img_fail(m, "amend: -o says what to change");
	int r = creation(m, format, &o, &listed);
	bp_blk_node *n =
		r || listed ? NULL : img_open(m, file, format, BP_BLK_OPEN_WRITE, NULL, 't');
	const struct bp_blk_format *f = n ? blk_format_of(n, &self) : NULL;
	if (n) {
		bp_error err = blk_error(n, &m->errors);
		r = BP_HAS(f, amend)
			? f->amend(self, o.values, o.given, &err)
			: img_fail(m, "%s: nothing of format %s can be changed", file, format);
		r |= img_close(m, n);
		img_show_progress(m, 1, 1);
	}
	blk_options_finish(&o);
	return r || m->errors.total ? IMG_FAILED : IMG_GOOD;
}

/* ---- measure ---- */

/* Bytes that a copy would have to write, by the target's clusters. */
static int data_bytes(
	struct img *m, bp_blk_node *n, uint64_t bytes, uint64_t cluster, uint64_t *sum)
{
	uint64_t counted = 0; /* up to this offset */
	for (uint64_t at = 0; at < bytes;) {
		struct bp_blk_extent e;
		unsigned depth;
		bp_blk_node *where;
		int r = img_chain_map(n, at, bytes - at, &e, &depth, &where);
		if (r)
			return img_fail(m, "%s: %s", n->name, g_strerror(-r));
		if (!(e.flags & BP_BLK_ZERO)) {
			uint64_t from = MAX(at / cluster * cluster, counted);
			uint64_t to = (at + e.len + cluster - 1) / cluster * cluster;
			*sum += to > from ? to - from : 0;
			counted = MAX(counted, to);
		}
		at += e.len;
	}
	return IMG_GOOD;
}

static int measure(struct img *m, const struct bp_blk_format *f, struct blk_options *o)
{
	struct bp_blk_measure measure = { .size = sizeof(measure) };
	uint64_t cluster = blk_options_number(o, "cluster_size");
	if (m->option[IMG_SIZE]) {
		if (!img_size(m, m->option[IMG_SIZE], &measure.disk_bytes))
			return IMG_FAILED;
	} else {
		const char *format = img_format(m, 'f', m->word[0]);
		char *snapshot =
			m->option['l'] ? g_strdup_printf("snapshot=%s", m->option['l']) : NULL;
		bp_blk_node *n = format ? img_open(m, m->word[0], format, 0, snapshot, 0) : NULL;
		g_free(snapshot);
		if (!n)
			return IMG_FAILED;
		blk_bytes(n, &measure.disk_bytes);
		int r = data_bytes(
			m, n, measure.disk_bytes, cluster ? cluster : 4096, &measure.data_bytes);
		if (img_close(m, n) || r)
			return IMG_FAILED;
	}
	bp_error err = { &m->errors, NULL };
	if (!BP_HAS(f, measure))
		return img_fail(m, "the format %s cannot be measured", m->option['O']);
	if (f->measure(machine_host(), o->values, &measure, &err) != 0)
		return IMG_FAILED;
	struct json j = { .to = stdout };
	if (m->json) {
		json_open(&j, NULL, '{');
		json_number(&j, "required", measure.required);
		json_number(&j, "fully-allocated", measure.full);
		json_close(&j, '}');
	} else {
		printf("required size: %" PRIu64 "\nfully allocated size: %" PRIu64 "\n",
			measure.required, measure.full);
	}
	return IMG_GOOD;
}

int img_measure(struct img *m)
{
	const char *format = img_format(m, 'O', "the image to be made");
	const struct type *type;
	struct blk_options o;
	bool listed;
	if (!format)
		return IMG_FAILED;
	if (!m->count == !m->option[IMG_SIZE])
		return img_fail(m, "measure: either --size=N or a FILE is expected");
	int r = creation(m, format, &o, &listed);
	if (!r && !listed)
		r = measure(m, blk_format(format, &type, &m->errors), &o);
	blk_options_finish(&o);
	return r;
}

/* ---- map ---- */

struct piece {
	uint64_t start, len, offset;
	unsigned flags, depth;
	bp_blk_node *where;
};

static void print_piece(struct img *m, struct json *j, const struct piece *p)
{
	if (!p->len)
		return;
	if (m->json) {
		fprintf(j->to,
			"%s{ \"start\": %" PRIu64 ", \"length\": %" PRIu64
			", \"depth\": %u, \"present\": %s, \"zero\": %s, \"data\": %s",
			j->any ? ",\n" : "", p->start, p->len, p->depth,
			p->flags & BP_BLK_ALLOCATED ? "true" : "false",
			p->flags & BP_BLK_ZERO ? "true" : "false",
			p->flags & BP_BLK_DATA ? "true" : "false");
		if (p->flags & BP_BLK_OFFSET)
			fprintf(j->to, ", \"offset\": %" PRIu64, p->offset);
		fputs("}", j->to);
		j->any = true;
	} else if (p->flags & BP_BLK_DATA && p->flags & BP_BLK_OFFSET) {
		printf("0x%-16" PRIx64 " 0x%-16" PRIx64 " 0x%-16" PRIx64 " %s\n", p->start, p->len,
			p->offset, p->where->name);
	} else if (p->flags & BP_BLK_DATA) {
		printf("0x%-16" PRIx64 " 0x%-16" PRIx64 " %-18s %s\n", p->start, p->len,
			"(compressed)", p->where->name);
	}
}

static bool continues(const struct piece *p, const struct piece *q)
{
	return p->len && p->flags == q->flags && p->depth == q->depth && p->where == q->where &&
		(!(p->flags & BP_BLK_OFFSET) || p->offset + p->len == q->offset);
}

int img_map(struct img *m)
{
	const char *file = m->word[0], *format = img_format(m, 'f', file);
	uint64_t at = 0, end = 0, len = UINT64_MAX;
	struct json j = { .to = stdout };
	struct piece last = { 0 };
	if (!format || (m->option[IMG_START] && !img_size(m, m->option[IMG_START], &at)) ||
		(m->option[IMG_LENGTH] && !img_size(m, m->option[IMG_LENGTH], &len)))
		return IMG_FAILED;
	bp_blk_node *n = img_open(m, file, format, 0, NULL, 0);
	if (!n)
		return IMG_FAILED;
	blk_bytes(n, &end);
	end = at < end && len < end - at ? at + len : end;
	if (m->json)
		printf("[");
	else
		printf("%-18s %-18s %-18s %s\n", "Offset", "Length", "Mapped to", "File");
	int r = 0;
	while (at < end && !r) {
		struct bp_blk_extent e;
		struct piece p = { .start = at };
		r = img_chain_map(n, at, end - at, &e, &p.depth, &p.where);
		p.len = e.len;
		p.flags = e.flags & ~(unsigned)BP_BLK_IN_PIECES;
		p.offset = e.host_offset;
		if (!r && continues(&last, &p)) {
			last.len += p.len;
		} else if (!r) {
			print_piece(m, &j, &last);
			last = p;
		}
		at += e.len;
	}
	print_piece(m, &j, &last);
	if (m->json)
		printf("]\n");
	if (r)
		img_fail(m, "%s: %s", file, g_strerror(-r));
	return img_close(m, n) || r ? IMG_FAILED : IMG_GOOD;
}
