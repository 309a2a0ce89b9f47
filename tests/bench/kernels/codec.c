/* SPDX-License-Identifier: MIT */
/* Integer kernels that work on bytes: a hash function and a compressor. */
#include "bench.h"
#include <stdlib.h>
#include <string.h>

/* ---- sha256 ---- */
static const uint32_t K[64] = { 0x428a2f98, 0x71374491, 0xb5c0fbcf, 0xe9b5dba5, 0x3956c25b,
	0x59f111f1, 0x923f82a4, 0xab1c5ed5, 0xd807aa98, 0x12835b01, 0x243185be, 0x550c7dc3,
	0x72be5d74, 0x80deb1fe, 0x9bdc06a7, 0xc19bf174, 0xe49b69c1, 0xefbe4786, 0x0fc19dc6,
	0x240ca1cc, 0x2de92c6f, 0x4a7484aa, 0x5cb0a9dc, 0x76f988da, 0x983e5152, 0xa831c66d,
	0xb00327c8, 0xbf597fc7, 0xc6e00bf3, 0xd5a79147, 0x06ca6351, 0x14292967, 0x27b70a85,
	0x2e1b2138, 0x4d2c6dfc, 0x53380d13, 0x650a7354, 0x766a0abb, 0x81c2c92e, 0x92722c85,
	0xa2bfe8a1, 0xa81a664b, 0xc24b8b70, 0xc76c51a3, 0xd192e819, 0xd6990624, 0xf40e3585,
	0x106aa070, 0x19a4c116, 0x1e376c08, 0x2748774c, 0x34b0bcb5, 0x391c0cb3, 0x4ed8aa4a,
	0x5b9cca4f, 0x682e6ff3, 0x748f82ee, 0x78a5636f, 0x84c87814, 0x8cc70208, 0x90befffa,
	0xa4506ceb, 0xbef9a3f7, 0xc67178f2 };
#define ROR(x, n) (((x) >> (n)) | ((x) << (32 - (n))))
static uint32_t run_sha256(unsigned scale)
{
	uint32_t H[8] = { 0x6a09e667, 0xbb67ae85, 0x3c6ef372, 0xa54ff53a, 0x510e527f, 0x9b05688c,
		0x1f83d9ab, 0x5be0cd19 };
	uint8_t buf[64];
	for (int i = 0; i < 64; i++)
		buf[i] = i * 7;
	for (unsigned b = 0; b < 250000 * scale; b++) {
		uint32_t w[64];
		buf[b & 63] ^= (uint8_t)b;
		for (int i = 0; i < 16; i++)
			w[i] = (uint32_t)buf[4 * i] << 24 | buf[4 * i + 1] << 16 |
				buf[4 * i + 2] << 8 | buf[4 * i + 3];
		for (int i = 16; i < 64; i++) {
			uint32_t x = w[i - 15], y = w[i - 2];
			w[i] = w[i - 16] + (ROR(x, 7) ^ ROR(x, 18) ^ (x >> 3)) + w[i - 7] +
				(ROR(y, 17) ^ ROR(y, 19) ^ (y >> 10));
		}
		uint32_t a = H[0], bb = H[1], c = H[2], d = H[3], e = H[4], f = H[5], g = H[6],
			 h = H[7];
		for (int i = 0; i < 64; i++) {
			uint32_t t1 = h + (ROR(e, 6) ^ ROR(e, 11) ^ ROR(e, 25)) +
				((e & f) ^ (~e & g)) + K[i] + w[i];
			uint32_t t2 = (ROR(a, 2) ^ ROR(a, 13) ^ ROR(a, 22)) +
				((a & bb) ^ (a & c) ^ (bb & c));
			h = g;
			g = f;
			f = e;
			e = d + t1;
			d = c;
			c = bb;
			bb = a;
			a = t1 + t2;
		}
		H[0] += a;
		H[1] += bb;
		H[2] += c;
		H[3] += d;
		H[4] += e;
		H[5] += f;
		H[6] += g;
		H[7] += h;
	}
	return H[0] ^ H[7];
}

