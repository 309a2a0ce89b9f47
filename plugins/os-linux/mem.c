/* SPDX-License-Identifier: MIT */
/* The guest's mappings: the host's own, at fixed places inside the reserved address space. What is not
 * mapped is reserved again, so that nothing else of this process ever lies there. */
#include "linux.h"
#include <errno.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/shm.h>
#include <sys/syscall.h>
#include <unistd.h>

#ifndef MAP_32BIT /* the flag of x86 hosts */
#define MAP_32BIT 0
#endif

enum { LOWEST = 16 * PAGE };

static uint64_t round_up(uint64_t len)
{
	return (len + PAGE - 1) & ~(uint64_t)(PAGE - 1);
}

static int host_prot(int prot)
{
	/* What is executed is read by the translator, and never executed by the host. */
	return (prot & (PROT_READ | PROT_WRITE)) | (prot & PROT_EXEC ? PROT_READ : 0);
}

static unsigned what(int prot, bool shared)
{
	return BP_USER_MAPPED | (prot & PROT_READ ? BP_USER_READ : 0) |
		(prot & PROT_WRITE ? BP_USER_WRITE | BP_USER_READ : 0) |
		(prot & PROT_EXEC ? BP_USER_EXEC : 0) | (shared ? BP_USER_SHARED : 0);
}

static bool inside(const struct os *os, uint64_t addr, uint64_t len)
{
	return addr >= LOWEST && addr < os->limit && len <= os->limit - addr;
}

static int reserve(struct os *os, uint64_t addr, uint64_t len)
{
	void *r = mmap(os->base + addr, len, PROT_NONE,
		MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE | MAP_FIXED, -1, 0);
	os->user->pages(addr, len, 0);
	return r == MAP_FAILED ? -errno : 0;
}

static bool is_free(const struct os *os, uint64_t addr, uint64_t len)
{
	return os->user->find_free(addr, addr + len, len, PAGE) == addr;
}

/* A place for a mapping: the hint if it is free. */
static uint64_t find(const struct os *os, uint64_t hint, uint64_t len)
{
	enum { LARGE = 2 << 20 };
	if (hint && inside(os, hint, len) && is_free(os, hint, len))
		return hint;
	/* As the host does: what may hold large pages begins where one can. */
	uint64_t at = len >= LARGE ? os->user->find_free(LOWEST, os->mmap_top, len, LARGE) : 0;
	return at ? at : os->user->find_free(LOWEST, os->mmap_top, len, PAGE);
}

static int64_t map_locked(
	struct os *os, uint64_t addr, uint64_t len, int prot, int flags, int fd, int64_t offset)
{
	bool fixed = flags & (MAP_FIXED | MAP_FIXED_NOREPLACE);
	if (fixed && (addr & (PAGE - 1) || !inside(os, addr, len)))
		return addr & (PAGE - 1) ? -EINVAL : addr < LOWEST ? -EPERM : -ENOMEM;
	if (flags & MAP_FIXED_NOREPLACE && !(flags & MAP_FIXED) && !is_free(os, addr, len))
		return -EEXIST;
	if (!fixed)
		addr = find(os, addr & ~(uint64_t)(PAGE - 1), len);
	if (!addr)
		return -ENOMEM;
	int host = (flags & ~(MAP_FIXED_NOREPLACE | MAP_GROWSDOWN | MAP_32BIT)) | MAP_FIXED;
	void *r = mmap(os->base + addr, len, host_prot(prot), host, fd, offset);
	if (r == MAP_FAILED)
		return -errno;
	bool shared = (flags & MAP_TYPE) != MAP_PRIVATE;
	os->user->pages(addr, len, what(prot, shared));
	return (int64_t)addr;
}

int64_t mem_map(
	struct os *os, uint64_t addr, uint64_t len, int prot, int flags, int fd, int64_t offset)
{
	if (!len)
		return -EINVAL;
	if (len > os->limit)
		return -ENOMEM;
	pthread_mutex_lock(&os->memory);
	int64_t r = map_locked(os, addr, round_up(len), prot, flags, fd, offset);
	pthread_mutex_unlock(&os->memory);
	return r;
}

