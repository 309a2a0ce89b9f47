/* SPDX-License-Identifier: MIT */
/* Memory: shared mappings of memfds or host files, or many of one filled piece; and one byte of flags
 * for each page. */
#include "internal.h"
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { FILLED_PIECES = 64 }; /* mappings that memory filled with a byte is made of */
#define MAX_SIZE (UINT64_C(1) << 46) /* what a host process can hope to map */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static GPtrArray *blocks; /* struct bus_ram, in the order they were made */
static void (*code_hook)(struct bus_ram *ram, uint64_t offset, uint64_t len);
static void (*clean_hook)(void);

static void map_failed(uint64_t mapped, bp_error *err)
{
	object_fail(err,
		"the host cannot map 0x%" G_GINT64_MODIFIER
		"x bytes of memory: %s; ask for less memory",
		mapped, g_strerror(errno));
}

/* -1 after object_fail. */
static int open_memory(const char *file, uint64_t mapped, bp_error *err)
{
	struct stat st;
	int fd = file ? open(file, O_RDWR | O_CREAT | O_CLOEXEC | O_NOCTTY | O_NONBLOCK, 0600)
		      : memfd_create("backplane", MFD_CLOEXEC);
	if (fd < 0)
		return object_fail(err,
			"cannot open %s as memory: %s; name a file that can be written",
			file ? file : "a memfd", g_strerror(errno));
	if (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode)) {
		object_fail(err, "%s is no regular file and cannot be memory", file);
		close(fd);
		return -1;
	}
	if ((uint64_t)st.st_size < mapped && ftruncate(fd, (off_t)mapped) != 0) {
		object_fail(err,
			"cannot make %s 0x%" G_GINT64_MODIFIER
			"x bytes long: %s; ask for less memory",
			file ? file : "a memfd", mapped, g_strerror(errno));
		close(fd);
		return -1;
	}
	return fd;
}

/* Memory that can be shared; leaves its descriptor in *fd. Its address or MAP_FAILED. */
static void *map_shared(const char *file, uint64_t mapped, int *fd, bp_error *err)
{
	*fd = open_memory(file, mapped, err);
	if (*fd < 0)
		return MAP_FAILED;
	void *host = mmap(NULL, mapped, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_NORESERVE, *fd, 0);
	if (host == MAP_FAILED) {
		map_failed(mapped, err);
		close(*fd);
	}
	return host;
}

/* A file of `size` bytes that nobody changes: what all of a kind map, so the last one is kept. */
static int filled_file(uint8_t fill, uint64_t size, bp_error *err)
{
	static struct {
		int fd;
		uint8_t fill;
		uint64_t size;
	} last = { .fd = -1 };
	char block[16384];
	if (last.fd >= 0 && last.fill == fill && last.size == size)
		return last.fd;
	int fd = open_memory(NULL, size, err);
	if (fd < 0)
		return -1;
	memset(block, fill, sizeof(block));
	for (uint64_t at = 0; at < size;) {
		ssize_t n = pwrite(fd, block, MIN(sizeof(block), size - at), (off_t)at);
		if (n < 0) {
			map_failed(size, err);
			close(fd);
			return -1;
		}
		at += (uint64_t)n;
	}
	if (last.fd >= 0)
		close(last.fd);
	last.fd = fd;
	last.fill = fill;
	last.size = size;
	return fd;
}

/* One filled piece, seen again and again: writing a page copies it, nothing else costs. Its address
 * or MAP_FAILED. */
