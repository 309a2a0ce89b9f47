/* SPDX-License-Identifier: MIT */
/* Wires. An input counts the drivers that are high, and how often the count left zero; a sink is
 * brought up to date from these numbers, never told a level that somebody remembered, so that
 * changes by several threads end in the right level whatever their order. */
#include "line.h"
#include "internal.h"
#include "trace/hub.h"
#include <string.h>

enum { MAX_ROUNDS = 1000 /* of a sink that changes its own input: an oscillator */ };

struct input {
	struct object *object;
	const char *pin;
	unsigned index;
	void (*set)(void *self, unsigned n, int level);
	GPtrArray *drivers; /* bp_line */
	_Atomic(uint64_t) state; /* low half: drivers that are high (signed); high half: rises */
	_Atomic(uint32_t) busy; /* deliveries asked for; who finds 0 delivers for all */
	_Atomic(bool) posted, complained;
	/* what the sink was told; belongs to who delivers */
	bool level;
	uint32_t rises;
};

struct sinks { /* replaced as a whole */
	unsigned count;
	struct input *input[];
};

struct bp_line {
	struct object *object;
	const char *pin;
	unsigned index;
	_Atomic(int) level;
	_Atomic(struct sinks *) sinks;
};

struct output { /* a row of the output table */
	struct bp_pin pin;
	unsigned count; /* of the array */
	bp_line **line; /* in the instance, or our own that the instance points to */
};

struct lines { /* an object's */
	unsigned outputs;
	struct output *output;
	GHashTable *inputs; /* input_key -> struct input */
};

/* ---- levels ---- */

static bool is_high(uint64_t state)
{
	return (int32_t)(uint32_t)state > 0;
}

static void tell(struct input *in)
{
	uint64_t state = atomic_load(&in->state);
	bool high = is_high(state);
	uint32_t rises = (uint32_t)(state >> 32);
	bool pulse = rises != in->rises, was = in->level;
	void *self = in->object->instance;
	in->rises = rises;
	in->level = high;
	if (pulse && was)
		in->set(self, in->index, 0);
	if (pulse)
		in->set(self, in->index, 1);
	if (!high && (pulse || was))
		in->set(self, in->index, 0);
}

/* Inside the sink's domain; a parallel one may have several threads here, or this one twice. */
static void deliver(struct input *in)
{
	uint32_t taken = 1;
	if (atomic_fetch_add(&in->busy, 1) != 0)
		return;
	for (unsigned rounds = 0; taken; rounds++) {
		if (rounds == MAX_ROUNDS) {
			atomic_store(&in->busy, 0);
			if (!atomic_exchange(&in->complained, true))
				bus_log(in->object,
					"input %s:%u drives itself round and round; check the "
					"wiring",
					in->pin, in->index);
			return;
		}
		tell(in);
		taken = atomic_fetch_sub(&in->busy, taken) - taken;
	}
}

static void deliver_posted(void *a, uint32_t n, uint64_t v)
{
	struct input *in = a;
	(void)n;
	(void)v;
	atomic_store(&in->posted, false);
	deliver(in);
}

/* How many drivers are high changes by one. */
static void count(struct input *in, bool up)
{
	uint64_t was = atomic_load(&in->state), now;
	do {
		uint32_t high = (uint32_t)was + (up ? 1u : UINT32_MAX);
		uint64_t rises = (was >> 32) + (!is_high(was) && is_high(high));
		now = rises << 32 | high;
	} while (!atomic_compare_exchange_weak(&in->state, &was, now));
}

static void drive(struct input *in, bool up)
{
	struct domain *d = in->object->domain;
	count(in, up);
	if (!d || domain_inside(d))
		deliver(in);
	else if (!atomic_exchange(&in->posted, true))
		domain_run(d, deliver_posted, in, 0, 0);
}

void line_set(bp_line *line, int level)
{
	level = level != 0;
	if (!line || atomic_exchange(&line->level, level) == level)
		return;
	if (hub_on(BP_TRACE_LINE)) {
		struct bp_trace_line e = { .size = sizeof(e),
			.level = (uint32_t)level,
			.object = line->object->name,
			.pin = line->pin,
			.index = line->index };
		hub_line(&e);
	}
	bus_reader_begin();
	const struct sinks *s = atomic_load(&line->sinks);
	for (unsigned i = 0; s && i < s->count; i++)
		drive(s->input[i], level);
	bus_reader_end();
}

