/* SPDX-License-Identifier: MIT */
/* Images as linkers write them, and as nobody should. */
#include "image.h"
#include <glib.h>
#include <string.h>

enum { SIZE = 4096 };
static const struct image_window ram = { 0x80000000, 1 << 20 };
static uint8_t file[SIZE];
static struct image im;

static void put(unsigned at, unsigned bytes, uint64_t value)
{
	for (unsigned i = 0; i < bytes; i++)
		file[at + i] = (uint8_t)(value >> 8 * i);
}

/* Segment n of a 64-bit file. */
static void segment(unsigned n, uint64_t offset, uint64_t addr, uint64_t bytes, uint64_t size)
{
	unsigned at = 64 + 56 * n;
	put(at, 4, 1);
	put(at + 8, 8, offset);
	put(at + 24, 8, addr);
	put(at + 32, 8, bytes);
	put(at + 40, 8, size);
}

/* A good file: two segments, the second with bss. */
static void good64(void)
{
	memset(file, 0, sizeof(file));
	memcpy(file, "\177ELF\2\1\1", 7);
	put(16, 2, 2);
	put(18, 2, 243);
	put(24, 8, 0x80000004);
	put(32, 8, 64);
	put(54, 2, 56);
	put(56, 2, 2);
	segment(0, 0x100, 0x80000000, 0x200, 0x200);
	segment(1, 0x300, 0x80001000, 0x80, 0x1000);
}

static void good32(void)
{
	memset(file, 0, sizeof(file));
	memcpy(file, "\177ELF\1\1\1", 7);
	put(16, 2, 2);
	put(18, 2, 243);
	put(24, 4, 0x80000000);
	put(28, 4, 52);
	put(42, 2, 32);
	put(44, 2, 1);
	put(52, 4, 1);
	put(52 + 4, 4, 0x100);
	put(52 + 12, 4, 0x80000000);
	put(52 + 16, 4, 16);
	put(52 + 20, 4, 32);
}

static void refused(size_t len, const char *why)
{
	g_assert_cmpint(image_elf(&im, file, len, 64, &ram), ==, -1);
	if (!strstr(im.why, why))
		g_error("\"%s\" was expected in \"%s\"", why, im.why);
}

static void good(void)
{
	good64();
	g_assert_true(image_is_elf(file, SIZE));
	g_assert_cmpint(image_elf(&im, file, SIZE, 64, &ram), ==, 0);
	g_assert_cmpuint(im.count, ==, 2);
	g_assert_cmphex(im.entry, ==, 0x80000004);
	g_assert_cmphex(im.segment[1].addr, ==, 0x80001000);
	g_assert_cmphex(image_end(&im), ==, 0x80002000);
	g_assert_true(image_touches(&im, 0x80001fff, 1));
	g_assert_false(image_touches(&im, 0x80002000, 0x1000));
	g_assert_false(image_touches(&im, 0x80000200, 0xe00));
	good32();
	g_assert_cmpint(image_elf(&im, file, SIZE, 32, &ram), ==, 0);
	g_assert_cmpuint(im.segment[0].size, ==, 32);
}

static void bad_headers(void)
{
	good64();
	for (size_t len = 0; len < 0x380; len++)
		g_assert_cmpint(image_elf(&im, file, len, 64, &ram), ==, -1);
	refused(40, "cut off");
	refused(100, "truncated");
	refused(0x310, "truncated");
	g_assert_cmpint(image_elf(&im, file, SIZE, 32, &ram), ==, -1);
	g_assert_nonnull(strstr(im.why, "class 2; 32 bits"));
	put(18, 2, 62);
	refused(SIZE, "machine 62");
	good64();
	file[5] = 2;
	refused(SIZE, "little-endian");
	good64();
	put(16, 2, 1);
	refused(SIZE, "no executable");
	good64();
	put(54, 2, 8);
	refused(SIZE, "program headers");
	good64();
	put(32, 8, UINT64_MAX - 8);
	refused(SIZE, "program headers");
	good64();
	put(56, 2, 0);
	refused(SIZE, "nothing to load");
	good64();
	put(24, 8, 0x80000200);
	refused(SIZE, "entry 0x80000200");
}

static void bad_segments(void)
{
	good64();
	segment(1, UINT64_MAX - 1, 0x80001000, 16, 16);
	refused(SIZE, "truncated");
	good64();
	segment(1, 0x300, 0x80001000, 0x81, 0x80);
	refused(SIZE, "room for");
	good64();
	segment(1, 0x300, 0x7fffff00, 16, 0x200);
	refused(SIZE, "do not fit the memory");
	good64();
	segment(1, 0x300, 0x800ffff0, 16, 17);
	refused(SIZE, "do not fit the memory");
	good64();
	segment(1, 0x300, 0x80001000, 16, UINT64_MAX);
	refused(SIZE, "do not fit the memory");
	good64();
	segment(1, 0x300, 0x800001ff, 16, 16);
	refused(SIZE, "overlap");
}

static void raw(void)
{
	good64();
	memset(file, 0x13, sizeof(file));
	g_assert_cmpint(image_raw(&im, file, SIZE, 0x80080000, &ram), ==, 0);
	g_assert_cmphex(im.entry, ==, 0x80080000);
	g_assert_cmphex(image_end(&im), ==, 0x80080000 + SIZE);
	g_assert_cmpint(image_raw(&im, file, SIZE, 0x800ff001, &ram), ==, -1);
	g_assert_cmpint(image_raw(&im, file, 0, 0x80080000, &ram), ==, -1);
	g_assert_cmpstr(im.why, ==, "it is empty");
	/* A Linux Image says where it wants to be and how much it needs. */
	put(8, 8, 0x40000);
	put(16, 8, 0x20000);
	put(24, 8, 0);
	memcpy(file + 56, "RSC\5", 4);
	g_assert_cmpint(image_raw(&im, file, SIZE, 0x80000000, &ram), ==, 0);
	g_assert_cmphex(im.entry, ==, 0x80040000);
	g_assert_cmphex(image_end(&im), ==, 0x80060000);
	g_assert_cmpint(image_raw(&im, file, SIZE, 0x80080000, &ram), ==, 0);
	g_assert_cmphex(im.entry, ==, 0x80080000);
	put(16, 8, UINT64_MAX);
	g_assert_cmpint(image_raw(&im, file, SIZE, 0x80000000, &ram), ==, -1);
	put(24, 8, 1);
	g_assert_cmpint(image_raw(&im, file, SIZE, 0x80000000, &ram), ==, -1);
	g_assert_nonnull(strstr(im.why, "big-endian"));
	memcpy(file, "\x1f\x8b\x08", 3);
	g_assert_cmpint(image_raw(&im, file, SIZE, 0x80000000, &ram), ==, -1);
	g_assert_cmpstr(im.why, ==, "it is packed (gzip); unpack it first");
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/image/good", good);
	g_test_add_func("/image/bad-headers", bad_headers);
	g_test_add_func("/image/bad-segments", bad_segments);
	g_test_add_func("/image/raw", raw);
	return g_test_run();
}
