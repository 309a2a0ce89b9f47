/* SPDX-License-Identifier: MIT */
/* Commands that go through all bytes of images: several threads take chunks in turn. */
#include "img.h"
#include <inttypes.h>
#include <stdatomic.h>
#include <string.h>

enum { SPARSE = 4096, SOURCES_MAX = 64, COMPARE_DIFFER = 1, COMPARE_FAILED = 2 };

struct copy {
	struct img *m;
	bp_blk_node *source[SOURCES_MAX], *target;
	uint64_t start[SOURCES_MAX + 1]; /* where each begins in the target */
	unsigned sources;
	uint64_t skip, bytes, chunk, sparse, cluster;
	bool target_zero, compress, top_only;
	bool direct; /* the target is written past the host's cache */
	/* compare and rebase: the other image; rebase writes to target what differs */
	bp_blk_node *other;
	_Atomic(uint64_t) next, done, differ;
	_Atomic(int) error;
	bp_blk_node *_Atomic failed;
	int (*each)(struct copy *c, uint64_t at, uint64_t len, char *memory);
	GMutex shown, writing;
};

static int fail_at(struct copy *c, bp_blk_node *n, int r)
{
	int none = 0;
	if (r && atomic_compare_exchange_strong(&c->error, &none, r))
		atomic_store(&c->failed, n);
	return r;
}

static void work(void *arg)
{
	struct copy *c = arg;
	char *memory = blk_memory(2 * c->chunk);
	uint64_t at;
	if (!memory)
		fail_at(c, c->target, -ENOMEM);
	while (!atomic_load(&c->error) && (at = atomic_fetch_add(&c->next, c->chunk)) < c->bytes) {
		uint64_t len = MIN(c->chunk, c->bytes - at);
		if (c->each(c, at, len, memory) != 0)
			break;
		uint64_t done = atomic_fetch_add(&c->done, len) + len;
		if (c->m->progress && g_mutex_trylock(&c->shown)) {
			if (done < c->bytes)
				img_show_progress(c->m, done, c->bytes);
			g_mutex_unlock(&c->shown);
		}
	}
	blk_memory_free(memory, 2 * c->chunk);
}

/* 0, or IMG_FAILED after an error. */
static int run(struct copy *c, unsigned threads)
{
	g_mutex_init(&c->shown);
	g_mutex_init(&c->writing);
	uint64_t chunks = (c->bytes + c->chunk - 1) / c->chunk;
	img_threads((unsigned)CLAMP(chunks, 1, threads), work, c);
	g_mutex_clear(&c->shown);
	g_mutex_clear(&c->writing);
	int r = atomic_load(&c->error);
	if (r)
		return img_fail(c->m, "%s: %s", atomic_load(&c->failed)->name, g_strerror(-r));
	img_show_progress(c->m, 1, 1);
	return IMG_GOOD;
}

/* ---- writing what is not zero ---- */

static int put_zeros(struct copy *c, uint64_t at, uint64_t len)
{
	if (c->target_zero || !len)
		return 0;
	return fail_at(c, c->target, blk_write_zeroes(c->target, at, len, BP_BLK_UNMAP));
}

/* Into the host's cache one at a time: its lock of the file is one that waits by spinning. */
static int put_data(struct copy *c, uint64_t at, const char *p, uint64_t len)
{
	if (!len)
		return 0;
	if (!c->direct)
		g_mutex_lock(&c->writing);
	int r = blk_pwrite(c->target, at, p, len);
	if (!c->direct)
		g_mutex_unlock(&c->writing);
	return fail_at(c, c->target, r);
}

/* Runs of zeros of at least `sparse` bytes become no data. */
static int put(struct copy *c, uint64_t at, const char *p, uint64_t len)
{
	uint64_t from = 0, n = 0;
	int r = 0;
	if (!c->sparse)
		return put_data(c, at, p, len);
	while (n < len && !r) {
		uint64_t step = MIN(c->sparse - (at + n) % c->sparse, len - n), zeros = 0;
		while (step && blk_is_zero(p + n + zeros, step)) {
			zeros += step;
			step = MIN(c->sparse, len - n - zeros);
		}
		if (!zeros) {
			n += step;
			continue;
		}
		r = put_data(c, at + from, p + from, n - from);
		r = r ? r : put_zeros(c, at + n, zeros);
		n += zeros;
		from = n;
	}
	return r ? r : put_data(c, at + from, p + from, n - from);
}

