/* SPDX-License-Identifier: MIT */
/* Rows of descriptions: the host's member by name, the guest's by offset and size. */
#ifndef OS_LINUX_MEMBERS_H
#define OS_LINUX_MEMBERS_H
#include "linux.h"
#include <elf.h>
#include <linux/filter.h>
#include <mqueue.h>
#include <net/if.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <sys/sysinfo.h>
#include <sys/time.h>
#include <sys/times.h>
#include <sys/uio.h>
#include <time.h>

#define ROW(type, member, guest, size, kind)                                                       \
	{                                                                                          \
		(uint16_t) offsetof(type, member), (uint16_t)sizeof(((type *)0)->member), guest,   \
			size, kind                                                                 \
	}
#define U(type, member, guest, size) ROW(type, member, guest, size, MEMBER_UNSIGNED)
#define S(type, member, guest, size) ROW(type, member, guest, size, MEMBER_SIGNED)
#define P(type, member, guest, size) ROW(type, member, guest, size, MEMBER_POINTER)
#define B(type, member, guest, size) ROW(type, member, guest, size, MEMBER_BYTES)
/* What a host's struct is, what the guest's measures, its members. */
#define IS(type, size, members)                                                                    \
	{                                                                                          \
		sizeof(type), size, members                                                        \
	}

#endif
