/* SPDX-License-Identifier: MIT */
/* Messages about names. Each opens the folder that the name is in (tree.c) and then takes one step
 * from there that follows no symlink. */
#include "p9.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { WALK_MOST = 16, PERMISSIONS = 0777, AT_REMOVEDIR_9P = 0x200 };
enum { /* Tsetattr's valid */
	SET_MODE = 1,
	SET_UID = 2,
	SET_GID = 4,
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

static int stat_fd(int fd, struct stat *st)
{
	return fstatat(fd, "", st, AT_EMPTY_PATH) == 0 ? 0 : errno;
}

static int stat_fid(struct p9 *p, const struct p9_fid *f, struct stat *st)
{
	if (p9_live(p, f)->fd >= 0)
		return stat_fd(p9_live(p, f)->fd, st);
	int fd = p9_open_fid(p, f);
	if (fd < 0)
		return -fd;
	int err = stat_fd(fd, st);
	close(fd);
	return err;
}

/* The answer to what made a name. */
static int put_qid_at(struct p9_call *c, int dir, const char *name)
{
	struct stat st;
	if (fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) != 0)
		return errno;
	p9_put_qid(c, &st);
	return 0;
}

/* ---- fids ---- */

int p9_attach(struct p9_call *c)
{
	char user[P9_NAME_BYTES], tree[P9_NAME_BYTES];
	uint32_t id = (uint32_t)p9_get(c, 4);
	p9_get(c, 4); /* afid: Tauth gives none */
	p9_get_string(c, user, sizeof(user));
	p9_get_string(c, tree, sizeof(tree));
	p9_get(c, 4);
	if (c->err)
		return c->err;
	if (tree[0] && strcmp(tree, "/") != 0)
		return ENOENT;
	struct stat st;
	int err = stat_fd(c->p->root, &st);
	if (!err)
		err = p9_fid_add(c->p, id, "");
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
	err = stat_fd(fd, st);
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
		err = id == f->id ? p9_set_path(p, f, path) : p9_fid_add(p, id, path);
	else
		err = 0;
	c->out[place] = (uint8_t)done;
	return err;
}

/* ---- opening ---- */

static int opened(struct p9_call *c, struct p9_fid *f, int fd, int flags)
{
	struct stat st;
	int err = stat_fd(fd, &st);
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

int p9_lcreate(struct p9_call *c)
{
	char name[P9_NAME_BYTES], dir[P9_PATH_BYTES], path[P9_PATH_BYTES];
	struct p9_fid *f = p9_get_fid(c);
	p9_get_name(c, name);
	uint32_t wire = (uint32_t)p9_get(c, 4);
	mode_t mode = (mode_t)p9_get(c, 4) & PERMISSIONS;
	p9_get(c, 4); /* gid: files are the user's own */
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
	int fd = p9_create_at(at, name, flags & ~O_TRUNC, mode);
	close(at);
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

int p9_symlink(struct p9_call *c)
{
	char name[P9_NAME_BYTES], target[P9_PATH_BYTES];
	const struct p9_fid *f = p9_get_fid(c);
	p9_get_name(c, name);
	p9_get_string(c, target, sizeof(target));
	p9_get(c, 4);
	if (c->err)
		return c->err;
	int dir = p9_open_dir(c->p, f);
	if (dir < 0)
		return -dir;
	int err = symlinkat(target, dir, name) == 0 ? put_qid_at(c, dir, name) : errno;
	close(dir);
	return err;
}

int p9_mknod(struct p9_call *c)
{
	char name[P9_NAME_BYTES];
	const struct p9_fid *f = p9_get_fid(c);
	p9_get_name(c, name);
	mode_t mode = (mode_t)p9_get(c, 4);
	p9_get(c, 4);
	p9_get(c, 4);
	p9_get(c, 4);
	if (c->err)
		return c->err;
	/* Devices, pipes and sockets would be the host's. */
	if (!S_ISREG(mode) && (mode & S_IFMT))
		return EPERM;
	int dir = p9_open_dir(c->p, f);
	if (dir < 0)
		return -dir;
	int fd = p9_create_at(dir, name, O_WRONLY, mode & PERMISSIONS);
	int err = fd < 0 ? -fd : put_qid_at(c, dir, name);
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
	mode_t mode = (mode_t)p9_get(c, 4) & PERMISSIONS;
	p9_get(c, 4);
	if (c->err)
		return c->err;
	int dir = p9_open_dir(c->p, f);
	if (dir < 0)
		return -dir;
	int err = mkdirat(dir, name, mode) == 0 ? put_qid_at(c, dir, name) : errno;
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
	int err = stat_fd(fd, &st);
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

int p9_readlink(struct p9_call *c)
{
	char target[P9_PATH_BYTES];
	const struct p9_fid *f = p9_get_fid(c);
	if (c->err)
		return c->err;
	int fd = p9_open_fid(c->p, f);
	if (fd < 0)
		return -fd;
	ssize_t n = readlinkat(fd, "", target, sizeof(target));
	int err = n < 0 ? (errno == ENOENT ? EINVAL : errno) : 0;
	close(fd);
	if (err)
		return err;
	if (n == sizeof(target))
		return ENAMETOOLONG;
	target[n] = 0;
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
	uint32_t valid, mode, uid, gid;
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
static int set(int fd, const struct wanted *w)
{
	char path[32];
	struct stat st;
	int err = stat_fd(fd, &st);
	if (err)
		return err;
	p9_proc_path(fd, path);
	if (w->valid & (SET_UID | SET_GID) &&
		fchownat(fd, "", w->valid & SET_UID ? w->uid : (uid_t)-1,
			w->valid & SET_GID ? w->gid : (gid_t)-1, AT_EMPTY_PATH) != 0)
		return errno;
	if (w->valid & SET_MODE && chmod(path, w->mode & (PERMISSIONS | S_ISVTX)) != 0)
		return errno;
	if (w->valid & SET_SIZE && (err = set_size(fd, &st, w->size)) != 0)
		return err;
	if (w->valid & (SET_ATIME | SET_MTIME) && utimensat(AT_FDCWD, path, w->times, 0) != 0)
		return errno;
	return 0;
}

int p9_setattr(struct p9_call *c)
{
	const struct p9_fid *f = p9_get_fid(c);
	struct wanted w = { .valid = (uint32_t)p9_get(c, 4) };
	w.mode = (uint32_t)p9_get(c, 4);
	w.uid = (uint32_t)p9_get(c, 4);
	w.gid = (uint32_t)p9_get(c, 4);
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
		return set(p9_live(c->p, f)->fd, &w);
	int fd = p9_open_fid(c->p, f);
	if (fd < 0)
		return -fd;
	int err = set(fd, &w);
	close(fd);
	return err;
}
