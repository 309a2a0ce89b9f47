/* SPDX-License-Identifier: MIT */
/* Which message is which, and the frame around it. */
#include "p9.h"
#include <errno.h>
#include <string.h>

enum { R_LERROR = 7, T_VERSION = 100, NO_TAG = 0xffff };
#define DIALECT "9P2000.L"

static int version(struct p9_call *c)
{
	char dialect[P9_NAME_BYTES];
	uint64_t msize = p9_get(c, 4);
	p9_get_string(c, dialect, sizeof(dialect));
	if (c->err)
		return c->err;
	if (msize < P9_MSIZE_MIN)
		return EMSGSIZE;
	p9_reset(c->p);
	msize = msize < P9_MSIZE_MAX ? msize : P9_MSIZE_MAX;
	int known = !strcmp(dialect, DIALECT);
	c->p->msize = known ? (uint32_t)msize : 0;
	p9_put(c, 4, msize);
	p9_put_string(c, known ? DIALECT : "unknown");
	return 0;
}

static int auth(struct p9_call *c)
{
	(void)c;
	return EOPNOTSUPP; /* whoever reaches the device is who is meant */
}

/* Messages are answered one after the other: the one to be flushed has been. */
static int flush(struct p9_call *c)
{
	p9_get(c, 2);
	return c->err;
}

static const struct message {
	uint8_t type, writes; /* writes: refused where the folder is read-only */
	p9_message *serve;
} messages[] = {
	{ 8, 0, p9_statfs }, { 12, 0, p9_lopen }, { 14, 1, p9_lcreate }, { 16, 1, p9_symlink },
	{ 18, 1, p9_mknod }, { 20, 1, p9_rename }, { 22, 0, p9_readlink }, { 24, 0, p9_getattr },
	{ 26, 1, p9_setattr }, { 30, 0, p9_xattrwalk }, { 32, 1, p9_xattrcreate },
	{ 40, 0, p9_readdir }, { 50, 0, p9_fsync }, { 52, 0, p9_lock }, { 54, 0, p9_getlock },
	{ 70, 1, p9_link }, { 72, 1, p9_mkdir }, { 74, 1, p9_renameat }, { 76, 1, p9_unlinkat },
	{ T_VERSION, 0, version }, { 102, 0, auth }, { 104, 0, p9_attach }, { 108, 0, flush },
	{ 110, 0, p9_walk }, { 116, 0, p9_read }, { 118, 1, p9_write }, { 120, 0, p9_clunk },
	{ 122, 0, p9_remove }, /* drops the fid even then: looks for itself */
};

static int dispatch(struct p9_call *c, unsigned type)
{
	if (!c->p->msize && type != T_VERSION)
		return EPROTO;
	for (unsigned i = 0; i < sizeof(messages) / sizeof(messages[0]); i++)
		if (messages[i].type == type)
			return messages[i].writes && c->p->read_only ? EROFS : messages[i].serve(c);
	return EOPNOTSUPP;
}

uint32_t p9_serve(struct p9 *p, const uint8_t *in, uint32_t len, uint8_t *out, uint32_t room)
{
	struct p9_call c = { .p = p, .in = in, .in_left = len, .out = out, .room = room };
	uint64_t size = p9_get(&c, 4);
	unsigned type = (unsigned)p9_get(&c, 1), tag = (unsigned)p9_get(&c, 2);
	int err = c.err;
	if (err)
		tag = NO_TAG;
	else if (size < P9_HEADER || size > len || (p->msize && size > p->msize))
		err = EMSGSIZE;
	uint32_t most = p->msize ? p->msize : P9_MSIZE_MIN;
	c.room = room < most ? room : most;
	c.used = P9_HEADER;
	if (!err) {
		c.in_left = (uint32_t)size - P9_HEADER;
		err = dispatch(&c, type);
	}
	err = err ? err : c.err;
	if (err) {
		c.used = P9_HEADER;
		c.err = 0;
		p9_put(&c, 4, (uint64_t)err);
		type = R_LERROR - 1;
	}
	uint32_t used = c.used;
	c.used = 0;
	p9_put(&c, 4, used);
	p9_put(&c, 1, type + 1);
	p9_put(&c, 2, tag);
	return used;
}
