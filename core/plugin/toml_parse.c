/* SPDX-License-Identifier: MIT */
/* The parser. One pass over validated UTF-8; functions that parse something stand at its first byte
 * and leave the cursor behind it, or report a fault and return false or NULL. Section numbers in
 * comments are the headings of the TOML 1.0.0 specification. */
#include "plugin/toml.h"
#include <errno.h>
#include <math.h>
#include <string.h>

struct parser {
	const char *cursor, *end;
	/* Where `counted` is; here() moves it on to the cursor, so that counting stays linear. */
	const char *counted;
	struct toml_pos counted_pos;
	struct error_list *errors;
	unsigned faults;
	unsigned values;
	struct toml_value *root;
	struct toml_value *section; /* the table that keys go to */
	unsigned section_depth;
	struct toml_value *lost_and_found; /* takes the keys behind a faulty header */
	bool unclosed; /* set when a fault left an array or inline table unfinished */
};

/* A dotted key or a header's name: the parts and where each stands. */
struct key_part {
	char *name;
	size_t length;
	struct toml_pos pos;
};

struct key_path {
	struct key_part parts[TOML_DEPTH_MAX + 1];
	unsigned count;
};

/* ---- places and faults ---- */

static struct toml_pos here(struct parser *p)
{
	for (; p->counted < p->cursor; p->counted++) {
		if (*p->counted == '\n') {
			p->counted_pos.line++;
			p->counted_pos.column = 1;
		} else if ((*p->counted & 0xc0) != 0x80) {
			p->counted_pos.column++;
		}
	}
	return p->counted_pos;
}

/* Always false. */
static bool BP_PRINTF(3, 4) fault(struct parser *p, struct toml_pos pos, const char *format, ...)
{
	va_list args;

	p->faults++;
	va_start(args, format);
	toml_errorv(p->errors, pos, format, args);
	va_end(args);
	return false;
}

static bool fault_depth(struct parser *p, struct toml_pos pos)
{
	return fault(
		p, pos, "Tables and arrays are nested more than %d deep here.", TOML_DEPTH_MAX);
}

static int peek(const struct parser *p, size_t ahead)
{
	return (size_t)(p->end - p->cursor) > ahead ? (unsigned char)p->cursor[ahead] : -1;
}

static size_t newline_length(const struct parser *p)
{
	if (peek(p, 0) == '\n')
		return 1;
	return peek(p, 0) == '\r' && peek(p, 1) == '\n' ? 2 : 0;
}

/* What stands at the cursor, for messages. */
struct seen {
	char text[32];
};

static struct seen seen(const struct parser *p)
{
	struct seen s;
	int c = peek(p, 0);

	if (c < 0)
		strcpy(s.text, "the end of the file");
	else if (newline_length(p))
		strcpy(s.text, "the end of the line");
	else if (c == '\'')
		strcpy(s.text, "\"'\"");
	else if (c < 0x20 || c == 0x7f)
		g_snprintf(s.text, sizeof(s.text), "control character U+%04X", c);
	else
		g_snprintf(s.text, sizeof(s.text), "'%.*s'",
			(int)(g_utf8_next_char(p->cursor) - p->cursor), p->cursor);
	return s;
}

static struct toml_value *new_value(struct parser *p, enum toml_type type, struct toml_pos pos)
{
	if (++p->values > TOML_VALUES_MAX) {
		if (p->values == TOML_VALUES_MAX + 1)
			fault(p, pos, "The file has more than %d values.", TOML_VALUES_MAX);
		p->cursor = p->end;
		return NULL;
	}
	return toml_new(type, pos);
}

/* ---- spaces, comments, line ends ---- */

static bool is_control(int c)
{
	return (c >= 0 && c < 0x20 && c != '\t') || c == 0x7f;
}

static void skip_spaces(struct parser *p)
{
	while (peek(p, 0) == ' ' || peek(p, 0) == '\t')
		p->cursor++;
}

static void skip_line(struct parser *p)
{
	const char *newline = memchr(p->cursor, '\n', p->end - p->cursor);

	p->cursor = newline ? newline : p->end;
}