int line_get(const bp_line *line)
{
	return line ? atomic_load(&line->level) : 0;
}

void line_restore(bp_line *line, int level)
{
	level = level != 0;
	if (atomic_exchange(&line->level, level) == level)
		return;
	const struct sinks *s = atomic_load(&line->sinks);
	for (unsigned i = 0; s && i < s->count; i++) {
		struct input *in = s->input[i];
		count(in, level);
		uint64_t state = atomic_load(&in->state);
		in->level = is_high(state);
		in->rises = (uint32_t)(state >> 32);
	}
}

/* ---- pins ---- */

static const struct bp_pin *table_of(const struct object *o, bool output)
{
	return output ? o->type->object->out : o->type->object->in;
}

static bool read_pin(const struct object *o, bool output, unsigned n, struct bp_pin *pin)
{
	const struct bp_pin *table = table_of(o, output);
	uint32_t stride = o->type->pin_size;
	if (!table)
		return false;
	for (unsigned i = 0; i < n; i++)
		if (!TABLE_AT(table, stride, i)->name)
			return false;
	memset(pin, 0, sizeof(*pin));
	memcpy(pin, TABLE_AT(table, stride, n), MIN(stride, sizeof(*pin)));
	return pin->name != NULL;
}

static uint32_t *count_field(const struct object *o, const struct bp_pin *pin)
{
	return (uint32_t *)(void *)((char *)o->instance + pin->count_offset);
}

static unsigned pin_count(const struct object *o, const struct bp_pin *pin, bool output)
{
	if (output && pin->flags & BP_PIN_COUNT_FROM_LINKS)
		return LINE_MAX_PINS;
	if (pin->count_offset)
		return *count_field(o, pin);
	return pin->count ? pin->count : 1;
}

static unsigned pin_first(const struct bp_pin *pin)
{
	return pin->flags & BP_PIN_FROM_ONE ? 1 : 0;
}

bool line_pin_at(const struct object *o, bool output, unsigned n, struct line_pin *pin)
{
	struct bp_pin p;
	if (!read_pin(o, output, n, &p))
		return false;
	*pin = (struct line_pin){ p.name, pin_count(o, &p, output), pin_first(&p) };
	return true;
}

bool line_pin_find(const struct object *o, bool output, const char *name, struct line_pin *pin)
{
	for (unsigned n = 0; line_pin_at(o, output, n, pin); n++)
		if (strcmp(pin->name, name) == 0)
			return true;
	return false;
}

/* ---- an object's wires ---- */

static int init_output(struct object *o, struct output *out, bp_error *err)
{
	char *field = (char *)o->instance + out->pin.offset;
	bool counted = out->pin.flags & BP_PIN_COUNT_FROM_LINKS;
	out->count = counted ? 0 : pin_count(o, &out->pin, true);
	if (out->count > LINE_MAX_PINS)
		return object_fail(err, "output %s has %u pins; at most %d are possible",
			out->pin.name, out->count, LINE_MAX_PINS);
	if (!counted && !out->pin.count_offset) {
		out->line = (bp_line **)(void *)field;
		return 0;
	}
	out->line = g_new0(bp_line *, out->count + 1);
	*(bp_line ***)(void *)field = out->line;
	if (counted && out->pin.count_offset)
		*count_field(o, &out->pin) = 0;
	return 0;
}

int line_object_init(struct object *o, bp_error *err)
{
	struct lines *l = g_new0(struct lines, 1);
	struct bp_pin pin;
	l->inputs = g_hash_table_new(NULL, NULL);
	o->lines = l;
	while (read_pin(o, true, l->outputs, &pin))
		l->outputs++;
	l->output = g_new0(struct output, l->outputs + 1);
	for (unsigned i = 0; i < l->outputs; i++) {
		read_pin(o, true, i, &l->output[i].pin);
		if (init_output(o, &l->output[i], err) != 0) {
			l->outputs = i;
			return -1;
		}
	}
	for (unsigned i = 0; read_pin(o, false, i, &pin); i++)
		if (pin_count(o, &pin, false) > LINE_MAX_PINS)
			return object_fail(err, "input %s has %u pins; at most %d are possible",
				pin.name, pin_count(o, &pin, false), LINE_MAX_PINS);
	return 0;
}

