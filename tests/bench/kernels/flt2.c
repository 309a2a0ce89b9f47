/* SPDX-License-Identifier: MIT */
/* The second set's floating-point kernels (see README.md): transforms, solvers, pictures, prices. */
#include "bench.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* At least 0, below 1. */
static double next_fraction(uint32_t *seed)
{
	return next_random(seed) * 0x1p-32;
}

/* ---- a fast Fourier transform, there and back ---- */
enum { POINTS = 2048 };
static double re[POINTS], im[POINTS], cosine[POINTS / 2], sine[POINTS / 2];

static NOINLINE void transform(double sign)
{
	for (unsigned i = 1, k = 0; i < POINTS; i++) {
		unsigned bit = POINTS / 2;
		for (; k & bit; bit /= 2)
			k ^= bit;
		k ^= bit;
		if (i < k) {
			double t = re[i];
			re[i] = re[k];
			re[k] = t;
			t = im[i];
			im[i] = im[k];
			im[k] = t;
		}
	}
	for (unsigned half = 1; half < POINTS; half *= 2)
		for (unsigned start = 0; start < POINTS; start += 2 * half)
			for (unsigned k = 0; k < half; k++) {
				unsigned a = start + k, b = a + half, w = k * (POINTS / 2 / half);
				double x = re[b] * cosine[w] - im[b] * sign * sine[w];
				double y = re[b] * sign * sine[w] + im[b] * cosine[w];
				re[b] = re[a] - x;
				im[b] = im[a] - y;
				re[a] += x;
				im[a] += y;
			}
}

static uint32_t run_fft(unsigned scale)
{
	const double turn = 6.283185307179586;
	uint32_t seed = 41;
	double t = 0;
	for (int i = 0; i < POINTS / 2; i++) {
		cosine[i] = cos(turn * i / POINTS);
		sine[i] = sin(turn * i / POINTS);
	}
	for (int i = 0; i < POINTS; i++) {
		re[i] = next_fraction(&seed);
		im[i] = next_fraction(&seed);
	}
	for (unsigned r = 0; r < 1200 * scale; r++) {
		transform(-1);
		t += fabs(re[r % POINTS]) + fabs(im[1]);
		transform(1);
		for (int i = 0; i < POINTS; i++) {
			re[i] *= 1.0 / POINTS;
			im[i] *= 1.0 / POINTS;
		}
	}
	return float_sum(t + re[3]);
}

/* ---- the largest singular value of an endless matrix ---- */
enum { SPECTRAL = 300 };

static double element(int i, int j)
{
	return 1.0 / ((i + j) * (i + j + 1) / 2 + i + 1);
}

static NOINLINE void times(const double *v, double *out, int transposed)
{
	for (int i = 0; i < SPECTRAL; i++) {
		double t = 0;
		for (int j = 0; j < SPECTRAL; j++)
			t += (transposed ? element(j, i) : element(i, j)) * v[j];
		out[i] = t;
	}
}

static uint32_t run_spectral(unsigned scale)
{
	double u[SPECTRAL], v[SPECTRAL], t[SPECTRAL], uv = 0, vv = 0;
	for (int i = 0; i < SPECTRAL; i++)
		u[i] = 1;
	for (unsigned r = 0; r < 240 * scale; r++) {
		double largest = 0;
		times(u, t, 0);
		times(t, v, 1);
		uv = vv = 0;
		for (int i = 0; i < SPECTRAL; i++) {
			uv += u[i] * v[i];
			vv += v[i] * v[i];
			if (v[i] > largest)
				largest = v[i];
		}
		for (int i = 0; i < SPECTRAL; i++)
			u[i] = v[i] / largest;
	}
	return float_sum(sqrt(vv / uv));
}

/* ---- linear equations, by LU with pivots ---- */
enum { UNKNOWNS = 120 };
static double equation[UNKNOWNS][UNKNOWNS], unknown[UNKNOWNS];

static NOINLINE void solve(void)
{
	for (int k = 0; k < UNKNOWNS; k++) {
		int pivot = k;
		for (int i = k + 1; i < UNKNOWNS; i++)
			if (fabs(equation[i][k]) > fabs(equation[pivot][k]))
				pivot = i;
		for (int j = 0; j < UNKNOWNS; j++) {
			double t = equation[k][j];
			equation[k][j] = equation[pivot][j];
			equation[pivot][j] = t;
		}
		double t = unknown[k];
		unknown[k] = unknown[pivot];
		unknown[pivot] = t;
		for (int i = k + 1; i < UNKNOWNS; i++) {
			double factor = equation[i][k] / equation[k][k];
			for (int j = k; j < UNKNOWNS; j++)
				equation[i][j] -= factor * equation[k][j];
			unknown[i] -= factor * unknown[k];
		}
	}
	for (int i = UNKNOWNS - 1; i >= 0; i--) {
		for (int j = i + 1; j < UNKNOWNS; j++)
			unknown[i] -= equation[i][j] * unknown[j];
		unknown[i] /= equation[i][i];
	}
}

