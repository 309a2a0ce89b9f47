/* SPDX-License-Identifier: MIT */
/* An object's state by its table: every field with its name, type, and how many there are. */
#include "bus/line.h"
#include "internal.h"
#include "plugin/field.h"
#include "sched/sched.h"
#include <backplane/cpu.h>
#include <inttypes.h>
#include <string.h>

enum { NONE = 0xff /* a timer or a line that is not there */ };
#define UNSEEN UINT32_MAX

static unsigned element_size(const struct bp_field *f)
{
	return field_size_of(f) / (f->count ? f->count : 1);
}

static bool is_number(const struct bp_field *f)
{
	return f->type <= BP_S64 || f->type == BP_SIZE || f->type == BP_ENUM;
}

static uint32_t used(const struct bp_field *f, const void *base)
{
	uint32_t n;
	if (!f->count_offset)
		return f->count ? f->count : 1;
	memcpy(&n, (const char *)base + f->count_offset, sizeof(n));
	return n;
}

static void *element(const struct bp_field *f, void *base, uint32_t n)
{
	return (char *)base + f->offset + (size_t)n * element_size(f);
}

static uint64_t get_number(const void *p, unsigned bytes)
{
	switch (bytes) {
	case 1: return *(const uint8_t *)p;
	case 2: return *(const uint16_t *)p;
	case 4: return *(const uint32_t *)p;
	default: return *(const uint64_t *)p;
	}
}

static void set_number(void *p, unsigned bytes, uint64_t v)
{
	switch (bytes) {
	case 1: *(uint8_t *)p = (uint8_t)v; break;
	case 2: *(uint16_t *)p = (uint16_t)v; break;
	case 4: *(uint32_t *)p = (uint32_t)v; break;
	default: *(uint64_t *)p = v; break;
	}
}

static bp_timer *timer_in(const void *p)
{
	return *(bp_timer *const *)p;
}

static bp_line *line_in(const void *p)
{
	return *(bp_line *const *)p;
}

/* ---- writing ---- */

/* The host's clock begins anew with each start of the host: times on it are saved as what is left. */
static void put_timer(struct out *o, const bp_timer *t)
{
	int64_t due = t ? sched_timer_due(t) : INT64_MAX;
	int clock = t ? sched_timer_clock(t) : NONE;
	if (clock == BP_CLOCK_HOST && due != INT64_MAX)
		due -= sched_now(clock);
	put_number(o, (uint64_t)clock, 1);
	put_number(o, (uint64_t)due, 8);
}

static int put_elements(struct out *o, const struct bp_field *f, const struct record *r, uint32_t n,
	struct error_list *errors)
{
	if (f->type == BP_BYTES) {
		put_bytes(o, element(f, r->base, 0), n);
		return 0;
	}
	for (uint32_t i = 0; i < n; i++) {
		void *p = element(f, r->base, i);
		struct record nested = { f->sub, r->stride, p, r->name };
		if (is_number(f))
			put_number(o, get_number(p, element_size(f)), element_size(f));
		else if (f->type == BP_U128)
			for (unsigned k = 0; k < 2; k++)
				put_number(o, ((const uint64_t *)p)[k], 8);
		else if (f->type == BP_TIMER)
			put_timer(o, timer_in(p));
		else if (f->type == BP_LINE)
			put_number(o, line_in(p) ? (uint64_t)line_get(line_in(p)) : NONE, 1);
		else if (f->type != BP_STRUCT)
			return error_list_add(errors, o->path,
				"%s: its state has a field %s of a type that cannot be saved (a "
				"plugin's fault)",
				r->name, f->name);
		else if (put_fields(o, &nested, errors) != 0)
			return -1;
	}
	return 0;
}

