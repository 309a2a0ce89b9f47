/* SPDX-License-Identifier: MIT */
/* The third set's floating-point kernels (see README.md): equations, clusters, a network, chance, balls. */
#include "bench.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* At least 0, below 1. */
static double next_double(uint32_t *seed)
{
	return next_random(seed) * 0x1p-32;
}

static float next_float(uint32_t *seed)
{
	return (float)(next_random(seed) >> 8) * 0x1p-24f;
}

/* ---- Poisson's equation by successive over-relaxation ---- */
static uint32_t run_sor(unsigned scale)
{
	enum { SIDE = 100 };
	static double u[SIDE][SIDE], f[SIDE][SIDE];
	uint32_t seed = 107;
	double t = 0;
	for (unsigned r = 0; r < 5 * scale; r++) {
		memset(u, 0, sizeof(u));
		for (int i = 0; i < SIDE; i++)
			for (int j = 0; j < SIDE; j++)
				f[i][j] = next_double(&seed) - 0.5;
		for (int sweep = 0; sweep < 120; sweep++) {
			double largest = 0;
			for (int i = 1; i < SIDE - 1; i++)
				for (int j = 1; j < SIDE - 1; j++) {
					double rest = u[i - 1][j] + u[i + 1][j] + u[i][j - 1] +
						u[i][j + 1] - 4 * u[i][j] - f[i][j];
					u[i][j] += 1.9 / 4 * rest;
					if (fabs(rest) > largest)
						largest = fabs(rest);
				}
			if (largest < 1e-9)
				break;
			t += largest;
		}
		t += u[SIDE / 2][SIDE / 3];
	}
	return float_sum(t);
}

/* ---- all roots of polynomials at once (Durand and Kerner), complex ---- */
enum { DEGREE = 12 };
struct complex_number {
	double re, im;
};

static struct complex_number product(struct complex_number a, struct complex_number b)
{
	return (struct complex_number){ a.re * b.re - a.im * b.im, a.re * b.im + a.im * b.re };
}

static struct complex_number quotient(struct complex_number a, struct complex_number b)
{
	double square = b.re * b.re + b.im * b.im;
	return (struct complex_number){ (a.re * b.re + a.im * b.im) / square,
		(a.im * b.re - a.re * b.im) / square };
}

/* The step's size. */
static NOINLINE double improve(struct complex_number *root, const double *coefficients)
{
	double moved = 0;
	for (int i = 0; i < DEGREE; i++) {
		struct complex_number value = { 1, 0 }, others = { 1, 0 }, step;
		for (int k = DEGREE - 1; k >= 0; k--) {
			value = product(value, root[i]);
			value.re += coefficients[k];
		}
		for (int k = 0; k < DEGREE; k++)
			if (k != i)
				others = product(others,
					(struct complex_number){
						root[i].re - root[k].re, root[i].im - root[k].im });
		step = quotient(value, others);
		root[i].re -= step.re;
		root[i].im -= step.im;
		moved += fabs(step.re) + fabs(step.im);
	}
	return moved;
}

static uint32_t run_roots(unsigned scale)
{
	uint32_t seed = 109, steps = 0;
	double t = 0;
	for (unsigned r = 0; r < 6000 * scale; r++) {
		struct complex_number root[DEGREE], at = { 1, 0 };
		double coefficients[DEGREE];
		for (int i = 0; i < DEGREE; i++) {
			coefficients[i] = 4 * next_double(&seed) - 2;
			root[i] = at = product(at, (struct complex_number){ 0.4, 0.9 });
		}
		for (int i = 0; i < 100 && improve(root, coefficients) > 1e-10; i++)
			steps++;
		for (int i = 0; i < DEGREE; i++)
			t += root[i].re * root[i].re + root[i].im * root[i].im;
	}
	return float_sum(t) ^ steps;
}

