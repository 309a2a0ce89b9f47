/* SPDX-License-Identifier: MIT */
/* Are these the records of one instruction? Nothing in them is trusted: after this, everything that
 * works on records may take them to be well formed. */
#ifndef JIT_VERIFY_H
#define JIT_VERIFY_H
#include <backplane/cpu.h>
#include <stdbool.h>
#include <stddef.h>

enum { IR_NEST = 16 }; /* IF inside IF */

struct verify_type { /* what records may refer to: tables of the CPU type, with their strides */
	const struct bp_cpu *cpu;
	uint32_t reg_stride, helper_stride, env_stride;
};

/* Verify record[0..count), record[0] being the mark at guest address pc. False, with a sentence in
 * error, if they are not well formed. *reaches_end: control can fall through to the next one. */
bool ir_verify(const struct verify_type *type, const struct bp_ir *record, uint32_t count,
	uint64_t pc, bool *reaches_end, char *error, size_t size);
/* Entry n of the helper table, or NULL. */
const struct bp_helper *verify_helper(const struct verify_type *type, int32_t n);
/* Entry n of the table of environments, or NULL. */
const struct bp_fp_env *verify_env(const struct verify_type *type, unsigned n);
struct verify_type verify_type_of(const struct bp_cpu *type, const uint32_t strides[3]);

#endif
