/* SPDX-License-Identifier: MIT */
/* The second set's integer kernels (see README.md): texts, trees, codes, searches, long numbers. */
#include "bench.h"
#include <stdlib.h>
#include <string.h>

/* ---- a tokenizer: a state machine by switch ---- */
enum { TEXT_BYTES = 1 << 16, KEYWORDS = 8 };
enum token { BLANK, NAME, NUMBER, FRACTION, QUOTED, ESCAPED, REMARK, SIGN, TOKENS };

static const char *const keywords[KEYWORDS] = { "if", "else", "while", "return", "for", "struct",
	"switch", "int" };

static void write_source(uint8_t *text)
{
	static const char *const pieces[16] = { "if (", "count", ") ", "while (x1 < ", "3.25",
		" + ", "\"a \\\"word\\\"\"", "return ", "1024", ";\n", "struct item", " *",
		"/total", "index", " = 0;", "# a remark\n" };
	uint32_t seed = 31337;
	for (size_t n = 0; n < TEXT_BYTES;)
		for (const char *p = pieces[next_random(&seed) >> 28]; *p && n < TEXT_BYTES;)
			text[n++] = (uint8_t)*p++;
}

static enum token first_state(uint8_t c)
{
	if ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_')
		return NAME;
	if (c >= '0' && c <= '9')
		return NUMBER;
	switch (c) {
	case ' ':
	case '\n':
	case '\t': return BLANK;
	case '"': return QUOTED;
	case '#': return REMARK;
	default: return SIGN;
	}
}

static enum token next_state(enum token state, uint8_t c)
{
	enum token first = first_state(c);
	switch (state) {
	case NAME: return first == NUMBER ? NAME : first;
	case NUMBER: return c == '.' ? FRACTION : first;
	case FRACTION: return first == NUMBER ? FRACTION : first;
	case QUOTED: return c == '"' ? BLANK : c == '\\' ? ESCAPED : QUOTED;
	case ESCAPED: return QUOTED;
	case REMARK: return c == '\n' ? BLANK : REMARK;
	default: return first;
	}
}

static unsigned keyword_of(const uint8_t *name, size_t bytes)
{
	for (unsigned k = 0; k < KEYWORDS; k++)
		if (strlen(keywords[k]) == bytes && !memcmp(keywords[k], name, bytes))
			return k;
	return KEYWORDS;
}

static NOINLINE uint32_t tokenize(const uint8_t *text)
{
	unsigned counts[TOKENS] = { 0 }, words[KEYWORDS + 1] = { 0 };
	enum token state = BLANK;
	size_t start = 0;
	uint32_t sum = 1;
	for (size_t i = 0; i < TEXT_BYTES; i++) {
		enum token next = next_state(state, text[i]);
		if (next == state && state != SIGN)
			continue;
		if (state == NAME)
			words[keyword_of(text + start, i - start)]++;
		counts[next]++;
		start = i;
		state = next;
	}
	for (int i = 0; i < TOKENS; i++)
		sum = mix(sum, counts[i]);
	for (int i = 0; i <= KEYWORDS; i++)
		sum = mix(sum, words[i]);
	return sum;
}

static uint32_t run_tokens(unsigned scale)
{
	uint8_t *text = malloc(TEXT_BYTES);
	uint32_t seed = 5, sum = 1;
	write_source(text);
	for (unsigned r = 0; r < 200 * scale; r++) {
		text[next_random(&seed) % TEXT_BYTES] = ' ';
		sum = mix(sum, tokenize(text));
	}
	free(text);
	return sum;
}

/* ---- matrices of integers, sums of 64 bits ---- */
enum { ROWS = 100 };
static int32_t left[ROWS][ROWS], right[ROWS][ROWS], product[ROWS][ROWS];

