/* SPDX-License-Identifier: MIT */
#include "ir_table.h"
#include "ir_text.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

/* A whole number in [min, max], decimal or 0x. */
static bool number(const char *s, int64_t min, int64_t max, int64_t *out)
{
	char *end;
	if (!g_ascii_isdigit(*s) && *s != '-')
		return false;
	errno = 0;
	long long x = strtoll(s, &end, 0);
	if (errno || *end || end == s || x < min || x > max)
		return false;
	*out = x;
	return true;
}

static bool wide_number(const char *s, uint64_t *out)
{
	char *end;
	if (!g_ascii_isdigit(*s))
		return false;
	errno = 0;
	*out = strtoull(s, &end, 0);
	return !errno && !*end;
}

static int type_of(const char *name)
{
	for (int i = 0; i < BP_T_COUNT; i++)
		if (!strcmp(ir_types[i].name, name))
			return i;
	return -1;
}

static const char *prefixed(const char *word, const char *prefix)
{
	size_t n = strlen(prefix);
	return strncmp(word, prefix, n) ? NULL : word + n;
}

/* The next place for a value, from *n on. */
static bool value_place(const struct ir_info *info, unsigned *n)
{
	for (; *n < 4; ++*n) {
		switch (info->arg[*n]) {
		case ARG_NONE:
		case ARG_TYPE:
		case ARG_LANE:
		case ARG_NUMBER:
		case ARG_MEMOP:
		case ARG_WIDE: continue;
		default: return true;
		}
	}
	return false;
}

static bool kind_place(const struct ir_info *info, enum ir_arg kind, unsigned *n)
{
	while (*n < 4 && info->arg[*n] != kind)
		++*n;
	return *n < 4;
}

static bool read_memop(char *text, struct bp_ir *r)
{
	static const int64_t bits[] = { 8, 16, 32, 64, 128, 256, 512 };
	uint32_t memop = 0, seen = 0;
	char *save, *part = strtok_r(text, ".", &save);
	int64_t n;
	if (!part || !number(part, 8, 512, &n))
		return false;
	while (memop < G_N_ELEMENTS(bits) && bits[memop] != n)
		memop++;
	if (memop == G_N_ELEMENTS(bits))
		return false;
	while ((part = strtok_r(NULL, ".", &save))) {
		const char *regime = prefixed(part, "regime");
		const struct ir_memop_name *m = ir_memop_names;
		while (m->name && strcmp(m->name, part))
			m++;
		if (m->name)
			memop |= m->bit;
		else if (regime && !seen++ && number(regime, 1, 31, &n))
			memop |= (uint32_t)n << BP_MEM_REGIME_SHIFT;
		else
			return false;
	}
	r->arg[2] = (uint16_t)memop;
	r->arg[3] = (uint16_t)(memop >> 16);
	return true;
}

struct places { /* how far a record's arguments are filled */
	unsigned value, number;
};

static const char *read_value(
	const char *word, const struct ir_info *info, struct places *at, struct bp_ir *r)
{
	int64_t n = 0;
	if (!value_place(info, &at->value))
		return "more operands than it has";
	if (*word == '#') {
		if (info->arg[at->value] != ARG_SAME_OR_IMM ||
			!number(word + 1, INT32_MIN, INT32_MAX, &n))
			return "an immediate operand that it cannot have";
		r->aux |= BP_IR_IMM;
		r->imm = (int32_t)n;
	} else if (*word == '%' && !number(word + 1, 0, UINT16_MAX, &n)) {
		return "an operand that is no number";
	} else if (*word == '%') {
		r->arg[at->value] = (uint16_t)n;
	}
	at->value++;
	return NULL;
}

static const char *read_typed(const char *word, const struct ir_info *info, struct bp_ir *r)
{
	static const struct {
		const char *prefix;
		enum ir_arg kind;
	} kinds[] = { { "type=", ARG_TYPE }, { "lane=", ARG_LANE } };
	const char *rest;
	unsigned n = 0;
	for (unsigned i = 0; i < G_N_ELEMENTS(kinds); i++)
		if ((rest = prefixed(word, kinds[i].prefix))) {
			int type = type_of(rest);
			if (type < 0 || !kind_place(info, kinds[i].kind, &n))
				return "a type that there is not, or that it does not have";
			r->arg[n] = (uint16_t)type;
			return NULL;
		}
	rest = prefixed(word, "from=");
	if (!rest || info->aux != AUX_TYPE || type_of(rest) < 0)
		return "a word that means nothing here";
	r->aux = (uint8_t)type_of(rest);
	return NULL;
}

