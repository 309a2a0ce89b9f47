/* SPDX-License-Identifier: MIT */
/* Control and status registers, by one table: number, storage, what may be written, and functions
 * where storage and a mask do not say it all (priv 2, 3, 4; unpriv 8, 20.2, 30.3). */
#include "csr.h"
#include "state.h"
#include "vtype.h"

enum csr_flags {
	XLEN32 = 1, /* only on RV32: the high half of another */
	FLOAT = 2, /* needs mstatus.FS not off */
	VECTOR = 4, /* needs mstatus.VS not off */
	NO_KEY = 8 /* a write changes neither the key nor interrupts */
};

struct csr {
	uint16_t number, count; /* count registers from number on; 0 means 1 */
	uint32_t flags;
	uint32_t offset; /* of a uint64_t; NONE: the functions do it all */
	uint64_t writable;
	uint64_t (*read)(struct rv_cpu *cpu, unsigned n);
	void (*write)(struct rv_cpu *cpu, unsigned n, uint64_t value);
	int (*allowed)(struct rv_cpu *cpu, unsigned n);
};
#define AT(member) ((uint32_t)offsetof(struct rv_cpu, member))
#define NONE       UINT32_MAX

static int is32(const struct rv_cpu *cpu)
{
	return cpu->config.xlen == 32;
}

static uint64_t irq_bit(unsigned irq)
{
	return UINT64_C(1) << irq;
}

int rv_state_possible(const struct rv_cpu *cpu)
{
	static const uint64_t known = MSTATUS_SIE | MSTATUS_MIE | MSTATUS_SPIE | MSTATUS_MPIE |
		MSTATUS_SPP | MSTATUS_MPP | MSTATUS_MPRV | MSTATUS_SUM | MSTATUS_MXR | MSTATUS_TVM |
		MSTATUS_TW | MSTATUS_TSR | MSTATUS_FS | MSTATUS_VS;
	return cpu->priv <= RV_M && cpu->priv != 2 && !(cpu->mstatus & ~known) &&
		(cpu->mstatus >> MSTATUS_MPP_SHIFT & 3) != 2 && cpu->frm <= 7 && cpu->vxrm <= 3 &&
		cpu->vxsat <= 1 && rv_vector_possible(cpu);
}

/* ---- what follows from the state ---- */

static unsigned data_regime(const struct rv_cpu *cpu)
{
	unsigned priv = cpu->priv;
	if (priv == RV_M && cpu->mstatus & MSTATUS_MPRV)
		priv = cpu->mstatus >> MSTATUS_MPP_SHIFT & 3;
	int sum = (cpu->mstatus & MSTATUS_SUM) != 0, mxr = (cpu->mstatus & MSTATUS_MXR) != 0;
	if (priv == RV_M)
		return RV_REGIME_M;
	if (priv == RV_U)
		return mxr ? RV_REGIME_U_MXR : RV_REGIME_U;
	return sum ? (mxr ? RV_REGIME_S_SUM_MXR : RV_REGIME_S_SUM)
		   : (mxr ? RV_REGIME_S_MXR : RV_REGIME_S);
}

/* Cache-block operations allowed here: 1 allowed or flush, 3 invalidate (unpriv 19.4). */
static uint64_t cbo_key(const struct rv_cpu *cpu)
{
	uint64_t m = cpu->menvcfg, s = cpu->senvcfg,
		 all = MENVCFG_CBIE | MENVCFG_CBCFE | MENVCFG_CBZE;
	uint64_t on = cpu->priv == RV_M ? all : cpu->priv == RV_S ? m & all : m & s & all;
	unsigned cbie = on >> 4 & 3;
	/* 01 and 11 both allow; and-ing them leaves 01: inval acts as flush. */
	return (uint64_t)cbie << RV_KEY_CBIE |
		(on & MENVCFG_CBCFE ? UINT64_C(1) << RV_KEY_CBCFE : 0) |
		(on & MENVCFG_CBZE ? UINT64_C(1) << RV_KEY_CBZE : 0);
}

