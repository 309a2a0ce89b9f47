/* SPDX-License-Identifier: MIT */
/* The third set's integer kernels that work on texts: patterns, words, distances. */
#include "bench.h"
#include <stdlib.h>
#include <string.h>

/* ---- regular expressions: compiled to steps, matched by backtracking ---- */
enum step_kind { ONE, ANY, ONE_OF, EITHER, JUMP, MATCHED };
struct step {
	uint8_t kind, character;
	int16_t to, or_to; /* relative */
};
struct pattern {
	const char *text;
	int steps, sets;
	struct step at[64];
	uint8_t set[4][32];
};

static void insert_step(struct pattern *p, int at, struct step s)
{
	memmove(p->at + at + 1, p->at + at, (size_t)(p->steps++ - at) * sizeof(s));
	p->at[at] = s;
}

static void compile_choice(struct pattern *p);

static void compile_atom(struct pattern *p)
{
	char c = *p->text++;
	if (c == '(') {
		compile_choice(p);
		p->text++;
		return;
	}
	if (c == '[') {
		uint8_t *set = p->set[p->sets];
		for (; *p->text != ']'; p->text++) {
			int last = p->text[1] == '-' ? p->text[2] : *p->text;
			for (int k = *p->text; k <= last; k++)
				set[k / 8] |= (uint8_t)(1 << k % 8);
			if (p->text[1] == '-')
				p->text += 2;
		}
		p->text++;
		insert_step(p, p->steps, (struct step){ ONE_OF, (uint8_t)p->sets++, 0, 0 });
		return;
	}
	if (c == '\\')
		c = *p->text++;
	else if (c == '.')
		c = 0;
	insert_step(p, p->steps, (struct step){ c ? ONE : ANY, (uint8_t)c, 0, 0 });
}

static void compile_choice(struct pattern *p)
{
	int start = p->steps, end;
	while (*p->text && *p->text != '|' && *p->text != ')') {
		int first = p->steps;
		compile_atom(p);
		int n = p->steps - first;
		if (*p->text == '*') {
			insert_step(p, first, (struct step){ EITHER, 0, 1, (int16_t)(n + 2) });
			insert_step(p, p->steps, (struct step){ JUMP, 0, (int16_t)(-n - 1), 0 });
		} else if (*p->text == '+') {
			insert_step(p, p->steps, (struct step){ EITHER, 0, (int16_t)-n, 1 });
		} else if (*p->text == '?') {
			insert_step(p, first, (struct step){ EITHER, 0, 1, (int16_t)(n + 1) });
		} else {
			continue;
		}
		p->text++;
	}
	if (*p->text != '|')
		return;
	p->text++;
	insert_step(p, start, (struct step){ EITHER, 0, 1, (int16_t)(p->steps - start + 2) });
	end = p->steps;
	insert_step(p, end, (struct step){ JUMP, 0, 0, 0 });
	compile_choice(p);
	p->at[end].to = (int16_t)(p->steps - end);
}

/* The end of the match at t, or NULL. */
static const char *match(const struct pattern *p, const struct step *s, const char *t)
{
	for (;;)
		switch ((enum step_kind)s->kind) {
		case ONE:
			if (*t++ != (char)s->character)
				return NULL;
			s++;
			break;
		case ANY:
			if (!*t++)
				return NULL;
			s++;
			break;
		case ONE_OF: {
			uint8_t c = (uint8_t)*t++;
			if (!(p->set[s->character][c / 8] >> c % 8 & 1))
				return NULL;
			s++;
			break;
		}
		case EITHER: {
			const char *end = match(p, s + s->to, t);
			if (end)
				return end;
			s += s->or_to;
			break;
		}
		case JUMP: s += s->to; break;
		case MATCHED: return t;
		}
}

static uint32_t count_matches(const struct pattern *p, const char *line)
{
	uint32_t sum = 0;
	for (const char *t = line; *t;) {
		const char *end = match(p, p->at, t);
		sum += end ? 1 + (uint32_t)(end - t) * 64 : 0;
		t = end && end > t ? end : t + 1;
	}
	return sum;
}

static uint32_t run_regex(unsigned scale)
{
	static const char *const texts[] = { "[0-9]+\\.[0-9]+\\.[0-9]+\\.[0-9]+",
		"(error|warning|fail(ed|ure)?): ", "[a-z]+\\[[0-9]+\\]",
		"(GET|POST) /[a-z/]*\\.html?", "for [a-z]+ from.*port [0-9]+" };
	static const char *const pieces[16] = { "10.0.17.", "4", "192.168.3.21 ", "sshd[", "2417",
		"]: ", "error", "failed: ", "GET /", "index/a", ".html ", "for root ", "from ",
		"port 22", "warning: ", "POST /" };
	enum { PATTERNS = sizeof(texts) / sizeof(*texts) };
	static struct pattern patterns[PATTERNS];
	uint32_t seed = 4242, sum = 1;
	memset(patterns, 0, sizeof(patterns));
	for (int i = 0; i < PATTERNS; i++) {
		patterns[i].text = texts[i];
		compile_choice(&patterns[i]);
		insert_step(&patterns[i], patterns[i].steps, (struct step){ MATCHED, 0, 0, 0 });
	}
	for (unsigned r = 0; r < 8000 * scale; r++) {
		char line[200] = "";
		for (int i = 0; i < 14; i++)
			strcat(line, pieces[next_random(&seed) >> 28]);
		for (int i = 0; i < PATTERNS; i++)
			sum = mix(sum, count_matches(&patterns[i], line));
	}
	return sum;
}

