/* SPDX-License-Identifier: MIT */
#include "disk.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* ---- jobs ---- */

static void done(void *owner, struct bp_blk_request *req, int result);

static void job_free(struct disk *d, struct job *j)
{
	free(j->buffer);
	j->buffer = NULL;
	j->next = d->free;
	d->free = j;
}

static struct job *job_new(
	struct disk *d, struct bp_scsi_command *c, enum job_kind kind, uint32_t op)
{
	struct job *j = d->free;
	if (j)
		d->free = j->next;
	else if (!(j = malloc(sizeof(*j)))) {
		c->status = BP_SCSI_UNIT_BUSY;
		return NULL;
	}
	/* The tables in the middle are written before they are read. */
	j->owner = d;
	j->cmd = c;
	j->kind = kind;
	j->piece = j->segment = j->segments = 0;
	j->piece_at = 0;
	j->offset = j->left = j->moves = 0;
	j->buffer = NULL;
	j->cancelled = j->compare = j->unmap = j->fua = 0;
	j->blk = (struct bp_blk_request){
		.size = sizeof(j->blk), .op = op, .done = done, .tag = (uintptr_t)j
	};
	return j;
}

static int with_buffer(struct job *j)
{
	j->buffer = malloc(BUFFER);
	if (j->buffer)
		return 0;
	j->cmd->status = BP_SCSI_UNIT_BUSY;
	job_free(j->owner, j);
	return -1;
}

/* Pieces of the command's data for the next `len` bytes. */
static uint32_t next_pieces(
	struct job *j, const struct bp_blk_iov *from, uint32_t count, uint64_t len)
{
	uint32_t n = 0;
	while (len && j->piece < count) {
		const struct bp_blk_iov *v = &from[j->piece];
		size_t have = v->len - j->piece_at, some = have < len ? have : (size_t)len;
		j->iov[n++] = (struct bp_blk_iov){ (uint8_t *)v->base + j->piece_at, some };
		len -= some;
		j->piece_at += some;
		if (j->piece_at == v->len) {
			j->piece++;
			j->piece_at = 0;
		}
	}
	return n;
}

static int more(const struct job *j)
{
	return j->left || j->segment < j->segments;
}

/* The next step into j->blk. */
static void next_step(struct job *j)
{
	const struct disk *d = j->owner;
	uint64_t most = d->info.max_transfer;
	j->blk.flags = j->fua ? BP_BLK_FUA : 0;
	if (j->kind == JOB_FLUSH || j->kind == JOB_STOP)
		return;
	if (j->kind == JOB_UNMAP && !j->left) {
		const uint8_t *s = j->list + (size_t)j->segment++ * UNMAP_BYTES;
		j->offset = get_be(s, 8) * d->info.block_size;
		j->left = get_be(s + 8, 4) * d->info.block_size;
	}
	if (j->kind == JOB_UNMAP)
		most = d->info.max_discard;
	else if (j->kind == JOB_ZEROES)
		most = d->info.max_zeroes;
	else if (j->buffer)
		most = most < BUFFER ? most : BUFFER;
	most &= ~(uint64_t)4095;
	j->blk.offset = j->offset;
	j->blk.len = j->left < most ? j->left : most;
	j->offset += j->blk.len;
	j->left -= j->blk.len;
	j->blk.iov = j->iov;
	if (j->buffer) {
		j->iov[0] = (struct bp_blk_iov){ j->buffer, (size_t)j->blk.len };
		j->blk.iov_count = 1;
	} else if (j->kind == JOB_READ) {
		j->blk.iov_count = next_pieces(j, j->cmd->in, j->cmd->in_count, j->blk.len);
	} else if (j->kind == JOB_WRITE) {
		j->blk.iov_count = next_pieces(j, j->cmd->out, j->cmd->out_count, j->blk.len);
	} else {
		j->blk.flags |= j->unmap ? BP_BLK_UNMAP : 0;
	}
}

static struct job *begun(struct job *j)
{
	next_step(j);
	return j;
}

/* Whether what was read is what the initiator sent. */
static int same(struct job *j)
{
	uint32_t n = next_pieces(j, j->cmd->out, j->cmd->out_count, j->blk.len);
	const uint8_t *at = j->buffer;
	for (uint32_t i = 0; i < n; at += j->iov[i++].len)
		if (memcmp(at, j->iov[i].base, j->iov[i].len))
			return 0;
	return 1;
}

static uint32_t sense_of(const struct job *j, int result)
{
	switch (result) {
	case -EIO: return j->kind == JOB_READ || j->kind == JOB_VERIFY ? READ_ERROR : WRITE_ERROR;
	case -ENOSPC: return NO_SPACE;
	case -EROFS: return WRITE_PROTECTED;
	default: return TARGET_FAILURE;
	}
}

