/* SPDX-License-Identifier: MIT */
/*
 * What both forms of the runner share: the layout of the case and result files, which stream.py
 * writes and reads, and the preparation of the memory that a case sees.
 */
#ifndef ISA_RUNNER_H
#define ISA_RUNNER_H

/* Where a case runs. The pages around the code, and one among the data, are not mapped. */
#define CODE_VA    0x20000000
#define DATA_VA    0x30000000
#define PAGE       4096
#define DATA_PAGES 4
#define HOLE_PAGE  2 /* of the data pages, the one that is not mapped */

/* Header flags: what the CPU under test has, and so what the runner may touch. */
#define HAS_F       1
#define HAS_D       2
#define HAS_V       4
#define HAS_A       8
#define HAS_FENCE_I 16

#define MAGIC 0x3130455341435652 /* "RVCASE01" */

/* Offsets into struct state, for the assembly. */
#define STATE_X      0
#define STATE_F      256
#define STATE_FCSR   512
#define STATE_VSTART 520
#define STATE_VL     528
#define STATE_VTYPE  536
#define STATE_VCSR   544
#define STATE_V      640

#ifndef __ASSEMBLER__

typedef unsigned char u8;
typedef unsigned int u32;
typedef unsigned long long u64;
typedef unsigned long uptr;

/* The first page of the case file. */
struct header {
	u64 magic, count, flags, vlenb;
	u64 case_size, result_size; /* of one */
	u64 case_bytes, result_bytes; /* of a whole file */
	u64 status; /* in the result file: how many results there are */
};

struct state {
	u64 x[32]; /* x[0] is the pc */
	u64 f[32];
	u64 fcsr, vstart, vl, vtype, vcsr;
	u64 cause; /* of the trap that ended the case, enum cause */
	u64 tval; /* the address, for a memory fault */
	u64 memory; /* of a case: the seed; of a result: a hash */
	u64 full; /* of a case: whole pages are filled and hashed, not only the windows */
	u64 reserved[7];
	u8 v[]; /* 32 registers of vlenb bytes */
};

#define CODE_BYTES 128
/* A case: its code, then its state. */
struct test_case {
	u32 code[CODE_BYTES / 4];
	struct state state;
};

enum cause { CAUSE_BREAK = 1, CAUSE_ILLEGAL, CAUSE_FAULT, CAUSE_MISALIGNED, CAUSE_OTHER };

extern u64 runner_flags;

/* Where the runner itself sees the code and the data pages. */
extern u8 *code_page, *data_pages[DATA_PAGES];

void prepare(const struct test_case *c);
u64 hash_memory(const struct state *start);

/* runner.S */
void load_f(const struct state *s, u64 flags);
void save_f(struct state *s, u64 flags);
void load_v(const struct state *s);
void save_v(struct state *s);
uptr read_vlenb(void);
void clear_reservation(void);
void fence_i(void);

#endif
#endif
