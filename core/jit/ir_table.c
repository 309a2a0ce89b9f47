/* SPDX-License-Identifier: MIT */
#include "ir_table.h"

const struct ir_type ir_types[BP_T_COUNT] = {
	[BP_T_NONE] = { "none", 0, 0, IR_NOTYPE },
	[BP_T_I1] = { "i1", 1, 1, IR_BIT },
	[BP_T_I8] = { "i8", 8, 1, IR_INT },
	[BP_T_I16] = { "i16", 16, 2, IR_INT },
	[BP_T_I32] = { "i32", 32, 4, IR_INT },
	[BP_T_I64] = { "i64", 64, 8, IR_INT },
	[BP_T_I128] = { "i128", 128, 16, IR_I128 },
	[BP_T_F16] = { "f16", 16, 2, IR_FLOAT },
	[BP_T_F32] = { "f32", 32, 4, IR_FLOAT },
	[BP_T_F64] = { "f64", 64, 8, IR_FLOAT },
	[BP_T_F80] = { "f80", 80, 16, IR_FLOAT },
	[BP_T_F128] = { "f128", 128, 16, IR_FLOAT },
	[BP_T_V64] = { "v64", 64, 8, IR_VECTOR },
	[BP_T_V128] = { "v128", 128, 16, IR_VECTOR },
	[BP_T_V256] = { "v256", 256, 32, IR_VECTOR },
	[BP_T_V512] = { "v512", 512, 64, IR_VECTOR },
	[BP_T_FLAGS] = { "flags", 6, 1, IR_FLAGS },
};

/* clang-format off */
/* Shapes that many opcodes share. */
#define LANE_INT .lanes = IR_INT
#define INT2(n)                                                                                    \
	{ .name = n, .arg = { ARG_SAME, ARG_SAME_OR_IMM, 0, ARG_LANE }, .result = RES_TYPE,            \
	  .types = IR_SCALAR_INT | IR_VECTOR, .imm = IMM_OPERAND, .aux = AUX_IMM, .props = IR_LANES,   \
	  LANE_INT }
#define CARRY(n)                                                                                   \
	{ .name = n, .arg = { ARG_SAME, ARG_SAME_OR_IMM, ARG_OPT_I1 }, .result = RES_TYPE,             \
	  .out = BP_T_I1, .types = IR_SCALAR_INT, .imm = IMM_OPERAND, .aux = AUX_IMM }
#define INT1(n)                                                                                    \
	{ .name = n, .arg = { ARG_SAME, 0, 0, ARG_LANE }, .result = RES_TYPE,                          \
	  .types = IR_SCALAR_INT | IR_VECTOR, .props = IR_LANES, LANE_INT }
#define CONVERT(n)                                                                                 \
	{ .name = n, .arg = { ARG_FROM }, .result = RES_TYPE, .types = IR_SCALAR_INT, .aux = AUX_TYPE }
#define FIELD(n)                                                                                   \
	{ .name = n, .arg = { ARG_SAME }, .result = RES_TYPE, .types = IR_INT | IR_I128,               \
	  .imm = IMM_FIELD }
#define COMPARE(n)                                                                                 \
	{ .name = n, .arg = { ARG_SAME, ARG_SAME_OR_IMM, 0, ARG_LANE }, .result = RES_I1_OR_TYPE,      \
	  .types = IR_SCALAR_INT | IR_VECTOR, .imm = IMM_OPERAND, .aux = AUX_IMM, .props = IR_LANES,   \
	  LANE_INT }
#define FLAG2(n, third)                                                                            \
	{ .name = n, .arg = { ARG_SAME, ARG_SAME_OR_IMM, third }, .result = RES_TYPE,                  \
	  .out = BP_T_FLAGS, .types = IR_INT | IR_I128, .imm = IMM_OPERAND, .aux = AUX_IMM }
#define FLOATN(n, second, third, immkind, limit)                                                   \
	{ .name = n, .arg = { ARG_SAME, second, third, ARG_LANE }, .result = RES_TYPE,                 \
	  .types = IR_FLOAT | IR_VECTOR, .imm = immkind, .imm_limit = limit, .aux = AUX_ENV,           \
	  .props = IR_LANES | IR_EFFECT, .lanes = IR_FLOAT }
