/* SPDX-License-Identifier: MIT */
/* A network of the guest's own whose traffic the host's sockets carry, by libslirp: no privileges, no
 * set-up. Everything happens inside the machine's domain: the guest's frames on whatever thread brings
 * them, the sockets' events on the main loop's, which watches one epoll descriptor for all of them. */
#include "forward.h"
#include <arpa/inet.h>
#include <backplane/net.h>
#include <backplane/plugin.h>
#include <errno.h>
#include <libslirp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <unistd.h>

enum {
	QUEUE_HIGH =
		512 << 10, /* bytes for a guest that does not take them: nothing more is read */
	QUEUE_MOST = 4 << 20, /* answers to the guest's own frames count, too: lost beyond this */
	EVENTS = 64,
	TIMERS = 4,
	WORDS = 64, /* of a list in a property */
	MS_NS = 1000000
};

struct frame { /* on its way to the guest */
	struct frame *next;
	uint32_t len;
	uint8_t bytes[];
};

struct slot { /* one of the host's descriptors, by its number */
	uint32_t events, ready; /* SLIRP_POLL_*: what is watched, and what has come */
	uint32_t round; /* when it was last asked for */
	uint8_t watched;
};

struct slirp_timer {
	bp_timer *timer;
	int id;
	void *argument;
	uint8_t used;
};

struct user {
	const struct bp_host *host;
	/* properties */
	const char *network, *gateway, *dns, *dhcp_start;
	const char *prefix6, *gateway6, *dns6;
	const char *hostname, *domain, *search;
	const char *tftp, *tftp_server, *bootfile;
	const char *hostfwd, *guestfwd;
	uint8_t ipv4, ipv6, restricted, loopback;
	uint32_t mtu;

	Slirp *slirp;
	void *owner;
	const struct bp_net_front *front;
	int epoll;
	bp_watch *watch;
	bp_timer *timer;
	struct slirp_timer timers[TIMERS];
	struct slot *slots;
	uint32_t slot_count;
	int *watched; /* numbers of the slots that are watched */
	uint32_t watched_count, round;
	struct frame *first, **last;
	uint64_t waiting, lost; /* bytes, frames */
	uint8_t stalled; /* the front said FULL: it tells */
	uint8_t flushing, stopping;
	uint8_t work[BP_NET_FRAME_MAX];
};

/* ---- to the guest ---- */

static void flush(struct user *u)
{
	if (u->flushing)
		return; /* what comes in meanwhile is taken by the loop below */
	u->flushing = 1;
	while (u->first && !u->stalled) {
		struct frame *f = u->first;
		const struct bp_net_iov iov = { f->bytes, f->len };
		const struct bp_net_packet p = { .size = sizeof(p),
			.flags = f->next ? BP_NET_MORE : 0,
			.iov_count = 1,
			.bytes = f->len,
			.iov = &iov };
		if (u->front && u->front->receive(u->owner, &p) == BP_NET_FULL) {
			u->stalled = 1;
			break;
		}
		u->first = f->next;
		if (!u->first)
			u->last = &u->first;
		u->waiting -= f->len;
		free(f);
	}
	u->flushing = 0;
}

static ssize_t send_packet(const void *buf, size_t len, void *opaque)
{
	struct user *u = opaque;
	if (u->stopping)
		return (ssize_t)len;
	struct frame *f = u->waiting + len > QUEUE_MOST || len > BP_NET_FRAME_MAX
		? NULL
		: malloc(sizeof(*f) + len);
	if (!f) {
		if (!u->lost++)
			u->host->log(u, BP_LOG_WARN,
				"the guest does not take its frames; from now on some are lost");
		return (ssize_t)len;
	}
	f->next = NULL;
	f->len = (uint32_t)len;
	memcpy(f->bytes, buf, len);
	*u->last = f;
	u->last = &f->next;
	u->waiting += len;
	return (ssize_t)len;
}

/* ---- the host's descriptors ---- */

