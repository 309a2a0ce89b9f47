/* SPDX-License-Identifier: MIT */
#include "disk.h"
#include <stdlib.h>
#include <string.h>

enum { SERIAL_MAX = 36, PRODUCT_MAX = 16, CAPACITY_BYTES = 32 };

/* ---- ends of commands ---- */

void sense_data(uint8_t *out, uint32_t sense)
{
	memset(out, 0, BP_SCSI_SENSE);
	out[0] = 0x70;
	out[2] = (uint8_t)(sense >> 16);
	out[7] = BP_SCSI_SENSE - 8;
	out[12] = (uint8_t)(sense >> 8);
	out[13] = (uint8_t)sense;
}

void refuse(struct bp_scsi_command *c, uint32_t sense)
{
	c->status = BP_SCSI_CHECK_CONDITION;
	c->sense_len = BP_SCSI_SENSE;
	c->moved = 0;
	sense_data(c->sense, sense);
}

void give(struct bp_scsi_command *c, const uint8_t *data, uint64_t len, uint64_t allocation)
{
	len = len < allocation ? len : allocation;
	if (len > c->in_len) {
		c->result = BP_SCSI_OVERRUN;
		return;
	}
	c->moved = len;
	for (uint32_t i = 0; len && i < c->in_count; i++) {
		size_t n = c->in[i].len < len ? c->in[i].len : (size_t)len;
		memcpy(c->in[i].base, data, n);
		data += n;
		len -= n;
	}
}

int take(struct bp_scsi_command *c, uint8_t *out, uint64_t len)
{
	if (len > c->out_len) {
		c->result = BP_SCSI_OVERRUN;
		return -1;
	}
	for (uint32_t i = 0; len && i < c->out_count; i++) {
		size_t n = c->out[i].len < len ? c->out[i].len : (size_t)len;
		memcpy(out, c->out[i].base, n);
		out += n;
		len -= n;
	}
	return 0;
}

/* ---- commands that are over at once ---- */

static struct job *cmd_nothing(struct disk *d, struct bp_scsi_command *c)
{
	(void)d;
	(void)c;
	return NULL;
}

static struct job *cmd_request_sense(struct disk *d, struct bp_scsi_command *c)
{
	uint8_t b[BP_SCSI_SENSE];
	if (c->cdb[1] & 1) { /* descriptor format */
		refuse(c, INVALID_FIELD);
		return NULL;
	}
	sense_data(b, d->attention ? d->attention : d->stopped ? NOT_READY_STOPPED : NO_SENSE);
	d->attention = 0;
	give(c, b, sizeof(b), c->cdb[4]);
	return NULL;
}

static struct job *cmd_capacity10(struct disk *d, struct bp_scsi_command *c)
{
	uint8_t b[8];
	uint64_t last = d->info.bytes / d->info.block_size - 1;
	put_be(b, 4, last < UINT32_MAX ? last : UINT32_MAX);
	put_be(b + 4, 4, d->info.block_size);
	give(c, b, sizeof(b), sizeof(b));
	return NULL;
}

static struct job *cmd_service_in(struct disk *d, struct bp_scsi_command *c)
{
	uint8_t b[CAPACITY_BYTES] = { 0 };
	unsigned exp = 0;
	if ((c->cdb[1] & 0x1f) != 0x10) { /* READ CAPACITY (16) */
		refuse(c, INVALID_FIELD);
		return NULL;
	}
	while (exp < 8 && d->info.block_size << (exp + 1) <= d->info.physical_size)
		exp++;
	put_be(b, 8, d->info.bytes / d->info.block_size - 1);
	put_be(b + 8, 4, d->info.block_size);
	b[13] = (uint8_t)exp;
	b[14] = d->info.flags & BP_BLK_CAN_DISCARD ? 0x80 : 0; /* LBPME */
	give(c, b, sizeof(b), get_be(c->cdb + 10, 4));
	return NULL;
}

/* ---- dispatch ---- */

enum { ALWAYS = 1, MEDIUM = 2 }; /* in spite of a unit attention; not while it is stopped */