static unsigned source_at(const struct copy *c, uint64_t at)
{
	unsigned s = 0;
	while (s + 1 < c->sources && at >= c->start[s + 1])
		s++;
	return s;
}

static int read_all(struct copy *c, uint64_t at, uint64_t len, char *memory)
{
	int r = 0;
	for (uint64_t n = 0; n < len && !r;) {
		unsigned s = source_at(c, at + n);
		uint64_t step = MIN(len - n, c->start[s + 1] - at - n);
		r = blk_pread(c->source[s], c->skip + at + n - c->start[s], memory + n, step);
		fail_at(c, c->source[s], r);
		n += step;
	}
	return r;
}

static int copy_packed(struct copy *c, uint64_t at, uint64_t len, char *memory)
{
	int r = read_all(c, at, len, memory);
	for (uint64_t n = 0; n < len && !r; n += c->cluster) {
		struct bp_blk_iov iov = { memory + n, MIN(c->cluster, len - n) };
		if (!blk_is_zero(iov.base, iov.len))
			r = fail_at(c, c->target,
				blk_write(c->target, at + n, iov.len, &iov, 1, BP_BLK_COMPRESSED));
		else
			r = put_zeros(c, at + n, iov.len);
	}
	return r;
}

static int copy_chunk(struct copy *c, uint64_t at, uint64_t len, char *memory)
{
	int r = 0;
	for (uint64_t n = 0; n < len && !r;) {
		unsigned s = source_at(c, at + n), depth;
		uint64_t step = MIN(len - n, c->start[s + 1] - at - n);
		uint64_t from = c->skip + at + n - c->start[s];
		struct bp_blk_extent e;
		bp_blk_node *where;
		r = img_chain_map(c->source[s], from, step, &e, &depth, &where);
		step = e.len;
		if (r)
			fail_at(c, c->source[s], r);
		else if (depth && c->top_only)
			; /* the target's backing image has it */
		else if (e.flags & BP_BLK_ZERO)
			r = put_zeros(c, at + n, step);
		else if (!(r = fail_at(
				   c, c->source[s], blk_pread(c->source[s], from, memory, step))))
			r = put(c, at + n, memory, step);
		n += step;
	}
	return r;
}

/* ---- convert ---- */

/* The target's options: table, -o, and the backing image of -B. */
static int options(struct img *m, const char *format, struct blk_options *o)
{
	const struct type *type;
	const struct bp_blk_format *f = blk_format(format, &type, &m->errors);
	const char *backing = m->option['B'] ? m->option['B'] : m->option['b'];
	*o = (struct blk_options){ 0 };
	if (!f)
		return IMG_FAILED;
	blk_options_init(o, f, type);
	int r = blk_options_parse(o, m->create->str, &m->errors);
	if (!r && m->option['c'] && !(f->flags & BP_BLK_FORMAT_COMPRESSES))
		r = img_fail(m, "images of the format %s are not compressed", format);
	if (!r && backing)
		r = blk_options_set(o, "backing_file", backing, &m->errors);
	if (!r && m->option['F'])
		r = blk_options_set(o, "backing_fmt", m->option['F'], &m->errors);
	if (!r && blk_options_text(o, "backing_file") && !blk_options_text(o, "backing_fmt"))
		r = img_fail(m, "the backing image's format is not given; -F FORMAT says it");
	return r ? IMG_FAILED : IMG_GOOD;
}

static int open_sources(struct img *m, struct copy *c, const char *format, unsigned count)
{
	char *snapshot = m->option['l'] ? g_strdup_printf("snapshot=%s", m->option['l']) : NULL;
	for (; c->sources < count; c->sources++) {
		uint64_t bytes = 0;
		bp_blk_node *n = img_open(m, m->word[c->sources], format, 0, snapshot, 'T');
		if (!n)
			break;
		blk_bytes(n, &bytes);
		c->source[c->sources] = n;
		c->start[c->sources + 1] = c->start[c->sources] + bytes;
	}
	g_free(snapshot);
	c->bytes = c->start[c->sources];
	return c->sources == count ? IMG_GOOD : IMG_FAILED;
}

