/* SPDX-License-Identifier: MIT */
/* Commands of the machine from a byte stream, a line each; answers as lines, the last one "ok" or
 * "error: SENTENCE". The peer is hostile: a line is bounded, and while an answer waits for the peer to
 * read, nothing more is taken. All of it runs on the main loop, where byte streams deliver. */
#include <backplane/chr.h>
#include <backplane/machine.h>
#include <backplane/plugin.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_BYTES = 1024 };

struct monitor {
	const struct bp_host *host;
	const struct bp_machine *machine;
	bp_chr *chr;
	size_t line_len;
	uint8_t too_long, strange;
	char line[LINE_BYTES];
	char *answer; /* what the peer has still to take, or NULL */
	size_t answer_at, answer_len;
};

/* ---- answers ---- */

static void forget_answer(struct monitor *m)
{
	free(m->answer);
	m->answer = NULL;
	m->answer_at = m->answer_len = 0;
}

static void send(struct monitor *m)
{
	while (m->answer_at < m->answer_len) {
		size_t n = m->host->chr_write(
			m->chr, m->answer + m->answer_at, m->answer_len - m->answer_at);
		if (!n)
			return; /* an event follows */
		m->answer_at += n;
	}
	forget_answer(m);
}

static void reply(struct monitor *m, const char *text)
{
	static const char error[] = "error: ";
	const char *end = strncmp(text, error, sizeof(error) - 1) ? "ok\n" : "";
	size_t len = strlen(text), most = len + 1 + strlen(end) + 1;
	forget_answer(m);
	m->answer = malloc(most);
	if (!m->answer)
		return;
	memcpy(m->answer, text, len);
	if (len)
		m->answer[len++] = '\n';
	memcpy(m->answer + len, end, strlen(end));
	m->answer_len = len + strlen(end);
	send(m);
}

/* ---- lines ---- */

static void obey(struct monitor *m)
{
	m->line[m->line_len] = 0;
	if (m->too_long)
		reply(m, "error: a line has at most 1023 bytes; this one was longer");
	else if (m->strange)
		reply(m, "error: a line is printable ASCII; this one holds other bytes");
	else if (m->line_len)
		reply(m, m->machine->command(m, m->line));
	m->line_len = m->too_long = m->strange = 0;
}

static void take(struct monitor *m, uint8_t c)
{
	if (c == '\n') {
		obey(m);
		return;
	}
	if (c == '\r')
		return;
	if (m->line_len + 1 >= LINE_BYTES) {
		m->too_long = 1;
		return;
	}
	m->strange |= c < ' ' || c > '~';
	m->line[m->line_len++] = (char)c;
}

/* A byte at a time: after a line nothing is taken until its answer is gone. */
static size_t can_receive(void *self)
{
	const struct monitor *m = self;
	return m->answer ? 0 : 1;
}

static void receive(void *self, const uint8_t *buf, size_t len)
{
	struct monitor *m = self;
	for (size_t i = 0; i < len; i++)
		take(m, buf[i]);
}

static void event(void *self, int what)
{
	struct monitor *m = self;
	if (what == BP_CHR_WRITABLE)
		send(m);
	if (what == BP_CHR_OPENED || what == BP_CHR_CLOSED) {
		m->line_len = m->too_long = m->strange = 0;
		forget_answer(m);
	}
	if (!m->answer)
		m->host->chr_ready(m->chr);
}

static const struct bp_chr_front front = {
	.size = sizeof(front),
	.can_receive = can_receive,
	.receive = receive,
	.event = event,
};

/* ---- life ---- */

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct monitor *m = self;
	m->host = host;
	m->machine = host->interface("bp.machine/1");
	if (!m->machine || !BP_HAS(m->machine, command))
		return host->fail(err, "this core takes no commands");
	host->chr_attach(m, m->chr, &front);
	return 0;
}

static void destroy(void *self)
{
	forget_answer(self);
}

static const char *const chr_link[] = { "bp.chr/1", NULL };
static const struct bp_field props[] = {
	{ BP_PROP(struct monitor, chr, BP_LINK, "chr"), .flags = BP_F_REQUIRED, .names = chr_link,
		.help = "the byte stream that commands come from and answers go to" },
	{ 0 },
};

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct monitor),
	.threads = BP_PARALLEL,
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.create = create,
	.destroy = destroy,
};

static const struct bp_type types[] = {
	{ "mon-line", "monitor: commands and answers as lines of text", BP_KIND_UI, 0, &object,
		NULL },
	{ 0 },
};

BP_PLUGIN(mon_line) = {
	BP_PLUGIN_HEAD,
	.name = "mon-line",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
