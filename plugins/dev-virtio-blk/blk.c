/* SPDX-License-Identifier: MIT */
/* Virtio block device (Virtio 1.2, section 5.2) in front of a drive (blk.h).
 *
 * A chain taken from a ring is a struct request; its steps are requests to the drive, one after the
 * other (most have one), and its end is a status byte and the chain given back. The transport knows
 * which are in flight. */
#include <backplane/blk.h>
#include <backplane/plugin.h>
#include <backplane/virtio.h>
#include <errno.h>
#include <string.h>

enum { SECTOR = 512, QUEUES = 64, QUEUE_SIZE = 1024, BATCH = 32, ID_BYTES = 20 };
enum { /* struct virtio_blk_config, 5.2.4 */
	CAPACITY = 0,
	SEG_MAX = 12,
	BLK_SIZE = 20,
	PHYSICAL_EXP = 24,
	MIN_IO = 26,
	OPT_IO = 28,
	WRITEBACK = 32,
	NUM_QUEUES = 34,
	MAX_DISCARD = 36, /* sectors, segments, alignment in sectors */
	MAX_ZEROES = 48, /* sectors, segments, whether they may unmap */
	CONFIG_SIZE = 60
};
enum { /* feature bits, 5.2.3 */
	F_SEG_MAX = 2,
	F_RO = 5,
	F_BLK_SIZE = 6,
	F_FLUSH = 9,
	F_TOPOLOGY = 10,
	F_CONFIG_WCE = 11,
	F_MQ = 12,
	F_DISCARD = 13,
	F_WRITE_ZEROES = 14
};
enum { T_IN = 0, T_OUT = 1, T_FLUSH = 4, T_GET_ID = 8, T_DISCARD = 11, T_WRITE_ZEROES = 13 };
enum { S_OK = 0, S_IOERR = 1, S_UNSUPP = 2 };
enum { HEADER = 16, SEGMENT = 16, SEGMENTS_MAX = 64, SEGMENT_UNMAP = 1 };

struct request {
	struct bp_virtio_request chain;
	struct bp_blk_request blk;
	struct bp_blk_iov iov[BP_VIRTIO_MAX_BUFFERS];
	struct bp_blk_iov rest; /* of a piece of memory that a step ends within; len 0: none */
	struct blk *owner;
	uint8_t *status;
	uint64_t offset, left; /* read and write: where the next step begins, and what is left */
	uint32_t type;
	uint32_t written; /* writable bytes of the chain */
	uint32_t iov_at, iov_count; /* the pieces that are left */
	uint32_t segment, segments; /* discard, zeroes: the next one, how many */
};

struct blk {
	const struct bp_host *host;
	const struct bp_link *drive;
	const char *serial;
	uint32_t queues, queue_size;

	const struct bp_blk *blk; /* the drive's functions, and its self */
	void *blk_self;
	struct bp_blk_info info;
	const struct bp_virtio_transport *ops;
	void *transport;
	struct bp_virtio_device device;
	uint64_t stopping; /* queues whose chains are let go of */
	uint8_t closing;
	/* The cache of writes: by default, as the driver wants it, as it is. */
	uint8_t cache_default, cache_wanted, cache;
};

/* ---- bytes ---- */

static uint64_t bytes_of(const struct bp_virtio_request *c, uint32_t from, uint32_t to)
{
	uint64_t n = 0;
	for (uint32_t i = from; i < to; i++)
		n += c->buffer[i].len;
	return n;
}

/* The pieces of the chain's buffers from..to without `skip` bytes at the beginning and the last
 * `tail`. */
static void gather(struct request *r, uint32_t from, uint32_t to, uint64_t skip, uint64_t tail)
{
	uint64_t left = bytes_of(&r->chain, from, to) - skip - tail;
	r->iov_at = r->iov_count = 0;
	r->left = left;
	for (uint32_t i = from; i < to && left; i++) {
		const struct bp_virtio_buffer *b = &r->chain.buffer[i];
		if (skip >= b->len) {
			skip -= b->len;
			continue;
		}
		uint64_t n = b->len - skip < left ? b->len - skip : left;
		r->iov[r->iov_count++] =
			(struct bp_blk_iov){ (uint8_t *)b->data + skip, (size_t)n };
		left -= n;
		skip = 0;
	}
}

static void answer(struct blk *d, struct request *r, uint8_t status)
{
	unsigned queue = bp_virtio_queue_of(&r->chain);
	*r->status = status;
	d->ops->push(d->transport, queue, &r->chain, r->written);
	d->ops->notify(d->transport, queue);
}

