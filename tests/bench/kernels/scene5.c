/* SPDX-License-Identifier: MIT */
/* The fifth set's floating-point kernels on sounds and scenes, mostly in single precision. */
#include "bench.h"
#include <math.h>
#include <string.h>

/* At least -1, below 1. */
static float next_float(uint32_t *seed)
{
	return (float)(int32_t)next_random(seed) * 0x1p-31f;
}

/* ---- a hall: eight echoes and four passes that smear them, for each ear ---- */
enum { ECHOES = 8, PASSES = 4, LONGEST = 1700 };
struct delay {
	float line[LONGEST], held;
	int at, length;
};
struct hall {
	struct delay echo[2][ECHOES], pass[2][PASSES];
};

static const int echo_length[ECHOES] = { 1116, 1188, 1277, 1356, 1422, 1491, 1557, 1617 };
static const int pass_length[PASSES] = { 556, 441, 341, 225 };

static inline float echo(struct delay *d, float in)
{
	float out = d->line[d->at];
	d->held = out * 0.8f + d->held * 0.2f;
	d->line[d->at] = in + d->held * 0.84f;
	d->at = d->at + 1 < d->length ? d->at + 1 : 0;
	return out;
}

static inline float smear(struct delay *d, float in)
{
	float old = d->line[d->at];
	d->line[d->at] = in + old * 0.5f;
	d->at = d->at + 1 < d->length ? d->at + 1 : 0;
	return old - in;
}

static NOINLINE void reverberate(struct hall *h, const float *in, float (*out)[2], int n)
{
	for (int i = 0; i < n; i++)
		for (int ear = 0; ear < 2; ear++) {
			float t = 0;
			for (int k = 0; k < ECHOES; k++)
				t += echo(&h->echo[ear][k], in[i] * 0.015f);
			for (int k = 0; k < PASSES; k++)
				t = smear(&h->pass[ear][k], t);
			out[i][ear] = in[i] * 0.6f + t * 0.4f;
		}
}

static uint32_t run_hall(unsigned scale)
{
	enum { CHUNK = 512 };
	static struct hall h;
	float in[CHUNK], out[CHUNK][2], loudness = 0, tone = 0;
	uint32_t seed = 1962;
	double t = 0;
	memset(&h, 0, sizeof(h));
	for (int ear = 0; ear < 2; ear++) {
		for (int k = 0; k < ECHOES; k++)
			h.echo[ear][k].length = echo_length[k] + 23 * ear;
		for (int k = 0; k < PASSES; k++)
			h.pass[ear][k].length = pass_length[k] + 23 * ear;
	}
	for (unsigned r = 0; r < 800 * scale; r++) {
		for (int i = 0; i < CHUNK; i++) { /* plucked, now and then */
			if (next_random(&seed) % 2000 == 0)
				loudness = 1;
			loudness = loudness * 0.9995f + 1e-6f;
			tone += 0.5f * (next_float(&seed) - tone);
			in[i] = tone * loudness;
		}
		reverberate(&h, in, out, CHUNK);
		for (int i = 0; i < CHUNK; i++)
			t += fabsf(out[i][0]) + fabsf(out[i][1] - out[i][0]);
	}
	return float_sum(t);
}

/* ---- speech as a filter and what excites it (linear prediction), and made again ---- */
enum { FRAME = 240, ORDER = 10 };

/* The filter that predicts best (Levinson and Durbin); the energy that it leaves. */
static NOINLINE double predict(const float *frame, double *filter)
{
	double likeness[ORDER + 1], energy, old[ORDER];
	for (int lag = 0; lag <= ORDER; lag++) {
		likeness[lag] = 0;
		for (int i = lag; i < FRAME; i++)
			likeness[lag] += (double)frame[i] * frame[i - lag];
	}
	energy = likeness[0] * 1.0001 + 1e-9;
	for (int i = 0; i < ORDER; i++) {
		double k = likeness[i + 1];
		for (int j = 0; j < i; j++)
			k -= filter[j] * likeness[i - j];
		k /= energy;
		memcpy(old, filter, sizeof(old));
		filter[i] = k;
		for (int j = 0; j < i; j++)
			filter[j] = old[j] - k * old[i - 1 - j];
		energy *= 1 - k * k;
	}
	return energy;
}

