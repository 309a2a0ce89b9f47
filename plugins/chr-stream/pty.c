/* SPDX-License-Identifier: MIT */
/* A pseudo-terminal: programs such as screen and minicom open its other end. */
#include "stream.h"
#include "types.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

struct pty {
	struct stream stream; /* first: see watched() */
	const char *path;
	uint8_t linked;
	int slave; /* kept open, so that the master does not hang up between users */
};

static void hung_up(void *self)
{
	(void)self; /* the slave end that we hold keeps this from happening */
}

static size_t pty_write(void *self, const void *buf, size_t len)
{
	struct pty *p = self;
	size_t n = stream_write(&p->stream, buf, len);
	/* With nobody reading, the terminal's buffer fills for good: old bytes make room. */
	if (n < len && tcflush(p->slave, TCIFLUSH) == 0)
		n += stream_write(&p->stream, (const uint8_t *)buf + n, len - n);
	return n;
}

static void pty_ready(void *self)
{
	stream_ready(&((struct pty *)self)->stream);
}

static const struct bp_chr_back back = {
	.size = sizeof(back),
	.write = pty_write,
	.ready = pty_ready,
};

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct pty *p = self;
	struct termios raw;
	char name[128];
	p->slave = -1;
	int fd = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC | O_NONBLOCK);
	if (fd < 0 || grantpt(fd) || unlockpt(fd) || ptsname_r(fd, name, sizeof(name))) {
		if (fd >= 0)
			close(fd);
		return host->fail(err, "the host gives no pseudo-terminal: %s", strerror(errno));
	}
	stream_init(&p->stream, host, p, hung_up);
	p->slave = open(name, O_RDWR | O_NOCTTY | O_CLOEXEC);
	if (p->slave >= 0 && tcgetattr(p->slave, &raw) == 0) {
		cfmakeraw(&raw);
		tcsetattr(p->slave, TCSANOW, &raw);
	}
	stream_open(&p->stream, fd);
	if (p->path) {
		if (symlink(name, p->path) != 0)
			return host->fail(err, "path \"%s\": %s; name a file that is not there yet",
				p->path, strerror(errno));
		p->linked = 1;
	}
	host->log(p, BP_LOG_INFO, "connected to %s", name);
	return 0;
}

static void destroy(void *self)
{
	struct pty *p = self;
	if (p->linked)
		unlink(p->path);
	if (p->stream.host && p->slave >= 0)
		close(p->slave);
	stream_finish(&p->stream);
}

static const void *interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.chr-back/1") ? NULL : &back;
}

static const struct bp_field props[] = {
	{ "path", "a symbolic link to make to the terminal", (uint32_t)offsetof(struct pty, path),
		BP_STR },
	{ 0 },
};

const struct bp_object chr_pty = {
	.size = sizeof(chr_pty),
	.instance_size = sizeof(struct pty),
	.threads = BP_PARALLEL,
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.create = create,
	.destroy = destroy,
	.interface = interface,
};
