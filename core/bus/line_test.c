/* SPDX-License-Identifier: MIT */
#include "test_support.h"
#include "trace/hub.h"
#include <pthread.h>

struct source {
	bp_line *irq[2];
	bp_line **ports; /* as many as the property says */
	uint32_t port_count;
	bp_line **targets; /* as many as are connected */
	uint32_t target_count;
};

struct sink {
	GString *log;
	int level[4];
	bp_line *feedback[1];
	bool inverts;
	uint32_t input_count;
	_Atomic(int) seen;
};

static void set(void *self, unsigned n, int level)
{
	struct sink *s = self;
	if (s->log)
		g_string_append_printf(s->log, " %u=%d", n, level);
	s->level[n & 3] = level;
	atomic_store(&s->seen, level);
	if (s->inverts)
		line_set(s->feedback[0], !level);
}

static const struct bp_pin source_out[] = {
	{ .name = "irq", .offset = offsetof(struct source, irq), .count = 2 },
	{ .name = "port",
		.offset = offsetof(struct source, ports),
		.count_offset = offsetof(struct source, port_count) },
	{ .name = "target",
		.offset = offsetof(struct source, targets),
		.count_offset = offsetof(struct source, target_count),
		.flags = BP_PIN_COUNT_FROM_LINKS },
	{ 0 },
};
static const struct bp_pin sink_out[] = {
	{ .name = "feedback", .offset = offsetof(struct sink, feedback) },
	{ 0 },
};
static const struct bp_pin sink_in[] = {
	{ .name = "in", .count = 4, .set = set },
	{ .name = "more", .count_offset = offsetof(struct sink, input_count), .set = set },
	{ 0 },
};

static struct test_type source_type, sink_type;

static struct object *new_source(const char *name, uint32_t ports)
{
	test_type_init(&source_type, "source", sizeof(struct source));
	source_type.object.out = source_out;
	struct object *o = test_object(&source_type, name, NULL);
	((struct source *)o->instance)->port_count = ports;
	g_assert_cmpint(line_object_init(o, &test_error), ==, 0);
	return o;
}

static struct object *new_sink(const char *name, struct domain *d)
{
	test_type_init(&sink_type, "sink", sizeof(struct sink));
	sink_type.object.out = sink_out;
	sink_type.object.in = sink_in;
	struct object *o = test_object(&sink_type, name, d);
	struct sink *s = o->instance;
	s->input_count = 10;
	s->log = g_string_new("");
	g_assert_cmpint(line_object_init(o, &test_error), ==, 0);
	return o;
}

static void free_sink(struct object *o)
{
	g_string_free(((struct sink *)o->instance)->log, TRUE);
	test_object_free(o);
}

static void expect(struct object *o, const char *log)
{
	struct sink *s = o->instance;
	g_assert_cmpstr(s->log->str, ==, log);
	g_string_truncate(s->log, 0);
}

static void test_or(void)
{
	struct domain *d = domain_new("parallel", true);
	struct object *a = new_source("a", 0), *b = new_source("b", 0), *s = new_sink("s", d);
	struct source *x = a->instance, *y = b->instance;
	g_assert_null(x->irq[0]);
	line_set(x->irq[0], 1); /* nothing is connected */
	g_assert_cmpint(line_get(x->irq[0]), ==, 0);
	g_assert_cmpint(line_input(s, "in", 1), ==, -1);
	g_assert_cmpint(line_connect(a, "irq", 0, s, "in", 1, &test_error), ==, 0);
	g_assert_cmpint(line_connect(b, "irq", 1, s, "in", 1, &test_error), ==, 0);
	g_assert_cmpint(line_connect(b, "irq", 1, s, "more", 9, &test_error), ==, 0);
	line_set(x->irq[0], 5);
	g_assert_cmpint(line_get(x->irq[0]), ==, 1);
	expect(s, " 1=1");
	line_set(x->irq[0], 1);
	expect(s, "");
	line_set(y->irq[1], 1);
	expect(s, " 9=1");
	line_set(x->irq[0], 0);
	expect(s, "");
	g_assert_cmpint(line_input(s, "in", 1), ==, 1);
	line_set(y->irq[1], 0);
	expect(s, " 1=0 9=0");
	g_assert_cmpint(line_input(s, "in", 1), ==, 0);
	/* restored levels are not replayed, but count */
	line_restore(x->irq[0], 1);
	line_restore(x->irq[0], 1);
	expect(s, "");
	line_set(y->irq[1], 1);
	expect(s, " 9=1");
	line_set(y->irq[1], 0);
	expect(s, " 9=0");
	line_set(x->irq[0], 0);
	expect(s, " 1=0");
	/* a driver that goes while it is high lets the input fall */
	line_set(x->irq[0], 1);
	expect(s, " 1=1");
	test_object_free(a);
	g_assert_cmpint(line_input(s, "in", 1), ==, 0);
	/* a sink that goes is not called any more */
	free_sink(s);
	line_set(y->irq[1], 1);
	test_object_free(b);
	domain_free(d);
}

