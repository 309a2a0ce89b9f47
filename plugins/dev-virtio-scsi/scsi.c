/* SPDX-License-Identifier: MIT */
#include "scsi.h"
#include <stdlib.h>
#include <string.h>

enum { /* struct virtio_scsi_config, 5.6.4 */
	NUM_QUEUES = 0,
	SEG_MAX = 4,
	MAX_SECTORS = 8,
	CMD_PER_LUN = 12,
	EVENT_INFO = 16,
	SENSE_SIZE = 20,
	CDB_SIZE = 24,
	MAX_CHANNEL = 28,
	MAX_TARGET = 30,
	MAX_LUN = 32,
	CONFIG_SIZE = 36
};
enum { EVENT_BYTES = 16, SECTOR = 512 };
enum { PARAM_CHANGE = 3 };
#define EVENTS_MISSED UINT32_C(0x80000000)

/* ---- addresses ---- */

int address_of(const uint8_t *lun, uint32_t *target, uint32_t *number)
{
	/* A single level: peripheral (0) or flat (1) addressing (SAM-5, 4.7.7). */
	if (lun[0] != 1 || lun[2] & 0x80 || lun[4] | lun[5] | lun[6] | lun[7])
		return -1;
	*target = lun[1];
	*number = (lun[2] & 0x3fu) << 8 | lun[3];
	return 0;
}

struct unit *unit_at(struct scsi *d, const uint8_t *lun, struct unit **in_target)
{
	uint32_t target, number;
	*in_target = NULL;
	if (address_of(lun, &target, &number) != 0)
		return NULL;
	for (uint32_t i = 0; i < d->units; i++) {
		if (d->unit[i].target != target)
			continue;
		*in_target = &d->unit[i];
		if (d->unit[i].lun == number)
			return &d->unit[i];
	}
	return NULL;
}

/* ---- events ---- */

/* Puts an event into the event queue, or remembers that one was lost (5.6.6.3). */
static void event(struct scsi *d, uint32_t what, const struct unit *u, uint32_t reason)
{
	struct bp_virtio_request *c = &d->event;
	uint8_t e[EVENT_BYTES] = { 0 };
	c->size = sizeof(*c);
	if (!d->ops->queue_ready(d->transport, EVENTQ))
		return;
	if (d->ops->pop(d->transport, EVENTQ, c) != 1) {
		d->events_missed = 1;
		return;
	}
	if (bp_virtio_bytes(c, 1) < sizeof(e)) {
		d->ops->release(d->transport, c);
		d->ops->broken(d->transport);
		return;
	}
	bp_virtio_put(e, 4, what | (d->events_missed ? EVENTS_MISSED : 0));
	if (u) {
		e[4] = 1;
		e[5] = (uint8_t)u->target;
		e[7] = (uint8_t)u->lun; /* peripheral addressing, as REPORT LUNS says it */
	}
	bp_virtio_put(e + 12, 4, reason);
	d->events_missed = 0;
	bp_virtio_write(c, 0, e, sizeof(e));
	d->ops->push(d->transport, EVENTQ, c, sizeof(e));
	d->ops->notify(d->transport, EVENTQ);
}

static void attention(void *port, uint8_t asc, uint8_t ascq)
{
	struct unit *u = port;
	struct scsi *d = u->owner;
	if (d->ops && d->ops->features(d->transport) >> F_CHANGE & 1)
		event(d, PARAM_CHANGE, u, (uint32_t)asc | (uint32_t)ascq << 8);
}

static const struct bp_scsi_port port = { .size = sizeof(port), .attention = attention };

/* ---- the transport's side ---- */

static uint64_t offered(void *self)
{
	(void)self;
	return 1u << F_CHANGE;
}

static int attach(void *self, const struct bp_virtio_transport *ops, void *transport)
{
	struct scsi *d = self;
	if (!BP_HAS(ops, held))
		return -1;
	d->ops = ops;
	d->transport = transport;
	return 0;
}

