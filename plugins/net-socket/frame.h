/* SPDX-License-Identifier: MIT */
/* Frames in a byte stream: each behind its length, four bytes, the highest first. QEMU's socket
 * networks do the same, so that both can talk. */
#ifndef NET_SOCKET_FRAME_H
#define NET_SOCKET_FRAME_H
#include <backplane/net.h>

enum { FRAME_HEAD = 4, FRAMER_ROOM = 2 * (FRAME_HEAD + BP_NET_FRAME_MAX) };

struct framer { /* what has arrived and is not yet taken */
	uint32_t at, end; /* in bytes */
	uint8_t bytes[FRAMER_ROOM];
};

void frame_head(uint8_t head[FRAME_HEAD], uint32_t len);
/* Where the next bytes go, and how many at most; there is always room for some once all whole frames
 * were taken. */
uint8_t *framer_room(struct framer *f, size_t *room);
/* The next frame: 1 and where it is, 0: it is not whole yet, -1: its length (*len) is none that a frame
 * can have. framer_next steps over it. */
int framer_look(const struct framer *f, const uint8_t **frame, uint32_t *len);
void framer_next(struct framer *f);

#endif
