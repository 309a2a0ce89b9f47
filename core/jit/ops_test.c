/* SPDX-License-Identifier: MIT */
/* Each opcode on edge cases and random numbers, against expectations written another way. */
#include "ir_table.h"
#include "toy.h"

__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 s128;

static struct toy *t;
static struct bp_ir_cursor cur;

#define R(n) ((uint32_t)(offsetof(struct toy_state, r) + 8u * (n)))
#define V(n) ((uint32_t)(offsetof(struct toy_state, v) + 64u * (n)))

static void begin(void)
{
	memset(&toy_raw[0], 0, sizeof(toy_raw[0]));
	cur = (struct bp_ir_cursor){ .record = toy_raw[0].rec, .count = 1, .limit = 64 };
}

/* Run the records that were appended; what run() gives. */
static int end(void)
{
	const uint32_t code[] = { TOY(TOY_RAW, 0, 0, 0), TOY(TOY_HALT, 0, 0, 0) };
	g_assert_false(cur.overflow);
	toy_raw[0].count = cur.count;
	toy_code(t, TOY_BASE, code, 2);
	return toy_run(t, TOY_BASE, 2);
}

static void set_v(unsigned n, u128 value)
{
	memset(t->s->v[n], 0xa5, 64);
	memcpy(t->s->v[n], &value, 16);
}

static u128 get_v(unsigned n)
{
	u128 v;
	memcpy(&v, t->s->v[n], 16);
	return v;
}

static u128 ones(unsigned bits)
{
	return bits >= 128 ? ~(u128)0 : ((u128)1 << bits) - 1;
}

static bool bit(u128 x, unsigned n)
{
	return x >> n & 1;
}

static u128 sext(u128 x, unsigned bits)
{
	x &= ones(bits);
	return bit(x, bits - 1) ? x | ~ones(bits) : x;
}

/* ---- references, bit by bit where that is simple ---- */

/* Product of 256 bits: low and high half. */
static void product(u128 a, u128 b, u128 out[2])
{
	out[0] = out[1] = 0;
	for (unsigned i = 0; i < 128; i++) {
		if (!bit(b, i))
			continue;
		u128 low = a << i, high = i ? a >> (128 - i) : 0;
		out[0] += low;
		out[1] += high + (out[0] < low);
	}
}

static u128 high_half(u128 a, u128 b, unsigned bits, bool sa, bool sb)
{
	u128 p[2], x = sa ? sext(a, bits) : a, y = sb ? sext(b, bits) : b;
	product(x, y, p);
	/* as numbers of 256 bits: a negative one has all ones above */
	if (sa && bit(x, 127))
		p[1] -= y;
	if (sb && bit(y, 127))
		p[1] -= x;
	return bits == 128 ? p[1] : p[0] >> bits;
}

static u128 quotient(u128 a, u128 b, unsigned bits, bool is_signed, bool rest)
{
	bool na = is_signed && bit(a, bits - 1), nb = is_signed && bit(b, bits - 1);
	u128 x = (na ? 0 - a : a) & ones(bits), y = (nb ? 0 - b : b) & ones(bits), q = 0, r = 0;
	if (!b)
		return rest ? a : ones(bits);
	for (unsigned i = bits; i-- > 0;) { /* long division */
		bool carry = bit(r, 127);
		r = r << 1 | bit(x, i);
		q <<= 1;
		if (carry || r >= y) {
			r -= y;
			q |= 1;
		}
	}
	if (rest)
		return na ? 0 - r : r;
	return na != nb ? 0 - q : q;
}

static u128 reference(unsigned op, u128 a, u128 b, unsigned bits)
{
	u128 r = 0;
	unsigned n = b >= bits ? bits : (unsigned)b, k = (unsigned)(b % bits);
	bool less_s = bit(a, bits - 1) != bit(b, bits - 1) ? bit(a, bits - 1) : a < b;
	switch (op) {
	case BP_IR_ADD: return a + b;
	case BP_IR_SUB: return a + ~b + 1;
	case BP_IR_MUL: {
		u128 p[2];
		product(a, b, p);
		return p[0];
	}
	case BP_IR_AND: return a & b;
	case BP_IR_OR: return a | b;
	case BP_IR_XOR: return a ^ b;
	case BP_IR_SHL:
		for (; n; n--)
			a += a;
		return a;
	case BP_IR_SHR:
		for (; n; n--)
			a /= 2;
		return a;
	case BP_IR_SAR:
		for (; n; n--)
			a = a / 2 | (u128)bit(a, bits - 1) << (bits - 1);
		return a;
	case BP_IR_ROL:
	case BP_IR_ROR:
		for (unsigned i = 0; i < bits; i++)
			r |= (u128)bit(a, i) << (op == BP_IR_ROL ? i + k : i + bits - k) % bits;
		return r;
	case BP_IR_MULHS: return high_half(a, b, bits, true, true);
	case BP_IR_MULHU: return high_half(a, b, bits, false, false);
	case BP_IR_MULHSU: return high_half(a, b, bits, true, false);
	case BP_IR_DIVS: return quotient(a, b, bits, true, false);
	case BP_IR_DIVU: return quotient(a, b, bits, false, false);
	case BP_IR_REMS: return quotient(a, b, bits, true, true);
	case BP_IR_REMU: return quotient(a, b, bits, false, true);
	case BP_IR_MINS: return less_s ? a : b;
	case BP_IR_MAXS: return less_s ? b : a;
	case BP_IR_MINU: return a < b ? a : b;
	case BP_IR_MAXU: return a < b ? b : a;
	case BP_IR_CLMUL:
	case BP_IR_CLMULH:
		for (unsigned i = 0; i < bits; i++)
			for (unsigned j = 0; j < bits; j++)
				if (bit(a, i) && bit(b, j) &&
					(op == BP_IR_CLMUL ? i + j < bits : i + j >= bits))
					r ^= (u128)1 << (op == BP_IR_CLMUL ? i + j : i + j - bits);
		return r;
	case BP_IR_EQ: return a == b;
	case BP_IR_NE: return a != b;
	case BP_IR_LTS: return less_s;
	case BP_IR_LES: return less_s || a == b;
	case BP_IR_LTU: return a < b;
	case BP_IR_LEU: return a <= b;
	case BP_IR_NEG: return ~a + 1;
	case BP_IR_NOT: return ~a;
	case BP_IR_CLZ:
		for (n = 0; n < bits && !bit(a, bits - 1 - n);)
			n++;
		return n;
	case BP_IR_CTZ:
		for (n = 0; n < bits && !bit(a, n);)
			n++;
		return n;
	case BP_IR_POPCNT:
		for (unsigned i = 0; i < bits; i++)
			r += bit(a, i);
		return r;
	case BP_IR_BSWAP:
		for (unsigned i = 0; i < bits; i++)
			r |= (u128)bit(a, i) << (bits < 8 ? i : bits - 8 - i / 8 * 8 + i % 8);
		return r;
	case BP_IR_BREV8:
		for (unsigned i = 0; i < bits; i++)
			r |= (u128)bit(a, i) << (bits < 8 ? i : i / 8 * 8 + 7 - i % 8);
		return r;
	default: g_assert_not_reached();
	}
}

/* ---- integers ---- */

static const unsigned int_types[] = { BP_T_I1, BP_T_I8, BP_T_I16, BP_T_I32, BP_T_I64, BP_T_I128 };

static u128 random_number(unsigned bits)
{
	u128 x = 0;
	switch (g_test_rand_int_range(0, 8)) {
	case 0: return 0;
	case 1: return 1;
	case 2: return ones(bits);
	case 3: return (u128)1 << (bits - 1);
	case 4: return ones(bits - 1);
	case 5: return (u128)g_test_rand_int_range(0, 200) & ones(bits);
	default:
		for (unsigned i = 0; i < 4; i++)
			x = x << 32 | (uint32_t)g_test_rand_int();
		return x & ones(bits);
	}
}

