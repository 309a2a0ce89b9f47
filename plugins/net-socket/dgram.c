/* SPDX-License-Identifier: MIT */
/* A frame in each UDP datagram: between two programs, or among all who listen to a multicast group. */
#include "socket.h"
#include <arpa/inet.h>
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

enum { IOV_MOST = 64, BURST = 64 };

struct dgram {
	struct port port; /* first */
	const char *local, *remote; /* of a pair */
	const char *group, *interface; /* of a multicast group */
	int in, out; /* one and the same for a pair */
	bp_watch *out_watch; /* of a group, whose `out` is another descriptor */
	union address own, to; /* own: where what we send comes from */
	socklen_t to_len;
	uint32_t held; /* bytes of a frame that the front has no room for */
	uint8_t bytes[BP_NET_FRAME_MAX];
};

static void rearm(struct dgram *d)
{
	port_rearm(&d->port, d->in == d->out && d->port.stalled);
	if (d->out_watch)
		d->port.host->watch_set(d->out_watch, d->port.stalled ? WRITABLE : 0);
}

static int our_own(const struct dgram *d, const union address *from)
{
	return d->group && from->any.sa_family == AF_INET &&
		from->v4.sin_addr.s_addr == d->own.v4.sin_addr.s_addr &&
		from->v4.sin_port == d->own.v4.sin_port;
}

static void lose(struct dgram *d, const char *why)
{
	if (!d->port.lost++)
		d->port.host->log(d, BP_LOG_WARN, "frames are lost: %s", why);
}

static void fetch(struct dgram *d)
{
	for (int i = 0; i < BURST && !d->port.front_full; i++) {
		union address from = { 0 };
		socklen_t len = sizeof(from);
		ssize_t n = d->held
			? (ssize_t)d->held
			: recvfrom(d->in, d->bytes, sizeof(d->bytes), MSG_TRUNC, &from.any, &len);
		if (n < 0 && (errno == EAGAIN || errno == EINTR))
			return;
		if (n < BP_NET_FRAME_MIN || n > (ssize_t)sizeof(d->bytes) ||
			(!d->held && our_own(d, &from)))
			continue; /* also ECONNREFUSED: nobody was there for what we sent */
		d->held = port_give(&d->port, d->bytes, (uint32_t)n, 0) ? 0 : (uint32_t)n;
	}
}

static void ready(void *self, int fd, unsigned events)
{
	struct dgram *d = self;
	(void)fd;
	if (events & WRITABLE)
		port_ready(&d->port);
	if (events & READABLE)
		fetch(d);
	rearm(d);
}

static int dgram_send(void *port, const struct bp_net_packet *p)
{
	struct dgram *d = port;
	struct iovec v[IOV_MOST];
	if (p->iov_count > IOV_MOST || p->bytes < BP_NET_FRAME_MIN)
		return BP_NET_TAKEN;
	for (uint32_t i = 0; i < p->iov_count; i++)
		v[i] = (struct iovec){ (void *)(uintptr_t)p->iov[i].base, p->iov[i].len };
	const struct msghdr m = { .msg_name = &d->to,
		.msg_namelen = d->to_len,
		.msg_iov = v,
		.msg_iovlen = p->iov_count };
	if (sendmsg(d->out, &m, MSG_NOSIGNAL) >= 0 || errno == ECONNREFUSED)
		return BP_NET_TAKEN;
	if (errno == EAGAIN || errno == EINTR || errno == ENOBUFS) {
		d->port.stalled = 1;
		rearm(d);
		return BP_NET_FULL;
	}
	lose(d, strerror(errno));
	return BP_NET_TAKEN;
}

static void fetch_later(void *self, uint64_t arg)
{
	struct dgram *d = self;
	(void)arg;
	fetch(d);
	rearm(d);
}

static void dgram_room(void *port)
{
	struct dgram *d = port;
	d->port.front_full = 0;
	d->port.host->post(d, fetch_later, 0);
}

static const struct bp_net net = {
	.size = sizeof(net),
	.attach = port_attach,
	.detach = port_detach,
	.info = port_info,
	.send = dgram_send,
	.ready = dgram_room,
	.offload = port_offload,
};

