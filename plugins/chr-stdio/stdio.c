/* SPDX-License-Identifier: MIT */
/* A byte stream on this program's own standard input and output, usually a terminal.
 *
 * Input is taken apart in two steps. What was read waits in `raw`; from there each byte goes to `in`,
 * where the device fetches it, or is a key of ours (Ctrl-A and one more). From a terminal keys are
 * obeyed at once, even when the device takes nothing; from a pipe or a file in their turn, when the
 * bytes before them have been taken, and nothing is read while some wait.
 * Everything but write() and ready() runs on the main loop. */
#include "terminal.h"
#include <backplane/chr.h>
#include <backplane/machine.h>
#include <backplane/plugin.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READABLE = 1, WRITABLE = 2, HANGUP = 4 };
enum { CTRL_A = 1, CTRL_D = 4, BACKSPACE = 8, CTRL_U = 21, DELETE = 127 };
enum mode { GUEST, PROMPT };

struct stdio {
	const struct bp_host *host;
	const struct bp_machine *machine;
	uint8_t escape, raw_mode; /* properties */

	pthread_mutex_t lock; /* of what write() touches */
	uint8_t claimed, stalled, lost;
	uint8_t own_out; /* `out` is a description of our own, to be closed */
	uint8_t straight; /* writing to `out` never blocks */
	int out;
	size_t out_piece; /* bytes that a write after POLLOUT takes without blocking */
	bp_watch *out_watch;

	bp_watch *in_watch, *signal_watch;
	uint8_t terminal, ended, escaped;
	_Atomic(uint8_t) posted;
	int message_fd;
	enum mode mode;
	size_t raw_at, raw_len, in_at, in_len, line_len;
	uint8_t raw[1024], in[1024];
	char line[256];
};

static struct stdio *owner; /* one process has one standard input */

/* ---- messages: to the person, never into the output ---- */

static void say(struct stdio *s, const char *text)
{
	size_t len = strlen(text);
	while (len) {
		struct pollfd p = { s->message_fd, POLLOUT, 0 };
		ssize_t n = poll(&p, 1, 100) > 0 ? write(s->message_fd, text, len) : -1;
		if (n <= 0)
			return; /* a stalled terminal misses a message, the machine goes on */
		text += n;
		len -= (size_t)n;
	}
}

static int choose_message_fd(void)
{
	static const int fds[] = { STDOUT_FILENO, STDERR_FILENO, STDIN_FILENO };
	for (unsigned i = 0; i < sizeof(fds) / sizeof(fds[0]); i++)
		if (isatty(fds[i]) && (fcntl(fds[i], F_GETFL) & O_ACCMODE) != O_RDONLY)
			return fds[i];
	return STDERR_FILENO;
}

/* ---- the one-line prompt ---- */

static void prompt(struct stdio *s)
{
	s->line_len = 0;
	say(s, "(backplane) ");
}

static void run_line(struct stdio *s)
{
	s->line[s->line_len] = 0;
	say(s, "\n");
	if (s->line_len) {
		const char *answer = s->machine && BP_HAS(s->machine, command)
			? s->machine->command(s, s->line)
			: "this core takes no commands";
		if (answer && *answer) {
			say(s, answer);
			say(s, "\n");
		}
	}
	prompt(s);
}

static void leave_prompt(struct stdio *s)
{
	s->mode = GUEST;
	say(s, "\n");
}

static void edit(struct stdio *s, uint8_t c)
{
	const char shown[] = { (char)c, 0 };
	if (c == '\r' || c == '\n') {
		run_line(s);
	} else if (c == CTRL_D) {
		leave_prompt(s);
	} else if (c == BACKSPACE || c == DELETE) {
		if (s->line_len && s->line_len--)
			say(s, "\b \b");
	} else if (c == CTRL_U) {
		for (; s->line_len; s->line_len--)
			say(s, "\b \b");
	} else if (c >= ' ' && c != DELETE && s->line_len + 1 < sizeof(s->line)) {
		s->line[s->line_len++] = (char)c;
		if (s->terminal)
			say(s, shown);
	}
}

/* ---- keys ---- */

static void put(struct stdio *s, uint8_t c)
{
	/* Only a terminal can find it full: what is typed too much for the guest is lost. */
	if (s->in_len < sizeof(s->in))
		s->in[(s->in_at + s->in_len++) % sizeof(s->in)] = c;
}

static void key_quit(struct stdio *s)
{
	s->host->request(s, BP_REQ_QUIT, 0);
}

static void key_help(struct stdio *s);

static void key_prompt(struct stdio *s)
{
	if (s->mode == PROMPT) {
		leave_prompt(s);
		return;
	}
	s->mode = PROMPT;
	say(s, "\n");
	prompt(s);
}

static void key_break(struct stdio *s)
{
	s->host->chr_event(s, BP_CHR_BREAK);
}

static void key_escape(struct stdio *s)
{
	put(s, CTRL_A);
}

