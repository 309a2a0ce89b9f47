/* SPDX-License-Identifier: MIT */
/* For the tests of this room: a CPU type of some instructions of 4 or 8 bytes, and a machine of
 * RAM and a device around it.
 *
 * Word: opcode in bits 0..7, d 8..11, a 12..15, imm 16..31 (signed). With TOY_SLOT in the key an
 * instruction stands in a delay slot and ends with a jump to npc. */
#ifndef JIT_TOY_H
#define JIT_TOY_H
#include "cache.h"
#include "interp.h"
#include "plugin/object.h"
#include <glib.h>

enum toy_op {
	TOY_ILLEGAL, /* raise 2 */
	TOY_ADDI, /* d = a + imm */
	TOY_ADD, /* d = a + r[imm] */
	TOY_LD, /* d = 64 bits at a + imm */
	TOY_ST, /* 64 bits at a + imm = d */
	TOY_BNE, /* d != a: to pc + 4 imm */
	TOY_JALR, /* d = pc + 4, to a */
	TOY_KEY, /* key = imm from the next instruction on */
	TOY_DBNE, /* the same branch, after the next instruction */
	TOY_HALT,
	TOY_PUTLD, /* d = 77, then d + 1 = 64 bits at a + imm */
	TOY_CALL, /* d = helper imm of a and d */
	TOY_RAW, /* the records of toy_raw[imm] */
	TOY_RESYNC,
	TOY_LONG, /* 8 bytes: d = the second word */
	TOY_COMMIT, /* d = 1, COMMIT, d = 2, 64 bits at a + imm = d, d = 3 */
	TOY_BAD, /* records that no verifier accepts */
	TOY_ABSOLUTE /* d = pc as a constant: not allowed */
};
#define TOY(op, d, a, imm)                                                                         \
	((uint32_t)(op) | (uint32_t)(d) << 8 | (uint32_t)(a) << 12 |                               \
		(uint32_t)(uint16_t)(imm) << 16)

enum {
	TOY_SLOT = 0x100,
	TOY_PAGE = 4096,
	TOY_BASE = 0x10000, /* RAM */
	TOY_RAM = 0x10000,
	TOY_DEVICE =
		0x40000, /* a page that is no RAM: reads give the address, stores are counted */
	TOY_TLB = 64,
	TOY_FRAME_SIZE = OBJECT_CPU_FRAME
};

struct toy_state { /* the instance */
	struct bp_cpu_head head;
	uint64_t r[16];
	uint64_t npc;
	uint32_t fflags, rounding;
	uint8_t v[16][64] __attribute__((aligned(64)));
	uint32_t cause, count; /* of exceptions */
	uint64_t value, fault_pc, fault_icount;
};

struct toy {
	struct jit_cpu jit;
	struct toy_state *s;
	uint8_t *ram;
	struct tlb_entry tlb[TOY_TLB];
	bool code[TOY_RAM / TOY_PAGE]; /* pages with translated code: stores come the slow way */
	uint64_t fault_addr, device_stores, loads;
	uint32_t fault_cause;
	bool leave_on_device;
	uint64_t unmapped; /* a page of RAM that is not there now */
	uint64_t device; /* a page of RAM that is a device's now */
	unsigned device_fetches;
	uint64_t watch; /* LL */
	bool watching;
	uint64_t breakpoint;
	bool native; /* run by native code */
	unsigned fetches, moves; /* moves: fetches left that find the mapping changed behind them */
};

struct toy_raw {
	struct bp_ir rec[64];
	unsigned count;
};
extern struct toy_raw toy_raw[4];
extern const struct bp_cpu toy_type;
/* BACKPLANE_ENGINE=jit: the tests of this room run native code. */
bool toy_native(void);
/* Whether blocks that ran stay in the cache: not in a mode of native.c that drops them. */
bool toy_keeps(void);

struct toy *toy_create(void);
struct toy *toy_create_with(bool native);
void toy_destroy(struct toy *t);
/* Write n words of code at addr and drop what was translated from there. */
void toy_code(struct toy *t, uint64_t addr, const uint32_t *words, unsigned n);
/* Run from pc, all registers kept. */
int toy_run(struct toy *t, uint64_t pc, uint64_t budget);

#endif