static uint32_t run_speech(unsigned scale)
{
	float window[FRAME], frame[FRAME], one = 0, two = 0;
	uint32_t seed = 1971;
	double t = 0;
	for (int i = 0; i < FRAME; i++) {
		float x = (float)(2 * i - FRAME + 1) / FRAME;
		window[i] = (1 - x * x) * (1 - x * x);
	}
	for (unsigned r = 0; r < 2000 * scale; r++) {
		double filter[ORDER] = { 0 }, energy;
		float taps[ORDER], past[ORDER] = { 0 }, gain;
		int pitch = 40 + (int)(r * 7 % 60);
		for (int i = 0; i < FRAME; i++) { /* a throat with one resonance */
			float x = (i % pitch == 0 ? 1.0f : 0.0f) + 0.05f * next_float(&seed);
			x += 1.6f * one - 0.8f * two;
			two = one;
			one = x;
			frame[i] = x * window[i];
		}
		energy = predict(frame, filter);
		gain = (float)sqrt(energy / FRAME);
		for (int k = 0; k < ORDER; k++)
			taps[k] = (float)filter[k];
		for (int i = 0; i < FRAME; i++) {
			float x = i % pitch == 0 ? gain * 6 : gain * 0.1f * next_float(&seed);
			for (int k = 0; k < ORDER; k++)
				x += taps[k] * past[k];
			memmove(past + 1, past, sizeof(past) - sizeof(*past));
			past[0] = x;
			t += fabsf(x);
		}
		t += energy;
	}
	return float_sum(t);
}

/* ---- a picture as waves at several sizes: there by lifting, coarser, and back ---- */
enum { EDGE = 256, STEPS = 4 };

/* Pairs of neighbours along a line; what is odd lies beside what is even. */
static inline void lift(float *line, int n, int first, float factor)
{
	for (int i = first; i < n; i += 2) {
		float before = line[i ? i - 1 : 1], after = line[i + 1 < n ? i + 1 : n - 2];
		line[i] += factor * (before + after);
	}
}

static NOINLINE void waves(float *at, int stride, int n, int back)
{
	static const float factors[STEPS] = { -1.586134342f, -0.05298011854f, 0.8829110762f,
		0.4435068522f };
	float line[EDGE];
	for (int i = 0; i < n; i++)
		line[i] = at[(back ? (i % 2 ? n / 2 + i / 2 : i / 2) : i) * stride];
	for (int i = 0; i < n && back; i++)
		line[i] = i % 2 ? line[i] * 1.149604398f : line[i] / 1.149604398f;
	for (int k = 0; k < STEPS; k++)
		if (back)
			lift(line, n, k % 2, -factors[STEPS - 1 - k]);
		else
			lift(line, n, !(k % 2), factors[k]);
	for (int i = 0; i < n && !back; i++)
		line[i] = i % 2 ? line[i] / 1.149604398f : line[i] * 1.149604398f;
	for (int i = 0; i < n; i++)
		at[(back ? i : (i % 2 ? n / 2 + i / 2 : i / 2)) * stride] = line[i];
}

static uint32_t run_wavelet(unsigned scale)
{
	static float picture[EDGE][EDGE], other[EDGE][EDGE];
	uint32_t seed = 1992, sum = 1;
	double t = 0;
	for (unsigned r = 0; r < 5 * scale; r++) {
		for (int y = 0; y < EDGE; y++)
			for (int x = 0; x < EDGE; x++) {
				int from = (x - 90) * (x - 90) + (y - 140) * (y - 140);
				picture[y][x] =
					(float)(from < 5000 ? x : 255 - y) + 8 * next_float(&seed);
			}
		memcpy(other, picture, sizeof(other));
		for (int n = EDGE; n > 16; n /= 2)
			for (int i = 0; i < 2 * n; i++)
				waves(i < n ? other[i] : &other[0][i - n], i < n ? 1 : EDGE, n, 0);
		for (int i = 0; i < EDGE * EDGE; i++) { /* in steps of 12 */
			float *x = &other[i / EDGE][i % EDGE];
			int step = (int)(*x / 12);
			sum += step != 0;
			*x = (float)step * 12;
		}
		for (int n = 32; n <= EDGE; n *= 2)
			for (int i = 2 * n - 1; i >= 0; i--)
				waves(i < n ? other[i] : &other[0][i - n], i < n ? 1 : EDGE, n, 1);
		for (int i = 0; i < EDGE * EDGE; i++) {
			float d = other[i / EDGE][i % EDGE] - picture[i / EDGE][i % EDGE];
			t += d * d;
		}
	}
	return float_sum(t) ^ sum;
}

