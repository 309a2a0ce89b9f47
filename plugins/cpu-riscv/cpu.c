/* SPDX-License-Identifier: MIT */
/* The RISC-V CPU types as the core sees them: properties, registers, helpers, regimes, pins. */
#include "csr.h"
#include "isa.h"
#include "linux.h"
#include "state.h"
#include <string.h>

#define AT(member) ((uint32_t)offsetof(struct rv_cpu, member))
#define EXT(name)  (uint32_t)(offsetof(struct rv_cpu, ext_on) + RV_EXT_##name)

static const char *const mmu_names[] = { "none", "base", "sv48", "sv57", NULL };
static const char *const counter_link[] = { "bp.counter/1", NULL };

static const struct bp_field props[] = {
	{ "reset-pc", "address of the first instruction", AT(reset_pc), BP_U64, .def = 0x1000 },
	{ "time", "the timebase that time and stimecmp read", AT(time_link), BP_LINK,
		.names = counter_link },
	{ "mmu", "widest address translation; base is Sv32 or Sv39", AT(mmu), BP_ENUM, .def = 3,
		.names = mmu_names },
	{ "vlen", "bits of a vector register: 128, 256 or 512", AT(vlen_prop), BP_U32, BP_F_RANGE,
		.def = 128, .min = 128, .max = RV_VLEN_MAX },
	{ "i", "base integer instructions", EXT(I), BP_BOOL, .def = 1 },
	{ "m", "multiplication and division", EXT(M), BP_BOOL, .def = 1 },
	{ "a", "atomics", EXT(A), BP_BOOL, .def = 1 },
	{ "f", "single precision", EXT(F), BP_BOOL, .def = 1 },
	{ "d", "double precision", EXT(D), BP_BOOL, .def = 1 },
	{ "c", "compressed instructions", EXT(C), BP_BOOL, .def = 1 },
	{ "v", "vectors 1.0", EXT(V), BP_BOOL, .def = 0 },
	{ "zicsr", "control and status registers", EXT(ZICSR), BP_BOOL, .def = 1 },
	{ "zifencei", "instruction-fetch fence", EXT(ZIFENCEI), BP_BOOL, .def = 1 },
	{ "zicntr", "cycle, time and instret", EXT(ZICNTR), BP_BOOL, .def = 1 },
	{ "zihintpause", "pause hint", EXT(ZIHINTPAUSE), BP_BOOL, .def = 1 },
	{ "zicbom", "cache-block management", EXT(ZICBOM), BP_BOOL, .def = 1 },
	{ "zicboz", "cache-block zero", EXT(ZICBOZ), BP_BOOL, .def = 1 },
	{ "zicbop", "cache-block prefetch", EXT(ZICBOP), BP_BOOL, .def = 1 },
	{ "zicond", "conditional zero", EXT(ZICOND), BP_BOOL, .def = 1 },
	{ "zba", "address generation", EXT(ZBA), BP_BOOL, .def = 1 },
	{ "zbb", "basic bit manipulation", EXT(ZBB), BP_BOOL, .def = 1 },
	{ "zbc", "carry-less multiplication", EXT(ZBC), BP_BOOL, .def = 1 },
	{ "zbs", "single bits", EXT(ZBS), BP_BOOL, .def = 1 },
	{ "zbkb", "bit manipulation for cryptography", EXT(ZBKB), BP_BOOL, .def = 1 },
	{ "zfa", "additional floating point", EXT(ZFA), BP_BOOL, .def = 1 },
	{ "zfh", "half precision", EXT(ZFH), BP_BOOL, .def = 1 },
	{ "zfhmin", "half precision conversions", EXT(ZFHMIN), BP_BOOL, .def = 1 },
	{ "zvfh", "half precision vectors", EXT(ZVFH), BP_BOOL, .def = 0 },
	{ "zawrs", "wait on reservation set", EXT(ZAWRS), BP_BOOL, .def = 1 },
	{ "zacas", "compare and swap", EXT(ZACAS), BP_BOOL, .def = 1 },
	{ "svinval", "fine-grained invalidation", EXT(SVINVAL), BP_BOOL, .def = 1 },
	{ "svnapot", "64 KiB page hints", EXT(SVNAPOT), BP_BOOL, .def = 1 },
	{ "svpbmt", "page-based memory types", EXT(SVPBMT), BP_BOOL, .def = 1 },
	{ "svade", "page faults for A and D bits", EXT(SVADE), BP_BOOL, .def = 1 },
	{ "svadu", "hardware A and D bits (menvcfg.ADUE)", EXT(SVADU), BP_BOOL, .def = 1 },
	{ "sstc", "supervisor timer compare", EXT(SSTC), BP_BOOL, .def = 1 },
	{ 0 },
};

