/* SPDX-License-Identifier: MIT */
/* Numbers that the assembly and the C of the test programs share. */
#pragma once

#if __riscv_xlen == 64
#define SZ    8
#define REG_S sd
#define REG_L ld
#else
#define SZ    4
#define REG_S sw
#define REG_L lw
#endif

#define MAX_HARTS  8
#define STACK_LOG2 13

/* struct context of priv.h */
#define CTX_CAUSE  (32 * SZ)
#define CTX_TVAL   (33 * SZ)
#define CTX_EPC    (34 * SZ)
#define CTX_STATUS (35 * SZ)
#define CTX_ACTIVE (36 * SZ)
#define CTX_SAVE   (37 * SZ)
#define CTX_SIZE   (56 * SZ)

#define MAGIC_LEAVE 0x5af
#define MAGIC_STRAP 0x5ae

#define FINISHER 0x100000
