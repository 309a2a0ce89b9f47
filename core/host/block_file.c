/* SPDX-License-Identifier: MIT */
/* A host file or block device as a node.
 *
 * Locks. Open file description locks on single bytes far in front, all of them shared ones: byte
 * USES + n says "I do n", byte EXCLUDES + n "nobody else may do n", n being 0 read, 1 write, 3 change
 * the size. Who opens takes its own first and then looks at the others', so that of two that come
 * together at least one gives up. The bytes are those that other emulators use for the same. */
#include "block.h"
#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <limits.h>
#include <linux/falloc.h>
#include <linux/fs.h>
#include <stdatomic.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum {
	USES = 100,
	EXCLUDES = 200,
	READ = 1,
	WRITE = 2,
	RESIZE = 8,
	LOCK_BITS = 4,
	DIRECT_ALIGN = 4096,
	BOUNCE = 1 << 20,
	PIECES = 64
};

struct file {
	bp_blk_node node;
	int fd;
	bool device, no_flush;
	uint32_t align; /* of offsets, lengths and memory; 1: none */
	_Atomic(bool) no_punch, no_zero_range;
	_Atomic(int) lost; /* an errno of a failed sync: what it was to keep is gone */
	/* direct: writes that change part of a block are alone. No rwlock: what the kernel's queue writes
	 * is begun by one thread and ended by another. */
	pthread_mutex_t edges;
	pthread_cond_t edges_free;
	unsigned writers, alone; /* under way; alone: wants to be, or is */
	_Atomic(uint64_t) device_bytes;
};

static struct file *file_of(bp_blk_node *n)
{
	return (struct file *)(void *)n;
}

/* ---- whole requests with the system's calls, which may do less ---- */

static int transfer(
	const struct file *f, bool write, uint64_t offset, const struct iovec *all, uint32_t count)
{
	struct iovec part[PIECES];
	uint32_t at = 0;
	size_t skip = 0;
	while (at < count) {
		uint32_t n = MIN(count - at, PIECES);
		memcpy(part, all + at, n * sizeof(part[0]));
		part[0].iov_base = (char *)part[0].iov_base + skip;
		part[0].iov_len -= skip;
		ssize_t done = write ? pwritev(f->fd, part, (int)n, (off_t)offset)
				     : preadv(f->fd, part, (int)n, (off_t)offset);
		if (done < 0 && errno == EINTR)
			continue;
		if (done < 0)
			return -errno;
		offset += (uint64_t)done;
		bool ended = done == 0;
		while (at < count && (size_t)done >= all[at].iov_len - skip) {
			done -= (ssize_t)(all[at].iov_len - skip);
			skip = 0;
			at++;
		}
		skip += (size_t)done;
		if (!ended || at >= count)
			continue;
		if (write)
			return -ENOSPC;
		/* The end of the file: zeros follow. */
		for (; at < count; at++, skip = 0)
			memset((char *)all[at].iov_base + skip, 0, all[at].iov_len - skip);
	}
	return 0;
}

static int transfer_one(const struct file *f, bool write, uint64_t offset, void *memory, size_t len)
{
	struct iovec one = { memory, len };
	return transfer(f, write, offset, &one, 1);
}

/* ---- direct: through memory that is aligned ---- */

/* Whole blocks, several at once. wait: until nobody is alone; else false. */
static bool edges_share(struct file *f, bool wait)
{
	pthread_mutex_lock(&f->edges);
	while (wait && f->alone)
		pthread_cond_wait(&f->edges_free, &f->edges);
	bool got = !f->alone;
	f->writers += got;
	pthread_mutex_unlock(&f->edges);
	return got;
}

static void edges_leave(struct file *f)
{
	pthread_mutex_lock(&f->edges);
	f->writers--;
	pthread_cond_broadcast(&f->edges_free);
	pthread_mutex_unlock(&f->edges);
}

/* Until edges_open() the caller holds `edges`, and nothing else writes. */
static void edges_close(struct file *f)
{
	pthread_mutex_lock(&f->edges);
	f->alone++;
	while (f->writers)
		pthread_cond_wait(&f->edges_free, &f->edges);
}

