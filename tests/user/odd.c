/* SPDX-License-Identifier: MIT */
/* Calls with odd arguments: a line with each one's answer. The host runs this program too, and must say
 * the same. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#define FAR UINT64_C(0xfffffffffffffff8) /* nobody's */

static void tell(const char *what, long result)
{
	printf("ok %s: %ld %s\n", what, result < 0 ? -1 : result,
		result < 0 ? strerrorname_np(errno) : "");
	fflush(stdout);
}

/* ---- futex ---- */

static uint32_t word, other, aligned[2];

static void *owner(void *done)
{
	word = (uint32_t)syscall(SYS_gettid);
	pthread_barrier_wait(done);
	pthread_barrier_wait(done);
	syscall(SYS_futex, &word, FUTEX_UNLOCK_PI, 0, NULL, NULL, 0);
	return NULL;
}

/* Priority inheritance: a word that another thread owns, that nobody does, and that is ours. */
static void inherited(void)
{
	static const struct {
		const char *name;
		int op, timed;
	} ways[] = {
		{ "trylock", FUTEX_TRYLOCK_PI, 0 },
		{ "lock", FUTEX_LOCK_PI, 1 },
		{ "lock 2", 13, 1 },
		{ "unlock", FUTEX_UNLOCK_PI, 0 },
	};
	struct timespec past = { 1, 0 };
	pthread_barrier_t done;
	pthread_t thread;
	char what[64];
	pthread_barrier_init(&done, NULL, 2);
	pthread_create(&thread, NULL, owner, &done);
	pthread_barrier_wait(&done);
	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		snprintf(what, sizeof(what), "futex: %s, another's", ways[i].name);
		tell(what,
			syscall(SYS_futex, &word, ways[i].op, 0, ways[i].timed ? &past : NULL, NULL,
				0));
	}
	pthread_barrier_wait(&done);
	pthread_join(thread, NULL);
	for (unsigned i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		word = 0;
		snprintf(what, sizeof(what), "futex: %s, nobody's", ways[i].name);
		tell(what, syscall(SYS_futex, &word, ways[i].op, 0, NULL, NULL, 0));
		snprintf(what, sizeof(what), "futex: %s, ours", ways[i].name);
		word = (uint32_t)syscall(SYS_gettid);
		tell(what, syscall(SYS_futex, &word, ways[i].op, 0, NULL, NULL, 0));
		snprintf(what, sizeof(what), "futex: %s, of no thread", ways[i].name);
		word = 0x3ffffff0;
		tell(what, syscall(SYS_futex, &word, ways[i].op, 0, NULL, NULL, 0));
	}
	word = 0;
}

