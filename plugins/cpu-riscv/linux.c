/* SPDX-License-Identifier: MIT */
/* "bp.linux-abi/1": Linux programs. Facts from the RISC-V ELF psABI 1.0 (registers, vDSO, code of
 * system calls) and the headers that the kernel exports for user space: asm/ucontext.h,
 * asm/sigcontext.h, asm/ptrace.h, asm/hwcap.h, asm/hwprobe.h. */
#include "linux.h"
#include "csr.h"
#include "isa.h"
#include "state.h"
#include <backplane/linux.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

enum { RA = 1, SP = 2, TP = 4, A0 = 10, A1 = 11, A2 = 12, A7 = 17, CALL_BYTES = 4 };
enum { EM_RISCV = 243 };

/* ---- a hart as a program has it ---- */

static uint64_t read_counter(void *self)
{
	struct timespec t;
	(void)self;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000 + (uint64_t)t.tv_nsec;
}

static uint64_t counter_frequency(void *self)
{
	(void)self;
	return 1000000000;
}

static int64_t counter_when(void *self, uint64_t value)
{
	(void)self;
	(void)value;
	return INT64_MAX;
}

static const struct bp_counter counter = {
	.size = sizeof(counter),
	.read = read_counter,
	.frequency = counter_frequency,
	.when = counter_when,
};

/* User mode with all that a kernel switches on for it. */
static void user_mode(struct rv_cpu *cpu)
{
	enum { CY_TM_IR = 7 };
	cpu->priv = RV_U;
	cpu->mstatus |= UINT64_C(3) << MSTATUS_FS_SHIFT;
	if (rv_has(&cpu->config, RV_EXT_V))
		cpu->mstatus |= UINT64_C(3) << MSTATUS_VS_SHIFT;
	cpu->mcounteren = cpu->scounteren = CY_TM_IR;
	cpu->menvcfg |= MENVCFG_CBCFE | MENVCFG_CBZE;
	cpu->senvcfg |= MENVCFG_CBCFE | MENVCFG_CBZE;
	cpu->time = &counter;
	cpu->time_self = cpu;
	rv_update_space(cpu);
	rv_update_key(cpu);
}

static uint64_t narrow(const struct rv_cpu *cpu, uint64_t value)
{
	return cpu->config.xlen == 32 ? (uint32_t)value : value;
}

static void start(void *self, uint64_t pc, uint64_t sp)
{
	struct rv_cpu *cpu = self;
	memset(cpu->x, 0, sizeof(cpu->x));
	memset(cpu->f, 0, sizeof(cpu->f));
	cpu->x[SP] = sp;
	cpu->head.pc = narrow(cpu, pc);
	user_mode(cpu);
}

static void clone(void *to, const void *from, uint64_t sp, int tls_set, uint64_t tls)
{
	struct rv_cpu *child = to;
	const struct rv_cpu *parent = from;
	memcpy(child->x, parent->x, sizeof(child->x));
	memcpy(child->f, parent->f, sizeof(child->f));
	memcpy(child->v, parent->v, sizeof(child->v));
	child->fflags = parent->fflags;
	child->frm = parent->frm;
	child->rounding = parent->rounding;
	child->vxrm = parent->vxrm;
	child->vxsat = parent->vxsat;
	child->vl = parent->vl;
	child->vtype = parent->vtype;
	child->vstart = parent->vstart;
	child->vill = parent->vill;
	child->head.pc = parent->head.pc;
	if (sp)
		child->x[SP] = sp;
	if (tls_set)
		child->x[TP] = tls;
	user_mode(child);
}

static uint64_t stack_pointer(void *self)
{
	return ((struct rv_cpu *)self)->x[SP];
}

static uint64_t pc(void *self)
{
	return ((struct rv_cpu *)self)->head.pc;
}

static void jump(void *self, uint64_t to)
{
	struct rv_cpu *cpu = self;
	cpu->head.pc = narrow(cpu, to & ~UINT64_C(1));
	cpu->core->unwatch(cpu);
}

/* ---- calls and traps ---- */