static void edges_open(struct file *f)
{
	f->alone--;
	pthread_cond_broadcast(&f->edges_free);
	pthread_mutex_unlock(&f->edges);
}

static bool aligned(const struct file *f, uint64_t offset, uint64_t len,
	const struct bp_blk_iov *iov, uint32_t count)
{
	if (f->align == 1)
		return true;
	uint64_t mask = f->align - 1, bits = offset | len;
	for (uint32_t i = 0; i < count; i++)
		bits |= (uintptr_t)iov[i].base | iov[i].len;
	return !(bits & mask);
}

static void copy(const struct bp_blk_iov *iov, uint32_t count, uint64_t from, char *memory,
	size_t len, bool gather)
{
	for (uint32_t i = 0; i < count && len; i++) {
		if (from >= iov[i].len) {
			from -= iov[i].len;
			continue;
		}
		size_t n = MIN(iov[i].len - from, len);
		char *piece = (char *)iov[i].base + from;
		memcpy(gather ? memory : piece, gather ? piece : memory, n);
		memory += n;
		len -= n;
		from = 0;
	}
}

static int bounce_part(const struct file *f, bool write, uint64_t offset, uint64_t done,
	size_t part, const struct bp_blk_iov *iov, uint32_t count, char *memory)
{
	uint64_t mask = f->align - 1, start = offset & ~mask;
	size_t skip = (size_t)(offset - start), whole = (skip + part + mask) & ~(size_t)mask;
	int r = 0;
	if (!write || skip)
		r = transfer_one(f, false, start, memory, write ? f->align : whole);
	if (!r && write && (skip + part) & mask)
		r = transfer_one(
			f, false, start + whole - f->align, memory + whole - f->align, f->align);
	if (r)
		return r;
	copy(iov, count, done, memory + skip, part, write);
	return write ? transfer_one(f, true, start, memory, whole) : 0;
}

/* Blocks that are filled up to the next boundary make the file longer than it was asked to be. */
static int cut_end(const struct file *f, uint64_t end, uint64_t before)
{
	struct stat st;
	if (f->device || end < before || fstat(f->fd, &st) != 0 || (uint64_t)st.st_size <= end)
		return 0;
	return ftruncate(f->fd, (off_t)end) ? -errno : 0;
}

static int bounce(struct file *f, bool write, uint64_t offset, uint64_t len,
	const struct bp_blk_iov *iov, uint32_t count)
{
	char *memory = blk_memory(BOUNCE + 2 * f->align);
	struct stat st = { 0 };
	int r = 0;
	if (!memory)
		return -ENOMEM;
	if (write) {
		edges_close(f);
		fstat(f->fd, &st);
	}
	for (uint64_t done = 0; done < len && !r;) {
		size_t part = (size_t)MIN(len - done, BOUNCE);
		r = bounce_part(f, write, offset + done, done, part, iov, count, memory);
		done += part;
	}
	if (write) {
		if (!r)
			r = cut_end(f, offset + len, (uint64_t)st.st_size);
		edges_open(f);
	}
	blk_memory_free(memory, BOUNCE + 2 * f->align);
	return r;
}

static int request(struct file *f, bool write, uint64_t offset, uint64_t len,
	const struct bp_blk_iov *iov, uint32_t count)
{
	_Static_assert(sizeof(struct bp_blk_iov) == sizeof(struct iovec) &&
			offsetof(struct bp_blk_iov, len) == offsetof(struct iovec, iov_len),
		"a piece of memory is the system's");
	if (!aligned(f, offset, len, iov, count))
		return bounce(f, write, offset, len, iov, count);
	const struct iovec *v = (const struct iovec *)(const void *)iov;
	if (f->align == 1 || !write)
		return transfer(f, write, offset, v, count);
	edges_share(f, true);
	int r = transfer(f, write, offset, v, count);
	edges_leave(f);
	return r;
}

static int file_read(
	bp_blk_node *n, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov, uint32_t count)
{
	return request(file_of(n), false, offset, len, iov, count);
}

static int file_write(bp_blk_node *n, uint64_t offset, uint64_t len, const struct bp_blk_iov *iov,
	uint32_t count, unsigned flags)
{
	(void)flags;
	return request(file_of(n), true, offset, len, iov, count);
}

