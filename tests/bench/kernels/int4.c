/* SPDX-License-Identifier: MIT */
/* The fourth set's integer kernels (see README.md): puzzles, tables, cells, routes. */
#include "bench.h"
#include <string.h>

/* ---- sudoku: the cell with the fewest digits first, and back again ---- */
enum { ENOUGH = 20 };
struct sudoku {
	uint16_t row[9], column[9], box[9]; /* digits that are free there, a bit each */
	uint8_t cell[81], open[81];
	int opens;
	unsigned steps, found;
};

static void toggle(struct sudoku *s, int at, uint16_t bit)
{
	int row = at / 9, column = at % 9;
	s->row[row] ^= bit;
	s->column[column] ^= bit;
	s->box[row / 3 * 3 + column / 3] ^= bit;
}

static uint16_t candidates(const struct sudoku *s, int at)
{
	int row = at / 9, column = at % 9;
	return s->row[row] & s->column[column] & s->box[row / 3 * 3 + column / 3];
}

/* Until a few solutions are found. */
static void solve(struct sudoku *s)
{
	int best = 0, fewest = 10;
	uint8_t at;
	s->steps++;
	if (!s->opens) {
		s->found++;
		return;
	}
	for (int i = 0; i < s->opens && fewest > 1; i++) {
		int n = 0;
		for (unsigned free = candidates(s, s->open[i]); free; free &= free - 1)
			n++;
		if (n < fewest) {
			fewest = n;
			best = i;
		}
	}
	at = s->open[best];
	s->open[best] = s->open[--s->opens];
	for (unsigned digit = 1, free = candidates(s, at); digit <= 9 && s->found < ENOUGH;
		digit++) {
		uint16_t bit = (uint16_t)(1 << digit);
		if (!(free & bit))
			continue;
		toggle(s, at, bit);
		s->cell[at] = (uint8_t)digit;
		solve(s);
		toggle(s, at, bit);
	}
	s->open[s->opens++] = s->open[best];
	s->open[best] = at;
}

static void shuffle(uint8_t *list, uint32_t n, uint32_t *seed)
{
	for (uint32_t i = n - 1; i; i--) {
		uint32_t k = next_random(seed) % (i + 1);
		uint8_t t = list[i];
		list[i] = list[k];
		list[k] = t;
	}
}

static uint32_t run_sudoku(unsigned scale)
{
	uint32_t seed = 81, sum = 1;
	for (unsigned r = 0; r < 500 * scale; r++) {
		struct sudoku s = { .opens = 0 };
		uint8_t digits[9] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 }, order[81];
		for (int i = 0; i < 9; i++)
			s.row[i] = s.column[i] = s.box[i] = 0x3fe;
		for (int i = 0; i < 81; i++)
			order[i] = (uint8_t)i;
		shuffle(digits, 9, &seed);
		shuffle(order, 81, &seed);
		for (int i = 0; i < 81; i++) {
			int at = order[i], row = at / 9, column = at % 9;
			uint8_t digit = digits[(row * 3 + row / 3 + column) % 9];
			if (i < 26) {
				s.cell[at] = digit;
				toggle(&s, at, (uint16_t)(1 << digit));
			} else {
				s.open[s.opens++] = (uint8_t)at;
			}
		}
		solve(&s);
		sum = mix(mix(sum, s.steps), s.found);
		for (int i = 0; i < 81; i += 5)
			sum = mix(sum, s.cell[i]);
	}
	return sum;
}

/* ---- what fits into a knapsack, by a table, and which pieces those are ---- */
enum { ITEMS = 60, CAPACITY = 3000 };

static NOINLINE uint32_t fill_knapsack(const int *weight, const int *value)
{
	static int best[CAPACITY + 1];
	static uint8_t taken[ITEMS][CAPACITY + 1];
	uint32_t sum = 1;
	memset(best, 0, sizeof(best));
	memset(taken, 0, sizeof(taken));
	for (int i = 0; i < ITEMS; i++)
		for (int room = CAPACITY; room >= weight[i]; room--) {
			int with = best[room - weight[i]] + value[i];
			if (with > best[room]) {
				best[room] = with;
				taken[i][room] = 1;
			}
		}
	for (int i = ITEMS - 1, room = CAPACITY; i >= 0; i--)
		if (taken[i][room]) {
			sum = mix(sum, (uint32_t)i);
			room -= weight[i];
		}
	return mix(sum, (uint32_t)best[CAPACITY]);
}

static uint32_t run_knapsack(unsigned scale)
{
	uint32_t seed = 60, sum = 1;
	for (unsigned r = 0; r < 120 * scale; r++) {
		int weight[ITEMS], value[ITEMS];
		for (int i = 0; i < ITEMS; i++) {
			weight[i] = 20 + (int)(next_random(&seed) % 200);
			value[i] = weight[i] + (int)(next_random(&seed) % 60);
		}
		sum = mix(sum, fill_knapsack(weight, value));
	}
	return sum;
}

