/* SPDX-License-Identifier: MIT */
/* The vector extension (unpriv 30) as helpers: what the vec_*.c files share.
 *
 *   vec_set.c    vsetvl; entry of all others: operands, reserved encodings, then the row's `run`
 *   vec_table.c  one row an encoding: which function, which widths, which limits
 *   vec_mem.c    loads and stores
 *   vec_int.c    element-wise loops; integer kernels, comparisons, reductions
 *   vec_fixed.c  fixed-point kernels
 *   vec_fp.c     floating-point kernels, comparisons, reductions, conversions
 *   vec_perm.c   masks, slides, gathers, moves
 *
 * Tail and masked-off elements always keep their value, which the agnostic policies allow too. */
#ifndef CPU_RISCV_VEC_H
#define CPU_RISCV_VEC_H
#include "state.h"
#include <string.h>

__extension__ typedef unsigned __int128 vec_u128;
__extension__ typedef __int128 vec_s128;

/* What an operand's elements are: EEW and EMUL as they follow from SEW and LMUL (unpriv 30.5.2). */
enum vec_width {
	VW_NONE,
	VW_SEW,
	VW_WIDE, /* 2 * SEW, 2 * LMUL */
	VW_MASK, /* EEW 1, one register */
	VW_ONE, /* element 0 of one register, SEW */
	VW_ONE_WIDE, /* element 0 of one register, 2 * SEW */
	VW_HALF, /* SEW / 2, LMUL / 2 */
	VW_QUARTER,
	VW_EIGHTH,
	VW_16 /* EEW 16, EMUL to match */
};

enum vec_flags {
	VF_SIGN1 = 1, /* the first source (vs1, x, immediate) is sign-extended for the kernel */
	VF_SIGN2 = 2, /* vs2 is */
	VF_NO_OVERLAP = 4, /* the destination may not overlap any source */
	VF_START0 = 8, /* vstart must be 0 */
	VF_FP_SEW = 16, /* SEW must be a floating-point format that the hart has */
	VF_FP_WIDE = 32, /* 2 * SEW must be */
	VF_FRM = 64, /* frm must be valid */
	VF_WHOLE = 128, /* nf registers, whatever vl and vtype are */
	VF_STORE = 256,
	VF_LOOSE =
		512 /* sources may overlap the mask and each other whatever their EEWs: reserved, but
			 * other implementations execute it, and so may this one */
};

struct vec;
/* Execute; returns enum bp_helper_status. */
typedef int vec_run(struct vec *v);
/* One element: a from vs2, b from vs1 or the scalar, c the destination's old value (or the mask bit
 * of a carry operation), all zero- or sign-extended as the row says. bits: SEW. What is stored is
 * the low part of the result. */
typedef uint64_t vec_kernel(struct vec *v, uint64_t a, uint64_t b, uint64_t c, unsigned bits);

struct vec_rule {
	vec_run *run;
	vec_kernel *kernel;
	uint8_t d, s2, s1; /* enum vec_width of vd, vs2 and (if it is a vector) vs1 */
	uint8_t p; /* of the run function or kernel: an operation, log2 of bytes */
	uint8_t detail; /* of a floating-point operation */
	uint16_t flags; /* enum vec_flags */
};
extern const struct vec_rule vec_rules[RV_OP_COUNT];

/* One instruction being executed. */
struct vec {
	struct rv_cpu *cpu;
	const struct vec_rule *rule;
	struct rv_args a;
	uint32_t insn;
	unsigned vlenb;
	int sew; /* log2 of the bytes */
	int lmul; /* log2 */
	uint64_t vl, start, vlmax;
	uint8_t *v0, *d, *s1, *s2; /* s1: NULL if the first source is a scalar */
	int size_d, size1, size2; /* log2 of the bytes of their elements */
	uint64_t scalar; /* x, immediate or f: SEW bits, extended as the row says */
	uint64_t x; /* rs1 as it is in the state, or the immediate */
	unsigned format, wide_format; /* enum bp_fp_format of SEW and 2 * SEW */
	uint32_t fflags; /* to be or-ed into the state's at the end */
};

static inline unsigned vec_bits(const struct vec *v)
{
	return 8u << v->sew;
}

static inline uint64_t vec_zext(uint64_t x, unsigned bits)
{
	return x << (64 - bits) >> (64 - bits);
}

static inline int64_t vec_sext(uint64_t x, unsigned bits)
{
	return (int64_t)(x << (64 - bits)) >> (64 - bits);
}

/* Element i of 1 << size bytes. Registers are little-endian, and so are all hosts so far. */
static inline uint64_t vec_get(const uint8_t *reg, uint64_t i, int size)
{
	uint16_t h;
	uint32_t w;
	uint64_t d;
	switch (size) {
	case 0: return reg[i];
	case 1: memcpy(&h, reg + 2 * i, 2); return h;
	case 2: memcpy(&w, reg + 4 * i, 4); return w;
	default: memcpy(&d, reg + 8 * i, 8); return d;
	}
}

