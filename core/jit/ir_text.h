/* SPDX-License-Identifier: MIT */
/* Records as text, one a line, and back. What is printed reads back equal, whatever the records are:
 * one that the table has no words for is printed as `raw` with all its numbers.
 *
 *     insn imm=0 aux=4
 *     %1 = get.i64 @264
 *     %2 = add.i64 %1 #8
 *     %3 = ld.i64 %2 mem=32.s
 *     put.i64 %3 @272
 *
 * %n is a value, - no value, #n an immediate operand, @n an offset in the CPU state. */
#ifndef JIT_IR_TEXT_H
#define JIT_IR_TEXT_H
#include <backplane/ir.h>
#include <glib.h>
#include <stdbool.h>

/* Append record[0..count) to out. An INSN mark starts the ids anew. */
void ir_print(GString *out, const struct bp_ir *record, uint32_t count);
/* Read text into record; blank lines and what follows ';' are skipped. False with a sentence in
 * error (the line's number in it). */
bool ir_read(const char *text, size_t len, struct bp_ir *record, uint32_t limit, uint32_t *count,
	char *error, size_t size);

/* One line, no end of line; false if the table has no words for it (then only `raw` will do). */
bool ir_print_words(GString *out, const struct bp_ir *r);
/* One record from text without "%n ="; NULL, or what is wrong. */
const char *ir_read_words(char *line, struct bp_ir *r);

/* Bits of a memop beside size and regime, as they are written. */
struct ir_memop_name {
	uint32_t bit;
	const char *name;
};
extern const struct ir_memop_name ir_memop_names[];

#endif
