/* SPDX-License-Identifier: MIT */
/* The plugin: what the layer calls. image.h says how all of it works together. */
#include "image.h"

static int repair_dirty(struct image *i, bp_error *err)
{
	struct bp_blk_check check = { .size = sizeof(check), .repair = BP_BLK_REPAIR_ALL };
	i->host->log(NULL, BP_LOG_WARN, "%s: it was not closed; its refcounts are being repaired",
		i->how->name);
	if (check_image(i, &check, err) != 0)
		return -1;
	return check.errors == check.errors_fixed && !check.failures
		? 0
		: i->host->fail(err,
			  "its refcounts could not be repaired; `backplane img check` "
			  "says what is wrong");
}

static int open_others(struct image *i, bp_error *err)
{
	const char *data = i->data_file ? i->data_file : i->data_name;
	i->data = i->file;
	if (i->how->flags & BP_BLK_OPEN_NO_BACKING)
		return 0;
	if (i->external) {
		if (!data)
			return i->host->fail(err,
				"it has an external data file, but does not name it; "
				"say it with the option data-file");
		i->data = i->how->data(i->how, data, err);
		if (!i->data)
			return -1;
	}
	if (!i->backing_name)
		return 0;
	i->backing = i->how->backing(i->how, i->backing_name, i->backing_format, err);
	return i->backing ? 0 : -1;
}

/* Show a snapshot instead of the disk as it is now. */
static int open_snapshot(struct image *i, bp_error *err)
{
	for (unsigned n = 0; n < i->snapshots->len; n++) {
		const struct snapshot *s = g_ptr_array_index(i->snapshots, n);
		uint64_t covers = (uint64_t)i->table_entries << i->h.cluster_bits;
		if (strcmp(s->id, i->snapshot) != 0 && strcmp(s->name, i->snapshot) != 0)
			continue;
		uint64_t *l1 = snapshot_l1(i, n, err);
		if (!l1)
			return -1;
		g_free(i->l1);
		i->l1 = l1;
		i->h.l1_size = s->l1_size;
		i->h.l1_offset = s->l1_offset;
		i->h.size = s->disk_bytes;
		if (s->disk_bytes > INT64_MAX || (s->disk_bytes + covers - 1) / covers > s->l1_size)
			return i->host->fail(
				err, "snapshot \"%s\" has too small an L1 table", i->snapshot);
		return 0;
	}
	return i->host->fail(err, "there is no snapshot \"%s\"", i->snapshot);
}

static int open_image(void *self, const struct bp_blk_open *how, bp_error *err)
{
	struct image *i = self;
	i->how = how;
	i->layer = how->layer;
	i->file = how->file;
	i->writable = how->flags & BP_BLK_OPEN_WRITE;
	image_init(i);
	bool key = !(how->flags & (BP_BLK_OPEN_INFO | BP_BLK_OPEN_CHECK | BP_BLK_OPEN_NO_BACKING));
	if (header_read(i, err) != 0 || snapshots_read(i, err) != 0 ||
		(i->h.crypt && luks_open(i, key, err) != 0) || open_others(i, err) != 0)
		return -1;
	if (i->snapshot && i->writable)
		return i->host->fail(err, "snapshot: it can only be read");
	if (i->snapshot)
		return open_snapshot(i, err);
	if (i->writable && i->h.incompatible & INCOMPATIBLE_CORRUPT &&
		!(how->flags & BP_BLK_OPEN_CHECK))
		return i->host->fail(err,
			"it is marked as corrupt and is not written to; "
			"`backplane img check -r all` repairs what it can");
	if (i->lazy_refcounts && i->h.version >= 3)
		i->h.compatible |= COMPATIBLE_LAZY;
	if (i->writable && i->h.incompatible & INCOMPATIBLE_DIRTY &&
		!(how->flags & (BP_BLK_OPEN_CHECK | BP_BLK_OPEN_NO_BACKING)))
		return repair_dirty(i, err);
	return 0;
}

static int close_image(void *self, bp_error *err)
{
	struct image *i = self;
	int r = 0;
	if (i->writable && !i->bad) {
		pthread_mutex_lock(&i->lock);
		/* What needs a repair keeps saying so. */
		bool keep = i->how->flags & (BP_BLK_OPEN_CHECK | BP_BLK_OPEN_NO_BACKING);
		r = keep ? commit(i, true) : commit_clean(i);
		pthread_mutex_unlock(&i->lock);
	}
	return r ? i->host->fail(err, "its tables could not be written: %s", g_strerror(-r)) : 0;
}

static uint64_t bytes(void *self)
{
	struct image *i = self;
	return __atomic_load_n(&i->h.size, __ATOMIC_RELAXED);
}

