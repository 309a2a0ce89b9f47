/* SPDX-License-Identifier: MIT */
/* The fifth set's memory kernels (see README.md): an index, garbage, messages, areas, merges, prefixes. */
#include "bench.h"
#include <stdlib.h>
#include <string.h>

/* ---- an index: a B+ tree, grown, looked up, read in order ---- */
enum { FAN = 32 };
struct leaf {
	int count, height; /* leaves have none */
	uint32_t key[FAN];
	union {
		struct leaf *child[FAN]; /* key[i] is the least below child[i] */
		uint64_t value[FAN];
	};
	struct leaf *next;
};

/* The last whose key is not above, or 0. */
static int find_slot(const struct leaf *l, uint32_t key)
{
	int low = 0, high = l->count;
	while (low < high) {
		int middle = (low + high) / 2;
		if (l->key[middle] <= key)
			low = middle + 1;
		else
			high = middle;
	}
	return low ? low - 1 : 0;
}

static struct leaf *split(struct leaf *l)
{
	struct leaf *other = calloc(1, sizeof(*other));
	l->count = FAN / 2;
	other->count = FAN - FAN / 2;
	other->height = l->height;
	memcpy(other->key, l->key + FAN / 2, sizeof(l->key) / 2);
	memcpy(other->value, l->value + FAN / 2, sizeof(l->value) / 2);
	other->next = l->next;
	return l->next = other;
}

static void open_slot(struct leaf *l, int at)
{
	memmove(l->key + at + 1, l->key + at, (size_t)(l->count - at) * sizeof(l->key[0]));
	memmove(l->value + at + 1, l->value + at, (size_t)(l->count - at) * sizeof(l->value[0]));
	l->count++;
}

/* The new neighbour, if it had to be split. */
static struct leaf *insert(struct leaf *l, uint32_t key, uint64_t value)
{
	struct leaf *other = NULL, *into = l, *below = NULL;
	int at = find_slot(l, key);
	if (l->height) {
		below = insert(l->child[at], key, value);
		l->key[at] = l->child[at]->key[0];
		if (!below)
			return NULL;
		key = below->key[0];
	} else if (l->count && l->key[at] == key) {
		l->value[at] += value;
		return NULL;
	}
	if (l->count == FAN) {
		other = split(l);
		into = key > other->key[0] ? other : l;
	}
	at = find_slot(into, key);
	at += into->count && into->key[at] < key;
	open_slot(into, at);
	into->key[at] = key;
	if (below)
		into->child[at] = below;
	else
		into->value[at] = value;
	return other;
}

static void drop(struct leaf *l)
{
	for (int i = 0; l->height && i < l->count; i++)
		drop(l->child[i]);
	free(l);
}

static const struct leaf *go_down(const struct leaf *l, uint32_t key)
{
	while (l->height)
		l = l->child[find_slot(l, key)];
	return l;
}

static uint32_t run_btree(unsigned scale)
{
	uint32_t seed = 1972, sum = 1;
	for (unsigned r = 0; r < scale; r++) {
		struct leaf *root = calloc(1, sizeof(*root));
		for (uint32_t i = 0; i < 80000; i++) {
			uint32_t key = next_random(&seed) >> 13;
			struct leaf *other = insert(root, key, i);
			if (!other)
				continue;
			struct leaf *top = calloc(1, sizeof(*top));
			top->count = 2;
			top->height = root->height + 1;
			top->child[0] = root;
			top->child[1] = other;
			top->key[0] = root->key[0];
			top->key[1] = other->key[0];
			root = top;
		}
		for (int i = 0; i < 60000; i++) {
			uint32_t key = next_random(&seed) >> 13;
			const struct leaf *l = go_down(root, key);
			int at = find_slot(l, key);
			sum = mix(sum, l->key[at] == key ? (uint32_t)l->value[at] : 404);
			for (int n = i % 8 ? 0 : 60; n && l; n--) { /* a range */
				sum += l->key[at] ^ (uint32_t)l->value[at];
				if (++at == l->count) {
					l = l->next;
					at = 0;
				}
			}
		}
		drop(root);
	}
	return sum;
}