static const struct {
	uint32_t slirp, epoll;
} event_map[] = { { SLIRP_POLL_IN, EPOLLIN }, { SLIRP_POLL_OUT, EPOLLOUT },
	{ SLIRP_POLL_PRI, EPOLLPRI }, { SLIRP_POLL_ERR, EPOLLERR }, { SLIRP_POLL_HUP, EPOLLHUP } };
enum { EVENT_KINDS = sizeof(event_map) / sizeof(event_map[0]) };

static int slot_room(struct user *u, int fd)
{
	uint32_t count = u->slot_count ? u->slot_count : 64;
	if (fd < 0)
		return -1;
	while (count <= (uint32_t)fd)
		count *= 2;
	if (count == u->slot_count)
		return 0;
	struct slot *slots = realloc(u->slots, count * sizeof(*slots));
	if (slots)
		u->slots = slots;
	int *watched = realloc(u->watched, count * sizeof(*watched));
	if (watched)
		u->watched = watched;
	if (!slots || !watched)
		return -1;
	memset(slots + u->slot_count, 0, (count - u->slot_count) * sizeof(*slots));
	u->slot_count = count;
	return 0;
}

static void watch(struct user *u, int fd, uint32_t events)
{
	struct slot *s = &u->slots[fd];
	struct epoll_event e = { .data.fd = fd };
	if (s->watched && s->events == events)
		return;
	for (int i = 0; i < EVENT_KINDS; i++)
		e.events |= events & event_map[i].slirp ? event_map[i].epoll : 0;
	int op = s->watched ? EPOLL_CTL_MOD : EPOLL_CTL_ADD;
	if (epoll_ctl(u->epoll, op, fd, &e) != 0)
		/* It was closed and its number used again, or the other way round. */
		epoll_ctl(u->epoll, op == EPOLL_CTL_MOD ? EPOLL_CTL_ADD : EPOLL_CTL_MOD, fd, &e);
	if (!s->watched)
		u->watched[u->watched_count++] = fd;
	s->watched = 1;
	s->events = events;
}

static int add_poll(int fd, int events, void *opaque)
{
	struct user *u = opaque;
	uint32_t wanted = (uint32_t)events;
	if (slot_room(u, fd) != 0)
		return -1;
	if (u->waiting > QUEUE_HIGH)
		wanted &= ~(uint32_t)(SLIRP_POLL_IN | SLIRP_POLL_PRI);
	/* Only error and hang-up left: they would be reported over and over. */
	if (wanted & (SLIRP_POLL_IN | SLIRP_POLL_PRI | SLIRP_POLL_OUT)) {
		u->slots[fd].round = u->round;
		watch(u, fd, wanted);
	}
	return fd;
}

static int get_ready(int fd, void *opaque)
{
	const struct user *u = opaque;
	return fd >= 0 && (uint32_t)fd < u->slot_count ? (int)u->slots[fd].ready : 0;
}

/* Its number may stand for another socket soon. The kernel forgets it when it is closed. */
static void forget_fd(int fd, void *opaque)
{
	struct user *u = opaque;
	if (fd >= 0 && (uint32_t)fd < u->slot_count)
		u->slots[fd].events = u->slots[fd].ready = 0;
}

/* Ask libslirp what it waits for, and for how long at most. */
static void wait_again(struct user *u)
{
	uint32_t ms = UINT32_MAX, kept = 0;
	u->round++;
	slirp_pollfds_fill(u->slirp, &ms, add_poll, u);
	for (uint32_t i = 0; i < u->watched_count; i++) {
		int fd = u->watched[i];
		if (u->slots[fd].round == u->round) {
			u->watched[kept++] = fd;
			continue;
		}
		epoll_ctl(u->epoll, EPOLL_CTL_DEL, fd, NULL); /* if it is still there */
		u->slots[fd].watched = 0;
	}
	u->watched_count = kept;
	if (ms == UINT32_MAX)
		u->host->timer_cancel(u->timer);
	else
		u->host->timer_at(
			u->timer, u->host->now(u, BP_CLOCK_VIRTUAL) + (int64_t)ms * MS_NS);
}

