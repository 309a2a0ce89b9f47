/* SPDX-License-Identifier: MIT */
/* Paths, and the calls about files and descriptors that need more than a row of the table. */
#include "linux.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <linux/magic.h>
#include <linux/openat2.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/statfs.h>
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
	uint8_t bytes[sizeof(t->os->auxv)];
	words_store(t->os, bytes, t->os->auxv, t->os->auxv_words);
	fwrite(bytes, t->os->layout->word, t->os->auxv_words, out);
}

/* One of the host's lines, by runs of pages that the guest sees alike. */
static void split(const struct os *os, struct mapping m, mapping_fn *fn, void *self)
{
	uint64_t low = m.low, high = m.high, offset = m.offset;
	for (uint64_t at = low, end; at < high; at = end) {
		m.what = os->user->page(at);
		for (end = at + PAGE; end < high && os->user->page(end) == m.what;)
			end += PAGE;
		m.low = at;
		m.high = end;
		m.offset = m.inode ? offset + (at - low) : 0;
		if (m.what & BP_USER_MAPPED)
			fn(self, &m);
	}
}

/* What the host says of its own mappings, within the guest's address space. `changed` is known of "smaps"
 * alone. Without /proc the pages are all that is known. */
void mappings_each(const struct os *os, bool with_changes, mapping_fn *fn, void *self)
{
	uint64_t base = (uintptr_t)os->base, changed;
	struct mapping m = { 0 }, next = { .private = true };
	char line[PATH_SIZE + 256], perm[8];
	FILE *in = fopen(with_changes ? "/proc/self/smaps" : "/proc/self/maps", "re");
	if (!in) {
		next.high = os->limit;
		split(os, next, fn, self);
		return;
	}
	while (fgets(line, sizeof(line), in)) {
		int name = 0;
		if (sscanf(line, "Anonymous: %" SCNu64, &changed) == 1)
			m.changed = changed != 0;
		if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %7s %" SCNx64 " %31s %" SCNu64 " %n",
			    &next.low, &next.high, perm, &next.offset, next.dev, &next.inode,
			    &name) < 6)
			continue;
		if (m.high)
			split(os, m, fn, self);
		m.high = 0;
		if (next.low < base || next.high > base + os->limit)
			continue;
		m = next;
		m.low -= base;
		m.high -= base;
		m.private = perm[3] == 'p';
		m.changed = false;
		line[strcspn(line, "\n")] = 0;
		snprintf(m.name, sizeof(m.name), "%s", line + name);
		m.unlinked = strstr(m.name, " (deleted)") != NULL;
	}
	if (m.high)
		split(os, m, fn, self);
	fclose(in);
}

struct maps_view {
	const struct os *os;
	FILE *out;
};

static void view_line(void *self, const struct mapping *m)
{
	const struct maps_view *v = self;
	const struct os *os = v->os;
	const char *label = m->name;
	if (m->low <= os->vdso && os->vdso < m->high)
		label = "[vdso]";
	else if (m->low <= os->stack_top - PAGE && os->stack_top - PAGE < m->high)
		label = "[stack]";
	else if (m->low <= os->brk_start && os->brk_start < m->high && !m->inode)
		label = "[heap]";
	int n = fprintf(v->out,
		"%08" PRIx64 "-%08" PRIx64 " %c%c%c%c %08" PRIx64 " %s %" PRIu64 " ", m->low,
		m->high, m->what & BP_USER_READ ? 'r' : '-', m->what & BP_USER_WRITE ? 'w' : '-',
		m->what & BP_USER_EXEC ? 'x' : '-', m->private ? 'p' : 's', m->offset, m->dev,
		m->inode);
	if (*label)
		fprintf(v->out, "%*s", n < 73 ? 73 - n : 1, "");
	fprintf(v->out, "%s\n", label);
}

static void view_maps(struct thread *t, FILE *out)
{
	struct maps_view v = { t->os, out };
	mappings_each(t->os, false, view_line, &v);
}

/* As many CPUs as there are here, of the guest's kind. */
static void view_cpuinfo(struct thread *t, FILE *out)
{
	const struct bp_linux_abi *abi = t->os->abi;
	char text[1024];
	long count = sysconf(_SC_NPROCESSORS_ONLN);
	for (long i = 0; abi->describe && i < count; i++) {
		abi->describe(t->cpu, (unsigned)i, text, sizeof(text));
		fputs(text, out);
	}
}

