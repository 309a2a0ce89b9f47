/* SPDX-License-Identifier: MIT */
/* Any bytes are an image: it is refused with a sentence, or read, checked, written, repaired. The file
 * is in memory and never grows beyond a bound; no other file is opened. The first byte chooses. */
#include "fuzz.h"
#include <backplane/blk.h>
#include <backplane/plugin.h>
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FILE_MAX = 8 << 20, PIECE = 3000, PIECES = 24 };
enum { WRITE = 1, CHECK = 2, REPAIR = 4, SNAPSHOTS = 8, RESIZE = 16, EMPTY = 32, TINY = 64 };

extern const struct bp_plugin bp_plugin_1;

struct bp_blk_node {
	uint8_t bytes[FILE_MAX];
	uint64_t len;
};
static struct bp_blk_node file;
static unsigned said;

static int fail(bp_error *err, const char *fmt, ...) BP_PRINTF(2, 3);
static int fail(bp_error *err, const char *fmt, ...)
{
	char text[2000];
	va_list args;
	(void)err;
	va_start(args, fmt);
	vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	said++;
	return -1;
}

static void log_line(const void *self, int level, const char *fmt, ...) BP_PRINTF(3, 4);
static void log_line(const void *self, int level, const char *fmt, ...)
{
	(void)self;
	(void)level;
	(void)fmt;
}

static const struct bp_host host = { .size = sizeof(host), .fail = fail, .log = log_line };

/* ---- a file in memory ---- */

static int file_read(
	bp_blk_node *n, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov, uint32_t count)
{
	(void)len;
	for (uint32_t k = 0; k < count; offset += iov[k++].len) {
		uint64_t have = offset < n->len ? n->len - offset : 0;
		have = have < iov[k].len ? have : iov[k].len;
		memset(iov[k].base, 0, iov[k].len);
		if (have)
			memcpy(iov[k].base, n->bytes + offset, have);
	}
	return 0;
}

static int file_write(bp_blk_node *n, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
	uint32_t count, unsigned flags)
{
	(void)flags;
	if (offset > FILE_MAX || len > FILE_MAX - offset)
		return -ENOSPC;
	for (uint32_t k = 0; k < count; offset += iov[k++].len)
		memcpy(n->bytes + offset, iov[k].base, iov[k].len);
	n->len = n->len > offset ? n->len : offset;
	return 0;
}

static int file_zero(bp_blk_node *n, uint64_t offset, uint64_t len, unsigned flags)
{
	(void)flags;
	if (offset > FILE_MAX || len > FILE_MAX - offset)
		return -ENOSPC;
	memset(n->bytes + offset, 0, len);
	n->len = n->len > offset + len ? n->len : offset + len;
	return 0;
}

static int file_flush(bp_blk_node *n)
{
	(void)n;
	return 0;
}

static int file_bytes(bp_blk_node *n, uint64_t *bytes)
{
	*bytes = n->len;
	return 0;
}

static int file_resize(bp_blk_node *n, uint64_t bytes, int prealloc)
{
	(void)prealloc;
	if (bytes > FILE_MAX)
		return -ENOSPC;
	if (bytes > n->len)
		memset(n->bytes + n->len, 0, bytes - n->len);
	n->len = bytes;
	return 0;
}

static unsigned file_flags(bp_blk_node *n)
{
	(void)n;
	return BP_BLK_FILE_GROWS;
}

static void *memory(size_t len)
{
	return malloc(len ? len : 1);
}

static void memory_free(void *p, size_t len)
{
	(void)len;
	free(p);
}

static const struct bp_blk_layer layer = { .size = sizeof(layer),
	.read = file_read,
	.write = file_write,
	.flush = file_flush,
	.write_zeroes = file_zero,
	.bytes = file_bytes,
	.resize = file_resize,
	.flags = file_flags,
	.memory = memory,
	.memory_free = memory_free };

static bp_blk_node *no_file(const struct bp_blk_open *how, const char *name, bp_error *err)
{
	(void)how;
	fail(err, "%s", name);
	return NULL;
}

static bp_blk_node *no_backing(
	const struct bp_blk_open *how, const char *name, const char *format, bp_error *err)
{
	(void)format;
	return no_file(how, name, err);
}

static void no_fact(void *context, const char *key, int is_truth, uint64_t number, const char *text)
{
	(void)context;
	(void)key;
	(void)is_truth;
	(void)number;
	(void)text;
}

/* ---- what is done with it ---- */

