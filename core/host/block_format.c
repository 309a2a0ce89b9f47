/* SPDX-License-Identifier: MIT */
/* Nodes that a plugin's format or filter makes of other nodes; chains of images; creating images. */
#include "block.h"
#include "plugin/field.h"
#include <errno.h>
#include <glib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

struct format_node {
	bp_blk_node node;
	const struct bp_host *host;
	struct object *object;
	const struct bp_blk_format *ops;
	struct domain *domain;
	bp_blk_node *file, *backing, *data;
	struct bp_blk_open how;
	struct blk_spec spec; /* without its strings */
	char *backing_format;
	const struct format_node *above; /* while opening */
	bool opened;
};

static struct format_node *format_of(bp_blk_node *n)
{
	return (struct format_node *)(void *)n;
}

/* ---- requests ---- */

static int format_read(
	bp_blk_node *n, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov, uint32_t count)
{
	struct format_node *f = format_of(n);
	return f->ops->read(f->object->instance, offset, len, iov, count);
}

static int format_write(bp_blk_node *n, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
	uint32_t count, unsigned flags)
{
	struct format_node *f = format_of(n);
	return BP_HAS(f->ops, write)
		? f->ops->write(f->object->instance, offset, len, iov, count, flags)
		: -EROFS;
}

static int format_flush(bp_blk_node *n)
{
	struct format_node *f = format_of(n);
	return BP_HAS(f->ops, flush) ? f->ops->flush(f->object->instance) : blk_flush(f->file);
}

static int format_discard(bp_blk_node *n, uint64_t offset, uint64_t len)
{
	struct format_node *f = format_of(n);
	return BP_HAS(f->ops, discard) ? f->ops->discard(f->object->instance, offset, len) : 0;
}

static int format_write_zeroes(bp_blk_node *n, uint64_t offset, uint64_t len, unsigned flags)
{
	enum { STEP = 1 << 20 };
	struct format_node *f = format_of(n);
	int r = BP_HAS(f->ops, write_zeroes)
		? f->ops->write_zeroes(f->object->instance, offset, len, flags)
		: -ENOTSUP;
	if (r != -ENOTSUP)
		return r;
	size_t size = (size_t)MIN(len, STEP);
	void *zeros = blk_memory(size);
	if (!zeros)
		return -ENOMEM;
	memset(zeros, 0, size);
	r = 0;
	for (uint64_t done = 0; done < len && !r; done += size) {
		struct bp_blk_iov iov = { zeros, (size_t)MIN(len - done, size) };
		r = format_write(n, offset + done, iov.len, &iov, 1, 0);
	}
	blk_memory_free(zeros, size);
	return r;
}

static int format_bytes(bp_blk_node *n, uint64_t *bytes)
{
	struct format_node *f = format_of(n);
	*bytes = f->ops->bytes(f->object->instance);
	return 0;
}

static int format_resize(bp_blk_node *n, uint64_t bytes, int prealloc)
{
	struct format_node *f = format_of(n);
	struct error_list ignored = { 0 };
	bp_error err = { &ignored, f->object };
	int r = BP_HAS(f->ops, resize) ? f->ops->resize(f->object->instance, bytes, prealloc, &err)
				       : -1;
	error_list_finish(&ignored);
	return r ? -ENOTSUP : 0;
}

static int format_map(bp_blk_node *n, uint64_t offset, uint64_t len, struct bp_blk_extent *out)
{
	struct format_node *f = format_of(n);
	*out = (struct bp_blk_extent){
		.size = sizeof(*out), .flags = BP_BLK_DATA | BP_BLK_ALLOCATED, .len = len
	};
	return BP_HAS(f->ops, map) ? f->ops->map(f->object->instance, offset, len, out) : 0;
}

static int format_close(bp_blk_node *n, struct error_list *errors)
{
	struct format_node *f = format_of(n);
	bp_error err = { errors, f->object };
	int r = 0;
	if (f->opened && f->ops->close(f->object->instance, &err) != 0)
		r = -1;
	if (f->object && f->object->type->object->destroy)
		f->object->type->object->destroy(f->object->instance);
	r |= blk_close(f->data, errors);
	r |= blk_close(f->file, errors);
	r |= blk_close(f->backing, errors);
	object_free(f->object);
	domain_free(f->domain);
	g_free(f->backing_format);
	g_free(f);
	return r;
}

static const struct blk_ops ops = { format_read, format_write, format_flush, format_discard,
	format_write_zeroes, format_bytes, format_resize, format_map, format_close };

const struct bp_blk_format *blk_format_of(bp_blk_node *n, void **self)
{
	if (n->ops != &ops)
		return NULL;
	*self = format_of(n)->object->instance;
	return format_of(n)->ops;
}