int64_t mem_unmap(struct os *os, uint64_t addr, uint64_t len)
{
	if (addr & (PAGE - 1) || !len || addr >= os->limit || len > os->limit - addr)
		return -EINVAL;
	pthread_mutex_lock(&os->memory);
	int64_t r = reserve(os, addr, round_up(len));
	pthread_mutex_unlock(&os->memory);
	return r;
}

int64_t mem_protect(struct os *os, uint64_t addr, uint64_t len, int prot)
{
	if (addr & (PAGE - 1))
		return -EINVAL;
	if (!len)
		return 0;
	len = round_up(len);
	if (addr >= os->limit || len > os->limit - addr)
		return -ENOMEM;
	int64_t r = 0;
	pthread_mutex_lock(&os->memory);
	for (uint64_t at = addr; at < addr + len && r == 0; at += PAGE)
		if (!(os->user->page(at) & BP_USER_MAPPED))
			r = -ENOMEM;
	if (r == 0 && mprotect(os->base + addr, len, host_prot(prot)) != 0)
		r = -errno;
	for (uint64_t at = addr, n; at < addr + len && r == 0; at += n) {
		/* runs of pages that are alike */
		unsigned shared = os->user->page(at) & BP_USER_SHARED;
		for (n = PAGE;
			at + n < addr + len && (os->user->page(at + n) & BP_USER_SHARED) == shared;)
			n += PAGE;
		os->user->pages(at, n, what(prot, shared != 0));
	}
	pthread_mutex_unlock(&os->memory);
	return r;
}

/* ---- system calls ---- */

int64_t sys_mmap(struct thread *t, const uint64_t a[6])
{
	if (a[5] & (PAGE - 1))
		return -EINVAL;
	return mem_map(t->os, a[0], a[1], (int)a[2], (int)a[3], (int)a[4], (int64_t)a[5]);
}

int64_t sys_munmap(struct thread *t, const uint64_t a[6])
{
	return mem_unmap(t->os, a[0], a[1]);
}

int64_t sys_mprotect(struct thread *t, const uint64_t a[6])
{
	return mem_protect(t->os, a[0], a[1], (int)a[2]);
}

/* Always moves what grows: the addresses behind it are reserved, and a moment without reservation would
 * be enough for this process's own memory to get there. */
static int64_t remap(
	struct os *os, uint64_t old, uint64_t old_len, uint64_t len, unsigned flags, uint64_t to)
{
	unsigned was = os->user->page(old);
	for (uint64_t at = old; at < old + old_len; at += PAGE)
		if (!(os->user->page(at) & BP_USER_MAPPED))
			return -EFAULT;
	if (len <= old_len && !(flags & MREMAP_FIXED)) {
		int r = len < old_len ? reserve(os, old + len, old_len - len) : 0;
		return r ? r : (int64_t)old;
	}
	if (!(flags & MREMAP_MAYMOVE))
		return -ENOMEM;
	if (!(flags & MREMAP_FIXED))
		to = find(os, 0, len);
	if (!to)
		return -ENOMEM;
	void *r = mremap(os->base + old, old_len, len,
		MREMAP_MAYMOVE | MREMAP_FIXED | (int)(flags & MREMAP_DONTUNMAP), os->base + to);
	if (r == MAP_FAILED)
		return -errno;
	os->user->pages(to, len, was);
	if (!(flags & MREMAP_DONTUNMAP) && old_len)
		reserve(os, old, old_len);
	return (int64_t)to;
}

