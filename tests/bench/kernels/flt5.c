/* SPDX-License-Identifier: MIT */
/* The fifth set's floating-point kernels (see README.md), in double precision: flows, curves, statistics,
 * bands, hulls. */
#include "bench.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* At least 0, below 1. */
static double next_double(uint32_t *seed)
{
	return next_random(seed) * 0x1p-32;
}

/* ---- a fluid that flows around an obstacle: shares of it that stream over a lattice ---- */
enum { LONG = 96, HIGH = 40, WAYS = 9 };
static const int way_x[WAYS] = { 0, 1, 0, -1, 0, 1, -1, -1, 1 };
static const int way_y[WAYS] = { 0, 0, 1, 0, -1, 1, 1, -1, -1 };
static const int opposite[WAYS] = { 0, 3, 4, 1, 2, 7, 8, 5, 6 };
static const double weight[WAYS] = { 4.0 / 9, 1.0 / 9, 1.0 / 9, 1.0 / 9, 1.0 / 9, 1.0 / 36,
	1.0 / 36, 1.0 / 36, 1.0 / 36 };
struct fluid {
	double share[HIGH][LONG][WAYS], next[HIGH][LONG][WAYS];
	uint8_t solid[HIGH][LONG];
};

static inline double balance(int way, double density, double x, double y)
{
	double along = 3 * (way_x[way] * x + way_y[way] * y);
	return weight[way] * density * (1 + along + 0.5 * along * along - 1.5 * (x * x + y * y));
}

static NOINLINE double collide(struct fluid *f)
{
	double energy = 0;
	for (int y = 0; y < HIGH; y++)
		for (int x = 0; x < LONG; x++) {
			double *share = f->share[y][x], density = 0, u = 0, v = 0;
			if (f->solid[y][x])
				continue;
			for (int k = 0; k < WAYS; k++) {
				density += share[k];
				u += way_x[k] * share[k];
				v += way_y[k] * share[k];
			}
			u /= density;
			v /= density;
			energy += density * (u * u + v * v);
			for (int k = 0; k < WAYS; k++)
				share[k] += 1.4 * (balance(k, density, u, v) - share[k]);
		}
	return energy;
}

static NOINLINE void stream(struct fluid *f)
{
	for (int y = 0; y < HIGH; y++)
		for (int x = 0; x < LONG; x++)
			for (int k = 0; k < WAYS; k++) {
				int from_x = (x - way_x[k] + LONG) % LONG;
				int from_y = (y - way_y[k] + HIGH) % HIGH;
				f->next[y][x][k] = f->solid[from_y][from_x]
					? f->share[y][x][opposite[k]]
					: f->share[from_y][from_x][k];
			}
	memcpy(f->share, f->next, sizeof(f->share));
	for (int y = 1; y < HIGH - 1; y++) /* what comes in at the left */
		for (int k = 0; k < WAYS; k++)
			f->share[y][0][k] = balance(k, 1, 0.1, 0);
}

static uint32_t run_lattice(unsigned scale)
{
	static struct fluid f;
	double energy = 0;
	for (unsigned r = 0; r < 50 * scale; r++) {
		if (r % 200 == 0)
			for (int i = 0; i < HIGH * LONG; i++) {
				int y = i / LONG, x = i % LONG;
				int from = (x - 24) * (x - 24) + (y - 19) * (y - 19);
				f.solid[y][x] = y == 0 || y == HIGH - 1 || from < 30;
				for (int k = 0; k < WAYS; k++)
					f.share[y][x][k] = balance(k, 1, 0.1, 0);
			}
		energy += collide(&f);
		stream(&f);
	}
	return float_sum(energy);
}

/* ---- a smooth curve through points (cubic splines), its length and its area ---- */
enum { KNOTS = 120 };
struct spline {
	double x[KNOTS], y[KNOTS], bend[KNOTS];
};

static NOINLINE void bend(struct spline *s)
{
	double diagonal[KNOTS], right[KNOTS];
	diagonal[0] = 1;
	right[0] = s->bend[0] = s->bend[KNOTS - 1] = 0;
	for (int i = 1; i < KNOTS - 1; i++) {
		double a = s->x[i] - s->x[i - 1], b = s->x[i + 1] - s->x[i];
		double factor = i > 1 ? a / diagonal[i - 1] : 0;
		right[i] = 6 * ((s->y[i + 1] - s->y[i]) / b - (s->y[i] - s->y[i - 1]) / a) -
			factor * right[i - 1];
		diagonal[i] = 2 * (a + b) - factor * a;
	}
	for (int i = KNOTS - 2; i; i--)
		s->bend[i] = (right[i] - (s->x[i + 1] - s->x[i]) * s->bend[i + 1]) / diagonal[i];
}

