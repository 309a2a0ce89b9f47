/* SPDX-License-Identifier: MIT */
/* The usual options. The board's table [options] says what each means: "object:property", a list of
 * such (the n-th use of the option takes the n-th place), or a template of an object to add. The core
 * knows only the manner of an option's value: */
#include "machine.h"
#include "plugin/field.h"
#include <glib.h>
#include <string.h>

enum manner {
	TEXT, /* a string: a file's name, a command line */
	NUMBER,
	BACK_END /* WORD[:ARGUMENT][,key=value...]: an object of type PREFIX-WORD to link to */
};
static const struct {
	const char *name, *prefix;
	enum manner manner;
} options[] = { { "kernel", NULL, TEXT }, { "initrd", NULL, TEXT }, { "append", NULL, TEXT },
	{ "firmware", NULL, TEXT }, { "dtb", NULL, TEXT }, { "memory", NULL, TEXT },
	{ "cpus", NULL, NUMBER }, { "serial", "chr", BACK_END } };

static struct toml_pos place_of(unsigned word)
{
	return (struct toml_pos){ "command line", word, 1 };
}

/* The target of the n-th use, as "object:property"; NULL after an error. */
static const char *target(const struct toml_value *desc, const char *name, unsigned n,
	struct toml_pos pos, struct error_list *errors)
{
	const struct toml_value *table = toml_get(desc, "options");
	const struct toml_value *v =
		table && table->type == TOML_TABLE ? toml_get(table, name) : NULL;
	if (!v) {
		toml_error(errors, pos, "this machine's board has no meaning for --%s", name);
		return NULL;
	}
	if (v->type == TOML_ARRAY) {
		if (n >= v->array.count) {
			toml_error(errors, pos, "--%s: this board has only %u of them", name,
				v->array.count);
			return NULL;
		}
		v = v->array.items[n];
	} else if (n && strcmp(name, "serial") == 0) {
		toml_error(errors, pos, "--%s: this board has only one of them", name);
		return NULL;
	}
	if (v->type != TOML_STRING || !strchr(v->string.bytes, ':')) {
		toml_error(errors, v->pos, "options.%s: \"object:property\" is expected", name);
		return NULL;
	}
	return v->string.bytes;
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

/* WORD[:ARGUMENT][,key=value...] as a new object; its name, or NULL after an error. */
static char *add_object(struct toml_value *desc, const char *prefix, const char *text,
	struct toml_pos pos, struct error_list *errors)
{
	char **parts = g_strsplit(text, ",", 0);
	char *colon = parts[0] ? strchr(parts[0], ':') : NULL, *name = NULL;
	if (colon)
		*colon++ = 0;
	char *id = g_strdup_printf("%s-%s", prefix, parts[0] ? parts[0] : "");
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
		for (unsigned i = 1; parts[i]; i++) {
			char *equals = strchr(parts[i], '=');
			if (equals)
				*equals++ = 0;
			set_text(table, parts[i], equals ? equals : "true", pos);
		}
		for (unsigned n = 0; !name || toml_get(desc, name); n++) {
			g_free(name);
			name = g_strdup_printf("%s%u", prefix, n);
		}
		toml_set(desc, name, strlen(name), pos, table);
	}
	g_free(id);
	g_strfreev(parts);
	return name;
}

int option_trace(
	struct toml_value *desc, const char *value, unsigned word, struct error_list *errors)
{
	char *name = add_object(desc, "trace", value, place_of(word), errors);
	g_free(name);
	return name ? 0 : -1;
}

static struct toml_value *number(
	const char *text, struct toml_pos pos, struct error_list *errors, const char *name)
{
	struct error_list ignored = { 0 };
	struct toml_value *v = toml_parse_value(pos, text, strlen(text), &ignored);
	error_list_finish(&ignored);
	if (!v || v->type != TOML_INTEGER) {
		toml_error(errors, pos, "--%s %s: a number is expected", name, text);
		toml_destroy(v);
		return NULL;
	}
	return v;
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

int option_apply(struct toml_value *desc, const char *name, const char *value, unsigned word,
	struct error_list *errors)
{
	struct toml_pos pos = place_of(word);
	for (unsigned i = 0; i < G_N_ELEMENTS(options); i++) {
		if (strcmp(options[i].name, name))
			continue;
		const char *to = target(desc, name, uses(desc, name), pos, errors);
		if (!to)
			return -1;
		struct toml_value *v = NULL;
		if (options[i].manner == NUMBER) {
			v = number(value, pos, errors, name);
		} else if (options[i].manner == BACK_END) {
			char *made = add_object(desc, options[i].prefix, value, pos, errors);
			v = made ? toml_new_string(pos, made, strlen(made)) : NULL;
			g_free(made);
		} else {
			v = toml_new_string(pos, value, strlen(value));
		}
		if (!v)
			return -1;
		char **parts = g_strsplit(to, ":", 2);
		int r = desc_put(desc, parts[0], parts[1], v, errors);
		g_strfreev(parts);
		return r;
	}
	return toml_error(errors, pos, "--%s is no option", name);
}

void option_forget(struct toml_value *desc)
{
	for (unsigned i = desc->table.count; i-- > 0;) {
		const struct toml_entry *e = desc->table.entries[i];
		if (e->key[0] == '\001')
			toml_remove(desc, e->key, e->key_length);
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
