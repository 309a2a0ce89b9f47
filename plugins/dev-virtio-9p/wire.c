/* SPDX-License-Identifier: MIT */
/* Numbers are little-endian; a string is its length in 2 bytes and as many bytes. */
#include "p9.h"
#include <errno.h>
#include <string.h>

static void wrong(struct p9_call *c, int err)
{
	if (!c->err)
		c->err = err;
}

uint64_t p9_get(struct p9_call *c, unsigned bytes)
{
	uint64_t v = 0;
	if (c->in_left < bytes) {
		wrong(c, EPROTO);
		c->in_left = 0;
		return 0;
	}
	for (unsigned i = bytes; i-- > 0;)
		v = v << 8 | c->in[i];
	c->in += bytes;
	c->in_left -= bytes;
	return v;
}

void p9_get_string(struct p9_call *c, char *to, uint32_t bytes)
{
	uint32_t len = (uint32_t)p9_get(c, 2);
	to[0] = 0;
	if (len > c->in_left) {
		wrong(c, EPROTO);
		return;
	}
	if (len >= bytes)
		wrong(c, ENAMETOOLONG);
	else if (memchr(c->in, 0, len))
		wrong(c, EINVAL);
	else {
		memcpy(to, c->in, len);
		to[len] = 0;
	}
	c->in += len;
	c->in_left -= len;
}

void p9_get_name(struct p9_call *c, char name[P9_NAME_BYTES])
{
	p9_get_string(c, name, P9_NAME_BYTES);
	if (!name[0] || strchr(name, '/') || !strcmp(name, ".") || !strcmp(name, ".."))
		wrong(c, EINVAL);
}

void p9_put(struct p9_call *c, unsigned bytes, uint64_t v)
{
	if (c->room - c->used < bytes) {
		wrong(c, ERANGE);
		return;
	}
	for (unsigned i = 0; i < bytes; i++)
		c->out[c->used++] = (uint8_t)(v >> 8 * i);
}

void p9_put_bytes(struct p9_call *c, const void *from, uint32_t len)
{
	if (c->room - c->used < len) {
		wrong(c, ERANGE);
		return;
	}
	memcpy(c->out + c->used, from, len);
	c->used += len;
}

void p9_put_string(struct p9_call *c, const char *s)
{
	uint32_t len = (uint32_t)strlen(s);
	p9_put(c, 2, len);
	p9_put_bytes(c, s, len);
}

void p9_put_qid(struct p9_call *c, const struct stat *st)
{
	p9_put(c, 1, S_ISDIR(st->st_mode) ? 0x80 : S_ISLNK(st->st_mode) ? 2 : 0);
	/* Another number for other contents: what a client's cache goes by. */
	p9_put(c, 4,
		(uint64_t)st->st_mtim.tv_sec ^ (uint64_t)st->st_mtim.tv_nsec ^
			(uint64_t)st->st_size << 8);
	p9_put(c, 8, st->st_ino);
}
