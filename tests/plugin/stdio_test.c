/* SPDX-License-Identifier: MIT */
/* Standard input and output as a byte stream: the test stands at the other end of both. */
#include "fake_host.h"
#include <fcntl.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

extern const struct bp_plugin bp_plugin_1_chr_stdio;

/* 0, 1 and 2 of this process belong to a session for its time. */
static struct session {
	int saved[3];
	int in, out, err; /* our ends, not blocking; -1: none */
	void *stdio;
	const struct bp_chr_back *back;
} s;

static void redirect(int fd, int to)
{
	g_assert_cmpint(dup2(to, fd), ==, fd);
	close(to);
}

static int own_end(int fd)
{
	fcntl(fd, F_SETFL, O_NONBLOCK);
	return fd;
}

static void create(int escape)
{
	s.stdio = fake_new(&bp_plugin_1_chr_stdio, "chr-stdio");
	fake_set(s.stdio, "escape", (uint64_t)escape);
	g_assert_cmpint(fake_create(s.stdio), ==, 0);
	s.back = fake_type(s.stdio)->interface(s.stdio, "bp.chr-back/1");
}

static void begin_pipes(int escape)
{
	int in[2], out[2], err[2];
	for (int fd = 0; fd < 3; fd++)
		s.saved[fd] = dup(fd);
	g_assert_cmpint(pipe(in) + pipe(out) + pipe(err), ==, 0);
	redirect(0, in[0]);
	redirect(1, out[1]);
	redirect(2, err[1]);
	s.in = in[1];
	s.out = own_end(out[0]);
	s.err = own_end(err[0]);
	create(escape);
}

/* A terminal is both; we are the person. */
static void begin_terminal(void)
{
	int master, slave;
	g_assert_cmpint(openpty(&master, &slave, NULL, NULL, NULL), ==, 0);
	for (int fd = 0; fd < 3; fd++)
		s.saved[fd] = dup(fd);
	dup2(slave, 1);
	redirect(0, slave);
	s.in = s.out = own_end(master);
	s.err = -1;
	create(1);
}

static void end(void)
{
	fake_free(s.stdio);
	for (int fd = 0; fd < 3; fd++)
		redirect(fd, s.saved[fd]);
	if (s.in >= 0)
		close(s.in);
	if (s.out != s.in && s.out >= 0)
		close(s.out);
	if (s.err >= 0)
		close(s.err);
}

static void type(const void *bytes, size_t len)
{
	g_assert_cmpint(write(s.in, bytes, len), ==, (ssize_t)len);
	for (unsigned i = 0; i < 4; i++)
		fake_serve(10);
}

static char *read_all(int fd)
{
	GString *all = g_string_new(NULL);
	char buf[4096];
	ssize_t n;
	while ((n = read(fd, buf, sizeof(buf))) > 0)
		g_string_append_len(all, buf, n);
	return g_string_free(all, FALSE);
}

static void assert_received(const char *wanted)
{
	g_assert_cmpmem(fake.received->data, fake.received->len, wanted, strlen(wanted));
}

static void keys(void)
{
	begin_pipes(1);
	type("a\001a\001\001b\001z\001b", 10);
	assert_received("a\001\001b");
	g_assert_cmphex(fake.events, ==, 1u << BP_CHR_BREAK);
	g_assert_cmpint(fake.request, ==, 0);
	type("\001", 1);
	type("x", 1);
	g_assert_cmpint(fake.request, ==, BP_REQ_QUIT);
	g_assert_cmpint(fake.code, ==, 0);
	end();
}

static void no_keys(void)
{
	begin_pipes(0);
	type("\001x\001h", 4);
	assert_received("\001x\001h");
	g_assert_cmpint(fake.request, ==, 0);
	end();
}

static void keys_of_a_pipe_wait_their_turn(void)
{
	begin_pipes(1);
	fake.front_room = 2;
	type("abc\001xd", 6);
	assert_received("ab");
	g_assert_cmpint(fake.request, ==, 0);
	fake.front_room = 10;
	s.back->ready(s.stdio);
	fake_serve(0);
	assert_received("abcd");
	g_assert_cmpint(fake.request, ==, BP_REQ_QUIT);
	end();
}

static void input_waits_for_room(void)
{
	char many[40000];
	begin_pipes(1);
	memset(many, 'm', sizeof(many));
	fake.front_room = 0;
	type(many, sizeof(many));
	for (unsigned i = 0; i < 2000 && fake.received->len < sizeof(many); i++) {
		fake.front_room = 100;
		s.back->ready(s.stdio);
		fake_serve(0);
	}
	g_assert_cmpuint(fake.received->len, ==, sizeof(many));
	close(s.in);
	s.in = -1;
	/* The end of the input is no end of the machine, and nobody looks at it any more. */
	for (unsigned i = 0; i < 5; i++)
		fake_serve(0);
	g_assert_cmpint(fake.request, ==, 0);
	end();
}