static void call_get(void *self, uint64_t *number, uint64_t args[6])
{
	const struct rv_cpu *cpu = self;
	*number = cpu->x[A7];
	memcpy(args, &cpu->x[A0], 6 * sizeof(args[0]));
}

static void call_done(void *self, int64_t result)
{
	struct rv_cpu *cpu = self;
	cpu->x[A0] = narrow(cpu, (uint64_t)result);
	cpu->head.pc = narrow(cpu, cpu->head.pc + CALL_BYTES);
}

static void trap(void *self, uint32_t cause, uint64_t value, struct bp_linux_trap_info *out)
{
	struct rv_cpu *cpu = self;
	static const struct {
		uint8_t cause, kind;
		int signal, code;
	} rows[] = {
		{ RV_ECALL_U, BP_LINUX_TRAP_CALL, 0, 0 },
		{ RV_ILLEGAL, BP_LINUX_TRAP_SIGNAL, SIGILL, ILL_ILLOPC },
		{ RV_BREAKPOINT, BP_LINUX_TRAP_SIGNAL, SIGTRAP, TRAP_BRKPT },
		{ RV_MISALIGNED_FETCH, BP_LINUX_TRAP_SIGNAL, SIGBUS, BUS_ADRALN },
		{ RV_MISALIGNED_LOAD, BP_LINUX_TRAP_SIGNAL, SIGBUS, BUS_ADRALN },
		{ RV_MISALIGNED_STORE, BP_LINUX_TRAP_SIGNAL, SIGBUS, BUS_ADRALN },
	};
	out->kind = BP_LINUX_TRAP_NONE;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rows[i].cause == cause) {
			out->kind = rows[i].kind;
			out->signal = rows[i].signal;
			out->code = rows[i].code;
			out->addr = rows[i].signal == SIGBUS ? value : cpu->head.pc;
		}
}

/* ---- signals ---- */

/* struct sigcontext: registers of XLEN bits, pc first, then the union of floating-point states,
 * aligned to 16 bytes; its D form has 32 registers and fcsr. */
enum { FP_UNION = 528 };

static unsigned word_bytes(const struct rv_cpu *cpu)
{
	return cpu->config.xlen / 8;
}

static void context_save(void *self, void *context)
{
	const struct rv_cpu *cpu = self;
	unsigned word = word_bytes(cpu);
	uint8_t *at = context, *fp = at + 32 * word;
	uint32_t fcsr = cpu->frm << 5 | (cpu->fflags & 31);
	memcpy(at, &cpu->head.pc, word);
	for (unsigned i = 1; i < 32; i++)
		memcpy(at + i * word, &cpu->x[i], word);
	memset(fp, 0, FP_UNION);
	memcpy(fp, cpu->f, sizeof(cpu->f));
	memcpy(fp + sizeof(cpu->f), &fcsr, sizeof(fcsr));
}

static int context_load(void *self, const void *context)
{
	struct rv_cpu *cpu = self;
	unsigned word = word_bytes(cpu);
	const uint8_t *at = context, *fp = at + 32 * word;
	uint32_t fcsr;
	memcpy(&fcsr, fp + sizeof(cpu->f), sizeof(fcsr));
	cpu->head.pc = 0;
	memcpy(&cpu->head.pc, at, word);
	cpu->head.pc &= ~UINT64_C(1);
	for (unsigned i = 1; i < 32; i++) {
		cpu->x[i] = 0;
		memcpy(&cpu->x[i], at + i * word, word);
	}
	memcpy(cpu->f, fp, sizeof(cpu->f));
	cpu->fflags = fcsr & 31;
	cpu->frm = fcsr >> 5 & 7;
	cpu->rounding = cpu->frm <= 4 ? cpu->frm : 0;
	cpu->core->unwatch(cpu);
	rv_update_key(cpu);
	return 0;
}

/* user_regs_struct and __riscv_d_ext_state: the two parts of a sigcontext. */
enum { CORE_FLOATING = 32 * 8 + 8, EF_RVC = 1, EF_DOUBLE = 4 };

static void registers(void *self, void *general, void *floating)
{
	const struct rv_cpu *cpu = self;
	uint8_t context[32 * 8 + FP_UNION];
	unsigned bytes = 32 * word_bytes(cpu);
	context_save(self, context);
	memcpy(general, context, bytes);
	memcpy(floating, context + bytes, CORE_FLOATING);
}

