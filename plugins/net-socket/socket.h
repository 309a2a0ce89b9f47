/* SPDX-License-Identifier: MIT */
/* Shared by the files of this plugin alone. */
#ifndef NET_SOCKET_SOCKET_H
#define NET_SOCKET_SOCKET_H
#include <backplane/net.h>
#include <backplane/plugin.h>
#include <netinet/in.h>
#include <sys/un.h>

enum { READABLE = 1, WRITABLE = 2 };

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
	struct sockaddr_un local;
};

struct port { /* what streams and datagrams share: the first member of both */
	const struct bp_host *host;
	void *owner;
	const struct bp_net_front *front;
	bp_watch *watch; /* NULL: nobody is there */
	uint8_t up;
	uint8_t front_full; /* the front says when it has room */
	uint8_t stalled; /* a frame was refused: say when there is room */
	uint8_t reading, writing; /* what the watch is set to */
	uint64_t lost;
};

/* Offer a frame; 1 when it is gone. */
int port_give(struct port *p, const uint8_t *frame, uint32_t len, int more);
void port_link(struct port *p, int up);
void port_rearm(struct port *p, int want_write);
/* Say that a refused frame is welcome now. */
void port_ready(struct port *p);
/* "HOST:PORT" or "[HOST]:PORT"; no host: the loopback. -1 after host->fail. */
int port_address(const struct bp_host *host, const char *name, const char *text, int type,
	union address *out, socklen_t *len, bp_error *err);

void *port_attach(void *back, void *owner, const struct bp_net_front *front, bp_error *err);
void port_detach(void *port);
void port_info(void *port, struct bp_net_info *out);
void port_offload(void *port, uint32_t gives);

extern const struct bp_object net_unix, net_tcp, net_udp, net_multicast;

#endif
