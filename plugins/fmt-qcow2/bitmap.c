/* SPDX-License-Identifier: MIT */
/* Bitmaps of dirty clusters (spec, "Bitmaps extension"). They are not kept up to date: those that
 * follow every write are marked as in use before the first one, which is how the specification says
 * that they are not to be believed; the others stay as true as they were. */
#include "image.h"

enum { ENTRY = 24, FLAGS_AT = 12, NAME_AT = 18, EXTRA_AT = 20, DIR_MAX = 64 << 20 };
enum { IN_USE = 1, AUTO = 2 };

/* The directory, checked in its bounds; NULL if it is damaged. */
static uint8_t *read_directory(struct image *i)
{
	uint64_t bytes = i->bitmap_dir_size, end;
	if (bytes > DIR_MAX || i->bitmap_dir_offset % i->cluster_size || !i->bitmap_dir_offset ||
		i->layer->bytes(i->file, &end) != 0 || i->bitmap_dir_offset > end ||
		bytes > end - i->bitmap_dir_offset)
		return NULL;
	uint8_t *dir = g_try_malloc0(bytes + ENTRY);
	if (dir && image_pread(i, i->file, i->bitmap_dir_offset, dir, bytes) == 0)
		return dir;
	g_free(dir);
	return NULL;
}

int bitmaps_prepare(struct image *i)
{
	uint8_t *dir = read_directory(i);
	uint64_t at = 0;
	bool changed = false;
	uint32_t n = 0;
	for (; dir && n < i->bitmaps && at + ENTRY <= i->bitmap_dir_size; n++) {
		uint32_t flags = get32(dir + at + FLAGS_AT);
		uint32_t name = (uint32_t)dir[at + NAME_AT] << 8 | dir[at + NAME_AT + 1];
		if (flags & AUTO && !(flags & IN_USE)) {
			put32(dir + at + FLAGS_AT, flags | IN_USE);
			changed = true;
		}
		at += round_up(ENTRY + (uint64_t)name + get32(dir + at + EXTRA_AT), 8);
	}
	int r = dir && n == i->bitmaps && at <= i->bitmap_dir_size ? 0 : -EINVAL;
	if (!r && changed)
		r = image_pwrite(i, i->bitmap_dir_offset, dir, i->bitmap_dir_size);
	g_free(dir);
	return r || !changed ? r : image_sync(i);
}