static const struct command {
	uint8_t code, flags, cdb_len;
	struct job *(*run)(struct disk *d, struct bp_scsi_command *c);
} commands[] = {
	{ 0x00, MEDIUM, 6, cmd_nothing }, /* TEST UNIT READY */
	{ 0x03, ALWAYS, 6, cmd_request_sense },
	{ 0x08, MEDIUM, 6, cmd_read },
	{ 0x0a, MEDIUM, 6, cmd_write },
	{ 0x12, ALWAYS, 6, cmd_inquiry },
	{ 0x15, 0, 6, cmd_mode_select },
	{ 0x1a, 0, 6, cmd_mode_sense },
	{ 0x1b, 0, 6, cmd_start_stop },
	{ 0x1e, 0, 6, cmd_nothing }, /* PREVENT ALLOW MEDIUM REMOVAL */
	{ 0x25, MEDIUM, 10, cmd_capacity10 },
	{ 0x28, MEDIUM, 10, cmd_read },
	{ 0x2a, MEDIUM, 10, cmd_write },
	{ 0x2f, MEDIUM, 10, cmd_verify },
	{ 0x35, MEDIUM, 10, cmd_sync },
	{ 0x41, MEDIUM, 10, cmd_write_same },
	{ 0x42, MEDIUM, 10, cmd_unmap },
	{ 0x55, 0, 10, cmd_mode_select },
	{ 0x5a, 0, 10, cmd_mode_sense },
	{ 0x88, MEDIUM, 16, cmd_read },
	{ 0x8a, MEDIUM, 16, cmd_write },
	{ 0x8f, MEDIUM, 16, cmd_verify },
	{ 0x91, MEDIUM, 16, cmd_sync },
	{ 0x93, MEDIUM, 16, cmd_write_same },
	{ 0x9e, MEDIUM, 16, cmd_service_in },
	{ 0xa8, MEDIUM, 12, cmd_read },
	{ 0xaa, MEDIUM, 12, cmd_write },
	{ 0xaf, MEDIUM, 12, cmd_verify },
};

static const struct command *command_of(uint8_t code)
{
	for (size_t i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (commands[i].code == code)
			return &commands[i];
	return NULL;
}

static struct job *begin(struct disk *d, struct bp_scsi_command *c)
{
	const struct command *m = command_of(c->cdb[0]);
	uint32_t attention = d->attention;
	if (attention && !(m && m->flags & ALWAYS)) {
		d->attention = 0;
		refuse(c, attention);
	} else if (!m) {
		refuse(c, INVALID_COMMAND);
	} else if (c->cdb_len < m->cdb_len || c->cdb[m->cdb_len - 1] & 4) { /* NACA */
		refuse(c, INVALID_FIELD);
	} else if (d->stopped && m->flags & MEDIUM) {
		refuse(c, NOT_READY_STOPPED);
	} else {
		return m->run(d, c);
	}
	return NULL;
}

static void submit(void *self, struct bp_scsi_command *const *commands_, uint32_t count)
{
	struct disk *d = self;
	struct bp_blk_request *batch[BATCH];
	uint32_t n = 0;
	for (uint32_t i = 0; i < count; i++) {
		struct bp_scsi_command *c = commands_[i];
		struct job *j = begin(d, c);
		c->unit = j;
		if (j)
			batch[n++] = &j->blk;
		else
			c->done(c->owner, c);
		if (n == BATCH || (n && i + 1 == count)) {
			d->blk->submit(d->blk_self, batch, n);
			n = 0;
		}
	}
}

static void cancel(void *self, struct bp_scsi_command *c)
{
	if (c->unit)
		job_cancel(self, c->unit);
}

static void drain(void *self)
{
	struct disk *d = self;
	uint32_t held = 0;
	d->blk->drain(d->blk_self, &held);
	if (held)
		d->blk->forget_held(d->blk_self);
}

void set_cache(struct disk *d, int on)
{
	d->cache = on != 0;
	d->blk->write_cache(d->blk_self, on);
}

static void unit_reset(void *self)
{
	struct disk *d = self;
	d->attention = WAS_RESET;
	d->stopped = 0;
	set_cache(d, d->cache_default);
}

static int attach(void *self, const struct bp_scsi_port *ops, void *port)
{
	struct disk *d = self;
	d->ops = ops;
	d->port = port;
	return 0;
}

static uint32_t inquiry(void *self, uint8_t *out, uint32_t len)
{
	return inquiry_standard(self, out, len);
}

static void event(void *self, int what)
{
	struct disk *d = self;
	if (what != BP_BLK_RESIZED)
		return;
	d->blk->info(d->blk_self, &d->info);
	if (d->attention != WAS_RESET)
		d->attention = CAPACITY_CHANGED;
	if (d->ops)
		d->ops->attention(
			d->port, (uint8_t)(CAPACITY_CHANGED >> 8), (uint8_t)CAPACITY_CHANGED);
}

static const struct bp_blk_front front = { .size = sizeof(front), .event = event };

/* ---- life ---- */

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct disk *d = self;
	d->host = host;
	if (d->serial && strlen(d->serial) > SERIAL_MAX)
		return host->fail(
			err, "serial: \"%s\" has more than %d bytes", d->serial, SERIAL_MAX);
	if (d->product && strlen(d->product) > PRODUCT_MAX)
		return host->fail(
			err, "product: \"%s\" has more than %d bytes", d->product, PRODUCT_MAX);
	d->blk = d->drive->ops;
	d->blk_self = d->drive->self;
	d->info.size = sizeof(d->info);
	d->blk->info(d->blk_self, &d->info);
	if (!d->info.bytes) {
		d->blk = NULL;
		return host->fail(
			err, "blk: a SCSI disk has at least one block; this drive is empty");
	}
	d->device = (struct bp_scsi_device){ .size = sizeof(d->device),
		.attach = attach,
		.submit = submit,
		.cancel = cancel,
		.drain = drain,
		.reset = unit_reset,
		.inquiry = inquiry };
	d->cache = d->cache_default = (d->info.flags & BP_BLK_WRITE_CACHE) != 0;
	d->attention = WAS_RESET;
	int r = d->blk->attach(d->blk_self, d, &front, !(d->info.flags & BP_BLK_READ_ONLY), err);
	if (r != 0)
		d->blk = NULL;
	return r;
}

