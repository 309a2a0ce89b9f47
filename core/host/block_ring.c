/* SPDX-License-Identifier: MIT */
/* io_uring (io_uring_setup(2), io_uring_enter(2)): requests of a disk that is a file byte for byte go
 * to the kernel, many by one call, and no thread waits for each.
 *
 * Whoever submits fills the queue under `lock` and calls the kernel; what is read from the host's
 * cache has ended by then. The ring's own thread waits for ends and tells the user, so that no other
 * thread of the emulator stands between the kernel and the device. The ring is the way for what goes
 * well: where less than all was transferred, or the kernel could not begin, the user does the request
 * again by the calls that block, which know about ends of files, edges and errors. */
#include "block.h"
#include <errno.h>
#include <glib.h>
#include <linux/io_uring.h>
#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

/* What stands in user_data beside the request's address. 0 alone: the thread shall end. */
enum { THROUGH = 1, SYNC = 2, TAGS = 3 };

struct blk_ring {
	int fd;
	bp_blk_node *file;
	uint64_t base; /* where in it the disk begins */
	struct blk_ring_user user;
	pthread_t thread;

	pthread_mutex_t lock; /* of the submission queue */
	unsigned queued; /* put there, the kernel does not know yet */
	_Atomic(unsigned) under_way; /* never more than the completion queue has room for */
	_Atomic(unsigned) *sq_tail;
	unsigned sq_mask;
	struct io_uring_sqe *sqes;

	pthread_mutex_t reaping; /* of the completion queue */
	_Atomic(unsigned) *cq_head, *cq_tail;
	unsigned cq_mask;
	const struct io_uring_cqe *cqes;
	bool ending;

	void *map; /* both queues */
	size_t map_len, sqes_len;
};

static int enter(const struct blk_ring *g, unsigned submit, unsigned wait)
{
	return (int)syscall(__NR_io_uring_enter, g->fd, submit, wait,
		wait ? IORING_ENTER_GETEVENTS : 0, NULL, 0);
}

/* ---- submitting: `lock` is held ---- */

static void put(struct blk_ring *g, const struct io_uring_sqe *sqe)
{
	unsigned tail = atomic_load_explicit(g->sq_tail, memory_order_relaxed);
	g->sqes[tail & g->sq_mask] = *sqe;
	atomic_store_explicit(g->sq_tail, tail + 1, memory_order_release);
	g->queued++;
	atomic_fetch_add(&g->under_way, 1);
}

static void put_sync(struct blk_ring *g, const struct bp_blk_request *r, int fd, uint64_t tags)
{
	struct io_uring_sqe sqe = { .opcode = IORING_OP_FSYNC,
		.fd = fd,
		.fsync_flags = IORING_FSYNC_DATASYNC,
		.user_data = (uintptr_t)r | tags };
	put(g, &sqe);
}

static void put_transfer(struct blk_ring *g, const struct bp_blk_request *r, int fd, uint64_t tags)
{
	bool write = r->op == BP_BLK_WRITE, one = r->iov_count == 1;
	struct io_uring_sqe sqe = {
		.fd = fd, .off = g->base + r->offset, .user_data = (uintptr_t)r | tags
	};
	if (one)
		sqe.opcode = write ? IORING_OP_WRITE : IORING_OP_READ;
	else
		sqe.opcode = write ? IORING_OP_WRITEV : IORING_OP_READV;
	sqe.addr = one ? (uintptr_t)r->iov->base : (uintptr_t)r->iov;
	sqe.len = one ? (uint32_t)r->len : r->iov_count;
	put(g, &sqe);
}

static bool has_room(struct blk_ring *g)
{
	return atomic_load(&g->under_way) < BLK_RING_DEPTH;
}

