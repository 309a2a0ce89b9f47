/* SPDX-License-Identifier: MIT */
/* The type "drive": an image opened as the machine file says, and the requests of one device.
 *
 * A request goes through these hands: submit() -> pool -> perform() on a worker -> the list
 * `finished` -> deliver() inside the device's domain. With a ring: submit() -> the kernel ->
 * ring_done() on the ring's thread -> `finished`; what the ring cannot do goes to the pool. Whoever is
 * inside that domain already (drain) delivers for itself. In deterministic mode perform() runs inside
 * submit(), and deliver() is posted, so that the guest never sees how fast the host is. */
#include "block.h"
#include "plugin/field.h"
#include "sched/sched.h"
#include <errno.h>
#include <glib.h>
#include <inttypes.h>
#include <pthread.h>
#include <string.h>

enum {
	TRANSFER_MAX = 32 << 20,
	IOV_MAX_COUNT = 1024,
	RETRY_NS = 10 * 1000 * 1000,
	LOOK_NS = 1000 * 1000 /* how often who drains looks at the ring itself */
};

enum on_error { REPORT, PAUSE, PAUSE_IF_FULL, IGNORE };
static const char *const on_error_words[] = { "report", "pause", "pause-if-full", "ignore", NULL };

enum aio { AIO_AUTO, AIO_THREADS, AIO_RING };
static const char *const aio_words[] = { "auto", "threads", "io_uring", NULL };

const char *const blk_cache_modes[] = { "writeback", "none", "writethrough", "directsync", "unsafe",
	NULL };
static const struct blk_cache_mode modes[] = {
	{ "writeback", true, false, false },
	{ "none", true, true, false },
	{ "writethrough", false, false, false },
	{ "directsync", false, true, false },
	{ "unsafe", true, false, true },
};

const struct blk_cache_mode *blk_cache_mode(const char *name)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(modes); i++)
		if (!strcmp(modes[i].name, name))
			return &modes[i];
	return NULL;
}

struct drive {
	const struct bp_host *host;
	/* properties */
	const char *file, *format, *options, *filter, *backing_format;
	uint32_t cache, aio, on_read_error, on_write_error, block_size;
	uint8_t readonly, snapshot, shared;

	bp_blk_node *node;
	struct blk_ring *ring; /* NULL: threads do all */
	uint64_t bytes;
	struct object *owner;
	const struct bp_blk_front *front;
	bp_timer *retry;
	bool write_back;
	pthread_mutex_t lock;
	pthread_cond_t changed; /* something finished */
	struct bp_blk_request *finished, **finished_end; /* done() is still to be called */
	struct bp_blk_request *held; /* failed; waits until the machine goes on */
	unsigned under_way; /* submitted, done() not yet called, not held */
	unsigned workers; /* threads that still touch the drive */
	bool delivering; /* a worker does, or waits to enter the domain */
};

/* What request.layer[] holds, from submit to done. */
enum { TASK_RUN, TASK_NEXT, NEXT, DRIVE, RESULT, CANCEL };
struct layer { /* the same, with names */
	struct blk_task task;
	struct bp_blk_request *next;
	struct drive *drive;
	intptr_t result;
	uintptr_t cancelled;
};

static GPtrArray *drives;

static struct layer *layer_of(struct bp_blk_request *r)
{
	_Static_assert(sizeof(struct layer) <= sizeof(r->layer), "the layer's part of a request");
	return (struct layer *)(void *)r->layer;
}

static struct bp_blk_request *request_of(struct blk_task *t)
{
	return (struct bp_blk_request *)(void *)((char *)t -
		offsetof(struct bp_blk_request, layer) - offsetof(struct layer, task));
}

/* ---- doing ---- */

