/* SPDX-License-Identifier: MIT */
/* Random guest code for twins.c. */
#ifndef JIT_CODE_H
#define JIT_CODE_H
#include <stdbool.h>
#include <stdint.h>

enum { /* the guest's addresses; the same with and without translation */
	RAM_AT = 0x40000000,
	ALIAS_AT = 0x70000000, /* RAM once more, where satp is on */
	DEVICE_AT = 0x10000000,
	TABLES_AT = 0x1000000,
	HANDLERS = 0, /* offsets in RAM */
	HANDLER_S = 0x100,
	CODE = 0x8000,
	CODE_SIZE = 0x8000,
	DATA = 0x10000,
	DATA_SIZE = 0x10000,
	RAM_SIZE = 0x20000
};

enum { /* registers that keep their meaning, as far as random code lets them */
	REG_SP = 2, /* these three: data */
	REG_DATA = 8,
	REG_DATA2 = 9,
	REG_CODE = 10,
	REG_DEVICE = 11
};

enum kind { INTEGER, MEMORY, BRANCH, FLOAT, ATOMIC, VECTOR, CSR, SYSTEM, ROW_KINDS };

struct rng {
	uint64_t state;
};
uint64_t rng_next(struct rng *r);
/* 0 <= result < n */
static inline unsigned rng_below(struct rng *r, unsigned n)
{
	return (unsigned)((rng_next(r) >> 32) * n >> 32);
}
static inline bool rng_one_in(struct rng *r, unsigned n)
{
	return rng_below(r, n) == 0;
}
/* A value that computations like to trip over. */
uint64_t rng_value(struct rng *r);

/* Fills code[0..CODE_SIZE) with instructions in a random mixture. */
void code_fill(struct rng *r, uint8_t *code, unsigned xlen);
/* Trap handlers for M at RAM + HANDLERS, for S behind them. */
void code_handlers(struct rng *r, uint8_t *ram);
/* "addi", the encoding that a word is, and its length in bytes. */
const char *code_name(uint32_t word, unsigned xlen, unsigned *length);

#endif