/* A sync that failed may have dropped what it was to keep: later ones must not say that all is well. */
static int file_flush(bp_blk_node *n)
{
	struct file *f = file_of(n);
	int lost = atomic_load(&f->lost);
	if (f->no_flush)
		return 0;
	if (!lost && fdatasync(f->fd) != 0) {
		lost = errno;
		atomic_store(&f->lost, lost);
	}
	return -lost;
}

/* ---- for block_ring.c ---- */

static const struct blk_ops ops;

bool blk_is_file(const bp_blk_node *n)
{
	return n->ops == &ops;
}

int blk_file_enter(bp_blk_node *n, const struct bp_blk_request *r, uint64_t offset)
{
	struct file *f = file_of(n);
	bool good = r->op == BP_BLK_FLUSH
		? !f->no_flush && !atomic_load(&f->lost)
		: r->len && aligned(f, offset, r->len, r->iov, r->iov_count);
	if (good && r->op == BP_BLK_WRITE)
		good = !(n->flags & BP_BLK_FILE_READ_ONLY) &&
			(f->align == 1 || edges_share(f, false));
	return good ? f->fd : -1;
}

void blk_file_leave(bp_blk_node *n, uint32_t op, int result)
{
	struct file *f = file_of(n);
	if (op == BP_BLK_WRITE && f->align != 1)
		edges_leave(f);
	if (op == BP_BLK_FLUSH && result < 0)
		atomic_store(&f->lost, -result);
}

static bool not_possible(int error)
{
	return error == EOPNOTSUPP || error == ENOTSUP || error == ENOSYS || error == EINVAL ||
		error == ENOTTY || error == EPERM;
}

static int punch(struct file *f, uint64_t offset, uint64_t len)
{
	if (atomic_load(&f->no_punch))
		return -ENOTSUP;
	int r;
	do
		r = fallocate(f->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)offset,
			(off_t)len);
	while (r != 0 && errno == EINTR);
	if (r != 0 && not_possible(errno)) {
		atomic_store(&f->no_punch, true);
		return -ENOTSUP;
	}
	return r ? -errno : 0;
}

static int file_discard(bp_blk_node *n, uint64_t offset, uint64_t len)
{
	struct file *f = file_of(n);
	if (f->device) {
		uint64_t range[2] = { (offset + 511) & ~UINT64_C(511), 0 };
		uint64_t end = (offset + len) & ~UINT64_C(511);
		range[1] = end > range[0] ? end - range[0] : 0;
		if (range[1] && ioctl(f->fd, BLKDISCARD, range) != 0 && !not_possible(errno))
			return -errno;
		return 0;
	}
	int r = punch(f, offset, len);
	return r == -ENOTSUP ? 0 : r;
}

static int write_zero_bytes(struct file *f, uint64_t offset, uint64_t len)
{
	size_t size = (size_t)MIN(len, BOUNCE);
	void *zeros = blk_memory(size);
	int r = zeros ? 0 : -ENOMEM;
	if (zeros)
		memset(zeros, 0, size);
	for (uint64_t done = 0; done < len && !r;) {
		struct bp_blk_iov iov = { zeros, (size_t)MIN(len - done, size) };
		r = request(f, true, offset + done, iov.len, &iov, 1);
		done += iov.len;
	}
	blk_memory_free(zeros, size);
	return r;
}

static int zero_range(struct file *f, uint64_t offset, uint64_t len)
{
	if (atomic_load(&f->no_zero_range))
		return -ENOTSUP;
	if (fallocate(f->fd, FALLOC_FL_ZERO_RANGE, (off_t)offset, (off_t)len) == 0)
		return 0;
	int error = errno;
	if (!not_possible(error) && error != EINTR)
		return -error;
	if (error != EINTR)
		atomic_store(&f->no_zero_range, true);
	return -ENOTSUP;
}

