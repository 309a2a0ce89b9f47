/* SPDX-License-Identifier: MIT */
/* Paths, and the calls about files and descriptors that need more than a row of the table. */
#include "linux.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

/* ---- paths ---- */

/* Links that begin with "/" lead to the sysroot again; those in the middle of a path are the host's to
 * follow, and Debian's are relative. */
const char *path_find(const struct os *os, const char *path, char out[2 * PATH_SIZE])
{
	enum { LINKS_MAX = 40 };
	const char *root = os->start->sysroot;
	char target[PATH_SIZE];
	struct stat st;
	if (!root || path[0] != '/' || !strncmp(path, "/proc/", 6) || !strncmp(path, "/dev/", 5))
		return path;
	if ((size_t)snprintf(out, 2 * PATH_SIZE, "%s%s", root, path) >= 2 * PATH_SIZE)
		return path;
	for (unsigned i = 0; i < LINKS_MAX; i++) {
		if (lstat(out, &st) != 0)
			return i ? out : path;
		ssize_t n = S_ISLNK(st.st_mode) ? readlink(out, target, sizeof(target) - 1) : -1;
		if (n <= 0 || target[0] != '/')
			return out;
		target[n] = 0;
		if ((size_t)snprintf(out, 2 * PATH_SIZE, "%s%s", root, target) >= 2 * PATH_SIZE)
			return path;
	}
	return out;
}

/* "exe" of /proc/self/exe and the like, or NULL. */
static const char *own_proc(const char *path)
{
	static const char *const heads[] = { "/proc/self/", "/proc/thread-self/" };
	char own[32];
	for (unsigned i = 0; i < 2; i++)
		if (!strncmp(path, heads[i], strlen(heads[i])))
			return path + strlen(heads[i]);
	snprintf(own, sizeof(own), "/proc/%d/", (int)getpid());
	return strncmp(path, own, strlen(own)) ? NULL : path + strlen(own);
}

/* ---- views of /proc/self ---- */

static void view_cmdline(struct thread *t, FILE *out)
{
	char buf[PAGE];
	for (uint64_t at = t->os->argv_low; at < t->os->argv_end;) {
		size_t n = t->os->argv_end - at > sizeof(buf) ? sizeof(buf) : t->os->argv_end - at;
		if (copy_in(t, buf, at, n) != 0)
			return;
		fwrite(buf, 1, n, out);
		at += n;
	}
}

static void view_auxv(struct thread *t, FILE *out)
{
	fwrite(t->os->auxv, sizeof(uint64_t), t->os->auxv_words, out);
}

/* The host's lines within the guest's address space, with the guest's addresses and permissions. */
static void view_maps(struct thread *t, FILE *out)
{
	const struct os *os = t->os;
	uint64_t base = (uintptr_t)os->base, from, to, offset, inode;
	char line[PATH_SIZE + 256], dev[32], perm[8];
	FILE *in = fopen("/proc/self/maps", "re");
	while (in && fgets(line, sizeof(line), in)) {
		int name = 0;
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %31s %" SCNu64 " %n",
			    &from, &to, perm, &offset, dev, &inode, &name) < 6 ||
			from < base || to > base + os->limit)
			continue;
		for (uint64_t at = from - base, end; at < to - base; at = end) {
			unsigned what = os->user->page(at);
			for (end = at + PAGE; end < to - base && os->user->page(end) == what;)
				end += PAGE;
			if (!(what & BP_USER_MAPPED))
				continue;
			const char *label = line + name;
			if (at <= os->vdso && os->vdso < end)
				label = "[vdso]\n";
			else if (at <= os->stack_top - PAGE && os->stack_top - PAGE < end)
				label = "[stack]\n";
			else if (at <= os->brk_start && os->brk_start < end && !inode)
				label = "[heap]\n";
			int n = fprintf(out,
				"%08" PRIx64 "-%08" PRIx64 " %c%c%c%c %08" PRIx64 " %s %" PRIu64
				" ",
				at, end, what & BP_USER_READ ? 'r' : '-',
				what & BP_USER_WRITE ? 'w' : '-', what & BP_USER_EXEC ? 'x' : '-',
				perm[3], inode ? offset + (at - (from - base)) : 0, dev, inode);
			if (*label && *label != '\n')
				fprintf(out, "%*s", n < 73 ? 73 - n : 1, "");
			fputs(*label ? label : "\n", out);
		}
	}
	if (in)
		fclose(in);
}