/* ---- steps ---- */

static int inside(const struct blk *d, uint64_t sector, uint64_t len)
{
	return sector <= d->info.bytes / SECTOR && len <= d->info.bytes - sector * SECTOR;
}

/* As many bytes as one request of the drive may have. */
static void next_transfer(struct request *r)
{
	uint64_t sum = 0, most = r->owner->info.max_transfer & ~(uint64_t)4095;
	uint32_t n = 0;
	if (r->rest.len)
		r->iov[r->iov_at] = r->rest;
	r->rest.len = 0;
	while (r->iov_at + n < r->iov_count && sum < most) {
		struct bp_blk_iov *v = &r->iov[r->iov_at + n++];
		sum += v->len;
		if (sum > most) {
			size_t over = (size_t)(sum - most);
			r->rest = (struct bp_blk_iov){ (uint8_t *)v->base + (v->len - over), over };
			v->len -= over;
			sum = most;
		}
	}
	r->blk.offset = r->offset;
	r->blk.len = sum;
	r->blk.iov = &r->iov[r->iov_at];
	r->blk.iov_count = n;
	r->iov_at += n - (r->rest.len != 0);
	r->offset += sum;
	r->left -= sum;
}

static int next_segment(struct request *r)
{
	const struct blk *d = r->owner;
	uint8_t s[SEGMENT];
	if (bp_virtio_read(&r->chain, HEADER + (uint64_t)r->segment * SEGMENT, s, SEGMENT) !=
		SEGMENT)
		return S_IOERR;
	uint64_t sector = bp_virtio_get(s, 8), len = bp_virtio_get(s + 8, 4) * SECTOR,
		 flags = bp_virtio_get(s + 12, 4);
	int zeroes = r->type == T_WRITE_ZEROES;
	if (flags & ~(uint64_t)(zeroes ? SEGMENT_UNMAP : 0))
		return S_UNSUPP;
	if (!inside(d, sector, len) || len > (zeroes ? d->info.max_zeroes : d->info.max_discard))
		return S_IOERR;
	r->segment++;
	r->blk.offset = sector * SECTOR;
	r->blk.len = len;
	r->blk.flags = flags & SEGMENT_UNMAP ? BP_BLK_UNMAP : 0;
	return S_OK;
}

static int more(const struct request *r)
{
	return r->left || r->segment < r->segments;
}

/* Fills r->blk; S_OK, or the status that ends the request. */
static int next_step(struct request *r)
{
	if (r->type == T_DISCARD || r->type == T_WRITE_ZEROES)
		return next_segment(r);
	if (r->type != T_FLUSH)
		next_transfer(r);
	return S_OK;
}

static void done(void *owner, struct bp_blk_request *req, int result)
{
	struct blk *d = owner;
	struct request *r = (struct request *)(uintptr_t)req->tag;
	if (d->closing)
		return;
	if (d->stopping >> bp_virtio_queue_of(&r->chain) & 1) {
		d->ops->release(d->transport, &r->chain);
	} else if (result == -ECANCELED) {
		d->blk->submit(d->blk_self, &req, 1); /* another queue was meant */
	} else {
		int status = result == 0 ? S_OK : result == -ENOTSUP ? S_UNSUPP : S_IOERR;
		if (status == S_OK && more(r) && (status = next_step(r)) == S_OK) {
			d->blk->submit(d->blk_self, &req, 1);
			return;
		}
		answer(d, r, (uint8_t)status);
	}
}

/* ---- commands ---- */

static int begin_transfer(struct request *r, uint64_t sector)
{
	struct blk *d = r->owner;
	if (r->type == T_IN)
		gather(r, r->chain.readable, r->chain.count, 0, 1);
	else
		gather(r, 0, r->chain.readable, HEADER, 0);
	if (r->left % SECTOR || !inside(d, sector, r->left))
		return S_IOERR;
	r->offset = sector * SECTOR;
	return S_OK;
}

static int begin_segments(struct request *r)
{
	uint64_t len = bytes_of(&r->chain, 0, r->chain.readable) - HEADER;
	if (!len || len % SEGMENT || len / SEGMENT > SEGMENTS_MAX)
		return S_IOERR;
	r->segments = (uint32_t)(len / SEGMENT);
	return S_OK;
}

