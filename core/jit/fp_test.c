/* SPDX-License-Identifier: MIT */
/* The floating-point unit against three oracles:
 *   - a table of cases chosen by hand;
 *   - for the narrow formats, in all rounding modes: the exact result as a double and the sign of
 *     what is missing from it, rounded by searching the format's values for its neighbours;
 *   - the host's own arithmetic, in the four rounding modes of <fenv.h>.
 * Operands are random from a fixed seed and gather where things happen. BACKPLANE_FULL=1 runs a
 * hundred times as many; "-m perf" prints the time of an operation. */
#include "fp.h"
#include <fenv.h>
#include <float.h>
#include <glib.h>
#include <math.h>
#include <string.h>

#if defined(__FLT128_MANT_DIG__) && defined(__GLIBC__)
#define HAVE_F128 1
__extension__ typedef _Float128 float128;
#else
#define HAVE_F128 0
#endif
#define HAVE_F80 (LDBL_MANT_DIG == 64)

enum {
	ADD,
	SUB,
	MUL,
	DIV,
	SQRT,
	FMA,
	RINT,
	TO_F32,
	TO_F64,
	TO_F80,
	TO_F128,
	FROM_I64,
	FROM_U64,
	OPS
};

static const char *const op_names[OPS] = { "add", "sub", "mul", "div", "sqrt", "fma", "rint",
	"to f32", "to f64", "to f80", "to f128", "from i64", "from u64" };
static const char *const fmt_names[BP_FP_FORMATS] = { "f16", "f32", "f64", "f80", "f128", "bf16" };
static const uint8_t fraction_bits[BP_FP_FORMATS] = { 10, 23, 52, 63, 112, 7 };
static const uint8_t exp_bits[BP_FP_FORMATS] = { 5, 8, 11, 15, 15, 8 };

static fp_bits wide(uint64_t high, uint64_t low)
{
	return (fp_bits)high << 64 | low;
}

static unsigned rounds(unsigned quick)
{
	const char *full = g_getenv("BACKPLANE_FULL");

	return full && *full && *full != '0' ? quick * 100 : quick;
}

static fp_bits run(unsigned op, unsigned fmt, fp_bits a, fp_bits b, fp_bits c,
	const struct fp_ctx *ctx, uint32_t *flags)
{
	switch (op) {
	case ADD: return fp_add(fmt, a, b, ctx, flags);
	case SUB: return fp_sub(fmt, a, b, ctx, flags);
	case MUL: return fp_mul(fmt, a, b, ctx, flags);
	case DIV: return fp_div(fmt, a, b, ctx, flags);
	case SQRT: return fp_sqrt(fmt, a, ctx, flags);
	case FMA: return fp_fma(fmt, a, b, c, 0, ctx, flags);
	case RINT: return fp_round_to_int(fmt, a, false, ctx, flags);
	case TO_F32: return fp_convert(BP_F32, fmt, a, ctx, flags);
	case TO_F64: return fp_convert(BP_F64, fmt, a, ctx, flags);
	case TO_F80: return fp_convert(BP_F80, fmt, a, ctx, flags);
	case TO_F128: return fp_convert(BP_F128, fmt, a, ctx, flags);
	case FROM_I64: return fp_from_int(fmt, 64, a, false, ctx, flags);
	case FROM_U64: return fp_from_int(fmt, 64, a, true, ctx, flags);
	}
	g_assert_not_reached();
}

/* ---- random operands ---- */

static uint64_t random_state;

static uint64_t random64(void) /* splitmix64 */
{
	uint64_t z = random_state += 0x9e3779b97f4a7c15;

	z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9;
	z = (z ^ z >> 27) * 0x94d049bb133111eb;
	return z ^ z >> 31;
}

static unsigned below(unsigned n)
{
	return (unsigned)(random64() % n);
}

