/* SPDX-License-Identifier: MIT */
#include "linux.h"
#include <errno.h>
#include <glib.h>
#include <string.h>

struct thing {
	uint8_t byte;
	uint16_t half;
	uint64_t word;
	int64_t less; /* negative, and narrower there */
	void *pointer;
	char name[4];
};
enum { THING_GUEST = 24 }; /* it takes the place of S_STAT */

#define AT(member, guest, size, kind)                                                              \
	{                                                                                          \
		offsetof(struct thing, member), sizeof(((struct thing *)0)->member), guest, size,  \
			kind                                                                       \
	}
static const struct member thing_members[] = {
	AT(less, 0, 4, MEMBER_SIGNED),
	AT(half, 4, 2, MEMBER_UNSIGNED),
	AT(byte, 6, 1, MEMBER_UNSIGNED),
	AT(word, 8, 8, MEMBER_UNSIGNED),
	AT(pointer, 16, 4, MEMBER_POINTER),
	AT(name, 20, 4, MEMBER_BYTES),
	{ 0 },
};
static const struct description things[S_COUNT] = {
	[S_STAT] = { sizeof(struct thing), THING_GUEST, thing_members },
};
static const struct layout little = {
	.elf_data = BP_LINUX_LITTLE, .word = 4, .descriptions = things
};
static const struct layout big = { .elf_data = BP_LINUX_BIG, .word = 4, .descriptions = things };
static const struct layout big64 = { .elf_data = BP_LINUX_BIG, .word = 8, .descriptions = things };
static const struct layout narrow = {
	.elf_data = BP_LINUX_LITTLE, .word = 4, .descriptions = descriptions_generic32
};

static const uint8_t little_bytes[THING_GUEST] = { 0xfe, 0xff, 0xff, 0xff, 2, 1, 7, 0, 8, 7, 6, 5,
	4, 3, 2, 1, 0x30, 0x20, 0x10, 0, 'n', 'a', 'm', 'e' };
static const uint8_t big_bytes[THING_GUEST] = { 0xff, 0xff, 0xff, 0xfe, 1, 2, 7, 0, 1, 2, 3, 4, 5,
	6, 7, 8, 0, 0x10, 0x20, 0x30, 'n', 'a', 'm', 'e' };

/* ---- a guest of 256 bytes, at 0x1000 ---- */

enum { BASE = 0x1000, SIZE = 256 };
static uint8_t memory[SIZE];

static int copy_from(void *to, uint64_t addr, size_t len)
{
	if (addr < BASE || addr - BASE > SIZE || len > SIZE - (addr - BASE))
		return -1;
	memcpy(to, memory + (addr - BASE), len);
	return 0;
}

static int copy_to(uint64_t addr, const void *from, size_t len)
{
	if (addr < BASE || addr - BASE > SIZE || len > SIZE - (addr - BASE))
		return -1;
	memcpy(memory + (addr - BASE), from, len);
	return 0;
}

static const struct bp_user user = { .copy_in = copy_from, .copy_out = copy_to };
#define SPACE UINT64_C(0x7f0000000000) /* where the host has it: never looked at */
static struct os os = {
	.user = &user, .base = (uint8_t *)(uintptr_t)SPACE, .limit = UINT64_C(1) << 32
};
static struct thread thread = { .os = &os };

static void check_thing(const struct thing *t, const void *pointer)
{
	g_assert_cmpint(t->byte, ==, 7);
	g_assert_cmpint(t->half, ==, 0x102);
	g_assert_cmpuint(t->word, ==, 0x102030405060708);
	g_assert_cmpint(t->less, ==, -2);
	g_assert_true(t->pointer == pointer);
	g_assert_cmpint(memcmp(t->name, "name", 4), ==, 0);
}

static void test_order(void)
{
	static const struct {
		const struct layout *layout;
		const uint8_t *bytes;
	} rows[] = { { &little, little_bytes }, { &big, big_bytes } };
	for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
		struct thing t;
		uint8_t out[THING_GUEST];
		os.layout = rows[i].layout;
		struct_load(&os, S_STAT, &t, rows[i].bytes);
		check_thing(&t, (void *)(uintptr_t)0x102030);
		struct_store(&os, S_STAT, out, &t);
		g_assert_cmpmem(out, sizeof(out), rows[i].bytes, THING_GUEST);
	}
}

static void test_memory(void)
{
	struct thing t;
	os.layout = &big;
	memcpy(memory, big_bytes, THING_GUEST);
	g_assert_cmpint(struct_in(&thread, S_STAT, &t, BASE), ==, 0);
	check_thing(&t, (void *)(uintptr_t)(SPACE + 0x102030));
	g_assert_cmpint(struct_in(&thread, S_STAT, &t, BASE + SIZE - 8), ==, -EFAULT);
	g_assert_cmpint(struct_out(&thread, S_STAT, BASE + SIZE - 8, &t), ==, -EFAULT);
	t.pointer = NULL;
	memset(memory, 0xff, SIZE);
	g_assert_cmpint(struct_out(&thread, S_STAT, BASE + 8, &t), ==, 0);
	g_assert_cmpmem(memory + 8, 16, big_bytes, 16);
	g_assert_cmpint(memory[8 + THING_GUEST], ==, 0xff);
	g_assert_cmpint(struct_in(&thread, S_STAT, &t, BASE + 8), ==, 0);
	g_assert_null(t.pointer);
}

