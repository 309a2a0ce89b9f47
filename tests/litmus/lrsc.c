/* SPDX-License-Identifier: MIT */
/* Atomics under contention (unprivileged manual, 13, 14, 16): counters, every AMO, compare-and-swap, a lock-free stack
 * and queue, aligned accesses that must not tear, and constrained LR/SC loops that must end. */
#include "harts.h"

enum { TURNS = 2000, NODES = 24, ITEMS = 400 };

#define LINE __attribute__((aligned(64)))

static volatile uint64_t word[4] LINE;
static volatile ulong sums[HARTS], bad[HARTS];
static struct barrier begun;

static ulong total(void)
{
	ulong n = 0;
	for (int h = 0; h < HARTS; h++)
		n += sums[h];
	return n;
}

/* All harts run `what`; then nobody may have counted anything bad, and `good` must hold. */
static void bad_clear(void)
{
	for (int h = 0; h < HARTS; h++)
		bad[h] = sums[h] = 0;
	for (int i = 0; i < 4; i++)
		word[i] = 0;
	fence();
}

static ulong bad_total(void)
{
	return bad[0] + bad[1] + bad[2] + bad[3];
}

/* ---- one word ---- */

#define AMO(op, old, value, p)                                                                     \
	__asm__ volatile(op " %0, %1, (%2)" : "=&r"(old) : "r"(value), "r"(p) : "memory")

static void lr_sc_add(ulong hart)
{
	(void)hart;
	barrier(&begun, HARTS);
	for (int i = 0; i < TURNS; i++)
		__asm__ volatile(
			"1: lr.w t0, (%0)\n addi t0, t0, 1\n sc.w t1, t0, (%0)\n bnez t1, 1b\n"
			"2: lr.d t0, (%1)\n addi t0, t0, 3\n sc.d.rl t1, t0, (%1)\n bnez t1, 2b"
			:
			: "r"(&word[0]), "r"(&word[1])
			: "t0", "t1", "memory");
}

/* Four ways to add, on one word. */
static void mixed_add(ulong hart)
{
	ulong old;
	barrier(&begun, HARTS);
	for (int i = 0; i < TURNS; i++) {
		switch (hart) {
		case 0: AMO("amoadd.d", old, 1ul, &word[0]); break;
		case 1:
			__asm__ volatile("1: lr.d t0, (%0)\n addi t0, t0, 1\n sc.d t1, t0, (%0)\n"
					 "bnez t1, 1b" ::"r"(&word[0])
					 : "t0", "t1", "memory");
			break;
		case 2: AMO("amoadd.w", old, 1ul, &word[0]); break;
		default: /* amocas.d a0, a1, (a2) */
			__asm__ volatile(
				"ld a0, 0(%0)\n 1: mv a3, a0\n addi a1, a0, 1\n mv a2, %0\n"
				".insn r 0x2f, 3, 0x14, a0, a2, a1\n bne a0, a3, 1b" ::"r"(&word[0])
				: "a0", "a1", "a2", "a3", "memory");
		}
	}
}

/* Each old value of a swap is what somebody swapped in: sums in and out agree. */
static void swap(ulong hart)
{
	ulong in = 0, out = 0, old;
	barrier(&begun, HARTS);
	for (int i = 0; i < TURNS; i++) {
		ulong value = random(hart) >> 8;
		AMO("amoswap.d", old, value, &word[0]);
		in += value;
		out += old;
	}
	sums[hart] = in - out;
}

/* and, or, xor, min, max of many: the result does not depend on the order. */
static volatile uint64_t parts[HARTS][8];
static void others(ulong hart)
{
	uint64_t xor = 0, or = 0, and = -1ul, umin = -1ul, umax = 0, old;
	int64_t min = INT64_MAX, max = INT64_MIN;
	barrier(&begun, HARTS);
	for (int i = 0; i < TURNS; i++) {
		uint64_t r = random(hart), one = BIT(r & 63);
		bool rare = i % 64 == 0;
		AMO("amoxor.d", old, r, &word[0]);
		xor ^= r;
		if (rare) {
			AMO("amoor.d", old, one, &word[1]);
			AMO("amoand.d", old, ~one, &word[2]);
			or |= one;
			and &= ~one;
		}
		AMO("amomin.w", old, r, (uint32_t *)&word[3]);
		AMO("amomaxu.w", old, r >> 32, (uint32_t *)&word[3] + 1);
		min = (int32_t)r < min ? (int32_t)r : min;
		umax = r >> 32 > umax ? r >> 32 : umax;
	}
	uint64_t mine[8] = { xor, or, and, umin, umax, (uint64_t)min, (uint64_t)max };
	for (int i = 0; i < 8; i++)
		parts[hart][i] = mine[i];
}

