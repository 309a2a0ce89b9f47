/* SPDX-License-Identifier: MIT */
/* A hub: what comes in at one port goes out at all others. Devices name it as their network; networks
 * are named by it. A port that does not take its frames holds back nobody: some wait for it, and more
 * are lost, as on a wire. */
#include <backplane/net.h>
#include <backplane/plugin.h>
#include <stdlib.h>
#include <string.h>

enum { PORTS = 64, WAITING_MOST = 512 << 10 };

struct frame {
	struct frame *next;
	uint32_t len;
	uint8_t bytes[];
};

struct port {
	struct hub *hub;
	/* A device: */
	void *owner;
	const struct bp_net_front *front;
	/* or a network: */
	const struct bp_net *net;
	void *net_port;

	uint8_t full; /* it says when there is room */
	struct frame *first, **last;
	uint64_t waiting, lost; /* bytes, frames */
};

struct hub {
	const struct bp_host *host;
	struct bp_links nets;
	struct port port[PORTS];
	uint32_t count;
};

static int pass(struct port *p, const struct bp_net_packet *packet)
{
	int r = BP_NET_TAKEN;
	if (p->front)
		r = p->front->receive(p->owner, packet);
	else if (p->net)
		r = p->net->send(p->net_port, packet);
	p->full = r == BP_NET_FULL;
	return r;
}

static void keep(struct port *p, const struct bp_net_packet *packet)
{
	struct frame *f = p->waiting + packet->bytes > WAITING_MOST
		? NULL
		: malloc(sizeof(*f) + packet->bytes);
	if (!f) {
		if (!p->lost++)
			p->hub->host->log(p->hub, BP_LOG_WARN,
				"port %u does not take its frames; from now on some are lost",
				(unsigned)(p - p->hub->port));
		return;
	}
	f->next = NULL;
	f->len = 0;
	for (uint32_t i = 0; i < packet->iov_count; i++) {
		memcpy(f->bytes + f->len, packet->iov[i].base, packet->iov[i].len);
		f->len += (uint32_t)packet->iov[i].len;
	}
	*p->last = f;
	p->last = &f->next;
	p->waiting += f->len;
}

static void drop_first(struct port *p)
{
	struct frame *f = p->first;
	p->first = f->next;
	if (!p->first)
		p->last = &p->first;
	p->waiting -= f->len;
	free(f);
}

static void drain(struct port *p)
{
	p->full = 0;
	while (p->first && !p->full) {
		const struct bp_net_iov iov = { p->first->bytes, p->first->len };
		const struct bp_net_packet packet = { .size = sizeof(packet),
			.flags = p->first->next ? BP_NET_MORE : 0,
			.iov_count = 1,
			.bytes = p->first->len,
			.iov = &iov };
		if (pass(p, &packet) == BP_NET_TAKEN)
			drop_first(p);
	}
}

static int from_port(void *port, const struct bp_net_packet *packet)
{
	struct port *from = port;
	struct hub *h = from->hub;
	if (packet->bytes < BP_NET_FRAME_MIN || packet->bytes > BP_NET_FRAME_MAX)
		return BP_NET_TAKEN;
	for (uint32_t i = 0; i < h->count; i++) {
		struct port *p = &h->port[i];
		if (p == from || (!p->front && !p->net))
			continue;
		if (p->full || p->first || pass(p, packet) == BP_NET_FULL)
			keep(p, packet);
	}
	return BP_NET_TAKEN;
}

static void port_ready(void *port)
{
	drain(port);
}

static struct port *add(struct hub *h)
{
	for (uint32_t i = 0; i < h->count; i++)
		if (!h->port[i].front && !h->port[i].net)
			return &h->port[i];
	if (h->count == PORTS)
		return NULL;
	struct port *p = &h->port[h->count++];
	p->hub = h;
	p->last = &p->first;
	return p;
}

/* ---- devices ---- */

static void *hub_attach(void *back, void *owner, const struct bp_net_front *front, bp_error *err)
{
	struct hub *h = back;
	struct port *p = add(h);
	if (!p) {
		h->host->fail(err, "the hub %s has %d ports, and all are taken",
			h->host->name_of(h), PORTS);
		return NULL;
	}
	p->owner = owner;
	p->front = front;
	return p;
}

static void hub_detach(void *port)
{
	struct port *p = port;
	p->front = NULL;
	while (p->first)
		drop_first(p);
	p->full = 0;
}

static void hub_info(void *port, struct bp_net_info *out)
{
	struct bp_net_info info = { .size = out->size, .up = 1 };
	(void)port;
	memcpy(out, &info, out->size < sizeof(info) ? out->size : sizeof(info));
}

static void hub_offload(void *port, uint32_t gives)
{
	(void)port;
	(void)gives; /* frames are whole on a wire */
}

static const struct bp_net net = {
	.size = sizeof(net),
	.attach = hub_attach,
	.detach = hub_detach,
	.info = hub_info,
	.send = from_port,
	.ready = port_ready,
	.offload = hub_offload,
};

/* ---- networks ---- */

static const struct bp_net_front front = {
	.size = sizeof(front),
	.receive = from_port,
	.ready = port_ready,
};

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct hub *h = self;
	h->host = host;
	for (uint32_t i = 0; i < h->nets.count; i++) {
		const struct bp_link *l = h->nets.link[i];
		struct port *p = add(h);
		if (!p)
			return host->fail(err, "nets: %u are too many; a hub has %d ports",
				h->nets.count, PORTS);
		p->net = l->ops;
		p->net_port = p->net->attach(l->self, p, &front, err);
		if (!p->net_port) {
			p->net = NULL;
			return -1;
		}
	}
	return 0;
}

static void destroy(void *self)
{
	struct hub *h = self;
	for (uint32_t i = 0; i < h->count; i++) {
		struct port *p = &h->port[i];
		if (p->net)
			p->net->detach(p->net_port);
		while (p->first)
			drop_first(p);
		if (p->lost)
			h->host->log(h, BP_LOG_INFO, "port %u lost %llu frames", i,
				(unsigned long long)p->lost);
	}
}

static const void *interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.net/1") ? NULL : &net;
}

static const char *const net_link[] = { "bp.net/1", NULL };
static const struct bp_field props[] = {
	{ BP_PROP(struct hub, nets, BP_LINKS, "nets"), .help = "networks that it joins",
		.names = net_link },
	{ 0 },
};

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct hub),
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.create = create,
	.destroy = destroy,
	.interface = interface,
};

static const struct bp_type types[] = {
	{ "net-hub", "a hub between devices and networks", BP_KIND_NET, 0, &object, NULL },
	{ 0 },
};

BP_PLUGIN(net_hub) = {
	BP_PLUGIN_HEAD,
	.name = "net-hub",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
