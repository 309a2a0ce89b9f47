/* SPDX-License-Identifier: MIT */
/* The third set's memory kernels (see README.md): allocation, joins, caches, texts, pictures. */
#include "bench.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* ---- malloc, realloc and free of all sizes ---- */
static uint32_t run_alloc(unsigned scale)
{
	enum { SLOTS = 4096 };
	static struct {
		uint8_t *at;
		size_t bytes;
	} slots[SLOTS];
	uint32_t seed = 73, sum = 1;
	for (unsigned i = 0; i < 600000 * scale; i++) {
		uint32_t x = next_random(&seed), slot = x % SLOTS;
		size_t bytes = (x >> 12) % ((x >> 28) ? 200 : 8000) + 1, old = slots[slot].bytes;
		uint8_t *at = slots[slot].at;
		if (at)
			sum = mix(sum, at[0] + at[old - 1]);
		if (!at || (x >> 20) % 4 == 0) {
			at = realloc(at, bytes);
		} else {
			free(at);
			at = x >> 31 ? malloc(bytes) : NULL;
		}
		slots[slot].at = at;
		slots[slot].bytes = bytes;
		if (at)
			at[0] = at[bytes - 1] = (uint8_t)i;
	}
	for (int i = 0; i < SLOTS; i++) {
		free(slots[i].at);
		slots[i].at = NULL;
		slots[i].bytes = 0;
	}
	return sum;
}

/* ---- a join of two tables by a hash of the first, and sums of groups ---- */
struct customer {
	uint32_t key, country, next;
	char name[20];
};
struct order {
	uint32_t customer, amount;
	uint64_t when;
};

static uint32_t run_join(unsigned scale)
{
	enum { CUSTOMERS = 1 << 15, ORDERS = 1 << 18, HEADS = 1 << 15, COUNTRIES = 64 };
	struct customer *customers = calloc(CUSTOMERS, sizeof(*customers));
	struct order *orders = malloc(ORDERS * sizeof(*orders));
	uint32_t *heads = malloc(HEADS * sizeof(*heads)), seed = 79, sum = 1;
	for (uint32_t i = 0; i < CUSTOMERS; i++) {
		customers[i].key = next_random(&seed);
		customers[i].country = next_random(&seed) % COUNTRIES;
		customers[i].name[0] = (char)('a' + i % 26);
	}
	for (uint32_t i = 0; i < ORDERS; i++) {
		uint32_t x = next_random(&seed);
		orders[i].customer = x % 8 ? customers[(x >> 3) % CUSTOMERS].key : x;
		orders[i].amount = next_random(&seed) % 10000;
		orders[i].when = i;
	}
	for (unsigned r = 0; r < 5 * scale; r++) {
		uint64_t totals[COUNTRIES] = { 0 };
		uint32_t missing = 0;
		memset(heads, 0xff, HEADS * sizeof(*heads));
		for (uint32_t i = 0; i < CUSTOMERS; i++) {
			uint32_t *head = &heads[customers[i].key * 2654435761u >> 17];
			customers[i].next = *head;
			*head = i;
		}
		for (uint32_t i = 0; i < ORDERS; i++) {
			uint32_t c = heads[orders[i].customer * 2654435761u >> 17];
			while (c != UINT32_MAX && customers[c].key != orders[i].customer)
				c = customers[c].next;
			if (c == UINT32_MAX)
				missing++;
			else if (customers[c].name[0] != 'q' && orders[i].when % 16 != r % 16)
				totals[customers[c].country] += orders[i].amount;
		}
		sum = mix(sum, missing);
		for (int i = 0; i < COUNTRIES; i++)
			sum = mix(sum, (uint32_t)totals[i]);
	}
	free(customers);
	free(orders);
	free(heads);
	return sum;
}

/* ---- a cache that forgets what was used least recently ---- */
struct entry {
	struct entry *newer, *older, *chain;
	uint32_t key, uses;
};

static void unlink_entry(struct entry *e)
{
	e->newer->older = e->older;
	e->older->newer = e->newer;
}

static void link_newest(struct entry *ring, struct entry *e)
{
	e->newer = ring;
	e->older = ring->older;
	ring->older->newer = e;
	ring->older = e;
}