static void facts(void *self, struct bp_blk_facts *out, bp_blk_fact *fact, void *context)
{
	struct image *i = self;
	struct bp_blk_facts all = { .size = out->size,
		.cluster_size = i->cluster_size,
		.encrypted = i->h.crypt != 0,
		.dirty = i->h.incompatible & INCOMPATIBLE_DIRTY ? 1 : 0,
		.corrupt = i->bad || i->h.incompatible & INCOMPATIBLE_CORRUPT,
		.backing = i->backing_name,
		.backing_format = i->backing_format,
		.data_file = i->external ? i->data_name : NULL };
	memcpy(out, &all, MIN(out->size, sizeof(all)));
	fact(context, "compat", 0, 0, i->h.version == 2 ? "0.10" : "1.1");
	if (i->crypt_words) {
		fact(context, "encrypt.format", 0, 0, "luks");
		fact(context, "encrypt.cipher", 0, 0, i->crypt_words);
	}
	fact(context, "compression-type", 0, 0, i->h.compression ? "zstd" : "zlib");
	if (i->h.version < 3) {
		fact(context, "refcount-bits", 0, i->refcount_bits, NULL);
		return;
	}
	fact(context, "lazy-refcounts", 1, i->h.compatible & COMPATIBLE_LAZY ? 1 : 0, NULL);
	if (i->external) {
		fact(context, "data-file", 0, 0, i->data_name ? i->data_name : "");
		fact(context, "data-file-raw", 1, i->h.autoclear & AUTOCLEAR_DATA_RAW ? 1 : 0,
			NULL);
	}
	if (i->bitmaps)
		fact(context, "bitmaps", 0, i->bitmaps, NULL);
	fact(context, "refcount-bits", 0, i->refcount_bits, NULL);
	fact(context, "corrupt", 1, all.corrupt, NULL);
	fact(context, "extended-l2", 1, i->extended, NULL);
}

static int read_bytes(
	void *self, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov, uint32_t count)
{
	return io_read(self, offset, len, iov, count);
}

static int write_bytes(void *self, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
	uint32_t count, unsigned flags)
{
	return flags & BP_BLK_COMPRESSED ? io_write_packed(self, offset, len, iov, count)
					 : io_write(self, offset, len, iov, count);
}

static int flush(void *self)
{
	return io_flush(self);
}

static int discard(void *self, uint64_t offset, uint64_t len)
{
	return io_discard(self, offset, len);
}

static int write_zeroes(void *self, uint64_t offset, uint64_t len, unsigned flags)
{
	return io_write_zeroes(self, offset, len, flags);
}

static int map(void *self, uint64_t offset, uint64_t len, struct bp_blk_extent *out)
{
	struct image *i = self;
	struct run run;
	pthread_mutex_lock(&i->lock);
	int r = map_lookup(i, offset, len, &run);
	pthread_mutex_unlock(&i->lock);
	if (r)
		return r;
	*out = (struct bp_blk_extent){ .size = sizeof(*out), .len = run.len };
	switch (run.kind) {
	case UNALLOCATED: out->flags = i->backing_name ? 0 : BP_BLK_ZERO; break;
	case ZERO: out->flags = BP_BLK_ZERO | BP_BLK_ALLOCATED; break;
	case COMPRESSED: out->flags = BP_BLK_DATA | BP_BLK_ALLOCATED | BP_BLK_IN_PIECES; break;
	case NORMAL: out->flags = BP_BLK_DATA | BP_BLK_ALLOCATED | BP_BLK_OFFSET; break;
	}
	if (run.kind == ZERO && run.allocated)
		out->flags |= BP_BLK_OFFSET;
	if (i->h.crypt) /* there, but not as it is */
		out->flags &= ~(unsigned)BP_BLK_OFFSET;
	if (out->flags & BP_BLK_OFFSET)
		out->host_offset = run.host;
	return 0;
}

static int resize(void *self, uint64_t size, int prealloc, bp_error *err)
{
	return resize_image(self, size, prealloc, err);
}

static int check(void *self, struct bp_blk_check *c, bp_error *err)
{
	return check_image(self, c, err);
}

static int snapshot(void *self, unsigned n, struct bp_blk_snapshot *out)
{
	struct image *i = self;
	if (n >= i->snapshots->len)
		return -1;
	const struct snapshot *s = g_ptr_array_index(i->snapshots, n);
	struct bp_blk_snapshot all = { .size = out->size,
		.id = s->id,
		.name = s->name,
		.state_bytes = s->state_bytes,
		.date_s = s->date_s,
		.clock_ns = s->clock_ns,
		.disk_bytes = s->disk_bytes,
		.icount = s->icount,
		.date_ns = s->date_ns };
	memcpy(out, &all, MIN(out->size, sizeof(all)));
	return 0;
}

