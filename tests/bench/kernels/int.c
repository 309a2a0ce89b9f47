/* SPDX-License-Identifier: MIT */
/* Integer kernels: calls, indirect branches, tables. */
#include "bench.h"
#include <stdlib.h>
#include <string.h>

/* ---- dhrystone-like: records, strings, small procedures ---- */
struct rec {
	struct rec *next;
	int disc, en, ic;
	char str[32];
};
static struct rec r1, r2;
static char sA[32], sB[32];
static int gI;
static char gC;

static NOINLINE int d_f1(int a, int b)
{
	int c = a + 2;
	return c + b;
}

static NOINLINE char d_f2(char a, char b)
{
	char l = a;
	if (l != b)
		return 0;
	gC = l;
	return 1;
}

static NOINLINE int d_f3(const char *a, const char *b)
{
	int i = 2;
	while (i <= 2)
		if (d_f2(a[i], b[i + 1]) == 0)
			i += 1;
		else
			i += 2;
	if (strcmp(a, b) > 0) {
		gI = i + 7;
		return 1;
	}
	return 0;
}

static NOINLINE void d_p1(struct rec *p)
{
	struct rec *n = p->next;
	*n = r2;
	p->ic = 5;
	n->ic = p->ic;
	n->next = p->next;
	n->disc ^= 1;
	if (n->disc == 0) {
		n->ic = 6;
		n->en = d_f1(p->en, 3);
	} else {
		*p = *n;
	}
	p->next = &r2;
}

static uint32_t run_dhry(unsigned scale)
{
	uint32_t h = 1;
	r1.next = &r2;
	r2.next = &r1;
	r1.en = 2;
	strcpy(r1.str, "DHRYSTONE PROGRAM, SOME STRING");
	strcpy(sA, "DHRYSTONE PROGRAM, 1'ST STRING");
	int arr[50];
	memset(arr, 0, sizeof arr);
	for (unsigned i = 0; i < 2500000 * scale; i++) {
		int a = 2, b = 3, c = 0;
		strcpy(sB, "DHRYSTONE PROGRAM, 2'ND STRING");
		int e = !d_f3(sA, sB);
		while (a < b) {
			c = 5 * a - b;
			c = d_f1(a, c) - 2;
			a++;
		}
		arr[(c + i) % 50] = a;
		arr[(c + i + 1) % 50] += arr[(c + i) % 50] + e;
		d_p1(&r1);
		for (char ch = 'A'; ch <= 'C'; ch++)
			if (e == d_f2(ch, 'C')) {
				strcpy(sB, "DHRYSTONE PROGRAM, 3'RD STRING");
				b = (int)i;
			}
		b = b * a;
		a = b / (c | 1);
		b = 7 * (b - c) - a;
		h += (uint32_t)b + (uint32_t)r1.ic;
	}
	for (int i = 0; i < 50; i++)
		h = mix(h, (uint32_t)arr[i]);
	return h;
}

/* ---- bytecode interpreter, computed goto (indirect branches) ---- */
static NOINLINE uint32_t vm(const uint8_t *code, uint32_t n)
{
	static const void *const op[] = { &&o_inc, &&o_add, &&o_xor, &&o_shl, &&o_ld, &&o_st,
		&&o_jnz, &&o_mul, &&o_dec, &&o_end };
	uint32_t a = 1, b = n, c = 7, m[16] = { 0 };
	const uint8_t *p = code;
	uint32_t ip = 0;
	goto *op[p[ip++]];
o_inc:
	a++;
	goto *op[p[ip++]];
o_add:
	a += c;
	goto *op[p[ip++]];
o_xor:
	a ^= b;
	goto *op[p[ip++]];
o_shl:
	c = (c << 3 | c >> 29) + a;
	goto *op[p[ip++]];
o_ld:
	a += m[b & 15];
	goto *op[p[ip++]];
o_st:
	m[a & 15] = c;
	goto *op[p[ip++]];
o_mul:
	c *= 0x01000193;
	goto *op[p[ip++]];
o_dec:
	b--;
	goto *op[p[ip++]];
o_jnz:
	if (b)
		ip = 0;
	goto *op[p[ip++]];
o_end:
	return a ^ c;
}

static uint32_t run_interp(unsigned scale)
{
	static const uint8_t prog[] = { 0, 1, 2, 3, 4, 5, 7, 1, 0, 2, 4, 3, 8, 6, 9 };
	return vm(prog, 5000000 * scale);
}

/* ---- recursion ---- */
static NOINLINE uint32_t fib(uint32_t n)
{
	return n < 2 ? n : fib(n - 1) + fib(n - 2);
}

static uint32_t run_fib(unsigned scale)
{
	uint32_t h = 0;
	for (unsigned i = 0; i < scale; i++)
		h += fib(36) + i;
	return h;
}

/* ---- indirect calls through a function-pointer table ---- */
typedef uint32_t (*op1)(uint32_t);
static NOINLINE uint32_t v0(uint32_t x)
{
	return x + 3;
}

static NOINLINE uint32_t v1(uint32_t x)
{
	return x * 33;
}

static NOINLINE uint32_t v2(uint32_t x)
{
	return x ^ (x >> 5);
}

static NOINLINE uint32_t v3(uint32_t x)
{
	return ~x;
}

static NOINLINE uint32_t v4(uint32_t x)
{
	return x - 77;
}

static NOINLINE uint32_t v5(uint32_t x)
{
	return (x << 9) | (x >> 23);
}

static NOINLINE uint32_t v6(uint32_t x)
{
	return x * 5 + 1;
}

static NOINLINE uint32_t v7(uint32_t x)
{
	return x ^ 0x5555;
}

static op1 volatile vt[8] = { v0, v1, v2, v3, v4, v5, v6, v7 };
static uint32_t run_vcall(unsigned scale)
{
	uint32_t x = 1;
	for (unsigned i = 0; i < 25000000 * scale; i++)
		x = vt[(x >> 3) & 7](x);
	return x;
}

/* ---- sorting with a comparator ---- */
static int compare(const void *a, const void *b)
{
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

static uint32_t run_qsort(unsigned scale)
{
	enum { N = 1 << 16 };
	static uint32_t at[N];
	uint32_t seed = 4711, sum = 1;
	for (unsigned r = 0; r < 25 * scale; r++) {
		for (int i = 0; i < N; i++)
			at[i] = next_random(&seed);
		qsort(at, N, sizeof(*at), compare);
		sum = mix(sum, at[N / 3]);
	}
	return sum;
}

/* ---- a CRC by table ---- */
static uint32_t run_crc(unsigned scale)
{
	uint32_t t[256];
	for (uint32_t i = 0; i < 256; i++) {
		uint32_t c = i;
		for (int k = 0; k < 8; k++)
			c = c & 1 ? 0xEDB88320u ^ (c >> 1) : c >> 1;
		t[i] = c;
	}
	uint8_t *b = malloc(65536);
	uint32_t seed = 9;
	for (int i = 0; i < 65536; i++)
		b[i] = (uint8_t)next_random(&seed);
	uint32_t c = ~0u;
	for (unsigned r = 0; r < 350 * scale; r++)
		for (int i = 0; i < 65536; i++)
			c = t[(c ^ b[i]) & 255] ^ (c >> 8);
	free(b);
	return ~c;
}

const struct kernel kernels_int[] = {
	{ "dhry", "int", run_dhry },
	{ "interp", "int", run_interp },
	{ "fib", "int", run_fib },
	{ "vcall", "int", run_vcall },
	{ "qsort", "int", run_qsort },
	{ "crc", "int", run_crc },
	{ 0 },
};