static void output_waits_for_its_reader(void)
{
	char block[4096];
	size_t sent = 0, got = 0, n;
	begin_pipes(1);
	for (size_t i = 0; i < sizeof(block); i++)
		block[i] = (char)('a' + i % 26);
	while ((n = s.back->write(s.stdio, block, sizeof(block))) == sizeof(block))
		sent += n;
	sent += n;
	g_assert_cmpuint(sent, >=, 4096);
	fake_serve(0);
	g_assert_cmphex(fake.events, ==, 0);
	char *all = read_all(s.out);
	got = strlen(all);
	g_assert_cmpuint(got, ==, sent);
	g_free(all);
	fake_serve(10);
	g_assert_cmphex(fake.events, ==, 1u << BP_CHR_WRITABLE);
	g_assert_cmpuint(s.back->write(s.stdio, "more", 4), ==, 4);
	all = read_all(s.out);
	g_assert_cmpstr(all, ==, "more");
	g_free(all);
	/* Nobody there any more: said once, and the machine goes on. */
	close(s.out);
	s.out = -1;
	g_assert_cmpuint(s.back->write(s.stdio, "lost", 4), ==, 4);
	g_assert_nonnull(strstr(fake.message, "standard output: Broken pipe"));
	fake.message[0] = 0;
	g_assert_cmpuint(s.back->write(s.stdio, "lost", 4), ==, 4);
	g_assert_cmpstr(fake.message, ==, "");
	end();
}

static void messages_stay_out_of_the_output(void)
{
	begin_pipes(1);
	s.back->write(s.stdio, "guest", 5);
	type("\001h\001chello\x7f\r\001cx", 14);
	assert_received("x");
	char *all = read_all(s.out), *said = read_all(s.err);
	g_assert_cmpstr(all, ==, "guest");
	g_assert_nonnull(strstr(said, "Ctrl-A x"));
	g_assert_nonnull(strstr(said, "(backplane) "));
	g_assert_nonnull(strstr(said, "takes no commands"));
	g_free(all);
	g_free(said);
	end();
}

static void terminal(void)
{
	struct termios t;
	begin_terminal();
	g_assert_cmpint(tcgetattr(0, &t), ==, 0);
	g_assert_cmphex(t.c_lflag & (ICANON | ECHO | ISIG), ==, 0);
	type("\003", 1);
	assert_received("\003");
	/* Keys work, though the guest takes nothing, however much was typed. */
	char many[3000];
	memset(many, 'm', sizeof(many));
	fake.front_room = 0;
	type(many, sizeof(many));
	type("\001x", 2);
	g_assert_cmpint(fake.request, ==, BP_REQ_QUIT);
	type("\001h", 2);
	char *said = read_all(s.out);
	g_assert_nonnull(strstr(said, "Ctrl-A c"));
	g_free(said);
	int slave = dup(0), master = s.in;
	s.in = s.out = -1;
	end();
	g_assert_cmpint(tcgetattr(slave, &t), ==, 0);
	g_assert_cmphex(t.c_lflag & (ICANON | ECHO | ISIG), ==, ICANON | ECHO | ISIG);
	close(slave);
	close(master);
}

static void signals(void)
{
	begin_pipes(1);
	raise(SIGTERM);
	fake_serve(10);
	g_assert_cmpint(fake.request, ==, BP_REQ_QUIT);
	g_assert_cmpint(fake.code, ==, 128 + SIGTERM);
	end();
	struct sigaction a;
	sigaction(SIGTERM, NULL, &a);
	g_assert_true(a.sa_handler == SIG_DFL);
}

static void window(void)
{
	struct bp_chr_info info = { .size = sizeof(info) };
	const struct winsize size = { .ws_row = 30, .ws_col = 100 };
	begin_terminal();
	g_assert_cmpint(ioctl(s.in, TIOCSWINSZ, &size), ==, 0);
	raise(SIGWINCH);
	raise(SIGWINCH);
	fake_serve(10);
	g_assert_cmphex(fake.events, ==, 1u << BP_CHR_RESIZED);
	g_assert_cmpint(fake.request, ==, 0);
	s.back->info(s.stdio, &info);
	g_assert_cmpuint(info.opened, ==, 1);
	g_assert_cmpuint(info.cols, ==, 100);
	g_assert_cmpuint(info.rows, ==, 30);
	end();
}

static void one_owner(void)
{
	begin_pipes(1);
	void *first = s.stdio;
	GString *sent = fake.sent;
	GByteArray *received = fake.received;
	fake.sent = NULL;
	fake.received = NULL;
	void *second = fake_new(&bp_plugin_1_chr_stdio, "chr-stdio");
	g_assert_cmpint(fake_create(second), ==, -1);
	g_assert_nonnull(strstr(fake.message, "already belong to"));
	fake_free(second);
	/* One that no device uses wants nothing. */
	second = fake_new(&bp_plugin_1_chr_stdio, "chr-stdio");
	fake.attached = 0;
	g_assert_cmpint(fake_create(second), ==, 0);
	fake_free(second);
	g_string_free(sent, TRUE);
	g_byte_array_free(received, TRUE);
	s.stdio = first;
	end();
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/stdio/keys", keys);
	g_test_add_func("/stdio/no-keys", no_keys);
	g_test_add_func("/stdio/keys-of-a-pipe-wait-their-turn", keys_of_a_pipe_wait_their_turn);
	g_test_add_func("/stdio/input-waits-for-room", input_waits_for_room);
	g_test_add_func("/stdio/output-waits-for-its-reader", output_waits_for_its_reader);
	g_test_add_func("/stdio/messages-stay-out-of-the-output", messages_stay_out_of_the_output);
	g_test_add_func("/stdio/terminal", terminal);
	g_test_add_func("/stdio/signals", signals);
	g_test_add_func("/stdio/window", window);
	g_test_add_func("/stdio/one-owner", one_owner);
	return g_test_run();
}
