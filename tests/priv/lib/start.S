/* SPDX-License-Identifier: MIT */
/* Entry, trap entry and the switch into a test snippet, for RV32 and RV64.
 *
 * A snippet is entered with mret and always comes back through a trap to M: either its own
 * (recorded) or the ecall of `leave`, where its `ret` goes.  Nothing here touches the snippet's
 * stack, so snippets run under any page table. */
#include "layout.h"

	.option norvc
	.section .start, "ax"
	.globl _start
_start:
	csrr	s0, mstatus		/* as the reset left it, for reset.c */
	csrr	s1, mcause
	csrr	s2, pmpcfg0
	mv	s3, a0
	la	t0, fatal_trap
	csrw	mtvec, t0
	csrr	t0, mhartid
	li	t1, MAX_HARTS
1:	bgeu	t0, t1, 1b		/* more harts than stacks: stay out */
	la	sp, stacks
	addi	t1, t0, 1
	slli	t1, t1, STACK_LOG2
	add	sp, sp, t1
	la	tp, contexts
	li	t1, CTX_SIZE
2:	beqz	t0, 3f			/* no mul: the base set only */
	add	tp, tp, t1
	addi	t0, t0, -1
	j	2b
3:	csrw	mscratch, tp
	.option push
	.option norelax
	la	gp, __global_pointer$
	.option pop
	csrr	a0, mhartid
	bnez	a0, 5f
	la	t0, __bss_start		/* RAM need not be zero */
	la	t1, __bss_end
4:	bgeu	t0, t1, 6f
	REG_S	zero, 0(t0)
	addi	t0, t0, SZ
	j	4b
5:	la	t0, bss_ready		/* wait for hart 0 (the word lies in .data) */
7:	lw	t1, 0(t0)
	beqz	t1, 7b
	fence	rw, rw
	j	8f
6:	la	t0, first_state
	REG_S	s0, 0(t0)
	REG_S	s1, 1*SZ(t0)
	REG_S	s2, 2*SZ(t0)
	REG_S	s3, 3*SZ(t0)
	la	t0, bss_ready
	li	t1, 1
	fence	rw, rw
	sw	t1, 0(t0)
8:	la	t0, mtrap
	csrw	mtvec, t0
	csrr	a0, mhartid
	call	c_start
9:	j	9b

	/* void enter(struct context *c, ulong pc, ulong a0, ulong a1, ulong ra, ulong sp) */
	.globl enter
enter:
	REG_S	ra, CTX_SAVE+0*SZ(a0)
	REG_S	sp, CTX_SAVE+1*SZ(a0)
	REG_S	gp, CTX_SAVE+2*SZ(a0)
	REG_S	tp, CTX_SAVE+3*SZ(a0)
	REG_S	s0, CTX_SAVE+4*SZ(a0)
	REG_S	s1, CTX_SAVE+5*SZ(a0)
	REG_S	s2, CTX_SAVE+6*SZ(a0)
	REG_S	s3, CTX_SAVE+7*SZ(a0)
	REG_S	s4, CTX_SAVE+8*SZ(a0)
	REG_S	s5, CTX_SAVE+9*SZ(a0)
	REG_S	s6, CTX_SAVE+10*SZ(a0)
	REG_S	s7, CTX_SAVE+11*SZ(a0)
	REG_S	s8, CTX_SAVE+12*SZ(a0)
	REG_S	s9, CTX_SAVE+13*SZ(a0)
	REG_S	s10, CTX_SAVE+14*SZ(a0)
	REG_S	s11, CTX_SAVE+15*SZ(a0)
	li	t0, 1
	REG_S	t0, CTX_ACTIVE(a0)
	csrw	mscratch, a0
	csrw	mepc, a1
	mv	ra, a4
	mv	sp, a5
	mv	a0, a2
	mv	a1, a3
	li	t0, 0
	li	a2, 0
	li	a3, 0
	li	a4, 0
	li	a5, 0
	li	a6, 0
	li	a7, 0
	mret

	/* Every trap to M.  A trap from S or U has MPRV = 0 (mret cleared it) and one from M has
	 * MPP = M, so these stores are never translated (Privileged 3.1.6.3). */
	.balign	4
	.globl mtrap