static void skip_comment(struct parser *p)
{
	if (peek(p, 0) != '#')
		return;
	for (; p->cursor < p->end && !newline_length(p); p->cursor++) {
		if (!is_control(peek(p, 0)))
			continue;
		fault(p, here(p), "A comment must not hold %s.", seen(p).text);
		skip_line(p);
		return;
	}
}

/* Between the elements of an array, lines and comments are free. */
static void skip_lines(struct parser *p)
{
	size_t n;

	do {
		skip_spaces(p);
		skip_comment(p);
		n = newline_length(p);
		p->cursor += n;
	} while (n);
}

/* ---- strings ("String") ---- */

static bool parse_code_point(struct parser *p, size_t digits, GString *text)
{
	gunichar u = 0;

	for (size_t i = 0; i < digits; i++) {
		int c = peek(p, 2 + i);

		if (c < 0 || !g_ascii_isxdigit(c))
			return fault(p, here(p), "\\%c needs exactly %zu hexadecimal digits.",
				p->cursor[1], digits);
		u = u << 4 | (gunichar)g_ascii_xdigit_value((char)c);
	}
	if (u > 0x10ffff || (u >= 0xd800 && u < 0xe000))
		return fault(p, here(p),
			"U+%04X is not a Unicode scalar value: write U+0000 to U+D7FF "
			"or U+E000 to U+10FFFF.",
			u);
	g_string_append_unichar(text, u);
	p->cursor += 2 + digits;
	return true;
}

/* A backslash that ends a line of a multi-line string eats all white space up to the next text. */
static bool skip_line_continuation(struct parser *p)
{
	size_t ahead = 1;

	while (peek(p, ahead) == ' ' || peek(p, ahead) == '\t')
		ahead++;
	if (peek(p, ahead) != '\n' && !(peek(p, ahead) == '\r' && peek(p, ahead + 1) == '\n'))
		return false;
	p->cursor += ahead;
	for (;;) {
		skip_spaces(p);
		if (!newline_length(p))
			return true;
		p->cursor += newline_length(p);
	}
}

static bool parse_escape(struct parser *p, bool multi_line, GString *text)
{
	static const char letters[] = "btnfr\"\\", meanings[] = "\b\t\n\f\r\"\\";
	int c = peek(p, 1);
	const char *found = c > 0 ? strchr(letters, c) : NULL;

	if (found) {
		g_string_append_c(text, meanings[found - letters]);
		p->cursor += 2;
		return true;
	}
	if (c == 'u' || c == 'U')
		return parse_code_point(p, c == 'u' ? 4 : 8, text);
	if (multi_line && skip_line_continuation(p))
		return true;
	return fault(p, here(p),
		"A backslash in a \"string\" begins \\b \\t \\n \\f \\r \\\" \\\\ \\uXXXX "
		"or \\UXXXXXXXX; write \\\\ for the backslash itself, or 'single quotes'.");
}

/* At a run of quotes inside a multi-line string: up to two belong to the text, also right before
 * the three that close it. True when it closes. */
static bool take_quotes(struct parser *p, char quote, GString *text)
{
	size_t n = 0, content;

	while (n < 5 && peek(p, n) == quote)
		n++;
	content = n >= 3 ? n - 3 : n;
	g_string_append_len(text, p->cursor, content);
	p->cursor += n;
	return n >= 3;
}

/* One of the four kinds, decoded; NULL if it has no end. Wrong characters and escapes inside are
 * reported and left out, so that all of a string's faults come at once. */
static GString *parse_string(struct parser *p, bool may_be_multi_line)
{
	struct toml_pos open = here(p);
	char quote = *p->cursor;
	bool multi = may_be_multi_line && peek(p, 1) == quote && peek(p, 2) == quote;
	GString *text = g_string_new(NULL);

	p->cursor += multi ? 3 : 1;
	if (multi)
		p->cursor += newline_length(p); /* right behind the opening quotes it is trimmed */
	for (;;) {
		int c = peek(p, 0);

		if (c < 0 || (!multi && newline_length(p))) {
			fault(p, open,
				multi ? "This multi-line string is not closed before the end of "
					"the file."
				      : "This string is not closed on its line.");
			g_string_free(text, TRUE);
			return NULL;
		}
		if (c == quote && multi) {
			if (take_quotes(p, quote, text))
				return text;
		} else if (c == quote) {
			p->cursor++;
			return text;
		} else if (c == '\\' && quote == '"') {
			if (!parse_escape(p, multi, text))
				p->cursor++;
		} else if (newline_length(p)) {
			p->cursor += newline_length(p);
			g_string_append_c(text, '\n');
		} else if (is_control(c)) {
			fault(p, here(p),
				"A string must not hold %s as it is: write \\u%04X in double "
				"quotes.",
				seen(p).text, c);
			p->cursor++;
		} else {
			g_string_append_c(text, (char)c);
			p->cursor++;
		}
	}
}