static fp_bits random_fraction(unsigned bits)
{
	fp_bits mask = ((fp_bits)1 << bits) - 1, all = wide(random64(), random64());

	switch (below(8)) {
	case 0: return 0;
	case 1: return mask;
	case 2: return (fp_bits)1 << below(bits);
	case 3: return mask ^ (fp_bits)1 << below(bits);
	case 4: return all << below(bits) & mask; /* zeros at the end */
	case 5: return (all & mask) >> below(bits); /* and at the front */
	case 6: return mask << below(bits) & mask;
	default: return all & mask;
	}
}

static unsigned random_exp(unsigned fmt)
{
	unsigned max = (1u << exp_bits[fmt]) - 1, bias = max / 2;

	switch (below(10)) {
	case 0: return 0;
	case 1: return below(3);
	case 2: return max - below(3);
	case 3:
	case 4: return bias - 2 + below(5);
	case 5: return (bias + fraction_bits[fmt] + 3 - below(6)) % max;
	case 6: /* products and quotients near the limits */
	case 7: return (below(2) ? bias / 2 : bias + bias / 2) - 2 + below(5);
	default: return below(max + 1);
	}
}

static fp_bits assemble(unsigned fmt, unsigned sign, unsigned exp, fp_bits fraction)
{
	if (fmt == BP_F80)
		fraction |= (fp_bits)(exp != 0) << 63;
	return (fp_bits)(sign << exp_bits[fmt] | exp) << (fraction_bits[fmt] + (fmt == BP_F80)) |
		fraction;
}

static unsigned exp_of(unsigned fmt, fp_bits x)
{
	return (unsigned)(x >> (fraction_bits[fmt] + (fmt == BP_F80))) &
		((1u << exp_bits[fmt]) - 1);
}

static fp_bits random_value(unsigned fmt)
{
	return assemble(fmt, below(2), random_exp(fmt), random_fraction(fraction_bits[fmt]));
}

/* A second operand, often close to another in magnitude, so that bits cancel or just overlap. */
static fp_bits random_near(unsigned fmt, unsigned exp)
{
	unsigned max = (1u << exp_bits[fmt]) - 1;
	int distance = below(2) ? (int)below(5) - 2
				: (int)below(2u * fraction_bits[fmt] + 8) - fraction_bits[fmt] - 4;

	if (below(3) == 0 || (int)exp + distance < 0 || (int)exp + distance > (int)max)
		return random_value(fmt);
	return assemble(fmt, below(2), (unsigned)((int)exp + distance),
		random_fraction(fraction_bits[fmt]));
}

static void random_operands(unsigned op, unsigned fmt, fp_bits x[3])
{
	x[0] = op >= FROM_I64 ? wide(0, random64() >> below(64)) : random_value(fmt);
	if (op >= FROM_I64 && below(2))
		x[0] = (uint64_t) - (uint64_t)x[0] ^ below(2);
	x[1] = random_near(fmt, exp_of(fmt, x[0]));
	unsigned bias = (1u << exp_bits[fmt]) / 2 - 1;
	x[2] = random_near(fmt, exp_of(fmt, x[0]) + exp_of(fmt, x[1]) - bias);
}

/* ---- narrow formats against a search for the neighbours ---- */

static double narrow_value(
	unsigned fmt, unsigned magnitude) /* also of what would follow the largest */
{
	int exp = (int)(magnitude >> fraction_bits[fmt]), bias = (1 << exp_bits[fmt]) / 2 - 1;
	unsigned fraction = magnitude & ((1u << fraction_bits[fmt]) - 1);

	if (exp)
		fraction |= 1u << fraction_bits[fmt];
	return ldexp(fraction, (exp ? exp : 1) - bias - fraction_bits[fmt]);
}

struct exact { /* value + something of the sign of `rest` that is too small for a double */
	double value;
	int rest;
	bool zero_from_signs; /* a zero sum of numbers of different sign */
};

static int sign_of(double x)
{
	return (x > 0) - (x < 0);
}

