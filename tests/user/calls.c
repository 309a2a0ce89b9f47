/* SPDX-License-Identifier: MIT */
/* System calls that a C library hides or that hold structs: a line for each check. The host runs this
 * program too, and must say the same. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <linux/futex.h>
#include <linux/loop.h>
#include <linux/membarrier.h>
#include <linux/sched.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/ptrace.h>
#include <sys/sem.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/utsname.h>
#include <sys/wait.h>
#include <unistd.h>

static void check(const char *what, int good)
{
	printf("%s %s\n", good ? "ok" : "not ok", what);
	fflush(stdout);
}

static int exit_of(pid_t pid)
{
	int status = -1;
	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return status;
}

/* ---- processes ---- */

static void handler(int signal)
{
	(void)signal;
}

static void clones(void)
{
	int pidfd = -1, parent_tid = 0;
	struct clone_args a = { .flags = CLONE_PIDFD | CLONE_PARENT_SETTID | CLONE_CLEAR_SIGHAND,
		.pidfd = (uintptr_t)&pidfd,
		.parent_tid = (uintptr_t)&parent_tid,
		.exit_signal = SIGCHLD };
	siginfo_t info;
	struct sigaction now;
	signal(SIGUSR2, handler);
	pid_t pid = (pid_t)syscall(SYS_clone3, &a, sizeof(a));
	if (pid == 0) {
		sigaction(SIGUSR2, NULL, &now);
		_exit(now.sa_handler == SIG_DFL ? 11 : 12);
	}
	struct pollfd p = { pidfd, POLLIN, 0 };
	check("clone3: pidfd and parent's word",
		pid > 0 && pidfd > 2 && parent_tid == pid && poll(&p, 1, 10000) == 1);
	check("clone3: waited for by pidfd, handlers cleared",
		waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) == 0 && info.si_status == 11);
	close(pidfd);
	a = (struct clone_args){ .exit_signal = SIGCHLD, .stack = 4096 };
	check("clone3: a stack without a size",
		syscall(SYS_clone3, &a, sizeof(a)) == -1 && errno == EINVAL);
	check("clone3: too short", syscall(SYS_clone3, &a, 63) == -1 && errno == EINVAL);
	char longer[sizeof(a) + 64];
	memset(longer, 1, sizeof(longer));
	check("clone3: more than is known",
		syscall(SYS_clone3, longer, sizeof(longer)) == -1 && errno == E2BIG);
	pid = fork();
	if (pid == 0)
		for (;;)
			pause();
	pidfd = (int)syscall(SYS_pidfd_open, pid, 0);
	check("pidfd_open, pidfd_send_signal",
		pidfd > 2 && syscall(SYS_pidfd_send_signal, pidfd, SIGTERM, NULL, 0) == 0 &&
			WTERMSIG(exit_of(pid)) == SIGTERM);
	close(pidfd);
}

/* A lock of a process or thread that ends while it holds it. */
static void *holds(void *lock)
{
	pthread_mutex_lock(lock);
	return NULL;
}

static void robust(void)
{
	pthread_mutexattr_t attr;
	pthread_mutex_t *lock =
		mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	pthread_t thread;
	pthread_mutexattr_init(&attr);
	pthread_mutexattr_setrobust(&attr, PTHREAD_MUTEX_ROBUST);
	pthread_mutexattr_setpshared(&attr, PTHREAD_PROCESS_SHARED);
	pthread_mutex_init(lock, &attr);
	pthread_create(&thread, NULL, holds, lock);
	pthread_join(thread, NULL);
	check("robust lock of a thread",
		pthread_mutex_lock(lock) == EOWNERDEAD && pthread_mutex_consistent(lock) == 0 &&
			pthread_mutex_unlock(lock) == 0);
	for (int way = 0; way < 2; way++) {
		pid_t pid = fork();
		if (pid == 0) {
			holds(lock);
			if (way)
				*(volatile int *)8 = 1;
			_exit(0);
		}
		exit_of(pid);
		check(way ? "robust lock of a process that a fault ends"
			  : "robust lock of a process",
			pthread_mutex_lock(lock) == EOWNERDEAD &&
				pthread_mutex_consistent(lock) == 0 &&
				pthread_mutex_unlock(lock) == 0);
	}
}

static void barriers(void)
{
	long can = syscall(SYS_membarrier, MEMBARRIER_CMD_QUERY, 0, 0);
	check("membarrier",
		can < 0 ||
			(syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) ==
					0 &&
				syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0) ==
					0));
	check("membarrier: nonsense",
		syscall(SYS_membarrier, 1 << 30, 0, 0) == -1 && errno == EINVAL);
}

static void controls(void)
{
	char name[16] = "";
	check("prctl: name",
		prctl(PR_SET_NAME, "another") == 0 && prctl(PR_GET_NAME, name) == 0 &&
			!strcmp(name, "another"));
	int death = 0;
	check("prctl: death signal",
		prctl(PR_SET_PDEATHSIG, SIGHUP) == 0 && prctl(PR_GET_PDEATHSIG, &death) == 0 &&
			death == SIGHUP && prctl(PR_SET_PDEATHSIG, 0) == 0);
	check("prctl: nonsense", prctl(12345, 0, 0, 0, 0) == -1 && errno == EINVAL);
	check("prctl: a null pointer", prctl(PR_GET_PDEATHSIG, 0) == -1 && errno == EFAULT);
}

