/* SPDX-License-Identifier: MIT */
/* bench: so many requests, so many at a time, each beginning a step behind the one before; by threads, or
 * by the kernel's queue. */
#include "img.h"
#include <errno.h>
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
	/* with a ring */
	struct blk_ring *ring;
	pthread_mutex_t lock;
	pthread_cond_t ended;
	unsigned under_way;
};

/* Where the n-th request is. */
static uint64_t place(const struct bench *b, uint64_t n)
{
	/* Begins again at 0, so that what is aligned stays so. */
	uint64_t at = (b->offset + n * b->step) % b->bytes;
	return at > b->bytes - b->size ? 0 : at;
}

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
		uint64_t at = place(b, n);
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

/* ---- with a ring: each slot has a request, which begins again when it is done ---- */

struct slot {
	struct bp_blk_request request;
	struct bp_blk_iov iov;
};

static int block(struct bench *b, const struct bp_blk_request *r)
{
	if (r->op == BP_BLK_FLUSH)
		return blk_flush(b->node);
	return r->op == BP_BLK_WRITE
		? blk_write(b->node, r->offset, r->len, r->iov, 1, b->through ? BP_BLK_FUA : 0)
		: blk_read(b->node, r->offset, r->len, r->iov, 1);
}

/* The next request of a slot. False: none is left. */
static bool next(struct bench *b, struct bp_blk_request *r)
{
	if (atomic_load(&b->error))
		return false;
	bool flush = r->op && r->op != BP_BLK_FLUSH && b->flush_every &&
		(r->tag + 1) % b->flush_every == 0;
	if (!flush && (r->tag = atomic_fetch_add(&b->next, 1)) >= b->count)
		return false;
	r->op = flush ? BP_BLK_FLUSH : b->write ? BP_BLK_WRITE : BP_BLK_READ;
	r->offset = place(b, r->tag);
	return true;
}

static void go_on(struct bench *b, struct bp_blk_request *r)
{
	while (next(b, r)) {
		if (blk_ring_add(b->ring, r, b->through))
			return;
		atomic_store(&b->error, block(b, r));
	}
	pthread_mutex_lock(&b->lock);
	b->under_way--;
	pthread_cond_signal(&b->ended);
	pthread_mutex_unlock(&b->lock);
}

static void done(void *context, struct bp_blk_request *r, int result)
{
	struct bench *b = context;
	if (result == BLK_RING_BLOCKING)
		result = block(b, r);
	if (result)
		atomic_store(&b->error, result);
	go_on(b, r);
}

static void idle(void *context)
{
	(void)context;
}

static void run_ring(struct bench *b, unsigned depth)
{
	struct slot *slots = g_new0(struct slot, depth);
	char *memory = blk_memory(b->size * depth);
	pthread_mutex_init(&b->lock, NULL);
	pthread_cond_init(&b->ended, NULL);
	b->under_way = depth;
	if (memory)
		memset(memory, b->pattern, b->size * depth);
	else
		atomic_store(&b->error, -ENOMEM);
	for (unsigned n = 0; n < depth; n++) {
		struct slot *s = &slots[n];
		s->iov = (struct bp_blk_iov){ memory ? memory + n * b->size : NULL, b->size };
		s->request = (struct bp_blk_request){
			.size = sizeof(s->request), .iov = &s->iov, .iov_count = 1, .len = b->size
		};
		go_on(b, &s->request);
	}
	blk_ring_submit(b->ring);
	pthread_mutex_lock(&b->lock);
	while (b->under_way)
		pthread_cond_wait(&b->ended, &b->lock);
	pthread_mutex_unlock(&b->lock);
	blk_ring_destroy(b->ring);
	pthread_cond_destroy(&b->ended);
	pthread_mutex_destroy(&b->lock);
	blk_memory_free(memory, b->size * depth);
	g_free(slots);
}

/* -i: false after an error. */
static bool choose(struct img *m, struct bench *b)
{
	const char *way = m->option['i'];
	struct blk_ring_user user = { done, idle, b };
	bool ring = way && !strcmp(way, "io_uring");
	if (way && !ring && strcmp(way, "threads") != 0) {
		img_fail(m, "-i %s: threads or io_uring is expected", way);
		return false;
	}
	b->ring = way && !ring ? NULL : blk_ring_new(b->node, &user);
	if (ring && !b->ring)
		img_fail(m,
			"-i io_uring: the host's kernel gives none, or the image is not a file "
			"byte for byte");
	return !ring || b->ring;
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
	if (b.size > b.bytes)
		img_fail(m, "%s: it has only %llu bytes", file, (unsigned long long)b.bytes);
	if (m->errors.total || !choose(m, &b)) {
		img_close(m, b.node);
		return IMG_FAILED;
	}
	if (!m->quiet)
		printf("Sending %llu %s requests, %llu bytes each, %llu in parallel (starting at "
		       "offset %llu, step size %llu)\n",
			(unsigned long long)b.count, b.write ? "write" : "read",
			(unsigned long long)b.size, (unsigned long long)depth,
			(unsigned long long)b.offset, (unsigned long long)b.step);
	gint64 began = g_get_monotonic_time();
	if (b.ring)
		run_ring(&b, (unsigned)depth);
	else
		img_threads((unsigned)depth, work, &b);
	int error = atomic_load(&b.error);
	double seconds = (double)(g_get_monotonic_time() - began) / 1e6;
	if (error)
		img_fail(m, "%s: %s", file, g_strerror(-error));
	else if (!m->quiet)
		printf("Run completed in %.3f seconds.\n", seconds);
	return img_close(m, b.node) || m->errors.total ? IMG_FAILED : IMG_GOOD;
}
