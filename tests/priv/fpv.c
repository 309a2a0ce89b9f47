/* SPDX-License-Identifier: MIT */
/* FS and VS: off is illegal, writes make dirty; the CSRs of F and V (Privileged 3.1.6.6,
 * Unprivileged 11.2, 30.3). */
#include "priv.h"

#define FP  ".option arch, +f, +d\n"
#define VEC ".option arch, +v\n"
SNIPPET(f_add, FP "fadd.s fa0, fa1, fa2");
SNIPPET(f_ld, FP "la a0, contexts\nfld fa0, 0(a0)");
SNIPPET(f_sd, FP "fsd fa0, 0(sp)");
SNIPPET(f_mv, FP "fmv.x.w a0, fa0");
SNIPPET(f_cvt, FP "fcvt.s.w fa0, zero");
SNIPPET(f_rd_fcsr, "csrr a0, fcsr");
SNIPPET(f_rd_frm, "csrr a0, frm");
SNIPPET(f_rd_flags, "csrr a0, fflags");
SNIPPET(f_wr_fcsr, "csrw fcsr, a0\ncsrr a0, fcsr");
SNIPPET(f_wr_frm, "csrw frm, a0\ncsrr a0, fcsr");
SNIPPET(f_wr_flags, "csrw fflags, a0\ncsrr a0, fcsr");
SNIPPET(f_dyn, FP "csrw frm, a0\nfadd.s fa0, fa1, fa2, dyn");
SNIPPET(f_rm5, ".word 0x00c5d553"); /* fadd.s fa0, fa1, fa2 with rm 5 */
SNIPPET(f_rm6, ".word 0x00c5e553");
SNIPPET(f_div0,
	FP "fcvt.s.w fa1, zero\nli a0, 1\nfcvt.s.w fa0, a0\ncsrw fflags, zero\n"
	   "fdiv.s fa0, fa0, fa1\ncsrr a0, fflags");
SNIPPET(f_sticky,
	FP "fcvt.s.w fa1, zero\nli a0, 1\nfcvt.s.w fa0, a0\ncsrw fflags, a0\n"
	   "fdiv.s fa0, fa0, fa1\ncsrr a0, fflags");
SNIPPET(f_loop,
	FP "li a0, 16\ncsrw fflags, a0\nli a1, 9\n1: csrr a2, fflags\ncsrw fflags, zero\n"
	   "csrr a2, fflags\ncsrw fflags, zero\naddi a1, a1, -1\nbnez a1, 1b\ncsrr a0, fflags");
SNIPPET(f_zfh, ".option arch, +zfh\nfadd.h fa0, fa1, fa2");
SNIPPET(w_setvl, VEC "vsetvli a0, a0, e32, m1, ta, ma");
SNIPPET(w_add, VEC "vadd.vv v1, v2, v3");
SNIPPET(w_load, VEC "la a0, contexts\nvle32.v v1, (a0)");
SNIPPET(w_vl, "csrr a0, vl");
SNIPPET(w_vtype, "csrr a0, vtype");
SNIPPET(w_vlenb, "csrr a0, vlenb");
SNIPPET(w_vstart, "csrw vstart, a0\ncsrr a0, vstart");
SNIPPET(w_vxrm, "csrw vxrm, a0\ncsrr a0, vxrm");
SNIPPET(w_vxsat, "csrw vxsat, a0\ncsrr a0, vxsat");
SNIPPET(w_vcsr, "csrw vcsr, a0\ncsrr a0, vxrm\ncsrr a1, vxsat\nslli a0, a0, 8\nor a0, a0, a1");
SNIPPET(w_wr_vl, "csrw vl, a0");
SNIPPET(w_wr_vtype, "csrw vtype, a0");
SNIPPET(w_vill, VEC "li a0, 1\nvsetvl a0, a0, a1\ncsrr a0, vtype");
SNIPPET(w_vill_use, VEC "li a0, 1\nvsetvl a0, a0, a1\nvadd.vv v1, v2, v3");
SNIPPET(w_vill_vl, VEC "li a0, 1\nvsetvl a0, a0, a1\ncsrr a0, vl");
SNIPPET(w_vlmax, VEC "vsetvli a0, zero, e8, m1, ta, ma");
SNIPPET(w_vlmax8, VEC "vsetvli a0, zero, e8, m8, ta, ma");
SNIPPET(w_avl, VEC "li a0, 3\nvsetvli a0, a0, e8, m1, ta, ma\ncsrr a0, vl");
SNIPPET(w_keep,
	VEC
	"li a0, 3\nvsetvli a0, a0, e8, m1, ta, ma\nvsetvli x0, x0, e16, m2, ta, ma\ncsrr a0, vl");