/* While the unit is off nothing looks at it: then code is the same for all. */
static uint64_t vector_key(const struct rv_cpu *cpu)
{
	if (cpu->vill)
		return UINT64_C(1) << RV_KEY_VILL;
	return cpu->vtype << RV_KEY_VTYPE |
		(uint64_t)(cpu->vl == rv_vlmax_of(&cpu->config, cpu->vtype)) << RV_KEY_VLMAX;
}

void rv_update_key(struct rv_cpu *cpu)
{
	uint64_t s = cpu->mstatus, key = cpu->priv;
	key |= (s >> MSTATUS_FS_SHIFT & 3) << RV_KEY_FS;
	key |= (s >> MSTATUS_VS_SHIFT & 3) << RV_KEY_VS;
	key |= (uint64_t)data_regime(cpu) << RV_KEY_REGIME;
	key |= (uint64_t)(cpu->frm > 4) << RV_KEY_FRM_BAD;
	if (rv_has(&cpu->config, RV_EXT_V) && RV_KEY(key, RV_KEY_VS, 2))
		key |= vector_key(cpu);
	key |= (uint64_t)(cpu->vstart != 0) << RV_KEY_VSTART;
	if (cpu->priv == RV_S && s & MSTATUS_TVM)
		key |= UINT64_C(1) << RV_KEY_TVM;
	if (cpu->priv != RV_M && s & MSTATUS_TW)
		key |= UINT64_C(1) << RV_KEY_TW;
	if (cpu->priv == RV_S && s & MSTATUS_TSR)
		key |= UINT64_C(1) << RV_KEY_TSR;
	cpu->head.key = key | cbo_key(cpu);
}

void rv_update_space(struct rv_cpu *cpu)
{
	uint64_t satp = cpu->satp;
	int on = is32(cpu) ? satp >> 31 & 1 : satp >> 60 != 0;
	uint64_t asid = is32(cpu) ? satp >> 22 & 0x1ff : satp >> 44 & 0xffff;
	cpu->core->space_select(cpu, on ? RV_SPACE_ON | asid : 0);
}

static void flush_all(struct rv_cpu *cpu)
{
	cpu->core->tlb_flush(cpu, 0, 0, 0, 1, 1, 0);
}

static void dirty(struct rv_cpu *cpu, uint64_t unit)
{
	cpu->mstatus |= unit;
}

/* ---- floating point and vector ---- */

static uint64_t read_fcsr(struct rv_cpu *cpu, unsigned n)
{
	(void)n;
	return cpu->frm << 5 | (cpu->fflags & 31);
}

static void write_frm(struct rv_cpu *cpu, unsigned n, uint64_t value)
{
	(void)n;
	cpu->frm = value & 7;
	cpu->rounding = cpu->frm <= 4 ? cpu->frm : 0;
	dirty(cpu, MSTATUS_FS);
}

static uint64_t read_frm(struct rv_cpu *cpu, unsigned n)
{
	(void)n;
	return cpu->frm;
}

static uint64_t read_fflags(struct rv_cpu *cpu, unsigned n)
{
	(void)n;
	return cpu->fflags & 31;
}

static void write_fflags(struct rv_cpu *cpu, unsigned n, uint64_t value)
{
	(void)n;
	cpu->fflags = value & 31;
	dirty(cpu, MSTATUS_FS);
}

static void write_fcsr(struct rv_cpu *cpu, unsigned n, uint64_t value)
{
	write_fflags(cpu, n, value);
	write_frm(cpu, n, value >> 5);
}

static void write_vstart(struct rv_cpu *cpu, unsigned n, uint64_t value)
{
	(void)n;
	cpu->vstart = value & (cpu->config.vlen - 1);
	dirty(cpu, MSTATUS_VS);
}

static uint64_t read_vxrm(struct rv_cpu *cpu, unsigned n)
{
	/* vxsat, vxrm, vcsr = both */
	return n == 0x009 ? cpu->vxsat : n == 0x00a ? cpu->vxrm : cpu->vxrm << 1 | cpu->vxsat;
}

static void write_vxrm(struct rv_cpu *cpu, unsigned n, uint64_t value)
{
	if (n != 0x00a)
		cpu->vxsat = value & 1;
	if (n != 0x009)
		cpu->vxrm = (n == 0x00f ? value >> 1 : value) & 3;
	dirty(cpu, MSTATUS_VS);
}

