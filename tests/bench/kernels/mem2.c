/* SPDX-License-Identifier: MIT */
/* The second set's memory kernels (see README.md): lists, transposes, short strings, sorts, counts. */
#include "bench.h"
#include <stdlib.h>
#include <string.h>

/* ---- a list whose order is random ---- */
struct link {
	struct link *next;
	uint32_t value, visits;
	uint64_t rest[6];
};

static uint32_t run_list(unsigned scale)
{
	enum { LINKS = 1 << 17 };
	struct link *pool = malloc(LINKS * sizeof(*pool));
	uint32_t *order = malloc(LINKS * sizeof(*order));
	uint32_t seed = 17, sum = 1;
	for (uint32_t i = 0; i < LINKS; i++)
		order[i] = i;
	for (uint32_t i = LINKS - 1; i; i--) {
		uint32_t k = next_random(&seed) % (i + 1), t = order[i];
		order[i] = order[k];
		order[k] = t;
	}
	for (uint32_t i = 0; i < LINKS; i++) {
		struct link *l = &pool[order[i]];
		l->next = i + 1 < LINKS ? &pool[order[i + 1]] : NULL;
		l->value = next_random(&seed);
		l->visits = 0;
	}
	for (unsigned r = 0; r < 5 * scale; r++)
		for (struct link *l = &pool[order[0]]; l; l = l->next)
			sum += l->value ^ ++l->visits;
	free(pool);
	free(order);
	return sum;
}

/* ---- a transpose that misses the caches ---- */
static uint32_t run_transpose(unsigned scale)
{
	enum { SIDE = 1500 };
	uint32_t *from = malloc(sizeof(*from) * SIDE * SIDE),
		 *to = malloc(sizeof(*to) * SIDE * SIDE);
	uint32_t sum = 1;
	for (uint32_t i = 0; i < SIDE * SIDE; i++)
		from[i] = i * 2654435761u;
	for (unsigned r = 0; r < 16 * scale; r++) {
		for (size_t i = 0; i < SIDE; i++)
			for (size_t j = 0; j < SIDE; j++)
				to[j * SIDE + i] = from[i * SIDE + j] + r;
		uint32_t *t = from;
		from = to;
		to = t;
		sum = mix(sum, from[(r * 7919u) % (SIDE * SIDE)]);
	}
	free(from);
	free(to);
	return sum;
}

/* ---- the C library's functions on short strings ---- */
static uint32_t run_strings(unsigned scale)
{
	enum { BYTES = 1 << 14, LONGEST = 200 };
	char *text = malloc(BYTES + 2 * LONGEST), *copy = malloc(BYTES + 2 * LONGEST);
	uint32_t seed = 23, sum = 1;
	memset(text, 'a', BYTES + 2 * LONGEST);
	memset(copy, 'b', BYTES + 2 * LONGEST);
	for (unsigned i = 0; i < 1600000 * scale; i++) {
		uint32_t x = next_random(&seed);
		size_t bytes = (x & 7) ? x % 31 + 1 : x % (LONGEST - 1) + 1, at = (x >> 8) % BYTES;
		size_t shift = (x >> 24) % 24;
		char was = text[at + bytes], *found;
		text[at + bytes] = 0;
		sum += (uint32_t)strlen(text + at);
		memmove(text + at + shift, text + at, bytes);
		memcpy(copy + at, text + at + shift, bytes);
		memset(text + at, 'a' + (int)(x >> 28), bytes);
		found = memchr(copy + at, 'a' + (int)(i % 16), bytes);
		sum = mix(sum, found ? (uint32_t)(found - copy) : 0);
		sum += memcmp(copy + at, text + at, bytes) > 0;
		if (!text[at + bytes])
			text[at + bytes] = was;
	}
	for (size_t i = 0; i < BYTES; i++)
		sum = mix(sum, (uint8_t)copy[i]);
	free(text);
	free(copy);
	return sum;
}

/* ---- a radix sort ---- */
static uint32_t run_radix(unsigned scale)
{
	enum { KEYS = 1 << 22, BITS = 11, BUCKETS = 1 << BITS };
	uint32_t *keys = malloc(KEYS * sizeof(*keys)), *other = malloc(KEYS * sizeof(*other));
	uint32_t seed = 29, sum = 1;
	for (unsigned r = 0; r < scale; r++) {
		for (size_t i = 0; i < KEYS; i++)
			keys[i] = next_random(&seed);
		for (unsigned shift = 0; shift < 32; shift += BITS) {
			uint32_t place[BUCKETS] = { 0 }, before = 0;
			for (size_t i = 0; i < KEYS; i++)
				place[keys[i] >> shift & (BUCKETS - 1)]++;
			for (size_t i = 0; i < BUCKETS; i++) {
				uint32_t count = place[i];
				place[i] = before;
				before += count;
			}
			for (size_t i = 0; i < KEYS; i++)
				other[place[keys[i] >> shift & (BUCKETS - 1)]++] = keys[i];
			uint32_t *t = keys;
			keys = other;
			other = t;
		}
		for (size_t i = 1; i < KEYS; i += 997)
			sum = mix(sum, keys[i] - (keys[i - 1] > keys[i]));
	}
	free(keys);
	free(other);
	return sum;
}

/* ---- counts of bytes and pairs, scattered sums ---- */
static uint32_t run_scatter(unsigned scale)
{
	enum { BYTES = 1 << 20, SUMS = 1 << 20 };
	uint8_t *bytes = malloc(BYTES);
	uint64_t *sums = calloc(SUMS, sizeof(*sums));
	uint32_t *pairs = calloc(1 << 16, sizeof(*pairs)), counts[256] = { 0 };
	uint32_t seed = 37, sum = 1;
	for (size_t i = 0; i < BYTES; i++)
		bytes[i] = (uint8_t)(next_random(&seed) >> (i & 3));
	for (unsigned r = 0; r < 8 * scale; r++) {
		bytes[r % BYTES] ^= 0x55;
		for (size_t i = 0; i < BYTES; i++)
			counts[bytes[i]]++;
		for (size_t i = 1; i < BYTES; i++)
			pairs[bytes[i - 1] << 8 | bytes[i]]++;
		for (size_t i = 0; i < BYTES; i++)
			sums[(i * 40503u + bytes[i] * 4099u + r) % SUMS] += i;
	}
	for (int i = 0; i < 256; i++)
		sum = mix(sum, counts[i] ^ pairs[i * 255]);
	for (size_t i = 0; i < SUMS; i += 101)
		sum = mix(sum, (uint32_t)sums[i]);
	free(bytes);
	free(sums);
	free(pairs);
	return sum;
}

const struct kernel kernels_mem2[] = {
	{ "list8M", "mem2", run_list },
	{ "transpose", "mem2", run_transpose },
	{ "strings", "mem2", run_strings },
	{ "radix", "mem2", run_radix },
	{ "scatter", "mem2", run_scatter },
	{ 0 },
};
