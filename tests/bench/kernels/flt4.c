/* SPDX-License-Identifier: MIT */
/* The fourth set's floating-point kernels (see README.md): matrices, atoms, estimates, bonds. */
#include "bench.h"
#include <math.h>
#include <string.h>

/* At least 0, below 1. */
static double next_double(uint32_t *seed)
{
	return next_random(seed) * 0x1p-32;
}

/* ---- eigenvalues of a symmetric matrix, by Jacobi's rotations ---- */
enum { ORDER = 24 };

static void rotate(double (*a)[ORDER], int p, int q)
{
	double theta = (a[q][q] - a[p][p]) / (2 * a[p][q]);
	double t = (theta < 0 ? -1 : 1) / (fabs(theta) + sqrt(theta * theta + 1));
	double c = 1 / sqrt(t * t + 1), s = t * c;
	for (int i = 0; i < ORDER; i++) {
		double x = a[i][p], y = a[i][q];
		a[i][p] = c * x - s * y;
		a[i][q] = s * x + c * y;
	}
	for (int i = 0; i < ORDER; i++) {
		double x = a[p][i], y = a[q][i];
		a[p][i] = c * x - s * y;
		a[q][i] = s * x + c * y;
	}
}

static NOINLINE double rest_of(double (*a)[ORDER])
{
	double t = 0;
	for (int p = 0; p < ORDER; p++)
		for (int q = p + 1; q < ORDER; q++)
			t += a[p][q] * a[p][q];
	return t;
}

static uint32_t run_jacobi(unsigned scale)
{
	double a[ORDER][ORDER], t = 0;
	uint32_t seed = 1846, sweeps = 0;
	for (unsigned r = 0; r < 150 * scale; r++) {
		for (int p = 0; p < ORDER; p++)
			for (int q = 0; q <= p; q++)
				a[p][q] = a[q][p] = 2 * next_double(&seed) - 1;
		for (; rest_of(a) > 1e-16; sweeps++)
			for (int p = 0; p < ORDER; p++)
				for (int q = p + 1; q < ORDER; q++)
					if (a[p][q] != 0)
						rotate(a, p, q);
		for (int p = 0; p < ORDER; p++)
			t += a[p][p] * a[p][p] + fabs(a[p][p]);
	}
	return float_sum(t) ^ sweeps;
}

/* ---- least squares, by Householder's reflections ---- */
enum { ROWS = 50, COLUMNS = 12 };

/* Solves for x; the square of what remains. */
static NOINLINE double least_squares(double (*a)[COLUMNS], double *b, double *x)
{
	double rest = 0;
	for (int k = 0; k < COLUMNS; k++) {
		double v[ROWS], square = 0, norm, diagonal;
		for (int i = k; i < ROWS; i++) {
			v[i] = a[i][k];
			square += v[i] * v[i];
		}
		norm = sqrt(square);
		diagonal = v[k] > 0 ? -norm : norm;
		square -= v[k] * diagonal;
		v[k] -= diagonal;
		for (int j = k; j <= COLUMNS; j++) {
			double t = 0;
			for (int i = k; i < ROWS; i++)
				t += v[i] * (j < COLUMNS ? a[i][j] : b[i]);
			t /= square;
			for (int i = k; i < ROWS; i++)
				*(j < COLUMNS ? &a[i][j] : &b[i]) -= t * v[i];
		}
	}
	for (int k = COLUMNS - 1; k >= 0; k--) {
		x[k] = b[k];
		for (int j = k + 1; j < COLUMNS; j++)
			x[k] -= a[k][j] * x[j];
		x[k] /= a[k][k];
	}
	for (int i = COLUMNS; i < ROWS; i++)
		rest += b[i] * b[i];
	return rest;
}