static void check(unsigned op, unsigned type, u128 a, u128 b, u128 got, u128 want)
{
	if (got == want)
		return;
	g_error("%s.%s of %016llx%016llx and %016llx%016llx: %016llx%016llx, expected "
		"%016llx%016llx",
		ir_table[op].name, ir_types[type].name, (unsigned long long)(a >> 64),
		(unsigned long long)a, (unsigned long long)(b >> 64), (unsigned long long)b,
		(unsigned long long)(got >> 64), (unsigned long long)got,
		(unsigned long long)(want >> 64), (unsigned long long)want);
}

enum form { FORM_REGISTERS, FORM_CONST, FORM_IMM, FORM_CONST_FIRST, FORMS };

static void one_int(unsigned op, unsigned type, enum form form, bool two)
{
	unsigned bits = ir_types[type].bits, rt, x, y = 0, r;
	u128 a = random_number(bits), b = random_number(bits);
	int32_t imm = (int32_t)g_test_rand_int() >> g_test_rand_int_range(0, 32);
	if (g_test_rand_int_range(0, 4) == 0)
		imm = INT32_MIN; /* has no negative */
	if (form == FORM_IMM)
		b = (u128)(s128)imm & ones(bits);
	if (form == FORM_CONST)
		b &= ones(64);
	if (form == FORM_CONST_FIRST)
		a &= ones(64);
	set_v(0, a);
	set_v(1, b);
	set_v(2, 0);
	begin();
	x = form == FORM_CONST_FIRST ? bp_ir_const(&cur, type, (uint64_t)a)
				     : bp_ir_get(&cur, type, V(0));
	if (form == FORM_IMM) {
		r = bp_ir_op2i(&cur, op, type, x, imm);
	} else if (two) {
		y = form == FORM_CONST ? bp_ir_const(&cur, type, (uint64_t)b)
				       : bp_ir_get(&cur, type, V(1));
		r = bp_ir_op2(&cur, op, type, x, y);
	} else {
		r = bp_ir_op1(&cur, op, type, x);
	}
	rt = ir_result_type(&toy_raw[0].rec[r]);
	bp_ir_put(&cur, rt, V(2), r);
	g_assert_cmpint(end(), ==, BP_EXIT_HALT);
	u128 want = reference(op, a, b, bits) & ones(ir_types[rt].bits);
	check(op, type, a, b, get_v(2), want);
	/* the place behind the result is as it was */
	g_assert_cmphex(t->s->v[2][16], ==, 0xa5);
}

static void test_integers(void)
{
	for (unsigned op = BP_IR_ADD; op <= BP_IR_LEU; op++) {
		bool two = op <= BP_IR_CLMULH || op >= BP_IR_EQ;
		if (!ir_info(op) || op == BP_IR_ADDC || op == BP_IR_SUBB ||
			(op >= BP_IR_SEXT && op <= BP_IR_UNBOX))
			continue;
		for (unsigned k = 0; k < G_N_ELEMENTS(int_types); k++)
			for (unsigned n = 0; n < 60; n++)
				one_int(op, int_types[k], two ? n % FORMS : FORM_REGISTERS, two);
	}
}

static void test_carry(void)
{
	for (unsigned n = 0; n < 600; n++) {
		unsigned type = int_types[n % 6], bits = ir_types[type].bits, in = n / 6 & 1;
		bool add = n / 12 & 1;
		u128 a = random_number(bits), b = random_number(bits), sum = 0;
		unsigned carry = in;
		for (unsigned i = 0; i < bits; i++) {
			unsigned s = add ? bit(a, i) + bit(b, i) + carry
					 : 2u + bit(a, i) - bit(b, i) - carry;
			sum |= (u128)(s & 1) << i;
			carry = add ? s >> 1 : s < 2;
		}
		set_v(0, a);
		set_v(1, b);
		set_v(3, in);
		begin();
		unsigned x = bp_ir_get(&cur, type, V(0)), y = bp_ir_get(&cur, type, V(1));
		unsigned c = bp_ir_get(&cur, BP_T_I1, V(3));
		unsigned r =
			bp_ir_emit(&cur, add ? BP_IR_ADDC : BP_IR_SUBB, type, 0, 0, x, y, c, 0);
		unsigned out = bp_ir_emit(&cur, BP_IR_OUT, BP_T_I1, 0, 1, r, 0, 0, 0);
		bp_ir_put(&cur, type, V(2), r);
		bp_ir_put(&cur, BP_T_I1, V(4), out);
		set_v(2, 0);
		g_assert_cmpint(end(), ==, BP_EXIT_HALT);
		check(add ? BP_IR_ADDC : BP_IR_SUBB, type, a, b, get_v(2), sum);
		g_assert_cmpuint(t->s->v[4][0], ==, carry);
	}
}

static void test_convert(void)
{
	for (unsigned from = 0; from < 6; from++)
		for (unsigned to = 0; to < 6; to++)
			for (unsigned n = 0; n < 20; n++) {
				unsigned ft = int_types[from], tt = int_types[to];
				unsigned op = to < from ? BP_IR_TRUNC
					: n & 1         ? BP_IR_SEXT
							: BP_IR_ZEXT;
				u128 a = random_number(ir_types[ft].bits);
				bool constant = n & 2 && ft != BP_T_I128;
				set_v(0, a);
				set_v(2, 0);
				begin();
				unsigned x = constant ? bp_ir_const(&cur, ft, (uint64_t)a)
						      : bp_ir_get(&cur, ft, V(0));
				bp_ir_put(&cur, tt, V(2), bp_ir_convert(&cur, op, tt, ft, x));
				g_assert_cmpint(end(), ==, BP_EXIT_HALT);
				u128 want = op == BP_IR_SEXT ? sext(a, ir_types[ft].bits) : a;
				check(op, tt, a, 0, get_v(2), want & ones(ir_types[tt].bits));
			}
}

/* BOX and UNBOX: of what is boxed, and of what is not in one bit at least. */
static void test_boxes(void)
{
	for (unsigned n = 0; n < 400; n++) {
		unsigned type = n & 1 ? BP_T_F32 : BP_T_F16, bits = ir_types[type].bits;
		uint64_t low = (uint64_t)(random_number(64) & ones(bits)),
			 high = UINT64_MAX << bits;
		bool boxed = n & 2;
		if (!boxed)
			high ^= UINT64_C(1) << g_test_rand_int_range((int)bits, 64);
		set_v(0, low);
		set_v(1, low | high);
		set_v(2, 0);
		set_v(3, 0);
		begin();
		unsigned x = bp_ir_get(&cur, type, V(0)), y = bp_ir_get(&cur, BP_T_I64, V(1));
		bp_ir_put(&cur, BP_T_I64, V(2), bp_ir_convert(&cur, BP_IR_BOX, BP_T_I64, type, x));
		bp_ir_put(&cur, type, V(3),
			bp_ir_emit(&cur, BP_IR_UNBOX, type, 0, 0x7e01, y, 0, 0, 0));
		g_assert_cmpint(end(), ==, BP_EXIT_HALT);
		check(BP_IR_BOX, type, low, 0, get_v(2), low | UINT64_MAX << bits);
		check(BP_IR_UNBOX, type, low | high, 0, get_v(3), boxed ? low : 0x7e01);
	}
}

static void test_fields(void)
{
	for (unsigned n = 0; n < 1000; n++) {
		unsigned type = int_types[1 + n % 5], bits = ir_types[type].bits;
		unsigned op = n / 5 % 3 == 0 ? BP_IR_UBITS
			: n / 5 % 3 == 1     ? BP_IR_SBITS
					     : BP_IR_DEPOSIT;
		unsigned pos = (unsigned)g_test_rand_int_range(0, (int)bits);
		unsigned len = 1 + (unsigned)g_test_rand_int_range(0, (int)(bits - pos));
		u128 a = random_number(bits), b = random_number(bits), want = a >> pos & ones(len);
		set_v(0, a);
		set_v(1, b);
		set_v(2, 0);
		begin();
		unsigned x = bp_ir_get(&cur, type, V(0)),
			 y = op == BP_IR_DEPOSIT ? bp_ir_get(&cur, type, V(1)) : 0;
		bp_ir_put(&cur, type, V(2),
			bp_ir_emit(&cur, op, type, 0, (int32_t)(pos | len << 8), x, y, 0, 0));
		g_assert_cmpint(end(), ==, BP_EXIT_HALT);
		if (op == BP_IR_SBITS)
			want = sext(want, len);
		if (op == BP_IR_DEPOSIT)
			want = (a & ~(ones(len) << pos)) | (b & ones(len)) << pos;
		check(op, type, a, b, get_v(2), want & ones(bits));
	}
}

