/* SPDX-License-Identifier: MIT */
/* Messages about names. Each opens the folder that the name is in (tree.c) and then takes one step
 * from there that follows no symlink. */
#include "p9.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/sysmacros.h>
#include <unistd.h>

enum { WALK_MOST = 16, AT_REMOVEDIR_9P = 0x200, NO_UNAME = -1 };
enum { /* Tsetattr's valid */
	SET_MODE = P9_MODE,
	SET_UID = P9_UID,
	SET_GID = P9_GID,
	SET_SIZE = 8,
	SET_ATIME = 0x10,
	SET_MTIME = 0x20,
	SET_ATIME_TO = 0x80,
	SET_MTIME_TO = 0x100
};
#define GETATTR_BASIC UINT64_C(0x7ff)

/* What Tlopen's flags are on this host; the access mode is the same. */
static const struct {
	uint32_t wire;
	int host;
} open_flags[] = {
	{ 01000, O_TRUNC },
	{ 010000, O_DSYNC },
	{ 04010000, O_SYNC },
	{ 0200000, O_DIRECTORY },
};
enum { WIRE_EXCL = 0200, KEPT_FLAGS = O_ACCMODE | O_SYNC | O_DSYNC | O_DIRECTORY };

static int host_flags(uint32_t wire)
{
	int flags = (int)(wire & 3);
	for (unsigned i = 0; i < sizeof(open_flags) / sizeof(open_flags[0]); i++)
		if ((wire & open_flags[i].wire) == open_flags[i].wire)
			flags |= open_flags[i].host;
	return flags;
}

static int closed(int fd, int result)
{
	int err = result < 0 ? errno : 0;
	close(fd);
	return err;
}

static int stat_fid(struct p9 *p, const struct p9_fid *f, struct stat *st)
{
	if (p9_live(p, f)->fd >= 0)
		return p9_stat(p, p9_live(p, f)->fd, st);
	int fd = p9_open_fid(p, f);
	if (fd < 0)
		return -fd;
	int err = p9_stat(p, fd, st);
	close(fd);
	return err;
}

/* The answer to what made a name. */
static int put_qid_at(struct p9_call *c, int dir, const char *name)
{
	struct stat st;
	int fd = p9_step(dir, name), err = fd < 0 ? -fd : p9_stat(c->p, fd, &st);
	if (fd >= 0)
		close(fd);
	if (!err)
		p9_put_qid(c, &st);
	return err;
}

/* ---- fids ---- */

int p9_attach(struct p9_call *c)
{
	char user[P9_NAME_BYTES], tree[P9_NAME_BYTES];
	uint32_t id = (uint32_t)p9_get(c, 4);
	p9_get(c, 4); /* afid: Tauth gives none */
	p9_get_string(c, user, sizeof(user));
	p9_get_string(c, tree, sizeof(tree));
	uint32_t uid = (uint32_t)p9_get(c, 4);
	if (c->err)
		return c->err;
	if (tree[0] && strcmp(tree, "/") != 0)
		return ENOENT;
	struct stat st;
	int err = p9_stat(c->p, c->p->root, &st);
	if (!err)
		err = p9_fid_add(c->p, id, "", uid == (uint32_t)NO_UNAME ? P9_NOBODY : uid);
	if (!err)
		p9_put_qid(c, &st);
	return err;
}

/* One step of Twalk. ".." is a matter of text: no step of a path is a symlink. */
static int step(struct p9 *p, char path[P9_PATH_BYTES], const char *name, struct stat *st)
{
	char next[P9_PATH_BYTES];
	int err = 0;
	if (!strcmp(name, "..")) {
		char *slash = strrchr(path, '/');
		strcpy(next, path);
		next[slash ? slash - path : 0] = 0;
	} else if (!name[0] || !strcmp(name, ".") || strchr(name, '/'))
		return ENOENT;
	else
		err = p9_join(next, path, name);
	if (err)
		return err;
	int fd = p9_open_path(p, next);
	if (fd < 0)
		return -fd;
	err = p9_stat(p, fd, st);
	close(fd);
	if (!err)
		strcpy(path, next);
	return err;
}

