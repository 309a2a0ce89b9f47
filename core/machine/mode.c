/* SPDX-License-Identifier: MIT */
/* [machine]: what it says of how the machine is run. */
#include "internal.h"

static const struct number { /* a key that is a number */
	const char *key, *unit;
	size_t offset; /* in struct sched_turns */
	uint64_t def, min, max;
} numbers[] = {
	{ "ips", "instructions in a virtual second", offsetof(struct sched_turns, ips), 1000000000,
		1000, SCHED_IPS_MAX },
	{ "quantum", "instructions of a CPU's turn", offsetof(struct sched_turns, quantum), 10000,
		1, SCHED_QUANTUM_MAX },
	{ "seed", "the seed of random numbers", offsetof(struct sched_turns, seed), 0, 0,
		UINT64_MAX },
};

static const char *const others[] = { "summary", "deterministic", "date", "report", NULL };

static int mode_error(struct error_list *errors, const struct toml_value *v, const char *key,
	const char *expected)
{
	return toml_error(errors, v->pos, "machine: %s: %s is expected, not %s", key, expected,
		toml_type_name(v->type));
}

static void read_number(struct machine *m, const struct toml_value *table, const struct number *n,
	struct error_list *errors)
{
	const struct toml_value *v = toml_get(table, n->key);
	uint64_t value = n->def;
	if (v && (!toml_as_u64(v, &value) || value < n->min || value > n->max))
		toml_error(errors, v->pos,
			"machine: %s: %s, a number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT
			", is expected",
			n->key, n->unit, n->min, n->max);
	memcpy((char *)&m->turns + n->offset, &value, sizeof(value));
}

static void read_date(struct machine *m, const struct toml_value *table, struct error_list *errors)
{
	const struct toml_value *v = toml_get(table, "date");
	const char *text = v && v->type == TOML_STRING ? v->string.bytes : "2026-01-01T00:00:00Z";
	if (v && v->type != TOML_STRING) {
		mode_error(errors, v, "date", "a string such as \"2026-01-01T00:00:00Z\"");
		return;
	}
	GTimeZone *utc = g_time_zone_new_utc();
	GDateTime *date = g_date_time_new_from_iso8601(text, utc);
	/* Nanoseconds in 63 bits, with room for the machine's own time. */
	if (!date || g_date_time_get_year(date) < 1970 || g_date_time_get_year(date) > 2200)
		toml_error(errors, v ? v->pos : (struct toml_pos){ 0 },
			"machine: date: \"%s\" is no date and time from 1970 to 2200 such as "
			"2026-01-01T00:00:00Z",
			text);
	else
		m->turns.date = MAX(g_date_time_to_unix(date), 0) * 1000000000;
	g_clear_pointer(&date, g_date_time_unref);
	g_time_zone_unref(utc);
}

/* A misspelt word would be a run that is not what was asked for. */
static void check_keys(const struct toml_value *table, struct error_list *errors)
{
	for (unsigned i = 0; i < table->table.count; i++) {
		const struct toml_entry *e = table->table.entries[i];
		bool known = g_strv_contains(others, e->key);
		struct nearest near;
		nearest_init(&near, e->key);
		for (unsigned k = 0; others[k]; k++)
			nearest_try(&near, others[k]);
		for (unsigned k = 0; k < G_N_ELEMENTS(numbers); k++) {
			known = known || !strcmp(numbers[k].key, e->key);
			nearest_try(&near, numbers[k].key);
		}
		if (!known)
			toml_error(errors, e->key_pos, "machine: there is no key \"%s\"%s%s%s",
				e->key, near.best ? "; did you mean \"" : "",
				near.best ? near.best : "", near.best ? "\"?" : "");
	}
}

void machine_mode(struct machine *m, struct error_list *errors)
{
	const struct toml_value *table = toml_get(m->desc, "machine"), *v;
	if (table && table->type != TOML_TABLE) {
		toml_error(errors, table->pos, "machine: a table is expected, not %s",
			toml_type_name(table->type));
		return;
	}
	struct toml_value *none = table ? NULL : toml_new(TOML_TABLE, (struct toml_pos){ 0 });
	table = table ? table : none;
	check_keys(table, errors);
	v = toml_get(table, "summary");
	if (v && v->type != TOML_STRING)
		mode_error(errors, v, "summary", "a string");
	v = toml_get(table, "deterministic");
	if (v && v->type != TOML_BOOLEAN)
		mode_error(errors, v, "deterministic", "true or false");
	m->deterministic = v && v->type == TOML_BOOLEAN && v->boolean;
	for (unsigned i = 0; i < G_N_ELEMENTS(numbers); i++)
		read_number(m, table, &numbers[i], errors);
	read_date(m, table, errors);
	v = toml_get(table, "report");
	if (v && v->type != TOML_STRING)
		mode_error(errors, v, "report", "the name of a file");
	else if (v)
		m->report = v->string.bytes;
	toml_destroy(none);
}