static void test_pairs(void)
{
	u128 a = random_number(128);
	set_v(0, a);
	begin();
	unsigned x = bp_ir_get(&cur, BP_T_I128, V(0));
	unsigned lo = bp_ir_op1(&cur, BP_IR_LO, BP_T_I64, x),
		 hi = bp_ir_op1(&cur, BP_IR_HI, BP_T_I64, x);
	bp_ir_put(&cur, BP_T_I64, R(1), lo);
	bp_ir_put(&cur, BP_T_I64, R(2), hi);
	bp_ir_put(&cur, BP_T_I128, V(2), bp_ir_op2(&cur, BP_IR_PAIR, BP_T_I128, hi, lo));
	unsigned f = bp_ir_convert(&cur, BP_IR_CAST, BP_T_F64, BP_T_I64, lo);
	bp_ir_put(&cur, BP_T_F64, R(3), f);
	bp_ir_put(&cur, BP_T_I128, V(3), bp_ir_const(&cur, BP_T_I128, 5));
	bp_ir_put(&cur, BP_T_V512, V(4), bp_ir_const(&cur, BP_T_V512, 7));
	g_assert_cmpint(end(), ==, BP_EXIT_HALT);
	g_assert_cmphex(t->s->r[1], ==, (uint64_t)a);
	g_assert_cmphex(t->s->r[2], ==, (uint64_t)(a >> 64));
	g_assert_cmphex(t->s->r[3], ==, (uint64_t)a);
	g_assert_true(get_v(2) == (a << 64 | a >> 64));
	g_assert_true(get_v(3) == 5);
	g_assert_cmpuint(t->s->v[4][0], ==, 7);
	g_assert_cmpuint(t->s->v[4][63], ==, 0);
}

static void test_registers(void)
{
	for (unsigned i = 0; i < 16; i++)
		t->s->r[i] = 100 + i;
	for (uint64_t index = 0; index < 20; index += 3) {
		t->s->r[0] = index;
		t->s->r[15] = 1;
		begin();
		unsigned x = bp_ir_get(&cur, BP_T_I64, R(0));
		unsigned v = bp_ir_emit(&cur, BP_IR_GETX, BP_T_I64, 0, (int32_t)R(1), x, 0, 8, 10);
		unsigned w = bp_ir_op2i(&cur, BP_IR_ADD, BP_T_I64, v, 1000);
		bp_ir_emit(&cur, BP_IR_PUTX, BP_T_I64, 0, (int32_t)R(2), x, w, 8, 3);
		bp_ir_put(&cur, BP_T_I64, R(15), v);
		g_assert_cmpint(end(), ==, BP_EXIT_HALT);
		g_assert_cmpuint(t->s->r[15], ==, index == 0 ? 101 : index < 10 ? 101 + index : 0);
		g_assert_cmpuint(t->s->r[2], ==, 1101);
	}
	g_assert_cmpuint(t->s->r[5], ==, 105);
}

/* A swap: both old values are read before either register is written. */
static void test_swap(void)
{
	t->s->r[1] = 1;
	t->s->r[2] = 2;
	begin();
	unsigned x = bp_ir_get(&cur, BP_T_I64, R(1)), y = bp_ir_get(&cur, BP_T_I64, R(2));
	unsigned sum = bp_ir_op2(&cur, BP_IR_ADD, BP_T_I64, x, y);
	bp_ir_put(&cur, BP_T_I64, R(1), y);
	bp_ir_put(&cur, BP_T_I64, R(2), x);
	bp_ir_put(&cur, BP_T_I64, R(3), bp_ir_get(&cur, BP_T_I64, R(1)));
	bp_ir_put(&cur, BP_T_I64, R(4), sum);
	g_assert_cmpint(end(), ==, BP_EXIT_HALT);
	g_assert_cmpuint(t->s->r[1], ==, 2);
	g_assert_cmpuint(t->s->r[2], ==, 1);
	g_assert_cmpuint(t->s->r[3], ==, 2);
	g_assert_cmpuint(t->s->r[4], ==, 3);
}

static void test_pcrel(void)
{
	begin();
	bp_ir_put(&cur, BP_T_I64, R(1), bp_ir_pcrel(&cur, 5, 0, 0));
	bp_ir_put(&cur, BP_T_I64, R(2), bp_ir_pcrel(&cur, 5, 3, 0));
	bp_ir_put(&cur, BP_T_I64, R(3), bp_ir_pcrel(&cur, -0x20000, 0, 16));
	bp_ir_put(&cur, BP_T_I64, R(4), bp_ir_emit(&cur, BP_IR_TIME, BP_T_I64, 0, 0, 0, 0, 0, 0));
	toy_raw[0].count = cur.count;
	const uint32_t code[] = { TOY(TOY_ADDI, 9, 9, 0), TOY(TOY_RAW, 0, 0, 0),
		TOY(TOY_HALT, 0, 0, 0) };
	toy_code(t, TOY_BASE, code, 3);
	g_assert_cmpint(toy_run(t, TOY_BASE, 3), ==, BP_EXIT_HALT);
	g_assert_cmphex(t->s->r[1], ==, TOY_BASE + 9);
	g_assert_cmphex(t->s->r[2], ==, TOY_BASE + 5);
	g_assert_cmphex(t->s->r[3], ==, 4);
	g_assert_cmpuint(t->s->r[4], ==, 123456789);
}

/* ---- control ---- */

static void test_if(void)
{
	for (unsigned n = 0; n < 4; n++) {
		t->s->r[1] = n & 1;
		t->s->r[2] = n >> 1;
		t->s->r[5] = 0;
		begin();
		unsigned a = bp_ir_get(&cur, BP_T_I64, R(1)), b = bp_ir_get(&cur, BP_T_I64, R(2));
		unsigned ca = bp_ir_op2i(&cur, BP_IR_NE, BP_T_I64, a, 0);
		unsigned cb = bp_ir_op2i(&cur, BP_IR_NE, BP_T_I64, b, 0);
		bp_ir_emit(&cur, BP_IR_IF, 0, 0, 0, ca, 0, 0, 0);
		unsigned x = bp_ir_op2i(&cur, BP_IR_ADD, BP_T_I64, a, 10);
		bp_ir_emit(&cur, BP_IR_IF, 0, 0, 0, cb, 0, 0, 0);
		bp_ir_put(&cur, BP_T_I64, R(5), bp_ir_const(&cur, BP_T_I64, 55));
		bp_ir_emit(&cur, BP_IR_END, 0, 0, 0, 0, 0, 0, 0);
		bp_ir_emit(&cur, BP_IR_ELSE, 0, 0, 0, 0, 0, 0, 0);
		unsigned y = bp_ir_op2i(&cur, BP_IR_ADD, BP_T_I64, b, 20);
		bp_ir_emit(&cur, BP_IR_END, 0, 0, 0, 0, 0, 0, 0);
		unsigned m = bp_ir_emit(&cur, BP_IR_MERGE, BP_T_I64, 0, 0, x, y, 0, 0);
		bp_ir_emit(&cur, BP_IR_IF, 0, 0, 0, cb, 0, 0, 0);
		unsigned z = bp_ir_op2i(&cur, BP_IR_MUL, BP_T_I64, m, 100);
		bp_ir_emit(&cur, BP_IR_END, 0, 0, 0, 0, 0, 0, 0);
		unsigned m2 = bp_ir_emit(&cur, BP_IR_MERGE, BP_T_I64, 0, 0, z, m, 0, 0);
		bp_ir_put(&cur, BP_T_I64, R(3), m2);
		g_assert_cmpint(end(), ==, BP_EXIT_HALT);
		uint64_t want = n & 1 ? 11 : 20 + (n >> 1);
		g_assert_cmpuint(t->s->r[3], ==, n >> 1 ? want * 100 : want);
		g_assert_cmpuint(t->s->r[5], ==, n == 3 ? 55 : 0);
	}
}