int p9_walk(struct p9_call *c)
{
	char path[P9_PATH_BYTES], name[P9_NAME_BYTES];
	struct p9 *p = c->p;
	struct p9_fid *f = p9_get_fid(c);
	uint32_t id = (uint32_t)p9_get(c, 4), count = (uint32_t)p9_get(c, 2), done = 0;
	if (c->err)
		return c->err;
	if (count > WALK_MOST)
		return EINVAL;
	if (f->kind != P9_PATH || (id != f->id && (id == P9_NO_FID || p9_fid_find(p, id))))
		return EBADF;
	uint32_t place = c->used;
	p9_path(p, f, path);
	p9_put(c, 2, 0);
	int err = 0;
	for (; done < count; done++) {
		struct stat st;
		p9_get_string(c, name, sizeof(name));
		err = c->err ? c->err : step(p, path, name, &st);
		if (err)
			break;
		p9_put_qid(c, &st);
	}
	/* A walk that ends on its way says how far it came, and makes no fid. */
	if (c->err || (err && !done))
		return c->err ? c->err : err;
	if (!err)
		err = id == f->id ? p9_set_path(p, f, path) : p9_fid_add(p, id, path, f->uid);
	else
		err = 0;
	c->out[place] = (uint8_t)done;
	return err;
}

/* ---- opening ---- */

static int opened(struct p9_call *c, struct p9_fid *f, int fd, int flags)
{
	struct stat st;
	int err = p9_stat(c->p, fd, &st);
	if (err) {
		close(fd);
		return err;
	}
	p9_live(c->p, f)->fd = fd;
	f->kind = S_ISDIR(st.st_mode) ? P9_DIR : P9_FILE;
	f->flags = (uint32_t)(flags & KEPT_FLAGS);
	f->ino = st.st_ino;
	c->p->files++;
	p9_put_qid(c, &st);
	p9_put(c, 4, 0); /* iounit: as msize says */
	return 0;
}

static int may_open(const struct p9 *p, const struct p9_fid *f, int flags)
{
	if (f->kind != P9_PATH)
		return EBADF;
	if ((flags & O_ACCMODE) == O_ACCMODE)
		return EINVAL;
	if (p->read_only && ((flags & O_ACCMODE) != O_RDONLY || flags & O_TRUNC))
		return EROFS;
	return p->files < P9_FILES ? 0 : EMFILE;
}

int p9_lopen(struct p9_call *c)
{
	struct p9_fid *f = p9_get_fid(c);
	int flags = host_flags((uint32_t)p9_get(c, 4));
	int err = c->err ? c->err : may_open(c->p, f, flags);
	if (err)
		return err;
	int at = p9_open_fid(c->p, f);
	if (at < 0)
		return -at;
	int fd = p9_reopen(at, flags);
	close(at);
	return fd < 0 ? -fd : opened(c, f, fd, flags);
}

/* Mode and group, as messages that make something end. */
static struct p9_owner get_owner(struct p9_call *c, mode_t kind)
{
	struct p9_owner o = { .valid = P9_ALL };
	o.mode = kind | ((mode_t)p9_get(c, 4) & 07777);
	o.gid = (uint32_t)p9_get(c, 4);
	return o;
}

int p9_lcreate(struct p9_call *c)
{
	char name[P9_NAME_BYTES], dir[P9_PATH_BYTES], path[P9_PATH_BYTES];
	struct p9_fid *f = p9_get_fid(c);
	p9_get_name(c, name);
	uint32_t wire = (uint32_t)p9_get(c, 4);
	struct p9_owner owner = get_owner(c, S_IFREG);
	int flags = host_flags(wire) & ~O_DIRECTORY;
	int err = c->err ? c->err : may_open(c->p, f, flags);
	if (err)
		return err;
	p9_path(c->p, f, dir);
	err = p9_join(path, dir, name);
	if (err)
		return err;
	int at = p9_open_dir(c->p, f);
	if (at < 0)
		return -at;
	owner.uid = f->uid;
	int fd = p9_create_at(at, name, flags & ~O_TRUNC, p9_owner_mode(c->p, owner.mode, 0));
	err = fd < 0 ? 0 : p9_owner_made(c->p, at, name, fd, &owner);
	close(at);
	if (err) {
		close(fd);
		return err;
	}
	if (fd == -EEXIST && !(wire & WIRE_EXCL)) {
		at = p9_open_path(c->p, path);
		fd = at < 0 ? at : p9_reopen(at, flags);
		if (at >= 0)
			close(at);
	}
	if (fd < 0)
		return -fd;
	err = p9_set_path(c->p, f, path);
	if (err) {
		close(fd);
		return err;
	}
	return opened(c, f, fd, flags);
}

/* ---- making and removing ---- */

/* Where owners are kept beside, a file that says where it leads: symlinks have no attributes, and
 * programs of the host follow none of the guest's. */
