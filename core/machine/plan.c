/* SPDX-License-Identifier: MIT */
/* Instances and references. */
#include "internal.h"

enum {
	KEYS_MAX = 1000, /* of one object */
	WORK_MAX = 20 * 1000 * 1000 /* steps of expanding all references */
};

static const char *const tables[] = { "machine", "options", "load", NULL };

int instance_error(struct error_list *errors, struct toml_pos pos, const struct instance *in,
	const char *key, const char *format, ...)
{
	va_list args;
	char *place = toml_place(pos);
	GHashTable *said = in->first->said;
	/* Instances of one table mostly share its faults. */
	struct instance *who = place ? g_hash_table_lookup(said, place) : NULL;
	if (who && who != in) {
		g_free(place);
		return -1;
	}
	if (place)
		g_hash_table_replace(said, place, (void *)(uintptr_t)in);
	va_start(args, format);
	char *text = g_strdup_vprintf(format, args);
	va_end(args);
	toml_error(errors, pos, "%s: %s%s%s", in->name, key ? key : "", key ? ": " : "", text);
	g_free(text);
	return -1;
}

struct instance *instance_find(struct machine *m, const char *name)
{
	for (unsigned i = 0; i < m->instances->len; i++) {
		struct instance *in = g_ptr_array_index(m->instances, i);
		if (!strcmp(in->name, name))
			return in;
	}
	return NULL;
}

void instance_free(struct instance *in)
{
	object_free(in->object);
	g_ptr_array_free(in->pointers, TRUE);
	g_ptr_array_free(in->masters, TRUE);
	g_ptr_array_free(in->uses, TRUE);
	if (in->said)
		g_hash_table_destroy(in->said);
	g_free(in->slot);
	g_free(in->name);
	g_free(in);
}

struct bus_space *space_of(struct object *o)
{
	/* The core's own type only: a stranger's interface is no struct bus_space. */
	return o->type->plugin ? NULL
			       : (struct bus_space *)(uintptr_t)object_interface(o, "bp.space/1");
}

void instance_use(struct instance *in, struct instance *other)
{
	if (in != other)
		g_ptr_array_add(in->uses, other);
}

/* ---- references ---- */

/* "a..b" or "n": 0 and the range, or -1. */
static int parse_range(const char *text, uint64_t *first, uint64_t *last)
{
	char *end;
	if (!g_ascii_isdigit(*text))
		return -1;
	*first = *last = g_ascii_strtoull(text, &end, 10);
	if (g_str_has_prefix(end, "..")) {
		if (!g_ascii_isdigit(end[2]))
			return -1;
		*last = g_ascii_strtoull(end + 2, &end, 10);
	}
	return *end || *last < *first || *last - *first >= LINE_MAX_PINS ? -1 : 0;
}

/* The instances that "cpu", "cpu.*", "cpu.0..2" or "cpu.1" stand for. */
static GPtrArray *find_instances(struct machine *m, const char *text)
{
	GPtrArray *found = g_ptr_array_new();
	const char *dot = strrchr(text, '.');
	uint64_t first = 0, last = UINT64_MAX;
	char *base = g_strdup(text);
	struct instance *exact = instance_find(m, text);
	if (exact) {
		g_ptr_array_add(found, exact);
		g_free(base);
		return found;
	}
	/* "a..b" holds dots itself: the one that starts the index stands before the digits. */
	const char *range = strstr(text, "..");
	if (range) {
		dot = range;
		while (dot > text && g_ascii_isdigit(dot[-1]))
			dot--;
		dot = dot > text && dot[-1] == '.' ? dot - 1 : NULL;
	}
	bool all = dot && !strcmp(dot, ".*");
	if (dot && (all || parse_range(dot + 1, &first, &last) == 0))
		base[dot - text] = 0;
	else
		first = last = 0;
	for (unsigned i = 0; i < m->instances->len; i++) {
		struct instance *in = g_ptr_array_index(m->instances, i);
		if (!strcmp(in->base, base) && in->index >= first && in->index <= last &&
			(dot || in->count == 1 || in->index == 0))
			g_ptr_array_add(found, in);
	}
	g_free(base);
	return found;
}

