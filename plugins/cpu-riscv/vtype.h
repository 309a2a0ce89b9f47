/* SPDX-License-Identifier: MIT */
/* vtype: what the helpers and translation make of it (unpriv 30.3.4). */
#ifndef CPU_RISCV_VTYPE_H
#define CPU_RISCV_VTYPE_H
#include "state.h"

enum { RV_VTYPE_BITS = 0xff, RV_ELEN_LOG2 = 3 };

/* log2 of SEW's bytes */
static inline int rv_sew_of(uint64_t vtype)
{
	return (int)(vtype >> 3 & 7);
}

/* log2 of LMUL: -3 to 3; vlmul 4 is reserved */
static inline int rv_lmul_of(uint64_t vtype)
{
	int n = (int)(vtype & 7);
	return n > 4 ? n - 8 : n;
}

static inline uint64_t rv_vlmax_of(const struct rv_config *c, uint64_t vtype)
{
	int lmul = rv_lmul_of(vtype);
	uint64_t one = c->vlen / 8 >> rv_sew_of(vtype);
	return lmul >= 0 ? one << lmul : one >> -lmul;
}

/* A fractional LMUL must leave room for SEW: SEW <= LMUL * ELEN. */
static inline int rv_vtype_reserved(uint64_t vtype)
{
	int sew = rv_sew_of(vtype), lmul = rv_lmul_of(vtype);
	return vtype & ~(uint64_t)RV_VTYPE_BITS || lmul == 4 || sew > RV_ELEN_LOG2 ||
		(lmul < 0 && sew > RV_ELEN_LOG2 + lmul);
}

#endif
