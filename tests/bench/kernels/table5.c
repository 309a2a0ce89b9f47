/* SPDX-License-Identifier: MIT */
/* The fifth set's memory kernels on tables: areas of a picture, merged runs, routes by prefix. */
#include "bench.h"
#include <stdlib.h>
#include <string.h>

/* ---- connected areas of a picture: labelled, joined, measured ---- */
enum { WIDE = 640, HIGH = 400 };
struct area {
	uint32_t pixels;
	uint16_t left, right, top, bottom;
};
struct scan {
	uint8_t pixel[HIGH][WIDE];
	uint32_t label[HIGH][WIDE], parent[HIGH * WIDE / 2];
	struct area area[HIGH * WIDE / 2];
	uint32_t labels;
};

static uint32_t root_of(uint32_t *parent, uint32_t label)
{
	while (parent[label] != label)
		label = parent[label] = parent[parent[label]];
	return label;
}

static NOINLINE void label_pixels(struct scan *s)
{
	s->labels = 1;
	for (int y = 0; y < HIGH; y++)
		for (int x = 0; x < WIDE; x++) {
			uint32_t left = x ? s->label[y][x - 1] : 0,
				 above = y ? s->label[y - 1][x] : 0;
			if (!s->pixel[y][x]) {
				s->label[y][x] = 0;
			} else if (!left && !above) {
				s->parent[s->labels] = s->labels;
				s->label[y][x] = s->labels++;
			} else if (left && above && left != above) {
				uint32_t a = root_of(s->parent, left),
					 b = root_of(s->parent, above);
				s->label[y][x] = a < b ? a : b;
				s->parent[a < b ? b : a] = s->label[y][x];
			} else {
				s->label[y][x] = left ? left : above;
			}
		}
}

static NOINLINE uint32_t measure(struct scan *s)
{
	uint32_t sum = 1;
	for (uint32_t i = 0; i < s->labels; i++)
		s->area[i] = (struct area){ 0, WIDE, 0, HIGH, 0 };
	for (uint16_t y = 0; y < HIGH; y++)
		for (uint16_t x = 0; x < WIDE; x++) {
			if (!s->label[y][x])
				continue;
			struct area *a = &s->area[root_of(s->parent, s->label[y][x])];
			a->pixels++;
			a->left = x < a->left ? x : a->left;
			a->right = x > a->right ? x : a->right;
			a->top = y < a->top ? y : a->top;
			a->bottom = y;
		}
	for (uint32_t i = 1; i < s->labels; i++)
		if (s->area[i].pixels)
			sum = mix(sum, s->area[i].pixels * 7 + s->area[i].left + s->area[i].bottom);
	return sum;
}

static uint32_t run_areas(unsigned scale)
{
	struct scan *s = malloc(sizeof(*s));
	uint32_t seed = 1966, sum = 1;
	for (unsigned r = 0; r < 6 * scale; r++) {
		for (int y = 0; y < HIGH; y++)
			for (int x = 0; x < WIDE; x += 4) { /* some denser, some thinner */
				uint32_t bits = next_random(&seed);
				uint32_t limit = 90 + (uint32_t)(x / 8) + r % 32;
				for (int i = 0; i < 4; i++)
					s->pixel[y][x + i] = (bits >> (8 * i) & 255) < limit;
			}
		label_pixels(s);
		sum = mix(sum, measure(s));
	}
	free(s);
	return sum;
}

/* ---- records in sorted runs, merged by a tree of losers ---- */
enum { RUNS = 16, RECORDS = 1 << 12 };
struct record {
	uint64_t key;
	uint32_t number;
	char text[20];
};
struct run {
	struct record *at, *end;
};

static int before(const struct run *a, const struct run *b)
{
	if (a->at == a->end || b->at == b->end)
		return a->at != a->end;
	return a->at->key < b->at->key ||
		(a->at->key == b->at->key && a->at->number < b->at->number);
}

/* One run, from pairs of shorter ones. */
static NOINLINE void sort_run(struct record *run, struct record *spare)
{
	for (size_t n = 1; n < RECORDS; n *= 2) {
		for (size_t start = 0; start < RECORDS; start += 2 * n) {
			size_t a = start, b = start + n, middle = b, end = b + n;
			for (size_t i = start; i < end; i++)
				if (b == end || (a < middle && run[a].key <= run[b].key))
					spare[i] = run[a++];
				else
					spare[i] = run[b++];
		}
		struct record *t = run;
		run = spare;
		spare = t;
	}
}

