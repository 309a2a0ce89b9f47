/* SPDX-License-Identifier: MIT */
/* bench: so many requests, so many at a time, each beginning a step behind the one before. */
#include "img.h"
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>

struct bench {
	bp_blk_node *node;
	uint64_t count, size, step, offset, flush_every, bytes;
	int pattern;
	bool write, through;
	_Atomic(uint64_t) next;
	_Atomic(int) error;
};

static void work(void *arg)
{
	struct bench *b = arg;
	uint64_t n;
	void *memory = blk_memory(b->size);
	if (!memory)
		atomic_store(&b->error, -ENOMEM);
	else
		memset(memory, b->pattern, b->size);
	while (!atomic_load(&b->error) && (n = atomic_fetch_add(&b->next, 1)) < b->count) {
		uint64_t at = b->offset + n * b->step;
		at = b->bytes > b->size ? at % (b->bytes - b->size + 1) : 0;
		struct bp_blk_iov iov = { memory, b->size };
		int r = b->write
			? blk_write(b->node, at, b->size, &iov, 1, b->through ? BP_BLK_FUA : 0)
			: blk_read(b->node, at, b->size, &iov, 1);
		if (!r && b->flush_every && (n + 1) % b->flush_every == 0)
			r = blk_flush(b->node);
		if (r)
			atomic_store(&b->error, r);
	}
	blk_memory_free(memory, b->size);
}

static bool number(struct img *m, int option, uint64_t *out)
{
	return !m->option[option] || img_size(m, m->option[option], out);
}

int img_bench(struct img *m)
{
	const char *file = m->word[0], *format = img_format(m, 'f', file);
	struct bench b = { .count = 75000, .size = 4096, .write = m->option['w'] };
	uint64_t depth = 64, pattern = 0;
	if (!format || !number(m, 'c', &b.count) || !number(m, 'd', &depth) ||
		!number(m, 's', &b.size) || !number(m, 'o', &b.offset) ||
		!number(m, IMG_FLUSH_INTERVAL, &b.flush_every) || !number(m, IMG_PATTERN, &pattern))
		return IMG_FAILED;
	b.step = b.size;
	if (!number(m, 'S', &b.step))
		return IMG_FAILED;
	if (!depth || depth > 1024 || !b.size || b.size > 1 << 28 || pattern > 255)
		return img_fail(m,
			"a depth of 1 to 1024, a size up to 256M, a pattern up to 255 are "
			"possible");
	const struct blk_cache_mode *mode =
		blk_cache_mode(m->option['t'] ? m->option['t'] : "writeback");
	b.pattern = (int)pattern;
	b.through = mode && !mode->write_back;
	b.node = img_open(m, file, format, b.write ? BP_BLK_OPEN_WRITE : 0, NULL, 't');
	if (!b.node)
		return IMG_FAILED;
	blk_bytes(b.node, &b.bytes);
	if (!m->quiet)
		printf("Sending %llu %s requests, %llu bytes each, %llu in parallel (starting at "
		       "offset %llu, step size %llu)\n",
			(unsigned long long)b.count, b.write ? "write" : "read",
			(unsigned long long)b.size, (unsigned long long)depth,
			(unsigned long long)b.offset, (unsigned long long)b.step);
	gint64 began = g_get_monotonic_time();
	if (b.size <= b.bytes)
		img_threads((unsigned)depth, work, &b);
	else
		img_fail(m, "%s: it has only %llu bytes", file, (unsigned long long)b.bytes);
	int error = atomic_load(&b.error);
	double seconds = (double)(g_get_monotonic_time() - began) / 1e6;
	if (error)
		img_fail(m, "%s: %s", file, g_strerror(-error));
	else if (!m->quiet)
		printf("Run completed in %.3f seconds.\n", seconds);
	return img_close(m, b.node) || m->errors.total ? IMG_FAILED : IMG_GOOD;
}