static int close_all(struct img *m, struct copy *c)
{
	int r = c->target ? img_close(m, c->target) : IMG_GOOD;
	for (unsigned n = 0; n < c->sources; n++)
		r |= img_close(m, c->source[n]);
	return r;
}

static bool reads_zero(bp_blk_node *target)
{
	bp_blk_node *file = blk_file_of(target);
	return file && file->flags & BP_BLK_FILE_GROWS && !blk_backing(target);
}

static int open_target(struct img *m, struct copy *c, const char *format, struct blk_options *o)
{
	const char *file = m->word[m->count - 1];
	uint64_t bytes = (c->bytes + BLK_SECTOR - 1) / BLK_SECTOR * BLK_SECTOR, have;
	if (!m->option['n'] && blk_create(machine_host(), file, format, bytes, o, &m->errors) != 0)
		return IMG_FAILED;
	c->target = img_open(m, file, format, BP_BLK_OPEN_WRITE, NULL, 't');
	if (!c->target)
		return IMG_FAILED;
	c->direct = m->option['t'] && blk_cache_mode(m->option['t'])->direct;
	blk_bytes(c->target, &have);
	if (have < c->bytes)
		return img_fail(m, "%s: it has %" PRIu64 " bytes, the source %" PRIu64, file, have,
			c->bytes);
	/* Full preallocation has written its zeros; blocks are not given back then. */
	c->target_zero = !m->option['n'] && reads_zero(c->target);
	c->top_only = !m->option['n'] && blk_backing(c->target);
	return IMG_GOOD;
}

static int convert(struct img *m, struct copy *c, const char *format, struct blk_options *o)
{
	/* One reads or packs while another writes. */
	uint64_t threads = CLAMP(g_get_num_processors(), 2, IMG_THREADS);
	int r = options(m, format, o);
	c->sparse = SPARSE;
	if (!r && m->option['S'] && !img_size(m, m->option['S'], &c->sparse))
		r = IMG_FAILED;
	if (!r && m->option['m'] &&
		(!img_size(m, m->option['m'], &threads) || !threads || threads > 64))
		r = img_fail(m, "-m: 1 to 64 threads are possible");
	r = r ? r : open_target(m, c, format, o);
	if (r)
		return r;
	c->compress = m->option['c'];
	c->each = c->compress ? copy_packed : copy_chunk;
	c->cluster = c->compress ? MAX(blk_options_number(o, "cluster_size"), 1) : 0;
	if (m->option['n'] && c->compress)
		return img_fail(m, "-c makes a new image; -n does not");
	if (c->sparse % BLK_SECTOR)
		return img_fail(m, "-S: a multiple of 512 is expected");
	return run(c, (unsigned)threads);
}

int img_convert(struct img *m)
{
	const char *from = img_format(m, 'f', m->word[0]);
	const char *to = img_format(m, 'O', m->word[m->count - 1]);
	struct blk_options o = { 0 };
	if (!from || !to)
		return IMG_FAILED;
	struct copy *c = g_new0(struct copy, 1);
	c->m = m;
	c->chunk = IMG_CHUNK;
	int r = open_sources(m, c, from, (unsigned)m->count - 1);
	r = r ? r : convert(m, c, to, &o);
	r |= close_all(m, c);
	blk_options_finish(&o);
	g_free(c);
	return r ? IMG_FAILED : IMG_GOOD;
}

/* ---- dd ---- */

struct dd {
	const char *in, *out;
	uint64_t block, count, skip;
};

static int parse_dd(struct img *m, struct dd *d)
{
	const struct {
		const char *name;
		const char **text;
		uint64_t *number;
	} words[] = { { "if=", &d->in, NULL }, { "of=", &d->out, NULL }, { "bs=", NULL, &d->block },
		{ "count=", NULL, &d->count }, { "skip=", NULL, &d->skip } };
	for (int n = 0; n < m->count; n++) {
		unsigned k = 0;
		while (k < G_N_ELEMENTS(words) && !g_str_has_prefix(m->word[n], words[k].name))
			k++;
		if (k == G_N_ELEMENTS(words))
			return img_fail(
				m, "dd: \"%s\" is none of if= of= bs= count= skip=", m->word[n]);
		const char *value = m->word[n] + strlen(words[k].name);
		if (words[k].text)
			*words[k].text = value;
		else if (!img_size(m, value, words[k].number))
			return IMG_FAILED;
	}
	if (!d->in || !d->out || !d->block)
		return img_fail(m, "dd: if=, of= and a bs= above 0 are needed");
	return IMG_GOOD;
}