bool blk_ring_add(struct blk_ring *g, struct bp_blk_request *r, bool through)
{
	int fd = -1;
	if (r->op > BP_BLK_FLUSH)
		return false;
	pthread_mutex_lock(&g->lock);
	if (has_room(g))
		fd = blk_file_enter(g->file, r, g->base + r->offset);
	if (fd >= 0 && r->op == BP_BLK_FLUSH)
		put_sync(g, r, fd, SYNC);
	else if (fd >= 0)
		put_transfer(g, r, fd, through && r->op == BP_BLK_WRITE ? THROUGH : 0);
	pthread_mutex_unlock(&g->lock);
	return fd >= 0;
}

/* What the kernel does not take comes back, the latest first. */
static struct bp_blk_request *take_back(struct blk_ring *g)
{
	unsigned tail = atomic_load_explicit(g->sq_tail, memory_order_relaxed) - 1;
	uint64_t data = g->sqes[tail & g->sq_mask].user_data;
	struct bp_blk_request *r = (struct bp_blk_request *)(uintptr_t)(data & ~(uint64_t)TAGS);
	atomic_store_explicit(g->sq_tail, tail, memory_order_release);
	g->queued--;
	atomic_fetch_sub(&g->under_way, 1);
	if (r)
		blk_file_leave(g->file, data & SYNC ? BP_BLK_FLUSH : r->op, 0);
	return r;
}

void blk_ring_submit(struct blk_ring *g)
{
	pthread_mutex_lock(&g->lock);
	while (g->queued) {
		int n = enter(g, g->queued, 0);
		if (n > 0) {
			g->queued -= (unsigned)n;
		} else if (n == 0 || errno != EINTR) {
			struct bp_blk_request *r = take_back(g);
			pthread_mutex_unlock(&g->lock);
			if (r)
				g->user.done(g->user.context, r, BLK_RING_BLOCKING);
			pthread_mutex_lock(&g->lock);
		}
	}
	pthread_mutex_unlock(&g->lock);
}

/* ---- ends ---- */

/* The write of a request that must be durable has ended well. False: no room. */
static bool sync_after(struct blk_ring *g, struct bp_blk_request *r)
{
	struct bp_blk_request flush = { .op = BP_BLK_FLUSH };
	pthread_mutex_lock(&g->lock);
	int fd = has_room(g) ? blk_file_enter(g->file, &flush, 0) : -1;
	if (fd >= 0)
		put_sync(g, r, fd, SYNC);
	pthread_mutex_unlock(&g->lock);
	return fd >= 0;
}

static void end(struct blk_ring *g, uint64_t data, int result)
{
	struct bp_blk_request *r = (struct bp_blk_request *)(uintptr_t)(data & ~(uint64_t)TAGS);
	bool sync = data & SYNC;
	if (!r) {
		g->ending = true;
		return;
	}
	if (result == (sync ? 0 : (int)r->len))
		result = 0;
	else if (result >= 0 || result == -EAGAIN || result == -EINTR || result == -ECANCELED ||
		result == -EINVAL || result == -EOPNOTSUPP)
		result = BLK_RING_BLOCKING;
	blk_file_leave(g->file, sync ? BP_BLK_FLUSH : r->op, result);
	if (!result && data & THROUGH && sync_after(g, r))
		return;
	if (!result && data & THROUGH)
		result = BLK_RING_BLOCKING;
	g->user.done(g->user.context, r, result);
}

void blk_ring_reap(struct blk_ring *g)
{
	pthread_mutex_lock(&g->reaping);
	unsigned head = atomic_load_explicit(g->cq_head, memory_order_relaxed);
	while (head != atomic_load_explicit(g->cq_tail, memory_order_acquire)) {
		struct io_uring_cqe e = g->cqes[head & g->cq_mask];
		atomic_store_explicit(g->cq_head, ++head, memory_order_release);
		end(g, e.user_data, e.res);
		atomic_fetch_sub(&g->under_way, 1);
	}
	pthread_mutex_unlock(&g->reaping);
	blk_ring_submit(g);
}

