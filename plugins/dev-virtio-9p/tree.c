/* SPDX-License-Identifier: MIT */
/* The only place where a path becomes a file. The kernel itself keeps the way beneath the folder
 * (openat2(2)): no "..", no symlink at any step, no other file system, whoever renames what meanwhile.
 * Nothing but an O_PATH descriptor is made that way, which opens nothing: a device or a pipe is seen
 * before it could do harm. */
#include "p9.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { TRIES = 16 };

static int beneath(int dir, const char *path, int flags, mode_t mode)
{
	struct open_how how = { .flags = (uint64_t)(unsigned)(flags | O_CLOEXEC | O_NOFOLLOW),
		.mode = mode,
		.resolve = RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS |
			RESOLVE_NO_XDEV };
	long fd = -1;
	/* EAGAIN: something was renamed while the kernel looked. */
	for (int n = 0; n < TRIES; n++) {
		fd = syscall(SYS_openat2, dir, path[0] ? path : ".", &how, sizeof(how));
		if (fd >= 0 || (errno != EAGAIN && errno != EINTR))
			break;
	}
	return fd >= 0 ? (int)fd : -errno;
}

int p9_step(int dir, const char *name)
{
	return beneath(dir, name, O_PATH, 0);
}

int p9_open_path(const struct p9 *p, const char *path)
{
	return beneath(p->root, path, O_PATH, 0);
}

int p9_open_fid(const struct p9 *p, const struct p9_fid *f)
{
	char path[P9_PATH_BYTES];
	p9_path(p, f, path);
	return p9_open_path(p, path);
}

int p9_open_dir(const struct p9 *p, const struct p9_fid *f)
{
	char path[P9_PATH_BYTES];
	p9_path(p, f, path);
	return beneath(p->root, path, O_PATH | O_DIRECTORY, 0);
}

void p9_proc_path(int fd, char text[32])
{
	snprintf(text, 32, "/proc/self/fd/%d", fd);
}

int p9_reopen(int fd, int flags)
{
	struct stat st;
	char path[32];
	if (fstat(fd, &st) != 0)
		return -errno;
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return S_ISLNK(st.st_mode) ? -ELOOP : -EPERM;
	p9_proc_path(fd, path);
	int r = open(path, flags | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
	return r >= 0 ? r : -errno;
}

int p9_create_at(int dir, const char *name, int flags, mode_t mode)
{
	return beneath(dir, name, flags | O_CREAT | O_EXCL, mode);
}

int p9_join(char path[P9_PATH_BYTES], const char *dir, const char *name)
{
	int n = snprintf(path, P9_PATH_BYTES, "%s%s%s", dir, dir[0] ? "/" : "", name);
	return n < P9_PATH_BYTES ? 0 : ENAMETOOLONG;
}

int p9_init(struct p9 *p, const char *folder, int read_only, enum p9_owners owners)
{
	for (uint32_t i = 0; i < P9_FIDS; i++)
		p->live[i].fd = -1;
	p->read_only = read_only;
	p->owners = owners;
	p->root = open(folder, O_PATH | O_DIRECTORY | O_CLOEXEC);
	int fd = p->root < 0 ? -1 : beneath(p->root, "", O_PATH | O_DIRECTORY, 0);
	int err = p->root < 0 ? errno : fd < 0 ? -fd : 0;
	if (!err && owners == P9_MAPPED && !p9_owner_possible(fd))
		err = EOPNOTSUPP;
	if (fd >= 0)
		close(fd);
	if (err && p->root >= 0)
		close(p->root);
	p->root = err ? -1 : p->root;
	errno = err;
	return err ? -1 : 0;
}

void p9_finish(struct p9 *p)
{
	p9_reset(p);
	if (p->root >= 0)
		close(p->root);
	p->root = -1;
}

/* ---- after a snapshot ---- */

static int sound(struct p9 *p)
{
	if (p->fid_count > P9_FIDS || p->path_bytes > P9_PATHS || p->msize > P9_MSIZE_MAX ||
		(p->fid_count && p->msize < P9_MSIZE_MIN))
		return 0;
	for (uint32_t i = 0; i < p->fid_count; i++) {
		struct p9_fid *f = &p->fids[i];
		if (f->kind > P9_XATTR_WRITE || f->path_at > p->path_bytes ||
			f->path_len > p->path_bytes - f->path_at || f->path_len >= P9_PATH_BYTES ||
			memchr(p->paths + f->path_at, 0, f->path_len))
			return 0;
		if (!f->path_len)
			f->path_at = 0; /* or it would be moved along with what it lies in */
		/* Overlapping paths would be cut twice. */
		for (uint32_t k = 0; k < i; k++)
			if (p->fids[k].id == f->id ||
				(f->path_len && p->fids[k].path_len &&
					f->path_at < p->fids[k].path_at + p->fids[k].path_len &&
					p->fids[k].path_at < f->path_at + f->path_len))
				return 0;
	}
	return 1;
}

static const char *restore_fid(struct p9 *p, struct p9_fid *f, char *text, size_t bytes)
{
	char path[P9_PATH_BYTES];
	struct stat st = { 0 };
	p9_path(p, f, path);
	if (f->kind == P9_PATH)
		return NULL;
	if (f->kind == P9_XATTR_READ || f->kind == P9_XATTR_WRITE) {
		snprintf(text, bytes,
			"the guest was amid an extended attribute of \"%.200s\", which is not "
			"saved",
			path);
		return text;
	}
	int fd = p9_open_path(p, path);
	int file = fd < 0 ? fd : p9_reopen(fd, (int)f->flags);
	if (fd >= 0)
		close(fd);
	p9_live(p, f)->fd = file < 0 ? -1 : file;
	if (file < 0)
		snprintf(text, bytes, "the guest had \"%.200s\" open, which cannot be opened: %s",
			path, strerror(-file));
	else if (fstat(file, &st) != 0 || st.st_ino != f->ino ||
		S_ISDIR(st.st_mode) != (f->kind == P9_DIR))
		snprintf(text, bytes, "the guest had \"%.200s\" open, and that is another file now",
			path);
	else
		return NULL;
	return text;
}

const char *p9_restore(struct p9 *p, char *text, size_t bytes)
{
	const char *bad = NULL;
	int good = sound(p);
	p9_close_all(p);
	uint32_t files = 0;
	if (!good)
		snprintf(text, bytes, "the saved fids contradict each other");
	for (uint32_t i = 0; good && !bad && i < p->fid_count; i++) {
		/* Only what Tlopen and Tlcreate leave there. */
		p->fids[i].flags &= O_ACCMODE | O_SYNC | O_DSYNC | O_DIRECTORY;
		files += p->fids[i].kind != P9_PATH;
		if (p->read_only && (p->fids[i].flags & O_ACCMODE) != O_RDONLY) {
			snprintf(text, bytes,
				"a file was open for writing, and now the folder is read-only");
			bad = text;
		} else if (files > P9_FILES) {
			snprintf(text, bytes, "more than %d files were open", P9_FILES);
			bad = text;
		} else
			bad = restore_fid(p, &p->fids[i], text, bytes);
	}
	if (!good || bad) {
		p9_reset(p);
		return text;
	}
	p->files = files;
	return NULL;
}
