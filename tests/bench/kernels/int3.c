/* SPDX-License-Identifier: MIT */
/* The third set's integer kernels (see README.md): a game, graphs, dates, digits, sounds. */
#include "bench.h"
#include <stdlib.h>
#include <string.h>

/* ---- Reversi: bitboards and a search of the best move ---- */
static uint64_t shift_board(uint64_t b, int direction)
{
	static const uint8_t by[4] = { 1, 7, 8, 9 };
	static const uint64_t no_wrap[8] = { 0xfefefefefefefefe, 0x7f7f7f7f7f7f7f7f, ~0ull,
		0xfefefefefefefefe, 0x7f7f7f7f7f7f7f7f, 0xfefefefefefefefe, ~0ull,
		0x7f7f7f7f7f7f7f7f };
	return (direction < 4 ? b << by[direction] : b >> by[direction - 4]) & no_wrap[direction];
}

static uint64_t possible_moves(uint64_t own, uint64_t other)
{
	uint64_t moves = 0;
	for (int d = 0; d < 8; d++) {
		uint64_t run = shift_board(own, d) & other;
		for (int i = 0; i < 5; i++)
			run |= shift_board(run, d) & other;
		moves |= shift_board(run, d);
	}
	return moves & ~(own | other);
}

static uint64_t turned(uint64_t own, uint64_t other, uint64_t move)
{
	uint64_t all = 0;
	for (int d = 0; d < 8; d++) {
		uint64_t run = 0, at = shift_board(move, d);
		for (; at & other; at = shift_board(at, d))
			run |= at;
		if (at & own)
			all |= run;
	}
	return all;
}

static int best_value(uint64_t own, uint64_t other, int depth, int low, int high)
{
	const uint64_t corners = 0x8100000000000081;
	uint64_t moves = possible_moves(own, other);
	if (!depth)
		return __builtin_popcountll(moves) -
			__builtin_popcountll(possible_moves(other, own)) +
			8 * __builtin_popcountll(own & corners) -
			8 * __builtin_popcountll(other & corners);
	if (!moves)
		return -best_value(other, own, depth - 1, -high, -low);
	for (; moves && low < high; moves &= moves - 1) {
		uint64_t move = moves & -moves, flips = turned(own, other, move);
		int value = -best_value(other & ~flips, own | flips | move, depth - 1, -high, -low);
		if (value > low)
			low = value;
	}
	return low;
}

static uint32_t run_reversi(unsigned scale)
{
	uint32_t seed = 64, sum = 1;
	for (unsigned r = 0; r < 16 * scale; r++) {
		uint64_t own = 0x0000000810000000, other = 0x0000001008000000;
		for (int i = 0; i < 12; i++) {
			uint64_t moves = possible_moves(own, other), flips, was = own;
			for (uint32_t skip = next_random(&seed) % 4; skip && (moves & (moves - 1));)
				moves &= moves - 1, skip--;
			moves &= -moves;
			flips = turned(own, other, moves);
			own = other & ~flips;
			other = was | flips | moves;
		}
		sum = mix(sum, (uint32_t)best_value(own, other, 6, -1000, 1000));
	}
	return sum;
}

/* ---- a directed graph: widths from a node, and strong components (Tarjan) ---- */
enum { NODES = 8000, EDGES = 3 * NODES };
struct graph {
	int first[NODES + 1], to[EDGES], queue[NODES], steps[NODES];
	int order[NODES], lowest[NODES], stack[NODES], depth, seen, components;
	uint8_t waiting[NODES];
};

static NOINLINE uint32_t walk_breadth(struct graph *g, int start)
{
	uint32_t sum = 0;
	int head = 0, tail = 0;
	memset(g->steps, -1, sizeof(g->steps));
	g->steps[start] = 0;
	g->queue[tail++] = start;
	while (head < tail) {
		int at = g->queue[head++];
		sum += (uint32_t)g->steps[at];
		for (int e = g->first[at]; e < g->first[at + 1]; e++)
			if (g->steps[g->to[e]] < 0) {
				g->steps[g->to[e]] = g->steps[at] + 1;
				g->queue[tail++] = g->to[e];
			}
	}
	return mix(sum, (uint32_t)tail);
}

static void connect(struct graph *g, int at)
{
	g->order[at] = g->lowest[at] = ++g->seen;
	g->stack[g->depth++] = at;
	g->waiting[at] = 1;
	for (int e = g->first[at]; e < g->first[at + 1]; e++) {
		int to = g->to[e];
		if (!g->order[to])
			connect(g, to);
		if (g->waiting[to] && g->lowest[to] < g->lowest[at])
			g->lowest[at] = g->lowest[to];
	}
	if (g->lowest[at] != g->order[at])
		return;
	g->components++;
	while (g->stack[--g->depth] != at)
		g->waiting[g->stack[g->depth]] = 0;
	g->waiting[at] = 0;
}

