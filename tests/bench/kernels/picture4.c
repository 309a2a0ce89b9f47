/* SPDX-License-Identifier: MIT */
/* The fourth set's floating-point kernels that work on pictures, in single precision. */
#include "bench.h"
#include <math.h>

enum { SIDE = 256, BLOCK = 8 };

static void draw(float (*picture)[SIDE], uint32_t *seed)
{
	for (int y = 0; y < SIDE; y++)
		for (int x = 0; x < SIDE; x++)
			picture[y][x] = (float)((x / 24 + y / 40) % 5 * 45) +
				(float)(x * y % 251) / 9 + (float)(next_random(seed) >> 28);
}

/* ---- blocks of a picture as sums of cosines: rounded, counted, and back ---- */
/* out is the transpose of by * in, or of (by transposed) * in: twice makes both directions. */
static void transform(float (*out)[BLOCK], float (*in)[BLOCK], float (*by)[BLOCK], int back)
{
	for (int i = 0; i < BLOCK; i++)
		for (int k = 0; k < BLOCK; k++) {
			float t = 0;
			for (int j = 0; j < BLOCK; j++)
				t += (back ? by[j][k] : by[k][j]) * in[j][i];
			out[i][k] = t;
		}
}

/* A block of eight rows; how many of its numbers are not zero. */
static NOINLINE unsigned squeeze(float (*rows)[SIDE], int left, float (*by)[BLOCK], float coarse)
{
	float a[BLOCK][BLOCK], b[BLOCK][BLOCK];
	unsigned kept = 0;
	for (int y = 0; y < BLOCK; y++)
		for (int x = 0; x < BLOCK; x++)
			a[y][x] = rows[y][left + x] - 128;
	transform(b, a, by, 0);
	transform(a, b, by, 0);
	for (int y = 0; y < BLOCK; y++)
		for (int x = 0; x < BLOCK; x++) {
			float step = coarse * (float)(4 + x + y), t = a[y][x] / step;
			int n = (int)(t + (t < 0 ? -0.5f : 0.5f));
			kept += n != 0;
			a[y][x] = (float)n * step;
		}
	transform(b, a, by, 1);
	transform(a, b, by, 1);
	for (int y = 0; y < BLOCK; y++)
		for (int x = 0; x < BLOCK; x++) {
			float t = a[y][x] + 128;
			rows[y][left + x] = t < 0 ? 0 : t > 255 ? 255 : t;
		}
	return kept;
}

static uint32_t run_cosines(unsigned scale)
{
	static float picture[SIDE][SIDE];
	static const double cosines[9] = { 1, 0.98078528, 0.92387953, 0.83146961, 0.70710678,
		0.55557023, 0.38268343, 0.19509032, 0 }; /* of 0 to 8 sixteenths of pi */
	float by[BLOCK][BLOCK];
	uint32_t seed = 1974, sum = 1;
	for (int k = 0; k < BLOCK; k++)
		for (int i = 0; i < BLOCK; i++) {
			int angle = (2 * i + 1) * k % 32, folded = angle > 16 ? 32 - angle : angle;
			double c = folded > 8 ? -cosines[16 - folded] : cosines[folded];
			by[k][i] = (float)(k ? c / 2 : cosines[4] / 2);
		}
	for (unsigned r = 0; r < 16 * scale; r++) {
		unsigned kept = 0;
		if (r % 4 == 0)
			draw(picture, &seed);
		for (int y = 0; y < SIDE; y += BLOCK)
			for (int x = 0; x < SIDE; x += BLOCK)
				kept += squeeze(picture + y, x, by, 1 + (float)(r % 4));
		sum = mix(sum, kept);
		for (int i = 0; i < SIDE; i += 3)
			sum = mix(sum, (uint32_t)picture[i][SIDE - 1 - i]);
	}
	return sum;
}

/* ---- a picture turned and made larger, between its pixels ---- */
static NOINLINE void turn(float (*to)[SIDE], float (*from)[SIDE], float c, float s)
{
	const float middle = (SIDE - 1) / 2.0f;
	for (int y = 0; y < SIDE; y++) {
		float u = middle - c * middle - s * ((float)y - middle);
		float v = middle - s * middle + c * ((float)y - middle);
		for (int x = 0; x < SIDE; x++, u += c, v += s) {
			if (u < 0 || v < 0 || u >= SIDE - 1 || v >= SIDE - 1) {
				to[y][x] = 20;
				continue;
			}
			int left = (int)u, top = (int)v;
			float right = u - (float)left, below = v - (float)top;
			const float *p = &from[top][left];
			float upper = p[0] + right * (p[1] - p[0]);
			float lower = p[SIDE] + right * (p[SIDE + 1] - p[SIDE]);
			to[y][x] = upper + below * (lower - upper);
		}
	}
}

