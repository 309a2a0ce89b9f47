/* SPDX-License-Identifier: MIT */
/* Virtio memory balloon (Virtio 1.2, section 5.5): takes memory from the guest and gives it back. */
#include <backplane/plugin.h>
#include <backplane/virtio.h>
#include <string.h>

/* A driver that has no free-page hints counts queues without theirs, so reports come in the fourth;
 * by the letter of 5.5.2 in the fifth. Hints are not on offer, so both can only be reports. */
enum { INFLATEQ = 0, DEFLATEQ = 1, STATSQ = 2, REPORTQ = 3, QUEUES = 5, QUEUE_SIZE = 128 };
enum { NUM_PAGES = 0, ACTUAL = 4, CONFIG_SIZE = 8 }; /* struct virtio_balloon_config */
enum { F_STATS = 1, F_DEFLATE_ON_OOM = 2, F_REPORTING = 5 };
enum { PAGE_BITS = 12, PFNS_MAX = 4096, STAT_BYTES = 10, STATS = 16, BURST = 16 };

struct balloon {
	const struct bp_host *host;
	const struct bp_virtio_transport *ops;
	void *transport;
	uint64_t target; /* bytes that the guest shall give */
	uint32_t interval_s;
	uint8_t deflate_on_oom, reporting;
	bp_timer *timer;
	uint32_t actual; /* pages that the driver says it gave */
	uint64_t stats[STATS]; /* by tag; ~0: not told */
	/* The chain that statistics come in: the driver's, until we want new ones (5.5.6.3). */
	uint32_t stats_held;
	struct bp_virtio_request stats_chain, req;
	uint32_t posted; /* queues that are looked at again soon */
	uint8_t list[4 * PFNS_MAX];
};

/* ---- pages ---- */

/* Numbers of pages of 4 KiB, 32 bits each; those that follow one another go together. What is behind
 * the first PFNS_MAX stays as it is. */
static void inflate(struct balloon *b, const struct bp_virtio_request *c)
{
	uint64_t first = 0, count = 0;
	uint32_t bytes = bp_virtio_read(c, 0, b->list, sizeof(b->list)) & ~3u;
	for (uint32_t at = 0; at < bytes; at += 4) {
		uint64_t page = bp_virtio_get(b->list + at, 4);
		if (count && page == first + count) {
			count++;
			continue;
		}
		if (count && page + 1 == first) {
			first--;
			count++;
			continue;
		}
		if (count)
			b->ops->discard_at(b->transport, first << PAGE_BITS, count << PAGE_BITS);
		first = page;
		count = 1;
	}
	if (count)
		b->ops->discard_at(b->transport, first << PAGE_BITS, count << PAGE_BITS);
}

/* Free pages themselves, writable; the driver takes them back when the chain is used (5.5.6.7). */
static void report(struct balloon *b, const struct bp_virtio_request *c)
{
	for (uint32_t i = c->readable; i < c->count; i++)
		b->ops->discard(b->transport, &c->buffer[i]);
}

/* ---- statistics ---- */

static void read_stats(struct balloon *b)
{
	uint8_t s[STAT_BYTES];
	memset(b->stats, 0xff, sizeof(b->stats));
	for (uint64_t n = 0; n < STATS &&
		bp_virtio_read(&b->stats_chain, n * STAT_BYTES, s, STAT_BYTES) == STAT_BYTES;
		n++)
		if (bp_virtio_get(s, 2) < STATS)
			b->stats[bp_virtio_get(s, 2)] = bp_virtio_get(s + 2, 8);
	/* Tags of 5.5.6.4: 4 free, 5 all, 6 available. */
	if (b->interval_s)
		b->host->log(b, BP_LOG_INFO,
			"the guest has %llu of %llu KiB free, %llu available; the balloon %u",
			(unsigned long long)(b->stats[4] >> 10),
			(unsigned long long)(b->stats[5] >> 10),
			(unsigned long long)(b->stats[6] >> 10), b->actual << (PAGE_BITS - 10));
}

static void arm(struct balloon *b)
{
	if (b->interval_s)
		b->host->timer_at(b->timer,
			b->host->now(b, BP_CLOCK_VIRTUAL) + (int64_t)b->interval_s * 1000000000);
}

/* The driver's buffer back: it fills it anew. */
static void want_stats(void *self, uint64_t arg)
{
	struct balloon *b = self;
	(void)arg;
	if (!b->stats_held)
		return;
	b->stats_held = 0;
	b->ops->push(b->transport, STATSQ, &b->stats_chain, 0);
	b->ops->notify(b->transport, STATSQ);
}

static void kick(void *self, unsigned queue);

static void again(void *self, uint64_t queue)
{
	struct balloon *b = self;
	b->posted &= ~(1u << queue);
	kick(b, (unsigned)queue);
}

/* A driver that fills the ring all the time leaves others a turn, too. */
static void later(struct balloon *b, unsigned queue)
{
	if (b->posted >> queue & 1)
		return;
	b->posted |= 1u << queue;
	b->host->post(b, again, queue);
}

static void stats_kick(struct balloon *b)
{
	/* One is enough; a driver that gives more gets the older ones back. */
	int n;
	for (n = 0; n < BURST && b->ops->pop(b->transport, STATSQ, &b->req) == 1; n++) {
		want_stats(b, 0);
		b->stats_chain = b->req;
		b->stats_held = 1;
		read_stats(b);
	}
	if (b->stats_held)
		arm(b);
	if (n == BURST)
		later(b, STATSQ);
}

/* ---- the transport's side ---- */

