/* SPDX-License-Identifier: MIT */
/* A unix or TCP socket to one other program. One side listens, one connects, in whatever order they
 * start; when the other one goes the link is down until it, or another one, is there again. */
#include "frame.h"
#include "socket.h"
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

enum { IOV_MOST = 64 };

struct stream {
	struct port port; /* first */
	const char *path, *address;
	uint8_t connect, bound, connecting;
	uint32_t reconnect; /* seconds */
	int fd, listener;
	bp_watch *accepting;
	bp_timer *retry;
	union address to;
	socklen_t to_len;
	struct framer in;
	/* The rest of a frame that the socket took a part of. */
	uint32_t out_at, out_len;
	uint8_t out[FRAME_HEAD + BP_NET_FRAME_MAX];
};

static void peer_ready(void *self, int fd, unsigned events);

static void open_peer(struct stream *s, int fd)
{
	int one = 1;
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)); /* no matter if it is unix */
	s->fd = fd;
	s->in.at = s->in.end = 0;
	s->out_at = s->out_len = 0;
	s->port.front_full = 0;
	s->port.reading = 1;
	s->port.writing = 0;
	s->port.watch = s->port.host->watch_new(s, fd, READABLE, peer_ready);
	port_link(&s->port, 1);
}

static void close_peer(struct stream *s)
{
	s->port.host->watch_free(s->port.watch);
	s->port.watch = NULL;
	close(s->fd);
	s->fd = -1;
}

static void try_later(struct stream *s)
{
	s->port.host->timer_at(
		s->retry, s->port.host->now(s, BP_CLOCK_HOST) + (int64_t)s->reconnect * 1000000000);
}

static void peer_gone(struct stream *s)
{
	close_peer(s);
	s->in.at = s->in.end = s->out_len = 0;
	port_link(&s->port, 0);
	port_ready(&s->port); /* what waits is lost */
	if (s->connect)
		try_later(s);
	else
		s->port.host->watch_set(s->accepting, READABLE);
}

/* ---- from the peer ---- */

static void deliver(struct stream *s)
{
	const uint8_t *frame, *after;
	uint32_t len, after_len;
	int r = 0;
	while (s->fd >= 0 && !s->port.front_full && (r = framer_look(&s->in, &frame, &len)) == 1) {
		struct framer *f = &s->in;
		uint32_t was = f->at;
		framer_next(f);
		int more = framer_look(f, &after, &after_len) == 1;
		if (!port_give(&s->port, frame, len, more))
			f->at = was; /* it stays */
	}
	if (r < 0 && s->fd >= 0) {
		s->port.host->log(s, BP_LOG_WARN,
			"the other side sent a frame of %u bytes, which is none; %d to %d are "
			"possible: disconnected",
			len, BP_NET_FRAME_MIN, BP_NET_FRAME_MAX);
		peer_gone(s);
	}
}

static void fetch(struct stream *s)
{
	size_t room;
	uint8_t *to = framer_room(&s->in, &room);
	if (!room)
		return;
	ssize_t n = recv(s->fd, to, room, 0);
	if (n > 0)
		s->in.end += (uint32_t)n;
	else if (n == 0 || (errno != EAGAIN && errno != EINTR))
		peer_gone(s);
}

/* ---- to the peer ---- */

static void send_rest(struct stream *s)
{
	ssize_t n = send(s->fd, s->out + s->out_at, s->out_len, MSG_NOSIGNAL);
	if (n > 0) {
		s->out_at += (uint32_t)n;
		s->out_len -= (uint32_t)n;
	} else if (n < 0 && errno != EAGAIN && errno != EINTR) {
		s->out_len = 0; /* the reader will notice that nobody is there */
	}
}

static void peer_ready(void *self, int fd, unsigned events)
{
	struct stream *s = self;
	(void)fd;
	if (events & WRITABLE) {
		if (s->out_len)
			send_rest(s);
		if (!s->out_len)
			port_ready(&s->port);
	}
	if (s->fd >= 0 && events & READABLE && !s->port.front_full) {
		fetch(s);
		deliver(s);
	}
	port_rearm(&s->port, s->out_len || s->port.stalled);
}

/* What of the head and the pieces the socket did not take. */
static void keep_rest(struct stream *s, const struct iovec *v, unsigned count, size_t gone)
{
	s->out_at = s->out_len = 0;
	for (unsigned i = 0; i < count; i++) {
		size_t skip = gone < v[i].iov_len ? gone : v[i].iov_len;
		gone -= skip;
		memcpy(s->out + s->out_len, (const uint8_t *)v[i].iov_base + skip,
			v[i].iov_len - skip);
		s->out_len += (uint32_t)(v[i].iov_len - skip);
	}
}

static int stream_send(void *port, const struct bp_net_packet *p)
{
	struct stream *s = port;
	uint8_t head[FRAME_HEAD];
	struct iovec v[1 + IOV_MOST] = { { head, FRAME_HEAD } };
	if (s->fd < 0 || !s->port.up || p->bytes < BP_NET_FRAME_MIN ||
		p->bytes > BP_NET_FRAME_MAX || p->iov_count > IOV_MOST)
		return BP_NET_TAKEN;
	frame_head(head, (uint32_t)p->bytes);
	for (uint32_t i = 0; i < p->iov_count; i++)
		v[i + 1] = (struct iovec){ (void *)(uintptr_t)p->iov[i].base, p->iov[i].len };
	const struct msghdr m = { .msg_iov = v, .msg_iovlen = p->iov_count + 1 };
	ssize_t n = s->out_len ? -1 : sendmsg(s->fd, &m, MSG_NOSIGNAL);
	int full = n < 0 && (s->out_len || errno == EAGAIN || errno == EINTR);
	if (n >= 0) {
		if ((size_t)n < FRAME_HEAD + p->bytes)
			keep_rest(s, v, p->iov_count + 1, (size_t)n);
	}
	s->port.stalled = s->port.stalled || full;
	port_rearm(&s->port, s->out_len || s->port.stalled);
	return full ? BP_NET_FULL : BP_NET_TAKEN;
}

