/* SPDX-License-Identifier: MIT */
/* A filter for tests, between a format and its file: writes down every write and flush with its data,
 * and lets the n-th of them fail. record.h says what a log looks like. */
#include "record.h"
#include <backplane/blk.h>
#include <backplane/plugin.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

enum { FAIL_EIO, FAIL_ENOSPC, FAIL_SHORT };
static const char *const fail_words[] = { "eio", "enospc", "short", NULL };

struct filter {
	const struct bp_host *host;
	/* properties */
	const char *log;
	uint64_t fail_at, fail_count;
	uint32_t fail;
	uint8_t ignore_flush;

	const struct bp_blk_open *how;
	int fd;
	uint8_t opened;
	_Atomic(uint64_t) steps, next_id;
};

static void record(struct filter *f, struct record r, const struct bp_blk_iov *iov, uint32_t count)
{
	struct iovec all[1025] = { { &r, sizeof(r) } };
	if (f->fd < 0)
		return;
	if (count > 1024)
		abort();
	for (uint32_t n = 0; n < count; n++)
		all[n + 1] = (struct iovec){ iov[n].base, iov[n].len };
	/* One call, appended: whole records, in the order in which they came. */
	ssize_t want = (ssize_t)(sizeof(r) + (count ? r.len : 0));
	if (writev(f->fd, all, (int)count + 1) != want)
		abort();
}

/* 0, or the error that this step has. */
static int step(struct filter *f)
{
	uint64_t n = atomic_fetch_add(&f->steps, 1) + 1;
	bool fails =
		f->fail_at && n >= f->fail_at && (!f->fail_count || n < f->fail_at + f->fail_count);
	if (!fails)
		return 0;
	return f->fail == FAIL_ENOSPC ? -ENOSPC : -EIO;
}

static int filter_read(
	void *self, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov, uint32_t count)
{
	struct filter *f = self;
	return f->how->layer->read(f->how->file, offset, len, iov, count);
}

/* The guest may change memory while it is written: the log must have what the file got. */
static int filter_write(void *self, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
	uint32_t count, unsigned flags)
{
	struct filter *f = self;
	int failed = step(f);
	(void)flags;
	if (failed && f->fail != FAIL_SHORT)
		return failed;
	uint8_t *copy = malloc(len), *p = copy;
	if (!copy)
		return -ENOMEM;
	for (uint32_t n = 0; n < count; n++) {
		memcpy(p, iov[n].base, iov[n].len);
		p += iov[n].len;
	}
	uint64_t part = failed ? len / 2 / 512 * 512 : len; /* sectors are whole or not there */
	struct bp_blk_iov one = { copy, part };
	struct record r = { RECORD_WRITE, 0, atomic_fetch_add(&f->next_id, 1), offset, part };
	record(f, r, &one, 1);
	int done = part ? f->how->layer->write(f->how->file, offset, part, &one, 1, 0) : 0;
	r.kind = RECORD_WRITTEN;
	record(f, r, NULL, 0);
	free(copy);
	return failed ? failed : done;
}

static int filter_flush(void *self)
{
	struct filter *f = self;
	struct record r = { RECORD_FLUSH, 0, atomic_fetch_add(&f->next_id, 1), 0, 0 };
	int failed = step(f);
	if (failed || f->ignore_flush)
		return failed;
	record(f, r, NULL, 0);
	/* The file itself need not be synced: what would be lost is made from the log. */
	r.kind = RECORD_FLUSHED;
	record(f, r, NULL, 0);
	return 0;
}

static int zeros(struct filter *f, uint64_t offset, uint64_t len, bool discard)
{
	struct record r = { RECORD_ZERO, 0, atomic_fetch_add(&f->next_id, 1), offset, len };
	int failed = step(f);
	if (failed)
		return failed;
	record(f, r, NULL, 0);
	int done = discard ? f->how->layer->discard(f->how->file, offset, len)
			   : f->how->layer->write_zeroes(f->how->file, offset, len, 0);
	r.kind = RECORD_WRITTEN;
	record(f, r, NULL, 0);
	return done;
}

static int filter_discard(void *self, uint64_t offset, uint64_t len)
{
	return zeros(self, offset, len, true);
}

static int filter_write_zeroes(void *self, uint64_t offset, uint64_t len, unsigned flags)
{
	(void)flags;
	return zeros(self, offset, len, false);
}

static uint64_t filter_bytes(void *self)
{
	struct filter *f = self;
	uint64_t bytes = 0;
	f->how->layer->bytes(f->how->file, &bytes);
	return bytes;
}

static int filter_map(void *self, uint64_t offset, uint64_t len, struct bp_blk_extent *out)
{
	struct filter *f = self;
	return f->how->layer->map(f->how->file, offset, len, out);
}

static int filter_resize(void *self, uint64_t bytes, int prealloc, bp_error *err)
{
	struct filter *f = self;
	struct record r = { RECORD_RESIZE, 0, atomic_fetch_add(&f->next_id, 1), 0, bytes };
	if (step(f))
		return f->host->fail(err, "as it was asked to");
	record(f, r, NULL, 0);
	return f->how->layer->resize(f->how->file, bytes, prealloc)
		? f->host->fail(err, "it cannot be resized")
		: 0;
}

static int filter_open(void *self, const struct bp_blk_open *how, bp_error *err)
{
	struct filter *f = self;
	f->how = how;
	f->opened = 1;
	f->fd = f->log ? open(f->log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644) : -1;
	return f->log && f->fd < 0 ? f->host->fail(err, "log %s: %s", f->log, strerror(errno)) : 0;
}

static int filter_close(void *self, bp_error *err)
{
	(void)self;
	(void)err;
	return 0;
}

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct filter *f = self;
	(void)err;
	f->host = host;
	return 0;
}

static void destroy(void *self)
{
	struct filter *f = self;
	if (f->opened && f->fd >= 0)
		close(f->fd);
}

static const struct bp_blk_format format = {
	.size = sizeof(format),
	.flags = BP_BLK_FORMAT_FILTER,
	.open = filter_open,
	.close = filter_close,
	.bytes = filter_bytes,
	.read = filter_read,
	.write = filter_write,
	.flush = filter_flush,
	.discard = filter_discard,
	.write_zeroes = filter_write_zeroes,
	.map = filter_map,
	.resize = filter_resize,
};

#define FIELD(m) (uint32_t) offsetof(struct filter, m)
static const struct bp_field props[] = {
	{ "log", "where everything is written down", FIELD(log), BP_STR },
	{ "fail-at", "the step that fails: writes, flushes, discards, resizes; 0: none",
		FIELD(fail_at), BP_U64 },
	{ "fail-count", "how many steps fail from there on; 0: all", FIELD(fail_count), BP_U64,
		.def = 1 },
	{ "fail", "how", FIELD(fail), BP_ENUM, .names = fail_words },
	{ "ignore-flush", "say that a flush is done, and do nothing", FIELD(ignore_flush),
		BP_BOOL },
	{ 0 },
};

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct filter),
	.threads = BP_PARALLEL,
	.props = props,
	.create = create,
	.destroy = destroy,
};

static const struct bp_type types[] = {
	{ "fmt-blk-log", "a filter for tests: log and failures", BP_KIND_FORMAT, 0, &object,
		&format },
	{ 0 },
};

BP_PLUGIN(blk_log) = {
	BP_PLUGIN_HEAD,
	.name = "blk-log",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