static const char *read_word(
	char *word, const struct ir_info *info, struct places *at, struct bp_ir *r)
{
	const char *rest;
	int64_t x;
	uint64_t wide;
	unsigned n = 0;
	if (*word == '%' || *word == '#' || !strcmp(word, "-"))
		return read_value(word, info, at, r);
	if (*word == '@' && info->imm == IMM_OFFSET && number(word + 1, INT32_MIN, INT32_MAX, &x)) {
		r->imm = (int32_t)x;
	} else if ((rest = prefixed(word, "imm=")) && number(rest, INT32_MIN, INT32_MAX, &x)) {
		r->imm = (int32_t)x;
	} else if ((rest = prefixed(word, "aux=")) && number(rest, 0, UINT8_MAX, &x)) {
		r->aux = (uint8_t)x;
	} else if ((rest = prefixed(word, "round=")) && number(rest, 0, UINT16_MAX - 1, &x) &&
		kind_place(info, ARG_LANE, &n)) {
		r->arg[n] = (uint16_t)(x + 1);
	} else if (prefixed(word, "mem=")) {
		if (info->arg[2] != ARG_MEMOP || !read_memop(word + 4, r))
			return "a memop that there is not";
	} else if (info->arg[0] == ARG_WIDE && wide_number(word, &wide)) {
		for (unsigned i = 0; i < 4; i++)
			r->arg[i] = (uint16_t)(wide >> 16 * i);
	} else if (g_ascii_isdigit(*word)) {
		if (!kind_place(info, ARG_NUMBER, &at->number) || !number(word, 0, UINT16_MAX, &x))
			return "a number that it does not have";
		r->arg[at->number++] = (uint16_t)x;
	} else {
		return read_typed(word, info, r);
	}
	return NULL;
}

static const char *read_raw(char **save, struct bp_ir *r)
{
	static const struct {
		int64_t min, max;
	} limits[8] = { { 0, UINT16_MAX }, { 0, UINT8_MAX }, { 0, UINT8_MAX },
		{ INT32_MIN, INT32_MAX }, { 0, UINT16_MAX }, { 0, UINT16_MAX }, { 0, UINT16_MAX },
		{ 0, UINT16_MAX } };
	int64_t x[8];
	for (unsigned i = 0; i < 8; i++) {
		const char *word = strtok_r(NULL, " \t", save);
		if (!word || !number(word, limits[i].min, limits[i].max, &x[i]))
			return "a raw record has eight numbers in their ranges";
	}
	*r = (struct bp_ir){ (uint16_t)x[0], (uint8_t)x[1], (uint8_t)x[2], (int32_t)x[3],
		{ (uint16_t)x[4], (uint16_t)x[5], (uint16_t)x[6], (uint16_t)x[7] } };
	return strtok_r(NULL, " \t", save) ? "a raw record has eight numbers" : NULL;
}

const char *ir_read_words(char *line, struct bp_ir *r)
{
	char *save, *word = strtok_r(line, " \t", &save), *dot;
	const struct ir_info *info = NULL;
	struct places at = { 0, 0 };
	memset(r, 0, sizeof(*r));
	if (!word)
		return "no opcode";
	if (!strcmp(word, "raw"))
		return read_raw(&save, r);
	dot = strchr(word, '.');
	if (dot) {
		int type = type_of(dot + 1);
		if (type <= 0)
			return "a type that there is not";
		r->type = (uint8_t)type;
		*dot = 0;
	}
	for (unsigned op = 0; op < IR_TABLE_SIZE && !info; op++)
		if (ir_info(op) && !strcmp(ir_info(op)->name, word)) {
			info = ir_info(op);
			r->op = (uint16_t)op;
		}
	if (!info)
		return "an opcode that there is not";
	while ((word = strtok_r(NULL, " \t", &save))) {
		const char *wrong = read_word(word, info, &at, r);
		if (wrong)
			return wrong;
	}
	return NULL;
}

/* "%n = " in front, which must be the record's own id. */
static const char *read_id(char **line, uint32_t id, bool *has)
{
	char *equals = strchr(*line, '=');
	int64_t n;
	*has = false;
	while (**line == ' ' || **line == '\t')
		++*line;
	if (**line != '%' || !equals)
		return NULL;
	char *end = *line + 1 + strspn(*line + 1, "0123456789");
	char after = *end;
	*end = 0;
	if (!number(*line + 1, 0, UINT16_MAX, &n) || n != (int64_t)id)
		return "a value's number is the number of its line after the mark";
	*end = after;
	if (end + strspn(end, " \t") != equals)
		return "expected \"%n = opcode\"";
	*line = equals + 1;
	*has = true;
	return NULL;
}

bool ir_read(const char *text, size_t len, struct bp_ir *record, uint32_t limit, uint32_t *count,
	char *error, size_t size)
{
	const char *end = text + len;
	uint32_t mark = 0;
	*count = 0;
	for (unsigned number_of_line = 1; text < end; number_of_line++) {
		const char *stop = memchr(text, '\n', (size_t)(end - text));
		size_t n = (size_t)((stop ? stop : end) - text);
		char *copy = g_strndup(text, n), *line = copy;
		const char *wrong = memchr(text, 0, n) ? "a byte that is 0" : NULL;
		bool has;
		line[strcspn(line, ";\r")] = 0;
		if (!wrong && line[strspn(line, " \t")]) {
			struct bp_ir r;
			if (*count == limit)
				wrong = "more records than there is room for";
			if (!wrong)
				wrong = read_id(&line, *count - mark, &has);
			if (!wrong)
				wrong = ir_read_words(line, &r);
			if (!wrong && has != (ir_result_type(&r) != BP_T_NONE))
				wrong = has ? "it has no result"
					    : "it has a result: expected \"%n = opcode\"";
			if (!wrong) {
				if (r.op == BP_IR_INSN)
					mark = *count;
				record[(*count)++] = r;
			}
		}
		g_free(copy);
		if (wrong) {
			g_snprintf(error, size, "line %u: %s", number_of_line, wrong);
			return false;
		}
		if (!stop)
			break;
		text = stop + 1;
	}
	return true;
}
