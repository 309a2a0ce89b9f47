/* SPDX-License-Identifier: MIT */
#include "fake_virtio.h"
#include <string.h>

struct fake_virtio virtio;

static void map(struct bp_virtio_request *req, struct chain *c, unsigned queue)
{
	req->head = c->head | queue << 16;
	req->count = req->readable = 0;
	for (unsigned at = 0; c->out && at < c->out->len; at += c->piece)
		req->buffer[req->count++] = (struct bp_virtio_buffer){ c->out->data + at,
			MIN(c->piece, c->out->len - at), 0 };
	req->readable = req->count;
	for (unsigned at = 0; at < c->room; at += c->piece)
		req->buffer[req->count++] =
			(struct bp_virtio_buffer){ c->in + at, MIN(c->piece, c->room - at), 1 };
	g_assert_cmpuint(req->count, <=, BP_VIRTIO_MAX_BUFFERS);
	c->held = 1;
}

static struct chain *held(const struct bp_virtio_request *req)
{
	struct chain *c = g_ptr_array_index(virtio.all, req->head & 0xffff);
	g_assert_true(c->held);
	c->held = 0;
	return c;
}

static int pop(void *t, unsigned queue, struct bp_virtio_request *req)
{
	(void)t;
	g_assert_cmpuint(req->size, ==, sizeof(*req));
	struct chain *c = virtio.stopped ? NULL : g_queue_pop_head(&virtio.avail[queue]);
	if (c)
		map(req, c, queue);
	return c != NULL;
}

static void push(void *t, unsigned queue, struct bp_virtio_request *req, uint32_t written)
{
	struct chain *c = held(req);
	(void)t;
	g_assert_cmpuint(req->head >> 16, ==, queue);
	g_assert_cmpuint(written, <=, c->room);
	c->written = written;
	g_ptr_array_add(virtio.used[queue], c);
}

static void notify(void *t, unsigned queue)
{
	(void)t;
	virtio.notified[queue]++;
}

static void config_changed(void *t)
{
	(void)t;
	virtio.config_changes++;
}

static uint64_t features(void *t)
{
	(void)t;
	return virtio.features;
}

static int queue_ready(void *t, unsigned queue)
{
	(void)t;
	return queue < virtio.dev->queues && !virtio.stopped;
}

static void release(void *t, struct bp_virtio_request *req)
{
	(void)t;
	held(req);
}

static int retake(void *t, unsigned queue, uint32_t head, struct bp_virtio_request *req)
{
	(void)t;
	if ((head & 0xffff) >= virtio.all->len || head >> 16 != queue)
		return -1;
	map(req, g_ptr_array_index(virtio.all, head & 0xffff), queue);
	return 0;
}

static const struct bp_virtio_transport transport = {
	.size = sizeof(transport),
	.pop = pop,
	.push = push,
	.notify = notify,
	.config_changed = config_changed,
	.features = features,
	.queue_ready = queue_ready,
	.release = release,
	.retake = retake,
};

static void chain_free(void *p)
{
	struct chain *c = p;
	if (c->out)
		g_byte_array_unref(c->out);
	g_free(c->in);
	g_free(c);
}

void fake_virtio_begin(void *self, uint64_t driver)
{
	memset(&virtio, 0, sizeof(virtio));
	virtio.self = self;
	virtio.dev = fake_type(self)->interface(self, "bp.virtio-device/1");
	virtio.all = g_ptr_array_new_with_free_func(chain_free);
	for (unsigned i = 0; i < FAKE_QUEUES; i++) {
		g_queue_init(&virtio.avail[i]);
		virtio.used[i] = g_ptr_array_new();
	}
	g_assert_cmphex(virtio.dev->offered(self) & driver, ==, driver);
	g_assert_cmpint(virtio.dev->attach(self, &transport, NULL), ==, 0);
	virtio.features = driver | UINT64_C(1) << 32; /* VIRTIO_F_VERSION_1 */
	virtio.dev->run(self, 1);
}

void fake_virtio_end(void)
{
	virtio.dev->run(virtio.self, 0);
	for (unsigned i = 0; i < virtio.all->len; i++)
		g_assert_false(((struct chain *)g_ptr_array_index(virtio.all, i))->held);
	for (unsigned i = 0; i < FAKE_QUEUES; i++) {
		g_queue_clear(&virtio.avail[i]);
		g_ptr_array_free(virtio.used[i], TRUE);
	}
	g_ptr_array_free(virtio.all, TRUE);
}

struct chain *fake_offer(
	unsigned queue, const void *bytes, unsigned len, unsigned room, unsigned piece)
{
	struct chain *c = g_new0(struct chain, 1);
	if (bytes) {
		c->out = g_byte_array_new();
		g_byte_array_append(c->out, bytes, len);
	}
	c->room = room;
	c->in = g_malloc0(room + 1);
	c->piece = piece;
	c->head = virtio.all->len;
	g_ptr_array_add(virtio.all, c);
	g_queue_push_tail(&virtio.avail[queue], c);
	return c;
}

void fake_kick(unsigned queue)
{
	virtio.dev->kick(virtio.self, queue);
}

struct chain *fake_used(unsigned queue, unsigned n)
{
	g_assert_cmpuint(n, <, virtio.used[queue]->len);
	return g_ptr_array_index(virtio.used[queue], n);
}