static int perform(struct drive *d, const struct bp_blk_request *r)
{
	unsigned flags = r->flags & (BP_BLK_FUA | BP_BLK_UNMAP);
	if (!d->write_back)
		flags |= BP_BLK_FUA;
	switch (r->op) {
	case BP_BLK_READ: return blk_read(d->node, r->offset, r->len, r->iov, r->iov_count);
	case BP_BLK_WRITE:
		return blk_write(d->node, r->offset, r->len, r->iov, r->iov_count, flags);
	case BP_BLK_FLUSH: return blk_flush(d->node);
	case BP_BLK_DISCARD: return blk_discard(d->node, r->offset, r->len);
	default: return blk_write_zeroes(d->node, r->offset, r->len, flags);
	}
}

static bool writes(uint32_t op)
{
	return op == BP_BLK_WRITE || op == BP_BLK_DISCARD || op == BP_BLK_WRITE_ZEROES;
}

/* Is it one that the layers below may see? */
static int check(const struct drive *d, const struct bp_blk_request *r)
{
	uint64_t sum = 0, mask = d->block_size - 1;
	if (r->op < BP_BLK_READ || r->op > BP_BLK_WRITE_ZEROES)
		return -EINVAL;
	if (writes(r->op) && d->node->flags & BP_BLK_FILE_READ_ONLY)
		return -EROFS;
	if (r->op == BP_BLK_FLUSH)
		return 0;
	if ((r->offset | r->len) & mask || r->offset > d->bytes || r->len > d->bytes - r->offset)
		return -EINVAL;
	if (r->op != BP_BLK_READ && r->op != BP_BLK_WRITE)
		return 0;
	if (r->iov_count > IOV_MAX_COUNT || r->len > TRANSFER_MAX)
		return -EINVAL;
	for (uint32_t i = 0; i < r->iov_count; i++)
		sum += r->iov[i].len;
	return sum == r->len ? 0 : -EINVAL;
}

/* The device is told; inside its domain. */
static void deliver(struct drive *d)
{
	struct bp_blk_request *r;
	pthread_mutex_lock(&d->lock);
	while ((r = d->finished)) {
		d->finished = layer_of(r)->next;
		if (!d->finished)
			d->finished_end = &d->finished;
		int result = (int)layer_of(r)->result;
		void *owner = d->owner->instance;
		pthread_mutex_unlock(&d->lock);
		r->done(owner, r, result);
		pthread_mutex_lock(&d->lock);
		d->under_way--;
		pthread_cond_broadcast(&d->changed);
	}
	pthread_mutex_unlock(&d->lock);
}

static void deliver_posted(void *self, uint64_t arg)
{
	(void)self;
	struct drive *d = (struct drive *)(uintptr_t)arg;
	if (d->owner)
		deliver(d);
}

static void add_finished(struct drive *d, struct bp_blk_request *r)
{
	layer_of(r)->next = NULL;
	*d->finished_end = r;
	d->finished_end = &layer_of(r)->next;
	pthread_cond_broadcast(&d->changed);
}

static bool to_hold(const struct drive *d, const struct bp_blk_request *r, int result)
{
	uint32_t policy = r->op == BP_BLK_READ ? d->on_read_error : d->on_write_error;
	return !layer_of((struct bp_blk_request *)(uintptr_t)r)->cancelled &&
		(policy == PAUSE || (policy == PAUSE_IF_FULL && result == -ENOSPC));
}

static void start_retry(void *self, uint64_t arg)
{
	struct drive *d = self;
	(void)arg;
	/* A clock that stands while the machine does: it fires once the user lets it go on. */
	d->host->timer_at(d->retry, d->host->now(d, BP_CLOCK_VIRTUAL) + RETRY_NS);
}

static void hold(struct drive *d, struct bp_blk_request *r, int result)
{
	d->host->log(d, BP_LOG_ERROR, "%s: %s; the machine stands until it is resumed",
		r->op == BP_BLK_READ ? "read" : "write", g_strerror(-result));
	pthread_mutex_lock(&d->lock);
	layer_of(r)->next = d->held;
	d->held = r;
	d->under_way--;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
	d->host->request(d, BP_REQ_PAUSE, 0);
	d->host->post(d, start_retry, 0);
}

