/* SPDX-License-Identifier: MIT */
/* The fifth set's integer kernels that work on texts, bytes and networks. */
#include "bench.h"
#include <stdlib.h>
#include <string.h>

/* ---- JSON: read to a tree, looked up, written again ---- */
enum kind { NOTHING, TRUTH, NUMBER, STRING, LIST, OBJECT };
struct node {
	enum kind kind;
	int64_t number; /* in thousandths */
	const char *text, *name; /* zero-terminated, without escapes */
	struct node *inner, *next; /* the first inside, the next beside */
};
struct json {
	const char *at;
	char *room;
	struct node *nodes;
	int used;
};

static char *write_number(char *to, uint32_t n)
{
	char digits[10];
	int i = 0;
	do
		digits[i++] = (char)('0' + n % 10);
	while (n /= 10);
	while (i)
		*to++ = digits[--i];
	return to;
}

static char *make_value(char *to, int depth, uint32_t *seed)
{
	static const char *const words[] = { "\"temperature\"", "\"caf\\u00e9 \\\"au lait\\\"\"",
		"true", "null", "\"C:\\\\path\\\\of\\\\a\\\\file\"", "false", "-12.5", "\"\"" };
	uint32_t x = next_random(seed) >> 8;
	if (depth && x % 4 < 3) {
		uint32_t n = 1 + x / 4 % 8;
		*to++ = x % 4 ? '{' : '[';
		for (uint32_t i = 0; i < n; i++) {
			to = stpcpy(to, i ? ",\n  " : "");
			if (x % 4) {
				to = write_number(stpcpy(to, "\"field"), i);
				to = stpcpy(to, "\": ");
			}
			to = make_value(to, depth - 1, seed);
		}
		*to++ = x % 4 ? '}' : ']';
	} else if (x & 64) {
		to = stpcpy(to, words[x >> 8 & 7]);
	} else {
		to = write_number(to, x >> 4);
		to = write_number(stpcpy(to, "."), x % 1000);
	}
	*to = 0;
	return to;
}

static void skip_space(struct json *j)
{
	while (*j->at == ' ' || *j->at == '\n' || *j->at == '\t' || *j->at == '\r')
		j->at++;
}

static uint32_t read_hex(const char *at)
{
	uint32_t x = 0;
	for (int i = 0; i < 4; i++, at++)
		x = x << 4 | (uint32_t)(*at <= '9' ? *at - '0' : (*at | 32) - 'a' + 10);
	return x;
}

static const char *read_string(struct json *j)
{
	const char *text = j->room;
	j->at++;
	while (*j->at != '"') {
		uint32_t c = (uint8_t)*j->at++;
		if (c == '\\') {
			c = (uint8_t)*j->at++;
			if (c == 'n') {
				c = '\n';
			} else if (c == 'u') {
				c = read_hex(j->at);
				j->at += 4;
				if (c >= 128) {
					*j->room++ = (char)(0xc0 | c >> 6);
					c = 0x80 | (c & 63);
				}
			}
		}
		*j->room++ = (char)c;
	}
	*j->room++ = 0;
	j->at++;
	return text;
}

static int64_t read_number(struct json *j)
{
	int negative = *j->at == '-';
	int64_t n = 0, unit = 1000;
	j->at += negative;
	for (; *j->at >= '0' && *j->at <= '9'; j->at++)
		n = n * 10 + (*j->at - '0') * 1000;
	if (*j->at == '.')
		for (j->at++; *j->at >= '0' && *j->at <= '9'; j->at++)
			n += (*j->at - '0') * (unit /= 10);
	return negative ? -n : n;
}

static struct node *read_value(struct json *j)
{
	struct node *n = &j->nodes[j->used++], **link = &n->inner;
	*n = (struct node){ .kind = NOTHING };
	skip_space(j);
	switch (*j->at) {
	case '[':
	case '{':
		n->kind = *j->at == '{' ? OBJECT : LIST;
		do {
			const char *name = NULL;
			j->at++;
			skip_space(j);
			if (n->kind == OBJECT) {
				name = read_string(j);
				skip_space(j);
				j->at++;
			}
			*link = read_value(j);
			(*link)->name = name;
			link = &(*link)->next;
			skip_space(j);
		} while (*j->at == ',');
		j->at++;
		break;
	case '"':
		n->kind = STRING;
		n->text = read_string(j);
		break;
	case 't':
	case 'f':
		n->kind = TRUTH;
		n->number = *j->at == 't';
		j->at += n->number ? 4 : 5;
		break;
	case 'n': j->at += 4; break;
	default: n->kind = NUMBER; n->number = read_number(j);
	}
	return n;
}

static const struct node *look_up(const struct node *n, uint32_t path)
{
	char name[16];
	for (; n && n->kind >= LIST; path /= 8) {
		const struct node *i = n->inner;
		*write_number(stpcpy(name, "field"), path % 8) = 0;
		for (uint32_t k = 0; i; i = i->next, k++)
			if (n->kind == OBJECT ? !strcmp(i->name, name) : k == path % 8)
				break;
		n = i;
	}
	return n;
}