#define LANES2(n)                                                                                  \
	{ .name = n, .arg = { ARG_SAME, ARG_SAME, 0, ARG_LANE }, .result = RES_TYPE,                   \
	  .types = IR_VECTOR, LANE_INT | IR_FLOAT }
#define LANES1(n)                                                                                  \
	{ .name = n, .arg = { ARG_SAME, 0, 0, ARG_LANE }, .result = RES_TYPE, .types = IR_VECTOR,      \
	  LANE_INT }
#define LANES2_INT(n)                                                                              \
	{ .name = n, .arg = { ARG_SAME, ARG_SAME, 0, ARG_LANE }, .result = RES_TYPE,                   \
	  .types = IR_VECTOR, LANE_INT }

const struct ir_info ir_table[IR_TABLE_SIZE] = {
	[BP_IR_NOP] = { .name = "nop", .types = IR_NOTYPE },
	[BP_IR_INSN] = { .name = "insn", .types = IR_NOTYPE, .imm = IMM_NUMBER, .aux = AUX_NUMBER },
	[BP_IR_MORE] = { .name = "more", .types = IR_NOTYPE, .arg = { ARG_ANY, ARG_ANY, ARG_ANY, ARG_ANY } },
	[BP_IR_OUT] = { .name = "out", .arg = { ARG_ANY }, .result = RES_TYPE, .types = IR_VALUE,
		.imm = IMM_LIMIT, .imm_limit = 3 },

	[BP_IR_CONST] = { .name = "const", .arg = { ARG_WIDE, ARG_WIDE, ARG_WIDE, ARG_WIDE },
		.result = RES_TYPE, .types = IR_VALUE },
	[BP_IR_PCREL] = { .name = "pcrel", .arg = { ARG_NUMBER, ARG_NUMBER }, .result = RES_TYPE,
		.types = IR_INT, .imm = IMM_NUMBER },
	[BP_IR_GET] = { .name = "get", .result = RES_TYPE, .types = IR_VALUE, .imm = IMM_OFFSET },
	[BP_IR_PUT] = { .name = "put", .arg = { ARG_SAME }, .types = IR_VALUE, .imm = IMM_OFFSET,
		.props = IR_EFFECT },
	[BP_IR_GETX] = { .name = "getx", .arg = { ARG_I64, 0, ARG_NUMBER, ARG_NUMBER },
		.result = RES_TYPE, .types = IR_VALUE, .imm = IMM_OFFSET },
	[BP_IR_PUTX] = { .name = "putx", .arg = { ARG_I64, ARG_SAME, ARG_NUMBER, ARG_NUMBER },
		.types = IR_VALUE, .imm = IMM_OFFSET, .props = IR_EFFECT },
	[BP_IR_TIME] = { .name = "time", .result = RES_I64, .types = IR_INT, .props = IR_EFFECT },

	[BP_IR_ADD] = INT2("add"),
	[BP_IR_SUB] = INT2("sub"),
	[BP_IR_MUL] = INT2("mul"),
	[BP_IR_AND] = INT2("and"),
	[BP_IR_OR] = INT2("or"),
	[BP_IR_XOR] = INT2("xor"),
	[BP_IR_SHL] = INT2("shl"),
	[BP_IR_SHR] = INT2("shr"),
	[BP_IR_SAR] = INT2("sar"),
	[BP_IR_ROL] = INT2("rol"),
	[BP_IR_ROR] = INT2("ror"),
	[BP_IR_MULHS] = INT2("mulhs"),
	[BP_IR_MULHU] = INT2("mulhu"),
	[BP_IR_MULHSU] = INT2("mulhsu"),
	[BP_IR_DIVS] = INT2("divs"),
	[BP_IR_DIVU] = INT2("divu"),
	[BP_IR_REMS] = INT2("rems"),
	[BP_IR_REMU] = INT2("remu"),
	[BP_IR_MINS] = INT2("mins"),
	[BP_IR_MAXS] = INT2("maxs"),
	[BP_IR_MINU] = INT2("minu"),
	[BP_IR_MAXU] = INT2("maxu"),
	[BP_IR_CLMUL] = INT2("clmul"),
	[BP_IR_CLMULH] = INT2("clmulh"),
	[BP_IR_ADDC] = CARRY("addc"),
	[BP_IR_SUBB] = CARRY("subb"),

	[BP_IR_NEG] = INT1("neg"),
	[BP_IR_NOT] = INT1("not"),
	[BP_IR_CLZ] = INT1("clz"),
	[BP_IR_CTZ] = INT1("ctz"),
	[BP_IR_POPCNT] = INT1("popcnt"),
	[BP_IR_BSWAP] = INT1("bswap"),
	[BP_IR_BREV8] = INT1("brev8"),
	[BP_IR_SEXT] = CONVERT("sext"),
	[BP_IR_ZEXT] = CONVERT("zext"),
	[BP_IR_TRUNC] = CONVERT("trunc"),
	[BP_IR_UBITS] = FIELD("ubits"),
	[BP_IR_SBITS] = FIELD("sbits"),
	[BP_IR_DEPOSIT] = { .name = "deposit", .arg = { ARG_SAME, ARG_SAME }, .result = RES_TYPE,
		.types = IR_INT | IR_I128, .imm = IMM_FIELD },
	[BP_IR_CAST] = { .name = "cast", .arg = { ARG_FROM }, .result = RES_TYPE,
		.types = IR_INT | IR_I128 | IR_FLOAT | IR_VECTOR, .aux = AUX_TYPE },
	[BP_IR_PAIR] = { .name = "pair", .arg = { ARG_I64, ARG_I64 }, .result = RES_TYPE, .types = IR_I128 },
	[BP_IR_LO] = { .name = "lo", .arg = { ARG_I128 }, .result = RES_I64, .types = IR_INT },
	[BP_IR_HI] = { .name = "hi", .arg = { ARG_I128 }, .result = RES_I64, .types = IR_INT },

	[BP_IR_BOX] = { .name = "box", .arg = { ARG_FROM }, .result = RES_I64, .types = IR_INT,
		.aux = AUX_TYPE },
	[BP_IR_UNBOX] = { .name = "unbox", .arg = { ARG_I64 }, .result = RES_TYPE, .types = IR_FLOAT,
		.imm = IMM_NUMBER },

	[BP_IR_EQ] = COMPARE("eq"),
	[BP_IR_NE] = COMPARE("ne"),
	[BP_IR_LTS] = COMPARE("lts"),
	[BP_IR_LES] = COMPARE("les"),
	[BP_IR_LTU] = COMPARE("ltu"),
	[BP_IR_LEU] = COMPARE("leu"),
	[BP_IR_SELECT] = { .name = "select", .arg = { ARG_I1, ARG_SAME, ARG_SAME }, .result = RES_TYPE,
		.types = IR_VALUE },

	[BP_IR_ADDF] = FLAG2("addf", ARG_OPT_I1),
	[BP_IR_SUBF] = FLAG2("subf", ARG_OPT_I1),
	[BP_IR_LOGICF] = { .name = "logicf", .arg = { ARG_SAME }, .result = RES_TYPE, .out = BP_T_FLAGS,
		.types = IR_INT | IR_I128 },
	[BP_IR_SHLF] = FLAG2("shlf", ARG_NONE),
	[BP_IR_SHRF] = FLAG2("shrf", ARG_NONE),
	[BP_IR_SARF] = FLAG2("sarf", ARG_NONE),
	[BP_IR_FLAG] = { .name = "flag", .arg = { ARG_FLAGS }, .result = RES_I1, .types = IR_FLAGS,
		.aux = AUX_LIMIT, .aux_limit = BP_FLAG_A },
	[BP_IR_FLAGS_PACK] = { .name = "flags_pack", .arg = { ARG_I8 }, .result = RES_TYPE,
		.types = IR_FLAGS },
	[BP_IR_FLAGS_UNPACK] = { .name = "flags_unpack", .arg = { ARG_FLAGS }, .result = RES_TYPE,
		.types = IR_INT },

	[BP_IR_FADD] = FLOATN("fadd", ARG_SAME, 0, IMM_NONE, 0),
	[BP_IR_FSUB] = FLOATN("fsub", ARG_SAME, 0, IMM_NONE, 0),
	[BP_IR_FMUL] = FLOATN("fmul", ARG_SAME, 0, IMM_NONE, 0),
	[BP_IR_FDIV] = FLOATN("fdiv", ARG_SAME, 0, IMM_NONE, 0),
	[BP_IR_FSQRT] = FLOATN("fsqrt", 0, 0, IMM_NONE, 0),
	[BP_IR_FMA] = FLOATN("fma", ARG_SAME, ARG_SAME, IMM_LIMIT, 3),
	[BP_IR_FMIN] = FLOATN("fmin", ARG_SAME, 0, IMM_LIMIT, BP_MINMAX_SECOND),
	[BP_IR_FMAX] = FLOATN("fmax", ARG_SAME, 0, IMM_LIMIT, BP_MINMAX_SECOND),
	[BP_IR_FCMP] = { .name = "fcmp", .arg = { ARG_SAME, ARG_SAME, 0, ARG_LANE },
		.result = RES_I1_OR_TYPE, .types = IR_FLOAT | IR_VECTOR, .imm = IMM_LIMIT,
		.imm_limit = BP_FCMP_SIGNALING + BP_FCMP_UNORDERED, .aux = AUX_ENV,
		.props = IR_LANES | IR_EFFECT, .lanes = IR_FLOAT },
	[BP_IR_FCVT] = { .name = "fcvt", .arg = { ARG_IMM_TYPE, 0, 0, ARG_LANE }, .result = RES_TYPE,
		.types = IR_FLOAT, .imm = IMM_TYPE, .aux = AUX_ENV, .props = IR_EFFECT },
	[BP_IR_FTOI] = { .name = "ftoi", .arg = { ARG_ARG1_TYPE, ARG_TYPE, 0, ARG_LANE },
		.result = RES_TYPE, .types = IR_INT | IR_VECTOR, .imm = IMM_LIMIT, .imm_limit = 0x31,
		.aux = AUX_ENV, .props = IR_LANES | IR_EFFECT, .lanes = IR_INT },
	[BP_IR_ITOF] = { .name = "itof", .arg = { ARG_ARG1_TYPE, ARG_TYPE, 0, ARG_LANE },
		.result = RES_TYPE, .types = IR_FLOAT | IR_VECTOR, .imm = IMM_LIMIT, .imm_limit = 1,
		.aux = AUX_ENV, .props = IR_LANES | IR_EFFECT, .lanes = IR_FLOAT },
	[BP_IR_FROUND] = FLOATN("fround", 0, 0, IMM_LIMIT, 1),
	[BP_IR_FCLASS] = { .name = "fclass", .arg = { ARG_SAME }, .result = RES_I32, .types = IR_FLOAT,
		.aux = AUX_ENV },

	[BP_IR_LD] = { .name = "ld", .arg = { ARG_I64, 0, ARG_MEMOP, ARG_MEMOP }, .result = RES_TYPE,
		.types = IR_INT | IR_I128 | IR_FLOAT | IR_VECTOR, .imm = IMM_NUMBER,
		.props = IR_FAULTS | IR_READS | IR_EFFECT },
	[BP_IR_ST] = { .name = "st", .arg = { ARG_I64, ARG_SAME, ARG_MEMOP, ARG_MEMOP },
		.types = IR_INT | IR_I128 | IR_FLOAT | IR_VECTOR, .imm = IMM_NUMBER,
		.props = IR_FAULTS | IR_WRITES | IR_EFFECT },
	[BP_IR_STP] = { .name = "stp", .arg = { ARG_I64, ARG_SAME, ARG_MEMOP, ARG_MEMOP }, .more = 1,
		.types = IR_INT | IR_I128 | IR_FLOAT | IR_VECTOR, .imm = IMM_NUMBER,
		.props = IR_FAULTS | IR_WRITES | IR_EFFECT },
	[BP_IR_LL] = { .name = "ll", .arg = { ARG_I64, 0, ARG_MEMOP, ARG_MEMOP }, .result = RES_TYPE,
		.types = IR_INT | IR_I128, .props = IR_FAULTS | IR_READS | IR_EFFECT },
	[BP_IR_SC] = { .name = "sc", .arg = { ARG_I64, ARG_SAME, ARG_MEMOP, ARG_MEMOP },
		.result = RES_I64, .types = IR_INT | IR_I128,
		.props = IR_FAULTS | IR_WRITES | IR_EFFECT },
	[BP_IR_RMW] = { .name = "rmw", .arg = { ARG_I64, ARG_SAME, ARG_MEMOP, ARG_MEMOP },
		.result = RES_TYPE, .types = IR_INT | IR_I128, .aux = AUX_LIMIT, .aux_limit = BP_RMW_MAXU,
		.props = IR_FAULTS | IR_READS | IR_WRITES | IR_EFFECT },
	[BP_IR_CAS] = { .name = "cas", .arg = { ARG_I64, ARG_SAME, ARG_MEMOP, ARG_MEMOP }, .more = 1,
		.result = RES_TYPE, .types = IR_INT | IR_I128,
		.props = IR_FAULTS | IR_READS | IR_WRITES | IR_EFFECT },
	[BP_IR_PROBE] = { .name = "probe", .arg = { ARG_I64, 0, ARG_MEMOP, ARG_MEMOP },
		.types = IR_NOTYPE, .imm = IMM_NUMBER, .aux = AUX_LIMIT, .aux_limit = BP_ACC_EXEC,
		.props = IR_FAULTS | IR_EFFECT },
	[BP_IR_FENCE] = { .name = "fence", .types = IR_NOTYPE, .aux = AUX_NUMBER, .props = IR_EFFECT },

	[BP_IR_CALL] = { .name = "call", .arg = { ARG_ANY, ARG_ANY, ARG_ANY, ARG_ANY },
		.result = RES_TYPE, .types = IR_VALUE | IR_NOTYPE, .imm = IMM_HELPER,
		.props = IR_EFFECT },

	[BP_IR_IF] = { .name = "if", .arg = { ARG_I1 }, .types = IR_NOTYPE,
		.props = IR_CONTROL | IR_EFFECT },
	[BP_IR_ELSE] = { .name = "else", .types = IR_NOTYPE, .props = IR_CONTROL | IR_EFFECT },
	[BP_IR_END] = { .name = "end", .types = IR_NOTYPE, .props = IR_CONTROL | IR_EFFECT },
	[BP_IR_MERGE] = { .name = "merge", .arg = { ARG_SAME, ARG_SAME }, .result = RES_TYPE,
		.types = IR_VALUE },
	[BP_IR_COMMIT] = { .name = "commit", .types = IR_NOTYPE, .props = IR_EFFECT },

	[BP_IR_JUMP] = { .name = "jump", .arg = { ARG_I64, ARG_OPT_I64, ARG_OPT_I64 },
		.types = IR_NOTYPE, .aux = AUX_LIMIT, .aux_limit = BP_HINT_RETURN,
		.props = IR_LEAVES | IR_EFFECT },
	[BP_IR_RAISE] = { .name = "raise", .arg = { ARG_OPT_I64 }, .types = IR_NOTYPE,
		.imm = IMM_NUMBER, .props = IR_FAULTS | IR_LEAVES | IR_EFFECT },
	[BP_IR_HALT] = { .name = "halt", .types = IR_NOTYPE, .props = IR_LEAVES | IR_EFFECT },
	[BP_IR_RESYNC] = { .name = "resync", .arg = { ARG_OPT_I64 }, .types = IR_NOTYPE,
		.props = IR_LEAVES | IR_EFFECT },

	[BP_IR_VSPLAT] = { .name = "vsplat", .arg = { ARG_LANE_VALUE, 0, 0, ARG_LANE },
		.result = RES_TYPE, .types = IR_VECTOR, .lanes = IR_INT | IR_FLOAT },
	[BP_IR_VEXTRACT] = { .name = "vextract", .arg = { ARG_VECTOR, 0, 0, ARG_LANE },
		.result = RES_TYPE, .types = IR_INT | IR_FLOAT, .imm = IMM_LANE,
		.lanes = IR_INT | IR_FLOAT },
	[BP_IR_VINSERT] = { .name = "vinsert", .arg = { ARG_SAME, ARG_LANE_VALUE, 0, ARG_LANE },
		.result = RES_TYPE, .types = IR_VECTOR, .imm = IMM_LANE, .lanes = IR_INT | IR_FLOAT },
	[BP_IR_VSHUFFLE] = LANES2("vshuffle"),
	[BP_IR_VZIPLO] = LANES2("vziplo"),
	[BP_IR_VZIPHI] = LANES2("vziphi"),
	[BP_IR_VUNZIPLO] = LANES2("vunziplo"),
	[BP_IR_VUNZIPHI] = LANES2("vunziphi"),
	[BP_IR_VWIDENS] = LANES1("vwidens"),
	[BP_IR_VWIDENU] = LANES1("vwidenu"),
	[BP_IR_VNARROW] = { .name = "vnarrow", .arg = { ARG_SAME, 0, 0, ARG_LANE }, .result = RES_TYPE,
		.types = IR_VECTOR, .imm = IMM_LIMIT, .imm_limit = BP_NARROW_S_TO_U, .lanes = IR_INT },
	[BP_IR_VADDS] = LANES2_INT("vadds"),
	[BP_IR_VADDU] = LANES2_INT("vaddu"),
	[BP_IR_VSUBS] = LANES2_INT("vsubs"),
	[BP_IR_VSUBU] = LANES2_INT("vsubu"),
	[BP_IR_VMASK] = { .name = "vmask", .arg = { ARG_SAME, 0, 0, ARG_LANE }, .result = RES_I64,
		.types = IR_VECTOR, .lanes = IR_INT },
	[BP_IR_VBLEND] = { .name = "vblend", .arg = { ARG_SAME, ARG_SAME, ARG_SAME },
		.result = RES_TYPE, .types = IR_VECTOR },
};

