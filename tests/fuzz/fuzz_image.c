/* SPDX-License-Identifier: MIT */
/* Any file is an image whose segments lie in the file, in memory and beside each other, or it is
 * refused with a sentence. The first byte chooses how it is read. */
#include "fuzz.h"
#include "plugins/board-riscv-virt/image.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const struct image_window ram = { 0x80000000, 0x8000000 };

static void broken(const char *why)
{
	fprintf(stderr, "%s\n", why);
	abort();
}

static int inside(const struct image_segment *s, size_t len)
{
	return s->bytes <= len && s->offset <= len - s->bytes && s->bytes <= s->size &&
		s->addr >= ram.base && s->size <= ram.size &&
		s->addr - ram.base <= ram.size - s->size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static struct image im;
	if (!size)
		return 0;
	const uint8_t *file = data + 1;
	size_t len = size - 1;
	int r = data[0] & 2 ? image_raw(&im, file, len, 0x80200000, &ram)
			    : image_elf(&im, file, len, data[0] & 1 ? 32 : 64, &ram);
	if (r != 0) {
		if (!im.why[0] || !memchr(im.why, 0, sizeof(im.why)))
			broken("Refused without a sentence.");
		return 0;
	}
	if (!im.count || im.count > IMAGE_SEGMENTS || !image_touches(&im, im.entry, 1))
		broken("An image without contents or with its entry elsewhere.");
	for (unsigned i = 0; i < im.count; i++) {
		const struct image_segment *s = &im.segment[i];
		if (!inside(s, len))
			broken("A segment lies outside of the file or of the memory.");
		for (unsigned k = 0; k < i; k++) {
			const struct image_segment *t = &im.segment[k];
			if (s->addr < t->addr + t->size && t->addr < s->addr + s->size)
				broken("Two segments overlap.");
		}
	}
	return 0;
}