static uint64_t read_vtype(struct rv_cpu *cpu, unsigned n)
{
	(void)n;
	return cpu->vill ? UINT64_C(1) << (cpu->config.xlen - 1) : cpu->vtype;
}

static uint64_t read_vlenb(struct rv_cpu *cpu, unsigned n)
{
	(void)n;
	return cpu->config.vlen / 8;
}

/* ---- counters: value = instructions + offset, or the offset alone while inhibited ---- */

static uint64_t *counter_offset(struct rv_cpu *cpu, unsigned n)
{
	return (n & 0x1f) == 2 ? &cpu->minstret_offset : &cpu->mcycle_offset;
}

static int inhibited(const struct rv_cpu *cpu, unsigned n)
{
	return cpu->mcountinhibit >> (n & 0x1f) & 1;
}

static uint64_t counter(struct rv_cpu *cpu, unsigned n)
{
	uint64_t offset = *counter_offset(cpu, n);
	return inhibited(cpu, n) ? offset : cpu->core->icount(cpu) + offset;
}

static uint64_t read_counter(struct rv_cpu *cpu, unsigned n)
{
	return n & 0x80 ? counter(cpu, n) >> 32 : counter(cpu, n);
}

/* What is written stands in place of this instruction's own increment (priv 3.1.10). */
static void write_counter(struct rv_cpu *cpu, unsigned n, uint64_t value)
{
	uint64_t was = counter(cpu, n);
	if (n & 0x80)
		value = value << 32 | (uint32_t)was;
	else if (is32(cpu))
		value = was >> 32 << 32 | (uint32_t)value;
	*counter_offset(cpu, n) = inhibited(cpu, n) ? value : value - cpu->core->icount(cpu) - 1;
}

static void write_inhibit(struct rv_cpu *cpu, unsigned n, uint64_t value)
{
	uint64_t cycle = counter(cpu, 0), instret = counter(cpu, 2), now = cpu->core->icount(cpu);
	(void)n;
	cpu->mcountinhibit = value & 5;
	cpu->mcycle_offset = inhibited(cpu, 0) ? cycle : cycle - now;
	cpu->minstret_offset = inhibited(cpu, 2) ? instret : instret - now;
}

static uint64_t read_time(struct rv_cpu *cpu, unsigned n)
{
	uint64_t t = cpu->time ? cpu->time->read(cpu->time_self) : 0;
	return n & 0x80 ? t >> 32 : t;
}

static int counter_allowed(struct rv_cpu *cpu, unsigned n)
{
	uint64_t bit = UINT64_C(1) << (n & 0x1f);
	if (!rv_has(&cpu->config, RV_EXT_ZICNTR) || ((n & 0x1f) == 1 && !cpu->time))
		return 0;
	if (cpu->priv < RV_M && !(cpu->mcounteren & bit))
		return 0;
	return cpu->priv != RV_U || cpu->scounteren & bit;
}

/* ---- Sstc (priv 12) ---- */

static void arm_stimer(struct rv_cpu *cpu)
{
	if (cpu->time && cpu->menvcfg & MENVCFG_STCE) {
		int64_t when = cpu->time->when(cpu->time_self, cpu->stimecmp);
		if (when == INT64_MAX)
			cpu->host->timer_cancel(cpu->stimer);
		else
			cpu->host->timer_at(cpu->stimer, when);
	} else {
		cpu->host->timer_cancel(cpu->stimer);
	}
}

static int stimecmp_allowed(struct rv_cpu *cpu, unsigned n)
{
	(void)n;
	if (!rv_has(&cpu->config, RV_EXT_SSTC) || !cpu->time)
		return 0;
	return cpu->priv == RV_M || (cpu->mcounteren & 2 && cpu->menvcfg & MENVCFG_STCE);
}

static uint64_t read_stimecmp(struct rv_cpu *cpu, unsigned n)
{
	return n == 0x15d ? cpu->stimecmp >> 32 : cpu->stimecmp;
}