static void test_counts(void)
{
	struct object *a = new_source("a", 3), *s = new_sink("s", NULL);
	struct source *x = a->instance;
	struct line_pin pin;
	g_assert_nonnull(x->ports);
	g_assert_true(line_pin_find(a, true, "port", &pin) && pin.count == 3);
	g_assert_true(line_pin_find(a, true, "target", &pin) && pin.count == LINE_MAX_PINS);
	g_assert_true(line_pin_find(s, false, "more", &pin) && pin.count == 10);
	g_assert_false(line_pin_find(s, false, "feedback", &pin));
	g_assert_cmpint(line_connect(a, "port", 2, s, "in", 0, &test_error), ==, 0);
	for (unsigned i = 0; i < 3; i++)
		g_assert_cmpint(line_connect(a, "target", i, s, "in", i, &test_error), ==, 0);
	g_assert_cmpuint(x->target_count, ==, 3);
	line_set(x->targets[2], 1);
	line_set(x->ports[2], 1);
	expect(s, " 2=1 0=1");
	/* mistakes: no such pin, no such index, on either side; twice */
	g_assert_cmpint(line_connect(a, "irq", 2, s, "in", 0, &test_error), ==, -1);
	g_assert_cmpint(line_connect(a, "port", 3, s, "in", 0, &test_error), ==, -1);
	g_assert_cmpint(line_connect(a, "out", 0, s, "in", 0, &test_error), ==, -1);
	g_assert_cmpint(line_connect(a, "irq", 0, s, "in", 4, &test_error), ==, -1);
	g_assert_cmpint(line_connect(a, "irq", 0, s, "out", 0, &test_error), ==, -1);
	g_assert_cmpint(line_connect(a, "target", 4096, s, "in", 0, &test_error), ==, -1);
	g_assert_cmpint(line_connect(a, "port", 2, s, "in", 0, &test_error), ==, -1);
	g_assert_cmpuint(test_errors(), ==, 7);
	struct line_wire w;
	g_assert_true(line_wire_at(a, 3, &w));
	g_assert_cmpstr(w.pin, ==, "target");
	g_assert_true(w.index == 2 && w.target == s && w.target_index == 2);
	g_assert_false(line_wire_at(a, 4, &w));
	const char *name;
	unsigned index;
	g_assert_true(line_at(a, 0, &name, &index) == x->ports[2] && index == 2);
	g_assert_null(line_at(a, 4, &name, &index));
	test_object_free(a);
	free_sink(s);
	/* too many */
	struct object *many = test_object(&source_type, "many", NULL);
	((struct source *)many->instance)->port_count = 5000;
	g_assert_cmpint(line_object_init(many, &test_error), ==, -1);
	g_assert_cmpuint(test_errors(), ==, 1);
	test_object_free(many);
}

