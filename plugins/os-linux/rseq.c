/* SPDX-License-Identifier: MIT */
/* Restartable sequences (linux/rseq.h): code that commits by its last store to data of "its CPU", and that
 * the kernel leads elsewhere when another thread may have run on that CPU meanwhile.
 *
 * Native code does not learn when the host preempts or moves its thread. So a thread's cpu_id is a number
 * that no other thread of the process has while it runs: whatever happens between two instructions of a
 * section, nobody else touches that CPU's data, and there is nothing to restart. Numbers are below the
 * count of CPUs; a thread that finds none free is told -1, with which its sections never commit
 * (cpu_id_start is 0), and gets one after a later system call. A number goes to another thread only when
 * its owner ends or unregisters. What can come between two instructions is a signal handler, on the same
 * CPU: then the section is left by its abort handler. membarrier's commands for rseq, which interrupt
 * other threads' sections, do not exist here. */
#include "linux.h"
#include <errno.h>
#include <linux/membarrier.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum {
	AREA_BYTES = 32,
	AREA_ALIGN = 32,
	UNREGISTER = 1,
	CPUS_MAX = 1024,
	NO_CPU = -1,
	SIGNATURE_BYTES = 4,
};
struct area { /* struct rseq, as it was at first: the same for all layouts */
	uint32_t cpu_id_start;
	int32_t cpu_id;
	uint64_t section;
	uint32_t flags, reserved[3];
};
struct section { /* struct rseq_cs */
	uint32_t version, flags;
	uint64_t start, length, abort;
};

static _Atomic(uint8_t) taken[CPUS_MAX];

static int32_t take_cpu(void)
{
	static _Atomic(long) count;
	if (!count)
		count = sysconf(_SC_NPROCESSORS_CONF);
	for (int32_t i = 0; i < CPUS_MAX && i < count; i++)
		if (!atomic_load(&taken[i]) && !atomic_exchange(&taken[i], 1))
			return i;
	return NO_CPU;
}

static int tell(const struct thread *t, bool registered)
{
	struct area a = { .cpu_id_start = t->rseq_cpu < 0 ? 0 : (uint32_t)t->rseq_cpu,
		.cpu_id = registered ? t->rseq_cpu : NO_CPU };
	if (!registered)
		a.cpu_id_start = 0;
	return copy_out(t, t->rseq, &a, offsetof(struct area, section));
}

void rseq_forget(struct thread *t)
{
	if (t->rseq && t->rseq_cpu >= 0)
		atomic_store(&taken[t->rseq_cpu], 0);
	t->rseq = 0;
}

void rseq_alone(const struct thread *t)
{
	for (int32_t i = 0; i < CPUS_MAX; i++)
		atomic_store(&taken[i], t->rseq && t->rseq_cpu == i);
}

void rseq_refresh(struct thread *t)
{
	if (t->rseq_cpu != NO_CPU)
		return;
	t->rseq_cpu = take_cpu();
	if (t->rseq_cpu != NO_CPU)
		tell(t, true);
}

int64_t sys_rseq(struct thread *t, const uint64_t a[6])
{
	uint64_t addr = a[0];
	uint32_t length = (uint32_t)a[1], flags = (uint32_t)a[2], signature = (uint32_t)a[3];
	if (flags & ~(uint32_t)UNREGISTER)
		return -EINVAL;
	if (flags || t->rseq) {
		if (!t->rseq || t->rseq != addr || length != AREA_BYTES)
			return -EINVAL;
		if (t->rseq_signature != signature)
			return -EPERM;
		if (!flags)
			return -EBUSY;
		int r = tell(t, false);
		if (r == 0)
			rseq_forget(t);
		return r == 0 ? 0 : -EFAULT;
	}
	if (!addr || addr % AREA_ALIGN || length != AREA_BYTES)
		return -EINVAL;
	t->rseq = addr;
	t->rseq_signature = signature;
	t->rseq_cpu = take_cpu();
	if (tell(t, true) == 0)
		return 0;
	rseq_forget(t);
	return -EFAULT;
}

int rseq_abort(struct thread *t)
{
	static const uint64_t none;
	struct section s;
	uint64_t at, pc = t->os->abi->pc(t->cpu);
	uint32_t signature;
	if (!t->rseq)
		return 0;
	uint64_t field = t->rseq + offsetof(struct area, section);
	if (copy_in(t, &at, field, sizeof(at)) != 0)
		return -1;
	if (!at)
		return 0;
	if (copy_in(t, &s, at, sizeof(s)) != 0)
		return -1;
	if (pc - s.start < s.length) {
		if (s.version || s.abort - s.start < s.length ||
			copy_in(t, &signature, s.abort - SIGNATURE_BYTES, sizeof(signature)) != 0 ||
			signature != t->rseq_signature)
			return -1;
		t->os->abi->jump(t->cpu, s.abort);
	}
	return copy_out(t, field, &none, sizeof(none));
}

int64_t sys_membarrier(struct thread *t, const uint64_t a[6])
{
	const int of_rseq = MEMBARRIER_CMD_PRIVATE_EXPEDITED_RSEQ |
		MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED_RSEQ;
	if ((int)a[0] & of_rseq)
		return -EINVAL;
	int64_t r = SAFE(t, SYS_membarrier, (int)a[0], (int64_t)a[1], (int64_t)a[2]);
	return r > 0 && (int)a[0] == MEMBARRIER_CMD_QUERY ? r & ~of_rseq : r;
}