static void look(const struct bp_blk_format *f, void *self)
{
	static char piece[PIECE];
	struct bp_blk_iov iov = { piece, PIECE };
	struct bp_blk_facts facts = { .size = sizeof(facts) };
	struct bp_blk_snapshot snapshot = { .size = sizeof(snapshot) };
	uint64_t size = f->bytes(self);
	f->facts(self, &facts, no_fact, NULL);
	for (unsigned n = 0; n < PIECES && f->snapshot(self, n, &snapshot) == 0; n++)
		if (!snapshot.id || !snapshot.name)
			abort();
	for (uint64_t at = 0, n = 0; n < PIECES && size >= PIECE && at <= size - PIECE; n++) {
		struct bp_blk_extent e = { .size = sizeof(e) };
		f->read(self, at, PIECE, &iov, 1);
		if (f->map(self, at, size - at, &e) != 0)
			break;
		if (!e.len || e.len > size - at)
			abort();
		at += n % 3 ? PIECE / 2 : e.len;
	}
}

static void change(const struct bp_blk_format *f, void *self, unsigned what)
{
	static char piece[PIECE];
	struct bp_blk_iov iov = { piece, PIECE };
	uint64_t size = f->bytes(self);
	memset(piece, 0x5a, PIECE);
	for (uint64_t n = 0; n < PIECES && size > 2 * PIECE; n++) {
		uint64_t at = n * 1777 % (size - PIECE);
		if (n % 4 < 2)
			f->write(self, at, PIECE, &iov, 1, 0);
		else if (n % 4 == 2)
			f->write_zeroes(self, at, PIECE, n & 4 ? BP_BLK_UNMAP : 0);
		else
			f->discard(self, at, PIECE);
		if (n % 7 == 0)
			f->flush(self);
		if (what & SNAPSHOTS && n % 9 == 8)
			f->snapshot_create(self, "now", 0, NULL);
	}
	if (what & SNAPSHOTS) {
		f->snapshot_apply(self, "1", NULL);
		f->snapshot_delete(self, "1", NULL);
		f->snapshot_delete(self, "now", NULL);
	}
	if (what & RESIZE) {
		f->resize(self, size / 1024 * 512 + 1024, BP_BLK_PREALLOC_OFF, NULL);
		f->resize(self, size / 512 * 512, BP_BLK_PREALLOC_OFF, NULL);
	}
	if (what & EMPTY)
		f->make_empty(self, NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct bp_type *type = bp_plugin_1.types;
	const struct bp_blk_format *f = type->ext;
	if (!size || size > FILE_MAX)
		return 0;
	unsigned what = data[0];
	memset(file.bytes, 0, file.len > size ? file.len : size);
	file.len = size - 1;
	memcpy(file.bytes, data + 1, file.len);
	struct bp_blk_open how = { .size = sizeof(how),
		.flags = (what & (WRITE | REPAIR) ? BP_BLK_OPEN_WRITE : 0) |
			(what & (CHECK | REPAIR) ? BP_BLK_OPEN_CHECK : 0),
		.file = &file,
		.name = "image",
		.layer = &layer,
		.backing = no_backing,
		.data = no_file };
	void *self = aligned_alloc(64, (type->object->instance_size + 63u) & ~63u);
	memset(self, 0, type->object->instance_size);
	/* The property cache-size, by its row. */
	const struct bp_field *cache = type->object->props;
	uint64_t bytes = what & TINY ? cache->min : 1 << 20;
	memcpy((char *)self + cache->offset, &bytes, sizeof(bytes));
	/* And, for encrypted ones, a secret and few rounds. */
	for (const struct bp_field *f = type->object->props; what & TINY && f->name; f++) {
		static const char *const secret = "data:x";
		const uint32_t rounds = 4000;
		if (!strcmp(f->name, "encrypt.key-secret"))
			memcpy((char *)self + f->offset, &secret, sizeof(secret));
		if (!strcmp(f->name, "encrypt.iterations-max"))
			memcpy((char *)self + f->offset, &rounds, sizeof(rounds));
	}
	type->object->create(self, &host, NULL);
	said = 0;
	if (f->open(self, &how, NULL) == 0) {
		look(f, self);
		struct bp_blk_check check = { .size = sizeof(check),
			.repair = what & REPAIR ? BP_BLK_REPAIR_ALL : 0 };
		if (what & (CHECK | REPAIR))
			f->check(self, &check, NULL);
		if (what & WRITE)
			change(f, self, what);
		look(f, self);
		f->close(self, NULL);
	} else if (!said) {
		fprintf(stderr, "Refused without a sentence.\n");
		abort();
	}
	type->object->destroy(self);
	free(self);
	return 0;
}
