/* SPDX-License-Identifier: MIT */
/* The state of one hart, what translation may know of it (struct rv_config and the key), and which
 * file does what:
 *
 *   encodings.tab  gen_decode.py   words -> enum rv_op and struct rv_args
 *   translate.c    tr_*.c          enum rv_op -> IR records; pure
 *   tr_vec*.c                      vector instructions as records, where the key allows it
 *   csr.c                          control and status registers, by a table
 *   trap.c                         exceptions, interrupts, mret and sret
 *   mmu.c  pmp.c                   address translation and physical memory protection
 *   vec_*.c                        helpers of the vector extension
 *   linux.c                        what a Linux program sees of a hart
 *   cpu.c                          tables for the core: properties, registers, helpers, regimes
 *
 * Manuals: "unpriv" is The RISC-V Instruction Set Manual Volume I, version 20240411, "priv" is
 * Volume II, version 20240411. */
#ifndef CPU_RISCV_STATE_H
#define CPU_RISCV_STATE_H
#include "rv_encodings.h"
#include <backplane/counter.h>
#include <backplane/plugin.h>

enum { RV_VLEN_MAX = 512, RV_PMP_MAX = 64, RV_PMP_COUNT = 16 };

/* Static properties: constant after create, all that translation sees beside bytes, pc and key. */
struct rv_config {
	uint64_t exts; /* bits 1 << enum rv_ext */
	uint32_t xlen; /* 32 or 64 */
	uint32_t vlen; /* bits: 128, 256, 512 */
	uint32_t elen; /* 64 */
	uint32_t reserved;
};

/* ---- the key: everything beside the bytes that changes what code means ---- */
enum {
	RV_KEY_PRIV = 0, /* 2 bits: 0 U, 1 S, 3 M */
	RV_KEY_FS = 2, /* 2 bits: mstatus.FS */
	RV_KEY_VS = 4, /* 2 bits: mstatus.VS */
	RV_KEY_REGIME = 6, /* 4 bits: regime of data accesses (MPRV, SUM, MXR applied) */
	RV_KEY_FRM_BAD = 10, /* 1 bit: frm holds a reserved mode: dynamic rounding is illegal */
	RV_KEY_VILL = 11, /* 1 bit: vtype.vill; this and the next two are 0 while VS is off */
	RV_KEY_VTYPE = 12, /* 8 bits: vtype's vlmul, vsew, vta, vma */
	RV_KEY_VLMAX = 20, /* 1 bit: vl == VLMAX */
	RV_KEY_VSTART = 21, /* 1 bit: vstart != 0 */
	RV_KEY_TVM = 22, /* 1 bit: mstatus.TVM, only in S */
	RV_KEY_TW = 23, /* 1 bit: mstatus.TW, only below M */
	RV_KEY_TSR = 24, /* 1 bit: mstatus.TSR, only in S */
	RV_KEY_CBIE =
		25, /* 2 bits: 0 illegal, 1 flush, 3 invalidate: effective at this privilege */
	RV_KEY_CBCFE = 27, /* 1 bit */
	RV_KEY_CBZE = 28 /* 1 bit */
};
#define RV_KEY(key, field, bits) ((unsigned)((key) >> (field)) & ((1u << (bits)) - 1))

/* Identifier of a translated address space for the core: this bit and the ASID. */
#define RV_SPACE_ON UINT64_C(0x10000)

enum rv_priv { RV_U = 0, RV_S = 1, RV_M = 3 };

/* Translation regimes: privilege, SUM and MXR, which decide what a page-table entry permits. */
enum rv_regime {
	RV_REGIME_U,
	RV_REGIME_S,
	RV_REGIME_S_SUM,
	RV_REGIME_U_MXR,
	RV_REGIME_S_MXR,
	RV_REGIME_S_SUM_MXR,
	RV_REGIME_M /* no translation, machine mode's PMP rules */
};

enum rv_cause { /* priv table 14: mcause values of exceptions */
	RV_MISALIGNED_FETCH = 0,
	RV_FETCH_ACCESS,
	RV_ILLEGAL,
	RV_BREAKPOINT,
	RV_MISALIGNED_LOAD,
	RV_LOAD_ACCESS,
	RV_MISALIGNED_STORE,
	RV_STORE_ACCESS,
	RV_ECALL_U,
	RV_ECALL_S,
	RV_ECALL_M = 11,
	RV_FETCH_PAGE,
	RV_LOAD_PAGE,
	RV_STORE_PAGE = 15
};

enum rv_irq { RV_SSI = 1, RV_MSI = 3, RV_STI = 5, RV_MTI = 7, RV_SEI = 9, RV_MEI = 11 };

enum { /* head.pending bits */
	RV_PENDING_IRQ = 1
};

struct rv_cpu {
	struct bp_cpu_head head;
	struct rv_config config;

	/* what translated code reads and writes */
	uint64_t x[32]; /* RV32: sign-extended to 64 bits is NOT kept; the high half is zero */
	uint64_t f[32]; /* NaN-boxed up to 64 bits */
	uint8_t v[32 * RV_VLEN_MAX / 8] __attribute__((aligned(64))); /* register n at n * vlenb */
	uint32_t fflags; /* enum bp_fp_flag, same bits as fcsr.fflags */
	uint32_t frm; /* as written, 0..7 */
	uint32_t rounding; /* enum bp_fp_rounding of frm; 0 while frm is reserved */
	uint32_t vxrm, vxsat;
	uint64_t vstart, vl, vtype; /* vtype without vill, which is vill */
	uint32_t vill;
	uint64_t next_pc; /* where mret or sret goes */