static int write_link(const struct p9 *p, int dir, const char *name, const char *target,
	const struct p9_owner *owner)
{
	size_t len = strlen(target);
	int fd = p9_create_at(dir, name, O_WRONLY, p9_owner_mode(p, 0, 0));
	if (fd < 0)
		return -fd;
	ssize_t n = write(fd, target, len);
	int err = n == (ssize_t)len ? p9_owner_made(p, dir, name, fd, owner)
		: n < 0             ? errno
				    : ENOSPC;
	close(fd);
	if (n != (ssize_t)len)
		unlinkat(dir, name, 0);
	return err;
}

int p9_symlink(struct p9_call *c)
{
	char name[P9_NAME_BYTES], target[P9_PATH_BYTES];
	const struct p9_fid *f = p9_get_fid(c);
	p9_get_name(c, name);
	p9_get_string(c, target, sizeof(target));
	struct p9_owner owner = {
		.valid = P9_ALL, .gid = (uint32_t)p9_get(c, 4), .mode = S_IFLNK | P9_PERMISSIONS
	};
	if (c->err)
		return c->err;
	int dir = p9_open_dir(c->p, f);
	if (dir < 0)
		return -dir;
	owner.uid = f->uid;
	int err;
	if (c->p->owners == P9_MAPPED)
		err = write_link(c->p, dir, name, target, &owner);
	else
		err = symlinkat(target, dir, name) == 0 ? 0 : errno;
	err = err ? err : put_qid_at(c, dir, name);
	close(dir);
	return err;
}

int p9_mknod(struct p9_call *c)
{
	char name[P9_NAME_BYTES];
	const struct p9_fid *f = p9_get_fid(c);
	p9_get_name(c, name);
	struct p9_owner owner = { .valid = P9_ALL, .mode = (mode_t)p9_get(c, 4) };
	uint32_t major = (uint32_t)p9_get(c, 4), minor = (uint32_t)p9_get(c, 4);
	owner.gid = (uint32_t)p9_get(c, 4);
	owner.rdev = makedev(major, minor);
	if (c->err)
		return c->err;
	mode_t kind = owner.mode & S_IFMT;
	/* Devices, pipes and sockets would be the host's; kept beside they are names alone. */
	if (kind && kind != S_IFREG &&
		(c->p->owners != P9_MAPPED || kind == S_IFDIR || kind == S_IFLNK))
		return EPERM;
	owner.mode |= kind ? 0 : S_IFREG;
	int dir = p9_open_dir(c->p, f);
	if (dir < 0)
		return -dir;
	owner.uid = f->uid;
	int fd = p9_create_at(dir, name, O_WRONLY, p9_owner_mode(c->p, owner.mode, 0));
	int err = fd < 0 ? -fd : p9_owner_made(c->p, dir, name, fd, &owner);
	err = err ? err : put_qid_at(c, dir, name);
	if (fd >= 0)
		close(fd);
	close(dir);
	return err;
}

int p9_mkdir(struct p9_call *c)
{
	char name[P9_NAME_BYTES];
	const struct p9_fid *f = p9_get_fid(c);
	p9_get_name(c, name);
	struct p9_owner owner = get_owner(c, S_IFDIR);
	if (c->err)
		return c->err;
	int dir = p9_open_dir(c->p, f);
	if (dir < 0)
		return -dir;
	owner.uid = f->uid;
	int err = mkdirat(dir, name, p9_owner_mode(c->p, owner.mode, 1)) == 0
		? p9_owner_made(c->p, dir, name, -1, &owner)
		: errno;
	err = err ? err : put_qid_at(c, dir, name);
	close(dir);
	return err;
}

int p9_link(struct p9_call *c)
{
	char name[P9_NAME_BYTES], path[32];
	const struct p9_fid *d = p9_get_fid(c), *f = p9_get_fid(c);
	struct stat st;
	p9_get_name(c, name);
	if (c->err)
		return c->err;
	int fd = p9_open_fid(c->p, f);
	if (fd < 0)
		return -fd;
	int err = fstat(fd, &st) == 0 ? 0 : errno;
	int dir = err || !S_ISREG(st.st_mode) ? -(err ? err : EPERM) : p9_open_dir(c->p, d);
	if (dir >= 0) {
		p9_proc_path(fd, path);
		err = closed(dir, linkat(AT_FDCWD, path, dir, name, AT_SYMLINK_FOLLOW));
	} else
		err = -dir;
	close(fd);
	return err;
}

