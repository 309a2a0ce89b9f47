/* SPDX-License-Identifier: MIT */
/* Loops that compilers vectorise: built once as they stand and once with VECTORISED, by an optimiser
 * that may. Same work, same checksums. */
#include "bench.h"

#ifdef VECTORISED
#define TABLE       kernels_vecv
#define GROUP       "vecv"
#define NAMED(name) name "_v"
#else
#define TABLE       kernels_vecs
#define GROUP       "vecs"
#define NAMED(name) name "_s"
#endif

enum { N = 4096 };
static float fa[N], fb[N];
static int32_t ia[N], ib[N];

static uint32_t run_saxpy(unsigned scale)
{
	for (int i = 0; i < N; i++) {
		fa[i] = i & 7;
		fb[i] = i & 3;
	}
	for (unsigned r = 0; r < 12000 * scale; r++) {
		float k = (r & 1) ? 0.5f : -0.5f;
		for (int i = 0; i < N; i++)
			fb[i] += k * fa[i];
	}
	return float_sum(fb[100]);
}

static uint32_t run_isum(unsigned scale)
{
	uint32_t sum = 0;
	for (int i = 0; i < N; i++) {
		ia[i] = i * 77;
		ib[i] = i ^ 55;
	}
	for (unsigned r = 0; r < 12000 * scale; r++) {
		uint32_t t = 0;
		ia[r & (N - 1)] += r;
		for (int i = 0; i < N; i++)
			t += (uint32_t)(ia[i] ^ ib[i]) + (uint32_t)(ia[i] >> 3);
		sum ^= t;
	}
	return sum;
}

const struct kernel TABLE[] = {
	{ NAMED("saxpy"), GROUP, run_saxpy },
	{ NAMED("isum"), GROUP, run_isum },
	{ 0 },
};