/* ---- words counted in a hash table that grows ---- */
struct word {
	struct word *next;
	uint32_t hash, count;
	char text[];
};
struct words {
	struct word **heads;
	size_t heads_used, size, count;
};

static void grow(struct words *w)
{
	size_t size = w->size ? 2 * w->size : 64;
	struct word **heads = calloc(size, sizeof(*heads));
	for (size_t i = 0; i < w->size; i++)
		for (struct word *at = w->heads[i], *next; at; at = next) {
			next = at->next;
			at->next = heads[at->hash & (size - 1)];
			heads[at->hash & (size - 1)] = at;
		}
	free(w->heads);
	w->heads = heads;
	w->size = size;
}

static NOINLINE struct word *intern(struct words *w, const char *text)
{
	uint32_t hash = 2166136261u;
	struct word *at;
	for (const char *t = text; *t; t++)
		hash = (hash ^ (uint8_t)*t) * 16777619u;
	if (w->count >= w->size)
		grow(w);
	for (at = w->heads[hash & (w->size - 1)]; at; at = at->next)
		if (at->hash == hash && !strcmp(at->text, text))
			return at;
	at = malloc(sizeof(*at) + strlen(text) + 1);
	at->next = w->heads[hash & (w->size - 1)];
	at->hash = hash;
	at->count = 0;
	strcpy(at->text, text);
	w->heads[hash & (w->size - 1)] = at;
	w->count++;
	return at;
}

static uint32_t run_words(unsigned scale)
{
	static const char *const syllables[16] = { "ka", "to", "ri", "ven", "mo", "sel", "du", "an",
		"pi", "gor", "lu", "the", "es", "bra", "in", "o" };
	uint32_t seed = 1848, sum = 1;
	for (unsigned r = 0; r < 3 * scale; r++) {
		struct words words = { 0 };
		for (unsigned i = 0; i < 100000; i++) {
			char text[16] = "";
			uint32_t x = next_random(&seed);
			for (unsigned k = 0; k < 2 + (x >> 30); k++)
				strcat(text, syllables[x >> 4 * k & (k < 2 ? 15 : 7)]);
			intern(&words, text)->count++;
		}
		sum = mix(sum, (uint32_t)words.count);
		for (size_t i = 0; i < words.size; i++)
			for (struct word *at = words.heads[i], *next; at; at = next) {
				next = at->next;
				sum += at->hash * at->count;
				free(at);
			}
		free(words.heads);
	}
	return sum;
}

/* ---- the distance of two texts: insertions, removals, changes, swaps ---- */
enum { LETTERS = 400 };

static NOINLINE int distance(const char *a, const char *b)
{
	static int rows[3][LETTERS + 1];
	for (int j = 0; j <= LETTERS; j++)
		rows[0][j] = j;
	for (int i = 1; i <= LETTERS; i++) {
		int *row = rows[i % 3], *above = rows[(i + 2) % 3], *higher = rows[(i + 1) % 3];
		row[0] = i;
		for (int j = 1; j <= LETTERS; j++) {
			int best = above[j - 1] + (a[i - 1] != b[j - 1]);
			if (above[j] + 1 < best)
				best = above[j] + 1;
			if (row[j - 1] + 1 < best)
				best = row[j - 1] + 1;
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
				higher[j - 2] + 1 < best)
				best = higher[j - 2] + 1;
			row[j] = best;
		}
	}
	return rows[LETTERS % 3][LETTERS];
}

static uint32_t run_distance(unsigned scale)
{
	char a[LETTERS], b[LETTERS];
	uint32_t seed = 1965, sum = 1;
	for (int i = 0; i < LETTERS; i++)
		a[i] = b[i] = "acgt"[next_random(&seed) >> 30];
	for (unsigned r = 0; r < 150 * scale; r++) {
		size_t from = next_random(&seed) % (LETTERS / 2), to = seed / 64 % (LETTERS / 2);
		memmove(b + to, b + from, LETTERS / 4);
		b[seed % LETTERS] = "acgt"[seed >> 30];
		sum = mix(sum, (uint32_t)distance(a, b));
		if (r % 8 == 7)
			memcpy(b, a, LETTERS);
	}
	return sum;
}

const struct kernel kernels_text3[] = {
	{ "regex", "int3", run_regex },
	{ "words", "int3", run_words },
	{ "distance", "int3", run_distance },
	{ 0 },
};
