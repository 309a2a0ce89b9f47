/* SPDX-License-Identifier: MIT */
#include "scsi.h"
#include <string.h>

/* struct virtio_scsi_req_cmd: lun, id, attributes, CDB; sense length, residual, qualifier, status,
 * response, sense data. */
enum { ID = 8, CDB = 19, RESIDUAL = 4, STATUS = 10, RESPONSE = 11, SENSE = 12, BATCH = 32 };
enum { REPORT_LUNS = 0xa0, INQUIRY = 0x12, REQUEST_SENSE = 0x03, REPORT_MAX = 8 + 8 * LUNS };
enum { ILLEGAL_REQUEST = 5, NO_SUCH_UNIT = 0x25, NO_SUCH_FIELD = 0x24 };

/* ---- ending ---- */

static void respond(struct scsi *d, struct request *r, enum response response)
{
	const struct bp_scsi_command *c = &r->cmd;
	uint8_t head[SENSE] = { 0 };
	uint32_t sense = 0;
	uint64_t moved = 0;
	if (response == S_OK) {
		sense = c->sense_len < d->sense_size ? c->sense_len : d->sense_size;
		moved = c->moved;
		bp_virtio_put(head, 4, sense);
		head[STATUS] = c->status;
		bp_virtio_write(&r->chain, SENSE, c->sense, sense);
	}
	uint64_t left = c->in_len + c->out_len - moved;
	bp_virtio_put(head + RESIDUAL, 4, left < UINT32_MAX ? left : UINT32_MAX);
	head[RESPONSE] = (uint8_t)response;
	bp_virtio_write(&r->chain, 0, head, sizeof(head));
	unsigned queue = bp_virtio_queue_of(&r->chain);
	d->ops->push(d->transport, queue, &r->chain,
		(uint32_t)(SENSE + d->sense_size + (c->in_len ? moved : 0)));
	d->ops->notify(d->transport, queue);
}

static void done(void *owner, struct bp_scsi_command *c)
{
	struct scsi *d = owner;
	struct request *r = (struct request *)(uintptr_t)c->tag;
	if (d->stopping >> bp_virtio_queue_of(&r->chain) & 1)
		d->ops->release(d->transport, &r->chain);
	else if (c->result == BP_SCSI_CANCELLED)
		respond(d, r, r->cancelled ? r->cancelled : S_ABORTED);
	else
		respond(d, r, c->result == BP_SCSI_OVERRUN ? S_OVERRUN : S_OK);
}

/* ---- what the controller answers itself ---- */

static void check_condition(struct bp_scsi_command *c, uint8_t asc)
{
	c->status = BP_SCSI_CHECK_CONDITION;
	c->sense_len = BP_SCSI_SENSE;
	c->sense[0] = 0x70;
	c->sense[2] = ILLEGAL_REQUEST;
	c->sense[7] = BP_SCSI_SENSE - 8;
	c->sense[12] = asc;
}

static enum response give(struct request *r, const uint8_t *data, uint64_t len, uint64_t allocation)
{
	struct bp_scsi_command *c = &r->cmd;
	len = len < allocation ? len : allocation;
	if (len > c->in_len)
		return S_OVERRUN;
	bp_virtio_write(&r->chain, SENSE + (uint64_t)r->owner->sense_size, data, (uint32_t)len);
	c->moved = len;
	return S_OK;
}

static uint64_t get_be(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;
	while (bytes--)
		v = v << 8 | *p++;
	return v;
}