static uint32_t max_sectors(const struct scsi *d)
{
	uint64_t most = UINT64_C(1) << 31;
	for (uint32_t i = 0; i < d->units; i++)
		if (d->unit[i].dev->max_transfer && d->unit[i].dev->max_transfer < most)
			most = d->unit[i].dev->max_transfer;
	return (uint32_t)(most / SECTOR);
}

static void config_read(void *self, uint32_t offset, void *buf, uint32_t len)
{
	const struct scsi *d = self;
	uint8_t c[CONFIG_SIZE] = { 0 };
	uint32_t chain =
		d->queue_size < BP_VIRTIO_MAX_BUFFERS ? d->queue_size : BP_VIRTIO_MAX_BUFFERS;
	bp_virtio_put(c + NUM_QUEUES, 4, d->queues);
	bp_virtio_put(c + SEG_MAX, 4, chain - 2); /* request and response have one each */
	bp_virtio_put(c + MAX_SECTORS, 4, max_sectors(d));
	bp_virtio_put(c + CMD_PER_LUN, 4, d->queue_size);
	bp_virtio_put(c + EVENT_INFO, 4, EVENT_BYTES);
	bp_virtio_put(c + SENSE_SIZE, 4, d->sense_size);
	bp_virtio_put(c + CDB_SIZE, 4, d->cdb_size);
	bp_virtio_put(c + MAX_CHANNEL, 2, 0);
	bp_virtio_put(c + MAX_TARGET, 2, TARGETS - 1);
	bp_virtio_put(c + MAX_LUN, 4, LUNS - 1);
	memcpy(buf, c + offset, len);
}

static void config_write(void *self, uint32_t offset, const void *buf, uint32_t len)
{
	struct scsi *d = self;
	struct bp_virtio_request *const *list;
	uint32_t value = (uint32_t)bp_virtio_get(buf, len < 4 ? len : 4);
	/* Sizes of requests do not change under those that are there. */
	if (len != 4 || value > SIZE_MAX_SET || d->ops->held(d->transport, &list))
		return;
	if (offset == SENSE_SIZE)
		d->sense_size = value;
	else if (offset == CDB_SIZE)
		d->cdb_size = value;
}

static void kick(void *self, unsigned queue)
{
	struct scsi *d = self;
	if (queue == CONTROLQ)
		control_kick(d);
	else if (queue != EVENTQ)
		request_kick(d, queue);
	else if (d->events_missed)
		event(d, 0, NULL, 0);
}

static int in_queues(const struct request *r, const void *queues)
{
	return *(const uint64_t *)queues >> bp_virtio_queue_of(&r->chain) & 1;
}

static void stop(struct scsi *d, uint64_t queues)
{
	d->stopping = queues;
	request_cancel(d, in_queues, &queues, S_OK);
	d->stopping = 0;
}

static void queue_stop(void *self, unsigned queue)
{
	stop(self, UINT64_C(1) << queue);
}

static void run(void *self, int running)
{
	struct scsi *d = self;
	if (running)
		return;
	stop(d, ~UINT64_C(0));
	for (uint32_t i = 0; i < d->units; i++)
		d->unit[i].dev->reset(d->unit[i].self);
	d->sense_size = SENSE_DEFAULT;
	d->cdb_size = CDB_DEFAULT;
	d->events_missed = 0;
}

/* ---- units ---- */

static int taken(const struct scsi *d, uint32_t target, uint32_t lun)
{
	for (uint32_t i = 0; i < d->units; i++)
		if (d->unit[i].target == target && d->unit[i].lun == lun)
			return 1;
	return 0;
}

