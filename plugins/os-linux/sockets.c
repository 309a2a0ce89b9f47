/* SPDX-License-Identifier: MIT */
/* Messages and vectors of buffers: structs of pointers. */
#include "linux.h"
#include <errno.h>
#include <limits.h>
#include <linux/filter.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>

/* ---- vectors ---- */

/* The guest's vectors as the host's: 0 or a negative errno; *out is freed by the caller. */
static int64_t vectors_in(
	struct thread *t, uint64_t addr, uint64_t count, struct iovec **out, int too_many)
{
	*out = NULL;
	if (count > IOV_MAX)
		return -too_many;
	struct iovec *v = calloc(count ? count : 1, sizeof(*v));
	for (uint64_t i = 0; i < count; i++) {
		if (struct_in(t, S_IOVEC, &v[i], addr + i * struct_size(t->os, S_IOVEC)) != 0) {
			free(v);
			return -EFAULT;
		}
		/* What is longer than the address space would reach beyond its end. */
		if (v[i].iov_len > t->os->limit && (int64_t)v[i].iov_len >= 0)
			v[i].iov_base = t->os->base + t->os->limit;
	}
	*out = v;
	return 0;
}

static int64_t vector_call(struct thread *t, long number, const uint64_t a[6])
{
	struct iovec *v;
	int64_t r = vectors_in(t, a[1], a[2], &v, EINVAL);
	if (r == 0)
		r = SAFE(t, number, (int64_t)a[0], HOST(v), (int64_t)a[2], (int64_t)a[3],
			(int64_t)a[4], (int64_t)a[5]);
	free(v);
	return r;
}

#define VECTOR(name)                                                                               \
	int64_t sys_##name(struct thread *t, const uint64_t a[6])                                  \
	{                                                                                          \
		return vector_call(t, SYS_##name, a);                                              \
	}
VECTOR(readv)
VECTOR(writev)
VECTOR(preadv)
VECTOR(pwritev)
VECTOR(preadv2)
VECTOR(pwritev2)
VECTOR(vmsplice)

/* ---- messages ---- */

static int64_t message_in(struct thread *t, uint64_t addr, struct msghdr *m)
{
	struct iovec *v;
	int64_t r = struct_in(t, S_MSGHDR, m, addr);
	if (r != 0)
		return r;
	uint64_t vectors = m->msg_iov ? (uint64_t)((uint8_t *)m->msg_iov - t->os->base) : 0;
	r = vectors_in(t, vectors, m->msg_iovlen, &v, EMSGSIZE);
	m->msg_iov = v;
	return r;
}

/* What the kernel changes in the guest's header: lengths and flags. Pointers stay as they are there. */
static int64_t message_out(struct thread *t, uint64_t addr, const struct msghdr *m)
{
	enum { NAME_LENGTH = 8, CONTROL_LENGTH = 40 };
	uint64_t control = m->msg_controllen;
	uint32_t rest[1] = { (uint32_t)m->msg_flags }, name = m->msg_namelen;
	if (copy_out(t, addr + NAME_LENGTH, &name, sizeof(name)) != 0 ||
		copy_out(t, addr + CONTROL_LENGTH, &control, sizeof(control)) != 0 ||
		copy_out(t, addr + CONTROL_LENGTH + 8, rest, sizeof(rest)) != 0)
		return -EFAULT;
	return 0;
}

int64_t sys_sendmsg(struct thread *t, const uint64_t a[6])
{
	struct msghdr m;
	int64_t r = message_in(t, a[1], &m);
	if (r != 0)
		return r;
	r = SAFE(t, SYS_sendmsg, (int64_t)a[0], HOST(&m), (int64_t)a[2]);
	free(m.msg_iov);
	return r;
}

int64_t sys_recvmsg(struct thread *t, const uint64_t a[6])
{
	struct msghdr m;
	int64_t r = message_in(t, a[1], &m);
	if (r != 0)
		return r;
	r = SAFE(t, SYS_recvmsg, (int64_t)a[0], HOST(&m), (int64_t)a[2]);
	free(m.msg_iov);
	if (r >= 0 && message_out(t, a[1], &m) != 0)
		r = -EFAULT;
	return r;
}

/* Many messages: an array of headers, each with the length that was moved. */
enum { MANY_STRIDE = 64, MANY_LENGTH = 56 };

static int64_t one_of_many(struct thread *t, uint64_t addr, const uint64_t args[6], bool send)
{
	int64_t r = send ? sys_sendmsg(t, args) : sys_recvmsg(t, args);
	uint32_t moved = (uint32_t)r;
	if (r >= 0 && copy_out(t, addr + MANY_LENGTH, &moved, sizeof(moved)) != 0)
		r = -EFAULT;
	return r;
}

static int64_t many(struct thread *t, const uint64_t a[6], bool send)
{
	uint64_t count = a[2] > IOV_MAX ? IOV_MAX : a[2], flags = a[3];
	for (uint64_t i = 0; i < count; i++) {
		uint64_t at = a[1] + i * MANY_STRIDE,
			 args[6] = { a[0], at, flags & ~(uint64_t)MSG_WAITFORONE };
		int64_t r = one_of_many(t, at, args, send);
		if (r < 0)
			return i ? (int64_t)i : r;
		if (!send && flags & MSG_WAITFORONE)
			flags |= MSG_DONTWAIT;
	}
	return (int64_t)count;
}

int64_t sys_sendmmsg(struct thread *t, const uint64_t a[6])
{
	return many(t, a, true);
}

int64_t sys_recvmmsg(struct thread *t, const uint64_t a[6])
{
	return many(t, a, false);
}

/* Options that are structs with pointers are not the kernel's to see as they are. */
int64_t sys_setsockopt(struct thread *t, const uint64_t a[6])
{
	int level = (int)a[1], name = (int)a[2];
	enum { TABLES = 64 }; /* netfilter's, and what is like them */
	if ((level == SOL_IP || level == SOL_IPV6) && name >= TABLES)
		return -ENOPROTOOPT;
	if (level == SOL_SOCKET && (name == SO_ATTACH_FILTER || name == SO_ATTACH_REUSEPORT_CBPF)) {
		struct { /* sock_fprog */
			uint16_t length, reserved[3];
			uint64_t filter;
		} program;
		if (a[4] < sizeof(program))
			return -EINVAL;
		if (copy_in(t, &program, a[3], sizeof(program)) != 0)
			return -EFAULT;
		struct sock_fprog host = { program.length, host_ptr(t, program.filter) };
		return SAFE(
			t, SYS_setsockopt, (int64_t)a[0], level, name, HOST(&host), sizeof(host));
	}
	return SAFE(t, SYS_setsockopt, (int64_t)a[0], level, name, HOST(host_ptr(t, a[3])),
		(int64_t)a[4]);
}
