/* SPDX-License-Identifier: MIT */
/* Fronts and back ends that remember what they were given, and frames. */
#ifndef NET_SUPPORT_H
#define NET_SUPPORT_H
#include "fake_host.h"
#include <backplane/net.h>

struct side { /* a front, or a back end */
	GPtrArray *frames; /* GByteArray *, taken */
	GArray *offloads; /* struct bp_net_offload of each */
	unsigned room; /* frames it takes still; then BP_NET_FULL */
	unsigned refused, ready, more;
	int link; /* the last that was said; -1: nothing */
	const struct bp_net_front *front; /* of a back end: who is attached */
	void *owner;
	struct bp_net_info info; /* of a back end: what it says */
	uint32_t gives;
	uint8_t mac[6];
};

struct side *side_new(void);
void side_free(struct side *s);
extern const struct bp_net_front side_front; /* owner: a side */
extern const struct bp_net side_net; /* back: a side */
/* Frame n that s took. */
const GByteArray *side_frame(const struct side *s, unsigned n);

/* An Ethernet frame of len bytes whose rest is a pattern of `fill`. */
GByteArray *frame_new(unsigned len, uint8_t fill);
/* TCP over IPv4 or IPv6 with right checksums. */
GByteArray *frame_tcp(int v6, uint32_t seq, unsigned flags, unsigned payload, uint8_t fill);
/* Give it to a port's send, or a front's receive. */
int net_send(const struct bp_net *net, void *port, const GByteArray *frame, unsigned flags);
int front_give(const struct bp_net_front *front, void *owner, const GByteArray *frame,
	unsigned flags, const struct bp_net_offload *o);

#endif
