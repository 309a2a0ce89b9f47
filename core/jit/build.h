/* SPDX-License-Identifier: MIT */
/* One block: records of a straight run of instructions, from the frontend. */
#ifndef JIT_BUILD_H
#define JIT_BUILD_H
#include "jit.h"

enum { INSN_BYTES_MAX = 16 };

struct ir_insn {
	uint32_t record, records; /* its mark, and how many with it */
	uint32_t offset; /* of its pc from the block's */
	uint32_t length; /* bytes */
	uint64_t key, next_key;
	bool side_exit; /* ends with a jump to one of two places, one of which is the next */
	uint8_t bytes[INSN_BYTES_MAX];
};

/* What has been fetched for the next instruction: its page's code, and the next page's once it is
 * known to go on there. Nothing is fetched twice for one instruction, since devices notice. */
struct jit_given {
	unsigned count;
	struct jit_code code[2];
};

struct ir_block {
	uint64_t pc, key;
	struct jit_code code; /* of the first instruction; bytes may have changed since */
	bool crosses; /* the only instruction goes on in the next page: */
	struct jit_code second;
	bool falls_through; /* the end of the last instruction can be reached */
	bool resync; /* and there pending and key are to be looked at again */
	uint32_t insns, records, bytes;
	struct ir_insn insn[JIT_BLOCK_INSNS];
	struct bp_ir record[BLOCK_RECORDS];
	char error[256];
};

enum build_status {
	BUILD_OK,
	BUILD_FAULT, /* the first instruction cannot be fetched: the fault is recorded */
	BUILD_ERROR /* the frontend's fault: error says which */
};

/* Translate from pc on: at most `limit` instructions, inside the page of pc but for a single
 * instruction that crosses into the next one. The code at pc is given. With
 * `superblock` the block goes on behind conditional branches, on the side that is not taken. */
enum build_status build_block(struct jit_cpu *cpu, uint64_t pc, uint64_t key,
	struct jit_given *given, uint32_t limit, bool superblock, struct ir_block *out);

#endif