static void test_select(void)
{
	for (unsigned k = 0; k < 2; k++) {
		t->s->r[1] = k;
		set_v(0, 111);
		set_v(1, 222);
		begin();
		unsigned c = bp_ir_get(&cur, BP_T_I1, R(1));
		for (unsigned type = BP_T_I8; type <= BP_T_V512; type++) {
			unsigned a = bp_ir_get(&cur, type, V(0)), b = bp_ir_get(&cur, type, V(1));
			bp_ir_put(&cur, type, V(2 + type % 8), bp_ir_select(&cur, type, c, a, b));
		}
		g_assert_cmpint(end(), ==, BP_EXIT_HALT);
		for (unsigned i = 2; i < 10; i++)
			g_assert_cmpuint(t->s->v[i][0], ==, k ? 111 : 222);
	}
}

static void test_leaves(void)
{
	/* JUMP to a computed pc with a computed key; RESYNC to one; both out of arms. */
	t->s->r[1] = TOY_BASE + 0x100;
	t->s->r[2] = 0x77;
	begin();
	unsigned c = bp_ir_op2i(&cur, BP_IR_EQ, BP_T_I64, bp_ir_get(&cur, BP_T_I64, R(2)), 0x77);
	bp_ir_emit(&cur, BP_IR_IF, 0, 0, 0, c, 0, 0, 0);
	bp_ir_jump(&cur, bp_ir_get(&cur, BP_T_I64, R(1)), BP_HINT_RETURN,
		bp_ir_get(&cur, BP_T_I64, R(2)), 0);
	bp_ir_emit(&cur, BP_IR_ELSE, 0, 0, 0, 0, 0, 0, 0);
	bp_ir_emit(&cur, BP_IR_RESYNC, 0, 0, 0, bp_ir_get(&cur, BP_T_I64, R(1)), 0, 0, 0);
	bp_ir_emit(&cur, BP_IR_END, 0, 0, 0, 0, 0, 0, 0);
	const uint32_t halt[] = { TOY(TOY_HALT, 0, 0, 0) };
	toy_code(t, TOY_BASE + 0x100, halt, 1);
	g_assert_cmpint(end(), ==, BP_EXIT_HALT);
	g_assert_cmphex(t->s->head.pc, ==, TOY_BASE + 0x104);
	g_assert_cmphex(t->s->head.key, ==, 0x77);
	t->s->head.key = 0;
	t->s->r[2] = 0;
	g_assert_cmpint(toy_run(t, TOY_BASE, 2), ==, BP_EXIT_HALT);
	g_assert_cmphex(t->s->head.pc, ==, TOY_BASE + 0x104);
	/* direct, with a constant key */
	begin();
	bp_ir_jump(&cur, bp_ir_pcrel(&cur, 0x100, 0, 0), BP_HINT_PLAIN,
		bp_ir_const(&cur, BP_T_I64, 5), 0);
	for (unsigned i = 0; i < 3; i++) {
		t->s->head.key = 0;
		g_assert_cmpint(i ? toy_run(t, TOY_BASE, 2) : end(), ==, BP_EXIT_HALT);
		g_assert_cmphex(t->s->head.key, ==, 5);
		g_assert_cmphex(t->s->head.pc, ==, TOY_BASE + 0x104);
	}
	t->s->head.key = 0;
}

/* Every comparison, inside an IF and as a jump of two targets. */
static void test_branches(void)
{
	for (unsigned n = 0; n < 2000; n++) {
		unsigned op = BP_IR_EQ + n % 6, type = n / 6 & 1 ? BP_T_I32 : BP_T_I64;
		unsigned bits = ir_types[type].bits;
		bool jump = n / 12 & 1, immediate = n / 24 & 1;
		u128 a = random_number(bits), b = random_number(bits);
		int32_t imm = (int32_t)g_test_rand_int() >> g_test_rand_int_range(0, 32);
		if (n / 48 & 1)
			b = a;
		if (immediate)
			b = (u128)(s128)imm & ones(bits);
		t->s->r[1] = (uint64_t)a;
		t->s->r[2] = (uint64_t)b;
		t->s->r[3] = 0;
		begin();
		unsigned x = bp_ir_get(&cur, type, R(1)), y = bp_ir_get(&cur, type, R(2));
		unsigned c = immediate ? bp_ir_op2i(&cur, op, type, x, imm)
				       : bp_ir_op2(&cur, op, type, x, y);
		if (jump) {
			unsigned p = bp_ir_pcrel(&cur, 0x100, 0, 0),
				 q = bp_ir_pcrel(&cur, 0x200, 0, 0);
			bp_ir_jump(
				&cur, bp_ir_select(&cur, BP_T_I64, c, p, q), BP_HINT_PLAIN, 0, 0);
		} else {
			bp_ir_emit(&cur, BP_IR_IF, 0, 0, 0, c, 0, 0, 0);
			bp_ir_put(&cur, BP_T_I64, R(3), bp_ir_const(&cur, BP_T_I64, 1));
			bp_ir_emit(&cur, BP_IR_END, 0, 0, 0, 0, 0, 0, 0);
		}
		const uint32_t yes[] = { TOY(TOY_ADDI, 3, 0, 1) };
		t->s->r[0] = 0;
		toy_code(t, TOY_BASE + 0x100, yes, 1);
		toy_code(t, TOY_BASE + 0x200, (uint32_t[]){ TOY(TOY_ADDI, 3, 0, 0) }, 1);
		end();
		check(op, type, a, b, t->s->r[3], reference(op, a, b, bits));
	}
}

/* ---- flags ---- */

static unsigned flags_reference(unsigned op, u128 a, u128 b, unsigned in, unsigned bits, u128 *r)
{
	unsigned f = 0, top = bits - 1;
	s128 sa = (s128)sext(a, bits), sb = (s128)sext(b, bits), s = 0;
	if (op == BP_IR_ADDF || op == BP_IR_SUBF) {
		bool add = op == BP_IR_ADDF;
		*r = (add ? a + b + in : a - b - in) & ones(bits);
		if (add ? a + b + in > ones(bits) : b + in > a)
			f |= 1u << BP_FLAG_C;
		s = add ? sa + sb + (s128)in : sa - sb - (s128)in;
		if (s != (s128)sext(*r, bits))
			f |= 1u << BP_FLAG_V;
		if (add ? (a & 15) + (b & 15) + in > 15 : (b & 15) + in > (a & 15))
			f |= 1u << BP_FLAG_A;
	} else if (op == BP_IR_LOGICF) {
		*r = a;
	} else {
		unsigned n = b > bits + 1 ? bits + 1 : (unsigned)b;
		bool c = false;
		for (*r = a; n; n--) {
			c = op == BP_IR_SHLF ? bit(*r, top) : bit(*r, 0);
			*r = op == BP_IR_SHLF
				? *r << 1 & ones(bits)
				: *r >> 1 | (op == BP_IR_SARF ? *r & (u128)1 << top : 0);
		}
		f |= (unsigned)c << BP_FLAG_C |
			(unsigned)(bit(*r, top) != bit(a, top)) << BP_FLAG_V;
	}
	unsigned parity = 1;
	for (unsigned i = 0; i < 8; i++)
		parity ^= bit(*r, i);
	return f | (unsigned)(*r == 0) << BP_FLAG_Z | (unsigned)bit(*r, top) << BP_FLAG_N |
		parity << BP_FLAG_P;
}