/* ---- clusters of points (k-means), in single precision ---- */
static uint32_t run_kmeans(unsigned scale)
{
	enum { POINTS = 4000, KINDS = 16, WIDTH = 4 };
	static float point[POINTS][WIDTH], centre[KINDS][WIDTH];
	uint32_t seed = 113, sum = 1;
	for (unsigned r = 0; r < 12 * scale; r++) {
		uint8_t kind[POINTS] = { 0 };
		for (int i = 0; i < POINTS; i++)
			for (int k = 0; k < WIDTH; k++)
				point[i][k] = (float)((i * 5 + k * i) % 7) + next_float(&seed);
		memcpy(centre, point, sizeof(centre));
		for (int turn = 0; turn < 12; turn++) {
			float total[KINDS][WIDTH] = { 0 };
			int count[KINDS] = { 0 };
			for (int i = 0; i < POINTS; i++) {
				float nearest = 1e30f;
				for (int c = 0; c < KINDS; c++) {
					float square = 0;
					for (int k = 0; k < WIDTH; k++) {
						float d = point[i][k] - centre[c][k];
						square += d * d;
					}
					if (square < nearest) {
						nearest = square;
						kind[i] = (uint8_t)c;
					}
				}
				count[kind[i]]++;
				for (int k = 0; k < WIDTH; k++)
					total[kind[i]][k] += point[i][k];
			}
			for (int c = 0; c < KINDS; c++)
				for (int k = 0; k < WIDTH && count[c]; k++)
					centre[c][k] = total[c][k] / (float)count[c];
		}
		for (int i = 0; i < POINTS; i += 7)
			sum = mix(sum, kind[i]);
		sum = mix(sum, float_sum((double)centre[r % KINDS][0]));
	}
	return sum;
}

/* ---- a small neural network: forward, back, and its weights ---- */
enum { INPUTS = 16, HIDDEN = 32, OUTPUTS = 4, EXAMPLES = 64 };
struct network {
	float in[HIDDEN][INPUTS + 1], out[OUTPUTS][HIDDEN + 1];
};

static NOINLINE float train(struct network *n, const float *input, int wanted)
{
	float hidden[HIDDEN], output[OUTPUTS], back[HIDDEN] = { 0 }, total = 0;
	for (int h = 0; h < HIDDEN; h++) {
		float t = n->in[h][INPUTS];
		for (int i = 0; i < INPUTS; i++)
			t += n->in[h][i] * input[i];
		hidden[h] = t > 0 ? t : 0.01f * t;
	}
	for (int o = 0; o < OUTPUTS; o++) {
		float t = n->out[o][HIDDEN];
		for (int h = 0; h < HIDDEN; h++)
			t += n->out[o][h] * hidden[h];
		output[o] = expf(t);
		total += output[o];
	}
	for (int o = 0; o < OUTPUTS; o++) {
		float error = 0.02f * (output[o] / total - (o == wanted ? 1.0f : 0.0f));
		for (int h = 0; h < HIDDEN; h++) {
			back[h] += error * n->out[o][h];
			n->out[o][h] -= error * hidden[h];
		}
		n->out[o][HIDDEN] -= error;
	}
	for (int h = 0; h < HIDDEN; h++) {
		float error = hidden[h] > 0 ? back[h] : 0.01f * back[h];
		for (int i = 0; i < INPUTS; i++)
			n->in[h][i] -= error * input[i];
		n->in[h][INPUTS] -= error;
	}
	return output[wanted] / total;
}

static uint32_t run_neural(unsigned scale)
{
	static struct network n;
	static float input[EXAMPLES][INPUTS];
	uint32_t seed = 127, sum = 1;
	for (unsigned r = 0; r < 3 * scale; r++) {
		double right = 0;
		for (int h = 0; h < HIDDEN; h++)
			for (int i = 0; i <= INPUTS; i++)
				n.in[h][i] = next_float(&seed) - 0.5f;
		for (int o = 0; o < OUTPUTS; o++)
			for (int h = 0; h <= HIDDEN; h++)
				n.out[o][h] = next_float(&seed) - 0.5f;
		for (int e = 0; e < EXAMPLES; e++)
			for (int i = 0; i < INPUTS; i++)
				input[e][i] =
					2 * next_float(&seed) - 1 + (i % 4 == e % 4 ? 1.0f : 0.0f);
		for (int turn = 0; turn < 200; turn++)
			for (int e = 0; e < EXAMPLES; e++)
				right += (double)train(&n, input[e], e % 4);
		/* Four digits: expf is not the same everywhere in its last bit. */
		sum = mix(sum, (uint32_t)(right + 0.5));
	}
	return sum;
}

/* ---- ordinary differential equations (Runge and Kutta), the right sides by pointer ---- */
enum { STATE = 4 };
typedef void (*derivative)(const double *, double *);

static void lorenz(const double *x, double *out)
{
	out[0] = 10 * (x[1] - x[0]);
	out[1] = x[0] * (28 - x[2]) - x[1];
	out[2] = x[0] * x[1] - 8.0 / 3 * x[2];
	out[3] = 0;
}