static void test_posted(void)
{
	struct domain *own = domain_new("own", false), *other = domain_new("other", false);
	struct object *a = new_source("a", 0), *s = new_sink("s", own), *t = new_sink("t", other);
	struct source *x = a->instance;
	g_assert_cmpint(line_connect(a, "irq", 0, s, "in", 0, &test_error), ==, 0);
	g_assert_cmpint(line_connect(a, "irq", 0, t, "in", 3, &test_error), ==, 0);
	g_assert_true(domain_enter(own));
	line_set(x->irq[0], 1);
	expect(s, " 0=1");
	expect(t, "");
	domain_leave(own);
	expect(t, " 3=1");
	/* Pulses that are over when the sink hears of them: once, and the right level last. */
	g_assert_true(domain_enter(own));
	for (unsigned i = 0; i < 3; i++) {
		line_set(x->irq[0], 0);
		line_set(x->irq[0], 1);
	}
	line_set(x->irq[0], 0);
	expect(s, " 0=0 0=1 0=0 0=1 0=0 0=1 0=0");
	domain_leave(own);
	expect(t, " 3=0 3=1 3=0");
	g_assert_true(domain_enter(own));
	line_set(x->irq[0], 1);
	line_set(x->irq[0], 0);
	domain_leave(own);
	expect(t, " 3=1 3=0");
	test_object_free(a);
	free_sink(s);
	free_sink(t);
	domain_free(own);
	domain_free(other);
}

static void test_oscillator(void)
{
	struct domain *d = domain_new("parallel", true);
	struct object *s = new_sink("ring", d);
	struct sink *x = s->instance;
	x->inverts = true;
	g_assert_cmpint(line_connect(s, "feedback", 0, s, "in", 0, &test_error), ==, 0);
	line_set(x->feedback[0], 1);
	x->inverts = false;
	line_set(x->feedback[0], 0);
	line_set(x->feedback[0], 1);
	g_assert_cmpint(x->level[0], ==, 1);
	free_sink(s);
	domain_free(d);
}

static void on_line(void *self, const struct bp_trace_line *e)
{
	g_string_append_printf(self, " %s.%s[%u]=%u", e->object, e->pin, e->index, e->level);
}

static void test_trace(void)
{
	struct bp_tracer tracer = {
		.size = sizeof(tracer), .events = BP_TRACE_LINE, .line = on_line
	};
	struct object *a = new_source("a", 0), *s = new_sink("s", NULL);
	GString *log = g_string_new("");
	g_assert_cmpint(line_connect(a, "irq", 1, s, "in", 0, &test_error), ==, 0);
	g_assert_cmpint(hub_add(&tracer, log, BP_TRACE_LINE), ==, 0);
	line_set(((struct source *)a->instance)->irq[1], 1);
	line_set(((struct source *)a->instance)->irq[1], 1);
	hub_remove(log);
	g_assert_cmpstr(log->str, ==, " a.irq[1]=1");
	g_string_free(log, TRUE);
	test_object_free(a);
	free_sink(s);
}

/* ---- several drivers at once: the last word is right ---- */

static void *toggle(void *arg)
{
	bp_line *line = arg;
	for (unsigned i = 0; i < 20000; i++)
		line_set(line, !(i & 1));
	return NULL;
}

static void check_threads(struct domain *d)
{
	struct object *a = new_source("a", 3), *s = new_sink("s", d);
	struct source *x = a->instance;
	struct sink *y = s->instance;
	pthread_t thread[3];
	g_string_free(y->log, TRUE);
	y->log = NULL;
	for (unsigned i = 0; i < 3; i++)
		g_assert_cmpint(line_connect(a, "port", i, s, "in", 0, &test_error), ==, 0);
	for (unsigned round = 0; round < 3; round++) {
		for (unsigned i = 0; i < 3; i++)
			pthread_create(&thread[i], NULL, toggle, x->ports[i]);
		for (unsigned i = 0; i < 3; i++)
			pthread_join(thread[i], NULL);
		g_assert_cmpint(atomic_load(&y->seen), ==, 0);
		line_set(x->ports[1], 1);
		g_assert_cmpint(atomic_load(&y->seen), ==, 1);
		line_set(x->ports[1], 0);
	}
	y->log = g_string_new("");
	test_object_free(a);
	free_sink(s);
}

static void test_threads(void)
{
	struct domain *parallel = domain_new("parallel", true), *own = domain_new("own", false);
	check_threads(parallel);
	check_threads(own);
	domain_free(parallel);
	domain_free(own);
}

int main(int argc, char **argv)
{
	g_test_init(&argc, &argv, NULL);
	g_test_add_func("/line/or", test_or);
	g_test_add_func("/line/counts", test_counts);
	g_test_add_func("/line/posted", test_posted);
	g_test_add_func("/line/oscillator", test_oscillator);
	g_test_add_func("/line/trace", test_trace);
	g_test_add_func("/line/threads", test_threads);
	return g_test_run();
}