static void test_flags(void)
{
	for (unsigned n = 0; n < 3000; n++) {
		unsigned op = BP_IR_ADDF + n % 6, type = int_types[1 + n / 6 % 4],
			 bits = ir_types[type].bits;
		bool two = op != BP_IR_LOGICF, carries = op <= BP_IR_SUBF;
		unsigned in = carries ? n / 24 & 1 : 0;
		u128 a = random_number(bits), b = random_number(bits), want;
		if (op >= BP_IR_SHLF && n & 1)
			b = (u128)g_test_rand_int_range(0, (int)bits + 3) & ones(bits);
		set_v(0, a);
		set_v(1, b);
		set_v(2, 0);
		t->s->r[1] = in;
		begin();
		unsigned x = bp_ir_get(&cur, type, V(0)), y = two ? bp_ir_get(&cur, type, V(1)) : 0;
		unsigned c = carries ? bp_ir_get(&cur, BP_T_I1, R(1)) : 0;
		unsigned r = bp_ir_emit(&cur, op, type, 0, 0, x, y, c, 0);
		unsigned f = bp_ir_emit(&cur, BP_IR_OUT, BP_T_FLAGS, 0, 1, r, 0, 0, 0);
		bp_ir_put(&cur, type, V(2), r);
		unsigned packed = bp_ir_op1(&cur, BP_IR_FLAGS_UNPACK, BP_T_I8, f);
		bp_ir_put(&cur, BP_T_I8, R(2), packed);
		unsigned again = bp_ir_op1(&cur, BP_IR_FLAGS_PACK, BP_T_FLAGS, packed);
		bp_ir_put(&cur, BP_T_FLAGS, R(3), again);
		for (unsigned k = 0; k <= BP_FLAG_A; k++)
			bp_ir_put(&cur, BP_T_I1, R(4 + k),
				bp_ir_emit(&cur, BP_IR_FLAG, BP_T_FLAGS, k, 0, again, 0, 0, 0));
		for (unsigned k = 2; k < 10; k++)
			t->s->r[k] = 0;
		g_assert_cmpint(end(), ==, BP_EXIT_HALT);
		unsigned flags = flags_reference(op, a, b, in, bits, &want);
		check(op, type, a, b, get_v(2), want);
		check(op, type, a, b, t->s->r[2], flags);
		g_assert_cmpuint(t->s->r[3], ==, flags);
		for (unsigned k = 0; k <= BP_FLAG_A; k++)
			g_assert_cmpuint(t->s->r[4 + k], ==, flags >> k & 1);
	}
}

/* ---- memory ---- */

enum { DATA = TOY_BASE + 0x4000 };

static void test_memory(void)
{
	for (unsigned n = 0; n < 2000; n++) {
		unsigned size = n % 5, type = int_types[1 + n / 5 % 5], bits = ir_types[type].bits;
		uint32_t memop =
			size | (n & 1 ? BP_MEM_SIGNED : 0u) | (n & 2 ? BP_MEM_BIG_ENDIAN : 0u);
		int32_t disp = (int32_t)g_test_rand_int_range(-64, 64);
		u128 raw = random_number(128), want;
		if ((8u << size) > bits)
			continue;
		memcpy(t->ram + 0x4000 + disp, &raw, 16);
		t->s->r[1] = DATA;
		set_v(2, 0);
		begin();
		unsigned v = bp_ir_load(&cur, type, bp_ir_get(&cur, BP_T_I64, R(1)), disp, memop);
		bp_ir_put(&cur, type, V(2), v);
		g_assert_cmpint(end(), ==, BP_EXIT_HALT);
		want = raw & ones(8u << size);
		if (n & 2)
			want = reference(BP_IR_BSWAP, want, 0, 8u << size);
		if (n & 1)
			want = sext(want, 8u << size);
		check(BP_IR_LD, type, raw, memop, get_v(2), want & ones(bits));
		/* the way back */
		t->s->r[1] = DATA + 0x100;
		memset(t->ram + 0x4100, 0x5a, 128);
		begin();
		unsigned x = bp_ir_get(&cur, type, V(2));
		bp_ir_store(&cur, type, bp_ir_get(&cur, BP_T_I64, R(1)), disp & 63, x, memop);
		g_assert_cmpint(end(), ==, BP_EXIT_HALT);
		g_assert_cmpint(
			memcmp(t->ram + 0x4100 + (disp & 63), &raw, (size_t)1 << size), ==, 0);
		g_assert_cmphex(t->ram[0x4100 + (disp & 63) + (1 << size)], ==, 0x5a);
	}
}

static void test_wide_memory(void)
{
	for (unsigned type = BP_T_F16; type <= BP_T_V512; type++) {
		unsigned size = (unsigned)__builtin_ctz(ir_types[type].bytes);
		if (type == BP_T_F80)
			continue;
		for (unsigned i = 0; i < 128; i++)
			t->ram[0x4000 + i] = (uint8_t)g_test_rand_int();
		t->s->r[1] = DATA;
		begin();
		unsigned a = bp_ir_get(&cur, BP_T_I64, R(1));
		unsigned v = bp_ir_load(&cur, type, a, 3, size);
		bp_ir_put(&cur, type, V(1), v);
		bp_ir_store(&cur, type, a, 0x200, v, size);
		g_assert_cmpint(end(), ==, BP_EXIT_HALT);
		g_assert_cmpint(memcmp(t->ram + 0x4003, t->s->v[1], ir_types[type].bytes), ==, 0);
		g_assert_cmpint(
			memcmp(t->ram + 0x4003, t->ram + 0x4200, ir_types[type].bytes), ==, 0);
	}
}

static u128 rmw_reference(unsigned kind, u128 old, u128 x, unsigned bits)
{
	static const unsigned ops[] = { 0, BP_IR_ADD, BP_IR_AND, BP_IR_OR, BP_IR_XOR, BP_IR_MINS,
		BP_IR_MAXS, BP_IR_MINU, BP_IR_MAXU };
	return kind == BP_RMW_SWAP ? x : reference(ops[kind], old, x, bits) & ones(bits);
}

static void test_rmw(void)
{
	for (unsigned n = 0; n < 900; n++) {
		unsigned kind = n % 9, size = 2 + n / 9 % 2,
			 type = n / 18 & 1 ? BP_T_I64 : BP_T_I32;
		unsigned bits = 8u << size;
		bool is_signed = n / 36 & 1;
		u128 old = random_number(bits), x = random_number(ir_types[type].bits);
		if (bits > ir_types[type].bits)
			continue;
		memset(t->ram + 0x4000, 0x5a, 16);
		memcpy(t->ram + 0x4000, &old, bits / 8);
		t->s->r[1] = DATA;
		/* the first access fills the TLB: both ways are taken */
		uint32_t memop = size | (is_signed ? BP_MEM_SIGNED : 0u);
		set_v(1, x);
		set_v(2, 0);
		begin();
		unsigned a = bp_ir_get(&cur, BP_T_I64, R(1)), v = bp_ir_get(&cur, type, V(1));
		bp_ir_load(&cur, BP_T_I64, a, 0, BP_MEM_8);
		unsigned r = bp_ir_emit(
			&cur, BP_IR_RMW, type, kind, 0, a, v, memop & 0xffff, memop >> 16);
		bp_ir_put(&cur, type, V(2), r);
		g_assert_cmpint(end(), ==, BP_EXIT_HALT);
		u128 now = 0,
		     want = (is_signed ? sext(old, bits) : old) & ones(ir_types[type].bits);
		memcpy(&now, t->ram + 0x4000, bits / 8);
		check(BP_IR_RMW, type, old, x, get_v(2), want);
		check(BP_IR_RMW, type, old, x, now, rmw_reference(kind, old, x & ones(bits), bits));
		g_assert_cmphex(t->ram[0x4000 + bits / 8], ==, 0x5a);
	}
}

