/* SPDX-License-Identifier: MIT */
/* RV32: each integer instruction of I, M, Zba, Zbb, Zbc, Zbs, Zbkb, Zicond on all pairs of edge
 * operands, against the same function written with shifts and additions only. */
#include "priv.h"

static const uint32_t edges[] = { 0, 1, 2, 3, 4, 5, 7, 8, 15, 16, 31, 32, 33, 63, 0x7f, 0x80, 0xff,
	0x100, 0x7fff, 0x8000, 0xffff, 0x10000, 0x12345678, 0x55555555, 0xaaaaaaaa, 0x7ffffffe,
	0x7fffffff, 0x80000000, 0x80000001, 0x87654321, 0xff00ff00, 0xfffffffe, 0xffffffff };
#define EDGES (sizeof edges / sizeof *edges)

/* Volume I: 2.4 (I), 13 (M) */
static uint32_t r_add(uint32_t a, uint32_t b)
{
	uint32_t carry = 0, r = 0;
	for (int i = 0; i < 32; i++) {
		uint32_t x = a >> i & 1, y = b >> i & 1;
		r |= (x ^ y ^ carry) << i;
		carry = (x & y) | (carry & (x ^ y));
	}
	return r;
}
static uint32_t r_sub(uint32_t a, uint32_t b)
{
	return r_add(r_add(a, ~b), 1);
}
static uint32_t r_sll(uint32_t a, uint32_t b)
{
	for (b &= 31; b; b--)
		a = r_add(a, a);
	return a;
}
static uint32_t r_srl(uint32_t a, uint32_t b)
{
	uint32_t r = 0;
	for (uint32_t i = b & 31; i < 32; i++)
		r |= (a >> i & 1) << (i - (b & 31));
	return r;
}
static uint32_t r_sra(uint32_t a, uint32_t b)
{
	uint32_t r = r_srl(a, b);
	for (uint32_t i = 0; i < (b & 31); i++)
		if (a >> 31)
			r |= 1u << (31 - i);
	return r;
}
static uint32_t r_sltu(uint32_t a, uint32_t b)
{
	for (int i = 31; i >= 0; i--)
		if ((a >> i & 1) != (b >> i & 1))
			return b >> i & 1;
	return 0;
}
static uint32_t r_slt(uint32_t a, uint32_t b)
{
	return r_sltu(a ^ 0x80000000, b ^ 0x80000000);
}
static uint32_t r_xor(uint32_t a, uint32_t b)
{
	return (a | b) & ~(a & b);
}
static uint32_t r_or(uint32_t a, uint32_t b)
{
	return ~(~a & ~b);
}
static uint32_t r_and(uint32_t a, uint32_t b)
{
	return ~(~a | ~b);
}

static uint64_t product(uint32_t a, uint32_t b)
{
	uint64_t r = 0;
	for (int i = 0; i < 32; i++)
		if (b >> i & 1)
			r += (uint64_t)a << i;
	return r;
}
static uint32_t r_mul(uint32_t a, uint32_t b)
{
	return (uint32_t)product(a, b);
}
static uint32_t r_mulhu(uint32_t a, uint32_t b)
{
	return (uint32_t)(product(a, b) >> 32);
}
static uint32_t r_mulhsu(uint32_t a, uint32_t b)
{
	return r_mulhu(a, b) - (a >> 31 ? b : 0);
}
static uint32_t r_mulh(uint32_t a, uint32_t b)
{
	return r_mulhsu(a, b) - (b >> 31 ? a : 0);
}
static uint32_t quotient(uint32_t a, uint32_t b, uint32_t *rest)
{
	uint32_t q = 0;
	uint64_t r = 0;
	for (int i = 31; i >= 0; i--) {
		r = r << 1 | (a >> i & 1);
		if (r >= b) {
			r -= b;
			q |= 1u << i;
		}
	}
	*rest = (uint32_t)r;
	return q;
}
/* 13.2: by zero all ones and the dividend; overflow the dividend and zero */
static uint32_t r_divu(uint32_t a, uint32_t b)
{
	uint32_t rest;
	return b ? quotient(a, b, &rest) : 0xffffffff;
}
static uint32_t r_remu(uint32_t a, uint32_t b)
{
	uint32_t rest;
	if (!b)
		return a;
	quotient(a, b, &rest);
	return rest;
}
static uint32_t magnitude(uint32_t a)
{
	return a >> 31 ? 0 - a : a;
}
static uint32_t r_div(uint32_t a, uint32_t b)
{
	if (!b)
		return 0xffffffff;
	uint32_t q = r_divu(magnitude(a), magnitude(b));
	return (a ^ b) >> 31 ? 0 - q : q;
}
static uint32_t r_rem(uint32_t a, uint32_t b)
{
	if (!b)
		return a;
	uint32_t r = r_remu(magnitude(a), magnitude(b));
	return a >> 31 ? 0 - r : r;
}

