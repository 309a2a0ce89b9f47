/* SPDX-License-Identifier: MIT */
/* The fourth set's integer kernels that work on bytes and texts: codes, formulas. */
#include "bench.h"
#include <string.h>

/* ---- bytes moved to the front, runs of zeros as lengths, and both undone ---- */
enum { PLAIN = 1 << 14 };

static NOINLINE size_t encode(const uint8_t *in, size_t bytes, uint8_t *out)
{
	uint8_t order[256], *start = out;
	unsigned zeros = 0;
	for (int i = 0; i < 256; i++)
		order[i] = (uint8_t)i;
	for (size_t i = 0; i <= bytes; i++) {
		uint8_t place = 0, last = order[0];
		if (i < bytes) {
			for (; last != in[i]; place++) {
				uint8_t next = order[place + 1];
				order[place + 1] = last;
				last = next;
			}
			order[0] = last;
			if (!place && ++zeros < 255)
				continue;
		}
		if (zeros) {
			*out++ = 0;
			*out++ = (uint8_t)zeros;
		}
		zeros = 0;
		if (place)
			*out++ = place;
	}
	return (size_t)(out - start);
}

static NOINLINE size_t decode(const uint8_t *in, size_t bytes, uint8_t *out)
{
	uint8_t order[256], *start = out;
	for (int i = 0; i < 256; i++)
		order[i] = (uint8_t)i;
	for (const uint8_t *end = in + bytes; in < end; in++) {
		uint8_t byte = order[*in];
		if (*in) {
			memmove(order + 1, order, *in);
			*out++ = order[0] = byte;
		} else {
			for (unsigned n = *++in; n; n--)
				*out++ = byte;
		}
	}
	return (size_t)(out - start);
}

static uint32_t run_tofront(unsigned scale)
{
	static uint8_t plain[PLAIN], coded[2 * PLAIN], again[PLAIN];
	uint32_t seed = 1986, sum = 1;
	for (unsigned r = 0; r < 60 * scale; r++) {
		size_t bytes;
		for (int i = 0; i < PLAIN; i++) { /* mostly what was there lately */
			uint32_t x = next_random(&seed);
			plain[i] = (uint8_t)(x >> 8 & x >> 16 & 127);
			if (i >= 64 && x >> 29)
				plain[i] = x >> 31 ? plain[i - 1] : plain[i - 1 - (int)(x % 64)];
		}
		bytes = encode(plain, PLAIN, coded);
		sum = mix(sum, (uint32_t)bytes);
		for (size_t i = 0; i < bytes; i += 50)
			sum = mix(sum, coded[i]);
		if (decode(coded, bytes, again) != PLAIN || memcmp(plain, again, PLAIN))
			sum = mix(sum, 0xbad);
	}
	return sum;
}

/* ---- formulas: parsed to a tree, which is evaluated for many values ---- */
enum operation { NUMBER, LETTER, NEGATE, ADD, SUBTRACT, MULTIPLY, DIVIDE, REST, LESS, CHOOSE };
struct node {
	enum operation operation;
	uint32_t value;
	struct node *left, *right, *third;
};
struct formula {
	const char *at;
	struct node pool[512];
	int nodes;
};

static struct node *new_node(struct formula *f, enum operation o, struct node *l, struct node *r)
{
	struct node *n = &f->pool[f->nodes++];
	*n = (struct node){ o, 0, l, r, NULL };
	return n;
}

static struct node *parse(struct formula *f, int level);

static struct node *parse_factor(struct formula *f)
{
	struct node *n;
	char c = *f->at++;
	if (c == '-')
		return new_node(f, NEGATE, parse_factor(f), NULL);
	if (c == '(') {
		n = parse(f, 0);
		f->at++;
		return n;
	}
	n = new_node(f, c >= 'a' ? LETTER : NUMBER, NULL, NULL);
	n->value = (uint32_t)(c >= 'a' ? c - 'a' : c - '0');
	while (n->operation == NUMBER && *f->at >= '0' && *f->at <= '9')
		n->value = n->value * 10 + (uint32_t)(*f->at++ - '0');
	return n;
}

/* Level 0: c ? a : b, 1: <, 2: + and -, 3: * and / and %. */
static struct node *parse(struct formula *f, int level)
{
	static const char signs[] = "+-*/%<";
	static const uint8_t levels[] = { 2, 2, 3, 3, 3, 1 };
	struct node *n = level < 3 ? parse(f, level + 1) : parse_factor(f);
	const char *sign;
	if (!level && *f->at == '?') {
		n = new_node(f, CHOOSE, n, NULL);
		f->at++;
		n->right = parse(f, 0);
		f->at++;
		n->third = parse(f, 0);
	}
	while (*f->at && (sign = strchr(signs, *f->at)) && levels[sign - signs] == level) {
		f->at++;
		struct node *right = level < 3 ? parse(f, level + 1) : parse_factor(f);
		n = new_node(f, (enum operation)(ADD + (sign - signs)), n, right);
	}
	return n;
}

static uint32_t evaluate(const struct node *n, const uint32_t *letters)
{
	uint32_t a, b;
	if (n->operation == NUMBER)
		return n->value;
	if (n->operation == LETTER)
		return letters[n->value];
	a = evaluate(n->left, letters);
	if (n->operation == NEGATE)
		return -a;
	if (n->operation == CHOOSE)
		return evaluate(a ? n->right : n->third, letters);
	b = evaluate(n->right, letters);
	switch (n->operation) {
	case ADD: return a + b;
	case SUBTRACT: return a - b;
	case MULTIPLY: return a * b;
	case DIVIDE: return b ? a / b : 0;
	case REST: return b ? a % b : 0;
	default: return (int32_t)a < (int32_t)b;
	}
}

static char *write_formula(char *out, int depth, uint32_t *seed)
{
	uint32_t x = next_random(seed) >> 8;
	if (!depth || x % 8 == 0) {
		if (x & 8)
			*out++ = (char)('a' + (x >> 4) % 26);
		else
			for (int i = 0; i < 4 && (!i || x >> (6 + i) & 1); i++)
				*out++ = (char)('1' + (x >> (3 * i + 10)) % 9);
		return out;
	}
	if (x % 8 < 5)
		*out++ = x % 8 == 1 ? '-' : '(';
	out = write_formula(out, depth - 1, seed);
	if ((x >> 4) % 12) {
		*out++ = "+-*/%<"[(x >> 10) % 6];
	} else {
		*out++ = '?';
		out = write_formula(out, depth - 1, seed);
		*out++ = ':';
	}
	out = write_formula(out, depth - 1, seed);
	if (x % 8 < 5 && x % 8 != 1)
		*out++ = ')';
	return out;
}

static uint32_t run_formulas(unsigned scale)
{
	static struct formula f;
	uint32_t seed = 1957, sum = 1;
	for (unsigned r = 0; r < 6000 * scale; r++) {
		char text[4096];
		uint32_t letters[26];
		*write_formula(text, 5, &seed) = 0;
		f.at = text;
		f.nodes = 0;
		struct node *root = parse(&f, 0);
		for (int i = 0; i < 26; i++)
			letters[i] = next_random(&seed) % 100;
		for (unsigned i = 0; i < 20; i++) {
			letters[i] = sum = mix(sum, evaluate(root, letters));
			sum += i;
		}
		sum = mix(sum, (uint32_t)f.nodes ^ (uint32_t)(f.at - text));
	}
	return sum;
}

const struct kernel kernels_text4[] = {
	{ "tofront", "int4", run_tofront },
	{ "formulas", "int4", run_formulas },
	{ 0 },
};