static uint32_t run_turned(unsigned scale)
{
	static float picture[2][SIDE][SIDE];
	uint32_t seed = 1981, sum = 1;
	float c = 0.97f, s = 0.05f;
	for (unsigned r = 0; r < 60 * scale; r++) {
		double t = 0;
		if (r % 20 == 0)
			draw(picture[0], &seed);
		turn(picture[(r + 1) % 2], picture[r % 2], c, s);
		float next = 0.96f * c - 0.28f * s; /* by the angle whose cosine is 0.96 */
		s = 0.28f * c + 0.96f * s;
		c = r % 20 == 19 ? 0.97f : next;
		s = r % 20 == 19 ? 0.05f : s;
		for (int i = 0; i < SIDE; i++)
			t += (double)picture[(r + 1) % 2][i][(i * 5 + (int)r) % SIDE];
		sum = mix(sum, float_sum(t));
	}
	return sum;
}

/* ---- colours: to hue, saturation and value, changed, and back; then to brightness ---- */
struct colour {
	float x, y, z;
};

static struct colour to_hsv(struct colour c)
{
	float high = fmaxf(c.x, fmaxf(c.y, c.z)), low = fminf(c.x, fminf(c.y, c.z));
	float range = high - low, hue = 0;
	if (range > 0) {
		if (high == c.x)
			hue = (c.y - c.z) / range;
		else if (high == c.y)
			hue = 2 + (c.z - c.x) / range;
		else
			hue = 4 + (c.x - c.y) / range;
	}
	return (struct colour){ hue < 0 ? hue + 6 : hue, high > 0 ? range / high : 0, high };
}

static struct colour to_rgb(struct colour c)
{
	int sector = (int)c.x;
	float part = c.x - (float)sector, low = c.z * (1 - c.y);
	float down = c.z * (1 - c.y * part), up = c.z * (1 - c.y * (1 - part));
	switch (sector) {
	case 0: return (struct colour){ c.z, up, low };
	case 1: return (struct colour){ down, c.z, low };
	case 2: return (struct colour){ low, c.z, up };
	case 3: return (struct colour){ low, down, c.z };
	case 4: return (struct colour){ up, low, c.z };
	default: return (struct colour){ c.z, low, down };
	}
}

static uint8_t to_byte(float x)
{
	return (uint8_t)(fminf(fmaxf(x, 0), 1) * 255 + 0.5f);
}

static NOINLINE float recolour(uint8_t *pixel, float shift, float stronger)
{
	struct colour c = { (float)pixel[0] / 255, (float)pixel[1] / 255, (float)pixel[2] / 255 };
	c = to_hsv(c);
	c.x += shift;
	c.x -= c.x >= 6 ? 6 : 0;
	c.y = fminf(c.y * stronger, 1);
	c = to_rgb(c);
	pixel[0] = to_byte(c.x);
	pixel[1] = to_byte(c.y);
	pixel[2] = to_byte(c.z);
	return 0.299f * c.x + 0.587f * c.y + 0.114f * c.z;
}

static uint32_t run_colours(unsigned scale)
{
	static uint8_t pixels[SIDE * SIDE][3];
	uint32_t seed = 1978, sum = 1;
	for (int i = 0; i < SIDE * SIDE; i++) {
		uint32_t x = next_random(&seed);
		for (int k = 0; k < 3; k++)
			pixels[i][k] = (uint8_t)(x >> (8 * k));
	}
	for (unsigned r = 0; r < 16 * scale; r++) {
		float shift = (float)(r % 7) * 0.3f, stronger = r % 2 ? 0.9f : 1.1f, bright = 0;
		for (int i = 0; i < SIDE * SIDE; i++)
			bright += recolour(pixels[i], shift, stronger);
		sum = mix(sum, float_sum((double)bright));
		for (int i = 0; i < SIDE * SIDE; i += 999)
			sum = mix(sum, pixels[i][r % 3]);
	}
	return sum;
}

const struct kernel kernels_picture4[] = {
	{ "cosines", "flt4", run_cosines },
	{ "turned", "flt4", run_turned },
	{ "colours", "flt4", run_colours },
	{ 0 },
};
