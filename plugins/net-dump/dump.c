/* SPDX-License-Identifier: MIT */
/* Writes what passes between a device and a network to a pcap file, for tcpdump, Wireshark and others.
 * A frame is written once the other side has taken it, as it passes: long ones are not yet cut. */
#include <backplane/net.h>
#include <backplane/plugin.h>
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* The file's header (draft-ietf-opsawg-pcap): times in nanoseconds, Ethernet. */
#define MAGIC_NS 0xa1b23c4du
enum { MAJOR = 2, MINOR = 4, ETHERNET = 1, SECOND_NS = 1000000000 };

struct dump {
	const struct bp_host *host;
	const struct bp_link *back;
	const char *path;
	uint64_t most;
	uint32_t snap;

	const struct bp_net *net;
	void *port, *owner;
	const struct bp_net_front *front;
	FILE *file;
	uint64_t written;
};

static void stop(struct dump *d, const char *why)
{
	d->host->log(d, BP_LOG_WARN, "\"%s\" ends here: %s", d->path, why);
	fclose(d->file);
	d->file = NULL;
}

static void write_frame(struct dump *d, const struct bp_net_packet *p)
{
	int64_t ns = d->host->now(d, BP_CLOCK_REALTIME);
	uint32_t left = p->bytes < d->snap ? (uint32_t)p->bytes : d->snap;
	const uint32_t head[4] = { (uint32_t)(ns / SECOND_NS), (uint32_t)(ns % SECOND_NS), left,
		(uint32_t)p->bytes };
	if (!d->file)
		return;
	if (d->most && d->written + sizeof(head) + left > d->most) {
		stop(d, "it is as long as size says");
		return;
	}
	d->written += sizeof(head) + left;
	size_t good = fwrite(head, sizeof(head), 1, d->file);
	for (uint32_t i = 0; i < p->iov_count && left && good; i++) {
		size_t n = p->iov[i].len < left ? p->iov[i].len : left;
		good = !n || fwrite(p->iov[i].base, n, 1, d->file);
		left -= (uint32_t)n;
	}
	if (!good)
		stop(d, strerror(errno));
}

/* ---- between the two ---- */

static int receive(void *owner, const struct bp_net_packet *p)
{
	struct dump *d = owner;
	if (!d->front)
		return BP_NET_TAKEN;
	int r = d->front->receive(d->owner, p);
	if (r == BP_NET_TAKEN)
		write_frame(d, p);
	return r;
}

static void front_ready(void *owner)
{
	const struct dump *d = owner;
	if (d->front)
		d->front->ready(d->owner);
}

static void link_changed(void *owner, int up)
{
	const struct dump *d = owner;
	if (d->front && BP_HAS(d->front, link))
		d->front->link(d->owner, up);
}

static const struct bp_net_front to_back = {
	.size = sizeof(to_back),
	.receive = receive,
	.ready = front_ready,
	.link = link_changed,
};

static void *dump_attach(void *back, void *owner, const struct bp_net_front *front, bp_error *err)
{
	struct dump *d = back;
	if (d->front) {
		d->host->fail(err, "the filter %s serves a device already", d->host->name_of(d));
		return NULL;
	}
	d->front = front;
	d->owner = owner;
	return d;
}

static void dump_detach(void *port)
{
	((struct dump *)port)->front = NULL;
}

static void dump_info(void *port, struct bp_net_info *out)
{
	const struct dump *d = port;
	d->net->info(d->port, out);
}

static int dump_send(void *port, const struct bp_net_packet *p)
{
	struct dump *d = port;
	int r = d->net->send(d->port, p);
	if (r == BP_NET_TAKEN)
		write_frame(d, p);
	return r;
}

static void dump_ready(void *port)
{
	const struct dump *d = port;
	d->net->ready(d->port);
}

static void dump_offload(void *port, uint32_t gives)
{
	const struct dump *d = port;
	d->net->offload(d->port, gives);
}

static void dump_address(void *port, const uint8_t mac[6])
{
	const struct dump *d = port;
	if (BP_HAS(d->net, address))
		d->net->address(d->port, mac);
}

static const struct bp_net net = {
	.size = sizeof(net),
	.attach = dump_attach,
	.detach = dump_detach,
	.info = dump_info,
	.send = dump_send,
	.ready = dump_ready,
	.offload = dump_offload,
	.address = dump_address,
};

/* ---- life ---- */

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct dump *d = self;
	d->host = host;
	d->net = d->back->ops;
	d->port = d->net->attach(d->back->self, d, &to_back, err);
	if (!d->port)
		return -1;
	const struct {
		uint32_t magic;
		uint16_t major, minor;
		uint32_t reserved[2], snap, link;
	} head = { MAGIC_NS, MAJOR, MINOR, { 0, 0 }, d->snap, ETHERNET };
	d->file = fopen(d->path, "wbe");
	if (!d->file || fwrite(&head, sizeof(head), 1, d->file) != 1)
		return host->fail(err, "file \"%s\": %s", d->path, strerror(errno));
	d->written = sizeof(head);
	return 0;
}

static void destroy(void *self)
{
	struct dump *d = self;
	if (d->port)
		d->net->detach(d->port);
	if (d->file && fclose(d->file) != 0)
		d->host->log(d, BP_LOG_WARN, "\"%s\" is not whole: %s", d->path, strerror(errno));
}

static const void *interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.net/1") ? NULL : &net;
}

#define PROP(m, name, text, t) BP_PROP(struct dump, m, t, name), .help = (text)
static const char *const net_link[] = { "bp.net/1", NULL };
static const struct bp_field props[] = {
	{ PROP(path, "file", "the pcap file, which is written anew", BP_STR),
		.flags = BP_F_REQUIRED },
	{ PROP(back, "net", "the network behind it", BP_LINK), .flags = BP_F_REQUIRED,
		.names = net_link },
	{ PROP(snap, "snap", "bytes kept of each frame", BP_U32), .flags = BP_F_RANGE,
		.def = 262144, .min = BP_NET_FRAME_MIN, .max = 262144 },
	{ PROP(most, "size", "the file never becomes longer; 0: no limit", BP_SIZE) },
	{ 0 },
};

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct dump),
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.create = create,
	.destroy = destroy,
	.interface = interface,
};

static const struct bp_type types[] = {
	{ "net-dump", "writes the frames that pass to a pcap file", BP_KIND_NET, 0, &object, NULL },
	{ 0 },
};

BP_PLUGIN(net_dump) = {
	BP_PLUGIN_HEAD,
	.name = "net-dump",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
