/* SPDX-License-Identifier: MIT */
/* Restartable sequences: registration, numbers of CPUs, sections that a signal leaves. Run it with
 * GLIBC_TUNABLES=glibc.pthread.rseq=0: the area is this program's own. */
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

enum { RSEQ = 293, SIGN = 0x53053053, THREADS = 8, ROUNDS = 200 };
struct area {
	uint32_t cpu_id_start;
	int32_t cpu_id;
	uint64_t section;
	uint32_t flags, rest[3];
} __attribute__((aligned(32)));

static __thread struct area mine = { .cpu_id = -1 };
static int failed;

static void check(const char *what, int good)
{
	printf("%s%s\n", good ? "ok " : "not ok ", what);
	failed |= !good;
}

static long reg(void *a, unsigned len, int flags, unsigned signature)
{
	return syscall(RSEQ, a, len, flags, signature) < 0 ? -errno : 0;
}

/* The section counts down and stores `done` last; returns 1, or 0 when it was left by its abort handler. */
long section(struct area *a, long turns, volatile long *done);
extern char sec_start[], sec_end[], sec_abort[];
__asm__(".pushsection .data\n .balign 32\n"
	"sec_table: .word 0, 0\n .dword sec_start, sec_end - sec_start, sec_abort\n .popsection\n"
	".globl section, sec_start, sec_end, sec_abort\n"
	"section: la t0, sec_table\n sd t0, 8(a0)\n"
	"sec_start: beqz a1, 1f\n addi a1, a1, -1\n j sec_start\n"
	"1: li t1, 1\n sd t1, 0(a2)\n"
	"sec_end: li a0, 1\n ret\n"
	" .word 0x53053053\n"
	"sec_abort: li a0, 0\n ret\n");

static volatile int came, at_abort, cleared;
static void handler(int signal, siginfo_t *info, void *context)
{
	ucontext_t *u = context;
	(void)signal, (void)info;
	came++;
	at_abort += u->uc_mcontext.__gregs[0] == (uintptr_t)sec_abort;
	cleared += mine.section == 0;
}

static void sections(void)
{
	struct sigaction act = { .sa_sigaction = handler, .sa_flags = SA_SIGINFO };
	struct itimerval every = { { 0, 2000 }, { 0, 2000 } }, off = { { 0, 0 }, { 0, 0 } };
	volatile long done = 0;
	int aborted = 0, wrong = 0;
	check("a section ends", section(&mine, 10, &done) == 1 && done == 1);
	sigaction(SIGALRM, &act, NULL);
	setitimer(ITIMER_REAL, &every, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		done = 0;
		long r = section(&mine, 3000000, &done);
		aborted += !r;
		wrong += r != done;
	}
	setitimer(ITIMER_REAL, &off, NULL);
	check("signals leave sections", aborted > 0 && aborted <= at_abort);
	check("what was left has not committed", !wrong);
	check("handlers find no section", came == cleared);
	mine.section = 0;
}

static pthread_barrier_t all;
static int ids[THREADS];

static void *thread(void *arg)
{
	long n = (long)arg;
	struct area own __attribute__((aligned(32))) = { .cpu_id = -1 };
	long r = reg(&own, 32, 0, SIGN);
	ids[n] = r ? -100 : own.cpu_id;
	if (own.cpu_id >= 0 && own.cpu_id_start != (uint32_t)own.cpu_id)
		ids[n] = -100;
	pthread_barrier_wait(&all);
	pthread_barrier_wait(&all);
	return NULL;
}

static void threads(void)
{
	pthread_t t[THREADS];
	long cpus = sysconf(_SC_NPROCESSORS_CONF), have = 0;
	for (int turn = 0; turn < 2; turn++) { /* the second time: by those of threads that ended */
		int twice = 0, bad = 0;
		have = 0;
		pthread_barrier_init(&all, NULL, THREADS + 1);
		for (long i = 0; i < THREADS; i++)
			pthread_create(&t[i], NULL, thread, (void *)i);
		pthread_barrier_wait(&all);
		for (int i = 0; i < THREADS; i++) {
			have += ids[i] >= 0;
			bad += ids[i] < -1 || ids[i] >= cpus || ids[i] == mine.cpu_id;
			for (int k = 0; k < i; k++)
				twice += ids[i] >= 0 && ids[i] == ids[k];
		}
		pthread_barrier_wait(&all);
		for (int i = 0; i < THREADS; i++)
			pthread_join(t[i], NULL);
		check("numbers of CPUs",
			!twice && !bad && have == (cpus - 1 < THREADS ? cpus - 1 : THREADS));
	}
}

int main(void)
{
	static struct area other = { .cpu_id = -1 };
	check("unaligned", reg((char *)&other + 8, 32, 0, SIGN) == -EINVAL);
	check("a wrong length", reg(&other, 16, 0, SIGN) == -EINVAL);
	check("unknown flags", reg(&other, 32, 2, SIGN) == -EINVAL);
	check("not mapped", reg((void *)0x1000, 32, 0, SIGN) == -EFAULT);
	check("not registered", reg(&mine, 32, 1, SIGN) == -EINVAL);
	check("registered",
		reg(&mine, 32, 0, SIGN) == 0 && mine.cpu_id >= 0 &&
			mine.cpu_id_start == (uint32_t)mine.cpu_id);
	check("twice", reg(&mine, 32, 0, SIGN) == -EBUSY && reg(&other, 32, 0, SIGN) == -EINVAL);
	check("another signature", reg(&mine, 32, 1, 1) == -EPERM);
	sections();
	threads();
	check("membarrier",
		syscall(SYS_membarrier, 1 << 8, 0, 0) == -1 && errno == EINVAL &&
			!(syscall(SYS_membarrier, 0, 0, 0) & (3 << 7)));
	check("unregistered",
		reg(&mine, 32, 1, SIGN) == 0 && mine.cpu_id == -1 && !mine.cpu_id_start);
	fflush(stdout);
	return failed;
}
