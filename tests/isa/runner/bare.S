/* SPDX-License-Identifier: MIT */
/* Entry from reset, entry into a case in user mode, and the trap that ends it. */
#include "runner.h"

#if __riscv_xlen == 64
#define LREG ld
#define SREG sd
#else
#define LREG lw
#define SREG sw
#endif

	.section .text.start, "ax"
	.globl	_start
_start:
	csrr	t0, mhartid
	bnez	t0, park
	la	t0, setup_trap
	csrw	mtvec, t0
	la	sp, stack_top
	la	t0, bss_start
	la	t1, bss_end
1:	SREG	x0, 0(t0)
	addi	t0, t0, __riscv_xlen / 8
	bltu	t0, t1, 1b
	call	bare_main
park:
	wfi
	j	park

/* During set-up: a CSR that is not there is passed over. */
	.balign	4
setup_trap:
	csrr	t6, mepc
	addi	t6, t6, 4
	csrw	mepc, t6
	mret

	.macro regs op, base, list:vararg
	.irp n, \list
	\op	x\n, STATE_X + 8 * \n(\base)
	.endr
	.endm

/* void run(const struct state *start, struct state *end): one case. All of C's state is kept. */
	.globl	run
run:
	addi	sp, sp, -32 * 8
	.irp n, 1,3,4,8,9,18,19,20,21,22,23,24,25,26,27
	SREG	x\n, \n * 8(sp)
	.endr
	la	t0, kept_sp
	SREG	sp, 0(t0)
	la	t0, case_trap
	csrw	mtvec, t0
	csrw	mscratch, a1
	LREG	t0, STATE_X(a0)
	csrw	mepc, t0
	li	t0, 3 << 11             /* MPP: user mode */
	csrc	mstatus, t0
	mv	x31, a0
	regs	LREG, x31, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16
	regs	LREG, x31, 17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	mret

	.balign	4
case_trap:
	csrrw	x31, mscratch, x31
	regs	SREG, x31, 1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16
	regs	SREG, x31, 17,18,19,20,21,22,23,24,25,26,27,28,29,30
	csrrw	a1, mscratch, x31
	SREG	a1, STATE_X + 8 * 31(x31)
	csrr	a0, mcause
	li	a1, 8                   /* environment call from user mode */
	beq	a0, a1, call
	la	t0, kept_sp
	LREG	sp, 0(t0)
	.irp n, 1,3,4,8,9,18,19,20,21,22,23,24,25,26,27
	LREG	x\n, \n * 8(sp)
	.endr
	addi	sp, sp, 32 * 8
	ret

/* As Linux answers a call that it does not know: a0 = -ENOSYS, and on. */
call:
	csrr	a0, mepc
	addi	a0, a0, 4
	csrw	mepc, a0
	li	a0, -38
	SREG	a0, STATE_X + 8 * 10(x31)
	regs	LREG, x31, 10,11,31
	mret

	.bss
	.balign	16
kept_sp:
	.zero	16
	.zero	16384
stack_top:
