/* SPDX-License-Identifier: MIT */
/* The hart's name for itself: the isa string (unpriv 36), its device tree node, and which extensions
 * need which others. */
#include "isa.h"
#include <backplane/fdt.h>
#include <stdio.h>
#include <string.h>

/* In the order of the isa string (unpriv 36.11): single letters, then Z by second letter's category,
 * then S. */
static const uint8_t order[] = { RV_EXT_I, RV_EXT_M, RV_EXT_A, RV_EXT_F, RV_EXT_D, RV_EXT_C,
	RV_EXT_V, RV_EXT_ZICBOM, RV_EXT_ZICBOP, RV_EXT_ZICBOZ, RV_EXT_ZICNTR, RV_EXT_ZICOND,
	RV_EXT_ZICSR, RV_EXT_ZIFENCEI, RV_EXT_ZIHINTPAUSE, RV_EXT_ZACAS, RV_EXT_ZAWRS, RV_EXT_ZFA,
	RV_EXT_ZFH, RV_EXT_ZFHMIN, RV_EXT_ZBA, RV_EXT_ZBB, RV_EXT_ZBC, RV_EXT_ZBKB, RV_EXT_ZBS,
	RV_EXT_ZVFH, RV_EXT_SSTC, RV_EXT_SVADE, RV_EXT_SVADU, RV_EXT_SVINVAL, RV_EXT_SVNAPOT,
	RV_EXT_SVPBMT };

static const struct {
	uint8_t ext, needs;
} needs[] = {
	{ RV_EXT_F, RV_EXT_ZICSR },
	{ RV_EXT_D, RV_EXT_F },
	{ RV_EXT_V, RV_EXT_D },
	{ RV_EXT_ZFHMIN, RV_EXT_F },
	{ RV_EXT_ZFH, RV_EXT_ZFHMIN },
	{ RV_EXT_ZFA, RV_EXT_F },
	{ RV_EXT_ZVFH, RV_EXT_V },
	{ RV_EXT_ZVFH, RV_EXT_ZFHMIN },
	{ RV_EXT_ZACAS, RV_EXT_A },
	{ RV_EXT_ZAWRS, RV_EXT_A },
	{ RV_EXT_ZICNTR, RV_EXT_ZICSR },
};

int rv_check_extensions(const struct rv_config *c, const char **ext, const char **missing)
{
	for (unsigned i = 0; i < sizeof(needs) / sizeof(needs[0]); i++) {
		if (rv_has(c, needs[i].ext) && !rv_has(c, needs[i].needs)) {
			*ext = rv_ext_names[needs[i].ext];
			*missing = rv_ext_names[needs[i].needs];
			return -1;
		}
	}
	return 0;
}

void rv_isa_string(const struct rv_config *c, char *buf, size_t size)
{
	size_t n = (size_t)snprintf(buf, size, "rv%u", c->xlen);
	for (unsigned i = 0; i < sizeof(order) && n < size; i++) {
		const char *name = rv_ext_names[order[i]];
		if (!rv_has(c, order[i]))
			continue;
		int word = strlen(name) > 1;
		n += (size_t)snprintf(buf + n, size - n, "%s%s", word ? "_" : "", name);
	}
}

static void describe(void *self, const struct bp_fdt_writer *w, void *node)
{
	const struct rv_cpu *cpu = self;
	static const char *const mmu32[] = { NULL, "riscv,sv32", "riscv,sv32", "riscv,sv32" };
	static const char *const mmu64[] = { NULL, "riscv,sv39", "riscv,sv48", "riscv,sv57" };
	const char *list[sizeof(order)], *mmu = (cpu->config.xlen == 32 ? mmu32 : mmu64)[cpu->mmu];
	unsigned count = 0;
	char isa[256];
	rv_isa_string(&cpu->config, isa, sizeof(isa));
	w->string(node, "device_type", "cpu");
	w->string(node, "riscv,isa", isa);
	w->string(node, "riscv,isa-base", cpu->config.xlen == 32 ? "rv32i" : "rv64i");
	for (unsigned i = 0; i < sizeof(order); i++)
		if (rv_has(&cpu->config, order[i]))
			list[count++] = rv_ext_names[order[i]];
	w->strings(node, "riscv,isa-extensions", list, count);
	if (mmu)
		w->string(node, "mmu-type", mmu);
	const uint32_t block = RV_CACHE_BLOCK;
	if (rv_has(&cpu->config, RV_EXT_ZICBOM))
		w->u32s(node, "riscv,cbom-block-size", &block, 1);
	if (rv_has(&cpu->config, RV_EXT_ZICBOZ))
		w->u32s(node, "riscv,cboz-block-size", &block, 1);
	if (rv_has(&cpu->config, RV_EXT_ZICBOP))
		w->u32s(node, "riscv,cbop-block-size", &block, 1);
	void *intc = w->child(node, "interrupt-controller");
	const uint32_t one = 1;
	w->string(intc, "compatible", "riscv,cpu-intc");
	w->u32s(intc, "#interrupt-cells", &one, 1);
	w->empty(intc, "interrupt-controller");
	w->represent(intc, self);
	w->end_child(intc);
}

static unsigned interrupt(void *self, const char *pin, unsigned n, uint32_t cells[4])
{
	static const struct {
		const char *pin;
		uint32_t irq;
	} pins[] = { { "ssip", RV_SSI }, { "msip", RV_MSI }, { "mtip", RV_MTI }, { "seip", RV_SEI },
		{ "meip", RV_MEI } };
	(void)self;
	(void)n;
	for (unsigned i = 0; i < sizeof(pins) / sizeof(pins[0]); i++) {
		if (!strcmp(pins[i].pin, pin)) {
			cells[0] = pins[i].irq;
			return 1;
		}
	}
	return 0;
}

static const char *const compatible[] = { "riscv", NULL };
const struct bp_fdt_node rv_fdt_node = {
	.size = sizeof(rv_fdt_node),
	.interrupt_cells = 1,
	.name = "cpu",
	.compatible = compatible,
	.describe = describe,
	.interrupt = interrupt,
};