static struct exact exact_sum(double a, double b) /* Knuth's TwoSum */
{
	volatile double sum = a + b, b_part = sum - a, a_part = sum - b_part;
	volatile double b_rest = b - b_part, a_rest = a - a_part, rest = a_rest + b_rest;

	return (struct exact){ sum, sign_of(rest), sum == 0 && signbit(a) != signbit(b) };
}

static struct exact exact_result(unsigned op, double a, double b, double c)
{
	double x;

	switch (op) {
	case ADD: return exact_sum(a, b);
	case SUB: return exact_sum(a, -b);
	case MUL: return (struct exact){ a * b, 0, false };
	case DIV: x = a / b; return (struct exact){ x, sign_of(fma(-x, b, a)) * sign_of(b), false };
	case SQRT: x = sqrt(a); return (struct exact){ x, sign_of(fma(-x, x, a)), false };
	case FMA: return exact_sum(a * b, c);
	default: return (struct exact){ a, 0, false };
	}
}

/* Which of two neighbours of the magnitude: 0 the lower, 1 the upper. odd: of the lower one. */
static unsigned choose(
	double low, double high, double magnitude, int rest, bool sign, bool odd, unsigned rounding)
{
	double middle = low + (high - low) / 2;
	int to_middle = magnitude == middle ? rest : sign_of(magnitude - middle);

	switch (rounding) {
	case BP_ROUND_ZERO: return 0;
	case BP_ROUND_DOWN: return sign;
	case BP_ROUND_UP: return !sign;
	case BP_ROUND_NEAREST_AWAY: return to_middle >= 0;
	case BP_ROUND_ODD: return !odd;
	default: return to_middle > 0 || (to_middle == 0 && odd);
	}
}

static fp_bits search_round(unsigned fmt, struct exact e, const struct fp_ctx *ctx, uint32_t *flags)
{
	unsigned infinity = ((1u << exp_bits[fmt]) - 1) << fraction_bits[fmt];
	unsigned normal = 1u << fraction_bits[fmt], low = 0, high = infinity;
	bool sign = signbit(e.value) || (e.zero_from_signs && ctx->rounding == BP_ROUND_DOWN);
	fp_bits sign_bit = (fp_bits)sign << (fraction_bits[fmt] + exp_bits[fmt]);
	double magnitude = fabs(e.value), step, smallest = narrow_value(fmt, normal);
	int rest = sign ? -e.rest : e.rest;

	while (high - low > 1) { /* low is the last that is not above the magnitude */
		unsigned middle = (low + high) / 2;
		double value = narrow_value(fmt, middle);
		if (value < magnitude || (value == magnitude && rest >= 0))
			low = middle;
		else
			high = middle;
	}
	double limit = narrow_value(fmt, infinity), floor = narrow_value(fmt, low);
	if (floor == magnitude && rest == 0)
		return sign_bit | low;
	*flags |= BP_FP_INEXACT;
	if (magnitude > limit || (magnitude == limit && rest >= 0))
		low = choose(0, 1, 2, 0, sign, true, ctx->rounding) ? infinity : infinity - 1;
	else
		low += choose(floor, narrow_value(fmt, low + 1), magnitude, rest, sign, low & 1,
			ctx->rounding);
	if (low == infinity || magnitude > limit || (magnitude == limit && rest >= 0))
		*flags |= BP_FP_OVERFLOW;
	bool tiny = magnitude < smallest || (magnitude == smallest && rest < 0);
	step = ldexp(smallest, -1 - fraction_bits[fmt]); /* between numbers, were there no limit */
	if (tiny && ctx->flags & BP_FP_TINY_AFTER &&
		(magnitude > smallest - step || (magnitude == smallest - step && rest > 0)))
		tiny = !choose(
			smallest - step, smallest, magnitude, rest, sign, true, ctx->rounding);
	if (tiny)
		*flags |= BP_FP_UNDERFLOW;
	if (tiny && ctx->flags & BP_FP_FLUSH_RESULT)
		low = 0;
	return sign_bit | low;
}

