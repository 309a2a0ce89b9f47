/* SPDX-License-Identifier: MIT */
/* One row an encoding: what executes it and what its operands are. The row's format in encodings.tab
 * tells whether the first source is vs1, an x register, an f register or an immediate. */
#include "vec.h"

/* Encodings of one operation by their suffixes. */
#define VV(op, ...)   [RV_OP_##op##_VV] = { __VA_ARGS__ }
#define VX(op, ...)   [RV_OP_##op##_VX] = { __VA_ARGS__ }
#define VI(op, ...)   [RV_OP_##op##_VI] = { __VA_ARGS__ }
#define VF(op, ...)   [RV_OP_##op##_VF] = { __VA_ARGS__ }
#define VS(op, ...)   [RV_OP_##op##_VS] = { __VA_ARGS__ }
#define VVX(op, ...)  VV(op, __VA_ARGS__), VX(op, __VA_ARGS__)
#define VVXI(op, ...) VVX(op, __VA_ARGS__), VI(op, __VA_ARGS__)
#define VXI(op, ...)  VX(op, __VA_ARGS__), VI(op, __VA_ARGS__)
#define VVF(op, ...)  VV(op, __VA_ARGS__), VF(op, __VA_ARGS__)
#define WVX(op, ...)  [RV_OP_##op##_WV] = { __VA_ARGS__ }, [RV_OP_##op##_WX] = { __VA_ARGS__ }
#define WVXI(op, ...) WVX(op, __VA_ARGS__), [RV_OP_##op##_WI] = { __VA_ARGS__ }
#define WVF(op, ...)  [RV_OP_##op##_WV] = { __VA_ARGS__ }, [RV_OP_##op##_WF] = { __VA_ARGS__ }

/* Widths of vd, vs2, vs1 that recur: all SEW; widening; narrowing; comparison; one scalar */
#define SSS .d = VW_SEW, .s2 = VW_SEW, .s1 = VW_SEW
#define WSS .d = VW_WIDE, .s2 = VW_SEW, .s1 = VW_SEW
#define WWS .d = VW_WIDE, .s2 = VW_WIDE, .s1 = VW_SEW
#define SWS .d = VW_SEW, .s2 = VW_WIDE, .s1 = VW_SEW
#define MSS .d = VW_MASK, .s2 = VW_SEW, .s1 = VW_SEW
#define MMM .d = VW_MASK, .s2 = VW_MASK, .s1 = VW_MASK
#define OSO .d = VW_ONE, .s2 = VW_SEW, .s1 = VW_ONE
#define QSQ .d = VW_ONE_WIDE, .s2 = VW_SEW, .s1 = VW_ONE_WIDE

#define SIGNED VF_SIGN1 | VF_SIGN2
#define FPU    VF_FP_SEW | VF_FRM
#define FPW    VF_FP_SEW | VF_FP_WIDE | VF_FRM

#define MAP(k)       .run = vec_map, .kernel = (k)
#define COMPARE(k)   .run = vec_compare, .kernel = (k)
#define CARRY(k)     .run = vec_carry, .kernel = (k), SSS, .flags = VF_LOOSE
#define CARRY_OUT(k) .run = vec_carry_out, .kernel = (k), MSS, .flags = VF_LOOSE
#define REDUCE(k)    .run = vec_reduce, .kernel = (k)
#define FP(op)       .p = BP_FLOAT_##op
#define FMA(n)       .detail = (n)