static NOINLINE double curve_at(const struct spline *s, double x)
{
	int low = 0, high = KNOTS - 1;
	while (high - low > 1) {
		int middle = (low + high) / 2;
		if (s->x[middle] > x)
			high = middle;
		else
			low = middle;
	}
	double h = s->x[high] - s->x[low], a = (s->x[high] - x) / h, b = (x - s->x[low]) / h;
	return a * s->y[low] + b * s->y[high] +
		((a * a * a - a) * s->bend[low] + (b * b * b - b) * s->bend[high]) * h * h / 6;
}

static uint32_t run_spline(unsigned scale)
{
	struct spline s;
	uint32_t seed = 1946;
	double t = 0;
	for (unsigned r = 0; r < 250 * scale; r++) {
		double x = 0, before;
		for (int i = 0; i < KNOTS; i++) {
			s.x[i] = x;
			s.y[i] = 2 * next_double(&seed) - 1;
			x += 0.2 + next_double(&seed);
		}
		bend(&s);
		before = s.y[0];
		for (int i = 1; i <= 1500; i++) {
			double y = curve_at(&s, s.x[KNOTS - 1] * i / 1500), d = y - before;
			t += sqrt(d * d + 1e-4) + y / 1000;
			before = y;
		}
	}
	return float_sum(t);
}

/* ---- measured pairs: moments, a fitted line, bins, ranks, and means of samples drawn again ---- */
enum { PAIRS = 2000, BINS = 24 };
struct moments {
	double n, mean, square, cube, fourth;
};

static NOINLINE void count_in(struct moments *m, double x)
{
	double n = m->n++, d = x - m->mean, part = d / m->n, part2 = part * part;
	double term = d * part * n;
	m->mean += part;
	m->fourth += term * part2 * (m->n * m->n - 3 * m->n + 3) + 6 * part2 * m->square -
		4 * part * m->cube;
	m->cube += term * part * (m->n - 2) - 3 * part * m->square;
	m->square += term;
}