static double signed_value(unsigned fmt, fp_bits x)
{
	unsigned sign_at = fraction_bits[fmt] + exp_bits[fmt];
	double magnitude = narrow_value(fmt, (unsigned)x & ((1u << sign_at) - 1));

	return x >> sign_at & 1 ? -magnitude : magnitude;
}

static void test_narrow(gconstpointer data)
{
	unsigned fmt = GPOINTER_TO_UINT(data), max = (1u << exp_bits[fmt]) - 1;

	random_state = fmt;
	for (unsigned i = 0; i < rounds(400000); i++) {
		unsigned op = i % (FMA + 1);
		struct fp_ctx ctx = { .rounding = (uint8_t)below(BP_ROUND_ODD + 1),
			.flags = (below(2) ? BP_FP_TINY_AFTER : 0) |
				(below(16) ? 0 : BP_FP_FLUSH_RESULT) };
		uint32_t got_flags = 0, want_flags = 0;
		fp_bits x[3];
		random_operands(op, fmt, x);
		double a = signed_value(fmt, x[0]), b = signed_value(fmt, x[1]);
		double c = signed_value(fmt, x[2]);
		if (exp_of(fmt, x[0]) == max || exp_of(fmt, x[1]) == max ||
			exp_of(fmt, x[2]) == max || (op == DIV && b == 0) || (op == SQRT && a < 0))
			continue; /* the host's turn */
		fp_bits want = search_round(fmt, exact_result(op, a, b, c), &ctx, &want_flags);
		fp_bits got = run(op, fmt, x[0], x[1], x[2], &ctx, &got_flags);
		/* a subnormal result that is exact is flushed, too */
		if (ctx.flags & BP_FP_FLUSH_RESULT && exp_of(fmt, want) == 0 && !(want_flags & 2)) {
			want_flags |= want << (128 - fraction_bits[fmt]) ? 3 : 0;
			want = want >> fraction_bits[fmt] << fraction_bits[fmt];
		}
		got_flags &= ~(uint32_t)BP_FP_DENORMAL;
		if (got != want || got_flags != want_flags)
			g_error("%s %s %" G_GINT64_MODIFIER "x %" G_GINT64_MODIFIER
				"x %" G_GINT64_MODIFIER "x mode %u env %u: got %" G_GINT64_MODIFIER
				"x %x, want %" G_GINT64_MODIFIER "x %x",
				fmt_names[fmt], op_names[op], (uint64_t)x[0], (uint64_t)x[1],
				(uint64_t)x[2], ctx.rounding, ctx.flags, (uint64_t)got, got_flags,
				(uint64_t)want, want_flags);
	}
}

/* f32 and f64 to narrow formats */
static void test_narrowing(gconstpointer data)
{
	unsigned fmt = GPOINTER_TO_UINT(data);

	random_state = 77 + fmt;
	for (unsigned i = 0; i < rounds(200000); i++) {
		struct fp_ctx ctx = { .rounding = (uint8_t)below(BP_ROUND_ODD + 1),
			.flags = below(2) ? BP_FP_TINY_AFTER : 0 };
		uint32_t got_flags = 0, want_flags = 0, ignored = 0;
		/* a value of the format or the middle between two, and something around it */
		fp_bits x = fp_convert(BP_F64, fmt, random_value(fmt), &ctx, &ignored);
		double value;
		x ^= below(2) ? (fp_bits)1 << (51 - fraction_bits[fmt]) : 0;
		x += below(3);
		x -= below(2);
		uint64_t bits = (uint64_t)x;
		memcpy(&value, &bits, sizeof(value));
		if (!isfinite(value))
			continue;
		struct exact e = { value, 0, false };
		fp_bits want = search_round(fmt, e, &ctx, &want_flags);
		fp_bits got = fp_convert(fmt, BP_F64, x, &ctx, &got_flags);
		got_flags &= ~(uint32_t)BP_FP_DENORMAL;
		if (got != want || got_flags != want_flags)
			g_error("f64 %a to %s, mode %u: got %x %x, want %x %x", value,
				fmt_names[fmt], ctx.rounding, (unsigned)got, got_flags,
				(unsigned)want, want_flags);
	}
}