static void replace_sinks(bp_line *line, struct sinks *fresh)
{
	view_retire(atomic_exchange(&line->sinks, fresh), g_free);
}

static void remove_sink(bp_line *line, const struct input *in)
{
	const struct sinks *was = atomic_load(&line->sinks);
	struct sinks *fresh = g_malloc(sizeof(*fresh) + was->count * sizeof(in));
	fresh->count = 0;
	for (unsigned i = 0; i < was->count; i++)
		if (was->input[i] != in)
			fresh->input[fresh->count++] = was->input[i];
	replace_sinks(line, fresh);
}

static void free_line(bp_line *line)
{
	const struct sinks *s = line ? atomic_load(&line->sinks) : NULL;
	for (unsigned i = 0; s && i < s->count; i++) {
		g_ptr_array_remove_fast(s->input[i]->drivers, line);
		if (atomic_load(&line->level))
			count(s->input[i], false);
	}
	if (line)
		replace_sinks(line, NULL);
	view_retire(line, g_free);
}

static void release_input(void *p)
{
	struct input *in = p;
	g_ptr_array_free(in->drivers, TRUE);
	g_free(in);
}

void line_object_finish(struct object *o)
{
	struct lines *l = o->lines;
	GHashTableIter each;
	gpointer value;
	if (!l)
		return;
	for (unsigned i = 0; i < l->outputs; i++) {
		struct output *out = &l->output[i];
		for (unsigned n = 0; n < out->count; n++) {
			free_line(out->line[n]);
			out->line[n] = NULL;
		}
		if (out->pin.flags & BP_PIN_COUNT_FROM_LINKS || out->pin.count_offset) {
			*(bp_line ***)(void *)((char *)o->instance + out->pin.offset) = NULL;
			g_free(out->line);
		}
	}
	g_hash_table_iter_init(&each, l->inputs);
	while (g_hash_table_iter_next(&each, NULL, &value)) {
		struct input *in = value;
		for (unsigned i = 0; i < in->drivers->len; i++)
			remove_sink(g_ptr_array_index(in->drivers, i), in);
		view_retire(in, release_input);
	}
	g_hash_table_destroy(l->inputs);
	g_free(l->output);
	g_free(l);
	o->lines = NULL;
}

/* ---- connecting ---- */

/* -1 after object_fail; else the row, with `pin` filled in. */
static int find_pin(struct object *o, bool output, const char *name, unsigned index,
	struct bp_pin *pin, bp_error *err)
{
	const char *what = output ? "output" : "input";
	int row = 0;
	while (read_pin(o, output, (unsigned)row, pin) && strcmp(pin->name, name) != 0)
		row++;
	if (!pin->name || strcmp(pin->name, name) != 0)
		return object_fail(
			err, "%s (type %s) has no %s pin \"%s\"", o->name, o->type->id, what, name);
	unsigned pins = pin_count(o, pin, output), first = pin_first(pin);
	if (index < first || index - first >= pins)
		return object_fail(err, "%s:%u: %s has %u %s pins %s, numbered from %u", name,
			index, o->name, pins, what, name, first);
	if (!output && !pin->set)
		return object_fail(
			err, "input pin %s of type %s has no function", name, o->type->id);
	return row;
}

/* Indices go up to LINE_MAX_PINS, for pins that are numbered from 1. */
static gpointer input_key(unsigned row, unsigned index)
{
	return GUINT_TO_POINTER(row * (LINE_MAX_PINS + 1) + index + 1);
}

static struct input *input_of(
	struct object *o, unsigned row, unsigned index, const struct bp_pin *pin)
{
	struct lines *l = o->lines;
	gpointer key = input_key(row, index);
	struct input *in = g_hash_table_lookup(l->inputs, key);
	if (!in) {
		in = g_new0(struct input, 1);
		in->object = o;
		in->pin = pin->name;
		in->index = index;
		in->set = pin->set;
		in->drivers = g_ptr_array_new();
		g_hash_table_insert(l->inputs, key, in);
	}
	return in;
}