/* ---- keys ("Keys") ---- */

static bool is_bare(int c)
{
	return c >= 0 && (g_ascii_isalnum(c) || c == '-' || c == '_');
}

static bool parse_key_part(struct parser *p, struct key_part *part)
{
	const char *start = p->cursor;
	int c = peek(p, 0);

	part->pos = here(p);
	if (c == '"' || c == '\'') {
		GString *text = parse_string(p, false);

		if (!text)
			return false;
		part->length = text->len;
		part->name = g_string_free(text, FALSE);
		return true;
	}
	while (is_bare(peek(p, 0)))
		p->cursor++;
	if (p->cursor == start)
		return fault(p, part->pos,
			"Expected a key, found %s: a key is made of A-Z a-z 0-9 _ - or "
			"stands in quotes.",
			seen(p).text);
	part->length = p->cursor - start;
	part->name = g_strndup(start, part->length);
	return true;
}

static void key_path_finish(struct key_path *path)
{
	while (path->count)
		g_free(path->parts[--path->count].name);
}

/* A key with its dots, and the spaces behind it. */
static bool parse_key_path(struct parser *p, struct key_path *path)
{
	path->count = 0;
	for (;;) {
		skip_spaces(p);
		if (path->count == G_N_ELEMENTS(path->parts))
			return fault_depth(p, here(p));
		if (!parse_key_part(p, &path->parts[path->count]))
			return false;
		path->count++;
		skip_spaces(p);
		if (peek(p, 0) != '.')
			return true;
		p->cursor++;
	}
}

/* A key for a message: not too long, control characters are made visible by the error list. */
#define KEY_FORMAT     "\"%.60s%s\""
#define KEY_ARGS(part) (part)->name, (part)->length > 60 ? "..." : ""

/* The key is in use, and what it stands for cannot be defined again or added to. */
static bool fault_taken(struct parser *p, const struct key_part *part, const struct toml_entry *old,
	const char *why)
{
	return fault(p, part->pos, KEY_FORMAT " is already %s, at line %u, column %u%s",
		KEY_ARGS(part),
		old->value->type != TOML_TABLE && old->value->form != TOML_HEADER ? "a value"
			: old->value->type == TOML_ARRAY ? "an array of tables"
							 : "a table",
		old->key_pos.line, old->key_pos.column, why);
}

/* A new table under a key. */
static struct toml_value *add_table(struct parser *p, struct toml_value *table,
	const struct key_part *part, enum toml_form form, unsigned depth)
{
	struct toml_value *value;

	if (depth > TOML_DEPTH_MAX) {
		fault_depth(p, part->pos);
		return NULL;
	}
	value = new_value(p, TOML_TABLE, part->pos);
	if (!value)
		return NULL;
	value->form = form;
	toml_set(table, part->name, part->length, part->pos, value);
	return value;
}

/* Put a value under a dotted key. "Dotted keys create and define a table for each key part before
 * the last one": such a table may grow by further dotted keys, one that a header or braces defined
 * may not. */
static bool insert(struct parser *p, struct toml_value *table, unsigned depth,
	const struct key_path *path, struct toml_value *value)
{
	const struct key_part *last = &path->parts[path->count - 1];
	struct toml_entry *old;

	for (const struct key_part *part = path->parts; part < last; part++) {
		old = toml_find(table, part->name, part->length);
		if (!old) {
			table = add_table(p, table, part, TOML_DOTTED, ++depth);
			if (!table)
				return false;
			continue;
		}
		if (old->value->type != TOML_TABLE || old->value->form == TOML_INLINE ||
			old->value->form == TOML_HEADER)
			return fault_taken(p, part, old, ": a dotted key cannot add to it.");
		table = old->value;
		table->form = TOML_DOTTED;
		depth++;
	}
	old = toml_find(table, last->name, last->length);
	if (old)
		return fault_taken(p, last, old, ": a key can be defined only once.");
	toml_set(table, last->name, last->length, last->pos, value);
	return true;
}

