/* SPDX-License-Identifier: MIT */
/* A tracer that writes one line of text for each event. */
#include <backplane/disas.h>
#include <backplane/plugin.h>
#include <backplane/trace.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { LINE_BYTES = 400, CPUS_MAX = 4096 };

struct digest { /* of one CPU's instructions first..next-1 */
	uint64_t first, next, sum;
};

struct tracer {
	const struct bp_host *host;
	const char *file;
	const struct bp_link *disassembler;
	uint8_t exec, block, memory, reg, exception, line;
	int32_t cpu; /* -1: all */
	uint64_t limit; /* 0: none */
	uint64_t digest; /* instructions of a line; 0: a line each */

	int made;
	pthread_mutex_t lock; /* of what follows */
	FILE *out;
	uint64_t lines;
	struct digest *sums; /* of each CPU */
	uint32_t cpus;
	int stopped; /* at the limit, or the disk is full; read without the lock as well */
};

static int is_stopped(const struct tracer *t)
{
	return __atomic_load_n(&t->stopped, __ATOMIC_RELAXED);
}

static void stop(struct tracer *t)
{
	__atomic_store_n(&t->stopped, 1, __ATOMIC_RELAXED);
}

/* With the lock held. Each line is in the file before the next: a crash loses none. */
static void put_line(struct tracer *t, const char *text)
{
	if (fputs(text, t->out) >= 0 && !ferror(t->out))
		return;
	stop(t);
	t->host->log(t, BP_LOG_ERROR, "%s: %s; nothing more is traced",
		t->file ? t->file : "standard error", strerror(errno));
}

__attribute__((format(printf, 2, 3))) static void emit(struct tracer *t, const char *fmt, ...)
{
	char text[LINE_BYTES];
	va_list args;
	va_start(args, fmt);
	int n = vsnprintf(text, sizeof(text) - 1, fmt, args);
	va_end(args);
	size_t len = n < 0 ? 0 : (size_t)n < sizeof(text) - 2 ? (size_t)n : sizeof(text) - 2;
	text[len] = '\n';
	text[len + 1] = 0;
	pthread_mutex_lock(&t->lock);
	if (!is_stopped(t)) {
		put_line(t, text);
		if (t->limit && ++t->lines >= t->limit && !is_stopped(t)) {
			put_line(t, "the limit is reached: nothing more is traced\n");
			stop(t);
		}
	}
	pthread_mutex_unlock(&t->lock);
}

static int shown(const struct tracer *t, uint32_t cpu)
{
	return !is_stopped(t) && (t->cpu < 0 || (uint32_t)t->cpu == cpu);
}

typedef unsigned long long ull; /* what %llx wants */

static void on_block(void *self, const struct bp_trace_block *e)
{
	struct tracer *t = self;
	if (shown(t, e->cpu))
		emit(t, "cpu%u block 0x%llx key 0x%llx: %u instructions, %u bytes", e->cpu,
			(ull)e->pc, (ull)e->key, e->insns, e->bytes);
}

static void disassemble(struct tracer *t, const struct bp_trace_exec *e, char *text, size_t size)
{
	const struct bp_link *link = t->disassembler;
	const struct bp_disassembler *d = link ? link->ops : NULL;
	*text = 0;
	if (!d || !e->isa || !e->bytes || !BP_HAS(d, disassemble))
		return;
	text[0] = ' ';
	text[1] = 0;
	if (!d->disassemble(link->self, e->isa, e->pc, e->bytes, e->length, text + 1, size - 1))
		snprintf(text, size, " (unknown)");
}

static struct digest *digest_of(struct tracer *t, uint32_t cpu)
{
	if (cpu >= t->cpus && cpu < CPUS_MAX) {
		struct digest *more = realloc(t->sums, (cpu + 1) * sizeof(*more));
		if (!more)
			return NULL;
		memset(more + t->cpus, 0, (cpu + 1 - t->cpus) * sizeof(*more));
		t->sums = more;
		t->cpus = cpu + 1;
	}
	return cpu < t->cpus ? &t->sums[cpu] : NULL;
}

static void emit_digest(struct tracer *t, uint32_t cpu, const struct digest *d)
{
	if (d->next > d->first)
		emit(t, "cpu%u exec %llu..%llu: digest 0x%016llx", cpu, (ull)d->first,
			(ull)d->next - 1, (ull)d->sum);
}