int img_dd(struct img *m)
{
	struct dd d = { .block = 512, .count = UINT64_MAX };
	struct blk_options o = { 0 };
	char *words[2];
	if (parse_dd(m, &d))
		return IMG_FAILED;
	const char *from = img_format(m, 'f', d.in), *to = from ? img_format(m, 'O', d.out) : NULL;
	if (!from || !to)
		return IMG_FAILED;
	words[0] = (char *)(uintptr_t)d.in;
	words[1] = (char *)(uintptr_t)d.out;
	m->word = words;
	m->count = 2;
	struct copy *c = g_new0(struct copy, 1);
	c->m = m;
	c->chunk = IMG_CHUNK;
	int r = open_sources(m, c, from, 1);
	if (!r) {
		uint64_t skip = d.skip > c->bytes / d.block ? c->bytes : d.skip * d.block;
		uint64_t left = c->bytes - skip;
		c->skip = skip;
		c->bytes = d.count > left / d.block ? left : d.count * d.block;
		c->start[1] = c->bytes;
		r = convert(m, c, to, &o);
	}
	r |= close_all(m, c);
	blk_options_finish(&o);
	g_free(c);
	return r ? IMG_FAILED : IMG_GOOD;
}

/* ---- compare ---- */

static uint64_t first_difference(const char *a, const char *b, uint64_t len)
{
	uint64_t n = 0;
	while (n < len && a[n] == b[n])
		n++;
	return n;
}

static int compare_chunk(struct copy *c, uint64_t at, uint64_t len, char *memory)
{
	for (uint64_t n = 0; n < len;) {
		struct bp_blk_extent a, b;
		unsigned depth;
		bp_blk_node *where;
		char *other = memory + c->chunk;
		int r = img_chain_map(c->source[0], at + n, len - n, &a, &depth, &where);
		if (fail_at(c, c->source[0], r))
			return r;
		r = img_chain_map(c->other, at + n, len - n, &b, &depth, &where);
		if (fail_at(c, c->other, r))
			return r;
		uint64_t step = MIN(a.len, b.len), k;
		bool both = a.flags & b.flags & BP_BLK_ZERO;
		if (!both) {
			r = fail_at(c, c->source[0], blk_pread(c->source[0], at + n, memory, step));
			r = r ? r : fail_at(c, c->other, blk_pread(c->other, at + n, other, step));
			if (r)
				return r;
		}
		if (!both && memcmp(memory, other, step) != 0) {
			k = at + n + first_difference(memory, other, step);
			uint64_t best = atomic_load(&c->differ);
			while (k < best && !atomic_compare_exchange_weak(&c->differ, &best, k))
				;
			atomic_store(&c->next, c->bytes); /* what lies in front is under way */
			return 0;
		}
		n += step;
	}
	return 0;
}

static int compare(struct img *m, struct copy *c, uint64_t a, uint64_t b)
{
	c->bytes = MAX(a, b);
	c->each = compare_chunk;
	atomic_store(&c->differ, UINT64_MAX);
	if (a != b && m->option['s']) {
		if (!m->quiet)
			printf("Strict mode: Image size mismatch!\n");
		return COMPARE_DIFFER;
	}
	if (a != b && !m->quiet)
		printf("Warning: Image size mismatch!\n");
	if (run(c, IMG_THREADS))
		return COMPARE_FAILED;
	uint64_t where = atomic_load(&c->differ);
	if (!m->quiet && where != UINT64_MAX)
		printf("Content mismatch at offset %" PRIu64 "!\n", where);
	else if (!m->quiet)
		printf("Images are identical.\n");
	return where == UINT64_MAX ? IMG_GOOD : COMPARE_DIFFER;
}