static void futexes(void)
{
	static struct timespec now = { 0, 1000 }, past = { 1, 0 }, before = { -1, 0 },
			       many = { 0, 1000000000 };
	char *hole = mmap(NULL, 8192, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	const char *crooked = (char *)aligned + 2;
	munmap(hole, 8192);
	enum { P = FUTEX_PRIVATE_FLAG, R = FUTEX_CLOCK_REALTIME };
	const struct {
		const char *name;
		const void *at;
		int op;
		uint32_t value;
		const void *timeout; /* or a number */
		const void *second;
		uint32_t third;
	} cases[] = {
		{ "wait, another value", &word, FUTEX_WAIT, 1, NULL, NULL, 0 },
		{ "wait, crooked", crooked, FUTEX_WAIT, 0, &now, NULL, 0 },
		{ "wait, null", NULL, FUTEX_WAIT, 0, &now, NULL, 0 },
		{ "wait, unmapped", hole, FUTEX_WAIT | P, 0, &now, NULL, 0 },
		{ "wait, far", (void *)FAR, FUTEX_WAIT, 0, &now, NULL, 0 },
		{ "wait, far and private", (void *)FAR, FUTEX_WAIT | P, 0, &now, NULL, 0 },
		{ "wait, a short time", &word, FUTEX_WAIT, 0, &now, NULL, 0 },
		{ "wait, a time before now", &word, FUTEX_WAIT, 0, &before, NULL, 0 },
		{ "wait, too many ns", &word, FUTEX_WAIT | P, 0, &many, NULL, 0 },
		{ "wait, a time nowhere", &word, FUTEX_WAIT, 0, (void *)8, NULL, 0 },
		{ "wait, a time that is far", &word, FUTEX_WAIT, 0, (void *)FAR, NULL, 0 },
		{ "wait, a time unmapped, another value", &word, FUTEX_WAIT, 1, hole, NULL, 0 },
		{ "wait, real time", &word, FUTEX_WAIT | R, 0, &now, NULL, 0 },
		{ "wait_bitset, none", &word, FUTEX_WAIT_BITSET, 0, &past, NULL, 0 },
		{ "wait_bitset, past", &word, FUTEX_WAIT_BITSET, 0, &past, NULL, ~0u },
		{ "wait_bitset, past, real", &word, FUTEX_WAIT_BITSET | R, 0, &past, NULL, 1 },
		{ "wake", &word, FUTEX_WAKE, 1, NULL, NULL, 0 },
		{ "wake, a time nowhere", &word, FUTEX_WAKE, 1, (void *)8, NULL, 0 },
		{ "wake, none", &word, FUTEX_WAKE, 0, NULL, NULL, 0 },
		{ "wake, less than none", &word, FUTEX_WAKE, ~0u, NULL, NULL, 0 },
		{ "wake, crooked", crooked, FUTEX_WAKE, 1, NULL, NULL, 0 },
		{ "wake, null", NULL, FUTEX_WAKE, 1, NULL, NULL, 0 },
		{ "wake, null and private", NULL, FUTEX_WAKE | P, 1, NULL, NULL, 0 },
		{ "wake, unmapped", hole, FUTEX_WAKE, 1, NULL, NULL, 0 },
		{ "wake, unmapped and private", hole, FUTEX_WAKE | P, 1, NULL, NULL, 0 },
		{ "wake, far", (void *)FAR, FUTEX_WAKE, 1, NULL, NULL, 0 },
		{ "wake, far and private", (void *)FAR, FUTEX_WAKE | P, 1, NULL, NULL, 0 },
		{ "wake, far and crooked", (void *)(FAR + 1), FUTEX_WAKE | P, 1, NULL, NULL, 0 },
		{ "wake, real time", &word, FUTEX_WAKE | R, 1, NULL, NULL, 0 },
		{ "wake_bitset, none", &word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 0 },
		{ "wake_bitset", &word, FUTEX_WAKE_BITSET, 1, NULL, NULL, 1 },
		{ "requeue", &word, FUTEX_REQUEUE, 1, (void *)1, &other, 0 },
		{ "requeue, less than none", &word, FUTEX_REQUEUE, ~0u, (void *)1, &other, 0 },
		{ "requeue, less than none to move", &word, FUTEX_REQUEUE, 1, (void *)-1L, &other,
			0 },
		{ "requeue, all of them", &word, FUTEX_REQUEUE, 0, (void *)INT_MAX, &other, 0 },
		{ "requeue, to null", &word, FUTEX_REQUEUE, 1, (void *)1, NULL, 0 },
		{ "requeue, to far", &word, FUTEX_REQUEUE | P, 1, (void *)1, (void *)FAR, 0 },
		{ "requeue, to crooked", &word, FUTEX_REQUEUE, 1, (void *)1, crooked, 0 },
		{ "cmp_requeue, another value", &word, FUTEX_CMP_REQUEUE, 1, (void *)1, &other, 1 },
		{ "cmp_requeue", &word, FUTEX_CMP_REQUEUE, 1, (void *)1, &other, 0 },
		{ "wake_op", &word, FUTEX_WAKE_OP, 1, (void *)1, &other,
			FUTEX_OP(FUTEX_OP_ADD, 5, FUTEX_OP_CMP_EQ, 0) },
		{ "wake_op, shifted too far", &word, FUTEX_WAKE_OP, 1, (void *)1, &other,
			FUTEX_OP(FUTEX_OP_ANDN | 8, 3, FUTEX_OP_CMP_GE, 0) },
		{ "wake_op, no such operation", &word, FUTEX_WAKE_OP, 1, (void *)1, &other,
			0x70000000 },
		{ "wake_op, no such comparison", &word, FUTEX_WAKE_OP, 1, (void *)1, &other,
			0x0f000000 },
		{ "wake_op, nowhere", &word, FUTEX_WAKE_OP, 1, (void *)1, (void *)8, 0 },
		{ "wait_requeue_pi, to itself", &word, FUTEX_WAIT_REQUEUE_PI, 0, &past, &word,
			~0u },
		{ "wait_requeue_pi, past", &word, FUTEX_WAIT_REQUEUE_PI, 0, &past, &other, ~0u },
		{ "cmp_requeue_pi, two to wake", &word, FUTEX_CMP_REQUEUE_PI, 2, (void *)1, &other,
			0 },
		{ "descriptor", &word, FUTEX_FD, 0, NULL, NULL, 0 },
		{ "command 14", &word, 14, 0, NULL, NULL, 0 },
		{ "command 15", &word, 15, 0, (void *)8, NULL, 0 },
		{ "command 16", &word, 16, 0, (void *)8, NULL, 0 },
		{ "command 127", &word, 127, 0, (void *)8, NULL, 0 },
		{ "command -1", &word, -1, 0, (void *)8, NULL, 0 },
	};
	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		char what[96];
		word = other = 0;
		long r = syscall(SYS_futex, cases[i].at, cases[i].op, cases[i].value,
			cases[i].timeout, cases[i].second, cases[i].third);
		snprintf(what, sizeof(what), "futex: %s (%x %x)", cases[i].name, word, other);
		tell(what, r);
	}
}

