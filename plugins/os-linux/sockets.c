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
#include <unistd.h>

/* ---- vectors ---- */

/* The guest's vectors as the host's: 0 or a negative errno; *out is freed by the caller. */
static int64_t vectors_in(
	struct thread *t, uint64_t addr, uint64_t count, struct iovec **out, int too_many)
{
	*out = NULL;
	if (count > IOV_MAX)
		return -too_many;
	struct iovec *v = calloc(count ? count : 1, sizeof(*v));
	if (!v)
		return -ENOMEM;
	for (uint64_t i = 0; i < count; i++) {
		if (struct_in(t, S_IOVEC, &v[i], addr + i * struct_size(t->os, S_IOVEC)) != 0) {
			free(v);
			return -EFAULT;
		}
		/* What is longer than the address space would reach beyond its end. */
		if (v[i].iov_len > t->os->limit && (int64_t)v[i].iov_len >= 0)
			v[i].iov_base = host_ptr(t, t->os->limit);
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
	if (r != 0) {
		m->msg_iov = NULL;
		return r;
	}
	uint64_t vectors = m->msg_iov ? (uint64_t)((uint8_t *)m->msg_iov - t->os->base) : 0;
	r = vectors_in(t, vectors, m->msg_iovlen, &v, EMSGSIZE);
	m->msg_iov = v;
	return r;
}

/* What the kernel changes in the guest's header: lengths and flags. Pointers stay as they are there. */
static int64_t message_out(struct thread *t, uint64_t addr, const struct msghdr *m)
{
	struct msghdr guest;
	uint8_t bytes[STRUCT_MAX];
	if (copy_in(t, bytes, addr, struct_size(t->os, S_MSGHDR)) != 0)
		return -EFAULT;
	struct_load(t->os, S_MSGHDR, &guest, bytes);
	guest.msg_namelen = m->msg_namelen;
	guest.msg_controllen = m->msg_controllen;
	guest.msg_flags = m->msg_flags;
	return struct_out(t, S_MSGHDR, addr, &guest);
}

/* ---- control data: the same where headers and words are the host's; else copied, header by header ---- */

enum { CONTROL_MAX = 16 << 10 };

static uint64_t align_word(const struct thread *t, uint64_t n)
{
	unsigned word = t->os->layout->word;
	return (n + word - 1) & ~(uint64_t)(word - 1);
}

static uint64_t address_of(const struct thread *t, const void *host)
{
	return host ? (uint64_t)((const uint8_t *)host - t->os->base) : 0;
}

/* The guest's control data as the host's, in a buffer that is at least twice as large. */
static int64_t control_in(struct thread *t, struct msghdr *m, uint8_t *out)
{
	uint64_t addr = address_of(t, m->msg_control), head = struct_size(t->os, S_CMSGHDR);
	uint64_t left = m->msg_controllen, size = 0;
	if (left > CONTROL_MAX / 2)
		return -ENOBUFS;
	while (left >= head) {
		struct cmsghdr c;
		if (struct_in(t, S_CMSGHDR, &c, addr) != 0)
			return -EFAULT;
		if (c.cmsg_len < head || c.cmsg_len > left)
			return -EINVAL;
		uint64_t data = c.cmsg_len - head, step = align_word(t, c.cmsg_len);
		if (size + CMSG_SPACE(data) > CONTROL_MAX)
			return -ENOBUFS;
		if (copy_in(t, out + size + sizeof(c), addr + head, data) != 0)
			return -EFAULT;
		c.cmsg_len = CMSG_LEN(data);
		memcpy(out + size, &c, sizeof(c));
		size += CMSG_SPACE(data);
		addr += step;
		left = step > left ? 0 : left - step;
	}
	m->msg_control = out;
	m->msg_controllen = size;
	return 0;
}

static bool is_descriptors(const struct cmsghdr *c)
{
	return c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS;
}

/* Descriptors that the guest is not told of, from data + told on, are not to stay open. */
static void drop_descriptors(const struct cmsghdr *c, uint64_t told)
{
	for (uint64_t at = told; at + sizeof(int) <= c->cmsg_len - CMSG_LEN(0); at += sizeof(int)) {
		int fd;
		memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
		close(fd);
	}
}

/* The other way; what does not fit is cut, and said so. */
static int64_t control_out(struct thread *t, struct msghdr *m, uint64_t addr, uint64_t room)
{
	uint64_t head = struct_size(t->os, S_CMSGHDR), size = 0;
	for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
		struct cmsghdr guest = *c;
		uint64_t data = c->cmsg_len - CMSG_LEN(0);
		if (size + head > room) {
			m->msg_flags |= MSG_CTRUNC;
			if (is_descriptors(c))
				drop_descriptors(c, 0);
			continue;
		}
		if (data > room - size - head) {
			data = room - size - head;
			m->msg_flags |= MSG_CTRUNC;
			if (is_descriptors(c)) {
				data &= ~(uint64_t)(sizeof(int) - 1);
				drop_descriptors(c, data);
				if (!data)
					continue;
			}
		}
		guest.cmsg_len = head + data;
		if (struct_out(t, S_CMSGHDR, addr + size, &guest) != 0 ||
			copy_out(t, addr + size + head, CMSG_DATA(c), data) != 0)
			return -EFAULT;
		size += align_word(t, head + data);
		size = size > room ? room : size;
	}
	m->msg_controllen = size;
	return 0;
}

