/* SPDX-License-Identifier: MIT */
/* Calls of 32-bit programs that a row of the table does not say all of. */
#include "linux.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/select.h>
#include <sys/statfs.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <time.h>
#include <unistd.h>

int64_t sys_llseek(struct thread *t, const uint64_t a[6])
{
	int64_t r = SAFE(
		t, SYS_lseek, (int64_t)a[0], (int64_t)(a[1] << 32 | (uint32_t)a[2]), (int64_t)a[4]);
	return r < 0 ? r : copy_out(t, a[3], &r, sizeof(r)) == 0 ? 0 : -EFAULT;
}

int64_t sys_mmap2(struct thread *t, const uint64_t a[6])
{
	return mem_map(t->os, a[0], a[1], (int)a[2], (int)a[3], (int)a[4],
		(int64_t)(a[5] << 12)); /* units of 4 KiB, whatever a page has */
}

static int64_t statfs_out(struct thread *t, int64_t r, const uint64_t a[6], const struct statfs *s)
{
	if (r < 0)
		return r;
	return a[1] == struct_size(t->os, S_STATFS) ? struct_out(t, S_STATFS, a[2], s) : -EINVAL;
}

int64_t sys_statfs64(struct thread *t, const uint64_t a[6])
{
	char path[PATH_SIZE], found[2 * PATH_SIZE];
	struct statfs s;
	long n = string_in(t, path, a[0], sizeof(path));
	if (n < 0)
		return n;
	return statfs_out(
		t, SAFE(t, SYS_statfs, HOST(path_find(t->os, path, found)), HOST(&s)), a, &s);
}

int64_t sys_fstatfs64(struct thread *t, const uint64_t a[6])
{
	struct statfs s;
	return statfs_out(t, SAFE(t, SYS_fstatfs, (int64_t)a[0], HOST(&s)), a, &s);
}

/* Numbers that 32 bits do not hold become numbers of larger units. */
int64_t sys_sysinfo32(struct thread *t, const uint64_t a[6])
{
	struct sysinfo s;
	unsigned shift = 0;
	if (sysinfo(&s) != 0)
		return -errno;
	uint64_t unit = s.mem_unit, most = s.totalram > s.totalswap ? s.totalram : s.totalswap;
	while (unit << shift < PAGE && (most >> shift) > UINT32_MAX)
		shift++;
	unsigned long *const scaled[] = { &s.totalram, &s.freeram, &s.sharedram, &s.bufferram,
		&s.totalswap, &s.freeswap, &s.totalhigh, &s.freehigh };
	for (unsigned i = 0; i < sizeof(scaled) / sizeof(scaled[0]); i++)
		*scaled[i] >>= shift;
	s.mem_unit = (unsigned)(unit << shift);
	return struct_out(t, S_SYSINFO, a[0], &s);
}

/* ---- siginfo_t ---- */

static int info_out(struct thread *t, uint64_t addr, const siginfo_t *info)
{
	uint8_t bytes[INFO_BYTES];
	info_store(t->os, bytes, info);
	return copy_out(t, addr, bytes, sizeof(bytes)) == 0 ? 0 : -EFAULT;
}

static int info_in(struct thread *t, siginfo_t *info, uint64_t addr)
{
	uint8_t bytes[INFO_BYTES];
	if (copy_in(t, bytes, addr, sizeof(bytes)) != 0)
		return -EFAULT;
	info_load(t->os, info, bytes);
	return 0;
}

int64_t sys_waitid32(struct thread *t, const uint64_t a[6])
{
	siginfo_t info;
	struct rusage used;
	memset(&info, 0, sizeof(info));
	int64_t r = SAFE(t, SYS_waitid, (int64_t)a[0], (int64_t)a[1], HOST(&info), (int64_t)a[3],
		a[4] ? HOST(&used) : 0);
	if (r < 0)
		return r;
	if (a[2] && info_out(t, a[2], &info) != 0)
		return -EFAULT;
	return a[4] && info.si_signo ? struct_out(t, S_RUSAGE, a[4], &used) : r;
}