static void deliver_later(void *self, uint64_t arg)
{
	struct stream *s = self;
	(void)arg;
	deliver(s);
	port_rearm(&s->port, s->out_len || s->port.stalled);
}

static void stream_room(void *port)
{
	struct stream *s = port;
	s->port.front_full = 0;
	s->port.host->post(s, deliver_later, 0);
}

static const struct bp_net net = {
	.size = sizeof(net),
	.attach = port_attach,
	.detach = port_detach,
	.info = port_info,
	.send = stream_send,
	.ready = stream_room,
	.offload = port_offload,
};

/* ---- getting together ---- */

static void incoming(void *self, int fd, unsigned events)
{
	struct stream *s = self;
	(void)events;
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (peer < 0)
		return;
	s->port.host->watch_set(s->accepting, 0);
	open_peer(s, peer);
}

/* A connection came about, or did not. */
static void connected(void *self, int fd, unsigned events)
{
	struct stream *s = self;
	int fault = 0;
	socklen_t len = sizeof(fault);
	(void)events;
	getsockopt(fd, SOL_SOCKET, SO_ERROR, &fault, &len);
	s->port.host->watch_free(s->port.watch);
	s->port.watch = NULL;
	s->fd = -1;
	if (!fault) {
		open_peer(s, fd);
		return;
	}
	close(fd);
	try_later(s);
}

static void try_now(void *self, uint64_t arg)
{
	struct stream *s = self;
	(void)arg;
	int fd = socket(s->to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	int r = fd < 0 ? -1 : connect(fd, &s->to.any, s->to_len);
	if (!r) {
		open_peer(s, fd);
	} else if (fd >= 0 && errno == EINPROGRESS) {
		s->fd = fd;
		s->port.watch = s->port.host->watch_new(s, fd, WRITABLE, connected);
	} else {
		if (fd >= 0)
			close(fd);
		try_later(s);
	}
}

static int listen_here(struct stream *s, bp_error *err)
{
	const char *name = s->path ? s->path : s->address;
	struct stat st;
	int one = 1;
	/* A socket that nobody serves any more may be replaced; anything else stays. */
	if (s->path && lstat(s->path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(s->path);
	s->listener = socket(s->to.any.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (s->listener >= 0)
		setsockopt(s->listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (s->listener < 0 || bind(s->listener, &s->to.any, s->to_len) || listen(s->listener, 1))
		return s->port.host->fail(err, "\"%s\": %s", name, strerror(errno));
	s->bound = s->path != NULL;
	s->accepting = s->port.host->watch_new(s, s->listener, READABLE, incoming);
	return 0;
}

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct stream *s = self;
	s->port.host = host;
	s->fd = s->listener = -1;
	s->retry = host->timer_new(s, BP_CLOCK_HOST, try_now, 0);
	if (s->path) {
		if (strlen(s->path) >= sizeof(s->to.local.sun_path))
			return host->fail(err,
				"path \"%s\" is longer than the %zu bytes a socket takes", s->path,
				sizeof(s->to.local.sun_path) - 1);
		s->to.local.sun_family = AF_UNIX;
		memcpy(s->to.local.sun_path, s->path, strlen(s->path));
		s->to_len = sizeof(s->to.local);
	} else if (!s->address) {
		return host->fail(err, "where to? path or address is not given");
	} else if (port_address(
			   host, "address", s->address, SOCK_STREAM, &s->to, &s->to_len, err)) {
		return -1;
	}
	if (!s->connect)
		return listen_here(s, err);
	try_now(s, 0);
	return 0;
}

static void destroy(void *self)
{
	struct stream *s = self;
	if (!s->port.host)
		return;
	if (s->fd >= 0)
		close_peer(s);
	if (s->accepting)
		s->port.host->watch_free(s->accepting);
	if (s->listener >= 0)
		close(s->listener);
	if (s->bound)
		unlink(s->path);
}

static const void *interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.net/1") ? NULL : &net;
}

#define PROP(m, name, text, t) BP_PROP(struct stream, m, t, name), .help = (text)
#define SHARED                                                                                     \
	{ PROP(connect, "connect", "connect instead of listening", BP_BOOL) },                     \
	{                                                                                          \
		PROP(reconnect, "reconnect", "seconds between two attempts to connect", BP_U32),   \
			.flags = BP_F_RANGE, .def = 1, .min = 1, .max = 3600                       \
	}
/* The first string of a table is what --net WORD:ARGUMENT gives. */
static const struct bp_field unix_props[] = {
	{ PROP(path, "path", "the socket", BP_STR), .flags = BP_F_REQUIRED },
	SHARED,
	{ 0 },
};
static const struct bp_field tcp_props[] = {
	{ PROP(address, "address", "HOST:PORT; no host means the loopback", BP_STR),
		.flags = BP_F_REQUIRED },
	SHARED,
	{ 0 },
};

const struct bp_object net_unix = {
	.size = sizeof(net_unix),
	.instance_size = sizeof(struct stream),
	.state_version = 1,
	.state_oldest = 1,
	.props = unix_props,
	.create = create,
	.destroy = destroy,
	.interface = interface,
};

const struct bp_object net_tcp = {
	.size = sizeof(net_tcp),
	.instance_size = sizeof(struct stream),
	.state_version = 1,
	.state_oldest = 1,
	.props = tcp_props,
	.create = create,
	.destroy = destroy,
	.interface = interface,
};
