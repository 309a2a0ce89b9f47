/* SPDX-License-Identifier: MIT */
/* Extended attributes: those of users alone ("user."), of files and folders. A fid becomes an
 * attribute's value: one that is read, or one that is written and takes effect when it is clunked. */
#include "p9.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/xattr.h>
#include <unistd.h>

static const char prefix[] = "user.";

static int is_user(const struct p9 *p, const char *name)
{
	return strncmp(name, prefix, sizeof(prefix) - 1) == 0 && !p9_owner_name(p, name);
}

/* Keep the users' names of a list; returns its new length. */
static uint32_t keep_user(const struct p9 *p, char *list, uint32_t len)
{
	uint32_t to = 0;
	for (uint32_t at = 0, n; at < len; at += n) {
		n = (uint32_t)strnlen(list + at, len - at) + 1;
		n = n < len - at ? n : len - at;
		if (!is_user(p, list + at))
			continue;
		memmove(list + to, list + at, n);
		to += n;
	}
	return to;
}

static int open_for_xattr(const struct p9 *p, const struct p9_fid *f, char path[32])
{
	struct stat st;
	int fd = p9_open_fid(p, f);
	if (fd < 0)
		return fd;
	if (fstat(fd, &st) != 0 || (!S_ISREG(st.st_mode) && !S_ISDIR(st.st_mode))) {
		close(fd);
		return -EOPNOTSUPP;
	}
	p9_proc_path(fd, path);
	return fd;
}

/* The value, or the list of names where there is no name, into a new block. */
static int fetch(const struct p9 *p, const struct p9_fid *f, const char *name, uint8_t **data,
	uint32_t *size)
{
	char path[32];
	int fd = open_for_xattr(p, f, path);
	if (fd < 0)
		return -fd;
	*data = calloc(1, P9_XATTR_BYTES + 1);
	ssize_t n = -1;
	errno = ENOMEM;
	if (*data)
		n = name[0] ? getxattr(path, name, *data, P9_XATTR_BYTES)
			    : listxattr(path, (char *)*data, P9_XATTR_BYTES);
	int err = n < 0 ? errno : 0;
	close(fd);
	if (err) {
		free(*data);
		return err;
	}
	*size = name[0] ? (uint32_t)n : keep_user(p, (char *)*data, (uint32_t)n);
	uint8_t *less = realloc(*data, *size + 1);
	*data = less ? less : *data;
	return 0;
}

int p9_xattrwalk(struct p9_call *c)
{
	char name[P9_NAME_BYTES], path[P9_PATH_BYTES];
	struct p9 *p = c->p;
	const struct p9_fid *f = p9_get_fid(c);
	uint32_t id = (uint32_t)p9_get(c, 4), size = 0;
	uint8_t *data = NULL;
	p9_get_string(c, name, sizeof(name));
	if (c->err)
		return c->err;
	if (name[0] && !is_user(p, name))
		return EOPNOTSUPP;
	if (p->xattrs == P9_XATTRS)
		return ENFILE;
	int err = fetch(p, f, name, &data, &size);
	if (err)
		return err;
	p9_path(p, f, path);
	err = p9_fid_add(p, id, path, f->uid);
	if (err) {
		free(data);
		return err;
	}
	struct p9_fid *made = p9_fid_find(p, id);
	made->kind = P9_XATTR_READ;
	p9_live(p, made)->data = data;
	p9_live(p, made)->size = size;
	p->xattrs++;
	p9_put(c, 8, size);
	return 0;
}

int p9_xattrcreate(struct p9_call *c)
{
	char name[P9_NAME_BYTES];
	struct p9 *p = c->p;
	struct p9_fid *f = p9_get_fid(c);
	p9_get_string(c, name, sizeof(name));
	uint64_t size = p9_get(c, 8);
	uint32_t flags = (uint32_t)p9_get(c, 4);
	if (c->err)
		return c->err;
	if (f->kind != P9_PATH)
		return EBADF;
	if (!is_user(p, name))
		return EOPNOTSUPP;
	if (size > P9_XATTR_BYTES)
		return E2BIG;
	if (flags & ~(uint32_t)(XATTR_CREATE | XATTR_REPLACE))
		return EINVAL;
	if (p->xattrs == P9_XATTRS)
		return ENFILE;
	struct p9_live *l = p9_live(p, f);
	l->data = calloc(1, (size_t)size + 1);
	l->name = strdup(name);
	if (!l->data || !l->name) {
		free(l->data);
		free(l->name);
		l->data = NULL;
		l->name = NULL;
		return ENOMEM;
	}
	l->size = (uint32_t)size;
	l->done = 0;
	l->xattr_flags = flags;
	f->kind = P9_XATTR_WRITE;
	p->xattrs++;
	return 0;
}

int p9_xattr_apply(struct p9 *p, struct p9_fid *f)
{
	char path[32];
	const struct p9_live *l = p9_live(p, f);
	if (l->done != l->size)
		return EINVAL;
	int fd = open_for_xattr(p, f, path);
	if (fd < 0)
		return -fd;
	/* No value and no flags: the attribute goes. */
	int r = l->size || l->xattr_flags
		? setxattr(path, l->name, l->data, l->size, (int)l->xattr_flags)
		: removexattr(path, l->name);
	int err = r == 0 ? 0 : errno;
	close(fd);
	return err;
}
