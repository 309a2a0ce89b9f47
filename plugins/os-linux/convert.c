/* SPDX-License-Identifier: MIT */
/* Structs that are not the same for guest and host, or hold pointers: one description each. */
#include "linux.h"
#include <errno.h>
#include <signal.h>
#include <stddef.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>

struct host_action { /* what rt_sigaction takes on this host */
	uint64_t handler, flags, restorer, mask;
};

#define HOST_OF(type, member)                                                                      \
	(uint16_t) offsetof(type, member), (uint16_t)sizeof(((type *)0)->member)
#define U(type, member, guest, size)                                                               \
	{                                                                                          \
		HOST_OF(type, member), guest, size, MEMBER_UNSIGNED                                \
	}
#define S(type, member, guest, size)                                                               \
	{                                                                                          \
		HOST_OF(type, member), guest, size, MEMBER_SIGNED                                  \
	}
#define P(type, member, guest, size)                                                               \
	{                                                                                          \
		HOST_OF(type, member), guest, size, MEMBER_POINTER                                 \
	}

/* ---- asm-generic, 64 bits ---- */

static const struct member stat_generic64[] = {
	U(struct stat, st_dev, 0, 8),
	U(struct stat, st_ino, 8, 8),
	U(struct stat, st_mode, 16, 4),
	U(struct stat, st_nlink, 20, 4),
	U(struct stat, st_uid, 24, 4),
	U(struct stat, st_gid, 28, 4),
	U(struct stat, st_rdev, 32, 8),
	S(struct stat, st_size, 48, 8),
	S(struct stat, st_blksize, 56, 4),
	S(struct stat, st_blocks, 64, 8),
	S(struct stat, st_atim.tv_sec, 72, 8),
	S(struct stat, st_atim.tv_nsec, 80, 8),
	S(struct stat, st_mtim.tv_sec, 88, 8),
	S(struct stat, st_mtim.tv_nsec, 96, 8),
	S(struct stat, st_ctim.tv_sec, 104, 8),
	S(struct stat, st_ctim.tv_nsec, 112, 8),
	{ 0 },
};
static const struct member epoll_event64[] = {
	U(struct epoll_event, events, 0, 4),
	U(struct epoll_event, data, 8, 8),
	{ 0 },
};
static const struct member iovec64[] = {
	P(struct iovec, iov_base, 0, 8),
	U(struct iovec, iov_len, 8, 8),
	{ 0 },
};
/* The name, the control data and the vectors: who copies the vectors sets them anew. */
static const struct member msghdr64[] = {
	P(struct msghdr, msg_name, 0, 8),
	U(struct msghdr, msg_namelen, 8, 4),
	P(struct msghdr, msg_iov, 16, 8),
	U(struct msghdr, msg_iovlen, 24, 8),
	P(struct msghdr, msg_control, 32, 8),
	U(struct msghdr, msg_controllen, 40, 8),
	U(struct msghdr, msg_flags, 48, 4),
	{ 0 },
};
static const struct member sigaction64[] = {
	U(struct host_action, handler, 0, 8),
	U(struct host_action, flags, 8, 8),
	U(struct host_action, mask, 16, 8),
	{ 0 },
};
static const struct member stack64[] = {
	U(stack_t, ss_sp, 0, 8),
	U(stack_t, ss_flags, 8, 4),
	U(stack_t, ss_size, 16, 8),
	{ 0 },
};

static const struct member core_status64[] = {
	S(struct core_status, signal, 0, 4),
	S(struct core_status, code, 4, 4),
	S(struct core_status, error, 8, 4),
	U(struct core_status, cursig, 12, 2),
	U(struct core_status, pending, 16, 8),
	U(struct core_status, held, 24, 8),
	U(struct core_status, pid, 32, 4),
	U(struct core_status, ppid, 36, 4),
	U(struct core_status, pgrp, 40, 4),
	U(struct core_status, sid, 44, 4),
	U(struct core_status, seconds, 48, 8),
	U(struct core_status, microseconds, 56, 8),
	{ 0 },
};
static const struct member core_info64[] = {
	U(struct core_info, state, 0, 1),
	U(struct core_info, state_letter, 1, 1),
	U(struct core_info, zombie, 2, 1),
	U(struct core_info, nice, 3, 1),
	U(struct core_info, flags, 8, 8),
	U(struct core_info, uid, 16, 4),
	U(struct core_info, gid, 20, 4),
	U(struct core_info, pid, 24, 4),
	U(struct core_info, ppid, 28, 4),
	U(struct core_info, pgrp, 32, 4),
	U(struct core_info, sid, 36, 4),
	{ 0 },
};