static uint32_t run_imatmul(unsigned scale)
{
	uint32_t seed = 77, sum = 1;
	for (int i = 0; i < ROWS; i++)
		for (int j = 0; j < ROWS; j++) {
			left[i][j] = (int32_t)next_random(&seed) >> 8;
			right[i][j] = (int32_t)next_random(&seed) >> 8;
		}
	for (unsigned r = 0; r < 100 * scale; r++) {
		for (int i = 0; i < ROWS; i++)
			for (int j = 0; j < ROWS; j++) {
				int64_t t = 0;
				for (int k = 0; k < ROWS; k++)
					t += (int64_t)left[i][k] * right[k][j];
				product[i][j] = (int32_t)(t >> 20);
			}
		for (int i = 0; i < ROWS; i++)
			for (int j = 0; j < ROWS; j++)
				left[i][j] ^= product[j][i] >> 9;
		sum = mix(sum, (uint32_t)product[r % ROWS][r % 7]);
	}
	return sum;
}

/* ---- queens that do not attack each other, on a board with a hole ---- */
enum { BOARD = 10 };
struct board {
	uint8_t column[BOARD], up[2 * BOARD], down[2 * BOARD];
	int hole_row, hole_column;
};

static NOINLINE unsigned place(struct board *b, int row)
{
	unsigned found = 0;
	if (row == BOARD)
		return 1;
	for (int c = 0; c < BOARD; c++) {
		if (b->column[c] || b->up[row + c] || b->down[row - c + BOARD])
			continue;
		if (row == b->hole_row && c == b->hole_column)
			continue;
		b->column[c] = b->up[row + c] = b->down[row - c + BOARD] = 1;
		found += place(b, row + 1);
		b->column[c] = b->up[row + c] = b->down[row - c + BOARD] = 0;
	}
	return found;
}

static uint32_t run_queens(unsigned scale)
{
	struct board b = { 0 };
	uint32_t sum = 1;
	for (unsigned r = 0; r < 50 * scale; r++) {
		b.hole_row = r % BOARD;
		b.hole_column = r / BOARD % BOARD;
		sum = mix(sum, place(&b, 0));
	}
	return sum;
}

/* ---- Huffman's code: count, build, encode and decode bit by bit ---- */
enum { SYMBOLS = 256, NODES = 2 * SYMBOLS, DATA_BYTES = 1 << 16 };
struct code {
	unsigned weight[NODES], nodes, root;
	uint16_t child[NODES][2];
	uint32_t bits[SYMBOLS];
	uint8_t length[SYMBOLS];
};

/* The lightest node that has no parent yet. */
static unsigned take_lightest(const struct code *c, uint8_t *taken)
{
	unsigned best = NODES;
	for (unsigned i = 0; i < c->nodes; i++)
		if (!taken[i] && c->weight[i] && (best == NODES || c->weight[i] < c->weight[best]))
			best = i;
	if (best < NODES)
		taken[best] = 1;
	return best;
}

static void name_symbols(struct code *c, unsigned node, uint32_t bits, uint8_t length)
{
	if (node < SYMBOLS) {
		c->bits[node] = bits;
		c->length[node] = length;
		return;
	}
	name_symbols(c, c->child[node][0], bits << 1, length + 1);
	name_symbols(c, c->child[node][1], bits << 1 | 1, length + 1);
}

static void build_code(struct code *c, const uint8_t *data)
{
	uint8_t taken[NODES] = { 0 };
	memset(c, 0, sizeof(*c));
	c->nodes = SYMBOLS;
	for (size_t i = 0; i < DATA_BYTES; i++)
		c->weight[data[i]]++;
	c->root = take_lightest(c, taken);
	for (unsigned other; (other = take_lightest(c, taken)) < NODES;) {
		unsigned node = c->nodes++;
		c->weight[node] = c->weight[c->root] + c->weight[other];
		c->child[node][0] = (uint16_t)c->root;
		c->child[node][1] = (uint16_t)other;
		c->root = take_lightest(c, taken);
	}
	name_symbols(c, c->root, 0, 0);
}

