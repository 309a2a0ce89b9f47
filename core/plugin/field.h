/* SPDX-License-Identifier: MIT */
/* Tables of fields: properties and saved state, read and written by what the table says. */
#ifndef PLUGIN_FIELD_H
#define PLUGIN_FIELD_H
#include "object.h"

/* The n-th row, or NULL after the last (and for a NULL table). */
const struct bp_field *field_at(const struct bp_field *table, uint32_t stride, unsigned n);
const struct bp_field *field_find(const struct bp_field *table, uint32_t stride, const char *name);
unsigned field_size_of(const struct bp_field *f);
/* "a size such as 128M", for messages. */
const char *field_type_text(const struct bp_field *f);

void fields_set_defaults(const struct bp_field *table, uint32_t stride, void *instance);
/* Strings are the instance's: free them. */
void fields_free_strings(const struct bp_field *table, uint32_t stride, void *instance);

/* Numbers: BOOL, the integers, SIZE, ENUM. -1: out of the type's or the table's range. */
int field_set_number(const struct bp_field *f, void *instance, uint64_t value, bool negative);
bool field_takes(const struct bp_field *f, uint64_t value, bool negative);
uint64_t field_get_number(const struct bp_field *f, const void *instance);
/* BP_STR; NULL forgets the value. */
void field_set_string(const struct bp_field *f, void *instance, const char *text);
const char *field_get_string(const struct bp_field *f, const void *instance);
/* BP_ENUM by word. -1: no such word. */
int field_set_word(const struct bp_field *f, void *instance, const char *word);
/* "128M", "1.5G", "60K", "4096" into bytes. False: not a size. */
bool size_parse(const char *text, uint64_t *bytes);

/* ---- options: "key=value,key,..." ---- */
/* The next part, to be freed, or NULL; a comma in it is written twice. */
char *option_part(const char **text);
/* The same, cut at the first "=": *key is to be freed, *value lies in it, or is NULL. False: there is none. */
bool option_next(const char **text, char **key, char **value);

#endif
