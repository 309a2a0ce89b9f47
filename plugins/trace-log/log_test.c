/* SPDX-License-Identifier: MIT */
/* trace-log's lines, what it asks for, its limit, and many threads at once. */
#include <backplane/disas.h>
#include <backplane/plugin.h>
#include <backplane/trace.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <stdarg.h>
#include <string.h>

extern const struct bp_plugin bp_plugin_1_trace_log;

static char message[512];
static unsigned logged;

G_GNUC_PRINTF(2, 3) static int fail(bp_error *err, const char *fmt, ...)
{
	va_list args;
	(void)err;
	va_start(args, fmt);
	g_vsnprintf(message, sizeof(message), fmt, args);
	va_end(args);
	return -1;
}

G_GNUC_PRINTF(3, 4) static void log_line(const void *self, int level, const char *fmt, ...)
{
	(void)self;
	(void)level;
	(void)fmt;
	logged++;
}

static const struct bp_host host = { .size = sizeof(host), .fail = fail, .log = log_line };

static const struct bp_object *type(void)
{
	return bp_plugin_1_trace_log.types[0].object;
}

static const struct bp_tracer *tracer(void)
{
	return bp_plugin_1_trace_log.types[0].ext;
}

static void *property(void *self, const char *name)
{
	for (const struct bp_field *p = type()->props; p->name; p++)
		if (strcmp(p->name, name) == 0)
			return (char *)self + p->offset;
	g_error("there is no property %s", name);
}

static const char *const events[] = { "exec", "block", "memory", "register", "line", "exception" };
static char *path;

static void *new_tracer(gboolean all)
{
	void *self = g_malloc0(type()->instance_size);
	*(int32_t *)property(self, "cpu") = -1;
	for (size_t i = 0; i < G_N_ELEMENTS(events); i++)
		*(uint8_t *)property(self, events[i]) = all || i + 1 == G_N_ELEMENTS(events);
	*(const char **)property(self, "file") = path;
	return self;
}

static void end(void *self, const char *expected)
{
	char *text;
	type()->destroy(self);
	type()->destroy(NULL);
	g_free(self);
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	g_assert_cmpstr(text, ==, expected);
	g_free(text);
}

static unsigned fake_disassemble(void *self, const char *isa, uint64_t pc, const uint8_t *bytes,
	size_t len, char *text, size_t text_size)
{
	(void)pc;
	(void)bytes;
	g_snprintf(text, text_size, "%s of %s, %u", (const char *)self, isa, (unsigned)len);
	return len == 4 ? 4 : 0;
}