/* SPC-4, 6.33: a list of the target's units. */
static enum response report_luns(struct request *r, uint32_t target)
{
	const struct scsi *d = r->owner;
	uint8_t list[REPORT_MAX] = { 0 };
	uint32_t len = 8, kind = r->cmd.cdb[2];
	if (kind > 2) {
		check_condition(&r->cmd, NO_SUCH_FIELD);
		return S_OK;
	}
	/* 1: well-known units only, of which this target has none. */
	for (uint32_t i = 0; i < d->units && kind != 1; i++)
		if (d->unit[i].target == target) {
			list[len + 1] = (uint8_t)d->unit[i].lun;
			len += 8;
		}
	list[2] = (uint8_t)((len - 8) >> 8);
	list[3] = (uint8_t)(len - 8);
	return give(r, list, len, get_be(r->cmd.cdb + 6, 4));
}

/* Commands for a unit that is not there, in a target that is (SPC-4, 6.6 and 6.39). */
static enum response nobody(struct request *r, const struct unit *other)
{
	uint8_t data[36] = { 0 };
	const uint8_t *cdb = r->cmd.cdb;
	if (cdb[0] == INQUIRY && !(cdb[1] & 1)) {
		other->dev->inquiry(other->self, data, sizeof(data));
		data[0] = 0x7f;
		data[4] = sizeof(data) - 5;
		return give(r, data, sizeof(data), get_be(cdb + 3, 2));
	}
	check_condition(&r->cmd, NO_SUCH_UNIT);
	if (cdb[0] != REQUEST_SENSE)
		return S_OK;
	memcpy(data, r->cmd.sense, BP_SCSI_SENSE);
	r->cmd.status = BP_SCSI_GOOD;
	r->cmd.sense_len = 0;
	return give(r, data, BP_SCSI_SENSE, cdb[4]);
}

/* ---- beginning ---- */

/* The pieces of buffers from..to without `skip` bytes at the beginning. */
static uint32_t gather(struct bp_blk_iov *iov, const struct bp_virtio_request *c, uint32_t from,
	uint32_t to, uint64_t skip, uint64_t *len)
{
	uint32_t n = 0;
	*len = 0;
	for (uint32_t i = from; i < to; i++) {
		const struct bp_virtio_buffer *b = &c->buffer[i];
		if (skip >= b->len) {
			skip -= b->len;
			continue;
		}
		iov[n++] = (struct bp_blk_iov){ (uint8_t *)b->data + skip, b->len - (size_t)skip };
		*len += b->len - skip;
		skip = 0;
	}
	return n;
}

static void parse(struct scsi *d, struct request *r)
{
	struct bp_scsi_command *c = &r->cmd;
	uint8_t id[8];
	r->owner = d;
	r->cancelled = 0;
	*c = (struct bp_scsi_command){
		.size = sizeof(*c), .done = done, .owner = d, .tag = (uintptr_t)r
	};
	c->cdb_len = d->cdb_size < BP_SCSI_CDB ? d->cdb_size : BP_SCSI_CDB;
	bp_virtio_read(&r->chain, 0, r->lun, sizeof(r->lun));
	bp_virtio_read(&r->chain, ID, id, sizeof(id));
	r->id = bp_virtio_get(id, sizeof(id));
	bp_virtio_read(&r->chain, CDB, c->cdb, c->cdb_len);
	c->out_count = gather(
		r->iov, &r->chain, 0, r->chain.readable, CDB + (uint64_t)d->cdb_size, &c->out_len);
	c->out = r->iov;
	c->in = r->iov + c->out_count;
	c->in_count = gather(r->iov + c->out_count, &r->chain, r->chain.readable, r->chain.count,
		SENSE + (uint64_t)d->sense_size, &c->in_len);
}

/* 1: the unit is to begin it; 0: the request is over. */
static int start(struct scsi *d, struct request *r)
{
	struct unit *other;
	uint32_t target, lun;
	if (bp_virtio_bytes(&r->chain, 0) < CDB + (uint64_t)d->cdb_size ||
		bp_virtio_bytes(&r->chain, 1) < SENSE + (uint64_t)d->sense_size) {
		/* No place for a response: nothing can be said but this. */
		d->ops->release(d->transport, &r->chain);
		d->ops->broken(d->transport);
		return 0;
	}
	parse(d, r);
	r->unit = unit_at(d, r->lun, &other);
	if (!other || address_of(r->lun, &target, &lun) != 0)
		respond(d, r, S_BAD_TARGET);
	else if (r->cmd.in_len && r->cmd.out_len)
		respond(d, r, S_FAILURE); /* INOUT is not on offer */
	else if (r->cmd.cdb[0] == REPORT_LUNS)
		respond(d, r, report_luns(r, target));
	else if (!r->unit)
		respond(d, r, nobody(r, other));
	else
		return 1;
	return 0;
}

