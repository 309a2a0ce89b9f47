/* SPDX-License-Identifier: MIT */
/* Messages about files that are open. */
#include "p9.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/vfs.h>
#include <unistd.h>

enum { ENTRIES_BYTES = 16 << 10, ENTRY_HEAD = 13 + 8 + 1 + 2 };
enum { TYPE_READ = 0, TYPE_WRITE = 1, TYPE_NONE = 2 }; /* Tlock's types */
enum { SAID_OK = 0, SAID_BLOCKED = 1, SAID_ERROR = 2 };

static uint32_t at_most(uint64_t v, uint64_t most)
{
	return (uint32_t)(v < most ? v : most);
}

static int file_fd(struct p9_call *c, const struct p9_fid *f)
{
	return f->kind == P9_FILE || f->kind == P9_DIR ? p9_live(c->p, f)->fd : -1;
}

static void patch_count(struct p9_call *c, uint32_t place, uint64_t count)
{
	for (unsigned i = 0; i < 4; i++)
		c->out[place + i] = (uint8_t)(count >> 8 * i);
}

int p9_statfs(struct p9_call *c)
{
	struct statfs s;
	const struct p9_fid *f = p9_get_fid(c);
	if (c->err)
		return c->err;
	int fd = p9_open_fid(c->p, f);
	if (fd < 0)
		return -fd;
	int err = fstatfs(fd, &s) == 0 ? 0 : errno;
	close(fd);
	if (err)
		return err;
	p9_put(c, 4, (uint64_t)s.f_type);
	p9_put(c, 4, (uint64_t)s.f_bsize);
	p9_put(c, 8, s.f_blocks);
	p9_put(c, 8, s.f_bfree);
	p9_put(c, 8, s.f_bavail);
	p9_put(c, 8, s.f_files);
	p9_put(c, 8, s.f_ffree);
	p9_put(c, 8, 0); /* the host's number of its file system is not the guest's business */
	p9_put(c, 4, (uint64_t)s.f_namelen);
	return 0;
}

int p9_read(struct p9_call *c)
{
	const struct p9_fid *f = p9_get_fid(c);
	uint64_t offset = p9_get(c, 8);
	uint32_t count = (uint32_t)p9_get(c, 4), place = c->used;
	if (c->err)
		return c->err;
	p9_put(c, 4, 0);
	if (c->err)
		return c->err;
	count = at_most(count, c->room - c->used);
	ssize_t n = 0;
	if (f->kind == P9_XATTR_READ) {
		const struct p9_live *l = p9_live(c->p, f);
		n = offset < l->size ? at_most(count, l->size - offset) : 0;
		memcpy(c->out + c->used, l->data + (n ? offset : 0), (size_t)n);
	} else if (f->kind != P9_FILE)
		return f->kind == P9_DIR ? EISDIR : EBADF;
	else if (offset > INT64_MAX)
		return EINVAL;
	else
		n = pread(p9_live(c->p, f)->fd, c->out + c->used, count, (off_t)offset);
	if (n < 0)
		return errno;
	patch_count(c, place, (uint64_t)n);
	c->used += (uint32_t)n;
	return 0;
}

int p9_write(struct p9_call *c)
{
	const struct p9_fid *f = p9_get_fid(c);
	uint64_t offset = p9_get(c, 8);
	uint32_t count = (uint32_t)p9_get(c, 4);
	if (c->err)
		return c->err;
	if (count > c->in_left)
		return EPROTO;
	ssize_t n = count;
	if (f->kind == P9_XATTR_WRITE) {
		struct p9_live *l = p9_live(c->p, f);
		if (offset != l->done || count > l->size - l->done)
			return EINVAL;
		memcpy(l->data + l->done, c->in, count);
		l->done += count;
	} else if (f->kind != P9_FILE)
		return EBADF;
	else if (offset > INT64_MAX)
		return EFBIG;
	else
		n = pwrite(p9_live(c->p, f)->fd, c->in, count, (off_t)offset);
	if (n < 0)
		return errno;
	p9_put(c, 4, (uint64_t)n);
	return 0;
}

struct entry { /* getdents64(2) */
	uint64_t ino;
	int64_t next;
	uint16_t bytes;
	uint8_t type;
	char name[];
};

/* 1: there is no room for it. */
static int put_entry(struct p9_call *c, const struct entry *e, uint32_t end, const struct stat *top)
{
	uint32_t len = (uint32_t)strlen(e->name);
	if (end - c->used < ENTRY_HEAD + len)
		return 1;
	/* A file that stands for something else is not looked at here. */
	int known = c->p->owners != P9_MAPPED || e->type != DT_REG;
	p9_put(c, 1, e->type == DT_DIR ? 0x80 : e->type == DT_LNK ? 2 : 0);
	p9_put(c, 4, 0);
	/* What is above the shared folder is not the guest's business. */
	p9_put(c, 8, top && !strcmp(e->name, "..") ? top->st_ino : e->ino);
	p9_put(c, 8, (uint64_t)e->next);
	p9_put(c, 1, known ? e->type : DT_UNKNOWN);
	p9_put_string(c, e->name);
	return 0;
}

