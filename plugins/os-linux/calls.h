/* SPDX-License-Identifier: MIT */
/* Rows of a table of system calls. */
#ifndef OS_LINUX_CALLS_H
#define OS_LINUX_CALLS_H
#include "linux.h"
#include <sys/syscall.h>

#define C(number, name, args)                                                                      \
	{                                                                                          \
		number, SYS_##name, #name, args, NULL                                              \
	}
#define F(number, name, args, fn)                                                                  \
	{                                                                                          \
		number, SYS_##name, #name, args, fn                                                \
	}
/* Another table's, that is not there for this ABI. */
#define GONE(number, name)                                                                         \
	{                                                                                          \
		number, -1, NULL, NULL, NULL                                                       \
	}
/* Polite refusals: the kernel's answer where the call does not exist. */
#define NONE(number, name, args)                                                                   \
	{                                                                                          \
		number, -1, #name, args, NULL                                                      \
	}

#ifndef SYS_rseq
#define SYS_rseq 293 /* never the host's */
#endif

#endif
