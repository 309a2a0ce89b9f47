/* SPDX-License-Identifier: MIT */
#ifndef DEV_RISCV_TYPES_H
#define DEV_RISCV_TYPES_H
#include <backplane/plugin.h>

extern const struct bp_object riscv_clint, riscv_aclint_mtimer, riscv_aclint_mswi,
	riscv_aclint_sswi, riscv_plic;

#endif
