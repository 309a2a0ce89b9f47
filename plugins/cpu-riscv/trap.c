/* SPDX-License-Identifier: MIT */
/* Exceptions, interrupts, mret and sret (priv 3.1.6 to 3.1.9, 3.3.2, 4.1). */
#include "csr.h"
#include "state.h"

/* ---- interrupts ---- */

uint64_t rv_mip(struct rv_cpu *cpu)
{
	uint64_t mip = cpu->mip | cpu->wires;
	/* With menvcfg.STCE, STIP is the comparison and nothing else (priv 12.1). */
	if (rv_has(&cpu->config, RV_EXT_SSTC) && cpu->menvcfg & MENVCFG_STCE) {
		mip &= ~(UINT64_C(1) << RV_STI);
		if (cpu->time && cpu->time->read(cpu->time_self) >= cpu->stimecmp)
			mip |= UINT64_C(1) << RV_STI;
	}
	return mip;
}

void rv_update_irq(struct rv_cpu *cpu)
{
	/* Also what is not deliverable now wakes a waiting hart (priv 3.3.3). */
	if (rv_mip(cpu) & cpu->mie)
		cpu->core->pending_set(cpu, RV_PENDING_IRQ);
}

int rv_has_work(void *self)
{
	struct rv_cpu *cpu = self;
	return (rv_mip(cpu) & cpu->mie) != 0;
}

/* Most urgent first (priv 3.1.9). */
static const uint8_t by_priority[] = { RV_MEI, RV_MSI, RV_MTI, RV_SEI, RV_SSI, RV_STI };

static void enter(struct rv_cpu *cpu, uint64_t cause, uint64_t value, int interrupt);

int rv_interrupt(void *self)
{
	struct rv_cpu *cpu = self;
	uint64_t ready = rv_mip(cpu) & cpu->mie;
	uint64_t for_m = ready & ~cpu->mideleg, for_s = ready & cpu->mideleg;
	if (cpu->priv == RV_M) {
		for_s = 0;
		for_m = cpu->mstatus & MSTATUS_MIE ? for_m : 0;
	} else if (cpu->priv == RV_S) {
		for_s = cpu->mstatus & MSTATUS_SIE ? for_s : 0;
	}
	uint64_t take = for_m ? for_m : for_s;
	for (unsigned i = 0; i < sizeof(by_priority); i++) {
		if (take >> by_priority[i] & 1) {
			enter(cpu, by_priority[i], 0, 1);
			return 1;
		}
	}
	return 0;
}

/* ---- entering a trap ---- */

static uint64_t vector(const struct rv_cpu *cpu, uint64_t tvec, uint64_t cause, int interrupt)
{
	uint64_t target = (tvec & ~UINT64_C(3)) + (interrupt && tvec & 1 ? 4 * cause : 0);
	return cpu->config.xlen == 32 ? (uint32_t)target : target;
}

static void enter(struct rv_cpu *cpu, uint64_t cause, uint64_t value, int interrupt)
{
	uint64_t top = interrupt ? UINT64_C(1) << (cpu->config.xlen - 1) : 0;
	uint64_t deleg = interrupt ? cpu->mideleg : cpu->medeleg;
	uint64_t s = cpu->mstatus;
	cpu->core->unwatch(cpu);
	if (cpu->config.xlen == 32)
		value = (uint32_t)value;
	if (cpu->priv != RV_M && deleg >> cause & 1) {
		cpu->scause = cause | top;
		cpu->sepc = cpu->head.pc;
		cpu->stval = value;
		s = (s & ~(MSTATUS_SPIE | MSTATUS_SPP)) | (s & MSTATUS_SIE ? MSTATUS_SPIE : 0) |
			(cpu->priv == RV_S ? MSTATUS_SPP : 0);
		cpu->mstatus = s & ~MSTATUS_SIE;
		cpu->priv = RV_S;
		cpu->head.pc = vector(cpu, cpu->stvec, cause, interrupt);
	} else {
		cpu->mcause = cause | top;
		cpu->mepc = cpu->head.pc;
		cpu->mtval = value;
		s = (s & ~(MSTATUS_MPIE | MSTATUS_MPP)) | (s & MSTATUS_MIE ? MSTATUS_MPIE : 0) |
			(uint64_t)cpu->priv << MSTATUS_MPP_SHIFT;
		cpu->mstatus = s & ~MSTATUS_MIE;
		cpu->priv = RV_M;
		cpu->head.pc = vector(cpu, cpu->mtvec, cause, interrupt);
	}
	rv_update_key(cpu);
	rv_update_irq(cpu);
}