static const struct {
	const char *name;
	void (*write)(struct thread *t, FILE *out);
} views[] = { { "cmdline", view_cmdline }, { "auxv", view_auxv }, { "maps", view_maps } };

/* A descriptor of the view's text; 0: there is no such view. */
static int64_t open_view(struct thread *t, const char *path, int flags)
{
	const char *name = own_proc(path);
	for (unsigned i = 0; name && i < sizeof(views) / sizeof(views[0]); i++) {
		if (strcmp(views[i].name, name))
			continue;
		if ((flags & O_ACCMODE) != O_RDONLY)
			return -EACCES;
		int fd = memfd_create(name, flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
		FILE *out = fd < 0 ? NULL : fdopen(dup(fd), "w");
		if (!out)
			return -ENFILE;
		views[i].write(t, out);
		fclose(out);
		lseek(fd, 0, SEEK_SET);
		return fd + 1;
	}
	return 0;
}

static bool is_exe(const char *path)
{
	const char *name = own_proc(path);
	return name && !strcmp(name, "exe");
}

/* ---- opening ---- */

int64_t sys_openat(struct thread *t, const uint64_t a[6])
{
	char path[PATH_SIZE], found[2 * PATH_SIZE];
	long n = string_in(t, path, a[1], sizeof(path));
	if (n < 0)
		return n;
	int64_t view = open_view(t, path, (int)a[2]);
	if (view)
		return view < 0 ? view : view - 1;
	const char *file = is_exe(path) && t->os->exe ? t->os->exe : path_find(t->os, path, found);
	return SAFE(t, SYS_openat, (int64_t)a[0], HOST(file), (int64_t)a[2], (int64_t)a[3]);
}

int64_t sys_openat2(struct thread *t, const uint64_t a[6])
{
	char path[PATH_SIZE], found[2 * PATH_SIZE];
	long n = string_in(t, path, a[1], sizeof(path));
	if (n < 0)
		return n;
	return SAFE(t, SYS_openat2, (int64_t)a[0], HOST(path_find(t->os, path, found)),
		HOST(host_ptr(t, a[2])), (int64_t)a[3]);
}

int64_t sys_readlinkat(struct thread *t, const uint64_t a[6])
{
	char path[PATH_SIZE], found[2 * PATH_SIZE];
	long n = string_in(t, path, a[1], sizeof(path));
	if (n < 0)
		return n;
	if (is_exe(path) && t->os->exe) {
		size_t len = strlen(t->os->exe);
		if ((int64_t)a[3] <= 0)
			return -EINVAL;
		len = len > a[3] ? a[3] : len;
		return copy_out(t, a[2], t->os->exe, len) == 0 ? (int64_t)len : -EFAULT;
	}
	/* The link itself, not what it leads to. */
	const char *file = path;
	if (t->os->start->sysroot && path[0] == '/') {
		struct stat st;
		snprintf(found, sizeof(found), "%s%s", t->os->start->sysroot, path);
		if (lstat(found, &st) == 0)
			file = found;
	}
	return SAFE(t, SYS_readlinkat, (int64_t)a[0], HOST(file), HOST(host_ptr(t, a[2])),
		(int64_t)a[3]);
}

int64_t sys_faccessat(struct thread *t, const uint64_t a[6])
{
	static const struct call row = { 48, SYS_faccessat, "faccessat", "aPo", NULL };
	return call_host(t, &row, a);
}

int64_t sys_chdir(struct thread *t, const uint64_t a[6])
{
	static const struct call row = { 49, SYS_chdir, "chdir", "P", NULL };
	return call_host(t, &row, a);
}

/* ---- stat ---- */

int64_t sys_newfstatat(struct thread *t, const uint64_t a[6])
{
	char path[PATH_SIZE] = "", found[2 * PATH_SIZE];
	struct stat st;
	long n = a[1] || !((int)a[3] & AT_EMPTY_PATH) ? string_in(t, path, a[1], sizeof(path)) : 0;
	if (n < 0)
		return n;
	const char *file = is_exe(path) && t->os->exe && !((int)a[3] & AT_SYMLINK_NOFOLLOW)
		? t->os->exe
		: path_find(t->os, path, found);
	int64_t r = SAFE(t, SYS_newfstatat, (int64_t)a[0], HOST(file), HOST(&st), (int64_t)a[3]);
	return r < 0 ? r : struct_out(t, S_STAT, a[2], &st);
}

int64_t sys_fstat(struct thread *t, const uint64_t a[6])
{
	struct stat st;
	int64_t r = SAFE(t, SYS_fstat, (int64_t)a[0], HOST(&st));
	return r < 0 ? r : struct_out(t, S_STAT, a[1], &st);
}

int64_t sys_statx(struct thread *t, const uint64_t a[6])
{
	static const struct call row = { 291, SYS_statx, "statx", "aPxxp", NULL };
	return call_host(t, &row, a);
}

/* ---- descriptors ---- */

int64_t sys_close(struct thread *t, const uint64_t a[6])
{
	/* The one that exec needs is not the guest's. */
	if ((int)a[0] == t->os->self_fd)
		return -EBADF;
	return SAFE(t, SYS_close, (int64_t)a[0]);
}

int64_t sys_close_range(struct thread *t, const uint64_t a[6])
{
	unsigned first = (unsigned)a[0], last = (unsigned)a[1], own = (unsigned)t->os->self_fd;
	int64_t r = 0;
	if (first > last)
		return -EINVAL;
	if (own < first || own > last)
		return SAFE(t, SYS_close_range, first, last, (int64_t)a[2]);
	if (own > first)
		r = SAFE(t, SYS_close_range, first, own - 1, (int64_t)a[2]);
	if (r == 0 && own < last)
		r = SAFE(t, SYS_close_range, own + 1, last, (int64_t)a[2]);
	return r;
}

int64_t sys_fcntl(struct thread *t, const uint64_t a[6])
{
	enum { GETOWNER_UIDS = 17, GET_HINT = 1035, SET_FILE_HINT = 1038 };
	int what = (int)a[1];
	bool pointer = what == F_GETLK || what == F_SETLK || what == F_SETLKW ||
		what == F_OFD_GETLK || what == F_OFD_SETLK || what == F_OFD_SETLKW ||
		what == F_GETOWN_EX || what == F_SETOWN_EX || what == GETOWNER_UIDS ||
		(what >= GET_HINT && what <= SET_FILE_HINT);
	return SAFE(t, SYS_fcntl, (int64_t)a[0], what,
		pointer ? HOST(host_ptr(t, a[2])) : (int64_t)a[2]);
}

int64_t sys_epoll_ctl(struct thread *t, const uint64_t a[6])
{
	struct epoll_event e = { 0 };
	if (a[3] && struct_in(t, S_EPOLL_EVENT, &e, a[3]) != 0)
		return -EFAULT;
	return SAFE(
		t, SYS_epoll_ctl, (int64_t)a[0], (int64_t)a[1], (int64_t)a[2], a[3] ? HOST(&e) : 0);
}

int64_t sys_epoll_pwait(struct thread *t, const uint64_t a[6])
{
	enum { EVENTS_MAX = 1024 };
	struct epoll_event events[EVENTS_MAX];
	int64_t most = (int)a[2] > EVENTS_MAX ? EVENTS_MAX : (int)a[2];
	int64_t r = SAFE(t, SYS_epoll_pwait, (int64_t)a[0], HOST(events), most, (int64_t)a[3],
		HOST(host_ptr(t, a[4])), (int64_t)a[5]);
	for (int64_t i = 0; i < r; i++)
		if (struct_out(t, S_EPOLL_EVENT,
			    a[1] + (uint64_t)i * struct_size(t->os, S_EPOLL_EVENT),
			    &events[i]) != 0)
			return -EFAULT;
	return r;
}

/* The sixth argument points to a pointer to a mask, and its size. */
int64_t sys_pselect6(struct thread *t, const uint64_t a[6])
{
	uint64_t guest[2], host[2] = { 0, 0 };
	if (a[5]) {
		if (copy_in(t, guest, a[5], sizeof(guest)) != 0)
			return -EFAULT;
		host[0] = (uint64_t)(uintptr_t)host_ptr(t, guest[0]);
		host[1] = guest[1];
	}
	return SAFE(t, SYS_pselect6, (int64_t)a[0], HOST(host_ptr(t, a[1])),
		HOST(host_ptr(t, a[2])), HOST(host_ptr(t, a[3])), HOST(host_ptr(t, a[4])),
		a[5] ? HOST(host) : 0);
}