/* ---- a ring of triangles: turned, lit, seen in perspective, the nearest in front ---- */
enum { AROUND = 48, TUBE = 24, WIDE = 200, TALL = 150 };
struct corner {
	float x, y, z, light;
};
struct screen {
	float depth[TALL][WIDE];
	uint8_t pixel[TALL][WIDE];
};

static inline void turn(float *a, float *b, float c, float s)
{
	float x = *a * c - *b * s;
	*b = *a * s + *b * c;
	*a = x;
}

static void make_ring(struct corner (*ring)[TUBE], float c, float s)
{
	for (int i = 0; i < AROUND; i++) {
		float x = 0.4f, y = 0;
		for (int k = 0; k < TUBE; k++) {
			struct corner at = { 1 + x, y, 0, 0 }, normal = { x, y, 0, 0 };
			for (int n = 0; n < i; n++) { /* a 48th each */
				turn(&at.x, &at.z, 0.9914448614f, 0.1305261922f);
				turn(&normal.x, &normal.z, 0.9914448614f, 0.1305261922f);
			}
			turn(&at.y, &at.z, c, s);
			turn(&normal.y, &normal.z, c, s);
			at.light = (normal.x * 0.6f + normal.y * 0.64f - normal.z * 0.48f) / 0.4f;
			at.z += 3;
			at.x = WIDE / 2 + 170 * at.x / at.z;
			at.y = TALL / 2 + 170 * at.y / at.z;
			ring[i][k] = at;
			turn(&x, &y, 0.9659258263f, 0.2588190451f); /* a 24th */
		}
	}
}

static int limit(float x, int most)
{
	return x < 0 ? 0 : x > (float)most ? most : (int)x;
}

static NOINLINE void draw(struct screen *s, struct corner a, struct corner b, struct corner c)
{
	float area = (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x), left, right, top,
	      bottom;
	if (area <= 0)
		return;
	left = a.x < b.x ? (a.x < c.x ? a.x : c.x) : (b.x < c.x ? b.x : c.x);
	right = a.x > b.x ? (a.x > c.x ? a.x : c.x) : (b.x > c.x ? b.x : c.x);
	top = a.y < b.y ? (a.y < c.y ? a.y : c.y) : (b.y < c.y ? b.y : c.y);
	bottom = a.y > b.y ? (a.y > c.y ? a.y : c.y) : (b.y > c.y ? b.y : c.y);
	for (int y = limit(top, TALL - 1); y <= limit(bottom, TALL - 1); y++)
		for (int x = limit(left, WIDE - 1); x <= limit(right, WIDE - 1); x++) {
			float px = (float)x + 0.5f, py = (float)y + 0.5f, u, v, z, light;
			u = ((c.x - b.x) * (py - b.y) - (c.y - b.y) * (px - b.x)) / area;
			v = ((a.x - c.x) * (py - c.y) - (a.y - c.y) * (px - c.x)) / area;
			if (u < 0 || v < 0 || u + v > 1)
				continue;
			z = u * a.z + v * b.z + (1 - u - v) * c.z;
			if (z >= s->depth[y][x])
				continue;
			light = u * a.light + v * b.light + (1 - u - v) * c.light;
			s->depth[y][x] = z;
			s->pixel[y][x] = (uint8_t)(40 + 200 * (light > 0 ? light : 0));
		}
}