/* ---- the host's arithmetic ---- */

union host { /* volatile keeps each operation between feclearexcept and fetestexcept */
	fp_bits bits;
	float f32;
	double f64;
	long double longest;
#if HAVE_F128
	float128 f128;
#endif
};

/* Conversions stand with the format they come from, FROM_ with the one they go to. */
static bool host_convert(unsigned op, volatile union host *r, volatile union host *a, unsigned from)
{
	r->bits = 0;
	switch (op << 4 | from) {
	case TO_F64 << 4 | BP_F32: r->f64 = a->f32; return true;
	case TO_F32 << 4 | BP_F64: r->f32 = (float)a->f64; return true;
	case FROM_I64 << 4 | BP_F32: r->f32 = (float)(int64_t)a->bits; return true;
	case FROM_I64 << 4 | BP_F64: r->f64 = (double)(int64_t)a->bits; return true;
#if HAVE_F80
	case TO_F80 << 4 | BP_F32: r->longest = a->f32; return true;
	case TO_F80 << 4 | BP_F64: r->longest = a->f64; return true;
	case TO_F32 << 4 | BP_F80: r->f32 = (float)a->longest; return true;
	case TO_F64 << 4 | BP_F80: r->f64 = (double)a->longest; return true;
	case FROM_I64 << 4 | BP_F80: r->longest = (int64_t)a->bits; return true;
#endif
#if HAVE_F128
	case TO_F128 << 4 | BP_F32: r->f128 = a->f32; return true;
	case TO_F128 << 4 | BP_F64: r->f128 = a->f64; return true;
	case TO_F32 << 4 | BP_F128: r->f32 = (float)a->f128; return true;
	case TO_F64 << 4 | BP_F128: r->f64 = (double)a->f128; return true;
	case FROM_I64 << 4 | BP_F128: r->f128 = (int64_t)a->bits; return true;
	case FROM_U64 << 4 | BP_F128: r->f128 = (uint64_t)a->bits; return true;
#endif
#if HAVE_F80 && HAVE_F128
	case TO_F128 << 4 | BP_F80: r->f128 = a->longest; return true;
	case TO_F80 << 4 | BP_F128: r->longest = (long double)a->f128; return true;
#endif
	}
	return false;
}

/* Behind pointers: what compilers make of rint is right in the default rounding mode only. */
static float (*volatile host_rintf)(float) = rintf;
static double (*volatile host_rint)(double) = rint;

static bool host_f32(unsigned op, volatile union host *r, volatile union host x[3])
{
	switch (op) {
	case ADD: r->f32 = x[0].f32 + x[1].f32; return true;
	case SUB: r->f32 = x[0].f32 - x[1].f32; return true;
	case MUL: r->f32 = x[0].f32 * x[1].f32; return true;
	case DIV: r->f32 = x[0].f32 / x[1].f32; return true;
	case SQRT: r->f32 = sqrtf(x[0].f32); return true;
	case FMA: r->f32 = fmaf(x[0].f32, x[1].f32, x[2].f32); return true;
	case RINT: r->f32 = host_rintf(x[0].f32); return true;
	default: return host_convert(op, r, &x[0], BP_F32);
	}
}

static bool host_f64(unsigned op, volatile union host *r, volatile union host x[3])
{
	switch (op) {
	case ADD: r->f64 = x[0].f64 + x[1].f64; return true;
	case SUB: r->f64 = x[0].f64 - x[1].f64; return true;
	case MUL: r->f64 = x[0].f64 * x[1].f64; return true;
	case DIV: r->f64 = x[0].f64 / x[1].f64; return true;
	case SQRT: r->f64 = sqrt(x[0].f64); return true;
	case FMA: r->f64 = fma(x[0].f64, x[1].f64, x[2].f64); return true;
	case RINT: r->f64 = host_rint(x[0].f64); return true;
	default: return host_convert(op, r, &x[0], BP_F64);
	}
}