static int get_id(struct request *r)
{
	const struct blk *d = r->owner;
	uint8_t id[ID_BYTES] = { 0 };
	size_t at = 0;
	if (d->serial)
		memcpy(id, d->serial, strnlen(d->serial, sizeof(id)));
	gather(r, r->chain.readable, r->chain.count, 0, 1);
	for (uint32_t i = 0; i < r->iov_count && at < sizeof(id); i++) {
		size_t n = r->iov[i].len < sizeof(id) - at ? r->iov[i].len : sizeof(id) - at;
		memcpy(r->iov[i].base, id + at, n);
		at += n;
	}
	return S_OK;
}

static const struct command { /* 5.2.6 */
	uint32_t type, op;
	uint8_t writes, feature; /* it changes the disk; the feature that it needs, 0: none */
} commands[] = {
	{ T_IN, BP_BLK_READ, 0, 0 },
	{ T_OUT, BP_BLK_WRITE, 1, 0 },
	{ T_FLUSH, BP_BLK_FLUSH, 0, 0 },
	{ T_GET_ID, 0, 0, 0 },
	{ T_DISCARD, BP_BLK_DISCARD, 1, F_DISCARD },
	{ T_WRITE_ZEROES, BP_BLK_WRITE_ZEROES, 1, F_WRITE_ZEROES },
};

static const struct command *command_of(uint32_t type)
{
	for (unsigned i = 0; i < sizeof(commands) / sizeof(commands[0]); i++)
		if (commands[i].type == type)
			return &commands[i];
	return NULL;
}

/* The request's first step into r->blk, or the status that ends it; *local: it is done already. */
static int begin(struct request *r, int *local)
{
	struct blk *d = r->owner;
	uint8_t header[HEADER];
	r->left = r->segment = r->segments = 0;
	r->rest.len = 0;
	if (bp_virtio_read(&r->chain, 0, header, HEADER) != HEADER)
		return S_IOERR;
	r->type = (uint32_t)bp_virtio_get(header, 4);
	const struct command *c = command_of(r->type);
	if (!c || (c->feature && !(d->ops->features(d->transport) >> c->feature & 1)))
		return S_UNSUPP;
	if (c->writes && d->info.flags & BP_BLK_READ_ONLY)
		return S_IOERR;
	r->blk = (struct bp_blk_request){
		.size = sizeof(r->blk), .op = c->op, .done = done, .tag = (uintptr_t)r
	};
	int status = S_OK;
	if (r->type == T_GET_ID)
		status = get_id(r);
	else if (r->type == T_IN || r->type == T_OUT)
		status = begin_transfer(r, bp_virtio_get(header + 8, 8));
	else if (r->type != T_FLUSH)
		status = begin_segments(r);
	*local = r->type == T_GET_ID;
	return status == S_OK && !*local ? next_step(r) : status;
}

/* 1: r->blk is to be submitted; 0: the request is over. */
static int start(struct blk *d, struct request *r)
{
	const struct bp_virtio_request *c = &r->chain;
	int local = 0;
	r->owner = d;
	if (c->readable == c->count) {
		/* No place for a status: nothing can be said but this. */
		d->ops->release(d->transport, &r->chain);
		d->ops->broken(d->transport);
		return 0;
	}
	const struct bp_virtio_buffer *last = &c->buffer[c->count - 1];
	r->status = (uint8_t *)last->data + last->len - 1;
	r->written = (uint32_t)bytes_of(c, c->readable, c->count);
	int status = begin(r, &local);
	if (status != S_OK || local) {
		answer(d, r, (uint8_t)status);
		return 0;
	}
	return 1;
}

static void again(void *self, uint64_t queue);

static void kick(void *self, unsigned queue)
{
	struct blk *d = self;
	struct bp_blk_request *batch[BATCH];
	unsigned count = 0;
	int more = 1;
	for (unsigned taken = 0; taken < 2 * d->queue_size; taken++) {
		struct request *r = (void *)d->ops->take(d->transport, queue, &more);
		if (!r)
			break;
		if (start(d, r))
			batch[count++] = &r->blk;
		if (count == BATCH) {
			d->blk->submit(d->blk_self, batch, count);
			count = 0;
		}
	}
	if (count)
		d->blk->submit(d->blk_self, batch, count);
	if (more) /* a driver that fills the ring all the time leaves others a turn, too */
		d->host->post(d, again, queue);
}

static void again(void *self, uint64_t queue)
{
	struct blk *d = self;
	if (d->ops->queue_ready(d->transport, (unsigned)queue))
		kick(d, (unsigned)queue);
}

/* ---- the transport's side ---- */