static void describe(void *self, unsigned number, char *text, size_t size)
{
	const struct rv_cpu *cpu = self;
	char isa[512];
	rv_isa_string(&cpu->config, isa, sizeof(isa));
	snprintf(text, size, "processor\t: %u\nhart\t\t: %u\nisa\t\t: %s\nmmu\t\t: %s\n\n", number,
		number, isa, cpu->config.xlen == 32 ? "sv32" : "sv39");
}

static void handler(void *self, uint64_t pc, uint64_t sp, int signal, uint64_t info,
	uint64_t context, uint64_t ret)
{
	struct rv_cpu *cpu = self;
	cpu->x[RA] = ret;
	cpu->x[SP] = sp;
	cpu->x[A0] = (uint64_t)signal;
	cpu->x[A1] = info;
	cpu->x[A2] = context;
	cpu->head.pc = pc & ~UINT64_C(1);
	cpu->core->unwatch(cpu);
}

/* ---- what a program can learn of the hart ---- */

static uint64_t hwcap(void *self, unsigned which)
{
	static const struct {
		uint8_t ext, letter;
	} letters[] = { { RV_EXT_I, 'I' }, { RV_EXT_M, 'M' }, { RV_EXT_A, 'A' }, { RV_EXT_F, 'F' },
		{ RV_EXT_D, 'D' }, { RV_EXT_C, 'C' }, { RV_EXT_V, 'V' } };
	const struct rv_cpu *cpu = self;
	uint64_t bits = 0;
	for (unsigned i = 0; which == 0 && i < sizeof(letters) / sizeof(letters[0]); i++)
		if (rv_has(&cpu->config, letters[i].ext))
			bits |= UINT64_C(1) << (letters[i].letter - 'A');
	return bits;
}

static uint64_t extension_bits(const struct rv_cpu *cpu)
{
	static const struct {
		uint8_t ext, bit;
	} rows[] = { { RV_EXT_D, 0 }, { RV_EXT_C, 1 }, { RV_EXT_V, 2 }, { RV_EXT_ZBA, 3 },
		{ RV_EXT_ZBB, 4 }, { RV_EXT_ZBS, 5 }, { RV_EXT_ZICBOZ, 6 }, { RV_EXT_ZBC, 7 },
		{ RV_EXT_ZBKB, 8 }, { RV_EXT_ZFH, 27 }, { RV_EXT_ZFHMIN, 28 }, { RV_EXT_ZVFH, 30 },
		{ RV_EXT_ZFA, 32 }, { RV_EXT_ZACAS, 34 }, { RV_EXT_ZICOND, 35 },
		{ RV_EXT_ZIHINTPAUSE, 36 } };
	uint64_t bits = 0;
	for (unsigned i = 0; i < sizeof(rows) / sizeof(rows[0]); i++)
		if (rv_has(&cpu->config, rows[i].ext))
			bits |= UINT64_C(1) << rows[i].bit;
	return bits;
}

struct probe {
	int64_t key;
	uint64_t value;
};

/* riscv_hwprobe(pairs, count, cpus_size, cpus, flags): all harts are alike. */
static int64_t hwprobe(void *self, void *rows, const uint64_t args[6])
{
	enum { IDS = 3, BASE = 3, EXTENSIONS, UNALIGNED, ZERO_BLOCK, BASE_IMA = 1, FAST = 3 };
	struct probe *p = rows;
	if (args[4])
		return -22; /* EINVAL */
	for (uint64_t i = 0; i < args[1]; i++) {
		if (p[i].key >= 0 && p[i].key < IDS)
			p[i].value = 0;
		else if (p[i].key == BASE)
			p[i].value = BASE_IMA;
		else if (p[i].key == EXTENSIONS)
			p[i].value = extension_bits(self);
		else if (p[i].key == UNALIGNED)
			p[i].value = FAST;
		else if (p[i].key == ZERO_BLOCK)
			p[i].value = RV_CACHE_BLOCK;
		else
			p[i] = (struct probe){ -1, 0 };
	}
	return 0;
}