static char *write_value(char *to, const struct node *n)
{
	int64_t x = llabs(n->number);
	if (n->name) {
		to = stpcpy(stpcpy(stpcpy(to, "\""), n->name), "\":");
	}
	switch (n->kind) {
	case NOTHING: return stpcpy(to, "null");
	case TRUTH: return stpcpy(to, n->number ? "true" : "false");
	case NUMBER:
		to = write_number(stpcpy(to, n->number < 0 ? "-" : ""), (uint32_t)(x / 1000));
		return x % 1000 ? write_number(stpcpy(to, "."), (uint32_t)(x % 1000)) : to;
	case STRING:
		*to++ = '"';
		for (const char *c = n->text; *c; c++) {
			if (*c == '"' || *c == '\\')
				*to++ = '\\';
			*to++ = *c;
		}
		return stpcpy(to, "\"");
	default:
		*to++ = n->kind == LIST ? '[' : '{';
		for (const struct node *i = n->inner; i; i = i->next) {
			to = write_value(to, i);
			if (i->next)
				*to++ = ',';
		}
		return stpcpy(to, n->kind == LIST ? "]" : "}");
	}
}

static uint32_t run_json(unsigned scale)
{
	enum { MOST = 1 << 14 };
	char *document = malloc(64 * MOST), *out = malloc(64 * MOST), *room = malloc(64 * MOST);
	struct node *nodes = malloc(MOST * sizeof(*nodes));
	uint32_t seed = 8259, sum = 1;
	for (unsigned r = 0; r < 300 * scale; r++) {
		struct json j = { document, room, nodes, 0 };
		char *end;
		if (r % 5 == 0)
			make_value(document, 5, &seed);
		const struct node *root = read_value(&j);
		for (int i = 0; i < 200; i++) {
			const struct node *n = look_up(root, next_random(&seed) >> 5);
			sum = mix(sum, n ? (uint32_t)n->number + n->kind : 404);
		}
		end = write_value(out, root);
		for (char *c = out; c < end; c += 7)
			sum = mix(sum, (uint8_t)*c);
	}
	free(document);
	free(out);
	free(room);
	free(nodes);
	return sum;
}

/* ---- many words found in a text at once (Aho and Corasick) ---- */
enum { LETTERS = 26, STATES = 2000, WORDS = 300, TEXT = 100000 };
struct finder {
	int16_t next[STATES][LETTERS], fail[STATES], shorter[STATES], word[STATES];
	int states;
};

static NOINLINE void add_word(struct finder *f, const char *word, int number)
{
	int at = 0;
	for (; *word; word++) {
		int16_t *next = &f->next[at][*word - 'a'];
		if (!*next)
			*next = (int16_t)f->states++;
		at = *next;
	}
	f->word[at] = (int16_t)number;
}

static NOINLINE void link_states(struct finder *f)
{
	int16_t queue[STATES];
	int head = 0, tail = 0;
	queue[tail++] = 0;
	while (head < tail) {
		int at = queue[head++], fail = f->fail[at];
		f->shorter[at] = f->word[fail] ? (int16_t)fail : f->shorter[fail];
		for (int c = 0; c < LETTERS; c++) {
			int next = f->next[at][c], back = at ? f->next[fail][c] : 0;
			if (next) {
				f->fail[next] = (int16_t)back;
				queue[tail++] = (int16_t)next;
			} else {
				f->next[at][c] = (int16_t)back;
			}
		}
	}
}

static uint32_t run_finder(unsigned scale)
{
	static struct finder f;
	static char text[TEXT];
	static const char often[] = "eeeetttaaooiinnsshrrdlu";
	uint32_t seed = 1975, sum = 1, count[WORDS + 1] = { 0 };
	for (unsigned r = 0; r < 20 * scale; r++) {
		memset(&f, 0, sizeof(f));
		f.states = 1;
		for (int i = 0; i < TEXT && r % 20 == 0; i++)
			text[i] = often[(next_random(&seed) >> 4) % (sizeof(often) - 1)];
		for (int i = 1; i <= WORDS; i++) {
			char word[8] = { 0 };
			for (int k = 0; k < 2 + i % 5; k++)
				word[k] = often[(next_random(&seed) >> 4) % (sizeof(often) - 1)];
			add_word(&f, word, i);
		}
		link_states(&f);
		for (int i = 0, at = 0; i < TEXT; i++) {
			at = f.next[at][text[i] - 'a'];
			for (int s = f.word[at] ? at : f.shorter[at]; s; s = f.shorter[s])
				count[f.word[s]]++;
		}
		for (int i = 1; i <= WORDS; i++)
			sum = mix(sum, count[i]);
	}
	return sum;
}

const struct kernel kernels_text5[] = {
	{ "json", "int5", run_json },
	{ "finder", "int5", run_finder },
	{ 0 },
};