/* ---- garbage: pairs in half of a memory, copied to the other half where still in use ---- */
enum { PAIRS = 1 << 16, ROOTS = 256, MOVED = -1 };
struct pair {
	int32_t first, second; /* odd: a number; even: twice a pair's index; 0: nothing */
};
struct memory {
	struct pair half[2][PAIRS];
	int now, used, collections;
	int32_t root[ROOTS];
};

static int32_t move_pair(struct memory *m, int32_t value)
{
	struct pair *from = m->half[!m->now], *old = &from[value / 2];
	if (!value || value & 1)
		return value;
	if (old->first != MOVED) {
		m->half[m->now][m->used] = *old;
		old->first = MOVED;
		old->second = 2 * m->used++;
	}
	return old->second;
}

static NOINLINE void collect(struct memory *m)
{
	int scanned = 1;
	m->now = !m->now;
	m->used = 1;
	m->collections++;
	for (int i = 0; i < ROOTS; i++)
		m->root[i] = move_pair(m, m->root[i]);
	for (; scanned < m->used; scanned++) {
		struct pair *p = &m->half[m->now][scanned];
		p->first = move_pair(m, p->first);
		p->second = move_pair(m, p->second);
	}
}

/* From the two roots, which stay where the collector finds them. */
static int32_t make_pair(struct memory *m, int first, int second)
{
	if (m->used == PAIRS)
		collect(m);
	m->half[m->now][m->used] = (struct pair){ m->root[first], m->root[second] };
	return 2 * m->used++;
}

static uint32_t sum_of(const struct memory *m, int32_t value, int most)
{
	uint32_t sum = 1;
	for (; value && !(value & 1) && most; most--) {
		const struct pair *p = &m->half[m->now][value / 2];
		sum = mix(sum, p->first & 1 ? (uint32_t)p->first : sum_of(m, p->first, most / 4));
		value = p->second;
	}
	return sum + (uint32_t)(value & 1);
}

static uint32_t run_garbage(unsigned scale)
{
	static struct memory m;
	uint32_t seed = 1970, sum = 1;
	memset(&m, 0, sizeof(m));
	m.used = 1;
	for (unsigned r = 0; r < 1500000 * scale; r++) {
		uint32_t x = next_random(&seed);
		int a = (int)(x >> 8) % (ROOTS - 2), b = (int)(x >> 18) % (ROOTS - 2);
		switch (x % 16) {
		case 0: m.root[a] = 0; break;
		case 1: m.root[a] = make_pair(&m, a, b); break;
		case 2:
			sum = mix(sum, sum_of(&m, m.root[a], 40));
			m.root[a] = (int32_t)(r << 1 | 1);
			break;
		default: /* a number before a list */
			m.root[ROOTS - 1] = (int32_t)(x >> 4 & 0xfffff) | 1;
			m.root[b] = make_pair(&m, ROOTS - 1, b);
		}
	}
	return mix(sum, (uint32_t)(m.collections * PAIRS + m.used));
}

/* ---- messages: numbers in as many bytes as they need, fields by number, and messages inside ---- */
struct message {
	uint64_t id;
	int64_t balance;
	uint32_t stamp, count, numbers[12];
	char name[24];
	struct {
		int32_t x, y;
	} at;
};

static uint8_t *put_number(uint8_t *to, uint64_t n)
{
	for (; n > 127; n >>= 7)
		*to++ = (uint8_t)(n | 128);
	*to++ = (uint8_t)n;
	return to;
}

static inline const uint8_t *get_number(const uint8_t *from, uint64_t *n)
{
	uint64_t x = 0;
	int bits = 0;
	for (; *from & 128; bits += 7)
		x |= (uint64_t)(*from++ & 127) << bits;
	*n = x | (uint64_t)*from++ << bits;
	return from;
}

static uint64_t zigzag(int64_t n)
{
	return (uint64_t)n << 1 ^ (uint64_t)(n >> 63);
}

