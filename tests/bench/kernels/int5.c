/* SPDX-License-Identifier: MIT */
/* The fifth set's integer kernels (see README.md): ciphers, covers, repaired blocks, flows. */
#include "bench.h"
#include <string.h>

/* ---- AES-128 by tables, as a stream of counters ---- */
struct aes {
	uint8_t box[256];
	uint32_t table[256], key[44];
};

static uint8_t twice(uint8_t x)
{
	return (uint8_t)(x << 1 ^ (x >> 7) * 0x1b);
}

static uint32_t turn(uint32_t x, int bits)
{
	return x >> bits | x << (32 - bits);
}

static void make_boxes(struct aes *a)
{
	uint8_t p = 1,
		q = 1; /* p runs through all numbers as powers of 3, q through their inverses */
	do {
		uint8_t x;
		p ^= twice(p);
		q ^= q << 1;
		q ^= q << 2;
		q ^= q << 4;
		q ^= (q >> 7) * 9;
		x = (uint8_t)(q ^ (q << 1 | q >> 7) ^ (q << 2 | q >> 6) ^ (q << 3 | q >> 5) ^
			(q << 4 | q >> 4));
		a->box[p] = x ^ 0x63;
	} while (p != 1);
	a->box[0] = 0x63;
	for (int i = 0; i < 256; i++) {
		uint8_t s = a->box[i], d = twice(s);
		a->table[i] = (uint32_t)d << 24 | (uint32_t)s << 16 | (uint32_t)s << 8 | (d ^ s);
	}
}

static void expand_key(struct aes *a, const uint32_t *key)
{
	uint8_t round = 1;
	memcpy(a->key, key, 16);
	for (int i = 4; i < 44; i++) {
		uint32_t x = a->key[i - 1];
		if (i % 4 == 0) {
			x = (uint32_t)a->box[x >> 16 & 255] << 24 |
				(uint32_t)a->box[x >> 8 & 255] << 16 |
				(uint32_t)a->box[x & 255] << 8 | a->box[x >> 24];
			x ^= (uint32_t)round << 24;
			round = twice(round);
		}
		a->key[i] = a->key[i - 4] ^ x;
	}
}

static NOINLINE void encrypt(const struct aes *a, const uint32_t *in, uint32_t *out)
{
	const uint32_t *key = a->key, *t = a->table;
	uint32_t s[4], n[4];
	for (int i = 0; i < 4; i++)
		s[i] = in[i] ^ *key++;
	for (int round = 1; round < 10; round++) {
		for (int i = 0; i < 4; i++)
			n[i] = t[s[i] >> 24] ^ turn(t[s[(i + 1) % 4] >> 16 & 255], 8) ^
				turn(t[s[(i + 2) % 4] >> 8 & 255], 16) ^
				turn(t[s[(i + 3) % 4] & 255], 24) ^ *key++;
		memcpy(s, n, sizeof(s));
	}
	for (int i = 0; i < 4; i++)
		out[i] = ((uint32_t)a->box[s[i] >> 24] << 24 |
				 (uint32_t)a->box[s[(i + 1) % 4] >> 16 & 255] << 16 |
				 (uint32_t)a->box[s[(i + 2) % 4] >> 8 & 255] << 8 |
				 a->box[s[(i + 3) % 4] & 255]) ^
			*key++;
}

static uint32_t run_aes(unsigned scale)
{
	enum { BLOCKS = 512 };
	static uint32_t text[BLOCKS][4];
	struct aes a;
	uint32_t seed = 197, sum = 1;
	make_boxes(&a);
	for (unsigned r = 0; r < 200 * scale; r++) {
		uint32_t key[4], counter[4], stream[4];
		for (int i = 0; i < 4; i++) {
			key[i] = next_random(&seed);
			counter[i] = next_random(&seed);
		}
		expand_key(&a, key);
		for (int b = 0; b < BLOCKS; b++) {
			counter[3]++;
			encrypt(&a, counter, stream);
			for (int i = 0; i < 4; i++)
				text[b][i] ^= stream[i];
		}
		for (int b = 0; b < BLOCKS; b += 8)
			sum = mix(sum, text[b][b / 8 % 4]);
	}
	return sum;
}

/* ---- twelve pieces of five squares each laid in a box: an exact cover by dancing links ---- */
enum { PIECES = 12, SQUARES = 60, COLUMNS = PIECES + SQUARES, NODES = 16000 };
struct cover {
	int16_t left[NODES], right[NODES], up[NODES], down[NODES], column[NODES], size[COLUMNS + 1];
	int nodes, steps, found;
	uint32_t sum;
};

static const char *const shapes[PIECES] = { "0001020304", "0001020313", "0001020311", "0001021112",
	"0001021213", "0001021012", "0001021222", "0001111222", "0110111221", "0001112122",
	"0011021221", "0001021121" };