/* 28 (B) and 32 (Zbkb) */
static uint32_t r_sh1add(uint32_t a, uint32_t b)
{
	return a + a + b;
}
static uint32_t r_sh2add(uint32_t a, uint32_t b)
{
	return r_sh1add(a, a) + a + b;
}
static uint32_t r_sh3add(uint32_t a, uint32_t b)
{
	return a * 8 + b;
}
static uint32_t r_andn(uint32_t a, uint32_t b)
{
	return a & ~b;
}
static uint32_t r_orn(uint32_t a, uint32_t b)
{
	return a | ~b;
}
static uint32_t r_xnor(uint32_t a, uint32_t b)
{
	return (a & b) | (~a & ~b);
}
static uint32_t r_clz(uint32_t a, uint32_t b)
{
	(void)b;
	uint32_t n = 0;
	while (n < 32 && !(a >> (31 - n) & 1))
		n++;
	return n;
}
static uint32_t r_ctz(uint32_t a, uint32_t b)
{
	(void)b;
	uint32_t n = 0;
	while (n < 32 && !(a >> n & 1))
		n++;
	return n;
}
static uint32_t r_cpop(uint32_t a, uint32_t b)
{
	(void)b;
	uint32_t n = 0;
	for (int i = 0; i < 32; i++)
		n += a >> i & 1;
	return n;
}
static uint32_t r_max(uint32_t a, uint32_t b)
{
	return r_slt(a, b) ? b : a;
}
static uint32_t r_min(uint32_t a, uint32_t b)
{
	return r_slt(a, b) ? a : b;
}
static uint32_t r_maxu(uint32_t a, uint32_t b)
{
	return r_sltu(a, b) ? b : a;
}
static uint32_t r_minu(uint32_t a, uint32_t b)
{
	return r_sltu(a, b) ? a : b;
}
static uint32_t r_sext_b(uint32_t a, uint32_t b)
{
	(void)b;
	return (a & 0xff) - (a & 0x80 ? 0x100 : 0);
}
static uint32_t r_sext_h(uint32_t a, uint32_t b)
{
	(void)b;
	return (a & 0xffff) - (a & 0x8000 ? 0x10000 : 0);
}
static uint32_t r_zext_h(uint32_t a, uint32_t b)
{
	(void)b;
	return a & 0xffff;
}
static uint32_t r_rol(uint32_t a, uint32_t b)
{
	for (b &= 31; b; b--)
		a = a + a + (a >> 31);
	return a;
}
static uint32_t r_ror(uint32_t a, uint32_t b)
{
	return r_rol(a, 32 - (b & 31));
}
static uint32_t r_orc_b(uint32_t a, uint32_t b)
{
	(void)b;
	uint32_t r = 0;
	for (int i = 0; i < 32; i += 8)
		if (a >> i & 0xff)
			r |= 0xffu << i;
	return r;
}
static uint32_t r_rev8(uint32_t a, uint32_t b)
{
	(void)b;
	return a << 24 | (a & 0xff00) << 8 | (a >> 8 & 0xff00) | a >> 24;
}
static uint32_t r_bclr(uint32_t a, uint32_t b)
{
	return a & ~(1u << (b & 31));
}
static uint32_t r_bext(uint32_t a, uint32_t b)
{
	return a >> (b & 31) & 1;
}
static uint32_t r_binv(uint32_t a, uint32_t b)
{
	return a ^ 1u << (b & 31);
}
static uint32_t r_bset(uint32_t a, uint32_t b)
{
	return a | 1u << (b & 31);
}
static uint64_t carryless(uint32_t a, uint32_t b)
{
	uint64_t r = 0;
	for (int i = 0; i < 32; i++)
		if (b >> i & 1)
			r ^= (uint64_t)a << i;
	return r;
}
static uint32_t r_clmul(uint32_t a, uint32_t b)
{
	return (uint32_t)carryless(a, b);
}
static uint32_t r_clmulh(uint32_t a, uint32_t b)
{
	return (uint32_t)(carryless(a, b) >> 32);
}
static uint32_t r_clmulr(uint32_t a, uint32_t b)
{
	return (uint32_t)(carryless(a, b) >> 31);
}
static uint32_t r_pack(uint32_t a, uint32_t b)
{
	return (a & 0xffff) | b << 16;
}
static uint32_t r_packh(uint32_t a, uint32_t b)
{
	return (a & 0xff) | (b & 0xff) << 8;
}
static uint32_t r_brev8(uint32_t a, uint32_t b)
{
	(void)b;
	uint32_t r = 0;
	for (int i = 0; i < 32; i++)
		r |= (a >> i & 1) << ((i & 24) | (7 - (i & 7)));
	return r;
}
static uint32_t r_zip(uint32_t a, uint32_t b)
{
	(void)b;
	uint32_t r = 0;
	for (int i = 0; i < 16; i++)
		r |= (a >> i & 1) << 2 * i | (a >> (i + 16) & 1) << (2 * i + 1);
	return r;
}
static uint32_t r_unzip(uint32_t a, uint32_t b)
{
	(void)b;
	uint32_t r = 0;
	for (int i = 0; i < 16; i++)
		r |= (a >> 2 * i & 1) << i | (a >> (2 * i + 1) & 1) << (i + 16);
	return r;
}
static uint32_t r_czero_eqz(uint32_t a, uint32_t b)
{
	return b ? a : 0;
}
static uint32_t r_czero_nez(uint32_t a, uint32_t b)
{
	return b ? 0 : a;
}

