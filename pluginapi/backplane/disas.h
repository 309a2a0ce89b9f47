/* SPDX-License-Identifier: MIT */
/* "bp.disassembler/1", offered by a service plugin; used by logs, tracers and debuggers. */
#ifndef BACKPLANE_DISAS_H
#define BACKPLANE_DISAS_H
#include <backplane/base.h>
#ifdef __cplusplus
extern "C" {
#endif

struct bp_disassembler {
	uint32_t size, reserved;
	/* Writes the text of the instruction at bytes[0..len), which stands at guest address pc, into
	 * text. isa is what the CPU type's `isa_name` says. Returns the instruction's length in bytes; 0:
	 * no instruction of this ISA, or the ISA is unknown here. [any] */
	unsigned (*disassemble)(void *self, const char *isa, uint64_t pc, const uint8_t *bytes,
		size_t len, char *text, size_t text_size);
};

#ifdef __cplusplus
}
#endif
#endif