static void add_row(struct cover *c, const int *columns, int n)
{
	int first = c->nodes;
	for (int i = 0; i < n; i++) {
		int at = c->nodes++, head = columns[i];
		c->column[at] = (int16_t)head;
		c->up[at] = c->up[head];
		c->down[at] = (int16_t)head;
		c->down[c->up[head]] = (int16_t)at;
		c->up[head] = (int16_t)at;
		c->left[at] = (int16_t)(i ? at - 1 : first + n - 1);
		c->right[at] = (int16_t)(i < n - 1 ? at + 1 : first);
		c->size[head]++;
	}
}

/* All places of a piece, turned and mirrored where that looks different. */
static void add_piece(struct cover *c, int piece, int wide, int high, uint32_t *seed)
{
	uint32_t start = next_random(seed) % SQUARES, looks[8];
	for (int way = 0; way < 8; way++) {
		int x[5], y[5], least_x = 9, least_y = 9, most_x = 0, most_y = 0, known = 0;
		for (int i = 0; i < 5; i++) {
			int a = shapes[piece][2 * i] - '0', b = shapes[piece][2 * i + 1] - '0';
			a = way & 1 ? 4 - a : a;
			b = way & 2 ? 4 - b : b;
			x[i] = way & 4 ? a : b;
			y[i] = way & 4 ? b : a;
			least_x = x[i] < least_x ? x[i] : least_x;
			least_y = y[i] < least_y ? y[i] : least_y;
			most_x = x[i] > most_x ? x[i] : most_x;
			most_y = y[i] > most_y ? y[i] : most_y;
		}
		looks[way] = 0;
		for (int i = 0; i < 5; i++)
			looks[way] |= 1u << ((y[i] - least_y) * 5 + x[i] - least_x);
		for (int i = 0; i < way; i++)
			known |= looks[i] == looks[way];
		for (uint32_t k = 0; k < SQUARES && !known; k++) {
			int at = (int)((start + k) % SQUARES), row[6] = { 1 + piece };
			int dx = at % wide - least_x, dy = at / wide - least_y;
			if (most_x + dx >= wide || most_y + dy >= high)
				continue;
			for (int i = 0; i < 5; i++)
				row[i + 1] = 1 + PIECES + (y[i] + dy) * wide + x[i] + dx;
			add_row(c, row, 6);
		}
	}
}

static NOINLINE void hide(struct cover *c, int head)
{
	c->right[c->left[head]] = c->right[head];
	c->left[c->right[head]] = c->left[head];
	for (int row = c->down[head]; row != head; row = c->down[row])
		for (int at = c->right[row]; at != row; at = c->right[at]) {
			c->down[c->up[at]] = c->down[at];
			c->up[c->down[at]] = c->up[at];
			c->size[c->column[at]]--;
		}
}

static NOINLINE void show(struct cover *c, int head)
{
	for (int row = c->up[head]; row != head; row = c->up[row])
		for (int at = c->left[row]; at != row; at = c->left[at]) {
			c->size[c->column[at]]++;
			c->down[c->up[at]] = c->up[c->down[at]] = (int16_t)at;
		}
	c->right[c->left[head]] = c->left[c->right[head]] = (int16_t)head;
}

static void search(struct cover *c)
{
	int head = c->right[0];
	if (!head) {
		c->found++;
		return;
	}
	for (int h = head; h; h = c->right[h])
		if (c->size[h] < c->size[head])
			head = h;
	hide(c, head);
	for (int row = c->down[head]; row != head && c->steps < 4000; row = c->down[row]) {
		c->steps++;
		c->sum = mix(c->sum, (uint32_t)row);
		for (int at = c->right[row]; at != row; at = c->right[at])
			hide(c, c->column[at]);
		search(c);
		for (int at = c->left[row]; at != row; at = c->left[at])
			show(c, c->column[at]);
	}
	show(c, head);
}

static uint32_t run_cover(unsigned scale)
{
	static struct cover c;
	uint32_t seed = 2000;
	c.sum = 1;
	for (unsigned r = 0; r < 6 * scale; r++) {
		int high = 4 + (int)r % 3;
		c.steps = c.found = 0;
		c.nodes = COLUMNS + 1;
		for (int i = 0; i <= COLUMNS; i++) {
			c.up[i] = c.down[i] = (int16_t)i;
			c.left[i] = (int16_t)(i ? i - 1 : COLUMNS);
			c.right[i] = (int16_t)(i < COLUMNS ? i + 1 : 0);
			c.size[i] = 0;
		}
		for (int i = 0; i < PIECES; i++)
			add_piece(&c, i, SQUARES / high, high, &seed);
		search(&c);
		c.sum = mix(c.sum, (uint32_t)(c.found * 10000 + c.steps));
	}
	return c.sum;
}