static void write_stimecmp(struct rv_cpu *cpu, unsigned n, uint64_t value)
{
	if (n == 0x15d)
		value = value << 32 | (uint32_t)cpu->stimecmp;
	else if (is32(cpu))
		value = cpu->stimecmp >> 32 << 32 | (uint32_t)value;
	cpu->stimecmp = value;
	arm_stimer(cpu);
}

/* ---- status ---- */

static uint64_t status_writable(const struct rv_cpu *cpu)
{
	return MSTATUS_SIE | MSTATUS_MIE | MSTATUS_SPIE | MSTATUS_MPIE | MSTATUS_SPP | MSTATUS_MPP |
		MSTATUS_MPRV | MSTATUS_SUM | MSTATUS_MXR | MSTATUS_TVM | MSTATUS_TW | MSTATUS_TSR |
		(rv_has(&cpu->config, RV_EXT_F) ? MSTATUS_FS : 0) |
		(rv_has(&cpu->config, RV_EXT_V) ? MSTATUS_VS : 0);
}
#define SSTATUS_MASK                                                                               \
	(MSTATUS_SIE | MSTATUS_SPIE | MSTATUS_SPP | MSTATUS_VS | MSTATUS_FS | MSTATUS_SUM |        \
		MSTATUS_MXR)

static uint64_t read_status(struct rv_cpu *cpu, unsigned n)
{
	uint64_t v = cpu->mstatus;
	int summary = (v & MSTATUS_FS) == MSTATUS_FS || (v & MSTATUS_VS) == MSTATUS_VS;
	if (n == 0x310)
		return v >> 32;
	if (n == 0x100)
		v &= SSTATUS_MASK;
	if (!is32(cpu))
		v |= UINT64_C(2) << 32 | (n == 0x300 ? UINT64_C(2) << 34 : 0); /* UXL, SXL */
	return v | (summary ? UINT64_C(1) << (cpu->config.xlen - 1) : 0);
}

static void write_status(struct rv_cpu *cpu, unsigned n, uint64_t value)
{
	uint64_t mask = status_writable(cpu) & (n == 0x100 ? SSTATUS_MASK : UINT64_MAX);
	if ((value >> MSTATUS_MPP_SHIFT & 3) == 2)
		mask &= ~MSTATUS_MPP; /* no such privilege: the field stays */
	cpu->mstatus = (cpu->mstatus & ~mask) | (value & mask);
}

static uint64_t read_misa(struct rv_cpu *cpu, unsigned n)
{
	static const struct {
		uint8_t ext;
		char letter;
	} letters[] = { { RV_EXT_A, 'a' }, { RV_EXT_C, 'c' }, { RV_EXT_D, 'd' }, { RV_EXT_F, 'f' },
		{ RV_EXT_M, 'm' }, { RV_EXT_V, 'v' } };
	uint64_t v = 1u << ('i' - 'a') | 1u << ('s' - 'a') | 1u << ('u' - 'a');
	(void)n;
	for (unsigned i = 0; i < sizeof(letters) / sizeof(letters[0]); i++)
		if (rv_has(&cpu->config, letters[i].ext))
			v |= 1u << (letters[i].letter - 'a');
	return v | (is32(cpu) ? UINT64_C(1) << 30 : UINT64_C(2) << 62);
}

static uint64_t read_hartid(struct rv_cpu *cpu, unsigned n)
{
	(void)n;
	return cpu->hartid;
}

static uint64_t read_zero(struct rv_cpu *cpu, unsigned n)
{
	(void)cpu;
	(void)n;
	return 0;
}

static void write_nothing(struct rv_cpu *cpu, unsigned n, uint64_t value)
{
	(void)cpu;
	(void)n;
	(void)value;
}

/* ---- interrupts ---- */

#define S_IRQS (irq_bit(RV_SSI) | irq_bit(RV_STI) | irq_bit(RV_SEI))
#define M_IRQS (irq_bit(RV_MSI) | irq_bit(RV_MTI) | irq_bit(RV_MEI))

static uint64_t read_ie(struct rv_cpu *cpu, unsigned n)
{
	return n == 0x104 ? cpu->mie & cpu->mideleg : cpu->mie;
}

static void write_ie(struct rv_cpu *cpu, unsigned n, uint64_t value)
{
	uint64_t mask = n == 0x104 ? cpu->mideleg : S_IRQS | M_IRQS;
	cpu->mie = (cpu->mie & ~mask) | (value & mask);
}