static int make_socket(int family)
{
	return socket(family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
}

static int create_pair(void *self, const struct bp_host *host, bp_error *err)
{
	struct dgram *d = self;
	union address here = { 0 };
	socklen_t here_len;
	d->port.host = host;
	d->in = d->out = -1;
	if (port_address(host, "local", d->local, SOCK_DGRAM, &here, &here_len, err) ||
		port_address(host, "remote", d->remote, SOCK_DGRAM, &d->to, &d->to_len, err))
		return -1;
	if (here.any.sa_family != d->to.any.sa_family)
		return host->fail(err, "local and remote are of different families of addresses");
	d->in = d->out = make_socket(here.any.sa_family);
	if (d->in < 0 || bind(d->in, &here.any, here_len) || connect(d->in, &d->to.any, d->to_len))
		return host->fail(
			err, "from \"%s\" to \"%s\": %s", d->local, d->remote, strerror(errno));
	d->to_len = 0; /* it is connected */
	d->port.up = d->port.reading = 1;
	d->port.watch = host->watch_new(d, d->in, READABLE, ready);
	return 0;
}

/* Two sockets: what comes back of our own frames is known by where it comes from. */
static int join_group(struct dgram *d, bp_error *err)
{
	struct ip_mreq member = { .imr_multiaddr = d->to.v4.sin_addr };
	int one = 1;
	socklen_t len = sizeof(d->own);
	if (d->to.any.sa_family != AF_INET || !IN_MULTICAST(ntohl(d->to.v4.sin_addr.s_addr)))
		return d->port.host->fail(err,
			"group \"%s\" is no multicast address; 224.0.0.0 to 239.255.255.255 are",
			d->group);
	if (inet_pton(AF_INET, d->interface, &member.imr_interface) != 1)
		return d->port.host->fail(err,
			"interface \"%s\": an IPv4 address of the host is expected", d->interface);
	d->own.v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = member.imr_interface };
	d->in = make_socket(AF_INET);
	d->out = make_socket(AF_INET);
	if (d->in < 0 || d->out < 0 ||
		setsockopt(d->in, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) ||
		bind(d->in, &d->to.any, d->to_len) ||
		setsockopt(d->in, IPPROTO_IP, IP_ADD_MEMBERSHIP, &member, sizeof(member)) ||
		bind(d->out, &d->own.any, sizeof(d->own.v4)) ||
		getsockname(d->out, &d->own.any, &len) ||
		setsockopt(d->out, IPPROTO_IP, IP_MULTICAST_IF, &member.imr_interface,
			sizeof(member.imr_interface)) ||
		setsockopt(d->out, IPPROTO_IP, IP_MULTICAST_LOOP, &one, sizeof(one)))
		return d->port.host->fail(err, "group \"%s\" by interface %s: %s", d->group,
			d->interface, strerror(errno));
	return 0;
}

static int create_group(void *self, const struct bp_host *host, bp_error *err)
{
	struct dgram *d = self;
	d->port.host = host;
	d->in = d->out = -1;
	if (port_address(host, "group", d->group, SOCK_DGRAM, &d->to, &d->to_len, err) ||
		join_group(d, err))
		return -1;
	d->port.up = d->port.reading = 1;
	d->port.watch = host->watch_new(d, d->in, READABLE, ready);
	d->out_watch = host->watch_new(d, d->out, 0, ready);
	return 0;
}

static void destroy(void *self)
{
	struct dgram *d = self;
	if (!d->port.host)
		return;
	if (d->port.watch)
		d->port.host->watch_free(d->port.watch);
	if (d->out_watch)
		d->port.host->watch_free(d->out_watch);
	if (d->in >= 0)
		close(d->in);
	if (d->out >= 0 && d->out != d->in)
		close(d->out);
}

static const void *interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.net/1") ? NULL : &net;
}

#define PROP(m, name, text, t) BP_PROP(struct dgram, m, t, name), .help = (text)
static const struct bp_field pair_props[] = {
	{ PROP(remote, "remote", "HOST:PORT of the other side", BP_STR), .flags = BP_F_REQUIRED },
	{ PROP(local, "local", "HOST:PORT of this side", BP_STR), .flags = BP_F_REQUIRED },
	{ 0 },
};
static const struct bp_field group_props[] = {
	{ PROP(group, "group", "ADDRESS:PORT", BP_STR), .flags = BP_F_REQUIRED },
	{ PROP(interface, "interface", "the host's address whose network is used", BP_STR),
		.def_str = "127.0.0.1" },
	{ 0 },
};

const struct bp_object net_udp = {
	.size = sizeof(net_udp),
	.instance_size = sizeof(struct dgram),
	.state_version = 1,
	.state_oldest = 1,
	.props = pair_props,
	.create = create_pair,
	.destroy = destroy,
	.interface = interface,
};

const struct bp_object net_multicast = {
	.size = sizeof(net_multicast),
	.instance_size = sizeof(struct dgram),
	.state_version = 1,
	.state_oldest = 1,
	.props = group_props,
	.create = create_group,
	.destroy = destroy,
	.interface = interface,
};