/* ---- numbers, booleans, dates ("Integer", "Float", "Boolean") ---- */

static bool is_digit(char c, unsigned base)
{
	return g_ascii_isxdigit(c) && g_ascii_xdigit_value(c) < (int)base;
}

/* How many characters from s on are digits, with single underscores between digits. */
static size_t digits_length(const char *s, unsigned base)
{
	size_t n = 0;

	while (is_digit(s[n], base) ||
		(n && s[n] == '_' && s[n - 1] != '_' && is_digit(s[n + 1], base)))
		n++;
	return n;
}

/* Sets *too_large, or returns the value of digits that digits_length() has passed. */
static uint64_t digits_value(const char *s, unsigned base, bool *too_large)
{
	uint64_t value = 0;

	for (; *s; s++) {
		if (*s == '_')
			continue;
		if (__builtin_mul_overflow(value, base, &value) ||
			__builtin_add_overflow(value, (uint64_t)g_ascii_xdigit_value(*s), &value))
			*too_large = true;
	}
	return value;
}

static bool parse_integer(struct parser *p, struct toml_value *value, const char *digits,
	unsigned base, bool negative)
{
	bool too_large = false;
	uint64_t magnitude = digits_value(digits, base, &too_large);

	if (too_large || (negative && magnitude > (uint64_t)1 << 63))
		return fault(
			p, value->pos, "This integer does not fit: the range is -2^63 to 2^64-1.");
	value->type = TOML_INTEGER;
	value->integer.magnitude = magnitude;
	value->integer.negative = negative && magnitude;
	value->integer.base = base;
	return true;
}

static bool parse_real(struct parser *p, struct toml_value *value, const char *token)
{
	char plain[TOML_NUMBER_MAX + 1];
	size_t n = 0;

	for (; *token; token++) {
		if (*token != '_')
			plain[n++] = *token;
	}
	plain[n] = '\0';
	value->type = TOML_FLOAT;
	value->real = g_ascii_strtod(plain, NULL);
	if (isinf(value->real))
		return fault(p, value->pos,
			"This number is too large for a float (64-bit IEEE 754): "
			"write inf if infinity is meant.");
	return true;
}

/* A token that begins like a number. */
static bool parse_number(struct parser *p, struct toml_value *value, const char *token)
{
	bool sign = *token == '+' || *token == '-';
	const char *body = token + sign, *rest;
	size_t whole = digits_length(body, 10);
	unsigned base = body[0] != '0' ? 10
		: body[1] == 'x'       ? 16
		: body[1] == 'o'       ? 8
		: body[1] == 'b'       ? 2
				       : 10;

	if (strcmp(body, "inf") == 0 || strcmp(body, "nan") == 0) {
		value->type = TOML_FLOAT;
		value->real = copysign(body[0] == 'i' ? INFINITY : NAN, *token == '-' ? -1.0 : 1.0);
		return true;
	}
	if (base != 10) {
		if (sign)
			return fault(p, value->pos,
				"A hexadecimal, octal or binary integer has no sign.");
		if (!body[2] || body[2 + digits_length(body + 2, base)])
			return fault(p, value->pos,
				"\"%.40s\" is not an integer of base %u: its digits "
				"follow 0%c, with single underscores between them at most.",
				token, base, body[1]);
		return parse_integer(p, value, body + 2, base, false);
	}
	if (whole > 1 && body[0] == '0')
		return fault(p, value->pos,
			"\"%.40s\" has a leading zero: leave it out, or write 0o for "
			"an octal number.",
			token);
	rest = body + whole;
	if (whole && !*rest)
		return parse_integer(p, value, body, 10, *token == '-');
	if (whole && *rest == '.' && digits_length(rest + 1, 10))
		rest += 1 + digits_length(rest + 1, 10);
	if (whole && (*rest == 'e' || *rest == 'E')) {
		const char *exponent = rest + 1 + (rest[1] == '+' || rest[1] == '-');

		if (digits_length(exponent, 10))
			rest = exponent + digits_length(exponent, 10);
	}
	if (!whole || *rest)
		return fault(p, value->pos,
			"\"%.40s\" is not a number: digits are needed around the '.', "
			"behind 'e' and around each '_'; put text in quotes.",
			token);
	return parse_real(p, value, token);
}