static bp_line *output_line(struct object *o, struct output *out, unsigned index)
{
	if (index >= out->count) {
		/* Counted from links: the array grows, and the instance learns both. */
		out->line = g_renew(bp_line *, out->line, index + 1);
		memset(out->line + out->count, 0, (index + 1 - out->count) * sizeof(*out->line));
		out->count = index + 1;
		*(bp_line ***)(void *)((char *)o->instance + out->pin.offset) = out->line;
		if (out->pin.count_offset)
			*count_field(o, &out->pin) = out->count;
	}
	if (!out->line[index]) {
		bp_line *line = g_new0(struct bp_line, 1);
		line->object = o;
		line->pin = out->pin.name;
		line->index = index;
		out->line[index] = line;
	}
	return out->line[index];
}

int line_connect(struct object *out, const char *pin, unsigned index, struct object *in,
	const char *in_pin, unsigned in_index, bp_error *err)
{
	struct bp_pin source = { 0 }, sink = { 0 };
	int out_row = find_pin(out, true, pin, index, &source, err);
	int in_row = out_row < 0 ? -1 : find_pin(in, false, in_pin, in_index, &sink, err);
	if (in_row < 0)
		return -1;
	struct lines *l = out->lines;
	bp_line *line = output_line(out, &l->output[out_row], index);
	struct input *input = input_of(in, (unsigned)in_row, in_index, &sink);
	const struct sinks *was = atomic_load(&line->sinks);
	unsigned n = was ? was->count : 0;
	for (unsigned i = 0; i < n; i++)
		if (was->input[i] == input)
			return object_fail(err, "%s:%u is connected to %s:%s:%u twice", pin, index,
				in->name, in_pin, in_index);
	if (n >= LINE_MAX_PINS)
		return object_fail(
			err, "%s:%u drives more than %d inputs", pin, index, LINE_MAX_PINS);
	struct sinks *fresh = g_malloc(sizeof(*fresh) + (n + 1) * sizeof(input));
	for (unsigned i = 0; i < n; i++)
		fresh->input[i] = was->input[i];
	fresh->input[n] = input;
	fresh->count = n + 1;
	g_ptr_array_add(input->drivers, line);
	replace_sinks(line, fresh);
	if (atomic_load(&line->level))
		drive(input, true);
	return 0;
}

/* ---- listing ---- */

bp_line *line_at(const struct object *o, unsigned n, const char **pin, unsigned *index)
{
	const struct lines *l = o->lines;
	for (unsigned i = 0; l && i < l->outputs; i++)
		for (unsigned k = 0; k < l->output[i].count; k++) {
			bp_line *line = l->output[i].line[k];
			if (!line || n-- > 0)
				continue;
			if (pin)
				*pin = line->pin;
			if (index)
				*index = line->index;
			return line;
		}
	return NULL;
}

bool line_wire_at(const struct object *o, unsigned n, struct line_wire *wire)
{
	const bp_line *line;
	for (unsigned i = 0; (line = line_at(o, i, NULL, NULL)) != NULL; i++) {
		const struct sinks *s = atomic_load(&line->sinks);
		unsigned sinks = s ? s->count : 0;
		if (n >= sinks) {
			n -= sinks;
			continue;
		}
		const struct input *in = s->input[n];
		*wire = (struct line_wire){ .source = line->object,
			.target = in->object,
			.pin = line->pin,
			.target_pin = in->pin,
			.index = line->index,
			.target_index = in->index };
		return true;
	}
	return false;
}

int line_input(const struct object *o, const char *pin, unsigned index)
{
	const struct lines *l = o->lines;
	struct bp_pin p;
	for (unsigned row = 0; l && read_pin(o, false, row, &p); row++) {
		if (strcmp(p.name, pin) != 0 || index > LINE_MAX_PINS)
			continue;
		const struct input *in = g_hash_table_lookup(l->inputs, input_key(row, index));
		return in && in->drivers->len ? is_high(atomic_load(&in->state)) : -1;
	}
	return -1;
}
