/* SPDX-License-Identifier: MIT */
/* A tap device of the host: opened here, or by a helper that puts it into a bridge and hands it over.
 * The kernel takes and gives long frames and open checksums as they are. */
#include <backplane/net.h>
#include <backplane/plugin.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

enum { READABLE = 1, WRITABLE = 2, BURST = 64, IOV_MOST = 64 };
/* The kernel's header in front of each frame is a bp_net_offload: the same layout, the host's order. */
_Static_assert(sizeof(struct bp_net_offload) == 12, "struct virtio_net_hdr_mrg_rxbuf");

struct tap {
	const struct bp_host *host;
	const char *ifname, *bridge, *helper;
	uint8_t offload;

	void *owner;
	const struct bp_net_front *front;
	int fd;
	bp_watch *watch;
	uint8_t front_full, stalled;
	uint32_t held; /* bytes of a frame that the front has no room for */
	struct bp_net_offload head;
	uint64_t lost;
	uint8_t bytes[BP_NET_FRAME_MAX];
};

static void rearm(struct tap *t)
{
	t->host->watch_set(
		t->watch, (t->front_full ? 0u : READABLE) | (t->stalled ? WRITABLE : 0u));
}

static void fetch(struct tap *t)
{
	struct iovec v[2] = { { &t->head, sizeof(t->head) }, { t->bytes, sizeof(t->bytes) } };
	int first = t->offload ? 0 : 1;
	for (int i = 0; i < BURST && !t->front_full; i++) {
		ssize_t n = t->held ? (ssize_t)t->held : readv(t->fd, v + first, 2 - first);
		if (!t->held && t->offload)
			n -= (ssize_t)sizeof(t->head);
		if (n < BP_NET_FRAME_MIN)
			return;
		const struct bp_net_iov iov = { t->bytes, (size_t)n };
		int plain = !t->offload || (!t->head.flags && !t->head.gso_type);
		const struct bp_net_packet p = { .size = sizeof(p),
			.iov_count = 1,
			.bytes = (uint64_t)n,
			.iov = &iov,
			.offload = plain ? NULL : &t->head };
		t->front_full = t->front && t->front->receive(t->owner, &p) == BP_NET_FULL;
		t->held = t->front_full ? (uint32_t)n : 0;
	}
}

static void ready(void *self, int fd, unsigned events)
{
	struct tap *t = self;
	(void)fd;
	if (events & WRITABLE && t->stalled) {
		t->stalled = 0;
		if (t->front)
			t->front->ready(t->owner);
	}
	if (events & READABLE)
		fetch(t);
	rearm(t);
}

/* ---- "bp.net/1" ---- */

static void *tap_attach(void *back, void *owner, const struct bp_net_front *front, bp_error *err)
{
	struct tap *t = back;
	if (t->front) {
		t->host->fail(err,
			"the network %s serves a device already; a net-hub joins several",
			t->host->name_of(t));
		return NULL;
	}
	t->front = front;
	t->owner = owner;
	return t;
}

static void tap_detach(void *port)
{
	((struct tap *)port)->front = NULL;
}

static void tap_info(void *port, struct bp_net_info *out)
{
	const struct tap *t = port;
	uint32_t all = t->offload ? BP_NET_CSUM | BP_NET_TSO4 | BP_NET_TSO6 | BP_NET_TSO_ECN : 0;
	struct bp_net_info info = { .size = out->size, .takes = all, .can_give = all, .up = 1 };
	memcpy(out, &info, out->size < sizeof(info) ? out->size : sizeof(info));
}