static uint64_t read_ip(struct rv_cpu *cpu, unsigned n)
{
	return n == 0x144 ? rv_mip(cpu) & cpu->mideleg : rv_mip(cpu);
}

static void write_ip(struct rv_cpu *cpu, unsigned n, uint64_t value)
{
	uint64_t mask = n == 0x144 ? irq_bit(RV_SSI) & cpu->mideleg : S_IRQS;
	if (rv_has(&cpu->config, RV_EXT_SSTC) && cpu->menvcfg & MENVCFG_STCE)
		mask &= ~irq_bit(RV_STI);
	__atomic_and_fetch((uint64_t *)&cpu->mip, ~mask | value, __ATOMIC_SEQ_CST);
	__atomic_or_fetch((uint64_t *)&cpu->mip, value & mask, __ATOMIC_SEQ_CST);
}

static void write_mideleg(struct rv_cpu *cpu, unsigned n, uint64_t value)
{
	(void)n;
	cpu->mideleg = value & S_IRQS;
}

/* ---- traps ---- */

static void write_tvec(struct rv_cpu *cpu, unsigned n, uint64_t value)
{
	/* Modes 0 direct and 1 vectored; other values leave the mode as it is. */
	uint64_t *v = n == 0x105 ? &cpu->stvec : &cpu->mtvec;
	*v = (value & ~UINT64_C(3)) | ((value & 3) <= 1 ? value & 3 : *v & 3);
}

static void write_epc(struct rv_cpu *cpu, unsigned n, uint64_t value)
{
	*(n == 0x141 ? &cpu->sepc : &cpu->mepc) =
		value & ~(rv_has(&cpu->config, RV_EXT_C) ? UINT64_C(1) : UINT64_C(3));
}

/* ---- environment, address space, protection ---- */

static uint64_t envcfg_writable(const struct rv_cpu *cpu)
{
	const struct rv_config *c = &cpu->config;
	return 1 | (rv_has(c, RV_EXT_ZICBOM) ? MENVCFG_CBIE | MENVCFG_CBCFE : 0) |
		(rv_has(c, RV_EXT_ZICBOZ) ? MENVCFG_CBZE : 0);
}

static void write_envcfg(struct rv_cpu *cpu, unsigned n, uint64_t value)
{
	const struct rv_config *c = &cpu->config;
	uint64_t mask = envcfg_writable(cpu), *reg = n == 0x10a ? &cpu->senvcfg : &cpu->menvcfg;
	if ((value & MENVCFG_CBIE) == UINT64_C(2) << 4)
		mask &= ~MENVCFG_CBIE; /* reserved */
	if (n != 0x10a)
		mask |= (rv_has(c, RV_EXT_SSTC) ? MENVCFG_STCE : 0) |
			(rv_has(c, RV_EXT_SVPBMT) && !is32(cpu) ? MENVCFG_PBMTE : 0) |
			(rv_has(c, RV_EXT_SVADU) ? MENVCFG_ADUE : 0);
	if (n == 0x31a) {
		value <<= 32;
		mask &= UINT64_MAX << 32;
	} else if (is32(cpu)) {
		mask &= UINT32_MAX;
	}
	uint64_t was = *reg;
	*reg = (was & ~mask) | (value & mask);
	if ((was ^ *reg) & (MENVCFG_PBMTE | MENVCFG_ADUE))
		flush_all(cpu);
	if ((was ^ *reg) & MENVCFG_STCE)
		arm_stimer(cpu);
}

static uint64_t read_menvcfgh(struct rv_cpu *cpu, unsigned n)
{
	(void)n;
	return cpu->menvcfg >> 32;
}

static int satp_allowed(struct rv_cpu *cpu, unsigned n)
{
	(void)n;
	return !(cpu->priv == RV_S && cpu->mstatus & MSTATUS_TVM);
}