#define EXT                       ".option arch, +m, +zba, +zbb, +zbc, +zbs, +zbkb\n"
#define OP(name, reference, text) SNIPPET(op_##reference, EXT text);
#include "base_ops.h"
#undef OP

static const struct {
	const char *name;
	code *pc;
	uint32_t (*reference)(uint32_t, uint32_t);
} ops[] = {
#define OP(name, reference, text) { name, op_##reference, r_##reference },
#include "base_ops.h"
#undef OP
};

/* Immediate shifts: every amount. */
static uint32_t made[2];

static struct trap immediate(uint32_t op, uint32_t amount, uint32_t a)
{
	made[0] = op | amount << 20 | 10 << 15 | 10 << 7;
	made[1] = 0x00008067;
	__asm__ volatile("fence.i" ::: "memory");
	return run_in(U, (code *)made, a, 0);
}

static void immediates(void)
{
	static const struct {
		const char *name;
		uint32_t bits;
		uint32_t (*reference)(uint32_t, uint32_t);
	} all[] = { { "slli", 0x00001013, r_sll }, { "srli", 0x00005013, r_srl },
		{ "srai", 0x40005013, r_sra }, { "rori", 0x60005013, r_ror },
		{ "bclri", 0x48001013, r_bclr }, { "bexti", 0x48005013, r_bext },
		{ "binvi", 0x68001013, r_binv }, { "bseti", 0x28001013, r_bset } };
	for (unsigned k = 0; k < sizeof all / sizeof *all; k++) {
		section("immediate");
		ulong good = 0;
		for (uint32_t n = 0; n < 32; n++)
			for (unsigned i = 0; i < EDGES; i += 3) {
				struct trap t = immediate(all[k].bits, n, edges[i]);
				good += t.cause == C_NONE &&
					t.value == all[k].reference(edges[i], n);
			}
		check(all[k].name, good, 32 * ((EDGES + 2) / 3));
		/* an amount of 32 and more is no RV32 instruction (2.4.1) */
		ulong illegal = 0;
		for (uint32_t n = 32; n < 64; n++)
			illegal += immediate(all[k].bits, n, 1).cause == C_ILLEGAL;
		section("from 32");
		check(all[k].name, illegal, 32);
	}
}

/* What only RV64 has. */
static void absent(void)
{
	static const struct {
		const char *name;
		uint32_t bits;
	} all[] = { { "ld", 0x00053503 }, { "sd", 0x00a53023 }, { "lwu", 0x00056503 },
		{ "addiw", 0x0005051b }, { "slliw", 0x0005151b }, { "addw", 0x00a5053b },
		{ "subw", 0x40a5053b }, { "mulw", 0x02a5053b }, { "divw", 0x02a5453b },
		{ "amoadd.d", 0x00a5352f }, { "lr.d", 0x1005352f }, { "fmv.x.d", 0xe2050553 },
		{ "fcvt.l.s", 0xc0250553 }, { "fcvt.d.lu", 0xd2350553 },
		{ "sh1add.uw", 0x20a5253b }, { "clzw", 0x6005151b }, { "rolw", 0x60a5153b } };
	section("absent");
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
		made[0] = all[i].bits;
		made[1] = 0x00008067;
		__asm__ volatile("fence.i" ::: "memory");
		check(all[i].name, run_in(U, (code *)made, (ulong)made, 0).cause, C_ILLEGAL);
	}
}