/* `from` and `to` are paths of folders, or with no name of the thing itself. */
static int move(
	struct p9 *p, const char *from_dir, const char *from, const char *to_dir, const char *to)
{
	char was[P9_PATH_BYTES], is[P9_PATH_BYTES];
	int err = p9_join(was, from_dir, from);
	if (!err)
		err = p9_join(is, to_dir, to);
	if (!err)
		err = p9_can_move(p, was, is);
	if (err)
		return err;
	int a = p9_open_path(p, from_dir);
	int b = p9_open_path(p, to_dir);
	if (a < 0 || b < 0)
		err = a < 0 ? -a : -b;
	else if (renameat(a, from, b, to) != 0)
		err = errno;
	if (a >= 0)
		close(a);
	if (b >= 0)
		close(b);
	if (!err && strcmp(was, is) != 0)
		p9_moved(p, was, is);
	return err;
}

/* A path's folder and its last step; EBUSY: it is the shared folder. */
static int split(const struct p9 *p, const struct p9_fid *f, char dir[P9_PATH_BYTES],
	char name[P9_NAME_BYTES])
{
	p9_path(p, f, dir);
	if (!dir[0])
		return EBUSY;
	char *slash = strrchr(dir, '/');
	/* Names of walks are shorter; a snapshot may say anything. */
	if (strlen(slash ? slash + 1 : dir) >= P9_NAME_BYTES)
		return ENAMETOOLONG;
	strcpy(name, slash ? slash + 1 : dir);
	dir[slash ? slash - dir : 0] = 0;
	return !name[0] || !strcmp(name, ".") || !strcmp(name, "..") ? EINVAL : 0;
}

int p9_rename(struct p9_call *c)
{
	char from_dir[P9_PATH_BYTES], from[P9_NAME_BYTES];
	char to_dir[P9_PATH_BYTES], to[P9_NAME_BYTES];
	const struct p9_fid *f = p9_get_fid(c), *d = p9_get_fid(c);
	p9_get_name(c, to);
	if (c->err)
		return c->err;
	int err = split(c->p, f, from_dir, from);
	if (err)
		return err;
	p9_path(c->p, d, to_dir);
	return move(c->p, from_dir, from, to_dir, to);
}

int p9_renameat(struct p9_call *c)
{
	char from_dir[P9_PATH_BYTES], from[P9_NAME_BYTES];
	char to_dir[P9_PATH_BYTES], to[P9_NAME_BYTES];
	const struct p9_fid *a = p9_get_fid(c);
	p9_get_name(c, from);
	const struct p9_fid *b = p9_get_fid(c);
	p9_get_name(c, to);
	if (c->err)
		return c->err;
	p9_path(c->p, a, from_dir);
	p9_path(c->p, b, to_dir);
	return move(c->p, from_dir, from, to_dir, to);
}

int p9_unlinkat(struct p9_call *c)
{
	char name[P9_NAME_BYTES];
	const struct p9_fid *f = p9_get_fid(c);
	p9_get_name(c, name);
	uint32_t flags = (uint32_t)p9_get(c, 4);
	if (c->err)
		return c->err;
	int dir = p9_open_dir(c->p, f);
	if (dir < 0)
		return -dir;
	return closed(dir, unlinkat(dir, name, flags & AT_REMOVEDIR_9P ? AT_REMOVEDIR : 0));
}

/* The fid is gone whatever comes of it. */
int p9_remove(struct p9_call *c)
{
	char dir[P9_PATH_BYTES], name[P9_NAME_BYTES];
	struct stat st;
	struct p9_fid *f = p9_get_fid(c);
	if (c->err)
		return c->err;
	int err = c->p->read_only ? EROFS : split(c->p, f, dir, name);
	p9_fid_drop(c->p, f);
	if (err)
		return err;
	int at = p9_open_path(c->p, dir);
	if (at < 0)
		return -at;
	int r = fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW);
	if (r == 0)
		r = unlinkat(at, name, S_ISDIR(st.st_mode) ? AT_REMOVEDIR : 0);
	return closed(at, r);
}

static ssize_t read_link(const struct p9 *p, int fd, char *target, size_t bytes)
{
	struct stat host, st;
	if (fstat(fd, &host) != 0 || !S_ISREG(host.st_mode) || p9_stat(p, fd, &st) != 0 ||
		!S_ISLNK(st.st_mode))
		return readlinkat(fd, "", target, bytes);
	int file = p9_reopen(fd, O_RDONLY);
	if (file < 0) {
		errno = -file;
		return -1;
	}
	ssize_t n = read(file, target, bytes);
	close(file);
	return n;
}