static void serve(struct user *u)
{
	struct epoll_event e[EVENTS];
	int n = epoll_wait(u->epoll, e, EVENTS, 0);
	for (int i = 0; i < n; i++)
		for (int k = 0; k < EVENT_KINDS; k++)
			if (e[i].events & event_map[k].epoll)
				u->slots[e[i].data.fd].ready |= event_map[k].slirp;
	slirp_pollfds_poll(u->slirp, n < 0, get_ready, u);
	for (int i = 0; i < n; i++)
		u->slots[e[i].data.fd].ready = 0;
	flush(u);
	wait_again(u);
}

static void sockets_ready(void *self, int fd, unsigned events)
{
	(void)fd;
	(void)events;
	serve(self);
}

static void time_passed(void *self, uint64_t arg)
{
	(void)arg;
	serve(self);
}

/* ---- what libslirp asks for ---- */

static void guest_error(const char *msg, void *opaque)
{
	const struct user *u = opaque;
	u->host->log(u, BP_LOG_GUEST, "%s", msg);
}

static int64_t clock_get_ns(void *opaque)
{
	const struct user *u = opaque;
	return u->host->now(u, BP_CLOCK_VIRTUAL);
}

static void slirp_time(void *self, uint64_t n)
{
	struct user *u = self;
	struct slirp_timer *t = &u->timers[n];
	if (!t->used)
		return;
	slirp_handle_timer(u->slirp, (SlirpTimerId)t->id, t->argument);
	flush(u);
	wait_again(u);
}

static void *timer_new(SlirpTimerId id, void *argument, void *opaque)
{
	struct user *u = opaque;
	for (int i = 0; i < TIMERS; i++) {
		if (u->timers[i].used)
			continue;
		u->timers[i].used = 1;
		u->timers[i].id = (int)id;
		u->timers[i].argument = argument;
		return &u->timers[i];
	}
	return NULL;
}

static void timer_free(void *timer, void *opaque)
{
	const struct user *u = opaque;
	struct slirp_timer *t = timer;
	if (!t)
		return;
	u->host->timer_cancel(t->timer);
	t->used = 0;
}

static void timer_mod(void *timer, int64_t ms, void *opaque)
{
	const struct user *u = opaque;
	const struct slirp_timer *t = timer;
	if (t)
		u->host->timer_at(t->timer, ms * MS_NS);
}

static void notify(void *opaque)
{
	(void)opaque; /* whatever is done here ends with wait_again */
}

static const SlirpCb callbacks = {
	.send_packet = send_packet,
	.guest_error = guest_error,
	.clock_get_ns = clock_get_ns,
	.timer_free = timer_free,
	.timer_mod = timer_mod,
	.register_poll_fd = forget_fd,
	.unregister_poll_fd = forget_fd,
	.notify = notify,
	.timer_new_opaque = timer_new,
};

/* ---- "bp.net/1" ---- */

static void *net_attach(void *back, void *owner, const struct bp_net_front *front, bp_error *err)
{
	struct user *u = back;
	if (u->front) {
		u->host->fail(err,
			"the network %s serves a device already; a net-hub joins several",
			u->host->name_of(u));
		return NULL;
	}
	u->front = front;
	u->owner = owner;
	return u;
}

static void net_detach(void *port)
{
	struct user *u = port;
	u->front = NULL;
}

static void net_info(void *port, struct bp_net_info *out)
{
	const struct user *u = port;
	/* It takes a long frame like any other packet, but looks at its checksum. */
	struct bp_net_info info = { .size = out->size,
		.takes = BP_NET_TSO4 | BP_NET_TSO6 | BP_NET_TSO_ECN,
		.mtu = u->mtu,
		.up = 1 };
	memcpy(out, &info, out->size < sizeof(info) ? out->size : sizeof(info));
}

