/* SPDX-License-Identifier: MIT */
/* The fourth set's memory kernels (see README.md): a skip list, columns, bitmaps, the C library. */
#include "bench.h"
#include <stdlib.h>
#include <string.h>

/* ---- a skip list: put in, found, taken out, walked ---- */
enum { LEVELS = 14 };
struct tower {
	uint32_t key, value;
	struct tower *next[];
};

/* The first that is not below the key; before[] are the ones that lead there. */
static NOINLINE struct tower *seek(struct tower *head, uint32_t key, struct tower **before)
{
	struct tower *at = head;
	for (int level = LEVELS - 1; level >= 0; level--) {
		while (at->next[level] && at->next[level]->key < key)
			at = at->next[level];
		before[level] = at;
	}
	return at->next[0];
}

static struct tower *new_tower(int levels, uint32_t key, uint32_t value)
{
	struct tower *t = calloc(1, sizeof(*t) + (size_t)levels * sizeof(t->next[0]));
	t->key = key;
	t->value = value;
	return t;
}

static void put_in(struct tower **before, uint32_t key, uint32_t x)
{
	int levels = 1;
	for (; levels < LEVELS && !(x & 3); x >>= 2)
		levels++;
	struct tower *t = new_tower(levels, key, x);
	for (int i = 0; i < levels; i++) {
		t->next[i] = before[i]->next[i];
		before[i]->next[i] = t;
	}
}

static void take_out(struct tower **before, struct tower *t)
{
	for (int i = 0; i < LEVELS && before[i]->next[i] == t; i++)
		before[i]->next[i] = t->next[i];
	free(t);
}

static uint32_t use_list(uint32_t sum, uint32_t *seed)
{
	enum { KEYS = 1 << 16 };
	struct tower *head = new_tower(LEVELS, 0, 0), *before[LEVELS];
	for (unsigned i = 0; i < 120000; i++) {
		uint32_t x = next_random(seed), key = next_random(seed) % KEYS;
		struct tower *t = seek(head, key, before);
		if (t && t->key == key && x >> 30) {
			t->value += i;
			sum = mix(sum, t->value);
		} else if (t && t->key == key) {
			take_out(before, t);
		} else if (x >> 30 != 3) {
			put_in(before, key, x);
		} else { /* the next few */
			for (int n = 20; t && n; n--, t = t->next[0])
				sum += t->key ^ t->value;
		}
	}
	for (struct tower *t = head, *next; t; t = next) {
		next = t->next[0];
		sum = mix(sum, t->key);
		free(t);
	}
	return sum;
}

static uint32_t run_skiplist(unsigned scale)
{
	uint32_t seed = 1989, sum = 1;
	for (unsigned r = 0; r < scale; r++)
		sum = use_list(sum, &seed);
	return sum;
}

/* ---- a land of records, walked by columns and by rows ---- */
enum { LAND = 384 };
struct spot {
	uint16_t height, water;
	uint8_t kind, wet;
	int32_t flow;
	uint64_t total;
};

/* Rain, and water that moves from each spot to the next one, if that is lower. */
static NOINLINE uint32_t flow(struct spot *first, size_t along, size_t across)
{
	uint32_t wet = 0;
	for (size_t i = 0; i < LAND; i++) {
		struct spot *s = first + i * across;
		for (size_t k = 0; k < LAND - 1; k++, s += along) {
			struct spot *next = s + along;
			int drop = s->height + s->water - next->height - next->water;
			int moved = drop > 0 ? drop / 2 : 0;
			s->water += s->kind;
			if (moved > s->water)
				moved = s->water;
			s->water -= (uint16_t)moved;
			next->water += (uint16_t)moved;
			s->flow += moved;
			s->total += s->water;
			s->wet = s->water > 10;
			wet += s->wet;
		}
		s->water /= 2; /* the border drains */
	}
	return wet;
}

static uint32_t run_columns(unsigned scale)
{
	struct spot *land = calloc(LAND * LAND, sizeof(*land));
	uint32_t seed = 1993, sum = 1;
	for (int i = 0; i < LAND * LAND; i++) {
		uint32_t x = next_random(&seed);
		land[i].height = (uint16_t)(200 + x % 64 + (uint32_t)(i % LAND) / 4);
		land[i].kind = (uint8_t)(x >> 30);
	}
	for (unsigned r = 0; r < 12 * scale; r++) {
		sum = mix(sum, flow(land, r % 4 ? LAND : 1, r % 4 ? 1 : LAND));
		for (int i = (int)r % 5; i < LAND * LAND; i += 500)
			sum = mix(sum, (uint32_t)land[i].total + (uint32_t)land[i].flow);
	}
	free(land);
	return sum;
}

/* ---- sparse bitmaps: by the upper half of a number a sorted list, or a plain bitmap ---- */
enum { PARTS = 64, LISTED = 2048, WORDS = 65536 / 64 };
struct part {
	uint32_t count;
	uint16_t *list; /* one of the two, or none */
	uint64_t *bits;
};

static uint32_t find_listed(const struct part *p, uint16_t low)
{
	uint32_t from = 0, to = p->count;
	while (from < to) {
		uint32_t middle = (from + to) / 2;
		if (p->list[middle] < low)
			from = middle + 1;
		else
			to = middle;
	}
	return from;
}

static int has(const struct part *parts, uint32_t n)
{
	const struct part *p = &parts[n >> 16];
	if (p->bits)
		return p->bits[(n & 0xffff) / 64] >> n % 64 & 1;
	uint32_t at = find_listed(p, (uint16_t)n);
	return at < p->count && p->list[at] == (uint16_t)n;
}

