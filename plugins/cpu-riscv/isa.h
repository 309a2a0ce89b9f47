/* SPDX-License-Identifier: MIT */
#ifndef CPU_RISCV_ISA_H
#define CPU_RISCV_ISA_H
#include "state.h"
#include <backplane/fdt.h>

enum { RV_CACHE_BLOCK = 64 }; /* bytes of Zicbom, Zicbop and Zicboz */

/* 0, or -1 with an extension that is on and one that it needs and that is off. */
int rv_check_extensions(const struct rv_config *c, const char **ext, const char **missing);
void rv_isa_string(const struct rv_config *c, char *buf, size_t size);
extern const struct bp_fdt_node rv_fdt_node;

#endif