static void test_lines(void)
{
	static const struct bp_disassembler ops = { sizeof(ops), 0, fake_disassemble };
	struct bp_link link = { sizeof(link), 0, (void *)(uintptr_t) "text", &ops, "disas" };
	static const uint8_t code[] = { 0x13, 0x01, 0x01, 0xff };
	void *self = new_tracer(TRUE);
	const struct bp_tracer *t = tracer();
	*(const struct bp_link **)property(self, "disassembler") = &link;
	g_assert_cmpint(type()->create(self, &host, NULL), ==, 0);
	g_assert_cmphex(t->wanted(self), ==, 63);
	t->block(self, &(struct bp_trace_block){ 0, 1, 0x80000000, 3, 5, 18 });
	t->exec(self, &(struct bp_trace_exec){ 0, 0, 0x1000, code, 4, 0, 12, "isa" });
	t->exec(self, &(struct bp_trace_exec){ 0, 0, 0x1004, code, 2, 0, 13, "isa" });
	t->exec(self, &(struct bp_trace_exec){ 0, 0, 0x1006, code, 2, 0, 14, NULL });
	t->memory(self, &(struct bp_trace_memory){ 0, 0, 0x10, 0x20, 2, 0, { 0x1f, 0 } });
	t->memory(self, &(struct bp_trace_memory){ 0, 0, 0x10, 0x20, 8, 1, { UINT64_MAX, 0 } });
	t->memory(self, &(struct bp_trace_memory){ 0, 0, 0x10, 0x20, 16, 2, { 1, 2 } });
	t->reg(self, &(struct bp_trace_register){ 0, 1, "uart0", "regs", "LCR", 0, 1, 3 });
	t->reg(self, &(struct bp_trace_register){ 0, 0, "plic", "regs", "prio", 7, 4, 1 });
	t->exception(self, &(struct bp_trace_exception){ 0, 2, 0x40, 0x80, 8, 0, 9 });
	t->exception(self,
		&(struct bp_trace_exception){
			sizeof(struct bp_trace_exception), 2, 0x40, 0x80, UINT32_MAX, 1, 0, 77 });
	t->line(self, &(struct bp_trace_line){ 0, 1, "uart0", "irq", 0, 0 });
	t->line(self, &(struct bp_trace_line){ 0, 0, NULL, "out", 3, 0 });
	end(self,
		"cpu1 block 0x80000000 key 0x3: 5 instructions, 18 bytes\n"
		"cpu0 exec 12 0x1000: 130101ff text of isa, 4\n"
		"cpu0 exec 13 0x1004: 1301 (unknown)\n"
		"cpu0 exec 14 0x1006: 1301\n"
		"cpu0 load 0x20: 0x001f, by 0x10\n"
		"cpu0 store 0x20: 0xffffffffffffffff, by 0x10\n"
		"cpu0 update 0x20: 0x00000000000000020000000000000001, by 0x10\n"
		"uart0.regs LCR write 0x03\n"
		"plic.regs prio[7] read 0x00000001\n"
		"cpu2 exception 8 at 0x40, value 0x9, to 0x80\n"
		"cpu2 interrupt at 0x40, to 0x80, after 77\n"
		"uart0:irq = 1\n"
		"?:out[3] = 0\n");
}

static void test_choice(void)
{
	void *self = new_tracer(FALSE);
	const struct bp_tracer *t = tracer();
	*(int32_t *)property(self, "cpu") = 1;
	*(uint64_t *)property(self, "limit") = 2;
	g_assert_cmpint(type()->create(self, &host, NULL), ==, 0);
	g_assert_cmphex(t->wanted(self), ==, BP_TRACE_EXCEPTION);
	for (unsigned i = 0; i < 10; i++)
		t->exception(self, &(struct bp_trace_exception){ 0, i & 1, i, 0, i, 0, 0 });
	end(self,
		"cpu1 exception 1 at 0x1, value 0x0, to 0x0\n"
		"cpu1 exception 3 at 0x3, value 0x0, to 0x0\n"
		"the limit is reached: nothing more is traced\n");
}

/* Lines end at multiples, wherever the first began; CPUs do not mix; the rest comes at the end. */
static void digests(uint64_t first, char **lines)
{
	void *self = new_tracer(FALSE);
	char *text;
	*(uint64_t *)property(self, "digest") = 10;
	g_assert_cmpint(type()->create(self, &host, NULL), ==, 0);
	g_assert_cmphex(tracer()->wanted(self), ==, BP_TRACE_EXCEPTION | BP_TRACE_EXEC);
	for (uint64_t i = first; i < 25; i++)
		for (uint32_t cpu = 0; cpu < 4; cpu += 3)
			tracer()->exec(self,
				&(struct bp_trace_exec){ 0, cpu, 0x1000 + 4 * i,
					(const uint8_t *)"code", 4, 0, i, NULL });
	type()->destroy(self);
	g_free(self);
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	char **all = g_strsplit(text, "\n", -1);
	g_assert_cmpuint(g_strv_length(all), ==, 7);
	for (unsigned i = 0; i < 6; i++)
		lines[i] = g_strdup(all[i]);
	g_strfreev(all);
	g_free(text);
}