int img_compare(struct img *m)
{
	const char *fa = img_format(m, 'f', m->word[0]), *fb = img_format(m, 'F', m->word[1]);
	uint64_t a = 0, b = 0;
	if (!fa || !fb)
		return COMPARE_FAILED;
	struct copy *c = g_new0(struct copy, 1);
	c->m = m;
	c->chunk = IMG_CHUNK;
	c->source[0] = img_open(m, m->word[0], fa, 0, NULL, 'T');
	c->sources = c->source[0] != NULL;
	c->other = c->source[0] ? img_open(m, m->word[1], fb, 0, NULL, 'T') : NULL;
	int r = COMPARE_FAILED;
	if (c->other && blk_bytes(c->source[0], &a) == 0 && blk_bytes(c->other, &b) == 0)
		r = compare(m, c, a, b);
	int closed = close_all(m, c);
	if (c->other)
		closed |= img_close(m, c->other);
	g_free(c);
	return closed ? COMPARE_FAILED : r;
}

/* ---- commit ---- */

static void no_fact(void *context, const char *key, int is_truth, uint64_t number, const char *text)
{
	(void)context;
	(void)key;
	(void)is_truth;
	(void)number;
	(void)text;
}

/* What the image says is behind it. The strings are freed with g_free. */
static int behind(
	struct img *m, const char *file, const char *format, char **path, char **its_format)
{
	struct bp_blk_facts facts = { .size = sizeof(facts) };
	void *self;
	bp_blk_node *n =
		img_open(m, file, format, BP_BLK_OPEN_NO_BACKING | BP_BLK_OPEN_INFO, NULL, 0);
	const struct bp_blk_format *f = n ? blk_format_of(n, &self) : NULL;
	if (!n)
		return IMG_FAILED;
	if (f && BP_HAS(f, facts))
		f->facts(self, &facts, no_fact, NULL);
	const char *given = m->option[IMG_BACKING_FORMAT];
	*path = facts.backing ? blk_relative(file, facts.backing) : NULL;
	*its_format = g_strdup(given ? given : facts.backing_format);
	int r = img_close(m, n);
	if (!*path)
		return img_fail(m, "%s: it has no backing image", file);
	if (!*its_format)
		return img_fail(m,
			"%s: it does not say the format of \"%s\"; --backing-format does", file,
			*path);
	return r;
}

static int make_empty(struct img *m, const char *file, const char *format)
{
	void *self;
	bp_blk_node *n = img_open(m, file, format, BP_BLK_OPEN_WRITE, NULL, 't');
	const struct bp_blk_format *f = n ? blk_format_of(n, &self) : NULL;
	if (!n)
		return IMG_FAILED;
	bp_error err = blk_error(n, &m->errors);
	int r = BP_HAS(f, make_empty) ? f->make_empty(self, &err) : 0;
	return img_close(m, n) || r ? IMG_FAILED : IMG_GOOD;
}

/* The overlay alone: what it does not have, the target has. */
static int commit_chunk(struct copy *c, uint64_t at, uint64_t len, char *memory)
{
	int r = 0;
	for (uint64_t n = 0; n < len && !r;) {
		struct bp_blk_extent e;
		r = fail_at(c, c->source[0], blk_map(c->source[0], at + n, len - n, &e));
		if (r)
			break;
		if (e.flags & BP_BLK_ZERO)
			r = put_zeros(c, at + n, e.len);
		else if (e.flags & BP_BLK_DATA &&
			!(r = fail_at(
				  c, c->source[0], blk_pread(c->source[0], at + n, memory, e.len))))
			r = put_data(c, at + n, memory, e.len);
		n += e.len;
	}
	return r;
}

static int commit(struct img *m, struct copy *c, const char *file, const char *format,
	const char *path, const char *its_format)
{
	uint64_t have = 0;
	c->source[0] = img_open(m, file, format, BP_BLK_OPEN_NO_BACKING, NULL, 0);
	c->sources = c->source[0] != NULL;
	c->target = c->sources ? img_open(m, path, its_format, BP_BLK_OPEN_WRITE, NULL, 't') : NULL;
	if (!c->target)
		return IMG_FAILED;
	blk_bytes(c->source[0], &c->bytes);
	blk_bytes(c->target, &have);
	if (have < c->bytes && blk_resize(c->target, c->bytes, BP_BLK_PREALLOC_OFF) != 0)
		return img_fail(
			m, "%s: it has only %" PRIu64 " bytes and does not grow", path, have);
	c->each = commit_chunk;
	int r = run(c, IMG_THREADS);
	if (!r && blk_flush(c->target) != 0)
		r = img_fail(m, "%s: it could not be synced", path);
	return r;
}