/* ---- LZ77-like compress and decompress ---- */
enum { LZ_BYTES = 1 << 18, LZ_TABLE = 4 << 15 };

static size_t put_literals(uint8_t *out, size_t o, const uint8_t *from, size_t count)
{
	while (count) {
		size_t c = count > 127 ? 127 : count;
		out[o++] = (uint8_t)c;
		memcpy(out + o, from, c);
		o += c;
		from += c;
		count -= c;
	}
	return o;
}

static size_t compress(const uint8_t *in, uint8_t *out, uint32_t *table)
{
	size_t i = 0, o = 0, literals = 0;
	memset(table, 0, LZ_TABLE);
	while (i + 4 < LZ_BYTES) {
		uint32_t v = (uint32_t)in[i] | (uint32_t)in[i + 1] << 8 | (uint32_t)in[i + 2] << 16;
		uint32_t k = (v * 2654435761u) >> 17;
		uint32_t p = table[k];
		table[k] = (uint32_t)i + 1;
		if (p && i - (p - 1) < 65535 && !memcmp(in + p - 1, in + i, 3)) {
			size_t q = p - 1, l = 3;
			while (l < 255 && i + l < LZ_BYTES && in[q + l] == in[i + l])
				l++;
			o = put_literals(out, o, in + i - literals, literals);
			literals = 0;
			out[o++] = 128;
			out[o++] = (uint8_t)l;
			out[o++] = (uint8_t)(i - q);
			out[o++] = (uint8_t)((i - q) >> 8);
			i += l;
		} else {
			i++;
			literals++;
		}
	}
	literals += LZ_BYTES - i;
	return put_literals(out, o, in + LZ_BYTES - literals, literals);
}

static size_t decompress(const uint8_t *in, size_t bytes, uint8_t *out)
{
	size_t d = 0, k = 0;
	while (k < bytes) {
		uint8_t c = in[k++];
		if (c == 128) {
			size_t l = in[k], q = in[k + 1] | (size_t)in[k + 2] << 8;
			k += 3;
			for (; l; l--, d++)
				out[d] = out[d - q];
		} else {
			while (c--)
				out[d++] = in[k++];
		}
	}
	return d;
}

static void write_text(uint8_t *out)
{
	static const char *const words[16] = { "the ", "quick ", "brown ", "fox ", "jumps ",
		"over ", "lazy ", "dog. ", "and ", "emulator ", "cache ", "branch ", "register ",
		"memory ", "page ", "\n" };
	uint32_t seed = 12345;
	for (size_t n = 0; n < LZ_BYTES;) {
		const char *w = words[(next_random(&seed) >> 7) & 15];
		while (*w && n < LZ_BYTES)
			out[n++] = (uint8_t)*w++;
		if ((next_random(&seed) & 31) == 0 && n < LZ_BYTES)
			out[n++] = (uint8_t)seed;
	}
}

static uint32_t run_lz(unsigned scale)
{
	uint8_t *in = malloc(LZ_BYTES + 8), *out = malloc(2 * LZ_BYTES);
	uint8_t *back = malloc(LZ_BYTES + 300);
	uint32_t *table = malloc(LZ_TABLE);
	uint32_t sum = 1;
	write_text(in);
	for (unsigned r = 0; r < 60 * scale; r++) {
		in[r & 0xffff] ^= 1;
		size_t packed = compress(in, out, table);
		size_t bytes = decompress(out, packed, back);
		sum = mix(sum, (uint32_t)packed);
		sum = mix(sum, back[r * 7] + (uint32_t)bytes);
		if (memcmp(in, back, LZ_BYTES))
			sum = 0xdead;
	}
	free(in);
	free(out);
	free(back);
	free(table);
	return sum;
}

const struct kernel kernels_codec[] = {
	{ "sha256", "int", run_sha256 },
	{ "lz", "int", run_lz },
	{ 0 },
};
