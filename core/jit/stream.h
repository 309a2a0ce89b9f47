/* SPDX-License-Identifier: MIT */
/* For tests: random records of one instruction of the toy CPU that the verifier must accept. */
#ifndef JIT_STREAM_H
#define JIT_STREAM_H
#include "toy.h"

enum { STREAM_DATA = TOY_BASE + 0x8000 }; /* what loads and stores mostly touch */

struct stream {
	struct bp_ir rec[BP_IR_INSN_LIMIT];
	unsigned count;
	bool commits; /* has a COMMIT */
};
void stream_random(struct stream *s, GRand *rand, unsigned records);

#endif