static void *run(void *arg)
{
	struct blk_ring *g = arg;
	while (!g->ending) {
		bool none = atomic_load_explicit(g->cq_head, memory_order_relaxed) ==
			atomic_load_explicit(g->cq_tail, memory_order_acquire);
		/* Refused: memory is short; what is under way ends all the same. */
		if (none && enter(g, 0, 1) < 0 && errno != EINTR)
			g_usleep(1000);
		blk_ring_reap(g);
		g->user.idle(g->user.context);
	}
	return NULL;
}

/* ---- life ---- */

static bool map_queues(struct blk_ring *g, const struct io_uring_params *p)
{
	int how = MAP_SHARED | MAP_POPULATE;
	g->map_len = MAX(p->sq_off.array + p->sq_entries * sizeof(unsigned),
		p->cq_off.cqes + p->cq_entries * sizeof(struct io_uring_cqe));
	g->sqes_len = p->sq_entries * sizeof(struct io_uring_sqe);
	g->map = mmap(NULL, g->map_len, PROT_READ | PROT_WRITE, how, g->fd, IORING_OFF_SQ_RING);
	g->sqes = mmap(NULL, g->sqes_len, PROT_READ | PROT_WRITE, how, g->fd, IORING_OFF_SQES);
	if (g->map == MAP_FAILED || (void *)g->sqes == MAP_FAILED)
		return false;
	char *map = g->map;
	g->sq_tail = (void *)(map + p->sq_off.tail);
	g->sq_mask = p->sq_entries - 1;
	g->cq_head = (void *)(map + p->cq_off.head);
	g->cq_tail = (void *)(map + p->cq_off.tail);
	g->cq_mask = p->cq_entries - 1;
	g->cqes = (void *)(map + p->cq_off.cqes);
	unsigned *places = (void *)(map + p->sq_off.array);
	for (unsigned n = 0; n < p->sq_entries; n++)
		places[n] = n;
	return true;
}

static void free_ring(struct blk_ring *g)
{
	if (g->map != MAP_FAILED)
		munmap(g->map, g->map_len);
	if ((void *)g->sqes != MAP_FAILED)
		munmap(g->sqes, g->sqes_len);
	close(g->fd);
	pthread_mutex_destroy(&g->reaping);
	pthread_mutex_destroy(&g->lock);
	g_free(g);
}

struct blk_ring *blk_ring_new(bp_blk_node *n, const struct blk_ring_user *user)
{
	struct io_uring_params p = { 0 };
	uint64_t base;
	bp_blk_node *file = blk_plain(n, &base);
	/* Ends are never dropped, and the file's place is given with each request: Linux 5.6. */
	unsigned needed = IORING_FEAT_SINGLE_MMAP | IORING_FEAT_NODROP | IORING_FEAT_RW_CUR_POS;
	int fd = file ? (int)syscall(__NR_io_uring_setup, BLK_RING_DEPTH, &p) : -1;
	if (fd < 0)
		return NULL;
	struct blk_ring *g = g_new0(struct blk_ring, 1);
	g->fd = fd;
	g->file = file;
	g->base = base;
	g->user = *user;
	g->map = MAP_FAILED;
	g->sqes = MAP_FAILED;
	pthread_mutex_init(&g->lock, NULL);
	pthread_mutex_init(&g->reaping, NULL);
	if ((p.features & needed) == needed && map_queues(g, &p) &&
		!pthread_create(&g->thread, NULL, run, g))
		return g;
	free_ring(g);
	return NULL;
}

void blk_ring_destroy(struct blk_ring *g)
{
	struct io_uring_sqe end_thread = { .opcode = IORING_OP_NOP };
	if (!g)
		return;
	for (int n = -1; n <= 0;) {
		pthread_mutex_lock(&g->lock);
		put(g, &end_thread);
		n = enter(g, 1, 0);
		if (n > 0)
			g->queued--;
		else
			take_back(g);
		pthread_mutex_unlock(&g->lock);
		if (n <= 0)
			g_usleep(1000);
	}
	pthread_join(g->thread, NULL);
	free_ring(g);
}