static void add_target(
	GArray *list, struct instance *in, const char *pin, uint64_t first, uint64_t last)
{
	for (uint64_t i = first; i <= last && list->len < 4 * LINE_MAX_PINS; i++) {
		struct target t = { in, pin ? g_strdup(pin) : NULL, (unsigned)i };
		g_array_append_val(list, t);
	}
}

/* Behind the colon: "10", "1..8", "msip", "in.3", "{meip,seip}". */
static int add_pins(GArray *list, struct instance *in, const char *pins)
{
	uint64_t first, last;
	if (parse_range(pins, &first, &last) == 0) {
		add_target(list, in, "", first, last);
		return 0;
	}
	size_t n = strlen(pins);
	bool braces = n > 2 && pins[0] == '{' && pins[n - 1] == '}';
	char *inner = braces ? g_strndup(pins + 1, n - 2) : g_strdup(pins);
	char **names = g_strsplit(inner, ",", 0);
	int r = names[0] ? 0 : -1;
	for (unsigned i = 0; names[i]; i++) {
		char *dot = strchr(names[i], '.');
		first = last = 0;
		if (dot && parse_range(dot + 1, &first, &last) != 0)
			r = -1;
		if (dot)
			*dot = 0;
		if (!*names[i])
			r = -1;
		add_target(list, in, names[i], first, last);
	}
	g_strfreev(names);
	g_free(inner);
	return r;
}

void targets_free(GArray *targets)
{
	for (unsigned i = 0; targets && i < targets->len; i++)
		g_free(g_array_index(targets, struct target, i).pin);
	if (targets)
		g_array_free(targets, TRUE);
}

/* Nothing has this name. Tables that became no object were complained of already. */
static void no_object(struct machine *m, const struct instance *from, const char *key,
	const char *text, const char *object, struct toml_pos pos, struct error_list *errors)
{
	char *base = g_strndup(object, strcspn(object, "."));
	const struct toml_value *table = toml_get(m->desc, base);
	struct nearest near;
	if (table && table->type == TOML_TABLE && g_hash_table_contains(m->broken, base)) {
		g_free(base);
		return;
	}
	if (table && table->type == TOML_TABLE && !g_strv_contains(tables, base)) {
		const struct toml_value *count = toml_get(table, "count");
		char *n = count ? toml_write_value(count) : g_strdup("not given");
		instance_error(errors, pos, from, key,
			"\"%s\": %s has no such instance; its count is %s", text, base, n);
		g_free(n);
		g_free(base);
		return;
	}
	g_free(base);
	nearest_init(&near, object);
	for (unsigned i = 0; i < m->instances->len; i++) {
		const struct instance *in = g_ptr_array_index(m->instances, i);
		nearest_try(&near, in->base);
		nearest_try(&near, in->name);
	}
	instance_error(errors, pos, from, key, "\"%s\": there is no object \"%s\"%s%s%s", text,
		object, near.best ? "; did you mean \"" : "", near.best ? near.best : "",
		near.best ? "\"?" : "");
}

/* A file can ask for more expansions than anyone has time for. */
static bool worked_enough(
	struct machine *m, const char *text, struct toml_pos pos, struct error_list *errors)
{
	m->work += m->instances->len;
	if (m->work > WORK_MAX && !m->tired) {
		m->tired = true;
		toml_error(
			errors, pos, "\"%s\": the references of this machine are too many", text);
	}
	return m->tired;
}