bp_blk_node *blk_backing(bp_blk_node *n)
{
	return n->ops == &ops ? format_of(n)->backing : NULL;
}

bp_blk_node *blk_file_of(bp_blk_node *n)
{
	return n->ops == &ops ? format_of(n)->file : NULL;
}

bp_blk_node *blk_plain(bp_blk_node *n, uint64_t *offset)
{
	*offset = 0;
	if (blk_is_file(n))
		return n;
	if (n->ops != &ops || !BP_HAS(format_of(n)->ops, plain) || !blk_is_file(format_of(n)->file))
		return NULL;
	struct format_node *f = format_of(n);
	return f->ops->plain(f->object->instance, offset) ? f->file : NULL;
}

bp_error blk_error(bp_blk_node *n, struct error_list *errors)
{
	return (bp_error){ errors, n->ops == &ops ? format_of(n)->object : NULL };
}

/* ---- formats and their options ---- */

const struct bp_blk_format *blk_format(
	const char *name, const struct type **type, struct error_list *errors)
{
	char *id = g_strdup_printf("fmt-%s", name);
	struct type_entry *e = type_find(id);
	const struct type *t = e && e->kind == BP_KIND_FORMAT ? type_load(e, NULL, errors) : NULL;
	char *package = e ? NULL : type_package(id);
	if (!e || e->kind != BP_KIND_FORMAT)
		error_list_add(errors, NULL,
			"there is no disk format \"%s\"%s%s; `backplane list formats` names those "
			"there are",
			name, package ? ": it is in the package " : "", package ? package : "");
	g_free(package);
	g_free(id);
	if (!t)
		return NULL;
	const struct bp_blk_format *f = t->ext;
	if (!f || !BP_HAS(f, open) || !BP_HAS(f, close) || !BP_HAS(f, bytes) || !BP_HAS(f, read)) {
		error_list_add(errors, NULL,
			"the plugin of the disk format \"%s\" has no open, close, bytes or read",
			name);
		return NULL;
	}
	*type = t;
	return f;
}

/* Options as people write them on command lines: also "on", "yes", "64k". */
static int set_value(const struct bp_field *f, void *values, const char *text)
{
	static const char *const truths[] = { "off", "on", "false", "true", "no", "yes", "0", "1" };
	uint64_t number = 0;
	char *end;
	if (f->type == BP_STR) {
		field_set_string(f, values, text);
		return 0;
	}
	if (f->type == BP_ENUM)
		return field_set_word(f, values, text);
	if (f->type == BP_BOOL) {
		for (unsigned i = 0; i < G_N_ELEMENTS(truths); i++)
			if (!strcmp(text, truths[i]))
				return field_set_number(f, values, i & 1, false);
		return -1;
	}
	if (f->type == BP_SIZE) {
		char *upper = g_ascii_strup(text, -1);
		bool good = size_parse(upper, &number);
		g_free(upper);
		return good ? field_set_number(f, values, number, false) : -1;
	}
	errno = 0;
	number = g_ascii_strtoull(text, &end, 10);
	if (!*text || *end || errno || text[0] == '-')
		return -1;
	return field_set_number(f, values, number, false);
}

static int set_option(const struct bp_field *table, uint32_t stride, void *values, const char *key,
	const char *value, struct error_list *errors)
{
	const struct bp_field *f = field_find(table, stride, key);
	struct nearest near;
	nearest_init(&near, key);
	for (unsigned n = 0; (!f || !value) && field_at(table, stride, n); n++)
		nearest_try(&near, field_at(table, stride, n)->name);
	if (!f)
		return error_list_add(errors, NULL, "there is no option \"%s\"%s%s%s", key,
			near.best ? "; did you mean \"" : "", near.best ? near.best : "",
			near.best ? "\"?" : "");
	if (!value && f->type != BP_BOOL)
		return error_list_add(errors, NULL, "the option \"%s\" needs a value", key);
	if (set_value(f, values, value ? value : "on") == 0)
		return 0;
	char *words = f->type == BP_ENUM ? g_strjoinv(", ", (char **)(uintptr_t)f->names) : NULL;
	error_list_add(errors, NULL, "%s=%s: %s%s is expected", key, value ? value : "",
		words ? "one of " : "", words ? words : field_type_text(f));
	g_free(words);
	return -1;
}

