/* SPDX-License-Identifier: MIT */
/* LOCK CMPXCHG16B (Intel SDM volume 2A, CMPXCHG8B/CMPXCHG16B). */
#ifndef JIT_X86_64_ATOMIC128_H
#define JIT_X86_64_ATOMIC128_H

/* If *p equals expected, store desired and return true; else expected becomes what was found. */
static inline bool atomic128_cas(void *p, uint64_t expected[2], const uint64_t desired[2])
{
	bool ok;
	__asm__ volatile(
		"lock cmpxchg16b %1"
		: "=@ccz"(ok), "+m"(*(unsigned char(*)[16])p), "+a"(expected[0]), "+d"(expected[1])
		: "b"(desired[0]), "c"(desired[1])
		: "memory");
	return ok;
}

#endif
