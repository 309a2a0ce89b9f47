/* SPDX-License-Identifier: MIT */
/* RISC-V text from the CPU's own table of encodings: whatever the CPU executes has a name here, which
 * no version of the library has. Mnemonics and the order of operands are those of the RISC-V
 * manuals' assembler notation; compressed instructions are shown as what they stand for. */
#include "riscv.h"
#include "rv_encodings.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

struct out {
	char *text;
	size_t size, used;
	const char *separator; /* before the next operand */
};

__attribute__((format(printf, 2, 3))) static void add(struct out *o, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(o->text + o->used, o->size - o->used, fmt, args);
	va_end(args);
	if (n > 0)
		o->used += (size_t)n < o->size - o->used ? (size_t)n : o->size - o->used - 1;
}

static void operand(struct out *o)
{
	add(o, "%s", o->separator);
	o->separator = ", ";
}

static const char *const x_names[] = { "zero", "ra", "sp", "gp", "tp", "t0", "t1", "t2", "s0", "s1",
	"a0", "a1", "a2", "a3", "a4", "a5", "a6", "a7", "s2", "s3", "s4", "s5", "s6", "s7", "s8",
	"s9", "s10", "s11", "t3", "t4", "t5", "t6" };
static const char *const f_names[] = { "ft0", "ft1", "ft2", "ft3", "ft4", "ft5", "ft6", "ft7",
	"fs0", "fs1", "fa0", "fa1", "fa2", "fa3", "fa4", "fa5", "fa6", "fa7", "fs2", "fs3", "fs4",
	"fs5", "fs6", "fs7", "fs8", "fs9", "fs10", "fs11", "ft8", "ft9", "ft10", "ft11" };
static const char *const roundings[] = { "rne", "rtz", "rdn", "rup", "rmm", NULL, NULL, NULL };

static const struct csr_names { /* count registers from `first` on; more than one: with a number */
	uint16_t first, count, number;
	const char *name;
} csrs[] = {
	{ 0x001, 1, 0, "fflags" },
	{ 0x002, 1, 0, "frm" },
	{ 0x003, 1, 0, "fcsr" },
	{ 0x008, 1, 0, "vstart" },
	{ 0x009, 1, 0, "vxsat" },
	{ 0x00a, 1, 0, "vxrm" },
	{ 0x00f, 1, 0, "vcsr" },
	{ 0x100, 1, 0, "sstatus" },
	{ 0x104, 1, 0, "sie" },
	{ 0x105, 1, 0, "stvec" },
	{ 0x106, 1, 0, "scounteren" },
	{ 0x10a, 1, 0, "senvcfg" },
	{ 0x140, 1, 0, "sscratch" },
	{ 0x141, 1, 0, "sepc" },
	{ 0x142, 1, 0, "scause" },
	{ 0x143, 1, 0, "stval" },
	{ 0x144, 1, 0, "sip" },
	{ 0x14d, 1, 0, "stimecmp" },
	{ 0x15d, 1, 0, "stimecmph" },
	{ 0x180, 1, 0, "satp" },
	{ 0x300, 1, 0, "mstatus" },
	{ 0x301, 1, 0, "misa" },
	{ 0x302, 1, 0, "medeleg" },
	{ 0x303, 1, 0, "mideleg" },
	{ 0x304, 1, 0, "mie" },
	{ 0x305, 1, 0, "mtvec" },
	{ 0x306, 1, 0, "mcounteren" },
	{ 0x30a, 1, 0, "menvcfg" },
	{ 0x310, 1, 0, "mstatush" },
	{ 0x31a, 1, 0, "menvcfgh" },
	{ 0x320, 1, 0, "mcountinhibit" },
	{ 0x323, 29, 3, "mhpmevent" },
	{ 0x340, 1, 0, "mscratch" },
	{ 0x341, 1, 0, "mepc" },
	{ 0x342, 1, 0, "mcause" },
	{ 0x343, 1, 0, "mtval" },
	{ 0x344, 1, 0, "mip" },
	{ 0x3a0, 16, 0, "pmpcfg" },
	{ 0x3b0, 64, 0, "pmpaddr" },
	{ 0x747, 1, 0, "mseccfg" },
	{ 0x757, 1, 0, "mseccfgh" },
	{ 0xb00, 1, 0, "mcycle" },
	{ 0xb02, 1, 0, "minstret" },
	{ 0xb03, 29, 3, "mhpmcounter" },
	{ 0xb80, 1, 0, "mcycleh" },
	{ 0xb82, 1, 0, "minstreth" },
	{ 0xc00, 1, 0, "cycle" },
	{ 0xc01, 1, 0, "time" },
	{ 0xc02, 1, 0, "instret" },
	{ 0xc03, 29, 3, "hpmcounter" },
	{ 0xc20, 1, 0, "vl" },
	{ 0xc21, 1, 0, "vtype" },
	{ 0xc22, 1, 0, "vlenb" },
	{ 0xc80, 1, 0, "cycleh" },
	{ 0xc81, 1, 0, "timeh" },
	{ 0xc82, 1, 0, "instreth" },
	{ 0xf11, 1, 0, "mvendorid" },
	{ 0xf12, 1, 0, "marchid" },
	{ 0xf13, 1, 0, "mimpid" },
	{ 0xf14, 1, 0, "mhartid" },
	{ 0xf15, 1, 0, "mconfigptr" },
};