static void kick(void *self, unsigned queue)
{
	struct balloon *b = self;
	uint64_t f = b->ops->features(b->transport);
	int n;
	if (queue == STATSQ && f >> F_STATS & 1) {
		stats_kick(b);
		return;
	}
	for (n = 0; n < BURST && b->ops->pop(b->transport, queue, &b->req) == 1; n++) {
		if (queue == INFLATEQ)
			inflate(b, &b->req);
		else if (queue >= STATSQ && f >> F_REPORTING & 1)
			report(b, &b->req);
		/* What is deflated comes back by itself when it is used. */
		b->ops->push(b->transport, queue, &b->req, 0);
	}
	if (n)
		b->ops->notify(b->transport, queue);
	if (n == BURST)
		later(b, queue);
}

static uint64_t offered(void *self)
{
	const struct balloon *b = self;
	return 1u << F_STATS | (b->deflate_on_oom ? 1u << F_DEFLATE_ON_OOM : 0) |
		(b->reporting ? 1u << F_REPORTING : 0);
}

static int attach(void *self, const struct bp_virtio_transport *ops, void *transport)
{
	struct balloon *b = self;
	b->ops = ops;
	b->transport = transport;
	return 0;
}

static void config_read(void *self, uint32_t offset, void *buf, uint32_t len)
{
	const struct balloon *b = self;
	uint8_t c[CONFIG_SIZE];
	uint64_t pages = b->target >> PAGE_BITS;
	bp_virtio_put(c + NUM_PAGES, 4, pages < UINT32_MAX ? pages : UINT32_MAX);
	bp_virtio_put(c + ACTUAL, 4, b->actual);
	memcpy(buf, c + offset, len);
}

static void config_write(void *self, uint32_t offset, const void *buf, uint32_t len)
{
	struct balloon *b = self;
	if (offset == ACTUAL && len == 4)
		b->actual = (uint32_t)bp_virtio_get(buf, 4);
}

static void queue_stop(void *self, unsigned queue)
{
	struct balloon *b = self;
	if (queue != STATSQ || !b->stats_held)
		return;
	b->ops->release(b->transport, &b->stats_chain);
	b->stats_held = 0;
	b->host->timer_cancel(b->timer);
}

static void run(void *self, int running)
{
	struct balloon *b = self;
	if (running)
		return;
	queue_stop(b, STATSQ);
	b->actual = 0;
}

static const struct bp_virtio_device device = {
	.size = sizeof(device),
	.device_id = 5,
	.queues = QUEUES,
	.queue_size = QUEUE_SIZE,
	.config_size = CONFIG_SIZE,
	.offered = offered,
	.attach = attach,
	.config_read = config_read,
	.config_write = config_write,
	.kick = kick,
	.run = run,
	.queue_stop = queue_stop,
};

/* ---- life ---- */

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct balloon *b = self;
	(void)err;
	b->host = host;
	b->req.size = sizeof(b->req);
	b->stats_chain.size = sizeof(b->stats_chain);
	memset(b->stats, 0xff, sizeof(b->stats));
	b->timer = host->timer_new(b, BP_CLOCK_VIRTUAL, want_stats, 0);
	return 0;
}

static void changed(void *self, const char *prop)
{
	struct balloon *b = self;
	if (!strcmp(prop, "target") && b->ops)
		b->ops->config_changed(b->transport);
}

static int loaded(void *self, uint32_t from_version, bp_error *err)
{
	struct balloon *b = self;
	(void)from_version;
	if (b->stats_held &&
		(!b->ops ||
			b->ops->retake(
				b->transport, STATSQ, b->stats_chain.head, &b->stats_chain) != 0)) {
		b->stats_held = 0;
		return b->host->fail(err, "the saved balloon holds a chain that is in no queue");
	}
	return 0;
}

static const void *interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.virtio-device/1") ? NULL : &device;
}

#define PROP(m, name, text, t) BP_PROP(struct balloon, m, t, name), .help = (text)
static const struct bp_field props[] = {
	{ PROP(target, "target", "bytes that the guest shall give", BP_SIZE),
		.flags = BP_F_RUNTIME },
	{ PROP(interval_s, "stats-interval", "seconds between statistics; 0: none", BP_U32),
		.flags = BP_F_RANGE, .max = 86400 },
	{ PROP(deflate_on_oom, "deflate-on-oom", "the guest may take pages when it has none left",
		BP_BOOL) },
	{ PROP(reporting, "reporting", "the guest reports free pages", BP_BOOL), .def = 1 },
	{ 0 },
};
static const struct bp_field state[] = {
	{ BP_FIELD(struct balloon, actual, BP_U32) },
	{ BP_FIELD(struct balloon, target, BP_U64) },
	{ BP_FIELD(struct balloon, stats, BP_U64), .count = STATS, .flags = BP_F_WHOLE },
	{ BP_FIELD(struct balloon, stats_held, BP_U32) },
	{ BP_FIELD(struct balloon, timer, BP_TIMER) },
	{ "stats_head", .offset = (uint32_t)offsetof(struct balloon, stats_chain.head),
		.type = BP_U32 },
	{ 0 },
};

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct balloon),
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.state = state,
	.create = create,
	.loaded = loaded,
	.interface = interface,
	.changed = changed,
};

static const struct bp_type types[] = {
	{ "virtio-balloon", "virtio memory balloon", BP_KIND_DEVICE, 0, &object, NULL },
	{ 0 },
};

BP_PLUGIN(dev_virtio_balloon) = {
	BP_PLUGIN_HEAD,
	.name = "dev-virtio-balloon",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
