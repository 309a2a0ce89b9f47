/* SPDX-License-Identifier: MIT */
/*
 * Floating-point and vector state to and from struct state. Of f registers only the low halves are
 * there where HAS_D is not among the flags.
 */
#include "runner.h"

	.text
	.option arch, +f, +d, +v, +a, +zifencei

	.macro all_f op, base
	.irp n, 0,1,2,3,4,5,6,7,8,9,10,11,12,13,14,15,16,17,18,19,20,21,22,23,24,25,26,27,28,29,30,31
	\op	f\n, STATE_F + 8 * \n(\base)
	.endr
	.endm

	.globl	load_f
load_f:
	lw	t0, STATE_FCSR(a0)
	csrw	fcsr, t0
	andi	a1, a1, HAS_D
	beqz	a1, 1f
	all_f	fld, a0
	ret
1:	all_f	flw, a0
	ret

	.globl	save_f
save_f:
	csrr	t0, fcsr
	sw	t0, STATE_FCSR(a0)
	andi	a1, a1, HAS_D
	beqz	a1, 1f
	all_f	fsd, a0
	ret
1:	all_f	fsw, a0
	ret

	.globl	read_vlenb
read_vlenb:
	csrr	a0, vlenb
	ret

	.globl	load_v
load_v:
	csrw	vstart, x0
	csrr	t0, vlenb
	slli	t0, t0, 3
	addi	t1, a0, STATE_V
	vl8re8.v v0, (t1)
	add	t1, t1, t0
	vl8re8.v v8, (t1)
	add	t1, t1, t0
	vl8re8.v v16, (t1)
	add	t1, t1, t0
	vl8re8.v v24, (t1)
#if __riscv_xlen == 64
	ld	t0, STATE_VTYPE(a0)
#else
	lw	t0, STATE_VTYPE(a0)
#endif
	lw	t1, STATE_VL(a0)
	vsetvl	x0, t1, t0
	lw	t0, STATE_VCSR(a0)
	csrw	vcsr, t0
	lw	t0, STATE_VSTART(a0)
	csrw	vstart, t0
	ret

	.globl	save_v
save_v:
	csrr	t0, vstart
	sw	t0, STATE_VSTART(a0)
	csrr	t0, vl
	sw	t0, STATE_VL(a0)
	csrr	t0, vcsr
	sw	t0, STATE_VCSR(a0)
	csrr	t0, vtype
#if __riscv_xlen == 64
	sd	t0, STATE_VTYPE(a0)
#else
	sw	t0, STATE_VTYPE(a0)
#endif
	csrw	vstart, x0
	csrr	t0, vlenb
	slli	t0, t0, 3
	addi	t1, a0, STATE_V
	vs8r.v	v0, (t1)
	add	t1, t1, t0
	vs8r.v	v8, (t1)
	add	t1, t1, t0
	vs8r.v	v16, (t1)
	add	t1, t1, t0
	vs8r.v	v24, (t1)
	ret

	.globl	fence_i
fence_i:
	fence.i
	ret

/* A store-conditional ends whatever reservation the last case left. */
	.globl	clear_reservation
clear_reservation:
	la	t0, scratch
	sc.w	t1, x0, (t0)
	ret

	.bss
	.balign	16
scratch:
	.zero	16