static uint64_t mix(uint64_t sum, uint64_t word)
{
	sum = (sum ^ word) * 0x9e3779b97f4a7c15u;
	return sum ^ sum >> 29;
}

/* Lines begin at multiples of t->digest, wherever tracing began: so two traces can be compared. */
static void digest(struct tracer *t, const struct bp_trace_exec *e)
{
	struct digest done = { 0 };
	uint64_t bytes = 0;
	pthread_mutex_lock(&t->lock);
	struct digest *d = digest_of(t, e->cpu);
	if (d) {
		if (e->icount != d->next || e->icount % t->digest == 0) {
			done = *d;
			*d = (struct digest){ e->icount, e->icount, 0 };
		}
		if (e->bytes)
			memcpy(&bytes, e->bytes, e->length < 8 ? e->length : 8);
		d->sum = mix(mix(mix(d->sum, e->icount), e->pc), bytes);
		d->next = e->icount + 1;
	}
	pthread_mutex_unlock(&t->lock);
	emit_digest(t, e->cpu, &done);
}

static void on_exec(void *self, const struct bp_trace_exec *e)
{
	struct tracer *t = self;
	char bytes[2 * 16 + 1] = "", text[160];
	if (!shown(t, e->cpu))
		return;
	if (t->digest) {
		digest(t, e);
		return;
	}
	/* As they lie in memory. */
	for (uint32_t i = 0; e->bytes && i < e->length && i < 16; i++)
		snprintf(bytes + 2 * i, 3, "%02x", e->bytes[i]);
	disassemble(t, e, text, sizeof(text));
	emit(t, "cpu%u exec %llu 0x%llx: %s%s", e->cpu, (ull)e->icount, (ull)e->pc, bytes, text);
}

static void on_memory(void *self, const struct bp_trace_memory *e)
{
	static const char *const verbs[] = { "load", "store", "update" };
	struct tracer *t = self;
	char value[40];
	if (!shown(t, e->cpu))
		return;
	if (e->bytes > 8)
		snprintf(value, sizeof(value), "0x%016llx%016llx", (ull)e->value[1],
			(ull)e->value[0]);
	else
		snprintf(value, sizeof(value), "0x%0*llx", (int)(2 * e->bytes), (ull)e->value[0]);
	emit(t, "cpu%u %s 0x%llx: %s, by 0x%llx", e->cpu, verbs[e->write < 3 ? e->write : 2],
		(ull)e->addr, value, (ull)e->pc);
}

static const char *name(const char *text)
{
	return text ? text : "?";
}

static void on_register(void *self, const struct bp_trace_register *e)
{
	struct tracer *t = self;
	char index[16] = "";
	if (is_stopped(t))
		return;
	if (e->index)
		snprintf(index, sizeof(index), "[%u]", e->index);
	emit(t, "%s.%s %s%s %s 0x%0*llx", name(e->object), name(e->region), name(e->reg), index,
		e->write ? "write" : "read", e->bytes <= 8 ? (int)(2 * e->bytes) : 16,
		(ull)e->value);
}

static void on_exception(void *self, const struct bp_trace_exception *e)
{
	struct tracer *t = self;
	char after[40] = "";
	if (!shown(t, e->cpu))
		return;
	if (e->size >= sizeof(*e)) /* older cores do not count */
		snprintf(after, sizeof(after), ", after %llu", (ull)e->icount);
	if (e->interrupt)
		emit(t, "cpu%u interrupt at 0x%llx, to 0x%llx%s", e->cpu, (ull)e->pc,
			(ull)e->target, after);
	else
		emit(t, "cpu%u exception %u at 0x%llx, value 0x%llx, to 0x%llx%s", e->cpu, e->cause,
			(ull)e->pc, (ull)e->value, (ull)e->target, after);
}

static void on_line(void *self, const struct bp_trace_line *e)
{
	struct tracer *t = self;
	char index[16] = "";
	if (is_stopped(t))
		return;
	if (e->index)
		snprintf(index, sizeof(index), "[%u]", e->index);
	emit(t, "%s:%s%s = %u", name(e->object), name(e->pin), index, e->level);
}

