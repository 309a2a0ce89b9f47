/* SPDX-License-Identifier: MIT */
/* Writing a snapshot: sections, into a file beside the wanted one that takes its name at the end. */
#include "internal.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

const uint8_t state_magic[8] = { 0x89, 'B', 'P', 'S', '\r', '\n', 0x1a, '\n' };

uint64_t state_sum(uint64_t seed, const uint8_t *bytes, size_t len)
{
	const uint64_t odd = UINT64_C(0x9e3779b97f4a7c15);
	uint64_t h = (seed ^ len) * odd;
	for (; len >= 8; len -= 8, bytes += 8) {
		uint64_t word;
		memcpy(&word, bytes, sizeof(word));
		h = (h ^ GUINT64_FROM_LE(word)) * odd;
		h ^= h >> 29;
	}
	for (; len; len--)
		h = ((h ^ *bytes++) * odd) ^ h >> 31;
	return h ^ h >> 32;
}

void progress_step(struct progress *p, uint64_t bytes)
{
	enum { MOMENT_US = 1000000, STEPS = 10 };
	int64_t now = g_get_monotonic_time();
	if (!p->began)
		p->began = now;
	p->done += bytes;
	unsigned step = p->total ? (unsigned)(p->done * STEPS / p->total) : 0;
	if (now - p->began < MOMENT_US || step <= p->said || step >= STEPS)
		return;
	p->said = step;
	g_printerr("backplane: %s: %u %%\n", p->what, step * 100 / STEPS);
}

static void write_all(struct out *o, const void *bytes, size_t len)
{
	const uint8_t *p = bytes;
	while (len && !o->error) {
		ssize_t n = write(o->fd, p, len);
		if (n < 0 && errno == EINTR)
			continue;
		if (n <= 0) {
			o->error = n < 0 ? errno : ENOSPC;
			return;
		}
		p += n;
		o->bytes += (uint64_t)n;
		len -= (size_t)n;
	}
}

int out_begin(struct out *o, const char *path, struct error_list *errors)
{
	uint8_t version[8] = { FORMAT_VERSION };
	*o = (struct out){ .path = path, .fd = -1 };
	/* Not over devices and the like: renaming would replace them. */
	if (g_file_test(path, G_FILE_TEST_EXISTS) && !g_file_test(path, G_FILE_TEST_IS_REGULAR))
		return error_list_add(
			errors, path, "this is no regular file; name another one to save to");
	o->aside = g_strdup_printf("%s.XXXXXX", path);
	o->fd = mkostemp(o->aside, O_CLOEXEC);
	if (o->fd < 0) {
		error_list_add(errors, path, "no file can be made there: %s", g_strerror(errno));
		g_free(o->aside);
		return -1;
	}
	o->section = g_byte_array_new();
	write_all(o, state_magic, sizeof(state_magic));
	write_all(o, version, sizeof(version));
	return 0;
}

static void sync_folder(const char *path)
{
	char *folder = g_path_get_dirname(path);
	int fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	/* Not every file system can; the file itself is safe already. */
	if (fd >= 0) {
		(void)!fsync(fd);
		close(fd);
	}
	g_free(folder);
}

int out_end(struct out *o, bool good, struct error_list *errors)
{
	if (good) {
		section_begin(o, SECTION_END);
		put_number(o, o->sections, 8);
		put_number(o, o->chain, 8);
		section_end(o);
	}
	if (good && !o->error && fsync(o->fd) != 0)
		o->error = errno;
	if (close(o->fd) != 0 && !o->error)
		o->error = errno;
	if (good && !o->error && rename(o->aside, o->path) != 0)
		o->error = errno;
	if (!good || o->error)
		unlink(o->aside);
	else
		sync_folder(o->path);
	if (o->error)
		error_list_add(errors, o->path,
			"the machine was not saved: %s; it goes on as it was",
			g_strerror(o->error));
	g_byte_array_free(o->section, TRUE);
	g_free(o->aside);
	return good && !o->error ? 0 : -1;
}

void section_begin(struct out *o, uint32_t kind)
{
	o->kind = kind;
	g_byte_array_set_size(o->section, 0);
	/* The header; its length comes last. */
	put_number(o, kind, 4);
	put_number(o, 0, 4);
	put_number(o, 0, 8);
}

enum { HEADER = 16 };

void section_end(struct out *o)
{
	uint64_t len = o->section->len - HEADER, le = GUINT64_TO_LE(len);
	memcpy(o->section->data + 8, &le, sizeof(le));
	uint64_t sum = state_sum(o->kind, o->section->data + HEADER, len);
	put_number(o, sum, 8);
	if (len > SECTION_MAX && !o->error)
		o->error = EFBIG;
	o->chain = state_sum(o->chain ^ o->kind, (const uint8_t *)&sum, sizeof(sum));
	o->sections++;
	write_all(o, o->section->data, o->section->len);
}

void put_number(struct out *o, uint64_t value, unsigned bytes)
{
	uint64_t le = GUINT64_TO_LE(value);
	put_bytes(o, &le, bytes);
}

void put_bytes(struct out *o, const void *bytes, size_t len)
{
	if (len)
		g_byte_array_append(o->section, bytes, (guint)len);
}

void put_text(struct out *o, const char *text)
{
	size_t len = strlen(text);
	put_number(o, len, 4);
	put_bytes(o, text, len + 1);
}

guint put_length(struct out *o)
{
	put_number(o, 0, 4);
	return o->section->len;
}

void put_length_end(struct out *o, guint where)
{
	uint32_t le = GUINT32_TO_LE(o->section->len - where);
	memcpy(o->section->data + where - sizeof(le), &le, sizeof(le));
}
