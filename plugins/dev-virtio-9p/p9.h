/* SPDX-License-Identifier: MIT */
/* A 9P2000.L server for one folder of the host. It knows nothing of virtio: bytes in, bytes out.
 *
 *   wire.c    numbers and strings of messages
 *   fid.c     fids: which number of the client stands for which path
 *   tree.c    paths to open files, beneath the folder and nowhere else
 *   names.c   messages about names: walk, create, rename, remove, links, attributes
 *   file.c    messages about open files: read, write, directories, locks
 *   xattr.c   extended attributes
 *   owner.c   owners and modes, as the host has them or kept beside
 *   serve.c   the table of messages
 *   device.c  the virtio device
 *
 * A fid is a path below the folder, resolved anew by each message that uses it, and an open file once
 * Tlopen or Tlcreate made it one. */
#ifndef DEV_VIRTIO_9P_H
#define DEV_VIRTIO_9P_H
#include <stddef.h>
#include <stdint.h>
#include <sys/stat.h>

enum {
	P9_MSIZE_MIN = 4096,
	P9_MSIZE_MAX = 512 << 10,
	P9_HEADER = 7, /* size[4] type[1] tag[2] */
	P9_ERROR_BYTES = P9_HEADER + 4, /* the least room of an answer */
	P9_FIDS = 4096,
	P9_FILES = 512, /* fids that are open files */
	P9_XATTRS = 16, /* fids that are an attribute's value */
	P9_XATTR_BYTES = 64 << 10,
	P9_PATHS = 1 << 20, /* bytes of all paths together */
	P9_PATH_BYTES = 4096, /* of one path, with the NUL: what the host's kernel takes */
	P9_NAME_BYTES = 256,
	P9_PERMISSIONS = 0777,
	P9_NOBODY = 65534
};
#define P9_NO_FID UINT32_MAX

/* Owners: the host's; the host's, and that they cannot be changed is no error; kept beside. */
enum p9_owners { P9_PASSTHROUGH = 0, P9_IGNORED, P9_MAPPED };

enum p9_kind { P9_PATH = 0, P9_FILE, P9_DIR, P9_XATTR_READ, P9_XATTR_WRITE };

struct p9_fid { /* all of it is saved */
	uint32_t id, kind;
	uint32_t flags; /* of the host's open, with which an open file is opened again */
	uint32_t path_at, path_len; /* in `paths`; length 0: the folder itself */
	uint64_t ino; /* of an open file */
	uint32_t uid; /* of the guest's user who attached */
};

struct p9_live { /* what of a fid is not saved */
	int fd; /* -1: none */
	uint32_t xattr_flags, size, done; /* an attribute's value, how much of it was written */
	uint8_t *data;
	char *name;
};

struct p9 {
	int root; /* the folder, -1: none */
	int read_only;
	enum p9_owners owners;
	uint32_t msize; /* 0: no Tversion yet */
	uint32_t fid_count, path_bytes, files, xattrs;
	struct p9_fid fids[P9_FIDS];
	struct p9_live live[P9_FIDS]; /* of the fid with the same index */
	uint8_t paths[P9_PATHS];
};

struct p9_call { /* one message and its answer */
	struct p9 *p;
	const uint8_t *in;
	uint32_t in_left;
	uint8_t *out;
	uint32_t used, room;
	int err; /* the first thing wrong with the message, an errno */
};

/* 0, or -1 with errno: the folder cannot be opened, or the kernel has no openat2 (ENOSYS), or the
 * folder's file system cannot keep owners beside (EOPNOTSUPP). */
int p9_init(struct p9 *p, const char *folder, int read_only, enum p9_owners owners);
void p9_finish(struct p9 *p);
/* The session ends: every fid is forgotten. */
void p9_reset(struct p9 *p);
/* Answers the message in `in` (len bytes, of which its size says how many count); returns the
 * answer's length. room is at least P9_ERROR_BYTES. */
uint32_t p9_serve(struct p9 *p, const uint8_t *in, uint32_t len, uint8_t *out, uint32_t room);
/* Open again what the saved fids had open. NULL, or a sentence's end in `text` that says what not. */
const char *p9_restore(struct p9 *p, char *text, size_t bytes);

