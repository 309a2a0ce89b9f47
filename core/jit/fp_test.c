/* SPDX-License-Identifier: MIT */
/* The floating-point unit against three oracles:
 *   - a table of cases chosen by hand;
 *   - for the narrow formats, in all rounding modes: the exact result as a double and the sign of
 *     what is missing from it, rounded by searching the format's values for its neighbours;
 *   - the host's own arithmetic, in the four rounding modes of <fenv.h>.
 * Operands are random from a fixed seed and gather where things happen. BACKPLANE_FULL=1 runs
 * thirty times as many; "-m perf" prints the time of an operation. */
#include "fp.h"
#include <fenv.h>
#include <float.h>
#include <glib.h>
#include <math.h>
#include <string.h>

#if defined(__FLT128_MANT_DIG__) && defined(__GLIBC__)
#define HAVE_F128 1
__extension__ typedef _Float128 float128;
#elif defined(__SIZEOF_FLOAT128__) && defined(__GLIBC__)
/* clang: the type has another name, and the C library has the functions but declares none. */
#define HAVE_F128 1
__extension__ typedef __float128 float128;
float128 sqrtf128(float128 x);
float128 fmaf128(float128 x, float128 y, float128 z);
float128 rintf128(float128 x);
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

	return full && *full && *full != '0' ? quick * 30 : quick;
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

	random_state = 1000 + fmt;
	for (unsigned i = 0; i < rounds(600000); i++) {
		unsigned op = i % OPS;
		fp_bits x[3];
		random_operands(op, fmt, x);
		compare_with_host(op, fmt, x, tininess | (below(2) ? FP_PORTABLE : 0));
	}
}

/* ---- cases chosen by hand ---- */

enum { NEAREST, ZERO, DOWN, UP, AWAY, ODD }; /* as BP_ROUND_ */
enum {
	NX = BP_FP_INEXACT,
	UF = BP_FP_UNDERFLOW,
	OF = BP_FP_OVERFLOW,
	DZ = BP_FP_DIVZERO,
	NV = BP_FP_INVALID,
	DE = BP_FP_DENORMAL
};
enum {
	AFTER = BP_FP_TINY_AFTER,
	FTZ = BP_FP_FLUSH_RESULT,
	DAZ = BP_FP_FLUSH_INPUT,
	NEG = BP_FP_DEFAULT_NAN_NEG,
	QUIET = FP_INFZERO_QUIET,
	DEFAULT = FP_INFZERO_DEFAULT
};

struct edge {
	unsigned op, fmt;
	struct fp_ctx ctx;
	uint64_t a, b, c, result;
	uint32_t flags;
};

