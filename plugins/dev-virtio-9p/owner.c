/* SPDX-License-Identifier: MIT */
/* Whose a file is. As the host has it; or "mapped-xattr": what the guest wants is kept in attributes of
 * the host's file, which is the user's own. Their names and forms (little-endian numbers) are those that
 * users of other emulators know, so that folders can be shared with these. */
#include "p9.h"
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { MODE_BITS = 07777, HOST_FILE = 0600, HOST_DIR = 0700 };

static const char prefix[] = "user.virtfs.";
static const struct {
	const char *name;
	uint32_t valid, bytes;
} attributes[] = {
	{ "user.virtfs.uid", P9_UID, 4 },
	{ "user.virtfs.gid", P9_GID, 4 },
	{ "user.virtfs.mode", P9_MODE, 4 },
	{ "user.virtfs.rdev", P9_RDEV, 8 },
};
enum { ATTRIBUTES = sizeof(attributes) / sizeof(attributes[0]) };

int p9_owner_name(const struct p9 *p, const char *name)
{
	return p->owners == P9_MAPPED && strncmp(name, prefix, sizeof(prefix) - 1) == 0;
}

int p9_owner_possible(int fd)
{
	char path[32], value[8];
	p9_proc_path(fd, path);
	return getxattr(path, attributes[0].name, value, sizeof(value)) >= 0 || errno == ENODATA;
}

static void overlay(int fd, struct stat *st)
{
	char path[32];
	uint64_t v[ATTRIBUTES] = { st->st_uid, st->st_gid, st->st_mode, st->st_rdev };
	p9_proc_path(fd, path);
	for (unsigned i = 0; i < ATTRIBUTES; i++) {
		uint8_t b[8];
		if (getxattr(path, attributes[i].name, b, sizeof(b)) != attributes[i].bytes)
			continue;
		v[i] = 0;
		for (unsigned n = attributes[i].bytes; n-- > 0;)
			v[i] = v[i] << 8 | b[n];
	}
	st->st_uid = (uid_t)v[0];
	st->st_gid = (gid_t)v[1];
	/* A folder is one, and what is none on the host is none. */
	mode_t kind = (mode_t)v[2] & S_IFMT;
	if (S_ISDIR(st->st_mode) || kind == S_IFDIR || !kind)
		kind = st->st_mode & S_IFMT;
	st->st_mode = kind | ((mode_t)v[2] & MODE_BITS);
	st->st_rdev = v[3];
}

int p9_stat(const struct p9 *p, int fd, struct stat *st)
{
	if (fstatat(fd, "", st, AT_EMPTY_PATH) != 0)
		return errno;
	if (p->owners == P9_MAPPED && (S_ISREG(st->st_mode) || S_ISDIR(st->st_mode)))
		overlay(fd, st);
	return 0;
}

static int set_mapped(int fd, const struct p9_owner *o)
{
	const uint64_t v[ATTRIBUTES] = { o->uid, o->gid, o->mode, o->rdev };
	char path[32];
	struct stat st;
	if (fstat(fd, &st) != 0)
		return errno;
	if (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))
		return EPERM;
	p9_proc_path(fd, path);
	for (unsigned i = 0; i < ATTRIBUTES; i++) {
		uint8_t b[8];
		for (unsigned n = 0; n < sizeof(b); n++)
			b[n] = (uint8_t)(v[i] >> 8 * n);
		if (o->valid & attributes[i].valid &&
			setxattr(path, attributes[i].name, b, attributes[i].bytes, 0) != 0)
			return errno;
	}
	return 0;
}

int p9_owner_set(const struct p9 *p, int fd, const struct p9_owner *o)
{
	char path[32];
	struct stat st;
	if (p->owners == P9_MAPPED) {
		struct p9_owner all = *o;
		int err = o->valid & P9_MODE ? p9_stat(p, fd, &st) : 0;
		/* What it is stays. */
		all.mode = (o->mode & MODE_BITS) |
			(o->valid & P9_MODE && !err ? st.st_mode & S_IFMT : 0);
		return err ? err : set_mapped(fd, &all);
	}
	p9_proc_path(fd, path);
	if (o->valid & (P9_UID | P9_GID) &&
		fchownat(fd, "", o->valid & P9_UID ? o->uid : (uid_t)-1,
			o->valid & P9_GID ? o->gid : (gid_t)-1, AT_EMPTY_PATH) != 0 &&
		p->owners != P9_IGNORED)
		return errno;
	/* No set-user-id: the host's programs would heed it. */
	if (o->valid & P9_MODE && chmod(path, o->mode & (P9_PERMISSIONS | S_ISVTX)) != 0)
		return errno;
	return 0;
}

mode_t p9_owner_mode(const struct p9 *p, mode_t wanted, int dir)
{
	return p->owners != P9_MAPPED ? wanted & P9_PERMISSIONS : dir ? HOST_DIR : HOST_FILE;
}

int p9_owner_made(const struct p9 *p, int dir, const char *name, int fd, const struct p9_owner *o)
{
	if (p->owners != P9_MAPPED)
		return 0;
	int own = fd >= 0 ? fd : p9_step(dir, name);
	int err = own < 0 ? -own : set_mapped(own, o);
	if (own >= 0 && own != fd)
		close(own);
	if (err)
		unlinkat(dir, name, S_ISDIR(o->mode) ? AT_REMOVEDIR : 0);
	return err;
}
