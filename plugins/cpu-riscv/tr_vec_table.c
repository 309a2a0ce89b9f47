/* SPDX-License-Identifier: MIT */
/* Which vector instructions become records, and by which function. The others have no row. */
#include "tr_vec.h"

#define VV(op, ...)   [RV_OP_##op##_VV] = { __VA_ARGS__ }
#define VX(op, ...)   [RV_OP_##op##_VX] = { __VA_ARGS__ }
#define VI(op, ...)   [RV_OP_##op##_VI] = { __VA_ARGS__ }
#define VF(op, ...)   [RV_OP_##op##_VF] = { __VA_ARGS__ }
#define VVX(op, ...)  VV(op, __VA_ARGS__), VX(op, __VA_ARGS__)
#define VXI(op, ...)  VX(op, __VA_ARGS__), VI(op, __VA_ARGS__)
#define VVXI(op, ...) VVX(op, __VA_ARGS__), VI(op, __VA_ARGS__)
#define VVF(op, ...)  VV(op, __VA_ARGS__), VF(op, __VA_ARGS__)

#define UNIT(bits, log2)                                                                           \
	[RV_OP_VLE##bits##_V] = { tv_unit, (log2), 0 },                                            \
	[RV_OP_VSE##bits##_V] = { tv_unit, (log2), 1 }
#define WHOLE(n)                                                                                   \
	[RV_OP_VL##n##RE8_V] = { tv_whole, 0, 0 }, [RV_OP_VL##n##RE16_V] = { tv_whole, 0, 0 },     \
	[RV_OP_VL##n##RE32_V] = { tv_whole, 0, 0 }, [RV_OP_VL##n##RE64_V] = { tv_whole, 0, 0 },    \
	[RV_OP_VS##n##R_V] = { tv_whole, 0, 1 }

enum { NEG_BOTH = BP_FMA_NEG_PRODUCT | BP_FMA_NEG_ADDEND };

const struct tv_rule tv_rules[RV_OP_COUNT] = {
	UNIT(8, 0),
	UNIT(16, 1),
	UNIT(32, 2),
	UNIT(64, 3),
	WHOLE(1),
	WHOLE(2),
	WHOLE(4),
	WHOLE(8),

	VVXI(VADD, tv_two, BP_IR_ADD, 0),
	VVX(VSUB, tv_two, BP_IR_SUB, 0),
	VXI(VRSUB, tv_two, BP_IR_SUB, TV_SWAP),
	VVXI(VAND, tv_two, BP_IR_AND, 0),
	VVXI(VOR, tv_two, BP_IR_OR, 0),
	VVXI(VXOR, tv_two, BP_IR_XOR, 0),
	VVXI(VSLL, tv_two, BP_IR_SHL, TV_SHIFT),
	VVXI(VSRL, tv_two, BP_IR_SHR, TV_SHIFT),
	VVXI(VSRA, tv_two, BP_IR_SAR, TV_SHIFT),
	VVX(VMINU, tv_two, BP_IR_MINU, 0),
	VVX(VMIN, tv_two, BP_IR_MINS, 0),
	VVX(VMAXU, tv_two, BP_IR_MAXU, 0),
	VVX(VMAX, tv_two, BP_IR_MAXS, 0),
	VVX(VMUL, tv_two, BP_IR_MUL, 0),
	VVX(VMACC, tv_multiply_add, BP_IR_ADD, 0),
	VVX(VNMSAC, tv_multiply_add, BP_IR_SUB, 0),
	VVX(VMADD, tv_multiply_add, BP_IR_ADD, TV_MADD),
	VVX(VNMSUB, tv_multiply_add, BP_IR_SUB, TV_MADD),

	[RV_OP_VMV_V_V] = { tv_move, 0, 0 },
	[RV_OP_VMV_V_X] = { tv_move, 0, 0 },
	[RV_OP_VMV_V_I] = { tv_move, 0, 0 },
	[RV_OP_VFMV_V_F] = { tv_move, 0, 1 },
	[RV_OP_VMV1R_V] = { tv_move_whole, 1, 0 },
	[RV_OP_VMV2R_V] = { tv_move_whole, 2, 0 },
	[RV_OP_VMV4R_V] = { tv_move_whole, 4, 0 },
	[RV_OP_VMV8R_V] = { tv_move_whole, 8, 0 },
	[RV_OP_VMV_X_S] = { tv_element, 0, 0 },
	[RV_OP_VMV_S_X] = { tv_element, 1, 0 },
	[RV_OP_VFMV_F_S] = { tv_element, 2, 0 },
	[RV_OP_VFMV_S_F] = { tv_element, 3, 0 },

	VVXI(VMSEQ, tv_compare, BP_IR_EQ, 0),
	VVXI(VMSNE, tv_compare, BP_IR_NE, 0),
	VVX(VMSLTU, tv_compare, BP_IR_LTU, 0),
	VVX(VMSLT, tv_compare, BP_IR_LTS, 0),
	VVXI(VMSLEU, tv_compare, BP_IR_LEU, 0),
	VVXI(VMSLE, tv_compare, BP_IR_LES, 0),
	VXI(VMSGTU, tv_compare, BP_IR_LTU, TV_SWAP),
	VXI(VMSGT, tv_compare, BP_IR_LTS, TV_SWAP),
	[RV_OP_VCPOP_M] = { tv_mask_count, 0, 0 },
	[RV_OP_VFIRST_M] = { tv_mask_count, 1, 0 },
	[RV_OP_VMAND_MM] = { tv_mask_logic, BP_IR_AND, 0 },
	[RV_OP_VMNAND_MM] = { tv_mask_logic, BP_IR_AND, 1 },
	[RV_OP_VMANDN_MM] = { tv_mask_logic, BP_IR_AND, 2 },
	[RV_OP_VMOR_MM] = { tv_mask_logic, BP_IR_OR, 0 },
	[RV_OP_VMNOR_MM] = { tv_mask_logic, BP_IR_OR, 1 },
	[RV_OP_VMORN_MM] = { tv_mask_logic, BP_IR_OR, 2 },
	[RV_OP_VMXOR_MM] = { tv_mask_logic, BP_IR_XOR, 0 },
	[RV_OP_VMXNOR_MM] = { tv_mask_logic, BP_IR_XOR, 1 },

	[RV_OP_VREDSUM_VS] = { tv_reduce, BP_IR_ADD, 0 },
	[RV_OP_VREDAND_VS] = { tv_reduce, BP_IR_AND, 0 },
	[RV_OP_VREDOR_VS] = { tv_reduce, BP_IR_OR, 0 },
	[RV_OP_VREDXOR_VS] = { tv_reduce, BP_IR_XOR, 0 },
	[RV_OP_VREDMINU_VS] = { tv_reduce, BP_IR_MINU, 0 },
	[RV_OP_VREDMIN_VS] = { tv_reduce, BP_IR_MINS, 0 },
	[RV_OP_VREDMAXU_VS] = { tv_reduce, BP_IR_MAXU, 0 },
	[RV_OP_VREDMAX_VS] = { tv_reduce, BP_IR_MAXS, 0 },

	VVF(VFADD, tv_fp, BP_IR_FADD, 0),
	VVF(VFSUB, tv_fp, BP_IR_FSUB, 0),
	VF(VFRSUB, tv_fp, BP_IR_FSUB, TV_SWAP),
	VVF(VFMUL, tv_fp, BP_IR_FMUL, 0),
	VVF(VFDIV, tv_fp, BP_IR_FDIV, 0),
	VF(VFRDIV, tv_fp, BP_IR_FDIV, TV_SWAP),
	VVF(VFMIN, tv_fp, BP_IR_FMIN, 0),
	VVF(VFMAX, tv_fp, BP_IR_FMAX, 0),
	[RV_OP_VFSQRT_V] = { tv_fp_sqrt, 0, 0 },
	[RV_OP_VFCVT_F_X_V] = { tv_from_int, 0, 0 },
	VVF(VFSGNJ, tv_fp_sign, 0, 0),
	VVF(VFSGNJN, tv_fp_sign, 1, 0),
	VVF(VFSGNJX, tv_fp_sign, 2, 0),
	VVF(VFMACC, tv_fma, 0, 0),
	VVF(VFNMACC, tv_fma, NEG_BOTH, 0),
	VVF(VFMSAC, tv_fma, BP_FMA_NEG_ADDEND, 0),
	VVF(VFNMSAC, tv_fma, BP_FMA_NEG_PRODUCT, 0),
	VVF(VFMADD, tv_fma, 0, TV_MADD),
	VVF(VFNMADD, tv_fma, NEG_BOTH, TV_MADD),
	VVF(VFMSUB, tv_fma, BP_FMA_NEG_ADDEND, TV_MADD),
	VVF(VFNMSUB, tv_fma, BP_FMA_NEG_PRODUCT, TV_MADD),
	VVF(VMFEQ, tv_fp_compare, BP_FCMP_EQ, 0),
	VVF(VMFNE, tv_fp_compare, BP_FCMP_EQ, TV_NOT),
	VVF(VMFLT, tv_fp_compare, BP_FCMP_LT | BP_FCMP_SIGNALING, 0),
	VVF(VMFLE, tv_fp_compare, BP_FCMP_LE | BP_FCMP_SIGNALING, 0),
	VF(VMFGT, tv_fp_compare, BP_FCMP_LT | BP_FCMP_SIGNALING, TV_SWAP),
	VF(VMFGE, tv_fp_compare, BP_FCMP_LE | BP_FCMP_SIGNALING, TV_SWAP),
	[RV_OP_VFREDUSUM_VS] = { tv_fp_sum, 0, 0 },
	[RV_OP_VFREDOSUM_VS] = { tv_fp_sum, 0, 0 },
};