/* Commands for one unit, one behind the other, go to it together. */
struct batch {
	struct bp_scsi_command *cmd[BATCH];
	struct unit *unit;
	uint32_t count;
};

static void batch_submit(struct batch *b)
{
	if (b->count)
		b->unit->dev->submit(b->unit->self, b->cmd, b->count);
	b->count = 0;
}

static void batch_add(struct batch *b, struct request *r)
{
	if (b->count == BATCH || (b->count && b->unit != r->unit))
		batch_submit(b);
	b->unit = r->unit;
	b->cmd[b->count++] = &r->cmd;
}

static void again(void *self, uint64_t queue)
{
	struct scsi *d = self;
	d->posted &= ~(UINT64_C(1) << queue);
	request_kick(d, (unsigned)queue);
}

void request_kick(struct scsi *d, unsigned queue)
{
	struct batch batch = { .count = 0 };
	int more = 1;
	for (unsigned taken = 0; taken < 2 * d->queue_size; taken++) {
		struct request *r = (void *)d->ops->take(d->transport, queue, &more);
		if (!r)
			break;
		if (start(d, r))
			batch_add(&batch, r);
	}
	batch_submit(&batch);
	if (more && !(d->posted >> queue & 1)) {
		/* A driver that fills the ring all the time leaves others a turn, too. */
		d->posted |= UINT64_C(1) << queue;
		d->host->post(d, again, queue);
	}
}

/* ---- ending early ---- */

uint32_t request_cancel(struct scsi *d, int (*meant)(const struct request *r, const void *what),
	const void *what, enum response why)
{
	struct bp_virtio_request *const *list;
	uint32_t count = 0;
	for (uint32_t i = d->ops->held(d->transport, &list); i-- > 0;) {
		struct request *r = (void *)list[i];
		if (!r->chain.place || !meant(r, what))
			continue;
		count++;
		r->cancelled = why;
		if (!r->chain.resumed) {
			r->unit->dev->cancel(r->unit->self, &r->cmd);
			continue;
		}
		r->cmd.result = BP_SCSI_CANCELLED;
		done(d, &r->cmd);
	}
	for (uint32_t i = 0; count && i < d->units; i++)
		d->unit[i].dev->drain(d->unit[i].self);
	return count;
}

/* ---- snapshots ---- */

static void restart(void *self, uint64_t arg)
{
	struct scsi *d = self;
	struct bp_virtio_request *const *list;
	struct batch batch = { .count = 0 };
	(void)arg;
	for (uint32_t i = d->ops->held(d->transport, &list); i-- > 0;) {
		struct request *r = (void *)list[i];
		if (!r->chain.place || !r->chain.resumed)
			continue;
		r->chain.resumed = 0;
		if (start(d, r))
			batch_add(&batch, r);
	}
	batch_submit(&batch);
}

int request_loaded(struct scsi *d, bp_error *err)
{
	struct bp_virtio_request *const *list;
	uint32_t count = d->ops ? d->ops->held(d->transport, &list) : 0;
	for (uint32_t i = 0; i < count; i++) {
		if (bp_virtio_queue_of(list[i]) < REQUESTQ)
			return d->host->fail(err, "a saved request is in no request queue");
		parse(d, (void *)list[i]); /* so that task management finds it */
	}
	if (count)
		d->host->post(d, restart, 0);
	return 0;
}