static void add(struct part *parts, uint32_t n)
{
	struct part *p = &parts[n >> 16];
	if (has(parts, n))
		return;
	if (!p->list && !p->bits)
		p->list = malloc(LISTED * sizeof(*p->list));
	if (p->count == LISTED) {
		p->bits = calloc(WORDS, sizeof(*p->bits));
		for (uint32_t i = 0; i < p->count; i++)
			p->bits[p->list[i] / 64] |= 1ull << p->list[i] % 64;
		free(p->list);
		p->list = NULL;
	}
	if (p->bits) {
		p->bits[(n & 0xffff) / 64] |= 1ull << n % 64;
	} else {
		uint32_t at = find_listed(p, (uint16_t)n);
		memmove(p->list + at + 1, p->list + at, (p->count - at) * sizeof(*p->list));
		p->list[at] = (uint16_t)n;
	}
	p->count++;
}

/* How many numbers are in both. */
static NOINLINE uint32_t count_common(const struct part *a, const struct part *b)
{
	uint32_t common = 0;
	if (a->bits && b->bits) {
		for (int i = 0; i < WORDS; i++)
			common += (uint32_t)__builtin_popcountll(a->bits[i] & b->bits[i]);
	} else if (a->list && b->list) {
		for (uint32_t i = 0, k = 0; i < a->count && k < b->count;) {
			uint16_t x = a->list[i], y = b->list[k];
			common += x == y;
			i += x <= y;
			k += y <= x;
		}
	} else if (a->count && b->count) {
		const struct part *list = a->list ? a : b, *bits = a->list ? b : a;
		for (uint32_t i = 0; i < list->count; i++)
			common += bits->bits[list->list[i] / 64] >> list->list[i] % 64 & 1;
	}
	return common;
}

static void forget(struct part *parts)
{
	for (int i = 0; i < PARTS; i++) {
		free(parts[i].list);
		free(parts[i].bits);
	}
	memset(parts, 0, PARTS * sizeof(*parts));
}

static uint32_t run_bitmaps(unsigned scale)
{
	static struct part a[PARTS], b[PARTS];
	uint32_t seed = 2016, sum = 1;
	for (unsigned r = 0; r < scale; r++) {
		for (unsigned i = 0; i < 100000; i++) {
			uint32_t x = next_random(&seed), part = (x >> 26) * (x >> 20 & 63) / 64;
			add(x & 0x10000 ? a : b, part << 16 | (x & 0xffff));
			if (i % 1000 == 999)
				for (int k = 0; k < PARTS; k++)
					sum += count_common(&a[k], &b[k]);
			sum = mix(sum, (uint32_t)has(a, next_random(&seed) % (PARTS << 16)));
		}
		for (int k = 0; k < PARTS; k++)
			sum = mix(sum, a[k].count ^ b[k].count << 16);
		forget(a);
		forget(b);
	}
	return sum;
}

/* ---- the C library: records found by memchr, sorted by qsort, looked up by bsearch ---- */
struct field {
	const char *at;
	size_t bytes;
};

static int compare_fields(const void *a, const void *b)
{
	const struct field *x = a, *y = b;
	size_t bytes = x->bytes < y->bytes ? x->bytes : y->bytes;
	int order = memcmp(x->at, y->at, bytes);
	return order ? order : (x->bytes > y->bytes) - (x->bytes < y->bytes);
}

static size_t split(const char *text, size_t bytes, struct field *fields)
{
	size_t n = 0;
	for (const char *end = text + bytes, *next; text < end; text = next + 1) {
		next = memchr(text, '\n', (size_t)(end - text));
		fields[n++] = (struct field){ text, (size_t)(next - text) };
	}
	return n;
}

static uint32_t run_library(unsigned scale)
{
	enum { RECORDS = 5000, LONGEST = 64 };
	char *text = malloc(RECORDS * LONGEST), *sorted = malloc(RECORDS * LONGEST);
	struct field *fields = malloc(RECORDS * sizeof(*fields));
	uint32_t seed = 1978, sum = 1;
	for (unsigned r = 0; r < 10 * scale; r++) {
		size_t bytes = 0, at = 0, n;
		for (int i = 0; i < RECORDS; i++) {
			uint32_t x = next_random(&seed), same = x % 16;
			memset(text + bytes, 'a' + (int)(x >> 30), same);
			bytes += same;
			for (uint32_t k = x >> 20 & 31; k < 36; k++)
				text[bytes++] = (char)('a' + next_random(&seed) % 26);
			text[bytes++] = '\n';
		}
		n = split(text, bytes, fields);
		qsort(fields, n, sizeof(*fields), compare_fields);
		for (size_t i = 0; i < n; i++) {
			memcpy(sorted + at, fields[i].at, fields[i].bytes + 1);
			at += fields[i].bytes + 1;
		}
		for (int i = 0; i < RECORDS; i++) {
			const char *part = sorted + next_random(&seed) % (bytes - LONGEST);
			struct field key = { part, i % 2 ? fields[i].bytes : 5 };
			if (i % 2)
				key.at = fields[i].at;
			struct field *found = bsearch(&key, fields, n, sizeof(key), compare_fields);
			sum = mix(sum, found ? (uint32_t)found->bytes : (uint8_t)part[0]);
		}
		for (size_t i = 0; i < bytes; i += 97)
			sum = mix(sum, (uint8_t)sorted[i]);
	}
	free(text);
	free(sorted);
	free(fields);
	return sum;
}

const struct kernel kernels_mem4[] = {
	{ "skiplist", "mem4", run_skiplist },
	{ "columns", "mem4", run_columns },
	{ "bitmaps", "mem4", run_bitmaps },
	{ "library", "mem4", run_library },
	{ 0 },
};