static void oscillator(const double *x, double *out)
{
	out[0] = x[1];
	out[1] = 1.5 * (1 - x[0] * x[0]) * x[1] - x[0];
	out[2] = x[3];
	out[3] = -x[2] - 0.1 * x[3] + 0.2 * x[0];
}

static void orbit(const double *x, double *out)
{
	double square = x[0] * x[0] + x[1] * x[1], pull = -1 / (square * sqrt(square));
	out[0] = x[2];
	out[1] = x[3];
	out[2] = pull * x[0];
	out[3] = pull * x[1];
}

static NOINLINE void advance(derivative of, double *x, double step)
{
	double k[4][STATE], t[STATE];
	of(x, k[0]);
	for (int s = 1; s < 4; s++) {
		for (int i = 0; i < STATE; i++)
			t[i] = x[i] + (s < 3 ? step / 2 : step) * k[s - 1][i];
		of(t, k[s]);
	}
	for (int i = 0; i < STATE; i++)
		x[i] += step / 6 * (k[0][i] + 2 * (k[1][i] + k[2][i]) + k[3][i]);
}

static uint32_t run_rungekutta(unsigned scale)
{
	static const derivative systems[3] = { lorenz, oscillator, orbit };
	uint32_t sum = 1;
	for (unsigned r = 0; r < 3 * scale; r++) {
		double x[STATE] = { 1, 0.1, 0.1, 1 + 0.001 * r };
		for (int i = 0; i < 300000; i++)
			advance(systems[r % 3], x, 1.0 / 256);
		sum = mix(sum, float_sum(x[0]) ^ float_sum(x[1]));
	}
	return sum;
}

/* ---- chance: pi by darts, walks of normal steps, and waiting times ---- */
static uint32_t run_chance(unsigned scale)
{
	uint32_t seed = 131, inside = 0;
	double walk = 0, waited = 0, squares = 0;
	for (unsigned i = 0; i < 2000000 * scale; i++) {
		double x = 2 * next_double(&seed) - 1, y = 2 * next_double(&seed) - 1;
		double square = x * x + y * y;
		if (square < 1 && square > 0) { /* Marsaglia's polar method */
			double factor = sqrt(-2 * log(square) / square);
			inside++;
			walk += fabs(x * factor) + 0.5 * fabs(y * factor);
			squares += (x * factor) * (y * factor);
		}
		if (i % 4 == 0)
			waited -= log1p(-next_double(&seed)) / 3;
	}
	return float_sum(walk) ^ float_sum(waited) * 3 ^ float_sum(squares + inside) * 5;
}

/* ---- integrals by Simpson's rule, of the C library's functions ---- */
static double bell(double x)
{
	return exp(-x * x / 2);
}

static double wave(double x)
{
	return sin(3 * x) * cos(x * x);
}

static double growth(double x)
{
	return pow(1 + x, 1.3) / log(3 + x);
}

static double bend(double x)
{
	return atan2(x, 2) + tanh(x) + cbrt(x + 1);
}

static NOINLINE double integral(double (*f)(double), double from, double to, int parts)
{
	double step = (to - from) / parts, t = f(from) + f(to);
	for (int i = 1; i < parts; i++)
		t += (i % 2 ? 4 : 2) * f(from + i * step);
	return t * step / 3;
}

static uint32_t run_simpson(unsigned scale)
{
	static double (*const functions[])(double) = { bell, wave, growth, bend };
	double t = 0;
	for (unsigned r = 0; r < 100 * scale; r++)
		for (int i = 0; i < 4; i++)
			t += integral(functions[i], 0.01 * (r % 50), 4 + i, 2000);
	return float_sum(t);
}

/* ---- balls that meet in a box, in single precision ---- */
enum { BALLS = 100 };
struct ball {
	float x, y, vx, vy, radius, mass;
};

static void collide(struct ball *a, struct ball *b)
{
	float dx = b->x - a->x, dy = b->y - a->y, reach = a->radius + b->radius;
	float square = dx * dx + dy * dy, length, speed, push;
	if (square >= reach * reach || square == 0)
		return;
	length = sqrtf(square);
	dx /= length;
	dy /= length;
	speed = (b->vx - a->vx) * dx + (b->vy - a->vy) * dy;
	if (speed >= 0)
		return;
	push = 1.98f * speed / (1 / a->mass + 1 / b->mass);
	a->vx += push / a->mass * dx;
	a->vy += push / a->mass * dy;
	b->vx -= push / b->mass * dx;
	b->vy -= push / b->mass * dy;
}