static uint64_t offered(void *self)
{
	const struct blk *d = self;
	uint64_t f = 1u << F_SEG_MAX | 1u << F_BLK_SIZE | 1u << F_FLUSH | 1u << F_TOPOLOGY |
		1u << F_CONFIG_WCE;
	if (d->queues > 1)
		f |= 1u << F_MQ;
	if (d->info.flags & BP_BLK_READ_ONLY)
		f |= 1u << F_RO;
	else
		f |= 1u << F_WRITE_ZEROES |
			(d->info.flags & BP_BLK_CAN_DISCARD ? 1u << F_DISCARD : 0);
	return f;
}

static int attach(void *self, const struct bp_virtio_transport *ops, void *transport)
{
	struct blk *d = self;
	if (!BP_HAS(ops, held))
		return -1;
	d->ops = ops;
	d->transport = transport;
	return 0;
}

static uint64_t at_most(uint64_t v, uint64_t most)
{
	return v < most ? v : most;
}

static void config_read(void *self, uint32_t offset, void *buf, uint32_t len)
{
	const struct blk *d = self;
	const struct bp_blk_info *info = &d->info;
	uint8_t c[CONFIG_SIZE] = { 0 };
	uint32_t size = info->block_size, exp = 0;
	while (exp < 8 && size << (exp + 1) <= info->physical_size)
		exp++;
	bp_virtio_put(c + CAPACITY, 8, info->bytes / SECTOR);
	/* What is left when header and status have one each. */
	bp_virtio_put(c + SEG_MAX, 4, at_most(BP_VIRTIO_MAX_BUFFERS, d->queue_size) - 2);
	bp_virtio_put(c + BLK_SIZE, 4, size);
	bp_virtio_put(c + PHYSICAL_EXP, 1, exp);
	bp_virtio_put(c + MIN_IO, 2, at_most(info->physical_size / size, UINT16_MAX));
	bp_virtio_put(c + OPT_IO, 4, info->optimal_size / size);
	bp_virtio_put(c + WRITEBACK, 1, d->cache_wanted);
	bp_virtio_put(c + NUM_QUEUES, 2, d->queues);
	bp_virtio_put(c + MAX_DISCARD, 4, at_most(info->max_discard / SECTOR, UINT32_MAX));
	bp_virtio_put(c + MAX_DISCARD + 4, 4, SEGMENTS_MAX);
	bp_virtio_put(c + MAX_DISCARD + 8, 4, info->discard_align / SECTOR);
	bp_virtio_put(c + MAX_ZEROES, 4, at_most(info->max_zeroes / SECTOR, UINT32_MAX));
	bp_virtio_put(c + MAX_ZEROES + 4, 4, SEGMENTS_MAX);
	bp_virtio_put(c + MAX_ZEROES + 8, 1, (info->flags & BP_BLK_CAN_DISCARD) != 0);
	memcpy(buf, c + offset, len);
}

/* Without CONFIG_WCE the driver's knowing of flushes decides (5.2.5.2). */
static void set_cache(struct blk *d)
{
	uint64_t f = d->ops ? d->ops->features(d->transport) : 0;
	if (f >> F_CONFIG_WCE & 1)
		d->cache = d->cache_wanted;
	else
		d->cache = f >> F_FLUSH & 1 ? d->cache_default : 0;
	d->blk->write_cache(d->blk_self, d->cache);
}

static void config_write(void *self, uint32_t offset, const void *buf, uint32_t len)
{
	struct blk *d = self;
	if (offset > WRITEBACK || offset + len <= WRITEBACK ||
		!(d->ops->features(d->transport) >> F_CONFIG_WCE & 1))
		return;
	d->cache_wanted = ((const uint8_t *)buf)[WRITEBACK - offset] & 1;
	set_cache(d);
}

/* Let go of the chains of these queues. */
static void stop(struct blk *d, uint64_t queues)
{
	struct bp_virtio_request *const *list;
	uint32_t held = 0;
	d->stopping = queues;
	for (uint32_t i = d->ops->held(d->transport, &list); i-- > 0;) {
		struct request *r = (void *)list[i];
		if (!r->chain.place || !(queues >> bp_virtio_queue_of(&r->chain) & 1))
			continue;
		if (r->chain.resumed)
			d->ops->release(d->transport, &r->chain);
		else
			d->blk->cancel(d->blk_self, &r->blk);
	}
	d->blk->drain(d->blk_self, &held);
	if (held)
		d->blk->forget_held(d->blk_self);
	d->stopping = 0;
}

static void queue_stop(void *self, unsigned queue)
{
	stop(self, UINT64_C(1) << queue);
}