static uint32_t run_lu(unsigned scale)
{
	uint32_t seed = 43;
	double t = 0;
	for (unsigned r = 0; r < 200 * scale; r++) {
		for (int i = 0; i < UNKNOWNS; i++) {
			for (int j = 0; j < UNKNOWNS; j++)
				equation[i][j] = next_fraction(&seed);
			equation[i][(i * 7 + 3) % UNKNOWNS] += 20;
			unknown[i] = next_fraction(&seed) + 1;
		}
		solve();
		t += fabs(unknown[r % UNKNOWNS]);
	}
	return float_sum(t);
}

/* ---- prices of options, by Black and Scholes: the C library's functions ---- */
static double normal(double x)
{
	return 0.5 * erfc(-x * 0.7071067811865476);
}

static uint32_t run_options(unsigned scale)
{
	uint32_t seed = 47;
	double t = 0;
	for (unsigned i = 0; i < 800000 * scale; i++) {
		double price = 50 + 100 * next_fraction(&seed),
		       strike = 50 + 100 * next_fraction(&seed);
		double years = 0.1 + 2 * next_fraction(&seed),
		       rate = 0.01 + 0.05 * next_fraction(&seed);
		double deviation = 0.1 + 0.4 * pow(next_fraction(&seed), 1.5);
		double root = deviation * sqrt(years);
		double d =
			(log(price / strike) + (rate + 0.5 * deviation * deviation) * years) / root;
		t += price * normal(d) - strike * exp(-rate * years) * normal(d - root);
		t += 0.5 + 0.5 * sin(6.283185307179586 * years); /* a season */
	}
	return float_sum(t);
}

/* ---- rays and spheres, in single precision ---- */
enum { SPHERES = 8, WIDTH = 160, HEIGHT = 120, BOUNCES = 3 };
struct vector {
	float x, y, z;
};
struct sphere {
	struct vector centre;
	float radius, mirror;
};

static struct vector along(struct vector a, float t, struct vector b)
{
	return (struct vector){ a.x + t * b.x, a.y + t * b.y, a.z + t * b.z };
}

static float dot(struct vector a, struct vector b)
{
	return a.x * b.x + a.y * b.y + a.z * b.z;
}

static struct vector unit(struct vector a)
{
	float length = sqrtf(dot(a, a));
	return (struct vector){ a.x / length, a.y / length, a.z / length };
}

/* The distance to the nearest sphere in front, and which; or -1. */
static int nearest(const struct sphere *s, struct vector from, struct vector to, float *distance)
{
	int hit = -1;
	*distance = 1e9f;
	for (int i = 0; i < SPHERES; i++) {
		struct vector d = along(from, -1, s[i].centre);
		float b = dot(d, to), c = b * b - dot(d, d) + s[i].radius * s[i].radius;
		if (c <= 0)
			continue;
		float t = -b - sqrtf(c);
		if (t > 1e-3f && t < *distance) {
			*distance = t;
			hit = i;
		}
	}
	return hit;
}

static NOINLINE float shade(const struct sphere *s, struct vector from, struct vector to)
{
	const struct vector light = { 0.48f, 0.6f, -0.64f };
	float sum = 0, weight = 1, distance, unused;
	for (int bounce = 0; bounce < BOUNCES; bounce++) {
		int hit = nearest(s, from, to, &distance);
		if (hit < 0)
			return sum + weight * (0.5f + 0.5f * fabsf(to.y));
		struct vector at = along(from, distance, to);
		struct vector out = unit(along(at, -1, s[hit].centre));
		float lit = dot(out, light);
		if (lit > 0 && nearest(s, at, light, &unused) < 0)
			sum += weight * (1 - s[hit].mirror) * lit;
		weight *= s[hit].mirror;
		to = along(to, -2 * dot(to, out), out);
		from = at;
	}
	return sum;
}

static uint32_t run_rays(unsigned scale)
{
	struct sphere s[SPHERES];
	uint32_t seed = 53, sum = 1;
	for (int i = 0; i < SPHERES; i++)
		s[i] = (struct sphere){ { (float)(i % 3) - 1, (float)(i / 3) - 1,
						4 + (float)(i % 4) },
			0.3f + 0.4f * (float)next_fraction(&seed), 0.1f * (float)i };
	for (unsigned r = 0; r < 48 * scale; r++) {
		float total = 0;
		for (int y = 0; y < HEIGHT; y++)
			for (int x = 0; x < WIDTH; x++) {
				struct vector to = { (float)(x - WIDTH / 2) / WIDTH,
					(float)(y - HEIGHT / 2) / HEIGHT, 1 };
				total += shade(s, (struct vector){ 0, 0, 0 }, unit(to));
			}
		sum = mix(sum, (uint32_t)(total * 16));
		s[r % SPHERES].centre.x += r % 2 ? 0.25f : -0.25f;
	}
	return sum;
}

