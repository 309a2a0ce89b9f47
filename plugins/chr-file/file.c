/* SPDX-License-Identifier: MIT */
/* A byte stream into a file, and from one. Both are optional; bytes for no file are dropped. */
#include <backplane/chr.h>
#include <backplane/plugin.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

struct file {
	const struct bp_host *host;
	const char *path, *input;
	uint8_t append, opened;
	int out, in;
	bp_watch *watch;
};

static size_t file_write(void *self, const void *buf, size_t len)
{
	struct file *f = self;
	const uint8_t *p = buf;
	size_t left = f->out < 0 ? 0 : len;
	while (left) {
		ssize_t n = write(f->out, p, left);
		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0) {
			f->host->log(f, BP_LOG_ERROR, "%s: %s; what follows is lost", f->path,
				strerror(errno));
			close(f->out);
			f->out = -1;
			break;
		}
		p += n;
		left -= (size_t)n;
	}
	return len;
}

/* A file is always readable: offer its bytes when the device has room, from the main loop. */
static void feed(void *self, uint64_t arg)
{
	struct file *f = self;
	uint8_t buf[256];
	(void)arg;
	while (f->in >= 0) {
		off_t at = lseek(f->in, 0, SEEK_CUR);
		ssize_t n = read(f->in, buf, sizeof(buf));
		if (n <= 0) {
			close(f->in);
			f->in = -1;
			return;
		}
		size_t taken = f->host->chr_receive(f, buf, (size_t)n);
		if (taken < (size_t)n) {
			lseek(f->in, at + (off_t)taken, SEEK_SET);
			return;
		}
	}
}

static void file_ready(void *self)
{
	struct file *f = self;
	if (f->in >= 0)
		f->host->post(f, feed, 0);
}

static const struct bp_chr_back back = {
	.size = sizeof(back),
	.write = file_write,
	.ready = file_ready,
};

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct file *f = self;
	f->host = host;
	f->out = f->in = -1;
	f->opened = 1;
	if (f->path) {
		f->out = open(f->path,
			O_WRONLY | O_CREAT | O_CLOEXEC | (f->append ? O_APPEND : O_TRUNC), 0666);
		if (f->out < 0)
			return host->fail(err, "path \"%s\": %s", f->path, strerror(errno));
	}
	if (f->input) {
		f->in = open(f->input, O_RDONLY | O_CLOEXEC);
		if (f->in < 0)
			return host->fail(err, "input \"%s\": %s", f->input, strerror(errno));
	}
	return 0;
}

static void reset(void *self, int step)
{
	if (step == BP_RESET_LEAVE)
		file_ready(self);
}

static void destroy(void *self)
{
	struct file *f = self;
	if (f->opened && f->out >= 0)
		close(f->out);
	if (f->opened && f->in >= 0)
		close(f->in);
}

static const void *interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.chr-back/1") ? NULL : &back;
}

#define FIELD(m) (uint32_t) offsetof(struct file, m)
static const struct bp_field props[] = {
	{ "path", "the file that bytes are written to", FIELD(path), BP_STR },
	{ "append", "keep what the file holds already", FIELD(append), BP_BOOL },
	{ "input", "a file whose bytes the device receives", FIELD(input), BP_STR },
	{ 0 },
};

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct file),
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.create = create,
	.reset = reset,
	.destroy = destroy,
	.interface = interface,
};

/* A stream with nobody at the other end. */
static size_t null_write(void *self, const void *buf, size_t len)
{
	(void)self;
	(void)buf;
	return len;
}
static const struct bp_chr_back null_back = { .size = sizeof(null_back), .write = null_write };

static const void *null_interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.chr-back/1") ? NULL : &null_back;
}
static const struct bp_object null_object = {
	.size = sizeof(null_object),
	.instance_size = 8,
	.threads = BP_PARALLEL,
	.state_version = 1,
	.state_oldest = 1,
	.interface = null_interface,
};

static const struct bp_type types[] = {
	{ "chr-file", "byte stream into a file", BP_KIND_CHR, 0, &object, NULL },
	{ "chr-null", "byte stream to nowhere", BP_KIND_CHR, 0, &null_object, NULL },
	{ 0 },
};

BP_PLUGIN(chr_file) = {
	BP_PLUGIN_HEAD,
	.name = "chr-file",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