/* Memory: nf = 1 and segments; p is log2 of the element's or index's bytes. */
#define MEMORY(bits, n)                                                                            \
	[RV_OP_VLE##bits##_V] = { .run = vec_unit, .p = (n) },                                     \
	[RV_OP_VSE##bits##_V] = { .run = vec_unit, .p = (n), .flags = VF_STORE },                  \
	[RV_OP_VLE##bits##FF_V] = { .run = vec_first_only, .p = (n) },                             \
	[RV_OP_VLSE##bits##_V] = { .run = vec_strided, .p = (n) },                                 \
	[RV_OP_VSSE##bits##_V] = { .run = vec_strided, .p = (n), .flags = VF_STORE },              \
	[RV_OP_VLUXEI##bits##_V] = { .run = vec_indexed, .p = (n) },                               \
	[RV_OP_VLOXEI##bits##_V] = { .run = vec_indexed, .p = (n) },                               \
	[RV_OP_VSUXEI##bits##_V] = { .run = vec_indexed, .p = (n), .flags = VF_STORE },            \
	[RV_OP_VSOXEI##bits##_V] = { .run = vec_indexed, .p = (n), .flags = VF_STORE },            \
	[RV_OP_VLSEGE##bits##_V] = { .run = vec_unit, .p = (n) },                                  \
	[RV_OP_VSSEGE##bits##_V] = { .run = vec_unit, .p = (n), .flags = VF_STORE },               \
	[RV_OP_VLSEGE##bits##FF_V] = { .run = vec_first_only, .p = (n) },                          \
	[RV_OP_VLSSEGE##bits##_V] = { .run = vec_strided, .p = (n) },                              \
	[RV_OP_VSSSEGE##bits##_V] = { .run = vec_strided, .p = (n), .flags = VF_STORE },           \
	[RV_OP_VLUXSEGEI##bits##_V] = { .run = vec_indexed, .p = (n) },                            \
	[RV_OP_VLOXSEGEI##bits##_V] = { .run = vec_indexed, .p = (n) },                            \
	[RV_OP_VSUXSEGEI##bits##_V] = { .run = vec_indexed, .p = (n), .flags = VF_STORE },         \
	[RV_OP_VSOXSEGEI##bits##_V] = { .run = vec_indexed, .p = (n), .flags = VF_STORE }

#define WHOLE(n)                                                                                   \
	[RV_OP_VL##n##RE8_V] = { .run = vec_whole_memory, .p = 0, .flags = VF_WHOLE },             \
	[RV_OP_VL##n##RE16_V] = { .run = vec_whole_memory, .p = 1, .flags = VF_WHOLE },            \
	[RV_OP_VL##n##RE32_V] = { .run = vec_whole_memory, .p = 2, .flags = VF_WHOLE },            \
	[RV_OP_VL##n##RE64_V] = { .run = vec_whole_memory, .p = 3, .flags = VF_WHOLE },            \
	[RV_OP_VS##n##R_V] = { .run = vec_whole_memory, .p = 0, .flags = VF_WHOLE | VF_STORE }

const struct vec_rule vec_rules[RV_OP_COUNT] = {
	MEMORY(8, 0),
	MEMORY(16, 1),
	MEMORY(32, 2),
	MEMORY(64, 3),
	[RV_OP_VLM_V] = { .run = vec_mask_memory },
	[RV_OP_VSM_V] = { .run = vec_mask_memory, .flags = VF_STORE },
	WHOLE(1),
	WHOLE(2),
	WHOLE(4),
	WHOLE(8),

	/* unpriv 30.11: integers */
	VVXI(VADD, .run = vec_add, SSS),
	VVX(VSUB, .run = vec_sub, SSS),
	VXI(VRSUB, .run = vec_rsub, SSS),
	VVXI(VAND, .run = vec_and, SSS),
	VVXI(VOR, .run = vec_or, SSS),
	VVXI(VXOR, .run = vec_xor, SSS),
	VVXI(VSLL, .run = vec_sll, SSS),
	VVXI(VSRL, .run = vec_srl, SSS),
	VVXI(VSRA, .run = vec_sra, SSS),
	VVX(VMUL, .run = vec_mul, SSS),
	VVX(VMACC, .run = vec_macc, SSS),
	VVX(VMINU, MAP(vk_minu), SSS),
	VVX(VMIN, MAP(vk_min), SSS, .flags = SIGNED),
	VVX(VMAXU, MAP(vk_maxu), SSS),
	VVX(VMAX, MAP(vk_max), SSS, .flags = SIGNED),
	VVX(VMULH, MAP(vk_mulh), SSS, .flags = SIGNED),
	VVX(VMULHU, MAP(vk_mulhu), SSS),
	VVX(VMULHSU, MAP(vk_mulhsu), SSS, .flags = VF_SIGN2),
	VVX(VDIVU, MAP(vk_divu), SSS),
	VVX(VDIV, MAP(vk_div), SSS, .flags = SIGNED),
	VVX(VREMU, MAP(vk_remu), SSS),
	VVX(VREM, MAP(vk_rem), SSS, .flags = SIGNED),
	VVX(VMADD, MAP(vk_madd), SSS),
	VVX(VNMSUB, MAP(vk_nmsub), SSS),
	VVX(VNMSAC, MAP(vk_nmsac), SSS),
	WVXI(VNSRL, MAP(vk_nsrl), SWS),
	WVXI(VNSRA, MAP(vk_nsra), SWS, .flags = VF_SIGN2),

	VVX(VWADDU, MAP(vk_add), WSS),
	VVX(VWADD, MAP(vk_add), WSS, .flags = SIGNED),
	VVX(VWSUBU, MAP(vk_sub), WSS),
	VVX(VWSUB, MAP(vk_sub), WSS, .flags = SIGNED),
	WVX(VWADDU, MAP(vk_add), WWS),
	WVX(VWADD, MAP(vk_add), WWS, .flags = SIGNED),
	WVX(VWSUBU, MAP(vk_sub), WWS),
	WVX(VWSUB, MAP(vk_sub), WWS, .flags = SIGNED),
	VVX(VWMULU, MAP(vk_mul), WSS),
	VVX(VWMULSU, MAP(vk_mul), WSS, .flags = VF_SIGN2),
	VVX(VWMUL, MAP(vk_mul), WSS, .flags = SIGNED),
	VVX(VWMACCU, MAP(vk_macc), WSS, .flags = VF_NO_OVERLAP),
	VVX(VWMACC, MAP(vk_macc), WSS, .flags = VF_NO_OVERLAP | SIGNED),
	VX(VWMACCUS, MAP(vk_macc), WSS, .flags = VF_NO_OVERLAP | VF_SIGN2),
	VVX(VWMACCSU, MAP(vk_macc), WSS, .flags = VF_NO_OVERLAP | VF_SIGN1),

	[RV_OP_VZEXT_VF2] = { MAP(vk_first), .d = VW_SEW, .s2 = VW_HALF },
	[RV_OP_VZEXT_VF4] = { MAP(vk_first), .d = VW_SEW, .s2 = VW_QUARTER },
	[RV_OP_VZEXT_VF8] = { MAP(vk_first), .d = VW_SEW, .s2 = VW_EIGHTH },
	[RV_OP_VSEXT_VF2] = { MAP(vk_first), .d = VW_SEW, .s2 = VW_HALF, .flags = VF_SIGN2 },
	[RV_OP_VSEXT_VF4] = { MAP(vk_first), .d = VW_SEW, .s2 = VW_QUARTER, .flags = VF_SIGN2 },
	[RV_OP_VSEXT_VF8] = { MAP(vk_first), .d = VW_SEW, .s2 = VW_EIGHTH, .flags = VF_SIGN2 },

	[RV_OP_VADC_VVM] = { CARRY(vk_adc) },
	[RV_OP_VADC_VXM] = { CARRY(vk_adc) },
	[RV_OP_VADC_VIM] = { CARRY(vk_adc) },
	[RV_OP_VSBC_VVM] = { CARRY(vk_sbc) },
	[RV_OP_VSBC_VXM] = { CARRY(vk_sbc) },
	[RV_OP_VMADC_VVM] = { CARRY_OUT(vk_madc) },
	[RV_OP_VMADC_VXM] = { CARRY_OUT(vk_madc) },
	[RV_OP_VMADC_VIM] = { CARRY_OUT(vk_madc) },
	VVXI(VMADC, CARRY_OUT(vk_madc)),
	[RV_OP_VMSBC_VVM] = { CARRY_OUT(vk_msbc) },
	[RV_OP_VMSBC_VXM] = { CARRY_OUT(vk_msbc) },
	VVX(VMSBC, CARRY_OUT(vk_msbc)),
	[RV_OP_VMERGE_VVM] = { .run = vec_carry, .kernel = vk_merge, SSS },
	[RV_OP_VMERGE_VXM] = { .run = vec_carry, .kernel = vk_merge, SSS },
	[RV_OP_VMERGE_VIM] = { .run = vec_carry, .kernel = vk_merge, SSS },
	[RV_OP_VMV_V_V] = { .run = vec_move, .d = VW_SEW, .s1 = VW_SEW },
	[RV_OP_VMV_V_X] = { .run = vec_move, .d = VW_SEW },
	[RV_OP_VMV_V_I] = { .run = vec_move, .d = VW_SEW },

	VVXI(VMSEQ, .run = vec_seq, MSS, .flags = VF_LOOSE),
	VVXI(VMSNE, .run = vec_sne, MSS, .flags = VF_LOOSE),
	VVX(VMSLTU, COMPARE(vk_sltu), MSS, .flags = VF_LOOSE),
	VVX(VMSLT, COMPARE(vk_slt), MSS, .flags = VF_LOOSE | SIGNED),
	VVXI(VMSLEU, COMPARE(vk_sleu), MSS, .flags = VF_LOOSE),
	VVXI(VMSLE, COMPARE(vk_sle), MSS, .flags = VF_LOOSE | SIGNED),
	VXI(VMSGTU, COMPARE(vk_sgtu), MSS, .flags = VF_LOOSE),
	VXI(VMSGT, COMPARE(vk_sgt), MSS, .flags = VF_LOOSE | SIGNED),

	/* unpriv 30.12: fixed point */
	VVXI(VSADDU, MAP(vk_saddu), SSS),
	VVXI(VSADD, MAP(vk_sadd), SSS, .flags = SIGNED),
	VVX(VSSUBU, MAP(vk_ssubu), SSS),
	VVX(VSSUB, MAP(vk_ssub), SSS, .flags = SIGNED),
	VVX(VAADDU, MAP(vk_aadd), SSS),
	VVX(VAADD, MAP(vk_aadd), SSS, .flags = SIGNED),
	VVX(VASUBU, MAP(vk_asub), SSS),
	VVX(VASUB, MAP(vk_asub), SSS, .flags = SIGNED),
	VVX(VSMUL, MAP(vk_smul), SSS, .flags = SIGNED),
	VVXI(VSSRL, MAP(vk_ssrl), SSS),
	VVXI(VSSRA, MAP(vk_ssra), SSS, .flags = VF_SIGN2),
	WVXI(VNCLIPU, MAP(vk_nclipu), SWS),
	WVXI(VNCLIP, MAP(vk_nclip), SWS, .flags = VF_SIGN2),

	/* unpriv 30.14: reductions */
	VS(VREDSUM, REDUCE(vk_add), OSO, .flags = VF_START0 | VF_LOOSE),
	VS(VREDAND, REDUCE(vk_and), OSO, .flags = VF_START0 | VF_LOOSE),
	VS(VREDOR, REDUCE(vk_or), OSO, .flags = VF_START0 | VF_LOOSE),
	VS(VREDXOR, REDUCE(vk_xor), OSO, .flags = VF_START0 | VF_LOOSE),
	VS(VREDMINU, REDUCE(vk_minu), OSO, .flags = VF_START0 | VF_LOOSE),
	VS(VREDMIN, REDUCE(vk_min), OSO, .flags = SIGNED | VF_START0 | VF_LOOSE),
	VS(VREDMAXU, REDUCE(vk_maxu), OSO, .flags = VF_START0 | VF_LOOSE),
	VS(VREDMAX, REDUCE(vk_max), OSO, .flags = SIGNED | VF_START0 | VF_LOOSE),
	VS(VWREDSUMU, REDUCE(vk_add), QSQ, .flags = VF_START0 | VF_LOOSE),
	VS(VWREDSUM, REDUCE(vk_add), QSQ, .flags = SIGNED | VF_START0 | VF_LOOSE),
	VS(VFREDUSUM, .run = vec_freduce, FP(ADD), OSO, .flags = FPU | VF_START0 | VF_LOOSE),
	VS(VFREDOSUM, .run = vec_freduce, FP(ADD), OSO, .flags = FPU | VF_START0 | VF_LOOSE),
	VS(VFREDMIN, .run = vec_freduce, FP(MIN), OSO, .flags = FPU | VF_START0 | VF_LOOSE),
	VS(VFREDMAX, .run = vec_freduce, FP(MAX), OSO, .flags = FPU | VF_START0 | VF_LOOSE),
	VS(VFWREDUSUM, .run = vec_freduce, FP(ADD), QSQ, .flags = FPW | VF_START0 | VF_LOOSE),
	VS(VFWREDOSUM, .run = vec_freduce, FP(ADD), QSQ, .flags = FPW | VF_START0 | VF_LOOSE),

	/* unpriv 30.13: floating point */
	VVF(VFADD, MAP(vk_fp), FP(ADD), SSS, .flags = FPU),
	VVF(VFSUB, MAP(vk_fp), FP(SUB), SSS, .flags = FPU),
	VF(VFRSUB, MAP(vk_fp_reverse), FP(SUB), SSS, .flags = FPU),
	VVF(VFMUL, MAP(vk_fp), FP(MUL), SSS, .flags = FPU),
	VVF(VFDIV, MAP(vk_fp), FP(DIV), SSS, .flags = FPU),
	VF(VFRDIV, MAP(vk_fp_reverse), FP(DIV), SSS, .flags = FPU),
	VVF(VFMIN, MAP(vk_fp), FP(MIN), SSS, .flags = FPU),
	VVF(VFMAX, MAP(vk_fp), FP(MAX), SSS, .flags = FPU),
	[RV_OP_VFSQRT_V] = { MAP(vk_fp), FP(SQRT), SSS, .flags = FPU },
	[RV_OP_VFREC7_V] = { MAP(vk_frec7), SSS, .flags = FPU },
	[RV_OP_VFRSQRT7_V] = { MAP(vk_frsqrt7), SSS, .flags = FPU },
	[RV_OP_VFCLASS_V] = { MAP(vk_fclass), SSS, .flags = FPU },
	VVF(VFSGNJ, MAP(vk_fsgnj), .p = 0, SSS, .flags = FPU),
	VVF(VFSGNJN, MAP(vk_fsgnj), .p = 1, SSS, .flags = FPU),
	VVF(VFSGNJX, MAP(vk_fsgnj), .p = 2, SSS, .flags = FPU),

	VVF(VFMACC, MAP(vk_fmacc), FMA(0), SSS, .flags = FPU),
	VVF(VFNMACC, MAP(vk_fmacc), FMA(BP_FMA_NEG_PRODUCT | BP_FMA_NEG_ADDEND), SSS, .flags = FPU),
	VVF(VFMSAC, MAP(vk_fmacc), FMA(BP_FMA_NEG_ADDEND), SSS, .flags = FPU),
	VVF(VFNMSAC, MAP(vk_fmacc), FMA(BP_FMA_NEG_PRODUCT), SSS, .flags = FPU),
	VVF(VFMADD, MAP(vk_fmadd), FMA(0), SSS, .flags = FPU),
	VVF(VFNMADD, MAP(vk_fmadd), FMA(BP_FMA_NEG_PRODUCT | BP_FMA_NEG_ADDEND), SSS, .flags = FPU),
	VVF(VFMSUB, MAP(vk_fmadd), FMA(BP_FMA_NEG_ADDEND), SSS, .flags = FPU),
	VVF(VFNMSUB, MAP(vk_fmadd), FMA(BP_FMA_NEG_PRODUCT), SSS, .flags = FPU),

	VVF(VFWADD, MAP(vk_fp_wide), FP(ADD), WSS, .flags = FPW),
	VVF(VFWSUB, MAP(vk_fp_wide), FP(SUB), WSS, .flags = FPW),
	WVF(VFWADD, MAP(vk_fp_wide_a), FP(ADD), WWS, .flags = FPW),
	WVF(VFWSUB, MAP(vk_fp_wide_a), FP(SUB), WWS, .flags = FPW),
	VVF(VFWMUL, MAP(vk_fp_wide), FP(MUL), WSS, .flags = FPW),
	VVF(VFWMACC, MAP(vk_fwmacc), FMA(0), WSS, .flags = FPW | VF_NO_OVERLAP),
	VVF(VFWNMACC, MAP(vk_fwmacc), FMA(BP_FMA_NEG_PRODUCT | BP_FMA_NEG_ADDEND), WSS,
		.flags = FPW | VF_NO_OVERLAP),
	VVF(VFWMSAC, MAP(vk_fwmacc), FMA(BP_FMA_NEG_ADDEND), WSS, .flags = FPW | VF_NO_OVERLAP),
	VVF(VFWNMSAC, MAP(vk_fwmacc), FMA(BP_FMA_NEG_PRODUCT), WSS, .flags = FPW | VF_NO_OVERLAP),

	VVF(VMFEQ, COMPARE(vk_fcmp), .detail = BP_FCMP_EQ, MSS, .flags = VF_LOOSE | FPU),
	VVF(VMFNE, COMPARE(vk_fcmp_not), .detail = BP_FCMP_EQ, MSS, .flags = VF_LOOSE | FPU),
	VVF(VMFLT, COMPARE(vk_fcmp), .detail = BP_FCMP_LT | BP_FCMP_SIGNALING, MSS,
		.flags = VF_LOOSE | FPU),
	VVF(VMFLE, COMPARE(vk_fcmp), .detail = BP_FCMP_LE | BP_FCMP_SIGNALING, MSS,
		.flags = VF_LOOSE | FPU),
	VF(VMFGT, COMPARE(vk_fcmp_swap), .detail = BP_FCMP_LT | BP_FCMP_SIGNALING, MSS,
		.flags = VF_LOOSE | FPU),
	VF(VMFGE, COMPARE(vk_fcmp_swap), .detail = BP_FCMP_LE | BP_FCMP_SIGNALING, MSS,
		.flags = VF_LOOSE | FPU),

	[RV_OP_VFCVT_XU_F_V] = { MAP(vk_fcvt), .p = VEC_F_TO_XU, SSS, .flags = FPU },
	[RV_OP_VFCVT_X_F_V] = { MAP(vk_fcvt), .p = VEC_F_TO_X, SSS, .flags = FPU },
	[RV_OP_VFCVT_RTZ_XU_F_V] = { MAP(vk_fcvt), .p = VEC_F_TO_XU_RTZ, SSS, .flags = FPU },
	[RV_OP_VFCVT_RTZ_X_F_V] = { MAP(vk_fcvt), .p = VEC_F_TO_X_RTZ, SSS, .flags = FPU },
	[RV_OP_VFCVT_F_XU_V] = { MAP(vk_fcvt), .p = VEC_XU_TO_F, SSS, .flags = FPU },
	[RV_OP_VFCVT_F_X_V] = { MAP(vk_fcvt), .p = VEC_X_TO_F, SSS, .flags = FPU | VF_SIGN2 },
	[RV_OP_VFWCVT_XU_F_V] = { MAP(vk_fcvt), .p = VEC_F_TO_XU, WSS, .flags = FPU },
	[RV_OP_VFWCVT_X_F_V] = { MAP(vk_fcvt), .p = VEC_F_TO_X, WSS, .flags = FPU },
	[RV_OP_VFWCVT_RTZ_XU_F_V] = { MAP(vk_fcvt), .p = VEC_F_TO_XU_RTZ, WSS, .flags = FPU },
	[RV_OP_VFWCVT_RTZ_X_F_V] = { MAP(vk_fcvt), .p = VEC_F_TO_X_RTZ, WSS, .flags = FPU },
	[RV_OP_VFWCVT_F_XU_V] = { MAP(vk_fcvt), .p = VEC_XU_TO_F, WSS,
		.flags = VF_FP_WIDE | VF_FRM },
	[RV_OP_VFWCVT_F_X_V] = { MAP(vk_fcvt), .p = VEC_X_TO_F, WSS,
		.flags = VF_FP_WIDE | VF_FRM | VF_SIGN2 },
	[RV_OP_VFWCVT_F_F_V] = { MAP(vk_fcvt), .p = VEC_F_TO_F, WSS, .flags = FPW },
	[RV_OP_VFNCVT_XU_F_W] = { MAP(vk_fcvt), .p = VEC_F_TO_XU, SWS,
		.flags = VF_FP_WIDE | VF_FRM },
	[RV_OP_VFNCVT_X_F_W] = { MAP(vk_fcvt), .p = VEC_F_TO_X, SWS, .flags = VF_FP_WIDE | VF_FRM },
	[RV_OP_VFNCVT_RTZ_XU_F_W] = { MAP(vk_fcvt), .p = VEC_F_TO_XU_RTZ, SWS,
		.flags = VF_FP_WIDE | VF_FRM },
	[RV_OP_VFNCVT_RTZ_X_F_W] = { MAP(vk_fcvt), .p = VEC_F_TO_X_RTZ, SWS,
		.flags = VF_FP_WIDE | VF_FRM },
	[RV_OP_VFNCVT_F_XU_W] = { MAP(vk_fcvt), .p = VEC_XU_TO_F, SWS, .flags = FPU },
	[RV_OP_VFNCVT_F_X_W] = { MAP(vk_fcvt), .p = VEC_X_TO_F, SWS, .flags = FPU | VF_SIGN2 },
	[RV_OP_VFNCVT_F_F_W] = { MAP(vk_fcvt), .p = VEC_F_TO_F, SWS, .flags = FPW },
	[RV_OP_VFNCVT_ROD_F_F_W] = { MAP(vk_fcvt), .p = VEC_F_TO_F_ROD, SWS, .flags = FPW },

	[RV_OP_VFMERGE_VFM] = { .run = vec_carry, .kernel = vk_merge, SSS, .flags = FPU },
	[RV_OP_VFMV_V_F] = { .run = vec_move, .d = VW_SEW, .flags = FPU },
	[RV_OP_VFMV_F_S] = { .run = vec_move_to_f, .s2 = VW_ONE, .flags = FPU },
	[RV_OP_VFMV_S_F] = { .run = vec_move_from_scalar, .d = VW_ONE, .flags = FPU },
	VF(VFSLIDE1UP, .run = vec_slide1up, SSS, .flags = FPU | VF_NO_OVERLAP),
	VF(VFSLIDE1DOWN, .run = vec_slide1down, SSS, .flags = FPU),

	/* unpriv 30.15: masks */
	[RV_OP_VMAND_MM] = { .run = vec_mask_logic, .p = VEC_AND, MMM },
	[RV_OP_VMNAND_MM] = { .run = vec_mask_logic, .p = VEC_NAND, MMM },
	[RV_OP_VMANDN_MM] = { .run = vec_mask_logic, .p = VEC_ANDN, MMM },
	[RV_OP_VMXOR_MM] = { .run = vec_mask_logic, .p = VEC_XOR, MMM },
	[RV_OP_VMOR_MM] = { .run = vec_mask_logic, .p = VEC_OR, MMM },
	[RV_OP_VMNOR_MM] = { .run = vec_mask_logic, .p = VEC_NOR, MMM },
	[RV_OP_VMORN_MM] = { .run = vec_mask_logic, .p = VEC_ORN, MMM },
	[RV_OP_VMXNOR_MM] = { .run = vec_mask_logic, .p = VEC_XNOR, MMM },
	[RV_OP_VCPOP_M] = { .run = vec_cpop, .s2 = VW_MASK, .flags = VF_START0 },
	[RV_OP_VFIRST_M] = { .run = vec_first, .s2 = VW_MASK, .flags = VF_START0 },
	[RV_OP_VMSBF_M] = { .run = vec_set_first,
		.p = 1,
		.d = VW_MASK,
		.s2 = VW_MASK,
		.flags = VF_START0 | VF_NO_OVERLAP },
	[RV_OP_VMSOF_M] = { .run = vec_set_first,
		.p = 2,
		.d = VW_MASK,
		.s2 = VW_MASK,
		.flags = VF_START0 | VF_NO_OVERLAP },
	[RV_OP_VMSIF_M] = { .run = vec_set_first,
		.p = 3,
		.d = VW_MASK,
		.s2 = VW_MASK,
		.flags = VF_START0 | VF_NO_OVERLAP },
	[RV_OP_VIOTA_M] = { .run = vec_iota,
		.d = VW_SEW,
		.s2 = VW_MASK,
		.flags = VF_START0 | VF_NO_OVERLAP },
	[RV_OP_VID_V] = { .run = vec_id, .d = VW_SEW },

	/* unpriv 30.16: permutations */
	[RV_OP_VMV_X_S] = { .run = vec_move_to_x, .s2 = VW_ONE },
	[RV_OP_VMV_S_X] = { .run = vec_move_from_scalar, .d = VW_ONE },
	VXI(VSLIDEUP, .run = vec_slideup, SSS, .flags = VF_NO_OVERLAP),
	VXI(VSLIDEDOWN, .run = vec_slidedown, SSS),
	VX(VSLIDE1UP, .run = vec_slide1up, SSS, .flags = VF_NO_OVERLAP),
	VX(VSLIDE1DOWN, .run = vec_slide1down, SSS),
	VVXI(VRGATHER, .run = vec_gather, .p = 4, SSS, .flags = VF_NO_OVERLAP),
	VV(VRGATHEREI16, .run = vec_gather, .p = 1, .d = VW_SEW, .s2 = VW_SEW, .s1 = VW_16,
		.flags = VF_NO_OVERLAP),
	[RV_OP_VCOMPRESS_VM] = { .run = vec_compress,
		.d = VW_SEW,
		.s2 = VW_SEW,
		.s1 = VW_MASK,
		.flags = VF_START0 | VF_LOOSE | VF_NO_OVERLAP },
	[RV_OP_VMV1R_V] = { .run = vec_move_whole, .p = 1 },
	[RV_OP_VMV2R_V] = { .run = vec_move_whole, .p = 2 },
	[RV_OP_VMV4R_V] = { .run = vec_move_whole, .p = 4 },
	[RV_OP_VMV8R_V] = { .run = vec_move_whole, .p = 8 },
};