int64_t sys_mremap(struct thread *t, const uint64_t a[6])
{
	struct os *os = t->os;
	uint64_t old_len = round_up(a[1]), len = round_up(a[2]);
	unsigned flags = (unsigned)a[3];
	if (a[0] & (PAGE - 1) || !len || a[1] > os->limit || a[2] > os->limit ||
		flags & ~(unsigned)(MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP) || !old_len)
		return -EINVAL;
	if (flags & MREMAP_FIXED &&
		(!(flags & MREMAP_MAYMOVE) || a[4] & (PAGE - 1) || !inside(os, a[4], len) ||
			(a[4] < a[0] + old_len && a[0] < a[4] + len)))
		return -EINVAL;
	if (!inside(os, a[0], old_len))
		return -EFAULT;
	pthread_mutex_lock(&os->memory);
	int64_t r = remap(os, a[0], old_len, len, flags, a[4]);
	pthread_mutex_unlock(&os->memory);
	return r;
}

int64_t sys_brk(struct thread *t, const uint64_t a[6])
{
	struct os *os = t->os;
	uint64_t to = a[0];
	pthread_mutex_lock(&os->memory);
	uint64_t now = round_up(os->brk), end = round_up(to);
	if (to >= os->brk_start && to < os->limit) {
		bool good = true;
		if (end > now)
			good = is_free(os, now, end - now) &&
				map_locked(os, now, end - now, PROT_READ | PROT_WRITE,
					MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) >= 0;
		else if (end < now)
			good = reserve(os, end, now - end) == 0;
		if (good)
			os->brk = to;
	}
	to = os->brk;
	pthread_mutex_unlock(&os->memory);
	return (int64_t)to;
}

int64_t sys_madvise(struct thread *t, const uint64_t a[6])
{
	struct os *os = t->os;
	if (a[0] & (PAGE - 1) || a[0] >= os->limit || a[1] > os->limit - a[0])
		return -EINVAL;
	if (!a[1])
		return 0;
	for (uint64_t at = a[0]; at < a[0] + a[1]; at += PAGE)
		if (!(os->user->page(at) & BP_USER_MAPPED))
			return -ENOMEM;
	if (madvise(os->base + a[0], a[1], (int)a[2]) != 0)
		return -errno;
	os->user->code_changed(a[0], a[1]);
	return 0;
}

int64_t sys_shmat(struct thread *t, const uint64_t a[6])
{
	struct os *os = t->os;
	struct shmid_ds ds;
	if (shmctl((int)a[0], IPC_STAT, &ds) != 0)
		return -errno;
	uint64_t len = round_up(ds.shm_segsz), at = a[1];
	int flags = (int)a[2];
	if (flags & SHM_RND)
		at &= ~(uint64_t)(PAGE - 1);
	if (at & (PAGE - 1) || (at && !inside(os, at, len)))
		return -EINVAL;
	pthread_mutex_lock(&os->memory);
	int64_t r = -EINVAL;
	if (at && !(flags & SHM_REMAP) && !is_free(os, at, len))
		at = 0;
	else if (!at)
		at = find(os, 0, len);
	if (at) {
		const void *p = shmat((int)a[0], os->base + at, flags | SHM_REMAP);
		r = p == (void *)-1 ? -errno : (int64_t)at;
	}
	if (r > 0)
		os->user->pages(at, len,
			what((flags & SHM_RDONLY ? PROT_READ : PROT_READ | PROT_WRITE) |
					(flags & SHM_EXEC ? PROT_EXEC : 0),
				true));
	pthread_mutex_unlock(&os->memory);
	return r;
}

int64_t sys_shmdt(struct thread *t, const uint64_t a[6])
{
	struct os *os = t->os;
	if (!inside(os, a[0], PAGE) || a[0] & (PAGE - 1))
		return -EINVAL;
	pthread_mutex_lock(&os->memory);
	/* How long it was, only the host knows: what is not mapped there afterwards. */
	unsigned char there;
	int64_t r = shmdt(os->base + a[0]) == 0 ? 0 : -errno;
	for (uint64_t at = a[0]; r == 0 && os->user->page(at) & BP_USER_SHARED &&
		mincore(os->base + at, PAGE, &there) != 0 && errno == ENOMEM;
		at += PAGE)
		reserve(os, at, PAGE);
	pthread_mutex_unlock(&os->memory);
	return r;
}