static int take_snapshot(void *self, const char *name, uint64_t date_ns, bp_error *err)
{
	return snapshot_create(self, name, date_ns, err);
}

static int apply_snapshot(void *self, const char *name, bp_error *err)
{
	return snapshot_apply(self, name, err);
}

static int delete_snapshot(void *self, const char *name, bp_error *err)
{
	return snapshot_delete(self, name, err);
}

static int set_backing(void *self, const char *name, const char *format, bp_error *err)
{
	struct image *i = self;
	if (name && strlen(name) > NAME_MAX_BYTES)
		return i->host->fail(
			err, "a backing file's name of more than %d bytes", NAME_MAX_BYTES);
	if (name && i->h.autoclear & AUTOCLEAR_DATA_RAW)
		return i->host->fail(
			err, "its data file is read alone, so it can have no backing file");
	pthread_mutex_lock(&i->lock);
	int r = commit(i, true);
	g_free(i->backing_name);
	g_free(i->backing_format);
	i->backing_name = g_strdup(name);
	i->backing_format = g_strdup(format);
	r = r ? r : header_write(i);
	r = r ? r : image_sync(i);
	pthread_mutex_unlock(&i->lock);
	return r ? i->host->fail(err, "its header: %s", g_strerror(-r)) : 0;
}

static int amend(void *self, const void *options, const uint8_t *given, bp_error *err)
{
	return amend_image(self, options, given, err);
}

static int make_empty(void *self, bp_error *err)
{
	struct image *i = self;
	int r = io_unmap(i, 0, round_up(i->h.size, i->cluster_size) >> i->h.cluster_bits);
	r = r ? r : io_flush(i);
	return r ? i->host->fail(err, "it could not be emptied: %s", g_strerror(-r)) : 0;
}

static const struct bp_blk_format format = {
	.size = sizeof(format),
	.flags = BP_BLK_FORMAT_BACKING | BP_BLK_FORMAT_COMPRESSES,
	.create_options = create_options,
	.create_size = sizeof(struct create_options),
	.create = create_image,
	.measure = measure_image,
	.open = open_image,
	.close = close_image,
	.bytes = bytes,
	.facts = facts,
	.read = read_bytes,
	.write = write_bytes,
	.flush = flush,
	.discard = discard,
	.write_zeroes = write_zeroes,
	.map = map,
	.resize = resize,
	.check = check,
	.snapshot = snapshot,
	.snapshot_create = take_snapshot,
	.snapshot_apply = apply_snapshot,
	.snapshot_delete = delete_snapshot,
	.set_backing = set_backing,
	.amend = amend,
	.make_empty = make_empty,
};

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct image *i = self;
	(void)err;
	i->host = host;
	return 0;
}

static void destroy(void *self)
{
	image_finish(self);
}

static const struct bp_field props[] = {
	{ "cache-size", "most bytes of tables in memory",
		(uint32_t)offsetof(struct image, cache_size), BP_SIZE, .flags = BP_F_RANGE,
		.def = 32 << 20, .min = 4 << 10, .max = 1 << 30 },
	{ "data-file", "the external data file, if not the one that the image names",
		(uint32_t)offsetof(struct image, data_file), BP_STR },
	{ "snapshot", "show this internal snapshot, by its id or name",
		(uint32_t)offsetof(struct image, snapshot), BP_STR },
	{ "encrypt.key-secret", "the secret of an encrypted image: file:NAME or data:TEXT",
		(uint32_t)offsetof(struct image, key_secret), BP_STR },
	{ "encrypt.iterations-max", "refuse images whose key takes longer",
		(uint32_t)offsetof(struct image, crypt_iterations), BP_U32,
		.def = CRYPT_ITERATIONS_MAX },
	{ "lazy-refcounts", "write refcounts at the end, repair after a crash",
		(uint32_t)offsetof(struct image, lazy_refcounts), BP_BOOL },
	{ 0 },
};

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct image),
	.threads = BP_PARALLEL,
	.props = props,
	.create = create,
	.destroy = destroy,
};

static const struct bp_type types[] = {
	{ "fmt-qcow2", "disk images that grow, with snapshots and backing files", BP_KIND_FORMAT, 0,
		&object, &format },
	{ 0 },
};

BP_PLUGIN(fmt_qcow2) = {
	BP_PLUGIN_HEAD,
	.name = "fmt-qcow2",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