static const struct {
	const char *name; /* below /proc/self; or a path */
	void (*write)(struct thread *t, FILE *out);
} views[] = { { "cmdline", view_cmdline }, { "auxv", view_auxv }, { "maps", view_maps },
	{ "/proc/cpuinfo", view_cpuinfo } };

/* A descriptor of the view's text; 0: there is no such view. */
static int64_t open_view(struct thread *t, const char *path, int flags)
{
	const char *own = own_proc(path);
	for (unsigned i = 0; i < sizeof(views) / sizeof(views[0]); i++) {
		const char *name = views[i].name;
		if (name[0] == '/' ? strcmp(name, path) : !own || strcmp(name, own))
			continue;
		if ((flags & O_ACCMODE) != O_RDONLY)
			return -EACCES;
		int fd = memfd_create("view", flags & O_CLOEXEC ? MFD_CLOEXEC : 0);
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

/* /proc/PID/mem, by whatever path: the memory of this process is more than the guest's. What else has its
 * mode on that file system are settings of the kernel. */
static int64_t not_memory(int64_t fd)
{
	struct stat st;
	struct statfs fs;
	char link[32], name[PATH_SIZE];
	static const char settings[] = "/proc/sys/";
	if (fd < 0 || fstat((int)fd, &st) != 0 || st.st_mode != (S_IFREG | 0600) ||
		fstatfs((int)fd, &fs) != 0 || fs.f_type != PROC_SUPER_MAGIC)
		return fd;
	snprintf(link, sizeof(link), "/proc/self/fd/%d", (int)fd);
	ssize_t n = readlink(link, name, sizeof(name));
	if (n >= (ssize_t)strlen(settings) && !memcmp(name, settings, strlen(settings)))
		return fd;
	close((int)fd);
	return -EACCES;
}

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
	return not_memory(
		SAFE(t, SYS_openat, (int64_t)a[0], HOST(file), (int64_t)a[2], (int64_t)a[3]));
}

int64_t sys_openat2(struct thread *t, const uint64_t a[6])
{
	char path[PATH_SIZE], found[2 * PATH_SIZE];
	long n = string_in(t, path, a[1], sizeof(path));
	if (n < 0)
		return n;
	return not_memory(SAFE(t, SYS_openat2, (int64_t)a[0], HOST(path_find(t->os, path, found)),
		HOST(host_ptr(t, a[2])), (int64_t)a[3]));
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
	/* Programs of 32 bits have their own numbers for locks of 64 (asm-generic/fcntl.h), the struct
	 * is the host's; locks of 32 bits have no user. */
	enum { GETLK64 = 12, SETLKW64 = 14 };
	int what = (int)a[1];
	if (t->os->layout->word == 4 && what >= F_GETLK && what <= F_SETLKW)
		return -EINVAL;
	if (t->os->layout->word == 4 && what >= GETLK64 && what <= SETLKW64)
		what += F_GETLK - GETLK64;
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

/* The timeout is a number, or a pointer to a timespec. */
static int64_t epoll_wait_by(struct thread *t, long number, const uint64_t a[6], int64_t timeout)
{
	enum { EVENTS_MAX = 1024 };
	struct epoll_event events[EVENTS_MAX];
	int64_t most = (int)a[2] > EVENTS_MAX ? EVENTS_MAX : (int)a[2];
	int64_t r = SAFE(t, number, (int64_t)a[0], HOST(events), most, timeout,
		HOST(host_ptr(t, a[4])), (int64_t)a[5]);
	for (int64_t i = 0; i < r; i++)
		if (struct_out(t, S_EPOLL_EVENT,
			    a[1] + (uint64_t)i * struct_size(t->os, S_EPOLL_EVENT),
			    &events[i]) != 0)
			return -EFAULT;
	return r;
}

int64_t sys_epoll_pwait(struct thread *t, const uint64_t a[6])
{
	return epoll_wait_by(t, SYS_epoll_pwait, a, (int64_t)a[3]);
}

int64_t sys_epoll_pwait2(struct thread *t, const uint64_t a[6])
{
	struct timespec timeout;
	if (a[3] && struct_in(t, S_TIMESPEC, &timeout, a[3]) != 0)
		return -EFAULT;
	return epoll_wait_by(t, SYS_epoll_pwait2, a, a[3] ? HOST(&timeout) : 0);
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