GArray *targets_expand(struct machine *m, const struct instance *from, const char *key,
	const char *text, struct toml_pos pos, struct error_list *errors)
{
	if (worked_enough(m, text, pos, errors))
		return NULL;
	GArray *list = g_array_new(FALSE, FALSE, sizeof(struct target));
	const char *colon = strchr(text, ':');
	char *object = colon ? g_strndup(text, (gsize)(colon - text)) : g_strdup(text);
	GPtrArray *found = find_instances(m, object);
	if (!found->len) {
		no_object(m, from, key, text, object, pos, errors);
		g_clear_pointer(&list, targets_free);
	}
	for (unsigned i = 0; list && i < found->len; i++) {
		struct instance *in = g_ptr_array_index(found, i);
		if (!colon) {
			add_target(list, in, NULL, 0, 0);
		} else if (add_pins(list, in, colon + 1) != 0) {
			instance_error(errors, pos, from, key,
				"\"%s\": a pin, an index, a range 1..8 or {a,b} is expected behind "
				"the colon",
				text);
			g_clear_pointer(&list, targets_free);
		}
	}
	if (list)
		m->work += 8 * (uint64_t)list->len;
	g_ptr_array_free(found, TRUE);
	g_free(object);
	return list;
}

/* ---- instances ---- */

static void missing_type(const char *object, const struct toml_value *v, struct error_list *errors)
{
	const char *id = v->string.bytes, *near = type_nearest(id);
	char *package = type_package(id);
	if (package)
		toml_error(errors, v->pos,
			"%s: type \"%s\" is in the package %s, which is not installed", object, id,
			package);
	else
		toml_error(errors, v->pos, "%s: there is no type \"%s\"%s%s%s", object, id,
			near ? "; did you mean \"" : "",
			near ? near : "; install the package of its plugin, or give --plugin-path",
			near ? "\"?" : "");
	g_free(package);
}

static const struct type *type_of(const struct toml_entry *e, struct error_list *errors)
{
	const struct toml_value *v = toml_get(e->value, "type");
	if (!v) {
		toml_error(errors, e->key_pos, "%s: type is missing", e->key);
		return NULL;
	}
	if (v->type != TOML_STRING) {
		toml_error(errors, v->pos, "%s: type: a string is expected, not %s", e->key,
			toml_type_name(v->type));
		return NULL;
	}
	struct type_entry *te = type_find(v->string.bytes);
	if (!te) {
		missing_type(e->key, v, errors);
		return NULL;
	}
	char *place = toml_place(v->pos);
	const struct type *type = type_load(te, place, errors);
	g_free(place);
	return type;
}

static struct domain *domain_for(struct machine *m, const struct type *type, const char *name)
{
	if (type->object->threads == BP_SERIAL_MACHINE)
		return m->lock;
	struct domain *d = domain_new(name, type->object->threads == BP_PARALLEL);
	g_ptr_array_add(m->domains, d);
	return d;
}

static void add_instances(struct machine *m, const struct toml_entry *e, struct error_list *errors)
{
	uint64_t count = 1;
	const struct toml_value *v = toml_get(e->value, "count");
	const struct type *type = type_of(e, errors);
	if (!type)
		g_hash_table_add(m->broken, e->key);
	if (e->value->table.count > KEYS_MAX) {
		toml_error(
			errors, e->key_pos, "%s: an object has at most %d keys", e->key, KEYS_MAX);
		return;
	}
	if (v && (!toml_as_u64(v, &count) || count > INSTANCES_MAX)) {
		toml_error(errors, v->pos, "%s: count: a number from 0 to %d is expected", e->key,
			INSTANCES_MAX);
		g_hash_table_add(m->broken, e->key);
		return;
	}
	if (!type)
		return;
	char *place = toml_place(e->key_pos);
	struct instance *first = NULL;
	for (uint64_t i = 0; i < count; i++) {
		if (m->instances->len >= INSTANCES_MAX) {
			toml_error(errors, e->key_pos, "%s: more than %d objects", e->key,
				INSTANCES_MAX);
			break;
		}
		struct instance *in = g_new0(struct instance, 1);
		in->name = v ? g_strdup_printf("%s.%u", e->key, (unsigned)i) : g_strdup(e->key);
		in->base = e->key;
		in->index = (unsigned)i;
		in->count = v ? (unsigned)count : 1;
		in->first = i ? first : in;
		first = in->first;
		in->said = i ? NULL : g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
		in->entry = e;
		in->pointers = g_ptr_array_new_with_free_func(g_free);
		in->masters = g_ptr_array_new_with_free_func((GDestroyNotify)dma_free);
		in->uses = g_ptr_array_new();
		in->object = object_new(type, in->name, place, domain_for(m, type, in->name));
		if (!in->object) {
			toml_error(errors, e->key_pos, "%s: the host has no memory left for it",
				in->name);
			instance_free(in);
			break;
		}
		in->object->index = m->instances->len;
		g_ptr_array_add(m->instances, in);
	}
	g_free(place);
}