/* ---- Conway's life, a byte a cell, on a torus ---- */
enum { WIDE = 128, HIGH = 96 };

static NOINLINE unsigned live(uint8_t (*to)[WIDE], uint8_t (*from)[WIDE])
{
	unsigned alive = 0;
	for (int y = 0; y < HIGH; y++) {
		const uint8_t *above = from[(y + HIGH - 1) % HIGH], *here = from[y],
			      *below = from[(y + 1) % HIGH];
		for (int x = 0; x < WIDE; x++) {
			int left = x ? x - 1 : WIDE - 1, right = x < WIDE - 1 ? x + 1 : 0;
			int n = above[left] + above[x] + above[right] + here[left] + here[right] +
				below[left] + below[x] + below[right];
			to[y][x] = n == 3 || (n == 2 && here[x]);
			alive += to[y][x];
		}
	}
	return alive;
}

static uint32_t run_life(unsigned scale)
{
	static uint8_t field[2][HIGH][WIDE];
	uint32_t seed = 1970, sum = 1;
	for (unsigned r = 0; r < 5 * scale; r++) {
		for (int i = 0; i < HIGH * WIDE; i++)
			field[0][i / WIDE][i % WIDE] = next_random(&seed) % 3 == 0;
		for (int i = 0; i < 200; i++)
			sum = mix(sum, live(field[(i + 1) % 2], field[i % 2]));
	}
	return sum;
}

/* ---- the cheapest way over a map: a heap whose entries know their places ---- */
enum { SIDE = 96, SPOTS = SIDE * SIDE, FAR = 1 << 30 };
struct map {
	uint8_t cost[SPOTS];
	int distance[SPOTS], place[SPOTS], from[SPOTS], heap[SPOTS], size;
};

static void put_at(struct map *m, int place, int spot)
{
	m->heap[place] = spot;
	m->place[spot] = place;
}

static void rise(struct map *m, int place)
{
	int spot = m->heap[place];
	for (; place; place = (place - 1) / 2) {
		int parent = m->heap[(place - 1) / 2];
		if (m->distance[parent] <= m->distance[spot])
			break;
		put_at(m, place, parent);
	}
	put_at(m, place, spot);
}

static int take_nearest(struct map *m)
{
	int nearest = m->heap[0], last = m->heap[--m->size], place = 0;
	for (int child; (child = 2 * place + 1) < m->size; place = child) {
		if (child + 1 < m->size &&
			m->distance[m->heap[child + 1]] < m->distance[m->heap[child]])
			child++;
		if (m->distance[last] <= m->distance[m->heap[child]])
			break;
		put_at(m, place, m->heap[child]);
	}
	put_at(m, place, last);
	return nearest;
}

static void reach(struct map *m, int spot, int from)
{
	int distance = m->distance[from] + m->cost[spot];
	if (distance >= m->distance[spot])
		return;
	if (m->distance[spot] == FAR)
		put_at(m, m->size++, spot);
	m->distance[spot] = distance;
	m->from[spot] = from;
	rise(m, m->place[spot]);
}

static NOINLINE uint32_t find_route(struct map *m, int start, int goal)
{
	uint32_t sum = 1;
	for (int i = 0; i < SPOTS; i++)
		m->distance[i] = FAR;
	m->distance[start] = m->size = 0;
	put_at(m, m->size++, start);
	while (m->size) {
		int at = take_nearest(m), x = at % SIDE;
		if (at == goal)
			break;
		if (x)
			reach(m, at - 1, at);
		if (x < SIDE - 1)
			reach(m, at + 1, at);
		if (at >= SIDE)
			reach(m, at - SIDE, at);
		if (at < SPOTS - SIDE)
			reach(m, at + SIDE, at);
	}
	for (int at = goal; at != start; at = m->from[at])
		sum += (uint32_t)at;
	return mix(sum, (uint32_t)m->distance[goal]);
}

static uint32_t run_routes(unsigned scale)
{
	static struct map m;
	uint32_t seed = 1959, sum = 1;
	for (unsigned r = 0; r < 40 * scale; r++) {
		int start = (int)(next_random(&seed) % SPOTS);
		int goal = (int)(next_random(&seed) % SPOTS);
		for (int i = 0; i < SPOTS && r % 8 == 0; i++) {
			uint32_t x = next_random(&seed);
			m.cost[i] = (uint8_t)(x >> 30 ? 1 + x % 9 : 60);
		}
		sum = mix(sum, find_route(&m, start, goal));
	}
	return sum;
}

const struct kernel kernels_int4[] = {
	{ "sudoku", "int4", run_sudoku },
	{ "knapsack", "int4", run_knapsack },
	{ "life", "int4", run_life },
	{ "routes", "int4", run_routes },
	{ 0 },
};
