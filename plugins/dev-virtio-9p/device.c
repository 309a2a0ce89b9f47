/* SPDX-License-Identifier: MIT */
/* Virtio 9P transport (device id 9): a chain is a message and room for its answer. Messages are served
 * one after the other on the main loop's thread, so that no vCPU waits for the host's disk unless it
 * wants a device meanwhile. */
#include "p9.h"
#include <backplane/plugin.h>
#include <backplane/virtio.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

enum { QUEUE_SIZE = 128, BURST = 8, TAG_MOST = 255, F_MOUNT_TAG = 1 };

struct share {
	const struct bp_host *host;
	const char *path, *tag;
	uint8_t read_only;
	const struct bp_virtio_transport *ops;
	void *transport;
	struct bp_virtio_device device;
	struct bp_virtio_request req;
	uint8_t *in, *out; /* a message and its answer, in one piece */
	int posted;
	struct p9 p9;
};

static uint32_t gather(struct share *s)
{
	uint32_t len = 0;
	for (uint32_t i = 0; i < s->req.readable && len < P9_MSIZE_MAX; i++) {
		const struct bp_virtio_buffer *b = &s->req.buffer[i];
		uint32_t n = b->len < P9_MSIZE_MAX - len ? b->len : P9_MSIZE_MAX - len;
		memcpy(s->in + len, b->data, n);
		len += n;
	}
	return len;
}

static void scatter(struct share *s, uint32_t len)
{
	uint32_t done = 0;
	for (uint32_t i = s->req.readable; i < s->req.count && done < len; i++) {
		const struct bp_virtio_buffer *b = &s->req.buffer[i];
		uint32_t n = b->len < len - done ? b->len : len - done;
		memcpy(b->data, s->out + done, n);
		done += n;
	}
}

/* 0: the driver broke the rules. */
static int serve(struct share *s)
{
	uint64_t room = 0;
	for (uint32_t i = s->req.readable; i < s->req.count; i++)
		room += s->req.buffer[i].len;
	if (room < P9_ERROR_BYTES) {
		s->ops->release(s->transport, &s->req);
		s->ops->broken(s->transport);
		return 0;
	}
	uint32_t len = p9_serve(&s->p9, s->in, gather(s), s->out,
		(uint32_t)(room < P9_MSIZE_MAX ? room : P9_MSIZE_MAX));
	scatter(s, len);
	s->ops->push(s->transport, 0, &s->req, len);
	return 1;
}

static void again(struct share *s);

static void work(void *self, uint64_t arg)
{
	struct share *s = self;
	int n = 0;
	(void)arg;
	s->posted = 0;
	if (!s->ops || !s->ops->queue_ready(s->transport, 0))
		return;
	while (n < BURST && s->ops->pop(s->transport, 0, &s->req) == 1 && serve(s))
		n++;
	if (n)
		s->ops->notify(s->transport, 0);
	/* A driver that asks all the time leaves others a turn, too. */
	if (n == BURST)
		again(s);
}

static void again(struct share *s)
{
	if (!s->posted) {
		s->posted = 1;
		s->host->post(s, work, 0);
	}
}

static void kick(void *self, unsigned queue)
{
	(void)queue;
	again(self);
}

static void run(void *self, int running)
{
	struct share *s = self;
	if (!running)
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
	if (p9_init(&s->p9, s->path, s->read_only) != 0) {
		if (errno == ENOSYS)
			return host->fail(err,
				"a folder is shared safely only with the system call openat2, "
				"which "
				"this kernel does not have or allow; Linux 5.6 has it");
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
		.run = run };
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

static int loaded(void *self, uint32_t from_version, bp_error *err)
{
	struct share *s = self;
	char text[512];
	(void)from_version;
	const char *bad = p9_restore(&s->p9, text, sizeof(text));
	if (bad)
		return s->host->fail(err, "%s", bad);
	s->posted = 0;
	again(s); /* messages that lay in the ring */
	return 0;
}

static const void *interface(void *self, const char *id)
{
	struct share *s = self;
	return strcmp(id, "bp.virtio-device/1") ? NULL : &s->device;
}

#define PROP(m, name, text, t) BP_PROP(struct share, m, t, name), .help = (text)
static const struct bp_field props[] = {
	{ PROP(path, "path", "the host's folder", BP_STR), .flags = BP_F_REQUIRED },
	{ PROP(tag, "tag", "the name by which the guest mounts it", BP_STR), .def_str = "share" },
	{ PROP(read_only, "readonly", "the guest changes nothing", BP_BOOL) },
	{ 0 },
};

static const struct bp_field fid[] = {
	{ BP_FIELD(struct p9_fid, id, BP_U32) },
	{ BP_FIELD(struct p9_fid, kind, BP_U32) },
	{ BP_FIELD(struct p9_fid, flags, BP_U32) },
	{ BP_FIELD(struct p9_fid, path_at, BP_U32) },
	{ BP_FIELD(struct p9_fid, path_len, BP_U32) },
	{ BP_FIELD(struct p9_fid, ino, BP_U64) },
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