static int net_send(void *port, const struct bp_net_packet *p)
{
	struct user *u = port;
	const uint8_t *frame = p->iov_count ? p->iov[0].base : NULL;
	if (p->bytes < BP_NET_FRAME_MIN || p->bytes > BP_NET_FRAME_MAX)
		return BP_NET_TAKEN;
	if (p->iov_count != 1) {
		size_t at = 0;
		for (uint32_t i = 0; i < p->iov_count; i++) {
			memcpy(u->work + at, p->iov[i].base, p->iov[i].len);
			at += p->iov[i].len;
		}
		frame = u->work;
	}
	slirp_input(u->slirp, frame, (int)p->bytes);
	if (!(p->flags & BP_NET_MORE)) {
		flush(u);
		wait_again(u);
	}
	return BP_NET_TAKEN;
}

static void net_ready(void *port)
{
	struct user *u = port;
	uint64_t before = u->waiting;
	u->stalled = 0;
	flush(u);
	if (before > QUEUE_HIGH && u->waiting <= QUEUE_HIGH)
		wait_again(u);
}

static void net_offload(void *port, uint32_t gives)
{
	(void)port;
	(void)gives; /* it has nothing to give */
}

static const struct bp_net net = {
	.size = sizeof(net),
	.attach = net_attach,
	.detach = net_detach,
	.info = net_info,
	.send = net_send,
	.ready = net_ready,
	.offload = net_offload,
};

/* ---- life ---- */

struct wish { /* an address of the guest's network */
	const char *name, *text;
	void *out;
	int family;
	uint32_t host; /* by default this one of the network */
};

static int read_addresses(struct user *u, SlirpConfig *c, bp_error *err)
{
	const struct wish wishes[] = { { "host", u->gateway, &c->vhost, AF_INET, 2 },
		{ "dns", u->dns, &c->vnameserver, AF_INET, 3 },
		{ "dhcp-start", u->dhcp_start, &c->vdhcp_start, AF_INET, 15 },
		{ "host6", u->gateway6, &c->vhost6, AF_INET6, 2 },
		{ "dns6", u->dns6, &c->vnameserver6, AF_INET6, 3 } };
	if (network_parse(u->network, &c->vnetwork, &c->vnetmask) != 0)
		return u->host->fail(err,
			"network \"%s\": an address and the length of its prefix, 8 to 30, are "
			"expected, such as 10.0.2.0/24",
			u->network);
	if (prefix_parse(u->prefix6, &c->vprefix_addr6, &c->vprefix_len) != 0)
		return u->host->fail(
			err, "prefix6 \"%s\": a prefix such as fec0::/64 is expected", u->prefix6);
	for (size_t i = 0; i < sizeof(wishes) / sizeof(wishes[0]); i++) {
		const struct wish *w = &wishes[i];
		struct in_addr *v4 = w->out;
		struct in6_addr *v6 = w->out;
		if (w->text && inet_pton(w->family, w->text, w->out) != 1)
			return u->host->fail(err, "%s \"%s\": an %s address is expected", w->name,
				w->text, w->family == AF_INET ? "IPv4" : "IPv6");
		if (!w->text && w->family == AF_INET)
			v4->s_addr =
				c->vnetwork.s_addr | htonl(w->host & ntohl(~c->vnetmask.s_addr));
		else if (!w->text)
			*v6 = c->vprefix_addr6, v6->s6_addr[15] |= (uint8_t)w->host;
		if (w->family == AF_INET && (v4->s_addr & c->vnetmask.s_addr) != c->vnetwork.s_addr)
			return u->host->fail(err, "%s \"%s\" is not in the network %s", w->name,
				w->text, u->network);
	}
	if (c->vhost.s_addr == c->vnameserver.s_addr || c->vhost.s_addr == c->vdhcp_start.s_addr)
		return u->host->fail(err, "host, dns and dhcp-start must differ");
	return 0;
}