static bool others_agree(void)
{
	uint64_t xor = 0, or = 0, and = -1ul, umax = 0;
	int64_t min = 0;
	for (int h = 0; h < HARTS; h++) {
		xor ^= parts[h][0];
		or |= parts[h][1];
		and &= parts[h][2];
		umax = parts[h][4] > umax ? parts[h][4] : umax;
		min = (int64_t)parts[h][5] < min ? (int64_t)parts[h][5] : min;
	}
	return word[0] == xor&&word[1] == or
		&&word[2] == and&&word[3] == (umax << 32 | (uint32_t)min);
}

/* amocas.q: both halves are always of one writer. */
static void cas_pair(ulong hart)
{
	ulong low, high;
	barrier(&begun, HARTS);
	for (int i = 0; i < TURNS; i++) {
		ulong r = random(hart) >> 1;
		/* amocas.q a0, a2, (a4): a1:a0 expected, a3:a2 new */
		register ulong a0 __asm__("a0") = word[0], a1 __asm__("a1") = word[1];
		register ulong a2 __asm__("a2") = r, a3 __asm__("a3") = ~r;
		register volatile uint64_t *a4 __asm__("a4") = word;
		__asm__ volatile(".insn r 0x2f, 4, 0x14, a0, a4, a2"
				 : "+r"(a0), "+r"(a1)
				 : "r"(a2), "r"(a3), "r"(a4)
				 : "memory");
		low = a0;
		high = a1;
		bad[hart] += low != ~high;
	}
}

/* ---- a stack by LR/SC: free of ABA, as SC watches the place and not the value ---- */

struct node {
	struct node *volatile next;
	volatile ulong owner; /* 0: on the stack */
} LINE;
static struct node nodes[NODES];
static struct node *volatile top LINE;

static struct node *pop(void)
{
	struct node *n, *next;
	ulong failed;
	__asm__ volatile("1: lr.d.aq %0, (%3)\n"
			 "beqz %0, 2f\n"
			 "ld %1, 0(%0)\n" /* only the reservation keeps it from being another's */
			 "sc.d.rl %2, %1, (%3)\n"
			 "bnez %2, 1b\n"
			 "2:"
			 : "=&r"(n), "=&r"(next), "=&r"(failed)
			 : "r"(&top)
			 : "memory");
	return n;
}

static void push(struct node *n)
{
	ulong old, failed;
	__asm__ volatile("1: lr.d.aq %0, (%2)\n"
			 "sd %0, 0(%3)\n"
			 "sc.d.rl %1, %3, (%2)\n"
			 "bnez %1, 1b"
			 : "=&r"(old), "=&r"(failed)
			 : "r"(&top), "r"(n)
			 : "memory");
}

/* Takes some, gives them back in another order: the same top comes back with another next. */
static void stack(ulong hart)
{
	struct node *held[4];
	barrier(&begun, HARTS);
	for (int i = 0; i < TURNS; i++) {
		int n = 0, want = 1 + (int)random_below(hart, 4);
		while (n < want && (held[n] = pop())) {
			ulong old;
			AMO("amoswap.d", old, hart + 1, &held[n]->owner);
			bad[hart] += old != 0; /* somebody else has it too */
			n++;
		}
		while (n) {
			int k = (int)random_below(hart, (ulong)n);
			held[k]->owner = 0;
			push(held[k]);
			held[k] = held[--n];
		}
	}
}

static bool stack_whole(void)
{
	ulong n = 0;
	for (struct node *at = top; at && n <= NODES; at = at->next)
		n++;
	return n == NODES;
}

/* ---- a queue: many in, many out; tickets by AMO, slots by release and acquire ---- */

enum { SLOTS = 16 };
static struct {
	volatile ulong turn, item;
} LINE slots[SLOTS];
static volatile ulong head LINE, tail LINE;

static void queue(ulong hart)
{
	ulong sum = 0, ticket, n = ITEMS;
	barrier(&begun, HARTS);
	for (ulong i = 0; i < n; i++) {
		bool in = hart & 1;
		AMO("amoadd.d", ticket, 1ul, in ? &head : &tail);
		ulong slot = ticket % SLOTS, turn = 2 * (ticket / SLOTS) + !in;
		wait_for(&slots[slot].turn, turn);
		if (in) {
			slots[slot].item = random(hart) >> 8;
			sum += slots[slot].item;
		} else {
			sum -= slots[slot].item;
		}
		publish(&slots[slot].turn, turn + 1);
	}
	sums[hart] = sum;
}

/* ---- aligned accesses do not tear ---- */

