/* SPDX-License-Identifier: MIT */
/* A log of what happened, in one order: below the format (blk-log.c) and above it (crash.c). Each
 * record is appended by one call; RECORD_WRITE and RECORD_G_WRITE begin, the next line ends. */
#ifndef TESTS_BLOCK_RECORD_H
#define TESTS_BLOCK_RECORD_H
#include <stdint.h>

enum record_kind {
	RECORD_WRITE = 1, /* followed by len bytes */
	RECORD_ZERO,
	RECORD_WRITTEN, /* of either, by id */
	RECORD_FLUSH,
	RECORD_FLUSHED,
	RECORD_RESIZE, /* to len */
	RECORD_G_WRITE, /* the guest: its data follows from id */
	RECORD_G_ZERO,
	RECORD_G_DISCARD,
	RECORD_G_DONE, /* of the three, by id */
	RECORD_G_FLUSH,
	RECORD_G_FLUSHED /* by the id of RECORD_G_FLUSH */
};

struct record {
	uint32_t kind, failed; /* RECORD_G_DONE, _FLUSHED: it was answered with an error */
	uint64_t id, offset, len;
};

#endif