static void reset(void *self, int step)
{
	if (step == BP_RESET_HOLD)
		unit_reset(self);
}

static void destroy(void *self)
{
	struct disk *d = self;
	d->closing = 1;
	if (d->blk)
		d->blk->detach(d->blk_self);
	jobs_finish(d);
}

static int loaded(void *self, uint32_t from_version, bp_error *err)
{
	struct disk *d = self;
	(void)from_version;
	(void)err;
	set_cache(d, d->cache);
	return 0;
}

static const void *interface(void *self, const char *id)
{
	struct disk *d = self;
	return strcmp(id, "bp.scsi-device/1") ? NULL : &d->device;
}

#define PROP(m, name, text, t) BP_PROP(struct disk, m, t, name), .help = (text)
static const char *const blk_link[] = { "bp.blk/1", NULL };
static const struct bp_field props[] = {
	{ PROP(drive, "blk", "the drive", BP_LINK), .flags = BP_F_REQUIRED, .names = blk_link },
	{ PROP(serial, "serial", "the serial number, at most 36 bytes; else the object's name",
		BP_STR) },
	{ PROP(product, "product", "what INQUIRY calls it, at most 16 bytes", BP_STR) },
	{ PROP(wwn, "wwn", "the name of IEEE's (NAA) of the unit; 0: none", BP_U64) },
	{ 0 },
};
static const struct bp_field state[] = {
	{ BP_FIELD(struct disk, attention, BP_U32) },
	{ BP_FIELD(struct disk, stopped, BP_BOOL) },
	{ BP_FIELD(struct disk, cache, BP_BOOL) },
	{ 0 },
};

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct disk),
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.state = state,
	.create = create,
	.reset = reset,
	.destroy = destroy,
	.loaded = loaded,
	.interface = interface,
};

static const struct bp_type types[] = {
	{ "scsi-disk", "SCSI disk", BP_KIND_DEVICE, 0, &object, NULL },
	{ 0 },
};

BP_PLUGIN(dev_scsi) = {
	BP_PLUGIN_HEAD,
	.name = "dev-scsi",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