static int file_write_zeroes(bp_blk_node *n, uint64_t offset, uint64_t len, unsigned flags)
{
	struct file *f = file_of(n);
	uint64_t end;
	int r = flags & BP_BLK_UNMAP && !f->device ? punch(f, offset, len) : -ENOTSUP;
	if (r == -ENOTSUP && len >= DIRECT_ALIGN)
		r = zero_range(f, offset, len);
	if (r == -ENOTSUP)
		return write_zero_bytes(f, offset, len);
	/* A hole beyond the end makes no file longer; the last byte does, and is this request's. */
	if (!r && !(r = blk_bytes(n, &end)) && end < offset + len)
		r = write_zero_bytes(f, offset + len - 1, 1);
	return r;
}

static int file_bytes(bp_blk_node *n, uint64_t *bytes)
{
	struct file *f = file_of(n);
	struct stat st;
	if (f->device) {
		*bytes = atomic_load(&f->device_bytes);
		return 0;
	}
	if (fstat(f->fd, &st) != 0)
		return -errno;
	*bytes = (uint64_t)st.st_size;
	return 0;
}

static int file_resize(bp_blk_node *n, uint64_t bytes, int prealloc)
{
	struct file *f = file_of(n);
	uint64_t before;
	int r = blk_bytes(n, &before);
	if (r)
		return r;
	if (f->device)
		return bytes <= before ? 0 : -ENOSPC;
	if (ftruncate(f->fd, (off_t)bytes) != 0)
		return -errno;
	if (bytes <= before)
		return 0;
	if (prealloc == BP_BLK_PREALLOC_FALLOC)
		return -posix_fallocate(f->fd, (off_t)before, (off_t)(bytes - before));
	return prealloc == BP_BLK_PREALLOC_FULL ? write_zero_bytes(f, before, bytes - before) : 0;
}

static int file_map(bp_blk_node *n, uint64_t offset, uint64_t len, struct bp_blk_extent *out)
{
	struct file *f = file_of(n);
	*out = (struct bp_blk_extent){ .size = sizeof(*out),
		.flags = BP_BLK_DATA | BP_BLK_ALLOCATED | BP_BLK_OFFSET,
		.len = len,
		.host_offset = offset };
	off_t data = f->device ? (off_t)offset : lseek(f->fd, (off_t)offset, SEEK_DATA);
	if (data < 0 && errno != ENXIO)
		return 0; /* this file system knows no holes */
	if (data < 0 || (uint64_t)data > offset) {
		out->flags = BP_BLK_ZERO | BP_BLK_ALLOCATED | BP_BLK_OFFSET;
		if (data >= 0)
			out->len = MIN(len, (uint64_t)data - offset);
		return 0;
	}
	off_t hole = f->device ? -1 : lseek(f->fd, (off_t)offset, SEEK_HOLE);
	if (hole > (off_t)offset)
		out->len = MIN(len, (uint64_t)hole - offset);
	return 0;
}

static int file_close(bp_blk_node *n, struct error_list *errors)
{
	struct file *f = file_of(n);
	int r = 0;
	if (close(f->fd) != 0)
		r = error_list_add(errors, NULL, "%s: %s", n->name, strerror(errno));
	pthread_cond_destroy(&f->edges_free);
	pthread_mutex_destroy(&f->edges);
	g_free(f);
	return r;
}

static const struct blk_ops ops = { file_read, file_write, file_flush, file_discard,
	file_write_zeroes, file_bytes, file_resize, file_map, file_close };

/* ---- opening ---- */

static int lock_bytes(int fd, int base, unsigned bits, bool test)
{
	for (int i = 0; i < LOCK_BITS; i++) {
		struct flock l = { .l_type = test ? F_WRLCK : F_RDLCK,
			.l_whence = SEEK_SET,
			.l_start = base + i,
			.l_len = 1 };
		if (!(bits & 1u << i))
			continue;
		if (fcntl(fd, test ? F_OFD_GETLK : F_OFD_SETLK, &l) != 0) {
			/* Some file systems have none; then nobody can be excluded. */
			if (not_possible(errno) || errno == ENOLCK)
				return 0;
			return -1;
		}
		if (test && l.l_type != F_UNLCK)
			return -1;
	}
	return 0;
}