static size_t encode(const struct code *c, const uint8_t *data, uint8_t *out)
{
	uint64_t buffer = 0;
	unsigned bits = 0;
	size_t n = 0;
	for (size_t i = 0; i < DATA_BYTES; i++) {
		buffer = buffer << c->length[data[i]] | c->bits[data[i]];
		for (bits += c->length[data[i]]; bits >= 8; bits -= 8)
			out[n++] = (uint8_t)(buffer >> (bits - 8));
	}
	out[n++] = (uint8_t)(buffer << (8 - bits));
	return n;
}

static void decode(const struct code *c, const uint8_t *in, uint8_t *out)
{
	size_t bit = 0;
	for (size_t i = 0; i < DATA_BYTES; i++) {
		unsigned node = c->root;
		for (; node >= SYMBOLS; bit++)
			node = c->child[node][in[bit >> 3] >> (7 - (bit & 7)) & 1];
		out[i] = (uint8_t)node;
	}
}

static uint32_t run_huffman(unsigned scale)
{
	static struct code code;
	uint8_t *data = malloc(DATA_BYTES), *back = malloc(DATA_BYTES);
	uint8_t *packed = malloc(4 * DATA_BYTES);
	uint32_t seed = 2024, sum = 1;
	for (size_t i = 0; i < DATA_BYTES; i++) {
		uint32_t x = next_random(&seed); /* low values are more frequent */
		data[i] = (uint8_t)((x & 255) * (x >> 8 & 255) * (x >> 16 & 255) >> 16);
	}
	for (unsigned r = 0; r < 50 * scale; r++) {
		data[next_random(&seed) % DATA_BYTES] ^= (uint8_t)r;
		build_code(&code, data);
		sum = mix(sum, (uint32_t)encode(&code, data, packed));
		decode(&code, packed, back);
		if (memcmp(data, back, DATA_BYTES))
			sum = mix(sum, 0xbad);
		sum = mix(sum, packed[r % 1024]);
	}
	free(data);
	free(back);
	free(packed);
	return sum;
}

/* ---- a binary search tree: insert, find, remove ---- */
struct leaf {
	struct leaf *child[2];
	uint32_t key, value;
};

static struct leaf **find(struct leaf **at, uint32_t key)
{
	while (*at && (*at)->key != key)
		at = &(*at)->child[key > (*at)->key];
	return at;
}

static void unlink_leaf(struct leaf **at)
{
	struct leaf *gone = *at, **next = &gone->child[1], *heir;
	if (!*next) {
		*at = gone->child[0];
		return;
	}
	while ((*next)->child[0])
		next = &(*next)->child[0];
	heir = *next;
	*next = heir->child[1];
	heir->child[0] = gone->child[0];
	heir->child[1] = gone->child[1];
	*at = heir;
}

static uint32_t run_tree(unsigned scale)
{
	enum { LEAVES = 20000 };
	struct leaf *pool = malloc(LEAVES * sizeof(*pool));
	uint32_t seed = 8, sum = 1;
	for (unsigned r = 0; r < 8 * scale; r++) {
		struct leaf *root = NULL;
		uint32_t hits = 0;
		for (uint32_t i = 0; i < LEAVES; i++) {
			uint32_t key = next_random(&seed) & 0xffff;
			struct leaf **at = find(&root, key);
			if (!*at) {
				pool[i] = (struct leaf){ { NULL, NULL }, key, i };
				*at = &pool[i];
			} else {
				(*at)->value ^= i;
			}
		}
		for (uint32_t i = 0; i < 3 * LEAVES; i++) {
			struct leaf **at = find(&root, next_random(&seed) & 0xffff);
			if (!*at)
				continue;
			hits += (*at)->value;
			if (i % 8 == 0)
				unlink_leaf(at);
		}
		sum = mix(sum, hits);
	}
	free(pool);
	return sum;
}

/* ---- ChaCha20 (RFC 8439, 2.3) ---- */
static uint32_t rotate(uint32_t x, int n)
{
	return x << n | x >> (32 - n);
}

