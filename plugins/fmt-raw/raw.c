/* SPDX-License-Identifier: MIT */
/* The file is the disk, byte for byte; or a part of it is. */
#include <backplane/blk.h>
#include <backplane/plugin.h>
#include <errno.h>
#include <stdatomic.h>
#include <string.h>

struct raw {
	const struct bp_host *host;
	uint64_t offset,
		given; /* properties: where the disk begins, and how long it is; 0: to the end */
	const struct bp_blk_open *how;
	_Atomic(uint64_t) bytes;
};

static int raw_open(void *self, const struct bp_blk_open *how, bp_error *err)
{
	struct raw *r = self;
	uint64_t end;
	int failed = how->layer->bytes(how->file, &end);
	r->how = how;
	if (failed)
		return r->host->fail(err, "its length: %s", strerror(-failed));
	if (r->offset > end || r->given > end - r->offset)
		return r->host->fail(err,
			"the part from %llu, %llu bytes long, does not lie in the file, which has "
			"%llu",
			(unsigned long long)r->offset, (unsigned long long)r->given,
			(unsigned long long)end);
	atomic_store(&r->bytes, r->given ? r->given : end - r->offset);
	return 0;
}

static int raw_close(void *self, bp_error *err)
{
	struct raw *r = self;
	int failed = r->how->flags & BP_BLK_OPEN_WRITE ? r->how->layer->flush(r->how->file) : 0;
	return failed ? r->host->fail(err, "%s", strerror(-failed)) : 0;
}

static uint64_t raw_bytes(void *self)
{
	struct raw *r = self;
	return atomic_load(&r->bytes);
}

static int raw_read(
	void *self, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov, uint32_t count)
{
	struct raw *r = self;
	return r->how->layer->read(r->how->file, r->offset + offset, len, iov, count);
}

static int raw_write(void *self, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
	uint32_t count, unsigned flags)
{
	struct raw *r = self;
	return r->how->layer->write(r->how->file, r->offset + offset, len, iov, count, flags);
}

static int raw_flush(void *self)
{
	struct raw *r = self;
	return r->how->layer->flush(r->how->file);
}

static int raw_discard(void *self, uint64_t offset, uint64_t len)
{
	struct raw *r = self;
	return r->how->layer->discard(r->how->file, r->offset + offset, len);
}

static int raw_write_zeroes(void *self, uint64_t offset, uint64_t len, unsigned flags)
{
	struct raw *r = self;
	return r->how->layer->write_zeroes(r->how->file, r->offset + offset, len, flags);
}

static int raw_map(void *self, uint64_t offset, uint64_t len, struct bp_blk_extent *out)
{
	struct raw *r = self;
	return r->how->layer->map(r->how->file, r->offset + offset, len, out);
}

static int raw_resize(void *self, uint64_t bytes, int prealloc, bp_error *err)
{
	struct raw *r = self;
	if (r->given || r->offset)
		return r->host->fail(err, "it is a part of a file, which has a fixed size");
	int failed = r->how->layer->resize(r->how->file, bytes, prealloc);
	if (failed)
		return r->host->fail(err, "it cannot be made %llu bytes: %s",
			(unsigned long long)bytes, strerror(-failed));
	atomic_store(&r->bytes, bytes);
	return 0;
}

static int raw_plain(void *self, uint64_t *offset)
{
	*offset = ((struct raw *)self)->offset;
	return 1;
}

struct create_options {
	uint32_t preallocation;
};
static const char *const preallocations[] = { "off", "metadata", "falloc", "full", NULL };
static const struct bp_field create_options[] = {
	{ .name = "preallocation",
		.help = "off; falloc: space is reserved; full: zeros are written",
		.offset = offsetof(struct create_options, preallocation),
		.type = BP_ENUM,
		.names = preallocations },
	{ 0 },
};

static int raw_create(const struct bp_host *host, const struct bp_blk_layer *layer,
	bp_blk_node *file, bp_blk_node *data, uint64_t bytes, const void *options, bp_error *err)
{
	const struct create_options *o = options;
	(void)data;
	if (o->preallocation == BP_BLK_PREALLOC_METADATA)
		return host->fail(err, "preallocation=metadata: this format has no metadata");
	int failed = layer->resize(file, bytes, (int)o->preallocation);
	return failed ? host->fail(err, "%s", strerror(-failed)) : 0;
}

static int raw_measure(const struct bp_host *host, const void *options,
	struct bp_blk_measure *measure, bp_error *err)
{
	(void)host;
	(void)options;
	(void)err;
	measure->required = measure->full = measure->disk_bytes;
	return 0;
}

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct raw *r = self;
	(void)err;
	r->host = host;
	return 0;
}

static const struct bp_blk_format format = {
	.size = sizeof(format),
	.create_options = create_options,
	.create_size = sizeof(struct create_options),
	.create = raw_create,
	.measure = raw_measure,
	.open = raw_open,
	.close = raw_close,
	.bytes = raw_bytes,
	.read = raw_read,
	.write = raw_write,
	.flush = raw_flush,
	.discard = raw_discard,
	.write_zeroes = raw_write_zeroes,
	.map = raw_map,
	.resize = raw_resize,
	.plain = raw_plain,
};

static const struct bp_field props[] = {
	{ "offset", "where in the file the disk begins", (uint32_t)offsetof(struct raw, offset),
		BP_SIZE },
	{ "size", "how long it is; 0: to the end of the file",
		(uint32_t)offsetof(struct raw, given), BP_SIZE },
	{ 0 },
};

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct raw),
	.threads = BP_PARALLEL,
	.props = props,
	.create = create,
};

static const struct bp_type types[] = {
	{ "fmt-raw", "the file is the disk, byte for byte", BP_KIND_FORMAT, 0, &object, &format },
	{ 0 },
};

BP_PLUGIN(fmt_raw) = {
	BP_PLUGIN_HEAD,
	.name = "fmt-raw",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