static void test_digest(void)
{
	char *a[6], *b[6];
	digests(0, a);
	digests(5, b);
	g_assert_true(g_str_has_prefix(a[0], "cpu0 exec 0..9: digest 0x"));
	g_assert_true(g_str_has_prefix(a[1], "cpu3 exec 0..9: digest 0x"));
	g_assert_true(g_str_has_prefix(b[1], "cpu3 exec 5..9: digest 0x"));
	g_assert_true(g_str_has_prefix(b[2], "cpu0 exec 10..19: digest 0x"));
	g_assert_true(g_str_has_prefix(b[5], "cpu3 exec 20..24: digest 0x"));
	g_assert_cmpstr(strchr(a[0], 'd'), ==, strchr(a[1], 'd'));
	g_assert_cmpstr(strchr(a[0], 'd'), !=, strchr(a[2], 'd'));
	for (unsigned i = 0; i < 6; i++) {
		if (i >= 2)
			g_assert_cmpstr(a[i], ==, b[i]);
		g_free(a[i]);
		g_free(b[i]);
	}
}

/* A name of any length is cut, not written beyond the buffer. */
static void test_long_names(void)
{
	char *long_name = g_strnfill(5000, 'n'), *text;
	void *self = new_tracer(TRUE);
	g_assert_cmpint(type()->create(self, &host, NULL), ==, 0);
	tracer()->line(self, &(struct bp_trace_line){ 0, 1, long_name, "irq", 0, 0 });
	type()->destroy(self);
	g_free(self);
	g_assert_true(g_file_get_contents(path, &text, NULL, NULL));
	g_assert_true(g_str_has_prefix(text, "nnn") && g_str_has_suffix(text, "n\n"));
	g_assert_cmpuint(strlen(text), <, 500);
	g_free(text);
	g_free(long_name);
}

static void test_errors(void)
{
	void *self = new_tracer(FALSE);
	*(const char **)property(self, "file") = "/";
	g_assert_cmpint(type()->create(self, &host, NULL), ==, -1);
	g_assert_nonnull(strstr(message, "can't be written"));
	type()->destroy(self);
	*(int32_t *)property(self, "cpu") = -2;
	g_assert_cmpint(type()->create(self, &host, NULL), ==, -1);
	g_assert_nonnull(strstr(message, "cpu is -2"));
	type()->destroy(self);
	g_free(self);
	/* A full disk ends tracing, once. */
	self = new_tracer(FALSE);
	*(const char **)property(self, "file") = "/dev/full";
	g_assert_cmpint(type()->create(self, &host, NULL), ==, 0);
	for (unsigned i = 0; i < 5; i++)
		tracer()->exception(self, &(struct bp_trace_exception){ 0, 0, i, 0, i, 0, 0 });
	g_assert_cmpuint(logged, ==, 1);
	type()->destroy(self);
	g_free(self);
}

enum { THREADS = 4, EACH = 2000 };

static void *one_thread(void *self)
{
	for (uint32_t i = 0; i < EACH; i++)
		tracer()->exception(self, &(struct bp_trace_exception){ 0, 0, 1, 2, 3, 0, 4 });
	return NULL;
}

static void test_threads(void)
{
	GThread *thread[THREADS];
	void *self = new_tracer(FALSE);
	GString *expected = g_string_new(NULL);
	g_assert_cmpint(type()->create(self, &host, NULL), ==, 0);
	for (unsigned i = 0; i < THREADS; i++)
		thread[i] = g_thread_new("trace", one_thread, self);
	for (unsigned i = 0; i < THREADS; i++)
		g_thread_join(thread[i]);
	for (unsigned i = 0; i < THREADS * EACH; i++)
		g_string_append(expected, "cpu0 exception 3 at 0x1, value 0x4, to 0x2\n");
	end(self, expected->str);
	g_string_free(expected, TRUE);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	char *folder = g_dir_make_tmp("trace-log-XXXXXX", NULL);
	g_assert_nonnull(folder);
	path = g_build_filename(folder, "trace.txt", NULL);
	g_test_add_func("/trace-log/lines", test_lines);
	g_test_add_func("/trace-log/choice", test_choice);
	g_test_add_func("/trace-log/digest", test_digest);
	g_test_add_func("/trace-log/long-names", test_long_names);
	g_test_add_func("/trace-log/errors", test_errors);
	g_test_add_func("/trace-log/threads", test_threads);
	int failed = g_test_run();
	g_unlink(path);
	g_rmdir(folder);
	g_free(path);
	g_free(folder);
	return failed;
}
