/* SPDX-License-Identifier: MIT */
/* The vDSO: a shared object of two pages whose functions are the CPU's pieces of code (System V ABI,
 * chapter 5; symbol versions as in the Linux Standard Base, "Symbol Versioning"). */
#include "linux.h"
#include <elf.h>
#include <string.h>
#include <sys/mman.h>

enum { VDSO_SIZE = 2 * PAGE, CODE_AT = PAGE, FUNCTIONS_MAX = 16 };

struct writer {
	const struct os *os;
	uint8_t image[VDSO_SIZE];
	uint32_t at; /* of tables */
	uint32_t code; /* of functions */
	char *strings;
	uint32_t strings_size;
	Elf64_Dyn dynamic[16];
	unsigned dynamics;
};

static uint32_t reserve(struct writer *w, uint32_t bytes)
{
	uint32_t at = (w->at + 7) & ~7u;
	w->at = at + bytes;
	return at;
}

static uint32_t add_string(struct writer *w, const char *s)
{
	uint32_t at = w->strings_size, n = (uint32_t)strlen(s) + 1;
	memcpy(w->strings + at, s, n);
	w->strings_size += n;
	return at;
}

static void dynamic(struct writer *w, int64_t tag, uint64_t value)
{
	w->dynamic[w->dynamics].d_tag = tag;
	w->dynamic[w->dynamics++].d_un.d_val = value;
}

/* The hash of the ABI, figure 5-13. */
static uint32_t hash(const char *name)
{
	uint32_t h = 0;
	for (; *name; name++) {
		h = (h << 4) + (uint8_t)*name;
		uint32_t g = h & 0xf0000000;
		h = (h ^ g >> 24) & ~g;
	}
	return h;
}

static void version(
	struct writer *w, uint32_t at, unsigned index, uint32_t name, uint32_t h, bool base)
{
	Elf64_Verdef def = { .vd_version = 1,
		.vd_flags = base ? VER_FLG_BASE : 0,
		.vd_ndx = (uint16_t)index,
		.vd_cnt = 1,
		.vd_hash = h,
		.vd_aux = sizeof(Elf64_Verdef),
		.vd_next = base ? sizeof(Elf64_Verdef) + sizeof(Elf64_Verdaux) : 0 };
	Elf64_Verdaux aux = { .vda_name = name };
	memcpy(w->image + at, &def, sizeof(def));
	memcpy(w->image + at + sizeof(def), &aux, sizeof(aux));
}

/* Symbols, their versions, one hash bucket with a chain of them all. */
static void symbols(struct writer *w, const struct bp_linux_code *code, unsigned count)
{
	Elf64_Sym sym[FUNCTIONS_MAX + 1] = { 0 };
	uint16_t versym[FUNCTIONS_MAX + 1] = { 0 };
	uint32_t table[2 + 1 + FUNCTIONS_MAX + 1] = { 1, count + 1, count ? 1 : 0 };
	for (unsigned i = 0; i < count; i++) {
		memcpy(w->image + w->code, code[i].bytes, code[i].length);
		sym[i + 1] = (Elf64_Sym){ .st_name = add_string(w, code[i].name),
			.st_info = ELF64_ST_INFO(STB_GLOBAL, STT_FUNC),
			.st_shndx = 1,
			.st_value = w->code,
			.st_size = code[i].length };
		versym[i + 1] = 2;
		table[3 + i + 1] = i + 1 < count ? i + 2 : 0;
		w->code = (w->code + code[i].length + 15) & ~15u;
	}
	uint32_t each = (uint32_t)struct_size(w->os, S_ELF_SYMBOL);
	uint32_t at = reserve(w, (count + 1) * each);
	for (unsigned i = 0; i <= count; i++)
		struct_store(w->os, S_ELF_SYMBOL, w->image + at + i * each, &sym[i]);
	dynamic(w, DT_SYMTAB, at);
	dynamic(w, DT_SYMENT, each);
	at = reserve(w, (count + 1) * sizeof(versym[0]));
	memcpy(w->image + at, versym, (count + 1) * sizeof(versym[0]));
	dynamic(w, DT_VERSYM, at);
	at = reserve(w, (3 + count + 1) * sizeof(table[0]));
	memcpy(w->image + at, table, (3 + count + 1) * sizeof(table[0]));
	dynamic(w, DT_HASH, at);
}

