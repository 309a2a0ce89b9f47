/* SPDX-License-Identifier: MIT */
/* A non-blocking descriptor as a byte stream: what the pty and the socket share.
 *
 * Bytes that arrive wait in `in` until the device has room; while some wait, nothing more is read, so
 * that the other end feels it. Writes that the descriptor does not take stay with the device. */
#ifndef CHR_STREAM_STREAM_H
#define CHR_STREAM_STREAM_H
#include <backplane/chr.h>
#include <backplane/plugin.h>
#include <pthread.h>

struct stream {
	const struct bp_host *host;
	void *self; /* the object that it is part of */
	void (*hung_up)(void *self); /* the other end went away. Inside the object's domain */
	pthread_mutex_t lock;
	int fd; /* -1: nobody there, bytes are dropped */
	bp_watch *watch;
	uint8_t stalled; /* a write was cut short: tell when there is room */
	uint8_t hung; /* hung up, not yet told */
	size_t in_at, in_len;
	uint8_t in[4096];
};

void stream_init(
	struct stream *s, const struct bp_host *host, void *self, void (*hung_up)(void *self));
void stream_finish(struct stream *s);
/* Take over a non-blocking descriptor, or drop the one there is (-1). */
void stream_open(struct stream *s, int fd);
void stream_nonblocking(int fd);
size_t stream_write(struct stream *s, const void *buf, size_t len); /* [any] */
void stream_ready(struct stream *s); /* [any] */
int stream_is_open(struct stream *s); /* [any] */

#endif