/* In a child: what it unshares is its own. */
static void namespaces(void)
{
	pid_t pid = fork();
	if (pid == 0) {
		struct utsname u;
		if (unshare(CLONE_NEWUSER | CLONE_NEWUTS) != 0)
			_exit(errno == EPERM || errno == ENOSPC || errno == EINVAL ? 0 : 1);
		_exit(sethostname("elsewhere", 9) == 0 && uname(&u) == 0 &&
					!strcmp(u.nodename, "elsewhere")
				? 0
				: 2);
	}
	check("namespaces", exit_of(pid) == 0);
	pid = fork();
	if (pid == 0)
		_exit(setns(-1, 0) == -1 && errno == EBADF ? 0 : 1);
	check("setns: no descriptor", exit_of(pid) == 0);
}

/* ---- descriptors that tell ---- */

static void events(void)
{
	uint64_t n = 0;
	int e = eventfd(3, EFD_SEMAPHORE | EFD_NONBLOCK | EFD_CLOEXEC);
	check("eventfd", read(e, &n, 8) == 8 && n == 1 && write(e, &n, 8) == 8);
	close(e);
	struct itimerspec when = { .it_value = { 0, 1000000 }, .it_interval = { 0, 1000000 } },
			  left;
	int t = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
	check("timerfd",
		timerfd_settime(t, 0, &when, NULL) == 0 && read(t, &n, 8) == 8 && n >= 1 &&
			timerfd_gettime(t, &left) == 0 && left.it_interval.tv_nsec == 1000000);
	close(t);
	sigset_t set;
	struct signalfd_siginfo info;
	sigemptyset(&set);
	sigaddset(&set, SIGUSR1);
	sigprocmask(SIG_BLOCK, &set, NULL);
	int s = signalfd(-1, &set, SFD_CLOEXEC);
	sigqueue(getpid(), SIGUSR1, (union sigval){ .sival_int = 1234 });
	check("signalfd",
		read(s, &info, sizeof(info)) == sizeof(info) && info.ssi_signo == SIGUSR1 &&
			info.ssi_int == 1234 && info.ssi_pid == (uint32_t)getpid());
	close(s);
	sigprocmask(SIG_UNBLOCK, &set, NULL);
	char folder[] = "/tmp/callsXXXXXX", path[64], buf[512];
	int i = inotify_init1(IN_CLOEXEC);
	check("inotify: a watch", mkdtemp(folder) && inotify_add_watch(i, folder, IN_CREATE) == 1);
	snprintf(path, sizeof(path), "%s/file", folder);
	close(open(path, O_CREAT | O_WRONLY, 0600));
	const struct inotify_event *event = (const void *)buf;
	check("inotify: an event",
		read(i, buf, sizeof(buf)) >= (ssize_t)sizeof(*event) && event->mask == IN_CREATE &&
			!strcmp(event->name, "file"));
	close(i);
	unlink(path);
	rmdir(folder);
	int p[2], ep = epoll_create1(EPOLL_CLOEXEC);
	struct epoll_event ev = { .events = EPOLLIN, .data.u64 = 0xfedcba9876543210 }, got[2];
	struct timespec none = { 0, 1000 };
	check("epoll_pwait2",
		pipe(p) == 0 && epoll_ctl(ep, EPOLL_CTL_ADD, p[0], &ev) == 0 &&
			syscall(SYS_epoll_pwait2, ep, got, 2, &none, NULL, 8) == 0 &&
			write(p[1], "x", 1) == 1 &&
			syscall(SYS_epoll_pwait2, ep, got, 2, NULL, NULL, 8) == 1 &&
			got[0].data.u64 == ev.data.u64);
	close(p[0]);
	close(p[1]);
	close(ep);
}

/* ---- control messages ---- */

static ssize_t message(int fd, int pass, int credentials)
{
	union {
		char room[CMSG_SPACE(2 * sizeof(int)) + CMSG_SPACE(sizeof(struct ucred))];
		struct cmsghdr align;
	} control;
	struct iovec part[2] = { { "ab", 2 }, { "cd", 2 } };
	struct msghdr m = { .msg_iov = part, .msg_iovlen = 2, .msg_control = &control };
	struct ucred me = { getpid(), getuid(), getgid() };
	memset(&control, 0, sizeof(control));
	m.msg_controllen = CMSG_SPACE(sizeof(int));
	struct cmsghdr *c = &control.align;
	*c = (struct cmsghdr){
		.cmsg_len = CMSG_LEN(sizeof(int)), .cmsg_level = SOL_SOCKET, .cmsg_type = SCM_RIGHTS
	};
	memcpy(CMSG_DATA(c), &pass, sizeof(pass));
	if (credentials) {
		m.msg_controllen += CMSG_SPACE(sizeof(me));
		c = CMSG_NXTHDR(&m, c);
		*c = (struct cmsghdr){ .cmsg_len = CMSG_LEN(sizeof(me)),
			.cmsg_level = SOL_SOCKET,
			.cmsg_type = SCM_CREDENTIALS };
		memcpy(CMSG_DATA(c), &me, sizeof(me));
	}
	return sendmsg(fd, &m, 0);
}