static const struct description generic64[S_COUNT] = {
	[S_STAT] = { sizeof(struct stat), 128, stat_generic64 },
	[S_EPOLL_EVENT] = { sizeof(struct epoll_event), 16, epoll_event64 },
	[S_IOVEC] = { sizeof(struct iovec), 16, iovec64 },
	[S_MSGHDR] = { sizeof(struct msghdr), 56, msghdr64 },
	[S_SIGACTION] = { sizeof(struct host_action), 24, sigaction64 },
	[S_STACK] = { sizeof(stack_t), 24, stack64 },
	[S_CORE_STATUS] = { sizeof(struct core_status), 112, core_status64 },
	[S_CORE_INFO] = { sizeof(struct core_info), 136, core_info64 },
};

const struct description *describe(const struct os *os, enum structure which)
{
	(void)os; /* one layout so far: main.c takes no other */
	return &generic64[which];
}

size_t struct_size(const struct os *os, enum structure which)
{
	return describe(os, which)->guest_size;
}

/* ---- by description ---- */

static uint64_t load(const uint8_t *at, unsigned size, bool big)
{
	uint64_t value = 0;
	for (unsigned i = 0; i < size; i++)
		value |= (uint64_t)at[big ? size - 1 - i : i] << 8 * i;
	return value;
}

static void store(uint8_t *at, unsigned size, bool big, uint64_t value)
{
	for (unsigned i = 0; i < size; i++)
		at[big ? size - 1 - i : i] = (uint8_t)(value >> 8 * i);
}

static uint64_t extend(uint64_t value, unsigned size, unsigned kind)
{
	unsigned shift = 64 - 8 * size;
	return kind == MEMBER_SIGNED ? (uint64_t)((int64_t)(value << shift) >> shift) : value;
}

int struct_in(const struct thread *t, enum structure which, void *host, uint64_t addr)
{
	const struct description *d = describe(t->os, which);
	bool big = t->os->abi->elf_data == BP_LINUX_BIG;
	uint8_t guest[STRUCT_MAX];
	if (copy_in(t, guest, addr, d->guest_size) != 0)
		return -EFAULT;
	memset(host, 0, d->host_size);
	for (const struct member *m = d->member; m->host_size; m++) {
		uint64_t value =
			extend(load(guest + m->guest, m->guest_size, big), m->guest_size, m->kind);
		if (m->kind == MEMBER_POINTER)
			value = (uint64_t)(uintptr_t)host_ptr(t, value);
		memcpy((uint8_t *)host + m->host, &value, m->host_size);
	}
	return 0;
}

void struct_store(const struct os *os, enum structure which, uint8_t *guest, const void *host)
{
	const struct description *d = describe(os, which);
	bool big = os->abi->elf_data == BP_LINUX_BIG;
	memset(guest, 0, d->guest_size);
	for (const struct member *m = d->member; m->host_size; m++) {
		uint64_t value = 0;
		memcpy(&value, (const uint8_t *)host + m->host, m->host_size);
		store(guest + m->guest, m->guest_size, big, extend(value, m->host_size, m->kind));
	}
}

int struct_out(const struct thread *t, enum structure which, uint64_t addr, const void *host)
{
	uint8_t guest[STRUCT_MAX];
	struct_store(t->os, which, guest, host);
	return copy_out(t, addr, guest, struct_size(t->os, which)) == 0 ? 0 : -EFAULT;
}
