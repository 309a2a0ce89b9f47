/* SPDX-License-Identifier: MIT */
/* Floating-point kernels. */
#include "bench.h"
#include <math.h>
#include <stdlib.h>

static uint32_t run_matmul(unsigned scale)
{
	int n = 128;
	static double a[128][128], b[128][128], c[128][128];
	for (int i = 0; i < n; i++)
		for (int j = 0; j < n; j++) {
			a[i][j] = (i * 3 + j) % 7 * 0.25;
			b[i][j] = (i + 5 * j) % 11 * 0.125;
			c[i][j] = 0;
		}
	for (unsigned r = 0; r < 30 * scale; r++)
		for (int i = 0; i < n; i++)
			for (int k = 0; k < n; k++) {
				double x = a[i][k];
				for (int j = 0; j < n; j++)
					c[i][j] += x * b[k][j];
			}
	double t = 0;
	for (int i = 0; i < n; i++)
		t += c[i][i] + c[i][n - 1 - i];
	return float_sum(t);
}

static uint32_t run_mandel(unsigned scale)
{
	uint32_t h = 0;
	for (unsigned r = 0; r < 2 * scale; r++)
		for (int y = 0; y < 240; y++)
			for (int x = 0; x < 240; x++) {
				double cr = -2.0 + x * (2.5 / 240), ci = -1.25 + y * (2.5 / 240),
				       zr = 0, zi = 0;
				int i;
				for (i = 0; i < 500; i++) {
					double a = zr * zr, b = zi * zi;
					if (a + b > 4)
						break;
					zi = 2 * zr * zi + ci;
					zr = a - b + cr;
				}
				h += i;
			}
	return h / 16;
}

static uint32_t run_fconv(unsigned scale)
{
	double a = 0;
	uint32_t h = 0;
	for (unsigned i = 0; i < 40000000 * scale; i++) {
		a += (double)(int)(i & 1023) * 0.5;
		int k = (int)(a * 0.001);
		if (a > 1e6)
			a -= 1e6;
		h += k;
	}
	return h / 1024;
}

static uint32_t run_nbody(unsigned scale)
{
	enum { BODIES = 5 };
	double p[BODIES][3], v[BODIES][3] = { 0 }, m[BODIES];
	for (int i = 0; i < BODIES; i++) {
		m[i] = 1.0 / (1 + 3 * i);
		for (int k = 0; k < 3; k++)
			p[i][k] = i * (k + 1.5) - (double)(i * i * k) * 0.3;
	}
	for (unsigned r = 0; r < 300000 * scale; r++) {
		for (int i = 0; i < BODIES; i++)
			for (int j = i + 1; j < BODIES; j++) {
				double d[3], square = 0.1;
				for (int k = 0; k < 3; k++) {
					d[k] = p[i][k] - p[j][k];
					square += d[k] * d[k];
				}
				double pull = 1e-4 / (square * sqrt(square));
				for (int k = 0; k < 3; k++) {
					v[i][k] -= d[k] * m[j] * pull;
					v[j][k] += d[k] * m[i] * pull;
				}
			}
		for (int i = 0; i < BODIES; i++)
			for (int k = 0; k < 3; k++)
				p[i][k] += 1e-2 * v[i][k];
	}
	return float_sum(p[0][0] + p[BODIES - 1][2]);
}

const struct kernel kernels_flt[] = {
	{ "matmul", "flt", run_matmul },
	{ "mandel", "flt", run_mandel },
	{ "fconv", "flt", run_fconv },
	{ "nbody", "flt", run_nbody },
	{ 0 },
};