/* ---- waitid ---- */

enum { ALL, PID, PGID, PIDFD };

static void wait_once(const char *name, int type, long id, unsigned options, pid_t child)
{
	siginfo_t info;
	struct rusage used;
	char what[160];
	memset(&info, 0x55, sizeof(info));
	memset(&used, 0, sizeof(used));
	long r = syscall(SYS_waitid, type, id, &info, options, &used);
	int error = errno;
	if (r == 0 && info.si_signo)
		snprintf(what, sizeof(what), "waitid: %s, signal %d code %d status %d %s", name,
			info.si_signo, info.si_code, info.si_status,
			info.si_pid == child && info.si_uid == getuid() ? "the child" : "whose?");
	else
		snprintf(what, sizeof(what), "waitid: %s, pid %d", name, r == 0 ? info.si_pid : 0);
	errno = error;
	tell(what, r);
}

static pid_t child_of(int way)
{
	pid_t pid = fork();
	if (pid != 0)
		return pid;
	if (way == 0)
		_exit(300); /* 44 */
	for (;;)
		pause();
}

static void every_type(const char *when, pid_t pid, int pidfd, unsigned options)
{
	static const char *const names[] = { "all", "pid", "group", "pidfd" };
	const long ids[] = { 0, pid, getpgrp(), pidfd };
	char what[64];
	for (int type = ALL; type <= PIDFD; type++) {
		snprintf(what, sizeof(what), "%s, by %s", when, names[type]);
		wait_once(what, type, ids[type], options, pid);
	}
}

static void waits(void)
{
	static const struct {
		const char *name;
		int type;
		long id;
		unsigned options;
	} odd[] = {
		{ "no children", ALL, 0, WEXITED },
		{ "no children, the group", PGID, 0, WEXITED },
		{ "no children, do not wait", ALL, 0, WEXITED | WNOHANG },
		{ "no options", ALL, 0, 0 },
		{ "WNOHANG alone", ALL, 0, WNOHANG },
		{ "WNOWAIT alone", ALL, 0, WNOWAIT },
		{ "an unknown option", ALL, 0, WEXITED | 0x100 },
		{ "a type that is not there", 4, 0, WEXITED },
		{ "a type below all", -1, 0, WEXITED },
		{ "pid 0", PID, 0, WEXITED },
		{ "pid -1", PID, -1, WEXITED },
		{ "pid of nobody's child", PID, 1, WEXITED },
		{ "group -1", PGID, -1, WEXITED },
		{ "group of nobody", PGID, INT_MAX, WEXITED },
		{ "pidfd -1", PIDFD, -1, WEXITED },
		{ "pidfd that is none", PIDFD, 1, WEXITED },
		{ "pidfd that is not open", PIDFD, 999, WEXITED },
		{ "clones alone", ALL, 0, WEXITED | __WCLONE },
		{ "all kinds", ALL, 0, WEXITED | __WALL },
		{ "this thread's", ALL, 0, WEXITED | __WNOTHREAD },
	};
	for (unsigned i = 0; i < sizeof(odd) / sizeof(odd[0]); i++)
		wait_once(odd[i].name, odd[i].type, odd[i].id, odd[i].options, 0);
	pid_t pid = child_of(1);
	int pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	int calm = (int)syscall(SYS_pidfd_open, pid, O_NONBLOCK);
	every_type("it runs", pid, pidfd, WEXITED | WSTOPPED | WCONTINUED | WNOHANG);
	wait_once("it runs, a pidfd that does not block", PIDFD, calm, WEXITED, pid);
	kill(pid, SIGSTOP);
	wait_once("stopped", PID, pid, WSTOPPED | WNOWAIT, pid);
	every_type("stopped, stays", pid, pidfd, WSTOPPED | WNOWAIT);
	wait_once("stopped, but asked for its end", PID, pid, WEXITED | WNOHANG, pid);
	wait_once("stopped, taken", ALL, 0, WSTOPPED, pid);
	wait_once("stopped, again", ALL, 0, WSTOPPED | WNOHANG, pid);
	kill(pid, SIGCONT);
	wait_once("continued", PIDFD, pidfd, WCONTINUED | WNOWAIT, pid);
	every_type("continued, stays", pid, pidfd, WCONTINUED | WNOWAIT);
	wait_once("continued, taken", PGID, 0, WCONTINUED, pid);
	kill(pid, SIGKILL);
	wait_once("killed", PID, pid, WEXITED | WNOWAIT, pid);
	every_type("killed, stays", pid, pidfd, WEXITED | WNOWAIT);
	tell("waitid: nothing to tell",
		syscall(SYS_waitid, PID, pid, NULL, WEXITED | WNOWAIT, NULL));
	tell("waitid: told nowhere",
		syscall(SYS_waitid, PID, pid, (void *)8, WEXITED | WNOWAIT, NULL));
	tell("waitid: used nowhere",
		syscall(SYS_waitid, PID, pid, NULL, WEXITED | WNOWAIT, (void *)8));
	tell("waitid: used and told far",
		syscall(SYS_waitid, PID, pid, (void *)FAR, WEXITED | WNOWAIT, (void *)FAR));
	wait_once("killed, clones alone", PID, pid, WEXITED | WNOHANG | __WCLONE, pid);
	wait_once("killed, taken by pidfd", PIDFD, pidfd, WEXITED, pid);
	wait_once("killed, again", PIDFD, pidfd, WEXITED, pid);
	close(pidfd);
	close(calm);
	pid = child_of(0);
	wait_once("its status", ALL, 12345, WEXITED, pid); /* an id that nobody looks at */
}