static const struct {
	uint8_t key;
	const char *help;
	void (*run)(struct stdio *s);
} keys[] = {
	{ 'h', "Ctrl-A h    this list", key_help },
	{ '?', NULL, key_help },
	{ 'x', "Ctrl-A x    quit; the guest is not asked", key_quit },
	{ 'c', "Ctrl-A c    a prompt for commands (help lists them), and back", key_prompt },
	{ 'b', "Ctrl-A b    send a break", key_break },
	{ 'a', "Ctrl-A a    send Ctrl-A", key_escape },
	{ CTRL_A, NULL, key_escape },
};
enum { KEYS = sizeof(keys) / sizeof(keys[0]) };

static void key_help(struct stdio *s)
{
	say(s, "\n");
	for (unsigned i = 0; i < KEYS; i++) {
		if (!keys[i].help)
			continue;
		say(s, keys[i].help);
		say(s, "\n");
	}
	if (s->mode == PROMPT)
		prompt(s);
}

static void take(struct stdio *s, uint8_t c)
{
	if (s->escaped) {
		s->escaped = 0;
		for (unsigned i = 0; i < KEYS; i++)
			if (keys[i].key == c)
				keys[i].run(s);
	} else if (s->escape && c == CTRL_A) {
		s->escaped = 1;
	} else if (s->mode == PROMPT) {
		edit(s, c);
	} else {
		put(s, c);
	}
}

/* ---- input ---- */

static void offer(struct stdio *s)
{
	while (s->in_len) {
		size_t run = sizeof(s->in) - s->in_at;
		run = run < s->in_len ? run : s->in_len;
		size_t n = s->host->chr_receive(s, s->in + s->in_at, run);
		if (!n)
			return;
		s->in_at = (s->in_at + n) % sizeof(s->in);
		s->in_len -= n;
	}
}

static int is_ours(const struct stdio *s)
{
	return s->escaped || s->mode == PROMPT || (s->escape && s->raw[s->raw_at] == CTRL_A);
}

/* As far as it goes now. A pipe's keys wait for the bytes before them. */
static void digest(struct stdio *s)
{
	offer(s);
	while (s->raw_len) {
		if (!s->terminal && s->in_len && (is_ours(s) || s->in_len == sizeof(s->in))) {
			offer(s);
			if (s->in_len && (is_ours(s) || s->in_len == sizeof(s->in)))
				return;
		}
		s->raw_len--;
		take(s, s->raw[s->raw_at++]);
	}
	offer(s);
}

static void rearm(struct stdio *s)
{
	if (s->in_watch)
		s->host->watch_set(s->in_watch, s->raw_len || s->ended ? 0 : READABLE);
}

static void in_ready(void *self, int fd, unsigned events)
{
	struct stdio *s = self;
	(void)events;
	ssize_t n = s->raw_len ? 0 : read(fd, s->raw, sizeof(s->raw));
	if (n > 0) {
		s->raw_at = 0;
		s->raw_len = (size_t)n;
	} else if (!s->raw_len && (n == 0 || (errno != EAGAIN && errno != EINTR))) {
		s->ended = 1; /* the machine goes on without input */
	}
	digest(s);
	rearm(s);
}

static void digest_later(void *self, uint64_t arg)
{
	struct stdio *s = self;
	(void)arg;
	atomic_store(&s->posted, 0);
	digest(s);
	rearm(s);
}

static void stdio_ready(void *self)
{
	struct stdio *s = self;
	if (s->claimed && !atomic_exchange(&s->posted, 1))
		s->host->post(s, digest_later, 0);
}

/* ---- output ---- */

/* The terminal or pipe may be another program's too, so its description must not be made
 * non-blocking: open it once more. What cannot be opened is asked with poll before each write. */