int img_commit(struct img *m)
{
	const char *file = m->word[0], *format = img_format(m, 'f', file);
	char *path = NULL, *its_format = NULL;
	if (!format)
		return IMG_FAILED;
	struct copy *c = g_new0(struct copy, 1);
	c->m = m;
	c->chunk = IMG_CHUNK;
	int r = behind(m, file, format, &path, &its_format);
	r = r ? r : commit(m, c, file, format, path, its_format);
	r |= close_all(m, c);
	if (!r && !m->option['d'])
		r = make_empty(m, file, format);
	if (!r && !m->quiet)
		printf("%s: committed to %s\n", file, path);
	g_free(path);
	g_free(its_format);
	g_free(c);
	return r ? IMG_FAILED : IMG_GOOD;
}

/* ---- rebase ---- */

/* Where the image has nothing, what was behind it and what will be must be the same: else it is
 * written into the image. */
static int rebase_chunk(struct copy *c, uint64_t at, uint64_t len, char *memory)
{
	enum { PIECE = 65536 };
	char *other = memory + c->chunk;
	int r = 0;
	for (uint64_t n = 0; n < len && !r;) {
		struct bp_blk_extent e;
		r = fail_at(c, c->target, blk_map(c->target, at + n, len - n, &e));
		if (r)
			break;
		uint64_t step = e.len;
		if (!(e.flags & BP_BLK_ALLOCATED)) {
			step = MIN(step, PIECE - (at + n) % PIECE);
			memset(other, 0, step);
			r = fail_at(c, c->target, blk_pread(c->target, at + n, memory, step));
			if (!r && c->other)
				r = fail_at(c, c->other, blk_pread(c->other, at + n, other, step));
			if (!r && memcmp(memory, other, step) != 0)
				r = put_data(c, at + n, memory, step);
		}
		n += step;
	}
	return r;
}

static int rebase_safe(struct img *m, struct copy *c, const char *file, const char *backing)
{
	if (*backing) {
		char *path = blk_relative(file, backing);
		c->other = img_open(m, path, m->option['F'], 0, NULL, 'T');
		g_free(path);
		if (!c->other)
			return IMG_FAILED;
	}
	blk_bytes(c->target, &c->bytes);
	c->each = rebase_chunk;
	int r = run(c, IMG_THREADS);
	if (!r && blk_flush(c->target) != 0)
		r = img_fail(m, "%s: it could not be synced", file);
	if (c->other)
		r |= img_close(m, c->other);
	return r;
}

int img_rebase(struct img *m)
{
	const char *file = m->word[0], *format = img_format(m, 'f', file);
	const char *backing = m->option['b'];
	void *self;
	if (!format)
		return IMG_FAILED;
	if (!backing)
		return img_fail(m, "rebase: -b FILE names the new backing image; -b \"\" is none");
	if (*backing && !m->option['F'])
		return img_fail(m, "rebase: -F FORMAT says the new backing image's format");
	struct copy *c = g_new0(struct copy, 1);
	c->m = m;
	c->chunk = IMG_CHUNK;
	c->target = img_open(m, file, format,
		BP_BLK_OPEN_WRITE | (m->option['u'] ? BP_BLK_OPEN_NO_BACKING : 0), NULL, 't');
	const struct bp_blk_format *f = c->target ? blk_format_of(c->target, &self) : NULL;
	int r = c->target ? IMG_GOOD : IMG_FAILED;
	if (!r && !BP_HAS(f, set_backing))
		r = img_fail(m, "%s: images of the format %s have no backing images", file, format);
	if (!r && !m->option['u'])
		r = rebase_safe(m, c, file, backing);
	if (!r) {
		bp_error err = blk_error(c->target, &m->errors);
		r = f->set_backing(
			self, *backing ? backing : NULL, *backing ? m->option['F'] : NULL, &err);
	}
	r |= close_all(m, c);
	g_free(c);
	return r ? IMG_FAILED : IMG_GOOD;
}
