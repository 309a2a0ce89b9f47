/* SPDX-License-Identifier: MIT */
#include "devices.h"

static const struct bp_type types[] = {
	{ "riscv,clint", "core-local interruptor: software interrupts, timers, timebase",
		BP_KIND_DEVICE, 0, &riscv_clint, NULL },
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
