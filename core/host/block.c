/* SPDX-License-Identifier: MIT */
/* What is the same for all nodes: bounds, pieces of memory, the service for formats. */
#include "block.h"
#include <errno.h>
#include <glib.h>
#include <stdlib.h>
#include <string.h>

enum { MEMORY_ALIGN = 4096 };

uint32_t blk_iov_part(struct bp_blk_iov *out, const struct bp_blk_iov *iov, uint32_t count,
	uint64_t from, uint64_t len)
{
	uint32_t n = 0;
	for (uint32_t i = 0; i < count && len; i++) {
		if (from >= iov[i].len) {
			from -= iov[i].len;
			continue;
		}
		size_t take = MIN(iov[i].len - from, len);
		out[n++] = (struct bp_blk_iov){ (char *)iov[i].base + from, take };
		len -= take;
		from = 0;
	}
	return n;
}

void blk_iov_zero(const struct bp_blk_iov *iov, uint32_t count, uint64_t from, uint64_t len)
{
	for (uint32_t i = 0; i < count && len; i++) {
		if (from >= iov[i].len) {
			from -= iov[i].len;
			continue;
		}
		size_t take = MIN(iov[i].len - from, len);
		memset((char *)iov[i].base + from, 0, take);
		len -= take;
		from = 0;
	}
}

bool blk_is_zero(const void *memory, size_t len)
{
	const char *p = memory;
	size_t head = MIN(len, 64);
	for (size_t i = 0; i < head; i++)
		if (p[i])
			return false;
	return len <= head || memcmp(p, p + head, len - head) == 0;
}

void *blk_memory(size_t len)
{
	void *p = NULL;
	return posix_memalign(&p, MEMORY_ALIGN, len ? len : 1) ? NULL : p;
}

void blk_memory_free(void *memory, size_t len)
{
	(void)len;
	free(memory);
}

int blk_bytes(bp_blk_node *n, uint64_t *bytes)
{
	return n->ops->bytes(n, bytes);
}

int blk_read(bp_blk_node *n, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
	uint32_t iov_count)
{
	uint64_t end;
	int r = blk_bytes(n, &end);
	if (r)
		return r;
	uint64_t inside = offset >= end ? 0 : MIN(len, end - offset);
	if (inside == len)
		return len ? n->ops->read(n, offset, len, iov, iov_count) : 0;
	blk_iov_zero(iov, iov_count, inside, len - inside);
	if (!inside)
		return 0;
	struct bp_blk_iov *part = g_new(struct bp_blk_iov, iov_count);
	uint32_t count = blk_iov_part(part, iov, iov_count, 0, inside);
	r = n->ops->read(n, offset, inside, part, count);
	g_free(part);
	return r;
}

/* May the node be written there? */
static int check_write(bp_blk_node *n, uint64_t offset, uint64_t *len, bool cut)
{
	uint64_t end;
	if (n->flags & BP_BLK_FILE_READ_ONLY)
		return -EROFS;
	if (offset > INT64_MAX || *len > INT64_MAX - offset)
		return -EFBIG;
	if (n->flags & BP_BLK_FILE_GROWS)
		return 0;
	int r = blk_bytes(n, &end);
	if (r)
		return r;
	if (cut)
		*len = offset >= end ? 0 : MIN(*len, end - offset);
	return offset > end || *len > end - offset ? -EIO : 0;
}

int blk_write(bp_blk_node *n, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
	uint32_t iov_count, unsigned flags)
{
	int r = check_write(n, offset, &len, false);
	if (!r && len)
		r = n->ops->write(n, offset, len, iov, iov_count, flags & ~(unsigned)BP_BLK_FUA);
	return !r && flags & BP_BLK_FUA ? blk_flush(n) : r;
}

int blk_flush(bp_blk_node *n)
{
	return n->flags & BP_BLK_FILE_READ_ONLY ? 0 : n->ops->flush(n);
}

int blk_discard(bp_blk_node *n, uint64_t offset, uint64_t len)
{
	int r = check_write(n, offset, &len, true);
	return r || !len ? r : n->ops->discard(n, offset, len);
}

int blk_write_zeroes(bp_blk_node *n, uint64_t offset, uint64_t len, unsigned flags)
{
	int r = check_write(n, offset, &len, false);
	if (!r && len)
		r = n->ops->write_zeroes(n, offset, len, flags & ~(unsigned)BP_BLK_FUA);
	return !r && flags & BP_BLK_FUA ? blk_flush(n) : r;
}

int blk_resize(bp_blk_node *n, uint64_t bytes, int prealloc)
{
	if (n->flags & BP_BLK_FILE_READ_ONLY)
		return -EROFS;
	return bytes > INT64_MAX ? -EFBIG : n->ops->resize(n, bytes, prealloc);
}

int blk_map(bp_blk_node *n, uint64_t offset, uint64_t len, struct bp_blk_extent *out)
{
	uint64_t end;
	int r = blk_bytes(n, &end);
	*out = (struct bp_blk_extent){ .size = sizeof(*out), .flags = BP_BLK_ZERO, .len = len };
	if (r || offset >= end || !len)
		return r;
	return n->ops->map(n, offset, MIN(len, end - offset), out);
}

int blk_pread(bp_blk_node *n, uint64_t offset, void *buf, uint64_t len)
{
	struct bp_blk_iov iov = { buf, len };
	return blk_read(n, offset, len, &iov, 1);
}

int blk_pwrite(bp_blk_node *n, uint64_t offset, const void *buf, uint64_t len)
{
	struct bp_blk_iov iov = { (void *)(uintptr_t)buf, len };
	return blk_write(n, offset, len, &iov, 1, 0);
}

static unsigned node_flags(bp_blk_node *n)
{
	return n->flags;
}

const struct bp_blk_layer blk_layer = {
	.size = sizeof(blk_layer),
	.read = blk_read,
	.write = blk_write,
	.flush = blk_flush,
	.discard = blk_discard,
	.write_zeroes = blk_write_zeroes,
	.bytes = blk_bytes,
	.resize = blk_resize,
	.map = blk_map,
	.flags = node_flags,
	.memory = blk_memory,
	.memory_free = blk_memory_free,
};

int blk_close(bp_blk_node *n, struct error_list *errors)
{
	if (!n)
		return 0;
	char *name = n->name;
	int r = n->ops->close(n, errors);
	g_free(name);
	return r;
}