/* clang-format off */
static const struct edge edges[] = {
	/* which NaN: canonical, first, signalling first */
	{ ADD, BP_F32, { 0, BP_NAN_CANONICAL, 0 }, 0xffc12345, 0x3f800000, 0, 0x7fc00000, 0 },
	{ ADD, BP_F32, { 0, BP_NAN_CANONICAL, NEG }, 0x7f812345, 0x3f800000, 0, 0xffc00000, NV },
	{ ADD, BP_F32, { 0, BP_NAN_FIRST, 0 }, 0xffc12345, 0x7f800001, 0, 0xffc12345, NV },
	{ ADD, BP_F32, { 0, BP_NAN_FIRST, 0 }, 0x7f800001, 0xffc12345, 0, 0x7fc00001, NV },
	{ ADD, BP_F32, { 0, BP_NAN_FIRST, 0 }, 0x3f800000, 0xffc12345, 0, 0xffc12345, 0 },
	{ MUL, BP_F32, { 0, BP_NAN_SIGNALING_FIRST, 0 }, 0xffc12345, 0x7f800001, 0, 0x7fc00001, NV },
	{ MUL, BP_F32, { 0, BP_NAN_SIGNALING_FIRST, 0 }, 0xffc12345, 0x7fc00001, 0, 0xffc12345, 0 },
	{ FMA, BP_F64, { 0, BP_NAN_FIRST, 0 }, 0x3ff0000000000000, 0x7ff8000000000002,
		0x7ff0000000000003, 0x7ff8000000000002, NV },
	{ FMA, BP_F64, { 0, BP_NAN_SIGNALING_FIRST, 0 }, 0x3ff0000000000000, 0x7ff8000000000002,
		0x7ff0000000000003, 0x7ff8000000000003, NV },
	{ SQRT, BP_F32, { 0, BP_NAN_FIRST, NEG }, 0xbf800000, 0, 0, 0xffc00000, NV },
	{ SQRT, BP_F32, { 0, BP_NAN_FIRST, NEG }, 0x80000000, 0, 0, 0x80000000, 0 },
	{ RINT, BP_F32, { 0, BP_NAN_FIRST, 0 }, 0x7f800001, 0, 0, 0x7fc00001, NV },
	/* a NaN hides a subnormal operand, so does an invalid operation or a division by zero */
	{ ADD, BP_F32, { 0, BP_NAN_FIRST, 0 }, 1, 0x7fc00001, 0, 0x7fc00001, 0 },
	{ DIV, BP_F32, { 0, BP_NAN_FIRST, 0 }, 1, 0, 0, 0x7f800000, DZ },
	{ SQRT, BP_F32, { 0, BP_NAN_FIRST, 0 }, 0x80000002, 0, 0, 0x7fc00000, NV },
	{ SUB, BP_F32, { 0, BP_NAN_FIRST, 0 }, 0x7f800000, 1, 0, 0x7f800000, DE },
	{ MUL, BP_F32, { 0, BP_NAN_FIRST, 0 }, 1, 0, 0, 0, DE },
	/* infinity times zero plus something */
	{ FMA, BP_F32, { 0, BP_NAN_FIRST, 0 }, 0x7f800000, 0, 1, 0x7fc00000, NV },
	{ FMA, BP_F32, { 0, BP_NAN_FIRST, 0 }, 0x7f800000, 0, 0x7fc00001, 0x7fc00001, NV },
	{ FMA, BP_F32, { 0, BP_NAN_FIRST, QUIET }, 0, 0x7f800000, 0x7fc00001, 0x7fc00001, 0 },
	{ FMA, BP_F32, { 0, BP_NAN_FIRST, QUIET }, 0x7f800000, 0, 0x7f800001, 0x7fc00001, NV },
	{ FMA, BP_F32, { 0, BP_NAN_FIRST, QUIET }, 0x7f800000, 0, 0x3f800000, 0x7fc00000, NV },
	{ FMA, BP_F32, { 0, BP_NAN_FIRST, DEFAULT | NEG }, 0x7f800000, 0, 0x7fc00001, 0xffc00000, NV },
	{ FMA, BP_F32, { 0, BP_NAN_FIRST, DEFAULT }, 0x7f800000, 0, 0x7f800001, 0x7fc00001, NV },
	{ FMA, BP_F32, { 0, BP_NAN_CANONICAL, 0 }, 0x7f800000, 0, 0x7fc00001, 0x7fc00000, NV },
	{ FMA, BP_F32, { 0, 0, 0 }, 0x7f800000, 0x3f800000, 0xff800000, 0x7fc00000, NV },
	/* zeros and their signs */
	{ ADD, BP_F32, { NEAREST, 0, 0 }, 0x3f800000, 0xbf800000, 0, 0, 0 },
	{ ADD, BP_F32, { DOWN, 0, 0 }, 0x3f800000, 0xbf800000, 0, 0x80000000, 0 },
	{ SUB, BP_F32, { DOWN, 0, 0 }, 0, 0, 0, 0x80000000, 0 },
	{ SUB, BP_F32, { NEAREST, 0, 0 }, 0x80000000, 0, 0, 0x80000000, 0 },
	{ FMA, BP_F32, { DOWN, 0, 0 }, 0x3f800000, 0x3f800000, 0xbf800000, 0x80000000, 0 },
	{ FMA, BP_F32, { UP, 0, 0 }, 0, 0xbf800000, 0x80000000, 0x80000000, 0 },
	/* overflow */
	{ MUL, BP_F32, { NEAREST, 0, 0 }, 0x7f7fffff, 0x40000000, 0, 0x7f800000, OF | NX },
	{ MUL, BP_F32, { ZERO, 0, 0 }, 0x7f7fffff, 0x40000000, 0, 0x7f7fffff, OF | NX },
	{ MUL, BP_F32, { UP, 0, 0 }, 0xff7fffff, 0x40000000, 0, 0xff7fffff, OF | NX },
	{ MUL, BP_F32, { DOWN, 0, 0 }, 0xff7fffff, 0x40000000, 0, 0xff800000, OF | NX },
	{ MUL, BP_F32, { AWAY, 0, 0 }, 0xff7fffff, 0x40000000, 0, 0xff800000, OF | NX },
	{ MUL, BP_F32, { ODD, 0, 0 }, 0xff7fffff, 0x40000000, 0, 0xff7fffff, OF | NX },
	/* tininess: smallest normal times (1 - 2^-24), exact product halfway below it */
	{ MUL, BP_F32, { NEAREST, 0, AFTER }, 0x00800001, 0x3f7ffffe, 0, 0x00800000, NX },
	{ MUL, BP_F32, { NEAREST, 0, 0 }, 0x00800001, 0x3f7ffffe, 0, 0x00800000, NX | UF },
	{ MUL, BP_F32, { NEAREST, 0, AFTER }, 0x00800000, 0x3f7fffff, 0, 0x00800000, NX | UF },
	{ MUL, BP_F32, { NEAREST, 0, 0 }, 0x00800000, 0x3f000000, 0, 0x00400000, 0 },
	{ MUL, BP_F32, { ODD, 0, 0 }, 0x00000001, 0x3e800000, 0, 0x00000001, NX | UF | DE },
	/* flushing */
	{ MUL, BP_F32, { NEAREST, 0, FTZ }, 0x80800000, 0x3f000000, 0, 0x80000000, NX | UF },
	{ MUL, BP_F32, { NEAREST, 0, FTZ | AFTER }, 0x00800000, 0x3f7fffff, 0, 0, NX | UF },
	{ MUL, BP_F32, { NEAREST, 0, FTZ | AFTER }, 0x00800001, 0x3f7ffffe, 0, 0x00800000, NX },
	{ MUL, BP_F32, { NEAREST, 0, FTZ }, 0x00800001, 0x3f7ffffe, 0, 0, NX | UF },
	{ ADD, BP_F32, { NEAREST, 0, DAZ }, 0x80000001, 0x80000001, 0, 0x80000000, DE },
	{ SQRT, BP_F32, { NEAREST, 0, DAZ }, 0x80000002, 0, 0, 0x80000000, DE },
	{ DIV, BP_F32, { NEAREST, 0, DAZ }, 0x3f800000, 1, 0, 0x7f800000, DZ },
	/* NaNs between formats keep the high bits of the payload */
	{ TO_F32, BP_F64, { 0, BP_NAN_FIRST, 0 }, 0xfff0000020000001, 0, 0, 0xffc00001, NV },
	{ TO_F64, BP_F32, { 0, BP_NAN_FIRST, 0 }, 0x7fc00001, 0, 0, 0x7ff8000020000000, 0 },
	{ TO_F64, BP_F32, { 0, BP_NAN_CANONICAL, 0 }, 0xffc00001, 0, 0, 0x7ff8000000000000, 0 },
	{ TO_F64, BP_F16, { 0, BP_NAN_FIRST, 0 }, 0xfc01, 0, 0, 0xfff8040000000000, NV },
	{ TO_F32, BP_BF16, { 0, 0, 0 }, 0x8001, 0, 0, 0x80010000, DE },
	{ TO_F32, BP_F16, { 0, 0, 0 }, 0x0001, 0, 0, 0x33800000, DE },
	{ TO_F32, BP_F64, { NEAREST, 0, 0 }, 0x47efffffefffffff, 0, 0, 0x7f7fffff, NX },
	{ TO_F32, BP_F64, { NEAREST, 0, 0 }, 0x47effffff0000000, 0, 0, 0x7f800000, NX | OF },
	{ FROM_I64, BP_F16, { NEAREST, 0, 0 }, 65519, 0, 0, 0x7bff, NX },
	{ FROM_I64, BP_F16, { NEAREST, 0, 0 }, 65520, 0, 0, 0x7c00, NX | OF },
	{ FROM_I64, BP_F32, { NEAREST, 0, 0 }, 0x8000000000000000, 0, 0, 0xdf000000, 0 },
	{ FROM_U64, BP_F32, { NEAREST, 0, 0 }, 0xffffffffffffffff, 0, 0, 0x5f800000, NX },
	{ FROM_U64, BP_F32, { ZERO, 0, 0 }, 0xffffffffffffffff, 0, 0, 0x5f7fffff, NX },
	{ FROM_U64, BP_F64, { DOWN, 0, 0 }, 0, 0, 0, 0, 0 },
	/* rounding to an integral value */
	{ RINT, BP_F64, { NEAREST, 0, 0 }, 0x4004000000000000, 0, 0, 0x4000000000000000, NX },
	{ RINT, BP_F64, { AWAY, 0, 0 }, 0xc004000000000000, 0, 0, 0xc008000000000000, NX },
	{ RINT, BP_F64, { ODD, 0, 0 }, 0x4004000000000000, 0, 0, 0x4008000000000000, NX },
	{ RINT, BP_F64, { ZERO, 0, 0 }, 0xbfe8000000000000, 0, 0, 0x8000000000000000, NX },
	{ RINT, BP_F64, { UP, 0, 0 }, 1, 0, 0, 0x3ff0000000000000, NX | DE },
	{ RINT, BP_F16, { NEAREST, 0, 0 }, 0x7bff, 0, 0, 0x7bff, 0 },
	{ RINT, BP_BF16, { NEAREST, 0, 0 }, 0x42ff, 0, 0, 0x4300, NX },
};
/* clang-format on */