static void run(void *self, int running)
{
	struct blk *d = self;
	if (running) {
		set_cache(d);
		return;
	}
	stop(d, ~UINT64_C(0));
	d->cache_wanted = d->cache_default;
}

static void event(void *self, int what)
{
	struct blk *d = self;
	if (what != BP_BLK_RESIZED)
		return;
	d->blk->info(d->blk_self, &d->info);
	if (d->ops)
		d->ops->config_changed(d->transport);
}

static const struct bp_blk_front front = { .size = sizeof(front), .event = event };

/* ---- life ---- */

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct blk *d = self;
	d->host = host;
	if (d->queue_size < 4 || d->queue_size & (d->queue_size - 1))
		return host->fail(
			err, "queue-size: a power of two is expected, not %u", d->queue_size);
	if (d->serial && strlen(d->serial) > ID_BYTES)
		return host->fail(
			err, "serial: \"%s\" has more than %d bytes", d->serial, ID_BYTES);
	d->blk = d->drive->ops;
	d->blk_self = d->drive->self;
	d->info.size = sizeof(d->info);
	d->blk->info(d->blk_self, &d->info);
	d->cache_default = d->cache_wanted = (d->info.flags & BP_BLK_WRITE_CACHE) != 0;
	d->device = (struct bp_virtio_device){ .size = sizeof(d->device),
		.device_id = 2,
		.queues = d->queues,
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
	int r = d->blk->attach(d->blk_self, d, &front, !(d->info.flags & BP_BLK_READ_ONLY), err);
	if (r != 0)
		d->blk = NULL;
	return r;
}

static void destroy(void *self)
{
	struct blk *d = self;
	d->closing = 1;
	if (d->blk)
		d->blk->detach(d->blk_self);
}

/* Requests that were in flight are begun anew: what they did before is done again. */
static void restart(void *self, uint64_t arg)
{
	struct blk *d = self;
	struct bp_virtio_request *const *list;
	(void)arg;
	for (uint32_t i = d->ops->held(d->transport, &list); i-- > 0;) {
		struct request *r = (void *)list[i];
		struct bp_blk_request *one = &r->blk;
		if (!r->chain.place || !r->chain.resumed)
			continue;
		r->chain.resumed = 0;
		if (start(d, r))
			d->blk->submit(d->blk_self, &one, 1);
	}
}

static int loaded(void *self, uint32_t from_version, bp_error *err)
{
	struct blk *d = self;
	struct bp_virtio_request *const *list;
	(void)from_version;
	(void)err;
	d->blk->write_cache(d->blk_self, d->cache);
	if (d->ops && d->ops->held(d->transport, &list))
		d->host->post(d, restart, 0);
	return 0;
}

static const void *interface(void *self, const char *id)
{
	struct blk *d = self;
	return strcmp(id, "bp.virtio-device/1") ? NULL : &d->device;
}

#define PROP(m, name, text, t) BP_PROP(struct blk, m, t, name), .help = (text)
static const char *const blk_link[] = { "bp.blk/1", NULL };
static const struct bp_field props[] = {
	{ PROP(drive, "blk", "the drive", BP_LINK), .flags = BP_F_REQUIRED, .names = blk_link },
	{ PROP(serial, "serial", "what GET_ID answers, at most 20 bytes", BP_STR) },
	{ PROP(queues, "queues", "request queues", BP_U32), .flags = BP_F_RANGE, .def = 1, .min = 1,
		.max = QUEUES },
	{ PROP(queue_size, "queue-size", "entries of a queue, a power of two", BP_U32),
		.flags = BP_F_RANGE, .def = 256, .min = 4, .max = QUEUE_SIZE },
	{ 0 },
};
static const struct bp_field state[] = {
	{ BP_FIELD(struct blk, cache_wanted, BP_BOOL) },
	{ BP_FIELD(struct blk, cache, BP_BOOL) },
	{ 0 },
};

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct blk),
	.state_version = 2, /* 1 had the heads of what is in flight */
	.state_oldest = 2,
	.props = props,
	.state = state,
	.create = create,
	.destroy = destroy,
	.loaded = loaded,
	.interface = interface,
};

static const struct bp_type types[] = {
	{ "virtio-blk", "virtio disk", BP_KIND_DEVICE, 0, &object, NULL },
	{ 0 },
};

BP_PLUGIN(dev_virtio_blk) = {
	BP_PLUGIN_HEAD,
	.name = "dev-virtio-blk",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