#if HAVE_F80
static bool host_f80(unsigned op, volatile union host *r, volatile union host x[3])
{
	switch (op) {
	case ADD: r->longest = x[0].longest + x[1].longest; return true;
	case SUB: r->longest = x[0].longest - x[1].longest; return true;
	case MUL: r->longest = x[0].longest * x[1].longest; return true;
	case DIV: r->longest = x[0].longest / x[1].longest; return true;
	case SQRT: r->longest = sqrtl(x[0].longest); return true;
	case FMA: r->longest = fmal(x[0].longest, x[1].longest, x[2].longest); return true;
	case RINT: r->longest = rintl(x[0].longest); return true;
	default: return host_convert(op, r, &x[0], BP_F80);
	}
}
#endif

#if HAVE_F128
static bool host_f128(unsigned op, volatile union host *r, volatile union host x[3])
{
	switch (op) {
	case ADD: r->f128 = x[0].f128 + x[1].f128; return true;
	case SUB: r->f128 = x[0].f128 - x[1].f128; return true;
	case MUL: r->f128 = x[0].f128 * x[1].f128; return true;
	case DIV: r->f128 = x[0].f128 / x[1].f128; return true;
	case SQRT: r->f128 = sqrtf128(x[0].f128); return true;
	case FMA: r->f128 = fmaf128(x[0].f128, x[1].f128, x[2].f128); return true;
	case RINT: r->f128 = rintf128(x[0].f128); return true;
	default: return host_convert(op, r, &x[0], BP_F128);
	}
}
#endif

typedef bool host_fn(unsigned op, volatile union host *r, volatile union host x[3]);
static host_fn *const host_ops[BP_FP_FORMATS] = {
	[BP_F32] = host_f32,
	[BP_F64] = host_f64,
#if HAVE_F80
	[BP_F80] = host_f80,
#endif
#if HAVE_F128
	[BP_F128] = host_f128,
#endif
};

static const int host_rounding[] = { FE_TONEAREST, FE_TOWARDZERO, FE_DOWNWARD, FE_UPWARD };

static bool host_run(unsigned op, unsigned fmt, unsigned rounding, const fp_bits in[3],
	fp_bits *result, uint32_t *flags)
{
	volatile union host r = { 0 }, x[3] = { { in[0] }, { in[1] }, { in[2] } };

	fesetround(host_rounding[rounding]);
	feclearexcept(FE_ALL_EXCEPT);
	bool known = host_ops[fmt](op, &r, x);
	int raised = fetestexcept(FE_ALL_EXCEPT);
	fesetround(FE_TONEAREST);
	*flags = (raised & FE_INEXACT ? BP_FP_INEXACT : 0) |
		(raised & FE_UNDERFLOW ? BP_FP_UNDERFLOW : 0) |
		(raised & FE_OVERFLOW ? BP_FP_OVERFLOW : 0) |
		(raised & FE_DIVBYZERO ? BP_FP_DIVZERO : 0) |
		(raised & FE_INVALID ? BP_FP_INVALID : 0);
	*result = r.bits;
	return known;
}

/* Does the host detect tininess after rounding? (1 - 2^-52) * (1 + 2^-52) * the smallest
 * normal number becomes that number. */
static uint16_t host_tininess(void)
{
	fp_bits x[3] = { 0x3feffffffffffffe, 0x0010000000000001, 0 }, result;
	uint32_t flags;

	host_run(MUL, BP_F64, BP_ROUND_NEAREST_EVEN, x, &result, &flags);
	return flags & BP_FP_UNDERFLOW ? 0 : BP_FP_TINY_AFTER;
}