/* ---- architectural registers ---- */

static const struct bp_cpu_reg regs[] = {
	{ "pc", "general", AT(head.pc), BP_T_I64, BP_REG_PC, .count = 0 },
	{ "x", "general", AT(x), BP_T_I64, .count = 32, .stride = 8 },
	{ "f", "float", AT(f), BP_T_I64, .count = 32, .stride = 8 },
	{ "fflags", "float", AT(fflags), BP_T_I32 },
	{ "frm", "float", AT(frm), BP_T_I32 },
	{ "v", "vector", AT(v), BP_T_V512, .count = 32, .stride = RV_VLEN_MAX / 8 },
	{ "vl", "vector", AT(vl), BP_T_I64 },
	{ "vtype", "vector", AT(vtype), BP_T_I64 },
	{ "vstart", "vector", AT(vstart), BP_T_I64 },
	{ "vill", "vector", AT(vill), BP_T_I32, BP_REG_HIDDEN, .count = 0 },
	{ "mstatus", "csr", AT(mstatus), BP_T_I64 },
	{ "mepc", "csr", AT(mepc), BP_T_I64 },
	{ "mcause", "csr", AT(mcause), BP_T_I64 },
	{ "mtval", "csr", AT(mtval), BP_T_I64 },
	{ "mtvec", "csr", AT(mtvec), BP_T_I64 },
	{ "mscratch", "csr", AT(mscratch), BP_T_I64 },
	{ "sscratch", "csr", AT(sscratch), BP_T_I64 },
	{ "sepc", "csr", AT(sepc), BP_T_I64 },
	{ "scause", "csr", AT(scause), BP_T_I64 },
	{ "stval", "csr", AT(stval), BP_T_I64 },
	{ "stvec", "csr", AT(stvec), BP_T_I64 },
	{ "satp", "csr", AT(satp), BP_T_I64 },
	{ "next_pc", "csr", AT(next_pc), BP_T_I64, BP_REG_HIDDEN, .count = 0 },
	{ 0 },
};

/* What a snapshot holds beside the head, which is the core's. */
static const struct bp_field state[] = {
	{ .name = "x", .offset = AT(x), .type = BP_U64, .count = 32, .flags = BP_F_WHOLE },
	{ .name = "f", .offset = AT(f), .type = BP_U64, .count = 32, .flags = BP_F_WHOLE },
	{ .name = "v",
		.offset = AT(v),
		.type = BP_BYTES,
		.count = 32 * RV_VLEN_MAX / 8,
		.flags = BP_F_WHOLE },
	{ BP_FIELD(struct rv_cpu, fflags, BP_U32) },
	{ BP_FIELD(struct rv_cpu, frm, BP_U32) },
	{ BP_FIELD(struct rv_cpu, vxrm, BP_U32) },
	{ BP_FIELD(struct rv_cpu, vxsat, BP_U32) },
	{ BP_FIELD(struct rv_cpu, vstart, BP_U64) },
	{ BP_FIELD(struct rv_cpu, vl, BP_U64) },
	{ BP_FIELD(struct rv_cpu, vtype, BP_U64) },
	{ BP_FIELD(struct rv_cpu, vill, BP_U32) },
	{ BP_FIELD(struct rv_cpu, next_pc, BP_U64) },
	{ BP_FIELD(struct rv_cpu, priv, BP_U32) },
	{ BP_FIELD(struct rv_cpu, mstatus, BP_U64) },
	{ BP_FIELD(struct rv_cpu, medeleg, BP_U64) },
	{ BP_FIELD(struct rv_cpu, mideleg, BP_U64) },
	{ BP_FIELD(struct rv_cpu, mie, BP_U64) },
	{ BP_FIELD(struct rv_cpu, mip, BP_U64) },
	{ BP_FIELD(struct rv_cpu, wires, BP_U64) },
	{ BP_FIELD(struct rv_cpu, mtvec, BP_U64) },
	{ BP_FIELD(struct rv_cpu, mepc, BP_U64) },
	{ BP_FIELD(struct rv_cpu, mcause, BP_U64) },
	{ BP_FIELD(struct rv_cpu, mtval, BP_U64) },
	{ BP_FIELD(struct rv_cpu, mscratch, BP_U64) },
	{ BP_FIELD(struct rv_cpu, menvcfg, BP_U64) },
	{ BP_FIELD(struct rv_cpu, mcounteren, BP_U64) },
	{ BP_FIELD(struct rv_cpu, mcountinhibit, BP_U64) },
	{ BP_FIELD(struct rv_cpu, stvec, BP_U64) },
	{ BP_FIELD(struct rv_cpu, sepc, BP_U64) },
	{ BP_FIELD(struct rv_cpu, scause, BP_U64) },
	{ BP_FIELD(struct rv_cpu, stval, BP_U64) },
	{ BP_FIELD(struct rv_cpu, sscratch, BP_U64) },
	{ BP_FIELD(struct rv_cpu, senvcfg, BP_U64) },
	{ BP_FIELD(struct rv_cpu, scounteren, BP_U64) },
	{ BP_FIELD(struct rv_cpu, satp, BP_U64) },
	{ BP_FIELD(struct rv_cpu, stimecmp, BP_U64) },
	{ BP_FIELD(struct rv_cpu, stimer, BP_TIMER) },
	{ BP_FIELD(struct rv_cpu, mcycle_offset, BP_U64) },
	{ BP_FIELD(struct rv_cpu, minstret_offset, BP_U64) },
	{ .name = "pmpaddr",
		.offset = AT(pmpaddr),
		.type = BP_U64,
		.count = RV_PMP_COUNT,
		.flags = BP_F_WHOLE },
	{ .name = "pmpcfg",
		.offset = AT(pmpcfg),
		.type = BP_BYTES,
		.count = RV_PMP_COUNT,
		.flags = BP_F_WHOLE },
	{ 0 },
};