static inline void vec_put(uint8_t *reg, uint64_t i, int size, uint64_t value)
{
	uint16_t h = (uint16_t)value;
	uint32_t w = (uint32_t)value;
	switch (size) {
	case 0: reg[i] = (uint8_t)value; break;
	case 1: memcpy(reg + 2 * i, &h, 2); break;
	case 2: memcpy(reg + 4 * i, &w, 4); break;
	default: memcpy(reg + 8 * i, &value, 8);
	}
}

static inline unsigned vec_bit(const uint8_t *reg, uint64_t i)
{
	return reg[i / 8] >> (i % 8) & 1;
}

static inline void vec_put_bit(uint8_t *reg, uint64_t i, unsigned bit)
{
	uint8_t mask = (uint8_t)(1u << (i % 8));
	reg[i / 8] = (uint8_t)(bit ? reg[i / 8] | mask : reg[i / 8] & ~mask);
}

static inline int vec_active(const struct vec *v, uint64_t i)
{
	return v->a.vm || vec_bit(v->v0, i);
}

static inline uint8_t *vec_reg(struct rv_cpu *cpu, unsigned n)
{
	return cpu->v + n * (cpu->config.vlen / 8);
}

/* Write x register n; on RV32 the high half stays zero. */
static inline void vec_set_x(struct vec *v, unsigned n, uint64_t value)
{
	if (n)
		v->cpu->x[n] = v->cpu->config.xlen == 32 ? (uint32_t)value : value;
}

/* ---- reserved encodings (vec_set.c) ---- */

struct vec_group { /* an operand's registers */
	int reg, eew, emul; /* eew: bits; emul: log2 */
	int count; /* registers, all fields of a segment */
};
/* The group at reg; 0 if its EMUL is out of range or the number is not aligned. */
int vec_group(struct vec_group *g, unsigned reg, int eew, int emul, unsigned fields);
/* Whether d may overlap s as they do (unpriv 30.5.2). */
int vec_overlap_ok(const struct vec_group *d, const struct vec_group *s, int never);
/* Whether s, beside a mask in v0, is read with one EEW only. */
int vec_mask_ok(const struct vec *v, const struct vec_group *s);
int vec_illegal(struct vec *v);

/* ---- rows' functions ---- */

/* vec_int.c: the generic loop, and loops where the kernel is known to the compiler */
vec_run vec_map, vec_compare, vec_carry, vec_carry_out, vec_reduce;
vec_run vec_add, vec_sub, vec_rsub, vec_and, vec_or, vec_xor, vec_sll, vec_srl, vec_sra, vec_mul,
	vec_macc, vec_move, vec_seq, vec_sne;
vec_kernel vk_add, vk_sub, vk_rsub, vk_and, vk_or, vk_xor, vk_minu, vk_min, vk_maxu, vk_max, vk_sll,
	vk_srl, vk_sra, vk_mul, vk_mulh, vk_mulhu, vk_mulhsu, vk_divu, vk_div, vk_remu, vk_rem,
	vk_madd, vk_nmsub, vk_macc, vk_nmsac, vk_nsrl, vk_nsra, vk_second, vk_first, vk_adc, vk_sbc,
	vk_madc, vk_msbc, vk_merge, vk_sltu, vk_slt, vk_sleu, vk_sle, vk_sgtu, vk_sgt;
/* vec_fixed.c */
vec_kernel vk_saddu, vk_sadd, vk_ssubu, vk_ssub, vk_aadd, vk_asub, vk_smul, vk_ssrl, vk_ssra,
	vk_nclipu, vk_nclip;
/* vec_fp.c; p: enum bp_float_op, of vk_fcvt: */
enum vec_fcvt {
	VEC_F_TO_XU,
	VEC_F_TO_X,
	VEC_XU_TO_F,
	VEC_X_TO_F,
	VEC_F_TO_XU_RTZ,
	VEC_F_TO_X_RTZ,
	VEC_F_TO_F,
	VEC_F_TO_F_ROD
};
vec_run vec_freduce;
vec_kernel vk_fp, vk_fp_reverse, vk_fp_wide, vk_fp_wide_a, vk_fmacc, vk_fmadd, vk_fwmacc, vk_fsgnj,
	vk_fcmp, vk_fcmp_not, vk_fcmp_swap, vk_fclass, vk_frec7, vk_frsqrt7, vk_fcvt;
/* vec_perm.c; p of vec_mask_logic: */
enum vec_logic { VEC_AND, VEC_NAND, VEC_ANDN, VEC_XOR, VEC_OR, VEC_NOR, VEC_ORN, VEC_XNOR };
vec_run vec_mask_logic, vec_cpop, vec_first, vec_set_first, vec_iota, vec_id, vec_slideup,
	vec_slidedown, vec_slide1up, vec_slide1down, vec_gather, vec_compress, vec_move_to_x,
	vec_move_from_scalar, vec_move_to_f, vec_move_whole;
/* vec_mem.c; p: log2 of the element's bytes */
vec_run vec_unit, vec_strided, vec_indexed, vec_first_only, vec_mask_memory, vec_whole_memory;

#endif