static void done(void *owner, struct bp_blk_request *req, int result)
{
	struct disk *d = owner;
	struct job *j = (struct job *)(uintptr_t)req->tag;
	struct bp_scsi_command *c = j->cmd;
	if (d->closing) { /* the controller may be gone */
		job_free(d, j);
		return;
	}
	if (j->cancelled &&
		(result || more(j))) { /* also when it failed before it could be taken away */
		c->result = BP_SCSI_CANCELLED;
	} else if (result == -ECANCELED) {
		d->blk->submit(d->blk_self, &req, 1); /* another one was meant */
		return;
	} else if (result) {
		refuse(c, sense_of(j, result));
	} else if (j->compare && !same(j)) {
		refuse(c, MISCOMPARE);
	} else if (more(j)) {
		next_step(j);
		d->blk->submit(d->blk_self, &req, 1);
		return;
	} else {
		c->moved = j->moves;
		if (j->kind == JOB_STOP)
			d->stopped = 1;
	}
	job_free(d, j);
	c->unit = NULL;
	c->done(c->owner, c);
}

void job_cancel(struct disk *d, struct job *j)
{
	j->cancelled = 1;
	d->blk->cancel(d->blk_self, &j->blk);
}

void jobs_finish(struct disk *d)
{
	for (struct job *j = d->free, *next; j; j = next) {
		next = j->next;
		free(j);
	}
}

/* ---- commands (SBC-3, 5) ---- */

struct range {
	uint64_t lba, blocks;
};

static int inside(const struct disk *d, uint64_t lba, uint64_t blocks)
{
	uint64_t all = d->info.bytes / d->info.block_size;
	return lba <= all && blocks <= all - lba;
}

/* Where the command's range stands, by the group of its code: 0, or -1 after refusing it. */
static int range_of(const struct disk *d, struct bp_scsi_command *c, struct range *r)
{
	const uint8_t *p = c->cdb;
	switch (p[0] >> 5) {
	case 0:
		r->lba = get_be(p + 1, 3) & 0x1fffff;
		r->blocks = p[4] ? p[4] : 256;
		break;
	case 4:
		r->lba = get_be(p + 2, 8);
		r->blocks = get_be(p + 10, 4);
		break;
	case 5:
		r->lba = get_be(p + 2, 4);
		r->blocks = get_be(p + 6, 4);
		break;
	default: r->lba = get_be(p + 2, 4); r->blocks = get_be(p + 7, 2);
	}
	if (inside(d, r->lba, r->blocks))
		return 0;
	refuse(c, LBA_OUT_OF_RANGE);
	return -1;
}

/* Protection information is for disks that are formatted so. */
static int protect(struct bp_scsi_command *c)
{
	if (c->cdb[0] < 0x20 || !(c->cdb[1] & 0xe0))
		return 0;
	refuse(c, INVALID_FIELD);
	return -1;
}

static int writable(const struct disk *d, struct bp_scsi_command *c)
{
	if (!(d->info.flags & BP_BLK_READ_ONLY))
		return 0;
	refuse(c, WRITE_PROTECTED);
	return -1;
}

static struct job *transfer(struct disk *d, struct bp_scsi_command *c, const struct range *r,
	enum job_kind kind, uint32_t op, uint64_t memory)
{
	uint64_t len = r->blocks * d->info.block_size;
	if (len > memory) {
		c->result = BP_SCSI_OVERRUN;
		return NULL;
	}
	struct job *j = len ? job_new(d, c, kind, op) : NULL;
	if (!j)
		return NULL;
	j->offset = r->lba * d->info.block_size;
	j->left = j->moves = len;
	return j;
}

struct job *cmd_read(struct disk *d, struct bp_scsi_command *c)
{
	struct range r;
	if (protect(c) != 0 || range_of(d, c, &r) != 0)
		return NULL;
	struct job *j = transfer(d, c, &r, JOB_READ, BP_BLK_READ, c->in_len);
	return j ? begun(j) : NULL;
}

struct job *cmd_write(struct disk *d, struct bp_scsi_command *c)
{
	struct range r;
	if (protect(c) != 0 || writable(d, c) != 0 || range_of(d, c, &r) != 0)
		return NULL;
	struct job *j = transfer(d, c, &r, JOB_WRITE, BP_BLK_WRITE, c->out_len);
	if (!j)
		return NULL;
	j->fua = c->cdb[0] >= 0x20 && c->cdb[1] & 8;
	return begun(j);
}

struct job *cmd_verify(struct disk *d, struct bp_scsi_command *c)
{
	struct range r;
	unsigned check = c->cdb[1] >> 1 & 3; /* BYTCHK: 0 that it can be read, 1 what it is */
	if (protect(c) != 0)
		return NULL;
	if (check > 1) {
		refuse(c, INVALID_FIELD);
		return NULL;
	}
	if (range_of(d, c, &r) != 0)
		return NULL;
	struct job *j =
		transfer(d, c, &r, JOB_VERIFY, BP_BLK_READ, check ? c->out_len : UINT64_MAX);
	if (!j || with_buffer(j) != 0)
		return NULL;
	j->compare = (uint8_t)check;
	j->moves = check ? j->left : 0;
	return begun(j);
}