static void finish(struct drive *d, struct bp_blk_request *r, int result)
{
	uint32_t policy = r->op == BP_BLK_READ ? d->on_read_error : d->on_write_error;
	if (result && result != -EINVAL && result != -ECANCELED && to_hold(d, r, result)) {
		hold(d, r, result);
		return;
	}
	layer_of(r)->result = policy == IGNORE && result == -EIO ? 0 : result;
	pthread_mutex_lock(&d->lock);
	add_finished(d, r);
	pthread_mutex_unlock(&d->lock);
}

/* From outside, unless another thread does so. `lock` is held. */
static void deliver_outside(struct drive *d)
{
	bool mine = d->finished && !d->delivering;
	d->delivering = d->delivering || mine;
	while (mine) {
		struct domain *domain = d->owner->domain;
		pthread_mutex_unlock(&d->lock);
		if (domain_enter(domain)) {
			deliver(d);
			domain_leave(domain);
		}
		pthread_mutex_lock(&d->lock);
		mine = d->finished != NULL;
		d->delivering = mine;
	}
}

/* On a worker's thread, in no domain. */
static void run(struct blk_task *t)
{
	struct bp_blk_request *r = request_of(t);
	struct drive *d = layer_of(r)->drive;
	finish(d, r, layer_of(r)->cancelled ? -ECANCELED : perform(d, r));
	pthread_mutex_lock(&d->lock);
	deliver_outside(d);
	d->workers--;
	pthread_cond_broadcast(&d->changed);
	pthread_mutex_unlock(&d->lock);
}

static void start_worker(struct drive *d, struct bp_blk_request *r)
{
	pthread_mutex_lock(&d->lock);
	d->workers++;
	pthread_mutex_unlock(&d->lock);
	blk_pool_add(&layer_of(r)->task);
}

static void ring_done(void *context, struct bp_blk_request *r, int result)
{
	if (result == BLK_RING_BLOCKING)
		start_worker(context, r);
	else
		finish(context, r, result);
}

static void ring_idle(void *context)
{
	struct drive *d = context;
	pthread_mutex_lock(&d->lock);
	deliver_outside(d);
	pthread_mutex_unlock(&d->lock);
}

/* Several, then kick(). */
static void start(struct drive *d, struct bp_blk_request *r)
{
	pthread_mutex_lock(&d->lock);
	d->under_way++;
	pthread_mutex_unlock(&d->lock);
	if (sched_is_deterministic()) {
		finish(d, r, perform(d, r));
		d->host->post(d->owner->instance, deliver_posted, (uintptr_t)d);
	} else if (layer_of(r)->cancelled || !d->ring ||
		!blk_ring_add(d->ring, r, !d->write_back || r->flags & BP_BLK_FUA)) {
		start_worker(d, r);
	}
}

static void kick(struct drive *d)
{
	if (d->ring)
		blk_ring_submit(d->ring);
}

/* ---- "bp.blk/1" ---- */

static int drive_attach(
	void *blk, void *owner, const struct bp_blk_front *front, int writable, bp_error *err)
{
	struct drive *d = blk;
	if (d->owner && d->owner != object_of(owner))
		return object_fail(err, "the drive %s serves %s already; one device at a time",
			d->host->name_of(d), d->owner->name);
	if (writable && d->node->flags & BP_BLK_FILE_READ_ONLY)
		return object_fail(err, "the drive %s is read-only, and this device writes",
			d->host->name_of(d));
	d->owner = object_of(owner);
	d->front = front;
	return 0;
}

static void drive_info(void *blk, struct bp_blk_info *out)
{
	const struct drive *d = blk;
	bool writable = !(d->node->flags & BP_BLK_FILE_READ_ONLY);
	struct bp_blk_info info = { .size = out->size,
		.flags = (writable ? BP_BLK_CAN_DISCARD : BP_BLK_READ_ONLY) |
			(d->write_back ? BP_BLK_WRITE_CACHE : 0),
		.bytes = d->bytes,
		.block_size = d->block_size,
		.physical_size = MAX(d->block_size, 4096),
		.optimal_size = 65536,
		.discard_align = d->block_size,
		.max_transfer = TRANSFER_MAX,
		.max_discard = UINT64_C(1) << 30,
		.max_zeroes = UINT64_C(1) << 30,
		.max_iov = IOV_MAX_COUNT };
	memcpy(out, &info, MIN(out->size, sizeof(info)));
}