static void move(struct ball *b, float time)
{
	b->vy += 0.5f * time;
	b->x += b->vx * time;
	b->y += b->vy * time;
	if ((b->x < b->radius && b->vx < 0) || (b->x > 1 - b->radius && b->vx > 0))
		b->vx = -b->vx;
	if ((b->y < b->radius && b->vy < 0) || (b->y > 1 - b->radius && b->vy > 0))
		b->vy = -b->vy;
}

static uint32_t run_balls(unsigned scale)
{
	struct ball balls[BALLS];
	uint32_t seed = 149;
	double energy = 0;
	for (unsigned r = 0; r < 6000 * scale; r++) {
		for (int i = 0; i < BALLS && r % 1000 == 0; i++) {
			float numbers[5];
			for (int k = 0; k < 5; k++)
				numbers[k] = next_float(&seed);
			float radius = 0.01f + 0.02f * numbers[0];
			balls[i] = (struct ball){ numbers[1], numbers[2], numbers[3] - 0.5f,
				numbers[4] - 0.5f, radius, 1000 * radius * radius };
		}
		for (int i = 0; i < BALLS; i++)
			move(&balls[i], 0.004f);
		for (int i = 0; i < BALLS; i++)
			for (int k = i + 1; k < BALLS; k++)
				collide(&balls[i], &balls[k]);
		const struct ball *b = &balls[r % BALLS];
		energy += (double)(b->mass * (b->vx * b->vx + b->vy * b->vy));
	}
	return float_sum(energy);
}

/* ---- conjugate gradients with a sparse matrix ---- */
enum { ROWS = 4000, PER_ROW = 6 };
struct system {
	double element[ROWS][PER_ROW], diagonal[ROWS], x[ROWS], rest[ROWS], way[ROWS], image[ROWS];
	uint16_t column[ROWS][PER_ROW];
};

static NOINLINE double apply(struct system *s)
{
	double t = 0;
	for (int i = 0; i < ROWS; i++)
		s->image[i] = s->diagonal[i] * s->way[i];
	for (int i = 0; i < ROWS; i++)
		for (int k = 0; k < PER_ROW; k++) { /* symmetric: each element in two places */
			int j = s->column[i][k];
			s->image[i] += s->element[i][k] * s->way[j];
			s->image[j] += s->element[i][k] * s->way[i];
		}
	for (int i = 0; i < ROWS; i++)
		t += s->image[i] * s->way[i];
	return t;
}

static uint32_t run_gradients(unsigned scale)
{
	struct system *s = calloc(1, sizeof(*s));
	uint32_t seed = 151, turns = 0;
	double t = 0;
	for (unsigned r = 0; r < 60 * scale; r++) {
		double square = 0, next;
		for (int i = 0; i < ROWS; i++) {
			s->diagonal[i] = 7 + next_double(&seed);
			for (int k = 0; k < PER_ROW; k++) {
				s->column[i][k] = (uint16_t)(next_random(&seed) % ROWS);
				s->element[i][k] = next_double(&seed) - 0.5;
			}
			s->x[i] = 0;
			s->rest[i] = s->way[i] = next_double(&seed);
			square += s->rest[i] * s->rest[i];
		}
		for (; square > 1e-16; turns++, square = next) {
			double length = square / apply(s);
			next = 0;
			for (int i = 0; i < ROWS; i++) {
				s->x[i] += length * s->way[i];
				s->rest[i] -= length * s->image[i];
				next += s->rest[i] * s->rest[i];
			}
			for (int i = 0; i < ROWS; i++)
				s->way[i] = s->rest[i] + next / square * s->way[i];
		}
		t += fabs(s->x[r % ROWS]);
	}
	free(s);
	return float_sum(t) ^ turns;
}

const struct kernel kernels_flt3[] = {
	{ "sor", "flt3", run_sor },
	{ "roots", "flt3", run_roots },
	{ "kmeans", "flt3", run_kmeans },
	{ "neural", "flt3", run_neural },
	{ "rungekutta", "flt3", run_rungekutta },
	{ "chance", "flt3", run_chance },
	{ "simpson", "flt3", run_simpson },
	{ "balls", "flt3", run_balls },
	{ "gradients", "flt3", run_gradients },
	{ 0 },
};