static void test_atomics(void)
{
	/* LL, SC that succeeds, SC that fails; CAS that finds what it expects, and not */
	for (unsigned size = 2; size <= 4; size++) {
		unsigned type = size == 2 ? BP_T_I32 : size == 3 ? BP_T_I64 : BP_T_I128;
		memset(t->ram + 0x4000, 0, 64);
		t->ram[0x4000] = 7;
		t->s->r[1] = DATA;
		set_v(1, 9);
		set_v(2, 0);
		set_v(3, 0);
		set_v(4, 0);
		begin();
		unsigned a = bp_ir_get(&cur, BP_T_I64, R(1)), nine = bp_ir_get(&cur, type, V(1));
		unsigned old = bp_ir_emit(&cur, BP_IR_LL, type, 0, 0, a, 0, size, 0);
		unsigned f0 = bp_ir_emit(&cur, BP_IR_SC, type, 0, 0, a, nine, size, 0);
		unsigned f1 = bp_ir_emit(&cur, BP_IR_SC, type, 0, 0, a, old, size, 0);
		unsigned c0 = bp_ir_emit(&cur, BP_IR_CAS, type, 0, 0, a, old, size, 0);
		bp_ir_emit(&cur, BP_IR_MORE, 0, 0, 0, old, 0, 0, 0);
		unsigned eleven = bp_ir_const(&cur, type, 11);
		unsigned c1 = bp_ir_emit(&cur, BP_IR_CAS, type, 0, 0, a, c0, size, 0);
		bp_ir_emit(&cur, BP_IR_MORE, 0, 0, 0, eleven, 0, 0, 0);
		bp_ir_emit(&cur, BP_IR_FENCE, 0, 0xff, 0, 0, 0, 0, 0);
		bp_ir_put(&cur, type, V(2), old);
		bp_ir_put(&cur, BP_T_I64, R(2), f0);
		bp_ir_put(&cur, BP_T_I64, R(3), f1);
		bp_ir_put(&cur, type, V(3), c0);
		bp_ir_put(&cur, type, V(4), c1);
		g_assert_cmpint(end(), ==, BP_EXIT_HALT);
		g_assert_true(get_v(2) == 7 && get_v(3) == 9 && get_v(4) == 9);
		g_assert_cmpuint(t->s->r[2], ==, 0);
		g_assert_cmpuint(t->s->r[3], ==, 1);
		g_assert_cmpuint(t->ram[0x4000], ==, 11);
	}
}

static void test_pair_and_probe(void)
{
	/* A pair whose second half would fault stores nothing; a PROBE faults before anything is done. */
	memset(t->ram + TOY_RAM - 16, 0x11, 16);
	t->s->r[1] = TOY_BASE + TOY_RAM - 8;
	t->s->r[2] = 5;
	begin();
	unsigned a = bp_ir_get(&cur, BP_T_I64, R(1)), v = bp_ir_get(&cur, BP_T_I64, R(2));
	bp_ir_put(&cur, BP_T_I64, R(2), a);
	bp_ir_emit(&cur, BP_IR_STP, BP_T_I64, 0, 0, a, v, BP_MEM_64, 0);
	bp_ir_emit(&cur, BP_IR_MORE, 0, 0, 0, v, 0, 0, 0);
	t->s->count = 0;
	end();
	g_assert_cmpuint(t->s->count, ==, 2);
	g_assert_cmpuint(t->s->cause, ==, 7);
	g_assert_cmpuint(t->s->r[2], ==, 5);
	g_assert_cmphex(t->ram[TOY_RAM - 8], ==, 0x11);
	t->s->r[1] = TOY_BASE + TOY_RAM - 16;
	g_assert_cmpint(toy_run(t, TOY_BASE, 2), ==, BP_EXIT_HALT);
	g_assert_cmpuint(t->ram[TOY_RAM - 8], ==, 5);
	begin();
	a = bp_ir_get(&cur, BP_T_I64, R(1));
	bp_ir_store(&cur, BP_T_I64, a, 0, a, BP_MEM_64);
	bp_ir_emit(&cur, BP_IR_PROBE, 0, BP_ACC_WRITE, 17, a, 0, BP_MEM_8, 0);
	end();
	g_assert_cmpuint(t->s->cause, ==, 7);
}

/* ---- vectors ---- */

static unsigned lanes(unsigned type, unsigned lane)
{
	return ir_types[type].bytes / ir_types[lane].bytes;
}

static uint64_t lane_of(unsigned v, unsigned n, unsigned lane)
{
	uint64_t x = 0;
	memcpy(&x, t->s->v[v] + n * ir_types[lane].bytes, ir_types[lane].bytes);
	return x;
}

static void random_vectors(void)
{
	for (unsigned v = 1; v < 4; v++)
		for (unsigned i = 0; i < 8; i++) {
			uint64_t x = (uint64_t)random_number(64);
			memcpy(t->s->v[v] + 8 * i, &x, 8);
		}
	memset(t->s->v[4], 0xa5, 64);
}

static void run_vector(unsigned op, unsigned type, unsigned lane, int32_t imm, unsigned operands)
{
	unsigned x[3] = { 0 };
	begin();
	for (unsigned i = 0; i < operands; i++)
		x[i] = bp_ir_get(&cur, type, V(1 + i));
	unsigned r = bp_ir_emit(&cur, op, type, 0, imm, x[0], x[1], x[2], lane);
	unsigned rt = ir_result_type(&toy_raw[0].rec[r]);
	bp_ir_put(&cur, rt, V(4), r);
	g_assert_cmpint(end(), ==, BP_EXIT_HALT);
}

static void test_vector_arithmetic(void)
{
	for (unsigned op = BP_IR_ADD; op <= BP_IR_LEU; op++) {
		bool two = op <= BP_IR_CLMULH || op >= BP_IR_EQ;
		if (!ir_info(op) || !(ir_info(op)->props & IR_LANES))
			continue;
		for (unsigned n = 0; n < 16; n++) {
			unsigned type = BP_T_V64 + n % 4, lane = BP_T_I8 + n / 4,
				 bits = ir_types[lane].bits;
			random_vectors();
			run_vector(op, type, lane, 0, two ? 2 : 1);
			for (unsigned i = 0; i < lanes(type, lane); i++) {
				uint64_t a = lane_of(1, i, lane), b = lane_of(2, i, lane);
				u128 want = reference(op, a, b, bits);
				if (op >= BP_IR_EQ)
					want = want ? ones(bits) : 0;
				check(op, lane, a, b, lane_of(4, i, lane), want & ones(bits));
			}
		}
	}
}

static uint64_t saturated(s128 x, unsigned bits, bool is_signed)
{
	s128 high = is_signed ? (s128)ones(bits - 1) : (s128)ones(bits),
	     low = is_signed ? ~high : 0;
	return (uint64_t)((u128)(x > high ? high : x < low ? low : x) & ones(bits));
}

static void test_vector_saturation(void)
{
	for (unsigned n = 0; n < 64; n++) {
		unsigned op = BP_IR_VADDS + n % 4, lane = BP_T_I8 + n / 4 % 4,
			 bits = ir_types[lane].bits;
		bool is_signed = op == BP_IR_VADDS || op == BP_IR_VSUBS;
		random_vectors();
		run_vector(op, BP_T_V256, lane, 0, 2);
		for (unsigned i = 0; i < lanes(BP_T_V256, lane); i++) {
			u128 a = lane_of(1, i, lane), b = lane_of(2, i, lane);
			s128 x = is_signed ? (s128)sext(a, bits) : (s128)a,
			     y = is_signed ? (s128)sext(b, bits) : (s128)b;
			s128 z = op == BP_IR_VADDS || op == BP_IR_VADDU ? x + y : x - y;
			check(op, lane, a, b, lane_of(4, i, lane), saturated(z, bits, is_signed));
		}
	}
	for (unsigned n = 0; n < 48; n++) {
		int32_t how = (int32_t)(n % 4);
		unsigned lane = BP_T_I16 + n / 4 % 3, bits = ir_types[lane].bits, half = lane - 1;
		bool from_signed = how == BP_NARROW_SIGNED || how == BP_NARROW_S_TO_U;
		random_vectors();
		run_vector(BP_IR_VNARROW, BP_T_V128, lane, how, 1);
		for (unsigned i = 0; i < lanes(BP_T_V128, lane); i++) {
			u128 a = lane_of(1, i, lane);
			uint64_t want = saturated(from_signed ? (s128)sext(a, bits) : (s128)a,
				bits / 2, how == BP_NARROW_SIGNED);
			if (how == BP_NARROW_WRAP)
				want = (uint64_t)(a & ones(bits / 2));
			check(BP_IR_VNARROW, lane, a, (u128)how, lane_of(4, i, half), want);
			g_assert_cmphex(lane_of(4, lanes(BP_T_V128, lane) + i, half), ==, 0);
		}
		random_vectors();
		run_vector(n & 1 ? BP_IR_VWIDENS : BP_IR_VWIDENU, BP_T_V128, half, 0, 1);
		for (unsigned i = 0; i < lanes(BP_T_V128, lane); i++) {
			u128 a = lane_of(1, i, half);
			check(BP_IR_VWIDENS, lane, a, 0, lane_of(4, i, lane),
				(n & 1 ? sext(a, bits / 2) : a) & ones(bits));
		}
	}
}

