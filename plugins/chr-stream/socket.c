/* SPDX-License-Identifier: MIT */
/* A unix or TCP socket, listening (the default: one peer at a time, others may come after it) or
 * connecting. */
#include "stream.h"
#include "types.h"
#include <errno.h>
#include <netdb.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

struct sock {
	struct stream stream; /* first: see watched() in stream.c */
	const char *path, *address;
	uint8_t connect, wait;
	uint8_t bound;
	int listener;
	bp_watch *accepting;
};

static void peer_gone(void *self)
{
	struct sock *s = self;
	stream_open(&s->stream, -1);
	s->stream.host->chr_event(s, BP_CHR_CLOSED);
	s->stream.host->watch_set(s->accepting, 1);
}

static void incoming(void *self, int fd, unsigned events)
{
	struct sock *s = self;
	(void)events;
	int peer = accept4(fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
	if (peer < 0)
		return;
	s->stream.host->watch_set(s->accepting, 0);
	stream_open(&s->stream, peer);
	s->stream.host->chr_event(s, BP_CHR_OPENED);
}

static size_t sock_write(void *self, const void *buf, size_t len)
{
	return stream_write(&((struct sock *)self)->stream, buf, len);
}

static void sock_ready(void *self)
{
	stream_ready(&((struct sock *)self)->stream);
}

static void sock_info(void *self, struct bp_chr_info *info)
{
	info->opened = stream_is_open(&((struct sock *)self)->stream);
}

static const struct bp_chr_back back = {
	.size = sizeof(back),
	.write = sock_write,
	.ready = sock_ready,
	.info = sock_info,
};

static int use(struct sock *s, int fd, const struct sockaddr *to, socklen_t len)
{
	int one = 1;
	if (s->connect)
		return connect(fd, to, len);
	setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	return bind(fd, to, len) || listen(fd, 1) ? -1 : 0;
}

static int open_unix(struct sock *s, const struct bp_host *host, bp_error *err)
{
	struct sockaddr_un a = { .sun_family = AF_UNIX };
	struct stat st;
	if (strlen(s->path) >= sizeof(a.sun_path))
		return host->fail(err, "path \"%s\" is longer than the %zu bytes a socket takes",
			s->path, sizeof(a.sun_path) - 1);
	memcpy(a.sun_path, s->path, strlen(s->path));
	/* A socket that nobody serves any more may be replaced; anything else stays. */
	if (!s->connect && lstat(s->path, &st) == 0 && S_ISSOCK(st.st_mode))
		unlink(s->path);
	int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (fd < 0 || use(s, fd, (struct sockaddr *)&a, sizeof(a)) != 0) {
		int why = errno;
		if (fd >= 0)
			close(fd);
		return host->fail(err, "path \"%s\": %s", s->path, strerror(why));
	}
	s->bound = !s->connect;
	return fd;
}

static int open_tcp(struct sock *s, const struct bp_host *host, bp_error *err)
{
	char name[256];
	const char *colon = strrchr(s->address, ':');
	struct addrinfo want = { .ai_socktype = SOCK_STREAM,
		.ai_flags = s->connect ? 0 : AI_PASSIVE },
			*list;
	if (!colon || !colon[1] || (size_t)(colon - s->address) >= sizeof(name))
		return host->fail(err, "address \"%s\" is not HOST:PORT", s->address);
	snprintf(name, sizeof(name), "%.*s", (int)(colon - s->address), s->address);
	/* [::1]:5000 */
	char *host_name = name;
	size_t n = strlen(name);
	if (n > 1 && name[0] == '[' && name[n - 1] == ']') {
		name[n - 1] = 0;
		host_name++;
	}
	/* Nobody asked for the whole world to get at the machine's console. */
	int r = getaddrinfo(*host_name ? host_name : "localhost", colon + 1, &want, &list);
	if (r)
		return host->fail(err, "address \"%s\": %s", s->address, gai_strerror(r));
	int fd = -1, why = 0;
	for (struct addrinfo *a = list; a && fd < 0; a = a->ai_next) {
		fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
		if (fd >= 0 && use(s, fd, a->ai_addr, a->ai_addrlen) != 0) {
			why = errno;
			close(fd);
			fd = -1;
		}
	}
	freeaddrinfo(list);
	if (fd < 0)
		return host->fail(err, "address \"%s\": %s", s->address, strerror(why));
	return fd;
}

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct sock *s = self;
	s->listener = -1;
	if (!s->path == !s->address)
		return host->fail(err, "give either path (unix) or address (HOST:PORT), not both");
	int fd = s->path ? open_unix(s, host, err) : open_tcp(s, host, err);
	if (fd < 0)
		return -1;
	stream_init(&s->stream, host, s, peer_gone);
	if (s->connect) {
		stream_nonblocking(fd);
		stream_open(&s->stream, fd);
		return 0;
	}
	s->listener = fd;
	if (s->wait) {
		struct pollfd p = { .fd = fd, .events = POLLIN };
		host->log(s, BP_LOG_INFO, "waiting for somebody to connect");
		while (poll(&p, 1, -1) < 0 && errno == EINTR)
			;
	}
	stream_nonblocking(fd);
	s->accepting = host->watch_new(s, fd, 1, incoming);
	return 0;
}

