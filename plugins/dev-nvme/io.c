/* SPDX-License-Identifier: MIT */
/* PRPs, and the NVM command set. */
#include "nvme.h"
#include <errno.h>
#include <string.h>

enum { IO_FLUSH = 0, IO_WRITE = 1, IO_READ = 2, IO_WRITE_ZEROES = 8, IO_DATASET = 9 };
enum { FUA = 1 << 30, DEALLOCATE = 1 << 25, ATTRIBUTE_DEALLOCATE = 4, RANGE_BYTES = 16 };
enum { PRP1 = 24, PRP2 = 32, PRPS_IN_PAGE = PAGE_BYTES / 8 };

/* ---- physical region pages (4.3) ---- */

int prp_copy(struct nvme *n, const struct command *c, uint32_t skip, void *buf, uint32_t len,
	int to_guest)
{
	uint64_t first = get(c->entry + PRP1, 8), second = get(c->entry + PRP2, 8);
	uint32_t in_first = PAGE_BYTES - (uint32_t)(first % PAGE_BYTES);
	uint8_t *p = buf;
	if (first % 4)
		return PRP_OFFSET;
	while (len) {
		int low = skip < in_first;
		uint32_t room = low ? in_first - skip : in_first + PAGE_BYTES - skip;
		uint64_t addr = low ? first + skip : second + (skip - in_first);
		uint32_t k = len < room ? len : room;
		if (!k || (!low && (second % PAGE_BYTES || skip >= in_first + PAGE_BYTES)))
			return PRP_OFFSET;
		int status = to_guest ? n->host->dma_write(n->dma, addr, p, k)
				      : n->host->dma_read(n->dma, addr, p, k);
		if (status != BP_OK)
			return TRANSFER_ERROR;
		skip += k;
		p += k;
		len -= k;
	}
	return OK;
}

void io_release(struct command *c, int written)
{
	struct nvme *n = c->owner;
	for (uint32_t i = 0; i < c->pieces; i++)
		n->host->dma_unmap(
			n->dma, c->iov[i].base, c->iov[i].len, written ? c->iov[i].len : 0);
	c->pieces = 0;
}

static int add_piece(struct nvme *n, struct command *c, uint64_t addr, uint32_t len, int write)
{
	uint64_t got = len;
	void *p = c->pieces <= PAGES_MAX ? n->host->dma_map(n->dma, addr, &got, write) : NULL;
	if (!p)
		return TRANSFER_ERROR;
	/* A page is never split: memory ends and begins at pages. */
	if (got < len) {
		n->host->dma_unmap(n->dma, p, got, 0);
		return TRANSFER_ERROR;
	}
	c->iov[c->pieces++] = (struct bp_blk_iov){ p, len };
	return OK;
}

/* The pages behind the first, by a list whose last entry leads on to the next list. */
static int add_list(struct nvme *n, struct command *c, uint64_t list, uint64_t len, int write)
{
	uint8_t entries[PAGE_BYTES];
	uint32_t index = 0, count = 0;
	if (list % 8)
		return PRP_OFFSET;
	while (len) {
		uint64_t pages = (len + PAGE_BYTES - 1) / PAGE_BYTES;
		if (index == count) {
			count = (PAGE_BYTES - (uint32_t)(list % PAGE_BYTES)) / 8;
			count = pages < count ? (uint32_t)pages : count;
			index = 0;
			if (n->host->dma_read(n->dma, list, entries, (uint64_t)count * 8) != BP_OK)
				return TRANSFER_ERROR;
		}
		uint64_t entry = get(entries + (uint64_t)index * 8, 8);
		int leads_on = index + 1 == count && pages > 1;
		if (leads_on) {
			/* One entry a list would let the guest lead on for ever. */
			if (entry % 8 || count == 1)
				return PRP_OFFSET;
			list = entry;
			index = count;
			continue;
		}
		if (entry % PAGE_BYTES)
			return PRP_OFFSET;
		uint32_t k = len < PAGE_BYTES ? (uint32_t)len : PAGE_BYTES;
		int status = add_piece(n, c, entry, k, write);
		if (status != OK)
			return status;
		len -= k;
		index++;
	}
	return OK;
}

static int map_data(struct nvme *n, struct command *c, uint64_t len, int write)
{
	uint64_t first = get(c->entry + PRP1, 8), second = get(c->entry + PRP2, 8);
	uint32_t room = PAGE_BYTES - (uint32_t)(first % PAGE_BYTES);
	uint32_t k = len < room ? (uint32_t)len : room;
	if (first % 4)
		return PRP_OFFSET;
	int status = add_piece(n, c, first, k, write);
	len -= k;
	if (status != OK || !len)
		return status;
	if (len > PAGE_BYTES)
		return add_list(n, c, second, len, write);
	return second % PAGE_BYTES ? PRP_OFFSET : add_piece(n, c, second, (uint32_t)len, write);
}

/* ---- commands ---- */

static void done(void *owner, struct bp_blk_request *req, int result)
{
	struct nvme *n = owner;
	struct command *c = &n->command[req->tag];
	c->submitted = 0;
	int status = io_continue(c, result);
	if (status == LATER)
		return;
	command_end(c, (uint32_t)status, 0);
	if (n->starved)
		nvme_fetch_all(n);
}