static void test_edges(void)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(edges); i++) {
		const struct edge *e = &edges[i];
		for (unsigned portable = 0; portable < 2; portable++) {
			struct fp_ctx ctx = e->ctx;
			uint32_t flags = 0;
			ctx.flags |= portable ? FP_PORTABLE : 0;
			fp_bits r = run(e->op, e->fmt, e->a, e->b, e->c, &ctx, &flags);
			if (r != e->result || flags != e->flags)
				g_error("row %u, %s %s: got %" G_GINT64_MODIFIER "x %x", i,
					fmt_names[e->fmt], op_names[e->op], (uint64_t)r, flags);
		}
	}
}

/* Signs that fma negates: of the product and the addend, never of a NaN. */
static void test_fma_signs(void)
{
	static const struct fp_ctx down = { .rounding = BP_ROUND_DOWN, .nan_rule = BP_NAN_FIRST };
	uint32_t flags = 0;

	/* 3 * 5 + 2 */
	g_assert(fp_fma(BP_F16, 0x4200, 0x4500, 0x4000, 0, &down, &flags) == 0x4c40);
	g_assert(fp_fma(BP_F16, 0x4200, 0x4500, 0x4000, 1, &down, &flags) == 0xca80);
	g_assert(fp_fma(BP_F16, 0x4200, 0x4500, 0x4000, 2, &down, &flags) == 0x4a80);
	g_assert(fp_fma(BP_F16, 0x4200, 0x4500, 0x4000, 3, &down, &flags) == 0xcc40);
	g_assert_cmphex(flags, ==, 0);
	/* negated before rounding: 1/3 rounded twice, times 3 */
	g_assert(fp_fma(BP_F16, 0x3555, 0x4201, 0, 1, &down, &flags) == 0xbc01);
	g_assert(fp_fma(BP_F16, 0x3555, 0x4201, 0, 0, &down, &flags) == 0x3c00);
	g_assert_cmphex(flags, ==, BP_FP_INEXACT);
	for (unsigned negate = 0; negate < 4; negate++) {
		g_assert(fp_fma(BP_F16, 0x7e01, 0x3c00, 0x3c00, negate, &down, &flags) == 0x7e01);
		g_assert(fp_fma(BP_F16, 0x3c00, 0x3c00, 0x7e01, negate, &down, &flags) == 0x7e01);
	}
}

