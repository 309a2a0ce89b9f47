/* SPDX-License-Identifier: MIT */
/* Fids lie close together in a table, their paths close together in another, so that both can be saved
 * as they are. */
#include "p9.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

struct p9_fid *p9_fid_find(struct p9 *p, uint32_t id)
{
	for (uint32_t i = 0; i < p->fid_count; i++)
		if (p->fids[i].id == id)
			return &p->fids[i];
	return NULL;
}

struct p9_fid *p9_get_fid(struct p9_call *c)
{
	struct p9_fid *f = p9_fid_find(c->p, (uint32_t)p9_get(c, 4));
	if (!f && !c->err)
		c->err = EBADF;
	return f;
}

struct p9_live *p9_live(struct p9 *p, const struct p9_fid *f)
{
	return &p->live[f - p->fids];
}

void p9_path(const struct p9 *p, const struct p9_fid *f, char path[P9_PATH_BYTES])
{
	memcpy(path, p->paths + f->path_at, f->path_len);
	path[f->path_len] = 0;
}

static void cut_path(struct p9 *p, struct p9_fid *f)
{
	uint32_t end = f->path_at + f->path_len;
	memmove(p->paths + f->path_at, p->paths + end, p->path_bytes - end);
	for (uint32_t i = 0; i < p->fid_count; i++)
		if (p->fids[i].path_at > f->path_at)
			p->fids[i].path_at -= f->path_len;
	p->path_bytes -= f->path_len;
	f->path_len = 0;
}

static void add_path(struct p9 *p, struct p9_fid *f, const char *path, uint32_t len)
{
	f->path_at = p->path_bytes;
	f->path_len = len;
	memcpy(p->paths + p->path_bytes, path, len);
	p->path_bytes += len;
}

int p9_set_path(struct p9 *p, struct p9_fid *f, const char *path)
{
	uint32_t len = (uint32_t)strlen(path);
	if (len > P9_PATHS - (p->path_bytes - f->path_len))
		return ENOMEM;
	cut_path(p, f);
	add_path(p, f, path, len);
	return 0;
}

int p9_fid_add(struct p9 *p, uint32_t id, const char *path, uint32_t uid)
{
	uint32_t len = (uint32_t)strlen(path);
	if (id == P9_NO_FID || p9_fid_find(p, id))
		return EBADF;
	if (p->fid_count == P9_FIDS)
		return ENFILE;
	if (len > P9_PATHS - p->path_bytes)
		return ENOMEM;
	struct p9_fid *f = &p->fids[p->fid_count];
	p->live[p->fid_count++] = (struct p9_live){ .fd = -1 };
	*f = (struct p9_fid){ .id = id, .uid = uid };
	add_path(p, f, path, len);
	return 0;
}

static void live_finish(struct p9_live *l)
{
	if (l->fd >= 0)
		close(l->fd);
	free(l->data);
	free(l->name);
	*l = (struct p9_live){ .fd = -1 };
}

void p9_fid_drop(struct p9 *p, struct p9_fid *f)
{
	uint32_t last = p->fid_count - 1;
	p->files -= f->kind == P9_FILE || f->kind == P9_DIR;
	p->xattrs -= f->kind == P9_XATTR_READ || f->kind == P9_XATTR_WRITE;
	cut_path(p, f);
	live_finish(p9_live(p, f));
	*p9_live(p, f) = p->live[last];
	*f = p->fids[last];
	p->live[last] = (struct p9_live){ .fd = -1 };
	p->fids[last] = (struct p9_fid){ 0 };
	p->fid_count--;
}

void p9_close_all(struct p9 *p)
{
	for (uint32_t i = 0; i < P9_FIDS; i++)
		live_finish(&p->live[i]);
	p->files = p->xattrs = 0;
}

void p9_reset(struct p9 *p)
{
	p9_close_all(p);
	memset(p->fids, 0, sizeof(p->fids));
	p->fid_count = p->path_bytes = p->msize = 0;
}

/* Length of what follows the path `from` in f's, or -1: f is elsewhere. */
static int below(const struct p9 *p, const struct p9_fid *f, const char *from)
{
	size_t len = strlen(from);
	if (f->path_len < len || memcmp(p->paths + f->path_at, from, len) != 0 ||
		(f->path_len > len && p->paths[f->path_at + len] != '/'))
		return -1;
	return (int)(f->path_len - len);
}

int p9_can_move(const struct p9 *p, const char *from, const char *to)
{
	size_t more = 0, was = strlen(from), is = strlen(to);
	for (uint32_t i = 0; i < p->fid_count; i++) {
		int rest = below(p, &p->fids[i], from);
		if (rest < 0)
			continue;
		if ((size_t)rest + is >= P9_PATH_BYTES)
			return ENAMETOOLONG;
		more += is > was ? is - was : 0;
	}
	return more > P9_PATHS - p->path_bytes ? ENOMEM : 0;
}

void p9_moved(struct p9 *p, const char *from, const char *to)
{
	char path[P9_PATH_BYTES];
	size_t is = strlen(to);
	for (uint32_t i = 0; i < p->fid_count; i++) {
		struct p9_fid *f = &p->fids[i];
		int rest = below(p, f, from);
		if (rest < 0)
			continue;
		memcpy(path, to, is);
		memcpy(path + is, p->paths + f->path_at + f->path_len - rest, (size_t)rest);
		path[is + (size_t)rest] = 0;
		cut_path(p, f);
		add_path(p, f, path, (uint32_t)is + (uint32_t)rest);
	}
}