static uint32_t run_householder(unsigned scale)
{
	double a[ROWS][COLUMNS], b[ROWS], x[COLUMNS], t = 0;
	uint32_t seed = 1958;
	for (unsigned r = 0; r < 3000 * scale; r++) {
		for (int i = 0; i < ROWS; i++) {
			for (int k = 0; k < COLUMNS; k++)
				a[i][k] = next_double(&seed) - 0.5;
			b[i] = a[i][0] - 2 * a[i][3] + 0.1 * next_double(&seed);
		}
		t += least_squares(a, b, x);
		t += fabs(x[r % COLUMNS]);
	}
	return float_sum(t);
}

/* ---- atoms of argon in a box without borders: forces to a distance, lists of neighbours ---- */
enum { ATOMS = 216, EDGE = 6, NEAR = 120 };
struct gas {
	double at[ATOMS][3], speed[ATOMS][3], force[ATOMS][3], side;
	int near[ATOMS][NEAR], count[ATOMS];
};

/* From atom k's nearest image to atom i; the square of it. */
static inline double distance(const struct gas *g, int i, int k, double *d)
{
	double square = 0;
	for (int c = 0; c < 3; c++) {
		d[c] = g->at[i][c] - g->at[k][c];
		if (d[c] > g->side / 2)
			d[c] -= g->side;
		else if (d[c] < -g->side / 2)
			d[c] += g->side;
		square += d[c] * d[c];
	}
	return square;
}

static NOINLINE void list_neighbours(struct gas *g)
{
	double d[3];
	for (int i = 0; i < ATOMS; i++) {
		g->count[i] = 0;
		for (int k = i + 1; k < ATOMS; k++)
			if (distance(g, i, k, d) < 2.8 * 2.8 && g->count[i] < NEAR)
				g->near[i][g->count[i]++] = k;
	}
}

/* Lennard-Jones; the potential energy. */
static NOINLINE double find_forces(struct gas *g)
{
	double energy = 0, d[3];
	memset(g->force, 0, sizeof(g->force));
	for (int i = 0; i < ATOMS; i++)
		for (int n = 0; n < g->count[i]; n++) {
			int k = g->near[i][n];
			double square = distance(g, i, k, d), six, push;
			if (square > 2.5 * 2.5)
				continue;
			six = 1 / (square * square * square);
			push = 24 * six * (2 * six - 1) / square;
			energy += 4 * six * (six - 1);
			for (int c = 0; c < 3; c++) {
				g->force[i][c] += push * d[c];
				g->force[k][c] -= push * d[c];
			}
		}
	return energy;
}

static uint32_t run_argon(unsigned scale)
{
	static struct gas g;
	uint32_t seed = 1924;
	double energy = 0, step = 0.004;
	for (unsigned r = 0; r < 250 * scale; r++) {
		for (int i = 0; i < ATOMS && r % 250 == 0; i++) {
			int place[3] = { i % EDGE, i / EDGE % EDGE, i / EDGE / EDGE };
			for (int c = 0; c < 3; c++) {
				g.at[i][c] = 1.1 * place[c] + 0.05 * next_double(&seed);
				g.speed[i][c] = 2 * next_double(&seed) - 1;
			}
		}
		g.side = 1.1 * EDGE;
		if (r % 10 == 0)
			list_neighbours(&g);
		energy += find_forces(&g);
		for (int i = 0; i < ATOMS; i++)
			for (int c = 0; c < 3; c++) {
				g.speed[i][c] += step * g.force[i][c];
				g.at[i][c] += step * g.speed[i][c];
				if (g.at[i][c] < 0)
					g.at[i][c] += g.side;
				else if (g.at[i][c] >= g.side)
					g.at[i][c] -= g.side;
			}
	}
	return float_sum(energy);
}

/* ---- where something is and how fast, from noisy places (Kalman's filter) ---- */
typedef double matrix[4][4];

/* out = a * b, or a * b transposed. */
static NOINLINE void multiply(matrix out, matrix a, matrix b, int transposed)
{
	for (int i = 0; i < 4; i++)
		for (int k = 0; k < 4; k++) {
			double t = 0;
			for (int j = 0; j < 4; j++)
				t += a[i][j] * (transposed ? b[k][j] : b[j][k]);
			out[i][k] = t;
		}
}

