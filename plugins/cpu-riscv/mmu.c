/* SPDX-License-Identifier: MIT */
/* Address translation: Sv32, Sv39, Sv48, Sv57 (priv 4.3 to 4.6), Svnapot (5.1), Svpbmt (5.2), Svade
 * and Svadu (3.1.18, 4.3.1). */
#include "csr.h"
#include "state.h"

enum {
	PTE_V = 1,
	PTE_R = 2,
	PTE_W = 4,
	PTE_X = 8,
	PTE_U = 16,
	PTE_G = 32,
	PTE_A = 64,
	PTE_D = 128
};
#define PTE_N        (UINT64_C(1) << 63)
#define PTE_PBMT     (UINT64_C(3) << 61)
#define PTE_RESERVED (UINT64_C(0x7f) << 54)

struct mode { /* one value of satp.MODE */
	uint8_t levels, index_bits, pte_bytes, address_bits;
};
static const struct mode sv32 = { 2, 10, 4, 32 };
static const struct mode modes64[16] = {
	[8] = { 3, 9, 8, 39 }, [9] = { 4, 9, 8, 48 }, [10] = { 5, 9, 8, 57 }
};

static const struct mode *mode_of(const struct rv_cpu *cpu)
{
	if (cpu->config.xlen == 32)
		return cpu->satp >> 31 ? &sv32 : NULL;
	const struct mode *m = &modes64[cpu->satp >> 60];
	return m->levels ? m : NULL;
}

static const struct { /* by enum rv_regime */
	uint8_t priv, sum, mxr;
} rules[] = {
	[RV_REGIME_U] = { RV_U, 0, 0 },
	[RV_REGIME_S] = { RV_S, 0, 0 },
	[RV_REGIME_S_SUM] = { RV_S, 1, 0 },
	[RV_REGIME_U_MXR] = { RV_U, 0, 1 },
	[RV_REGIME_S_MXR] = { RV_S, 0, 1 },
	[RV_REGIME_S_SUM_MXR] = { RV_S, 1, 1 },
	[RV_REGIME_M] = { RV_M, 0, 0 },
};

static const uint8_t page_cause[] = {
	[BP_ACC_READ] = RV_LOAD_PAGE, [BP_ACC_WRITE] = RV_STORE_PAGE, [BP_ACC_EXEC] = RV_FETCH_PAGE
};
static const uint8_t access_cause[] = { [BP_ACC_READ] = RV_LOAD_ACCESS,
	[BP_ACC_WRITE] = RV_STORE_ACCESS,
	[BP_ACC_EXEC] = RV_FETCH_ACCESS };

static int refuse(struct bp_walk *out, unsigned cause, uint64_t addr)
{
	out->cause = cause;
	out->value = addr;
	return -1;
}

static unsigned needed(unsigned access)
{
	return access == BP_ACC_READ     ? BP_WALK_READ
		: access == BP_ACC_WRITE ? BP_WALK_WRITE
					 : BP_WALK_EXEC;
}

/* PMP has the last word on the physical address, and may shorten what one verdict covers. */
static int finish(
	struct rv_cpu *cpu, unsigned priv, uint64_t addr, unsigned access, struct bp_walk *out)
{
	unsigned perms, log2, entry;
	rv_pmp_check(cpu, priv, out->phys, &perms, &log2, &entry);
	if (!(perms & needed(access)))
		return refuse(out, access_cause[access], addr);
	out->flags &= perms | BP_WALK_GLOBAL | BP_WALK_DEVICE;
	out->verdict = entry;
	if (log2 < out->length_log2)
		out->length_log2 = log2;
	return 0;
}

/* What a leaf permits in a regime, before A and D are looked at. MXR lends execute pages to loads;
 * SUM lends user pages to S, never for fetches (priv 3.1.6.3). */
static unsigned leaf_perms(unsigned regime, uint64_t pte)
{
	unsigned perms = (pte & PTE_R ? BP_WALK_READ : 0u) | (pte & PTE_W ? BP_WALK_WRITE : 0u) |
		(pte & PTE_X ? BP_WALK_EXEC : 0u);
	if (rules[regime].mxr && pte & PTE_X)
		perms |= BP_WALK_READ;
	if (rules[regime].priv == RV_U)
		return pte & PTE_U ? perms : 0;
	if (pte & PTE_U)
		return rules[regime].sum ? perms & ~(unsigned)BP_WALK_EXEC : 0;
	return perms;
}

/* Reserved bits and combinations of any entry, leaf or not (priv 4.4.1). */
static int pte_reserved(const struct rv_cpu *cpu, const struct mode *m, uint64_t pte, int leaf)
{
	if ((pte & (PTE_W | PTE_R)) == PTE_W)
		return 1;
	if (!leaf && pte & (PTE_A | PTE_D | PTE_U))
		return 1;
	if (m->pte_bytes == 4)
		return 0;
	if (pte & PTE_RESERVED)
		return 1;
	if (pte & PTE_N && (!leaf || !rv_has(&cpu->config, RV_EXT_SVNAPOT)))
		return 1;
	if (pte & PTE_PBMT &&
		(!leaf || !rv_has(&cpu->config, RV_EXT_SVPBMT) || !(cpu->menvcfg & MENVCFG_PBMTE) ||
			(pte & PTE_PBMT) == PTE_PBMT))
		return 1;
	return 0;
}

/* Whether hardware sets A and D (Svadu, menvcfg.ADUE) or a page fault asks software to (Svade). */
static int updates_ad(const struct rv_cpu *cpu)
{
	return rv_has(&cpu->config, RV_EXT_SVADU) &&
		(cpu->menvcfg & MENVCFG_ADUE || !rv_has(&cpu->config, RV_EXT_SVADE));
}

