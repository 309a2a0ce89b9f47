/* SPDX-License-Identifier: MIT */
/* LDAXP and STLXP (Arm ARM C6.2): works on every ARMv8 processor. */
#ifndef JIT_AARCH64_ATOMIC128_H
#define JIT_AARCH64_ATOMIC128_H

/* If *p equals expected, store desired and return true; else expected becomes what was found. */
static inline bool atomic128_cas(void *p, uint64_t expected[2], const uint64_t desired[2])
{
	uint64_t lo, hi;
	uint32_t failed;
	do {
		__asm__ volatile("ldaxp %0, %1, %2"
				 : "=&r"(lo), "=&r"(hi)
				 : "Q"(*(unsigned char(*)[16])p));
		bool same = lo == expected[0] && hi == expected[1];
		/* Storing what was found makes the pair of loads one copy. */
		__asm__ volatile("stlxp %w0, %2, %3, %1"
				 : "=&r"(failed), "=Q"(*(unsigned char(*)[16])p)
				 : "r"(same ? desired[0] : lo), "r"(same ? desired[1] : hi)
				 : "memory");
		if (!failed && same)
			return true;
	} while (failed);
	expected[0] = lo;
	expected[1] = hi;
	return false;
}

#endif