static int forward_host(struct user *u, char *text, struct in_addr guest, bp_error *err)
{
	struct host_forward f;
	const char *why;
	char *copy = strdup(text);
	int r = 0;
	if (!copy)
		return u->host->fail(err, "the host has no memory");
	if (host_forward_parse(copy, guest, &f, &why) != 0) {
		r = u->host->fail(err, "hostfwd \"%s\": %s", text, why);
	} else {
		int v4 = f.host.any.sa_family == AF_INET;
		socklen_t len = v4 ? sizeof(f.host.v4) : sizeof(f.host.v6);
		int flags = (f.udp ? SLIRP_HOSTFWD_UDP : 0) | (v4 ? 0 : SLIRP_HOSTFWD_V6ONLY);
		if (slirp_add_hostxfwd(u->slirp, &f.host.any, len, &f.guest.any, len, flags) != 0)
			r = u->host->fail(err, "hostfwd \"%s\": %s", text, strerror(errno));
	}
	free(copy);
	return r;
}

static int forward_guest(struct user *u, char *text, bp_error *err)
{
	struct guest_forward f;
	const char *why;
	char *copy = strdup(text);
	int r = 0;
	if (!copy)
		return u->host->fail(err, "the host has no memory");
	if (guest_forward_parse(copy, &f, &why) != 0)
		r = u->host->fail(err, "guestfwd \"%s\": %s", text, why);
	else if ((f.kind == TARGET_UNIX
				 ? slirp_add_unix(u->slirp, f.target, &f.address, f.port)
				 : slirp_add_exec(u->slirp, f.target, &f.address, f.port)) != 0)
		r = u->host->fail(err,
			"guestfwd \"%s\": the address is not in the network, or is taken", text);
	free(copy);
	return r;
}

static int forward_all(struct user *u, struct in_addr guest, bp_error *err)
{
	char *hosts = strdup(u->hostfwd ? u->hostfwd : ""), *at = hosts, *word;
	char *guests = strdup(u->guestfwd ? u->guestfwd : "");
	int r = hosts && guests ? 0 : u->host->fail(err, "the host has no memory");
	while (!r && (word = next_word(&at)))
		r = forward_host(u, word, guest, err);
	at = guests;
	while (!r && (word = next_word(&at)))
		r = forward_guest(u, word, err);
	free(hosts);
	free(guests);
	return r;
}

static int start(struct user *u, SlirpConfig *c, bp_error *err)
{
	const char *search[WORDS + 1] = { NULL };
	char *copy = strdup(u->search ? u->search : ""), *at = copy, *word;
	for (int n = 0; copy && n < WORDS && (word = next_word(&at)); n++)
		search[n] = word;
	c->vdnssearch = u->search ? search : NULL;
	u->slirp = copy ? slirp_new(c, &callbacks, u) : NULL;
	free(copy);
	if (!u->slirp)
		return u->host->fail(
			err, "libslirp %s does not take this network", slirp_version_string());
	return 0;
}

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct user *u = self;
	u->host = host;
	u->epoll = -1;
	u->last = &u->first;
	SlirpConfig c = { .version = 4,
		.restricted = u->restricted,
		.in_enabled = u->ipv4,
		.in6_enabled = u->ipv6,
		.vhostname = u->hostname,
		.tftp_server_name = u->tftp_server,
		.tftp_path = u->tftp,
		.bootfile = u->bootfile,
		.vdomainname = u->domain,
		.if_mtu = u->mtu,
		.if_mru = u->mtu,
		.disable_host_loopback = !u->loopback };
	if (!u->ipv4 && !u->ipv6)
		return host->fail(err, "ipv4 and ipv6 are both false; leave one of them");
	if (read_addresses(u, &c, err) != 0)
		return -1;
	u->epoll = epoll_create1(EPOLL_CLOEXEC);
	if (u->epoll < 0)
		return host->fail(err, "the host gives no epoll descriptor: %s", strerror(errno));
	u->timer = host->timer_new(u, BP_CLOCK_VIRTUAL, time_passed, 0);
	for (unsigned i = 0; i < TIMERS; i++)
		u->timers[i].timer = host->timer_new(u, BP_CLOCK_VIRTUAL, slirp_time, i);
	if (start(u, &c, err) != 0 || forward_all(u, c.vdhcp_start, err) != 0)
		return -1;
	u->watch = host->watch_new(u, u->epoll, 1, sockets_ready);
	wait_again(u);
	return 0;
}