/* SBC-3, 5.42: one block everywhere; zeros are what the drive does better. */
struct job *cmd_write_same(struct disk *d, struct bp_scsi_command *c)
{
	struct range r;
	uint8_t block[4096] = { 0 };
	uint32_t size = d->info.block_size, zero = 1;
	int unmap = c->cdb[1] & 8, none = c->cdb[0] == 0x93 && c->cdb[1] & 1; /* NDOB */
	if (protect(c) != 0 || writable(d, c) != 0)
		return NULL;
	if (c->cdb[1] & 0x16) { /* ANCHOR, and what is obsolete */
		refuse(c, INVALID_FIELD);
		return NULL;
	}
	if (range_of(d, c, &r) != 0)
		return NULL;
	if (!r.blocks || r.blocks > d->info.max_zeroes / size) { /* WSNZ, and the limit we tell */
		refuse(c, INVALID_FIELD);
		return NULL;
	}
	if (!none && take(c, block, size) != 0)
		return NULL;
	for (uint32_t i = 0; i < size; i++)
		zero &= !block[i];
	struct job *j = transfer(d, c, &r, zero ? JOB_ZEROES : JOB_SAME,
		zero ? BP_BLK_WRITE_ZEROES : BP_BLK_WRITE, UINT64_MAX);
	if (!j || (!zero && with_buffer(j) != 0))
		return NULL;
	for (uint32_t at = 0; !zero && at < BUFFER; at += size)
		memcpy(j->buffer + at, block, size);
	j->moves = none ? 0 : size;
	j->unmap = unmap != 0;
	return begun(j);
}

/* SBC-3, 5.28. */
struct job *cmd_unmap(struct disk *d, struct bp_scsi_command *c)
{
	uint8_t head[8 + UNMAP_MAX * UNMAP_BYTES];
	uint64_t len = get_be(c->cdb + 7, 2), used, blocks = 0;
	if (writable(d, c) != 0)
		return NULL;
	if (c->cdb[1] & 1) { /* ANCHOR */
		refuse(c, INVALID_FIELD);
		return NULL;
	}
	if (!len)
		return NULL;
	if (len < 8) {
		refuse(c, LIST_LENGTH);
		return NULL;
	}
	if (len > c->out_len) {
		c->result = BP_SCSI_OVERRUN;
		return NULL;
	}
	if (take(c, head, len < sizeof(head) ? len : sizeof(head)) != 0)
		return NULL;
	used = get_be(head + 2, 2);
	used = (used < len - 8 ? used : len - 8) / UNMAP_BYTES;
	if (used > UNMAP_MAX) {
		refuse(c, INVALID_PARAMETER);
		return NULL;
	}
	for (uint64_t i = 0; i < used; i++) {
		const uint8_t *s = head + 8 + i * UNMAP_BYTES;
		if (!inside(d, get_be(s, 8), get_be(s + 8, 4))) {
			refuse(c, LBA_OUT_OF_RANGE);
			return NULL;
		}
		blocks += get_be(s + 8, 4);
	}
	c->moved = len;
	if (!blocks || !(d->info.flags & BP_BLK_CAN_DISCARD))
		return NULL;
	struct job *j = job_new(d, c, JOB_UNMAP, BP_BLK_DISCARD);
	if (!j)
		return NULL;
	/* Those of no blocks are nothing to do. */
	for (uint64_t i = 0; i < used; i++) {
		const uint8_t *s = head + 8 + i * UNMAP_BYTES;
		if (get_be(s + 8, 4))
			memcpy(j->list + (size_t)j->segments++ * UNMAP_BYTES, s, UNMAP_BYTES);
	}
	j->moves = len;
	return begun(j);
}

/* The whole cache, whatever range is meant: that is always allowed. */
struct job *cmd_sync(struct disk *d, struct bp_scsi_command *c)
{
	struct range r;
	if (range_of(d, c, &r) != 0)
		return NULL;
	return job_new(d, c, JOB_FLUSH, BP_BLK_FLUSH);
}

/* SBC-3, 5.25. A disk that stops writes its cache first. */
struct job *cmd_start_stop(struct disk *d, struct bp_scsi_command *c)
{
	if (c->cdb[4] & 0xf2) { /* power conditions; nothing can be ejected */
		refuse(c, INVALID_FIELD);
		return NULL;
	}
	if (!(c->cdb[4] & 1))
		return job_new(d, c, JOB_STOP, BP_BLK_FLUSH);
	d->stopped = 0;
	return NULL;
}
