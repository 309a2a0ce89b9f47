/* SPDX-License-Identifier: MIT */
/* Virtio entropy device (Virtio 1.2, section 5.4). */
#include <backplane/plugin.h>
#include <backplane/virtio.h>
#include <errno.h>
#include <string.h>
#include <sys/random.h>

enum { QUEUE_SIZE = 64, BURST = 64 };

struct rng {
	const struct bp_host *host;
	const struct bp_virtio_transport *ops;
	void *transport;
	uint64_t seed; /* 0: the host's generator; else the sequence that follows from it */
	uint64_t sequence;
	struct bp_virtio_request req;
};

/* splitmix64: every state gives another number, and all 2^64 states come by. */
static uint64_t next(struct rng *r)
{
	uint64_t z = r->sequence += UINT64_C(0x9e3779b97f4a7c15);
	z = (z ^ z >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
	z = (z ^ z >> 27) * UINT64_C(0x94d049bb133111eb);
	return z ^ z >> 31;
}

static void fill(struct rng *r, uint8_t *p, size_t len)
{
	while (len) {
		ssize_t n;
		if (r->seed) {
			uint64_t v = next(r);
			n = (ssize_t)(len < sizeof(v) ? len : sizeof(v));
			memcpy(p, &v, (size_t)n);
		} else if (BP_HAS(r->host, random)) {
			r->host->random(r, p, len);
			return;
		} else {
			n = getrandom(p, len < 256 ? len : 256, 0);
			if (n < 0 && errno != EINTR) {
				/* Never leave what was there in memory that the guest takes for random. */
				memset(p, 0, len);
				r->host->log(r, BP_LOG_ERROR, "the host gives no random numbers");
				return;
			}
			n = n < 0 ? 0 : n;
		}
		p += n;
		len -= (size_t)n;
	}
}

static void kick(void *self, unsigned queue);

static void again(void *self, uint64_t queue)
{
	kick(self, (unsigned)queue);
}

static void kick(void *self, unsigned queue)
{
	struct rng *r = self;
	int n;
	for (n = 0; n < BURST && r->ops->pop(r->transport, queue, &r->req) == 1; n++) {
		uint64_t total = 0;
		for (uint32_t i = r->req.readable; i < r->req.count; i++) {
			fill(r, r->req.buffer[i].data, r->req.buffer[i].len);
			total += r->req.buffer[i].len;
		}
		r->ops->push(r->transport, queue, &r->req, (uint32_t)total);
	}
	r->ops->notify(r->transport, queue);
	/* A driver that fills the ring all the time leaves others a turn, too. */
	if (n == BURST)
		r->host->post(r, again, queue);
}

static uint64_t offered(void *self)
{
	(void)self;
	return 0;
}

static int attach(void *self, const struct bp_virtio_transport *ops, void *transport)
{
	struct rng *r = self;
	r->ops = ops;
	r->transport = transport;
	return 0;
}

static void run(void *self, int running)
{
	(void)self;
	(void)running;
}

static const struct bp_virtio_device device = {
	.size = sizeof(device),
	.device_id = 4,
	.queues = 1,
	.queue_size = QUEUE_SIZE,
	.offered = offered,
	.attach = attach,
	.kick = kick,
	.run = run,
};

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct rng *r = self;
	(void)err;
	r->host = host;
	return 0;
}

static void reset(void *self, int step)
{
	struct rng *r = self;
	if (step == BP_RESET_ENTER)
		r->sequence = r->seed;
}

static const void *interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.virtio-device/1") ? NULL : &device;
}

static const struct bp_field props[] = {
	{ "seed", "0: the host's random numbers; else a repeatable sequence",
		(uint32_t)offsetof(struct rng, seed), BP_U64 },
	{ 0 },
};
static const struct bp_field state[] = { { BP_FIELD(struct rng, sequence, BP_U64) }, { 0 } };

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct rng),
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.state = state,
	.create = create,
	.reset = reset,
	.interface = interface,
};

static const struct bp_type types[] = {
	{ "virtio-rng", "virtio entropy source", BP_KIND_DEVICE, 0, &object, NULL },
	{ 0 },
};

BP_PLUGIN(dev_virtio_rng) = {
	BP_PLUGIN_HEAD,
	.name = "dev-virtio-rng",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