static int lock(int fd, bool write)
{
	unsigned uses = write ? READ | WRITE | RESIZE : READ, excludes = WRITE | RESIZE;
	return lock_bytes(fd, USES, uses, false) || lock_bytes(fd, EXCLUDES, excludes, false) ||
			lock_bytes(fd, EXCLUDES, uses, true) || lock_bytes(fd, USES, excludes, true)
		? -1
		: 0;
}

/* What direct access must be a multiple of, if the kernel says it (Linux 6.1: statx(2)). */
static uint32_t direct_align(int fd)
{
#ifdef STATX_DIOALIGN
	struct statx st;
	uint32_t align = 0;
	if (statx(fd, "", AT_EMPTY_PATH, STATX_DIOALIGN, &st) == 0 && st.stx_mask & STATX_DIOALIGN)
		align = MAX(st.stx_dio_offset_align, st.stx_dio_mem_align);
	if (align && align <= DIRECT_ALIGN && !(align & (align - 1)))
		return MAX(align, BLK_SECTOR);
#else
	(void)fd;
#endif
	return DIRECT_ALIGN;
}

static int prepare(struct file *f, bool direct, struct error_list *errors)
{
	struct stat st;
	const char *name = f->node.name;
	if (fstat(f->fd, &st) != 0)
		return error_list_add(errors, NULL, "%s: %s", name, strerror(errno));
	/* The kernel's queue would not wait for what such a descriptor cannot do at once. */
	fcntl(f->fd, F_SETFL, fcntl(f->fd, F_GETFL) & ~O_NONBLOCK);
	f->device = S_ISBLK(st.st_mode);
	if (!f->device && !S_ISREG(st.st_mode))
		return error_list_add(errors, NULL,
			"%s: a file or a block device is expected, this is neither", name);
	f->align = direct ? direct_align(f->fd) : 1;
	if (f->device) {
		uint64_t bytes = 0;
		int sector = 0;
		if (ioctl(f->fd, BLKGETSIZE64, &bytes) != 0)
			return error_list_add(errors, NULL, "%s: %s", name, strerror(errno));
		if (direct && ioctl(f->fd, BLKSSZGET, &sector) == 0 && sector >= BLK_SECTOR)
			f->align = (uint32_t)sector;
		atomic_store(&f->device_bytes, bytes);
	} else if (!(f->node.flags & BP_BLK_FILE_READ_ONLY)) {
		f->node.flags |= BP_BLK_FILE_GROWS;
	}
	return 0;
}

bp_blk_node *blk_file_open(const char *name, unsigned open_flags, bool direct, bool shared,
	bool create, struct error_list *errors)
{
	bool write = open_flags & BP_BLK_OPEN_WRITE;
	/* O_NONBLOCK: a FIFO by that name must not stop the machine. */
	int flags = O_CLOEXEC | O_NONBLOCK | (write ? O_RDWR : O_RDONLY) | (create ? O_CREAT : 0) |
		(direct ? O_DIRECT : 0);
	int fd = open(name, flags, 0644);
	if (fd < 0) {
		error_list_add(errors, NULL, "%s: %s%s", name, strerror(errno),
			direct && errno == EINVAL ? "; its file system may have no direct access: "
						    "use another cache mode"
						  : "");
		return NULL;
	}
	struct file *f = g_new0(struct file, 1);
	f->node = (bp_blk_node){ &ops, g_strdup(name), write ? 0 : BP_BLK_FILE_READ_ONLY };
	f->fd = fd;
	f->no_flush = open_flags & BP_BLK_OPEN_NO_FLUSH;
	pthread_mutex_init(&f->edges, NULL);
	pthread_cond_init(&f->edges_free, NULL);
	int r = prepare(f, direct, errors);
	if (!r && !shared && lock(fd, write) != 0)
		r = error_list_add(errors, NULL, "%s: %s; end that one first%s", name,
			write ? "another process has it open"
			      : "another process has it open for writing",
			write ? "" : ", or look at it all the same with -U");
	if (!r && create && !f->device && ftruncate(fd, 0) != 0)
		r = error_list_add(errors, NULL, "%s: %s", name, strerror(errno));
	if (!r)
		return &f->node;
	blk_close(&f->node, errors);
	return NULL;
}
