/* SPDX-License-Identifier: MIT */
/* "bp.disassembler/1" for many instruction sets: RISC-V by the table of its encodings (riscv.c), the
 * others by the library capstone. */
#include "riscv.h"
#include <backplane/disas.h>
#include <backplane/plugin.h>
#include <capstone/capstone.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>

static const struct isa {
	const char *name;
	uint32_t xlen; /* RISC-V */
	uint32_t arch, mode; /* of the library */
} isas[] = {
	{ "riscv32", .xlen = 32 },
	{ "riscv64", .xlen = 64 },
	{ "aarch64", 0, CS_ARCH_ARM64, CS_MODE_ARM },
	{ "arm", 0, CS_ARCH_ARM, CS_MODE_ARM },
	{ "thumb", 0, CS_ARCH_ARM, CS_MODE_THUMB },
	{ "x86_64", 0, CS_ARCH_X86, CS_MODE_64 },
	{ "i386", 0, CS_ARCH_X86, CS_MODE_32 },
	{ "i8086", 0, CS_ARCH_X86, CS_MODE_16 },
	{ "mips", 0, CS_ARCH_MIPS, CS_MODE_MIPS32 | (uint32_t)CS_MODE_BIG_ENDIAN },
	{ "mipsel", 0, CS_ARCH_MIPS, CS_MODE_MIPS32 },
	{ "mips64", 0, CS_ARCH_MIPS, CS_MODE_MIPS64 | (uint32_t)CS_MODE_BIG_ENDIAN },
	{ "mips64el", 0, CS_ARCH_MIPS, CS_MODE_MIPS64 },
	{ "ppc", 0, CS_ARCH_PPC, CS_MODE_32 | (uint32_t)CS_MODE_BIG_ENDIAN },
	{ "ppc64", 0, CS_ARCH_PPC, CS_MODE_64 | (uint32_t)CS_MODE_BIG_ENDIAN },
	{ "ppc64le", 0, CS_ARCH_PPC, CS_MODE_64 },
	{ "sparc", 0, CS_ARCH_SPARC, (uint32_t)CS_MODE_BIG_ENDIAN },
	{ "sparc64", 0, CS_ARCH_SPARC, CS_MODE_V9 | (uint32_t)CS_MODE_BIG_ENDIAN },
	{ "s390x", 0, CS_ARCH_SYSZ, (uint32_t)CS_MODE_BIG_ENDIAN },
	{ "m68k", 0, CS_ARCH_M68K, CS_MODE_M68K_040 | (uint32_t)CS_MODE_BIG_ENDIAN },
};
enum { ISAS = sizeof(isas) / sizeof(*isas) };

/* A handle of the library is good for one thread at a time; each is opened when first asked for. */
struct decoder {
	pthread_mutex_t lock;
	csh handle;
	cs_insn *insn;
	int tried;
};

struct disas {
	int made;
	struct decoder decoder[ISAS];
};

static void open_decoder(struct decoder *d, const struct isa *isa)
{
	d->tried = 1;
	if (cs_open((cs_arch)isa->arch, (cs_mode)isa->mode, &d->handle) != CS_ERR_OK)
		return; /* built without it */
	d->insn = cs_malloc(d->handle);
	if (!d->insn)
		cs_close(&d->handle);
}

static unsigned by_library(struct decoder *d, const struct isa *isa, uint64_t pc,
	const uint8_t *bytes, size_t len, char *text, size_t text_size)
{
	unsigned length = 0;
	pthread_mutex_lock(&d->lock);
	if (!d->tried)
		open_decoder(d, isa);
	if (d->insn && cs_disasm_iter(d->handle, &bytes, &len, &pc, d->insn)) {
		length = d->insn->size;
		if (text_size)
			snprintf(text, text_size, "%s%s%s", d->insn->mnemonic,
				*d->insn->op_str ? " " : "", d->insn->op_str);
	}
	pthread_mutex_unlock(&d->lock);
	return length;
}

static unsigned disassemble(void *self, const char *name, uint64_t pc, const uint8_t *bytes,
	size_t len, char *text, size_t text_size)
{
	struct disas *s = self;
	if (text_size)
		*text = 0;
	for (unsigned i = 0; i < ISAS; i++) {
		if (strcmp(isas[i].name, name) != 0)
			continue;
		return isas[i].xlen
			? riscv_disassemble(isas[i].xlen, pc, bytes, len, text, text_size)
			: by_library(&s->decoder[i], &isas[i], pc, bytes, len, text, text_size);
	}
	return 0;
}

static const struct bp_disassembler service = {
	.size = sizeof(service),
	.disassemble = disassemble,
};

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct disas *s = self;
	(void)host;
	(void)err;
	for (unsigned i = 0; i < ISAS; i++)
		pthread_mutex_init(&s->decoder[i].lock, NULL);
	s->made = 1;
	return 0;
}

static void destroy(void *self)
{
	struct disas *s = self;
	for (unsigned i = 0; s && s->made && i < ISAS; i++) {
		struct decoder *d = &s->decoder[i];
		if (d->insn) {
			cs_free(d->insn, 1);
			cs_close(&d->handle);
		}
		pthread_mutex_destroy(&d->lock);
	}
}

static const void *interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.disassembler/1") ? NULL : &service;
}

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct disas),
	.threads = BP_PARALLEL,
	.state_version = 1,
	.state_oldest = 1,
	.create = create,
	.destroy = destroy,
	.interface = interface,
};

static const struct bp_type types[] = {
	{ "svc-disas", "disassembler of many instruction sets", BP_KIND_SERVICE, 0, &object, NULL },
	{ 0 },
};

BP_PLUGIN(svc_disas) = {
	BP_PLUGIN_HEAD,
	.name = "svc-disas",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