/* ---- what translated code calls ---- */

enum { SYSTEM = BP_HELPER_RAISES | BP_HELPER_KEY | BP_HELPER_PC | BP_HELPER_ANY_REG };
static const struct bp_helper helpers[] = {
	[RV_H_CSRRW] = { "csrrw", rv_h_csrrw, 4, 1,
		.flags = SYSTEM | BP_HELPER_TIME | BP_HELPER_COUNT },
	[RV_H_MRET] = { "mret", rv_h_mret, 0, 0, .flags = SYSTEM },
	[RV_H_SRET] = { "sret", rv_h_sret, 0, 0, .flags = SYSTEM },
	[RV_H_SFENCE] = { "sfence", rv_h_sfence, 3, 0, .flags = SYSTEM },
	[RV_H_FENCE_I] = { "fence_i", rv_h_fence_i, 0, 0, .flags = SYSTEM },
	[RV_H_CBO_ZERO] = { "cbo_zero", rv_h_cbo_zero, 1, 0, .flags = SYSTEM | BP_HELPER_MEMORY },
	[RV_H_CBO_CHECK] = { "cbo_check", rv_h_cbo_check, 2, 0,
		.flags = SYSTEM | BP_HELPER_MEMORY },
	[RV_H_VSETVL] = { "vsetvl", rv_h_vsetvl, 3, 1, .flags = SYSTEM },
	[RV_H_VECTOR] = { "vector", rv_h_vector, 2, 0, .flags = SYSTEM | BP_HELPER_MEMORY },
	[RV_H_VECTOR_KEEP] = { "vector_keep", rv_h_vector, 2, 0,
		.flags = (SYSTEM & ~BP_HELPER_KEY) | BP_HELPER_MEMORY },
	[RV_H_COUNT] = { 0 },
};

static const struct bp_fp_env fp_envs[] = {
	{ sizeof(struct bp_fp_env), BP_ROUND_DYNAMIC, BP_NAN_CANONICAL, BP_FP_TINY_AFTER,
		AT(rounding), AT(fflags) },
	{ 0 },
};

static const struct bp_regime regimes[] = {
	[RV_REGIME_U] = { "user", 0, 0 },
	[RV_REGIME_S] = { "supervisor", 0, 0 },
	[RV_REGIME_S_SUM] = { "supervisor-sum", 0, 0 },
	[RV_REGIME_U_MXR] = { "user-mxr", 0, 0 },
	[RV_REGIME_S_MXR] = { "supervisor-mxr", 0, 0 },
	[RV_REGIME_S_SUM_MXR] = { "supervisor-sum-mxr", 0, 0 },
	[RV_REGIME_M] = { "machine", 1, 0 },
	{ 0 },
};

/* ---- wires ---- */

static void wire(struct rv_cpu *cpu, unsigned irq, int level)
{
	uint64_t bit = UINT64_C(1) << irq;
	if (level)
		cpu->wires |= bit;
	else
		cpu->wires &= ~bit;
	if (level)
		rv_update_irq(cpu);
}

