/* SPDX-License-Identifier: MIT */
/* 128-bit atomics: written for each host, so that no library is needed.
 * p is 16-byte aligned; values are two 64-bit halves, low first. */
#ifndef JIT_ATOMIC128_H
#define JIT_ATOMIC128_H
#include <stdbool.h>
#include <stdint.h>

#if defined(__x86_64__)
#include "jit/x86_64/atomic128.h"
#elif defined(__aarch64__)
#include "jit/aarch64/atomic128.h"
#else
#error "this host needs its 128-bit compare-and-swap in core/jit/HOST/atomic128.h"
#endif

static inline void atomic128_load(void *p, uint64_t value[2])
{
	const uint64_t zero[2] = { 0, 0 };
	value[0] = value[1] = 0;
	atomic128_cas(p, value, zero);
}

#endif