static bool looks_like_date(const char *s)
{
	size_t n = strspn(s, "0123456789");

	return (n == 4 && s[4] == '-' && g_ascii_isdigit(s[5])) ||
		(n == 2 && s[2] == ':' && g_ascii_isdigit(s[3]));
}

static bool parse_word(struct parser *p, struct toml_value *value, const char *token)
{
	value->type = TOML_BOOLEAN;
	value->boolean = strcmp(token, "true") == 0;
	if (value->boolean || strcmp(token, "false") == 0)
		return true;
	if (g_ascii_strcasecmp(token, "true") == 0 || g_ascii_strcasecmp(token, "false") == 0)
		return fault(p, value->pos,
			"\"%s\" is not a boolean: write true or false in small letters.", token);
	return fault(p, value->pos, "\"%.40s\" is not a value: put text in quotes.", token);
}

/* Everything that is neither quoted nor in brackets runs to the next of these. */
static size_t token_length(const struct parser *p)
{
	size_t n = 0;

	while (peek(p, n) >= 0 && !is_control(peek(p, n)) && !strchr(" \t,#=[]{}\"'", peek(p, n)))
		n++;
	return n;
}

static struct toml_value *parse_token(struct parser *p)
{
	size_t length = token_length(p);
	struct toml_pos pos = here(p);
	struct toml_value *value;
	char *token;
	bool good;

	if (!length) {
		fault(p, pos, "Expected a value, found %s.", seen(p).text);
		return NULL;
	}
	if (length > TOML_NUMBER_MAX) {
		fault(p, pos, "This value has more than %d characters: put text in quotes.",
			TOML_NUMBER_MAX);
		return NULL;
	}
	value = new_value(p, TOML_BOOLEAN, pos);
	if (!value)
		return NULL;
	token = g_strndup(p->cursor, length);
	if (looks_like_date(token))
		good = fault(p, pos,
			"Dates and times are no values of a machine file: put it in quotes.");
	else if (strchr("+-.0123456789", *token) || !strcmp(token, "inf") || !strcmp(token, "nan"))
		good = parse_number(p, value, token);
	else
		good = parse_word(p, value, token);
	g_free(token);
	p->cursor += length;
	if (good)
		return value;
	toml_destroy(value);
	return NULL;
}

/* ---- arrays and inline tables ("Array", "Inline Table") ---- */

static struct toml_value *parse_value(struct parser *p, unsigned depth);
static bool parse_pair(struct parser *p, struct toml_value *table, unsigned depth);

static struct toml_value *parse_array(struct parser *p, unsigned depth)
{
	struct toml_pos open = here(p);
	struct toml_value *array = new_value(p, TOML_ARRAY, open), *item;

	if (!array)
		return NULL;
	p->cursor++;
	for (;;) {
		skip_lines(p);
		if (peek(p, 0) == ']') {
			p->cursor++;
			return array;
		}
		if (peek(p, 0) < 0)
			break;
		item = parse_value(p, depth + 1);
		if (!item)
			goto failed;
		toml_append(array, item);
		skip_lines(p);
		if (peek(p, 0) == ',')
			p->cursor++;
		else if (peek(p, 0) != ']')
			break;
	}
	fault(p, here(p),
		"Expected ',' or ']' in the array that begins at line %u, column %u, found %s.",
		open.line, open.column, seen(p).text);
failed:
	p->unclosed = true;
	toml_destroy(array);
	return NULL;
}

static struct toml_value *parse_inline_table(struct parser *p, unsigned depth)
{
	struct toml_pos open = here(p);
	struct toml_value *table = new_value(p, TOML_TABLE, open);
	const char *expected = "a key or '}'";