static void headers(struct writer *w, const struct bp_linux_abi *abi, uint32_t dynamic_at)
{
	size_t head_size = struct_size(w->os, S_ELF_HEADER), each = struct_size(w->os, S_ELF_PART);
	size_t dynamic_size = w->dynamics * struct_size(w->os, S_ELF_DYNAMIC);
	Elf64_Ehdr head = { .e_ident = { ELFMAG0, ELFMAG1, ELFMAG2, ELFMAG3,
				    (unsigned char)abi->elf_class, (unsigned char)abi->elf_data,
				    EV_CURRENT },
		.e_type = ET_DYN,
		.e_machine = (uint16_t)abi->elf_machine,
		.e_version = EV_CURRENT,
		.e_phoff = head_size,
		.e_ehsize = (Elf64_Half)head_size,
		.e_phentsize = (Elf64_Half)each,
		.e_phnum = 2 };
	Elf64_Phdr part[2] = { { .p_type = PT_LOAD,
				       .p_flags = PF_R | PF_X,
				       .p_filesz = VDSO_SIZE,
				       .p_memsz = VDSO_SIZE,
				       .p_align = PAGE },
		{ .p_type = PT_DYNAMIC,
			.p_flags = PF_R,
			.p_offset = dynamic_at,
			.p_vaddr = dynamic_at,
			.p_filesz = dynamic_size,
			.p_memsz = dynamic_size,
			.p_align = 8 } };
	struct_store(w->os, S_ELF_HEADER, w->image, &head);
	for (unsigned i = 0; i < 2; i++)
		struct_store(w->os, S_ELF_PART, w->image + head_size + i * each, &part[i]);
}

static void build(struct writer *w, const struct bp_linux_abi *abi)
{
	enum { STRINGS = 1024 };
	const struct bp_linux_code *code = abi->vdso;
	unsigned count = 0;
	while (count < FUNCTIONS_MAX && code[count].name)
		count++;
	w->at = sizeof(Elf64_Ehdr) + 2 * sizeof(Elf64_Phdr);
	w->code = CODE_AT;
	uint32_t strings = reserve(w, STRINGS);
	w->strings = (char *)w->image + strings;
	w->strings_size = 1;
	uint32_t soname = add_string(w, "linux-vdso.so.1"), name = add_string(w, code[0].version);
	dynamic(w, DT_SONAME, soname);
	symbols(w, code, count);
	uint32_t at = reserve(w, 2 * (sizeof(Elf64_Verdef) + sizeof(Elf64_Verdaux)));
	version(w, at, 1, soname, hash("linux-vdso.so.1"), true);
	version(w, at + sizeof(Elf64_Verdef) + sizeof(Elf64_Verdaux), 2, name,
		hash(code[0].version), false);
	dynamic(w, DT_VERDEF, at);
	dynamic(w, DT_VERDEFNUM, 2);
	dynamic(w, DT_STRTAB, strings);
	dynamic(w, DT_STRSZ, w->strings_size);
	dynamic(w, DT_NULL, 0);
	uint32_t each = (uint32_t)struct_size(w->os, S_ELF_DYNAMIC);
	uint32_t dynamic_at = reserve(w, w->dynamics * each);
	for (unsigned i = 0; i < w->dynamics; i++)
		struct_store(
			w->os, S_ELF_DYNAMIC, w->image + dynamic_at + i * each, &w->dynamic[i]);
	headers(w, abi, dynamic_at);
}

int vdso_map(struct thread *t)
{
	struct os *os = t->os;
	struct writer w = { .os = os };
	build(&w, os->abi);
	int64_t at = mem_map(
		os, 0, VDSO_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (at < 0 || copy_out(t, (uint64_t)at, w.image, VDSO_SIZE) != 0)
		return -1;
	os->vdso = (uint64_t)at;
	uint32_t code = CODE_AT;
	for (const struct bp_linux_code *c = os->abi->vdso; c->name; c++) {
		if (!strcmp(c->name, os->abi->sigreturn))
			os->sigreturn = os->vdso + code;
		code = (code + c->length + 15) & ~15u;
	}
	return (int)mem_protect(os, os->vdso, VDSO_SIZE, PROT_READ | PROT_EXEC);
}
