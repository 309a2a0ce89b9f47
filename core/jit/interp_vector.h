/* SPDX-License-Identifier: MIT */
/* Between interp_generic.c, interp_vector.c and interp_float.c. */
#ifndef JIT_INTERP_VECTOR_H
#define JIT_INTERP_VECTOR_H
#include "interp.h"

__extension__ typedef unsigned __int128 u128;
__extension__ typedef __int128 s128;

/* One integer operation on numbers of `bits` bits; comparisons give 0 or 1. */
u128 int_two(unsigned op, u128 a, u128 b, unsigned bits);
u128 int_one(unsigned op, u128 a, unsigned bits);

gen_fn *vector_for(const struct bp_ir *r);
gen_fn *float_for(const struct bp_ir *r);

#endif