static NOINLINE void predict(double *x, matrix p)
{
	static matrix step = { { 1, 0, 0.1, 0 }, { 0, 1, 0, 0.1 }, { 0, 0, 1, 0 }, { 0, 0, 0, 1 } };
	matrix t;
	for (int i = 0; i < 2; i++)
		x[i] += 0.1 * x[i + 2];
	multiply(t, step, p, 0);
	multiply(p, t, step, 1);
	for (int i = 0; i < 4; i++)
		p[i][i] += i < 2 ? 0.0001 : 0.01;
}

/* Of the state, only x[0] and x[1] are measured. */
static NOINLINE void correct(double *x, matrix p, const double *seen)
{
	double a = p[0][0] + 0.25, b = p[0][1], c = p[1][0], d = p[1][1] + 0.25;
	double determinant = a * d - b * c, error[2] = { seen[0] - x[0], seen[1] - x[1] };
	matrix keep = { { 0 } }, old;
	for (int i = 0; i < 4; i++) {
		double gain[2] = { (p[i][0] * d - p[i][1] * c) / determinant,
			(p[i][1] * a - p[i][0] * b) / determinant };
		x[i] += gain[0] * error[0] + gain[1] * error[1];
		keep[i][i] = 1;
		keep[i][0] -= gain[0];
		keep[i][1] -= gain[1];
	}
	memcpy(old, p, sizeof(old));
	multiply(p, keep, old, 0);
}

static uint32_t run_kalman(unsigned scale)
{
	uint32_t seed = 1960;
	double missed = 0;
	for (unsigned r = 0; r < 40 * scale; r++) {
		double x[4] = { 0 }, real[4] = { 5 * next_double(&seed), 1, 0, 0.5 };
		matrix p = { { 9, 0, 0, 0 }, { 0, 9, 0, 0 }, { 0, 0, 9, 0 }, { 0, 0, 0, 9 } };
		for (int i = 0; i < 1500; i++) {
			double seen[2];
			for (int k = 0; k < 2; k++) {
				real[k + 2] += 0.05 * (next_double(&seed) - 0.5);
				real[k] += 0.1 * real[k + 2];
				seen[k] = real[k] + next_double(&seed) - 0.5;
			}
			predict(x, p);
			correct(x, p, seen);
			missed += hypot(x[0] - real[0], x[1] - real[1]);
		}
		missed += p[0][0] + p[2][2];
	}
	return float_sum(missed);
}

/* ---- yields of bonds: Newton's iteration with the C library's powers ---- */
static NOINLINE double bond_yield(double price, double coupon, double from, int payments)
{
	double y = 0.05;
	for (int turn = 0; turn < 50; turn++) {
		double value = 0, slope = 0, change;
		for (int i = 0; i < payments; i++) {
			double time = from + 0.5 * i;
			double now = (coupon + (i == payments - 1 ? 100 : 0)) * pow(1 + y, -time);
			value += now;
			slope -= time * now;
		}
		change = (value - price) * (1 + y) / slope;
		y -= change;
		if (fabs(change) < 1e-13)
			break;
	}
	return y;
}

static uint32_t run_yields(unsigned scale)
{
	uint32_t seed = 1690;
	double t = 0;
	for (unsigned r = 0; r < 15000 * scale; r++) {
		double price = 80 + 40 * next_double(&seed), from = next_double(&seed) / 2;
		double y = bond_yield(price, 1 + 2 * next_double(&seed), from, 4 + (int)r % 40);
		t += y + 10 * log(1 + y) + exp(-y);
	}
	return float_sum(t);
}

const struct kernel kernels_flt4[] = {
	{ "jacobi", "flt4", run_jacobi },
	{ "householder", "flt4", run_householder },
	{ "argon", "flt4", run_argon },
	{ "kalman", "flt4", run_kalman },
	{ "yields", "flt4", run_yields },
	{ 0 },
};