/* clang-format on */

unsigned ir_result_type(const struct bp_ir *r)
{
	const struct ir_info *info = ir_info(r->op);
	if (!info || r->type >= BP_T_COUNT)
		return BP_T_NONE;
	switch (info->result) {
	case RES_TYPE: return r->type;
	case RES_I1: return BP_T_I1;
	case RES_I64: return BP_T_I64;
	case RES_I32: return BP_T_I32;
	case RES_I1_OR_TYPE: return r->type >= BP_T_V64 && r->type <= BP_T_V512 ? r->type : BP_T_I1;
	default: return BP_T_NONE;
	}
}

unsigned ir_arg_type(const struct bp_ir *r, unsigned n)
{
	const struct ir_info *info = ir_info(r->op);
	unsigned type = BP_T_NONE;
	if (!info)
		return BP_T_NONE;
	switch (info->arg[n]) {
	case ARG_SAME: type = r->type; break;
	case ARG_SAME_OR_IMM: type = r->aux & BP_IR_IMM ? BP_T_NONE : r->type; break;
	case ARG_FROM: type = r->aux; break;
	/* of a vector: the lanes have that type */
	case ARG_IMM_TYPE: type = (unsigned)r->imm; break;
	case ARG_ARG1_TYPE:
		type = r->type >= BP_T_V64 && r->type <= BP_T_V512 ? r->type : r->arg[1];
		break;
	case ARG_LANE_VALUE: type = r->arg[3]; break;
	case ARG_I1:
	case ARG_OPT_I1: type = BP_T_I1; break;
	case ARG_I8: type = BP_T_I8; break;
	case ARG_I64:
	case ARG_OPT_I64: type = BP_T_I64; break;
	case ARG_I128: type = BP_T_I128; break;
	case ARG_FLAGS: type = BP_T_FLAGS; break;
	case ARG_VECTOR:
	case ARG_ANY: return BP_T_COUNT;
	default: break;
	}
	return type < BP_T_COUNT ? type : BP_T_NONE;
}