static bool good_name(const char *name)
{
	for (const char *p = name; *p; p++)
		if (!g_ascii_isalnum(*p) && *p != '-' && *p != '_')
			return false;
	return *name != 0;
}

static void load_extra(const struct toml_value *desc, struct error_list *errors)
{
	const struct toml_value *list = toml_get(desc, "load");
	for (unsigned i = 0; list && list->type == TOML_ARRAY && i < list->array.count; i++) {
		const struct toml_value *v = list->array.items[i];
		struct type_entry *te = v->type == TOML_STRING ? type_find(v->string.bytes) : NULL;
		char *place = toml_place(v->pos);
		const char *near = v->type == TOML_STRING ? type_nearest(v->string.bytes) : NULL;
		if (!te)
			toml_error(errors, v->pos, "load: the id of a type is expected%s%s%s",
				near ? "; did you mean \"" : "", near ? near : "",
				near ? "\"?" : "");
		else
			type_load(te, place, errors);
		g_free(place);
	}
	if (list && list->type != TOML_ARRAY)
		toml_error(errors, list->pos, "load: a list of types is expected, not %s",
			toml_type_name(list->type));
}

static void for_all(struct machine *m,
	void (*fn)(struct machine *m, struct instance *in, struct error_list *errors),
	struct error_list *errors)
{
	for (unsigned i = 0; i < m->instances->len; i++)
		fn(m, g_ptr_array_index(m->instances, i), errors);
}

struct machine *machine_plan(const struct toml_value *desc, struct error_list *errors)
{
	unsigned before = errors->total;
	struct machine *m = g_new0(struct machine, 1);
	m->desc = desc;
	m->instances = g_ptr_array_new();
	m->domains = g_ptr_array_new();
	m->order = g_ptr_array_new();
	m->broken = g_hash_table_new(g_str_hash, g_str_equal);
	m->lock = domain_new("machine", false);
	for (unsigned i = 0; i < desc->table.count; i++) {
		const struct toml_entry *e = desc->table.entries[i];
		if (e->key[0] == '\001' || g_strv_contains(tables, e->key))
			continue;
		if (e->value->type != TOML_TABLE)
			toml_error(errors, e->key_pos,
				"%s: an object is a table, [%s] with a type; this is %s", e->key,
				e->key, toml_type_name(e->value->type));
		else if (!good_name(e->key) || strlen(e->key) != e->key_length)
			toml_error(errors, e->key_pos,
				"\"%s\": names of objects are letters, digits, - and _", e->key);
		else
			add_instances(m, e, errors);
	}
	machine_mode(m, errors);
	load_extra(desc, errors);
	for_all(m, instance_attach, errors);
	for_all(m, instance_plugged, errors);
	for_all(m, instance_set, errors);
	for_all(m, instance_connect, errors);
	bus_transaction_begin();
	for_all(m, instance_map, errors);
	bus_transaction_commit();
	machine_check(m, errors);
	options_check(m, errors);
	if (errors->total != before) {
		machine_destroy(m);
		return NULL;
	}
	return m;
}
