/* SPDX-License-Identifier: MIT */
/* Files that a board puts into memory: ELF, Linux Images, raw bytes. All are hostile. */
#ifndef BOARD_IMAGE_H
#define BOARD_IMAGE_H
#include <stddef.h>
#include <stdint.h>

enum { IMAGE_SEGMENTS = 32, IMAGE_TEXT = 200 };

struct image_segment {
	uint64_t addr; /* physical */
	uint64_t offset, bytes; /* in the file */
	uint64_t size; /* in memory; beyond bytes: zeros */
};

struct image {
	struct image_segment segment[IMAGE_SEGMENTS];
	unsigned count;
	uint64_t entry;
	char why[IMAGE_TEXT]; /* a sentence, when a function here fails */
};

struct image_window { /* where segments may lie */
	uint64_t base, size;
};

/* Whether the bytes begin as an ELF file does. */
int image_is_elf(const uint8_t *bytes, size_t len);
/* Segments of a RISC-V executable of `bits` (System V ABI, chapter 5). 0, or -1 with why set:
 * truncated, wrong class, byte order or machine, segments outside of `ram` or overlapping. */
int image_elf(struct image *im, const uint8_t *bytes, size_t len, unsigned bits,
	const struct image_window *ram);
/* Raw bytes at addr, or a Linux Image (Documentation/arch/riscv/boot-image-header) whose header says
 * how far from a 2 MiB boundary and how large it is. 0, or -1 with why set. */
int image_raw(struct image *im, const uint8_t *bytes, size_t len, uint64_t addr,
	const struct image_window *ram);
/* The byte behind the last one the image needs. */
uint64_t image_end(const struct image *im);
/* Whether [addr, addr + size) touches the image. */
int image_touches(const struct image *im, uint64_t addr, uint64_t size);

#endif
