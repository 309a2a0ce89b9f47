/* SPDX-License-Identifier: MIT */
/* The library of the bare-metal test programs.
 *
 * A program is `void test_main(void)`, run on hart 0 in M-mode.  A *snippet* is a few
 * instructions that run in another mode by run_in(); the first trap ends it and is handed back.
 * Each check prints one line `name: value`, followed by `ok` or by what was expected. */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "layout.h"

typedef unsigned long ulong;

enum { U = 0, S = 1, M = 3 };

enum {
	C_FETCH_MISALIGNED,
	C_FETCH_ACCESS,
	C_ILLEGAL,
	C_BREAK,
	C_LOAD_MISALIGNED,
	C_LOAD_ACCESS,
	C_STORE_MISALIGNED,
	C_STORE_ACCESS,
	C_ECALL_U,
	C_ECALL_S,
	C_ECALL_M = 11,
	C_FETCH_PAGE,
	C_LOAD_PAGE,
	C_STORE_PAGE = 15,
	C_NONE = 0xff /* the snippet returned */
};
#define C_IRQ ((ulong)1 << (__riscv_xlen - 1))

enum { SSI = 1, MSI = 3, STI = 5, MTI = 7, SEI = 9, MEI = 11 };

#define BIT(n) ((ulong)1 << (n))

/* mstatus */
#define SIE   BIT(1)
#define MIE   BIT(3)
#define SPIE  BIT(5)
#define UBE   BIT(6)
#define MPIE  BIT(7)
#define SPP   BIT(8)
#define VS(n) ((ulong)(n) << 9)
#define MPP   (BIT(11) | BIT(12))
#define FS(n) ((ulong)(n) << 13)
#define MPRV  BIT(17)
#define SUM   BIT(18)
#define MXR   BIT(19)
#define TVM   BIT(20)
#define TW    BIT(21)
#define TSR   BIT(22)

struct context {
	ulong regs[32];
	ulong cause, tval, epc, status;
	ulong active;
	ulong save[16];
	ulong spare[3];
};
_Static_assert(sizeof(struct context) == CTX_SIZE, "layout.h disagrees");

struct trap {
	ulong cause; /* C_..., or C_NONE */
	ulong tval; /* mtval or stval */
	ulong epc; /* as seen without the U alias */
	ulong status; /* mstatus or sstatus after the trap */
	ulong mode; /* who took it: M or S */
	ulong value; /* a0 at the end */
};

typedef void code(void); /* a snippet or another piece of guest code */

extern struct context contexts[MAX_HARTS];
extern char __snip_start[], __bss_end[];
extern code leave, strap, svector, mvector, mtrap;

/* What run_in() adds to the pc of a snippet that runs in U: where vm.c maps an alias of the
 * image, because S may not execute what U may (Privileged 4.3.1). */
extern ulong u_alias;

struct trap run_in(int mode, code *pc, ulong a0, ulong a1);
struct trap run_at(int mode, ulong pc, ulong a0, ulong a1); /* pc as it is, e.g. a wild one */

void put_char(char c);
void put_string(const char *s);
void put_hex(ulong v);
void put_dec(ulong v);

/* All checks print; each returns whether it held. */
bool check(const char *name, ulong got, ulong want);
bool check2(const char *name, ulong got, ulong want, ulong or_want); /* the manual allows both */
bool check_trap(const char *name, struct trap t, ulong cause, ulong tval);
bool check_trap_tval0(const char *name, struct trap t, ulong cause, ulong tval); /* or tval 0 */
bool check_trap_in(const char *name, struct trap t, int mode, ulong cause, ulong tval);
bool check_value(const char *name, struct trap t, ulong want); /* returned, with this value */
/* One of many that are too dull to print: a line, with a number, only if it does not hold. */
bool expect(const char *name, ulong got, ulong want);
void info(const char *name, ulong value); /* compared between emulators only */
void count(const char *encoding, ulong times);
void section(const char *name); /* a prefix of the names that follow */

_Noreturn void finish(void);
_Noreturn void finish_code(ulong word);
_Noreturn void fatal(ulong cause, ulong epc, ulong tval);
void c_start(ulong hart);
void test_main(void);
void hart_main(ulong hart); /* harts other than 0; the default waits for ever */

/* Back to the state that each group of checks starts from. */
void reset_state(void);

void *memset(void *d, int c, unsigned long n);
void *memcpy(void *d, const void *s, unsigned long n);

#define csr_read(csr)                                                                              \
	({                                                                                         \
		ulong v_;                                                                          \
		__asm__ volatile("csrr %0, " csr : "=r"(v_)::"memory");                            \
		v_;                                                                                \
	})
#define csr_write(csr, v) __asm__ volatile("csrw " csr ", %0" ::"rK"((ulong)(v)) : "memory")
#define csr_set(csr, v)   __asm__ volatile("csrs " csr ", %0" ::"rK"((ulong)(v)) : "memory")
#define csr_clear(csr, v) __asm__ volatile("csrc " csr ", %0" ::"rK"((ulong)(v)) : "memory")
#define csr_swap(csr, v)                                                                           \
	({                                                                                         \
		ulong v_;                                                                          \
		__asm__ volatile("csrrw %0, " csr ", %1" : "=r"(v_) : "r"((ulong)(v)) : "memory"); \
		v_;                                                                                \
	})

/* A snippet: NAME may be given to run_in(); it ends with a return unless it traps. */
#define SNIPPET(name, text)                                                                        \
	__asm__(".pushsection .snip, \"ax\"\n.balign 4\n.option push\n.option "                    \
		"norvc\n.globl " #name "\n" #name ":\n" text "\n\tret\n.option pop\n.popsection"); \
	extern code name

#define STR_(x) #x
#define STR(x)  STR_(x)

#define UART        0x10000000ul
#define CLINT       0x02000000ul
#define CLINT_MTIME 0x0200bff8ul
#define PLIC        0x0c000000ul
#define FLASH       0x20000000ul
#define RTC         0x00101000ul
#define VIRTIO(n)   (0x10001000ul + (ulong)(n)*0x1000)
#define RAM         0x80000000ul

static inline uint8_t get8(ulong a)
{
	return *(volatile uint8_t *)a;
}
static inline void set8(ulong a, uint8_t v)
{
	*(volatile uint8_t *)a = v;
}
static inline uint32_t get32(ulong a)
{
	return *(volatile uint32_t *)a;
}
static inline void set32(ulong a, uint32_t v)
{
	*(volatile uint32_t *)a = v;
}
static inline ulong getx(ulong a)
{
	return *(volatile ulong *)a;
}
static inline void setx(ulong a, ulong v)
{
	*(volatile ulong *)a = v;
}

uint64_t mtime(void);
void set_mtimecmp(ulong hart, uint64_t when);
void open_pmp(void); /* entry 0: everything, for S and U */
