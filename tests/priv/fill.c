/* SPDX-License-Identifier: MIT */
/* More code than an emulator keeps translated: 6 MiB in which no two places are alike, several times
 * through it, changed in between. Each pass must give what the instructions say; how much memory it takes
 * on the host, programs.toml bounds. */
#include "priv.h"

#define CODE 0x81000000ul
enum { CHUNK = 64, CHUNKS = (6 << 20) / CHUNK, PASSES = 3 };

static uint32_t imm(uint32_t i)
{
	return i * 2654435761u >> 21 & 0x7ff;
}

/* li a2, imm; add a0, a0, a2; bnez a1, +8; addi a0, a0, 1 (skipped); 11 times slli a3, a0, n and the
 * like, which do nothing that counts; xor a0, a0, a3 at the end */
static void write_chunk(ulong at, uint32_t i)
{
	set32(at, imm(i) << 20 | 12 << 7 | 0x13);
	set32(at + 4, 0x00c50533);
	set32(at + 8, 0x00059463);
	set32(at + 12, 0x00150513);
	for (uint32_t k = 0; k < 11; k++)
		set32(at + 16 + 4 * k, 0x00051693 | (i >> k & 31) << 20 | (k & 1) << 25);
	set32(at + 60, 0x00d54533);
}

static ulong step(ulong a0, uint32_t i)
{
	uint32_t k = 10;
	return (a0 + imm(i)) ^ (a0 + imm(i)) << ((i >> k & 31) | (k & 1) << 5);
}

static ulong write_all(uint32_t salt, ulong from, ulong by)
{
	for (ulong i = from; i < CHUNKS; i += by)
		write_chunk(CODE + i * CHUNK, (uint32_t)i ^ salt);
	__asm__ volatile("fence.i" ::: "memory");
	return 0;
}

void test_main(void)
{
	static const char *const names[] = { "first", "again", "half of it new" };
	write_all(0, 0, 1);
	set32(CODE + (ulong)CHUNKS * CHUNK, 0x00008067);
	for (int pass = 0; pass < PASSES; pass++) {
		ulong want = 7;
		if (pass == 2)
			write_all(0x5a5a5a, 0, 2);
		for (uint32_t i = 0; i < CHUNKS; i++)
			want = step(want, pass == 2 && !(i & 1) ? i ^ 0x5a5a5a : i);
		check_value(names[pass], run_at(pass == 1 ? S : U, CODE, 7, 1), want);
	}
}
