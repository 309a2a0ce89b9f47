/* SPDX-License-Identifier: MIT */
#ifndef SVC_DISAS_RISCV_H
#define SVC_DISAS_RISCV_H
#include <stddef.h>
#include <stdint.h>

/* As struct bp_disassembler's function; xlen is 32 or 64. */
unsigned riscv_disassemble(
	unsigned xlen, uint64_t pc, const uint8_t *bytes, size_t len, char *text, size_t text_size);

#endif