/* What an instruction's operands look like, one letter an operand:
 *   d s t    x registers rd, rs1, rs2       D S T R  f registers rd, rs1, rs2, rs3
 *   V W U X  v registers vd, vs2, vs1, vs3  i        immediate
 *   o        immediate(rs1)                 a        (rs1)
 *   b        where a branch leads           u        upper immediate
 *   c        control register               r        rounding mode, unless dynamic
 *   f        sets of a fence                m        v0.t, if masked
 *   y        vtype                          A        vector length of vsetivli
 * Formats of compressed instructions are not here: their base instruction is printed. */
static const char *const operands[RV_FORMAT_COUNT] = {
	[RV_FORMAT_U] = "du",
	[RV_FORMAT_J] = "db",
	[RV_FORMAT_I] = "dsi",
	[RV_FORMAT_B] = "stb",
	[RV_FORMAT_L] = "do",
	[RV_FORMAT_S] = "to",
	[RV_FORMAT_SH] = "dsi",
	[RV_FORMAT_R] = "dst",
	[RV_FORMAT_SHW] = "dsi",
	[RV_FORMAT_FENCE] = "f",
	[RV_FORMAT_NONE] = "",
	[RV_FORMAT_CSR] = "dcs",
	[RV_FORMAT_CSRI] = "dci",
	[RV_FORMAT_RR] = "st",
	[RV_FORMAT_LR] = "da",
	[RV_FORMAT_AMO] = "dta",
	[RV_FORMAT_CBO] = "a",
	[RV_FORMAT_PREF] = "o",
	[RV_FORMAT_R1] = "ds",
	[RV_FORMAT_FL] = "Do",
	[RV_FORMAT_FS] = "To",
	[RV_FORMAT_F4] = "DSTRr",
	[RV_FORMAT_F3] = "DSTr",
	[RV_FORMAT_F2] = "DSr",
	[RV_FORMAT_FF] = "DST",
	[RV_FORMAT_FCMP] = "dST",
	[RV_FORMAT_FX] = "dS",
	[RV_FORMAT_XF] = "Ds",
	[RV_FORMAT_FXRM] = "dSr",
	[RV_FORMAT_XFRM] = "Dsr",
	[RV_FORMAT_FLI] = "Di",
	[RV_FORMAT_XXF] = "Dst",
	[RV_FORMAT_VSETVLI] = "dsy",
	[RV_FORMAT_VSETI] = "dAy",
	[RV_FORMAT_VLU] = "Va",
	[RV_FORMAT_VSU] = "Xa",
	[RV_FORMAT_VL] = "Vam",
	[RV_FORMAT_VS] = "Xam",
	[RV_FORMAT_VLS] = "Vatm",
	[RV_FORMAT_VSS] = "Xatm",
	[RV_FORMAT_VLX] = "VaWm",
	[RV_FORMAT_VSX] = "XaWm",
	[RV_FORMAT_VLSEG] = "Vam",
	[RV_FORMAT_VSSEG] = "Xam",
	[RV_FORMAT_VLSSEG] = "Vatm",
	[RV_FORMAT_VSSSEG] = "Xatm",
	[RV_FORMAT_VLXSEG] = "VaWm",
	[RV_FORMAT_VSXSEG] = "XaWm",
	[RV_FORMAT_VVV] = "VWUm",
	[RV_FORMAT_VVX] = "VWsm",
	[RV_FORMAT_VVI] = "VWim",
	[RV_FORMAT_VVU] = "VWim",
	[RV_FORMAT_VVVU] = "VWU",
	[RV_FORMAT_VVXU] = "VWs",
	[RV_FORMAT_VVIU] = "VWi",
	[RV_FORMAT_VMVV] = "VU",
	[RV_FORMAT_VMVX] = "Vs",
	[RV_FORMAT_VMVI] = "Vi",
	[RV_FORMAT_VMVR] = "VW",
	[RV_FORMAT_VXS] = "dW",
	[RV_FORMAT_VXM] = "dWm",
	[RV_FORMAT_VV] = "VWm",
	[RV_FORMAT_VD] = "Vm",
	[RV_FORMAT_VVF] = "VWSm",
	[RV_FORMAT_VFS] = "DW",
	[RV_FORMAT_VMVF] = "VS",
	[RV_FORMAT_VVFU] = "VWS",
};