/* The 80-bit format has encodings without a meaning: the integer bit tells. */
static void test_explicit_bit(void)
{
	static const struct fp_ctx ctx = { .nan_rule = BP_NAN_FIRST };
	const fp_bits one = wide(0x3fff, (uint64_t)1 << 63), zero = 0;
	const fp_bits nothing[] = { wide(0x3fff, 1), wide(0x7fff, 0), wide(0x7fff, 5) };
	const fp_bits indefinite = wide(0x7fff, (uint64_t)3 << 62);
	uint32_t flags = 0;

	for (unsigned i = 0; i < G_N_ELEMENTS(nothing); i++) {
		flags = 0;
		g_assert(fp_add(BP_F80, nothing[i], one, &ctx, &flags) == indefinite);
		g_assert_cmphex(flags, ==, BP_FP_INVALID);
		g_assert_cmphex(fp_class(BP_F80, nothing[i]), ==, BP_FCLASS_SIGNALING);
		flags = 0;
		g_assert(!fp_compare(BP_F80, nothing[i], nothing[i], BP_FCMP_EQ, &ctx, &flags));
		g_assert_cmphex(flags, ==, BP_FP_INVALID);
	}
	/* A set integer bit with exponent field 0 counts as exponent 1; results are normalised. */
	flags = 0;
	fp_bits pseudo = wide(0, (uint64_t)1 << 63), smallest = wide(1, (uint64_t)1 << 63);
	g_assert(fp_add(BP_F80, pseudo, zero, &ctx, &flags) == smallest);
	g_assert_cmphex(flags, ==, BP_FP_DENORMAL);
	g_assert(fp_compare(BP_F80, pseudo, smallest, BP_FCMP_EQ, &ctx, &flags));
	/* rounding up into the first normal number and into the next power of two */
	flags = 0;
	fp_bits below_smallest = wide(0, ~(uint64_t)0 >> 1);
	g_assert(fp_add(BP_F80, below_smallest, 1, &ctx, &flags) == smallest);
	g_assert(fp_sub(BP_F80, smallest, 1, &ctx, &flags) == below_smallest);
	g_assert(fp_add(BP_F80, wide(0x3fff, ~(uint64_t)0), wide(0x3fbf, (uint64_t)1 << 63), &ctx,
			 &flags) == wide(0x4000, (uint64_t)1 << 63));
	/* the largest number, infinity and what is beyond */
	fp_bits largest = wide(0x7ffe, ~(uint64_t)0), infinity = wide(0x7fff, (uint64_t)1 << 63);
	struct fp_ctx to_zero = { .rounding = BP_ROUND_ZERO };
	g_assert(fp_add(BP_F80, largest, largest, &ctx, &flags) == infinity);
	g_assert(fp_add(BP_F80, largest, largest, &to_zero, &flags) == largest);
}