static void test_words(void)
{
	static const uint64_t words[] = { 0x1020304, 5 };
	static const uint8_t four[] = { 1, 2, 3, 4, 0, 0, 0, 5 };
	static const uint8_t eight[] = { 0, 0, 0, 0, 1, 2, 3, 4, 0, 0, 0, 0, 0, 0, 0, 5 };
	uint64_t in[2];
	os.layout = &big;
	words_store(&os, memory, words, 2);
	g_assert_cmpmem(memory, sizeof(four), four, sizeof(four));
	g_assert_cmpint(words_copy_in(&thread, in, 2, BASE), ==, 0);
	g_assert_cmpmem(in, sizeof(in), words, sizeof(words));
	os.layout = &big64;
	words_store(&os, memory, words, 2);
	g_assert_cmpmem(memory, sizeof(eight), eight, sizeof(eight));
	g_assert_cmpint(words_copy_in(&thread, in, 2, BASE + SIZE - 8), ==, -EFAULT);
}

/* What the union holds decides where its members lie. */
static void test_info(void)
{
	uint8_t bytes[INFO_BYTES];
	siginfo_t in, out;
	os.layout = &narrow;
	memset(&in, 0, sizeof(in));
	in.si_signo = SIGCHLD;
	in.si_code = CLD_EXITED;
	in.si_pid = 77;
	in.si_status = 3;
	in.si_stime = 9;
	info_store(&os, bytes, &in);
	g_assert_cmpint(bytes[12], ==, 77);
	g_assert_cmpint(bytes[20], ==, 3);
	g_assert_cmpint(bytes[28], ==, 9);
	info_load(&os, &out, bytes);
	g_assert_cmpint(out.si_status, ==, 3);
	memset(&in, 0, sizeof(in));
	in.si_signo = SIGSEGV;
	in.si_code = SEGV_MAPERR;
	in.si_addr = (void *)(uintptr_t)0x12345678;
	info_store(&os, bytes, &in);
	g_assert_cmpint(bytes[12], ==, 0x78);
	g_assert_cmpint(bytes[15], ==, 0x12);
}

/* The bytes at the union's place mean what signal and code say; what does not is not there. */
static void test_info_kinds(void)
{
	static const struct {
		int signal, code;
		uint8_t at,
			value; /* one byte of the guest's, and the host's siginfo_t has it set below */
	} rows[] = {
		{ SIGUSR1, SI_USER, 12, 1 },
		{ SIGUSR1, SI_TKILL, 12, 1 },
		{ SIGUSR1, SI_QUEUE, 20, 3 },
		{ 64, SI_ASYNCIO, 20, 3 },
		{ SIGALRM, SI_TIMER, 20, 3 },
		{ SIGCHLD, CLD_KILLED, 12, 1 },
		{ SIGSEGV, SEGV_ACCERR, 12, 1 },
		{ SIGSEGV, SI_KERNEL, 12, 1 },
		{ SIGIO, POLL_IN, 12, 1 },
		{ SIGUSR2, SI_SIGIO, 12, 1 },
	};
	os.layout = &narrow;
	for (unsigned i = 0; i < G_N_ELEMENTS(rows); i++) {
		siginfo_t in = { .si_signo = rows[i].signal, .si_code = rows[i].code }, out;
		uint8_t bytes[INFO_BYTES];
		uint32_t words[4] = { 1, 2, 3, 0 }; /* the union's, whatever their names are */
		memcpy((uint8_t *)&in + offsetof(siginfo_t, si_pid), words, sizeof(words));
		info_store(&os, bytes, &in);
		g_assert_cmpint(bytes[0], ==, rows[i].signal);
		g_assert_cmpint(bytes[rows[i].at], ==, rows[i].value);
		info_load(&os, &out, bytes);
		g_assert_cmpint(out.si_signo, ==, rows[i].signal);
		g_assert_cmpint(out.si_code, ==, rows[i].code);
		g_assert_cmpint(out.si_pid, ==, 1);
	}
}

/* What lies outside the guest's space is the kernel's, not the host's own memory; odd stays odd. */
static void test_wild_pointers(void)
{
	os.layout = &little;
	g_assert_null(host_ptr(&thread, 0));
	g_assert_true(host_ptr(&thread, os.limit - 1) == os.base + os.limit - 1);
	g_assert_true((int64_t)(intptr_t)host_ptr(&thread, os.limit) < 0);
	g_assert_true((int64_t)(intptr_t)host_ptr(&thread, UINT64_MAX) < 0);
	g_assert_cmpuint((uintptr_t)host_ptr(&thread, os.limit + 3) & 7, ==, 3);
}

/* No member lies outside its struct, or on another one. */
static void test_tables(void)
{
	static const struct description *const tables[] = { descriptions_generic64,
		descriptions_generic32 };
	for (unsigned n = 0; n < G_N_ELEMENTS(tables); n++)
		for (unsigned s = 0; s < S_COUNT; s++) {
			const struct description *d = &tables[n][s];
			uint8_t used[STRUCT_MAX] = { 0 };
			g_assert_cmpuint(d->guest_size, <=, STRUCT_MAX);
			g_assert_cmpuint(d->host_size, <=, STRUCT_MAX);
			for (const struct member *m = d->member; m && m->host_size; m++) {
				g_assert_cmpuint(m->guest + m->guest_size, <=, d->guest_size);
				g_assert_cmpuint(m->host + m->host_size, <=, d->host_size);
				for (unsigned i = 0; i < m->guest_size; i++)
					g_assert_cmpint(used[m->guest + i]++, ==, 0);
			}
		}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/convert/order", test_order);
	g_test_add_func("/convert/memory", test_memory);
	g_test_add_func("/convert/words", test_words);
	g_test_add_func("/convert/info", test_info);
	g_test_add_func("/convert/info-kinds", test_info_kinds);
	g_test_add_func("/convert/wild-pointers", test_wild_pointers);
	g_test_add_func("/convert/tables", test_tables);
	return g_test_run();
}
