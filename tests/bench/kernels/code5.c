/* SPDX-License-Identifier: MIT */
/* The fifth set's integer kernels on codes, suffixes and networks. */
#include "bench.h"
#include <string.h>

/* ---- bits coded by their chances, which adapt (a range coder), and decoded ---- */
enum { CHANCE_BITS = 11, HALF = 1 << (CHANCE_BITS - 1), INPUT = 24000 };
struct coder {
	uint64_t low;
	uint32_t range, code;
	uint8_t *at, held;
	uint32_t pending;
	uint16_t chance[256][256];
};

static void carry_out(struct coder *c)
{
	if ((uint32_t)c->low < 0xff000000u || c->low >> 32) {
		uint8_t carry = (uint8_t)(c->low >> 32), byte = c->held;
		for (; c->pending; c->pending--, byte = 0xff)
			*c->at++ = (uint8_t)(byte + carry);
		c->held = (uint8_t)(c->low >> 24);
	}
	c->pending++;
	c->low = (uint64_t)((uint32_t)c->low << 8);
}

static inline void put_bit(struct coder *c, uint16_t *chance, int bit)
{
	uint32_t bound = (c->range >> CHANCE_BITS) * *chance;
	if (bit) {
		c->low += bound;
		c->range -= bound;
		*chance -= *chance >> 5;
	} else {
		c->range = bound;
		*chance += ((1 << CHANCE_BITS) - *chance) >> 5;
	}
	for (; c->range < 1u << 24; c->range <<= 8)
		carry_out(c);
}

static inline int get_bit(struct coder *c, uint16_t *chance)
{
	uint32_t bound = (c->range >> CHANCE_BITS) * *chance;
	int bit = c->code >= bound;
	if (bit) {
		c->code -= bound;
		c->range -= bound;
		*chance -= *chance >> 5;
	} else {
		c->range = bound;
		*chance += ((1 << CHANCE_BITS) - *chance) >> 5;
	}
	for (; c->range < 1u << 24; c->range <<= 8)
		c->code = c->code << 8 | *c->at++;
	return bit;
}

static void start_coder(struct coder *c, uint8_t *at)
{
	c->low = c->held = 0;
	c->range = ~0u;
	c->pending = 1;
	c->at = at;
	for (int i = 0; i < 256 * 256; i++)
		c->chance[i / 256][i % 256] = HALF;
}

static NOINLINE size_t squeeze(struct coder *c, const uint8_t *from, uint8_t *to)
{
	start_coder(c, to);
	for (int i = 0, before = 0; i < INPUT; before = from[i++])
		for (int bit = 7, node = 1; bit >= 0; bit--) {
			int b = from[i] >> bit & 1;
			put_bit(c, &c->chance[before][node], b);
			node = 2 * node + b;
		}
	for (int i = 0; i < 5; i++)
		carry_out(c);
	return (size_t)(c->at - to);
}

static NOINLINE void unsqueeze(struct coder *c, uint8_t *from, uint8_t *to)
{
	start_coder(c, from);
	for (int i = 0; i < 5; i++)
		c->code = c->code << 8 | *c->at++;
	for (int i = 0, before = 0; i < INPUT; before = to[i++]) {
		int node = 1;
		while (node < 256)
			node = 2 * node + get_bit(c, &c->chance[before][node]);
		to[i] = (uint8_t)node;
	}
}

static uint32_t run_ranges(unsigned scale)
{
	static struct coder c;
	static uint8_t in[INPUT], packed[2 * INPUT], out[INPUT];
	uint32_t seed = 1979, sum = 1;
	for (unsigned r = 0; r < 8 * scale; r++) {
		for (int i = 0, x = 0; i < INPUT; i++) {
			uint32_t y = next_random(&seed);
			x = y >> 30 ? (x * 5 + (int)(y >> 8 & 3) + 7) & 127 : (int)(y & 255);
			in[i] = (uint8_t)x;
		}
		sum = mix(sum, (uint32_t)squeeze(&c, in, packed));
		unsqueeze(&c, packed, out);
		sum = mix(sum, memcmp(in, out, INPUT) ? 0 : out[r]);
	}
	return sum;
}

/* ---- the order of all suffixes of a text, by doubling; what neighbours share ---- */
enum { LENGTH = 6000 };

static NOINLINE void sort_by(const int *rank, int offset, const int *from, int *to)
{
	static int count[LENGTH + 258];
	int most = LENGTH > 256 ? LENGTH : 256;
	memset(count, 0, sizeof(count));
	for (int i = 0; i < LENGTH; i++)
		count[1 + (from[i] + offset < LENGTH ? rank[from[i] + offset] + 1 : 0)]++;
	for (int i = 0; i <= most; i++)
		count[i + 1] += count[i];
	for (int i = 0; i < LENGTH; i++)
		to[count[from[i] + offset < LENGTH ? rank[from[i] + offset] + 1 : 0]++] = from[i];
}