	if (!table)
		return NULL;
	p->cursor++;
	skip_spaces(p);
	if (peek(p, 0) == '}') {
		p->cursor++;
		return table;
	}
	while (peek(p, 0) >= 0 && !newline_length(p)) {
		if (!parse_pair(p, table, depth))
			goto failed;
		skip_spaces(p);
		if (peek(p, 0) == '}') {
			p->cursor++;
			return table;
		}
		expected = "',' or '}'";
		if (peek(p, 0) != ',')
			break;
		expected = "a key";
		p->cursor++;
		skip_spaces(p);
		if (peek(p, 0) == '}') {
			fault(p, here(p),
				"TOML 1.0 has no ',' before the '}' of an inline table: leave it "
				"out.");
			goto failed;
		}
	}
	fault(p, here(p), "Expected %s in the inline table that begins at column %u, found %s%s.",
		expected, open.column, seen(p).text,
		newline_length(p) ? ": an inline table stands on one line" : "");
failed:
	p->unclosed = true;
	toml_destroy(table);
	return NULL;
}

/* depth is that of a table or array at this place. */
static struct toml_value *parse_value(struct parser *p, unsigned depth)
{
	int c = peek(p, 0);
	struct toml_value *value;
	struct toml_pos pos;
	GString *text;

	switch (c) {
	case '[':
	case '{':
		if (depth > TOML_DEPTH_MAX) {
			fault_depth(p, here(p));
			return NULL;
		}
		return c == '[' ? parse_array(p, depth) : parse_inline_table(p, depth);
	case '"':
	case '\'':
		pos = here(p);
		text = parse_string(p, true);
		value = text ? new_value(p, TOML_STRING, pos) : NULL;
		if (value) {
			value->string.length = text->len;
			value->string.bytes = g_string_free(text, FALSE);
		} else if (text) {
			g_string_free(text, TRUE);
		}
		return value;
	default: return parse_token(p);
	}
}

/* key = value, into a table that is depth deep. */
static bool parse_pair(struct parser *p, struct toml_value *table, unsigned depth)
{
	struct key_path path;
	struct toml_value *value = NULL;
	bool good = parse_key_path(p, &path);

	if (good && peek(p, 0) != '=')
		good = fault(p, here(p), "Expected '=' behind the key " KEY_FORMAT ", found %s.",
			KEY_ARGS(&path.parts[path.count - 1]), seen(p).text);
	if (good) {
		p->cursor++;
		skip_spaces(p);
		value = parse_value(p, depth + path.count);
		good = value && insert(p, table, depth, &path, value);
	}
	if (!good)
		toml_destroy(value);
	key_path_finish(&path);
	return good;
}

/* ---- headers ("Table", "Array of Tables") ---- */

/* From the root along all parts but the last. An array of tables stands for its last element. */
static struct toml_value *follow_header(
	struct parser *p, const struct key_path *path, unsigned *depth)
{
	struct toml_value *table = p->root;

	for (unsigned i = 0; i + 1 < path->count; i++) {
		const struct key_part *part = &path->parts[i];
		struct toml_entry *old = toml_find(table, part->name, part->length);

		++*depth;
		if (!old) {
			table = add_table(p, table, part, TOML_IMPLICIT, *depth);
			if (!table)
				return NULL;
			continue;
		}
		table = old->value;
		if (table->type == TOML_ARRAY && table->form == TOML_HEADER) {
			table = table->array.items[table->array.count - 1];
			++*depth;
		} else if (table->type != TOML_TABLE || table->form == TOML_INLINE) {
			fault_taken(p, part, old, ": a header cannot add to it.");
			return NULL;
		}
	}
	return table;
}

static struct toml_value *open_table(
	struct parser *p, struct toml_value *parent, const struct key_part *part, unsigned depth)
{
	struct toml_entry *old = toml_find(parent, part->name, part->length);

	if (!old)
		return add_table(p, parent, part, TOML_HEADER, depth);
	if (old->value->type != TOML_TABLE || old->value->form != TOML_IMPLICIT) {
		fault_taken(p, part, old,
			old->value->form == TOML_HEADER
				? ": each header may stand only once; put all keys under the first."
				: ": a header cannot define it again.");
		return NULL;
	}
	old->value->form = TOML_HEADER;
	old->value->pos = part->pos;
	return old->value;
}

