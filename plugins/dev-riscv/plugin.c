/* SPDX-License-Identifier: MIT */
#include "types.h"

static const struct bp_type types[] = {
	{ "riscv,clint", "core-local interruptor: software interrupts and timer", BP_KIND_DEVICE, 0,
		&riscv_clint, NULL },
	{ "riscv,aclint-mtimer", "ACLINT machine timer", BP_KIND_DEVICE, 0, &riscv_aclint_mtimer,
		NULL },
	{ "riscv,aclint-mswi", "ACLINT machine software interrupts", BP_KIND_DEVICE, 0,
		&riscv_aclint_mswi, NULL },
	{ "riscv,aclint-sswi", "ACLINT supervisor software interrupts", BP_KIND_DEVICE, 0,
		&riscv_aclint_sswi, NULL },
	{ "riscv,plic", "platform-level interrupt controller", BP_KIND_DEVICE, 0, &riscv_plic,
		NULL },
	{ 0 },
};

BP_PLUGIN(dev_riscv) = {
	BP_PLUGIN_HEAD,
	.name = "dev-riscv",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
