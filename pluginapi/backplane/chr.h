/* SPDX-License-Identifier: MIT */
/* Byte streams: one front (a device) and one back (stdio, file, pty, socket).
 *
 * Device: a BP_LINK property of interface "bp.chr/1" gives a bp_chr *. It calls host->chr_attach in
 * create, host->chr_write to send, and host->chr_ready when it has room again after its
 * can_receive said 0.
 * Back end: a type of kind BP_KIND_CHR whose interface("bp.chr-back/1") gives struct bp_chr_back. It
 * passes what arrives with host->chr_receive, which takes at most what the front has room for, and
 * is told through ready() when more may be offered. One front at a time. */
#ifndef BACKPLANE_CHR_H
#define BACKPLANE_CHR_H
#include <backplane/base.h>
#ifdef __cplusplus
extern "C" {
#endif

enum bp_chr_event {
	BP_CHR_BREAK = 1, /* a break was received */
	BP_CHR_OPENED, /* somebody is at the other end */
	BP_CHR_CLOSED,
	BP_CHR_WRITABLE, /* a chr_write that took less than asked may be tried again */
	BP_CHR_RESIZED /* the window behind it has another size: ask host->chr_info */
};

struct bp_chr_info { /* what is at the other end */
	uint32_t size; /* set by the caller: no more than this is written */
	uint8_t opened; /* somebody is there */
	uint8_t reserved[3];
	uint16_t cols, rows; /* of a terminal's window, in characters; 0: not known */
};

struct bp_chr_front {
	uint32_t size, reserved;
	size_t (*can_receive)(void *self); /* room in bytes. [owner] */
	void (*receive)(void *self, const uint8_t *buf, size_t len); /* len <= room. [owner] */
	void (*event)(void *self, int event); /* optional. [owner] */
};

struct bp_chr_back {
	uint32_t size, reserved;
	/* Takes up to len bytes, returns how many; less than len: an event BP_CHR_WRITABLE follows. [any] */
	size_t (*write)(void *self, const void *buf, size_t len);
	void (*ready)(void *self); /* the front has room again. [any] */
	void (*send_break)(void *self, int on); /* optional. [any] */
	/* Optional; without it somebody is always there, with no window. [any] */
	void (*info)(void *self, struct bp_chr_info *info);
};

#ifdef __cplusplus
}
#endif
#endif
