/* SPDX-License-Identifier: MIT */
/* The control queue (5.6.6.2): task management functions are done when they are answered. */
#include "scsi.h"
#include <string.h>

enum { T_TMF = 0, T_AN_QUERY = 1, T_AN_SUBSCRIBE = 2 };
enum { TMF_BYTES = 24, AN_BYTES = 16, AN_ANSWER = 5, BURST = 64 };
enum tmf {
	ABORT_TASK = 0,
	ABORT_TASK_SET,
	CLEAR_ACA,
	CLEAR_TASK_SET,
	I_T_NEXUS_RESET,
	LOGICAL_UNIT_RESET,
	QUERY_TASK,
	QUERY_TASK_SET
};

struct task { /* whom a function means */
	uint8_t lun[LUN_BYTES];
	uint64_t id;
	uint32_t target;
};

static int of_unit(const struct request *r, const void *what)
{
	/* In whichever of the two forms it is written. */
	const uint8_t *lun = ((const struct task *)what)->lun;
	return r->lun[1] == lun[1] && r->lun[3] == lun[3] && !((r->lun[2] ^ lun[2]) & 0x3f);
}

static int one_task(const struct request *r, const void *what)
{
	const struct task *t = what;
	return r->id == t->id && of_unit(r, t);
}

static int of_target(const struct request *r, const void *what)
{
	return r->lun[1] == ((const struct task *)what)->target;
}

static int any(const struct scsi *d, int (*meant)(const struct request *, const void *),
	const struct task *t)
{
	struct bp_virtio_request *const *list;
	for (uint32_t i = d->ops->held(d->transport, &list); i-- > 0;)
		if (meant((const void *)list[i], t))
			return 1;
	return 0;
}

static enum response manage(struct scsi *d, const uint8_t *c)
{
	struct task t = { .id = bp_virtio_get(c + 16, 8) };
	struct unit *other, *unit;
	uint32_t lun;
	memcpy(t.lun, c + 8, LUN_BYTES);
	unit = unit_at(d, t.lun, &other);
	if (!other || address_of(t.lun, &t.target, &lun) != 0)
		return S_BAD_TARGET;
	uint32_t function = (uint32_t)bp_virtio_get(c + 4, 4);
	if (!unit && function != I_T_NEXUS_RESET)
		return S_INCORRECT_LUN;
	switch (function) {
	case ABORT_TASK:
		request_cancel(d, one_task, &t, S_ABORTED);
		return S_OK; /* FUNCTION COMPLETE, also if it was over */
	case ABORT_TASK_SET:
	case CLEAR_TASK_SET: request_cancel(d, of_unit, &t, S_ABORTED); return S_OK;
	case I_T_NEXUS_RESET:
		request_cancel(d, of_target, &t, S_RESET);
		for (uint32_t i = 0; i < d->units; i++)
			if (d->unit[i].target == t.target)
				d->unit[i].dev->reset(d->unit[i].self);
		return S_OK;
	case LOGICAL_UNIT_RESET:
		request_cancel(d, of_unit, &t, S_RESET);
		unit->dev->reset(unit->self);
		return S_OK;
	case QUERY_TASK: return any(d, one_task, &t) ? S_FUNCTION_SUCCEEDED : S_OK;
	case QUERY_TASK_SET: return any(d, of_unit, &t) ? S_FUNCTION_SUCCEEDED : S_OK;
	default: /* CLEAR_ACA: there is no such state (NormACA is 0) */ return S_FUNCTION_REJECTED;
	}
}

/* One request: the bytes of its answer; 0: there is no place for it. */
static uint32_t answer(struct scsi *d, const struct bp_virtio_request *c)
{
	uint8_t in[TMF_BYTES] = { 0 }, out[AN_ANSWER] = { 0 };
	struct unit *other;
	uint64_t readable = bp_virtio_bytes(c, 0), writable = bp_virtio_bytes(c, 1);
	bp_virtio_read(c, 0, in, sizeof(in));
	uint32_t type = (uint32_t)bp_virtio_get(in, 4), len = type == T_TMF ? 1 : AN_ANSWER;
	if (readable < 4 || writable < len || readable < (type == T_TMF ? TMF_BYTES : AN_BYTES))
		return 0;
	if (type == T_TMF)
		out[0] = (uint8_t)manage(d, in);
	else if (type == T_AN_QUERY || type == T_AN_SUBSCRIBE) /* units have no such events */
		out[4] = unit_at(d, in + 4, &other) ? S_OK : other ? S_INCORRECT_LUN : S_BAD_TARGET;
	else
		out[4] = S_FAILURE;
	bp_virtio_write(c, 0, out, len);
	return len;
}

static void again(void *self, uint64_t arg)
{
	struct scsi *d = self;
	(void)arg;
	d->posted &= ~(UINT64_C(1) << CONTROLQ);
	control_kick(d);
}

void control_kick(struct scsi *d)
{
	struct bp_virtio_request *c = &d->control;
	int n;
	c->size = sizeof(*c);
	for (n = 0; n < BURST && d->ops->pop(d->transport, CONTROLQ, c) == 1; n++) {
		uint32_t len = answer(d, c);
		if (!len) {
			d->ops->release(d->transport, c);
			d->ops->broken(d->transport);
			return;
		}
		d->ops->push(d->transport, CONTROLQ, c, len);
		d->ops->notify(d->transport, CONTROLQ);
	}
	if (n == BURST && !(d->posted & 1u << CONTROLQ)) {
		d->posted |= 1u << CONTROLQ;
		d->host->post(d, again, 0);
	}
}