static void test_vector_moves(void)
{
	for (unsigned n = 0; n < 16; n++) {
		unsigned type = BP_T_V64 + n % 4, lane = BP_T_I8 + n / 4, count = lanes(type, lane);
		unsigned half = count / 2 ? count / 2 : 1;
		for (unsigned op = BP_IR_VSHUFFLE; op <= BP_IR_VUNZIPHI; op++) {
			if (count == 1 && op != BP_IR_VSHUFFLE)
				continue;
			random_vectors();
			if (op == BP_IR_VSHUFFLE)
				for (unsigned i = 0; i < count; i++) {
					uint64_t k =
						(uint64_t)g_test_rand_int_range(0, (int)count + 2);
					memcpy(t->s->v[2] + i * ir_types[lane].bytes, &k,
						ir_types[lane].bytes);
				}
			run_vector(op, type, lane, 0, 2);
			for (unsigned i = 0; i < count; i++) {
				uint64_t k = lane_of(2, i, lane), want;
				unsigned from = 2 * (i % half);
				switch (op) {
				case BP_IR_VSHUFFLE:
					want = k < count ? lane_of(1, (unsigned)k, lane) : 0;
					break;
				case BP_IR_VZIPLO: want = lane_of(1 + i % 2, i / 2, lane); break;
				case BP_IR_VZIPHI:
					want = lane_of(1 + i % 2, half + i / 2, lane);
					break;
				case BP_IR_VUNZIPLO:
					want = lane_of(1 + i / half, from, lane);
					break;
				default: want = lane_of(1 + i / half, from + 1, lane); break;
				}
				check(op, lane, i, k, lane_of(4, i, lane), want);
			}
		}
		/* splat, insert, extract, mask, blend */
		random_vectors();
		t->s->r[1] = (uint64_t)random_number(64);
		unsigned at = count - 1;
		begin();
		unsigned s = bp_ir_get(&cur, lane, R(1)), v = bp_ir_get(&cur, type, V(1));
		unsigned splat = bp_ir_emit(&cur, BP_IR_VSPLAT, type, 0, 0, s, 0, 0, lane);
		unsigned ins = bp_ir_emit(&cur, BP_IR_VINSERT, type, 0, (int32_t)at, v, s, 0, lane);
		unsigned ext =
			bp_ir_emit(&cur, BP_IR_VEXTRACT, lane, 0, (int32_t)at, v, 0, 0, lane);
		unsigned mask = bp_ir_emit(&cur, BP_IR_VMASK, type, 0, 0, v, 0, 0, lane);
		unsigned w = bp_ir_get(&cur, type, V(2)), z = bp_ir_get(&cur, type, V(3));
		unsigned blend = bp_ir_emit(&cur, BP_IR_VBLEND, type, 0, 0, v, w, z, 0);
		bp_ir_put(&cur, type, V(4), splat);
		bp_ir_put(&cur, type, V(5), ins);
		bp_ir_put(&cur, lane, V(6), ext);
		bp_ir_put(&cur, BP_T_I64, R(2), mask);
		bp_ir_put(&cur, type, V(7), blend);
		g_assert_cmpint(end(), ==, BP_EXIT_HALT);
		uint64_t want = 0,
			 scalar = (uint64_t)((u128)t->s->r[1] & ones(ir_types[lane].bits));
		for (unsigned i = 0; i < count; i++) {
			g_assert_cmphex(lane_of(4, i, lane), ==, scalar);
			g_assert_cmphex(
				lane_of(5, i, lane), ==, i == at ? scalar : lane_of(1, i, lane));
			want |= (uint64_t)bit(lane_of(1, i, lane), ir_types[lane].bits - 1) << i;
			uint64_t m = lane_of(1, i, lane);
			g_assert_cmphex(lane_of(7, i, lane), ==,
				(lane_of(2, i, lane) & m) | (lane_of(3, i, lane) & ~m));
		}
		g_assert_cmphex(lane_of(6, 0, lane), ==, lane_of(1, at, lane));
		g_assert_cmphex(t->s->r[2], ==, want);
	}
}

/* ---- floating point: the arithmetic has its own tests, here is what leads to it ---- */

static uint64_t of_double(double d)
{
	uint64_t x;
	memcpy(&x, &d, 8);
	return x;
}

static uint64_t float_two(
	unsigned op, unsigned type, uint64_t a, uint64_t b, int32_t imm, unsigned mode)
{
	t->s->r[1] = a;
	t->s->r[2] = b;
	t->s->r[3] = 0;
	begin();
	unsigned x = bp_ir_get(&cur, type, R(1));
	unsigned y = op == BP_IR_FSQRT || op == BP_IR_FROUND || op == BP_IR_FCLASS
		? 0
		: bp_ir_get(&cur, type, R(2));
	unsigned r = bp_ir_emit(&cur, op, type, 0, imm, x, y, 0, mode);
	bp_ir_put(&cur, ir_result_type(&toy_raw[0].rec[r]), R(3), r);
	g_assert_cmpint(end(), ==, BP_EXIT_HALT);
	return t->s->r[3];
}

