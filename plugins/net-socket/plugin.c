/* SPDX-License-Identifier: MIT */
#include "socket.h"
#include <netdb.h>
#include <stdio.h>
#include <string.h>

int port_give(struct port *p, const uint8_t *frame, uint32_t len, int more)
{
	const struct bp_net_iov iov = { frame, len };
	const struct bp_net_packet packet = { .size = sizeof(packet),
		.flags = more ? BP_NET_MORE : 0,
		.iov_count = 1,
		.bytes = len,
		.iov = &iov };
	if (!p->front || p->front->receive(p->owner, &packet) == BP_NET_TAKEN)
		return 1;
	p->front_full = 1;
	return 0;
}

void port_link(struct port *p, int up)
{
	p->up = up != 0;
	if (p->front && BP_HAS(p->front, link))
		p->front->link(p->owner, up);
}

void port_rearm(struct port *p, int want_write)
{
	uint8_t read = !p->front_full, write = want_write != 0;
	if (!p->watch || (read == p->reading && write == p->writing))
		return;
	p->reading = read;
	p->writing = write;
	p->host->watch_set(p->watch, (read ? READABLE : 0u) | (write ? WRITABLE : 0u));
}

void port_ready(struct port *p)
{
	if (!p->stalled)
		return;
	p->stalled = 0;
	if (p->front)
		p->front->ready(p->owner);
}

int port_address(const struct bp_host *host, const char *name, const char *text, int type,
	union address *out, socklen_t *len, bp_error *err)
{
	char buf[256];
	const char *colon = strrchr(text, ':');
	struct addrinfo want = { .ai_socktype = type }, *list;
	if (!colon || !colon[1] || (size_t)(colon - text) >= sizeof(buf))
		return host->fail(err, "%s \"%s\" is not HOST:PORT", name, text);
	snprintf(buf, sizeof(buf), "%.*s", (int)(colon - text), text);
	char *node = buf;
	size_t n = strlen(buf);
	if (n > 1 && buf[0] == '[' && buf[n - 1] == ']') {
		buf[n - 1] = 0;
		node++;
	}
	/* Nobody asked for the whole world to get at the machine's network. */
	int r = getaddrinfo(*node ? node : "127.0.0.1", colon + 1, &want, &list);
	if (r)
		return host->fail(err, "%s \"%s\": %s", name, text, gai_strerror(r));
	memcpy(out, list->ai_addr, list->ai_addrlen);
	*len = list->ai_addrlen;
	freeaddrinfo(list);
	return 0;
}

void *port_attach(void *back, void *owner, const struct bp_net_front *front, bp_error *err)
{
	struct port *p = back;
	if (p->front) {
		p->host->fail(err,
			"the network %s serves a device already; a net-hub joins several",
			p->host->name_of(p));
		return NULL;
	}
	p->front = front;
	p->owner = owner;
	return p;
}

void port_detach(void *port)
{
	struct port *p = port;
	p->front = NULL;
}

void port_info(void *port, struct bp_net_info *out)
{
	const struct port *p = port;
	struct bp_net_info info = { .size = out->size, .up = p->up };
	memcpy(out, &info, out->size < sizeof(info) ? out->size : sizeof(info));
}

void port_offload(void *port, uint32_t gives)
{
	(void)port;
	(void)gives; /* frames are whole on a wire */
}

static const struct bp_type types[] = {
	{ "net-unix", "network through a unix socket", BP_KIND_NET, 0, &net_unix, NULL },
	{ "net-tcp", "network through a TCP socket", BP_KIND_NET, 0, &net_tcp, NULL },
	{ "net-udp", "network through UDP datagrams", BP_KIND_NET, 0, &net_udp, NULL },
	{ "net-multicast", "network of a multicast group", BP_KIND_NET, 0, &net_multicast, NULL },
	{ 0 },
};

BP_PLUGIN(net_socket) = {
	BP_PLUGIN_HEAD,
	.name = "net-socket",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