static void test_class(void)
{
	for (unsigned x = 0; x < 0x10000; x++) {
		unsigned exp = x >> 10 & 31, fraction = x & 0x3ff, bit;
		if (exp == 31 && fraction)
			bit = fraction & 0x200 ? 9 : 8;
		else
			bit = exp == 31 ? 7 : exp ? 6 : fraction ? 5 : 4;
		if (bit < 8 && x & 0x8000)
			bit = 7 - bit;
		g_assert_cmphex(fp_class(BP_F16, x), ==, 1u << bit);
	}
	g_assert_cmphex(fp_class(BP_F128, wide(0xffff8000ull << 32, 0)), ==, BP_FCLASS_QUIET);
	g_assert_cmphex(fp_class(BP_F128, wide(0x7fff0000ull << 32, 1)), ==, BP_FCLASS_SIGNALING);
	g_assert_cmphex(
		fp_class(BP_F128, wide(0x80000000ull << 32, 1)), ==, BP_FCLASS_NEG_SUBNORMAL);
	g_assert_cmphex(fp_class(BP_BF16, 0x7f80), ==, BP_FCLASS_POS_INF);
}

/* ---- order ---- */

static double as_double(unsigned fmt, fp_bits x) /* f64 or narrow; NaNs too */
{
	double value;
	uint64_t bits = (uint64_t)x;

	if (is_nan(fmt, x))
		return NAN;
	if (fmt == BP_F64) {
		memcpy(&value, &bits, sizeof(value));
		return value;
	}
	value = signed_value(fmt, x);
	if (fp_class(fmt, x) & (BP_FCLASS_NEG_INF | BP_FCLASS_POS_INF))
		return copysign(INFINITY, value);
	return value;
}

static void check_order(unsigned fmt, fp_bits a, fp_bits b, double x, double y)
{
	static const struct fp_ctx ctx = { 0 };
	bool nan = isnan(x) || isnan(y);
	bool signaling = (fp_class(fmt, a) | fp_class(fmt, b)) & BP_FCLASS_SIGNALING;

	for (unsigned i = 0; i < 8; i++) {
		unsigned fcmp = (i & 3) | (i & 4 ? BP_FCMP_SIGNALING : 0);
		bool want = (i & 3) == BP_FCMP_EQ ? !islessgreater(x, y) && !nan
			: (i & 3) == BP_FCMP_LT   ? isless(x, y)
			: (i & 3) == BP_FCMP_LE   ? islessequal(x, y)
						  : nan;
		bool want_invalid = signaling || (nan && i & 4);
		uint32_t flags = 0;
		bool got = fp_compare(fmt, a, b, fcmp, &ctx, &flags);
		flags &= ~(uint32_t)BP_FP_DENORMAL;
		if (got != want || flags != (want_invalid ? BP_FP_INVALID : 0u))
			g_error("%s compare %u of %g and %g: got %d %x", fmt_names[fmt], fcmp, x, y,
				got, flags);
	}
}

static void check_min_max(unsigned fmt, fp_bits a, fp_bits b, double x, double y)
{
	static const struct fp_ctx ctx = { .nan_rule = BP_NAN_FIRST };
	bool nan = isnan(x) || isnan(y), both = isnan(x) && isnan(y), zeros = x == 0 && y == 0;
	bool signaling = (fp_class(fmt, a) | fp_class(fmt, b)) & BP_FCLASS_SIGNALING;
	fp_bits quiet = (fp_bits)1 << (fraction_bits[fmt] - 1);

	for (unsigned i = 0; i < 6; i++) {
		unsigned rule = i >> 1;
		bool want_max = i & 1, less = zeros ? signbit(x) > signbit(y) : isless(x, y);
		uint32_t flags = 0, want_flags = signaling ? BP_FP_INVALID : 0;
		fp_bits want = less == want_max ? b : a;
		if (rule == BP_MINMAX_SECOND && (nan || x == y)) {
			want = b;
			want_flags = nan ? BP_FP_INVALID : 0;
		} else if (both || (nan && rule == BP_MINMAX_NAN)) {
			want = (isnan(x) ? a : b) | quiet;
		} else if (nan) {
			want = isnan(x) ? b : a;
		}
		fp_bits got = want_max ? fp_max(fmt, a, b, rule, &ctx, &flags)
				       : fp_min(fmt, a, b, rule, &ctx, &flags);
		flags &= ~(uint32_t)BP_FP_DENORMAL;
		if (got != want || flags != want_flags)
			g_error("%s %s %u of %g and %g: flags %x", fmt_names[fmt],
				want_max ? "max" : "min", rule, x, y, flags);
	}
}