static unsigned result_format(unsigned op, unsigned fmt)
{
	return op >= TO_F32 && op <= TO_F128 ? op - TO_F32 + BP_F32 : fmt;
}

static bool is_nan(unsigned fmt, fp_bits x)
{
	return fp_class(fmt, x) & (BP_FCLASS_QUIET | BP_FCLASS_SIGNALING);
}

static void compare_with_host(unsigned op, unsigned fmt, const fp_bits x[3], uint16_t ctx_flags)
{
	struct fp_ctx ctx = { .rounding = (uint8_t)below(BP_ROUND_UP + 1), .flags = ctx_flags };
	uint32_t want_flags, got_flags = 0;
	unsigned to = result_format(op, fmt);
	fp_bits want;

	if (below(2))
		ctx.rounding = BP_ROUND_NEAREST_EVEN;
	if (!host_run(op, fmt, ctx.rounding, x, &want, &want_flags))
		return;
	fp_bits got = run(op, fmt, x[0], x[1], x[2], &ctx, &got_flags);
	got_flags &= ~(uint32_t)BP_FP_DENORMAL;
	/* Which NaN, and whether infinity times zero plus NaN is invalid, is the host's own choice. */
	if (is_nan(to, got) && is_nan(to, want))
		want = got;
	if (op == FMA && fp_class(fmt, x[2]) == BP_FCLASS_QUIET)
		want_flags = got_flags;
	if (got != want || got_flags != want_flags)
		g_error("%s %s %" G_GINT64_MODIFIER "x:%" G_GINT64_MODIFIER "x %" G_GINT64_MODIFIER
			"x:%" G_GINT64_MODIFIER "x %" G_GINT64_MODIFIER "x:%" G_GINT64_MODIFIER
			"x mode %u env %u: got %" G_GINT64_MODIFIER "x:%" G_GINT64_MODIFIER
			"x %x, host %" G_GINT64_MODIFIER "x:%" G_GINT64_MODIFIER "x %x",
			fmt_names[fmt], op_names[op], (uint64_t)(x[0] >> 64), (uint64_t)x[0],
			(uint64_t)(x[1] >> 64), (uint64_t)x[1], (uint64_t)(x[2] >> 64),
			(uint64_t)x[2], ctx.rounding, ctx_flags, (uint64_t)(got >> 64),
			(uint64_t)got, got_flags, (uint64_t)(want >> 64), (uint64_t)want,
			want_flags);
}

static void test_host(gconstpointer data)
{
	unsigned fmt = GPOINTER_TO_UINT(data);
	uint16_t tininess = host_tininess();

	if (!host_ops[fmt]) {
		g_test_skip("this host and compiler have no such type");
		return;
	}
	random_state = 1000 + fmt;
	for (unsigned i = 0; i < rounds(600000); i++) {
		unsigned op = i % OPS;
		fp_bits x[3];
		random_operands(op, fmt, x);
		compare_with_host(op, fmt, x, tininess | (below(2) ? FP_PORTABLE : 0));
	}
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	for (unsigned fmt = 0; fmt < BP_FP_FORMATS; fmt++) {
		bool narrow = fmt == BP_F16 || fmt == BP_F32 || fmt == BP_BF16;
		const void *data = GUINT_TO_POINTER(fmt);
		if (narrow) {
			g_autofree char *path = g_strdup_printf("/fp/search/%s", fmt_names[fmt]);
			g_autofree char *path2 =
				g_strdup_printf("/fp/narrowing/%s", fmt_names[fmt]);
			g_test_add_data_func(path, data, test_narrow);
			g_test_add_data_func(path2, data, test_narrowing);
		}
		if (fmt != BP_F16 && fmt != BP_BF16) {
			g_autofree char *path = g_strdup_printf("/fp/host/%s", fmt_names[fmt]);
			g_test_add_data_func(path, data, test_host);
		}
	}
	return g_test_run();
}