static uint32_t wanted(void *self)
{
	const struct tracer *t = self;
	return (t->block ? BP_TRACE_BLOCK : 0u) | (t->exec || t->digest ? BP_TRACE_EXEC : 0u) |
		(t->memory ? BP_TRACE_MEMORY : 0u) | (t->reg ? BP_TRACE_REGISTER : 0u) |
		(t->exception ? BP_TRACE_EXCEPTION : 0u) | (t->line ? BP_TRACE_LINE : 0u);
}

static const struct bp_tracer tracer = {
	.size = sizeof(tracer),
	.events = BP_TRACE_BLOCK | BP_TRACE_EXEC | BP_TRACE_MEMORY | BP_TRACE_REGISTER |
		BP_TRACE_EXCEPTION | BP_TRACE_LINE,
	.block = on_block,
	.exec = on_exec,
	.memory = on_memory,
	.reg = on_register,
	.exception = on_exception,
	.line = on_line,
	.wanted = wanted,
};

static int create(void *self, const struct bp_host *host, bp_error *err)
{
	struct tracer *t = self;
	t->host = host;
	if (t->cpu < -1)
		return host->fail(
			err, "cpu is %d; it must be a CPU's number, or -1 for all", t->cpu);
	/* Standard error gets a stream of its own, so that its buffer is nobody else's. */
	int fd = t->file ? open(t->file, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOCTTY, 0666)
			 : fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);
	if (fd < 0 || !(t->out = fdopen(fd, "w"))) {
		int why = errno;
		if (fd >= 0)
			close(fd);
		return host->fail(err, "file \"%s\" can't be written: %s",
			t->file ? t->file : "standard error", strerror(why));
	}
	setvbuf(t->out, NULL, _IOLBF, BUFSIZ);
	pthread_mutex_init(&t->lock, NULL);
	t->made = 1;
	return 0;
}

static void destroy(void *self)
{
	struct tracer *t = self;
	if (!t || !t->made)
		return;
	for (uint32_t cpu = 0; cpu < t->cpus; cpu++)
		emit_digest(t, cpu, &t->sums[cpu]);
	free(t->sums);
	fclose(t->out); /* flushes */
	pthread_mutex_destroy(&t->lock);
	t->made = 0;
}

static const char *const disassembler[] = { "bp.disassembler/1", NULL };
#define PROP(m, t, n) BP_PROP(struct tracer, m, t, n)
static const struct bp_field props[] = {
	{ PROP(file, BP_STR, "file"), .help = "the file that lines go to; none: standard error" },
	{ PROP(exec, BP_BOOL, "exec"), .help = "instructions about to run" },
	{ PROP(block, BP_BOOL, "block"), .help = "blocks that are translated" },
	{ PROP(memory, BP_BOOL, "memory"), .help = "loads and stores" },
	{ PROP(reg, BP_BOOL, "register"), .help = "accesses to devices' registers" },
	{ PROP(exception, BP_BOOL, "exception"), .help = "exceptions and interrupts", .def = 1 },
	{ PROP(line, BP_BOOL, "line"), .help = "wires that change" },
	{ PROP(cpu, BP_S32, "cpu"), .help = "only this CPU's events, by its number; -1: all",
		.def = UINT64_MAX },
	{ PROP(limit, BP_U64, "limit"), .help = "lines after which tracing ends; 0: none" },
	{ PROP(digest, BP_U64, "digest"),
		.help = "instructions: a line with a checksum for each so many; 0: a line each" },
	{ PROP(disassembler, BP_LINK, "disassembler"), .help = "shows instructions as text",
		.names = disassembler },
	{ 0 },
};

static const struct bp_object object = {
	.size = sizeof(object),
	.instance_size = sizeof(struct tracer),
	.threads = BP_PARALLEL,
	.state_version = 1,
	.state_oldest = 1,
	.props = props,
	.create = create,
	.destroy = destroy,
};

static const struct bp_type types[] = {
	{ "trace-log", "a line of text for each event", BP_KIND_TOOL, 0, &object, &tracer },
	{ 0 },
};

BP_PLUGIN(trace_log) = {
	BP_PLUGIN_HEAD,
	.name = "trace-log",
	.version = "0.1.0",
	.license = "MIT",
	.types = types,
};
