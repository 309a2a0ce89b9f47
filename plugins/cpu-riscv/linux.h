/* SPDX-License-Identifier: MIT */
#ifndef CPU_RISCV_LINUX_H
#define CPU_RISCV_LINUX_H
#include <backplane/linux.h>

extern const struct bp_linux_abi rv_linux64, rv_linux32;

#endif