static void test_order(void)
{
	static const struct fp_ctx ctx = { .nan_rule = BP_NAN_FIRST };
	static const unsigned fmts[] = { BP_F16, BP_F32, BP_F64, BP_BF16 };

	random_state = 2000;
	for (unsigned i = 0; i < rounds(100000); i++) {
		unsigned fmt = fmts[i % G_N_ELEMENTS(fmts)];
		uint32_t ignored = 0;
		fp_bits a = random_value(fmt), b = below(4) ? random_near(fmt, exp_of(fmt, a)) : a;
		b ^= below(4) ? 0 : (fp_bits)1 << (fraction_bits[fmt] + exp_bits[fmt]);
		double x = as_double(fmt, a), y = as_double(fmt, b);
		check_order(fmt, a, b, x, y);
		check_min_max(fmt, a, b, x, y);
		if (fmt != BP_F64 || isnan(x) || isnan(y))
			continue;
		for (unsigned to = BP_F80; to <= BP_F128; to++) { /* exact there */
			fp_bits a2 = fp_convert(to, fmt, a, &ctx, &ignored);
			fp_bits b2 = fp_convert(to, fmt, b, &ctx, &ignored);
			check_order(to, a2, b2, x, y);
			check_min_max(to, a2, b2, x, y);
		}
	}
	/* flushed operands are zeros, also as results */
	struct fp_ctx flush = { .flags = BP_FP_FLUSH_INPUT };
	uint32_t flags = 0;
	g_assert(fp_compare(BP_F32, 1, 0x80000001, BP_FCMP_EQ, &flush, &flags));
	g_assert(fp_min(BP_F32, 0x3f800000, 0x80000001, 2, &flush, &flags) == 0x80000000);
	g_assert(fp_min(BP_F32, 0x7fc00000, 1, BP_MINMAX_NUMBER, &flush, &flags) == 0);
	g_assert_cmphex(flags, ==, BP_FP_DENORMAL);
}

/* ---- integers ---- */

/* The rounded magnitude of x modulo 2^128; *huge: it is at least 2^128. */
static fp_bits reference_integer(double x, unsigned rounding, bool *huge)
{
	double whole = floor(fabs(x)), part = fabs(x) - whole;
	int exp;
	double fraction = frexp(fabs(x), &exp);

	*huge = exp > 128;
	if (exp > 53)
		return exp - 53 > 127 ? 0 : (fp_bits)ldexp(fraction, 53) << (exp - 53);
	bool odd = fmod(whole, 2) != 0;
	return (fp_bits)whole + (part != 0 && choose(0, 1, part, 0, signbit(x), odd, rounding));
}

static void check_to_int(unsigned fmt, fp_bits a, double x)
{
	static const unsigned widths[] = { 8, 16, 32, 64, 128 };
	unsigned bits = widths[below(5)], rule = below(4) << 4;
	bool is_unsigned = below(2), huge = true, nan = isnan(x), sign = !nan && signbit(x);
	struct fp_ctx ctx = { .rounding = (uint8_t)below(BP_ROUND_ODD + 1) };
	fp_bits ones = ~(fp_bits)0 >> (128 - bits), magnitude = 0;
	fp_bits largest = is_unsigned ? ones : ones >> 1, smallest = is_unsigned ? 0 : largest + 1;
	uint32_t flags = 0, want_flags = 0;

	if (isfinite(x))
		magnitude = reference_integer(x, ctx.rounding, &huge);
	fp_bits want = (sign ? ~magnitude + 1 : magnitude) & ones;
	if (huge || magnitude > (sign ? smallest : largest)) {
		want_flags = BP_FP_INVALID;
		if (rule == BP_FTOI_INDEFINITE)
			want = is_unsigned ? ones : smallest;
		else if (rule != BP_FTOI_MODULAR)
			want = nan && rule == BP_FTOI_NAN_ZERO ? 0 : sign ? smallest : largest;
		else if (!isfinite(x))
			want = 0;
	} else if (fabs(x) != floor(fabs(x))) {
		want_flags = BP_FP_INEXACT;
	}
	fp_bits got = fp_to_int(bits, fmt, a, rule | is_unsigned, &ctx, &flags);
	flags &= ~(uint32_t)BP_FP_DENORMAL;
	if (got != want || flags != want_flags)
		g_error("%s %a to %u bits, rule %u mode %u: got %" G_GINT64_MODIFIER
			"x:%" G_GINT64_MODIFIER "x %x, want %" G_GINT64_MODIFIER
			"x:%" G_GINT64_MODIFIER "x %x",
			fmt_names[fmt], x, bits, rule | is_unsigned, ctx.rounding,
			(uint64_t)(got >> 64), (uint64_t)got, flags, (uint64_t)(want >> 64),
			(uint64_t)want, want_flags);
}

