/* SPDX-License-Identifier: MIT */
/* Memory kernels: copies, streams, walks beyond the caches. */
#include "bench.h"
#include <stdlib.h>
#include <string.h>

static uint32_t run_memcpy(unsigned scale)
{
	size_t n = 1 << 20;
	uint8_t *a = malloc(n), *b = malloc(n);
	memset(a, 1, n);
	memset(b, 2, n);
	uint32_t h = 0;
	for (unsigned i = 0; i < 900 * scale; i++) {
		a[i & (n - 1)] += i;
		memcpy(b, a, n);
		memcpy(a + 64, b + 3, n - 128);
		h += b[(i * 4099) & (n - 1)];
	}
	free(a);
	free(b);
	return h;
}

static uint32_t run_stream(unsigned scale)
{
	size_t n = 1 << 17;
	double *a = malloc(n * 8), *b = malloc(n * 8), *c = malloc(n * 8);
	for (size_t i = 0; i < n; i++) {
		a[i] = 1;
		b[i] = 2;
		c[i] = i & 7;
	}
	for (unsigned r = 0; r < 180 * scale; r++) {
		for (size_t i = 0; i < n; i++)
			c[i] = a[i];
		for (size_t i = 0; i < n; i++)
			b[i] = 0.5 * c[i];
		for (size_t i = 0; i < n; i++)
			c[i] = a[i] + b[i];
		for (size_t i = 0; i < n; i++)
			a[i] = b[i] + 0.25 * c[i];
	}
	uint32_t h = float_sum(a[5] + a[n - 1]);
	free(a);
	free(b);
	free(c);
	return h;
}

static uint32_t run_chase(unsigned scale)
{
	enum { N = 1 << 24 };
	uint32_t *a = malloc(N * sizeof(*a));
	/* A linear congruential generator of full period: one walk through all. */
	for (uint32_t i = 0; i < N; i++)
		a[i] = (i * 1664525u + 1013904223u) & (N - 1);
	uint32_t p = 1;
	for (unsigned i = 0; i < 1000000 * scale; i++)
		p = a[p];
	free(a);
	return p;
}

static uint32_t run_hash(unsigned scale)
{
	enum { N = 1 << 22 };
	uint32_t *at = malloc(N * sizeof(*at));
	uint32_t seed = 99, steps = 0;
	for (unsigned r = 0; r < scale; r++) {
		memset(at, 0, N * sizeof(*at));
		for (unsigned i = 0; i < 1500000; i++) {
			uint32_t key = next_random(&seed) | 1, k = key * 2654435761u >> 10;
			for (; at[k] && at[k] != key; steps++)
				k = (k + 1) % N;
			if (i % 2)
				at[k] = key;
		}
	}
	free(at);
	return steps;
}

const struct kernel kernels_mem[] = {
	{ "memcpy", "mem", run_memcpy },
	{ "stream", "mem", run_stream },
	{ "chase64M", "mem", run_chase },
	{ "hash16M", "mem", run_hash },
	{ 0 },
};