void blk_options_init(struct blk_options *o, const struct bp_blk_format *f, const struct type *type)
{
	unsigned rows = 0;
	*o = (struct blk_options){ 0 };
	if (!BP_HAS(f, create_options))
		return;
	o->table = f->create_options;
	o->stride = type->field_size;
	o->size = f->create_size;
	while (field_at(o->table, o->stride, rows))
		rows++;
	o->values = g_malloc0(o->size);
	o->given = g_malloc0(rows + 1);
	fields_set_defaults(o->table, o->stride, o->values);
}

int blk_options_set(
	struct blk_options *o, const char *key, const char *value, struct error_list *errors)
{
	if (set_option(o->table, o->stride, o->values, key, value, errors) != 0)
		return -1;
	for (unsigned n = 0; field_at(o->table, o->stride, n); n++)
		if (!strcmp(field_at(o->table, o->stride, n)->name, key))
			o->given[n] = 1;
	return 0;
}

int blk_options_parse(struct blk_options *o, const char *text, struct error_list *errors)
{
	char *key, *value;
	int r = 0;
	while (option_next(&text, &key, &value)) {
		r |= blk_options_set(o, key, value, errors);
		g_free(key);
	}
	return r;
}

const char *blk_options_text(const struct blk_options *o, const char *key)
{
	const struct bp_field *f = field_find(o->table, o->stride, key);
	return f && f->type == BP_STR ? field_get_string(f, o->values) : NULL;
}

uint64_t blk_options_number(const struct blk_options *o, const char *key)
{
	const struct bp_field *f = field_find(o->table, o->stride, key);
	return f && f->type != BP_STR ? field_get_number(f, o->values) : 0;
}

void blk_options_finish(struct blk_options *o)
{
	if (o->table)
		fields_free_strings(o->table, o->stride, o->values);
	g_free(o->values);
	g_free(o->given);
	*o = (struct blk_options){ 0 };
}

/* ---- opening ---- */

char *blk_relative(const char *image, const char *name)
{
	const char *slash = strrchr(image, '/');
	if (!slash || name[0] == '/')
		return g_strdup(name);
	return g_strdup_printf("%.*s%s", (int)(slash + 1 - image), image, name);
}

static int depth_of(const struct format_node *f)
{
	int n = 0;
	for (; f; f = f->above)
		n++;
	return n;
}

/* A chain that comes back to a file it already has would never end. */
static bool is_above(const struct format_node *f, const char *name)
{
	struct stat a, b;
	for (; f; f = f->above)
		if (stat(name, &a) == 0 && stat(f->node.name, &b) == 0 && a.st_dev == b.st_dev &&
			a.st_ino == b.st_ino)
			return true;
	return false;
}

static bp_blk_node *open_one(const struct bp_host *host, const struct blk_spec *spec,
	const struct format_node *above, struct error_list *errors);

static struct format_node *from_how(const struct bp_blk_open *how)
{
	return (struct format_node *)((char *)(uintptr_t)how - offsetof(struct format_node, how));
}

static bp_blk_node *open_backing(
	const struct bp_blk_open *how, const char *name, const char *format, bp_error *err)
{
	struct format_node *f = from_how(how);
	const char *given = f->backing_format ? f->backing_format : format;
	if (f->backing)
		return object_fail(err, "it has a second backing image \"%s\"", name), NULL;
	if (!given)
		return object_fail(err,
			       "the backing image \"%s\" is named without its format, and formats "
			       "are never guessed; say it with backing-format (img: "
			       "--backing-format "
			       "F), or write it down with `backplane img rebase -u -b FILE -F "
			       "FORMAT`",
			       name),
		       NULL;
	char *path = blk_relative(f->node.name, name);
	struct blk_spec spec = { .file = path,
		.format = given,
		.open = how->flags & ~(unsigned)(BP_BLK_OPEN_WRITE | BP_BLK_OPEN_CHECK),
		.direct = f->spec.direct,
		.shared = f->spec.shared };
	if (depth_of(f) >= BLK_CHAIN_MAX)
		object_fail(err, "more than %d images lie behind each other", BLK_CHAIN_MAX);
	else if (is_above(f, path))
		object_fail(err, "the backing image \"%s\" is above it in the same chain", name);
	else
		f->backing = open_one(f->host, &spec, f, err->errors);
	g_free(path);
	return f->backing;
}

static bp_blk_node *open_data(const struct bp_blk_open *how, const char *name, bp_error *err)
{
	struct format_node *f = from_how(how);
	if (f->data)
		return object_fail(err, "it has a second data file \"%s\"", name), NULL;
	char *path = blk_relative(f->node.name, name);
	f->data =
		blk_file_open(path, how->flags, f->spec.direct, f->spec.shared, false, err->errors);
	g_free(path);
	return f->data;
}

