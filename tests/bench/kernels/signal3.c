/* SPDX-License-Identifier: MIT */
/* The third set's floating-point kernels that work on sounds and pictures, in single precision. */
#include "bench.h"
#include <math.h>
#include <string.h>

/* At least 0, below 1. */
static float next_float(uint32_t *seed)
{
	return (float)(next_random(seed) >> 8) * 0x1p-24f;
}

/* ---- sound: echoes of a filter of 48 taps, then resonances ---- */
static uint32_t run_filters(unsigned scale)
{
	enum { TAPS = 48, SAMPLES = 8192, STAGES = 4 };
	static float in[SAMPLES + TAPS], out[SAMPLES];
	static const float a1[STAGES] = { -1.8f, -1.2f, -0.3f, 0.9f };
	static const float a2[STAGES] = { 0.95f, 0.9f, 0.8f, 0.85f };
	float tap[TAPS], z1[STAGES] = { 0 }, z2[STAGES] = { 0 }, loudest = 0;
	uint32_t seed = 137;
	double energy = 0;
	for (int i = 0; i < TAPS; i++)
		tap[i] = (next_float(&seed) - 0.5f) / (float)(1 + i / 4);
	for (unsigned r = 0; r < 120 * scale; r++) {
		memmove(in, in + SAMPLES, TAPS * sizeof(*in));
		for (int i = 0; i < SAMPLES; i++)
			in[TAPS + i] = 2 * next_float(&seed) - 1;
		for (int i = 0; i < SAMPLES; i++) {
			float t = 0;
			for (int k = 0; k < TAPS; k++)
				t += tap[k] * in[TAPS + i - k];
			out[i] = t;
		}
		for (int i = 0; i < SAMPLES; i++) {
			float x = out[i];
			for (int s = 0; s < STAGES; s++) {
				float y = 0.2f * x + z1[s];
				z1[s] = z2[s] - a1[s] * y;
				z2[s] = -0.2f * x - a2[s] * y;
				x = y;
			}
			loudest = fmaxf(loudest, fabsf(x));
			energy += (double)(x * x);
		}
	}
	return float_sum(energy) ^ float_sum((double)loudest);
}

/* ---- a picture: blurred, and its edges, in single precision ---- */
static uint32_t run_edges(unsigned scale)
{
	enum { SIDE = 256 };
	static float from[SIDE][SIDE], soft[SIDE][SIDE];
	static const float weights[5] = { 1 / 16.0f, 4 / 16.0f, 6 / 16.0f, 4 / 16.0f, 1 / 16.0f };
	uint32_t seed = 139, edges = 0;
	double t = 0;
	for (unsigned r = 0; r < 20 * scale; r++) {
		for (int i = 0; i < SIDE && r % 4 == 0; i++)
			for (int j = 0; j < SIDE; j++)
				from[i][j] = (float)(i / 32 + j / 32) * 9 + 60 * next_float(&seed);
		for (int i = 2; i < SIDE - 2; i++)
			for (int j = 2; j < SIDE - 2; j++) {
				float s = 0;
				for (int y = 0; y < 5; y++)
					for (int x = 0; x < 5; x++)
						s += weights[y] * weights[x] *
							from[i + y - 2][j + x - 2];
				soft[i][j] = s;
			}
		for (int i = 3; i < SIDE - 3; i++)
			for (int j = 3; j < SIDE - 3; j++) {
				const float *a = &soft[i - 1][j], *b = &soft[i][j],
					    *c = &soft[i + 1][j];
				float x = a[1] + 2 * b[1] + c[1] - a[-1] - 2 * b[-1] - c[-1];
				float y = c[-1] + 2 * c[0] + c[1] - a[-1] - 2 * a[0] - a[1];
				float steep = sqrtf(x * x + y * y);
				edges += steep > 40;
				from[i][j] += steep > 40 ? 12 : -0.05f * steep;
				from[i][j] = fminf(fmaxf(from[i][j], 0), 255);
			}
	}
	for (int i = 0; i < SIDE; i++)
		t += (double)from[i][i];
	return float_sum(t) ^ edges;
}

/* ---- tracks of 16 bits mixed in floats: volumes, peaks, clips, and back to integers ---- */
static uint32_t run_mixer(unsigned scale)
{
	enum { TRACKS = 6, SAMPLES = 4096 };
	static int16_t track[TRACKS][SAMPLES], out[SAMPLES];
	uint32_t seed = 157, sum = 1, clipped = 0;
	float peak[TRACKS] = { 0 };
	for (int k = 0; k < TRACKS; k++)
		for (int i = 0; i < SAMPLES; i++)
			track[k][i] = (int16_t)(next_random(&seed) >> 16);
	for (unsigned r = 0; r < 600 * scale; r++) {
		float volume[TRACKS];
		for (int k = 0; k < TRACKS; k++)
			volume[k] = next_float(&seed) * 0.5f;
		for (int i = 0; i < SAMPLES; i++) {
			float t = 0;
			for (int k = 0; k < TRACKS; k++) {
				float x = (float)track[k][i] * (1 / 32768.0f) * volume[k];
				peak[k] = x > peak[k] ? x : peak[k] * 0.9999f;
				t += x;
			}
			if (t > 0.99f || t < -0.99f)
				clipped++;
			t = t > 0.99f ? 0.99f : t < -0.99f ? -0.99f : t;
			out[i] = (int16_t)(t * 32767.0f + (t < 0 ? -0.5f : 0.5f));
		}
		track[r % TRACKS][next_random(&seed) % SAMPLES] = out[r % SAMPLES];
		sum = mix(sum, (uint16_t)out[r % SAMPLES]);
	}
	for (int k = 0; k < TRACKS; k++)
		sum = mix(sum, (uint32_t)(peak[k] * 1e6f));
	return mix(sum, clipped);
}

const struct kernel kernels_signal3[] = {
	{ "filters", "flt3", run_filters },
	{ "edges", "flt3", run_edges },
	{ "mixer", "flt3", run_mixer },
	{ 0 },
};
