/* SPDX-License-Identifier: MIT */
/* Lines of text from a byte stream become input: for scripts and tests, over any socket, pipe or file.
 *
 *     key KEY_A down        key KEY_A up        key a              (down, then up)
 *     abs x 100; abs y 200; key BTN_LEFT down                          (one report)
 *     rel wheel -1
 *
 * A line's events are one report a device; what is pressed without "down" or "up" is let go in a second
 * one. Nothing more is read while a device does not take a report. */
#include "names.h"
#include <backplane/chr.h>
#include <backplane/plugin.h>
#include <errno.h>
#include <linux/input-event-codes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 512, SINKS = 16, STEPS = 2, WORDS = 3 };

struct text;
struct sink {
	struct text *text; /* NULL: free */
	void *owner;
	const struct bp_input_sink *ops;
};

struct report {
	uint32_t count;
	struct bp_input_event event[BP_INPUT_REPORT_MAX];
};

struct text {
	const struct bp_host *host;
	bp_chr *chr;
	struct sink sink[SINKS];

	char in[LINE_MAX_BYTES]; /* what was received and not yet obeyed */
	uint32_t in_len;
	uint8_t skipping; /* the rest of a line that was too long */
	uint64_t line; /* number of the last one */
	/* What the last line asks for: two reports, for each sink its part. */
	struct report report[STEPS];
	uint32_t step, sink_at; /* to go on with; step STEPS: nothing is left */
};

/* ---- to the devices ---- */

static int takes(const struct sink *s, const struct bp_input_event *e)
{
	return s->text && s->ops->about(s->owner)->bits[e->type][e->code / 8] >> e->code % 8 & 1;
}

/* The first device that takes it; SINKS: none. */
static unsigned route(const struct text *t, const struct bp_input_event *e)
{
	unsigned n = 0;
	while (n < SINKS && !takes(&t->sink[n], e))
		n++;
	return n;
}

/* 0: a device is full, which will say when it is not. */
static int deliver(struct text *t)
{
	for (; t->step < STEPS; t->step++, t->sink_at = 0)
		for (; t->sink_at < SINKS; t->sink_at++) {
			const struct report *r = &t->report[t->step];
			const struct sink *s = &t->sink[t->sink_at];
			struct bp_input_event part[BP_INPUT_REPORT_MAX];
			uint32_t count = 0;
			for (uint32_t i = 0; i < r->count; i++)
				if (route(t, &r->event[i]) == t->sink_at)
					part[count++] = r->event[i];
			if (count && s->ops->report(s->owner, part, count) == BP_INPUT_FULL)
				return 0;
		}
	memset(t->report, 0, sizeof(t->report));
	return 1;
}

/* ---- lines ---- */

static int complain(struct text *t, const char *why, const char *word)
{
	char shown[41];
	size_t n = 0;
	for (; word && word[n] && n + 1 < sizeof(shown); n++)
		shown[n] = word[n] >= ' ' && word[n] < 127 ? word[n] : '?';
	shown[n] = 0;
	t->host->log(t, BP_LOG_GUEST, "line %llu: \"%s\": %s; the line is left out",
		(unsigned long long)t->line, shown, why);
	return -1;
}

static int add(struct text *t, unsigned step, uint16_t type, int code, long value, const char *word)
{
	struct report *r = &t->report[step];
	struct bp_input_event e = { type, (uint16_t)code, (int32_t)value };
	if (r->count == BP_INPUT_REPORT_MAX)
		return complain(t, "at most 32 events make a report", word);
	if (route(t, &e) == SINKS)
		return complain(t, "no device takes it", word);
	r->event[r->count++] = e;
	return 0;
}

static int key(struct text *t, int code, char *const *word, unsigned count)
{
	const char *how = count > 2 ? word[2] : "tap";
	int down = !strcmp(how, "down"), up = !strcmp(how, "up");
	if (!down && !up && strcmp(how, "tap") != 0)
		return complain(t, "\"down\", \"up\" or \"tap\" is expected", how);
	if (!up && add(t, 0, EV_KEY, code, 1, word[1]) != 0)
		return -1;
	return down ? 0 : add(t, up ? 0 : 1, EV_KEY, code, 0, word[1]);
}