SNIPPET(w_mask_v0,
	VEC
	"li a0, 3\nvsetvli a0, a0, e8, m1, ta, ma\n.word 0x00208057 | 3 << 15"); /* vadd.vv v0, ..., v0.t */
SNIPPET(w_group, VEC "vsetvli a0, zero, e8, m2, ta, ma\n.word 0x022180d7"); /* vadd.vv v1 with m2 */
SNIPPET(w_vstart_arith,
	VEC "li a0, 3\nvsetvli a0, a0, e8, m1, ta, ma\nli a0, 1\n"
	    "csrw vstart, a0\nvid.v v1\ncsrr a0, vstart");

static void off(const char *name, int mode, bool fp, code *pc)
{
	csr_write("mstatus", FS(fp ? 0 : 3) | VS(fp ? 3 : 0));
	struct trap t = run_in(mode, pc, 0, 0);
	check(name, t.cause, C_ILLEGAL);
	csr_write("mstatus", FS(3) | VS(3));
}

/* The state after running with FS or VS = Initial. */
static ulong after(code *pc, bool fp)
{
	csr_write("mstatus", FS(fp ? 1 : 0) | VS(fp ? 0 : 1));
	struct trap t = run_in(S, pc, 0, 0);
	ulong s = fp ? t.status >> 13 & 3 : t.status >> 9 & 3;
	csr_write("mstatus", FS(3) | VS(3));
	return t.cause == C_NONE ? s : 0x100 + t.cause;
}

static void floating(void)
{
	static const struct {
		const char *name;
		code *pc;
		bool dirties; /* it certainly writes F state */
	} all[] = { { "fadd.s", f_add, true }, { "fld", f_ld, true }, { "fsd", f_sd, false },
		{ "fmv.x.w", f_mv, false }, { "fcvt.s.w", f_cvt, true },
		{ "csrr fcsr", f_rd_fcsr, false }, { "csrr frm", f_rd_frm, false },
		{ "csrr fflags", f_rd_flags, false }, { "csrw fcsr", f_wr_fcsr, true },
		{ "csrw frm", f_wr_frm, true }, { "csrw fflags", f_wr_flags, true },
		{ "fadd.h", f_zfh, true } };
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
		section("fs off M");
		off(all[i].name, M, true, all[i].pc);
		section("fs off S");
		off(all[i].name, S, true, all[i].pc);
		section("fs off U");
		off(all[i].name, U, true, all[i].pc);
		section("fs initial");
		/* Dirty more often than needed is allowed, less often is not. */
		if (all[i].dirties)
			check(all[i].name, after(all[i].pc, true), 3);
		else
			check2(all[i].name, after(all[i].pc, true), 1, 3);
	}
	section("fcsr");
	check_value("all bits", run_in(U, f_wr_fcsr, -1ul, 0), 0xff);
	check_value("frm", run_in(U, f_wr_frm, 0xfffffff3, 0), 0x7f);
	check_value("fflags", run_in(U, f_wr_flags, 0xffffffe5, 0), 0x65);
	check_value("zero", run_in(U, f_wr_fcsr, 0, 0), 0);
	for (ulong rm = 0; rm < 8; rm++) {
		static char name[] = "dyn rm 0";
		name[7] = (char)('0' + rm);
		check(name, run_in(U, f_dyn, rm, 0).cause, rm < 5 ? C_NONE : C_ILLEGAL);
	}
	run_in(U, f_wr_fcsr, 0, 0);
	check("static rm 5", run_in(U, f_rm5, 0, 0).cause, C_ILLEGAL);
	check("static rm 6", run_in(U, f_rm6, 0, 0).cause, C_ILLEGAL);
	check_value("division by zero", run_in(U, f_div0, 0, 0), 8);
	check_value("flags stick", run_in(U, f_sticky, 0, 0), 9);
	check_value("flags cleared in a loop", run_in(U, f_loop, 0, 0), 0);
	run_in(U, f_wr_fcsr, 0, 0);
}

