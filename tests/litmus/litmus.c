/* SPDX-License-Identifier: MIT */
/* Litmus tests of the memory model: each hart runs its part of a test on many instances, places of their own,
 * in a batch; then hart 0 looks whether every instance ended as RVWMO allows. */
#include "litmus.h"

enum { INSTANCES = 256, BATCHES = 6, LOADS = 5, MOST_TESTS = 1000, SYNC_LOOKS = 40 };

#define ARENA 0x84000000ul

/* Where the instances of a batch lie: all places in one line, in lines or pages of their own, or packed so
 * that neighbours share lines. */
static const struct {
	ulong place, instance;
} layouts[] = { { 8, 64 }, { 64, 192 }, { 0x4040, 64 }, { 0x100000, 8 }, { 0x10000, 4096 + 8 },
	{ 8, 24 }, { 0x40008, 16 } };

static struct {
	const struct litmus *test;
	ulong place, instance; /* bytes from one to the next */
	ulong factor, shift; /* the order of the instances */
	ulong first; /* the hart of the first part; the others follow */
	ulong skew; /* most turns of waiting before a batch, and within it */
	bool loose; /* harts do not wait for each other at each instance */
} batch;
static struct barrier chosen, begun, done;
static struct {
	volatile ulong at;
} __attribute__((aligned(64))) progress[HARTS];
static uint64_t seen[HARTS][INSTANCES][LOADS];
static struct {
	ulong runs, relaxed, bad;
	uint64_t bad_key;
	uint64_t found; /* bits: outcomes that were seen, the first 64 */
} counts[MOST_TESTS];

static char *place(ulong instance, ulong n)
{
	return (char *)ARENA + instance * batch.instance + n * batch.place;
}

static ulong instance_of(ulong turn)
{
	return (turn * batch.factor + batch.shift) % INSTANCES;
}

/* Near the others, but never for long: some of them may not be running. */
static void meet(ulong part, ulong turn)
{
	ulong n = batch.test->harts;
	progress[part].at = turn;
	for (ulong other = 0; other < n; other++)
		for (int looks = 0; looks < SYNC_LOOKS && progress[other].at < turn; looks++)
			;
}

/* One batch; part 0 has chosen how. */
static void run_part(ulong hart, ulong part)
{
	const struct litmus *t = batch.test;
	for (ulong n = part; n < INSTANCES; n += t->harts)
		for (ulong p = 0; p < t->places; p++)
			*(volatile uint64_t *)place(n, p) = 0;
	progress[part].at = 0;
	ulong wait = batch.skew ? random_below(hart, batch.skew) : 0;
	barrier(&begun, t->harts);
	delay(wait);
	for (ulong turn = 0; turn < INSTANCES; turn++) {
		ulong n = instance_of(turn);
		if (!batch.loose)
			meet(part, turn);
		t->bodies[part](place(n, 0), place(n, 1), place(n, 2), seen[part][n]);
	}
	barrier(&done, t->harts);
}

/* Two bits for a word, four for a doubleword. Anything that nobody stored makes the key one that is not
 * allowed. */
static uint64_t append(uint64_t key, uint64_t value, bool wide)
{
	uint32_t low = (uint32_t)value, high = (uint32_t)(value >> 32);
	if (low > 3 || (wide && high > 3))
		return -1ull >> 2;
	return wide ? key << 4 | high << 2 | low : key << 2 | low;
}

static uint64_t outcome(const struct litmus *t, ulong n)
{
	uint64_t key = 0;
	for (ulong part = 0; part < t->harts; part++)
		for (ulong i = 0; i < t->loads[part].count; i++)
			key = append(key, seen[part][n][i], t->loads[part].wide[i]);
	for (ulong i = 0; i < t->finals; i++)
		key = append(key, *(volatile uint64_t *)place(n, t->final[i]), t->wide);
	return key;
}

static void judge(const struct litmus *t)
{
	ulong number = (ulong)(t - litmus_tests);
	for (ulong n = 0; n < INSTANCES; n++) {
		uint64_t key = outcome(t, n);
		ulong k = 0;
		while (k < t->keys && t->allowed[k] != key)
			k++;
		counts[number].runs++;
		if (k == t->keys) {
			counts[number].bad++;
			counts[number].bad_key = key;
		} else {
			counts[number].relaxed += t->relaxed[k];
			if (k < 64)
				counts[number].found |= 1ull << k;
		}
	}
}

static void choose(ulong hart)
{
	static const ulong skews[] = { 0, 20, 300, 3000 };
	ulong layout = random_below(hart, sizeof layouts / sizeof *layouts);
	batch.place = layouts[layout].place;
	batch.instance = layouts[layout].instance;
	batch.factor = random_below(hart, 2) ? 1 : random(hart) | 1;
	batch.shift = random_below(hart, INSTANCES);
	batch.skew = skews[random_below(hart, 4)];
	batch.loose = random_below(hart, 3) == 0;
}

/* Some batches of one test; harts that have no part sleep. */
static void take_part(ulong hart)
{
	const struct litmus *t = batch.test;
	ulong part = (hart - batch.first) % HARTS;
	for (int n = 0; part < t->harts && n < BATCHES; n++) {
		if (part == 0)
			choose(hart);
		barrier(&chosen, t->harts);
		run_part(hart, part);
		if (part == 0)
			judge(t);
	}
}

static ulong bits(uint64_t v)
{
	ulong n = 0;
	for (; v; v &= v - 1)
		n++;
	return n;
}

static void report(ulong number)
{
	const struct litmus *t = &litmus_tests[number];
	put_string("# ");
	put_string(t->name);
	put_number(": ", counts[number].runs);
	put_number(" runs, ", bits(counts[number].found));
	put_number(" of ", t->keys);
	put_string(" outcomes");
	if (t->relaxed_keys)
		put_number(", relaxed ", counts[number].relaxed);
	if (counts[number].bad) {
		put_number(", forbidden ", counts[number].bad);
		put_string(" such as ");
		put_hex(counts[number].bad_key);
	}
	put_char('\n');
	result(!counts[number].bad, t->name);
}

void run(void)
{
	do
		for (ulong n = 0; n < litmus_count; n++) {
			batch.test = &litmus_tests[n];
			batch.first = random_below(0, HARTS);
			everywhere(take_part);
		}
	while (time_left());
	for (ulong n = 0; n < litmus_count; n++)
		report(n);
}
