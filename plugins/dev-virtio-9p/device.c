/* SPDX-License-Identifier: MIT */
/* Virtio 9P transport (Virtio 1.2, 5.15): a chain is a message and room for its answer. Messages are
 * served one after the other, each on a thread of the host's: a slow folder holds nobody up. */
#include "p9.h"
#include <backplane/plugin.h>
#include <backplane/virtio.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { QUEUE_SIZE = 128, TAG_MOST = 255, F_MOUNT_TAG = 1 };

struct share {
	const struct bp_host *host;
	const char *path, *tag;
	uint8_t read_only;
	uint32_t owners; /* enum p9_owners */
	const struct bp_virtio_transport *ops;
	void *transport;
	struct bp_virtio_device device;
	struct bp_virtio_request req; /* while it is busy */
	uint8_t *in, *out; /* a message and its answer, in one piece */
	uint32_t in_len, out_len, room;
	int busy; /* the job has p9 and what is above */
	int stopping;
	struct p9 p9;
};

static void job(void *self, uint64_t arg)
{
	struct share *s = self;
	(void)arg;
	s->out_len = p9_serve(&s->p9, s->in, s->in_len, s->out, s->room);
}

static void next(struct share *s);

static void done(void *self, uint64_t arg)
{
	struct share *s = self;
	(void)arg;
	s->busy = 0;
	if (s->stopping) {
		s->ops->release(s->transport, &s->req);
		return;
	}
	bp_virtio_write(&s->req, 0, s->out, s->out_len);
	s->ops->push(s->transport, 0, &s->req, s->out_len);
	s->ops->notify(s->transport, 0);
	next(s);
}

static void next(struct share *s)
{
	if (s->busy || s->ops->pop(s->transport, 0, &s->req) != 1)
		return;
	uint64_t room = bp_virtio_bytes(&s->req, 1);
	if (room < P9_ERROR_BYTES) {
		s->ops->release(s->transport, &s->req);
		s->ops->broken(s->transport);
		return;
	}
	s->room = (uint32_t)(room < P9_MSIZE_MAX ? room : P9_MSIZE_MAX);
	s->in_len = bp_virtio_read(&s->req, 0, s->in, P9_MSIZE_MAX);
	s->busy = 1;
	s->host->work(s, job, done, 0);
}

static void kick(void *self, unsigned queue)
{
	(void)queue;
	next(self);
}

/* A message that is being served has its effect, but no answer. */
static void queue_stop(void *self, unsigned queue)
{
	struct share *s = self;
	(void)queue;
	s->stopping = 1;
	s->host->work_drain(s);
	s->stopping = 0;
}

static void run(void *self, int running)
{
	struct share *s = self;
	if (running)
		return;
	queue_stop(s, 0);
	p9_reset(&s->p9);
}

static uint64_t offered(void *self)
{
	(void)self;
	return F_MOUNT_TAG;
}

static int attach(void *self, const struct bp_virtio_transport *ops, void *transport)
{
	struct share *s = self;
	s->ops = ops;
	s->transport = transport;
	return 0;
}

static void config_read(void *self, uint32_t offset, void *buf, uint32_t len)
{
	const struct share *s = self;
	uint8_t config[2 + TAG_MOST] = { 0 };
	size_t n = strlen(s->tag);
	config[0] = (uint8_t)n;
	memcpy(config + 2, s->tag, n);
	memcpy(buf, config + offset, len);
}

static void config_write(void *self, uint32_t offset, const void *buf, uint32_t len)
{
	(void)self;
	(void)offset;
	(void)buf;
	(void)len;
}

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct share *s = self;
	s->host = host;
	s->p9.root = -1;
	if (!s->tag[0] || strlen(s->tag) > TAG_MOST)
		return host->fail(err,
			"tag: 1 to %d bytes are expected, by which the guest mounts the folder; it "
			"has %zu",
			TAG_MOST, strlen(s->tag));
	if (p9_init(&s->p9, s->path, s->read_only, s->owners) != 0) {
		if (errno == ENOSYS)
			return host->fail(err,
				"a folder is shared safely only with the system call openat2, "
				"which "
				"this kernel does not have or allow; Linux 5.6 has it");
		if (errno == EOPNOTSUPP)
			return host->fail(err,
				"security: owners are kept in extended attributes, which the file "
				"system of \"%s\" does not have; say passthrough or none",
				s->path);
		return host->fail(err, "path: the folder \"%s\" cannot be opened: %s", s->path,
			strerror(errno));
	}
	s->in = malloc(P9_MSIZE_MAX);
	s->out = malloc(P9_MSIZE_MAX);
	if (!s->in || !s->out)
		return host->fail(err, "there is no memory for messages of %d bytes", P9_MSIZE_MAX);
	s->req.size = sizeof(s->req);
	s->device = (struct bp_virtio_device){ .size = sizeof(s->device),
		.device_id = 9,
		.queues = 1,
		.queue_size = QUEUE_SIZE,
		.config_size = (uint32_t)(2 + strlen(s->tag)),
		.offered = offered,
		.attach = attach,
		.config_read = config_read,
		.config_write = config_write,
		.kick = kick,
		.run = run,
		.queue_stop = queue_stop };
	return 0;
}

