/* SPDX-License-Identifier: MIT */
#include "frame.h"
#include <string.h>

void frame_head(uint8_t head[FRAME_HEAD], uint32_t len)
{
	for (int i = 0; i < FRAME_HEAD; i++)
		head[i] = (uint8_t)(len >> 8 * (FRAME_HEAD - 1 - i));
}

uint8_t *framer_room(struct framer *f, size_t *room)
{
	if (f->at) {
		memmove(f->bytes, f->bytes + f->at, f->end - f->at);
		f->end -= f->at;
		f->at = 0;
	}
	*room = FRAMER_ROOM - f->end;
	return f->bytes + f->end;
}

int framer_look(const struct framer *f, const uint8_t **frame, uint32_t *len)
{
	const uint8_t *p = f->bytes + f->at;
	uint32_t have = f->end - f->at;
	if (have < FRAME_HEAD)
		return 0;
	*len = (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
	if (*len < BP_NET_FRAME_MIN || *len > BP_NET_FRAME_MAX)
		return -1;
	*frame = p + FRAME_HEAD;
	return have - FRAME_HEAD >= *len;
}

void framer_next(struct framer *f)
{
	const uint8_t *frame;
	uint32_t len;
	if (framer_look(f, &frame, &len) == 1)
		f->at += FRAME_HEAD + len;
}
