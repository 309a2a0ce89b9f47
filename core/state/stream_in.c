/* SPDX-License-Identifier: MIT */
/* Reading a snapshot. Nothing in it is believed: a length only says how much to try to read. */
#include "internal.h"
#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <unistd.h>

enum { STEP = 1 << 20, HEADER = 16, SUM = 8 };

void in_begin(struct in *i, int fd, const char *path, struct error_list *errors)
{
	*i = (struct in){ .path = path, .errors = errors, .fd = fd };
}

void in_end(struct in *i)
{
	g_free(i->bytes);
	i->bytes = NULL;
}

/* As many bytes, behind what is in the buffer. -1 after an error. */
static int read_more(struct in *i, uint64_t want)
{
	while (want) {
		size_t part = want < STEP ? (size_t)want : STEP;
		if (i->room - i->length < part) {
			i->room = MAX(i->room * 2, i->length + part);
			i->bytes = g_realloc(i->bytes, i->room);
		}
		ssize_t n = read(i->fd, i->bytes + i->length, part);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return error_list_add(
				i->errors, i->path, "it cannot be read: %s", g_strerror(errno));
		if (n == 0)
			return error_list_add(i->errors, i->path,
				"the snapshot ends at byte %" PRIu64
				", before its end mark; it was cut off",
				i->at_byte + i->length);
		i->length += (size_t)n;
		want -= (uint64_t)n;
	}
	return 0;
}

static void start(struct in *i)
{
	i->at_byte += i->length;
	i->length = i->end = i->at = 0;
	i->bad = false;
}

int in_rewind(struct in *i)
{
	i->at_byte = i->chain = i->sections = 0;
	i->length = 0;
	if (lseek(i->fd, 0, SEEK_SET) != 0)
		return error_list_add(
			i->errors, i->path, "it cannot be read: %s", g_strerror(errno));
	start(i);
	uint8_t magic[sizeof(state_magic) + 8] = { 0 };
	ssize_t n = read(i->fd, magic, sizeof(magic));
	if (n != (ssize_t)sizeof(magic) || memcmp(magic, state_magic, sizeof(state_magic)) != 0)
		return error_list_add(i->errors, i->path, "this is no snapshot of Backplane's");
	i->at_byte = sizeof(magic);
	if (magic[8] != FORMAT_VERSION || magic[9] || magic[10] || magic[11])
		return error_list_add(i->errors, i->path,
			"the snapshot has format %u; this version reads format %d",
			magic[8] | (unsigned)magic[9] << 8, FORMAT_VERSION);
	if (magic[12] || magic[13] || magic[14] || magic[15])
		return error_list_add(i->errors, i->path,
			"the snapshot is damaged: its first 16 bytes do not end with zeros");
	return 0;
}

static int damaged(struct in *i, const char *why)
{
	return error_list_add(i->errors, i->path,
		"the snapshot is damaged: %s (the section at byte %" PRIu64 ")", why, i->at_byte);
}

static int at_end(struct in *i)
{
	uint64_t sections = take_number(i, 8), chain = take_number(i, 8);
	uint8_t more;
	if (!in_consumed(i))
		return -1;
	if (!i->trusting && (sections != i->sections || chain != i->chain))
		return damaged(i, "the checksum over all of it is another one");
	if (read(i->fd, &more, 1) != 0)
		return damaged(i, "something follows its end");
	return 0;
}

int in_next(struct in *i)
{
	start(i);
	if (read_more(i, HEADER) != 0)
		return -1;
	i->end = HEADER;
	i->kind = (uint32_t)take_number(i, 4);
	uint64_t zero = take_number(i, 4), len = take_number(i, 8);
	if (zero || len > SECTION_MAX)
		return damaged(i, "a section says it is larger than any can be");
	if (read_more(i, len + SUM) != 0)
		return -1;
	uint64_t sum;
	memcpy(&sum, i->bytes + HEADER + len, sizeof(sum));
	sum = GUINT64_FROM_LE(sum);
	if (!i->trusting && sum != state_sum(i->kind, i->bytes + HEADER, len))
		return damaged(i, "a checksum is another one");
	i->end = HEADER + len;
	int r = i->kind == SECTION_END ? at_end(i) : 1;
	i->chain = state_sum(i->chain ^ i->kind, i->bytes + HEADER + len, SUM);
	i->sections++;
	return r;
}

uint64_t take_number(struct in *i, unsigned bytes)
{
	const uint8_t *p = take_bytes(i, bytes);
	uint64_t v = 0;
	while (p && bytes--)
		v = v << 8 | p[bytes];
	return v;
}

const uint8_t *take_bytes(struct in *i, size_t len)
{
	if (len > i->end - i->at) {
		i->bad = true;
		i->at = i->end;
		return NULL;
	}
	i->at += len;
	return i->bytes + i->at - len;
}

const char *take_text(struct in *i)
{
	uint64_t len = take_number(i, 4);
	const char *text = (const char *)take_bytes(i, len + 1);
	if (text && (text[len] || strlen(text) != len))
		i->bad = true;
	return text && !i->bad ? text : "";
}

bool in_consumed(struct in *i)
{
	if (!i->bad && i->at == i->end)
		return true;
	damaged(i,
		i->bad ? "a section is shorter than what it holds"
		       : "a section is longer than what it holds");
	return false;
}
