/* SPDX-License-Identifier: MIT */
/* A machine with a PCI bus, driven from here as a guest would: through its address space. */
#ifndef TESTS_PCI_RIG_H
#define TESTS_PCI_RIG_H
#include "bus/bus.h"
#include "machine/internal.h"
#include "machine/machine.h"
#include <glib.h>
#include <stdio.h>
#include <string.h>

#define ECAM   UINT64_C(0x30000000)
#define PIO    UINT64_C(0x03000000)
#define MMIO   UINT64_C(0x40000000)
#define MMIO64 UINT64_C(0x400000000)
#define RAM    UINT64_C(0x80000000)

static struct rig {
	struct machine *m;
	struct toml_value *desc;
	struct error_list errors;
	struct bus_space *space;
} rig;

static const char rig_board[] =
	"[sys]\ntype = \"space\"\n"
	"[ram]\ntype = \"ram\"\nsize = \"4M\"\nat = 0x8000_0000\n"
	"[pci]\ntype = \"pci-host-ecam-generic\"\nmemory = \"sys\"\nirq = \"pins:0..3\"\n"
	"at = { ecam = 0x3000_0000, pio = 0x300_0000, mmio = 0x4000_0000, mmio64 = 0x4_0000_0000 "
	"}\n"
	"[pins]\ntype = \"test-pins\"\n";

static unsigned rig_wires; /* levels of the host bridge's four wires */

static void pins_set(void *self, unsigned n, int level)
{
	(void)self;
	rig_wires = level ? rig_wires | 1u << n : rig_wires & ~(1u << n);
}

static const struct bp_pin pins_in[] = { { .name = "in", .count = 4, .set = pins_set }, { 0 } };
static const struct bp_object pins_object = {
	.size = sizeof(pins_object), .instance_size = 8, .in = pins_in
};

/* The machine, or NULL with the first error in *message (freed by the caller). */
static inline struct machine *rig_start(const char *more, char **message)
{
	char *text = g_strconcat(rig_board, more, NULL);
	rig = (struct rig){ 0 };
	rig_wires = 0;
	rig.desc = toml_parse("test", text, strlen(text), &rig.errors);
	g_free(text);
	rig.m = rig.desc ? machine_plan(rig.desc, &rig.errors) : NULL;
	bool good = rig.m && !rig.errors.total && machine_build(rig.m, &rig.errors) == 0;
	if (message)
		*message = error_list_text(&rig.errors);
	else if (!good)
		error_list_print(&rig.errors, stderr);
	if (!good)
		return NULL;
	rig.space = space_of(instance_find(rig.m, "sys")->object);
	return rig.m;
}

static inline void rig_stop(void)
{
	machine_destroy(rig.m);
	toml_destroy(rig.desc);
	error_list_finish(&rig.errors);
	rig = (struct rig){ 0 };
}

static inline uint64_t peek(uint64_t addr, unsigned bytes)
{
	uint8_t b[8] = { 0 };
	uint64_t v = 0;
	g_assert_cmpint(bus_access(rig.space, addr, b, bytes, false, NULL), ==, BP_OK);
	for (unsigned i = bytes; i-- > 0;)
		v = v << 8 | b[i];
	return v;
}

static inline void poke(uint64_t addr, unsigned bytes, uint64_t value)
{
	uint8_t b[8];
	for (unsigned i = 0; i < bytes; i++)
		b[i] = (uint8_t)(value >> 8 * i);
	g_assert_cmpint(bus_access(rig.space, addr, b, bytes, true, NULL), ==, BP_OK);
}

/* Configuration space of bus, device, function. */
static inline uint64_t cfg(unsigned bus, unsigned device, unsigned function, unsigned reg)
{
	return ECAM +
		((uint64_t)bus << 20 | (uint64_t)device << 15 | (uint64_t)function << 12 | reg);
}

/* Where a capability is, after one (0: from the start), or 0. */
static inline unsigned capability(uint64_t base, unsigned id, unsigned after)
{
	unsigned at = (unsigned)peek(base + (after ? after + 1 : 0x34), 1);
	for (unsigned i = 0; at && i < 48; i++, at = (unsigned)peek(base + at + 1, 1))
		if (peek(base + at, 1) == id)
			return at;
	return 0;
}

/* Types of the test's own, and those of plugins that its machines name: the first machine seals. */
static inline void rig_types(
	const struct bp_type *own, const char *const *names, const char *plugins)
{
	struct error_list errors = { 0 };
	types_add_builtin(bus_types);
	types_add_builtin(host_types);
	types_add_builtin(own);
	types_add_path(plugins);
	types_scan(&errors);
	for (unsigned i = 0; names[i]; i++)
		type_load(type_find(names[i]), NULL, &errors);
	if (errors.total)
		error_list_print(&errors, stderr);
	g_assert_cmpuint(errors.total, ==, 0);
}

#endif