/* What ends with an exception does not retire (priv 3.1.10); the core has counted it. */
static void not_retired(struct rv_cpu *cpu)
{
	if (!(cpu->mcountinhibit & 4))
		cpu->minstret_offset--;
}

void rv_exception(void *self, uint32_t cause, uint64_t value)
{
	not_retired(self);
	enter(self, cause, value, 0);
}

void rv_memory_fault(void *self, const struct bp_fault *fault)
{
	static const uint8_t misaligned[] = { [BP_ACC_READ] = RV_MISALIGNED_LOAD,
		[BP_ACC_WRITE] = RV_MISALIGNED_STORE,
		[BP_ACC_EXEC] = RV_MISALIGNED_FETCH };
	static const uint8_t access[] = { [BP_ACC_READ] = RV_LOAD_ACCESS,
		[BP_ACC_WRITE] = RV_STORE_ACCESS,
		[BP_ACC_EXEC] = RV_FETCH_ACCESS };
	/* What a walk refused for a load stands as a store's fault if the access asked to write. */
	static const uint8_t as_store[16] = {
		[RV_LOAD_ACCESS] = RV_STORE_ACCESS, [RV_LOAD_PAGE] = RV_STORE_PAGE
	};
	uint32_t cause = access[fault->access];
	not_retired(self);
	if (fault->kind == BP_FAULT_ALIGN) {
		cause = misaligned[fault->access];
	} else if (fault->kind == BP_FAULT_WALK) {
		cause = fault->cause;
		if (fault->access == BP_ACC_WRITE && as_store[cause & 15])
			cause = as_store[cause & 15];
	}
	enter(self, cause, fault->addr, 0);
}

/* ---- leaving one ---- */

/* MPRV is lost when the privilege returned to is below M (priv 3.1.6.3). */
static void leave_to(struct rv_cpu *cpu, unsigned priv, uint64_t pc)
{
	if (priv != RV_M)
		cpu->mstatus &= ~MSTATUS_MPRV;
	cpu->priv = priv;
	cpu->next_pc = rv_has(&cpu->config, RV_EXT_C) ? pc & ~UINT64_C(1) : pc & ~UINT64_C(3);
	cpu->core->unwatch(cpu);
	rv_update_key(cpu);
	rv_update_irq(cpu);
}

int rv_h_mret(void *self, uint64_t *args)
{
	struct rv_cpu *cpu = self;
	uint64_t s = cpu->mstatus;
	unsigned priv = s >> MSTATUS_MPP_SHIFT & 3;
	(void)args;
	s = (s & ~(MSTATUS_MIE | MSTATUS_MPP)) | (s & MSTATUS_MPIE ? MSTATUS_MIE : 0);
	cpu->mstatus = s | MSTATUS_MPIE;
	leave_to(cpu, priv, cpu->mepc);
	return BP_H_OK;
}

int rv_h_sret(void *self, uint64_t *args)
{
	struct rv_cpu *cpu = self;
	uint64_t s = cpu->mstatus;
	unsigned priv = s & MSTATUS_SPP ? RV_S : RV_U;
	(void)args;
	s = (s & ~(MSTATUS_SIE | MSTATUS_SPP)) | (s & MSTATUS_SPIE ? MSTATUS_SIE : 0);
	cpu->mstatus = s | MSTATUS_SPIE;
	leave_to(cpu, priv, cpu->sepc);
	return BP_H_OK;
}