	/* privileged state */
	uint32_t priv; /* enum rv_priv */
	uint64_t mstatus; /* RV64 layout also on RV32 (mstatush is its high half) */
	uint64_t medeleg, mideleg, mie;
	_Atomic uint64_t mip; /* software-writable bits and what wires hold, see wires */
	_Atomic uint64_t wires; /* levels of the input pins, by enum rv_irq */
	uint64_t mtvec, mepc, mcause, mtval, mscratch, menvcfg, mcounteren, mcountinhibit;
	uint64_t stvec, sepc, scause, stval, sscratch, senvcfg, scounteren, satp;
	uint64_t stimecmp;
	uint64_t mcycle_offset, minstret_offset; /* added to icount; while inhibited: the value */
	uint64_t pmpaddr[RV_PMP_MAX];
	uint8_t pmpcfg[RV_PMP_MAX];

	/* properties and links */
	uint64_t reset_pc;
	uint64_t hartid;
	const struct bp_link *time_link; /* "bp.counter/1": the board's timebase */
	const struct bp_counter *time;
	void *time_self;
	bp_timer *stimer;
	uint8_t ext_on[64]; /* one property an extension, by enum rv_ext */
	uint32_t vlen_prop, mmu; /* mmu: 0 none, 1 Sv32/Sv39, 2 Sv48, 3 Sv57 is the widest */
	const struct bp_host *host;
	const struct bp_cpu_core *core;
	const struct bp_float *fp;
};

static inline int rv_has(const struct rv_config *c, enum rv_ext ext)
{
	return (int)(c->exts >> ext & 1);
}

/* ---- between the files ---- */

/* Whether a snapshot's state leads nowhere beyond arrays and tables. */
int rv_state_possible(const struct rv_cpu *cpu);
/* vec_set.c: the part of it that vectors add. */
int rv_vector_possible(const struct rv_cpu *cpu);

/* Recompute head.key after anything in it changed. */
void rv_update_key(struct rv_cpu *cpu);
/* mip as software sees it: its writable bits or-ed with wires and the Sstc comparison. */
uint64_t rv_mip(struct rv_cpu *cpu);
/* Interrupt state changed: set or clear head.pending. [any] */
void rv_update_irq(struct rv_cpu *cpu);
/* satp, mstatus.MXR/SUM..: select the address space for the TLB. */
void rv_update_space(struct rv_cpu *cpu);

/* csr.c: whether register n is but 64 bits at *offset that change nothing else, and may be written
 * without more. */
int rv_csr_plain(unsigned n, uint32_t *offset, int *writable);

/* trap.c, mmu.c: members of struct bp_cpu */
void rv_exception(void *cpu, uint32_t cause, uint64_t value);
void rv_memory_fault(void *cpu, const struct bp_fault *fault);
int rv_interrupt(void *cpu);
int rv_has_work(void *cpu);
int rv_translate_address(
	void *cpu, unsigned regime, uint64_t addr, unsigned access, int debug, struct bp_walk *out);
/* pmp.c: what physical range around addr has one PMP verdict for an access at privilege priv; the
 * permissions (BP_WALK_*) go to *perms, the number of
 * the entry that decides, from 1, to *entry. */
void rv_pmp_check(const struct rv_cpu *cpu, unsigned priv, uint64_t addr, unsigned *perms,
	unsigned *length_log2, unsigned *entry);

/* translate.c: members of struct bp_cpu */
int rv_translate(const void *config, struct bp_insn *in, struct bp_ir_cursor *c);
unsigned rv_fetch_regime(const void *config, uint64_t key);

/* Helpers that records CALL: the table is in cpu.c and numbers them so. */
enum rv_helper {
	RV_H_CSRRW, /* args: csr, value, flags (1: no read, 2: no write, 4 set, 8 clear), word -> old */
	RV_H_MRET, /* these two set next_pc */
	RV_H_SRET,
	RV_H_SFENCE, /* args: rs1 value, rs2 value, flags (1: rs1 is x0, 2: rs2 is x0) */
	RV_H_FENCE_I,
	RV_H_CBO_ZERO, /* args: address */
	RV_H_CBO_CHECK, /* args: address, 0 inval, 1 clean, 2 flush */
	RV_H_VSETVL, /* args: avl, vtype, mode (0 avl is a number, 1 keep vl, 2 VLMAX) -> vl */
	RV_H_VECTOR, /* args: op (enum rv_op), word; reads and writes registers itself */
	RV_H_VECTOR_KEEP, /* the same where the key stays */
	RV_H_COUNT
};
int rv_h_csrrw(void *cpu, uint64_t *args);
int rv_h_mret(void *cpu, uint64_t *args);
int rv_h_sret(void *cpu, uint64_t *args);
int rv_h_sfence(void *cpu, uint64_t *args);
int rv_h_fence_i(void *cpu, uint64_t *args);
int rv_h_cbo_zero(void *cpu, uint64_t *args);
int rv_h_cbo_check(void *cpu, uint64_t *args);
int rv_h_vsetvl(void *cpu, uint64_t *args);
int rv_h_vector(void *cpu, uint64_t *args);

#endif
