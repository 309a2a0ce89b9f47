/* SPDX-License-Identifier: MIT */
#include "runner.h"

u64 runner_flags;
u8 *code_page, *data_pages[DATA_PAGES];

/* gcc makes calls to these of loops and struct copies. */
void *memcpy(void *to, const void *from, uptr n)
{
	u8 *t = to;
	const u8 *f = from;

	while (n--)
		*t++ = *f++;
	return to;
}

void *memset(void *to, int byte, uptr n)
{
	u8 *t = to;

	while (n--)
		*t++ = (u8)byte;
	return to;
}

/* No multiplication: the CPU under test may lack M. */
static u64 mix(u64 h)
{
	h ^= h << 13;
	h ^= h >> 7;
	return h ^ h << 17;
}

/* Numbers at the edges of the integer and floating-point formats. */
static const u64 edges[16] = {
	0,
	0xffffffffffffffff,
	0x8000000000000000,
	0x7fffffffffffffff,
	0x7ff0000000000000, /* infinities */
	0xfff00000ff800000,
	0x7ff0000000000001, /* signalling NaNs */
	0x7f8000017fa00000,
	0x7ff8000000000000, /* quiet NaNs */
	0xffffffff7fc12345,
	0x0000000000000001, /* subnormals */
	0x800fffffffffffff,
	0x007fffff80000001,
	0x7c017e0003ff8001, /* half precision: sNaN, qNaN, subnormals */
	0xffffffff3f800000, /* one, boxed */
	0x3ff0000000000000,
};

/* The parts of the data pages that a case's addresses mostly fall into. */
static const struct window {
	u32 page, start, end;
} windows[] = {
	{ 0, PAGE - 512, PAGE }, { 1, 0, 512 }, /* about a boundary of pages */
	{ 1, PAGE - 512, PAGE }, /* before the hole */
	{ 3, 0, 512 }, /* after the hole */
};

#define WINDOWS (sizeof(windows) / sizeof(windows[0]))

static u64 fill(u64 seed, u32 page, u32 start, u32 end)
{
	for (u64 *p = (u64 *)(data_pages[page] + start); p < (u64 *)(data_pages[page] + end); p++) {
		seed = mix(seed);
		*p = seed & 0x300 ? seed : edges[seed >> 20 & 15];
	}
	return seed;
}

static u64 hash(u64 h, u32 page, u32 start, u32 end)
{
	for (u64 *p = (u64 *)(data_pages[page] + start); p < (u64 *)(data_pages[page] + end); p++)
		h = mix(h ^ *p) + 0x9e3779b9;
	return h;
}

u64 hash_memory(const struct state *start)
{
	u64 h = 1;

	if (start->full) {
		for (u32 page = 0; page < DATA_PAGES; page++)
			if (page != HOLE_PAGE)
				h = hash(h, page, 0, PAGE);
		return h;
	}
	for (u32 i = 0; i < WINDOWS; i++)
		h = hash(h, windows[i].page, windows[i].start, windows[i].end);
	return h;
}

void prepare(const struct test_case *c)
{
	u64 seed = c->state.memory | 1;
	u32 *code = (u32 *)code_page;

	if (c->state.full) {
		for (u32 page = 0; page < DATA_PAGES; page++)
			if (page != HOLE_PAGE)
				seed = fill(seed, page, 0, PAGE);
	} else {
		for (u32 i = 0; i < WINDOWS; i++)
			seed = fill(seed, windows[i].page, windows[i].start, windows[i].end);
	}
	for (u32 i = 0; i < CODE_BYTES / 4; i++)
		code[i] = c->code[i];
	if (runner_flags & HAS_FENCE_I)
		fence_i();
	if (runner_flags & HAS_A)
		clear_reservation();
}