static void messages(void)
{
	int pair[2], on = 1, p[2], passed = -1;
	char a[3] = "", b[8] = "";
	struct ucred who = { 0 };
	union {
		char room[256];
		struct cmsghdr align;
	} control;
	struct iovec part[2] = { { a, 1 }, { b, 8 } };
	struct msghdr m = { .msg_iov = part,
		.msg_iovlen = 2,
		.msg_control = &control,
		.msg_controllen = sizeof(control) };
	socketpair(AF_UNIX, SOCK_SEQPACKET, 0, pair);
	setsockopt(pair[1], SOL_SOCKET, SO_PASSCRED, &on, sizeof(on));
	pipe(p);
	check("sendmsg", message(pair[0], p[1], 1) == 4);
	check("recvmsg: vectors",
		recvmsg(pair[1], &m, MSG_CMSG_CLOEXEC) == 4 && a[0] == 'a' && !memcmp(b, "bcd", 3));
	for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
		if (c->cmsg_type == SCM_RIGHTS)
			memcpy(&passed, CMSG_DATA(c), sizeof(passed));
		if (c->cmsg_type == SCM_CREDENTIALS)
			memcpy(&who, CMSG_DATA(c), sizeof(who));
	}
	check("SCM_RIGHTS",
		passed > 2 && write(passed, "y", 1) == 1 && read(p[0], a, 1) == 1 && a[0] == 'y' &&
			fcntl(passed, F_GETFD) == FD_CLOEXEC);
	check("SCM_CREDENTIALS", who.pid == getpid() && who.uid == getuid());
	struct mmsghdr many[2] = { { .msg_hdr = { .msg_iov = part, .msg_iovlen = 1 } },
		{ .msg_hdr = { .msg_iov = part, .msg_iovlen = 1 } } };
	check("sendmmsg, recvmmsg",
		sendmmsg(pair[0], many, 2, 0) == 2 &&
			recvmmsg(pair[1], many, 2, MSG_DONTWAIT, NULL) == 2 &&
			many[1].msg_len == 1);
	m.msg_iovlen = 1025;
	check("too many vectors", sendmsg(pair[0], &m, 0) == -1 && errno == EMSGSIZE);
	m = (struct msghdr){ .msg_iov = (void *)8, .msg_iovlen = 1 };
	check("vectors nowhere", sendmsg(pair[0], &m, 0) == -1 && errno == EFAULT);
	close(passed);
	close(p[0]);
	close(p[1]);
	close(pair[0]);
	close(pair[1]);
}

/* ---- semaphores: an argument that is a number or a pointer ---- */

static void semaphores(void)
{
	unsigned short all[2] = { 0 };
	int id = semget(IPC_PRIVATE, 2, 0600);
	check("semctl: a number",
		id >= 0 && semctl(id, 1, SETVAL, 5) == 0 && semctl(id, 1, GETVAL) == 5);
	check("semctl: a pointer", semctl(id, 0, GETALL, all) == 0 && all[1] == 5);
	check("semctl: the end", semctl(id, 0, IPC_RMID) == 0);
}

/* ---- devices ---- */

static void devices(void)
{
	int fd = memfd_create("disk", MFD_CLOEXEC), number, loop;
	unsigned long long size = 0;
	char path[32];
	ftruncate(fd, 1 << 20);
	check("a block device's ioctl of a file",
		ioctl(fd, BLKGETSIZE64, &size) == -1 && errno == ENOTTY);
	check("an unknown ioctl", ioctl(fd, 0xdeadbeef, 0) == -1 && errno == ENOTTY);
	int control = open("/dev/loop-control", O_RDWR | O_CLOEXEC);
	number = control < 0 ? -1 : ioctl(control, LOOP_CTL_GET_FREE);
	if (number < 0)
		return; /* none here, or not ours to have */
	snprintf(path, sizeof(path), "/dev/loop%d", number);
	loop = open(path, O_RDWR | O_CLOEXEC);
	if (loop < 0)
		return;
	struct loop_info64 info = { .lo_sizelimit = 512 << 10 }, back = { 0 };
	check("loop: a file is a disk",
		ioctl(loop, LOOP_SET_FD, fd) == 0 && ioctl(loop, LOOP_SET_STATUS64, &info) == 0);
	check("loop: its size", ioctl(loop, BLKGETSIZE64, &size) == 0 && size == 512 << 10);
	check("loop: what it says",
		ioctl(loop, LOOP_GET_STATUS64, &back) == 0 && back.lo_sizelimit == 512 << 10);
	check("loop: the end", ioctl(loop, LOOP_CLR_FD, 0) == 0);
}

int main(int argc, char **argv)
{
	(void)argc;
	(void)argv;
	clones();
	robust();
	barriers();
	controls();
	namespaces();
	events();
	messages();
	semaphores();
	devices();
	return 0;
}