static void test_to_int(void)
{
	static const struct fp_ctx ctx = { 0 };
	static const unsigned fmts[] = { BP_F16, BP_F32, BP_F64, BP_BF16 };

	random_state = 3000;
	for (unsigned i = 0; i < rounds(200000); i++) {
		unsigned fmt = fmts[i % 4], bias = (1u << exp_bits[fmt]) / 2 - 1;
		uint32_t ignored = 0;
		fp_bits a = random_value(fmt);
		if (below(8) && fmt != BP_F16) /* where integers are */
			a = assemble(fmt, below(2), bias - 2 + below(132) % (bias + 1),
				random_fraction(fraction_bits[fmt]));
		double x = as_double(fmt, a);
		check_to_int(fmt, a, x);
		check_to_int(BP_F80, fp_convert(BP_F80, fmt, a, &ctx, &ignored), x);
		check_to_int(BP_F128, fp_convert(BP_F128, fmt, a, &ctx, &ignored), x);
	}
}

static void test_from_int(void)
{
	static const unsigned fmts[] = { BP_F16, BP_F32, BP_BF16 }, widths[] = { 8, 16, 32, 64 };

	random_state = 4000;
	for (unsigned i = 0; i < rounds(100000); i++) {
		unsigned fmt = fmts[i % 3], bits = widths[below(4)], is_unsigned = below(2);
		struct fp_ctx ctx = { .rounding = (uint8_t)below(BP_ROUND_ODD + 1) };
		uint32_t got_flags = 0, want_flags = 0, flags2 = 0;
		uint64_t x = random64() >> below(64) << below(64);
		x = below(2) ? ~x : x;
		uint64_t cut = x << (64 - bits); /* the bits above must not matter */
		bool sign = !is_unsigned && (int64_t)cut < 0;
		uint64_t magnitude = (sign ? -cut : cut) >> (64 - bits);
		double value = (double)(magnitude & ~(uint64_t)0x7ff), low = magnitude & 0x7ff;
		struct exact e = exact_sum(sign ? -value : value, sign ? -low : low);
		e.zero_from_signs = false;
		fp_bits want = search_round(fmt, e, &ctx, &want_flags);
		fp_bits got = fp_from_int(fmt, bits, x, is_unsigned, &ctx, &got_flags);
		if (got != want || got_flags != want_flags)
			g_error("%s from %u bits %" G_GINT64_MODIFIER
				"x mode %u: got %x %x, want %x %x",
				fmt_names[fmt], bits, x, ctx.rounding, (unsigned)got, got_flags,
				(unsigned)want, want_flags);
		/* through binary128, where 64 bits are exact */
		got = fp_from_int(BP_F64, bits, x, is_unsigned, &ctx, &flags2);
		fp_bits exact = fp_from_int(BP_F128, bits, x, is_unsigned, &ctx, &got_flags);
		want_flags = 0;
		g_assert(got == fp_convert(BP_F64, BP_F128, exact, &ctx, &want_flags));
		g_assert_cmphex(flags2, ==, want_flags);
		g_assert(fp_to_int(bits, BP_F128, exact, is_unsigned, &ctx, &want_flags) ==
			(fp_bits)(x << (64 - bits) >> (64 - bits)));
	}
	/* 128 bits: -2^127, 2^128 - 1 */
	struct fp_ctx to_zero = { .rounding = BP_ROUND_ZERO };
	uint32_t flags = 0;
	g_assert(
		fp_from_int(BP_F32, 128, (fp_bits)1 << 127, false, &to_zero, &flags) == 0xff000000);
	g_assert_cmphex(flags, ==, 0);
	g_assert(fp_from_int(BP_F32, 128, ~(fp_bits)0, true, &to_zero, &flags) == 0x7f7fffff);
	g_assert_cmphex(flags, ==, BP_FP_INEXACT);
}

/* ---- to a wider format and back: nothing is lost ---- */

static void test_round_trip(void)
{
	static const uint8_t up[][2] = { { BP_F16, BP_F32 }, { BP_BF16, BP_F32 },
		{ BP_F32, BP_F64 }, { BP_F64, BP_F80 }, { BP_F80, BP_F128 }, { BP_F16, BP_F128 },
		{ BP_F64, BP_F128 } };
	static const struct fp_ctx ctx = { .nan_rule = BP_NAN_FIRST };

	random_state = 5000;
	for (unsigned i = 0; i < rounds(70000); i++) {
		unsigned from = up[i % G_N_ELEMENTS(up)][0], to = up[i % G_N_ELEMENTS(up)][1];
		fp_bits x = random_value(from);
		uint32_t flags = 0, class = fp_class(from, x);
		fp_bits back =
			fp_convert(from, to, fp_convert(to, from, x, &ctx, &flags), &ctx, &flags);
		if (class == BP_FCLASS_SIGNALING)
			x |= (fp_bits)1 << (fraction_bits[from] - 1);
		g_assert(back == x);
		g_assert_cmphex(flags & ~(uint32_t)BP_FP_DENORMAL, ==,
			class == BP_FCLASS_SIGNALING ? BP_FP_INVALID : 0);
	}
}