/* ---- heat in a plate: a stencil of single precision ---- */
static uint32_t run_heat(unsigned scale)
{
	enum { SIDE = 256 };
	static float plate[2][SIDE][SIDE];
	double t = 0;
	for (int i = 0; i < SIDE; i++)
		for (int j = 0; j < SIDE; j++)
			plate[0][i][j] = plate[1][i][j] = 1 + (float)((i * 13 + j * 7) % 50);
	for (unsigned r = 0; r < 1200 * scale; r++) {
		float(*from)[SIDE] = plate[r & 1], (*to)[SIDE] = plate[~r & 1];
		from[SIDE / 2][r % SIDE] += 100;
		for (int i = 1; i < SIDE - 1; i++)
			for (int j = 1; j < SIDE - 1; j++) {
				float around = from[i - 1][j] + from[i + 1][j] + from[i][j - 1] +
					from[i][j + 1];
				to[i][j] = from[i][j] + 0.2f * (around - 4 * from[i][j]);
			}
	}
	for (int i = 0; i < SIDE; i++)
		t += (double)plate[0][i][i] + (double)plate[1][i][SIDE - 1 - i];
	return float_sum(t);
}

/* ---- comparisons: kinds of numbers, extremes, medians, clamps ---- */
static double median(double a, double b, double c)
{
	return a < b ? (b < c ? b : a < c ? c : a) : (a < c ? a : b < c ? c : b);
}

static NOINLINE uint32_t classify(const double *at, int count)
{
	uint32_t kinds[5] = { 0 }, ordered = 0, negative = 0, peaks = 0, sum = 1;
	double low = INFINITY, high = -INFINITY, middle = 0;
	for (int i = 1; i + 1 < count; i++) {
		double a = at[i - 1], b = at[i], c = at[i + 1];
		switch (fpclassify(b)) {
		case FP_NAN: kinds[0]++; break;
		case FP_INFINITE: kinds[1]++; break;
		case FP_ZERO: kinds[2]++; break;
		case FP_SUBNORMAL: kinds[3]++; break;
		default: kinds[4]++; break;
		}
		negative += !!signbit(b);
		ordered += !isunordered(a, b) + 2 * !!isgreater(a, c) + 4 * !!islessequal(b, c);
		peaks += b > a && b > c;
		if (!isfinite(a) || !isfinite(b) || !isfinite(c))
			continue;
		low = fmin(low, b);
		high = fmax(high, b);
		middle += copysign(fmin(fabs(median(a, b, c)), 8), c);
	}
	for (int i = 0; i < 5; i++)
		sum = mix(sum, kinds[i]);
	sum = mix(mix(mix(sum, ordered), negative), peaks);
	return sum ^ float_sum(low) ^ float_sum(high) * 3 ^ float_sum(middle) * 5;
}

static uint32_t run_classify(unsigned scale)
{
	enum { COUNT = 4096 };
	static double at[COUNT];
	uint32_t seed = 59, sum = 1;
	for (int i = 0; i < COUNT; i++)
		at[i] = 20 * next_fraction(&seed) - 10;
	for (int i = 0; i < COUNT; i += 16) {
		const double special[] = { INFINITY, -INFINITY, NAN, 0, -0.0, 0x1p-1070, -0x1p-1060,
			1 };
		at[i] = special[i / 16 % 8];
	}
	for (unsigned r = 0; r < 2000 * scale; r++) {
		at[next_random(&seed) % COUNT] = 20 * next_fraction(&seed) - 10;
		sum = mix(sum, classify(at, COUNT));
	}
	return sum;
}

/* ---- conversions between doubles, floats and 64-bit integers ---- */
static uint32_t run_rounding(unsigned scale)
{
	uint32_t seed = 61, sum = 1;
	uint64_t total = 0;
	double phase = 0.25;
	for (unsigned i = 0; i < 6000000 * scale; i++) {
		int64_t big =
			(int64_t)((uint64_t)next_random(&seed) << 24 ^ i) - ((int64_t)1 << 55);
		double d = (double)big * 0x1p-20;
		total += (uint64_t)((int64_t)d - (int64_t)(float)d);
		total += (uint64_t)((int64_t)floor(d * 0.125) + (int64_t)ceil(phase));
		total ^= (uint64_t)llrint(d * phase);
		total += (uint64_t)(phase * 0x1p63) >> 7;
		phase += (double)(uint64_t)big * 0x1p-66;
		phase -= (double)(int64_t)phase;
	}
	sum = mix(sum, (uint32_t)total);
	return mix(sum, (uint32_t)(total >> 32));
}

const struct kernel kernels_flt2[] = {
	{ "fft", "flt2", run_fft },
	{ "spectral", "flt2", run_spectral },
	{ "lu", "flt2", run_lu },
	{ "options", "flt2", run_options },
	{ "rays", "flt2", run_rays },
	{ "heat", "flt2", run_heat },
	{ "classify", "flt2", run_classify },
	{ "rounding", "flt2", run_rounding },
	{ 0 },
};
