/* SPDX-License-Identifier: MIT */
/* The usual options. The board's table [options] says what each means: "object:property", a list of
 * such (the n-th use of the option takes the n-th place), or a template of an object to add. The core
 * knows only the manner of an option's value: */
#include "internal.h"

enum manner {
	TEXT, /* a string: a file's name, a command line */
	NUMBER,
	BACK_END, /* WORD[:ARGUMENT][,key=value...]: an object of type PREFIX-WORD to link to */
	IMAGE, /* FILE[,key=value...] or file=FILE,...: an object of type "drive" to link to */
	OBJECT /* TEXT[,key=value...]: the template's object itself, with these properties */
};
static const struct option {
	const char *name, *prefix;
	enum manner manner;
	const char *device; /* what objects made from a template are called; NULL: as the option */
} options[] = { { "kernel", NULL, TEXT, NULL }, { "initrd", NULL, TEXT, NULL },
	{ "append", NULL, TEXT, NULL }, { "firmware", NULL, TEXT, NULL },
	{ "dtb", NULL, TEXT, NULL }, { "memory", NULL, TEXT, NULL }, { "cpus", NULL, NUMBER, NULL },
	{ "serial", "chr", BACK_END, NULL }, { "drive", "disk", IMAGE, NULL },
	{ "net", "net", BACK_END, "nic" }, { "share", NULL, OBJECT, NULL } };

static const struct option *find_option(const char *name)
{
	for (unsigned i = 0; i < G_N_ELEMENTS(options); i++)
		if (!strcmp(options[i].name, name))
			return &options[i];
	return NULL;
}

static struct toml_pos place_of(unsigned word)
{
	return (struct toml_pos){ "command line", word, 1 };
}

/* What the board says of an option, or NULL after an error. */
static const struct toml_value *meaning(const struct toml_value *desc, const char *name,
	struct toml_pos pos, struct error_list *errors)
{
	const struct toml_value *table = toml_get(desc, "options");
	const struct toml_value *v =
		table && table->type == TOML_TABLE ? toml_get(table, name) : NULL;
	if (!v)
		toml_error(errors, pos, "this machine's board has no meaning for --%s", name);
	return v;
}

/* "object:property" into its halves; false if it is none. */
static bool split_target(const char *text, char **object, char **prop)
{
	const char *colon = strchr(text, ':');
	if (!colon || colon == text || !colon[1] || strchr(colon + 1, ':'))
		return false;
	*object = g_strndup(text, (gsize)(colon - text));
	*prop = g_strdup(colon + 1);
	return true;
}

/* The first property of the type that is a string takes the argument behind the colon. */
static const char *first_string(const struct type *type)
{
	const struct bp_field *f;
	for (unsigned n = 0; (f = field_at(type->object->props, type->field_size, n)); n++)
		if (f->type == BP_STR)
			return f->name;
	return NULL;
}

static void set_text(
	struct toml_value *table, const char *key, const char *text, struct toml_pos pos)
{
	struct error_list ignored = { 0 };
	struct toml_value *v = toml_parse_value(pos, text, strlen(text), &ignored);
	error_list_finish(&ignored);
	if (!v || v->type == TOML_TABLE || v->type == TOML_ARRAY) {
		toml_destroy(v);
		v = toml_new_string(pos, text, strlen(text));
	}
	toml_set(table, key, strlen(key), pos, v);
}

/* A key that is given again adds to the text that is there: hostfwd=A,hostfwd=B is "A B". */
static void add_text(
	struct toml_value *table, const char *key, const char *text, struct toml_pos pos)
{
	const struct toml_value *was = toml_get(table, key);
	if (!was || was->type != TOML_STRING) {
		set_text(table, key, text, pos);
		return;
	}
	char *both = g_strconcat(was->string.bytes, " ", text, NULL);
	toml_set(table, key, strlen(key), pos, toml_new_string(pos, both, strlen(both)));
	g_free(both);
}

