/* SPDX-License-Identifier: MIT */
/* Translating vector instructions whose whole groups are meant: what the tr_vec*.c files share. Each
 * function returns 0 if the instruction is the helper's after all; what it emitted is forgotten then. */
#ifndef CPU_RISCV_TR_VEC_H
#define CPU_RISCV_TR_VEC_H
#include "tr.h"

enum { TV_CHUNKS = 8 }; /* of 128 bits: more are the helper's */

struct tr_vec {
	struct tr *t;
	int sew, lmul; /* log2 of SEW's bytes, of LMUL */
	unsigned lane; /* BP_T_I8...: an integer of SEW bits */
	unsigned lanes, chunks; /* of a group: VLMAX, and how many times 128 bits */
	unsigned scalar; /* tv_first */
};

typedef int tv_fn(struct tr_vec *v, int p, int q);
struct tv_rule {
	tv_fn *fn;
	int16_t p, q;
};
extern const struct tv_rule tv_rules[RV_OP_COUNT];

enum tv_how { TV_SWAP = 1, TV_SHIFT = 2, TV_MADD = 4, TV_NOT = 8 };

static inline uint32_t tv_offset(const struct tr_vec *v, unsigned reg, unsigned chunk)
{
	return (uint32_t)(offsetof(struct rv_cpu, v) + reg * (v->t->cfg->vlen / 8) + 16 * chunk);
}

unsigned tv_get(struct tr_vec *v, unsigned reg, unsigned chunk);
void tv_put(struct tr_vec *v, unsigned reg, unsigned chunk, unsigned value);
unsigned tv_op(struct tr_vec *v, unsigned op, unsigned lane, unsigned a, unsigned b);
unsigned tv_opi(struct tr_vec *v, unsigned op, unsigned lane, unsigned a, int32_t imm);
unsigned tv_splat(struct tr_vec *v, unsigned lane, unsigned value);
unsigned tv_splat_const(struct tr_vec *v, unsigned lane, uint64_t value);
unsigned tv_fp_lane(const struct tr_vec *v); /* 0: SEW is no format of this hart's, or frm is bad */
int tv_first(struct tr_vec *v, unsigned lane, unsigned bits);
int tv_groups_ok(const struct tr_vec *v);

/* tr_vec.c */
tv_fn tv_two, tv_multiply_add, tv_move, tv_move_whole, tv_element, tv_unit, tv_whole;
/* tr_vec_mask.c, tr_vec_fp.c */
tv_fn tv_compare, tv_reduce, tv_mask_count, tv_mask_logic, tv_fp, tv_fp_sqrt, tv_fp_sign, tv_fma,
	tv_fp_compare, tv_fp_sum, tv_from_int;

/* Lanes of all ones or zeros. */
typedef unsigned tv_compare_fn(struct tr_vec *v, unsigned x, unsigned y, const void *how);
int tv_to_mask(struct tr_vec *v, unsigned lane, tv_compare_fn *compare, const void *how);

#endif
