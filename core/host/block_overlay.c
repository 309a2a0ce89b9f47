/* SPDX-License-Identifier: MIT */
/* A layer over another node that keeps what is written in a nameless file: `snapshot = true`. */
#include "block.h"
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { CLUSTER = 65536 };
static const uint64_t size_max = UINT64_C(1) << 46; /* its bitmap takes 128 MiB then */

struct overlay {
	bp_blk_node node;
	bp_blk_node *base, *file;
	uint64_t bytes;
	uint8_t *here; /* bit by cluster: the file has it */
	pthread_rwlock_t lock; /* of `here`; written while clusters come to be */
};

static struct overlay *overlay_of(bp_blk_node *n)
{
	return (struct overlay *)(void *)n;
}

static bool is_here(const struct overlay *o, uint64_t cluster)
{
	return o->here[cluster / 8] & 1u << cluster % 8;
}

/* How far from offset all clusters are alike. */
static uint64_t alike(const struct overlay *o, uint64_t offset, uint64_t len, bool *here)
{
	uint64_t c = offset / CLUSTER, last = (offset + len - 1) / CLUSTER;
	*here = is_here(o, c);
	while (c < last && is_here(o, c + 1) == *here)
		c++;
	return MIN(len, (c + 1) * CLUSTER - offset);
}

static int overlay_read(
	bp_blk_node *n, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov, uint32_t count)
{
	struct overlay *o = overlay_of(n);
	struct bp_blk_iov *part = g_new(struct bp_blk_iov, count);
	int r = 0;
	pthread_rwlock_rdlock(&o->lock);
	for (uint64_t done = 0; done < len && !r;) {
		bool here;
		uint64_t step = alike(o, offset + done, len - done, &here);
		uint32_t k = blk_iov_part(part, iov, count, done, step);
		r = blk_read(here ? o->file : o->base, offset + done, step, part, k);
		done += step;
	}
	pthread_rwlock_unlock(&o->lock);
	g_free(part);
	return r;
}

/* Bring a cluster here, unless all of it is about to be written. */
static int bring(struct overlay *o, uint64_t cluster, bool whole, void *memory)
{
	uint64_t at = cluster * CLUSTER, len = MIN(CLUSTER, o->bytes - at);
	if (is_here(o, cluster))
		return 0;
	int r = whole ? 0 : blk_pread(o->base, at, memory, len);
	if (!r && !whole)
		r = blk_pwrite(o->file, at, memory, len);
	return r;
}

static int write_as(struct overlay *o, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
	uint32_t count)
{
	return iov ? blk_write(o->file, offset, len, iov, count, 0)
		   : blk_write_zeroes(o->file, offset, len, BP_BLK_UNMAP);
}

/* iov NULL: zeros. */
static int put(struct overlay *o, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
	uint32_t count)
{
	uint64_t first = offset / CLUSTER, last = (offset + len - 1) / CLUSTER, c = first;
	int r = 0;
	pthread_rwlock_rdlock(&o->lock);
	while (c <= last && is_here(o, c))
		c++;
	if (c > last)
		r = write_as(o, offset, len, iov, count);
	pthread_rwlock_unlock(&o->lock);
	if (c > last)
		return r;
	void *memory = blk_memory(CLUSTER);
	if (!memory)
		return -ENOMEM;
	pthread_rwlock_wrlock(&o->lock);
	if (offset % CLUSTER)
		r = bring(o, first, false, memory);
	if (!r && (offset + len) % CLUSTER)
		r = bring(o, last,
			(offset + len == o->bytes && (first < last || !(offset % CLUSTER))),
			memory);
	if (!r)
		r = write_as(o, offset, len, iov, count);
	for (c = first; c <= last && !r; c++)
		o->here[c / 8] |= (uint8_t)(1u << c % 8);
	pthread_rwlock_unlock(&o->lock);
	blk_memory_free(memory, CLUSTER);
	return r;
}

static int overlay_write(bp_blk_node *n, uint64_t offset, uint64_t len,
	const struct bp_blk_iov *iov, uint32_t count, unsigned flags)
{
	(void)flags;
	return put(overlay_of(n), offset, len, iov, count);
}

static int overlay_flush(bp_blk_node *n)
{
	(void)n; /* all of it is gone at the end in any case */
	return 0;
}

static int overlay_discard(bp_blk_node *n, uint64_t offset, uint64_t len)
{
	(void)n;
	(void)offset;
	(void)len;
	return 0;
}

static int overlay_write_zeroes(bp_blk_node *n, uint64_t offset, uint64_t len, unsigned flags)
{
	(void)flags;
	return put(overlay_of(n), offset, len, NULL, 0);
}

static int overlay_bytes(bp_blk_node *n, uint64_t *bytes)
{
	*bytes = overlay_of(n)->bytes;
	return 0;
}

static int overlay_resize(bp_blk_node *n, uint64_t bytes, int prealloc)
{
	(void)prealloc;
	return bytes == overlay_of(n)->bytes ? 0 : -ENOTSUP;
}

static int overlay_map(bp_blk_node *n, uint64_t offset, uint64_t len, struct bp_blk_extent *out)
{
	struct overlay *o = overlay_of(n);
	bool here;
	pthread_rwlock_rdlock(&o->lock);
	uint64_t step = alike(o, offset, len, &here);
	*out = (struct bp_blk_extent){ .size = sizeof(*out),
		.flags = here ? BP_BLK_DATA | BP_BLK_ALLOCATED : 0,
		.len = step };
	pthread_rwlock_unlock(&o->lock);
	return 0;
}

static int overlay_close(bp_blk_node *n, struct error_list *errors)
{
	struct overlay *o = overlay_of(n);
	int r = blk_close(o->file, errors);
	r |= blk_close(o->base, errors);
	pthread_rwlock_destroy(&o->lock);
	free(o->here);
	g_free(o);
	return r;
}

static const struct blk_ops ops = { overlay_read, overlay_write, overlay_flush, overlay_discard,
	overlay_write_zeroes, overlay_bytes, overlay_resize, overlay_map, overlay_close };

bp_blk_node *blk_overlay(bp_blk_node *base, struct error_list *errors)
{
	char *name = g_strdup_printf("%s/backplane-XXXXXX", g_get_tmp_dir());
	uint64_t bytes = 0;
	int fd = -1;
	bp_blk_node *file = NULL;
	if (blk_bytes(base, &bytes) != 0 || bytes > size_max)
		error_list_add(
			errors, NULL, "%s: too large a disk for a temporary layer", base->name);
	else if ((fd = g_mkstemp_full(name, O_RDWR | O_CLOEXEC, 0600)) < 0)
		error_list_add(errors, NULL, "%s: %s", name, strerror(errno));
	if (fd >= 0) {
		file = blk_file_open(
			name, BP_BLK_OPEN_WRITE | BP_BLK_OPEN_NO_FLUSH, false, true, false, errors);
		unlink(name);
		close(fd);
	}
	g_free(name);
	uint8_t *here = calloc(1, (size_t)(bytes / CLUSTER / 8 + 1));
	if (!file || !here) {
		free(here);
		blk_close(file, errors);
		blk_close(base, errors);
		return NULL;
	}
	struct overlay *o = g_new0(struct overlay, 1);
	o->node = (bp_blk_node){ &ops, g_strdup(base->name), 0 };
	o->base = base;
	o->file = file;
	o->bytes = bytes;
	o->here = here;
	pthread_rwlock_init(&o->lock, NULL);
	return &o->node;
}
