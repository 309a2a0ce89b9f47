/* SPDX-License-Identifier: MIT */
#include "image.h"
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

enum {
	ELFCLASS32 = 1,
	ELFCLASS64 = 2,
	ELFDATA2LSB = 1,
	ET_EXEC = 2,
	ET_DYN = 3,
	EM_RISCV = 243,
	PT_LOAD = 1
};

static int fail(struct image *im, const char *format, ...) __attribute__((format(printf, 2, 3)));

static int fail(struct image *im, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	vsnprintf(im->why, sizeof(im->why), format, args);
	va_end(args);
	return -1;
}

static uint64_t get(const uint8_t *p, unsigned bytes)
{
	uint64_t v = 0;
	while (bytes--)
		v = v << 8 | p[bytes];
	return v;
}

int image_is_elf(const uint8_t *bytes, size_t len)
{
	return len >= 4 && !memcmp(bytes, "\177ELF", 4);
}

/* Where fields of the two classes lie. */
static const struct layout {
	unsigned header, word;
	unsigned entry, phoff, phentsize, phnum;
	unsigned program, p_offset, p_paddr, p_filesz, p_memsz;
} layouts[] = {
	[ELFCLASS32] = { 52, 4, 24, 28, 42, 44, 32, 4, 12, 16, 20 },
	[ELFCLASS64] = { 64, 8, 24, 32, 54, 56, 56, 8, 24, 32, 40 },
};

static int inside(const struct image_window *w, uint64_t addr, uint64_t size)
{
	return addr >= w->base && size <= w->size && addr - w->base <= w->size - size;
}

int image_touches(const struct image *im, uint64_t addr, uint64_t size)
{
	for (unsigned i = 0; i < im->count; i++) {
		const struct image_segment *s = &im->segment[i];
		if (s->size && size && s->addr < addr + size && addr < s->addr + s->size)
			return 1;
	}
	return 0;
}

static int add(
	struct image *im, const struct image_segment *s, size_t len, const struct image_window *ram)
{
	if (im->count == IMAGE_SEGMENTS)
		return fail(im, "it has more than %d segments", IMAGE_SEGMENTS);
	if (s->bytes > len || s->offset > len - s->bytes)
		return fail(im, "it is truncated: a segment ends at byte %" PRIu64 " of %zu",
			s->offset + s->bytes, len);
	if (s->bytes > s->size)
		return fail(im, "a segment has %" PRIu64 " bytes and room for %" PRIu64, s->bytes,
			s->size);
	if (!inside(ram, s->addr, s->size))
		return fail(im,
			"0x%" PRIx64 " bytes at 0x%" PRIx64 " do not fit the memory, 0x%" PRIx64
			" bytes at 0x%" PRIx64,
			s->size, s->addr, ram->size, ram->base);
	if (image_touches(im, s->addr, s->size))
		return fail(im, "two of its segments overlap at 0x%" PRIx64, s->addr);
	im->segment[im->count++] = *s;
	return 0;
}

static int check_header(struct image *im, const uint8_t *b, size_t len, unsigned bits)
{
	if (len < 52 || !image_is_elf(b, len))
		return fail(im, "it is no ELF file, or cut off in its header");
	if (b[4] != (bits == 32 ? ELFCLASS32 : ELFCLASS64))
		return fail(im, "it is an ELF file of class %u; %u bits are expected", b[4], bits);
	if (len < layouts[b[4]].header)
		return fail(im, "it is cut off in its header");
	if (b[5] != ELFDATA2LSB || get(b + 18, 2) != EM_RISCV)
		return fail(im,
			"it is for machine %u, data %u; RISC-V (%d), little-endian is expected",
			(unsigned)get(b + 18, 2), b[5], EM_RISCV);
	if (get(b + 16, 2) != ET_EXEC && get(b + 16, 2) != ET_DYN)
		return fail(im, "it is no executable (type %u)", (unsigned)get(b + 16, 2));
	return 0;
}

int image_elf(struct image *im, const uint8_t *b, size_t len, unsigned bits,
	const struct image_window *ram)
{
	memset(im, 0, sizeof(*im));
	if (check_header(im, b, len, bits) != 0)
		return -1;
	const struct layout *l = &layouts[b[4]];
	uint64_t at = get(b + l->phoff, l->word), each = get(b + l->phentsize, 2);
	unsigned count = (unsigned)get(b + l->phnum, 2);
	im->entry = get(b + l->entry, l->word);
	if (each < l->program || at > len || (uint64_t)count * each > len - at)
		return fail(
			im, "it is truncated: its %u program headers end beyond the file", count);
	for (unsigned i = 0; i < count; i++) {
		const uint8_t *p = b + at + i * each;
		struct image_segment s = { .addr = get(p + l->p_paddr, l->word),
			.offset = get(p + l->p_offset, l->word),
			.bytes = get(p + l->p_filesz, l->word),
			.size = get(p + l->p_memsz, l->word) };
		if (get(p, 4) == PT_LOAD && s.size && add(im, &s, len, ram) != 0)
			return -1;
	}
	if (!im->count)
		return fail(im, "it has nothing to load");
	if (!image_touches(im, im->entry, 1))
		return fail(im, "its entry 0x%" PRIx64 " lies in none of its segments", im->entry);
	return 0;
}

/* Forms in which kernels are kept, that only a boot loader unpacks. */
static const char *packed_with(const uint8_t *b, size_t len)
{
	static const struct {
		unsigned offset, length;
		const char *bytes, *name;
	} forms[] = { { 0, 2, "\x1f\x8b", "gzip" },
		{ 0, 6,
			"\xfd"
			"7zXZ\0",
			"xz" },
		{ 0, 4, "\x28\xb5\x2f\xfd", "zstd" }, { 0, 3, "BZh", "bzip2" },
		{ 4, 4, "zimg", "an EFI zboot header" } };
	for (unsigned i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		if (len >= forms[i].offset + forms[i].length &&
			!memcmp(b + forms[i].offset, forms[i].bytes, forms[i].length))
			return forms[i].name;
	return NULL;
}

int image_raw(struct image *im, const uint8_t *b, size_t len, uint64_t addr,
	const struct image_window *ram)
{
	enum { HEADER = 64, TEXT_OFFSET = 8, IMAGE_SIZE = 16, FLAGS = 24, MAGIC2 = 56 };
	struct image_segment s = { .addr = addr, .bytes = len, .size = len };
	memset(im, 0, sizeof(*im));
	if (!len)
		return fail(im, "it is empty");
	if (packed_with(b, len))
		return fail(im, "it is packed (%s); unpack it first", packed_with(b, len));
	if (len >= HEADER && !memcmp(b + MAGIC2, "RSC\x05", 4)) {
		if (get(b + FLAGS, 8) & 1)
			return fail(im,
				"its header says that it is big-endian; little-endian is "
				"expected");
		uint64_t size = get(b + IMAGE_SIZE, 8), offset = get(b + TEXT_OFFSET, 8);
		/* text_offset counts from the start of memory as the kernel wants it. */
		if (offset && offset < ram->size && ram->base + offset >= addr)
			s.addr = ram->base + offset;
		if (size > s.size)
			s.size = size;
	}
	im->entry = s.addr;
	return add(im, &s, len, ram);
}

uint64_t image_end(const struct image *im)
{
	uint64_t end = 0;
	for (unsigned i = 0; i < im->count; i++)
		if (im->segment[i].addr + im->segment[i].size > end)
			end = im->segment[i].addr + im->segment[i].size;
	return end;
}