static NOINLINE uint32_t merge(struct run *runs, struct record *out)
{
	int loser[RUNS], winner[2 * RUNS];
	uint32_t sum = 1;
	for (int i = 0; i < RUNS; i++)
		winner[RUNS + i] = i;
	for (int i = RUNS - 1; i; i--) {
		int a = winner[2 * i], b = winner[2 * i + 1], first = before(&runs[a], &runs[b]);
		winner[i] = first ? a : b;
		loser[i] = first ? b : a;
	}
	for (int best = winner[1]; runs[best].at != runs[best].end;) {
		*out = *runs[best].at++;
		sum = mix(sum, (uint32_t)out->key + (uint8_t)out->text[3]);
		out++;
		for (int i = (RUNS + best) / 2; i; i /= 2)
			if (before(&runs[loser[i]], &runs[best])) {
				int t = best;
				best = loser[i];
				loser[i] = t;
			}
	}
	return sum;
}

static uint32_t run_merge(unsigned scale)
{
	struct record *in = malloc(sizeof(*in) * RUNS * RECORDS);
	struct record *out = malloc(sizeof(*out) * RUNS * RECORDS);
	uint32_t seed = 1973, sum = 1;
	for (unsigned r = 0; r < 2 * scale; r++) {
		struct run runs[RUNS];
		for (uint32_t i = 0; i < RUNS * RECORDS; i++) {
			in[i].key = (uint64_t)(next_random(&seed) >> 12) << 20 | i % 3;
			in[i].number = i;
			memset(in[i].text, (int)('a' + i % 26), sizeof(in[i].text));
		}
		for (int i = 0; i < RUNS; i++) { /* after twelve turns it is where it was */
			sort_run(in + i * RECORDS, out);
			runs[i] = (struct run){ in + i * RECORDS, in + (i + 1) * RECORDS };
		}
		sum = mix(sum, merge(runs, out));
		sum = mix(sum, out[RECORDS].number);
	}
	free(in);
	free(out);
	return sum;
}

/* ---- routes: addresses looked up by their longest prefix, in a tree that skips common bits ---- */
enum { ROUTES = 30000, LOOKUPS = 150000 };
struct prefix {
	uint32_t bits, child[2];
	uint8_t length, known;
	uint16_t hop;
};
struct routes {
	struct prefix node[2 * ROUTES + 2];
	uint32_t used;
};

static uint32_t mask(int length)
{
	return length ? ~0u << (32 - length) : 0;
}

static int common(uint32_t a, uint32_t b, int most)
{
	int n = a == b ? 32 : __builtin_clz(a ^ b);
	return n < most ? n : most;
}

static NOINLINE void add_route(struct routes *t, uint32_t bits, int length, uint16_t hop)
{
	uint32_t *link = &t->node[0].child[bits >> 31], at;
	while ((at = *link)) {
		struct prefix *p = &t->node[at];
		int same = common(bits, p->bits, p->length < length ? p->length : length);
		if (same < p->length) { /* something between */
			uint32_t new = t->used++;
			t->node[new] = (struct prefix){ .bits = bits & mask(same),
				.length = (uint8_t)same };
			t->node[new].child[p->bits >> (31 - same) & 1] = at;
			*link = new;
			p = &t->node[new];
		}
		if (p->length == length) {
			p->known = 1;
			p->hop = hop;
			return;
		}
		link = &p->child[bits >> (31 - p->length) & 1];
	}
	t->node[t->used] = (struct prefix){ bits, { 0, 0 }, (uint8_t)length, 1, hop };
	*link = t->used++;
}

static NOINLINE uint16_t find_route(const struct routes *t, uint32_t address)
{
	uint16_t hop = 0;
	for (uint32_t at = t->node[0].child[address >> 31]; at;) {
		const struct prefix *p = &t->node[at];
		if ((address ^ p->bits) & mask(p->length))
			break;
		if (p->known)
			hop = p->hop;
		if (p->length == 32)
			break;
		at = p->child[address >> (31 - p->length) & 1];
	}
	return hop;
}

static uint32_t run_prefixes(unsigned scale)
{
	static struct routes t;
	uint32_t seed = 1993, sum = 1;
	for (unsigned r = 0; r < scale; r++) {
		memset(&t, 0, sizeof(t));
		t.used = 1;
		for (int i = 0; i < ROUTES; i++) {
			uint32_t x = next_random(&seed), y = next_random(&seed);
			int length = y % 8 ? 16 + (int)(y >> 8) % 9 : 8 + (int)(y >> 8) % 25;
			add_route(&t, x & mask(length), length, (uint16_t)(y >> 16));
		}
		for (int i = 0; i < LOOKUPS; i++) {
			uint32_t x = next_random(&seed);
			if (i % 2) /* near one that is known */
				x = t.node[x % t.used].bits | (x & 0xff);
			sum = mix(sum, find_route(&t, x));
		}
		sum = mix(sum, t.used);
	}
	return sum;
}

const struct kernel kernels_table5[] = {
	{ "areas", "mem5", run_areas },
	{ "merge", "mem5", run_merge },
	{ "prefixes", "mem5", run_prefixes },
	{ 0 },
};
