/* SPDX-License-Identifier: MIT */
#include "native.h"

bool select_float(struct native_compiler *c, const struct bp_ir *r)
{
	(void)c;
	(void)r;
	return false;
}

void float_gather(struct native_compiler *c)
{
	(void)c;
}

void float_cold(struct native_compiler *c, struct cold *k)
{
	(void)c;
	(void)k;
}