static NOINLINE void order_suffixes(const uint8_t *text, int *order, int *rank)
{
	static int half[LENGTH], fresh[LENGTH];
	int ranks = 0;
	for (int i = 0; i < LENGTH; i++) {
		order[i] = i;
		rank[i] = text[i];
	}
	for (int step = 1; ranks < LENGTH; step *= 2) {
		sort_by(rank, step, order, half);
		sort_by(rank, 0, half, order);
		ranks = 0;
		for (int i = 0; i < LENGTH; i++) {
			int a = order[i], b = i ? order[i - 1] : 0;
			int next_a = a + step < LENGTH ? rank[a + step] : -1;
			int next_b = b + step < LENGTH ? rank[b + step] : -1;
			if (i == 0 || rank[a] != rank[b] || next_a != next_b)
				ranks++;
			fresh[a] = ranks - 1;
		}
		memcpy(rank, fresh, sizeof(fresh));
	}
}

static uint32_t run_suffixes(unsigned scale)
{
	static uint8_t text[LENGTH];
	static int order[LENGTH], rank[LENGTH];
	uint32_t seed = 1990, sum = 1;
	for (unsigned r = 0; r < 12 * scale; r++) {
		int longest = 0, where = 0;
		for (int i = 0; i < LENGTH; i++) {
			uint32_t x = next_random(&seed);
			if (i > 500 && x % 64 == 0) { /* something again */
				int from = (int)(x >> 8) % (i - 100), n = 20 + (int)(x >> 26);
				for (; n && i < LENGTH - 1; n--)
					text[i++] = text[from++];
			}
			text[i] = (uint8_t)("etaoin shrdlu\n"[(x >> 4) % 14]);
		}
		order_suffixes(text, order, rank);
		for (int i = 0, same = 0; i < LENGTH; i++) {
			int k = rank[i] ? order[rank[i] - 1] : LENGTH;
			while (i + same < LENGTH && k + same < LENGTH &&
				text[i + same] == text[k + same])
				same++;
			if (same > longest) {
				longest = same;
				where = i;
			}
			same -= same > 0;
		}
		for (int i = 0; i < LENGTH; i += 3)
			sum = mix(sum, order[i] ? text[order[i] - 1] : 0);
		sum = mix(mix(sum, (uint32_t)longest), (uint32_t)where);
	}
	return sum;
}

/* ---- the greatest flow through a network, layer after layer (Dinic) ---- */
enum { PLACES = 500, EDGES = 2 * 5 * PLACES };
struct network {
	int first[PLACES], level[PLACES], current[PLACES];
	int to[EDGES], next[EDGES], room[EDGES], edges;
};

static void add_edge(struct network *n, int from, int to, int room)
{
	int ends[2] = { from, to };
	for (int i = 0; i < 2; i++) {
		n->to[n->edges] = ends[!i];
		n->room[n->edges] = i ? 0 : room;
		n->next[n->edges] = n->first[ends[i]];
		n->first[ends[i]] = n->edges++;
	}
}

static NOINLINE int make_layers(struct network *n)
{
	int queue[PLACES], head = 0, tail = 0;
	for (int i = 0; i < PLACES; i++)
		n->level[i] = -1;
	n->level[0] = 0;
	queue[tail++] = 0;
	while (head < tail) {
		int at = queue[head++];
		for (int e = n->first[at]; e >= 0; e = n->next[e])
			if (n->room[e] && n->level[n->to[e]] < 0) {
				n->level[n->to[e]] = n->level[at] + 1;
				queue[tail++] = n->to[e];
			}
	}
	return n->level[PLACES - 1] >= 0;
}

static int push(struct network *n, int at, int most)
{
	int sent = 0;
	if (at == PLACES - 1)
		return most;
	for (int *e = &n->current[at]; *e >= 0; *e = n->next[*e]) {
		int to = n->to[*e], room = n->room[*e], more = most - sent;
		if (!room || n->level[to] != n->level[at] + 1)
			continue;
		more = push(n, to, room < more ? room : more);
		n->room[*e] -= more;
		n->room[*e ^ 1] += more;
		sent += more;
		if (sent == most)
			break;
	}
	return sent;
}

static uint32_t run_flow(unsigned scale)
{
	static struct network n;
	uint32_t seed = 1970, sum = 1;
	for (unsigned r = 0; r < 60 * scale; r++) {
		uint32_t flow = 0, phases = 0;
		n.edges = 0;
		memset(n.first, -1, sizeof(n.first));
		for (int i = 0; i < PLACES - 1; i++)
			for (int k = 0; k < 5; k++) {
				uint32_t x = next_random(&seed);
				int to = i - 20 + (int)(x % 64);
				if (to > 0 && to != i)
					add_edge(&n, i, to < PLACES ? to : PLACES - 1,
						1 + (int)(x >> 16) % 1000);
			}
		for (; make_layers(&n); phases++) {
			memcpy(n.current, n.first, sizeof(n.first));
			flow += (uint32_t)push(&n, 0, 1 << 30);
		}
		sum = mix(mix(sum, flow), phases);
	}
	return sum;
}

const struct kernel kernels_code5[] = {
	{ "ranges", "int5", run_ranges },
	{ "suffixes", "int5", run_suffixes },
	{ "flow", "int5", run_flow },
	{ 0 },
};