mtrap:
	csrrw	sp, mscratch, sp
	REG_S	x1, 1*SZ(sp)
	REG_S	x3, 3*SZ(sp)
	REG_S	x4, 4*SZ(sp)
	REG_S	x5, 5*SZ(sp)
	REG_S	x6, 6*SZ(sp)
	REG_S	x7, 7*SZ(sp)
	REG_S	x8, 8*SZ(sp)
	REG_S	x9, 9*SZ(sp)
	REG_S	x10, 10*SZ(sp)
	REG_S	x11, 11*SZ(sp)
	REG_S	x12, 12*SZ(sp)
	REG_S	x13, 13*SZ(sp)
	REG_S	x14, 14*SZ(sp)
	REG_S	x15, 15*SZ(sp)
	REG_S	x16, 16*SZ(sp)
	REG_S	x17, 17*SZ(sp)
	REG_S	x18, 18*SZ(sp)
	REG_S	x19, 19*SZ(sp)
	REG_S	x20, 20*SZ(sp)
	REG_S	x21, 21*SZ(sp)
	REG_S	x22, 22*SZ(sp)
	REG_S	x23, 23*SZ(sp)
	REG_S	x24, 24*SZ(sp)
	REG_S	x25, 25*SZ(sp)
	REG_S	x26, 26*SZ(sp)
	REG_S	x27, 27*SZ(sp)
	REG_S	x28, 28*SZ(sp)
	REG_S	x29, 29*SZ(sp)
	REG_S	x30, 30*SZ(sp)
	REG_S	x31, 31*SZ(sp)
	csrrw	t0, mscratch, sp
	REG_S	t0, 2*SZ(sp)
	csrr	t0, mcause
	REG_S	t0, CTX_CAUSE(sp)
	csrr	t0, mtval
	REG_S	t0, CTX_TVAL(sp)
	csrr	t0, mepc
	REG_S	t0, CTX_EPC(sp)
	csrr	t0, mstatus
	REG_S	t0, CTX_STATUS(sp)
	REG_L	t0, CTX_ACTIVE(sp)
	beqz	t0, fatal_trap
	REG_S	zero, CTX_ACTIVE(sp)
	mv	a0, sp
	REG_L	ra, CTX_SAVE+0*SZ(a0)
	REG_L	sp, CTX_SAVE+1*SZ(a0)
	REG_L	gp, CTX_SAVE+2*SZ(a0)
	REG_L	tp, CTX_SAVE+3*SZ(a0)
	REG_L	s0, CTX_SAVE+4*SZ(a0)
	REG_L	s1, CTX_SAVE+5*SZ(a0)
	REG_L	s2, CTX_SAVE+6*SZ(a0)
	REG_L	s3, CTX_SAVE+7*SZ(a0)
	REG_L	s4, CTX_SAVE+8*SZ(a0)
	REG_L	s5, CTX_SAVE+9*SZ(a0)
	REG_L	s6, CTX_SAVE+10*SZ(a0)
	REG_L	s7, CTX_SAVE+11*SZ(a0)
	REG_L	s8, CTX_SAVE+12*SZ(a0)
	REG_L	s9, CTX_SAVE+13*SZ(a0)
	REG_L	s10, CTX_SAVE+14*SZ(a0)
	REG_L	s11, CTX_SAVE+15*SZ(a0)
	ret

	/* A trap outside a snippet: say so once, with cause, epc and tval, and stop with code 99. */
	.balign	4
fatal_trap:
	la	t0, fatal_again
	csrw	mtvec, t0
	la	sp, fatal_stack_end
	csrr	a0, mcause
	csrr	a1, mepc
	csrr	a2, mtval
	call	fatal
	.balign	4
fatal_again:
	li	t0, FINISHER
	li	t1, (98 << 16) | 0x3333
	sw	t1, 0(t0)
1:	j	1b

	/* Code that lower modes run as well: `ret` of a snippet comes to leave; S traps to strap.
	 * Both hand over in registers only. */
	.section .snip, "ax"
	.balign	4
	.globl leave
leave:
	li	a7, MAGIC_LEAVE
	ecall
	.balign	4
	.globl strap
strap:
	mv	a6, a7
	csrr	a2, scause
	csrr	a3, stval
	csrr	a4, sepc
	csrr	a5, sstatus
	li	a7, MAGIC_STRAP
	ecall

	/* Vectored tables: entry n leaves its own address + 4 in ra (Privileged 3.1.7). */
	.balign	256
	.globl svector
svector:
	.rept	32
	jal	ra, strap
	.endr
	.text
	.balign	256
	.globl mvector
mvector:
	.rept	32
	jal	ra, mtrap
	.endr

	.data
	.balign	4
	.globl bss_ready
bss_ready:
	.word	0
	.bss
	.balign	16
	.globl first_state
first_state:
	.space	4 * SZ
	.globl stacks
stacks:
	.space	MAX_HARTS << STACK_LOG2
	.space	4096
fatal_stack_end:
