/* SPDX-License-Identifier: MIT */
/* Kernels: small programs that do `scale` units of work and return a checksum of it, the same on
 * every machine. */
#ifndef BENCH_H
#define BENCH_H
#include <stddef.h>
#include <stdint.h>

struct kernel {
	const char *name, *group;
	uint32_t (*run)(unsigned scale);
};

/* Tables end with a NULL name. */
extern const struct kernel kernels_int[], kernels_codec[], kernels_mem[], kernels_flt[],
	kernels_vecs[], kernels_vecv[], kernels_sys[];
/* The second set (see README.md). */
extern const struct kernel kernels_int2[], kernels_mem2[], kernels_flt2[], kernels_sys2[];
/* The third set. */
extern const struct kernel kernels_int3[], kernels_text3[], kernels_mem3[], kernels_flt3[],
	kernels_signal3[], kernels_sys3[];
/* The fourth set. */
extern const struct kernel kernels_int4[], kernels_text4[], kernels_mem4[], kernels_flt4[],
	kernels_picture4[], kernels_sys4[];
/* The fifth set. */
extern const struct kernel kernels_int5[], kernels_text5[], kernels_code5[], kernels_mem5[],
	kernels_table5[], kernels_flt5[], kernels_scene5[], kernels_sys5[];

#define NOINLINE __attribute__((noinline))

static inline uint32_t next_random(uint32_t *state)
{
	uint32_t x = *state;
	x ^= x << 13;
	x ^= x >> 17;
	x ^= x << 5;
	return *state = x;
}

static inline uint32_t mix(uint32_t sum, uint32_t value)
{
	sum ^= value;
	sum *= 0x9e3779b1u;
	return sum ^ (sum >> 15);
}

uint32_t float_sum(double d); /* of six digits */
#endif