static void vectors(void)
{
	static const struct {
		const char *name;
		code *pc;
		bool dirties;
	} all[] = { { "vsetvli", w_setvl, true }, { "csrr vl", w_vl, false },
		{ "csrr vtype", w_vtype, false }, { "csrr vlenb", w_vlenb, false },
		{ "csrw vstart", w_vstart, true }, { "csrw vxrm", w_vxrm, true },
		{ "csrw vxsat", w_vxsat, true }, { "csrw vcsr", w_vcsr, true },
		{ "vadd.vv", w_add, true }, { "vle32.v", w_load, true } };
	csr_write("mstatus", FS(3) | VS(3));
	run_in(S, w_setvl, 4, 0); /* a legal vtype for what follows */
	for (unsigned i = 0; i < sizeof all / sizeof *all; i++) {
		section("vs off M");
		off(all[i].name, M, false, all[i].pc);
		section("vs off S");
		off(all[i].name, S, false, all[i].pc);
		section("vs off U");
		off(all[i].name, U, false, all[i].pc);
		section("vs initial");
		run_in(S, w_setvl, 4, 0);
		if (all[i].dirties)
			check(all[i].name, after(all[i].pc, false), 3);
		else
			check2(all[i].name, after(all[i].pc, false), 1, 3);
	}
	section("vcsr");
	check("write vl", run_in(M, w_wr_vl, 0, 0).cause, C_ILLEGAL);
	check("write vtype", run_in(M, w_wr_vtype, 0, 0).cause, C_ILLEGAL);
	check_value("vlenb", run_in(U, w_vlenb, 0, 0), 16); /* VLEN 128 */
	check_value("vxrm", run_in(U, w_vxrm, -1ul, 0), 3);
	check_value("vxsat", run_in(U, w_vxsat, -1ul, 0), 1);
	check_value("vcsr", run_in(U, w_vcsr, 5, 0), 0x201);
	check_value("vcsr zero", run_in(U, w_vcsr, 0, 0), 0);
	check_value("vstart", run_in(U, w_vstart, -1ul, 0), 127); /* as many bits as VLMAX needs */
	check_value("vstart zero", run_in(U, w_vstart, 0, 0), 0);
	check_value("vlmax m1", run_in(U, w_vlmax, 0, 0), 16);
	check_value("vlmax m8", run_in(U, w_vlmax8, 0, 0), 128);
	check_value("avl 3", run_in(U, w_avl, 0, 0), 3);
	check_value("vl kept", run_in(U, w_keep, 0, 0), 3);
	check_value("vstart after use", run_in(U, w_vstart_arith, 0, 0), 0);
	section("vill");
	ulong vill = BIT(__riscv_xlen - 1);
	check_value("sew 128", run_in(U, w_vill, 0, 4 << 3), vill);
	check_value("lmul 4", run_in(U, w_vill, 0, 4), vill);
	check_value("bit 8", run_in(U, w_vill, 0, 0x100), vill);
	check_value("vill", run_in(U, w_vill, 0, vill), vill);
	check_value("e64 mf2", run_in(U, w_vill, 0, 3 << 3 | 7), vill); /* LMUL < SEW/ELEN */
	check_value("vl", run_in(U, w_vill_vl, 0, vill), 0);
	check("use", run_in(U, w_vill_use, 0, vill).cause, C_ILLEGAL);
	section("reserved");
	check("v0 masked into v0", run_in(U, w_mask_v0, 0, 0).cause, C_ILLEGAL);
	check("odd group", run_in(U, w_group, 0, 0).cause, C_ILLEGAL);
}

void test_main(void)
{
	floating();
	vectors();
}