static int submit(struct nvme *n, struct command *c, uint32_t op, uint32_t flags, uint64_t len)
{
	struct bp_blk_request *const one[1] = { &c->req };
	c->req = (struct bp_blk_request){ .size = sizeof(c->req),
		.op = op,
		.flags = flags,
		.iov_count = c->pieces,
		.offset = c->at,
		.len = len,
		.iov = c->pieces ? c->iov : NULL,
		.done = done,
		.tag = (uint64_t)(c - n->command) };
	c->step = len;
	c->submitted = 1;
	n->blk->submit(n->blk_link->self, one, 1);
	return LATER;
}

static int status_of(const struct command *c, int result)
{
	switch (result) {
	case 0: return OK;
	case -ECANCELED: return ABORTED;
	case -ENOSPC: return CAPACITY_EXCEEDED;
	case -EROFS: return READ_ONLY_RANGE;
	default: return c->req.op == BP_BLK_READ ? READ_ERROR : WRITE_FAULT;
	}
}

/* Blocks of the command into bytes of the disk; OK, or what is wrong with them. */
static int range_of(
	const struct nvme *n, uint64_t first, uint64_t blocks, uint64_t *offset, uint64_t *len)
{
	uint64_t all = n->info.bytes / n->info.block_size;
	if (first > all || blocks > all - first)
		return LBA_RANGE | DO_NOT_RETRY;
	*offset = first * n->info.block_size;
	*len = blocks * n->info.block_size;
	return OK;
}

static int read_write(struct nvme *n, struct command *c, int write)
{
	uint64_t offset, len;
	int status = range_of(
		n, get(c->entry + 40, 8), (dword(c, 12) & 0xffff) + UINT64_C(1), &offset, &len);
	if (status != OK)
		return status;
	if (len > (uint64_t)n->max_pages * PAGE_BYTES)
		return INVALID_FIELD | DO_NOT_RETRY;
	status = map_data(n, c, len, !write);
	if (status != OK) {
		io_release(c, 0);
		return status | DO_NOT_RETRY;
	}
	c->at = offset;
	c->end = offset + len;
	return submit(n, c, write ? BP_BLK_WRITE : BP_BLK_READ,
		write && dword(c, 12) & FUA ? BP_BLK_FUA : 0, len);
}

static int next_zeroes(struct nvme *n, struct command *c)
{
	uint64_t left = c->end - c->at;
	uint64_t most = n->info.max_zeroes / n->info.block_size * n->info.block_size;
	return submit(n, c, BP_BLK_WRITE_ZEROES,
		(dword(c, 12) & FUA ? BP_BLK_FUA : 0) |
			(dword(c, 12) & DEALLOCATE ? BP_BLK_UNMAP : 0),
		most && left > most ? most : left);
}

/* Ranges are read as they come: `at` to `end` is the one under way, `pieces` is 0 throughout and
 * `result` counts those that are done. */
static int next_range(struct nvme *n, struct command *c)
{
	uint32_t ranges = (dword(c, 10) & 0xff) + 1;
	uint64_t most = n->info.max_discard / n->info.block_size * n->info.block_size;
	while (c->at == c->end) {
		uint8_t range[RANGE_BYTES];
		uint64_t offset, len;
		if (c->result == ranges) {
			c->result = 0;
			return OK;
		}
		int status = prp_copy(n, c, c->result * RANGE_BYTES, range, RANGE_BYTES, 0);
		if (status == OK)
			status = range_of(n, get(range + 8, 8), get(range + 4, 4), &offset, &len);
		if (status != OK)
			return status | DO_NOT_RETRY;
		c->result++;
		c->at = offset;
		c->end = offset + len;
	}
	uint64_t left = c->end - c->at;
	return submit(n, c, BP_BLK_DISCARD, 0, most && left > most ? most : left);
}

int io_continue(struct command *c, int result)
{
	struct nvme *n = c->owner;
	int status = status_of(c, result);
	io_release(c, c->req.op == BP_BLK_READ && !result);
	c->at += c->step;
	if (status != OK)
		return status;
	if (!n->sq[c->sq].used)
		return ABORTED_SQ_DELETION;
	if (c->entry[0] == IO_DATASET)
		return next_range(n, c);
	if (c->entry[0] == IO_WRITE_ZEROES && c->at != c->end)
		return next_zeroes(n, c);
	return OK;
}

int io_execute(struct nvme *n, struct command *c)
{
	uint32_t nsid = dword(c, 1);
	uint64_t len;
	c->at = c->end = c->step = 0;
	c->pieces = c->result = 0;
	if (c->entry[1] & 0xc3) /* fused, or SGLs instead of PRPs */
		return INVALID_FIELD | DO_NOT_RETRY;
	if (nsid != 1 && !(c->entry[0] == IO_FLUSH && nsid == UINT32_MAX))
		return INVALID_NAMESPACE | DO_NOT_RETRY;
	switch (c->entry[0]) {
	case IO_FLUSH: return submit(n, c, BP_BLK_FLUSH, 0, 0);
	case IO_WRITE: return read_write(n, c, 1);
	case IO_READ: return read_write(n, c, 0);
	case IO_WRITE_ZEROES: {
		int status = range_of(n, get(c->entry + 40, 8),
			(dword(c, 12) & 0xffff) + UINT64_C(1), &c->at, &len);
		c->end = c->at + (status == OK ? len : 0);
		return status == OK ? next_zeroes(n, c) : status;
	}
	case IO_DATASET:
		/* The other attributes are hints. */
		return dword(c, 11) & ATTRIBUTE_DEALLOCATE ? next_range(n, c) : OK;
	default: return INVALID_OPCODE | DO_NOT_RETRY;
	}
}