int64_t sys_sendmsg(struct thread *t, const uint64_t a[6])
{
	struct msghdr m;
	uint8_t control[CONTROL_MAX] __attribute__((aligned(8)));
	int64_t r = message_in(t, a[1], &m);
	if (r == 0 && t->os->layout->word == 4 && m.msg_control)
		r = control_in(t, &m, control);
	if (r == 0)
		r = SAFE(t, SYS_sendmsg, (int64_t)a[0], HOST(&m), (int64_t)a[2]);
	free(m.msg_iov);
	return r;
}

int64_t sys_recvmsg(struct thread *t, const uint64_t a[6])
{
	struct msghdr m;
	uint8_t control[CONTROL_MAX] __attribute__((aligned(8)));
	int64_t r = message_in(t, a[1], &m);
	if (r != 0) {
		free(m.msg_iov);
		return r;
	}
	uint64_t addr = address_of(t, m.msg_control), room = m.msg_controllen;
	bool copied = t->os->layout->word == 4 && addr;
	if (copied) {
		m.msg_control = control;
		/* As much of headers as of data at most: twice the room holds what the guest's does. */
		m.msg_controllen = room > CONTROL_MAX / 2 ? CONTROL_MAX : 2 * room;
	}
	r = SAFE(t, SYS_recvmsg, (int64_t)a[0], HOST(&m), (int64_t)a[2]);
	free(m.msg_iov);
	if (r >= 0 && copied && control_out(t, &m, addr, room) != 0)
		r = -EFAULT;
	if (r >= 0 && message_out(t, a[1], &m) != 0)
		r = -EFAULT;
	return r;
}

/* Many messages: an array of headers, each with the length that was moved. */
static int64_t one_of_many(struct thread *t, uint64_t addr, const uint64_t args[6], bool send)
{
	int64_t r = send ? sys_sendmsg(t, args) : sys_recvmsg(t, args);
	uint32_t moved = (uint32_t)r;
	if (r >= 0 &&
		copy_out(t, addr + t->os->layout->descriptions[S_MMSGHDR].member->guest, &moved,
			sizeof(moved)) != 0)
		r = -EFAULT;
	return r;
}

static int64_t many(struct thread *t, const uint64_t a[6], bool send)
{
	uint64_t count = a[2] > IOV_MAX ? IOV_MAX : a[2], flags = a[3];
	for (uint64_t i = 0; i < count; i++) {
		uint64_t at = a[1] + i * struct_size(t->os, S_MMSGHDR),
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

/* Options that are structs with pointers are not the kernel's to see as they are, set or asked for: it would
 * read and write memory of this process. */
static bool has_pointers(int level, int name)
{
	static const struct {
		int level, first, last;
	} options[] = {
		{ SOL_IP, 64, INT_MAX }, /* netfilter's tables, and what is like them */
		{ SOL_IPV6, 64, 65 }, /* the same */
		{ IPPROTO_TCP, 35, 35 }, /* TCP_ZEROCOPY_RECEIVE */
		{ 132, 111, 111 }, /* SOL_SCTP: SCTP_SOCKOPT_CONNECTX3 */
		{ SOL_PACKET, 22, 22 }, /* PACKET_FANOUT_DATA: a filter */
		{ 276, 0, INT_MAX }, /* SOL_RDS */
		{ 283, 0, INT_MAX }, /* SOL_XDP */
		{ 284, 0, INT_MAX }, /* SOL_MPTCP */
	};
	for (unsigned i = 0; i < sizeof(options) / sizeof(options[0]); i++)
		if (options[i].level == level && name >= options[i].first &&
			name <= options[i].last)
			return true;
	return false;
}

int64_t sys_getsockopt(struct thread *t, const uint64_t a[6])
{
	if (has_pointers((int)a[1], (int)a[2]))
		return -ENOPROTOOPT;
	return SAFE(t, SYS_getsockopt, (int64_t)a[0], (int64_t)a[1], (int64_t)a[2],
		HOST(host_ptr(t, a[3])), HOST(host_ptr(t, a[4])));
}

int64_t sys_setsockopt(struct thread *t, const uint64_t a[6])
{
	int level = (int)a[1], name = (int)a[2];
	if (has_pointers(level, name))
		return -ENOPROTOOPT;
	if (level == SOL_SOCKET && (name == SO_ATTACH_FILTER || name == SO_ATTACH_REUSEPORT_CBPF)) {
		struct sock_fprog host;
		if (a[4] < struct_size(t->os, S_FILTER))
			return -EINVAL;
		if (struct_in(t, S_FILTER, &host, a[3]) != 0)
			return -EFAULT;
		return SAFE(
			t, SYS_setsockopt, (int64_t)a[0], level, name, HOST(&host), sizeof(host));
	}
	return SAFE(t, SYS_setsockopt, (int64_t)a[0], level, name, HOST(host_ptr(t, a[3])),
		(int64_t)a[4]);
}
