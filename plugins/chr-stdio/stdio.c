/* SPDX-License-Identifier: MIT */
/* The terminal this program runs in. Ctrl-A is the escape; what follows it is in the table of keys.
 * The guest's bytes go to stdout and nothing else does: help and prompt go to stderr. */
#include <backplane/chr.h>
#include <backplane/machine.h>
#include <backplane/plugin.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

enum { READABLE = 1, WRITABLE = 2, ESCAPE = 1 /* Ctrl-A */, LINE = 256 };

struct stdio {
	const struct bp_host *host;
	const struct bp_machine *machine;
	uint8_t escape; /* property: Ctrl-A means something */
	uint8_t escaped; /* the last byte was Ctrl-A */
	uint8_t prompting; /* bytes make a line for the monitor */
	uint8_t made_nonblocking, stalled, hung;
	char line[LINE];
	size_t length;
	bp_watch *in, *out;
	pthread_mutex_t lock; /* of the writing side */
	uint8_t held[4096]; /* typed, and the device has no room yet */
	size_t held_at, held_len;
};

/* ---- the terminal's own settings, put back whatever ends the program ---- */

static struct termios before;
static int raw_mode;
static int out_flags = -1;

static void restore_terminal(void)
{
	if (raw_mode)
		tcsetattr(STDIN_FILENO, TCSANOW, &before);
	if (out_flags >= 0)
		fcntl(STDOUT_FILENO, F_SETFL, out_flags);
	raw_mode = 0;
	out_flags = -1;
}

static struct stdio *only; /* there is one terminal */

static void on_signal(int number)
{
	/* request() only notes and wakes the main loop: safe here. */
	if (only)
		only->host->request(only, BP_REQ_QUIT, 128 + number);
}

static void make_raw(void)
{
	struct termios t;
	if (raw_mode || tcgetattr(STDIN_FILENO, &before) != 0)
		return;
	t = before;
	cfmakeraw(&t);
	t.c_oflag |= OPOST; /* our own lines still end in carriage returns */
	if (tcsetattr(STDIN_FILENO, TCSANOW, &t) == 0)
		raw_mode = 1;
}

/* ---- output ---- */

static size_t stdio_write(void *self, const void *buf, size_t len)
{
	struct stdio *s = self;
	size_t done = 0;
	pthread_mutex_lock(&s->lock);
	while (done < len) {
		ssize_t n = write(STDOUT_FILENO, (const uint8_t *)buf + done, len - done);
		if (n >= 0) {
			done += (size_t)n;
		} else if (errno == EAGAIN) {
			s->stalled = 1;
			if (!s->out)
				break;
			s->host->watch_set(s->out, WRITABLE);
			break;
		} else if (errno != EINTR) {
			done = len; /* nobody reads any more */
		}
	}
	pthread_mutex_unlock(&s->lock);
	return done;
}

static void out_ready(void *self, int fd, unsigned events)
{
	struct stdio *s = self;
	(void)fd;
	(void)events;
	pthread_mutex_lock(&s->lock);
	s->stalled = 0;
	s->host->watch_set(s->out, 0);
	pthread_mutex_unlock(&s->lock);
	s->host->chr_event(s, BP_CHR_WRITABLE);
}

/* ---- input ---- */

static void deliver(void *self, uint64_t arg)
{
	struct stdio *s = self;
	(void)arg;
	while (s->held_len) {
		size_t n = s->host->chr_receive(s, s->held + s->held_at, s->held_len);
		if (!n)
			return;
		s->held_at += n;
		s->held_len -= n;
	}
	s->held_at = 0;
	if (!s->hung)
		s->host->watch_set(s->in, READABLE);
}

static void stdio_ready(void *self)
{
	struct stdio *s = self;
	if (s->held_len)
		s->host->post(s, deliver, 0);
}

static void hold(struct stdio *s, uint8_t byte)
{
	if (s->held_at + s->held_len < sizeof(s->held))
		s->held[s->held_at + s->held_len++] = byte;
}

static void key_quit(struct stdio *s)
{
	fprintf(stderr, "\nbackplane: quit from the terminal\n");
	s->host->request(s, BP_REQ_QUIT, 0);
}

static void prompt(void)
{
	fprintf(stderr, "\n(backplane) ");
}

static void key_prompt(struct stdio *s)
{
	s->prompting = 1;
	s->length = 0;
	prompt();
}

static void key_break(struct stdio *s)
{
	s->host->chr_event(s, BP_CHR_BREAK);
}

static void key_escape(struct stdio *s)
{
	hold(s, ESCAPE);
}

static void key_help(struct stdio *s);

static const struct {
	char key;
	const char *help;
	void (*run)(struct stdio *s);
} keys[] = {
	{ 'h', "this help", key_help },
	{ 'x', "quit the emulator", key_quit },
	{ 'c', "a line for the monitor (reset, pause, quit, help); Ctrl-A c leaves it",
		key_prompt },
	{ 'b', "send a break", key_break },
	{ ESCAPE, "send Ctrl-A", key_escape },
};