static struct toml_value *open_element(
	struct parser *p, struct toml_value *parent, const struct key_part *part, unsigned depth)
{
	struct toml_entry *old = toml_find(parent, part->name, part->length);
	struct toml_value *array = old ? old->value : NULL, *table;

	if (depth > TOML_DEPTH_MAX) {
		fault_depth(p, part->pos);
		return NULL;
	}
	if (old && (array->type != TOML_ARRAY || array->form != TOML_HEADER)) {
		fault_taken(p, part, old, ": [[...]] cannot add an element to it.");
		return NULL;
	}
	table = new_value(p, TOML_TABLE, part->pos);
	if (!old && table) {
		array = new_value(p, TOML_ARRAY, part->pos);
		if (!array) {
			toml_destroy(table);
			return NULL;
		}
		array->form = TOML_HEADER;
		toml_set(parent, part->name, part->length, part->pos, array);
	}
	if (!table)
		return NULL;
	table->form = TOML_HEADER;
	toml_append(array, table);
	return table;
}

static bool parse_header(struct parser *p)
{
	bool is_array = peek(p, 1) == '[';
	struct toml_value *parent, *table = NULL;
	struct key_path path;
	unsigned depth = 0;
	bool good;

	p->cursor += is_array ? 2 : 1;
	good = parse_key_path(p, &path);
	if (good && (peek(p, 0) != ']' || (is_array && peek(p, 1) != ']')))
		good = fault(p, here(p), "Expected '%s' behind the header's name, found %s.",
			is_array ? "]]" : "]", seen(p).text);
	if (good) {
		const struct key_part *last = &path.parts[path.count - 1];

		p->cursor += is_array ? 2 : 1;
		parent = follow_header(p, &path, &depth);
		depth += is_array ? 2 : 1;
		if (parent)
			table = is_array ? open_element(p, parent, last, depth)
					 : open_table(p, parent, last, depth);
	}
	key_path_finish(&path);
	if (!table) {
		toml_destroy(p->lost_and_found);
		p->lost_and_found = toml_new(TOML_TABLE, p->root->pos);
		depth = 0;
	}
	p->section = table ? table : p->lost_and_found;
	p->section_depth = depth;
	return table;
}

/* ---- the file ---- */

/* How far the line at the cursor can be read as a key: quoted parts, bare ones, dots and spaces. */
static size_t key_like_length(const struct parser *p, size_t n)
{
	int c, quote;

	while ((c = peek(p, n)) >= 0) {
		if (c == '"' || c == '\'') {
			quote = c;
			do
				c = peek(p, ++n);
			while (c >= 0 && c != '\n' && c != quote);
			if (c != quote)
				return n;
		} else if (!is_bare(c) && c != '.' && c != ' ' && c != '\t') {
			return n;
		}
		n++;
	}
	return n;
}

/* Whether the line at the cursor is like "key =" or "[header]": there parsing goes on after
 * brackets or braces that were left unfinished. */
static bool looks_like_statement(const struct parser *p)
{
	size_t brackets = peek(p, 0) != '[' ? 0 : peek(p, 1) != '[' ? 1 : 2, n;

	n = key_like_length(p, brackets);
	if (n == brackets)
		return false;
	if (!brackets)
		return peek(p, n) == '=';
	if (peek(p, n) != ']' || (brackets == 2 && peek(p, ++n) != ']'))
		return false;
	do
		n++;
	while (peek(p, n) == ' ' || peek(p, n) == '\t' || peek(p, n) == '\r');
	return peek(p, n) < 0 || peek(p, n) == '\n' || peek(p, n) == '#';
}

/* After a fault: on to the next line that can be read for itself. */
static void recover(struct parser *p)
{
	skip_line(p);
	while (p->unclosed && p->cursor < p->end) {
		p->cursor++; /* the line's end */
		skip_spaces(p);
		if (looks_like_statement(p))
			return;
		skip_line(p);
	}
}