/* Compressed instructions, those whose encodings mean something else in RV64 above all. */
SNIPPET(c_jal,
	".option rvc\nmv a1, ra\nc.jal 1f\nc.li a0, 1\nc.j 2f\n1: sub a0, ra, a1\nli a0, 5\n"
	"2: mv ra, a1\n.option norvc\n.balign 4");
SNIPPET(c_jal_link,
	".option rvc\nmv a1, ra\nla a2, 3f\nc.jal 1f\n3: c.nop\n1: sub a0, ra, a2\n"
	"mv ra, a1\n.option norvc\n.balign 4");
SNIPPET(c_jal_back,
	".option rvc\nmv a1, ra\nc.j 2f\n1: li a0, 6\njr ra\n2: c.jal 1b\naddi a0, a0, 1\n"
	"mv ra, a1\n.option norvc\n.balign 4");
SNIPPET(c_flw,
	".option arch, +f, +c\naddi sp, sp, -16\nsw a0, 4(sp)\nmv a2, sp\nc.flw fa0, 4(a2)\n"
	"c.fsw fa0, 8(a2)\nlw a0, 8(sp)\nc.addi16sp sp, 16\n.option norvc\n.balign 4");
SNIPPET(c_flwsp,
	".option arch, +f, +c\naddi sp, sp, -16\nsw a0, 4(sp)\nc.flwsp fa0, 4(sp)\n"
	"c.fswsp fa0, 8(sp)\nlw a0, 8(sp)\naddi sp, sp, 16\n.option norvc\n.balign 4");
SNIPPET(c_fld,
	".option arch, +d, +c\naddi sp, sp, -16\nsw a0, 0(sp)\nsw a1, 4(sp)\nc.fldsp fa0, 0(sp)\n"
	"mv a2, sp\nc.fsd fa0, 8(a2)\nlw a0, 8(sp)\nlw a1, 12(sp)\nxor a0, a0, a1\n"
	"addi sp, sp, 16\n.option norvc\n.balign 4");
SNIPPET(c_alu,
	".option rvc\nc.li a2, -3\nc.mv a3, a0\nc.add a3, a2\nc.sub a3, a1\nc.xor a3, a2\n"
	"c.or a3, a1\nc.and a3, a0\nc.andi a3, -2\nc.addi a3, 7\nc.mv a0, a3\n.option "
	"norvc\n.balign 4");
SNIPPET(c_shift,
	".option rvc\nc.mv a3, a0\nc.slli a3, 4\nc.srai a3, 2\nc.srli a3, 1\nc.mv a0, a3\n"
	".option norvc\n.balign 4");
SNIPPET(c_branch,
	".option rvc\nc.li a3, 0\n1: c.addi a3, 1\nc.addi a0, -1\nc.bnez a0, 1b\n"
	"c.beqz a0, 2f\nc.li a3, 0\n2: c.mv a0, a3\n.option norvc\n.balign 4");
SNIPPET(c_stack,
	".option rvc\nc.addi16sp sp, -64\nc.swsp a0, 12(sp)\nc.lwsp a1, 12(sp)\n"
	"c.addi4spn a2, sp, 12\nc.lw a3, 0(a2)\nc.sw a1, 4(a2)\nc.lwsp a4, 16(sp)\nc.mv a0, a3\n"
	"c.add a0, a4\nc.addi16sp sp, 64\n.option norvc\n.balign 4");
SNIPPET(c_lui,
	".option rvc\nc.lui a0, 0x1f\nc.lui a1, 0xfffe0\nc.add a0, a1\n.option norvc\n.balign 4");
SNIPPET(c_jalr,
	".option rvc\nmv a1, ra\nla a2, 1f\nc.jalr a2\n1: sub a0, ra, a2\nmv ra, a1\n"
	".option norvc\n.balign 4");
SNIPPET(c_srli32, ".half 0x9101\n.half 0x0001"); /* c.srli a0, 32: reserved */
SNIPPET(c_ld, ".half 0x6108\n.half 0x0001"); /* c.ld's bits: c.flw */
SNIPPET(c_subw, ".half 0x9d0d\n.half 0x0001"); /* c.subw: reserved in RV32 */

