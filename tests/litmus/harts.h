/* SPDX-License-Identifier: MIT */
/* What the programs of four harts share: parameters, random numbers, waiting, results. Hart 0 leads. */
#pragma once
#include "vm.h"

#define HARTS 4
#define PAUSE __asm__ volatile(".insn i 0x0f, 0, x0, x0, 0x010") /* Zihintpause */

/* run.py writes these into the image. */
struct parameters {
	char magic[16];
	uint64_t seed, milliseconds;
};
extern volatile struct parameters parameters;

static inline void fence(void)
{
	__asm__ volatile("fence rw, rw" ::: "memory");
}
static inline ulong amo_add(volatile ulong *p, ulong n)
{
	ulong old;
	__asm__ volatile("amoadd.d.aqrl %0, %1, (%2)" : "=r"(old) : "r"(n), "r"(p) : "memory");
	return old;
}
static inline ulong hart_id(void)
{
	return csr_read("mhartid");
}

/* Each hart has its own sequence. */
ulong random(ulong hart);
static inline ulong random_below(ulong hart, ulong n)
{
	return (random(hart) >> 16) % n;
}
void delay(ulong turns);

/* Wait until *p is no longer `old`, or until it is `wanted`: some time by looking, then in wfi. While a hart
 * waits, on_ipi() is called for each interprocessor interrupt. */
ulong wait_change(volatile ulong *p, ulong old);
void wait_for(volatile ulong *p, ulong wanted);
/* *p = value, and wake all who wait. */
void publish(volatile ulong *p, ulong value);
void ipi(ulong hart);
void on_ipi(ulong hart);

struct barrier {
	volatile ulong count, turn;
} __attribute__((aligned(64)));
void barrier(struct barrier *b, ulong harts);

/* The part of a program that each hart runs when hart 0 is inside everywhere(). */
typedef void job(ulong hart);
void everywhere(job *what);
bool time_left(void); /* [hart 0] */

/* TAP: one line a check. */
void result(bool good, const char *name);
void put_number(const char *before, ulong n);
void run(void); /* the program, on hart 0 */