/* Instructions that don't look like the others of their format. Vector multiply-add and
 * multiply-subtract name the multiplicand vs2 last (vol. I, 30.11.13 and 30.13.6). */
static const struct {
	enum rv_op op;
	const char *operands;
} exceptions[] = {
	{ RV_OP_JALR, "do" },
	{ RV_OP_FENCE_I, "" },
};

static const char *multiply_add(const char *name, uint8_t format)
{
	static const char *const parts[] = { "macc", "msac", "madd", "msub" };
	for (size_t i = 0; i < sizeof(parts) / sizeof(*parts); i++) {
		if (!strstr(name, parts[i]))
			continue;
		if (format == RV_FORMAT_VVV)
			return "VUWm";
		if (format == RV_FORMAT_VVX)
			return "VsWm";
		if (format == RV_FORMAT_VVF)
			return "VSWm";
	}
	return NULL;
}

static const char *operands_of(enum rv_op op)
{
	const struct rv_row *row = &rv_rows[op];
	for (size_t i = 0; i < sizeof(exceptions) / sizeof(*exceptions); i++)
		if (exceptions[i].op == op)
			return exceptions[i].operands;
	const char *special = multiply_add(row->name, row->format);
	return special ? special : operands[row->format];
}

static void add_csr(struct out *o, unsigned csr)
{
	for (size_t i = 0; i < sizeof(csrs) / sizeof(*csrs); i++) {
		unsigned n = csr - csrs[i].first;
		if (csr < csrs[i].first || n >= csrs[i].count)
			continue;
		add(o, "%s", csrs[i].name);
		if (csrs[i].count > 1)
			add(o, "%u", csrs[i].number + n);
		return;
	}
	add(o, "0x%x", csr);
}

static void add_fence_set(struct out *o, unsigned set)
{
	static const char letters[] = "iorw";
	operand(o);
	for (unsigned i = 0; i < 4; i++)
		if (set & 8 >> i)
			add(o, "%c", letters[i]);
	if (!set)
		add(o, "0");
}

static void add_vtype(struct out *o, uint32_t vtype)
{
	static const char *const lmul[] = { "m1", "m2", "m4", "m8", NULL, "mf8", "mf4", "mf2" };
	if (vtype >> 8 || vtype >> 3 & 4 || !lmul[vtype & 7])
		add(o, "0x%x", vtype);
	else
		add(o, "e%u, %s, %s, %s", 8u << (vtype >> 3 & 7), lmul[vtype & 7],
			vtype & 0x40 ? "ta" : "tu", vtype & 0x80 ? "ma" : "mu");
}

