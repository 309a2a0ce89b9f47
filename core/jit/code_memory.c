/* SPDX-License-Identifier: MIT */
#include "code_memory.h"
#include <pthread.h>
#include <sys/mman.h>
#include <unistd.h>

enum { DROP_EVERY = 8 };

static struct {
	pthread_mutex_t lock;
	bool tried, ready;
	ptrdiff_t to_execute;
	struct code_chunk chunk[CODE_CHUNKS];
	unsigned next; /* where the search for a free one goes on */
	unsigned left; /* chunks that were, since pages were dropped */
} memory = { .lock = PTHREAD_MUTEX_INITIALIZER };

static bool map(size_t (*make_thunks)(uint8_t *write, ptrdiff_t to_execute))
{
	const size_t size = (size_t)CODE_CHUNK_SIZE * CODE_CHUNKS;
	int fd = memfd_create("backplane-code", MFD_CLOEXEC);
	if (fd < 0)
		return false;
	bool sized = ftruncate(fd, (off_t)size) == 0;
	uint8_t *w =
		sized ? mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0) : MAP_FAILED;
	uint8_t *x = w != MAP_FAILED ? mmap(NULL, size, PROT_READ | PROT_EXEC, MAP_SHARED, fd, 0)
				     : MAP_FAILED;
	close(fd);
	if (x == MAP_FAILED) {
		if (w != MAP_FAILED)
			munmap(w, size);
		return false;
	}
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

struct code_chunk *code_chunk_take(void)
{
	struct code_chunk *found = NULL;
	pthread_mutex_lock(&memory.lock);
	for (unsigned i = 0; i < CODE_CHUNKS && !found; i++) {
		struct code_chunk *c = &memory.chunk[(memory.next + i) % CODE_CHUNKS];
		if (!atomic_load(&c->owned) && !atomic_load(&c->blocks)) {
			found = c;
			memory.next = (memory.next + i + 1) % CODE_CHUNKS;
			c->used = 0;
			code_chunk_write(c);
			atomic_store(&c->owned, true);
		}
	}
	pthread_mutex_unlock(&memory.lock);
	return found;
}

static void drop_writable(void)
{
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

void code_chunk_hold(struct code_chunk *chunk)
{
	atomic_fetch_add(&chunk->blocks, 1);
}

void code_chunk_drop(struct code_chunk *chunk)
{
	if (chunk)
		atomic_fetch_sub(&chunk->blocks, 1);
}