static void destroy(void *self)
{
	struct user *u = self;
	if (!u->host)
		return;
	u->stopping = 1;
	if (u->slirp)
		slirp_cleanup(u->slirp);
	if (u->watch)
		u->host->watch_free(u->watch);
	if (u->epoll >= 0)
		close(u->epoll);
	for (struct frame *f = u->first, *next; f; f = next) {
		next = f->next;
		free(f);
	}
	if (u->lost)
		u->host->log(u, BP_LOG_INFO, "%llu frames were lost: the guest did not take them",
			(unsigned long long)u->lost);
	free(u->slots);
	free(u->watched);
}

static const void *interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.net/1") ? NULL : &net;
}

#define PROP(m, name, text, t) BP_PROP(struct user, m, t, name), .help = (text)
static const struct bp_field props[] = {
	{ PROP(hostfwd, "hostfwd",
		"ports of the host that lead to the guest: tcp:[HOST]:PORT-[GUEST]:PORT ...",
		BP_STR) },
	{ PROP(guestfwd, "guestfwd",
		"addresses of the guest's network: tcp:ADDRESS:PORT-unix:PATH or -cmd:PROGRAM ...",
		BP_STR) },
	{ PROP(restricted, "restrict", "the guest reaches nothing but what is forwarded",
		BP_BOOL) },
	{ PROP(loopback, "loopback", "the host's loopback can be reached at `host`", BP_BOOL),
		.def = 1 },
	{ PROP(network, "network", "the guest's network", BP_STR), .def_str = "10.0.2.0/24" },
	{ PROP(gateway, "host", "the host's address in it; by default number 2", BP_STR) },
	{ PROP(dns, "dns", "the name server's; by default number 3", BP_STR) },
	{ PROP(dhcp_start, "dhcp-start", "the first that DHCP gives; by default number 15",
		BP_STR) },
	{ PROP(ipv4, "ipv4", "there is IPv4", BP_BOOL), .def = 1 },
	{ PROP(ipv6, "ipv6", "there is IPv6", BP_BOOL), .def = 1 },
	{ PROP(prefix6, "prefix6", "the guest's network", BP_STR), .def_str = "fec0::/64" },
	{ PROP(gateway6, "host6", "the host's address in it; by default number 2", BP_STR) },
	{ PROP(dns6, "dns6", "the name server's; by default number 3", BP_STR) },
	{ PROP(hostname, "hostname", "the guest's name, by DHCP", BP_STR) },
	{ PROP(domain, "domain", "the guest's domain, by DHCP", BP_STR) },
	{ PROP(search, "dns-search", "domains to search, by DHCP; blanks between", BP_STR) },
	{ PROP(tftp, "tftp", "a folder whose files TFTP gives", BP_STR) },
	{ PROP(bootfile, "bootfile", "the file to boot, by DHCP", BP_STR) },
	{ PROP(tftp_server, "tftp-server", "the name of the TFTP server, by DHCP", BP_STR) },
	{ PROP(mtu, "mtu", "of the network, bytes", BP_U32), .flags = BP_F_RANGE, .def = 1500,
		.min = 576, .max = 65521 },
	{ 0 },
};

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct user),
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.create = create,
	.destroy = destroy,
	.interface = interface,
};

static const struct bp_type types[] = {
	{ "net-user", "the host's own connections, shared with the guest", BP_KIND_NET, 0, &object,
		NULL },
	{ 0 },
};

BP_PLUGIN(net_user) = {
	BP_PLUGIN_HEAD,
	.name = "net-user",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