static uint32_t run_graph(unsigned scale)
{
	struct graph *g = malloc(sizeof(*g));
	uint32_t seed = 1736, sum = 1;
	for (unsigned r = 0; r < 60 * scale; r++) {
		int edges = 0;
		for (int i = 0; i < NODES; i++) {
			g->first[i] = edges;
			for (uint32_t n = next_random(&seed) % 4; n; n--)
				g->to[edges++] = (int)(next_random(&seed) % NODES);
		}
		g->first[NODES] = edges;
		memset(g->order, 0, sizeof(g->order));
		memset(g->waiting, 0, sizeof(g->waiting));
		g->depth = g->seen = g->components = 0;
		for (int i = 0; i < NODES; i++)
			if (!g->order[i])
				connect(g, i);
		sum = mix(sum, (uint32_t)g->components);
		for (int i = 0; i < 4; i++)
			sum = mix(sum, walk_breadth(g, (int)(next_random(&seed) % NODES)));
	}
	free(g);
	return sum;
}

/* ---- dates: seconds to text, and back ---- */
static int is_leap(int year)
{
	return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

static int days_of(int year, int month)
{
	static const uint8_t days[12] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	return days[month] + (month == 1 && is_leap(year));
}

/* Days of all years before this one, from the year 1. */
static int64_t days_before(int64_t year)
{
	year--;
	return 365 * year + year / 4 - year / 100 + year / 400;
}

static void put_number(char *out, int digits, int n)
{
	for (; digits--; n /= 10)
		out[digits] = (char)('0' + n % 10);
}

static NOINLINE int write_date(int64_t seconds, char *out)
{
	int64_t day = seconds / 86400, year = day / 366 + 1;
	int second = (int)(seconds % 86400), month = 0, weekday = (int)((day + 1) % 7);
	while (days_before(year + 1) <= day)
		year++;
	day -= days_before(year);
	while (day >= days_of((int)year, month))
		day -= days_of((int)year, month++);
	memcpy(out, "yyyy-mm-ddThh:mm:ss", 20);
	put_number(out, 4, (int)year);
	put_number(out + 5, 2, month + 1);
	put_number(out + 8, 2, (int)day + 1);
	put_number(out + 11, 2, second / 3600);
	put_number(out + 14, 2, second / 60 % 60);
	put_number(out + 17, 2, second % 60);
	return weekday;
}

static NOINLINE int64_t read_date(const char *text)
{
	int part[6] = { 0 }, n = 0;
	int64_t day;
	for (; *text; text++)
		if (*text >= '0' && *text <= '9')
			part[n] = part[n] * 10 + *text - '0';
		else
			n++;
	day = days_before(part[0]) + part[2] - 1;
	for (int m = 0; m < part[1] - 1; m++)
		day += days_of(part[0], m);
	return day * 86400 + part[3] * 3600 + part[4] * 60 + part[5];
}

static uint32_t run_dates(unsigned scale)
{
	uint32_t seed = 1582, sum = 1, weekdays[7] = { 0 };
	char text[20];
	for (unsigned i = 0; i < 500000 * scale; i++) {
		int64_t seconds = 62135596800 + (int64_t)(int32_t)next_random(&seed) + i;
		weekdays[write_date(seconds, text)]++;
		sum += (uint32_t)text[9] * 5 + (uint32_t)text[18];
		if (read_date(text) != seconds)
			sum = mix(sum, 0xbad);
	}
	for (int i = 0; i < 7; i++)
		sum = mix(sum, weekdays[i]);
	return sum;
}

/* ---- pi, by Machin's formula in words of nine digits ---- */
enum { DIGITS = 600, LIMBS = DIGITS / 9 + 3, BASE = 1000000000 };

/* out = in / divisor; whether it is more than 0. */
static NOINLINE int divide(uint32_t *out, const uint32_t *in, uint32_t divisor)
{
	uint64_t rest = 0;
	uint32_t any = 0;
	for (int i = 0; i < LIMBS; i++) {
		rest = rest * BASE + in[i];
		any |= out[i] = (uint32_t)(rest / divisor);
		rest %= divisor;
	}
	return any != 0;
}

static void accumulate(uint32_t *to, const uint32_t *term, int subtract)
{
	int carry = 0;
	for (int i = LIMBS - 1; i >= 0; i--) {
		int32_t t =
			(int32_t)to[i] + carry + (subtract ? -(int32_t)term[i] : (int32_t)term[i]);
		carry = t < 0 ? -1 : t >= BASE;
		to[i] = (uint32_t)(t - carry * BASE);
	}
}

/* Adds factor * arctan(1 / n), or subtracts it. */
static void add_arctan(uint32_t *to, uint32_t factor, uint32_t n, int subtract)
{
	uint32_t power[LIMBS] = { factor }, term[LIMBS];
	int more = divide(power, power, n);
	for (uint32_t k = 1; more; k += 2) {
		divide(term, power, k);
		accumulate(to, term, subtract ^ (k / 2 & 1));
		more = divide(power, power, n * n);
	}
}

static uint32_t run_pi(unsigned scale)
{
	uint32_t sum = 1;
	for (unsigned r = 0; r < 80 * scale; r++) {
		uint32_t pi[LIMBS] = { 0 };
		add_arctan(pi, 16, 5, 0);
		add_arctan(pi, 4, 239, 1);
		for (int i = 0; i < LIMBS - 1; i++)
			sum = mix(sum, pi[i] + r);
	}
	return sum;
}

/* ---- sound in four bits a sample: steps that follow the signal ---- */
enum { SAMPLES = 16384, STEPS = 80 };
struct coder {
	int value, step;
};

/* What both sides do with a code. */
static int follow(struct coder *c, const int *steps, unsigned code)
{
	static const int8_t change[8] = { -1, -1, -1, -1, 2, 4, 6, 8 };
	int step = steps[c->step], delta = step >> 3;
	for (unsigned bit = 4, shift = 0; bit; bit >>= 1, shift++)
		if (code & bit)
			delta += step >> shift;
	c->value += code & 8 ? -delta : delta;
	c->value = c->value > 32767 ? 32767 : c->value < -32768 ? -32768 : c->value;
	c->step += change[code & 7];
	c->step = c->step < 0 ? 0 : c->step >= STEPS ? STEPS - 1 : c->step;
	return c->value;
}

static unsigned choose(const struct coder *c, const int *steps, int sample)
{
	int difference = sample - c->value, step = steps[c->step];
	unsigned code = difference < 0 ? 8 : 0;
	if (difference < 0)
		difference = -difference;
	for (unsigned bit = 4; bit; bit >>= 1, step >>= 1)
		if (difference >= step) {
			difference -= step;
			code |= bit;
		}
	return code;
}

static uint32_t run_adpcm(unsigned scale)
{
	static int16_t sound[SAMPLES];
	static uint8_t packed[SAMPLES / 2];
	int steps[STEPS] = { 7 }, height = 0, speed = 0;
	uint32_t seed = 8000, sum = 1;
	for (int i = 1; i < STEPS; i++)
		steps[i] = steps[i - 1] + steps[i - 1] / 10 + 1;
	for (int i = 0; i < SAMPLES; i++) {
		speed += (int)(next_random(&seed) >> 23) - 256 - height / 64 - speed / 32;
		height += speed / 4;
		sound[i] = (int16_t)(height > 30000 ? 30000 : height < -30000 ? -30000 : height);
	}
	for (unsigned r = 0; r < 120 * scale; r++) {
		struct coder in = { 0, 0 }, out = { 0, 0 };
		uint32_t wrong = 0;
		for (int i = 0; i < SAMPLES; i++) {
			unsigned code = choose(&in, steps, sound[i]);
			follow(&in, steps, code);
			packed[i / 2] = (uint8_t)(i % 2 ? packed[i / 2] | code << 4 : code);
		}
		for (int i = 0; i < SAMPLES; i++) {
			int v = follow(&out, steps, packed[i / 2] >> i % 2 * 4 & 15u);
			wrong += (uint32_t)abs(v - sound[i]);
		}
		sum = mix(mix(sum, wrong), packed[r % (SAMPLES / 2)]);
		sound[next_random(&seed) % SAMPLES] ^= 0x100;
	}
	return sum;
}

/* ---- primes: a sieve of odd numbers, a block after the other ---- */
static uint32_t run_sieve(unsigned scale)
{
	enum { BLOCK = 1 << 15, LIMIT = 3000000, SMALL = 1733 };
	static uint8_t composite[BLOCK];
	uint32_t sum = 1;
	for (unsigned r = 0; r < 8 * scale; r++) {
		uint32_t primes[300], next[300], count = 0, found = 1, last = 0;
		for (uint32_t n = 3; n < SMALL; n += 2) {
			uint32_t k = 0;
			while (k < count && primes[k] * primes[k] <= n && n % primes[k])
				k++;
			if (k < count && primes[k] * primes[k] <= n)
				continue;
			primes[count] = n;
			next[count++] = n * n / 2;
		}
		for (uint32_t start = 0; start < LIMIT / 2 + r; start += BLOCK) {
			memset(composite, 0, BLOCK);
			for (uint32_t k = 0; k < count; k++) {
				for (; next[k] < start + BLOCK; next[k] += primes[k])
					composite[next[k] - start] = 1;
			}
			for (uint32_t i = !start; i < BLOCK && start + i < LIMIT / 2 + r; i++)
				if (!composite[i]) {
					found++;
					last = 2 * (start + i) + 1;
				}
		}
		sum = mix(mix(sum, found), last);
	}
	return sum;
}

const struct kernel kernels_int3[] = {
	{ "reversi", "int3", run_reversi },
	{ "graph", "int3", run_graph },
	{ "dates", "int3", run_dates },
	{ "pi", "int3", run_pi },
	{ "adpcm", "int3", run_adpcm },
	{ "sieve", "int3", run_sieve },
	{ 0 },
};