enum step { STEP_DONE, STEP_AGAIN, STEP_PAGE_FAULT, STEP_ACCESS_FAULT };

static enum step load_pte(struct rv_cpu *cpu, const struct mode *m, uint64_t at, uint64_t *pte)
{
	unsigned perms, log2, entry;
	rv_pmp_check(cpu, RV_S, at, &perms, &log2, &entry);
	if (!(perms & BP_WALK_READ) || cpu->core->phys_load(cpu, at, m->pte_bytes, pte) != BP_OK)
		return STEP_ACCESS_FAULT;
	return STEP_DONE;
}

/* Set A, and D for a write, in the entry if it is still what was read (priv 4.3.2, step 9). */
static enum step set_ad(struct rv_cpu *cpu, const struct mode *m, uint64_t at, uint64_t *pte,
	uint64_t want, int debug)
{
	unsigned perms, log2, entry;
	uint64_t found = *pte;
	if ((*pte & want) == want)
		return STEP_DONE;
	if (!updates_ad(cpu))
		return STEP_PAGE_FAULT;
	if (debug)
		return STEP_DONE;
	rv_pmp_check(cpu, RV_S, at, &perms, &log2, &entry);
	if (!(perms & BP_WALK_WRITE) ||
		cpu->core->phys_cas(cpu, at, m->pte_bytes, &found, *pte | want) != BP_OK)
		return STEP_ACCESS_FAULT;
	if (found != *pte)
		return STEP_AGAIN;
	*pte |= want;
	return STEP_DONE;
}

static enum step use_leaf(struct rv_cpu *cpu, const struct mode *m, unsigned regime, uint64_t addr,
	unsigned access, int debug, unsigned level, uint64_t at, uint64_t pte, struct bp_walk *out)
{
	unsigned perms = leaf_perms(regime, pte), low = 12u + level * m->index_bits;
	uint64_t ppn = m->pte_bytes == 4 ? pte >> 10 : pte << 10 >> 20;
	if (!(perms & needed(access)) || (level && ppn & ((UINT64_C(1) << (low - 12)) - 1)))
		return STEP_PAGE_FAULT;
	if (pte & PTE_N) {
		/* 64 KiB: the low four bits of the page number say so (priv table 5.1). */
		if (level || (ppn & 0xf) != 8)
			return STEP_PAGE_FAULT;
		low = 16;
	}
	enum step s = set_ad(
		cpu, m, at, &pte, PTE_A | (access == BP_ACC_WRITE ? (unsigned)PTE_D : 0), debug);
	if (s != STEP_DONE)
		return s;
	if (!(pte & PTE_D))
		perms &= ~(unsigned)BP_WALK_WRITE; /* the first write comes here again */
	uint64_t mask = (UINT64_C(1) << low) - 1;
	out->phys = (ppn << 12 & ~mask) | (addr & mask);
	out->length_log2 = low;
	out->flags =
		perms | (pte & PTE_G ? BP_WALK_GLOBAL : 0) | (pte & PTE_PBMT ? BP_WALK_DEVICE : 0);
	return STEP_DONE;
}

static enum step walk(struct rv_cpu *cpu, const struct mode *m, unsigned regime, uint64_t addr,
	unsigned access, int debug, struct bp_walk *out)
{
	uint64_t table =
		(m->pte_bytes == 4 ? cpu->satp & 0x3fffff : cpu->satp & ((UINT64_C(1) << 44) - 1))
		<< 12;
	for (unsigned level = m->levels; level-- > 0;) {
		uint64_t index =
			addr >> (12u + level * m->index_bits) & ((1u << m->index_bits) - 1);
		uint64_t at = table + index * m->pte_bytes, pte;
		enum step s = load_pte(cpu, m, at, &pte);
		if (s != STEP_DONE)
			return s;
		int leaf = (pte & (PTE_R | PTE_X)) != 0;
		if (!(pte & PTE_V) || pte_reserved(cpu, m, pte, leaf))
			return STEP_PAGE_FAULT;
		if (leaf)
			return use_leaf(cpu, m, regime, addr, access, debug, level, at, pte, out);
		table = (m->pte_bytes == 4 ? pte >> 10 : pte << 10 >> 20) << 12;
	}
	return STEP_PAGE_FAULT;
}

int rv_translate_address(
	void *self, unsigned regime, uint64_t addr, unsigned access, int debug, struct bp_walk *out)
{
	struct rv_cpu *cpu = self;
	const struct mode *m = mode_of(cpu);
	unsigned priv = rules[regime].priv;
	if (priv == RV_M || !m) {
		out->phys = addr;
		out->length_log2 = 56;
		out->flags = BP_WALK_READ | BP_WALK_WRITE | BP_WALK_EXEC;
		return finish(cpu, priv, addr, access, out);
	}
	/* Bits above the top one must equal it (priv 4.4.1). */
	unsigned unused = 64u - m->address_bits;
	if (m->pte_bytes == 8 && (uint64_t)((int64_t)(addr << unused) >> unused) != addr)
		return refuse(out, page_cause[access], addr);
	enum step s;
	do
		s = walk(cpu, m, regime, addr, access, debug, out);
	while (s == STEP_AGAIN);
	if (s == STEP_PAGE_FAULT)
		return refuse(out, page_cause[access], addr);
	if (s == STEP_ACCESS_FAULT)
		return refuse(out, access_cause[access], addr);
	return finish(cpu, priv, addr, access, out);
}