static void add_register(struct out *o, char kind, const struct rv_args *a)
{
	switch (kind) {
	case 'd': add(o, "%s", x_names[a->rd & 31]); break;
	case 's': add(o, "%s", x_names[a->rs1 & 31]); break;
	case 't': add(o, "%s", x_names[a->rs2 & 31]); break;
	case 'D': add(o, "%s", f_names[a->rd & 31]); break;
	case 'S': add(o, "%s", f_names[a->rs1 & 31]); break;
	case 'T': add(o, "%s", f_names[a->rs2 & 31]); break;
	case 'R': add(o, "%s", f_names[a->rs3 & 31]); break;
	case 'V': add(o, "v%u", a->rd); break;
	case 'W': add(o, "v%u", a->rs2); break;
	case 'U': add(o, "v%u", a->rs1); break;
	default: add(o, "v%u", a->rs3); break;
	}
}

static void add_operand(
	struct out *o, char kind, const struct rv_args *a, unsigned xlen, uint64_t pc)
{
	uint64_t target = pc + (uint64_t)(int64_t)a->imm;
	if (kind == 'f') {
		add_fence_set(o, a->pred);
		add_fence_set(o, a->succ);
		return;
	}
	if ((kind == 'm' && a->vm) || (kind == 'r' && !roundings[a->rm & 7]))
		return;
	operand(o);
	switch (kind) {
	case 'i': add(o, "%d", (int)a->imm); break;
	case 'o': add(o, "%d(%s)", (int)a->imm, x_names[a->rs1 & 31]); break;
	case 'a': add(o, "(%s)", x_names[a->rs1 & 31]); break;
	case 'b':
		add(o, "0x%llx", (unsigned long long)(xlen == 32 ? (uint32_t)target : target));
		break;
	case 'u': add(o, "0x%x", (uint32_t)a->imm >> 12); break;
	case 'c': add_csr(o, a->csr); break;
	case 'r': add(o, "%s", roundings[a->rm & 7]); break;
	case 'm': add(o, "v0.t"); break;
	case 'y': add_vtype(o, (uint32_t)a->imm); break;
	case 'A': add(o, "%u", a->avl); break;
	default: add_register(o, kind, a); break;
	}
}

static int ends_with(const char *name, const char *end)
{
	size_t n = strlen(name), e = strlen(end);
	return n >= e && strcmp(name + n - e, end) == 0;
}

static void add_mnemonic(struct out *o, enum rv_op op, const struct rv_args *a)
{
	const char *name = rv_rows[op].name, *segment = strstr(name, "seg");
	if (op == RV_OP_FENCE && a->fm == 8)
		add(o, "fence.tso");
	else if (segment)
		add(o, "%.*s%u%s", (int)(segment + 3 - name), name, a->nf, segment + 3);
	else
		add(o, "%s%s%s%s", name, a->aq || a->rl ? "." : "", a->aq ? "aq" : "",
			a->rl ? "rl" : "");
}

static int takes_v0(const char *name)
{
	return ends_with(name, ".vvm") || ends_with(name, ".vxm") || ends_with(name, ".vim") ||
		ends_with(name, ".vfm");
}

unsigned riscv_disassemble(
	unsigned xlen, uint64_t pc, const uint8_t *bytes, size_t len, char *text, size_t text_size)
{
	struct out o = { text, text_size, 0, " " };
	struct rv_args args = { 0 };
	unsigned length = len >= 2 && (bytes[0] & 3) != 3 ? 2 : 4;
	uint32_t word = 0;
	if (len < length)
		return 0;
	for (unsigned i = length; i-- > 0;)
		word = word << 8 | bytes[i];
	enum rv_op op = length == 2 ? rv_decode16((uint16_t)word, xlen) : rv_decode32(word, xlen);
	if (op == RV_OP_ILLEGAL)
		return 0;
	rv_extract(op, word, &args);
	args.rd |= rv_rows[op].rd;
	args.rs1 |= rv_rows[op].rs1;
	args.rs2 |= rv_rows[op].rs2;
	op = (enum rv_op)rv_base_op[op];
	if (!text_size)
		return length;
	const char *kinds = operands_of(op);
	add_mnemonic(&o, op, &args);
	for (const char *k = kinds ? kinds : ""; *k; k++)
		add_operand(&o, *k, &args, xlen, pc);
	if (takes_v0(rv_rows[op].name))
		add(&o, ", v0");
	return length;
}
