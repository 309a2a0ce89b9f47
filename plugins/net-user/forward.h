/* SPDX-License-Identifier: MIT */
/* What the texts of net-user's properties mean. */
#ifndef NET_USER_FORWARD_H
#define NET_USER_FORWARD_H
#include <netinet/in.h>
#include <stddef.h>
#include <sys/socket.h>

union address {
	struct sockaddr any;
	struct sockaddr_in v4;
	struct sockaddr_in6 v6;
};

struct host_forward { /* hostfwd: PROTOCOL:[HOST]:PORT-[GUEST]:PORT */
	int udp;
	union address host, guest;
};

enum { TARGET_UNIX, TARGET_COMMAND };
struct guest_forward { /* guestfwd: tcp:ADDRESS:PORT-unix:PATH or -cmd:PROGRAM */
	struct in_addr address;
	int port, kind;
	const char *target; /* inside of the text */
};

/* The next word of a list that blanks separate, or NULL. *rest moves on. The words are cut apart. */
char *next_word(char **rest);
/* 0, or -1 and *why says what is wrong. `guest` stands where the text names no guest. */
int host_forward_parse(
	char *text, struct in_addr guest, struct host_forward *out, const char **why);
int guest_forward_parse(char *text, struct guest_forward *out, const char **why);
/* "10.0.2.0/24" and "fec0::/64". */
int network_parse(const char *text, struct in_addr *net, struct in_addr *mask);
int prefix_parse(const char *text, struct in6_addr *prefix, uint8_t *len);

#endif
