/* SPDX-License-Identifier: MIT */
#include "field.h"
#include <errno.h>
#include <glib.h>
#include <string.h>

static const struct { /* by enum bp_vtype */
	uint8_t bytes;
	bool number, sign;
	const char *text;
} vtypes[] = {
	[BP_BOOL] = { 1, true, false, "true or false" },
	[BP_U8] = { 1, true, false, "a number from 0 to 255" },
	[BP_U16] = { 2, true, false, "a number from 0 to 65535" },
	[BP_U32] = { 4, true, false, "a number from 0 to 2^32-1" },
	[BP_U64] = { 8, true, false, "a number from 0 to 2^64-1" },
	[BP_S32] = { 4, true, true, "a number from -2^31 to 2^31-1" },
	[BP_S64] = { 8, true, true, "a number from -2^63 to 2^63-1" },
	[BP_STR] = { sizeof(char *), false, false, "a string" },
	[BP_SIZE] = { 8, true, false, "a size such as \"128M\", or a number of bytes" },
	[BP_ENUM] = { 4, true, false, "one of its words" },
	[BP_LINK] = { sizeof(void *), false, false, "the name of an object" },
	[BP_LINKS] = { sizeof(struct bp_links), false, false, "names of objects" },
	[BP_BYTES] = { 1, false, false, "bytes" },
	[BP_STRUCT] = { 0, false, false, "a structure" },
	[BP_TIMER] = { sizeof(void *), false, false, "a timer" },
	[BP_LINE] = { sizeof(void *), false, false, "a line" },
	[BP_U128] = { 16, false, false, "a 128-bit number" },
};

const struct bp_field *field_at(const struct bp_field *table, uint32_t stride, unsigned n)
{
	if (!table)
		return NULL;
	const struct bp_field *f = TABLE_AT(table, stride, n);
	return f->name ? f : NULL;
}

const struct bp_field *field_find(const struct bp_field *table, uint32_t stride, const char *name)
{
	const struct bp_field *f;
	for (unsigned n = 0; (f = field_at(table, stride, n)); n++)
		if (!strcmp(f->name, name))
			return f;
	return NULL;
}

unsigned field_size_of(const struct bp_field *f)
{
	unsigned one = f->type == BP_STRUCT      ? f->sub_size
		: f->type < G_N_ELEMENTS(vtypes) ? vtypes[f->type].bytes
						 : 0;
	return one * (f->count ? f->count : 1);
}

const char *field_type_text(const struct bp_field *f)
{
	return f->type < G_N_ELEMENTS(vtypes) && vtypes[f->type].text ? vtypes[f->type].text
								      : "nothing known";
}

static void *place(const struct bp_field *f, const void *instance)
{
	return (char *)(uintptr_t)instance + f->offset;
}

static void store(const struct bp_field *f, void *instance, uint64_t v)
{
	switch (vtypes[f->type].bytes) {
	case 1: *(uint8_t *)place(f, instance) = (uint8_t)v; break;
	case 2: *(uint16_t *)place(f, instance) = (uint16_t)v; break;
	case 4: *(uint32_t *)place(f, instance) = (uint32_t)v; break;
	default: *(uint64_t *)place(f, instance) = v; break;
	}
}

void fields_set_defaults(const struct bp_field *table, uint32_t stride, void *instance)
{
	const struct bp_field *f;
	for (unsigned n = 0; (f = field_at(table, stride, n)); n++) {
		if (f->type == BP_STR)
			field_set_string(f, instance, f->def_str);
		else if (f->type < G_N_ELEMENTS(vtypes) && vtypes[f->type].number)
			store(f, instance, f->def);
	}
}

void fields_free_strings(const struct bp_field *table, uint32_t stride, void *instance)
{
	const struct bp_field *f;
	for (unsigned n = 0; (f = field_at(table, stride, n)); n++)
		if (f->type == BP_STR)
			field_set_string(f, instance, NULL);
}

