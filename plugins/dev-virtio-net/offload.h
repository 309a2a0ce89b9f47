/* SPDX-License-Identifier: MIT */
/* Checksums, cutting long TCP frames into segments, and joining segments to long frames: what a device
 * does in software when the other side cannot. Frames are hostile: nothing is believed of them. */
#ifndef DEV_VIRTIO_NET_OFFLOAD_H
#define DEV_VIRTIO_NET_OFFLOAD_H
#include <backplane/net.h>

struct tcp_frame { /* where things are in a TCP frame that is whole */
	uint32_t ip, tcp, payload,
		end; /* offsets; end: of the IP packet, without Ethernet padding */
	uint8_t v6;
};

/* 0, or -1: it is no TCP over IPv4 or IPv6 without options, extensions and fragments of IP. */
int frame_parse_tcp(const uint8_t *frame, uint32_t len, struct tcp_frame *out);
/* Can what the header asks for be done with a frame of that length? */
int offload_good(const struct bp_net_offload *o, uint64_t len);
/* Sum from start on to the end, store at start + offset. The bounds were checked. */
void checksum_complete(uint8_t *frame, uint32_t len, uint32_t start, uint32_t offset);
/* The TCP checksum of a parsed frame, whatever stands in the field. */
void checksum_tcp(uint8_t *frame, const struct tcp_frame *f);
int checksum_tcp_good(const uint8_t *frame, const struct tcp_frame *f);

/* The segment whose payload begins at `at` bytes of the frame's payload, into out, which has room for
 * the headers and gso_size bytes. Its length. */
uint32_t segment_make(const uint8_t *frame, const struct tcp_frame *f, uint32_t gso_size,
	uint32_t at, uint8_t *out);

struct join { /* segments of one stream that became one frame */
	uint8_t frame[BP_NET_FRAME_MAX];
	uint32_t len; /* 0: none */
	uint32_t segments, gso_size;
	uint32_t next_seq;
	uint8_t closed; /* nothing can follow */
	struct tcp_frame f;
};
enum join_result { JOIN_TAKEN, JOIN_NOT_NEXT, JOIN_NEVER };
/* Take a frame to the end of what there is, or as the first. NOT_NEXT: it could be the first, once what
 * is there is gone. allowed: BP_NET_TSO4, BP_NET_TSO6. */
enum join_result join_add(struct join *j, const uint8_t *frame, uint32_t len, unsigned allowed);
/* Make what was joined one frame; *o says what is to be done with it. */
void join_finish(struct join *j, struct bp_net_offload *o);

#endif
