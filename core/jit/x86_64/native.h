/* SPDX-License-Identifier: MIT */
/* The compiler for x86-64; see jit/codegen.h.
 *
 *   select.c   integers: which instructions a record becomes
 *   float.c    the same for floating point
 *   vector.c   the same for vectors of 128 bits
 *   access.c   loads, stores, atomics, and everything that a C function does
 *   thunks.c   entering and leaving native code, calling C from it
 *
 * Registers: RBP the instance (plus BIAS), R15 the struct jit_cpu (plus CPU_BIAS), R12 the block's pc, R13 the
 * instructions left, RSP aligned to 16. The others, and XMM0 to XMM14, hold guest registers ("slots")
 * and values; XMM15 is scratch. */
#ifndef JIT_X86_64_NATIVE_H
#define JIT_X86_64_NATIVE_H
#include "jit/codegen.h"

/* ---- select.c, float.c, vector.c, access.c: record c->at; false: not one of theirs ---- */

bool select_vector(struct native_compiler *c, const struct bp_ir *r);
/* d = a op b; code: the opcode's map << 8, the opcode; prefix 66. */
void vector_op3(
	struct native_compiler *c, unsigned code, bool wide, unsigned d, unsigned a, unsigned b);

/* ---- thunks.c ---- */

struct own_thunks { /* beside those that all hosts have */
	/* Fill a memo from the TLB: on the stack the address, the same masked, and MEMO_WORD, which are gone
	 * afterwards. Keeps all registers; carry: the TLB has it not. */
	const void *memo_fill;
	const void *memory_keep; /* as thunks.generic_keep */
	const uint8_t *flags; /* 64 bytes: MXCSR's flags as enum bp_fp_flag */
};
extern struct own_thunks own_thunks;
extern const uint8_t float_flag_bits[6];
extern bool have_bmi2, have_fma, have_sse42, have_avx, have_avx2, have_lzcnt, have_popcnt;

/* Which TLB's entry goes to which memo. */
#define MEMO_WORD(regime, access, memo) ((regime) | (access) << 8 | 2 * (memo) << 16)

#endif