static int unit_attach(void *self, const struct bp_link *child, const char *slot, bp_error *err)
{
	struct scsi *d = self;
	const struct bp_scsi_device *dev = child->ops;
	unsigned long target = 0, lun = 0;
	char *end = NULL;
	if (!dev || !BP_HAS(dev, inquiry))
		return d->host->fail(err, "%s is no SCSI unit of revision 1", child->name);
	if (slot) {
		target = strtoul(slot, &end, 10);
		if (end != slot && *end == '.')
			lun = strtoul(end + 1, &end, 10);
		if (end == slot || *end || *slot == '-' || target >= TARGETS || lun >= LUNS)
			return d->host->fail(err,
				"%s: the slot is no TARGET or TARGET.LUN up to %d.%d: \"%s\"",
				child->name, TARGETS - 1, LUNS - 1, slot);
	}
	while (!slot && target < TARGETS && taken(d, (uint32_t)target, 0))
		target++;
	if (d->units == UNITS || target == TARGETS || taken(d, (uint32_t)target, (uint32_t)lun))
		return d->host->fail(
			err, "%s: there is a unit at %lu.%lu already", child->name, target, lun);
	struct unit *u = &d->unit[d->units++];
	*u = (struct unit){ d, dev, child->self, (uint32_t)target, (uint32_t)lun };
	return dev->attach(child->self, &port, u);
}

static const struct bp_bus bus = {
	.size = sizeof(bus),
	.slots = UNITS,
	.child_interface = "bp.scsi-device/1",
	.attach = unit_attach,
};

/* ---- life ---- */

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct scsi *d = self;
	d->host = host;
	d->sense_size = SENSE_DEFAULT;
	d->cdb_size = CDB_DEFAULT;
	if (d->queue_size < 4 || d->queue_size & (d->queue_size - 1))
		return host->fail(
			err, "queue-size: a power of two is expected, not %u", d->queue_size);
	d->device = (struct bp_virtio_device){ .size = sizeof(d->device),
		.device_id = 8,
		.queues = d->queues + REQUESTQ,
		.queue_size = d->queue_size,
		.config_size = CONFIG_SIZE,
		.offered = offered,
		.attach = attach,
		.config_read = config_read,
		.config_write = config_write,
		.kick = kick,
		.run = run,
		.queue_stop = queue_stop,
		.request_size = sizeof(struct request) };
	return 0;
}

static int loaded(void *self, uint32_t from_version, bp_error *err)
{
	struct scsi *d = self;
	(void)from_version;
	if (d->sense_size > SIZE_MAX_SET || d->cdb_size > SIZE_MAX_SET)
		return d->host->fail(err,
			"saved sizes of sense data and commands are %u and %u; "
			"at most %d is possible",
			d->sense_size, d->cdb_size, SIZE_MAX_SET);
	return request_loaded(d, err);
}

static const void *interface(void *self, const char *id)
{
	struct scsi *d = self;
	if (!strcmp(id, "bp.virtio-device/1"))
		return &d->device;
	return strcmp(id, "bp.bus/1") ? NULL : &bus;
}

#define PROP(m, name, text, t) BP_PROP(struct scsi, m, t, name), .help = (text)
static const struct bp_field props[] = {
	{ PROP(queues, "queues", "request queues", BP_U32), .flags = BP_F_RANGE, .def = 1, .min = 1,
		.max = QUEUES - REQUESTQ },
	{ PROP(queue_size, "queue-size", "entries of a queue, a power of two", BP_U32),
		.flags = BP_F_RANGE, .def = 256, .min = 4, .max = QUEUE_SIZE },
	{ 0 },
};
static const struct bp_field state[] = {
	{ BP_FIELD(struct scsi, sense_size, BP_U32) },
	{ BP_FIELD(struct scsi, cdb_size, BP_U32) },
	{ BP_FIELD(struct scsi, events_missed, BP_BOOL) },
	{ 0 },
};

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct scsi),
	.state_version = 2, /* 1 had the heads of what is in flight */
	.state_oldest = 2,
	.props = props,
	.state = state,
	.create = create,
	.loaded = loaded,
	.interface = interface,
};

static const struct bp_type types[] = {
	{ "virtio-scsi", "virtio SCSI host", BP_KIND_BUS, 0, &object, NULL },
	{ 0 },
};

BP_PLUGIN(dev_virtio_scsi) = {
	BP_PLUGIN_HEAD,
	.name = "dev-virtio-scsi",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