static void destroy(void *self)
{
	struct sock *s = self;
	if (!s->stream.host)
		return;
	if (s->accepting)
		s->stream.host->watch_free(s->accepting);
	if (s->listener >= 0)
		close(s->listener);
	if (s->bound)
		unlink(s->path);
	stream_finish(&s->stream);
}

static const void *interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.chr-back/1") ? NULL : &back;
}

#define FIELD(m) (uint32_t) offsetof(struct sock, m)
/* The first string of a table is what --serial WORD:ARGUMENT gives. */
static const struct bp_field props[] = {
	{ "path", "a unix socket", FIELD(path), BP_STR },
	{ "address", "HOST:PORT of a TCP socket; no host means localhost", FIELD(address), BP_STR },
	{ "connect", "connect instead of listening", FIELD(connect), BP_BOOL },
	{ "wait", "do not start before somebody has connected", FIELD(wait), BP_BOOL },
	{ 0 },
};
static const struct bp_field unix_props[] = {
	{ "path", "a unix socket", FIELD(path), BP_STR, .flags = BP_F_REQUIRED },
	{ "connect", "connect instead of listening", FIELD(connect), BP_BOOL },
	{ "wait", "do not start before somebody has connected", FIELD(wait), BP_BOOL },
	{ 0 },
};
static const struct bp_field tcp_props[] = {
	{ "address", "HOST:PORT of a TCP socket; no host means localhost", FIELD(address), BP_STR,
		.flags = BP_F_REQUIRED },
	{ "connect", "connect instead of listening", FIELD(connect), BP_BOOL },
	{ "wait", "do not start before somebody has connected", FIELD(wait), BP_BOOL },
	{ 0 },
};

const struct bp_object chr_socket = {
	.size = sizeof(chr_socket),
	.instance_size = sizeof(struct sock),
	.threads = BP_PARALLEL,
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.create = create,
	.destroy = destroy,
	.interface = interface,
};

const struct bp_object chr_unix = {
	.size = sizeof(chr_unix),
	.instance_size = sizeof(struct sock),
	.threads = BP_PARALLEL,
	.state_version = 1,
	.state_oldest = 1,
	.props = unix_props,
	.create = create,
	.destroy = destroy,
	.interface = interface,
};

const struct bp_object chr_tcp = {
	.size = sizeof(chr_tcp),
	.instance_size = sizeof(struct sock),
	.threads = BP_PARALLEL,
	.state_version = 1,
	.state_oldest = 1,
	.props = tcp_props,
	.create = create,
	.destroy = destroy,
	.interface = interface,
};