#define TEAR(name, type, ones)                                                                     \
	static void name(ulong hart)                                                               \
	{                                                                                          \
		volatile type *p = (volatile type *)word;                                          \
		barrier(&begun, HARTS);                                                            \
		for (int i = 0; i < 10 * TURNS; i++) {                                             \
			if (hart == 0) {                                                           \
				*p = (type)(i & 1 ? (ones) : 0);                                   \
			} else {                                                                   \
				type v = *p;                                                       \
				bad[hart] += v != (type)0 && v != (type)(ones);                    \
			}                                                                          \
		}                                                                                  \
	}
TEAR(tear16, uint16_t, 0xffff)
TEAR(tear32, uint32_t, 0xffffffff)
TEAR(tear64, uint64_t, -1ull)
TEAR(tear_float, float, 1.7654321f)
TEAR(tear_double, double, 1.23456789012345)

/* ---- SC and other harts' stores ---- */

static volatile ulong step LINE;

/* Hart 1 stores between hart 0's LR and SC: another value, then the first one again by SC. */
static void between(ulong hart)
{
	for (ulong i = 0; i < 60 && hart < 2; i++) {
		ulong base = 10 * i, failed, loaded;
		if (hart == 1) {
			wait_for(&step, base + 1);
			__asm__ volatile(
				"1: lr.d t0, (%0)\n sc.d t1, %1, (%0)\n bnez t1, 1b\n"
				"2: lr.d t0, (%0)\n sc.d t1, %2, (%0)\n bnez t1, 2b" ::"r"(word),
				"r"(77), "r"(i % 2 ? 5 : 6)
				: "t0", "t1", "memory");
			publish(&step, base + 2);
			continue;
		}
		word[0] = 5;
		__asm__ volatile("lr.d %0, (%1)" : "=r"(loaded) : "r"(word) : "memory");
		publish(&step, base + 1);
		wait_for(&step, base + 2);
		__asm__ volatile("sc.d %0, %1, (%2)"
				 : "=&r"(failed)
				 : "r"(99), "r"(word)
				 : "memory");
		bad[0] += !failed || loaded != 5 || word[0] == 99;
	}
}

/* ---- running ---- */

static ulong rounds;
static struct check {
	const char *name;
	job *what;
	bool (*good)(void); /* after all are done */
	bool fails;
} checks[];

static bool added(void)
{
	return word[0] == HARTS * TURNS && word[1] == 3 * HARTS * TURNS;
}
static bool mix_added(void)
{
	return word[0] == HARTS * TURNS;
}
static bool swapped(void)
{
	return total() == word[0];
}
static bool pair_whole(void)
{
	return word[0] == ~word[1];
}
static bool queue_even(void)
{
	return total() == 0 && head == 2 * ITEMS && tail == 2 * ITEMS;
}

static struct check checks[] = {
	{ .name = "counters by LR/SC", .what = lr_sc_add, .good = added },
	{ .name = "a counter by AMO, LR/SC and compare-and-swap",
		.what = mixed_add,
		.good = mix_added },
	{ .name = "swaps", .what = swap, .good = swapped },
	{ .name = "and, or, xor, min, max", .what = others, .good = others_agree },
	{ .name = "compare-and-swap of a pair", .what = cas_pair, .good = pair_whole },
	{ .name = "a stack by LR/SC, its top coming back", .what = stack, .good = stack_whole },
	{ .name = "a queue by tickets", .what = queue, .good = queue_even },
	{ .name = "halfwords do not tear", .what = tear16 },
	{ .name = "words do not tear", .what = tear32 },
	{ .name = "doublewords do not tear", .what = tear64 },
	{ .name = "floats do not tear", .what = tear_float },
	{ .name = "doubles do not tear", .what = tear_double },
	{ .name = "SC fails after another hart's SC of the same value", .what = between },
};

static void prepare(void)
{
	bad_clear();
	word[1] = 0;
	top = 0;
	step = 0;
	head = tail = 0;
	memset(nodes, 0, sizeof nodes);
	memset(slots, 0, sizeof slots);
	for (int i = 0; i < NODES; i++)
		push(&nodes[i]);
}

void run(void)
{
	do {
		for (unsigned n = 0; n < sizeof checks / sizeof *checks; n++) {
			struct check *c = &checks[n];
			prepare();
			if (c->what == others)
				word[2] = -1ul;
			if (c->what == cas_pair)
				word[1] = -1ul;
			everywhere(c->what);
			c->fails |= bad_total() != 0 || (c->good && !c->good());
		}
		rounds++;
	} while (time_left());
	put_number("# ", rounds);
	put_string(" rounds\n");
	for (unsigned n = 0; n < sizeof checks / sizeof *checks; n++)
		result(!checks[n].fails, checks[n].name);
}