static int tap_send(void *port, const struct bp_net_packet *p)
{
	struct tap *t = port;
	struct bp_net_offload head = { 0 };
	struct iovec v[1 + IOV_MOST] = { { &head, sizeof(head) } };
	int first = t->offload ? 0 : 1;
	if (p->iov_count > IOV_MOST || p->bytes < BP_NET_FRAME_MIN || p->bytes > BP_NET_FRAME_MAX)
		return BP_NET_TAKEN;
	if (p->offload)
		head = *p->offload;
	for (uint32_t i = 0; i < p->iov_count; i++)
		v[i + 1] = (struct iovec){ (void *)(uintptr_t)p->iov[i].base, p->iov[i].len };
	if (writev(t->fd, v + first, (int)p->iov_count + 1 - first) >= 0)
		return BP_NET_TAKEN;
	if (errno == EAGAIN || errno == ENOBUFS) {
		t->stalled = 1;
		rearm(t);
		return BP_NET_FULL;
	}
	/* EIO: the interface is down on the host. */
	if (!t->lost++)
		t->host->log(t, BP_LOG_WARN, "frames are lost: %s", strerror(errno));
	return BP_NET_TAKEN;
}

static void fetch_later(void *self, uint64_t arg)
{
	struct tap *t = self;
	(void)arg;
	fetch(t);
	rearm(t);
}

static void tap_room(void *port)
{
	struct tap *t = port;
	t->front_full = 0;
	t->host->post(t, fetch_later, 0);
}

static void tap_offload(void *port, uint32_t gives)
{
	struct tap *t = port;
	unsigned long flags = (gives & BP_NET_CSUM ? TUN_F_CSUM : 0) |
		(gives & BP_NET_TSO4 ? TUN_F_TSO4 : 0) | (gives & BP_NET_TSO6 ? TUN_F_TSO6 : 0) |
		(gives & BP_NET_TSO_ECN && gives & (BP_NET_TSO4 | BP_NET_TSO6) ? TUN_F_TSO_ECN : 0);
	if (t->offload && ioctl(t->fd, TUNSETOFFLOAD, flags) != 0)
		t->host->log(
			t, BP_LOG_WARN, "the host's kernel refuses offloads: %s", strerror(errno));
}

static const struct bp_net net = {
	.size = sizeof(net),
	.attach = tap_attach,
	.detach = tap_detach,
	.info = tap_info,
	.send = tap_send,
	.ready = tap_room,
	.offload = tap_offload,
};

/* ---- opening ---- */

static int prepare(struct tap *t, const char *name, bp_error *err)
{
	int head = sizeof(struct bp_net_offload);
	int flags = fcntl(t->fd, F_GETFL);
	if (flags < 0 || fcntl(t->fd, F_SETFL, flags | O_NONBLOCK) != 0 ||
		(t->offload && ioctl(t->fd, TUNSETVNETHDRSZ, &head) != 0))
		return t->host->fail(err, "\"%s\": %s", name, strerror(errno));
	t->watch = t->host->watch_new(t, t->fd, READABLE, ready);
	tap_offload(t, 0);
	return 0;
}

static int create_tap(void *self, const struct bp_host *host, bp_error *err)
{
	struct tap *t = self;
	struct ifreq ifr = { .ifr_flags = (short)(IFF_TAP | IFF_NO_PI |
				     (t->offload ? IFF_VNET_HDR : 0)) };
	t->host = host;
	t->fd = -1;
	if (strlen(t->ifname) >= IFNAMSIZ)
		return host->fail(
			err, "ifname \"%s\" is longer than %d bytes", t->ifname, IFNAMSIZ - 1);
	memcpy(ifr.ifr_name, t->ifname, strlen(t->ifname));
	t->fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (t->fd < 0 || ioctl(t->fd, TUNSETIFF, &ifr) != 0)
		return host->fail(err,
			"ifname \"%s\": %s; `ip tuntap add %s mode tap user $USER` makes one for "
			"you",
			t->ifname, strerror(errno), t->ifname);
	return prepare(t, t->ifname, err);
}