/* ---- blocks of 255 bytes, of which up to 16 are repaired (Reed and Solomon) ---- */
enum { BLOCK = 255, CHECKS = 32 };
static uint8_t power[512], logarithm[256], generator[CHECKS + 1];

static inline uint8_t times(uint8_t a, uint8_t b)
{
	return a && b ? power[logarithm[a] + logarithm[b]] : 0;
}

static void make_field(void)
{
	for (int i = 0, x = 1; i < 255; i++) {
		power[i] = power[i + 255] = (uint8_t)x;
		logarithm[x] = (uint8_t)i;
		x = x << 1 ^ (x & 128 ? 0x11d : 0);
	}
	memset(generator, 0, sizeof(generator));
	generator[0] = 1; /* its highest power's */
	for (int i = 0; i < CHECKS; i++)
		for (int k = i + 1; k; k--)
			generator[k] ^= times(generator[k - 1], power[i]);
}

static NOINLINE void add_checks(uint8_t *block)
{
	uint8_t *rest = block + BLOCK - CHECKS;
	memset(rest, 0, CHECKS);
	for (int i = 0; i < BLOCK - CHECKS; i++) {
		uint8_t lead = block[i] ^ rest[0];
		for (int k = 0; k < CHECKS; k++)
			rest[k] =
				(k < CHECKS - 1 ? rest[k + 1] : 0) ^ times(generator[k + 1], lead);
	}
}

/* The polynomial, lowest power first, whose zeros tell the places (Berlekamp and Massey). */
static int locate(const uint8_t *syndrome, uint8_t *locator)
{
	uint8_t last[CHECKS + 1] = { 1 }, old[CHECKS + 1], before = 1;
	int length = 0, shift = 1;
	memset(locator, 0, CHECKS + 1);
	locator[0] = 1;
	for (int n = 0; n < CHECKS; n++, shift++) {
		uint8_t wrong = syndrome[n], factor;
		for (int i = 1; i <= length; i++)
			wrong ^= times(locator[i], syndrome[n - i]);
		if (!wrong)
			continue;
		factor = times(wrong, power[255 - logarithm[before]]);
		memcpy(old, locator, sizeof(old));
		for (int i = shift; i <= CHECKS; i++)
			locator[i] ^= times(factor, last[i - shift]);
		if (2 * length <= n) {
			length = n + 1 - length;
			memcpy(last, old, sizeof(last));
			before = wrong;
			shift = 0;
		}
	}
	return length;
}

static uint8_t value_at(const uint8_t *polynomial, int terms, uint8_t x)
{
	uint8_t y = 0;
	while (terms--)
		y = times(y, x) ^ polynomial[terms];
	return y;
}

/* The number of bytes that were wrong. */
static NOINLINE int repair(uint8_t *block)
{
	uint8_t syndrome[CHECKS], locator[CHECKS + 1], value[CHECKS] = { 0 }, slope[CHECKS] = { 0 };
	int wrong = 0, length;
	for (int k = 0; k < CHECKS; k++) {
		syndrome[k] = 0;
		for (int i = 0; i < BLOCK; i++)
			syndrome[k] = times(syndrome[k], power[k]) ^ block[i];
	}
	length = locate(syndrome, locator);
	for (int i = 0; i < CHECKS; i++)
		for (int k = 0; k <= i && k <= length; k++)
			value[i] ^= times(locator[k], syndrome[i - k]);
	for (int i = 1; i <= length; i += 2)
		slope[i - 1] = locator[i];
	for (int place = 0; place < BLOCK; place++) {
		uint8_t x = power[255 - place], s;
		if (value_at(locator, length + 1, x))
			continue;
		s = value_at(slope, CHECKS, x);
		block[BLOCK - 1 - place] ^= times(
			power[place], times(value_at(value, CHECKS, x), power[255 - logarithm[s]]));
		wrong++;
	}
	return wrong;
}

static uint32_t run_repair(unsigned scale)
{
	uint32_t seed = 1960, sum = 1;
	make_field();
	for (unsigned r = 0; r < 180 * scale; r++) {
		uint8_t block[BLOCK], sent[BLOCK];
		for (int i = 0; i < BLOCK - CHECKS; i++)
			sent[i] = (uint8_t)(next_random(&seed) >> 24);
		add_checks(sent);
		memcpy(block, sent, BLOCK);
		for (unsigned i = 0; i < r % (CHECKS / 2 + 1); i++) {
			uint32_t x = next_random(&seed);
			block[x % BLOCK] ^= (uint8_t)(x >> 24);
		}
		sum = mix(sum, (uint32_t)repair(block));
		sum = mix(sum, (uint32_t)memcmp(block, sent, BLOCK) ? 1 : sent[BLOCK - 1]);
	}
	return sum;
}

const struct kernel kernels_int5[] = {
	{ "aes", "int5", run_aes },
	{ "cover", "int5", run_cover },
	{ "repair", "int5", run_repair },
	{ 0 },
};