static void *map_filled(uint8_t fill, uint64_t mapped, uint64_t page, bp_error *err)
{
	uint64_t piece = (mapped / FILLED_PIECES + page - 1) & ~(page - 1);
	piece = MAX(piece, page);
	int fd = filled_file(fill, piece, err);
	if (fd < 0)
		return MAP_FAILED;
	uint8_t *host = mmap(NULL, mapped, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	bool mapped_all = host != MAP_FAILED;
	for (uint64_t at = 0; mapped_all && at < mapped; at += piece)
		mapped_all = mmap(host + at, MIN(piece, mapped - at), PROT_READ | PROT_WRITE,
				     MAP_PRIVATE | MAP_FIXED | MAP_NORESERVE, fd, 0) != MAP_FAILED;
	if (mapped_all)
		return host;
	map_failed(mapped, err);
	if (host != MAP_FAILED)
		munmap(host, mapped);
	return MAP_FAILED;
}

/* What stands beside memory: the counts of store-conditionals, then a byte for each page. */
#define CONDITIONALS_SIZE (BUS_CONDITIONAL_GROUPS * sizeof(uint32_t))

static size_t notes_size(uint64_t mapped)
{
	return CONDITIONALS_SIZE + (mapped >> BUS_PAGE_BITS);
}

int bus_ram_init(struct bus_ram *ram, uint64_t size, const char *file, uint8_t fill, bp_error *err)
{
	int fd = -1;
	uint64_t page = (uint64_t)sysconf(_SC_PAGESIZE);
	page = MAX(page, (uint64_t)BUS_PAGE);
	if (!size || size > MAX_SIZE)
		return object_fail(err,
			"a memory of 0x%" G_GINT64_MODIFIER
			"x bytes is not possible; the size must be at least 1 and at most 64 TiB",
			size);
	uint64_t mapped = (size + page - 1) & ~(page - 1);
	void *host = fill && !file ? map_filled(fill, mapped, page, err)
				   : map_shared(file, mapped, &fd, err);
	if (host == MAP_FAILED)
		return -1;
	uint8_t *pages = mmap(NULL, notes_size(mapped), PROT_READ | PROT_WRITE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (pages == MAP_FAILED) {
		map_failed(mapped, err);
		munmap(host, mapped);
		if (fd >= 0)
			close(fd);
		return -1;
	}
	ram->host = host;
	ram->size = size;
	ram->mapped = mapped;
	ram->fd = fd;
	ram->fill = file ? 0 : fill;
	ram->conditionals = (void *)pages;
	ram->pages = (void *)(pages + CONDITIONALS_SIZE);
	pthread_mutex_lock(&lock);
	if (!blocks)
		blocks = g_ptr_array_new();
	g_ptr_array_add(blocks, ram);
	pthread_mutex_unlock(&lock);
	return 0;
}

void bus_ram_finish(struct bus_ram *ram)
{
	if (!ram || !ram->host)
		return;
	pthread_mutex_lock(&lock);
	g_ptr_array_remove(blocks, ram);
	pthread_mutex_unlock(&lock);
	munmap((void *)ram->conditionals, notes_size(ram->mapped));
	munmap(ram->host, ram->mapped);
	if (ram->fd >= 0)
		close(ram->fd);
	*ram = (struct bus_ram){ .fd = -1 };
}

struct bus_ram *bus_ram_find(const void *host)
{
	struct bus_ram *found = NULL;
	pthread_mutex_lock(&lock);
	for (unsigned i = 0; blocks && i < blocks->len && !found; i++) {
		struct bus_ram *ram = g_ptr_array_index(blocks, i);
		if ((uintptr_t)host - (uintptr_t)ram->host < ram->mapped)
			found = ram;
	}
	pthread_mutex_unlock(&lock);
	return found;
}

void bus_ram_each(void (*fn)(void *arg, struct bus_ram *ram), void *arg)
{
	for (unsigned i = 0; blocks && i < blocks->len; i++)
		fn(arg, g_ptr_array_index(blocks, i));
}

void bus_ram_code_mark(struct bus_ram *ram, uint64_t offset, bool has_code)
{
	if (offset >= ram->mapped)
		return;
	if (has_code)
		atomic_fetch_or(&ram->pages[offset >> BUS_PAGE_BITS], BUS_PAGE_CODE);
	else
		atomic_fetch_and(&ram->pages[offset >> BUS_PAGE_BITS], (uint8_t)~BUS_PAGE_CODE);
}

void bus_ram_written(struct bus_ram *ram, uint64_t offset, uint64_t len)
{
	if (!len || offset >= ram->mapped)
		return;
	uint64_t last = MIN(len - 1, ram->mapped - 1 - offset) + offset;
	for (uint64_t p = offset >> BUS_PAGE_BITS; p <= last >> BUS_PAGE_BITS; p++) {
		/* Always a read-modify-write: it orders the bytes written before the look at the
		 * mark, as marking orders the mark before the bytes are read. */
		uint8_t was = atomic_fetch_or(&ram->pages[p], BUS_DIRTY_ALL);
		if (was & BUS_PAGE_CODE && code_hook) {
			uint64_t from = MAX(offset, p << BUS_PAGE_BITS);
			uint64_t to = MIN(last, (p << BUS_PAGE_BITS) + BUS_PAGE - 1);
			code_hook(ram, from, to - from + 1);
		}
	}
}

void bus_ram_discard(struct bus_ram *ram, uint64_t offset, uint64_t len)
{
	if (offset >= ram->mapped || ram->fd < 0)
		return;
	uint64_t end = (offset + MIN(len, ram->mapped - offset)) & ~(uint64_t)(BUS_PAGE - 1);
	uint64_t from = (offset + BUS_PAGE - 1) & ~(uint64_t)(BUS_PAGE - 1);
	if (from < end &&
		fallocate(ram->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, (off_t)from,
			(off_t)(end - from)) == 0)
		bus_ram_written(ram, from, end - from);
}

bool bus_ram_take_dirty(struct bus_ram *ram, uint64_t offset, uint8_t client)
{
	client &= BUS_DIRTY_ALL;
	if (offset >= ram->mapped)
		return false;
	_Atomic(uint8_t) *page = &ram->pages[offset >> BUS_PAGE_BITS];
	return atomic_load(page) & client &&
		(atomic_fetch_and(page, (uint8_t)~client) & client) != 0;
}

void bus_ram_cleaned(void)
{
	if (clean_hook)
		clean_hook();
}

void bus_set_code_hook(void (*fn)(struct bus_ram *ram, uint64_t offset, uint64_t len))
{
	code_hook = fn;
}

void bus_set_clean_hook(void (*fn)(void))
{
	clean_hook = fn;
}