/* Bits above a format's width do not matter, and are 0 in results. */
static void test_width(void)
{
	random_state = 6000;
	for (unsigned i = 0; i < rounds(50000); i++) {
		unsigned fmt = i % BP_FP_FORMATS, op = below(FROM_I64), fcmp = below(4);
		unsigned bits = 1u + exp_bits[fmt] + fraction_bits[fmt] + (fmt == BP_F80);
		struct fp_ctx ctx = { .nan_rule = BP_NAN_FIRST,
			.flags = below(2) ? FP_PORTABLE : 0 };
		fp_bits above = fmt == BP_F128 ? 0 : ~(fp_bits)0 << bits % 128, x[3], r[6];
		uint32_t flags[2] = { 0 };
		random_operands(op, fmt, x);
		for (unsigned junk = 0; junk < 2; junk++) {
			r[junk] = run(op, fmt, x[0], x[1], x[2], &ctx, &flags[junk]);
			r[junk + 2] = fp_min(fmt, x[0], x[1], BP_MINMAX_NUMBER, &ctx, &flags[junk]);
			r[junk + 4] = fp_compare(fmt, x[0], x[1], fcmp, &ctx, &flags[junk]) +
				fp_class(fmt, x[0]);
			for (unsigned j = 0; j < 3; j++)
				x[j] |= above;
		}
		g_assert(r[0] == r[1] && r[2] == r[3] && r[4] == r[5]);
		g_assert_cmphex(flags[0], ==, flags[1]);
		g_assert(result_format(op, fmt) != fmt || !(r[0] & above));
		g_assert(!(r[2] & above));
	}
}

static void test_no_inexact(void)
{
	static const struct fp_ctx ctx = { 0 };
	uint32_t flags = BP_FP_OVERFLOW; /* what was there stays */

	g_assert(fp_round_to_int(BP_F16, 0x3e00, true, &ctx, &flags) == 0x4000); /* 1.5 */
	g_assert_cmphex(flags, ==, BP_FP_OVERFLOW);
	g_assert(fp_round_to_int(BP_F16, 0x7c01, true, &ctx, &flags) == 0x7e00);
	g_assert_cmphex(flags, ==, BP_FP_OVERFLOW | BP_FP_INVALID);
	flags = BP_FP_INEXACT;
	g_assert(fp_round_to_int(BP_F16, 0x3e00, true, &ctx, &flags) == 0x4000);
	g_assert_cmphex(flags, ==, BP_FP_INEXACT);
}

/* ---- time ---- */

static void test_speed(void)
{
	enum { COUNT = 1024, LAPS = 2000 };
	static fp_bits x[COUNT][3];

	for (unsigned fmt = 0; fmt < BP_FP_FORMATS; fmt++) {
		for (unsigned i = 0; i < COUNT; i++) /* numbers near 1 */
			for (unsigned j = 0; j < 3; j++)
				x[i][j] = assemble(fmt, 0, (1u << exp_bits[fmt]) / 2 - 3 + below(5),
					wide(random64(), random64()) &
						(((fp_bits)1 << fraction_bits[fmt]) - 1));
		for (unsigned op = 0; op <= RINT; op++)
			for (unsigned kind = 0; kind < 3; kind++) {
				static const char *const kinds[] = { "portable", "fast",
					"fast, inexact set" };
				struct fp_ctx ctx = { .flags = BP_FP_TINY_AFTER |
						(kind ? 0 : FP_PORTABLE) };
				fp_bits sum = 0;
				gint64 start = g_get_monotonic_time();
				for (unsigned i = 0; i < COUNT * LAPS; i++) {
					const fp_bits *o = x[i % COUNT];
					uint32_t flags = kind == 2 ? BP_FP_INEXACT : 0;
					sum += run(op, fmt, o[0], o[1], o[2], &ctx, &flags) + flags;
				}
				double us = (double)(g_get_monotonic_time() - start);
				g_test_message("%s %s, %s: %.1f ns (%x)", fmt_names[fmt],
					op_names[op], kinds[kind], us * 1000 / (COUNT * LAPS),
					(unsigned)sum);
			}
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
		if (host_ops[fmt]) { /* what this host and its compiler have */
			g_autofree char *path = g_strdup_printf("/fp/host/%s", fmt_names[fmt]);
			g_test_add_data_func(path, data, test_host);
		}
	}
	g_test_add_func("/fp/edges", test_edges);
	g_test_add_func("/fp/fma-signs", test_fma_signs);
	g_test_add_func("/fp/explicit-bit", test_explicit_bit);
	g_test_add_func("/fp/class", test_class);
	g_test_add_func("/fp/order", test_order);
	g_test_add_func("/fp/to-int", test_to_int);
	g_test_add_func("/fp/from-int", test_from_int);
	g_test_add_func("/fp/round-trip", test_round_trip);
	g_test_add_func("/fp/width", test_width);
	g_test_add_func("/fp/no-inexact", test_no_inexact);
	if (g_test_perf())
		g_test_add_func("/fp/speed", test_speed);
	return g_test_run();
}