static void quarter_round(uint32_t *x, int a, int b, int c, int d)
{
	x[a] += x[b];
	x[d] = rotate(x[d] ^ x[a], 16);
	x[c] += x[d];
	x[b] = rotate(x[b] ^ x[c], 12);
	x[a] += x[b];
	x[d] = rotate(x[d] ^ x[a], 8);
	x[c] += x[d];
	x[b] = rotate(x[b] ^ x[c], 7);
}

static void chacha_block(const uint32_t *state, uint8_t *out)
{
	uint32_t x[16];
	memcpy(x, state, sizeof(x));
	for (int i = 0; i < 10; i++) {
		quarter_round(x, 0, 4, 8, 12);
		quarter_round(x, 1, 5, 9, 13);
		quarter_round(x, 2, 6, 10, 14);
		quarter_round(x, 3, 7, 11, 15);
		quarter_round(x, 0, 5, 10, 15);
		quarter_round(x, 1, 6, 11, 12);
		quarter_round(x, 2, 7, 8, 13);
		quarter_round(x, 3, 4, 9, 14);
	}
	for (int i = 0; i < 16; i++) {
		uint32_t v = x[i] + state[i];
		for (int k = 0; k < 4; k++)
			out[4 * i + k] ^= (uint8_t)(v >> 8 * k);
	}
}

static uint32_t run_chacha(unsigned scale)
{
	uint32_t state[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };
	uint8_t message[1024];
	uint32_t sum = 1;
	for (uint32_t i = 4; i < 16; i++)
		state[i] = i * 0x01010101u;
	memset(message, 'm', sizeof(message));
	for (unsigned r = 0; r < 20000 * scale; r++)
		for (size_t at = 0; at < sizeof(message); at += 64) {
			chacha_block(state, message + at);
			state[12]++;
		}
	for (size_t i = 0; i < sizeof(message); i++)
		sum = mix(sum, message[i]);
	return sum;
}

/* ---- powers of 1024-bit numbers, by Montgomery's multiplication ---- */
enum { LIMBS = 16, EXPONENT_BITS = 64 };
typedef unsigned __int128 u128;

/* 1 if a >= b. */
static int not_below(const uint64_t *a, const uint64_t *b)
{
	for (int i = LIMBS - 1; i >= 0; i--)
		if (a[i] != b[i])
			return a[i] > b[i];
	return 1;
}

static void subtract(uint64_t *a, const uint64_t *b)
{
	uint64_t borrow = 0;
	for (int i = 0; i < LIMBS; i++) {
		u128 d = (u128)a[i] - b[i] - borrow;
		a[i] = (uint64_t)d;
		borrow = (uint64_t)(d >> 64) & 1;
	}
}

static NOINLINE void multiply(
	uint64_t *out, const uint64_t *a, const uint64_t *b, const uint64_t *mod, uint64_t inverse)
{
	uint64_t t[LIMBS + 2] = { 0 };
	for (int i = 0; i < LIMBS; i++) {
		u128 s = 0;
		for (int j = 0; j < LIMBS; j++) {
			s += (u128)a[j] * b[i] + t[j];
			t[j] = (uint64_t)s;
			s >>= 64;
		}
		s += t[LIMBS];
		t[LIMBS] = (uint64_t)s;
		t[LIMBS + 1] = (uint64_t)(s >> 64);
		uint64_t q = t[0] * inverse;
		s = ((u128)q * mod[0] + t[0]) >> 64;
		for (int j = 1; j < LIMBS; j++) {
			s += (u128)q * mod[j] + t[j];
			t[j - 1] = (uint64_t)s;
			s >>= 64;
		}
		s += t[LIMBS];
		t[LIMBS - 1] = (uint64_t)s;
		t[LIMBS] = t[LIMBS + 1] + (uint64_t)(s >> 64);
	}
	if (t[LIMBS] || not_below(t, mod))
		subtract(t, mod);
	memcpy(out, t, LIMBS * sizeof(*t));
}

