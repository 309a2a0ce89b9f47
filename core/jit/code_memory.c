/* SPDX-License-Identifier: MIT */
#include "code_memory.h"
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

enum { DROP_EVERY = 8 };

static struct {
	pthread_mutex_t lock;
	bool tried, ready, alone; /* alone: not shared with forks */
	ptrdiff_t to_execute;
	struct code_chunk chunk[CODE_CHUNKS];
	unsigned left; /* chunks that were, since pages were dropped */
} memory = { .lock = PTHREAD_MUTEX_INITIALIZER };

void code_memory_private(void)
{
	memory.alone = true;
}

/* Two views of one memory: a private mapping is not one with any other, so there is but one. */
static bool map_private(uint8_t **w)
{
	const size_t size = (size_t)CODE_CHUNK_SIZE * CODE_CHUNKS;
	*w = mmap(NULL, size, PROT_READ | PROT_WRITE | PROT_EXEC,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	return *w != MAP_FAILED;
}

static bool map_twice(uint8_t **w, uint8_t **x)
{
	const size_t size = (size_t)CODE_CHUNK_SIZE * CODE_CHUNKS;
	int fd = memfd_create("backplane-code", MFD_CLOEXEC);
	if (fd < 0)
		return false;
	bool sized = ftruncate(fd, (off_t)size) == 0;
	*w = sized ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
	*x = *w != MAP_FAILED ? mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0)
			      : MAP_FAILED;
	close(fd);
	if (*x != MAP_FAILED)
		return true;
	if (*w != MAP_FAILED)
		munmap(*w, size);
	return false;
}

static bool map(size_t (*make_thunks)(uint8_t *write, ptrdiff_t to_execute))
{
	uint8_t *w = NULL, *x = NULL;
	if (!(memory.alone ? map_private(&w) : map_twice(&w, &x)))
		return false;
	if (memory.alone)
		x = w;
	memory.to_execute = (ptrdiff_t)((uintptr_t)x - (uintptr_t)w);
	for (unsigned i = 0; i < CODE_CHUNKS; i++)
		memory.chunk[i].write = w + (size_t)i * CODE_CHUNK_SIZE;
	/* The first chunk has the thunks and is never handed out. */
	atomic_store(&memory.chunk[0].owned, true);
	make_thunks(w, memory.to_execute);
	return true;
}

bool code_memory_init(size_t (*make_thunks)(uint8_t *write, ptrdiff_t to_execute))
{
	pthread_mutex_lock(&memory.lock);
	if (!memory.tried)
		memory.ready = map(make_thunks);
	memory.tried = true;
	bool ready = memory.ready;
	pthread_mutex_unlock(&memory.lock);
	return ready;
}

ptrdiff_t code_memory_to_execute(void)
{
	return memory.to_execute;
}

/* The lowest one that is free: where code comes and goes, no more memory is touched than it needs. */
struct code_chunk *code_chunk_take(void)
{
	struct code_chunk *c = memory.chunk, *end = c + CODE_CHUNKS;
	pthread_mutex_lock(&memory.lock);
	while (c < end && (atomic_load(&c->owned) || atomic_load(&c->blocks)))
		c++;
	if (c < end) {
		c->used = 0;
		atomic_store(&c->faults, 0);
		code_chunk_write(c);
		atomic_store(&c->owned, true);
	}
	pthread_mutex_unlock(&memory.lock);
	return c < end ? c : NULL;
}

static void drop_writable(void)
{
	if (memory.alone)
		return; /* there is no other mapping */
	for (unsigned i = 0; i < CODE_CHUNKS; i++) {
		struct code_chunk *c = &memory.chunk[i];
		/* The bytes are the object's: only this mapping's pages go, and come back by themselves. */
		if (!atomic_load(&c->owned) && atomic_exchange(&c->written, false))
			madvise(c->write, CODE_CHUNK_SIZE, MADV_DONTNEED);
	}
}

void code_chunk_leave(struct code_chunk *chunk)
{
	if (!chunk)
		return;
	pthread_mutex_lock(&memory.lock);
	atomic_store(&chunk->owned, false);
	if (++memory.left == DROP_EVERY) {
		memory.left = 0;
		drop_writable();
	}
	pthread_mutex_unlock(&memory.lock);
}

bool code_chunk_fault(struct code_chunk *chunk, uint32_t at, uint32_t slow)
{
	uint32_t n = atomic_load(&chunk->faults);
	if (!chunk->fault) {
		void *room = mmap(NULL, CODE_FAULTS * sizeof(struct code_fault),
			PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
		if (room == MAP_FAILED)
			return false;
		chunk->fault = room;
	}
	if (n == CODE_FAULTS)
		return false;
	chunk->fault[n] = (struct code_fault){ at, slow };
	atomic_store(&chunk->faults, n + 1);
	return true;
}

uintptr_t code_slow_way(uintptr_t at)
{
	uintptr_t start = (uintptr_t)memory.chunk[0].write + (uintptr_t)memory.to_execute;
	if (!memory.ready || at - start >= (size_t)CODE_CHUNK_SIZE * CODE_CHUNKS)
		return 0;
	const struct code_chunk *c = &memory.chunk[(at - start) / CODE_CHUNK_SIZE];
	uint32_t offset = (uint32_t)((at - start) % CODE_CHUNK_SIZE);
	uint32_t low = 0, high = atomic_load(&c->faults);
	while (low < high) {
		uint32_t middle = low + (high - low) / 2;
		if (c->fault[middle].at < offset)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == atomic_load(&c->faults) || c->fault[low].at != offset)
		return 0;
	return at - offset + c->fault[low].slow;
}

void code_memory_fork(bool begin)
{
	if (begin)
		pthread_mutex_lock(&memory.lock);
	else
		pthread_mutex_unlock(&memory.lock);
}

void code_chunk_hold(struct code_chunk *chunk)
{
	atomic_fetch_add(&chunk->blocks, 1);
}

void code_chunk_drop(struct code_chunk *chunk)
{
	if (chunk)
		atomic_fetch_sub(&chunk->blocks, 1);
}