static void drive_submit(void *blk, struct bp_blk_request *const *reqs, uint32_t count)
{
	struct drive *d = blk;
	for (uint32_t i = 0; i < count; i++) {
		struct bp_blk_request *r = reqs[i];
		int wrong = check(d, r);
		*layer_of(r) = (struct layer){ .task = { .run = run }, .drive = d };
		if (!wrong) {
			start(d, r);
			continue;
		}
		layer_of(r)->result = wrong;
		pthread_mutex_lock(&d->lock);
		d->under_way++;
		add_finished(d, r);
		pthread_mutex_unlock(&d->lock);
		d->host->post(d->owner->instance, deliver_posted, (uintptr_t)d);
	}
	kick(d);
}

static void drive_cancel(void *blk, struct bp_blk_request *r)
{
	struct drive *d = blk;
	if (sched_is_deterministic() || !blk_pool_remove(&layer_of(r)->task)) {
		/* If it is just being taken, or held and tried again. What the ring has has begun. */
		layer_of(r)->cancelled = 1;
		return;
	}
	layer_of(r)->result = -ECANCELED;
	pthread_mutex_lock(&d->lock);
	d->workers--;
	add_finished(d, r);
	pthread_mutex_unlock(&d->lock);
	d->host->post(d->owner->instance, deliver_posted, (uintptr_t)d);
}

/* Until something finished. The ring's thread may stand before the domain that this thread is in, so
 * this one looks at the ring, too. `lock` is held. */
static void wait_finished(struct drive *d)
{
	struct timespec t;
	if (!d->ring) {
		pthread_cond_wait(&d->changed, &d->lock);
		return;
	}
	pthread_mutex_unlock(&d->lock);
	blk_ring_reap(d->ring);
	pthread_mutex_lock(&d->lock);
	if (d->finished || !d->under_way)
		return;
	clock_gettime(CLOCK_MONOTONIC, &t);
	t.tv_nsec += LOOK_NS;
	t.tv_sec += t.tv_nsec / 1000000000;
	t.tv_nsec %= 1000000000;
	pthread_cond_clockwait(&d->changed, &d->lock, CLOCK_MONOTONIC, &t);
}

static void drive_drain(void *blk, uint32_t *held)
{
	struct drive *d = blk;
	bool inside = !d->owner || domain_inside(d->owner->domain);
	pthread_mutex_lock(&d->lock);
	while (d->under_way) {
		bool mine = d->finished && (inside || sched_is_deterministic());
		if (!mine && !d->finished) {
			wait_finished(d);
			continue;
		}
		pthread_mutex_unlock(&d->lock);
		/* Not inside, as before a save: nobody else is, so the domain can be entered. */
		if (inside || domain_enter(d->owner->domain)) {
			deliver(d);
			if (!inside)
				domain_leave(d->owner->domain);
		}
		pthread_mutex_lock(&d->lock);
		if (!d->finished && d->under_way)
			wait_finished(d);
	}
	unsigned n = 0;
	for (struct bp_blk_request *r = d->held; r; r = layer_of(r)->next)
		n++;
	pthread_mutex_unlock(&d->lock);
	if (held)
		*held = n;
}

static struct bp_blk_request *take_held(struct drive *d)
{
	pthread_mutex_lock(&d->lock);
	struct bp_blk_request *list = d->held;
	d->held = NULL;
	pthread_mutex_unlock(&d->lock);
	return list;
}

static void drive_forget_held(void *blk)
{
	struct drive *d = blk;
	for (struct bp_blk_request *r = take_held(d), *next; r; r = next) {
		next = layer_of(r)->next;
		r->done(d->owner->instance, r, -ECANCELED);
	}
}

