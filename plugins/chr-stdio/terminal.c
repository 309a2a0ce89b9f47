/* SPDX-License-Identifier: MIT */
#include "terminal.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static struct termios cooked;
static volatile sig_atomic_t raw_fd = -1; /* the terminal to give back, -1: none */

/* ---- the terminal ---- */

/* Also from signal handlers. */
void terminal_restore(void)
{
	int fd = raw_fd, error = errno;
	raw_fd = -1;
	pid_t foreground = fd < 0 ? 0 : tcgetpgrp(fd);
	/* A shell that has put us into the background has a mode of its own by now. */
	if (fd >= 0 && (foreground < 0 || foreground == getpgrp()))
		tcsetattr(fd, TCSANOW, &cooked);
	errno = error;
}

void terminal_raw(int fd)
{
	static int registered;
	struct termios t;
	if (tcgetattr(fd, &t) != 0)
		return;
	if (raw_fd < 0)
		cooked = t;
	if (!registered)
		registered = atexit(terminal_restore) == 0;
	raw_fd = fd;
	cfmakeraw(&t);
	t.c_oflag |= OPOST; /* messages on the same terminal end their lines with \n alone */
	t.c_cc[VMIN] = 1;
	t.c_cc[VTIME] = 0;
	tcsetattr(fd, TCSANOW, &t);
}

/* ---- signals ---- */

static const struct {
	int number;
	int ends;
} caught[] = { { SIGINT, 1 }, { SIGTERM, 1 }, { SIGHUP, 1 }, { SIGQUIT, 1 }, { SIGCONT, 0 },
	{ SIGWINCH, 0 } };
enum { CAUGHT = sizeof(caught) / sizeof(caught[0]) };

static struct sigaction before[CAUGHT], pipe_before, abort_before;
static int pipe_fds[2] = { -1, -1 };
static volatile sig_atomic_t ending;

static void die(int number)
{
	terminal_restore();
	signal(number, SIG_DFL);
	raise(number);
}

static void handler(int number)
{
	int error = errno;
	unsigned char byte = (unsigned char)number;
	if (number != SIGCONT && number != SIGWINCH) {
		if (ending)
			die(number);
		ending = 1;
	}
	/* A full pipe already says enough. */
	if (write(pipe_fds[1], &byte, 1) < 0 && number != SIGCONT && number != SIGWINCH &&
		errno != EAGAIN)
		die(number);
	errno = error;
}

int signals_catch(void)
{
	struct sigaction a = { .sa_handler = handler, .sa_flags = SA_RESTART };
	if (pipe2(pipe_fds, O_CLOEXEC | O_NONBLOCK) != 0)
		return -1;
	ending = 0;
	sigemptyset(&a.sa_mask);
	for (unsigned i = 0; i < CAUGHT; i++) {
		sigaction(caught[i].number, NULL, &before[i]);
		/* Who started us (nohup, a shell's &) may have asked to be spared. */
		if (before[i].sa_handler != SIG_IGN || !caught[i].ends)
			sigaction(caught[i].number, &a, NULL);
	}
	a.sa_handler = SIG_IGN;
	sigaction(SIGPIPE, &a, &pipe_before);
	a.sa_handler = die;
	a.sa_flags = SA_NODEFER;
	sigaction(SIGABRT, &a, &abort_before);
	return pipe_fds[0];
}

void signals_release(void)
{
	if (pipe_fds[0] < 0)
		return;
	for (unsigned i = 0; i < CAUGHT; i++)
		sigaction(caught[i].number, &before[i], NULL);
	sigaction(SIGPIPE, &pipe_before, NULL);
	sigaction(SIGABRT, &abort_before, NULL);
	close(pipe_fds[0]);
	close(pipe_fds[1]);
	pipe_fds[0] = pipe_fds[1] = -1;
}