int put_fields(struct out *o, const struct record *r, struct error_list *errors)
{
	const struct bp_field *f;
	unsigned count = 0;
	while (field_at(r->table, r->stride, count))
		count++;
	put_number(o, count, 4);
	for (unsigned k = 0; (f = field_at(r->table, r->stride, k)); k++) {
		uint32_t n = used(f, r->base);
		if (n > (f->count ? f->count : 1))
			return error_list_add(errors, o->path,
				"%s: its state says that %u of %u %s are in use (a plugin's fault)",
				r->name, n, f->count, f->name);
		put_text(o, f->name);
		put_number(o, f->type, 2);
		put_number(o, element_size(f), 4);
		put_number(o, n, 4);
		guint where = put_length(o);
		if (put_elements(o, f, r, n, errors) != 0)
			return -1;
		put_length_end(o, where);
	}
	return 0;
}

/* ---- reading ---- */

static enum state_result other(struct in *i, const struct record *r, const char *field,
	const char *format, ...) G_GNUC_PRINTF(4, 5);
static enum state_result other(
	struct in *i, const struct record *r, const char *field, const char *format, ...)
{
	va_list args;
	va_start(args, format);
	char *why = g_strdup_vprintf(format, args);
	va_end(args);
	error_list_add(i->errors, i->path, "%s: the snapshot's field %s %s", r->name, field, why);
	g_free(why);
	return STATE_OTHER;
}

static bool possible(const struct bp_field *f, uint64_t v)
{
	unsigned words = 0;
	if (f->type == BP_BOOL)
		return v <= 1;
	if (f->type == BP_ENUM) {
		while (f->names && f->names[words])
			words++;
		return v < words;
	}
	return !(f->flags & BP_F_RANGE) || (v >= f->min && v <= f->max);
}

static enum state_result take_timer(
	struct in *i, const struct record *r, const struct bp_field *f, bp_timer *t)
{
	int clock = (int)take_number(i, 1);
	int64_t due = (int64_t)take_number(i, 8);
	if (i->bad)
		return STATE_GOOD; /* told when the section ends */
	if (clock != (t ? sched_timer_clock(t) : NONE))
		return other(i, r, f->name, "is a timer of another clock");
	if (due == INT64_MAX) {
		sched_timer_cancel(t);
		return STATE_GOOD;
	}
	if (clock == BP_CLOCK_HOST)
		due += sched_now(clock) & INT64_MAX >> 1;
	if (t)
		sched_timer_at(t, due);
	return STATE_GOOD;
}

static enum state_result take_element(
	struct in *i, const struct record *r, const struct bp_field *f, void *p)
{
	struct record nested = { f->sub, r->stride, p, r->name };
	uint64_t v;
	switch (f->type) {
	case BP_STRUCT: return take_fields(i, &nested);
	case BP_TIMER: return take_timer(i, r, f, timer_in(p));
	case BP_LINE:
		v = take_number(i, 1);
		if (!i->bad && v != NONE && line_in(p))
			line_restore(line_in(p), v != 0);
		return STATE_GOOD;
	case BP_U128:
		for (unsigned k = 0; k < 2; k++)
			((uint64_t *)p)[k] = take_number(i, 8);
		return STATE_GOOD;
	default: break;
	}
	v = take_number(i, element_size(f));
	if (!possible(f, v))
		return other(i, r, f->name, "is %" PRIu64 ", which it cannot be", v);
	set_number(p, element_size(f), v);
	return STATE_GOOD;
}

static enum state_result take_elements(
	struct in *i, const struct record *r, const struct bp_field *f, uint32_t n)
{
	enum state_result result = STATE_GOOD;
	if (f->type == BP_BYTES) {
		const uint8_t *bytes = take_bytes(i, n);
		if (bytes)
			memcpy(element(f, r->base, 0), bytes, n);
		return STATE_GOOD;
	}
	for (uint32_t k = 0; k < n && !i->bad && result == STATE_GOOD; k++)
		result = take_element(i, r, f, element(f, r->base, k));
	return result;
}

static void set_default(const struct record *r, const struct bp_field *f)
{
	const struct bp_field *inner;
	for (uint32_t k = 0; k < (f->count ? f->count : 1); k++) {
		void *p = element(f, r->base, k);
		struct record nested = { f->sub, r->stride, p, r->name };
		if (f->type == BP_TIMER)
			sched_timer_cancel(timer_in(p));
		else if (f->type == BP_STRUCT)
			for (unsigned n = 0; (inner = field_at(f->sub, r->stride, n)); n++)
				set_default(&nested, inner);
		else if (is_number(f))
			set_number(p, element_size(f), f->def);
		else if (f->type != BP_LINE)
			memset(p, 0, element_size(f));
	}
}