static const struct bp_linux_call own_calls[] = {
	{ 258, BP_LINUX_OWN_ANSWER, "riscv_hwprobe", sizeof(struct probe), 0, hwprobe },
	{ 259, BP_LINUX_OWN_FLUSH_ICACHE, "riscv_flush_icache", 0, 0, NULL },
	{ 0 },
};

/* ---- the vDSO: each function is a system call ---- */

#define LI_A7(n) (uint32_t)(n) << 20 | 0x893 /* addi a7, x0, n */
enum { ECALL = 0x73, RET = 0x8067 };
static const uint32_t end_handler[] = { LI_A7(139), ECALL };
static const uint32_t clock_get[] = { LI_A7(113), ECALL, RET };
static const uint32_t clock_res[] = { LI_A7(114), ECALL, RET };
static const uint32_t get_time[] = { LI_A7(169), ECALL, RET };
static const uint32_t get_cpu[] = { LI_A7(168), ECALL, RET };
static const uint32_t probe[] = { LI_A7(258), ECALL, RET };
static const uint32_t flush[] = { LI_A7(259), ECALL, RET };

static const struct bp_linux_code vdso[] = {
	{ "__vdso_rt_sigreturn", "LINUX_4.15", end_handler, sizeof(end_handler), 0 },
	{ "__vdso_gettimeofday", "LINUX_4.15", get_time, sizeof(get_time), 0 },
	{ "__vdso_clock_gettime", "LINUX_4.15", clock_get, sizeof(clock_get), 0 },
	{ "__vdso_clock_getres", "LINUX_4.15", clock_res, sizeof(clock_res), 0 },
	{ "__vdso_getcpu", "LINUX_4.15", get_cpu, sizeof(get_cpu), 0 },
	{ "__vdso_flush_icache", "LINUX_4.15", flush, sizeof(flush), 0 },
	{ "__vdso_riscv_hwprobe", "LINUX_4.15", probe, sizeof(probe), 0 },
	{ 0 },
};

/* The kernel of 32 bits has no clocks there. */
static const struct bp_linux_code vdso32[] = {
	{ "__vdso_rt_sigreturn", "LINUX_4.15", end_handler, sizeof(end_handler), 0 },
	{ "__vdso_getcpu", "LINUX_4.15", get_cpu, sizeof(get_cpu), 0 },
	{ "__vdso_flush_icache", "LINUX_4.15", flush, sizeof(flush), 0 },
	{ "__vdso_riscv_hwprobe", "LINUX_4.15", probe, sizeof(probe), 0 },
	{ 0 },
};

#define ABI(bits, class, call_table, addresses, code)                                              \
	{                                                                                          \
		.size = sizeof(struct bp_linux_abi), .machine = "riscv" #bits,                     \
		.elf_class = (class), .elf_data = BP_LINUX_LITTLE, .elf_machine = EM_RISCV,        \
		.calls = (call_table), .layout = BP_LINUX_LAYOUT_GENERIC, .page_bits = 12,         \
		.address_bits = (addresses), .stack_align = 16, .minimum_stack = 2048,             \
		.context_size = 32 * (bits) / 8 + FP_UNION, .context_align = 16, .hwcap = hwcap,   \
		.start = start, .trap = trap, .call_get = call_get, .call_done = call_done,        \
		.stack_pointer = stack_pointer, .clone = clone, .context_save = context_save,      \
		.context_load = context_load, .handler = handler, .vdso = (code),                  \
		.sigreturn = "__vdso_rt_sigreturn", .own_calls = own_calls,                        \
		.general_size = 32 * (bits) / 8, .floating_size = CORE_FLOATING,                   \
		.elf_flags = EF_RVC | EF_DOUBLE, .registers = registers, .describe = describe,     \
		.pc = pc, .jump = jump,                                                            \
	}
/* Sv39 gives a program 38 bits; one of 32 has them all. */
const struct bp_linux_abi rv_linux64 = ABI(64, 2, BP_LINUX_CALLS_GENERIC, 38, vdso);
const struct bp_linux_abi rv_linux32 = ABI(32, 1, BP_LINUX_CALLS_GENERIC_TIME64, 32, vdso32);
