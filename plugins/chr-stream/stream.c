/* SPDX-License-Identifier: MIT */
#include "stream.h"
#include <errno.h>
#include <fcntl.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READABLE = 1, WRITABLE = 2 };

static void rearm(struct stream *s)
{
	if (s->watch)
		s->host->watch_set(
			s->watch, (s->in_len ? 0u : READABLE) | (s->stalled ? WRITABLE : 0u));
}

void stream_init(
	struct stream *s, const struct bp_host *host, void *self, void (*hung_up)(void *self))
{
	s->host = host;
	s->self = self;
	s->hung_up = hung_up;
	s->fd = -1;
	pthread_mutex_init(&s->lock, NULL);
}

void stream_finish(struct stream *s)
{
	if (!s->host)
		return;
	stream_open(s, -1);
	pthread_mutex_destroy(&s->lock);
	s->host = NULL;
}

/* Offer what waits to the device. Main loop only. */
static void deliver(struct stream *s)
{
	while (s->in_len) {
		size_t n = s->host->chr_receive(s->self, s->in + s->in_at, s->in_len);
		if (!n)
			return;
		s->in_at += n;
		s->in_len -= n;
	}
}

static void on_ready(struct stream *s, unsigned events)
{
	if (events & WRITABLE) {
		pthread_mutex_lock(&s->lock);
		s->stalled = 0;
		pthread_mutex_unlock(&s->lock);
		s->host->chr_event(s->self, BP_CHR_WRITABLE);
	}
	if (events & READABLE && !s->in_len) {
		ssize_t n = read(s->fd, s->in, sizeof(s->in));
		if (n > 0) {
			s->in_at = 0;
			s->in_len = (size_t)n;
		} else if (n == 0 || (errno != EAGAIN && errno != EINTR)) {
			s->hung_up(s->self);
			return;
		}
	}
	deliver(s);
	pthread_mutex_lock(&s->lock);
	rearm(s);
	pthread_mutex_unlock(&s->lock);
}

static void watched(void *self, int fd, unsigned events)
{
	/* The stream is the first member of its object. */
	(void)fd;
	on_ready(self, events);
}

void stream_open(struct stream *s, int fd)
{
	pthread_mutex_lock(&s->lock);
	if (s->fd >= 0) {
		s->host->watch_free(s->watch);
		close(s->fd);
	}
	s->fd = fd;
	s->watch = fd < 0 ? NULL : s->host->watch_new(s->self, fd, READABLE, watched);
	s->stalled = 0;
	s->in_len = 0;
	pthread_mutex_unlock(&s->lock);
}

size_t stream_write(struct stream *s, const void *buf, size_t len)
{
	const uint8_t *p = buf;
	size_t done = 0;
	pthread_mutex_lock(&s->lock);
	while (s->fd >= 0 && done < len) {
		ssize_t n = send(s->fd, p + done, len - done, MSG_NOSIGNAL);
		if (n < 0 && errno == ENOTSOCK)
			n = write(s->fd, p + done, len - done);
		if (n >= 0) {
			done += (size_t)n;
		} else if (errno == EAGAIN) {
			s->stalled = 1;
			rearm(s);
			break;
		} else if (errno != EINTR) {
			done = len; /* the reader will notice that nobody is there */
		}
	}
	if (s->fd < 0)
		done = len;
	pthread_mutex_unlock(&s->lock);
	return done;
}

int stream_is_open(struct stream *s)
{
	pthread_mutex_lock(&s->lock);
	int open = s->fd >= 0;
	pthread_mutex_unlock(&s->lock);
	return open;
}

static void deliver_later(void *self, uint64_t arg)
{
	struct stream *s = self;
	(void)arg;
	deliver(s);
	pthread_mutex_lock(&s->lock);
	rearm(s);
	pthread_mutex_unlock(&s->lock);
}

void stream_ready(struct stream *s)
{
	if (s->in_len)
		s->host->post(s->self, deliver_later, 0);
}

void stream_nonblocking(int fd)
{
	int flags = fcntl(fd, F_GETFL);
	if (flags >= 0)
		fcntl(fd, F_SETFL, flags | O_NONBLOCK);
}
