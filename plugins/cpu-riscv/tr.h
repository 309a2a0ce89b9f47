/* SPDX-License-Identifier: MIT */
/* Translating one instruction: what the tr_*.c files share. rules.c names, for each row of the
 * encoding table, the function here that translates it and two parameters of that function. */
#ifndef CPU_RISCV_TR_H
#define CPU_RISCV_TR_H
#include "state.h"

struct tr { /* one instruction being translated */
	const struct rv_config *cfg;
	struct bp_insn *in;
	struct bp_ir_cursor *c;
	uint64_t key;
	uint32_t insn;
	enum rv_op op; /* what it expands to: c.addi is addi */
	struct rv_args a;
	unsigned xt; /* type of an x register: BP_T_I32 or BP_T_I64 */
	unsigned xlen;
};

typedef void tr_fn(struct tr *t, int p, int q);
struct rule {
	tr_fn *fn;
	int16_t p, q;
};
extern const struct rule rv_rules[RV_OP_COUNT];

#define X_OFFSET(n) ((uint32_t)(offsetof(struct rv_cpu, x) + 8u * (n)))
#define F_OFFSET(n) ((uint32_t)(offsetof(struct rv_cpu, f) + 8u * (n)))

/* Registers as values; x0 reads as zero and takes nothing. */
unsigned tr_x(struct tr *t, unsigned n);
unsigned tr_xw(struct tr *t, unsigned n); /* low 32 bits, I32 */
void tr_set_x(struct tr *t, unsigned n, unsigned value);
void tr_set_xw(struct tr *t, unsigned n, unsigned value); /* from I32, sign-extended */
void tr_set_bool(struct tr *t, unsigned n, unsigned i1);
unsigned tr_pcrel(struct tr *t, int32_t offset); /* I64 */
/* Address of a memory access: the value, and what is left as displacement in *disp. */
unsigned tr_addr(struct tr *t, unsigned base, int32_t imm, int32_t *disp);
uint32_t tr_memop(const struct tr *t, unsigned size_log2, int is_signed);
void tr_illegal(struct tr *t);
/* CALL a helper with up to four operands; returns the id of its first result. */
unsigned tr_call(struct tr *t, unsigned helper, unsigned a, unsigned b, unsigned c, unsigned d);
unsigned tr_const(struct tr *t, uint64_t value); /* I64 */
void tr_resync(struct tr *t);
/* An f register's value as a number of the format; its bits from an integer of its width. */
unsigned tr_f(struct tr *t, unsigned type, unsigned n);
void tr_set_f_bits(struct tr *t, unsigned type, unsigned n, unsigned value);
/* The FP unit is about to change state: it is dirty from here on. -1: it is off. */
int tr_use_fp(struct tr *t);

/* tr_int.c */
tr_fn tr_alu, tr_alui, tr_aluw, tr_aluwi, tr_shift, tr_shifti, tr_shiftw, tr_shiftwi, tr_slt,
	tr_slti, tr_lui, tr_auipc, tr_jal, tr_jalr, tr_branch;
/* tr_bit.c */
tr_fn tr_shadd, tr_shadd_uw, tr_add_uw, tr_slli_uw, tr_notop, tr_unary, tr_unaryw, tr_extend,
	tr_orcb, tr_bitop, tr_bitopi, tr_bext, tr_bexti, tr_clmulr, tr_pack, tr_packh, tr_packw,
	tr_zip, tr_czero;
/* tr_mem.c */
tr_fn tr_load, tr_store, tr_lr, tr_sc, tr_amo, tr_amocas, tr_amocas_pair, tr_fence;
/* tr_fp.c: p is the format's type */
tr_fn tr_fload, tr_fstore, tr_farith, tr_fsqrt, tr_fma, tr_fminmax, tr_fcmp, tr_fsgnj, tr_fclass,
	tr_fcvt, tr_ftoi, tr_itof, tr_fmv_to_x, tr_fmv_from_x, tr_fround, tr_fli, tr_fcvtmod,
	tr_fmvh, tr_fmvp;
/* tr_sys.c */
tr_fn tr_nop, tr_ecall, tr_ebreak, tr_csr, tr_xret, tr_wfi, tr_wrs, tr_sfence, tr_fence_i, tr_cbo;
/* tr_vec.c */
tr_fn tr_vsetvl;
/* tr_vec.c: every vector instruction but vset* */
void tr_vector(struct tr *t);

#endif