static char *fresh_name(const struct toml_value *desc, const char *prefix)
{
	char *name = NULL;
	for (unsigned n = 0; !name || toml_get(desc, name); n++) {
		g_free(name);
		name = g_strdup_printf("%s%u", prefix, n);
	}
	return name;
}

/* WORD[:ARGUMENT][,key=value...] as a new object; its name, or NULL after an error. */
static char *add_object(struct toml_value *desc, const char *prefix, const char *text,
	struct toml_pos pos, struct error_list *errors)
{
	const char *rest = text;
	char *word = option_part(&rest), *colon = word ? strchr(word, ':') : NULL, *name = NULL;
	if (colon)
		*colon++ = 0;
	char *id = g_strdup_printf("%s-%s", prefix, word ? word : "");
	struct type_entry *e = type_find(id);
	const struct type *type = e ? type_load(e, "command line", errors) : NULL;
	if (!e) {
		const char *near = type_nearest(id);
		toml_error(errors, pos, "there is no type %s for \"%s\"%s%s%s", id, text,
			near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
	}
	if (type) {
		struct toml_value *table = toml_new(TOML_TABLE, pos);
		table->form = TOML_HEADER;
		toml_set(table, "type", 4, pos, toml_new_string(pos, id, strlen(id)));
		const char *prop = first_string(type);
		if (colon && prop)
			toml_set(table, prop, strlen(prop), pos,
				toml_new_string(pos, colon, strlen(colon)));
		else if (colon)
			toml_error(errors, pos, "%s takes no argument \"%s\"", id, colon);
		char *key, *value;
		while (option_next(&rest, &key, &value)) {
			add_text(table, key, value ? value : "true", pos);
			g_free(key);
		}
		name = fresh_name(desc, prefix);
		toml_set(desc, name, strlen(name), pos, table);
	}
	g_free(id);
	g_free(word);
	return name;
}

/* FILE[,key=value...] into a table; what stands first without a key is the value of `first`, which is
 * text whatever it looks like. */
static void set_keys(
	struct toml_value *table, const char *first, const char *text, struct toml_pos pos)
{
	char *part, *equals;
	for (bool begins = true; option_next(&text, &part, &equals); begins = false) {
		const char *key = begins && !equals ? first : part;
		const char *value = equals ? equals : begins ? part : "true";
		if (!strcmp(key, first))
			toml_set(table, key, strlen(key), pos,
				toml_new_string(pos, value, strlen(value)));
		else
			set_text(table, key, value, pos);
		g_free(part);
	}
}

/* A new drive; its name. */
static char *add_drive(
	struct toml_value *desc, const char *prefix, const char *text, struct toml_pos pos)
{
	struct toml_value *table = toml_new(TOML_TABLE, pos);
	table->form = TOML_HEADER;
	toml_set(table, "type", 4, pos, toml_new_string(pos, "drive", strlen("drive")));
	set_keys(table, "file", text, pos);
	char *name = fresh_name(desc, prefix);
	toml_set(desc, name, strlen(name), pos, table);
	return name;
}

int option_trace(
	struct toml_value *desc, const char *value, unsigned word, struct error_list *errors)
{
	char *name = add_object(desc, "trace", value, place_of(word), errors);
	g_free(name);
	return name ? 0 : -1;
}

/* A byte stream as for --serial, and a monitor that takes lines from it. */
int option_control(
	struct toml_value *desc, const char *value, unsigned word, struct error_list *errors)
{
	struct toml_pos pos = place_of(word);
	char *chr = add_object(desc, "chr", value, pos, errors);
	char *text = g_strdup_printf("line,chr=%s", chr ? chr : "");
	char *name = chr ? add_object(desc, "mon", text, pos, errors) : NULL;
	g_free(text);
	g_free(chr);
	g_free(name);
	return name ? 0 : -1;
}

static unsigned uses(struct toml_value *desc, const char *name)
{
	/* How often the option was given before: kept in the tree, under a key no file can have. */
	char *key = g_strdup_printf("\001%s", name);
	uint64_t n = 0;
	struct toml_value *v = toml_get(desc, key);
	if (v)
		toml_as_u64(v, &n);
	toml_set(desc, key, strlen(key), place_of(0), toml_new_integer(place_of(0), n + 1, false));
	g_free(key);
	return (unsigned)n;
}

/* Takes the value. */
static int put_at(struct toml_value *desc, const struct option *o, const struct toml_value *to,
	const char *text, struct toml_value *value, struct error_list *errors)
{
	char *object, *prop;
	if (!value)
		return -1;
	if (!split_target(text, &object, &prop)) {
		toml_destroy(value);
		return toml_error(errors, to->pos,
			"options.%s: \"OBJECT:PROPERTY\" is expected, not \"%s\"", o->name, text);
	}
	int r = desc_put(desc, object, prop, value, errors);
	g_free(object);
	g_free(prop);
	return r;
}

static struct toml_value *scalar(
	const struct option *o, const char *text, struct toml_pos pos, struct error_list *errors)
{
	struct error_list ignored = { 0 };
	if (o->manner == TEXT)
		return toml_new_string(pos, text, strlen(text));
	struct toml_value *v = toml_parse_value(pos, text, strlen(text), &ignored);
	error_list_finish(&ignored);
	if (v && v->type == TOML_INTEGER)
		return v;
	toml_destroy(v);
	toml_error(errors, pos, "--%s %s: a number is expected", o->name, text);
	return NULL;
}

/* A table of templates: each names a property and what it gets, with {} for what was given. */
static int put_templates(struct toml_value *desc, const struct option *o,
	const struct toml_value *table, const char *given, struct toml_pos pos,
	struct error_list *errors)
{
	int r = 0;
	for (unsigned i = 0; i < table->table.count; i++) {
		const struct toml_entry *e = table->table.entries[i];
		if (e->value->type != TOML_STRING) {
			r = toml_error(errors, e->value->pos,
				"options.%s: a string with {} in it is expected", o->name);
			continue;
		}
		char **parts = g_strsplit(e->value->string.bytes, "{}", 0);
		char *text = g_strjoinv(given, parts);
		r |= put_at(desc, o, e->value, e->key, scalar(o, text, pos, errors), errors);
		g_free(text);
		g_strfreev(parts);
	}
	return r;
}

/* kernel = "boot:kernel", or a list: every one of them gets the value, or a table of templates. */
static int apply_scalar(struct toml_value *desc, const struct option *o, const char *given,
	struct toml_pos pos, struct error_list *errors)
{
	const struct toml_value *v = meaning(desc, o->name, pos, errors);
	int r = 0;
	if (!v)
		return -1;
	if (v->type == TOML_TABLE)
		return put_templates(desc, o, v, given, pos, errors);
	unsigned count = v->type == TOML_ARRAY ? v->array.count : 1;
	for (unsigned i = 0; i < count; i++) {
		const struct toml_value *to = v->type == TOML_ARRAY ? v->array.items[i] : v;
		if (to->type != TOML_STRING)
			r = toml_error(errors, to->pos,
				"options.%s: \"OBJECT:PROPERTY\" is expected, not %s", o->name,
				toml_type_name(to->type));
		else
			r |= put_at(desc, o, to, to->string.bytes, scalar(o, given, pos, errors),
				errors);
	}
	return r;
}

/* A new object as the template has it; its key `link` names the property that takes the back end, or the
 * option's text itself. */
static int add_from_template(struct toml_value *desc, const struct option *o,
	const struct toml_value *template, const char *value, struct toml_pos pos,
	struct error_list *errors)
{
	const struct toml_value *link = toml_get(template, "link");
	if (!link || link->type != TOML_STRING || !toml_get(template, "type"))
		return toml_error(errors, template->pos,
			"options.%s: a template needs type, and link: the property that takes the "
			"back end",
			o->name);
	struct toml_value *object = toml_copy(template);
	char *name = fresh_name(desc, o->device ? o->device : o->name);
	char *key = g_strdup(link->string.bytes);
	object->form = TOML_HEADER;
	object->pos = pos;
	toml_remove(object, "link", strlen("link"));
	if (o->manner == OBJECT)
		set_keys(object, key, value, pos);
	else
		toml_set(object, key, strlen(key), pos, toml_new_string(pos, value, strlen(value)));
	toml_set(desc, name, strlen(name), pos, object);
	g_free(key);
	g_free(name);
	return 0;
}

/* serial = ["uart0:chr", { type = ..., link = "chr" }]: the n-th use takes the n-th; a template at
 * the end serves all further ones. */
static int apply_back_end(struct toml_value *desc, const struct option *o, const char *given,
	struct toml_pos pos, struct error_list *errors)
{
	const struct toml_value *v = meaning(desc, o->name, pos, errors);
	if (!v)
		return -1;
	unsigned count = v->type == TOML_ARRAY ? v->array.count : 1, n = uses(desc, o->name);
	struct toml_value *const *items =
		v->type == TOML_ARRAY ? v->array.items : (struct toml_value *const *)&v;
	if (n >= count && count && items[count - 1]->type == TOML_TABLE)
		n = count - 1;
	if (n >= count)
		return toml_error(
			errors, pos, "--%s: this board has only %u of them", o->name, count);
	char *made = o->manner == OBJECT ? g_strdup(given)
		: o->manner == IMAGE     ? add_drive(desc, o->prefix, given, pos)
					 : add_object(desc, o->prefix, given, pos, errors);
	if (!made)
		return -1;
	int r;
	if (items[n]->type == TOML_TABLE)
		r = add_from_template(desc, o, items[n], made, pos, errors);
	else if (items[n]->type == TOML_STRING && o->manner != OBJECT)
		r = put_at(desc, o, items[n], items[n]->string.bytes,
			toml_new_string(pos, made, strlen(made)), errors);
	else
		r = toml_error(errors, items[n]->pos,
			"options.%s: \"OBJECT:PROPERTY\" or a template is expected", o->name);
	g_free(made);
	return r;
}

int option_apply(struct toml_value *desc, const char *name, const char *value, unsigned word,
	struct error_list *errors)
{
	struct toml_pos pos = place_of(word);
	const struct option *o = find_option(name);
	if (!o)
		return toml_error(errors, pos, "--%s is no option", name);
	return o->manner >= BACK_END ? apply_back_end(desc, o, value, pos, errors)
				     : apply_scalar(desc, o, value, pos, errors);
}

void option_forget(struct toml_value *desc)
{
	for (unsigned i = desc->table.count; i-- > 0;) {
		const struct toml_entry *e = desc->table.entries[i];
		if (e->key[0] == '\001')
			toml_remove(desc, e->key, e->key_length);
	}
}

/* An option whose object was removed is gone with it. */
static bool leads_to(const struct toml_value *v, const char *object)
{
	size_t n = strlen(object);
	return v->type == TOML_STRING && !strncmp(v->string.bytes, object, n) &&
		v->string.bytes[n] == ':';
}

void option_removed(struct toml_value *desc, const char *object)
{
	struct toml_value *table = toml_get(desc, "options");
	for (unsigned i = table && table->type == TOML_TABLE ? table->table.count : 0; i-- > 0;) {
		const struct toml_entry *e = table->table.entries[i];
		if (e->value->type == TOML_ARRAY) {
			struct toml_value *left = toml_new(TOML_ARRAY, e->value->pos);
			for (unsigned k = 0; k < e->value->array.count; k++)
				if (!leads_to(e->value->array.items[k], object))
					toml_append(left, toml_copy(e->value->array.items[k]));
			toml_set(table, e->key, e->key_length, e->key_pos, left);
		} else if (leads_to(e->value, object)) {
			toml_remove(table, e->key, e->key_length);
		}
	}
}

/* ---- checking ---- */

static bool has_property(const struct type *t, const char *prop)
{
	return field_find(t->object->props, t->field_size, prop) || !strcmp(prop, "count") ||
		(t->kind == BP_KIND_CPU && g_strv_contains(cpu_keys, prop));
}

static void check_target(struct machine *m, const struct option *o, const char *text,
	struct toml_pos pos, struct error_list *errors)
{
	char *object, *prop;
	if (!split_target(text, &object, &prop)) {
		toml_error(errors, pos, "options.%s: \"OBJECT:PROPERTY\" is expected, not \"%s\"",
			o->name, text);
		return;
	}
	const struct toml_value *table = toml_get(m->desc, object);
	const struct type *t = NULL;
	for (unsigned i = 0; i < m->instances->len && !t; i++) {
		const struct instance *in = g_ptr_array_index(m->instances, i);
		if (!strcmp(in->base, object))
			t = in->object->type;
	}
	if (!table || table->type != TOML_TABLE)
		toml_error(errors, pos, "options.%s: \"%s\": there is no object \"%s\"", o->name,
			text, object);
	else if (t && !has_property(t, prop))
		toml_error(errors, pos, "options.%s: \"%s\": %s has no property \"%s\"", o->name,
			text, t->id, prop);
	g_free(object);
	g_free(prop);
}

static void check_template(
	const struct option *o, const struct toml_value *v, struct error_list *errors)
{
	const struct toml_value *type = toml_get(v, "type"), *link = toml_get(v, "link");
	if (!type || type->type != TOML_STRING || !link || link->type != TOML_STRING)
		toml_error(errors, v->pos,
			"options.%s: a template needs type, and link: the property that takes the "
			"back end",
			o->name);
}

static void check_meaning(struct machine *m, const struct option *o, const struct toml_value *v,
	struct error_list *errors)
{
	if (v->type == TOML_STRING && o->manner != OBJECT)
		check_target(m, o, v->string.bytes, v->pos, errors);
	else if (v->type == TOML_TABLE && o->manner >= BACK_END)
		check_template(o, v, errors);
	else if (v->type == TOML_TABLE)
		for (unsigned i = 0; i < v->table.count; i++)
			check_target(m, o, v->table.entries[i]->key, v->table.entries[i]->key_pos,
				errors);
	else
		toml_error(errors, v->pos, "options.%s: %s is expected, not %s", o->name,
			o->manner == OBJECT ? "a template" : "\"OBJECT:PROPERTY\"",
			toml_type_name(v->type));
}

void options_check(struct machine *m, struct error_list *errors)
{
	const struct toml_value *table = toml_get(m->desc, "options");
	if (table && table->type != TOML_TABLE) {
		toml_error(errors, table->pos, "options: a table is expected, not %s",
			toml_type_name(table->type));
		return;
	}
	for (unsigned i = 0; table && i < table->table.count; i++) {
		const struct toml_entry *e = table->table.entries[i];
		const struct option *o = find_option(e->key);
		if (!o) {
			struct nearest near;
			nearest_init(&near, e->key);
			for (unsigned n = 0; n < G_N_ELEMENTS(options); n++)
				nearest_try(&near, options[n].name);
			toml_error(errors, e->key_pos,
				"options: the command line has no --%s%s%s%s", e->key,
				near.best ? "; did you mean --" : "", near.best ? near.best : "",
				near.best ? "?" : "");
		} else if (e->value->type == TOML_ARRAY) {
			for (unsigned k = 0; k < e->value->array.count; k++)
				check_meaning(m, o, e->value->array.items[k], errors);
		} else {
			check_meaning(m, o, e->value, errors);
		}
	}
}

char **option_list(const struct toml_value *desc)
{
	const struct toml_value *table = toml_get(desc, "options");
	GPtrArray *list = g_ptr_array_new();
	for (unsigned i = 0; table && table->type == TOML_TABLE && i < table->table.count; i++) {
		const struct toml_entry *e = table->table.entries[i];
		char *means = toml_write_value(e->value);
		g_ptr_array_add(list, g_strdup_printf("--%-10s sets %s", e->key, means));
		g_free(means);
	}
	g_ptr_array_add(list, NULL);
	return (char **)g_ptr_array_free(list, FALSE);
}
