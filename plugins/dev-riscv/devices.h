/* SPDX-License-Identifier: MIT */
#ifndef DEV_RISCV_DEVICES_H
#define DEV_RISCV_DEVICES_H
#include <backplane/plugin.h>

extern const struct bp_object riscv_clint, riscv_plic;

#endif