static void key_help(struct stdio *s)
{
	(void)s;
	fprintf(stderr, "\n");
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		fprintf(stderr, "Ctrl-A %-6s  %s\n",
			keys[i].key == ESCAPE ? "Ctrl-A" : (const char[]){ keys[i].key, 0 },
			keys[i].help);
}

static void run_key(struct stdio *s, uint8_t byte)
{
	for (unsigned i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
		if ((uint8_t)keys[i].key == byte)
			keys[i].run(s);
}

static void prompt_byte(struct stdio *s, uint8_t byte)
{
	if (byte == '\r' || byte == '\n') {
		s->line[s->length] = 0;
		const char *answer = s->machine ? s->machine->command(s, s->line) : "";
		fprintf(stderr, "\n%s%s", answer, *answer ? "" : "\r");
		s->prompting = s->length != 0; /* an empty line goes back to the guest */
		s->length = 0;
		if (s->prompting)
			prompt();
	} else if ((byte == 127 || byte == 8) && s->length) {
		s->length--;
		fprintf(stderr, "\b \b");
	} else if (byte >= 32 && byte < 127 && s->length + 1 < LINE) {
		s->line[s->length++] = (char)byte;
		fputc(byte, stderr);
	}
}

static void typed(struct stdio *s, uint8_t byte)
{
	if (s->escaped) {
		s->escaped = 0;
		if (s->prompting && byte == 'c')
			s->prompting = 0;
		else
			run_key(s, byte);
	} else if (s->escape && byte == ESCAPE) {
		s->escaped = 1;
	} else if (s->prompting) {
		prompt_byte(s, byte);
	} else {
		hold(s, byte);
	}
}

static void in_ready(void *self, int fd, unsigned events)
{
	struct stdio *s = self;
	uint8_t buf[1024];
	(void)events;
	ssize_t n = read(fd, buf, sizeof(buf));
	if (n == 0 || (n < 0 && errno != EAGAIN && errno != EINTR)) {
		/* The end of a pipe: nothing more is typed, the machine goes on. */
		s->hung = 1;
		s->host->watch_set(s->in, 0);
		return;
	}
	for (ssize_t i = 0; i < n; i++)
		typed(s, buf[i]);
	if (!s->held_len)
		return;
	/* Escapes must work while the guest does not read: keep listening until the room is used. */
	if (s->held_at + s->held_len > sizeof(s->held) - sizeof(buf))
		s->host->watch_set(s->in, 0);
	deliver(s, 0);
}

static const struct bp_chr_back back = {
	.size = sizeof(back),
	.write = stdio_write,
	.ready = stdio_ready,
};

/* ---- life ---- */

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	static const int signals[] = { SIGTERM, SIGINT, SIGHUP };
	struct stdio *s = self;
	if (only)
		return host->fail(err, "there is only one terminal, and another object has it");
	s->host = host;
	s->machine = host->interface("bp.machine/1");
	only = s;
	pthread_mutex_init(&s->lock, NULL);
	atexit(restore_terminal);
	for (unsigned i = 0; i < sizeof(signals) / sizeof(signals[0]); i++) {
		struct sigaction a = { .sa_handler = on_signal };
		sigaction(signals[i], &a, NULL);
	}
	signal(SIGPIPE, SIG_IGN);
	if (isatty(STDIN_FILENO))
		make_raw();
	/* A reader that stalls must not hold the guest's UART inside write(). */
	if (!isatty(STDOUT_FILENO)) {
		out_flags = fcntl(STDOUT_FILENO, F_GETFL);
		if (out_flags >= 0)
			fcntl(STDOUT_FILENO, F_SETFL, out_flags | O_NONBLOCK);
	}
	s->in = host->watch_new(s, STDIN_FILENO, READABLE, in_ready);
	s->out = host->watch_new(s, STDOUT_FILENO, 0, out_ready);
	return 0;
}

static void destroy(void *self)
{
	struct stdio *s = self;
	if (only != s)
		return;
	only = NULL;
	restore_terminal();
	pthread_mutex_destroy(&s->lock);
}

static const void *interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.chr-back/1") ? NULL : &back;
}

static const struct bp_field props[] = {
	{ "escape", "Ctrl-A is the escape key", (uint32_t)offsetof(struct stdio, escape), BP_BOOL,
		.def = 1 },
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
	.destroy = destroy,
	.interface = interface,
};
static const struct bp_type types[] = {
	{ "chr-stdio", "byte stream on this terminal", BP_KIND_CHR, 0, &object, NULL },
	{ 0 },
};
BP_PLUGIN(chr_stdio) = {
	BP_PLUGIN_HEAD,
	.name = "chr-stdio",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
