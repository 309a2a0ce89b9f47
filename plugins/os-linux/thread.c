/* SPDX-License-Identifier: MIT */
/* Threads and processes: one host thread for each of the guest's; a fork is a fork of this process; an
 * exec starts this emulator anew. */
#include "linux.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <linux/sched.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/sem.h>
#include <sys/syscall.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- life of a thread ---- */

static void list_add(struct os *os, struct thread *t)
{
	pthread_mutex_lock(&os->threads);
	t->next = os->thread;
	t->prev = &os->thread;
	if (t->next)
		t->next->prev = &t->next;
	os->thread = t;
	os->thread_count++;
	pthread_mutex_unlock(&os->threads);
}

/* True: it was the last one. */
static bool list_remove(struct os *os, struct thread *t)
{
	pthread_mutex_lock(&os->threads);
	*t->prev = t->next;
	if (t->next)
		t->next->prev = t->prev;
	bool last = --os->thread_count == 0;
	pthread_mutex_unlock(&os->threads);
	return last;
}

static void wake(const struct thread *t, uint64_t addr)
{
	syscall(SYS_futex, host_ptr(t, addr), FUTEX_WAKE, 1, NULL, NULL, 0);
}

/* One lock of the robust list (Documentation/locking/robust-futex-ABI of the kernel): if this thread
 * holds it, the next one that takes it shall know. */
static void robust_release(struct thread *t, uint64_t addr)
{
	uint32_t seen, word;
	if (copy_in(t, &word, addr, sizeof(word)) != 0)
		return;
	do {
		seen = word;
		if ((seen & FUTEX_TID_MASK) != (uint32_t)t->tid)
			return;
		if (t->os->user->cas32(
			    addr, &word, seen, (seen & FUTEX_WAITERS) | FUTEX_OWNER_DIED) != 0)
			return;
	} while (word != seen);
	if (seen & FUTEX_WAITERS)
		wake(t, addr);
}

static void robust_exit(struct thread *t)
{
	struct robust_head head;
	uint64_t at;
	enum { LOCKS_MAX = 2048 };
	if (!t->robust || struct_in(t, S_ROBUST, &head, t->robust) != 0)
		return;
	at = head.list;
	for (unsigned n = 0; at != t->robust && n < LOCKS_MAX; n++) {
		uint64_t next;
		if (words_copy_in(t, &next, 1, at & ~UINT64_C(1)) != 0)
			return;
		if (at != head.pending)
			robust_release(t, (at & ~UINT64_C(1)) + head.offset);
		at = next;
	}
	if (head.pending)
		robust_release(t, (head.pending & ~UINT64_C(1)) + head.offset);
}

static void thread_gone(struct thread *t)
{
	static const uint32_t zero;
	robust_exit(t);
	rseq_forget(t);
	if (t->clear_tid && copy_out(t, t->clear_tid, &zero, sizeof(zero)) == 0)
		wake(t, t->clear_tid);
	t->clear_tid = 0;
}

int64_t sys_exit(struct thread *t, const uint64_t a[6])
{
	uint64_t before;
	t->status = (int)a[0] & 0xff;
	signals_block(&before);
	thread_gone(t);
	if (list_remove(t->os, t))
		_exit(t->status);
	if (t->first)
		syscall(SYS_exit, t->status); /* the others go on */
	t->ending = true;
	t->no_result = true;
	return 0;
}

/* Who dies by a signal may have stopped the one that holds the lock. */
void threads_release(struct os *os)
{
	enum { TRIES = 1000 };
	unsigned tries = 0;
	if (current->vforked) /* the others are the parent's */
		return;
	while (pthread_mutex_trylock(&os->threads) != 0)
		if (++tries == TRIES)
			return;
		else
			sched_yield();
	for (struct thread *t = os->thread; t; t = t->next)
		robust_exit(t);
	pthread_mutex_unlock(&os->threads);
}

int64_t sys_exit_group(struct thread *t, const uint64_t a[6])
{
	threads_release(t->os);
	_exit((int)a[0] & 0xff);
}

/* ---- clone ---- */

struct birth { /* what a new thread is told; the parent waits for `tid` */
	struct thread *t;
	uint64_t mask; /* host's */
	uint64_t tell[2]; /* where its number is to be stored, before it runs: it may end at once */
	_Atomic(int) tid;
};