static void parse_statement(struct parser *p)
{
	bool good = true;

	p->unclosed = false;
	skip_spaces(p);
	if (peek(p, 0) == '[')
		good = parse_header(p);
	else if (peek(p, 0) >= 0 && peek(p, 0) != '#' && !newline_length(p))
		good = parse_pair(p, p->section, p->section_depth);
	if (good) {
		skip_spaces(p);
		skip_comment(p);
		if (p->cursor == p->end)
			return;
		if (newline_length(p)) {
			p->cursor += newline_length(p);
			return;
		}
		fault(p, here(p), "Expected the end of the line, found %s.", seen(p).text);
	}
	recover(p);
}

/* U+0000 is valid UTF-8 but not for g_utf8_validate. */
static bool check_encoding(struct parser *p)
{
	const char *start = p->cursor, *bad;

	while (!g_utf8_validate(p->cursor, p->end - p->cursor, &bad)) {
		p->cursor = bad;
		if (*bad != '\0')
			return fault(p, here(p),
				"Byte 0x%02X is not UTF-8 here: a machine file is UTF-8 text.",
				(unsigned char)*bad);
		p->cursor++;
	}
	p->cursor = start;
	return true;
}

/* Common to files and single values: false if the text cannot be parsed at all. */
static bool parser_init(struct parser *p, struct toml_pos pos, const char *bytes, size_t length,
	struct error_list *errors)
{
	*p = (struct parser){ .cursor = bytes,
		.end = bytes + length,
		.counted = bytes,
		.counted_pos = pos,
		.errors = errors };
	p->counted_pos.file = g_intern_string(pos.file);
	if (length > TOML_SIZE_MAX)
		return fault(p, here(p), "The file has more than %d MiB.", TOML_SIZE_MAX >> 20);
	return check_encoding(p);
}

struct toml_value *toml_parse(
	const char *file_name, const char *bytes, size_t length, struct error_list *errors)
{
	struct toml_pos start = { .file = file_name, .line = 1, .column = 1 };
	struct parser p;

	if (!parser_init(&p, start, bytes, length, errors))
		return NULL;
	p.root = toml_new(TOML_TABLE, here(&p));
	p.root->form = TOML_HEADER;
	p.section = p.root;
	if (length >= 3 && memcmp(bytes, "\xef\xbb\xbf", 3) == 0) {
		fault(&p, here(&p),
			"The file begins with a byte order mark: save it as UTF-8 without one.");
		p.cursor += 3;
	}
	while (p.cursor < p.end)
		parse_statement(&p);
	toml_destroy(p.lost_and_found);
	if (!p.faults)
		return p.root;
	toml_destroy(p.root);
	return NULL;
}

struct toml_value *toml_parse_value(
	struct toml_pos pos, const char *bytes, size_t length, struct error_list *errors)
{
	struct toml_value *value;
	struct parser p;

	if (!parser_init(&p, pos, bytes, length, errors))
		return NULL;
	skip_spaces(&p);
	value = parse_value(&p, 1);
	skip_spaces(&p);
	if (value && p.cursor < p.end)
		fault(&p, here(&p), "Expected nothing behind the value, found %s.", seen(&p).text);
	if (!p.faults)
		return value;
	toml_destroy(value);
	return NULL;
}

struct toml_value *toml_parse_file(const char *path, struct error_list *errors)
{
	struct toml_value *value = NULL;
	FILE *file = fopen(path, "rbe");
	size_t length = 0, room = 0, n = 1;
	char *bytes = NULL;

	if (!file) {
		error_list_add(errors, path, "The file cannot be opened: %s.", g_strerror(errno));
		return NULL;
	}
	/* Up to one byte more than allowed, which the parser then refuses: the size of a pipe or device
	 * is known only by reading. */
	while (n && length < TOML_SIZE_MAX + 1) {
		if (length == room)
			bytes = g_realloc(
				bytes, room = MIN(MAX(4096, 2 * room), TOML_SIZE_MAX + 1));
		n = fread(bytes + length, 1, room - length, file);
		length += n;
	}
	if (ferror(file))
		error_list_add(errors, path, "The file cannot be read: %s.", g_strerror(errno));
	else
		value = toml_parse(path, bytes, length, errors);
	fclose(file);
	g_free(bytes);
	return value;
}