static void write_satp(struct rv_cpu *cpu, unsigned n, uint64_t value)
{
	(void)n;
	if (!cpu->mmu)
		return;
	if (!is32(cpu)) {
		/* Sv39 is mode 8, Sv48 9, Sv57 10; a mode that is not there: no effect (priv 4.1.11). */
		unsigned mode = (unsigned)(value >> 60);
		if (mode && (mode < 8 || mode > 7u + cpu->mmu))
			return;
	}
	cpu->satp = value;
	rv_update_space(cpu);
}

static unsigned pmp_first(const struct rv_cpu *cpu, unsigned n)
{
	(void)cpu;
	return (n - 0x3a0) * 4;
}

static int pmpcfg_allowed(struct rv_cpu *cpu, unsigned n)
{
	return is32(cpu) || !(n & 1);
}

static uint64_t read_pmpcfg(struct rv_cpu *cpu, unsigned n)
{
	uint64_t v = 0;
	for (unsigned i = 0; i < cpu->config.xlen / 8; i++)
		v |= (uint64_t)cpu->pmpcfg[pmp_first(cpu, n) + i] << 8 * i;
	return v;
}

static void write_pmpcfg(struct rv_cpu *cpu, unsigned n, uint64_t value)
{
	enum { READ = 1, WRITE = 2, LOCKED = 0x80, USED = 0x9f };
	for (unsigned i = 0; i < cpu->config.xlen / 8; i++) {
		unsigned k = pmp_first(cpu, n) + i, cfg = value >> 8 * i & USED;
		/* Write without read is reserved: such an entry stays as it is. */
		if (k >= RV_PMP_COUNT || cpu->pmpcfg[k] & LOCKED || (cfg & (READ | WRITE)) == WRITE)
			continue;
		cpu->pmpcfg[k] = (uint8_t)cfg;
	}
	flush_all(cpu);
}

static uint64_t read_pmpaddr(struct rv_cpu *cpu, unsigned n)
{
	return cpu->pmpaddr[n - 0x3b0];
}

/* A locked entry, or one below a locked top-of-range entry, cannot be changed (priv 3.7.1.2). */
static void write_pmpaddr(struct rv_cpu *cpu, unsigned n, uint64_t value)
{
	enum { LOCKED = 0x80, MODE = 0x18, TOR = 0x08 };
	unsigned k = n - 0x3b0;
	if (k >= RV_PMP_COUNT || cpu->pmpcfg[k] & LOCKED)
		return;
	if (k + 1 < RV_PMP_COUNT && cpu->pmpcfg[k + 1] & LOCKED &&
		(cpu->pmpcfg[k + 1] & MODE) == TOR)
		return;
	cpu->pmpaddr[k] = is32(cpu) ? (uint32_t)value : value & ((UINT64_C(1) << 54) - 1);
	flush_all(cpu);
}

/* ---- the table, by number ---- */