static uint32_t run_lru(unsigned scale)
{
	enum { ENTRIES = 1 << 15, HEADS = 1 << 15 };
	struct entry *pool = calloc(ENTRIES, sizeof(*pool)), **heads, ring;
	uint32_t seed = 83, hits = 0, sum = 1;
	heads = calloc(HEADS, sizeof(*heads));
	ring.newer = ring.older = &ring;
	for (uint32_t i = 0; i < ENTRIES; i++) {
		struct entry **head = &heads[i * 40503u % HEADS];
		pool[i].key = i;
		pool[i].chain = *head;
		*head = &pool[i];
		link_newest(&ring, &pool[i]);
	}
	for (unsigned i = 0; i < 1600000 * scale; i++) {
		uint32_t x = next_random(&seed), key = (x & 0x1ffff) >> (x >> 28) % 6;
		struct entry *e = heads[key * 40503u % HEADS];
		while (e && e->key != key)
			e = e->chain;
		if (!e) {
			struct entry **at;
			e = ring.newer; /* the oldest */
			sum = mix(sum, e->key + e->uses);
			for (at = &heads[e->key * 40503u % HEADS]; *at != e;)
				at = &(*at)->chain;
			*at = e->chain;
			e->key = key;
			e->uses = 0;
			e->chain = heads[key * 40503u % HEADS];
			heads[key * 40503u % HEADS] = e;
		} else {
			hits++;
		}
		e->uses++;
		unlink_entry(e);
		link_newest(&ring, e);
	}
	free(pool);
	free(heads);
	return mix(sum, hits);
}

/* ---- a table as text, split and read by the C library ---- */
static NOINLINE uint32_t read_line(char *line)
{
	static const char *const kinds[4] = { "apple", "apricot", "banana", "cherry" };
	char kept[64] = "", *comma = strchr(line, ','), *rest;
	uint32_t sum = 0;
	*comma = 0;
	for (uint32_t i = 0; i < 4; i++)
		if (!strcmp(line, kinds[i]))
			sum += i;
	sum += (uint32_t)strtol(comma + 1, &rest, 10);
	sum = mix(sum, (uint32_t)strtoul(rest + 1, &rest, 16));
	comma = strrchr(rest + 1, ',');
	strncat(kept, rest + 1, (size_t)(comma - rest - 1));
	sum += strstr(kept, "old") ? 7 : 1;
	sum += (uint32_t)strspn(kept, "abcdefgh ") * 16 + (uint32_t)strcspn(comma, "xyz");
	return mix(sum, (uint32_t)strlen(kept));
}

static uint32_t run_csv(unsigned scale)
{
	static const char *const kinds[4] = { "apple", "banana", "cherry", "plum" };
	static const char *const notes[4] = { "fresh", "a bad one, cold", "two days old", "" };
	enum { LINES = 4000, LONGEST = 80 };
	char *text = malloc(LINES * LONGEST), *copy = malloc(LINES * LONGEST);
	uint32_t seed = 89, sum = 1;
	for (unsigned r = 0; r < 30 * scale; r++) {
		size_t n = 0;
		for (int i = 0; i < LINES; i++) {
			uint32_t x = next_random(&seed);
			n += (size_t)snprintf(text + n, LONGEST, "%s,%d,%08x,%s,%c\n",
				kinds[x >> 30], (int)(x >> 8 & 0xffff) - 1000, x,
				notes[x >> 28 & 3], 'a' + (int)(x % 26));
		}
		strcpy(copy, text);
		for (char *at = copy, *end; (end = memchr(at, '\n', n)); at = end + 1) {
			*end = 0;
			n -= (size_t)(end + 1 - at);
			sum = mix(sum, read_line(at));
		}
	}
	free(text);
	free(copy);
	return sum;
}

/* ---- an editor's text with a gap at the cursor ---- */
struct editor {
	char *text;
	size_t gap, after, size; /* the gap is from gap to after */
};

static void move_cursor(struct editor *e, size_t to)
{
	if (to < e->gap) {
		memmove(e->text + e->after - (e->gap - to), e->text + to, e->gap - to);
		e->after -= e->gap - to;
	} else {
		memmove(e->text + e->gap, e->text + e->after, to - e->gap);
		e->after += to - e->gap;
	}
	e->gap = to;
}

static void type(struct editor *e, const char *what, size_t bytes)
{
	if (e->after - e->gap < bytes) {
		size_t tail = e->size - e->after, size = e->size * 3 / 2 + bytes;
		e->text = realloc(e->text, size);
		memmove(e->text + size - tail, e->text + e->after, tail);
		e->after = size - tail;
		e->size = size;
	}
	memcpy(e->text + e->gap, what, bytes);
	e->gap += bytes;
}