int p9_readdir(struct p9_call *c)
{
	_Alignas(8) uint8_t buf[ENTRIES_BYTES];
	const struct p9_fid *f = p9_get_fid(c);
	uint64_t offset = p9_get(c, 8);
	uint32_t count = (uint32_t)p9_get(c, 4), place = c->used;
	struct stat st;
	p9_put(c, 4, 0);
	if (c->err)
		return c->err;
	if (f->kind != P9_DIR)
		return f->kind == P9_FILE ? ENOTDIR : EBADF;
	int fd = p9_live(c->p, f)->fd, full = 0, top = f->path_len == 0;
	uint32_t start = c->used, end = start + at_most(count, c->room - start);
	if (offset > INT64_MAX || lseek(fd, (off_t)offset, SEEK_SET) < 0 || fstat(fd, &st) != 0)
		return EINVAL;
	while (!full) {
		long n = syscall(SYS_getdents64, fd, buf, sizeof(buf));
		if (n < 0)
			return errno;
		if (!n)
			break;
		for (long at = 0; at < n && !full;) {
			const struct entry *e = (const struct entry *)(const void *)(buf + at);
			full = put_entry(c, e, end, top ? &st : NULL);
			at += e->bytes;
		}
	}
	if (full && c->used == start)
		return EINVAL; /* no answer would look like the folder's end */
	patch_count(c, place, c->used - start);
	return 0;
}

int p9_fsync(struct p9_call *c)
{
	const struct p9_fid *f = p9_get_fid(c);
	/* Early clients do not send it. */
	uint64_t data_only = c->in_left ? p9_get(c, 4) : 0;
	if (c->err)
		return c->err;
	int fd = file_fd(c, f);
	if (fd < 0)
		return EBADF;
	return (data_only ? fdatasync(fd) : fsync(fd)) == 0 ? 0 : errno;
}

/* ---- locks: the host's, of the open file that the fid is, so that two fids are two owners ---- */

struct lock {
	uint8_t type;
	uint64_t start, length;
	uint32_t proc;
	char client[P9_NAME_BYTES];
	struct flock host;
};

static int get_lock(struct p9_call *c, struct lock *l)
{
	static const short types[] = { F_RDLCK, F_WRLCK, F_UNLCK };
	l->start = p9_get(c, 8);
	l->length = p9_get(c, 8);
	l->proc = (uint32_t)p9_get(c, 4);
	p9_get_string(c, l->client, sizeof(l->client));
	if (c->err)
		return c->err;
	if (l->type > TYPE_NONE || l->start > INT64_MAX || l->length > INT64_MAX - l->start)
		return EINVAL;
	l->host = (struct flock){ .l_type = types[l->type],
		.l_whence = SEEK_SET,
		.l_start = (off_t)l->start,
		.l_len = (off_t)l->length };
	return 0;
}

/* Never waits: a client that wants to asks again. */
int p9_lock(struct p9_call *c)
{
	const struct p9_fid *f = p9_get_fid(c);
	struct lock l = { .type = (uint8_t)p9_get(c, 1) };
	p9_get(c, 4);
	int err = get_lock(c, &l);
	if (err)
		return err;
	if (f->kind != P9_FILE)
		return EBADF;
	int r = fcntl(p9_live(c->p, f)->fd, F_OFD_SETLK, &l.host);
	int blocked = r != 0 && (errno == EAGAIN || errno == EACCES);
	p9_put(c, 1, r == 0 ? SAID_OK : blocked ? SAID_BLOCKED : SAID_ERROR);
	return 0;
}

int p9_getlock(struct p9_call *c)
{
	const struct p9_fid *f = p9_get_fid(c);
	struct lock l = { .type = (uint8_t)p9_get(c, 1) };
	int err = get_lock(c, &l);
	if (err)
		return err;
	if (f->kind != P9_FILE)
		return EBADF;
	if (l.type != TYPE_NONE && fcntl(p9_live(c->p, f)->fd, F_OFD_GETLK, &l.host) != 0)
		return errno;
	if (l.host.l_type != F_UNLCK) {
		l.start = (uint64_t)l.host.l_start;
		l.length = (uint64_t)l.host.l_len;
	}
	p9_put(c, 1,
		l.host.l_type == F_RDLCK           ? TYPE_READ
			: l.host.l_type == F_WRLCK ? TYPE_WRITE
						   : TYPE_NONE);
	p9_put(c, 8, l.start);
	p9_put(c, 8, l.length);
	p9_put(c, 4, l.proc);
	p9_put_string(c, l.client);
	return 0;
}

int p9_clunk(struct p9_call *c)
{
	struct p9_fid *f = p9_get_fid(c);
	if (c->err)
		return c->err;
	int err = f->kind == P9_XATTR_WRITE ? p9_xattr_apply(c->p, f) : 0;
	p9_fid_drop(c->p, f);
	return err;
}