static bool fits(const struct bp_field *f, uint64_t value, bool negative)
{
	unsigned bits = 8u * vtypes[f->type].bytes;
	uint64_t top = bits == 64 ? UINT64_MAX : (UINT64_C(1) << bits) - 1;
	if (f->type == BP_BOOL)
		return !negative && value <= 1;
	if (vtypes[f->type].sign)
		return value <= top / 2 + negative;
	return !negative && value <= top;
}

bool field_takes(const struct bp_field *f, uint64_t value, bool negative)
{
	if (f->type >= G_N_ELEMENTS(vtypes) || !vtypes[f->type].number || !fits(f, value, negative))
		return false;
	return !(f->flags & BP_F_RANGE) || (!negative && value >= f->min && value <= f->max);
}

int field_set_number(const struct bp_field *f, void *instance, uint64_t value, bool negative)
{
	if (!field_takes(f, value, negative))
		return -1;
	store(f, instance, negative ? -value : value);
	return 0;
}

uint64_t field_get_number(const struct bp_field *f, const void *instance)
{
	if (f->type >= G_N_ELEMENTS(vtypes) || !vtypes[f->type].number)
		return 0;
	switch (vtypes[f->type].bytes) {
	case 1: return *(const uint8_t *)place(f, instance);
	case 2: return *(const uint16_t *)place(f, instance);
	case 4: return *(const uint32_t *)place(f, instance);
	default: return *(const uint64_t *)place(f, instance);
	}
}

void field_set_string(const struct bp_field *f, void *instance, const char *text)
{
	char **p = place(f, instance), *fresh = g_strdup(text);
	g_free(*p);
	*p = fresh;
}

const char *field_get_string(const struct bp_field *f, const void *instance)
{
	return f->type == BP_STR ? *(char *const *)place(f, instance) : NULL;
}

int field_set_word(const struct bp_field *f, void *instance, const char *word)
{
	for (uint32_t i = 0; f->names && f->names[i]; i++) {
		if (!strcmp(f->names[i], word)) {
			store(f, instance, i);
			return 0;
		}
	}
	return -1;
}

/* The digits behind a point as numerator and denominator; at most 18 of them. */
static const char *parse_fraction(const char *p, uint64_t *numerator, uint64_t *denominator)
{
	const char *start = p;
	*numerator = 0;
	*denominator = 1;
	for (; g_ascii_isdigit(*p) && p - start < 18; p++) {
		*numerator = *numerator * 10 + (uint64_t)(*p - '0');
		*denominator *= 10;
	}
	return p > start ? p : NULL;
}

bool size_parse(const char *text, uint64_t *bytes)
{
	static const char units[] = "KMGTPE";
	uint64_t numerator = 0, denominator = 1;
	char *end;
	if (!g_ascii_isdigit(*text))
		return false;
	errno = 0;
	uint64_t whole = g_ascii_strtoull(text, &end, 10);
	const char *p = end;
	if (errno || (*p == '.' && !(p = parse_fraction(p + 1, &numerator, &denominator))))
		return false;
	const char *unit = *p ? strchr(units, g_ascii_toupper(*p)) : NULL;
	unsigned shift = unit ? 10u * (unsigned)(unit - units + 1) : 0;
	if (unit) {
		p++;
		if (*p == 'i')
			p++;
		if (*p == 'B')
			p++;
	}
	/* Fractions as far as they are whole bytes. */
	__extension__ typedef unsigned __int128 wide;
	wide part = (wide)numerator << shift;
	if (*p || whole > UINT64_MAX >> shift || part % denominator)
		return false;
	part = part / denominator + (whole << shift);
	*bytes = (uint64_t)part;
	return part <= UINT64_MAX;
}

/* ---- options ---- */

char *option_part(const char **text)
{
	const char *at = *text;
	if (!*at)
		return NULL;
	GString *part = g_string_new(NULL);
	for (; *at && (*at != ',' || at[1] == ','); at++) {
		at += *at == ',';
		g_string_append_c(part, *at);
	}
	*text = at + (*at == ',');
	return g_string_free(part, FALSE);
}

bool option_next(const char **text, char **key, char **value)
{
	*key = option_part(text);
	*value = *key ? strchr(*key, '=') : NULL;
	if (*value)
		*(*value)++ = 0;
	return *key != NULL;
}