static int move(struct text *t, uint16_t type, int code, char *const *word, unsigned count)
{
	char *end = NULL;
	errno = 0;
	long v = count > 2 ? strtol(word[2], &end, 0) : 0;
	if (!end || *end || end == word[2] || errno || v < INT32_MIN || v > INT32_MAX)
		return complain(
			t, "a number of 32 bits is expected", count > 2 ? word[2] : word[1]);
	return add(t, 0, type, code, v, word[1]);
}

static int command(struct text *t, char *text)
{
	static const struct {
		const char *word;
		uint16_t type;
	} commands[] = { { "key", EV_KEY }, { "rel", EV_REL }, { "abs", EV_ABS } };
	char *word[WORDS + 1], *rest = NULL;
	unsigned count = 0, c = 0;
	for (char *w = strtok_r(text, " \t\r", &rest); w && count <= WORDS;
		w = strtok_r(NULL, " \t\r", &rest))
		word[count++] = w;
	if (!count)
		return 0;
	while (c < 3 && strcmp(commands[c].word, word[0]) != 0)
		c++;
	if (c == 3)
		return complain(t, "key, rel or abs is expected", word[0]);
	if (count < 2 || count > WORDS)
		return complain(t, "a name is expected, and what happens", word[0]);
	int code = name_find(commands[c].type, word[1]);
	if (code < 0)
		return complain(t, "no code has this name", word[1]);
	return commands[c].type == EV_KEY ? key(t, code, word, count)
					  : move(t, commands[c].type, code, word, count);
}

/* A line that is wrong somewhere does nothing. */
static void obey(struct text *t, char *line, size_t len)
{
	char *rest = NULL;
	t->line++;
	if (memchr(line, 0, len)) {
		complain(t, "a byte 0 is no text", line);
		return;
	}
	line[strcspn(line, "#")] = 0;
	for (char *c = strtok_r(line, ";", &rest); c; c = strtok_r(NULL, ";", &rest))
		if (command(t, c) != 0) {
			memset(t->report, 0, sizeof(t->report));
			return;
		}
	t->step = t->sink_at = 0;
	deliver(t);
}

static void drop(struct text *t, size_t n)
{
	t->in_len -= (uint32_t)n;
	memmove(t->in, t->in + n, t->in_len);
	memset(t->in + t->in_len, 0, n);
}

static void obey_all(struct text *t)
{
	char line[LINE_MAX_BYTES];
	while (t->step == STEPS && t->in_len) {
		const char *end = memchr(t->in, '\n', t->in_len);
		size_t n = end ? (size_t)(end - t->in) : t->in_len;
		if (!end && n < sizeof(t->in) && !t->skipping)
			return;
		memcpy(line, t->in, n);
		line[n < sizeof(line) ? n : n - 1] = 0;
		drop(t, end ? n + 1 : n);
		if (end && !t->skipping) {
			obey(t, line, n);
		} else if (!t->skipping) {
			t->line++;
			complain(t, "a line has at most 511 bytes", line);
		}
		t->skipping = !end;
	}
}

static void go_on(void *self, uint64_t arg)
{
	struct text *t = self;
	(void)arg;
	if (!deliver(t))
		return;
	obey_all(t);
	if (t->step == STEPS)
		t->host->chr_ready(t->chr);
}

static size_t can_receive(void *self)
{
	const struct text *t = self;
	return t->step < STEPS ? 0 : sizeof(t->in) - t->in_len;
}

static void receive(void *self, const uint8_t *buf, size_t len)
{
	struct text *t = self;
	memcpy(t->in + t->in_len, buf, len);
	t->in_len += (uint32_t)len;
	obey_all(t);
}

/* Half a line of somebody who went is not the beginning of another one's. */
static void event(void *self, int what)
{
	struct text *t = self;
	if (what != BP_CHR_CLOSED)
		return;
	uint32_t n = t->in_len;
	while (n && t->in[n - 1] != '\n')
		n--;
	memset(t->in + n, 0, t->in_len - n);
	t->in_len = n;
	t->skipping = 0;
}

static const struct bp_chr_front front = {
	.size = sizeof(front),
	.can_receive = can_receive,
	.receive = receive,
	.event = event,
};

/* ---- from the devices ---- */

static const struct bp_input_about *about(void *source)
{
	(void)source;
	return NULL;
}