static void futex_wait_tid(struct birth *b)
{
	while (!atomic_load(&b->tid))
		syscall(SYS_futex, &b->tid, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
}

static void *thread_main(void *arg)
{
	struct birth *b = arg;
	struct thread *t = b->t;
	uint64_t mask = b->mask;
	current = t;
	t->tid = (int)syscall(SYS_gettid);
	t->os->user->enter(t->cpu);
	for (unsigned i = 0; i < 2; i++)
		if (b->tell[i])
			copy_out(t, b->tell[i], &t->tid, sizeof(t->tid));
	atomic_store(&b->tid, t->tid);
	syscall(SYS_futex, &b->tid, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
	signals_restore(mask);
	thread_loop(t);
	t->os->user->cpu_free(t->cpu);
	free(t);
	return NULL;
}

static struct thread *thread_new(
	const struct thread *parent, uint64_t sp, bool tls, uint64_t tls_value)
{
	struct os *os = parent->os;
	struct thread *t = calloc(1, sizeof(*t));
	pthread_mutex_lock(&os->threads);
	void *cpu = t ? os->user->cpu_new(os->cpu_type, NULL) : NULL;
	pthread_mutex_unlock(&os->threads);
	if (!cpu) {
		free(t);
		return NULL;
	}
	*t = (struct thread){ .os = os,
		.cpu = cpu,
		.mask = parent->mask,
		.alt_flags = 2 /* disabled */ };
	os->abi->clone(cpu, parent->cpu, sp, tls, tls_value);
	os->abi->call_done(cpu, 0);
	return t;
}

struct clone { /* the first five as `clone` of the generic table has them (CLONE_BACKWARDS) */
	uint64_t flags, sp, parent_tid, tls, child_tid;
	uint64_t signal; /* of the end, to the parent */
	uint64_t pidfd, set_tid, set_tid_size, cgroup; /* clone3's */
};
#define CLEAR_SIGHAND UINT64_C(0x100000000) /* CLONE_CLEAR_SIGHAND */
#define INTO_CGROUP   UINT64_C(0x200000000)

static int64_t clone_thread(struct thread *t, const struct clone *c)
{
	enum { HOST_STACK = 512 << 10 };
	struct birth b = { .tid = 0 };
	pthread_attr_t attr;
	pthread_t thread;
	uint64_t before;
	struct thread *child = thread_new(t, c->sp, c->flags & CLONE_SETTLS, c->tls);
	if (!child)
		return -EAGAIN;
	child->clear_tid = c->flags & CLONE_CHILD_CLEARTID ? c->child_tid : 0;
	b.t = child;
	b.tell[0] = c->flags & CLONE_PARENT_SETTID ? c->parent_tid : 0;
	b.tell[1] = c->flags & CLONE_CHILD_SETTID ? c->child_tid : 0;
	pthread_attr_init(&attr);
	pthread_attr_setstacksize(&attr, HOST_STACK);
	pthread_attr_setdetachstate(&attr, PTHREAD_CREATE_DETACHED);
	signals_block(&before);
	b.mask = before;
	list_add(t->os, child);
	int r = pthread_create(&thread, &attr, thread_main, &b);
	pthread_attr_destroy(&attr);
	if (r == 0) {
		futex_wait_tid(&b);
		r = b.tid;
	} else {
		list_remove(t->os, child);
		t->os->user->cpu_free(child->cpu);
		free(child);
		r = -EAGAIN;
	}
	if (!atomic_load(&t->pending))
		signals_restore(before);
	return r;
}

static void forked_child(struct thread *t, const struct clone *c)
{
	struct os *os = t->os;
	os->user->fork(BP_USER_FORK_CHILD, t->cpu);
	os->thread = t;
	t->next = NULL;
	t->prev = &os->thread;
	os->thread_count = 1;
	rseq_alone(t);
	t->first = true;
	t->robust = 0;
	t->tid = (int)syscall(SYS_gettid);
	t->clear_tid = c->flags & CLONE_CHILD_CLEARTID ? c->child_tid : 0;
	if (c->flags & CLONE_CHILD_SETTID)
		copy_out(t, c->child_tid, &t->tid, sizeof(t->tid));
	if (c->flags & CLEAR_SIGHAND)
		signals_clear(os);
	os->abi->clone(t->cpu, t->cpu, c->sp, (c->flags & CLONE_SETTLS) != 0, c->tls);
}

static void tell_parent(struct thread *t, const struct clone *c, int pid, int pidfd)
{
	if (c->flags & CLONE_PARENT_SETTID)
		copy_out(t, c->parent_tid, &pid, sizeof(pid));
	if (c->flags & CLONE_PIDFD)
		copy_out(t, c->pidfd, &pidfd, sizeof(pidfd));
}

static int64_t clone_process(struct thread *t, const struct clone *c)
{
	struct os *os = t->os;
	const uint64_t own = CLONE_CHILD_SETTID | CLONE_CHILD_CLEARTID | CLONE_PARENT_SETTID |
		CLONE_SETTLS | CLONE_VFORK | CLEAR_SIGHAND;
	int pidfd = -1;
	struct clone_args host = { .flags = c->flags & ~own,
		.pidfd = (uint64_t)(uintptr_t)&pidfd,
		.exit_signal = c->signal,
		.set_tid = c->set_tid ? (uint64_t)(uintptr_t)host_ptr(t, c->set_tid) : 0,
		.set_tid_size = c->set_tid_size,
		.cgroup = c->cgroup };
	uint64_t before;
	signals_block(&before);
	pthread_mutex_lock(&os->memory);
	pthread_mutex_lock(&os->threads);
	os->user->fork(BP_USER_FORK_BEGIN, t->cpu);
	bool plain = !host.flags && c->signal == SIGCHLD && !c->set_tid_size;
	long pid = plain ? fork() : fork_with(&host);
	int64_t r = pid < 0 ? -errno : pid;
	if (pid == 0)
		forked_child(t, c);
	else
		os->user->fork(BP_USER_FORK_PARENT, t->cpu);
	pthread_mutex_unlock(&os->threads);
	pthread_mutex_unlock(&os->memory);
	if (pid > 0)
		tell_parent(t, c, (int)pid, pidfd);
	if (!atomic_load(&t->pending))
		signals_restore(before);
	return r;
}

/* vfork: the child runs in this memory, on a stack of its own, with this thread's CPU, whose state
 * comes back when the kernel lets the parent go on. */
struct vfork_child {
	struct thread *t;
	const struct clone *c;
	uint64_t mask;
};

static int vfork_main(void *arg)
{
	struct vfork_child *v = arg;
	struct thread *t = v->t;
	t->tid = (int)syscall(SYS_gettid);
	t->clear_tid = 0;
	t->robust = t->rseq = 0;
	t->first = t->vforked = true;
	if (v->c->flags & CLEAR_SIGHAND)
		signals_clear(t->os);
	t->os->abi->clone(t->cpu, t->cpu, v->c->sp, (v->c->flags & CLONE_SETTLS) != 0, v->c->tls);
	t->os->abi->call_done(t->cpu, 0);
	signals_restore(v->mask);
	thread_loop(t);
	_exit(t->status);
}

static int64_t clone_vfork(struct thread *t, const struct clone *c)
{
	enum { CHILD_STACK = 512 << 10 };
	struct os *os = t->os;
	struct thread saved = *t;
	struct vfork_child v = { .t = t, .c = c };
	struct action actions[SIGNALS + 1];
	char *stack = malloc(CHILD_STACK);
	void *state = stack ? os->user->cpu_new(os->cpu_type, NULL) : NULL;
	if (!state) {
		free(stack);
		return -EAGAIN;
	}
	os->abi->clone(state, t->cpu, 0, 0, 0);
	memcpy(actions, os->action, sizeof(actions));
	signals_block(&v.mask);
	int pidfd = -1;
	int pid = clone(vfork_main, stack + CHILD_STACK,
		CLONE_VM | CLONE_VFORK | (int)(c->flags & CLONE_PIDFD) | (int)c->signal, &v,
		&pidfd);
	int64_t r = pid < 0 ? -errno : pid;
	uint32_t pending = atomic_load(&saved.pending);
	siginfo_t info = saved.info;
	*t = saved;
	t->info = info;
	atomic_store(&t->pending, pending);
	/* Actions are the child's own for the kernel, and one table here. */
	memcpy(os->action, actions, sizeof(actions));
	os->abi->clone(t->cpu, state, 0, 0, 0);
	os->user->cpu_free(state);
	os->user->enter(t->cpu);
	free(stack);
	if (pid > 0)
		tell_parent(t, c, pid, pidfd);
	if (!pending)
		signals_restore(v.mask);
	return r;
}

static int64_t clone_any(struct thread *t, const struct clone *c)
{
	const uint64_t thread = CLONE_VM | CLONE_FS | CLONE_FILES | CLONE_SIGHAND | CLONE_THREAD;
	if (c->flags & CLONE_THREAD)
		return (c->flags & thread) == thread && !(c->flags & CLONE_PIDFD) &&
				!c->set_tid_size
			? clone_thread(t, c)
			: -EINVAL;
	if ((c->flags & (CLONE_VM | CLONE_VFORK)) == (CLONE_VM | CLONE_VFORK))
		return clone_vfork(t, c);
	if (c->flags & CLONE_VM)
		return -EINVAL; /* processes that share memory, and run at once */
	return clone_process(t, c);
}

int64_t sys_clone(struct thread *t, const uint64_t a[6])
{
	struct clone c = { a[0] & 0xffffffff & ~(uint64_t)CSIGNAL, a[1], a[2], a[3], a[4],
		.signal = a[0] & CSIGNAL, .pidfd = a[2] };
	if ((c.flags & (CLONE_PIDFD | CLONE_PARENT_SETTID)) == (CLONE_PIDFD | CLONE_PARENT_SETTID))
		return -EINVAL; /* one word for two */
	return clone_any(t, &c);
}

/* struct clone_args of linux/sched.h: words of 64 bits, more of them in newer kernels. */
int64_t sys_clone3(struct thread *t, const uint64_t a[6])
{
	enum {
		FLAGS,
		PIDFD,
		CHILD_TID,
		PARENT_TID,
		EXIT_SIGNAL,
		STACK,
		STACK_SIZE,
		TLS,
		SET_TID,
		SET_TID_SIZE,
		CGROUP,
		KNOWN,
		LEAST = 64
	};
	uint64_t w[PAGE / 8] = { 0 };
	if (a[1] < LEAST || a[1] > PAGE)
		return a[1] < LEAST ? -EINVAL : -E2BIG;
	if (copy_in(t, w, a[0], a[1]) != 0)
		return -EFAULT;
	for (unsigned i = KNOWN; i < PAGE / 8; i++)
		if (w[i])
			return -E2BIG;
	const uint64_t no_signal = CLONE_THREAD | CLONE_PARENT;
	if (w[FLAGS] & (CSIGNAL | CLONE_DETACHED) || w[FLAGS] >= INTO_CGROUP << 1 ||
		w[EXIT_SIGNAL] > SIGNALS || (w[FLAGS] & no_signal && w[EXIT_SIGNAL]) ||
		!w[STACK] != !w[STACK_SIZE] || !w[SET_TID] != !w[SET_TID_SIZE] ||
		((w[FLAGS] & CLONE_SIGHAND) && (w[FLAGS] & CLEAR_SIGHAND)))
		return -EINVAL;
	struct clone c = { .flags = w[FLAGS],
		.sp = w[STACK] + w[STACK_SIZE],
		.parent_tid = w[PARENT_TID],
		.tls = w[TLS],
		.child_tid = w[CHILD_TID],
		.signal = w[EXIT_SIGNAL],
		.pidfd = w[PIDFD],
		.set_tid = w[SET_TID],
		.set_tid_size = w[SET_TID_SIZE],
		.cgroup = w[CGROUP] };
	return clone_any(t, &c);
}

int64_t sys_set_tid_address(struct thread *t, const uint64_t a[6])
{
	t->clear_tid = a[0];
	return t->tid;
}

int64_t sys_set_robust_list(struct thread *t, const uint64_t a[6])
{
	if (a[1] != struct_size(t->os, S_ROBUST))
		return -EINVAL;
	t->robust = a[0];
	return 0;
}

static int word_out(struct thread *t, uint64_t addr, uint64_t word)
{
	uint8_t bytes[8];
	words_store(t->os, bytes, &word, 1);
	return copy_out(t, addr, bytes, t->os->layout->word) == 0 ? 0 : -EFAULT;
}

int64_t sys_get_robust_list(struct thread *t, const uint64_t a[6])
{
	if (a[0] && (int)a[0] != t->tid)
		return -EPERM;
	int r = word_out(t, a[1], t->robust);
	return r ? r : word_out(t, a[2], struct_size(t->os, S_ROBUST));
}

int64_t sys_futex(struct thread *t, const uint64_t a[6])
{
	static const uint16_t timed = 1 << FUTEX_WAIT | 1 << FUTEX_LOCK_PI |
		1 << FUTEX_WAIT_BITSET | 1 << FUTEX_WAIT_REQUEUE_PI | 1 << 13 /* FUTEX_LOCK_PI2 */;
	unsigned what = (unsigned)a[1] & FUTEX_CMD_MASK;
	struct timespec timeout;
	/* Of other commands it is a number, or nothing. */
	bool waits = what < 16 && timed >> what & 1 && a[3];
	if (waits && struct_in(t, S_TIMESPEC, &timeout, a[3]) != 0)
		return -EFAULT;
	return SAFE(t, SYS_futex, HOST(host_ptr(t, a[0])), (int64_t)a[1], (int64_t)a[2],
		waits ? HOST(&timeout) : (int64_t)a[3], HOST(host_ptr(t, a[4])), (int64_t)a[5]);
}

/* ---- exec ---- */

enum { WORDS_MAX = 1 << 20, WORD_BYTES = 128 << 10 };

static void free_words(char **words)
{
	for (char **w = words; w && *w; w++)
		free(*w);
	free(words);
}

/* A guest's list of strings; NULL: *error says why. */
static char **words_in(struct thread *t, uint64_t addr, int *error)
{
	size_t count = 0, room = 64, total = 0;
	char **words = calloc(room, sizeof(*words)), *buf = malloc(WORD_BYTES);
	*error = 0;
	while (addr && !*error) {
		uint64_t at;
		if (words_copy_in(t, &at, 1, addr + t->os->layout->word * count) != 0)
			*error = -EFAULT;
		if (*error || !at)
			break;
		long n = string_in(t, buf, at, WORD_BYTES);
		total += n > 0 ? (size_t)n + 9 : 9;
		if (n < 0 || total > (6u << 20) || count + 2 > WORDS_MAX) {
			*error = n == -EFAULT ? -EFAULT : -E2BIG;
			break;
		}
		if (count + 2 > room) {
			room *= 2;
			words = realloc(words, room * sizeof(*words));
			memset(words + count, 0, (room - count) * sizeof(*words));
		}
		words[count++] = strdup(buf);
	}
	free(buf);
	if (!*error)
		return words;
	free_words(words);
	return NULL;
}

static size_t count_words(char **words)
{
	size_t n = 0;
	while (words[n])
		n++;
	return n;
}

/* This emulator with its options, then the program. argv[0] may be another name. */
static char **command(const struct os *os, const char *path, char **argv)
{
	size_t again = count_words(os->start->again), args = count_words(argv);
	char **all = calloc(again + args + 8, sizeof(*all)), **at = all;
	memcpy(at, os->start->again, again * sizeof(*at));
	at += again;
	if (args && strcmp(argv[0], path)) {
		*at++ = (char *)(uintptr_t) "--argv0";
		*at++ = argv[0];
	}
	*at++ = (char *)(uintptr_t) "--";
	*at++ = (char *)(uintptr_t)path;
	for (size_t i = 1; i < args; i++)
		*at++ = argv[i];
	return all;
}

static int64_t exec(struct thread *t, const char *path, uint64_t argv_at, uint64_t envp_at)
{
	struct os *os = t->os;
	char found[2 * PATH_SIZE], kind[32];
	int error;
	const char *file = path_find(os, path, found);
	if (access(file, X_OK) != 0)
		return -errno;
	const char *is = program_kind(file, kind);
	if (!is)
		return errno ? -errno : -ENOEXEC;
	char **argv = words_in(t, argv_at, &error),
	     **envp = argv ? words_in(t, envp_at, &error) : NULL;
	int64_t r = error;
	if (argv && envp) {
		bool ours = !strcmp(is, "#!") || os->user->cpu_type(is);
		char **all = ours ? command(os, path, argv) : NULL;
		/* An exec that fails from here on has lost its locks: the kernel is asked last. */
		threads_release(os);
		/* A program of the host's is the host's to run; and so is any where this emulator has
		 * lost itself, in a chroot without /proc: the kernel knows an interpreter for it. */
		if (ours && os->self_fd >= 0)
			syscall(SYS_execveat, os->self_fd, "", all, envp, AT_EMPTY_PATH);
		else
			execve(file, argv, envp);
		r = -errno;
		free(all);
	}
	free_words(argv);
	free_words(envp);
	return r;
}

int64_t sys_execve(struct thread *t, const uint64_t a[6])
{
	char path[PATH_SIZE];
	long n = string_in(t, path, a[0], sizeof(path));
	return n < 0 ? n : exec(t, path, a[1], a[2]);
}

int64_t sys_execveat(struct thread *t, const uint64_t a[6])
{
	char path[PATH_SIZE], full[2 * PATH_SIZE];
	long n = string_in(t, path, a[1], sizeof(path));
	if (n < 0)
		return n;
	if (path[0] == '/' || (int)a[0] == AT_FDCWD)
		return exec(t, path, a[2], a[3]);
	if (!path[0] && !((int)a[4] & AT_EMPTY_PATH))
		return -ENOENT;
	snprintf(full, sizeof(full), "/proc/self/fd/%d%s%s", (int)a[0], path[0] ? "/" : "", path);
	return exec(t, full, a[2], a[3]);
}

/* ---- this and that ---- */

int64_t sys_uname(struct thread *t, const uint64_t a[6])
{
	struct utsname u;
	uname(&u);
	memset(u.machine, 0, sizeof(u.machine));
	strncpy(u.machine, t->os->abi->machine, sizeof(u.machine) - 1);
	return copy_out(t, a[0], &u, sizeof(u)) == 0 ? 0 : -EFAULT;
}

/* The fourth argument is a number or a pointer, by the third. */
int64_t sys_semctl(struct thread *t, const uint64_t a[6])
{
	return SAFE(t, SYS_semctl, (int64_t)a[0], (int64_t)a[1], (int64_t)a[2],
		(int)a[2] == SETVAL ? (int64_t)a[3] : HOST(host_ptr(t, a[3])));
}

int64_t sys_ptrace(struct thread *t, const uint64_t a[6])
{
	(void)t;
	(void)a;
	return -EPERM;
}

int64_t sys_prctl(struct thread *t, const uint64_t a[6])
{
	static const struct {
		uint32_t option;
		uint8_t pointer; /* argument 2 is one */
	} known[] = { { PR_SET_PDEATHSIG, 0 }, { PR_GET_PDEATHSIG, 1 }, { PR_GET_DUMPABLE, 0 },
		{ PR_SET_DUMPABLE, 0 }, { PR_GET_KEEPCAPS, 0 }, { PR_SET_KEEPCAPS, 0 },
		{ PR_SET_NAME, 1 }, { PR_GET_NAME, 1 }, { PR_GET_TIMERSLACK, 0 },
		{ PR_SET_TIMERSLACK, 0 }, { PR_CAPBSET_READ, 0 }, { PR_CAPBSET_DROP, 0 },
		{ PR_SET_CHILD_SUBREAPER, 0 }, { PR_GET_CHILD_SUBREAPER, 1 },
		{ PR_SET_NO_NEW_PRIVS, 0 }, { PR_GET_NO_NEW_PRIVS, 0 }, { PR_GET_TID_ADDRESS, 1 },
		{ PR_CAP_AMBIENT, 0 }, { PR_GET_SECUREBITS, 0 }, { PR_SET_SECUREBITS, 0 },
		{ PR_SET_THP_DISABLE, 0 }, { PR_GET_THP_DISABLE, 0 }, { PR_MCE_KILL_GET, 0 },
		{ PR_SET_PTRACER, 0 } };
	if (a[0] == PR_GET_TID_ADDRESS)
		return word_out(t, a[1], t->clear_tid);
	for (unsigned i = 0; i < sizeof(known) / sizeof(known[0]); i++)
		if (known[i].option == a[0])
			return SAFE(t, SYS_prctl, (int64_t)a[0],
				known[i].pointer ? HOST(host_ptr(t, a[1])) : (int64_t)a[1],
				(int64_t)a[2], (int64_t)a[3], (int64_t)a[4]);
	return -EINVAL;
}