/* ---- descriptors in messages that are cut ---- */

enum { MOST = 256, SENT = 5 };

static int open_count(void)
{
	int n = 0;
	for (int fd = 0; fd < MOST; fd++)
		n += fcntl(fd, F_GETFD) >= 0;
	return n;
}

union control {
	char bytes[512];
	struct cmsghdr head;
};

static void send_descriptors(int to)
{
	union control control;
	struct iovec v = { "m", 1 };
	struct msghdr m = { .msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = &control,
		.msg_controllen = CMSG_SPACE(SENT * sizeof(int)) };
	memset(&control, 0, sizeof(control));
	control.head = (struct cmsghdr){ .cmsg_len = CMSG_LEN(SENT * sizeof(int)),
		.cmsg_level = SOL_SOCKET,
		.cmsg_type = SCM_RIGHTS }; /* descriptor 0, many times */
	if (sendmsg(to, &m, 0) != 1)
		tell("sendmsg", -1);
}

/* With credentials behind them, which are cut as well. */
static void receive(int from, size_t room, int flags)
{
	union control control;
	char byte, what[160], list[96] = "";
	struct iovec v = { &byte, 1 };
	struct msghdr m = { .msg_iov = &v,
		.msg_iovlen = 1,
		.msg_control = room ? &control : NULL,
		.msg_controllen = room };
	int before = open_count(), got = 0;
	memset(&control, 0x55, sizeof(control));
	long r = recvmsg(from, &m, flags);
	int more = open_count() - before;
	for (struct cmsghdr *c = r < 0 ? NULL : CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		size_t n = strlen(list);
		snprintf(list + n, sizeof(list) - n, " %d:%zu", c->cmsg_type, (size_t)c->cmsg_len);
		for (size_t at = 0; c->cmsg_type == SCM_RIGHTS && CMSG_LEN(at) < c->cmsg_len;
			at += sizeof(int)) {
			int fd;
			memcpy(&fd, CMSG_DATA(c) + at, sizeof(fd));
			got += close(fd) == 0;
		}
	}
	snprintf(what, sizeof(what),
		"recvmsg: room %zu: flags %x, %zu bytes, %d told, %d open, untouched %d,%s", room,
		m.msg_flags, (size_t)m.msg_controllen, got, more,
		room >= sizeof(control) || control.bytes[room] == 0x55, list);
	tell(what, r);
}

static void messages(void)
{
	int pair[2], on = 1;
	for (int credentials = 0; credentials < 2; credentials++) {
		socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
		if (credentials)
			setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
		for (size_t room = 0; room <= 96; room += room < 48 ? 1 : 4) {
			send_descriptors(pair[0]);
			receive(pair[1], room, room & 1 ? MSG_CMSG_CLOEXEC : 0);
		}
		/* Looked at first: descriptors of both times are told. */
		send_descriptors(pair[0]);
		receive(pair[1], 24, MSG_PEEK);
		receive(pair[1], 64, 0);
		/* None may be open: those that are sent are cut. */
		struct rlimit was, few;
		getrlimit(RLIMIT_NOFILE, &was);
		few = (struct rlimit){ (rlim_t)pair[1] + 3, was.rlim_max };
		setrlimit(RLIMIT_NOFILE, &few);
		send_descriptors(pair[0]);
		receive(pair[1], 64, 0);
		setrlimit(RLIMIT_NOFILE, &was);
		close(pair[0]);
		close(pair[1]);
	}
}

int main(void)
{
	futexes();
	inherited();
	waits();
	messages();
	return 0;
}