static const struct csr csrs[] = {
	{ 0x001, 0, FLOAT, NONE, 0, read_fflags, write_fflags, NULL },
	{ 0x002, 0, FLOAT, NONE, 0, read_frm, write_frm, NULL },
	{ 0x003, 0, FLOAT, NONE, 0, read_fcsr, write_fcsr, NULL },
	{ 0x008, 0, VECTOR, AT(vstart), 0, NULL, write_vstart, NULL },
	{ 0x009, 2, VECTOR, NONE, 0, read_vxrm, write_vxrm, NULL },
	{ 0x00f, 0, VECTOR, NONE, 0, read_vxrm, write_vxrm, NULL },
	{ 0x100, 0, 0, NONE, 0, read_status, write_status, NULL },
	{ 0x104, 0, 0, NONE, 0, read_ie, write_ie, NULL },
	{ 0x105, 0, 0, AT(stvec), 0, NULL, write_tvec, NULL },
	{ 0x106, 0, 0, AT(scounteren), 7, NULL, NULL, NULL },
	{ 0x10a, 0, 0, AT(senvcfg), 0, NULL, write_envcfg, NULL },
	{ 0x140, 0, NO_KEY, AT(sscratch), UINT64_MAX, NULL, NULL, NULL },
	{ 0x141, 0, NO_KEY, AT(sepc), 0, NULL, write_epc, NULL },
	{ 0x142, 0, NO_KEY, AT(scause), UINT64_MAX, NULL, NULL, NULL },
	{ 0x143, 0, NO_KEY, AT(stval), UINT64_MAX, NULL, NULL, NULL },
	{ 0x144, 0, 0, NONE, 0, read_ip, write_ip, NULL },
	{ 0x14d, 0, 0, NONE, 0, read_stimecmp, write_stimecmp, stimecmp_allowed },
	{ 0x15d, 0, XLEN32, NONE, 0, read_stimecmp, write_stimecmp, stimecmp_allowed },
	{ 0x180, 0, 0, AT(satp), 0, NULL, write_satp, satp_allowed },
	{ 0x300, 0, 0, NONE, 0, read_status, write_status, NULL },
	{ 0x301, 0, 0, NONE, 0, read_misa, write_nothing, NULL },
	{ 0x302, 0, 0, AT(medeleg), 0xb3ff, NULL, NULL, NULL },
	{ 0x303, 0, 0, AT(mideleg), 0, NULL, write_mideleg, NULL },
	{ 0x304, 0, 0, NONE, 0, read_ie, write_ie, NULL },
	{ 0x305, 0, 0, AT(mtvec), 0, NULL, write_tvec, NULL },
	{ 0x306, 0, 0, AT(mcounteren), 7, NULL, NULL, NULL },
	{ 0x30a, 0, 0, AT(menvcfg), 0, NULL, write_envcfg, NULL },
	{ 0x310, 0, XLEN32, NONE, 0, read_status, write_nothing, NULL },
	{ 0x31a, 0, XLEN32, NONE, 0, read_menvcfgh, write_envcfg, NULL },
	{ 0x320, 0, 0, AT(mcountinhibit), 0, NULL, write_inhibit, NULL },
	{ 0x323, 29, 0, NONE, 0, read_zero, write_nothing, NULL }, /* mhpmevent3.. */
	{ 0x340, 0, NO_KEY, AT(mscratch), UINT64_MAX, NULL, NULL, NULL },
	{ 0x341, 0, NO_KEY, AT(mepc), 0, NULL, write_epc, NULL },
	{ 0x342, 0, NO_KEY, AT(mcause), UINT64_MAX, NULL, NULL, NULL },
	{ 0x343, 0, NO_KEY, AT(mtval), UINT64_MAX, NULL, NULL, NULL },
	{ 0x344, 0, 0, NONE, 0, read_ip, write_ip, NULL },
	{ 0x3a0, 16, 0, NONE, 0, read_pmpcfg, write_pmpcfg, pmpcfg_allowed },
	{ 0x3b0, 64, 0, NONE, 0, read_pmpaddr, write_pmpaddr, NULL },
	{ 0xb00, 0, 0, NONE, 0, read_counter, write_counter, NULL },
	{ 0xb02, 0, 0, NONE, 0, read_counter, write_counter, NULL },
	{ 0xb03, 29, 0, NONE, 0, read_zero, write_nothing, NULL }, /* mhpmcounter3.. */
	{ 0xb80, 0, XLEN32, NONE, 0, read_counter, write_counter, NULL },
	{ 0xb82, 0, XLEN32, NONE, 0, read_counter, write_counter, NULL },
	{ 0xb83, 29, XLEN32, NONE, 0, read_zero, write_nothing, NULL },
	{ 0xc00, 0, 0, NONE, 0, read_counter, NULL, counter_allowed },
	{ 0xc01, 0, 0, NONE, 0, read_time, NULL, counter_allowed },
	{ 0xc02, 0, 0, NONE, 0, read_counter, NULL, counter_allowed },
	{ 0xc03, 29, 0, NONE, 0, read_zero, NULL, counter_allowed }, /* hpmcounter3.. */
	{ 0xc20, 0, VECTOR, AT(vl), 0, NULL, NULL, NULL },
	{ 0xc21, 0, VECTOR, NONE, 0, read_vtype, NULL, NULL },
	{ 0xc22, 0, VECTOR, NONE, 0, read_vlenb, NULL, NULL },
	{ 0xc80, 0, XLEN32, NONE, 0, read_counter, NULL, counter_allowed },
	{ 0xc81, 0, XLEN32, NONE, 0, read_time, NULL, counter_allowed },
	{ 0xc82, 0, XLEN32, NONE, 0, read_counter, NULL, counter_allowed },
	{ 0xc83, 29, XLEN32, NONE, 0, read_zero, NULL, counter_allowed },
	{ 0xf11, 5, 0, NONE, 0, read_zero, NULL, NULL }, /* vendor, arch, imp, hart, config */
};

