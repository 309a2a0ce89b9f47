/* SPDX-License-Identifier: MIT */
/* The compiler for aarch64; see jit/codegen.h.
 *
 *   select.c   integers: which instructions a record becomes
 *   float.c    the same for floating point
 *   access.c   loads, stores, atomics, and everything that a C function does
 *   thunks.c   entering and leaving native code, calling C from it
 *
 * Vectors are done by C and lie in memory.
 *
 * Registers: X19 the instance, X20 the struct jit_cpu, X21 the block's pc, X22 the instructions left,
 * SP aligned to 16. X16, X17 and X30 are scratch, X18 is the platform's. The others, and V0 to V30,
 * hold guest registers ("slots") and values; V31 is scratch. */
#ifndef JIT_AARCH64_NATIVE_H
#define JIT_AARCH64_NATIVE_H
#include "jit/codegen.h"

/* ---- thunks.c ---- */

/* Single-instruction atomics (FEAT_LSE). */
extern bool have_lse;

#endif
