/* SPDX-License-Identifier: MIT */
/* Physical memory protection (priv 3.7). */
#include "state.h"

enum { PMP_R = 1, PMP_W = 2, PMP_X = 4, PMP_A = 0x18, PMP_L = 0x80 };
enum { OFF = 0x00, TOR = 0x08, NA4 = 0x10, NAPOT = 0x18 };

/* The range [*base, *last] of entry n; 0 if it matches nothing. */
static int range(const struct rv_cpu *cpu, unsigned n, uint64_t *base, uint64_t *last)
{
	uint64_t addr = cpu->pmpaddr[n];
	switch (cpu->pmpcfg[n] & PMP_A) {
	case TOR:
		*base = n ? cpu->pmpaddr[n - 1] << 2 : 0;
		*last = (addr << 2) - 1;
		return addr << 2 > *base;
	case NA4:
		*base = addr << 2;
		*last = *base + 3;
		return 1;
	case NAPOT: {
		uint64_t ones = addr ^ (addr + 1); /* the trailing ones and the zero above */
		*base = (addr & ~ones) << 2;
		*last = *base | ones << 2 | 3;
		return 1;
	}
	default: return 0;
	}
}

/* The largest naturally aligned block around addr inside [base, last]. */
static unsigned shrink(uint64_t addr, uint64_t base, uint64_t last, unsigned log2)
{
	while (log2) {
		uint64_t mask = (UINT64_C(1) << log2) - 1;
		if ((addr & ~mask) >= base && (addr | mask) <= last)
			break;
		log2--;
	}
	return log2;
}

/* The same, but outside of [base, last], which addr is not in. */
static unsigned avoid(uint64_t addr, uint64_t base, uint64_t last, unsigned log2)
{
	while (log2) {
		uint64_t mask = (UINT64_C(1) << log2) - 1;
		if ((addr | mask) < base || (addr & ~mask) > last)
			break;
		log2--;
	}
	return log2;
}

void rv_pmp_check(const struct rv_cpu *cpu, unsigned priv, uint64_t addr, unsigned *perms,
	unsigned *length_log2, unsigned *entry)
{
	unsigned log2 = 56;
	for (unsigned n = 0; n < RV_PMP_COUNT; n++) {
		uint64_t base, last;
		unsigned cfg = cpu->pmpcfg[n];
		if (!range(cpu, n, &base, &last))
			continue;
		if (addr < base || addr > last) {
			log2 = avoid(addr, base, last, log2);
			continue;
		}
		*entry = n + 1;
		*length_log2 = shrink(addr, base, last, log2);
		if (priv == RV_M && !(cfg & PMP_L))
			*perms = BP_WALK_READ | BP_WALK_WRITE | BP_WALK_EXEC;
		else
			*perms = (cfg & PMP_R ? BP_WALK_READ : 0u) |
				(cfg & PMP_W ? BP_WALK_WRITE : 0u) |
				(cfg & PMP_X ? BP_WALK_EXEC : 0u);
		return;
	}
	/* No entry matches: M may, S and U may not, since entries are implemented, in use or not
	 * (priv 3.7.1.3). */
	*entry = 0;
	*length_log2 = log2;
	*perms = priv == RV_M ? BP_WALK_READ | BP_WALK_WRITE | BP_WALK_EXEC : 0;
}