/* An edge, not a level: it sets mip.SSIP, which software clears (ACLINT specification, SSWI). */
static void set_ssip(void *self, unsigned n, int level)
{
	struct rv_cpu *cpu = self;
	(void)n;
	if (!level)
		return;
	cpu->mip |= UINT64_C(1) << RV_SSI;
	rv_update_irq(cpu);
}

static void set_msip(void *cpu, unsigned n, int level)
{
	(void)n;
	wire(cpu, RV_MSI, level);
}

static void set_mtip(void *cpu, unsigned n, int level)
{
	(void)n;
	wire(cpu, RV_MTI, level);
}

static void set_seip(void *cpu, unsigned n, int level)
{
	(void)n;
	wire(cpu, RV_SEI, level);
}

static void set_meip(void *cpu, unsigned n, int level)
{
	(void)n;
	wire(cpu, RV_MEI, level);
}

static const struct bp_pin pins[] = {
	{ .name = "ssip", .count = 1, .set = set_ssip },
	{ .name = "msip", .count = 1, .set = set_msip },
	{ .name = "mtip", .count = 1, .set = set_mtip },
	{ .name = "seip", .count = 1, .set = set_seip },
	{ .name = "meip", .count = 1, .set = set_meip },
	{ 0 },
};

/* ---- helpers that belong nowhere else ---- */

int rv_h_sfence(void *self, uint64_t *args)
{
	struct rv_cpu *cpu = self;
	enum { ANY_ADDRESS = 1, ANY_ASID = 2 };
	unsigned flags = (unsigned)args[2];
	uint64_t asid = args[1] & (cpu->config.xlen == 32 ? 0x1ff : 0xffff);
	cpu->core->tlb_flush(cpu, args[0], flags & ANY_ADDRESS ? 0 : 1, RV_SPACE_ON | asid,
		(flags & ANY_ASID) != 0, 0, 0);
	return BP_H_OK;
}

int rv_h_fence_i(void *self, uint64_t *args)
{
	struct rv_cpu *cpu = self;
	(void)args;
	cpu->core->code_sync(cpu);
	return BP_H_OK;
}

static uint32_t data_memop(const struct rv_cpu *cpu)
{
	return (uint32_t)RV_KEY(cpu->head.key, RV_KEY_REGIME, 4) << BP_MEM_REGIME_SHIFT;
}

int rv_h_cbo_zero(void *self, uint64_t *args)
{
	static const uint8_t zeros[RV_CACHE_BLOCK];
	struct rv_cpu *cpu = self;
	return cpu->core->store_bytes(cpu, args[0] & ~(uint64_t)(RV_CACHE_BLOCK - 1), zeros,
		RV_CACHE_BLOCK, data_memop(cpu));
}

/* Allowed where a load or a store of the block is; a fault is a store's (unpriv 19.3). Nothing is
 * cached here, so nothing else is to do. */
int rv_h_cbo_check(void *self, uint64_t *args)
{
	struct rv_cpu *cpu = self;
	uint64_t addr = args[0] & ~(uint64_t)(RV_CACHE_BLOCK - 1);
	uint32_t memop = data_memop(cpu) | BP_MEM_WRITE_INTENT;
	if (!cpu->core->probe(cpu, addr, RV_CACHE_BLOCK, BP_ACC_WRITE, memop, 1))
		return BP_H_OK;
	return cpu->core->probe(cpu, addr, RV_CACHE_BLOCK, BP_ACC_READ, memop, 0);
}

/* ---- life ---- */

static void stimer_fired(void *self, uint64_t arg)
{
	(void)arg;
	rv_update_irq(self);
}

static int create(struct rv_cpu *cpu, const struct bp_host *host, bp_error *err, uint32_t xlen)
{
	const char *ext, *missing;
	cpu->host = host;
	cpu->core = host->interface("bp.cpu-core/1");
	cpu->fp = host->interface("bp.float/1");
	if (!cpu->core || !cpu->fp)
		return host->fail(err, "this core offers no services for CPUs");
	if (cpu->vlen_prop != 128 && cpu->vlen_prop != 256 && cpu->vlen_prop != 512)
		return host->fail(err, "vlen is %u; it can be 128, 256 or 512", cpu->vlen_prop);
	cpu->config.xlen = xlen;
	cpu->config.vlen = cpu->vlen_prop;
	cpu->config.elen = 64;
	for (unsigned i = 0; i < RV_EXT_COUNT; i++)
		cpu->config.exts |= (uint64_t)(cpu->ext_on[i] != 0) << i;
	if (!rv_has(&cpu->config, RV_EXT_I))
		return host->fail(err, "i = false: there is no hart without the base instructions");
	if (rv_check_extensions(&cpu->config, &ext, &missing) != 0)
		return host->fail(err, "%s needs %s, which is off; switch it on, or %s off", ext,
			missing, ext);
	if (cpu->time_link) {
		cpu->time = cpu->time_link->ops;
		cpu->time_self = cpu->time_link->self;
	}
	cpu->stimer = host->timer_new(cpu, BP_CLOCK_VIRTUAL, stimer_fired, 0);
	return 0;
}

