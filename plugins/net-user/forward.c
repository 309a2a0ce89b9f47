/* SPDX-License-Identifier: MIT */
#include "forward.h"
#include <arpa/inet.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

char *next_word(char **rest)
{
	char *p = *rest;
	while (*p == ' ')
		p++;
	if (!*p)
		return NULL;
	char *end = strchr(p, ' ');
	*rest = end ? end + 1 : p + strlen(p);
	if (end)
		*end = 0;
	return p;
}

static int number(const char *text, long most)
{
	char *end;
	if (*text < '0' || *text > '9')
		return -1;
	long v = strtol(text, &end, 10);
	return *end || v > most ? -1 : (int)v;
}

/* ADDRESS:PORT, [ADDRESS]:PORT or :PORT, which leaves the address as it is. */
static int address_parse(char *text, union address *a)
{
	char *colon = strrchr(text, ':');
	if (!colon)
		return -1;
	int port = number(colon + 1, 65535);
	if (port < 0)
		return -1;
	*colon = 0;
	size_t n = strlen(text);
	if (n > 1 && text[0] == '[' && text[n - 1] == ']') {
		text[n - 1] = 0;
		a->v6 = (struct sockaddr_in6){ .sin6_family = AF_INET6 };
		if (inet_pton(AF_INET6, text + 1, &a->v6.sin6_addr) != 1)
			return -1;
	} else if (n) {
		a->v4 = (struct sockaddr_in){ .sin_family = AF_INET };
		if (inet_pton(AF_INET, text, &a->v4.sin_addr) != 1)
			return -1;
	}
	if (a->any.sa_family == AF_INET6)
		a->v6.sin6_port = htons((uint16_t)port);
	else
		a->v4.sin_port = htons((uint16_t)port);
	return port;
}

static int protocol(char **text)
{
	int udp = !strncmp(*text, "udp:", 4);
	if (!udp && strncmp(*text, "tcp:", 4) != 0)
		return -1;
	*text += 4;
	return udp;
}

int host_forward_parse(char *text, struct in_addr guest, struct host_forward *out, const char **why)
{
	memset(out, 0, sizeof(*out));
	*why = "tcp:HOST:PORT-GUEST:PORT or udp:HOST:PORT-GUEST:PORT is expected; HOST and GUEST "
	       "may "
	       "be left out";
	out->udp = protocol(&text);
	char *dash = out->udp < 0 ? NULL : strchr(text, '-');
	if (!dash)
		return -1;
	*dash = 0;
	/* Nobody asked for the whole world to get at the guest. */
	out->host.v4 = (struct sockaddr_in){ .sin_family = AF_INET,
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	out->guest.v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_addr = guest };
	if (address_parse(text, &out->host) < 0 || address_parse(dash + 1, &out->guest) <= 0)
		return -1;
	*why = "host and guest are of different families of addresses";
	return out->host.any.sa_family == out->guest.any.sa_family ? 0 : -1;
}

int guest_forward_parse(char *text, struct guest_forward *out, const char **why)
{
	union address a = { 0 };
	*why = "tcp:ADDRESS:PORT-unix:PATH or tcp:ADDRESS:PORT-cmd:PROGRAM is expected";
	char *dash = protocol(&text) != 0 ? NULL : strchr(text, '-');
	if (!dash)
		return -1;
	*dash = 0;
	int port = address_parse(text, &a);
	if (port <= 0 || a.any.sa_family != AF_INET)
		return -1;
	out->address = a.v4.sin_addr;
	out->port = port;
	out->kind = strncmp(dash + 1, "cmd:", 4) ? TARGET_UNIX : TARGET_COMMAND;
	if (out->kind == TARGET_UNIX && strncmp(dash + 1, "unix:", 5) != 0)
		return -1;
	out->target = strchr(dash + 1, ':') + 1;
	return *out->target ? 0 : -1;
}

static int prefix_of(const char *text, char *name, size_t room, int most)
{
	const char *slash = strchr(text, '/');
	if (!slash || (size_t)(slash - text) >= room)
		return -1;
	snprintf(name, room, "%.*s", (int)(slash - text), text);
	return number(slash + 1, most);
}

int network_parse(const char *text, struct in_addr *net, struct in_addr *mask)
{
	char name[INET_ADDRSTRLEN];
	int bits = prefix_of(text, name, sizeof(name), 30);
	if (bits < 8 || inet_pton(AF_INET, name, net) != 1)
		return -1;
	mask->s_addr = htonl(UINT32_MAX << (32 - bits));
	return net->s_addr & ~mask->s_addr ? -1 : 0;
}

int prefix_parse(const char *text, struct in6_addr *prefix, uint8_t *len)
{
	char name[INET6_ADDRSTRLEN];
	int bits = prefix_of(text, name, sizeof(name), 126);
	if (bits < 0 || inet_pton(AF_INET6, name, prefix) != 1)
		return -1;
	*len = (uint8_t)bits;
	return 0;
}