static enum state_result take_field(struct in *i, const struct record *r, uint32_t *counts)
{
	const char *name = take_text(i);
	uint64_t type = take_number(i, 2), size = take_number(i, 4), n = take_number(i, 4);
	uint64_t len = take_number(i, 4);
	if (i->bad)
		return STATE_BAD;
	const struct bp_field *f = field_find(r->table, r->stride, name);
	if (!f)
		return other(i, r, name, "is unknown to this version of its type");
	uint32_t *count = &counts[((const char *)f - (const char *)r->table) / r->stride];
	if (*count != UNSEEN)
		return other(i, r, name, "is there twice");
	if (type != f->type || (size != element_size(f) && f->type != BP_STRUCT))
		return other(i, r, name,
			"has type %" PRIu64 " of %" PRIu64
			" bytes; this version of its type has %u of %u",
			type, size, f->type, element_size(f));
	if (n > (f->count ? f->count : 1))
		return other(i, r, name, "has %" PRIu64 " elements; there is room for %u", n,
			f->count ? f->count : 1);
	*count = (uint32_t)n;
	size_t end = i->at + len;
	if (len > i->end - i->at) {
		i->bad = true;
		return STATE_BAD;
	}
	enum state_result result = take_elements(i, r, f, (uint32_t)n);
	if (result == STATE_GOOD && i->at != end)
		i->bad = true;
	return result == STATE_GOOD && i->bad ? STATE_BAD : result;
}

/* How many are in use may itself be state, before or behind what it counts. */
static enum state_result check_counts(struct in *i, const struct record *r, const uint32_t *counts)
{
	const struct bp_field *f;
	for (unsigned k = 0; (f = field_at(r->table, r->stride, k)); k++) {
		uint32_t now = used(f, r->base), most = f->count ? f->count : 1;
		if (f->count_offset && (now > most || (counts[k] != UNSEEN && counts[k] != now)))
			return other(i, r, f->name,
				"has %u elements and there is room for %u; %u must be in use",
				counts[k] == UNSEEN ? 0 : counts[k], most, now);
	}
	return STATE_GOOD;
}

enum state_result take_fields(struct in *i, const struct record *r)
{
	const struct bp_field *f;
	enum state_result result = STATE_GOOD;
	uint32_t rows = 0;
	while (field_at(r->table, r->stride, rows))
		rows++;
	uint32_t *counts = g_new(uint32_t, rows + 1);
	memset(counts, 0xff, (rows + 1) * sizeof(*counts));
	uint64_t fields = take_number(i, 4);
	for (uint64_t k = 0; k < fields && !i->bad && result == STATE_GOOD; k++)
		result = take_field(i, r, counts);
	if (i->bad)
		result = STATE_BAD;
	for (unsigned k = 0; result == STATE_GOOD && (f = field_at(r->table, r->stride, k)); k++)
		if (counts[k] == UNSEEN)
			set_default(r, f);
	if (result == STATE_GOOD)
		result = check_counts(i, r, counts);
	g_free(counts);
	return result;
}

/* ---- completeness ---- */

static bool names_timer(
	const struct bp_field *table, uint32_t stride, void *base, const bp_timer *t)
{
	const struct bp_field *f;
	for (unsigned k = 0; (f = field_at(table, stride, k)); k++)
		for (uint32_t n = 0; n < (f->count ? f->count : 1); n++) {
			void *p = element(f, base, n);
			if (f->type == BP_TIMER
					? timer_in(p) == t
					: f->type == BP_STRUCT && names_timer(f->sub, stride, p, t))
				return true;
		}
	return false;
}

bool has_unnamed_timer(const struct object *o)
{
	const struct bp_field *table = o->type->object->state;
	const bp_timer *t;
	for (unsigned n = 0; (t = sched_timer_of(o, n)); n++)
		if (sched_timer_due(t) != INT64_MAX &&
			!names_timer(table, o->type->field_size, o->instance, t))
			return true;
	return false;
}