static uint32_t run_editor(unsigned scale)
{
	static const char pieces[] = "The quick brown fox jumps over the lazy dog, and again.\n";
	struct editor e = { malloc(64), 0, 64, 64 };
	uint32_t seed = 97, sum = 1;
	for (unsigned i = 0; i < 1000000 * scale; i++) {
		uint32_t x = next_random(&seed);
		size_t length = e.size - (e.after - e.gap), far = (x >> 24) ? 300 : 100000;
		size_t step = (x >> 4) % far;
		if (x & 1)
			move_cursor(&e, e.gap > step ? e.gap - step : 0);
		else
			move_cursor(&e, e.gap + step < length ? e.gap + step : length);
		if (length > 150000)
			e.after += (e.size - e.after) / 2;
		else if (x % 8 < 6 || e.size - e.after < 200)
			type(&e, pieces + x % 16, 1 + (x >> 12) % 40);
		else
			e.after += x >> 25;
		sum += e.gap && e.after < e.size ? (uint8_t)e.text[e.gap - 1] * 3u : 1;
	}
	move_cursor(&e, 0);
	for (size_t i = e.after; i < e.size; i++)
		sum = mix(sum, (uint8_t)e.text[i]);
	free(e.text);
	return sum;
}

/* ---- big records, passed and kept by value ---- */
struct person {
	uint32_t key, age;
	char name[40], street[56], town[32];
	uint64_t dates[8];
};

static NOINLINE struct person renewed(struct person p, uint32_t x)
{
	p.key ^= x;
	p.age++;
	p.name[x % sizeof(p.name)] = (char)x;
	p.dates[x % 8] += p.key;
	return p;
}

static uint32_t run_records(unsigned scale)
{
	enum { PEOPLE = 4096, SORTED = 64 };
	struct person *all = calloc(PEOPLE, sizeof(*all));
	uint32_t seed = 101, sum = 1;
	for (unsigned r = 0; r < 300 * scale; r++) {
		for (uint32_t i = 0; i < PEOPLE; i++) {
			uint32_t x = next_random(&seed);
			struct person t = all[x % PEOPLE];
			all[x % PEOPLE] = renewed(all[i], x);
			all[i] = t;
		}
		struct person *part = all + r * SORTED % PEOPLE;
		for (int i = 1; i < SORTED; i++) { /* by insertion */
			struct person t = part[i];
			int k = i;
			for (; k && part[k - 1].key > t.key; k--)
				part[k] = part[k - 1];
			part[k] = t;
		}
		sum = mix(sum, part[r % SORTED].key);
	}
	for (int i = 0; i < PEOPLE; i++)
		sum = mix(sum, all[i].key ^ all[i].age ^ (uint32_t)all[i].dates[i % 8]);
	free(all);
	return sum;
}

/* ---- pictures of 32-bit pixels: blended, turned, halved ---- */
enum { SIDE = 512 };

static uint32_t blended(uint32_t below, uint32_t above)
{
	uint32_t alpha = above >> 24, result = 0xff000000;
	for (int shift = 0; shift < 24; shift += 8) {
		uint32_t a = above >> shift & 255, b = below >> shift & 255;
		result |= (a * alpha + b * (255 - alpha) + 127) / 255 << shift;
	}
	return result;
}

static uint32_t run_pixels(unsigned scale)
{
	uint32_t *below = malloc(sizeof(*below) * SIDE * SIDE);
	uint32_t *above = malloc(sizeof(*above) * SIDE * SIDE);
	uint32_t seed = 103, sum = 1;
	for (int i = 0; i < SIDE * SIDE; i++) {
		below[i] = next_random(&seed) | 0xff000000;
		above[i] = next_random(&seed);
	}
	for (unsigned r = 0; r < 6 * scale; r++) {
		for (int i = 0; i < SIDE * SIDE; i++)
			below[i] = blended(below[i], above[i]);
		for (int y = 0; y < SIDE; y++)
			for (int x = 0; x < SIDE; x++)
				above[x * SIDE + SIDE - 1 - y] =
					below[y * SIDE + x] - ((uint32_t)(x ^ y) << 24);
		for (int y = 0; y < SIDE / 2; y++)
			for (int x = 0; x < SIDE / 2; x++) {
				const uint32_t *p = &above[2 * y * SIDE + 2 * x];
				uint32_t even = 0, odd = 0;
				for (int k = 0; k < 4; k++) {
					uint32_t c = p[k / 2 * SIDE + k % 2];
					even += c & 0xff00ff;
					odd += c >> 8 & 0xff00ff;
				}
				below[(y + (int)r % 200) * SIDE + x] =
					(even >> 2 & 0xff00ff) | (odd << 6 & 0xff00ff00);
			}
		sum = mix(sum, below[(r * 7919u) % (SIDE * SIDE)]);
	}
	for (int i = 0; i < SIDE * SIDE; i += 31)
		sum = mix(sum, below[i] ^ above[i]);
	free(below);
	free(above);
	return sum;
}

const struct kernel kernels_mem3[] = {
	{ "alloc", "mem3", run_alloc },
	{ "join", "mem3", run_join },
	{ "lru", "mem3", run_lru },
	{ "csv", "mem3", run_csv },
	{ "editor", "mem3", run_editor },
	{ "records", "mem3", run_records },
	{ "pixels", "mem3", run_pixels },
	{ 0 },
};