static void test_float(void)
{
	uint64_t one = of_double(1), three = of_double(3), third = of_double(1.0 / 3);
	t->s->fflags = 0;
	t->s->rounding = BP_ROUND_NEAREST_EVEN;
	g_assert_cmphex(float_two(BP_IR_FADD, BP_T_F64, one, three, 0, 0), ==, of_double(4));
	g_assert_cmphex(t->s->fflags, ==, 0);
	g_assert_cmphex(float_two(BP_IR_FDIV, BP_T_F64, one, three, 0, 0), ==, third);
	g_assert_cmphex(t->s->fflags, ==, BP_FP_INEXACT);
	t->s->rounding = BP_ROUND_UP;
	g_assert_cmphex(float_two(BP_IR_FDIV, BP_T_F64, one, three, 0, 0), ==, third + 1);
	g_assert_cmphex(
		float_two(BP_IR_FDIV, BP_T_F64, one, three, 0, 1 + BP_ROUND_ZERO), ==, third);
	g_assert_cmphex(float_two(BP_IR_FDIV, BP_T_F64, one, 0, 0, 0), ==, of_double(1.0 / 0.0));
	g_assert_cmphex(t->s->fflags, ==, BP_FP_INEXACT | BP_FP_DIVZERO);
	g_assert_cmphex(float_two(BP_IR_FSQRT, BP_T_F64, of_double(9), 0, 0, 0), ==, three);
	g_assert_cmphex(float_two(BP_IR_FSUB, BP_T_F64, one, three, 0, 0), ==, of_double(-2));
	g_assert_cmphex(
		float_two(BP_IR_FMUL, BP_T_F32, 0x40000000, 0x40400000, 0, 0), ==, 0x40c00000);
	g_assert_cmphex(float_two(BP_IR_FMIN, BP_T_F64, one, three, BP_MINMAX_NUMBER, 0), ==, one);
	g_assert_cmphex(
		float_two(BP_IR_FMAX, BP_T_F64, one, three, BP_MINMAX_NUMBER, 0), ==, three);
	g_assert_cmphex(float_two(BP_IR_FCMP, BP_T_F64, one, three, BP_FCMP_LT, 0), ==, 1);
	g_assert_cmphex(float_two(BP_IR_FCMP, BP_T_F64, one, three, BP_FCMP_EQ, 0), ==, 0);
	g_assert_cmphex(float_two(BP_IR_FROUND, BP_T_F64, of_double(2.5), 0, 0, 0), ==, three);
	g_assert_cmphex(float_two(BP_IR_FCLASS, BP_T_F64, of_double(-2), 0, 0, 0), ==,
		BP_FCLASS_NEG_NORMAL);
	/* conversions and FMA */
	t->s->r[1] = of_double(-2.75);
	t->s->r[2] = (uint64_t)-7;
	begin();
	unsigned x = bp_ir_get(&cur, BP_T_F64, R(1)), i = bp_ir_get(&cur, BP_T_I64, R(2));
	unsigned to32 = bp_ir_emit(&cur, BP_IR_FCVT, BP_T_F32, 0, BP_T_F64, x, 0, 0, 0);
	unsigned toi =
		bp_ir_emit(&cur, BP_IR_FTOI, BP_T_I32, 0, 0, x, BP_T_F64, 0, 1 + BP_ROUND_ZERO);
	unsigned tof = bp_ir_emit(&cur, BP_IR_ITOF, BP_T_F64, 0, 0, i, BP_T_I64, 0, 0);
	unsigned fma = bp_ir_emit(&cur, BP_IR_FMA, BP_T_F64, 0, BP_FMA_NEG_ADDEND, x, tof, x, 0);
	bp_ir_put(&cur, BP_T_F32, R(3), to32);
	bp_ir_put(&cur, BP_T_I32, R(4), toi);
	bp_ir_put(&cur, BP_T_F64, R(5), tof);
	bp_ir_put(&cur, BP_T_F64, R(6), fma);
	t->s->r[3] = t->s->r[4] = 0;
	g_assert_cmpint(end(), ==, BP_EXIT_HALT);
	g_assert_cmphex(t->s->r[3], ==, 0xc0300000);
	g_assert_cmphex(t->s->r[4], ==, (uint32_t)-2);
	g_assert_cmphex(t->s->r[5], ==, of_double(-7));
	g_assert_cmphex(t->s->r[6], ==, of_double(-2.75 * -7 + 2.75));
}

static void test_float_lanes(void)
{
	const float a[4] = { 1, 2, -3, 0.5f }, b[4] = { 4, 2, 1, 0.25f };
	float sum[4];
	uint32_t less[4];
	int32_t whole[4];
	memcpy(t->s->v[1], a, 16);
	memcpy(t->s->v[2], b, 16);
	t->s->rounding = BP_ROUND_ZERO;
	begin();
	unsigned x = bp_ir_get(&cur, BP_T_V128, V(1)), y = bp_ir_get(&cur, BP_T_V128, V(2));
	bp_ir_put(&cur, BP_T_V128, V(3),
		bp_ir_emit(&cur, BP_IR_FADD, BP_T_V128, 0, 0, x, y, 0, BP_T_F32));
	bp_ir_put(&cur, BP_T_V128, V(4),
		bp_ir_emit(&cur, BP_IR_FCMP, BP_T_V128, 0, BP_FCMP_LT, x, y, 0, BP_T_F32));
	unsigned i = bp_ir_emit(&cur, BP_IR_FTOI, BP_T_V128, 0, 0, x, BP_T_F32, 0, BP_T_I32);
	bp_ir_put(&cur, BP_T_V128, V(5), i);
	bp_ir_put(&cur, BP_T_V128, V(6),
		bp_ir_emit(&cur, BP_IR_ITOF, BP_T_V128, 0, 0, i, BP_T_I32, 0, BP_T_F32));
	g_assert_cmpint(end(), ==, BP_EXIT_HALT);
	memcpy(sum, t->s->v[3], 16);
	memcpy(less, t->s->v[4], 16);
	memcpy(whole, t->s->v[5], 16);
	for (unsigned k = 0; k < 4; k++) {
		g_assert_cmpfloat(sum[k], ==, a[k] + b[k]);
		g_assert_cmphex(less[k], ==, a[k] < b[k] ? UINT32_MAX : 0);
		g_assert_cmpint(whole[k], ==, (int32_t)a[k]);
	}
}

static void test_float_service(void)
{
	static const struct bp_fp_env env = { sizeof(env), BP_ROUND_NEAREST_EVEN, BP_NAN_CANONICAL,
		0, 0, 0 };
	uint32_t flags = 0;
	g_assert_cmphex(jit_float.op(BP_FLOAT_ADD, BP_F64, &env, 0, 0, of_double(1), of_double(2),
				0, &flags),
		==, of_double(3));
	g_assert_cmphex(
		jit_float.convert(BP_F32, BP_F64, &env, 0, of_double(1.5), &flags), ==, 0x3fc00000);
	g_assert_cmphex(jit_float.to_int(32, BP_F64, BP_ROUND_ZERO, 0, of_double(-1.5), &flags), ==,
		UINT32_MAX);
	g_assert_cmphex(flags, ==, BP_FP_INEXACT);
	g_assert_cmphex(jit_float.from_int(BP_F64, 8, &env, 0, 0, 0xff, &flags), ==, of_double(-1));
	g_assert_cmphex(jit_float.op(99, BP_F64, &env, 0, 0, 0, 0, 0, &flags), ==, 0);
	g_assert_cmphex(jit_float.op(BP_FLOAT_ADD, 99, &env, 0, 0, 0, 0, 0, &flags), ==, 0);
}

/* Every opcode of the table has a meaning somewhere: none is left out. */
static void test_complete(void)
{
	for (unsigned op = 0; op < BP_IR_OPS; op++) {
		const struct ir_info *info = ir_info(op);
		if (!info)
			continue;
		for (unsigned type = BP_T_I1; type < BP_T_COUNT; type++) {
			struct bp_ir r = {
				.op = (uint16_t)op, .type = (uint8_t)type, .aux = BP_T_I8
			};
			bool special =
				info->props & (IR_CONTROL | IR_LEAVES | IR_READS | IR_WRITES) ||
				op < BP_IR_GETX || op == BP_IR_CALL || op == BP_IR_MERGE ||
				op == BP_IR_COMMIT || op == BP_IR_FENCE || op == BP_IR_PROBE ||
				op == BP_IR_CAST || op == BP_IR_LO || op == BP_IR_HI;
			if (!special && ir_types[type].class & info->types && !generic_for(&r))
				g_error("%s.%s has no function", info->name, ir_types[type].name);
		}
	}
}

int main(int argc, char **argv)
{
	static const struct {
		const char *name;
		void (*fn)(void);
	} tests[] = {
		{ "complete", test_complete },
		{ "integers", test_integers },
		{ "carry", test_carry },
		{ "convert", test_convert },
		{ "boxes", test_boxes },
		{ "fields", test_fields },
		{ "pairs", test_pairs },
		{ "registers", test_registers },
		{ "swap", test_swap },
		{ "pcrel", test_pcrel },
		{ "if", test_if },
		{ "select", test_select },
		{ "leaves", test_leaves },
		{ "branches", test_branches },
		{ "flags", test_flags },
		{ "memory", test_memory },
		{ "wide-memory", test_wide_memory },
		{ "rmw", test_rmw },
		{ "atomics", test_atomics },
		{ "pair-and-probe", test_pair_and_probe },
		{ "vector-arithmetic", test_vector_arithmetic },
		{ "vector-saturation", test_vector_saturation },
		{ "vector-moves", test_vector_moves },
		{ "float", test_float },
		{ "float-lanes", test_float_lanes },
		{ "float-service", test_float_service },
	};
	g_test_init(&argc, &argv, NULL);
	t = toy_create();
	for (unsigned i = 0; i < G_N_ELEMENTS(tests); i++) {
		char *path = g_strconcat("/jit/ops/", tests[i].name, NULL);
		g_test_add_func(path, tests[i].fn);
		g_free(path);
	}
	int failed = g_test_run();
	toy_destroy(t);
	return failed;
}