static uint32_t run_modexp(unsigned scale)
{
	uint64_t mod[LIMBS], base[LIMBS], power[LIMBS], inverse = 1;
	uint32_t seed = 65537, sum = 1;
	for (int i = 0; i < LIMBS; i++) {
		mod[i] = (uint64_t)next_random(&seed) << 32 | next_random(&seed);
		base[i] = (uint64_t)next_random(&seed) << 32 | next_random(&seed);
	}
	mod[0] |= 1;
	mod[LIMBS - 1] |= 1ull << 63;
	base[LIMBS - 1] >>= 1;
	for (int i = 0; i < 6; i++) /* Newton's steps; each doubles the bits */
		inverse *= 2 - mod[0] * inverse;
	for (unsigned r = 0; r < 1500 * scale; r++) {
		uint64_t exponent = (uint64_t)next_random(&seed) << 32 | next_random(&seed);
		memcpy(power, base, sizeof(power));
		for (int bit = EXPONENT_BITS - 1; bit >= 0; bit--) {
			multiply(power, power, power, mod, -inverse);
			if (exponent >> bit & 1)
				multiply(power, power, base, mod, -inverse);
		}
		memcpy(base, power, sizeof(base));
		sum = mix(sum, (uint32_t)(power[r % LIMBS] >> 32));
	}
	return sum;
}

/* ---- UTF-8: decode all, and search words ---- */
enum { UTF8_BYTES = 1 << 16 };

static size_t put_character(uint8_t *out, uint32_t c)
{
	if (c < 0x80) {
		out[0] = (uint8_t)c;
		return 1;
	}
	if (c < 0x800) {
		out[0] = (uint8_t)(0xc0 | c >> 6);
		out[1] = (uint8_t)(0x80 | (c & 63));
		return 2;
	}
	if (c < 0x10000) {
		out[0] = (uint8_t)(0xe0 | c >> 12);
		out[1] = (uint8_t)(0x80 | (c >> 6 & 63));
		out[2] = (uint8_t)(0x80 | (c & 63));
		return 3;
	}
	out[0] = (uint8_t)(0xf0 | c >> 18);
	out[1] = (uint8_t)(0x80 | (c >> 12 & 63));
	out[2] = (uint8_t)(0x80 | (c >> 6 & 63));
	out[3] = (uint8_t)(0x80 | (c & 63));
	return 4;
}

/* The number of bytes of the character at s, 0 if there is none. */
static unsigned get_character(const uint8_t *s, const uint8_t *end, uint32_t *c)
{
	static const uint32_t smallest[5] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned bytes = *s < 0x80 ? 1 : *s < 0xc2 ? 0 : *s < 0xe0 ? 2 : *s < 0xf0 ? 3 : 4;
	if (bytes <= 1) {
		*c = *s;
		return bytes;
	}
	if (*s > 0xf4 || (size_t)(end - s) < bytes)
		return 0;
	*c = *s & (0x7fu >> bytes);
	for (unsigned i = 1; i < bytes; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
		*c = *c << 6 | (s[i] & 63);
	}
	return *c < smallest[bytes] || *c > 0x10ffff || (*c >> 11) == 27 ? 0 : bytes;
}

static NOINLINE uint32_t decode_all(const uint8_t *s, const uint8_t *end)
{
	uint32_t sum = 0, wrong = 0, c = 0;
	while (s < end) {
		unsigned bytes = get_character(s, end, &c);
		wrong += !bytes;
		sum += bytes ? c : 0;
		s += bytes ? bytes : 1;
	}
	return mix(sum, wrong);
}

/* Horspool's search: how often, and where. */
static NOINLINE uint32_t search(const uint8_t *s, size_t bytes, const uint8_t *word, size_t length)
{
	size_t skip[256];
	uint32_t sum = 0;
	for (int i = 0; i < 256; i++)
		skip[i] = length;
	for (size_t i = 0; i + 1 < length; i++)
		skip[word[i]] = length - 1 - i;
	for (size_t at = 0; at + length <= bytes; at += skip[s[at + length - 1]]) {
		size_t i = length;
		while (i && s[at + i - 1] == word[i - 1])
			i--;
		if (!i)
			sum = mix(sum, (uint32_t)at);
	}
	return sum;
}