static void open_out(struct stdio *s)
{
	struct stat st;
	s->out = STDOUT_FILENO;
	s->out_piece = 1;
	if (fstat(STDOUT_FILENO, &st) != 0)
		return;
	if (S_ISREG(st.st_mode)) {
		s->straight = 1;
	} else if (S_ISFIFO(st.st_mode) || isatty(STDOUT_FILENO)) {
		int fd = open("/proc/self/fd/1", O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
		if (fd >= 0) {
			s->out = fd;
			s->own_out = s->straight = 1;
		} else if (S_ISFIFO(st.st_mode)) {
			s->out_piece = 4096; /* PIPE_BUF */
		}
	}
}

/* For what blocks: as much as is sure to go. */
static ssize_t write_careful(struct stdio *s, const uint8_t *p, size_t len)
{
	struct pollfd ready = { s->out, POLLOUT, 0 };
	ssize_t n = send(s->out, p, len, MSG_DONTWAIT | MSG_NOSIGNAL);
	if (n >= 0 || errno != ENOTSOCK)
		return n;
	if (poll(&ready, 1, 0) == 0) {
		errno = EAGAIN;
		return -1;
	}
	return write(s->out, p, len < s->out_piece ? len : s->out_piece);
}

static size_t stdio_write(void *self, const void *buf, size_t len)
{
	struct stdio *s = self;
	const uint8_t *p = buf;
	size_t done = 0;
	if (!s->claimed)
		return len; /* before realise nobody can say anything worth keeping */
	pthread_mutex_lock(&s->lock);
	while (!s->lost && done < len) {
		ssize_t n = s->straight ? write(s->out, p + done, len - done)
					: write_careful(s, p + done, len - done);
		if (n >= 0) {
			done += (size_t)n;
		} else if (errno == EAGAIN) {
			s->stalled = 1;
			s->host->watch_set(s->out_watch, WRITABLE | HANGUP);
			break;
		} else if (errno != EINTR) {
			s->lost = 1;
			s->host->log(s, BP_LOG_ERROR,
				"standard output: %s; what the machine writes from here on is lost",
				strerror(errno));
		}
	}
	if (s->lost)
		done = len;
	pthread_mutex_unlock(&s->lock);
	return done;
}

static void out_ready(void *self, int fd, unsigned events)
{
	struct stdio *s = self;
	(void)fd;
	(void)events;
	pthread_mutex_lock(&s->lock);
	int was = s->stalled;
	s->stalled = 0;
	s->host->watch_set(s->out_watch, 0);
	pthread_mutex_unlock(&s->lock);
	if (was)
		s->host->chr_event(s, BP_CHR_WRITABLE);
}

static void stdio_info(void *self, struct bp_chr_info *info)
{
	struct winsize w;
	(void)self;
	info->opened = 1;
	if (ioctl(STDOUT_FILENO, TIOCGWINSZ, &w) == 0) {
		info->cols = w.ws_col;
		info->rows = w.ws_row;
	}
}

static const struct bp_chr_back back = {
	.size = sizeof(back),
	.write = stdio_write,
	.ready = stdio_ready,
	.info = stdio_info,
};

/* ---- life ---- */

static void signalled(void *self, int fd, unsigned events)
{
	struct stdio *s = self;
	unsigned char number;
	(void)events;
	while (read(fd, &number, 1) == 1) {
		if (number == SIGWINCH)
			s->host->chr_event(s, BP_CHR_RESIZED);
		else if (number != SIGCONT)
			s->host->request(s, BP_REQ_QUIT, 128 + number);
		else if (s->terminal && s->raw_mode)
			terminal_raw(STDIN_FILENO);
	}
}

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct stdio *s = self;
	(void)err;
	s->host = host;
	return 0;
}

static int claim(struct stdio *s, bp_error *err)
{
	if (owner)
		return s->host->fail(err,
			"standard input and output already belong to %s; give one of them another "
			"type, such as chr-pty or chr-file",
			s->host->name_of(owner));
	owner = s;
	s->claimed = 1;
	pthread_mutex_init(&s->lock, NULL);
	s->machine = s->host->interface("bp.machine/1");
	s->terminal = isatty(STDIN_FILENO) == 1;
	s->message_fd = choose_message_fd();
	open_out(s);
	s->out_watch = s->host->watch_new(s, s->out, 0, out_ready);
	return 0;
}

/* Only now, when it is known that a device wants it, is the terminal taken: a board's own console
 * may have been replaced. */
static int realise(void *self, bp_error *err)
{
	struct stdio *s = self;
	if (BP_HAS(s->host, chr_attached) && !s->host->chr_attached(s))
		return 0;
	if (claim(s, err) != 0)
		return -1;
	int fd = signals_catch();
	if (fd < 0)
		return s->host->fail(err, "signals cannot be caught: %s", strerror(errno));
	s->signal_watch = s->host->watch_new(s, fd, READABLE, signalled);
	if (s->terminal && s->raw_mode)
		terminal_raw(STDIN_FILENO);
	if (fcntl(STDIN_FILENO, F_GETFD) >= 0)
		s->in_watch = s->host->watch_new(s, STDIN_FILENO, READABLE, in_ready);
	return 0;
}

static void destroy(void *self)
{
	struct stdio *s = self;
	if (!s->claimed)
		return;
	terminal_restore();
	signals_release(); /* the watches end with the object */
	if (s->own_out)
		close(s->out);
	pthread_mutex_destroy(&s->lock);
	owner = NULL;
}

static const void *interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.chr-back/1") ? NULL : &back;
}

static const struct bp_field props[] = {
	{ BP_PROP(struct stdio, escape, BP_BOOL, "escape"), .def = 1,
		.help = "obey Ctrl-A keys (Ctrl-A h lists them)" },
	{ BP_PROP(struct stdio, raw_mode, BP_BOOL, "raw"), .def = 1,
		.help = "a terminal passes every key on, Ctrl-C too" },
	{ 0 },
};

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct stdio),
	.threads = BP_PARALLEL,
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.create = create,
	.realise = realise,
	.destroy = destroy,
	.interface = interface,
};

static const struct bp_type types[] = {
	{ "chr-stdio", "byte stream on standard input and output", BP_KIND_CHR, 0, &object, NULL },
	{ 0 },
};

BP_PLUGIN(chr_stdio) = {
	BP_PLUGIN_HEAD,
	.name = "chr-stdio",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