static void destroy(void *self)
{
	struct share *s = self;
	/* Zeroed, when create was never reached: 0 is no folder of ours. */
	if (s->host)
		p9_finish(&s->p9);
	free(s->in);
	free(s->out);
}

/* Messages that lay in the ring. */
static void first(void *self, uint64_t arg)
{
	(void)arg;
	next(self);
}

static int loaded(void *self, uint32_t from_version, bp_error *err)
{
	struct share *s = self;
	char text[512];
	(void)from_version;
	const char *bad = p9_restore(&s->p9, text, sizeof(text));
	if (bad)
		return s->host->fail(err, "%s", bad);
	s->host->post(s, first, 0);
	return 0;
}

static const void *interface(void *self, const char *id)
{
	struct share *s = self;
	return strcmp(id, "bp.virtio-device/1") ? NULL : &s->device;
}

#define PROP(m, name, text, t) BP_PROP(struct share, m, t, name), .help = (text)
/* In the order of enum p9_owners. */
static const char *const securities[] = { "passthrough", "none", "mapped-xattr", NULL };
static const struct bp_field props[] = {
	{ PROP(path, "path", "the host's folder", BP_STR), .flags = BP_F_REQUIRED },
	{ PROP(tag, "tag", "the name by which the guest mounts it", BP_STR), .def_str = "share" },
	{ PROP(read_only, "readonly", "the guest changes nothing", BP_BOOL) },
	{ PROP(owners, "security", "owners and modes: the host's, those or none, kept beside",
		  BP_ENUM),
		.names = securities },
	{ 0 },
};

static const struct bp_field fid[] = {
	{ BP_FIELD(struct p9_fid, id, BP_U32) },
	{ BP_FIELD(struct p9_fid, kind, BP_U32) },
	{ BP_FIELD(struct p9_fid, flags, BP_U32) },
	{ BP_FIELD(struct p9_fid, path_at, BP_U32) },
	{ BP_FIELD(struct p9_fid, path_len, BP_U32) },
	{ BP_FIELD(struct p9_fid, ino, BP_U64) },
	{ BP_FIELD(struct p9_fid, uid, BP_U32) },
	{ 0 },
};
#define STATE(text, m) .name = (text), .offset = (uint32_t)offsetof(struct share, p9.m)
static const struct bp_field state[] = {
	{ STATE("msize", msize), .type = BP_U32 },
	{ STATE("fid_count", fid_count), .type = BP_U32 },
	{ STATE("path_bytes", path_bytes), .type = BP_U32 },
	{ STATE("fids", fids), .type = BP_STRUCT, .count = P9_FIDS, .sub = fid,
		.sub_size = sizeof(struct p9_fid),
		.count_offset = offsetof(struct share, p9.fid_count) },
	{ STATE("paths", paths), .type = BP_BYTES, .count = P9_PATHS,
		.count_offset = offsetof(struct share, p9.path_bytes) },
	{ 0 },
};

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct share),
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.state = state,
	.create = create,
	.destroy = destroy,
	.loaded = loaded,
	.interface = interface,
};

static const struct bp_type types[] = {
	{ "virtio-9p", "a folder of the host's for the guest (9P2000.L)", BP_KIND_DEVICE, 0,
		&object, NULL },
	{ 0 },
};

BP_PLUGIN(dev_virtio_9p) = {
	BP_PLUGIN_HEAD,
	.name = "dev-virtio-9p",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