static void *attach(void *source, void *owner, const struct bp_input_sink *ops, bp_error *err)
{
	struct text *t = source;
	for (unsigned n = 0; n < SINKS; n++)
		if (!t->sink[n].text) {
			t->sink[n] = (struct sink){ t, owner, ops };
			return &t->sink[n];
		}
	t->host->fail(err, "more than %d devices have this source", SINKS);
	return NULL;
}

static void detach(void *port)
{
	*(struct sink *)port = (struct sink){ 0 };
}

/* Never from inside report, so that a report is not given within another one. */
static void ready(void *port)
{
	go_on(((struct sink *)port)->text, 0);
}

/* Who reads it sees the lights; who does not, misses them. */
static void status(void *port, const struct bp_input_event *e)
{
	struct text *t = ((struct sink *)port)->text;
	char name[32], line[64];
	if (e->type != EV_LED)
		return;
	name_of_code(e->type, e->code, name, sizeof(name));
	int n = snprintf(line, sizeof(line), "led %s %s\n", name, e->value ? "on" : "off");
	t->host->chr_write(t->chr, line, (size_t)n);
}

static const struct bp_input input = {
	.size = sizeof(input),
	.about = about,
	.attach = attach,
	.detach = detach,
	.ready = ready,
	.status = status,
};

/* ---- life ---- */

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct text *t = self;
	(void)err;
	t->host = host;
	t->step = STEPS;
	host->chr_attach(t, t->chr, &front);
	return 0;
}

static int loaded(void *self, uint32_t from_version, bp_error *err)
{
	struct text *t = self;
	(void)from_version;
	if (t->in_len > sizeof(t->in) || t->step > STEPS || t->sink_at > SINKS)
		return t->host->fail(err, "the saved lines of text do not fit");
	for (unsigned s = 0; s < STEPS; s++)
		for (uint32_t i = 0; i < t->report[s].count; i++)
			if (t->report[s].count > BP_INPUT_REPORT_MAX ||
				t->report[s].event[i].type >= BP_INPUT_TYPES ||
				t->report[s].event[i].code >= BP_INPUT_CODES)
				return t->host->fail(err, "a saved event is none");
	t->host->post(t, go_on, 0);
	return 0;
}

static const void *interface(void *self, const char *id)
{
	(void)self;
	return strcmp(id, "bp.input/1") ? NULL : &input;
}

static const char *const chr_link[] = { "bp.chr/1", NULL };
static const struct bp_field props[] = {
	{ BP_PROP(struct text, chr, BP_LINK, "chr"), .flags = BP_F_REQUIRED, .names = chr_link,
		.help = "where the lines come from" },
	{ 0 },
};
static const struct bp_field event_state[] = {
	{ BP_FIELD(struct bp_input_event, type, BP_U16) },
	{ BP_FIELD(struct bp_input_event, code, BP_U16) },
	{ BP_FIELD(struct bp_input_event, value, BP_S32) },
	{ 0 },
};
static const struct bp_field report_state[] = {
	{ BP_FIELD(struct report, count, BP_U32) },
	{ BP_FIELD(struct report, event, BP_STRUCT), .count = BP_INPUT_REPORT_MAX,
		.flags = BP_F_WHOLE, .sub = event_state,
		.sub_size = sizeof(struct bp_input_event) },
	{ 0 },
};
static const struct bp_field state[] = {
	{ BP_FIELD(struct text, in_len, BP_U32) },
	{ BP_FIELD(struct text, in, BP_BYTES), .count = LINE_MAX_BYTES, .flags = BP_F_WHOLE },
	{ BP_FIELD(struct text, skipping, BP_BOOL) },
	{ BP_FIELD(struct text, line, BP_U64) },
	{ BP_FIELD(struct text, step, BP_U32) },
	{ BP_FIELD(struct text, sink_at, BP_U32) },
	{ BP_FIELD(struct text, report, BP_STRUCT), .count = STEPS, .flags = BP_F_WHOLE,
		.sub = report_state, .sub_size = sizeof(struct report) },
	{ 0 },
};

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct text),
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.state = state,
	.create = create,
	.loaded = loaded,
	.interface = interface,
};

static const struct bp_type types[] = {
	{ "input-text", "keys and pointers from lines of text", BP_KIND_UI, 0, &object, NULL },
	{ 0 },
};

BP_PLUGIN(input_text) = {
	BP_PLUGIN_HEAD,
	.name = "input-text",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