static struct format_node *make(const struct bp_host *host, const struct blk_spec *spec,
	const char *format, const char *options, struct error_list *errors)
{
	const struct type *type;
	const struct bp_blk_format *table = blk_format(format, &type, errors);
	if (!table)
		return NULL;
	struct format_node *f = g_new0(struct format_node, 1);
	f->node = (bp_blk_node){ &ops, g_strdup(spec->file),
		spec->open & BP_BLK_OPEN_WRITE ? 0 : BP_BLK_FILE_READ_ONLY };
	f->host = host;
	f->ops = table;
	f->spec = (struct blk_spec){ .direct = spec->direct, .shared = spec->shared };
	f->backing_format = g_strdup(spec->backing_format);
	f->domain = domain_new(f->node.name, true);
	f->object = object_new(type, spec->file, NULL, f->domain);
	bp_error err = { errors, f->object };
	char *key, *value;
	int r = 0;
	while (options && option_next(&options, &key, &value)) {
		r |= set_option(type->object->props, type->field_size, f->object->instance, key,
			value, errors);
		g_free(key);
	}
	if (!r && type->object->create)
		r = type->object->create(f->object->instance, host, &err);
	if (!r)
		return f;
	blk_close(&f->node, errors);
	return NULL;
}

/* The format or filter over `below`, which it takes. */
static bp_blk_node *put_over(const struct bp_host *host, const struct blk_spec *spec,
	const char *format, const char *options, bp_blk_node *below,
	const struct format_node *above, struct error_list *errors)
{
	struct format_node *f = make(host, spec, format, options, errors);
	if (!f) {
		blk_close(below, errors);
		return NULL;
	}
	f->file = below;
	f->above = above;
	f->how = (struct bp_blk_open){ .size = sizeof(f->how),
		.flags = spec->open,
		.file = below,
		.name = f->node.name,
		.layer = &blk_layer,
		.backing = open_backing,
		.data = open_data };
	bp_error err = { errors, f->object };
	unsigned before = errors->total;
	f->opened = f->ops->open(f->object->instance, &f->how, &err) == 0;
	f->above = NULL;
	if (!f->opened && errors->total == before)
		object_fail(&err, "it could not be opened and does not say why");
	if (f->opened && f->ops->bytes(f->object->instance) > INT64_MAX)
		object_fail(&err, "a disk of more than 2^63 bytes");
	if (errors->total == before) {
		if (f->ops->flags & BP_BLK_FORMAT_FILTER)
			f->node.flags = below->flags;
		return &f->node;
	}
	blk_close(&f->node, errors);
	return NULL;
}

static bp_blk_node *open_one(const struct bp_host *host, const struct blk_spec *spec,
	const struct format_node *above, struct error_list *errors)
{
	unsigned before = errors->total;
	bp_blk_node *n =
		blk_file_open(spec->file, spec->open, spec->direct, spec->shared, false, errors);
	if (n && spec->filter) {
		char **half = g_strsplit(spec->filter, ",", 2);
		n = put_over(host, spec, half[0] ? half[0] : "", half[0] ? half[1] : NULL, n, NULL,
			errors);
		g_strfreev(half);
	}
	if (n && spec->format)
		n = put_over(host, spec, spec->format, spec->options, n, above, errors);
	if (n && errors->total != before) {
		blk_close(n, errors);
		return NULL;
	}
	return n;
}

bp_blk_node *blk_open(
	const struct bp_host *host, const struct blk_spec *spec, struct error_list *errors)
{
	return open_one(host, spec, NULL, errors);
}

/* ---- creating ---- */

int blk_create(const struct bp_host *host, const char *file, const char *format, uint64_t bytes,
	struct blk_options *o, struct error_list *errors)
{
	const struct type *type;
	const struct bp_blk_format *f = blk_format(format, &type, errors);
	if (!f)
		return -1;
	if (!BP_HAS(f, create))
		return error_list_add(
			errors, NULL, "%s: images of format %s cannot be made", file, format);
	const char *data_name = blk_options_text(o, "data_file");
	char *data_path = data_name ? blk_relative(file, data_name) : NULL;
	bp_blk_node *n = blk_file_open(file, BP_BLK_OPEN_WRITE, false, false, true, errors);
	bp_blk_node *data = n && data_path
		? blk_file_open(data_path, BP_BLK_OPEN_WRITE, false, false, true, errors)
		: NULL;
	struct object who = { .name = (char *)(uintptr_t)file };
	bp_error err = { errors, &who };
	int r = -1;
	if (n && (data || !data_path))
		r = f->create(host, &blk_layer, n, data, bytes, o->values, &err);
	r |= blk_close(data, errors);
	r |= blk_close(n, errors);
	g_free(data_path);
	return r;
}