static uint32_t run_triangles(unsigned scale)
{
	static struct corner ring[AROUND][TUBE];
	static struct screen s;
	uint32_t sum = 1;
	float c = 1, sine = 0;
	for (unsigned r = 0; r < 25 * scale; r++) {
		turn(&c, &sine, 0.96f, 0.28f);
		make_ring(ring, c, sine);
		memset(s.pixel, 0, sizeof(s.pixel));
		for (int i = 0; i < WIDE * TALL; i++)
			s.depth[i / WIDE][i % WIDE] = 100;
		for (int i = 0; i < AROUND; i++)
			for (int k = 0; k < TUBE; k++) {
				int j = (i + 1) % AROUND, l = (k + 1) % TUBE;
				draw(&s, ring[i][k], ring[j][k], ring[j][l]);
				draw(&s, ring[i][k], ring[j][l], ring[i][l]);
			}
		for (int i = 0; i < WIDE * TALL; i += 11)
			sum = mix(sum, s.pixel[i / WIDE][i % WIDE]);
	}
	return sum;
}

/* ---- a cloth that falls over a ball: points held together by their distances ---- */
enum { THREADS = 32, CELLS = THREADS * THREADS };
struct cloth {
	float at[CELLS][3], before[CELLS][3];
};

static inline void hold(struct cloth *c, int a, int b, float length)
{
	float *p = c->at[a], *q = c->at[b], d[3], far, part;
	for (int i = 0; i < 3; i++)
		d[i] = q[i] - p[i];
	far = sqrtf(d[0] * d[0] + d[1] * d[1] + d[2] * d[2]);
	part = 0.5f * (far - length) / far;
	for (int i = 0; i < 3; i++) {
		p[i] += part * d[i];
		q[i] -= part * d[i];
	}
}

static NOINLINE void relax(struct cloth *c)
{
	for (int y = 0; y < THREADS; y++)
		for (int x = 0; x < THREADS; x++) {
			int i = y * THREADS + x;
			if (x < THREADS - 1)
				hold(c, i, i + 1, 0.1f);
			if (y < THREADS - 1)
				hold(c, i, i + THREADS, 0.1f);
			if (x < THREADS - 1 && y < THREADS - 1)
				hold(c, i, i + THREADS + 1, 0.141421356f);
		}
	for (int i = 0; i < CELLS; i++) {
		float *p = c->at[i];
		float far = sqrtf(p[0] * p[0] + p[1] * p[1] + p[2] * p[2]);
		for (int k = 0; k < 3 && far < 1; k++)
			p[k] /= far;
	}
}

static uint32_t run_cloth(unsigned scale)
{
	static struct cloth c;
	uint32_t seed = 1995;
	double t = 0;
	for (unsigned r = 0; r < 120 * scale; r++) {
		for (int i = 0; i < CELLS && r % 240 == 0; i++) {
			c.at[i][0] = 0.1f * (float)(i % THREADS) - 1.4f;
			c.at[i][1] = 1.1f + 0.001f * next_float(&seed);
			c.at[i][2] = 0.1f * (float)(i / THREADS) - 1.7f;
			memcpy(c.before[i], c.at[i], sizeof(c.at[i]));
		}
		for (int i = 0; i < CELLS; i++)
			for (int k = 0; k < 3; k++) {
				float now = c.at[i][k], fall = k == 1 ? 0.0015f : 0;
				c.at[i][k] += 0.99f * (now - c.before[i][k]) - fall;
				c.before[i][k] = now;
			}
		for (int k = 0; k < 6; k++)
			relax(&c);
		t += c.at[r * 7 % CELLS][1] + c.at[r * 5 % CELLS][0];
	}
	return float_sum(t);
}

const struct kernel kernels_scene5[] = {
	{ "hall", "flt5", run_hall },
	{ "speech", "flt5", run_speech },
	{ "wavelet", "flt5", run_wavelet },
	{ "triangles", "flt5", run_triangles },
	{ "cloth", "flt5", run_cloth },
	{ 0 },
};