static uint32_t run_utf8(unsigned scale)
{
	static const uint32_t limits[8] = { 0x80, 0x80, 0x80, 0x80, 0x400, 0x400, 0xd800, 0x20000 };
	uint8_t *text = malloc(UTF8_BYTES + 4);
	uint32_t seed = 100, sum = 1;
	for (size_t n = 0; n < UTF8_BYTES;) {
		uint32_t x = next_random(&seed), limit = limits[x & 7];
		uint32_t c = limit == 0x80 ? 'a' + (x >> 3) % 26 : (x >> 3) % limit;
		if (c >> 11 != 27)
			n += put_character(text + n, c);
	}
	for (unsigned r = 0; r < 200 * scale; r++) {
		text[next_random(&seed) % UTF8_BYTES] ^= 0x10;
		sum = mix(sum, decode_all(text, text + UTF8_BYTES));
		for (size_t k = 0; k < 3; k++) {
			size_t at = next_random(&seed) % (UTF8_BYTES - 16);
			sum = mix(sum, search(text, UTF8_BYTES, text + at, 3 + 4 * k));
		}
	}
	free(text);
	return sum;
}

/* ---- a queue of events: a binary heap ---- */
struct event {
	uint64_t when;
	uint32_t who, left;
};

static void push(struct event *heap, size_t *count, struct event e)
{
	size_t i = (*count)++;
	for (; i && heap[(i - 1) / 2].when > e.when; i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = e;
}

static struct event pop(struct event *heap, size_t *count)
{
	struct event first = heap[0], last = heap[--*count];
	size_t i = 0, child;
	for (; (child = 2 * i + 1) < *count; i = child) {
		if (child + 1 < *count && heap[child + 1].when < heap[child].when)
			child++;
		if (heap[child].when >= last.when)
			break;
		heap[i] = heap[child];
	}
	heap[i] = last;
	return first;
}

static uint32_t run_events(unsigned scale)
{
	enum { ACTORS = 4096 };
	struct event *heap = malloc((ACTORS + 1) * sizeof(*heap));
	uint32_t seed = 3, sum = 1;
	for (unsigned r = 0; r < scale; r++) {
		size_t count = 0;
		for (uint32_t i = 0; i < ACTORS; i++)
			push(heap, &count, (struct event){ next_random(&seed) >> 8, i, 200 });
		while (count) {
			struct event e = pop(heap, &count);
			sum += e.who ^ (uint32_t)e.when;
			e.when += next_random(&seed) >> (8 + e.who % 8);
			if (--e.left)
				push(heap, &count, e);
		}
		sum = mix(sum, seed);
	}
	free(heap);
	return sum;
}

/* ---- an interpreter of a stack machine, by switch ---- */
enum op { PUSH, GET, SET, ADD, MULTIPLY, HALVE, ODD, LESS, LARGER, IF_NOT, GOTO, STOP };
enum variable { START, X, STEPS, LONGEST, LIMIT, VARIABLES };
struct instruction {
	uint8_t op;
	int16_t operand;
};

/* The longest of Collatz's walks that start below the limit. */
static const struct instruction walks[] = {
	/*  0 */ { PUSH, 1 },
	{ SET, START },
	/*  2 */ { GET, START },
	{ GET, LIMIT },
	{ LESS, 0 },
	{ IF_NOT, 40 },
	/*  6 */ { GET, START },
	{ SET, X },
	{ PUSH, 0 },
	{ SET, STEPS },
	/* 10 */ { PUSH, 1 },
	{ GET, X },
	{ LESS, 0 },
	{ IF_NOT, 31 },
	/* 14 */ { GET, STEPS },
	{ PUSH, 1 },
	{ ADD, 0 },
	{ SET, STEPS },
	/* 18 */ { GET, X },
	{ ODD, 0 },
	{ IF_NOT, 27 },
	/* 21 */ { GET, X },
	{ PUSH, 3 },
	{ MULTIPLY, 0 },
	{ PUSH, 1 },
	{ ADD, 0 },
	{ GOTO, 29 },
	/* 27 */ { GET, X },
	{ HALVE, 0 },
	/* 29 */ { SET, X },
	{ GOTO, 10 },
	/* 31 */ { GET, STEPS },
	{ GET, LONGEST },
	{ LARGER, 0 },
	{ SET, LONGEST },
	/* 35 */ { GET, START },
	{ PUSH, 1 },
	{ ADD, 0 },
	{ SET, START },
	{ GOTO, 2 },
	/* 40 */ { STOP, 0 },
};

static NOINLINE void interpret(const struct instruction *code, uint64_t *variables)
{
	uint64_t stack[16], *top = stack; /* top: the first free one */
	for (const struct instruction *at = code;; at++)
		switch ((enum op)at->op) {
		case PUSH: *top++ = (uint64_t)at->operand; break;
		case GET: *top++ = variables[at->operand]; break;
		case SET: variables[at->operand] = *--top; break;
		case ADD:
			top--;
			top[-1] += *top;
			break;
		case MULTIPLY:
			top--;
			top[-1] *= *top;
			break;
		case HALVE: top[-1] /= 2; break;
		case ODD: top[-1] &= 1; break;
		case LESS:
			top--;
			top[-1] = top[-1] < *top;
			break;
		case LARGER:
			top--;
			if (top[-1] < *top)
				top[-1] = *top;
			break;
		case IF_NOT:
			if (!*--top)
				at = code + at->operand - 1;
			break;
		case GOTO: at = code + at->operand - 1; break;
		case STOP: return;
		}
}

static uint32_t run_stackvm(unsigned scale)
{
	uint32_t sum = 1;
	for (unsigned r = 0; r < scale; r++) {
		uint64_t variables[VARIABLES] = { 0 };
		variables[LIMIT] = 30000 - r % 16;
		interpret(walks, variables);
		sum = mix(sum, (uint32_t)variables[LONGEST]);
	}
	return sum;
}

/* ---- divisions: common divisors, factors, digits ---- */
static NOINLINE uint64_t common_divisor(uint64_t a, uint64_t b)
{
	while (b) {
		uint64_t rest = a % b;
		a = b;
		b = rest;
	}
	return a;
}

static NOINLINE uint32_t smallest_factor(uint32_t n)
{
	if (n % 2 == 0)
		return 2;
	for (uint32_t d = 3; d <= n / d; d += 2)
		if (n % d == 0)
			return d;
	return n;
}

static NOINLINE int digit_sum(int64_t n, int base)
{
	int sum = 0;
	for (; n; n /= base)
		sum += (int)(n % base);
	return sum;
}

static uint32_t run_divide(unsigned scale)
{
	uint32_t seed = 1009, sum = 1;
	for (unsigned i = 0; i < 200000 * scale; i++) {
		uint64_t a = (uint64_t)next_random(&seed) << 32 | next_random(&seed);
		uint64_t b = (uint64_t)next_random(&seed) << 16 | 1;
		sum = mix(sum, (uint32_t)common_divisor(a, b));
		sum = mix(sum, smallest_factor((uint32_t)(a >> 44)));
		sum = mix(sum, (uint32_t)digit_sum((int64_t)a, 3 + (int)(i % 14)));
	}
	return sum;
}

const struct kernel kernels_int2[] = {
	{ "tokens", "int2", run_tokens },
	{ "imatmul", "int2", run_imatmul },
	{ "queens", "int2", run_queens },
	{ "huffman", "int2", run_huffman },
	{ "tree", "int2", run_tree },
	{ "chacha", "int2", run_chacha },
	{ "modexp", "int2", run_modexp },
	{ "utf8", "int2", run_utf8 },
	{ "events", "int2", run_events },
	{ "stackvm", "int2", run_stackvm },
	{ "divide", "int2", run_divide },
	{ 0 },
};