int p9_readlink(struct p9_call *c)
{
	char target[P9_PATH_BYTES];
	const struct p9_fid *f = p9_get_fid(c);
	if (c->err)
		return c->err;
	int fd = p9_open_fid(c->p, f);
	if (fd < 0)
		return -fd;
	ssize_t n = read_link(c->p, fd, target, sizeof(target));
	int err = n < 0 ? (errno == ENOENT ? EINVAL : errno) : 0;
	close(fd);
	if (err)
		return err;
	if (n == sizeof(target))
		return ENAMETOOLONG;
	target[n] = 0;
	if (memchr(target, 0, (size_t)n))
		return EINVAL;
	p9_put_string(c, target);
	return 0;
}

/* ---- attributes ---- */

int p9_getattr(struct p9_call *c)
{
	struct stat st;
	const struct p9_fid *f = p9_get_fid(c);
	uint64_t mask = p9_get(c, 8);
	int err = c->err ? c->err : stat_fid(c->p, f, &st);
	if (err)
		return err;
	p9_put(c, 8, mask & GETATTR_BASIC);
	p9_put_qid(c, &st);
	p9_put(c, 4, st.st_mode);
	p9_put(c, 4, st.st_uid);
	p9_put(c, 4, st.st_gid);
	const struct timespec *times[] = { &st.st_atim, &st.st_mtim, &st.st_ctim };
	const uint64_t numbers[] = { st.st_nlink, st.st_rdev, (uint64_t)st.st_size,
		(uint64_t)st.st_blksize, (uint64_t)st.st_blocks };
	for (unsigned i = 0; i < sizeof(numbers) / sizeof(numbers[0]); i++)
		p9_put(c, 8, numbers[i]);
	for (unsigned i = 0; i < sizeof(times) / sizeof(times[0]); i++) {
		p9_put(c, 8, (uint64_t)times[i]->tv_sec);
		p9_put(c, 8, (uint64_t)times[i]->tv_nsec);
	}
	for (unsigned i = 0; i < 4; i++) /* time of birth, generation, data version: not said */
		p9_put(c, 8, 0);
	return 0;
}

struct wanted {
	struct p9_owner owner;
	uint32_t valid;
	uint64_t size;
	struct timespec times[2];
};

static int set_size(int fd, const struct stat *st, uint64_t size)
{
	if (!S_ISREG(st->st_mode))
		return S_ISDIR(st->st_mode) ? EISDIR : EINVAL;
	if (size > INT64_MAX)
		return EFBIG;
	int file = p9_reopen(fd, O_WRONLY);
	return file < 0 ? -file : closed(file, ftruncate(file, (off_t)size));
}

/* fd: O_PATH, or the file that the fid has open, which may have no name any more. */
static int set(const struct p9 *p, int fd, const struct wanted *w)
{
	char path[32];
	struct stat st;
	if (fstatat(fd, "", &st, AT_EMPTY_PATH) != 0)
		return errno;
	p9_proc_path(fd, path);
	int err = w->owner.valid ? p9_owner_set(p, fd, &w->owner) : 0;
	if (!err && w->valid & SET_SIZE)
		err = set_size(fd, &st, w->size);
	if (!err && w->valid & (SET_ATIME | SET_MTIME) &&
		utimensat(AT_FDCWD, path, w->times, 0) != 0)
		err = errno;
	return err;
}

int p9_setattr(struct p9_call *c)
{
	const struct p9_fid *f = p9_get_fid(c);
	struct wanted w = { .valid = (uint32_t)p9_get(c, 4) };
	w.owner.valid = w.valid & (SET_MODE | SET_UID | SET_GID);
	w.owner.mode = (mode_t)p9_get(c, 4);
	w.owner.uid = (uint32_t)p9_get(c, 4);
	w.owner.gid = (uint32_t)p9_get(c, 4);
	w.size = p9_get(c, 8);
	static const uint32_t bits[][2] = { { SET_ATIME, SET_ATIME_TO },
		{ SET_MTIME, SET_MTIME_TO } };
	for (unsigned i = 0; i < 2; i++) {
		w.times[i].tv_sec = (time_t)p9_get(c, 8);
		w.times[i].tv_nsec = (long)p9_get(c, 8);
		if (!(w.valid & bits[i][0]))
			w.times[i].tv_nsec = UTIME_OMIT;
		else if (!(w.valid & bits[i][1]))
			w.times[i].tv_nsec = UTIME_NOW;
		else if (w.times[i].tv_nsec < 0 || w.times[i].tv_nsec > 999999999)
			return EINVAL;
	}
	if (c->err)
		return c->err;
	if (p9_live(c->p, f)->fd >= 0)
		return set(c->p, p9_live(c->p, f)->fd, &w);
	int fd = p9_open_fid(c->p, f);
	if (fd < 0)
		return -fd;
	int err = set(c->p, fd, &w);
	close(fd);
	return err;
}