/* ---- wire.c ---- */
uint64_t p9_get(struct p9_call *c, unsigned bytes); /* 0 and c->err, if the message ends before */
/* A string without a NUL in it; bytes is the room with its end. */
void p9_get_string(struct p9_call *c, char *to, uint32_t bytes);
/* A name to be made, moved or removed: one step, not "." or "..". */
void p9_get_name(struct p9_call *c, char name[P9_NAME_BYTES]);
void p9_put(struct p9_call *c, unsigned bytes, uint64_t v); /* ERANGE: no room */
void p9_put_bytes(struct p9_call *c, const void *from, uint32_t len);
void p9_put_string(struct p9_call *c, const char *s);
void p9_put_qid(struct p9_call *c, const struct stat *st);

/* ---- fid.c; functions that return int return an errno ---- */
struct p9_fid *p9_fid_find(struct p9 *p, uint32_t id);
struct p9_fid *p9_get_fid(struct p9_call *c); /* NULL and c->err: there is none */
struct p9_live *p9_live(struct p9 *p, const struct p9_fid *f);
int p9_fid_add(struct p9 *p, uint32_t id, const char *path, uint32_t uid);
/* What is not saved, of all fids, whatever fid_count says: a snapshot may have been read over it. */
void p9_close_all(struct p9 *p);
void p9_fid_drop(struct p9 *p, struct p9_fid *f);
void p9_path(const struct p9 *p, const struct p9_fid *f, char path[P9_PATH_BYTES]);
int p9_set_path(struct p9 *p, struct p9_fid *f, const char *path);
/* What was at `from` is at `to` now, with what is below. can_move: whether there is room for that. */
int p9_can_move(const struct p9 *p, const char *from, const char *to);
void p9_moved(struct p9 *p, const char *from, const char *to);

/* ---- tree.c; file descriptors, or -errno ---- */
int p9_step(int dir, const char *name); /* O_PATH of what has this name there */
int p9_open_path(const struct p9 *p, const char *path); /* O_PATH, also of a symlink */
int p9_open_fid(const struct p9 *p, const struct p9_fid *f); /* the same of a fid */
int p9_open_dir(const struct p9 *p, const struct p9_fid *f); /* O_PATH of a folder */
/* What an O_PATH descriptor stands for, if it is a regular file or a folder. */
int p9_reopen(int fd, int flags);
void p9_proc_path(int fd, char text[32]); /* a path of an O_PATH descriptor's file */
int p9_join(char path[P9_PATH_BYTES], const char *dir, const char *name); /* errno */
int p9_create_at(int dir, const char *name, int flags, mode_t mode);

/* ---- owner.c; functions that return int return an errno ---- */
enum { P9_MODE = 1, P9_UID = 2, P9_GID = 4, P9_RDEV = 8, P9_ALL = 15 };
struct p9_owner {
	uint32_t valid, uid, gid;
	mode_t mode;
	uint64_t rdev;
};
int p9_stat(const struct p9 *p, int fd, struct stat *st); /* as the guest sees it */
int p9_owner_set(const struct p9 *p, int fd, const struct p9_owner *o);
mode_t p9_owner_mode(const struct p9 *p, mode_t wanted, int dir); /* of what is made on the host */
/* What was just made (fd: it is open; -1) gets its owner, or it is removed. */
int p9_owner_made(const struct p9 *p, int dir, const char *name, int fd, const struct p9_owner *o);
int p9_owner_name(
	const struct p9 *p, const char *name); /* an attribute that the guest does not see */
int p9_owner_possible(int fd);

/* ---- messages; errno, or 0 with the answer's body put ---- */
typedef int p9_message(struct p9_call *c);
p9_message p9_attach, p9_walk, p9_lcreate, p9_lopen, p9_symlink, p9_mknod, p9_mkdir, p9_link,
	p9_rename, p9_renameat, p9_unlinkat, p9_remove, p9_readlink, p9_getattr, p9_setattr;
p9_message p9_statfs, p9_read, p9_write, p9_readdir, p9_fsync, p9_lock, p9_getlock, p9_clunk;
p9_message p9_xattrwalk, p9_xattrcreate;
int p9_xattr_apply(struct p9 *p, struct p9_fid *f); /* the last step of Txattrcreate */

#endif