/* The row of a number that this hart has and this privilege may use, or NULL: illegal. */
static const struct csr *find(struct rv_cpu *cpu, unsigned n, int write)
{
	const struct csr *row = NULL;
	unsigned low = 0, high = sizeof(csrs) / sizeof(csrs[0]);
	while (low < high) {
		unsigned mid = (low + high) / 2;
		if (csrs[mid].number <= n) {
			row = &csrs[mid];
			low = mid + 1;
		} else {
			high = mid;
		}
	}
	if (!row || n - row->number >= (row->count ? row->count : 1u))
		return NULL;
	/* Bits 9:8 are the lowest privilege, 11:10 both set mean read-only (priv 2.1). */
	if (cpu->priv < (n >> 8 & 3) || (write && n >> 10 == 3))
		return NULL;
	if ((row->flags & XLEN32 && !is32(cpu)) ||
		(row->flags & FLOAT &&
			(!rv_has(&cpu->config, RV_EXT_F) || !(cpu->mstatus & MSTATUS_FS))) ||
		(row->flags & VECTOR &&
			(!rv_has(&cpu->config, RV_EXT_V) || !(cpu->mstatus & MSTATUS_VS))))
		return NULL;
	return row->allowed && !row->allowed(cpu, n) ? NULL : row;
}

int rv_csr_plain(unsigned n, uint32_t *offset, int *writable)
{
	for (unsigned i = 0; i < sizeof(csrs) / sizeof(csrs[0]); i++) {
		const struct csr *row = &csrs[i];
		if (row->number != n)
			continue;
		*offset = row->offset;
		*writable = !row->write && row->writable == UINT64_MAX;
		return row->flags == NO_KEY && row->offset != NONE && !row->read && !row->allowed;
	}
	return 0;
}

static uint64_t *storage(struct rv_cpu *cpu, const struct csr *row)
{
	return (uint64_t *)(void *)((char *)cpu + row->offset);
}

static uint64_t read_row(struct rv_cpu *cpu, const struct csr *row, unsigned n)
{
	uint64_t v = n == 0xf14 ? read_hartid(cpu, n)
		: row->read     ? row->read(cpu, n)
				: *storage(cpu, row);
	return is32(cpu) ? (uint32_t)v : v;
}

static void write_row(struct rv_cpu *cpu, const struct csr *row, unsigned n, uint64_t value)
{
	if (is32(cpu))
		value = (uint32_t)value;
	if (row->write)
		row->write(cpu, n, value);
	else
		*storage(cpu, row) =
			(*storage(cpu, row) & ~row->writable) | (value & row->writable);
	if (!(row->flags & NO_KEY)) {
		rv_update_key(cpu);
		rv_update_irq(cpu);
	}
}

int rv_h_csrrw(void *self, uint64_t *args)
{
	enum { NO_READ = 1, NO_WRITE = 2, SET = 4, CLEAR = 8 };
	struct rv_cpu *cpu = self;
	unsigned n = (unsigned)args[0], flags = (unsigned)args[2];
	uint64_t value = args[1], old = 0;
	const struct csr *row = find(cpu, n, !(flags & NO_WRITE));
	if (!row)
		return cpu->core->raise(cpu, RV_ILLEGAL, args[3]);
	if (!(flags & NO_READ))
		old = read_row(cpu, row, n);
	if (!(flags & NO_WRITE)) {
		/* Setting and clearing bits of mip acts on SEIP's software bit alone (priv 3.1.9). */
		uint64_t base = old;
		if (n == 0x344 && flags & (SET | CLEAR))
			base = (old & ~irq_bit(RV_SEI)) | (cpu->mip & irq_bit(RV_SEI));
		if (flags & SET)
			value = base | value;
		else if (flags & CLEAR)
			value = base & ~value;
		write_row(cpu, row, n, value);
	}
	args[0] = old;
	return BP_H_OK;
}