static void retry(void *self, uint64_t arg)
{
	struct drive *d = self;
	(void)arg;
	for (struct bp_blk_request *r = take_held(d), *next; r; r = next) {
		next = layer_of(r)->next;
		start(d, r);
	}
	kick(d);
}

static void drive_detach(void *blk)
{
	struct drive *d = blk;
	if (!d->owner)
		return;
	drive_drain(d, NULL);
	drive_forget_held(d);
	d->front = NULL;
}

static void drive_write_cache(void *blk, int on)
{
	struct drive *d = blk;
	d->write_back = on;
}

static const struct bp_blk services = {
	.size = sizeof(services),
	.attach = drive_attach,
	.detach = drive_detach,
	.info = drive_info,
	.submit = drive_submit,
	.cancel = drive_cancel,
	.drain = drive_drain,
	.forget_held = drive_forget_held,
	.write_cache = drive_write_cache,
};

void drives_drain(void)
{
	for (unsigned i = 0; drives && i < drives->len; i++)
		drive_drain(g_ptr_array_index(drives, i), NULL);
}

/* ---- growing ---- */

/* Inside the domain of the device, if there is one: nothing new comes meanwhile. */
static int grow(struct drive *d, uint64_t bytes, bp_error *err)
{
	uint32_t held = 0;
	if (bytes % d->block_size || bytes < d->bytes)
		return object_fail(err,
			"it has %" PRIu64
			" bytes and can only grow, in blocks of %u; not to %" PRIu64,
			d->bytes, d->block_size, bytes);
	drive_drain(d, &held);
	if (held)
		return object_fail(err, "requests wait after an error; resume the machine first");
	int r = blk_resize(d->node, bytes, BP_BLK_PREALLOC_OFF);
	if (r)
		return object_fail(err, "it cannot have %" PRIu64 " bytes: %s", bytes,
			r == -ENOTSUP ? "its image does not grow" : g_strerror(-r));
	d->bytes = bytes;
	if (d->front && BP_HAS(d->front, event))
		d->front->event(d->owner->instance, BP_BLK_RESIZED);
	return 0;
}

/* ---- life ---- */

static void open_ring(struct drive *d)
{
	struct blk_ring_user user = { ring_done, ring_idle, d };
	if (d->aio == AIO_THREADS || sched_is_deterministic())
		return;
	d->ring = blk_ring_new(d->node, &user);
	if (!d->ring && d->aio == AIO_RING)
		d->host->log(d, BP_LOG_WARN,
			"aio: the host's kernel gives no io_uring, or the image is not a file byte "
			"for byte; threads are used");
}

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct drive *d = self;
	const struct blk_cache_mode *mode = &modes[d->cache];
	d->host = host;
	pthread_mutex_init(&d->lock, NULL);
	pthread_cond_init(&d->changed, NULL);
	d->finished_end = &d->finished;
	d->write_back = mode->write_back;
	d->retry = host->timer_new(self, BP_CLOCK_VIRTUAL, retry, 0);
	if (!drives)
		drives = g_ptr_array_new();
	g_ptr_array_add(drives, d);
	if (!d->file)
		return host->fail(err, "file: the image's file is not given");
	if (!d->format)
		return host->fail(err,
			"format: the image's format is not given, and it is never guessed, since "
			"the "
			"guest writes what a guess would look at; `backplane list formats` names "
			"them");
	if (d->block_size != BLK_SECTOR && d->block_size != 4096)
		return host->fail(
			err, "block-size: 512 or 4096 is expected, not %u", d->block_size);
	struct blk_spec spec = { .file = d->file,
		.format = d->format,
		.options = d->options,
		.filter = d->filter,
		.backing_format = d->backing_format,
		.open = (d->readonly || d->snapshot ? 0 : BP_BLK_OPEN_WRITE) |
			(mode->no_flush ? BP_BLK_OPEN_NO_FLUSH : 0),
		.direct = mode->direct,
		.shared = d->shared };
	struct error_list errors = { 0 };
	d->node = blk_open(host, &spec, &errors);
	if (d->node && d->snapshot && !d->readonly)
		d->node = blk_overlay(d->node, &errors);
	for (unsigned i = 0; i < errors.kept; i++)
		host->fail(err, "%s", errors.entries[i].text);
	error_list_finish(&errors);
	if (!d->node)
		return -1;
	blk_bytes(d->node, &d->bytes);
	open_ring(d);
	if (d->bytes % d->block_size)
		d->host->log(d, BP_LOG_WARN,
			"the last %u bytes are no whole block: not seen by the "
			"guest",
			(unsigned)(d->bytes % d->block_size));
	d->bytes -= d->bytes % d->block_size;
	return 0;
}

