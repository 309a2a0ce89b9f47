/* SPDX-License-Identifier: MIT */
/* backplane-bridge-helper --fd=N --br=BRIDGE [--use-vnet]: makes a tap device, puts it into a bridge
 * that the administrator has allowed, and sends it over socket N. Installed setuid root, or with the
 * capability CAP_NET_ADMIN; all other privileges are dropped first. */
#include <cap-ng.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail(const char *what, const char *name)
{
	fprintf(stderr, "backplane-bridge-helper: %s \"%s\": %s\n", what, name, strerror(errno));
	return -1;
}

/* Only what makes and joins interfaces is left, and nothing can be gained again. */
static int drop_privileges(void)
{
	capng_clear(CAPNG_SELECT_BOTH);
	if (capng_update(CAPNG_ADD, CAPNG_EFFECTIVE | CAPNG_PERMITTED, CAP_NET_ADMIN) != 0)
		return -1;
	int r = geteuid() == getuid() ? capng_apply(CAPNG_SELECT_CAPS)
				      : capng_change_id((int)getuid(), (int)getgid(),
						CAPNG_DROP_SUPP_GRP | CAPNG_CLEAR_BOUNDING);
	return r || prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) ? -1 : 0;
}

/* Lines "allow BRIDGE", "allow all", "deny BRIDGE", "deny all"; the first that fits holds. */
static int allowed(const char *bridge)
{
	char line[256], verb[16], name[64], more[2];
	int verdict = 0, found = 0;
	FILE *f = fopen(BRIDGE_CONF, "re");
	struct stat st;
	if (!f)
		return fail("the list of bridges", BRIDGE_CONF);
	if (fstat(fileno(f), &st) != 0 || st.st_uid != 0 || st.st_mode & (S_IWGRP | S_IWOTH)) {
		fprintf(stderr,
			"backplane-bridge-helper: \"%s\" must be root's, and nobody else's to "
			"write\n",
			BRIDGE_CONF);
		fclose(f);
		return -1;
	}
	while (!found && fgets(line, sizeof(line), f)) {
		if (sscanf(line, "%15s %63s %1s", verb, name, more) != 2 || verb[0] == '#')
			continue;
		found = !strcmp(name, bridge) || !strcmp(name, "all");
		verdict = found && !strcmp(verb, "allow");
	}
	fclose(f);
	if (verdict)
		return 0;
	fprintf(stderr, "backplane-bridge-helper: \"%s\" does not allow the bridge \"%s\"\n",
		BRIDGE_CONF, bridge);
	return -1;
}

static int join(const char *bridge, const char tap[IFNAMSIZ])
{
	struct ifreq ifr = { 0 };
	int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0), r = -1;
	if (s < 0)
		return fail("a socket for", bridge);
	memcpy(ifr.ifr_name, bridge, strlen(bridge));
	ifr.ifr_ifindex = (int)if_nametoindex(tap);
	if (ioctl(s, SIOCBRADDIF, &ifr) == 0) {
		memset(&ifr, 0, sizeof(ifr));
		memcpy(ifr.ifr_name, tap, IFNAMSIZ);
		r = ioctl(s, SIOCGIFFLAGS, &ifr);
		ifr.ifr_flags |= IFF_UP;
		r = r || ioctl(s, SIOCSIFFLAGS, &ifr) ? -1 : 0;
	}
	if (r)
		fail("the bridge", bridge);
	close(s);
	return r;
}

static int hand_over(int socket, int fd)
{
	char byte = 0, room[CMSG_SPACE(sizeof(int))] = { 0 };
	struct iovec v = { &byte, 1 };
	struct msghdr m = {
		.msg_iov = &v, .msg_iovlen = 1, .msg_control = room, .msg_controllen = sizeof(room)
	};
	struct cmsghdr *c = CMSG_FIRSTHDR(&m);
	c->cmsg_level = SOL_SOCKET;
	c->cmsg_type = SCM_RIGHTS;
	c->cmsg_len = CMSG_LEN(sizeof(int));
	memcpy(CMSG_DATA(c), &fd, sizeof(fd));
	return sendmsg(socket, &m, 0) == 1 ? 0 : fail("the socket", "--fd");
}

int main(int argc, char **argv)
{
	const char *bridge = NULL;
	int socket = -1, vnet = 0;
	struct ifreq ifr = { 0 };
	for (int i = 1; i < argc; i++) {
		if (!strncmp(argv[i], "--fd=", 5))
			socket = atoi(argv[i] + 5);
		else if (!strncmp(argv[i], "--br=", 5))
			bridge = argv[i] + 5;
		else if (!strcmp(argv[i], "--use-vnet"))
			vnet = IFF_VNET_HDR;
		else
			bridge = NULL, argc = 0;
	}
	if (!bridge || !*bridge || strlen(bridge) >= IFNAMSIZ || socket < 0) {
		fprintf(stderr, "usage: backplane-bridge-helper --fd=N --br=BRIDGE [--use-vnet]\n");
		return 1;
	}
	if (drop_privileges() != 0)
		return fprintf(stderr, "backplane-bridge-helper: privileges cannot be dropped\n"),
		       1;
	if (allowed(bridge) != 0)
		return 1;
	strcpy(ifr.ifr_name, "tap%d");
	ifr.ifr_flags = (short)(IFF_TAP | IFF_NO_PI | vnet);
	int fd = open("/dev/net/tun", O_RDWR | O_CLOEXEC);
	if (fd < 0 || ioctl(fd, TUNSETIFF, &ifr) != 0)
		return fail("a tap device for", bridge), 1;
	return join(bridge, ifr.ifr_name) || hand_over(socket, fd) ? 1 : 0;
}