static int64_t unzigzag(uint64_t n)
{
	return (int64_t)(n >> 1) ^ -(int64_t)(n & 1);
}

static NOINLINE uint8_t *encode(uint8_t *to, const struct message *m)
{
	uint8_t inner[24], *end;
	size_t n = strlen(m->name);
	to = put_number(put_number(to, 1 << 3), m->id);
	to = put_number(put_number(to, 2 << 3), zigzag(m->balance));
	to = put_number(to, 3 << 3 | 5);
	memcpy(to, &m->stamp, 4);
	to = put_number(put_number(to + 4, 4 << 3 | 2), n);
	memcpy(to, m->name, n);
	to += n;
	for (uint32_t i = 0; i < m->count; i++)
		to = put_number(put_number(to, 5 << 3), m->numbers[i]);
	end = put_number(put_number(inner, 1 << 3), zigzag(m->at.x));
	end = put_number(put_number(end, 2 << 3), zigzag(m->at.y));
	n = (size_t)(end - inner);
	to = put_number(put_number(to, 6 << 3 | 2), n);
	memcpy(to, inner, n);
	return to + n;
}

static NOINLINE void decode(const uint8_t *from, const uint8_t *end, struct message *m)
{
	uint64_t tag, n;
	while (from < end) {
		from = get_number(from, &tag);
		if ((tag & 7) == 5) {
			memcpy(&m->stamp, from, 4);
			from += 4;
			continue;
		}
		from = get_number(from, &n);
		switch (tag >> 3) {
		case 1: m->id = n; break;
		case 2: m->balance = unzigzag(n); break;
		case 4:
			memcpy(m->name, from, n);
			m->name[n] = 0;
			from += n;
			break;
		case 5: m->numbers[m->count++] = (uint32_t)n; break;
		case 6:
			for (const uint8_t *last = from + n; from < last;) {
				from = get_number(get_number(from, &tag), &n);
				*(tag >> 3 == 1 ? &m->at.x : &m->at.y) = (int32_t)unzigzag(n);
			}
		}
	}
}

static uint32_t run_varints(unsigned scale)
{
	enum { MESSAGES = 4000, MOST = 160 };
	uint8_t *wire = malloc(MESSAGES * MOST);
	uint32_t seed = 2008, sum = 1;
	for (unsigned r = 0; r < 15 * scale; r++) {
		uint8_t *end = wire;
		for (int i = 0; i < MESSAGES; i++) {
			uint32_t x = next_random(&seed), y = next_random(&seed);
			struct message m = { .id = (uint64_t)x << (y & 15), .stamp = y };
			uint8_t *start = end + 2;
			m.balance = (int64_t)(x >> (y & 31)) - (int64_t)(y >> (x & 31));
			for (m.count = 0; m.count < x % 12; m.count++)
				m.numbers[m.count] = (y ^ x) >> (2 * m.count);
			for (uint32_t k = 0; k < 4 + y % 16; k++)
				m.name[k] = (char)('a' + (x >> k) % 26);
			m.at.x = (int32_t)x >> 20;
			m.at.y = (int32_t)y >> 12;
			end = encode(start, &m);
			start[-2] = (uint8_t)(end - start);
			start[-1] = (uint8_t)((end - start) >> 8);
		}
		for (const uint8_t *at = wire; at < end;) {
			struct message m = { .count = 0 };
			const uint8_t *start = at + 2;
			at = start + (at[0] | at[1] << 8);
			decode(start, at, &m);
			sum = mix(sum, (uint32_t)m.id ^ (uint32_t)m.balance ^ m.stamp);
			sum = mix(sum, m.count ? m.numbers[m.count - 1] : (uint8_t)m.name[2]);
			sum = mix(sum, (uint32_t)(m.at.x ^ m.at.y));
		}
	}
	free(wire);
	return sum;
}

const struct kernel kernels_mem5[] = {
	{ "btree", "mem5", run_btree },
	{ "garbage", "mem5", run_garbage },
	{ "varints", "mem5", run_varints },
	{ 0 },
};