static void compressed(void)
{
	section("compressed");
	check_value("c.jal", run_in(U, c_jal, 0, 0), 5);
	check_value("c.jal link", run_in(U, c_jal_link, 0, 0), 0);
	check_value("c.jal back", run_in(U, c_jal_back, 0, 0), 7);
	check_value("c.flw c.fsw", run_in(U, c_flw, 0x3f812345, 0), 0x3f812345);
	check_value("c.flwsp c.fswsp", run_in(U, c_flwsp, 0xff812345, 0), 0xff812345);
	check_value(
		"c.fldsp c.fsd", run_in(U, c_fld, 0x12345678, 0x0f0f0f0f), 0x12345678 ^ 0x0f0f0f0f);
	uint32_t a = 0x12345, b = 0xfff, x = ((a - 3 - b) ^ 0xfffffffd);
	check_value("alu", run_in(U, c_alu, a, b), (((x | b) & a) & ~1u) + 7);
	check_value("shifts", run_in(U, c_shift, 0x98765432, 0),
		(uint32_t)((int32_t)(0x98765432u << 4) >> 2) >> 1);
	check_value("branches", run_in(U, c_branch, 9, 0), 9);
	check_value("stack", run_in(U, c_stack, 0x1111, 0), 0x2222);
	check_value("c.lui", run_in(U, c_lui, 0, 0), 0x1f000 + 0xfffe0000);
	check_value("c.jalr", run_in(U, c_jalr, 0, 0), 0);
	check("c.srli 32", run_in(U, c_srli32, 0, 0).cause, C_ILLEGAL);
	check("c.ld is c.flw", run_in(U, c_ld, (ulong)made, 0).cause, C_NONE);
	check("c.subw", run_in(U, c_subw, 0, 0).cause, C_ILLEGAL);
}

/* lui, auipc, jumps, branches at the ends of the 32-bit range. */
SNIPPET(j_lui, "lui a0, 0xfffff");
SNIPPET(j_auipc, "auipc a0, 0x80000\nla a1, j_auipc\nsub a0, a0, a1");
SNIPPET(j_wrap,
	"lui a1, 0x80000\nla a0, 1f\nadd a0, a0, a1\nsub a0, a0, a1\njr a0\nnop\n1: li a0, 3");
SNIPPET(j_neg, "la a0, 1f\naddi a0, a0, 2047\njalr a1, -2047(a0)\nnop\n1: li a0, 4");
SNIPPET(j_bltu,
	"li a0, 0\nli a1, -1\nbltu a0, a1, 1f\nret\n1: blt a1, a0, 2f\nret\n2: bgeu a1, a0, 3f\n"
	"ret\n3: bge a0, a1, 4f\nret\n4: li a0, 5");
SNIPPET(l_all,
	"lb a1, 0(a0)\nlbu a2, 0(a0)\nlh a3, 0(a0)\nlhu a4, 0(a0)\nlw a5, 0(a0)\nadd a0, a1, a2\n"
	"add a0, a0, a3\nadd a0, a0, a4\nadd a0, a0, a5");

static void control(void)
{
	section("control");
	check_value("lui", run_in(U, j_lui, 0, 0), 0xfffff000);
	check_value("auipc", run_in(U, j_auipc, 0, 0), 0x80000000);
	check_value("sum wraps", run_in(U, j_wrap, 0, 0), 3);
	check_value("negative offset", run_in(U, j_neg, 0, 0), 4);
	check_value("branches", run_in(U, j_bltu, 0, 0), 5);
	made[0] = 0x8081fefe;
	uint32_t w = made[0];
	check_value("loads", run_in(U, l_all, (ulong)made, 0),
		0xfffffffe + 0xfe + 0xfffffefe + 0xfefe + w);
}

void test_main(void)
{
	for (unsigned k = 0; k < sizeof ops / sizeof *ops; k++) {
		ulong good = 0;
		for (unsigned i = 0; i < EDGES; i++)
			for (unsigned j = 0; j < EDGES; j++) {
				struct trap t = run_in(U, ops[k].pc, edges[i], edges[j]);
				good += t.cause == C_NONE &&
					t.value == ops[k].reference(edges[i], edges[j]);
			}
		check(ops[k].name, good, EDGES * EDGES);
	}
	immediates();
	absent();
	compressed();
	control();
}