int64_t sys_sigtimedwait32(struct thread *t, const uint64_t a[6])
{
	struct timespec timeout;
	siginfo_t info;
	if (a[2] && struct_in(t, S_TIMESPEC, &timeout, a[2]) != 0)
		return -EFAULT;
	int64_t r = SAFE(t, SYS_rt_sigtimedwait, HOST(host_ptr(t, a[0])), HOST(&info),
		a[2] ? HOST(&timeout) : 0, (int64_t)a[3]);
	return r > 0 && a[1] && info_out(t, a[1], &info) != 0 ? -EFAULT : r;
}

static int64_t send_info(
	struct thread *t, long number, const uint64_t a[6], unsigned at, bool needed)
{
	siginfo_t info;
	int64_t host[6] = { (int64_t)a[0], (int64_t)a[1], (int64_t)a[2], (int64_t)a[3] };
	if ((needed || a[at]) && info_in(t, &info, a[at]) != 0)
		return -EFAULT;
	host[at] = needed || a[at] ? HOST(&info) : 0;
	return safe_call(t, number, host);
}

int64_t sys_rt_sigqueueinfo32(struct thread *t, const uint64_t a[6])
{
	return send_info(t, SYS_rt_sigqueueinfo, a, 2, true);
}

int64_t sys_rt_tgsigqueueinfo32(struct thread *t, const uint64_t a[6])
{
	return send_info(t, SYS_rt_tgsigqueueinfo, a, 3, true);
}

int64_t sys_pidfd_send_signal32(struct thread *t, const uint64_t a[6])
{
	return send_info(t, SYS_pidfd_send_signal, a, 2, false);
}

/* ---- select: sets are words of 32 bits, the host's of 64 ---- */

enum { SETS = 3, DESCRIPTORS_MAX = 1 << 20 };

static int64_t select_sets(
	struct thread *t, const uint64_t a[6], size_t guest_bytes, uint8_t *sets, size_t bytes)
{
	struct timespec timeout;
	struct word_pair mask;
	int64_t host[6] = { (int)a[0] };
	for (unsigned i = 0; i < SETS; i++) {
		if (a[1 + i] && copy_in(t, sets + i * bytes, a[1 + i], guest_bytes) != 0)
			return -EFAULT;
		host[1 + i] = a[1 + i] ? HOST(sets + i * bytes) : 0;
	}
	if ((a[4] && struct_in(t, S_TIMESPEC, &timeout, a[4]) != 0) ||
		(a[5] && struct_in(t, S_SIGSET_AT, &mask, a[5]) != 0))
		return -EFAULT;
	host[4] = a[4] ? HOST(&timeout) : 0;
	host[5] = a[5] ? HOST(&mask) : 0;
	int64_t r = safe_call(t, SYS_pselect6, host);
	if ((r >= 0 || r == -EINTR) && a[4] && struct_out(t, S_TIMESPEC, a[4], &timeout) != 0)
		return -EFAULT;
	for (unsigned i = 0; r >= 0 && i < SETS; i++)
		if (a[1 + i] && copy_out(t, a[1 + i], sets + i * bytes, guest_bytes) != 0)
			return -EFAULT;
	return r;
}

int64_t sys_select32(struct thread *t, const uint64_t a[6])
{
	int count = (int)a[0];
	if (count < 0)
		return -EINVAL;
	/* The kernel looks at no more than the process can have open. */
	size_t bits = count > DESCRIPTORS_MAX ? DESCRIPTORS_MAX : (size_t)count;
	size_t bytes = (bits + 63) / 64 * 8, guest = (bits + 31) / 32 * 4;
	uint64_t args[6];
	memcpy(args, a, sizeof(args));
	args[0] = bits;
	uint8_t *sets = calloc(SETS, bytes ? bytes : 8);
	int64_t r = sets ? select_sets(t, args, guest, sets, bytes) : -ENOMEM;
	free(sets);
	return r;
}