static NOINLINE double correlate(const double *x, const double *y, double *slope)
{
	double mean_x = 0, mean_y = 0, xx = 0, yy = 0, xy = 0;
	for (int i = 0; i < PAIRS; i++) {
		mean_x += x[i];
		mean_y += y[i];
	}
	mean_x /= PAIRS;
	mean_y /= PAIRS;
	for (int i = 0; i < PAIRS; i++) {
		double dx = x[i] - mean_x, dy = y[i] - mean_y;
		xx += dx * dx;
		yy += dy * dy;
		xy += dx * dy;
	}
	*slope = xy / xx;
	return xy / sqrt(xx * yy);
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static uint32_t run_statistics(unsigned scale)
{
	static double x[PAIRS], y[PAIRS];
	uint32_t seed = 1908, bins[BINS] = { 0 }, sum = 1;
	double t = 0;
	for (unsigned r = 0; r < 40 * scale; r++) {
		struct moments m = { 0 };
		double slope, deviation, least = 1e9;
		for (int i = 0; i < PAIRS; i++) {
			x[i] = next_double(&seed) + next_double(&seed) + next_double(&seed);
			y[i] = 3 - 2 * x[i] + next_double(&seed);
			count_in(&m, x[i]);
		}
		deviation = sqrt(m.square / (m.n - 1));
		t += m.mean + m.cube * sqrt(m.n) / (m.square * sqrt(m.square));
		t += m.n * m.fourth / (m.square * m.square) + correlate(x, y, &slope) + slope;
		for (int i = 0; i < PAIRS; i++) {
			int bin = (int)((x[i] - m.mean) / deviation * 4 + BINS / 2);
			bins[bin < 0 ? 0 : bin < BINS ? bin : BINS - 1]++;
		}
		for (int k = 0; k < 10; k++) {
			double drawn = 0;
			for (int i = 0; i < 500; i++)
				drawn += y[next_random(&seed) % PAIRS];
			least = drawn < least ? drawn : least;
		}
		qsort(x, PAIRS, sizeof(*x), compare);
		t += least / 500 + x[PAIRS / 2] + x[PAIRS * 3 / 4] - x[PAIRS / 4];
	}
	for (int i = 0; i < BINS; i++)
		sum = mix(sum, bins[i]);
	return float_sum(t) ^ sum;
}

/* ---- a loaded plate of elements: a banded matrix by Cholesky, and its bending ---- */
enum { ACROSS = 16, UNKNOWNS = 24 * ACROSS, BAND = ACROSS + 2 };

static NOINLINE void factor(double (*a)[BAND])
{
	for (int i = 0; i < UNKNOWNS; i++)
		for (int k = i < BAND ? 0 : i - BAND + 1; k <= i; k++) { /* a[i][i - k] */
			int from = i < BAND ? 0 : i - BAND + 1;
			double t = a[i][i - k];
			for (int j = from; j < k; j++)
				t -= a[i][i - j] * a[k][k - j];
			a[i][i - k] = k < i ? t / a[k][0] : sqrt(t);
		}
}

static NOINLINE void back(double (*a)[BAND], double *x)
{
	for (int i = 0; i < UNKNOWNS; i++) {
		for (int k = i < BAND ? 0 : i - BAND + 1; k < i; k++)
			x[i] -= a[i][i - k] * x[k];
		x[i] /= a[i][0];
	}
	for (int i = UNKNOWNS - 1; i >= 0; i--) {
		x[i] /= a[i][0];
		for (int k = i < BAND ? 0 : i - BAND + 1; k < i; k++)
			x[k] -= a[i][i - k] * x[i];
	}
}

static uint32_t run_plate(unsigned scale)
{
	static double a[UNKNOWNS][BAND], load[UNKNOWNS];
	static const int corner[4] = { 0, 1, ACROSS, ACROSS + 1 };
	static const double share[4][4] = { { 4 }, { -1, 4 }, { -1, -2, 4 }, { -2, -1, -1, 4 } };
	uint32_t seed = 1910;
	double t = 0;
	for (unsigned r = 0; r < 200 * scale; r++) {
		memset(a, 0, sizeof(a));
		for (int i = 0; i < UNKNOWNS; i++) {
			a[i][0] = 0.01;
			load[i] = next_double(&seed) - 0.3;
		}
		for (int e = 0; e < UNKNOWNS - ACROSS; e++) {
			double stiff = 1 + next_double(&seed);
			for (int p = 0; p < 4 && e % ACROSS != ACROSS - 1; p++)
				for (int q = 0; q <= p; q++)
					a[e + corner[p]][corner[p] - corner[q]] +=
						stiff * share[p][q] / 6;
		}
		factor(a);
		back(a, load);
		for (int i = 0; i < UNKNOWNS; i++)
			t += load[i] * load[i];
	}
	return float_sum(t);
}

/* ---- the hull of points, its area and width, and which points lie in polygons ---- */
enum { POINTS = 600 };
struct point {
	double x, y;
};

static int leftmost(const void *a, const void *b)
{
	const struct point *p = a, *q = b;
	return p->x != q->x ? (p->x > q->x) - (p->x < q->x) : (p->y > q->y) - (p->y < q->y);
}

static double side(struct point a, struct point b, struct point c)
{
	return (b.x - a.x) * (c.y - a.y) - (b.y - a.y) * (c.x - a.x);
}

static NOINLINE int find_hull(struct point *p, struct point *hull)
{
	int n = 0, lower;
	qsort(p, POINTS, sizeof(*p), leftmost);
	for (int i = 0; i < POINTS; hull[n++] = p[i++])
		while (n >= 2 && side(hull[n - 2], hull[n - 1], p[i]) <= 0)
			n--;
	lower = n + 1;
	for (int i = POINTS - 2; i >= 0; hull[n++] = p[i--])
		while (n >= lower && side(hull[n - 2], hull[n - 1], p[i]) <= 0)
			n--;
	return n - 1; /* the first comes last again */
}

static NOINLINE double widest(const struct point *hull, int n)
{
	double most = 0;
	for (int i = 0, k = 1; i < n; i++) {
		struct point a = hull[i], b = hull[(i + 1) % n];
		while (side(a, b, hull[(k + 1) % n]) > side(a, b, hull[k]))
			k = (k + 1) % n;
		double x = a.x - hull[k].x, y = a.y - hull[k].y, square = x * x + y * y;
		most = square > most ? square : most;
	}
	return sqrt(most);
}

static NOINLINE int inside(const struct point *corner, int n, struct point p)
{
	int in = 0;
	for (int i = 0, k = n - 1; i < n; k = i++) {
		struct point a = corner[i], b = corner[k];
		if ((a.y > p.y) != (b.y > p.y) &&
			p.x < (b.x - a.x) * (p.y - a.y) / (b.y - a.y) + a.x)
			in = !in;
	}
	return in;
}

static uint32_t run_hull(unsigned scale)
{
	struct point p[POINTS], hull[2 * POINTS];
	uint32_t seed = 1979, sum = 1;
	double t = 0;
	for (unsigned r = 0; r < 150 * scale; r++) {
		double area = 0;
		uint32_t within = 0;
		int n;
		for (int i = 0; i < POINTS; i++) {
			double x = 2 * next_double(&seed) - 1, y = 2 * next_double(&seed) - 1;
			double far = 1 / (0.05 + x * x + y * y);
			p[i] = (struct point){ x * far, y * far };
		}
		n = find_hull(p, hull);
		for (int i = 0; i < n; i++)
			area += hull[i].x * hull[i + 1].y - hull[i].y * hull[i + 1].x;
		t += area / 2 + widest(hull, n);
		for (int i = 0; i < POINTS; i++) {
			struct point q = { p[i].x * 1.2, p[i].y * 1.2 };
			within += (uint32_t)inside(hull, n, q);
			within += (uint32_t)inside(p, 16, q) << 16;
		}
		sum = mix(sum, within);
	}
	return float_sum(t) ^ sum;
}

const struct kernel kernels_flt5[] = {
	{ "lattice", "flt5", run_lattice },
	{ "spline", "flt5", run_spline },
	{ "statistics", "flt5", run_statistics },
	{ "plate", "flt5", run_plate },
	{ "hull", "flt5", run_hull },
	{ 0 },
};