static void destroy(void *self)
{
	struct drive *d = self;
	struct error_list errors = { 0 };
	if (!d->host)
		return;
	pthread_mutex_lock(&d->lock);
	while (d->workers)
		pthread_cond_wait(&d->changed, &d->lock);
	pthread_mutex_unlock(&d->lock);
	blk_ring_destroy(d->ring);
	g_ptr_array_remove(drives, d);
	blk_close(d->node, &errors);
	error_list_print(&errors, stderr);
	error_list_finish(&errors);
	pthread_cond_destroy(&d->changed);
	pthread_mutex_destroy(&d->lock);
	if (!drives->len) {
		g_ptr_array_free(drives, TRUE);
		drives = NULL;
		blk_pool_finish();
	}
}

static const void *interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.blk/1") ? NULL : &services;
}

#define PROP(m, name, text, t) BP_PROP(struct drive, m, t, name), .help = (text)
static const struct bp_field props[] = {
	{ PROP(file, "file", "the image: a file or a block device", BP_STR) },
	{ PROP(format, "format", "its format; never guessed", BP_STR) },
	{ PROP(cache, "cache", "what is passed by, and what a write waits for", BP_ENUM),
		.names = blk_cache_modes },
	{ PROP(aio, "aio", "who does requests of a raw file; auto: io_uring if possible", BP_ENUM),
		.names = aio_words },
	{ PROP(readonly, "readonly", "never write to the image", BP_BOOL) },
	{ PROP(snapshot, "snapshot", "what is written goes to a temporary file", BP_BOOL) },
	{ PROP(on_read_error, "on-read-error", "what a failed read does", BP_ENUM),
		.names = on_error_words },
	{ PROP(on_write_error, "on-write-error", "what a failed write or flush does", BP_ENUM),
		.names = on_error_words, .def = PAUSE_IF_FULL },
	{ PROP(block_size, "block-size", "bytes of a block: 512 or 4096", BP_U32),
		.def = BLK_SECTOR },
	{ PROP(options, "options", "the format's own: key=value,...", BP_STR) },
	{ PROP(filter, "filter", "a filter between format and file: NAME,key=value,...", BP_STR) },
	{ PROP(backing_format, "backing-format", "where the image does not say it", BP_STR) },
	{ PROP(shared, "share", "take no locks against others who open it", BP_BOOL) },
	{ 0 },
};

static const struct bp_object drive_type = {
	.size = sizeof(drive_type),
	.instance_size = sizeof(struct drive),
	.threads = BP_PARALLEL,
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.create = create,
	.destroy = destroy,
	.interface = interface,
};

const struct bp_type host_types[] = {
	{ .id = "drive",
		.summary = "a disk image for a disk device",
		.kind = BP_KIND_SERVICE,
		.object = &drive_type },
	{ 0 },
};

int drive_resize(struct object *o, uint64_t bytes, struct error_list *errors)
{
	struct drive *d = o->instance;
	bp_error err = { errors, o };
	if (o->type->object != &drive_type)
		return object_fail(&err, "it is of type %s, no drive", o->type->id);
	if (d->owner && !domain_enter(d->owner->domain))
		return object_fail(&err, "its device %s is busy; try again", d->owner->name);
	int r = grow(d, bytes, &err);
	if (d->owner)
		domain_leave(d->owner->domain);
	return r;
}