/* The descriptor that the helper sends. */
static int take_fd(int socket)
{
	char byte, room[CMSG_SPACE(sizeof(int))];
	struct iovec v = { &byte, 1 };
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)
	};
	int fd = -1;
	if (recvmsg(socket, &m, MSG_CMSG_CLOEXEC) <= 0)
		return -1;
	const struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	if (c && c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS &&
		c->cmsg_len == CMSG_LEN(sizeof(int)))
		memcpy(&fd, CMSG_DATA(c), sizeof(fd));
	return fd;
}

static int create_bridge(void *self, const struct bp_host *host, bp_error *err)
{
	struct tap *t = self;
	int pair[2], status = 0;
	pid_t pid;
	char fd_word[32], bridge_word[64], vnet_word[] = "--use-vnet";
	extern char **environ;
	t->host = host;
	t->fd = -1;
	if (strlen(t->bridge) >= IFNAMSIZ)
		return host->fail(
			err, "bridge \"%s\" is longer than %d bytes", t->bridge, IFNAMSIZ - 1);
	if (socketpair(AF_UNIX, SOCK_STREAM, 0, pair) != 0)
		return host->fail(err, "the host gives no socket: %s", strerror(errno));
	fcntl(pair[0], F_SETFD, FD_CLOEXEC);
	snprintf(fd_word, sizeof(fd_word), "--fd=%d", pair[1]);
	snprintf(bridge_word, sizeof(bridge_word), "--br=%s", t->bridge);
	char *const argv[] = { (char *)(uintptr_t)t->helper, fd_word, bridge_word,
		t->offload ? vnet_word : NULL, NULL };
	int r = posix_spawn(&pid, t->helper, NULL, NULL, argv, environ);
	close(pair[1]);
	if (!r) {
		t->fd = take_fd(pair[0]);
		while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
			;
	}
	close(pair[0]);
	if (r || t->fd < 0)
		return host->fail(err, "helper \"%s\" gives no device of bridge %s: %s", t->helper,
			t->bridge, r ? strerror(r) : "it says why above");
	return prepare(t, t->bridge, err);
}

static void destroy(void *self)
{
	struct tap *t = self;
	if (!t->host)
		return;
	if (t->watch)
		t->host->watch_free(t->watch);
	if (t->fd >= 0)
		close(t->fd);
}

static const void *interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.net/1") ? NULL : &net;
}

#define PROP(m, name, text, t) BP_PROP(struct tap, m, t, name), .help = (text)
static const struct bp_field tap_props[] = {
	{ PROP(ifname, "ifname", "the tap device", BP_STR), .flags = BP_F_REQUIRED },
	{ PROP(offload, "offload", "leave checksums and cutting to the kernel", BP_BOOL),
		.def = 1 },
	{ 0 },
};
static const struct bp_field bridge_props[] = {
	{ PROP(bridge, "bridge", "the host's bridge", BP_STR), .def_str = "br0" },
	{ PROP(helper, "helper", "the program that makes a tap device in it", BP_STR),
		.def_str = BRIDGE_HELPER },
	{ PROP(offload, "offload", "leave checksums and cutting to the kernel", BP_BOOL),
		.def = 1 },
	{ 0 },
};

static const struct bp_object net_tap = {
	.size = sizeof(net_tap),
	.instance_size = sizeof(struct tap),
	.state_version = 1,
	.state_oldest = 1,
	.props = tap_props,
	.create = create_tap,
	.destroy = destroy,
	.interface = interface,
};
static const struct bp_object net_bridge = {
	.size = sizeof(net_bridge),
	.instance_size = sizeof(struct tap),
	.state_version = 1,
	.state_oldest = 1,
	.props = bridge_props,
	.create = create_bridge,
	.destroy = destroy,
	.interface = interface,
};

static const struct bp_type types[] = {
	{ "net-tap", "network through a tap device of the host", BP_KIND_NET, 0, &net_tap, NULL },
	{ "net-bridge", "network through a bridge of the host", BP_KIND_NET, 0, &net_bridge, NULL },
	{ 0 },
};

BP_PLUGIN(net_tap) = {
	BP_PLUGIN_HEAD,
	.name = "net-tap",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