static int create64(void *cpu, const struct bp_host *host, bp_error *err)
{
	return create(cpu, host, err, 64);
}

static int create32(void *cpu, const struct bp_host *host, bp_error *err)
{
	return create(cpu, host, err, 32);
}

/* Everything from x on, but the properties, is as after power-on (priv 3.4). */
static void reset(void *self, int step)
{
	struct rv_cpu *cpu = self;
	if (step != BP_RESET_ENTER)
		return;
	uint64_t wires = cpu->wires;
	memset(cpu->x, 0, offsetof(struct rv_cpu, reset_pc) - offsetof(struct rv_cpu, x));
	cpu->wires = wires;
	cpu->priv = RV_M;
	cpu->vill = 1;
	cpu->head.pc = cpu->reset_pc;
	cpu->hartid = cpu->head.index;
	cpu->mcycle_offset = cpu->minstret_offset = -cpu->head.icount;
	cpu->stimecmp = UINT64_MAX;
	cpu->host->timer_cancel(cpu->stimer);
	cpu->core->unwatch(cpu);
	cpu->core->pending_clear(cpu, UINT32_MAX);
	rv_update_space(cpu);
	rv_update_key(cpu);
}

static int loaded(void *self, uint32_t from_version, bp_error *err)
{
	struct rv_cpu *cpu = self;
	(void)from_version;
	if (!rv_state_possible(cpu))
		return cpu->host->fail(err,
			"the saved state is none that a hart can be in (privilege %u, frm %u, vl "
			"%u, vtype 0x%x, vstart %u)",
			cpu->priv, cpu->frm, (unsigned)cpu->vl, (unsigned)cpu->vtype,
			(unsigned)cpu->vstart);
	cpu->rounding = cpu->frm <= 4 ? cpu->frm : 0;
	rv_update_space(cpu);
	rv_update_key(cpu);
	rv_update_irq(cpu);
	return 0;
}

static const void *interface(void *self, const char *id)
{
	const struct rv_cpu *cpu = self;
	if (!strcmp(id, "bp.linux-abi/1"))
		return cpu->config.xlen == 32 ? &rv_linux32 : &rv_linux64;
	return strcmp(id, "bp.fdt-node/1") ? NULL : &rv_fdt_node;
}

#define OBJECT(create_fn)                                                                          \
	{                                                                                          \
		.size = sizeof(struct bp_object), .instance_size = sizeof(struct rv_cpu),          \
		.threads = BP_PARALLEL, .state_version = 1, .state_oldest = 1, .props = props,     \
		.state = state, .in = pins, .create = (create_fn), .reset = reset,                 \
		.loaded = loaded, .interface = interface,                                          \
	}
static const struct bp_object object64 = OBJECT(create64), object32 = OBJECT(create32);

#define CPU(isa, bits)                                                                             \
	{                                                                                          \
		.size = sizeof(struct bp_cpu), .ir_level = BP_IR_LEVEL, .isa_name = (isa),         \
		.config_offset = AT(config), .config_size = sizeof(struct rv_config),              \
		.address_bits = (bits), .page_bits = 12, .insn_align = 2, .insn_max = 4,           \
		.regs = regs, .helpers = helpers, .fp_envs = fp_envs, .regimes = regimes,          \
		.translate = rv_translate, .fetch_regime = rv_fetch_regime,                        \
		.translate_address = rv_translate_address, .exception = rv_exception,              \
		.memory_fault = rv_memory_fault, .interrupt = rv_interrupt,                        \
		.has_work = rv_has_work,                                                           \
	}
static const struct bp_cpu cpu64 = CPU("riscv64", 64), cpu32 = CPU("riscv32", 32);

static const struct bp_type types[] = {
	{ "riscv64", "64-bit RISC-V hart", BP_KIND_CPU, 0, &object64, &cpu64 },
	{ "riscv32", "32-bit RISC-V hart", BP_KIND_CPU, 0, &object32, &cpu32 },
	{ 0 },
};

BP_PLUGIN(cpu_riscv) = {
	BP_PLUGIN_HEAD,
	.name = "cpu-riscv",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
